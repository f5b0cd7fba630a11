package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

// The numbers of envelopes, held against the header as those of ffi_constants.go are.
var _ = [...]bool{
	[1]bool{}[StatusBadEnvelope-C.LNKEEP_BAD_ENVELOPE],
	[1]bool{}[EnvelopeTooShort-C.LNKEEP_ENVELOPE_TOO_SHORT],
	[1]bool{}[EnvelopeAuthFailed-C.LNKEEP_ENVELOPE_AUTH_FAILED],
	[1]bool{}[EnvelopeBadVersion-C.LNKEEP_ENVELOPE_BAD_VERSION],
	[1]bool{}[EnvelopeBadLength-C.LNKEEP_ENVELOPE_BAD_LENGTH],
	[1]bool{}[EnvelopeBadChecksum-C.LNKEEP_ENVELOPE_BAD_CHECKSUM],
	[1]bool{}[EnvelopeBadPadding-C.LNKEEP_ENVELOPE_BAD_PADDING],
}

// takeOpened copies an opened blob that a call gave, and frees it, which wipes the library's payload; nil for
// NULL.
func takeOpened(found *C.lnkeep_opened) *Opened {
	if found == nil {
		return nil
	}
	defer C.lnkeep_opened_free(found)
	opened := &Opened{
		EnvelopeHeader: EnvelopeHeader{
			Seq:             uint64(found.seq),
			CreatedUnixSecs: uint64(found.created_unix_secs),
			BlockHeight:     uint32(found.block_height),
			Kind:            EnvelopeKind(found.kind),
			Flags:           uint16(found.flags),
			Instance:        *(*[16]byte)(unsafe.Pointer(&found.instance)),
			SetID:           *(*[16]byte)(unsafe.Pointer(&found.set_id)),
		},
		Reserved:      uint32(found.reserved),
		Payload:       make(HostBytes, int(found.payload.len)),
		PayloadSHA256: *hash(&found.payload_sha256),
	}
	copy(opened.Payload, lent(&found.payload.ptr, found.payload.len))
	return opened
}

func cEnvelopeOpen(secret *Secret, peer *NodeID, blob []byte) (*Opened, error) {
	var opened *C.lnkeep_opened
	detail := newError()
	status := C.lnkeep_envelope_open(secretBytes(secret), nodeBytes(peer), view(blob), &opened, &detail)
	if err := check("open envelope", status, &detail); err != nil {
		return nil, err
	}
	return takeOpened(opened), nil
}

func cEnvelopeSeal(
	secret *Secret, peer *NodeID, header *EnvelopeHeader, payload []byte, class SizeClass, entropy *[16]byte,
) ([]byte, error) {
	var given C.lnkeep_envelope_header
	given.size = C.sizeof_lnkeep_envelope_header
	given.seq = C.uint64_t(header.Seq)
	given.created_unix_secs = C.uint64_t(header.CreatedUnixSecs)
	given.block_height = C.uint32_t(header.BlockHeight)
	given.kind = C.uint32_t(header.Kind)
	given.flags = C.uint32_t(header.Flags)
	copyBytes(&given.instance, header.Instance[:])
	copyBytes(&given.set_id, header.SetID[:])
	var blob *C.lnkeep_buf
	detail := newError()
	status := C.lnkeep_envelope_seal(secretBytes(secret), nodeBytes(peer), &given, view(payload),
		C.uint32_t(class), (*C.uint8_t)(unsafe.Pointer(entropy)), &blob, &detail)
	if err := check("seal envelope", status, &detail); err != nil {
		return nil, err
	}
	return takeBuf(blob), nil
}
