//! A store and the specification side by side: one random step changes both, and every answer and every view
//! is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lnkeep::attempts::{self, Attempts, AttemptsOptions};
use lnkeep::events::{Event, EventKind, Events, Start};
use lnkeep::payments::resume::ResumeOptions;
use lnkeep::payments::{
    DeleteFilter, Marks, Next, Operation, Payment, PaymentStatus, Payments, PaymentsOptions, Query,
    Statuses,
};
use lnkeep::store::failpoints::Fault;
use lnkeep::{AttemptKey, Class, Clock, PaymentHash, Status, Store, StoreOptions};

use crate::calls::{Outcome, attempt_of, call, hash_of};
use crate::dice::Dice;
use crate::records::{Record, Records};
use crate::reference::{Answer, Told, Tower, is_finished, sent};
use crate::streams::Streams;

pub struct World {
    directory: tempfile::TempDir,
    store: Arc<Store>,
    payments: Payments,
    attempts: Attempts,
    cursor: Events,
    tower: Tower,
    dice: Dice,
    /// Events of the specification that the cursor has taken and not acknowledged.
    taken: usize,
    /// The clock as of the last commit: what a crash cannot take back.
    durable_clock: Clock,
    /// Subscriptions told as ready and not read since.
    ready: BTreeSet<u64>,
    /// Hashes whose money left: a later initiation would pay twice.
    paid: BTreeSet<[u8; 32]>,
    pub steps: u64,
    pub faults: u64,
    opens: u64,
    done: u64,
    /// How often each refusal, and each kind of change, was met.
    met: BTreeMap<&'static str, u64>,
}

/// In memory where there is such a place: a model run is about rules, not about disks.
fn directory() -> tempfile::TempDir {
    let memory = tempfile::Builder::new().prefix("lnkeep-model").tempdir_in("/dev/shm");
    memory.unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn open(
    directory: &tempfile::TempDir,
    lnd: bool,
    compact: bool,
    check_totals: bool,
) -> (Arc<Store>, Payments, Attempts, Events) {
    // A small first map, so that growing it is part of the run; attempts' own events are another test's.
    let of_payments = EventKind::ALL
        .into_iter()
        .filter(|kind| *kind as u16 >= EventKind::PaymentInitiated as u16);
    let options = StoreOptions {
        map_bytes: 1 << 18,
        lnd_compat: lnd,
        compact,
        event_kinds: Some(of_payments.fold(0, |kinds, kind| kinds | kind.bit())),
        ..StoreOptions::default()
    };
    let store = Store::open(directory.path().join("store"), &options).unwrap();
    let choices = PaymentsOptions { check_totals, ..PaymentsOptions::default() };
    let payments = Payments::open(&store, choices).unwrap();
    let attempts = Attempts::open(&store, AttemptsOptions::default()).unwrap();
    let cursor = Events::open(&store, b"model", Start::Oldest).unwrap();
    (store, payments, attempts, cursor)
}

impl World {
    pub fn new(seed: u64, lnd: bool) -> World {
        let directory = directory();
        let (store, payments, attempts, cursor) = open(&directory, lnd, false, false);
        World {
            directory,
            store,
            payments,
            attempts,
            cursor,
            tower: Tower::new(lnd, Some(Records::new(lnd))),
            dice: Dice::new(seed),
            taken: 0,
            durable_clock: Clock::default(),
            ready: BTreeSet::new(),
            paid: BTreeSet::new(),
            steps: 0,
            faults: 0,
            opens: 1,
            done: 0,
            met: BTreeMap::new(),
        }
    }

    pub fn summary(&self) -> String {
        format!(
            "{} changes, {} events, {} opens, {} faults, met {:?}",
            self.done, self.tower.last_event, self.opens, self.faults, self.met
        )
    }

    pub fn step(&mut self) {
        self.steps += 1;
        match self.dice.below(2_000) {
            0..=3 => self.restart(),
            4..=9 => self.faulty_operation(),
            10..=17 => self.check_all(),
            18..=77 => self.query(),
            78..=127 => self.subscribe(),
            128..=147 => self.read_streams(),
            148..=177 => self.read_events(),
            178..=197 => self.tick(),
            198..=217 => self.sweep(),
            218..=232 => self.delete_many(),
            233..=242 => self.resume(),
            243..=532 => self.record_operation(),
            _ => self.operation(),
        }
    }

    fn operation(&mut self) {
        let operation = self.dice.operation(&self.tower);
        let plain = self.dice.one_in(4);
        let outcome = call(&self.payments, &operation, plain);
        self.settle_accounts(&operation, outcome);
    }

    /// Compares an answer with the specification's, then what is stored.
    fn settle_accounts(&mut self, operation: &Operation, outcome: Outcome) {
        let left = self.tower.leftovers.len();
        let told = self.tower.apply(operation);
        if self.tower.leftovers.len() > left {
            // A call that leaves rows behind purges them, and what others left.
            self.tower.leftovers.clear();
        }
        let after = format!("{operation:?} after {} steps", self.steps);
        compare(&told, outcome, &after);
        match &told {
            Ok(answer) => self.note(operation, answer),
            Err(status) => *self.met.entry(status.name()).or_default() += 1,
        }
        self.compare_stored(hash_of(operation), attempt_of(operation), &after);
    }

    fn note(&mut self, operation: &Operation, answer: &Answer) {
        let hash = hash_of(operation).0;
        let done = answer.status == Status::Done;
        if done {
            self.done += 1;
            self.durable_clock = self.tower.clock;
        }
        let name = if answer.conflict { "late settle" } else { answer.status.name() };
        *self.met.entry(name).or_default() += 1;
        match operation {
            Operation::Init(_) if done => {
                assert!(!self.paid.contains(&hash), "{operation:?} pays a hash twice");
            }
            Operation::Delete(_, lnkeep::attempts::rules::Retain::Forget)
            | Operation::Forget(_)
                if done =>
            {
                self.paid.remove(&hash);
            }
            _ => {}
        }
    }

    fn compare_stored(&mut self, hash: PaymentHash, key: Option<AttemptKey>, after: &str) {
        let stored = self.payments.fetch(hash);
        match (self.tower.payment(hash), stored) {
            (Some(expected), Ok(stored)) => assert_eq!(stored, *expected, "{after}"),
            (None, Err(error)) => assert_eq!(error.status(), Status::PaymentNotInitiated),
            (expected, stored) => panic!("{after}: {stored:?}, expected {expected:?}"),
        }
        if let Some(payment) = self.tower.payment(hash) {
            let late = payment.marks.has(Marks::LATE_SETTLE);
            let within = sent(payment).0 <= u128::from(payment.init.amount_msat);
            assert!(within || late, "{after}: more than the amount is out");
            if payment.status == PaymentStatus::Succeeded {
                self.paid.insert(hash.0);
            }
        }
        let Some(key) = key else { return };
        let expected = self.records().get(&key).cloned();
        let stored = self.attempts.get(key).ok();
        let deleted = expected.as_ref().filter(|known| known.state == attempts::State::Deleted);
        match deleted {
            Some(_) => assert_eq!(self.attempts.get(key).unwrap_err().status(), Status::Deleted),
            None => assert_eq!(stored.as_ref().map(Record::seen), expected, "{after}"),
        }
    }

    fn records(&self) -> &std::collections::BTreeMap<AttemptKey, Record> {
        &self.tower.records.as_ref().expect("the store has records").records
    }

    /// The host calls the attempt store by itself.
    fn record_operation(&mut self) {
        let operation = self.dice.record_operation(&self.tower);
        let after = format!("{operation:?} after {} steps", self.steps);
        let records = self.tower.records.as_mut().expect("the store has records");
        let expected = records.apply(&operation);
        let outcome = self.attempts.change(operation.clone());
        let actual = outcome.map(|reply| reply.status).map_err(|error| error.status());
        assert_eq!(actual, expected, "{after}");
        if expected == Ok(Status::Done) {
            self.durable_clock = self.tower.clock;
        }
        let hash = self.dice.hash();
        self.compare_stored(hash, Some(record_key(&operation)), &after);
    }

    /// A fault hits the commit of one operation: what it left is what the fault says, and the same request
    /// again is safe.
    fn faulty_operation(&mut self) {
        let operation = self.dice.operation(&self.tower);
        let faults =
            [Fault::NoSpace, Fault::CommitFailsBefore, Fault::CommitFailsAfter, Fault::Panic];
        let fault = faults[self.dice.below(4) as usize];
        self.store.inject(Some(fault));
        let error = call(&self.payments, &operation, true).unwrap_err();
        self.faults += 1;
        if fault == Fault::NoSpace {
            assert_eq!(error.status(), Status::NoSpace);
        } else {
            assert_eq!(error.status(), Status::Unknown, "{fault:?}");
            let refused = self.payments.fetch(hash_of(&operation)).unwrap_err();
            assert_eq!(refused.class(), Class::Fatal);
        }
        // Whoever follows the payment is not told of a commit that answered an error.
        let streams = self.tower.streams.clone();
        let applied = match fault {
            Fault::CommitFailsAfter => self.tower.apply(&operation).ok(),
            _ => None,
        };
        self.tower.streams = streams;
        if let Some(answer) = &applied {
            self.note(&operation, answer);
        }
        if fault != Fault::NoSpace {
            self.reopen(true);
        }
        self.repeat(&operation, applied);
    }

    fn repeat(&mut self, operation: &Operation, applied: Option<Answer>) {
        let repeatable = match operation {
            Operation::Init(_) | Operation::Register(..) | Operation::ForceFail(..) => true,
            Operation::Settle(.., strictness) | Operation::FailAttempt(.., strictness) => {
                !strictness.refuse_repeat
            }
            _ => false,
        };
        // Under lnd's rules a second registration replaces the first.
        let replaces = self.tower.lnd && matches!(operation, Operation::Register(..));
        let outcome = call(&self.payments, operation, true);
        if let Some(answer) = applied.filter(|_| repeatable && !replaces) {
            let status = outcome.as_ref().map(|(reply, _)| reply.status.class());
            let ended = answer.view.as_ref().is_some_and(is_finished);
            let class = status.map_err(lnkeep::Error::status);
            assert!(class == Ok(Class::Already) || ended, "{operation:?} again: {class:?}");
        }
        self.settle_accounts(operation, outcome);
    }

    fn restart(&mut self) {
        let crash = self.dice.one_in(2);
        self.read_events();
        self.reopen(crash);
        self.check_all();
    }

    fn reopen(&mut self, crash: bool) {
        if crash {
            self.store.crash();
        } else {
            self.store.close().unwrap();
        }
        self.tower.streams.close_all();
        self.read_streams();
        let path = self.directory.path().join("store");
        let report = lnkeep::maintenance::check(&path).unwrap();
        assert!(report.is_sound() && report.ended_cleanly != crash, "{report:?}");
        let (compact, totals) = (self.dice.one_in(8), self.dice.one_in(2));
        let opened = open(&self.directory, self.tower.lnd, compact, totals);
        (self.store, self.payments, self.attempts, self.cursor) = opened;
        self.tower.check_totals = totals;
        self.tower.streams = Streams::default();
        self.ready.clear();
        self.taken = 0;
        self.opens += 1;
        let clock = self.store.clock();
        assert!(clock.unix_ms >= self.durable_clock.unix_ms, "time went back over a commit");
        assert!(clock.unix_ms <= self.tower.clock.unix_ms, "nobody told this time");
        self.tower.clock = clock;
    }

    fn tick(&mut self) {
        let unix_ms = self.tower.clock.unix_ms + self.dice.below(5);
        let block_height = self.tower.clock.block_height + self.dice.below(2) as u32;
        self.tower.clock = Clock { unix_ms, block_height };
        self.store.tick(self.tower.clock).unwrap();
    }

    fn sweep(&mut self) {
        let first = self.tower.leftovers.pop_first();
        let swept = self.payments.sweep().unwrap();
        assert_eq!(swept, first.map_or(0, |(_, attempts)| attempts));
    }

    fn delete_many(&mut self) {
        let filter = DeleteFilter {
            statuses: self.dice.statuses(),
            created_to_unix_ns: self.dice.below(5),
            failed_attempts_only: self.dice.one_in(2),
            retain: self.dice.retain(),
        };
        let statuses = match filter.statuses {
            Statuses(0) => Statuses::FINISHED,
            given => given,
        };
        let query =
            Query { statuses, created_to_unix_ns: filter.created_to_unix_ns, ..Query::default() };
        let mut expected = 0;
        for payment in self.expected(&query) {
            let hash = payment.hash();
            let told = match filter.failed_attempts_only {
                true => self.tower.apply(&Operation::DeleteFailedAttempts(hash)),
                false => self.tower.apply(&Operation::Delete(hash, filter.retain)),
            };
            let changed = told.is_ok_and(|answer| answer.status == Status::Done);
            expected += u64::from(changed);
            let forgets = filter.retain == lnkeep::attempts::rules::Retain::Forget;
            if changed && forgets && !filter.failed_attempts_only {
                self.paid.remove(&hash.0);
            }
        }
        let deleted = self.payments.delete_many(&filter, None).unwrap();
        assert_eq!((deleted.payments, deleted.next), (expected, None), "{filter:?}");
        self.tower.leftovers.clear();
    }

    fn resume(&mut self) {
        let script = self.dice.script(&self.tower);
        let options = ResumeOptions {
            keep_failed_attempts: self.dice.one_in(2),
            resume_sending: self.dice.one_in(2),
        };
        let (keep, outcomes) = self.tower.resume(&script, options);
        let resume = self.payments.resume(&script, options).unwrap();
        assert_eq!(resume.keep, keep, "after {} steps", self.steps);
        let told: Vec<_> =
            resume.payments.iter().map(|payment| (payment.sequence, payment.outcome)).collect();
        assert_eq!(told, outcomes, "after {} steps", self.steps);
        for hash in self.dice.hashes().to_vec() {
            self.compare_stored(hash, None, "after a resume");
        }
    }

    fn expected(&self, query: &Query) -> Vec<Payment> {
        let after = |sequence: u64| match query.offset {
            None => true,
            Some(offset) if query.reversed => sequence < offset,
            Some(offset) => sequence > offset,
        };
        let wanted = |payment: &&Payment| {
            let created = payment.init.created_unix_ns;
            let to = query.created_to_unix_ns;
            let bit = 1 << payment.status as u32;
            after(payment.sequence)
                && (query.statuses.0 == 0 || query.statuses.0 & bit != 0)
                && created >= query.created_from_unix_ns
                && (to == 0 || created <= to)
        };
        self.tower.payments.values().filter(wanted).cloned().collect()
    }

    fn query(&mut self) {
        let query = self.dice.query(self.tower.last_sequence);
        let mut expected = self.expected(&query);
        if query.without_attempts {
            expected.iter_mut().for_each(|payment| payment.attempts.clear());
        }
        let mut found = Vec::new();
        let mut page_query = query;
        loop {
            let page = self.payments.query(&page_query).unwrap();
            assert!(query.limit == 0 || page.payments.len() <= query.limit);
            assert_eq!(page.unreadable, []);
            let at = if query.reversed { 0 } else { found.len() };
            found.splice(at..at, page.payments);
            match page.next {
                Some(next) => page_query.offset = Some(next),
                None => break,
            }
        }
        assert_eq!(found, expected, "{query:?} after {} steps", self.steps);
    }

    fn subscribe(&mut self) {
        let known = self.tower.streams.ids();
        if known.len() > 6 {
            let id = known[self.dice.below(known.len() as u64) as usize];
            self.payments.unsubscribe(id).unwrap();
            assert!(self.tower.streams.cancel(id));
            self.ready.remove(&id);
            assert_eq!(self.payments.next(id), Next::Closed);
            return;
        }
        if self.dice.one_in(3) {
            let present = self.expected(&unfinished());
            let id = self.payments.subscribe_all().unwrap();
            return self.tower.streams.open(id, None, present);
        }
        let hash = self.dice.hash();
        match (self.payments.subscribe(hash), self.tower.payment(hash).cloned()) {
            (Ok(id), Some(present)) => self.tower.streams.open(id, Some(hash), vec![present]),
            (Err(error), None) => assert_eq!(error.status(), Status::PaymentNotInitiated),
            (subscribed, present) => panic!("{subscribed:?} to {present:?}"),
        }
    }

    /// Reads every stream empty; who has news was told to be ready.
    fn read_streams(&mut self) {
        self.ready.extend(self.payments.ready(usize::MAX));
        for id in self.tower.streams.ids() {
            assert!(
                !self.tower.streams.has_news(id) || self.ready.contains(&id),
                "subscription {id} has news and was not told"
            );
            loop {
                let expected = self.tower.streams.next(id);
                assert_eq!(self.payments.next(id), expected, "after {} steps", self.steps);
                if matches!(expected, Next::Waiting | Next::Closed) {
                    break;
                }
            }
        }
        // A closed stream stays news until it is cancelled.
        let closed = |id: &u64| self.tower.streams.has_news(*id);
        self.ready = self.ready.iter().copied().filter(closed).collect();
    }

    /// Takes what the cursor has: the log is the specification's, number by number.
    fn read_events(&mut self) {
        loop {
            let events = self.cursor.take(7).unwrap();
            let expected: Vec<Event> =
                self.tower.events.iter().skip(self.taken).take(7).copied().collect();
            assert_eq!(events, expected, "after {} steps", self.steps);
            if events.is_empty() {
                break;
            }
            self.taken += events.len();
        }
        let acknowledged = self.dice.below(self.taken as u64 + 1) as usize;
        if let Some(last) = acknowledged.checked_sub(1).map(|last| self.tower.events[last]) {
            self.cursor.ack(last.sequence).unwrap();
            self.durable_clock = self.tower.clock;
            self.tower.events.drain(..acknowledged);
            self.taken -= acknowledged;
        }
    }

    /// The whole store against the whole specification.
    pub fn check_all(&mut self) {
        for hash in self.dice.hashes().to_vec() {
            self.compare_stored(hash, None, "at a check");
        }
        let unfinished = self.payments.unfinished().unwrap();
        assert_eq!(unfinished.payments, self.expected(&self::unfinished()));
        assert_eq!(unfinished.unreadable, []);
        self.check_counts();
        self.check_records();
        self.read_streams();
        self.read_events();
        if self.dice.one_in(4) {
            let report = lnkeep::maintenance::check(self.directory.path().join("store")).unwrap();
            assert!(report.is_sound() && report.live, "{report:?}");
        }
    }

    fn check_counts(&self) {
        let counts = self.payments.counts().unwrap();
        let tower = &self.tower;
        let unfinished = tower.payments.values().filter(|payment| !is_finished(payment));
        let attempts = tower.payments.values().map(|payment| payment.attempts.len() as u64);
        assert_eq!(counts.payments, tower.payments.len() as u64);
        assert_eq!(counts.unfinished, unfinished.count() as u64);
        assert_eq!(counts.tombstones, tower.paid.len() as u64);
        assert_eq!(counts.idempotency_keys, tower.keys.len() as u64);
        assert_eq!(counts.doomed, tower.leftovers.len() as u64);
        let left: u64 = tower.leftovers.values().sum();
        assert_eq!(counts.attempts, attempts.sum::<u64>() + left);
    }

    fn check_records(&self) {
        let mut query = attempts::Query { limit: 20, ..attempts::Query::default() };
        let mut listed = std::collections::BTreeMap::new();
        loop {
            let page = self.attempts.list(&query).unwrap();
            assert_eq!(page.unreadable, []);
            listed.extend(page.attempts.iter().map(|one| (one.key, Record::seen(one))));
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        assert_eq!(&listed, self.records());
    }
}

fn unfinished() -> Query {
    Query { statuses: Statuses::UNFINISHED, ..Query::default() }
}

fn record_key(operation: &attempts::Operation) -> AttemptKey {
    match operation {
        attempts::Operation::Init(request) => request.key,
        attempts::Operation::MarkHandedOff(key)
        | attempts::Operation::StoreResult(key, _)
        | attempts::Operation::Ack(key)
        | attempts::Operation::Delete(key, _) => *key,
        other => unreachable!("{other:?} is not generated"),
    }
}

fn compare(told: &Told, outcome: Outcome, after: &str) {
    match (told, outcome) {
        (Err(expected), Err(error)) => assert_eq!(error.status(), *expected, "{after}"),
        (Ok(answer), Ok((reply, view))) => {
            assert_eq!(reply.status, answer.status, "{after}");
            assert_eq!(reply.changed(), answer.status == Status::Done, "{after}");
            assert_eq!(reply.conflict(), answer.conflict, "{after}");
            assert_eq!(reply.event_sequence, answer.event, "{after}");
            assert_eq!(reply.value, answer.value, "{after}");
            assert_eq!(view.as_deref(), answer.view.as_ref(), "{after}");
        }
        (told, outcome) => panic!("{after}: {outcome:?}, expected {told:?}"),
    }
}
