package lnkeep_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

const benchOps = 100

func benchAttempts(b *testing.B, options *lnkeep.StoreOptions) (*lnkeep.Store, *lnkeep.Attempts) {
	b.Helper()
	store := openStore(b, newPath(b), options)
	return store, openAttempts(b, store, nil)
}

// BenchmarkInit100 registers 100 attempts per iteration, durably.
func BenchmarkInit100(b *testing.B) {
	ctx := context.Background()
	b.Run("one_submit", func(b *testing.B) {
		store, attempts := benchAttempts(b, nil)
		id := uint64(0)
		ops := make([]lnkeep.Operation, benchOps)
		for b.Loop() {
			for i := range ops {
				id++
				ops[i] = attempts.OpInit(request(id))
			}
			if _, err := store.Submit(ctx, ops...); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("one_call_each", func(b *testing.B) {
		_, attempts := benchAttempts(b, &lnkeep.StoreOptions{Direct: true})
		id := uint64(0)
		for b.Loop() {
			for range benchOps {
				id++
				if _, err := attempts.Init(ctx, request(id)); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("goroutines_packed", func(b *testing.B) {
		_, attempts := benchAttempts(b, nil)
		benchConcurrent(b, attempts)
	})
	b.Run("goroutines_one_call_each", func(b *testing.B) {
		_, attempts := benchAttempts(b, &lnkeep.StoreOptions{Direct: true})
		benchConcurrent(b, attempts)
	})
}

func benchConcurrent(b *testing.B, attempts *lnkeep.Attempts) {
	id := uint64(0)
	errs := make(chan error, benchOps)
	for b.Loop() {
		for range benchOps {
			id++
			go func() {
				_, err := attempts.Init(context.Background(), request(id))
				errs <- err
			}()
		}
		for range benchOps {
			if err := <-errs; err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkCall tells what one call of C costs: pure functions, and reads that do not wait for the disk.
func BenchmarkCall(b *testing.B) {
	b.Run("status_class", func(b *testing.B) {
		for b.Loop() {
			_ = lnkeep.StatusNotFound.Class()
		}
	})
	b.Run("decode_client_id", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, _ = lnkeep.DecodeClientID(1 << 60)
		}
	})
	b.Run("has_result", func(b *testing.B) {
		b.ReportAllocs()
		_, attempts := benchAttempts(b, nil)
		initDone(b, attempts, 1)
		for b.Loop() {
			_, _ = attempts.HasResult(key(1))
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		_, attempts := benchAttempts(b, nil)
		initDone(b, attempts, 1)
		for b.Loop() {
			_, _ = attempts.Get(key(1))
		}
	})
}

// BenchmarkInit registers one attempt per iteration, one after the other.
func BenchmarkInit(b *testing.B) {
	for _, c := range []struct {
		name   string
		direct bool
	}{{"submitter", false}, {"direct", true}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			_, attempts := benchAttempts(b, &lnkeep.StoreOptions{Direct: c.direct})
			id := uint64(0)
			for b.Loop() {
				id++
				if _, err := attempts.Init(context.Background(), request(id)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkInitParallel registers attempts from 1,000 goroutines at once; the figure is per attempt.
func BenchmarkInitParallel(b *testing.B) {
	for _, c := range []struct {
		name   string
		direct bool
	}{{"submitter", false}, {"direct", true}} {
		b.Run(c.name, func(b *testing.B) {
			_, attempts := benchAttempts(b, &lnkeep.StoreOptions{Direct: c.direct})
			parallelInits(b, attempts)
		})
	}
}

func parallelInits(b *testing.B, attempts *lnkeep.Attempts) {
	var last atomic.Uint64
	b.SetParallelism(1000 / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := attempts.Init(context.Background(), request(last.Add(1))); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
