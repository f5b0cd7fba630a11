package lnkeep_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestBackup_SealsAreRefused(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	backup, _ := openBackup(t, store, &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024, PeersMax: 2})
	refuses := func(peer lnkeep.NodeID, sentinel error) {
		t.Helper()
		got, err := backup.Seal(soon(t), ms(0), peer, 1)
		want(t, err, sentinel)
		want(t, err, lnkeep.ErrRefused)
		if got.Blob != nil || got.Seq != 0 {
			t.Fatalf("%v", got)
		}
	}
	refuses(node(1), lnkeep.ErrPeerUnavailable)
	must(t, backup.Connected(ms(0), node(1), true))
	refuses(node(1), lnkeep.ErrHold)
	_, err := backup.ReestablishBegun(soon(t), ms(0), node(1))
	must(t, err)
	refuses(node(1), lnkeep.ErrNoPayload)
	whole, cut, err := lnkeep.PayloadMax(lnkeep.SizeClass1024)
	must(t, err)
	want(t, backup.SetPayload(make([]byte, cut+1)), lnkeep.ErrTooBig)
	want(t, backup.SetPayload(nil), lnkeep.ErrInvalidArgument)
	refuses(node(1), lnkeep.ErrNoPayload)
	must(t, backup.SetPayload(make([]byte, whole)))
	if blob := sealed(t, backup, ms(0), node(1)); blob.Seq != 1 || len(blob.Blob) != 1024 {
		t.Fatalf("%v", blob)
	}
	must(t, backup.Connected(ms(0), node(2), false))
	refuses(node(2), lnkeep.ErrPeerUnavailable)
	must(t, backup.Connected(ms(0), node(4), true))
	want(t, backup.Connected(ms(0), node(3), true), lnkeep.ErrQuotaPeers)
	_, opened, err := backup.Retrieval(soon(t), ms(0), node(3), []byte("strange"))
	want(t, err, lnkeep.ErrQuotaPeers)
	if opened != nil {
		t.Fatalf("%+v", opened)
	}
}

func TestBackup_OpensThatAreRefused(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	for name, options := range map[string]lnkeep.BackupOptions{
		"negative hold": {Hold: -1}, "negative interval": {ResendInterval: -time.Second},
		"no class": {SizeClass: 1000}, "too many": {PeersMax: 1<<32 - 1}, "no profile": {HTLCProfile: 2},
		"no class of journals": {JournalSizeClass: 1023}, "negative journals": {JournalInterval: -1},
	} {
		if _, _, err := store.OpenBackup(&testSecret, &options); !errors.Is(err, lnkeep.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := store.OpenBackup(nil, nil)
	want(t, err, lnkeep.ErrInvalidArgument)
	backup, _ := openBackup(t, store, nil)
	_, _, err = store.OpenBackup(&testSecret, &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024})
	want(t, err, lnkeep.ErrAlreadyOpen)
	_, _, err = store.OpenBackup(&lnkeep.Secret{9}, nil)
	want(t, err, lnkeep.ErrWrongMode)
	must(t, backup.Close())
	_, _, err = store.OpenBackup(&lnkeep.Secret{9}, nil)
	want(t, err, lnkeep.ErrWrongMode)
	if strings.Contains(err.Error(), "5ec2") || strings.Contains(err.Error(), "0900") {
		t.Fatal(err)
	}
	must(t, store.Close())
	_, _, err = store.OpenBackup(&testSecret, nil)
	want(t, err, lnkeep.ErrClosed)
}

func TestBackup_TheSecretStaysAsItWas(t *testing.T) {
	given := testSecret
	store := openStore(t, newPath(t), nil)
	backup, _, err := store.OpenBackup(&given, nil)
	must(t, err)
	if given != testSecret {
		t.Fatal("the secret was changed")
	}
	clear(given[:])
	must(t, backup.SetPayload([]byte("payload")))
	peerBegins(t, backup, ms(0), node(1))
	if _, err := lnkeep.OpenEnvelope(&testSecret, node(1), sealed(t, backup, ms(0), node(1)).Blob); err != nil {
		t.Fatal("the keys are those of a cleared secret:", err)
	}
}

// everyBackupCall is each method of Backup once.
func everyBackupCall(ctx context.Context, b *lnkeep.Backup, now time.Time) (calls map[string]error) {
	calls = map[string]error{}
	calls["SetPayload"] = b.SetPayload([]byte("payload"))
	calls["Connected"] = b.Connected(now, node(1), true)
	_, _, calls["Retrieval"] = b.Retrieval(ctx, now, node(1), []byte("strange"))
	_, calls["ReestablishBegun"] = b.ReestablishBegun(ctx, now, node(1))
	calls["ChannelReady"] = b.ChannelReady(node(1))
	_, calls["Seal"] = b.Seal(ctx, now, node(1), 1)
	_, calls["Tick"] = b.Tick(ctx, now)
	_, calls["Acknowledge"] = b.Acknowledge(ctx)
	calls["SetFacts"] = b.SetFacts(now, node(1), factsOf(node(1)))
	htlc := htlcOf(channel(1), 1)
	calls["SetHTLC"] = b.SetHTLC(now, htlc)
	_, calls["RemoveHTLC"] = b.RemoveHTLC(htlc.HTLCKey)
	calls["SetCommitmentPoint"] = b.SetCommitmentPoint(channel(1), [33]byte{2})
	calls["ChannelForceClosed"] = b.ChannelForceClosed(channel(1))
	_, calls["ChannelResolved"] = b.ChannelResolved(channel(1))
	calls["BlockConnected"] = b.BlockConnected(800_000)
	_, calls["Adopt"] = b.Adopt(ctx, 1)
	calls["Disconnected"] = b.Disconnected(node(1))
	_, calls["Forget"] = b.Forget(ctx, node(1))
	for _, err := range b.Peers() {
		calls["Peers"] = err
	}
	_, calls["Standing"] = b.Standing()
	return calls
}

func TestBackup_AfterTheCloseEverythingIsRefused(t *testing.T) {
	store, backup := newBackup(t, "payload")
	other, _ := openBackup(t, store, &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024})
	must(t, backup.Close())
	ofStore, closedWithStore := newBackup(t, "payload")
	must(t, ofStore.Close())
	for name, one := range map[string]*lnkeep.Backup{"value": backup, "store": closedWithStore} {
		calls := everyBackupCall(soon(t), one, ms(0))
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
	peerBegins(t, other, ms(0), node(1))
	sealed(t, other, ms(0), node(1))
}

func TestBackup_AnEndedContextAndAWrongTimeChangeNothing(t *testing.T) {
	_, backup := newBackup(t, "payload")
	peerBegins(t, backup, ms(0), node(2))
	sealed(t, backup, ms(0), node(2))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	withContext := map[string]bool{
		"Retrieval": true, "ReestablishBegun": true, "Seal": true, "Tick": true, "Acknowledge": true,
		"Forget": true, "Adopt": true,
	}
	for call, err := range everyBackupCall(ctx, backup, ms(0)) {
		switch {
		case !withContext[call]:
			// What an iterator gives no error for is not called.
			must(t, err)
		case !errors.Is(err, lnkeep.ErrCanceled) || !errors.Is(err, context.Canceled):
			t.Errorf("%s: %v", call, err)
		}
	}
	calls := everyBackupCall(soon(t), backup, beforeTime)
	for _, call := range []string{
		"Connected", "Retrieval", "ReestablishBegun", "Seal", "Tick", "SetFacts", "SetHTLC",
	} {
		if !errors.Is(calls[call], lnkeep.ErrInvalidArgument) {
			t.Errorf("%s before 1970: %v", call, calls[call])
		}
	}
	must(t, backup.SetFacts(ms(0), node(1), nil))
	standing, err := backup.Standing()
	if err != nil || standing.Peers != 1 || standing.NextSeq != 2 {
		t.Fatalf("%+v, %v", standing, err)
	}
}

func TestBackup_NamesAndRedaction(t *testing.T) {
	for _, c := range []struct {
		value fmt.Stringer
		name  string
	}{
		{lnkeep.BackupIdle, "idle"}, {lnkeep.BackupCommitted, "committed"}, {lnkeep.BackupAhead, "ahead"},
		{lnkeep.BackupUnsupported, "unsupported"}, {lnkeep.BackupState(13), "backup state 13"},
		{lnkeep.ActionNone, "none"}, {lnkeep.ActionAlertStateLoss, "alert_state_loss"},
		{lnkeep.ActionSend, "send"}, {lnkeep.BackupAction(6), "backup action 6"}, {lnkeep.CopyNone, "none"},
		{lnkeep.CopyConfirmed, "confirmed"}, {lnkeep.BackupCopy(3), "copy 3"},
		{lnkeep.HTLCsOnChainOnly, "onchain_only"}, {lnkeep.HTLCsAll, "all_htlcs"},
		{lnkeep.HTLCProfile(2), "HTLC profile 2"}, {lnkeep.ContentNothing, "nothing"},
		{lnkeep.ContentWhole, "whole"}, {lnkeep.ContentShare, "share"}, {lnkeep.ContentTwoShares, "two_shares"},
		{lnkeep.ContentJournal, "journal"}, {lnkeep.ContentRoster, "roster"},
		{lnkeep.BackupContent(6), "content 6"},
		{lnkeep.EventBackupStateLoss, "backup_state_loss"}, {lnkeep.EventBackupUnreadable, "backup_unreadable"},
		{lnkeep.EventBackupStrike, "backup_strike"},
	} {
		if c.value.String() != c.name {
			t.Errorf("%q is not %q", c.value, c.name)
		}
	}
	const hidden = "do not tell"
	options := lnkeep.BackupOptions{Entropy: (*lnkeep.Secret)([]byte(strings.Repeat(hidden, 3)[:32]))}
	opened := lnkeep.Opened{Payload: lnkeep.HostBytes(hidden)}
	blob := lnkeep.Sealed{Blob: []byte(hidden), Seq: 7}
	message := lnkeep.WireMessage{Kind: lnkeep.MessagePeerStorage, Blob: []byte(hidden)}
	secret := (*lnkeep.Preimage)([]byte(strings.Repeat(hidden, 3)[:32]))
	htlc := lnkeep.BackupHTLC{HTLCKey: lnkeep.HTLCKey{HTLCID: 7}, Preimage: secret}
	facts := lnkeep.PeerFacts{OpenChannel: true, Address: []byte(hidden)}
	for _, verb := range verbs {
		for _, value := range []any{
			options, &options, opened, &opened, blob, &blob, message, &message, htlc, &htlc, facts, &facts,
			[]lnkeep.BackupHTLC{htlc}, struct{ HTLC *lnkeep.BackupHTLC }{&htlc},
		} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, hidden) || strings.Contains(text, fmt.Sprintf("%x", hidden)) ||
				strings.Contains(text, "100 111 32") || strings.Contains(text, "0x64, 0x6f") {
				t.Errorf("%s of %T tells a secret: %s", verb, value, text)
			}
		}
	}
	if text := fmt.Sprint(blob, message); text != "Sealed(seq 7, blob of 11 bytes) "+
		"WireMessage(peer_storage, blob of 11 bytes, extension of 0 bytes)" {
		t.Error(text)
	}
	if text := fmt.Sprint(facts, htlc); text != "PeerFacts(open channel true, closing false, announced false, "+
		"address of 11 bytes) BackupHTLC(7 of channel "+strings.Repeat("00", 32)+
		", incoming false, preimage known true)" {
		t.Error(text)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("opened", "opened", opened, "options", options, "blob", blob,
		"htlc", htlc, "facts", facts)
	if strings.Contains(log.String(), hidden) {
		t.Error(log.String())
	}
}

func TestBackup_TheReportTellsDamageAndThatStateWasLost(t *testing.T) {
	path := newPath(t)
	store := openStore(t, path, nil)
	backup, _ := openBackup(t, store, nil)
	must(t, backup.SetPayload([]byte("payload")))
	peerBegins(t, backup, ms(0), node(1))
	mine := sealed(t, backup, ms(0), node(1)).Blob
	must(t, backup.Connected(ms(0), node(2), true))
	header := lnkeep.EnvelopeHeader{Seq: 9, Instance: [16]byte{1}}
	foreign, err := lnkeep.SealEnvelope(&testSecret, node(2), header, []byte("of another database"),
		lnkeep.SizeClass1024, [16]byte{})
	must(t, err)
	returned(t, backup, ms(0), node(2), foreign, lnkeep.BackupAhead, lnkeep.ActionAlertStateLoss)
	must(t, store.Close())
	sum := sha256.Sum256([]byte("payload"))
	damage(t, filepath.Join(path, "data.mdb"), sum[:])

	backup, report := openBackup(t, openStore(t, path, nil), nil)
	// Damaged are the peer's row and the one of what all peers are sent.
	if report != (lnkeep.BackupReport{Peers: 2, Damaged: 2, Blocked: true}) {
		t.Fatalf("%+v", report)
	}
	if known := backupPeer(t, backup, node(1)); !known.Protected || known.State != lnkeep.BackupUnreadable {
		t.Fatalf("%+v", known)
	}
	must(t, backup.Connected(ms(0), node(1), true))
	opened := returned(t, backup, ms(0), node(1), mine, lnkeep.BackupCommitted, lnkeep.ActionNone)
	if opened == nil || string(opened.Payload) != "payload" {
		t.Fatalf("%+v", opened)
	}
	if known := backupPeer(t, backup, node(1)); known.Protected {
		t.Fatalf("%+v", known)
	}
}
