package forward

import (
	"context"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func opened(t *testing.T, directory string) (*lnkeep.Store, *lnkeep.Resources) {
	t.Helper()
	store := must(lnkeep.Open(directory, nil))
	resources, _, err := store.OpenResources(&Options)
	if err != nil {
		t.Fatal(err)
	}
	return store, resources
}

// TestRead_TellsEveryStateFromEveryOther: nothing, two channels, an HTLC, its end; and each is found
// again after a restart.
func TestRead_TellsEveryStateFromEveryOther(t *testing.T) {
	ctx, directory := context.Background(), t.TempDir()+"/store"
	htlc := HTLC{
		Incoming: Channel(0), Outgoing: Channel(1), ID: 3, IncomingAmountMsat: 5000,
		OutgoingAmountMsat: 4000, CLTVExpiry: BlockHeight + 40,
	}
	seen := map[[32]byte]bool{}
	var last State
	for i, step := range []func(*lnkeep.Resources) error{
		func(*lnkeep.Resources) error { return nil },
		func(r *lnkeep.Resources) error {
			for i := range 2 {
				_, _, err := r.AddChannel(ctx, Channel(i), Limits[i], 1_700_000_000)
				must(0, err)
			}
			return nil
		},
		func(r *lnkeep.Resources) error {
			_, err := r.AddDurable(ctx, lnkeep.HTLCRequest{
				Incoming: htlc.Incoming, Outgoing: htlc.Outgoing, HTLCID: htlc.ID,
				IncomingAmountMsat: 5000, OutgoingAmountMsat: 4000, UnixSecs: 1_760_000_000,
				IncomingCLTVExpiry: htlc.CLTVExpiry, BlockHeight: BlockHeight,
			})
			return err
		},
		func(r *lnkeep.Resources) error {
			_, err := r.ResolveDurable(ctx, lnkeep.ResolveRequest{
				Incoming: htlc.Incoming, Outgoing: htlc.Outgoing, HTLCID: htlc.ID,
				UnixSecs: 1_760_000_005, Settled: true,
			})
			return err
		},
	} {
		store, resources := opened(t, directory)
		if again := must(Read(resources)); i > 0 && again != last {
			t.Errorf("step %d: the restart found %+v instead of %+v", i, again, last)
		}
		must(0, step(resources))
		state := must(Read(resources))
		if seen[state.Digest] {
			t.Errorf("step %d cannot be told from one before", i)
		}
		seen[state.Digest] = true
		if pending := i == 2; (state.PendingSum == htlc.Identity()) != pending ||
			(state.InUse > 0) != pending {
			t.Errorf("step %d: %+v", i, state)
		}
		if i > 1 && (state.Averages != last.Averages) != (i == 3) {
			t.Errorf("step %d: averages %v after %v", i, state.Averages, last.Averages)
		}
		last = state
		must(0, store.Close())
	}
}
