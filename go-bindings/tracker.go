package lnkeep

import "sync"

// sharedAttempts is the one handle on a store's attempts that all values of Attempts share, with the one
// goroutine that learns which subscriptions are ready.
//
// T1 a waiter is known here before its subscription can be told ready: both happen under mu.
// T2 a waiter's channel is closed once: when its subscription is ready, was cancelled, or never will be.
type sharedAttempts struct {
	handle  uint64
	options AttemptsOptions
	// users counts open values of Attempts; guarded by core.mu.
	users int

	mu      sync.Mutex
	bell    *doorbell
	stopped chan struct{}
	waiters map[uint64]*waiter
	closing bool
}

// waiter is a subscription as its goroutine knows it.
type waiter struct {
	id    uint64
	ready chan struct{}
	told  bool
}

func (w *waiter) tell() {
	if !w.told {
		w.told = true
		close(w.ready)
	}
}

func (s *sharedAttempts) subscribe(key Key, known bool) (*waiter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil, closed("subscribe", "value of Attempts")
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	id, err := cSubscribe(s.handle, key, known)
	if err != nil {
		return nil, err
	}
	w := &waiter{id: id, ready: make(chan struct{})}
	s.waiters[id] = w
	return w, nil
}

// start makes the goroutine with the first subscription; mu is held, so that close waits.
func (s *sharedAttempts) start() error {
	if s.bell != nil {
		return nil
	}
	descriptor, err := cReadyDescriptor(s.handle)
	if err != nil {
		return err
	}
	if s.bell, err = newDoorbell("subscribe", descriptor); err != nil {
		return err
	}
	s.waiters = map[uint64]*waiter{}
	s.stopped = make(chan struct{})
	go s.loop(s.bell)
	return nil
}

func (s *sharedAttempts) loop(bell *doorbell) {
	defer close(s.stopped)
	buffer := make([]uint64, 256)
	for {
		n := 0
		var failure error
		err := bell.wait(func() bool {
			n, failure = cReady(s.handle, buffer)
			return n > 0 || failure != nil
		})
		s.mu.Lock()
		if err != nil || failure != nil {
			s.tellAll()
			s.mu.Unlock()
			return
		}
		for _, id := range buffer[:n] {
			if w := s.waiters[id]; w != nil {
				w.tell()
			}
		}
		s.mu.Unlock()
	}
}

func (s *sharedAttempts) tellAll() {
	for _, w := range s.waiters {
		w.tell()
	}
}

func (s *sharedAttempts) unsubscribe(w *waiter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiters, w.id)
	w.tell()
	if s.closing {
		return nil
	}
	// A subscription that was cancelled with all others is not open any more, which is fine.
	err := cUnsubscribe(s.handle, w.id)
	if e, _ := err.(*Error); e != nil && (e.Code == StatusNotFound || isClosed(err)) {
		return nil
	}
	return err
}

// unsubscribeAll wakes everybody: those that are not ready find their subscriptions closed.
func (s *sharedAttempts) unsubscribeAll() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := cUnsubscribeAll(s.handle)
	if err == nil {
		s.tellAll()
	}
	return err
}

// close cancels what waits and gives the handle back.
func (s *sharedAttempts) close() error {
	s.mu.Lock()
	s.closing = true
	bell := s.bell
	for id := range s.waiters {
		_ = cUnsubscribe(s.handle, id)
	}
	s.tellAll()
	s.mu.Unlock()
	if bell != nil {
		bell.close()
		<-s.stopped
	}
	return cAttemptsClose(s.handle)
}
