package lnkeep

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// submitter is the one goroutine of a store that packs what concurrent callers ask into one call of C,
// so that a thousand callers hold one operating system thread and share commits.
//
// S1 a job is submitted once or withdrawn, never both: whoever moves its state first decides.
// S2 after close every job that was accepted is submitted; later ones are refused with ErrClosed.
// S3 a pack holds at most packMax operations, so that it never overfills the library's queue.
type submitter struct {
	handle  uint64
	packMax int
	direct  bool

	mu      sync.Mutex
	wake    sync.Cond
	waiting []*job
	closing bool
	stopped chan struct{}

	// Reused from pack to pack; only the goroutine touches them.
	pack     []*job
	ops      []*Operation
	outcomes []Outcome
}

// packBytesMax keeps a pack below the 4 MiB of one call: operations are 256 bytes and their messages.
const packBytesMax = 3 << 20

// job is one caller's operations.
type job struct {
	ops      []Operation
	outcomes []Outcome
	state    atomic.Int32
	done     chan struct{}
}

const (
	jobWaiting int32 = iota
	jobTaken
	jobWithdrawn
)

func newJob(ops ...Operation) *job {
	own := make([]Operation, len(ops))
	copy(own, ops)
	return &job{ops: own, outcomes: make([]Outcome, len(own)), done: make(chan struct{})}
}

func (j *job) bytes() int {
	total := 0
	for i := range j.ops {
		total += 256 + len(j.ops[i].message)
		if j.ops[i].payment != nil {
			total += j.ops[i].payment.payloadBytes()
		}
	}
	return total
}

func newSubmitter(handle uint64, options *StoreOptions) *submitter {
	s := &submitter{handle: handle, packMax: OperationsMax, direct: options.Direct, stopped: make(chan struct{})}
	if limit := options.QueueOperationsMax; limit > 0 && limit < OperationsMax {
		s.packMax = int(limit)
	}
	s.wake.L = &s.mu
	go s.loop()
	return s
}

// run waits until the job's outcomes are filled in; an error says that the job has none.
func (s *submitter) run(ctx context.Context, op string, j *job) *Error {
	if s.direct {
		return s.runHere(op, j)
	}
	if !s.put(j) {
		return closed(op, "store")
	}
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
	}
	if j.state.CompareAndSwap(jobWaiting, jobWithdrawn) {
		return canceled(op, ctx.Err())
	}
	select {
	case <-j.done:
		return nil
	default:
		return abandoned(op, ctx.Err())
	}
}

// runHere calls C on the caller's own thread.
func (s *submitter) runHere(op string, j *job) *Error {
	s.mu.Lock()
	closing := s.closing
	s.mu.Unlock()
	if closing {
		return closed(op, "store")
	}
	if len(j.ops) == 1 && j.ops[0].payment == nil {
		j.outcomes[0] = cAttemptsDo(&j.ops[0])
		return nil
	}
	// What the call says stands in every outcome.
	_ = cSubmit(s.handle, pointers(nil, j.ops), false, j.outcomes)
	return nil
}

func (s *submitter) put(j *job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.waiting = append(s.waiting, j)
	s.wake.Signal()
	return true
}

func (s *submitter) close() {
	s.mu.Lock()
	s.closing = true
	s.wake.Signal()
	s.mu.Unlock()
	<-s.stopped
}

func (s *submitter) loop() {
	defer close(s.stopped)
	for s.take() {
		packed := len(s.pack)
		s.submit()
		// Callers that were just answered often ask again at once. Without a turn for them the next pack
		// would be a small one, and most of them would wait for two commits.
		if s.queued() < packed {
			runtime.Gosched()
		}
	}
}

func (s *submitter) queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

// take waits for jobs and moves as many into the pack as one call may carry, at least one. It reports
// whether there are any; there are none once the submitter was closed.
func (s *submitter) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) == 0 {
		if s.closing {
			return false
		}
		s.wake.Wait()
	}
	clear(s.pack)
	s.pack = s.pack[:0]
	ops, bytes, taken := 0, 0, 0
	for _, j := range s.waiting {
		ops += len(j.ops)
		bytes += j.bytes()
		if taken > 0 && (ops > s.packMax || bytes > packBytesMax) {
			break
		}
		taken++
		if j.state.CompareAndSwap(jobWaiting, jobTaken) {
			s.pack = append(s.pack, j)
		}
	}
	rest := copy(s.waiting, s.waiting[taken:])
	clear(s.waiting[rest:])
	s.waiting = s.waiting[:rest]
	return true
}

// submit makes one call of C for the pack and answers its jobs.
func (s *submitter) submit() {
	clear(s.ops)
	s.ops = s.ops[:0]
	for _, j := range s.pack {
		s.ops = pointers(s.ops, j.ops)
	}
	if len(s.ops) == 0 {
		return
	}
	if cap(s.outcomes) < len(s.ops) {
		s.outcomes = make([]Outcome, max(len(s.ops), OperationsMax))
	}
	outcomes := s.outcomes[:len(s.ops)]
	err := cSubmit(s.handle, s.ops, false, outcomes)
	if len(s.pack) > 1 && errors.Is(err, ErrTooBig) {
		s.submitApart()
		return
	}
	for _, j := range s.pack {
		outcomes = outcomes[copy(j.outcomes, outcomes):]
		close(j.done)
	}
	clear(s.outcomes)
}

// submitApart makes a call for each job, so that nobody is refused for what others asked.
func (s *submitter) submitApart() {
	for _, j := range s.pack {
		_ = cSubmit(s.handle, pointers(nil, j.ops), false, j.outcomes)
		close(j.done)
	}
}

func pointers(to []*Operation, ops []Operation) []*Operation {
	for i := range ops {
		to = append(to, &ops[i])
	}
	return to
}
