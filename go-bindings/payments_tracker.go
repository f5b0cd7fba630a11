package lnkeep

import (
	"errors"
	"sync"
	"sync/atomic"
)

// sharedPayments is the one handle on a store's payments that all values of Payments share, with the one
// goroutine that learns which subscriptions have news.
//
// N1 a waiter is known here before anybody takes from its subscription, so that a ring before that is
// no loss: whoever takes looks before it waits.
// N2 a ring that nobody waits for stays in the waiter's channel, and stands for any number of rings.
type sharedPayments struct {
	handle  uint64
	options PaymentsOptions
	// users counts open values of Payments; guarded by core.mu.
	users   int
	closing atomic.Bool

	mu      sync.Mutex
	bell    *doorbell
	stopped chan struct{}
	waiters map[uint64]*paymentWaiter
}

// paymentWaiter is a subscription as its goroutine knows it.
type paymentWaiter struct {
	id     uint64
	news   chan struct{}
	missed atomic.Uint64
}

func (w *paymentWaiter) ring() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// subscribe makes the subscription outside of mu, since one of all payments reads all unfinished ones.
func (s *sharedPayments) subscribe(hash *PaymentHash) (*paymentWaiter, error) {
	if err := s.start(); err != nil {
		return nil, err
	}
	id, err := cPaymentsSubscribe(s.handle, hash)
	if err != nil {
		return nil, err
	}
	w := &paymentWaiter{id: id, news: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		// The handle takes the subscription with it.
		return nil, closed("subscribe", "value of Payments")
	}
	s.waiters[id] = w
	return w, nil
}

// start makes the goroutine with the first subscription.
func (s *sharedPayments) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		return closed("subscribe", "value of Payments")
	}
	if s.bell != nil {
		return nil
	}
	descriptor, err := cPaymentsReadyDescriptor(s.handle)
	if err != nil {
		return err
	}
	if s.bell, err = newDoorbell("subscribe", descriptor); err != nil {
		s.bell = nil
		return err
	}
	s.waiters = map[uint64]*paymentWaiter{}
	s.stopped = make(chan struct{})
	go s.loop(s.bell)
	return nil
}

func (s *sharedPayments) loop(bell *doorbell) {
	defer close(s.stopped)
	buffer := make([]uint64, 256)
	for {
		n := 0
		var failure error
		err := bell.wait(func() bool {
			n, failure = cPaymentsReady(s.handle, buffer)
			return n > 0 || failure != nil
		})
		s.mu.Lock()
		if err != nil || failure != nil {
			s.ringAll()
			s.mu.Unlock()
			return
		}
		for _, id := range buffer[:n] {
			if w := s.waiters[id]; w != nil {
				w.ring()
			}
		}
		s.mu.Unlock()
	}
}

func (s *sharedPayments) ringAll() {
	for _, w := range s.waiters {
		w.ring()
	}
}

func (s *sharedPayments) unsubscribe(w *paymentWaiter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiters, w.id)
	w.ring()
	if s.closing.Load() {
		return nil
	}
	err := cPaymentsUnsubscribe(s.handle, w.id)
	if errors.Is(err, ErrNotFound) || isClosed(err) {
		return nil
	}
	return err
}

// close ends the subscriptions and gives the handle back.
func (s *sharedPayments) close() error {
	s.mu.Lock()
	s.closing.Store(true)
	bell := s.bell
	s.ringAll()
	s.mu.Unlock()
	if bell != nil {
		bell.close()
		<-s.stopped
	}
	return cPaymentsClose(s.handle)
}
