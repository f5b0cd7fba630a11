package lnkeep_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

var recoverySecret = lnkeep.Secret{7: 9}

func recoveryPeer(number byte) lnkeep.NodeID { return lnkeep.NodeID{0: 2, 32: number} }

func beginRecovery(t *testing.T) *lnkeep.RecoverySession {
	t.Helper()
	session, err := lnkeep.BeginRecovery(&recoverySecret, lnkeep.RecoveryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

// record is a share, as the payload of an envelope of kind 1 carries it.
func record(generation uint64, k, n, index byte, object [32]byte, objectBytes int, share []byte) []byte {
	made := binary.BigEndian.AppendUint64([]byte{1}, generation)
	made = append(made, k, n, index, 0)
	made = binary.BigEndian.AppendUint32(made, uint32(len(share)))
	made = binary.BigEndian.AppendUint32(made, uint32(objectBytes))
	return append(append(made, object[:]...), share...)
}

func sealRecovery(
	t *testing.T, peer lnkeep.NodeID, kind lnkeep.EnvelopeKind, set [16]byte, seq uint64, payload []byte,
) []byte {
	t.Helper()
	header := lnkeep.EnvelopeHeader{Kind: kind, Seq: seq, SetID: set, CreatedUnixSecs: seq, BlockHeight: 9}
	blob, err := lnkeep.SealEnvelope(&recoverySecret, peer, header, payload, lnkeep.SizeClass1024, [16]byte{})
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// halfOf is one of two halves of a text with no HTLCs: both restore it.
func halfOf(t *testing.T, peer lnkeep.NodeID, seq, generation uint64, index byte, text string) []byte {
	object := append([]byte(text), 0, 0, 0, 0)
	root, objectBytes := sha256.Sum256(object), len(object)
	object = append(object, make([]byte, len(object)%2)...)
	half := len(object) / 2
	share := object[int(index)*half:][:half]
	content := record(generation, 2, 3, index, root, objectBytes, share)
	return sealRecovery(t, peer, lnkeep.EnvelopeShares, [16]byte{5}, seq, content)
}

func feed(t *testing.T, r *lnkeep.RecoverySession, peer lnkeep.NodeID, blob []byte) lnkeep.Fed {
	t.Helper()
	fed, err := r.Feed(peer, blob)
	if err != nil {
		t.Fatal(err)
	}
	return fed
}

func TestRecoverySession_RestoresFromShares(t *testing.T) {
	r := beginRecovery(t)
	if _, err := r.Payload(true); !errors.Is(err, lnkeep.ErrNotEnoughShares) {
		t.Fatalf("nothing was fed: %v", err)
	}
	for number := range byte(2) {
		peer := recoveryPeer(number)
		if fed := feed(t, r, peer, halfOf(t, peer, 21+uint64(number), 20, number, "lost")); fed != (lnkeep.Fed{}) {
			t.Fatalf("share %d: %v", number, fed)
		}
	}
	if fed := feed(t, r, recoveryPeer(9), []byte("garbage")); fed.Outcome != lnkeep.FedUnreadable ||
		lnkeep.EnvelopeFault(fed.Fault) != lnkeep.EnvelopeTooShort {
		t.Fatalf("garbage: %v", fed)
	}
	found, err := r.Payload(false)
	if err != nil {
		t.Fatal(err)
	}
	if string(found.Payload) != "lost" || found.Generation != 20 || !found.CloseAndSweepOnly ||
		found.CreatedUnixSecs != 21 || found.SetID != [16]byte{5} {
		t.Fatalf("restored %v %q", found, []byte(found.Payload))
	}
	if shown := fmt.Sprintf("%v %+v", found, *found); strings.Contains(shown, "lost") {
		t.Fatalf("the payload shows: %s", shown)
	}
	progress, err := r.Progress(time.UnixMilli(1))
	if err != nil {
		t.Fatal(err)
	}
	if progress.Status != lnkeep.RecoveryCompleteFinal || *progress.Best != 20 || *progress.NewestSeen != 20 ||
		progress.PeersWithBlob != 2 || progress.PeersUnreadable != 1 || progress.Blobs != 2 ||
		len(progress.Sets) != 1 || progress.Sets[0].Have != 2 || progress.Sets[0].Need != 2 {
		t.Fatalf("progress %+v", progress)
	}
	if floor, err := r.Finish(false); err != nil || floor != 22+1<<20 {
		t.Fatalf("finish: %d, %v", floor, err)
	}
}

func TestRecoverySession_AnOlderGenerationNeedsConsent(t *testing.T) {
	r := beginRecovery(t)
	for number := range byte(2) {
		feed(t, r, recoveryPeer(number), halfOf(t, recoveryPeer(number), 11, 10, number, "older"))
	}
	feed(t, r, recoveryPeer(3), halfOf(t, recoveryPeer(3), 21, 20, 0, "newer"))
	_, err := r.Payload(false)
	if !errors.Is(err, lnkeep.ErrNotEnoughShares) {
		t.Fatal(err)
	}
	if _, err := r.Finish(false); !errors.Is(err, lnkeep.ErrNotEnoughShares) {
		t.Fatal(err)
	}
	older, err := r.Payload(true)
	if err != nil || string(older.Payload) != "older" || older.Status != lnkeep.RecoveryCompleteOlder {
		t.Fatalf("%v, %v", older, err)
	}
}

func TestRecoverySession_AsksOneAtATimeAndGoesOnAfterARestart(t *testing.T) {
	r := beginRecovery(t)
	address := []byte{1, 10, 0, 0, 1, 0x26, 0x07}
	given := []lnkeep.Candidate{
		{Peer: recoveryPeer(1)},
		{Peer: recoveryPeer(2), Announced: true, Address: address},
	}
	if err := r.AddCandidates(given); err != nil {
		t.Fatal(err)
	}
	if err := r.AddCandidates(nil); err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(1_000_000)
	next, err := r.NextPeer(now)
	if err != nil || next.Kind != lnkeep.NextAsk || next.Peer != recoveryPeer(2) ||
		!bytes.Equal(next.Address, address) {
		t.Fatalf("%+v, %v", next, err)
	}
	saved, err := r.Export()
	if err != nil {
		t.Fatal(err)
	}
	again, err := lnkeep.ResumeRecovery(&recoverySecret, lnkeep.RecoveryOptions{}, saved)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for _, session := range []*lnkeep.RecoverySession{r, again} {
		next, err = session.NextPeer(now)
		if err != nil || next.Kind != lnkeep.NextWait || !next.Until.Equal(now.Add(time.Minute)) {
			t.Fatalf("%+v, %v", next, err)
		}
		if err := session.PeerResult(now, recoveryPeer(2), lnkeep.PeerNoBlob); err != nil {
			t.Fatal(err)
		}
		if next, err = session.NextPeer(now); err != nil || next.Peer != recoveryPeer(1) || next.Address != nil {
			t.Fatalf("%+v, %v", next, err)
		}
	}
	saved[len(saved)/2] ^= 1
	if _, err := lnkeep.ResumeRecovery(&recoverySecret, lnkeep.RecoveryOptions{}, saved); !errors.Is(err,
		lnkeep.ErrInvalidArgument) {
		t.Fatalf("a damaged export: %v", err)
	}
}

func TestRecoverySession_HTLCsComeBack(t *testing.T) {
	r := beginRecovery(t)
	preimage := [32]byte{3: 7}
	journal := make([]byte, 16+8)
	journal = binary.BigEndian.AppendUint32(journal, 2)
	journal = binary.BigEndian.AppendUint64(journal, 77)
	journal = binary.BigEndian.AppendUint16(journal, 1)
	journal = append(append(journal, bytes.Repeat([]byte{0xcc}, 32)...), 1)
	journal = append(journal, bytes.Repeat([]byte{2}, 33)...)
	journal = binary.BigEndian.AppendUint16(journal, 1)
	journal = append(journal, 0, 0, 1|2|8)
	journal = binary.BigEndian.AppendUint64(journal, 40)
	hash := sha256.Sum256(preimage[:])
	journal = append(journal, hash[:]...)
	journal = binary.BigEndian.AppendUint64(journal, 5_000)
	journal = binary.BigEndian.AppendUint32(journal, 800_000)
	journal = append(journal, preimage[:]...)
	journal = binary.BigEndian.AppendUint32(journal, 6)
	fed := feed(t, r, recoveryPeer(1), sealRecovery(t, recoveryPeer(1), 2, [16]byte{}, 30, journal))
	if fed.Outcome != lnkeep.FedAccepted {
		t.Fatal(fed)
	}
	found, err := r.HTLCs()
	if err != nil {
		t.Fatal(err)
	}
	if len(found.HTLCs) != 1 || *found.JournalSeq != 30 || found.Base != nil || !found.Newest ||
		found.UncoveredCount != 2 || found.UncoveredMsat != 77 || len(found.Points) != 1 {
		t.Fatalf("%+v", found)
	}
	htlc := found.HTLCs[0]
	if !htlc.Incoming || htlc.HTLCID != 40 || htlc.PaymentHash != hash || *htlc.Preimage != preimage ||
		*htlc.OutputIndex != 6 || htlc.AmountMsat != 5_000 || htlc.CLTVExpiry != 800_000 {
		t.Fatalf("%+v", htlc)
	}
	if fmt.Sprintf("%+v", htlc.Preimage) == fmt.Sprintf("%+v", &preimage) {
		t.Fatal("the preimage shows")
	}
}

func TestRecoverySession_IsClosedOnceAndSharedByGoroutines(t *testing.T) {
	r := beginRecovery(t)
	var all sync.WaitGroup
	for number := range byte(4) {
		all.Add(1)
		go func() {
			defer all.Done()
			peer := recoveryPeer(number)
			for seq := range uint64(10) {
				feed(t, r, peer, sealRecovery(t, peer, 0, [16]byte{}, 1+seq*10+uint64(number), []byte{number}))
			}
		}()
	}
	all.Wait()
	if progress, err := r.Progress(time.UnixMilli(1)); err != nil || progress.Blobs != 40 {
		t.Fatalf("%+v, %v", progress, err)
	}
	if !r.IsOpen() {
		t.Fatal("not open")
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r.IsOpen() {
		t.Fatal("open")
	}
	_, feedErr := r.Feed(recoveryPeer(1), nil)
	_, nextErr := r.NextPeer(time.UnixMilli(1))
	_, payloadErr := r.Payload(false)
	_, htlcsErr := r.HTLCs()
	_, exportErr := r.Export()
	_, finishErr := r.Finish(true)
	for _, err := range []error{
		feedErr, nextErr, payloadErr, htlcsErr, exportErr, finishErr, r.AddCandidates(nil),
		r.PeerResult(time.UnixMilli(1), recoveryPeer(1), lnkeep.PeerFailed),
	} {
		if !errors.Is(err, lnkeep.ErrClosed) {
			t.Fatalf("after Close: %v", err)
		}
	}
}

func TestRecoverySession_RefusesMistakes(t *testing.T) {
	wrong := []lnkeep.RecoveryOptions{
		{Answer: -1}, {Blob: -1}, {CandidatesMax: 10_001}, {Deadline: time.Unix(-1, 0)},
	}
	for _, options := range wrong {
		if _, err := lnkeep.BeginRecovery(&recoverySecret, options); !errors.Is(err, lnkeep.ErrInvalidArgument) {
			t.Errorf("%+v: %v", options, err)
		}
	}
	if _, err := lnkeep.BeginRecovery(nil, lnkeep.RecoveryOptions{}); !errors.Is(err, lnkeep.ErrInvalidArgument) {
		t.Errorf("no secret: %v", err)
	}
	r := beginRecovery(t)
	if _, err := r.Feed(recoveryPeer(1), make([]byte, lnkeep.BlobBytesMax+1)); !errors.Is(err, lnkeep.ErrTooBig) {
		t.Errorf("too long: %v", err)
	}
	if err := r.PeerResult(time.UnixMilli(1), recoveryPeer(1), 4); !errors.Is(err, lnkeep.ErrInvalidArgument) {
		t.Errorf("a result that there is not: %v", err)
	}
	if _, err := r.NextPeer(time.Unix(-5, 0)); !errors.Is(err, lnkeep.ErrInvalidArgument) {
		t.Errorf("before 1970: %v", err)
	}
}

// recoveryCase is a case of recovery.jsonl; what an envelope cannot carry, a record with an index that its code
// does not have, is fed as what a session makes of it.
type recoveryCase struct {
	ID    string
	Steps []struct {
		Feed struct {
			Bad, Set, Root string
			Gen            uint64
			K, N, Idx      byte
		}
		Expect struct {
			Status     string
			BestGen    *uint64 `json:"best_gen"`
			NewestSeen *uint64 `json:"newest_seen_gen"`
			Sets       []struct {
				Set        string
				Gen        uint64
				Have, Need uint32
			}
			Accepted bool
			Reason   string
		}
	}
}

func TestRecoverySession_Conformance(t *testing.T) {
	file, err := os.ReadFile("../tests/vectors/peer_storage/recovery.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for line := range bytes.Lines(file) {
		var c recoveryCase
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.ID, func(t *testing.T) { runRecoveryCase(t, &c) })
		ran++
	}
	if ran < 20 {
		t.Fatalf("%d cases", ran)
	}
}

func runRecoveryCase(t *testing.T, c *recoveryCase) {
	r := beginRecovery(t)
	for at, step := range c.Steps {
		peer := recoveryPeer(byte(at))
		blob := []byte("bad")
		given := step.Feed
		if given.Bad == "" {
			var set [16]byte
			copy(set[:], given.Set)
			root := sha256.Sum256([]byte(given.Root))
			content := record(given.Gen, given.K, given.N, given.Idx, root, int(given.K), []byte{1})
			blob = sealRecovery(t, peer, lnkeep.EnvelopeShares, set, uint64(at)+1, content)
		}
		fed := feed(t, r, peer, blob)
		if step.Expect.Reason == "bad_index" && fed.Outcome == lnkeep.FedBadShare {
			t.Skip("an index that no share has is refused before the session sees it")
		}
		// A share below what can be restored is counted as any other, and its outcome says that it is old.
		was := fed.Outcome == lnkeep.FedAccepted || fed.Outcome == lnkeep.FedOld && step.Expect.Accepted
		if was != step.Expect.Accepted {
			t.Fatalf("step %d: %v, and %q is expected", at, fed, step.Expect.Reason)
		}
		progress, err := r.Progress(time.UnixMilli(1))
		if err != nil {
			t.Fatal(err)
		}
		// Every peer that is known of has answered, so that complete is final.
		status := strings.TrimSuffix(progress.Status.String(), "_final")
		if status != step.Expect.Status || !sameNumber(progress.Best, step.Expect.BestGen) ||
			!sameNumber(progress.NewestSeen, step.Expect.NewestSeen) ||
			len(progress.Sets) != len(step.Expect.Sets) {
			t.Fatalf("step %d: %+v", at, progress)
		}
		for i, set := range step.Expect.Sets {
			found := progress.Sets[i]
			name := string(bytes.TrimRight(found.SetID[:], "\x00"))
			if name != set.Set || found.Generation != set.Gen || found.Have != set.Have || found.Need != set.Need {
				t.Fatalf("step %d, set %d: %+v", at, i, found)
			}
		}
	}
}

func sameNumber(a, b *uint64) bool { return a == b || a != nil && b != nil && *a == *b }

func ExampleBeginRecovery() {
	secret := lnkeep.Secret{1}
	peer := lnkeep.NodeID{0: 2, 32: 1}
	header := lnkeep.EnvelopeHeader{Seq: 5}
	kept, err := lnkeep.SealEnvelope(&secret, peer, header, []byte("a backup"), lnkeep.SizeClass1024, [16]byte{})
	if err != nil {
		fmt.Println(err)
		return
	}

	r, err := lnkeep.BeginRecovery(&secret, lnkeep.RecoveryOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	// What the peer returned, before channel_reestablish was answered.
	fed, _ := r.Feed(peer, kept)
	found, _ := r.Payload(false)
	floor, _ := r.Finish(false)
	fmt.Println(fed.Outcome, found.Generation, string(found.Payload), floor)
	// Output: accepted 5 a backup 1048581
}
