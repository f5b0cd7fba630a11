//! What a dispatch answers when its rollback, its registration or its store does not go as it should.

use super::super::dispatch::{Certainty, Dispatched, Dispatcher, Invalid, Reason, Sent, dispatch};
use super::*;
use crate::store::failpoints::Fault;

/// A sender that does something before it answers.
struct Sender<'a> {
    meanwhile: &'a dyn Fn(),
    answer: Sent,
}

impl Dispatcher for Sender<'_> {
    fn validate(&self) -> std::result::Result<(), Invalid> {
        Ok(())
    }

    fn send(&self) -> Sent {
        (self.meanwhile)();
        self.answer
    }
}

/// Nothing may be validated or sent.
struct Never;

impl Dispatcher for Never {
    fn validate(&self) -> std::result::Result<(), Invalid> {
        panic!("not granted")
    }

    fn send(&self) -> Sent {
        panic!("not granted")
    }
}

fn refused(attempts: &Attempts, request: &InitRequest) -> Dispatched {
    dispatch(attempts, request, &Never)
}

#[test]
fn a_dispatch_that_the_store_bars_is_never_called_definite() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    attempts.store().close().unwrap();
    let answer = refused(&attempts, &InitRequest::new(key(1)));
    assert!(matches!(answer, Dispatched::Unavailable(Reason::Unknown)), "{answer:?}");
    assert_eq!(answer.certainty(), Some(Certainty::Indefinite));
}

#[test]
fn a_registration_without_a_known_outcome_is_named_so() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    attempts.store().inject(Some(Fault::CommitFailsAfter));
    let answer = refused(&attempts, &InitRequest::new(key(1)));
    assert!(matches!(answer, Dispatched::Unavailable(Reason::InitFailed)), "{answer:?}");
}

#[test]
fn a_request_that_is_refused_for_what_it_says_is_definite() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let known = InitRequest { fingerprint: Some(Fingerprint([1; 32])), ..InitRequest::new(key(1)) };
    attempts.init(&known).unwrap();
    attempts.write_raw(key(2), b"damaged").unwrap();
    let other = InitRequest { fingerprint: Some(Fingerprint([2; 32])), ..InitRequest::new(key(1)) };
    let reserved = AttemptKey::new(Namespace([0xff; 16]), 1);
    for (request, status) in [
        (other, Status::FingerprintMismatch),
        (InitRequest::new(key(2)), Status::CorruptRecord),
        (InitRequest::new(reserved), Status::InvalidArgument),
    ] {
        let answer = refused(&attempts, &request);
        assert_eq!(answer.certainty(), Some(Certainty::Definite));
        let Dispatched::FailedPrecondition(Some(error)) = answer else { panic!("{answer:?}") };
        assert_eq!(error.status(), status);
    }
}

/// The link handed the HTLC off and reported an error all the same: nobody may try another id.
#[test]
fn what_left_or_ended_while_it_was_sent_is_to_be_tracked() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let leaves = || assert!(attempts.mark_handed_off(key(1)).unwrap().changed());
    let ends = || assert!(attempts.store_result(key(2), settle(1)).unwrap().changed());
    let cases: [(u64, &dyn Fn()); 2] = [(1, &leaves), (2, &ends)];
    for (id, meanwhile) in cases {
        let sender = Sender { meanwhile, answer: Sent::LinkError };
        let answer = dispatch(&attempts, &InitRequest::new(key(id)), &sender);
        assert!(matches!(answer, Dispatched::AlreadyExists), "{answer:?}");
    }
    assert_eq!(attempts.get(key(1)).unwrap().state, State::HandedOff);
}

#[test]
fn a_rollback_that_the_store_refuses_lets_nobody_conclude_anything() {
    let world = World::new(AttemptsOptions::default());
    let attempts = world.open();
    let closes = || attempts.store().close().unwrap();
    let sender = Sender { meanwhile: &closes, answer: Sent::LinkError };
    let answer = dispatch(&attempts, &InitRequest::new(key(1)), &sender);
    assert!(matches!(answer, Dispatched::Unavailable(Reason::Unknown)), "{answer:?}");
    assert_eq!(world.open().get(key(1)).unwrap().state, State::Intent);
}
