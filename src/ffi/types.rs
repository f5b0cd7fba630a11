//! The structures of the ABI. Fixed layout, no padding holes, offsets asserted from C.

use std::ffi::c_char;

pub use super::backup_types::*;
pub use super::foreign_types::*;
pub use super::hosted_types::*;
pub use super::monitor_types::*;
pub use super::payment_types::*;
pub use super::peer_types::*;
pub use super::recovery_types::*;
pub use super::resource_types::*;
pub use super::stripe_types::*;

/// One open store. Zero is LNKEEP_STORE_NONE. Copies of the value are the same handle.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_store {
    /// Opaque.
    pub bits: u64,
}

/// The attempts of a store. Zero is LNKEEP_ATTEMPTS_NONE.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_attempts {
    /// Opaque; goes into lnkeep_op.component.
    pub bits: u64,
}

/// One named cursor on the events of a store. Zero is LNKEEP_EVENTS_NONE.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_events {
    /// Opaque.
    pub bits: u64,
}

/// lnkeep_error.value is set.
pub const LNKEEP_ERROR_HAS_VALUE: u32 = 1;
/// lnkeep_error.channel_id is set.
pub const LNKEEP_ERROR_HAS_CHANNEL: u32 = 2;

/// Detail of a failed call, in memory of the caller; nothing to free. Start with LNKEEP_ERROR_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_error {
    /// sizeof(lnkeep_error), set by the caller.
    pub size: usize,
    /// Status of the call; after LNKEEP_BATCH, the status of its worst operation. 0 after success.
    pub status: i32,
    /// Error number of the operating system, 0 if it had none.
    pub os_errno: i32,
    /// Subject, fact and advice in English, NUL-terminated. Never holds a key or a preimage.
    pub message: [c_char; 240],
    /// The number that the status speaks of, as the function says: the id expected, the tip, how many.
    pub value: u64,
    /// Bits of LNKEEP_ERROR_HAS_*.
    pub present: u32,
    /// 0.
    pub reserved: u32,
    /// The channel that the status speaks of.
    pub channel_id: [u8; 32],
}

/// Bytes that stay the owner's: of the caller during a call, or of a returned structure until it is freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_bytes {
    /// First byte; may be NULL when len is 0.
    pub ptr: *const u8,
    /// Number of bytes.
    pub len: usize,
}

/// Refuse to create: there must be a store already.
pub const LNKEEP_STORE_MUST_EXIST: u32 = 1;
/// Accept a network or FUSE file system, although it may lose flushed data.
pub const LNKEEP_STORE_ANY_FILE_SYSTEM: u32 = 2;
/// Repeat lnd's rules where they are questionable; recorded in the store.
pub const LNKEEP_STORE_LND_COMPAT: u32 = 4;
/// Accept a store created in another mode and change its mode.
pub const LNKEEP_STORE_CONVERT: u32 = 8;
/// Refuse a store whose id is not expected_store_id.
pub const LNKEEP_STORE_EXPECT_ID: u32 = 16;
/// Take all randomness from seed, for replays.
pub const LNKEEP_STORE_SEEDED: u32 = 32;
/// Record only the kinds of event in event_kinds, which may be none.
pub const LNKEEP_STORE_EVENT_KINDS: u32 = 64;

/// Walk the whole file at every open, not only after an unclean end or a write since the close.
pub const LNKEEP_STORE_VERIFY: u32 = 128;
/// Rewrite the file without its free pages, after a walk of it; takes about as long as copying it. Without
/// space for the copy the store opens as it is: LNKEEP_REPORT_COMPACTED says which.
pub const LNKEEP_STORE_COMPACT: u32 = 256;

/// Choices at the open of a store. Zero everywhere but in size is the safe choice; start with
/// LNKEEP_STORE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_store_options {
    /// sizeof(lnkeep_store_options), set by the caller.
    pub size: usize,
    /// Bits of LNKEEP_STORE_*.
    pub flags: u32,
    /// LNKEEP_ABI_VERSION, set by LNKEEP_STORE_OPTIONS_INIT.
    pub abi_version: u32,
    /// Refuse a store last opened in an epoch below this one, which the host keeps elsewhere.
    pub epoch_min: u64,
    /// Largest size of the memory map, and so of the data; 0 means 1 TiB.
    pub map_bytes_max: u64,
    /// First size of the memory map; 0 means 1 GiB of address space.
    pub map_bytes: u64,
    /// Operations that may wait for the disk; 0 means 16,384.
    pub queue_operations_max: u64,
    /// Kinds of event to record, bits `1 << LNKEEP_EVENT_*`; read with LNKEEP_STORE_EVENT_KINDS.
    pub event_kinds: u64,
    /// Disk that unread events may pin; 0 means 256 MiB.
    pub events_bytes_max: u64,
    /// Age after which unread events are cut; 0 means never.
    pub events_age_max_secs: u64,
    /// Read with LNKEEP_STORE_EXPECT_ID.
    pub expected_store_id: [u8; 16],
    /// Read with LNKEEP_STORE_SEEDED.
    pub seed: [u8; 32],
}

/// The files were made by this open.
pub const LNKEEP_REPORT_CREATED: u32 = 1;
/// The last holder crashed or was killed: call lnkeep_attempts_recover.
pub const LNKEEP_REPORT_UNCLEAN: u32 = 2;
/// The files are a copy; new attempts wait for lnkeep_attempts_acknowledge_restore.
pub const LNKEEP_REPORT_COPIED: u32 = 4;
/// The files were restored; new attempts wait for lnkeep_attempts_acknowledge_restore.
pub const LNKEEP_REPORT_RESTORED: u32 = 8;
/// The directory lies in memory and dies with the machine.
pub const LNKEEP_REPORT_TMPFS: u32 = 16;
/// The directory lies on an overlay; the lower layers decide about durability.
pub const LNKEEP_REPORT_OVERLAY: u32 = 32;

/// The file was rewritten without its free pages, as LNKEEP_STORE_COMPACT asks.
pub const LNKEEP_REPORT_COMPACTED: u32 = 64;

/// What an open found.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_store_report {
    /// sizeof(lnkeep_store_report), set by the caller.
    pub size: usize,
    /// Rises by one at each open; keep it elsewhere and pass it as epoch_min.
    pub epoch: u64,
    /// Random identity of the store, the same for its whole life.
    pub store_id: [u8; 16],
    /// Bits of LNKEEP_REPORT_*.
    pub flags: u32,
    /// Block height the host last told before.
    pub block_height: u32,
    /// Time the host last told before, milliseconds since 1970.
    pub unix_ms: u64,
}

/// The disk is full: new intents are refused, results may still be stored.
pub const LNKEEP_STATS_NO_SPACE: u32 = 1;
/// The data fills more than 80 % of map_bytes_max.
pub const LNKEEP_STATS_MAP_NEARLY_FULL: u32 = 2;

/// Figures of a store since its open.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_stats {
    /// sizeof(lnkeep_stats), set by the caller.
    pub size: usize,
    /// Commits.
    pub commits: u64,
    /// Operations applied, or found applied.
    pub operations: u64,
    /// Operations refused.
    pub operations_refused: u64,
    /// Median duration of a commit, nanoseconds.
    pub commit_p50_ns: u64,
    /// 99th percentile of the same.
    pub commit_p99_ns: u64,
    /// Longest of the same.
    pub commit_max_ns: u64,
    /// Operations waiting for the disk.
    pub queue_depth: u64,
    /// Pages of data.mdb in use, free ones inside it included.
    pub pages_used: u64,
    /// Bytes of one page.
    pub page_bytes: u64,
    /// Bytes of data.mdb backed by disk space.
    pub allocated_bytes: u64,
    /// Bytes of the memory map.
    pub map_bytes: u64,
    /// Largest size the map may grow to.
    pub map_bytes_max: u64,
    /// Reader slots in use or resting.
    pub readers: u64,
    /// How long the oldest running read has lasted, nanoseconds.
    pub oldest_read_ns: u64,
    /// Times the map grew.
    pub map_growths: u64,
    /// Reader slots of dead processes that were cleared.
    pub stale_readers_cleared: u64,
    /// Number of the last commit, over all opens.
    pub commit_number: u64,
    /// Bits of LNKEEP_STATS_*.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

/// The stored state is another one than before.
pub const LNKEEP_OUTCOME_CHANGED: u32 = 1;
/// A settle replaced a failure that had been reported: money moved after all.
pub const LNKEEP_OUTCOME_CONFLICT: u32 = 2;
/// Rows that mean nothing any more are left; lnkeep_payments_sweep removes them in small steps.
pub const LNKEEP_OUTCOME_LEFTOVERS: u32 = 4;

/// Outcome of one operation.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_outcome {
    /// What happened to this operation.
    pub status: i32,
    /// Error number of the operating system, 0 if it had none.
    pub os_errno: i32,
    /// Bits of LNKEEP_OUTCOME_*.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// The id an allocation answers; else 0.
    pub value: u64,
    /// Number of the event written with the change, 0 if none was.
    pub event_sequence: u64,
}

/// An attempt id in its namespace.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_attempt_key {
    /// Whose id space: chosen by the host, all zero by default. All 0xff means "all" and cannot be written.
    pub namespace_bytes: [u8; 16],
    /// Identifier of the attempt, unique in its namespace: the idempotency key of its dispatch.
    pub id: u64,
}

/// The fingerprint field is set.
pub const LNKEEP_HAS_FINGERPRINT: u32 = 1;
/// The payment_hash field is set.
pub const LNKEEP_HAS_PAYMENT_HASH: u32 = 2;
/// The result field of lnkeep_attempt is set.
pub const LNKEEP_HAS_RESULT: u32 = 4;

/// A request to register an attempt.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_attempt_request {
    /// Id and namespace.
    pub key: lnkeep_attempt_key,
    /// Bits of LNKEEP_HAS_FINGERPRINT, LNKEEP_HAS_PAYMENT_HASH.
    pub present: u32,
    /// Absolute height at which the HTLC times out, 0 if unknown.
    pub cltv_expiry: u32,
    /// Amount of the HTLC, 0 if unknown.
    pub amount_msat: u64,
    /// Short channel id of the first hop, 0 if unknown.
    pub first_hop_scid: u64,
    /// Hash of the whole request, made by the host: tells a repeat from another request under the same id.
    pub fingerprint: [u8; 32],
    /// Payment hash; with it a settle needs the right preimage.
    pub payment_hash: [u8; 32],
}

/// The preimage is known.
pub const LNKEEP_RESULT_SETTLE: u32 = 1;
/// The attempt failed.
pub const LNKEEP_RESULT_FAIL: u32 = 2;

/// The reason is in the clear because this node made it.
pub const LNKEEP_RESULT_UNENCRYPTED: u32 = 1;
/// The outcome was learned on chain.
pub const LNKEEP_RESULT_RESOLUTION: u32 = 2;

/// Final result of an attempt. All fields come back exactly as they were stored.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_attempt_result {
    /// LNKEEP_RESULT_SETTLE or LNKEEP_RESULT_FAIL.
    pub kind: u32,
    /// Bits of LNKEEP_RESULT_UNENCRYPTED, LNKEEP_RESULT_RESOLUTION.
    pub flags: u32,
    /// BOLT 4 failure code of a failure this node made, at most 65,535; 0 for a settle and when only the
    /// encrypted reason is known.
    pub failure_code: u32,
    /// 0.
    pub reserved: u32,
    /// Of a settle; zero for a failure.
    pub preimage: [u8; 32],
    /// The host's own message or reason, at most 65,535 bytes.
    pub message: lnkeep_bytes,
}

/// Registered; the HTLC has certainly never left.
pub const LNKEEP_STATE_INTENT: u32 = 1;
/// The HTLC may have left.
pub const LNKEEP_STATE_HANDED_OFF: u32 = 2;
/// The preimage is known.
pub const LNKEEP_STATE_SETTLED: u32 = 3;
/// Failed, by the network, on chain, or here before it left.
pub const LNKEEP_STATE_FAILED: u32 = 4;
/// Deleted; the id stays burned.
pub const LNKEEP_STATE_DELETED: u32 = 5;

/// The host has recorded the outcome elsewhere.
pub const LNKEEP_ATTEMPT_ACKED: u32 = 1;
/// A settle replaced a failure that had been reported.
pub const LNKEEP_ATTEMPT_CONFLICT: u32 = 2;
/// Failed here, by a rollback or by recovery.
pub const LNKEEP_ATTEMPT_ROLLED_BACK: u32 = 4;
/// Rolled back by force although it had been handed off.
pub const LNKEEP_ATTEMPT_FORCED: u32 = 8;
/// The record was unreadable and was removed.
pub const LNKEEP_ATTEMPT_QUARANTINED: u32 = 16;
/// Registered with a payment's attempt: deleted and cleaned only once the payment took the result.
pub const LNKEEP_ATTEMPT_OF_PAYMENT: u32 = 32;

/// One attempt as stored.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_attempt {
    /// Id and namespace.
    pub key: lnkeep_attempt_key,
    /// LNKEEP_STATE_*.
    pub state: u32,
    /// Bits of LNKEEP_ATTEMPT_*.
    pub flags: u32,
    /// Bits of LNKEEP_HAS_*.
    pub present: u32,
    /// Absolute height at which the HTLC times out, 0 if unknown.
    pub cltv_expiry: u32,
    /// Epoch of the store in which it was registered.
    pub created_epoch: u64,
    /// Time of registration as the host told it, milliseconds since 1970, 0 if unknown.
    pub created_unix_ms: u64,
    /// Time of the last change of state, 0 if unknown.
    pub updated_unix_ms: u64,
    /// Amount of the HTLC, 0 if unknown.
    pub amount_msat: u64,
    /// Short channel id of the first hop, 0 if unknown.
    pub first_hop_scid: u64,
    /// Set with LNKEEP_HAS_FINGERPRINT.
    pub fingerprint: [u8; 32],
    /// Set with LNKEEP_HAS_PAYMENT_HASH.
    pub payment_hash: [u8; 32],
    /// Set with LNKEEP_HAS_RESULT.
    pub result: lnkeep_attempt_result,
}

/// One page of a list: one allocation, freed by lnkeep_attempt_page_free.
#[repr(C)]
pub struct lnkeep_attempt_page {
    /// sizeof(lnkeep_attempt_page) of the library.
    pub size: usize,
    /// Bytes from one attempt to the next: step by this, not by sizeof(lnkeep_attempt).
    pub stride: usize,
    /// The attempts that matched, in key order.
    pub attempts: *const lnkeep_attempt,
    /// Number of attempts.
    pub attempts_len: usize,
    /// Keys of unreadable records met on the way.
    pub unreadable: *const lnkeep_attempt_key,
    /// Number of keys in unreadable.
    pub unreadable_len: usize,
    /// Pass as lnkeep_attempt_query.after to go on, when has_more is 1.
    pub next: lnkeep_attempt_key,
    /// 1 when the list goes on after next; a page may be empty and still not the last.
    pub has_more: u32,
    /// 0.
    pub reserved: u32,
}

/// List every namespace; without it namespace_bytes is read.
pub const LNKEEP_QUERY_ALL_NAMESPACES: u32 = 1;
/// Go on after the key in after.
pub const LNKEEP_QUERY_AFTER: u32 = 2;

/// Which attempts to list. Start with LNKEEP_ATTEMPT_QUERY_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_attempt_query {
    /// sizeof(lnkeep_attempt_query), set by the caller.
    pub size: usize,
    /// Bits of LNKEEP_QUERY_*.
    pub flags: u32,
    /// Bits `1 << LNKEEP_STATE_*`; 0 means every state. Pending states alone read only pending rows.
    pub states: u32,
    /// Only this namespace.
    pub namespace_bytes: [u8; 16],
    /// Read with LNKEEP_QUERY_AFTER.
    pub after: lnkeep_attempt_key,
    /// Only attempts created at or before this time; 0 means any. Attempts of unknown time never match.
    pub created_before_unix_ms: u64,
    /// Only pending attempts whose CLTV expiry lies at or below this height; 0 means any.
    pub expired_at_height: u32,
    /// At most this many attempts; 0 means 1,000, the most there is.
    pub limit: u32,
}

/// Numbers of records by state.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_attempt_counts {
    /// sizeof(lnkeep_attempt_counts), set by the caller.
    pub size: usize,
    /// Registered, never left.
    pub intent: u64,
    /// May have left.
    pub handed_off: u64,
    /// Settled.
    pub settled: u64,
    /// Failed.
    pub failed: u64,
    /// Tombstones.
    pub deleted: u64,
}

/// An external router owns the attempts: a later open without this flag is refused.
pub const LNKEEP_ATTEMPTS_EXTERNAL: u32 = 1;
/// The host never calls lnkeep_attempts_mark_handed_off; recovery then needs its complete circuit list.
pub const LNKEEP_ATTEMPTS_UNMARKED_HOST: u32 = 2;

/// Choices at the open of attempts. Start with LNKEEP_ATTEMPTS_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_attempts_options {
    /// sizeof(lnkeep_attempts_options), set by the caller.
    pub size: usize,
    /// Bits of LNKEEP_ATTEMPTS_*.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// How long an acknowledged record is kept in full; 0 means until deleted.
    pub acked_retention_secs: u64,
    /// How long a tombstone keeps its id burned; 0 means for good.
    pub tombstone_retention_secs: u64,
    /// How many tombstones are kept; 0 means all.
    pub tombstones_max: u64,
    /// How many subscriptions may be open; 0 means 65,536.
    pub subscriptions_max: u64,
}

/// The outgoing link took the HTLC: the network will answer.
pub const LNKEEP_CIRCUIT_OPEN: u32 = 1;
/// Committed, and never taken by the outgoing link.
pub const LNKEEP_CIRCUIT_HALF_OPEN: u32 = 2;

/// What the host's circuit map says about one attempt.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_circuit {
    /// Attempt id.
    pub id: u64,
    /// LNKEEP_CIRCUIT_OPEN or LNKEEP_CIRCUIT_HALF_OPEN.
    pub state: u32,
    /// 0.
    pub reserved: u32,
}

/// What a recovery did: one allocation, freed by lnkeep_recovery_free.
#[repr(C)]
pub struct lnkeep_recovery {
    /// sizeof(lnkeep_recovery) of the library.
    pub size: usize,
    /// Ids rolled back to a local failure, ascending.
    pub failed: *const u64,
    /// Number of ids in failed.
    pub failed_len: usize,
    /// Ids handed off and without a circuit: still pending, ascending.
    pub unresolved: *const u64,
    /// Number of ids in unresolved.
    pub unresolved_len: usize,
    /// Ids of unreadable records, ascending; they were left alone.
    pub unreadable: *const u64,
    /// Number of ids in unreadable.
    pub unreadable_len: usize,
}

/// The floor of one namespace after a restore.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_id_floor {
    /// Which namespace.
    pub namespace_bytes: [u8; 16],
    /// One above the greatest id that may ever have been used.
    pub id_floor: u64,
}

/// An attempt was registered.
pub const LNKEEP_EVENT_ATTEMPT_INIT: u32 = 0;
/// An attempt was marked as handed off.
pub const LNKEEP_EVENT_ATTEMPT_HANDED_OFF: u32 = 1;
/// An attempt got its final result.
pub const LNKEEP_EVENT_ATTEMPT_RESOLVED: u32 = 2;
/// A settle replaced a failure that had been reported: money moved after all.
pub const LNKEEP_EVENT_ATTEMPT_CONFLICT: u32 = 3;
/// An attempt was deleted, or its record became a tombstone.
pub const LNKEEP_EVENT_ATTEMPT_DELETED: u32 = 4;
/// An unreadable attempt was quarantined; its id stays burned.
pub const LNKEEP_EVENT_ATTEMPT_CORRUPT: u32 = 5;
/// A payment was initiated, for the first time or again after it failed.
pub const LNKEEP_EVENT_PAYMENT_INITIATED: u32 = 6;
/// An attempt of a payment was registered.
pub const LNKEEP_EVENT_PAYMENT_ATTEMPT_REGISTERED: u32 = 7;
/// An attempt of a payment settled.
pub const LNKEEP_EVENT_PAYMENT_ATTEMPT_SETTLED: u32 = 8;
/// An attempt of a payment failed.
pub const LNKEEP_EVENT_PAYMENT_ATTEMPT_FAILED: u32 = 9;
/// A payment was given up.
pub const LNKEEP_EVENT_PAYMENT_FAILED: u32 = 10;
/// An attempt settled after its failure, or the payment's, had been reported: money moved after all.
pub const LNKEEP_EVENT_PAYMENT_LATE_SETTLE: u32 = 11;
/// The operator ended an attempt of a payment by force.
pub const LNKEEP_EVENT_PAYMENT_FORCED: u32 = 12;
/// A payment was deleted.
pub const LNKEEP_EVENT_PAYMENT_DELETED: u32 = 13;
/// An unreadable payment was quarantined; its hash stays refused.
pub const LNKEEP_EVENT_PAYMENT_CORRUPT: u32 = 14;
/// The blob that is kept for a peer is damaged: it is not returned.
pub const LNKEEP_EVENT_PEER_BLOB_CORRUPT: u32 = 15;
/// A peer's blob was refused for a quota; told once per peer while peer storage is open.
pub const LNKEEP_EVENT_PEER_BLOB_REFUSED: u32 = 16;
/// A peer's blob was removed, long enough after its last claim.
pub const LNKEEP_EVENT_PEER_BLOB_COLLECTED: u32 = 17;
/// A peer holds a newer state than ours: we lost ours.
pub const LNKEEP_EVENT_BACKUP_STATE_LOSS: u32 = 18;
/// A peer holds a blob that we cannot read and did not send.
pub const LNKEEP_EVENT_BACKUP_UNREADABLE: u32 = 19;
/// A peer lost, rolled back or damaged what it had confirmed.
pub const LNKEEP_EVENT_BACKUP_STRIKE: u32 = 20;

/// The payment ended with this event. Told once, but that LNKEEP_EVENT_PAYMENT_LATE_SETTLE may follow.
pub const LNKEEP_EVENT_TERMINAL: u32 = 1;
/// A settle of the payment came after a failure had been reported.
pub const LNKEEP_EVENT_HAD_LATE_SETTLE: u32 = 2;

/// One change, as it was when its commit became durable.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_event {
    /// Number of the event: rises by one, never reused.
    pub sequence: u64,
    /// LNKEEP_EVENT_*.
    pub kind: u32,
    /// LNKEEP_STATE_* of the attempt's record, or status of the payment, after the event; the first byte of
    /// the node id where it is about a peer.
    pub state: u32,
    /// BOLT 4 failure code, 0 where there is none or it is not known.
    pub failure_code: u32,
    /// Block height the host last told.
    pub block_height: u32,
    /// Time the host last told, milliseconds since 1970.
    pub unix_ms: u64,
    /// What it happened to: an attempt's namespace in the first 16 bytes, a payment's hash, or a peer's node
    /// id without its first byte, which is state then.
    pub subject: [u8; 32],
    /// Attempt id, 0 where it is about no attempt.
    pub attempt_id: u64,
    /// Amount of the attempt, or of the payment where it is about no attempt; 0 if unknown.
    pub amount_msat: u64,
    /// Namespace of the attempt.
    pub namespace_bytes: [u8; 16],
    /// State of the payment's attempt after the event, LNKEEP_PAYMENT_ATTEMPT_*; 0 where there is none.
    pub attempt_state: u32,
    /// LNKEEP_PAYMENT_REASON_*, 0 while the payment was not given up.
    pub failure_reason: u32,
    /// Bits of LNKEEP_EVENT_TERMINAL, LNKEEP_EVENT_HAD_LATE_SETTLE.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Amount of the payment that no attempt covers.
    pub remaining_msat: u64,
    /// Fees of the payment's attempts that did not fail.
    pub fees_msat: u64,
}

/// A new cursor starts after the newest event instead of with the oldest one kept.
pub const LNKEEP_EVENTS_FROM_NEWEST: u32 = 1;

/// Register an attempt: body.attempt_init. Answers LNKEEP_DONE to exactly one caller per id.
pub const LNKEEP_OP_ATTEMPT_INIT: u32 = 0x101;
/// Mark an attempt as handed off: body.attempt_key.
pub const LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF: u32 = 0x102;
/// Store a final result: body.attempt_result.
pub const LNKEEP_OP_ATTEMPT_STORE_RESULT: u32 = 0x103;
/// Roll a pending attempt back: body.attempt_rollback; flags may hold LNKEEP_FAIL_FORCED.
pub const LNKEEP_OP_ATTEMPT_FAIL_PENDING: u32 = 0x104;
/// Acknowledge a result: body.attempt_key.
pub const LNKEEP_OP_ATTEMPT_ACK: u32 = 0x105;
/// Delete a finished attempt: body.attempt_key; flags may hold LNKEEP_DELETE_FORGET.
pub const LNKEEP_OP_ATTEMPT_DELETE: u32 = 0x106;
/// Remove an unreadable record and burn its id: body.attempt_key.
pub const LNKEEP_OP_ATTEMPT_QUARANTINE: u32 = 0x107;
/// An id for an external key: body.attempt_allocate; the id comes as lnkeep_outcome.value.
pub const LNKEEP_OP_ATTEMPT_ALLOCATE: u32 = 0x108;

/// The operator vouches that a handed-off HTLC is gone.
pub const LNKEEP_FAIL_FORCED: u32 = 1;
/// The host promises never to use the id again: it is freed instead of burned.
pub const LNKEEP_DELETE_FORGET: u32 = 1;

/// Body of LNKEEP_OP_ATTEMPT_STORE_RESULT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_op_attempt_result {
    /// Which attempt.
    pub key: lnkeep_attempt_key,
    /// Its final result.
    pub result: lnkeep_attempt_result,
}

/// Body of LNKEEP_OP_ATTEMPT_FAIL_PENDING.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_op_attempt_rollback {
    /// Which attempt.
    pub key: lnkeep_attempt_key,
    /// BOLT 4 failure code, at most 65,535; 0 means temporary node failure.
    pub failure_code: u32,
    /// 0.
    pub reserved: u32,
    /// The host's own encoding of the failure, at most 65,535 bytes.
    pub message: lnkeep_bytes,
}

/// Body of LNKEEP_OP_ATTEMPT_ALLOCATE.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_op_attempt_allocate {
    /// In which namespace.
    pub namespace_bytes: [u8; 16],
    /// The host's key of the attempt, 1 to 64 bytes.
    pub external_key: lnkeep_bytes,
}

/// What an operation works on; which member is read follows from lnkeep_op.kind.
#[repr(C)]
#[derive(Clone, Copy)]
pub union lnkeep_op_body {
    /// LNKEEP_OP_ATTEMPT_INIT.
    pub attempt_init: lnkeep_attempt_request,
    /// LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF, _ACK, _DELETE, _QUARANTINE.
    pub attempt_key: lnkeep_attempt_key,
    /// LNKEEP_OP_ATTEMPT_STORE_RESULT.
    pub attempt_result: lnkeep_op_attempt_result,
    /// LNKEEP_OP_ATTEMPT_FAIL_PENDING.
    pub attempt_rollback: lnkeep_op_attempt_rollback,
    /// LNKEEP_OP_ATTEMPT_ALLOCATE.
    pub attempt_allocate: lnkeep_op_attempt_allocate,
    /// LNKEEP_OP_PAYMENT_INIT.
    pub payment_init: lnkeep_op_payment_init,
    /// LNKEEP_OP_PAYMENT_REGISTER.
    pub payment_register: lnkeep_op_payment_register,
    /// LNKEEP_OP_PAYMENT_SETTLE.
    pub payment_settle: lnkeep_op_payment_settle,
    /// LNKEEP_OP_PAYMENT_FAIL_ATTEMPT.
    pub payment_fail_attempt: lnkeep_op_payment_fail_attempt,
    /// LNKEEP_OP_PAYMENT_FAIL.
    pub payment_fail: lnkeep_op_payment_fail,
    /// LNKEEP_OP_PAYMENT_DELETE.
    pub payment_delete: lnkeep_op_payment_delete,
    /// LNKEEP_OP_MONITORS_COMMIT.
    pub monitors_commit: lnkeep_op_monitors_commit,
    /// Fixes the size; what lies beyond the member that is read is ignored.
    pub reserved: [u64; 30],
}

/// One operation of a submission: 256 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_op {
    /// LNKEEP_OP_*.
    pub kind: u32,
    /// As the kind says; 0 otherwise.
    pub flags: u32,
    /// The bits of the component's handle, such as lnkeep_attempts.bits.
    pub component: u64,
    /// As the kind says.
    pub body: lnkeep_op_body,
}

/// All or none: one refusal and no operation is applied.
pub const LNKEEP_SUBMIT_ATOMIC: u32 = 1;

/// Outcome of one operation of an asynchronous submission.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_completion {
    /// The cookie of the submission.
    pub cookie: u64,
    /// Index of the operation in it.
    pub index: u32,
    /// Number of operations in it.
    pub operations: u32,
    /// What happened.
    pub outcome: lnkeep_outcome,
}

const _: () = assert!(std::mem::size_of::<lnkeep_op>() == 256);
const _: () = assert!(std::mem::size_of::<lnkeep_error>() == 304);
const _: () = assert!(std::mem::size_of::<lnkeep_outcome>() == 32);
const _: () = assert!(std::mem::size_of::<lnkeep_attempt_request>() == 112);
