package lnkeep_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestWaitResult_WakesEveryWaiter(t *testing.T) {
	_, attempts := newAttempts(t)
	ctx := soon(t)
	initDone(t, attempts, 1, 2)
	do(t)(attempts.StoreResult(ctx, key(2), lnkeep.Settle(preimage(2))))
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			result, err := attempts.WaitResult(ctx, key(1))
			if err != nil || result.Preimage != preimage(1) {
				t.Error(result, err)
			}
			result, err = attempts.WaitResult(ctx, key(2))
			if err != nil || result.Preimage != preimage(2) {
				t.Error(result, err)
			}
		})
	}
	eventually(t, "50 waiters", func() bool { n, _ := attempts.Waiters(key(1)); return n == 50 })
	do(t)(attempts.StoreResult(ctx, key(1), lnkeep.Settle(preimage(1))))
	group.Wait()
	if n, err := attempts.Waiters(key(1)); n != 0 || err != nil {
		t.Fatal(n, err)
	}
}

func TestWaitResult_ManyAttempts(t *testing.T) {
	_, attempts := newAttempts(t)
	ctx := soon(t)
	var group sync.WaitGroup
	for id := range uint64(300) {
		group.Go(func() {
			if _, err := attempts.Init(ctx, request(id)); err != nil {
				t.Error(err)
				return
			}
			group.Go(func() {
				result, err := attempts.WaitResult(ctx, key(id))
				if err != nil || result.FailureCode != uint16(id) {
					t.Error(id, result, err)
				}
			})
			if _, err := attempts.StoreResult(ctx, key(id), lnkeep.FailLocal(uint16(id), nil)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestWaitResult_Refuses(t *testing.T) {
	_, attempts := newAttempts(t)
	_, err := attempts.WaitResult(soon(t), key(1))
	want(t, err, lnkeep.ErrNotFound)
	initDone(t, attempts, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err = attempts.WaitResult(ctx, key(1))
	want(t, err, context.DeadlineExceeded)
	want(t, err, lnkeep.ErrRetry)
	if n, err := attempts.Waiters(key(1)); n != 0 || err != nil {
		t.Fatal("the subscription stayed:", n, err)
	}
	do(t)(attempts.FailPending(soon(t), key(1), lnkeep.Failure{}))
	_, err = attempts.Delete(soon(t), key(1))
	must(t, err)
	_, err = attempts.WaitResult(soon(t), key(1))
	want(t, err, lnkeep.ErrDeleted)
	deleted, err := attempts.Subscribe(key(1))
	must(t, err)
	_, err = deleted.Wait(soon(t))
	want(t, err, lnkeep.ErrClosed)
}

func TestSubscription_GivesTheResultOnce(t *testing.T) {
	_, attempts := newAttempts(t)
	ctx := soon(t)
	subscription, err := attempts.Subscribe(key(1))
	must(t, err)
	if state, _, err := subscription.Poll(); state != lnkeep.PollWaiting || err != nil || subscription.Key() != key(1) {
		t.Fatal(state, err)
	}
	do(t)(attempts.StoreResult(ctx, key(1), lnkeep.Fail([]byte{1})))
	select {
	case <-subscription.Ready():
	case <-ctx.Done():
		t.Fatal("it is not ready")
	}
	state, result, err := subscription.Poll()
	if state != lnkeep.PollResult || err != nil || string(result.Message) != "\x01" {
		t.Fatal(state, result, err)
	}
	if state, _, err = subscription.Poll(); state != lnkeep.PollDone || err != nil {
		t.Fatal(state, err)
	}
	_, err = subscription.Wait(ctx)
	want(t, err, lnkeep.ErrNotFound)
	must(t, subscription.Close())
	if state, _, err = subscription.Poll(); state != lnkeep.PollClosed || err != nil {
		t.Fatal(state, err)
	}
	_, err = attempts.SubscribeKnown(key(2))
	want(t, err, lnkeep.ErrNotFound)
}

func TestSubscription_CloseWakesItsWaiter(t *testing.T) {
	_, attempts := newAttempts(t)
	subscription, err := attempts.Subscribe(key(1))
	must(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := subscription.Wait(soon(t))
		ended <- err
	}()
	time.Sleep(5 * time.Millisecond)
	must(t, subscription.Close())
	want(t, <-ended, lnkeep.ErrClosed)
}

func TestUnsubscribeAll_WakesWaitersAndKeepsReadyResults(t *testing.T) {
	store, attempts := newAttempts(t)
	initDone(t, attempts, 1, 2)
	ready, err := attempts.Subscribe(key(1))
	must(t, err)
	waits, err := attempts.Subscribe(key(2))
	must(t, err)
	do(t)(attempts.FailPending(soon(t), key(1), lnkeep.Failure{}))
	ended := make(chan error, 2)
	go func() {
		_, err := attempts.WaitResult(soon(t), key(2))
		ended <- err
	}()
	eventually(t, "two waiters", func() bool { n, _ := attempts.Waiters(key(2)); return n == 2 })
	must(t, attempts.UnsubscribeAll())
	want(t, <-ended, lnkeep.ErrClosed)
	_, err = waits.Wait(soon(t))
	want(t, err, lnkeep.ErrClosed)
	_, err = ready.Wait(soon(t))
	must(t, err)

	// The store's close wakes waiters as well.
	go func() {
		_, err := attempts.WaitResult(soon(t), key(2))
		ended <- err
	}()
	eventually(t, "a waiter", func() bool { n, _ := attempts.Waiters(key(2)); return n == 1 })
	must(t, store.Close())
	want(t, <-ended, lnkeep.ErrClosed)
}

func TestSubscriptions_TooManyAreBusy(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	attempts := openAttempts(t, store, &lnkeep.AttemptsOptions{SubscriptionsMax: 2})
	for id := range uint64(2) {
		_, err := attempts.Subscribe(key(id))
		must(t, err)
	}
	_, err := attempts.Subscribe(key(9))
	want(t, err, lnkeep.ErrBusy)
	if errors.Is(err, lnkeep.ErrUnknown) {
		t.Fatal(err)
	}
}
