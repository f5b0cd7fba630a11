package life

import (
	"context"
	"errors"
	"io"

	"github.com/lnkeep/lnkeep/examples/go/internal/forward"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

const (
	// durableEvery: most nodes never wait for the disk here, because what a crash takes costs no
	// funds. This one does for one HTLC of so many, so that both acknowledgements are tried.
	durableEvery = 16
	// What our policy asks for; whatever is paid beyond it earns no reputation.
	feeBaseMsat = 1000
	feePPM      = 1000
	// channelsSinceUnixSecs is when the channels began to earn: any time before the first HTLC.
	channelsSinceUnixSecs = 1_700_000_000
)

// forwarder asks lnkeep whether to forward each HTLC of others, and with which signal.
//
// Two rules keep the resources in step with the channels whatever a crash takes along. An HTLC is
// asked about BEFORE it leaves: if the node dies in between, nobody holds it, the next life's
// Reconcile drops it, and it is offered again. It is resolved AFTER its answer has left: if the node
// dies in between, Reconcile drops it, and it counts for nothing. The other way round it would be
// answered, and count, twice.
//
// One goroutine does all of this and tells the state after each call, so that the world can compare
// what a restart finds with every state that there was. lnkeep takes calls from any goroutine.
type forwarder struct {
	options    lnkeep.ResourcesOptions
	resources  *lnkeep.Resources
	neighbours *wire.Client[forward.Order, forward.Report]
	// forgetsToReconcile is a negative control.
	forgetsToReconcile bool
}

// open loads the resources and brings them in line with the HTLCs that are out.
func (f *forwarder) open(ctx context.Context, store *lnkeep.Store) (err error) {
	f.resources, err = again(ctx, func() (*lnkeep.Resources, error) {
		resources, _, err := store.OpenResources(&f.options)
		return resources, err
	})
	if err != nil {
		return err
	}
	if err := f.tell(forward.Report{Kind: forward.ReportOpened}); err != nil {
		return err
	}
	for i := range forward.Channels {
		if err := f.addChannel(ctx, i); err != nil {
			return err
		}
	}
	return f.reconcile(ctx)
}

// addChannel is told at every start: a channel that is known keeps its reputation.
func (f *forwarder) addChannel(ctx context.Context, i int) error {
	outcome, err := again(ctx, func() (lnkeep.Outcome, error) {
		_, outcome, err := f.resources.AddChannel(ctx, forward.Channel(i), forward.Limits[i],
			channelsSinceUnixSecs)
		return outcome, err
	})
	if err != nil {
		return err
	}
	return f.tell(forward.Report{
		Kind: forward.ReportChannel, Status: outcome.Code, Channel: forward.Channel(i), Durable: true,
	})
}

// reconcile: the last calls before a crash may be lost, and HTLCs may have ended since. The channels
// know which are out: those that left and whose answers did not.
func (f *forwarder) reconcile(ctx context.Context) error {
	order, err := f.neighbours.Receive()
	if err != nil {
		return gone("neighbours", err)
	}
	if order.Kind != forward.OrderHeld {
		return errors.Join(errProtocol, errors.New("no list of the HTLCs that are out"))
	}
	live := make([]lnkeep.LiveHTLC, len(order.Held))
	for i, htlc := range order.Held {
		live[i] = lnkeep.LiveHTLC{
			Incoming: htlc.Incoming, Outgoing: htlc.Outgoing, HTLCID: htlc.ID,
			IncomingAmountMsat: htlc.IncomingAmountMsat,
			OutgoingAmountMsat: htlc.OutgoingAmountMsat,
			AddedUnixSecs:      htlc.AddedUnixSecs,
			IncomingCLTVExpiry: htlc.CLTVExpiry,
			BlockHeight:        forward.BlockHeight,
			Accountable:        htlc.Accountable,
		}
	}
	report := forward.Report{Kind: forward.ReportReconciled}
	if !f.forgetsToReconcile {
		report.Durable = true
		report.Reconciled, err = again(ctx, func() (lnkeep.Reconciled, error) {
			return f.resources.Reconcile(ctx, live)
		})
		if err != nil {
			return err
		}
	}
	return f.tell(report)
}

// run ends when the neighbours send no more.
func (f *forwarder) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = f.neighbours.Close() })
	defer stop()
	for {
		order, err := f.neighbours.Receive()
		if errors.Is(err, io.EOF) {
			return f.resources.Close()
		}
		if err != nil {
			return gone("neighbours", err)
		}
		if order.Kind == forward.OrderOffer {
			err = f.decide(ctx, &order)
		} else {
			err = f.passBack(ctx, &order)
		}
		if err != nil {
			return err
		}
	}
}

// decide: an HTLC was offered, or the peer replays one that is out; then the answer is the recorded
// one.
func (f *forwarder) decide(ctx context.Context, order *forward.Order) error {
	request, report := requestOf(order), reportOf(&order.HTLC, forward.ReportDecided)
	decision, err := again(ctx, func() (lnkeep.Decision, error) {
		if !report.Durable {
			return f.resources.Add(request)
		}
		decision, err := f.resources.AddDurable(ctx, request)
		if errors.Is(err, lnkeep.ErrNotDurable) {
			// A full disk. The decision holds, lnkeep goes on trying, and nobody waits for that.
			decision.Already = decision.Reason == lnkeep.ReasonRecorded
			report.Durable, err = false, nil
		}
		return decision, err
	})
	if err != nil && !notApplied(err) {
		return err
	}
	report.Status = statusOf(decision.Already, err)
	report.Verdict, report.Bucket = decision.Verdict, decision.Bucket
	report.Accountable = decision.Accountable
	if err != nil {
		// Without a decision there is no slot for it: fail it as if there were none.
		complain("decide", err)
		report.Verdict = lnkeep.VerdictFail
	}
	// Nothing is kept of an HTLC that fails.
	report.Durable = report.Durable && report.Verdict == lnkeep.VerdictForward
	return f.tell(report)
}

// passBack: the outgoing channel settled or failed the HTLC.
func (f *forwarder) passBack(ctx context.Context, order *forward.Order) error {
	released := reportOf(&order.HTLC, forward.ReportReleased)
	released.Durable = false
	if err := f.tell(released); err != nil {
		return err
	}
	request := lnkeep.ResolveRequest{
		Incoming: order.HTLC.Incoming, Outgoing: order.HTLC.Outgoing, HTLCID: order.HTLC.ID,
		UnixSecs: order.UnixSecs, Settled: order.Settled,
	}
	report := reportOf(&order.HTLC, forward.ReportResolved)
	resolution, err := again(ctx, func() (lnkeep.Resolution, error) {
		if !report.Durable {
			return f.resources.Resolve(request)
		}
		resolution, err := f.resources.ResolveDurable(ctx, request)
		if errors.Is(err, lnkeep.ErrNotDurable) {
			report.Durable, err = false, nil
		}
		return resolution, err
	})
	if err != nil && !notApplied(err) {
		return err
	}
	if err != nil {
		complain("resolve", err)
	}
	report.Status = statusOf(resolution.Already, err)
	return f.tell(report)
}

func requestOf(order *forward.Order) lnkeep.HTLCRequest {
	htlc := &order.HTLC
	policyFeeMsat := feeBaseMsat + htlc.OutgoingAmountMsat*feePPM/1_000_000
	return lnkeep.HTLCRequest{
		Incoming: htlc.Incoming, Outgoing: htlc.Outgoing, HTLCID: htlc.ID,
		IncomingAmountMsat: htlc.IncomingAmountMsat,
		OutgoingAmountMsat: htlc.OutgoingAmountMsat,
		UnixSecs:           order.UnixSecs,
		IncomingCLTVExpiry: htlc.CLTVExpiry,
		BlockHeight:        forward.BlockHeight,
		PolicyFeeMsat:      &policyFeeMsat,
		Upgrade:            lnkeep.UpgradePresent,
		Accountable:        htlc.Accountable,
	}
}

func reportOf(htlc *forward.HTLC, kind forward.ReportKind) forward.Report {
	return forward.Report{
		Kind: kind, Channel: htlc.Incoming, HTLCID: htlc.ID, Durable: htlc.ID%durableEvery == 0,
	}
}

func statusOf(already bool, err error) lnkeep.Status {
	var refusal *lnkeep.Error
	switch {
	case errors.As(err, &refusal):
		return refusal.Code
	case already:
		return lnkeep.StatusAlready
	}
	return lnkeep.StatusDone
}

// tell sends a report, with the state right after the call that it is about.
func (f *forwarder) tell(report forward.Report) (err error) {
	if report.Kind != forward.ReportReleased {
		if report.State, err = forward.Read(f.resources); err != nil {
			return err
		}
	}
	if err := f.neighbours.Send(report); err != nil {
		return gone("neighbours", err)
	}
	return nil
}
