//! Payments: open, close, and everything that changes one.

use std::ffi::c_int;

use super::args::{self, Output, invalid};
use super::guard::{guarded, guarded_done};
use super::handle::{self, Object, Tag};
use super::payments_read::owned_payment;
use super::status::lnkeep_status;
use super::types::*;
use crate::attempts::rules::Retain;
use crate::error::{Result, Status};
use crate::memory::copied;
use crate::payments::rules::Strictness;
use crate::payments::{
    Amp, AttemptFailure, AttemptRequest, Failure, FailureReason, Intent, Mpp, Operation,
    PaymentInit, Payments, PaymentsOptions, Secret, Settle,
};
use crate::types::{PaymentHash, Preimage, RawMessage};

/// Opens the payments of a store. While they are open, opening again with equal options gives another handle
/// on the same instance: the same subscriptions, and one list of ready ones for all its handles.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY_OPEN when they are open with other options; LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_BUSY, LNKEEP_POISONED.
/// In: options, NULL for the safe defaults.
/// Out: payments, the handle.
/// Threads: any.
/// Ownership: close the handle with lnkeep_payments_close.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_open(
    store: lnkeep_store,
    options: *const lnkeep_payments_options,
    payments: *mut lnkeep_payments,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(payments, "payments")?;
            output.set(lnkeep_payments { bits: 0 });
            let given = args::sized(options, "options")?;
            let options = payments_options(&given)?;
            let opened =
                handle::with_store(store.bits, |object| Payments::open(&object.store, options))?;
            output.set(lnkeep_payments { bits: handle::open(Object::Payments(opened))? });
            Ok(())
        })
    }
}

fn payments_options(given: &lnkeep_payments_options) -> Result<PaymentsOptions> {
    args::flags(given.flags, LNKEEP_PAYMENTS_CHECK_TOTALS, "options.flags")?;
    args::reserved(given.reserved, "options.reserved")?;
    Ok(PaymentsOptions {
        check_totals: given.flags & LNKEEP_PAYMENTS_CHECK_TOTALS != 0,
        finished_retention_secs: given.finished_retention_secs,
        finished_max: given.finished_max,
        history_bytes_max: given.history_bytes_max,
        tombstone_retention_secs: given.tombstone_retention_secs,
        subscriptions_max: usize::try_from(given.subscriptions_max).unwrap_or(usize::MAX),
    })
}

/// Closes a handle on payments. The last one takes the subscriptions with it.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE when it is not open.
/// In: payments, a pointer to the handle; it is set to LNKEEP_PAYMENTS_NONE.
/// Threads: any, also while other threads are inside calls on it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_close(
    payments: *mut lnkeep_payments,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let copy = Output::required(payments, "payments")?;
            let bits = args::input(payments, "payments")?.bits;
            handle::close(bits, Tag::Payments, |_| Ok(()))?;
            copy.set(lnkeep_payments { bits: 0 });
            Ok(())
        })
    }
}

/// Whether a handle on payments is open now.
///
/// Returns: 1 or 0; 0 in a forked child.
/// Threads: any; another thread may close it right after.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_payments_is_open(payments: lnkeep_payments) -> c_int {
    c_int::from(!crate::os::is_forked_child() && handle::is_open(payments.bits, Tag::Payments))
}

/// Whether a kind of operation is one of payments.
pub(super) fn is_operation(kind: u32) -> bool {
    (LNKEEP_OP_PAYMENT_INIT..=LNKEEP_OP_PAYMENT_DELETE).contains(&kind)
}

/// The operation of a tagged structure.
///
/// # Safety
/// Pointers and views inside it point to readable memory.
pub(super) unsafe fn operation_of(op: &lnkeep_op) -> Result<Operation> {
    let body = &op.body;
    // SAFETY: every member is plain bytes, so any of them may be read; pointers are promised by the caller.
    unsafe {
        match op.kind {
            LNKEEP_OP_PAYMENT_INIT => {
                args::reserved(op.flags, "op.flags")?;
                Ok(Operation::Init(init_of(body.payment_init.init)?))
            }
            LNKEEP_OP_PAYMENT_REGISTER => {
                let given = &body.payment_register;
                register_of(given.payment_hash, given.attempt, op.flags)
            }
            LNKEEP_OP_PAYMENT_SETTLE => {
                let given = &body.payment_settle;
                Ok(Operation::Settle(
                    PaymentHash(given.payment_hash),
                    args::key(&given.key),
                    settle_of(given.preimage, given.settled_unix_ns),
                    strictness_of(op.flags, 0)?,
                ))
            }
            LNKEEP_OP_PAYMENT_FAIL_ATTEMPT => {
                let given = &body.payment_fail_attempt;
                fail_attempt_of(
                    given.payment_hash,
                    &given.key,
                    &given.failure,
                    given.note,
                    op.flags,
                )
            }
            LNKEEP_OP_PAYMENT_FAIL => {
                args::reserved(op.flags, "op.flags")?;
                let given = &body.payment_fail;
                args::reserved(given.reserved, "op.body.payment_fail.reserved")?;
                Ok(Operation::Fail(PaymentHash(given.payment_hash), reason_of(given.reason)?))
            }
            LNKEEP_OP_PAYMENT_DELETE => delete_of(body.payment_delete.payment_hash, op.flags),
            kind => Err(invalid(format!("op.kind {kind:#x} is unknown"))),
        }
    }
}

/// # Safety
/// The pointer is NULL or points to a request that begins with its size; its views to readable memory.
unsafe fn init_of(init: *const lnkeep_payment_init) -> Result<PaymentInit> {
    // SAFETY: promised by the caller.
    unsafe {
        let given = args::sized_required(init, "init")?;
        let known = LNKEEP_PAYMENT_HAS_INTENT
            | LNKEEP_PAYMENT_HAS_DESTINATION
            | LNKEEP_PAYMENT_HAS_AMP_ROOT_SHARE;
        args::flags(given.present, known, "init.present")?;
        args::reserved(given.reserved, "init.reserved")?;
        Ok(PaymentInit {
            hash: PaymentHash(given.payment_hash),
            amount_msat: given.amount_msat,
            created_unix_ns: given.created_unix_ns,
            idempotency_key: copied(args::bytes(given.idempotency_key, "init.idempotency_key")?)?,
            payment_request: message(given.payment_request, "init.payment_request")?,
            first_hop_records: message(given.first_hop_records, "init.first_hop_records")?,
            intent: intent_of(&given)?,
        })
    }
}

/// # Safety
/// The views of the request point to readable memory.
unsafe fn intent_of(given: &lnkeep_payment_init) -> Result<Option<Intent>> {
    if given.intent_reserved != [0; 7] {
        return Err(invalid("init.intent_reserved must be 0"));
    }
    let has = |flag: u32| given.present & flag != 0;
    let (share_flag, destination_flag) =
        (has(LNKEEP_PAYMENT_HAS_AMP_ROOT_SHARE), has(LNKEEP_PAYMENT_HAS_DESTINATION));
    refuse_unsaid(
        share_flag,
        given.intent_amp_root_share == [0; 32],
        "init.intent_amp_root_share",
    )?;
    refuse_unsaid(
        destination_flag,
        given.intent_destination == [0; 33],
        "init.intent_destination",
    )?;
    if !has(LNKEEP_PAYMENT_HAS_INTENT) {
        let says_nothing = given.intent_deadline_unix_ns == 0
            && given.intent_fee_limit_msat == 0
            && given.intent_data.len == 0
            && !share_flag
            && !destination_flag;
        return match says_nothing {
            true => Ok(None),
            false => Err(invalid("init has intent_ fields and not LNKEEP_PAYMENT_HAS_INTENT")),
        };
    }
    let share = Secret::new(given.intent_amp_root_share);
    Ok(Some(Intent {
        deadline_unix_ns: given.intent_deadline_unix_ns,
        fee_limit_msat: given.intent_fee_limit_msat,
        destination: has(LNKEEP_PAYMENT_HAS_DESTINATION).then_some(given.intent_destination),
        amp_root_share: has(LNKEEP_PAYMENT_HAS_AMP_ROOT_SHARE).then_some(share),
        // SAFETY: promised by the caller.
        data: unsafe { message(given.intent_data, "init.intent_data") }?,
    }))
}

/// # Safety
/// The view points to readable memory.
unsafe fn message(view: lnkeep_bytes, name: &str) -> Result<RawMessage> {
    // SAFETY: promised by the caller.
    RawMessage::copied(unsafe { args::bytes(view, name) }?)
}

/// # Safety
/// The pointer is NULL or points to a request that begins with its size; its views to readable memory.
unsafe fn register_of(
    hash: [u8; 32],
    attempt: *const lnkeep_payment_attempt_request,
    flags: u32,
) -> Result<Operation> {
    args::flags(flags, LNKEEP_REGISTER_WITH_RECORD, "flags")?;
    let with_record = flags & LNKEEP_REGISTER_WITH_RECORD != 0;
    // SAFETY: promised by the caller.
    let request = unsafe { attempt_of(&args::sized_required(attempt, "attempt")?)? };
    Ok(Operation::Register(PaymentHash(hash), request, with_record))
}

/// A field that is set without its flag would be dropped: the caller forgot one of the two.
fn refuse_unsaid(is_said: bool, is_zero: bool, name: &str) -> Result<()> {
    if is_said || is_zero {
        return Ok(());
    }
    Err(invalid(format!("{name} is set and its bit of present is not")))
}

/// # Safety
/// The views of the request point to readable memory.
pub(super) unsafe fn attempt_of(given: &lnkeep_payment_attempt_request) -> Result<AttemptRequest> {
    let known = LNKEEP_PAYMENT_ATTEMPT_HAS_HASH
        | LNKEEP_PAYMENT_ATTEMPT_HAS_MPP
        | LNKEEP_PAYMENT_ATTEMPT_HAS_AMP
        | LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED
        | LNKEEP_PAYMENT_ATTEMPT_HAS_FIRST_HOP_AMOUNT;
    args::flags(given.present, known, "attempt.present")?;
    let has = |flag: u32| given.present & flag != 0;
    // Dropped, it would bar every settle of an AMP attempt.
    let has_hash = has(LNKEEP_PAYMENT_ATTEMPT_HAS_HASH);
    refuse_unsaid(has_hash, given.attempt_hash == [0; 32], "attempt.attempt_hash")?;
    let mpp = Mpp { payment_address: given.mpp_payment_address, total_msat: given.mpp_total_msat };
    let amp = Amp {
        root_share: Secret::new(given.amp_root_share),
        set_id: given.amp_set_id,
        child_index: given.amp_child_index,
    };
    // SAFETY: promised by the caller.
    unsafe {
        Ok(AttemptRequest {
            key: args::key(&given.key),
            amount_msat: given.amount_msat,
            fee_msat: given.fee_msat,
            attempt_hash: has(LNKEEP_PAYMENT_ATTEMPT_HAS_HASH)
                .then_some(PaymentHash(given.attempt_hash)),
            mpp: has(LNKEEP_PAYMENT_ATTEMPT_HAS_MPP).then_some(mpp),
            amp: has(LNKEEP_PAYMENT_ATTEMPT_HAS_AMP).then_some(amp),
            blinded_total_msat: has(LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED)
                .then_some(given.blinded_total_msat),
            hop_count: given.hop_count,
            first_hop_scid: given.first_hop_scid,
            first_hop_amount_msat: has(LNKEEP_PAYMENT_ATTEMPT_HAS_FIRST_HOP_AMOUNT)
                .then_some(given.first_hop_amount_msat),
            cltv_expiry: given.cltv_expiry,
            sent_unix_ns: given.sent_unix_ns,
            route: message(given.route, "attempt.route")?,
            session_key: message(given.session_key, "attempt.session_key")?,
            first_hop_records: message(given.first_hop_records, "attempt.first_hop_records")?,
        })
    }
}

fn settle_of(preimage: [u8; 32], settled_unix_ns: u64) -> Settle {
    Settle { preimage: Preimage::new(preimage), settled_unix_ns }
}

fn strictness_of(flags: u32, others: u32) -> Result<Strictness> {
    let known = LNKEEP_RESULT_REFUSE_REPEAT | LNKEEP_RESULT_REFUSE_LATE | others;
    args::flags(flags, known, "flags")?;
    Ok(Strictness {
        refuse_repeat: flags & LNKEEP_RESULT_REFUSE_REPEAT != 0,
        refuse_late: flags & LNKEEP_RESULT_REFUSE_LATE != 0,
    })
}

/// # Safety
/// The message points to readable memory.
pub(super) unsafe fn failure_of(given: &lnkeep_payment_failure) -> Result<Failure> {
    let reason = u8::try_from(given.reason).ok().and_then(AttemptFailure::from_number);
    Ok(Failure {
        reason: reason
            .ok_or_else(|| invalid(format!("failure.reason {} is unknown", given.reason)))?,
        source_index: given.source_index,
        // SAFETY: promised by the caller.
        message: unsafe { message(given.message, "failure.message") }?,
        failed_unix_ns: given.failed_unix_ns,
    })
}

/// # Safety
/// Message and note point to readable memory.
unsafe fn fail_attempt_of(
    hash: [u8; 32],
    key: &lnkeep_attempt_key,
    failure: &lnkeep_payment_failure,
    note: lnkeep_bytes,
    flags: u32,
) -> Result<Operation> {
    args::flags(flags, LNKEEP_RESULT_REFUSE_REPEAT | LNKEEP_FAIL_FORCED, "flags")?;
    let hash = PaymentHash(hash);
    let key = args::key(key);
    // SAFETY: promised by the caller.
    let (failure, note) = unsafe { (failure_of(failure)?, args::bytes(note, "note")?) };
    if flags & LNKEEP_FAIL_FORCED != 0 {
        let strictness = strictness_of(flags & !LNKEEP_FAIL_FORCED, 0)?;
        return Ok(Operation::ForceFail(hash, key, failure, copied(note)?, strictness));
    }
    if !note.is_empty() {
        return Err(invalid("note is kept only with LNKEEP_FAIL_FORCED"));
    }
    Ok(Operation::FailAttempt(hash, key, failure, strictness_of(flags, 0)?))
}

pub(super) fn reason_of(reason: u32) -> Result<FailureReason> {
    let known = u8::try_from(reason).ok().and_then(FailureReason::from_number);
    known.ok_or_else(|| invalid(format!("reason {reason} is unknown")))
}

fn delete_of(hash: [u8; 32], flags: u32) -> Result<Operation> {
    let hash = PaymentHash(hash);
    match flags {
        0 => Ok(Operation::Delete(hash, Retain::Tombstone)),
        LNKEEP_DELETE_FORGET => Ok(Operation::Delete(hash, Retain::Forget)),
        LNKEEP_DELETE_FAILED_ATTEMPTS => Ok(Operation::DeleteFailedAttempts(hash)),
        LNKEEP_DELETE_TOMBSTONE => Ok(Operation::Forget(hash)),
        flags => {
            Err(invalid(format!("flags {flags:#x} is none of LNKEEP_DELETE_*, one at a time")))
        }
    }
}

/// A hash of 32 bytes.
///
/// # Safety
/// A pointer that is not NULL points to 32 readable bytes.
pub(super) unsafe fn hash_of(payment_hash: *const u8) -> Result<[u8; 32]> {
    // SAFETY: promised by the caller; bytes need no alignment.
    Ok(*unsafe { args::input(payment_hash.cast::<[u8; 32]>(), "payment_hash") }?)
}

/// Runs one change and gives its outcome and the payment after it, both from one transaction.
///
/// # Safety
/// `payment` and `outcome` are NULL or writable; `err` as in every call.
unsafe fn change(
    payments: lnkeep_payments,
    payment: *mut *mut lnkeep_payment,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
    operation: impl FnOnce() -> Result<Operation>,
) -> lnkeep_status {
    // SAFETY: promised by the caller.
    unsafe {
        guarded(err, || {
            let view = Output::optional(payment, "payment")?;
            let output = Output::optional(outcome, "outcome")?;
            let operation = operation()?;
            let changed =
                handle::with_payments(payments.bits, |payments| payments.change(operation))?;
            view.set_with(|| owned_payment(changed.payment));
            output.set(args::c_outcome(&Ok(changed.reply)));
            Ok(changed.reply.status.number())
        })
    }
}

/// Initiates a payment. A payment of the hash that FAILED starts over with a new sequence number.
///
/// Returns: LNKEEP_DONE: send it; LNKEEP_ALREADY_EXISTS for the same request again while nothing was sent, or
///   for a repeat of its idempotency key whatever became of the first: do not send, look at payment;
///   LNKEEP_PAYMENT_EXISTS, LNKEEP_PAYMENT_IN_FLIGHT, LNKEEP_ALREADY_PAID; LNKEEP_FINGERPRINT_MISMATCH when
///   the idempotency key belongs to another request, LNKEEP_PAYMENT_ALREADY_FAILED or LNKEEP_DELETED when
///   its payment is history; LNKEEP_CORRUPT_RECORD; LNKEEP_NOT_ACKNOWLEDGED after a restore; LNKEEP_TOO_BIG;
///   LNKEEP_UNKNOWN: reopen and repeat the SAME request; LNKEEP_NO_SPACE, LNKEEP_BUSY,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: init.
/// Out: payment, as it is after the call; outcome; each NULL if not wanted.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY_EXISTS.
/// Threads: any.
/// Ownership: init stays the caller's; free payment with lnkeep_payment_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_init(
    payments: lnkeep_payments,
    init: *const lnkeep_payment_init,
    payment: *mut *mut lnkeep_payment,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe { change(payments, payment, outcome, err, || Ok(Operation::Init(init_of(init)?))) }
}

/// Registers an attempt of a payment, before it is sent. With LNKEEP_REGISTER_WITH_RECORD the attempt's
/// record in the attempt store is made in the same transaction, as lnkeep_attempts_init would: go on with
/// lnkeep_attempts_mark_handed_off before the HTLC leaves.
///
/// Returns: LNKEEP_DONE: send it; LNKEEP_ALREADY_EXISTS for the same attempt again: do not send, track it;
///   LNKEEP_PAYMENT_NOT_INITIATED, LNKEEP_PAYMENT_ALREADY_SUCCEEDED, LNKEEP_PAYMENT_ALREADY_FAILED,
///   LNKEEP_PAYMENT_PENDING_SETTLED, LNKEEP_PAYMENT_PENDING_FAILED, LNKEEP_INVALID_ROUTE,
///   LNKEEP_ATTEMPT_ID_EXISTS, LNKEEP_BLINDED_MISSING_TOTAL, LNKEEP_MPP_RECORD_IN_BLINDED,
///   LNKEEP_MIXED_BLINDED, LNKEEP_BLINDED_TOTAL_MISMATCH, LNKEEP_MPP_PAYMENT, LNKEEP_NON_MPP_PAYMENT,
///   LNKEEP_MPP_ADDR_MISMATCH, LNKEEP_MPP_TOTAL_MISMATCH, LNKEEP_VALUE_MISMATCH, LNKEEP_VALUE_EXCEEDS:
///   looked for in this order; LNKEEP_BELOW_FLOOR, LNKEEP_NOT_ACKNOWLEDGED after a restore;
///   LNKEEP_EXTERNAL_MARKER; LNKEEP_TOO_BIG; LNKEEP_CORRUPT_RECORD; LNKEEP_UNKNOWN: reopen and repeat the
///   SAME attempt; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: payment_hash, 32 bytes; attempt; flags, LNKEEP_REGISTER_WITH_RECORD or 0.
/// Out: payment, as it is after the call; outcome; each NULL if not wanted.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY_EXISTS.
/// Threads: any; attempts registered at once by many threads never exceed the payment's amount.
/// Ownership: attempt stays the caller's; free payment with lnkeep_payment_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_register(
    payments: lnkeep_payments,
    payment_hash: *const u8,
    attempt: *const lnkeep_payment_attempt_request,
    flags: u32,
    payment: *mut *mut lnkeep_payment,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        change(payments, payment, outcome, err, || {
            register_of(hash_of(payment_hash)?, attempt, flags)
        })
    }
}

/// Settles an attempt of a payment; with a record in the attempt store, the record is settled and
/// acknowledged in the same transaction. A settle beats a failure, whenever it comes, and sets
/// LNKEEP_OUTCOME_CONFLICT.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY for the same settle again; LNKEEP_PAYMENT_NOT_INITIATED,
///   LNKEEP_PAYMENT_ALREADY_SUCCEEDED, LNKEEP_PAYMENT_ALREADY_FAILED, LNKEEP_ATTEMPT_NOT_FOUND,
///   LNKEEP_ATTEMPT_ALREADY_FAILED with LNKEEP_RESULT_REFUSE_LATE, LNKEEP_ATTEMPT_ALREADY_SETTLED,
///   LNKEEP_BAD_PREIMAGE: looked for in this order; LNKEEP_CORRUPT_RECORD; LNKEEP_UNKNOWN: reopen and
///   repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_POISONED.
/// In: payment_hash, 32 bytes; key; preimage, 32 bytes; settled_unix_ns, nanoseconds since 1970 or 0; flags,
///   bits of LNKEEP_RESULT_REFUSE_*.
/// Out: payment, as it is after the call; outcome; each NULL if not wanted.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
/// Threads: any.
/// Ownership: free payment with lnkeep_payment_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_settle(
    payments: lnkeep_payments,
    payment_hash: *const u8,
    key: *const lnkeep_attempt_key,
    preimage: *const u8,
    settled_unix_ns: u64,
    flags: u32,
    payment: *mut *mut lnkeep_payment,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        change(payments, payment, outcome, err, || {
            let preimage = *args::input(preimage.cast::<[u8; 32]>(), "preimage")?;
            Ok(Operation::Settle(
                PaymentHash(hash_of(payment_hash)?),
                args::key(args::input(key, "key")?),
                settle_of(preimage, settled_unix_ns),
                strictness_of(flags, 0)?,
            ))
        })
    }
}

/// Fails an attempt of a payment; with a record in the attempt store, an intent is rolled back and the record
/// acknowledged in the same transaction. With LNKEEP_FAIL_FORCED the operator vouches that the HTLC is gone,
/// and the note says why.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY for the same failure again; LNKEEP_PAYMENT_NOT_INITIATED,
///   LNKEEP_PAYMENT_ALREADY_SUCCEEDED, LNKEEP_PAYMENT_ALREADY_FAILED, LNKEEP_ATTEMPT_NOT_FOUND,
///   LNKEEP_ATTEMPT_ALREADY_FAILED, LNKEEP_ATTEMPT_ALREADY_SETTLED: looked for in this order;
///   LNKEEP_HANDED_OFF: it may still settle; LNKEEP_CONFLICT: its record holds a settle, settle it;
///   LNKEEP_CORRUPT_RECORD; LNKEEP_TOO_BIG; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: payment_hash, 32 bytes; key; failure; note, at most 1,024 bytes, empty without LNKEEP_FAIL_FORCED;
///   flags, LNKEEP_FAIL_FORCED, LNKEEP_RESULT_REFUSE_REPEAT.
/// Out: payment, as it is after the call; outcome; each NULL if not wanted.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
/// Threads: any.
/// Ownership: failure and note stay the caller's; free payment with lnkeep_payment_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_fail_attempt(
    payments: lnkeep_payments,
    payment_hash: *const u8,
    key: *const lnkeep_attempt_key,
    failure: *const lnkeep_payment_failure,
    note: lnkeep_bytes,
    flags: u32,
    payment: *mut *mut lnkeep_payment,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        change(payments, payment, outcome, err, || {
            let failure = args::input(failure, "failure")?;
            let hash = hash_of(payment_hash)?;
            fail_attempt_of(hash, args::input(key, "key")?, failure, note, flags)
        })
    }
}

/// Gives a payment up: no attempt is registered from now on. It is FAILED when nothing is in flight any more
/// and nothing settled.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY when it failed for that reason; LNKEEP_PAYMENT_NOT_INITIATED,
///   LNKEEP_PAYMENT_ALREADY_SUCCEEDED, LNKEEP_CORRUPT_RECORD; LNKEEP_UNKNOWN: reopen and repeat;
///   LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_POISONED.
/// In: payment_hash, 32 bytes; reason, LNKEEP_PAYMENT_REASON_*.
/// Out: payment, as it is after the call; outcome; each NULL if not wanted.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
/// Threads: any.
/// Ownership: free payment with lnkeep_payment_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_fail(
    payments: lnkeep_payments,
    payment_hash: *const u8,
    reason: u32,
    payment: *mut *mut lnkeep_payment,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        change(payments, payment, outcome, err, || {
            Ok(Operation::Fail(PaymentHash(hash_of(payment_hash)?), reason_of(reason)?))
        })
    }
}

/// Deletes a payment that is not in flight, or its failed attempts, or the tombstone of one deleted before.
/// The hash of a paid payment stays refused, and its idempotency key known, unless flags say
/// LNKEEP_DELETE_FORGET.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY when no failed attempt or no tombstone is there;
///   LNKEEP_PAYMENT_NOT_INITIATED; LNKEEP_PAYMENT_IN_FLIGHT; LNKEEP_ENTRIES_EXIST when
///   LNKEEP_DELETE_TOMBSTONE meets a payment; LNKEEP_CORRUPT_RECORD; LNKEEP_UNKNOWN: reopen and repeat;
///   LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_POISONED.
/// In: payment_hash, 32 bytes; flags, 0 or one of LNKEEP_DELETE_FORGET, LNKEEP_DELETE_FAILED_ATTEMPTS,
///   LNKEEP_DELETE_TOMBSTONE.
/// Out: outcome, NULL if not wanted.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_delete(
    payments: lnkeep_payments,
    payment_hash: *const u8,
    flags: u32,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let output = Output::optional(outcome, "outcome")?;
            let operation = delete_of(hash_of(payment_hash)?, flags)?;
            let reply = handle::with_payments(payments.bits, |payments| match operation {
                Operation::Delete(hash, retain) => payments.delete(hash, retain),
                Operation::DeleteFailedAttempts(hash) => payments.delete_failed_attempts(hash),
                Operation::Forget(hash) => payments.forget(hash),
                _ => Err(Status::Internal.into()),
            })?;
            output.set(args::c_outcome(&Ok(reply)));
            Ok(reply.status.number())
        })
    }
}
