//! Monitors: reading what is durable.

use zeroize::Zeroizing;

use super::args::{self, Output, SizedOutput, invalid};
use super::guard::guarded_done;
use super::handle;
use super::monitors::channel_of;
use super::status::lnkeep_status;
use super::types::*;
use crate::monitors::{ChannelSummary, Monitor, Stage};

/// Where monitors stand: what waits, the last commit, from where the chain has to be looked at again.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// Out: state, whose size the caller set; start with LNKEEP_MONITORS_STATE_INIT.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_read_state(
    monitors: lnkeep_monitors,
    state: *mut lnkeep_monitors_state,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::new(state, "state")?;
            let standing = handle::with_monitors(monitors.bits, |monitors| monitors.standing())?;
            let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
            let (generation, rescan) = (standing.manager_generation, standing.rescan_height);
            output.set(lnkeep_monitors_state {
                size: std::mem::size_of::<lnkeep_monitors_state>(),
                commit_sequence: standing.commit_sequence,
                pending_operations: standing.pending.operations,
                pending_bytes: standing.pending.bytes,
                manager_generation: generation.unwrap_or(0),
                rescan_height: rescan.unwrap_or(0),
                flags: flag(generation.is_some(), LNKEEP_MONITORS_HAS_GENERATION)
                    | flag(rescan.is_some(), LNKEEP_MONITORS_HAS_RESCAN_HEIGHT),
            });
            Ok(())
        })
    }
}

/// Bytes handed to C; the structure comes first.
#[repr(C)]
struct OwnedBuf {
    face: lnkeep_buf,
    bytes: Vec<u8>,
    /// Instead of `bytes`, where these are zeroized when they are freed.
    secret: Zeroizing<Vec<u8>>,
}

/// The manager of the last commit that had one.
///
/// Returns: LNKEEP_DONE; LNKEEP_CORRUPT_RECORD when it cannot be read; LNKEEP_BUSY,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// Out: manager, NULL when no commit had one.
/// Threads: any.
/// Ownership: free it with lnkeep_buf_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_load_manager(
    monitors: lnkeep_monitors,
    manager: *mut *mut lnkeep_buf,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(manager, "manager")?;
            let found = handle::with_monitors(monitors.bits, |monitors| monitors.manager())?;
            output.set(found.map_or(std::ptr::null_mut(), owned_buf));
            Ok(())
        })
    }
}

pub(super) fn owned_buf(bytes: Vec<u8>) -> *mut lnkeep_buf {
    let face = lnkeep_buf { ptr: args::first(&bytes), len: bytes.len() };
    let owned = OwnedBuf { face, bytes, secret: Zeroizing::default() };
    debug_assert_eq!(owned.face.len, owned.bytes.len());
    Box::into_raw(Box::new(owned)).cast()
}

/// Bytes that are zeroized when they are freed, as the host's own data must be.
#[cfg(feature = "backup")]
pub(super) fn owned_secret_buf(secret: Zeroizing<Vec<u8>>) -> *mut lnkeep_buf {
    let face = lnkeep_buf { ptr: args::first(&secret), len: secret.len() };
    let owned = OwnedBuf { face, bytes: Vec::new(), secret };
    debug_assert_eq!(owned.face.len, owned.secret.len());
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees bytes that a call gave. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_buf_free(buf: *mut lnkeep_buf) {
    if !buf.is_null() {
        // SAFETY: made here from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(buf.cast::<OwnedBuf>()) });
    }
}

fn c_channel(summary: &ChannelSummary) -> lnkeep_channel {
    lnkeep_channel {
        channel_id: summary.channel.0,
        snapshot_update_id: summary.base_id,
        latest_update_id: summary.latest_id,
        snapshot_bytes: summary.snapshot_bytes,
        update_bytes: summary.update_bytes,
        block_hash: summary.block.hash,
        block_height: summary.block.height,
        damage: summary.damage.map_or(0, |damage| damage as u32),
    }
}

/// Durable channels, in the order of their ids, a page at a time.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: stage, LNKEEP_STAGE_ACTIVE or LNKEEP_STAGE_ARCHIVED; after, the last id of the page before, NULL
///   to begin; capacity, of channels.
/// Out: channels, the first channels_len of them; channels_len, less than capacity on the last page.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_list(
    monitors: lnkeep_monitors,
    stage: u32,
    after: *const u8,
    channels: *mut lnkeep_channel,
    capacity: usize,
    channels_len: *mut usize,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let length = Output::required(channels_len, "channels_len")?;
            Output::required(channels, "channels")?;
            let stage = match stage {
                LNKEEP_STAGE_ACTIVE => Stage::Active,
                LNKEEP_STAGE_ARCHIVED => Stage::Archived,
                _ => return Err(invalid(format!("stage {stage} is unknown"))),
            };
            let after = match after.is_null() {
                true => None,
                false => Some(channel_of(after)?),
            };
            let found = handle::with_monitors(monitors.bits, |monitors| {
                monitors.channels(stage, after, capacity)
            })?;
            for (index, summary) in found.iter().enumerate() {
                Output::required(channels.add(index), "channels")?.set(c_channel(summary));
            }
            length.set(found.len());
            Ok(())
        })
    }
}

/// Channels that want a snapshot now, in the order of their ids.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: capacity, of channels.
/// Out: channels, the first of them; channels_len, how many were written.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_need_snapshot(
    monitors: lnkeep_monitors,
    channels: *mut lnkeep_channel,
    capacity: usize,
    channels_len: *mut usize,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let length = Output::required(channels_len, "channels_len")?;
            Output::required(channels, "channels")?;
            let found = handle::with_monitors(monitors.bits, |monitors| {
                monitors.summaries(&monitors.need_snapshot()?)
            })?;
            let written = found.len().min(capacity);
            for (index, summary) in found[..written].iter().enumerate() {
                Output::required(channels.add(index), "channels")?.set(c_channel(summary));
            }
            length.set(written);
            Ok(())
        })
    }
}

/// A channel handed to C with the memory its pointers lead to; the structure comes first.
#[repr(C)]
struct OwnedMonitor {
    face: lnkeep_monitor,
    updates: Vec<lnkeep_monitor_update>,
    source: Monitor,
}

/// A durable channel, in use or archived, with its snapshot and its updates.
///
/// Returns: LNKEEP_DONE; LNKEEP_UNKNOWN_CHANNEL, also when it was purged; LNKEEP_BUSY,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED. A damaged channel is
///   LNKEEP_DONE: channel.damage says what is wrong.
/// In: channel_id, 32 bytes.
/// Out: monitor.
/// Threads: any.
/// Ownership: free it with lnkeep_monitor_free; everything it points to lives as long as it does.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_load(
    monitors: lnkeep_monitors,
    channel_id: *const u8,
    monitor: *mut *mut lnkeep_monitor,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(monitor, "monitor")?;
            let channel = channel_of(channel_id)?;
            let found = handle::with_monitors(monitors.bits, |monitors| monitors.load(channel))?;
            output.set(owned_monitor(found));
            Ok(())
        })
    }
}

fn owned_monitor(source: Monitor) -> *mut lnkeep_monitor {
    let view = |bytes: &[u8]| lnkeep_bytes { ptr: args::first(bytes), len: bytes.len() };
    let update = |(update_id, update): &(u64, Vec<u8>)| lnkeep_monitor_update {
        update_id: *update_id,
        update: view(update),
    };
    let updates: Vec<_> = source.updates.iter().map(update).collect();
    let face = lnkeep_monitor {
        size: std::mem::size_of::<lnkeep_monitor>(),
        update_stride: std::mem::size_of::<lnkeep_monitor_update>(),
        snapshot: view(source.snapshot.as_deref().unwrap_or_default()),
        updates: args::first(&updates),
        updates_len: updates.len(),
        stage: source.stage as u32,
        reserved: 0,
        channel: c_channel(&source.summary),
    };
    let owned = OwnedMonitor { face, updates, source };
    debug_assert_eq!(owned.updates.len(), owned.source.updates.len());
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees what lnkeep_monitors_load gave. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitor_free(monitor: *mut lnkeep_monitor) {
    if !monitor.is_null() {
        // SAFETY: made by `owned_monitor` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(monitor.cast::<OwnedMonitor>()) });
    }
}
