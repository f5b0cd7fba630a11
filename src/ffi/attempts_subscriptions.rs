//! Attempts: waiting for results.

use std::ffi::c_int;

use super::args::{self, Output};
use super::attempts_read::owned_result;
use super::guard::guarded_done;
use super::handle;
use super::status::lnkeep_status;
use super::types::*;
use crate::attempts::Polled;

/// Refuse to wait for an attempt that is not registered.
pub const LNKEEP_SUBSCRIBE_REQUIRE_KNOWN: u32 = 1;

/// Waits for an attempt's result, also for one that is not registered yet. A subscription lives in memory: a
/// restart forgets it. Poll it when lnkeep_attempts_ready names it, then unsubscribe.
///
/// Returns: LNKEEP_DONE; with LNKEEP_SUBSCRIBE_REQUIRE_KNOWN also LNKEEP_NOT_FOUND, LNKEEP_DELETED,
///   LNKEEP_CORRUPT_RECORD; LNKEEP_BUSY when too many are open; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: key; flags, LNKEEP_SUBSCRIBE_REQUIRE_KNOWN or 0.
/// Out: subscription, a number to poll; not reused while the store is open.
/// Threads: any; no result committed during the call is missed.
/// Ownership: give it back with lnkeep_attempts_unsubscribe.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_subscribe(
    attempts: lnkeep_attempts,
    key: *const lnkeep_attempt_key,
    flags: u32,
    subscription: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(subscription, "subscription")?;
            args::flags(flags, LNKEEP_SUBSCRIBE_REQUIRE_KNOWN, "flags")?;
            let key = args::key(args::input(key, "key")?);
            let require_known = flags & LNKEEP_SUBSCRIBE_REQUIRE_KNOWN != 0;
            output.set(handle::with_attempts(attempts.bits, |attempts| {
                attempts.subscribe(key, require_known)
            })?);
            Ok(())
        })
    }
}

/// No final result yet.
pub const LNKEEP_POLL_WAITING: u32 = 0;
/// The result is given out by this call.
pub const LNKEEP_POLL_RESULT: u32 = 1;
/// The result was given out before.
pub const LNKEEP_POLL_DONE: u32 = 2;
/// Cancelled, shut down, or never to be served.
pub const LNKEEP_POLL_CLOSED: u32 = 3;

/// What a subscription has: the first final result written while it waited, given out once.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
/// In: subscription.
/// Out: state, LNKEEP_POLL_*; result, set with LNKEEP_POLL_RESULT, else NULL.
/// Threads: any; of several pollers one gets the result.
/// Ownership: free the result with lnkeep_attempt_result_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_poll(
    attempts: lnkeep_attempts,
    subscription: u64,
    state: *mut u32,
    result: *mut *mut lnkeep_attempt_result,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let state = Output::required(state, "state")?;
            let output = Output::required(result, "result")?;
            let polled =
                handle::with_attempts(attempts.bits, |attempts| Ok(attempts.poll(subscription)))?;
            let nothing = std::ptr::null_mut();
            let (number, result) = match polled {
                Polled::Waiting => (LNKEEP_POLL_WAITING, nothing),
                Polled::Result(result) => (LNKEEP_POLL_RESULT, owned_result(result)),
                Polled::Done => (LNKEEP_POLL_DONE, nothing),
                Polled::Closed => (LNKEEP_POLL_CLOSED, nothing),
            };
            state.set(number);
            output.set(result);
            Ok(())
        })
    }
}

/// Cancels a subscription; a result that was not polled is dropped.
///
/// Returns: LNKEEP_DONE; LNKEEP_NOT_FOUND when it is not open; LNKEEP_BAD_HANDLE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_unsubscribe(
    attempts: lnkeep_attempts,
    subscription: u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: `err` is the caller's, as the header says.
    unsafe {
        guarded_done(err, || {
            handle::with_attempts(attempts.bits, |attempts| attempts.unsubscribe(subscription))
        })
    }
}

/// Closes every subscription that still waits, such as at shutdown: each is named by lnkeep_attempts_ready
/// and polls LNKEEP_POLL_CLOSED. Results that are ready can still be polled.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_unsubscribe_all(
    attempts: lnkeep_attempts,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: `err` is the caller's, as the header says.
    unsafe {
        guarded_done(err, || {
            handle::with_attempts(attempts.bits, |attempts| {
                attempts.unsubscribe_all();
                Ok(())
            })
        })
    }
}

/// How many subscriptions wait for an attempt.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
/// In: key.
/// Out: waiters.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_waiters(
    attempts: lnkeep_attempts,
    key: *const lnkeep_attempt_key,
    waiters: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(waiters, "waiters")?;
            let key = args::key(args::input(key, "key")?);
            let waiting =
                handle::with_attempts(attempts.bits, |attempts| Ok(attempts.waiters(key)))?;
            output.set(waiting as u64);
            Ok(())
        })
    }
}

/// Numbers of subscriptions to poll: served or closed, each told once, over all handles on these attempts;
/// never waits.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
/// In: capacity, of subscriptions.
/// Out: subscriptions, the first ready_len of them; ready_len, 0 when there are none.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_ready(
    attempts: lnkeep_attempts,
    subscriptions: *mut u64,
    capacity: usize,
    ready_len: *mut usize,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let length = Output::required(ready_len, "ready_len")?;
            Output::required(subscriptions, "subscriptions")?;
            let ready =
                handle::with_attempts(attempts.bits, |attempts| Ok(attempts.ready(capacity)))?;
            for (index, id) in ready.iter().enumerate() {
                Output::required(subscriptions.add(index), "subscriptions")?.set(*id);
            }
            length.set(ready.len());
            Ok(())
        })
    }
}

/// A descriptor that is readable while subscriptions are ready, for poll or epoll.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
/// Out: descriptor, valid until the last handle on these attempts is closed.
/// Threads: any.
/// Ownership: the library's; never read, write or close it. It is close-on-exec.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_ready_descriptor(
    attempts: lnkeep_attempts,
    descriptor: *mut c_int,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(descriptor, "descriptor")?;
            let descriptor =
                handle::with_attempts(attempts.bits, |attempts| Ok(attempts.ready_descriptor()))?;
            output.set(descriptor);
            Ok(())
        })
    }
}
