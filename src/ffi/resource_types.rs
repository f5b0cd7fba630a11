//! The structures of the resources' part of the ABI.

/// The resources of a store. Zero is LNKEEP_RESOURCES_NONE.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_resources {
    /// Opaque.
    pub bits: u64,
}

/// Repeat the reference's rules to the last bit, its defects included, in place of the mended ones.
pub const LNKEEP_RESOURCES_COMPAT: u32 = 1;
/// Open a store whose resources have the other mode, and change it.
pub const LNKEEP_RESOURCES_CONVERT: u32 = 2;
/// Forward what would be failed, and say so in the decision: to see first what would happen.
pub const LNKEEP_RESOURCES_ONLY_WATCH: u32 = 4;
/// Keep nothing on disk: what happens is lost at close. For simulations and measurements.
pub const LNKEEP_RESOURCES_WITHOUT_JOURNAL: u32 = 8;
/// One HTLC never uses several buckets.
pub const LNKEEP_RESOURCES_NO_SPILL_OVER: u32 = 16;
/// general_percent, congestion_percent and default_fee_* are meant as they are, also when they are 0.
pub const LNKEEP_RESOURCES_ZEROS_COUNT: u32 = 32;
/// The salt of a new store is made from `entropy`; for tests.
pub const LNKEEP_RESOURCES_HAS_ENTROPY: u32 = 64;

/// Choices at the open of resources. Start with LNKEEP_RESOURCES_OPTIONS_INIT. The numbers that decisions
/// depend on are recorded; opened with others, every channel is divided anew and keeps its HTLCs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_resources_options {
    /// sizeof(lnkeep_resources_options), set by the caller.
    pub size: usize,
    /// Bits of LNKEEP_RESOURCES_*.
    pub flags: u32,
    /// Percent of a channel that anybody may use; 0 means 40.
    pub general_percent: u32,
    /// Percent kept for those without reputation when the general bucket is full; 0 means 20.
    pub congestion_percent: u32,
    /// Revenue windows over which reputation is earned; 0 means 12.
    pub reputation_multiplier: u32,
    /// Time within which an HTLC should resolve; 0 means 90.
    pub resolution_period_secs: u64,
    /// Window whose revenue is the threshold; 0 means two weeks.
    pub revenue_window_secs: u64,
    /// Base of the fee that an HTLC's delay is charged with at least; 0 means 1,000.
    pub default_fee_base_msat: u64,
    /// Millionths of the amount that come on top; 0 means 1.
    pub default_fee_ppm: u32,
    /// Calls that may wait for the disk, rounded up to a power of two; 0 means 65,536. Each takes 64 bytes.
    pub journal_entries_max: u32,
    /// Decisions that are kept for lnkeep_resources_decisions; 0 keeps none.
    pub decisions_kept: u32,
    /// 0.
    pub reserved: u32,
    /// With LNKEEP_RESOURCES_HAS_ENTROPY; else the operating system's is drawn.
    pub entropy: [u8; 32],
}

/// The settings were others before: channels were divided anew.
pub const LNKEEP_RESOURCES_DIVIDED_ANEW: u32 = 1;

/// What the open of resources found.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_resources_report {
    /// sizeof(lnkeep_resources_report), set by the caller.
    pub size: usize,
    /// Channels.
    pub channels: u64,
    /// HTLCs that were pending: give lnkeep_resources_reconcile those that the node still has.
    pub pending: u64,
    /// Journal entries that were newer than their channels' rows.
    pub replayed: u64,
    /// Rows that cannot be read: their channels are not known and have to be added again.
    pub damaged: u64,
    /// Bits of LNKEEP_RESOURCES_DIVIDED_ANEW.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

/// What a channel's two ends agreed on for HTLCs that come in through it (BOLT 2 open_channel).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_channel_limits {
    /// max_htlc_value_in_flight_msat.
    pub max_in_flight_msat: u64,
    /// max_accepted_htlcs, 1 to 483.
    pub max_accepted_htlcs: u32,
    /// 0.
    pub reserved: u32,
}

/// How the limits of a channel are divided.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_allocation {
    /// Liquidity of the general bucket.
    pub general_liquidity_msat: u64,
    /// What one general slot carries.
    pub slot_msat: u64,
    /// Liquidity of the congestion bucket.
    pub congestion_liquidity_msat: u64,
    /// Liquidity of the protected bucket.
    pub protected_liquidity_msat: u64,
    /// Slots of the general bucket.
    pub general_slots: u32,
    /// General slots that one outgoing channel may use.
    pub pair_slots: u32,
    /// Slots of the congestion bucket.
    pub congestion_slots: u32,
    /// Slots of the protected bucket.
    pub protected_slots: u32,
}

/// The channel is forgotten.
pub const LNKEEP_RESOURCES_REMOVED: u32 = 1;
/// The channel is kept until its last HTLC resolves, in either direction, and takes no new one.
pub const LNKEEP_RESOURCES_CLOSING: u32 = 2;

/// The HTLC arrived accountable (update_add_htlc's TLV).
pub const LNKEEP_HTLC_ACCOUNTABLE: u32 = 1;
/// policy_fee_msat is given.
pub const LNKEEP_HTLC_HAS_POLICY_FEE: u32 = 2;
/// The onion says upgrade_accountability.
pub const LNKEEP_HTLC_UPGRADE_PRESENT: u32 = 4;
/// The onion does not say upgrade_accountability; without either bit, the host does not look.
pub const LNKEEP_HTLC_UPGRADE_ABSENT: u32 = 8;

/// An HTLC that may be forwarded. Set everything else to 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_htlc_request {
    /// Short channel id, or the host's own number, of the channel it arrived on.
    pub incoming: u64,
    /// The channel it would go out through.
    pub outgoing: u64,
    /// Its id on the incoming channel (BOLT 2 update_add_htlc).
    pub htlc_id: u64,
    /// Its amount on the incoming channel.
    pub incoming_amount_msat: u64,
    /// Its amount on the outgoing channel.
    pub outgoing_amount_msat: u64,
    /// The fee that our own policy asks for: what is paid beyond it counts for nothing.
    pub policy_fee_msat: u64,
    /// The time of now.
    pub unix_secs: u64,
    /// Block height at which it expires on the incoming channel.
    pub incoming_cltv_expiry: u32,
    /// The height of now.
    pub block_height: u32,
    /// Bits of LNKEEP_HTLC_*.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

/// Answer when the change is on disk.
pub const LNKEEP_RESOURCES_DURABLE: u32 = 1;
/// Decide and change nothing.
pub const LNKEEP_RESOURCES_DRY_RUN: u32 = 2;

/// Forward the HTLC.
pub const LNKEEP_VERDICT_FORWARD: u32 = 1;
/// Fail it back.
pub const LNKEEP_VERDICT_FAIL: u32 = 2;

/// It fits the general bucket.
pub const LNKEEP_REASON_GENERAL: u32 = 1;
/// The outgoing channel's reputation bears it.
pub const LNKEEP_REASON_REPUTATION: u32 = 2;
/// It has no reputation, and the congestion bucket takes it.
pub const LNKEEP_REASON_CONGESTION: u32 = 3;
/// The reputation bears it, and several buckets together have room.
pub const LNKEEP_REASON_SEVERAL: u32 = 4;
/// It came in accountable and the reputation does not bear it.
pub const LNKEEP_REASON_NO_REPUTATION: u32 = 16;
/// The reputation bears it, and no bucket has room.
pub const LNKEEP_REASON_NO_ROOM: u32 = 17;
/// Another HTLC of the outgoing channel sits in a congestion bucket.
pub const LNKEEP_REASON_OUTGOING_IN_CONGESTION: u32 = 18;
/// The channel has no congestion bucket.
pub const LNKEEP_REASON_NO_CONGESTION_BUCKET: u32 = 19;
/// The outgoing channel held an HTLC in this congestion bucket for too long in the last two weeks.
pub const LNKEEP_REASON_CONGESTION_MISUSED: u32 = 20;
/// The congestion bucket is full.
pub const LNKEEP_REASON_CONGESTION_FULL: u32 = 21;
/// It is larger than what one HTLC may take of the congestion bucket.
pub const LNKEEP_REASON_ABOVE_CONGESTION_LIMIT: u32 = 22;
/// It would have to go out accountable, and its sender does not allow that.
pub const LNKEEP_REASON_UPGRADE_NOT_ALLOWED: u32 = 23;
/// It came in accountable although its sender does not allow that.
pub const LNKEEP_REASON_SIGNAL_TAMPERED: u32 = 24;
/// It was forwarded before; what was decided then stands.
pub const LNKEEP_REASON_RECORDED: u32 = 32;

/// It takes nothing and is tracked.
pub const LNKEEP_BUCKET_NONE: u32 = 0;
/// General.
pub const LNKEEP_BUCKET_GENERAL: u32 = 1;
/// Congestion.
pub const LNKEEP_BUCKET_CONGESTION: u32 = 2;
/// Protected.
pub const LNKEEP_BUCKET_PROTECTED: u32 = 3;
/// Several at once.
pub const LNKEEP_BUCKET_SEVERAL: u32 = 4;

/// Set the accountable signal on the outgoing HTLC.
pub const LNKEEP_DECISION_ACCOUNTABLE: u32 = 1;
/// The handle only watches: without that, it would have been failed for the reason given.
pub const LNKEEP_DECISION_WOULD_FAIL: u32 = 2;

/// The answer to a lnkeep_htlc_request.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_decision {
    /// LNKEEP_DONE: decided; LNKEEP_ALREADY: decided before, nothing was changed; LNKEEP_NOT_DURABLE:
    /// decided, and not on disk yet; else nothing was decided and the rest is 0.
    pub status: i32,
    /// LNKEEP_VERDICT_*.
    pub verdict: u32,
    /// LNKEEP_REASON_*.
    pub reason: u32,
    /// LNKEEP_BUCKET_*.
    pub bucket: u32,
    /// Bits of LNKEEP_DECISION_*.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// What the status speaks of where it is below 0: the channel that is unknown or closing; else 0.
    pub value: u64,
}

/// The reputation less both risks is at least the threshold.
pub const LNKEEP_GROUNDS_HAS_REPUTATION: u32 = 1;
/// An HTLC of the outgoing channel sits in a congestion bucket.
pub const LNKEEP_GROUNDS_OUTGOING_IN_CONGESTION: u32 = 2;

/// The numbers that a decision was made from, as they stood before it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct lnkeep_grounds {
    /// The fee that counts.
    pub fee_msat: u64,
    /// The fee that its delay is charged with: the default one at least.
    pub charged_fee_msat: u64,
    /// What the HTLC would cost if it were held to its end.
    pub htlc_risk_msat: u64,
    /// The outgoing channel's reputation.
    pub outgoing_reputation_msat: i64,
    /// The risk of what is in flight on it.
    pub outgoing_in_flight_risk_msat: u64,
    /// The threshold: what the incoming channel earns us in a revenue window.
    pub incoming_revenue_msat: i64,
    /// General slots that the HTLC needs.
    pub general_slots_needed: u64,
    /// Liquidity in use of the congestion bucket.
    pub congestion_used_msat: u64,
    /// Liquidity of the congestion bucket.
    pub congestion_liquidity_msat: u64,
    /// Liquidity in use of the protected bucket.
    pub protected_used_msat: u64,
    /// Liquidity of the protected bucket.
    pub protected_liquidity_msat: u64,
    /// General slots of this pair that are free.
    pub pair_slots_free: u32,
    /// General slots in use.
    pub general_slots_used: u32,
    /// General slots of the channel.
    pub general_slots: u32,
    /// Slots in use of the congestion bucket.
    pub congestion_slots_used: u32,
    /// Slots of the congestion bucket.
    pub congestion_slots: u32,
    /// Slots in use of the protected bucket.
    pub protected_slots_used: u32,
    /// Slots of the protected bucket.
    pub protected_slots: u32,
    /// Bits of LNKEEP_GROUNDS_*.
    pub flags: u32,
}

/// The HTLC settled with its preimage (update_fulfill_htlc); else it failed.
pub const LNKEEP_RESOLVE_SETTLED: u32 = 1;

/// An HTLC that was forwarded and is over. Set everything else to 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_resolve_request {
    /// The channel it arrived on.
    pub incoming: u64,
    /// The channel it went out through.
    pub outgoing: u64,
    /// Its id on the incoming channel.
    pub htlc_id: u64,
    /// The time of now.
    pub unix_secs: u64,
    /// LNKEEP_RESOLVE_SETTLED or 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

/// The answer to a lnkeep_resolve_request.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_resolution {
    /// LNKEEP_DONE; LNKEEP_ALREADY: resolved before with the same outcome; LNKEEP_NOT_DURABLE: resolved,
    /// and not on disk yet; LNKEEP_RESOLVED_BEFORE_ADDED: released; else nothing was done.
    pub status: i32,
    /// 0.
    pub reserved: u32,
    /// What the outgoing channel's reputation changed by.
    pub effective_fee_msat: i64,
    /// What the status speaks of where it is below 0: the channel that is unknown; else 0.
    pub value: u64,
}

/// An HTLC that the node has forwarded and not resolved. Set everything else to 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_live_htlc {
    /// The channel it arrived on.
    pub incoming: u64,
    /// The channel it went out through.
    pub outgoing: u64,
    /// Its id on the incoming channel.
    pub htlc_id: u64,
    /// Its amount on the incoming channel.
    pub incoming_amount_msat: u64,
    /// Its amount on the outgoing channel.
    pub outgoing_amount_msat: u64,
    /// When it was forwarded, or now if that is not known.
    pub added_unix_secs: u64,
    /// Block height at which it expires on the incoming channel.
    pub incoming_cltv_expiry: u32,
    /// The height when it was forwarded, or now if that is not known.
    pub block_height: u32,
    /// LNKEEP_HTLC_ACCOUNTABLE if it went out so, else 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

/// What lnkeep_resources_reconcile did.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_reconciled {
    /// sizeof(lnkeep_reconciled), set by the caller.
    pub size: usize,
    /// HTLCs that both knew.
    pub kept: u64,
    /// HTLCs that the node has no more: released, with no effect on any reputation.
    pub dropped: u64,
    /// HTLCs that only the node knew: tracked now.
    pub added: u64,
    /// HTLCs of the node whose channels are not known: add the channels, then reconcile again.
    pub unknown_channel: u64,
    /// HTLCs that both know with other content: what was known stays.
    pub different: u64,
}

/// One forward of the past.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_forward_row {
    /// The channel it came in through.
    pub incoming: u64,
    /// The channel it went out through.
    pub outgoing: u64,
    /// What it earned.
    pub fee_msat: u64,
    /// When it was added.
    pub added_unix_secs: u64,
    /// When it settled.
    pub settled_unix_secs: u64,
}

/// What lnkeep_resources_import_history did.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_imported {
    /// sizeof(lnkeep_imported), set by the caller.
    pub size: usize,
    /// Channels whose averages now hold their history.
    pub channels: u64,
    /// Channels that had taken a history before, and were left as they are.
    pub channels_before: u64,
    /// Rows of which at least one channel took its part.
    pub rows: u64,
    /// Rows that settled before they were added, or whose channels are not known or closing.
    pub rows_passed_over: u64,
}

/// The channel waits for its last HTLC.
pub const LNKEEP_RESOURCES_IS_CLOSING: u32 = 1;

/// One channel of the resources.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_resources_channel {
    /// Its id.
    pub channel: u64,
    /// Its limits.
    pub limits: lnkeep_channel_limits,
    /// How they are divided.
    pub allocation: lnkeep_allocation,
    /// Reputation as outgoing, as of reputation_updated_unix_secs.
    pub reputation_msat: i64,
    /// When it changed last.
    pub reputation_updated_unix_secs: u64,
    /// Reputation as of the time asked for.
    pub reputation_now_msat: i64,
    /// All revenue as incoming, as of revenue_updated_unix_secs.
    pub revenue_total_msat: i64,
    /// When it changed last.
    pub revenue_updated_unix_secs: u64,
    /// From when on it was counted.
    pub revenue_start_unix_secs: u64,
    /// Revenue of one window as of the time asked for: the threshold of HTLCs that come in through it.
    pub revenue_now_msat: i64,
    /// Risk of what is in flight out through it.
    pub in_flight_risk_msat: u64,
    /// Liquidity in use of the congestion bucket.
    pub congestion_used_msat: u64,
    /// Liquidity in use of the protected bucket.
    pub protected_used_msat: u64,
    /// Slots in use of the congestion bucket.
    pub congestion_slots_used: u32,
    /// Slots in use of the protected bucket.
    pub protected_slots_used: u32,
    /// General slots in use.
    pub general_slots_used: u32,
    /// HTLCs pending out through it.
    pub pending_outgoing: u32,
    /// HTLCs pending that came in through it.
    pub pending_incoming: u32,
    /// HTLCs out through it that sit in a congestion bucket.
    pub outgoing_in_congestion: u32,
    /// Bits of LNKEEP_RESOURCES_IS_CLOSING.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

/// General slots that one incoming channel lends to one outgoing channel.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_resources_pair {
    /// Whose slots.
    pub incoming: u64,
    /// Who uses them.
    pub outgoing: u64,
    /// Slot numbers in the order of their generation; the first slots_len of them.
    pub slots: [u16; 25],
    /// How many.
    pub slots_len: u16,
    /// Bit n is set if slots[n] is in use.
    pub used: u32,
}

/// A mark on an outgoing channel that held an HTLC in a congestion bucket for too long.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_resources_mark {
    /// Whose congestion bucket.
    pub incoming: u64,
    /// Who misused it.
    pub outgoing: u64,
    /// When it did last.
    pub misused_unix_secs: u64,
}

/// The HTLC went out accountable.
pub const LNKEEP_PENDING_ACCOUNTABLE: u32 = 1;
/// It would have been failed, had the handle not only been watching.
pub const LNKEEP_PENDING_WOULD_FAIL: u32 = 2;

/// An HTLC that was forwarded and is not resolved.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_pending_htlc {
    /// The channel it arrived on.
    pub incoming: u64,
    /// The channel it went out through.
    pub outgoing: u64,
    /// Its id on the incoming channel.
    pub htlc_id: u64,
    /// Its amount on the incoming channel.
    pub incoming_amount_msat: u64,
    /// The fee that it pays.
    pub fee_msat: u64,
    /// When it was added.
    pub added_unix_secs: u64,
    /// What it would cost if it were held to its end.
    pub risk_msat: u64,
    /// LNKEEP_BUCKET_*.
    pub bucket: u32,
    /// General slots that it takes.
    pub general_slots: u32,
    /// Bits of LNKEEP_PENDING_*.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

/// Everything that the resources know. Arrays are in the order of their ids, incoming before outgoing.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_resources_snapshot {
    /// sizeof(lnkeep_resources_snapshot) of the library.
    pub size: usize,
    /// Bytes from one channel to the next.
    pub channel_stride: usize,
    /// Bytes from one HTLC to the next.
    pub pending_stride: usize,
    /// Bytes from one pair to the next.
    pub pair_stride: usize,
    /// Bytes from one mark to the next.
    pub mark_stride: usize,
    /// Channels.
    pub channels: *const lnkeep_resources_channel,
    /// How many.
    pub channels_len: usize,
    /// Pending HTLCs.
    pub pending: *const lnkeep_pending_htlc,
    /// How many.
    pub pending_len: usize,
    /// Pairs that use general slots; in compat mode every pair that was ever looked at.
    pub pairs: *const lnkeep_resources_pair,
    /// How many.
    pub pairs_len: usize,
    /// Marks of misuse.
    pub marks: *const lnkeep_resources_mark,
    /// How many.
    pub marks_len: usize,
}

/// Figures of resources since their open.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_resources_stats {
    /// sizeof(lnkeep_resources_stats), set by the caller.
    pub size: usize,
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
    /// Journal entries that wait to be written.
    pub journal_waiting: u64,
    /// Number of the next journal entry.
    pub journal_next: u64,
    /// Journal entries below this number are durable.
    pub journal_durable_below: u64,
}
