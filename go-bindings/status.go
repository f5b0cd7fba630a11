package lnkeep

import "strconv"

// Status is the number of an outcome in the C ABI: 0 done, above 0 done by an earlier call, below 0
// everything else. Numbers are never reused; a later library may answer numbers without a constant
// here, and Class tells what to make of them. Safe for concurrent use.
type Status int32

// The statuses of this version. Their Go sentinels, such as ErrNotFound, tell when each is returned.
const (
	StatusDone                    Status = 0
	StatusAlready                 Status = 1
	StatusAlreadyExists           Status = 2
	StatusAlreadyQueued           Status = 3
	StatusInvalidArgument         Status = -1
	StatusBadHandle               Status = -2
	StatusClosed                  Status = -3
	StatusUnsupported             Status = -4
	StatusNotFound                Status = -6
	StatusResultPending           Status = -7
	StatusConflict                Status = -8
	StatusFingerprintMismatch     Status = -9
	StatusDeleted                 Status = -10
	StatusCorruptRecord           Status = -11
	StatusNotPending              Status = -12
	StatusEntriesExist            Status = -13
	StatusExternalMarker          Status = -14
	StatusDuplicateID             Status = -15
	StatusIDOutOfRange            Status = -16
	StatusBadPreimage             Status = -17
	StatusTooBig                  Status = -18
	StatusTruncated               Status = -19
	StatusAborted                 Status = -20
	StatusPending                 Status = -21
	StatusHandedOff               Status = -22
	StatusNotAcknowledged         Status = -23
	StatusBelowFloor              Status = -24
	StatusWrongMode               Status = -25
	StatusAlreadyOpen             Status = -26
	StatusUnsafePlace             Status = -27
	StatusTargetExists            Status = -28
	StatusPaymentExists           Status = -29
	StatusPaymentInFlight         Status = -30
	StatusAlreadyPaid             Status = -31
	StatusPaymentNotInitiated     Status = -32
	StatusPaymentAlreadySucceeded Status = -33
	StatusPaymentAlreadyFailed    Status = -34
	StatusPaymentPendingSettled   Status = -35
	StatusPaymentPendingFailed    Status = -36
	StatusInvalidRoute            Status = -37
	StatusAttemptIDExists         Status = -38
	StatusBlindedMissingTotal     Status = -39
	StatusMPPRecordInBlinded      Status = -40
	StatusMixedBlinded            Status = -41
	StatusBlindedTotalMismatch    Status = -42
	StatusMPPPayment              Status = -43
	StatusNonMPPPayment           Status = -44
	StatusMPPAddrMismatch         Status = -45
	StatusMPPTotalMismatch        Status = -46
	StatusValueMismatch           Status = -47
	StatusValueExceeds            Status = -48
	StatusAttemptNotFound         Status = -49
	StatusAttemptAlreadyFailed    Status = -50
	StatusAttemptAlreadySettled   Status = -51
	StatusSentExceedsTotal        Status = -52
	StatusUnknownStatus           Status = -53
	StatusPaymentInternal         Status = -54
	StatusBadUpdateID             Status = -55
	StatusDuplicateChannel        Status = -56
	StatusUnknownChannel          Status = -57
	StatusChannelArchived         Status = -58
	StatusChannelDamaged          Status = -59
	StatusUpdateGap               Status = -60
	StatusUpdateConflict          Status = -61
	StatusUpdateStale             Status = -62
	StatusSnapshotRequired        Status = -63
	StatusSnapshotAhead           Status = -64
	StatusSnapshotStale           Status = -65
	StatusManagerRequired         Status = -66
	StatusManagerBehind           Status = -67
	StatusLostUpdate              Status = -68
	StatusManagerAhead            Status = -69
	StatusStaleCapture            Status = -70
	StatusStaleManager            Status = -71
	StatusBadTicket               Status = -72
	StatusUnknownOutput           Status = -73
	StatusPendingOps              Status = -74
	StatusNotArchived             Status = -75
	StatusChannelLimits           Status = -76
	StatusChannelClosing          Status = -77
	StatusOutgoingExceedsIncoming Status = -78
	StatusExpiryNotAfterHeight    Status = -79
	StatusDuplicateHTLC           Status = -80
	StatusUnknownHTLC             Status = -81
	StatusSlotAssignment          Status = -82
	StatusResolvedBeforeAdded     Status = -83
	StatusStorageNotOffered       Status = -84
	StatusNoClaim                 Status = -85
	StatusQuotaPeers              Status = -86
	StatusQuotaTotal              Status = -87
	StatusClaimsIncomplete        Status = -88
	StatusStateLoss               Status = -89
	StatusPeerUnavailable         Status = -90
	StatusHold                    Status = -91
	StatusUnreadable              Status = -92
	StatusBadEnvelope             Status = -93
	StatusBadMessage              Status = -94
	StatusNoPayload               Status = -95
	StatusTooFewPeers             Status = -96
	StatusBadShare                Status = -97
	StatusNotEnoughShares         Status = -98
	StatusBadForeign              Status = -99
	StatusBusy                    Status = -100
	StatusNoSpace                 Status = -101
	StatusLocked                  Status = -102
	StatusQueueFull               Status = -103
	StatusUnknown                 Status = -200
	StatusInternal                Status = -201
	StatusBatch                   Status = -202
	StatusNotDurable              Status = -203
	StatusPoisoned                Status = -300
	StatusForked                  Status = -301
	StatusCorruptStore            Status = -302
	StatusIO                      Status = -303
	StatusFormatTooNew            Status = -304
	StatusABIMismatch             Status = -305
	StatusWrongEngine             Status = -306
	StatusRolledBack              Status = -307
)

// StatusCanceled is of this package alone, at the far end of the numbers for RETRY: the context ended
// before the call was submitted, and nothing was applied.
const StatusCanceled Status = -199

// Class tells what a caller may conclude from the status. It knows numbers of later versions too.
func (s Status) Class() Class { return cStatusClass(s) }

// String is the status's name, such as "ALREADY_EXISTS", or its number if this version has no name.
func (s Status) String() string {
	if s == StatusCanceled {
		return "CANCELED"
	}
	if name := cStatusName(s); name != "?" {
		return name
	}
	return "status " + strconv.Itoa(int(s))
}

// Message is one sentence about the status, for people.
func (s Status) Message() string {
	if s == StatusCanceled {
		return "the context ended before anything was submitted"
	}
	return cStatusMessage(s)
}

// Class is what a caller may conclude from a status or an error. Safe for concurrent use.
type Class uint32

// The classes. ClassDone and ClassAlready are those of success.
const (
	// ClassDone: applied by this call and durable.
	ClassDone Class = 0
	// ClassAlready: applied by an earlier call; a positive acknowledgement, not an error.
	ClassAlready Class = 1
	// ClassRefused: definitely not applied; asking again changes nothing unless the state changes.
	ClassRefused Class = 2
	// ClassRetry: definitely not applied; the same call may succeed later.
	ClassRetry Class = 3
	// ClassUnknown: may or may not be applied. Open the store again and repeat the SAME identifier.
	ClassUnknown Class = 4
	// ClassFatal: not applied, and the store cannot go on: close it and open it again.
	ClassFatal Class = 5
)

// String is the class's name, such as "UNKNOWN".
func (c Class) String() string {
	if name := cClassName(c); name != "?" {
		return name
	}
	return "class " + strconv.Itoa(int(c))
}

// Version is the version of the C library, such as "0.1.0"; empty when built without cgo.
func Version() string { return cVersion() }

// ABIVersion is the number of the ABI the C library was built with; 0 when built without cgo. Open
// refuses a library of another number than the one this package was compiled for (ErrABIMismatch).
func ABIVersion() uint32 { return cABIVersion() }
