package lnkeep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
)

// nextState is what a subscription to payments has next, as the library counts it.
type nextState uint32

const (
	nextWaiting nextState = 0
	nextPayment nextState = 1
	nextMissed  nextState = 2
	nextClosed  nextState = 3
)

// PaymentSubscription follows a payment, or all of them. It lives in memory: a restart forgets it, and what
// lasts are the events of OpenEvents. Close it. Safe for concurrent use; of several goroutines that take
// each gets other payments.
type PaymentSubscription struct {
	shared *sharedPayments
	core   *core
	waiter *paymentWaiter
	closed atomic.Bool
	once   sync.Once
	result error
	alarm  runtime.Cleanup
}

// Subscribe follows a payment: its present state first, then every change once, until it ended or was
// deleted. No change committed during the call is missed or told twice. What is not taken waits in memory,
// up to 1,024 changes.
//
// Errors: ErrPaymentNotInitiated, ErrCorruptRecord; ErrBusy when too many are open; ErrClosed, ErrPoisoned.
func (p *Payments) Subscribe(hash PaymentHash) (*PaymentSubscription, error) {
	return p.subscribe(&hash, "payment "+hash.String())
}

// SubscribeAll follows all payments: the unfinished ones first, by sequence number, then every change of
// every payment once. It ends only with Close.
//
// Errors: ErrBusy when too many are open; ErrClosed, ErrPoisoned.
func (p *Payments) SubscribeAll() (*PaymentSubscription, error) {
	return p.subscribe(nil, "all payments")
}

func (p *Payments) subscribe(hash *PaymentHash, name string) (*PaymentSubscription, error) {
	if err := p.refuse("subscribe"); err != nil {
		return nil, err
	}
	waiter, err := p.shared.subscribe(hash)
	if err != nil {
		return nil, err
	}
	s := &PaymentSubscription{shared: p.shared, core: p.core, waiter: waiter}
	s.alarm = setAlarm(s, p.core, 3, "PaymentSubscription", name)
	return s, nil
}

// Next waits for the next state of a payment. It gives io.EOF when the payment ended or was deleted and all
// its states were taken, ErrClosed when the subscription, the payments or the store were closed, and
// ErrTruncated once when states were dropped because nobody took them: Missed counts them, and the next
// call goes on with the oldest that is left. A context that ends gives ErrCanceled, and nothing is lost.
func (s *PaymentSubscription) Next(ctx context.Context) (*Payment, error) {
	if err := ctx.Err(); err != nil {
		return nil, canceled("next", err)
	}
	for {
		payment, taken, err := s.take()
		if taken || err != nil {
			return payment, err
		}
		select {
		case <-s.waiter.news:
		case <-ctx.Done():
			return nil, canceled("next", ctx.Err())
		}
	}
}

// TryNext is Next without waiting: nil without an error when there is nothing yet.
func (s *PaymentSubscription) TryNext() (*Payment, error) {
	payment, _, err := s.take()
	return payment, err
}

// All gives the states of Next until there are no more. ErrTruncated comes with a nil payment, and the
// visit goes on; any other error but io.EOF is given last.
func (s *PaymentSubscription) All(ctx context.Context) iter.Seq2[*Payment, error] {
	return func(yield func(*Payment, error) bool) {
		for {
			payment, err := s.Next(ctx)
			if err == io.EOF || !yield(payment, err) || err != nil && !errors.Is(err, ErrTruncated) {
				return
			}
		}
	}
}

// Missed counts states that were dropped because nobody took them, as far as Next has told of it.
func (s *PaymentSubscription) Missed() uint64 { return s.waiter.missed.Load() }

// Close ends the subscription; what was not taken is dropped. Calling it again gives the same answer and
// does nothing else.
func (s *PaymentSubscription) Close() error {
	s.alarm.Stop()
	s.once.Do(func() {
		s.closed.Store(true)
		s.result = s.shared.unsubscribe(s.waiter)
	})
	return s.result
}

// take is what the subscription has next, and whether there was anything.
func (s *PaymentSubscription) take() (payment *Payment, taken bool, _ error) {
	if err := s.refuse(); err != nil {
		// One ring wakes one goroutine, and each of them has to know.
		s.waiter.ring()
		return nil, false, err
	}
	state, payment, missed, err := cPaymentsNext(s.shared.handle, s.waiter.id)
	if err == nil && state == nextWaiting {
		return nil, false, nil
	}
	// The library names the subscription again only when it was read empty, so that another goroutine that
	// waits for it has to be woken from here.
	s.waiter.ring()
	switch {
	case err != nil:
		return nil, false, err
	case state == nextPayment:
		return payment, true, nil
	case state == nextMissed:
		s.waiter.missed.Add(missed)
		return nil, false, refusal("next", StatusTruncated,
			fmt.Sprintf("%d states of payments were dropped because nobody took them; take sooner", missed))
	}
	if err := s.refuse(); err != nil {
		return nil, false, err
	}
	return nil, false, io.EOF
}

// refuse answers for a subscription that was closed, itself or with what it belongs to.
func (s *PaymentSubscription) refuse() *Error {
	switch {
	case s.core.closed.Load():
		return closed("next", "store")
	case s.closed.Load():
		return closed("next", "subscription")
	case s.shared.closing.Load():
		return closed("next", "value of Payments")
	}
	return nil
}
