package lnkeep_test

import (
	"bytes"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// FuzzMonitors gives any arguments to every call, and holds what is durable against what was accepted.
func FuzzMonitors(f *testing.F) {
	f.Add(byte(0), byte(1), uint64(0), []byte("base"), uint64(7))
	f.Add(byte(1), byte(1), uint64(1), []byte("update"), uint64(1<<63))
	f.Add(byte(2), byte(1), uint64(1<<64-1), []byte{}, uint64(0))
	f.Add(byte(3), byte(255), uint64(1), make([]byte, 70_000), uint64(1))
	f.Add(byte(4), byte(0), uint64(1<<64-1), []byte(nil), uint64(1<<64-1))
	f.Add(byte(6), byte(3), uint64(2), []byte{0xff}, uint64(2))
	store := openStore(f, newPath(f), nil)
	monitors, _ := openMonitors(f, store, &lnkeep.MonitorsOptions{PendingOpsMax: 16, UpdatesMax: 8})
	f.Fuzz(func(t *testing.T, kind, letter byte, id uint64, content []byte, number uint64) {
		fuzzedCall(t, monitors, kind, channel(letter), id, content, number)
		if number%3 != 0 {
			return
		}
		capture, err := monitors.Capture()
		must(t, err)
		checkpoint := lnkeep.Checkpoint{Manager: content}
		if number%2 == 0 {
			checkpoint.View = lnkeep.View{channel(letter): id}
		}
		if letter&1 == 0 {
			_, err = monitors.Commit(soon(t), capture, checkpoint)
		} else {
			_, err = store.SubmitAtomic(soon(t), monitors.OpCommit(capture, checkpoint))
		}
		definite(t, err)
		if err == nil && checkpoint.Manager != nil {
			manager, err := monitors.Manager()
			if err != nil || manager == nil || !bytes.Equal(manager, content) {
				t.Fatal(len(manager), err)
			}
		}
		soundChannel(t, monitors, channel(letter))
		_, err = monitors.Completions(1024)
		must(t, err)
		outputs, err := monitors.TakeOutputs(1024)
		must(t, err)
		for _, output := range outputs {
			if output.Class() == lnkeep.OutputDurable {
				must(t, monitors.Acknowledge(output.ID))
			}
		}
	})
}

func fuzzedCall(
	t *testing.T, monitors *lnkeep.Monitors, kind byte, id lnkeep.ChannelID, update uint64, content []byte,
	number uint64,
) {
	var err error
	block := lnkeep.Block{Hash: id, Height: uint32(number)}
	urgency := lnkeep.Urgency(number >> 62)
	switch kind % 9 {
	case 0:
		_, err = monitors.QueueNew(id, update, content, block, urgency)
	case 1:
		var queued lnkeep.Queued
		queued, err = monitors.QueueUpdate(id, update, content, urgency)
		if (queued.Ticket != 0) != (err == nil && !queued.Already) || queued.Durable && !queued.Already {
			t.Fatalf("%+v %v", queued, err)
		}
	case 2:
		_, err = monitors.QueueSnapshot(id, update, content, &block, urgency)
	case 3:
		_, err = monitors.QueueArchive(id)
	case 4:
		_, err = monitors.QueueOutput(lnkeep.OutputClass(number>>61), number, content)
	case 5:
		err = monitors.CanQueue(update, number, urgency)
	case 6:
		_, err = monitors.IsDurable(number)
	case 7:
		_, err = monitors.Purge(soon(t), id)
	case 8:
		err = monitors.Acknowledge(number)
	}
	if !is(err, lnkeep.ErrQueueFull) {
		definite(t, err)
	}
}

// soundChannel holds a channel against its own facts.
func soundChannel(t *testing.T, monitors *lnkeep.Monitors, id lnkeep.ChannelID) {
	monitor, err := monitors.Load(id)
	definite(t, err)
	if err != nil {
		return
	}
	facts, sum := monitor.Channel, uint64(0)
	for i, update := range monitor.Updates {
		sum += uint64(len(update.Update))
		if update.ID != facts.SnapshotUpdateID+1+uint64(i) {
			t.Fatalf("update %d at place %d: %+v", update.ID, i, facts)
		}
	}
	if facts.ID != id || facts.Damage != lnkeep.DamageNone || facts.UpdateBytes != sum ||
		facts.SnapshotBytes != uint64(len(monitor.Snapshot)) ||
		facts.LatestUpdateID != facts.SnapshotUpdateID+uint64(len(monitor.Updates)) {
		t.Fatalf("%+v", facts)
	}
}
