package lnkeep_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// actionsOf is what a tick asks about a peer.
func actionsOf(
	t testing.TB, backup *lnkeep.Backup, at time.Time, peer lnkeep.NodeID,
) (actions []lnkeep.BackupAction) {
	t.Helper()
	tick, err := backup.Tick(soon(t), at)
	if err != nil || tick.Failure != nil {
		t.Fatalf("%+v, %v", tick, err)
	}
	for _, action := range tick.Actions {
		if action.Peer == peer {
			actions = append(actions, action.Action)
		}
	}
	return actions
}

func TestBackup_ABlobIsSealedReturnedAndConfirmed(t *testing.T) {
	path, peer := newPath(t), node(1)
	store := openStore(t, path, nil)
	backup, report := openBackup(t, store, nil)
	if report != (lnkeep.BackupReport{Fresh: true}) {
		t.Fatalf("%+v", report)
	}
	must(t, backup.SetPayload([]byte("channels of ours")))
	begun := peerBegins(t, backup, ms(0), peer)
	if begun != (lnkeep.Concluded{State: lnkeep.BackupClear, Action: lnkeep.ActionFirstSendAllowed}) {
		t.Fatalf("%+v", begun)
	}
	if actions := actionsOf(t, backup, ms(0), peer); len(actions) != 1 || actions[0] != lnkeep.ActionSend {
		t.Fatal(actions)
	}
	first := sealed(t, backup, ms(0), peer)
	if first.Seq != 1 || len(first.Blob) != lnkeep.BlobBytesMax {
		t.Fatalf("%v", first)
	}
	standing, err := backup.Standing()
	if err != nil || standing.NextSeq != 2 || standing.PayloadBytes != 16 || standing.Peers != 1 ||
		standing.UnconfirmedCopies != 1 || standing.ConfirmedCopies != 0 || standing.Fresh || standing.Blocked {
		t.Fatalf("%+v, %v", standing, err)
	}
	if known := backupPeer(t, backup, peer); known != (lnkeep.BackupPeer{
		Peer: peer, State: lnkeep.BackupSent, SentSeq: 1, Connected: true, OffersStorage: true,
		Copy: lnkeep.CopyUnconfirmed, SizeClass: lnkeep.SizeClass65531, Sent: ms(0),
		SentContent: lnkeep.ContentWhole, ShareIndex: lnkeep.NoShare,
	}) {
		t.Fatalf("%+v", known)
	}
	must(t, backup.Disconnected(peer))
	must(t, backup.Close())
	must(t, store.Close())

	store = openStore(t, path, nil)
	backup, report = openBackup(t, store, nil)
	if report != (lnkeep.BackupReport{Peers: 1}) {
		t.Fatalf("%+v", report)
	}
	must(t, backup.SetPayload([]byte("channels of ours")))
	must(t, backup.Connected(ms(1000), peer, true))
	opened := returned(t, backup, ms(1000), peer, first.Blob, lnkeep.BackupCommitted, lnkeep.ActionNone)
	if opened == nil || string(opened.Payload) != "channels of ours" || opened.Seq != 1 || opened.Kind != 0 ||
		opened.BlockHeight != 800_000 || opened.CreatedUnixSecs != now || opened.Instance != standing.Instance {
		t.Fatalf("%+v", opened)
	}
	known := backupPeer(t, backup, peer)
	if known.Copy != lnkeep.CopyConfirmed || known.CommittedSeq != 1 || known.State != lnkeep.BackupCommitted ||
		known.HeldContent != lnkeep.ContentWhole {
		t.Fatalf("%+v", known)
	}
	if standing, err = backup.Standing(); err != nil || standing.ConfirmedCopies != 1 {
		t.Fatalf("%+v, %v", standing, err)
	}
}

func TestBackup_ThatStateWasLostIsSeenBeforeAnythingIsSent(t *testing.T) {
	peer := node(1)
	_, before := newBackup(t, "of the node that lost its disk")
	peerBegins(t, before, ms(0), peer)
	blob := sealed(t, before, ms(0), peer).Blob
	must(t, before.Close())

	store := openStore(t, newPath(t), &lnkeep.StoreOptions{Events: lnkeep.EventMaskOf(
		lnkeep.EventBackupStateLoss, lnkeep.EventBackupUnreadable, lnkeep.EventBackupStrike)})
	backup, _ := openBackup(t, store, &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024})
	events := openEvents(t, store, "operator")
	must(t, backup.SetPayload([]byte("an empty node")))
	must(t, backup.Connected(ms(0), peer, true))
	opened := returned(t, backup, ms(0), peer, blob, lnkeep.BackupAhead, lnkeep.ActionAlertStateLoss)
	if opened == nil || string(opened.Payload) != "of the node that lost its disk" {
		t.Fatalf("%+v", opened)
	}
	if event := next(t, events); event.Kind != lnkeep.EventBackupStateLoss || event.Peer() != peer {
		t.Fatalf("%+v", event)
	}
	standing, err := backup.Standing()
	if err != nil || !standing.Blocked || !standing.Fresh {
		t.Fatalf("%+v, %v", standing, err)
	}
	_, err = backup.Seal(soon(t), ms(0), peer, 1)
	want(t, err, lnkeep.ErrStateLoss)
	do(t)(backup.Acknowledge(soon(t)))
	again(t)(backup.Acknowledge(soon(t)))
	after := sealed(t, backup, ms(0), peer)
	if after.Seq <= 1<<20 {
		t.Fatalf("%v", after)
	}
}

func TestBackup_WhatCannotBeReadIsNotOverwritten(t *testing.T) {
	_, backup := newBackup(t, "payload")
	must(t, backup.Connected(ms(0), node(1), true))
	foreign := bytes.Repeat([]byte{7}, 300)
	if opened := returned(t, backup, ms(0), node(1), foreign, lnkeep.BackupUnreadable,
		lnkeep.ActionAlertUnreadable); opened != nil {
		t.Fatalf("%+v", opened)
	}
	_, err := backup.Seal(soon(t), ms(0), node(1), 1)
	want(t, err, lnkeep.ErrUnreadable)
	if known := backupPeer(t, backup, node(1)); !known.Protected || known.Copy != lnkeep.CopyNone {
		t.Fatalf("%+v", known)
	}
	refused(t, lnkeep.ErrConflict)(backup.Forget(soon(t), node(1)))
	must(t, backup.Disconnected(node(1)))
	do(t)(backup.Forget(soon(t), node(1)))
	again(t)(backup.Forget(soon(t), node(1)))
	peerBegins(t, backup, ms(0), node(1))
	sealed(t, backup, ms(0), node(1))
	must(t, backup.Disconnected(node(1)))
	refused(t, lnkeep.ErrConflict)(backup.Forget(soon(t), node(1)))
}

func TestBackup_StrikesAreCountedAndTold(t *testing.T) {
	store := openStore(t, newPath(t), &lnkeep.StoreOptions{
		Events: lnkeep.EventMaskOf(lnkeep.EventBackupStrike, lnkeep.EventBackupUnreadable),
	})
	backup, _ := openBackup(t, store, &lnkeep.BackupOptions{
		SizeClass: lnkeep.SizeClass4096, ResendInterval: time.Millisecond,
	})
	must(t, backup.SetPayload([]byte("short")))
	peerBegins(t, backup, ms(0), node(1))
	first := sealed(t, backup, ms(0), node(1)).Blob
	second := sealed(t, backup, ms(10), node(1)).Blob
	reconnect := func(at int64) {
		must(t, backup.Disconnected(node(1)))
		must(t, backup.Connected(ms(at), node(1), true))
	}
	reconnect(20)
	returned(t, backup, ms(20), node(1), first, lnkeep.BackupLagging, lnkeep.ActionResend)
	reconnect(30)
	returned(t, backup, ms(30), node(1), second, lnkeep.BackupCommitted, lnkeep.ActionNone)
	reconnect(40)
	returned(t, backup, ms(40), node(1), first, lnkeep.BackupStale, lnkeep.ActionResend)
	reconnect(50)
	damaged := slices.Clone(second)
	damaged[100] ^= 1
	returned(t, backup, ms(50), node(1), damaged, lnkeep.BackupCorrupt, lnkeep.ActionResend)
	reconnect(60)
	returned(t, backup, ms(60), node(1), []byte{}, lnkeep.BackupLost, lnkeep.ActionResend)
	known := backupPeer(t, backup, node(1))
	if known.Strikes != 3 || known.RecentStrikes != 3 || known.State != lnkeep.BackupLost {
		t.Fatalf("%+v", known)
	}
	events := openEvents(t, store, "operator")
	for range 3 {
		if event := next(t, events); event.Kind != lnkeep.EventBackupStrike || event.Peer() != node(1) {
			t.Fatalf("%+v", event)
		}
	}
}

func TestBackup_APeerThatKeepsNoLongBlobsIsSentShortOnes(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	backup, _ := openBackup(t, store, &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass4096})
	must(t, backup.SetPayload([]byte("short")))
	for i, expected := range []int{4096, 4096, 1024} {
		peerBegins(t, backup, ms(int64(i)), node(1))
		if blob := sealed(t, backup, ms(int64(i)), node(1)).Blob; len(blob) != expected {
			t.Fatalf("blob %d has %d bytes", i, len(blob))
		}
		must(t, backup.Disconnected(node(1)))
	}
	if known := backupPeer(t, backup, node(1)); known.SizeClass != lnkeep.SizeClass1024 ||
		known.State != lnkeep.BackupSent {
		t.Fatalf("%+v", known)
	}
}

func TestBackup_TicksConcludeAndSayWhoIsDue(t *testing.T) {
	_, backup := newBackup(t, "payload")
	tick, err := backup.Tick(soon(t), ms(0))
	if err != nil || len(tick.Actions) != 0 || !tick.NextDue.IsZero() || tick.Failure != nil {
		t.Fatalf("%+v, %v", tick, err)
	}
	must(t, backup.Connected(ms(0), node(1), true))
	must(t, backup.Connected(ms(0), node(2), false))
	tick, err = backup.Tick(soon(t), ms(9_999))
	if err != nil || len(tick.Actions) != 0 || !tick.NextDue.Equal(ms(10_000)) {
		t.Fatalf("%+v, %v", tick, err)
	}
	tick, err = backup.Tick(soon(t), ms(10_000))
	if expected := []lnkeep.PeerAction{
		{Peer: node(1), State: lnkeep.BackupClear, Action: lnkeep.ActionFirstSendAllowed},
		{Peer: node(1), State: lnkeep.BackupClear, Action: lnkeep.ActionSend},
	}; err != nil || !slices.Equal(tick.Actions, expected) {
		t.Fatalf("%+v, %v", tick, err)
	}
	sealed(t, backup, ms(10_000), node(1))
	if actions := actionsOf(t, backup, ms(10_001), node(1)); actions != nil {
		t.Fatal(actions)
	}
	must(t, backup.ChannelReady(node(1)))
	if actions := actionsOf(t, backup, ms(69_999), node(1)); actions != nil {
		t.Fatal(actions)
	}
	if actions := actionsOf(t, backup, ms(70_000), node(1)); len(actions) != 1 {
		t.Fatal(actions)
	}
	sealed(t, backup, ms(70_000), node(1))
	must(t, backup.SetPayload([]byte("another")))
	if known := backupPeer(t, backup, node(1)); known.Copy != lnkeep.CopyNone {
		t.Fatalf("%+v", known)
	}
	if actions := actionsOf(t, backup, ms(130_000), node(1)); len(actions) != 1 {
		t.Fatal(actions)
	}
}

func TestBackup_TwoValuesAreOneBackup(t *testing.T) {
	store, first := newBackup(t, "payload")
	second, _ := openBackup(t, store, &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024})
	peerBegins(t, first, ms(0), node(1))
	one, other := sealed(t, first, ms(0), node(1)), sealed(t, second, ms(0), node(1))
	if one.Seq != 1 || other.Seq != 2 || bytes.Equal(one.Blob, other.Blob) {
		t.Fatalf("%v, %v", one, other)
	}
	must(t, first.Close())
	must(t, first.Close())
	if first.IsOpen() || !second.IsOpen() {
		t.Fatal("the wrong one is open")
	}
	sealed(t, second, ms(0), node(1))
	must(t, store.Close())
	if second.IsOpen() {
		t.Fatal("it is open")
	}
}

func TestBackup_EqualEntropyGivesEqualBlobs(t *testing.T) {
	blobs := map[string]int{}
	for _, entropy := range []lnkeep.Secret{{1}, {1}, {2}} {
		store := openStore(t, newPath(t), nil)
		backup, _ := openBackup(t, store, &lnkeep.BackupOptions{
			SizeClass: lnkeep.SizeClass1024, Entropy: &entropy,
		})
		must(t, backup.SetPayload([]byte("payload")))
		peerBegins(t, backup, ms(0), node(1))
		blobs[string(sealed(t, backup, ms(0), node(1)).Blob)]++
	}
	if len(blobs) != 2 {
		t.Fatalf("%d blobs", len(blobs))
	}
}

func TestBackup_ManyPeersAreListed(t *testing.T) {
	_, backup := newBackup(t, "payload")
	const peers = 600
	id := func(i int) lnkeep.NodeID { return lnkeep.NodeID{3, byte(i >> 8), byte(i)} }
	for i := range peers {
		must(t, backup.Connected(ms(0), id(i), true))
	}
	listed := 0
	for peer, err := range backup.Peers() {
		must(t, err)
		if peer.Peer != id(listed) || peer.State != lnkeep.BackupHold || !peer.Connected || !peer.Sent.IsZero() {
			t.Fatalf("%+v at place %d", peer, listed)
		}
		listed++
	}
	if listed != peers {
		t.Fatalf("%d peers", listed)
	}
}
