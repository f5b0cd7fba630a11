package world

import (
	"bytes"
	"errors"

	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// comparePayments: each invoice has one payment, it ended as the client was told, and the receiver
// has the amount or nothing.
func (v *verifier) comparePayments() error {
	for payment, err := range v.payments.All(lnkeep.PaymentQuery{}) {
		switch {
		case errors.Is(err, lnkeep.ErrCorruptRecord):
			v.tally.inconsistent++
		case err != nil:
			return err
		default:
			v.comparePayment(payment)
		}
	}
	counts, err := v.payments.Counts()
	if err != nil {
		return err
	}
	// The numbers that lnkeep keeps itself must be the ones counted here.
	v.inconsistentIf(counts.Payments != uint64(v.tally.payments))
	v.inconsistentIf(counts.Tombstones != 0)
	v.tally.unfinished += int(counts.Unfinished)
	return nil
}

func (v *verifier) comparePayment(payment *lnkeep.Payment) {
	t := v.tally
	t.payments++
	entry := v.run.ledger.hashed(payment.Hash())
	if entry == nil {
		return
	}
	v.inconsistentIf(entry.stored)
	entry.stored = true
	order, init := entry.order, payment.Init
	end, ended := entry.ends[payment.Sequence]
	entry.lost = entry.lost || ended && !sameEnd(end, wire.PaymentOf(payment)) ||
		init.AmountMsat != order.Invoice.AmountMsat ||
		!bytes.Equal(init.IdempotencyKey, order.Key.Bytes()) ||
		!bytes.Equal(init.PaymentRequest, order.Invoice.Bytes())
	switch payment.Status {
	case lnkeep.PaymentSucceeded:
		t.succeeded++
		count(&t.endedOtherwise, entry.claimedMsat != init.AmountMsat)
	case lnkeep.PaymentFailed:
		t.failed++
		t.failedFor[payment.FailureReason]++
		count(&t.endedOtherwise, entry.claimedMsat != 0)
	}
	v.compareParts(payment, entry)
}

// compareParts: the attempts that a payment knows are those that left, and ended as the network
// answered.
func (v *verifier) compareParts(payment *lnkeep.Payment, entry *invoice) {
	settled := 0
	for i := range payment.Attempts {
		part := &payment.Attempts[i]
		hasSettled := part.State == lnkeep.PaymentAttemptSettled
		count(&settled, hasSettled)
		truth := v.run.ledger.attempts[part.Request.Key.ID]
		if truth == nil {
			v.inconsistentIf(part.State != lnkeep.PaymentAttemptFailed)
			continue
		}
		v.inconsistentIf(hasSettled != truth.settled() || truth.invoice != entry ||
			truth.payload.AmountMsat != part.Request.AmountMsat)
	}
	count(&v.tally.inParts, settled > 1)
}
