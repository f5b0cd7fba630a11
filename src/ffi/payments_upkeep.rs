//! Payments: resuming after a restart, what is stuck, bulk deletion, retention, quarantine.

use std::collections::HashMap;

use super::args::{self, Output, invalid};
use super::guard::{guarded, guarded_done};
use super::handle;
use super::payments::{failure_of, hash_of};
use super::payments_read::statuses_of;
use super::status::lnkeep_status;
use super::types::*;
use crate::attempts::rules::Retain;
use crate::error::{Error, Result, Status};
use crate::payments::resume::{Answer, Resume, ResumeDispatcher, ResumeOptions};
use crate::payments::{DeleteFilter, Payment, PaymentAttempt, Payments, Stuck, StuckQuery};
use crate::types::{AttemptKey, PaymentHash, Preimage};

#[repr(C)]
struct OwnedResume {
    face: lnkeep_resume,
    keep: Vec<lnkeep_attempt_key>,
    payments: Vec<lnkeep_resumed>,
}

#[repr(C)]
struct OwnedStuckList {
    face: lnkeep_stuck_list,
    found: Vec<lnkeep_stuck>,
}

/// Keep the failed attempts of payments that are done.
pub const LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS: u32 = 1;
/// Hand payments back that kept an intent, as LNKEEP_RESUME_MAY_SEND, instead of giving them up.
pub const LNKEEP_RESUME_SENDING: u32 = 2;

/// The host's answers, each for one attempt; attempts without one are pending.
struct Answers(HashMap<AttemptKey, (Answer, bool)>);

impl ResumeDispatcher for Answers {
    fn answer(&self, _payment: &Payment, attempt: &PaymentAttempt) -> Answer {
        let known = self.0.get(&attempt.request.key);
        known.map_or(Answer::Pending, |(answer, _)| answer.clone())
    }

    fn first_hop_is_closed(&self, _payment: &Payment, attempt: &PaymentAttempt) -> bool {
        self.0.get(&attempt.request.key).is_some_and(|(_, is_closed)| *is_closed)
    }
}

/// # Safety
/// Messages of the answers point to readable memory.
unsafe fn answers_of(given: &[lnkeep_resume_answer]) -> Result<Answers> {
    let mut answers = HashMap::with_capacity(given.len());
    for one in given {
        args::flags(one.flags, LNKEEP_ANSWER_FIRST_HOP_CLOSED, "answer.flags")?;
        // SAFETY: promised by the caller.
        let failure = || unsafe { failure_of(&one.failure) };
        let answer = match one.answer {
            LNKEEP_ANSWER_SETTLED => Answer::Settled(Preimage::new(one.preimage)),
            LNKEEP_ANSWER_FAILED => Answer::Failed(failure()?),
            LNKEEP_ANSWER_FAILED_FINAL => Answer::FailedFinal(failure()?),
            LNKEEP_ANSWER_ERROR => Answer::Error,
            LNKEEP_ANSWER_UNKNOWN => Answer::Unknown,
            LNKEEP_ANSWER_PENDING => Answer::Pending,
            other => return Err(invalid(format!("answer.answer {other} is unknown"))),
        };
        let key = args::key(&one.key);
        let is_closed = one.flags & LNKEEP_ANSWER_FIRST_HOP_CLOSED != 0;
        if answers.insert(key, (answer, is_closed)).is_some() {
            return Err(Error::new(Status::DuplicateId, format!("{key}: answered twice")));
        }
    }
    Ok(Answers(answers))
}

/// Decides about every unfinished payment after a restart, as far as results are known; never sends anything
/// new. May be called at any time while no sender is at work on them, repeatedly.
///
/// What the attempt store knows of an attempt registered with LNKEEP_REGISTER_WITH_RECORD counts before the
/// host's answer. A payment that could go on is given up with LNKEEP_PAYMENT_REASON_NO_ROUTE, or, with
/// LNKEEP_RESUME_SENDING and an intent whose deadline lies ahead, handed back as LNKEEP_RESUME_MAY_SEND.
/// List what is in flight with lnkeep_payments_list before, to ask the dispatcher. Deadlines are compared
/// with the time of lnkeep_store_tick: tell it first. Failed attempts are deleted unless
/// LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS is set; those failed by force stay.
///
/// Returns: LNKEEP_DONE; LNKEEP_DUPLICATE_ID when an attempt is answered twice; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED; LNKEEP_UNKNOWN: reopen
///   and repeat.
/// In: answers, answers_len of them: what the dispatcher knows of attempts in flight; those without an answer
///   are taken as still out; flags, bits of LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS, LNKEEP_RESUME_SENDING.
/// Out: resume, what became of each payment, NULL if not wanted.
/// Durable: everything decided, and after an error what was decided before it.
/// Threads: any.
/// Ownership: answers stay the caller's; free resume with lnkeep_resume_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_resume(
    payments: lnkeep_payments,
    answers: *const lnkeep_resume_answer,
    answers_len: usize,
    flags: u32,
    resume: *mut *mut lnkeep_resume,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(resume, "resume")?;
            let known = LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS | LNKEEP_RESUME_SENDING;
            args::flags(flags, known, "flags")?;
            let answers = answers_of(args::inputs(answers, answers_len, "answers")?)?;
            let options = ResumeOptions {
                keep_failed_attempts: flags & LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS != 0,
                resume_sending: flags & LNKEEP_RESUME_SENDING != 0,
            };
            let resumed = handle::with_payments(payments.bits, |payments| {
                payments.resume(&answers, options)
            })?;
            output.set_with(|| owned_resume(&resumed));
            Ok(())
        })
    }
}

fn owned_resume(resumed: &Resume) -> *mut lnkeep_resume {
    let keep: Vec<_> = resumed.keep.iter().map(|key| args::c_key(*key)).collect();
    let payments = resumed.payments.iter().map(|payment| lnkeep_resumed {
        sequence: payment.sequence,
        outcome: payment.outcome as u32,
        has_hash: u32::from(payment.hash.is_some()),
        payment_hash: payment.hash.map_or([0; 32], |hash| hash.0),
    });
    let payments: Vec<_> = payments.collect();
    let face = lnkeep_resume {
        size: std::mem::size_of::<lnkeep_resume>(),
        keep: args::first(&keep),
        keep_len: keep.len(),
        payments: args::first(&payments),
        payments_len: payments.len(),
    };
    let owned = OwnedResume { face, keep, payments };
    debug_assert_eq!(owned.keep.len(), owned.face.keep_len);
    debug_assert_eq!(owned.payments.len(), owned.face.payments_len);
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees what lnkeep_payments_resume gave. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resume_free(resume: *mut lnkeep_resume) {
    if !resume.is_null() {
        // SAFETY: made by `owned_resume` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(resume.cast::<OwnedResume>()) });
    }
}

/// Attempts and payments that nobody seems to look after, among at most 256 unfinished payments per call.
/// An operator who is certain ends an attempt by lnkeep_payments_fail_attempt with LNKEEP_FAIL_FORCED.
///
/// Returns: LNKEEP_DONE; LNKEEP_UNSUPPORTED, LNKEEP_INVALID_ARGUMENT, LNKEEP_BUSY, LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: query, NULL for the defaults.
/// Out: list.
/// Threads: any.
/// Ownership: free list with lnkeep_stuck_list_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_stuck(
    payments: lnkeep_payments,
    query: *const lnkeep_stuck_query,
    list: *mut *mut lnkeep_stuck_list,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(list, "list")?;
            let given = args::sized(query, "query")?;
            let what = StuckQuery {
                block_height: given.block_height,
                grace_blocks: given.grace_blocks,
                untouched_since_unix_ms: given.untouched_since_unix_ms,
            };
            let after = (given.after != 0).then_some(given.after);
            let (found, next) =
                handle::with_payments(payments.bits, |payments| payments.stuck(&what, after))?;
            output.set(owned_stuck_list(&found, next));
            Ok(())
        })
    }
}

fn owned_stuck_list(found: &[Stuck], next: Option<u64>) -> *mut lnkeep_stuck_list {
    let nothing = lnkeep_attempt_key { namespace_bytes: [0; 16], id: 0 };
    let found = found.iter().map(|stuck| lnkeep_stuck {
        payment_hash: stuck.hash.0,
        sequence: stuck.sequence,
        attempt: stuck.attempt.map_or(nothing, args::c_key),
        reason: stuck.reason as u32,
        cltv_expiry: stuck.cltv_expiry,
    });
    let found: Vec<_> = found.collect();
    let face = lnkeep_stuck_list {
        size: std::mem::size_of::<lnkeep_stuck_list>(),
        found: args::first(&found),
        found_len: found.len(),
        next: next.unwrap_or(0),
        has_more: u32::from(next.is_some()),
        reserved: 0,
    };
    let owned = OwnedStuckList { face, found };
    debug_assert_eq!(owned.found.len(), owned.face.found_len);
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees what lnkeep_payments_stuck gave. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_stuck_list_free(list: *mut lnkeep_stuck_list) {
    if !list.is_null() {
        // SAFETY: made by `owned_stuck_list` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(list.cast::<OwnedStuckList>()) });
    }
}

/// Deletes payments that match, at most 128 per call, or their failed attempts. Begin with after 0, and call
/// it again with next while has_more is 1; a crash in between loses nothing but the place.
///
/// Returns: LNKEEP_DONE; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY,
///   LNKEEP_UNSUPPORTED, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: filter, NULL for the safe default: finished payments, paid hashes stay refused; after, a sequence
///   number.
/// Out: deleted, how many payments were removed or lost failed attempts; next; has_more; each NULL if not
///   wanted.
/// Durable: on LNKEEP_DONE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_delete_many(
    payments: lnkeep_payments,
    filter: *const lnkeep_payment_delete_filter,
    after: u64,
    deleted: *mut u64,
    next: *mut u64,
    has_more: *mut u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let deleted = Output::optional(deleted, "deleted")?;
            let next = Output::optional(next, "next")?;
            let has_more = Output::optional(has_more, "has_more")?;
            let filter = filter_of(&args::sized(filter, "filter")?)?;
            let after = (after != 0).then_some(after);
            let done = handle::with_payments(payments.bits, |payments| {
                payments.delete_many(&filter, after)
            })?;
            deleted.set(done.payments);
            next.set(done.next.unwrap_or(0));
            has_more.set(u32::from(done.next.is_some()));
            Ok(())
        })
    }
}

fn filter_of(given: &lnkeep_payment_delete_filter) -> Result<DeleteFilter> {
    let known = LNKEEP_DELETE_FORGET | LNKEEP_DELETE_FAILED_ATTEMPTS;
    args::flags(given.flags, known, "filter.flags")?;
    let has = |flag: u32| given.flags & flag != 0;
    Ok(DeleteFilter {
        statuses: statuses_of(given.statuses, "filter.statuses")?,
        created_to_unix_ns: given.created_to_unix_ns,
        failed_attempts_only: has(LNKEEP_DELETE_FAILED_ATTEMPTS),
        retain: if has(LNKEEP_DELETE_FORGET) { Retain::Forget } else { Retain::Tombstone },
    })
}

/// Runs one step of retention: rows of deleted payments go, finished payments beyond the limits of the
/// options are deleted with their hashes still refused, tombstones past their time are forgotten. Ages need
/// lnkeep_store_tick. Call it again until handled is 0.
///
/// Returns: LNKEEP_DONE; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// Out: handled, how many rows or payments were dealt with, NULL if not wanted.
/// Durable: on LNKEEP_DONE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_sweep(
    payments: lnkeep_payments,
    handled: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(handled, "handled")?;
            output.set(handle::with_payments(payments.bits, Payments::sweep)?);
            Ok(())
        })
    }
}

/// Removes an unreadable payment and refuses its hash for good, with an event. When only the row of the hash
/// is damaged, it is mended, and lnkeep_outcome.value is the payment's sequence number. However many of its
/// other rows are damaged: that hinders it in nothing.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY; LNKEEP_PAYMENT_NOT_INITIATED; LNKEEP_CONFLICT when the payment is
///   readable; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: payment_hash, 32 bytes.
/// Out: outcome, NULL if not wanted.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_quarantine(
    payments: lnkeep_payments,
    payment_hash: *const u8,
    outcome: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let output = Output::optional(outcome, "outcome")?;
            let hash = PaymentHash(hash_of(payment_hash)?);
            let reply = handle::with_payments(payments.bits, |payments| payments.quarantine(hash))?;
            output.set(args::c_outcome(&Ok(reply)));
            Ok(reply.status.number())
        })
    }
}
