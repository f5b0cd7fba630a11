package life

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// channelBalanceMsat is what the channel can carry; some of the client's orders are larger.
const channelBalanceMsat = 100_000_000

// follow brings an order to its end: register, dispatch if it is this goroutine's to do, tell
// the result.
//
// The rule behind every branch is one of two: the HTLC leaves only after Init was answered Done
// to this goroutine and MarkHandedOff without an error; the client is told a result only when
// it is durable.
func (n *node) follow(ctx context.Context, order wire.Order) error {
	// An Init, mark or result whose context ends meanwhile would be of unknown outcome.
	lasting := context.WithoutCancel(ctx)
	outcome, err := again(ctx, func() (lnkeep.Outcome, error) {
		return n.steps.init(lasting, requestOf(order))
	})
	if err != nil && !notApplied(err) {
		return err
	}
	report := wire.Report{Kind: wire.ReportInit, ID: order.ID, Status: outcome.Code}
	if err := n.tell(report); err != nil {
		return err
	}
	if !outcome.Done && !outcome.Already {
		// Nothing was recorded and nothing leaves. The client knows whether to give the order
		// again.
		complain("init", order.ID, err)
		return nil
	}
	if outcome.Done {
		if err := n.dispatch(lasting, order); err != nil {
			return err
		}
	}
	// Already: an earlier life registered it, and the HTLC may be on its way. Track it.
	return n.tellResult(ctx, order.ID)
}

// requestOf is step 1's request. Its fingerprint tells another request under the same id from a
// repeat; a node hashes the onion, too.
func requestOf(order wire.Order) lnkeep.Request {
	var request [44]byte
	copy(request[:], order.PaymentHash[:])
	binary.BigEndian.PutUint64(request[32:], order.AmountMsat)
	binary.BigEndian.PutUint32(request[40:], order.CLTVExpiry)
	fingerprint := sha256.Sum256(request[:])
	return lnkeep.Request{
		Key:         lnkeep.DefaultKey(order.ID),
		CLTVExpiry:  order.CLTVExpiry,
		AmountMsat:  order.AmountMsat,
		Fingerprint: &fingerprint,
		PaymentHash: &order.PaymentHash,
	}
}

// dispatch is steps 2 to 4, for the one goroutine whose Init was answered Done.
func (n *node) dispatch(ctx context.Context, order wire.Order) error {
	if order.AmountMsat > channelBalanceMsat {
		return n.failHere(ctx, order.ID, lnwire.NewTemporaryChannelFailure(nil))
	}
	_, err := again(ctx, func() (lnkeep.Outcome, error) {
		return n.steps.mark(ctx, lnkeep.DefaultKey(order.ID))
	})
	switch {
	case err == nil:
		return n.sendHTLC(order)
	case errors.Is(err, lnkeep.ErrRetry):
		// Not marked, so that it must not leave, and certainly has not.
		complain("mark", order.ID, err)
		return n.failHere(ctx, order.ID, &lnwire.FailTemporaryNodeFailure{})
	case errors.Is(err, lnkeep.ErrRefused):
		// The attempt ended meanwhile. The HTLC must not leave; the result is the one stored.
		complain("mark", order.ID, err)
		return nil
	}
	return err
}

// sendHTLC is step 4. In a node: release the commitment_signed that covers the HTLC.
func (n *node) sendHTLC(order wire.Order) error {
	add := &lnwire.UpdateAddHTLC{
		ChanID: wire.ChannelID(),
		// BOLT 2 numbers the HTLCs of a channel one after the other, and a node's circuit map
		// knows which attempt a number belongs to. Here they are the same, so that the network
		// can count how often an attempt left.
		ID:          order.ID,
		Amount:      lnwire.MilliSatoshi(order.AmountMsat),
		PaymentHash: order.PaymentHash,
		Expiry:      order.CLTVExpiry,
	}
	if err := n.peer.Send(add); err != nil {
		return gone("peer", err)
	}
	return nil
}

// failHere ends an attempt whose HTLC has not left. Nobody hears of it here: the client is told
// by tellResult, once the failure is stored.
func (n *node) failHere(ctx context.Context, id uint64, failure lnwire.FailureMessage) error {
	var message bytes.Buffer
	if err := lnwire.EncodeFailureMessage(&message, failure, 0); err != nil {
		return err
	}
	_, err := again(ctx, func() (lnkeep.Outcome, error) {
		return n.attempts.FailPending(ctx, lnkeep.DefaultKey(id), lnkeep.Failure{
			Code: uint16(failure.Code()), Message: message.Bytes(),
		})
	})
	if err != nil && notApplied(err) {
		// NOT_PENDING: it has a result, which is the one to tell. HANDED_OFF: it may settle,
		// and nobody may call it failed. RETRY: it stays an intent, which recovery fails at the
		// next start.
		complain("fail", id, err)
		return nil
	}
	return err
}

// tellResult waits for the result of a registered attempt, whoever stores it, and tells the
// client.
func (n *node) tellResult(ctx context.Context, id uint64) error {
	result, err := again(ctx, func() (lnkeep.Result, error) {
		return n.attempts.WaitResult(ctx, lnkeep.DefaultKey(id))
	})
	switch {
	case ctx.Err() != nil:
		return nil // this life ends; the next one will tell
	case err != nil && notApplied(err):
		complain("wait for result", id, err)
		return nil
	case err != nil:
		return err
	}
	return n.tell(wire.Report{
		Kind: wire.ReportResult, ID: id, Local: result.Unencrypted,
		Settled: result.Kind == lnkeep.ResultSettle, Preimage: result.Preimage,
	})
}
