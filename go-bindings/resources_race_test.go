package lnkeep_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// TestResources_ManyGoroutines add and resolve on the same channels while others read, and a count of what
// was decided holds at the end.
func TestResources_ManyGoroutines(t *testing.T) {
	const goroutines, each = 8, 300
	path := newPath(t)
	store := openStore(t, path, nil)
	resources, _ := openResources(t, store, &lnkeep.ResourcesOptions{DecisionsKept: 64})
	addChannels(t, resources, 6)
	var forwarded, failed, ended atomic.Uint64
	var all sync.WaitGroup
	for g := range uint64(goroutines) {
		all.Go(func() {
			for i := range uint64(each) {
				request := forward(lnkeep.ShortChannelID(1+(g+i)%6), lnkeep.ShortChannelID(1+(g+i+1+i%5)%6), g*each+i)
				var decision lnkeep.Decision
				var err error
				if i%50 == 0 {
					decision, err = resources.AddDurable(t.Context(), request)
				} else {
					decision, err = resources.Add(request)
				}
				switch {
				case err != nil:
					t.Error(err)
				case decision.Verdict == lnkeep.VerdictFail:
					failed.Add(1)
				case i%7 == 0:
					forwarded.Add(1)
				default:
					forwarded.Add(1)
					ended.Add(1)
					if _, err := resources.Resolve(over(request, 1, i%2 == 0)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Go(func() {
		for range 50 {
			snapshot, err := resources.Snapshot(now)
			if err != nil || len(snapshot.Channels) != 6 {
				t.Error(snapshot, err)
			}
			if _, _, err := resources.Decisions(0, 9); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	stats, err := resources.Stats()
	must(t, err)
	if stats.Forwarded != forwarded.Load() || stats.Failed != failed.Load() || stats.Resolved != ended.Load() ||
		forwarded.Load()+failed.Load() != goroutines*each {
		t.Fatalf("%+v, %d, %d, %d", stats, forwarded.Load(), failed.Load(), ended.Load())
	}
	must(t, store.Close())
	_, report := openResources(t, openStore(t, path, nil), nil)
	if report.Pending != forwarded.Load()-ended.Load() {
		t.Fatalf("%+v", report)
	}
}

// TestResources_CloseDuringCalls ends resources and the store under goroutines that use them: each call is
// answered by what it did or by ErrClosed.
func TestResources_CloseDuringCalls(t *testing.T) {
	for _, closesStore := range []bool{false, true} {
		path := newPath(t)
		store := openStore(t, path, nil)
		resources, _ := openResources(t, store, nil)
		addChannels(t, resources, 2)
		var acknowledged [4]uint64
		var all sync.WaitGroup
		started := make(chan struct{}, len(acknowledged))
		for g := range acknowledged {
			all.Go(func() {
				for i := uint64(0); ; i++ {
					request := forward(1, 2, uint64(g)<<32|i)
					_, err := resources.Add(request)
					if err == nil {
						_, err = resources.Resolve(over(request, 1, true))
					}
					switch {
					case errors.Is(err, lnkeep.ErrUnknownHTLC), errors.Is(err, lnkeep.ErrBusy):
						// It was failed; or the journal waits for the disk.
					case errors.Is(err, lnkeep.ErrClosed):
						return
					case err != nil:
						t.Error(err)
						return
					default:
						acknowledged[g]++
					}
					if i == 20 {
						started <- struct{}{}
					}
				}
			})
		}
		for range acknowledged {
			<-started
		}
		if closesStore {
			must(t, store.Close())
		} else {
			must(t, resources.Close())
		}
		all.Wait()
		must(t, store.Close())
		resources, _ = openResources(t, openStore(t, path, nil), nil)
		view, err := resources.Channel(2, now+1)
		must(t, err)
		sum := acknowledged[0] + acknowledged[1] + acknowledged[2] + acknowledged[3]
		// A call under way may have been applied and answered ErrClosed.
		if got := uint64(view.ReputationMsat) / 1000; got < sum || got > sum+uint64(len(acknowledged)) {
			t.Fatalf("%d were acknowledged and the reputation is of %d", sum, got)
		}
	}
}

func TestResources_TheHotPathAllocatesNothing(t *testing.T) {
	_, resources := newResources(t, &lnkeep.ResourcesOptions{WithoutJournal: true}, 2)
	id, fee := uint64(0), uint64(900)
	allocations := testing.AllocsPerRun(500, func() {
		id++
		request := forward(1, 2, id)
		request.PolicyFeeMsat = &fee
		decision, err := resources.Add(request)
		if err != nil || decision.Verdict != lnkeep.VerdictForward {
			t.Error(decision, err)
		}
		if _, err := resources.Resolve(over(request, 1, true)); err != nil {
			t.Error(err)
		}
	})
	if allocations != 0 {
		t.Fatalf("%v allocations for one Add and one Resolve", allocations)
	}
}
