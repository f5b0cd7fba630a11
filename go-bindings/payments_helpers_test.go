package lnkeep_test

import (
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func openPayments(t testing.TB, store *lnkeep.Store, options *lnkeep.PaymentsOptions) *lnkeep.Payments {
	t.Helper()
	payments, err := store.OpenPayments(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = payments.Close() })
	return payments
}

// newPayments opens payments on a fresh store.
func newPayments(t testing.TB) (*lnkeep.Store, *lnkeep.Payments) {
	t.Helper()
	store := openStore(t, newPath(t), nil)
	return store, openPayments(t, store, nil)
}

// hashOf is the payment hash whose preimage is preimage(n).
func hashOf(n byte) lnkeep.PaymentHash {
	secret := preimage(n)
	return sha256.Sum256(secret[:])
}

// part is one attempt of a payment of more than one.
func part(id, amountMsat, totalMsat uint64) lnkeep.PaymentAttemptRequest {
	return lnkeep.PaymentAttemptRequest{
		Key: key(id), AmountMsat: amountMsat, HopCount: 1,
		MPP: &lnkeep.MPP{PaymentAddress: lnkeep.Secret{9}, TotalMsat: totalMsat},
	}
}

// whole is the only attempt of a payment.
func whole(id, amountMsat uint64) lnkeep.PaymentAttemptRequest {
	return lnkeep.PaymentAttemptRequest{Key: key(id), AmountMsat: amountMsat, HopCount: 1}
}

func settleOf(n byte) lnkeep.AttemptSettle { return lnkeep.AttemptSettle{Preimage: preimage(n)} }

var noRoute = lnkeep.AttemptFailure{Reason: lnkeep.AttemptFailureUnknown}

// paid fails unless a payment was changed by this very call: paid(t)(payments.Init(ctx, init)).
func paid(t testing.TB) func(*lnkeep.Payment, lnkeep.Outcome, error) *lnkeep.Payment {
	return func(payment *lnkeep.Payment, outcome lnkeep.Outcome, err error) *lnkeep.Payment {
		t.Helper()
		do(t)(outcome, err)
		if payment == nil || !outcome.Changed {
			t.Fatalf("%+v, %+v", payment, outcome)
		}
		return payment
	}
}

// paidBefore fails unless an earlier call changed the payment.
func paidBefore(t testing.TB) func(*lnkeep.Payment, lnkeep.Outcome, error) *lnkeep.Payment {
	return func(payment *lnkeep.Payment, outcome lnkeep.Outcome, err error) *lnkeep.Payment {
		t.Helper()
		again(t)(outcome, err)
		if payment == nil || outcome.Changed {
			t.Fatalf("%+v, %+v", payment, outcome)
		}
		return payment
	}
}

// unpaid fails unless a payment was refused for this reason.
func unpaid(t testing.TB, sentinel error) func(*lnkeep.Payment, lnkeep.Outcome, error) {
	return func(payment *lnkeep.Payment, outcome lnkeep.Outcome, err error) {
		t.Helper()
		refused(t, sentinel)(outcome, err)
		if payment != nil {
			t.Fatalf("%+v", payment)
		}
	}
}

func fetch(t testing.TB, payments *lnkeep.Payments, hash lnkeep.PaymentHash) *lnkeep.Payment {
	t.Helper()
	payment, err := payments.Fetch(hash)
	must(t, err)
	return payment
}

// initiated initiates the payment of preimage(n).
func initiated(t testing.TB, payments *lnkeep.Payments, n byte, amountMsat uint64) *lnkeep.Payment {
	t.Helper()
	return paid(t)(payments.Init(soon(t), lnkeep.PaymentInit{Hash: hashOf(n), AmountMsat: amountMsat}))
}

// succeeded pays the payment of preimage(n) with the attempt id.
func succeeded(t testing.TB, payments *lnkeep.Payments, n byte, id uint64) *lnkeep.Payment {
	t.Helper()
	initiated(t, payments, n, 1000)
	paid(t)(payments.Register(soon(t), hashOf(n), whole(id, 1000)))
	return paid(t)(payments.Settle(soon(t), hashOf(n), key(id), settleOf(n)))
}

// givenUp gives the payment of preimage(n) up before anything was sent.
func givenUp(t testing.TB, payments *lnkeep.Payments, n byte) *lnkeep.Payment {
	t.Helper()
	initiated(t, payments, n, 1000)
	return paid(t)(payments.Fail(soon(t), hashOf(n), lnkeep.FailureReasonNoRoute))
}

// sequencesOf collects the sequence numbers of a visit.
func sequencesOf(t testing.TB, payments *lnkeep.Payments, query lnkeep.PaymentQuery) (found []uint64) {
	t.Helper()
	for payment, err := range payments.All(query) {
		must(t, err)
		found = append(found, payment.Sequence)
	}
	return found
}

func is(err, sentinel error) bool { return errors.Is(err, sentinel) }
