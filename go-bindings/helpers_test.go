package lnkeep_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// TestMain turns the test program into a worker of the conformance tests when it is asked to be one.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(workerVariable) != "":
		runWorker()
	case os.Getenv(threadsVariable) != "":
		countThreads()
	default:
		os.Exit(m.Run())
	}
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "store") }

func openStore(t testing.TB, path string, options *lnkeep.StoreOptions) *lnkeep.Store {
	t.Helper()
	store, err := lnkeep.Open(path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func openAttempts(t testing.TB, store *lnkeep.Store, options *lnkeep.AttemptsOptions) *lnkeep.Attempts {
	t.Helper()
	attempts, err := store.OpenAttempts(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = attempts.Close() })
	return attempts
}

// newAttempts opens attempts on a fresh store.
func newAttempts(t testing.TB) (*lnkeep.Store, *lnkeep.Attempts) {
	t.Helper()
	store := openStore(t, newPath(t), nil)
	return store, openAttempts(t, store, nil)
}

// soon is a context for what must not take long.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func want(t testing.TB, err, sentinel error) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Fatalf("the error is %v, not %v", err, sentinel)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// do fails unless an operation was applied by this very call: do(t)(attempts.Ack(ctx, key(1))).
func do(t testing.TB) func(lnkeep.Outcome, error) lnkeep.Outcome {
	return func(outcome lnkeep.Outcome, err error) lnkeep.Outcome {
		t.Helper()
		must(t, err)
		if !outcome.Done || outcome.Already || outcome.Err != nil || outcome.Code != lnkeep.StatusDone {
			t.Fatalf("the outcome is %+v, not Done", outcome)
		}
		return outcome
	}
}

// again fails unless an operation was applied by an earlier call.
func again(t testing.TB) func(lnkeep.Outcome, error) lnkeep.Outcome {
	return func(outcome lnkeep.Outcome, err error) lnkeep.Outcome {
		t.Helper()
		must(t, err)
		if !outcome.Already || outcome.Done || outcome.Err != nil {
			t.Fatalf("the outcome is %+v, not Already", outcome)
		}
		return outcome
	}
}

// refused fails unless an operation was refused for this reason.
func refused(t testing.TB, sentinel error) func(lnkeep.Outcome, error) {
	return func(outcome lnkeep.Outcome, err error) {
		t.Helper()
		want(t, err, sentinel)
		if outcome.Done || outcome.Already || !errors.Is(outcome.Err, sentinel) {
			t.Fatalf("the outcome is %+v", outcome)
		}
	}
}

func initDone(t testing.TB, attempts *lnkeep.Attempts, ids ...uint64) {
	t.Helper()
	for _, id := range ids {
		do(t)(attempts.Init(soon(t), request(id)))
	}
}

func key(id uint64) lnkeep.Key { return lnkeep.DefaultKey(id) }

func request(id uint64) lnkeep.Request { return lnkeep.Request{Key: key(id)} }

func preimage(first byte) (p lnkeep.Preimage) { p[0] = first; return p }

// eventually fails unless something comes true.
func eventually(t testing.TB, what string, check func() bool) {
	t.Helper()
	for range 2000 {
		if check() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s did not come true", what)
}
