//! Peer storage: what an operator sees and does.

use super::args::{self, Output, SizedOutput};
use super::guard::guarded_done;
use super::handle;
use super::monitors_read::owned_buf;
use super::peer_storage::{node_of, owned_node_ids};
use super::status::lnkeep_status;
use super::types::*;
use crate::peer_storage::PeerEntry;

/// Removes a peer's blob at the operator's word, or every blob whose peer has no claim. Claims stay.
///
/// Returns: LNKEEP_DONE; LNKEEP_CLAIMS_INCOMPLETE for all of them before
///   lnkeep_peer_storage_claims_complete: nothing was removed; LNKEEP_BUSY, LNKEEP_NO_SPACE,
///   LNKEEP_UNKNOWN, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: node_id, 33 bytes, or NULL for all without a claim.
/// Out: pruned, NULL if not wanted, else the peers whose blob was removed.
/// Durable: when it returns.
/// Threads: any.
/// Ownership: free pruned with lnkeep_node_ids_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_prune(
    peer_storage: lnkeep_peer_storage,
    node_id: *const u8,
    pruned: *mut *mut lnkeep_node_ids,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(pruned, "pruned")?;
            let only = if node_id.is_null() { None } else { Some(node_of(node_id, "node_id")?) };
            let removed =
                handle::with_peer_storage(peer_storage.bits, |peer_storage| match only {
                    None => peer_storage.prune_unclaimed(),
                    Some(peer) => Ok(match peer_storage.prune(peer)? {
                        true => vec![peer],
                        false => Vec::new(),
                    }),
                })?;
            output.set_with(|| owned_node_ids(&removed));
            Ok(())
        })
    }
}

/// A page of peers handed to C with the memory that its pointer leads to; the structure comes first.
#[repr(C)]
struct OwnedPeerPage {
    face: lnkeep_peer_page,
    peers: Vec<lnkeep_peer_entry>,
}

/// Peers with a blob, in the order of their ids, a page at a time.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: after, the last id of the page before, 33 bytes, NULL to begin; limit, of peers; 0, and whatever is
///   more, means 1,000.
/// Out: page; without peers after the last one.
/// Threads: any.
/// Ownership: free it with lnkeep_peer_page_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_list(
    peer_storage: lnkeep_peer_storage,
    after: *const u8,
    limit: usize,
    page: *mut *mut lnkeep_peer_page,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(page, "page")?;
            let after = if after.is_null() { None } else { Some(node_of(after, "after")?) };
            let limit = if limit == 0 { usize::MAX } else { limit };
            let found = handle::with_peer_storage(peer_storage.bits, |peer_storage| {
                peer_storage.list(after, limit)
            })?;
            let peers: Vec<_> = found.iter().map(c_entry).collect();
            let face = lnkeep_peer_page {
                size: std::mem::size_of::<lnkeep_peer_page>(),
                peer_stride: std::mem::size_of::<lnkeep_peer_entry>(),
                peers: args::first(&peers),
                peers_len: peers.len(),
            };
            let owned = OwnedPeerPage { face, peers };
            debug_assert_eq!(owned.peers.len(), owned.face.peers_len);
            output.set(Box::into_raw(Box::new(owned)).cast());
            Ok(())
        })
    }
}

fn c_entry(entry: &PeerEntry) -> lnkeep_peer_entry {
    let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
    lnkeep_peer_entry {
        node_id: entry.claims.peer.0,
        reserved_bytes: [0; 3],
        flags: flag(entry.claims.is_allowed, LNKEEP_PEER_ALLOWED)
            | flag(entry.is_pending, LNKEEP_PEER_PENDING)
            | flag(entry.is_damaged, LNKEEP_PEER_DAMAGED)
            | flag(entry.closed_at.is_some(), LNKEEP_PEER_HAS_CLOSED_AT),
        sha256: entry.sha256,
        blob_bytes: entry.blob_bytes,
        open_channels: entry.claims.open_channels,
        pending_channels: entry.claims.pending_channels,
        closed_at: entry.closed_at.unwrap_or(0),
        blocks_left: entry.blocks_left.unwrap_or(0),
        reserved: 0,
        received_ms: entry.received_ms,
        committed_ms: entry.committed_ms,
        updates: entry.updates,
        commits: entry.commits,
    }
}

/// Frees a page of peers. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_page_free(page: *mut lnkeep_peer_page) {
    if !page.is_null() {
        // SAFETY: made by `lnkeep_peer_storage_list` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(page.cast::<OwnedPeerPage>()) });
    }
}

/// The newest blob of a peer, also while nothing is offered.
///
/// Returns: LNKEEP_DONE; LNKEEP_CORRUPT_RECORD when it does not pass its check; LNKEEP_BUSY,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: node_id, 33 bytes.
/// Out: blob, NULL when there is none.
/// Threads: any.
/// Ownership: free it with lnkeep_buf_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_export(
    peer_storage: lnkeep_peer_storage,
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
                peer_storage.export(peer)
            })?;
            output.set(newest.map_or(std::ptr::null_mut(), owned_buf));
            Ok(())
        })
    }
}

/// Begins or ends to offer storage, without a restart. What is kept stays until it is collected; while
/// nothing is offered, nothing is accepted and nothing is returned.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: is_offered, 1 or 0.
/// Durable: no; LNKEEP_PEER_STORAGE_OFF decides at the next open.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_set_offered(
    peer_storage: lnkeep_peer_storage,
    is_offered: u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let is_offered = args::truth(is_offered, "is_offered")?;
            handle::with_peer_storage(peer_storage.bits, |peer_storage| {
                peer_storage.set_offered(is_offered)
            })
        })
    }
}

/// Figures of peer storage, since its open and of now.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// Out: stats, whose size the caller set; start with LNKEEP_PEER_STORAGE_STATS_INIT.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_peer_storage_read_stats(
    peer_storage: lnkeep_peer_storage,
    stats: *mut lnkeep_peer_storage_stats,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::new(stats, "stats")?;
            let found = handle::with_peer_storage(peer_storage.bits, |storage| storage.stats())?;
            output.set(lnkeep_peer_storage_stats {
                size: 0,
                peers: found.peers,
                bytes: found.bytes,
                bytes_without_channel: found.bytes_without_channel,
                pending: found.pending,
                pending_bytes: found.pending_bytes,
                damaged: found.damaged,
                commits: found.commits,
                deferred: found.deferred,
                unchanged: found.unchanged,
                refused_no_claim: found.refused_no_claim,
                refused_too_big: found.refused_too_big,
                refused_quota: found.refused_quota,
                collected: found.collected,
            });
            Ok(())
        })
    }
}
