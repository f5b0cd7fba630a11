package lnkeep_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

const (
	racers     = 8
	racedMsat  = 1000
	raceRounds = 150
)

// TestPayments_Race lets goroutines initiate, register, settle and fail the same payments at random, and
// holds every state that anybody saw against the rules.
func TestPayments_Race(t *testing.T) {
	_, payments := newPayments(t)
	const hashes = 10
	follower, err := payments.SubscribeAll()
	must(t, err)
	changes := &atomic.Uint64{}
	var lastID atomic.Uint64
	var group sync.WaitGroup
	for seed := range uint64(racers) {
		group.Go(func() {
			random := rand.New(rand.NewPCG(seed, 4))
			for range raceRounds {
				raceStep(t, payments, byte(random.IntN(hashes)), random, &lastID, changes)
			}
		})
	}
	group.Wait()

	revisions := map[[2]uint64]bool{}
	for range changes.Load() {
		payment, err := follower.Next(soon(t))
		must(t, err)
		seen := [2]uint64{payment.Sequence, payment.Revision}
		if revisions[seen] {
			t.Fatalf("told twice: %+v", payment)
		}
		revisions[seen] = true
		obeysTheRules(t, payment)
	}
	if payment, err := follower.TryNext(); payment != nil || err != nil {
		t.Fatalf("told and never done: %+v, %v", payment, err)
	}
	for payment, err := range payments.All(lnkeep.PaymentQuery{}) {
		must(t, err)
		obeysTheRules(t, payment)
	}
	t.Logf("%d changes", changes.Load())
}

func raceStep(
	t *testing.T, payments *lnkeep.Payments, n byte, random *rand.Rand, lastID, changes *atomic.Uint64,
) {
	ctx, hash := context.Background(), hashOf(n)
	var payment *lnkeep.Payment
	var outcome lnkeep.Outcome
	var err error
	switch random.IntN(7) {
	case 0:
		payment, outcome, err = payments.Init(ctx, lnkeep.PaymentInit{Hash: hash, AmountMsat: racedMsat})
	case 1, 2:
		attempt := part(lastID.Add(1), 1+random.Uint64N(300), racedMsat)
		payment, outcome, err = payments.Register(ctx, hash, attempt)
	case 3:
		if k, known := anyAttempt(payments, hash, random); known {
			payment, outcome, err = payments.Settle(ctx, hash, k, settleOf(n), lnkeep.RefuseLate)
		}
	case 4:
		if k, known := anyAttempt(payments, hash, random); known {
			payment, outcome, err = payments.FailAttempt(ctx, hash, k, noRoute)
		}
	case 5:
		if random.IntN(4) == 0 {
			payment, outcome, err = payments.Fail(ctx, hash, lnkeep.FailureReasonTimeout)
		}
	case 6:
		// A deletion is told to nobody who follows all payments.
		_, err = payments.Forget(ctx, hash)
	}
	switch {
	case err != nil && !is(err, lnkeep.ErrRefused):
		t.Error(err)
	case err == nil && payment != nil:
		obeysTheRules(t, payment)
		if outcome.EventSequence != 0 {
			changes.Add(1)
		}
	}
}

func anyAttempt(payments *lnkeep.Payments, hash lnkeep.PaymentHash, random *rand.Rand) (lnkeep.Key, bool) {
	payment, err := payments.Fetch(hash)
	if err != nil || len(payment.Attempts) == 0 {
		return lnkeep.Key{}, false
	}
	return payment.Attempts[random.IntN(len(payment.Attempts))].Request.Key, true
}

// obeysTheRules fails unless a payment's status and sums are what its attempts say.
func obeysTheRules(t *testing.T, payment *lnkeep.Payment) {
	t.Helper()
	state, err := payment.State()
	if err != nil {
		t.Errorf("%+v: %v", payment, err)
		return
	}
	settled := payment.SettledAttempt() != nil
	if state.Status != payment.Status || state.InFlight != payment.InFlight ||
		state.RemainingMsat != payment.RemainingMsat || state.FeesMsat != payment.FeesMsat ||
		state.HasSettled != settled || settled != (payment.Terminal == lnkeep.TerminalSettled) {
		t.Errorf("%+v is not %+v", payment, state)
	}
}

// TestPayments_Race_OneOfManyCallersPays has many callers ask for the same at once.
func TestPayments_Race_OneOfManyCallersPays(t *testing.T) {
	_, payments := newPayments(t)
	init := lnkeep.PaymentInit{Hash: hashOf(1), AmountMsat: racedMsat}
	granted := countDone(t, func(uint64) (lnkeep.Outcome, error) {
		_, outcome, err := payments.Init(context.Background(), init)
		return outcome, err
	})
	if granted != 1 {
		t.Fatal(granted, "callers may pay")
	}
	granted = countDone(t, func(i uint64) (lnkeep.Outcome, error) {
		_, outcome, err := payments.Register(context.Background(), hashOf(1), part(i, 300, racedMsat))
		return outcome, err
	})
	if granted != 3 {
		t.Fatal(granted, "attempts of 300 of 1,000 msat were registered")
	}
	attempt := fetch(t, payments, hashOf(1)).Attempts[0].Request.Key
	granted = countDone(t, func(uint64) (lnkeep.Outcome, error) {
		_, outcome, err := payments.Settle(context.Background(), hashOf(1), attempt, settleOf(1))
		return outcome, err
	})
	if granted != 1 {
		t.Fatal(granted, "callers settled it")
	}
}

// countDone counts the calls that were Done, of 64 at once.
func countDone(t *testing.T, call func(i uint64) (lnkeep.Outcome, error)) int32 {
	t.Helper()
	var done atomic.Int32
	var group sync.WaitGroup
	for i := range uint64(64) {
		group.Go(func() {
			outcome, err := call(i)
			if outcome.Done {
				done.Add(1)
			}
			if err != nil && !is(err, lnkeep.ErrRefused) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	return done.Load()
}

// TestPayments_Race_Close closes payments and store under calls that are running.
func TestPayments_Race_Close(t *testing.T) {
	for round := range byte(20) {
		store, payments := newPayments(t)
		initiated(t, payments, 1, racedMsat)
		follower, err := payments.Subscribe(hashOf(1))
		must(t, err)
		var group sync.WaitGroup
		for i := range uint64(racers) {
			group.Go(func() {
				for n := i; ; n += racers {
					_, _, err := payments.Register(context.Background(), hashOf(1), part(n, 1, racedMsat))
					if is(err, lnkeep.ErrClosed) {
						return
					}
					if err != nil && !is(err, lnkeep.ErrValueExceeds) {
						t.Error(err)
						return
					}
				}
			})
		}
		group.Go(func() {
			for _, err := range follower.All(context.Background()) {
				if err != nil && !is(err, lnkeep.ErrClosed) {
					t.Error(err)
				}
			}
		})
		if round%2 == 0 {
			must(t, payments.Close())
		}
		must(t, store.Close())
		group.Wait()
	}
}
