//! Attempts: work on many of them, restores, the external mark.

use super::args::{self, Output};
use super::attempts::retain_of;
use super::guard::{guarded, guarded_done};
use super::handle;
use super::status::lnkeep_status;
use super::types::{lnkeep_attempts, lnkeep_error, lnkeep_id_floor};
use crate::attempts::Attempts;
use crate::error::Status;
use crate::limits::BATCH_OPS_MAX;
use crate::types::Namespace;

/// Acknowledges every final record of a namespace with an id below `below`, in bounded steps of one commit
/// each. The next call starts at the lowest record that was not final; a record made later below that mark is
/// not seen.
///
/// Returns: LNKEEP_DONE; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: namespace_bytes, 16 of them or NULL for the default; below.
/// Out: acked, how many were acknowledged, NULL if not wanted.
/// Durable: every step done before an error stays done.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_ack_below(
    attempts: lnkeep_attempts,
    namespace_bytes: *const u8,
    below: u64,
    acked: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(acked, "acked")?;
            let namespace = args::namespace(namespace_bytes);
            output.set(handle::with_attempts(attempts.bits, |attempts| {
                attempts.ack_below(namespace, below)
            })?);
            Ok(())
        })
    }
}

/// Removes every finished record of a namespace whose id is not in the keep list, in bounded steps of one
/// commit each. Pending records are kept, unreadable ones kept and counted; with LNKEEP_STORE_LND_COMPAT
/// both are removed, as lnd does.
///
/// Returns: LNKEEP_DONE; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: namespace_bytes, 16 of them or NULL for the default; keep_ids, keep_len of them; flags,
///   LNKEEP_DELETE_FORGET or 0.
/// Out: removed, unreadable, how many records were removed and how many were kept because they are damaged;
///   NULL if not wanted.
/// Durable: every step done before an error stays done.
/// Threads: any; a record that ends meanwhile may be removed or not.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_clean(
    attempts: lnkeep_attempts,
    namespace_bytes: *const u8,
    keep_ids: *const u64,
    keep_len: usize,
    flags: u32,
    removed: *mut u64,
    unreadable: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let removed = Output::optional(removed, "removed")?;
            let unreadable = Output::optional(unreadable, "unreadable")?;
            let namespace = args::namespace(namespace_bytes);
            let keep = args::inputs(keep_ids, keep_len, "keep_ids")?.iter().copied().collect();
            let retain = retain_of(flags)?;
            let cleaned = handle::with_attempts(attempts.bits, |attempts| {
                attempts.clean(namespace, &keep, retain)
            })?;
            removed.set(cleaned.removed);
            unreadable.set(cleaned.unreadable.len() as u64);
            Ok(())
        })
    }
}

/// Runs one bounded step of retention: acknowledged records past their time become tombstones, tombstones
/// past theirs are forgotten, as the options at open say. Needs lnkeep_store_tick. Call it again until
/// handled is 0.
///
/// Returns: LNKEEP_DONE; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// Out: handled, how many waiting records were dealt with, NULL if not wanted.
/// Durable: on LNKEEP_DONE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_sweep(
    attempts: lnkeep_attempts,
    handled: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(handled, "handled")?;
            output.set(handle::with_attempts(attempts.bits, Attempts::sweep)?);
            Ok(())
        })
    }
}

/// Takes the external router's mark away, so that a local open is possible again.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY when there is no mark; LNKEEP_ENTRIES_EXIST while any record of any
///   namespace remains, tombstones included; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE,
///   LNKEEP_BUSY, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_disable_external(
    attempts: lnkeep_attempts,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: `err` is the caller's, as the header says.
    unsafe {
        guarded(err, || {
            let disable = |attempts: &Attempts| Ok(attempts.disable_external()?.status.number());
            handle::with_attempts(attempts.bits, disable)
        })
    }
}

/// Ends the refusal of new ids after a restore or a copy. Every namespace that has records needs a floor;
/// ids below it without a record stay refused for good, since they may have been used by the newer store, and
/// allocations start above every floor. Floors only rise, and are raised also when nothing waits for it.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY when no floor rises; LNKEEP_INVALID_ARGUMENT when a namespace
///   with records is missing; LNKEEP_TOO_BIG above 1,024 floors; LNKEEP_UNKNOWN: reopen and repeat;
///   LNKEEP_NO_SPACE, LNKEEP_BUSY,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: floors, floors_len of them, at most 1,024.
/// Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_acknowledge_restore(
    attempts: lnkeep_attempts,
    floors: *const lnkeep_id_floor,
    floors_len: usize,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            if floors_len > BATCH_OPS_MAX {
                return Err(Status::TooBig.into());
            }
            let floors = args::inputs(floors, floors_len, "floors")?;
            let floors: Vec<_> = floors
                .iter()
                .map(|floor| (Namespace(floor.namespace_bytes), floor.id_floor))
                .collect();
            handle::with_attempts(attempts.bits, |attempts| {
                Ok(attempts.acknowledge_restore(&floors)?.status.number())
            })
        })
    }
}
