package lnkeep_test

import (
	"crypto/sha256"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// newJournals opens a backup with a short payload and five peers, of which three are to keep journals.
func newJournals(t testing.TB, options lnkeep.BackupOptions) (*lnkeep.Backup, *keepers) {
	t.Helper()
	options.SizeClass, options.JournalSizeClass = lnkeep.SizeClass1024, lnkeep.SizeClass1024
	backup, _ := openBackup(t, openStore(t, newPath(t), nil), &options)
	must(t, backup.SetPayload([]byte("short")))
	return backup, newKeepers(t, backup, ms(0), nodes(5)...)
}

// round ticks until a journal leaves, and answers when that was and who was sent something.
func (k *keepers) round(at time.Time) (time.Time, []lnkeep.NodeID) {
	k.t.Helper()
	for range 50 {
		sent, next := k.tick(at)
		if slices.ContainsFunc(sent, k.keepsJournal) {
			return at, sent
		}
		at = next
	}
	k.t.Fatal("no journal is ever due")
	return at, nil
}

func (k *keepers) keepsJournal(peer lnkeep.NodeID) bool {
	return backupPeer(k.t, k.backup, peer).KeepsJournal
}

// journals are what those who keep journals hold, which is the same for all.
func (k *keepers) journals() told {
	k.t.Helper()
	var found []told
	for _, peer := range k.held() {
		if k.keepsJournal(peer) {
			found = append(found, k.journal(peer))
		}
	}
	differs := func(j told) bool { return !reflect.DeepEqual(j, found[0]) }
	if len(found) == 0 || slices.ContainsFunc(found, differs) {
		k.t.Fatalf("%+v", found)
	}
	return found[0]
}

// claimable is an HTLC whose preimage became known.
func claimable(channel lnkeep.ChannelID, id uint64) lnkeep.BackupHTLC {
	htlc, secret := htlcOf(channel, id), preimage(byte(id))
	htlc.PaymentHash, htlc.Preimage = sha256.Sum256(secret[:]), &secret
	return htlc
}

func TestBackup_JournalsTellTheHTLCsAtTheirCadence(t *testing.T) {
	backup, k := newJournals(t, lnkeep.BackupOptions{HTLCProfile: lnkeep.HTLCsAll})
	k.settle(ms(0))
	if standing := standingOf(t, backup); standing.JournalKeepers != 0 {
		t.Fatalf("%+v", standing)
	}
	index := uint32(3)
	incoming, outgoing := claimable(channel('a'), 1), htlcOf(channel('b'), 1<<63)
	incoming.OutputIndex, outgoing.Incoming = &index, false
	must(t, backup.SetHTLC(ms(0), incoming))
	must(t, backup.SetHTLC(ms(0), outgoing))
	must(t, backup.SetCommitmentPoint(channel('a'), [33]byte{2, 7}))
	first, sent := k.round(ms(0))
	if !first.Equal(ms(0)) || len(sent) != 3 {
		t.Fatal(first, sent)
	}
	said := k.journals()
	if said.base != 0 || said.uncovered != 0 || said.uncoveredMsat != 0 || said.removed != nil ||
		!reflect.DeepEqual(said.htlcs, []lnkeep.BackupHTLC{incoming, outgoing}) ||
		!reflect.DeepEqual(said.points, map[lnkeep.ChannelID][33]byte{channel('a'): {2, 7}}) {
		t.Fatalf("%+v", said)
	}
	standing := standingOf(t, backup)
	if standing.JournalKeepers != 3 || standing.CoveredHTLCs != 2 || standing.UncoveredHTLCs != 0 {
		t.Fatalf("%+v", standing)
	}
	if known := backupPeer(t, backup, sent[0]); known.SentContent != lnkeep.ContentJournal ||
		known.Copy != lnkeep.CopyNone {
		t.Fatalf("%+v", known)
	}
	k.comeBack(ms(1), sent[0])
	if known := backupPeer(t, backup, sent[0]); known.HeldContent != lnkeep.ContentJournal {
		t.Fatalf("%+v", known)
	}

	for _, known := range []bool{true, false} {
		if was, err := backup.RemoveHTLC(incoming.HTLCKey); err != nil || was != known {
			t.Fatal(was, err)
		}
	}
	second, _ := k.round(ms(1))
	if gap := second.Sub(first); gap < 48*time.Second || gap > 72*time.Second {
		t.Fatal(gap)
	}
	said = k.journals()
	if !reflect.DeepEqual(said.htlcs, []lnkeep.BackupHTLC{outgoing}) || len(said.points) != 1 {
		t.Fatalf("%+v", said)
	}
	for _, known := range []bool{true, false} {
		if was, err := backup.ChannelResolved(channel('a')); err != nil || was != known {
			t.Fatal(was, err)
		}
	}
	k.round(second.Add(time.Millisecond))
	if said = k.journals(); len(said.points) != 0 || len(said.htlcs) != 1 {
		t.Fatalf("%+v", said)
	}
}

func TestBackup_OnlyHTLCsOnChainAreToldUnlessAllAreAskedFor(t *testing.T) {
	backup, k := newJournals(t, lnkeep.BackupOptions{})
	must(t, backup.SetHTLC(ms(0), htlcOf(channel('a'), 1)))
	must(t, backup.SetHTLC(ms(0), htlcOf(channel('b'), 2)))
	k.round(ms(0))
	if said := k.journals(); said.htlcs != nil {
		t.Fatalf("%+v", said)
	}
	must(t, backup.ChannelForceClosed(channel('b')))
	must(t, backup.ChannelForceClosed(channel('b')))
	if at, _ := k.round(ms(1000)); !at.Equal(ms(1000)) {
		t.Fatal("it waited for its time:", at)
	}
	if said := k.journals(); len(said.htlcs) != 1 || said.htlcs[0].HTLCID != 2 {
		t.Fatalf("%+v", said)
	}
	if was, err := backup.ChannelResolved(channel('b')); err != nil || !was {
		t.Fatal(was, err)
	}
	k.round(ms(1001))
	if said := k.journals(); said.htlcs != nil {
		t.Fatalf("%+v", said)
	}
}

func TestBackup_WhatCannotWaitDoesNot(t *testing.T) {
	backup, k := newJournals(t, lnkeep.BackupOptions{HTLCProfile: lnkeep.HTLCsAll, UrgentMsat: 1_000_002})
	must(t, backup.BlockConnected(700_000))
	for id := range uint64(4) {
		htlc := claimable(channel('a'), id)
		htlc.Preimage = nil
		must(t, backup.SetHTLC(ms(0), htlc))
	}
	k.settle(ms(0))
	at := ms(0)
	tell := func(htlc lnkeep.BackupHTLC) func() error {
		return func() error { return backup.SetHTLC(at, htlc) }
	}
	for _, c := range []struct {
		name   string
		tell   func() error
		urgent bool
	}{
		{"nothing", func() error { return nil }, false},
		{"a preimage", tell(claimable(channel('a'), 2)), true},
		{"the same again", tell(claimable(channel('a'), 2)), false},
		{"a preimage of a smaller one", tell(claimable(channel('a'), 1)), false},
		{"an HTLC that expires late", tell(htlcOf(channel('a'), 5)), false},
		{"a block far away", func() error { return backup.BlockConnected(900_000 - 145) }, false},
		{"no height", func() error { return backup.BlockConnected(0) }, false},
		{"a block", func() error { return backup.BlockConnected(900_000 - 144) }, true},
		{"the next block", func() error { return backup.BlockConnected(900_000 - 143) }, false},
	} {
		// Urgent ones keep a distance of five seconds; all of this is before the next one at its time.
		at = at.Add(5 * time.Second)
		must(t, c.tell())
		sent, _ := k.tick(at)
		if (len(sent) == 3) != c.urgent || (len(sent) == 0) == c.urgent {
			t.Fatalf("%s: %d were sent", c.name, len(sent))
		}
	}
}

func TestBackup_WhatDoesNotFitIsCountedAndWhatIsDustIsNot(t *testing.T) {
	backup, k := newJournals(t, lnkeep.BackupOptions{HTLCProfile: lnkeep.HTLCsAll, DustMsat: 1_000_011})
	total := uint64(0)
	for id := range uint64(50) {
		htlc := htlcOf(channel('a'), id)
		must(t, backup.SetHTLC(ms(0), htlc))
		if htlc.AmountMsat >= 1_000_011 {
			total += htlc.AmountMsat
		}
	}
	k.settle(ms(0))
	said, standing := k.journals(), standingOf(t, backup)
	covered := uint64(0)
	for i, htlc := range said.htlcs {
		if covered += htlc.AmountMsat; htlc.HTLCID != uint64(50-len(said.htlcs)+i) {
			t.Fatalf("%v is told, and a larger one is not", htlc)
		}
	}
	if n := uint32(len(said.htlcs)); n < 5 || n > 20 || standing.CoveredHTLCs != n ||
		standing.UncoveredHTLCs != 39-n || standing.UncoveredMsat != total-covered ||
		said.uncovered != standing.UncoveredHTLCs || said.uncoveredMsat != standing.UncoveredMsat {
		t.Fatalf("%d of %+v", n, standing)
	}
}

func TestBackup_JournalsStayWithinTheirBudget(t *testing.T) {
	// A burst is what comes in in an eighth of a day: seven blobs with message and transport. All keepers of a
	// round are sent one.
	const bytes = 8 * 7 * (1024 + 4 + 34)
	many := lnkeep.BackupOptions{PeerUploadsPerMinute: 60}
	one, few, fewForOne, slow := many, many, many, lnkeep.BackupOptions{JournalInterval: 150 * time.Second}
	one.JournalKeepers, few.BytesPerDay, fewForOne.PeerBytesPerDay = 1, bytes, bytes
	for name, c := range map[string]struct {
		options  lnkeep.BackupOptions
		keepers  uint32
		min, max int
	}{
		"uploads": {many, 3, 3 * 50, 3 * 75}, "one upload": {lnkeep.BackupOptions{}, 3, 3 * 9, 3 * 12},
		"one keeper": {one, 1, 50, 75}, "bytes": {few, 3, 7, 9}, "peer bytes": {fewForOne, 3, 3 * 7, 3 * 8},
		"slow cadence": {slow, 3, 3 * 4, 3 * 6},
	} {
		t.Run(name, func(t *testing.T) {
			if c.options.JournalInterval == 0 {
				c.options.JournalInterval = 9999*time.Millisecond + 1
			}
			c.options.HTLCProfile = lnkeep.HTLCsAll
			backup, k := newJournals(t, c.options)
			k.settle(ms(0))
			must(t, backup.SetHTLC(ms(0), htlcOf(channel('a'), 1)))
			count, at := 0, ms(0)
			for at.Before(ms(600_000)) {
				sent, next := k.tick(at)
				count += len(sent)
				at = next
				if len(sent) > 0 {
					_, at = k.tick(at)
				}
			}
			if count < c.min || count > c.max || standingOf(t, backup).JournalKeepers != c.keepers {
				t.Fatalf("%d journals, %+v", count, standingOf(t, backup))
			}
		})
	}
}

func TestBackup_JournalsOfACutPayloadAreRelativeToItsGeneration(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	backup, _ := openBackup(t, store, &lnkeep.BackupOptions{
		SizeClass: lnkeep.SizeClass1024, JournalSizeClass: lnkeep.SizeClass1024, HTLCProfile: lnkeep.HTLCsAll,
		ResendInterval: time.Millisecond,
	})
	must(t, backup.SetPayload(long('a')[:900]))
	must(t, backup.SetHTLC(ms(0), htlcOf(channel('a'), 1)))
	k := newKeepers(t, backup, ms(0), nodes(13)...)
	at := k.settle(ms(0))
	if said := k.journals(); said.base != 0 || len(said.htlcs) != 1 {
		t.Fatalf("%+v", said)
	}
	var shares []lnkeep.NodeID
	for _, peer := range k.held() {
		if backupPeer(t, backup, peer).ShareIndex != lnkeep.NoShare {
			shares = append(shares, peer)
		}
	}
	k.comeBack(at, shares...)
	at, _ = k.round(at)
	standing := standingOf(t, backup)
	if said := k.journals(); len(shares) != 10 || said.base != standing.BaseGeneration || said.base == 0 ||
		said.htlcs != nil || said.removed != nil {
		t.Fatalf("%+v, %+v", said, standing)
	}
	if _, err := backup.RemoveHTLC(htlcOf(channel('a'), 1).HTLCKey); err != nil {
		t.Fatal(err)
	}
	must(t, backup.SetHTLC(at, htlcOf(channel('b'), 2)))
	k.round(at.Add(time.Millisecond))
	said := k.journals()
	if said.base != standing.BaseGeneration || len(said.htlcs) != 1 || len(said.removed) != 1 ||
		said.removed[0].HTLCKey != htlcOf(channel('a'), 1).HTLCKey {
		t.Fatalf("%+v", said)
	}
	if records := k.records(shares[0]); !slices.Equal(restore(t, records[0], k.records(shares[1])[0],
		k.records(shares[2])[0], k.records(shares[3])[0]), long('a')[:900]) {
		t.Fatal("something else was restored")
	}
}

func TestBackup_HTLCsAreKeptInMemoryOnly(t *testing.T) {
	path := newPath(t)
	options := &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024, HTLCProfile: lnkeep.HTLCsAll}
	htlc := htlcOf(channel('a'), 1)
	for range 2 {
		store := openStore(t, path, nil)
		backup, _ := openBackup(t, store, options)
		if was, err := backup.RemoveHTLC(htlc.HTLCKey); err != nil || was {
			t.Fatal(was, err)
		}
		must(t, backup.SetHTLC(ms(0), htlc))
		must(t, backup.SetCommitmentPoint(channel('b'), [33]byte{3}))
		must(t, backup.ChannelForceClosed(channel('c')))
		must(t, store.Close())
	}
}

func TestBackup_HTLCsThatAreRefused(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	backup, _ := openBackup(t, store, &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024})
	wrong := claimable(channel('a'), 1)
	wrong.PaymentHash[0]++
	err := backup.SetHTLC(ms(0), wrong)
	want(t, err, lnkeep.ErrInvalidArgument)
	var e *lnkeep.Error
	if !errors.As(err, &e) || e.Channel == nil || *e.Channel != channel('a') || *e.Value != 1 {
		t.Fatalf("%+v", e)
	}
	want(t, backup.SetHTLC(beforeTime, htlcOf(channel('a'), 1)), lnkeep.ErrInvalidArgument)
	if was, err := backup.RemoveHTLC(wrong.HTLCKey); err != nil || was {
		t.Fatal(was, err)
	}
}

func TestBackup_AdoptTakesOverWhatWasRecovered(t *testing.T) {
	peer, other := node(1), node(2)
	_, before := newBackup(t, "of the node that lost its disk")
	peerBegins(t, before, ms(0), peer)
	peerBegins(t, before, ms(0), other)
	blob, blobOfOther := sealed(t, before, ms(0), peer).Blob, sealed(t, before, ms(0), other).Blob
	must(t, before.Close())
	const floor = 1 << 20

	path := newPath(t)
	store := openStore(t, path, nil)
	options := &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024}
	backup, _ := openBackup(t, store, options)
	must(t, backup.SetPayload([]byte("what was recovered")))
	must(t, backup.Connected(ms(0), peer, true))
	returned(t, backup, ms(0), peer, blob, lnkeep.BackupAhead, lnkeep.ActionAlertStateLoss)
	do(t)(backup.Adopt(soon(t), floor))
	again(t)(backup.Adopt(soon(t), floor))
	again(t)(backup.Adopt(soon(t), floor-1))
	refused(t, lnkeep.ErrInvalidArgument)(backup.Adopt(soon(t), 1<<63+1))
	if standing := standingOf(t, backup); standing.Blocked || standing.Fresh || standing.NextSeq <= floor {
		t.Fatalf("%+v", standing)
	}
	must(t, store.Close())

	backup, report := openBackup(t, openStore(t, path, nil), options)
	if report.Blocked || report.Fresh {
		t.Fatalf("%+v", report)
	}
	must(t, backup.SetPayload([]byte("what was recovered")))
	must(t, backup.Connected(ms(0), other, true))
	opened := returned(t, backup, ms(0), other, blobOfOther, lnkeep.BackupClear, lnkeep.ActionFirstSendAllowed)
	if opened == nil || string(opened.Payload) != "of the node that lost its disk" {
		t.Fatalf("%+v", opened)
	}
	if after := sealed(t, backup, ms(0), other); after.Seq != max(floor+1, uint64(ms(0).UnixMilli())<<14) {
		t.Fatalf("%v", after)
	}
	// Above the floor it is a state that was lost all the same.
	header := lnkeep.EnvelopeHeader{Seq: floor + 1, Instance: [16]byte{1}}
	newer, err := lnkeep.SealEnvelope(&testSecret, node(3), header, []byte("newer"), lnkeep.SizeClass1024,
		[16]byte{})
	must(t, err)
	must(t, backup.Connected(ms(0), node(3), true))
	returned(t, backup, ms(0), node(3), newer, lnkeep.BackupAhead, lnkeep.ActionAlertStateLoss)
}

// TestBackup_WhatPeersKeepIsRecoveredAndAdopted loses a store with a payload in shares and HTLCs in a
// snapshot and a journal. Three holders of shares return nothing; the node goes on with what the others do.
func TestBackup_WhatPeersKeepIsRecoveredAndAdopted(t *testing.T) {
	options := &lnkeep.BackupOptions{
		SizeClass: lnkeep.SizeClass1024, JournalSizeClass: lnkeep.SizeClass1024, HTLCProfile: lnkeep.HTLCsAll,
	}
	lost := openStore(t, newPath(t), nil)
	backup, _ := openBackup(t, lost, options)
	must(t, backup.SetPayload(long('a')[:900]))
	must(t, backup.SetHTLC(ms(0), htlcOf(channel('a'), 1)))
	k := newKeepers(t, backup, ms(0), nodes(13)...)
	at := k.settle(ms(0))
	var holders []lnkeep.NodeID
	for _, peer := range k.held() {
		if !k.keepsJournal(peer) {
			holders = append(holders, peer)
		}
	}
	k.comeBack(at, holders...)
	must(t, backup.SetHTLC(at, claimable(channel('b'), 2)))
	at, _ = k.round(at.Add(time.Minute))
	must(t, lost.Close())

	session, err := lnkeep.BeginRecovery(&testSecret, lnkeep.RecoveryOptions{Deadline: at})
	must(t, err)
	t.Cleanup(func() { _ = session.Close() })
	for _, peer := range k.held() {
		if slices.Contains(holders[:3], peer) {
			continue
		}
		if _, err := session.Feed(peer, k.blobs[peer]); err != nil {
			t.Fatal(err)
		}
	}
	recovered, err := session.Payload(false)
	must(t, err)
	htlcs, err := session.HTLCs()
	must(t, err)
	if !slices.Equal(recovered.Payload, long('a')[:900]) || len(htlcs.HTLCs) != 2 ||
		htlcs.HTLCs[1].Preimage == nil || *htlcs.HTLCs[1].Preimage != preimage(2) {
		t.Fatalf("%+v, %+v", recovered, htlcs)
	}
	floor, err := session.Finish(false)
	must(t, err)

	backup, _ = openBackup(t, openStore(t, newPath(t), nil), options)
	do(t)(backup.Adopt(soon(t), floor))
	must(t, backup.SetPayload(recovered.Payload))
	for peer, blob := range k.blobs {
		must(t, backup.SetFacts(at, peer, factsOf(peer)))
		must(t, backup.Connected(at, peer, true))
		returned(t, backup, at, peer, blob, lnkeep.BackupClear, lnkeep.ActionFirstSendAllowed)
	}
	k.backup = backup
	k.settle(at)
	for _, peer := range k.held() {
		if opened, _, _ := k.open(peer); opened.Seq <= floor {
			t.Fatalf("%v holds %d", peer, opened.Seq)
		}
	}
}
