package lnkeep

// #include <lnkeep.h>
import "C"

import (
	"math"
	"unsafe"
)

// The numbers of shares and rosters, held against the header as those of ffi_constants.go are.
var _ = [...]bool{
	[1]bool{}[EnvelopeHasRoster-C.LNKEEP_ENVELOPE_HAS_ROSTER],
	[1]bool{}[EnvelopeHasSnapshot-C.LNKEEP_ENVELOPE_HAS_SNAPSHOT],
	[1]bool{}[ShareTruncated-C.LNKEEP_SHARE_TRUNCATED],
	[1]bool{}[ShareBadCount-C.LNKEEP_SHARE_BAD_COUNT],
	[1]bool{}[ShareBadParams-C.LNKEEP_SHARE_BAD_PARAMS],
	[1]bool{}[ShareBadReserved-C.LNKEEP_SHARE_BAD_RESERVED],
	[1]bool{}[ShareBadLength-C.LNKEEP_SHARE_BAD_SHARE_LEN],
	[1]bool{}[ShareTrailingBytes-C.LNKEEP_SHARE_TRAILING_BYTES],
	[1]bool{}[RosterBadFlags-C.LNKEEP_ROSTER_BAD_FLAGS],
	[1]bool{}[RosterTruncated-C.LNKEEP_ROSTER_TRUNCATED],
	[1]bool{}[RosterBadIndex-C.LNKEEP_ROSTER_BAD_INDEX],
	[1]bool{}[RosterTrailingBytes-C.LNKEEP_ROSTER_TRAILING_BYTES],
	[1]bool{}[ObjectTruncated-C.LNKEEP_OBJECT_TRUNCATED],
}

// count32 is a count as C takes it; one that it cannot take becomes one that it refuses.
func count32(n int) C.uint32_t {
	if n < 0 || n > math.MaxUint32 {
		return math.MaxUint32
	}
	return C.uint32_t(n)
}

// secretCopy copies bytes that are the host's own, and that the library wipes when it frees them.
func secretCopy(first **C.uint8_t, n C.size_t) HostBytes {
	copied := make(HostBytes, int(n))
	copy(copied, lent(first, n))
	return copied
}

func cStripeEncode(dataShares, shares int, object []byte) ([]StripeShare, error) {
	var found *C.lnkeep_shares
	detail := newError()
	status := C.lnkeep_stripe_encode(count32(dataShares), count32(shares), view(object), &found, &detail)
	if err := check("encode stripe", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_shares_free(found)
	var made []StripeShare
	strides(&found.shares, found.shares_len, found.share_stride, func(c *C.lnkeep_stripe_share) {
		made = append(made, StripeShare{Index: int(c.index), Bytes: secretCopy(&c.bytes.ptr, c.bytes.len)})
	})
	return made, nil
}

func cStripeDecode(dataShares, shares, objectBytes int, have []StripeShare) (HostBytes, error) {
	size := aligned(len(have) * C.sizeof_lnkeep_stripe_share)
	for i := range have {
		size += aligned(len(have[i].Bytes))
	}
	a := newArena(size)
	defer a.release()
	first := (*C.lnkeep_stripe_share)(a.take(uintptr(len(have)) * C.sizeof_lnkeep_stripe_share))
	given := unsafe.Slice(first, len(have))
	for i := range have {
		given[i].index = count32(have[i].Index)
		given[i].bytes = a.lend(have[i].Bytes)
	}
	var object *C.lnkeep_buf
	detail := newError()
	// A negative length becomes one that no object has.
	status := C.lnkeep_stripe_decode(count32(dataShares), count32(shares), C.size_t(objectBytes), first,
		C.size_t(len(have)), &object, &detail)
	if err := check("decode stripe", status, &detail); err != nil {
		return nil, err
	}
	return HostBytes(takeBuf(object)), nil
}

func cShareRecordsDecode(content []byte) ([]ShareRecord, error) {
	var found *C.lnkeep_share_records
	detail := newError()
	status := C.lnkeep_share_records_decode(view(content), &found, &detail)
	if err := check("decode share records", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_share_records_free(found)
	var records []ShareRecord
	strides(&found.records, found.records_len, found.record_stride, func(c *C.lnkeep_share_record) {
		records = append(records, ShareRecord{
			StripeShare:  StripeShare{Index: int(c.index), Bytes: secretCopy(&c.share.ptr, c.share.len)},
			Generation:   uint64(c.generation),
			DataShares:   int(c.data_shares),
			Shares:       int(c.shares),
			ObjectBytes:  uint32(c.object_bytes),
			ObjectSHA256: *hash(&c.object_sha256),
		})
	})
	return records, nil
}

func cRosterDecode(flags uint16, payload []byte) (HostBytes, *Roster, error) {
	var found *C.lnkeep_roster
	detail := newError()
	status := C.lnkeep_roster_decode(C.uint32_t(flags), view(payload), &found, &detail)
	if err := check("decode roster", status, &detail); err != nil {
		return nil, nil, err
	}
	defer C.lnkeep_roster_free(found)
	content := secretCopy(&found.content.ptr, found.content.len)
	if flags&EnvelopeHasRoster == 0 {
		return content, nil, nil
	}
	roster := &Roster{Generation: uint64(found.generation)}
	strides(&found.peers, found.peers_len, found.peer_stride, func(c *C.lnkeep_roster_peer) {
		peer := RosterPeer{
			Peer: *(*NodeID)(unsafe.Pointer(&c.node_id)), Index: int(c.index), Address: bytesOf(&c.address),
		}
		if c.index == C.LNKEEP_ROSTER_NO_SHARE {
			peer.Index = NoShare
		}
		roster.Peers = append(roster.Peers, peer)
	})
	return content, roster, nil
}
