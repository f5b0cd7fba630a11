package lnkeep

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// Monitors are the channels of a store: the host's manager, the channel monitors with their updates, and the
// messages and events that depend on them, made durable as one unit and in order. All methods are safe for
// concurrent use. After Close, also of the store, they answer ErrClosed.
//
// What the host changes is queued, which never waits for the disk. A commit takes everything queued before a
// Capture, and the manager that was serialised after it. Only then are completions and outputs given out.
//
// Methods with a context wait for the disk. The context is looked at before the call and while the call
// waits its turn: ErrCanceled, nothing was applied. A call under way is waited for, whatever becomes of the
// context, so that its answer is the truth. Every call may answer ErrInvalidArgument, ErrClosed and
// ErrPoisoned. An *Error names the channel and the number that its status speaks of, where it speaks of one.
type Monitors struct {
	handle *monitorsHandle
	alarm  runtime.Cleanup
}

// monitorsHandle is what the store holds of open Monitors. Each has a handle of its own on the one session
// of the store, so that the library decides which close is the last one.
//
// W1 whoever waits has a doorbell in bells, or looks at closed after it would have been told.
type monitorsHandle struct {
	core   *core
	bits   uint64
	closed atomic.Bool

	mu    sync.Mutex
	bells map[*doorbell]struct{}
}

// OpenMonitors opens the monitors of the store: checks the checksums of every channel, and begins a session.
// While they are open, opening them again with equal options gives another value on the same session. nil
// options are the safe defaults. Close it: closing the store instead loses what is queued.
//
// A damaged channel is no error: the report counts it, and all others go on.
//
// Errors: ErrAlreadyOpen when they are open with other options; ErrUnsupported, ErrNoSpace, ErrBusy,
// ErrUnknown.
func (s *Store) OpenMonitors(options *MonitorsOptions) (*Monitors, MonitorsReport, error) {
	if options == nil {
		options = &MonitorsOptions{}
	}
	if err := options.check(); err != nil {
		return nil, MonitorsReport{}, err
	}
	h := &monitorsHandle{core: s.core, bells: map[*doorbell]struct{}{}}
	var report MonitorsReport
	err := s.core.child("open monitors", func() (err error) {
		if h.bits, report, err = cMonitorsOpen(s.core.handle, options); err == nil {
			s.core.monitors[h] = struct{}{}
		}
		return err
	})
	if err != nil {
		return nil, MonitorsReport{}, err
	}
	m := &Monitors{handle: h}
	m.alarm = setAlarm(m, s.core, 2, "Monitors", "monitors")
	return m, report, nil
}

// Close ends the use of this value; the last one open ends the session. Goroutines in Wait get ErrClosed.
// Calling it again does nothing.
//
// Errors: ErrPendingOps when this is the last value and entries are queued, their number in Error.Value:
// commit them, or Discard; ErrPoisoned after a failed commit: Discard. The value stays open then.
func (m *Monitors) Close() error { return m.close(false) }

// Discard is Close that drops what is queued and was not committed: nobody else learns of it, as after a
// crash.
func (m *Monitors) Discard() error { return m.close(true) }

func (m *Monitors) close(discard bool) error {
	h := m.handle
	if err := h.close(discard); err != nil {
		return err
	}
	m.alarm.Stop()
	h.core.mu.Lock()
	delete(h.core.monitors, h)
	h.core.mu.Unlock()
	return nil
}

func (h *monitorsHandle) close(discard bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed.Load() {
		return nil
	}
	if err := cMonitorsClose(h.bits, discard); err != nil && !isClosed(err) {
		return err
	}
	h.closed.Store(true)
	for bell := range h.bells {
		bell.close()
	}
	return nil
}

// IsOpen reports whether this value and its store are open; another goroutine may close them right after.
func (m *Monitors) IsOpen() bool {
	h := m.handle
	return !h.closed.Load() && !h.core.closed.Load() && cMonitorsIsOpen(h.bits)
}

// refuse answers for monitors that are closed.
func (h *monitorsHandle) refuse(op string) *Error {
	if h.core.closed.Load() {
		return closed(op, "store")
	}
	if h.closed.Load() {
		return closed(op, "value of Monitors")
	}
	return nil
}

// commit runs a call of C that commits. Commits of a store wait for each other, so they wait here, where
// the context ends the wait and no thread is held.
func (h *monitorsHandle) commit(ctx context.Context, op string, call func() error) error {
	if err := h.refuse(op); err != nil {
		return err
	}
	return h.core.commitTurn(ctx, op, call)
}

// commitTurn is turn for the one commit of monitors that may be under way.
func (c *core) commitTurn(ctx context.Context, op string, call func() error) error {
	if err := c.refuse(ctx, op); err != nil {
		return err
	}
	select {
	case c.commits <- struct{}{}:
	case <-ctx.Done():
		return canceled(op, ctx.Err())
	}
	defer func() { <-c.commits }()
	return c.turn(ctx, op, call)
}

// Wait waits until there are completions or outputs to take, and returns at once while there are. Take both
// until there are none: what is left there is told again. It also returns when the store was poisoned, and
// the next call says so.
//
// Errors: ErrCanceled when the context ended; ErrClosed; ErrIO when the system has no descriptor left.
func (m *Monitors) Wait(ctx context.Context) error {
	h := m.handle
	if err := ctx.Err(); err != nil {
		return canceled("wait", err)
	}
	bell, err := h.listen()
	if err != nil {
		return err
	}
	defer h.ignore(bell)
	stop := context.AfterFunc(ctx, bell.close)
	defer stop()
	err = bell.waitReadable()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return canceled("wait", ctx.Err())
	}
	if err := h.refuse("wait"); err != nil {
		return err
	}
	return bellError("wait", err)
}

// listen makes a doorbell of the caller's own. Under mu, since closing ends the library's descriptor, and
// its number could then be that of another file.
func (h *monitorsHandle) listen() (*doorbell, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.refuse("wait"); err != nil {
		return nil, err
	}
	descriptor, err := cMonitorsDescriptor(h.bits)
	if err != nil {
		return nil, err
	}
	bell, err := newDoorbell("wait", descriptor)
	if err != nil {
		return nil, err
	}
	h.bells[bell] = struct{}{}
	return bell, nil
}

func (h *monitorsHandle) ignore(bell *doorbell) {
	h.mu.Lock()
	delete(h.bells, bell)
	h.mu.Unlock()
	bell.close()
}
