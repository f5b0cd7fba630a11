package lnkeep

import (
	"context"
	"sync"
)

// Submission is operations that were accepted and whose outcomes come later. Safe for concurrent use.
type Submission struct {
	ops      []Operation
	outcomes []Outcome
	missing  int
	done     chan struct{}
	lost     *Error
}

// Done is closed when the outcomes are there.
func (s *Submission) Done() <-chan struct{} { return s.done }

// Wait waits for the outcomes, one per operation, and tells the error as Submit does. A context that
// ends first gives ErrUnknown: the operations go on, and Wait may be called again.
func (s *Submission) Wait(ctx context.Context) ([]Outcome, error) {
	select {
	case <-s.done:
	case <-ctx.Done():
		select {
		case <-s.done:
		default:
			err := abandoned("submit", ctx.Err())
			return failAll(len(s.ops), err), err
		}
	}
	outcomes := append([]Outcome(nil), s.outcomes...)
	if s.lost != nil {
		return outcomes, s.lost
	}
	return outcomes, worst(outcomes)
}

// SubmitAsync accepts operations as Submit does and returns at once; nothing is durable yet then.
//
// Errors: ErrBusy when 65,536 operations are open, the queue is full, or there is no memory for what will be
// answered; ErrTooBig, ErrPoisoned, ErrInvalidArgument, also for no operations at all; ErrClosed. Then none
// will be applied.
func (s *Store) SubmitAsync(ops ...Operation) (*Submission, error) { return s.submitAsync(ops, false) }

// SubmitAsyncAtomic is SubmitAsync of a group of which all or none is applied.
func (s *Store) SubmitAsyncAtomic(ops ...Operation) (*Submission, error) {
	return s.submitAsync(ops, true)
}

func (s *Store) submitAsync(ops []Operation, atomic bool) (*Submission, error) {
	if len(ops) > OperationsMax {
		return nil, tooMany(len(ops))
	}
	var async *asynchronous
	err := s.core.child("submit", func() (err error) {
		if s.core.async == nil {
			s.core.async, err = newAsynchronous(s.core.handle)
		}
		async = s.core.async
		return err
	})
	if err != nil {
		return nil, err
	}
	return async.submit(ops, atomic)
}

// completion is one outcome as the library gives it.
type completion struct {
	cookie  uint64
	index   int
	outcome rawOutcome
}

// asynchronous matches outcomes with their submissions, in one goroutine that the doorbell wakes.
type asynchronous struct {
	handle  uint64
	bell    *doorbell
	stopped chan struct{}

	mu      sync.Mutex
	cookie  uint64
	open    map[uint64]*Submission
	closing bool
}

func newAsynchronous(handle uint64) (*asynchronous, error) {
	descriptor, err := cCompletionsDescriptor(handle)
	if err != nil {
		return nil, err
	}
	bell, err := newDoorbell("submit", descriptor)
	if err != nil {
		return nil, err
	}
	a := &asynchronous{handle: handle, bell: bell, stopped: make(chan struct{}), open: map[uint64]*Submission{}}
	go a.loop()
	return a, nil
}

func (a *asynchronous) submit(ops []Operation, atomic bool) (*Submission, error) {
	submission := &Submission{
		ops: append([]Operation(nil), ops...), outcomes: make([]Outcome, len(ops)), missing: len(ops),
		done: make(chan struct{}),
	}
	a.mu.Lock()
	if a.closing {
		a.mu.Unlock()
		return nil, closed("submit", "store")
	}
	a.cookie++
	cookie := a.cookie
	a.open[cookie] = submission
	// Under the lock, so that close sees either no submission or one that the library has accepted.
	err := cSubmitAsync(a.handle, pointers(nil, submission.ops), atomic, cookie)
	if err != nil {
		delete(a.open, cookie)
	}
	a.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return submission, nil
}

func (a *asynchronous) loop() {
	defer close(a.stopped)
	buffer := make([]completion, 256)
	for {
		taken := 0
		var failure error
		err := a.bell.wait(func() bool {
			taken, failure = cCompletionsTake(a.handle, buffer)
			return taken > 0 || failure != nil
		})
		if err != nil || failure != nil {
			return
		}
		a.deliver(buffer[:taken])
	}
}

func (a *asynchronous) deliver(completions []completion) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range completions {
		c := &completions[i]
		submission := a.open[c.cookie]
		if submission == nil || c.index >= len(submission.outcomes) {
			continue
		}
		submission.outcomes[c.index] = c.outcome.of(&submission.ops[c.index], noDetail)
		submission.missing--
		if submission.missing == 0 {
			delete(a.open, c.cookie)
			close(submission.done)
		}
	}
}

// close waits until everything accepted is durable and answers it; what then has no answer is unknown.
func (a *asynchronous) close() {
	a.mu.Lock()
	a.closing = true
	a.mu.Unlock()
	_ = cStoreSync(a.handle)
	a.bell.close()
	<-a.stopped
	buffer := make([]completion, 256)
	for {
		taken, err := cCompletionsTake(a.handle, buffer)
		if err != nil || taken == 0 {
			break
		}
		a.deliver(buffer[:taken])
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for cookie, submission := range a.open {
		submission.lost = refusal("submit", StatusUnknown, "the store was closed before the answer came; "+
			"open it again and repeat with the same identifiers")
		copy(submission.outcomes, failAll(len(submission.outcomes), submission.lost))
		delete(a.open, cookie)
		close(submission.done)
	}
}
