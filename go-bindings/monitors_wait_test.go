package lnkeep_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestMonitors_Wait_UntilThereIsNews(t *testing.T) {
	_, monitors := newMonitors(t, nil)
	briefly, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	want(t, monitors.Wait(briefly), lnkeep.ErrCanceled)
	told := make(chan error, 3)
	for range cap(told) {
		go func() { told <- monitors.Wait(soon(t)) }()
	}
	queueNew(t, monitors, 'a')
	time.Sleep(10 * time.Millisecond)
	if len(told) != 0 {
		t.Fatal("what is queued is no news")
	}
	ticket(t)(monitors.QueueOutput(lnkeep.OutputVolatile, 1, []byte("message")))
	commitAll(t, monitors)
	for range cap(told) {
		must(t, <-told)
	}
	// What was not taken is told again, either kind of it.
	must(t, monitors.Wait(soon(t)))
	taken, err := monitors.Completions(9)
	if err != nil || len(taken) != 1 {
		t.Fatal(taken, err)
	}
	must(t, monitors.Wait(soon(t)))
	outputs, err := monitors.TakeOutputs(9)
	if err != nil || len(outputs) != 1 {
		t.Fatal(outputs, err)
	}
	again, cancelAgain := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancelAgain()
	want(t, monitors.Wait(again), context.DeadlineExceeded)
}

func TestMonitors_Wait_EndsWithTheClose(t *testing.T) {
	for name, end := range map[string]func(*lnkeep.Store, *lnkeep.Monitors) error{
		"monitors": func(_ *lnkeep.Store, monitors *lnkeep.Monitors) error { return monitors.Close() },
		"discard":  func(_ *lnkeep.Store, monitors *lnkeep.Monitors) error { return monitors.Discard() },
		"store":    func(store *lnkeep.Store, _ *lnkeep.Monitors) error { return store.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			store, monitors := newMonitors(t, nil)
			other, _ := openMonitors(t, store, nil)
			told := make(chan error, 4)
			for range cap(told) {
				go func() { told <- monitors.Wait(soon(t)) }()
			}
			ctx, cancel := context.WithCancel(context.Background())
			ofOther := make(chan error, 1)
			go func() { ofOther <- other.Wait(ctx) }()
			time.Sleep(10 * time.Millisecond)
			must(t, end(store, monitors))
			for range cap(told) {
				want(t, <-told, lnkeep.ErrClosed)
			}
			if name == "store" {
				cancel()
				want(t, <-ofOther, lnkeep.ErrClosed)
				return
			}
			if len(ofOther) != 0 {
				t.Fatal("the other value's wait ended too:", <-ofOther)
			}
			cancel()
			want(t, <-ofOther, lnkeep.ErrCanceled)
		})
	}
}

// TestMonitors_Wait_LeavesNothingBehind counts goroutines: a wait has none of its own.
func TestMonitors_Wait_LeavesNothingBehind(t *testing.T) {
	_, monitors := newMonitors(t, nil)
	before := runtime.NumGoroutine()
	for range 200 {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
		want(t, monitors.Wait(ctx), lnkeep.ErrCanceled)
		cancel()
	}
	eventually(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before })
}

// TestMonitors_Wait_MissesNothing has takers that sleep whenever there is nothing, and a committer.
func TestMonitors_Wait_MissesNothing(t *testing.T) {
	_, monitors := newMonitors(t, nil)
	const rounds, takers = 100, 3
	var group sync.WaitGroup
	var mu sync.Mutex
	seen, ctx := map[uint64]int{}, soon(t)
	finished, finish := context.WithCancel(ctx)
	for range takers {
		group.Go(func() {
			for {
				if err := monitors.Wait(finished); err != nil {
					if finished.Err() == nil {
						t.Error(err)
					}
					return
				}
				if _, err := monitors.Completions(2); err != nil {
					t.Error(err)
				}
				outputs, err := monitors.TakeOutputs(2)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, output := range outputs {
					seen[output.Tag]++
				}
				mu.Unlock()
			}
		})
	}
	queueNew(t, monitors, 'a')
	for round := range uint64(rounds) {
		queueUpdates(t, monitors, 'a', round+1, round+1)
		ticket(t)(monitors.QueueOutput(lnkeep.OutputVolatile, round, []byte("message")))
		commitAll(t, monitors)
	}
	eventually(t, "the last output", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen) == rounds
	})
	finish()
	group.Wait()
	for tag, n := range seen {
		if n != 1 {
			t.Errorf("output %d came %d times", tag, n)
		}
	}
}
