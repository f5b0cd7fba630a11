package life

import (
	"context"
	"errors"
	"time"

	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

const (
	statsEvery = 10 * time.Millisecond
	tickEvery  = time.Second
	ackEvery   = 100 * time.Millisecond
	// blockHeight stands for the chain, which does not grow in the demo.
	blockHeight = 900_000
)

// keeper is what housekeeping remembers from round to round.
type keeper struct {
	node *node
	// ackedBelow and booked are done with; toBook is the last event that the client was told.
	ackedBelow, booked, toBook uint64
}

// keepHouse runs until its context ends.
func (n *node) keepHouse(ctx context.Context) error {
	k := &keeper{node: n}
	stats := time.NewTicker(statsEvery)
	defer stats.Stop()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	ack := time.NewTicker(ackEvery)
	defer ack.Stop()
	if err := n.store.Tick(time.Now(), blockHeight); err != nil {
		return err
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-stats.C:
			err = k.tellStats()
		case now := <-tick.C:
			err = n.store.Tick(now, blockHeight)
		case <-ack.C:
			err = k.acknowledge(ctx)
		case event, open := <-n.events.Channel():
			if !open {
				return n.events.Err()
			}
			err = k.book(event)
		}
		switch {
		case errors.Is(err, lnkeep.ErrRetry):
			complain("housekeeping", 0, err) // the next round tries again
		case err != nil && ctx.Err() == nil:
			return err
		}
	}
}

func (k *keeper) tellStats() error {
	stats, err := k.node.store.Stats()
	if err != nil {
		return err
	}
	return k.node.tell(wire.Report{
		Kind: wire.ReportStats, Commits: stats.Commits, Operations: stats.Operations,
	})
}

// book passes results on to the client's books. An event may come again in the next life, and
// never gets lost: it is acknowledged after it was told.
func (k *keeper) book(event lnkeep.Event) error {
	k.toBook = event.Sequence
	if !IsResult(event) {
		return nil
	}
	return k.node.tell(wire.Report{
		Kind: wire.ReportEvent, ID: event.Key.ID, Sequence: event.Sequence,
		Settled: event.State == lnkeep.StateSettled,
	})
}

// IsResult reports whether an event tells the result of an attempt. A conflict is a settle that
// replaced a failure.
func IsResult(event lnkeep.Event) bool {
	return event.Kind == lnkeep.EventAttemptResolved || event.Kind == lnkeep.EventAttemptConflict
}

// acknowledge lets lnkeep forget what others have on record: events, and in step 6 results.
func (k *keeper) acknowledge(ctx context.Context) error {
	if k.toBook > k.booked {
		if _, err := k.node.events.Ack(ctx, k.toBook); err != nil {
			return err
		}
		k.booked = k.toBook
	}
	below := k.node.recordedBelow.Load()
	if below > k.ackedBelow {
		if _, err := k.node.attempts.AckBelow(ctx, lnkeep.Namespace{}, below); err != nil {
			return err
		}
		k.ackedBelow = below
	}
	return nil
}

// noteRecorded keeps the client's word that results below an id are on its own record.
func (n *node) noteRecorded(below uint64) {
	for {
		known := n.recordedBelow.Load()
		if below <= known || n.recordedBelow.CompareAndSwap(known, below) {
			return
		}
	}
}
