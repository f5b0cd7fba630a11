package lnkeep

import (
	"encoding/hex"
	"time"
)

// PaymentHash identifies a payment: the hash of its preimage, or the set id of an AMP payment. An unnamed
// array of 32 bytes, such as sha256.Sum256 answers, is one without conversion.
type PaymentHash [32]byte

// String is the hash in hex.
func (h PaymentHash) String() string { return hex.EncodeToString(h[:]) }

// PaymentStatus is where a payment stands; Allows tells what it permits.
type PaymentStatus uint32

// The statuses of a payment. A later library may know more.
const (
	// PaymentInitiated: no attempt was registered yet.
	PaymentInitiated PaymentStatus = 1
	// PaymentInFlight: an attempt is in flight, or all failed and another may be tried.
	PaymentInFlight PaymentStatus = 2
	// PaymentSucceeded: the preimage is known and nothing is in flight.
	PaymentSucceeded PaymentStatus = 3
	// PaymentFailed: given up and nothing is in flight.
	PaymentFailed PaymentStatus = 4
)

// String is a name such as "in_flight", or the number of a status this version does not know.
func (s PaymentStatus) String() string {
	return named(uint32(s), "payment status", "", "initiated", "in_flight", "succeeded", "failed")
}

// Terminal reports whether the payment ended: succeeded or failed.
func (s PaymentStatus) Terminal() bool { return s == PaymentSucceeded || s == PaymentFailed }

// FailureReason is why a payment was given up; 0 when it was not.
type FailureReason uint32

// The reasons to give a payment up. A later library may know more.
const (
	// FailureReasonTimeout: its time ran out.
	FailureReasonTimeout FailureReason = 1
	// FailureReasonNoRoute: no route was found.
	FailureReasonNoRoute FailureReason = 2
	// FailureReasonError: an error of this node.
	FailureReasonError FailureReason = 3
	// FailureReasonIncorrectPaymentDetails: the receiver does not know the hash, or refuses amount or expiry.
	FailureReasonIncorrectPaymentDetails FailureReason = 4
	// FailureReasonInsufficientBalance: this node has too little outbound balance.
	FailureReasonInsufficientBalance FailureReason = 5
	// FailureReasonCanceled: the user gave up.
	FailureReasonCanceled FailureReason = 6
)

// String is a name such as "no_route", "none" for 0, or the number of a reason this version does not know.
func (r FailureReason) String() string {
	return named(uint32(r), "failure reason", "none", "timeout", "no_route", "error",
		"incorrect_payment_details", "insufficient_balance", "canceled")
}

// AttemptFailureReason is why an attempt of a payment failed.
type AttemptFailureReason uint32

// The reasons of a failed attempt. A later library may know more.
const (
	// AttemptFailureUnknown: nothing is known.
	AttemptFailureUnknown AttemptFailureReason = 1
	// AttemptFailureUnreadable: the encrypted reason could not be read.
	AttemptFailureUnreadable AttemptFailureReason = 2
	// AttemptFailureInternal: an error of this node.
	AttemptFailureInternal AttemptFailureReason = 3
	// AttemptFailureMessage: the message says why.
	AttemptFailureMessage AttemptFailureReason = 4
)

// String is a name such as "unreadable", or the number of a reason this version does not know.
func (r AttemptFailureReason) String() string {
	return named(uint32(r), "attempt failure reason", "", "unknown", "unreadable", "internal", "message")
}

// PaymentAttemptState is where an attempt of a payment stands.
type PaymentAttemptState uint32

// The states of an attempt of a payment. A later library may know more.
const (
	// PaymentAttemptInFlight: registered, and no result is known.
	PaymentAttemptInFlight PaymentAttemptState = 1
	// PaymentAttemptSettled: the preimage is known.
	PaymentAttemptSettled PaymentAttemptState = 2
	// PaymentAttemptFailed: it failed.
	PaymentAttemptFailed PaymentAttemptState = 3
)

// String is a name such as "in_flight", or the number of a state this version does not know.
func (s PaymentAttemptState) String() string {
	return named(uint32(s), "payment attempt state", "", "in_flight", "settled", "failed")
}

// TerminalKind is how a payment ended, or would if nothing else came.
type TerminalKind uint32

// The ends of a payment: a settle counts before a reason, whatever the status.
const (
	// TerminalNone: neither settled nor given up.
	TerminalNone TerminalKind = 0
	// TerminalSettled: an attempt settled; Payment.SettledAttempt is the one.
	TerminalSettled TerminalKind = 1
	// TerminalFailed: given up; Payment.FailureReason says why.
	TerminalFailed TerminalKind = 2
)

// String is a name such as "settled", or the number of a kind this version does not know.
func (k TerminalKind) String() string {
	return named(uint32(k), "terminal kind", "none", "settled", "failed")
}

// Intent is what a host needs to go on sending after a restart, instead of giving up for want of a route.
type Intent struct {
	// Deadline is the time from which on no new attempt is made; zero means none.
	Deadline time.Time
	// FeeLimitMsat is the greatest sum of fees over all attempts, in millisatoshi.
	FeeLimitMsat uint64
	// Destination is the public key of the receiver; nil when unknown.
	Destination *[33]byte
	// AMPRootShare is the root share of an AMP payment; nil when it is none.
	AMPRootShare *Secret
	// Data is whatever else the host's sender needs, at most 65,535 bytes.
	Data HostBytes
}

// PaymentInit asks to initiate a payment. Zero fields are unknown ones. Times are kept to the nanosecond;
// those before 1970 are refused with ErrInvalidArgument, and the first instant of 1970 means unknown.
type PaymentInit struct {
	// Hash identifies the payment.
	Hash PaymentHash
	// AmountMsat is what the receiver is to get, in millisatoshi.
	AmountMsat uint64
	// Created is when the payment was created.
	Created time.Time
	// IdempotencyKey is the caller's own key of this request, up to 64 bytes: a repeat is answered with the
	// state of the first. Empty for none.
	IdempotencyKey []byte
	// PaymentRequest is the invoice or offer, at most 65,535 bytes.
	PaymentRequest HostBytes
	// FirstHopRecords are custom records for the first hop in the host's encoding, at most 65,535 bytes.
	FirstHopRecords HostBytes
	// Intent is set when the host may go on sending after a restart.
	Intent *Intent
}

// MPP is the multi-part record of an attempt, payment_data of BOLT 4.
type MPP struct {
	// PaymentAddress is the payment secret of the invoice.
	PaymentAddress Secret
	// TotalMsat is the total of the whole payment, in millisatoshi.
	TotalMsat uint64
}

// AMP is the AMP record of an attempt.
type AMP struct {
	// RootShare is the share of the root seed.
	RootShare Secret
	// SetID identifies the AMP set.
	SetID [32]byte
	// ChildIndex is the index of the AMP child.
	ChildIndex uint32
}

// PaymentAttemptRequest asks to register an attempt of a payment. Set at least Key, AmountMsat and HopCount;
// zero fields and nil pointers are unknown ones. Times are as in PaymentInit.
type PaymentAttemptRequest struct {
	// Key is id and namespace, unique in the store.
	Key Key
	// AmountMsat is what the receiver gets by it, in millisatoshi.
	AmountMsat uint64
	// FeeMsat is what the hops on the way get, in millisatoshi.
	FeeMsat uint64
	// AttemptHash is the hash of this attempt where it is not the payment's, as in AMP: a settle needs its
	// preimage.
	AttemptHash *PaymentHash
	// MPP is the multi-part record.
	MPP *MPP
	// AMP is the AMP record.
	AMP *AMP
	// BlindedTotalMsat is the total amount of the final hop of a blinded path, at least 1, in millisatoshi;
	// nil when the final hop lies on none.
	BlindedTotalMsat *uint64
	// HopCount is the number of hops of the route, at least 1.
	HopCount uint32
	// CLTVExpiry is the absolute block height at which the HTLC times out.
	CLTVExpiry uint32
	// FirstHopSCID is the short channel id of the first hop.
	FirstHopSCID uint64
	// FirstHopAmountMsat is what is sent to the first hop where it is not the sum of amount and fee, in
	// millisatoshi.
	FirstHopAmountMsat *uint64
	// Sent is the time of the attempt.
	Sent time.Time
	// Route is the route in the host's encoding, at most 65,535 bytes.
	Route HostBytes
	// SessionKey is the onion's session key in the host's encoding, at most 64 bytes.
	SessionKey HostBytes
	// FirstHopRecords are custom records for the first hop in the host's encoding, at most 65,535 bytes.
	FirstHopRecords HostBytes
}

// AttemptSettle is how an attempt of a payment settled.
type AttemptSettle struct {
	// Preimage hashes to the attempt's hash, or to the payment's.
	Preimage Preimage
	// Time is when it settled; zero when unknown.
	Time time.Time
}

// AttemptFailure is why and when an attempt of a payment failed.
type AttemptFailure struct {
	// Reason is why.
	Reason AttemptFailureReason
	// SourceIndex is the place in the route of the node that failed it, 0 for this node.
	SourceIndex uint32
	// Time is when it failed; zero when unknown.
	Time time.Time
	// Message is the failure message in the host's encoding, at most 65,535 bytes.
	Message HostBytes
}

// PaymentAttempt is one attempt of a payment as stored.
type PaymentAttempt struct {
	// Request is the attempt as the host gave it.
	Request PaymentAttemptRequest
	// State is where it stands.
	State PaymentAttemptState
	// Tracked: it has a record in the attempt store, which ends in the same transactions.
	Tracked bool
	// LateSettle: it settled after a failure had been reported; money moved after all.
	LateSettle bool
	// Forced: the operator ended it by force; Note says why.
	Forced bool
	// Settle is how it settled; nil unless it did.
	Settle *AttemptSettle
	// Failure is how it failed; nil unless it did.
	Failure *AttemptFailure
	// Note is the operator's note of a force.
	Note string
}

// Payment is one payment as stored, at one moment. Zero numbers and times, and nil pointers, are unknown
// ones.
type Payment struct {
	// Init is the request as the host gave it.
	Init PaymentInit
	// Sequence is the place in the order of initiation: it rises, with gaps, and is never given twice.
	Sequence uint64
	// Revision rises by one with every change of this payment, beginning with 1.
	Revision uint64
	// Status is where it stands.
	Status PaymentStatus
	// LateSettle: a settle came after a failure had been reported; money moved after all.
	LateSettle bool
	// Forced: the operator ended an attempt by force.
	Forced bool
	// FailureReason is the last reason told to give it up, 0 without one. Succeeded payments may have one.
	FailureReason FailureReason
	// FirstFailureReason is the first reason told, 0 without one.
	FirstFailureReason FailureReason
	// Updated is when it changed last, to the millisecond, as Tick told it.
	Updated time.Time
	// InFlight counts attempts in flight.
	InFlight uint64
	// RemainingMsat is the amount that no attempt covers which did not fail, in millisatoshi.
	RemainingMsat uint64
	// FeesMsat are the fees of the attempts that did not fail, in millisatoshi.
	FeesMsat uint64
	// Terminal is how it ended, or would if nothing else came.
	Terminal TerminalKind
	// Attempts are its attempts, by id and then namespace. In a page of PaymentQuery.WithoutAttempts there
	// are none, and InFlight, RemainingMsat, FeesMsat and Terminal, which follow from them, are zero.
	Attempts []PaymentAttempt
}

// Hash identifies the payment.
func (p *Payment) Hash() PaymentHash { return p.Init.Hash }

// Attempt is the attempt of a key, nil when the payment has none.
func (p *Payment) Attempt(key Key) *PaymentAttempt {
	for i := range p.Attempts {
		if p.Attempts[i].Request.Key == key {
			return &p.Attempts[i]
		}
	}
	return nil
}

// SettledAttempt is the settled attempt with the lowest id, nil when none settled.
func (p *Payment) SettledAttempt() *PaymentAttempt {
	for i := range p.Attempts {
		if p.Attempts[i].State == PaymentAttemptSettled {
			return &p.Attempts[i]
		}
	}
	return nil
}

const (
	nanosPerSecond = 1_000_000_000
	// unixSecondsMax is the last second whose nanoseconds since 1970 the library can count, in the year 2554.
	unixSecondsMax = (1<<64 - 1) / nanosPerSecond
)

// unixNano is a time as the library counts it; the zero time is 0, unknown.
func unixNano(t time.Time) (uint64, bool) {
	if t.IsZero() {
		return 0, true
	}
	whole := t.Unix()
	if whole < 0 || whole >= unixSecondsMax {
		return 0, false
	}
	return uint64(whole)*nanosPerSecond + uint64(t.Nanosecond()), true
}

// nanoTime is the time of a number of nanoseconds since 1970; 0, unknown, is the zero time.
func nanoTime(unixNano uint64) time.Time {
	if unixNano == 0 {
		return time.Time{}
	}
	return time.Unix(int64(unixNano/nanosPerSecond), int64(unixNano%nanosPerSecond))
}

// checkTime answers for a time that the library cannot keep.
func checkTime(op, what string, t time.Time) *Error {
	if _, ok := unixNano(t); !ok {
		return invalid(op, what+" lies before 1970 or after 2554")
	}
	return nil
}

func (i *PaymentInit) check(op string) *Error {
	if err := checkTime(op, "Created", i.Created); err != nil {
		return err
	}
	if i.Intent == nil {
		return nil
	}
	return checkTime(op, "the intent's Deadline", i.Intent.Deadline)
}

func (r *PaymentAttemptRequest) check(op string) *Error { return checkTime(op, "Sent", r.Sent) }

// check answers the flags of a call that settles.
func (s *AttemptSettle) check(op string, strictness []Strictness) (uint32, *Error) {
	if err := checkTime(op, "the time of the settle", s.Time); err != nil {
		return 0, err
	}
	return strictnessOf(op, strictness)
}

// check answers the flags of a call that fails an attempt.
func (f *AttemptFailure) check(op string, strictness []Strictness) (uint32, *Error) {
	if err := checkTime(op, "the time of the failure", f.Time); err != nil {
		return 0, err
	}
	return strictnessOf(op, strictness)
}
