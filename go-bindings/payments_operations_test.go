package lnkeep_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestPayments_Submit_EveryOperation(t *testing.T) {
	for _, direct := range []bool{false, true} {
		t.Run(fmt.Sprint("direct=", direct), func(t *testing.T) {
			store := openStore(t, newPath(t), &lnkeep.StoreOptions{Direct: direct})
			everyOperation(t, store, openPayments(t, store, nil), openAttempts(t, store, nil))
		})
	}
}

func everyOperation(
	t *testing.T, store *lnkeep.Store, payments *lnkeep.Payments, attempts *lnkeep.Attempts,
) {
	init := lnkeep.PaymentInit{Hash: hashOf(1), AmountMsat: 1000}
	settle := lnkeep.AttemptSettle{Preimage: preimage(1), Time: time.Unix(5, 6)}
	bad := whole(9, 1000)
	bad.Sent = time.Unix(-1, 0)
	failed := []lnkeep.Operation{
		payments.OpInit(lnkeep.PaymentInit{Hash: hashOf(2), AmountMsat: 1000}),
		payments.OpRegister(hashOf(2), part(20, 10, 1000)),
		payments.OpRegisterAndInit(hashOf(2), part(21, 10, 1000)),
		attempts.OpMarkHandedOff(key(21)),
		payments.OpFailAttempt(hashOf(2), key(20), noRoute),
		payments.OpFailAttempt(hashOf(2), key(20), noRoute, lnkeep.RefuseRepeat),
		payments.OpFailAttempt(hashOf(2), key(21), noRoute),
		payments.OpForceFail(hashOf(2), key(21), noRoute, "gone"),
		payments.OpFail(hashOf(2), lnkeep.FailureReasonNoRoute),
		payments.OpDeleteFailedAttempts(hashOf(2)),
		payments.OpDelete(hashOf(2)),
	}
	ops := append([]lnkeep.Operation{
		payments.OpInit(init), payments.OpInit(init),
		payments.OpRegisterAndInit(hashOf(1), whole(1, 1000)), attempts.OpMarkHandedOff(key(1)),
		payments.OpSettle(hashOf(1), key(1), settle), payments.OpSettle(hashOf(1), key(1), settle,
			lnkeep.FirstResultOnly),
		payments.OpDelete(hashOf(1)), payments.OpInit(init), payments.OpForgetPaid(hashOf(1)),
		payments.OpInit(init),
		payments.OpForget(hashOf(1)), payments.OpRegister(hashOf(1), bad),
	}, failed...)
	outcomes, err := store.Submit(soon(t), ops...)
	want(t, err, lnkeep.ErrBatch)
	codes := []lnkeep.Status{
		0, lnkeep.StatusAlreadyExists, 0, 0, 0, lnkeep.StatusPaymentAlreadySucceeded, 0, lnkeep.StatusAlreadyPaid,
		0, 0,
		0, lnkeep.StatusInvalidArgument,
		0, 0, 0, 0, 0, lnkeep.StatusAttemptAlreadyFailed, lnkeep.StatusHandedOff, 0, 0, 0, 0,
	}
	for i, code := range codes {
		if outcomes[i].Code != code || outcomes[i].Done != (code == 0) || (outcomes[i].Err == nil) != (code >= 0) {
			t.Errorf("operation %d, %v: %+v", i, ops[i], outcomes[i])
		}
	}
	if !outcomes[6].Leftovers || outcomes[6].ID != 0 || outcomes[10].Leftovers {
		t.Errorf("%+v, %+v", outcomes[6], outcomes[10])
	}
	for i, text := range map[int]string{
		5: "settle: PAYMENT_ALREADY_SUCCEEDED (REFUSED): payment " + hashOf(1).String() + ", attempt 1",
		7: "init: ALREADY_PAID (REFUSED): payment " + hashOf(1).String(), 11: "Sent lies before 1970",
	} {
		if !strings.Contains(outcomes[i].Err.Error(), text) {
			t.Errorf("%v does not say %q", outcomes[i].Err, text)
		}
	}
	if record, err := attempts.Get(key(21)); err != nil || !record.Forced || !record.Acked {
		t.Errorf("%+v: %v", record, err)
	}
	if counts, err := payments.Counts(); err != nil || counts.Payments != 0 {
		t.Errorf("%+v: %v", counts, err)
	}
}

func TestPayments_Submit_DeletesFailedAttemptsStepByStep(t *testing.T) {
	store, payments := newPayments(t)
	ctx := soon(t)
	initiated(t, payments, 1, 1000)
	var ops []lnkeep.Operation
	for id := range uint64(40) {
		ops = append(ops, payments.OpRegister(hashOf(1), whole(id, 1000)), payments.OpFailAttempt(hashOf(1),
			key(id), noRoute))
	}
	_, err := store.Submit(ctx, append(ops, payments.OpFail(hashOf(1), lnkeep.FailureReasonNoRoute))...)
	must(t, err)
	left, steps := uint64(40), 0
	for left > 0 {
		outcomes, err := store.Submit(ctx, payments.OpDeleteFailedAttempts(hashOf(1)))
		must(t, err)
		if outcomes[0].Left >= left || outcomes[0].ID != 0 {
			t.Fatalf("%+v after %d", outcomes[0], left)
		}
		left, steps = outcomes[0].Left, steps+1
	}
	if payment := fetch(t, payments, hashOf(1)); len(payment.Attempts) != 0 || steps < 2 {
		t.Fatalf("%+v after %d steps", payment, steps)
	}
	// A bounded step joins an atomic group like any other operation.
	initiated(t, payments, 2, 1000)
	paid(t)(payments.Register(ctx, hashOf(2), whole(50, 1000)))
	outcomes, err := store.SubmitAtomic(ctx, payments.OpFailAttempt(hashOf(2), key(50), noRoute),
		payments.OpFail(hashOf(2), lnkeep.FailureReasonNoRoute), payments.OpDeleteFailedAttempts(hashOf(2)),
		payments.OpDelete(hashOf(2)), payments.OpInit(lnkeep.PaymentInit{Hash: hashOf(2)}))
	must(t, err)
	for i, outcome := range outcomes {
		if !outcome.Done || outcome.Left != 0 {
			t.Errorf("%d: %+v", i, outcome)
		}
	}
}

func TestPayments_SubmitAtomic_JoinsPaymentsAndAttempts(t *testing.T) {
	store, payments := newPayments(t)
	attempts := openAttempts(t, store, nil)
	ctx := soon(t)
	initiated(t, payments, 1, 1000)
	outcomes, err := store.SubmitAtomic(ctx,
		payments.OpRegister(hashOf(1), whole(1, 1000)), attempts.OpInit(request(1)), attempts.OpAck(key(99)))
	want(t, err, lnkeep.ErrBatch)
	want(t, outcomes[0].Err, lnkeep.ErrAborted)
	want(t, outcomes[2].Err, lnkeep.ErrNotFound)
	if payment := fetch(t, payments, hashOf(1)); len(payment.Attempts) != 0 {
		t.Fatalf("%+v", payment)
	}
	outcomes, err = store.SubmitAtomic(ctx,
		payments.OpRegister(hashOf(1), whole(1, 1000)), attempts.OpInit(request(1)),
		attempts.OpMarkHandedOff(key(1)))
	if err != nil || !outcomes[0].Done || !outcomes[1].Done || !outcomes[2].Done {
		t.Fatal(outcomes, err)
	}
	submission, err := store.SubmitAsync(payments.OpSettle(hashOf(1), key(1), settleOf(1)))
	must(t, err)
	outcomes, err = submission.Wait(ctx)
	if err != nil || !outcomes[0].Done {
		t.Fatal(outcomes, err)
	}
	// An operation that is none aborts its group.
	for _, bad := range []lnkeep.Operation{
		payments.OpInit(lnkeep.PaymentInit{Hash: hashOf(3), Created: time.Unix(-1, 0)}),
		payments.OpSettle(hashOf(1), key(1), settleOf(1), lnkeep.Strictness(1)),
		payments.OpFailAttempt(hashOf(1), key(1), noRoute, lnkeep.Strictness(1)),
		payments.OpForceFail(hashOf(1), key(1), lnkeep.AttemptFailure{Time: time.Unix(-1, 0)}, ""),
	} {
		outcomes, err = store.SubmitAtomic(ctx, payments.OpInit(lnkeep.PaymentInit{Hash: hashOf(2)}), bad)
		want(t, err, lnkeep.ErrBatch)
		want(t, outcomes[0].Err, lnkeep.ErrAborted)
		want(t, outcomes[1].Err, lnkeep.ErrInvalidArgument)
	}

	_, other := newPayments(t)
	outcomes, err = store.Submit(ctx, other.OpInit(lnkeep.PaymentInit{Hash: hashOf(4)}))
	want(t, err, lnkeep.ErrInvalidArgument)
	want(t, outcomes[0].Err, lnkeep.ErrInvalidArgument)
}

func TestPayments_Operations_HoldCopies(t *testing.T) {
	store, payments := newPayments(t)
	ctx := soon(t)
	init, attempt := fullInit(), fullAttempt(preimage(77))
	message := []byte("message")
	ops := []lnkeep.Operation{
		payments.OpInit(init), payments.OpRegister(init.Hash, attempt),
		payments.OpFailAttempt(init.Hash, attempt.Key, lnkeep.AttemptFailure{
			Reason: lnkeep.AttemptFailureMessage, Message: message,
		}),
	}
	for _, lent := range [][]byte{
		init.IdempotencyKey, init.PaymentRequest, init.FirstHopRecords, init.Intent.Data,
		init.Intent.Destination[:],
		init.Intent.AMPRootShare[:], attempt.Route, attempt.SessionKey, attempt.FirstHopRecords,
		attempt.AttemptHash[:],
		attempt.MPP.PaymentAddress[:], attempt.AMP.SetID[:], message,
	} {
		clear(lent)
	}
	attempt.MPP.TotalMsat, *attempt.FirstHopAmountMsat, init.Intent.FeeLimitMsat = 0, 0, 0
	_, err := store.Submit(ctx, ops...)
	must(t, err)
	payment := fetch(t, payments, init.Hash)
	if !reflect.DeepEqual(payment.Init, fullInit()) ||
		!reflect.DeepEqual(payment.Attempts[0].Request, fullAttempt(preimage(77))) ||
		string(payment.Attempts[0].Failure.Message) != "message" {
		t.Fatalf("%+v", payment)
	}
}

func TestPayments_Submit_BigOperationsHarmNobody(t *testing.T) {
	store, payments := newPayments(t)
	ctx := soon(t)
	big := bytes.Repeat([]byte{1}, 65_535)
	ops := make([]lnkeep.Operation, 30)
	done := make(chan error, len(ops))
	for i := range ops {
		ops[i] = payments.OpInit(lnkeep.PaymentInit{
			Hash: hashOf(byte(i)), PaymentRequest: big, FirstHopRecords: big, Intent: &lnkeep.Intent{Data: big},
		})
		go func() {
			_, err := store.Submit(ctx, ops[i])
			done <- err
		}()
	}
	for range ops {
		must(t, <-done)
	}
	_, err := store.Submit(ctx, ops...)
	want(t, err, lnkeep.ErrTooBig)
	if payment := fetch(t, payments, hashOf(29)); !bytes.Equal(payment.Init.Intent.Data, big) {
		t.Fatal("it came back otherwise")
	}
}
