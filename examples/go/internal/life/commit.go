package life

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/lnkeep/lnkeep/examples/go/internal/channel"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// serialising stands for what a node with many channels needs to write its manager down: others
// queue changes meanwhile.
const serialising = 300 * time.Microsecond

// takenMax is how many completions or outputs are taken at once.
const takenMax = 64

// errMemoryAhead: something that was queued can never become durable. Nothing of it has left, and
// the next life begins from the disk.
var errMemoryAhead = fmt.Errorf("the channel in memory is ahead of the disk: %w", errGone)

// open loads the channel, or makes it, and queues again what the manager knows and it does not.
func (c *committer) open(ctx context.Context) error {
	options := ChannelOptions
	options.ManagerOptional = c.flaws.commitsApart
	monitors, report, err := c.node.store.OpenMonitors(&options)
	if err != nil {
		return err
	}
	c.monitors = monitors
	if report.Damaged > 0 || report.ManagerMissing || report.ManagerBehind || report.MayBeStale {
		// Whoever restored it must not go on with it.
		return fmt.Errorf("the channel cannot be trusted: %+v", report)
	}
	stored, err := channel.LoadManager(monitors)
	if err != nil {
		return err
	}
	if stored == nil {
		if _, err := monitors.QueueNew(ChannelID(), 0, c.state.Snapshot(), lnkeep.Block{}); err != nil {
			return err
		}
		return c.commit(ctx)
	}
	return c.load(ctx, stored)
}

// load: the view may know changes that did not become durable. Nothing that depends on them has
// left, and they are made again, under the numbers they had.
func (c *committer) load(ctx context.Context, stored *channel.Manager) error {
	state, damage, err := channel.Load(c.monitors, ChannelID())
	if err != nil || state == nil {
		return errors.Join(err, fmt.Errorf("the channel cannot be loaded, damage %v", damage))
	}
	c.state, c.manager.Number = state, state.Number
	changes, complete := stored.After(state.Number)
	if !complete && !c.flaws.commitsApart {
		return fmt.Errorf("the manager of commitment %d does not belong to the channel's %d",
			stored.Number, state.Number)
	}
	for _, change := range changes {
		if err := c.queue(change); err != nil {
			return err
		}
	}
	if c.queued {
		return c.commit(ctx)
	}
	return nil
}

// run is the committer's goroutine. It ends when nothing waits after stop, or with the context.
func (c *committer) run(ctx context.Context, stop <-chan struct{}) error {
	defer c.end()
	// Notices that an earlier life did not get acknowledged come first.
	if err := c.release(); err != nil {
		return err
	}
	for stopping := false; !stopping; {
		select {
		case <-c.wake:
		case <-stop:
			stopping = true
		case <-ctx.Done():
			return nil
		}
		for c.hasWork(stopping) {
			if err := c.commit(ctx); err != nil {
				return err
			}
			if err := c.release(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *committer) hasWork(stopping bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued || len(c.steps) > 0 || stopping && c.acknowledged
}

func (c *committer) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isOver = true
	c.room.Broadcast()
	close(c.ended)
}

// commit makes durable what waits: capture, then write down the node's view, then store both, and
// what belongs to them in other components, in one transaction.
//
// The capture comes first. What others queue after it may already stand in the view, which
// therefore carries every change that was not durable yet. The other way round, the channel would be
// newer on disk than the node knows.
func (c *committer) commit(ctx context.Context) error {
	capture, steps, err := c.capture()
	if err != nil {
		return err
	}
	time.Sleep(serialising)
	checkpoint := c.checkpoint()
	lasting := context.WithoutCancel(ctx)
	if c.flaws.commitsApart {
		if checkpoint, err = c.commitManager(lasting, checkpoint); err != nil {
			return err
		}
	}
	if err := c.submit(lasting, steps, capture, checkpoint); err != nil {
		return err
	}
	return c.noteDurable(steps)
}

// capture: an operation belongs to this commit if its update does; both under one lock.
func (c *committer) capture() (lnkeep.Capture, []*step, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	capture, err := c.monitors.Capture()
	if err == nil && c.flaws.commitsApart {
		err = c.captureSpare()
	}
	steps := c.steps
	c.steps, c.queued, c.acknowledged = nil, false, false
	c.room.Broadcast()
	return capture, steps, err
}

func (c *committer) checkpoint() lnkeep.Checkpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return lnkeep.Checkpoint{
		Manager: c.manager.Bytes(), View: lnkeep.View{ChannelID(): c.manager.Number},
	}
}

// submit: what was refused has its answer, such as that the payment ended otherwise, and the others
// go without it. Nothing was applied then, and the capture can be used again.
func (c *committer) submit(
	ctx context.Context, steps []*step, capture lnkeep.Capture, checkpoint lnkeep.Checkpoint,
) error {
	for {
		var ops []lnkeep.Operation
		var owners []*step
		for _, waiting := range steps {
			if waiting.op != nil {
				ops, owners = append(ops, *waiting.op), append(owners, waiting)
			}
		}
		ops = append(ops, c.monitors.OpCommit(capture, checkpoint))
		outcomes, err := again(ctx, func() ([]lnkeep.Outcome, error) {
			return c.node.store.SubmitAtomic(ctx, ops...)
		})
		if err == nil {
			for i, waiting := range owners {
				waiting.outcome = outcomes[i]
			}
			return nil
		}
		if !errors.Is(err, lnkeep.ErrRefused) || !setAside(owners, outcomes) {
			return errors.Join(err, errMemoryAhead)
		}
	}
}

// setAside reports whether the others can go on without what was refused. Without a mark, or
// without the channel, they cannot.
func setAside(owners []*step, outcomes []lnkeep.Outcome) bool {
	some := false
	for i, outcome := range outcomes {
		switch {
		case outcome.Err == nil || errors.Is(outcome.Err, lnkeep.ErrAborted):
		case i == len(owners) || owners[i].isMark:
			return false
		default:
			owners[i].op, owners[i].outcome, some = nil, outcome, true
		}
	}
	return some
}

func (c *committer) noteDurable(steps []*step) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		completions, err := c.monitors.Completions(takenMax)
		if err != nil {
			return err
		}
		for _, completion := range completions {
			c.manager.Forget(completion.UpdateID)
		}
		if len(completions) == 0 {
			break
		}
	}
	for _, waiting := range steps {
		close(waiting.done)
	}
	for id, waiting := range c.removing {
		select {
		case <-waiting.done:
			delete(c.removing, id)
		default:
		}
	}
	return c.queueSnapshot()
}

// queueSnapshot: after many updates the channel gets another one, with the next commit.
func (c *committer) queueSnapshot() error {
	wanted, err := c.monitors.NeedSnapshot()
	if err != nil || len(wanted) == 0 {
		return err
	}
	_, err = c.monitors.QueueSnapshot(ChannelID(), c.state.Number, c.state.Snapshot(), nil)
	if errors.Is(err, lnkeep.ErrRetry) {
		return nil // it is asked for again
	}
	c.queued = true
	return err
}

// release lets leave what the commits cover. Messages are lost with the process; notices stay on
// disk until they are acknowledged, so that each is told at least once, always under one number.
func (c *committer) release() error {
	if err := c.tellHeld(); err != nil {
		return err
	}
	for {
		outputs, err := again(context.Background(), func() ([]lnkeep.Output, error) {
			return c.monitors.TakeOutputs(takenMax)
		})
		if err != nil || len(outputs) == 0 {
			return err
		}
		for i := range outputs {
			if err := c.releaseOne(&outputs[i]); err != nil {
				return err
			}
		}
	}
}

func (c *committer) releaseOne(output *lnkeep.Output) error {
	if output.Class() == lnkeep.OutputVolatile {
		err := c.node.peer.SendEncoded(output.Payload)
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return gone("peer", err)
		}
		return nil // closed by this end: the peer has all that it waits for
	}
	change, err := channel.ParseChange(output.Payload)
	if err != nil {
		return err
	}
	notice := wire.Notice{
		ID: output.ID, AttemptID: change.ID, PaymentHash: change.PaymentHash,
	}
	if err := c.tell(notice); err != nil {
		return err
	}
	// The client has it, and outlives this node. From the next commit on it does not come back.
	_, err = again(context.Background(), func() (struct{}, error) {
		return struct{}{}, c.monitors.Acknowledge(output.ID)
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acknowledged = true
	return err
}

func (c *committer) tell(notice wire.Notice) error {
	if c.flaws.acknowledgesEarly {
		c.flaws.held[1] = append(c.flaws.held[1], notice)
		return nil
	}
	return c.node.tell(wire.Report{Kind: wire.ReportNotice, Notice: notice})
}
