package life

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/forward"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

var (
	preimage    = [32]byte{1, 2, 3}
	paymentHash = sha256.Sum256(preimage[:])
)

// invoice is small enough for one part.
var invoice = wire.Invoice{
	AmountMsat: 21_000, PaymentHash: paymentHash, PaymentAddress: lnkeep.Secret{5},
}

// order may be sent on by a later life.
func order() wire.Order {
	return wire.Order{
		Key: wire.RequestKey{Invoice: 1, Request: 1}, Invoice: invoice,
		DeadlineUnixMs: time.Now().Add(time.Minute).UnixMilli(), FeeLimitMsat: 1000,
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// offering is a node that has offered HTLC 7.
func offering(t *testing.T, directory string) *node {
	t.Helper()
	store := must(lnkeep.Open(directory, nil))
	t.Cleanup(func() { _ = store.Close() })
	n := &node{
		store: store, attempts: must(store.OpenAttempts(nil)),
		payments: must(store.OpenPayments(&PaymentsOptions)),
	}
	ctx, key := context.Background(), lnkeep.DefaultKey(7)
	_, _, initErr := n.payments.Init(ctx, initOf(order()))
	_, _, registerErr := n.payments.RegisterAndInit(ctx, paymentHash, lnkeep.PaymentAttemptRequest{
		Key: key, AmountMsat: invoice.AmountMsat, HopCount: hops,
		MPP: &lnkeep.MPP{PaymentAddress: invoice.PaymentAddress, TotalMsat: invoice.AmountMsat},
	})
	_, markErr := n.attempts.MarkHandedOff(ctx, key)
	must(0, errors.Join(initErr, registerErr, markErr))
	return n
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

func failWith(id uint64, failure lnwire.FailureMessage) lnwire.Message {
	reason := must(wire.FailureReason([32]byte{}, failure))
	return &lnwire.UpdateFailHTLC{ChanID: wire.ChannelID(), ID: id, Reason: reason}
}

func TestCheck_AcceptsTheAnswersOfBOLT2(t *testing.T) {
	n, channel := offering(t, t.TempDir()+"/store"), wire.ChannelID()
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
	n, channel := offering(t, t.TempDir()+"/store"), wire.ChannelID()
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
	// neighbours have nothing to forward unless the test says so.
	neighbours *wire.Client[forward.Report, forward.Order]
	ended      chan error
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
	return beginWith(t, directory, held, nil)
}

// beginForwarding is begin with HTLCs of others that are out.
func beginForwarding(t *testing.T, directory string, out ...forward.HTLC) *world {
	t.Helper()
	return beginWith(t, directory, nil, out)
}

func beginWith(t *testing.T, directory string, held []uint64, out []forward.HTLC) *world {
	t.Helper()
	client, nodeClient := connection(t)
	peer, nodePeer := connection(t)
	neighbours, nodeNeighbours := connection(t)
	w := &world{
		client: wire.NewClient[wire.Report, wire.Order](client), peer: wire.NewPeer(peer),
		neighbours: wire.NewClient[forward.Report, forward.Order](neighbours),
		ended:      make(chan error, 1),
	}
	go func() {
		w.ended <- Run(context.Background(), Options{
			Directory: directory, Peer: wire.NewPeer(nodePeer),
			Client:     wire.NewClient[wire.Order, wire.Report](nodeClient),
			Neighbours: wire.NewClient[forward.Order, forward.Report](nodeNeighbours),
		})
	}()
	if err := w.peer.Send(must(wire.Held(held))); err != nil {
		t.Fatal(err)
	}
	must(0, w.neighbours.Send(forward.Order{Kind: forward.OrderHeld, Held: out}))
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
	_ = w.neighbours.CloseWrite()
	go func() {
		for {
			if _, err := w.client.Receive(); err != nil {
				return
			}
		}
	}()
	return <-w.ended
}

// add waits for the next HTLC and reads what its onion tells.
func (w *world) add(t *testing.T) (*lnwire.UpdateAddHTLC, wire.Payload) {
	t.Helper()
	msg := must(w.peer.Receive())
	add, ok := msg.(*lnwire.UpdateAddHTLC)
	if !ok {
		t.Fatalf("%v instead of update_add_htlc", msg.MsgType())
	}
	signed, ok := must(w.peer.Receive()).(*lnwire.CommitSig)
	if !ok || wire.CommitmentNumber(signed) == 0 {
		t.Fatalf("%v behind update_add_htlc", signed)
	}
	return add, must(wire.ParsePayload(add.OnionBlob[:]))
}

// answer answers an HTLC and waits until the node says that this is stored.
func (w *world) answer(t *testing.T, answer lnwire.Message, id uint64) {
	t.Helper()
	must(0, w.peer.Send(answer))
	if got, _, err := wire.ParseForget(must(w.peer.Receive())); err != nil || got != id {
		t.Errorf("the node sent something before it let the peer forget: %v, %v", got, err)
	}
}

// die ends a life as a kill does for whoever looks from outside.
func (w *world) die(t *testing.T) {
	t.Helper()
	must(0, w.peer.Close())
	if err := <-w.ended; !MustRestart(err) {
		t.Fatalf("a life without a peer: %v", err)
	}
}

func TestRun_ARepeatedOrderIsNotPaidAgain(t *testing.T) {
	directory := t.TempDir() + "/store"
	first := begin(t, directory)
	must(0, first.client.Send(order()))
	if status := first.wait(t, wire.ReportOrder).Status; status != lnkeep.StatusDone {
		t.Fatalf("the first order: %v", status)
	}
	add, payload := first.add(t)
	if payload.MPP == nil || uint64(payload.MPP.TotalMsat()) != invoice.AmountMsat ||
		payload.MPP.PaymentAddr() != invoice.PaymentAddress {
		t.Errorf("the receiver is told %+v", payload)
	}
	first.die(t)

	second := begin(t, directory, add.ID)
	must(0, second.client.Send(order()))
	report := second.wait(t, wire.ReportOrder)
	if report.Status != lnkeep.StatusAlreadyExists ||
		report.Payment.Status != lnkeep.PaymentInFlight {
		t.Errorf("the repeated order: %v, %v", report.Status, report.Payment.Status)
	}
	second.answer(t, fulfill(wire.ChannelID(), add.ID, preimage), add.ID)
	ended := second.wait(t, wire.ReportEnded).Payment
	if ended.Status != lnkeep.PaymentSucceeded || ended.Preimage != preimage {
		t.Errorf("it ended as %v", ended.Status)
	}
	must(0, second.client.Send(order()))
	if again := second.wait(t, wire.ReportOrder); again.Payment != ended {
		t.Errorf("asked after the end: %+v", again)
	}
	if err := second.end(); err != nil {
		t.Error(err)
	}
}

func TestRun_AFailedRouteIsFollowedBySmallerParts(t *testing.T) {
	w := begin(t, t.TempDir()+"/store")
	must(0, w.client.Send(order()))
	whole, _ := w.add(t)
	w.answer(t, failWith(whole.ID, lnwire.NewTemporaryChannelFailure(nil)), whole.ID)
	one, onePayload := w.add(t)
	other, otherPayload := w.add(t)
	if onePayload.AmountMsat+otherPayload.AmountMsat != invoice.AmountMsat {
		t.Errorf("parts of %d and %d msat", onePayload.AmountMsat, otherPayload.AmountMsat)
	}
	if uint64(whole.Amount) <= invoice.AmountMsat || one.ID == whole.ID || one.ID == other.ID {
		t.Errorf("%v for the whole; ids %d, %d, %d", whole.Amount, whole.ID, one.ID, other.ID)
	}
	w.answer(t, fulfill(wire.ChannelID(), one.ID, preimage), one.ID)
	w.answer(t, fulfill(wire.ChannelID(), other.ID, preimage), other.ID)
	if ended := w.wait(t, wire.ReportEnded).Payment; ended.Status != lnkeep.PaymentSucceeded {
		t.Errorf("it ended as %v for %v", ended.Status, ended.Reason)
	}
	if err := w.end(); err != nil {
		t.Error(err)
	}
}

func TestRun_ARefusalOfTheReceiverEndsThePayment(t *testing.T) {
	w := begin(t, t.TempDir()+"/store")
	must(0, w.client.Send(order()))
	add, _ := w.add(t)
	w.answer(t, failWith(add.ID, lnwire.NewFailIncorrectDetails(21_000, 900_000)), add.ID)
	ended := w.wait(t, wire.ReportEnded).Payment
	if ended.Status != lnkeep.PaymentFailed ||
		ended.Reason != lnkeep.FailureReasonIncorrectPaymentDetails {
		t.Errorf("it ended as %v for %v", ended.Status, ended.Reason)
	}
	if err := w.end(); err != nil {
		t.Error(err)
	}
}

func TestRun_ARefusalStoredBeforeTheDeathEndsThePayment(t *testing.T) {
	directory := t.TempDir() + "/store"
	n := offering(t, directory)
	refusal := failWith(7, lnwire.NewFailIncorrectDetails(21_000, 900_000))
	answer := must(n.check(context.Background(), refusal))
	must(n.attempts.StoreResult(context.Background(), lnkeep.DefaultKey(7), answer.result))
	must(0, n.store.Close())

	w := begin(t, directory)
	must(0, w.client.Send(order()))
	told := w.wait(t, wire.ReportOrder)
	if told.Payment.Status != lnkeep.PaymentFailed ||
		told.Payment.Reason != lnkeep.FailureReasonIncorrectPaymentDetails {
		t.Errorf("%v, %v for %v", told.Status, told.Payment.Status, told.Payment.Reason)
	}
	if err := w.end(); err != nil {
		t.Error(err)
	}
}

func TestRun_AWrongPreimageFailsTheChannelAndIsNotStored(t *testing.T) {
	directory := t.TempDir() + "/store"
	w := begin(t, directory)
	must(0, w.client.Send(order()))
	add, _ := w.add(t)
	must(0, w.peer.Send(fulfill(wire.ChannelID(), add.ID, [32]byte{4})))
	if msg := must(w.peer.Receive()); msg.MsgType() != lnwire.MsgError {
		t.Errorf("%v instead of error", msg.MsgType())
	}
	if err := w.end(); !errors.Is(err, errProtocol) || MustRestart(err) {
		t.Errorf("the life ended with %v", err)
	}
	store := must(lnkeep.Open(directory, nil))
	defer store.Close()
	attempts := must(store.OpenAttempts(nil))
	if attempt := must(attempts.Get(lnkeep.DefaultKey(add.ID))); !attempt.State.Pending() {
		t.Errorf("the attempt is %v", attempt.State)
	}
}

func TestRun_AnHTLCThatThePeerNeverGotIsSentAnew(t *testing.T) {
	directory := t.TempDir() + "/store"
	first := begin(t, directory)
	must(0, first.client.Send(order()))
	lost, _ := first.add(t)
	first.die(t)
	second := begin(t, directory) // the peer holds nothing
	add, payload := second.add(t)
	if add.ID == lost.ID || payload.AmountMsat != invoice.AmountMsat {
		t.Errorf("sent anew as %d with %d msat", add.ID, payload.AmountMsat)
	}
	second.answer(t, fulfill(wire.ChannelID(), add.ID, preimage), add.ID)
	if ended := second.wait(t, wire.ReportEnded).Payment; ended.Status != lnkeep.PaymentSucceeded {
		t.Errorf("it ended as %v for %v", ended.Status, ended.Reason)
	}
	if err := second.end(); err != nil {
		t.Error(err)
	}
}

func TestRun_APaymentWithoutAnIntentIsGivenUpAfterARestart(t *testing.T) {
	directory := t.TempDir() + "/store"
	forgotten := order()
	forgotten.DeadlineUnixMs, forgotten.FeeLimitMsat = 0, 0
	first := begin(t, directory)
	must(0, first.client.Send(forgotten))
	lost, _ := first.add(t)
	first.die(t)
	// The peer has it. When it fails, there is nobody who would try another route.
	second := begin(t, directory, lost.ID)
	second.answer(t, failWith(lost.ID, lnwire.NewTemporaryChannelFailure(nil)), lost.ID)
	ended := second.wait(t, wire.ReportEnded).Payment
	if ended.Status != lnkeep.PaymentFailed || ended.Reason != lnkeep.FailureReasonNoRoute {
		t.Errorf("it ended as %v for %v", ended.Status, ended.Reason)
	}
	if err := second.end(); err != nil {
		t.Error(err)
	}
}

func TestFailureOf_OnlyTheReceiversRefusalIsFinal(t *testing.T) {
	answer := func(failure lnwire.FailureMessage) lnkeep.Result {
		return lnkeep.Fail(must(wire.Encode(failWith(7, failure))))
	}
	for name, test := range map[string]struct {
		result lnkeep.Result
		reason lnkeep.AttemptFailureReason
		final  bool
		route  bool
	}{
		"refused by the receiver": {
			answer(lnwire.NewFailIncorrectDetails(1, 1)), lnkeep.AttemptFailureMessage, true, false,
		},
		"parts that did not come": {
			answer(&lnwire.FailMPPTimeout{}), lnkeep.AttemptFailureMessage, false, false,
		},
		"failed on the way": {
			answer(lnwire.NewTemporaryChannelFailure(nil)), lnkeep.AttemptFailureMessage, false, true,
		},
		"rolled back": {lnkeep.FailLocal(0x2002, nil), lnkeep.AttemptFailureInternal, false, false},
		"noise": {
			lnkeep.Fail(must(wire.Encode(fail(wire.ChannelID(), 7)))),
			lnkeep.AttemptFailureUnreadable, false, false,
		},
	} {
		failure, final := failureOf(test.result)
		if failure.Reason != test.reason || final != test.final || isOfRoute(&failure) != test.route {
			t.Errorf("%s: %v, final %v, of the route %v",
				name, failure.Reason, final, isOfRoute(&failure))
		}
	}
}
