package life

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/channel"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// ChannelOptions are the node's: often enough for the demo to show snapshots.
var ChannelOptions = lnkeep.MonitorsOptions{SnapshotEveryUpdates: 50}

// stepsMax is how many goroutines may wait for one commit, with an operation each.
const stepsMax = 256

// ChannelID is lnkeep's id of the demo's channel: that of BOLT 2.
func ChannelID() lnkeep.ChannelID { return lnkeep.ChannelID(wire.ChannelID()) }

// committer holds the channel's state, and its one goroutine commits it (commit.go).
//
// Whoever changes the channel queues the update and what may leave after it, hands over the
// operation that belongs to it, and waits. The committer makes all that has come together durable
// in ONE transaction: updates, the node's own view of the channel (its manager), attempts' marks
// and payments' settles. Only then messages leave, and in the order of their commitments.
type committer struct {
	node     *node
	monitors *lnkeep.Monitors
	wake     chan struct{}
	// ended is closed when nothing is committed any more.
	ended chan struct{}
	flaws flaws

	mu   sync.Mutex
	room sync.Cond
	// state and manager are as they would be stored now.
	state   *channel.State
	manager channel.Manager
	steps   []*step
	// removing are HTLCs whose removal is not durable yet.
	removing map[uint64]*step
	// queued: entries since the last capture. acknowledged: notices since the last commit.
	queued, acknowledged, isOver bool
}

// step is what one goroutine waits for.
type step struct {
	// op is of another component, in the same transaction; nil without one.
	op *lnkeep.Operation
	// isMark: without it the HTLC must not leave, and the message that takes it is queued already.
	isMark  bool
	outcome lnkeep.Outcome
	done    chan struct{}
}

var (
	// errChannelFull: the HTLC has not left, and will not.
	errChannelFull = errors.New("the channel has no room")
	// errEnded: this life ends; what was queued may be durable or not.
	errEnded = fmt.Errorf("channel: %w", errGone)
)

func (n *node) newCommitter() *committer {
	c := &committer{
		node: n, wake: make(chan struct{}, 1), ended: make(chan struct{}),
		state: channel.New(), removing: map[uint64]*step{},
	}
	c.room.L = &c.mu
	return c
}

// add adds an HTLC and lets it leave: the commitment, the mark of its attempt and the view of both
// are one transaction.
func (c *committer) add(add *lnwire.UpdateAddHTLC, mark lnkeep.Operation) error {
	change := channel.Change{Kind: channel.HTLCAdded, ID: add.ID, PaymentHash: add.PaymentHash}
	waiting := &step{op: &mark, isMark: !c.flaws.sendsEarly, done: make(chan struct{})}
	err := c.change(waiting, func() error {
		if len(c.state.HTLCs) == channel.HTLCsMax {
			return errChannelFull
		}
		if err := c.queue(change); err != nil {
			return err
		}
		signed, err := wire.CommitSig(c.state.Number)
		if err != nil {
			return err
		}
		return errors.Join(c.queueMessage(add), c.queueMessage(signed))
	})
	if err != nil {
		return err
	}
	return c.await(waiting)
}

// remove removes an HTLC whose result is stored, and lets the peer forget it: the commitment, the
// payment's settle or failure, and the notice of a settle are one transaction. Whoever comes second
// waits for the first one and does nothing. repeated: the peer gave the answer again, because an
// earlier life did not let it forget; conclude is nil when the payment has the result.
func (c *committer) remove(
	change channel.Change, conclude *lnkeep.Operation, repeated bool,
) (lnkeep.Outcome, error) {
	waiting := &step{op: conclude, done: make(chan struct{})}
	var first *step
	err := c.change(waiting, func() error {
		if c.state.Has(change.ID) {
			if err := c.queue(change); err != nil {
				return err
			}
			c.removing[change.ID] = waiting
		} else if !repeated {
			first = c.removing[change.ID]
			return errSecond
		}
		forget, err := wire.Forget(change.ID, c.state.Number)
		if err != nil {
			return err
		}
		return c.queueMessage(forget)
	})
	if errors.Is(err, errSecond) {
		if first != nil {
			err = c.await(first)
		} else {
			err = nil
		}
		return lnkeep.Outcome{Already: true}, err
	}
	if err == nil {
		err = c.await(waiting)
	}
	return waiting.outcome, err
}

// errSecond: somebody else removed the HTLC.
var errSecond = errors.New("it is being removed")

// dropUnsent removes HTLCs that the peer does not hold after a restart: they never left. No message
// tells of it, since the peer never had them.
func (c *committer) dropUnsent(ctx context.Context, held map[uint64]struct{}) error {
	for id := range c.state.HTLCs {
		if _, held := held[id]; held {
			continue
		}
		if c.isFull() {
			if err := c.commit(ctx); err != nil {
				return err
			}
		}
		if err := c.queue(channel.Change{Kind: channel.HTLCNeverLeft, ID: id}); err != nil {
			return err
		}
	}
	if c.queued {
		return c.commit(ctx)
	}
	return nil
}

// change runs what changes the channel, when there is room for it: what was queued cannot be taken
// back.
func (c *committer) change(waiting *step, change func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.isFull() && !c.isOver {
		c.room.Wait()
	}
	if c.isOver {
		return errEnded
	}
	if err := change(); err != nil {
		return err
	}
	c.steps = append(c.steps, waiting)
	c.signal()
	return nil
}

// isFull: one change queues at most an update, two messages or a message and a notice.
func (c *committer) isFull() bool {
	const entries, bytes = 3, 4096
	return len(c.steps) >= stepsMax || c.monitors.CanQueue(entries, bytes) != nil
}

func (c *committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *committer) await(waiting *step) error {
	select {
	case <-waiting.done:
		return nil
	case <-c.ended:
		return errEnded
	}
}

// queue queues a change of the channel and notes it in the node's view of it.
func (c *committer) queue(change channel.Change) error {
	if err := c.state.Apply(change); err != nil {
		return err
	}
	_, err := again(context.Background(), func() (lnkeep.Queued, error) {
		return c.monitors.QueueUpdate(ChannelID(), c.state.Number, change.Bytes())
	})
	if err != nil {
		return err
	}
	c.manager.Note(change)
	c.queued = true
	if change.Kind == channel.HTLCSettled {
		// A restarted node that makes this change again queues its notice again, too.
		_, err = c.monitors.QueueOutput(lnkeep.OutputDurable, 0, change.Bytes())
	}
	return err
}

// queueMessage: it leaves after the commit. Lost in a crash before that it does no harm: after a
// reconnect both sides begin from what they have on disk.
func (c *committer) queueMessage(msg lnwire.Message) error {
	if c.flaws.sendsEarly {
		return c.node.peer.Send(msg)
	}
	body, err := wire.Encode(msg)
	if err != nil {
		return err
	}
	_, err = c.monitors.QueueOutput(lnkeep.OutputVolatile, 0, body)
	c.queued = true
	return err
}
