package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

func cAttempts(handle uint64) (a C.lnkeep_attempts) { a.bits = C.uint64_t(handle); return a }

func cAttemptsOpen(handle uint64, o AttemptsOptions) (uint64, error) {
	var given C.lnkeep_attempts_options
	given.size = C.sizeof_lnkeep_attempts_options
	given.flags = flag(o.External, C.LNKEEP_ATTEMPTS_EXTERNAL) |
		flag(o.UnmarkedHost, C.LNKEEP_ATTEMPTS_UNMARKED_HOST)
	acked, _ := seconds(o.AckedRetention)
	tombstones, _ := seconds(o.TombstoneRetention)
	given.acked_retention_secs = C.uint64_t(acked)
	given.tombstone_retention_secs = C.uint64_t(tombstones)
	given.tombstones_max = C.uint64_t(o.TombstonesMax)
	given.subscriptions_max = C.uint64_t(o.SubscriptionsMax)
	var opened C.lnkeep_attempts
	detail := newError()
	status := C.lnkeep_attempts_open(cStore(handle), &given, &opened, &detail)
	return uint64(opened.bits), check("open attempts", status, &detail)
}

func cAttemptsClose(handle uint64) error {
	a, detail := cAttempts(handle), newError()
	return check("close attempts", C.lnkeep_attempts_close(&a, &detail), &detail)
}

func cAttemptsIsOpen(handle uint64) bool { return C.lnkeep_attempts_is_open(cAttempts(handle)) != 0 }

func cAttemptsAckBelow(handle uint64, namespace Namespace, below uint64) (uint64, error) {
	var acked C.uint64_t
	detail := newError()
	status := C.lnkeep_attempts_ack_below(cAttempts(handle), bytes16(&namespace), C.uint64_t(below), &acked, &detail)
	return uint64(acked), check("ack_below", status, &detail)
}

func cAttemptsDelete(handle uint64, keys []Key, forget bool) ([]Outcome, error) {
	named := make([]C.lnkeep_attempt_key, len(keys))
	answers := make([]C.lnkeep_outcome, len(keys))
	for i, key := range keys {
		named[i] = cKey(key)
		answers[i].status = unanswered
	}
	detail := newError()
	status := C.lnkeep_attempts_delete(cAttempts(handle), unsafe.SliceData(named), C.size_t(len(keys)),
		flag(forget, C.LNKEEP_DELETE_FORGET), unsafe.SliceData(answers), &detail)
	if status != C.LNKEEP_BATCH {
		if err := check("delete", status, &detail); err != nil {
			return failAll(len(keys), err), err
		}
	}
	outcomes := make([]Outcome, len(keys))
	for i := range answers {
		outcomes[i] = rawOutcomeOf(&answers[i]).of(&Operation{kind: opDelete, key: keys[i]}, noDetail)
	}
	return outcomes, worst(outcomes)
}

func cAttemptsClean(handle uint64, namespace Namespace, keep []uint64, forget bool) (Cleaned, error) {
	var removed, unreadable C.uint64_t
	detail := newError()
	status := C.lnkeep_attempts_clean(cAttempts(handle), bytes16(&namespace),
		(*C.uint64_t)(unsafe.SliceData(keep)), C.size_t(len(keep)), flag(forget, C.LNKEEP_DELETE_FORGET),
		&removed, &unreadable, &detail)
	return Cleaned{Removed: uint64(removed), Unreadable: uint64(unreadable)}, check("clean", status, &detail)
}

func cAttemptsSweep(handle uint64) (uint64, error) {
	var handled C.uint64_t
	detail := newError()
	status := C.lnkeep_attempts_sweep(cAttempts(handle), &handled, &detail)
	return uint64(handled), check("sweep", status, &detail)
}

func cAttemptsDisableExternal(handle uint64) (Outcome, error) {
	detail := newError()
	status := C.lnkeep_attempts_disable_external(cAttempts(handle), &detail)
	return change("disable_external", status, &detail)
}

func cAttemptsAcknowledgeRestore(handle uint64, floors []IDFloor) (Outcome, error) {
	given := make([]C.lnkeep_id_floor, len(floors))
	for i, floor := range floors {
		copyBytes(&given[i].namespace_bytes, floor.Namespace[:])
		given[i].id_floor = C.uint64_t(floor.Floor)
	}
	detail := newError()
	status := C.lnkeep_attempts_acknowledge_restore(cAttempts(handle), unsafe.SliceData(given),
		C.size_t(len(given)), &detail)
	return change("acknowledge_restore", status, &detail)
}

func cAttemptsRecover(handle uint64, o *RecoverOptions) (Recovery, error) {
	circuits := make([]C.lnkeep_circuit, len(o.Circuits))
	for i, circuit := range o.Circuits {
		circuits[i].id = C.uint64_t(circuit.ID)
		circuits[i].state = C.uint32_t(circuit.State)
	}
	flags := flag(o.CurrentEpoch, C.LNKEEP_RECOVER_CURRENT_EPOCH) |
		flag(o.CircuitsComplete, C.LNKEEP_RECOVER_CIRCUITS_COMPLETE)
	var found *C.lnkeep_recovery
	detail := newError()
	status := C.lnkeep_attempts_recover(cAttempts(handle), bytes16(&o.Namespace), unsafe.SliceData(circuits),
		C.size_t(len(circuits)), flags, &found, &detail)
	if err := check("recover", status, &detail); err != nil {
		return Recovery{}, err
	}
	defer C.lnkeep_recovery_free(found)
	return Recovery{
		Failed:     ids(&found.failed, found.failed_len),
		Unresolved: ids(&found.unresolved, found.unresolved_len),
		Unreadable: ids(&found.unreadable, found.unreadable_len),
	}, nil
}

// ids copies numbers that the library owns; nil when there are none.
func ids(first **C.uint64_t, n C.size_t) (copied []uint64) {
	for _, id := range elements(first, n) {
		copied = append(copied, uint64(id))
	}
	return copied
}
