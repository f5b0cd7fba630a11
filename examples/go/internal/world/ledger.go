// Package world is everything around the node: the client that wants invoices paid, the peer and
// the receivers behind it, and the supervisor that kills the node and starts it again. It outlives
// every node, sees what each acknowledged and what left it, and in the end compares that with
// the store.
package world

import (
	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// invoice is one payment hash and all that the world saw of its payments. No kill touches it.
type invoice struct {
	// order is the newest request to pay it.
	order wire.Order
	// unknownToReceiver: its receiver refuses every part.
	unknownToReceiver bool
	// outMsat is what was sent and did not fail, claimedMsat what was claimed.
	outMsat, claimedMsat uint64
	// oversent: more was on its way at once than the amount. paidAgain: something came after it
	// had been paid.
	oversent, paidAgain bool

	// sequence is that of the newest request's payment, 0 while the node told none.
	sequence uint64
	// ends are how its payments ended, as the node told, by sequence.
	ends map[uint64]wire.Payment
	// initiated and terminal count events, each number once.
	initiated, terminal uint64
	// stored: the store has its payment; set when both are compared.
	stored bool
	// acknowledged: the node said that the newest request is registered.
	acknowledged bool
	// lost: something acknowledged was gone or had changed. mistold: a repeated request was
	// answered with something else than the first one's state.
	lost, mistold bool
}

// attempt is one whose HTLC reached the network.
type attempt struct {
	id      uint64
	invoice *invoice
	payload wire.Payload
	// dispatched is how often its HTLC reached the network.
	dispatched int
	// answered: settled, or failed with the code.
	answered bool
	failure  lnwire.FailCode
	// confirmed: the node said that the answer is stored.
	confirmed bool
	// notices of its settle, under different numbers.
	notices int
	// heldOverDeath: the network held its HTLC while no node was alive.
	heldOverDeath bool
	stored, lost  bool
}

func (a *attempt) settled() bool { return a.answered && a.failure == 0 }

// ledger holds the invoices, whose numbers begin with 1 and rise by one, and the attempts.
type ledger struct {
	invoices []*invoice
	byHash   map[lnkeep.PaymentHash]*invoice
	attempts map[uint64]*attempt
	// events are what the node told, by their numbers, and resolved how often it told the result
	// of an attempt.
	events   map[uint64]wire.Event
	resolved map[uint64]int
	// lastNotice is the number of the last one; noticesAgain came again under theirs, noticesMissed
	// never.
	lastNotice                  uint64
	noticesAgain, noticesMissed int
	// foreign counts invoices and attempts that nobody knows and that appeared all the same.
	foreign int
	// eventsChanged counts sequence numbers that came again with another event.
	eventsChanged int
}

func newLedger() *ledger {
	return &ledger{
		byHash: map[lnkeep.PaymentHash]*invoice{}, attempts: map[uint64]*attempt{},
		events: map[uint64]wire.Event{}, resolved: map[uint64]int{},
	}
}

// add takes a new invoice, whose number is the next one.
func (l *ledger) add(order wire.Order) *invoice {
	entry := &invoice{order: order, ends: map[uint64]wire.Payment{}}
	l.invoices = append(l.invoices, entry)
	l.byHash[order.Invoice.PaymentHash] = entry
	return entry
}

// nextNumber is that of the invoice that add takes next.
func (l *ledger) nextNumber() uint64 { return uint64(len(l.invoices)) + 1 }

// numbered is nil for a number that no invoice has.
func (l *ledger) numbered(number uint64) *invoice {
	if number == 0 || number > uint64(len(l.invoices)) {
		l.foreign++
		return nil
	}
	return l.invoices[number-1]
}

// hashed is nil for a hash that no invoice has.
func (l *ledger) hashed(hash lnkeep.PaymentHash) *invoice {
	entry := l.byHash[hash]
	if entry == nil {
		l.foreign++
	}
	return entry
}

// book notes an event. It may be told twice, but not as another one.
func (l *ledger) book(event wire.Event) {
	if known, again := l.events[event.Sequence]; again {
		if known != event {
			l.eventsChanged++
		}
		return
	}
	l.events[event.Sequence] = event
	if !event.Kind.OfPayment() {
		if event.Kind == lnkeep.EventAttemptResolved || event.Kind == lnkeep.EventAttemptConflict {
			l.resolved[event.AttemptID]++
		}
		return
	}
	entry := l.hashed(event.Hash)
	if entry == nil {
		return
	}
	if event.Kind == lnkeep.EventPaymentInitiated {
		entry.initiated++
	}
	if event.Terminal {
		entry.terminal++
	}
}

// notice notes that an HTLC was settled, under one number once.
func (l *ledger) notice(notice wire.Notice) {
	if notice.ID <= l.lastNotice {
		l.noticesAgain++
		return
	}
	l.noticesMissed += int(notice.ID - l.lastNotice - 1)
	l.lastNotice = notice.ID
	attempt := l.attempts[notice.AttemptID]
	if attempt == nil || attempt.invoice != l.hashed(notice.PaymentHash) {
		l.foreign++
		return
	}
	attempt.notices++
}

// eventsMissing counts numbers up to the greatest one that were never told.
func (l *ledger) eventsMissing() int {
	var greatest uint64
	for sequence := range l.events {
		greatest = max(greatest, sequence)
	}
	return int(greatest) - len(l.events)
}
