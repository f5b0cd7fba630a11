//! Monitors: open, close, and the queue.

use std::ffi::c_int;

use super::args::{self, Output, SizedOutput, invalid};
use super::guard::{guarded, guarded_done};
use super::handle::{self, Object, Tag};
use super::status::{LNKEEP_ALREADY, LNKEEP_ALREADY_QUEUED, LNKEEP_DONE, lnkeep_status};
use super::types::*;
use crate::error::Result;
use crate::monitors::{
    Block, LastClose, Monitors, MonitorsOptions, MonitorsReport, OutputClass, Queued, Urgency,
};
use crate::types::ChannelId;

/// Opens the monitors of a store: checks the checksums of every channel, and begins a session. While they
/// are open, opening again with equal options gives another handle on the same session.
///
/// A damaged channel is no error: report counts it, lnkeep_monitors_list names it, and it takes nothing
/// but a snapshot at or past its tip; all others go on.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY_OPEN when they are open with other options; LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_NO_SPACE, LNKEEP_BUSY,
///   LNKEEP_POISONED.
/// In: options, NULL for the safe defaults.
/// Out: monitors, the handle; report, NULL if not wanted, else start with LNKEEP_MONITORS_REPORT_INIT.
/// Threads: any.
/// Ownership: close the handle with lnkeep_monitors_close.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_open(
    store: lnkeep_store,
    options: *const lnkeep_monitors_options,
    monitors: *mut lnkeep_monitors,
    report: *mut lnkeep_monitors_report,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(monitors, "monitors")?;
            output.set(lnkeep_monitors { bits: 0 });
            let report = SizedOutput::optional(report, "report")?;
            let given = args::sized(options, "options")?;
            let options = monitors_options(&given)?;
            let opened =
                handle::with_store(store.bits, |object| Monitors::open(&object.store, options))?;
            let found = c_report(opened.report());
            output.set(lnkeep_monitors { bits: handle::open(Object::Monitors(opened))? });
            if let Some(report) = report {
                report.set(found);
            }
            Ok(())
        })
    }
}

fn monitors_options(given: &lnkeep_monitors_options) -> Result<MonitorsOptions> {
    let known = LNKEEP_MONITORS_EXTERNAL_MANAGER
        | LNKEEP_MONITORS_MANAGER_OPTIONAL
        | LNKEEP_MONITORS_REPLAYS_NOTHING
        | LNKEEP_MONITORS_NO_CRITICAL_RESERVE
        | LNKEEP_MONITORS_NO_SNAPSHOT_GROWTH
        | LNKEEP_MONITORS_WITHOUT_COMPLETIONS;
    args::flags(given.flags, known, "options.flags")?;
    let has = |flag: u32| given.flags & flag != 0;
    let or = |given: u32, default: u32| if given == 0 { default } else { given };
    let default = MonitorsOptions::default();
    let without_reserve = has(LNKEEP_MONITORS_NO_CRITICAL_RESERVE);
    let without_growth = has(LNKEEP_MONITORS_NO_SNAPSHOT_GROWTH);
    if without_reserve && given.critical_reserve_ops != 0 {
        return Err(invalid("options.critical_reserve_ops contradicts the flag that keeps none"));
    }
    if without_growth && given.snapshot_growth_percent != 0 {
        return Err(invalid("options.snapshot_growth_percent contradicts the flag that has none"));
    }
    Ok(MonitorsOptions {
        external_manager: has(LNKEEP_MONITORS_EXTERNAL_MANAGER),
        manager_optional: has(LNKEEP_MONITORS_MANAGER_OPTIONAL),
        replays_nothing: has(LNKEEP_MONITORS_REPLAYS_NOTHING),
        pending_ops_max: or(given.pending_ops_max, default.pending_ops_max),
        pending_bytes_max: match given.pending_bytes_max {
            0 => default.pending_bytes_max,
            bytes => bytes,
        },
        critical_reserve_ops: match without_reserve {
            true => 0,
            false => or(given.critical_reserve_ops, default.critical_reserve_ops),
        },
        snapshot_every_updates: or(given.snapshot_every_updates, default.snapshot_every_updates),
        updates_max: or(given.updates_max, default.updates_max),
        snapshot_growth_percent: match without_growth {
            true => 0,
            false => or(given.snapshot_growth_percent, default.snapshot_growth_percent),
        },
        snapshot_age_secs: given.snapshot_age_secs,
        without_completions: has(LNKEEP_MONITORS_WITHOUT_COMPLETIONS),
    })
}

fn c_report(report: &MonitorsReport) -> lnkeep_monitors_report {
    let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
    lnkeep_monitors_report {
        size: std::mem::size_of::<lnkeep_monitors_report>(),
        commit_sequence: report.commit_sequence,
        outputs: report.outputs,
        damaged: report.damaged.len() as u64,
        last_close: match report.last_close {
            LastClose::New => LNKEEP_LAST_CLOSE_NEW,
            LastClose::Clean => LNKEEP_LAST_CLOSE_CLEAN,
            LastClose::Unclean => LNKEEP_LAST_CLOSE_UNCLEAN,
        },
        flags: flag(report.manager_missing, LNKEEP_MONITORS_MANAGER_MISSING)
            | flag(report.manager_behind, LNKEEP_MONITORS_MANAGER_IS_BEHIND)
            | flag(report.may_be_stale, LNKEEP_MONITORS_MAY_BE_STALE),
    }
}

/// Drop what is queued and was not committed.
pub const LNKEEP_MONITORS_DISCARD: u32 = 1;

/// Closes a handle on monitors; the last one ends the session.
///
/// Returns: LNKEEP_DONE; LNKEEP_PENDING_OPS when it is the last one and entries are queued, their number in
///   err.value: it stays open; LNKEEP_POISONED when the store is: it stays open too, until it is closed
///   with LNKEEP_MONITORS_DISCARD; LNKEEP_INVALID_ARGUMENT; LNKEEP_BAD_HANDLE when it is not open.
/// In: monitors, a pointer to the handle; it is set to LNKEEP_MONITORS_NONE; flags, LNKEEP_MONITORS_DISCARD
///   or 0.
/// Threads: any, also while other threads are inside calls on it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_close(
    monitors: *mut lnkeep_monitors,
    flags: u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let copy = Output::required(monitors, "monitors")?;
            let bits = args::input(monitors, "monitors")?.bits;
            args::flags(flags, LNKEEP_MONITORS_DISCARD, "flags")?;
            let discard = flags & LNKEEP_MONITORS_DISCARD != 0;
            handle::with_monitors(bits, |monitors| monitors.close(discard))?;
            handle::close(bits, Tag::Monitors, |_| Ok(()))?;
            copy.set(lnkeep_monitors { bits: 0 });
            Ok(())
        })
    }
}

/// Whether a handle on monitors is open now.
///
/// Returns: 1 or 0; 0 in a forked child.
/// Threads: any; another thread may close it right after.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_monitors_is_open(monitors: lnkeep_monitors) -> c_int {
    c_int::from(!crate::os::is_forked_child() && handle::is_open(monitors.bits, Tag::Monitors))
}

/// # Safety
/// A pointer that is not NULL points to 32 readable bytes.
pub(super) unsafe fn channel_of(channel_id: *const u8) -> Result<ChannelId> {
    // SAFETY: promised by the caller; bytes need no alignment.
    Ok(ChannelId(*unsafe { args::input(channel_id.cast::<[u8; 32]>(), "channel_id") }?))
}

pub(super) fn urgency_of(flags: u32) -> Result<Urgency> {
    args::flags(flags, LNKEEP_MONITORS_CRITICAL, "flags")?;
    let critical = flags & LNKEEP_MONITORS_CRITICAL != 0;
    Ok(if critical { Urgency::Critical } else { Urgency::Ordinary })
}

/// # Safety
/// A pointer that is not NULL and is aligned points to a readable block.
unsafe fn block_of(block: *const lnkeep_block) -> Result<Option<Block>> {
    if block.is_null() {
        return Ok(None);
    }
    // SAFETY: promised by the caller.
    let given = unsafe { args::input(block, "block") }?;
    args::reserved(given.reserved, "block.reserved")?;
    Ok(Some(Block { height: given.height, hash: given.hash }))
}

/// Queues a new channel: its first snapshot, which includes the updates up to update_id.
///
/// Returns: LNKEEP_DONE: it is queued; LNKEEP_INVALID_ARGUMENT, also without bytes, LNKEEP_TOO_BIG above
///   1 GiB, LNKEEP_BAD_UPDATE_ID for 2^64 - 1; LNKEEP_DUPLICATE_CHANNEL when the id is known, queued,
///   archived or purged: fail the open; LNKEEP_QUEUE_FULL: commit, then again; LNKEEP_NO_SPACE
///   on a full disk, unless it is critical; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: channel_id, 32 bytes; snapshot; block, the one the snapshot has seen last, or NULL; flags,
///   LNKEEP_MONITORS_CRITICAL or 0.
/// Out: ticket, NULL if not wanted.
/// Durable: nothing until a commit whose capture was taken after this.
/// Threads: any; never waits for the disk.
/// Ownership: everything stays the caller's.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_queue_new(
    monitors: lnkeep_monitors,
    channel_id: *const u8,
    update_id: u64,
    snapshot: lnkeep_bytes,
    block: *const lnkeep_block,
    flags: u32,
    ticket: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(ticket, "ticket")?;
            let channel = channel_of(channel_id)?;
            let snapshot = args::bytes(snapshot, "snapshot")?;
            let (block, urgency) = (block_of(block)?.unwrap_or_default(), urgency_of(flags)?);
            output.set(handle::with_monitors(monitors.bits, |monitors| {
                monitors.queue_new(channel, update_id, snapshot, block, urgency)
            })?);
            Ok(())
        })
    }
}

/// Queues an update: the one after the channel's tip. Repeating it is harmless: a replay after a restart is
/// answered by what is known.
///
/// Returns: LNKEEP_DONE: it is queued; LNKEEP_ALREADY when the same update is durable,
///   LNKEEP_ALREADY_QUEUED when it waits for a commit: no ticket then; LNKEEP_UPDATE_CONFLICT when the id
///   is known with other bytes: halt the node; LNKEEP_UPDATE_GAP, the id expected in err.value: an update
///   went missing in the host, stop the channel; LNKEEP_UPDATE_STALE when a snapshot includes the id;
///   LNKEEP_UNKNOWN_CHANNEL, LNKEEP_CHANNEL_ARCHIVED; LNKEEP_CHANNEL_DAMAGED, LNKEEP_DAMAGE_* in
///   err.value; LNKEEP_SNAPSHOT_REQUIRED when the channel has too many updates; LNKEEP_QUEUE_FULL:
///   commit, then again; LNKEEP_INVALID_ARGUMENT, also without bytes, LNKEEP_TOO_BIG above 4 MiB - 64,
///   LNKEEP_BAD_UPDATE_ID for 2^64 - 1; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_BUSY, LNKEEP_POISONED.
///   Unless said otherwise err.value is the channel's tip where err.present has LNKEEP_ERROR_HAS_VALUE.
/// In: channel_id, 32 bytes; update; flags, LNKEEP_MONITORS_CRITICAL or 0.
/// Out: ticket, NULL if not wanted; written with LNKEEP_DONE alone.
/// Durable: nothing until a commit whose capture was taken after this.
/// Threads: any; never waits for the disk.
/// Ownership: everything stays the caller's.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_queue_update(
    monitors: lnkeep_monitors,
    channel_id: *const u8,
    update_id: u64,
    update: lnkeep_bytes,
    flags: u32,
    ticket: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let output = Output::optional(ticket, "ticket")?;
            let channel = channel_of(channel_id)?;
            let update = args::bytes(update, "update")?;
            let urgency = urgency_of(flags)?;
            let queued = handle::with_monitors(monitors.bits, |monitors| {
                monitors.queue_update(channel, update_id, update, urgency)
            })?;
            Ok(match queued {
                Queued::Ticket(ticket) => {
                    output.set(ticket);
                    LNKEEP_DONE
                }
                Queued::AlreadyQueued => LNKEEP_ALREADY_QUEUED,
                Queued::AlreadyDurable => LNKEEP_ALREADY,
            })
        })
    }
}

/// Queues a snapshot that includes the updates up to update_id; later ones stay. On a damaged channel one
/// at or past its tip mends it.
///
/// Returns: LNKEEP_DONE: it is queued; LNKEEP_SNAPSHOT_AHEAD when update_id was never queued,
///   LNKEEP_SNAPSHOT_STALE when a newer snapshot is known, both with the tip in err.value;
///   LNKEEP_UNKNOWN_CHANNEL, LNKEEP_CHANNEL_ARCHIVED; LNKEEP_BAD_UPDATE_ID for 2^64 - 1 of a damaged
///   channel; LNKEEP_QUEUE_FULL: commit, then again; LNKEEP_NO_SPACE on a full disk, unless it is
///   critical; LNKEEP_INVALID_ARGUMENT, also without bytes, LNKEEP_TOO_BIG above 1 GiB,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: channel_id, 32 bytes; snapshot; block, the one the snapshot has seen last, NULL to keep the one
///   before; flags, LNKEEP_MONITORS_CRITICAL or 0.
/// Out: ticket, NULL if not wanted.
/// Durable: nothing until a commit whose capture was taken after this.
/// Threads: any; never waits for the disk.
/// Ownership: everything stays the caller's.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_queue_snapshot(
    monitors: lnkeep_monitors,
    channel_id: *const u8,
    update_id: u64,
    snapshot: lnkeep_bytes,
    block: *const lnkeep_block,
    flags: u32,
    ticket: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(ticket, "ticket")?;
            let channel = channel_of(channel_id)?;
            let snapshot = args::bytes(snapshot, "snapshot")?;
            let (block, urgency) = (block_of(block)?, urgency_of(flags)?);
            output.set(handle::with_monitors(monitors.bits, |monitors| {
                monitors.queue_snapshot(channel, update_id, snapshot, block, urgency)
            })?);
            Ok(())
        })
    }
}

/// Queues the archiving of a channel, behind its updates. It stays readable until lnkeep_monitors_purge.
///
/// Returns: LNKEEP_DONE: it is queued; LNKEEP_CHANNEL_ARCHIVED, LNKEEP_UNKNOWN_CHANNEL,
///   LNKEEP_CHANNEL_DAMAGED; LNKEEP_QUEUE_FULL: commit, then again; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: channel_id, 32 bytes.
/// Out: ticket, NULL if not wanted.
/// Durable: nothing until a commit whose capture was taken after this.
/// Threads: any; never waits for the disk.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_queue_archive(
    monitors: lnkeep_monitors,
    channel_id: *const u8,
    ticket: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(ticket, "ticket")?;
            let channel = channel_of(channel_id)?;
            output.set(handle::with_monitors(monitors.bits, |monitors| {
                monitors.queue_archive(channel)
            })?);
            Ok(())
        })
    }
}

/// Queues what may leave only when everything queued before it is durable: a message, an event, a
/// transaction. It comes back from lnkeep_monitors_take_outputs after the commit that covers it.
///
/// Returns: LNKEEP_DONE: it is queued; LNKEEP_QUEUE_FULL: commit, then again; LNKEEP_INVALID_ARGUMENT, also
///   without bytes, LNKEEP_TOO_BIG above 4 MiB - 64, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: output_class, LNKEEP_OUTPUT_*; tag, comes back with it; payload.
/// Out: ticket, NULL if not wanted.
/// Durable: nothing until a commit whose capture was taken after this.
/// Threads: any; never waits for the disk.
/// Ownership: payload stays the caller's.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_queue_output(
    monitors: lnkeep_monitors,
    output_class: u32,
    tag: u64,
    payload: lnkeep_bytes,
    ticket: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(ticket, "ticket")?;
            let class = match output_class {
                LNKEEP_OUTPUT_VOLATILE => OutputClass::Volatile,
                LNKEEP_OUTPUT_DURABLE => OutputClass::Durable,
                _ => return Err(invalid(format!("output_class {output_class} is unknown"))),
            };
            let payload = args::bytes(payload, "payload")?;
            output.set(handle::with_monitors(monitors.bits, |monitors| {
                monitors.queue_output(class, tag, payload)
            })?);
            Ok(())
        })
    }
}

/// Whether so many entries of so many bytes would be accepted now. Ask before the state changes, such as
/// when a message of a peer arrives: what was not read yet needs no room.
///
/// Returns: LNKEEP_DONE; LNKEEP_QUEUE_FULL: commit, and take completions and outputs;
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: operations; bytes, of all of them; flags, LNKEEP_MONITORS_CRITICAL or 0.
/// Threads: any; other threads may take the room.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_can_queue(
    monitors: lnkeep_monitors,
    operations: u64,
    bytes: u64,
    flags: u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: `err` is the caller's, as the header says.
    unsafe {
        guarded_done(err, || {
            let urgency = urgency_of(flags)?;
            handle::with_monitors(monitors.bits, |monitors| {
                monitors.can_queue(operations, bytes, urgency)
            })
        })
    }
}

/// Whether the entry of a ticket is durable.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_TICKET when it was not given in this session; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: ticket.
/// Out: is_durable, 1 or 0.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_ticket_is_durable(
    monitors: lnkeep_monitors,
    ticket: u64,
    is_durable: *mut c_int,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(is_durable, "is_durable")?;
            let durable =
                handle::with_monitors(monitors.bits, |monitors| monitors.is_durable(ticket))?;
            output.set(c_int::from(durable));
            Ok(())
        })
    }
}
