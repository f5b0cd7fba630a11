package lnkeep_test

import (
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// now is a time that tests of resources begin at.
const now = 1_700_000_000

func openResources(
	t testing.TB, store *lnkeep.Store, options *lnkeep.ResourcesOptions,
) (*lnkeep.Resources, lnkeep.ResourcesReport) {
	t.Helper()
	resources, report, err := store.OpenResources(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resources.Close() })
	return resources, report
}

// newResources opens resources on a fresh store, with channels 1 to n. Their salt is always the same, and
// with it which pairs share a slot, unless the options name another.
func newResources(
	t testing.TB, options *lnkeep.ResourcesOptions, n lnkeep.ShortChannelID,
) (*lnkeep.Store, *lnkeep.Resources) {
	t.Helper()
	salted := lnkeep.ResourcesOptions{}
	if options != nil {
		salted = *options
	}
	if salted.Entropy == nil {
		salted.Entropy = &lnkeep.Secret{1}
	}
	store := openStore(t, newPath(t), nil)
	resources, _ := openResources(t, store, &salted)
	addChannels(t, resources, n)
	return store, resources
}

// usual are limits of a channel of 50 HTLCs: 20 general slots, 10 congestion slots, 20 protected slots.
var usual = lnkeep.ChannelLimits{MaxInFlightMsat: 500_000_000, MaxAcceptedHTLCs: 50}

func addChannels(t testing.TB, resources *lnkeep.Resources, n lnkeep.ShortChannelID) {
	t.Helper()
	for channel := lnkeep.ShortChannelID(1); channel <= n; channel++ {
		_, outcome, err := resources.AddChannel(soon(t), channel, usual, now)
		do(t)(outcome, err)
	}
}

// forward is an HTLC of 1,000 sat that pays a fee of 1 sat.
func forward(incoming, outgoing lnkeep.ShortChannelID, id uint64) lnkeep.HTLCRequest {
	return lnkeep.HTLCRequest{
		Incoming: incoming, Outgoing: outgoing, HTLCID: id, IncomingAmountMsat: 1_001_000,
		OutgoingAmountMsat: 1_000_000, UnixSecs: now, IncomingCLTVExpiry: 800_100, BlockHeight: 800_000,
	}
}

// over is the end of that HTLC after some seconds.
func over(request lnkeep.HTLCRequest, secs uint64, settled bool) lnkeep.ResolveRequest {
	return lnkeep.ResolveRequest{
		Incoming: request.Incoming, Outgoing: request.Outgoing, HTLCID: request.HTLCID,
		UnixSecs: request.UnixSecs + secs, Settled: settled,
	}
}

// live is that HTLC as the node tells it.
func live(request lnkeep.HTLCRequest) lnkeep.LiveHTLC {
	return lnkeep.LiveHTLC{
		Incoming: request.Incoming, Outgoing: request.Outgoing, HTLCID: request.HTLCID,
		IncomingAmountMsat: request.IncomingAmountMsat, OutgoingAmountMsat: request.OutgoingAmountMsat,
		AddedUnixSecs: request.UnixSecs, IncomingCLTVExpiry: request.IncomingCLTVExpiry,
		BlockHeight: request.BlockHeight,
	}
}

// added fails unless there is a verdict: added(t)(resources.Add(request)).
func added(t testing.TB) func(lnkeep.Decision, error) lnkeep.Decision {
	return func(decision lnkeep.Decision, err error) lnkeep.Decision {
		t.Helper()
		must(t, err)
		if decision.Err != nil || decision.Verdict == 0 {
			t.Fatalf("%+v", decision)
		}
		return decision
	}
}

// resolved fails unless this very call resolved it: resolved(t)(resources.Resolve(request)).
func resolved(t testing.TB) func(lnkeep.Resolution, error) lnkeep.Resolution {
	return func(resolution lnkeep.Resolution, err error) lnkeep.Resolution {
		t.Helper()
		must(t, err)
		if resolution.Err != nil || resolution.Already {
			t.Fatalf("%+v", resolution)
		}
		return resolution
	}
}
