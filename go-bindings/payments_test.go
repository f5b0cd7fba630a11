package lnkeep_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// fullInit has every field of a request set.
func fullInit() lnkeep.PaymentInit {
	return lnkeep.PaymentInit{
		Hash: hashOf(1), AmountMsat: 5000, Created: time.Unix(1_700_000_000, 123_456_789),
		IdempotencyKey: bytes.Repeat([]byte{7}, 64), PaymentRequest: []byte("lnbc1..."),
		FirstHopRecords: []byte{1, 0, 2},
		Intent: &lnkeep.Intent{
			Deadline: time.Unix(1_800_000_000, 1), FeeLimitMsat: math.MaxUint64, Destination: &[33]byte{2, 32: 9},
			AMPRootShare: &lnkeep.Secret{31: 5}, Data: []byte("data"),
		},
	}
}

// fullAttempt has every field set that can stand together.
func fullAttempt(secret lnkeep.Preimage) lnkeep.PaymentAttemptRequest {
	attemptHash := lnkeep.PaymentHash(sha256.Sum256(secret[:]))
	firstHop := uint64(2001)
	return lnkeep.PaymentAttemptRequest{
		Key: lnkeep.Key{Namespace: lnkeep.Namespace{'n', 15: 1}, ID: 1 << 63}, AmountMsat: 2000, FeeMsat: 3,
		AttemptHash: &attemptHash, MPP: &lnkeep.MPP{PaymentAddress: lnkeep.Secret{1, 31: 2}, TotalMsat: 5000},
		AMP:      &lnkeep.AMP{RootShare: lnkeep.Secret{3}, SetID: [32]byte{4}, ChildIndex: 1 << 31},
		HopCount: 20, CLTVExpiry: 800_144, FirstHopSCID: 1 << 60, FirstHopAmountMsat: &firstHop,
		Sent: time.Unix(1_700_000_001, 999_999_999), Route: bytes.Repeat([]byte{0xee}, 65_535),
		SessionKey: bytes.Repeat([]byte{5}, 64), FirstHopRecords: bytes.Repeat([]byte{6}, 65_535),
	}
}

func TestPayments_EveryFieldComesBackAsItWasGiven(t *testing.T) {
	store, payments := newPayments(t)
	ctx := soon(t)
	now := time.UnixMilli(1_700_000_002_123)
	must(t, store.Tick(now, 800_000))
	given, secret := fullInit(), preimage(77)
	request := fullAttempt(secret)
	paid(t)(payments.Init(ctx, given))
	payment := paid(t)(payments.Register(ctx, given.Hash, request))
	expected := &lnkeep.Payment{
		Init: given, Sequence: 1, Revision: 2, Status: lnkeep.PaymentInFlight, Updated: now, InFlight: 1,
		RemainingMsat: 3000, FeesMsat: 3,
		Attempts: []lnkeep.PaymentAttempt{{Request: request, State: lnkeep.PaymentAttemptInFlight}},
	}
	if !reflect.DeepEqual(payment, expected) || !reflect.DeepEqual(fetch(t, payments, given.Hash), expected) {
		t.Fatalf("%+v\nis not\n%+v", payment, expected)
	}

	settle := lnkeep.AttemptSettle{Preimage: secret, Time: time.Unix(1_700_000_003, 1)}
	payment = paid(t)(payments.Settle(ctx, given.Hash, request.Key, settle))
	expected.Revision, expected.InFlight, expected.Status = 3, 0, lnkeep.PaymentSucceeded
	expected.Terminal = lnkeep.TerminalSettled
	expected.Attempts[0].State, expected.Attempts[0].Settle = lnkeep.PaymentAttemptSettled, &settle
	if !reflect.DeepEqual(payment, expected) || !reflect.DeepEqual(fetch(t, payments, given.Hash), expected) {
		t.Fatalf("%+v\nis not\n%+v", payment, expected)
	}
	if payment.Hash() != given.Hash || payment.SettledAttempt() != &payment.Attempts[0] {
		t.Fatal(payment.Hash(), payment.SettledAttempt())
	}
	if payment.Attempt(request.Key) != &payment.Attempts[0] || payment.Attempt(key(4)) != nil {
		t.Fatal("an attempt is not found by its key")
	}
}

func TestPayments_FailuresComeBackAsTheyWereGiven(t *testing.T) {
	_, payments := newPayments(t)
	ctx := soon(t)
	initiated(t, payments, 1, 1000)
	paid(t)(payments.Register(ctx, hashOf(1), whole(1, 1000)))
	failure := lnkeep.AttemptFailure{
		Reason: lnkeep.AttemptFailureMessage, SourceIndex: 4, Time: time.Unix(1, 2),
		Message: bytes.Repeat([]byte{8}, 65_535),
	}
	payment := paid(t)(payments.FailAttempt(ctx, hashOf(1), key(1), failure))
	if !reflect.DeepEqual(payment.Attempts[0].Failure, &failure) || payment.Status != lnkeep.PaymentInFlight {
		t.Fatalf("%+v", payment)
	}
	paidBefore(t)(payments.FailAttempt(ctx, hashOf(1), key(1), failure))
	payment = paid(t)(payments.Fail(ctx, hashOf(1), lnkeep.FailureReasonTimeout))
	if payment.Status != lnkeep.PaymentFailed || !payment.Status.Terminal() ||
		payment.Terminal != lnkeep.TerminalFailed {
		t.Fatalf("%+v", payment)
	}
	paidBefore(t)(payments.Fail(ctx, hashOf(1), lnkeep.FailureReasonTimeout))
	payment = paid(t)(payments.Fail(ctx, hashOf(1), lnkeep.FailureReasonCanceled))
	if payment.FailureReason != lnkeep.FailureReasonCanceled ||
		payment.FirstFailureReason != lnkeep.FailureReasonTimeout {
		t.Fatalf("%+v", payment)
	}
	// Initiated again: a new payment, without the attempts of the old one.
	restarted := initiated(t, payments, 1, 700)
	if restarted.Sequence <= payment.Sequence || len(restarted.Attempts) != 0 || restarted.FailureReason != 0 {
		t.Fatalf("%+v", restarted)
	}
}

func TestPayments_ZeroValuesAreUnknownOnes(t *testing.T) {
	_, payments := newPayments(t)
	ctx := soon(t)
	payment := paid(t)(payments.Init(ctx, lnkeep.PaymentInit{}))
	if !reflect.DeepEqual(payment.Init, lnkeep.PaymentInit{}) || payment.Updated != (time.Time{}) {
		t.Fatalf("%+v", payment)
	}
	paidBefore(t)(payments.Init(ctx, lnkeep.PaymentInit{
		IdempotencyKey: []byte{}, PaymentRequest: []byte{}, FirstHopRecords: []byte{},
	}))
	unpaid(t, lnkeep.ErrInvalidRoute)(payments.Register(ctx, lnkeep.PaymentHash{},
		lnkeep.PaymentAttemptRequest{}))
	bare := lnkeep.PaymentAttemptRequest{HopCount: 1}
	payment = paid(t)(payments.Register(ctx, lnkeep.PaymentHash{}, bare))
	if !reflect.DeepEqual(payment.Attempts[0].Request, bare) {
		t.Fatalf("%+v", payment)
	}
	// An intent, a record and a number that are there and zero are not the same as none.
	zero := uint64(0)
	given := lnkeep.PaymentInit{Hash: hashOf(1), AmountMsat: 5,
		Intent: &lnkeep.Intent{AMPRootShare: &lnkeep.Secret{}, Destination: &[33]byte{}}}
	paid(t)(payments.Init(ctx, given))
	full := whole(1, 5)
	full.AMP, full.MPP, full.FirstHopAmountMsat = &lnkeep.AMP{}, &lnkeep.MPP{}, &zero
	full.AttemptHash = &lnkeep.PaymentHash{}
	payment = paid(t)(payments.Register(ctx, hashOf(1), full))
	if !reflect.DeepEqual(payment.Init, given) || !reflect.DeepEqual(payment.Attempts[0].Request, full) {
		t.Fatalf("%+v", payment)
	}
}

func TestPayments_TimesAreKeptToTheNanosecond(t *testing.T) {
	_, payments := newPayments(t)
	ctx := soon(t)
	last := time.Unix(18_446_744_072, 999_999_999)
	for i, given := range []time.Time{{}, time.Unix(0, 1), time.Unix(1, 0), time.Now(), last} {
		init := lnkeep.PaymentInit{Hash: hashOf(byte(i)), Created: given, Intent: &lnkeep.Intent{Deadline: given}}
		payment := paid(t)(payments.Init(ctx, init))
		if !payment.Init.Created.Equal(given) || !payment.Init.Intent.Deadline.Equal(given) ||
			payment.Init.Created.IsZero() != given.IsZero() {
			t.Errorf("%v came back as %v", given, payment.Init.Created)
		}
	}
	// The first instant of 1970 stands for unknown.
	epoch := paid(t)(payments.Init(ctx, lnkeep.PaymentInit{Hash: hashOf(99), Created: time.Unix(0, 0)}))
	if !epoch.Init.Created.IsZero() {
		t.Error(epoch.Init.Created)
	}
	for _, given := range []time.Time{time.Unix(-1, 0), time.Unix(0, -1), last.Add(1), time.Unix(1<<60, 0)} {
		init := lnkeep.PaymentInit{Hash: hashOf(100), Created: given}
		unpaid(t, lnkeep.ErrInvalidArgument)(payments.Init(ctx, init))
		init.Created, init.Intent = time.Time{}, &lnkeep.Intent{Deadline: given}
		unpaid(t, lnkeep.ErrInvalidArgument)(payments.Init(ctx, init))
		attempt := whole(1, 1)
		attempt.Sent = given
		unpaid(t, lnkeep.ErrInvalidArgument)(payments.Register(ctx, hashOf(0), attempt))
		settle := lnkeep.AttemptSettle{Time: given}
		unpaid(t, lnkeep.ErrInvalidArgument)(payments.Settle(ctx, hashOf(0), key(1), settle))
		failure := lnkeep.AttemptFailure{Reason: lnkeep.AttemptFailureUnknown, Time: given}
		unpaid(t, lnkeep.ErrInvalidArgument)(payments.FailAttempt(ctx, hashOf(0), key(1), failure))
		unpaid(t, lnkeep.ErrInvalidArgument)(payments.ForceFail(ctx, hashOf(0), key(1), failure, ""))
		_, err := payments.List(lnkeep.PaymentQuery{CreatedFrom: given})
		want(t, err, lnkeep.ErrInvalidArgument)
		_, err = payments.List(lnkeep.PaymentQuery{CreatedTo: given})
		want(t, err, lnkeep.ErrInvalidArgument)
		_, err = payments.DeleteMany(ctx, lnkeep.PaymentDeleteFilter{CreatedTo: given})
		want(t, err, lnkeep.ErrInvalidArgument)
		_, err = payments.Resume(ctx, lnkeep.ResumeOptions{Answers: []lnkeep.ResumeAnswer{{
			Kind: lnkeep.AnswerFailed, Failure: failure,
		}}})
		want(t, err, lnkeep.ErrInvalidArgument)
		want(t, lnkeep.VerifyAttempt(lnkeep.Verification{}, attempt), lnkeep.ErrInvalidArgument)
		held := lnkeep.Verification{Settled: []lnkeep.PaymentAttemptRequest{attempt}}
		want(t, lnkeep.VerifyAttempt(held, whole(1, 1)), lnkeep.ErrInvalidArgument)
	}
}

func TestPayments_Init_AHashIsPaidOnce(t *testing.T) {
	_, payments := newPayments(t)
	ctx := soon(t)
	again := lnkeep.PaymentInit{Hash: hashOf(1), AmountMsat: 1000}
	initiated(t, payments, 1, 1000)
	if payment := paidBefore(t)(payments.Init(ctx, again)); payment.Status != lnkeep.PaymentInitiated {
		t.Fatalf("%+v", payment)
	}
	other := again
	other.AmountMsat++
	unpaid(t, lnkeep.ErrPaymentExists)(payments.Init(ctx, other))
	paid(t)(payments.Register(ctx, hashOf(1), whole(1, 1000)))
	unpaid(t, lnkeep.ErrPaymentInFlight)(payments.Init(ctx, again))
	paid(t)(payments.Settle(ctx, hashOf(1), key(1), settleOf(1)))
	unpaid(t, lnkeep.ErrAlreadyPaid)(payments.Init(ctx, again))
	do(t)(payments.Delete(ctx, hashOf(1)))
	unpaid(t, lnkeep.ErrAlreadyPaid)(payments.Init(ctx, again))
	do(t)(payments.ForgetPaid(ctx, hashOf(1)))
	paid(t)(payments.Init(ctx, again))
}

func TestPayments_Init_ARequestIsPaidOncePerIdempotencyKey(t *testing.T) {
	_, payments := newPayments(t)
	ctx := soon(t)
	first := lnkeep.PaymentInit{Hash: hashOf(1), AmountMsat: 1000, IdempotencyKey: []byte("order 1")}
	paid(t)(payments.Init(ctx, first))
	paid(t)(payments.Register(ctx, hashOf(1), whole(1, 1000)))
	if payment := paidBefore(t)(payments.Init(ctx, first)); payment.Status != lnkeep.PaymentInFlight {
		t.Fatalf("%+v", payment)
	}
	other := first
	other.Hash = hashOf(2)
	unpaid(t, lnkeep.ErrFingerprintMismatch)(payments.Init(ctx, other))
	paid(t)(payments.FailAttempt(ctx, hashOf(1), key(1), noRoute))
	paid(t)(payments.Fail(ctx, hashOf(1), lnkeep.FailureReasonNoRoute))
	if payment := paidBefore(t)(payments.Init(ctx, first)); payment.Status != lnkeep.PaymentFailed {
		t.Fatalf("%+v", payment)
	}
	second := first
	second.IdempotencyKey = []byte("order 2")
	paid(t)(payments.Init(ctx, second))
	unpaid(t, lnkeep.ErrPaymentAlreadyFailed)(payments.Init(ctx, first))
	paid(t)(payments.Fail(ctx, hashOf(1), lnkeep.FailureReasonNoRoute))
	do(t)(payments.Delete(ctx, hashOf(1)))
	unpaid(t, lnkeep.ErrDeleted)(payments.Init(ctx, second))
	second.IdempotencyKey = bytes.Repeat([]byte{1}, 65)
	unpaid(t, lnkeep.ErrTooBig)(payments.Init(ctx, second))
}

func TestPayments_Register_RefusesInOrder(t *testing.T) {
	_, payments := newPayments(t)
	ctx := soon(t)
	blinded := func(id, amount, total uint64) lnkeep.PaymentAttemptRequest {
		attempt := whole(id, amount)
		attempt.BlindedTotalMsat = &total
		return attempt
	}
	both := blinded(9, 400, 1000)
	both.MPP = &lnkeep.MPP{TotalMsat: 1000}
	otherAddress, otherTotal := part(9, 400, 1000), part(9, 400, 999)
	otherAddress.MPP.PaymentAddress = lnkeep.Secret{1}
	unpaid(t, lnkeep.ErrPaymentNotInitiated)(payments.Register(ctx, hashOf(1), whole(1, 1000)))

	initiated(t, payments, 1, 1000)
	unpaid(t, lnkeep.ErrValueMismatch)(payments.Register(ctx, hashOf(1), whole(1, 999)))
	paid(t)(payments.Register(ctx, hashOf(1), part(1, 400, 1000)))
	initiated(t, payments, 2, 1000)
	paid(t)(payments.Register(ctx, hashOf(2), blinded(2, 400, 1000)))
	initiated(t, payments, 3, 1000)
	paid(t)(payments.Register(ctx, hashOf(3), whole(3, 1000)))
	for _, c := range []struct {
		payment byte
		attempt lnkeep.PaymentAttemptRequest
		err     error
	}{
		{1, lnkeep.PaymentAttemptRequest{Key: key(1)}, lnkeep.ErrInvalidRoute},
		{1, part(1, 401, 1000), lnkeep.ErrAttemptIDExists},
		{1, part(2, 400, 1000), lnkeep.ErrAttemptIDExists},
		{2, blinded(9, 400, 0), lnkeep.ErrBlindedMissingTotal},
		{2, both, lnkeep.ErrMPPRecordInBlinded},
		{2, part(9, 400, 1000), lnkeep.ErrMixedBlinded},
		{2, blinded(9, 400, 999), lnkeep.ErrBlindedTotalMismatch},
		{1, whole(9, 1000), lnkeep.ErrMPPPayment},
		{3, part(9, 400, 1000), lnkeep.ErrNonMPPPayment},
		{1, otherAddress, lnkeep.ErrMPPAddrMismatch},
		{1, otherTotal, lnkeep.ErrMPPTotalMismatch},
		{1, part(9, 601, 1000), lnkeep.ErrValueExceeds},
		{1, part(9, math.MaxUint64, 1000), lnkeep.ErrValueExceeds},
	} {
		unpaid(t, c.err)(payments.Register(ctx, hashOf(c.payment), c.attempt))
	}
	if payment := paidBefore(t)(payments.Register(ctx, hashOf(1), part(1, 400, 1000))); payment.Revision != 2 {
		t.Fatalf("%+v", payment)
	}

	tooBig := whole(6, 1000)
	initiated(t, payments, 6, 1000)
	tooBig.Route = make([]byte, 65_536)
	unpaid(t, lnkeep.ErrTooBig)(payments.Register(ctx, hashOf(6), tooBig))
	tooBig.Route, tooBig.SessionKey = nil, make([]byte, 65)
	unpaid(t, lnkeep.ErrTooBig)(payments.Register(ctx, hashOf(6), tooBig))
}

func TestPayments_Register_TheStatusIsLookedAtFirst(t *testing.T) {
	_, payments := newPayments(t)
	ctx := soon(t)
	none := lnkeep.PaymentAttemptRequest{Key: key(9)}
	unpaid(t, lnkeep.ErrPaymentNotInitiated)(payments.Register(ctx, hashOf(1), none))
	initiated(t, payments, 1, 1000)
	paid(t)(payments.Register(ctx, hashOf(1), part(1, 400, 1000)))
	paid(t)(payments.Register(ctx, hashOf(1), part(2, 100, 1000)))
	paid(t)(payments.Fail(ctx, hashOf(1), lnkeep.FailureReasonTimeout))
	unpaid(t, lnkeep.ErrPaymentPendingFailed)(payments.Register(ctx, hashOf(1), none))
	paid(t)(payments.Settle(ctx, hashOf(1), key(1), settleOf(1)))
	unpaid(t, lnkeep.ErrPaymentPendingSettled)(payments.Register(ctx, hashOf(1), none))
	paid(t)(payments.FailAttempt(ctx, hashOf(1), key(2), noRoute))
	unpaid(t, lnkeep.ErrPaymentAlreadySucceeded)(payments.Register(ctx, hashOf(1), none))
	givenUp(t, payments, 2)
	unpaid(t, lnkeep.ErrPaymentAlreadyFailed)(payments.Register(ctx, hashOf(2), none))
}

func TestPayments_CheckTotals(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	payments := openPayments(t, store, &lnkeep.PaymentsOptions{CheckTotals: true})
	ctx := soon(t)
	initiated(t, payments, 1, 1000)
	unpaid(t, lnkeep.ErrMPPTotalMismatch)(payments.Register(ctx, hashOf(1), part(1, 400, 999)))
	total := uint64(999)
	blinded := whole(1, 400)
	blinded.BlindedTotalMsat = &total
	unpaid(t, lnkeep.ErrBlindedTotalMismatch)(payments.Register(ctx, hashOf(1), blinded))
	first, second := part(1, 400, 1000), part(2, 400, 1000)
	first.AMP, second.AMP = &lnkeep.AMP{SetID: [32]byte{1}}, &lnkeep.AMP{SetID: [32]byte{2}}
	paid(t)(payments.Register(ctx, hashOf(1), first))
	unpaid(t, lnkeep.ErrMPPAddrMismatch)(payments.Register(ctx, hashOf(1), second))
}

func TestPayments_Settle_AndFailAttempt_RefuseInOrder(t *testing.T) {
	_, payments := newPayments(t)
	ctx := soon(t)
	fails := func(n byte, id uint64, err error, strictness ...lnkeep.Strictness) {
		t.Helper()
		unpaid(t, err)(payments.FailAttempt(ctx, hashOf(n), key(id), noRoute, strictness...))
	}
	settles := func(n byte, id uint64, err error, strictness ...lnkeep.Strictness) {
		t.Helper()
		unpaid(t, err)(payments.Settle(ctx, hashOf(n), key(id), settleOf(n), strictness...))
	}
	settles(1, 1, lnkeep.ErrPaymentNotInitiated)
	fails(1, 1, lnkeep.ErrPaymentNotInitiated)
	unpaid(t, lnkeep.ErrPaymentNotInitiated)(payments.Fail(ctx, hashOf(1), lnkeep.FailureReasonError))
	initiated(t, payments, 1, 1000)
	settles(1, 1, lnkeep.ErrAttemptNotFound)
	fails(1, 1, lnkeep.ErrAttemptNotFound)
	for id := range uint64(3) {
		paid(t)(payments.Register(ctx, hashOf(1), part(id, 100, 1000)))
	}
	unpaid(t, lnkeep.ErrBadPreimage)(payments.Settle(ctx, hashOf(1), key(0), settleOf(2)))
	paid(t)(payments.Settle(ctx, hashOf(1), key(0), settleOf(1)))
	paidBefore(t)(payments.Settle(ctx, hashOf(1), key(0), settleOf(1)))
	settles(1, 0, lnkeep.ErrAttemptAlreadySettled, lnkeep.RefuseRepeat)
	fails(1, 0, lnkeep.ErrAttemptAlreadySettled)
	paid(t)(payments.FailAttempt(ctx, hashOf(1), key(1), noRoute))
	fails(1, 1, lnkeep.ErrAttemptAlreadyFailed, lnkeep.RefuseRepeat)
	settles(1, 1, lnkeep.ErrAttemptAlreadyFailed, lnkeep.FirstResultOnly)
	settles(1, 1, lnkeep.ErrAttemptAlreadyFailed, lnkeep.RefuseRepeat, lnkeep.RefuseLate)
	fails(1, 2, lnkeep.ErrInvalidArgument, lnkeep.RefuseLate)
	settles(1, 2, lnkeep.ErrInvalidArgument, lnkeep.Strictness(128))
	fails(1, 2, lnkeep.ErrInvalidArgument, lnkeep.Strictness(1))
	unpaid(t, lnkeep.ErrInvalidArgument)(payments.FailAttempt(ctx, hashOf(1), key(2), lnkeep.AttemptFailure{}))
	unpaid(t, lnkeep.ErrInvalidArgument)(payments.Fail(ctx, hashOf(1), 0))
	unpaid(t, lnkeep.ErrTooBig)(payments.FailAttempt(ctx, hashOf(1), key(2), lnkeep.AttemptFailure{
		Reason: lnkeep.AttemptFailureMessage, Message: make([]byte, 65_536),
	}))
	paid(t)(payments.Settle(ctx, hashOf(1), key(2), settleOf(1)))
	fails(1, 1, lnkeep.ErrPaymentAlreadySucceeded, lnkeep.RefuseRepeat)
	unpaid(t, lnkeep.ErrPaymentAlreadySucceeded)(payments.Fail(ctx, hashOf(1), lnkeep.FailureReasonError))

	// A late settle beats the failure that was reported.
	initiated(t, payments, 2, 1000)
	paid(t)(payments.Register(ctx, hashOf(2), whole(7, 1000)))
	paid(t)(payments.FailAttempt(ctx, hashOf(2), key(7), noRoute))
	paid(t)(payments.Fail(ctx, hashOf(2), lnkeep.FailureReasonNoRoute))
	fails(2, 7, lnkeep.ErrPaymentAlreadyFailed, lnkeep.RefuseRepeat)
	settles(2, 7, lnkeep.ErrPaymentAlreadyFailed, lnkeep.RefuseLate)
	payment, outcome, err := payments.Settle(ctx, hashOf(2), key(7), settleOf(2))
	do(t)(outcome, err)
	if !outcome.Conflict || !payment.LateSettle || !payment.Attempts[0].LateSettle ||
		payment.Status != lnkeep.PaymentSucceeded || payment.FailureReason != lnkeep.FailureReasonNoRoute ||
		payment.Terminal != lnkeep.TerminalSettled || payment.Attempts[0].Failure != nil {
		t.Fatalf("%+v, %+v", payment, outcome)
	}
}

func TestPayments_OptionsHoldUntilTheClose(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	_, err := store.OpenPayments(&lnkeep.PaymentsOptions{FinishedRetention: -1})
	want(t, err, lnkeep.ErrInvalidArgument)
	_, err = store.OpenPayments(&lnkeep.PaymentsOptions{TombstoneRetention: -1})
	want(t, err, lnkeep.ErrInvalidArgument)
	first := openPayments(t, store, &lnkeep.PaymentsOptions{FinishedRetention: time.Second})
	_, err = store.OpenPayments(nil)
	want(t, err, lnkeep.ErrAlreadyOpen)
	second := openPayments(t, store, &lnkeep.PaymentsOptions{FinishedRetention: time.Second})
	rounded := openPayments(t, store, &lnkeep.PaymentsOptions{FinishedRetention: 900 * time.Millisecond})
	must(t, first.Close())
	must(t, first.Close())
	must(t, rounded.Close())
	if first.IsOpen() || !second.IsOpen() {
		t.Fatal("one value closed another")
	}
	_, err = first.Fetch(hashOf(1))
	want(t, err, lnkeep.ErrClosed)
	_, err = second.Fetch(hashOf(1))
	want(t, err, lnkeep.ErrPaymentNotInitiated)
}

func TestPayments_AContextThatEndedSubmitsNothing(t *testing.T) {
	_, payments := newPayments(t)
	initiated(t, payments, 1, 1000)
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, call := range paymentCalls(payments) {
		err := call(canceled)
		if !is(err, lnkeep.ErrCanceled) || !is(err, context.Canceled) || !is(err, lnkeep.ErrRetry) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if payment := fetch(t, payments, hashOf(1)); payment.Revision != 1 {
		t.Fatalf("%+v", payment)
	}
}

// paymentCalls are the calls that wait for the disk, about the payment of preimage(1).
func paymentCalls(p *lnkeep.Payments) map[string]func(context.Context) error {
	last := func(_ *lnkeep.Payment, outcome lnkeep.Outcome, err error) error {
		if outcome.Done || outcome.Already || outcome.Err != err {
			return nil
		}
		return err
	}
	only := func(outcome lnkeep.Outcome, err error) error {
		if outcome.Done || outcome.Already || outcome.Err != err {
			return nil
		}
		return err
	}
	hash := hashOf(1)
	request, settle := whole(1, 1000), settleOf(1)
	return map[string]func(context.Context) error{
		"Init": func(ctx context.Context) error {
			return last(p.Init(ctx, lnkeep.PaymentInit{Hash: hash}))
		},
		"Register":        func(ctx context.Context) error { return last(p.Register(ctx, hash, request)) },
		"RegisterAndInit": func(ctx context.Context) error { return last(p.RegisterAndInit(ctx, hash, request)) },
		"Settle":          func(ctx context.Context) error { return last(p.Settle(ctx, hash, key(1), settle)) },
		"FailAttempt": func(ctx context.Context) error {
			return last(p.FailAttempt(ctx, hash, key(1), noRoute))
		},
		"ForceFail": func(ctx context.Context) error {
			return last(p.ForceFail(ctx, hash, key(1), noRoute, "gone"))
		},
		"Fail": func(ctx context.Context) error {
			return last(p.Fail(ctx, hash, lnkeep.FailureReasonError))
		},
		"Delete":     func(ctx context.Context) error { return only(p.Delete(ctx, hash)) },
		"Forget":     func(ctx context.Context) error { return only(p.Forget(ctx, hash)) },
		"ForgetPaid": func(ctx context.Context) error { return only(p.ForgetPaid(ctx, hash)) },
		"Quarantine": func(ctx context.Context) error { return only(p.Quarantine(ctx, hash)) },
		"DeleteFailedAttempts": func(ctx context.Context) error {
			return only(p.DeleteFailedAttempts(ctx, hash))
		},
		"DeleteMany": func(ctx context.Context) error {
			_, err := p.DeleteMany(ctx, lnkeep.PaymentDeleteFilter{})
			return err
		},
		"Sweep":  func(ctx context.Context) error { _, err := p.Sweep(ctx); return err },
		"Resume": func(ctx context.Context) error { _, err := p.Resume(ctx, lnkeep.ResumeOptions{}); return err },
	}
}

func TestPayments_AfterTheCloseEverythingIsRefused(t *testing.T) {
	store, payments := newPayments(t)
	initiated(t, payments, 1, 1000)
	other := openPayments(t, store, nil)
	must(t, payments.Close())
	allClosed(t, payments)
	outcomes, err := store.Submit(soon(t), payments.OpFail(hashOf(1), lnkeep.FailureReasonError))
	want(t, err, lnkeep.ErrBatch)
	want(t, outcomes[0].Err, lnkeep.ErrClosed)
	must(t, store.Close())
	allClosed(t, other)
	_, err = store.OpenPayments(nil)
	want(t, err, lnkeep.ErrClosed)
	must(t, other.Close())
}

func allClosed(t *testing.T, payments *lnkeep.Payments) {
	t.Helper()
	for name, call := range paymentCalls(payments) {
		if err := call(soon(t)); !is(err, lnkeep.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := payments.Fetch(hashOf(1))
	want(t, err, lnkeep.ErrClosed)
	_, err = payments.List(lnkeep.PaymentQuery{})
	want(t, err, lnkeep.ErrClosed)
	_, err = payments.Counts()
	want(t, err, lnkeep.ErrClosed)
	_, err = payments.Stuck(lnkeep.StuckQuery{})
	want(t, err, lnkeep.ErrClosed)
	_, err = payments.Subscribe(hashOf(1))
	want(t, err, lnkeep.ErrClosed)
	_, err = payments.SubscribeAll()
	want(t, err, lnkeep.ErrClosed)
	for payment, err := range payments.Unfinished() {
		if payment != nil || !is(err, lnkeep.ErrClosed) {
			t.Fatal(payment, err)
		}
	}
	if payments.IsOpen() {
		t.Fatal("it is open")
	}
}

func TestPayments_ARestoredStorePaysNothingNewUntilItIsAcknowledged(t *testing.T) {
	directory := t.TempDir()
	store := openStore(t, directory+"/lost", nil)
	payments := openPayments(t, store, nil)
	initiated(t, payments, 1, 1000)
	_, err := store.Backup(soon(t), directory+"/backup")
	must(t, err)
	must(t, store.Close())
	_, err = lnkeep.Restore(soon(t), directory+"/backup", directory+"/new", lnkeep.RestoreOptions{})
	must(t, err)
	store = openStore(t, directory+"/new", nil)
	payments = openPayments(t, store, nil)
	unpaid(t, lnkeep.ErrNotAcknowledged)(payments.Init(soon(t), lnkeep.PaymentInit{Hash: hashOf(2)}))
	unpaid(t, lnkeep.ErrNotAcknowledged)(payments.Register(soon(t), hashOf(1), whole(1, 1000)))
	do(t)(openAttempts(t, store, nil).AcknowledgeRestore(soon(t), lnkeep.IDFloor{Floor: 100}))
	unpaid(t, lnkeep.ErrBelowFloor)(payments.RegisterAndInit(soon(t), hashOf(1), whole(1, 1000)))
	paid(t)(payments.RegisterAndInit(soon(t), hashOf(1), whole(100, 1000)))
}
