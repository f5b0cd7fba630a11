//! Backup: what a host tells of its peers and its HTLCs, and what it takes over from a recovery.

use zeroize::{Zeroize, Zeroizing};

use super::args;
use super::backup::class_of;
use super::guard::{guarded, guarded_done};
use super::handle;
use super::peer_storage::node_of;
use super::status::{LNKEEP_ALREADY, LNKEEP_DONE, lnkeep_status};
use super::types::*;
use crate::backup::htlcs::{BackupHtlc, CommitmentPoint, HtlcKey};
use crate::backup::score::PeerFacts;
use crate::error::Result;
use crate::types::{ChannelId, PaymentHash, Preimage};

/// What the host knows of a peer that it has a channel with. Shares of a payload that is longer than a blob,
/// journals of HTLCs, and the list of whom else to ask go only to peers of which this was told: tell it after
/// each open, and when it changes.
///
/// Returns: LNKEEP_DONE; LNKEEP_QUOTA_PEERS when something is known of too many peers;
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: now_ms, the host's time; node_id, 33 bytes; facts, start with LNKEEP_PEER_FACTS_INIT, borrowed and
///   copied; NULL when there is no channel with it any more.
/// Durable: no; how much of the time the peer is connected is, once an hour, for those with facts.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_set_facts(
    backup: lnkeep_backup,
    now_ms: u64,
    node_id: *const u8,
    facts: *const lnkeep_peer_facts,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let peer = node_of(node_id, "node_id")?;
            let facts = match facts.is_null() {
                true => None,
                false => Some(facts_of(&args::sized_required(facts, "facts")?)?),
            };
            handle::with_backup(backup.bits, |backup| backup.set_facts(now_ms, peer, facts))
        })
    }
}

/// # Safety
/// The address is valid for its length.
unsafe fn facts_of(given: &lnkeep_peer_facts) -> Result<PeerFacts> {
    let known = LNKEEP_PEER_OPEN_CHANNEL
        | LNKEEP_PEER_CLOSING
        | LNKEEP_PEER_ANNOUNCED
        | LNKEEP_PEER_HAS_OPERATOR;
    args::flags(given.flags, known, "facts.flags")?;
    args::reserved(given.reserved, "facts.reserved")?;
    let has = |flag: u32| given.flags & flag != 0;
    Ok(PeerFacts {
        capacity_sat: given.capacity_sat,
        channel_age_secs: given.channel_age_secs,
        has_open_channel: has(LNKEEP_PEER_OPEN_CHANNEL),
        is_closing: has(LNKEEP_PEER_CLOSING),
        is_announced: has(LNKEEP_PEER_ANNOUNCED),
        operator: has(LNKEEP_PEER_HAS_OPERATOR).then_some(given.operator_label),
        software: u8::try_from(given.software)
            .map_err(|_| args::invalid(format!("facts.software is {}", given.software)))?,
        // SAFETY: promised by the caller.
        address: unsafe { args::bytes(given.address, "facts.address") }?.to_vec(),
        latency_ms: given.latency_ms,
    })
}

/// Tells an HTLC, or what became known of it: a preimage, its output. Journals begin with the first one.
///
/// Returns: LNKEEP_DONE; LNKEEP_BUSY when there are too many; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: now_ms, the host's time; htlc, start with LNKEEP_BACKUP_HTLC_INIT, borrowed and copied.
/// Durable: no: tell all that are pending again after each open, before the first tick. For ten minutes after
///   an open peers keep their journals of before, if nothing is told.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_set_htlc(
    backup: lnkeep_backup,
    now_ms: u64,
    htlc: *const lnkeep_backup_htlc,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let mut given = args::sized_required(htlc, "htlc")?;
            let preimage = Zeroizing::new(given.preimage);
            given.preimage.zeroize();
            let known = LNKEEP_BACKUP_HTLC_INCOMING
                | LNKEEP_BACKUP_HTLC_HAS_PREIMAGE
                | LNKEEP_BACKUP_HTLC_HAS_OUTPUT_INDEX;
            args::flags(given.flags, known, "htlc.flags")?;
            args::reserved(given.reserved, "htlc.reserved")?;
            let has = |flag: u32| given.flags & flag != 0;
            let key = HtlcKey {
                channel_id: ChannelId(given.channel_id),
                is_incoming: has(LNKEEP_BACKUP_HTLC_INCOMING),
                htlc_id: given.htlc_id,
            };
            let htlc = BackupHtlc {
                payment_hash: PaymentHash(given.payment_hash),
                amount_msat: given.amount_msat,
                cltv_expiry: given.cltv_expiry,
                preimage: has(LNKEEP_BACKUP_HTLC_HAS_PREIMAGE).then(|| Preimage::new(*preimage)),
                output_index: has(LNKEEP_BACKUP_HTLC_HAS_OUTPUT_INDEX)
                    .then_some(given.output_index),
            };
            handle::with_backup(backup.bits, |backup| backup.set_htlc(now_ms, key, htlc))
        })
    }
}

/// Tells that an HTLC is in neither commitment any more, irrevocably (both sides revoked the commitments that
/// had it): not earlier, for either may be the one that is published.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY when it was not known; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: channel_id, 32 bytes; incoming, 1 or 0; htlc_id, of update_add_htlc.
/// Durable: no.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_remove_htlc(
    backup: lnkeep_backup,
    channel_id: *const u8,
    incoming: u32,
    htlc_id: u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let channel_id = channel_of(channel_id)?;
            let is_incoming = args::truth(incoming, "incoming")?;
            let key = HtlcKey { channel_id, is_incoming, htlc_id };
            let was_known = handle::with_backup(backup.bits, |backup| backup.remove_htlc(key))?;
            Ok(if was_known { LNKEEP_DONE } else { LNKEEP_ALREADY })
        })
    }
}

/// # Safety
/// A pointer that is not NULL points to 32 readable bytes.
unsafe fn channel_of(channel_id: *const u8) -> Result<ChannelId> {
    // SAFETY: promised by the caller; bytes need no alignment.
    Ok(ChannelId(*unsafe { args::input(channel_id.cast::<[u8; 32]>(), "channel_id") }?))
}

/// Tells the per-commitment point of the peer's newest commitment of a channel, which sweeping needs.
///
/// Returns: LNKEEP_DONE; LNKEEP_BUSY when there are too many channels; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: channel_id, 32 bytes; point, 33 bytes.
/// Durable: no.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_set_commitment_point(
    backup: lnkeep_backup,
    channel_id: *const u8,
    point: *const u8,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let channel_id = channel_of(channel_id)?;
            let point = CommitmentPoint(*args::input(point.cast::<[u8; 33]>(), "point")?);
            handle::with_backup(backup.bits, |backup| {
                backup.set_commitment_point(channel_id, point)
            })
        })
    }
}

/// Tells that a commitment of a channel is on chain, or on its way there: its HTLCs do not wait for the next
/// journal.
///
/// Returns: LNKEEP_DONE; LNKEEP_BUSY when there are too many channels; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: channel_id, 32 bytes.
/// Durable: no: tell it again after each open until the channel is resolved.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_channel_force_closed(
    backup: lnkeep_backup,
    channel_id: *const u8,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let channel_id = channel_of(channel_id)?;
            handle::with_backup(backup.bits, |backup| backup.channel_force_closed(channel_id))
        })
    }
}

/// Tells that nothing of a channel is left to sweep: its HTLCs and its point are forgotten.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY when nothing was known of it; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: channel_id, 32 bytes.
/// Durable: no.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_channel_resolved(
    backup: lnkeep_backup,
    channel_id: *const u8,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let channel_id = channel_of(channel_id)?;
            let was_known =
                handle::with_backup(backup.bits, |backup| backup.channel_resolved(channel_id))?;
            Ok(if was_known { LNKEEP_DONE } else { LNKEEP_ALREADY })
        })
    }
}

/// Tells the height of the best block: an HTLC that expires within 144 blocks does not wait for its journal.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: block_height; 0 changes nothing.
/// Durable: no.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_block_connected(
    backup: lnkeep_backup,
    block_height: u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            handle::with_backup(backup.bits, |backup| backup.block_connected(block_height))
        })
    }
}

/// What a recovery found was taken over: sending is allowed, numbers go on above seq_floor, and what peers
/// still hold of the former database up to there is no state loss any more. The number of the first blob
/// after it is at least the host's milliseconds times 2^14, where these are Unix time: what a peer hid from
/// the recovery lies below it, and is not taken for newer by another recovery.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY when nothing changed; LNKEEP_NO_SPACE, LNKEEP_BUSY: nothing was
///   changed; LNKEEP_INVALID_ARGUMENT, also for a floor above 2^63, which no recovery gives; LNKEEP_UNKNOWN,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: seq_floor, what lnkeep_recovery_finish gave.
/// Durable: when it returns.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_adopt(
    backup: lnkeep_backup,
    seq_floor: u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let was_needed = handle::with_backup(backup.bits, |backup| backup.adopt(seq_floor))?;
            Ok(if was_needed { LNKEEP_DONE } else { LNKEEP_ALREADY })
        })
    }
}

/// How many bytes a payload may have with blobs of this size: whole, or cut into 31 shares of 32.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT.
/// In: size_class, 1024, 4096, 16384 or 65531.
/// Out: whole_bytes_max and cut_bytes_max, NULL if not wanted.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_payload_max(
    size_class: u32,
    whole_bytes_max: *mut u64,
    cut_bytes_max: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let whole = args::Output::optional(whole_bytes_max, "whole_bytes_max")?;
            let cut = args::Output::optional(cut_bytes_max, "cut_bytes_max")?;
            let class = class_of(size_class, "size_class")?;
            whole.set(class.payload_max() as u64);
            cut.set(crate::backup::cut_payload_max(class) as u64);
            Ok(())
        })
    }
}
