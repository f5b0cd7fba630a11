package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

func cPaymentAllows(s *PaymentState) (PaymentRules, error) {
	var c C.lnkeep_payment_rules
	c.size = C.sizeof_lnkeep_payment_rules
	flags := flag(s.HasSettled, C.LNKEEP_PAYMENT_STATE_HAS_SETTLED) | flag(s.GivenUp, C.LNKEEP_PAYMENT_STATE_GIVEN_UP)
	detail := newError()
	status := C.lnkeep_payment_allows(C.uint32_t(s.Status), C.uint64_t(s.RemainingMsat), flags, &c, &detail)
	if err := check("allows", status, &detail); err != nil {
		return PaymentRules{}, err
	}
	return PaymentRules{
		Init:         ruled("init", c.init),
		Update:       ruled("update", c.update),
		Remove:       ruled("remove", c.remove),
		Register:     ruled("register", c.can_register),
		AllowMore:    c.allow_more != 0,
		AllowMoreErr: ruled("allow_more", c.allow_more_status),
		NeedWait:     c.need_wait != 0,
		NeedWaitErr:  ruled("need_wait", c.need_wait_status),
	}, nil
}

// ruled is what a rule says: nil when it allows what is asked.
func ruled(op string, c C.int32_t) error {
	if c >= C.LNKEEP_DONE {
		return nil
	}
	return refusal(op, Status(c), Status(c).Message())
}

func cPaymentComputeState(
	amountMsat uint64, attempts []AttemptSum, reason FailureReason,
) (PaymentState, error) {
	sums := make([]C.lnkeep_attempt_sum, len(attempts))
	for i, attempt := range attempts {
		sums[i].state = C.uint32_t(attempt.State)
		sums[i].amount_msat = C.uint64_t(attempt.AmountMsat)
		sums[i].fee_msat = C.uint64_t(attempt.FeeMsat)
	}
	var c C.lnkeep_payment_state
	c.size = C.sizeof_lnkeep_payment_state
	detail := newError()
	status := C.lnkeep_payment_compute_state(C.uint64_t(amountMsat), unsafe.SliceData(sums), C.size_t(len(sums)),
		C.uint32_t(reason), &c, &detail)
	if err := check("compute_state", status, &detail); err != nil {
		return PaymentState{}, err
	}
	return PaymentState{
		Status:        PaymentStatus(c.status),
		HasSettled:    c.flags&C.LNKEEP_PAYMENT_STATE_HAS_SETTLED != 0,
		GivenUp:       c.flags&C.LNKEEP_PAYMENT_STATE_GIVEN_UP != 0,
		InFlight:      uint64(c.in_flight),
		RemainingMsat: uint64(c.remaining_msat),
		FeesMsat:      uint64(c.fees_msat),
	}, nil
}

func cPaymentVerifyAttempt(
	v *Verification, alive []PaymentAttemptRequest, attempt *PaymentAttemptRequest,
) error {
	size := attemptBytes(attempt)
	for i := range alive {
		size += attemptBytes(&alive[i])
	}
	a := newArena(size)
	defer a.release()
	memory := a.take(uintptr(len(alive)) * C.sizeof_lnkeep_payment_attempt_request)
	encoded := unsafe.Slice((*C.lnkeep_payment_attempt_request)(memory), len(alive))
	for i := range alive {
		encodeAttempt(a, &encoded[i], &alive[i])
	}
	given := newAttempt(a, attempt)
	detail := newError()
	status := C.lnkeep_payment_verify_attempt(C.uint64_t(v.AmountMsat), unsafe.SliceData(encoded),
		C.size_t(len(alive)), C.size_t(len(v.InFlight)), given,
		flag(v.CheckTotals, C.LNKEEP_PAYMENTS_CHECK_TOTALS), &detail)
	return check("verify_attempt", status, &detail)
}
