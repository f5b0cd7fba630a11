//! What a host chooses at open, and what it is told: plain values.
//!
//! Called by `mod`, `engine`, `view` and `ffi`.

use super::rules::{Mode, Settings};
use crate::limits::RESOURCES_JOURNAL_ENTRIES;
use crate::types::ShortChannelId;

/// Choices at open.
#[derive(Clone, PartialEq, Eq)]
pub struct ResourcesOptions {
    /// The numbers that decisions depend on. They are recorded; with others, every channel is divided anew
    /// at open and its HTLCs stay.
    pub settings: Settings,
    /// Open a store whose mode is another one, and change it.
    pub convert: bool,
    /// Forward what would be failed, and say so: for whoever wants to see first what would happen.
    pub only_watches: bool,
    /// Keep nothing: what happens is lost at close. For simulations and measurements.
    pub without_journal: bool,
    /// Calls that may wait for the disk, rounded up to a power of two.
    pub journal_entries_max: u32,
    /// Decisions that are kept to be exported; 0 keeps none.
    pub decisions_kept: u32,
    /// Where a new store's salt comes from, for tests: else the operating system.
    pub entropy: Option<[u8; 32]>,
}

impl std::fmt::Debug for ResourcesOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResourcesOptions")
            .field("settings", &self.settings)
            .field("only_watches", &self.only_watches)
            .field("without_journal", &self.without_journal)
            .finish_non_exhaustive()
    }
}

impl Default for ResourcesOptions {
    fn default() -> ResourcesOptions {
        ResourcesOptions {
            settings: Settings::default(),
            convert: false,
            only_watches: false,
            without_journal: false,
            journal_entries_max: RESOURCES_JOURNAL_ENTRIES,
            decisions_kept: 0,
            entropy: None,
        }
    }
}

impl ResourcesOptions {
    /// The defaults of a mode.
    pub fn of_mode(mode: Mode) -> ResourcesOptions {
        let settings = Settings { mode, ..Settings::default() };
        ResourcesOptions { settings, ..ResourcesOptions::default() }
    }
}

/// When a call answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum Ack {
    /// At once: the decision holds in memory and is written soon after. A crash may lose the last of them,
    /// which costs no funds: [`super::Resources::reconcile`] mends it.
    #[default]
    Memory = 0,
    /// Once it is on disk.
    Durable = 1,
}

/// What the open found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResourcesReport {
    /// Channels.
    pub channels: u64,
    /// HTLCs that were pending: reconcile them with those that the node still has.
    pub pending: u64,
    /// Journal entries that were newer than their channels' rows.
    pub replayed: u64,
    /// Rows that could not be read: channels in them are unknown and have to be added again.
    pub damaged: u64,
    /// The settings were others before.
    pub divided_anew: bool,
}

/// A channel could be forgotten, or waits for its HTLCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Removal {
    /// It is forgotten.
    Removed = 1,
    /// It is kept until its last HTLC resolves, in either direction, and takes no new one.
    Closing = 2,
}

/// An HTLC that was forwarded and is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResolveRequest {
    /// The channel it arrived on.
    pub incoming: ShortChannelId,
    /// The channel it went out through.
    pub outgoing: ShortChannelId,
    /// Its id on the incoming channel.
    pub htlc_id: u64,
    /// With its preimage (`update_fulfill_htlc`).
    pub settled: bool,
    /// The time of now.
    pub unix_secs: u64,
}

/// The answer to a [`ResolveRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// It was resolved before, with the same outcome: nothing was changed.
    pub already: bool,
    /// What the outgoing channel's reputation changed by.
    pub effective_fee_msat: i64,
}

/// An HTLC that the node has, whatever the resources know: see [`super::Resources::reconcile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveHtlc {
    /// The channel it arrived on.
    pub incoming: ShortChannelId,
    /// The channel it went out through.
    pub outgoing: ShortChannelId,
    /// Its id on the incoming channel.
    pub htlc_id: u64,
    /// Its amount on the incoming channel.
    pub incoming_amount_msat: u64,
    /// Its amount on the outgoing channel.
    pub outgoing_amount_msat: u64,
    /// Block height at which it expires on the incoming channel.
    pub incoming_cltv_expiry: u32,
    /// The height when it was forwarded, or now if that is not known.
    pub block_height: u32,
    /// The signal that it went out with.
    pub outgoing_accountable: bool,
    /// When it was forwarded, or now if that is not known.
    pub added_unix_secs: u64,
}

/// What a reconciliation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// HTLCs that both knew.
    pub kept: u64,
    /// HTLCs that the node has no more: released, with no effect on any reputation.
    pub dropped: u64,
    /// HTLCs that only the node knew: tracked now.
    pub added: u64,
    /// HTLCs of the node whose channels are not known: add the channels, then reconcile again.
    pub unknown_channel: u64,
    /// HTLCs that both know with other content: what the resources know stays.
    pub different: u64,
}

/// One forward of the past: see [`super::Resources::import_history`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardRow {
    /// The channel it came in through.
    pub incoming: ShortChannelId,
    /// The channel it went out through.
    pub outgoing: ShortChannelId,
    /// What it earned.
    pub fee_msat: u64,
    /// When it was added.
    pub added_unix_secs: u64,
    /// When it settled.
    pub settled_unix_secs: u64,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Channels whose averages now hold their history.
    pub channels: u64,
    /// Channels that had taken a history before, and were left as they are.
    pub channels_before: u64,
    /// Rows of which at least one channel took its part.
    pub rows: u64,
    /// Rows that settled before they were added, or whose channels are not known or closing.
    pub rows_passed_over: u64,
}

/// Figures since the open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResourcesStats {
    /// HTLCs forwarded.
    pub forwarded: u64,
    /// HTLCs failed.
    pub failed: u64,
    /// HTLCs forwarded although they would have been failed.
    pub would_fail: u64,
    /// Calls that repeated an earlier one.
    pub repeated: u64,
    /// HTLCs resolved.
    pub resolved: u64,
    /// Calls whose time was earlier than that of a call before them.
    pub clock_clamped: u64,
    /// Entries that wait to be written.
    pub journal_waiting: u64,
    /// Numbers of journal entries that were given since the store was made.
    pub journal_next: u64,
    /// Entries below this number are durable.
    pub journal_durable_below: u64,
}
