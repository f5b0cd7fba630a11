package lnkeep_test

import (
	"bytes"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestWire_MessagesAreDecodedToWhatWasEncoded(t *testing.T) {
	for _, n := range []int{0, 1, 300, lnkeep.BlobBytesMax} {
		blob := bytes.Repeat([]byte{0xb1}, n)
		for kind, encode := range map[lnkeep.MessageKind]func([]byte) ([]byte, error){
			lnkeep.MessagePeerStorage:          lnkeep.EncodePeerStorage,
			lnkeep.MessagePeerStorageRetrieval: lnkeep.EncodePeerStorageRetrieval,
		} {
			message, err := encode(blob)
			must(t, err)
			if len(message) != 4+n || message[1] != byte(kind) {
				t.Fatalf("%d bytes begin with %x", len(message), message[:4])
			}
			decoded, err := lnkeep.DecodeWireStrict(message)
			if err != nil || decoded.Kind != kind || !bytes.Equal(decoded.Blob, blob) || len(decoded.Extension) != 0 {
				t.Fatalf("%v, %v", decoded, err)
			}
		}
	}
	for _, encode := range []func([]byte) ([]byte, error){
		lnkeep.EncodePeerStorage, lnkeep.EncodePeerStorageRetrieval,
	} {
		message, err := encode(make([]byte, lnkeep.BlobBytesMax+1))
		want(t, err, lnkeep.ErrTooBig)
		if message != nil {
			t.Fatalf("%d bytes", len(message))
		}
	}
}

func TestWire_TheBlobLiesInTheMessageAndEndsWithIt(t *testing.T) {
	message := []byte{0, 7, 0, 2, 'a', 'b', 1, 0}
	decoded, err := lnkeep.DecodeWire(message)
	if err != nil || string(decoded.Blob) != "ab" || !bytes.Equal(decoded.Extension, []byte{1, 0}) {
		t.Fatalf("%v, %v", decoded, err)
	}
	message[4] = 'x'
	if string(decoded.Blob) != "xb" {
		t.Fatal("the blob is a copy")
	}
	_ = append(decoded.Blob, 9)
	if message[6] != 1 {
		t.Fatal("what was appended to the blob went into the extension")
	}
}

func TestWire_EveryFaultIsTold(t *testing.T) {
	for fault, message := range map[lnkeep.WireFault][]byte{
		lnkeep.WireMessageTooLong:  make([]byte, 65_536),
		lnkeep.WireTruncatedType:   {0},
		lnkeep.WireUnknownType:     {0, 8, 0, 0},
		lnkeep.WireTruncatedLength: {0, 9, 0},
		lnkeep.WireTruncatedBlob:   {0, 7, 0, 2, 1},
		lnkeep.WireTLVTruncated:    {0, 7, 0, 0, 1, 2, 0},
		lnkeep.WireTLVNonMinimal:   {0, 7, 0, 0, 0xfd, 0, 1, 0},
		lnkeep.WireTLVOrder:        {0, 7, 0, 0, 3, 0, 1, 0},
		lnkeep.WireTLVUnknownEven:  {0, 7, 0, 0, 2, 0},
	} {
		decoded, err := lnkeep.DecodeWireStrict(message)
		want(t, err, lnkeep.ErrBadMessage)
		if lnkeep.WireFaultOf(err) != fault || decoded.Kind != 0 || decoded.Blob != nil {
			t.Errorf("%v: %v, %v", fault, err, decoded)
		}
		decoded, err = lnkeep.DecodeWire(message)
		if ofExtension := fault >= lnkeep.WireTLVTruncated; ofExtension != (err == nil) {
			t.Errorf("%v: %v, %v", fault, err, decoded)
		}
	}
	_, err := lnkeep.DecodeWire(nil)
	if lnkeep.WireFaultOf(err) != lnkeep.WireTruncatedType {
		t.Error(err)
	}
	for _, other := range []error{nil, lnkeep.ErrBadMessage, &lnkeep.Error{Code: lnkeep.StatusBadMessage}} {
		if lnkeep.WireFaultOf(other) != 0 {
			t.Errorf("%v tells a fault", other)
		}
	}
	for fault, name := range map[lnkeep.WireFault]string{
		1: "message_too_long", 5: "truncated_blob", 9: "tlv_unknown_even", 0: "wire fault 0", 10: "wire fault 10",
	} {
		if fault.String() != name {
			t.Errorf("%v is not %s", fault, name)
		}
	}
	for kind, name := range map[lnkeep.MessageKind]string{
		0: "message 0", 7: "peer_storage", 8: "message 8", 9: "peer_storage_retrieval", 10: "message 10",
	} {
		if kind.String() != name {
			t.Errorf("%v is not %s", kind, name)
		}
	}
}

func TestWire_StorageFeatureLooksAtTwoBits(t *testing.T) {
	for features, expected := range map[string][2]bool{
		"":                         {},
		"\x04\x00\x00\x00\x00\x00": {true, true}, "\x08\x00\x00\x00\x00\x00": {true, false},
		"\x00\x0c\x00\x00\x00\x00\x00": {true, true}, "\x03\x00\x00\x00\x00\x00": {},
		"\xff\xff\xff\xff\xff": {},
	} {
		offered, required, err := lnkeep.StorageFeature([]byte(features))
		if err != nil || offered != expected[0] || required != expected[1] {
			t.Errorf("%x: %v, %v, %v", features, offered, required, err)
		}
	}
}
