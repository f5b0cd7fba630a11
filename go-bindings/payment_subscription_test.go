package lnkeep_test

import (
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func nextPayment(t testing.TB, s *lnkeep.PaymentSubscription) *lnkeep.Payment {
	t.Helper()
	payment, err := s.Next(soon(t))
	must(t, err)
	if payment == nil {
		t.Fatal("neither a payment nor an error")
	}
	return payment
}

func TestPaymentSubscription_OnePayment_PresentThenEveryChangeThenTheEnd(t *testing.T) {
	_, payments := newPayments(t)
	ctx := soon(t)
	_, err := payments.Subscribe(hashOf(1))
	want(t, err, lnkeep.ErrPaymentNotInitiated)
	initiated(t, payments, 1, 1000)
	initiated(t, payments, 2, 1000)
	s, err := payments.Subscribe(hashOf(1))
	must(t, err)
	if payment := nextPayment(t, s); payment.Revision != 1 || payment.Status != lnkeep.PaymentInitiated {
		t.Fatalf("%+v", payment)
	}
	if payment, err := s.TryNext(); payment != nil || err != nil {
		t.Fatal(payment, err)
	}
	paid(t)(payments.Register(ctx, hashOf(1), whole(1, 1000)))
	paid(t)(payments.Register(ctx, hashOf(2), whole(2, 1000)))
	paid(t)(payments.Settle(ctx, hashOf(1), key(1), settleOf(1)))
	statuses := []lnkeep.PaymentStatus{}
	for payment, err := range s.All(ctx) {
		must(t, err)
		if payment.Hash() != hashOf(1) {
			t.Fatalf("%+v", payment)
		}
		statuses = append(statuses, payment.Status)
	}
	if !slices.Equal(statuses, []lnkeep.PaymentStatus{lnkeep.PaymentInFlight, lnkeep.PaymentSucceeded}) {
		t.Fatal(statuses)
	}
	for range 2 {
		if payment, err := s.Next(ctx); payment != nil || err != io.EOF {
			t.Fatal(payment, err)
		}
	}
	if s.Missed() != 0 {
		t.Fatal(s.Missed())
	}
	must(t, s.Close())
	must(t, s.Close())
	_, err = s.Next(ctx)
	want(t, err, lnkeep.ErrClosed)
	_, err = s.TryNext()
	want(t, err, lnkeep.ErrClosed)
}

func TestPaymentSubscription_ADeletedPaymentEndsIt(t *testing.T) {
	_, payments := newPayments(t)
	initiated(t, payments, 1, 1000)
	s, err := payments.Subscribe(hashOf(1))
	must(t, err)
	ended := make(chan error, 1)
	nextPayment(t, s)
	go func() {
		_, err := s.Next(soon(t))
		ended <- err
	}()
	time.Sleep(5 * time.Millisecond)
	do(t)(payments.Delete(soon(t), hashOf(1)))
	if err := <-ended; err != io.EOF {
		t.Fatal(err)
	}
}

func TestPaymentSubscription_AllPayments(t *testing.T) {
	_, payments := newPayments(t)
	succeeded(t, payments, 1, 1)
	initiated(t, payments, 2, 1000)
	initiated(t, payments, 3, 1000)
	s, err := payments.SubscribeAll()
	must(t, err)
	initiated(t, payments, 4, 1000)
	paid(t)(payments.Fail(soon(t), hashOf(3), lnkeep.FailureReasonCanceled))
	initiated(t, payments, 5, 1000)
	for i, n := range []byte{2, 3, 4, 3, 5} {
		if payment := nextPayment(t, s); payment.Hash() != hashOf(n) {
			t.Fatalf("%d: %+v", i, payment)
		}
	}
	initiated(t, payments, 6, 1000)
	for payment, err := range s.All(soon(t)) {
		must(t, err)
		if payment.Hash() == hashOf(6) {
			break
		}
	}
	if payment, err := s.TryNext(); payment != nil || err != nil {
		t.Fatal(payment, err)
	}
	must(t, s.Close())
}

func TestPaymentSubscription_AContextThatEndsLosesNothing(t *testing.T) {
	_, payments := newPayments(t)
	s, err := payments.SubscribeAll()
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = s.Next(ctx)
	want(t, err, context.DeadlineExceeded)
	want(t, err, lnkeep.ErrCanceled)
	initiated(t, payments, 1, 1000)
	_, err = s.Next(ctx)
	want(t, err, lnkeep.ErrCanceled)
	if payment := nextPayment(t, s); payment.Hash() != hashOf(1) {
		t.Fatalf("%+v", payment)
	}
}

func TestPaymentSubscription_CloseWakesWhoWaits(t *testing.T) {
	for _, name := range []string{"subscription", "payments", "store"} {
		store, payments := newPayments(t)
		initiated(t, payments, 1, 1000)
		all, err := payments.SubscribeAll()
		must(t, err)
		nextPayment(t, all)
		ended := make(chan error, 4)
		for range cap(ended) {
			go func() {
				_, err := all.Next(soon(t))
				ended <- err
			}()
		}
		time.Sleep(5 * time.Millisecond)
		must(t, map[string]io.Closer{"subscription": all, "payments": payments, "store": store}[name].Close())
		for range cap(ended) {
			if err := <-ended; !is(err, lnkeep.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, all.Close())
	}
}

func TestPaymentSubscription_WhatNobodyTakesIsDroppedAndCounted(t *testing.T) {
	store, payments := newPayments(t)
	s, err := payments.SubscribeAll()
	must(t, err)
	ops := make([]lnkeep.Operation, 1024)
	for round := range byte(2) {
		for i := range ops {
			ops[i] = payments.OpInit(lnkeep.PaymentInit{Hash: lnkeep.PaymentHash{byte(i), byte(i >> 8), round}})
		}
		_, err = store.Submit(soon(t), ops...)
		must(t, err)
	}
	taken := []uint64{}
	missed := 0
	for payment, err := range s.All(soon(t)) {
		if err != nil {
			want(t, err, lnkeep.ErrTruncated)
			missed++
			continue
		}
		if taken = append(taken, payment.Sequence); payment.Sequence == 2048 {
			break
		}
	}
	if missed != 1 || s.Missed() != 1024 || len(taken) != 1024 || taken[0] != 1025 {
		t.Fatal(missed, s.Missed(), len(taken))
	}
	initiated(t, payments, 1, 1000)
	nextPayment(t, s)
}

func TestPaymentSubscription_SeveralTakersShareTheStream(t *testing.T) {
	_, payments := newPayments(t)
	s, err := payments.SubscribeAll()
	must(t, err)
	const total = 200
	var taken atomic.Int32
	var group sync.WaitGroup
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	for range 4 {
		group.Go(func() {
			for _, err := range s.All(ctx) {
				if err != nil {
					if !is(err, lnkeep.ErrCanceled) {
						t.Error(err)
					}
					return
				}
				if taken.Add(1) == total {
					cancel()
				}
			}
		})
	}
	for n := range byte(total) {
		initiated(t, payments, n, 1000)
	}
	group.Wait()
	if taken.Load() != total {
		t.Fatal(taken.Load(), "were taken")
	}
}

func TestPaymentSubscription_ManyAtOnce(t *testing.T) {
	_, payments := newPayments(t)
	var group sync.WaitGroup
	for n := range byte(100) {
		initiated(t, payments, n, 1000)
		for range 3 {
			group.Go(func() {
				s, err := payments.Subscribe(hashOf(n))
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = s.Close() }()
				last := lnkeep.PaymentStatus(0)
				for payment, err := range s.All(soon(t)) {
					if err != nil {
						t.Error(err)
						return
					}
					last = payment.Status
				}
				if last != lnkeep.PaymentFailed {
					t.Error(n, last)
				}
			})
		}
		group.Go(func() {
			if _, _, err := payments.Fail(soon(t), hashOf(n), lnkeep.FailureReasonTimeout); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestPaymentSubscriptions_TooManyAreBusy(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	payments := openPayments(t, store, &lnkeep.PaymentsOptions{SubscriptionsMax: 1})
	s, err := payments.SubscribeAll()
	must(t, err)
	_, err = payments.SubscribeAll()
	want(t, err, lnkeep.ErrBusy)
	must(t, s.Close())
	s, err = payments.SubscribeAll()
	must(t, err)
	must(t, s.Close())
}
