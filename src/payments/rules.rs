//! The rules of payments: from what is stored and what is asked to what becomes stored. No clock, no disk,
//! no lock.
//!
//! Y1 a hash that succeeded is never initiated again, also when its history was deleted. Y2 the attempts that
//! did not fail never sum up to more than the amount. Y3 a settle needs a preimage that hashes to the
//! attempt's hash. Y4 an attempt belongs to one payment. Y5 nothing in flight is deleted. Y6 a settle beats a
//! failure, whenever it comes. Y7 under lnd's rules ids are not unique, preimages and routes not looked at,
//! as in lnd today.
//!
//! | any in flight | any settled | any failed | reason | status                 |
//! |---------------|-------------|------------|--------|------------------------|
//! | yes           | *           | *          | *      | IN_FLIGHT              |
//! | no            | yes         | *          | *      | SUCCEEDED              |
//! | no            | no          | *          | yes    | FAILED                 |
//! | no            | no          | yes        | no     | IN_FLIGHT, may retry   |
//! | no            | no          | no         | no     | INITIATED              |
//!
//! | asked            | INITIATED      | IN_FLIGHT         | SUCCEEDED         | FAILED         |
//! |------------------|----------------|-------------------|-------------------|----------------|
//! | init             | PAYMENT_EXISTS | PAYMENT_IN_FLIGHT | ALREADY_PAID      | starts over    |
//! | register         | ok             | ok, or PENDING_*  | ALREADY_SUCCEEDED | ALREADY_FAILED |
//! | settle, fail one | not found      | ok                | ALREADY_SUCCEEDED | ALREADY_FAILED |
//! | fail (give up)   | ok             | ok                | refused, lnd: ok  | ok             |
//! | delete           | ok             | PAYMENT_IN_FLIGHT | ok                | ok             |
//!
//! PENDING_SETTLED when an attempt settled, else PENDING_FAILED when the payment was given up.
//!
//! Called by `commands`, and by callers without a store. The model test iterates the same rows.

use super::payment::{
    AttemptOutcome, AttemptRequest, AttemptState, FailureReason, Marks, Payment, PaymentAttempt,
    PaymentInit, PaymentStatus, Settle,
};
use super::payment::{Failure, Intent};
use crate::attempts::rules::Profile;
use crate::error::{Error, Result, Status};
use crate::events::EventKind;
use crate::types::{AttemptKey, PaymentHash};

/// The status of a payment, from what its attempts and its reason say.
pub fn decide_status(
    any_in_flight: bool,
    any_settled: bool,
    any_failed: bool,
    has_reason: bool,
) -> PaymentStatus {
    match (any_in_flight, any_settled, any_failed, has_reason) {
        (true, _, _, _) => PaymentStatus::InFlight,
        (_, true, _, _) => PaymentStatus::Succeeded,
        (_, _, _, true) => PaymentStatus::Failed,
        (_, _, true, _) => PaymentStatus::InFlight,
        _ => PaymentStatus::Initiated,
    }
}

/// What follows from a payment's attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PaymentState {
    /// Attempts in flight.
    pub in_flight: u64,
    /// Amount that no attempt covers which did not fail; 0 when late settles covered too much.
    pub remaining_msat: u64,
    /// Fees of the attempts that did not fail.
    pub fees_msat: u64,
    /// Whether an attempt settled.
    pub has_settled: bool,
    /// Whether the payment was given up and nothing settled.
    pub payment_failed: bool,
}

/// What the sums need of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptSum {
    /// Where it stands.
    pub state: AttemptState,
    /// What the receiver gets.
    pub amount_msat: u64,
    /// What the hops get.
    pub fee_msat: u64,
}

/// What follows from some attempts.
///
/// # Errors
/// `SentExceedsTotal` when those that did not fail sum up to more than the amount.
pub fn compute_state(
    amount_msat: u64,
    attempts: &[AttemptSum],
    has_reason: bool,
) -> Result<PaymentState> {
    let (sums, sent) = sum(attempts.iter().copied(), has_reason);
    match sent.and_then(|sent| amount_msat.checked_sub(sent)) {
        Some(remaining_msat) => Ok(PaymentState { remaining_msat, ..sums }),
        None => Err(Error::new(
            Status::SentExceedsTotal,
            format!("the attempts that did not fail sum up to more than {amount_msat} msat"),
        )),
    }
}

/// All sums but what remains, and what was sent unless it wraps.
fn sum(
    attempts: impl Iterator<Item = AttemptSum>,
    has_reason: bool,
) -> (PaymentState, Option<u64>) {
    let mut state = PaymentState::default();
    let mut sent = Some(0u64);
    for attempt in attempts {
        state.in_flight += u64::from(attempt.state == AttemptState::InFlight);
        state.has_settled |= attempt.state == AttemptState::Settled;
        if attempt.state != AttemptState::Failed {
            sent = sent.and_then(|sent| sent.checked_add(attempt.amount_msat));
            state.fees_msat = state.fees_msat.saturating_add(attempt.fee_msat);
        }
    }
    state.payment_failed = has_reason && !state.has_settled;
    (state, sent)
}

/// What follows from a stored payment's attempts. Late settles may cover more than the amount.
pub(super) fn state_of(payment: &Payment) -> PaymentState {
    let has_reason = payment.failure_reason.is_some();
    let (sums, sent) = sum(payment.attempts.iter().map(PaymentAttempt::sum), has_reason);
    let sent = sent.unwrap_or(u64::MAX);
    PaymentState { remaining_msat: payment.init.amount_msat.saturating_sub(sent), ..sums }
}

/// The status a payment must have.
pub(super) fn status_of(payment: &Payment) -> PaymentStatus {
    let any = |state| payment.attempts.iter().any(|attempt| attempt.state() == state);
    decide_status(
        any(AttemptState::InFlight),
        any(AttemptState::Settled),
        any(AttemptState::Failed),
        payment.failure_reason.is_some(),
    )
}

/// Whether a hash in this status may be initiated again.
///
/// # Errors
/// `PaymentExists`, `PaymentInFlight`, `AlreadyPaid`.
pub fn may_init(status: PaymentStatus) -> Result<()> {
    match status {
        PaymentStatus::Initiated => Err(Status::PaymentExists.into()),
        PaymentStatus::InFlight => Err(Status::PaymentInFlight.into()),
        PaymentStatus::Succeeded => Err(Status::AlreadyPaid.into()),
        PaymentStatus::Failed => Ok(()),
    }
}

/// Whether attempts of a payment in this status may be registered or end.
///
/// # Errors
/// `PaymentAlreadySucceeded`, `PaymentAlreadyFailed`.
pub fn may_update(status: PaymentStatus) -> Result<()> {
    match status {
        PaymentStatus::Initiated | PaymentStatus::InFlight => Ok(()),
        PaymentStatus::Succeeded => Err(Status::PaymentAlreadySucceeded.into()),
        PaymentStatus::Failed => Err(Status::PaymentAlreadyFailed.into()),
    }
}

/// Whether a payment in this status may be deleted.
///
/// # Errors
/// `PaymentInFlight`.
pub fn may_remove(status: PaymentStatus) -> Result<()> {
    match status {
        PaymentStatus::InFlight => Err(Status::PaymentInFlight.into()),
        _ => Ok(()),
    }
}

/// Whether another attempt may be registered.
///
/// # Errors
/// As [`may_update`]; `PaymentPendingSettled` when an attempt settled, else `PaymentPendingFailed` when the
/// payment was given up.
pub fn can_register(status: PaymentStatus, has_settled: bool, payment_failed: bool) -> Result<()> {
    may_update(status)?;
    match (status, has_settled, payment_failed) {
        (PaymentStatus::InFlight, true, _) => Err(Status::PaymentPendingSettled.into()),
        (PaymentStatus::InFlight, _, true) => Err(Status::PaymentPendingFailed.into()),
        _ => Ok(()),
    }
}

/// Whether a sender should make another attempt.
///
/// # Errors
/// `PaymentInternal` for what cannot be: nothing remains and no attempt was made, or something remains of a
/// payment that succeeded, because the receiver claimed only a part.
pub fn allow_more(
    status: PaymentStatus,
    remaining_msat: u64,
    has_settled: bool,
    payment_failed: bool,
) -> Result<bool> {
    match (remaining_msat, status) {
        (0, PaymentStatus::Initiated) => Err(Status::PaymentInternal.into()),
        (0, _) => Ok(false),
        (_, PaymentStatus::Succeeded) => Err(Status::PaymentInternal.into()),
        _ => Ok(can_register(status, has_settled, payment_failed).is_ok()),
    }
}

/// Whether a sender that makes no more attempts must wait for those in flight.
///
/// # Errors
/// `PaymentInternal` for what cannot be.
pub fn need_wait(
    status: PaymentStatus,
    remaining_msat: u64,
    has_settled: bool,
    payment_failed: bool,
) -> Result<bool> {
    match (remaining_msat, status) {
        (0, PaymentStatus::InFlight) => Ok(true),
        (0, PaymentStatus::Succeeded) => Ok(false),
        (0, _) | (_, PaymentStatus::Succeeded) => Err(Status::PaymentInternal.into()),
        (_, PaymentStatus::InFlight) => Ok(has_settled || payment_failed),
        (_, PaymentStatus::Initiated | PaymentStatus::Failed) => Ok(false),
    }
}

/// How a payment ended, or would if nothing else came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal<'a> {
    /// Neither settled nor given up.
    None,
    /// The settled attempt with the lowest id.
    Settled(&'a PaymentAttempt, &'a Settle),
    /// Given up.
    Failed(FailureReason),
}

/// How a payment ended, whatever its status: a settle counts before a reason.
pub fn terminal(payment: &Payment) -> Terminal<'_> {
    let settled = payment.attempts.iter().find_map(|attempt| match &attempt.outcome {
        AttemptOutcome::Settled(settle) => Some(Terminal::Settled(attempt, settle)),
        _ => None,
    });
    settled.unwrap_or(payment.failure_reason.map_or(Terminal::None, Terminal::Failed))
}

/// What a host wants checked beyond lnd's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checks {
    /// Totals of multi-part and blinded attempts equal the amount, and all AMP attempts in flight have one
    /// set id.
    pub totals: bool,
}

/// Whether an attempt fits a payment and its other attempts.
///
/// # Errors
/// `BlindedMissingTotal`, `MppRecordInBlinded`, `MixedBlinded`, `BlindedTotalMismatch`, `MppPayment`,
/// `NonMppPayment`, `MppAddrMismatch`, `MppTotalMismatch`, `ValueMismatch`, `ValueExceeds`: in this order.
pub fn verify_attempt(payment: &Payment, new: &AttemptRequest, checks: Checks) -> Result<()> {
    if new.blinded_total_msat == Some(0) {
        return Err(Status::BlindedMissingTotal.into());
    }
    if new.blinded_total_msat.is_some() && new.mpp.is_some() {
        return Err(Status::MppRecordInBlinded.into());
    }
    let in_flight = |attempt: &&PaymentAttempt| attempt.state() == AttemptState::InFlight;
    for attempt in payment.attempts.iter().filter(in_flight) {
        verify_beside(&attempt.request, new, checks)?;
    }
    let amount_msat = payment.init.amount_msat;
    if checks.totals {
        verify_totals(amount_msat, new)?;
    }
    let one_part = new.blinded_total_msat.is_none() && new.mpp.is_none();
    if one_part && new.amount_msat != amount_msat {
        return Err(Error::new(
            Status::ValueMismatch,
            format!(
                "{}: sends {} msat of {amount_msat} without a multi-part record",
                new.key, new.amount_msat
            ),
        ));
    }
    verify_value(payment, new)
}

fn verify_beside(old: &AttemptRequest, new: &AttemptRequest, checks: Checks) -> Result<()> {
    if new.blinded_total_msat.is_some() && old.mpp.is_some() {
        return Err(Status::MppRecordInBlinded.into());
    }
    match (old.blinded_total_msat, new.blinded_total_msat) {
        (Some(_), None) | (None, Some(_)) => return Err(Status::MixedBlinded.into()),
        (Some(old), Some(new)) if old != new => return Err(Status::BlindedTotalMismatch.into()),
        _ => {}
    }
    match (&old.mpp, &new.mpp) {
        (Some(_), None) => return Err(Status::MppPayment.into()),
        (None, Some(_)) => return Err(Status::NonMppPayment.into()),
        (Some(old), Some(new)) if old.payment_address != new.payment_address => {
            return Err(Status::MppAddrMismatch.into());
        }
        (Some(old), Some(new)) if old.total_msat != new.total_msat => {
            return Err(Status::MppTotalMismatch.into());
        }
        _ => {}
    }
    let set = |request: &AttemptRequest| request.amp.as_ref().map(|amp| amp.set_id);
    if checks.totals && set(old) != set(new) {
        return Err(Error::new(Status::MppAddrMismatch, "the AMP set ids differ"));
    }
    Ok(())
}

fn verify_totals(amount_msat: u64, new: &AttemptRequest) -> Result<()> {
    let told = new.mpp.map(|mpp| mpp.total_msat);
    if told.is_some_and(|total| total != amount_msat) {
        return Err(Status::MppTotalMismatch.into());
    }
    if new.blinded_total_msat.is_some_and(|total| total != amount_msat) {
        return Err(Status::BlindedTotalMismatch.into());
    }
    Ok(())
}

/// Y2. A sum that would wrap exceeds every amount.
fn verify_value(payment: &Payment, new: &AttemptRequest) -> Result<()> {
    let alive = payment.attempts.iter().filter(|attempt| attempt.state() != AttemptState::Failed);
    let sent = alive
        .map(|attempt| attempt.request.amount_msat)
        .try_fold(new.amount_msat, u64::checked_add);
    match sent {
        Some(sent) if sent <= payment.init.amount_msat => Ok(()),
        _ => Err(Error::new(
            Status::ValueExceeds,
            format!(
                "{}: {} msat more than what is out would exceed {} msat",
                new.key, new.amount_msat, payment.init.amount_msat
            ),
        )),
    }
}

/// What lies under a payment hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored<'a> {
    /// Nothing.
    Absent,
    /// It was paid and its history deleted, or its damaged record was quarantined.
    Tombstone,
    /// Rows that do not decode or do not agree with each other.
    Unreadable,
    /// A payment.
    Found(&'a Payment),
}

/// What is known of the caller's idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    /// No key was given, or it is new.
    Free,
    /// It belongs to a payment of this hash and sequence.
    Of(PaymentHash, u64),
}

/// What a rule decided about a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// An earlier call did it; nothing changes.
    Repeat(Status),
    /// An attempt is added, or takes the place of the one with its id.
    Attempt(Box<PaymentAttempt>, EventKind),
    /// The payment is given up; announced unless it was given up before.
    GiveUp(FailureReason, Option<EventKind>),
}

/// Initiates a payment: `Ok(None)` means that it is to be made anew.
///
/// # Errors
/// As [`may_init`]; `FingerprintMismatch` when the idempotency key belongs to another request,
/// `PaymentAlreadyFailed` or `Deleted` when the payment of the key is history; `CorruptRecord`.
pub fn init(stored: Stored<'_>, owner: KeyOwner, request: &PaymentInit) -> Result<Option<Status>> {
    if let Stored::Unreadable = stored {
        return Err(Error::new(
            Status::CorruptRecord,
            "the payment's record is unreadable, so nobody knows whether it was paid",
        ));
    }
    if let KeyOwner::Of(hash, sequence) = owner {
        return repeat_by_key(stored, hash, sequence, request).map(Some);
    }
    match stored {
        Stored::Absent | Stored::Unreadable => Ok(None),
        Stored::Tombstone => Err(Status::AlreadyPaid.into()),
        Stored::Found(payment) => match may_init(payment.status) {
            Ok(()) => Ok(None),
            Err(error) if error.status() == Status::PaymentExists && payment.init == *request => {
                Ok(Some(Status::AlreadyExists))
            }
            Err(error) => Err(error),
        },
    }
}

fn repeat_by_key(
    stored: Stored<'_>,
    hash: PaymentHash,
    sequence: u64,
    request: &PaymentInit,
) -> Result<Status> {
    let other = || {
        Error::new(
            Status::FingerprintMismatch,
            "the idempotency key belongs to another payment request",
        )
    };
    if hash != request.hash {
        return Err(other());
    }
    match stored {
        Stored::Tombstone => Err(Status::AlreadyPaid.into()),
        Stored::Absent | Stored::Unreadable => Err(Error::new(
            Status::Deleted,
            "the payment of this idempotency key ended and was deleted; use a new key",
        )),
        Stored::Found(payment) if payment.sequence != sequence => Err(Error::new(
            Status::PaymentAlreadyFailed,
            "the payment of this idempotency key failed, and its hash was tried again under another",
        )),
        Stored::Found(payment) => {
            let same = payment.init.amount_msat == request.amount_msat
                && payment.init.payment_request == request.payment_request;
            if same { Ok(Status::AlreadyExists) } else { Err(other()) }
        }
    }
}

/// A payment as it is made.
pub(super) fn new_payment(request: &PaymentInit, sequence: u64, unix_ms: u64) -> Payment {
    Payment {
        init: request.clone(),
        sequence,
        revision: 1,
        status: PaymentStatus::Initiated,
        marks: Marks::default(),
        failure_reason: None,
        first_failure_reason: None,
        updated_unix_ms: unix_ms,
        attempts: Vec::new(),
    }
}

/// Registers an attempt. `id_taken` tells whether any payment of the store has an attempt of this id.
///
/// # Errors
/// As [`can_register`]; `InvalidRoute`; `AttemptIdExists`; as [`verify_attempt`]: in this order.
pub fn register(
    profile: Profile,
    payment: &Payment,
    new: &AttemptRequest,
    tracked: bool,
    id_taken: bool,
    checks: Checks,
) -> Result<Decision> {
    let state = state_of(payment);
    can_register(payment.status, state.has_settled, state.payment_failed)?;
    let known = payment.attempt(new.key);
    if profile == Profile::Strict {
        if new.hop_count == 0 {
            return Err(Error::new(Status::InvalidRoute, format!("{}: no hop", new.key)));
        }
        if known.is_some_and(|known| {
            known.request == *new && known.marks.has(Marks::TRACKED) == tracked
        }) {
            return Ok(Decision::Repeat(Status::AlreadyExists));
        }
        if id_taken || known.is_some() {
            return Err(Error::new(
                Status::AttemptIdExists,
                format!("{}: registered with other content; use a new id", new.key),
            ));
        }
    }
    verify_attempt(payment, new, checks)?;
    let marks = if tracked { Marks(Marks::TRACKED) } else { Marks::default() };
    let mut attempt = PaymentAttempt {
        request: new.clone(),
        marks,
        outcome: AttemptOutcome::InFlight,
        note: Default::default(),
    };
    // Y7: how the attempt that had the id ended stays attached, with what the operator said of it.
    if let Some(known) = known {
        attempt.marks = marks.with(known.marks.0);
        attempt.outcome = known.outcome.clone();
        attempt.note = known.note.clone();
    }
    Ok(Decision::Attempt(Box::new(attempt), EventKind::PaymentAttemptRegistered))
}

/// What a caller wants to be told instead of what the rules allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strictness {
    /// Refuse the repeat of an identical result instead of answering ALREADY.
    pub refuse_repeat: bool,
    /// Refuse a settle after a failure instead of letting it win.
    pub refuse_late: bool,
}

impl Strictness {
    /// Refuses all but the first result of an attempt in flight, as lnd does.
    pub const FIRST_RESULT_ONLY: Strictness = Strictness { refuse_repeat: true, refuse_late: true };
}

/// Settles an attempt (Y3, Y6).
///
/// # Errors
/// As [`may_update`]; `AttemptNotFound`; `AttemptAlreadyFailed`; `AttemptAlreadySettled`; `BadPreimage`.
pub fn settle(
    profile: Profile,
    payment: &Payment,
    key: AttemptKey,
    settle: &Settle,
    strictness: Strictness,
) -> Result<Decision> {
    let known = payment.attempt(key);
    if let Some(PaymentAttempt { outcome: AttemptOutcome::Settled(stored), .. }) = known
        && stored.preimage == settle.preimage
        && !strictness.refuse_repeat
    {
        return Ok(Decision::Repeat(Status::Already));
    }
    let failed = known.filter(|known| known.state() == AttemptState::Failed);
    if let Some(late) = failed.filter(|_| !strictness.refuse_late) {
        refuse_wrong_preimage(payment, late, settle)?;
        let mut late = late.clone();
        late.marks = late.marks.with(Marks::LATE_SETTLE);
        late.outcome = AttemptOutcome::Settled(settle.clone());
        return Ok(Decision::Attempt(Box::new(late), EventKind::PaymentLateSettle));
    }
    let attempt = open_attempt(payment, key)?;
    if profile == Profile::Strict {
        refuse_wrong_preimage(payment, attempt, settle)?;
    }
    let mut settled = attempt.clone();
    settled.outcome = AttemptOutcome::Settled(settle.clone());
    Ok(Decision::Attempt(Box::new(settled), EventKind::PaymentAttemptSettled))
}

/// An attempt that has no result yet.
fn open_attempt(payment: &Payment, key: AttemptKey) -> Result<&PaymentAttempt> {
    may_update(payment.status)?;
    let attempt = payment.attempt(key).ok_or_else(|| {
        Error::new(Status::AttemptNotFound, format!("{key}: not an attempt of this payment"))
    })?;
    match attempt.state() {
        AttemptState::InFlight => Ok(attempt),
        AttemptState::Failed => Err(Status::AttemptAlreadyFailed.into()),
        AttemptState::Settled => Err(Status::AttemptAlreadySettled.into()),
    }
}

fn refuse_wrong_preimage(
    payment: &Payment,
    attempt: &PaymentAttempt,
    settle: &Settle,
) -> Result<()> {
    let hash = attempt.request.attempt_hash.unwrap_or(payment.hash());
    if settle.preimage.payment_hash() == hash {
        return Ok(());
    }
    Err(Error::new(
        Status::BadPreimage,
        format!("{}: the preimage does not hash to the attempt's hash (Y3)", attempt.request.key),
    ))
}

/// Whether a failure was told before. Its time is not compared: who tells it again may have a new clock.
fn is_repeat(stored: &Failure, told: &Failure) -> bool {
    stored.reason == told.reason
        && stored.source_index == told.source_index
        && stored.message == told.message
}

/// Fails an attempt.
///
/// # Errors
/// As [`may_update`]; `AttemptNotFound`; `AttemptAlreadyFailed`; `AttemptAlreadySettled`.
pub fn fail_attempt(
    payment: &Payment,
    key: AttemptKey,
    failure: &Failure,
    strictness: Strictness,
) -> Result<Decision> {
    if let Some(PaymentAttempt { outcome: AttemptOutcome::Failed(stored), .. }) =
        payment.attempt(key)
        && is_repeat(stored, failure)
        && !strictness.refuse_repeat
    {
        return Ok(Decision::Repeat(Status::Already));
    }
    let mut failed = open_attempt(payment, key)?.clone();
    failed.outcome = AttemptOutcome::Failed(failure.clone());
    Ok(Decision::Attempt(Box::new(failed), EventKind::PaymentAttemptFailed))
}

/// Gives a payment up: no attempt is registered from now on, those in flight may still settle.
///
/// # Errors
/// `PaymentAlreadySucceeded`, but not under lnd's rules.
pub fn give_up(profile: Profile, payment: &Payment, reason: FailureReason) -> Result<Decision> {
    let again = payment.status == PaymentStatus::Failed;
    match (profile, payment.status) {
        (Profile::Strict, PaymentStatus::Succeeded) => Err(Error::new(
            Status::PaymentAlreadySucceeded,
            "the payment succeeded; nothing is recorded",
        )),
        (Profile::Strict, _) if again && payment.failure_reason == Some(reason) => {
            Ok(Decision::Repeat(Status::Already))
        }
        (Profile::Strict, _) if again => Ok(Decision::GiveUp(reason, None)),
        _ => Ok(Decision::GiveUp(reason, Some(EventKind::PaymentFailed))),
    }
}

/// Ends an attempt in flight by the operator's word, with a note of why.
///
/// # Errors
/// As [`fail_attempt`].
pub fn force_fail(
    payment: &Payment,
    key: AttemptKey,
    failure: &Failure,
    note: &[u8],
    strictness: Strictness,
) -> Result<Decision> {
    let same = |known: &&PaymentAttempt| {
        known.marks.has(Marks::FORCED)
            && matches!(&known.outcome, AttemptOutcome::Failed(stored) if is_repeat(stored, failure))
            && known.note.expose() == note
    };
    if payment.attempt(key).filter(same).is_some() && !strictness.refuse_repeat {
        return Ok(Decision::Repeat(Status::Already));
    }
    let mut forced = open_attempt(payment, key)?.clone();
    forced.outcome = AttemptOutcome::Failed(failure.clone());
    forced.marks = forced.marks.with(Marks::FORCED);
    forced.note = crate::types::RawMessage::new(note);
    Ok(Decision::Attempt(Box::new(forced), EventKind::PaymentForced))
}

/// A payment after a decision.
pub(super) fn decided(payment: Payment, decision: Decision, unix_ms: u64) -> Payment {
    let mut after = payment;
    match decision {
        Decision::Repeat(_) => return after,
        Decision::GiveUp(reason, _) => {
            after.failure_reason = Some(reason);
            after.first_failure_reason = after.first_failure_reason.or(Some(reason));
        }
        Decision::Attempt(attempt, _) => {
            let marks = attempt.marks.0 & (Marks::LATE_SETTLE | Marks::FORCED);
            after.marks = after.marks.with(marks);
            match after.place(attempt.request.key) {
                Ok(place) => after.attempts[place] = *attempt,
                Err(place) => after.attempts.insert(place, *attempt),
            }
        }
    }
    after.revision += 1;
    after.updated_unix_ms = unix_ms;
    after.status = status_of(&after);
    after
}

/// Whether a host may go on sending a payment after a restart.
pub fn may_resume_sending(intent: Option<&Intent>, now_unix_ns: u64) -> bool {
    intent
        .is_some_and(|intent| intent.deadline_unix_ns == 0 || now_unix_ns < intent.deadline_unix_ns)
}
