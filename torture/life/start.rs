//! Starts: opening what the last life of the process left, comparing it with what was acknowledged, and
//! doing what the header of the library asks for after a start.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lnkeep::attempts::AttemptResult;
use lnkeep::attempts::rules::Circuit;
use lnkeep::payments::resume::{Answer, ResumeDispatcher, ResumeOptions};
use lnkeep::payments::{AttemptFailure, Failure, Payment as StoredPayment, PaymentAttempt};
use lnkeep::{AttemptId, Namespace, Preimage, RawMessage, RestoreOptions, Status, maintenance};

use crate::disk;
use crate::life::{Control, End, Life, Lived};
use crate::model::{Channel, Held, Model, Record, key, preimage};
use crate::node::Node;
use crate::wire::Fate;

/// Ids that a node skips when it does not know which ones were used.
const SKIPPED_IDS: u64 = 3;

impl Life {
    /// Opens the store, and has the node ready to work.
    pub fn start(&mut self, is_risky: bool) -> Lived<()> {
        self.counts.starts += 1;
        if is_risky && self.dice.percent(self.shape.crash_permille / 3) {
            let calls = self.dice.below(45);
            disk::arm(calls);
        }
        if self.shape.lose_percent != 0
            && self.epoch != 0
            && self.dice.percent(self.shape.lose_percent)
        {
            self.lose_the_disk()?;
        }
        self.open()?;
        let node = self.node();
        let (report, stats) = (node.store.report(), node.store.stats());
        let stats = self.done("stats", stats)?;
        self.used_bytes = stats.pages_used * stats.page_bytes;
        if report.epoch <= self.epoch {
            return self.broken("wrong", format!("epoch {} after {}", report.epoch, self.epoch));
        }
        self.epoch = report.epoch;
        if (report.restored || report.copied) && !self.is_restored {
            return self.broken("wrong", "the store says that it was restored or copied".into());
        }
        self.redeliver()?;
        if self.outputs_taken != 0 {
            return self
                .broken("lost", "an output lost its bytes in a store without findings".into());
        }
        self.settle_doubt()?;
        self.check_wire()?;
        self.begin_keeping()?;
        self.acknowledge_restore()?;
        self.take_up_channels()?;
        self.take_up_payments()?;
        self.take_up_forwards()?;
        self.begin_backup()
    }

    /// Until a store is open: what is damaged is replaced, and what cannot be is recovered from peers.
    fn open(&mut self) -> Lived<()> {
        for _ in 0..4 {
            if self.is_restoring {
                // What decayed since is not looked at: the copy is still there.
                if !self.is_suspicious() && self.open_half_restored()? {
                    return Ok(());
                }
                self.replace_store()?;
            }
            let path = self.store_path();
            let is_suspicious = self.is_suspicious();
            let is_damaged = is_suspicious
                && match disk::aside(|| maintenance::check(&path)) {
                    Ok(report) => !report.findings.is_empty(),
                    Err(error) => self.is_refusal(&error)?,
                };
            let opened = Node::open(&path, &self.choices, self.epoch != 0, is_suspicious);
            if disk::is_dead() {
                if let Ok(node) = opened {
                    node.crash();
                }
                return Err(End::Died);
            }
            match opened {
                Ok(node) if !is_damaged => {
                    self.node = Some(node);
                    self.is_rotten = false;
                    return Ok(());
                }
                Ok(node) => {
                    self.node = Some(node);
                    self.read_damaged()?;
                    self.stop_damaged();
                }
                Err(error) if self.is_rotten => {
                    self.is_refusal(&error)?;
                    self.digest.add(error.status().number() as u64);
                }
                Err(error) => {
                    return self.broken("reopen", format!("{error} ({:?})", error.status()));
                }
            }
            self.counts.refusals += 1;
            self.replace_store()?;
        }
        self.broken("reopen", "no store opens, not even a new one".into())
    }

    /// What decayed may be refused, but never as a fault of lnkeep's own.
    fn is_refusal(&mut self, error: &lnkeep::Error) -> Lived<bool> {
        if error.status() == Status::Internal {
            return self.broken("status", format!("decay is an internal error: {error}"));
        }
        Ok(true)
    }

    fn is_suspicious(&self) -> bool {
        self.is_rotten && self.control != Control::Trusting
    }

    /// What an interrupted restore left is refused, or whole and marked; never a store without a past.
    fn open_half_restored(&mut self) -> Lived<bool> {
        let opened = Node::open(&self.store_path(), &self.choices, true, true);
        if disk::is_dead() {
            if let Ok(node) = opened {
                node.crash();
            }
            return Err(End::Died);
        }
        let node = match opened {
            Ok(node) => node,
            Err(error) => return self.is_refusal(&error).map(|_| false),
        };
        let report = node.store.report();
        self.node = Some(node);
        if !report.restored {
            let fact =
                format!("an interrupted restore left a store that is not marked: {report:?}");
            return self.broken("wrong", fact);
        }
        self.has_restored();
        Ok(true)
    }

    fn stop_damaged(&mut self) {
        if let Some(node) = self.node.take() {
            node.crash();
        }
    }

    /// A store that has findings still answers nothing wrong: what it answers is right, or damage.
    fn read_damaged(&mut self) -> Lived<()> {
        self.redeliver()?;
        let read = Model::read(self.node(), self.next_id, self.next_hash);
        match read {
            Err(error) => self.is_refusal(&error).map(drop),
            Ok(mut found) => {
                if self.node().resources.report().damaged != 0 {
                    // It says that it does not know all of them.
                    found.forwards.clone_from(&self.model.forwards);
                    if let Some((after, _)) = &mut self.doubt {
                        after.forwards.clone_from(&self.model.forwards);
                    }
                }
                if self.fits(&found) {
                    return Ok(());
                }
                let fact = self.difference(&found);
                self.broken("wrong", format!("a damaged store answers as a sound one: {fact}"))
            }
        }
    }

    /// The operator puts the last copy in place, or an empty disk where there is none.
    fn replace_store(&mut self) -> Lived<()> {
        self.is_rotten = false;
        let Some((copy, ..)) = self.saved.clone() else { return self.lose_the_disk() };
        self.is_restoring = true;
        let path = self.store_path();
        disk::aside(|| drop(std::fs::remove_dir_all(&path)));
        disk::forget_under(&path);
        let restored = maintenance::restore(&copy, &path, RestoreOptions::default());
        self.done("restore", restored)?;
        self.has_restored();
        Ok(())
    }

    fn has_restored(&mut self) {
        self.counts.restores += 1;
        self.is_restoring = false;
        self.epoch = 0;
        if let Some((_, model, peers)) = self.saved.clone() {
            self.roll_back(model);
            self.peers.roll_back(&peers);
        }
    }

    fn roll_back(&mut self, model: Model) {
        self.is_restored = true;
        self.doubt = None;
        self.model = model;
        self.next_id += SKIPPED_IDS;
        self.next_hash += 1;
        self.doubtful_below = self.next_id;
        self.retired_below = self.next_hash;
        let known: BTreeSet<u64> = self
            .model
            .channels
            .values()
            .flat_map(|channel| channel.htlcs.iter().map(|(_, attempt)| *attempt))
            .filter(|attempt| self.model.parts.contains_key(attempt))
            .collect();
        self.wire.abandon(|attempt| known.contains(&attempt));
        self.next_channel += 1;
    }

    /// The disk is gone, with every copy on it.
    pub fn lose_the_disk(&mut self) -> Lived<()> {
        self.counts.losses += 1;
        disk::lose();
        self.saved = None;
        self.epoch = 0;
        self.roll_back(Model::default());
        self.live.clear();
        self.is_restored = false;
        self.is_restoring = false;
        self.is_rotten = false;
        self.peers.node_lost_everything();
        Ok(())
    }

    /// Durable outputs of earlier sessions, which come before anything else.
    fn redeliver(&mut self) -> Lived<()> {
        let mut ids = BTreeMap::new();
        self.outputs_taken = 0;
        loop {
            let taken = self.node().monitors.take_outputs(64);
            let taken = self.done("take outputs", taken)?;
            if taken.is_empty() {
                break;
            }
            let (whole, empty): (Vec<_>, Vec<_>) =
                taken.into_iter().partition(|output| !output.payload.is_empty());
            self.outputs_taken += empty.len();
            ids.extend(whole.iter().filter_map(|output| Some((output.tag, output.output_id?))));
        }
        self.output_ids = ids;
        Ok(())
    }

    fn fits(&self, found: &Model) -> bool {
        let found = self.completed(found);
        let is_doubt = self.doubt.as_ref().is_some_and(|(after, has_steps)| {
            let found = self.with_taken_outputs(&found, after);
            match has_steps {
                true => bare(&found).is_between(&bare(&self.model), &bare(after)),
                false => bare(&found) == bare(after),
            }
        });
        is_doubt || bare(&self.with_taken_outputs(&found, &self.model)) == bare(&self.model)
    }

    /// An output whose bytes a damage took comes without its tag: it is one of those that are missing.
    fn with_taken_outputs(&self, found: &Model, meant: &Model) -> Model {
        let missing = meant.outputs.difference(&found.outputs).count();
        let mut found = found.clone();
        if missing == self.outputs_taken && found.outputs.is_subset(&meant.outputs) {
            found.outputs.clone_from(&meant.outputs);
        }
        found
    }

    /// With what the store does not tell.
    fn completed(&self, found: &Model) -> Model {
        let mut found = found.clone();
        found.outputs = self.output_ids.keys().chain(&self.acknowledged).copied().collect();
        found
    }

    /// What the start found decides what the call under way when the power went has done.
    fn settle_doubt(&mut self) -> Lived<()> {
        let found = Model::read(self.node(), self.next_id, self.next_hash);
        let found = self.done("reading everything", found)?;
        if !self.fits(&found) {
            let fact = self.difference(&found);
            return self.broken("lost", fact);
        }
        let Some((after, has_steps)) = self.doubt.take() else { return Ok(()) };
        let completed = self.completed(&found);
        if bare(&completed) == bare(&after) {
            self.model = after;
        } else if has_steps && bare(&completed) != bare(&self.model) {
            let tombstones = self.model.payments.iter().filter(|(_, payment)| payment.is_tombstone);
            let mut settled = completed.clone();
            settled.payments.extend(tombstones.map(|(hash, payment)| (*hash, payment.clone())));
            self.model = settled;
        }
        Ok(())
    }

    fn difference(&self, found: &Model) -> String {
        let (found, wanted) = (bare(&self.completed(found)), bare(&self.model));
        let doubt = self.doubt.as_ref().map(|(after, _)| bare(after));
        let mut facts = Vec::new();
        fn differ<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
            what: &str,
            (found, wanted): (&BTreeMap<K, V>, &BTreeMap<K, V>),
            facts: &mut Vec<String>,
        ) {
            for key in found.keys().chain(wanted.keys()).collect::<BTreeSet<_>>() {
                if found.get(key) != wanted.get(key) {
                    let (is, was) = (found.get(key), wanted.get(key));
                    facts.push(format!("{what} {key:?} is {is:?} and was {was:?}"));
                }
            }
        }
        differ("attempt", (&found.parts, &wanted.parts), &mut facts);
        differ("payment", (&found.payments, &wanted.payments), &mut facts);
        differ("channel", (&found.channels, &wanted.channels), &mut facts);
        differ("forward", (&found.forwards, &wanted.forwards), &mut facts);
        if found.outputs != wanted.outputs {
            facts.push(format!("outputs are {:?} and were {:?}", found.outputs, wanted.outputs));
        }
        if found.manager != wanted.manager {
            facts.push("the manager is another".into());
        }
        facts.truncate(4);
        format!(
            "{}{}",
            facts.join("; "),
            if doubt.is_some() { "; a call was in doubt" } else { "" }
        )
    }

    /// Every HTLC on the wire has a permit, and its channel has it; nothing says that it failed
    /// before it did.
    pub fn check_wire(&mut self) -> Lived<()> {
        let mut fact = None;
        for (attempt, htlc) in &self.wire.htlcs {
            let part = self.model.parts.get(attempt);
            let channel = self.model.channels.get(&htlc.channel);
            let is_in_channel =
                channel.is_some_and(|channel| channel.htlcs.contains(&(htlc.update, *attempt)));
            let record = part.map(|part| part.record);
            let held = part.and_then(|part| part.held);
            let agrees = match record {
                None => false,
                Some(Record::Intent) => *attempt < self.doubtful_below,
                Some(Record::HandedOff) => true,
                Some(Record::Failed) => htlc.fate == Fate::Failed,
                Some(Record::Settled) => htlc.fate == Fate::Settled,
            } && match held {
                Some(Held::Failed) => htlc.fate == Fate::Failed,
                Some(Held::Settled) => htlc.fate == Fate::Settled,
                Some(Held::InFlight) | None => true,
            };
            if !agrees {
                fact = Some((
                    "lost",
                    format!(
                        "attempt {attempt} is out ({:?}), its record is {record:?}, and its \
                         payment says {held:?}",
                        htlc.fate
                    ),
                ));
            } else if !is_in_channel {
                fact = Some((
                    "output",
                    format!(
                        "attempt {attempt} is out by update {} of channel {}, which is not durable",
                        htlc.update, htlc.channel
                    ),
                ));
            }
        }
        match fact {
            Some((kind, fact)) => self.broken(kind, fact),
            None => Ok(()),
        }
    }

    pub fn check_everything(&mut self, when: &str) -> Lived<()> {
        let found = Model::read(self.node(), self.next_id, self.next_hash);
        let found = self.done("reading everything", found)?;
        if !self.fits(&found) {
            let fact = self.difference(&found);
            return self.broken("lost", format!("{when}: {fact}"));
        }
        self.check_wire()
    }

    /// The ids that a lost store may have used are never given out again.
    fn acknowledge_restore(&mut self) -> Lived<()> {
        if !self.is_restored {
            return Ok(());
        }
        let (id, hash) = (self.next_id, self.next_hash);
        let report = self.node().store.report();
        if report.restored || report.copied {
            let refused = self.refused("a new payment after a restore", |node| {
                let init =
                    lnkeep::payments::PaymentInit::new(crate::model::payment_hash(hash), 1_000);
                node.payments.init(init)
            })?;
            self.digest.add(refused.number() as u64);
            let floors = [(Namespace::default(), id)];
            let done = self.node().attempts.acknowledge_restore(&floors);
            self.done("acknowledge_restore", done)?;
        }
        self.is_restored = false;
        // What the copy held is older than what its peers saw: these channels are closed.
        let open: Vec<u64> = self
            .model
            .channels
            .iter()
            .filter_map(|(channel, facts)| (!facts.is_archived).then_some(*channel))
            .collect();
        for channel in open {
            let ticket = self.node().monitors.queue_archive(crate::model::channel_id(channel));
            self.done("queue archive", ticket)?;
            self.queued.push(crate::model::Entry::Archive(channel));
        }
        self.commit_channels(Vec::new())
    }

    /// Channels say which HTLCs are in them; their peers are told again what they may have missed.
    fn take_up_channels(&mut self) -> Lived<()> {
        let mut durable: Vec<(u64, u64, u64)> = Vec::new();
        for (number, Channel { htlcs, is_archived, .. }) in &self.model.channels {
            if !is_archived {
                durable.extend(htlcs.iter().map(|(update, attempt)| (*number, *update, *attempt)));
            }
        }
        for (channel, update, attempt) in durable {
            self.hand_to_peer(channel, update, attempt)?;
        }
        Ok(())
    }

    /// `lnkeep_attempts_recover`, what the node knows of those that are unresolved, then the payments.
    fn take_up_payments(&mut self) -> Lived<()> {
        let mut circuits: HashMap<u64, Circuit> = HashMap::new();
        for channel in self.model.channels.values() {
            circuits.extend(channel.htlcs.iter().map(|(_, attempt)| (*attempt, Circuit::Open)));
        }
        let mut after = self.model.clone();
        let doubtful_below = self.doubtful_below;
        let mut doomed = Vec::new();
        for (id, part) in &mut after.parts {
            if part.record == Record::Intent && *id >= doubtful_below && !circuits.contains_key(id)
            {
                part.record = Record::Failed;
                doomed.push(*id);
            }
        }
        let recovered = self.change_in_steps("recover", after, true, |node| {
            node.attempts.recover(Namespace::default(), Some(&circuits), false)
        })?;
        if recovered.failed != doomed {
            let fact = format!("recover failed {:?} and should {doomed:?}", recovered.failed);
            return self.broken("wrong", fact);
        }
        self.tell_what_is_known()?;
        self.resume_payments()?;
        if self.control == Control::Permitless { self.dispatch_again() } else { Ok(()) }
    }

    /// What no host may do: what is in flight is sent once more, by another update.
    fn dispatch_again(&mut self) -> Lived<()> {
        let out: Vec<u64> = self
            .model
            .parts
            .iter()
            .filter(|(id, part)| part.record == Record::HandedOff && self.wire.fate(**id).is_some())
            .map(|(id, _)| *id)
            .collect();
        for id in out {
            if let Some(channel) = self.open_channel()? {
                self.queue_update(channel, id)?;
            }
        }
        self.commit_channels(Vec::new())
    }

    /// Results that the network knows; and a failure for what was marked and certainly never left.
    fn tell_what_is_known(&mut self) -> Lived<()> {
        let pending: Vec<u64> = self
            .model
            .parts
            .iter()
            .filter(|(_, part)| matches!(part.record, Record::Intent | Record::HandedOff))
            .map(|(id, _)| *id)
            .collect();
        for id in pending {
            let fate = self.wire.fate(id);
            let result = match fate {
                Some(Fate::Pending) => continue,
                Some(Fate::Settled) => Fate::Settled,
                Some(Fate::Failed) | None => Fate::Failed,
            };
            self.store_result(id, result, fate.is_none())?;
        }
        Ok(())
    }

    pub fn store_result(&mut self, id: u64, fate: Fate, is_local: bool) -> Lived<()> {
        let mut after = self.model.clone();
        let part = after.parts.get_mut(&id).expect("a known attempt");
        let result = match fate {
            Fate::Settled => {
                part.record = Record::Settled;
                AttemptResult::settle(preimage(part.hash))
            }
            _ => {
                part.record = Record::Failed;
                match is_local {
                    true => AttemptResult::local_failure(0x2002),
                    false => AttemptResult::network_failure(RawMessage::new(vec![id as u8; 60])),
                }
            }
        };
        self.change("store_result", after, |node| node.attempts.store_result(key(id), result))?;
        Ok(())
    }

    fn resume_payments(&mut self) -> Lived<()> {
        let mut after = self.model.clone();
        let hashes: Vec<u64> = after.payments.keys().copied().collect();
        for hash in hashes {
            self.expect_resumed(hash, &mut after);
        }
        let network = Network {
            fates: self.model.parts.keys().map(|id| (*id, self.wire.fate(*id))).collect(),
            hashes: self.model.parts.iter().map(|(id, part)| (*id, part.hash)).collect(),
        };
        let options = ResumeOptions { keep_failed_attempts: true, resume_sending: false };
        self.change_in_steps("resume", after, true, |node| {
            node.payments.resume(&network, options)
        })?;
        self.check_everything("after the resume")
    }

    /// What a resume makes of a payment: as the library's description says, not as its code does.
    fn expect_resumed(&self, hash: u64, after: &mut Model) {
        let payment = &after.payments[&hash];
        if payment.is_tombstone || after.is_failed(hash) {
            return;
        }
        let amount_msat = payment.amount_msat;
        let mut answers: Vec<(u64, Held)> = Vec::new();
        for (id, part) in after.parts_of(hash).filter(|(_, part)| part.held == Some(Held::InFlight))
        {
            match part.record {
                Record::Settled => answers.push((id, Held::Settled)),
                Record::Failed => answers.push((id, Held::Failed)),
                Record::Intent | Record::HandedOff => {}
            }
        }
        let mut answers = answers.into_iter();
        loop {
            let is_succeeded = !after.has(hash, Held::InFlight) && after.has(hash, Held::Settled);
            if is_succeeded || after.is_failed(hash) {
                return;
            }
            let out_msat =
                after.sum_msat(hash, Held::InFlight) + after.sum_msat(hash, Held::Settled);
            let payment = after.payments.get_mut(&hash).expect("a known payment");
            if out_msat < amount_msat && !payment.is_given_up {
                let has_settled = after.has(hash, Held::Settled);
                let payment = after.payments.get_mut(&hash).expect("a known payment");
                if !has_settled {
                    payment.is_given_up = true;
                    continue;
                }
            }
            let Some((id, held)) = answers.next() else { return };
            after.parts.get_mut(&id).expect("a known attempt").held = Some(held);
        }
    }
}

/// Without what a store does not tell of itself.
fn bare(model: &Model) -> Model {
    let mut bare = model.clone();
    bare.payments.retain(|_, payment| !payment.is_tombstone);
    bare
}

/// What the node's peers answer when it asks for its HTLCs.
struct Network {
    fates: BTreeMap<u64, Option<Fate>>,
    hashes: BTreeMap<u64, u64>,
}

impl ResumeDispatcher for Network {
    fn answer(&self, _payment: &StoredPayment, attempt: &PaymentAttempt) -> Answer {
        let AttemptId(id) = attempt.request.key.id;
        let hash = self.hashes.get(&id).copied().unwrap_or(0);
        match self.fates.get(&id).copied().flatten() {
            Some(Fate::Settled) => Answer::Settled(Preimage::clone(&preimage(hash))),
            Some(Fate::Failed) => Answer::Failed(Failure::new(AttemptFailure::Message)),
            Some(Fate::Pending) => Answer::Pending,
            None => Answer::Unknown,
        }
    }
}
