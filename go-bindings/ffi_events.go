package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

func cEvents(handle uint64) (e C.lnkeep_events) { e.bits = C.uint64_t(handle); return e }

func cEventsOpen(handle uint64, name string, fromNewest bool) (uint64, error) {
	var opened C.lnkeep_events
	detail := newError()
	status := C.lnkeep_events_open(cStore(handle), view([]byte(name)),
		flag(fromNewest, C.LNKEEP_EVENTS_FROM_NEWEST), &opened, &detail)
	return uint64(opened.bits), check("open events", status, &detail)
}

func cEventsClose(handle uint64) error {
	e, detail := cEvents(handle), newError()
	return check("close events", C.lnkeep_events_close(&e, &detail), &detail)
}

func cEventsIsOpen(handle uint64) bool { return C.lnkeep_events_is_open(cEvents(handle)) != 0 }

func cEventsTake(handle uint64, n int) ([]Event, error) {
	taken := make([]C.lnkeep_event, min(max(n, 1), eventsTakenMax))
	var got C.size_t
	detail := newError()
	status := C.lnkeep_events_take(cEvents(handle), unsafe.SliceData(taken), C.size_t(min(n, len(taken))),
		&got, &detail)
	if err := check("take", status, &detail); err != nil {
		return nil, err
	}
	var found []Event
	for i := range taken[:got] {
		found = append(found, eventOf(&taken[i]))
	}
	return found, nil
}

func eventOf(c *C.lnkeep_event) Event {
	event := Event{
		Sequence:      uint64(c.sequence),
		Kind:          EventKind(c.kind),
		AttemptState:  PaymentAttemptState(c.attempt_state),
		FailureReason: FailureReason(c.failure_reason),
		Terminal:      c.flags&C.LNKEEP_EVENT_TERMINAL != 0,
		HadLateSettle: c.flags&C.LNKEEP_EVENT_HAD_LATE_SETTLE != 0,
		FailureCode:   uint16(c.failure_code),
		BlockHeight:   uint32(c.block_height),
		Time:          timeOf(uint64(c.unix_ms)),
		Subject:       *(*[32]byte)(unsafe.Pointer(&c.subject)),
		Key: Key{
			Namespace: *(*Namespace)(unsafe.Pointer(&c.namespace_bytes)), ID: uint64(c.attempt_id),
		},
		AmountMsat:    uint64(c.amount_msat),
		RemainingMsat: uint64(c.remaining_msat),
		FeesMsat:      uint64(c.fees_msat),
	}
	switch {
	case event.Kind.OfPayment():
		event.PaymentStatus = PaymentStatus(c.state)
	case event.Kind.OfPeer():
		event.peerPrefix = byte(c.state)
	default:
		event.State = State(c.state)
	}
	return event
}

func cEventsAck(handle, sequence uint64) (Outcome, error) {
	detail := newError()
	return change("ack event", C.lnkeep_events_ack(cEvents(handle), C.uint64_t(sequence), &detail), &detail)
}

func cEventsUnregister(handle uint64) error {
	detail := newError()
	return check("unregister", C.lnkeep_events_unregister(cEvents(handle), &detail), &detail)
}

func cEventsFirstAvailable(handle uint64) (uint64, error) {
	var sequence C.uint64_t
	detail := newError()
	status := C.lnkeep_events_first_available(cEvents(handle), &sequence, &detail)
	return uint64(sequence), check("first available", status, &detail)
}

func cEventsDescriptor(handle uint64) (int, error) {
	var descriptor C.int
	detail := newError()
	status := C.lnkeep_events_descriptor(cEvents(handle), &descriptor, &detail)
	return int(descriptor), check("open events", status, &detail)
}
