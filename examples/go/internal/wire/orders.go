package wire

import (
	"bytes"
	"encoding/binary"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// RequestKey is the client's idempotency key: which of its requests this is. A repeated request
// carries the same key for ever; "try that invoice again" is another request.
type RequestKey struct {
	// Invoice is the client's number of the invoice.
	Invoice uint64
	// Request counts the requests to pay it, from 1.
	Request uint64
}

// Bytes is the key as lnkeep keeps it.
func (k RequestKey) Bytes() []byte { return encodeFixed(k) }

// Invoice is what the receiver gave to be paid: in a node the text of BOLT 11 or BOLT 12.
type Invoice struct {
	AmountMsat  uint64
	PaymentHash [32]byte
	// PaymentAddress is the secret that BOLT 11 calls payment_secret. An invoice without one, as
	// there were before BOLT 4 had it, is paid in one part.
	PaymentAddress lnkeep.Secret
}

// TakesParts reports whether the receiver waits for several parts.
func (i Invoice) TakesParts() bool { return i.PaymentAddress != lnkeep.Secret{} }

// Bytes is the invoice as lnkeep keeps it with its payment: a later life of the node has nothing
// else to go on with.
func (i Invoice) Bytes() []byte { return encodeFixed(i) }

// ParseInvoice is the reverse of Bytes.
func ParseInvoice(body []byte) (invoice Invoice, err error) {
	err = binary.Read(bytes.NewReader(body), binary.BigEndian, &invoice)
	return invoice, err
}

// encodeFixed writes a structure of fixed size.
func encodeFixed(value any) []byte {
	body, err := binary.Append(nil, binary.BigEndian, value)
	if err != nil {
		panic(err) // the type has no fixed size
	}
	return body
}

// Order is "pay this". The client gives it again, with the SAME key, to every restarted node until
// it knows how the payment ended: the node must tell a repeat from a new order.
type Order struct {
	Key     RequestKey
	Invoice Invoice
	// DeadlineUnixMs and FeeLimitMsat are what a later life may go on sending with; 0 when only the
	// life that took the order may send.
	DeadlineUnixMs int64
	FeeLimitMsat   uint64
}

// ReportKind is what a report says.
type ReportKind uint8

// The kinds of report.
const (
	// ReportReady: recovered and about to take orders. Epoch is the store's.
	ReportReady ReportKind = iota + 1
	// ReportResumed: Resumed is what lnkeep's Resume made of a payment.
	ReportResumed
	// ReportOrder: Status is what lnkeep answered to the order Key, and Payment the payment as it
	// is then, if it answered one.
	ReportOrder
	// ReportEnded: Payment is one that ended.
	ReportEnded
	// ReportEvent: the store's event log has Event.
	ReportEvent
	// ReportNotice: Notice is of an HTLC that was settled.
	ReportNotice
	// ReportStats: so many commits and operations since this open.
	ReportStats
)

// Report is what the node tells its client, always after lnkeep answered and never before.
type Report struct {
	Kind       ReportKind
	Epoch      uint64
	Resumed    lnkeep.ResumeOutcome
	Key        RequestKey
	Status     lnkeep.Status
	Payment    Payment
	Event      Event
	Notice     Notice
	Commits    uint64
	Operations uint64
}

// Payment is the state of a payment, as far as the client is told.
type Payment struct {
	Hash     lnkeep.PaymentHash
	Sequence uint64
	Revision uint64
	Status   lnkeep.PaymentStatus
	Reason   lnkeep.FailureReason
	// Preimage is the receipt of a payment that succeeded.
	Preimage lnkeep.Preimage
}

// PaymentOf is what the client is told of a payment; nil is none.
func PaymentOf(payment *lnkeep.Payment) Payment {
	if payment == nil {
		return Payment{}
	}
	told := Payment{
		Hash: payment.Hash(), Sequence: payment.Sequence, Revision: payment.Revision,
		Status: payment.Status, Reason: payment.FailureReason,
	}
	if settled := payment.SettledAttempt(); settled != nil {
		told.Preimage = settled.Settle.Preimage
	}
	return told
}

// Notice says that an HTLC was settled.
type Notice struct {
	// ID numbers the notices of a store from 1; a notice that is told again has the number it had.
	ID uint64
	// AttemptID is that of the HTLC's attempt.
	AttemptID   uint64
	PaymentHash lnkeep.PaymentHash
}

// Event is an event of the store, as far as the client is told.
type Event struct {
	Sequence uint64
	Kind     lnkeep.EventKind
	// Hash is that of the payment, AttemptID that of the attempt, where the event is about one.
	Hash      lnkeep.PaymentHash
	AttemptID uint64
	// Terminal: the payment ended with this event.
	Terminal bool
}

// EventOf is what the client is told of an event.
func EventOf(event lnkeep.Event) Event {
	return Event{
		Sequence: event.Sequence, Kind: event.Kind, Hash: event.PaymentHash(),
		AttemptID: event.Key.ID, Terminal: event.Terminal,
	}
}
