package lnkeep

import "time"

// State is where an attempt stands.
type State uint32

// The states of an attempt. A later library may know more.
const (
	// StateIntent: registered; the HTLC has certainly never left.
	StateIntent State = 1
	// StateHandedOff: the HTLC may have left.
	StateHandedOff State = 2
	// StateSettled: the preimage is known.
	StateSettled State = 3
	// StateFailed: failed, by the network, on chain, or here before it left.
	StateFailed State = 4
	// StateDeleted: deleted; the id stays burned.
	StateDeleted State = 5
)

// String is a name such as "handed_off", or the number of a state this version does not know.
func (s State) String() string {
	return named(uint32(s), "state", "", "intent", "handed_off", "settled", "failed", "deleted")
}

// Pending reports whether an attempt in this state has no final result yet.
func (s State) Pending() bool { return s == StateIntent || s == StateHandedOff }

// Attempt is one attempt as stored. Zero numbers and times, and nil pointers, are unknown ones.
type Attempt struct {
	// Key is the attempt's identity.
	Key Key
	// State is where it stands.
	State State
	// Acked: the host has recorded the outcome elsewhere.
	Acked bool
	// Conflict: a settle replaced a failure that had been reported.
	Conflict bool
	// RolledBack: failed here, by a rollback or by recovery.
	RolledBack bool
	// Forced: rolled back by force although it had been handed off.
	Forced bool
	// Quarantined: the record was unreadable and was removed.
	Quarantined bool
	// OfPayment: registered with a payment's attempt; Delete and Clean keep it until the payment took the
	// result.
	OfPayment bool
	// CLTVExpiry is the absolute block height at which the HTLC times out.
	CLTVExpiry uint32
	// CreatedEpoch is the epoch of the store in which it was registered.
	CreatedEpoch uint64
	// Created is when it was registered, to the millisecond, as Tick told it.
	Created time.Time
	// Updated is when its state changed last, to the millisecond, as Tick told it.
	Updated time.Time
	// AmountMsat is the amount of the HTLC, in millisatoshi.
	AmountMsat uint64
	// FirstHopSCID is the short channel id of the first hop.
	FirstHopSCID uint64
	// Fingerprint is the hash of the request, if one was given.
	Fingerprint *[32]byte
	// PaymentHash is the payment hash, if one was given.
	PaymentHash *[32]byte
	// Result is the final result, nil while there is none.
	Result *Result
}

// Counts are numbers of records by state.
type Counts struct {
	// Intent counts attempts that were registered and never left.
	Intent uint64
	// HandedOff counts attempts that may have left.
	HandedOff uint64
	// Settled counts settled attempts.
	Settled uint64
	// Failed counts failed attempts.
	Failed uint64
	// Deleted counts tombstones.
	Deleted uint64
}

// unixMilli is a time as the library counts it; the zero time is 0, unknown.
func unixMilli(t time.Time) (uint64, bool) {
	if t.IsZero() {
		return 0, true
	}
	milli := t.UnixMilli()
	return uint64(max(milli, 0)), milli >= 0
}

// timeOf is the time of a number of milliseconds since 1970; 0, unknown, is the zero time.
func timeOf(unixMilli uint64) time.Time {
	if unixMilli == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(unixMilli))
}

// seconds rounds a duration up to whole seconds, so that a short one never becomes 0, "never".
func seconds(d time.Duration) (uint64, bool) {
	if d < 0 {
		return 0, false
	}
	return uint64(d/time.Second) + min(uint64(d%time.Second), 1), true
}
