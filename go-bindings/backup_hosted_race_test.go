package lnkeep_test

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// TestBackup_FactsAndHTLCsFromManyGoroutines are told while shares and journals are sealed and peers come and
// go: no number is used twice, and the last payload is restored from what peers hold at the end.
func TestBackup_FactsAndHTLCsFromManyGoroutines(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	backup, _ := openBackup(t, store, &lnkeep.BackupOptions{
		SizeClass: lnkeep.SizeClass1024, JournalSizeClass: lnkeep.SizeClass1024, HTLCProfile: lnkeep.HTLCsAll,
		ResendInterval: time.Millisecond, PeerUploadsPerMinute: 1000, JournalInterval: time.Second,
	})
	must(t, backup.SetPayload(long('z')))
	k := newKeepers(t, backup, ms(0), nodes(13)...)
	var clock atomic.Int64
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var tellers, sealers sync.WaitGroup
	done := make(chan struct{})
	for g := range 4 {
		tellers.Go(func() {
			for i := range uint64(200) {
				tellOne(t, backup, ms(clock.Load()), byte(g), i)
			}
		})
	}
	for range 2 {
		sealers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				at := ms(clock.Add(1000))
				tick, err := backup.Tick(t.Context(), at)
				if err != nil || tick.Failure != nil {
					t.Errorf("%+v, %v", tick, err)
				}
				for _, due := range tick.Actions {
					if due.Action == lnkeep.ActionSend {
						sealOne(t, k, &mu, seen, at, due.Peer)
					}
				}
			}
		})
	}
	tellers.Wait()
	close(done)
	sealers.Wait()

	lastIsRestored(t, k, ms(clock.Add(100_000)))
}

// lastIsRestored sends another payload to all, and restores it from what they hold.
func lastIsRestored(t *testing.T, k *keepers, at time.Time) {
	t.Helper()
	for _, peer := range nodes(13) {
		must(t, k.backup.SetFacts(at, peer, factsOf(peer)))
		if !backupPeer(t, k.backup, peer).Connected {
			peerBegins(t, k.backup, at, peer)
		}
	}
	must(t, k.backup.SetPayload(long('y')))
	for i := range 20 {
		k.tick(at.Add(time.Duration(i) * 5 * time.Second))
	}
	var records []lnkeep.ShareRecord
	newest := standingOf(t, k.backup).Generation
	for _, peer := range k.held() {
		// Some may have to keep what they hold.
		if opened, _, _ := k.open(peer); opened.Kind != lnkeep.EnvelopeShares {
			continue
		}
		if record := k.records(peer)[0]; record.Generation == newest {
			records = append(records, record)
		}
	}
	if len(records) < 4 || !bytes.Equal(restore(t, records[len(records)-4:]...), long('y')) {
		t.Fatalf("%d records restore something else", len(records))
	}
}

// tellOne tells one thing, another with each number.
func tellOne(t *testing.T, backup *lnkeep.Backup, at time.Time, letter byte, i uint64) {
	peer, id := node(1+byte(i%13)), channel('a'+letter)
	facts := factsOf(peer)
	facts.CapacitySat = i
	htlc := htlcOf(id, i)
	_, ofRemove := backup.RemoveHTLC(htlcOf(id, i/2).HTLCKey)
	errs := []error{
		backup.SetHTLC(at, htlc), ofRemove, backup.SetCommitmentPoint(id, [33]byte{2, letter}),
		backup.BlockConnected(uint32(800_000 + i)),
	}
	switch i % 10 {
	case 0:
		errs = append(errs, backup.SetFacts(at, peer, nil))
	case 1:
		errs = append(errs, backup.SetPayload(long(byte(i))))
	case 2:
		_, ofResolved := backup.ChannelResolved(id)
		errs = append(errs, backup.ChannelForceClosed(id), ofResolved)
	default:
		errs = append(errs, backup.SetFacts(at, peer, facts))
	}
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// sealOne seals for a peer, unless what was due is not any more.
func sealOne(
	t *testing.T, k *keepers, mu *sync.Mutex, seen map[uint64]bool, at time.Time, peer lnkeep.NodeID,
) {
	blob, err := k.backup.Seal(t.Context(), at, peer, 1)
	mu.Lock()
	defer mu.Unlock()
	switch {
	case err == nil && !seen[blob.Seq]:
		seen[blob.Seq], k.blobs[peer] = true, blob.Blob
	case err == nil:
		t.Errorf("number %d was used twice", blob.Seq)
	case errors.Is(err, lnkeep.ErrConflict), errors.Is(err, lnkeep.ErrNoPayload),
		errors.Is(err, lnkeep.ErrTooFewPeers):
	default:
		t.Error(err)
	}
}
