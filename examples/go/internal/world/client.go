package world

import (
	"crypto/sha256"
	"math/rand/v2"
	"time"

	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// openMax is how many orders are open at once.
const openMax = 32

// One invoice of so many.
const (
	// tooLargeEvery is for more than the node has.
	tooLargeEvery          = 40
	unknownToReceiverEvery = 23
	inOnePartEvery         = 7
	// A sender of notResumedEvery does not outlive the node's life.
	notResumedEvery = 5
	hurriedEvery    = 17
)

const (
	tooLargeMsat = 150_000_000
	patience     = time.Minute
	hurry        = 30 * time.Millisecond
	// oldInvoiceEvery: one order of so many goes to an invoice that was ordered before, and one of
	// twiceEvery is sent twice at once.
	oldInvoiceEvery = 5
	twiceEvery      = 8
)

// purpose is what the client expects of an order.
type purpose int

const (
	// toPay: a payment, to its end.
	toPay purpose = iota
	// toHearAgain: it has ended, and the same key again must be answered with that end.
	toHearAgain
	// toPayTwice: it was paid, and another request must be refused.
	toPayTwice
)

// open is an order of which the client expects something.
type open struct {
	invoice *invoice
	key     wire.RequestKey
	purpose purpose
	// given to the node that lives now, which owes so many answers.
	given bool
	due   int
	// repeated: it was given more than once, so that Already is no surprise.
	repeated bool
	// begun: the node said Done. known: to an earlier life it was registered.
	begun, known bool
	// ended: the client knows what it wants to know.
	ended bool
}

// client wants invoices paid and gives every order again, with the SAME key, to a restarted node
// until it knows how the payment ended. Impatient as people are, it sends some orders twice at
// once, asks for ended payments again, and tries failed ones again. What it is told must never
// contradict what it was told before: that is in told.go.
type client struct {
	ledger  *ledger
	secrets secrets
	chance  *rand.Rand
	// open holds at most one order for each invoice, by its number.
	open map[uint64]*open
	// closing: no new orders.
	closing bool

	succeeded, failed int
	// repeatedAlready and repeatedDone count orders given again that the node knew, and that
	// had never been registered.
	repeatedAlready, repeatedDone int
	// heardAgain, refusedTwice and retried count orders for invoices that were ordered before.
	heardAgain, refusedTwice, retried int
	// resumed counts payments by what the restarts made of them.
	resumed map[lnkeep.ResumeOutcome]int
	// unexpected counts answers that fit nothing.
	unexpected int
}

func newClient(ledger *ledger, secrets secrets, chance *rand.Rand) *client {
	return &client{
		ledger: ledger, secrets: secrets, chance: chance, open: map[uint64]*open{},
		resumed: map[lnkeep.ResumeOutcome]int{},
	}
}

// giveOrders gives the node what it was not given in this life, and new orders while there is
// room. It stops when give refuses one.
func (c *client) giveOrders(give func(wire.Order) bool) {
	for !c.closing && len(c.open) < openMax {
		order := c.next()
		c.open[order.key.Invoice] = order
	}
	for _, order := range c.open {
		if !order.given && !order.ended && !c.give(order, give) {
			return
		}
	}
}

func (c *client) give(order *open, give func(wire.Order) bool) bool {
	request := order.invoice.order
	request.Key = order.key
	if !give(request) {
		return false
	}
	order.given, order.due = true, 1
	if c.chance.IntN(twiceEvery) == 0 && give(request) {
		order.repeated, order.due = true, 2 // a double click is a repeat like any other
	}
	return true
}

func (c *client) next() *open {
	if len(c.ledger.invoices) > 0 && c.chance.IntN(oldInvoiceEvery) == 0 {
		number := 1 + c.chance.Uint64N(uint64(len(c.ledger.invoices)))
		if _, isOpen := c.open[number]; !isOpen {
			return c.askAgain(c.ledger.numbered(number))
		}
	}
	number := c.ledger.nextNumber()
	entry := c.ledger.add(wire.Order{
		Key: wire.RequestKey{Invoice: number}, Invoice: c.invoiceOf(number),
	})
	entry.unknownToReceiver = number%unknownToReceiverEvery == 0
	return newRequest(entry)
}

func (c *client) invoiceOf(number uint64) wire.Invoice {
	invoice := wire.Invoice{PaymentHash: c.secrets.paymentHash(number)}
	switch {
	case number%tooLargeEvery == 0:
		invoice.AmountMsat = tooLargeMsat
	case number%inOnePartEvery == 0:
		invoice.AmountMsat = 1000 * (number*7919%1000 + 1)
		return invoice
	default:
		invoice.AmountMsat = 1000 * (number*7919%5000 + 1)
	}
	invoice.PaymentAddress = c.secrets.paymentAddress(number)
	return invoice
}

// newRequest is a request to pay the invoice: the first, or another one after the last failed.
func newRequest(entry *invoice) *open {
	request, number := &entry.order, entry.order.Key.Invoice
	request.Key.Request++
	if number%notResumedEvery != 0 {
		wait := patience
		if number%hurriedEvery == 0 {
			wait = hurry
		}
		request.DeadlineUnixMs = time.Now().Add(wait).UnixMilli()
		request.FeeLimitMsat = request.Invoice.AmountMsat / 50
	}
	entry.sequence, entry.acknowledged = 0, false
	return &open{invoice: entry, key: request.Key}
}

// askAgain is what to ask about an invoice whose last request has ended.
func (c *client) askAgain(entry *invoice) *open {
	again := &open{invoice: entry, key: entry.order.Key, purpose: toHearAgain}
	if c.chance.IntN(2) == 0 {
		return again
	}
	if entry.ends[entry.sequence].Status == lnkeep.PaymentFailed {
		c.retried++
		return newRequest(entry)
	}
	again.purpose = toPayTwice
	again.key.Request++
	return again
}

// nodeDied: everything without an end is given again.
func (c *client) nodeDied() {
	for number, order := range c.open {
		order.due = 0
		if order.ended {
			delete(c.open, number)
		}
		if order.given {
			order.given, order.repeated = false, true
		}
		order.known = order.invoice.acknowledged
	}
}

// hasReceipt: without the right preimage nobody can show that he paid.
func hasReceipt(told wire.Payment) bool {
	return sha256.Sum256(told.Preimage[:]) == told.Hash
}
