//! What bounded steps leave alone, how much one of them does, and what calls refuse at their limits.

use super::super::commands::{CLEAN_STEP_ROWS, STEP_ROWS};
use super::super::table::{LeaveBehind, decode_retained, namespace_row};
use super::*;
use crate::limits::{EXTERNAL_KEY_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::store::batch::Rows;

fn open() -> (World, Attempts) {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    (world, attempts)
}

fn tick(attempts: &Attempts, unix_ms: u64) {
    attempts.store().tick(Clock { unix_ms, block_height: 0 }).unwrap();
}

fn finish(attempts: &Attempts, ids: std::ops::Range<u64>) {
    let settled = ids.clone().map(|id| Operation::StoreResult(key(id), settle(1))).collect();
    attempts.submit(settled, Grouping::Independent).unwrap();
    let acked = ids.map(|id| Operation::Ack(key(id))).collect();
    attempts.submit(acked, Grouping::Independent).unwrap();
}

fn queued(attempts: &Attempts) -> u64 {
    let heads = attempts.store().read(|view| view.heads()).unwrap();
    heads.of(Table::AttemptsRetained).rows
}

#[test]
fn keys_and_messages_are_refused_one_byte_beyond_their_limit() {
    let (_world, attempts) = open();
    let allocate = |length| attempts.allocate(Namespace::default(), &vec![7; length]);
    assert_eq!(allocate(EXTERNAL_KEY_BYTES_MAX).unwrap(), 1);
    for length in [0, EXTERNAL_KEY_BYTES_MAX + 1] {
        assert_eq!(allocate(length).unwrap_err().status(), Status::InvalidArgument);
    }
    let message = |length| RawMessage::new(vec![7; length]);
    let result = |length| AttemptResult {
        message: message(length),
        ..AttemptResult::local_failure(TEMPORARY_NODE_FAILURE)
    };
    let rollback = |length| Rollback { message: message(length), ..Rollback::default() };
    let long = MESSAGE_BYTES_MAX + 1;
    for id in [1, 2] {
        attempts.init(&InitRequest::new(key(id))).unwrap();
    }
    let refused = attempts.store_result(key(1), result(long)).unwrap_err();
    assert_eq!(refused.status(), Status::TooBig);
    let refused = attempts.fail_pending(key(2), rollback(long)).unwrap_err();
    assert_eq!(refused.status(), Status::TooBig);
    attempts.store_result(key(1), result(MESSAGE_BYTES_MAX)).unwrap();
    attempts.fail_pending(key(2), rollback(MESSAGE_BYTES_MAX)).unwrap();
    for id in [1, 2] {
        assert_eq!(attempts.result(key(id)).unwrap().message.len(), MESSAGE_BYTES_MAX);
    }
}

/// A failure was acknowledged and queued to go; then the settle came, which nobody has acknowledged.
#[test]
fn a_sweep_keeps_what_went_on_after_it_was_acknowledged() {
    let options = AttemptsOptions { acked_retention_secs: 10, ..AttemptsOptions::default() };
    let world = World::new(options);
    let attempts = world.open();
    tick(&attempts, 1_000);
    for id in [1, 2] {
        attempts.store_result(key(id), AttemptResult::local_failure(1)).unwrap();
        attempts.ack(key(id)).unwrap();
    }
    attempts.store_result(key(1), settle(1)).unwrap();
    tick(&attempts, 100_000);
    while attempts.sweep().unwrap() != 0 {}
    assert_eq!(attempts.get(key(1)).unwrap().state, State::Settled);
    assert_eq!(attempts.get(key(2)).unwrap_err().status(), Status::Deleted);
}

#[test]
fn a_sweep_of_tombstones_keeps_a_record_that_is_none() {
    let options = AttemptsOptions { tombstone_retention_secs: 10, ..AttemptsOptions::default() };
    let world = World::new(options);
    let attempts = world.open();
    tick(&attempts, 1_000);
    for id in [1, 2] {
        attempts.store_result(key(id), settle(1)).unwrap();
        attempts.delete(key(id), Retain::Tombstone).unwrap();
    }
    let live = record(State::HandedOff);
    let puts = vec![(Table::Attempts, live.key.to_bytes().to_vec(), live.encode().unwrap())];
    attempts.store().submit_one(Tamper { puts, deletes: Vec::new() }).unwrap();
    tick(&attempts, 100_000);
    while attempts.sweep().unwrap() != 0 {}
    assert_eq!(attempts.get(key(1)).unwrap().state, State::HandedOff);
    assert_eq!(attempts.get(key(2)).unwrap_err().status(), Status::NotFound);
}

#[test]
fn a_sweep_handles_half_a_step_at_a_time() {
    let options = AttemptsOptions { acked_retention_secs: 10, ..AttemptsOptions::default() };
    let world = World::new(options);
    let attempts = world.open();
    tick(&attempts, 1_000);
    finish(&attempts, 0..300);
    tick(&attempts, 100_000);
    let half = STEP_ROWS as u64 / 2;
    assert_eq!(attempts.sweep().unwrap(), half);
    assert_eq!(attempts.sweep().unwrap(), half);
    assert_eq!(attempts.sweep().unwrap(), 300 - 2 * half);
}

/// Every record that goes may take the rows of two others with it: the step's cost has to know.
#[test]
fn a_clean_has_room_for_all_the_rows_that_it_may_take_with_it() {
    let (_world, attempts) = open();
    for id in 10_000..11_500 {
        attempts.store().submit_one(LeaveBehind(key(id))).unwrap();
    }
    let cleaned = CLEAN_STEP_ROWS as u64;
    finish(&attempts, 0..cleaned);
    let before = queued(&attempts);
    attempts.clean(Namespace::default(), &Default::default(), Retain::Tombstone).unwrap();
    // Each left a row of its own behind and queued a tombstone.
    assert_eq!(queued(&attempts), before + cleaned - 2 * cleaned);
}

#[test]
fn a_deletion_that_leaves_nothing_behind_looks_at_no_row_of_others() {
    let (_world, attempts) = open();
    for id in 100..110 {
        attempts.store().submit_one(LeaveBehind(key(id))).unwrap();
    }
    attempts.store_result(key(1), settle(1)).unwrap();
    attempts.delete(key(1), Retain::Forget).unwrap();
    assert_eq!(queued(&attempts), 10);
    finish(&attempts, 2..3);
    assert_eq!(queued(&attempts), 11, "only a deletion pays for the look");
}

fn rows_of(attempts: &Attempts, id: u64) -> usize {
    let mut rows = 0;
    let read = attempts.store().read(|view| {
        view.scan(Table::AttemptsRetained, &[], |_, body| {
            let row = body.ok().and_then(decode_retained);
            rows += usize::from(row.is_some_and(|(of, _)| of == key(id)));
            true
        })
    });
    read.unwrap();
    rows
}

#[test]
fn rows_go_that_were_queued_in_an_earlier_life_of_their_id_and_no_others() {
    let (_world, attempts) = open();
    let leave = |id| attempts.store().submit_one(LeaveBehind(key(id))).unwrap();
    leave(3);
    tick(&attempts, 1_000);
    leave(2);
    tick(&attempts, 2_000);
    finish(&attempts, 2..4);
    assert_eq!((rows_of(&attempts, 2), rows_of(&attempts, 3)), (2, 2));
    for id in 50..90 {
        finish(&attempts, id..id + 1);
        attempts.delete(key(id), Retain::Forget).unwrap();
    }
    assert_eq!(rows_of(&attempts, 2), 1);
    assert_eq!(rows_of(&attempts, 3), 2, "nobody knows of which life a row without a time is");
}

#[test]
fn a_floor_that_rises_says_done_and_one_that_is_there_says_already() {
    let (_world, attempts) = open();
    let [a, b, c] = [1, 2, 3].map(|byte| Namespace([byte; 16]));
    let acknowledge = |floors: &[_]| attempts.acknowledge_restore(floors).unwrap().status;
    assert_eq!(acknowledge(&[(a, 60)]), Status::Done);
    // Below the next id to allocate, which does not rise any more.
    assert_eq!(acknowledge(&[(b, 10), (c, 10)]), Status::Done);
    assert_eq!(acknowledge(&[(b, 20), (c, 10)]), Status::Done);
    assert_eq!(acknowledge(&[(b, 20), (c, 10)]), Status::Already);
}

#[test]
fn a_floor_takes_no_external_mark_away() {
    let world = World::new(AttemptsOptions { external: true, ..AttemptsOptions::default() });
    let attempts = world.open();
    attempts.acknowledge_restore(&[(Namespace([1; 16]), 60)]).unwrap();
    assert!(attempts.is_external().unwrap());
    attempts.store().close().unwrap();
    let path = world.directory.path().join("store");
    let store = Store::open(path, &StoreOptions::default()).unwrap();
    let refused = Attempts::open(&store, AttemptsOptions::default()).unwrap_err();
    assert_eq!(refused.status(), Status::ExternalMarker);
}

#[test]
fn where_acknowledging_goes_on_rises_and_never_falls() {
    let (_world, attempts) = open();
    finish(&attempts, 0..20);
    let mark = || {
        let row = attempts.store().read(|view| namespace_row(view, Namespace::default()));
        row.unwrap().acked_below
    };
    assert_eq!(attempts.ack_below(Namespace::default(), 15).unwrap(), 0);
    assert_eq!(mark(), 15);
    attempts.ack_below(Namespace::default(), 5).unwrap();
    assert_eq!(mark(), 15);
    attempts.init(&InitRequest::new(key(20))).unwrap();
    finish(&attempts, 21..30);
    attempts.ack_below(Namespace::default(), 30).unwrap();
    assert_eq!(mark(), 20, "the lowest that was not final");
}

#[test]
fn a_recovery_whose_rollback_fails_says_so() {
    use crate::store::failpoints::Fault;
    let (_world, attempts) = open();
    attempts.init(&InitRequest::new(key(1))).unwrap();
    attempts.store().inject(Some(Fault::NoSpace));
    let error = attempts.recover(Namespace::default(), None, true).unwrap_err();
    assert_eq!(error.status(), Status::NoSpace);
    let recovered = attempts.recover(Namespace::default(), None, true).unwrap();
    assert_eq!(recovered.failed, [1]);
}

#[test]
fn a_list_of_a_namespace_begins_with_its_own_records() {
    let (_world, attempts) = open();
    let [a, b] = [1, 2].map(|byte| Namespace([byte; 16]));
    for namespace in [a, b] {
        for id in [0, 1] {
            attempts.init(&InitRequest::new(AttemptKey::new(namespace, id))).unwrap();
        }
    }
    let ids = |after| {
        let query = Query { namespace: Some(b), after: Some(after), ..Query::default() };
        let page = attempts.list(&query).unwrap();
        page.attempts.iter().map(|attempt| attempt.key.id.0).collect::<Vec<_>>()
    };
    assert_eq!(ids(AttemptKey::new(a, 0)), [0, 1], "what is listed after is in another namespace");
    assert_eq!(ids(AttemptKey::new(b, 0)), [1]);
}

/// A reader of the `Debug` text of a host's own structure sees the options and no records.
#[test]
fn debug_shows_options_and_no_records() {
    let (_world, attempts) = open();
    let text = format!("{attempts:?}");
    assert!(text.starts_with("Attempts { options: AttemptsOptions {"), "{text}");
    let operation = attempts.operation(Operation::Ack(key(1))).unwrap();
    assert_eq!(format!("{operation:?}"), "Operation(..)");
}

/// What only the network can have made tells that an attempt left which was never marked.
#[test]
fn a_failure_from_the_network_tells_that_a_host_does_not_mark_and_one_of_this_node_does_not() {
    for (unencrypted, expected) in [(true, None), (false, Some(Status::InvalidArgument))] {
        let (_world, attempts) = open();
        for id in [1, 2] {
            attempts.init(&InitRequest::new(key(id))).unwrap();
            let failure = AttemptResult { unencrypted, ..AttemptResult::local_failure(1) };
            attempts.store_result(key(id), failure).unwrap();
        }
        let recovered = attempts.recover(Namespace::default(), None, true);
        assert_eq!(recovered.err().map(|error| error.status()), expected);
    }
}
