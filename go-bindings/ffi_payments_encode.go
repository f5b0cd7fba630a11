package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

// initBytes is what encodeInit takes up in an arena.
func initBytes(i *PaymentInit) uintptr {
	n := aligned(C.sizeof_lnkeep_payment_init) + aligned(len(i.IdempotencyKey)) +
		aligned(len(i.PaymentRequest)) + aligned(len(i.FirstHopRecords))
	if i.Intent != nil {
		n += aligned(len(i.Intent.Data))
	}
	return n
}

func encodeInit(a *arena, i *PaymentInit) *C.lnkeep_payment_init {
	c := (*C.lnkeep_payment_init)(a.take(C.sizeof_lnkeep_payment_init))
	c.size = C.sizeof_lnkeep_payment_init
	copyBytes(&c.payment_hash, i.Hash[:])
	c.amount_msat = C.uint64_t(i.AmountMsat)
	nanos, _ := unixNano(i.Created)
	c.created_unix_ns = C.uint64_t(nanos)
	c.idempotency_key = a.lend(i.IdempotencyKey)
	c.payment_request = a.lend(i.PaymentRequest)
	c.first_hop_records = a.lend(i.FirstHopRecords)
	if i.Intent != nil {
		encodeIntent(a, c, i.Intent)
	}
	return c
}

func encodeIntent(a *arena, c *C.lnkeep_payment_init, i *Intent) {
	c.present = C.LNKEEP_PAYMENT_HAS_INTENT |
		flag(i.Destination != nil, C.LNKEEP_PAYMENT_HAS_DESTINATION) |
		flag(i.AMPRootShare != nil, C.LNKEEP_PAYMENT_HAS_AMP_ROOT_SHARE)
	nanos, _ := unixNano(i.Deadline)
	c.intent_deadline_unix_ns = C.uint64_t(nanos)
	c.intent_fee_limit_msat = C.uint64_t(i.FeeLimitMsat)
	if i.Destination != nil {
		copyBytes(&c.intent_destination, i.Destination[:])
	}
	if i.AMPRootShare != nil {
		copyBytes(&c.intent_amp_root_share, i.AMPRootShare[:])
	}
	c.intent_data = a.lend(i.Data)
}

// attemptBytes is what an encoded request takes up in an arena, the request itself included.
func attemptBytes(r *PaymentAttemptRequest) uintptr {
	return aligned(C.sizeof_lnkeep_payment_attempt_request) + aligned(len(r.Route)) +
		aligned(len(r.SessionKey)) + aligned(len(r.FirstHopRecords))
}

func newAttempt(a *arena, r *PaymentAttemptRequest) *C.lnkeep_payment_attempt_request {
	c := (*C.lnkeep_payment_attempt_request)(a.take(C.sizeof_lnkeep_payment_attempt_request))
	encodeAttempt(a, c, r)
	return c
}

func encodeAttempt(a *arena, c *C.lnkeep_payment_attempt_request, r *PaymentAttemptRequest) {
	c.size = C.sizeof_lnkeep_payment_attempt_request
	c.key = cKey(r.Key)
	c.amount_msat = C.uint64_t(r.AmountMsat)
	c.fee_msat = C.uint64_t(r.FeeMsat)
	c.present = flag(r.AttemptHash != nil, C.LNKEEP_PAYMENT_ATTEMPT_HAS_HASH) |
		flag(r.MPP != nil, C.LNKEEP_PAYMENT_ATTEMPT_HAS_MPP) |
		flag(r.AMP != nil, C.LNKEEP_PAYMENT_ATTEMPT_HAS_AMP) |
		flag(r.BlindedTotalMsat != nil, C.LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED) |
		flag(r.FirstHopAmountMsat != nil, C.LNKEEP_PAYMENT_ATTEMPT_HAS_FIRST_HOP_AMOUNT)
	c.hop_count = C.uint32_t(r.HopCount)
	c.cltv_expiry = C.uint32_t(r.CLTVExpiry)
	c.first_hop_scid = C.uint64_t(r.FirstHopSCID)
	if r.AttemptHash != nil {
		copyBytes(&c.attempt_hash, r.AttemptHash[:])
	}
	if r.MPP != nil {
		copyBytes(&c.mpp_payment_address, r.MPP.PaymentAddress[:])
		c.mpp_total_msat = C.uint64_t(r.MPP.TotalMsat)
	}
	if r.AMP != nil {
		copyBytes(&c.amp_root_share, r.AMP.RootShare[:])
		copyBytes(&c.amp_set_id, r.AMP.SetID[:])
		c.amp_child_index = C.uint32_t(r.AMP.ChildIndex)
	}
	if r.BlindedTotalMsat != nil {
		c.blinded_total_msat = C.uint64_t(*r.BlindedTotalMsat)
	}
	if r.FirstHopAmountMsat != nil {
		c.first_hop_amount_msat = C.uint64_t(*r.FirstHopAmountMsat)
	}
	nanos, _ := unixNano(r.Sent)
	c.sent_unix_ns = C.uint64_t(nanos)
	c.route = a.lend(r.Route)
	c.session_key = a.lend(r.SessionKey)
	c.first_hop_records = a.lend(r.FirstHopRecords)
}

// failureBytes is what an encoded failure takes up in an arena, beside the failure itself.
func failureBytes(f *AttemptFailure) uintptr { return aligned(len(f.Message)) }

func encodeFailure(a *arena, c *C.lnkeep_payment_failure, f *AttemptFailure) {
	c.reason = C.uint32_t(f.Reason)
	c.source_index = C.uint32_t(f.SourceIndex)
	nanos, _ := unixNano(f.Time)
	c.failed_unix_ns = C.uint64_t(nanos)
	c.message = a.lend(f.Message)
}

func encodeAnswers(answers []ResumeAnswer) (*arena, *C.lnkeep_resume_answer) {
	size := aligned(len(answers) * C.sizeof_lnkeep_resume_answer)
	for i := range answers {
		size += failureBytes(&answers[i].Failure)
	}
	a := newArena(size)
	memory := a.take(uintptr(len(answers)) * C.sizeof_lnkeep_resume_answer)
	encoded := unsafe.Slice((*C.lnkeep_resume_answer)(memory), len(answers))
	for i := range answers {
		answer, c := &answers[i], &encoded[i]
		c.key = cKey(answer.Key)
		c.answer = C.uint32_t(answer.Kind)
		c.flags = flag(answer.FirstHopClosed, C.LNKEEP_ANSWER_FIRST_HOP_CLOSED)
		copyBytes(&c.preimage, answer.Preimage[:])
		encodeFailure(a, &c.failure, &answer.Failure)
	}
	return a, (*C.lnkeep_resume_answer)(memory)
}

// paymentOpBytes is what the operation of a payment takes up in an arena, beside the operation itself.
func paymentOpBytes(p *paymentOperation) uintptr {
	switch {
	case p.init != nil:
		return initBytes(p.init)
	case p.attempt != nil:
		return attemptBytes(p.attempt)
	}
	return failureBytes(&p.failure) + aligned(len(p.note))
}

func encodePaymentOp(a *arena, body unsafe.Pointer, op *Operation) {
	p := op.payment
	switch op.kind {
	case opPaymentInit:
		(*C.lnkeep_op_payment_init)(body).init = encodeInit(a, p.init)
	case opPaymentRegister:
		register := (*C.lnkeep_op_payment_register)(body)
		copyBytes(&register.payment_hash, p.hash[:])
		register.attempt = newAttempt(a, p.attempt)
	case opPaymentSettle:
		settle := (*C.lnkeep_op_payment_settle)(body)
		copyBytes(&settle.payment_hash, p.hash[:])
		settle.key = cKey(op.key)
		copyBytes(&settle.preimage, p.settle.Preimage[:])
		nanos, _ := unixNano(p.settle.Time)
		settle.settled_unix_ns = C.uint64_t(nanos)
	case opPaymentFailAttempt:
		fail := (*C.lnkeep_op_payment_fail_attempt)(body)
		copyBytes(&fail.payment_hash, p.hash[:])
		fail.key = cKey(op.key)
		encodeFailure(a, &fail.failure, &p.failure)
		fail.note = a.lend([]byte(p.note))
	case opPaymentFail:
		fail := (*C.lnkeep_op_payment_fail)(body)
		copyBytes(&fail.payment_hash, p.hash[:])
		fail.reason = C.uint32_t(p.reason)
	case opPaymentDelete:
		copyBytes(&(*C.lnkeep_op_payment_delete)(body).payment_hash, p.hash[:])
	}
}
