package lnkeep_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestMonitors_Close_RefusesToLoseEntries(t *testing.T) {
	path := newPath(t)
	store := openStore(t, path, nil)
	monitors, _ := openMonitors(t, store, nil)
	second, _ := openMonitors(t, store, &lnkeep.MonitorsOptions{})
	_, _, err := store.OpenMonitors(&lnkeep.MonitorsOptions{ManagerOptional: true})
	want(t, err, lnkeep.ErrAlreadyOpen)
	_, _, err = store.OpenMonitors(&lnkeep.MonitorsOptions{SnapshotAge: -1})
	want(t, err, lnkeep.ErrInvalidArgument)
	queueNew(t, second, 'a')
	// It is not the last one, and both share one queue.
	must(t, second.Close())
	must(t, second.Close())
	_, err = second.Capture()
	want(t, err, lnkeep.ErrClosed)
	err = monitors.Close()
	want(t, err, lnkeep.ErrPendingOps)
	var known *lnkeep.Error
	if !errors.As(err, &known) || known.Value == nil || *known.Value != 1 || known.Channel != nil {
		t.Fatalf("%+v", known)
	}
	if !monitors.IsOpen() {
		t.Fatal("it is closed")
	}
	commitAll(t, monitors)
	must(t, monitors.Close())
	if monitors.IsOpen() {
		t.Fatal("it is open")
	}
	monitors, report := openMonitors(t, store, nil)
	if report.LastClose != lnkeep.LastCloseClean {
		t.Fatal(report)
	}
	queueUpdates(t, monitors, 'a', 1, 1)
	must(t, monitors.Discard())
	monitors, report = openMonitors(t, store, nil)
	if report.LastClose != lnkeep.LastCloseUnclean {
		t.Fatal(report)
	}
	queueUpdates(t, monitors, 'a', 1, 1)
	must(t, store.Close())
	must(t, monitors.Close())
	_, report = openMonitors(t, openStore(t, path, nil), nil)
	if report.LastClose != lnkeep.LastCloseUnclean || report.CommitSequence != 1 {
		t.Fatal("a store that was closed with queued entries:", report)
	}
}

// everyCall is each method of Monitors once.
func everyCall(t *testing.T, monitors *lnkeep.Monitors) map[string]error {
	a, calls := channel('a'), map[string]error{}
	_, calls["QueueNew"] = monitors.QueueNew(a, 0, updateOf(1), lnkeep.Block{})
	_, calls["QueueUpdate"] = monitors.QueueUpdate(a, 1, updateOf(1))
	_, calls["QueueSnapshot"] = monitors.QueueSnapshot(a, 1, updateOf(1), nil)
	_, calls["QueueArchive"] = monitors.QueueArchive(a)
	_, calls["QueueOutput"] = monitors.QueueOutput(lnkeep.OutputVolatile, 1, updateOf(1))
	calls["CanQueue"] = monitors.CanQueue(1, 1)
	_, calls["IsDurable"] = monitors.IsDurable(1)
	_, calls["Capture"] = monitors.Capture()
	_, calls["Commit"] = monitors.Commit(soon(t), lnkeep.Capture{}, lnkeep.Checkpoint{})
	_, calls["CommitExternal"] = monitors.CommitExternal(soon(t), lnkeep.Capture{}, lnkeep.ExternalCheckpoint{})
	_, calls["CheckManager"] = monitors.CheckManager(1)
	_, calls["Purge"] = monitors.Purge(soon(t), a)
	_, calls["Completions"] = monitors.Completions(1)
	_, calls["TakeOutputs"] = monitors.TakeOutputs(1)
	calls["Acknowledge"] = monitors.Acknowledge(1)
	_, calls["NeedSnapshot"] = monitors.NeedSnapshot()
	_, calls["Load"] = monitors.Load(a)
	_, calls["Manager"] = monitors.Manager()
	_, calls["State"] = monitors.State()
	calls["Wait"] = monitors.Wait(soon(t))
	for _, err := range monitors.Channels(lnkeep.ChannelActive) {
		calls["Channels"] = err
	}
	return calls
}

func TestMonitors_AfterTheCloseEverythingIsRefused(t *testing.T) {
	store, monitors := newMonitors(t, nil)
	other, _ := openMonitors(t, store, nil)
	must(t, monitors.Close())
	ofStore := openStore(t, newPath(t), nil)
	closedWithStore, _ := openMonitors(t, ofStore, nil)
	must(t, ofStore.Close())
	for name, one := range map[string]*lnkeep.Monitors{"value": monitors, "store": closedWithStore} {
		calls := everyCall(t, one)
		// All exported methods but those that end it, tell it or make operations.
		if methods := reflect.TypeOf(one).NumMethod(); len(calls) != methods-5 {
			t.Fatalf("%d calls of %d methods", len(calls), methods)
		}
		for call, err := range calls {
			if !errors.Is(err, lnkeep.ErrClosed) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s of a closed %s: %v", call, name, err)
			}
		}
		outcomes, err := store.Submit(soon(t), one.OpCommit(lnkeep.Capture{}, lnkeep.Checkpoint{}))
		want(t, err, lnkeep.ErrBatch)
		want(t, outcomes[0].Err, lnkeep.ErrClosed)
		if one.IsOpen() || one.Close() != nil || one.Discard() != nil {
			t.Fatal("it is not closed")
		}
	}
	if !other.IsOpen() {
		t.Fatal("another value is closed")
	}
	_, _, err := ofStore.OpenMonitors(nil)
	want(t, err, lnkeep.ErrClosed)
}
