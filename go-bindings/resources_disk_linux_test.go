package lnkeep_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// TestFullDisk_ResourcesDecideOnInMemory on a file system of its own, which needs root.
func TestFullDisk_ResourcesDecideOnInMemory(t *testing.T) {
	if os.Getenv(mountsVariable) == "" {
		inOwnMounts(t)
		return
	}
	disk := t.TempDir()
	if err := syscall.Mount("lnkeep-test", disk, "tmpfs", 0, "size=64m,mode=700"); err != nil {
		t.Skip("SKIPPED, a full disk was not tested: cannot mount a tmpfs:", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(disk, 0)) })
	path, ballast := filepath.Join(disk, "store"), filepath.Join(disk, "ballast")
	store := openStore(t, path, nil)
	resources, _ := openResources(t, store, nil)
	addChannels(t, resources, 4)
	fill(t, ballast)
	// Attempts use up what the store has allocated ahead.
	intentsUntilRefused(t, store, 0)

	channel, err := lnkeep.ShortChannelID(100), error(nil)
	for err == nil {
		if channel > 100_000 {
			t.Fatal("the disk is never full")
		}
		channel++
		_, _, err = resources.AddChannel(soon(t), channel, usual, now)
	}
	want(t, err, lnkeep.ErrNotDurable)
	decideWithoutDisk(t, resources, channel)

	must(t, os.Remove(ballast))
	repeatWithDisk(t, resources, channel)
	must(t, store.Close())
	loseAtClose(t, path, ballast, channel)
}

// decideWithoutDisk decides with a channel that is not on disk: only what waits for the disk says so.
func decideWithoutDisk(t *testing.T, resources *lnkeep.Resources, channel lnkeep.ShortChannelID) {
	t.Helper()
	added(t)(resources.Add(forward(channel, 1, 1)))
	decision, err := resources.AddDurable(soon(t), forward(channel, 2, 2))
	want(t, err, lnkeep.ErrNotDurable)
	if decision.Verdict != lnkeep.VerdictForward || decision.Bucket != lnkeep.BucketGeneral {
		t.Fatalf("%+v", decision)
	}
	decisions, err := resources.AddAllDurable(soon(t), []lnkeep.HTLCRequest{
		forward(channel, 2, 2), forward(channel, 3, 3),
	})
	want(t, err, lnkeep.ErrBatch)
	want(t, decisions[0].Err, lnkeep.ErrNotDurable)
	want(t, decisions[1].Err, lnkeep.ErrNotDurable)
	if decisions[1].Verdict != lnkeep.VerdictForward {
		t.Fatalf("%+v", decisions)
	}
	resolution, err := resources.ResolveDurable(soon(t), over(forward(channel, 1, 1), 1, true))
	want(t, err, lnkeep.ErrNotDurable)
	if resolution.EffectiveFeeMsat != 1000 {
		t.Fatalf("%+v", resolution)
	}
	resolutions, err := resources.ResolveAllDurable(soon(t), []lnkeep.ResolveRequest{
		over(forward(channel, 1, 1), 1, true),
	})
	want(t, err, lnkeep.ErrBatch)
	want(t, resolutions[0].Err, lnkeep.ErrNotDurable)
	_, err = resources.Reconcile(soon(t), nil)
	want(t, err, lnkeep.ErrNotDurable)
}

// repeatWithDisk repeats what was not durable: it is answered as a repeat.
func repeatWithDisk(t *testing.T, resources *lnkeep.Resources, channel lnkeep.ShortChannelID) {
	t.Helper()
	_, outcome, err := resources.AddChannel(soon(t), channel, usual, now)
	again(t)(outcome, err)
	decision := added(t)(resources.AddDurable(soon(t), forward(channel, 2, 2)))
	if !decision.Already || decision.Verdict != lnkeep.VerdictForward {
		t.Fatalf("%+v", decision)
	}
	resolution, err := resources.ResolveDurable(soon(t), over(forward(channel, 1, 1), 1, true))
	if err != nil || !resolution.Already {
		t.Fatalf("%+v, %v", resolution, err)
	}
}

// loseAtClose closes on a full disk: what was acknowledged from memory is lost, and the close says so.
func loseAtClose(t *testing.T, path, ballast string, channel lnkeep.ShortChannelID) {
	t.Helper()
	for _, closesStore := range []bool{false, true} {
		store := openStore(t, path, nil)
		resources, report := openResources(t, store, nil)
		checkWhatIsLeft(t, report)
		fill(t, ballast)
		// Each time others: attempts are not registered twice.
		intentsUntilRefused(t, store, store.Report().Epoch<<40)
		busyUntilFull(t, store, resources, channel)
		if closesStore {
			want(t, store.Close(), lnkeep.ErrNoSpace)
			must(t, os.Remove(ballast))
		} else {
			want(t, resources.Close(), lnkeep.ErrNoSpace)
			must(t, os.Remove(ballast))
			must(t, store.Close())
		}
		want(t, resources.Close(), lnkeep.ErrNoSpace)
	}
	_, report := openResources(t, openStore(t, path, nil), nil)
	checkWhatIsLeft(t, report)
}

// checkWhatIsLeft knows two HTLCs; what was lost may begin between an addition and its resolution, so that
// each of the two closes can leave one more.
func checkWhatIsLeft(t *testing.T, report lnkeep.ResourcesReport) {
	t.Helper()
	if report.Pending < 2 || report.Pending > 4 || report.Damaged != 0 {
		t.Fatalf("%+v", report)
	}
}

// busyUntilFull adds and resolves until the journal finds no space.
func busyUntilFull(
	t *testing.T, store *lnkeep.Store, resources *lnkeep.Resources, incoming lnkeep.ShortChannelID,
) {
	t.Helper()
	var err error
	for id := uint64(1000); err == nil; id++ {
		request := forward(incoming, 4, id)
		added(t)(resources.Add(request))
		resolved(t)(resources.Resolve(over(request, 1, true)))
		if id%1000 == 0 {
			err = store.Sync(soon(t))
		}
	}
	want(t, err, lnkeep.ErrNotDurable)
}
