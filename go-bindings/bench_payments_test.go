package lnkeep_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// benchHash is a payment hash of its own for each number.
func benchHash(n uint64) (hash lnkeep.PaymentHash) {
	for i := range 8 {
		hash[i] = byte(n >> (8 * i))
	}
	return hash
}

// BenchmarkPay initiates a payment, registers its attempt with its record, and fails both: three commits,
// one after the other or from many goroutines.
func BenchmarkPay(b *testing.B) {
	for _, goroutines := range []int{1, 16, 1000} {
		b.Run(fmt.Sprint("goroutines=", goroutines), func(b *testing.B) {
			_, payments := newPayments(b)
			var last atomic.Uint64
			b.SetParallelism(max(1, goroutines/runtime.GOMAXPROCS(0)))
			if goroutines == 1 {
				for b.Loop() {
					benchPay(b, payments, last.Add(1))
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					benchPay(b, payments, last.Add(1))
				}
			})
		})
	}
}

func benchPay(b *testing.B, payments *lnkeep.Payments, n uint64) {
	ctx, hash := context.Background(), benchHash(n)
	attempt := whole(n, 1000)
	attempt.Route, attempt.SessionKey = make([]byte, 400), make([]byte, 32)
	_, _, err := payments.Init(ctx, lnkeep.PaymentInit{Hash: hash, AmountMsat: 1000})
	if err == nil {
		_, _, err = payments.RegisterAndInit(ctx, hash, attempt)
	}
	if err == nil {
		_, _, err = payments.FailAttempt(ctx, hash, attempt.Key, noRoute)
	}
	if err != nil {
		b.Error(err)
	}
}

// BenchmarkPay100 has 100 payments made by one Submit.
func BenchmarkPay100(b *testing.B) {
	store, payments := newPayments(b)
	ops := make([]lnkeep.Operation, 0, 3*benchOps)
	n := uint64(0)
	for b.Loop() {
		ops = ops[:0]
		for range benchOps {
			n++
			hash := benchHash(n)
			ops = append(ops, payments.OpInit(lnkeep.PaymentInit{Hash: hash, AmountMsat: 1000}),
				payments.OpRegisterAndInit(hash, whole(n, 1000)), payments.OpFailAttempt(hash, key(n), noRoute))
		}
		if _, err := store.Submit(context.Background(), ops...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFetch reads a payment with a number of attempts, each with a route of 400 bytes.
func BenchmarkFetch(b *testing.B) {
	for _, attempts := range []uint64{1, 10, 100} {
		b.Run(fmt.Sprint("attempts=", attempts), func(b *testing.B) {
			b.ReportAllocs()
			store, payments := newPayments(b)
			ops := []lnkeep.Operation{payments.OpInit(lnkeep.PaymentInit{Hash: hashOf(1), AmountMsat: attempts})}
			for id := range attempts {
				attempt := part(id, 1, attempts)
				attempt.Route = make([]byte, 400)
				ops = append(ops, payments.OpRegister(hashOf(1), attempt))
			}
			_, err := store.Submit(context.Background(), ops...)
			must(b, err)
			for b.Loop() {
				if _, err := payments.Fetch(hashOf(1)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchHistory makes finished payments.
func benchHistory(b *testing.B, total uint64) *lnkeep.Payments {
	b.Helper()
	store, payments := newPayments(b)
	for n := uint64(0); n < total; {
		ops := make([]lnkeep.Operation, 0, 1024)
		for len(ops) < cap(ops) && n < total {
			n++
			hash := benchHash(n)
			ops = append(ops, payments.OpInit(lnkeep.PaymentInit{Hash: hash, AmountMsat: 1}),
				payments.OpFail(hash, lnkeep.FailureReasonNoRoute))
		}
		_, err := store.Submit(context.Background(), ops...)
		must(b, err)
	}
	return payments
}

// BenchmarkList reads a page of 100 out of many, and the unfinished ones among many.
func BenchmarkList(b *testing.B) {
	payments := benchHistory(b, 20_000)
	for _, c := range []struct {
		name  string
		query lnkeep.PaymentQuery
	}{
		{"newest_100", lnkeep.PaymentQuery{Reversed: true, Limit: 100}},
		{"newest_100_without_attempts", lnkeep.PaymentQuery{Reversed: true, Limit: 100, WithoutAttempts: true}},
		{"unfinished", lnkeep.PaymentQuery{Statuses: []lnkeep.PaymentStatus{lnkeep.PaymentInitiated}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := payments.List(c.query); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAllows tells what a pure rule costs.
func BenchmarkAllows(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = lnkeep.PaymentState{Status: lnkeep.PaymentInitiated, RemainingMsat: 1}.Allows()
	}
}
