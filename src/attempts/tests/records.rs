//! Records, and what a check makes of damaged ones; results as they are read; who is told of them.

use super::super::classify::local_failure_code;
use super::super::rules;
use super::*;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::store::batch::Rows;

/// Message and padding have at least 256 bytes together, and the padding's length is that of what follows.
#[test]
fn a_local_reason_is_long_enough_and_its_lengths_are_true() {
    let code = |message: usize, padding: usize, told: u16| {
        let mut reason = (message as u16).to_be_bytes().to_vec();
        reason.extend(std::iter::repeat_n(0x20, message));
        reason.extend_from_slice(&told.to_be_bytes());
        reason.resize(reason.len() + padding, 0);
        local_failure_code(&reason)
    };
    for (message, padding) in [(256, 0), (2, 254), (300, 0), (300, 7)] {
        assert_eq!(code(message, padding, padding as u16), Some(0x2020));
    }
    assert_eq!(code(2, 253, 253), None, "too short");
    assert_eq!(code(255, 0, 0), None, "too short");
    assert_eq!(code(2, 254, 253), None, "a byte too many");
    assert_eq!(code(300, 7, 8), None, "a byte too few");
}

#[test]
fn a_message_longer_than_any_peer_may_send_is_damage() {
    let mut attempt = record(State::Failed);
    let message = RawMessage::new(vec![1; MESSAGE_BYTES_MAX]);
    attempt.result = Some(AttemptResult { message, ..AttemptResult::local_failure(1) });
    let mut body = attempt.encode().unwrap();
    assert_eq!(Attempt::decode(attempt.key, &body).unwrap(), Some(attempt.clone()));
    let length = body.len() - MESSAGE_BYTES_MAX - 4;
    let longer = MESSAGE_BYTES_MAX as u32 + 1;
    body[length..length + 4].copy_from_slice(&longer.to_le_bytes());
    body.push(1);
    assert_eq!(Attempt::decode(attempt.key, &body).unwrap(), None);
}

#[test]
fn a_tombstone_keeps_flags_and_birth_and_nothing_of_the_payment() {
    let attempt = Attempt {
        flags: Flags(Flags::ACKED),
        created_unix_ms: 5,
        updated_unix_ms: 6,
        amount_msat: 7,
        first_hop_scid: 8,
        cltv_expiry: 9,
        fingerprint: Some(Fingerprint([1; 32])),
        payment_hash: Some(crate::types::PaymentHash([2; 32])),
        ..record(State::Settled)
    };
    let expected = Attempt {
        state: State::Deleted,
        flags: Flags(Flags::ACKED),
        created_unix_ms: 5,
        updated_unix_ms: 77,
        result: None,
        ..record(State::Intent)
    };
    assert_eq!(attempt.tombstone(77), expected);
}

#[test]
fn a_flag_that_is_set_twice_is_set() {
    let once = Flags::default().with(Flags::ACKED);
    assert_eq!(once.with(Flags::ACKED), once);
}

#[test]
fn lnds_rules_store_a_result_over_an_unreadable_record() {
    let store = |profile| {
        rules::store_result(profile, key(1), Stored::Unreadable, &settle(1), Now::default())
    };
    assert_eq!(told(store(Profile::Lnd)), Ok(State::Settled));
    assert_eq!(told(store(Profile::Strict)), Err(Status::CorruptRecord));
}

#[test]
fn a_settle_and_a_failure_are_defended_in_their_own_words() {
    let over = |state| {
        let attempt = record(state);
        let other = AttemptResult::local_failure(99);
        let refused = rules::store_result(
            Profile::Strict,
            key(1),
            Stored::Found(&attempt),
            &other,
            Now::default(),
        );
        refused.unwrap_err().message().to_owned()
    };
    assert!(over(State::Settled).contains("already settled"), "{}", over(State::Settled));
    assert!(over(State::Failed).contains("already failed"), "{}", over(State::Failed));
}

#[test]
fn a_rollback_names_its_code_or_a_temporary_node_failure() {
    let code =
        |failure_code| Rollback { failure_code, ..Rollback::default() }.result().failure_code();
    assert_eq!((code(0), code(0x400f)), (TEMPORARY_NODE_FAILURE, 0x400f));
}

#[test]
fn a_result_that_is_cancelled_before_it_is_taken_is_not_named_any_more() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let [first, second] = [0, 1].map(|_| attempts.subscribe(key(1), false).unwrap());
    attempts.store_result(key(1), settle(1)).unwrap();
    attempts.unsubscribe(first).unwrap();
    assert_eq!(attempts.ready(9), [second]);
    assert!(matches!(attempts.poll(second), Polled::Result(_)));
}

/// Payments share them with attempts: numbers are not given again while either is open, or the owner of an
/// old one would take another's result.
#[test]
fn subscriptions_end_with_their_attempts_and_keep_their_numbers() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let store = Arc::clone(attempts.store());
    let _shared = super::super::subscriptions::Subscriptions::of(&store).unwrap();
    let old = attempts.subscribe(key(1), false).unwrap();
    drop(attempts);
    let options = AttemptsOptions { subscriptions_max: 1, ..AttemptsOptions::default() };
    let attempts = Attempts::open(&store, options).unwrap();
    assert_eq!(attempts.poll(old), Polled::Closed);
    let new = attempts.subscribe(key(1), false).unwrap();
    assert!(new > old);
    assert_eq!(attempts.subscribe(key(1), false).unwrap_err().status(), Status::Busy);
}

/// Puts a row without its envelope, as a damaged page leaves it.
struct Damage(Table, Vec<u8>);

impl Command for Damage {
    fn apply(&self, batch: &mut crate::store::batch::Batch<'_>) -> Outcome {
        batch.put_row(self.0, &self.1, b"damaged")?;
        Ok(Reply::done())
    }
    fn cost(&self) -> crate::store::batch::Cost {
        crate::store::batch::Cost { rows: 1, bytes: 64 }
    }
    fn space(&self) -> crate::store::batch::Space {
        crate::store::batch::Space::Settles
    }
}

fn first_row(attempts: &Attempts, table: Table) -> Vec<u8> {
    let mut first = None;
    let read = attempts.store().read(|view| {
        view.scan(table, &[], |key, _| {
            first = Some(key.to_vec());
            false
        })
    });
    read.unwrap();
    first.unwrap()
}

#[test]
fn a_damaged_row_is_the_only_finding_about_what_it_said() {
    for table in [Table::AttemptsPending, Table::AttemptsRetained, Table::Namespaces] {
        let world = World::new(AttemptsOptions::default());
        let attempts = world.open();
        attempts.init(&InitRequest::new(key(1))).unwrap();
        attempts.store_result(key(2), settle(1)).unwrap();
        attempts.ack(key(2)).unwrap();
        let row = first_row(&attempts, table);
        attempts.store().submit_one(Damage(table, row)).unwrap();
        let report = crate::maintenance::check(world.directory.path().join("store")).unwrap();
        assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    }
}

#[test]
fn an_id_that_is_allocated_may_not_be_the_next_one() {
    let mut row = vec![0; 16];
    row.push(b'x');
    let faults = |id: u64| {
        faults_after(&[(Table::AttemptKeys, row.clone(), id.to_le_bytes().to_vec())], &[])
    };
    assert_eq!(faults(4), [] as [String; 0]);
    assert!(faults(6)[0].contains("id 6 was allocated and the next one is 6"), "{:?}", faults(6));
}

/// The row of a namespace is gone: a floor that is given again ends what it had said on the safe side.
#[test]
fn a_damaged_namespace_row_that_is_rebuilt_still_asks_for_circuits() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    attempts.init(&InitRequest::new(key(1))).unwrap();
    let row = first_row(&attempts, Table::Namespaces);
    attempts.store().submit_one(Damage(Table::Namespaces, row)).unwrap();
    attempts.acknowledge_restore(&[(Namespace::default(), 9)]).unwrap();
    assert_eq!(attempts.counts(Some(Namespace::default())).unwrap().intent, 1);
    let refused = attempts.recover(Namespace::default(), None, true).unwrap_err();
    assert_eq!(refused.status(), Status::InvalidArgument);
    let refused = attempts.init(&InitRequest::new(key(8))).unwrap_err();
    assert_eq!(refused.status(), Status::BelowFloor);
    attempts.init(&InitRequest::new(key(9))).unwrap();
}

/// Whether an external router owns the attempts is not known any more: a local open could dispatch beside it.
#[test]
fn a_damaged_mark_counts_as_a_mark() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let all = vec![0xff; 16];
    attempts.store().submit_one(Damage(Table::Namespaces, all)).unwrap();
    assert!(attempts.is_external().unwrap());
    attempts.store().close().unwrap();
    let path = world.directory.path().join("store");
    let store = Store::open(path, &StoreOptions::default()).unwrap();
    let refused = Attempts::open(&store, AttemptsOptions::default()).unwrap_err();
    assert_eq!(refused.status(), Status::ExternalMarker);
}
