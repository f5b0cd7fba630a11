package lnkeep_test

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// factsOf are those of a peer with an open, announced channel, as old and as large as counts, and an address
// in a network of its own.
func factsOf(peer lnkeep.NodeID) *lnkeep.PeerFacts {
	return &lnkeep.PeerFacts{
		CapacitySat: 100_000_000, ChannelAge: 60 * 24 * time.Hour, OpenChannel: true, Announced: true,
		Address: []byte{1, peer[1], peer[1], 0, 1, 0x26, 0x07},
	}
}

// htlcOf is an HTLC that a peer offered; its amount tells its id.
func htlcOf(channel lnkeep.ChannelID, id uint64) lnkeep.BackupHTLC {
	return lnkeep.BackupHTLC{
		HTLCKey:     lnkeep.HTLCKey{ChannelID: channel, Incoming: true, HTLCID: id},
		PaymentHash: hashOf(byte(id)), AmountMsat: 1_000_000 + id, CLTVExpiry: 900_000,
	}
}

// keepers are peers of a backup, and the last blob that each of them was sent.
type keepers struct {
	t      testing.TB
	backup *lnkeep.Backup
	blobs  map[lnkeep.NodeID][]byte
}

// newKeepers begins with peers of which facts are known.
func newKeepers(t testing.TB, backup *lnkeep.Backup, at time.Time, peers ...lnkeep.NodeID) *keepers {
	t.Helper()
	k := &keepers{t, backup, map[lnkeep.NodeID][]byte{}}
	k.begin(at, peers...)
	return k
}

func (k *keepers) begin(at time.Time, peers ...lnkeep.NodeID) {
	k.t.Helper()
	for _, peer := range peers {
		must(k.t, k.backup.SetFacts(at, peer, factsOf(peer)))
		peerBegins(k.t, k.backup, at, peer)
	}
}

// nodes are the peers 1 to n.
func nodes(n int) (peers []lnkeep.NodeID) {
	for i := range n {
		peers = append(peers, node(byte(i+1)))
	}
	return peers
}

// tick seals for all that are due and may be, and answers for whom, and when the next one is.
func (k *keepers) tick(at time.Time) (sent []lnkeep.NodeID, next time.Time) {
	k.t.Helper()
	tick, err := k.backup.Tick(soon(k.t), at)
	if err != nil || tick.Failure != nil {
		k.t.Fatalf("%+v, %v", tick, err)
	}
	for _, due := range tick.Actions {
		if due.Action != lnkeep.ActionSend {
			continue
		}
		blob, err := k.backup.Seal(soon(k.t), at, due.Peer, 800_000)
		if errors.Is(err, lnkeep.ErrConflict) {
			continue
		}
		must(k.t, err)
		k.blobs[due.Peer] = blob.Blob
		sent = append(sent, due.Peer)
	}
	return sent, tick.NextDue
}

// settle ticks until nobody is due within ten seconds, and answers when that was.
func (k *keepers) settle(at time.Time) time.Time {
	k.t.Helper()
	for range 50 {
		sent, next := k.tick(at)
		if len(sent) > 0 {
			continue
		}
		if next.IsZero() || next.Sub(at) > 10*time.Second {
			return at
		}
		at = next
	}
	k.t.Fatal("somebody is always due")
	return at
}

// comeBack lets peers return what they hold.
func (k *keepers) comeBack(at time.Time, peers ...lnkeep.NodeID) {
	k.t.Helper()
	for _, peer := range peers {
		must(k.t, k.backup.Disconnected(peer))
		must(k.t, k.backup.Connected(at, peer, true))
		returned(k.t, k.backup, at, peer, k.blobs[peer], lnkeep.BackupCommitted, lnkeep.ActionNone)
	}
}

// held are the peers that hold something, in the order of their ids.
func (k *keepers) held() []lnkeep.NodeID {
	order := func(a, b lnkeep.NodeID) int { return slices.Compare(a[:], b[:]) }
	return slices.SortedFunc(maps.Keys(k.blobs), order)
}

// open opens what a peer holds, and parts it into content and roster.
func (k *keepers) open(peer lnkeep.NodeID) (*lnkeep.Opened, []byte, *lnkeep.Roster) {
	k.t.Helper()
	opened, err := lnkeep.OpenEnvelope(&testSecret, peer, k.blobs[peer])
	must(k.t, err)
	content, roster, err := lnkeep.DecodeRoster(opened.Flags, opened.Payload)
	must(k.t, err)
	return opened, content, roster
}

// records are the shares that a peer holds, the newest first.
func (k *keepers) records(peer lnkeep.NodeID) []lnkeep.ShareRecord {
	k.t.Helper()
	opened, content, _ := k.open(peer)
	if opened.Kind != lnkeep.EnvelopeShares || opened.SetID == [16]byte{} {
		k.t.Fatalf("%v holds %+v", peer, opened)
	}
	records, err := lnkeep.DecodeShareRecords(content)
	must(k.t, err)
	return records
}

// restore gives the payload of records of one generation.
func restore(t testing.TB, records ...lnkeep.ShareRecord) []byte {
	t.Helper()
	var shares []lnkeep.StripeShare
	for _, record := range records {
		shares = append(shares, record.StripeShare)
	}
	first := records[0]
	object, err := lnkeep.DecodeStripe(first.DataShares, first.Shares, int(first.ObjectBytes), shares)
	must(t, err)
	snapshotBytes := int(binary.BigEndian.Uint32(object[len(object)-4:]))
	return object[:len(object)-4-snapshotBytes]
}

// told is what a journal says of HTLCs.
type told struct {
	base           uint64
	uncovered      uint32
	uncoveredMsat  uint64
	points         map[lnkeep.ChannelID][33]byte
	htlcs, removed []lnkeep.BackupHTLC
}

// journal reads what a peer holds, as docs/backup.md lays it out.
func (k *keepers) journal(peer lnkeep.NodeID) (j told) {
	k.t.Helper()
	opened, content, _ := k.open(peer)
	if opened.Kind != lnkeep.EnvelopeJournal {
		k.t.Fatalf("%v holds %+v", peer, opened)
	}
	rest := content
	take := func(n int) []byte {
		taken := rest[:n]
		rest = rest[n:]
		return taken
	}
	number := func(n int) (number uint64) {
		for _, b := range take(n) {
			number = number<<8 | uint64(b)
		}
		return number
	}
	take(16)
	j = told{base: number(8), uncovered: uint32(number(4)), uncoveredMsat: number(8)}
	j.points = map[lnkeep.ChannelID][33]byte{}
	channels := make([]lnkeep.ChannelID, number(2))
	for i := range channels {
		channels[i] = lnkeep.ChannelID(take(32))
		if number(1)&1 != 0 {
			j.points[channels[i]] = [33]byte(take(33))
		}
	}
	for range number(2) {
		htlc := lnkeep.BackupHTLC{HTLCKey: lnkeep.HTLCKey{ChannelID: channels[number(2)]}}
		flags := number(1)
		htlc.Incoming, htlc.HTLCID = flags&1 != 0, number(8)
		if flags&4 != 0 {
			j.removed = append(j.removed, htlc)
			continue
		}
		htlc.PaymentHash, htlc.AmountMsat = lnkeep.PaymentHash(take(32)), number(8)
		htlc.CLTVExpiry = uint32(number(4))
		if flags&2 != 0 {
			htlc.Preimage = (*lnkeep.Preimage)(take(32))
		}
		if flags&8 != 0 {
			index := uint32(number(4))
			htlc.OutputIndex = &index
		}
		j.htlcs = append(j.htlcs, htlc)
	}
	if len(rest) != 0 {
		k.t.Fatalf("%d bytes are left", len(rest))
	}
	return j
}
