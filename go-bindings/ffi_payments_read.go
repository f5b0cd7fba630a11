package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

func cPaymentsFetch(handle uint64, hash PaymentHash) (*Payment, error) {
	var found *C.lnkeep_payment
	detail := newError()
	status := C.lnkeep_payments_fetch(cPayments(handle), hashBytes(&hash), &found, &detail)
	if err := check("fetch", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_payment_free(found)
	return paymentOf(found), nil
}

func paymentOf(c *C.lnkeep_payment) *Payment {
	p := &Payment{
		Init:               initOf(&c.init),
		Sequence:           uint64(c.sequence),
		Revision:           uint64(c.revision),
		Status:             PaymentStatus(c.status),
		LateSettle:         c.marks&C.LNKEEP_PAYMENT_MARK_LATE_SETTLE != 0,
		Forced:             c.marks&C.LNKEEP_PAYMENT_MARK_FORCED != 0,
		FailureReason:      FailureReason(c.failure_reason),
		FirstFailureReason: FailureReason(c.first_failure_reason),
		Updated:            timeOf(uint64(c.updated_unix_ms)),
		InFlight:           uint64(c.in_flight),
		RemainingMsat:      uint64(c.remaining_msat),
		FeesMsat:           uint64(c.fees_msat),
		Terminal:           TerminalKind(c.terminal),
	}
	if c.attempts_len == 0 {
		return p
	}
	p.Attempts = make([]PaymentAttempt, int(c.attempts_len))
	for i := range p.Attempts {
		// A later library may have longer attempts: the stride is its own.
		attempt := unsafe.Add(unsafe.Pointer(c.attempts), uintptr(i)*uintptr(c.attempt_stride))
		readAttempt(&p.Attempts[i], (*C.lnkeep_payment_attempt)(attempt))
	}
	return p
}

func initOf(c *C.lnkeep_payment_init) PaymentInit {
	init := PaymentInit{
		Hash:            PaymentHash(*hash(&c.payment_hash)),
		AmountMsat:      uint64(c.amount_msat),
		Created:         nanoTime(uint64(c.created_unix_ns)),
		IdempotencyKey:  bytesOf(&c.idempotency_key),
		PaymentRequest:  bytesOf(&c.payment_request),
		FirstHopRecords: bytesOf(&c.first_hop_records),
	}
	if c.present&C.LNKEEP_PAYMENT_HAS_INTENT == 0 {
		return init
	}
	init.Intent = &Intent{
		Deadline:     nanoTime(uint64(c.intent_deadline_unix_ns)),
		FeeLimitMsat: uint64(c.intent_fee_limit_msat),
		Data:         bytesOf(&c.intent_data),
	}
	if c.present&C.LNKEEP_PAYMENT_HAS_DESTINATION != 0 {
		destination := *(*[33]byte)(unsafe.Pointer(&c.intent_destination))
		init.Intent.Destination = &destination
	}
	if c.present&C.LNKEEP_PAYMENT_HAS_AMP_ROOT_SHARE != 0 {
		init.Intent.AMPRootShare = (*Secret)(hash(&c.intent_amp_root_share))
	}
	return init
}

func readAttempt(attempt *PaymentAttempt, c *C.lnkeep_payment_attempt) {
	attempt.State = PaymentAttemptState(c.state)
	attempt.Tracked = c.marks&C.LNKEEP_PAYMENT_MARK_TRACKED != 0
	attempt.LateSettle = c.marks&C.LNKEEP_PAYMENT_MARK_LATE_SETTLE != 0
	attempt.Forced = c.marks&C.LNKEEP_PAYMENT_MARK_FORCED != 0
	attempt.Note = string(bytesOf(&c.note))
	readRequest(&attempt.Request, &c.request)
	switch attempt.State {
	case PaymentAttemptSettled:
		attempt.Settle = &AttemptSettle{
			Preimage: Preimage(*hash(&c.preimage)), Time: nanoTime(uint64(c.settled_unix_ns)),
		}
	case PaymentAttemptFailed:
		attempt.Failure = &AttemptFailure{
			Reason:      AttemptFailureReason(c.failure.reason),
			SourceIndex: uint32(c.failure.source_index),
			Time:        nanoTime(uint64(c.failure.failed_unix_ns)),
			Message:     bytesOf(&c.failure.message),
		}
	}
}

func readRequest(r *PaymentAttemptRequest, c *C.lnkeep_payment_attempt_request) {
	r.Key = goKey(&c.key)
	r.AmountMsat = uint64(c.amount_msat)
	r.FeeMsat = uint64(c.fee_msat)
	r.AttemptHash = hashIf(c.present&C.LNKEEP_PAYMENT_ATTEMPT_HAS_HASH != 0, &c.attempt_hash)
	if c.present&C.LNKEEP_PAYMENT_ATTEMPT_HAS_MPP != 0 {
		r.MPP = &MPP{PaymentAddress: *hash(&c.mpp_payment_address), TotalMsat: uint64(c.mpp_total_msat)}
	}
	if c.present&C.LNKEEP_PAYMENT_ATTEMPT_HAS_AMP != 0 {
		r.AMP = &AMP{
			RootShare: Secret(*hash(&c.amp_root_share)), SetID: *hash(&c.amp_set_id),
			ChildIndex: uint32(c.amp_child_index),
		}
	}
	r.BlindedTotalMsat = numberIf(c.present&C.LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED != 0, c.blinded_total_msat)
	r.HopCount = uint32(c.hop_count)
	r.CLTVExpiry = uint32(c.cltv_expiry)
	r.FirstHopSCID = uint64(c.first_hop_scid)
	r.FirstHopAmountMsat = numberIf(
		c.present&C.LNKEEP_PAYMENT_ATTEMPT_HAS_FIRST_HOP_AMOUNT != 0, c.first_hop_amount_msat)
	r.Sent = nanoTime(uint64(c.sent_unix_ns))
	r.Route = bytesOf(&c.route)
	r.SessionKey = bytesOf(&c.session_key)
	r.FirstHopRecords = bytesOf(&c.first_hop_records)
}

// numberIf is a number, nil unless it is known.
func numberIf(known bool, c C.uint64_t) *uint64 {
	if !known {
		return nil
	}
	number := uint64(c)
	return &number
}

func cPaymentsList(handle uint64, q *PaymentQuery, statuses uint32) (PaymentPage, error) {
	given := cPaymentQuery(q, statuses)
	var found *C.lnkeep_payment_page
	detail := newError()
	status := C.lnkeep_payments_list(cPayments(handle), &given, &found, &detail)
	if err := check("list", status, &detail); err != nil {
		return PaymentPage{}, err
	}
	defer C.lnkeep_payment_page_free(found)
	var page PaymentPage
	for i := range uintptr(found.payments_len) {
		// A later library may have longer payments: the stride is its own.
		face := unsafe.Add(unsafe.Pointer(found.payments), i*uintptr(found.stride))
		payment := paymentOf((*C.lnkeep_payment)(face))
		if q.WithoutAttempts {
			payment.InFlight, payment.RemainingMsat, payment.FeesMsat, payment.Terminal = 0, 0, 0, TerminalNone
		}
		page.Payments = append(page.Payments, payment)
	}
	unreadable := elements(&found.unreadable, found.unreadable_len)
	for i := range unreadable {
		one := &unreadable[i]
		page.Unreadable = append(page.Unreadable, UnreadablePayment{
			Sequence: uint64(one.sequence), Hash: hashIf(one.has_hash != 0, &one.payment_hash),
		})
	}
	page.Next = numberIf(found.has_more != 0, found.next)
	return page, nil
}

func cPaymentQuery(q *PaymentQuery, statuses uint32) (c C.lnkeep_payment_query) {
	c.size = C.sizeof_lnkeep_payment_query
	c.flags = flag(q.Offset != nil, C.LNKEEP_PAYMENT_QUERY_OFFSET) |
		flag(q.Reversed, C.LNKEEP_PAYMENT_QUERY_REVERSED) |
		flag(q.WithoutAttempts, C.LNKEEP_PAYMENT_QUERY_WITHOUT_ATTEMPTS)
	c.statuses = C.uint32_t(statuses)
	if q.Offset != nil {
		c.offset = C.uint64_t(*q.Offset)
	}
	from, _ := unixNano(q.CreatedFrom)
	to, _ := unixNano(q.CreatedTo)
	c.created_from_unix_ns = C.uint64_t(from)
	c.created_to_unix_ns = C.uint64_t(to)
	c.limit = C.uint32_t(q.Limit)
	return c
}

func cPaymentsCounts(handle uint64) (PaymentCounts, error) {
	var c C.lnkeep_payment_counts
	c.size = C.sizeof_lnkeep_payment_counts
	detail := newError()
	if err := check("counts", C.lnkeep_payments_counts(cPayments(handle), &c, &detail), &detail); err != nil {
		return PaymentCounts{}, err
	}
	return PaymentCounts{
		Payments:        uint64(c.payments),
		Unfinished:      uint64(c.unfinished),
		Tombstones:      uint64(c.tombstones),
		Attempts:        uint64(c.attempts),
		IdempotencyKeys: uint64(c.idempotency_keys),
		Doomed:          uint64(c.doomed),
		HistoryBytes:    uint64(c.history_bytes),
	}, nil
}

func cPaymentsStuck(handle uint64, q *StuckQuery) (StuckList, error) {
	var given C.lnkeep_stuck_query
	given.size = C.sizeof_lnkeep_stuck_query
	given.after = C.uint64_t(q.After)
	given.block_height = C.uint32_t(q.BlockHeight)
	given.grace_blocks = C.uint32_t(q.GraceBlocks)
	milli, _ := unixMilli(q.UntouchedSince)
	given.untouched_since_unix_ms = C.uint64_t(milli)
	var found *C.lnkeep_stuck_list
	detail := newError()
	status := C.lnkeep_payments_stuck(cPayments(handle), &given, &found, &detail)
	if err := check("stuck", status, &detail); err != nil {
		return StuckList{}, err
	}
	defer C.lnkeep_stuck_list_free(found)
	var list StuckList
	entries := elements(&found.found, found.found_len)
	for i := range entries {
		one := &entries[i]
		list.Found = append(list.Found, Stuck{
			Hash:       PaymentHash(*hash(&one.payment_hash)),
			Sequence:   uint64(one.sequence),
			Attempt:    goKey(&one.attempt),
			Reason:     StuckReason(one.reason),
			CLTVExpiry: uint32(one.cltv_expiry),
		})
	}
	if found.has_more != 0 {
		list.Next = uint64(found.next)
	}
	return list, nil
}
