package lnkeep_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// storageNode is both ends of peer storage in one node: it keeps its peers' blobs, and they keep its own.
type storageNode struct {
	id      lnkeep.NodeID
	store   *lnkeep.Store
	storage *lnkeep.PeerStorage
	backup  *lnkeep.Backup
	clock   func() time.Time
	height  func() uint32
	// sent is what is on its way to the one peer that these nodes have.
	sent [][]byte
}

// connected is called after a peer's init, before channel_reestablish is sent.
func (n *storageNode) connected(ctx context.Context, peer lnkeep.NodeID, features []byte) error {
	offered, _, err := lnkeep.StorageFeature(features)
	if err != nil {
		return err
	}
	if err := n.backup.Connected(n.clock(), peer, offered); err != nil {
		return err
	}
	blob, err := n.storage.Connected(ctx, n.clock(), peer)
	if err != nil || blob == nil {
		return err
	}
	message, err := lnkeep.EncodePeerStorageRetrieval(blob)
	if err != nil {
		return err
	}
	n.sent = append(n.sent, message)
	return nil
}

// received is called for each message of type 7 or 9.
func (n *storageNode) received(ctx context.Context, peer lnkeep.NodeID, message []byte) error {
	decoded, err := lnkeep.DecodeWire(message)
	if err != nil {
		fmt.Println("ignored:", lnkeep.WireFaultOf(err))
		return nil
	}
	if decoded.Kind == lnkeep.MessagePeerStorage {
		stored, err := n.storage.Store(ctx, n.clock(), peer, decoded.Blob)
		if errors.Is(err, lnkeep.ErrRefused) || errors.Is(err, lnkeep.ErrRetry) {
			// A peer that stores nothing here loses nothing else.
			return nil
		}
		if err == nil {
			fmt.Println("kept for a peer:", stored.Result)
		}
		return err
	}
	concluded, opened, err := n.backup.Retrieval(ctx, n.clock(), peer, decoded.Blob)
	if err != nil {
		return err
	}
	fmt.Println("returned by a peer:", concluded.State)
	if concluded.Action == lnkeep.ActionAlertStateLoss {
		// To close channels with and to sweep, and never to resume one.
		fmt.Println("recover from number", opened.Seq, "with", string(opened.Payload))
		clear(opened.Payload)
	}
	return nil
}

// tick is called when the times have come that the ticks before named.
func (n *storageNode) tick(ctx context.Context) error {
	if _, err := n.storage.Tick(ctx, n.clock()); err != nil {
		return err
	}
	tick, err := n.backup.Tick(ctx, n.clock())
	if err != nil {
		return err
	}
	for _, due := range tick.Actions {
		if due.Action != lnkeep.ActionSend {
			continue
		}
		sealed, err := n.backup.Seal(ctx, n.clock(), due.Peer, n.height())
		if err != nil {
			return err
		}
		message, err := lnkeep.EncodePeerStorage(sealed.Blob)
		if err != nil {
			return err
		}
		n.sent = append(n.sent, message)
	}
	return nil
}

// openStorageNode opens both ends on a store of their own.
func openStorageNode(id byte, payload string) (*storageNode, func()) {
	n := &storageNode{
		id: node(id), clock: func() time.Time { return ms(0) }, height: func() uint32 { return 800_000 },
	}
	store, done := temporaryStore(nil)
	n.store = store
	var err error
	if n.storage, _, err = store.OpenPeerStorage(nil); err != nil {
		log.Fatal(err)
	}
	// In a node the secret is derived from the seed.
	secret := lnkeep.Secret{id}
	n.backup, _, err = store.OpenBackup(&secret, nil)
	clear(secret[:])
	if err != nil {
		log.Fatal(err)
	}
	if err := n.backup.SetPayload([]byte(payload)); err != nil {
		log.Fatal(err)
	}
	return n, done
}

// wire is the connection of two nodes: what they send arrives in order, when it is delivered.
type wire struct{ ends [2]*storageNode }

func (w *wire) deliver(ctx context.Context) {
	for i, from := range w.ends {
		to := w.ends[1-i]
		for _, message := range from.sent {
			if err := to.received(ctx, from.id, message); err != nil {
				log.Fatal(err)
			}
		}
		from.sent = nil
	}
}

// connect is what each end does at a connection, up to channel_reestablish.
func (w *wire) connect(ctx context.Context) {
	// Bit 43, option_provide_storage.
	features := []byte{0x08, 0, 0, 0, 0, 0}
	for i, end := range w.ends {
		claim := []lnkeep.PeerClaims{{Peer: w.ends[1-i].id, OpenChannels: 1}}
		if err := end.storage.ClaimsComplete(ctx, claim, 800_000); err != nil {
			log.Fatal(err)
		}
		if err := end.connected(ctx, w.ends[1-i].id, features); err != nil {
			log.Fatal(err)
		}
	}
	w.deliver(ctx)
	for i, end := range w.ends {
		if _, err := end.backup.ReestablishBegun(ctx, end.clock(), w.ends[1-i].id); err != nil {
			log.Fatal(err)
		}
	}
}

// Two nodes keep the blobs of one another. One loses its disk, and is told so before it can do harm.
func Example_peerStorage() {
	ctx := context.Background()
	alice, closeAlice := openStorageNode(1, "alice's channels")
	defer closeAlice()
	bob, closeBob := openStorageNode(2, "bob's channels")
	connection := wire{ends: [2]*storageNode{alice, bob}}
	connection.connect(ctx)
	for _, end := range connection.ends {
		if err := end.tick(ctx); err != nil {
			log.Fatal(err)
		}
	}
	connection.deliver(ctx)

	fmt.Println("bob loses his disk")
	closeBob()
	if err := alice.backup.Disconnected(bob.id); err != nil {
		log.Fatal(err)
	}
	bob, closeBob = openStorageNode(2, "nothing yet")
	defer closeBob()
	connection = wire{ends: [2]*storageNode{alice, bob}}
	connection.connect(ctx)
	_, err := bob.backup.Seal(ctx, bob.clock(), alice.id, 800_000)
	fmt.Println("bob may send:", !errors.Is(err, lnkeep.ErrStateLoss))
	// Output:
	// kept for a peer: committed
	// kept for a peer: committed
	// bob loses his disk
	// returned by a peer: ahead
	// recover from number 1 with bob's channels
	// bob may send: false
}

// A node that has lost everything but its seed opens what a peer returned, without a store.
func ExampleOpenEnvelope() {
	secret, peer := lnkeep.Secret{7}, node(1)
	blob, err := lnkeep.SealEnvelope(&secret, peer, lnkeep.EnvelopeHeader{Seq: 9}, []byte("channels"),
		lnkeep.SizeClass1024, [16]byte{})
	if err != nil {
		log.Fatal(err)
	}
	opened, err := lnkeep.OpenEnvelope(&secret, peer, blob)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(opened.Seq, string(opened.Payload))
	_, err = lnkeep.OpenEnvelope(&secret, node(2), blob)
	fmt.Println(lnkeep.EnvelopeFaultOf(err), errors.Is(err, lnkeep.ErrBadEnvelope))
	// Output:
	// 9 channels
	// auth_failed true
}

// A provider arms one timer for the time that is named.
func ExamplePeerStorage_Tick() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	storage, _, err := store.OpenPeerStorage(nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := storage.ReportClaim(ctx, node(1), lnkeep.ClaimOpenChannel, 800_000); err != nil {
		log.Fatal(err)
	}
	now := time.UnixMilli(1_700_000_000_000)
	for _, blob := range []string{"first", "second", "third"} {
		stored, err := storage.Store(ctx, now, node(1), []byte(blob))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(stored.Result)
	}
	tick, err := storage.Tick(ctx, now)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(tick.Committed), "written, the next in", tick.NextDue.Sub(now))
	if tick, err = storage.Tick(ctx, tick.NextDue); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(tick.Committed), "written, nothing waits:", tick.NextDue.IsZero())
	// Output:
	// committed
	// deferred
	// deferred
	// 0 written, the next in 1s
	// 1 written, nothing waits: true
}
