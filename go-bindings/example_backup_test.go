package lnkeep_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// openLongBackup opens a backup with short blobs, and a payload that is longer than one.
func openLongBackup(profile lnkeep.HTLCProfile) (*lnkeep.Backup, func()) {
	store, done := temporaryStore(nil)
	// In a node the secret is derived from the seed.
	secret := lnkeep.Secret{7}
	backup, _, err := store.OpenBackup(&secret, &lnkeep.BackupOptions{
		SizeClass: lnkeep.SizeClass1024, JournalSizeClass: lnkeep.SizeClass1024, HTLCProfile: profile,
	})
	clear(secret[:])
	if err != nil {
		log.Fatal(err)
	}
	if err := backup.SetPayload(make([]byte, 700)); err != nil {
		log.Fatal(err)
	}
	return backup, done
}

// meet connects a peer that offers storage and returned nothing, with an old channel to it.
func meet(ctx context.Context, backup *lnkeep.Backup, now time.Time, peer lnkeep.NodeID) {
	facts := lnkeep.PeerFacts{
		CapacitySat: 5_000_000, ChannelAge: 60 * 24 * time.Hour, OpenChannel: true, Announced: true,
		Address: []byte{1, 192, 0, 2, peer[1], 0x26, 0x07},
	}
	if err := backup.SetFacts(now, peer, &facts); err != nil {
		log.Fatal(err)
	}
	if err := backup.Connected(now, peer, true); err != nil {
		log.Fatal(err)
	}
	if _, err := backup.ReestablishBegun(ctx, now, peer); err != nil {
		log.Fatal(err)
	}
}

// A payload that is longer than a blob is cut into shares, for peers that the host told facts of.
func ExampleBackup_SetFacts() {
	ctx, now := context.Background(), ms(0)
	backup, done := openLongBackup(lnkeep.HTLCsOnChainOnly)
	defer done()
	if err := backup.SetPayload(make([]byte, 1000)); err != nil {
		log.Fatal(err)
	}
	for peer := range byte(4) {
		meet(ctx, backup, now, node(1+peer))
	}
	if _, err := backup.Tick(ctx, now); err != nil {
		log.Fatal(err)
	}
	standing, err := backup.Standing()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("with four peers, needed:", standing.NeededPeers)
	for peer := range byte(3) {
		meet(ctx, backup, now, node(5+peer))
	}
	for {
		tick, err := backup.Tick(ctx, now)
		if err != nil {
			log.Fatal(err)
		}
		if len(tick.Actions) == 0 {
			break
		}
		for _, due := range tick.Actions {
			// In a node the blob leaves at once: EncodePeerStorage.
			if _, err := backup.Seal(ctx, now, due.Peer, 800_000); err != nil {
				log.Fatal(err)
			}
		}
		// In a node the timer is armed for tick.NextDue: shares leave a few at a time.
		now = now.Add(5 * time.Second)
	}
	if standing, err = backup.Standing(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("any %d of %d shares restore it, %d were sent\n", standing.DataShares, standing.Shares,
		standing.SentShares)
	// Output:
	// with four peers, needed: 5
	// any 4 of 7 shares restore it, 7 were sent
}

// Journals tell peers of the HTLCs that a restored node has to know.
func ExampleBackup_SetHTLC() {
	ctx, now := context.Background(), ms(0)
	backup, done := openLongBackup(lnkeep.HTLCsAll)
	defer done()
	for peer := range byte(5) {
		meet(ctx, backup, now, node(1+peer))
	}
	preimage := lnkeep.Preimage{1, 2, 3}
	htlc := lnkeep.BackupHTLC{
		HTLCKey:     lnkeep.HTLCKey{ChannelID: channel('a'), Incoming: true, HTLCID: 12},
		PaymentHash: sha256.Sum256(preimage[:]), AmountMsat: 50_000_000, CLTVExpiry: 800_100,
	}
	// As update_add_htlc is irrevocably committed, and as the preimage becomes known.
	if err := backup.SetHTLC(now, htlc); err != nil {
		log.Fatal(err)
	}
	htlc.Preimage = &preimage
	if err := backup.SetHTLC(now, htlc); err != nil {
		log.Fatal(err)
	}
	tick, err := backup.Tick(ctx, now)
	if err != nil {
		log.Fatal(err)
	}
	for _, due := range tick.Actions {
		if _, err := backup.Seal(ctx, now, due.Peer, 800_000); err != nil {
			log.Fatal(err)
		}
	}
	count := map[lnkeep.BackupContent]int{}
	for peer, err := range backup.Peers() {
		if err != nil {
			log.Fatal(err)
		}
		count[peer.SentContent]++
	}
	standing, err := backup.Standing()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(count[lnkeep.ContentWhole], "keep the payload,", count[lnkeep.ContentJournal], "journals of",
		standing.CoveredHTLCs, "HTLC")
	fmt.Println(*htlc.Preimage)
	// Once it is irrevocably removed.
	known, err := backup.RemoveHTLC(htlc.HTLCKey)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("was known:", known)
	// Output:
	// 2 keep the payload, 3 journals of 1 HTLC
	// Preimage(redacted)
	// was known: true
}
