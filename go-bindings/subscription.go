package lnkeep

import (
	"context"
	"runtime"
	"sync"
)

// PollState is what a subscription has.
type PollState uint32

// The states of a subscription.
const (
	// PollWaiting: no final result yet.
	PollWaiting PollState = 0
	// PollResult: the result is given out by this call.
	PollResult PollState = 1
	// PollDone: the result was given out before.
	PollDone PollState = 2
	// PollClosed: cancelled, shut down, or never to be served.
	PollClosed PollState = 3
)

// String is a name such as "waiting", or the number of a state this version does not know.
func (s PollState) String() string {
	return named(uint32(s), "poll state", "waiting", "result", "done", "closed")
}

// Subscription waits for the first final result of an attempt that is written while it is open, or that
// was there before. It lives in memory: a restart forgets it. Close it. Safe for concurrent use; of
// several goroutines that poll or wait one gets the result.
type Subscription struct {
	shared *sharedAttempts
	waiter *waiter
	key    Key
	once   sync.Once
	result error
	alarm  runtime.Cleanup
}

// WaitResult waits for the final result of a registered attempt. Any number of goroutines may wait; all
// of them together need one goroutine of the package and no thread.
//
// Errors: ErrNotFound, ErrDeleted, ErrCorruptRecord at once; the context's error when it ends, which
// changes nothing: wait again; ErrClosed when attempts or store are closed, or on UnsubscribeAll;
// ErrBusy when too many wait.
func (a *Attempts) WaitResult(ctx context.Context, key Key) (Result, error) {
	if err := a.core.refuse(ctx, "wait result"); err != nil {
		return Result{}, err
	}
	if err := a.refuse("wait result"); err != nil {
		return Result{}, err
	}
	w, err := a.shared.subscribe(key, true)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = a.shared.unsubscribe(w) }()
	return a.shared.wait(ctx, w, key)
}

// Subscribe waits for an attempt's result, also for one that is not registered yet. No result committed
// during the call is missed.
//
// Errors: ErrBusy when too many are open; ErrClosed, ErrPoisoned.
func (a *Attempts) Subscribe(key Key) (*Subscription, error) { return a.subscribe(key, false) }

// SubscribeKnown is Subscribe for an attempt that must be registered.
//
// Errors: those of Subscribe; ErrNotFound, ErrDeleted, ErrCorruptRecord.
func (a *Attempts) SubscribeKnown(key Key) (*Subscription, error) { return a.subscribe(key, true) }

func (a *Attempts) subscribe(key Key, known bool) (*Subscription, error) {
	if err := a.refuse("subscribe"); err != nil {
		return nil, err
	}
	w, err := a.shared.subscribe(key, known)
	if err != nil {
		return nil, err
	}
	s := &Subscription{shared: a.shared, waiter: w, key: key}
	s.alarm = setAlarm(s, a.core, 3, "Subscription", "attempt "+key.String())
	return s, nil
}

// UnsubscribeAll cancels every subscription of the store's attempts that still waits, such as at
// shutdown; results that are ready can still be polled. Errors: ErrClosed.
func (a *Attempts) UnsubscribeAll() error {
	if err := a.refuse("unsubscribe all"); err != nil {
		return err
	}
	return a.shared.unsubscribeAll()
}

// Waiters is how many subscriptions wait for an attempt. Errors: ErrClosed.
func (a *Attempts) Waiters(key Key) (uint64, error) {
	if err := a.refuse("waiters"); err != nil {
		return 0, err
	}
	return cWaiters(a.shared.handle, key)
}

// Key is the key of the attempt that is waited for.
func (s *Subscription) Key() Key { return s.key }

// Ready is closed when Poll has something else to say than PollWaiting. A subscription that is closed
// from its start, because its attempt was deleted, is not told; Wait finds out at once.
func (s *Subscription) Ready() <-chan struct{} { return s.waiter.ready }

// Poll is what the subscription has, without waiting. The result is set with PollResult.
// Errors: none but ErrInternal; a closed subscription, also of a closed store, is PollClosed.
func (s *Subscription) Poll() (PollState, Result, error) { return s.shared.poll(s.waiter) }

// Wait waits for the result. It is given out once: ErrNotFound when it was given out before, ErrClosed
// when the subscription was closed or will never be served. A context that ends gives its error, and
// Wait may be called again.
func (s *Subscription) Wait(ctx context.Context) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, canceled("wait result", err)
	}
	return s.shared.wait(ctx, s.waiter, s.key)
}

// Close cancels the subscription; a result that was not taken is dropped. Calling it again gives the
// same answer and does nothing else.
func (s *Subscription) Close() error {
	s.alarm.Stop()
	s.once.Do(func() { s.result = s.shared.unsubscribe(s.waiter) })
	return s.result
}

func (s *sharedAttempts) poll(w *waiter) (PollState, Result, error) {
	state, result, err := cPoll(s.handle, w.id)
	if err != nil && isClosed(err) {
		return PollClosed, Result{}, nil
	}
	return state, result, err
}

func (s *sharedAttempts) wait(ctx context.Context, w *waiter, key Key) (Result, error) {
	for woken := false; ; woken = true {
		state, result, err := s.poll(w)
		switch {
		case err != nil:
			return Result{}, err
		case state == PollResult:
			return result, nil
		case state == PollDone:
			return Result{}, refusal("wait result", StatusNotFound,
				"attempt "+key.String()+": the result was given out before; read it with Result")
		case state == PollClosed || woken:
			return Result{}, refusal("wait result", StatusClosed,
				"attempt "+key.String()+": the subscription is closed; the attempt may go on")
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return Result{}, canceled("wait result", ctx.Err())
		}
	}
}
