package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

// unanswered marks outcomes that the library did not write; no status has this number.
const unanswered = C.int32_t(-1 << 31)

// cSubmit applies operations in one call and fills in their outcomes, whatever happens. The error is
// that of the call itself: then none was applied, and every outcome holds it too.
func cSubmit(handle uint64, ops []*Operation, atomic bool, outcomes []Outcome) error {
	a, first := encode(ops)
	defer a.release()
	answers := make([]C.lnkeep_outcome, len(ops))
	for i := range answers {
		answers[i].status = unanswered
	}
	detail := newError()
	status := C.lnkeep_submit(cStore(handle), first, C.size_t(len(ops)), flag(atomic, C.LNKEEP_SUBMIT_ATOMIC),
		unsafe.SliceData(answers), &detail)
	var failure error
	if status != C.LNKEEP_BATCH {
		failure = check("submit", status, &detail)
	}
	told := detailed(answers, &detail)
	for i := range answers {
		switch {
		case failure != nil:
			outcomes[i] = failed(failure)
		case i == told:
			outcomes[i] = rawOutcomeOf(&answers[i]).of(ops[i], detailOf(&detail))
		default:
			outcomes[i] = rawOutcomeOf(&answers[i]).of(ops[i], noDetail)
		}
	}
	return failure
}

func detailOf(c *C.lnkeep_error) detail {
	value, channel := subject(c)
	return detail{words: text(c), value: value, channel: channel}
}

// detailed is the operation that the library details, the worst of them, and -1 when it is not known which
// that is: what it says is known to fit if only one was refused for a reason of its own.
func detailed(answers []C.lnkeep_outcome, detail *C.lnkeep_error) int {
	found := -1
	for i := range answers {
		if answers[i].status >= C.LNKEEP_DONE || answers[i].status == C.LNKEEP_ABORTED {
			continue
		}
		if found >= 0 {
			return -1
		}
		found = i
	}
	if found >= 0 && answers[found].status != detail.status {
		return -1
	}
	return found
}

func rawOutcomeOf(c *C.lnkeep_outcome) rawOutcome {
	return rawOutcome{
		status: int32(c.status), errno: int32(c.os_errno), flags: uint32(c.flags),
		value: uint64(c.value), event: uint64(c.event_sequence),
	}
}

func cSubmitAsync(handle uint64, ops []*Operation, atomic bool, cookie uint64) error {
	a, first := encode(ops)
	defer a.release()
	detail := newError()
	status := C.lnkeep_submit_async(cStore(handle), first, C.size_t(len(ops)),
		flag(atomic, C.LNKEEP_SUBMIT_ATOMIC), C.uint64_t(cookie), &detail)
	return check("submit", status, &detail)
}

func cCompletionsTake(handle uint64, into []completion) (int, error) {
	var taken [64]C.lnkeep_completion
	var n C.size_t
	detail := newError()
	capacity := C.size_t(min(len(into), len(taken)))
	status := C.lnkeep_completions_take(cStore(handle), &taken[0], capacity, &n, &detail)
	if err := check("completions", status, &detail); err != nil {
		return 0, err
	}
	for i := range taken[:n] {
		into[i] = completion{
			cookie: uint64(taken[i].cookie), index: int(taken[i].index), outcome: rawOutcomeOf(&taken[i].outcome),
		}
	}
	return int(n), nil
}

func cCompletionsDescriptor(handle uint64) (int, error) {
	var descriptor C.int
	detail := newError()
	status := C.lnkeep_completions_descriptor(cStore(handle), &descriptor, &detail)
	return int(descriptor), check("completions", status, &detail)
}

// cAttemptsDo applies one operation by its own function.
func cAttemptsDo(op *Operation) Outcome {
	a, c := encode([]*Operation{op})
	defer a.release()
	var answer C.lnkeep_outcome
	detail := newError()
	status := attemptsDo(c, &answer, &detail)
	answer.status = C.int32_t(status)
	if status < C.LNKEEP_DONE {
		answer.os_errno = detail.os_errno
	}
	return rawOutcomeOf(&answer).of(op, detailOf(&detail))
}

func attemptsDo(op *C.lnkeep_op, answer *C.lnkeep_outcome, detail *C.lnkeep_error) C.lnkeep_status {
	handle := cAttempts(uint64(op.component))
	body := unsafe.Pointer(&op.body)
	key := (*C.lnkeep_attempt_key)(body)
	switch opKind(op.kind) {
	case opInit:
		return C.lnkeep_attempts_init(handle, (*C.lnkeep_attempt_request)(body), answer, detail)
	case opMarkHandedOff:
		return C.lnkeep_attempts_mark_handed_off(handle, key, answer, detail)
	case opStoreResult:
		stored := (*C.lnkeep_op_attempt_result)(body)
		return C.lnkeep_attempts_store_result(handle, &stored.key, &stored.result, answer, detail)
	case opFailPending:
		r := (*C.lnkeep_op_attempt_rollback)(body)
		return C.lnkeep_attempts_fail_pending(handle, &r.key, r.failure_code, r.message, op.flags, answer, detail)
	case opAck:
		return C.lnkeep_attempts_ack(handle, key, answer, detail)
	case opDelete:
		status := C.lnkeep_attempts_delete(handle, key, 1, op.flags, answer, detail)
		if status == C.LNKEEP_BATCH {
			return C.lnkeep_status(answer.status)
		}
		return status
	case opQuarantine:
		return C.lnkeep_attempts_quarantine(handle, key, answer, detail)
	case opAllocate:
		allocate := (*C.lnkeep_op_attempt_allocate)(body)
		namespace := (*C.uint8_t)(unsafe.Pointer(&allocate.namespace_bytes))
		return C.lnkeep_attempts_allocate(handle, namespace, allocate.external_key, &answer.value, detail)
	}
	return C.LNKEEP_INVALID_ARGUMENT
}
