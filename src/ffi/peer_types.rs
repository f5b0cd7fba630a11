//! The structures of peer storage's part of the ABI, and of its messages.

use super::types::lnkeep_bytes;

/// The blobs that a store keeps for peers. Zero is LNKEEP_PEER_STORAGE_NONE.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_peer_storage {
    /// Opaque.
    pub bits: u64,
}

/// Offer nothing: nothing is accepted, nothing is returned, blobs are still collected.
pub const LNKEEP_PEER_STORAGE_OFF: u32 = 1;
/// A channel counts only once it is open; else from the moment its funding is pending.
pub const LNKEEP_PEER_STORAGE_REFUSE_PENDING_CHANNELS: u32 = 2;
/// Accept new blobs between the last claim's end and the collection: a peer that lost its disk then replaces
/// its only useful copy.
pub const LNKEEP_PEER_STORAGE_ACCEPT_IN_GRACE: u32 = 4;
/// Return what waits in memory without writing it first. A crash then brings back an older blob than the peer
/// was shown, and took for confirmed.
pub const LNKEEP_PEER_STORAGE_RETURN_UNWRITTEN: u32 = 16;
/// Every number of the options is meant as it is, also when it is 0.
pub const LNKEEP_PEER_STORAGE_ZEROS_COUNT: u32 = 8;

/// Choices at the open of peer storage. Start with LNKEEP_PEER_STORAGE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_peer_storage_options {
    /// sizeof(lnkeep_peer_storage_options), set by the caller.
    pub size: usize,
    /// Bits of LNKEEP_PEER_STORAGE_*.
    pub flags: u32,
    /// Share of peers_max and total_bytes_max that peers without an open channel may take; 0 means 25.
    pub without_channel_percent: u32,
    /// Shortest time between two writes for one peer with a channel; 0 means 1,000.
    pub cooldown_ms: u64,
    /// Shortest time between two writes for one peer without; 0 means 60,000.
    pub cooldown_without_channel_ms: u64,
    /// Shortest time between a write and one for a disconnection; 0 means 100.
    pub disconnect_interval_ms: u64,
    /// Most bytes of all blobs; 0 means 268,435,456.
    pub total_bytes_max: u64,
    /// Most bytes that wait in memory to be written; 0 means 67,108,864.
    pub pending_bytes_max: u64,
    /// Blocks that a blob is kept after its peer's last claim; 0 means 2,016 (BOLT 1).
    pub retention_blocks: u32,
    /// Longest blob accepted; 0 means 65,531, all that a message has room for.
    pub blob_bytes_max: u32,
    /// Most peers that may have a blob; 0 means 4,096.
    pub peers_max: u32,
    /// 0.
    pub reserved: u32,
}

/// What the open of peer storage found.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_peer_storage_report {
    /// sizeof(lnkeep_peer_storage_report), set by the caller.
    pub size: usize,
    /// Peers with a blob.
    pub peers: u64,
    /// Bytes of their blobs.
    pub bytes: u64,
    /// Peers whose record was damaged: it was made anew of the blob, or the blob is lost too.
    pub damaged: u64,
}

/// The blob is durable.
pub const LNKEEP_STORED_COMMITTED: u32 = 1;
/// The blob is in memory, and returned to the peer already; a tick at or after due_ms makes it durable.
pub const LNKEEP_STORED_DEFERRED: u32 = 2;
/// The blob is the newest already.
pub const LNKEEP_STORED_UNCHANGED: u32 = 3;

/// What became of a blob that was accepted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_stored {
    /// sizeof(lnkeep_stored), set by the caller.
    pub size: usize,
    /// One of LNKEEP_STORED_*.
    pub result: u32,
    /// Why a blob that was due could not be written and waits, 0 without that.
    pub failure: i32,
    /// With LNKEEP_STORED_DEFERRED: when it may be written, in the host's time.
    pub due_ms: u64,
}

/// lnkeep_peer_storage_tick writes every blob that waits, whatever its cooldown: before the process ends.
pub const LNKEEP_TICK_ALL: u32 = 1;
/// next_due_ms is given.
pub const LNKEEP_TICKED_HAS_NEXT_DUE: u32 = 1;

/// What a tick did.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_ticked {
    /// sizeof(lnkeep_ticked), set by the caller.
    pub size: usize,
    /// Blobs that became durable.
    pub committed: u64,
    /// Blobs that could not be written: they still wait, and are still returned to their peers.
    pub failed: u64,
    /// When the next tick has something to do, in the host's time.
    pub next_due_ms: u64,
    /// Bits of LNKEEP_TICKED_HAS_NEXT_DUE.
    pub flags: u32,
    /// Why the first of those that failed did, 0 without one.
    pub failure: i32,
}

/// The operator lets the peer store without a channel.
pub const LNKEEP_PEER_ALLOWED: u32 = 1;

/// Why a peer may have a blob kept.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_peer_claims {
    /// Whose: a compressed public key.
    pub node_id: [u8; 33],
    /// 0.
    pub reserved_bytes: [u8; 3],
    /// Channels that are open.
    pub open_channels: u32,
    /// Channels whose funding is pending.
    pub pending_channels: u32,
    /// Bits of LNKEEP_PEER_ALLOWED.
    pub flags: u32,
}

/// The funding of a channel is pending.
pub const LNKEEP_CLAIM_PENDING_CHANNEL: u32 = 1;
/// A channel opened; a pending one, if there is one, is that.
pub const LNKEEP_CLAIM_OPEN_CHANNEL: u32 = 2;
/// An open channel was closed.
pub const LNKEEP_CLAIM_CLOSED_CHANNEL: u32 = 3;
/// The funding of a pending channel failed.
pub const LNKEEP_CLAIM_FAILED_CHANNEL: u32 = 4;
/// The operator lets the peer store without a channel.
pub const LNKEEP_CLAIM_ALLOWED: u32 = 5;
/// The operator does so no more.
pub const LNKEEP_CLAIM_DISALLOWED: u32 = 6;

/// Nodes, in the order of their ids. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_node_ids {
    /// Bytes of this structure.
    pub size: usize,
    /// The ids, 33 bytes each, one after the other; NULL without any.
    pub ids: *const u8,
    /// How many there are.
    pub ids_len: usize,
}

/// The newest blob is in memory and waits to be written.
pub const LNKEEP_PEER_PENDING: u32 = 2;
/// The blob on disk did not pass its check: it is not returned.
pub const LNKEEP_PEER_DAMAGED: u32 = 4;
/// closed_at and blocks_left are given.
pub const LNKEEP_PEER_HAS_CLOSED_AT: u32 = 8;

/// A peer with a blob.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_peer_entry {
    /// Whose.
    pub node_id: [u8; 33],
    /// 0.
    pub reserved_bytes: [u8; 3],
    /// Bits of LNKEEP_PEER_*.
    pub flags: u32,
    /// SHA-256 of the newest blob.
    pub sha256: [u8; 32],
    /// Bytes of the newest blob.
    pub blob_bytes: u32,
    /// Channels that are open.
    pub open_channels: u32,
    /// Channels whose funding is pending.
    pub pending_channels: u32,
    /// Height at which the last claim ended.
    pub closed_at: u32,
    /// Blocks until the blob is collected, counted from the last height that was told.
    pub blocks_left: u32,
    /// 0.
    pub reserved: u32,
    /// The host's time when the newest blob was received.
    pub received_ms: u64,
    /// The host's time when the blob on disk was written.
    pub committed_ms: u64,
    /// Blobs accepted.
    pub updates: u64,
    /// Blobs written.
    pub commits: u64,
}

/// A page of peers, in the order of their ids. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_peer_page {
    /// Bytes of this structure.
    pub size: usize,
    /// Bytes from one peer to the next.
    pub peer_stride: usize,
    /// The peers, NULL without any.
    pub peers: *const lnkeep_peer_entry,
    /// How many there are.
    pub peers_len: usize,
}

/// Figures of peer storage, since its open and of now.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_peer_storage_stats {
    /// sizeof(lnkeep_peer_storage_stats), set by the caller.
    pub size: usize,
    /// Peers with a blob.
    pub peers: u64,
    /// Bytes of the newest blobs.
    pub bytes: u64,
    /// Of these, bytes of peers without a channel.
    pub bytes_without_channel: u64,
    /// Blobs that wait in memory.
    pub pending: u64,
    /// Their bytes.
    pub pending_bytes: u64,
    /// Blobs found damaged that are still kept.
    pub damaged: u64,
    /// Blobs written.
    pub commits: u64,
    /// Blobs that were deferred.
    pub deferred: u64,
    /// Blobs that were the newest already.
    pub unchanged: u64,
    /// Blobs refused because nothing is offered, or the peer has no claim.
    pub refused_no_claim: u64,
    /// Blobs refused because they are too long.
    pub refused_too_big: u64,
    /// Blobs refused for a quota, or because too much waits in memory.
    pub refused_quota: u64,
    /// Blobs collected.
    pub collected: u64,
}

/// BOLT 1 peer_storage: a node hands its blob to a peer.
pub const LNKEEP_WIRE_PEER_STORAGE: u32 = 7;
/// BOLT 1 peer_storage_retrieval: the peer hands the newest blob back.
pub const LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL: u32 = 9;
/// Fail a message whose extension is no valid TLV stream; else the extension is not looked at.
pub const LNKEEP_WIRE_STRICT: u32 = 1;
/// The node keeps blobs of its peers: bit 42 or 43 is set.
pub const LNKEEP_STORAGE_OFFERED: u32 = 1;
/// Bit 42 is set.
pub const LNKEEP_STORAGE_REQUIRED: u32 = 2;

/// LNKEEP_BAD_MESSAGE: more than 65,535 bytes.
pub const LNKEEP_WIRE_MESSAGE_TOO_LONG: u32 = 1;
/// LNKEEP_BAD_MESSAGE: fewer than two bytes.
pub const LNKEEP_WIRE_TRUNCATED_TYPE: u32 = 2;
/// LNKEEP_BAD_MESSAGE: neither of the two messages.
pub const LNKEEP_WIRE_UNKNOWN_TYPE: u32 = 3;
/// LNKEEP_BAD_MESSAGE: fewer than two bytes after the type.
pub const LNKEEP_WIRE_TRUNCATED_LENGTH: u32 = 4;
/// LNKEEP_BAD_MESSAGE: the blob is longer than what follows its length.
pub const LNKEEP_WIRE_TRUNCATED_BLOB: u32 = 5;
/// LNKEEP_BAD_MESSAGE: a record of the extension runs past the end.
pub const LNKEEP_WIRE_TLV_TRUNCATED: u32 = 6;
/// LNKEEP_BAD_MESSAGE: a number of the extension is not in its shortest form.
pub const LNKEEP_WIRE_TLV_NON_MINIMAL: u32 = 7;
/// LNKEEP_BAD_MESSAGE: a type of the extension is not greater than the one before it.
pub const LNKEEP_WIRE_TLV_ORDER: u32 = 8;
/// LNKEEP_BAD_MESSAGE: a record of even type in the extension is unknown.
pub const LNKEEP_WIRE_TLV_UNKNOWN_EVEN: u32 = 9;

/// A decoded message. Its views lead into the bytes that were given.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_wire_message {
    /// sizeof(lnkeep_wire_message), set by the caller.
    pub size: usize,
    /// LNKEEP_WIRE_PEER_STORAGE or LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
    /// The blob; an empty one is a blob like any other.
    pub blob: lnkeep_bytes,
    /// The bytes after the blob.
    pub extension: lnkeep_bytes,
}
