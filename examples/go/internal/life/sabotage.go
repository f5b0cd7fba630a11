package life

import (
	"context"
	"errors"
	"fmt"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// The names of the negative controls. Each is a mistake that a host could make: the demo must
// find it, or its figures mean nothing. Nothing to start from.
const (
	// SabotageInit takes "accepted" for "durable" and tells the client that an attempt is
	// registered before the commit: a kill forgets it.
	SabotageInit = "init"
	// SabotageAlready dispatches although Init answered Already.
	SabotageAlready = "already"
	// SabotageMark lets the HTLC leave before its mark is durable: recovery rolls it back.
	SabotageMark = "mark"
	// SabotageResult lets the peer forget before the result is durable.
	SabotageResult = "result"
)

// Sabotages are the negative controls, each with what the node then does.
func Sabotages() map[string]string {
	return map[string]string{
		SabotageInit:    "says that an attempt is registered before that is durable",
		SabotageAlready: "dispatches an attempt that was registered before",
		SabotageMark:    "sends the HTLC before the mark is durable",
		SabotageResult:  "lets the peer forget before the result is durable",
	}
}

// sabotage replaces one step by a wrong one.
func (n *node) sabotage(name string) error {
	switch name {
	case "":
	case SabotageInit:
		n.steps.init = n.initEarly
	case SabotageAlready:
		n.steps.init = n.initBlind
	case SabotageMark:
		n.steps.mark = n.markEarly
		// lnkeep notices a host whose HTLCs leave without a mark and then does not decide by
		// marks. This host says that it knows better: there are no circuits.
		n.recover.CircuitsComplete = true
	case SabotageResult:
		n.steps.storeResult = n.storeResultEarly
	default:
		return fmt.Errorf("no step %q to break", name)
	}
	return nil
}

func (n *node) initEarly(_ context.Context, request lnkeep.Request) (lnkeep.Outcome, error) {
	_, err := n.attempts.Get(request.Key)
	switch {
	case err == nil:
		return lnkeep.Outcome{Already: true, Code: lnkeep.StatusAlreadyExists}, nil
	case !errors.Is(err, lnkeep.ErrNotFound):
		return lnkeep.Outcome{}, err
	}
	return n.submitEarly(n.attempts.OpInit(request))
}

func (n *node) initBlind(ctx context.Context, request lnkeep.Request) (lnkeep.Outcome, error) {
	outcome, err := n.attempts.Init(ctx, request)
	// The code stays the true one: what the client is told is right, what is done is wrong.
	outcome.Done = outcome.Done || outcome.Already
	return outcome, err
}

func (n *node) markEarly(_ context.Context, key lnkeep.Key) (lnkeep.Outcome, error) {
	return n.submitEarly(n.attempts.OpMarkHandedOff(key))
}

func (n *node) storeResultEarly(
	_ context.Context, key lnkeep.Key, result lnkeep.Result,
) (lnkeep.Outcome, error) {
	return n.submitEarly(n.attempts.OpStoreResult(key, result))
}

// submitEarly is Done as soon as the operation is queued.
func (n *node) submitEarly(op lnkeep.Operation) (lnkeep.Outcome, error) {
	if _, err := n.store.SubmitAsync(op); err != nil {
		return lnkeep.Outcome{Err: err}, err
	}
	return lnkeep.Outcome{Done: true}, nil
}
