package lnd

// The database as lnd calls it, where lnd's own tests do not look.

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lightningnetwork/lnd/lntypes"
	"github.com/lightningnetwork/lnd/lnwire"
	paymentsdb "github.com/lightningnetwork/lnd/payments/db"
	"github.com/lightningnetwork/lnd/record"
	"github.com/lightningnetwork/lnd/routing/route"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// sender makes payments with a database.
type sender struct {
	*testing.T
	db *DB
}

func preimageOf(number uint64) (preimage lntypes.Preimage) {
	copy(preimage[:], fmt.Sprintf("preimage %d", number))
	return preimage
}

func hashOf(number uint64) lntypes.Hash {
	preimage := preimageOf(number)
	return sha256.Sum256(preimage[:])
}

// init initiates payment number of 1000 msat, created at that second.
func (s sender) init(number uint64) {
	s.Helper()
	info := &paymentsdb.PaymentCreationInfo{
		PaymentIdentifier: hashOf(number), Value: 1000, CreationTime: time.Unix(int64(number), 0),
	}
	if err := s.db.InitPayment(s.Context(), hashOf(number), info); err != nil {
		s.Fatal(err)
	}
}

// part is an attempt of a multi-part payment of 1000 msat.
func part(id, amount uint64) *paymentsdb.HTLCAttemptInfo {
	hop := &route.Hop{
		ChannelID: 7, AmtToForward: lnwire.MilliSatoshi(amount), OutgoingTimeLock: 5,
		MPP: record.NewMPP(1000, [32]byte{1}),
	}
	path := route.Route{
		TotalTimeLock: 5, TotalAmount: lnwire.MilliSatoshi(amount) + 3, Hops: []*route.Hop{hop},
	}
	return &paymentsdb.HTLCAttemptInfo{AttemptID: id, Route: path}
}

func (s sender) register(number uint64, attempt *paymentsdb.HTLCAttemptInfo) *paymentsdb.MPPayment {
	s.Helper()
	payment, err := s.db.RegisterAttempt(s.Context(), hashOf(number), attempt)
	if err != nil {
		s.Fatal(err)
	}
	return payment
}

func (s sender) settle(number, id uint64) *paymentsdb.MPPayment {
	s.Helper()
	info := &paymentsdb.HTLCSettleInfo{Preimage: preimageOf(number), SettleTime: time.Unix(9, 9)}
	payment, err := s.db.SettleAttempt(s.Context(), hashOf(number), id, info)
	if err != nil {
		s.Fatal(err)
	}
	return payment
}

// pay makes payment number succeed.
func (s sender) pay(number uint64) {
	s.Helper()
	s.init(number)
	s.register(number, part(number, 1000))
	s.settle(number, number)
}

// query answers the numbers of the payments of a query, which are their seconds of creation.
func (s sender) query(query paymentsdb.Query) (numbers []uint64, response paymentsdb.Response) {
	s.Helper()
	response, err := s.db.QueryPayments(s.Context(), query)
	if err != nil {
		s.Fatal(err)
	}
	for _, payment := range response.Payments {
		numbers = append(numbers, uint64(payment.Info.CreationTime.Unix()))
	}
	return numbers, response
}

func TestDB_AnswersTheWholePaymentAfterEachChange(t *testing.T) {
	s := sender{t, open(t, nil)}
	s.init(1)
	s.register(1, part(10, 300))
	s.register(1, part(11, 500))
	_, err := s.db.FailAttempt(t.Context(), hashOf(1), 11, &paymentsdb.HTLCFailInfo{
		Reason: paymentsdb.HTLCFailMessage, Message: &lnwire.FailMPPTimeout{}, FailureSourceIndex: 1,
		FailTime: time.Unix(8, 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := s.settle(1, 10)
	want := paymentsdb.MPPaymentState{RemainingAmt: 700, FeesPaid: 3, HasSettledHTLC: true}
	if *got.State != want || got.Status != paymentsdb.StatusSucceeded || len(got.HTLCs) != 2 {
		t.Errorf("%+v, %v, %d attempts", got.State, got.Status, len(got.HTLCs))
	}
	fetched, err := s.db.FetchPayment(t.Context(), hashOf(1))
	if err != nil || !reflect.DeepEqual(got, fetched) {
		t.Errorf("the answer is not what is stored: %v\n%+v\n%+v", err, got, fetched)
	}
	failure := fetched.HTLCs[1].Failure
	if _, ok := failure.Message.(*lnwire.FailMPPTimeout); !ok || !failure.FailTime.Equal(time.Unix(8, 1)) {
		t.Errorf("failure %+v", failure)
	}
	settle := fetched.HTLCs[0].Settle
	if settle.Preimage != preimageOf(1) || !settle.SettleTime.Equal(time.Unix(9, 9)) {
		t.Error("another preimage or time")
	}
}

// TestDB_StateIsWhatLNDWouldCount compares the library's sums with those of lnd's own function.
func TestDB_StateIsWhatLNDWouldCount(t *testing.T) {
	s := sender{t, open(t, nil)}
	s.init(1)
	check := func(payment *paymentsdb.MPPayment) {
		t.Helper()
		got, status := *payment.State, payment.Status
		if err := payment.SetState(); err != nil || got != *payment.State || status != payment.Status {
			t.Errorf("%+v %v, lnd counts %+v %v, %v", got, status, *payment.State, payment.Status, err)
		}
	}
	check(s.register(1, part(1, 200)))
	check(s.register(1, part(2, 300)))
	failed, err := s.db.FailAttempt(t.Context(), hashOf(1), 1, &paymentsdb.HTLCFailInfo{})
	if err != nil {
		t.Fatal(err)
	}
	check(failed)
	given, err := s.db.Fail(t.Context(), hashOf(1), paymentsdb.FailureReasonTimeout)
	if err != nil || *given.FailureReason != paymentsdb.FailureReasonTimeout {
		t.Fatal(err, given)
	}
	check(given)
	check(s.settle(1, 2))
}

func TestDB_RepeatedInitIsAnError(t *testing.T) {
	s := sender{t, open(t, nil)}
	s.init(1)
	info := &paymentsdb.PaymentCreationInfo{
		PaymentIdentifier: hashOf(1), Value: 1000, CreationTime: time.Unix(1, 0),
	}
	if err := s.db.InitPayment(t.Context(), hashOf(1), info); !errors.Is(err, paymentsdb.ErrPaymentExists) {
		t.Errorf("the same request: %v", err)
	}
	info.Value++
	if err := s.db.InitPayment(t.Context(), hashOf(1), info); !errors.Is(err, paymentsdb.ErrPaymentExists) {
		t.Errorf("another request: %v", err)
	}
}

// TestDB_ManyRegisterAtOnce: lnd's stores need the router to keep these calls apart.
func TestDB_ManyRegisterAtOnce(t *testing.T) {
	s := sender{t, open(t, nil)}
	s.init(1)
	var all sync.WaitGroup
	registered := make(chan uint64, 32)
	for id := range uint64(32) {
		all.Go(func() {
			_, err := s.db.RegisterAttempt(t.Context(), hashOf(1), part(id, 300))
			switch {
			case err == nil:
				registered <- id
			case !errors.Is(err, paymentsdb.ErrValueExceedsAmt):
				t.Errorf("attempt %d: %v", id, err)
			}
		})
	}
	all.Wait()
	if len(registered) != 3 {
		t.Errorf("%d attempts of 300 msat registered for 1000 msat", len(registered))
	}
	payment, err := s.db.FetchPayment(t.Context(), hashOf(1))
	if err != nil || len(payment.HTLCs) != 3 || payment.State.RemainingAmt != 100 {
		t.Errorf("%+v, %v", payment, err)
	}
}

func TestDB_OnlyTheFirstResultCounts(t *testing.T) {
	s := sender{t, open(t, nil)}
	s.init(1)
	for id := range uint64(3) {
		s.register(1, part(id, 300))
	}
	fail := func(id uint64) error {
		_, err := s.db.FailAttempt(t.Context(), hashOf(1), id, &paymentsdb.HTLCFailInfo{})
		return err
	}
	settle := func(id uint64) error {
		info := &paymentsdb.HTLCSettleInfo{Preimage: preimageOf(1)}
		_, err := s.db.SettleAttempt(t.Context(), hashOf(1), id, info)
		return err
	}
	for _, step := range []struct {
		what string
		got  error
		want error
	}{
		{"settle", settle(0), nil},
		{"the same settle again", settle(0), paymentsdb.ErrAttemptAlreadySettled},
		{"a failure after a settle", fail(0), paymentsdb.ErrAttemptAlreadySettled},
		{"fail", fail(1), nil},
		{"the same failure again", fail(1), paymentsdb.ErrAttemptAlreadyFailed},
		{"a settle after a failure", settle(1), paymentsdb.ErrAttemptAlreadyFailed},
		{"an attempt nobody registered", settle(9), lnkeep.ErrAttemptNotFound},
		{"the last result", settle(2), nil},
		{"a result of a payment that succeeded", fail(2), paymentsdb.ErrPaymentAlreadySucceeded},
	} {
		if !errors.Is(step.got, step.want) {
			t.Errorf("%s: %v, want %v", step.what, step.got, step.want)
		}
	}
}

func TestDB_QueryOverManyPages(t *testing.T) {
	const count = pagePayments + 345
	s := sender{t, open(t, nil)}
	var all []uint64
	for number := uint64(1); number <= count; number++ {
		s.init(number)
		all = append(all, number)
	}
	for _, c := range []struct {
		query paymentsdb.Query
		want  []uint64
	}{
		{paymentsdb.Query{MaxPayments: math.MaxUint64}, all},
		{paymentsdb.Query{MaxPayments: math.MaxUint64, Reversed: true}, all},
		{paymentsdb.Query{MaxPayments: count}, all},
		{paymentsdb.Query{MaxPayments: pagePayments}, all[:pagePayments]},
		{paymentsdb.Query{MaxPayments: pagePayments + 1}, all[:pagePayments+1]},
		{paymentsdb.Query{MaxPayments: pagePayments + 1, Reversed: true}, all[count-pagePayments-1:]},
		{paymentsdb.Query{MaxPayments: 1200, Reversed: true, IndexOffset: 1301}, all[100:1300]},
		{paymentsdb.Query{MaxPayments: 5, IndexOffset: count - 2}, all[count-2:]},
		{paymentsdb.Query{MaxPayments: 5, IndexOffset: math.MaxUint64}, nil},
		{paymentsdb.Query{MaxPayments: 2, IndexOffset: math.MaxUint64, Reversed: true}, all[count-2:]},
		{paymentsdb.Query{MaxPayments: 5, IndexOffset: 1, Reversed: true}, nil},
		{paymentsdb.Query{MaxPayments: 0}, nil},
		{paymentsdb.Query{MaxPayments: 0, Reversed: true}, nil},
	} {
		c.query.IncludeIncomplete, c.query.CountTotal = true, true
		got, response := s.query(c.query)
		if !slices.Equal(got, c.want) || response.TotalCount != count {
			t.Errorf("%+v: %d payments of %d, want %d", c.query, len(got), response.TotalCount, len(c.want))
		}
		var first, last uint64
		if len(c.want) > 0 {
			first, last = c.want[0], c.want[len(c.want)-1]
		}
		if response.FirstIndexOffset != first || response.LastIndexOffset != last {
			t.Errorf("%+v: %d to %d", c.query, response.FirstIndexOffset, response.LastIndexOffset)
		}
	}
	inFlight, err := s.db.FetchInFlightPayments(t.Context())
	if err != nil || len(inFlight) != count {
		t.Errorf("%d of %d unfinished payments, %v", len(inFlight), count, err)
	}
}

func TestDB_QueryByDate(t *testing.T) {
	s := sender{t, open(t, nil)}
	for number := uint64(1); number <= 4; number++ {
		s.init(number)
	}
	for _, c := range []struct {
		start, end int64
		want       []uint64
	}{
		{0, 0, []uint64{1, 2, 3, 4}},
		{2, 3, []uint64{2, 3}},
		{-7, 1, []uint64{1}},
		{0, math.MaxInt64, []uint64{1, 2, 3, 4}},
		{math.MaxInt64, 0, nil},
		{18446744073, 18446744073, nil},
		{0, -1, nil},
	} {
		got, _ := s.query(paymentsdb.Query{
			MaxPayments: 10, IncludeIncomplete: true, CreationDateStart: c.start, CreationDateEnd: c.end,
		})
		if !slices.Equal(got, c.want) {
			t.Errorf("from %d to %d: %v, want %v", c.start, c.end, got, c.want)
		}
	}
	info := &paymentsdb.PaymentCreationInfo{
		PaymentIdentifier: hashOf(9), CreationTime: time.Unix(5, 999_999_999),
	}
	if err := s.db.InitPayment(t.Context(), hashOf(9), info); err != nil {
		t.Fatal(err)
	}
	query := paymentsdb.Query{MaxPayments: 10, IncludeIncomplete: true, CreationDateStart: 5, CreationDateEnd: 5}
	if got, _ := s.query(query); !slices.Equal(got, []uint64{5}) {
		t.Errorf("the last nanosecond of a second: %v", got)
	}
}

func TestDB_QueryWithoutHops(t *testing.T) {
	s := sender{t, open(t, nil)}
	s.init(1)
	attempt := part(5, 300)
	attempt.Route.FirstHopWireCustomRecords = lnwire.CustomRecords{lnwire.MinCustomRecordsTlvType: {1}}
	full := s.register(1, attempt)
	_, response := s.query(paymentsdb.Query{MaxPayments: 1, IncludeIncomplete: true, OmitHops: true})
	outline := response.Payments[0]
	got := outline.HTLCs[0].Route
	want := route.Route{TotalTimeLock: 5, TotalAmount: 303}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if !reflect.DeepEqual(outline.State, full.State) || outline.Status != full.Status {
		t.Errorf("without hops another state: %+v, %+v", outline.State, full.State)
	}
}

func TestDB_WhatCannotBeReadIsLeftOutAndTold(t *testing.T) {
	var told []Unreadable
	s := sender{t, open(t, &Options{OnUnreadable: func(u Unreadable) { told = append(told, u) }})}
	s.init(1)
	s.foreign(2)
	s.init(3)
	got, _ := s.query(paymentsdb.Query{MaxPayments: 2, IncludeIncomplete: true})
	if !slices.Equal(got, []uint64{1, 3}) {
		t.Errorf("listed: %v", got)
	}
	inFlight, err := s.db.FetchInFlightPayments(t.Context())
	if err != nil || len(inFlight) != 2 {
		t.Errorf("%d unfinished payments, %v", len(inFlight), err)
	}
	if len(told) != 2 {
		t.Fatalf("told of %v", told)
	}
	for _, unreadable := range told {
		if *unreadable.PaymentHash != hashOf(2) || unreadable.SequenceNum != 2 {
			t.Errorf("told of %+v", unreadable)
		}
		if !errors.Is(unreadable.Err, ErrUndecodable) {
			t.Errorf("told of %+v", unreadable)
		}
	}
	if _, err := s.db.FetchPayment(t.Context(), hashOf(2)); !errors.Is(err, ErrUndecodable) {
		t.Errorf("asked for itself: %v", err)
	}
}

// TestDB_SettledForMoreThanTheAmountIsListed: the second attempt was made because the first one was told to
// have failed, and then both settled. lnd's own count of such a payment is an error.
func TestDB_SettledForMoreThanTheAmountIsListed(t *testing.T) {
	s := sender{t, open(t, nil)}
	s.init(1)
	s.register(1, part(1, 1000))
	if _, err := s.db.FailAttempt(t.Context(), hashOf(1), 1, &paymentsdb.HTLCFailInfo{}); err != nil {
		t.Fatal(err)
	}
	s.register(1, part(2, 1000))
	late := lnkeep.AttemptSettle{Preimage: lnkeep.Preimage(preimageOf(1))}
	_, _, err := s.db.Payments().Settle(t.Context(), lnkeep.PaymentHash(hashOf(1)), s.db.key(1), late)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := s.db.FetchInFlightPayments(t.Context())
	if err != nil || len(listed) != 1 {
		t.Fatalf("%d unfinished payments, %v", len(listed), err)
	}
	payment := listed[0]
	want := paymentsdb.MPPaymentState{NumAttemptsInFlight: 1, FeesPaid: 6, HasSettledHTLC: true}
	if *payment.State != want {
		t.Errorf("%+v", payment.State)
	}
	if err := payment.SetState(); !errors.Is(err, paymentsdb.ErrSentExceedsTotal) {
		t.Errorf("lnd counts it: %v", err)
	}
}

func TestDB_DeletedAndPaid(t *testing.T) {
	for _, forget := range []bool{false, true} {
		s := sender{t, open(t, &Options{ForgetPaid: forget})}
		s.pay(1)
		s.pay(2)
		if err := s.db.DeletePayment(t.Context(), hashOf(1), false); err != nil {
			t.Fatal(err)
		}
		if deleted, err := s.db.DeletePayments(t.Context(), false, false); deleted != 1 || err != nil {
			t.Fatalf("%d deleted, %v", deleted, err)
		}
		for number := range uint64(2) {
			hash := hashOf(number + 1)
			if _, err := s.db.FetchPayment(t.Context(), hash); !errors.Is(err, paymentsdb.ErrPaymentNotInitiated) {
				t.Errorf("payment %d exists: %v", number+1, err)
			}
			info := &paymentsdb.PaymentCreationInfo{PaymentIdentifier: hash, Value: 1000}
			err := s.db.InitPayment(t.Context(), hash, info)
			if forget != (err == nil) || !forget && !errors.Is(err, paymentsdb.ErrAlreadyPaid) {
				t.Errorf("forget %v: paid again: %v", forget, err)
			}
		}
	}
}

func TestDB_DeletePaymentsGoesThroughAll(t *testing.T) {
	s := sender{t, open(t, nil)}
	for number := uint64(1); number <= 300; number++ {
		s.init(number)
		switch number % 3 {
		case 0:
			s.register(number, part(number, 10))
		case 1:
			if _, err := s.db.Fail(t.Context(), hashOf(number), paymentsdb.FailureReasonNoRoute); err != nil {
				t.Fatal(err)
			}
		}
	}
	if deleted, err := s.db.DeletePayments(t.Context(), true, false); deleted != 100 || err != nil {
		t.Errorf("%d failed ones deleted, %v", deleted, err)
	}
	if deleted, err := s.db.DeletePayments(t.Context(), false, true); deleted != 0 || err != nil {
		t.Errorf("%d deleted with their attempts alone, %v", deleted, err)
	}
	if deleted, err := s.db.DeletePayments(t.Context(), false, false); deleted != 100 || err != nil {
		t.Errorf("%d deleted, %v", deleted, err)
	}
	left, _ := s.query(paymentsdb.Query{MaxPayments: 1000, IncludeIncomplete: true})
	if len(left) != 100 || left[0] != 3 || left[99] != 300 {
		t.Errorf("left are %v", left)
	}
}

func TestSentinels_OneToOne(t *testing.T) {
	kept, lnds := map[error]bool{}, map[error]bool{}
	for _, pair := range sentinels {
		translated := translate(fmt.Errorf("somewhere: %w", pair.kept))
		if !errors.Is(translated, pair.lnds) || !errors.Is(translated, pair.kept) {
			t.Errorf("%v became %v", pair.kept, translated)
		}
		if kept[pair.kept] || lnds[pair.lnds] {
			t.Errorf("%v or %v stands twice", pair.kept, pair.lnds)
		}
		kept[pair.kept], lnds[pair.lnds] = true, true
	}
	if err := translate(nil); err != nil {
		t.Errorf("nothing became %v", err)
	}
	if err := translate(lnkeep.ErrAttemptNotFound); err != lnkeep.ErrAttemptNotFound {
		t.Errorf("an error lnd has no name for became %v", err)
	}
}
