//! Payments over their whole life in a store: repeats, restarts, deletion, a full disk, an unknown commit.

use super::*;
use crate::store::failpoints::Fault;

fn keyed(key: &[u8], byte: u8, amount_msat: u64) -> PaymentInit {
    PaymentInit { idempotency_key: key.to_vec(), ..PaymentInit::new(hash(byte), amount_msat) }
}

#[test]
fn a_payment_of_parts_from_beginning_to_end_over_restarts() {
    let world = World::new();
    let node = world.open();
    let events =
        crate::events::Events::open(node.store(), b"e", crate::events::Start::Oldest).unwrap();
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    node.payments.register(hash(1), part(1, 400, 1_000)).unwrap();
    let two = node.payments.register(hash(1), part(2, 600, 1_000)).unwrap();
    assert_eq!((two.payment.status, two.payment.revision), (PaymentStatus::InFlight, 3));
    assert_eq!(two.payment.state().remaining_msat, 0);
    node.store().crash();
    let node = world.open();
    assert_eq!(node.payments.fetch(hash(1)).unwrap(), *two.payment);
    node.settle(1, 1).unwrap();
    let refused = node.payments.register(hash(1), part(3, 1, 1_000));
    assert_eq!(refusal(refused), Status::PaymentPendingSettled);
    node.fail_attempt(1, 2).unwrap();
    assert_eq!(node.status(1), PaymentStatus::Succeeded);
    node.store().close().unwrap();
    let node = world.open();
    assert_eq!(node.status(1), PaymentStatus::Succeeded);
    assert_eq!(node.payments.unfinished().unwrap().payments, []);
    drop(events);
    let events =
        crate::events::Events::open(node.store(), b"e", crate::events::Start::Newest).unwrap();
    let ends: Vec<_> = events.take(99).unwrap().iter().map(|event| event.flags).collect();
    assert_eq!(ends, [0, 0, 0, 0, crate::events::Event::TERMINAL]);
    world.check_sound();
}

#[test]
fn a_late_settle_is_an_event_of_its_own_and_no_second_end() {
    use crate::events::{Event, EventKind, Events, Start};
    let world = World::new();
    let node = world.open();
    let events = Events::open(node.store(), b"e", Start::Oldest).unwrap();
    node.fail(1, 1);
    let late = node.settle(1, 1).unwrap();
    node.payments.delete(hash(1), Retain::Tombstone).unwrap();
    let told = events.take(99).unwrap();
    let flags: Vec<_> = told.iter().map(|event| event.flags).collect();
    assert_eq!(flags, [0, 0, 0, Event::TERMINAL, Event::LATE_SETTLE, Event::LATE_SETTLE]);
    let event = told[4];
    assert_eq!(
        (event.kind, event.sequence),
        (EventKind::PaymentLateSettle, late.reply.event_sequence)
    );
    assert_eq!(
        (event.state, event.attempt_state),
        (PaymentStatus::Succeeded as u8, AttemptState::Settled as u8)
    );
    assert_eq!((event.subject, event.attempt_id, event.amount_msat), (hash(1).0, 1, 1_000));
    assert_eq!(event.failure_reason, FailureReason::NoRoute as u8);
    assert_eq!((event.remaining_msat, event.fees_msat), (0, 1));
    assert_eq!((told[5].kind, told[5].state), (EventKind::PaymentDeleted, told[4].state));
}

#[test]
fn the_same_request_again_is_answered_with_the_first_ones_state() {
    let world = World::new();
    let node = world.open();
    let request = keyed(b"order 7", 1, 1_000);
    let first = node.payments.init(request.clone()).unwrap();
    assert!(first.reply.changed());
    let again = || {
        let again = node.payments.init(request.clone()).unwrap();
        assert_eq!(again.reply.status, Status::AlreadyExists);
        again.payment.status
    };
    assert_eq!(again(), PaymentStatus::Initiated);
    let other_hash = keyed(b"order 7", 2, 1_000);
    assert_eq!(refusal(node.payments.init(other_hash)), Status::FingerprintMismatch);
    let other_amount = keyed(b"order 7", 1, 999);
    assert_eq!(refusal(node.payments.init(other_amount)), Status::FingerprintMismatch);
    let other_key = keyed(b"order 8", 1, 1_000);
    assert_eq!(refusal(node.payments.init(other_key)), Status::PaymentExists);
    node.payments.register(hash(1), whole(1, 1_000)).unwrap();
    assert_eq!(again(), PaymentStatus::InFlight);
    node.settle(1, 1).unwrap();
    assert_eq!(again(), PaymentStatus::Succeeded);
    let counts = node.payments.counts().unwrap();
    assert_eq!((counts.payments, counts.idempotency_keys), (1, 1));
}

#[test]
fn a_request_whose_payment_is_history_is_never_paid_again_by_its_key() {
    let world = World::new();
    let node = world.open();
    let init = |request: &PaymentInit| node.payments.init(request.clone());
    let (failed, paid, dropped) = (keyed(b"f", 1, 1_000), keyed(b"p", 2, 1_000), keyed(b"d", 3, 1));
    init(&failed).unwrap();
    node.payments.fail(hash(1), FailureReason::Timeout).unwrap();
    assert_eq!(init(&failed).unwrap().payment.status, PaymentStatus::Failed, "nothing starts over");
    init(&keyed(b"f2", 1, 1_000)).unwrap();
    assert_eq!(refusal(init(&failed)), Status::PaymentAlreadyFailed);
    init(&paid).unwrap();
    node.payments.register(hash(2), whole(1, 1_000)).unwrap();
    node.settle(2, 1).unwrap();
    node.payments.delete(hash(2), Retain::Tombstone).unwrap();
    assert_eq!(refusal(init(&paid)), Status::AlreadyPaid);
    node.payments.forget(hash(2)).unwrap();
    assert_eq!(refusal(init(&paid)), Status::Deleted, "the key outlives the tombstone");
    init(&dropped).unwrap();
    node.payments.delete(hash(3), Retain::Tombstone).unwrap();
    assert_eq!(refusal(init(&dropped)), Status::Deleted);
    init(&keyed(b"d2", 3, 1)).unwrap();
    node.payments.delete(hash(3), Retain::Forget).unwrap();
    init(&keyed(b"d2", 4, 1)).unwrap();
}

#[test]
fn a_paid_hash_stays_refused_until_it_is_forgotten_on_purpose() {
    let world = World::new();
    let node = world.open();
    let init = |node: &Node| node.payments.init(PaymentInit::new(hash(1), 1_000));
    node.succeed(1, 1);
    assert_eq!(refusal(init(&node)), Status::AlreadyPaid);
    node.payments.delete(hash(1), Retain::Tombstone).unwrap();
    assert_eq!(refusal(init(&node)), Status::AlreadyPaid);
    let gone = node.payments.register(hash(1), whole(2, 1_000));
    assert_eq!(refusal(gone), Status::PaymentNotInitiated);
    assert_eq!(refusal(node.payments.delete(hash(1), Retain::Forget)), Status::PaymentNotInitiated);
    node.store().crash();
    let node = world.open();
    assert_eq!(refusal(init(&node)), Status::AlreadyPaid);
    assert_eq!(node.payments.forget(hash(1)).unwrap().status, Status::Done);
    assert_eq!(node.payments.forget(hash(1)).unwrap().status, Status::Already);
    assert!(init(&node).unwrap().reply.changed());
    assert_eq!(refusal(node.payments.forget(hash(1))), Status::EntriesExist);
}

#[test]
fn deleting_follows_the_status() {
    let world = World::new();
    let node = world.open();
    node.pay(1, 1);
    assert_eq!(refusal(node.payments.delete(hash(1), Retain::Forget)), Status::PaymentInFlight);
    assert_eq!(refusal(node.payments.delete_failed_attempts(hash(1))), Status::PaymentInFlight);
    node.fail_attempt(1, 1).unwrap();
    let retryable = node.payments.delete(hash(1), Retain::Forget);
    assert_eq!(refusal(retryable), Status::PaymentInFlight, "another attempt may be made");
    node.payments.fail(hash(1), FailureReason::Error).unwrap();
    node.payments.delete(hash(1), Retain::Tombstone).unwrap();
    assert_eq!(node.payments.counts().unwrap(), Counts::default());
    node.pay(1, 1);
    world.check_sound();
}

#[test]
fn a_failed_payment_starts_over_without_its_attempts_also_through_a_crash() {
    let world = World::new();
    let node = world.open();
    node.fail(1, 1);
    let second = node.payments.init(PaymentInit::new(hash(1), 2_000)).unwrap().payment;
    assert_eq!((second.sequence, second.revision, second.attempts.len()), (2, 1, 0));
    assert_eq!(node.payments.counts().unwrap().attempts, 0, "what it left was purged");
    node.payments.fail(hash(1), FailureReason::Error).unwrap();
    // The rows of a life that ended stay when the commit was the last thing that happened.
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    node.payments.register(hash(1), whole(1, 1_000)).unwrap();
    node.payments.fail(hash(1), FailureReason::Error).unwrap();
    node.fail_attempt(1, 1).unwrap();
    node.store().inject(Some(Fault::CommitFailsAfter));
    assert_eq!(refusal(node.payments.init(PaymentInit::new(hash(1), 3_000))), Status::Unknown);
    node.store().crash();
    world.check_sound();
    let node = world.open();
    let third = node.payments.init(PaymentInit::new(hash(1), 3_000)).unwrap();
    assert_eq!(third.reply.status, Status::AlreadyExists, "the same request after UNKNOWN");
    assert_eq!(third.payment.attempts, []);
    let counts = node.payments.counts().unwrap();
    assert_eq!((counts.doomed, counts.attempts), (1, 1));
    // An id of the ended life is free, although its row is still there.
    node.payments.register(hash(1), whole(1, 3_000)).unwrap();
    while node.payments.sweep().unwrap() != 0 {}
    let counts = node.payments.counts().unwrap();
    assert_eq!((counts.doomed, counts.attempts), (0, 1));
    assert_eq!(node.payments.fetch(hash(1)).unwrap().attempts.len(), 1);
    world.check_sound();
}

#[test]
fn a_sequence_number_is_never_given_twice() {
    let world = World::new();
    let node = world.open();
    for _ in 0..3 {
        node.payments.init(PaymentInit::new(hash(1), 1)).unwrap();
        node.payments.delete(hash(1), Retain::Forget).unwrap();
    }
    node.store().close().unwrap();
    let node = world.open();
    let next = node.payments.init(PaymentInit::new(hash(1), 1)).unwrap().payment;
    assert_eq!(next.sequence, 4, "attempts left by an earlier payment would be taken for its own");
}

#[test]
fn three_hundred_failed_attempts_are_pruned_in_steps() {
    let world = World::new();
    let node = world.open();
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    for id in 0..300 {
        node.payments.register(hash(1), part(id, 10, 1_000)).unwrap();
        node.fail_attempt(1, id).unwrap();
    }
    node.payments.register(hash(1), part(300, 1_000, 1_000)).unwrap();
    node.settle(1, 300).unwrap();
    let commits = || node.store().stats().unwrap().commits;
    let before = commits();
    let reply = node.payments.delete_failed_attempts(hash(1)).unwrap();
    assert_eq!((reply.status, reply.value), (Status::Done, 0));
    assert_eq!(commits() - before, 300u64.div_ceil(commands::PRUNE_ATTEMPTS as u64));
    let payment = node.payments.fetch(hash(1)).unwrap();
    assert_eq!(payment.attempts.len(), 1);
    assert_eq!(payment.status, PaymentStatus::Succeeded);
    assert_eq!(node.payments.counts().unwrap().attempts, 1);
    let again = node.payments.delete_failed_attempts(hash(1)).unwrap();
    assert_eq!(again.status, Status::Already);
    node.payments.init(PaymentInit::new(hash(2), 1_000)).unwrap();
    node.payments.register(hash(2), whole(7, 1_000)).unwrap();
    world.check_sound();
}

#[test]
fn a_long_life_is_purged_in_steps_and_resumed_after_a_crash() {
    let world = World::new();
    let node = world.open();
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    for id in 0..300 {
        node.payments.register(hash(1), part(id, 10, 1_000)).unwrap();
        node.fail_attempt(1, id).unwrap();
    }
    node.payments.fail(hash(1), FailureReason::NoRoute).unwrap();
    // A deletion without the purge that follows it.
    let operation = Operation::Delete(hash(1), Retain::Tombstone);
    let command = node.payments.command(operation).unwrap();
    node.store().submit(vec![command], Grouping::Independent).unwrap();
    node.store().crash();
    world.check_sound();
    let node = world.open();
    assert_eq!(node.payments.counts().unwrap().attempts, 300);
    assert_eq!(node.payments.sweep().unwrap(), 128, "one step");
    node.store().crash();
    world.check_sound();
    let node = world.open();
    let swept: Vec<_> =
        std::iter::repeat_with(|| node.payments.sweep().unwrap()).take_while(|n| *n != 0).collect();
    assert_eq!(swept, [128, 44]);
    assert_eq!(node.payments.counts().unwrap(), Counts::default());
    world.check_sound();
}

#[test]
fn a_purge_that_fails_takes_nothing_back_from_what_was_answered() {
    /// Makes the commit after the next one meet a full disk: that of the purge.
    struct FillsTheDisk(std::sync::Weak<Store>, AtomicBool);
    impl CommitListener for FillsTheDisk {
        fn committed(&self, _heads: &crate::store::heads::Heads) {
            if self.1.swap(false, std::sync::atomic::Ordering::Relaxed) {
                let store = self.0.upgrade().unwrap();
                store.inject(Some(Fault::NoSpace));
            }
        }
        fn ended(&self) {}
    }
    let world = World::new();
    let node = world.open();
    let fills = Arc::new(FillsTheDisk(Arc::downgrade(node.store()), AtomicBool::new(false)));
    let listener: Weak<dyn CommitListener> = Arc::<FillsTheDisk>::downgrade(&fills);
    node.store().on_commit(listener);
    node.fail(1, 1);
    node.fail(2, 2);
    let arm = || fills.1.store(true, std::sync::atomic::Ordering::Relaxed);
    arm();
    let started = node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    assert!(started.reply.changed());
    assert_eq!(node.payments.counts().unwrap().doomed, 1, "the purge met the full disk");
    arm();
    assert!(node.payments.delete(hash(2), Retain::Tombstone).unwrap().changed());
    assert_eq!(node.payments.counts().unwrap().doomed, 2);
    // The rows are not lost sight of: whoever purges next removes them.
    node.fail(3, 3);
    node.payments.delete(hash(3), Retain::Tombstone).unwrap();
    assert_eq!(node.payments.counts().unwrap().doomed, 0);
}

#[test]
fn a_full_disk_refuses_what_is_new_and_a_poisoned_store_everything() {
    let world = World::new();
    let node = world.open();
    node.pay(1, 1);
    let before = node.payments.fetch(hash(1)).unwrap();
    let mut stream = node.payments.subscribe(hash(1)).map(|id| (id, Vec::new())).unwrap();
    for call in 0..4 {
        node.store().inject(Some(Fault::NoSpace));
        let refused = match call {
            0 => node.payments.init(PaymentInit::new(hash(2), 1)),
            1 => node.payments.register(hash(1), part(2, 1, 1)),
            2 => node.settle(1, 1),
            _ => node.payments.fail(hash(1), FailureReason::Error),
        };
        let error = refused.unwrap_err();
        assert_eq!((error.status(), error.class()), (Status::NoSpace, crate::Class::Retry));
    }
    assert_eq!(node.payments.fetch(hash(1)).unwrap(), before);
    node.store().inject(Some(Fault::CommitFailsBefore));
    assert_eq!(refusal(node.settle(1, 1)), Status::Unknown);
    assert_eq!(refusal(node.settle(1, 1)), Status::Poisoned);
    assert_eq!(refusal(node.payments.fetch(hash(1))), Status::Poisoned);
    while let Next::View(view) = node.payments.next(stream.0) {
        stream.1.push(view);
    }
    assert_eq!(stream.1, [Arc::new(before)]);
    assert_eq!(node.payments.next(stream.0), Next::Closed);
}

#[test]
fn repeating_the_same_call_after_unknown_is_safe_whatever_became_of_it() {
    type Call = fn(&Node) -> Result<Changed>;
    let calls: [(Call, Status); 6] = [
        (|node| node.payments.init(PaymentInit::new(hash(9), 5)), Status::AlreadyExists),
        (|node| node.payments.register(hash(1), part(5, 100, 1_000)), Status::AlreadyExists),
        (
            |node| node.payments.register_and_init(hash(1), part(6, 100, 1_000)),
            Status::AlreadyExists,
        ),
        (|node| node.settle(1, 1), Status::Already),
        (|node| node.fail_attempt(1, 2), Status::Already),
        (|node| node.payments.force_fail(hash(1), key(2), failure(), b"x"), Status::Already),
    ];
    for (place, (call, repeat)) in calls.into_iter().enumerate() {
        for fault in [Fault::CommitFailsBefore, Fault::CommitFailsAfter] {
            let world = World::new();
            let node = world.open();
            node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
            for id in [1, 2, 3] {
                node.payments.register(hash(1), part(id, 200, 1_000)).unwrap();
            }
            node.store().inject(Some(fault));
            assert_eq!(refusal(call(&node)), Status::Unknown);
            drop(node);
            let node = world.open();
            let again = call(&node).unwrap();
            let expected = if fault == Fault::CommitFailsAfter { repeat } else { Status::Done };
            assert_eq!(again.reply.status, expected, "call {place} after {fault:?}");
            let stored = node.payments.fetch(again.payment.hash()).unwrap();
            assert_eq!(*again.payment, stored);
            assert_eq!(call(&node).unwrap().reply.status, repeat, "and once more");
        }
    }
}

#[test]
fn a_copied_or_restored_store_pays_nothing_new_until_it_is_acknowledged() {
    let world = World::new();
    let node = world.open();
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    node.pay(2, 2);
    let backup = world.directory.path().join("backup");
    crate::maintenance::backup(node.store(), &backup).unwrap();
    node.store().close().unwrap();
    for restored in [false, true] {
        let copy = World::new();
        if restored {
            let options = crate::store::RestoreOptions::default();
            crate::maintenance::restore(&backup, copy.path(), options).unwrap();
        } else {
            std::fs::create_dir(copy.path()).unwrap();
            std::fs::copy(world.path().join("data.mdb"), copy.path().join("data.mdb")).unwrap();
        }
        let node = copy.open();
        let new = || node.payments.init(PaymentInit::new(hash(3), 1));
        assert_eq!(refusal(new()), Status::NotAcknowledged);
        let repeat = node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
        assert_eq!(repeat.reply.status, Status::AlreadyExists);
        let register = |tracked: bool| match tracked {
            true => node.payments.register_and_init(hash(1), whole(1, 1_000)),
            false => node.payments.register(hash(1), whole(1, 1_000)),
        };
        assert_eq!(refusal(register(false)), Status::NotAcknowledged);
        assert_eq!(refusal(register(true)), Status::NotAcknowledged);
        node.settle(2, 2).unwrap();
        node.attempts.acknowledge_restore(&[(Namespace::default(), 50)]).unwrap();
        assert_eq!(refusal(register(true)), Status::BelowFloor);
        register(false).unwrap();
        new().unwrap();
    }
}

#[test]
fn what_is_too_long_is_refused_before_anything_happens() {
    use crate::limits::{MESSAGE_BYTES_MAX, NOTE_BYTES_MAX};
    let world = World::new();
    let node = world.open();
    node.pay(1, 1);
    let long = || RawMessage::new(vec![0; MESSAGE_BYTES_MAX + 1]);
    let init = |change: &dyn Fn(&mut PaymentInit)| {
        let mut request = PaymentInit::new(hash(2), 1);
        change(&mut request);
        refusal(node.payments.init(request))
    };
    assert_eq!(init(&|init| init.idempotency_key = vec![0; 65]), Status::TooBig);
    assert_eq!(init(&|init| init.payment_request = long()), Status::TooBig);
    assert_eq!(init(&|init| init.first_hop_records = long()), Status::TooBig);
    let intent = || Some(Intent { data: long(), ..Intent::default() });
    assert_eq!(init(&|init| init.intent = intent()), Status::TooBig);
    let register = |change: &dyn Fn(&mut AttemptRequest)| {
        let mut request = part(2, 1, 1);
        change(&mut request);
        refusal(node.payments.register(hash(1), request))
    };
    assert_eq!(register(&|request| request.route = long()), Status::TooBig);
    assert_eq!(register(&|request| request.session_key = RawMessage::new([0; 65])), Status::TooBig);
    assert_eq!(register(&|request| request.first_hop_records = long()), Status::TooBig);
    assert_eq!(
        register(&|request| request.key.namespace = Namespace([0xff; 16])),
        Status::InvalidArgument
    );
    let failure = Failure { message: long(), ..failure() };
    let failed =
        node.payments.fail_attempt(hash(1), key(1), failure.clone(), Strictness::default());
    assert_eq!(refusal(failed), Status::TooBig);
    let note = [0; NOTE_BYTES_MAX + 1];
    let forced = node.payments.force_fail(hash(1), key(1), super::failure(), &note);
    assert_eq!(refusal(forced), Status::TooBig);
    assert_eq!(node.payments.fetch(hash(1)).unwrap().revision, 2);
}

#[test]
fn the_largest_payment_of_all_fits_and_reads_back() {
    use crate::limits::{MESSAGE_BYTES_MAX, NOTE_BYTES_MAX};
    let world = World::new();
    let node = world.open();
    let most = || RawMessage::new(vec![0xab; MESSAGE_BYTES_MAX]);
    let mut init = keyed(&[1; 64], 1, u64::MAX);
    init.payment_request = most();
    init.first_hop_records = most();
    init.intent = Some(Intent { data: most(), ..Intent::default() });
    node.payments.init(init).unwrap();
    let mut request = whole(u64::MAX, u64::MAX);
    request.fee_msat = u64::MAX;
    request.route = most();
    request.session_key = RawMessage::new([0; 64]);
    request.first_hop_records = most();
    node.payments.register_and_init(hash(1), request).unwrap();
    let failure = Failure { message: most(), ..failure() };
    let note = [1; NOTE_BYTES_MAX];
    let forced = node.payments.force_fail(hash(1), key(u64::MAX), failure, &note).unwrap();
    assert_eq!(node.payments.fetch(hash(1)).unwrap(), *forced.payment);
    world.check_sound();
}

#[test]
fn an_id_belongs_to_one_payment_of_the_store_and_to_one_namespace() {
    let world = World::new();
    let node = world.open();
    node.pay(1, 1);
    node.payments.init(PaymentInit::new(hash(2), 1_000)).unwrap();
    let register = |request| node.payments.register(hash(2), request);
    assert_eq!(refusal(register(whole(1, 1_000))), Status::AttemptIdExists);
    let mut elsewhere = whole(1, 1_000);
    elsewhere.key.namespace = Namespace([2; 16]);
    register(elsewhere).unwrap();
    assert_eq!(refusal(node.settle(2, 1)), Status::AttemptNotFound, "the other namespace's");
    node.settle(1, 1).unwrap();
    // Under lnd's rules two payments may have one id.
    let world = World::lnd();
    let node = world.open();
    node.pay(1, 1);
    node.pay(2, 1);
    node.settle(1, 1).unwrap();
    assert_eq!(node.status(2), PaymentStatus::InFlight);
    world.check_sound();
}

#[test]
fn a_payment_has_a_most_of_attempts() {
    let world = World::new();
    let node = world.open();
    let max = crate::limits::PAYMENT_ATTEMPTS_MAX;
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    // Rows as ten thousand registrations and failures would leave them.
    let first = node.payments.register(hash(1), part(0, 1, 1_000)).unwrap();
    let failed = node.fail_attempt(1, 0).unwrap();
    let attempt = &failed.payment.attempts[0];
    let outcome = record::encode_outcome(attempt).unwrap().unwrap();
    for ids in (1..max).collect::<Vec<_>>().chunks(500) {
        let rows = ids.iter().flat_map(|id| {
            let sequence = first.payment.sequence;
            let row = record::attempt_row_key(sequence, key(*id)).to_vec();
            let id_row = record::id_row_key(sequence, key(*id)).to_vec();
            [
                (Table::PaymentAttempts, row.clone(), record::encode_attempt(attempt).ok()),
                (Table::PaymentOutcomes, row, Some(outcome.clone())),
                (Table::PaymentAttemptIds, id_row, Some(Vec::new())),
            ]
        });
        node.store().submit_one(Rewrite(rows.collect())).unwrap();
    }
    let mut head = Head::of(&failed.payment);
    head.attempts = [0, 0, max as u32];
    let row = first.payment.sequence.to_be_bytes();
    node.store().submit_one(Rewrite::put(Table::Payments, &row, &head.encode())).unwrap();
    let full = node.payments.register(hash(1), part(max, 1, 1_000));
    assert_eq!(refusal(full), Status::TooBig);
    let late = node.payments.settle(hash(1), key(7), settled(1), Strictness::default());
    assert!(late.unwrap().reply.conflict(), "what is out still ends");
    world.check_sound();
}

#[test]
fn reopening_is_the_same_instance_and_other_options_are_refused() {
    let world = World::new();
    let node = world.open();
    let again = Payments::open(node.store(), world.options).unwrap();
    let stream = again.subscribe_all().unwrap();
    node.pay(1, 1);
    assert!(matches!(node.payments.next(stream), Next::View(_)));
    let other = PaymentsOptions { check_totals: true, ..world.options };
    assert_eq!(Payments::open(node.store(), other).unwrap_err().status(), Status::AlreadyOpen);
}

#[test]
fn an_operation_that_shows_no_payment_is_refused_before_it_does_anything() {
    let world = World::new();
    let node = world.open();
    node.succeed(1, 1);
    let delete = node.payments.change(Operation::Delete(hash(1), Retain::Forget));
    assert_eq!(refusal(delete), Status::InvalidArgument);
    assert_eq!(node.status(1), PaymentStatus::Succeeded, "REFUSED means that nothing was applied");
}

#[test]
fn as_many_small_operations_as_a_submission_takes_fit_into_its_bytes() {
    let world = World::new();
    let node = world.open();
    let hash = |number: u16| {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        PaymentHash(bytes)
    };
    let submit = |operation: &dyn Fn(u16) -> Operation| {
        let all = (0..crate::limits::BATCH_OPS_MAX as u16).map(operation);
        let all = all.map(|operation| node.payments.operation(operation).unwrap()).collect();
        let outcomes = node.store().apply(all, crate::store::Grouping::Independent).unwrap();
        assert!(outcomes.iter().all(std::result::Result::is_ok), "{:?}", outcomes[0]);
    };
    submit(&|number| Operation::Init(PaymentInit::new(hash(number), 1_000)));
    submit(&|number| Operation::Fail(hash(number), FailureReason::NoRoute));
    submit(&|number| Operation::DeleteFailedAttempts(hash(number)));
    submit(&|number| Operation::Delete(hash(number), Retain::Forget));
    world.check_sound();
}
