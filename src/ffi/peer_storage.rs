//! Peer storage: open, close, and what a peer's messages and connections call.

use std::ffi::c_int;

use super::args::{self, Output, SizedOutput, invalid};
use super::guard::{guarded, guarded_done};
use super::handle::{self, Object, Tag};
use super::monitors_read::owned_buf;
use super::status::{LNKEEP_ALREADY, LNKEEP_DONE, lnkeep_status};
use super::types::*;
use crate::error::Result;
use crate::peer_storage::{
    ClaimChange, Claims, PeerStorage, PeerStorageOptions, PeerStorageReport, Stored, Ticked,
};
use crate::types::NodeId;

/// Opens the peer storage of a store. While it is open, opening again with equal options gives another
/// handle on the same. Claims are not stored: report every peer's, then call
/// lnkeep_peer_storage_claims_complete.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY_OPEN with other options; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_BUSY, LNKEEP_POISONED. A damaged record is no
///   error: report counts it.
/// In: options, NULL for the safe defaults.
/// Out: peer_storage, the handle; report, NULL if not wanted, else start with
///   LNKEEP_PEER_STORAGE_REPORT_INIT.
/// Threads: any.
/// Ownership: close the handle with lnkeep_peer_storage_close.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_open(
    store: lnkeep_store,
    options: *const lnkeep_peer_storage_options,
    peer_storage: *mut lnkeep_peer_storage,
    report: *mut lnkeep_peer_storage_report,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(peer_storage, "peer_storage")?;
            output.set(lnkeep_peer_storage { bits: 0 });
            let report = SizedOutput::optional(report, "report")?;
            let options = options_of(&args::sized(options, "options")?)?;
            let opened =
                handle::with_store(store.bits, |object| PeerStorage::open(&object.store, options))?;
            let found = c_report(&opened.report());
            output.set(lnkeep_peer_storage { bits: handle::open(Object::PeerStorage(opened))? });
            if let Some(report) = report {
                report.set(found);
            }
            Ok(())
        })
    }
}

fn options_of(given: &lnkeep_peer_storage_options) -> Result<PeerStorageOptions> {
    let known = LNKEEP_PEER_STORAGE_OFF
        | LNKEEP_PEER_STORAGE_REFUSE_PENDING_CHANNELS
        | LNKEEP_PEER_STORAGE_ACCEPT_IN_GRACE
        | LNKEEP_PEER_STORAGE_RETURN_UNWRITTEN
        | LNKEEP_PEER_STORAGE_ZEROS_COUNT;
    args::flags(given.flags, known, "options.flags")?;
    args::reserved(given.reserved, "options.reserved")?;
    let has = |flag: u32| given.flags & flag != 0;
    let zeros_count = has(LNKEEP_PEER_STORAGE_ZEROS_COUNT);
    let or = |given: u64, default: u64| if given == 0 && !zeros_count { default } else { given };
    let or_u32 = |given: u32, default: u32| or(given.into(), default.into()) as u32;
    let default = PeerStorageOptions::default();
    let percent = or_u32(given.without_channel_percent, default.without_channel_percent.into());
    Ok(PeerStorageOptions {
        is_off: has(LNKEEP_PEER_STORAGE_OFF),
        cooldown_ms: or(given.cooldown_ms, default.cooldown_ms),
        cooldown_without_channel_ms: or(
            given.cooldown_without_channel_ms,
            default.cooldown_without_channel_ms,
        ),
        disconnect_interval_ms: or(given.disconnect_interval_ms, default.disconnect_interval_ms),
        retention_blocks: or_u32(given.retention_blocks, default.retention_blocks),
        blob_bytes_max: or_u32(given.blob_bytes_max, default.blob_bytes_max),
        peers_max: or_u32(given.peers_max, default.peers_max),
        total_bytes_max: or(given.total_bytes_max, default.total_bytes_max),
        without_channel_percent: u8::try_from(percent)
            .map_err(|_| invalid(format!("options.without_channel_percent is {percent}")))?,
        pending_bytes_max: or(given.pending_bytes_max, default.pending_bytes_max),
        refuses_pending_channels: has(LNKEEP_PEER_STORAGE_REFUSE_PENDING_CHANNELS),
        returns_unwritten: has(LNKEEP_PEER_STORAGE_RETURN_UNWRITTEN),
        accepts_in_grace: has(LNKEEP_PEER_STORAGE_ACCEPT_IN_GRACE),
    })
}

fn c_report(report: &PeerStorageReport) -> lnkeep_peer_storage_report {
    lnkeep_peer_storage_report {
        size: std::mem::size_of::<lnkeep_peer_storage_report>(),
        peers: report.peers,
        bytes: report.bytes,
        damaged: report.damaged,
    }
}

/// Closes a handle on peer storage; the last one writes what waits.
///
/// Returns: LNKEEP_DONE; LNKEEP_NO_SPACE, LNKEEP_POISONED, LNKEEP_BUSY while others keep the queue full for
///   a thousand tries: closed, and what waited in memory is lost, as after a crash;
///   LNKEEP_INVALID_ARGUMENT; LNKEEP_BAD_HANDLE when it is not open.
/// In: peer_storage, a pointer to the handle; it is set to LNKEEP_PEER_STORAGE_NONE.
/// Durable: everything accepted before, with LNKEEP_DONE.
/// Threads: any, also while other threads are inside calls on it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_close(
    peer_storage: *mut lnkeep_peer_storage,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let copy = Output::required(peer_storage, "peer_storage")?;
            let bits = args::input(peer_storage, "peer_storage")?.bits;
            let closed = handle::close(bits, Tag::PeerStorage, |object| match object {
                Object::PeerStorage(peer_storage) => peer_storage.close(),
                _ => Ok(()),
            });
            if !handle::is_open(bits, Tag::PeerStorage) {
                copy.set(lnkeep_peer_storage { bits: 0 });
            }
            closed
        })
    }
}

/// Whether a handle on peer storage is open now.
///
/// Returns: 1 or 0; 0 in a forked child.
/// Threads: any; another thread may close it right after.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_peer_storage_is_open(peer_storage: lnkeep_peer_storage) -> c_int {
    let is_open = || handle::is_open(peer_storage.bits, Tag::PeerStorage);
    c_int::from(!crate::os::is_forked_child() && is_open())
}

/// # Safety
/// A pointer that is not NULL points to 33 readable bytes.
pub(super) unsafe fn node_of(node_id: *const u8, name: &str) -> Result<NodeId> {
    // SAFETY: promised by the caller; bytes need no alignment.
    Ok(NodeId(*unsafe { args::input(node_id.cast::<[u8; 33]>(), name) }?))
}

/// Takes a blob that a peer sent (peer_storage). It is written at once unless the peer's last write is less
/// than a cooldown ago; then the newest is written when the cooldown ends. Either way it is what is returned
/// from now on.
///
/// Returns: LNKEEP_DONE: accepted, and stored.result says whether it is durable; LNKEEP_ALREADY when it is
///   the newest already. Nothing was changed by LNKEEP_STORAGE_NOT_OFFERED, LNKEEP_NO_CLAIM,
///   LNKEEP_TOO_BIG, LNKEEP_QUOTA_PEERS, LNKEEP_QUOTA_TOTAL, or LNKEEP_BUSY when too much waits in memory:
///   say nothing to the peer and never disconnect for them. LNKEEP_NO_SPACE, LNKEEP_UNKNOWN,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: now_ms, the host's time, which never goes back; node_id, 33 bytes; blob, borrowed.
/// Out: stored, NULL if not wanted, else start with LNKEEP_STORED_INIT; also written with LNKEEP_ALREADY.
/// Durable: with LNKEEP_STORED_COMMITTED when it returns.
/// Threads: any. Blobs of several peers share commits.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_store(
    peer_storage: lnkeep_peer_storage,
    now_ms: u64,
    node_id: *const u8,
    blob: lnkeep_bytes,
    stored: *mut lnkeep_stored,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let output = SizedOutput::optional(stored, "stored")?;
            let (peer, blob) = (node_of(node_id, "node_id")?, args::bytes(blob, "blob")?);
            let became = handle::with_peer_storage(peer_storage.bits, |peer_storage| {
                peer_storage.store_blob(now_ms, peer, blob)
            })?;
            let (result, due_ms, failure) = match became {
                Stored::Committed => (LNKEEP_STORED_COMMITTED, 0, None),
                Stored::Deferred { due_ms, failure } => (LNKEEP_STORED_DEFERRED, due_ms, failure),
                Stored::Unchanged => (LNKEEP_STORED_UNCHANGED, 0, None),
            };
            if let Some(output) = output {
                let failure = failure.map_or(0, |error| error.status().number());
                output.set(lnkeep_stored { size: 0, result, failure, due_ms });
            }
            let was_known = result == LNKEEP_STORED_UNCHANGED;
            Ok(if was_known { LNKEEP_ALREADY } else { LNKEEP_DONE })
        })
    }
}

/// The blob to return to a peer that connected (peer_storage_retrieval): after init, before
/// channel_reestablish, before any message of this peer is handled, also when it has no channel left. What
/// waits in memory is written first, as at a disconnection and at most as often: a peer takes what it is
/// returned for confirmed. What cannot be written is returned all the same.
///
/// Returns: LNKEEP_DONE; LNKEEP_CORRUPT_RECORD when the blob does not pass its check: send nothing;
///   LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: now_ms, the host's time; node_id, 33 bytes.
/// Out: blob, NULL when there is nothing to send; not NULL and of length 0 for an empty blob.
/// Threads: any.
/// Ownership: free it with lnkeep_buf_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_connected(
    peer_storage: lnkeep_peer_storage,
    now_ms: u64,
    node_id: *const u8,
    blob: *mut *mut lnkeep_buf,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(blob, "blob")?;
            let peer = node_of(node_id, "node_id")?;
            let newest = handle::with_peer_storage(peer_storage.bits, |peer_storage| {
                peer_storage.connected(now_ms, peer)
            })?;
            output.set(newest.map_or(std::ptr::null_mut(), owned_buf));
            Ok(())
        })
    }
}

/// Writes what waits for a peer that disconnected, unless its last write was a moment ago.
///
/// Returns: LNKEEP_DONE: written; LNKEEP_ALREADY: nothing waits, or a later tick writes it; LNKEEP_BUSY,
///   LNKEEP_NO_SPACE: it still waits; LNKEEP_UNKNOWN, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: now_ms, the host's time; node_id, 33 bytes.
/// Durable: with LNKEEP_DONE, when it returns.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_disconnected(
    peer_storage: lnkeep_peer_storage,
    now_ms: u64,
    node_id: *const u8,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let peer = node_of(node_id, "node_id")?;
            let was_written = handle::with_peer_storage(peer_storage.bits, |peer_storage| {
                peer_storage.disconnected(now_ms, peer)
            })?;
            Ok(if was_written { LNKEEP_DONE } else { LNKEEP_ALREADY })
        })
    }
}

/// Writes every blob whose cooldown is over, in as few commits as their bytes allow. Arm a timer for
/// next_due_ms, here and after each LNKEEP_STORED_DEFERRED.
///
/// Returns: LNKEEP_DONE, also when some could not be written: see ticked.failed; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: now_ms, the host's time; flags, LNKEEP_TICK_ALL or 0.
/// Out: ticked, NULL if not wanted, else start with LNKEEP_TICKED_INIT; committed, NULL if not wanted, else
///   the peers whose blob became durable.
/// Durable: what is in committed, when it returns.
/// Threads: any.
/// Ownership: free committed with lnkeep_node_ids_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_tick(
    peer_storage: lnkeep_peer_storage,
    now_ms: u64,
    flags: u32,
    ticked: *mut lnkeep_ticked,
    committed: *mut *mut lnkeep_node_ids,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::optional(ticked, "ticked")?;
            let peers = Output::optional(committed, "committed")?;
            args::flags(flags, LNKEEP_TICK_ALL, "flags")?;
            let all = flags & LNKEEP_TICK_ALL != 0;
            let did = handle::with_peer_storage(peer_storage.bits, |peer_storage| match all {
                true => peer_storage.flush(now_ms),
                false => peer_storage.tick(now_ms),
            })?;
            if let Some(output) = output {
                output.set(c_ticked(&did));
            }
            peers.set_with(|| owned_node_ids(&did.committed));
            Ok(())
        })
    }
}

fn c_ticked(did: &Ticked) -> lnkeep_ticked {
    lnkeep_ticked {
        size: 0,
        committed: did.committed.len() as u64,
        failed: did.failed.len() as u64,
        next_due_ms: did.next_due_ms.unwrap_or(0),
        flags: did.next_due_ms.map_or(0, |_| LNKEEP_TICKED_HAS_NEXT_DUE),
        failure: did.failed.first().map_or(0, |(_, error)| error.status().number()),
    }
}

/// Nodes handed to C with the memory that their pointer leads to; the structure comes first.
#[repr(C)]
struct OwnedNodeIds {
    face: lnkeep_node_ids,
    ids: Vec<u8>,
}

pub(super) fn owned_node_ids(nodes: &[NodeId]) -> *mut lnkeep_node_ids {
    let ids: Vec<u8> = nodes.iter().flat_map(|node| node.0).collect();
    let face = lnkeep_node_ids {
        size: std::mem::size_of::<lnkeep_node_ids>(),
        ids: args::first(&ids),
        ids_len: nodes.len(),
    };
    let owned = OwnedNodeIds { face, ids };
    debug_assert_eq!(owned.ids.len(), owned.face.ids_len * 33);
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees node ids that a call gave. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_node_ids_free(ids: *mut lnkeep_node_ids) {
    if !ids.is_null() {
        // SAFETY: made by `owned_node_ids` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(ids.cast::<OwnedNodeIds>()) });
    }
}

/// Says what changed about a peer's claims: why it may have a blob kept. Report before its messages are
/// handled. A channel counts from the moment its funding is pending: some nodes send their first blob then
/// and not again.
///
/// Returns: LNKEEP_DONE; LNKEEP_BUSY, LNKEEP_NO_SPACE: nothing was changed, report it again;
///   LNKEEP_UNKNOWN, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: node_id, 33 bytes; change, one of LNKEEP_CLAIM_*; block_height, of the best block: where the last
///   claim ends, the retention begins with it.
/// Durable: that and when the last claim ended, when it returns. Claims themselves are not stored.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_report_claim(
    peer_storage: lnkeep_peer_storage,
    node_id: *const u8,
    change: u32,
    block_height: u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let peer = node_of(node_id, "node_id")?;
            let known = ClaimChange::from_number(change)
                .ok_or_else(|| invalid(format!("change {change} is unknown")))?;
            handle::with_peer_storage(peer_storage.bits, |peer_storage| {
                peer_storage.report_claim(peer, known, block_height)
            })
        })
    }
}

/// Says that every claim was reported, singly or here: these peers have these claims and no others. Until
/// then nothing is collected, because every peer would look unclaimed. A peer with a blob and without a
/// claim is kept for the retention from this height on.
///
/// Returns: LNKEEP_DONE; LNKEEP_DUPLICATE_ID when a peer is named twice: nothing was changed;
///   LNKEEP_BUSY, LNKEEP_NO_SPACE: call it again; LNKEEP_UNKNOWN, LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: claims, claims_len of them, NULL without any; block_height, of the best block.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_claims_complete(
    peer_storage: lnkeep_peer_storage,
    claims: *const lnkeep_peer_claims,
    claims_len: usize,
    block_height: u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let given = args::inputs(claims, claims_len, "claims")?;
            let claims = given.iter().map(claims_of).collect::<Result<Vec<Claims>>>()?;
            handle::with_peer_storage(peer_storage.bits, |peer_storage| {
                peer_storage.claims_complete(&claims, block_height)
            })
        })
    }
}

fn claims_of(given: &lnkeep_peer_claims) -> Result<Claims> {
    args::flags(given.flags, LNKEEP_PEER_ALLOWED, "claims.flags")?;
    if given.reserved_bytes != [0; 3] {
        return Err(invalid("claims.reserved_bytes must be 0"));
    }
    Ok(Claims {
        peer: NodeId(given.node_id),
        open_channels: given.open_channels,
        pending_channels: given.pending_channels,
        is_allowed: given.flags & LNKEEP_PEER_ALLOWED != 0,
    })
}

/// Tells the height of the best block and removes every blob whose time is over. Heights may be told again,
/// and may jump; a lower one delays.
///
/// Returns: LNKEEP_DONE; LNKEEP_CLAIMS_INCOMPLETE before lnkeep_peer_storage_claims_complete: nothing was
///   removed; LNKEEP_BUSY, LNKEEP_NO_SPACE: what was not removed is at the next block; LNKEEP_UNKNOWN,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// Out: collected, NULL if not wanted, else the peers whose blob was removed.
/// Durable: when it returns.
/// Threads: any.
/// Ownership: free collected with lnkeep_node_ids_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_block_connected(
    peer_storage: lnkeep_peer_storage,
    block_height: u32,
    collected: *mut *mut lnkeep_node_ids,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(collected, "collected")?;
            let removed = handle::with_peer_storage(peer_storage.bits, |peer_storage| {
                peer_storage.block_connected(block_height)
            })?;
            output.set_with(|| owned_node_ids(&removed));
            Ok(())
        })
    }
}
