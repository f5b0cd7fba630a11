package life

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"testing"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

var (
	preimage    = [32]byte{1, 2, 3}
	paymentHash = sha256.Sum256(preimage[:])
)

func orderOf(id uint64) wire.Order {
	return wire.Order{ID: id, AmountMsat: 21_000, CLTVExpiry: 900_144, PaymentHash: paymentHash}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// offering is a node that has offered HTLC 7.
func offering(t *testing.T) *node {
	t.Helper()
	store := must(lnkeep.Open(t.TempDir()+"/store", nil))
	t.Cleanup(func() { _ = store.Close() })
	attempts := must(store.OpenAttempts(nil))
	must(attempts.Init(context.Background(), requestOf(orderOf(7))))
	must(attempts.MarkHandedOff(context.Background(), lnkeep.DefaultKey(7)))
	return &node{store: store, attempts: attempts}
}

func fulfill(channel lnwire.ChannelID, id uint64, preimage [32]byte, extra ...byte) lnwire.Message {
	msg := lnwire.NewUpdateFulfillHTLC(channel, id, preimage)
	msg.ExtraData = extra
	return msg
}

func fail(channel lnwire.ChannelID, id uint64, extra ...byte) lnwire.Message {
	return &lnwire.UpdateFailHTLC{
		ChanID: channel, ID: id, Reason: []byte("noise"), ExtraData: extra,
	}
}

func TestCheck_AcceptsTheAnswersOfBOLT2(t *testing.T) {
	n, channel := offering(t), wire.ChannelID()
	for name, msg := range map[string]lnwire.Message{
		"a settle":                        fulfill(channel, 7, preimage),
		"a settle with an odd record":     fulfill(channel, 7, preimage, 1, 1, 0xff),
		"a failure":                       fail(channel, 7),
		"a failure with an odd record":    fail(channel, 7, 1, 1, 0xff),
		"a failure with several of these": fail(channel, 7, 1, 1, 0xff, 3, 0),
	} {
		answer, err := n.check(context.Background(), msg)
		if err != nil || answer.id != 7 {
			t.Errorf("%s: %v, %v", name, answer.id, err)
			continue
		}
		_, settles := msg.(*lnwire.UpdateFulfillHTLC)
		if settles != (answer.result.Kind == lnkeep.ResultSettle) {
			t.Errorf("%s was read as %v", name, answer.result.Kind)
		}
		if string(answer.result.Message) != string(must(wire.Encode(msg))) {
			t.Errorf("%s was kept as %x", name, answer.result.Message)
		}
	}
}

func TestCheck_RefusesWhatBreaksBOLT(t *testing.T) {
	n, channel := offering(t), wire.ChannelID()
	for name, msg := range map[string]lnwire.Message{
		"a wrong preimage":           fulfill(channel, 7, [32]byte{4}),
		"a settle never offered":     fulfill(channel, 8, preimage),
		"a failure never offered":    fail(channel, 8),
		"a settle elsewhere":         fulfill(lnwire.ChannelID{1}, 7, preimage),
		"a failure elsewhere":        fail(lnwire.ChannelID{1}, 7),
		"an unknown even record":     fail(channel, 7, 2, 1, 0xff),
		"a record cut short":         fail(channel, 7, 1, 9, 0xff),
		"records out of order":       fail(channel, 7, 3, 0, 1, 0),
		"an HTLC of the peer":        &lnwire.UpdateAddHTLC{ChanID: channel},
		"another message altogether": lnwire.NewPing(1),
	} {
		if _, err := n.check(context.Background(), msg); !errors.Is(err, errProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// world is the other end of a node that lives in this process.
type world struct {
	client *wire.Client[wire.Report, wire.Order]
	peer   *wire.Peer
	ended  chan error
}

func connection(t *testing.T) (kept, other *net.UnixConn) {
	t.Helper()
	kept, file, err := wire.SocketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return kept, must(net.FileConn(file)).(*net.UnixConn)
}

// begin starts a life and waits until it takes orders.
func begin(t *testing.T, directory string, held ...uint64) *world {
	t.Helper()
	client, nodeClient := connection(t)
	peer, nodePeer := connection(t)
	w := &world{
		client: wire.NewClient[wire.Report, wire.Order](client), peer: wire.NewPeer(peer),
		ended: make(chan error, 1),
	}
	go func() {
		w.ended <- Run(context.Background(), Options{
			Directory: directory, Peer: wire.NewPeer(nodePeer),
			Client: wire.NewClient[wire.Order, wire.Report](nodeClient),
		})
	}()
	if err := w.peer.Send(must(wire.Held(held))); err != nil {
		t.Fatal(err)
	}
	w.wait(t, wire.ReportReady)
	return w
}

// wait skips reports until one of a kind.
func (w *world) wait(t *testing.T, kind wire.ReportKind) wire.Report {
	t.Helper()
	for {
		report, err := w.client.Receive()
		if err != nil {
			t.Fatalf("no report of kind %d: %v", kind, err)
		}
		if report.Kind == kind {
			return report
		}
	}
}

// end gives no more orders and answers what Run answered.
func (w *world) end() error {
	_ = w.client.CloseWrite()
	go func() {
		for {
			if _, err := w.client.Receive(); err != nil {
				return
			}
		}
	}()
	return <-w.ended
}

func TestRun_ARepeatedOrderIsTrackedAndNotDispatched(t *testing.T) {
	directory := t.TempDir() + "/store"
	first := begin(t, directory)
	must(0, first.client.Send(orderOf(7)))
	if status := first.wait(t, wire.ReportInit).Status; status != lnkeep.StatusDone {
		t.Fatalf("the first order: %v", status)
	}
	if msg := must(first.peer.Receive()); msg.MsgType() != lnwire.MsgUpdateAddHTLC {
		t.Fatalf("%v instead of update_add_htlc", msg.MsgType())
	}
	must(0, first.client.Close()) // the client dies
	if err := <-first.ended; !MustRestart(err) {
		t.Fatalf("a life without a client: %v", err)
	}

	second := begin(t, directory, 7)
	must(0, second.client.Send(orderOf(7)))
	if status := second.wait(t, wire.ReportInit).Status; status != lnkeep.StatusAlreadyExists {
		t.Errorf("the repeated order: %v", status)
	}
	must(0, second.peer.Send(fulfill(wire.ChannelID(), 7, preimage)))
	if id, err := wire.ParseForget(must(second.peer.Receive())); err != nil || id != 7 {
		t.Errorf("the node sent something before it let the peer forget: %v, %v", id, err)
	}
	if report := second.wait(t, wire.ReportResult); !report.Settled || report.Preimage != preimage {
		t.Error("the settle was not told")
	}
	if err := second.end(); err != nil {
		t.Error(err)
	}
}

func TestRun_AWrongPreimageFailsTheChannelAndIsNotStored(t *testing.T) {
	directory := t.TempDir() + "/store"
	w := begin(t, directory)
	must(0, w.client.Send(orderOf(7)))
	must(w.peer.Receive())
	must(0, w.peer.Send(fulfill(wire.ChannelID(), 7, [32]byte{4})))
	if msg := must(w.peer.Receive()); msg.MsgType() != lnwire.MsgError {
		t.Errorf("%v instead of error", msg.MsgType())
	}
	if err := w.end(); !errors.Is(err, errProtocol) || MustRestart(err) {
		t.Errorf("the life ended with %v", err)
	}
	store := must(lnkeep.Open(directory, nil))
	defer store.Close()
	attempts := must(store.OpenAttempts(nil))
	if attempt := must(attempts.Get(lnkeep.DefaultKey(7))); !attempt.State.Pending() {
		t.Errorf("the attempt is %v", attempt.State)
	}
}

func TestRun_AnHTLCThatThePeerNeverGotIsFailed(t *testing.T) {
	directory := t.TempDir() + "/store"
	first := begin(t, directory)
	must(0, first.client.Send(orderOf(7)))
	must(first.peer.Receive())
	must(0, first.peer.Close())
	if err := <-first.ended; !MustRestart(err) {
		t.Fatalf("a life without a peer: %v", err)
	}
	second := begin(t, directory) // the peer holds nothing
	must(0, second.client.Send(orderOf(7)))
	if report := second.wait(t, wire.ReportResult); report.Settled || !report.Local {
		t.Errorf("told %+v", report)
	}
	if err := second.end(); err != nil {
		t.Error(err)
	}
}
