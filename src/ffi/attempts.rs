//! Attempts: open, close, and everything that changes one.

use std::ffi::c_int;

use super::args::{self, Output, invalid};
use super::guard::{guarded, guarded_done};
use super::handle::{self, Object, Tag};
use super::operations::guarded_batch;
use super::status::lnkeep_status;
use super::types::*;
use crate::attempts::rules::{InitRequest, Retain, Rollback};
use crate::attempts::{AttemptResult, Attempts, AttemptsOptions, Ending, Operation};
use crate::error::{Error, Result, Status};
use crate::limits::BATCH_OPS_MAX;
use crate::memory::copied;
use crate::types::{Fingerprint, Namespace, PaymentHash, Preimage, RawMessage};

/// Opens the attempts of a store. While they are open, opening again with equal options gives another handle
/// on the same instance: the same subscriptions, and one list of ready ones for all its handles.
///
/// Returns: LNKEEP_DONE; LNKEEP_EXTERNAL_MARKER when an external router owns the attempts, or the row that
///   would say so is damaged (lnkeep_check names it), and options do not say LNKEEP_ATTEMPTS_EXTERNAL, with
///   which everything can be read; LNKEEP_ALREADY_OPEN when they are open with other options;
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_BUSY,
///   LNKEEP_NO_SPACE, LNKEEP_UNKNOWN, LNKEEP_POISONED.
/// In: options, NULL for the safe defaults.
/// Out: attempts, the handle.
/// Durable: the external mark, when LNKEEP_ATTEMPTS_EXTERNAL sets it.
/// Threads: any.
/// Ownership: close the handle with lnkeep_attempts_close.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_open(
    store: lnkeep_store,
    options: *const lnkeep_attempts_options,
    attempts: *mut lnkeep_attempts,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(attempts, "attempts")?;
            output.set(lnkeep_attempts { bits: 0 });
            let given = args::sized(options, "options")?;
            let options = attempts_options(&given)?;
            let opened =
                handle::with_store(store.bits, |object| Attempts::open(&object.store, options))?;
            output.set(lnkeep_attempts { bits: handle::open(Object::Attempts(opened))? });
            Ok(())
        })
    }
}

fn attempts_options(given: &lnkeep_attempts_options) -> Result<AttemptsOptions> {
    let known = LNKEEP_ATTEMPTS_EXTERNAL | LNKEEP_ATTEMPTS_UNMARKED_HOST;
    args::flags(given.flags, known, "options.flags")?;
    args::reserved(given.reserved, "options.reserved")?;
    Ok(AttemptsOptions {
        external: given.flags & LNKEEP_ATTEMPTS_EXTERNAL != 0,
        unmarked_host: given.flags & LNKEEP_ATTEMPTS_UNMARKED_HOST != 0,
        acked_retention_secs: given.acked_retention_secs,
        tombstone_retention_secs: given.tombstone_retention_secs,
        tombstones_max: given.tombstones_max,
        subscriptions_max: usize::try_from(given.subscriptions_max).unwrap_or(usize::MAX),
    })
}

/// Closes a handle on attempts. The last one takes the subscriptions with it.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE when it is not open.
/// In: attempts, a pointer to the handle; it is set to LNKEEP_ATTEMPTS_NONE.
/// Threads: any, also while other threads are inside calls on it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_close(
    attempts: *mut lnkeep_attempts,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let copy = Output::required(attempts, "attempts")?;
            let bits = args::input(attempts, "attempts")?.bits;
            handle::close(bits, Tag::Attempts, |_| Ok(()))?;
            copy.set(lnkeep_attempts { bits: 0 });
            Ok(())
        })
    }
}

/// Whether a handle on attempts is open now.
///
/// Returns: 1 or 0; 0 in a forked child.
/// Threads: any; another thread may close it right after.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_attempts_is_open(attempts: lnkeep_attempts) -> c_int {
    c_int::from(!crate::os::is_forked_child() && handle::is_open(attempts.bits, Tag::Attempts))
}

/// The operation of a tagged structure.
///
/// # Safety
/// Views inside it point to readable memory.
pub(super) unsafe fn operation_of(op: &lnkeep_op) -> Result<Operation> {
    let body = &op.body;
    // SAFETY: every member is plain bytes, so any of them may be read; views are promised by the caller.
    unsafe {
        match op.kind {
            LNKEEP_OP_ATTEMPT_INIT => {
                args::reserved(op.flags, "op.flags")?;
                Ok(Operation::Init(request_of(&body.attempt_init)?))
            }
            LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF => {
                args::reserved(op.flags, "op.flags")?;
                Ok(Operation::MarkHandedOff(args::key(&body.attempt_key)))
            }
            LNKEEP_OP_ATTEMPT_STORE_RESULT => {
                args::reserved(op.flags, "op.flags")?;
                let given = &body.attempt_result;
                Ok(Operation::StoreResult(args::key(&given.key), result_of(&given.result)?))
            }
            LNKEEP_OP_ATTEMPT_FAIL_PENDING => {
                let given = &body.attempt_rollback;
                args::reserved(given.reserved, "op.body.attempt_rollback.reserved")?;
                let rollback = rollback_of(given.failure_code, given.message, op.flags)?;
                Ok(Operation::FailPending(args::key(&given.key), rollback))
            }
            LNKEEP_OP_ATTEMPT_ACK => {
                args::reserved(op.flags, "op.flags")?;
                Ok(Operation::Ack(args::key(&body.attempt_key)))
            }
            LNKEEP_OP_ATTEMPT_DELETE => {
                Ok(Operation::Delete(args::key(&body.attempt_key), retain_of(op.flags)?))
            }
            LNKEEP_OP_ATTEMPT_QUARANTINE => {
                args::reserved(op.flags, "op.flags")?;
                Ok(Operation::Quarantine(args::key(&body.attempt_key)))
            }
            LNKEEP_OP_ATTEMPT_ALLOCATE => {
                args::reserved(op.flags, "op.flags")?;
                let given = &body.attempt_allocate;
                let external = args::bytes(given.external_key, "external_key")?;
                Ok(Operation::Allocate(Namespace(given.namespace_bytes), copied(external)?))
            }
            kind => Err(invalid(format!("op.kind {kind:#x} is unknown"))),
        }
    }
}

fn request_of(given: &lnkeep_attempt_request) -> Result<InitRequest> {
    args::flags(given.present, LNKEEP_HAS_FINGERPRINT | LNKEEP_HAS_PAYMENT_HASH, "present")?;
    let has = |flag: u32| given.present & flag != 0;
    Ok(InitRequest {
        key: args::key(&given.key),
        fingerprint: has(LNKEEP_HAS_FINGERPRINT).then_some(Fingerprint(given.fingerprint)),
        payment_hash: has(LNKEEP_HAS_PAYMENT_HASH).then_some(PaymentHash(given.payment_hash)),
        amount_msat: given.amount_msat,
        first_hop_scid: given.first_hop_scid,
        cltv_expiry: given.cltv_expiry,
    })
}

fn failure_code_of(code: u32) -> Result<u16> {
    u16::try_from(code).map_err(|_| invalid(format!("failure_code {code} exceeds 65,535")))
}

/// # Safety
/// The message points to readable memory.
pub(super) unsafe fn result_of(given: &lnkeep_attempt_result) -> Result<AttemptResult> {
    args::flags(given.flags, LNKEEP_RESULT_UNENCRYPTED | LNKEEP_RESULT_RESOLUTION, "result.flags")?;
    args::reserved(given.reserved, "result.reserved")?;
    let failure_code = failure_code_of(given.failure_code)?;
    let ending = match given.kind {
        LNKEEP_RESULT_SETTLE if failure_code != 0 => {
            return Err(invalid("a settle has no failure_code"));
        }
        LNKEEP_RESULT_SETTLE => Ending::Settle(Preimage::new(given.preimage)),
        LNKEEP_RESULT_FAIL if given.preimage != [0; 32] => {
            return Err(invalid("a failure has no preimage"));
        }
        LNKEEP_RESULT_FAIL => Ending::Fail { failure_code },
        kind => return Err(invalid(format!("result.kind {kind} is unknown"))),
    };
    Ok(AttemptResult {
        ending,
        unencrypted: given.flags & LNKEEP_RESULT_UNENCRYPTED != 0,
        resolution: given.flags & LNKEEP_RESULT_RESOLUTION != 0,
        // SAFETY: promised by the caller.
        message: RawMessage::copied(unsafe { args::bytes(given.message, "result.message") }?)?,
    })
}

/// # Safety
/// The message points to readable memory.
unsafe fn rollback_of(failure_code: u32, message: lnkeep_bytes, flags: u32) -> Result<Rollback> {
    args::flags(flags, LNKEEP_FAIL_FORCED, "flags")?;
    Ok(Rollback {
        failure_code: failure_code_of(failure_code)?,
        // SAFETY: promised by the caller.
        message: RawMessage::copied(unsafe { args::bytes(message, "message") }?)?,
        forced: flags & LNKEEP_FAIL_FORCED != 0,
    })
}

pub(super) fn retain_of(flags: u32) -> Result<Retain> {
    args::flags(flags, LNKEEP_DELETE_FORGET, "flags")?;
    let forget = flags & LNKEEP_DELETE_FORGET != 0;
    Ok(if forget { Retain::Forget } else { Retain::Tombstone })
}

/// Runs one change and gives its outcome.
///
/// # Safety
/// `outcome` is NULL or points to a writable outcome; `err` as in every call.
unsafe fn change(
    attempts: lnkeep_attempts,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
    operation: impl FnOnce() -> Result<Operation>,
) -> lnkeep_status {
    // SAFETY: promised by the caller.
    unsafe {
        guarded(err, || {
            let output = Output::optional(outcome, "outcome")?;
            let operation = operation()?;
            let reply =
                handle::with_attempts(attempts.bits, |attempts| attempts.change(operation))?;
            output.set(args::c_outcome(&Ok(reply)));
            Ok(reply.status.number())
        })
    }
}

/// Records the intent to dispatch an attempt. Of any number of calls with one id, exactly one is answered
/// LNKEEP_DONE: that caller validates and dispatches, everybody else tracks.
///
/// Returns: LNKEEP_DONE: dispatch it; LNKEEP_ALREADY_EXISTS: do not dispatch, track it;
///   LNKEEP_FINGERPRINT_MISMATCH when the id belongs to another request; LNKEEP_CORRUPT_RECORD;
///   LNKEEP_BELOW_FLOOR, LNKEEP_NOT_ACKNOWLEDGED after a restore; LNKEEP_NO_SPACE, LNKEEP_BUSY: not applied;
///   LNKEEP_UNKNOWN: reopen the store and repeat the SAME id, never a new one; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: request.
/// Out: outcome, NULL if not wanted.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY_EXISTS the record survives power loss.
/// Threads: any.
/// Ownership: request stays the caller's.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_init(
    attempts: lnkeep_attempts,
    request: *const lnkeep_attempt_request,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        change(attempts, outcome, err, || {
            Ok(Operation::Init(request_of(args::input(request, "request")?)?))
        })
    }
}

/// Records that the HTLC may leave. Call it before commitment_signed is released, and release only when it
/// answered LNKEEP_DONE or LNKEEP_ALREADY.
///
/// Returns: LNKEEP_DONE, LNKEEP_ALREADY; LNKEEP_NOT_PENDING when the attempt ended, LNKEEP_NOT_FOUND,
///   LNKEEP_DELETED, LNKEEP_CORRUPT_RECORD: do not release; LNKEEP_UNKNOWN: do not release, reopen and
///   repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_POISONED.
/// In: key.
/// Out: outcome, NULL if not wanted.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY; recovery never rolls the attempt back from then on.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_mark_handed_off(
    attempts: lnkeep_attempts,
    key: *const lnkeep_attempt_key,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        change(attempts, outcome, err, || {
            Ok(Operation::MarkHandedOff(args::key(args::input(key, "key")?)))
        })
    }
}

/// Records a final result and wakes its subscribers. A settle replaces a failure and sets
/// LNKEEP_OUTCOME_CONFLICT; nothing replaces a settle. An attempt never registered is accepted.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY for the same result again; LNKEEP_CONFLICT when another result
///   stays, or the attempt was deleted; LNKEEP_BAD_PREIMAGE; LNKEEP_CORRUPT_RECORD; LNKEEP_TOO_BIG;
///   LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: key; result.
/// Out: outcome, NULL if not wanted.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY; only then may the circuit be torn down.
/// Threads: any.
/// Ownership: result and its message stay the caller's.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_store_result(
    attempts: lnkeep_attempts,
    key: *const lnkeep_attempt_key,
    result: *const lnkeep_attempt_result,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        change(attempts, outcome, err, || {
            let key = args::key(args::input(key, "key")?);
            Ok(Operation::StoreResult(key, result_of(args::input(result, "result")?)?))
        })
    }
}

/// Rolls a pending attempt back to a failure of this node and wakes its subscribers. For an HTLC that has
/// certainly not left.
///
/// Returns: LNKEEP_DONE; LNKEEP_NOT_PENDING: a real result exists, read it; LNKEEP_HANDED_OFF: it may still
///   settle, or is older than a restore; LNKEEP_NOT_FOUND; LNKEEP_CORRUPT_RECORD; LNKEEP_TOO_BIG;
///   LNKEEP_UNKNOWN: reopen and repeat;
///   LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_POISONED.
/// In: key; failure_code, of BOLT 4, 0 for temporary node failure; message, the host's own encoding, may be
///   empty; flags, LNKEEP_FAIL_FORCED or 0.
/// Out: outcome, NULL if not wanted.
/// Durable: on LNKEEP_DONE; answer a client only then.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_fail_pending(
    attempts: lnkeep_attempts,
    key: *const lnkeep_attempt_key,
    failure_code: u32,
    message: lnkeep_bytes,
    flags: u32,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        change(attempts, outcome, err, || {
            let key = args::key(args::input(key, "key")?);
            Ok(Operation::FailPending(key, rollback_of(failure_code, message, flags)?))
        })
    }
}

/// Records that the host has the result elsewhere, so that retention may begin.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY; LNKEEP_RESULT_PENDING; LNKEEP_NOT_FOUND; LNKEEP_CORRUPT_RECORD;
///   LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: key.
/// Out: outcome, NULL if not wanted.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_ack(
    attempts: lnkeep_attempts,
    key: *const lnkeep_attempt_key,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        change(attempts, outcome, err, || Ok(Operation::Ack(args::key(args::input(key, "key")?))))
    }
}

/// Deletes finished attempts in one commit, with one outcome each. Ids stay burned unless flags say
/// LNKEEP_DELETE_FORGET.
///
/// Returns: LNKEEP_DONE; LNKEEP_BATCH when a key was not deleted: its outcome is LNKEEP_PENDING (kept: it
///   has no result, or its payment has not taken it),
///   LNKEEP_NOT_FOUND or LNKEEP_CORRUPT_RECORD (kept); LNKEEP_DUPLICATE_ID when a key is named twice,
///   LNKEEP_TOO_BIG, LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_POISONED: nothing was deleted; LNKEEP_UNKNOWN: reopen and repeat.
/// In: keys, keys_len of them, at most 1,024; flags.
/// Out: outcomes, keys_len of them, written always unless keys or outcomes is malformed.
/// Durable: outcomes that say LNKEEP_DONE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_delete(
    attempts: lnkeep_attempts,
    keys: *const lnkeep_attempt_key,
    keys_len: usize,
    flags: u32,
    outcomes: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_batch(outcomes, keys_len, err, || {
            if keys_len > BATCH_OPS_MAX {
                return Err(Error::new(
                    Status::TooBig,
                    format!("{keys_len} keys are more than {BATCH_OPS_MAX}; split them"),
                ));
            }
            let keys = args::inputs(keys, keys_len, "keys")?;
            let keys: Vec<_> = keys.iter().map(args::key).collect();
            let retain = retain_of(flags)?;
            handle::with_attempts(attempts.bits, |attempts| attempts.delete_many(&keys, retain))
        })
    }
}

/// Removes an unreadable record and burns its id, with an event.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY; LNKEEP_NOT_FOUND; LNKEEP_CONFLICT when the record is readable;
///   LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: key.
/// Out: outcome, NULL if not wanted.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_quarantine(
    attempts: lnkeep_attempts,
    key: *const lnkeep_attempt_key,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        change(attempts, outcome, err, || {
            Ok(Operation::Quarantine(args::key(args::input(key, "key")?)))
        })
    }
}

/// An id for an external key, such as CLN's (hash, group, part), LDK's PaymentId or eclair's UUID. The same
/// key always gets the same id, and no two keys of the store get one id. It registers nothing. A host that
/// allocates chooses no ids of its own.
///
/// Returns: LNKEEP_DONE for a new id, LNKEEP_ALREADY for one given before; LNKEEP_CORRUPT_RECORD when the
///   row of the key or of the namespace is damaged: no id is given; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_ID_OUT_OF_RANGE, LNKEEP_NOT_ACKNOWLEDGED, LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_POISONED; LNKEEP_UNKNOWN: reopen and repeat.
/// In: namespace_bytes, 16 of them or NULL for the default; external_key, 1 to 64 bytes.
/// Out: id.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_allocate(
    attempts: lnkeep_attempts,
    namespace_bytes: *const u8,
    external_key: lnkeep_bytes,
    id: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let output = Output::required(id, "id")?;
            let external_key = args::bytes(external_key, "external_key")?;
            let operation =
                Operation::Allocate(args::namespace(namespace_bytes), copied(external_key)?);
            let reply =
                handle::with_attempts(attempts.bits, |attempts| attempts.change(operation))?;
            output.set(reply.value);
            Ok(reply.status.number())
        })
    }
}
