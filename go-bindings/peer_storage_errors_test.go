package lnkeep_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// beforeTime is a time that the library cannot be told.
var beforeTime = time.UnixMilli(-1)

func TestPeerStorage_BlobsAreRefused(t *testing.T) {
	options := lnkeep.PeerStorageOptions{
		PeersMax: 2, TotalBytesMax: 20, BlobBytesMax: 15, RefusePendingChannels: true, WithoutChannelPercent: 100,
	}
	store := openStore(t, newPath(t), &lnkeep.StoreOptions{
		Events: lnkeep.EventMaskOf(lnkeep.EventPeerBlobRefused),
	})
	storage, _ := openPeerStorage(t, store, &options)
	must(t, storage.ClaimsComplete(soon(t), channelsWith(node(1), node(2), node(3)), 100))
	must(t, storage.ReportClaim(soon(t), node(4), lnkeep.ClaimPendingChannel, 100))
	blob := func(n int) []byte { return make([]byte, n) }
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), node(1), blob(15)))
	for _, c := range []struct {
		peer     lnkeep.NodeID
		bytes    int
		sentinel error
	}{
		{node(1), 16, lnkeep.ErrTooBig}, {node(4), 1, lnkeep.ErrNoClaim}, {node(9), 1, lnkeep.ErrNoClaim},
		{node(9), 99, lnkeep.ErrNoClaim}, {node(2), 6, lnkeep.ErrQuotaTotal},
	} {
		got, err := storage.Store(soon(t), ms(2000), c.peer, blob(c.bytes))
		want(t, err, c.sentinel)
		want(t, err, lnkeep.ErrRefused)
		if got != (lnkeep.Stored{}) {
			t.Fatalf("%+v", got)
		}
	}
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(2000), node(2), blob(5)))
	_, err := storage.Store(soon(t), ms(2000), node(3), blob(0))
	want(t, err, lnkeep.ErrQuotaPeers)
	stats, err := storage.Stats()
	if err != nil || stats.RefusedNoClaim != 3 || stats.RefusedTooBig != 1 || stats.RefusedQuota != 2 {
		t.Fatalf("%+v, %v", stats, err)
	}
	events := openEvents(t, store, "operator")
	for _, peer := range []lnkeep.NodeID{node(2), node(3)} {
		if event := next(t, events); event.Kind != lnkeep.EventPeerBlobRefused || event.Peer() != peer {
			t.Fatalf("%+v", event)
		}
	}
}

func TestPeerStorage_OptionsDecideWhoIsRefused(t *testing.T) {
	_, off := newPeerStorage(t, &lnkeep.PeerStorageOptions{Off: true}, node(1))
	_, err := off.Store(soon(t), ms(0), node(1), []byte("1"))
	want(t, err, lnkeep.ErrStorageNotOffered)

	_, grace := newPeerStorage(t, &lnkeep.PeerStorageOptions{AcceptInGrace: true}, node(1))
	_, strict := newPeerStorage(t, nil, node(1))
	for _, storage := range []*lnkeep.PeerStorage{grace, strict} {
		stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), node(1), []byte("1")))
		must(t, storage.ReportClaim(soon(t), node(1), lnkeep.ClaimClosedChannel, 100))
	}
	_, err = strict.Store(soon(t), ms(99_000), node(1), []byte("2"))
	want(t, err, lnkeep.ErrNoClaim)
	stored(t, lnkeep.StoredCommitted)(grace.Store(soon(t), ms(99_000), node(1), []byte("2")))

	_, pending := newPeerStorage(t, &lnkeep.PeerStorageOptions{PendingBytesMax: 3}, node(1))
	stored(t, lnkeep.StoredCommitted)(pending.Store(soon(t), ms(0), node(1), []byte("1")))
	_, err = pending.Store(soon(t), ms(1), node(1), []byte("four"))
	want(t, err, lnkeep.ErrBusy)
	want(t, err, lnkeep.ErrRetry)
	stored(t, lnkeep.StoredDeferred)(pending.Store(soon(t), ms(1), node(1), []byte("two")))
}

func TestPeerStorage_ClaimsAreRefused(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	storage, _ := openPeerStorage(t, store, nil)
	_, err := storage.BlockConnected(soon(t), 100)
	want(t, err, lnkeep.ErrClaimsIncomplete)
	_, err = storage.PruneUnclaimed(soon(t))
	want(t, err, lnkeep.ErrClaimsIncomplete)
	twice := append(channelsWith(node(1)), lnkeep.PeerClaims{Peer: node(1)})
	want(t, storage.ClaimsComplete(soon(t), twice, 100), lnkeep.ErrDuplicateID)
	_, err = storage.Store(soon(t), ms(0), node(1), nil)
	want(t, err, lnkeep.ErrNoClaim)
	for _, change := range []lnkeep.ClaimChange{0, 7, 1 << 31} {
		want(t, storage.ReportClaim(soon(t), node(1), change, 100), lnkeep.ErrInvalidArgument)
	}
	must(t, storage.ClaimsComplete(soon(t), nil, 100))
	_, err = storage.BlockConnected(soon(t), 100)
	must(t, err)
}

func TestPeerStorage_OpensThatAreRefused(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	for name, options := range map[string]lnkeep.PeerStorageOptions{
		"negative cooldown": {Cooldown: -1}, "negative interval": {DisconnectInterval: -time.Second},
		"negative without": {CooldownWithoutChannel: -1}, "longer than a message": {BlobBytesMax: 65_532},
		"more than all": {WithoutChannelPercent: 101}, "more than a byte": {WithoutChannelPercent: 300},
	} {
		if _, _, err := store.OpenPeerStorage(&options); !errors.Is(err, lnkeep.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	storage, _ := openPeerStorage(t, store, nil)
	_, _, err := store.OpenPeerStorage(&lnkeep.PeerStorageOptions{Off: true})
	want(t, err, lnkeep.ErrAlreadyOpen)
	must(t, storage.Close())
	storage, _ = openPeerStorage(t, store, &lnkeep.PeerStorageOptions{Off: true})
	must(t, store.Close())
	_, _, err = store.OpenPeerStorage(nil)
	want(t, err, lnkeep.ErrClosed)
	if storage.IsOpen() {
		t.Fatal("it is open")
	}
}

// everyPeerStorageCall is each method of PeerStorage once.
func everyPeerStorageCall(
	ctx context.Context, p *lnkeep.PeerStorage, now time.Time,
) (calls map[string]error) {
	calls = map[string]error{}
	_, calls["Store"] = p.Store(ctx, now, node(1), []byte("9"))
	_, calls["Connected"] = p.Connected(ctx, now, node(1))
	_, calls["Disconnected"] = p.Disconnected(ctx, now, node(1))
	_, calls["Tick"] = p.Tick(ctx, now)
	_, calls["Flush"] = p.Flush(ctx, now)
	calls["ReportClaim"] = p.ReportClaim(ctx, node(1), lnkeep.ClaimOpenChannel, 1)
	calls["ClaimsComplete"] = p.ClaimsComplete(ctx, nil, 1)
	_, calls["BlockConnected"] = p.BlockConnected(ctx, 1)
	_, calls["Prune"] = p.Prune(ctx, node(1))
	_, calls["PruneUnclaimed"] = p.PruneUnclaimed(ctx)
	calls["SetOffered"] = p.SetOffered(true)
	for _, err := range p.Peers() {
		calls["Peers"] = err
	}
	_, calls["Export"] = p.Export(node(1))
	_, calls["Stats"] = p.Stats()
	return calls
}

func TestPeerStorage_AfterTheCloseEverythingIsRefused(t *testing.T) {
	store, storage := newPeerStorage(t, nil, node(1))
	other, _ := openPeerStorage(t, store, nil)
	must(t, storage.Close())
	ofStore, closedWithStore := newPeerStorage(t, nil, node(1))
	must(t, ofStore.Close())
	for name, one := range map[string]*lnkeep.PeerStorage{"value": storage, "store": closedWithStore} {
		calls := everyPeerStorageCall(soon(t), one, ms(0))
		// All exported methods but Close and IsOpen.
		if methods := reflect.TypeOf(one).NumMethod(); len(calls) != methods-2 {
			t.Fatalf("%d calls of %d methods", len(calls), methods)
		}
		for call, err := range calls {
			if !errors.Is(err, lnkeep.ErrClosed) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s of a closed %s: %v", call, name, err)
			}
		}
		if one.IsOpen() || one.Close() != nil {
			t.Fatal("it is not closed")
		}
	}
	stored(t, lnkeep.StoredCommitted)(other.Store(soon(t), ms(0), node(1), []byte("1")))
}

func TestPeerStorage_AnEndedContextAndAWrongTimeChangeNothing(t *testing.T) {
	_, storage := newPeerStorage(t, nil, node(1))
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), node(1), []byte("1")))
	stored(t, lnkeep.StoredDeferred)(storage.Store(soon(t), ms(1), node(1), []byte("2")))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	withoutContext := map[string]bool{"SetOffered": true, "Peers": true, "Export": true, "Stats": true}
	for call, err := range everyPeerStorageCall(ctx, storage, ms(5000)) {
		if withoutContext[call] {
			must(t, err)
		} else if !errors.Is(err, lnkeep.ErrCanceled) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", call, err)
		}
	}
	calls := everyPeerStorageCall(ctx, storage, beforeTime)
	for _, call := range []string{"Store", "Connected", "Disconnected", "Tick", "Flush"} {
		if !errors.Is(calls[call], lnkeep.ErrInvalidArgument) {
			t.Errorf("%s before 1970: %v", call, calls[call])
		}
	}
	stats, err := storage.Stats()
	if err != nil || stats.Commits != 1 || stats.Pending != 1 || stats.Bytes != 1 {
		t.Fatalf("%+v, %v", stats, err)
	}
	if got, err := storage.Export(node(1)); err != nil || string(got) != "2" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestPeerStorage_Names(t *testing.T) {
	for _, c := range []struct {
		value fmt.Stringer
		name  string
	}{
		{node(0xab), "03" + strings.Repeat("ab", 32)}, {lnkeep.NodeID{}, strings.Repeat("00", 33)},
		{lnkeep.StoredCommitted, "committed"}, {lnkeep.StoredDeferred, "deferred"},
		{lnkeep.StoredUnchanged, "unchanged"}, {lnkeep.StoreResult(4), "store result 4"},
		{lnkeep.StoreResult(0), "store result 0"}, {lnkeep.ClaimPendingChannel, "pending_channel"},
		{lnkeep.ClaimDisallowed, "disallowed"}, {lnkeep.ClaimChange(7), "claim change 7"},
		{lnkeep.EventPeerBlobCorrupt, "peer_blob_corrupt"}, {lnkeep.EventPeerBlobRefused, "peer_blob_refused"},
		{lnkeep.EventPeerBlobCollected, "peer_blob_collected"}, {lnkeep.EventKind(21), "event kind 21"},
	} {
		if c.value.String() != c.name {
			t.Errorf("%q is not %q", c.value, c.name)
		}
	}
	event := lnkeep.Event{Kind: lnkeep.EventPaymentFailed, Subject: [32]byte{7}}
	if event.Peer() != (lnkeep.NodeID{}) {
		t.Errorf("%+v is about %v", event, event.Peer())
	}
}

func TestPeerStorage_ADamagedBlobIsToldAndNotReturned(t *testing.T) {
	path := newPath(t)
	options := &lnkeep.StoreOptions{Events: lnkeep.EventMaskOf(lnkeep.EventPeerBlobCorrupt)}
	store := openStore(t, path, options)
	storage, _ := openPeerStorage(t, store, nil)
	must(t, storage.ClaimsComplete(soon(t), channelsWith(node(1), node(2)), 100))
	const text = "the blob of a peer that a disk has damaged"
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), node(1), []byte(text)))
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), node(2), []byte("sound")))
	must(t, store.Close())
	damage(t, filepath.Join(path, "data.mdb"), []byte(text))

	store = openStore(t, path, options)
	storage, _ = openPeerStorage(t, store, nil)
	events := openEvents(t, store, "operator")
	for range 2 {
		got, err := storage.Connected(soon(t), ms(0), node(1))
		want(t, err, lnkeep.ErrCorruptRecord)
		if got != nil {
			t.Fatalf("%q", got)
		}
		_, err = storage.Export(node(1))
		want(t, err, lnkeep.ErrCorruptRecord)
	}
	if event := next(t, events); event.Kind != lnkeep.EventPeerBlobCorrupt || event.Peer() != node(1) {
		t.Fatalf("%+v", event)
	}
	if taken, err := events.Take(9); err != nil || len(taken) != 0 {
		t.Fatalf("it was told again: %+v, %v", taken, err)
	}
	for peer, err := range storage.Peers() {
		if err != nil || peer.Damaged != (peer.Peer == node(1)) {
			t.Fatalf("%+v, %v", peer, err)
		}
	}
	if stats, err := storage.Stats(); err != nil || stats.Damaged != 1 {
		t.Fatalf("%+v, %v", stats, err)
	}
	if got, err := storage.Connected(soon(t), ms(0), node(2)); err != nil || string(got) != "sound" {
		t.Fatalf("%q, %v", got, err)
	}
	// The peer sends it again: it is written anew.
	must(t, storage.ReportClaim(soon(t), node(1), lnkeep.ClaimOpenChannel, 100))
	stored(t, lnkeep.StoredCommitted)(storage.Store(soon(t), ms(0), node(1), []byte(text)))
	if got, err := storage.Connected(soon(t), ms(0), node(1)); err != nil || string(got) != text {
		t.Fatalf("%q, %v", got, err)
	}
}
