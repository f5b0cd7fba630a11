//! The structures of the monitors' part of the ABI.

use super::types::lnkeep_bytes;

/// The monitors of a store. Zero is LNKEEP_MONITORS_NONE.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_monitors {
    /// Opaque; goes into lnkeep_op.component.
    pub bits: u64,
}

/// The host stores its manager itself, durably and before each commit, and gives its generation.
pub const LNKEEP_MONITORS_EXTERNAL_MANAGER: u32 = 1;
/// Commits may advance channels without a manager: for a host that has none.
pub const LNKEEP_MONITORS_MANAGER_OPTIONAL: u32 = 2;
/// The host's manager does not replay updates that were not durable: with a view, it must be equal.
pub const LNKEEP_MONITORS_REPLAYS_NOTHING: u32 = 4;
/// Keep no reserve for critical calls.
pub const LNKEEP_MONITORS_NO_CRITICAL_RESERVE: u32 = 8;
/// Ask for no snapshot because of the bytes of its updates.
pub const LNKEEP_MONITORS_NO_SNAPSHOT_GROWTH: u32 = 16;

/// Tell no completions: for a host that looks at tickets, or waits for its commit.
pub const LNKEEP_MONITORS_WITHOUT_COMPLETIONS: u32 = 32;

/// Choices at the open of monitors. Start with LNKEEP_MONITORS_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_monitors_options {
    /// sizeof(lnkeep_monitors_options), set by the caller.
    pub size: usize,
    /// Bits of LNKEEP_MONITORS_*.
    pub flags: u32,
    /// Entries that may wait for a commit, outputs included; 0 means 1,024.
    pub pending_ops_max: u32,
    /// Bytes that may wait for a commit; 0 means 64 MiB.
    pub pending_bytes_max: u64,
    /// Entries, and updates of each channel, that critical calls may add to those bounds; 0 means 64.
    pub critical_reserve_ops: u32,
    /// Durable updates of a channel after which a snapshot is asked for; 0 means 100.
    pub snapshot_every_updates: u32,
    /// Updates of a channel after which a snapshot is demanded; 0 means 1,000.
    pub updates_max: u32,
    /// Bytes of updates, in percent of their snapshot, after which another one is asked for; 0 means 400.
    pub snapshot_growth_percent: u32,
    /// Age of a snapshot with updates after which another one is asked for; 0 means never. Needs
    /// lnkeep_store_tick.
    pub snapshot_age_secs: u64,
}

/// There was no session before.
pub const LNKEEP_LAST_CLOSE_NEW: u32 = 1;
/// The last session was closed with nothing left in its queue.
pub const LNKEEP_LAST_CLOSE_CLEAN: u32 = 2;
/// The last session crashed, met a failed commit, or discarded entries.
pub const LNKEEP_LAST_CLOSE_UNCLEAN: u32 = 3;

/// Channels are in use and there is no manager that can be read.
pub const LNKEEP_MONITORS_MANAGER_MISSING: u32 = 1;
/// A channel was advanced by a later commit than the one that wrote the manager, which is an older copy: do
/// not start with it.
pub const LNKEEP_MONITORS_MANAGER_IS_BEHIND: u32 = 2;
/// The store was restored or copied and nobody acknowledged it: peers may have seen newer states. Do not
/// broadcast; let peers prove what they know (BOLT 2 option_data_loss_protect).
pub const LNKEEP_MONITORS_MAY_BE_STALE: u32 = 4;

/// What the open of monitors found.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_monitors_report {
    /// sizeof(lnkeep_monitors_report), set by the caller.
    pub size: usize,
    /// Durable commits since the store was made.
    pub commit_sequence: u64,
    /// Durable outputs that wait for an acknowledgement.
    pub outputs: u64,
    /// Damaged channels; lnkeep_monitors_list says which and how.
    pub damaged: u64,
    /// LNKEEP_LAST_CLOSE_*.
    pub last_close: u32,
    /// Bits of LNKEEP_MONITORS_MANAGER_MISSING, _MANAGER_IS_BEHIND, _MAY_BE_STALE.
    pub flags: u32,
}

/// A block of the chain.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_block {
    /// Its hash, in the host's byte order; all zero when the host keeps none.
    pub hash: [u8; 32],
    /// Its height; 0 means unknown.
    pub height: u32,
    /// 0.
    pub reserved: u32,
}

/// May use the reserve: for what must not wait, such as a preimage, a force-close, the revocation secret of a
/// breach.
pub const LNKEEP_MONITORS_CRITICAL: u32 = 1;

/// A peer message: made again after a reconnect, so it does not outlive the process.
pub const LNKEEP_OUTPUT_VOLATILE: u32 = 1;
/// An event of the application, or a transaction to broadcast: comes back until it is acknowledged.
pub const LNKEEP_OUTPUT_DURABLE: u32 = 2;

/// What the next commit is to include: everything queued before lnkeep_monitors_capture. Opaque but for
/// upto_ticket; valid in the session that gave it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_capture {
    /// Opaque.
    pub epoch: u64,
    /// Opaque.
    pub number: u64,
    /// The last ticket that it includes; 0 when there was none.
    pub upto_ticket: u64,
    /// Opaque.
    pub check: u64,
}

/// A channel and the highest update id that the manager generated for it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_channel_tip {
    /// Which channel.
    pub channel_id: [u8; 32],
    /// Highest update id that the manager knows.
    pub update_id: u64,
}

/// The manager's bytes come with the commit.
pub const LNKEEP_COMMIT_HAS_MANAGER: u32 = 1;
/// The host stored its manager before this commit: monitors opened with LNKEEP_MONITORS_EXTERNAL_MANAGER.
pub const LNKEEP_COMMIT_EXTERNAL: u32 = 2;
/// Its generation comes with the commit; with LNKEEP_COMMIT_EXTERNAL alone.
pub const LNKEEP_COMMIT_HAS_GENERATION: u32 = 4;

/// One commit. Start with LNKEEP_MONITORS_COMMIT_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_monitors_commit {
    /// sizeof(lnkeep_monitors_commit), set by the caller.
    pub size: usize,
    /// What it makes durable.
    pub capture: lnkeep_capture,
    /// Bits of LNKEEP_COMMIT_*.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// The manager, serialised after the capture; read with LNKEEP_COMMIT_HAS_MANAGER, and may then be empty.
    pub manager: lnkeep_bytes,
    /// Read with LNKEEP_COMMIT_HAS_GENERATION; never smaller than the one before.
    pub manager_generation: u64,
    /// What this manager knows, for as many channels as the host can tell: what contradicts it is refused
    /// before anything is written. NULL when the host cannot tell.
    pub view: *const lnkeep_channel_tip,
    /// Number of channels in view.
    pub view_len: usize,
}

/// What a commit did.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_monitors_committed {
    /// sizeof(lnkeep_monitors_committed), set by the caller.
    pub size: usize,
    /// Its number: durable commits since the store was made.
    pub commit_sequence: u64,
    /// Entries that it made durable, outputs included.
    pub applied: u64,
    /// Channels that want a snapshot; lnkeep_monitors_need_snapshot names them.
    pub need_snapshot: u64,
}

/// The manager is the one of the last commit.
pub const LNKEEP_MANAGER_IS_EQUAL: u32 = 1;
/// The manager is newer: the commit after it did not happen.
pub const LNKEEP_MANAGER_IS_AHEAD: u32 = 2;

/// Of a new channel.
pub const LNKEEP_COMPLETION_NEW: u32 = 1;
/// Of an update.
pub const LNKEEP_COMPLETION_UPDATE: u32 = 2;
/// Of a snapshot.
pub const LNKEEP_COMPLETION_SNAPSHOT: u32 = 3;
/// Of an archive; update_id is 0.
pub const LNKEEP_COMPLETION_ARCHIVE: u32 = 4;

/// An entry that became durable.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_monitor_completion {
    /// Of which channel.
    pub channel_id: [u8; 32],
    /// Its update id.
    pub update_id: u64,
    /// LNKEEP_COMPLETION_*.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
}

/// An output that may leave.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_output {
    /// Number of a durable output, for lnkeep_monitors_acknowledge; 0 for a volatile one.
    pub output_id: u64,
    /// The host's tag.
    pub tag: u64,
    /// Its bytes; none when a damage of the store took them. Acknowledge it all the same.
    pub payload: lnkeep_bytes,
}

/// Outputs, in the order in which they may leave.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_outputs {
    /// sizeof(lnkeep_outputs) of the library.
    pub size: usize,
    /// Bytes from one output to the next: step by this, not by sizeof(lnkeep_output).
    pub stride: usize,
    /// The outputs; NULL when there are none.
    pub outputs: *const lnkeep_output,
    /// Number of them.
    pub outputs_len: usize,
}

/// Channels in use.
pub const LNKEEP_STAGE_ACTIVE: u32 = 1;
/// Channels that were archived.
pub const LNKEEP_STAGE_ARCHIVED: u32 = 2;

/// An update up to the recorded tip is missing.
pub const LNKEEP_DAMAGE_UPDATE_GAP: u32 = 1;
/// There is an update outside of what the channel's row says.
pub const LNKEEP_DAMAGE_ORPHAN_UPDATE: u32 = 2;
/// The snapshot, an update or the channel's row is not what was written.
pub const LNKEEP_DAMAGE_CHECKSUM: u32 = 3;
/// There is no snapshot.
pub const LNKEEP_DAMAGE_MISSING_SNAPSHOT: u32 = 4;

/// A durable channel without its bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_channel {
    /// Which channel.
    pub channel_id: [u8; 32],
    /// Update id that the snapshot includes.
    pub snapshot_update_id: u64,
    /// The tip; of a damaged channel the recorded one.
    pub latest_update_id: u64,
    /// Bytes of the snapshot.
    pub snapshot_bytes: u64,
    /// Bytes of the updates after it; of a damaged channel those that can be read.
    pub update_bytes: u64,
    /// The block that came with the snapshot.
    pub block_hash: [u8; 32],
    /// Its height; 0 unknown.
    pub block_height: u32,
    /// LNKEEP_DAMAGE_*, 0 when nothing is wrong. A list of archived channels leaves it 0: what is wrong with
    /// one of those is looked for when it is loaded.
    pub damage: u32,
}

/// An update of a channel.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_monitor_update {
    /// Its id.
    pub update_id: u64,
    /// Its bytes.
    pub update: lnkeep_bytes,
}

/// A durable channel with its bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_monitor {
    /// sizeof(lnkeep_monitor) of the library.
    pub size: usize,
    /// Bytes from one update to the next: step by this, not by sizeof(lnkeep_monitor_update).
    pub update_stride: usize,
    /// The snapshot; of a damaged channel what is left of it, NULL when there is none.
    pub snapshot: lnkeep_bytes,
    /// The updates to apply to it, in order; of a damaged channel those that can be read.
    pub updates: *const lnkeep_monitor_update,
    /// Number of updates.
    pub updates_len: usize,
    /// LNKEEP_STAGE_*.
    pub stage: u32,
    /// 0.
    pub reserved: u32,
    /// Its facts; damage says what is wrong, also when it went wrong after the open. Stays the last field.
    pub channel: lnkeep_channel,
}

/// manager_generation is known.
pub const LNKEEP_MONITORS_HAS_GENERATION: u32 = 1;
/// rescan_height is known: there is an active channel.
pub const LNKEEP_MONITORS_HAS_RESCAN_HEIGHT: u32 = 2;

/// Where monitors stand now.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_monitors_state {
    /// sizeof(lnkeep_monitors_state), set by the caller.
    pub size: usize,
    /// Durable commits since the store was made.
    pub commit_sequence: u64,
    /// Entries that wait for a commit, outputs included.
    pub pending_operations: u64,
    /// Bytes of their payloads.
    pub pending_bytes: u64,
    /// Generation of the external manager that came with the last commit that had one.
    pub manager_generation: u64,
    /// Lowest height from which an active channel has to look at the chain again.
    pub rescan_height: u32,
    /// Bits of LNKEEP_MONITORS_HAS_*.
    pub flags: u32,
}

/// Bytes that the library allocated.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_buf {
    /// First byte; NULL when len is 0.
    pub ptr: *const u8,
    /// Number of bytes.
    pub len: usize,
}

/// Body of LNKEEP_OP_MONITORS_COMMIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_op_monitors_commit {
    /// The commit, read during the call.
    pub commit: *const lnkeep_monitors_commit,
}

/// Make everything up to a capture durable: body.monitors_commit; its number comes as lnkeep_outcome.value.
/// Together with operations of other components under LNKEEP_SUBMIT_ATOMIC: all of it or none. At most one
/// in a submission; it waits for a commit that is under way. Its values of more than 2 MiB are written before
/// the call returns, also in lnkeep_submit_async.
pub const LNKEEP_OP_MONITORS_COMMIT: u32 = 0x301;

const _: () = assert!(std::mem::size_of::<lnkeep_channel>() == 104);
const _: () = assert!(std::mem::size_of::<lnkeep_capture>() == 32);
