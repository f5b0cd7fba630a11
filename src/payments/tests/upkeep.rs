//! Work on many payments: bulk deletion, retention by age, number and size, what is stuck.

use super::*;
use crate::attempts::AttemptResult;
use crate::store::failpoints::Fault;
use crate::types::Clock;

fn filter(statuses: Statuses) -> DeleteFilter {
    DeleteFilter {
        statuses,
        created_to_unix_ns: 0,
        failed_attempts_only: false,
        retain: Retain::Tombstone,
    }
}

fn sweep_all(node: &Node) -> u64 {
    std::iter::repeat_with(|| node.payments.sweep().unwrap()).take_while(|n| *n != 0).sum()
}

fn hashes_left(node: &Node) -> Vec<PaymentHash> {
    node.payments.query(&Query::default()).unwrap().payments.iter().map(Payment::hash).collect()
}

fn tried(node: &Node, byte: u8) -> &'static str {
    match node.payments.init(PaymentInit::new(hash(byte), 1_000)) {
        Ok(changed) => changed.reply.status.name(),
        Err(error) => error.status().name(),
    }
}

/// One payment of each status: 1 initiated, 2 in flight, 3 to be retried, 4 paid, 5 failed.
fn one_of_each(node: &Node) {
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    node.pay(2, 2);
    node.pay(3, 3);
    node.fail_attempt(3, 3).unwrap();
    node.succeed(4, 4);
    node.fail(5, 5);
}

#[test]
fn a_bulk_deletion_takes_what_was_asked_for_and_nothing_in_flight() {
    let everything = Statuses(0b11110);
    let rows: [(Statuses, &[u8], u64); 5] = [
        (Statuses::default(), &[1, 2, 3], 2),
        (Statuses::FAILED, &[1, 2, 3, 4], 1),
        (Statuses::SUCCEEDED, &[1, 2, 3, 5], 1),
        (Statuses::of(PaymentStatus::InFlight), &[1, 2, 3, 4, 5], 0),
        (everything, &[2, 3], 3),
    ];
    for (statuses, left, deleted) in rows {
        let world = World::new();
        let node = world.open();
        one_of_each(&node);
        let answer = node.payments.delete_many(&filter(statuses), None).unwrap();
        assert_eq!((answer.payments, answer.next), (deleted, None), "{statuses:?}");
        let expected: Vec<_> = left.iter().map(|byte| hash(*byte)).collect();
        assert_eq!(hashes_left(&node), expected, "{statuses:?}");
        assert_eq!(tried(&node, 4), "ALREADY_PAID", "{statuses:?}");
        assert_eq!(node.payments.counts().unwrap().doomed, 0);
        world.check_sound();
    }
}

#[test]
fn a_bulk_deletion_may_be_told_to_forget_or_to_take_failed_attempts_alone() {
    let world = World::new();
    let node = world.open();
    one_of_each(&node);
    node.payments.register(hash(3), whole(9, 1_000)).unwrap();
    node.settle(3, 9).unwrap();
    let attempts_only = DeleteFilter { failed_attempts_only: true, ..filter(Statuses(0b11110)) };
    let answer = node.payments.delete_many(&attempts_only, None).unwrap();
    assert_eq!(answer.payments, 2, "those of the failed one, and the failed one of a paid one");
    assert_eq!(hashes_left(&node).len(), 5);
    assert_eq!(node.payments.fetch(hash(3)).unwrap().attempts.len(), 1);
    assert_eq!(node.payments.fetch(hash(5)).unwrap().attempts.len(), 0);
    assert_eq!(node.payments.delete_many(&attempts_only, None).unwrap().payments, 0);
    let forget = DeleteFilter { retain: Retain::Forget, ..filter(Statuses::SUCCEEDED) };
    assert_eq!(node.payments.delete_many(&forget, None).unwrap().payments, 2);
    assert_eq!(tried(&node, 4), "DONE");
}

#[test]
fn a_bulk_deletion_goes_in_steps_and_a_crash_loses_only_the_place() {
    let world = World::new();
    let node = world.open();
    for number in 0..300u32 {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        let mut init = PaymentInit::new(PaymentHash(bytes), 1);
        init.created_unix_ns = u64::from(number) + 1;
        node.payments.init(init).unwrap();
        node.payments.fail(PaymentHash(bytes), FailureReason::Error).unwrap();
    }
    let old = DeleteFilter { created_to_unix_ns: 290, ..filter(Statuses::FAILED) };
    let first = node.payments.delete_many(&old, None).unwrap();
    assert_eq!((first.payments, first.next), (128, Some(128)));
    node.store().crash();
    let node = world.open();
    let second = node.payments.delete_many(&old, None).unwrap();
    assert_eq!((second.payments, second.next), (128, Some(256)));
    let third = node.payments.delete_many(&old, second.next).unwrap();
    assert_eq!((third.payments, third.next), (34, None));
    assert_eq!(node.payments.counts().unwrap().payments, 10);
    world.check_sound();
}

#[test]
fn a_bulk_deletion_goes_on_after_the_payment_it_is_told() {
    let world = World::new();
    let node = world.open();
    for byte in 1..=3 {
        node.fail(byte, byte.into());
    }
    let first = node.payments.fetch(hash(1)).unwrap().sequence;
    let deleted = node.payments.delete_many(&filter(Statuses::FINISHED), Some(first)).unwrap();
    assert_eq!((deleted.payments, deleted.next), (2, None));
    assert_eq!(hashes_left(&node), [hash(1)]);
}

/// Once nothing was left to purge, the next deletion has to say that there is something again.
#[test]
fn a_deletion_after_a_purge_that_found_nothing_is_purged_too() {
    let world = World::new();
    let node = world.open();
    node.fail(1, 1);
    node.fail(2, 2);
    node.payments.delete(hash(1), Retain::Forget).unwrap();
    assert_eq!(node.payments.delete_many(&filter(Statuses::SUCCEEDED), None).unwrap().payments, 0);
    node.payments.delete(hash(2), Retain::Forget).unwrap();
    assert_eq!(node.payments.counts().unwrap().doomed, 0);
}

#[test]
fn a_bulk_deletion_that_the_store_cannot_carry_out_says_so() {
    let world = World::new();
    let node = world.open();
    node.fail(1, 1);
    let filter = DeleteFilter { failed_attempts_only: true, ..filter(Statuses::FINISHED) };
    node.store().inject(Some(Fault::NoSpace));
    assert_eq!(refusal(node.payments.delete_many(&filter, None)), Status::NoSpace);
    assert_eq!(node.payments.delete_many(&filter, None).unwrap().payments, 1);
}

#[test]
fn retention_by_age_keeps_the_unfinished_the_young_and_every_paid_hash() {
    let options = PaymentsOptions { finished_retention_secs: 10, ..PaymentsOptions::default() };
    let world = World::with(StoreOptions::default(), options);
    let node = world.open();
    node.succeed(9, 9);
    node.tick(1_000);
    one_of_each(&node);
    node.tick(5_000);
    node.succeed(6, 6);
    assert_eq!(sweep_all(&node), 0);
    node.tick(11_000);
    assert_eq!(sweep_all(&node), 0, "ten seconds old, not older");
    node.tick(11_001);
    assert_eq!(sweep_all(&node), 2);
    // The first one changed before any time was known.
    let left = [9, 1, 2, 3, 6].map(hash);
    assert_eq!(hashes_left(&node), left);
    assert_eq!((tried(&node, 4), tried(&node, 5)), ("ALREADY_PAID", "DONE"));
    assert_eq!(node.payments.counts().unwrap().attempts, 4);
    world.check_sound();
}

#[test]
fn a_payment_ages_from_its_last_change() {
    let options = PaymentsOptions { finished_retention_secs: 10, ..PaymentsOptions::default() };
    let world = World::with(StoreOptions::default(), options);
    let node = world.open();
    node.tick(1_000);
    node.fail(1, 1);
    node.tick(9_000);
    assert!(node.settle(1, 1).unwrap().reply.conflict());
    node.tick(12_000);
    assert_eq!(sweep_all(&node), 0, "money moved three seconds ago");
    node.tick(19_001);
    assert_eq!(sweep_all(&node), 1);
    assert_eq!(tried(&node, 1), "ALREADY_PAID");
}

#[test]
fn retention_by_number_takes_the_oldest_finished_ones() {
    let options = PaymentsOptions { finished_max: 2, ..PaymentsOptions::default() };
    let world = World::with(StoreOptions::default(), options);
    let node = world.open();
    node.payments.init(PaymentInit::new(hash(1), 1)).unwrap();
    for byte in 2..7 {
        node.succeed(byte, byte.into());
    }
    assert_eq!(sweep_all(&node), 3);
    assert_eq!(hashes_left(&node), [1, 5, 6].map(hash));
    assert_eq!(tried(&node, 2), "ALREADY_PAID");
}

#[test]
fn retention_by_size_makes_room_and_stops() {
    let most = 1 << 20;
    let options = PaymentsOptions { history_bytes_max: most, ..PaymentsOptions::default() };
    let world = World::with(StoreOptions::default(), options);
    let node = world.open();
    let fill = |from: u32| {
        for number in from..from + 300 {
            let mut bytes = [1; 32];
            bytes[..4].copy_from_slice(&number.to_le_bytes());
            let mut init = PaymentInit::new(PaymentHash(bytes), 1);
            init.payment_request = RawMessage::new(vec![0; 6_000]);
            node.payments.init(init).unwrap();
            node.payments.fail(PaymentHash(bytes), FailureReason::Error).unwrap();
        }
    };
    fill(0);
    assert!(node.payments.history_bytes().unwrap() > most);
    let deleted = sweep_all(&node);
    let bytes = node.payments.history_bytes().unwrap();
    assert!(bytes <= most, "{bytes} bytes after {deleted} deletions");
    let left = node.payments.counts().unwrap().payments;
    assert!((1..300).contains(&left), "{left} payments are left");
    assert_eq!(sweep_all(&node), 0);
    // What is unfinished stays, whatever its size.
    node.payments.init(PaymentInit::new(hash(1), 1)).unwrap();
    fill(1_000);
    sweep_all(&node);
    assert_eq!(node.status(1), PaymentStatus::Initiated);
}

#[test]
fn tombstones_and_keys_are_forgotten_only_when_the_host_says_how_old() {
    for secs in [0, 10] {
        let options = PaymentsOptions { tombstone_retention_secs: secs, ..Default::default() };
        let world = World::with(StoreOptions::default(), options);
        let node = world.open();
        let keyed = |byte: u8| PaymentInit {
            idempotency_key: vec![byte],
            ..PaymentInit::new(hash(byte), 1_000)
        };
        node.tick(1_000);
        for byte in [1, 2, 3] {
            node.payments.init(keyed(byte)).unwrap();
            node.payments.register(hash(byte), whole(byte.into(), 1_000)).unwrap();
            node.settle(byte, byte.into()).unwrap();
        }
        node.payments.delete(hash(1), Retain::Tombstone).unwrap();
        node.tick(6_000);
        node.payments.delete(hash(2), Retain::Tombstone).unwrap();
        node.tick(11_000);
        sweep_all(&node);
        assert_eq!(tried(&node, 1), "ALREADY_PAID", "ten seconds, not more");
        node.tick(11_001);
        sweep_all(&node);
        let counts = node.payments.counts().unwrap();
        let (tombstones, keys) = if secs == 0 { (2, 3) } else { (1, 2) };
        assert_eq!((counts.tombstones, counts.idempotency_keys), (tombstones, keys));
        assert_eq!(tried(&node, 2), "ALREADY_PAID", "deleted later");
        // The key of a payment that is there protects, however old it is.
        assert_eq!(node.payments.init(keyed(3)).unwrap().reply.status, Status::AlreadyExists);
        let again = node.payments.init(keyed(1)).map(|_| Status::Done);
        let expected = if secs == 0 { Status::AlreadyPaid } else { Status::Done };
        assert_eq!(again.unwrap_or_else(|error| error.status()), expected);
        world.check_sound();
    }
}

/// The rows of hashes are looked at first; that none of them goes does not end the sweep.
#[test]
fn a_sweep_that_finds_no_old_hash_goes_on_to_the_keys() {
    let options = PaymentsOptions { tombstone_retention_secs: 10, ..Default::default() };
    let world = World::with(StoreOptions::default(), options);
    let node = world.open();
    node.tick(1_000);
    let init = PaymentInit { idempotency_key: vec![1], ..PaymentInit::new(hash(1), 1_000) };
    node.payments.init(init).unwrap();
    node.payments.register(hash(1), whole(1, 1_000)).unwrap();
    node.settle(1, 1).unwrap();
    node.payments.delete(hash(1), Retain::Tombstone).unwrap();
    node.payments.forget(hash(1)).unwrap();
    while node.payments.sweep().unwrap() != 0 {}
    assert_eq!(node.payments.counts().unwrap().idempotency_keys, 1);
    node.tick(20_000);
    while node.payments.sweep().unwrap() != 0 {}
    assert_eq!(node.payments.counts().unwrap().idempotency_keys, 0);
}

#[test]
fn quarantined_hashes_and_hashes_without_a_time_are_never_forgotten() {
    let options = PaymentsOptions { tombstone_retention_secs: 1, ..Default::default() };
    let world = World::with(StoreOptions::default(), options);
    let node = world.open();
    node.succeed(1, 1);
    node.payments.delete(hash(1), Retain::Tombstone).unwrap();
    node.tick(1_000);
    node.pay(2, 2);
    let head = 2u64.to_be_bytes();
    node.payments.write_raw(Table::Payments, &head, b"damaged").unwrap();
    node.payments.quarantine(hash(2)).unwrap();
    node.tick(1_000_000);
    sweep_all(&node);
    assert_eq!((tried(&node, 1), tried(&node, 2)), ("ALREADY_PAID", "ALREADY_PAID"));
    assert_eq!(node.payments.counts().unwrap().tombstones, 2);
}

#[test]
fn more_tombstones_than_one_step_takes_are_forgotten_step_by_step() {
    let options = PaymentsOptions { tombstone_retention_secs: 1, ..Default::default() };
    let world = World::with(StoreOptions::default(), options);
    let node = world.open();
    let row = record::HashRow::Tombstone { quarantined: false, unix_ms: 5 }.encode();
    let owner = |number: u32| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        bytes
    };
    for numbers in (0..300).collect::<Vec<_>>().chunks(100) {
        let tombstones = numbers
            .iter()
            .map(|number| (Table::PaymentHashes, owner(*number).to_vec(), Some(row.to_vec())));
        let keys = numbers.iter().map(|number| {
            let hash = PaymentHash(owner(*number));
            let row = record::KeyRow { hash, sequence: 1, unix_ms: 5 }.encode();
            (Table::PaymentKeys, number.to_be_bytes().to_vec(), Some(row.to_vec()))
        });
        node.store().submit_one(Rewrite(tombstones.chain(keys).collect())).unwrap();
    }
    node.tick(2_000);
    let mut removed = 0;
    while let some @ 1.. = node.payments.sweep().unwrap() {
        removed += some;
    }
    // A step that found nothing and is not at the end says 1.
    assert!((600..=602).contains(&removed), "each tombstone and each key counts: {removed}");
    assert_eq!(node.payments.counts().unwrap(), Counts::default());
    world.check_sound();
}

#[test]
fn an_old_head_without_a_time_bars_no_retention_of_those_after_it() {
    let options = PaymentsOptions { finished_retention_secs: 1, ..Default::default() };
    let world = World::with(StoreOptions::default(), options);
    let node = world.open();
    // As an import would leave them: finished, and no time known. More than one read visits.
    let init = PaymentInit::new(hash(1), 1);
    let details = record::encode_details(&init).unwrap();
    let many = crate::limits::SCAN_ROWS_MAX as u64 + 1;
    for sequences in (1..=many).collect::<Vec<_>>().chunks(1_000) {
        let rows = sequences.iter().flat_map(|sequence| {
            let mut payment = rules::new_payment(&init, *sequence, 0);
            let mut bytes = [2; 32];
            bytes[..8].copy_from_slice(&sequence.to_be_bytes());
            payment.init.hash = PaymentHash(bytes);
            payment.status = PaymentStatus::Failed;
            payment.failure_reason = Some(FailureReason::Error);
            let key = sequence.to_be_bytes().to_vec();
            let row = record::HashRow::Live(*sequence).encode().to_vec();
            [
                (Table::Payments, key.clone(), Some(Head::of(&payment).encode().to_vec())),
                (Table::PaymentDetails, key, Some(details.clone())),
                (Table::PaymentHashes, bytes.to_vec(), Some(row)),
            ]
        });
        node.store().submit_one(Rewrite(rows.collect())).unwrap();
    }
    node.tick(1_000);
    node.succeed(3, 3);
    node.tick(5_000);
    sweep_all(&node);
    assert_eq!(node.payments.counts().unwrap().payments, many, "the one with a time is gone");
}

#[test]
fn damaged_payments_bar_no_retention_of_those_after_them() {
    let options = PaymentsOptions { finished_max: 1, ..Default::default() };
    let world = World::with(StoreOptions::default(), options);
    let node = world.open();
    for number in 0..135u8 {
        node.fail(number, number.into());
        let details = u64::from(number + 1).to_be_bytes();
        if number < 130 {
            node.payments.write_raw(Table::PaymentDetails, &details, b"damaged").unwrap();
        }
    }
    sweep_all(&node);
    let left = node.payments.query(&Query::default()).unwrap();
    assert_eq!(left.unreadable.len(), 130, "they wait for a quarantine");
    assert!(left.payments.len() <= 1, "{} are beyond the number", left.payments.len());
}

#[test]
fn who_is_stuck_and_why() {
    let world = World::new();
    let node = world.open();
    node.tick(1_000);
    let register = |byte: u8, cltv_expiry: u32, tracked: bool| {
        let id = u64::from(byte);
        node.payments.init(PaymentInit::new(hash(byte), 1_000)).unwrap();
        let request = AttemptRequest { cltv_expiry, ..whole(id, 1_000) };
        match tracked {
            true => node.payments.register_and_init(hash(byte), request).unwrap(),
            false => node.payments.register(hash(byte), request).unwrap(),
        };
    };
    register(1, 100, false);
    register(2, 101, false);
    register(3, 0, false);
    register(4, 100, true);
    register(5, 900, true);
    node.attempts.store_result(key(5), AttemptResult::settle(preimage(5))).unwrap();
    register(6, 900, true);
    node.attempts.write_raw(key(6), b"damaged").unwrap();
    register(7, 900, true);
    node.attempts.store_result(key(7), AttemptResult::local_failure(1)).unwrap();
    node.attempts.ack(key(7)).unwrap();
    node.attempts.delete(key(7), Retain::Forget).unwrap();
    node.payments.init(PaymentInit::new(hash(8), 1_000)).unwrap();
    node.fail(9, 9);
    let look = |query: StuckQuery| {
        let (found, next) = node.payments.stuck(&query, None).unwrap();
        assert_eq!(next, None);
        found.iter().map(|stuck| (stuck.hash, stuck.attempt, stuck.reason)).collect::<Vec<_>>()
    };
    let attempt = |byte: u8, reason| (hash(byte), Some(key(byte.into())), reason);
    let lost = [
        attempt(5, StuckReason::ResultNotCollected),
        attempt(6, StuckReason::UnreadableRecord),
        attempt(7, StuckReason::NoRecord),
    ];
    assert_eq!(look(StuckQuery::default()), lost, "no height is known");
    let at = |block_height, grace_blocks| StuckQuery {
        block_height,
        grace_blocks,
        ..Default::default()
    };
    assert_eq!(look(at(100, 0)), lost);
    let expired = [attempt(1, StuckReason::PastExpiry), attempt(4, StuckReason::PastExpiry)];
    assert_eq!(look(at(101, 0)), [&expired[..], &lost].concat());
    assert_eq!(look(at(111, 11)), lost);
    node.store().tick(Clock { unix_ms: 2_000, block_height: 101 }).unwrap();
    assert_eq!(look(StuckQuery::default()), [&expired[..], &lost].concat(), "the store's height");
    let untouched = |untouched_since_unix_ms| StuckQuery {
        block_height: 1,
        untouched_since_unix_ms,
        ..Default::default()
    };
    assert_eq!(look(untouched(1_000)), lost);
    let abandoned = (hash(8), None, StuckReason::Abandoned);
    assert_eq!(look(untouched(1_001)), [&lost[..], &[abandoned]].concat());
}

#[test]
fn what_is_stuck_is_told_page_by_page() {
    let world = World::new();
    let node = world.open();
    node.tick(1);
    for number in 0..300u32 {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        node.payments.init(PaymentInit::new(PaymentHash(bytes), 1)).unwrap();
    }
    let query = StuckQuery { untouched_since_unix_ms: 2, ..StuckQuery::default() };
    let (first, next) = node.payments.stuck(&query, None).unwrap();
    assert_eq!((first.len(), next), (256, Some(256)));
    let (rest, next) = node.payments.stuck(&query, next).unwrap();
    assert_eq!((rest.len(), next), (44, None));
    assert_eq!(rest[0].sequence, 257);
}

#[test]
fn pages_go_both_ways_and_say_where_to_go_on() {
    let world = World::new();
    let node = world.open();
    for byte in 1..=9 {
        match byte % 3 {
            0 => node.succeed(byte, byte.into()),
            1 => node.fail(byte, byte.into()),
            _ => node.pay(byte, byte.into()),
        }
    }
    let walk = |query: Query| {
        let (mut query, mut pages) = (query, Vec::new());
        loop {
            let page = node.payments.query(&query).unwrap();
            pages.push(page.payments.iter().map(|payment| payment.sequence).collect::<Vec<_>>());
            match page.next {
                Some(next) => query.offset = Some(next),
                None => return pages,
            }
        }
    };
    let of = |limit, reversed, statuses| Query { limit, reversed, statuses, ..Query::default() };
    let all = Statuses::default();
    assert_eq!(walk(of(4, false, all)), [vec![1, 2, 3, 4], vec![5, 6, 7, 8], vec![9]]);
    assert_eq!(walk(of(4, true, all)), [vec![6, 7, 8, 9], vec![2, 3, 4, 5], vec![1]]);
    assert_eq!(walk(of(2, false, Statuses::SUCCEEDED)).concat(), [3, 6, 9]);
    assert_eq!(walk(of(2, true, Statuses::UNFINISHED)).concat(), [5, 8, 2]);
    let from = |offset, reversed| Query { offset: Some(offset), reversed, ..Query::default() };
    assert_eq!(walk(from(7, false)), [vec![8, 9]]);
    assert_eq!(walk(from(3, true)), [vec![1, 2]]);
    assert_eq!(walk(from(1, true)), [vec![]]);
    assert_eq!(walk(from(u64::MAX, false)), [vec![]]);
    assert_eq!(walk(from(u64::MAX, true)).concat().len(), 9);
}

#[test]
fn pages_are_bounded_in_time_on_both_sides() {
    let world = World::new();
    let node = world.open();
    for (byte, created_unix_ns) in [(1, 1_000), (2, 2_000), (3, 3_000)] {
        let init = PaymentInit { created_unix_ns, ..PaymentInit::new(hash(byte), 1_000) };
        node.payments.init(init).unwrap();
    }
    let found = |created_from_unix_ns, created_to_unix_ns| {
        let query = Query { created_from_unix_ns, created_to_unix_ns, ..Query::default() };
        let page = node.payments.query(&query).unwrap();
        page.payments.iter().map(|payment| payment.sequence).collect::<Vec<_>>()
    };
    assert_eq!(found(0, 0), [1, 2, 3]);
    assert_eq!(found(2_000, 0), [2, 3]);
    assert_eq!(found(2_001, 0), [3]);
    assert_eq!(found(0, 2_000), [1, 2]);
    assert_eq!(found(0, 1_999), [1]);
    assert_eq!(found(2_000, 2_000), [2]);
}

#[test]
fn a_start_reads_the_unfinished_alone() {
    let world = World::new();
    let node = world.open();
    for byte in 0..60 {
        node.succeed(byte, byte.into());
    }
    node.pay(99, 99);
    // A damaged head in the history would be told if it were looked at.
    node.payments.write_raw(Table::Payments, &5u64.to_be_bytes(), b"damaged").unwrap();
    let page = node.payments.unfinished().unwrap();
    assert_eq!((page.payments.len(), page.unreadable), (1, vec![]));
    assert_eq!(page.payments[0].hash(), hash(99));
}

/// With the reserve of a full disk a node may end what it began, and nothing else.
#[test]
fn only_what_is_new_grows_and_only_bulk_work_waits_for_others() {
    use crate::store::batch::Lane;
    let world = World::new();
    let node = world.open();
    let strict = Strictness::default();
    let operations = [
        (Operation::Init(PaymentInit::new(hash(1), 1)), Space::Grows, Lane::Urgent),
        (Operation::Register(hash(1), whole(1, 1), false), Space::Grows, Lane::Urgent),
        (Operation::Settle(hash(1), key(1), settled(1), strict), Space::Settles, Lane::Urgent),
        (Operation::FailAttempt(hash(1), key(1), failure(), strict), Space::Settles, Lane::Urgent),
        (Operation::Fail(hash(1), FailureReason::NoRoute), Space::Settles, Lane::Urgent),
        (Operation::Delete(hash(1), Retain::Forget), Space::Settles, Lane::Urgent),
        (Operation::DeleteFailedAttempts(hash(1)), Space::Settles, Lane::Bulk),
        (Operation::Forget(hash(1)), Space::Settles, Lane::Urgent),
        (Operation::Quarantine(hash(1), None), Space::Settles, Lane::Urgent),
    ];
    for (operation, space, lane) in operations {
        let told = format!("{operation:?}");
        let command = node.payments.command_of(operation).unwrap();
        assert!(command.space() == space && command.lane() == lane, "{told}");
    }
}

/// Between being listed and being deleted a payment may make way for a later one of its hash.
#[test]
fn a_step_of_a_bulk_deletion_takes_the_payment_that_was_listed_and_no_later_one() {
    let world = World::new();
    let node = world.open();
    node.fail(1, 1);
    let sequence = node.payments.fetch(hash(1)).unwrap().sequence;
    let deleted = |sequence, statuses| {
        let step = super::super::commands::DeleteStep {
            payments: vec![(hash(1), sequence)],
            statuses,
            retain: Retain::Tombstone,
            common: Arc::clone(&node.payments.shared.common),
            profile: node.payments.profile,
            deleted: Default::default(),
        };
        node.store().submit_one(step).unwrap().value
    };
    assert_eq!(deleted(sequence + 1, Statuses::FINISHED), 0);
    assert_eq!(deleted(sequence, Statuses::SUCCEEDED), 0);
    assert_eq!(deleted(sequence, Statuses::FINISHED), 1);
}
