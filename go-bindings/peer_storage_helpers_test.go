package lnkeep_test

import (
	"sync"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// node is a peer's id that begins as keys do and then repeats a byte.
func node(b byte) (id lnkeep.NodeID) {
	id[0] = 2 + b&1
	for i := range id[1:] {
		id[1+i] = b
	}
	return id
}

// ms is the time of tests of peer storage: milliseconds after the one that tests of resources begin at.
func ms(n int64) time.Time { return time.UnixMilli(now*1000 + n) }

func openPeerStorage(
	t testing.TB, store *lnkeep.Store, options *lnkeep.PeerStorageOptions,
) (*lnkeep.PeerStorage, lnkeep.PeerStorageReport) {
	t.Helper()
	storage, report, err := store.OpenPeerStorage(options)
	must(t, err)
	t.Cleanup(func() { _ = storage.Close() })
	return storage, report
}

// newPeerStorage opens peer storage on a fresh store, with an open channel to each of some peers.
func newPeerStorage(
	t testing.TB, options *lnkeep.PeerStorageOptions, peers ...lnkeep.NodeID,
) (*lnkeep.Store, *lnkeep.PeerStorage) {
	t.Helper()
	store := openStore(t, newPath(t), nil)
	storage, _ := openPeerStorage(t, store, options)
	must(t, storage.ClaimsComplete(soon(t), channelsWith(peers...), 100))
	return store, storage
}

// channelsWith are claims of peers with one open channel each.
func channelsWith(peers ...lnkeep.NodeID) (claims []lnkeep.PeerClaims) {
	for _, peer := range peers {
		claims = append(claims, lnkeep.PeerClaims{Peer: peer, OpenChannels: 1})
	}
	return claims
}

// stored fails unless a blob was accepted with this result: stored(t, want)(storage.Store(...)).
func stored(t testing.TB, result lnkeep.StoreResult) func(lnkeep.Stored, error) lnkeep.Stored {
	return func(got lnkeep.Stored, err error) lnkeep.Stored {
		t.Helper()
		must(t, err)
		if got.Result != result || got.Failure != nil || got.Due.IsZero() != (result != lnkeep.StoredDeferred) {
			t.Fatalf("%+v, not %v", got, result)
		}
		return got
	}
}

// testSecret is what tests derive keys from.
var testSecret = lnkeep.Secret{0x5e, 0xc2}

func openBackup(
	t testing.TB, store *lnkeep.Store, options *lnkeep.BackupOptions,
) (*lnkeep.Backup, lnkeep.BackupReport) {
	t.Helper()
	backup, report, err := store.OpenBackup(&testSecret, options)
	must(t, err)
	t.Cleanup(func() { _ = backup.Close() })
	return backup, report
}

// newBackup opens a backup on a fresh store, with a payload and the shortest blobs.
func newBackup(t testing.TB, payload string) (*lnkeep.Store, *lnkeep.Backup) {
	t.Helper()
	store := openStore(t, newPath(t), nil)
	backup, _ := openBackup(t, store, &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024})
	must(t, backup.SetPayload([]byte(payload)))
	return store, backup
}

// peerBegins connects a peer that returns nothing, so that it may be sent a blob.
func peerBegins(t testing.TB, backup *lnkeep.Backup, at time.Time, peer lnkeep.NodeID) lnkeep.Concluded {
	t.Helper()
	must(t, backup.Connected(at, peer, true))
	concluded, err := backup.ReestablishBegun(soon(t), at, peer)
	must(t, err)
	return concluded
}

func sealed(t testing.TB, backup *lnkeep.Backup, at time.Time, peer lnkeep.NodeID) lnkeep.Sealed {
	t.Helper()
	blob, err := backup.Seal(soon(t), at, peer, 800_000)
	must(t, err)
	return blob
}

// returned is what follows from a blob that a peer returned; it fails unless that is the state and the
// action.
func returned(
	t testing.TB, backup *lnkeep.Backup, at time.Time, peer lnkeep.NodeID, blob []byte, state lnkeep.BackupState,
	action lnkeep.BackupAction,
) *lnkeep.Opened {
	t.Helper()
	concluded, opened, err := backup.Retrieval(soon(t), at, peer, blob)
	must(t, err)
	if concluded != (lnkeep.Concluded{State: state, Action: action}) {
		t.Fatalf("%+v, not %v and %v", concluded, state, action)
	}
	return opened
}

// backupPeer is what is known of a peer.
func backupPeer(t testing.TB, backup *lnkeep.Backup, id lnkeep.NodeID) lnkeep.BackupPeer {
	t.Helper()
	for peer, err := range backup.Peers() {
		must(t, err)
		if peer.Peer == id {
			return peer
		}
	}
	t.Fatalf("nothing is known of %v", id)
	return lnkeep.BackupPeer{}
}

// eachAtOnce calls for each number below n, many at the same time.
func eachAtOnce(n int, call func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { call(i) })
	}
	group.Wait()
}
