package world

import (
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// note takes what the node tells its client.
func (c *client) note(report wire.Report) {
	switch report.Kind {
	case wire.ReportResumed:
		c.resumed[report.Resumed]++
	case wire.ReportOrder:
		c.noteAnswer(report)
	case wire.ReportEnded:
		c.noteEnded(report.Payment)
	case wire.ReportNotice:
		c.ledger.notice(report.Notice)
	case wire.ReportEvent:
		c.ledger.book(report.Event)
	default:
		c.unexpected++
	}
}

// noteAnswer takes the answer to an order.
func (c *client) noteAnswer(report wire.Report) {
	order := c.open[report.Key.Invoice]
	if order == nil || order.key != report.Key || order.due == 0 {
		c.unexpected++
		return
	}
	order.due--
	switch class := report.Status.Class(); {
	case class == lnkeep.ClassRetry:
		// Nothing was registered, such as on a full disk: the same order again.
		order.given, order.repeated = order.due > 0, true
	case order.purpose == toPayTwice:
		order.ended = true
		c.refusedTwice++
		order.invoice.mistoldIf(report.Status != lnkeep.StatusAlreadyPaid)
	case order.purpose == toHearAgain:
		order.ended = true
		c.heardAgain++
		end := order.invoice.ends[order.invoice.sequence]
		order.invoice.mistoldIf(
			report.Status != lnkeep.StatusAlreadyExists || !sameEnd(report.Payment, end))
	case class == lnkeep.ClassDone:
		c.noteBegun(order)
		c.noteState(order, report.Payment)
	case class == lnkeep.ClassAlready && order.repeated:
		c.repeatedAlready++
		order.invoice.acknowledged = true
		c.noteState(order, report.Payment)
	default:
		order.ended = true
		order.invoice.mistoldIf(order.repeated)
		if !order.repeated {
			c.unexpected++
		}
	}
	c.closeIfEnded(order)
}

// noteBegun: one order of a key is answered Done in all lives, and none of a key that an earlier
// life acknowledged. Otherwise the store had forgotten it.
func (c *client) noteBegun(order *open) {
	entry := order.invoice
	entry.lost = entry.lost || order.begun || order.known
	order.begun, entry.acknowledged = true, true
	if order.repeated {
		c.repeatedDone++
	}
}

// noteState compares the state of a payment with what was told of it before. A state from before
// the end may be told after it, because the node has many goroutines; one from behind it may not.
func (c *client) noteState(order *open, told wire.Payment) {
	entry := order.invoice
	if told.Status.Terminal() {
		order.ended = c.noteEnd(entry, told) || order.ended
		return
	}
	entry.mistoldIf(entry.sequence != 0 && told.Sequence != entry.sequence)
	entry.sequence = told.Sequence
	if end, ended := entry.ends[told.Sequence]; ended && told.Revision >= end.Revision {
		entry.lost = true
	}
}

// noteEnded takes the end of a payment, of whichever life.
func (c *client) noteEnded(told wire.Payment) {
	entry := c.ledger.hashed(told.Hash)
	if entry == nil || !c.noteEnd(entry, told) {
		return
	}
	if order := c.open[entry.order.Key.Invoice]; order != nil && order.purpose == toPay {
		order.ended = true
		c.closeIfEnded(order)
	}
}

// noteEnd reports whether it is the end of the newest request.
func (c *client) noteEnd(entry *invoice, told wire.Payment) bool {
	if known, again := entry.ends[told.Sequence]; again {
		entry.lost = entry.lost || !sameEnd(known, told)
		return told.Sequence == entry.sequence
	}
	entry.mistoldIf(entry.sequence != 0 && told.Sequence != entry.sequence)
	entry.sequence, entry.acknowledged = told.Sequence, true
	entry.ends[told.Sequence] = told
	if told.Status != lnkeep.PaymentSucceeded {
		c.failed++
		return true
	}
	c.succeeded++
	if !hasReceipt(told) {
		c.unexpected++
	}
	return true
}

// sameEnd: a payment that ended stays as it is; only its revision may rise.
func sameEnd(one, other wire.Payment) bool {
	one.Revision = other.Revision
	return one == other
}

func (c *client) closeIfEnded(order *open) {
	if order.ended && order.due == 0 {
		delete(c.open, order.key.Invoice)
	}
}

func (i *invoice) mistoldIf(wrong bool) { i.mistold = i.mistold || wrong }
