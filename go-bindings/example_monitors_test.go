package lnkeep_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"path/filepath"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// A step of a channel: the new state is queued, what follows from it waits, and one commit makes the state
// and the manager durable together. Only then does the message leave.
func ExampleMonitors() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	monitors, _, err := store.OpenMonitors(nil)
	if err != nil {
		log.Fatal(err)
	}
	channel := lnkeep.ChannelID{1}
	if _, err := monitors.QueueNew(channel, 0, []byte("monitor"), lnkeep.Block{Height: 850_000}); err != nil {
		log.Fatal("the channel is not opened: ", err)
	}
	if _, err := monitors.QueueUpdate(channel, 1, []byte("new commitment")); err != nil {
		log.Fatal("stop the channel: ", err)
	}
	if _, err := monitors.QueueOutput(lnkeep.OutputVolatile, 7, []byte("revoke_and_ack")); err != nil {
		log.Fatal("stop the channel: ", err)
	}

	// First the capture, then the manager.
	capture, err := monitors.Capture()
	if err != nil {
		log.Fatal(err)
	}
	committed, err := monitors.Commit(ctx, capture, lnkeep.Checkpoint{
		Manager: []byte("serialised manager"), View: lnkeep.View{channel: 1},
	})
	if err != nil {
		log.Fatal("nothing may leave: ", err)
	}
	fmt.Println("commit", committed.CommitSequence, "of", committed.Applied, "entries")
	outputs, err := monitors.TakeOutputs(100)
	if err != nil {
		log.Fatal(err)
	}
	for _, output := range outputs {
		fmt.Printf("to peer %d: %s\n", output.Tag, string(output.Payload))
	}
	// Output:
	// commit 1 of 3 entries
	// to peer 7: revoke_and_ack
}

// A goroutine that lets out what became durable, however many goroutines queue and commit.
func ExampleMonitors_Wait() {
	ctx, stop := context.WithCancel(context.Background())
	store, done := temporaryStore(nil)
	defer done()
	monitors, _, err := store.OpenMonitors(nil)
	if err != nil {
		log.Fatal(err)
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		for {
			if err := monitors.Wait(ctx); err != nil {
				fmt.Println("stopped:", errors.Is(err, lnkeep.ErrCanceled))
				return
			}
			completions, err := monitors.Completions(100)
			if err != nil {
				log.Fatal(err)
			}
			for _, completion := range completions {
				fmt.Println("durable:", completion.Kind, completion.UpdateID)
				stop()
			}
		}
	}()
	if _, err := monitors.QueueNew(lnkeep.ChannelID{1}, 12, []byte("monitor"), lnkeep.Block{}); err != nil {
		log.Fatal(err)
	}
	capture, err := monitors.Capture()
	if err != nil {
		log.Fatal(err)
	}
	if _, err := monitors.Commit(ctx, capture, lnkeep.Checkpoint{Manager: []byte("manager")}); err != nil {
		log.Fatal(err)
	}
	<-left
	// Output:
	// durable: new 12
	// stopped: true
}

// openChannels opens the store of a node, unless its channels must not be used.
func openChannels(path string) (*lnkeep.Store, *lnkeep.Monitors) {
	store, err := lnkeep.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	monitors, report, err := store.OpenMonitors(nil)
	if err != nil {
		log.Fatal(err)
	}
	if report.ManagerMissing || report.ManagerBehind || report.MayBeStale {
		log.Fatalf("do not start: %+v", report)
	}
	return store, monitors
}

// The start of a node after a crash: the manager, every channel, and the replay of what was not durable.
func ExampleMonitors_Load() {
	ctx := context.Background()
	directory, remove := temporaryDirectory()
	defer remove()
	path := filepath.Join(directory, "node")
	store, monitors := openChannels(path)
	if _, err := monitors.QueueNew(lnkeep.ChannelID{1}, 0, []byte("monitor"), lnkeep.Block{}); err != nil {
		log.Fatal(err)
	}
	if _, err := monitors.QueueUpdate(lnkeep.ChannelID{1}, 1, []byte("first")); err != nil {
		log.Fatal(err)
	}
	capture, err := monitors.Capture()
	if err != nil {
		log.Fatal(err)
	}
	if _, err := monitors.Commit(ctx, capture, lnkeep.Checkpoint{Manager: []byte("knows 1")}); err != nil {
		log.Fatal(err)
	}
	_ = store.Close()

	store, monitors = openChannels(path)
	defer store.Close()
	manager, err := monitors.Manager()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("manager:", string(manager))
	for channel, err := range monitors.Channels(lnkeep.ChannelActive) {
		if err != nil {
			log.Fatal(err)
		}
		if channel.Damage != lnkeep.DamageNone {
			fmt.Println("do not connect:", channel.ID, channel.Damage)
			continue
		}
		monitor, err := monitors.Load(channel.ID)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("updates:", len(monitor.Updates))
		// The node replays what its manager holds in flight.
		for id, update := range [][]byte{[]byte("first"), []byte("second")} {
			queued, err := monitors.QueueUpdate(channel.ID, uint64(id)+1, update)
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println("update", id+1, "known:", queued.Already)
		}
	}
	// Output:
	// manager: knows 1
	// updates: 1
	// update 1 known: true
	// update 2 known: false
}

// A settle of a payment and the channel state that carries it, in one commit: all of it or nothing.
func ExampleMonitors_OpCommit() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	payments, err := store.OpenPayments(nil)
	if err != nil {
		log.Fatal(err)
	}
	monitors, _, err := store.OpenMonitors(nil)
	if err != nil {
		log.Fatal(err)
	}
	preimage, key := lnkeep.Preimage{1}, lnkeep.DefaultKey(7)
	hash := lnkeep.PaymentHash(sha256.Sum256(preimage[:]))
	if _, _, err := payments.Init(ctx, lnkeep.PaymentInit{Hash: hash, AmountMsat: 1000}); err != nil {
		log.Fatal(err)
	}
	attempt := lnkeep.PaymentAttemptRequest{Key: key, AmountMsat: 1000, HopCount: 1}
	if _, _, err := payments.Register(ctx, hash, attempt); err != nil {
		log.Fatal(err)
	}
	if _, err := monitors.QueueNew(lnkeep.ChannelID{1}, 0, []byte("monitor"), lnkeep.Block{}); err != nil {
		log.Fatal(err)
	}

	capture, err := monitors.Capture()
	if err != nil {
		log.Fatal(err)
	}
	outcomes, err := store.SubmitAtomic(ctx,
		payments.OpSettle(hash, key, lnkeep.AttemptSettle{Preimage: preimage, Time: time.Now()}),
		monitors.OpCommit(capture, lnkeep.Checkpoint{Manager: []byte("manager")}),
	)
	if err != nil {
		log.Fatal("neither is durable: ", err)
	}
	fmt.Println("settled:", outcomes[0].Done, "commit:", outcomes[1].CommitSequence)
	// Output: settled: true commit: 1
}
