package lnkeep_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// interceptedPacket is an HTLC as an interceptor of lnd gets it (htlcswitch.InterceptedPacket), as far as
// resources look at it.
type interceptedPacket struct {
	IncomingCircuit struct {
		ChanID lnkeep.ShortChannelID
		HtlcID uint64
	}
	OutgoingChanID lnkeep.ShortChannelID
	IncomingAmount uint64
	OutgoingAmount uint64
	IncomingExpiry uint32
}

// interceptor asks resources before each forward and tells them how it ended.
type interceptor struct {
	resources   *lnkeep.Resources
	unixSecs    func() uint64
	blockHeight func() uint32
}

// intercept says whether an HTLC may go on, and whether it goes on accountable. Whatever is no verdict to
// forward fails the HTLC: that costs a payment an attempt, and never funds.
func (i *interceptor) intercept(packet *interceptedPacket) (resume, accountable bool) {
	decision, err := i.resources.Add(lnkeep.HTLCRequest{
		Incoming: packet.IncomingCircuit.ChanID, Outgoing: packet.OutgoingChanID,
		HTLCID:             packet.IncomingCircuit.HtlcID,
		IncomingAmountMsat: packet.IncomingAmount, OutgoingAmountMsat: packet.OutgoingAmount,
		IncomingCLTVExpiry: packet.IncomingExpiry, BlockHeight: i.blockHeight(), UnixSecs: i.unixSecs(),
	})
	switch {
	case errors.Is(err, lnkeep.ErrBusy):
		fmt.Println("fail it: the disk is behind")
	case err != nil:
		fmt.Println("fail:", err)
	default:
		fmt.Println(decision.Verdict, "because of", decision.Reason, "in", decision.Bucket)
	}
	return decision.Verdict == lnkeep.VerdictForward, decision.Accountable
}

// ended is for the switch's settle or fail of an HTLC that was resumed.
func (i *interceptor) ended(packet *interceptedPacket, settled bool) {
	resolution, err := i.resources.Resolve(lnkeep.ResolveRequest{
		Incoming: packet.IncomingCircuit.ChanID, Outgoing: packet.OutgoingChanID,
		HTLCID: packet.IncomingCircuit.HtlcID, UnixSecs: i.unixSecs(), Settled: settled,
	})
	if err != nil {
		fmt.Println("nothing to release:", err)
		return
	}
	fmt.Println("earned", resolution.EffectiveFeeMsat, "msat of reputation")
}

// An interceptor of HTLCs, as lnd has them, asks before each forward: nothing of it waits for the disk.
func ExampleResources() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	resources, _, err := store.OpenResources(nil)
	if err != nil {
		log.Fatal(err)
	}
	const clock = 1_700_000_000
	limits := lnkeep.ChannelLimits{MaxInFlightMsat: 500_000_000, MaxAcceptedHTLCs: 50}
	for channel := lnkeep.ShortChannelID(1); channel <= 2; channel++ {
		if _, _, err := resources.AddChannel(ctx, channel, limits, clock); err != nil {
			log.Fatal(err)
		}
	}
	// What was forwarded and is not resolved: nothing, since this node is new.
	if _, err := resources.Reconcile(ctx, nil); err != nil {
		log.Fatal(err)
	}

	i := &interceptor{
		resources: resources, unixSecs: func() uint64 { return clock },
		blockHeight: func() uint32 { return 800_000 },
	}
	var first *interceptedPacket
	for id := range uint64(7) {
		packet := &interceptedPacket{
			OutgoingChanID: 2, IncomingAmount: 1_001_000, OutgoingAmount: 1_000_000, IncomingExpiry: 800_100,
		}
		packet.IncomingCircuit.ChanID, packet.IncomingCircuit.HtlcID = 1, id
		if id == 0 {
			first = packet
		}
		if resume, accountable := i.intercept(packet); resume && accountable {
			fmt.Println("with update_add_htlc's accountable signal")
		}
	}
	i.ended(first, true)
	// Output:
	// forward because of general in general
	// forward because of general in general
	// forward because of general in general
	// forward because of general in general
	// forward because of general in general
	// forward because of congestion in congestion
	// with update_add_htlc's accountable signal
	// fail because of outgoing_in_congestion in none
	// earned 1000 msat of reputation
}

// Before anything is switched on: forward as before, and look at what would have been failed, and why.
func ExampleResources_Decisions() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	resources, _, err := store.OpenResources(&lnkeep.ResourcesOptions{OnlyWatch: true, DecisionsKept: 1000})
	if err != nil {
		log.Fatal(err)
	}
	const clock = 1_700_000_000
	limits := lnkeep.ChannelLimits{MaxInFlightMsat: 500_000_000, MaxAcceptedHTLCs: 50}
	for channel := lnkeep.ShortChannelID(1); channel <= 2; channel++ {
		if _, _, err := resources.AddChannel(ctx, channel, limits, clock); err != nil {
			log.Fatal(err)
		}
	}
	decision, err := resources.Add(lnkeep.HTLCRequest{
		Incoming: 1, Outgoing: 2, HTLCID: 7, IncomingAmountMsat: 1_001_000, OutgoingAmountMsat: 1_000_000,
		UnixSecs: clock, IncomingCLTVExpiry: 800_100, BlockHeight: 800_000, Accountable: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(decision.Verdict, "- would fail:", decision.WouldFail, "-", decision.Reason)
	lines, last, err := resources.Decisions(0, 100)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("exported up to number", last, "as", bytes.Count(lines, []byte("\n")), "line")
	// Output:
	// forward - would fail: true - no_reputation
	// exported up to number 1 as 1 line
}

// After a restart the node tells which HTLCs it has; what a crash lost is tracked again, and what is gone is
// released.
func ExampleResources_Reconcile() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	resources, report, err := store.OpenResources(nil)
	if err != nil {
		log.Fatal(err)
	}
	const clock = 1_700_000_000
	limits := lnkeep.ChannelLimits{MaxInFlightMsat: 500_000_000, MaxAcceptedHTLCs: 50}
	for channel := lnkeep.ShortChannelID(1); channel <= 2; channel++ {
		if _, _, err := resources.AddChannel(ctx, channel, limits, clock); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("pending before:", report.Pending)
	reconciled, err := resources.Reconcile(ctx, []lnkeep.LiveHTLC{{
		Incoming: 1, Outgoing: 2, HTLCID: 7, IncomingAmountMsat: 1_001_000, OutgoingAmountMsat: 1_000_000,
		AddedUnixSecs: clock - 60, IncomingCLTVExpiry: 800_100, BlockHeight: 800_000,
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("added:", reconciled.Added, "dropped:", reconciled.Dropped)
	// Output:
	// pending before: 0
	// added: 1 dropped: 0
}
