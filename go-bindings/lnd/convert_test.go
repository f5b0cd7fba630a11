package lnd

// Values of lnd's types become the library's and come back as they were.

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lightningnetwork/lnd/fn/v2"
	"github.com/lightningnetwork/lnd/lntypes"
	"github.com/lightningnetwork/lnd/lnwire"
	paymentsdb "github.com/lightningnetwork/lnd/payments/db"
	"github.com/lightningnetwork/lnd/record"
	"github.com/lightningnetwork/lnd/routing/route"
	"github.com/lightningnetwork/lnd/tlv"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// time is zero, or has nanoseconds.
func (s source) time() time.Time {
	if s.IntN(4) == 0 {
		return time.Time{}
	}
	return time.Unix(s.Int64N(1<<34), s.Int64N(int64(time.Second)))
}

func (s source) creationInfo() *paymentsdb.PaymentCreationInfo {
	return &paymentsdb.PaymentCreationInfo{
		PaymentIdentifier:     s.hash(),
		Value:                 lnwire.MilliSatoshi(s.Uint64()),
		CreationTime:          s.time(),
		PaymentRequest:        s.optional(300),
		FirstHopCustomRecords: s.records(),
	}
}

// attempt has a session key, which only lnd's decoder can set, and everything else.
func (s source) attempt(t *testing.T) *paymentsdb.HTLCAttempt {
	t.Helper()
	made, err := attemptsWith([]sessionKey{sessionKey(s.sessionKey().Serialize())})
	if err != nil {
		t.Fatal(err)
	}
	attempt := &made[0]
	attempt.AttemptID = s.Uint64()
	attempt.Route = s.route()
	attempt.AttemptTime = s.time()
	if s.IntN(2) == 0 {
		attempt.Route.FirstHopWireCustomRecords = s.records()
		amount := tlv.NewBigSizeT(lnwire.MilliSatoshi(s.Uint64()))
		attempt.Route.FirstHopAmount = tlv.NewRecordT[tlv.TlvType0](amount)
	}
	if s.IntN(2) == 0 {
		hash := lntypes.Hash(s.hash())
		attempt.Hash = &hash
	}
	switch s.IntN(3) {
	case 0:
		attempt.Settle = &paymentsdb.HTLCSettleInfo{Preimage: s.hash(), SettleTime: s.time()}
	case 1:
		attempt.Failure = &paymentsdb.HTLCFailInfo{
			FailTime: s.time(), Reason: paymentsdb.HTLCFailReason(s.IntN(4)), FailureSourceIndex: s.Uint32(),
			Message: s.failureMessage(),
		}
	}
	return attempt
}

func (s source) failureMessage() lnwire.FailureMessage {
	messages := failureMessages()
	return messages[s.IntN(len(messages))]
}

// failureMessages is one of every kind that lnd knows, and none.
func failureMessages() []lnwire.FailureMessage {
	update := lnwire.ChannelUpdate1{
		ShortChannelID: lnwire.NewShortChanIDFromInt(77), Timestamp: 5, MessageFlags: 1,
		HtlcMaximumMsat: 900, ExtraOpaqueData: []byte{},
	}
	return []lnwire.FailureMessage{
		nil,
		&lnwire.FailInvalidRealm{},
		&lnwire.FailTemporaryNodeFailure{},
		&lnwire.FailPermanentNodeFailure{},
		&lnwire.FailRequiredNodeFeatureMissing{},
		&lnwire.FailPermanentChannelFailure{},
		&lnwire.FailRequiredChannelFeatureMissing{},
		&lnwire.FailUnknownNextPeer{},
		lnwire.NewFailIncorrectDetails(1000, 800_000),
		&lnwire.FailIncorrectPaymentAmount{},
		&lnwire.FailFinalExpiryTooSoon{},
		lnwire.NewInvalidOnionVersion([]byte("onion")),
		lnwire.NewInvalidOnionHmac([]byte("onion")),
		lnwire.NewInvalidOnionKey([]byte("onion")),
		lnwire.NewTemporaryChannelFailure(nil),
		lnwire.NewTemporaryChannelFailure(&update),
		lnwire.NewAmountBelowMinimum(9, update),
		lnwire.NewFeeInsufficient(9, update),
		lnwire.NewIncorrectCltvExpiry(9, update),
		lnwire.NewExpiryTooSoon(update),
		lnwire.NewChannelDisabled(3, update),
		lnwire.NewFinalIncorrectCltvExpiry(9),
		lnwire.NewFinalIncorrectHtlcAmount(9),
		&lnwire.FailExpiryTooFar{},
		lnwire.NewInvalidOnionPayload(8, 3),
		&lnwire.FailMPPTimeout{},
		lnwire.NewInvalidBlinding(fn.Some([lnwire.OnionPacketSize]byte{5})),
	}
}

func TestCreationInfo_ComesBackAsItWas(t *testing.T) {
	for seed := range uint64(1000) {
		want := newSource(seed).creationInfo()
		init, err := keptInit(want.PaymentIdentifier, want)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		got, err := creationInfo(throughStore(&init))
		if err != nil || !reflect.DeepEqual(want, got) {
			t.Fatalf("seed %d: %v\nwant %+v\ngot  %+v", seed, err, want, got)
		}
	}
}

// throughStore is what the library gives back: bytes that are empty come back as nil.
func throughStore(init *lnkeep.PaymentInit) *lnkeep.PaymentInit {
	stored := *init
	if len(stored.PaymentRequest) == 0 {
		stored.PaymentRequest = nil
	}
	return &stored
}

func TestAttempt_ComesBackAsItWas(t *testing.T) {
	namespace := lnkeep.Namespace{1}
	for seed := range uint64(1000) {
		want := newSource(seed).attempt(t)
		kept := lnkeep.PaymentAttempt{}
		var err error
		if kept.Request, err = keptAttempt(namespace, &want.HTLCAttemptInfo); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if want.Settle != nil {
			kept.Settle = &lnkeep.AttemptSettle{
				Preimage: lnkeep.Preimage(want.Settle.Preimage), Time: outcomeTime(want.Settle.SettleTime),
			}
		}
		if want.Failure != nil {
			failure, err := keptFailure(want.Failure)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			kept.Failure = &failure
		}
		payment, err := lndsPayment(namespace, &lnkeep.Payment{
			Status: lnkeep.PaymentInFlight, Attempts: []lnkeep.PaymentAttempt{kept},
		}, true)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		got := &payment.HTLCs[0]
		// The lazily made copy of the key is a cache of lnd's.
		if want.SessionKey().Key != got.SessionKey().Key {
			t.Fatalf("seed %d: another session key", seed)
		}
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("seed %d:\nwant %+v\ngot  %+v", seed, want, got)
		}
	}
}

func TestAttempt_OnionIsMadeOfTheRouteThatWasStored(t *testing.T) {
	source := newSource(3)
	hash := lntypes.Hash(source.hash())
	hop := &route.Hop{
		PubKeyBytes: route.NewVertex(source.sessionKey().PubKey()),
		ChannelID:   5, OutgoingTimeLock: 9, AmtToForward: 70,
	}
	path := route.Route{TotalTimeLock: 9, TotalAmount: 70, Hops: []*route.Hop{hop}}
	sent, err := paymentsdb.NewHtlcAttempt(4, source.sessionKey(), path, time.Time{}, &hash)
	if err != nil {
		t.Fatal(err)
	}
	request, err := keptAttempt(lnkeep.Namespace{}, &sent.HTLCAttemptInfo)
	if err != nil {
		t.Fatal(err)
	}
	payment, err := lndsPayment(lnkeep.Namespace{}, &lnkeep.Payment{
		Status: lnkeep.PaymentInFlight, Attempts: []lnkeep.PaymentAttempt{{Request: request}},
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := sent.OnionBlob()
	got, err := payment.HTLCs[0].OnionBlob()
	if err != nil || want != got {
		t.Fatalf("another onion: %v", err)
	}
	wantCircuit, _ := sent.Circuit()
	gotCircuit, err := payment.HTLCs[0].Circuit()
	if err != nil || !reflect.DeepEqual(wantCircuit, gotCircuit) {
		t.Fatalf("another circuit: %v", err)
	}
}

func TestAttempt_FieldsForTheRules(t *testing.T) {
	first := &route.Hop{ChannelID: 11, AmtToForward: 90}
	final := &route.Hop{
		ChannelID: 22, AmtToForward: 60, MPP: record.NewMPP(100, [32]byte{7}),
		AMP: record.NewAMP([32]byte{1}, [32]byte{2}, 3), EncryptedData: []byte{}, TotalAmtMsat: 80,
	}
	attempt := &paymentsdb.HTLCAttemptInfo{
		AttemptID: 5, Route: route.Route{TotalTimeLock: 700, TotalAmount: 65, Hops: []*route.Hop{first, final}},
	}
	request, err := keptAttempt(lnkeep.Namespace{}, attempt)
	if err != nil {
		t.Fatal(err)
	}
	facts := []any{
		request.Key.ID, request.AmountMsat, request.FeeMsat, request.HopCount, request.FirstHopSCID,
		request.CLTVExpiry, *request.MPP, *request.AMP, request.BlindedTotalMsat == nil,
		request.FirstHopAmountMsat == nil, request.AttemptHash == nil,
	}
	want := []any{
		uint64(5), uint64(60), uint64(5), uint32(2), uint64(11), uint32(700),
		lnkeep.MPP{PaymentAddress: [32]byte{7}, TotalMsat: 100},
		lnkeep.AMP{RootShare: [32]byte{1}, SetID: [32]byte{2}, ChildIndex: 3}, true, true, true,
	}
	if !reflect.DeepEqual(want, facts) {
		t.Errorf("want %v\ngot  %v", want, facts)
	}
	final.EncryptedData = []byte{1}
	if request, _ = keptAttempt(lnkeep.Namespace{}, attempt); *request.BlindedTotalMsat != 80 {
		t.Error("a blinded final hop has no total")
	}
	attempt.Route.TotalAmount = 59
	if request, _ = keptAttempt(lnkeep.Namespace{}, attempt); request.FeeMsat != 0 {
		t.Errorf("a route that delivers more than it sends costs %d", request.FeeMsat)
	}
}

func TestFailureMessage_OfEveryKindComesBack(t *testing.T) {
	for _, message := range failureMessages() {
		want := &paymentsdb.HTLCFailInfo{Reason: paymentsdb.HTLCFailMessage, Message: message}
		failure, err := keptFailure(want)
		if err != nil {
			t.Fatalf("%T: %v", message, err)
		}
		got, err := failInfo(&failure)
		if err != nil || !reflect.DeepEqual(want, got) {
			t.Errorf("%T: %v\nwant %+v\ngot  %+v", message, err, want.Message, got.Message)
		}
	}
}

func TestFailureMessage_ThatLNDCannotReadIsLeftOut(t *testing.T) {
	for _, message := range [][]byte{{1}, {0x7f, 0xff}, {0x10, 0x07, 0, 9, 1}} {
		failure := lnkeep.AttemptFailure{Reason: lnkeep.AttemptFailureMessage, Message: message, SourceIndex: 2}
		info, err := failInfo(&failure)
		if err != nil || info.Message != nil || info.FailureSourceIndex != 2 {
			t.Errorf("%x: %+v, %v", message, info, err)
		}
	}
}

func TestTime_WhatTheLibraryCannotHold(t *testing.T) {
	last := time.Unix(18446744072, 999_999_999)
	for _, inside := range []time.Time{{}, time.Unix(0, 1), time.Unix(1<<33, 999_999_999), last} {
		if err := checkTime(inside); err != nil || outcomeTime(inside) != inside {
			t.Errorf("%v: %v", inside, err)
		}
	}
	for _, outside := range []time.Time{
		time.Unix(0, 0), time.Unix(-1, 999_999_999), last.Add(1), time.Unix(1<<60, 0),
	} {
		if err := checkTime(outside); !errors.Is(err, ErrNotLNDs) {
			t.Errorf("%v: %v", outside, err)
		}
		if told := outcomeTime(outside); !told.IsZero() {
			t.Errorf("an outcome at %v is told as of %v", outside, told)
		}
	}
}

func TestNumbers_OneToOne(t *testing.T) {
	checkPairs(t, failureReasons, 6)
	checkPairs(t, attemptFailures, 4)
	checkPairs(t, statuses, 4)
	if _, err := toKept(failureReasons, 6); !errors.Is(err, ErrNotLNDs) {
		t.Errorf("a reason lnd does not have: %v", err)
	}
	if _, err := toLNDs(statuses, 9); !errors.Is(err, ErrUndecodable) {
		t.Errorf("a status the library does not have: %v", err)
	}
}

func checkPairs[L, K comparable](t *testing.T, pairs []pair[L, K], count int) {
	t.Helper()
	if len(pairs) != count {
		t.Errorf("%T: %d pairs, not %d", pairs, len(pairs), count)
	}
	for _, p := range pairs {
		kept, err := toKept(pairs, p.lnds)
		lnds, back := toLNDs(pairs, p.kept)
		if err != nil || back != nil || kept != p.kept || lnds != p.lnds {
			t.Errorf("%v is not the only one for %v", p.lnds, p.kept)
		}
	}
}

func TestCreationInfo_OfAnotherPaymentIsRefused(t *testing.T) {
	info := newSource(1).creationInfo()
	if _, err := keptInit(lntypes.Hash{1}, info); !errors.Is(err, ErrNotLNDs) {
		t.Errorf("not refused: %v", err)
	}
	info.FirstHopCustomRecords = lnwire.CustomRecords{8: nil}
	if _, err := keptInit(info.PaymentIdentifier, info); err == nil {
		t.Error("a standard type as custom record is not refused")
	}
	info.FirstHopCustomRecords, info.CreationTime = nil, time.Unix(-5, 0)
	if _, err := keptInit(info.PaymentIdentifier, info); !errors.Is(err, ErrNotLNDs) {
		t.Errorf("a time before 1970: %v", err)
	}
}

// TestEveryFieldOfLNDIsKnown fails when a release of lnd adds a field to a type that is converted here. Add
// it to the conversion, then to this list.
func TestEveryFieldOfLNDIsKnown(t *testing.T) {
	for _, known := range []struct {
		of     any
		fields []string
	}{
		{route.Route{}, []string{
			"TotalTimeLock", "TotalAmount", "SourcePubKey", "Hops", "FirstHopAmount", "FirstHopWireCustomRecords",
		}},
		{route.Hop{}, []string{
			"PubKeyBytes", "ChannelID", "OutgoingTimeLock", "AmtToForward", "MPP", "AMP", "CustomRecords",
			"LegacyPayload", "Metadata", "EncryptedData", "BlindingPoint", "TotalAmtMsat",
		}},
		{record.MPP{}, []string{"paymentAddr", "totalMsat"}},
		{record.AMP{}, []string{"rootShare", "setID", "childIndex"}},
		{paymentsdb.PaymentCreationInfo{}, []string{
			"PaymentIdentifier", "Value", "CreationTime", "PaymentRequest", "FirstHopCustomRecords",
		}},
		{paymentsdb.HTLCAttemptInfo{}, []string{
			"AttemptID", "sessionKey", "cachedSessionKey", "Route", "AttemptTime", "Hash", "onionBlob", "circuit",
		}},
		{paymentsdb.HTLCAttempt{}, []string{"HTLCAttemptInfo", "Settle", "Failure"}},
		{paymentsdb.HTLCSettleInfo{}, []string{"Preimage", "SettleTime"}},
		{paymentsdb.HTLCFailInfo{}, []string{"FailTime", "Message", "Reason", "FailureSourceIndex"}},
		{paymentsdb.MPPayment{}, []string{"SequenceNum", "Info", "HTLCs", "FailureReason", "Status", "State"}},
		{paymentsdb.MPPaymentState{}, []string{
			"NumAttemptsInFlight", "RemainingAmt", "FeesPaid", "HasSettledHTLC", "PaymentFailed",
		}},
		{paymentsdb.Query{}, []string{
			"IndexOffset", "MaxPayments", "Reversed", "IncludeIncomplete", "CountTotal", "CreationDateStart",
			"CreationDateEnd", "OmitHops",
		}},
		{paymentsdb.Response{}, []string{"Payments", "FirstIndexOffset", "LastIndexOffset", "TotalCount"}},
	} {
		kind := reflect.TypeOf(known.of)
		var fields []string
		for i := range kind.NumField() {
			fields = append(fields, kind.Field(i).Name)
		}
		slices.Sort(fields)
		slices.Sort(known.fields)
		if !slices.Equal(fields, known.fields) {
			t.Errorf("%v has %v, known are %v", kind, fields, known.fields)
		}
	}
}

// TestAttempts_KeysAreAllThatLNDDecodes: nothing else than the key may come from the decoder, or it would
// stay beside what fillAttempt sets.
func TestAttempts_KeysAreAllThatLNDDecodes(t *testing.T) {
	source := newSource(9)
	var keys []sessionKey
	for range 300 {
		keys = append(keys, sessionKey(source.sessionKey().Serialize()))
	}
	attempts, err := attemptsWith(keys)
	if err != nil {
		t.Fatal(err)
	}
	for i := range attempts {
		if got := attempts[i].SessionKey().Serialize(); !bytes.Equal(got, keys[i][:]) {
			t.Fatalf("attempt %d has another key", i)
		}
		attempts[i].AttemptID = 0
		info := &attempts[i].HTLCAttemptInfo
		if info.Hash != nil || !info.AttemptTime.IsZero() {
			t.Fatalf("attempt %d: %v, %v", i, info.Hash, info.AttemptTime)
		}
		if attempts[i].Settle != nil || attempts[i].Failure != nil {
			t.Fatalf("attempt %d has a result", i)
		}
		if !reflect.DeepEqual(info.Route, route.Route{}) {
			t.Fatalf("attempt %d has a route", i)
		}
	}
	if none, err := attemptsWith(nil); none != nil || err != nil {
		t.Fatalf("no key: %v, %v", none, err)
	}
}
