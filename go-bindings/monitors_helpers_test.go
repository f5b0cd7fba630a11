package lnkeep_test

import (
	"bytes"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// channel is the id made of one letter, as in the vectors.
func channel(letter byte) (id lnkeep.ChannelID) {
	copy(id[:], bytes.Repeat([]byte{letter}, len(id)))
	return id
}

func openMonitors(
	t testing.TB, store *lnkeep.Store, options *lnkeep.MonitorsOptions,
) (*lnkeep.Monitors, lnkeep.MonitorsReport) {
	t.Helper()
	monitors, report, err := store.OpenMonitors(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = monitors.Discard() })
	return monitors, report
}

// newMonitors opens monitors on a fresh store.
func newMonitors(t testing.TB, options *lnkeep.MonitorsOptions) (*lnkeep.Store, *lnkeep.Monitors) {
	t.Helper()
	store := openStore(t, newPath(t), nil)
	monitors, _ := openMonitors(t, store, options)
	return store, monitors
}

// ticket fails unless an entry was queued: ticket(t)(monitors.QueueNew(...)).
func ticket(t testing.TB) func(uint64, error) uint64 {
	return func(given uint64, err error) uint64 {
		t.Helper()
		must(t, err)
		if given == 0 {
			t.Fatal("it has no ticket")
		}
		return given
	}
}

// queueNew queues a new channel with a snapshot at update 0.
func queueNew(t testing.TB, monitors *lnkeep.Monitors, letters ...byte) {
	t.Helper()
	for _, letter := range letters {
		ticket(t)(monitors.QueueNew(channel(letter), 0, []byte("base"), lnkeep.Block{Height: 100}))
	}
}

// queueUpdates queues updates of a channel, from an id on.
func queueUpdates(t testing.TB, monitors *lnkeep.Monitors, letter byte, first, last uint64) {
	t.Helper()
	for id := first; id <= last; id++ {
		queued, err := monitors.QueueUpdate(channel(letter), id, updateOf(id))
		must(t, err)
		if queued.Ticket == 0 || queued.Already || queued.Durable {
			t.Fatalf("%+v", queued)
		}
	}
}

func updateOf(id uint64) lnkeep.HostBytes { return lnkeep.HostBytes(decimal([]uint64{id})[0]) }

// commitAll commits everything queued, with a manager.
func commitAll(t testing.TB, monitors *lnkeep.Monitors) lnkeep.Committed {
	t.Helper()
	capture, err := monitors.Capture()
	must(t, err)
	done, err := monitors.Commit(soon(t), capture, lnkeep.Checkpoint{Manager: []byte("manager")})
	must(t, err)
	return done
}
