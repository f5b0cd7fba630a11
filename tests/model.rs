//! Random operations against a plain model and against the store, with restarts, crashes and injected faults.
//!
//! The model below is written from the specification, not from `rules.rs`, so that an error in the rules
//! shows as a difference. LNKEEP_MODEL_STEPS and LNKEEP_MODEL_SEED choose length and seed; a failure prints
//! the seed.
#![allow(missing_docs)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lnkeep::attempts::rules::{Circuit, InitRequest, Retain, Rollback};
use lnkeep::attempts::{
    Attempt, AttemptResult, Attempts, AttemptsOptions, Operation, Query, State,
};
use lnkeep::store::failpoints::Fault;
use lnkeep::{
    AttemptKey, Fingerprint, Grouping, Namespace, PaymentHash, Preimage, RawMessage, Status, Store,
    StoreOptions,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const NAMESPACES: u64 = 2;
const IDS: u64 = 400;

/// What the specification says is known about one id.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    state: State,
    epoch: u64,
    fingerprint: Option<u8>,
    hash_of: Option<u8>,
    result: Option<AttemptResult>,
    acked: bool,
}

type Model = BTreeMap<AttemptKey, Known>;

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn key(&mut self) -> AttemptKey {
        let namespace = Namespace([self.below(NAMESPACES) as u8; 16]);
        AttemptKey::new(namespace, self.below(IDS))
    }

    fn maybe_byte(&mut self) -> Option<u8> {
        if self.one_in(2) { Some(self.below(3) as u8) } else { None }
    }

    fn result(&mut self) -> AttemptResult {
        match self.below(4) {
            0 | 1 => AttemptResult::settle(Preimage::new([self.below(3) as u8; 32])),
            2 => AttemptResult::network_failure(RawMessage::new(vec![self.below(2) as u8; 3])),
            _ => AttemptResult::local_failure(0x2002),
        }
    }

    fn operation(&mut self) -> Operation {
        let key = self.key();
        match self.below(16) {
            0..=4 => {
                let mut request = InitRequest::new(key);
                request.fingerprint = self.maybe_byte().map(|byte| Fingerprint([byte; 32]));
                request.payment_hash = self.maybe_byte().map(hash_of);
                Operation::Init(request)
            }
            5 | 6 => Operation::MarkHandedOff(key),
            7..=9 => Operation::StoreResult(key, self.result()),
            10 | 11 => {
                let forced = self.one_in(4);
                Operation::FailPending(key, Rollback { forced, ..Rollback::default() })
            }
            12 => Operation::Ack(key),
            13 => Operation::Delete(key, Retain::Tombstone),
            14 => Operation::Delete(key, Retain::Forget),
            _ => Operation::Quarantine(key),
        }
    }
}

fn hash_of(byte: u8) -> PaymentHash {
    Preimage::new([byte; 32]).payment_hash()
}

/// The specification's answer to one operation, and the model after it.
fn predict(model: &mut Model, operation: &Operation, epoch: u64) -> Result<Status, Status> {
    match operation {
        Operation::Init(request) => predict_init(model, request, epoch),
        Operation::MarkHandedOff(key) => {
            let known = model.get_mut(key).ok_or(Status::NotFound)?;
            match known.state {
                State::Intent => {
                    known.state = State::HandedOff;
                    Ok(Status::Done)
                }
                State::HandedOff => Ok(Status::Already),
                State::Settled | State::Failed => Err(Status::NotPending),
                State::Deleted => Err(Status::Deleted),
            }
        }
        Operation::StoreResult(key, result) => predict_result(model, *key, result, epoch),
        Operation::FailPending(key, rollback) => {
            let known = model.get_mut(key).ok_or(Status::NotFound)?;
            match known.state {
                State::Deleted => Err(Status::NotFound),
                State::Settled | State::Failed => Err(Status::NotPending),
                State::HandedOff if !rollback.forced => Err(Status::HandedOff),
                State::Intent | State::HandedOff => {
                    known.state = State::Failed;
                    known.result = Some(AttemptResult::local_failure(0x2002));
                    Ok(Status::Done)
                }
            }
        }
        Operation::Ack(key) => {
            let known = model.get_mut(key).ok_or(Status::NotFound)?;
            match known.state {
                State::Intent | State::HandedOff => Err(Status::ResultPending),
                State::Deleted => Ok(Status::Already),
                _ if known.acked => Ok(Status::Already),
                _ => {
                    known.acked = true;
                    Ok(Status::Done)
                }
            }
        }
        Operation::Delete(key, retain) => predict_delete(model, *key, *retain),
        Operation::Quarantine(key) => match model.get(key) {
            None => Err(Status::NotFound),
            Some(_) => Err(Status::Conflict),
        },
        other => unreachable!("{other:?} is not generated"),
    }
}

fn predict_init(model: &mut Model, request: &InitRequest, epoch: u64) -> Result<Status, Status> {
    let fingerprint = request.fingerprint.map(|hash| hash.0[0]);
    let hash = request.payment_hash;
    if let Some(known) = model.get(&request.key) {
        let differs = known.fingerprint.zip(fingerprint).is_some_and(|(a, b)| a != b)
            || known.hash_of.zip(hash).is_some_and(|(a, b)| hash_of(a) != b);
        return if differs { Err(Status::FingerprintMismatch) } else { Ok(Status::AlreadyExists) };
    }
    let hash_byte = hash.and_then(|hash| (0..3).find(|byte| hash_of(*byte) == hash));
    model.insert(
        request.key,
        Known {
            state: State::Intent,
            epoch,
            fingerprint,
            hash_of: hash_byte,
            result: None,
            acked: false,
        },
    );
    Ok(Status::Done)
}

fn predict_result(
    model: &mut Model,
    key: AttemptKey,
    result: &AttemptResult,
    epoch: u64,
) -> Result<Status, Status> {
    let fresh = Known {
        state: State::Intent,
        epoch,
        fingerprint: None,
        hash_of: None,
        result: None,
        acked: false,
    };
    let known = model.get(&key).cloned().unwrap_or(fresh);
    let settles = result.state() == State::Settled;
    let preimage = match &result.ending {
        lnkeep::attempts::Ending::Settle(preimage) => Some(preimage.expose()[0]),
        lnkeep::attempts::Ending::Fail { .. } => None,
    };
    if known.hash_of.zip(preimage).is_some_and(|(hash, preimage)| hash != preimage) {
        return Err(Status::BadPreimage);
    }
    let replaces = known.state.is_pending() || (known.state == State::Failed && settles);
    match known.state {
        State::Deleted => return Err(Status::Conflict),
        _ if known.result.as_ref() == Some(result) => return Ok(Status::Already),
        _ if !replaces => return Err(Status::Conflict),
        _ => {}
    }
    let stored =
        Known { state: result.state(), result: Some(result.clone()), acked: false, ..known };
    model.insert(key, stored);
    Ok(Status::Done)
}

fn predict_delete(model: &mut Model, key: AttemptKey, retain: Retain) -> Result<Status, Status> {
    let known = model.get_mut(&key).ok_or(Status::NotFound)?;
    match known.state {
        State::Intent | State::HandedOff => Err(Status::Pending),
        State::Deleted => Err(Status::NotFound),
        State::Settled | State::Failed => {
            if retain == Retain::Forget {
                model.remove(&key);
            } else {
                known.state = State::Deleted;
                known.result = None;
                known.fingerprint = None;
                known.hash_of = None;
            }
            Ok(Status::Done)
        }
    }
}

/// The specification's answer to a whole submission.
fn predict_group(
    model: &mut Model,
    operations: &[Operation],
    grouping: Grouping,
    epoch: u64,
) -> Vec<Result<Status, Status>> {
    let before = model.clone();
    let mut answers = Vec::new();
    for operation in operations {
        let answer = predict(model, operation, epoch);
        answers.push(answer);
        if answer.is_err() && grouping == Grouping::Atomic {
            *model = before;
            let refused = answers.len() - 1;
            answers[..refused].fill(Err(Status::Aborted));
            answers.resize(operations.len(), Err(Status::Aborted));
            break;
        }
    }
    answers
}

struct World {
    directory: tempfile::TempDir,
    store: Arc<Store>,
    attempts: Attempts,
    model: Model,
    dice: Dice,
    steps: u64,
    crashes: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let directory = tempfile::tempdir().unwrap();
        let (store, attempts) = open(&directory, false);
        let dice = Dice(ChaCha8Rng::seed_from_u64(seed));
        World { directory, store, attempts, model: Model::new(), dice, steps: 0, crashes: 0 }
    }

    fn epoch(&self) -> u64 {
        self.store.report().epoch
    }

    fn turn(&mut self) {
        match self.dice.below(1_000) {
            0..=2 => self.restart(),
            3..=5 => self.recover(),
            6 => self.clean(),
            7..=9 => self.check_all(),
            10..=14 => self.faulty_submission(),
            _ => self.submission(),
        }
    }

    fn draw(&mut self) -> (Vec<Operation>, Grouping) {
        let most = if self.dice.one_in(20) { 1_000 } else { 90 };
        let count = 1 + self.dice.below(most);
        let operations: Vec<_> = (0..count).map(|_| self.dice.operation()).collect();
        if !self.dice.one_in(4) {
            return (operations, Grouping::Independent);
        }
        // A short group has a chance to be applied, a long one is nearly always refused.
        let short = 1 + self.dice.below(4) as usize;
        (operations.into_iter().take(short).collect(), Grouping::Atomic)
    }

    fn submission(&mut self) {
        let (operations, grouping) = self.draw();
        let epoch = self.epoch();
        let expected = predict_group(&mut self.model, &operations, grouping, epoch);
        let outcomes = self.attempts.submit(operations.clone(), grouping).unwrap();
        self.steps += operations.len() as u64;
        for ((operation, expected), outcome) in operations.iter().zip(expected).zip(outcomes) {
            let actual = outcome.map(|reply| reply.status).map_err(|error| error.status());
            assert_eq!(actual, expected, "{operation:?} after {} steps", self.steps);
        }
    }

    /// A fault hits the commit: the model keeps what the fault says became durable.
    fn faulty_submission(&mut self) {
        let (operations, grouping) = self.draw();
        let fault = match self.dice.below(4) {
            0 => Fault::NoSpace,
            1 => Fault::CommitFailsBefore,
            2 => Fault::CommitFailsAfter,
            _ => Fault::Panic,
        };
        self.store.inject(Some(fault));
        let outcomes = self.attempts.submit(operations.clone(), grouping).unwrap();
        self.steps += operations.len() as u64;
        let expected = if fault == Fault::NoSpace { Status::NoSpace } else { Status::Unknown };
        for outcome in outcomes {
            assert_eq!(outcome.unwrap_err().status(), expected, "{fault:?}");
        }
        if fault == Fault::CommitFailsAfter {
            let epoch = self.epoch();
            predict_group(&mut self.model, &operations, grouping, epoch);
        }
        if fault != Fault::NoSpace {
            let refused = self.attempts.get(operations_key()).unwrap_err();
            assert_eq!(refused.status(), Status::Poisoned);
            self.crashes += 1;
            self.reopen(true);
            self.check_all();
        }
    }

    fn restart(&mut self) {
        let crash = self.dice.one_in(2);
        self.reopen(crash);
        self.check_all();
    }

    fn reopen(&mut self, crash: bool) {
        let epoch = self.epoch();
        if crash {
            self.store.crash();
        } else {
            self.store.close().unwrap();
        }
        let path = self.directory.path().join("store");
        let report = lnkeep::maintenance::check(&path).unwrap();
        assert!(report.is_sound() && report.ended_cleanly != crash, "{report:?}");
        let compact = self.dice.one_in(8);
        (self.store, self.attempts) = open(&self.directory, compact);
        assert_eq!(self.epoch(), epoch + 1);
        assert_eq!(self.store.report().unclean, crash);
    }

    fn recover(&mut self) {
        let namespace = self.dice.key().namespace;
        let include = self.dice.one_in(2);
        let open = self.dice.below(IDS);
        let circuits: HashMap<_, _> = (0..open).map(|id| (id, Circuit::Open)).collect();
        let recovered = self.attempts.recover(namespace, Some(&circuits), include).unwrap();
        let (mut failed, mut unresolved) = (Vec::new(), Vec::new());
        let epoch = self.epoch();
        for (key, known) in &mut self.model {
            let looked_at = key.namespace == namespace && (include || known.epoch < epoch);
            if !looked_at || circuits.contains_key(&key.id.0) {
                continue;
            }
            match known.state {
                State::Intent => {
                    known.state = State::Failed;
                    known.result = Some(AttemptResult::local_failure(0x2002));
                    failed.push(key.id.0);
                }
                State::HandedOff => unresolved.push(key.id.0),
                _ => {}
            }
        }
        assert_eq!((recovered.failed, recovered.unresolved), (failed, unresolved));
    }

    fn clean(&mut self) {
        let namespace = self.dice.key().namespace;
        let keep = (0..self.dice.below(IDS)).collect();
        let cleaned = self.attempts.clean(namespace, &keep, Retain::Tombstone).unwrap();
        let mut removed = 0;
        let doomed: Vec<_> = self.model.keys().copied().collect();
        for key in doomed {
            if key.namespace == namespace && !keep.contains(&key.id.0) {
                removed +=
                    u64::from(predict_delete(&mut self.model, key, Retain::Tombstone).is_ok());
            }
        }
        assert_eq!(cleaned.removed, removed);
    }

    /// The whole store against the whole model: records, list, pending index, counts.
    fn check_all(&self) {
        let mut listed = BTreeMap::new();
        let mut query = Query { limit: 97, ..Query::default() };
        loop {
            let page = self.attempts.list(&query).unwrap();
            assert_eq!(page.unreadable, []);
            listed.extend(page.attempts.into_iter().map(|attempt| (attempt.key, attempt)));
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        assert_eq!(listed.len(), self.model.len(), "after {} steps", self.steps);
        for (key, known) in &self.model {
            assert_eq!(&seen(&listed[key]), known, "{key}");
        }
        self.check_indexes();
    }

    fn check_indexes(&self) {
        let mut counts = [0u64; 5];
        for namespace in (0..NAMESPACES).map(|byte| Namespace([byte as u8; 16])) {
            let ours = self.model.iter().filter(|(key, _)| key.namespace == namespace);
            let pending: Vec<_> = ours
                .inspect(|(_, known)| counts[known.state as usize - 1] += 1)
                .filter(|(_, known)| known.state.is_pending())
                .map(|(key, _)| key.id.0)
                .collect();
            assert_eq!(self.attempts.pending(namespace).unwrap(), pending);
        }
        let stored = self.attempts.counts(None).unwrap();
        let stored =
            [stored.intent, stored.handed_off, stored.settled, stored.failed, stored.deleted];
        assert_eq!(stored, counts);
    }
}

/// Any key: a poisoned store refuses before it looks.
fn operations_key() -> AttemptKey {
    AttemptKey::new(Namespace::default(), 0)
}

fn seen(attempt: &Attempt) -> Known {
    Known {
        state: attempt.state,
        epoch: attempt.created_epoch,
        fingerprint: attempt.fingerprint.map(|hash| hash.0[0]),
        hash_of: attempt.payment_hash.and_then(|hash| (0..3).find(|byte| hash_of(*byte) == hash)),
        result: attempt.result.clone(),
        acked: attempt.flags.has(lnkeep::attempts::Flags::ACKED),
    }
}

fn open(directory: &tempfile::TempDir, compact: bool) -> (Arc<Store>, Attempts) {
    // A small first map, so that growing it is part of the run.
    let options = StoreOptions { map_bytes: 1 << 18, compact, ..StoreOptions::default() };
    let store = Store::open(directory.path().join("store"), &options).unwrap();
    let attempts = Attempts::open(&store, AttemptsOptions::default()).unwrap();
    (store, attempts)
}

fn number_from(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn a_million_random_steps_agree_with_the_specification() {
    let steps =
        number_from("LNKEEP_MODEL_STEPS", if cfg!(debug_assertions) { 60_000 } else { 1_000_000 });
    let seed = number_from("LNKEEP_MODEL_SEED", std::process::id().into());
    println!("model: {steps} steps, LNKEEP_MODEL_SEED={seed}");
    std::panic::set_hook(Box::new(move |panic| {
        let injected = panic.payload_as_str() == Some("armed by a test");
        if !injected {
            eprintln!("LNKEEP_MODEL_SEED={seed}: {panic}");
        }
    }));
    let mut world = World::new(seed);
    while world.steps < steps {
        world.turn();
    }
    world.check_all();
    println!(
        "model: {} steps, {} opens, {} of them after an injected fault, {} records",
        world.steps,
        world.epoch(),
        world.crashes,
        world.model.len()
    );
    assert!(world.crashes > 0, "no fault was injected; use more steps");
}
