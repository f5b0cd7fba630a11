//! Attempts with a record in the attempt store: both sides begin and end in one transaction.

use super::*;
use crate::attempts::rules::{InitRequest, Rollback};
use crate::attempts::{AttemptResult, Ending, Flags, Polled, State};
use crate::store::failpoints::Fault;

/// A payment whose attempt 1 has a record.
fn tracked(node: &Node) {
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    node.payments.register_and_init(hash(1), whole(1, 1_000)).unwrap();
}

fn network_failure() -> AttemptResult {
    AttemptResult::network_failure(RawMessage::new(vec![3]))
}

fn record_of(node: &Node) -> (State, bool) {
    let attempt = node.attempts.get(key(1)).unwrap();
    (attempt.state, attempt.flags.has(Flags::ACKED))
}

#[test]
fn registering_makes_the_record_of_the_very_same_attempt() {
    let world = World::new();
    let node = world.open();
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    let mut request = part(1, 600, 1_000);
    (request.fee_msat, request.first_hop_scid, request.cltv_expiry) = (7, 8, 9);
    request.attempt_hash = Some(hash(2));
    let view = node.payments.register_and_init(hash(1), request).unwrap().payment;
    assert!(view.attempts[0].marks.has(Marks::TRACKED));
    let record = node.attempts.get(key(1)).unwrap();
    assert_eq!((record.state, record.amount_msat), (State::Intent, 607));
    assert_eq!((record.first_hop_scid, record.cltv_expiry), (8, 9));
    assert_eq!(record.payment_hash, Some(hash(2)), "the hash of the attempt's own preimage");
    assert!(record.fingerprint.is_some() && record.flags.has(Flags::OF_PAYMENT));
    node.store().crash();
    let node = world.open();
    assert_eq!(node.payments.fetch(hash(1)).unwrap(), *view);
    assert_eq!(node.attempts.get(key(1)).unwrap().state, State::Intent);
}

#[test]
fn an_id_that_the_attempt_store_knows_is_refused_and_nothing_is_registered() {
    let world = World::new();
    let node = world.open();
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    let before = node.payments.fetch(hash(1)).unwrap();
    let register = |id| node.payments.register_and_init(hash(1), whole(id, 1_000));
    node.attempts.init(&InitRequest::new(key(1))).unwrap();
    let mut of_another = InitRequest::new(key(2));
    of_another.payment_hash = Some(hash(5));
    node.attempts.init(&of_another).unwrap();
    node.attempts.init(&InitRequest::new(key(3))).unwrap();
    node.attempts.store_result(key(3), network_failure()).unwrap();
    node.attempts.delete(key(3), Retain::Tombstone).unwrap();
    for id in [1, 2, 3] {
        assert_eq!(refusal(register(id)), Status::AttemptIdExists, "attempt {id}");
    }
    assert_eq!(node.payments.fetch(hash(1)).unwrap(), before);
    register(4).unwrap();
    node.settle(1, 4).unwrap();
    // The id of an attempt that is gone here stays burned there.
    node.payments.delete(hash(1), Retain::Forget).unwrap();
    node.payments.init(PaymentInit::new(hash(1), 2_000)).unwrap();
    let again = node.payments.register_and_init(hash(1), whole(4, 2_000));
    assert_eq!(refusal(again), Status::AttemptIdExists);
    node.attempts.delete(key(4), Retain::Forget).unwrap();
    node.payments.register_and_init(hash(1), whole(4, 2_000)).unwrap();
    world.check_sound();
}

#[test]
fn the_same_attempt_again_is_known_on_both_sides_and_nothing_else_is_it() {
    let world = World::new();
    let node = world.open();
    tracked(&node);
    let again = node.payments.register_and_init(hash(1), whole(1, 1_000)).unwrap();
    assert_eq!(again.reply.status, Status::AlreadyExists);
    let without = node.payments.register(hash(1), whole(1, 1_000));
    assert_eq!(refusal(without), Status::AttemptIdExists, "it would be settled without its record");
    node.attempts.mark_handed_off(key(1)).unwrap();
    let again = node.payments.register_and_init(hash(1), whole(1, 1_000)).unwrap();
    assert_eq!(again.reply.status, Status::AlreadyExists, "it was sent: do not send it again");
}

#[test]
fn neither_side_is_there_without_the_other_whatever_becomes_of_the_commit() {
    for fault in [Fault::CommitFailsBefore, Fault::CommitFailsAfter, Fault::NoSpace, Fault::Panic] {
        let world = World::new();
        let node = world.open();
        node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
        node.store().inject(Some(fault));
        node.payments.register_and_init(hash(1), whole(1, 1_000)).unwrap_err();
        node.store().crash();
        drop(node);
        let node = world.open();
        let registered = node.payments.fetch(hash(1)).unwrap().attempts.len() == 1;
        let recorded = node.attempts.get(key(1)).is_ok();
        assert_eq!(
            (registered, recorded),
            [(false, false), (true, true)][usize::from(fault == Fault::CommitFailsAfter)]
        );
        world.check_sound();
    }
}

#[test]
fn what_was_handed_off_is_not_failed_and_an_intent_is_rolled_back_with_it() {
    let world = World::new();
    let node = world.open();
    tracked(&node);
    node.attempts.mark_handed_off(key(1)).unwrap();
    let before = node.payments.fetch(hash(1)).unwrap();
    assert_eq!(refusal(node.fail_attempt(1, 1)), Status::HandedOff);
    assert_eq!(node.payments.fetch(hash(1)).unwrap(), before);
    assert_eq!(record_of(&node), (State::HandedOff, false));
    node.attempts.store_result(key(1), network_failure()).unwrap();
    node.fail_attempt(1, 1).unwrap();
    assert_eq!(record_of(&node), (State::Failed, true));
    assert_eq!(node.attempts.get(key(1)).unwrap().result, Some(network_failure()));
    node.payments.register_and_init(hash(1), whole(2, 1_000)).unwrap();
    node.fail_attempt(1, 2).unwrap();
    let late_mark = node.attempts.mark_handed_off(key(2)).unwrap_err();
    assert_eq!(late_mark.status(), Status::NotPending, "it must not be sent any more");
    world.check_sound();
}

#[test]
fn a_known_settle_is_never_failed_away() {
    let world = World::new();
    let node = world.open();
    tracked(&node);
    node.attempts.store_result(key(1), AttemptResult::settle(preimage(1))).unwrap();
    assert_eq!(refusal(node.fail_attempt(1, 1)), Status::Conflict);
    let forced = node.payments.force_fail(hash(1), key(1), failure(), b"no");
    assert_eq!(refusal(forced), Status::Conflict, "not even by force");
    node.settle(1, 1).unwrap();
    assert_eq!(record_of(&node), (State::Settled, true));
    assert_eq!(node.status(1), PaymentStatus::Succeeded);
}

#[test]
fn a_settle_is_recorded_acknowledged_and_wakes_who_waits() {
    let world = World::new();
    let node = world.open();
    tracked(&node);
    node.attempts.mark_handed_off(key(1)).unwrap();
    let waits = node.attempts.subscribe(key(1), true).unwrap();
    let wrong = node.payments.settle(hash(1), key(1), settled(2), Strictness::default());
    assert_eq!(refusal(wrong), Status::BadPreimage);
    assert_eq!(node.attempts.poll(waits), Polled::Waiting);
    node.settle(1, 1).unwrap();
    let expected = AttemptResult::settle(preimage(1));
    assert_eq!(node.attempts.poll(waits), Polled::Result(expected.clone()));
    assert_eq!(node.attempts.result(key(1)).unwrap(), expected);
    assert_eq!(record_of(&node), (State::Settled, true));
    node.settle(1, 1).unwrap();
    world.check_sound();
}

#[test]
fn a_rollback_wakes_who_waits_too() {
    let world = World::new();
    let node = world.open();
    tracked(&node);
    let waits = node.attempts.subscribe(key(1), true).unwrap();
    node.fail_attempt(1, 1).unwrap();
    assert_eq!(node.attempts.poll(waits), Polled::Result(Rollback::default().result()));
}

#[test]
fn an_operators_force_ends_what_was_handed_off_and_a_settle_still_wins() {
    let world = World::new();
    let node = world.open();
    tracked(&node);
    node.attempts.mark_handed_off(key(1)).unwrap();
    let forced = node.payments.force_fail(hash(1), key(1), failure(), b"channel gone").unwrap();
    assert_eq!(forced.payment.attempts[0].note.expose(), b"channel gone");
    assert!(forced.payment.marks.has(Marks::FORCED));
    let record = node.attempts.get(key(1)).unwrap();
    assert_eq!(record.state, State::Failed);
    assert!(record.flags.has(Flags::FORCED) && record.flags.has(Flags::ACKED));
    node.payments.fail(hash(1), FailureReason::Error).unwrap();
    assert_eq!(node.status(1), PaymentStatus::Failed);
    node.store().crash();
    let node = world.open();
    let late = node.settle(1, 1).unwrap();
    assert!(late.reply.conflict());
    assert_eq!(late.payment.status, PaymentStatus::Succeeded);
    assert_eq!(late.payment.attempts[0].note.expose(), b"channel gone", "the note stays");
    let record = node.attempts.get(key(1)).unwrap();
    assert!(matches!(record.result.unwrap().ending, Ending::Settle(_)));
    assert!(record.flags.has(Flags::CONFLICT) && record.flags.has(Flags::ACKED));
    let again = node.payments.init(PaymentInit::new(hash(1), 1_000));
    assert_eq!(refusal(again), Status::AlreadyPaid);
    world.check_sound();
}

#[test]
fn a_result_that_its_payment_waits_for_is_kept_by_the_attempt_store() {
    let world = World::new();
    let node = world.open();
    tracked(&node);
    node.attempts.store_result(key(1), AttemptResult::settle(preimage(1))).unwrap();
    let deleted = node.attempts.delete(key(1), Retain::Forget).unwrap_err();
    assert_eq!(deleted.status(), Status::Pending);
    let cleaned =
        node.attempts.clean(Namespace::default(), &Default::default(), Retain::Tombstone).unwrap();
    assert_eq!(cleaned.removed, 0, "cleaned away it would look as if it had never been");
    node.settle(1, 1).unwrap();
    node.attempts.delete(key(1), Retain::Tombstone).unwrap();
    // What has no record any more is settled and failed on the payment's side alone.
    node.payments.init(PaymentInit::new(hash(2), 1_000)).unwrap();
    node.payments.register_and_init(hash(2), whole(2, 1_000)).unwrap();
    node.attempts.store_result(key(2), network_failure()).unwrap();
    node.attempts.ack(key(2)).unwrap();
    node.attempts.delete(key(2), Retain::Forget).unwrap();
    node.fail_attempt(2, 2).unwrap();
    assert!(node.settle(2, 2).unwrap().reply.conflict());
    assert_eq!(node.attempts.get(key(2)).unwrap_err().status(), Status::NotFound);
    world.check_sound();
}

#[test]
fn a_damaged_record_holds_up_no_settle_and_bars_a_failure() {
    let world = World::new();
    let node = world.open();
    for byte in [1, 2] {
        node.payments.init(PaymentInit::new(hash(byte), 1_000)).unwrap();
        node.payments.register_and_init(hash(byte), whole(byte.into(), 1_000)).unwrap();
        node.attempts.write_raw(key(byte.into()), b"damaged").unwrap();
        assert_eq!(refusal(node.fail_attempt(byte, byte.into())), Status::CorruptRecord);
    }
    node.settle(1, 1).unwrap();
    node.payments.force_fail(hash(2), key(2), failure(), b"nothing is known").unwrap();
    assert_eq!(node.status(1), PaymentStatus::Succeeded);
    node.payments.init(PaymentInit::new(hash(3), 1_000)).unwrap();
    node.attempts.init(&InitRequest::new(key(3))).unwrap();
    node.attempts.write_raw(key(3), b"damaged").unwrap();
    let unknown = node.payments.register_and_init(hash(3), whole(3, 1_000));
    assert_eq!(refusal(unknown), Status::CorruptRecord);
}

#[test]
fn quarantining_a_record_says_nothing_about_its_htlc() {
    use super::super::resume::{AttemptStoreOnly, ResumeOptions, ResumeOutcome};
    let world = World::new();
    let node = world.open();
    tracked(&node);
    node.attempts.mark_handed_off(key(1)).unwrap();
    node.attempts.write_raw(key(1), b"damaged").unwrap();
    node.attempts.quarantine(key(1)).unwrap();
    // It was handed off, and that was lost with the record: failed, the hash would be paid again.
    assert_eq!(refusal(node.fail_attempt(1, 1)), Status::CorruptRecord);
    let resume = node.payments.resume(&AttemptStoreOnly, ResumeOptions::default()).unwrap();
    assert_eq!(resume.payments[0].outcome, ResumeOutcome::Waiting);
    let stuck = node.payments.stuck(&StuckQuery::default(), None).unwrap().0;
    assert_eq!(stuck[0].reason, StuckReason::UnreadableRecord);
    node.payments.force_fail(hash(1), key(1), failure(), b"channel closed").unwrap();
    assert!(node.settle(1, 1).unwrap().reply.conflict());
    world.check_sound();
}

#[test]
fn an_external_router_keeps_records_of_its_own() {
    let world = World::new();
    let store = Store::open(world.path(), &world.store_options).unwrap();
    let external = AttemptsOptions { external: true, ..AttemptsOptions::default() };
    let attempts = Attempts::open(&store, external).unwrap();
    let payments = Payments::open(&store, world.options).unwrap();
    let node = Node { payments, attempts };
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    let with_record = node.payments.register_and_init(hash(1), whole(1, 1_000));
    assert_eq!(refusal(with_record), Status::ExternalMarker);
    assert_eq!(node.attempts.counts(None).unwrap().intent, 0);
    node.payments.register(hash(1), whole(1, 1_000)).unwrap();
    node.settle(1, 1).unwrap();
}

#[test]
fn an_intent_that_a_lost_newer_store_may_have_sent_is_not_failed() {
    let world = World::new();
    let node = world.open();
    tracked(&node);
    node.store().close().unwrap();
    let copy = World::new();
    std::fs::create_dir(copy.path()).unwrap();
    std::fs::copy(world.path().join("data.mdb"), copy.path().join("data.mdb")).unwrap();
    let node = copy.open();
    assert_eq!(refusal(node.fail_attempt(1, 1)), Status::HandedOff);
    node.settle(1, 1).unwrap();
    assert_eq!(node.status(1), PaymentStatus::Succeeded);
}

#[test]
fn settling_under_lnds_rules_ends_the_record_too() {
    let world = World::lnd();
    let node = world.open();
    tracked(&node);
    node.attempts.mark_handed_off(key(1)).unwrap();
    assert_eq!(refusal(node.fail_attempt(1, 1)), Status::HandedOff);
    let again = node.payments.register_and_init(hash(1), whole(1, 1_000));
    // The value of the attempt that has the id counts, so that only its like is too much.
    assert_eq!(refusal(again), Status::ValueExceeds);
    node.settle(1, 1).unwrap();
    assert_eq!(record_of(&node), (State::Settled, true));
    world.check_sound();
}

#[test]
fn an_id_used_again_under_lnds_rules_keeps_its_record() {
    let world = World::lnd();
    let node = world.open();
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    node.payments.register_and_init(hash(1), part(1, 400, 1_000)).unwrap();
    node.attempts.mark_handed_off(key(1)).unwrap();
    let again = node.payments.register(hash(1), part(1, 300, 1_000)).unwrap().payment;
    assert!(again.attempts[0].marks.has(Marks::TRACKED));
    assert_eq!(node.payments.fetch(hash(1)).unwrap(), *again);
    assert_eq!(refusal(node.fail_attempt(1, 1)), Status::HandedOff);
    node.settle(1, 1).unwrap();
    assert_eq!(record_of(&node), (State::Settled, true));
    world.check_sound();
}

#[test]
fn lnds_rules_take_an_id_that_another_payment_has() {
    let world = World::lnd();
    let node = world.open();
    node.pay(1, 7);
    node.payments.init(PaymentInit::new(hash(2), 1_000)).unwrap();
    node.payments.register(hash(2), whole(7, 1_000)).unwrap();
}
