package lnkeep

// #include <stdlib.h>
// #include <lnkeep.h>
import "C"

import "unsafe"

// arena is C memory for the operations of one call and the messages they point to: Go memory may not
// hold the pointers, and copying below kilobytes costs less than pinning every message.
type arena struct {
	memory unsafe.Pointer
	size   uintptr
	used   uintptr
}

const (
	// arenaBytesMin holds a hundred operations.
	arenaBytesMin = 32 << 10
	// arenaBytesKept is the greatest arena that is kept for the next call.
	arenaBytesKept = 1 << 20
)

// arenas rest here between calls; more than fit are freed.
var arenas = make(chan *arena, 8)

func newArena(size uintptr) *arena {
	select {
	case kept := <-arenas:
		if kept.size >= size {
			return kept
		}
		C.free(kept.memory)
	default:
	}
	size = max(size, arenaBytesMin)
	// malloc through cgo never answers NULL: Go ends the program instead, as for its own memory.
	return &arena{memory: C.malloc(C.size_t(size)), size: size}
}

// aligned is what n bytes take up in an arena.
func aligned(n int) uintptr { return (uintptr(n) + 15) &^ 15 }

// take gives n bytes, zeroed and aligned for every type. The caller asked newArena for enough.
func (a *arena) take(n uintptr) unsafe.Pointer {
	taken := unsafe.Add(a.memory, a.used)
	a.used += aligned(int(n))
	clear(unsafe.Slice((*byte)(taken), n))
	return taken
}

// release wipes what the arena held, preimages among it, and keeps it for the next call.
func (a *arena) release() {
	clear(unsafe.Slice((*byte)(a.memory), a.used))
	a.used = 0
	if a.size <= arenaBytesKept {
		select {
		case arenas <- a:
			return
		default:
		}
	}
	C.free(a.memory)
}

// lend copies bytes into the arena and gives the view that a C structure holds.
func (a *arena) lend(b []byte) C.lnkeep_bytes {
	if len(b) == 0 {
		return C.lnkeep_bytes{}
	}
	copied := a.take(uintptr(len(b)))
	copy(unsafe.Slice((*byte)(copied), len(b)), b)
	return C.lnkeep_bytes{ptr: (*C.uint8_t)(copied), len: C.size_t(len(b))}
}

// encode puts operations into an arena.
func encode(ops []*Operation) (*arena, *C.lnkeep_op) {
	size := uintptr(len(ops)) * C.sizeof_lnkeep_op
	for _, op := range ops {
		size += aligned(len(op.message))
		if op.payment != nil {
			size += paymentOpBytes(op.payment)
		}
		if op.commit != nil {
			size += commitBytes(op.commit)
		}
	}
	a := newArena(size)
	memory := a.take(uintptr(len(ops)) * C.sizeof_lnkeep_op)
	encoded := unsafe.Slice((*C.lnkeep_op)(memory), len(ops))
	for i, op := range ops {
		encodeOne(a, &encoded[i], op)
	}
	return a, (*C.lnkeep_op)(memory)
}

func encodeOne(a *arena, c *C.lnkeep_op, op *Operation) {
	c.kind = C.uint32_t(op.kind)
	c.flags = C.uint32_t(op.flags)
	c.component = C.uint64_t(op.component)
	body := unsafe.Pointer(&c.body)
	if op.payment != nil {
		encodePaymentOp(a, body, op)
		return
	}
	if op.commit != nil {
		(*C.lnkeep_op_monitors_commit)(body).commit = encodeCommit(a, op.commit)
		return
	}
	switch op.kind {
	case opInit:
		encodeRequest((*C.lnkeep_attempt_request)(body), op)
	case opStoreResult:
		stored := (*C.lnkeep_op_attempt_result)(body)
		stored.key = cKey(op.key)
		encodeResult(&stored.result, &op.result, a.lend(op.message))
	case opFailPending:
		rollback := (*C.lnkeep_op_attempt_rollback)(body)
		rollback.key = cKey(op.key)
		rollback.failure_code = C.uint32_t(op.failureCode)
		rollback.message = a.lend(op.message)
	case opAllocate:
		allocate := (*C.lnkeep_op_attempt_allocate)(body)
		copyBytes(&allocate.namespace_bytes, op.key.Namespace[:])
		allocate.external_key = a.lend(op.message)
	default:
		*(*C.lnkeep_attempt_key)(body) = cKey(op.key)
	}
}

func encodeRequest(c *C.lnkeep_attempt_request, op *Operation) {
	c.key = cKey(op.key)
	c.present = flag(op.request.Fingerprint != nil, C.LNKEEP_HAS_FINGERPRINT) |
		flag(op.request.PaymentHash != nil, C.LNKEEP_HAS_PAYMENT_HASH)
	c.cltv_expiry = C.uint32_t(op.request.CLTVExpiry)
	c.amount_msat = C.uint64_t(op.request.AmountMsat)
	c.first_hop_scid = C.uint64_t(op.request.FirstHopSCID)
	copyBytes(&c.fingerprint, op.fingerprint[:])
	copyBytes(&c.payment_hash, op.paymentHash[:])
}

func encodeResult(c *C.lnkeep_attempt_result, result *Result, message C.lnkeep_bytes) {
	c.kind = C.uint32_t(result.Kind)
	c.flags = flag(result.Unencrypted, C.LNKEEP_RESULT_UNENCRYPTED) |
		flag(result.Resolution, C.LNKEEP_RESULT_RESOLUTION)
	c.failure_code = C.uint32_t(result.FailureCode)
	copyBytes(&c.preimage, result.Preimage[:])
	c.message = message
}
