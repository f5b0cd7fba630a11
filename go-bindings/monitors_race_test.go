package lnkeep_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// TestMonitors_Race is a node: goroutines of channels that update and send, one that commits, one that sends
// what may leave. Whatever leaves was covered by a commit before.
func TestMonitors_Race(t *testing.T) {
	_, monitors := newMonitors(t, &lnkeep.MonitorsOptions{PendingOpsMax: 64})
	const channels, updates = 6, 120
	// tips is what the manager knows; it is locked while a capture is taken and the manager is serialised.
	tips := lnkeep.View{}
	var mu sync.Mutex
	var links sync.WaitGroup
	for n := range uint64(channels) {
		links.Go(func() { raceLink(t, monitors, n, updates, tips, &mu) })
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for done := false; !done; {
			select {
			case <-stop:
				// Once more, since a link may have queued after the last capture.
				done = true
			default:
			}
			raceCommit(t, monitors, tips, &mu)
		}
	}()
	var sent sync.WaitGroup
	ended, end := context.WithCancel(context.Background())
	var outputs atomic.Uint64
	sent.Go(func() { raceSend(ended, t, monitors, &outputs) })
	links.Wait()
	close(stop)
	<-stopped
	eventually(t, "the last output", func() bool { return outputs.Load() == channels*updates })
	end()
	sent.Wait()
	for n := range byte(channels) {
		found, err := monitors.Load(channel('a' + n))
		must(t, err)
		if found.Channel.LatestUpdateID != updates {
			t.Fatalf("%+v", found.Channel)
		}
	}
}

// raceLink changes a channel; what it sends carries the channel and the update that it follows from.
func raceLink(
	t *testing.T, monitors *lnkeep.Monitors, n uint64, updates uint64, tips lnkeep.View, mu *sync.Mutex,
) {
	id := channel('a' + byte(n))
	random := rand.New(rand.NewPCG(n, 9))
	queued := func(queue func() error) {
		for {
			mu.Lock()
			err := queue()
			mu.Unlock()
			if err == nil {
				return
			}
			if !is(err, lnkeep.ErrQueueFull) {
				t.Error(err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	queued(func() error {
		_, err := monitors.QueueNew(id, 0, []byte("base"), lnkeep.Block{})
		if err == nil {
			tips[id] = 0
		}
		return err
	})
	for update := uint64(1); update <= updates; update++ {
		queued(func() error {
			_, err := monitors.QueueUpdate(id, update, updateOf(update))
			if err == nil {
				tips[id] = update
			}
			return err
		})
		if random.IntN(20) == 0 {
			queued(func() error {
				_, err := monitors.QueueSnapshot(id, update, []byte("folded"), nil, lnkeep.Critical)
				return err
			})
		}
		queued(func() error {
			_, err := monitors.QueueOutput(lnkeep.OutputVolatile, n<<32|update, []byte("message"))
			return err
		})
	}
}

func raceCommit(t *testing.T, monitors *lnkeep.Monitors, tips lnkeep.View, mu *sync.Mutex) {
	mu.Lock()
	capture, err := monitors.Capture()
	view := maps.Clone(tips)
	mu.Unlock()
	if err != nil {
		t.Error(err)
	}
	_, err = monitors.Commit(soon(t), capture, lnkeep.Checkpoint{Manager: []byte("m"), View: view})
	if err != nil {
		t.Error(err)
	}
}

func raceSend(ended context.Context, t *testing.T, monitors *lnkeep.Monitors, count *atomic.Uint64) {
	for monitors.Wait(ended) == nil {
		if _, err := monitors.Completions(1024); err != nil {
			t.Error(err)
		}
		outputs, err := monitors.TakeOutputs(1024)
		if err != nil {
			t.Error(err)
		}
		for _, output := range outputs {
			n, update := output.Tag>>32, output.Tag&0xffff_ffff
			found, err := monitors.Load(channel('a' + byte(n)))
			if err != nil || found.Channel.LatestUpdateID < update {
				t.Errorf("update %d of channel %d left and is not on disk: %v", update, n, err)
			}
		}
		count.Add(uint64(len(outputs)))
	}
}

// TestMonitors_Race_Close closes values and stores under calls of every kind.
func TestMonitors_Race_Close(t *testing.T) {
	for round := range 20 {
		store := openStore(t, newPath(t), nil)
		monitors, _ := openMonitors(t, store, nil)
		second, _ := openMonitors(t, store, nil)
		var group sync.WaitGroup
		for n := range byte(4) {
			one := []*lnkeep.Monitors{monitors, second}[n%2]
			group.Go(func() { raceUntilClosed(t, store, one, n) })
		}
		time.Sleep(time.Duration(round) * time.Millisecond / 4)
		group.Go(func() { must(t, monitors.Discard()) })
		if round%2 == 0 {
			group.Go(func() { must(t, store.Close()) })
		} else {
			group.Go(func() { must(t, second.Discard()) })
		}
		group.Wait()
		must(t, store.Close())
	}
}

func raceUntilClosed(t *testing.T, store *lnkeep.Store, monitors *lnkeep.Monitors, n byte) {
	id := channel('a' + n)
	if _, err := monitors.QueueNew(id, 0, []byte("base"), lnkeep.Block{}); err != nil {
		want(t, err, lnkeep.ErrClosed)
		return
	}
	for update := uint64(1); ; update++ {
		calls := []func() error{
			func() error { _, err := monitors.QueueUpdate(id, update, updateOf(update)); return err },
			func() error {
				capture, err := monitors.Capture()
				if err != nil {
					return err
				}
				_, err = monitors.Commit(context.Background(), capture, lnkeep.Checkpoint{Manager: []byte("m")})
				if n%2 == 1 && err == nil {
					capture, err = monitors.Capture()
					if err == nil {
						checkpoint := lnkeep.Checkpoint{Manager: []byte("m")}
						_, err = store.SubmitAtomic(context.Background(), monitors.OpCommit(capture, checkpoint))
					}
				}
				if is(err, lnkeep.ErrStaleCapture) {
					return nil
				}
				return err
			},
			func() error { _, err := monitors.Completions(10); return err },
			func() error { _, err := monitors.Load(id); return err },
			func() error {
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				defer cancel()
				if err := monitors.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
					return err
				}
				return nil
			},
		}
		for _, call := range calls {
			// The entries of a session that was discarded are unknown to whoever is late.
			if err := call(); err != nil && !is(err, lnkeep.ErrUnknownChannel) && !is(err, lnkeep.ErrUpdateGap) {
				if !is(err, lnkeep.ErrClosed) {
					t.Error(err)
				}
				return
			}
		}
	}
}
