package world

import (
	"crypto/sha256"

	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

const (
	// openMax is how many orders have no result yet.
	openMax = 128
	// tooLargeMsat is above what the node's channel carries. One order of tooLargeEvery is, so
	// that attempts are failed before they leave, too.
	tooLargeMsat  = 150_000_000
	tooLargeEvery = 40
	cltvExpiry    = 900_144
)

// client wants payments made and gives every order again, with the SAME id, to a restarted node
// until it knows the result. In lnd's words a router beside the node.
type client struct {
	ledger  *ledger
	secrets secrets
	// open holds the orders without a result: true for those given to the node that lives now.
	open map[uint64]bool
	// oldest is the smallest id that may be open.
	oldest uint64
	// closing: no new orders.
	closing bool

	settled, failed, failedHere int
	// repeatedAlready and repeatedDone count orders given again that the node knew, and that
	// had never been registered.
	repeatedAlready, repeatedDone int
	// unexpected counts orders that were refused, or known although they were given once, and
	// settles with a wrong preimage.
	unexpected int
}

func newClient(ledger *ledger, secrets secrets) *client {
	return &client{ledger: ledger, secrets: secrets, open: map[uint64]bool{}, oldest: 1}
}

// giveOrders gives the node what it was not given in this life, and new orders while there is
// room. It stops when give refuses one.
func (c *client) giveOrders(give func(wire.Order) bool) {
	for !c.closing && len(c.open) < openMax {
		c.open[c.ledger.add()] = false
	}
	below := c.recordedBelow()
	for id, given := range c.open {
		if given {
			continue
		}
		if !give(c.orderOf(id, below)) {
			return
		}
		c.open[id] = true
	}
}

// recordedBelow: every attempt below the oldest open one has its result in the ledger.
func (c *client) recordedBelow() uint64 {
	for last := uint64(len(c.ledger.entries)); c.oldest <= last; c.oldest++ {
		if _, open := c.open[c.oldest]; open {
			break
		}
	}
	return c.oldest
}

func (c *client) orderOf(id, recordedBelow uint64) wire.Order {
	return wire.Order{
		ID: id, AmountMsat: amountMsat(id), CLTVExpiry: cltvExpiry,
		PaymentHash: c.secrets.paymentHash(id), RecordedBelow: recordedBelow,
	}
}

func amountMsat(id uint64) uint64 {
	if isTooLarge(id) {
		return tooLargeMsat
	}
	return 1000 * (id%5000 + 1)
}

func isTooLarge(id uint64) bool { return id%tooLargeEvery == 0 }

// noteInit takes what lnkeep answered to an init.
func (c *client) noteInit(report wire.Report) {
	entry := c.ledger.find(report.ID)
	if entry == nil {
		return
	}
	switch class := report.Status.Class(); {
	case class == lnkeep.ClassRetry:
		// Nothing was registered, such as on a full disk: the same order again.
		if _, open := c.open[report.ID]; open {
			entry.givenAgain = true
			c.open[report.ID] = false
		}
		return
	case class == lnkeep.ClassDone:
		// Done for an id that was acknowledged before: the store had forgotten it.
		entry.lost = entry.lost || entry.initAcknowledged
		if entry.givenAgain {
			c.repeatedDone++
		}
	case class == lnkeep.ClassAlready && entry.givenAgain:
		c.repeatedAlready++
	default:
		c.unexpected++
		return
	}
	entry.initAcknowledged = true
}

// noteResult takes a result. The same one may be told twice, another one may not.
func (c *client) noteResult(report wire.Report) {
	entry := c.ledger.find(report.ID)
	if entry == nil {
		return
	}
	delete(c.open, report.ID)
	if entry.resultTold {
		changed := entry.settled != report.Settled || entry.local != report.Local
		entry.lost = entry.lost || changed
		return
	}
	entry.resultTold, entry.settled, entry.local = true, report.Settled, report.Local
	switch {
	case report.Local:
		c.failedHere++
	case report.Settled:
		c.settled++
		if sha256.Sum256(report.Preimage[:]) != c.secrets.paymentHash(report.ID) {
			c.unexpected++
		}
	default:
		c.failed++
	}
}

// nodeDied: everything without a result is given again.
func (c *client) nodeDied() {
	for id, given := range c.open {
		if given {
			c.ledger.find(id).givenAgain = true
			c.open[id] = false
		}
	}
}
