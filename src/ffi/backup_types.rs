//! The structures of the backup's part of the ABI.

use super::types::lnkeep_bytes;

/// Our own data at our peers. Zero is LNKEEP_BACKUP_NONE.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_backup {
    /// Opaque.
    pub bits: u64,
}

/// Instance and nonces come from `entropy`; for tests.
pub const LNKEEP_BACKUP_HAS_ENTROPY: u32 = 1;

/// Choices at the open of a backup. Start with LNKEEP_BACKUP_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_backup_options {
    /// sizeof(lnkeep_backup_options), set by the caller.
    pub size: usize,
    /// Bits of LNKEEP_BACKUP_HAS_ENTROPY.
    pub flags: u32,
    /// Length of the blobs that are sent, whatever they hold: 1,024, 4,096, 16,384 or 65,531; 0 means
    /// 65,531 (BOLT 1). A payload that is at most 136 bytes shorter goes whole to every peer; a longer one is
    /// cut into shares (lnkeep_backup_payload_max).
    pub size_class: u32,
    /// Time that a peer has to return our blob; 0 means 10,000.
    pub hold_ms: u64,
    /// Shortest time between two blobs for one peer that a tick asks for; 0 means 60,000.
    pub resend_interval_ms: u64,
    /// Most peers that something is known of; 0 means 4,096.
    pub peers_max: u32,
    /// 0.
    pub reserved: u32,
    /// With LNKEEP_BACKUP_HAS_ENTROPY; else the operating system's is drawn.
    pub entropy: [u8; 32],
    /// Which HTLCs are told to peers: one of LNKEEP_HTLC_PROFILE_*.
    pub htlc_profile: u32,
    /// Length of the blobs that journals of HTLCs are sent in; 0 means 16,384.
    pub journal_size_class: u32,
    /// Time between two journals, spread by a fifth to both sides; 0 means 60,000.
    pub journal_interval_ms: u64,
    /// Amount from which on an HTLC whose preimage became known, or that expires within 144 blocks, does not
    /// wait for the next journal; 0 means 10,000,000.
    pub urgent_msat: u64,
    /// Amount below which an HTLC is not worth its sweep, and is left out; 0 means 330,000.
    pub dust_msat: u64,
    /// Peers that keep journals, and nothing else; 0 means 3.
    pub journal_keepers: u32,
    /// Journals a minute for one peer; 0 means 1.
    pub peer_uploads_per_minute: u32,
    /// Bytes of journals a day for one peer; 0 means 30,000,000.
    pub peer_bytes_per_day: u64,
    /// Bytes of journals a day for all peers; 0 means 200,000,000.
    pub bytes_per_day: u64,
}

/// Only HTLCs of channels that were closed by force: their outputs are on chain and have to be swept.
pub const LNKEEP_HTLC_PROFILE_ONCHAIN_ONLY: u32 = 0;
/// All HTLCs: a restored node also knows what is in a commitment that its peer publishes.
pub const LNKEEP_HTLC_PROFILE_ALL_HTLCS: u32 = 1;

/// Nothing was ever sent from this database: it is new, or what was known is lost.
pub const LNKEEP_BACKUP_FRESH: u32 = 1;
/// Nothing may be sent: a peer showed that we lost state, and nobody acknowledged it.
pub const LNKEEP_BACKUP_BLOCKED: u32 = 2;

/// The payload is longer than a blob, and is cut into shares.
pub const LNKEEP_BACKUP_CUT: u32 = 4;

/// What the open of a backup found.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_backup_report {
    /// sizeof(lnkeep_backup_report), set by the caller.
    pub size: usize,
    /// Peers that something is known of.
    pub peers: u64,
    /// Rows that cannot be read.
    pub damaged: u64,
    /// Bits of LNKEEP_BACKUP_FRESH and LNKEEP_BACKUP_BLOCKED.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

/// Nothing was sent, nothing is known.
pub const LNKEEP_BACKUP_STATE_IDLE: u32 = 0;
/// Connected, and may still return a blob: nothing is sent.
pub const LNKEEP_BACKUP_STATE_HOLD: u32 = 1;
/// Has nothing of ours, or may be overwritten.
pub const LNKEEP_BACKUP_STATE_CLEAR: u32 = 2;
/// Was sent a blob that it did not confirm yet.
pub const LNKEEP_BACKUP_STATE_SENT: u32 = 3;
/// Returned the last blob it was sent.
pub const LNKEEP_BACKUP_STATE_COMMITTED: u32 = 4;
/// Returned an older blob, not older than one confirmed: BOLT 1 lets it delay.
pub const LNKEEP_BACKUP_STATE_LAGGING: u32 = 5;
/// Returned an older blob than one it had confirmed.
pub const LNKEEP_BACKUP_STATE_STALE: u32 = 6;
/// Returned nothing, though it had confirmed a blob.
pub const LNKEEP_BACKUP_STATE_LOST: u32 = 7;
/// Returned something that does not open, though it was sent a blob.
pub const LNKEEP_BACKUP_STATE_CORRUPT: u32 = 8;
/// Returned nothing and never confirmed a blob.
pub const LNKEEP_BACKUP_STATE_UNCONFIRMED: u32 = 9;
/// Returned a blob of ours that we know nothing of: we lost state.
pub const LNKEEP_BACKUP_STATE_AHEAD: u32 = 10;
/// Holds something that we cannot read and did not send: it is never overwritten.
pub const LNKEEP_BACKUP_STATE_UNREADABLE: u32 = 11;
/// Offers no storage.
pub const LNKEEP_BACKUP_STATE_UNSUPPORTED: u32 = 12;

/// Nothing is asked of the host.
pub const LNKEEP_BACKUP_ACTION_NONE: u32 = 0;
/// The first blob may be sent.
pub const LNKEEP_BACKUP_ACTION_FIRST_SEND_ALLOWED: u32 = 1;
/// The newest blob should be sent: a tick says when.
pub const LNKEEP_BACKUP_ACTION_RESEND: u32 = 2;
/// Keep what the peer returned, and ask the operator: it may be a backup of other software, or of a former
/// installation.
pub const LNKEEP_BACKUP_ACTION_ALERT_UNREADABLE: u32 = 3;
/// WE lost state that this peer still has: recover before channel_reestablish is answered.
pub const LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS: u32 = 4;
/// Seal a blob for this peer now and send it.
pub const LNKEEP_BACKUP_ACTION_SEND: u32 = 5;

/// What follows from what a peer returned, or from its silence.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_concluded {
    /// sizeof(lnkeep_concluded), set by the caller.
    pub size: usize,
    /// One of LNKEEP_BACKUP_STATE_*.
    pub state: u32,
    /// One of LNKEEP_BACKUP_ACTION_*.
    pub action: u32,
    /// Why the conclusion could not be made durable, 0 if that was not tried or went well. It holds until the
    /// store is closed.
    pub failure: i32,
    /// 0.
    pub reserved: u32,
}

/// A blob that was opened. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_opened {
    /// Bytes of this structure.
    pub size: usize,
    /// The payload. Keep it out of logs.
    pub payload: lnkeep_bytes,
    /// Sequence number, strictly increasing for one node over all its peers.
    pub seq: u64,
    /// When it was sealed.
    pub created_unix_secs: u64,
    /// Best block then.
    pub block_height: u32,
    /// 0: a whole payload; 1: records of shares; 2: a journal of HTLCs.
    pub kind: u32,
    /// As found: 1 a list of whom else to ask follows the payload's content, 2 HTLCs follow the host's bytes.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Random, made once per database.
    pub instance: [u8; 16],
    /// Whose shares these are; zero for a whole payload.
    pub set_id: [u8; 16],
    /// SHA-256 of the payload.
    pub payload_sha256: [u8; 32],
}

/// What an envelope says of its payload.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_envelope_header {
    /// sizeof(lnkeep_envelope_header), set by the caller.
    pub size: usize,
    /// Sequence number.
    pub seq: u64,
    /// When it is sealed.
    pub created_unix_secs: u64,
    /// Best block.
    pub block_height: u32,
    /// 0: a whole payload; 1: records of shares.
    pub kind: u32,
    /// 0, up to 65,535.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Random, made once per database.
    pub instance: [u8; 16],
    /// Whose shares these are; zero for a whole payload.
    pub set_id: [u8; 16],
}

/// LNKEEP_BAD_ENVELOPE: shorter than an empty envelope.
pub const LNKEEP_ENVELOPE_TOO_SHORT: u32 = 1;
/// LNKEEP_BAD_ENVELOPE: not sealed for this peer with this secret, or changed since.
pub const LNKEEP_ENVELOPE_AUTH_FAILED: u32 = 2;
/// LNKEEP_BAD_ENVELOPE: sealed in a layout that this version does not know.
pub const LNKEEP_ENVELOPE_BAD_VERSION: u32 = 3;
/// LNKEEP_BAD_ENVELOPE: the payload is longer than the blob.
pub const LNKEEP_ENVELOPE_BAD_LENGTH: u32 = 4;
/// LNKEEP_BAD_ENVELOPE: the payload does not have the stated hash.
pub const LNKEEP_ENVELOPE_BAD_CHECKSUM: u32 = 5;
/// LNKEEP_BAD_ENVELOPE: the padding is not zero.
pub const LNKEEP_ENVELOPE_BAD_PADDING: u32 = 6;

/// Something to do about a peer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_backup_action {
    /// Which.
    pub node_id: [u8; 33],
    /// 0.
    pub reserved_bytes: [u8; 3],
    /// One of LNKEEP_BACKUP_STATE_*.
    pub state: u32,
    /// One of LNKEEP_BACKUP_ACTION_*.
    pub action: u32,
}

/// next_due_ms is given.
pub const LNKEEP_BACKUP_HAS_NEXT_DUE: u32 = 1;

/// What a tick of a backup found: peers that returned nothing in time, then peers that are due for a blob.
/// Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_backup_actions {
    /// Bytes of this structure.
    pub size: usize,
    /// Bytes from one action to the next.
    pub action_stride: usize,
    /// The actions, NULL without any.
    pub actions: *const lnkeep_backup_action,
    /// How many there are.
    pub actions_len: usize,
    /// When the next tick has something to do, in the host's time.
    pub next_due_ms: u64,
    /// Bits of LNKEEP_BACKUP_HAS_NEXT_DUE.
    pub flags: u32,
    /// Why the first conclusion that could not be made durable was not, 0 without one.
    pub failure: i32,
}

/// The peer holds what we cannot read and did not send.
pub const LNKEEP_BACKUP_PEER_PROTECTED: u32 = 1;
/// The peer is connected.
pub const LNKEEP_BACKUP_PEER_CONNECTED: u32 = 2;
/// The peer offered storage when it connected last.
pub const LNKEEP_BACKUP_PEER_OFFERS: u32 = 4;

/// share_index is given: the peer keeps a share of a payload that is longer than a blob.
pub const LNKEEP_BACKUP_PEER_HAS_SHARE: u32 = 8;
/// The peer keeps journals of HTLCs, and nothing else.
pub const LNKEEP_BACKUP_PEER_KEEPS_JOURNAL: u32 = 16;
/// The host told facts of it (lnkeep_backup_set_facts), and score_ppm is given.
pub const LNKEEP_BACKUP_PEER_HAS_FACTS: u32 = 32;

/// Nothing, or nothing that is known.
pub const LNKEEP_CONTENT_NOTHING: u32 = 0;
/// The whole payload.
pub const LNKEEP_CONTENT_WHOLE: u32 = 1;
/// A share of the payload.
pub const LNKEEP_CONTENT_SHARE: u32 = 2;
/// A share of the payload, and one of an older one that is known to be restorable.
pub const LNKEEP_CONTENT_TWO_SHARES: u32 = 3;
/// HTLCs since an older state.
pub const LNKEEP_CONTENT_JOURNAL: u32 = 4;
/// Only whom else to ask.
pub const LNKEEP_CONTENT_ROSTER: u32 = 5;

/// The peer holds nothing of ours, or something older than the payload of now.
pub const LNKEEP_COPY_NONE: u32 = 0;
/// The peer was sent the payload of now and did not return it yet.
pub const LNKEEP_COPY_UNCONFIRMED: u32 = 1;
/// The peer returned the payload of now.
pub const LNKEEP_COPY_CONFIRMED: u32 = 2;

/// What is known of a peer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_backup_peer {
    /// Which.
    pub node_id: [u8; 33],
    /// 0.
    pub reserved_bytes: [u8; 3],
    /// One of LNKEEP_BACKUP_STATE_*.
    pub state: u32,
    /// Sequence number of the last blob sent to it, 0 for none.
    pub sent_seq: u64,
    /// The greatest sequence number it confirmed, 0 for none.
    pub committed_seq: u64,
    /// How often it lost, rolled back or damaged a blob.
    pub strikes: u32,
    /// How many of the last three of these are less than 30 days old: with three it should be replaced.
    pub recent_strikes: u32,
    /// Bits of LNKEEP_BACKUP_PEER_*.
    pub flags: u32,
    /// One of LNKEEP_COPY_*.
    pub copy: u32,
    /// Length of the blobs it is sent: 1,024 once it twice did not keep longer ones.
    pub size_class: u32,
    /// What the last blob for it carried: one of LNKEEP_CONTENT_*.
    pub sent_content: u32,
    /// The host's time when it was last sent a blob, 0 for never.
    pub sent_ms: u64,
    /// What the last blob that it returned carried: one of LNKEEP_CONTENT_*.
    pub held_content: u32,
    /// With LNKEEP_BACKUP_PEER_HAS_SHARE: which share of the payload it keeps.
    pub share_index: u32,
    /// With LNKEEP_BACKUP_PEER_HAS_FACTS: how good a keeper it is, in parts per million.
    pub score_ppm: u32,
    /// 0.
    pub reserved: u32,
}

/// A page of peers, in the order of their ids. Made by the library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_backup_peers {
    /// Bytes of this structure.
    pub size: usize,
    /// Bytes from one peer to the next.
    pub peer_stride: usize,
    /// The peers, NULL without any.
    pub peers: *const lnkeep_backup_peer,
    /// How many there are.
    pub peers_len: usize,
}

/// Where a backup stands.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_backup_standing {
    /// sizeof(lnkeep_backup_standing), set by the caller.
    pub size: usize,
    /// Random, made once per database.
    pub instance: [u8; 16],
    /// Sequence number of the next blob; until the first after an adoption it moves with the host's time.
    pub next_seq: u64,
    /// Bytes of the payload, 0 without one.
    pub payload_bytes: u64,
    /// Peers that something is known of.
    pub peers: u64,
    /// Peers that returned the payload of now.
    pub confirmed_copies: u64,
    /// Peers that were sent it and did not return it yet.
    pub unconfirmed_copies: u64,
    /// Bits of LNKEEP_BACKUP_FRESH, LNKEEP_BACKUP_BLOCKED and LNKEEP_BACKUP_CUT.
    pub flags: u32,
    /// How many suitable peers the payload needs, when there are too few; else 0. Nothing of it is sent then.
    pub needed_peers: u32,
    /// What peers are sent: number of the first blob that carried it, 0 before one did.
    pub generation: u64,
    /// The newest older one that is known to be restorable, and goes along; 0 without one.
    pub base_generation: u64,
    /// How many shares restore generation: 1 when it goes whole, 0 before one was sealed.
    pub data_shares: u32,
    /// How many shares there are of it: 1 when it goes whole, 0 before one was sealed.
    pub shares: u32,
    /// Peers that have a place for a share.
    pub placed: u32,
    /// Distinct shares of generation that came back and were not replaced since.
    pub confirmed_shares: u32,
    /// Distinct shares of generation that were sent and not replaced since.
    pub sent_shares: u32,
    /// Peers that keep journals of HTLCs.
    pub journal_keepers: u32,
    /// HTLCs that the last journal told, 0 before one was sealed.
    pub covered_htlcs: u32,
    /// HTLCs worth their sweep that it had no room for.
    pub uncovered_htlcs: u32,
    /// Their amounts.
    pub uncovered_msat: u64,
}
