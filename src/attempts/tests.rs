//! The truth table of the rules, row by row, and what the table alone does not say.

mod dispatches;
mod records;
mod scarcity;
mod steps;

use std::collections::HashMap;

use super::rules::*;
use super::*;
use crate::limits::TEMPORARY_NODE_FAILURE;
use crate::store::StoreOptions;
use crate::store::tables::Table;
use crate::types::{Clock, Fingerprint, Preimage, RawMessage};

fn key(id: u64) -> AttemptKey {
    AttemptKey::new(Namespace::default(), id)
}

fn settle(byte: u8) -> AttemptResult {
    AttemptResult::settle(Preimage::new([byte; 32]))
}

fn record(state: State) -> Attempt {
    let mut attempt = Attempt {
        key: key(1),
        state,
        flags: Flags::default(),
        created_epoch: 1,
        created_unix_ms: 0,
        updated_unix_ms: 0,
        amount_msat: 0,
        first_hop_scid: 0,
        cltv_expiry: 0,
        fingerprint: None,
        payment_hash: None,
        result: None,
    };
    attempt.result = match state {
        State::Settled => Some(settle(1)),
        State::Failed => Some(AttemptResult::local_failure(TEMPORARY_NODE_FAILURE)),
        _ => None,
    };
    attempt
}

/// State the record goes to, or the status of a repeat or a refusal.
type Told = std::result::Result<State, Status>;

fn told(decision: Result<Decision>) -> Told {
    match decision {
        Ok(Decision::Put(attempt, _)) => Ok(attempt.state),
        Ok(Decision::Remove(_)) => panic!("nothing is removed here"),
        Ok(Decision::Repeat(status)) => Err(status),
        Err(error) => Err(error.status()),
    }
}

/// What each call makes of each state: the state it leads to, or the status it answers.
const STRICT_RULES: &str = "
stored      init            mark         settle     network_failure  fail_pending  delete
absent      Intent          NOT_FOUND    Settled    Failed           NOT_FOUND     NOT_FOUND
Intent      ALREADY_EXISTS  HandedOff    Settled    Failed           Failed        PENDING
HandedOff   ALREADY_EXISTS  ALREADY      Settled    Failed           HANDED_OFF    PENDING
Settled     ALREADY_EXISTS  NOT_PENDING  ALREADY    CONFLICT         NOT_PENDING   Deleted
Failed      ALREADY_EXISTS  NOT_PENDING  Settled    CONFLICT         NOT_PENDING   Deleted
Deleted     ALREADY_EXISTS  DELETED      CONFLICT   CONFLICT         NOT_FOUND     NOT_FOUND
";

#[test]
fn the_truth_table_of_the_strict_rules() {
    let rows = STRICT_RULES.lines().skip(2).map(|line| line.split_whitespace());
    let mut tested = 0;
    for mut row in rows {
        let name = row.next().unwrap();
        let stored = State::ALL.into_iter().find(|state| format!("{state:?}") == name).map(record);
        assert!(stored.is_some() || name == "absent", "{name}");
        let stored = stored.as_ref().map_or(Stored::Absent, Stored::Found);
        let answers = row_of(stored).map(|told| match told {
            Ok(state) => format!("{state:?}"),
            Err(status) => status.name().to_owned(),
        });
        assert_eq!(answers.to_vec(), row.collect::<Vec<_>>(), "{name}");
        tested += 1;
    }
    assert_eq!(tested, 6);
    assert_eq!(row_of(Stored::Unreadable), [Err(Status::CorruptRecord); 6]);
}

fn row_of(stored: Stored<'_>) -> [Told; 6] {
    let now = Now::default();
    let failure = AttemptResult::network_failure(RawMessage::new(vec![1]));
    let strict = Profile::Strict;
    [
        told(init(strict, stored, &InitRequest::new(key(1)), Gate::default(), now)),
        told(mark_handed_off(key(1), stored, now)),
        told(store_result(strict, key(1), stored, &settle(1), now)),
        told(store_result(strict, key(1), stored, &failure, now)),
        told(fail_pending(key(1), stored, &Rollback::default(), now)),
        told(delete(key(1), stored, Retain::Tombstone, now)),
    ]
}

#[test]
fn no_rule_ever_leads_from_a_final_state_to_a_pending_one() {
    for state in [State::Settled, State::Failed, State::Deleted] {
        let attempt = record(state);
        for told in row_of(Stored::Found(&attempt)) {
            assert!(told.map_or(true, |after| !after.is_pending()), "{state:?}");
        }
    }
}

#[test]
fn a_settle_that_replaces_a_failure_is_a_conflict_and_loses_its_acknowledgement() {
    let mut failed = record(State::Failed);
    failed.flags = Flags(Flags::ACKED);
    let decision =
        store_result(Profile::Strict, key(1), Stored::Found(&failed), &settle(2), Now::default());
    let Ok(Decision::Put(settled, event)) = decision else { panic!("{decision:?}") };
    assert_eq!(event, Some(crate::events::EventKind::AttemptConflict));
    assert!(settled.flags.has(Flags::CONFLICT) && !settled.flags.has(Flags::ACKED));
}

#[test]
fn recovery_never_rolls_back_what_was_handed_off() {
    let at = |epoch| Now { epoch, ..Now::default() };
    let circuits = [None, Some(Circuit::HalfOpen), Some(Circuit::Open)];
    for circuit in circuits {
        let open = circuit == Some(Circuit::Open);
        let intent = recover(&record(State::Intent), circuit, at(2), false);
        let handed = recover(&record(State::HandedOff), circuit, at(2), false);
        assert_eq!(intent, if open { Recovery::Keep } else { Recovery::RollBack });
        assert_eq!(handed, if open { Recovery::Keep } else { Recovery::Unresolved });
        assert_eq!(recover(&record(State::Intent), circuit, at(1), false), Recovery::Keep);
    }
    assert_eq!(recover(&record(State::Intent), None, at(1), true), Recovery::RollBack);
}

#[test]
fn lnds_rules_overwrite_results_and_clean_pending_records() {
    let settled = record(State::Settled);
    let failure = AttemptResult::local_failure(1);
    let stored = Stored::Found(&settled);
    let decision = store_result(Profile::Lnd, key(1), stored, &failure, Now::default());
    assert_eq!(told(decision), Ok(State::Failed));
    let intent = record(State::Intent);
    let stored = Stored::Found(&intent);
    assert!(clean(Profile::Lnd, stored, Retain::Forget, Now::default()).is_some());
    assert!(clean(Profile::Strict, stored, Retain::Forget, Now::default()).is_none());
    let ambiguous = init(
        Profile::Lnd,
        Stored::Unreadable,
        &InitRequest::new(key(1)),
        Gate::default(),
        Now::default(),
    );
    assert_eq!(told(ambiguous), Err(Status::Unknown));
}

struct World {
    directory: tempfile::TempDir,
    options: AttemptsOptions,
}

impl World {
    fn new(options: AttemptsOptions) -> World {
        World { directory: tempfile::tempdir().unwrap(), options }
    }

    fn open(&self) -> Attempts {
        let path = self.directory.path().join("store");
        let store = Store::open(path, &StoreOptions::default()).unwrap();
        Attempts::open(&store, self.options).unwrap()
    }
}

#[test]
fn a_host_that_turns_out_not_to_mark_cannot_recover_blindly() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let namespace = Namespace::default();
    assert!(attempts.recover(namespace, None, true).is_ok());
    attempts.init(&InitRequest::new(key(1))).unwrap();
    attempts.store_result(key(1), settle(1)).unwrap();
    let refused = attempts.recover(namespace, None, true).unwrap_err();
    assert_eq!(refused.status(), Status::InvalidArgument);
    assert!(attempts.recover(namespace, Some(&HashMap::new()), true).is_ok());
}

#[test]
fn allocated_ids_are_unique_over_namespaces_and_stay_with_their_key() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let (a, b) = (Namespace([1; 16]), Namespace([2; 16]));
    let ids = [
        attempts.allocate(a, b"x").unwrap(),
        attempts.allocate(b, b"x").unwrap(),
        attempts.allocate(a, b"y").unwrap(),
    ];
    assert_eq!(ids, [1, 2, 3]);
    attempts.store().crash();
    let attempts = world.open();
    assert_eq!(attempts.allocate(b, b"x").unwrap(), 2);
    attempts.init(&InitRequest::new(AttemptKey::new(a, 4))).unwrap();
    assert_eq!(attempts.allocate(a, b"z").unwrap(), 5, "an id in use is skipped");
}

#[test]
fn acknowledging_below_an_id_passes_what_is_pending_and_comes_back_to_it() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let namespace = Namespace::default();
    let store = |ids: std::ops::Range<u64>| {
        let operations = ids.map(|id| Operation::StoreResult(key(id), settle(1))).collect();
        attempts.submit(operations, Grouping::Independent).unwrap();
    };
    store(0..10);
    attempts.init(&InitRequest::new(key(10))).unwrap();
    store(11..1_000);
    assert_eq!(attempts.ack_below(namespace, 5).unwrap(), 5);
    assert_eq!(attempts.ack_below(namespace, 900).unwrap(), 894);
    assert!(!attempts.get(key(10)).unwrap().flags.has(Flags::ACKED));
    assert!(!attempts.get(key(900)).unwrap().flags.has(Flags::ACKED));
    store(10..11);
    assert_eq!(attempts.ack_below(namespace, 900).unwrap(), 1);
    assert_eq!(attempts.ack_below(namespace, 900).unwrap(), 0);
    assert_eq!(attempts.ack_below(namespace, u64::MAX).unwrap(), 100);
}

#[test]
fn a_record_queued_before_the_first_tick_ages_from_then_on_and_blocks_nobody() {
    let world =
        World::new(AttemptsOptions { acked_retention_secs: 10, ..AttemptsOptions::default() });
    let attempts = world.open();
    let tick = |unix_ms| attempts.store().tick(Clock { unix_ms, block_height: 0 }).unwrap();
    let finish = |id| {
        attempts.store_result(key(id), settle(1)).unwrap();
        attempts.ack(key(id)).unwrap();
    };
    finish(1);
    assert_eq!(attempts.sweep().unwrap(), 0, "no time is known");
    tick(1_000);
    finish(2);
    tick(11_000);
    while attempts.sweep().unwrap() != 0 {}
    assert_eq!(attempts.get(key(2)).unwrap_err().status(), Status::Deleted);
    assert!(attempts.get(key(1)).is_ok());
    tick(21_000);
    while attempts.sweep().unwrap() != 0 {}
    assert_eq!(attempts.get(key(1)).unwrap_err().status(), Status::Deleted);
}

#[test]
fn retention_turns_acknowledged_records_into_tombstones_and_keeps_ids_burned() {
    let world =
        World::new(AttemptsOptions { acked_retention_secs: 10, ..AttemptsOptions::default() });
    let attempts = world.open();
    let tick = |unix_ms| attempts.store().tick(Clock { unix_ms, block_height: 0 }).unwrap();
    tick(1_000);
    for id in 0..300 {
        attempts.store_result(key(id), settle(1)).unwrap();
        attempts.ack(key(id)).unwrap();
    }
    assert_eq!(attempts.sweep().unwrap(), 0);
    tick(11_000);
    let mut swept = 0;
    while let handled @ 1.. = attempts.sweep().unwrap() {
        swept += handled;
    }
    assert_eq!(swept, 300);
    assert_eq!(attempts.counts(None).unwrap().deleted, 300);
    assert_eq!(attempts.get(key(7)).unwrap_err().status(), Status::Deleted);
    assert_eq!(attempts.init(&InitRequest::new(key(7))).unwrap(), InitAnswer::AlreadyExists);
}

#[test]
fn tombstones_beyond_their_number_are_forgotten_oldest_first() {
    let world = World::new(AttemptsOptions { tombstones_max: 2, ..AttemptsOptions::default() });
    let attempts = world.open();
    for id in 0..5 {
        attempts.store_result(key(id), settle(1)).unwrap();
        attempts.delete(key(id), Retain::Tombstone).unwrap();
    }
    assert_eq!(attempts.sweep().unwrap(), 3);
    assert_eq!(attempts.get(key(2)).unwrap_err().status(), Status::NotFound);
    assert_eq!(attempts.get(key(3)).unwrap_err().status(), Status::Deleted);
}

/// A store that was copied while attempts 5 (intent) and 6 (handed off) were pending.
fn copied() -> (World, World, Attempts) {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    attempts.init(&InitRequest::new(key(5))).unwrap();
    attempts.init(&InitRequest::new(key(6))).unwrap();
    attempts.mark_handed_off(key(6)).unwrap();
    attempts.store().close().unwrap();
    let copy = World::new(AttemptsOptions::default());
    let source = world.directory.path().join("store/data.mdb");
    let target = copy.directory.path().join("store");
    std::fs::create_dir(&target).unwrap();
    std::fs::copy(source, target.join("data.mdb")).unwrap();
    let attempts = copy.open();
    (world, copy, attempts)
}

#[test]
fn a_copied_store_grants_nothing_until_it_has_a_floor() {
    let (_world, copy, attempts) = copied();
    assert!(attempts.store().report().copied);
    let status = |id| attempts.init(&InitRequest::new(key(id))).unwrap_err().status();
    assert_eq!(status(7), Status::NotAcknowledged);
    assert_eq!(attempts.init(&InitRequest::new(key(5))).unwrap(), InitAnswer::AlreadyExists);
    let missing = attempts.acknowledge_restore(&[]).unwrap_err();
    assert_eq!(missing.status(), Status::InvalidArgument);
    attempts.acknowledge_restore(&[(Namespace::default(), 100)]).unwrap();
    assert_eq!(status(99), Status::BelowFloor);
    assert_eq!(attempts.init(&InitRequest::new(key(100))).unwrap(), InitAnswer::Granted);
    assert!(attempts.allocate(Namespace([1; 16]), b"new").unwrap() >= 100);
    attempts.store().close().unwrap();
    assert!(!copy.open().store().report().copied);
}

#[test]
fn an_intent_older_than_a_restore_may_have_left_and_is_never_rolled_back() {
    let (_world, copy, attempts) = copied();
    let none = HashMap::new();
    let recovered = attempts.recover(Namespace::default(), Some(&none), true).unwrap();
    assert_eq!((recovered.failed, recovered.unresolved), (vec![], vec![5, 6]));
    let refused = attempts.fail_pending(key(5), Rollback::default()).unwrap_err();
    assert_eq!(refused.status(), Status::HandedOff);
    attempts.acknowledge_restore(&[(Namespace::default(), 100)]).unwrap();
    attempts.init(&InitRequest::new(key(100))).unwrap();
    attempts.store().crash();
    let attempts = copy.open();
    let recovered = attempts.recover(Namespace::default(), None, false).unwrap();
    assert_eq!((recovered.failed, recovered.unresolved), (vec![100], vec![5, 6]));
}

#[test]
fn floors_rise_also_when_no_restore_was_noticed() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let floors = [(Namespace::default(), 50)];
    assert_eq!(attempts.acknowledge_restore(&floors).unwrap().status, Status::Done);
    assert_eq!(attempts.acknowledge_restore(&floors).unwrap().status, Status::Already);
    let refused = attempts.init(&InitRequest::new(key(49))).unwrap_err();
    assert_eq!(refused.status(), Status::BelowFloor);
}

#[test]
fn closing_or_poisoning_the_store_ends_every_wait() {
    use crate::store::failpoints::Fault;
    for fault in [None, Some(Fault::CommitFailsBefore)] {
        let world = World::new(AttemptsOptions::default());
        let attempts = world.open();
        let subscription = attempts.subscribe(key(1), false).unwrap();
        attempts.store().inject(fault);
        match fault {
            None => attempts.store().close().unwrap(),
            Some(_) => drop(attempts.init(&InitRequest::new(key(2))).unwrap_err()),
        }
        assert_eq!(attempts.ready(9), [subscription]);
        assert_eq!(attempts.poll(subscription), Polled::Closed);
    }
}

#[test]
fn a_damaged_namespace_row_stops_no_settle_and_bars_new_ids() {
    struct Damage;
    impl Command for Damage {
        fn apply(&self, batch: &mut crate::store::batch::Batch<'_>) -> Outcome {
            batch.put_row(crate::store::tables::Table::Namespaces, &[0; 16], b"garbage")?;
            Ok(Reply::already(Status::Already))
        }
        fn cost(&self) -> crate::store::batch::Cost {
            crate::store::batch::Cost { rows: 1, bytes: 64 }
        }
        fn space(&self) -> crate::store::batch::Space {
            crate::store::batch::Space::Settles
        }
    }
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    attempts.init(&InitRequest::new(key(1))).unwrap();
    attempts.init(&InitRequest::new(key(2))).unwrap();
    attempts.store().submit_one(Damage).unwrap();
    for namespace in [None, Some(Namespace::default())] {
        let unknown = attempts.counts(namespace).unwrap_err();
        assert_eq!(unknown.status(), Status::CorruptRecord);
    }
    attempts.store_result(key(1), settle(1)).unwrap();
    let counts = attempts.counts(None).unwrap();
    assert_eq!((counts.intent, counts.settled), (1, 1));
    let barred = attempts.init(&InitRequest::new(key(3))).unwrap_err();
    assert_eq!(barred.status(), Status::NotAcknowledged);
    attempts.acknowledge_restore(&[(Namespace::default(), 3)]).unwrap();
    assert_eq!(attempts.init(&InitRequest::new(key(3))).unwrap(), InitAnswer::Granted);
}

#[test]
fn a_quarantined_record_burns_its_id_and_leaves_no_pending_trace() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    attempts.init(&InitRequest::new(key(1))).unwrap();
    attempts.write_raw(key(1), b"garbage").unwrap();
    let waits = attempts.subscribe(key(1), false).unwrap();
    assert_eq!(attempts.get(key(1)).unwrap_err().status(), Status::CorruptRecord);
    assert_eq!(attempts.list(&Query::default()).unwrap().unreadable, [key(1)]);
    attempts.quarantine(key(1)).unwrap();
    assert_eq!(attempts.poll(waits), Polled::Closed);
    assert_eq!(attempts.quarantine(key(1)).unwrap().status, Status::Already);
    assert_eq!(attempts.get(key(1)).unwrap_err().status(), Status::Deleted);
    assert_eq!(attempts.pending(Namespace::default()).unwrap(), []);
    let counts = attempts.counts(None).unwrap();
    assert_eq!((counts.intent, counts.deleted), (0, 1));
    assert_eq!(attempts.init(&InitRequest::new(key(1))).unwrap(), InitAnswer::AlreadyExists);
    attempts.init(&InitRequest::new(key(2))).unwrap();
    let readable = attempts.quarantine(key(2)).unwrap_err();
    assert_eq!(readable.status(), Status::Conflict);
}

#[test]
fn lists_are_paged_filtered_and_scoped() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let other = Namespace([9; 16]);
    for id in 0..50 {
        let mut request = InitRequest::new(key(id));
        request.cltv_expiry = 100 + id as u32;
        attempts.init(&request).unwrap();
        attempts.init(&InitRequest::new(AttemptKey::new(other, id))).unwrap();
        if id % 2 == 0 {
            attempts.store_result(key(id), settle(1)).unwrap();
        }
    }
    let mut seen = Vec::new();
    let mut query = Query {
        namespace: Some(Namespace::default()),
        states: States::one(State::Settled),
        limit: 7,
        ..Query::default()
    };
    loop {
        let page = attempts.list(&query).unwrap();
        seen.extend(page.attempts.iter().map(|attempt| attempt.key.id.0));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, (0..50).step_by(2).collect::<Vec<_>>());
    let expired = Query { expired_at_height: 110, ..Query::default() };
    let expired = attempts.list(&expired).unwrap().attempts;
    assert_eq!(expired.len(), 5, "odd ids 1 to 9 are pending and past their expiry");
    let expired = Query { expired_at_height: 111, ..Query::default() };
    assert_eq!(attempts.list(&expired).unwrap().attempts.len(), 6, "id 11 expires at 111");
}

#[test]
fn lists_know_the_age_of_a_record_to_the_millisecond() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let tick = |unix_ms| attempts.store().tick(Clock { unix_ms, block_height: 0 }).unwrap();
    attempts.init(&InitRequest::new(key(1))).unwrap();
    tick(1_000);
    attempts.init(&InitRequest::new(key(2))).unwrap();
    tick(2_000);
    attempts.init(&InitRequest::new(key(3))).unwrap();
    let before = |created_before_unix_ms| {
        let query = Query { created_before_unix_ms, ..Query::default() };
        let found = attempts.list(&query).unwrap().attempts;
        found.iter().map(|attempt| attempt.key.id.0).collect::<Vec<_>>()
    };
    assert_eq!(before(0), [1, 2, 3]);
    assert_eq!(before(999), [], "of unknown age is the first alone");
    assert_eq!(before(1_000), [2]);
    assert_eq!(before(1_999), [2]);
    assert_eq!(before(2_000), [2, 3]);
}

#[test]
fn a_clean_tells_the_damaged_records_that_it_kept() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    for id in 1..=4 {
        attempts.init(&InitRequest::new(key(id))).unwrap();
    }
    assert_eq!(attempts.pending(Namespace::default()).unwrap(), [1, 2, 3, 4]);
    attempts.store_result(key(1), settle(1)).unwrap();
    attempts.store_result(key(4), settle(4)).unwrap();
    attempts.write_raw(key(2), b"garbage").unwrap();
    let keep = [4].into_iter().collect();
    let cleaned = attempts.clean(Namespace::default(), &keep, Retain::Forget).unwrap();
    assert_eq!((cleaned.removed, cleaned.unreadable), (1, vec![2]));
    assert_eq!(attempts.pending(Namespace::default()).unwrap(), [3]);
    assert_eq!(attempts.get(key(4)).unwrap().state, State::Settled);
}

#[test]
fn a_fingerprint_or_payment_hash_of_another_request_is_refused() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let mut request = InitRequest::new(key(1));
    request.fingerprint = Some(Fingerprint([1; 32]));
    request.payment_hash = Some(Preimage::new([5; 32]).payment_hash());
    attempts.init(&request).unwrap();
    let mut other = request;
    other.fingerprint = Some(Fingerprint([2; 32]));
    let mismatch = attempts.init(&other).unwrap_err();
    assert_eq!(mismatch.status(), Status::FingerprintMismatch);
    assert_eq!(attempts.init(&InitRequest::new(key(1))).unwrap(), InitAnswer::AlreadyExists);
    let wrong = attempts.store_result(key(1), settle(6)).unwrap_err();
    assert_eq!(wrong.status(), Status::BadPreimage);
    attempts.store_result(key(1), settle(5)).unwrap();
}

#[test]
fn error_texts_and_debug_never_show_a_preimage() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let result = AttemptResult { message: RawMessage::new(vec![0xab; 40]), ..settle(0xab) };
    attempts.store_result(key(1), result.clone()).unwrap();
    let conflict = attempts.store_result(key(1), settle(0xcd)).unwrap_err();
    let shown = format!("{conflict} {conflict:?} {result:?} {:?}", attempts.get(key(1)));
    assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
    assert!(!shown.contains("cdcd") && !shown.contains("205, 205"), "{shown}");
}

#[test]
fn the_namespace_of_all_ones_cannot_be_written() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let all = AttemptKey::new(table::ALL_NAMESPACES, 1);
    let status = attempts.init(&InitRequest::new(all)).unwrap_err().status();
    assert_eq!(status, Status::InvalidArgument);
}

#[test]
fn opening_again_needs_equal_options() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let again = Attempts::open(attempts.store(), AttemptsOptions::default()).unwrap();
    let subscription = attempts.subscribe(key(1), false).unwrap();
    again.store_result(key(1), settle(1)).unwrap();
    assert_eq!(again.poll(subscription), Polled::Result(settle(1)), "one instance");
    let other = AttemptsOptions { tombstones_max: 1, ..AttemptsOptions::default() };
    let refused = Attempts::open(attempts.store(), other).unwrap_err();
    assert_eq!(refused.status(), Status::AlreadyOpen);
}

#[test]
fn a_waiter_of_a_result_that_was_stored_with_an_error_is_served_by_the_repeat() {
    use crate::store::failpoints::Fault;
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    attempts.init(&InitRequest::new(key(1))).unwrap();
    let subscription = attempts.subscribe(key(1), true).unwrap();
    attempts.store().inject(Some(Fault::NoSpaceAfter));
    let error = attempts.fail_pending(key(1), Rollback::default()).unwrap_err();
    assert_eq!(error.status(), Status::NoSpace);
    assert_eq!(attempts.poll(subscription), Polled::Waiting);
    let repeat = attempts.fail_pending(key(1), Rollback::default()).unwrap_err();
    assert_eq!(repeat.status(), Status::NotPending);
    assert!(matches!(attempts.poll(subscription), Polled::Result(_)));
}

#[test]
fn a_subscription_that_will_never_be_served_is_named_as_ready() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    attempts.store_result(key(1), settle(1)).unwrap();
    attempts.delete(key(1), Retain::Tombstone).unwrap();
    let burned = attempts.subscribe(key(1), false).unwrap();
    let waits = attempts.subscribe(key(2), false).unwrap();
    assert_eq!(attempts.ready(9), [burned]);
    attempts.unsubscribe_all();
    assert_eq!(attempts.ready(9), [waits]);
    assert_eq!((attempts.poll(burned), attempts.poll(waits)), (Polled::Closed, Polled::Closed));
    attempts.unsubscribe(waits).unwrap();
}

#[test]
fn other_options_are_accepted_once_nobody_holds_the_attempts() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let store = Arc::clone(attempts.store());
    drop(attempts);
    let other = AttemptsOptions { tombstones_max: 1, ..AttemptsOptions::default() };
    Attempts::open(&store, other).unwrap();
}

/// Puts and removes rows behind the rules' back, under valid envelopes.
struct Tamper {
    puts: Vec<(Table, Vec<u8>, Vec<u8>)>,
    deletes: Vec<(Table, Vec<u8>)>,
}

impl Command for Tamper {
    fn apply(&self, batch: &mut crate::store::batch::Batch<'_>) -> Outcome {
        for (table, key, body) in &self.puts {
            batch.put(*table, key, body)?;
        }
        for (table, key) in &self.deletes {
            assert!(batch.delete(*table, key)?);
        }
        Ok(Reply::already(Status::Already))
    }
    fn cost(&self) -> crate::store::batch::Cost {
        crate::store::batch::Cost { rows: 8, bytes: 1024 }
    }
    fn space(&self) -> crate::store::batch::Space {
        crate::store::batch::Space::Settles
    }
}

/// Faults that a check reports after a tampering, each with its table.
fn faults_after(puts: &[(Table, Vec<u8>, Vec<u8>)], deletes: &[(Table, Vec<u8>)]) -> Vec<String> {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    for id in 1..=4 {
        attempts.init(&InitRequest::new(key(id))).unwrap();
    }
    attempts.store_result(key(1), settle(1)).unwrap();
    attempts.ack(key(1)).unwrap();
    attempts.allocate(Namespace::default(), b"external").unwrap();
    let path = world.directory.path().join("store");
    let check = || crate::maintenance::check(&path).unwrap();
    assert!(check().is_sound(), "{:?}", check().findings);
    let tamper = Tamper { puts: puts.to_vec(), deletes: deletes.to_vec() };
    attempts.store().submit_one(tamper).unwrap();
    let report = check();
    assert!(report.can_be_opened(), "{:?}", report.findings);
    let named = |finding: crate::Finding| format!("{}: {}", finding.table, finding.fault);
    report.findings.into_iter().map(named).collect()
}

#[test]
fn a_check_finds_rows_that_disagree_with_each_other() {
    let bytes = |id: u64| key(id).to_bytes().to_vec();
    let lacks = faults_after(&[], &[(Table::AttemptsPending, bytes(2))]);
    assert_eq!(lacks, ["attempts: the record is Intent and the index of pending ones lacks it"]);
    let pending = vec![State::HandedOff as u8];
    let extra = faults_after(&[(Table::AttemptsPending, bytes(1), pending.clone())], &[]);
    assert_eq!(extra, ["attempts_pending: the index lists an attempt that is not pending"]);
    let other = faults_after(&[(Table::AttemptsPending, bytes(2), pending)], &[]);
    assert!(other[0].contains("HandedOff") && other.len() == 1, "{other:?}");
    let hidden =
        faults_after(&[], &[(Table::Attempts, bytes(3)), (Table::AttemptsPending, bytes(3))]);
    assert!(hidden[0].starts_with("namespaces: ") && hidden.len() == 1, "{hidden:?}");
    let garbage = faults_after(&[(Table::Attempts, bytes(4), vec![9; 3])], &[]);
    assert!(garbage.contains(&"attempts: the record does not decode".to_owned()), "{garbage:?}");
    let mut allocated = vec![0; 16];
    allocated.push(b'x');
    let ahead =
        faults_after(&[(Table::AttemptKeys, allocated, 900u64.to_le_bytes().to_vec())], &[]);
    assert!(ahead[0].contains("id 900 was allocated") && ahead.len() == 1, "{ahead:?}");
    let cursor = (Table::EventCursors, b"gone".to_vec(), 99u64.to_le_bytes().to_vec());
    let cursor = faults_after(&[cursor], &[]);
    assert!(cursor[0].contains("acknowledged event 99") && cursor.len() == 1, "{cursor:?}");
}

#[test]
fn a_check_finds_an_acknowledged_record_that_no_queue_leads_to() {
    let mut record = record(State::Settled);
    record.key = key(9);
    record.flags = Flags(Flags::ACKED);
    let put = (Table::Attempts, record.key.to_bytes().to_vec(), record.encode().unwrap());
    let faults = faults_after(&[put], &[]);
    assert!(faults.iter().any(|fault| fault.contains("not queued")), "{faults:?}");
}

#[test]
fn a_damaged_record_is_the_only_finding_about_it() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    for id in 1..=3 {
        attempts.init(&InitRequest::new(key(id))).unwrap();
    }
    attempts.write_raw(key(2), b"garbage").unwrap();
    let path = world.directory.path().join("store");
    let findings = crate::maintenance::check(path).unwrap().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!((findings[0].table, &findings[0].key[..]), ("attempts", &key(2).to_bytes()[..]));
}
