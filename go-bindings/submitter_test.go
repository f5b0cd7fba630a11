package lnkeep_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestSubmit_IndependentOperationsAnswerForThemselves(t *testing.T) {
	store, attempts := newAttempts(t)
	ctx := soon(t)
	initDone(t, attempts, 1)
	outcomes, err := store.Submit(ctx,
		attempts.OpInit(request(1)),
		attempts.OpInit(request(2)),
		attempts.OpMarkHandedOff(key(2)),
		attempts.OpStoreResult(key(2), lnkeep.Settle(preimage(2))),
		attempts.OpAck(key(2)),
		attempts.OpDelete(key(2)),
		attempts.OpAck(key(99)),
		attempts.OpFailPending(key(1), lnkeep.Failure{Message: []byte("x")}),
		attempts.OpForget(key(1)),
		attempts.OpQuarantine(key(98)),
		attempts.OpAllocate(lnkeep.Namespace{3}, []byte("external")),
		lnkeep.Operation{},
	)
	want(t, err, lnkeep.ErrBatch)
	want(t, err, lnkeep.ErrRefused)
	if lnkeep.ClassOf(err) != lnkeep.ClassRefused || errors.Is(err, lnkeep.ErrUnknown) {
		t.Fatal("the class of a batch is its worst operation's:", err)
	}
	codes := []lnkeep.Status{
		lnkeep.StatusAlreadyExists, 0, 0, 0, 0, 0, lnkeep.StatusNotFound, 0, 0, lnkeep.StatusNotFound, 0,
		lnkeep.StatusInvalidArgument,
	}
	for i, code := range codes {
		if outcomes[i].Code != code || outcomes[i].Done != (code == 0) || (outcomes[i].Err == nil) != (code >= 0) {
			t.Errorf("operation %d: %+v", i, outcomes[i])
		}
	}
	if outcomes[10].ID == 0 {
		t.Error("no id was allocated")
	}
}

func TestSubmitAtomic_AppliesAllOrNone(t *testing.T) {
	store, attempts := newAttempts(t)
	ctx := soon(t)
	outcomes, err := store.SubmitAtomic(ctx, attempts.OpInit(request(1)), attempts.OpAck(key(99)))
	want(t, err, lnkeep.ErrBatch)
	want(t, outcomes[0].Err, lnkeep.ErrAborted)
	want(t, outcomes[1].Err, lnkeep.ErrNotFound)
	_, err = attempts.Get(key(1))
	want(t, err, lnkeep.ErrNotFound)
	outcomes, err = store.SubmitAtomic(ctx, attempts.OpInit(request(1)), attempts.OpMarkHandedOff(key(1)))
	must(t, err)
	if !outcomes[0].Done || !outcomes[1].Done {
		t.Fatal(outcomes)
	}
	if outcomes, err = store.SubmitAtomic(ctx); outcomes != nil || err != nil {
		t.Fatal(outcomes, err)
	}
}

func TestSubmitAsync_AnswersLater(t *testing.T) {
	store, attempts := newAttempts(t)
	var submissions []*lnkeep.Submission
	for i := range uint64(200) {
		submission, err := store.SubmitAsync(attempts.OpInit(request(i)), attempts.OpMarkHandedOff(key(i)))
		must(t, err)
		submissions = append(submissions, submission)
	}
	for _, submission := range submissions {
		outcomes, err := submission.Wait(soon(t))
		if err != nil || len(outcomes) != 2 || !outcomes[0].Done || !outcomes[1].Done {
			t.Fatal(outcomes, err)
		}
		<-submission.Done()
	}
	_, err := store.SubmitAsync()
	want(t, err, lnkeep.ErrInvalidArgument)
	_, err = store.SubmitAsyncAtomic(make([]lnkeep.Operation, 1025)...)
	want(t, err, lnkeep.ErrTooBig)
}

func TestSubmitAsync_CloseAnswersWhatWasAccepted(t *testing.T) {
	store, attempts := newAttempts(t)
	var submissions []*lnkeep.Submission
	for i := range uint64(300) {
		submission, err := store.SubmitAsync(attempts.OpInit(request(i)))
		must(t, err)
		submissions = append(submissions, submission)
	}
	must(t, store.Close())
	for _, submission := range submissions {
		select {
		case <-submission.Done():
		default:
			t.Fatal("a submission was left without an answer")
		}
		_, err := submission.Wait(soon(t))
		must(t, err)
	}
}

func TestSubmit_TooMuchIsRefusedAloneAndHarmsNobody(t *testing.T) {
	store, attempts := newAttempts(t)
	ctx := soon(t)
	outcomes, err := store.Submit(ctx, make([]lnkeep.Operation, 1025)...)
	want(t, err, lnkeep.ErrTooBig)
	if len(outcomes) != 1025 || outcomes[0].Err == nil {
		t.Fatal(len(outcomes))
	}
	if outcomes, err := store.Submit(ctx); outcomes != nil || err != nil {
		t.Fatal(outcomes, err)
	}
	huge := make([]lnkeep.Operation, 100)
	for i := range huge {
		huge[i] = attempts.OpStoreResult(key(uint64(i)), lnkeep.Fail(bytes.Repeat([]byte{1}, 65_535)))
	}
	var group sync.WaitGroup
	for i := range uint64(32) {
		group.Go(func() {
			if i%4 == 0 {
				if _, err := store.Submit(ctx, huge...); !errors.Is(err, lnkeep.ErrTooBig) {
					t.Error(err)
				}
				return
			}
			// Packs of these exceed what one call may carry, and each of them does not.
			result := lnkeep.Fail(bytes.Repeat([]byte{2}, 65_535))
			if _, err := attempts.StoreResult(ctx, key(1000+i), result); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestSubmitter_NeverOverfillsASmallQueue(t *testing.T) {
	store := openStore(t, newPath(t), &lnkeep.StoreOptions{QueueOperationsMax: 4})
	attempts := openAttempts(t, store, nil)
	var group sync.WaitGroup
	for i := range uint64(200) {
		group.Go(func() {
			if _, err := attempts.Init(soon(t), request(i)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestSubmitter_Direct_BehavesTheSame(t *testing.T) {
	store := openStore(t, newPath(t), &lnkeep.StoreOptions{Direct: true})
	attempts := openAttempts(t, store, nil)
	ctx := soon(t)
	do(t)(attempts.Init(ctx, request(1)))
	again(t)(attempts.Init(ctx, request(1)))
	do(t)(attempts.MarkHandedOff(ctx, key(1)))
	refused(t, lnkeep.ErrHandedOff)(attempts.FailPending(ctx, key(1), lnkeep.Failure{Message: []byte("m")}))
	do(t)(attempts.FailPending(ctx, key(1), lnkeep.Failure{Message: []byte("m"), Forced: true}))
	do(t)(attempts.StoreResult(ctx, key(1), lnkeep.Result{Kind: lnkeep.ResultSettle, Message: []byte("x")}))
	do(t)(attempts.Ack(ctx, key(1)))
	refused(t, lnkeep.ErrConflict)(attempts.Quarantine(ctx, key(1)))
	if o := do(t)(attempts.Allocate(ctx, lnkeep.Namespace{}, []byte("k"))); o.ID == 0 {
		t.Fatalf("%+v", o)
	}
	outcomes, err := store.Submit(ctx, attempts.OpDelete(key(1)))
	if err != nil || !outcomes[0].Done {
		t.Fatal(outcomes, err)
	}
	outcomes, err = store.Submit(ctx, attempts.OpDelete(key(1)))
	want(t, err, lnkeep.ErrNotFound)
	want(t, outcomes[0].Err, lnkeep.ErrNotFound)
	outcomes, err = store.Submit(ctx, attempts.OpInit(request(2)), attempts.OpInit(request(2)))
	if err != nil || !outcomes[0].Done || !outcomes[1].Already {
		t.Fatal(outcomes, err)
	}
	_, err = store.Submit(ctx, lnkeep.Operation{})
	want(t, err, lnkeep.ErrInvalidArgument)
	must(t, store.Close())
	refused(t, lnkeep.ErrClosed)(attempts.Init(ctx, request(3)))
}

func TestSubmit_OperationsOfAnotherStoreAreRefused(t *testing.T) {
	store, _ := newAttempts(t)
	_, other := newAttempts(t)
	outcomes, err := store.Submit(soon(t), other.OpInit(request(1)))
	want(t, err, lnkeep.ErrInvalidArgument)
	want(t, outcomes[0].Err, lnkeep.ErrInvalidArgument)
	_, err = other.Get(key(1))
	want(t, err, lnkeep.ErrNotFound)
}

func TestSubmitter_ContextsThatEndDuringTheCall(t *testing.T) {
	_, attempts := newAttempts(t)
	var done, withdrawn, unknown atomic.Int32
	var group sync.WaitGroup
	for i := range uint64(400) {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*5*time.Microsecond)
			defer cancel()
			_, err := attempts.Init(ctx, request(i))
			switch {
			case err == nil:
				done.Add(1)
			case errors.Is(err, lnkeep.ErrRetry) && errors.Is(err, context.DeadlineExceeded):
				withdrawn.Add(1)
				if _, err := attempts.Get(key(i)); !errors.Is(err, lnkeep.ErrNotFound) {
					t.Errorf("attempt %d was withdrawn, and then: %v", i, err)
				}
			case errors.Is(err, lnkeep.ErrUnknown) && errors.Is(err, context.DeadlineExceeded):
				unknown.Add(1)
				if outcome, err := attempts.Init(soon(t), request(i)); err != nil || !(outcome.Done || outcome.Already) {
					t.Error(outcome, err)
				}
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	t.Logf("%d done, %d withdrawn, %d unknown", done.Load(), withdrawn.Load(), unknown.Load())
}

const (
	threadsVariable = "LNKEEP_TEST_THREADS"
	goroutines      = 1000
	// threadsMax is "a few dozen": the figure without the submitter is printed beside it.
	threadsMax = 36
)

func TestSubmitter_AThousandGoroutinesHoldFewThreads(t *testing.T) {
	if _, err := os.Stat("/proc/self/task"); err != nil {
		t.Skip("needs /proc to count threads:", err)
	}
	packed, direct := threadsOf(t, "packed"), threadsOf(t, "direct")
	t.Logf("%d goroutines: at most %d threads, and %d without the submitter", goroutines, packed, direct)
	paying := threadsOf(t, "payments")
	t.Logf("%d goroutines that initiate payments: at most %d threads", goroutines, paying)
	if packed > threadsMax || paying > threadsMax {
		t.Fatalf("%d and %d threads", packed, paying)
	}
}

// threadsOf counts in a process of its own: threads that other tests left behind would count too.
func threadsOf(t *testing.T, mode string) (threads int) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), threadsVariable+"="+mode+":"+newPath(t))
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if _, err := fmt.Sscanf(string(output), "threads %d", &threads); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return threads
}

func countThreads() {
	mode, path, _ := strings.Cut(os.Getenv(threadsVariable), ":")
	store, err := lnkeep.Open(path, &lnkeep.StoreOptions{Direct: mode == "direct"})
	exitOn(err)
	attempts, err := store.OpenAttempts(nil)
	exitOn(err)
	payments, err := store.OpenPayments(nil)
	exitOn(err)
	stop, greatest := make(chan struct{}), make(chan int)
	go func() {
		most := 0
		for {
			tasks, _ := os.ReadDir("/proc/self/task")
			most = max(most, len(tasks))
			select {
			case <-stop:
				greatest <- most
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	var group sync.WaitGroup
	for i := range uint64(goroutines) {
		group.Go(func() {
			for round := range uint64(5) {
				outcome, err := lnkeep.Outcome{}, error(nil)
				if mode == "payments" {
					hash := lnkeep.PaymentHash{byte(i), byte(i >> 8), byte(round)}
					_, outcome, err = payments.Init(context.Background(), lnkeep.PaymentInit{Hash: hash})
				} else {
					outcome, err = attempts.Init(context.Background(), request(i*5+round))
				}
				exitOn(err)
				if !outcome.Done {
					exitOn(errors.New("an init was not granted"))
				}
			}
		})
	}
	group.Wait()
	close(stop)
	fmt.Println("threads", <-greatest)
	exitOn(store.Close())
}

func exitOn(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
