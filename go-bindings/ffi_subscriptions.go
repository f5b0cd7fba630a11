package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

func cSubscribe(handle uint64, key Key, known bool) (uint64, error) {
	named := cKey(key)
	var subscription C.uint64_t
	detail := newError()
	status := C.lnkeep_attempts_subscribe(cAttempts(handle), &named,
		flag(known, C.LNKEEP_SUBSCRIBE_REQUIRE_KNOWN), &subscription, &detail)
	return uint64(subscription), check("subscribe", status, &detail)
}

func cPoll(handle, subscription uint64) (PollState, Result, error) {
	var state C.uint32_t
	var found *C.lnkeep_attempt_result
	detail := newError()
	status := C.lnkeep_attempts_poll(cAttempts(handle), C.uint64_t(subscription), &state, &found, &detail)
	if err := check("poll", status, &detail); err != nil {
		return PollClosed, Result{}, err
	}
	if found == nil {
		return PollState(state), Result{}, nil
	}
	defer C.lnkeep_attempt_result_free(found)
	return PollState(state), resultOf(found), nil
}

func cUnsubscribe(handle, subscription uint64) error {
	detail := newError()
	status := C.lnkeep_attempts_unsubscribe(cAttempts(handle), C.uint64_t(subscription), &detail)
	return check("unsubscribe", status, &detail)
}

func cUnsubscribeAll(handle uint64) error {
	detail := newError()
	return check("unsubscribe all", C.lnkeep_attempts_unsubscribe_all(cAttempts(handle), &detail), &detail)
}

func cWaiters(handle uint64, key Key) (uint64, error) {
	named := cKey(key)
	var waiters C.uint64_t
	detail := newError()
	status := C.lnkeep_attempts_waiters(cAttempts(handle), &named, &waiters, &detail)
	return uint64(waiters), check("waiters", status, &detail)
}

func cReady(handle uint64, into []uint64) (int, error) {
	var n C.size_t
	detail := newError()
	status := C.lnkeep_attempts_ready(cAttempts(handle), (*C.uint64_t)(unsafe.SliceData(into)),
		C.size_t(len(into)), &n, &detail)
	return int(n), check("ready", status, &detail)
}

func cReadyDescriptor(handle uint64) (int, error) {
	var descriptor C.int
	detail := newError()
	status := C.lnkeep_attempts_ready_descriptor(cAttempts(handle), &descriptor, &detail)
	return int(descriptor), check("subscribe", status, &detail)
}
