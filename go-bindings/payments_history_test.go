package lnkeep_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// tenPayments makes the payments 1 to 10: 1 to 4 succeeded, 5 to 7 failed, 8 in flight, 9 and 10 initiated;
// payment n was created n seconds after 1970.
func tenPayments(t testing.TB, payments *lnkeep.Payments) {
	t.Helper()
	ctx := soon(t)
	for n := range byte(11) {
		if n == 0 {
			continue
		}
		hash, k := hashOf(n), key(uint64(n))
		paid(t)(payments.Init(ctx, lnkeep.PaymentInit{Hash: hash, AmountMsat: 1000, Created: time.Unix(int64(n),
			0)}))
		if n <= 8 {
			paid(t)(payments.Register(ctx, hash, whole(k.ID, 1000)))
		}
		switch {
		case n <= 4:
			paid(t)(payments.Settle(ctx, hash, k, settleOf(n)))
		case n <= 7:
			paid(t)(payments.FailAttempt(ctx, hash, k, noRoute))
			paid(t)(payments.Fail(ctx, hash, lnkeep.FailureReasonNoRoute))
		}
	}
}

func TestPayments_List_ByStatusTimeAndDirection(t *testing.T) {
	_, payments := newPayments(t)
	if found := sequencesOf(t, payments, lnkeep.PaymentQuery{}); len(found) != 0 {
		t.Fatal(found)
	}
	tenPayments(t, payments)
	at := func(sequence uint64) *uint64 { return &sequence }
	for _, c := range []struct {
		query lnkeep.PaymentQuery
		found []uint64
	}{
		{lnkeep.PaymentQuery{}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{lnkeep.PaymentQuery{Reversed: true, Limit: 3}, []uint64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}},
		{lnkeep.PaymentQuery{Offset: at(7), Limit: 1}, []uint64{8, 9, 10}},
		{lnkeep.PaymentQuery{Offset: at(3), Reversed: true}, []uint64{2, 1}},
		{lnkeep.PaymentQuery{Offset: at(0)}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{lnkeep.PaymentQuery{Offset: at(0), Reversed: true}, nil},
		{lnkeep.PaymentQuery{Offset: at(1<<64 - 1)}, nil},
		{lnkeep.PaymentQuery{Statuses: []lnkeep.PaymentStatus{lnkeep.PaymentSucceeded}, Limit: 2}, []uint64{1, 2,
			3, 4}},
		{lnkeep.PaymentQuery{Statuses: []lnkeep.PaymentStatus{lnkeep.PaymentFailed, lnkeep.PaymentInFlight}},
			[]uint64{5, 6, 7, 8}},
		{lnkeep.PaymentQuery{Statuses: []lnkeep.PaymentStatus{lnkeep.PaymentInitiated}, Limit: 1}, []uint64{9, 10}},
		{lnkeep.PaymentQuery{CreatedFrom: time.Unix(4, 0), CreatedTo: time.Unix(6, 0)}, []uint64{4, 5, 6}},
		{lnkeep.PaymentQuery{CreatedFrom: time.Unix(4, 1), CreatedTo: time.Unix(5, 999_999_999)}, []uint64{5}},
	} {
		if found := sequencesOf(t, payments, c.query); !slices.Equal(found, c.found) {
			t.Errorf("%+v: %v, not %v", c.query, found, c.found)
		}
	}
	unfinished := []uint64{}
	for payment, err := range payments.Unfinished() {
		must(t, err)
		unfinished = append(unfinished, payment.Sequence)
		if len(unfinished) == 2 {
			break
		}
	}
	if !slices.Equal(unfinished, []uint64{8, 9}) {
		t.Fatal(unfinished)
	}
	page, err := payments.List(lnkeep.PaymentQuery{Reversed: true, Limit: 3})
	must(t, err)
	if len(page.Payments) != 3 || page.Payments[0].Sequence != 8 || page.Payments[2].Sequence != 10 ||
		*page.Next != 8 {
		t.Fatalf("%+v", page)
	}
	_, err = payments.List(lnkeep.PaymentQuery{Statuses: []lnkeep.PaymentStatus{32}})
	want(t, err, lnkeep.ErrInvalidArgument)
	_, err = payments.List(lnkeep.PaymentQuery{Statuses: []lnkeep.PaymentStatus{9}})
	want(t, err, lnkeep.ErrInvalidArgument)
}

func TestPayments_List_WithoutAttempts(t *testing.T) {
	_, payments := newPayments(t)
	tenPayments(t, payments)
	for payment, err := range payments.All(lnkeep.PaymentQuery{WithoutAttempts: true, Limit: 4}) {
		must(t, err)
		full := fetch(t, payments, payment.Hash())
		if payment.Status != full.Status || payment.Init.AmountMsat != 1000 ||
			payment.FailureReason != full.FailureReason ||
			payment.Revision != full.Revision {
			t.Errorf("%+v", payment)
		}
		if payment.Attempts != nil || payment.InFlight != 0 || payment.RemainingMsat != 0 ||
			payment.FeesMsat != 0 ||
			payment.Terminal != lnkeep.TerminalNone {
			t.Errorf("%+v", payment)
		}
	}
}

func TestPayments_Counts(t *testing.T) {
	_, payments := newPayments(t)
	ctx := soon(t)
	tenPayments(t, payments)
	paid(t)(payments.Init(ctx, lnkeep.PaymentInit{Hash: hashOf(11), IdempotencyKey: []byte("k")}))
	do(t)(payments.Delete(ctx, hashOf(1)))
	counts, err := payments.Counts()
	must(t, err)
	bytes := counts.HistoryBytes
	counts.HistoryBytes = 0
	expected := lnkeep.PaymentCounts{Payments: 10, Unfinished: 4, Tombstones: 1, Attempts: 7, IdempotencyKeys: 1}
	if counts != expected || bytes < 4096 {
		t.Fatalf("%+v, %d bytes", counts, bytes)
	}
}

func TestPayments_Delete_KeepsPaidHashesRefused(t *testing.T) {
	_, payments := newPayments(t)
	ctx := soon(t)
	tenPayments(t, payments)
	init := lnkeep.PaymentInit{Hash: hashOf(1), AmountMsat: 1000}
	refused(t, lnkeep.ErrEntriesExist)(payments.ForgetPaid(ctx, hashOf(1)))
	refused(t, lnkeep.ErrPaymentInFlight)(payments.Delete(ctx, hashOf(8)))
	refused(t, lnkeep.ErrPaymentInFlight)(payments.DeleteFailedAttempts(ctx, hashOf(8)))
	refused(t, lnkeep.ErrPaymentNotInitiated)(payments.Delete(ctx, hashOf(77)))
	refused(t, lnkeep.ErrPaymentNotInitiated)(payments.Forget(ctx, hashOf(77)))
	refused(t, lnkeep.ErrPaymentNotInitiated)(payments.DeleteFailedAttempts(ctx, hashOf(77)))
	again(t)(payments.ForgetPaid(ctx, hashOf(77)))
	again(t)(payments.DeleteFailedAttempts(ctx, hashOf(1)))
	do(t)(payments.DeleteFailedAttempts(ctx, hashOf(5)))
	if payment := fetch(t, payments, hashOf(5)); len(payment.Attempts) != 0 ||
		payment.Status != lnkeep.PaymentFailed {
		t.Fatalf("%+v", payment)
	}
	do(t)(payments.Delete(ctx, hashOf(1)))
	_, err := payments.Fetch(hashOf(1))
	want(t, err, lnkeep.ErrPaymentNotInitiated)
	unpaid(t, lnkeep.ErrAlreadyPaid)(payments.Init(ctx, init))
	do(t)(payments.ForgetPaid(ctx, hashOf(1)))
	paid(t)(payments.Init(ctx, init))
	do(t)(payments.Forget(ctx, hashOf(2)))
	initiated(t, payments, 2, 1000)
}

func TestPayments_DeleteMany_InSteps(t *testing.T) {
	store, payments := newPayments(t)
	ctx := soon(t)
	tenPayments(t, payments)
	steps := func(filter lnkeep.PaymentDeleteFilter) (total uint64, calls int) {
		t.Helper()
		for {
			deleted, err := payments.DeleteMany(ctx, filter)
			must(t, err)
			total, calls = total+deleted.Payments, calls+1
			if filter.After = deleted.Next; filter.After == 0 {
				return total, calls
			}
		}
	}
	if total, _ := steps(lnkeep.PaymentDeleteFilter{FailedAttemptsOnly: true}); total != 3 {
		t.Fatal(total, "payments lost failed attempts")
	}
	failed := []lnkeep.PaymentStatus{lnkeep.PaymentFailed}
	if total, _ := steps(lnkeep.PaymentDeleteFilter{Statuses: failed, CreatedTo: time.Unix(6, 0)}); total != 2 {
		t.Fatal(total, "failed payments were deleted")
	}
	if total, _ := steps(lnkeep.PaymentDeleteFilter{}); total != 5 {
		t.Fatal(total, "payments were deleted")
	}
	if found := sequencesOf(t, payments, lnkeep.PaymentQuery{}); !slices.Equal(found, []uint64{8, 9, 10}) {
		t.Fatal(found)
	}
	unpaid(t, lnkeep.ErrAlreadyPaid)(payments.Init(ctx, lnkeep.PaymentInit{Hash: hashOf(1)}))
	all := []lnkeep.PaymentStatus{lnkeep.PaymentInitiated, lnkeep.PaymentInFlight}
	if total, _ := steps(lnkeep.PaymentDeleteFilter{Statuses: all}); total != 2 {
		t.Fatal(total, "initiated payments were deleted")
	}

	ops := make([]lnkeep.Operation, 300)
	for i := range ops {
		ops[i] = payments.OpInit(lnkeep.PaymentInit{Hash: lnkeep.PaymentHash{byte(i), byte(i >> 8), 1}})
	}
	_, err := store.Submit(ctx, ops...)
	must(t, err)
	if total, calls := steps(lnkeep.PaymentDeleteFilter{Statuses: all}); total != 300 || calls < 3 {
		t.Fatal(total, calls)
	}
	_, err = payments.DeleteMany(ctx, lnkeep.PaymentDeleteFilter{Statuses: []lnkeep.PaymentStatus{99}})
	want(t, err, lnkeep.ErrInvalidArgument)

	// Forget lets paid hashes be paid again.
	succeeded(t, payments, 50, 50)
	steps(lnkeep.PaymentDeleteFilter{Forget: true})
	initiated(t, payments, 50, 1000)
}

func TestPayments_Sweep_KeepsWhatTheOptionsSay(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	payments := openPayments(t, store, &lnkeep.PaymentsOptions{
		FinishedMax: 3, FinishedRetention: time.Hour, TombstoneRetention: 2 * time.Hour,
	})
	ctx := soon(t)
	sweep := func() {
		t.Helper()
		for range 100 {
			handled, err := payments.Sweep(ctx)
			must(t, err)
			if handled == 0 {
				return
			}
		}
		t.Fatal("the sweep never ends")
	}
	start := time.Now()
	must(t, store.Tick(start, 1))
	tenPayments(t, payments)
	sweep()
	if found := sequencesOf(t, payments, lnkeep.PaymentQuery{}); !slices.Equal(found, []uint64{5, 6, 7, 8, 9,
		10}) {
		t.Fatal(found)
	}
	must(t, store.Tick(start.Add(61*time.Minute), 2))
	sweep()
	if found := sequencesOf(t, payments, lnkeep.PaymentQuery{}); !slices.Equal(found, []uint64{8, 9, 10}) {
		t.Fatal(found)
	}
	unpaid(t, lnkeep.ErrAlreadyPaid)(payments.Init(ctx, lnkeep.PaymentInit{Hash: hashOf(1)}))
	must(t, store.Tick(start.Add(4*time.Hour), 3))
	sweep()
	paid(t)(payments.Init(ctx, lnkeep.PaymentInit{Hash: hashOf(1)}))
}

// invoice is easily found in the file of a store.
const invoice = "an invoice of ours, and of nobody else"

// damagedPayment closes a store of three payments, damages the record of the second and opens it again.
func damagedPayment(t testing.TB) *lnkeep.Payments {
	t.Helper()
	path := newPath(t)
	store := openStore(t, path, nil)
	payments := openPayments(t, store, nil)
	initiated(t, payments, 1, 1000)
	paid(t)(payments.Init(soon(t), lnkeep.PaymentInit{Hash: hashOf(2), PaymentRequest: []byte(invoice)}))
	initiated(t, payments, 3, 1000)
	must(t, store.Close())
	file := filepath.Join(path, "data.mdb")
	content, err := os.ReadFile(file)
	must(t, err)
	at, found := 0, 0
	for {
		next := bytes.Index(content[at:], []byte(invoice))
		if next < 0 {
			break
		}
		flip(t, file, int64(at+next))
		at, found = at+next+1, found+1
	}
	if found == 0 {
		t.Fatal("the invoice is not in the file")
	}
	return openPayments(t, openStore(t, path, nil), nil)
}

func TestPayments_ADamagedPaymentStopsNobody(t *testing.T) {
	payments := damagedPayment(t)
	ctx := soon(t)
	_, err := payments.Fetch(hashOf(2))
	want(t, err, lnkeep.ErrCorruptRecord)
	_, err = payments.Subscribe(hashOf(2))
	want(t, err, lnkeep.ErrCorruptRecord)
	unpaid(t, lnkeep.ErrCorruptRecord)(payments.Init(ctx, lnkeep.PaymentInit{Hash: hashOf(2)}))
	for _, reversed := range []bool{false, true} {
		page, err := payments.List(lnkeep.PaymentQuery{Reversed: reversed})
		must(t, err)
		if len(page.Payments) != 2 || len(page.Unreadable) != 1 || page.Unreadable[0].Sequence != 2 {
			t.Fatalf("%+v", page)
		}
		if hash := page.Unreadable[0].Hash; hash == nil || *hash != hashOf(2) {
			t.Fatal(hash)
		}
		sequences := []uint64{}
		for payment, err := range payments.All(lnkeep.PaymentQuery{Reversed: reversed, Limit: 3}) {
			sequences = append(sequences, payment.Sequence)
			if payment.Sequence != 2 {
				must(t, err)
				continue
			}
			want(t, err, lnkeep.ErrCorruptRecord)
			if payment.Hash() != hashOf(2) {
				t.Fatal(payment.Hash())
			}
		}
		if reversed {
			slices.Reverse(sequences)
		}
		if !slices.Equal(sequences, []uint64{1, 2, 3}) {
			t.Fatal(sequences)
		}
	}
	visited := 0
	for _, err := range payments.Unfinished() {
		if visited++; err != nil {
			break
		}
	}
	if visited != 2 {
		t.Fatal(visited)
	}
}

func TestPayments_ADamagedPaymentIsQuarantined(t *testing.T) {
	payments := damagedPayment(t)
	ctx := soon(t)
	resumption, err := payments.Resume(ctx, lnkeep.ResumeOptions{Dispatcher: func(
		*lnkeep.Payment, *lnkeep.PaymentAttempt,
	) lnkeep.ResumeAnswer {
		t.Error("nothing is in flight")
		return lnkeep.ResumeAnswer{Kind: lnkeep.AnswerPending}
	}})
	must(t, err)
	if len(resumption.Payments) != 3 || resumption.Payments[1].Outcome != lnkeep.ResumeUnreadable ||
		resumption.Payments[2].Outcome != lnkeep.ResumeDone {
		t.Fatalf("%+v", resumption)
	}

	refused(t, lnkeep.ErrConflict)(payments.Quarantine(ctx, hashOf(1)))
	refused(t, lnkeep.ErrPaymentNotInitiated)(payments.Quarantine(ctx, hashOf(9)))
	do(t)(payments.Quarantine(ctx, hashOf(2)))
	again(t)(payments.Quarantine(ctx, hashOf(2)))
	unpaid(t, lnkeep.ErrAlreadyPaid)(payments.Init(ctx, lnkeep.PaymentInit{Hash: hashOf(2)}))
	if found := sequencesOf(t, payments, lnkeep.PaymentQuery{}); !slices.Equal(found, []uint64{1, 3}) {
		t.Fatal(found)
	}
}

func TestPayments_All_TakesTheMemoryOfAPage(t *testing.T) {
	store, payments := newPayments(t)
	const total, invoiceBytes = 4000, 8192
	for n := uint64(0); n < total; {
		ops := make([]lnkeep.Operation, 200)
		for i := range ops {
			n++
			init := lnkeep.PaymentInit{Hash: benchHash(n), PaymentRequest: make([]byte, invoiceBytes)}
			ops[i] = payments.OpInit(init)
		}
		_, err := store.Submit(soon(t), ops...)
		must(t, err)
	}
	heap := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before, most, visited := heap(), uint64(0), 0
	for payment, err := range payments.All(lnkeep.PaymentQuery{Limit: 100}) {
		must(t, err)
		if visited++; visited%500 == 0 && len(payment.Init.PaymentRequest) == invoiceBytes {
			most = max(most, heap())
		}
	}
	if taken := most - min(most, before); visited != total || taken > 4<<20 {
		t.Fatalf("%d payments, %d bytes, of %d in all", visited, taken, total*invoiceBytes)
	}
}
