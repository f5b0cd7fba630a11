package world

import (
	"time"

	"github.com/lightningnetwork/lnd/lnwire"
)

// partsWait is how long a receiver waits for the other parts. BOLT 4 says at least 60 seconds; the
// demo has half a minute in all.
const partsWait = 300 * time.Millisecond

// receive is what the receiver does with an HTLC, as BOLT 4 says: it holds the parts of a payment
// until all are there, then claims all of them.
func (n *network) receive(htlc *htlc) {
	invoice, payload := htlc.attempt.invoice, htlc.attempt.payload
	wanted := invoice.order.Invoice
	switch mpp := payload.MPP; {
	case invoice.claimedMsat > 0:
		// A receiver would refuse it, but the nodes on the way know the preimage by now and keep
		// it. So paying twice costs money, and here it is counted.
		invoice.paidAgain = true
		n.claim(htlc)
	case invoice.unknownToReceiver:
		n.decide(htlc, lnwire.CodeIncorrectOrUnknownPaymentDetails)
	case mpp != nil && mpp.PaymentAddr() == wanted.PaymentAddress &&
		uint64(mpp.TotalMsat()) == wanted.AmountMsat:
		htlc.place, htlc.due = atReceiver, time.Now().Add(partsWait)
		n.claimIfComplete(invoice)
	case mpp == nil && !wanted.TakesParts() && payload.AmountMsat == wanted.AmountMsat:
		n.claim(htlc)
	default:
		n.malformed++
		n.decide(htlc, lnwire.CodeIncorrectOrUnknownPaymentDetails)
	}
}

func (n *network) claimIfComplete(invoice *invoice) {
	var parts []*htlc
	var arrivedMsat uint64
	for _, htlc := range n.held {
		if htlc.place == atReceiver && htlc.attempt.invoice == invoice {
			parts = append(parts, htlc)
			arrivedMsat += htlc.attempt.payload.AmountMsat
		}
	}
	if arrivedMsat < invoice.order.Invoice.AmountMsat {
		return
	}
	for _, part := range parts {
		n.claim(part)
	}
}

// claim: from here on everybody on the way knows the preimage, and the money has moved.
func (n *network) claim(htlc *htlc) {
	htlc.attempt.invoice.claimedMsat += htlc.attempt.payload.AmountMsat
	n.decide(htlc, 0)
}
