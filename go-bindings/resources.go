package lnkeep

import (
	"context"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
)

// Resources are the slots and the liquidity of a node's channels, and who may use them: whether to forward
// an HTLC, in which bucket and with which signal, against channel jamming. All methods are safe for
// concurrent use; calls about different channels do not wait for each other. After Close, also of the store,
// they answer ErrClosed.
//
// Add and Resolve decide in memory and are written soon after; a crash may lose the last of them, which costs
// no funds: Reconcile mends it. AddDurable and ResolveDurable, and everything else that changes something,
// answer when it is on disk.
//
// Methods with a context wait for the disk. The context is looked at before the call and while the call
// waits its turn: ErrCanceled, nothing was applied. A call under way is waited for, whatever becomes of the
// context. Every call may answer ErrInvalidArgument, ErrClosed and ErrPoisoned. Error.Value is the channel,
// or the bound, that the status speaks of, where it speaks of one. ErrNotDurable says that it was done, holds
// in memory and could not be written yet: repeat the call until it is durable.
//
// Times are seconds since 1970, given by the caller. One that is earlier than that of a call before is taken
// for that of the call before.
type Resources struct {
	handle *resourcesHandle
	alarm  runtime.Cleanup
}

// resourcesHandle is what the store holds of open Resources. Each has a handle of its own, so that the
// library decides which close is the last one.
type resourcesHandle struct {
	core   *core
	bits   uint64
	closed atomic.Bool
	once   sync.Once
	result error
}

// OpenResources opens the resources of the store: loads every channel and every pending HTLC as they were.
// While they are open, opening them again with equal options gives another value on the same. nil options
// are the safe defaults. Before forwarding, give Reconcile the HTLCs that the node has.
//
// Errors: ErrWrongMode when the store has the other mode and Convert is not set; ErrChannelLimits when a
// channel cannot be divided by new settings, nothing was changed; ErrAlreadyOpen when they are open with
// other options; ErrCorruptRecord when the settings cannot be read; ErrUnsupported, ErrNoSpace, ErrBusy,
// ErrIO. A damaged channel is no error: the report counts it.
func (s *Store) OpenResources(options *ResourcesOptions) (*Resources, ResourcesReport, error) {
	if options == nil {
		options = &ResourcesOptions{}
	}
	if err := options.check(); err != nil {
		return nil, ResourcesReport{}, err
	}
	h := &resourcesHandle{core: s.core}
	var report ResourcesReport
	err := s.core.child("open resources", func() (err error) {
		if h.bits, report, err = cResourcesOpen(s.core.handle, options); err == nil {
			s.core.resources[h] = struct{}{}
		}
		return err
	})
	if err != nil {
		return nil, ResourcesReport{}, err
	}
	r := &Resources{handle: h}
	r.alarm = setAlarm(r, s.core, 2, "Resources", "resources")
	return r, report, nil
}

// Close ends the use of this value; the last one open writes what was acknowledged. Calling it again, also
// at the same time, gives the same answer and does nothing else.
//
// Errors: ErrNoSpace, ErrPoisoned: closed, and the last calls acknowledged from memory are lost, as after a
// crash.
func (r *Resources) Close() error {
	h := r.handle
	r.alarm.Stop()
	h.core.mu.Lock()
	delete(h.core.resources, h)
	h.core.mu.Unlock()
	return h.close()
}

func (h *resourcesHandle) close() error {
	h.once.Do(func() {
		h.closed.Store(true)
		if err := cResourcesClose(h.bits); err != nil && !isClosed(err) {
			h.result = err
		}
	})
	return h.result
}

// IsOpen reports whether this value and its store are open; another goroutine may close them right after.
func (r *Resources) IsOpen() bool {
	h := r.handle
	return !h.closed.Load() && !h.core.closed.Load() && cResourcesIsOpen(h.bits)
}

// refuse answers for resources that are closed.
func (h *resourcesHandle) refuse(op string) error {
	if h.core.closed.Load() {
		return closed(op, "store")
	}
	if h.closed.Load() {
		return closed(op, "value of Resources")
	}
	return nil
}

// durable runs a call of C that waits for the disk.
func (h *resourcesHandle) durable(ctx context.Context, op string, call func() error) error {
	if err := h.refuse(op); err != nil {
		return err
	}
	return h.core.turn(ctx, op, call)
}

// AddChannel lets a channel take part, in both directions. It is Already when it is known with these limits.
// Durable when the error is nil.
//
// Errors: ErrChannelLimits, the bound in Error.Value; ErrDuplicateChannel when it is known with other limits,
// see ResizeChannel, or closing; ErrBusy, ErrNotDurable, ErrCanceled.
func (r *Resources) AddChannel(
	ctx context.Context, channel ShortChannelID, limits ChannelLimits, unixSecs uint64,
) (divided Allocation, outcome Outcome, err error) {
	err = r.handle.durable(ctx, "add_channel", func() (err error) {
		divided, outcome, err = cResourcesAddChannel(r.handle.bits, channel, limits, unixSecs)
		return err
	})
	if err != nil {
		return Allocation{}, failed(err), err
	}
	return divided, outcome, nil
}

// ResizeChannel gives a channel other limits, as a splice does. No HTLC is evicted: a bucket that became
// smaller takes new ones when old ones have left. Durable when the error is nil.
//
// Errors: ErrChannelLimits, the bound in Error.Value; ErrUnknownChannel, ErrChannelClosing, ErrBusy,
// ErrNotDurable, ErrCanceled.
func (r *Resources) ResizeChannel(
	ctx context.Context, channel ShortChannelID, limits ChannelLimits,
) (divided Allocation, err error) {
	err = r.handle.durable(ctx, "resize_channel", func() (err error) {
		divided, err = cResourcesResizeChannel(r.handle.bits, channel, limits)
		return err
	})
	return divided, err
}

// RemoveChannel forgets a channel with its reputation and revenue, at once or when its last HTLC resolves.
// Durable when the error is nil.
//
// Errors: ErrUnknownChannel, ErrBusy, ErrNotDurable, ErrCanceled.
func (r *Resources) RemoveChannel(ctx context.Context, channel ShortChannelID) (removal Removal, err error) {
	err = r.handle.durable(ctx, "remove_channel", func() (err error) {
		removal, err = cResourcesRemoveChannel(r.handle.bits, channel)
		return err
	})
	return removal, err
}

// Reconcile compares what was pending before this open with the HTLCs that the node has: releases those that
// it has no more, with no effect on any reputation, and tracks those that are not known. It decides nothing.
// Call it after every open, before forwarding, with all HTLCs that were forwarded and are not resolved.
// Durable when the error is nil.
//
// Errors: ErrDuplicateID, ErrOutgoingExceedsIncoming: nothing was done; ErrNotDurable,
// ErrCanceled.
func (r *Resources) Reconcile(ctx context.Context, live []LiveHTLC) (done Reconciled, err error) {
	err = r.handle.durable(ctx, "reconcile", func() (err error) {
		done, err = cResourcesReconcile(r.handle.bits, live)
		return err
	})
	return done, err
}

// ImportHistory takes forwards of the past, in any order, into the averages of the channels that are known,
// so that a node does not start without any reputation. Each average takes a history once: give all rows
// that there are in one call. They must not change meanwhile. Durable when the error is nil.
//
// Errors: ErrNotDurable, ErrCanceled.
func (r *Resources) ImportHistory(ctx context.Context, rows []ForwardRow) (done Imported, err error) {
	err = r.handle.durable(ctx, "import_history", func() (err error) {
		done, err = cResourcesImportHistory(r.handle.bits, rows)
		return err
	})
	return done, err
}

// Channel gives one channel, its averages also as of a time.
//
// Errors: ErrUnknownChannel.
func (r *Resources) Channel(channel ShortChannelID, unixSecs uint64) (ResourceChannel, error) {
	if err := r.handle.refuse("channel"); err != nil {
		return ResourceChannel{}, err
	}
	return cResourcesLookup(r.handle.bits, channel, unixSecs)
}

// Snapshot gives everything that the resources know, averages also as of a time. Each channel is consistent
// in itself; calls go on meanwhile.
func (r *Resources) Snapshot(unixSecs uint64) (*ResourcesSnapshot, error) {
	if err := r.handle.refuse("snapshot"); err != nil {
		return nil, err
	}
	return cResourcesSnapshot(r.handle.bits, unixSecs)
}

// Decisions gives the kept decisions after a number with their grounds, at most n, one JSON object per line;
// nil when there is none. last is the number to go on after; begin with 0. Numbers are integers, many above
// 2^53: read them as 64-bit integers.
//
// Errors: ErrWrongMode when ResourcesOptions.DecisionsKept was 0; ErrInvalidArgument for a negative n.
func (r *Resources) Decisions(after uint64, n int) (lines []byte, last uint64, err error) {
	if err := r.handle.refuse("decisions"); err != nil {
		return nil, after, err
	}
	if n < 0 {
		return nil, after, invalid("decisions", "the number to give is negative")
	}
	lines, last, err = cResourcesDecisions(r.handle.bits, after, n)
	if err != nil {
		return nil, after, err
	}
	return lines, last, nil
}

// decisionsPage is how many decisions WriteDecisions asks for at once.
const decisionsPage = 256

// WriteDecisions writes the kept decisions after a number, as Decisions gives them, until there are none. It
// answers the number to go on after, also with an error: that of Decisions, or the writer's own.
func (r *Resources) WriteDecisions(w io.Writer, after uint64) (uint64, error) {
	for {
		lines, last, err := r.Decisions(after, decisionsPage)
		if err != nil || len(lines) == 0 {
			return after, err
		}
		if _, err := w.Write(lines); err != nil {
			return after, err
		}
		after = last
	}
}

// Stats are figures since the open.
func (r *Resources) Stats() (ResourcesStats, error) {
	if err := r.handle.refuse("stats"); err != nil {
		return ResourcesStats{}, err
	}
	return cResourcesStats(r.handle.bits)
}
