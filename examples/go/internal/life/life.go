// Package life is one life of the node, from open to close or to its death: what an engineer
// who writes a node in Go would start from. It uses lnkeep and lnwire; the world around it is
// in package world.
//
//	life.go          opens, recovers, runs the goroutines, closes
//	payer.go         an order of the client becomes a payment, and the payment parts, to its end
//	dispatch.go      a part becomes an HTLC, at most once
//	answers.go       an answer of the peer becomes a result
//	results.go       a result goes to its payment
//	committer.go     changes of the channel, and what leaves because of them
//	forwarder.go     an HTLC of others: whether to forward it
//	commit.go        the channel is committed first; then the messages leave
//	recovery.go      what the last life left behind
//	housekeeping.go  the clock, acknowledgements, events
//	outcome.go       what a node may conclude from an error of lnkeep
//	sabotage.go      the negative controls: the same node with one step of safety switched off
//	flaws.go         those of the channel
package life

import (
	"context"
	"errors"
	"io"
	"log"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lnkeep/lnkeep/examples/go/internal/forward"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
	"golang.org/x/sync/errgroup"
)

// Options of one life.
type Options struct {
	// Directory of the store.
	Directory string
	// EpochMin is the store's epoch as the world outside remembers it.
	EpochMin uint64
	// Client, Peer and Neighbours are owned by the life from its start.
	Client     *wire.Client[wire.Order, wire.Report]
	Peer       *wire.Peer
	Neighbours *wire.Client[forward.Order, forward.Report]
	// Sabotage names the step to switch off; empty for a sound node.
	Sabotage string
}

// EventsCursor is the name under which the node's bookkeeping reads the store's events.
const EventsCursor = "bookkeeping"

// PaymentsOptions are the node's: the totals of all parts must be the payment's amount.
var PaymentsOptions = lnkeep.PaymentsOptions{CheckTotals: true}

type node struct {
	store    *lnkeep.Store
	attempts *lnkeep.Attempts
	payments *lnkeep.Payments
	events   *lnkeep.Events
	client   *wire.Client[wire.Order, wire.Report]
	peer     *wire.Peer
	channel  *committer
	forwards forwarder
	steps    steps
	recover  lnkeep.RecoverOptions
	// unfinished are payments of earlier lives that this one goes on with.
	unfinished []*lnkeep.Payment
	// attemptsMade in this life.
	attemptsMade atomic.Uint64
}

// steps are the calls of lnkeep that everything else has to wait for.
type steps struct {
	init        func(context.Context, lnkeep.PaymentInit) (*lnkeep.Payment, lnkeep.Outcome, error)
	storeResult func(context.Context, lnkeep.Key, lnkeep.Result) (lnkeep.Outcome, error)
	resume      func(context.Context, lnkeep.ResumeOptions) (lnkeep.Resumption, error)
}

// Run lives until the client has no more orders. After an error that MustRestart reports,
// another life may go on.
func Run(ctx context.Context, options Options) (err error) {
	n := &node{
		client: options.Client, peer: options.Peer,
		forwards: forwarder{options: forward.Options, neighbours: options.Neighbours},
	}
	defer n.client.Close()
	defer n.peer.Close()
	defer n.forwards.neighbours.Close()
	if err := n.open(ctx, options); err != nil {
		return err
	}
	// Whatever happened: what lnkeep accepted is committed, and the files are released.
	defer func() { err = errors.Join(err, n.store.Close()) }()
	if err := n.startUp(ctx); err != nil {
		return err
	}
	return n.work(ctx)
}

func (n *node) open(ctx context.Context, options Options) (err error) {
	// A store older than the world outside remembers was restored from a copy: what was paid after
	// the copy was made is unknown to it, so the open is refused.
	n.store, err = again(ctx, func() (*lnkeep.Store, error) {
		return lnkeep.Open(options.Directory, &lnkeep.StoreOptions{EpochMin: options.EpochMin})
	})
	if err != nil {
		return err
	}
	if err = n.openParts(ctx, options.Sabotage); err != nil {
		return errors.Join(err, n.store.Close())
	}
	return nil
}

func (n *node) openParts(ctx context.Context, sabotage string) (err error) {
	if n.attempts, err = n.store.OpenAttempts(nil); err != nil {
		return err
	}
	if n.payments, err = n.store.OpenPayments(&PaymentsOptions); err != nil {
		return err
	}
	n.events, err = again(ctx, func() (*lnkeep.Events, error) {
		return n.store.OpenEvents(EventsCursor, nil)
	})
	if err != nil {
		return err
	}
	n.steps = steps{
		init: n.payments.Init, storeResult: n.attempts.StoreResult, resume: n.payments.Resume,
	}
	n.channel = n.newCommitter()
	if err := n.sabotage(sabotage); err != nil {
		return err
	}
	return n.channel.open(ctx)
}

// startUp comes before anything is dispatched.
func (n *node) startUp(ctx context.Context) error {
	// Deadlines are compared with the time that the store was told.
	if err := n.store.Tick(time.Now(), blockHeight); err != nil {
		return err
	}
	if err := n.settlePast(ctx); err != nil {
		return err
	}
	if err := n.resumePast(ctx); err != nil {
		return err
	}
	if err := n.forwards.open(ctx, n.store); err != nil {
		return err
	}
	return n.tell(wire.Report{Kind: wire.ReportReady, Epoch: n.store.Report().Epoch})
}

// work runs until nothing is left to do; the first error of any goroutine ends all of them.
func (n *node) work(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	keeping, dismiss := context.WithCancel(ctx)
	resolved := make(chan struct{})
	group.Go(func() error { return n.keepHouse(keeping) })
	group.Go(func() error { return n.forwards.run(ctx) })
	group.Go(func() error {
		// After the committer: what it commits last is told, too.
		defer dismiss()
		return n.channel.run(ctx, resolved)
	})
	group.Go(func() error {
		defer close(resolved)
		return n.carryPayments(ctx)
	})
	return group.Wait()
}

// carryPayments ends when the client has ended the orders and every payment has ended.
func (n *node) carryPayments(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	// A goroutine that reads from a connection looks at no context.
	stop := context.AfterFunc(ctx, func() {
		_ = n.peer.Close()
		// A client that ended its orders is still told what the event log holds.
		if !errors.Is(context.Cause(ctx), errResolved) {
			_ = n.client.Close()
		}
	})
	defer stop()
	group.Go(func() error { return n.takeOrders(ctx, group) })
	group.Go(func() error { return n.takeAnswers(ctx, group) })
	if err := group.Wait(); !errors.Is(err, errResolved) {
		return err
	}
	return nil
}

// errResolved ends the goroutines when nothing is left to do.
var errResolved = errors.New("every payment has ended")

// takeOrders starts a goroutine for each unfinished payment and each order. A thousand of them
// would share commits, too: lnkeep packs what waits for the disk.
func (n *node) takeOrders(ctx context.Context, group *errgroup.Group) error {
	slots := make(chan struct{}, paymentsMax)
	var followed sync.WaitGroup
	// start waits for a slot. No earlier life had more payments than there are.
	start := func(follow func() error) error {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		followed.Add(1)
		group.Go(func() error {
			defer followed.Done()
			defer func() { <-slots }()
			return follow()
		})
		return nil
	}
	for _, payment := range n.unfinished {
		payer := n.newPayer(group, payment, true)
		if err := start(func() error { return payer.run(ctx) }); err != nil {
			return err
		}
	}
	for {
		order, err := n.client.Receive()
		if errors.Is(err, io.EOF) {
			followed.Wait()
			return errResolved
		}
		if err != nil {
			return gone("client", err)
		}
		err = start(func() error { return n.follow(ctx, group, order) })
		if err != nil {
			return err
		}
	}
}

// tell sends a report. Whoever calls it has the answer of lnkeep.
func (n *node) tell(report wire.Report) error {
	if err := n.client.Send(report); err != nil {
		return gone("client", err)
	}
	return nil
}

// complain writes an error of lnkeep to the log. Its message never holds a key or a preimage.
func complain(what string, err error) { log.Printf("node: %s: %v", what, err) }
