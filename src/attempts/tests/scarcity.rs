//! Long messages while memory is short: BUSY, nothing changed, and no record taken for a damaged one. An
//! allocation that could not be refused would end these tests.

use super::*;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::os::scarcity;
use crate::store::shortage::Shortage;

fn long_failure() -> AttemptResult {
    AttemptResult::network_failure(RawMessage::new(vec![7; MESSAGE_BYTES_MAX]))
}

/// The story: a peer failed an HTLC with a message of 20,000 bytes while memory was short. The message, the
/// record that was decided and its row were each copied without asking, and the process ended. A peer says
/// how long its message is.
#[test]
fn a_long_result_without_memory_is_refused_and_stored_later() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    attempts.init(&InitRequest::new(key(1))).unwrap();
    attempts.mark_handed_off(key(1)).unwrap();
    let told = scarcity::during(|| RawMessage::copied(&[7; MESSAGE_BYTES_MAX]));
    assert_eq!(told.unwrap_err().status(), Status::Busy);
    {
        let _shortage = Shortage::new(attempts.store());
        let refused = attempts.store_result(key(1), long_failure()).unwrap_err();
        assert_eq!(refused.status(), Status::Busy);
        assert_eq!(attempts.get(key(1)).unwrap().state, State::HandedOff);
    }
    assert!(attempts.store_result(key(1), long_failure()).unwrap().changed());
    assert_eq!(attempts.result(key(1)).unwrap(), long_failure());
}

#[test]
fn a_long_result_that_there_is_no_memory_for_is_there_and_not_damaged() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    attempts.store_result(key(1), long_failure()).unwrap();
    let found = scarcity::during(|| attempts.get(key(1)));
    assert_eq!(found.unwrap_err().status(), Status::Busy);
    let listed = scarcity::during(|| attempts.list(&Query::default()));
    assert_eq!(listed.unwrap_err().status(), Status::Busy);
    {
        let _shortage = Shortage::new(attempts.store());
        let repeated = attempts.store_result(key(1), long_failure()).unwrap_err();
        assert_eq!(repeated.status(), Status::Busy, "not damaged, and not overwritten");
        assert_eq!(attempts.ack(key(1)).unwrap_err().status(), Status::Busy);
    }
    assert_eq!(attempts.list(&Query::default()).unwrap().attempts.len(), 1);
    assert!(attempts.ack(key(1)).unwrap().changed());
}
