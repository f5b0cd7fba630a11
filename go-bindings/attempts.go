package lnkeep

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
)

// Attempts are the HTLC attempts of a store: one record per key, and whoever creates it may dispatch.
// All methods are safe for concurrent use. After Close, also of the store, they answer ErrClosed.
//
// Methods with a context wait for the disk. The context is looked at before the call and while the call
// waits its turn: ErrCanceled, nothing was applied. A commit under way is not cancelled: ErrUnknown,
// repeat with the same key. Other errors that all of them answer: ErrNoSpace and ErrBusy (not applied),
// ErrUnknown (open the store again and repeat the same key), ErrInvalidArgument, ErrClosed, ErrPoisoned.
type Attempts struct {
	core   *core
	shared *sharedAttempts
	closed atomic.Bool
	alarm  runtime.Cleanup
}

// OpenAttempts opens the attempts of the store. Opening them again with equal options gives another
// value on the same attempts. Close it, or the store.
//
// Errors: ErrExternalMarker when an external router owns the attempts and options do not say External;
// ErrAlreadyOpen when they were opened with other options; ErrInvalidArgument, ErrUnsupported, ErrBusy,
// ErrClosed, ErrPoisoned.
func (s *Store) OpenAttempts(options *AttemptsOptions) (*Attempts, error) {
	if options == nil {
		options = &AttemptsOptions{}
	}
	if err := options.check(); err != nil {
		return nil, err
	}
	var shared *sharedAttempts
	err := s.core.child("open attempts", func() (err error) {
		shared, err = s.core.openAttempts(*options)
		return err
	})
	if err != nil {
		return nil, err
	}
	a := &Attempts{core: s.core, shared: shared}
	a.alarm = setAlarm(a, s.core, 2, "Attempts", "attempts")
	return a, nil
}

// openAttempts shares one handle, since its subscriptions have one list of ready ones. It is called with
// mu held.
func (c *core) openAttempts(options AttemptsOptions) (*sharedAttempts, error) {
	if known := c.attempts; known != nil && known.options == options {
		known.users++
		return known, nil
	}
	handle, err := cAttemptsOpen(c.handle, options)
	if err != nil {
		return nil, err
	}
	if c.attempts != nil {
		// Options that differ here and are equal for the library, such as 1 s and 900 ms.
		_ = cAttemptsClose(handle)
		c.attempts.users++
		return c.attempts, nil
	}
	c.attempts = &sharedAttempts{handle: handle, options: options, users: 1}
	return c.attempts, nil
}

// Close ends the use of this value; its subscriptions end with ErrClosed when it is the last one open.
// Calling it again does nothing.
func (a *Attempts) Close() error {
	a.alarm.Stop()
	if a.closed.Swap(true) {
		return nil
	}
	c := a.core
	c.mu.Lock()
	defer c.mu.Unlock()
	a.shared.users--
	// The store's own Close may have taken it over.
	if a.shared.users > 0 || c.attempts != a.shared {
		return nil
	}
	c.attempts = nil
	// Under mu: the goroutine of a value that is opened meanwhile would share the list of ready
	// subscriptions with this one's.
	return a.shared.close()
}

// IsOpen reports whether this value and its store are open; another goroutine may close them right after.
func (a *Attempts) IsOpen() bool {
	return !a.closed.Load() && !a.core.closed.Load() && cAttemptsIsOpen(a.shared.handle)
}

// bits is the handle for operations; 0, which is never valid, once this value is closed.
func (a *Attempts) bits() uint64 {
	if a.closed.Load() {
		return 0
	}
	return a.shared.handle
}

// refuse answers for attempts that are closed.
func (a *Attempts) refuse(op string) *Error {
	if a.core.closed.Load() {
		return closed(op, "store")
	}
	if a.closed.Load() {
		return closed(op, "value of Attempts")
	}
	return nil
}

// do applies one operation through the submitter.
func (a *Attempts) do(ctx context.Context, op Operation) (Outcome, error) {
	name := op.kind.String()
	if err := a.refuse(name); err != nil {
		return failed(err), err
	}
	if err := a.core.refuse(ctx, name); err != nil {
		return failed(err), err
	}
	j := newJob(op)
	if err := a.core.submitter.run(ctx, name, j); err != nil {
		return failed(err), err
	}
	return j.outcomes[0], j.outcomes[0].Err
}

// turn runs a call of its own that waits for the disk.
func (a *Attempts) turn(ctx context.Context, op string, call func() error) error {
	if err := a.refuse(op); err != nil {
		return err
	}
	return a.core.turn(ctx, op, call)
}

// Init records the intent to dispatch an attempt, before anything that can fail or change. Of any number
// of calls with one key exactly one is answered Done: that caller, and nobody else, validates and
// dispatches. Already: do not dispatch, track the result with WaitResult.
//
// A context that ends during the commit may use the grant up: the repeat then says Already, nobody
// dispatches, and Recover fails the attempt after the next start. Give Init a context that lasts.
//
// Errors: ErrFingerprintMismatch when the id belongs to another request; ErrCorruptRecord;
// ErrBelowFloor, ErrNotAcknowledged after a restore; ErrUnknown: open the store again and repeat the
// SAME key, never a new one.
func (a *Attempts) Init(ctx context.Context, request Request) (Outcome, error) {
	return a.do(ctx, a.OpInit(request))
}

// MarkHandedOff records that the HTLC may leave. Call it before commitment_signed is released, and
// release only when the error is nil. From then on recovery never rolls the attempt back.
//
// Errors: ErrNotPending when the attempt ended, ErrNotFound, ErrDeleted, ErrCorruptRecord, ErrUnknown:
// the HTLC must not leave.
func (a *Attempts) MarkHandedOff(ctx context.Context, key Key) (Outcome, error) {
	return a.do(ctx, a.OpMarkHandedOff(key))
}

// StoreResult records a final result and wakes those who wait for it. A settle replaces a failure and
// sets Outcome.Conflict; nothing replaces a settle. Already is the same result again. An attempt that
// was never registered is accepted. Only when the error is nil may the circuit be torn down.
//
// Errors: ErrConflict when another result stays, or the attempt was deleted; ErrBadPreimage;
// ErrCorruptRecord; ErrTooBig.
func (a *Attempts) StoreResult(ctx context.Context, key Key, result Result) (Outcome, error) {
	return a.do(ctx, a.OpStoreResult(key, result))
}

// FailPending rolls a pending attempt back to a failure of this node and wakes those who wait for it,
// for an HTLC that has certainly not left. Answer a client only when the error is nil.
//
// Errors: ErrNotPending when a real result exists: read it; ErrHandedOff when it may still settle;
// ErrNotFound; ErrCorruptRecord; ErrTooBig.
func (a *Attempts) FailPending(ctx context.Context, key Key, failure Failure) (Outcome, error) {
	return a.do(ctx, a.OpFailPending(key, failure))
}

// Ack records that the host has the result elsewhere, so that retention may begin.
//
// Errors: ErrResultPending; ErrNotFound; ErrCorruptRecord.
func (a *Attempts) Ack(ctx context.Context, key Key) (Outcome, error) {
	return a.do(ctx, a.OpAck(key))
}

// Quarantine removes an unreadable record and burns its id, with an event.
//
// Errors: ErrNotFound; ErrConflict when the record is readable.
func (a *Attempts) Quarantine(ctx context.Context, key Key) (Outcome, error) {
	return a.do(ctx, a.OpQuarantine(key))
}

// Allocate gives an id, Outcome.ID, for an external key of 1 to 64 bytes, such as CLN's (hash, group,
// part), LDK's PaymentId or eclair's UUID. The same key always gets the same id (Already), and no two
// keys of the store get one id. It registers nothing. A host that allocates chooses no ids of its own.
//
// Errors: ErrIDOutOfRange; ErrNotAcknowledged; ErrCorruptRecord when the row of the key or of the namespace
// is damaged.
func (a *Attempts) Allocate(ctx context.Context, namespace Namespace, externalKey []byte) (Outcome, error) {
	return a.do(ctx, a.OpAllocate(namespace, externalKey))
}

// AckBelow acknowledges every final record of a namespace with an id below below, in bounded steps of
// one commit each, and tells how many it did. For hosts whose ids rise: a record made later below a
// finished one is not seen by the next call. Steps done before an error stay done.
func (a *Attempts) AckBelow(ctx context.Context, namespace Namespace, below uint64) (acked uint64, err error) {
	err = a.turn(ctx, "ack_below", func() (err error) {
		acked, err = cAttemptsAckBelow(a.shared.handle, namespace, below)
		return err
	})
	return acked, err
}

// Delete removes finished attempts, at most 1,024, in one commit, with one outcome each. Their ids stay
// burned.
//
// Errors: ErrBatch when a key was not deleted: its outcome is ErrPending (kept: it has no result, or its
// payment has not taken it), ErrNotFound or ErrCorruptRecord (kept); ErrDuplicateID when a key is named
// twice, ErrTooBig: nothing was deleted.
func (a *Attempts) Delete(ctx context.Context, keys ...Key) ([]Outcome, error) {
	return a.remove(ctx, keys, false)
}

// Forget is Delete for a host that promises never to use the ids again: they are freed, not burned.
func (a *Attempts) Forget(ctx context.Context, keys ...Key) ([]Outcome, error) {
	return a.remove(ctx, keys, true)
}

func (a *Attempts) remove(ctx context.Context, keys []Key, forget bool) (outcomes []Outcome, err error) {
	err = a.turn(ctx, "delete", func() (err error) {
		outcomes, err = cAttemptsDelete(a.shared.handle, keys, forget)
		return err
	})
	if outcomes == nil {
		outcomes = failAll(len(keys), err)
	}
	return outcomes, err
}

// CleanOptions choose what Clean removes.
type CleanOptions struct {
	// Namespace is whose records are looked at.
	Namespace Namespace
	// Keep names the ids that stay.
	Keep []uint64
	// Forget frees the removed ids instead of burning them.
	Forget bool
}

// Cleaned is what Clean did.
type Cleaned struct {
	// Removed counts records that were removed.
	Removed uint64
	// Unreadable counts records that were kept because they are damaged.
	Unreadable uint64
}

// Clean removes every finished record of a namespace whose id is not in the keep list, in bounded steps
// of one commit each. Pending records are kept, unreadable ones kept and counted; with LNDCompat both
// are removed, as lnd does. A record that ends meanwhile may be removed or not. Steps done before an
// error stay done.
func (a *Attempts) Clean(ctx context.Context, options CleanOptions) (cleaned Cleaned, err error) {
	err = a.turn(ctx, "clean", func() (err error) {
		cleaned, err = cAttemptsClean(a.shared.handle, options.Namespace, options.Keep, options.Forget)
		return err
	})
	return cleaned, err
}

// Sweep runs one bounded step of retention, as the options at open say, and tells how many records
// changed. It needs Store.Tick. Call it again until it answers 0.
func (a *Attempts) Sweep(ctx context.Context) (handled uint64, err error) {
	err = a.turn(ctx, "sweep", func() (err error) {
		handled, err = cAttemptsSweep(a.shared.handle)
		return err
	})
	return handled, err
}

// DisableExternal takes the external router's mark away, so that a local open is possible again.
// Already when there is no mark.
//
// Errors: ErrEntriesExist while any record of any namespace remains, tombstones included.
func (a *Attempts) DisableExternal(ctx context.Context) (outcome Outcome, err error) {
	return a.change(ctx, "disable_external", func() (Outcome, error) {
		return cAttemptsDisableExternal(a.shared.handle)
	})
}

// change is turn for a call that answers an outcome.
func (a *Attempts) change(ctx context.Context, op string, call func() (Outcome, error)) (Outcome, error) {
	var outcome Outcome
	err := a.turn(ctx, op, func() (err error) {
		outcome, err = call()
		return err
	})
	if err != nil {
		return failed(err), err
	}
	return outcome, nil
}

// isClosed reports whether an error says that something was closed.
func isClosed(err error) bool { return errors.Is(err, ErrClosed) }
