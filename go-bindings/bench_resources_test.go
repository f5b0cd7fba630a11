package lnkeep_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// BenchmarkResources adds and resolves 100 HTLCs per iteration: one call of C each, against one for all; from
// one goroutine and from two, which use other channels. The figure is per pair of Add and Resolve.
func BenchmarkResources(b *testing.B) {
	for _, goroutines := range []int{1, 2} {
		for _, how := range []struct {
			name string
			run  func(*testing.B, *lnkeep.Resources, []lnkeep.HTLCRequest, []lnkeep.ResolveRequest)
		}{{"single", pairsOneByOne}, {"batch_of_100", pairsAtOnce}} {
			b.Run(fmt.Sprintf("%s/goroutines=%d", how.name, goroutines), func(b *testing.B) {
				// The bench measures decisions and not the disk, which they do not wait for.
				_, resources := newResources(b, &lnkeep.ResourcesOptions{WithoutJournal: true}, 4*10)
				b.ReportAllocs()
				b.ResetTimer()
				var all sync.WaitGroup
				for g := range goroutines {
					all.Go(func() {
						adds, resolves := pairs(lnkeep.ShortChannelID(20 * g))
						for range b.N {
							how.run(b, resources, adds, resolves)
						}
					})
				}
				all.Wait()
				pairs := float64(b.N) * benchOps * float64(goroutines)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/pairs, "ns/pair")
			})
		}
	}
}

// pairs are 100 HTLCs between 20 channels, and their ends; each pair of channels has one of them at most, so
// that all of them fit.
func pairs(first lnkeep.ShortChannelID) (adds []lnkeep.HTLCRequest, resolves []lnkeep.ResolveRequest) {
	for id := range uint64(benchOps) {
		add := forward(first+1+lnkeep.ShortChannelID(id%10), first+11+lnkeep.ShortChannelID(id/10), id)
		adds = append(adds, add)
		resolves = append(resolves, over(add, 0, true))
	}
	return adds, resolves
}

func pairsOneByOne(
	b *testing.B, resources *lnkeep.Resources, adds []lnkeep.HTLCRequest, resolves []lnkeep.ResolveRequest,
) {
	for i := range adds {
		decision, err := resources.Add(adds[i])
		if err != nil || decision.Verdict != lnkeep.VerdictForward {
			b.Error(decision, err)
		}
	}
	for i := range resolves {
		if _, err := resources.Resolve(resolves[i]); err != nil {
			b.Error(err)
		}
	}
}

func pairsAtOnce(
	b *testing.B, resources *lnkeep.Resources, adds []lnkeep.HTLCRequest, resolves []lnkeep.ResolveRequest,
) {
	decisions, err := resources.AddAll(adds)
	if err != nil || decisions[0].Verdict != lnkeep.VerdictForward {
		b.Error(decisions, err)
	}
	if _, err := resources.ResolveAll(resolves); err != nil {
		b.Error(err)
	}
}
