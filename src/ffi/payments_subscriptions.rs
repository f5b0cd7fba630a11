//! Payments: following them.

use std::ffi::c_int;

use super::args::{self, Output};
use super::guard::guarded_done;
use super::handle;
use super::payments_read::owned_payment;
use super::status::lnkeep_status;
use super::types::*;
use crate::payments::Next;
use crate::types::PaymentHash;

/// Follows a payment, or all of them. The stream of one payment begins with its present state, then has every
/// change once, and closes after the terminal one or when the payment is deleted. The stream of all begins
/// with the unfinished payments. A subscription lives in memory: a restart forgets it, and what lasts are
/// the events of lnkeep_events_take.
///
/// Returns: LNKEEP_DONE; LNKEEP_PAYMENT_NOT_INITIATED, LNKEEP_CORRUPT_RECORD; LNKEEP_BUSY when too many are
///   open; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: payment_hash, 32 bytes, or NULL for all payments.
/// Out: subscription, a number for lnkeep_payments_next; not reused while the store is open.
/// Threads: any; no change committed during the call is missed or told twice.
/// Ownership: give it back with lnkeep_payments_unsubscribe.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_subscribe(
    payments: lnkeep_payments,
    payment_hash: *const u8,
    subscription: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(subscription, "subscription")?;
            let hash = match payment_hash.is_null() {
                true => None,
                false => Some(PaymentHash(*args::input(payment_hash.cast(), "payment_hash")?)),
            };
            output.set(handle::with_payments(payments.bits, |payments| match hash {
                Some(hash) => payments.subscribe(hash),
                None => payments.subscribe_all(),
            })?);
            Ok(())
        })
    }
}

/// Nothing yet.
pub const LNKEEP_NEXT_WAITING: u32 = 0;
/// A payment as it was after a change.
pub const LNKEEP_NEXT_PAYMENT: u32 = 1;
/// Views were dropped because nobody took them: missed says how many. Told once, then the stream goes on.
pub const LNKEEP_NEXT_MISSED: u32 = 2;
/// Nothing more will come.
pub const LNKEEP_NEXT_CLOSED: u32 = 3;

/// What a subscription has next; never waits. Call it until it answers LNKEEP_NEXT_WAITING or
/// LNKEEP_NEXT_CLOSED: only then lnkeep_payments_ready names the subscription again.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
/// In: subscription.
/// Out: state, LNKEEP_NEXT_*; payment, set with LNKEEP_NEXT_PAYMENT, else NULL; missed, NULL if not wanted.
/// Threads: any; of several takers each gets other views.
/// Ownership: free payment with lnkeep_payment_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_next(
    payments: lnkeep_payments,
    subscription: u64,
    state: *mut u32,
    payment: *mut *mut lnkeep_payment,
    missed: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let state = Output::required(state, "state")?;
            let output = Output::required(payment, "payment")?;
            let missed = Output::optional(missed, "missed")?;
            let next =
                handle::with_payments(payments.bits, |payments| Ok(payments.next(subscription)))?;
            let nothing = std::ptr::null_mut();
            let (number, view, dropped) = match next {
                Next::Waiting => (LNKEEP_NEXT_WAITING, nothing, 0),
                Next::View(payment) => (LNKEEP_NEXT_PAYMENT, owned_payment(payment), 0),
                Next::Missed(dropped) => (LNKEEP_NEXT_MISSED, nothing, dropped),
                Next::Closed => (LNKEEP_NEXT_CLOSED, nothing, 0),
            };
            state.set(number);
            output.set(view);
            missed.set(dropped);
            Ok(())
        })
    }
}

/// Ends a subscription; views not taken are dropped.
///
/// Returns: LNKEEP_DONE; LNKEEP_NOT_FOUND when it is not open; LNKEEP_BAD_HANDLE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_unsubscribe(
    payments: lnkeep_payments,
    subscription: u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: `err` is the caller's, as the header says.
    unsafe {
        guarded_done(err, || {
            handle::with_payments(payments.bits, |payments| payments.unsubscribe(subscription))
        })
    }
}

/// Numbers of subscriptions that have news, over all handles on these payments; never waits. Each is named
/// again once lnkeep_payments_next has read it empty.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
/// In: capacity, of subscriptions.
/// Out: subscriptions, the first ready_len of them; ready_len, 0 when there are none.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_ready(
    payments: lnkeep_payments,
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
                handle::with_payments(payments.bits, |payments| Ok(payments.ready(capacity)))?;
            for (index, id) in ready.iter().enumerate() {
                Output::required(subscriptions.add(index), "subscriptions")?.set(*id);
            }
            length.set(ready.len());
            Ok(())
        })
    }
}

/// A descriptor that is readable while subscriptions have news, for poll or epoll.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
/// Out: descriptor, valid until the last handle on these payments is closed.
/// Threads: any.
/// Ownership: the library's; never read, write or close it. It is close-on-exec.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_ready_descriptor(
    payments: lnkeep_payments,
    descriptor: *mut c_int,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(descriptor, "descriptor")?;
            let descriptor =
                handle::with_payments(payments.bits, |payments| Ok(payments.ready_descriptor()))?;
            output.set(descriptor);
            Ok(())
        })
    }
}
