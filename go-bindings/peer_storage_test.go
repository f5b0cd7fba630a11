package lnkeep_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestPeerStorage_ABlobIsWrittenAndReturned(t *testing.T) {
	path, peer := newPath(t), node(1)
	store := openStore(t, path, nil)
	storage, report := openPeerStorage(t, store, nil)
	if report != (lnkeep.PeerStorageReport{}) {
		t.Fatalf("%+v", report)
	}
	must(t, storage.ReportClaim(soon(t), peer, lnkeep.ClaimPendingChannel, 100))
	must(t, storage.ReportClaim(soon(t), peer, lnkeep.ClaimOpenChannel, 101))
	blob := []byte("a first blob")
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), peer, blob))
	blob[0] = 'x'
	stored(t, lnkeep.StoredUnchanged)(storage.Store(soon(t), ms(1), peer, []byte("a first blob")))
	deferred := stored(t, lnkeep.StoredDeferred)(storage.Store(soon(t), ms(2), peer, []byte("the newest")))
	if !deferred.Due.Equal(ms(1000)) {
		t.Fatalf("due at %v", deferred.Due)
	}
	if got, err := storage.Export(peer); err != nil || string(got) != "the newest" {
		t.Fatalf("%q, %v", got, err)
	}
	tick, err := storage.Tick(soon(t), ms(999))
	if err != nil || tick.Committed != nil || tick.Failed != 0 || !tick.NextDue.Equal(ms(1000)) {
		t.Fatalf("%+v, %v", tick, err)
	}
	tick, err = storage.Tick(soon(t), ms(1000))
	if err != nil || !slices.Equal(tick.Committed, []lnkeep.NodeID{peer}) || !tick.NextDue.IsZero() {
		t.Fatalf("%+v, %v", tick, err)
	}
	must(t, storage.Close())
	must(t, store.Close())

	storage, report = openPeerStorage(t, openStore(t, path, nil), nil)
	if report.Peers != 1 || report.Bytes != 10 || report.Damaged != 0 {
		t.Fatalf("%+v", report)
	}
	if got, err := storage.Connected(soon(t), ms(2000), peer); err != nil || string(got) != "the newest" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestPeerStorage_AnEmptyBlobIsABlobAndNoneIsNone(t *testing.T) {
	_, storage := newPeerStorage(t, nil, node(1), node(2))
	for _, empty := range [][]byte{{}, nil} {
		_, err := storage.Prune(soon(t), node(1))
		must(t, err)
		stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), node(1), empty))
		got, err := storage.Connected(soon(t), ms(0), node(1))
		if err != nil || got == nil || len(got) != 0 {
			t.Fatalf("%v, %v", got, err)
		}
		got, err = storage.Export(node(1))
		if err != nil || got == nil || len(got) != 0 {
			t.Fatalf("%v, %v", got, err)
		}
	}
	for _, stranger := range []lnkeep.NodeID{node(2), node(3)} {
		got, err := storage.Connected(soon(t), ms(0), stranger)
		if err != nil || got != nil {
			t.Fatalf("%v, %v", got, err)
		}
		if got, err = storage.Export(stranger); err != nil || got != nil {
			t.Fatalf("%v, %v", got, err)
		}
	}
}

func TestPeerStorage_TheLongestBlobOfEveryPeerIsReturnedAsItWas(t *testing.T) {
	peers := []lnkeep.NodeID{node(9), node(1), node(5)}
	_, storage := newPeerStorage(t, nil, peers...)
	for i, peer := range peers {
		blob := bytes.Repeat([]byte{byte(i)}, lnkeep.BlobBytesMax-i)
		stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), peer, blob))
		if got, err := storage.Connected(soon(t), ms(0), peer); err != nil || !bytes.Equal(got, blob) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	var listed []lnkeep.NodeID
	for peer, err := range storage.Peers() {
		must(t, err)
		listed = append(listed, peer.Peer)
	}
	if !slices.Equal(listed, []lnkeep.NodeID{node(1), node(5), node(9)}) {
		t.Fatal(listed)
	}
}

func TestPeerStorage_PeersTellWhatIsKept(t *testing.T) {
	_, storage := newPeerStorage(t, nil, node(1))
	must(t, storage.ReportClaim(soon(t), node(2), lnkeep.ClaimAllowed, 100))
	must(t, storage.ReportClaim(soon(t), node(2), lnkeep.ClaimPendingChannel, 100))
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(5), node(1), []byte("old")))
	stored(t, lnkeep.StoredDeferred)(storage.Store(soon(t), ms(6), node(1), []byte("newer")))
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(7), node(2), []byte("other")))
	must(t, storage.ReportClaim(soon(t), node(1), lnkeep.ClaimClosedChannel, 200))
	_, err := storage.BlockConnected(soon(t), 216)
	must(t, err)
	found := map[lnkeep.NodeID]lnkeep.StoredPeer{}
	for peer, err := range storage.Peers() {
		must(t, err)
		found[peer.Peer] = peer
	}
	first := found[node(1)]
	if first.ClosedAt == nil || *first.ClosedAt != 200 || first.BlocksLeft != 2000 {
		t.Fatalf("%+v", first)
	}
	first.ClosedAt = nil
	if expected := (lnkeep.StoredPeer{
		Peer: node(1), SHA256: sha256.Sum256([]byte("newer")), BlobBytes: 5, BlocksLeft: 2000, Pending: true,
		Received: ms(6), Committed: ms(5), Updates: 2, Commits: 1,
	}); first != expected {
		t.Fatalf("%+v\n%+v", first, expected)
	}
	if expected := (lnkeep.StoredPeer{
		Peer: node(2), SHA256: sha256.Sum256([]byte("other")), BlobBytes: 5, PendingChannels: 1, Allowed: true,
		Received: ms(7), Committed: ms(7), Updates: 1, Commits: 1,
	}); found[node(2)] != expected || len(found) != 2 {
		t.Fatalf("%+v\n%+v", found[node(2)], expected)
	}
	stats, err := storage.Stats()
	if expected := (lnkeep.PeerStorageStats{
		Peers: 2, Bytes: 10, BytesWithoutChannel: 10, Pending: 1, PendingBytes: 5, Commits: 2, Deferred: 1,
	}); err != nil || stats != expected {
		t.Fatalf("%+v, %v", stats, err)
	}
}

func TestPeerStorage_PeersComeAPageAtATime(t *testing.T) {
	const peers = 600
	var claims []lnkeep.PeerClaims
	id := func(i int) lnkeep.NodeID { return lnkeep.NodeID{2, byte(i >> 8), byte(i)} }
	for i := range peers {
		claims = append(claims, lnkeep.PeerClaims{Peer: id(i), Allowed: true})
	}
	store := openStore(t, newPath(t), nil)
	storage, _ := openPeerStorage(t, store, nil)
	must(t, storage.ClaimsComplete(soon(t), claims, 1))
	eachAtOnce(peers, func(i int) {
		if _, err := storage.Store(t.Context(), ms(0), id(i), []byte{1}); err != nil {
			t.Error(err)
		}
	})
	listed := 0
	for peer, err := range storage.Peers() {
		must(t, err)
		if peer.Peer != id(listed) {
			t.Fatalf("%v at place %d", peer.Peer, listed)
		}
		listed++
	}
	if listed != peers {
		t.Fatalf("%d peers", listed)
	}
	for range storage.Peers() {
		listed++
		break
	}
	if listed != peers+1 {
		t.Fatal("the list went on after its reader stopped")
	}
}

func TestPeerStorage_ADisconnectionWritesAndAConnectionToo(t *testing.T) {
	_, storage := newPeerStorage(t, nil, node(1))
	written, err := storage.Disconnected(soon(t), ms(0), node(1))
	if err != nil || written {
		t.Fatal(written, err)
	}
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), node(1), []byte("1")))
	stored(t, lnkeep.StoredDeferred)(storage.Store(soon(t), ms(50), node(1), []byte("2")))
	if written, err = storage.Disconnected(soon(t), ms(99), node(1)); err != nil || written {
		t.Fatal(written, err)
	}
	if written, err = storage.Disconnected(soon(t), ms(100), node(1)); err != nil || !written {
		t.Fatal(written, err)
	}
	stored(t, lnkeep.StoredDeferred)(storage.Store(soon(t), ms(150), node(1), []byte("3")))
	if got, err := storage.Connected(soon(t), ms(200), node(1)); err != nil || string(got) != "3" {
		t.Fatalf("%q, %v", got, err)
	}
	if stats, err := storage.Stats(); err != nil || stats.Commits != 3 || stats.Pending != 0 {
		t.Fatalf("%+v, %v", stats, err)
	}

	_, unwritten := newPeerStorage(t, &lnkeep.PeerStorageOptions{ReturnUnwritten: true}, node(1))
	stored(t, lnkeep.StoredCommitted)(unwritten.Store(soon(t), ms(0), node(1), []byte("1")))
	stored(t, lnkeep.StoredDeferred)(unwritten.Store(soon(t), ms(50), node(1), []byte("2")))
	if got, err := unwritten.Connected(soon(t), ms(500), node(1)); err != nil || string(got) != "2" {
		t.Fatalf("%q, %v", got, err)
	}
	if stats, err := unwritten.Stats(); err != nil || stats.Commits != 1 || stats.Pending != 1 {
		t.Fatalf("%+v, %v", stats, err)
	}
}

func TestPeerStorage_FlushCloseAndSyncWriteWhatWaits(t *testing.T) {
	path := newPath(t)
	store := openStore(t, path, nil)
	storage, _ := openPeerStorage(t, store, nil)
	must(t, storage.ClaimsComplete(soon(t), channelsWith(node(1), node(2)), 1))
	for _, peer := range []lnkeep.NodeID{node(1), node(2)} {
		stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), peer, []byte("1")))
		stored(t, lnkeep.StoredDeferred)(storage.Store(soon(t), ms(1), peer, []byte("2")))
	}
	tick, err := storage.Flush(soon(t), ms(2))
	if err != nil || len(tick.Committed) != 2 || tick.Failed != 0 || tick.Failure != nil {
		t.Fatalf("%+v, %v", tick, err)
	}
	stored(t, lnkeep.StoredDeferred)(storage.Store(soon(t), ms(3), node(1), []byte("3")))
	must(t, store.Sync(soon(t)))
	if stats, err := storage.Stats(); err != nil || stats.Pending != 0 || stats.Commits != 5 {
		t.Fatalf("%+v, %v", stats, err)
	}
	second, _ := openPeerStorage(t, store, &lnkeep.PeerStorageOptions{})
	stored(t, lnkeep.StoredDeferred)(second.Store(soon(t), ms(4), node(2), []byte("4")))
	must(t, second.Close())
	if second.IsOpen() || !storage.IsOpen() {
		t.Fatal("the wrong one is open")
	}
	if stats, err := storage.Stats(); err != nil || stats.Pending != 1 {
		t.Fatalf("a close that was not the last one wrote: %+v, %v", stats, err)
	}
	must(t, store.Close())
	if storage.IsOpen() {
		t.Fatal("it is open")
	}
	must(t, storage.Close())
	storage, _ = openPeerStorage(t, openStore(t, path, nil), nil)
	for peer, blob := range map[lnkeep.NodeID]string{node(1): "3", node(2): "4"} {
		if got, err := storage.Export(peer); err != nil || string(got) != blob {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

func TestPeerStorage_BlobsAreCollectedAfterTheLastClaim(t *testing.T) {
	store := openStore(t, newPath(t), &lnkeep.StoreOptions{
		Events: lnkeep.EventMaskOf(lnkeep.EventPeerBlobCollected),
	})
	storage, _ := openPeerStorage(t, store, nil)
	events := openEvents(t, store, "operator")
	must(t, storage.ClaimsComplete(soon(t), channelsWith(node(1), node(2)), 1000))
	for _, peer := range []lnkeep.NodeID{node(1), node(2)} {
		stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), peer, []byte("kept")))
	}
	must(t, storage.ReportClaim(soon(t), node(1), lnkeep.ClaimClosedChannel, 1000))
	for height, count := range map[uint32]int{1000: 0, 3015: 0} {
		collected, err := storage.BlockConnected(soon(t), height)
		if err != nil || len(collected) != count {
			t.Fatal(collected, err)
		}
	}
	if got, err := storage.Connected(soon(t), ms(9), node(1)); err != nil || string(got) != "kept" {
		t.Fatalf("%q, %v", got, err)
	}
	collected, err := storage.BlockConnected(soon(t), 3016)
	if err != nil || !slices.Equal(collected, []lnkeep.NodeID{node(1)}) {
		t.Fatal(collected, err)
	}
	if got, err := storage.Connected(soon(t), ms(9), node(1)); err != nil || got != nil {
		t.Fatalf("%q, %v", got, err)
	}
	event := next(t, events)
	if event.Kind != lnkeep.EventPeerBlobCollected || event.Peer() != node(1) || event.State != 0 ||
		event.PaymentHash() != (lnkeep.PaymentHash{}) || !event.Kind.OfPeer() || event.Kind.OfPayment() {
		t.Fatalf("%+v", event)
	}
	if stats, err := storage.Stats(); err != nil || stats.Collected != 1 || stats.Peers != 1 {
		t.Fatalf("%+v, %v", stats, err)
	}
}

func TestPeerStorage_TheOperatorPrunes(t *testing.T) {
	_, storage := newPeerStorage(t, nil, node(1), node(2), node(3))
	for _, peer := range []lnkeep.NodeID{node(1), node(2), node(3)} {
		stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), peer, []byte("1")))
	}
	removed, err := storage.Prune(soon(t), node(1))
	if err != nil || !removed {
		t.Fatal(removed, err)
	}
	if removed, err = storage.Prune(soon(t), node(1)); err != nil || removed {
		t.Fatal(removed, err)
	}
	all, err := storage.PruneUnclaimed(soon(t))
	if err != nil || all != nil {
		t.Fatal(all, err)
	}
	for _, peer := range []lnkeep.NodeID{node(2), node(3)} {
		must(t, storage.ReportClaim(soon(t), peer, lnkeep.ClaimClosedChannel, 100))
	}
	all, err = storage.PruneUnclaimed(soon(t))
	if err != nil || !slices.Equal(all, []lnkeep.NodeID{node(2), node(3)}) {
		t.Fatal(all, err)
	}
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), node(1), []byte("a claim stays")))
}

func TestPeerStorage_OfferingEndsAndBeginsWithoutARestart(t *testing.T) {
	_, storage := newPeerStorage(t, nil, node(1))
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), node(1), []byte("1")))
	must(t, storage.SetOffered(false))
	_, err := storage.Store(soon(t), ms(0), node(1), []byte("2"))
	want(t, err, lnkeep.ErrStorageNotOffered)
	if got, err := storage.Connected(soon(t), ms(0), node(1)); err != nil || got != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if got, err := storage.Export(node(1)); err != nil || string(got) != "1" {
		t.Fatalf("%q, %v", got, err)
	}
	must(t, storage.SetOffered(true))
	if got, err := storage.Connected(soon(t), ms(0), node(1)); err != nil || string(got) != "1" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestPeerStorage_DurationsAreRoundedUpAndZerosCount(t *testing.T) {
	for _, c := range []struct {
		options lnkeep.PeerStorageOptions
		due     int64
	}{
		{lnkeep.PeerStorageOptions{Cooldown: 1}, 1},
		{lnkeep.PeerStorageOptions{Cooldown: 3*time.Millisecond + 1}, 4},
		{lnkeep.PeerStorageOptions{Cooldown: 3 * time.Millisecond}, 3},
		{lnkeep.PeerStorageOptions{}, 1000},
	} {
		_, storage := newPeerStorage(t, &c.options, node(1))
		stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), node(1), []byte("1")))
		got := stored(t, lnkeep.StoredDeferred)(storage.Store(soon(t), ms(0), node(1), []byte("2")))
		if !got.Due.Equal(ms(c.due)) {
			t.Errorf("%+v is due at %v", c.options, got.Due)
		}
	}
	zeros := lnkeep.PeerStorageOptions{
		ZerosCount: true, TotalBytesMax: 10, PendingBytesMax: 10, BlobBytesMax: 10, PeersMax: 1,
	}
	_, storage := newPeerStorage(t, &zeros, node(1))
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), node(1), []byte("1")))
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), node(1), []byte("2")))
	must(t, storage.ReportClaim(soon(t), node(1), lnkeep.ClaimClosedChannel, 100))
	collected, err := storage.BlockConnected(soon(t), 100)
	if err != nil || len(collected) != 1 {
		t.Fatal(collected, err)
	}
}
