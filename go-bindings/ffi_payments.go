package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

func cPayments(handle uint64) (p C.lnkeep_payments) { p.bits = C.uint64_t(handle); return p }

func cPaymentsOpen(handle uint64, o PaymentsOptions) (uint64, error) {
	var given C.lnkeep_payments_options
	given.size = C.sizeof_lnkeep_payments_options
	given.flags = flag(o.CheckTotals, C.LNKEEP_PAYMENTS_CHECK_TOTALS)
	finished, _ := seconds(o.FinishedRetention)
	tombstones, _ := seconds(o.TombstoneRetention)
	given.finished_retention_secs = C.uint64_t(finished)
	given.finished_max = C.uint64_t(o.FinishedMax)
	given.history_bytes_max = C.uint64_t(o.HistoryBytesMax)
	given.tombstone_retention_secs = C.uint64_t(tombstones)
	given.subscriptions_max = C.uint64_t(o.SubscriptionsMax)
	var opened C.lnkeep_payments
	detail := newError()
	status := C.lnkeep_payments_open(cStore(handle), &given, &opened, &detail)
	return uint64(opened.bits), check("open payments", status, &detail)
}

func cPaymentsClose(handle uint64) error {
	p, detail := cPayments(handle), newError()
	return check("close payments", C.lnkeep_payments_close(&p, &detail), &detail)
}

func cPaymentsIsOpen(handle uint64) bool { return C.lnkeep_payments_is_open(cPayments(handle)) != 0 }

// hashBytes lends a payment hash to one call.
func hashBytes(hash *PaymentHash) *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(hash)) }

func cPaymentsInit(handle uint64, init *PaymentInit) (*Payment, Outcome, error) {
	a := newArena(initBytes(init))
	defer a.release()
	var found *C.lnkeep_payment
	var answer C.lnkeep_outcome
	detail := newError()
	status := C.lnkeep_payments_init(cPayments(handle), encodeInit(a, init), &found, &answer, &detail)
	return changedPayment("init", status, found, &answer, &detail)
}

func cPaymentsRegister(
	handle uint64, op string, hash PaymentHash, attempt *PaymentAttemptRequest, withRecord bool,
) (*Payment, Outcome, error) {
	a := newArena(attemptBytes(attempt))
	defer a.release()
	var found *C.lnkeep_payment
	var answer C.lnkeep_outcome
	detail := newError()
	status := C.lnkeep_payments_register(cPayments(handle), hashBytes(&hash), newAttempt(a, attempt),
		flag(withRecord, C.LNKEEP_REGISTER_WITH_RECORD), &found, &answer, &detail)
	return changedPayment(op, status, found, &answer, &detail)
}

func cPaymentsSettle(
	handle uint64, hash PaymentHash, key Key, settle *AttemptSettle, flags uint32,
) (*Payment, Outcome, error) {
	named := cKey(key)
	nanos, _ := unixNano(settle.Time)
	var found *C.lnkeep_payment
	var answer C.lnkeep_outcome
	detail := newError()
	status := C.lnkeep_payments_settle(cPayments(handle), hashBytes(&hash), &named,
		(*C.uint8_t)(unsafe.Pointer(&settle.Preimage)), C.uint64_t(nanos), C.uint32_t(flags),
		&found, &answer, &detail)
	return changedPayment("settle", status, found, &answer, &detail)
}

func cPaymentsFailAttempt(
	handle uint64, op string, hash PaymentHash, key Key, failure *AttemptFailure, note string, flags uint32,
) (*Payment, Outcome, error) {
	a := newArena(failureBytes(failure) + C.sizeof_lnkeep_payment_failure)
	defer a.release()
	given := (*C.lnkeep_payment_failure)(a.take(C.sizeof_lnkeep_payment_failure))
	encodeFailure(a, given, failure)
	named := cKey(key)
	var found *C.lnkeep_payment
	var answer C.lnkeep_outcome
	detail := newError()
	status := C.lnkeep_payments_fail_attempt(cPayments(handle), hashBytes(&hash), &named, given,
		view([]byte(note)), C.uint32_t(flags), &found, &answer, &detail)
	return changedPayment(op, status, found, &answer, &detail)
}

func cPaymentsFail(handle uint64, hash PaymentHash, reason FailureReason) (*Payment, Outcome, error) {
	var found *C.lnkeep_payment
	var answer C.lnkeep_outcome
	detail := newError()
	status := C.lnkeep_payments_fail(cPayments(handle), hashBytes(&hash), C.uint32_t(reason), &found, &answer,
		&detail)
	return changedPayment("fail", status, found, &answer, &detail)
}

// changedPayment is the answer of a call that changes a payment; it frees what the call gave.
func changedPayment(
	op string, status C.lnkeep_status, found *C.lnkeep_payment, answer *C.lnkeep_outcome, detail *C.lnkeep_error,
) (*Payment, Outcome, error) {
	if err := check(op, status, detail); err != nil {
		return nil, failed(err), err
	}
	defer C.lnkeep_payment_free(found)
	return paymentOf(found), paymentOutcome(answer), nil
}

// paymentOutcome is the outcome of a call that was not refused.
func paymentOutcome(answer *C.lnkeep_outcome) Outcome {
	return rawOutcomeOf(answer).of(&Operation{}, noDetail)
}

func cPaymentsDelete(handle uint64, op string, hash PaymentHash, flags uint32) (Outcome, error) {
	var answer C.lnkeep_outcome
	detail := newError()
	status := C.lnkeep_payments_delete(cPayments(handle), hashBytes(&hash), C.uint32_t(flags), &answer, &detail)
	if err := check(op, status, &detail); err != nil {
		return failed(err), err
	}
	return paymentOutcome(&answer), nil
}

func cPaymentsQuarantine(handle uint64, hash PaymentHash) (Outcome, error) {
	var answer C.lnkeep_outcome
	detail := newError()
	status := C.lnkeep_payments_quarantine(cPayments(handle), hashBytes(&hash), &answer, &detail)
	if err := check("quarantine", status, &detail); err != nil {
		return failed(err), err
	}
	return paymentOutcome(&answer), nil
}

func cPaymentsDeleteMany(handle uint64, f *PaymentDeleteFilter, statuses uint32) (DeletedPayments, error) {
	var given C.lnkeep_payment_delete_filter
	given.size = C.sizeof_lnkeep_payment_delete_filter
	given.flags = flag(f.Forget, C.LNKEEP_DELETE_FORGET) |
		flag(f.FailedAttemptsOnly, C.LNKEEP_DELETE_FAILED_ATTEMPTS)
	given.statuses = C.uint32_t(statuses)
	nanos, _ := unixNano(f.CreatedTo)
	given.created_to_unix_ns = C.uint64_t(nanos)
	var deleted, next C.uint64_t
	var hasMore C.uint32_t
	detail := newError()
	status := C.lnkeep_payments_delete_many(cPayments(handle), &given, C.uint64_t(f.After), &deleted, &next,
		&hasMore, &detail)
	if err := check("delete_many", status, &detail); err != nil {
		return DeletedPayments{}, err
	}
	done := DeletedPayments{Payments: uint64(deleted)}
	if hasMore != 0 {
		done.Next = uint64(next)
	}
	return done, nil
}

func cPaymentsSweep(handle uint64) (uint64, error) {
	var handled C.uint64_t
	detail := newError()
	status := C.lnkeep_payments_sweep(cPayments(handle), &handled, &detail)
	return uint64(handled), check("sweep", status, &detail)
}

func cPaymentsResume(handle uint64, answers []ResumeAnswer, o *ResumeOptions) (Resumption, error) {
	a, given := encodeAnswers(answers)
	defer a.release()
	flags := flag(o.KeepFailedAttempts, C.LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS) |
		flag(o.Sending, C.LNKEEP_RESUME_SENDING)
	var found *C.lnkeep_resume
	detail := newError()
	status := C.lnkeep_payments_resume(cPayments(handle), given, C.size_t(len(answers)), flags, &found, &detail)
	if err := check("resume", status, &detail); err != nil {
		return Resumption{}, err
	}
	defer C.lnkeep_resume_free(found)
	var done Resumption
	keep := elements(&found.keep, found.keep_len)
	for i := range keep {
		done.Keep = append(done.Keep, goKey(&keep[i]))
	}
	payments := elements(&found.payments, found.payments_len)
	for i := range payments {
		resumed := &payments[i]
		done.Payments = append(done.Payments, ResumedPayment{
			Sequence: uint64(resumed.sequence),
			Hash:     hashIf(resumed.has_hash != 0, &resumed.payment_hash),
			Outcome:  ResumeOutcome(resumed.outcome),
		})
	}
	return done, nil
}

// hashIf is a payment hash, nil unless it is known.
func hashIf(known bool, c *[32]C.uint8_t) *PaymentHash {
	if !known {
		return nil
	}
	return (*PaymentHash)(hash(c))
}
