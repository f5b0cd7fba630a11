//! Eight threads race init, register, settle and fail on ten hashes; the history of every call is recorded
//! and checked afterwards.
//!
//! Every change has an event, so that the log gives all changes one order. Replayed in that order, the plain
//! program of the specification must give every answer and every event that the store gave; what was refused
//! or only read must fit some place of that order between its call and its return. What follows is checked
//! again by itself: no hash is paid twice, the amount is never exceeded, one terminal event each, and every
//! subscription had every view once and in order. LNKEEP_RACE_SEED and LNKEEP_RACE_ROUNDS choose the run.
#![allow(missing_docs)]

#[allow(dead_code)]
#[path = "payments_model/calls.rs"]
mod calls;
#[path = "payments_race/history.rs"]
mod history;
#[path = "payments_race/racers.rs"]
mod racers;
#[allow(dead_code)]
#[path = "payments_model/records.rs"]
mod records;
#[path = "payments_model/reference.rs"]
mod reference;
#[allow(dead_code)]
#[path = "payments_model/streams.rs"]
mod streams;
#[path = "payments_race/watchers.rs"]
mod watchers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use history::History;
use lnkeep::attempts::{Attempts, AttemptsOptions};
use lnkeep::events::{Event, EventKind, Events, Start};
use lnkeep::payments::{PaymentStatus, Payments, PaymentsOptions};
use lnkeep::{PaymentHash, Status, Store, StoreOptions};
use racers::Course;
use records::Records;
use reference::Tower;

struct Arena {
    directory: tempfile::TempDir,
    store: Arc<Store>,
    payments: Payments,
    attempts: Attempts,
    cursor: Events,
    tower: Tower,
    log: Vec<Event>,
}

/// In memory where there is such a place: threads meet more often where a commit is fast.
fn directory() -> tempfile::TempDir {
    let memory = tempfile::Builder::new().prefix("lnkeep-race").tempdir_in("/dev/shm");
    memory.unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn open(directory: &tempfile::TempDir, lnd: bool) -> (Arc<Store>, Payments, Attempts) {
    // Every kind of event, marks of attempts too: the log is the order of all changes.
    let options = StoreOptions {
        map_bytes: 1 << 18,
        lnd_compat: lnd,
        event_kinds: Some(EventKind::ALL.into_iter().fold(0, |kinds, kind| kinds | kind.bit())),
        ..StoreOptions::default()
    };
    let store = Store::open(directory.path().join("store"), &options).unwrap();
    let payments = Payments::open(&store, PaymentsOptions::default()).unwrap();
    let attempts = Attempts::open(&store, AttemptsOptions::default()).unwrap();
    (store, payments, attempts)
}

impl Arena {
    fn new(lnd: bool) -> Arena {
        let directory = directory();
        let (store, payments, attempts) = open(&directory, lnd);
        let cursor = Events::open(&store, b"race", Start::Oldest).unwrap();
        let tower = Tower::new(lnd, Some(Records::new(lnd)));
        Arena { directory, store, payments, attempts, cursor, tower, log: Vec::new() }
    }

    /// Eight threads on ten new hashes, then the verdict about what they saw.
    fn round(&mut self, course: &Course) -> History {
        let everybody = self.payments.subscribe_all().unwrap();
        let mut history = history::race(course, &self.payments, &self.attempts);
        let changes = history.replay(&mut self.tower);
        let log = self.read_log();
        history.compare_events(&log, &mut self.tower);
        let lnd = self.tower.lnd;
        watchers::check_all(&history, &changes, &self.payments, everybody, lnd);
        self.payments.unsubscribe(everybody).unwrap();
        self.log.extend(log);
        let path = self.directory.path().join("store");
        let report = lnkeep::maintenance::check(path).unwrap();
        assert!(report.is_sound(), "{report:?}");
        history
    }

    fn read_log(&self) -> Vec<Event> {
        let mut log = Vec::new();
        loop {
            let events = self.cursor.take(1_000).unwrap();
            let Some(last) = events.last() else { return log };
            self.cursor.ack(last.sequence).unwrap();
            log.extend(events);
        }
    }

    /// After a crash everything that was answered is there, and a paid hash is refused.
    fn check_after_a_crash(&mut self) {
        self.store.crash();
        let report = lnkeep::maintenance::check(self.directory.path().join("store")).unwrap();
        assert!(report.is_sound(), "{report:?}");
        (self.store, self.payments, self.attempts) = open(&self.directory, self.tower.lnd);
        for expected in self.tower.payments.values() {
            assert_eq!(self.payments.fetch(expected.hash()).unwrap(), *expected);
            let again = self.payments.init(expected.init.clone());
            let paid = expected.status == PaymentStatus::Succeeded;
            assert!(!paid || again.unwrap_err().status() == Status::AlreadyPaid);
        }
        for hash in &self.tower.paid {
            let request = lnkeep::payments::PaymentInit::new(PaymentHash(*hash), 1);
            assert_eq!(self.payments.init(request).unwrap_err().status(), Status::AlreadyPaid);
        }
    }
}

/// The log by itself: numbers without a gap, no hash initiated after it was paid, one end for each life.
fn check_log(log: &[Event]) {
    let mut paid = BTreeSet::new();
    let mut ends: BTreeMap<[u8; 32], u64> = BTreeMap::new();
    let of_payments = |kind: EventKind| kind as u16 >= EventKind::PaymentInitiated as u16;
    for (event, sequence) in log.iter().zip(1..) {
        assert_eq!(event.sequence, sequence, "the log has a gap");
        if !of_payments(event.kind) {
            continue;
        }
        if event.kind == EventKind::PaymentInitiated {
            assert!(!paid.contains(&event.subject), "{event:?}: paid before");
            ends.insert(event.subject, 0);
        }
        if event.flags & Event::TERMINAL != 0 {
            *ends.get_mut(&event.subject).expect("an end without a beginning") += 1;
        }
        let finished = event.state == PaymentStatus::Succeeded as u8
            || event.state == PaymentStatus::Failed as u8;
        let ends = ends[&event.subject];
        assert_eq!(ends, u64::from(finished), "{event:?}: ended {ends} times");
        if event.state == PaymentStatus::Succeeded as u8 {
            paid.insert(event.subject);
        }
    }
    assert!(!paid.is_empty(), "nothing was paid");
}

fn number_from(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn race(lnd: bool, late_settles: bool) {
    let seed = number_from("LNKEEP_RACE_SEED", std::process::id().into());
    let rounds = number_from("LNKEEP_RACE_ROUNDS", 20);
    println!("race: {rounds} rounds, LNKEEP_RACE_SEED={seed}");
    let mut arena = Arena::new(lnd);
    let (mut changes, mut refusals, mut overlaps) = (0, 0, 0);
    for round in 0..rounds {
        let course = Course::new(seed, round, late_settles);
        let history = arena.round(&course);
        changes += history.done.len();
        refusals += history.others.len();
        overlaps += history.overlaps();
    }
    check_log(&arena.log);
    if !late_settles {
        let late = |event: &&Event| event.flags & Event::LATE_SETTLE != 0;
        assert_eq!(arena.log.iter().find(late), None, "nobody asked for it");
        // Y2 from the log alone: what no attempt covers is never less than nothing.
        for payment in arena.tower.payments.values() {
            assert!(reference::sent(payment).0 <= u128::from(payment.init.amount_msat));
        }
    }
    arena.check_after_a_crash();
    println!("race: {changes} changes, {refusals} refused or read, {overlaps} calls overlapped");
    assert!(overlaps > rounds as usize * 10, "the threads hardly met");
}

#[test]
fn racing_threads_never_exceed_an_amount_and_never_pay_a_hash_twice() {
    race(false, false);
}

#[test]
fn late_settles_of_racing_threads_are_told_once_and_in_order() {
    race(false, true);
}

#[test]
fn racing_threads_under_lnds_rules_do_what_lnd_does() {
    race(true, true);
}
