//! What a host chooses at open, and what it is told about single peers and all of them: plain values.
//!
//! Called by `mod`, `rules` and `ffi`.

use crate::error::Error;
use crate::limits::{
    PEER_BLOB_BYTES_MAX, PEER_COOLDOWN_MS, PEER_COOLDOWN_WITHOUT_CHANNEL_MS,
    PEER_DISCONNECT_INTERVAL_MS, PEER_PENDING_BYTES_MAX, PEER_RETENTION_BLOCKS,
    PEER_TOTAL_BYTES_MAX, PEER_WITHOUT_CHANNEL_PERCENT, PEERS_MAX,
};
use crate::types::NodeId;

/// Choices at open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerStorageOptions {
    /// Offer nothing: nothing is accepted, nothing is returned, blobs are still collected.
    pub is_off: bool,
    /// Shortest time between two writes for one peer with a channel.
    pub cooldown_ms: u64,
    /// Shortest time between two writes for one peer without an open one.
    pub cooldown_without_channel_ms: u64,
    /// Shortest time between a write and one for a disconnection.
    pub disconnect_interval_ms: u64,
    /// Blocks that a blob is kept after the last claim.
    pub retention_blocks: u32,
    /// Longest blob accepted.
    pub blob_bytes_max: u32,
    /// Most peers that may have a blob.
    pub peers_max: u32,
    /// Most bytes of all blobs.
    pub total_bytes_max: u64,
    /// Share of these peers and bytes that peers without an open channel may take, 0 to 100.
    pub without_channel_percent: u8,
    /// Most bytes that wait in memory to be written.
    pub pending_bytes_max: u64,
    /// A channel counts only once it is open.
    pub refuses_pending_channels: bool,
    /// Return what waits in memory without writing it first. A crash then brings back an older blob than the
    /// peer was shown, and took for confirmed.
    pub returns_unwritten: bool,
    /// Accept new blobs between the last claim's end and the collection. A peer that lost its disk then
    /// replaces its only useful copy.
    pub accepts_in_grace: bool,
}

impl Default for PeerStorageOptions {
    fn default() -> PeerStorageOptions {
        PeerStorageOptions {
            is_off: false,
            cooldown_ms: PEER_COOLDOWN_MS,
            cooldown_without_channel_ms: PEER_COOLDOWN_WITHOUT_CHANNEL_MS,
            disconnect_interval_ms: PEER_DISCONNECT_INTERVAL_MS,
            retention_blocks: PEER_RETENTION_BLOCKS,
            blob_bytes_max: PEER_BLOB_BYTES_MAX as u32,
            peers_max: PEERS_MAX,
            total_bytes_max: PEER_TOTAL_BYTES_MAX,
            without_channel_percent: PEER_WITHOUT_CHANNEL_PERCENT,
            pending_bytes_max: PEER_PENDING_BYTES_MAX,
            refuses_pending_channels: false,
            returns_unwritten: false,
            accepts_in_grace: false,
        }
    }
}

/// What the open found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerStorageReport {
    /// Peers with a blob.
    pub peers: u64,
    /// Bytes of their blobs.
    pub bytes: u64,
    /// Peers whose record was damaged: it was made anew of the blob, or the blob is lost too.
    pub damaged: u64,
}

/// What became of a blob that was accepted.
#[derive(Debug, Clone)]
pub enum Stored {
    /// Durable.
    Committed,
    /// In memory, and returned to the peer already; a tick at or after `due_ms` makes it durable.
    Deferred {
        /// When it may be written.
        due_ms: u64,
        /// Why it could not be written at once, although it was due.
        failure: Option<Error>,
    },
    /// It is the newest already.
    Unchanged,
}

/// What a tick did.
#[derive(Debug, Clone, Default)]
pub struct Ticked {
    /// Peers whose blob became durable, in the order of their ids.
    pub committed: Vec<NodeId>,
    /// Peers whose blob could not be written; it still waits, and is still returned to its peer.
    pub failed: Vec<(NodeId, Error)>,
    /// When the next tick has something to do.
    pub next_due_ms: Option<u64>,
}

/// Why a peer may have a blob kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims {
    /// Whose.
    pub peer: NodeId,
    /// Channels that are open.
    pub open_channels: u32,
    /// Channels whose funding is pending.
    pub pending_channels: u32,
    /// The operator lets it store without a channel.
    pub is_allowed: bool,
}

/// What changed about a peer's claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum ClaimChange {
    /// The funding of a channel is pending.
    PendingChannel = 1,
    /// A channel opened; a pending one, if there is one, is that.
    OpenChannel = 2,
    /// An open channel was closed.
    ClosedChannel = 3,
    /// The funding of a pending channel failed.
    FailedChannel = 4,
    /// The operator lets it store without a channel.
    Allowed = 5,
    /// The operator does so no more.
    Disallowed = 6,
}

impl ClaimChange {
    /// The change of a number.
    pub fn from_number(number: u32) -> Option<ClaimChange> {
        use ClaimChange::*;
        [PendingChannel, OpenChannel, ClosedChannel, FailedChannel, Allowed, Disallowed]
            .into_iter()
            .find(|change| *change as u32 == number)
    }
}

/// A peer in an operator's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerEntry {
    /// Whose blob, and why it is kept.
    pub claims: Claims,
    /// SHA-256 of the newest blob.
    pub sha256: [u8; 32],
    /// Bytes of the newest blob.
    pub blob_bytes: u32,
    /// The newest blob is in memory and waits to be written.
    pub is_pending: bool,
    /// The blob on disk did not pass its check: it is not returned.
    pub is_damaged: bool,
    /// Height at which the last claim ended, unless there is one.
    pub closed_at: Option<u32>,
    /// Blocks until it is collected, counted from the last height that was told.
    pub blocks_left: Option<u32>,
    /// The host's time when the newest blob was received.
    pub received_ms: u64,
    /// The host's time when the blob on disk was written.
    pub committed_ms: u64,
    /// Blobs accepted.
    pub updates: u64,
    /// Blobs written.
    pub commits: u64,
}

/// Figures since the open, and of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerStorageStats {
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
