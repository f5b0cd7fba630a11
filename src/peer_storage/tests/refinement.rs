//! Random calls on the model and, beside it, on the rules and on the real store, with full disks, crashes
//! after any call and faults at every write of one. Every answer, entry, sum and due time is compared.
//!
//! LNKEEP_MODEL_STEPS and LNKEEP_MODEL_SEED choose length and seed; a failure prints the seed.

use super::model::{Answer, Disk, Model, Op};
use super::world::{
    FLAWS, Flaw, Real, Rules, Subject, Traffic, chosen, node, option_sets, small_options,
};
use crate::peer_storage::PeerStorageOptions;
use crate::store::failpoints::Fault;

struct Run<S> {
    traffic: Traffic,
    model: Model,
    subject: S,
    refused: u64,
    collected: u64,
}

impl<S: Subject> Run<S> {
    fn new(seed: u64, options: PeerStorageOptions, subject: S) -> Run<S> {
        let (traffic, model) = (Traffic::new(seed), Model::new(options));
        Run { traffic, model, subject, refused: 0, collected: 0 }
    }

    /// What differs, if anything does.
    fn compare(&self) -> Result<(), String> {
        let (known, found) = (self.model.entries(), self.subject.entries());
        if known != found {
            return Err(format!("entries\n{found:?}\nmodel\n{known:?}"));
        }
        let (known, found) = (self.model.stats(), self.subject.stats());
        if known != found {
            return Err(format!("stats\n{found:?}\nmodel\n{known:?}"));
        }
        let (known, found) = (self.model.next_due_ms(), self.subject.next_due_ms());
        if known == found { Ok(()) } else { Err(format!("due {found:?}, model {known:?}")) }
    }

    fn apply(&mut self, op: &Op, disk: Disk) -> Result<Answer, String> {
        let (known, found) = (self.model.step(op, disk), self.subject.step(op, disk));
        if known != found {
            return Err(format!("{op:?} {disk:?}: {found:?}, model {known:?}"));
        }
        self.compare().map_err(|why| format!("{op:?} {disk:?}: {why}"))?;
        self.refused += u64::from(matches!(&known, Answer::Deferred { was_refused: true, .. }));
        self.collected += u64::from(matches!(&known, Answer::Peers(some) if !some.is_empty()));
        Ok(known)
    }

    /// Both come up again; sometimes a block comes before the host has said what is claimed.
    fn crash(&mut self) -> Result<(), String> {
        let (claims, height) = (self.model.claims(), self.model.height);
        self.model.crash();
        self.subject.crash();
        self.compare().map_err(|why| format!("after a crash: {why}"))?;
        if self.traffic.dice.one_in(3) {
            self.apply(&Op::Block(height + 9), Disk::Fine)?;
        }
        self.apply(&Op::Claims(claims, height), Disk::Fine)?;
        // What is on disk is what is returned.
        for number in 0..6 {
            self.apply(&Op::Export(node(number)), Disk::Fine)?;
        }
        Ok(())
    }

    fn step(&mut self, crash_one_in: u64) -> Result<(), String> {
        if self.traffic.dice.one_in(crash_one_in) {
            return self.crash();
        }
        let op = self.traffic.op();
        let disk = if self.traffic.dice.one_in(12) { Disk::Full } else { Disk::Fine };
        self.apply(&op, disk).map(drop)
    }
}

/// The first step that the comparison fails at, and why.
fn walk_rules(
    seed: u64,
    options: PeerStorageOptions,
    flaw: Flaw,
    steps: u64,
) -> Result<(), String> {
    let mut run = Run::new(seed, options, Rules::new(options, flaw));
    for number in 0..steps {
        run.step(200).map_err(|why| format!("seed {seed} step {number}: {why}"))?;
    }
    if steps >= 10_000 && !options.is_off {
        assert!(run.refused > 0 && run.collected > 0, "a run that meets nothing");
    }
    Ok(())
}

#[test]
fn the_rules_do_what_the_model_does() {
    let (seed, steps) = (chosen("LNKEEP_MODEL_SEED", 1), chosen("LNKEEP_MODEL_STEPS", 100_000));
    for options in option_sets() {
        for seed in seed..seed + 4 {
            walk_rules(seed, options, Flaw::None, steps / 4).unwrap_or_else(|why| {
                panic!("{why}\n{options:?}");
            });
        }
    }
}

#[test]
fn every_mistake_on_purpose_is_noticed() {
    for flaw in FLAWS {
        let noticed = (1..=3).filter(|seed| {
            option_sets().iter().any(|options| walk_rules(*seed, *options, flaw, 6_000).is_err())
        });
        assert_eq!(noticed.count(), 3, "{flaw:?} is not noticed with every seed");
    }
}

#[test]
fn the_store_does_what_the_model_does() {
    let (seed, steps) = (chosen("LNKEEP_MODEL_SEED", 11), chosen("LNKEEP_MODEL_STEPS", 8_000));
    for (number, options) in option_sets().into_iter().enumerate() {
        let seed = seed + number as u64;
        let mut run = Run::new(seed, options, Real::new(options));
        for step in 0..steps / 4 {
            run.step(60).unwrap_or_else(|why| panic!("seed {seed} step {step}: {why}"));
        }
        run.subject.end(true);
        run.subject.check();
    }
}

/// Faults that a call's first writes can meet.
fn faults() -> Vec<Fault> {
    let at_writes = (0..4).map(Fault::WriteFails);
    let at_commit = [Fault::CommitFailsBefore, Fault::CommitFailsAfter, Fault::Panic];
    at_writes.chain(at_commit).collect()
}

/// A call that meets a fault at its first commit: what is found is what was there before it, or, if the
/// commit was made, after it.
fn interrupt(run: &mut Run<Real>, op: &Op, fault: Fault) -> bool {
    let mut after = run.model.clone();
    let expected = after.step(op, Disk::Fine);
    run.subject.store.inject(Some(fault));
    let answer = run.subject.call(op);
    run.subject.store.inject(None);
    if run.subject.store.check_usable().is_ok() {
        let answer = answer.unwrap_or_else(|error| Answer::Refused(error.status()));
        assert_eq!(answer, expected, "{op:?} {fault:?}");
        run.model = after;
        run.compare().unwrap();
        return false;
    }
    let acknowledged = matches!(
        &answer,
        Ok(Answer::Committed | Answer::Is(true) | Answer::Deferred { .. } | Answer::Done)
    );
    // A refusal is told by a commit of its own, which may fail without anybody being misled.
    assert!(!acknowledged, "{op:?} {fault:?}: {answer:?}");
    let (claims, height) = (after.claims(), after.height);
    if fault == Fault::CommitFailsAfter {
        run.model = after;
    }
    run.subject.end(true);
    run.subject.check();
    run.subject.open();
    run.model.crash();
    run.compare().unwrap_or_else(|why| panic!("{op:?} {fault:?}: {why}"));
    run.apply(&Op::Claims(claims, height), Disk::Fine).unwrap();
    for number in 0..6 {
        run.apply(&Op::Export(node(number)), Disk::Fine).unwrap();
    }
    let durable = run.model.durable();
    assert_eq!(durable.len(), run.subject.entries().len());
    true
}

#[test]
fn a_fault_at_any_write_leaves_the_blob_before_or_the_blob_after() {
    let seed = chosen("LNKEEP_MODEL_SEED", 21);
    let steps = chosen("LNKEEP_MODEL_STEPS", 2_400);
    for (number, options) in option_sets().into_iter().enumerate() {
        let seed = seed + number as u64;
        let mut run = Run::new(seed, options, Real::new(options));
        let mut met = vec![0u64; faults().len()];
        for _ in 0..steps / 4 {
            let op = run.traffic.op();
            if !run.traffic.dice.one_in(3) {
                run.apply(&op, Disk::Fine).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
                continue;
            }
            let at = run.traffic.dice.below(met.len() as u64) as usize;
            met[at] += u64::from(interrupt(&mut run, &op, faults()[at]));
        }
        // Blobs, marks and removals write two rows at least; where nothing is offered there are few of them.
        let ways = met.iter().filter(|met| **met != 0).count();
        assert!(ways >= if options.is_off { 2 } else { 4 }, "{options:?}: {met:?}");
    }
}

#[test]
fn a_refused_write_waits_is_returned_and_is_made_by_the_next_tick_that_may() {
    let options = small_options();
    let mut run = Run::new(1, options, Real::new(options));
    let peer = node(1);
    let mut go = |op, disk| run.apply(&op, disk).unwrap();
    go(Op::Claim(peer, crate::peer_storage::ClaimChange::OpenChannel, 1), Disk::Fine);
    go(Op::Store(0, peer, vec![1; 9]), Disk::Fine);
    let refused = go(Op::Store(1_000, peer, vec![2; 9]), Disk::Full);
    assert_eq!(refused, Answer::Deferred { due_ms: 2_000, was_refused: true });
    assert_eq!(go(Op::Connect(1_001, peer), Disk::Fine), Answer::Blob(Some(vec![2; 9])));
    let nothing = Answer::Ticked { committed: vec![], failed: vec![] };
    assert_eq!(go(Op::Tick(1_999), Disk::Fine), nothing);
    let failed = Answer::Ticked { committed: vec![], failed: vec![peer] };
    assert_eq!(go(Op::Tick(2_000), Disk::Full), failed);
    assert_eq!(go(Op::Connect(2_001, peer), Disk::Fine), Answer::Blob(Some(vec![2; 9])));
    let committed = Answer::Ticked { committed: vec![peer], failed: vec![] };
    assert_eq!(go(Op::Tick(3_000), Disk::Fine), committed);
    run.crash().unwrap();
}
