package life

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// errGone: a connection ended in the middle. What was sent may have arrived or not; the marks
// are durable, so that the next life can ask the peer.
var errGone = errors.New("the connection is gone")

func gone(who string, err error) error { return fmt.Errorf("%s: %w: %w", who, errGone, err) }

// MustRestart reports whether the node cannot go on and its next life can: the contract of
// lnkeep after UNKNOWN ("open the store again and repeat the call with the SAME identifier")
// and FATAL in its simplest form. The next life recovers, and the client repeats every order it
// knows no end of. Nothing false was told to anybody, because answers are given only after
// Done or Already.
func MustRestart(err error) bool {
	return errors.Is(err, lnkeep.ErrUnknown) || errors.Is(err, lnkeep.ErrFatal) ||
		errors.Is(err, errGone)
}

const (
	retryPauseMax = 50 * time.Millisecond
	retryWaitMax  = 5 * time.Second
)

// again repeats a call while it answers an error of class RETRY, "not applied, the same call
// may succeed later", or ErrNotDurable, "applied in memory, waits for the disk", with growing pauses.
// When it gives up the error is still such a one.
func again[T any](ctx context.Context, call func() (T, error)) (T, error) {
	deadline := time.Now().Add(retryWaitMax)
	for pause := time.Millisecond; ; pause = min(2*pause, retryPauseMax) {
		value, err := call()
		waits := errors.Is(err, lnkeep.ErrRetry) || errors.Is(err, lnkeep.ErrNotDurable)
		if !waits || time.Now().After(deadline) {
			return value, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return value, err
		}
	}
}

// change is again for a call that changes a payment.
func change(
	ctx context.Context, call func() (*lnkeep.Payment, lnkeep.Outcome, error),
) (payment *lnkeep.Payment, outcome lnkeep.Outcome, err error) {
	payment, err = again(ctx, func() (payment *lnkeep.Payment, err error) {
		payment, outcome, err = call()
		return payment, err
	})
	return payment, outcome, err
}

// notApplied reports whether an error says that nothing was applied: class REFUSED or RETRY.
// After any other one this life ends.
func notApplied(err error) bool {
	return errors.Is(err, lnkeep.ErrRefused) || errors.Is(err, lnkeep.ErrRetry)
}

// overtaken reports whether an error says that a result came first: a payment of which a part
// settled, or that was given up, takes no more attempts, and one that ended no more changes.
func overtaken(err error) bool {
	return errors.Is(err, lnkeep.ErrPaymentPendingSettled) ||
		errors.Is(err, lnkeep.ErrPaymentPendingFailed) ||
		errors.Is(err, lnkeep.ErrPaymentAlreadySucceeded) ||
		errors.Is(err, lnkeep.ErrPaymentAlreadyFailed)
}
