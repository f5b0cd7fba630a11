//! What a host chooses at open and what it is told about a session as a whole: plain values.
//!
//! Called by the monitors, `session` and `ffi`.

use super::channel::Damage;
use super::session::Pending;
use crate::limits::{
    MONITORS_CRITICAL_RESERVE_OPS, MONITORS_PENDING_BYTES, MONITORS_PENDING_OPS,
    MONITORS_SNAPSHOT_EVERY_UPDATES, MONITORS_SNAPSHOT_GROWTH_PERCENT, MONITORS_UPDATES_MAX,
};
use crate::types::ChannelId;

/// Choices at open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MonitorsOptions {
    /// The host stores its manager itself, before each commit, and gives its generation.
    pub external_manager: bool,
    /// Commits may advance channels without a manager: for hosts that have none.
    pub manager_optional: bool,
    /// The host's manager does not replay updates that were not durable: it must be equal to the channels.
    pub replays_nothing: bool,
    /// Entries that may wait for a commit, outputs included.
    pub pending_ops_max: u32,
    /// Bytes that may wait for a commit.
    pub pending_bytes_max: u64,
    /// Entries, and updates of each channel, that critical calls may add beyond those bounds.
    pub critical_reserve_ops: u32,
    /// Durable updates of a channel after which a snapshot is asked for.
    pub snapshot_every_updates: u32,
    /// Updates of a channel after which a snapshot is demanded.
    pub updates_max: u32,
    /// Bytes of updates in percent of their snapshot after which another one is asked for; 0 for never.
    pub snapshot_growth_percent: u32,
    /// Age of a snapshot with updates after which another one is asked for; 0 for never.
    pub snapshot_age_secs: u64,
    /// Tell no completions: for a host that looks at tickets, or waits for its commit.
    pub without_completions: bool,
}

impl Default for MonitorsOptions {
    fn default() -> MonitorsOptions {
        MonitorsOptions {
            external_manager: false,
            manager_optional: false,
            replays_nothing: false,
            pending_ops_max: MONITORS_PENDING_OPS,
            pending_bytes_max: MONITORS_PENDING_BYTES,
            critical_reserve_ops: MONITORS_CRITICAL_RESERVE_OPS,
            snapshot_every_updates: MONITORS_SNAPSHOT_EVERY_UPDATES,
            updates_max: MONITORS_UPDATES_MAX,
            snapshot_growth_percent: MONITORS_SNAPSHOT_GROWTH_PERCENT,
            snapshot_age_secs: 0,
            without_completions: false,
        }
    }
}

/// How the last session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum LastClose {
    /// There was none.
    New = 1,
    /// Everything queued was committed, and the monitors were closed.
    Clean = 2,
    /// A crash, a failed commit, or a close that discarded entries.
    Unclean = 3,
}

/// What the open found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorsReport {
    /// Durable commits since the store was made.
    pub commit_sequence: u64,
    /// How the last session ended.
    pub last_close: LastClose,
    /// Damaged channels in use, in the order of their ids: they take a repairing snapshot and nothing else.
    pub damaged: Vec<(ChannelId, Damage)>,
    /// Channels are in use and there is no readable manager.
    pub manager_missing: bool,
    /// A channel was advanced by a later commit than the one that wrote the manager: it is an older copy.
    /// Also when a damage took the generation of an external manager, so that nobody can tell.
    pub manager_behind: bool,
    /// The store was restored or copied, and nobody acknowledged it: peers may have seen newer states. Do
    /// not broadcast from these channels; let the peers prove what they know (BOLT 2
    /// `option_data_loss_protect`).
    pub may_be_stale: bool,
    /// Durable outputs that wait for an acknowledgement.
    pub outputs: u64,
}

/// How a host's own manager stands to the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum ManagerRelation {
    /// It is the one of the last commit.
    Equal = 1,
    /// It is newer: the commit after it did not happen.
    Ahead = 2,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Durable commits since the store was made.
    pub commit_sequence: u64,
    /// What waits for a commit.
    pub pending: Pending,
    /// Generation of the external manager that came with the last commit that had one.
    pub manager_generation: Option<u64>,
    /// The lowest block height from which an active channel has to look at the chain again.
    pub rescan_height: Option<u32>,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Its number.
    pub commit_sequence: u64,
    /// Entries that it made durable, outputs included.
    pub applied: u64,
    /// Channels that want a snapshot, in the order of their ids.
    pub need_snapshot: Vec<ChannelId>,
}
