package lnkeep_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// TestFullDisk_ACommitIsRefusedAndItsCaptureIsGoodAgain on a file system of its own, which needs root.
func TestFullDisk_ACommitIsRefusedAndItsCaptureIsGoodAgain(t *testing.T) {
	if os.Getenv(mountsVariable) == "" {
		inOwnMounts(t)
		return
	}
	disk := t.TempDir()
	if err := syscall.Mount("lnkeep-test", disk, "tmpfs", 0, "size=64m,mode=700"); err != nil {
		t.Skip("SKIPPED, a full disk was not tested: cannot mount a tmpfs:", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(disk, 0)) })
	ballast := filepath.Join(disk, "ballast")
	store := openStore(t, filepath.Join(disk, "store"), nil)
	t.Cleanup(func() { must(t, store.Close()) })
	monitors, _ := openMonitors(t, store, nil)
	queueNew(t, monitors, 'a')
	commitAll(t, monitors)
	_, err := monitors.Completions(9)
	must(t, err)

	fill(t, ballast)
	snapshot := bytes.Repeat([]byte("snapshot"), 4<<20)
	ticket(t)(monitors.QueueSnapshot(channel('a'), 0, snapshot, nil))
	ticket(t)(monitors.QueueOutput(lnkeep.OutputVolatile, 1, []byte("message")))
	capture, checkpoint := captured(t, monitors), lnkeep.Checkpoint{Manager: []byte("newer")}
	for range 3 {
		_, err := monitors.Commit(soon(t), capture, checkpoint)
		want(t, err, lnkeep.ErrNoSpace)
		want(t, err, lnkeep.ErrRetry)
		if outputs, err := monitors.TakeOutputs(9); len(outputs) != 0 || err != nil {
			t.Fatal("an output left without its commit:", outputs, err)
		}
	}
	// What cannot wait for space is queued all the same.
	ticket(t)(monitors.QueueNew(channel('c'), 0, []byte("base"), lnkeep.Block{}, lnkeep.Critical))
	queueUpdates(t, monitors, 'a', 1, 1)
	if manager, err := monitors.Manager(); string(manager) != "manager" || err != nil {
		t.Fatal(manager, err)
	}
	must(t, os.Remove(ballast))
	done, err := monitors.Commit(soon(t), capture, checkpoint)
	if err != nil || done.Applied != 2 || done.CommitSequence != 2 {
		t.Fatal(done, err)
	}
	monitor, err := monitors.Load(channel('a'))
	if err != nil || !bytes.Equal(monitor.Snapshot, snapshot) {
		t.Fatal(err)
	}
}
