//! Store: version, open, close, time, sync, figures.

use std::ffi::{c_char, c_int};

use super::args::{self, Output, SizedOutput};
use super::guard::{guarded, guarded_done};
use super::handle::{self, Object, StoreObject, Tag};
use super::operations::Completions;
use super::status::lnkeep_status;
use super::types::*;
use crate::error::{Error, Result, Status};
use crate::store::{OpenReport, Stats, Store, StoreOptions};
use crate::types::Clock;

/// Number of the ABI this header describes. A library of another number refuses the open.
pub const LNKEEP_ABI_VERSION: u32 = 1;

/// Number of the ABI the library was built with; compare it with LNKEEP_ABI_VERSION.
///
/// Returns: the number.
/// Threads: any. Works in a forked child.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_abi_version() -> u32 {
    crate::ABI_VERSION
}

/// Version of the library, such as "0.1.0".
///
/// Returns: static text.
/// Threads: any. Works in a forked child.
/// Ownership: never free it.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Opens the store of a directory, creating directory (mode 0700) and files (mode 0600) when there are none.
///
/// Returns: LNKEEP_DONE; LNKEEP_LOCKED when it is open elsewhere; LNKEEP_UNSAFE_PLACE,
///   LNKEEP_NOT_FOUND when the parent directory, or with LNKEEP_STORE_MUST_EXIST the store, is missing;
///   LNKEEP_WRONG_MODE, LNKEEP_ROLLED_BACK, LNKEEP_FORMAT_TOO_NEW,
///   LNKEEP_CORRUPT_STORE, LNKEEP_NO_SPACE, LNKEEP_ABI_MISMATCH, LNKEEP_WRONG_ENGINE, LNKEEP_IO;
///   LNKEEP_BUSY without memory to look through its pages.
/// In: path, a directory on a local disk; options, NULL for the safe defaults.
/// Out: store, the handle; report, what was found, NULL if not wanted.
/// Durable: the new epoch, before the call returns. What a crash left undecided is decided by then.
/// Threads: any.
/// Ownership: close the handle with lnkeep_store_close. No other code of the process may open, copy or
///   lock the files of the directory while it is open.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_store_open(
    path: *const c_char,
    options: *const lnkeep_store_options,
    store: *mut lnkeep_store,
    report: *mut lnkeep_store_report,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(store, "store")?;
            output.set(lnkeep_store { bits: 0 });
            let report = SizedOutput::optional(report, "report")?;
            let path = args::path(path, "path")?;
            let options = store_options(&args::sized(options, "options")?)?;
            let store = Store::open(path, &options)?;
            let found = store.report();
            let completions = Completions::new()?;
            let bits = handle::open(Object::Store(StoreObject { store, completions }))?;
            output.set(lnkeep_store { bits });
            if let Some(report) = report {
                report.set(c_report(&found));
            }
            Ok(())
        })
    }
}

const STORE_FLAGS: u32 = LNKEEP_STORE_MUST_EXIST
    | LNKEEP_STORE_ANY_FILE_SYSTEM
    | LNKEEP_STORE_LND_COMPAT
    | LNKEEP_STORE_CONVERT
    | LNKEEP_STORE_EXPECT_ID
    | LNKEEP_STORE_SEEDED
    | LNKEEP_STORE_EVENT_KINDS
    | LNKEEP_STORE_VERIFY
    | LNKEEP_STORE_COMPACT;

fn store_options(given: &lnkeep_store_options) -> Result<StoreOptions> {
    args::flags(given.flags, STORE_FLAGS, "options.flags")?;
    if given.size != 0 && given.abi_version != crate::ABI_VERSION {
        return Err(Error::new(
            Status::AbiMismatch,
            format!(
                "compiled against ABI {}, this library has {}; set options with LNKEEP_STORE_OPTIONS_INIT",
                given.abi_version,
                crate::ABI_VERSION
            ),
        ));
    }
    let has = |flag: u32| given.flags & flag != 0;
    Ok(StoreOptions {
        must_exist: has(LNKEEP_STORE_MUST_EXIST),
        any_file_system: has(LNKEEP_STORE_ANY_FILE_SYSTEM),
        lnd_compat: has(LNKEEP_STORE_LND_COMPAT),
        convert: has(LNKEEP_STORE_CONVERT),
        verify_always: has(LNKEEP_STORE_VERIFY),
        compact: has(LNKEEP_STORE_COMPACT),
        expected_store_id: has(LNKEEP_STORE_EXPECT_ID).then_some(given.expected_store_id),
        epoch_min: given.epoch_min,
        seed: has(LNKEEP_STORE_SEEDED).then_some(given.seed),
        map_bytes_max: given.map_bytes_max,
        map_bytes: given.map_bytes,
        queue_operations_max: usize::try_from(given.queue_operations_max).unwrap_or(usize::MAX),
        event_kinds: has(LNKEEP_STORE_EVENT_KINDS).then_some(given.event_kinds),
        events_bytes_max: given.events_bytes_max,
        events_age_max_secs: given.events_age_max_secs,
    })
}

fn c_report(found: &OpenReport) -> lnkeep_store_report {
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    lnkeep_store_report {
        size: std::mem::size_of::<lnkeep_store_report>(),
        epoch: found.epoch,
        store_id: found.store_id,
        flags: bit(found.created, LNKEEP_REPORT_CREATED)
            | bit(found.unclean, LNKEEP_REPORT_UNCLEAN)
            | bit(found.copied, LNKEEP_REPORT_COPIED)
            | bit(found.restored, LNKEEP_REPORT_RESTORED)
            | bit(found.on_tmpfs, LNKEEP_REPORT_TMPFS)
            | bit(found.on_overlay, LNKEEP_REPORT_OVERLAY)
            | bit(found.compacted, LNKEEP_REPORT_COMPACTED),
        block_height: found.clock.block_height,
        unix_ms: found.clock.unix_ms,
    }
}

/// Closes a store: refuses new calls, commits what was accepted, answers every waiting caller, waits for
/// the last running call to leave, and releases the files.
///
/// Handles of the store's components stay to be closed; until then they answer LNKEEP_CLOSED. Asynchronous
/// answers that were not taken are dropped: call lnkeep_store_sync and take them first.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE when it is not open; LNKEEP_POISONED when an earlier commit had
///   failed, LNKEEP_NO_SPACE or LNKEEP_BUSY when the last calls that resources acknowledged from memory, or
///   blobs of peers that waited, could not be written: the files are released all the same.
/// In: store, a pointer to the handle; it is set to LNKEEP_STORE_NONE.
/// Threads: any, also while other threads are inside calls on it; not from two threads with one copy.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_store_close(
    store: *mut lnkeep_store,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let copy = Output::required(store, "store")?;
            let bits = args::input(store, "store")?.bits;
            let closed = handle::close(bits, Tag::Store, |object| match object {
                Object::Store(object) => object.store.close(),
                _ => Err(Status::BadHandle.into()),
            });
            if !matches!(&closed, Err(error) if error.status() == Status::BadHandle) {
                copy.set(lnkeep_store { bits: 0 });
            }
            closed
        })
    }
}

/// Whether a store handle is open now.
///
/// Returns: 1 or 0; 0 in a forked child.
/// Threads: any; another thread may close it right after.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_store_is_open(store: lnkeep_store) -> c_int {
    c_int::from(!crate::os::is_forked_child() && handle::is_open(store.bits, Tag::Store))
}

/// Tells the store what time it is: stamps later records, and lets rules by age work. Numbers only rise, a
/// smaller one is ignored; 0 means unknown. Cheap: call it for every block and every few seconds.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
/// In: unix_ms, milliseconds since 1970; block_height, of the best block.
/// Durable: with the next commit; it starts none of its own.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_store_tick(
    store: lnkeep_store,
    unix_ms: u64,
    block_height: u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: `err` is the caller's, as the header says.
    unsafe {
        guarded_done(err, || {
            handle::with_store(store.bits, |object| {
                object.store.tick(Clock { unix_ms, block_height })
            })
        })
    }
}

/// Waits until everything accepted before it is durable: asynchronous submissions, what resources
/// acknowledged from memory, and blobs of peers that wait for their cooldown.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE; LNKEEP_POISONED when a commit failed; LNKEEP_NOT_DURABLE when
///   what resources hold in memory, LNKEEP_NO_SPACE or LNKEEP_BUSY when what waits for peers cannot be
///   written now: ask again.
/// Durable: everything accepted before the call, when it returns LNKEEP_DONE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_store_sync(
    store: lnkeep_store,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: `err` is the caller's, as the header says.
    unsafe { guarded_done(err, || handle::with_store(store.bits, |object| object.store.sync())) }
}

/// Figures of a store since its open: commits and their durations, queue, pages, map, readers.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_POISONED, LNKEEP_BUSY.
/// Out: stats, whose size the caller set; start with LNKEEP_STATS_INIT.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_store_stats(
    store: lnkeep_store,
    stats: *mut lnkeep_stats,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let output = SizedOutput::new(stats, "stats")?;
            let stats = handle::with_store(store.bits, |object| object.store.stats())?;
            output.set(c_stats(&stats));
            Ok(0)
        })
    }
}

fn c_stats(stats: &Stats) -> lnkeep_stats {
    lnkeep_stats {
        size: std::mem::size_of::<lnkeep_stats>(),
        commits: stats.commits,
        operations: stats.operations,
        operations_refused: stats.operations_refused,
        commit_p50_ns: stats.commit_p50_ns,
        commit_p99_ns: stats.commit_p99_ns,
        commit_max_ns: stats.commit_max_ns,
        queue_depth: stats.queue_depth,
        pages_used: stats.pages_used,
        page_bytes: stats.page_bytes,
        allocated_bytes: stats.allocated_bytes,
        map_bytes: stats.map_bytes,
        map_bytes_max: stats.map_bytes_max,
        readers: stats.readers,
        oldest_read_ns: stats.oldest_read_ns,
        map_growths: stats.map_growths,
        stale_readers_cleared: stats.stale_readers_cleared,
        commit_number: stats.commit_number,
        flags: stats.flags,
        reserved: 0,
    }
}
