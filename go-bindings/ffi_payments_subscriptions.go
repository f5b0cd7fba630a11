package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

// cPaymentsSubscribe follows a payment, or all of them without a hash.
func cPaymentsSubscribe(handle uint64, hash *PaymentHash) (uint64, error) {
	var subscription C.uint64_t
	detail := newError()
	status := C.lnkeep_payments_subscribe(cPayments(handle), hashBytes(hash), &subscription, &detail)
	return uint64(subscription), check("subscribe", status, &detail)
}

func cPaymentsNext(handle, subscription uint64) (nextState, *Payment, uint64, error) {
	var state C.uint32_t
	var found *C.lnkeep_payment
	var missed C.uint64_t
	detail := newError()
	status := C.lnkeep_payments_next(cPayments(handle), C.uint64_t(subscription), &state, &found, &missed,
		&detail)
	if err := check("next", status, &detail); err != nil {
		return nextClosed, nil, 0, err
	}
	if found == nil {
		return nextState(state), nil, uint64(missed), nil
	}
	defer C.lnkeep_payment_free(found)
	return nextState(state), paymentOf(found), uint64(missed), nil
}

func cPaymentsUnsubscribe(handle, subscription uint64) error {
	detail := newError()
	status := C.lnkeep_payments_unsubscribe(cPayments(handle), C.uint64_t(subscription), &detail)
	return check("unsubscribe", status, &detail)
}

func cPaymentsReady(handle uint64, into []uint64) (int, error) {
	var n C.size_t
	detail := newError()
	status := C.lnkeep_payments_ready(cPayments(handle), (*C.uint64_t)(unsafe.SliceData(into)),
		C.size_t(len(into)), &n, &detail)
	return int(n), check("ready", status, &detail)
}

func cPaymentsReadyDescriptor(handle uint64) (int, error) {
	var descriptor C.int
	detail := newError()
	status := C.lnkeep_payments_ready_descriptor(cPayments(handle), &descriptor, &detail)
	return int(descriptor), check("subscribe", status, &detail)
}
