//! The structures of the recovery's part of the ABI.

use super::hosted_types::lnkeep_backup_htlc;
use super::types::lnkeep_bytes;

/// A recovery that goes on. It needs no store. Zero is LNKEEP_RECOVERY_SESSION_NONE.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_recovery_session {
    /// Opaque.
    pub bits: u64,
}

/// Choices for a recovery. Start with LNKEEP_RECOVERY_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_recovery_options {
    /// sizeof(lnkeep_recovery_options), set by the caller.
    pub size: usize,
    /// From this time on nobody is waited for: a newest generation that is complete is final; 0: never.
    pub deadline_ms: u64,
    /// Time that a peer has to be reached; 0 means 60,000.
    pub answer_ms: u64,
    /// Time that a connected peer has to return a blob; 0 means 10,000.
    pub blob_ms: u64,
    /// Most peers that may be known; 0 means 10,000, which is also the most.
    pub candidates_max: u32,
    /// 0.
    pub reserved: u32,
}

/// A peer that may keep something of ours.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_recovery_candidate {
    /// Its node id.
    pub node_id: [u8; 33],
    /// 0.
    pub reserved_bytes: [u8; 3],
    /// 1 if the public graph shows a channel with it, else 0.
    pub is_announced: u32,
    /// Its address descriptor of BOLT 7 (type, address, port), at most 255 bytes, or none. Borrowed.
    pub address: lnkeep_bytes,
}

/// There is nobody left to ask.
pub const LNKEEP_RECOVERY_NEXT_NONE: u32 = 0;
/// Connect to this peer and report.
pub const LNKEEP_RECOVERY_NEXT_ASK: u32 = 1;
/// Nothing before the time given.
pub const LNKEEP_RECOVERY_NEXT_WAIT: u32 = 2;

/// What to do next. Start with LNKEEP_RECOVERY_NEXT_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_recovery_next {
    /// sizeof(lnkeep_recovery_next), set by the caller.
    pub size: usize,
    /// One of LNKEEP_RECOVERY_NEXT_*.
    pub kind: u32,
    /// Bytes of the address, 0 if none is known.
    pub address_len: u32,
    /// With LNKEEP_RECOVERY_NEXT_WAIT: when to ask again, in the host's milliseconds.
    pub until_ms: u64,
    /// With LNKEEP_RECOVERY_NEXT_ASK: the peer.
    pub node_id: [u8; 33],
    /// 0.
    pub reserved_bytes: [u8; 7],
    /// An address descriptor of BOLT 7. After a failure, another one if there is one.
    pub address: [u8; 256],
}

/// Connected: its blob may follow.
pub const LNKEEP_RECOVERY_PEER_CONNECTED: u32 = 0;
/// Could not be reached, or the connection ended before it answered.
pub const LNKEEP_RECOVERY_PEER_FAILED: u32 = 1;
/// Offers no storage.
pub const LNKEEP_RECOVERY_PEER_NO_STORAGE: u32 = 2;
/// Began channel_reestablish, or let its time pass, without a blob.
pub const LNKEEP_RECOVERY_PEER_NO_BLOB: u32 = 3;

/// Something that was missing: a share, a payload, a journal or a roster.
pub const LNKEEP_FED_ACCEPTED: u32 = 0;
/// Nothing that was not there.
pub const LNKEEP_FED_DUPLICATE: u32 = 1;
/// Only generations below one that can be restored already, or below all that is kept of this peer.
pub const LNKEEP_FED_OLD: u32 = 2;
/// It is ours and contradicts what came first of its generation: two writers used one number.
pub const LNKEEP_FED_INCONSISTENT: u32 = 3;
/// It does not open; fault is one of LNKEEP_ENVELOPE_*.
pub const LNKEEP_FED_UNREADABLE: u32 = 4;
/// It is ours, and its shares, roster or object are malformed; fault is the value that LNKEEP_BAD_SHARE has.
pub const LNKEEP_FED_BAD_SHARE: u32 = 5;
/// It is ours, and its journal is malformed; fault is the number of that.
pub const LNKEEP_FED_BAD_JOURNAL: u32 = 6;
/// It is ours, of a kind that this version does not know; fault is the kind.
pub const LNKEEP_FED_UNKNOWN_KIND: u32 = 7;

/// It is a backup of other software, which a key of lnkeep_recovery_set_foreign_keys opens; fault is one of
/// LNKEEP_SOFTWARE_*. Open it with the lnkeep_foreign_ call of that, and keep it.
pub const LNKEEP_FED_FOREIGN: u32 = 8;

/// LDK.
pub const LNKEEP_SOFTWARE_LDK: u32 = 1;
/// Core Lightning.
pub const LNKEEP_SOFTWARE_CLN: u32 = 2;
/// lightning-kmp, which Phoenix is built on.
pub const LNKEEP_SOFTWARE_LIGHTNING_KMP: u32 = 3;
/// lnd.
pub const LNKEEP_SOFTWARE_LND: u32 = 4;

/// Keys of software that a node ran before, each 32 bytes, borrowed, or NULL. Start with
/// LNKEEP_FOREIGN_KEYS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_foreign_keys {
    /// sizeof(lnkeep_foreign_keys), set by the caller.
    pub size: usize,
    /// What lnkeep_foreign_ldk_key gives.
    pub ldk: *const u8,
    /// What lnkeep_foreign_cln_key gives.
    pub cln: *const u8,
    /// The private key of the node.
    pub lightning_kmp: *const u8,
    /// What lnkeep_foreign_lnd_key gives.
    pub lnd: *const u8,
}

/// What a blob brought. Start with LNKEEP_FED_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_fed {
    /// sizeof(lnkeep_fed), set by the caller.
    pub size: usize,
    /// One of LNKEEP_FED_*.
    pub outcome: u32,
    /// What the outcome says, else 0.
    pub fault: u32,
}

/// No share was found.
pub const LNKEEP_RECOVERY_EMPTY: u32 = 0;
/// No generation can be restored.
pub const LNKEEP_RECOVERY_COLLECTING: u32 = 1;
/// A generation can be restored, and a newer one is known of.
pub const LNKEEP_RECOVERY_COMPLETE_OLDER: u32 = 2;
/// The newest generation known of can be restored.
pub const LNKEEP_RECOVERY_COMPLETE: u32 = 3;
/// So it can, and everybody known has answered, failed three times, or had the time the caller gives.
pub const LNKEEP_RECOVERY_COMPLETE_FINAL: u32 = 4;

/// What was gathered of one generation. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_recovery_set {
    /// Which generation.
    pub generation: u64,
    /// Of which object; zero for whole payloads.
    pub set_id: [u8; 16],
    /// Distinct shares found.
    pub have: u32,
    /// Distinct shares that restore it.
    pub need: u32,
    /// Shares that were made.
    pub shares: u32,
    /// 0.
    pub reserved: u32,
}

/// best_generation is set.
pub const LNKEEP_RECOVERY_HAS_BEST: u32 = 1;
/// newest_seen_generation is set.
pub const LNKEEP_RECOVERY_HAS_NEWEST: u32 = 2;

/// How far a recovery is. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_recovery_progress {
    /// Bytes of this structure.
    pub size: usize,
    /// Bytes from one set to the next.
    pub set_stride: usize,
    /// Every generation that a share was found of, the highest first; NULL without any.
    pub sets: *const lnkeep_recovery_set,
    /// Number of sets.
    pub sets_len: usize,
    /// The greatest generation that can be restored.
    pub best_generation: u64,
    /// The greatest generation known of.
    pub newest_seen_generation: u64,
    /// LNKEEP_RECOVERY_EMPTY to LNKEEP_RECOVERY_COMPLETE_FINAL.
    pub status: u32,
    /// Bits of LNKEEP_RECOVERY_HAS_*.
    pub flags: u32,
    /// Peers known of.
    pub peers_known: u32,
    /// Peers that were asked, or reported of.
    pub peers_asked: u32,
    /// Peers that answered, whatever they said.
    pub peers_answered: u32,
    /// Peers whose answer is awaited.
    pub peers_pending: u32,
    /// Peers that failed three times and did not answer.
    pub peers_unreachable: u32,
    /// Peers that returned a blob of ours.
    pub peers_with_blob: u32,
    /// Peers that returned something that does not open.
    pub peers_unreadable: u32,
    /// Blobs kept.
    pub blobs: u32,
}

/// Peers may hold later states than these: a channel that goes on from an earlier state than its peer's is
/// lost to a penalty. Let the peer close, then sweep. Always set.
pub const LNKEEP_RECOVERED_CLOSE_AND_SWEEP_ONLY: u32 = 1;

/// A payload that was restored. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_recovered {
    /// Bytes of this structure.
    pub size: usize,
    /// The payload as the host gave it. Keep it out of logs.
    pub payload: lnkeep_bytes,
    /// Which generation it is.
    pub generation: u64,
    /// When the oldest of the blobs that bring it was sealed.
    pub created_unix_secs: u64,
    /// Best block then.
    pub block_height: u32,
    /// LNKEEP_RECOVERY_COMPLETE_OLDER to LNKEEP_RECOVERY_COMPLETE_FINAL.
    pub status: u32,
    /// Of which object; zero for a whole payload.
    pub set_id: [u8; 16],
    /// LNKEEP_RECOVERED_CLOSE_AND_SWEEP_ONLY.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

/// The point of a channel's commitment. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_recovered_point {
    /// The channel.
    pub channel_id: [u8; 32],
    /// The per-commitment point that the peer's commitment was made with.
    pub per_commitment_point: [u8; 33],
    /// 0.
    pub reserved_bytes: [u8; 7],
}

/// They begin with a snapshot: base_generation is set.
pub const LNKEEP_RECOVERED_HTLCS_HAS_BASE: u32 = 1;
/// A journal was laid over it, or is all there is: journal_seq is set.
pub const LNKEEP_RECOVERED_HTLCS_HAS_JOURNAL: u32 = 2;
/// No newer journal and no newer snapshot is known of.
pub const LNKEEP_RECOVERED_HTLCS_NEWEST: u32 = 4;

/// HTLCs that were restored. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_recovered_htlcs {
    /// Bytes of this structure.
    pub size: usize,
    /// Bytes from one HTLC to the next.
    pub htlc_stride: usize,
    /// HTLCs, in the order of channel and direction; NULL without any. Keep preimages out of logs.
    pub htlcs: *const lnkeep_backup_htlc,
    /// Number of HTLCs.
    pub htlcs_len: usize,
    /// Bytes from one point to the next.
    pub point_stride: usize,
    /// Points of channels, in their order; NULL without any.
    pub points: *const lnkeep_recovered_point,
    /// Number of points.
    pub points_len: usize,
    /// The generation that they begin with.
    pub base_generation: u64,
    /// Sequence number of the journal.
    pub journal_seq: u64,
    /// When the journal, or without one the snapshot, was sealed.
    pub created_unix_secs: u64,
    /// Amounts of the HTLCs that were worth their sweep and did not fit into the journal.
    pub uncovered_msat: u64,
    /// Number of those.
    pub uncovered_count: u32,
    /// Best block when it was sealed.
    pub block_height: u32,
    /// Bits of LNKEEP_RECOVERED_HTLCS_*.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}
