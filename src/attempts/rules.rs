//! The rules of attempts: from what is stored and what is asked to what becomes stored. No clock, no disk,
//! no lock.
//!
//! A1 a final record never becomes pending. A2 a settle is never replaced; a failure may be, by a settle.
//! A3 a used id is never free again, unless the host says FORGET. A4 what may have left is never rolled back
//! by recovery: HANDED_OFF, and after a restore every intent older than it. A5 the preimage of a settle
//! hashes to the payment hash where that is known. A6 under lnd's rules results are overwritten, clean
//! removes pending records and fingerprints are not compared, as lnd does today. A7 a result that a payment
//! of this store waits for is neither deleted nor cleaned before the payment took it.
//!
//! | stored     | init          | mark        | result                     | fail pending | delete   |
//! |------------|---------------|-------------|----------------------------|--------------|----------|
//! | absent     | Intent        | NOT_FOUND   | final                      | NOT_FOUND    | NOT_FOUND|
//! | Intent     | ALREADY_EXISTS| HandedOff   | final                      | Failed       | PENDING  |
//! | HandedOff  | ALREADY_EXISTS| ALREADY     | final                      | HANDED_OFF * | PENDING  |
//! | Settled    | ALREADY_EXISTS| NOT_PENDING | same ALREADY, else CONFLICT| NOT_PENDING  | Deleted  |
//! | Failed     | ALREADY_EXISTS| NOT_PENDING | same ALREADY, settle wins  | NOT_PENDING  | Deleted  |
//! | Deleted    | ALREADY_EXISTS| DELETED     | CONFLICT                   | NOT_FOUND    | NOT_FOUND|
//! | unreadable | CORRUPT_RECORD in every column                                                       |
//!
//! * unless forced by the operator. Called by `commands`; the model test iterates the same rows.

use super::record::{Attempt, AttemptResult, Ending, Flags, State};
use crate::error::{Error, Result, Status};
use crate::events::EventKind;
use crate::limits::{MESSAGE_BYTES_MAX, TEMPORARY_NODE_FAILURE};
use crate::types::{AttemptKey, Clock, Fingerprint, PaymentHash, RawMessage};

/// Whose rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Final results are immutable; nothing pending is ever removed.
    Strict,
    /// What lnd does today, although it is questionable.
    Lnd,
}

/// What lies under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored<'a> {
    /// No record.
    Absent,
    /// Bytes that do not decode.
    Unreadable,
    /// A record.
    Found(&'a Attempt),
}

/// What a rule may know about the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Epoch of the store.
    pub epoch: u64,
    /// What the host last told about time.
    pub clock: Clock,
    /// Intents of earlier epochs may have left: a newer store that knew was lost.
    pub doubt_below_epoch: u64,
}

/// A request to register an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitRequest {
    /// Id and namespace.
    pub key: AttemptKey,
    /// Hash of the whole request; tells a repeat from another request under the same id.
    pub fingerprint: Option<Fingerprint>,
    /// Payment hash; with it a settle needs the right preimage.
    pub payment_hash: Option<PaymentHash>,
    /// Amount of the HTLC, 0 if unknown.
    pub amount_msat: u64,
    /// Short channel id of the first hop, 0 if unknown.
    pub first_hop_scid: u64,
    /// Absolute height at which the HTLC times out, 0 if unknown.
    pub cltv_expiry: u32,
}

impl InitRequest {
    /// A request that says nothing but its id.
    pub fn new(key: AttemptKey) -> InitRequest {
        InitRequest {
            key,
            fingerprint: None,
            payment_hash: None,
            amount_msat: 0,
            first_hop_scid: 0,
            cltv_expiry: 0,
        }
    }
}

/// What bars new ids in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gate {
    /// Ids below this one may have been used before a restore.
    pub id_floor: u64,
    /// The store was restored or copied and nobody acknowledged it.
    pub needs_acknowledgement: bool,
}

/// What a rule decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The record becomes this one, and the change is reported if it is one of state.
    Put(Box<Attempt>, Option<EventKind>),
    /// The record goes, and its id is free again.
    Remove(EventKind),
    /// An earlier call did it; nothing changes.
    Repeat(Status),
}

/// How a deletion treats the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retain {
    /// A tombstone keeps it refused.
    Tombstone,
    /// The host promises never to use it again; it is free.
    Forget,
}

/// Registers an attempt.
pub fn init(
    profile: Profile,
    stored: Stored<'_>,
    request: &InitRequest,
    gate: Gate,
    now: Now,
) -> Result<Decision> {
    let key = request.key;
    match stored {
        Stored::Found(attempt) => {
            if profile == Profile::Strict {
                refuse_other_request(attempt, request)?;
            }
            Ok(Decision::Repeat(Status::AlreadyExists))
        }
        Stored::Unreadable if profile == Profile::Lnd => Err(Error::new(
            Status::Unknown,
            format!("{key}: the record is unreadable, so nobody knows whether it was dispatched"),
        )),
        Stored::Unreadable => Err(unreadable(key)),
        Stored::Absent => {
            refuse_barred(key, gate)?;
            Ok(Decision::Put(Box::new(intent(request, now)), Some(EventKind::AttemptInit)))
        }
    }
}

fn intent(request: &InitRequest, now: Now) -> Attempt {
    Attempt {
        key: request.key,
        state: State::Intent,
        flags: Flags::default(),
        created_epoch: now.epoch,
        created_unix_ms: now.clock.unix_ms,
        updated_unix_ms: now.clock.unix_ms,
        amount_msat: request.amount_msat,
        first_hop_scid: request.first_hop_scid,
        cltv_expiry: request.cltv_expiry,
        fingerprint: request.fingerprint,
        payment_hash: request.payment_hash,
        result: None,
    }
}

/// Fingerprints and payment hashes are compared only where both sides give one.
fn refuse_other_request(attempt: &Attempt, request: &InitRequest) -> Result<()> {
    let differs = |ours: Option<[u8; 32]>, theirs: Option<[u8; 32]>| {
        ours.zip(theirs).is_some_and(|(ours, theirs)| ours != theirs)
    };
    let other_fingerprint =
        differs(attempt.fingerprint.map(|hash| hash.0), request.fingerprint.map(|hash| hash.0));
    let other_hash =
        differs(attempt.payment_hash.map(|hash| hash.0), request.payment_hash.map(|hash| hash.0));
    if !other_fingerprint && !other_hash {
        return Ok(());
    }
    let what = if other_fingerprint { "fingerprint" } else { "payment hash" };
    Err(Error::new(
        Status::FingerprintMismatch,
        format!("{}: registered for a request with another {what}; use a new id", request.key),
    ))
}

fn refuse_barred(key: AttemptKey, gate: Gate) -> Result<()> {
    if gate.needs_acknowledgement {
        return Err(Error::new(
            Status::NotAcknowledged,
            format!(
                "{key}: the store was restored or copied; acknowledge it with an id floor first"
            ),
        ));
    }
    if key.id.0 < gate.id_floor {
        return Err(Error::new(
            Status::BelowFloor,
            format!("{key}: below the floor {}; it may have been used before", gate.id_floor),
        ));
    }
    Ok(())
}

/// Marks an attempt as handed off. Durable before the HTLC may leave.
pub fn mark_handed_off(key: AttemptKey, stored: Stored<'_>, now: Now) -> Result<Decision> {
    let attempt = found(key, stored)?;
    match attempt.state {
        State::Intent => {
            let mut marked = attempt.clone();
            marked.state = State::HandedOff;
            marked.updated_unix_ms = now.clock.unix_ms;
            Ok(Decision::Put(Box::new(marked), Some(EventKind::AttemptHandedOff)))
        }
        State::HandedOff => Ok(Decision::Repeat(Status::Already)),
        State::Settled | State::Failed => Err(not_pending(attempt, "do not release its HTLC")),
        State::Deleted => Err(deleted(key)),
    }
}

/// Records a final result.
pub fn store_result(
    profile: Profile,
    key: AttemptKey,
    stored: Stored<'_>,
    result: &AttemptResult,
    now: Now,
) -> Result<Decision> {
    if result.message.len() > MESSAGE_BYTES_MAX {
        return Err(Error::new(
            Status::TooBig,
            format!("{key}: a message has at most {MESSAGE_BYTES_MAX} bytes (BOLT 1)"),
        ));
    }
    let before = match stored {
        Stored::Absent => None,
        Stored::Unreadable if profile == Profile::Lnd => None,
        Stored::Unreadable => return Err(unreadable(key)),
        Stored::Found(attempt) => Some(attempt),
    };
    let Some(attempt) = before else {
        let absent = intent(&InitRequest::new(key), now);
        return Ok(resolve(&absent, result, EventKind::AttemptResolved, now));
    };
    refuse_wrong_preimage(attempt, result)?;
    match (profile, attempt.state) {
        (_, State::Deleted) => Err(Error::new(
            Status::Conflict,
            format!("{key}: deleted; no result is stored any more"),
        )),
        (Profile::Strict, State::Settled | State::Failed) => {
            store_result_over_result(attempt, result, now)
        }
        _ => Ok(resolve(attempt, result, EventKind::AttemptResolved, now)),
    }
}

fn store_result_over_result(
    attempt: &Attempt,
    result: &AttemptResult,
    now: Now,
) -> Result<Decision> {
    if attempt.result.as_ref() == Some(result) {
        return Ok(Decision::Repeat(Status::Already));
    }
    match (attempt.state, &result.ending) {
        (State::Failed, Ending::Settle(_)) => {
            let mut settled = attempt.clone();
            settled.flags = Flags(settled.flags.with(Flags::CONFLICT).0 & !Flags::ACKED);
            Ok(resolve(&settled, result, EventKind::AttemptConflict, now))
        }
        (State::Settled, _) => Err(Error::new(
            Status::Conflict,
            format!("{}: already settled; nothing replaces a settle (A2)", attempt.key),
        )),
        _ => Err(Error::new(
            Status::Conflict,
            format!("{}: already failed; only a settle replaces a failure (A2)", attempt.key),
        )),
    }
}

fn resolve(attempt: &Attempt, result: &AttemptResult, event: EventKind, now: Now) -> Decision {
    let mut resolved = attempt.clone();
    resolved.state = result.state();
    resolved.updated_unix_ms = now.clock.unix_ms;
    resolved.result = Some(result.clone());
    Decision::Put(Box::new(resolved), Some(event))
}

fn refuse_wrong_preimage(attempt: &Attempt, result: &AttemptResult) -> Result<()> {
    let (Some(hash), Ending::Settle(preimage)) = (attempt.payment_hash, &result.ending) else {
        return Ok(());
    };
    if preimage.payment_hash() == hash {
        return Ok(());
    }
    Err(Error::new(
        Status::BadPreimage,
        format!("{}: the preimage does not hash to the payment hash (A5)", attempt.key),
    ))
}

/// A rollback: the HTLC has certainly not left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// BOLT 4 failure code; 0 means temporary node failure.
    pub failure_code: u16,
    /// The host's own encoding of the failure.
    pub message: RawMessage,
    /// The operator vouches that a handed-off HTLC is gone.
    pub forced: bool,
}

impl Default for Rollback {
    fn default() -> Rollback {
        Rollback {
            failure_code: TEMPORARY_NODE_FAILURE,
            message: RawMessage::default(),
            forced: false,
        }
    }
}

impl Rollback {
    /// The result a rollback stores.
    pub fn result(&self) -> AttemptResult {
        let failure_code =
            if self.failure_code == 0 { TEMPORARY_NODE_FAILURE } else { self.failure_code };
        AttemptResult {
            message: self.message.clone(),
            ..AttemptResult::local_failure(failure_code)
        }
    }
}

/// Rolls a pending attempt back to a local failure.
pub fn fail_pending(
    key: AttemptKey,
    stored: Stored<'_>,
    rollback: &Rollback,
    now: Now,
) -> Result<Decision> {
    let attempt = match stored {
        Stored::Found(attempt) if attempt.state == State::Deleted => {
            return Err(Error::new(Status::NotFound, format!("{key}: deleted")));
        }
        stored => found(key, stored)?,
    };
    match attempt.state {
        _ if attempt.state.is_pending() && may_have_left(attempt, now) && !rollback.forced => {
            Err(Error::new(
                Status::HandedOff,
                format!("{key}: may have been handed off, so it may settle; only force fails it"),
            ))
        }
        State::Intent | State::HandedOff => {
            let mut failed = attempt.clone();
            failed.flags = failed.flags.with(Flags::ROLLED_BACK);
            if may_have_left(attempt, now) {
                failed.flags = failed.flags.with(Flags::FORCED);
            }
            Ok(resolve(&failed, &rollback.result(), EventKind::AttemptResolved, now))
        }
        _ => Err(not_pending(attempt, "read its result")),
    }
}

/// Whether the HTLC of a pending attempt may have left. An intent certainly never left, unless a newer store
/// that may have known better was lost.
fn may_have_left(attempt: &Attempt, now: Now) -> bool {
    attempt.state == State::HandedOff || attempt.created_epoch < now.doubt_below_epoch
}

/// Deletes a finished attempt.
pub fn delete(key: AttemptKey, stored: Stored<'_>, retain: Retain, now: Now) -> Result<Decision> {
    let attempt = found(key, stored)?;
    match attempt.state {
        State::Intent | State::HandedOff => Err(Error::new(
            Status::Pending,
            format!("{key}: pending, kept; delete it when it ended"),
        )),
        State::Deleted => Err(Error::new(Status::NotFound, format!("{key}: already deleted"))),
        State::Settled | State::Failed if is_awaited(attempt) => Err(Error::new(
            Status::Pending,
            format!("{key}: its payment has not taken the result, kept; settle or fail it there"),
        )),
        State::Settled | State::Failed => Ok(remove(attempt, retain, now)),
    }
}

fn remove(attempt: &Attempt, retain: Retain, now: Now) -> Decision {
    match retain {
        Retain::Forget => Decision::Remove(EventKind::AttemptDeleted),
        Retain::Tombstone => {
            let tombstone = attempt.tombstone(now.clock.unix_ms);
            Decision::Put(Box::new(tombstone), Some(EventKind::AttemptDeleted))
        }
    }
}

/// Whether a payment still has to take the result (A7).
fn is_awaited(attempt: &Attempt) -> bool {
    attempt.flags.has(Flags::OF_PAYMENT) && !attempt.flags.has(Flags::ACKED)
}

/// What clean does with a record that is not in the keep set; `None` keeps it.
pub fn clean(profile: Profile, stored: Stored<'_>, retain: Retain, now: Now) -> Option<Decision> {
    match (profile, stored) {
        (_, Stored::Absent) | (Profile::Strict, Stored::Unreadable) => None,
        (Profile::Lnd, Stored::Unreadable) => Some(Decision::Remove(EventKind::AttemptDeleted)),
        (_, Stored::Found(attempt)) => match attempt.state {
            State::Deleted => None,
            State::Intent | State::HandedOff if profile == Profile::Strict => None,
            _ if is_awaited(attempt) => None,
            _ => Some(remove(attempt, retain, now)),
        },
    }
}

/// Acknowledges a result: the host has recorded it elsewhere.
pub fn ack(key: AttemptKey, stored: Stored<'_>) -> Result<Decision> {
    let attempt = found(key, stored)?;
    match attempt.state {
        State::Intent | State::HandedOff => {
            Err(Error::new(Status::ResultPending, format!("{key}: has no result to acknowledge")))
        }
        State::Deleted => Ok(Decision::Repeat(Status::Already)),
        _ if attempt.flags.has(Flags::ACKED) => Ok(Decision::Repeat(Status::Already)),
        _ => {
            let mut acked = attempt.clone();
            acked.flags = acked.flags.with(Flags::ACKED);
            Ok(Decision::Put(Box::new(acked), None))
        }
    }
}

/// Removes an unreadable record and burns its id.
pub fn quarantine(key: AttemptKey, stored: Stored<'_>, now: Now) -> Result<Decision> {
    match stored {
        Stored::Absent => Err(not_found(key)),
        Stored::Found(attempt) if attempt.flags.has(Flags::QUARANTINED) => {
            Ok(Decision::Repeat(Status::Already))
        }
        Stored::Found(_) => Err(Error::new(
            Status::Conflict,
            format!("{key}: readable; only damaged records are quarantined"),
        )),
        Stored::Unreadable => {
            let mut burned = intent(&InitRequest::new(key), now).tombstone(now.clock.unix_ms);
            burned.flags = burned.flags.with(Flags::QUARANTINED);
            Ok(Decision::Put(Box::new(burned), Some(EventKind::AttemptCorrupt)))
        }
    }
}

/// What the host's circuit map says about an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// The outgoing link took it: the network will answer.
    Open,
    /// Committed, and never taken by the outgoing link.
    HalfOpen,
}

/// What recovery does with a pending attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Leave it: an answer will come, or its dispatcher may be at work.
    Keep,
    /// It certainly never left.
    RollBack,
    /// It was handed off and no circuit is known: it stays pending and is reported.
    Unresolved,
}

/// Decides about one pending attempt after a restart (A4).
pub fn recover(
    attempt: &Attempt,
    circuit: Option<Circuit>,
    now: Now,
    include_current_epoch: bool,
) -> Recovery {
    if attempt.created_epoch >= now.epoch && !include_current_epoch {
        return Recovery::Keep;
    }
    match (attempt.state, circuit) {
        (_, Some(Circuit::Open)) => Recovery::Keep,
        (State::Intent | State::HandedOff, _) if may_have_left(attempt, now) => {
            Recovery::Unresolved
        }
        (State::Intent, _) => Recovery::RollBack,
        _ => Recovery::Keep,
    }
}

/// The final result of a record, or why there is none.
pub fn result_of<'a>(key: AttemptKey, stored: Stored<'a>) -> Result<&'a AttemptResult> {
    let attempt = found(key, stored)?;
    match &attempt.result {
        Some(result) => Ok(result),
        None if attempt.state == State::Deleted => Err(deleted(key)),
        None => Err(Error::new(
            Status::ResultPending,
            format!("{key}: registered and not resolved; track it"),
        )),
    }
}

/// The record under a key, or why there is none to work with.
pub fn found<'a>(key: AttemptKey, stored: Stored<'a>) -> Result<&'a Attempt> {
    match stored {
        Stored::Found(attempt) => Ok(attempt),
        Stored::Absent => Err(not_found(key)),
        Stored::Unreadable => Err(unreadable(key)),
    }
}

fn not_found(key: AttemptKey) -> Error {
    Error::new(Status::NotFound, format!("{key}: not registered"))
}

fn unreadable(key: AttemptKey) -> Error {
    Error::new(
        Status::CorruptRecord,
        format!("{key}: the record is damaged; quarantine it to burn its id"),
    )
}

fn deleted(key: AttemptKey) -> Error {
    Error::new(Status::Deleted, format!("{key}: deleted; its id stays burned"))
}

fn not_pending(attempt: &Attempt, advice: &str) -> Error {
    Error::new(Status::NotPending, format!("{}: already has a final result; {advice}", attempt.key))
}
