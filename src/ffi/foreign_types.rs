//! Types of the C ABI: backups of other software, as they were decoded.
//!
//! X1 to X4 of the module above hold. Every pointer in a structure leads into the allocation of the structure
//! that was returned, and is valid until that is freed.

use super::types::lnkeep_bytes;

/// LNKEEP_BAD_FOREIGN: shorter than any blob of this software.
pub const LNKEEP_FOREIGN_TOO_SHORT: u32 = 1;
/// LNKEEP_BAD_FOREIGN: not made with this key, or changed since.
pub const LNKEEP_FOREIGN_AUTH_FAILED: u32 = 2;
/// LNKEEP_BAD_FOREIGN: authentic, and its text is not what this software writes.
pub const LNKEEP_FOREIGN_BAD_PAYLOAD: u32 = 3;
/// LNKEEP_BAD_FOREIGN: authentic, of a version of Core Lightning's format that cannot be read.
pub const LNKEEP_FOREIGN_BAD_VERSION: u32 = 4;
/// LNKEEP_BAD_FOREIGN: authentic, of a version of lightning-kmp's format that is not known. The version is
/// the blob's first byte.
pub const LNKEEP_FOREIGN_UNKNOWN_VERSION: u32 = 5;

/// One channel of a blob of LDK's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_foreign_monitor {
    /// Which channel.
    pub channel_id: [u8; 32],
    /// Its other end.
    pub counterparty: [u8; 33],
    /// 0.
    pub reserved_bytes: [u8; 7],
    /// Index of the last commitment secret that the counterparty revealed: it counts down from 2^48.
    pub min_seen_secret: u64,
    /// A serialised ChannelMonitor, which only LDK reads. It holds secrets: keep it out of logs.
    pub monitor: lnkeep_bytes,
}

/// A blob of LDK's that was opened. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_foreign_ldk {
    /// Bytes of this structure.
    pub size: usize,
    /// Bytes from one monitor to the next.
    pub monitor_stride: usize,
    /// The monitors, NULL without any.
    pub monitors: *const lnkeep_foreign_monitor,
    /// How many there are.
    pub monitors_len: usize,
    /// The nonce that the blob was sealed with.
    pub nonce: [u8; 12],
    /// 0.
    pub reserved: u32,
}

/// Core Lightning's older message, without TLVs.
pub const LNKEEP_FOREIGN_CLN_CHANNELS: u32 = 6_135;
/// Core Lightning's message with TLVs.
pub const LNKEEP_FOREIGN_CLN_CHANNELS_WITH_TLVS: u32 = 6_137;

/// shachain_min_index and shachain are given.
pub const LNKEEP_FOREIGN_CLN_HAS_SHACHAIN: u32 = 1;
/// The four basepoints are given.
pub const LNKEEP_FOREIGN_CLN_HAS_BASEPOINTS: u32 = 2;
/// opener is given.
pub const LNKEEP_FOREIGN_CLN_HAS_OPENER: u32 = 4;
/// to_self_delay_blocks is given.
pub const LNKEEP_FOREIGN_CLN_HAS_TO_SELF_DELAY: u32 = 8;

/// One channel of a backup of Core Lightning's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_foreign_cln_channel {
    /// Core Lightning's number of the channel, which its keys are derived with.
    pub dbid: u64,
    /// Its capacity.
    pub funding_sats: u64,
    /// Index of the last commitment secret that the counterparty revealed: it counts down from 2^48.
    pub shachain_min_index: u64,
    /// Where the other end was reached last: type byte, address, port (BOLT 7).
    pub address: lnkeep_bytes,
    /// Feature bits of the channel's type.
    pub channel_type: lnkeep_bytes,
    /// Secrets of revoked commitments: an index of 8 bytes, big-endian, and a secret of 32, again and again.
    /// Keep them out of logs.
    pub shachain: lnkeep_bytes,
    /// Which channel.
    pub channel_id: [u8; 32],
    /// Transaction that funded it, in the byte order of the chain, not as it is shown.
    pub funding_txid: [u8; 32],
    /// The other end.
    pub node_id: [u8; 33],
    /// The counterparty's base of revocation keys.
    pub revocation_basepoint: [u8; 33],
    /// The base of its payment key.
    pub payment_basepoint: [u8; 33],
    /// The base of its HTLC keys.
    pub htlc_basepoint: [u8; 33],
    /// The base of its delayed payment keys.
    pub delayed_payment_basepoint: [u8; 33],
    /// 0.
    pub reserved_bytes: [u8; 3],
    /// Output that funded it.
    pub funding_vout: u32,
    /// Who opened it: 0 we, 1 the counterparty, as found.
    pub opener: u32,
    /// Delay of the counterparty's own output.
    pub to_self_delay_blocks: u32,
    /// Bits of LNKEEP_FOREIGN_CLN_HAS_*.
    pub flags: u32,
}

/// A backup of Core Lightning's that was opened. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_foreign_cln {
    /// Bytes of this structure.
    pub size: usize,
    /// Bytes from one channel to the next.
    pub channel_stride: usize,
    /// The channels, NULL without any.
    pub channels: *const lnkeep_foreign_cln_channel,
    /// How many there are.
    pub channels_len: usize,
    /// Its version, as found.
    pub version: u64,
    /// When it was written.
    pub timestamp_unix_secs: u32,
    /// LNKEEP_FOREIGN_CLN_CHANNELS or LNKEEP_FOREIGN_CLN_CHANNELS_WITH_TLVS.
    pub format: u32,
}

/// A blob of lightning-kmp's that was opened. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_foreign_lightning_kmp {
    /// Bytes of this structure.
    pub size: usize,
    /// The states of all channels, which only lightning-kmp of this version reads. Keep it out of logs.
    pub payload: lnkeep_bytes,
    /// Version of the payload: 4 or 5.
    pub version: u32,
    /// 0.
    pub reserved: u32,
}

/// Place of a key in lnd's wallet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_key_locator {
    /// Key family.
    pub family: u32,
    /// Index in it.
    pub index: u32,
}

/// We opened the channel.
pub const LNKEEP_FOREIGN_LND_INITIATOR: u32 = 1;
/// shachain_root is given: an old channel.
pub const LNKEEP_FOREIGN_LND_HAS_SHACHAIN_ROOT: u32 = 2;
/// lease_expiry_height is given.
pub const LNKEEP_FOREIGN_LND_HAS_LEASE: u32 = 4;
/// commit_tx and commit_signature are given.
pub const LNKEEP_FOREIGN_LND_HAS_CLOSE_TX: u32 = 8;
/// commit_height is given: a taproot channel with a closing transaction.
pub const LNKEEP_FOREIGN_LND_HAS_COMMIT_HEIGHT: u32 = 16;
/// tapscript_root is given.
pub const LNKEEP_FOREIGN_LND_HAS_TAPSCRIPT_ROOT: u32 = 32;

/// One channel of lnd's, decoded.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_foreign_lnd_channel {
    /// Its capacity.
    pub capacity_sat: u64,
    /// Its place in the chain; while it was not confirmed only a block, that at which it was published.
    pub short_channel_id: u64,
    /// Number of the commitment.
    pub commit_height: u64,
    /// Where the other end was reached, each: type byte, address, port (BOLT 7). NULL without any.
    pub addresses: *const lnkeep_bytes,
    /// How many there are.
    pub addresses_len: usize,
    /// The latest commitment, without our signature. Published after a later one, the counterparty takes
    /// everything.
    pub commit_tx: lnkeep_bytes,
    /// The counterparty's signature of it.
    pub commit_signature: lnkeep_bytes,
    /// Hash of its chain's first block, in the byte order of the chain.
    pub chain_hash: [u8; 32],
    /// Transaction that funded it, in the byte order of the chain, not as it is shown.
    pub funding_txid: [u8; 32],
    /// Root of the funding output's scripts.
    pub tapscript_root: [u8; 32],
    /// The other end.
    pub node_id: [u8; 33],
    /// The counterparty's key in the funding output.
    pub remote_multisig: [u8; 33],
    /// The counterparty's base of revocation keys.
    pub remote_revocation: [u8; 33],
    /// The base of its payment key.
    pub remote_payment: [u8; 33],
    /// The base of its delayed payment keys.
    pub remote_delayed_payment: [u8; 33],
    /// The base of its HTLC keys.
    pub remote_htlc: [u8; 33],
    /// Public key of the root that our revocation secrets come from.
    pub shachain_root: [u8; 33],
    /// 0.
    pub reserved_bytes: [u8; 1],
    /// Our keys: multisig, revocation, payment, delayed payment, HTLC.
    pub local_keys: [lnkeep_key_locator; 5],
    /// Place of the root that our revocation secrets come from.
    pub shachain_root_locator: lnkeep_key_locator,
    /// Output that funded it.
    pub funding_vout: u32,
    /// Delay of our own output.
    pub local_csv_delay_blocks: u32,
    /// Delay of the counterparty's own output.
    pub remote_csv_delay_blocks: u32,
    /// Block at which a lease ends.
    pub lease_expiry_height: u32,
    /// Bits of LNKEEP_FOREIGN_LND_*.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

/// One channel's part of lnd's file.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_foreign_lnd_single {
    /// What follows version and length.
    pub bytes: lnkeep_bytes,
    /// The channel; NULL when this version is not known, or its fields do not fill the bytes.
    pub channel: *const lnkeep_foreign_lnd_channel,
    /// Version of the layout, 0 to 7 being known: it tells the type of the channel.
    pub version: u32,
    /// 1 when the inputs of a closing transaction follow the channel, else 0.
    pub has_close_tx: u32,
}

/// lnd's file that was opened. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_foreign_lnd {
    /// Bytes of this structure.
    pub size: usize,
    /// Bytes from one channel's part to the next.
    pub single_stride: usize,
    /// The channels' parts, NULL without any; none of a version of the file other than 0.
    pub singles: *const lnkeep_foreign_lnd_single,
    /// How many there are: fewer than count when the file ends before.
    pub singles_len: usize,
    /// The whole text. Keep it out of logs.
    pub plaintext: lnkeep_bytes,
    /// What follows the last part: nothing in a file of lnd's.
    pub rest: lnkeep_bytes,
    /// Version of the file.
    pub version: u32,
    /// How many channels the file says that it has.
    pub count: u32,
}
