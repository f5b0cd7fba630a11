package main

import (
	"errors"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// readyPerMs is more than any disk lets 16 callers use up; see benches/compare/payments_rounds.c.
const readyPerMs = 20

// ready are payments that wait for their next change.
type ready struct {
	sync.Mutex
	ids []uint64
}

var errUsedUp = errors.New("a round used up every payment that was ready")

func (r *ready) take() (uint64, error) {
	r.Lock()
	defer r.Unlock()
	if len(r.ids) == 0 {
		return 0, errUsedUp
	}
	id := r.ids[0]
	r.ids = r.ids[1:]
	return id, nil
}

// fill adds as many payments as a round may need.
func (r *ready) fill(t *tower, to stage, length time.Duration) error {
	wanted := readyPerMs*int(length.Milliseconds()+1) + fillRows
	for len(r.ids) < wanted {
		ids := idsFrom(freshIDs(fillRows), fillRows)
		if err := t.many(ids, func(uint64) stage { return to }); err != nil {
			return err
		}
		r.ids = append(r.ids, ids...)
	}
	return nil
}

func idsFrom(first, count uint64) []uint64 {
	ids := make([]uint64, count)
	for place := range ids {
		ids[place] = first + uint64(place)
	}
	return ids
}

// openPayments opens the contestants of payments: bbolt as lnd uses it, and with Update.
func openPayments(own func(string) string, rows uint64) []contestant {
	return append(
		towerContestants("bbolt_update", own, rows, (*bbolt.DB).Update),
		towerContestants("bbolt_batch", own, rows, (*bbolt.DB).Batch)...)
}

func towerContestants(
	name string, own func(string) string, rows uint64, commit committer,
) []contestant {
	t, err := openTower(filepath.Join(own(name), "payments.db"), commit)
	must(err)
	must(t.finishAll(rows, func(uint64) bool { return true }))
	toRegister, toSettle := &ready{}, &ready{}
	take := func(from *ready, change func(uint64) error) func(uint64) error {
		return func(uint64) error {
			id, err := from.take()
			if err != nil {
				return err
			}
			return change(id)
		}
	}
	nothing := func() error { return nil }
	return []contestant{
		{
			name: "register_" + name, perCall: 1, put: take(toRegister, t.register), stop: t.db.Close,
			prepare: func(length time.Duration) error { return toRegister.fill(t, initiated, length) },
		},
		{
			name: "settle_" + name, perCall: 1, put: take(toSettle, t.settle), stop: nothing,
			prepare: func(length time.Duration) error { return toSettle.fill(t, registered, length) },
		},
		{name: "whole_" + name, perCall: 1, put: t.whole, stop: nothing},
	}
}

// finishAll makes payments 1 to count; those that are not finished stay in flight.
func (t *tower) finishAll(count uint64, finished func(id uint64) bool) error {
	to := func(id uint64) stage {
		if finished(id) {
			return settled
		}
		return registered
	}
	for first := uint64(1); first <= count; first += fillRows {
		if err := t.many(idsFrom(first, min(fillRows, count-first+1)), to); err != nil {
			return err
		}
	}
	return nil
}
