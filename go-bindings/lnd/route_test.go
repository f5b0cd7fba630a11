package lnd

// Routes and records come back as they were, and no other bytes are taken for one.

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/lightningnetwork/lnd/lnwire"
	paymentsdb "github.com/lightningnetwork/lnd/payments/db"
	"github.com/lightningnetwork/lnd/record"
	"github.com/lightningnetwork/lnd/routing/route"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// source makes values of lnd's types, the same for the same seed.
type source struct {
	*rand.Rand
}

func newSource(seed uint64) source { return source{rand.New(rand.NewPCG(seed, 0))} }

func (s source) hash() (hash [32]byte) {
	copy(hash[:], s.bytes(32))
	return hash
}

func (s source) bytes(length int) []byte {
	bytes := make([]byte, length)
	for i := range bytes {
		bytes[i] = byte(s.Uint32())
	}
	return bytes
}

// optional is nil, empty or some bytes.
func (s source) optional(most int) []byte {
	switch s.IntN(3) {
	case 0:
		return nil
	case 1:
		return []byte{}
	}
	return s.bytes(1 + s.IntN(most))
}

// records is a nil, an empty or a filled map, with values of every kind.
func (s source) records() map[uint64][]byte {
	if s.IntN(4) == 0 {
		return nil
	}
	records := map[uint64][]byte{}
	for range s.IntN(4) {
		records[record.CustomTypeStart+s.Uint64()>>(16+s.IntN(48))] = s.optional(40)
	}
	return records
}

func (s source) sessionKey() *btcec.PrivateKey {
	key, _ := btcec.PrivKeyFromBytes(s.bytes(32))
	return key
}

func (s source) hop() *route.Hop {
	hop := &route.Hop{
		PubKeyBytes:      route.NewVertex(s.sessionKey().PubKey()),
		ChannelID:        s.Uint64(),
		OutgoingTimeLock: s.Uint32(),
		AmtToForward:     lnwire.MilliSatoshi(s.Uint64()),
		CustomRecords:    s.records(),
		LegacyPayload:    s.IntN(4) == 0,
		Metadata:         s.optional(60),
		EncryptedData:    s.optional(200),
	}
	if s.IntN(2) == 0 {
		hop.MPP = record.NewMPP(lnwire.MilliSatoshi(s.Uint64()), s.hash())
	}
	if s.IntN(2) == 0 {
		hop.AMP = record.NewAMP(s.hash(), s.hash(), s.Uint32())
	}
	if s.IntN(2) == 0 {
		hop.BlindingPoint = s.sessionKey().PubKey()
	}
	if s.IntN(2) == 0 {
		hop.TotalAmtMsat = lnwire.MilliSatoshi(s.Uint64())
	}
	return hop
}

// route has every field that encodeRoute encodes.
func (s source) route() route.Route {
	made := route.Route{
		TotalTimeLock: s.Uint32(),
		TotalAmount:   lnwire.MilliSatoshi(s.Uint64()),
		SourcePubKey:  route.NewVertex(s.sessionKey().PubKey()),
	}
	for range 1 + s.IntN(5) {
		made.Hops = append(made.Hops, s.hop())
	}
	return made
}

func TestRoute_ComesBackAsItWas(t *testing.T) {
	for seed := range uint64(2000) {
		want := newSource(seed).route()
		encoded := encodeRoute(&want)
		got, err := decodeRoute(encoded, true)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("seed %d:\nwant %+v\ngot  %+v", seed, want, got)
		}
		if again := encodeRoute(&got); !bytes.Equal(encoded, again) {
			t.Fatalf("seed %d: two encodings of one route", seed)
		}
		outline, err := decodeRoute(encoded, false)
		want.Hops = nil
		if err != nil || !reflect.DeepEqual(want, outline) {
			t.Fatalf("seed %d: without hops %+v, %v", seed, outline, err)
		}
	}
}

func TestRoute_AnyOtherBytesAreUndecodable(t *testing.T) {
	made := newSource(7).route()
	encoded := encodeRoute(&made)
	for length := range encoded {
		if _, err := decodeRoute(encoded[:length], true); !errors.Is(err, ErrUndecodable) {
			t.Fatalf("cut to %d of %d bytes: %v", length, len(encoded), err)
		}
	}
	if _, err := decodeRoute(append(encoded, 0), true); !errors.Is(err, ErrUndecodable) {
		t.Fatalf("one byte too many: %v", err)
	}
	encoded[0]++
	for _, withHops := range []bool{true, false} {
		if _, err := decodeRoute(encoded, withHops); !errors.Is(err, ErrUndecodable) {
			t.Fatalf("another format: %v", err)
		}
	}
}

// FuzzRoute: bytes that decode are the one encoding of what they decode to.
func FuzzRoute(f *testing.F) {
	for seed := range uint64(20) {
		made := newSource(seed).route()
		f.Add(encodeRoute(&made))
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		decoded, err := decodeRoute(encoded, true)
		if err != nil {
			return
		}
		if again := encodeRoute(&decoded); !bytes.Equal(encoded, again) {
			t.Fatalf("%x\nis encoded again as\n%x", encoded, again)
		}
	})
}

func TestRecords_ComeBackAsTheyWere(t *testing.T) {
	for seed := range uint64(500) {
		source := newSource(seed)
		want, wantEmpty := lnwire.CustomRecords(source.records()), source.IntN(2) == 0
		encoded := encodeRecords(want, wantEmpty)
		got, gotEmpty, err := decodeRecords(encoded)
		if err != nil || !reflect.DeepEqual(want, got) || wantEmpty != gotEmpty {
			t.Fatalf("seed %d: %v %v became %v %v, %v", seed, want, wantEmpty, got, gotEmpty, err)
		}
		for length := 1; length < len(encoded); length++ {
			if _, _, err := decodeRecords(encoded[:length]); !errors.Is(err, ErrUndecodable) {
				t.Fatalf("seed %d: cut to %d of %d bytes: %v", seed, length, len(encoded), err)
			}
		}
	}
	for name, encoded := range map[string][]byte{
		"another format":     {recordsFormat + 1, 0, 0},
		"unknown flag":       {recordsFormat, 2, 0},
		"one byte too many":  {recordsFormat, 0, 0, 0},
		"not in order":       {recordsFormat, 0, 3, 9, 0, 8, 0},
		"one type twice":     {recordsFormat, 0, 3, 9, 0, 9, 0},
		"a padded length":    {recordsFormat, 0, 0x81, 0},
		"more than is there": {recordsFormat, 0, 0xff, 0xff, 0xff, 0xff, 0x0f},
	} {
		if _, _, err := decodeRecords(encoded); !errors.Is(err, ErrUndecodable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRoute_WhatLNDCouldNotSendIsRefused(t *testing.T) {
	standard := map[uint64][]byte{8: {1}}
	routes := map[string]route.Route{
		"no hop":                        {},
		"a nil hop":                     {Hops: []*route.Hop{nil}},
		"a standard type as custom one": {Hops: []*route.Hop{{CustomRecords: standard}}},
		"a standard type on the wire":   {Hops: []*route.Hop{{}}, FirstHopWireCustomRecords: standard},
	}
	for name, refused := range routes {
		attempt := &paymentsdb.HTLCAttemptInfo{Route: refused}
		if _, err := keptAttempt(lnkeep.Namespace{}, attempt); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	attempt := &paymentsdb.HTLCAttemptInfo{}
	if _, err := keptAttempt(lnkeep.Namespace{}, attempt); !errors.Is(err, route.ErrNoRouteHopsProvided) {
		t.Errorf("no hop: %v", err)
	}
}
