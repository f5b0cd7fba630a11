package main

import (
	"context"

	"github.com/lnkeep/lnkeep/go-bindings"
)

const (
	fillRows = 1000
	packOps  = 100
)

// request has every optional field, so that its record is the longest an Init writes.
func request(id uint64) lnkeep.Request {
	fingerprint, paymentHash := [32]byte{byte(id)}, [32]byte{7}
	return lnkeep.Request{
		Key:          lnkeep.DefaultKey(id),
		CLTVExpiry:   900_000,
		AmountMsat:   1000 + id,
		FirstHopSCID: 7 << 40,
		Fingerprint:  &fingerprint,
		PaymentHash:  &paymentHash,
	}
}

// keep is one store with its attempts.
type keep struct {
	store    *lnkeep.Store
	attempts *lnkeep.Attempts
}

func openKeep(path string, rows uint64, options *lnkeep.StoreOptions) *keep {
	store, err := lnkeep.Open(path, options)
	must(err)
	attempts, err := store.OpenAttempts(nil)
	must(err)
	k := &keep{store, attempts}
	for first := uint64(1); first <= rows; first += fillRows {
		must(k.submit(first, min(fillRows, rows-first+1)))
	}
	return k
}

// init registers one attempt, new or known.
func (k *keep) init(id uint64) error {
	_, err := k.attempts.Init(context.Background(), request(id))
	return err
}

// submit registers count attempts, new or known, in one commit.
func (k *keep) submit(first, count uint64) error {
	ops := make([]lnkeep.Operation, count)
	for i := range ops {
		ops[i] = k.attempts.OpInit(request(first + uint64(i)))
	}
	_, err := k.store.Submit(context.Background(), ops...)
	return err
}

// openLnkeep opens the contestants of lnkeep: goroutines whose calls the submitter of its Go
// package packs, and one goroutine with 100 operations in one call of C or in 100. The latter also
// with ids that are known already, where the answer needs no flush.
func openLnkeep(own func(string) string, rows uint64) []contestant {
	shared := openKeep(own("go_lnkeep"), rows, nil)
	packed := openKeep(own("go_packed"), rows, nil)
	direct := openKeep(own("go_direct"), rows, &lnkeep.StoreOptions{Direct: true})
	packNew := func(first uint64) error { return packed.submit(first, packOps) }
	packKnown := func(first uint64) error { return packed.submit(first%(rows-packOps)+1, packOps) }
	eachKnown := func(first uint64) error { return direct.init(first%rows + 1) }
	nothing := func() error { return nil }
	return []contestant{
		{name: "go_lnkeep", perCall: 1, put: shared.init, stop: shared.store.Close},
		{name: "go_packed_new", perCall: packOps, put: packNew, stop: packed.store.Close},
		{name: "go_packed_known", perCall: packOps, put: packKnown, stop: nothing},
		{name: "go_each_new", perCall: 1, put: direct.init, stop: direct.store.Close},
		{name: "go_each_known", perCall: 1, put: eachKnown, stop: nothing},
	}
}
