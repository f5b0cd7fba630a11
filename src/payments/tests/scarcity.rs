//! Long requests, routes and failures while memory is short: BUSY, and nothing changed. An allocation that
//! could not be refused would end these tests.

use super::*;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::os::scarcity;
use crate::store::shortage::Shortage;

fn long() -> RawMessage {
    RawMessage::new(vec![7; MESSAGE_BYTES_MAX])
}

/// Each of three payments has its one long message in the row of one change: the change is refused while
/// memory is short, leaves everything as it was, and is made when there is memory again.
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
    let request = AttemptRequest { route: long(), first_hop_records: long(), ..whole(2, 1_000) };
    let failed = Failure { message: long(), ..failure() };
    node.payments.init(PaymentInit::new(hash(2), 1_000)).unwrap();
    node.payments.init(PaymentInit::new(hash(3), 1_000)).unwrap();
    node.payments.register_and_init(hash(3), whole(3, 1_000)).unwrap();
    let changes: [(u8, &dyn Fn() -> Result<Changed>); 3] = [
        (1, &|| node.payments.init(init.clone())),
        (2, &|| node.payments.register_and_init(hash(2), request.clone())),
        (3, &|| {
            let strictness = Strictness::default();
            node.payments.fail_attempt(hash(3), key(3), failed.clone(), strictness)
        }),
    ];
    for (byte, change) in changes {
        let before = node.payments.fetch(hash(byte)).ok();
        let shortage = Shortage::new(node.store());
        assert_eq!(refusal(change()), Status::Busy);
        drop(shortage);
        assert_eq!(node.payments.fetch(hash(byte)).ok(), before);
        assert!(node.attempts.get(key(2)).is_err() || byte == 3, "no record of its own");
        assert!(change().unwrap().reply.changed());
    }
    assert_eq!(node.payments.fetch(hash(1)).unwrap().init, init);
    assert_eq!(node.payments.fetch(hash(2)).unwrap().attempts[0].request, request);
    let ended = || node.payments.fetch(hash(3));
    assert_eq!(ended().unwrap().attempts[0].outcome, AttemptOutcome::Failed(failed));
    assert_eq!(refusal(scarcity::during(ended)), Status::Busy, "its failure is long");
    let shortage = Shortage::new(node.store());
    assert_eq!(refusal(node.payments.quarantine(hash(3))), Status::Busy, "not unreadable");
    drop(shortage);
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
