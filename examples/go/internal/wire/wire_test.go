package wire

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/record"
)

// pair is a connection with both ends in this process.
func pair(t *testing.T) (one, other *net.UnixConn) {
	t.Helper()
	one, file, err := SocketPair()
	if err != nil {
		t.Fatal(err)
	}
	if other, err = unixConn(file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = one.Close()
		_ = other.Close()
	})
	return one, other
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func fulfill(id uint64) *lnwire.UpdateFulfillHTLC {
	return lnwire.NewUpdateFulfillHTLC(ChannelID(), id, [32]byte{1, 2, 3})
}

// messages are one of each type that travels in the demo.
func messages() []lnwire.Message {
	// Type 1, three bytes.
	extra := lnwire.ExtraOpaqueData{1, 3, 'a', 'b', 'c'}
	settle := fulfill(7)
	settle.ExtraData = extra
	return []lnwire.Message{
		&lnwire.UpdateAddHTLC{
			ChanID: ChannelID(), ID: 7, Amount: 21_000, Expiry: 900_144, PaymentHash: [32]byte{9},
		},
		settle,
		&lnwire.UpdateFailHTLC{
			ChanID: ChannelID(), ID: 7, Reason: []byte("noise"), ExtraData: extra,
		},
		&lnwire.Error{ChanID: ChannelID(), Data: lnwire.ErrorData("why")},
		must(Held([]uint64{1, 7, 1 << 63})),
		must(Held(nil)),
		must(Forget(7, 9)),
	}
}

func TestPeer_MessagesArriveAsTheyWereSent(t *testing.T) {
	one, other := pair(t)
	sender, receiver := NewPeer(one), NewPeer(other)
	go func() {
		for _, msg := range messages() {
			_ = sender.Send(msg)
		}
		_ = sender.Close()
	}()
	for _, sent := range messages() {
		received, err := receiver.Receive()
		if err != nil {
			t.Fatal(err)
		}
		got, want := must(Encode(received)), must(Encode(sent))
		if reflect.TypeOf(received) != reflect.TypeOf(sent) || string(got) != string(want) {
			t.Errorf("sent %T %x, received %T %x", sent, want, received, got)
		}
	}
	if _, err := receiver.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last message: %v", err)
	}
}

func TestPeer_APartOfAMessageWasNotSent(t *testing.T) {
	body := must(Encode(must(Forget(7, 9))))
	frame := append(binary.BigEndian.AppendUint16(nil, uint16(len(body))), body...)
	for cut := 1; cut < len(frame); cut++ {
		one, other := pair(t)
		if _, err := one.Write(frame[:cut]); err != nil {
			t.Fatal(err)
		}
		_ = one.Close()
		msg, err := NewPeer(other).Receive()
		if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("%d of %d bytes: %v, %v", cut, len(frame), msg, err)
		}
	}
}

func TestParseHeld_IsTheReverseOfHeld(t *testing.T) {
	for _, ids := range [][]uint64{{}, {0}, {1, 7, 1 << 63}} {
		got, err := ParseHeld(must(Held(ids)))
		if err != nil || !reflect.DeepEqual(got, ids) {
			t.Errorf("%v became %v, %v", ids, got, err)
		}
	}
}

func TestParse_RefusesWhatItDoesNotUnderstand(t *testing.T) {
	held, forget := must(Held([]uint64{7})), must(Forget(7, 9))
	if _, err := ParseHeld(forget); !errors.Is(err, errNotUnderstood) {
		t.Errorf("forget read as held: %v", err)
	}
	if _, _, err := ParseForget(held); !errors.Is(err, errNotUnderstood) {
		t.Errorf("held read as forget: %v", err)
	}
	if _, _, err := ParseForget(lnwire.NewUpdateAddHTLC()); !errors.Is(err, errNotUnderstood) {
		t.Errorf("update_add_htlc read as forget: %v", err)
	}
	for _, size := range []int{1, 7, 9} {
		data := make([]byte, size)
		if ids, err := ParseHeld(must(lnwire.NewCustom(typeHeld, data))); err == nil {
			t.Errorf("held of %d bytes read as %v", size, ids)
		}
		if id, _, err := ParseForget(must(lnwire.NewCustom(typeForget, data))); err == nil {
			t.Errorf("forget of %d bytes read as %d", size, id)
		}
	}
}

func TestClient_ValuesArriveAsTheyWereSent(t *testing.T) {
	one, other := pair(t)
	client, node := NewClient[Report, Order](one), NewClient[Order, Report](other)
	order := Order{
		Key: RequestKey{Invoice: 7, Request: 2}, DeadlineUnixMs: 5, FeeLimitMsat: 9,
		Invoice: Invoice{AmountMsat: 21_000, PaymentHash: [32]byte{1}, PaymentAddress: [32]byte{2}},
	}
	report := Report{
		Kind: ReportOrder, Key: order.Key, Status: -8,
		Payment: Payment{Hash: [32]byte{1}, Sequence: 3, Status: 3, Preimage: [32]byte{2}},
		Event:   Event{Sequence: 1 << 40, Kind: 10, AttemptID: 1<<32 | 1, Terminal: true},
	}
	if err := errors.Join(client.Send(order), node.Send(report), client.CloseWrite()); err != nil {
		t.Fatal(err)
	}
	if got, err := node.Receive(); err != nil || got != order {
		t.Errorf("sent %v, received %v, %v", order, got, err)
	}
	if got, err := client.Receive(); err != nil || got != report {
		t.Errorf("sent %v, received %v, %v", report, got, err)
	}
	if _, err := node.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last order: %v", err)
	}
}

func TestPeer_AMessageThatIsTooShortIsMalformed(t *testing.T) {
	body := must(Encode(fulfill(7)))
	for _, size := range []int{2, 10, len(body) - 1} {
		one, other := pair(t)
		frame := append(binary.BigEndian.AppendUint16(nil, uint16(size)), body[:size]...)
		if _, err := one.Write(frame); err != nil {
			t.Fatal(err)
		}
		msg, err := NewPeer(other).Receive()
		if !errors.Is(err, ErrMalformed) || errors.Is(err, io.EOF) {
			t.Errorf("%d of %d bytes: %v, %v", size, len(body), msg, err)
		}
	}
}

func TestInvoice_ComesBackFromItsBytes(t *testing.T) {
	invoice := Invoice{AmountMsat: 21_000, PaymentHash: [32]byte{1}, PaymentAddress: [32]byte{2}}
	if got, err := ParseInvoice(invoice.Bytes()); err != nil || got != invoice {
		t.Errorf("%v became %v, %v", invoice, got, err)
	}
	if !invoice.TakesParts() || (Invoice{}).TakesParts() {
		t.Error("an invoice takes parts when it has a payment address, and only then")
	}
	if _, err := ParseInvoice(invoice.Bytes()[:71]); err == nil {
		t.Error("an invoice that was cut short was read")
	}
}

func TestRequestKey_DiffersFromRequestToRequest(t *testing.T) {
	known := map[string]bool{}
	for _, key := range []RequestKey{{1, 1}, {1, 2}, {2, 1}, {1 << 8, 1}, {1, 1 << 8}} {
		known[string(key.Bytes())] = true
	}
	if len(known) != 5 {
		t.Errorf("5 requests have %d keys", len(known))
	}
}

func TestPayload_ComesBackFromAnOnion(t *testing.T) {
	for name, payload := range map[string]Payload{
		"in one part":  {AmountMsat: 21_000, CLTVExpiry: 900_144},
		"in parts":     {AmountMsat: 1, CLTVExpiry: 1, MPP: record.NewMPP(21_000, [32]byte{7})},
		"with zeroes":  {},
		"a great part": {AmountMsat: 1<<64 - 1, CLTVExpiry: 1<<32 - 1, MPP: &record.MPP{}},
	} {
		var onion [lnwire.OnionPacketSize]byte
		copy(onion[:], must(payload.Bytes()))
		got, err := ParsePayload(onion[:])
		if err != nil || !reflect.DeepEqual(got, payload) {
			t.Errorf("%s: %v became %v, %v", name, payload, got, err)
		}
	}
	cut := must(Payload{AmountMsat: 21_000, CLTVExpiry: 900_144}.Bytes())
	for size := range cut {
		if _, err := ParsePayload(cut[:size]); err == nil {
			t.Errorf("%d of %d bytes were read", size, len(cut))
		}
	}
}

func TestParseFailure_IsTheReverseOfFailureReason(t *testing.T) {
	for _, failure := range []lnwire.FailureMessage{
		lnwire.NewFailIncorrectDetails(21_000, 900_000), &lnwire.FailMPPTimeout{},
		lnwire.NewTemporaryChannelFailure(nil),
	} {
		reason := must(FailureReason([32]byte{1}, failure))
		// BOLT 4: hmac 32, length 2, message and padding 256, length 2.
		if len(reason) != 292 {
			t.Errorf("a reason of %d bytes", len(reason))
		}
		answer := must(Encode(&lnwire.UpdateFailHTLC{ChanID: ChannelID(), ID: 7, Reason: reason}))
		got, err := ParseFailure(answer)
		if err != nil || got.Code() != failure.Code() {
			t.Errorf("%v became %v, %v", failure, got, err)
		}
	}
	for name, msg := range map[string]lnwire.Message{
		"noise":    &lnwire.UpdateFailHTLC{ChanID: ChannelID(), Reason: make([]byte, 292)},
		"no hmac":  &lnwire.UpdateFailHTLC{ChanID: ChannelID(), Reason: []byte("noise")},
		"a settle": fulfill(7),
	} {
		if failure, err := ParseFailure(must(Encode(msg))); err == nil {
			t.Errorf("%s was read as %v", name, failure)
		}
	}
}
