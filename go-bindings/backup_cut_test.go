package lnkeep_test

import (
	"bytes"
	"errors"
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// long is a payload of four shares in the shortest blobs.
func long(letter byte) []byte { return bytes.Repeat([]byte{letter, 0, 1, 200}, 250) }

// newCut opens a backup with the shortest blobs and a payload that is longer.
func newCut(t testing.TB, path string, payload []byte) (*lnkeep.Store, *lnkeep.Backup) {
	t.Helper()
	store := openStore(t, path, nil)
	backup, _ := openBackup(t, store, &lnkeep.BackupOptions{
		SizeClass: lnkeep.SizeClass1024, ResendInterval: time.Millisecond,
	})
	must(t, backup.SetPayload(payload))
	return store, backup
}

func standingOf(t testing.TB, backup *lnkeep.Backup) lnkeep.BackupStanding {
	t.Helper()
	standing, err := backup.Standing()
	must(t, err)
	return standing
}

func TestBackup_ALongPayloadIsCutAndEveryChoiceOfEnoughSharesRestoresIt(t *testing.T) {
	_, backup := newCut(t, newPath(t), long('a'))
	k := newKeepers(t, backup, ms(0), nodes(10)...)
	// No more leave at once than may be missing: six of ten.
	if sent, _ := k.tick(ms(0)); len(sent) != 6 {
		t.Fatal(sent)
	}
	if sent, next := k.tick(ms(4999)); sent != nil || !next.Equal(ms(5000)) {
		t.Fatalf("%v, the next at %v", sent, next)
	}
	if sent, _ := k.tick(ms(5000)); len(sent) != 4 {
		t.Fatal(sent)
	}
	var records []lnkeep.ShareRecord
	for _, peer := range k.held() {
		known, held := backupPeer(t, backup, peer), k.records(peer)
		if len(held) != 1 || held[0].Index != known.ShareIndex || held[0].Generation != 1 ||
			held[0].DataShares != 4 || held[0].Shares != 10 || known.SentContent != lnkeep.ContentShare ||
			known.Copy != lnkeep.CopyUnconfirmed || !known.HasFacts || known.ScorePPM == 0 {
			t.Fatalf("%+v, %+v", known, held)
		}
		records = append(records, held[0])
	}
	for choice := range 1 << len(records) {
		if bits.OnesCount(uint(choice)) != 4 {
			continue
		}
		var some []lnkeep.ShareRecord
		for i, record := range records {
			if choice>>i&1 == 1 {
				some = append(some, record)
			}
		}
		if !bytes.Equal(restore(t, some...), long('a')) {
			t.Fatalf("choice %b restores something else", choice)
		}
	}
	standing := standingOf(t, backup)
	if expected := (lnkeep.BackupStanding{
		Instance: standing.Instance, NextSeq: 11, PayloadBytes: 1000, Peers: 10, UnconfirmedCopies: 10, Cut: true,
		Generation: 1, DataShares: 4, Shares: 10, Placed: 10, SentShares: 10,
	}); standing != expected {
		t.Fatalf("%+v", standing)
	}
	k.comeBack(ms(6000), nodes(3)...)
	if standing = standingOf(t, backup); standing.ConfirmedShares != 3 || standing.ConfirmedCopies != 3 {
		t.Fatalf("%+v", standing)
	}
	if known := backupPeer(t, backup, node(3)); known.HeldContent != lnkeep.ContentShare {
		t.Fatalf("%+v", known)
	}
}

func TestBackup_EveryBlobTellsWhomElseToAsk(t *testing.T) {
	_, backup := newCut(t, newPath(t), long('a'))
	k := newKeepers(t, backup, ms(0), nodes(10)...)
	must(t, backup.SetFacts(ms(0), node(11), factsOf(node(11))))
	k.settle(ms(0))
	for _, peer := range k.held() {
		opened, _, roster := k.open(peer)
		if opened.Flags != lnkeep.EnvelopeHasRoster || roster.Generation != 1 || len(roster.Peers) == 0 {
			t.Fatalf("%+v of %+v", roster, opened)
		}
		for _, entry := range roster.Peers {
			known := backupPeer(t, backup, entry.Peer)
			if entry.Index != known.ShareIndex || !bytes.Equal(entry.Address, factsOf(entry.Peer).Address) {
				t.Fatalf("%+v, not %+v", entry, known)
			}
		}
	}
	// A peer that keeps no share tells of those who do.
	peerBegins(t, backup, ms(20_000), node(11))
	if sent, _ := k.tick(ms(20_000)); !slices.Equal(sent, []lnkeep.NodeID{node(11)}) {
		t.Fatal(sent)
	}
	opened, content, roster := k.open(node(11))
	if opened.Kind != lnkeep.EnvelopePayload || len(content) != 0 || len(roster.Peers) == 0 {
		t.Fatalf("%+v, %+v", opened, roster)
	}
	if known := backupPeer(t, backup, node(11)); known.SentContent != lnkeep.ContentRoster ||
		known.ShareIndex != lnkeep.NoShare || known.Copy != lnkeep.CopyNone {
		t.Fatalf("%+v", known)
	}
}

func TestBackup_TheOlderShareGoesAlongUntilTheNewerIsSafe(t *testing.T) {
	_, backup := newCut(t, newPath(t), long('a'))
	k := newKeepers(t, backup, ms(0), nodes(10)...)
	at := k.settle(ms(0))
	k.comeBack(at, nodes(5)...)
	k.settle(at)
	first := standingOf(t, backup)
	if first.ConfirmedShares != 5 || first.BaseGeneration != first.Generation {
		t.Fatalf("%+v", first)
	}

	must(t, backup.SetPayload(long('b')))
	at = k.settle(at.Add(time.Minute))
	second := standingOf(t, backup)
	if second.Generation <= first.Generation || second.BaseGeneration != first.Generation ||
		second.ConfirmedShares != 0 || second.SentShares != 10 {
		t.Fatalf("%+v", second)
	}
	var newer, older []lnkeep.ShareRecord
	for _, peer := range k.held() {
		held := k.records(peer)
		if len(held) != 2 || backupPeer(t, backup, peer).SentContent != lnkeep.ContentTwoShares {
			t.Fatalf("%v holds %+v", peer, held)
		}
		newer, older = append(newer, held[0]), append(older, held[1])
	}
	if !bytes.Equal(restore(t, newer[6:]...), long('b')) || !bytes.Equal(restore(t, older[6:]...), long('a')) {
		t.Fatal("something else was restored")
	}

	k.comeBack(at, nodes(5)...)
	at = k.settle(at.Add(time.Minute))
	if third := standingOf(t, backup); third.BaseGeneration != second.Generation || third.ConfirmedShares != 5 {
		t.Fatalf("%+v", third)
	}
	must(t, backup.ChannelReady(node(10)))
	k.settle(at.Add(time.Minute))
	if held := k.records(node(10)); len(held) != 1 || held[0].Generation != second.Generation {
		t.Fatalf("%+v", held)
	}
}

func TestBackup_TheOlderShareGoesAlongAfterARestartWithAnotherPayload(t *testing.T) {
	path := newPath(t)
	store, backup := newCut(t, path, long('a'))
	k := newKeepers(t, backup, ms(0), nodes(10)...)
	at := k.settle(ms(0))
	k.comeBack(at, nodes(4)...)
	k.settle(at)
	must(t, store.Close())

	_, backup = newCut(t, path, long('b'))
	k.backup = backup
	at = at.Add(time.Minute)
	for _, peer := range nodes(10) {
		must(t, backup.SetFacts(at, peer, factsOf(peer)))
	}
	k.comeBack(at, nodes(10)...)
	k.settle(at)
	var newer, older []lnkeep.ShareRecord
	for _, peer := range nodes(4) {
		held := k.records(peer)
		if len(held) != 2 {
			t.Fatalf("%+v", held)
		}
		newer, older = append(newer, held[0]), append(older, held[1])
	}
	if !bytes.Equal(restore(t, newer...), long('b')) || !bytes.Equal(restore(t, older...), long('a')) {
		t.Fatal("something else was restored")
	}
}

func TestBackup_TheLastWholePayloadIsNotOverwrittenByAShare(t *testing.T) {
	_, backup := newCut(t, newPath(t), []byte("short"))
	k := newKeepers(t, backup, ms(0), nodes(6)...)
	k.settle(ms(0))
	must(t, backup.SetPayload(long('a')))
	at := k.settle(ms(60_000))
	var last []lnkeep.NodeID
	for _, peer := range nodes(6) {
		opened, content, _ := k.open(peer)
		if opened.Kind == lnkeep.EnvelopePayload && string(content) == "short" {
			last = append(last, peer)
		}
	}
	if len(last) != 1 {
		t.Fatal(last)
	}
	_, err := backup.Seal(soon(t), at, last[0], 1)
	want(t, err, lnkeep.ErrConflict)
	want(t, err, lnkeep.ErrRefused)
	standing := standingOf(t, backup)
	if standing.SentShares != 5 || standing.Placed != 6 || standing.Shares != 6 {
		t.Fatalf("%+v", standing)
	}
	// Once the shares are known to restore the payload, it may go too.
	for _, peer := range nodes(6) {
		if peer != last[0] {
			k.comeBack(at, peer)
		}
	}
	k.settle(at.Add(time.Minute))
	if held := k.records(last[0]); len(held) != 1 || held[0].Shares != 6 {
		t.Fatalf("%+v", held)
	}
}

func TestBackup_TooFewPeersForALongPayload(t *testing.T) {
	_, backup := newCut(t, newPath(t), long('a'))
	k := newKeepers(t, backup, ms(0), nodes(4)...)
	refuses := func() {
		t.Helper()
		if sent, _ := k.tick(ms(0)); sent != nil {
			t.Fatal(sent)
		}
		for _, peer := range []lnkeep.NodeID{node(1), node(5)} {
			_, err := backup.Seal(soon(t), ms(0), peer, 1)
			want(t, err, lnkeep.ErrTooFewPeers)
			want(t, err, lnkeep.ErrRefused)
			var e *lnkeep.Error
			if !errors.As(err, &e) || e.Value == nil || *e.Value != 5 {
				t.Fatalf("%+v", e)
			}
		}
		standing := standingOf(t, backup)
		if standing.NeededPeers != 5 || standing.Cut || standing.Placed != 0 || standing.Generation != 0 {
			t.Fatalf("%+v", standing)
		}
	}
	// Of a peer without facts nothing is asked.
	peerBegins(t, backup, ms(0), node(5))
	refuses()
	must(t, backup.SetFacts(ms(0), node(5), &lnkeep.PeerFacts{OpenChannel: true, Closing: true}))
	refuses()
	must(t, backup.SetFacts(ms(0), node(5), &lnkeep.PeerFacts{Announced: true}))
	refuses()
	must(t, backup.SetFacts(ms(0), node(5), nil))
	refuses()
	must(t, backup.SetFacts(ms(0), node(5), factsOf(node(5))))
	k.settle(ms(0))
	if records := k.records(node(5)); records[0].DataShares != 4 || records[0].Shares != 5 {
		t.Fatalf("%+v", records)
	}
	if standing := standingOf(t, backup); standing.NeededPeers != 0 || standing.DataShares != 4 ||
		standing.Shares != 5 || standing.Placed != 5 {
		t.Fatalf("%+v", standing)
	}
	peerBegins(t, backup, ms(0), node(6))
	_, err := backup.Seal(soon(t), ms(0), node(6), 1)
	want(t, err, lnkeep.ErrNoPayload)
	must(t, backup.SetFacts(ms(0), node(5), nil))
	must(t, backup.SetPayload(long('b')))
	_, err = backup.Seal(soon(t), ms(0), node(1), 1)
	want(t, err, lnkeep.ErrTooFewPeers)
	// A short one goes whole again, to all.
	must(t, backup.SetPayload([]byte("short")))
	k.settle(ms(100_000))
	for _, peer := range nodes(5) {
		opened, content, _ := k.open(peer)
		if opened.Kind != lnkeep.EnvelopePayload || string(content) != "short" {
			t.Fatalf("%+v", opened)
		}
	}
	if standing := standingOf(t, backup); standing.Cut || standing.DataShares != 1 || standing.Shares != 1 {
		t.Fatalf("%+v", standing)
	}
}

// TestBackup_FactsSayWhoKeepsShares has twelve peers of which something is alike, and ten that differ and are
// worse.
func TestBackup_FactsSayWhoKeepsShares(t *testing.T) {
	operator := uint64(7)
	for name, c := range map[string]struct {
		mark    func(*lnkeep.PeerFacts)
		keepers int
	}{
		"nothing":      {func(*lnkeep.PeerFacts) {}, 10},
		"one operator": {func(f *lnkeep.PeerFacts) { f.Operator = &operator }, 1},
		"one software": {func(f *lnkeep.PeerFacts) { f.Software = 255 }, 5},
		"unannounced":  {func(f *lnkeep.PeerFacts) { f.Announced = false }, 5},
		"one network":  {func(f *lnkeep.PeerFacts) { f.Address = []byte{1, 100, 100, f.Address[1], 1, 0, 1} }, 1},
		"small":        {func(f *lnkeep.PeerFacts) { f.CapacitySat = 0 }, 0},
		"young":        {func(f *lnkeep.PeerFacts) { f.ChannelAge = 0 }, 0},
		"all slow":     {func(f *lnkeep.PeerFacts) { f.Latency = time.Hour }, 10},
		"closing":      {func(f *lnkeep.PeerFacts) { f.Closing = true }, 0},
		"closed":       {func(f *lnkeep.PeerFacts) { f.OpenChannel = false }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, backup := newCut(t, newPath(t), long('a'))
			newKeepers(t, backup, ms(0), nodes(22)...)
			for i, peer := range nodes(22) {
				facts := factsOf(peer)
				if facts.CapacitySat /= 2; i < 12 {
					facts.CapacitySat = 60_000_000
					c.mark(facts)
				}
				must(t, backup.SetFacts(ms(0), peer, facts))
			}
			_, err := backup.Tick(soon(t), ms(0))
			must(t, err)
			marked, others := 0, 0
			for i, peer := range nodes(22) {
				if known := backupPeer(t, backup, peer); known.ShareIndex == lnkeep.NoShare {
					continue
				}
				if i < 12 {
					marked++
				} else {
					others++
				}
			}
			if marked != c.keepers || others != 10-c.keepers {
				t.Fatalf("%d marked ones and %d others", marked, others)
			}
		})
	}
}

func TestBackup_FactsThatAreRefused(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	backup, _ := openBackup(t, store, &lnkeep.BackupOptions{PeersMax: 1})
	for name, facts := range map[string]*lnkeep.PeerFacts{
		"negative age": {ChannelAge: -1}, "negative latency": {Latency: -1},
		"long latency": {Latency: 1<<32*time.Millisecond - 1},
	} {
		if err := backup.SetFacts(ms(0), node(1), facts); !errors.Is(err, lnkeep.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, backup.SetFacts(ms(0), node(1), &lnkeep.PeerFacts{
		Latency: (1<<32 - 1) * time.Millisecond, ChannelAge: 1<<63 - 1, CapacitySat: 1<<64 - 1,
		Address: make([]byte, 300),
	}))
	want(t, backup.SetFacts(ms(0), node(2), factsOf(node(2))), lnkeep.ErrQuotaPeers)
	must(t, backup.SetFacts(ms(0), node(2), nil))
}

func TestBackup_PlacesAndGenerationSurviveARestart(t *testing.T) {
	path := newPath(t)
	store, backup := newCut(t, path, long('a'))
	k := newKeepers(t, backup, ms(0), nodes(10)...)
	at := k.settle(ms(0))
	index := map[lnkeep.NodeID]int{}
	for _, peer := range nodes(10) {
		index[peer] = backupPeer(t, backup, peer).ShareIndex
		must(t, backup.Disconnected(peer))
	}
	before := standingOf(t, backup)
	must(t, store.Close())

	_, backup = newCut(t, path, long('a'))
	k.backup = backup
	for _, peer := range nodes(10) {
		must(t, backup.SetFacts(at, peer, factsOf(peer)))
	}
	k.comeBack(at, nodes(10)...)
	if sent, _ := k.tick(at.Add(time.Minute)); sent != nil {
		t.Fatal(sent)
	}
	for _, peer := range nodes(10) {
		if known := backupPeer(t, backup, peer); known.ShareIndex != index[peer] {
			t.Fatalf("%+v, not %d", known, index[peer])
		}
	}
	after := standingOf(t, backup)
	if after.Generation != before.Generation || after.ConfirmedShares != 10 || after.NextSeq != before.NextSeq ||
		after.BaseGeneration != after.Generation {
		t.Fatalf("%+v of %+v", after, before)
	}
}

func TestPayloadMax(t *testing.T) {
	before := 0
	for _, class := range []lnkeep.SizeClass{
		lnkeep.SizeClass1024, lnkeep.SizeClass4096, lnkeep.SizeClass16384, lnkeep.SizeClass65531,
	} {
		whole, cut, err := lnkeep.PayloadMax(class)
		must(t, err)
		if whole != class.PayloadMax() || cut <= 8*whole || cut <= before {
			t.Fatalf("%d: %d and %d", class, whole, cut)
		}
		before = cut
	}
	for _, class := range []lnkeep.SizeClass{0, 1, 1023, 65_535} {
		whole, cut, err := lnkeep.PayloadMax(class)
		if want(t, err, lnkeep.ErrInvalidArgument); whole != 0 || cut != 0 {
			t.Fatal(whole, cut)
		}
	}
	store := openStore(t, newPath(t), nil)
	backup, _ := openBackup(t, store, nil)
	must(t, backup.SetPayload(make([]byte, before)))
	want(t, backup.SetPayload(make([]byte, before+1)), lnkeep.ErrTooBig)
}
