package life

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/channel"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// collectPast goes on with attempts that an earlier life registered. Results that are stored come
// first: after them there may be nothing to send any more.
func (p *payer) collectPast(ctx context.Context) error {
	for _, attempt := range p.payment.Attempts {
		if attempt.State != lnkeep.PaymentAttemptInFlight {
			continue
		}
		key := attempt.Request.Key
		_, err := again(ctx, func() (lnkeep.Result, error) { return p.attempts.Result(key) })
		switch {
		case errors.Is(err, lnkeep.ErrResultPending):
			p.collect(ctx, key)
		case err != nil:
			return err
		default:
			payment, err := p.conclude(context.WithoutCancel(ctx), key, false)
			if err != nil {
				return err
			}
			p.learn(payment)
		}
	}
	return nil
}

// collect waits in a goroutine of its own for the result of an attempt, whoever stores it, and
// takes it to the payment.
func (p *payer) collect(ctx context.Context, key lnkeep.Key) {
	p.group.Go(func() error {
		_, err := again(ctx, func() (lnkeep.Result, error) {
			return p.attempts.WaitResult(ctx, key)
		})
		switch {
		case ctx.Err() != nil:
			return nil // this life ends; the next one finds the result
		case err != nil && notApplied(err):
			complain("wait for result", err)
			return nil
		case err != nil:
			return err
		}
		payment, err := p.conclude(context.WithoutCancel(ctx), key, false)
		if err == nil {
			p.changed <- payment
		}
		return err
	})
}

// conclude is step 6: it takes the HTLC out of the channel and its stored result to the payment,
// and lets the peer forget it. That and the acknowledgement of the result are one transaction, so
// that it is done once, by this life or the next. repeated: the peer answered again.
func (n *node) conclude(
	ctx context.Context, key lnkeep.Key, repeated bool,
) (*lnkeep.Payment, error) {
	attempt, err := again(ctx, func() (lnkeep.Attempt, error) { return n.attempts.Get(key) })
	if err != nil {
		return nil, err
	}
	if attempt.Result == nil || attempt.PaymentHash == nil {
		return nil, fmt.Errorf("attempt %v has no result or no payment", attempt.Key)
	}
	hash, change := *attempt.PaymentHash, channel.Change{ID: attempt.Key.ID}
	change.Kind, change.PaymentHash = channel.HTLCFailed, hash
	if attempt.Result.Kind == lnkeep.ResultSettle {
		change.Kind = channel.HTLCSettled
	}
	var op *lnkeep.Operation
	if !attempt.Acked { // else the payment has it, since that was the same transaction
		conclusion, err := n.conclusionOf(ctx, hash, &attempt)
		if err != nil {
			return nil, err
		}
		op = &conclusion
	}
	outcome, err := n.channel.remove(change, op, repeated)
	if err != nil {
		return nil, err
	}
	if outcome.Conflict {
		// The client may have paid again. It hears of the settle; people should, too.
		complain("settle", fmt.Errorf("attempt %v settled after it was called failed", attempt.Key))
	}
	return n.after(ctx, "conclude", hash, nil, outcome.Err)
}

// conclusionOf is the operation that takes a stored result to its payment.
func (n *node) conclusionOf(
	ctx context.Context, hash lnkeep.PaymentHash, attempt *lnkeep.Attempt,
) (lnkeep.Operation, error) {
	if attempt.Result.Kind == lnkeep.ResultSettle {
		return n.payments.OpSettle(hash, attempt.Key, lnkeep.AttemptSettle{
			Preimage: attempt.Result.Preimage, Time: time.Now(),
		}), nil
	}
	failure, final := failureOf(*attempt.Result)
	if final {
		// The payment first, so that nobody makes another attempt in between.
		reason := lnkeep.FailureReasonIncorrectPaymentDetails
		if _, err := n.fail(ctx, hash, reason); err != nil {
			return lnkeep.Operation{}, err
		}
	}
	return n.payments.OpFailAttempt(hash, attempt.Key, failure), nil
}

// fail gives a payment up.
func (n *node) fail(
	ctx context.Context, hash lnkeep.PaymentHash, reason lnkeep.FailureReason,
) (*lnkeep.Payment, error) {
	payment, _, err := change(ctx, func() (*lnkeep.Payment, lnkeep.Outcome, error) {
		return n.payments.Fail(ctx, hash, reason)
	})
	return n.after(ctx, "give up", hash, payment, err)
}

func (n *node) failAttempt(
	ctx context.Context, hash lnkeep.PaymentHash, key lnkeep.Key, failure lnkeep.AttemptFailure,
) (*lnkeep.Payment, error) {
	payment, _, err := change(ctx, func() (*lnkeep.Payment, lnkeep.Outcome, error) {
		return n.payments.FailAttempt(ctx, hash, key, failure)
	})
	return n.after(ctx, "fail attempt", hash, payment, err)
}

// after is the payment after a call, fetched when the call did not answer it. A call that was
// refused had been overtaken by a result, or could not be made: the payment is then as it stands,
// and what was not done is found again after the next start.
func (n *node) after(
	ctx context.Context, what string, hash lnkeep.PaymentHash, payment *lnkeep.Payment, err error,
) (*lnkeep.Payment, error) {
	if err == nil && payment != nil || err != nil && !notApplied(err) {
		return payment, err
	}
	if err != nil && !overtaken(err) {
		complain(what, err)
	}
	return n.fetch(ctx, hash)
}

func (n *node) fetch(ctx context.Context, hash lnkeep.PaymentHash) (*lnkeep.Payment, error) {
	return again(ctx, func() (*lnkeep.Payment, error) { return n.payments.Fetch(hash) })
}

// refresh learns the payment as it stands.
func (p *payer) refresh(ctx context.Context) error {
	payment, err := p.fetch(ctx, p.payment.Hash())
	if err == nil {
		p.learn(payment)
	}
	return err
}

// failureOf is a failure as the payment keeps it, and whether it is final: the receiver refused, so
// that no other route will do. A node knows by which hop's key it could decrypt the failure where
// it comes from; here the receiver's two failures tell.
func failureOf(result lnkeep.Result) (failure lnkeep.AttemptFailure, final bool) {
	failure = lnkeep.AttemptFailure{Reason: lnkeep.AttemptFailureMessage, Time: time.Now()}
	if result.Unencrypted {
		failure.Reason, failure.Message = lnkeep.AttemptFailureInternal, result.Message
		return failure, false
	}
	msg, err := wire.ParseFailure(result.Message)
	if err == nil {
		failure.Message, err = encodeFailure(msg)
	}
	if err != nil {
		failure.Reason = lnkeep.AttemptFailureUnreadable
		return failure, false
	}
	switch msg.Code() {
	case lnwire.CodeIncorrectOrUnknownPaymentDetails:
		failure.SourceIndex, final = hops, true
	case lnwire.CodeMPPTimeout:
		failure.SourceIndex = hops
	default:
		failure.SourceIndex = 1
	}
	return failure, final
}

// isOfRoute reports whether an attempt failed for its route, and not for a restart of this node or
// for want of the other parts.
func isOfRoute(failure *lnkeep.AttemptFailure) bool {
	if failure == nil {
		return false
	}
	msg, err := lnwire.DecodeFailureMessage(bytes.NewReader(failure.Message), 0)
	return err == nil && msg.Code() == lnwire.CodeTemporaryChannelFailure
}

// encodeFailure is how this node keeps failures: as BOLT 4 does, without padding.
func encodeFailure(failure lnwire.FailureMessage) ([]byte, error) {
	var message bytes.Buffer
	err := lnwire.EncodeFailureMessage(&message, failure, 0)
	return message.Bytes(), err
}
