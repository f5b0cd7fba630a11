//! The structures of what a host tells a backup of its peers and its HTLCs.

use super::types::lnkeep_bytes;

/// There is an open channel with the peer.
pub const LNKEEP_PEER_OPEN_CHANNEL: u32 = 1;
/// The last channel with it is being closed, by force or not.
pub const LNKEEP_PEER_CLOSING: u32 = 2;
/// A channel with it is announced: a node that lost its data finds it in the public graph.
pub const LNKEEP_PEER_ANNOUNCED: u32 = 4;
/// operator_label is given.
pub const LNKEEP_PEER_HAS_OPERATOR: u32 = 8;

/// What a host knows of a peer. Start with LNKEEP_PEER_FACTS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_peer_facts {
    /// sizeof(lnkeep_peer_facts), set by the caller.
    pub size: usize,
    /// Capacity of all open channels with it.
    pub capacity_sat: u64,
    /// Age of the oldest of them.
    pub channel_age_secs: u64,
    /// With LNKEEP_PEER_HAS_OPERATOR: who runs it, any number, equal for peers of one operator: no two of
    /// them keep shares of one payload.
    pub operator_label: u64,
    /// Its address descriptor (BOLT 7, as in node_announcement: type, address, port), which is told to the
    /// other peers, encrypted; empty if not known. Borrowed and copied.
    pub address: lnkeep_bytes,
    /// Bits of LNKEEP_PEER_*.
    pub flags: u32,
    /// Class of its software, as the host guesses it, 1 to 255; 0 if not known. Not more than half of the
    /// shares lie with one class.
    pub software: u32,
    /// Round trip of a ping; 0 if not known.
    pub latency_ms: u32,
    /// 0.
    pub reserved: u32,
}

/// The HTLC was offered by the peer.
pub const LNKEEP_BACKUP_HTLC_INCOMING: u32 = 1;
/// preimage is given.
pub const LNKEEP_BACKUP_HTLC_HAS_PREIMAGE: u32 = 2;
/// output_index is given.
pub const LNKEEP_BACKUP_HTLC_HAS_OUTPUT_INDEX: u32 = 4;

/// An HTLC as a sweep needs it. Start with LNKEEP_BACKUP_HTLC_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_backup_htlc {
    /// sizeof(lnkeep_backup_htlc), set by the caller.
    pub size: usize,
    /// Of its channel.
    pub channel_id: [u8; 32],
    /// Of update_add_htlc.
    pub htlc_id: u64,
    /// SHA-256 of the preimage.
    pub payment_hash: [u8; 32],
    /// Its amount.
    pub amount_msat: u64,
    /// Block height of its expiry.
    pub cltv_expiry: u32,
    /// Bits of LNKEEP_BACKUP_HTLC_*.
    pub flags: u32,
    /// Zero without LNKEEP_BACKUP_HTLC_HAS_PREIMAGE. Keep it out of logs.
    pub preimage: [u8; 32],
    /// Its output in the commitment, 0 without LNKEEP_BACKUP_HTLC_HAS_OUTPUT_INDEX.
    pub output_index: u32,
    /// 0.
    pub reserved: u32,
}
