//! Backup: timers, and where it stands.

use super::args::{self, Output, SizedOutput};
use super::backup::standing_flags;
use super::guard::guarded_done;
use super::handle;
use super::peer_storage::node_of;
use super::status::lnkeep_status;
use super::types::*;
use crate::backup::stripe::Code;
use crate::backup::{BlobContent, PeerStatus, Ticked};

/// Actions handed to C with the memory that their pointer leads to; the structure comes first.
#[repr(C)]
struct OwnedActions {
    face: lnkeep_backup_actions,
    actions: Vec<lnkeep_backup_action>,
}

/// Concludes about peers that returned nothing in time, and says which are due for a blob
/// (LNKEEP_BACKUP_ACTION_SEND): because the payload is another one than they hold, because they were to be
/// sent it again, or because a channel with them became usable; at most once per resend interval and peer.
/// Arm a timer for next_due_ms.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: now_ms, the host's time.
/// Out: actions.
/// Durable: conclusions of which none of the peer's was written within a resend interval, 1,024 at a time;
///   what a payload's shares are made of, once more of them came back than restore it; unless
///   actions.failure says otherwise.
/// Threads: any.
/// Ownership: free it with lnkeep_backup_actions_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_tick(
    backup: lnkeep_backup,
    now_ms: u64,
    actions: *mut *mut lnkeep_backup_actions,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(actions, "actions")?;
            let ticked = handle::with_backup(backup.bits, |backup| backup.tick(now_ms))?;
            output.set(owned_actions(&ticked));
            Ok(())
        })
    }
}

fn owned_actions(ticked: &Ticked) -> *mut lnkeep_backup_actions {
    let c_action = |(peer, state, action): &(crate::types::NodeId, _, _)| {
        let (state, action): (&crate::backup::PeerState, &crate::backup::Action) = (state, action);
        lnkeep_backup_action {
            node_id: peer.0,
            reserved_bytes: [0; 3],
            state: u32::from(state.number()),
            action: u32::from(action.number()),
        }
    };
    let actions: Vec<_> = ticked.actions.iter().map(c_action).collect();
    let face = lnkeep_backup_actions {
        size: std::mem::size_of::<lnkeep_backup_actions>(),
        action_stride: std::mem::size_of::<lnkeep_backup_action>(),
        actions: args::first(&actions),
        actions_len: actions.len(),
        next_due_ms: ticked.next_due_ms.unwrap_or(0),
        flags: ticked.next_due_ms.map_or(0, |_| LNKEEP_BACKUP_HAS_NEXT_DUE),
        failure: ticked.failure.as_ref().map_or(0, |error| error.status().number()),
    };
    let owned = OwnedActions { face, actions };
    debug_assert_eq!(owned.actions.len(), owned.face.actions_len);
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees what lnkeep_backup_tick gave. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_actions_free(actions: *mut lnkeep_backup_actions) {
    if !actions.is_null() {
        // SAFETY: made by `owned_actions` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(actions.cast::<OwnedActions>()) });
    }
}

/// Peers handed to C with the memory that their pointer leads to; the structure comes first.
#[repr(C)]
struct OwnedPeers {
    face: lnkeep_backup_peers,
    peers: Vec<lnkeep_backup_peer>,
}

/// What is known of peers, in the order of their ids, a page at a time.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: after, the last id of the page before, 33 bytes, NULL to begin; limit, of peers; 0, and whatever is
///   more, means 1,000.
/// Out: peers; without any after the last one.
/// Threads: any.
/// Ownership: free it with lnkeep_backup_peers_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_list(
    backup: lnkeep_backup,
    after: *const u8,
    limit: usize,
    peers: *mut *mut lnkeep_backup_peers,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(peers, "peers")?;
            let after = if after.is_null() { None } else { Some(node_of(after, "after")?) };
            let limit = if limit == 0 { usize::MAX } else { limit };
            let found = handle::with_backup(backup.bits, |backup| backup.peers(after, limit))?;
            let peers: Vec<_> = found.iter().map(c_peer).collect();
            let face = lnkeep_backup_peers {
                size: std::mem::size_of::<lnkeep_backup_peers>(),
                peer_stride: std::mem::size_of::<lnkeep_backup_peer>(),
                peers: args::first(&peers),
                peers_len: peers.len(),
            };
            let owned = OwnedPeers { face, peers };
            debug_assert_eq!(owned.peers.len(), owned.face.peers_len);
            output.set(Box::into_raw(Box::new(owned)).cast());
            Ok(())
        })
    }
}

fn c_peer(status: &PeerStatus) -> lnkeep_backup_peer {
    let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
    lnkeep_backup_peer {
        node_id: status.peer.0,
        reserved_bytes: [0; 3],
        state: u32::from(status.state.number()),
        sent_seq: status.sent_seq,
        committed_seq: status.committed_seq,
        strikes: status.strikes,
        recent_strikes: status.recent_strikes,
        flags: flag(status.is_protected, LNKEEP_BACKUP_PEER_PROTECTED)
            | flag(status.is_connected, LNKEEP_BACKUP_PEER_CONNECTED)
            | flag(status.offers_storage, LNKEEP_BACKUP_PEER_OFFERS)
            | flag(status.share_index.is_some(), LNKEEP_BACKUP_PEER_HAS_SHARE)
            | flag(status.keeps_journal, LNKEEP_BACKUP_PEER_KEEPS_JOURNAL)
            | flag(status.score_ppm.is_some(), LNKEEP_BACKUP_PEER_HAS_FACTS),
        copy: status.copy as u32,
        size_class: status.size_class.bytes() as u32,
        sent_content: content_number(&status.sent),
        sent_ms: status.sent_ms,
        held_content: content_number(&status.held),
        share_index: status.share_index.map_or(0, u32::from),
        score_ppm: u32::try_from(status.score_ppm.unwrap_or(0)).unwrap_or(u32::MAX),
        reserved: 0,
    }
}

fn content_number(content: &BlobContent) -> u32 {
    match content {
        BlobContent::Nothing => LNKEEP_CONTENT_NOTHING,
        BlobContent::Whole { .. } => LNKEEP_CONTENT_WHOLE,
        BlobContent::Shares { base: None, .. } => LNKEEP_CONTENT_SHARE,
        BlobContent::Shares { .. } => LNKEEP_CONTENT_TWO_SHARES,
        BlobContent::Journal => LNKEEP_CONTENT_JOURNAL,
        BlobContent::Roster => LNKEEP_CONTENT_ROSTER,
    }
}

/// Frees what lnkeep_backup_list gave. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_peers_free(peers: *mut lnkeep_backup_peers) {
    if !peers.is_null() {
        // SAFETY: made by `lnkeep_backup_list` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(peers.cast::<OwnedPeers>()) });
    }
}

/// Where a backup stands: how many peers hold the payload of now, and whether anything may be sent.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// Out: standing, whose size the caller set; start with LNKEEP_BACKUP_STANDING_INIT.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_read_standing(
    backup: lnkeep_backup,
    standing: *mut lnkeep_backup_standing,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::new(standing, "standing")?;
            let found = handle::with_backup(backup.bits, |backup| backup.standing())?;
            let shares = |count: fn(Code) -> usize| {
                found.newest.map_or(0, |newest| count(newest.code) as u32)
            };
            output.set(lnkeep_backup_standing {
                size: 0,
                instance: found.instance,
                next_seq: found.next_seq,
                payload_bytes: found.payload_bytes,
                peers: found.peers,
                confirmed_copies: found.confirmed_copies,
                unconfirmed_copies: found.unconfirmed_copies,
                flags: standing_flags(found.is_fresh, found.is_blocked)
                    | if found.is_striped { LNKEEP_BACKUP_CUT } else { 0 },
                needed_peers: found.needed_peers,
                generation: found.newest.map_or(0, |newest| newest.number),
                base_generation: found.base.map_or(0, |base| base.number),
                data_shares: shares(Code::data_shares),
                shares: shares(Code::shares),
                placed: found.placed,
                confirmed_shares: found.confirmed_shares,
                sent_shares: found.sent_shares,
                journal_keepers: found.journal_keepers,
                covered_htlcs: found.coverage.covered_count,
                uncovered_htlcs: found.coverage.uncovered_count,
                uncovered_msat: found.coverage.uncovered_msat,
            });
            Ok(())
        })
    }
}
