//! The structures of the erasure code, of records of shares and of rosters.

use super::types::lnkeep_bytes;

/// Flag of an envelope: a roster comes after its content (lnkeep_roster_decode).
pub const LNKEEP_ENVELOPE_HAS_ROSTER: u32 = 1;
/// Flag of an envelope that holds a whole payload: after the payload comes a snapshot of the HTLCs, and the
/// snapshot's length in four bytes.
pub const LNKEEP_ENVELOPE_HAS_SNAPSHOT: u32 = 2;

/// LNKEEP_BAD_SHARE: a record, or its share, runs past the end.
pub const LNKEEP_SHARE_TRUNCATED: u32 = 1;
/// LNKEEP_BAD_SHARE: neither one record nor two.
pub const LNKEEP_SHARE_BAD_COUNT: u32 = 2;
/// LNKEEP_BAD_SHARE: no code has these numbers, or no share this index.
pub const LNKEEP_SHARE_BAD_PARAMS: u32 = 3;
/// LNKEEP_BAD_SHARE: the reserved byte is not zero.
pub const LNKEEP_SHARE_BAD_RESERVED: u32 = 4;
/// LNKEEP_BAD_SHARE: the share is not as long as code and object say.
pub const LNKEEP_SHARE_BAD_SHARE_LEN: u32 = 5;
/// LNKEEP_BAD_SHARE: bytes after the last record.
pub const LNKEEP_SHARE_TRAILING_BYTES: u32 = 6;
/// LNKEEP_BAD_SHARE: a flag that this version does not know.
pub const LNKEEP_ROSTER_BAD_FLAGS: u32 = 16;
/// LNKEEP_BAD_SHARE: the roster is longer than the payload, or its entries than the roster.
pub const LNKEEP_ROSTER_TRUNCATED: u32 = 17;
/// LNKEEP_BAD_SHARE: an index that no share has.
pub const LNKEEP_ROSTER_BAD_INDEX: u32 = 18;
/// LNKEEP_BAD_SHARE: bytes after the last entry.
pub const LNKEEP_ROSTER_TRAILING_BYTES: u32 = 19;
/// LNKEEP_BAD_SHARE: the snapshot is longer than the object that it is in.
pub const LNKEEP_OBJECT_TRUNCATED: u32 = 32;

/// A share of an object.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_stripe_share {
    /// The share.
    pub bytes: lnkeep_bytes,
    /// Which, from 0 on.
    pub index: u32,
    /// 0.
    pub reserved: u32,
}

/// Every share of an object, in the order of their indexes. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_shares {
    /// Bytes of this structure.
    pub size: usize,
    /// Bytes from one share to the next.
    pub share_stride: usize,
    /// The shares.
    pub shares: *const lnkeep_stripe_share,
    /// How many there are.
    pub shares_len: usize,
}

/// A record: a share, and what is said of it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_share_record {
    /// Of which generation of the object it is: shares of different ones do not go together.
    pub generation: u64,
    /// The share.
    pub share: lnkeep_bytes,
    /// Bytes of the object.
    pub object_bytes: u32,
    /// So many shares restore the object.
    pub data_shares: u32,
    /// So many were made.
    pub shares: u32,
    /// Which of them this is, from 0 on.
    pub index: u32,
    /// SHA-256 of the object. What is restored is the object only if it has this hash.
    pub object_sha256: [u8; 32],
}

/// The records of a payload. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_share_records {
    /// Bytes of this structure.
    pub size: usize,
    /// Bytes from one record to the next.
    pub record_stride: usize,
    /// The records: one or two.
    pub records: *const lnkeep_share_record,
    /// How many there are.
    pub records_len: usize,
}

/// Index of a peer that keeps no share.
pub const LNKEEP_ROSTER_NO_SHARE: u32 = 255;

/// A peer that may be asked.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_roster_peer {
    /// Which.
    pub node_id: [u8; 33],
    /// 0.
    pub reserved_bytes: [u8; 3],
    /// The share that it keeps, or LNKEEP_ROSTER_NO_SHARE.
    pub index: u32,
    /// Where it was last reached: an address descriptor of BOLT 7 (type, address, port), or nothing.
    pub address: lnkeep_bytes,
}

/// A payload's content, and who keeps the other shares. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_roster {
    /// Bytes of this structure.
    pub size: usize,
    /// The payload without its roster; all of it without LNKEEP_ENVELOPE_HAS_ROSTER.
    pub content: lnkeep_bytes,
    /// Generation whose shares the indexes speak of; 0 without a roster.
    pub generation: u64,
    /// Bytes from one peer to the next.
    pub peer_stride: usize,
    /// The peers, NULL without any.
    pub peers: *const lnkeep_roster_peer,
    /// How many there are.
    pub peers_len: usize,
}
