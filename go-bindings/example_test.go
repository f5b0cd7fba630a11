package lnkeep_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// temporaryStore is a store for an example; a node has a directory of its own on a local disk.
func temporaryStore(options *lnkeep.StoreOptions) (*lnkeep.Store, func()) {
	directory, err := os.MkdirTemp("", "lnkeep-example")
	if err != nil {
		log.Fatal(err)
	}
	store, err := lnkeep.Open(filepath.Join(directory, "attempts"), options)
	if err != nil {
		log.Fatal(err)
	}
	return store, func() {
		_ = store.Close()
		_ = os.RemoveAll(directory)
	}
}

func Example() {
	store, done := temporaryStore(nil)
	defer done()
	attempts, err := store.OpenAttempts(nil)
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		outcome, err := attempts.Init(context.Background(), lnkeep.Request{Key: lnkeep.DefaultKey(7)})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("dispatch:", outcome.Done, "track:", outcome.Already)
	}
	// Output:
	// dispatch: true track: false
	// dispatch: false track: true
}

func ExampleOpen() {
	store, done := temporaryStore(nil)
	defer done()
	report := store.Report()
	fmt.Println("created:", report.Created, "epoch:", report.Epoch)
	if report.Unclean {
		fmt.Println("call Attempts.Recover before anything is dispatched")
	}
	// Output: created: true epoch: 1
}

// A dispatch from the intent to the end: at no point may a failure, a crash or a repeat send twice.
func ExampleAttempts() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	attempts, err := store.OpenAttempts(nil)
	if err != nil {
		log.Fatal(err)
	}
	k := lnkeep.DefaultKey(7)
	outcome, err := attempts.Init(ctx, lnkeep.Request{Key: k, AmountMsat: 21_000})
	switch {
	case errors.Is(err, lnkeep.ErrUnknown):
		log.Fatal("open the store again and repeat the same key: ", err)
	case err != nil:
		log.Fatal("not dispatched: ", err)
	case outcome.Already:
		log.Fatal("somebody may have dispatched it: track it")
	}
	routeIsGood := true
	if !routeIsGood {
		if _, err := attempts.FailPending(ctx, k, lnkeep.Failure{}); err != nil {
			log.Fatal("do not tell the caller that it failed: ", err)
		}
		return
	}
	if _, err := attempts.MarkHandedOff(ctx, k); err != nil {
		log.Fatal("the HTLC must not leave: ", err)
	}
	fmt.Println("commitment_signed is released")
	if _, err := attempts.StoreResult(ctx, k, lnkeep.Settle(lnkeep.Preimage{1})); err != nil {
		log.Fatal("the circuit must stay: ", err)
	}
	attempt, err := attempts.Get(k)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(attempt.State, attempt.Result.Preimage)
	// Output:
	// commitment_signed is released
	// settled Preimage(redacted)
}

func ExampleAttempts_WaitResult() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	attempts, err := store.OpenAttempts(nil)
	if err != nil {
		log.Fatal(err)
	}
	k := lnkeep.DefaultKey(7)
	if _, err := attempts.Init(ctx, lnkeep.Request{Key: k}); err != nil {
		log.Fatal(err)
	}
	go func() {
		_, _ = attempts.StoreResult(ctx, k, lnkeep.FailLocal(0x1007, nil))
	}()
	result, err := attempts.WaitResult(ctx, k)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v with code %#x\n", result.Kind, result.FailureCode)
	// Output: fail with code 0x1007
}

func ExampleAttempts_Recover() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	attempts, err := store.OpenAttempts(nil)
	if err != nil {
		log.Fatal(err)
	}
	for id := range uint64(3) {
		if _, err := attempts.Init(ctx, lnkeep.Request{Key: lnkeep.DefaultKey(id)}); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := attempts.MarkHandedOff(ctx, lnkeep.DefaultKey(2)); err != nil {
		log.Fatal(err)
	}
	// After a start CurrentEpoch stays false; this example never restarts.
	recovery, err := attempts.Recover(ctx, lnkeep.RecoverOptions{CurrentEpoch: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("never left:", recovery.Failed, "may have left:", recovery.Unresolved)
	// Output: never left: [0 1] may have left: [2]
}

func ExampleStore_Submit() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	attempts, err := store.OpenAttempts(nil)
	if err != nil {
		log.Fatal(err)
	}
	k := lnkeep.DefaultKey(7)
	outcomes, err := store.Submit(ctx,
		attempts.OpInit(lnkeep.Request{Key: k}),
		attempts.OpMarkHandedOff(k),
		attempts.OpAck(k),
	)
	for _, outcome := range outcomes {
		fmt.Println(outcome.Code, outcome.Done)
	}
	fmt.Println(errors.Is(err, lnkeep.ErrBatch), lnkeep.ClassOf(err))
	// Output:
	// DONE true
	// DONE true
	// RESULT_PENDING false
	// true REFUSED
}

func ExampleStore_SubmitAtomic() {
	store, done := temporaryStore(nil)
	defer done()
	attempts, err := store.OpenAttempts(nil)
	if err != nil {
		log.Fatal(err)
	}
	outcomes, _ := store.SubmitAtomic(context.Background(),
		attempts.OpInit(lnkeep.Request{Key: lnkeep.DefaultKey(7)}),
		attempts.OpAck(lnkeep.DefaultKey(8)),
	)
	for _, outcome := range outcomes {
		fmt.Println(outcome.Code)
	}
	// Output:
	// ABORTED
	// NOT_FOUND
}

func ExampleEvents_Channel() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	attempts, err := store.OpenAttempts(nil)
	if err != nil {
		log.Fatal(err)
	}
	events, err := store.OpenEvents("wallet", nil)
	if err != nil {
		log.Fatal(err)
	}
	k := lnkeep.DefaultKey(7)
	if _, err := attempts.StoreResult(ctx, k, lnkeep.Settle(lnkeep.Preimage{1})); err != nil {
		log.Fatal(err)
	}
	for event := range events.Channel() {
		fmt.Println(event.Kind, event.Key, event.State)
		if _, err := events.Ack(ctx, event.Sequence); err != nil {
			log.Fatal(err)
		}
		break
	}
	// Output: attempt_resolved 7 settled
}

func ExampleResult_Classify() {
	timeout := lnkeep.Result{Kind: lnkeep.ResultFail, Resolution: true}
	fmt.Println(timeout.Classify(lnkeep.DecryptorNone))
	// Output: onchain_timeout <nil>
}

func ExampleEncodeClientID() {
	id, err := lnkeep.EncodeClientID(2, 7)
	fmt.Printf("%#x %v\n", id, err)
	_, err = lnkeep.EncodeClientID(2, 1<<56)
	fmt.Println(errors.Is(err, lnkeep.ErrIDOutOfRange))
	// Output:
	// 0x200000000000007 <nil>
	// true
}
