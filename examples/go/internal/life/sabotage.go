package life

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// The names of the negative controls. Each is a mistake that a host could make: the demo must
// find it, or its figures mean nothing. Nothing to start from.
const (
	// SabotageInit takes "accepted" for "durable" and tells the client that a payment is
	// initiated before the commit: a kill forgets it.
	SabotageInit = "init"
	// SabotageAlready dispatches what an earlier life registered.
	SabotageAlready = "already"
	// SabotageMark lets messages leave before they are committed, with the mark of the HTLC: recovery
	// rolls it back, and the channel forgets it.
	SabotageMark = "mark"
	// SabotageResult lets the peer forget before the result is durable.
	SabotageResult = "result"
	// SabotageAnew takes what was out at a restart for failed and pays anew, as another request.
	SabotageAnew = "anew"
	// SabotageKey gives lnkeep no idempotency key: it cannot tell a repeat from another request.
	SabotageKey = "key"
	// SabotageApart stores the manager in one commit and the channel in another, without what is in
	// flight: a kill in between leaves two that do not belong together.
	SabotageApart = "apart"
	// SabotageNotice acknowledges a notice before the client has it: a kill in between loses it.
	SabotageNotice = "notice"
	// SabotageReconcile forwards after a restart without telling lnkeep which HTLCs are still out.
	SabotageReconcile = "reconcile"
	// SabotageJournal opens the resources without their journal, as a simulation does.
	SabotageJournal = "journal"
)

// Sabotages are the negative controls, each with what the node then does.
func Sabotages() map[string]string {
	return map[string]string{
		SabotageInit:      "says that a payment is initiated before that is durable",
		SabotageAlready:   "dispatches again what an earlier life registered",
		SabotageMark:      "sends the HTLC before mark and channel are durable",
		SabotageResult:    "lets the peer forget before the result is durable",
		SabotageAnew:      "pays anew after a restart instead of resuming",
		SabotageKey:       "initiates payments without an idempotency key",
		SabotageApart:     "stores its channel and its manager in two commits",
		SabotageNotice:    "acknowledges notices before they are told",
		SabotageReconcile: "forwards after a restart without reconciling",
		SabotageJournal:   "keeps forwarding decisions in memory alone",
	}
}

// sabotage replaces one step by a wrong one.
func (n *node) sabotage(name string) error {
	switch name {
	case "":
	case SabotageInit:
		n.steps.init = n.initEarly
	case SabotageAlready:
		n.steps.resume = n.resumeBlind
	case SabotageMark:
		n.channel.flaws.sendsEarly = true
		// lnkeep notices a host whose HTLCs leave without a mark and then does not decide by
		// marks. This host says that it knows better: there are no circuits.
		n.recover.CircuitsComplete = true
	case SabotageResult:
		n.steps.storeResult = n.storeResultEarly
	case SabotageAnew:
		n.steps.resume = n.forget
		n.steps.init = n.initAnew
	case SabotageKey:
		n.steps.init = n.initWithoutKey
	case SabotageApart:
		n.channel.flaws.commitsApart = true
	case SabotageNotice:
		n.channel.flaws.acknowledgesEarly = true
	case SabotageReconcile:
		n.forwards.forgetsToReconcile = true
	case SabotageJournal:
		n.forwards.options.WithoutJournal = true
	default:
		return fmt.Errorf("no step %q to break", name)
	}
	return nil
}

func (n *node) initEarly(
	ctx context.Context, init lnkeep.PaymentInit,
) (*lnkeep.Payment, lnkeep.Outcome, error) {
	_, err := n.payments.Fetch(init.Hash)
	if !errors.Is(err, lnkeep.ErrPaymentNotInitiated) {
		return n.payments.Init(ctx, init)
	}
	outcome, err := n.submitEarly(n.payments.OpInit(init))
	return &lnkeep.Payment{
		Init: init, Status: lnkeep.PaymentInitiated, RemainingMsat: init.AmountMsat,
	}, outcome, err
}

// resumeBlind takes "registered" for "not sent yet".
func (n *node) resumeBlind(
	ctx context.Context, options lnkeep.ResumeOptions,
) (lnkeep.Resumption, error) {
	resumption, err := n.payments.Resume(ctx, options)
	for payment, listErr := range n.payments.Unfinished() {
		if listErr != nil {
			return resumption, errors.Join(err, listErr)
		}
		for _, attempt := range payment.Attempts {
			over, getErr := n.attempts.HasResult(attempt.Request.Key)
			if err = errors.Join(err, getErr); !over {
				err = errors.Join(err, n.peer.Send(addOf(payment.Hash(), attempt.Request)))
			}
		}
	}
	return resumption, err
}

// storeResultEarly lets the peer forget as well.
func (n *node) storeResultEarly(
	ctx context.Context, key lnkeep.Key, result lnkeep.Result,
) (lnkeep.Outcome, error) {
	op := n.attempts.OpStoreResult(key, result)
	outcome, err := n.submitEarly(op)
	if err != nil {
		return outcome, err
	}
	n.channel.mu.Lock()
	forget, err := wire.Forget(key.ID, n.channel.state.Number)
	if err == nil {
		err = n.peer.Send(forget)
	}
	n.channel.mu.Unlock()
	return outcome, errors.Join(err, n.store.Sync(ctx))
}

// submitEarly is Done as soon as the operation is queued.
func (n *node) submitEarly(op lnkeep.Operation) (lnkeep.Outcome, error) {
	if _, err := n.store.SubmitAsync(op); err != nil {
		return lnkeep.Outcome{Err: err}, err
	}
	return lnkeep.Outcome{Done: true}, nil
}

// forget fails whatever is unfinished. lnkeep does that only for an operator who insists.
func (n *node) forget(
	ctx context.Context, _ lnkeep.ResumeOptions,
) (lnkeep.Resumption, error) {
	failure := lnkeep.AttemptFailure{Reason: lnkeep.AttemptFailureInternal}
	for payment, err := range n.payments.Unfinished() {
		if err != nil {
			return lnkeep.Resumption{}, err
		}
		hash := payment.Hash()
		for _, attempt := range payment.Attempts {
			if attempt.State == lnkeep.PaymentAttemptInFlight {
				_, _, err = n.payments.ForceFail(ctx, hash, attempt.Request.Key, failure, "restart")
				if err != nil && !notApplied(err) {
					return lnkeep.Resumption{}, err
				}
			}
		}
		_, _, err = n.payments.Fail(ctx, hash, lnkeep.FailureReasonError)
		if err != nil && !notApplied(err) {
			return lnkeep.Resumption{}, err
		}
	}
	return lnkeep.Resumption{}, nil
}

// initAnew makes another request of a repeated one.
func (n *node) initAnew(
	ctx context.Context, init lnkeep.PaymentInit,
) (*lnkeep.Payment, lnkeep.Outcome, error) {
	epoch := n.store.Report().Epoch
	init.IdempotencyKey = binary.BigEndian.AppendUint64(init.IdempotencyKey, epoch)
	return n.payments.Init(ctx, init)
}

func (n *node) initWithoutKey(
	ctx context.Context, init lnkeep.PaymentInit,
) (*lnkeep.Payment, lnkeep.Outcome, error) {
	init.IdempotencyKey = nil
	return n.payments.Init(ctx, init)
}
