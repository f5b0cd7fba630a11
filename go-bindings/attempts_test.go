package lnkeep_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestAttempts_Init_GrantsOneOfManyCallers(t *testing.T) {
	_, attempts := newAttempts(t)
	ctx := soon(t)
	var granted, tracked atomic.Int32
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			outcome, err := attempts.Init(ctx, request(7))
			switch {
			case err != nil:
				t.Error(err)
			case outcome.Done:
				granted.Add(1)
			case outcome.Already && outcome.Code == lnkeep.StatusAlreadyExists:
				tracked.Add(1)
			}
		})
	}
	group.Wait()
	if granted.Load() != 1 || tracked.Load() != 99 {
		t.Fatalf("%d granted, %d tracked", granted.Load(), tracked.Load())
	}
}

func TestAttempts_WholeLife(t *testing.T) {
	_, attempts := newAttempts(t)
	ctx := soon(t)
	p := preimage(9)
	paymentHash, fingerprint := sha256.Sum256(p[:]), [32]byte{1, 2, 3}
	k := lnkeep.Key{Namespace: lnkeep.Namespace{'r'}, ID: 1 << 63}
	given := lnkeep.Request{
		Key: k, CLTVExpiry: 800_144, AmountMsat: 21_000_000, FirstHopSCID: 1 << 60,
		Fingerprint: &fingerprint, PaymentHash: &paymentHash,
	}
	do(t)(attempts.Init(ctx, given))
	again(t)(attempts.Init(ctx, given))
	other := given
	other.Fingerprint = &[32]byte{4}
	refused(t, lnkeep.ErrFingerprintMismatch)(attempts.Init(ctx, other))

	_, err := attempts.Result(k)
	want(t, err, lnkeep.ErrResultPending)
	refused(t, lnkeep.ErrResultPending)(attempts.Ack(ctx, k))
	do(t)(attempts.MarkHandedOff(ctx, k))
	again(t)(attempts.MarkHandedOff(ctx, k))
	refused(t, lnkeep.ErrHandedOff)(attempts.FailPending(ctx, k, lnkeep.Failure{}))
	refused(t, lnkeep.ErrBadPreimage)(attempts.StoreResult(ctx, k, lnkeep.Settle(preimage(8))))
	fail := lnkeep.Fail([]byte("onion error"))
	do(t)(attempts.StoreResult(ctx, k, fail))
	if o := again(t)(attempts.StoreResult(ctx, k, fail)); o.Changed {
		t.Fatalf("%+v", o)
	}
	if o := do(t)(attempts.StoreResult(ctx, k, lnkeep.Settle(p))); !o.Conflict || !o.Changed {
		t.Fatalf("a settle after a failure: %+v", o)
	}
	refused(t, lnkeep.ErrConflict)(attempts.StoreResult(ctx, k, fail))
	do(t)(attempts.Ack(ctx, k))
	again(t)(attempts.Ack(ctx, k))

	stored, err := attempts.Get(k)
	must(t, err)
	settle := lnkeep.Settle(p)
	expected := lnkeep.Attempt{
		Key: k, State: lnkeep.StateSettled, Acked: true, Conflict: true, CLTVExpiry: 800_144, CreatedEpoch: 1,
		AmountMsat: 21_000_000, FirstHopSCID: 1 << 60, Fingerprint: &fingerprint, PaymentHash: &paymentHash,
		Result: &settle,
	}
	stored.CreatedEpoch = 1
	if !reflect.DeepEqual(stored, expected) {
		t.Fatalf("stored\n%+v, not\n%+v", stored, expected)
	}
	has, err := attempts.HasResult(k)
	if err != nil || !has {
		t.Fatal(has, err)
	}
	outcomes, err := attempts.Delete(ctx, k)
	if err != nil || len(outcomes) != 1 || !outcomes[0].Done {
		t.Fatal(outcomes, err)
	}
	_, err = attempts.Get(k)
	want(t, err, lnkeep.ErrDeleted)
	again(t)(attempts.Init(ctx, given))
}

func TestAttempts_StoreResult_KeepsEveryField(t *testing.T) {
	_, attempts := newAttempts(t)
	message := bytes.Repeat([]byte{0, 0xff, 7}, 65_535/3)
	for i, given := range []lnkeep.Result{
		lnkeep.Settle(preimage(1)),
		{Kind: lnkeep.ResultSettle, Preimage: preimage(2), Unencrypted: true, Resolution: true, Message: []byte{0}},
		lnkeep.Fail(nil),
		lnkeep.Fail(message),
		{Kind: lnkeep.ResultFail, Resolution: true},
		lnkeep.FailLocal(65_535, []byte("local")),
	} {
		k := key(uint64(i))
		do(t)(attempts.StoreResult(soon(t), k, given))
		stored, err := attempts.Result(k)
		must(t, err)
		if !reflect.DeepEqual(stored, given) {
			t.Errorf("stored %+v, not %+v", stored, given)
		}
	}
	_, err := attempts.StoreResult(soon(t), key(100), lnkeep.Fail(append(message, 1)))
	if err == nil || lnkeep.ClassOf(err) != lnkeep.ClassRefused {
		t.Fatal("65,536 bytes:", err)
	}
}

func TestAttempts_FailPending_KeepsCodeAndMessage(t *testing.T) {
	_, attempts := newAttempts(t)
	ctx := soon(t)
	initDone(t, attempts, 1, 2, 3)
	do(t)(attempts.FailPending(ctx, key(1), lnkeep.Failure{Code: 0x1007, Message: []byte("no balance")}))
	result, err := attempts.Result(key(1))
	must(t, err)
	if !reflect.DeepEqual(result, lnkeep.FailLocal(0x1007, []byte("no balance"))) {
		t.Fatalf("%+v", result)
	}
	refused(t, lnkeep.ErrNotPending)(attempts.FailPending(ctx, key(1), lnkeep.Failure{}))
	refused(t, lnkeep.ErrNotFound)(attempts.FailPending(ctx, key(9), lnkeep.Failure{}))
	do(t)(attempts.MarkHandedOff(ctx, key(2)))
	do(t)(attempts.FailPending(ctx, key(2), lnkeep.Failure{Forced: true}))
	attempt, err := attempts.Get(key(2))
	must(t, err)
	if !attempt.Forced || !attempt.RolledBack || attempt.Result.FailureCode != 0x2002 {
		t.Fatalf("%+v", attempt)
	}
}

func TestAttempts_Delete_AnswersEachKey(t *testing.T) {
	_, attempts := newAttempts(t)
	ctx := soon(t)
	initDone(t, attempts, 1, 2)
	do(t)(attempts.FailPending(ctx, key(1), lnkeep.Failure{}))
	outcomes, err := attempts.Delete(ctx, key(1), key(2), key(3))
	want(t, err, lnkeep.ErrBatch)
	want(t, err, lnkeep.ErrRefused)
	if !outcomes[0].Done {
		t.Error(outcomes[0])
	}
	want(t, outcomes[1].Err, lnkeep.ErrPending)
	want(t, outcomes[2].Err, lnkeep.ErrNotFound)
	outcomes, err = attempts.Delete(ctx, key(1), key(1))
	want(t, err, lnkeep.ErrDuplicateID)
	if len(outcomes) != 2 || !errors.Is(outcomes[1].Err, lnkeep.ErrDuplicateID) {
		t.Error(outcomes)
	}
	_, err = attempts.Delete(ctx, make([]lnkeep.Key, 1025)...)
	want(t, err, lnkeep.ErrTooBig)

	do(t)(attempts.FailPending(ctx, key(2), lnkeep.Failure{}))
	_, err = attempts.Forget(ctx, key(2))
	must(t, err)
	initDone(t, attempts, 2)
}

func TestAttempts_Clean_And_AckBelow(t *testing.T) {
	_, attempts := newAttempts(t)
	ctx := soon(t)
	initDone(t, attempts, 1, 2, 3, 4)
	for _, id := range []uint64{1, 2, 3} {
		do(t)(attempts.FailPending(ctx, key(id), lnkeep.Failure{}))
	}
	acked, err := attempts.AckBelow(ctx, lnkeep.Namespace{}, 3)
	if err != nil || acked != 2 {
		t.Fatal(acked, err)
	}
	cleaned, err := attempts.Clean(ctx, lnkeep.CleanOptions{Keep: []uint64{2}})
	if err != nil || cleaned != (lnkeep.Cleaned{Removed: 2}) {
		t.Fatal(cleaned, err)
	}
	counts, err := attempts.Counts(lnkeep.Namespace{})
	if err != nil || counts != (lnkeep.Counts{Intent: 1, Failed: 1, Deleted: 2}) {
		t.Fatalf("%+v, %v", counts, err)
	}
	all, err := attempts.CountsOfAll()
	if err != nil || all != counts {
		t.Fatalf("%+v, %v", all, err)
	}
}

func TestAttempts_Allocate_IsIdempotentByKey(t *testing.T) {
	_, attempts := newAttempts(t)
	ctx := soon(t)
	first := do(t)(attempts.Allocate(ctx, lnkeep.Namespace{}, []byte("payment 1")))
	second := do(t)(attempts.Allocate(ctx, lnkeep.Namespace{}, []byte("payment 2")))
	repeat := again(t)(attempts.Allocate(ctx, lnkeep.Namespace{}, []byte("payment 1")))
	if first.ID == second.ID || repeat.ID != first.ID {
		t.Fatal(first.ID, second.ID, repeat.ID)
	}
	refused(t, lnkeep.ErrInvalidArgument)(attempts.Allocate(ctx, lnkeep.Namespace{}, nil))
	refused(t, lnkeep.ErrInvalidArgument)(attempts.Allocate(ctx, lnkeep.Namespace{}, make([]byte, 65)))
}

func TestAttempts_List_PagesInKeyOrder(t *testing.T) {
	store, attempts := newAttempts(t)
	must(t, store.Tick(time.UnixMilli(1000), 100))
	ctx := soon(t)
	for id := range uint64(10) {
		do(t)(attempts.Init(ctx, lnkeep.Request{Key: key(id), CLTVExpiry: uint32(100 + id)}))
	}
	elsewhere := lnkeep.Key{Namespace: lnkeep.Namespace{5}, ID: 3}
	do(t)(attempts.Init(ctx, lnkeep.Request{Key: elsewhere}))
	do(t)(attempts.FailPending(ctx, key(4), lnkeep.Failure{}))

	page, err := attempts.List(lnkeep.Query{Limit: 3})
	must(t, err)
	if len(page.Attempts) != 3 || page.Next == nil {
		t.Fatalf("%+v", page)
	}
	visit := func(query lnkeep.Query) (ids []uint64) {
		for attempt, err := range attempts.All(query) {
			must(t, err)
			ids = append(ids, attempt.Key.ID)
		}
		return ids
	}
	for _, c := range []struct {
		name  string
		query lnkeep.Query
		ids   []uint64
	}{
		{"all", lnkeep.Query{Limit: 3}, []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"every namespace", lnkeep.Query{AllNamespaces: true}, []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 3}},
		{"another namespace", lnkeep.Query{Namespace: lnkeep.Namespace{5}}, []uint64{3}},
		{"failed", lnkeep.Query{States: []lnkeep.State{lnkeep.StateFailed}}, []uint64{4}},
		{"expired", lnkeep.Query{ExpiredAtHeight: 102}, []uint64{0, 1, 2}},
		{"after", lnkeep.Query{After: &lnkeep.Key{ID: 7}}, []uint64{8, 9}},
		{"old", lnkeep.Query{CreatedBefore: time.UnixMilli(999)}, nil},
	} {
		if ids := visit(c.query); !reflect.DeepEqual(ids, c.ids) {
			t.Errorf("%s: %v, not %v", c.name, ids, c.ids)
		}
	}
	for range attempts.All(lnkeep.Query{}) {
		break
	}
	_, err = attempts.List(lnkeep.Query{States: []lnkeep.State{32}})
	want(t, err, lnkeep.ErrInvalidArgument)
	_, err = attempts.List(lnkeep.Query{States: []lnkeep.State{31}})
	if err == nil {
		t.Error("an unknown state was accepted")
	}
	_, err = attempts.List(lnkeep.Query{CreatedBefore: time.Unix(-1, 0)})
	want(t, err, lnkeep.ErrInvalidArgument)
}

func TestAttempts_Recover_DecidesAboutEarlierOpens(t *testing.T) {
	path := newPath(t)
	ctx := soon(t)
	store := openStore(t, path, nil)
	attempts := openAttempts(t, store, nil)
	initDone(t, attempts, 1, 2, 3)
	do(t)(attempts.MarkHandedOff(ctx, key(2)))
	do(t)(attempts.MarkHandedOff(ctx, key(3)))
	must(t, store.Close())

	attempts = openAttempts(t, openStore(t, path, nil), nil)
	initDone(t, attempts, 4)
	recovery, err := attempts.Recover(ctx, lnkeep.RecoverOptions{
		Circuits: []lnkeep.Circuit{{ID: 3, State: lnkeep.CircuitOpen}}, CircuitsComplete: true,
	})
	must(t, err)
	if !reflect.DeepEqual(recovery, lnkeep.Recovery{Failed: []uint64{1}, Unresolved: []uint64{2}}) {
		t.Fatalf("%+v", recovery)
	}
	recovery, err = attempts.Recover(ctx, lnkeep.RecoverOptions{CurrentEpoch: true})
	must(t, err)
	if !reflect.DeepEqual(recovery.Failed, []uint64{4}) {
		t.Fatalf("%+v", recovery)
	}
	_, err = attempts.Recover(ctx, lnkeep.RecoverOptions{Circuits: []lnkeep.Circuit{{ID: 3, State: 1}}})
	want(t, err, lnkeep.ErrInvalidArgument)
}

func TestAttempts_Quarantine_OfAReadableRecordIsRefused(t *testing.T) {
	_, attempts := newAttempts(t)
	initDone(t, attempts, 1)
	refused(t, lnkeep.ErrConflict)(attempts.Quarantine(soon(t), key(1)))
	refused(t, lnkeep.ErrNotFound)(attempts.Quarantine(soon(t), key(2)))
	again(t)(attempts.AcknowledgeRestore(soon(t)))
}

func TestAttempts_Retention_SweepsAcknowledgedRecords(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	attempts := openAttempts(t, store, &lnkeep.AttemptsOptions{AckedRetention: 1500 * time.Millisecond})
	ctx := soon(t)
	must(t, store.Tick(time.UnixMilli(1_000_000), 1))
	initDone(t, attempts, 1)
	do(t)(attempts.FailPending(ctx, key(1), lnkeep.Failure{}))
	do(t)(attempts.Ack(ctx, key(1)))
	must(t, store.Tick(time.UnixMilli(1_001_900), 1))
	handled, err := attempts.Sweep(ctx)
	if err != nil || handled != 0 {
		t.Fatalf("1.5 s were not rounded up to 2 s: %d, %v", handled, err)
	}
	must(t, store.Tick(time.UnixMilli(1_003_000), 1))
	handled, err = attempts.Sweep(ctx)
	if err != nil || handled != 1 {
		t.Fatal(handled, err)
	}
	_, err = attempts.Get(key(1))
	want(t, err, lnkeep.ErrDeleted)
}

func TestAttempts_External_MarkRefusesALocalOpen(t *testing.T) {
	path := newPath(t)
	ctx := soon(t)
	store := openStore(t, path, nil)
	attempts := openAttempts(t, store, &lnkeep.AttemptsOptions{External: true})
	external, err := attempts.IsExternal()
	if err != nil || !external {
		t.Fatal(external, err)
	}
	must(t, store.Close())
	store = openStore(t, path, nil)
	_, err = store.OpenAttempts(nil)
	want(t, err, lnkeep.ErrExternalMarker)
	attempts = openAttempts(t, store, &lnkeep.AttemptsOptions{External: true})
	initDone(t, attempts, 1)
	refused(t, lnkeep.ErrEntriesExist)(attempts.DisableExternal(ctx))
	do(t)(attempts.FailPending(ctx, key(1), lnkeep.Failure{}))
	_, err = attempts.Forget(ctx, key(1))
	must(t, err)
	do(t)(attempts.DisableExternal(ctx))
	again(t)(attempts.DisableExternal(ctx))
}

func TestAttempts_OpenedTwice_ShareOneInstance(t *testing.T) {
	store, first := newAttempts(t)
	second := openAttempts(t, store, nil)
	_, err := store.OpenAttempts(&lnkeep.AttemptsOptions{UnmarkedHost: true})
	want(t, err, lnkeep.ErrAlreadyOpen)
	_, err = store.OpenAttempts(&lnkeep.AttemptsOptions{AckedRetention: -1})
	want(t, err, lnkeep.ErrInvalidArgument)
	initDone(t, first, 1)
	must(t, first.Close())
	must(t, first.Close())
	refused(t, lnkeep.ErrClosed)(first.Init(soon(t), request(2)))
	again(t)(second.Init(soon(t), request(1)))
	result := make(chan error, 1)
	go func() {
		_, err := second.WaitResult(soon(t), key(1))
		result <- err
	}()
	eventually(t, "a waiter", func() bool { n, _ := second.Waiters(key(1)); return n == 1 })
	must(t, second.Close())
	want(t, <-result, lnkeep.ErrClosed)
	third := openAttempts(t, store, nil)
	again(t)(third.Init(soon(t), request(1)))
}

func TestErrors_TellOperationKeyAndClass(t *testing.T) {
	_, attempts := newAttempts(t)
	_, err := attempts.Ack(soon(t), key(7042))
	for _, part := range []string{"ack", "NOT_FOUND", "REFUSED", "7042"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not tell %q", err, part)
		}
	}
	if k := (lnkeep.Key{Namespace: lnkeep.Namespace{0xab}, ID: 3}).String(); !strings.HasPrefix(k, "ab00") ||
		!strings.HasSuffix(k, "/3") {
		t.Error(k)
	}
}
