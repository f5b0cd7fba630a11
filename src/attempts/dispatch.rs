//! The dispatch facade: the order in which registering, validating and sending are safe (lnd #10049).
//!
//! F1 the intent is durable before anything is validated: a retry of a request that succeeded must never meet
//! a newer, transient validation error and be read as failed. F2 a definite failure is rolled back before it
//! is answered. F3 "duplicate" from the sender is an acknowledgement and rolls nothing back.

use super::rules::{InitRequest, Rollback};
use super::{Attempts, InitAnswer};
use crate::error::{Class, Error, Status};

/// Why a request cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// The request itself is wrong.
    Malformed,
    /// No channel can carry it.
    NoChannel,
}

/// What the host's sender says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The HTLC is on its way.
    Accepted,
    /// The circuit map knows the id already.
    Duplicate,
    /// The link refused it before it left.
    LinkError,
    /// The host is shutting down; it has not left.
    Exiting,
    /// Anything else, and it has not left.
    Internal,
}

/// The host's part of a dispatch.
pub trait Dispatcher {
    /// Checks the request against the present, after its intent is durable.
    ///
    /// # Errors
    /// Why it cannot be sent.
    fn validate(&self) -> Result<(), Invalid>;
    /// Hands the HTLC to the link. Before commitment_signed leaves, the link calls
    /// [`Attempts::mark_handed_off`].
    fn send(&self) -> Sent;
}

/// Whether a client may conclude that nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It was not sent; another id may be tried.
    Definite,
    /// Nobody knows; retry the same id.
    Indefinite,
}

/// Answer to a client, with the gRPC code that lnd gives.
#[derive(Debug, Clone)]
pub enum Dispatched {
    /// OK: sent.
    Sent,
    /// ALREADY_EXISTS: an earlier call sent it; track it.
    AlreadyExists,
    /// INVALID_ARGUMENT: malformed, rolled back.
    InvalidArgument,
    /// FAILED_PRECONDITION: not sent.
    FailedPrecondition(Option<Error>),
    /// UNAVAILABLE: retry the same id.
    Unavailable(Reason),
}

/// Why a dispatch is unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// HTLC_INIT_FAILED: registering had no known outcome.
    InitFailed,
    /// SWITCH_EXITING: the host is shutting down.
    Exiting,
    /// REASON_UNKNOWN.
    Unknown,
}

impl Dispatched {
    /// What a client may conclude; `None` where it was sent.
    pub fn certainty(&self) -> Option<Certainty> {
        match self {
            Dispatched::Sent | Dispatched::AlreadyExists => None,
            Dispatched::InvalidArgument | Dispatched::FailedPrecondition(_) => {
                Some(Certainty::Definite)
            }
            Dispatched::Unavailable(_) => Some(Certainty::Indefinite),
        }
    }
}

/// Registers, validates and sends one attempt.
pub fn dispatch(
    attempts: &Attempts,
    request: &InitRequest,
    dispatcher: &impl Dispatcher,
) -> Dispatched {
    match attempts.init(request) {
        Ok(InitAnswer::Granted) => {}
        Ok(InitAnswer::AlreadyExists) => return Dispatched::AlreadyExists,
        Err(error) => return refused(error),
    }
    match dispatcher.validate() {
        Ok(()) => {}
        Err(Invalid::Malformed) => {
            return rolled_back(attempts, request, Dispatched::InvalidArgument);
        }
        Err(Invalid::NoChannel) => {
            return rolled_back(attempts, request, Dispatched::FailedPrecondition(None));
        }
    }
    match dispatcher.send() {
        Sent::Accepted => Dispatched::Sent,
        Sent::Duplicate => Dispatched::AlreadyExists,
        Sent::LinkError => rolled_back(attempts, request, Dispatched::FailedPrecondition(None)),
        Sent::Exiting => rolled_back(attempts, request, Dispatched::Unavailable(Reason::Exiting)),
        Sent::Internal => rolled_back(attempts, request, Dispatched::Unavailable(Reason::Unknown)),
    }
}

/// Only what says something about this request is definite: any other refusal leaves open whether an earlier
/// call sent it.
fn refused(error: Error) -> Dispatched {
    match error.status() {
        Status::FingerprintMismatch
        | Status::CorruptRecord
        | Status::InvalidArgument
        | Status::TooBig => Dispatched::FailedPrecondition(Some(error)),
        _ if error.class() == Class::Unknown => Dispatched::Unavailable(Reason::InitFailed),
        _ => Dispatched::Unavailable(Reason::Unknown),
    }
}

/// F2: the answer is given only once the rollback is durable. When it cannot be, nobody may conclude
/// anything: recovery rolls back later. When the attempt ended or left meanwhile, it is to be tracked.
fn rolled_back(attempts: &Attempts, request: &InitRequest, answer: Dispatched) -> Dispatched {
    match attempts.fail_pending(request.key, Rollback::default()) {
        Ok(_) => answer,
        Err(error) if matches!(error.status(), Status::NotPending | Status::HandedOff) => {
            Dispatched::AlreadyExists
        }
        Err(_) => Dispatched::Unavailable(Reason::Unknown),
    }
}
