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
	directory, remove := temporaryDirectory()
	store, err := lnkeep.Open(filepath.Join(directory, "attempts"), options)
	if err != nil {
		log.Fatal(err)
	}
	return store, func() {
		_ = store.Close()
		remove()
	}
}

func temporaryDirectory() (directory string, remove func()) {
	directory, err := os.MkdirTemp("", "lnkeep-example")
	if err != nil {
		log.Fatal(err)
	}
	return directory, func() { _ = os.RemoveAll(directory) }
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

func ExampleCheck() {
	directory, done := temporaryDirectory()
	defer done()
	path := filepath.Join(directory, "attempts")
	store, err := lnkeep.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	// At any time, also while the store is open, here or in another process.
	report, err := lnkeep.Check(context.Background(), path)
	if err != nil {
		log.Fatal("it could not be looked at: ", err)
	}
	for _, finding := range report.Findings {
		fmt.Printf("page %d: %s %x: %s\n", finding.Page, finding.Table, finding.Key, finding.Fault)
	}
	fmt.Println("sound:", report.Sound(), "open:", report.Live)
	if err := store.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: sound: true open: true
}

// A backup for the day the disk is lost. It does not know what was dispatched after it was made.
func ExampleStore_Backup() {
	ctx := context.Background()
	directory, done := temporaryDirectory()
	defer done()
	store, err := lnkeep.Open(filepath.Join(directory, "attempts"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	path := filepath.Join(directory, "attempts.backup")
	report, err := store.Backup(ctx, path)
	if err != nil {
		log.Fatal("there is no backup: ", err)
	}
	fmt.Println("sound:", report.Sound())
	_, err = store.Backup(ctx, path)
	fmt.Println("never overwritten:", errors.Is(err, lnkeep.ErrTargetExists))
	// Output:
	// sound: true
	// never overwritten: true
}

// A store made of a backup grants no new id until it is told which ones are safe.
func ExampleRestore() {
	ctx := context.Background()
	directory, done := temporaryDirectory()
	defer done()
	backup := filepath.Join(directory, "attempts.backup")
	lost, err := lnkeep.Open(filepath.Join(directory, "lost"), nil)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := lost.Backup(ctx, backup); err != nil {
		log.Fatal(err)
	}
	if err := lost.Close(); err != nil {
		log.Fatal(err)
	}

	path := filepath.Join(directory, "attempts")
	if _, err := lnkeep.Restore(ctx, backup, path, lnkeep.RestoreOptions{}); err != nil {
		log.Fatal("there is no store: ", err)
	}
	store, err := lnkeep.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	attempts, err := store.OpenAttempts(nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = attempts.Init(ctx, lnkeep.Request{Key: lnkeep.DefaultKey(7)})
	fmt.Println("restored:", store.Report().Restored)
	fmt.Println("refused:", errors.Is(err, lnkeep.ErrNotAcknowledged))
	// One above the greatest id that the lost store may ever have granted.
	if _, err := attempts.AcknowledgeRestore(ctx, lnkeep.IDFloor{Floor: 1000}); err != nil {
		log.Fatal(err)
	}
	_, err = attempts.Init(ctx, lnkeep.Request{Key: lnkeep.DefaultKey(7)})
	fmt.Println("below the floor:", errors.Is(err, lnkeep.ErrBelowFloor))
	outcome, err := attempts.Init(ctx, lnkeep.Request{Key: lnkeep.DefaultKey(1000)})
	fmt.Println("dispatch:", outcome.Done, err)
	// Output:
	// restored: true
	// refused: true
	// below the floor: true
	// dispatch: true <nil>
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
