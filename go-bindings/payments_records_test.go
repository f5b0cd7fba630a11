package lnkeep_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// registered opens payments and attempts, and registers the attempt 1 of the payment of preimage(1) with
// its record.
func registered(t testing.TB) (*lnkeep.Store, *lnkeep.Payments, *lnkeep.Attempts) {
	t.Helper()
	store, payments := newPayments(t)
	initiated(t, payments, 1, 1000)
	paid(t)(payments.RegisterAndInit(soon(t), hashOf(1), whole(1, 1000)))
	return store, payments, openAttempts(t, store, nil)
}

func TestRegisterAndInit_PaymentAndRecordEndTogether(t *testing.T) {
	_, payments, attempts := registered(t)
	ctx := soon(t)
	record, err := attempts.Get(key(1))
	must(t, err)
	if record.State != lnkeep.StateIntent || !record.OfPayment || *record.PaymentHash != [32]byte(hashOf(1)) {
		t.Fatalf("%+v", record)
	}
	payment := paidBefore(t)(payments.RegisterAndInit(ctx, hashOf(1), whole(1, 1000)))
	if !payment.Attempts[0].Tracked {
		t.Fatalf("%+v", payment)
	}
	do(t)(attempts.MarkHandedOff(ctx, key(1)))
	unpaid(t, lnkeep.ErrHandedOff)(payments.FailAttempt(ctx, hashOf(1), key(1), noRoute))
	do(t)(attempts.StoreResult(ctx, key(1), lnkeep.Settle(preimage(1))))
	unpaid(t, lnkeep.ErrConflict)(payments.FailAttempt(ctx, hashOf(1), key(1), noRoute))
	outcomes, err := attempts.Delete(ctx, key(1))
	want(t, err, lnkeep.ErrBatch)
	want(t, outcomes[0].Err, lnkeep.ErrPending)
	paid(t)(payments.Settle(ctx, hashOf(1), key(1), settleOf(1)))
	if record, err = attempts.Get(key(1)); err != nil || !record.Acked || record.State != lnkeep.StateSettled {
		t.Fatalf("%+v: %v", record, err)
	}

	// An id that the attempt store knows is no new one.
	initDone(t, attempts, 2)
	initiated(t, payments, 2, 1000)
	unpaid(t, lnkeep.ErrAttemptIDExists)(payments.RegisterAndInit(ctx, hashOf(2), whole(2, 1000)))
	paid(t)(payments.Register(ctx, hashOf(2), whole(2, 1000)))
}

func TestFailAttempt_RollsTheIntentBack(t *testing.T) {
	_, payments, attempts := registered(t)
	ctx := soon(t)
	waiting := make(chan error, 1)
	go func() {
		result, err := attempts.WaitResult(soon(t), key(1))
		if err == nil && result.Kind != lnkeep.ResultFail {
			t.Error(result)
		}
		waiting <- err
	}()
	eventually(t, "a waiter", func() bool { n, _ := attempts.Waiters(key(1)); return n == 1 })
	paid(t)(payments.FailAttempt(ctx, hashOf(1), key(1), noRoute))
	must(t, <-waiting)
	refused(t, lnkeep.ErrNotPending)(attempts.MarkHandedOff(ctx, key(1)))
	record, err := attempts.Get(key(1))
	if err != nil || !record.Acked || !record.RolledBack {
		t.Fatalf("%+v: %v", record, err)
	}
}

func TestForceFail_KeepsANoteAndASettleStillWins(t *testing.T) {
	_, payments, attempts := registered(t)
	ctx := soon(t)
	do(t)(attempts.MarkHandedOff(ctx, key(1)))
	unpaid(t, lnkeep.ErrTooBig)(payments.ForceFail(ctx, hashOf(1), key(1), noRoute, strings.Repeat("x", 1025)))
	note := strings.Repeat("channel closed, output swept; ", 34)
	payment := paid(t)(payments.ForceFail(ctx, hashOf(1), key(1), noRoute, note))
	if a := payment.Attempts[0]; !payment.Forced || !a.Forced || a.Note != note ||
		a.State != lnkeep.PaymentAttemptFailed {
		t.Fatalf("%+v", payment)
	}
	paidBefore(t)(payments.ForceFail(ctx, hashOf(1), key(1), noRoute, note))
	unpaid(t, lnkeep.ErrAttemptAlreadyFailed)(payments.ForceFail(ctx, hashOf(1), key(1), noRoute, "another"))
	unpaid(t, lnkeep.ErrAttemptNotFound)(payments.ForceFail(ctx, hashOf(1), key(2), noRoute, ""))
	payment, outcome, err := payments.Settle(ctx, hashOf(1), key(1), settleOf(1))
	do(t)(outcome, err)
	if !outcome.Conflict || payment.Status != lnkeep.PaymentSucceeded || payment.Attempts[0].Note != note {
		t.Fatalf("%+v, %+v", payment, outcome)
	}
}

func TestRegisterAndInit_AnExternalRouterOwnsTheAttempts(t *testing.T) {
	store, payments := newPayments(t)
	initiated(t, payments, 1, 1000)
	openAttempts(t, store, &lnkeep.AttemptsOptions{External: true})
	unpaid(t, lnkeep.ErrExternalMarker)(payments.RegisterAndInit(soon(t), hashOf(1), whole(1, 1000)))
	paid(t)(payments.Register(soon(t), hashOf(1), whole(1, 1000)))
}

// unfinishedPayments makes the payments 1 to 10, which a restart interrupted, and tells what their dispatcher
// answers about the attempts 2 to 10.
func unfinishedPayments(t *testing.T, payments *lnkeep.Payments) []lnkeep.ResumeAnswer {
	t.Helper()
	for n := range byte(11) {
		switch {
		case n == 0:
			continue
		case n == 1:
			initiated(t, payments, n, 1000)
		case n <= 8:
			initiated(t, payments, n, 1000)
			paid(t)(payments.Register(soon(t), hashOf(n), whole(uint64(n), 1000)))
		default:
			initiated(t, payments, n, 1000)
			paid(t)(payments.Register(soon(t), hashOf(n), part(uint64(n), 400, 1000)))
		}
	}
	message := lnkeep.AttemptFailure{
		Reason: lnkeep.AttemptFailureMessage, SourceIndex: 3, Message: []byte("why"),
	}
	return []lnkeep.ResumeAnswer{
		{Key: key(2), Kind: lnkeep.AnswerSettled, Preimage: preimage(2)},
		{Key: key(3), Kind: lnkeep.AnswerFailed, Failure: message},
		{Key: key(4), Kind: lnkeep.AnswerFailedFinal, Failure: message},
		{Key: key(5), Kind: lnkeep.AnswerError},
		{Key: key(6), Kind: lnkeep.AnswerUnknown},
		{Key: key(7), Kind: lnkeep.AnswerPending},
		{Key: key(8), Kind: lnkeep.AnswerPending, FirstHopClosed: true},
		{Key: key(10), Kind: lnkeep.AnswerSettled, Preimage: preimage(10)},
	}
}

func TestResume_DecidesAsFarAsResultsAreKnown(t *testing.T) {
	store, payments := newPayments(t)
	ctx := soon(t)
	now := time.Now()
	must(t, store.Tick(now, 1))
	answers := unfinishedPayments(t, payments)
	succeeded(t, payments, 11, 11)
	resumption, err := payments.Resume(ctx, lnkeep.ResumeOptions{Answers: answers, KeepFailedAttempts: true})
	must(t, err)
	done, waiting := lnkeep.ResumeDone, lnkeep.ResumeWaiting
	expected := []struct {
		outcome lnkeep.ResumeOutcome
		status  lnkeep.PaymentStatus
		reason  lnkeep.FailureReason
		failure lnkeep.AttemptFailureReason
	}{
		{done, lnkeep.PaymentFailed, lnkeep.FailureReasonNoRoute, 0},
		{done, lnkeep.PaymentSucceeded, 0, 0},
		{done, lnkeep.PaymentFailed, lnkeep.FailureReasonNoRoute, lnkeep.AttemptFailureMessage},
		{
			done, lnkeep.PaymentFailed, lnkeep.FailureReasonIncorrectPaymentDetails,
			lnkeep.AttemptFailureMessage,
		},
		{done, lnkeep.PaymentFailed, lnkeep.FailureReasonError, lnkeep.AttemptFailureInternal},
		{done, lnkeep.PaymentFailed, lnkeep.FailureReasonNoRoute, lnkeep.AttemptFailureInternal},
		{waiting, lnkeep.PaymentInFlight, 0, 0},
		{done, lnkeep.PaymentFailed, lnkeep.FailureReasonNoRoute, lnkeep.AttemptFailureUnknown},
		{waiting, lnkeep.PaymentInFlight, lnkeep.FailureReasonNoRoute, 0},
		{lnkeep.ResumeInternal, lnkeep.PaymentSucceeded, lnkeep.FailureReasonNoRoute, 0},
	}
	if len(resumption.Payments) != len(expected) || len(resumption.Keep) != 9 || resumption.Keep[8] != key(10) {
		t.Fatalf("%+v", resumption)
	}
	for i, e := range expected {
		resumed := resumption.Payments[i]
		payment := fetch(t, payments, hashOf(byte(i+1)))
		if resumed.Outcome != e.outcome || resumed.Sequence != payment.Sequence ||
			*resumed.Hash != payment.Hash() || payment.Status != e.status || payment.FailureReason != e.reason {
			t.Errorf("%d: %+v, %+v", i+1, resumed, payment)
		}
		if e.failure != 0 && (payment.Attempts[0].Failure == nil || payment.Attempts[0].Failure.Reason != e.failure) {
			t.Errorf("%d: %+v", i+1, payment.Attempts[0])
		}
	}
	failure := fetch(t, payments, hashOf(3)).Attempts[0].Failure
	if failure.SourceIndex != 3 || string(failure.Message) != "why" || !failure.Time.Equal(now.Truncate(time.Millisecond)) {
		t.Errorf("%+v", failure)
	}
}

func TestResume_RefusesAnswersThatAreNone(t *testing.T) {
	_, payments := newPayments(t)
	answers := unfinishedPayments(t, payments)
	for _, c := range []struct {
		answer lnkeep.ResumeAnswer
		err    error
	}{
		{answers[0], lnkeep.ErrDuplicateID},
		{lnkeep.ResumeAnswer{Key: key(99)}, lnkeep.ErrInvalidArgument},
		{lnkeep.ResumeAnswer{Key: key(99), Kind: 7}, lnkeep.ErrInvalidArgument},
		{lnkeep.ResumeAnswer{Key: key(99), Kind: lnkeep.AnswerFailed}, lnkeep.ErrInvalidArgument},
	} {
		given := append(append([]lnkeep.ResumeAnswer(nil), answers...), c.answer)
		_, err := payments.Resume(soon(t), lnkeep.ResumeOptions{Answers: given})
		want(t, err, c.err)
	}
	// An answer about an attempt that is not in flight is nobody's; one that cannot be right is not taken.
	given := []lnkeep.ResumeAnswer{
		{Key: key(99), Kind: lnkeep.AnswerUnknown},
		{Key: key(2), Kind: lnkeep.AnswerSettled, Preimage: preimage(3)},
	}
	resumption, err := payments.Resume(soon(t), lnkeep.ResumeOptions{Answers: given})
	if err != nil || len(resumption.Payments) != 10 || resumption.Payments[1].Outcome != lnkeep.ResumeWaiting {
		t.Fatalf("%+v: %v", resumption, err)
	}
}

func TestResume_TheDispatcherIsAskedAboutWhatIsInFlight(t *testing.T) {
	store, payments, attempts := registered(t)
	ctx := soon(t)
	deadline := time.Now().Add(time.Hour)
	must(t, store.Tick(time.Now(), 1))
	paid(t)(payments.Init(ctx, lnkeep.PaymentInit{
		Hash: hashOf(2), AmountMsat: 1000, Intent: &lnkeep.Intent{Deadline: deadline},
	}))
	paid(t)(payments.Register(ctx, hashOf(2), whole(2, 1000)))
	paid(t)(payments.Init(ctx, lnkeep.PaymentInit{
		Hash: hashOf(3), AmountMsat: 1000, Intent: &lnkeep.Intent{Deadline: time.Unix(1, 0)},
	}))
	paid(t)(payments.Register(ctx, hashOf(3), part(3, 1000, 1000)))
	paid(t)(payments.FailAttempt(ctx, hashOf(3), key(3), noRoute))
	do(t)(attempts.MarkHandedOff(ctx, key(1)))

	asked := map[lnkeep.Key]lnkeep.PaymentHash{}
	options := lnkeep.ResumeOptions{
		Sending: true,
		Dispatcher: func(payment *lnkeep.Payment, attempt *lnkeep.PaymentAttempt) lnkeep.ResumeAnswer {
			asked[attempt.Request.Key] = payment.Hash()
			return lnkeep.ResumeAnswer{Kind: lnkeep.AnswerUnknown}
		},
	}
	resumption, err := payments.Resume(ctx, options)
	must(t, err)
	if len(asked) != 2 || asked[key(1)] != hashOf(1) || asked[key(2)] != hashOf(2) {
		t.Fatal(asked)
	}
	outcomes := []lnkeep.ResumeOutcome{lnkeep.ResumeWaiting, lnkeep.ResumeMaySend, lnkeep.ResumeDone}
	for i, outcome := range outcomes {
		if resumption.Payments[i].Outcome != outcome {
			t.Errorf("%d: %+v", i+1, resumption.Payments[i])
		}
	}
	// Failed attempts of payments that are done went; what was handed off waits for its record's result.
	if payment := fetch(t, payments, hashOf(3)); payment.Status != lnkeep.PaymentFailed ||
		len(payment.Attempts) != 0 {
		t.Fatalf("%+v", payment)
	}
	do(t)(attempts.StoreResult(ctx, key(1), lnkeep.Settle(preimage(1))))
	resumption, err = payments.Resume(ctx, options)
	if err != nil || resumption.Payments[0].Outcome != lnkeep.ResumeDone {
		t.Fatalf("%+v: %v", resumption, err)
	}
	if payment := fetch(t, payments, hashOf(1)); payment.Status != lnkeep.PaymentSucceeded {
		t.Fatalf("%+v", payment)
	}
}

func TestStuck_TellsWhatNobodyLooksAfter(t *testing.T) {
	store, payments, attempts := registered(t)
	ctx := soon(t)
	now := time.UnixMilli(1_700_000_000_000)
	must(t, store.Tick(now, 800_000))
	late := whole(2, 1000)
	late.CLTVExpiry = 799_990
	initiated(t, payments, 2, 1000)
	paid(t)(payments.Register(ctx, hashOf(2), late))
	initiated(t, payments, 3, 1000)
	initiated(t, payments, 4, 1000)
	paid(t)(payments.RegisterAndInit(ctx, hashOf(4), whole(4, 1000)))
	// The result of attempt 1 is there and not collected; the record of attempt 4 is gone.
	do(t)(attempts.StoreResult(ctx, key(1), lnkeep.Fail(nil)))
	do(t)(attempts.FailPending(ctx, key(4), lnkeep.Failure{}))
	do(t)(attempts.Ack(ctx, key(4)))
	_, err := attempts.Forget(ctx, key(4))
	must(t, err)

	list, err := payments.Stuck(lnkeep.StuckQuery{GraceBlocks: 9, UntouchedSince: now.Add(time.Millisecond)})
	must(t, err)
	expected := []lnkeep.Stuck{
		{Hash: hashOf(1), Sequence: 1, Attempt: key(1), Reason: lnkeep.StuckResultNotCollected},
		{Hash: hashOf(2), Sequence: 2, Attempt: key(2), Reason: lnkeep.StuckPastExpiry, CLTVExpiry: 799_990},
		{Hash: hashOf(3), Sequence: 3, Reason: lnkeep.StuckAbandoned},
		{Hash: hashOf(4), Sequence: 4, Attempt: key(4), Reason: lnkeep.StuckNoRecord},
	}
	if len(list.Found) != len(expected) || list.Next != 0 {
		t.Fatalf("%+v", list)
	}
	for i := range expected {
		if list.Found[i] != expected[i] {
			t.Errorf("%+v is not %+v", list.Found[i], expected[i])
		}
	}
	list, err = payments.Stuck(lnkeep.StuckQuery{GraceBlocks: 10, After: 1, UntouchedSince: now})
	if err != nil || len(list.Found) != 1 || list.Found[0] != expected[3] {
		t.Fatalf("%+v: %v", list, err)
	}
	list, err = payments.Stuck(lnkeep.StuckQuery{BlockHeight: 799_989, After: 3})
	if err != nil || len(list.Found) != 1 {
		t.Fatalf("%+v: %v", list, err)
	}
	_, err = payments.Stuck(lnkeep.StuckQuery{UntouchedSince: time.Unix(-1, 0)})
	want(t, err, lnkeep.ErrInvalidArgument)
}

func TestStuck_GoesOnPageByPage(t *testing.T) {
	store, payments := newPayments(t)
	must(t, store.Tick(time.UnixMilli(1000), 1))
	ops := make([]lnkeep.Operation, 300)
	for i := range ops {
		ops[i] = payments.OpInit(lnkeep.PaymentInit{Hash: lnkeep.PaymentHash{byte(i), byte(i >> 8), 1}})
	}
	_, err := store.Submit(soon(t), ops...)
	must(t, err)
	query := lnkeep.StuckQuery{UntouchedSince: time.UnixMilli(1001)}
	found, calls := 0, 0
	for {
		list, err := payments.Stuck(query)
		must(t, err)
		found, calls = found+len(list.Found), calls+1
		if query.After = list.Next; query.After == 0 {
			break
		}
	}
	if found != 300 || calls != 2 {
		t.Fatal(found, calls)
	}
}
