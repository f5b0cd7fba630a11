//! Events through attempts: cursors, restarts, cuts.
#![allow(missing_docs)]

use std::sync::Arc;

use lnkeep::attempts::rules::InitRequest;
use lnkeep::attempts::{AttemptResult, Attempts, AttemptsOptions, Operation, State};
use lnkeep::events::{Event, EventKind, Events, Start};
use lnkeep::{
    AttemptKey, Clock, Grouping, Namespace, Preimage, RawMessage, Status, Store, StoreOptions,
};

struct World {
    directory: tempfile::TempDir,
    options: StoreOptions,
}

impl World {
    fn new(options: StoreOptions) -> World {
        World { directory: tempfile::tempdir().unwrap(), options }
    }

    fn open(&self) -> (Arc<Store>, Attempts) {
        let store = Store::open(self.directory.path().join("store"), &self.options).unwrap();
        let attempts = Attempts::open(&store, AttemptsOptions::default()).unwrap();
        (store, attempts)
    }
}

fn key(id: u64) -> AttemptKey {
    AttemptKey::new(Namespace::default(), id)
}

fn settle(attempts: &Attempts, ids: std::ops::Range<u64>) {
    let ids: Vec<_> = ids.collect();
    for ids in ids.chunks(1_000) {
        let settle = |id: &u64| {
            Operation::StoreResult(key(*id), AttemptResult::settle(Preimage::new([1; 32])))
        };
        let operations = ids.iter().map(settle).collect();
        attempts.submit(operations, Grouping::Independent).unwrap();
    }
}

fn sequences(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.sequence).collect()
}

#[test]
fn a_cursor_goes_on_after_a_restart_with_what_it_has_not_acknowledged() {
    let world = World::new(StoreOptions::default());
    let (store, attempts) = world.open();
    let events = Events::open(&store, b"wallet", Start::Oldest).unwrap();
    settle(&attempts, 0..5);
    assert_eq!(sequences(&events.take(3).unwrap()), [1, 2, 3]);
    assert_eq!(sequences(&events.take(9).unwrap()), [4, 5]);
    assert_eq!(sequences(&events.take(9).unwrap()), []);
    events.ack(2).unwrap();
    assert_eq!(events.ack(2).unwrap().status, Status::Already);
    assert_eq!(events.ack(6).unwrap_err().status(), Status::InvalidArgument);
    store.crash();
    let (store, attempts) = world.open();
    let events = Events::open(&store, b"wallet", Start::Newest).unwrap();
    assert_eq!(sequences(&events.take(9).unwrap()), [3, 4, 5]);
    settle(&attempts, 5..6);
    assert_eq!(sequences(&events.take(9).unwrap()), [6]);
}

#[test]
fn an_event_tells_what_the_record_became() {
    let world = World::new(StoreOptions::default());
    let (store, attempts) = world.open();
    let events = Events::open(&store, b"wallet", Start::Oldest).unwrap();
    store.tick(Clock { unix_ms: 7, block_height: 8 }).unwrap();
    let mut request = InitRequest::new(AttemptKey::new(Namespace([3; 16]), 9));
    request.amount_msat = 1_000;
    attempts.init(&request).unwrap();
    let failure = AttemptResult::network_failure(RawMessage::new(vec![1]));
    attempts.store_result(request.key, failure).unwrap();
    let preimage = Preimage::new([1; 32]);
    let reply = attempts.store_result(request.key, AttemptResult::settle(preimage)).unwrap();
    let taken = events.take(9).unwrap();
    assert_eq!(taken.len(), 2, "init is not recorded by default");
    assert_eq!(
        (taken[0].kind, taken[1].kind),
        (EventKind::AttemptResolved, EventKind::AttemptConflict)
    );
    assert_eq!(reply.event_sequence, taken[1].sequence);
    assert_eq!(taken[1].state, State::Settled as u8);
    assert_eq!((taken[1].attempt_id, taken[1].amount_msat), (9, 1_000));
    assert_eq!(taken[1].subject[..16], [3; 16]);
    assert_eq!(taken[1].clock, Clock { unix_ms: 7, block_height: 8 });
}

#[test]
fn the_kinds_a_host_chooses_are_the_ones_recorded() {
    let kinds = EventKind::AttemptInit.bit();
    let world = World::new(StoreOptions { event_kinds: Some(kinds), ..StoreOptions::default() });
    let (store, attempts) = world.open();
    let events = Events::open(&store, b"all", Start::Oldest).unwrap();
    attempts.init(&InitRequest::new(key(1))).unwrap();
    settle(&attempts, 1..2);
    let taken = events.take(9).unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].kind, EventKind::AttemptInit);
}

#[test]
fn a_cut_cursor_is_told_once_and_reads_on() {
    let world = World::new(StoreOptions { events_bytes_max: 1, ..StoreOptions::default() });
    let (store, attempts) = world.open();
    let events = Events::open(&store, b"slow", Start::Oldest).unwrap();
    settle(&attempts, 0..1_000);
    let error = events.take(9).unwrap_err();
    assert_eq!(error.status(), Status::Truncated);
    let first = events.first_available().unwrap();
    assert!(first > 1 && error.message().contains(&first.to_string()), "{error}");
    assert_eq!(events.take(1).unwrap()[0].sequence, first);
}

#[test]
fn an_unread_cursor_pins_its_events_and_a_missing_one_does_not() {
    let world = World::new(StoreOptions::default());
    let (store, attempts) = world.open();
    let events = Events::open(&store, b"reader", Start::Oldest).unwrap();
    settle(&attempts, 0..6_000);
    assert_eq!(events.first_available().unwrap(), 1);
    events.unregister().unwrap();
    settle(&attempts, 6_000..10_000);
    assert!(events.first_available().unwrap() > 5_000);
    assert_eq!(events.ack(1).unwrap_err().status(), Status::NotFound);
    assert_eq!(events.unregister().unwrap_err().status(), Status::NotFound);
}

#[test]
fn old_events_are_cut_by_age_when_the_host_says_so() {
    let options = StoreOptions { events_age_max_secs: 10, ..StoreOptions::default() };
    let world = World::new(options);
    let (store, attempts) = world.open();
    let events = Events::open(&store, b"reader", Start::Oldest).unwrap();
    store.tick(Clock { unix_ms: 1_000, block_height: 0 }).unwrap();
    settle(&attempts, 0..40);
    store.tick(Clock { unix_ms: 12_000, block_height: 0 }).unwrap();
    settle(&attempts, 40..80);
    assert_eq!(events.first_available().unwrap(), 41);
}

#[test]
fn numbers_are_not_reused_after_everything_was_trimmed() {
    let world = World::new(StoreOptions { events_bytes_max: 1, ..StoreOptions::default() });
    let (store, attempts) = world.open();
    settle(&attempts, 0..128);
    store.close().unwrap();
    let (store, attempts) = world.open();
    let events = Events::open(&store, b"late", Start::Newest).unwrap();
    settle(&attempts, 200..201);
    assert_eq!(sequences(&events.take(9).unwrap()), [129]);
}

#[test]
fn names_have_a_length_and_cursors_a_number() {
    let world = World::new(StoreOptions::default());
    let (store, _attempts) = world.open();
    for name in [&b""[..], &[b'x'; 33]] {
        let error = Events::open(&store, name, Start::Oldest).unwrap_err();
        assert_eq!(error.status(), Status::InvalidArgument);
    }
    for number in 0..lnkeep::limits::CURSORS_MAX {
        Events::open(&store, format!("c{number}").as_bytes(), Start::Oldest).unwrap();
    }
    let error = Events::open(&store, b"one more", Start::Oldest).unwrap_err();
    assert_eq!(error.status(), Status::TooBig);
    Events::open(&store, b"c7", Start::Oldest).unwrap();
}

#[test]
fn looking_at_events_while_the_map_grows_blocks_nobody() {
    let world = World::new(StoreOptions { map_bytes: 1 << 18, ..StoreOptions::default() });
    let (store, attempts) = world.open();
    let events = Events::open(&store, b"busy", Start::Newest).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    events.take(10).unwrap();
                    events.first_available().unwrap();
                }
            });
        }
        for round in 0..40 {
            settle(&attempts, round * 500..round * 500 + 500);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(store.stats().unwrap().map_growths > 2);
}
