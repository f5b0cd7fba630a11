//! Every limit of lnkeep and every protocol number it uses, each with its source or its reason.

/// BOLT 1: a message is at most 65,535 bytes, type included; no raw result can be longer.
pub const MESSAGE_BYTES_MAX: usize = 65_535;
/// BOLT 1 `peer_storage`: a node hands its blob to a peer.
pub const PEER_STORAGE: u16 = 7;
/// BOLT 1 `peer_storage_retrieval`: the peer hands the newest blob back.
pub const PEER_STORAGE_RETRIEVAL: u16 = 9;
/// BOLT 1 `peer_storage`: what its type and its length leave of a message.
pub const PEER_BLOB_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 4;
/// BOLT 9 `option_provide_storage`, the even bit.
pub const PROVIDE_STORAGE_REQUIRED_BIT: usize = 42;
/// BOLT 9 `option_provide_storage`, the odd bit. 40 and 41 were of a dropped draft and mean nothing.
pub const PROVIDE_STORAGE_OPTIONAL_BIT: usize = 43;
/// Longest external key of [`crate::attempts::Attempts::allocate`]: CLN's (hash, group, part) takes 48 bytes.
pub const EXTERNAL_KEY_BYTES_MAX: usize = 64;
/// Longest name of an event cursor.
pub const CURSOR_NAME_BYTES_MAX: usize = 32;
/// BOLT 4 `temporary_node_failure` (NODE | 2): what a rolled back attempt reports.
pub const TEMPORARY_NODE_FAILURE: u16 = 0x2002;
/// Room lnd leaves for failure message plus padding in a locally made failure (BOLT 4 `failuremsg`).
pub const LOCAL_FAILURE_BYTES: usize = 256;

/// LMDB takes keys of 511 bytes; we stay below so that a key never fails inside a transaction.
pub const KEY_BYTES_MAX: usize = 500;
/// Largest value of one row; larger values are staged in chunks.
pub const VALUE_BYTES_MAX: usize = 4 << 20;
/// Operations of one submission, and of one commit's urgent part.
pub const BATCH_OPS_MAX: usize = 1_024;
/// Bytes of one submission, and of one commit's urgent part.
pub const BATCH_BYTES_MAX: usize = 4 << 20;
/// Bytes of bulk work that one commit takes, so that an attempt never waits for more than one flush of them.
pub const BULK_BYTES_MAX: usize = 1 << 20;
/// Bytes of one row of a large value.
pub const BLOB_CHUNK_BYTES: usize = 256 << 10;
/// Longest value of [`crate::store::Blobs`].
pub const BLOB_BYTES_MAX: usize = 1 << 30;
/// Longest name of a large value.
pub const BLOB_NAME_BYTES_MAX: usize = 32;
/// Operations that may wait for the writer; one more is answered `BUSY`.
pub const QUEUE_OPS_MAX: usize = 16_384;
/// Asynchronous operations in flight or answered and not yet taken; one more is answered `BUSY`.
pub const COMPLETIONS_MAX: usize = 65_536;

/// Disk space kept allocated for results, settles, marks and deletes when the disk is full.
pub const RESERVE_BYTES: u64 = 16 << 20;
/// Step by which `data.mdb` is extended beyond what the next commit needs.
pub const ALLOCATION_STEP_BYTES: u64 = 4 << 20;
/// First size of the memory map: address space, not memory.
pub const MAP_BYTES_DEFAULT: u64 = 1 << 30;
/// Largest size the map grows to unless the host says otherwise.
pub const MAP_BYTES_MAX_DEFAULT: u64 = 1 << 40;
/// Slots of LMDB's reader table; one more concurrent read is answered `BUSY`.
pub const READERS_MAX: u32 = 512;
/// Rows that one read transaction visits at most.
pub const SCAN_ROWS_MAX: usize = 10_000;
/// Rows of one page returned to a caller.
pub const PAGE_ROWS_MAX: usize = 1_000;

/// Disk that unread events may pin by default.
pub const EVENTS_BYTES_MAX_DEFAULT: u64 = 256 << 20;
/// Events kept when no cursor is registered.
pub const EVENTS_UNPINNED_ROWS_MAX: u64 = 4_096;
/// Cursors of one store.
pub const CURSORS_MAX: usize = 256;

/// Longest idempotency key of a payment request.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 64;
/// Longest session key of an attempt, in the host's encoding: lnd keeps 32 bytes, others 33.
pub const SESSION_KEY_BYTES_MAX: usize = 64;
/// Longest note of an operator's force.
pub const NOTE_BYTES_MAX: usize = 1_024;
/// Attempts of one payment; far above what any sender makes, so that a view stays bounded.
pub const PAYMENT_ATTEMPTS_MAX: u64 = 10_000;
/// Bytes of the payments of one page: a page ends early rather than taking more memory.
pub const PAGE_BYTES_MAX: usize = 16 << 20;
/// Subscriptions to payments of one store; one more is answered `BUSY`.
pub const PAYMENT_SUBSCRIPTIONS_MAX: usize = 65_536;
/// Views one subscription keeps for its owner; older ones are dropped and counted.
pub const PAYMENT_VIEWS_MAX: usize = 1_024;

/// Bytes of one update of a channel monitor, and of one output: what one row holds. Some hundred bytes for
/// LDK; an update with the most HTLCs that BOLT 2 allows, 966 with their routes, stays below 2 MiB.
pub const MONITOR_UPDATE_BYTES_MAX: usize = VALUE_BYTES_MAX - 64;
/// Manager and snapshots that a commit writes itself; larger ones are staged before it.
pub const MONITORS_INLINE_BYTES_MAX: usize = 2 << 20;
/// Completions and outputs that wait to be taken; then nothing more is queued.
pub const MONITORS_UNTAKEN_MAX: usize = 65_536;
/// Bytes of outputs that wait to be taken; then nothing more is queued.
pub const MONITORS_UNTAKEN_BYTES_MAX: u64 = 256 << 20;
/// Entries that wait for a commit, unless the host says otherwise.
pub const MONITORS_PENDING_OPS: u32 = 1_024;
/// Bytes that wait for a commit, unless the host says otherwise: a snapshot may have tens of megabytes. Its
/// updates enter one commit, so a host whose attempts must not wait long sets less.
pub const MONITORS_PENDING_BYTES: u64 = 64 << 20;
/// Entries kept for critical calls when the queue is full.
pub const MONITORS_CRITICAL_RESERVE_OPS: u32 = 64;
/// Updates after which a snapshot is asked for.
pub const MONITORS_SNAPSHOT_EVERY_UPDATES: u32 = 100;
/// Updates after which a snapshot is demanded.
pub const MONITORS_UPDATES_MAX: u32 = 1_000;
/// Bytes of updates, in percent of the snapshot's, after which a snapshot is asked for: what snapshots add
/// to the writing is then at most a quarter.
pub const MONITORS_SNAPSHOT_GROWTH_PERCENT: u32 = 400;

/// HTLCs of one direction of a channel (BOLT 2 `max_accepted_htlcs`).
pub const HTLC_SLOTS_MAX: u16 = 483;
/// Slots below which a channel is not divided: 40 percent of 12 are the 5 that a pair needs.
pub const HTLC_SLOTS_MIN: u16 = 12;
/// Liquidity below which a channel is not divided.
pub const IN_FLIGHT_MSAT_MIN: u64 = 1_000_000;
/// General slots that a pair gets at least (bolts #1280).
pub const PAIR_SLOTS_MIN: u16 = 5;
/// All bitcoin that there will be.
pub const SUPPLY_MSAT: u64 = 21_000_000 * 100_000_000 * 1_000;
/// The last second of the year 9999: what is later is no time in seconds.
pub const UNIX_SECS_MAX: u64 = 253_402_300_799;
/// The greatest time that a host may tell in milliseconds: beyond it, nothing could be due later.
pub const HOST_MS_MAX: u64 = i64::MAX as u64;
/// Time that a block stands for.
pub const SECS_PER_BLOCK: u64 = 600;
/// Time for which an outgoing channel that held an HTLC too long may not use a congestion bucket.
pub const CONGESTION_PENALTY_SECS: u64 = 2_016 * 10 * 60;
/// Windows of revenue that are remembered (rust-lightning #4409).
pub const REVENUE_WINDOWS_TRACKED: u64 = 6;
/// Fee that an HTLC's delay is charged with at least: base and millionths of the amount, as lnd's defaults
/// are.
pub const DEFAULT_FEE_BASE_MSAT: u64 = 1_000;
/// See [`DEFAULT_FEE_BASE_MSAT`].
pub const DEFAULT_FEE_PPM: u32 = 1;
/// Resolutions that an incoming channel remembers, to recognise a repeat.
pub const RESOLUTIONS_KEPT: usize = 16;
/// Marks of misuse after which those that count no more are swept.
pub const MISUSE_MARKS_KEPT: usize = 16;
/// Entries of the resources that may wait for the disk.
pub const RESOURCES_JOURNAL_ENTRIES: u32 = 65_536;
/// The most that a host may ask for: a gigabyte of memory.
pub const RESOURCES_JOURNAL_ENTRIES_MAX: u32 = 1 << 24;
/// Bytes of one row of the resources' journal.
pub const RESOURCES_BLOCK_BYTES_MAX: usize = 64 << 10;
/// Journal after which channels are written anew, unless they are larger: what a restart replays.
pub const RESOURCES_JOURNAL_BYTES: u64 = 4 << 20;
/// How long an acknowledged call may wait to be written while nobody asks for it.
pub const RESOURCES_JOURNAL_DELAY_MS: u64 = 20;

/// Time between two writes for one peer with a channel (lnd #8490; BOLT 1 permits up to a minute).
pub const PEER_COOLDOWN_MS: u64 = 1_000;
/// Time between two writes for a peer that pays for no channel.
pub const PEER_COOLDOWN_WITHOUT_CHANNEL_MS: u64 = 60_000;
/// Time since a peer's last write after which its disconnection writes what waits.
pub const PEER_DISCONNECT_INTERVAL_MS: u64 = 100;
/// Blocks that a blob is kept after its peer's last claim (BOLT 1).
pub const PEER_RETENTION_BLOCKS: u32 = 2_016;
/// Peers that may have a blob.
pub const PEERS_MAX: u32 = 4_096;
/// Bytes of the blobs of all peers.
pub const PEER_TOTAL_BYTES_MAX: u64 = 256 << 20;
/// Share of these bytes that peers without a channel may take.
pub const PEER_WITHOUT_CHANNEL_PERCENT: u8 = 25;
/// Bytes of blobs that wait in memory to be written.
pub const PEER_PENDING_BYTES_MAX: u64 = 64 << 20;
/// Time that a peer has to return our blob before it counts as having none (lightning-kmp's rule).
pub const BACKUP_HOLD_MS: u64 = 10_000;
/// Time between two blobs for one peer: what providers may clamp to.
pub const BACKUP_RESEND_INTERVAL_MS: u64 = 60_000;
/// Time that a peer has to be reached when a recovery asks it: Tor and a node that starts are slow.
pub const RECOVERY_ANSWER_MS: u64 = 60_000;
/// How far the sequence jumps when peers hold blobs of a state that was lost.
pub const BACKUP_SEQUENCE_JUMP: u64 = 1 << 20;
/// After an adoption it goes on at the clock, in this many numbers for each millisecond: a store that was
/// copied since, and jumped, is behind the clock again within four days.
pub const BACKUP_SEQUENCE_PER_MS: u64 = 1 << 14;
/// A clock beyond this, the year 10889, is wrong and is not followed: numbers would run out.
pub const BACKUP_SEQUENCE_CLOCK_MS_MAX: u64 = 1 << 48;
/// How far it jumps in a restored or copied store, at least.
pub const BACKUP_RESTORED_SEQUENCE_JUMP: u64 = 1 << 32;
/// And a random number of these beyond it, so that two restores of one copy do not meet.
pub const BACKUP_RESTORED_SEQUENCE_STRIDE: u64 = 1 << 10;
/// Time between two batches of shares of one generation.
pub const BACKUP_SPREAD_MS: u64 = 5_000;
/// Most bytes of HTLCs in a generation, beside the payload.
pub const BACKUP_SNAPSHOT_BYTES_MAX: usize = 65_536;
/// Peers that keep journals of HTLCs.
pub const BACKUP_JOURNAL_KEEPERS: u32 = 3;
/// Most peers that a backup may be told to know: one commit acknowledges all of them.
pub const BACKUP_PEERS_MAX: u32 = 10_000;
/// Time for which a strike counts.
pub const BACKUP_STRIKE_SECS: u64 = 30 * 24 * 3_600;

/// Attempt subscriptions of one store; one more is answered `BUSY`.
pub const SUBSCRIPTIONS_MAX: usize = 65_536;
/// Raw ids that fit under a client byte (proposal "overload-attempt-id-msb").
pub const RAW_ID_BITS: u32 = 56;

const _: () = assert!(BULK_BYTES_MAX <= BATCH_BYTES_MAX);
const _: () = assert!(BULK_BYTES_MAX.is_multiple_of(BLOB_CHUNK_BYTES));
const _: () = assert!(QUEUE_OPS_MAX >= BATCH_OPS_MAX);
const _: () = assert!(PAGE_ROWS_MAX <= SCAN_ROWS_MAX);
const _: () = assert!(EXTERNAL_KEY_BYTES_MAX + 16 <= KEY_BYTES_MAX);
const _: () = assert!(IDEMPOTENCY_KEY_BYTES_MAX <= KEY_BYTES_MAX);
const _: () = assert!(MESSAGE_BYTES_MAX < VALUE_BYTES_MAX);
