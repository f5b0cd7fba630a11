package lnkeep_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

var testHeader = lnkeep.EnvelopeHeader{
	Seq: 1<<63 + 5, CreatedUnixSecs: now, BlockHeight: 800_000, Kind: lnkeep.EnvelopeShares, Flags: 0xf1a9,
	Instance: [16]byte{1, 2}, SetID: [16]byte{3, 4},
}

func TestEnvelope_WhatIsSealedOpens(t *testing.T) {
	for _, class := range []lnkeep.SizeClass{
		lnkeep.SizeClass1024, lnkeep.SizeClass4096, lnkeep.SizeClass16384, lnkeep.SizeClass65531,
	} {
		for _, n := range []int{0, 1, class.PayloadMax()} {
			payload := bytes.Repeat([]byte{0xda}, n)
			blob, err := lnkeep.SealEnvelope(&testSecret, node(1), testHeader, payload, class, [16]byte{9})
			if err != nil || len(blob) != int(class) {
				t.Fatalf("%d bytes, %v", len(blob), err)
			}
			opened, err := lnkeep.OpenEnvelope(&testSecret, node(1), blob)
			must(t, err)
			if opened.EnvelopeHeader != testHeader || opened.Reserved != 0 || !bytes.Equal(opened.Payload, payload) ||
				opened.PayloadSHA256 != sha256.Sum256(payload) {
				t.Fatalf("%+v", opened)
			}
		}
		_, err := lnkeep.SealEnvelope(&testSecret, node(1), testHeader, make([]byte, class.PayloadMax()+1), class,
			[16]byte{})
		want(t, err, lnkeep.ErrTooBig)
	}
	if lnkeep.SizeClass65531.PayloadMax() != 65_395 || lnkeep.SizeClass(7).PayloadMax() != 0 {
		t.Fatal(lnkeep.SizeClass65531.PayloadMax(), lnkeep.SizeClass(7).PayloadMax())
	}
}

func TestEnvelope_WhatWasNotSealedForThisPeerDoesNotOpen(t *testing.T) {
	seal := func(entropy byte) []byte {
		blob, err := lnkeep.SealEnvelope(&testSecret, node(1), testHeader, []byte("payload"), lnkeep.SizeClass1024,
			[16]byte{entropy})
		must(t, err)
		return blob
	}
	blob := seal(1)
	if !bytes.Equal(blob, seal(1)) || bytes.Equal(blob, seal(2)) {
		t.Fatal("entropy does not decide alone")
	}
	faulty := func(secret *lnkeep.Secret, peer lnkeep.NodeID, blob []byte, fault lnkeep.EnvelopeFault) {
		t.Helper()
		opened, err := lnkeep.OpenEnvelope(secret, peer, blob)
		want(t, err, lnkeep.ErrBadEnvelope)
		if opened != nil || lnkeep.EnvelopeFaultOf(err) != fault || lnkeep.WireFaultOf(err) != 0 {
			t.Fatalf("%+v, %v", opened, err)
		}
	}
	faulty(&testSecret, node(2), blob, lnkeep.EnvelopeAuthFailed)
	faulty(&lnkeep.Secret{1}, node(1), blob, lnkeep.EnvelopeAuthFailed)
	faulty(&testSecret, node(1), nil, lnkeep.EnvelopeTooShort)
	faulty(&testSecret, node(1), blob[:135], lnkeep.EnvelopeTooShort)
	faulty(&testSecret, node(1), blob[:136], lnkeep.EnvelopeAuthFailed)
	for _, at := range []int{0, 23, 24, 500, 1023} {
		changed := slices.Clone(blob)
		changed[at] ^= 0x80
		faulty(&testSecret, node(1), changed, lnkeep.EnvelopeAuthFailed)
	}
}

func TestEnvelope_WrongArgumentsAreRefused(t *testing.T) {
	_, err := lnkeep.OpenEnvelope(nil, node(1), make([]byte, 1024))
	want(t, err, lnkeep.ErrInvalidArgument)
	_, err = lnkeep.SealEnvelope(nil, node(1), testHeader, nil, lnkeep.SizeClass1024, [16]byte{})
	want(t, err, lnkeep.ErrInvalidArgument)
	for _, class := range []lnkeep.SizeClass{0, 1023, 65_535} {
		_, err = lnkeep.SealEnvelope(&testSecret, node(1), testHeader, nil, class, [16]byte{})
		want(t, err, lnkeep.ErrInvalidArgument)
	}
	for fault, name := range map[lnkeep.EnvelopeFault]string{
		1: "too_short", 2: "auth_failed", 6: "bad_padding", 0: "envelope fault 0", 7: "envelope fault 7",
	} {
		if fault.String() != name {
			t.Errorf("%v is not %s", fault, name)
		}
	}
	if lnkeep.EnvelopeFaultOf(nil) != 0 || lnkeep.EnvelopeFaultOf(lnkeep.ErrBadEnvelope) != 0 {
		t.Error("no error tells a fault")
	}
}
