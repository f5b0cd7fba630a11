package life

import (
	"context"
	"errors"
	"time"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/record"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

const (
	// HTLCMaximumMsat is BOLT 7's htlc_maximum_msat of the channel: some parts are larger.
	HTLCMaximumMsat = 2_200_000

	cltvExpiry   = 900_144
	firstHopSCID = 0x0a0b0c
	hops         = 3
)

// part is what is to be sent by one attempt.
type part struct {
	invoice             wire.Invoice
	amountMsat, feeMsat uint64
}

// send makes an HTLC of a part, at most once: register, validate, commit, send.
//
// The rule behind every branch: the HTLC leaves only after RegisterAndInit was answered Done to
// this goroutine, and after the commit that makes it part of its channel and marks its attempt as
// handed off, both or neither.
func (p *payer) send(ctx context.Context, next part) error {
	// A call whose context ends meanwhile would not be made, and the payment would stay as it is.
	lasting := context.WithoutCancel(ctx)
	request, err := p.requestOf(next)
	if err != nil {
		return err
	}
	payment, outcome, err := change(ctx, func() (*lnkeep.Payment, lnkeep.Outcome, error) {
		return p.payments.RegisterAndInit(lasting, p.payment.Hash(), request)
	})
	switch {
	case overtaken(err):
		return p.refresh(lasting)
	case err != nil && notApplied(err):
		// Nothing was recorded and nothing leaves, such as on a full disk; giving up has a reserve
		// there.
		complain("register", err)
		return p.giveUp(lasting, lnkeep.FailureReasonError)
	case err != nil:
		return err
	}
	p.learn(payment)
	if outcome.Done {
		return p.dispatch(ctx, request)
	}
	p.collect(ctx, request.Key)
	return nil
}

// requestOf is step 1's request, for the payment and for its record in the attempt store.
func (p *payer) requestOf(next part) (lnkeep.PaymentAttemptRequest, error) {
	payload := wire.Payload{AmountMsat: next.amountMsat, CLTVExpiry: cltvExpiry}
	request := lnkeep.PaymentAttemptRequest{
		Key: p.newKey(), AmountMsat: next.amountMsat, FeeMsat: next.feeMsat, HopCount: hops,
		CLTVExpiry: cltvExpiry, FirstHopSCID: firstHopSCID, Sent: time.Now(),
	}
	if invoice := next.invoice; invoice.TakesParts() {
		total := lnwire.MilliSatoshi(invoice.AmountMsat)
		payload.MPP = record.NewMPP(total, invoice.PaymentAddress)
		request.MPP = &lnkeep.MPP{
			PaymentAddress: invoice.PaymentAddress, TotalMsat: invoice.AmountMsat,
		}
	}
	route, err := payload.Bytes()
	request.Route = route
	return request, err
}

// newKey was never used before: an epoch belongs to one open of the store.
func (n *node) newKey() lnkeep.Key {
	return lnkeep.DefaultKey(n.store.Report().Epoch<<32 | n.attemptsMade.Add(1))
}

// dispatch is steps 2 to 4, for the one goroutine whose registration was answered Done.
func (p *payer) dispatch(ctx context.Context, request lnkeep.PaymentAttemptRequest) error {
	lasting := context.WithoutCancel(ctx)
	if request.AmountMsat+request.FeeMsat > HTLCMaximumMsat {
		return p.failHere(lasting, request.Key, lnwire.NewTemporaryChannelFailure(nil))
	}
	mark := p.attempts.OpMarkHandedOff(request.Key)
	err := p.channel.add(addOf(p.payment.Hash(), request), mark)
	if errors.Is(err, errChannelFull) {
		// Not marked, so that it must not leave, and certainly has not.
		return p.failHere(lasting, request.Key, lnwire.NewTemporaryChannelFailure(nil))
	}
	if err != nil {
		return err
	}
	p.collect(ctx, request.Key)
	return nil
}

// failHere fails an attempt whose HTLC has not left: the payment's attempt, and the record, which
// is rolled back with it. lnkeep refuses that for one that was marked.
func (p *payer) failHere(
	ctx context.Context, key lnkeep.Key, failure lnwire.FailureMessage,
) error {
	message, err := encodeFailure(failure)
	if err != nil {
		return err
	}
	payment, err := p.failAttempt(ctx, p.payment.Hash(), key, lnkeep.AttemptFailure{
		Reason: lnkeep.AttemptFailureInternal, Time: time.Now(), Message: message,
	})
	if err == nil {
		p.learn(payment)
	}
	return err
}

// addOf is what leaves in step 4, with the commitment_signed that covers it.
func addOf(hash lnkeep.PaymentHash, request lnkeep.PaymentAttemptRequest) *lnwire.UpdateAddHTLC {
	add := &lnwire.UpdateAddHTLC{
		ChanID: wire.ChannelID(),
		// BOLT 2 numbers the HTLCs of a channel one after the other, and a node's circuit map
		// knows which attempt a number belongs to. Here they are the same, so that the network
		// can count how often an attempt left.
		ID:          request.Key.ID,
		Amount:      lnwire.MilliSatoshi(request.AmountMsat + request.FeeMsat),
		PaymentHash: hash,
		Expiry:      request.CLTVExpiry,
	}
	copy(add.OnionBlob[:], request.Route)
	return add
}
