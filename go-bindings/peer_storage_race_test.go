package lnkeep_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// numbered is a blob that tells its number, and is long enough to be torn.
func numbered(n uint64) []byte {
	return bytes.Repeat(binary.BigEndian.AppendUint64(nil, n), 100)
}

// numberIn is the number of such a blob; false when it is not whole.
func numberIn(blob []byte) (uint64, bool) {
	if len(blob) != 800 {
		return 0, false
	}
	n := binary.BigEndian.Uint64(blob)
	return n, bytes.Equal(blob, numbered(n))
}

// TestPeerStorage_ManyGoroutines store, disconnect, connect and tick at the same time: what is returned is
// whole, never older than before, and the newest at the end.
func TestPeerStorage_ManyGoroutines(t *testing.T) {
	const each = 60
	peers := []lnkeep.NodeID{node(1), node(2), node(3), node(4)}
	path := newPath(t)
	store := openStore(t, path, nil)
	storage, _ := openPeerStorage(t, store, nil)
	must(t, storage.ClaimsComplete(soon(t), channelsWith(peers...), 1))
	var clock atomic.Int64
	var storing, others sync.WaitGroup
	done := make(chan struct{})
	untilDone := func(call func()) {
		others.Go(func() {
			for {
				call()
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for _, peer := range peers {
		storing.Go(func() { storeNumbered(t, storage, &clock, peer, each) })
		last := uint64(0)
		untilDone(func() {
			blob, err := storage.Connected(t.Context(), ms(clock.Load()), peer)
			n, isWhole := numberIn(blob)
			if err != nil || blob != nil && (!isWhole || n < last) {
				t.Errorf("%d bytes of %d after %d, %v", len(blob), n, last, err)
			}
			last = n
		})
	}
	for range 2 {
		untilDone(func() {
			tick, err := storage.Tick(t.Context(), ms(clock.Add(53)))
			if err != nil || tick.Failed != 0 {
				t.Errorf("%+v, %v", tick, err)
			}
			for _, err := range storage.Peers() {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	storing.Wait()
	close(done)
	others.Wait()
	must(t, store.Close())
	storage, _ = openPeerStorage(t, openStore(t, path, nil), nil)
	for _, peer := range peers {
		blob, err := storage.Export(peer)
		if n, isWhole := numberIn(blob); err != nil || !isWhole || n != each-1 {
			t.Fatalf("%d, %v", n, err)
		}
	}
}

// storeNumbered stores blobs of a peer, and lets it be gone now and then.
func storeNumbered(
	t *testing.T, storage *lnkeep.PeerStorage, clock *atomic.Int64, peer lnkeep.NodeID, count uint64,
) {
	for n := range count {
		at := ms(clock.Add(97))
		if _, err := storage.Store(t.Context(), at, peer, numbered(n)); err != nil {
			t.Error(err)
		}
		if n%9 == 0 {
			if _, err := storage.Disconnected(t.Context(), at, peer); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestBackup_ManyGoroutines seal for many peers that come and go: no number is used twice, over two opens.
func TestBackup_ManyGoroutines(t *testing.T) {
	path := newPath(t)
	var mu sync.Mutex
	var numbers []uint64
	for range 2 {
		store := openStore(t, path, nil)
		backup, _ := openBackup(t, store, &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024})
		must(t, backup.SetPayload([]byte("payload")))
		eachAtOnce(8, func(g int) {
			peer := node(byte(g / 2))
			for i := range 25 {
				if err := backup.Connected(ms(int64(i)), peer, true); err != nil {
					t.Error(err)
				}
				if _, err := backup.ReestablishBegun(t.Context(), ms(int64(i)), peer); err != nil {
					t.Error(err)
				}
				blob, err := backup.Seal(t.Context(), ms(int64(i)), peer, 1)
				switch {
				case errors.Is(err, lnkeep.ErrHold), errors.Is(err, lnkeep.ErrPeerUnavailable):
					// The other goroutine of this peer connected, or disconnected, it meanwhile.
				case err != nil:
					t.Error(err)
				default:
					opened, err := lnkeep.OpenEnvelope(&testSecret, peer, blob.Blob)
					if err != nil || opened.Seq != blob.Seq || string(opened.Payload) != "payload" {
						t.Error(opened, err)
					}
					mu.Lock()
					numbers = append(numbers, blob.Seq)
					mu.Unlock()
				}
				if _, err := backup.Tick(t.Context(), ms(int64(i))); err != nil {
					t.Error(err)
				}
				if _, err := backup.Standing(); err != nil {
					t.Error(err)
				}
				if err := backup.Disconnected(peer); err != nil {
					t.Error(err)
				}
			}
		})
		must(t, store.Close())
	}
	slices.Sort(numbers)
	if len(numbers) < 50 || len(slices.Compact(slices.Clone(numbers))) != len(numbers) {
		t.Fatalf("%d numbers: %v", len(numbers), numbers)
	}
}

// TestPeerStorage_CloseDuringCalls ends peer storage, backup or the store under goroutines that use them:
// each call is answered by what it did or by ErrClosed.
func TestPeerStorage_CloseDuringCalls(t *testing.T) {
	for _, closesStore := range []bool{false, true} {
		path := newPath(t)
		store := openStore(t, path, nil)
		storage, _ := openPeerStorage(t, store, &lnkeep.PeerStorageOptions{Cooldown: 1})
		backup, _ := openBackup(t, store, &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024})
		must(t, backup.SetPayload([]byte("payload")))
		peers := []lnkeep.NodeID{node(1), node(2), node(3)}
		must(t, storage.ClaimsComplete(soon(t), channelsWith(peers...), 1))
		var accepted [3]uint64
		var all sync.WaitGroup
		started := make(chan struct{}, len(peers))
		for g, peer := range peers {
			peerBegins(t, backup, ms(0), peer)
			all.Go(func() {
				for n := uint64(1); ; n++ {
					_, err := storage.Store(t.Context(), ms(int64(n)), peer, numbered(n))
					if err == nil {
						accepted[g] = n
						_, err = backup.Seal(t.Context(), ms(int64(n)), peer, 1)
					}
					if err != nil {
						if !errors.Is(err, lnkeep.ErrClosed) {
							t.Error(err)
						}
						return
					}
					if n == 5 {
						started <- struct{}{}
					}
				}
			})
		}
		for range peers {
			<-started
		}
		if closesStore {
			must(t, store.Close())
		} else {
			must(t, storage.Close())
			must(t, backup.Close())
		}
		all.Wait()
		must(t, store.Close())
		storage, _ = openPeerStorage(t, openStore(t, path, nil), nil)
		for g, peer := range peers {
			blob, err := storage.Export(peer)
			// A call under way may have been applied and answered ErrClosed.
			if n, isWhole := numberIn(blob); err != nil || !isWhole || n < accepted[g] || n > accepted[g]+1 {
				t.Fatalf("%d was accepted and %d is kept, %v", accepted[g], n, err)
			}
		}
	}
}
