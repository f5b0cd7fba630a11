//! What a host chooses at open, and what it is told: plain values.
//!
//! Called by `mod`, `ledger` and `ffi`.

use super::budget::BudgetOptions;
use super::content::Content;
use super::envelope::{Opened, SizeClass};
use super::generation::Generation;
use super::htlcs::Coverage;
use super::journal::JournalOptions;
use super::rules::{Action, PeerState};
use crate::error::Error;
use crate::limits::{BACKUP_HOLD_MS, BACKUP_JOURNAL_KEEPERS, BACKUP_RESEND_INTERVAL_MS, PEERS_MAX};
use crate::types::NodeId;

/// Choices at open.
#[derive(Clone, PartialEq, Eq)]
pub struct BackupOptions {
    /// Length of the blobs that are sent, whatever they hold.
    pub size_class: SizeClass,
    /// Time that a peer has to return our blob, unless it begins channel_reestablish before.
    pub hold_ms: u64,
    /// Shortest time between two blobs for one peer that a tick asks for.
    pub resend_interval_ms: u64,
    /// Most peers that something is known of.
    pub peers_max: u32,
    /// What is told of HTLCs, and when.
    pub journal: JournalOptions,
    /// Peers that keep journals of HTLCs.
    pub journal_keepers: u32,
    /// What journals may cost.
    pub budget: BudgetOptions,
    /// Where instance and nonces come from, for tests: else the operating system.
    pub entropy: Option<[u8; 32]>,
}

impl std::fmt::Debug for BackupOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupOptions")
            .field("size_class", &self.size_class)
            .field("hold_ms", &self.hold_ms)
            .field("resend_interval_ms", &self.resend_interval_ms)
            .field("peers_max", &self.peers_max)
            .field("journal", &self.journal)
            .field("journal_keepers", &self.journal_keepers)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

impl Default for BackupOptions {
    fn default() -> BackupOptions {
        BackupOptions {
            size_class: SizeClass::Bytes65531,
            hold_ms: BACKUP_HOLD_MS,
            resend_interval_ms: BACKUP_RESEND_INTERVAL_MS,
            peers_max: PEERS_MAX,
            journal: JournalOptions::default(),
            journal_keepers: BACKUP_JOURNAL_KEEPERS,
            budget: BudgetOptions::default(),
            entropy: None,
        }
    }
}

/// What the open found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupReport {
    /// Peers that something is known of.
    pub peers: u64,
    /// Rows that could not be read: of those peers nothing is overwritten before they return an authentic
    /// blob; without the state every blob counts as one of a lost state.
    pub damaged: u64,
    /// Nothing was ever sent: this database is new, or what was known is lost.
    pub is_fresh: bool,
    /// A peer showed that we lost state, and nobody acknowledged it.
    pub is_blocked: bool,
}

/// How a peer's copy stands to the payload of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Copy {
    /// It holds nothing of ours, or something older.
    None = 0,
    /// It was sent this payload and did not return it yet.
    Unconfirmed = 1,
    /// It returned this payload.
    Confirmed = 2,
}

/// What is known of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Which.
    pub peer: NodeId,
    /// What it is believed to hold.
    pub state: PeerState,
    /// Sequence number of the last blob sent to it, 0 for none.
    pub sent_seq: u64,
    /// The greatest sequence number it confirmed, 0 for none.
    pub committed_seq: u64,
    /// How often it lost, rolled back or damaged a blob.
    pub strikes: u32,
    /// How many of the last three of these are less than 30 days old: with three it should be replaced.
    pub recent_strikes: u32,
    /// It holds what we cannot read and did not send.
    pub is_protected: bool,
    /// It is connected.
    pub is_connected: bool,
    /// It offered storage when it connected last.
    pub offers_storage: bool,
    /// How its copy stands to the payload of now.
    pub copy: Copy,
    /// Length of the blobs it is sent: 1,024 once it twice did not keep longer ones.
    pub size_class: SizeClass,
    /// The host's time when it was last sent a blob, 0 for never.
    pub sent_ms: u64,
    /// What that blob carried.
    pub sent: Content,
    /// What the last blob that it returned carried.
    pub held: Content,
    /// Which share of a cut payload it keeps.
    pub share_index: Option<u8>,
    /// It keeps journals of HTLCs, and nothing else.
    pub keeps_journal: bool,
    /// How good a keeper it is, in parts per million; `None` without facts.
    pub score_ppm: Option<u64>,
}

/// What follows from a blob that a peer returned, or from its silence.
#[derive(Debug)]
pub struct Concluded {
    /// What is known of the peer now.
    pub peer: PeerStatus,
    /// What is asked of the host.
    pub action: Action,
    /// What the blob held, if it is one of ours.
    pub opened: Option<Opened>,
    /// Why the conclusion could not be made durable. It holds until the store is closed.
    pub failure: Option<Error>,
}

/// A blob to hand to a peer.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The bytes of `peer_storage`.
    pub blob: Vec<u8>,
    /// Its sequence number, recorded durably before this was answered.
    pub seq: u64,
}

/// The length only: no log is the place for a blob.
impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed(seq {}, blob of {} bytes)", self.seq, self.blob.len())
    }
}

/// What a tick found.
#[derive(Debug, Clone, Default)]
pub struct Ticked {
    /// Peers that returned nothing in time, and peers that are due for a blob ([`Action::Send`]).
    pub actions: Vec<(NodeId, PeerState, Action)>,
    /// Why a conclusion could not be made durable, the first one.
    pub failure: Option<Error>,
    /// When the next tick has something to do.
    pub next_due_ms: Option<u64>,
}

/// Where the backup stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
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
    /// Nothing was ever sent.
    pub is_fresh: bool,
    /// Nothing may be sent: a peer showed that we lost state.
    pub is_blocked: bool,
    /// The payload is cut into shares.
    pub is_striped: bool,
    /// What peers are sent, once something of it was sealed.
    pub newest: Option<Generation>,
    /// The newest generation that is known to be restorable, if it was kept beside a newer one.
    pub base: Option<Generation>,
    /// Peers that have a place for a share.
    pub placed: u32,
    /// Distinct shares of the newest generation that came back and were not replaced.
    pub confirmed_shares: u32,
    /// Distinct shares of it that were sent and not replaced.
    pub sent_shares: u32,
    /// How many suitable peers the payload needs, when there are too few; else 0.
    pub needed_peers: u32,
    /// Peers that keep journals of HTLCs.
    pub journal_keepers: u32,
    /// What the last journal told and left out.
    pub coverage: Coverage,
}
