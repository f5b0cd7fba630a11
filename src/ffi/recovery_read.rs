//! Recovery: how far it is, and what was restored.

use zeroize::Zeroize;

use super::args::{self, Output};
use super::guard::guarded_done;
use super::handle;
use super::status::lnkeep_status;
use super::types::*;
use crate::backup::htlcs::{BackupHtlc, HtlcKey};
use crate::recovery::{Progress, RecoveredHtlcs, RecoveredPayload};

/// Progress handed to C with the memory that its pointer leads to; the structure comes first.
#[repr(C)]
struct OwnedProgress {
    face: lnkeep_recovery_progress,
    sets: Vec<lnkeep_recovery_set>,
}

/// How far a recovery is.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
/// In: now_ms, as for lnkeep_recovery_next_peer.
/// Out: progress.
/// Threads: any.
/// Ownership: free it with lnkeep_recovery_progress_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_read_progress(
    recovery: lnkeep_recovery_session,
    now_ms: u64,
    progress: *mut *mut lnkeep_recovery_progress,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(progress, "progress")?;
            let found =
                handle::with_recovery(recovery.bits, |recovery| Ok(recovery.progress(now_ms)))?;
            output.set(owned_progress(&found));
            Ok(())
        })
    }
}

fn owned_progress(found: &Progress) -> *mut lnkeep_recovery_progress {
    let c_set = |set: &crate::recovery::shares::SetProgress| lnkeep_recovery_set {
        generation: set.version.generation,
        set_id: set.version.set_id,
        have: set.have.into(),
        need: set.need.into(),
        shares: set.shares.into(),
        reserved: 0,
    };
    let sets: Vec<_> = found.sets.iter().map(c_set).collect();
    let best = found.best_generation.map_or(0, |_| LNKEEP_RECOVERY_HAS_BEST);
    let newest = found.newest_seen_generation.map_or(0, |_| LNKEEP_RECOVERY_HAS_NEWEST);
    let face = lnkeep_recovery_progress {
        size: std::mem::size_of::<lnkeep_recovery_progress>(),
        set_stride: std::mem::size_of::<lnkeep_recovery_set>(),
        sets: args::first(&sets),
        sets_len: sets.len(),
        best_generation: found.best_generation.unwrap_or(0),
        newest_seen_generation: found.newest_seen_generation.unwrap_or(0),
        status: found.status as u32,
        flags: best | newest,
        peers_known: found.peers.known,
        peers_asked: found.peers.asked,
        peers_answered: found.peers.answered,
        peers_pending: found.peers.pending,
        peers_unreachable: found.peers.unreachable,
        peers_with_blob: found.peers.with_blob,
        peers_unreadable: found.peers.unreadable,
        blobs: found.blobs,
    };
    let owned = OwnedProgress { face, sets };
    debug_assert_eq!(owned.sets.len(), owned.face.sets_len);
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees what lnkeep_recovery_read_progress gave. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_progress_free(progress: *mut lnkeep_recovery_progress) {
    if !progress.is_null() {
        // SAFETY: made by `owned_progress` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(progress.cast::<OwnedProgress>()) });
    }
}

/// A payload handed to C with the memory that its pointer leads to; the structure comes first.
#[repr(C)]
struct OwnedRecovered {
    face: lnkeep_recovered,
    source: RecoveredPayload,
}

/// The greatest generation that can be restored: for closing and sweeping only. It does not end the recovery:
/// a later call may give a newer one.
///
/// Returns: LNKEEP_DONE; LNKEEP_NOT_ENOUGH_SHARES when none can, or when a newer one is known of and an older
///   one is not accepted: err.value is how many shares of the newest are missing, at least; LNKEEP_BAD_SHARE
///   when the shares do not give what they name, which only a bug of the writer can cause;
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
/// In: accepts_older, 1 to take an older generation than the newest known of, else 0.
/// Out: recovered.
/// Threads: any.
/// Ownership: free it with lnkeep_recovered_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_payload(
    recovery: lnkeep_recovery_session,
    accepts_older: u32,
    recovered: *mut *mut lnkeep_recovered,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(recovered, "recovered")?;
            let accepts = args::truth(accepts_older, "accepts_older")?;
            let found = handle::with_recovery(recovery.bits, |recovery| recovery.payload(accepts))?;
            output.set(owned_recovered(found));
            Ok(())
        })
    }
}

fn owned_recovered(source: RecoveredPayload) -> *mut lnkeep_recovered {
    let payload = source.payload();
    let sweep_only = source.is_close_and_sweep_only();
    let face = lnkeep_recovered {
        size: std::mem::size_of::<lnkeep_recovered>(),
        payload: lnkeep_bytes { ptr: args::first(payload), len: payload.len() },
        generation: source.version.generation,
        created_unix_secs: source.created_unix_secs,
        block_height: source.block_height,
        status: source.status as u32,
        set_id: source.version.set_id,
        flags: if sweep_only { LNKEEP_RECOVERED_CLOSE_AND_SWEEP_ONLY } else { 0 },
        reserved: 0,
    };
    let owned = OwnedRecovered { face, source };
    debug_assert_eq!(owned.source.payload().len(), owned.face.payload.len);
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees a payload; it is zeroized. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovered_free(recovered: *mut lnkeep_recovered) {
    if !recovered.is_null() {
        // SAFETY: made by `owned_recovered` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(recovered.cast::<OwnedRecovered>()) });
    }
}

/// HTLCs handed to C with the memory that their pointers lead to; the structure comes first.
#[repr(C)]
struct OwnedHtlcs {
    face: lnkeep_recovered_htlcs,
    htlcs: Vec<lnkeep_backup_htlc>,
    points: Vec<lnkeep_recovered_point>,
}

impl Drop for OwnedHtlcs {
    fn drop(&mut self) {
        self.htlcs.iter_mut().for_each(|htlc| htlc.preimage.zeroize());
    }
}

/// The newest HTLCs that can be made of what peers returned: a snapshot with a journal over it, either alone,
/// or a journal that is complete by itself. Whether anything newer is known of is said in them.
///
/// Returns: LNKEEP_DONE; LNKEEP_NOT_ENOUGH_SHARES when nothing can be restored; LNKEEP_NOT_FOUND when no
///   HTLCs were backed up; LNKEEP_BAD_SHARE as for lnkeep_recovery_payload; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
/// Out: htlcs.
/// Threads: any.
/// Ownership: free it with lnkeep_recovered_htlcs_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_htlcs(
    recovery: lnkeep_recovery_session,
    htlcs: *mut *mut lnkeep_recovered_htlcs,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(htlcs, "htlcs")?;
            let found = handle::with_recovery(recovery.bits, |recovery| recovery.htlcs())?;
            output.set(owned_htlcs(&found));
            Ok(())
        })
    }
}

fn c_htlc((key, htlc): (HtlcKey, &BackupHtlc)) -> lnkeep_backup_htlc {
    let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
    lnkeep_backup_htlc {
        size: std::mem::size_of::<lnkeep_backup_htlc>(),
        channel_id: key.channel_id.0,
        htlc_id: key.htlc_id,
        payment_hash: htlc.payment_hash.0,
        amount_msat: htlc.amount_msat,
        cltv_expiry: htlc.cltv_expiry,
        flags: flag(key.is_incoming, LNKEEP_BACKUP_HTLC_INCOMING)
            | flag(htlc.preimage.is_some(), LNKEEP_BACKUP_HTLC_HAS_PREIMAGE)
            | flag(htlc.output_index.is_some(), LNKEEP_BACKUP_HTLC_HAS_OUTPUT_INDEX),
        preimage: htlc.preimage.as_ref().map_or([0; 32], |preimage| *preimage.expose()),
        output_index: htlc.output_index.unwrap_or(0),
        reserved: 0,
    }
}

fn owned_htlcs(found: &RecoveredHtlcs) -> *mut lnkeep_recovered_htlcs {
    // At its full length from the start: a buffer that grew would leave preimages behind in freed memory.
    let mut htlcs = Vec::with_capacity(found.htlcs.len());
    htlcs.extend(found.htlcs.iter().map(c_htlc));
    let points = found.htlcs.channels().filter_map(|channel_id| {
        let point = found.htlcs.point(channel_id)?;
        Some(lnkeep_recovered_point {
            channel_id: channel_id.0,
            per_commitment_point: point.0,
            reserved_bytes: [0; 7],
        })
    });
    let points: Vec<_> = points.collect();
    let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
    let face = lnkeep_recovered_htlcs {
        size: std::mem::size_of::<lnkeep_recovered_htlcs>(),
        htlc_stride: std::mem::size_of::<lnkeep_backup_htlc>(),
        htlcs: args::first(&htlcs),
        htlcs_len: htlcs.len(),
        point_stride: std::mem::size_of::<lnkeep_recovered_point>(),
        points: args::first(&points),
        points_len: points.len(),
        base_generation: found.base.map_or(0, |base| base.generation),
        journal_seq: found.journal_seq.unwrap_or(0),
        created_unix_secs: found.created_unix_secs,
        uncovered_msat: found.uncovered_msat,
        uncovered_count: found.uncovered_count,
        block_height: found.block_height,
        flags: flag(found.base.is_some(), LNKEEP_RECOVERED_HTLCS_HAS_BASE)
            | flag(found.journal_seq.is_some(), LNKEEP_RECOVERED_HTLCS_HAS_JOURNAL)
            | flag(found.is_newest, LNKEEP_RECOVERED_HTLCS_NEWEST),
        reserved: 0,
    };
    let owned = OwnedHtlcs { face, htlcs, points };
    debug_assert_eq!(owned.htlcs.len(), owned.face.htlcs_len);
    debug_assert_eq!(owned.points.len(), owned.face.points_len);
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees what lnkeep_recovery_htlcs gave; preimages are zeroized. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovered_htlcs_free(htlcs: *mut lnkeep_recovered_htlcs) {
    if !htlcs.is_null() {
        // SAFETY: made by `owned_htlcs` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(htlcs.cast::<OwnedHtlcs>()) });
    }
}
