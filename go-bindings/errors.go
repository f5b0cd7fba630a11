package lnkeep

import (
	"errors"
	"strings"
	"syscall"
)

// Error is every error that the library answers, and every one this package makes in its place.
// errors.Is compares it with the sentinels of its status, such as ErrNotFound, and of its class, such
// as ErrUnknown. Values are never changed after they were returned.
type Error struct {
	// Op is the call, such as "init".
	Op string
	// Code is the number of the C ABI, or StatusCanceled.
	Code Status
	// Class is what the caller may conclude. That of a batch is its worst operation's.
	Class Class
	// Errno is the error number of the operating system, 0 if it had none.
	Errno syscall.Errno
	// Value is the number that the status speaks of, as the method says: the id expected, the tip, how many.
	// nil when it speaks of none.
	Value *uint64
	// Channel is the channel that the status speaks of, nil when it speaks of none.
	Channel *ChannelID
	// Msg says what happened to what, and what the caller may do. It never holds a key or a preimage.
	Msg string

	cause error
}

// Error is the operation, the status, its class and the message on one line.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString("lnkeep: ")
	text.WriteString(e.Op)
	text.WriteString(": ")
	if e.Code == StatusBatch {
		// The worst operation's error follows and tells its own status.
		return text.String() + "at least one operation was not applied; the worst: " + e.Msg
	}
	text.WriteString(e.Code.String())
	text.WriteString(" (")
	text.WriteString(e.Class.String())
	text.WriteString("): ")
	text.WriteString(e.Msg)
	// The library's own words on a failed system call end in "(os error 20)".
	if e.Errno != 0 && !strings.Contains(e.Msg, "os error") {
		text.WriteString(": ")
		text.WriteString(e.Errno.Error())
	}
	return text.String()
}

// Is reports whether target is the sentinel of this error's status or class.
func (e *Error) Is(target error) bool {
	switch sentinel := target.(type) {
	case statusSentinel:
		// A handle that another goroutine closed during the call is answered BAD_HANDLE by the library.
		closed := Status(sentinel) == StatusClosed && e.Code == StatusBadHandle
		return Status(sentinel) == e.Code || closed
	case classSentinel:
		return Class(sentinel) == e.Class
	}
	return false
}

// Unwrap gives the error number, the context's error and the worst error of a batch to errors.Is.
func (e *Error) Unwrap() []error {
	var wrapped []error
	if e.Errno != 0 {
		wrapped = append(wrapped, e.Errno)
	}
	if e.cause != nil {
		wrapped = append(wrapped, e.cause)
	}
	return wrapped
}

// ClassOf is the class of any error: ClassDone for nil, ClassRefused for ErrNoCgo, and ClassUnknown,
// the careful choice, for an error that is not of this package.
func ClassOf(err error) Class {
	var known *Error
	switch {
	case err == nil:
		return ClassDone
	case errors.As(err, &known):
		return known.Class
	case errors.Is(err, ErrNoCgo):
		return ClassRefused
	}
	return ClassUnknown
}

// ErrNoCgo is answered by every call of a program that was built with CGO_ENABLED=0 or without a C
// compiler: the package compiles there, and cannot work.
var ErrNoCgo = errors.New("lnkeep: this program was built without cgo; " +
	"build it with CGO_ENABLED=1, a C compiler and the lnkeep library")

// statusSentinel and classSentinel are what errors.Is compares an *Error with.
type (
	statusSentinel Status
	classSentinel  Class
)

func (s statusSentinel) Error() string { return "lnkeep: " + Status(s).Message() }
func (c classSentinel) Error() string  { return "lnkeep: an error of class " + Class(c).String() }

// Sentinels of the classes, for errors.Is. Decide by these; the statuses are for detail.
var (
	// ErrRefused matches what was definitely not applied and will be refused again.
	ErrRefused error = classSentinel(ClassRefused)
	// ErrRetry matches what was definitely not applied and may succeed later.
	ErrRetry error = classSentinel(ClassRetry)
	// ErrUnknown matches what may or may not be applied: open the store again and repeat the SAME
	// identifier. Never report a failure, never choose another identifier.
	ErrUnknown error = classSentinel(ClassUnknown)
	// ErrFatal matches a store that cannot go on: close it and open it again.
	ErrFatal error = classSentinel(ClassFatal)
)

// Sentinels of the statuses, for errors.Is.
var (
	// ErrInvalidArgument is returned when an argument is malformed.
	ErrInvalidArgument error = statusSentinel(StatusInvalidArgument)
	// ErrBadHandle is returned when the handle was closed during the call.
	ErrBadHandle error = statusSentinel(StatusBadHandle)
	// ErrClosed is returned by everything that was closed, or whose store was.
	ErrClosed error = statusSentinel(StatusClosed)
	// ErrUnsupported is returned when an option is newer than the library.
	ErrUnsupported error = statusSentinel(StatusUnsupported)
	// ErrNotFound is returned when nothing is stored under the identifier.
	ErrNotFound error = statusSentinel(StatusNotFound)
	// ErrResultPending is returned when the attempt is known and has no final result yet.
	ErrResultPending error = statusSentinel(StatusResultPending)
	// ErrConflict is returned when another final result is stored; it stays.
	ErrConflict error = statusSentinel(StatusConflict)
	// ErrFingerprintMismatch is returned when the identifier was used for another request.
	ErrFingerprintMismatch error = statusSentinel(StatusFingerprintMismatch)
	// ErrDeleted is returned when the attempt was deleted, its id stays burned; and when the payment of an
	// idempotency key was.
	ErrDeleted error = statusSentinel(StatusDeleted)
	// ErrCorruptRecord is returned when the stored record is damaged; Quarantine removes it.
	ErrCorruptRecord error = statusSentinel(StatusCorruptRecord)
	// ErrNotPending is returned when the attempt has a final result: do not release its HTLC.
	ErrNotPending error = statusSentinel(StatusNotPending)
	// ErrEntriesExist is returned when records remain: of attempts, so that the external mark stays, or of
	// the payment that was to be forgotten.
	ErrEntriesExist error = statusSentinel(StatusEntriesExist)
	// ErrExternalMarker is returned when an external router owns the attempts and the open is local.
	ErrExternalMarker error = statusSentinel(StatusExternalMarker)
	// ErrDuplicateID is returned when a list names an identifier twice; nothing was applied.
	ErrDuplicateID error = statusSentinel(StatusDuplicateID)
	// ErrIDOutOfRange is returned when a raw identifier does not fit under the client byte.
	ErrIDOutOfRange error = statusSentinel(StatusIDOutOfRange)
	// ErrBadPreimage is returned when the preimage does not hash to the attempt's hash or the payment's.
	ErrBadPreimage error = statusSentinel(StatusBadPreimage)
	// ErrTooBig is returned when a call carries more than one commit may hold; nothing was applied.
	ErrTooBig error = statusSentinel(StatusTooBig)
	// ErrTruncated is returned once when unread events were cut; the next Take goes on after the gap.
	ErrTruncated error = statusSentinel(StatusTruncated)
	// ErrAborted is returned for the other operations of an atomic group of which one was refused.
	ErrAborted error = statusSentinel(StatusAborted)
	// ErrPending is returned by Delete for an attempt that has no result, or whose payment has not taken
	// it; it was kept.
	ErrPending error = statusSentinel(StatusPending)
	// ErrHandedOff is returned when an attempt that was handed off was to be rolled back.
	ErrHandedOff error = statusSentinel(StatusHandedOff)
	// ErrNotAcknowledged is returned when the store was restored or copied and nobody acknowledged it.
	ErrNotAcknowledged error = statusSentinel(StatusNotAcknowledged)
	// ErrBelowFloor is returned when the id lies below the floor given after a restore.
	ErrBelowFloor error = statusSentinel(StatusBelowFloor)
	// ErrWrongMode is returned when the store was created in another mode and Convert is not set; by
	// Resources.Decisions, when none are kept.
	ErrWrongMode error = statusSentinel(StatusWrongMode)
	// ErrAlreadyOpen is returned when the component is open with other options.
	ErrAlreadyOpen error = statusSentinel(StatusAlreadyOpen)
	// ErrUnsafePlace is returned when the directory cannot keep the promise.
	ErrUnsafePlace error = statusSentinel(StatusUnsafePlace)
	// ErrTargetExists is returned when a file stands where a new one was asked for; it was not touched.
	ErrTargetExists error = statusSentinel(StatusTargetExists)
	// ErrPaymentExists is returned when the payment hash is initiated and nothing was sent yet.
	ErrPaymentExists error = statusSentinel(StatusPaymentExists)
	// ErrPaymentInFlight is returned when attempts of the payment are in flight, or all failed and may be
	// retried.
	ErrPaymentInFlight error = statusSentinel(StatusPaymentInFlight)
	// ErrAlreadyPaid is returned when the payment hash was paid: it is never paid again, also when its
	// history was deleted.
	ErrAlreadyPaid error = statusSentinel(StatusAlreadyPaid)
	// ErrPaymentNotInitiated is returned when no payment of this hash is known.
	ErrPaymentNotInitiated error = statusSentinel(StatusPaymentNotInitiated)
	// ErrPaymentAlreadySucceeded is returned when the payment succeeded and takes no further change.
	ErrPaymentAlreadySucceeded error = statusSentinel(StatusPaymentAlreadySucceeded)
	// ErrPaymentAlreadyFailed is returned when the payment failed and takes no further change but a new
	// initiation.
	ErrPaymentAlreadyFailed error = statusSentinel(StatusPaymentAlreadyFailed)
	// ErrPaymentPendingSettled is returned when an attempt of the payment settled: no other may be registered.
	ErrPaymentPendingSettled error = statusSentinel(StatusPaymentPendingSettled)
	// ErrPaymentPendingFailed is returned when the payment was given up: no other attempt may be registered.
	ErrPaymentPendingFailed error = statusSentinel(StatusPaymentPendingFailed)
	// ErrInvalidRoute is returned when the route has no hop.
	ErrInvalidRoute error = statusSentinel(StatusInvalidRoute)
	// ErrAttemptIDExists is returned when an attempt of this id is registered, for this payment or another.
	ErrAttemptIDExists error = statusSentinel(StatusAttemptIDExists)
	// ErrBlindedMissingTotal is returned when a blinded attempt names no total amount.
	ErrBlindedMissingTotal error = statusSentinel(StatusBlindedMissingTotal)
	// ErrMPPRecordInBlinded is returned when a blinded attempt has a multi-part record, or stands beside one
	// that has.
	ErrMPPRecordInBlinded error = statusSentinel(StatusMPPRecordInBlinded)
	// ErrMixedBlinded is returned when blinded and unblinded attempts would be in flight for one payment.
	ErrMixedBlinded error = statusSentinel(StatusMixedBlinded)
	// ErrBlindedTotalMismatch is returned when the total amounts of blinded attempts differ.
	ErrBlindedTotalMismatch error = statusSentinel(StatusBlindedTotalMismatch)
	// ErrMPPPayment is returned when an attempt has no multi-part record and those in flight have one.
	ErrMPPPayment error = statusSentinel(StatusMPPPayment)
	// ErrNonMPPPayment is returned when an attempt has a multi-part record and those in flight have none.
	ErrNonMPPPayment error = statusSentinel(StatusNonMPPPayment)
	// ErrMPPAddrMismatch is returned when the payment addresses of attempts differ, or their AMP set ids.
	ErrMPPAddrMismatch error = statusSentinel(StatusMPPAddrMismatch)
	// ErrMPPTotalMismatch is returned when the total amounts of attempts differ.
	ErrMPPTotalMismatch error = statusSentinel(StatusMPPTotalMismatch)
	// ErrValueMismatch is returned when an attempt without a multi-part record is not the whole amount.
	ErrValueMismatch error = statusSentinel(StatusValueMismatch)
	// ErrValueExceeds is returned when the attempts would sum up to more than the amount.
	ErrValueExceeds error = statusSentinel(StatusValueExceeds)
	// ErrAttemptNotFound is returned when the payment has no attempt of this id.
	ErrAttemptNotFound error = statusSentinel(StatusAttemptNotFound)
	// ErrAttemptAlreadyFailed is returned when the attempt failed already.
	ErrAttemptAlreadyFailed error = statusSentinel(StatusAttemptAlreadyFailed)
	// ErrAttemptAlreadySettled is returned when the attempt settled already.
	ErrAttemptAlreadySettled error = statusSentinel(StatusAttemptAlreadySettled)
	// ErrSentExceedsTotal is returned when the attempts that did not fail sum up to more than the amount.
	ErrSentExceedsTotal error = statusSentinel(StatusSentExceedsTotal)
	// ErrUnknownStatus is returned when a number is no status of a payment.
	ErrUnknownStatus error = statusSentinel(StatusUnknownStatus)
	// ErrPaymentInternal is returned when status and sums cannot be together: the receiver claimed only a part,
	// or the caller is wrong.
	ErrPaymentInternal error = statusSentinel(StatusPaymentInternal)
	// ErrBadUpdateID is returned when the update id is the reserved one, 2^64 - 1.
	ErrBadUpdateID error = statusSentinel(StatusBadUpdateID)
	// ErrDuplicateChannel is returned when the channel id is known, queued, archived or purged: it is never
	// used again. By Resources, when the channel is known with other limits, or closing.
	ErrDuplicateChannel error = statusSentinel(StatusDuplicateChannel)
	// ErrUnknownChannel is returned when no channel of this id is known.
	ErrUnknownChannel error = statusSentinel(StatusUnknownChannel)
	// ErrChannelArchived is returned when the channel was archived.
	ErrChannelArchived error = statusSentinel(StatusChannelArchived)
	// ErrChannelDamaged is returned when what is stored of the channel is damaged: it takes a snapshot at or
	// past its tip alone.
	ErrChannelDamaged error = statusSentinel(StatusChannelDamaged)
	// ErrUpdateGap is returned when updates are missing between the tip and this one.
	ErrUpdateGap error = statusSentinel(StatusUpdateGap)
	// ErrUpdateConflict is returned when the update id is known with other bytes: two histories of one
	// channel, halt the node.
	ErrUpdateConflict error = statusSentinel(StatusUpdateConflict)
	// ErrUpdateStale is returned when a snapshot includes the update already.
	ErrUpdateStale error = statusSentinel(StatusUpdateStale)
	// ErrSnapshotRequired is returned when the channel has as many updates as it may have.
	ErrSnapshotRequired error = statusSentinel(StatusSnapshotRequired)
	// ErrSnapshotAhead is returned when the snapshot is newer than the latest update queued.
	ErrSnapshotAhead error = statusSentinel(StatusSnapshotAhead)
	// ErrSnapshotStale is returned when the snapshot is older than the stored one.
	ErrSnapshotStale error = statusSentinel(StatusSnapshotStale)
	// ErrManagerRequired is returned when the commit would advance a channel and comes without the manager.
	ErrManagerRequired error = statusSentinel(StatusManagerRequired)
	// ErrManagerBehind is returned when the manager does not know an update that would become durable, or is
	// an older copy.
	ErrManagerBehind error = statusSentinel(StatusManagerBehind)
	// ErrLostUpdate is returned when the manager knows an update that was never queued.
	ErrLostUpdate error = statusSentinel(StatusLostUpdate)
	// ErrManagerAhead is returned when the manager is newer than the commit and its host cannot replay.
	ErrManagerAhead error = statusSentinel(StatusManagerAhead)
	// ErrStaleCapture is returned when this capture, or a later one, was committed.
	ErrStaleCapture error = statusSentinel(StatusStaleCapture)
	// ErrStaleManager is returned when a newer generation of the manager is stored.
	ErrStaleManager error = statusSentinel(StatusStaleManager)
	// ErrBadTicket is returned when the ticket or capture was not given in this session.
	ErrBadTicket error = statusSentinel(StatusBadTicket)
	// ErrUnknownOutput is returned when no durable output of this number waits for an acknowledgement.
	ErrUnknownOutput error = statusSentinel(StatusUnknownOutput)
	// ErrPendingOps is returned by Close when queued entries would be lost.
	ErrPendingOps error = statusSentinel(StatusPendingOps)
	// ErrNotArchived is returned when the channel is not archived.
	ErrNotArchived error = statusSentinel(StatusNotArchived)
	// ErrChannelLimits is returned when a channel has more HTLCs or msat in flight than it can have, or too
	// few to be divided.
	ErrChannelLimits error = statusSentinel(StatusChannelLimits)
	// ErrChannelClosing is returned when the channel is closing: it takes no new HTLC.
	ErrChannelClosing error = statusSentinel(StatusChannelClosing)
	// ErrOutgoingExceedsIncoming is returned when more would go out than came in.
	ErrOutgoingExceedsIncoming error = statusSentinel(StatusOutgoingExceedsIncoming)
	// ErrExpiryNotAfterHeight is returned when the HTLC expires at this height or did before.
	ErrExpiryNotAfterHeight error = statusSentinel(StatusExpiryNotAfterHeight)
	// ErrDuplicateHTLC is returned when the HTLC id is pending with another amount or outgoing channel.
	ErrDuplicateHTLC error = statusSentinel(StatusDuplicateHTLC)
	// ErrUnknownHTLC is returned when no such HTLC is pending, and none was resolved lately.
	ErrUnknownHTLC error = statusSentinel(StatusUnknownHTLC)
	// ErrSlotAssignment is returned in compat mode when too few general slots were found for the pair.
	ErrSlotAssignment error = statusSentinel(StatusSlotAssignment)
	// ErrResolvedBeforeAdded is returned in compat mode when the HTLC was released at an earlier time than it
	// was added at.
	ErrResolvedBeforeAdded error = statusSentinel(StatusResolvedBeforeAdded)
	// ErrStorageNotOffered is returned when no storage is offered to peers; nothing was changed.
	ErrStorageNotOffered error = statusSentinel(StatusStorageNotOffered)
	// ErrNoClaim is returned when the peer has no channel with this node, and is not allowed otherwise.
	ErrNoClaim error = statusSentinel(StatusNoClaim)
	// ErrQuotaPeers is returned when as many peers are kept as may be.
	ErrQuotaPeers error = statusSentinel(StatusQuotaPeers)
	// ErrQuotaTotal is returned when the blobs of all peers, or of those without a channel, would exceed their
	// total.
	ErrQuotaTotal error = statusSentinel(StatusQuotaTotal)
	// ErrClaimsIncomplete is returned before PeerStorage.ClaimsComplete: peers would look unclaimed that are
	// not.
	ErrClaimsIncomplete error = statusSentinel(StatusClaimsIncomplete)
	// ErrStateLoss is returned when a peer holds a newer state than this node: recover, then Backup.Acknowledge.
	ErrStateLoss error = statusSentinel(StatusStateLoss)
	// ErrPeerUnavailable is returned when the peer is not connected, or offers no storage.
	ErrPeerUnavailable error = statusSentinel(StatusPeerUnavailable)
	// ErrHold is returned while the peer may still return what it holds: nothing is sent before.
	ErrHold error = statusSentinel(StatusHold)
	// ErrUnreadable is returned when the peer holds a blob that cannot be read and was not sent by this node: it
	// is never overwritten before Backup.Acknowledge.
	ErrUnreadable error = statusSentinel(StatusUnreadable)
	// ErrBadEnvelope is returned when a blob was not sealed for this peer with this secret: EnvelopeFaultOf.
	ErrBadEnvelope error = statusSentinel(StatusBadEnvelope)
	// ErrBadMessage is returned when bytes are no message of peer storage: WireFaultOf.
	ErrBadMessage error = statusSentinel(StatusBadMessage)
	// ErrNoPayload is returned when no payload was given that could be sealed: Backup.SetPayload.
	ErrNoPayload error = statusSentinel(StatusNoPayload)
	// ErrTooFewPeers is returned when too few peers are suitable to keep shares of the payload.
	ErrTooFewPeers error = statusSentinel(StatusTooFewPeers)
	// ErrBadShare is returned when bytes are no records of shares.
	ErrBadShare error = statusSentinel(StatusBadShare)
	// ErrNotEnoughShares is returned when too few shares are there to restore from.
	ErrNotEnoughShares error = statusSentinel(StatusNotEnoughShares)
	// ErrBadForeign is returned when bytes are no backup of that software, or another key sealed them.
	ErrBadForeign error = statusSentinel(StatusBadForeign)
	// ErrBusy is returned when a queue or table is full, or memory has no room for something large; nothing was
	// applied.
	ErrBusy error = statusSentinel(StatusBusy)
	// ErrNoSpace is returned when disk, quota or map is full; nothing was applied.
	ErrNoSpace error = statusSentinel(StatusNoSpace)
	// ErrLocked is returned when the store is open in another process, or twice in this one.
	ErrLocked error = statusSentinel(StatusLocked)
	// ErrQueueFull is returned when the queue of monitors is full: commit, take completions and outputs, then
	// again.
	ErrQueueFull error = statusSentinel(StatusQueueFull)
	// ErrCommitUnknown is returned when nobody knows whether the commit reached the disk, or when the
	// context ended while it was under way. ErrUnknown matches it too, and is the one to ask for.
	ErrCommitUnknown error = statusSentinel(StatusUnknown)
	// ErrInternal is returned when a bug of the library was caught; a write may have been applied.
	ErrInternal error = statusSentinel(StatusInternal)
	// ErrBatch is returned when an operation of a batch was not applied: read the outcomes.
	ErrBatch error = statusSentinel(StatusBatch)
	// ErrNotDurable is returned when a change of Resources holds in memory and could not be written yet:
	// repeat the same call until it is durable. No reopening is needed.
	ErrNotDurable error = statusSentinel(StatusNotDurable)
	// ErrPoisoned is returned when an earlier commit failed: close, open, repeat what was unknown.
	ErrPoisoned error = statusSentinel(StatusPoisoned)
	// ErrForked is returned in a forked child: it cannot use its parent's store.
	ErrForked error = statusSentinel(StatusForked)
	// ErrCorruptStore is returned when the store's own structure is damaged; no record was written.
	ErrCorruptStore error = statusSentinel(StatusCorruptStore)
	// ErrIO is returned when the operating system refused while nothing was being committed.
	ErrIO error = statusSentinel(StatusIO)
	// ErrFormatTooNew is returned when the files were written by a newer format.
	ErrFormatTooNew error = statusSentinel(StatusFormatTooNew)
	// ErrABIMismatch is returned when this package was compiled against another ABI.
	ErrABIMismatch error = statusSentinel(StatusABIMismatch)
	// ErrWrongEngine is returned when another LMDB than the library's is linked into the process.
	ErrWrongEngine error = statusSentinel(StatusWrongEngine)
	// ErrRolledBack is returned when the store is older than, or another one than, the host remembers.
	ErrRolledBack error = statusSentinel(StatusRolledBack)
	// ErrCanceled is returned when the context ended before the call was submitted: nothing was applied.
	ErrCanceled error = statusSentinel(StatusCanceled)
)

func refusal(op string, code Status, msg string) *Error {
	return &Error{Op: op, Code: code, Class: code.Class(), Msg: msg}
}

func invalid(op, msg string) *Error { return refusal(op, StatusInvalidArgument, msg) }

func closed(op, what string) *Error {
	return refusal(op, StatusClosed, "the "+what+" is closed")
}

// canceled tells that the context ended before anything was submitted.
func canceled(op string, cause error) *Error {
	e := refusal(op, StatusCanceled, "not submitted: "+cause.Error())
	e.cause = cause
	return e
}

// abandoned tells that the context ended while a commit was under way.
func abandoned(op string, cause error) *Error {
	e := refusal(op, StatusUnknown, "not waited for, and it may still be applied: "+cause.Error()+
		"; repeat with the same identifier")
	e.cause = cause
	return e
}
