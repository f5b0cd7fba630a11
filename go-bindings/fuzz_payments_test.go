package lnkeep_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func FuzzPaymentOperation(f *testing.F) {
	f.Add(uint32(0), uint64(1000), uint64(1), []byte("bytes"), int64(5), byte(0))
	f.Add(uint32(1), uint64(0), uint64(math.MaxUint64), []byte{}, int64(-1), byte(255))
	f.Add(uint32(1), uint64(math.MaxUint64), uint64(2), make([]byte, 70_000), int64(math.MaxInt64), byte(3))
	f.Add(uint32(3), uint64(7), uint64(3), bytes.Repeat([]byte{0xff}, 64), int64(0), byte(0b101_0101))
	f.Add(uint32(9), uint64(1), uint64(1), []byte(nil), int64(1), byte(2))
	store := openStore(f, newPath(f), nil)
	payments := openPayments(f, store, nil)
	f.Fuzz(func(t *testing.T, kind uint32, number, id uint64, content []byte, nanos int64, bits byte) {
		ops := paymentOperations(payments, number, id, content, nanos, bits)
		op := ops[kind%uint32(len(ops))]
		submit := store.Submit
		if bits&128 != 0 {
			submit = store.SubmitAtomic
		}
		outcomes, err := submit(soon(t), op)
		definite(t, err)
		if len(outcomes) != 1 || (outcomes[0].Err == nil) != (outcomes[0].Done || outcomes[0].Already) {
			t.Fatalf("%+v", outcomes)
		}
		payment, err := payments.Fetch(hashOf(bits & 3))
		definite(t, err)
		if err == nil {
			// A settle that beats a failure may come when the amount was sent again.
			if _, err := payment.State(); !payment.LateSettle || !is(err, lnkeep.ErrSentExceedsTotal) {
				obeysTheRules(t, payment)
			}
		}
		if kind%uint32(len(ops)) == 0 && outcomes[0].Done {
			if payment.Init.AmountMsat != number || !bytes.Equal(payment.Init.PaymentRequest, content) ||
				!payment.Init.Created.Equal(timeAt(nanos)) && nanos != 0 {
				t.Fatalf("%+v", payment)
			}
		}
	})
}

func timeAt(nanos int64) time.Time { return time.Unix(0, nanos) }

// paymentOperations are one operation of each kind.
func paymentOperations(
	payments *lnkeep.Payments, number, id uint64, content []byte, nanos int64, bits byte,
) []lnkeep.Operation {
	hash, k, at := hashOf(bits&3), lnkeep.DefaultKey(id&7), timeAt(nanos)
	init := lnkeep.PaymentInit{Hash: hash, AmountMsat: number, Created: at, PaymentRequest: content}
	attempt := lnkeep.PaymentAttemptRequest{
		Key: k, AmountMsat: number, FeeMsat: id, HopCount: uint32(bits & 15), Sent: at, Route: content,
		SessionKey: content,
	}
	if bits&4 != 0 {
		init.IdempotencyKey = content
		init.Intent = &lnkeep.Intent{Deadline: at, Data: content}
		attempt.MPP = &lnkeep.MPP{TotalMsat: number}
	}
	if bits&8 != 0 {
		attempt.BlindedTotalMsat, attempt.AMP = &id, &lnkeep.AMP{}
	}
	failure := lnkeep.AttemptFailure{
		Reason: lnkeep.AttemptFailureReason(bits & 7), SourceIndex: uint32(id), Time: at, Message: content,
	}
	settle := lnkeep.AttemptSettle{Preimage: preimage(bits & 3), Time: at}
	strictness := lnkeep.Strictness(bits >> 4)
	return []lnkeep.Operation{
		payments.OpInit(init), payments.OpRegister(hash, attempt), payments.OpRegisterAndInit(hash, attempt),
		payments.OpSettle(hash, k, settle, strictness), payments.OpFailAttempt(hash, k, failure, strictness),
		payments.OpForceFail(hash, k, failure, string(content)), payments.OpFail(hash,
			lnkeep.FailureReason(bits&7)),
		payments.OpDelete(hash), payments.OpForget(hash), payments.OpForgetPaid(hash),
		payments.OpDeleteFailedAttempts(hash),
	}
}

func FuzzPaymentQuery(f *testing.F) {
	f.Add([]byte{1, 2}, uint64(0), int64(0), int64(0), uint32(0), byte(0))
	f.Add([]byte{31, 32, 255}, uint64(math.MaxUint64), int64(-1), int64(math.MaxInt64), uint32(math.MaxUint32),
		byte(7))
	payments := openPayments(f, openStore(f, newPath(f), nil), nil)
	tenPayments(f, payments)
	f.Fuzz(func(t *testing.T, statuses []byte, offset uint64, from, to int64, limit uint32, bits byte) {
		query := lnkeep.PaymentQuery{
			Reversed: bits&1 != 0, WithoutAttempts: bits&2 != 0, Limit: limit,
			CreatedFrom: timeAt(from), CreatedTo: timeAt(to),
		}
		for _, status := range statuses {
			query.Statuses = append(query.Statuses, lnkeep.PaymentStatus(status))
		}
		if bits&4 != 0 {
			query.Offset = &offset
		}
		last := uint64(0)
		page, err := payments.List(query)
		definite(t, err)
		for _, payment := range page.Payments {
			if payment.Sequence <= last || payment.Sequence > 10 {
				t.Fatalf("%+v", page)
			}
			last = payment.Sequence
		}
	})
}

func FuzzComputeState(f *testing.F) {
	f.Add(uint64(1000), []byte{1, 2, 3}, uint64(400), uint64(1), uint32(0))
	f.Add(uint64(math.MaxUint64), []byte{2, 2}, uint64(math.MaxUint64), uint64(math.MaxUint64), uint32(6))
	f.Add(uint64(0), []byte{0, 4, 255}, uint64(0), uint64(0), uint32(99))
	f.Fuzz(func(t *testing.T, amount uint64, states []byte, attemptMsat, feeMsat uint64, reason uint32) {
		sums := make([]lnkeep.AttemptSum, len(states))
		for i, state := range states {
			sums[i] = lnkeep.AttemptSum{lnkeep.PaymentAttemptState(state), attemptMsat, feeMsat}
		}
		state, err := lnkeep.ComputeState(amount, sums, lnkeep.FailureReason(reason))
		definite(t, err)
		if err != nil {
			return
		}
		if state.RemainingMsat > amount || state.InFlight > uint64(len(sums)) ||
			(state.InFlight > 0) != (state.Status == lnkeep.PaymentInFlight) && !bytes.Contains(states, []byte{3}) {
			t.Fatalf("%+v", state)
		}
		if _, err := state.Allows(); err != nil {
			t.Fatal(err)
		}
	})
}
