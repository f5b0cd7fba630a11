package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

func cAttemptsGet(handle uint64, key Key) (Attempt, error) {
	named := cKey(key)
	var found *C.lnkeep_attempt
	detail := newError()
	status := C.lnkeep_attempts_get(cAttempts(handle), &named, &found, &detail)
	if err := check("get", status, &detail); err != nil {
		return Attempt{}, err
	}
	defer C.lnkeep_attempt_free(found)
	return attemptOf(found), nil
}

func attemptOf(c *C.lnkeep_attempt) Attempt {
	attempt := Attempt{
		Key:          goKey(&c.key),
		State:        State(c.state),
		Acked:        c.flags&C.LNKEEP_ATTEMPT_ACKED != 0,
		Conflict:     c.flags&C.LNKEEP_ATTEMPT_CONFLICT != 0,
		RolledBack:   c.flags&C.LNKEEP_ATTEMPT_ROLLED_BACK != 0,
		Forced:       c.flags&C.LNKEEP_ATTEMPT_FORCED != 0,
		Quarantined:  c.flags&C.LNKEEP_ATTEMPT_QUARANTINED != 0,
		OfPayment:    c.flags&C.LNKEEP_ATTEMPT_OF_PAYMENT != 0,
		CLTVExpiry:   uint32(c.cltv_expiry),
		CreatedEpoch: uint64(c.created_epoch),
		Created:      timeOf(uint64(c.created_unix_ms)),
		Updated:      timeOf(uint64(c.updated_unix_ms)),
		AmountMsat:   uint64(c.amount_msat),
		FirstHopSCID: uint64(c.first_hop_scid),
	}
	if c.present&C.LNKEEP_HAS_FINGERPRINT != 0 {
		attempt.Fingerprint = hash(&c.fingerprint)
	}
	if c.present&C.LNKEEP_HAS_PAYMENT_HASH != 0 {
		attempt.PaymentHash = hash(&c.payment_hash)
	}
	if c.present&C.LNKEEP_HAS_RESULT != 0 {
		result := resultOf(&c.result)
		attempt.Result = &result
	}
	return attempt
}

func hash(c *[32]C.uint8_t) *[32]byte {
	copied := *(*[32]byte)(unsafe.Pointer(c))
	return &copied
}

func resultOf(c *C.lnkeep_attempt_result) Result {
	return Result{
		Kind:        ResultKind(c.kind),
		Unencrypted: c.flags&C.LNKEEP_RESULT_UNENCRYPTED != 0,
		Resolution:  c.flags&C.LNKEEP_RESULT_RESOLUTION != 0,
		FailureCode: uint16(c.failure_code),
		Preimage:    Preimage(*hash(&c.preimage)),
		Message:     bytesOf(&c.message),
	}
}

func cAttemptsResult(handle uint64, key Key) (Result, error) {
	named := cKey(key)
	var found *C.lnkeep_attempt_result
	detail := newError()
	status := C.lnkeep_attempts_result(cAttempts(handle), &named, &found, &detail)
	if err := check("result", status, &detail); err != nil {
		return Result{}, err
	}
	defer C.lnkeep_attempt_result_free(found)
	return resultOf(found), nil
}

func cAttemptsHasResult(handle uint64, key Key) (bool, error) {
	named := cKey(key)
	var has C.uint32_t
	detail := newError()
	status := C.lnkeep_attempts_has_result(cAttempts(handle), &named, &has, &detail)
	return has != 0, check("has_result", status, &detail)
}

func cAttemptsList(handle uint64, q *Query) (Page, error) {
	given := cQuery(q)
	var found *C.lnkeep_attempt_page
	detail := newError()
	status := C.lnkeep_attempts_list(cAttempts(handle), &given, &found, &detail)
	if err := check("list", status, &detail); err != nil {
		return Page{}, err
	}
	defer C.lnkeep_attempt_page_free(found)
	var page Page
	// A later library may have longer attempts: the stride is its own.
	for i := range uintptr(found.attempts_len) {
		attempt := unsafe.Add(unsafe.Pointer(found.attempts), i*uintptr(found.stride))
		page.Attempts = append(page.Attempts, attemptOf((*C.lnkeep_attempt)(attempt)))
	}
	unreadable := elements(&found.unreadable, found.unreadable_len)
	for i := range unreadable {
		page.Unreadable = append(page.Unreadable, goKey(&unreadable[i]))
	}
	if found.has_more != 0 {
		next := goKey(&found.next)
		page.Next = &next
	}
	return page, nil
}

func cQuery(q *Query) (c C.lnkeep_attempt_query) {
	c.size = C.sizeof_lnkeep_attempt_query
	c.flags = flag(q.AllNamespaces, C.LNKEEP_QUERY_ALL_NAMESPACES) |
		flag(q.After != nil, C.LNKEEP_QUERY_AFTER)
	for _, state := range q.States {
		c.states |= 1 << state
	}
	copyBytes(&c.namespace_bytes, q.Namespace[:])
	if q.After != nil {
		c.after = cKey(*q.After)
	}
	milli, _ := unixMilli(q.CreatedBefore)
	c.created_before_unix_ms = C.uint64_t(milli)
	c.expired_at_height = C.uint32_t(q.ExpiredAtHeight)
	c.limit = C.uint32_t(q.Limit)
	return c
}

func cAttemptsCounts(handle uint64, namespace *Namespace) (Counts, error) {
	var c C.lnkeep_attempt_counts
	c.size = C.sizeof_lnkeep_attempt_counts
	detail := newError()
	status := C.lnkeep_attempts_counts(cAttempts(handle), bytes16(namespace), &c, &detail)
	if err := check("counts", status, &detail); err != nil {
		return Counts{}, err
	}
	return Counts{
		Intent: uint64(c.intent), HandedOff: uint64(c.handed_off), Settled: uint64(c.settled),
		Failed: uint64(c.failed), Deleted: uint64(c.deleted),
	}, nil
}

func cAttemptsIsExternal(handle uint64) (bool, error) {
	var external C.uint32_t
	detail := newError()
	status := C.lnkeep_attempts_is_external(cAttempts(handle), &external, &detail)
	return external != 0, check("is_external", status, &detail)
}

func cClassify(result Result, decryptor Decryptor) (Classified, error) {
	a := newArena(uintptr(len(result.Message)) + C.sizeof_lnkeep_attempt_result + 16)
	defer a.release()
	given := (*C.lnkeep_attempt_result)(a.take(C.sizeof_lnkeep_attempt_result))
	encodeResult(given, &result, a.lend(result.Message))
	var classified C.uint32_t
	detail := newError()
	status := C.lnkeep_attempt_result_classify(given, C.uint32_t(decryptor), &classified, &detail)
	return Classified(classified), check("classify", status, &detail)
}

func cClientIDEncode(client uint8, rawID uint64) (uint64, error) {
	var id C.uint64_t
	detail := newError()
	status := C.lnkeep_client_id_encode(C.uint8_t(client), C.uint64_t(rawID), &id, &detail)
	return uint64(id), check("encode client id", status, &detail)
}

func cClientIDDecode(id uint64) (uint8, uint64, error) {
	var client C.uint8_t
	var rawID C.uint64_t
	detail := newError()
	status := C.lnkeep_client_id_decode(C.uint64_t(id), &client, &rawID, &detail)
	return uint8(client), uint64(rawID), check("decode client id", status, &detail)
}
