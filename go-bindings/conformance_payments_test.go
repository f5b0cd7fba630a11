package lnkeep_test

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// paymentStep is one operation of a scenario of control_tower, as FORMAT.md beside the vectors describes it.
type paymentStep struct {
	Op                 string                     `json:"op"`
	Hash               string                     `json:"hash"`
	Than               string                     `json:"than"`
	ID                 string                     `json:"id"`
	IDs                []string                   `json:"ids"`
	Name               string                     `json:"name"`
	Handle             string                     `json:"handle"`
	Status             string                     `json:"status"`
	Reason             string                     `json:"reason"`
	Preimage           string                     `json:"preimage"`
	AttemptHash        string                     `json:"attempt_hash"`
	Retain             string                     `json:"retain"`
	Offset             string                     `json:"offset"`
	Msg                string                     `json:"msg"`
	FailureReason      string                     `json:"failure_reason"`
	AmountMsat         uint64                     `json:"amt_msat"`
	FeeMsat            uint64                     `json:"fee_msat"`
	RemainingMsat      uint64                     `json:"remaining_msat"`
	Created            int64                      `json:"created"`
	Time               int64                      `json:"time"`
	CreatedFrom        int64                      `json:"created_from"`
	CreatedTo          int64                      `json:"created_to"`
	Source             uint32                     `json:"source"`
	Hops               *uint32                    `json:"hops"`
	N                  int                        `json:"n"`
	Max                int                        `json:"max"`
	Idempotent         bool                       `json:"idempotent"`
	FailedAttemptsOnly bool                       `json:"failed_attempts_only"`
	FailedOnly         bool                       `json:"failed_only"`
	IncludeInitiated   bool                       `json:"include_initiated"`
	IncludeIncomplete  bool                       `json:"include_incomplete"`
	Reversed           bool                       `json:"reversed"`
	CountTotal         bool                       `json:"count_total"`
	HasSettled         bool                       `json:"has_settled"`
	PaymentFailed      bool                       `json:"payment_failed"`
	FailedReason       bool                       `json:"failed_reason"`
	KeepFailed         bool                       `json:"keep_failed_attempts"`
	MPP                *vectorMPP                 `json:"mpp"`
	AMP                *vectorAMP                 `json:"amp"`
	Blinded            *vectorBlinded             `json:"blinded"`
	FirstHop           map[string]json.RawMessage `json:"first_hop"`
	Dispatcher         map[string]json.RawMessage `json:"dispatcher"`
	Reconcile          map[string]string          `json:"reconcile"`
	Attempts           json.RawMessage            `json:"attempts"`
}

type vectorMPP struct {
	Addr      string `json:"addr"`
	TotalMsat uint64 `json:"total_msat"`
}

type vectorAMP struct {
	SetID string `json:"set_id"`
	Child uint32 `json:"child"`
}

type vectorBlinded struct {
	TotalMsat uint64 `json:"total_msat"`
}

// paymentHarness runs the steps of control_tower.
type paymentHarness struct {
	path    string
	compat  bool
	store   *lnkeep.Store
	p       *lnkeep.Payments
	handles map[string]*lnkeep.PaymentSubscription
	memory  sequences
}

// sequences are the sequence numbers that a scenario refers to, by hash and by its own names.
type sequences struct {
	OfHash map[string]uint64
	OfName map[string]uint64
}

func newPaymentHarness(path string, compat bool) harness {
	h := &paymentHarness{path: path, compat: compat, memory: sequences{map[string]uint64{}, map[string]uint64{}}}
	// What the scenario remembers outlives the process that a crash ends.
	if content, err := os.ReadFile(path + ".memory"); err == nil {
		exitOn(json.Unmarshal(content, &h.memory))
	}
	return h
}

func (h *paymentHarness) run(raw json.RawMessage) any {
	var s paymentStep
	if err := json.Unmarshal(raw, &s); err != nil {
		return answer{"err": err.Error()}
	}
	switch s.Op {
	case "open":
		return answerOf(h.open())
	case "restart":
		h.close()
		return answerOf(h.open())
	case "decide_status", "status_actions", "can_register", "need_wait", "allow_more", "compute_state":
		return pure(s)
	case "query":
		return h.query(s)
	case "fetch", "fetch_in_flight", "remember_seq", "seq_after", "seq_greater":
		return h.read(s)
	case "subscribe", "subscribe_all", "unsubscribe", "next", "drain":
		return h.follow(s)
	case "delete", "delete_failed_attempts", "delete_all":
		return h.remove(s)
	case "resume":
		return h.resume(s)
	}
	return h.write(s)
}

func (h *paymentHarness) open() error {
	store, err := lnkeep.Open(h.path, &lnkeep.StoreOptions{LNDCompat: h.compat})
	if err != nil {
		return err
	}
	h.store, h.handles = store, map[string]*lnkeep.PaymentSubscription{}
	h.p, err = store.OpenPayments(nil)
	return err
}

func (h *paymentHarness) close() {
	if h.store != nil {
		_ = h.store.Close()
	}
	h.store = nil
}

func paymentHash(text string) (hash lnkeep.PaymentHash) { copy(hash[:], unhex(text)); return hash }

func vectorTime(seconds int64) time.Time { return time.Unix(seconds, 0) }

func (h *paymentHarness) write(s paymentStep) any {
	switch s.Op {
	case "init":
		return answerOf(h.init(s))
	case "init_concurrent":
		return answer{"counts": concurrently(s.N, func() string { return code(h.init(s)) })}
	case "register":
		return h.register(s, s.ID)
	case "register_concurrent":
		register := func(id string) string { return outcomeOf(h.register(s, id)) }
		return answer{"counts": eachConcurrently(s.IDs, register)}
	case "settle":
		return h.settle(s)
	case "settle_concurrent":
		return answer{"counts": concurrently(s.N, func() string { return outcomeOf(h.settle(s)) })}
	case "fail_attempt":
		payment, _, err := h.p.FailAttempt(background, paymentHash(s.Hash), key(number(s.ID)),
			lnkeep.AttemptFailure{
				Reason: attemptFailure[s.Reason], SourceIndex: s.Source, Message: unhex(s.Msg), Time: vectorTime(s.Time),
			}, lnkeep.RefuseRepeat)
		return view(payment, err)
	case "fail":
		payment, _, err := h.p.Fail(background, paymentHash(s.Hash), failureReason[s.Reason])
		return view(payment, err)
	}
	return answer{"err": "the harness does not know " + s.Op}
}

// outcomeOf is the name under which the vectors count an answer.
func outcomeOf(a answer) string {
	if refused, is := a["err"].(string); is {
		return refused
	}
	return "ok"
}

// known replaces Already, which is an outcome in Go, by the one name that the vectors have for it.
func known(outcome lnkeep.Outcome, err error, name string) error {
	switch {
	case errors.Is(err, lnkeep.ErrBadPreimage):
		return errors.New("PREIMAGE_MISMATCH")
	case err == nil && outcome.Already:
		return errors.New(name)
	}
	return err
}

func (h *paymentHarness) init(s paymentStep) error {
	payment, outcome, err := h.p.Init(background, lnkeep.PaymentInit{
		Hash: paymentHash(s.Hash), AmountMsat: s.AmountMsat, Created: vectorTime(s.Created),
	})
	if err == nil && outcome.Done {
		h.memory.OfHash[s.Hash] = payment.Sequence
		h.save()
	}
	return known(outcome, err, "PAYMENT_EXISTS")
}

func (h *paymentHarness) save() {
	content, err := json.Marshal(h.memory)
	if err == nil {
		err = os.WriteFile(h.path+".memory", content, 0o600)
	}
	exitOn(err)
}

func (h *paymentHarness) register(s paymentStep, id string) answer {
	attempt := lnkeep.PaymentAttemptRequest{
		Key: key(number(id)), AmountMsat: s.AmountMsat, FeeMsat: s.FeeMsat, HopCount: 1,
	}
	if s.Hops != nil {
		attempt.HopCount = *s.Hops
	}
	if s.AttemptHash != "" {
		hash := paymentHash(s.AttemptHash)
		attempt.AttemptHash = &hash
	}
	if s.MPP != nil {
		attempt.MPP = &lnkeep.MPP{PaymentAddress: [32]byte(unhex(s.MPP.Addr)), TotalMsat: s.MPP.TotalMsat}
	}
	if s.AMP != nil {
		attempt.AMP = &lnkeep.AMP{SetID: [32]byte(unhex(s.AMP.SetID)), ChildIndex: s.AMP.Child}
	}
	if s.Blinded != nil {
		attempt.BlindedTotalMsat = &s.Blinded.TotalMsat
	}
	if amount, has := s.FirstHop["amt_msat"]; has {
		attempt.FirstHopAmountMsat = new(uint64)
		exitOn(json.Unmarshal(amount, attempt.FirstHopAmountMsat))
	}
	attempt.FirstHopRecords = lnkeep.HostBytes(s.FirstHop["records"])
	payment, outcome, err := h.p.Register(background, paymentHash(s.Hash), attempt)
	return view(payment, known(outcome, err, "ATTEMPT_ID_EXISTS"))
}

func (h *paymentHarness) settle(s paymentStep) answer {
	strictness := lnkeep.FirstResultOnly
	if s.Idempotent {
		strictness = lnkeep.RefuseLate
	}
	settle := lnkeep.AttemptSettle{Time: vectorTime(s.Time)}
	copy(settle.Preimage[:], unhex(s.Preimage))
	payment, outcome, err := h.p.Settle(background, paymentHash(s.Hash), key(number(s.ID)), settle, strictness)
	a := view(payment, known(lnkeep.Outcome{}, err, ""))
	if err == nil {
		a["changed"] = outcome.Changed
	}
	return a
}

func (h *paymentHarness) read(s paymentStep) any {
	switch s.Op {
	case "fetch":
		return view(h.p.Fetch(paymentHash(s.Hash)))
	case "fetch_in_flight":
		hashes := []string{}
		for payment, err := range h.p.Unfinished() {
			if err != nil {
				return answerOf(err)
			}
			hashes = append(hashes, payment.Hash().String())
		}
		slices.Sort(hashes)
		return answer{"hashes": hashes}
	case "remember_seq":
		h.memory.OfName[s.Name] = h.memory.OfHash[s.Hash]
		h.save()
		return answer{"ok": true}
	case "seq_after":
		return answer{"value": h.memory.OfHash[s.Hash] > h.memory.OfName[s.Name]}
	}
	return answer{"value": h.memory.OfHash[s.Hash] > h.memory.OfHash[s.Than]}
}

func (h *paymentHarness) query(s paymentStep) any {
	query := lnkeep.PaymentQuery{
		Reversed: s.Reversed, CreatedFrom: vectorTime(s.CreatedFrom), CreatedTo: vectorTime(s.CreatedTo),
	}
	if !s.IncludeIncomplete {
		query.Statuses = []lnkeep.PaymentStatus{lnkeep.PaymentSucceeded}
	}
	if s.Offset != "" {
		offset, has := h.memory.OfHash[s.Offset]
		if !has {
			offset = math.MaxUint64
		}
		query.Offset = &offset
	}
	hashes := []string{}
	for payment, err := range h.p.All(query) {
		if len(hashes) == s.Max {
			break
		}
		if err != nil {
			return answerOf(err)
		}
		hashes = append(hashes, payment.Hash().String())
	}
	if s.Reversed {
		slices.Reverse(hashes)
	}
	a := answer{"hashes": hashes, "total": 0}
	if len(hashes) > 0 {
		a["first"], a["last"] = hashes[0], hashes[len(hashes)-1]
	}
	if s.CountTotal {
		counts, err := h.p.Counts()
		if err != nil {
			return answerOf(err)
		}
		a["total"] = counts.Payments
	}
	return a
}

func (h *paymentHarness) follow(s paymentStep) any {
	handle := h.handles[s.Handle]
	switch {
	case s.Op == "subscribe":
		subscription, err := h.p.Subscribe(paymentHash(s.Hash))
		h.handles[s.Handle] = subscription
		return answerOf(err)
	case s.Op == "subscribe_all":
		subscription, err := h.p.SubscribeAll()
		h.handles[s.Handle] = subscription
		return answerOf(err)
	case s.Op == "unsubscribe":
		return answerOf(handle.Close())
	case s.Op == "drain":
		return drain(handle)
	}
	payment, closed, err := nextOf(handle)
	switch {
	case err != nil:
		return answerOf(err)
	case closed:
		return answer{"closed": true}
	case payment == nil:
		return answer{"none": true}
	}
	return answer{"event": face(payment)}
}

// nextOf is what a handle has next; one from before a restart is closed.
func nextOf(handle *lnkeep.PaymentSubscription) (payment *lnkeep.Payment, closed bool, err error) {
	if handle == nil {
		return nil, true, nil
	}
	payment, err = handle.TryNext()
	if err == io.EOF || errors.Is(err, lnkeep.ErrClosed) {
		return nil, true, nil
	}
	return payment, false, err
}

func drain(handle *lnkeep.PaymentSubscription) any {
	statuses := []string{}
	for {
		payment, closed, err := nextOf(handle)
		switch {
		case err != nil:
			return answerOf(err)
		case payment == nil:
			return answer{"statuses": statuses, "count": len(statuses), "closed": closed}
		}
		statuses = append(statuses, statusName(payment.Status))
	}
}

func (h *paymentHarness) remove(s paymentStep) any {
	if s.Op == "delete_all" {
		return h.removeAll(s)
	}
	remove := h.p.Forget
	switch {
	case s.Op == "delete_failed_attempts" || s.FailedAttemptsOnly:
		remove = h.p.DeleteFailedAttempts
	case s.Retain == "tombstone":
		remove = h.p.Delete
	}
	_, err := remove(background, paymentHash(s.Hash))
	return answerOf(err)
}

func (h *paymentHarness) removeAll(s paymentStep) any {
	filter := lnkeep.PaymentDeleteFilter{
		Statuses:           []lnkeep.PaymentStatus{lnkeep.PaymentFailed},
		FailedAttemptsOnly: s.FailedAttemptsOnly, Forget: s.Retain != "tombstone",
	}
	if !s.FailedOnly {
		filter.Statuses = append(filter.Statuses, lnkeep.PaymentSucceeded)
		if h.compat || s.IncludeInitiated {
			filter.Statuses = append(filter.Statuses, lnkeep.PaymentInitiated)
		}
	}
	total := uint64(0)
	for {
		deleted, err := h.p.DeleteMany(background, filter)
		if err != nil {
			return answerOf(err)
		}
		total += deleted.Payments
		if filter.After = deleted.Next; filter.After == 0 {
			break
		}
	}
	if s.FailedAttemptsOnly {
		total = 0
	}
	return answer{"deleted": total}
}

func (h *paymentHarness) resume(s paymentStep) any {
	resumption, err := h.p.Resume(background, lnkeep.ResumeOptions{
		KeepFailedAttempts: s.KeepFailed,
		Dispatcher: func(_ *lnkeep.Payment, attempt *lnkeep.PaymentAttempt) lnkeep.ResumeAnswer {
			return s.answer(attempt.Request.Key)
		},
	})
	if err != nil {
		return answerOf(err)
	}
	outcomes, keep := answer{}, []uint64{}
	for _, payment := range resumption.Payments {
		name := payment.Outcome.String()
		if payment.Outcome == lnkeep.ResumeInternal {
			name = "internal_error"
		}
		outcomes[payment.Hash.String()] = name
	}
	for _, k := range resumption.Keep {
		keep = append(keep, k.ID)
	}
	return answer{"keep": decimal(keep), "outcome": outcomes}
}

// answer is what the scripted dispatcher says about an attempt.
func (s *paymentStep) answer(k lnkeep.Key) lnkeep.ResumeAnswer {
	id := decimal([]uint64{k.ID})[0]
	answer := lnkeep.ResumeAnswer{Kind: lnkeep.AnswerUnknown}
	answer.FirstHopClosed = string(s.FirstHop[id]) == `"closed"`
	script := s.Dispatcher[id]
	var settled struct {
		Preimage string `json:"preimage"`
	}
	switch {
	case json.Unmarshal(script, &settled) == nil && settled.Preimage != "":
		answer.Kind = lnkeep.AnswerSettled
		copy(answer.Preimage[:], unhex(settled.Preimage))
	case string(script) == `"fail"`:
		answer.Kind = lnkeep.AnswerFailed
		answer.Failure.Reason = lnkeep.AttemptFailureMessage
	case string(script) == `"fail_final"`:
		answer.Kind = lnkeep.AnswerFailedFinal
		answer.Failure.Reason = lnkeep.AttemptFailureMessage
	case string(script) == `"error"`:
		answer.Kind = lnkeep.AnswerError
	case string(script) == `"pending"`:
		answer.Kind = lnkeep.AnswerPending
	}
	// A dispatcher that fails to answer says nothing; what it knows still counts against a closed channel.
	if s.Reconcile[id] != "" {
		hasResult := answer.Kind != lnkeep.AnswerUnknown && answer.Kind != lnkeep.AnswerPending
		isClosed := answer.FirstHopClosed && !hasResult
		answer = lnkeep.ResumeAnswer{Kind: lnkeep.AnswerPending, FirstHopClosed: isClosed}
	}
	return answer
}

var paymentStatus = map[string]lnkeep.PaymentStatus{
	"INITIATED": lnkeep.PaymentInitiated, "IN_FLIGHT": lnkeep.PaymentInFlight,
	"SUCCEEDED": lnkeep.PaymentSucceeded, "FAILED": lnkeep.PaymentFailed, "?": 99,
}

var failureReason = map[string]lnkeep.FailureReason{
	"TIMEOUT": lnkeep.FailureReasonTimeout, "NO_ROUTE": lnkeep.FailureReasonNoRoute,
	"ERROR": lnkeep.FailureReasonError, "CANCELED": lnkeep.FailureReasonCanceled,
	"INCORRECT_PAYMENT_DETAILS": lnkeep.FailureReasonIncorrectPaymentDetails,
	"INSUFFICIENT_BALANCE":      lnkeep.FailureReasonInsufficientBalance,
}

var attemptFailure = map[string]lnkeep.AttemptFailureReason{
	"UNKNOWN": lnkeep.AttemptFailureUnknown, "UNREADABLE": lnkeep.AttemptFailureUnreadable,
	"INTERNAL": lnkeep.AttemptFailureInternal, "MESSAGE": lnkeep.AttemptFailureMessage,
}

var attemptState = map[string]lnkeep.PaymentAttemptState{
	"in_flight": lnkeep.PaymentAttemptInFlight, "settled": lnkeep.PaymentAttemptSettled,
	"failed": lnkeep.PaymentAttemptFailed,
}

func statusName(s lnkeep.PaymentStatus) string { return strings.ToUpper(s.String()) }
