//! Long requests, routes and failures while memory is short: BUSY, and nothing changed. An allocation that
//! could not be refused would end these tests.

use super::*;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::os::scarcity;
use crate::store::shortage::Shortage;

fn long() -> RawMessage {
    RawMessage::new(vec![7; MESSAGE_BYTES_MAX])
}

/// What has three long messages in its row, and what has one: each change is refused while memory is short,
/// and made when it is there again.
#[test]
fn long_messages_without_memory_are_refused_and_taken_later() {
    let world = World::new();
    let node = world.open();
    let intent = Intent { data: long(), ..Intent::default() };
    let init = PaymentInit {
        payment_request: long(),
        first_hop_records: long(),
        intent: Some(intent),
        ..PaymentInit::new(hash(1), 1_000)
    };
    let request = AttemptRequest { route: long(), first_hop_records: long(), ..whole(1, 1_000) };
    let failed = Failure { message: long(), ..failure() };
    let changes: [&dyn Fn() -> Result<Changed>; 3] = [
        &|| node.payments.init(init.clone()),
        &|| node.payments.register_and_init(hash(1), request.clone()),
        &|| node.payments.fail_attempt(hash(1), key(1), failed.clone(), Strictness::default()),
    ];
    for change in changes {
        let shortage = Shortage::new(node.store());
        assert_eq!(refusal(change()), Status::Busy);
        drop(shortage);
        change().unwrap();
    }
    let fetched = node.payments.fetch(hash(1)).unwrap();
    assert_eq!(fetched.init, init);
    assert_eq!(fetched.attempts[0].request, request);
    assert_eq!(fetched.attempts[0].outcome, AttemptOutcome::Failed(failed));
    world.check_sound();
}

#[test]
fn a_payment_of_long_messages_that_there_is_no_memory_for_is_there_and_not_damaged() {
    let world = World::new();
    let node = world.open();
    let request = AttemptRequest { route: long(), ..whole(1, 1_000) };
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    node.payments.register(hash(1), request).unwrap();
    assert_eq!(refusal(scarcity::during(|| node.payments.fetch(hash(1)))), Status::Busy);
    assert_eq!(refusal(scarcity::during(|| node.payments.query(&Query::default()))), Status::Busy);
    let shortage = Shortage::new(node.store());
    assert_eq!(refusal(node.payments.quarantine(hash(1))), Status::Busy, "not unreadable");
    assert_eq!(refusal(node.settle(1, 1)), Status::Busy);
    drop(shortage);
    assert_eq!(refusal(node.payments.quarantine(hash(1))), Status::Conflict);
    assert_eq!(node.settle(1, 1).unwrap().payment.status, PaymentStatus::Succeeded);
}
