package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

// The numbers of messages, held against the header as those of ffi_constants.go are.
var _ = [...]bool{
	[1]bool{}[StatusBadMessage-C.LNKEEP_BAD_MESSAGE],
	[1]bool{}[MessagePeerStorage-C.LNKEEP_WIRE_PEER_STORAGE],
	[1]bool{}[MessagePeerStorageRetrieval-C.LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL],
	[1]bool{}[WireMessageTooLong-C.LNKEEP_WIRE_MESSAGE_TOO_LONG],
	[1]bool{}[WireTruncatedType-C.LNKEEP_WIRE_TRUNCATED_TYPE],
	[1]bool{}[WireUnknownType-C.LNKEEP_WIRE_UNKNOWN_TYPE],
	[1]bool{}[WireTruncatedLength-C.LNKEEP_WIRE_TRUNCATED_LENGTH],
	[1]bool{}[WireTruncatedBlob-C.LNKEEP_WIRE_TRUNCATED_BLOB],
	[1]bool{}[WireTLVTruncated-C.LNKEEP_WIRE_TLV_TRUNCATED],
	[1]bool{}[WireTLVNonMinimal-C.LNKEEP_WIRE_TLV_NON_MINIMAL],
	[1]bool{}[WireTLVOrder-C.LNKEEP_WIRE_TLV_ORDER],
	[1]bool{}[WireTLVUnknownEven-C.LNKEEP_WIRE_TLV_UNKNOWN_EVEN],
}

// nodeBytes lends a node id to one call; NULL for nil.
func nodeBytes(node *NodeID) *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(node)) }

// takeBuf copies bytes that a call gave, and frees them; nil for NULL, and an empty slice for no bytes.
func takeBuf(found *C.lnkeep_buf) []byte {
	if found == nil {
		return nil
	}
	defer C.lnkeep_buf_free(found)
	taken := make([]byte, int(found.len))
	copy(taken, lent(&found.ptr, found.len))
	return taken
}

func cWireEncode(kind MessageKind, blob []byte) ([]byte, error) {
	var message *C.lnkeep_buf
	detail := newError()
	status := C.lnkeep_wire_encode(C.uint32_t(kind), view(blob), &message, &detail)
	if err := check("encode "+kind.String(), status, &detail); err != nil {
		return nil, err
	}
	return takeBuf(message), nil
}

func cWireDecode(message []byte, strict bool) (WireMessage, error) {
	// The library writes views of the message, and no C may write a pointer to Go memory into Go memory.
	a := newArena(C.sizeof_lnkeep_wire_message)
	defer a.release()
	decoded := (*C.lnkeep_wire_message)(a.take(C.sizeof_lnkeep_wire_message))
	decoded.size = C.sizeof_lnkeep_wire_message
	detail := newError()
	status := C.lnkeep_wire_decode(view(message), flag(strict, C.LNKEEP_WIRE_STRICT), decoded, &detail)
	if err := check("decode message", status, &detail); err != nil {
		return WireMessage{}, err
	}
	// Type and length come before the blob, which the extension follows.
	const blobAt = 4
	end := blobAt + int(decoded.blob.len)
	return WireMessage{
		Kind:      MessageKind(decoded.kind),
		Blob:      message[blobAt:end:end],
		Extension: message[end : end+int(decoded.extension.len)],
	}, nil
}

func cWireStorageFeature(features []byte) (offered, required bool, err error) {
	var found C.uint32_t
	detail := newError()
	status := C.lnkeep_wire_storage_feature(view(features), &found, &detail)
	err = check("storage feature", status, &detail)
	return found&C.LNKEEP_STORAGE_OFFERED != 0, found&C.LNKEEP_STORAGE_REQUIRED != 0, err
}
