package lnkeep_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func captured(t testing.TB, monitors *lnkeep.Monitors) lnkeep.Capture {
	t.Helper()
	capture, err := monitors.Capture()
	must(t, err)
	return capture
}

func TestMonitors_Commit_TakesWhatWasQueuedBeforeTheCapture(t *testing.T) {
	_, monitors := newMonitors(t, nil)
	queueNew(t, monitors, 'a')
	first := captured(t, monitors)
	queueUpdates(t, monitors, 'a', 1, 3)
	second := captured(t, monitors)
	if first.UptoTicket() != 1 || second.UptoTicket() != 4 {
		t.Fatal(first.UptoTicket(), second.UptoTicket())
	}
	done, err := monitors.Commit(soon(t), first, lnkeep.Checkpoint{Manager: []byte("m")})
	if err != nil || done.Applied != 1 {
		t.Fatal(done, err)
	}
	done, err = monitors.Commit(soon(t), second, lnkeep.Checkpoint{Manager: []byte{}})
	if err != nil || done != (lnkeep.Committed{CommitSequence: 2, Applied: 3}) {
		t.Fatal(done, err)
	}
	for _, stale := range []lnkeep.Capture{first, second} {
		_, err = monitors.Commit(soon(t), stale, lnkeep.Checkpoint{Manager: []byte("old")})
		want(t, err, lnkeep.ErrStaleCapture)
	}
	// An empty manager is a manager.
	if manager, err := monitors.Manager(); manager == nil || len(manager) != 0 || err != nil {
		t.Fatal(manager, err)
	}
}

func TestMonitors_Commit_EveryRefusalLeavesTheQueue(t *testing.T) {
	_, monitors := newMonitors(t, &lnkeep.MonitorsOptions{ReplaysNothing: true})
	queueNew(t, monitors, 'a', 'b')
	queueUpdates(t, monitors, 'a', 1, 2)
	capture := captured(t, monitors)
	queueUpdates(t, monitors, 'a', 3, 3)
	commit := func(capture lnkeep.Capture, view lnkeep.View) error {
		_, err := monitors.Commit(soon(t), capture, lnkeep.Checkpoint{Manager: []byte("m"), View: view})
		return err
	}
	a, b := channel('a'), channel('b')
	want(t, commit(lnkeep.Capture{}, nil), lnkeep.ErrBadTicket)
	_, other := newMonitors(t, nil)
	want(t, commit(captured(t, other), nil), lnkeep.ErrBadTicket)
	_, err := monitors.Commit(soon(t), capture, lnkeep.Checkpoint{})
	want(t, err, lnkeep.ErrManagerRequired)
	_, err = monitors.CommitExternal(soon(t), capture, lnkeep.ExternalCheckpoint{})
	want(t, err, lnkeep.ErrWrongMode)
	_, err = monitors.CheckManager(0)
	want(t, err, lnkeep.ErrWrongMode)
	speaksOf(t, commit(capture, lnkeep.View{a: 2, channel('x'): 1}), lnkeep.ErrUnknownChannel, 'x', -1)
	speaksOf(t, commit(capture, lnkeep.View{b: 0, a: 1}), lnkeep.ErrManagerBehind, 'a', 2)
	speaksOf(t, commit(capture, lnkeep.View{a: 4}), lnkeep.ErrLostUpdate, 'a', 3)
	speaksOf(t, commit(capture, lnkeep.View{a: 3}), lnkeep.ErrManagerAhead, 'a', 2)
	if state, err := monitors.State(); err != nil || state.PendingOperations != 5 || state.CommitSequence != 0 {
		t.Fatal(state, err)
	}
	must(t, commit(capture, lnkeep.View{a: 2, b: 0}))
}

func TestMonitors_Commit_AViewOfManyChannels(t *testing.T) {
	_, monitors := newMonitors(t, nil)
	view := lnkeep.View{}
	for i := range 500 {
		id := lnkeep.ChannelID{byte(i >> 8), byte(i), 1}
		ticket(t)(monitors.QueueNew(id, uint64(i), []byte("base"), lnkeep.Block{}))
		view[id] = uint64(i)
	}
	capture := captured(t, monitors)
	view[lnkeep.ChannelID{1, 7, 1}]++
	_, err := monitors.Commit(soon(t), capture, lnkeep.Checkpoint{Manager: []byte("m"), View: view})
	want(t, err, lnkeep.ErrLostUpdate)
	view[lnkeep.ChannelID{1, 7, 1}]--
	_, err = monitors.Commit(soon(t), capture, lnkeep.Checkpoint{Manager: []byte("m"), View: view})
	must(t, err)
}

func TestMonitors_Commit_ALargeManager(t *testing.T) {
	store, monitors := newMonitors(t, nil)
	for i, commit := range []func(lnkeep.Capture, lnkeep.Checkpoint) error{
		func(capture lnkeep.Capture, checkpoint lnkeep.Checkpoint) error {
			_, err := monitors.Commit(soon(t), capture, checkpoint)
			return err
		},
		func(capture lnkeep.Capture, checkpoint lnkeep.Checkpoint) error {
			_, err := store.SubmitAtomic(soon(t), monitors.OpCommit(capture, checkpoint))
			return err
		},
	} {
		manager := bytes.Repeat([]byte{byte(i), 2, 3, 4, 5}, 5<<20)
		must(t, commit(captured(t, monitors), lnkeep.Checkpoint{Manager: manager}))
		found, err := monitors.Manager()
		if err != nil || !bytes.Equal(found, manager) {
			t.Fatal(len(found), err)
		}
	}
}

func TestMonitors_CommitExternal_Generations(t *testing.T) {
	_, monitors := newMonitors(t, &lnkeep.MonitorsOptions{ExternalManager: true})
	commit := func(generation *uint64) error {
		checkpoint := lnkeep.ExternalCheckpoint{Generation: generation}
		_, err := monitors.CommitExternal(soon(t), captured(t, monitors), checkpoint)
		return err
	}
	five, four, relation := uint64(5), uint64(4), lnkeep.ManagerRelation(0)
	queueNew(t, monitors, 'a')
	want(t, commit(nil), lnkeep.ErrManagerRequired)
	must(t, commit(&five))
	must(t, commit(nil))
	err := commit(&four)
	want(t, err, lnkeep.ErrStaleManager)
	if value := valueOf(err); value == nil || *value != 5 {
		t.Fatal(value)
	}
	_, err = monitors.Commit(soon(t), captured(t, monitors), lnkeep.Checkpoint{Manager: []byte("m")})
	want(t, err, lnkeep.ErrWrongMode)
	relations := map[uint64]lnkeep.ManagerRelation{5: lnkeep.ManagerEqual, 6: lnkeep.ManagerAhead}
	for generation, wanted := range relations {
		if relation, err = monitors.CheckManager(generation); relation != wanted || err != nil {
			t.Fatal(relation, err)
		}
	}
	_, err = monitors.CheckManager(4)
	want(t, err, lnkeep.ErrManagerBehind)
	if value := valueOf(err); value == nil || *value != 5 {
		t.Fatal(value)
	}
	state, err := monitors.State()
	if err != nil || *state.ManagerGeneration != 5 || *state.RescanHeight != 100 {
		t.Fatalf("%+v %v", state, err)
	}
}

// settling is a store with a payment in flight and monitors, and the operation that settles it.
func settling(
	t *testing.T, options *lnkeep.StoreOptions,
) (*lnkeep.Store, *lnkeep.Monitors, lnkeep.Operation) {
	store := openStore(t, newPath(t), options)
	monitors, _ := openMonitors(t, store, nil)
	payments := openPayments(t, store, nil)
	secret := preimage(1)
	hash := lnkeep.PaymentHash(sha256.Sum256(secret[:]))
	paid(t)(payments.Init(soon(t), lnkeep.PaymentInit{Hash: hash, AmountMsat: 1000}))
	paid(t)(payments.Register(soon(t), hash, whole(1, 1000)))
	return store, monitors, payments.OpSettle(hash, key(1), lnkeep.AttemptSettle{Preimage: secret})
}

func TestMonitors_OpCommit_AllOrNothing(t *testing.T) {
	for _, direct := range []bool{false, true} {
		t.Run(fmt.Sprint("direct=", direct), func(t *testing.T) {
			store, monitors, settle := settling(t, &lnkeep.StoreOptions{Direct: direct})
			queueNew(t, monitors, 'a')
			capture := captured(t, monitors)
			ahead := lnkeep.Checkpoint{Manager: []byte("m"), View: lnkeep.View{channel('a'): 1}}
			for _, ops := range [][]lnkeep.Operation{
				{monitors.OpCommit(capture, ahead), settle}, {settle, monitors.OpCommit(capture, ahead)},
			} {
				outcomes, err := store.SubmitAtomic(soon(t), ops...)
				want(t, err, lnkeep.ErrBatch)
				for _, outcome := range outcomes {
					if outcome.Code != lnkeep.StatusAborted && outcome.Code != lnkeep.StatusLostUpdate {
						t.Fatalf("%+v", outcomes)
					}
				}
			}
			outcomes, err := store.SubmitAtomic(soon(t), settle,
				monitors.OpCommit(capture, lnkeep.Checkpoint{Manager: []byte("m"), View: lnkeep.View{channel('a'): 0}}))
			must(t, err)
			if !outcomes[0].Done || !outcomes[1].Done || outcomes[1].CommitSequence != 1 || outcomes[1].ID != 0 {
				t.Fatalf("%+v", outcomes)
			}
			if completions, err := monitors.Completions(9); err != nil || len(completions) != 1 {
				t.Fatal(completions, err)
			}
			outcomes, err = store.Submit(soon(t), monitors.OpCommit(capture, lnkeep.Checkpoint{}), settle)
			want(t, err, lnkeep.ErrBatch)
			want(t, outcomes[0].Err, lnkeep.ErrStaleCapture)
			if !outcomes[1].Already {
				t.Fatalf("%+v", outcomes)
			}
		})
	}
}

func TestMonitors_OpCommit_TheRefusalNamesItsChannel(t *testing.T) {
	store, monitors, settle := settling(t, nil)
	queueNew(t, monitors, 'a')
	lost := monitors.OpCommit(captured(t, monitors), lnkeep.Checkpoint{
		Manager: []byte("m"), View: lnkeep.View{channel('a'): 1},
	})
	for refused, ops := range [][]lnkeep.Operation{{lost, settle}, {settle, lost}} {
		outcomes, err := store.SubmitAtomic(soon(t), ops...)
		want(t, err, lnkeep.ErrBatch)
		speaksOf(t, err, lnkeep.ErrLostUpdate, 'a', 0)
		speaksOf(t, outcomes[refused].Err, lnkeep.ErrLostUpdate, 'a', 0)
		want(t, outcomes[1-refused].Err, lnkeep.ErrAborted)
	}
}

func TestMonitors_OpCommit_IsACopy(t *testing.T) {
	store, monitors := newMonitors(t, nil)
	queueNew(t, monitors, 'a')
	manager, view := []byte("manager"), lnkeep.View{channel('a'): 0}
	op := monitors.OpCommit(captured(t, monitors), lnkeep.Checkpoint{Manager: manager, View: view})
	manager[0], view[channel('a')] = 'X', 7
	submission, err := store.SubmitAsyncAtomic(op)
	must(t, err)
	outcomes, err := submission.Wait(soon(t))
	must(t, err)
	if outcomes[0].CommitSequence != 1 {
		t.Fatalf("%+v", outcomes)
	}
	if found, err := monitors.Manager(); string(found) != "manager" || err != nil {
		t.Fatal(found, err)
	}
	external := openStore(t, newPath(t), nil)
	monitors, _ = openMonitors(t, external, &lnkeep.MonitorsOptions{ExternalManager: true})
	generation := uint64(3)
	op = monitors.OpCommitExternal(captured(t, monitors), lnkeep.ExternalCheckpoint{Generation: &generation})
	generation = 9
	_, err = external.Submit(soon(t), op)
	must(t, err)
	if state, err := monitors.State(); err != nil || *state.ManagerGeneration != 3 {
		t.Fatal(state, err)
	}
}

func TestMonitors_Commit_AContextThatEndedAppliesNothing(t *testing.T) {
	store, monitors := newMonitors(t, nil)
	queueNew(t, monitors, 'a')
	capture := captured(t, monitors)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := monitors.Commit(ended, capture, lnkeep.Checkpoint{Manager: []byte("m")})
	want(t, err, lnkeep.ErrCanceled)
	want(t, err, context.Canceled)
	_, err = monitors.Purge(ended, channel('a'))
	want(t, err, lnkeep.ErrCanceled)
	outcomes, err := store.Submit(ended, monitors.OpCommit(capture, lnkeep.Checkpoint{Manager: []byte("m")}))
	want(t, err, lnkeep.ErrCanceled)
	want(t, outcomes[0].Err, lnkeep.ErrCanceled)
	want(t, monitors.Wait(ended), lnkeep.ErrCanceled)
	_, err = monitors.Commit(soon(t), capture, lnkeep.Checkpoint{Manager: []byte("m")})
	must(t, err)
}

// Commits of many goroutines wait for each other, whichever way they come: none is told that it is busy.
func TestMonitors_Commit_ManyGoroutines(t *testing.T) {
	store, monitors := newMonitors(t, nil)
	var group sync.WaitGroup
	for worker := range byte(12) {
		group.Go(func() {
			queueNew(t, monitors, 'a'+worker)
			for id := uint64(1); id <= 8; id++ {
				queueUpdates(t, monitors, 'a'+worker, id, id)
				capture, checkpoint := captured(t, monitors), lnkeep.Checkpoint{Manager: []byte("m")}
				var err error
				switch worker % 3 {
				case 0:
					_, err = monitors.Commit(soon(t), capture, checkpoint)
				case 1:
					_, err = store.Submit(soon(t), monitors.OpCommit(capture, checkpoint))
				default:
					_, err = store.SubmitAtomic(soon(t), monitors.OpCommit(capture, checkpoint))
				}
				if err != nil && !is(err, lnkeep.ErrStaleCapture) {
					t.Error(err)
				}
				if found, err := monitors.Load(channel('a' + worker)); err != nil || found.Channel.LatestUpdateID < id {
					// The commit that overtook this one had a later capture, which covers the update too.
					t.Error(found, err)
				}
			}
		})
	}
	group.Wait()
	state, err := monitors.State()
	if err != nil || state.PendingOperations != 0 {
		t.Fatal(state, err)
	}
}

func TestMonitors_Commit_AttemptsGoOnMeanwhile(t *testing.T) {
	store, monitors := newMonitors(t, nil)
	attempts := openAttempts(t, store, nil)
	done := make(chan error, 1)
	go func() {
		_, err := store.SubmitAtomic(soon(t), monitors.OpCommit(captured(t, monitors), lnkeep.Checkpoint{
			Manager: make([]byte, 48<<20),
		}))
		done <- err
	}()
	longest, n := time.Duration(0), uint64(0)
	for {
		select {
		case err := <-done:
			must(t, err)
			t.Logf("%d attempts, the longest waited %v", n, longest)
			if n < 2 {
				t.Fatalf("%d attempts while a manager of 48 MiB was written", n)
			}
			return
		default:
		}
		begin := time.Now()
		n++
		initDone(t, attempts, n)
		longest = max(longest, time.Since(begin))
	}
}
