package lnkeep

import (
	"bytes"
	"context"
	"maps"
)

// Capture is what the next commit is to include: everything queued before Monitors.Capture. It is valid in
// the session that gave it, for one commit. The zero value is refused with ErrBadTicket.
type Capture struct {
	epoch, number, uptoTicket, check uint64
}

// UptoTicket is the last ticket that it includes; 0 when there was none.
func (c Capture) UptoTicket() uint64 { return c.uptoTicket }

// View is the highest update id that a manager generated, for as many channels as the host can tell. What
// contradicts it is refused before anything is written. nil when the host cannot tell.
type View map[ChannelID]uint64

// Checkpoint is the manager of a commit.
type Checkpoint struct {
	// Manager is its bytes, serialised after the capture; nil for a commit without a manager. Empty bytes
	// are a manager.
	Manager HostBytes
	// View is what this manager knows.
	View View
}

// ExternalCheckpoint is the manager of a commit by a host that stored it itself, before the commit.
type ExternalCheckpoint struct {
	// Generation is that of the manager, never smaller than the one before; nil for a commit without one.
	Generation *uint64
	// View is what this manager knows.
	View View
}

// Committed is what a commit did.
type Committed struct {
	// CommitSequence is its number: durable commits since the store was made.
	CommitSequence uint64
	// Applied counts entries that it made durable, outputs included.
	Applied uint64
	// NeedSnapshot counts channels that want a snapshot; Monitors.NeedSnapshot names them.
	NeedSnapshot uint64
}

// commitment is a commit on its way to C.
type commitment struct {
	capture    Capture
	external   bool
	hasManager bool
	manager    HostBytes
	generation *uint64
	view       View
}

func atomicCommit(capture Capture, checkpoint Checkpoint) commitment {
	return commitment{
		capture: capture, manager: checkpoint.Manager, hasManager: checkpoint.Manager != nil, view: checkpoint.View,
	}
}

func externalCommit(capture Capture, checkpoint ExternalCheckpoint) commitment {
	return commitment{
		capture: capture, external: true, generation: checkpoint.Generation, view: checkpoint.View,
	}
}

// Capture marks what the next commit is to include: everything queued so far. Take it BEFORE the manager is
// serialised. What is queued later may be missing in the manager, and stays queued for the commit after. A
// host with several committing goroutines serialises managers in the order of their captures.
func (m *Monitors) Capture() (Capture, error) {
	if err := m.handle.refuse("capture"); err != nil {
		return Capture{}, err
	}
	return cMonitorsCapture(m.handle.bits)
}

// Commit makes everything up to a capture durable in one transaction: the manager, new channels, updates,
// snapshots, archives and durable outputs. Afterwards completions and outputs can be taken. Commits of a
// store wait for each other, queueing does not wait for them.
//
// Refused before anything was written, with the channel in Error.Channel: ErrManagerBehind: the commit would
// make a channel newer than the manager knows, its tip in Error.Value, capture and serialise again;
// ErrLostUpdate: the manager knows an update that was never queued, the last queued in Error.Value;
// ErrManagerAhead, with MonitorsOptions.ReplaysNothing; ErrUnknownChannel of the view. ErrManagerRequired;
// ErrStaleCapture: this capture or a later one was committed, drop this manager; ErrBadTicket;
// ErrWrongMode with MonitorsOptions.ExternalManager; ErrTooBig. ErrNoSpace, ErrBusy, ErrCanceled: nothing
// was applied, keep outputs back, use the same capture again. ErrUnknown: send nothing more, open the store
// again, and trust what is found.
func (m *Monitors) Commit(ctx context.Context, capture Capture, checkpoint Checkpoint) (Committed, error) {
	return m.commit(ctx, atomicCommit(capture, checkpoint))
}

// CommitExternal is Commit for MonitorsOptions.ExternalManager: call it when the host's manager is durable.
//
// Errors: those of Commit; ErrStaleManager, the stored generation in Error.Value; ErrWrongMode without
// MonitorsOptions.ExternalManager.
func (m *Monitors) CommitExternal(
	ctx context.Context, capture Capture, checkpoint ExternalCheckpoint,
) (Committed, error) {
	return m.commit(ctx, externalCommit(capture, checkpoint))
}

func (m *Monitors) commit(ctx context.Context, given commitment) (Committed, error) {
	var done Committed
	err := m.handle.commit(ctx, "commit", func() (err error) {
		done, err = cMonitorsCommit(m.handle.bits, &given)
		return err
	})
	return done, err
}

// CheckManager compares the manager that the host loaded with the one of the last commit, by its generation.
//
// Errors: ErrManagerBehind, the stored generation in Error.Value: an older copy, do not start;
// ErrCorruptRecord when a damage took the stored one, until a commit gives one; ErrWrongMode without
// MonitorsOptions.ExternalManager.
func (m *Monitors) CheckManager(generation uint64) (ManagerRelation, error) {
	if err := m.handle.refuse("check_manager"); err != nil {
		return 0, err
	}
	return cMonitorsCheckManager(m.handle.bits, generation)
}

// Purge removes an archived channel for good, in a commit of its own, whose number it answers. The id stays
// refused.
//
// Errors: ErrNotArchived; ErrUnknown, ErrNoSpace, ErrBusy, ErrCanceled.
func (m *Monitors) Purge(ctx context.Context, channel ChannelID) (commitSequence uint64, _ error) {
	err := m.handle.commit(ctx, "purge", func() (err error) {
		commitSequence, err = cMonitorsPurge(m.handle.bits, channel)
		return err
	})
	return commitSequence, err
}

const opMonitorsCommit opKind = 769

// isMonitors reports whether an operation is one of monitors.
func (k opKind) isMonitors() bool { return k >= opMonitorsCommit }

// OpCommit is Commit as an operation for SubmitAtomic, so that operations of other components, such as the
// settle of a payment, are durable together with it or not at all. Outcome.CommitSequence is its number. At
// most one in a submission (ErrInvalidArgument). SubmitAsync returns when no other commit is under way and a
// manager or snapshots of more than 2 MiB are written.
func (m *Monitors) OpCommit(capture Capture, checkpoint Checkpoint) Operation {
	return m.operation(atomicCommit(capture, checkpoint))
}

// OpCommitExternal is CommitExternal as an operation; see OpCommit.
func (m *Monitors) OpCommitExternal(capture Capture, checkpoint ExternalCheckpoint) Operation {
	return m.operation(externalCommit(capture, checkpoint))
}

func (m *Monitors) operation(given commitment) Operation {
	given.manager = bytes.Clone(given.manager)
	given.view = maps.Clone(given.view)
	given.generation = cloned(given.generation)
	op := Operation{kind: opMonitorsCommit, commit: &given}
	if !m.handle.closed.Load() {
		op.component = m.handle.bits
	}
	return op
}

// payloadBytes is what the operation adds to a submission.
func (c *commitment) payloadBytes() int { return len(c.manager) + 40*len(c.view) }

// hasCommit reports whether operations hold a commit of monitors. Those are a call of C of their own: while
// a large manager is written, the submitter must not hold up everybody else.
func hasCommit(ops []Operation) bool {
	for i := range ops {
		if ops[i].commit != nil {
			return true
		}
	}
	return false
}

// submitCommit is Submit and SubmitAtomic of operations with a commit of monitors.
func (c *core) submitCommit(ctx context.Context, ops []Operation, atomic bool) ([]Outcome, error) {
	own := append([]Operation(nil), ops...)
	outcomes := make([]Outcome, len(own))
	var called error
	err := c.commitTurn(ctx, "submit", func() error {
		called = cSubmit(c.handle, pointers(nil, own), atomic, outcomes)
		return nil
	})
	if err != nil {
		return failAll(len(ops), err), err
	}
	if called != nil {
		return outcomes, called
	}
	return outcomes, worst(outcomes)
}
