//! Damaged rows: one payment that cannot be read is told, stops no other, and is quarantined for good.

use super::super::record::*;
use super::super::resume::{AttemptStoreOnly, ResumeOptions, ResumeOutcome};
use super::*;
use crate::events::{EventKind, Events, Start};

/// Sequence number of the payment that is damaged: hash 1, attempts 1 (in flight) and 2 (failed).
const DAMAGED: u64 = 1;

/// Beside the one to be damaged: hash 2 in flight with attempt 5, hash 3 paid.
fn node_of(world: &World) -> Node {
    let node = world.open();
    let init = PaymentInit { idempotency_key: b"key".to_vec(), ..PaymentInit::new(hash(1), 1_000) };
    node.payments.init(init).unwrap();
    for id in [1, 2] {
        node.payments.register(hash(1), part(id, 100, 1_000)).unwrap();
    }
    node.fail_attempt(1, 2).unwrap();
    node.pay(2, 5);
    node.succeed(3, 6);
    node
}

type Damage = (&'static str, fn(&Node));

fn row(id: u64) -> [u8; 32] {
    attempt_row_key(DAMAGED, key(id))
}

fn garble(node: &Node, table: Table, key: &[u8]) {
    node.payments.write_raw(table, key, b"garbage").unwrap();
}

/// A row whose checksum holds and that means nothing.
fn nonsense(node: &Node, table: Table, key: &[u8]) {
    node.store().submit_one(Rewrite::put(table, key, b"nonsense")).unwrap();
}

fn remove(node: &Node, table: Table, key: &[u8]) {
    node.store().submit_one(Rewrite::remove(table, key)).unwrap();
}

fn change_head(node: &Node, change: fn(&mut Head)) {
    let mut head = Head::of(&node.payments.fetch(hash(1)).unwrap());
    change(&mut head);
    let row = Rewrite::put(Table::Payments, &DAMAGED.to_be_bytes(), &head.encode());
    node.store().submit_one(row).unwrap();
}

/// Everything that can be wrong with the rows of one payment, but the row of its hash.
const DAMAGES: [Damage; 16] = [
    ("head garbled", |node| garble(node, Table::Payments, &DAMAGED.to_be_bytes())),
    ("head of nonsense", |node| nonsense(node, Table::Payments, &DAMAGED.to_be_bytes())),
    ("head gone", |node| remove(node, Table::Payments, &DAMAGED.to_be_bytes())),
    ("head in another status", |node| {
        change_head(node, |head| head.status = PaymentStatus::Succeeded);
    }),
    ("head with more in flight", |node| change_head(node, |head| head.attempts[0] += 1)),
    ("head with fewer failed", |node| change_head(node, |head| head.attempts[2] -= 1)),
    ("head with none", |node| change_head(node, |head| head.attempts = [0; 3])),
    ("details garbled", |node| garble(node, Table::PaymentDetails, &DAMAGED.to_be_bytes())),
    ("details of nonsense", |node| nonsense(node, Table::PaymentDetails, &DAMAGED.to_be_bytes())),
    ("details gone", |node| remove(node, Table::PaymentDetails, &DAMAGED.to_be_bytes())),
    ("attempt garbled", |node| garble(node, Table::PaymentAttempts, &row(1))),
    ("attempt of nonsense", |node| nonsense(node, Table::PaymentAttempts, &row(2))),
    ("attempt gone", |node| remove(node, Table::PaymentAttempts, &row(2))),
    ("outcome garbled", |node| garble(node, Table::PaymentOutcomes, &row(2))),
    ("outcome gone", |node| remove(node, Table::PaymentOutcomes, &row(2))),
    ("outcome of no attempt", |node| {
        let failed = node.payments.fetch(hash(1)).unwrap().attempts[1].clone();
        let rows = vec![
            (Table::PaymentOutcomes, row(2).to_vec(), None),
            (Table::PaymentOutcomes, row(3).to_vec(), encode_outcome(&failed).unwrap()),
        ];
        node.store().submit_one(Rewrite(rows)).unwrap();
    }),
];

/// The damaged payment answers nothing but CORRUPT_RECORD.
fn assert_unreadable(node: &Node, what: &str) {
    let calls = [
        node.payments.fetch(hash(1)).map(drop),
        node.payments.init(PaymentInit::new(hash(1), 1_000)).map(drop),
        node.payments.register(hash(1), part(9, 1, 1_000)).map(drop),
        node.payments.register_and_init(hash(1), part(9, 1, 1_000)).map(drop),
        node.settle(1, 1).map(drop),
        node.fail_attempt(1, 1).map(drop),
        node.payments.force_fail(hash(1), key(1), failure(), b"x").map(drop),
        node.payments.fail(hash(1), FailureReason::Error).map(drop),
        node.payments.delete(hash(1), Retain::Forget).map(drop),
        node.payments.delete_failed_attempts(hash(1)).map(drop),
        node.payments.subscribe(hash(1)).map(drop),
    ];
    for (place, call) in calls.into_iter().enumerate() {
        assert_eq!(refusal(call), Status::CorruptRecord, "{what}: call {place}");
    }
    assert_eq!(refusal(node.payments.forget(hash(1))), Status::EntriesExist, "{what}");
    let keyed =
        PaymentInit { idempotency_key: b"key".to_vec(), ..PaymentInit::new(hash(1), 1_000) };
    assert_eq!(refusal(node.payments.init(keyed)), Status::CorruptRecord, "{what}");
}

#[test]
fn one_damaged_payment_is_told_and_stops_no_other() {
    for (what, damage) in DAMAGES {
        let world = World::new();
        let node = node_of(&world);
        damage(&node);
        assert_unreadable(&node, what);
        let unfinished = node.payments.unfinished().unwrap();
        let others: Vec<_> = unfinished.payments.iter().map(Payment::hash).collect();
        assert_eq!(others, [hash(2)], "{what}");
        let bad: Vec<_> = unfinished.unreadable.iter().map(|(sequence, _)| *sequence).collect();
        assert!(bad == [DAMAGED] || what == "head in another status", "{what}: {bad:?}");
        assert!(node.payments.stuck(&StuckQuery::default(), None).is_ok(), "{what}");
        assert!(node.payments.subscribe_all().is_ok(), "{what}");
        let all = DeleteFilter {
            statuses: Statuses(0b11110),
            created_to_unix_ns: 0,
            failed_attempts_only: true,
            retain: Retain::Tombstone,
        };
        assert_eq!(node.payments.delete_many(&all, None).unwrap().payments, 0, "{what}");
        node.settle(2, 5).unwrap();
        node.store().crash();
        let node = world.open();
        assert_unreadable(&node, what);
        assert_eq!(node.status(2), PaymentStatus::Succeeded, "{what}");
        node.pay(4, 7);
    }
}

#[test]
fn a_resume_tells_the_damaged_payment_and_finishes_the_others() {
    for (what, damage) in DAMAGES {
        let world = World::new();
        let node = node_of(&world);
        node.payments.init(PaymentInit::new(hash(7), 1)).unwrap();
        damage(&node);
        let resume = node.payments.resume(&AttemptStoreOnly, ResumeOptions::default()).unwrap();
        let of = |sequence| {
            let found = resume.payments.iter().find(|payment| payment.sequence == sequence);
            found.map(|payment| payment.outcome)
        };
        let unreadable = Some(ResumeOutcome::Unreadable);
        assert!(of(DAMAGED) == unreadable || what == "head in another status", "{what}");
        assert_eq!(of(2), Some(ResumeOutcome::Waiting), "{what}");
        assert_eq!(of(4), Some(ResumeOutcome::Done), "{what}");
        assert_eq!(node.status(7), PaymentStatus::Failed, "{what}");
    }
}

#[test]
fn quarantine_removes_what_cannot_be_read_and_burns_its_hash() {
    for (what, damage) in DAMAGES {
        let world = World::new();
        let node = node_of(&world);
        let events = Events::open(node.store(), b"e", Start::Newest).unwrap();
        damage(&node);
        let reply = node.payments.quarantine(hash(1)).unwrap();
        assert_eq!(reply.status, Status::Done, "{what}");
        let told = events.take(9).unwrap();
        assert_eq!(told.len(), 1, "{what}");
        assert_eq!((told[0].kind, told[0].subject), (EventKind::PaymentCorrupt, hash(1).0));
        assert_eq!(reply.event_sequence, told[0].sequence);
        assert_eq!(refusal(node.payments.fetch(hash(1))), Status::PaymentNotInitiated, "{what}");
        let again = node.payments.init(PaymentInit::new(hash(1), 1_000));
        assert_eq!(refusal(again), Status::AlreadyPaid, "{what}: nobody knows whether it was paid");
        assert_eq!(node.payments.quarantine(hash(1)).unwrap().status, Status::Already, "{what}");
        assert_eq!(node.payments.unfinished().unwrap().unreadable, [], "{what}");
        while node.payments.sweep().unwrap() != 0 {}
        let counts = node.payments.counts().unwrap();
        assert_eq!((counts.unfinished, counts.tombstones, counts.doomed), (1, 1, 0), "{what}");
        node.settle(2, 5).unwrap();
        node.payments.delete(hash(2), Retain::Forget).unwrap();
        node.pay(2, 1);
        world.check_sound();
    }
}

/// A host that never sweeps: what a quarantine leaves goes with it, like what a deletion leaves.
#[test]
fn attempts_of_a_quarantined_payment_are_removed_without_a_sweep() {
    let world = World::new();
    let node = world.open();
    node.succeed(1, 1);
    node.payments.delete(hash(1), Retain::Forget).unwrap();
    assert_eq!(node.payments.counts().unwrap().doomed, 0);
    node.pay(2, 2);
    garble(&node, Table::Payments, &2u64.to_be_bytes());
    node.payments.quarantine(hash(2)).unwrap();
    assert_eq!(node.payments.counts().unwrap().doomed, 0);
}

#[test]
fn a_readable_payment_is_not_quarantined() {
    let world = World::new();
    let node = node_of(&world);
    let refused = node.payments.quarantine(hash(1)).unwrap_err();
    assert_eq!(refused.status(), Status::Conflict);
    let hex: String = hash(1).0.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(refused.message().contains(&hex), "{refused}");
    assert_eq!(refusal(node.payments.quarantine(hash(9))), Status::PaymentNotInitiated);
    node.payments.delete(hash(3), Retain::Tombstone).unwrap();
    assert_eq!(node.payments.quarantine(hash(3)).unwrap().status, Status::Already);
}

#[test]
fn a_damaged_row_of_a_hash_is_mended_when_its_payment_is_whole() {
    for damage in [garble, nonsense] {
        let world = World::new();
        let node = node_of(&world);
        let before = node.payments.fetch(hash(1)).unwrap();
        damage(&node, Table::PaymentHashes, &hash(1).0);
        assert_unreadable(&node, "row of the hash");
        let resume = node.payments.resume(&AttemptStoreOnly, ResumeOptions::default()).unwrap();
        assert_eq!(resume.payments[0].outcome, ResumeOutcome::Unreadable);
        assert_eq!(resume.payments[1].outcome, ResumeOutcome::Waiting);
        let reply = node.payments.quarantine(hash(1)).unwrap();
        assert_eq!((reply.status, reply.value), (Status::Done, DAMAGED));
        assert_eq!(node.payments.fetch(hash(1)).unwrap(), before);
        node.settle(1, 1).unwrap();
        world.check_sound();
    }
}

#[test]
fn a_damaged_row_of_a_hash_is_burned_when_its_payment_is_gone_or_damaged_too() {
    let world = World::new();
    let node = node_of(&world);
    garble(&node, Table::PaymentDetails, &DAMAGED.to_be_bytes());
    garble(&node, Table::PaymentHashes, &hash(1).0);
    let reply = node.payments.quarantine(hash(1)).unwrap();
    assert_eq!((reply.status, reply.value), (Status::Done, 0));
    node.payments.delete(hash(3), Retain::Tombstone).unwrap();
    garble(&node, Table::PaymentHashes, &hash(3).0);
    let init = |byte| refusal(node.payments.init(PaymentInit::new(hash(byte), 1)));
    assert_eq!(init(3), Status::CorruptRecord, "it may have said that it was paid");
    node.payments.quarantine(hash(3)).unwrap();
    assert_eq!((init(1), init(3)), (Status::AlreadyPaid, Status::AlreadyPaid));
    assert_eq!(node.payments.unfinished().unwrap().unreadable, []);
    world.check_sound();
}

#[test]
fn a_row_of_a_hash_that_leads_astray_takes_no_other_payment_with_it() {
    let world = World::new();
    let node = node_of(&world);
    let before = node.payments.fetch(hash(2)).unwrap();
    let astray = HashRow::Live(before.sequence).encode();
    let rewrite = Rewrite::put(Table::PaymentHashes, &hash(1).0, &astray);
    node.store().submit_one(rewrite).unwrap();
    assert_unreadable(&node, "row of another payment");
    node.payments.quarantine(hash(1)).unwrap();
    assert_eq!(node.payments.fetch(hash(2)).unwrap(), before);
    assert_eq!(refusal(node.payments.init(PaymentInit::new(hash(1), 1))), Status::AlreadyPaid);
    node.settle(2, 5).unwrap();
}

#[test]
fn a_payment_that_its_hash_does_not_lead_to_stops_no_resume() {
    let damages: [fn(&Node); 2] = [
        |node| remove(node, Table::PaymentHashes, &hash(1).0),
        |node| change_head(node, |head| head.hash = hash(9)),
    ];
    for damage in damages {
        let world = World::new();
        let node = node_of(&world);
        node.payments.init(PaymentInit::new(hash(8), 1)).unwrap();
        damage(&node);
        let resume = node.payments.resume(&AttemptStoreOnly, ResumeOptions::default()).unwrap();
        let outcomes: Vec<_> = resume.payments.iter().map(|payment| payment.outcome).collect();
        assert_eq!(outcomes[1..], [ResumeOutcome::Waiting, ResumeOutcome::Done]);
        assert_eq!(node.status(8), PaymentStatus::Failed, "the one after it");
    }
}

#[test]
fn damaged_rows_of_indexes_lose_no_payment() {
    let world = World::new();
    let node = node_of(&world);
    garble(&node, Table::PaymentsUnfinished, &DAMAGED.to_be_bytes());
    garble(&node, Table::PaymentAttemptIds, &id_row_key(DAMAGED, key(1)));
    garble(&node, Table::PaymentKeys, b"key");
    assert_eq!(node.payments.unfinished().unwrap().payments.len(), 2);
    node.payments.init(PaymentInit::new(hash(7), 1_000)).unwrap();
    let taken = node.payments.register(hash(7), whole(1, 1_000));
    assert_eq!(refusal(taken), Status::AttemptIdExists);
    let keyed = PaymentInit { idempotency_key: b"key".to_vec(), ..PaymentInit::new(hash(8), 1) };
    assert_eq!(refusal(node.payments.init(keyed.clone())), Status::CorruptRecord, "whose was it?");
    nonsense(&node, Table::PaymentKeys, b"key");
    assert_eq!(refusal(node.payments.init(keyed)), Status::CorruptRecord, "whose was it?");
    node.settle(1, 1).unwrap();
    node.payments.delete(hash(1), Retain::Forget).unwrap();
    assert_eq!(node.payments.counts().unwrap().unfinished, 2);
    node.payments.register(hash(7), whole(1, 1_000)).unwrap();
    world.check_sound();
}

#[test]
fn a_damaged_row_of_a_deleted_payment_is_purged_all_the_same() {
    let world = World::new();
    let node = world.open();
    node.fail(1, 1);
    let operation = Operation::Delete(hash(1), Retain::Tombstone);
    let command = node.payments.command(operation).unwrap();
    node.store().submit(vec![command], Grouping::Independent).unwrap();
    garble(&node, Table::PaymentsDoomed, &1u64.to_be_bytes());
    garble(&node, Table::PaymentAttempts, &row(1));
    garble(&node, Table::PaymentOutcomes, &row(1));
    garble(&node, Table::PaymentAttemptIds, &id_row_key(1, key(1)));
    assert_eq!(node.payments.sweep().unwrap(), 1);
    assert_eq!(node.payments.counts().unwrap(), Counts::default());
    world.check_sound();
}

#[test]
fn a_damaged_head_keeps_the_ids_of_its_attempts_taken() {
    let world = World::new();
    let node = node_of(&world);
    garble(&node, Table::Payments, &DAMAGED.to_be_bytes());
    node.payments.init(PaymentInit::new(hash(7), 1_000)).unwrap();
    let taken = node.payments.register(hash(7), whole(1, 1_000));
    assert_eq!(refusal(taken), Status::AttemptIdExists, "its HTLC may be out");
}

#[test]
fn pages_tell_the_damaged_payments_they_pass() {
    let world = World::new();
    let node = node_of(&world);
    garble(&node, Table::PaymentDetails, &DAMAGED.to_be_bytes());
    garble(&node, Table::Payments, &3u64.to_be_bytes());
    for reversed in [false, true] {
        let page = node.payments.query(&Query { reversed, ..Query::default() }).unwrap();
        assert_eq!(page.unreadable, [(DAMAGED, Some(hash(1))), (3, None)]);
        assert_eq!(page.payments.len(), 1);
    }
    let outlines = Query { without_attempts: true, ..Query::default() };
    assert_eq!(node.payments.query(&outlines).unwrap().unreadable.len(), 2);
}
