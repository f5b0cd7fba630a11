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
	// booked is done with; toBook is the last event that the client was told.
	booked, toBook uint64
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
			complain("housekeeping", err) // the next round tries again
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

// book passes events on to the client's books. One may come again in the next life, under the same
// number, and never gets lost: it is acknowledged after it was told.
func (k *keeper) book(event lnkeep.Event) error {
	k.toBook = event.Sequence
	return k.node.tell(wire.Report{Kind: wire.ReportEvent, Event: wire.EventOf(event)})
}

// acknowledge lets lnkeep forget events that the client has on record.
func (k *keeper) acknowledge(ctx context.Context) error {
	if k.toBook == k.booked {
		return nil
	}
	_, err := k.node.events.Ack(ctx, k.toBook)
	if err == nil {
		k.booked = k.toBook
	}
	return err
}
