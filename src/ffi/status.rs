//! Status numbers as C constants. A test compares them with [`crate::Status`].

use std::ffi::{CStr, c_char};

use crate::error::{Class, Status};

/// Outcome of a call: 0 done, above 0 done by an earlier call, below 0 everything else.
///
/// Numbers are append-only and a retired number stays reserved. What a caller may conclude follows from the
/// class, and the class from the number: -1 to -99 REFUSED, -100 to -199 RETRY, -200 to -299 UNKNOWN,
/// below FATAL.
pub type lnkeep_status = i32;

/// Applied by this call and durable.
pub const LNKEEP_DONE: i32 = 0;
/// Returned when an earlier call with the same content applied it: a positive acknowledgement.
pub const LNKEEP_ALREADY: i32 = 1;
/// Returned when an earlier call registered the attempt, or initiated the payment: do not dispatch, track
/// it.
pub const LNKEEP_ALREADY_EXISTS: i32 = 2;
/// Returned when an earlier call queued the same: it is not durable yet, a commit makes it so.
pub const LNKEEP_ALREADY_QUEUED: i32 = 3;

/// Returned when an argument is malformed: NULL, misaligned, a length, an unknown flag or number, a reserved
/// byte that is not zero.
pub const LNKEEP_INVALID_ARGUMENT: i32 = -1;
/// Returned when the handle is zero, stale, forged, closed twice or of another type.
pub const LNKEEP_BAD_HANDLE: i32 = -2;
/// Returned by a component's handle when its store was closed.
pub const LNKEEP_CLOSED: i32 = -3;
/// Returned when a structure sets a field that this library does not know.
pub const LNKEEP_UNSUPPORTED: i32 = -4;
// -5 is reserved for a caller's buffer that is too small.
/// Returned when nothing is stored under the identifier.
pub const LNKEEP_NOT_FOUND: i32 = -6;
/// Returned when the attempt is known and has no final result yet.
pub const LNKEEP_RESULT_PENDING: i32 = -7;
/// Returned when another final result is stored; it stays.
pub const LNKEEP_CONFLICT: i32 = -8;
/// Returned when the identifier was used for another request; use a new one.
pub const LNKEEP_FINGERPRINT_MISMATCH: i32 = -9;
/// Returned when the attempt or payment was deleted; its identifier stays burned.
pub const LNKEEP_DELETED: i32 = -10;
/// Returned when the stored record is damaged; lnkeep_attempts_quarantine and lnkeep_payments_quarantine
/// remove one and burn its identifier.
pub const LNKEEP_CORRUPT_RECORD: i32 = -11;
/// Returned when the attempt has a final result: do not release its HTLC, read the result.
pub const LNKEEP_NOT_PENDING: i32 = -12;
/// Returned when attempt records remain, so that the external mark stays, or the payment is not deleted.
pub const LNKEEP_ENTRIES_EXIST: i32 = -13;
/// Returned when an external router owns the attempts and the open is a local one.
pub const LNKEEP_EXTERNAL_MARKER: i32 = -14;
/// Returned when a list names an identifier twice; nothing was applied.
pub const LNKEEP_DUPLICATE_ID: i32 = -15;
/// Returned when a raw identifier does not fit under the client byte.
pub const LNKEEP_ID_OUT_OF_RANGE: i32 = -16;
/// Returned when the preimage does not hash to the attempt's payment hash.
pub const LNKEEP_BAD_PREIMAGE: i32 = -17;
/// Returned when a call carries more than one commit may hold; nothing was applied.
pub const LNKEEP_TOO_BIG: i32 = -18;
/// Returned once when unread events were cut; the next take goes on with the first one available.
pub const LNKEEP_TRUNCATED: i32 = -19;
/// Returned for the other operations of an ATOMIC group of which one was refused.
pub const LNKEEP_ABORTED: i32 = -20;
/// Returned by delete when the attempt is pending; it was kept.
pub const LNKEEP_PENDING: i32 = -21;
/// Returned when an attempt that was handed off was to be rolled back; it may still settle.
pub const LNKEEP_HANDED_OFF: i32 = -22;
/// Returned when the store was restored or copied and nobody acknowledged it.
pub const LNKEEP_NOT_ACKNOWLEDGED: i32 = -23;
/// Returned when the id lies below the floor given after a restore and has no record.
pub const LNKEEP_BELOW_FLOOR: i32 = -24;
/// Returned when the store was created in another mode and convert is not set.
pub const LNKEEP_WRONG_MODE: i32 = -25;
/// Returned when the component is open with other options.
pub const LNKEEP_ALREADY_OPEN: i32 = -26;
/// Returned when the directory cannot keep the promise: owner, permissions, file system.
pub const LNKEEP_UNSAFE_PLACE: i32 = -27;
/// Returned when a file stands where a new one was asked for; it was not touched.
pub const LNKEEP_TARGET_EXISTS: i32 = -28;
/// Returned when the payment hash is initiated and nothing was sent yet.
pub const LNKEEP_PAYMENT_EXISTS: i32 = -29;
/// Returned when attempts of the payment are in flight, or all failed and may be retried.
pub const LNKEEP_PAYMENT_IN_FLIGHT: i32 = -30;
/// Returned when the payment hash was paid: it is never paid again, also when its history was deleted.
pub const LNKEEP_ALREADY_PAID: i32 = -31;
/// Returned when no payment of this hash is known.
pub const LNKEEP_PAYMENT_NOT_INITIATED: i32 = -32;
/// Returned when the payment succeeded and takes no further change.
pub const LNKEEP_PAYMENT_ALREADY_SUCCEEDED: i32 = -33;
/// Returned when the payment failed and takes no further change but a new initiation.
pub const LNKEEP_PAYMENT_ALREADY_FAILED: i32 = -34;
/// Returned when an attempt of the payment settled: no other may be registered.
pub const LNKEEP_PAYMENT_PENDING_SETTLED: i32 = -35;
/// Returned when the payment was given up: no other attempt may be registered.
pub const LNKEEP_PAYMENT_PENDING_FAILED: i32 = -36;
/// Returned when the route has no hop.
pub const LNKEEP_INVALID_ROUTE: i32 = -37;
/// Returned when an attempt of this id is registered, for this payment or another.
pub const LNKEEP_ATTEMPT_ID_EXISTS: i32 = -38;
/// Returned when a blinded attempt names no total amount.
pub const LNKEEP_BLINDED_MISSING_TOTAL: i32 = -39;
/// Returned when a blinded attempt has a multi-part record, or stands beside one that has.
pub const LNKEEP_MPP_RECORD_IN_BLINDED: i32 = -40;
/// Returned when blinded and unblinded attempts would be in flight for one payment.
pub const LNKEEP_MIXED_BLINDED: i32 = -41;
/// Returned when the total amounts of blinded attempts differ.
pub const LNKEEP_BLINDED_TOTAL_MISMATCH: i32 = -42;
/// Returned when an attempt has no multi-part record and those in flight have one.
pub const LNKEEP_MPP_PAYMENT: i32 = -43;
/// Returned when an attempt has a multi-part record and those in flight have none.
pub const LNKEEP_NON_MPP_PAYMENT: i32 = -44;
/// Returned when the payment addresses of attempts differ, or their AMP set ids.
pub const LNKEEP_MPP_ADDR_MISMATCH: i32 = -45;
/// Returned when the total amounts of attempts differ.
pub const LNKEEP_MPP_TOTAL_MISMATCH: i32 = -46;
/// Returned when an attempt without a multi-part record is not the whole amount.
pub const LNKEEP_VALUE_MISMATCH: i32 = -47;
/// Returned when the attempts would sum up to more than the amount.
pub const LNKEEP_VALUE_EXCEEDS: i32 = -48;
/// Returned when the payment has no attempt of this id.
pub const LNKEEP_ATTEMPT_NOT_FOUND: i32 = -49;
/// Returned when the attempt failed already.
pub const LNKEEP_ATTEMPT_ALREADY_FAILED: i32 = -50;
/// Returned when the attempt settled already.
pub const LNKEEP_ATTEMPT_ALREADY_SETTLED: i32 = -51;
/// Returned when the attempts that did not fail sum up to more than the amount.
pub const LNKEEP_SENT_EXCEEDS_TOTAL: i32 = -52;
/// Returned when a number is no status of a payment.
pub const LNKEEP_UNKNOWN_STATUS: i32 = -53;
/// Returned when status and sums contradict each other: the receiver claimed only a part, or the caller is
/// wrong.
pub const LNKEEP_PAYMENT_INTERNAL: i32 = -54;
/// Returned when the update id is the reserved one, 2^64 - 1.
pub const LNKEEP_BAD_UPDATE_ID: i32 = -55;
/// Returned when the channel id is known, queued, archived or purged: it is never used again.
pub const LNKEEP_DUPLICATE_CHANNEL: i32 = -56;
/// Returned when no channel of this id is known.
pub const LNKEEP_UNKNOWN_CHANNEL: i32 = -57;
/// Returned when the channel was archived.
pub const LNKEEP_CHANNEL_ARCHIVED: i32 = -58;
/// Returned when what is stored of the channel is damaged: it takes a snapshot at or past its tip alone.
pub const LNKEEP_CHANNEL_DAMAGED: i32 = -59;
/// Returned when updates are missing between the tip and this one.
pub const LNKEEP_UPDATE_GAP: i32 = -60;
/// Returned when the update id is known with other bytes: two histories of one channel, halt the node.
pub const LNKEEP_UPDATE_CONFLICT: i32 = -61;
/// Returned when a snapshot includes the update already.
pub const LNKEEP_UPDATE_STALE: i32 = -62;
/// Returned when the channel has as many updates as it may have.
pub const LNKEEP_SNAPSHOT_REQUIRED: i32 = -63;
/// Returned when the snapshot is newer than the latest update queued.
pub const LNKEEP_SNAPSHOT_AHEAD: i32 = -64;
/// Returned when the snapshot is older than the stored one.
pub const LNKEEP_SNAPSHOT_STALE: i32 = -65;
/// Returned when the commit would advance a channel and comes without the manager.
pub const LNKEEP_MANAGER_REQUIRED: i32 = -66;
/// Returned when the manager does not know an update that would become durable, or is an older copy.
pub const LNKEEP_MANAGER_BEHIND: i32 = -67;
/// Returned when the manager knows an update that was never queued.
pub const LNKEEP_LOST_UPDATE: i32 = -68;
/// Returned when the manager is newer than the commit and its host cannot replay.
pub const LNKEEP_MANAGER_AHEAD: i32 = -69;
/// Returned when this capture, or a later one, was committed.
pub const LNKEEP_STALE_CAPTURE: i32 = -70;
/// Returned when a newer generation of the manager is stored.
pub const LNKEEP_STALE_MANAGER: i32 = -71;
/// Returned when the ticket or capture was not given in this session.
pub const LNKEEP_BAD_TICKET: i32 = -72;
/// Returned when no durable output of this number waits for an acknowledgement.
pub const LNKEEP_UNKNOWN_OUTPUT: i32 = -73;
/// Returned by close when queued entries would be lost.
pub const LNKEEP_PENDING_OPS: i32 = -74;
/// Returned when the channel is not archived.
pub const LNKEEP_NOT_ARCHIVED: i32 = -75;
/// Returned when a channel has more HTLCs or msat in flight than it can have, or too few to be divided.
pub const LNKEEP_CHANNEL_LIMITS: i32 = -76;
/// Returned when the channel is closing: it takes no new HTLC.
pub const LNKEEP_CHANNEL_CLOSING: i32 = -77;
/// Returned when more would go out than came in.
pub const LNKEEP_OUTGOING_EXCEEDS_INCOMING: i32 = -78;
/// Returned when the HTLC expires at this height or did before.
pub const LNKEEP_EXPIRY_NOT_AFTER_HEIGHT: i32 = -79;
/// Returned when the HTLC id is pending with another amount or outgoing channel.
pub const LNKEEP_DUPLICATE_HTLC: i32 = -80;
/// Returned when no such HTLC is pending, and none was resolved lately.
pub const LNKEEP_UNKNOWN_HTLC: i32 = -81;
/// Returned in compat mode when too few general slots were found for the pair.
pub const LNKEEP_SLOT_ASSIGNMENT: i32 = -82;
/// Returned in compat mode when the HTLC was released at an earlier time than it was added at.
pub const LNKEEP_RESOLVED_BEFORE_ADDED: i32 = -83;
/// We offer no storage: nothing is accepted and nothing is returned.
pub const LNKEEP_STORAGE_NOT_OFFERED: i32 = -84;
/// The peer has no channel with us and is not allowed otherwise.
pub const LNKEEP_NO_CLAIM: i32 = -85;
/// As many peers have data as may have.
pub const LNKEEP_QUOTA_PEERS: i32 = -86;
/// The blobs of all peers, or of those without a channel, would exceed their total.
pub const LNKEEP_QUOTA_TOTAL: i32 = -87;
/// Peers would look unclaimed that are not: report every claim first.
pub const LNKEEP_CLAIMS_INCOMPLETE: i32 = -88;
/// A peer holds a newer state than ours: we lost ours, and nothing is sent until that is acknowledged.
pub const LNKEEP_STATE_LOSS: i32 = -89;
/// The peer is not connected, or offers no storage.
pub const LNKEEP_PEER_UNAVAILABLE: i32 = -90;
/// The peer may still return what it holds: nothing is sent before.
pub const LNKEEP_HOLD: i32 = -91;
/// The peer holds a blob that we cannot read and did not send: it is never overwritten.
pub const LNKEEP_UNREADABLE: i32 = -92;
/// The blob is not one that was sealed for this peer with this secret.
pub const LNKEEP_BAD_ENVELOPE: i32 = -93;
/// The bytes are no message of peer storage.
pub const LNKEEP_BAD_MESSAGE: i32 = -94;
/// No payload was given that could be sealed.
pub const LNKEEP_NO_PAYLOAD: i32 = -95;
/// Too few peers are suitable to keep shares of this payload.
pub const LNKEEP_TOO_FEW_PEERS: i32 = -96;
/// The bytes are no records of shares, or what stands beside them is none.
pub const LNKEEP_BAD_SHARE: i32 = -97;
/// Too few shares to restore from.
pub const LNKEEP_NOT_ENOUGH_SHARES: i32 = -98;
/// The bytes are no backup of that software, or another key sealed them.
pub const LNKEEP_BAD_FOREIGN: i32 = -99;

/// Returned when a queue or table is full, or memory has no room for something large; nothing was applied.
pub const LNKEEP_BUSY: i32 = -100;
/// Returned when disk, quota or map is full; nothing was applied. Results and deletes have a reserve.
pub const LNKEEP_NO_SPACE: i32 = -101;
/// Returned when the store is open in another process, or under another handle of this one.
pub const LNKEEP_LOCKED: i32 = -102;
/// Returned when the queue of monitors is full: commit, take completions and outputs, then again.
pub const LNKEEP_QUEUE_FULL: i32 = -103;

// -199 is reserved for bindings: a call that ended before it was submitted.

/// Returned when nobody knows whether the commit reached the disk: reopen and repeat the SAME identifier.
pub const LNKEEP_UNKNOWN: i32 = -200;
/// Returned when a bug of lnkeep was caught; a write may or may not have been applied.
pub const LNKEEP_INTERNAL: i32 = -201;
/// Returned when an operation of a batch is neither DONE nor ALREADY. Its own class says nothing: take the
/// class of each outcome's status, or of err.status, which is the worst of them.
pub const LNKEEP_BATCH: i32 = -202;
/// Returned when a change of the resources holds in memory and could not be written yet: repeat the same call
/// until it is durable. No reopening is needed.
pub const LNKEEP_NOT_DURABLE: i32 = -203;

/// Returned when an earlier commit failed: close, reopen, repeat what was UNKNOWN.
pub const LNKEEP_POISONED: i32 = -300;
/// Returned in a forked child: it cannot use its parent's store.
pub const LNKEEP_FORKED: i32 = -301;
/// Returned when the store's own structure is damaged; no record was written.
pub const LNKEEP_CORRUPT_STORE: i32 = -302;
/// Returned when the operating system refused while nothing was being committed.
pub const LNKEEP_IO: i32 = -303;
/// Returned when the files were written by a newer format.
pub const LNKEEP_FORMAT_TOO_NEW: i32 = -304;
/// Returned when the caller was compiled against another ABI.
pub const LNKEEP_ABI_MISMATCH: i32 = -305;
/// Returned when another LMDB than the bundled one is linked into the process.
pub const LNKEEP_WRONG_ENGINE: i32 = -306;
/// Returned when the store is older than, or another one than, the host remembers.
pub const LNKEEP_ROLLED_BACK: i32 = -307;

/// What a caller may conclude from a status.
pub type lnkeep_class = u32;
/// Applied and durable.
pub const LNKEEP_CLASS_DONE: u32 = 0;
/// An earlier call applied it: a positive acknowledgement.
pub const LNKEEP_CLASS_ALREADY: u32 = 1;
/// Definitely not applied; asking again changes nothing unless the state changes.
pub const LNKEEP_CLASS_REFUSED: u32 = 2;
/// Definitely not applied; the same call may succeed later.
pub const LNKEEP_CLASS_RETRY: u32 = 3;
/// May or may not be applied: reopen and repeat the SAME identifier.
pub const LNKEEP_CLASS_UNKNOWN: u32 = 4;
/// Not applied, and this handle or store cannot go on.
pub const LNKEEP_CLASS_FATAL: u32 = 5;

/// What a caller may conclude from a status.
///
/// Returns: one of LNKEEP_CLASS_*, also for numbers of later versions.
/// Threads: any. Works in a forked child.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_status_class(status: lnkeep_status) -> lnkeep_class {
    Class::of(status) as lnkeep_class
}

/// Name of a status without its prefix, such as "ALREADY_EXISTS".
///
/// Returns: static text, "?" for a number this version does not know.
/// Threads: any. Works in a forked child.
/// Ownership: never free it.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_status_name(status: lnkeep_status) -> *const c_char {
    static_text(&STATUS_NAME_TABLE, status)
}

/// One sentence about a status, for people.
///
/// Returns: static text, "?" for a number this version does not know.
/// Threads: any. Works in a forked child.
/// Ownership: never free it.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_status_message(status: lnkeep_status) -> *const c_char {
    static_text(&STATUS_MESSAGE_TABLE, status)
}

/// Name of a class, such as "UNKNOWN".
///
/// Returns: static text, "?" for a number this version does not know.
/// Threads: any. Works in a forked child.
/// Ownership: never free it.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_class_name(class: lnkeep_class) -> *const c_char {
    let name = match class {
        LNKEEP_CLASS_DONE => c"DONE",
        LNKEEP_CLASS_ALREADY => c"ALREADY",
        LNKEEP_CLASS_REFUSED => c"REFUSED",
        LNKEEP_CLASS_RETRY => c"RETRY",
        LNKEEP_CLASS_UNKNOWN => c"UNKNOWN",
        LNKEEP_CLASS_FATAL => c"FATAL",
        _ => c"?",
    };
    name.as_ptr()
}

type Texts = std::sync::LazyLock<Vec<(i32, std::ffi::CString)>>;

static STATUS_NAME_TABLE: Texts = std::sync::LazyLock::new(|| texts(Status::name));
static STATUS_MESSAGE_TABLE: Texts = std::sync::LazyLock::new(|| texts(Status::message));

fn texts(text: fn(Status) -> &'static str) -> Vec<(i32, std::ffi::CString)> {
    let entry = |status: &Status| {
        (status.number(), std::ffi::CString::new(text(*status)).unwrap_or_default())
    };
    Status::ALL.iter().map(entry).collect()
}

fn static_text(texts: &'static Texts, status: lnkeep_status) -> *const c_char {
    let known = texts.iter().find(|(number, _)| *number == status);
    known.map_or(c"?".as_ptr(), |(_, text)| CStr::as_ptr(text))
}
