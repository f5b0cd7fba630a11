package lnkeep_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// diskPeer is one of many peers.
func diskPeer(i int) lnkeep.NodeID { return lnkeep.NodeID{2, byte(i >> 8), byte(i), 1} }

// diskBlob is a blob of that peer, long enough to fill a disk soon.
func diskBlob(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 60_000) }

// TestFullDisk_PeerStorageKeepsInMemoryAndNothingIsSealed on a file system of its own, which needs root.
func TestFullDisk_PeerStorageKeepsInMemoryAndNothingIsSealed(t *testing.T) {
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
	const peers = 600
	var all []lnkeep.NodeID
	for i := range peers {
		all = append(all, diskPeer(i))
	}
	store := openStore(t, path, nil)
	storage, _ := openPeerStorage(t, store, nil)
	must(t, storage.ClaimsComplete(soon(t), channelsWith(all...), 100))
	backup, _ := openBackup(t, store, &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024})
	must(t, backup.SetPayload([]byte("payload")))
	fill(t, ballast)

	waiting := storeUntilFull(t, storage, 0)
	waitWithoutDisk(t, store, storage, waiting)
	sealUntilFull(t, backup)

	must(t, os.Remove(ballast))
	tick, err := storage.Tick(soon(t), ms(900_000))
	if err != nil || len(tick.Committed) != 1 || tick.Failed != 0 || tick.Failure != nil {
		t.Fatalf("%+v, %v", tick, err)
	}
	peerBegins(t, backup, ms(0), node(200))
	sealed(t, backup, ms(0), node(200))

	fill(t, ballast)
	lost := storeUntilFull(t, storage, waiting+1)
	want(t, storage.Close(), lnkeep.ErrNoSpace)
	want(t, storage.Close(), lnkeep.ErrNoSpace)
	must(t, os.Remove(ballast))
	must(t, store.Close())
	storage, _ = openPeerStorage(t, openStore(t, path, nil), nil)
	for i := range lost + 1 {
		got, err := storage.Export(diskPeer(i))
		if isLost := i == lost; err != nil || isLost != (got == nil) || !isLost && !bytes.Equal(got, diskBlob(i)) {
			t.Fatalf("%d bytes of peer %d of %d, %v", len(got), i, lost, err)
		}
	}
}

// storeUntilFull stores blobs of peers until one waits because the disk is full, and tells which.
func storeUntilFull(t *testing.T, storage *lnkeep.PeerStorage, from int) int {
	t.Helper()
	for i := from; i < 600; i++ {
		got, err := storage.Store(soon(t), ms(0), diskPeer(i), diskBlob(i))
		must(t, err)
		if got.Result == lnkeep.StoredDeferred {
			want(t, got.Failure, lnkeep.ErrNoSpace)
			want(t, got.Failure, lnkeep.ErrRetry)
			if got.Due.IsZero() {
				t.Fatalf("%+v", got)
			}
			return i
		}
	}
	t.Fatal("the disk is never full")
	return 0
}

// waitWithoutDisk meets the full disk in each call that writes: the blob waits, and is returned.
func waitWithoutDisk(t *testing.T, store *lnkeep.Store, storage *lnkeep.PeerStorage, waiting int) {
	t.Helper()
	_, err := storage.Disconnected(soon(t), ms(300_000), diskPeer(waiting))
	want(t, err, lnkeep.ErrNoSpace)
	tick, err := storage.Flush(soon(t), ms(500_000))
	if err != nil || tick.Committed != nil || tick.Failed != 1 || tick.NextDue.IsZero() {
		t.Fatalf("%+v, %v", tick, err)
	}
	want(t, tick.Failure, lnkeep.ErrNoSpace)
	want(t, store.Sync(soon(t)), lnkeep.ErrNoSpace)
	got, err := storage.Connected(soon(t), ms(700_000), diskPeer(waiting))
	if err != nil || !bytes.Equal(got, diskBlob(waiting)) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if stats, err := storage.Stats(); err != nil || stats.Pending != 1 {
		t.Fatalf("%+v, %v", stats, err)
	}
}

// sealUntilFull seals for one peer after another until the disk is full; no number is lost for good.
func sealUntilFull(t *testing.T, backup *lnkeep.Backup) {
	t.Helper()
	for i := range 4000 {
		peer := diskPeer(i)
		must(t, backup.Connected(ms(0), peer, true))
		_, err := backup.ReestablishBegun(soon(t), ms(0), peer)
		must(t, err)
		got, err := backup.Seal(soon(t), ms(0), peer, 1)
		if err == nil {
			continue
		}
		want(t, err, lnkeep.ErrNoSpace)
		want(t, err, lnkeep.ErrRetry)
		if got.Blob != nil || got.Seq != 0 {
			t.Fatalf("%v", got)
		}
		return
	}
	t.Fatal("the disk is never full")
}
