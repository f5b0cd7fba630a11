package lnkeep

import (
	"errors"
	"syscall"
)

// Outcome is what became of one operation. At most one of Done, Already and Err is set; the zero value
// says that nothing is known, and never that something was done.
type Outcome struct {
	// Done: this call applied it, and it is durable. Only the one Init, or Register, that is Done may dispatch.
	Done bool
	// Already: an earlier call applied it, and it is durable. An Init that is Already must not
	// dispatch: track the result instead.
	Already bool
	// Changed: the stored state is another one than before.
	Changed bool
	// Conflict: a settle replaced a failure that had been reported; money moved after all.
	Conflict bool
	// Code is the number of the C ABI.
	Code Status
	// Leftovers: rows that mean nothing any more are left; Payments.Sweep removes them in small steps.
	Leftovers bool
	// ID is the id that an allocation answers, or the sequence number of a payment that Payments.Quarantine
	// mended; 0 otherwise.
	ID uint64
	// Left counts failed attempts that Payments.OpDeleteFailedAttempts left for the next step.
	Left uint64
	// CommitSequence is the number of the commit that Monitors.OpCommit made; 0 otherwise.
	CommitSequence uint64
	// EventSequence is the number of the event written with the change, 0 if none was.
	EventSequence uint64
	// Err is why it was not applied, an *Error; nil when it is Done or Already.
	Err error
}

// failed is the outcome of an operation that has no answer of its own.
func failed(err error) Outcome {
	outcome := Outcome{Err: err}
	var known *Error
	if errors.As(err, &known) {
		outcome.Code = known.Code
	}
	return outcome
}

// worst is the error that a submission is judged by.
func worst(outcomes []Outcome) error {
	return worstOf("submit", len(outcomes), func(i int) error { return outcomes[i].Err })
}

// worstOf is the error that a batch is judged by: UNKNOWN, then FATAL, RETRY, REFUSED, and ABORTED, which
// says nothing but that another one was refused.
func worstOf(op string, n int, errOf func(int) error) error {
	var found *Error
	for i := range n {
		if e, _ := errOf(i).(*Error); e != nil && (found == nil || severity(e) > severity(found)) {
			found = e
		}
	}
	if found == nil {
		return nil
	}
	return &Error{
		Op: op, Code: StatusBatch, Class: found.Class, Errno: found.Errno, Value: found.Value,
		Channel: found.Channel, Msg: found.Error(), cause: found,
	}
}

func severity(e *Error) int {
	switch e.Class {
	case ClassUnknown:
		return 5
	case ClassFatal:
		return 4
	case ClassRetry:
		return 3
	case ClassRefused:
		if e.Code == StatusAborted {
			return 1
		}
		return 2
	}
	return 0
}

// rawOutcome is an outcome as the library gives it, before its operation is known.
type rawOutcome struct {
	status, errno int32
	flags         uint32
	value, event  uint64
}

// detail is what the library says about one operation of a submission beside its outcome.
type detail struct {
	words   string
	value   *uint64
	channel *ChannelID
}

// noDetail is that of an operation which the library says nothing more about.
var noDetail detail

// of is the outcome of an operation. Without a detail the status has to explain itself.
func (raw rawOutcome) of(op *Operation, known detail) Outcome {
	status := Status(raw.status)
	outcome := Outcome{
		Done: status == StatusDone, Already: status > StatusDone, Code: status,
		Changed: raw.flags&outcomeChanged != 0, Conflict: raw.flags&outcomeConflict != 0,
		Leftovers: raw.flags&outcomeLeftovers != 0, ID: raw.value, EventSequence: raw.event,
	}
	switch op.kind {
	case opPaymentDelete:
		outcome.ID, outcome.Left = 0, raw.value
	case opMonitorsCommit:
		outcome.ID, outcome.CommitSequence = 0, raw.value
	}
	if status < StatusDone {
		outcome.Err = raw.failure(op, status, known)
	}
	return outcome
}

// failure is the error of one operation of a submission.
func (raw rawOutcome) failure(op *Operation, status Status, known detail) *Error {
	if op.payment != nil && op.payment.refused != nil {
		return op.payment.refused
	}
	if known.words == "" {
		known.words = op.subject() + ": " + status.Message()
	}
	return &Error{
		Op: op.kind.String(), Code: status, Class: status.Class(), Errno: syscall.Errno(raw.errno),
		Value: known.value, Channel: known.channel, Msg: known.words,
	}
}

// Flags of outcomes in the C ABI.
const (
	outcomeChanged  uint32 = 1
	outcomeConflict uint32 = 2
	// outcomeLeftovers is of payments alone.
	outcomeLeftovers uint32 = 4
)
