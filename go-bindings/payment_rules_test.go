package lnkeep_test

import (
	"math"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestAllows_IsTheTableOfTheRules(t *testing.T) {
	for _, c := range []struct {
		state                          lnkeep.PaymentState
		init, update, remove, register error
		more, wait                     bool
		moreErr, waitErr               error
	}{
		{
			state: lnkeep.PaymentState{Status: lnkeep.PaymentInitiated, RemainingMsat: 1},
			init:  lnkeep.ErrPaymentExists, more: true,
		}, {
			state: lnkeep.PaymentState{Status: lnkeep.PaymentInitiated}, init: lnkeep.ErrPaymentExists,
			moreErr: lnkeep.ErrPaymentInternal, waitErr: lnkeep.ErrPaymentInternal,
		}, {
			state: lnkeep.PaymentState{Status: lnkeep.PaymentInFlight}, init: lnkeep.ErrPaymentInFlight,
			remove: lnkeep.ErrPaymentInFlight, wait: true,
		}, {
			state: lnkeep.PaymentState{Status: lnkeep.PaymentInFlight, RemainingMsat: 1, HasSettled: true,
				GivenUp: true},
			init: lnkeep.ErrPaymentInFlight, remove: lnkeep.ErrPaymentInFlight,
			register: lnkeep.ErrPaymentPendingSettled,
			wait:     true,
		}, {
			state: lnkeep.PaymentState{Status: lnkeep.PaymentInFlight, RemainingMsat: 1, GivenUp: true},
			init:  lnkeep.ErrPaymentInFlight, remove: lnkeep.ErrPaymentInFlight,
			register: lnkeep.ErrPaymentPendingFailed,
			wait:     true,
		}, {
			state: lnkeep.PaymentState{Status: lnkeep.PaymentSucceeded, HasSettled: true}, init: lnkeep.ErrAlreadyPaid,
			update: lnkeep.ErrPaymentAlreadySucceeded, register: lnkeep.ErrPaymentAlreadySucceeded,
		}, {
			state: lnkeep.PaymentState{Status: lnkeep.PaymentSucceeded, RemainingMsat: 1}, init: lnkeep.ErrAlreadyPaid,
			update: lnkeep.ErrPaymentAlreadySucceeded, register: lnkeep.ErrPaymentAlreadySucceeded,
			moreErr: lnkeep.ErrPaymentInternal, waitErr: lnkeep.ErrPaymentInternal,
		}, {
			state:  lnkeep.PaymentState{Status: lnkeep.PaymentFailed, RemainingMsat: 1, GivenUp: true},
			update: lnkeep.ErrPaymentAlreadyFailed, register: lnkeep.ErrPaymentAlreadyFailed,
		},
	} {
		rules, err := c.state.Allows()
		must(t, err)
		for _, pair := range [][2]error{
			{rules.Init, c.init}, {rules.Update, c.update}, {rules.Remove, c.remove}, {rules.Register, c.register},
			{rules.AllowMoreErr, c.moreErr}, {rules.NeedWaitErr, c.waitErr},
		} {
			if !is(pair[0], pair[1]) {
				t.Errorf("%+v: %v, not %v", c.state, pair[0], pair[1])
			}
		}
		if rules.AllowMore != c.more || rules.NeedWait != c.wait {
			t.Errorf("%+v: %+v", c.state, rules)
		}
	}
	for _, status := range []lnkeep.PaymentStatus{0, 5, math.MaxUint32} {
		_, err := lnkeep.PaymentState{Status: status}.Allows()
		want(t, err, lnkeep.ErrUnknownStatus)
	}
}

func TestComputeState_SumsWhatDidNotFail(t *testing.T) {
	sums := []lnkeep.AttemptSum{
		{lnkeep.PaymentAttemptSettled, 400, 1}, {lnkeep.PaymentAttemptInFlight, 500, 2},
		{lnkeep.PaymentAttemptFailed, 999, 9},
	}
	state, err := lnkeep.ComputeState(1000, sums, lnkeep.FailureReasonTimeout)
	must(t, err)
	expected := lnkeep.PaymentState{
		Status: lnkeep.PaymentInFlight, HasSettled: true, InFlight: 1, RemainingMsat: 100, FeesMsat: 3,
	}
	if state != expected {
		t.Fatalf("%+v", state)
	}
	state, err = lnkeep.ComputeState(1000, nil, lnkeep.FailureReasonTimeout)
	if err != nil || state != (lnkeep.PaymentState{Status: lnkeep.PaymentFailed, GivenUp: true,
		RemainingMsat: 1000}) {
		t.Fatalf("%+v: %v", state, err)
	}
	_, err = lnkeep.ComputeState(899, sums, 0)
	want(t, err, lnkeep.ErrSentExceedsTotal)
	wraps := []lnkeep.AttemptSum{{lnkeep.PaymentAttemptSettled, math.MaxUint64, 0},
		{lnkeep.PaymentAttemptSettled, 2, 0}}
	_, err = lnkeep.ComputeState(1, wraps, 0)
	want(t, err, lnkeep.ErrSentExceedsTotal)
	_, err = lnkeep.ComputeState(1, nil, 77)
	want(t, err, lnkeep.ErrInvalidArgument)
	_, err = lnkeep.ComputeState(1, []lnkeep.AttemptSum{{State: 4}}, 0)
	want(t, err, lnkeep.ErrInvalidArgument)
}

func TestPayment_State_LateSettlesMayCoverTooMuch(t *testing.T) {
	_, payments := newPayments(t)
	ctx := soon(t)
	initiated(t, payments, 1, 1000)
	for id := range uint64(2) {
		paid(t)(payments.Register(ctx, hashOf(1), whole(id, 1000)))
		if id == 0 {
			paid(t)(payments.FailAttempt(ctx, hashOf(1), key(0), noRoute))
		}
	}
	payment := paid(t)(payments.Settle(ctx, hashOf(1), key(1), settleOf(1)))
	obeysTheRules(t, payment)
	payment = paid(t)(payments.Settle(ctx, hashOf(1), key(0), settleOf(1)))
	if payment.RemainingMsat != 0 || !payment.LateSettle || payment.Status != lnkeep.PaymentSucceeded {
		t.Fatalf("%+v", payment)
	}
	_, err := payment.State()
	want(t, err, lnkeep.ErrSentExceedsTotal)
}

func TestVerifyAttempt_LooksAtTheOtherAttempts(t *testing.T) {
	total := uint64(1000)
	blinded := whole(2, 400)
	blinded.BlindedTotalMsat = &total
	otherAddress := part(2, 400, 1000)
	otherAddress.MPP.PaymentAddress = lnkeep.Secret{}
	both := blinded
	both.MPP = &lnkeep.MPP{}
	missing := whole(2, 400)
	missing.BlindedTotalMsat = new(uint64)
	halves := []lnkeep.PaymentAttemptRequest{part(1, 500, 1000)}
	for i, c := range []struct {
		inFlight, settled []lnkeep.PaymentAttemptRequest
		attempt           lnkeep.PaymentAttemptRequest
		err               error
	}{
		{nil, nil, whole(2, 1000), nil},
		{nil, nil, whole(2, 999), lnkeep.ErrValueMismatch},
		{halves, nil, part(2, 500, 1000), nil},
		{halves, nil, part(2, 501, 1000), lnkeep.ErrValueExceeds},
		{nil, halves, part(2, 501, 1000), lnkeep.ErrValueExceeds},
		{halves, halves, part(2, 1, 1000), lnkeep.ErrValueExceeds},
		{halves, nil, whole(2, 500), lnkeep.ErrMPPPayment},
		{nil, halves, whole(2, 1000), lnkeep.ErrValueExceeds},
		{[]lnkeep.PaymentAttemptRequest{whole(1, 400)}, nil, part(2, 400, 1000), lnkeep.ErrNonMPPPayment},
		{halves, nil, otherAddress, lnkeep.ErrMPPAddrMismatch},
		{halves, nil, part(2, 400, 999), lnkeep.ErrMPPTotalMismatch},
		{nil, nil, both, lnkeep.ErrMPPRecordInBlinded},
		{nil, nil, missing, lnkeep.ErrBlindedMissingTotal},
		{[]lnkeep.PaymentAttemptRequest{blinded}, nil, part(1, 400, 1000), lnkeep.ErrMixedBlinded},
	} {
		payment := lnkeep.Verification{AmountMsat: 1000, InFlight: c.inFlight, Settled: c.settled}
		if err := lnkeep.VerifyAttempt(payment, c.attempt); !is(err, c.err) {
			t.Errorf("%d: %v, not %v", i, err, c.err)
		}
	}
	strict := lnkeep.Verification{AmountMsat: 1000, CheckTotals: true}
	want(t, lnkeep.VerifyAttempt(strict, part(2, 400, 999)), lnkeep.ErrMPPTotalMismatch)
	must(t, lnkeep.VerifyAttempt(lnkeep.Verification{AmountMsat: 1000}, part(2, 400, 999)))
}

func TestPaymentNumbers_HaveNames(t *testing.T) {
	for name, number := range map[string]interface{ String() string }{
		"in_flight": lnkeep.PaymentInFlight, "payment status 9": lnkeep.PaymentStatus(9),
		"none": lnkeep.FailureReason(0), "incorrect_payment_details": lnkeep.FailureReasonIncorrectPaymentDetails,
		"canceled": lnkeep.FailureReasonCanceled, "failure reason 7": lnkeep.FailureReason(7),
		"unreadable": lnkeep.AttemptFailureUnreadable, "attempt failure reason 0": lnkeep.AttemptFailureReason(0),
		"settled": lnkeep.PaymentAttemptSettled, "payment attempt state 4": lnkeep.PaymentAttemptState(4),
		"failed": lnkeep.TerminalFailed, "terminal kind 3": lnkeep.TerminalKind(3),
		"failed_final": lnkeep.AnswerFailedFinal, "answer 0": lnkeep.AnswerKind(0),
		"may_send": lnkeep.ResumeMaySend, "resume outcome 6": lnkeep.ResumeOutcome(6),
		"result_not_collected": lnkeep.StuckResultNotCollected, "stuck reason 0": lnkeep.StuckReason(0),
		"payment_late_settle": lnkeep.EventPaymentLateSettle, "event kind 62": lnkeep.EventKind(62),
		"PAYMENT_IN_FLIGHT": lnkeep.StatusPaymentInFlight, "PAYMENT_INTERNAL": lnkeep.StatusPaymentInternal,
	} {
		if number.String() != name {
			t.Errorf("%q, not %q", number.String(), name)
		}
	}
}
