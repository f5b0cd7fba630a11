//! Events: named cursors on the durable log.

use std::ffi::c_int;

use super::args::{self, Output};
use super::guard::{guarded, guarded_done};
use super::handle::{self, Object, Tag};
use super::status::lnkeep_status;
use super::types::*;
use crate::events::{Event, Events, Start};

/// Opens the cursor of a name, registering it when it is new. A registered cursor keeps its place over
/// restarts and pins the events it has not acknowledged, up to the store's limits.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_TOO_BIG when
///   256 cursors exist, LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_UNKNOWN, LNKEEP_POISONED.
/// In: name, 1 to 32 bytes; flags, LNKEEP_EVENTS_FROM_NEWEST or 0, read when the cursor is new.
/// Out: events, the handle.
/// Durable: the registration.
/// Threads: any.
/// Ownership: close the handle with lnkeep_events_close.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_events_open(
    store: lnkeep_store,
    name: lnkeep_bytes,
    flags: u32,
    events: *mut lnkeep_events,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(events, "events")?;
            output.set(lnkeep_events { bits: 0 });
            args::flags(flags, LNKEEP_EVENTS_FROM_NEWEST, "flags")?;
            let name = args::bytes(name, "name")?;
            let newest = flags & LNKEEP_EVENTS_FROM_NEWEST != 0;
            let start = if newest { Start::Newest } else { Start::Oldest };
            let opened =
                handle::with_store(store.bits, |object| Events::open(&object.store, name, start))?;
            output.set(lnkeep_events { bits: handle::open(Object::Events(opened))? });
            Ok(())
        })
    }
}

/// Closes a cursor's handle; the cursor stays registered.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE when it is not open.
/// In: events, a pointer to the handle; it is set to LNKEEP_EVENTS_NONE.
/// Threads: any, also while other threads are inside calls on it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_events_close(
    events: *mut lnkeep_events,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let copy = Output::required(events, "events")?;
            let bits = args::input(events, "events")?.bits;
            handle::close(bits, Tag::Events, |_| Ok(()))?;
            copy.set(lnkeep_events { bits: 0 });
            Ok(())
        })
    }
}

/// Whether a cursor's handle is open now.
///
/// Returns: 1 or 0; 0 in a forked child.
/// Threads: any; another thread may close it right after.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_events_is_open(events: lnkeep_events) -> c_int {
    c_int::from(!crate::os::is_forked_child() && handle::is_open(events.bits, Tag::Events))
}

/// The next events, oldest first; never waits. What was taken and not acknowledged comes again after a
/// reopen: deal with an event, then acknowledge it.
///
/// Returns: LNKEEP_DONE; LNKEEP_TRUNCATED once when unread events were cut, and the next call goes on with
///   the first one available; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_BUSY,
///   LNKEEP_POISONED.
/// In: capacity, of taken; at most 1,000 come at once.
/// Out: taken, the first taken_len of them; taken_len, 0 when there are none.
/// Threads: any; two takers of one handle split its events.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_events_take(
    events: lnkeep_events,
    taken: *mut lnkeep_event,
    capacity: usize,
    taken_len: *mut usize,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let length = Output::required(taken_len, "taken_len")?;
            Output::required(taken, "taken")?;
            let found = handle::with_events(events.bits, |events| events.take(capacity))?;
            for (index, event) in found.iter().enumerate() {
                Output::required(taken.add(index), "taken")?.set(c_event(event));
            }
            length.set(found.len());
            Ok(())
        })
    }
}

fn c_event(event: &Event) -> lnkeep_event {
    lnkeep_event {
        sequence: event.sequence,
        kind: u32::from(event.kind as u16),
        state: u32::from(event.state),
        failure_code: u32::from(event.failure_code),
        block_height: event.clock.block_height,
        unix_ms: event.clock.unix_ms,
        subject: event.subject,
        attempt_id: event.attempt_id,
        amount_msat: event.amount_msat,
        namespace_bytes: event.namespace.0,
        attempt_state: u32::from(event.attempt_state),
        failure_reason: u32::from(event.failure_reason),
        flags: u32::from(event.flags),
        reserved: 0,
        remaining_msat: event.remaining_msat,
        fees_msat: event.fees_msat,
    }
}

/// Records that everything up to a number was dealt with, so that it need not be kept for this cursor.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY for a number acknowledged before; LNKEEP_NOT_FOUND when the cursor
///   was unregistered; LNKEEP_INVALID_ARGUMENT for a number not written yet; LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_BUSY, LNKEEP_NO_SPACE, LNKEEP_UNKNOWN, LNKEEP_POISONED.
/// In: sequence, the number of the last event dealt with.
/// Durable: on LNKEEP_DONE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_events_ack(
    events: lnkeep_events,
    sequence: u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: `err` is the caller's, as the header says.
    unsafe {
        guarded(err, || {
            handle::with_events(events.bits, |events| Ok(events.ack(sequence)?.status.number()))
        })
    }
}

/// Removes the cursor from the store, so that it pins no events. The handle stays to be closed.
///
/// Returns: LNKEEP_DONE; LNKEEP_NOT_FOUND when it is not registered; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_BUSY, LNKEEP_NO_SPACE, LNKEEP_UNKNOWN, LNKEEP_POISONED.
/// Durable: on LNKEEP_DONE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_events_unregister(
    events: lnkeep_events,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: `err` is the caller's, as the header says.
    unsafe {
        guarded_done(err, || {
            handle::with_events(events.bits, |events| events.unregister().map(drop))
        })
    }
}

/// Number of the oldest event kept; one above the newest when none is kept. After LNKEEP_TRUNCATED, reading
/// goes on there.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_BUSY,
///   LNKEEP_POISONED.
/// Out: sequence.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_events_first_available(
    events: lnkeep_events,
    sequence: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(sequence, "sequence")?;
            output.set(handle::with_events(events.bits, Events::first_available)?);
            Ok(())
        })
    }
}

/// A descriptor that is readable while there may be events to take, for poll or epoll.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_INVALID_ARGUMENT.
/// Out: descriptor, valid until the handle is closed.
/// Threads: any.
/// Ownership: the library's; never read, write or close it. It is close-on-exec.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_events_descriptor(
    events: lnkeep_events,
    descriptor: *mut c_int,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(descriptor, "descriptor")?;
            output.set(handle::with_events(events.bits, |events| Ok(events.descriptor()))?);
            Ok(())
        })
    }
}
