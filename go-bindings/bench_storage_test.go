package lnkeep_test

import (
	"bytes"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// BenchmarkStore takes the longest blob of a peer, durably: from one peer after another, from 16 at once,
// and as a flood of one peer within its cooldown, which writes nothing.
func BenchmarkStore(b *testing.B) {
	var peers []lnkeep.NodeID
	for i := range byte(16) {
		peers = append(peers, node(i))
	}
	blobOf := func(n int) []byte {
		blob := bytes.Repeat([]byte{0xb1}, lnkeep.BlobBytesMax)
		binary.BigEndian.PutUint64(blob, uint64(n))
		return blob
	}
	store := func(b *testing.B, storage *lnkeep.PeerStorage, at time.Time, peer lnkeep.NodeID, n int) {
		if _, err := storage.Store(b.Context(), at, peer, blobOf(n)); err != nil {
			b.Error(err)
		}
	}
	b.Run("one_peer", func(b *testing.B) {
		_, storage := newPeerStorage(b, nil, peers...)
		n := 0
		for b.Loop() {
			n++
			store(b, storage, ms(int64(n)*1000), peers[0], n)
		}
	})
	b.Run("16_peers_at_once", func(b *testing.B) {
		_, storage := newPeerStorage(b, nil, peers...)
		n := 0
		for b.Loop() {
			n++
			var all sync.WaitGroup
			for _, peer := range peers {
				all.Go(func() { store(b, storage, ms(int64(n)*1000), peer, n) })
			}
			all.Wait()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(peers)), "ns/blob")
	})
	b.Run("flood_of_one_peer", func(b *testing.B) {
		_, storage := newPeerStorage(b, nil, peers...)
		n := 0
		for b.Loop() {
			n++
			store(b, storage, ms(0), peers[0], n)
		}
		if stats, err := storage.Stats(); err != nil || stats.Commits != 1 {
			b.Fatal(stats, err)
		}
	})
}

// BenchmarkSeal seals the payload for a peer, its number durable; and the envelope alone.
func BenchmarkSeal(b *testing.B) {
	payload := bytes.Repeat([]byte{0xda}, lnkeep.SizeClass65531.PayloadMax())
	b.Run("durable", func(b *testing.B) {
		backup, _ := openBackup(b, openStore(b, newPath(b), nil), nil)
		must(b, backup.SetPayload(payload))
		peerBegins(b, backup, ms(0), node(1))
		for b.Loop() {
			if _, err := backup.Seal(b.Context(), ms(0), node(1), 1); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("envelope", func(b *testing.B) {
		b.SetBytes(int64(len(payload)))
		for b.Loop() {
			if _, err := lnkeep.SealEnvelope(&testSecret, node(1), testHeader, payload, lnkeep.SizeClass65531,
				[16]byte{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
