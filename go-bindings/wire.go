package lnkeep

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// NodeID is the public key of a node in its compressed form (BOLT 8), or whatever 33 bytes the host names it
// by.
type NodeID [33]byte

// String is the id in hex.
func (n NodeID) String() string { return hex.EncodeToString(n[:]) }

// BlobBytesMax is the length of the longest blob that a message has room for (BOLT 1).
const BlobBytesMax = 65_531

// MessageKind is the type of a message of peer storage (BOLT 1).
type MessageKind uint32

// The messages of peer storage.
const (
	// MessagePeerStorage: a node hands its blob to a peer.
	MessagePeerStorage MessageKind = 7
	// MessagePeerStorageRetrieval: the peer hands the newest blob back.
	MessagePeerStorageRetrieval MessageKind = 9
)

// String is BOLT 1's name of the message, or the number of one this version does not know.
func (k MessageKind) String() string {
	return named(uint32(k), "message", "", "", "", "", "", "", "", "peer_storage", "", "peer_storage_retrieval")
}

// WireMessage is a decoded message. Its parts lie in the bytes that were decoded.
type WireMessage struct {
	// Kind is which of the two.
	Kind MessageKind
	// Blob is the blob; an empty one is a blob like any other.
	Blob []byte
	// Extension is what follows the blob.
	Extension []byte
}

// Format writes kind and lengths, whatever the verb: a blob is its owner's, and no log is the place for it.
func (m WireMessage) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, fmt.Sprintf("WireMessage(%v, blob of %d bytes, extension of %d bytes)", m.Kind,
		len(m.Blob), len(m.Extension)))
}

// WireFault is why bytes are no message of peer storage.
type WireFault uint32

// The faults of a message, the first that holds. Those of its extension are found by DecodeWireStrict alone.
const (
	// WireMessageTooLong: more than 65,535 bytes.
	WireMessageTooLong WireFault = 1
	// WireTruncatedType: fewer than two bytes.
	WireTruncatedType WireFault = 2
	// WireUnknownType: neither of the two messages.
	WireUnknownType WireFault = 3
	// WireTruncatedLength: fewer than two bytes after the type.
	WireTruncatedLength WireFault = 4
	// WireTruncatedBlob: the blob is longer than what follows its length.
	WireTruncatedBlob WireFault = 5
	// WireTLVTruncated: a record of the extension runs past the end.
	WireTLVTruncated WireFault = 6
	// WireTLVNonMinimal: a number of the extension is not in its shortest form.
	WireTLVNonMinimal WireFault = 7
	// WireTLVOrder: a type of the extension is not greater than the one before it.
	WireTLVOrder WireFault = 8
	// WireTLVUnknownEven: a record of even type in the extension is unknown.
	WireTLVUnknownEven WireFault = 9
)

// String is a name such as "truncated_blob", or the number of a fault this version does not know.
func (f WireFault) String() string {
	return named(uint32(f), "wire fault", "", "message_too_long", "truncated_type", "unknown_type",
		"truncated_length", "truncated_blob", "tlv_truncated", "tlv_non_minimal", "tlv_order", "tlv_unknown_even")
}

// WireFaultOf is the fault that an error of DecodeWire or DecodeWireStrict tells; 0 for every other error.
func WireFaultOf(err error) WireFault { return WireFault(faultOf(err, StatusBadMessage)) }

// faultOf is the number that an error of a status speaks of.
func faultOf(err error, status Status) uint32 {
	var known *Error
	if !errors.As(err, &known) || known.Code != status || known.Value == nil {
		return 0
	}
	return uint32(*known.Value)
}

// EncodePeerStorage encodes the message with which a node hands its blob to a peer, type included. Safe for
// concurrent use, as all functions on messages.
//
// Errors: ErrTooBig above BlobBytesMax; ErrNoCgo.
func EncodePeerStorage(blob []byte) ([]byte, error) { return cWireEncode(MessagePeerStorage, blob) }

// EncodePeerStorageRetrieval encodes the message with which a peer hands a blob back, type included.
//
// Errors: ErrTooBig above BlobBytesMax; ErrNoCgo.
func EncodePeerStorageRetrieval(blob []byte) ([]byte, error) {
	return cWireEncode(MessagePeerStorageRetrieval, blob)
}

// DecodeWire decodes a message of peer storage, type included. What follows the blob is not looked at, as
// BOLT 1 lets a receiver do. It copies nothing.
//
// Errors: ErrBadMessage, and WireFaultOf says why: no reason to disconnect; ErrNoCgo.
func DecodeWire(message []byte) (WireMessage, error) { return cWireDecode(message, false) }

// DecodeWireStrict is DecodeWire that fails a message whose extension is no valid TLV stream. No records are
// defined, so that any of even type is unknown.
//
// Errors: ErrBadMessage, and WireFaultOf says why; ErrNoCgo.
func DecodeWireStrict(message []byte) (WireMessage, error) { return cWireDecode(message, true) }

// StorageFeature reads option_provide_storage from the feature vector of an init or a node_announcement, as
// it is sent (BOLT 9): whether the node keeps blobs of its peers, and whether it asks everybody to know that.
//
// Errors: ErrNoCgo.
func StorageFeature(features []byte) (offered, required bool, err error) {
	return cWireStorageFeature(features)
}
