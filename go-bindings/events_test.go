package lnkeep_test

import (
	"context"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

var everyEvent = lnkeep.EventMaskOf(lnkeep.EventAttemptInit, lnkeep.EventAttemptHandedOff,
	lnkeep.EventAttemptResolved, lnkeep.EventAttemptConflict, lnkeep.EventAttemptDeleted,
	lnkeep.EventAttemptCorrupt)

func openEvents(t testing.TB, store *lnkeep.Store, name string) *lnkeep.Events {
	t.Helper()
	events, err := store.OpenEvents(name, nil)
	must(t, err)
	return events
}

func next(t testing.TB, events *lnkeep.Events) lnkeep.Event {
	t.Helper()
	select {
	case event, open := <-events.Channel():
		if !open {
			t.Fatal("the channel was closed:", events.Err())
		}
		return event
	case <-time.After(10 * time.Second):
		t.Fatal("no event came")
	}
	return lnkeep.Event{}
}

func TestEvents_Channel_GivesChangesAsTheyHappen(t *testing.T) {
	store := openStore(t, newPath(t), &lnkeep.StoreOptions{Events: everyEvent})
	attempts := openAttempts(t, store, nil)
	ctx := soon(t)
	at := time.UnixMilli(1_700_000_000_000)
	must(t, store.Tick(at, 800_000))
	events := openEvents(t, store, "host")
	k := lnkeep.Key{Namespace: lnkeep.Namespace{1, 2}, ID: 5}
	do(t)(attempts.Init(ctx, lnkeep.Request{Key: k, AmountMsat: 42}))
	if event := next(t, events); event.Kind != lnkeep.EventAttemptInit || event.Key != k || event.AmountMsat != 42 ||
		event.State != lnkeep.StateIntent || event.BlockHeight != 800_000 || !event.Time.Equal(at) {
		t.Fatalf("%+v", event)
	}
	// The channel was empty and its goroutine asleep: the doorbell has to wake it each time.
	for i, step := range []func() (lnkeep.Outcome, error){
		func() (lnkeep.Outcome, error) { return attempts.MarkHandedOff(ctx, k) },
		func() (lnkeep.Outcome, error) { return attempts.StoreResult(ctx, k, lnkeep.FailLocal(7, nil)) },
		func() (lnkeep.Outcome, error) { return attempts.StoreResult(ctx, k, lnkeep.Settle(preimage(1))) },
	} {
		time.Sleep(2 * time.Millisecond)
		outcome := do(t)(step())
		if event := next(t, events); event.Kind != lnkeep.EventKind(i+1) || event.Sequence != outcome.EventSequence {
			t.Fatalf("%+v of %+v", event, outcome)
		}
	}
}

func TestEvents_ResumeAfterAReopen(t *testing.T) {
	path := newPath(t)
	ctx := soon(t)
	store := openStore(t, path, &lnkeep.StoreOptions{Events: everyEvent})
	attempts := openAttempts(t, store, nil)
	events := openEvents(t, store, "host")
	initDone(t, attempts, 1, 2, 3)
	first := next(t, events)
	next(t, events)
	do(t)(events.Ack(ctx, first.Sequence))
	again(t)(events.Ack(ctx, first.Sequence))
	refused(t, lnkeep.ErrInvalidArgument)(events.Ack(ctx, 1<<40))
	must(t, events.Close())
	if _, open := <-events.Channel(); open || events.Err() != nil {
		t.Fatal("the channel is open, or has an error:", events.Err())
	}
	reopened := openEvents(t, store, "host")
	if event := next(t, reopened); event.Key.ID != 2 {
		t.Fatalf("%+v", event)
	}
	must(t, store.Close())

	events = openEvents(t, openStore(t, path, nil), "host")
	for _, id := range []uint64{2, 3} {
		if event := next(t, events); event.Key.ID != id {
			t.Fatalf("%+v", event)
		}
	}
}

func TestEvents_Take_NeverWaits(t *testing.T) {
	store := openStore(t, newPath(t), &lnkeep.StoreOptions{Events: everyEvent})
	attempts := openAttempts(t, store, nil)
	events := openEvents(t, store, "host")
	for _, n := range []int{0, 1, 5000} {
		if taken, err := events.Take(n); len(taken) != 0 || err != nil {
			t.Fatal(taken, err)
		}
	}
	_, err := events.Take(-1)
	want(t, err, lnkeep.ErrInvalidArgument)
	initDone(t, attempts, 1, 2, 3)
	if taken, err := events.Take(0); len(taken) != 0 || err != nil {
		t.Fatal(taken, err)
	}
	for _, c := range []struct{ n, got int }{{2, 2}, {2, 1}, {2, 0}} {
		if taken, err := events.Take(c.n); len(taken) != c.got || err != nil {
			t.Fatal(taken, err)
		}
	}
	newest, err := store.OpenEvents("newest", &lnkeep.EventsOptions{FromNewest: true})
	must(t, err)
	if taken, err := newest.Take(9); len(taken) != 0 || err != nil {
		t.Fatal(taken, err)
	}
	must(t, newest.Unregister(soon(t)))
	want(t, newest.Unregister(soon(t)), lnkeep.ErrNotFound)
	refused(t, lnkeep.ErrNotFound)(newest.Ack(soon(t), 1))
}

func TestEvents_Truncated_IsToldOnceAndReadingGoesOn(t *testing.T) {
	store := openStore(t, newPath(t), &lnkeep.StoreOptions{Events: everyEvent, EventsBytesMax: 4096})
	attempts := openAttempts(t, store, nil)
	byTake, byChannel := openEvents(t, store, "take"), openEvents(t, store, "channel")
	ops := make([]lnkeep.Operation, 1000)
	for i := range ops {
		ops[i] = attempts.OpInit(request(uint64(i)))
	}
	_, err := store.Submit(soon(t), ops...)
	must(t, err)

	_, err = byTake.Take(10)
	want(t, err, lnkeep.ErrTruncated)
	first, err := byTake.FirstAvailable()
	must(t, err)
	taken, err := byTake.Take(10)
	must(t, err)
	if len(taken) == 0 || taken[0].Sequence != first {
		t.Fatalf("%+v, first %d", taken, first)
	}
	gap := next(t, byChannel)
	if gap.Kind != lnkeep.EventTruncated || gap.Sequence != first || gap.Kind.String() != "truncated" {
		t.Fatalf("%+v, first %d", gap, first)
	}
	for sequence := first; sequence <= 1000; sequence++ {
		if event := next(t, byChannel); event.Sequence != sequence {
			t.Fatalf("%+v, not %d", event, sequence)
		}
	}
}

func TestEvents_KindsAreChosenAtTheOpen(t *testing.T) {
	store := openStore(t, newPath(t), &lnkeep.StoreOptions{Events: lnkeep.NoEvents})
	attempts := openAttempts(t, store, nil)
	events := openEvents(t, store, "host")
	initDone(t, attempts, 1)
	if o := do(t)(attempts.FailPending(soon(t), key(1), lnkeep.Failure{})); o.EventSequence != 0 {
		t.Fatalf("%+v", o)
	}
	if taken, err := events.Take(9); len(taken) != 0 || err != nil {
		t.Fatal(taken, err)
	}
}

func TestEvents_RefusedNames(t *testing.T) {
	store, _ := newAttempts(t)
	for _, name := range []string{"", "a\x00b", "123456789012345678901234567890123"} {
		_, err := store.OpenEvents(name, nil)
		want(t, err, lnkeep.ErrInvalidArgument)
	}
}

func TestEvents_CloseWhileTheChannelIsFull(t *testing.T) {
	store := openStore(t, newPath(t), &lnkeep.StoreOptions{Events: everyEvent})
	attempts := openAttempts(t, store, nil)
	events := openEvents(t, store, "host")
	channel := events.Channel()
	initDone(t, attempts, 1, 2, 3)
	time.Sleep(5 * time.Millisecond)
	must(t, events.Close())
	for range channel {
		t.Fatal("an event came after the close")
	}
}

func TestEvents_ManyCursorsSeeEveryEventInOrder(t *testing.T) {
	store := openStore(t, newPath(t), &lnkeep.StoreOptions{Events: everyEvent})
	attempts := openAttempts(t, store, nil)
	const total = 500
	ended := make(chan uint64, 4)
	for _, name := range []string{"a", "b", "c", "d"} {
		events := openEvents(t, store, name)
		go func() {
			last := uint64(0)
			for event := range events.Channel() {
				if event.Sequence != last+1 {
					break
				}
				if last = event.Sequence; last == total {
					break
				}
			}
			ended <- last
		}()
	}
	for i := range uint64(total) {
		go func() { _, _ = attempts.Init(context.Background(), request(i)) }()
	}
	for range 4 {
		select {
		case last := <-ended:
			if last != total {
				t.Fatal("a cursor ended at", last)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("a cursor waits for ever")
		}
	}
}

func TestEvents_OfPayments(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	payments := openPayments(t, store, nil)
	events := openEvents(t, store, "host")
	ctx := soon(t)
	initiated(t, payments, 1, 1000)
	first, second := part(1, 400, 1000), part(2, 600, 1000)
	first.FeeMsat, second.Key.Namespace = 7, lnkeep.Namespace{'n'}
	paid(t)(payments.Register(ctx, hashOf(1), first))
	paid(t)(payments.Register(ctx, hashOf(1), second))
	paid(t)(payments.FailAttempt(ctx, hashOf(1), first.Key, noRoute))
	paid(t)(payments.ForceFail(ctx, hashOf(1), second.Key, noRoute, "gone"))
	paid(t)(payments.Fail(ctx, hashOf(1), lnkeep.FailureReasonTimeout))
	paid(t)(payments.Settle(ctx, hashOf(1), second.Key, settleOf(1)))
	do(t)(payments.Delete(ctx, hashOf(1)))
	succeeded(t, payments, 2, 3)

	inFlight, failed, settled := lnkeep.PaymentInFlight, lnkeep.PaymentFailed, lnkeep.PaymentSucceeded
	for i, e := range []lnkeep.Event{
		{Kind: lnkeep.EventPaymentInitiated, PaymentStatus: lnkeep.PaymentInitiated, AmountMsat: 1000,
			RemainingMsat: 1000},
		{Kind: lnkeep.EventPaymentAttemptRegistered, PaymentStatus: inFlight,
			AttemptState: lnkeep.PaymentAttemptInFlight,
			Key:          first.Key, AmountMsat: 400, RemainingMsat: 600, FeesMsat: 7},
		{Kind: lnkeep.EventPaymentAttemptRegistered, PaymentStatus: inFlight,
			AttemptState: lnkeep.PaymentAttemptInFlight,
			Key:          second.Key, AmountMsat: 600, FeesMsat: 7},
		{Kind: lnkeep.EventPaymentAttemptFailed, PaymentStatus: inFlight, AttemptState: lnkeep.PaymentAttemptFailed,
			Key: first.Key, AmountMsat: 400, RemainingMsat: 400},
		{Kind: lnkeep.EventPaymentForced, PaymentStatus: inFlight, AttemptState: lnkeep.PaymentAttemptFailed,
			Key: second.Key, AmountMsat: 600, RemainingMsat: 1000},
		{Kind: lnkeep.EventPaymentFailed, PaymentStatus: failed, FailureReason: lnkeep.FailureReasonTimeout,
			AmountMsat: 1000, RemainingMsat: 1000, Terminal: true},
		{Kind: lnkeep.EventPaymentLateSettle, PaymentStatus: settled, FailureReason: lnkeep.FailureReasonTimeout,
			AttemptState: lnkeep.PaymentAttemptSettled, Key: second.Key, AmountMsat: 600, RemainingMsat: 400,
			HadLateSettle: true},
		{Kind: lnkeep.EventPaymentDeleted, PaymentStatus: settled, FailureReason: lnkeep.FailureReasonTimeout,
			AmountMsat: 1000, RemainingMsat: 400, HadLateSettle: true},
	} {
		got := next(t, events)
		e.Sequence, e.Subject = uint64(i+1), hashOf(1)
		if got != e || got.PaymentHash() != hashOf(1) || !got.Kind.OfPayment() {
			t.Errorf("%+v\nis not\n%+v", got, e)
		}
	}
	for i, terminal := range []bool{false, false, true} {
		if event := next(t, events); event.Terminal != terminal || event.PaymentHash() != hashOf(2) {
			t.Errorf("%d: %+v", i, event)
		}
	}
	attempts := openAttempts(t, store, nil)
	do(t)(attempts.StoreResult(ctx, lnkeep.Key{Namespace: lnkeep.Namespace{'n'}, ID: 9}, lnkeep.Fail(nil)))
	event := next(t, events)
	if event.PaymentHash() != (lnkeep.PaymentHash{}) || event.Kind.OfPayment() ||
		event.State != lnkeep.StateFailed ||
		event.PaymentStatus != 0 || event.Key != (lnkeep.Key{Namespace: lnkeep.Namespace{'n'}, ID: 9}) {
		t.Errorf("%+v", event)
	}
}
