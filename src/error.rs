//! One error type. Its status says what happened; the status' class says what a caller may conclude.
//!
//! E1 every status has exactly one class, and the class follows from the number alone.
//! E2 numbers are append-only; a retired number stays reserved.
//! E3 a message names the subject, the fact, and what the caller may do; it never holds a key or a preimage.

use std::borrow::Cow;

use crate::types::ChannelId;

/// What a caller may conclude from a status, whatever its detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Class {
    /// Applied and durable.
    Done = 0,
    /// An earlier call applied it: a positive acknowledgement.
    Already = 1,
    /// Definitely not applied; asking again changes nothing unless the state changes.
    Refused = 2,
    /// Definitely not applied; the same call may succeed later.
    Retry = 3,
    /// May or may not be applied: reopen and repeat the SAME identifier.
    Unknown = 4,
    /// Not applied, and this handle or store cannot go on.
    Fatal = 5,
}

impl Class {
    /// The upper-case name, as documents and logs write it.
    pub fn name(self) -> &'static str {
        match self {
            Class::Done => "DONE",
            Class::Already => "ALREADY",
            Class::Refused => "REFUSED",
            Class::Retry => "RETRY",
            Class::Unknown => "UNKNOWN",
            Class::Fatal => "FATAL",
        }
    }

    /// Rank used to name the worst outcome of a batch: UNKNOWN, FATAL, RETRY, REFUSED, ALREADY, DONE.
    pub fn severity(self) -> u8 {
        match self {
            Class::Unknown => 5,
            Class::Fatal => 4,
            Class::Retry => 3,
            Class::Refused => 2,
            Class::Already => 1,
            Class::Done => 0,
        }
    }

    /// Class of any status number, known or not: 0 DONE, above 0 ALREADY, -1 to -99 REFUSED,
    /// -100 to -199 RETRY, -200 to -299 UNKNOWN, everything below FATAL.
    pub fn of(status: i32) -> Class {
        match status {
            0 => Class::Done,
            1.. => Class::Already,
            -99..=-1 => Class::Refused,
            -199..=-100 => Class::Retry,
            -299..=-200 => Class::Unknown,
            _ => Class::Fatal,
        }
    }
}

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $message:literal;)+) => {
        /// Outcome of one operation. The number is the C ABI's; its class follows from its range.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i32)]
        #[non_exhaustive]
        pub enum Status { $($(#[$doc])* $name = $number,)+ }

        impl Status {
            /// Every status, in the order of the list.
            pub const ALL: &'static [Status] = &[$(Status::$name,)+];

            /// The name after `LNKEEP_`.
            pub fn name(self) -> &'static str {
                match self { $(Status::$name => $text,)+ }
            }

            /// One sentence for people.
            pub fn message(self) -> &'static str {
                match self { $(Status::$name => $message,)+ }
            }

            /// The status of a number, if this version knows it.
            pub fn from_number(number: i32) -> Option<Status> {
                match number { $($number => Some(Status::$name),)+ _ => None }
            }
        }
    };
}

statuses! {
    /// Applied by this call and durable.
    Done = 0, "DONE", "applied and durable";
    /// An earlier call with the same content applied it.
    Already = 1, "ALREADY", "an earlier call already applied this";
    /// The attempt id is registered: do not dispatch, track it.
    AlreadyExists = 2, "ALREADY_EXISTS", "already registered by an earlier call; do not dispatch, track it";
    /// An earlier call queued the same; it becomes durable with a commit.
    AlreadyQueued = 3, "ALREADY_QUEUED", "an earlier call queued this; it is not durable yet";

    /// An argument is malformed: NULL, a length, an unknown flag or number, a non-zero reserved byte.
    InvalidArgument = -1, "INVALID_ARGUMENT", "an argument is malformed";
    /// The handle is zero, stale, forged, closed twice or of another type.
    BadHandle = -2, "BAD_HANDLE", "the handle is not open or not of this type";
    /// The store of this handle was closed.
    Closed = -3, "CLOSED", "the store is closed";
    /// The option or field is newer than this library.
    Unsupported = -4, "UNSUPPORTED", "this library does not know the option";
    /// Nothing is stored under the identifier.
    NotFound = -6, "NOT_FOUND", "nothing is stored under this identifier";
    /// The attempt is known and has no final result yet.
    ResultPending = -7, "RESULT_PENDING", "the attempt has no final result yet";
    /// Another final result is stored and stays.
    Conflict = -8, "CONFLICT", "a different final result is stored and stays";
    /// The identifier belongs to another request.
    FingerprintMismatch = -9, "FINGERPRINT_MISMATCH", "the identifier was used for a different request";
    /// The attempt was deleted; its identifier stays burned.
    Deleted = -10, "DELETED", "it was deleted and its identifier stays burned";
    /// The stored record is damaged; quarantine it.
    CorruptRecord = -11, "CORRUPT_RECORD", "the stored record is damaged";
    /// The attempt has a final result, so it cannot be rolled back or handed off.
    NotPending = -12, "NOT_PENDING", "the attempt already has a final result";
    /// Records remain, so the external marker stays.
    EntriesExist = -13, "ENTRIES_EXIST", "records remain";
    /// The store belongs to an external router; a local open is refused.
    ExternalMarker = -14, "EXTERNAL_MARKER", "the store is marked for an external router";
    /// An identifier appears twice in one list; nothing was applied.
    DuplicateId = -15, "DUPLICATE_ID", "an identifier appears twice in the list";
    /// The raw identifier does not fit under the client byte.
    IdOutOfRange = -16, "ID_OUT_OF_RANGE", "the raw identifier does not fit";
    /// The preimage does not hash to the attempt's payment hash.
    BadPreimage = -17, "BAD_PREIMAGE", "the preimage does not match the payment hash";
    /// More than the operations or bytes one call may carry; nothing was applied.
    TooBig = -18, "TOO_BIG", "the call carries more than one commit may hold";
    /// Events were cut before this cursor read them; reading goes on at the number given.
    Truncated = -19, "TRUNCATED", "unread events were cut";
    /// Another operation of the same ATOMIC group was refused, so this one was not applied.
    Aborted = -20, "ABORTED", "another operation of the atomic group was refused";
    /// The attempt is pending, so it is kept.
    Pending = -21, "PENDING", "the attempt is pending and was kept";
    /// The HTLC may have left, so the attempt is not rolled back.
    HandedOff = -22, "HANDED_OFF", "the HTLC was handed off and may still settle";
    /// The store was restored or copied; acknowledge it with an id floor first.
    NotAcknowledged = -23, "NOT_ACKNOWLEDGED", "the store was restored or copied and not acknowledged";
    /// The identifier lies below the namespace's floor and may have been used.
    BelowFloor = -24, "BELOW_FLOOR", "the identifier may have been used before a restore";
    /// The store was created in another mode.
    WrongMode = -25, "WRONG_MODE", "the store was created in another mode";
    /// The component is open with other options.
    AlreadyOpen = -26, "ALREADY_OPEN", "already open with other options";
    /// The directory is unsafe: wrong owner, writable by others, or on a file system that may lose data.
    UnsafePlace = -27, "UNSAFE_PLACE", "the directory cannot keep the promise";
    /// A file stands where a new one was asked for; it was not touched.
    TargetExists = -28, "TARGET_EXISTS", "a file stands where a new one was asked for";
    /// The payment hash is initiated and nothing was sent yet.
    PaymentExists = -29, "PAYMENT_EXISTS", "the payment is initiated already";
    /// Attempts of the payment are in flight, or may be retried.
    PaymentInFlight = -30, "PAYMENT_IN_FLIGHT", "the payment is in flight";
    /// The payment hash was paid: it is never paid again, also when its history was deleted.
    AlreadyPaid = -31, "ALREADY_PAID", "the payment hash was paid already";
    /// No payment of this hash is known.
    PaymentNotInitiated = -32, "PAYMENT_NOT_INITIATED", "the payment is not initiated";
    /// The payment succeeded and takes no further change.
    PaymentAlreadySucceeded = -33, "PAYMENT_ALREADY_SUCCEEDED", "the payment succeeded already";
    /// The payment failed and takes no further change but a new initiation.
    PaymentAlreadyFailed = -34, "PAYMENT_ALREADY_FAILED", "the payment failed already";
    /// An attempt of the payment settled: no other may be registered.
    PaymentPendingSettled = -35, "PAYMENT_PENDING_SETTLED", "an attempt of the payment settled";
    /// The payment was given up: no other attempt may be registered.
    PaymentPendingFailed = -36, "PAYMENT_PENDING_FAILED", "the payment was given up";
    /// The route has no hop.
    InvalidRoute = -37, "INVALID_ROUTE", "the route has no hop";
    /// An attempt of this id is registered, for this payment or another.
    AttemptIdExists = -38, "ATTEMPT_ID_EXISTS", "the attempt id is registered with other content";
    /// A blinded attempt names no total amount.
    BlindedMissingTotal = -39, "BLINDED_MISSING_TOTAL", "a blinded attempt needs a total amount";
    /// A blinded attempt has a multi-part record, or stands beside one that has.
    MppRecordInBlinded = -40, "MPP_RECORD_IN_BLINDED", "a blinded payment has no multi-part record";
    /// Blinded and unblinded attempts of one payment.
    MixedBlinded = -41, "MIXED_BLINDED", "blinded and unblinded attempts of one payment";
    /// Total amounts of blinded attempts differ.
    BlindedTotalMismatch = -42, "BLINDED_TOTAL_MISMATCH", "the total amounts of blinded attempts differ";
    /// An attempt without a multi-part record beside one that has.
    MppPayment = -43, "MPP_PAYMENT", "the attempt lacks the multi-part record of the others";
    /// An attempt with a multi-part record beside one without.
    NonMppPayment = -44, "NON_MPP_PAYMENT", "the attempt has a multi-part record, the others have none";
    /// Payment addresses of attempts differ, or their AMP set ids.
    MppAddrMismatch = -45, "MPP_ADDR_MISMATCH", "the payment addresses of attempts differ";
    /// Total amounts of attempts differ.
    MppTotalMismatch = -46, "MPP_TOTAL_MISMATCH", "the total amounts of attempts differ";
    /// One attempt without a multi-part record that is not the whole amount.
    ValueMismatch = -47, "VALUE_MISMATCH", "the attempt is not the whole amount";
    /// The attempts would sum up to more than the amount.
    ValueExceeds = -48, "VALUE_EXCEEDS", "the attempts would exceed the amount";
    /// The payment has no attempt of this id.
    AttemptNotFound = -49, "ATTEMPT_NOT_FOUND", "the payment has no attempt of this id";
    /// The attempt failed already.
    AttemptAlreadyFailed = -50, "ATTEMPT_ALREADY_FAILED", "the attempt failed already";
    /// The attempt settled already.
    AttemptAlreadySettled = -51, "ATTEMPT_ALREADY_SETTLED", "the attempt settled already";
    /// Attempts that did not fail sum up to more than the amount.
    SentExceedsTotal = -52, "SENT_EXCEEDS_TOTAL", "the attempts exceed the amount";
    /// A number that is no status of a payment.
    UnknownStatus = -53, "UNKNOWN_STATUS", "the number is no status of a payment";
    /// Status and sums that cannot be together: the receiver claimed only a part, or a caller's mistake.
    PaymentInternal = -54, "PAYMENT_INTERNAL", "status and sums contradict each other";
    /// The update id is reserved.
    BadUpdateId = -55, "BAD_UPDATE_ID", "the update id is reserved";
    /// The channel id is known, queued, archived or purged: it is never used again.
    DuplicateChannel = -56, "DUPLICATE_CHANNEL", "the channel id was used already";
    /// No channel of this id is known.
    UnknownChannel = -57, "UNKNOWN_CHANNEL", "the channel is not known";
    /// The channel was archived.
    ChannelArchived = -58, "CHANNEL_ARCHIVED", "the channel was archived";
    /// What is stored of the channel is damaged: only a snapshot at or past its tip is accepted.
    ChannelDamaged = -59, "CHANNEL_DAMAGED", "the stored channel is damaged; queue a full snapshot of it";
    /// Updates are missing between the latest one and this one.
    UpdateGap = -60, "UPDATE_GAP", "an update is missing before this one";
    /// The update id is known with other bytes: two histories of one channel.
    UpdateConflict = -61, "UPDATE_CONFLICT", "the update id is known with other bytes; halt";
    /// The snapshot includes the update already.
    UpdateStale = -62, "UPDATE_STALE", "a snapshot includes this update already";
    /// The channel has as many updates as it may have.
    SnapshotRequired = -63, "SNAPSHOT_REQUIRED", "the channel has too many updates; queue a snapshot";
    /// The snapshot is newer than the latest update queued.
    SnapshotAhead = -64, "SNAPSHOT_AHEAD", "the snapshot is ahead of the channel's updates";
    /// The snapshot is older than the stored one.
    SnapshotStale = -65, "SNAPSHOT_STALE", "the snapshot is older than the stored one";
    /// The commit would advance a channel and has no manager.
    ManagerRequired = -66, "MANAGER_REQUIRED", "channels advance, so the commit needs the manager";
    /// The manager does not know an update that would become durable, or is older than the stored one.
    ManagerBehind = -67, "MANAGER_BEHIND", "the manager is behind the channels";
    /// The manager knows an update that was never queued.
    LostUpdate = -68, "LOST_UPDATE", "the manager knows an update that was never queued";
    /// The manager is newer than the commit, and its host cannot replay.
    ManagerAhead = -69, "MANAGER_AHEAD", "the manager is ahead of the channels";
    /// This capture, or a later one, was committed.
    StaleCapture = -70, "STALE_CAPTURE", "this capture or a later one was committed already";
    /// The manager's generation is smaller than the stored one.
    StaleManager = -71, "STALE_MANAGER", "a newer generation of the manager is stored";
    /// The ticket or capture is not of this session.
    BadTicket = -72, "BAD_TICKET", "the ticket or capture is not of this session";
    /// No durable output of this id waits for an acknowledgement.
    UnknownOutput = -73, "UNKNOWN_OUTPUT", "no such output waits for an acknowledgement";
    /// Queued entries would be lost.
    PendingOps = -74, "PENDING_OPS", "entries are queued; commit or discard them";
    /// The channel is not archived.
    NotArchived = -75, "NOT_ARCHIVED", "the channel is not archived";
    /// More HTLCs or msat in flight than a channel can have, or too few to be divided.
    ChannelLimits = -76, "CHANNEL_LIMITS", "the channel's limits are out of range";
    /// The channel is closing: it takes no new HTLC.
    ChannelClosing = -77, "CHANNEL_CLOSING", "the channel is closing and takes no new HTLC";
    /// More would go out than came in.
    OutgoingExceedsIncoming = -78, "OUTGOING_EXCEEDS_INCOMING", "more would go out than came in";
    /// The HTLC expires at this height or did before.
    ExpiryNotAfterHeight = -79, "EXPIRY_NOT_AFTER_HEIGHT", "the HTLC has expired at this height";
    /// The HTLC id is pending with another amount or outgoing channel.
    DuplicateHtlc = -80, "DUPLICATE_HTLC", "the HTLC id is pending with other content";
    /// No such HTLC is pending, and none was resolved lately.
    UnknownHtlc = -81, "UNKNOWN_HTLC", "no such HTLC is pending";
    /// The reference's draws found too few slots for the pair; `compat` mode alone.
    SlotAssignment = -82, "SLOT_ASSIGNMENT", "too few general slots were found for the pair";
    /// The HTLC was released, but resolved at an earlier time than it was added at; `compat` mode alone.
    ResolvedBeforeAdded = -83, "RESOLVED_BEFORE_ADDED", "released, at an earlier time than it was added at";
    /// We offer no storage: nothing is accepted and nothing is returned.
    StorageNotOffered = -84, "STORAGE_NOT_OFFERED", "we offer no storage to peers";
    /// The peer has no channel with us and is not allowed otherwise.
    NoClaim = -85, "NO_CLAIM", "the peer has no channel with us, and is not allowed otherwise";
    /// As many peers have data as may have.
    QuotaPeers = -86, "QUOTA_PEERS", "as many peers are kept as may be";
    /// The blobs of all peers, or of those without a channel, would exceed their total.
    QuotaTotal = -87, "QUOTA_TOTAL", "the blobs of all peers would exceed their total";
    /// Peers would look unclaimed that are not: report every claim first.
    ClaimsIncomplete = -88, "CLAIMS_INCOMPLETE", "report every peer's claim first";
    /// A peer holds a newer state than ours: we lost ours, and nothing is sent until that is acknowledged.
    StateLoss = -89, "STATE_LOSS", "a peer holds a newer state than ours; recover, then acknowledge";
    /// The peer is not connected, or offers no storage.
    PeerUnavailable = -90, "PEER_UNAVAILABLE", "the peer is not connected or offers no storage";
    /// The peer may still return what it holds: nothing is sent before.
    Hold = -91, "HOLD", "the peer may still return what it holds";
    /// The peer holds a blob that we cannot read and did not send: it is never overwritten.
    Unreadable = -92, "UNREADABLE", "the peer holds a blob that cannot be read; acknowledge to overwrite it";
    /// The blob is not one that was sealed for this peer with this secret.
    BadEnvelope = -93, "BAD_ENVELOPE", "the blob does not open";
    /// The bytes are no message of peer storage.
    BadMessage = -94, "BAD_MESSAGE", "the bytes are no message of peer storage";
    /// No payload was given that could be sealed.
    NoPayload = -95, "NO_PAYLOAD", "no payload was given";
    /// Too few peers are suitable to keep shares of this payload.
    TooFewPeers = -96, "TOO_FEW_PEERS", "too few peers are suitable to keep shares of this payload";
    /// The bytes are no records of shares, or what stands beside them is none.
    BadShare = -97, "BAD_SHARE", "the bytes are no records of shares";
    /// Too few shares to restore from.
    NotEnoughShares = -98, "NOT_ENOUGH_SHARES", "too few shares to restore from";
    /// The bytes are no backup of that software, or another key sealed them.
    BadForeign = -99, "BAD_FOREIGN", "the bytes are no backup that this key of other software opens";

    /// A queue or table is full, or memory has no room for something large; nothing was applied.
    Busy = -100, "BUSY", "a queue is full";
    /// The disk, its quota or the map is full; nothing was applied.
    NoSpace = -101, "NO_SPACE", "no space for new records";
    /// Another process, or another handle of this process, has the store open.
    Locked = -102, "LOCKED", "the store is open elsewhere";
    /// The queue of monitors is full: commit, then ask again.
    QueueFull = -103, "QUEUE_FULL", "the queue of monitors is full; commit first";

    /// The commit may or may not have reached the disk: reopen and repeat the same identifier.
    Unknown = -200, "UNKNOWN", "the outcome of the commit is unknown; reopen and repeat the same identifier";
    /// A bug of lnkeep was caught; a write may or may not have been applied.
    Internal = -201, "INTERNAL", "an internal error was caught";
    /// At least one operation of the batch is neither DONE nor ALREADY: read the outcomes.
    Batch = -202, "BATCH", "not every operation of the batch was applied; read the outcomes";
    /// The change holds in memory and could not be written yet: repeat the same call until it is durable.
    NotDurable = -203, "NOT_DURABLE", "it holds in memory and is not durable yet; repeat the same call";

    /// An earlier commit failed; close and reopen the store.
    Poisoned = -300, "POISONED", "the store is poisoned by an earlier failure; reopen it";
    /// The process forked; a child cannot use its parent's store.
    Forked = -301, "FORKED", "a forked child cannot use its parent's store";
    /// The store's own structure is damaged; no record was written.
    CorruptStore = -302, "CORRUPT_STORE", "the store is damaged";
    /// The operating system refused while nothing was being committed.
    Io = -303, "IO", "the operating system refused";
    /// The files were written by a newer format.
    FormatTooNew = -304, "FORMAT_TOO_NEW", "the store was written by a newer version";
    /// The caller was compiled against another ABI.
    AbiMismatch = -305, "ABI_MISMATCH", "compiled against another ABI version";
    /// Another LMDB than the bundled one was linked into the process.
    WrongEngine = -306, "WRONG_ENGINE", "another LMDB was linked into this process";
    /// The store is older than the epoch the host remembers.
    RolledBack = -307, "ROLLED_BACK", "the store is older than the host remembers";
}

impl Status {
    /// The number of the C ABI.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// Whether it is certain that nothing was applied.
    pub(crate) fn is_definite(self) -> bool {
        matches!(self.class(), Class::Refused | Class::Retry)
    }

    /// What a caller may conclude.
    pub fn class(self) -> Class {
        Class::of(self.number())
    }
}

/// Why an operation was not applied, or why its outcome is not known.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    status: Status,
    os_errno: i32,
    message: Cow<'static, str>,
    subject: Option<Box<Subject>>,
}

/// What the message of an error names, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Subject {
    channel: Option<ChannelId>,
    value: Option<u64>,
}

impl Error {
    /// An error with a message that names its subject.
    pub fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Error {
        debug_assert!(status.number() < 0, "an error needs a negative status");
        Error { status, os_errno: 0, message: message.into(), subject: None }
    }

    /// An error that the operating system caused; `os_errno` is its number.
    pub fn os(status: Status, os_errno: i32, message: impl Into<Cow<'static, str>>) -> Error {
        Error { os_errno, ..Error::new(status, message) }
    }

    /// An error from `std::io`, with what was being done.
    pub fn io(status: Status, error: &std::io::Error, doing: &str) -> Error {
        let os_errno = error.raw_os_error().unwrap_or(0);
        Error::os(status, os_errno, format!("{doing}: {error}"))
    }

    /// An error about a channel, with the number that the status speaks of, if it speaks of one.
    pub(crate) fn of_channel(self, channel: Option<ChannelId>, value: Option<u64>) -> Error {
        Error { subject: Some(Box::new(Subject { channel, value })), ..self }
    }

    /// The channel that the error is about, where its status speaks of one.
    pub fn channel(&self) -> Option<ChannelId> {
        self.subject.as_ref()?.channel
    }

    /// The number that the status speaks of: the id expected or known, the tip, how many are left.
    pub fn value(&self) -> Option<u64> {
        self.subject.as_ref()?.value
    }

    /// What happened.
    pub fn status(&self) -> Status {
        self.status
    }

    /// What the caller may conclude.
    pub fn class(&self) -> Class {
        self.status.class()
    }

    /// The operating system's error number, 0 if it had none.
    pub fn os_errno(&self) -> i32 {
        self.os_errno
    }

    /// Subject, fact and advice, lower case, without a full stop.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Error {
        Error::new(status, status.message())
    }
}

/// Result of every fallible call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_unique_number_and_name() {
        for (i, a) in Status::ALL.iter().enumerate() {
            assert_eq!(Status::from_number(a.number()), Some(*a));
            for b in &Status::ALL[i + 1..] {
                assert_ne!(a.number(), b.number());
                assert_ne!(a.name(), b.name());
            }
        }
    }

    #[test]
    fn a_batch_with_an_unknown_outcome_is_reported_as_unknown() {
        let worst = [Class::Refused, Class::Unknown, Class::Fatal, Class::Retry];
        let worst = worst.into_iter().max_by_key(|class| class.severity());
        assert_eq!(worst, Some(Class::Unknown));
    }

    #[test]
    fn numbers_of_the_future_still_have_a_class() {
        assert_eq!(Class::of(77), Class::Already);
        assert_eq!(Class::of(-99), Class::Refused);
        assert_eq!(Class::of(-150), Class::Retry);
        assert_eq!(Class::of(-299), Class::Unknown);
        assert_eq!(Class::of(i32::MIN), Class::Fatal);
    }
}
