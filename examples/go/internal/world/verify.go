package world

import (
	"errors"

	"github.com/lnkeep/lnkeep/examples/go/internal/life"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// Tally is what became of everything, counted by comparing the store with the ledger.
type Tally struct {
	payments, succeeded, inParts, failed int
	// failedFor counts failed payments by the reason.
	failedFor map[lnkeep.FailureReason]int

	attempts, dispatchedOnce, settled, failedByNetwork, heldOverDeath int
	// tooLarge for the channel. rolledBack by recovery: registered, never marked. markedNeverLeft:
	// the node died before it sent.
	tooLarge, rolledBack, markedNeverLeft int

	// What must be 0. paidTwice and oversent count invoices. endedOtherwise: succeeded, and the
	// receiver has not the amount, or failed, and it has something.
	paidTwice, oversent, endedOtherwise, dispatchedTwice int
	// lost: acknowledged, and gone or different. notOnce: an end or a result that was not told by
	// exactly one event.
	lost, rolledBackThoughLeft, unfinished, notOnce, mistold int
	// noticesWrong: an HTLC's settle not told under exactly one number.
	noticesWrong int
	commitments  uint64
	// inconsistent: the store contradicts itself or the orders.
	inconsistent int
	commitNumber uint64
}

// verifier compares the store of the dead node with what the world outside saw.
type verifier struct {
	run      *Run
	store    *lnkeep.Store
	attempts *lnkeep.Attempts
	payments *lnkeep.Payments
	tally    *Tally
}

// Verify opens the store and compares. An error says that the store cannot be read.
func (r *Run) Verify() (tally *Tally, err error) {
	store, err := lnkeep.Open(r.options.Directory, &lnkeep.StoreOptions{
		MustExist: true, EpochMin: r.epoch,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	v := &verifier{
		run: r, store: store, tally: &Tally{failedFor: map[lnkeep.FailureReason]int{}},
	}
	// The last node had no reason not to close the store.
	v.inconsistentIf(!r.closedCleanly || store.Report().Unclean)
	if v.attempts, err = store.OpenAttempts(nil); err != nil {
		return nil, err
	}
	if v.payments, err = store.OpenPayments(&life.PaymentsOptions); err != nil {
		return nil, err
	}
	err = errors.Join(v.takeEvents(), v.comparePayments(), v.compareAttempts(), v.compareChannel(),
		v.readStats())
	if err != nil {
		return nil, err
	}
	v.countInvoices()
	v.countAttempts()
	v.tally.inconsistent += r.ledger.foreign + r.ledger.eventsChanged + r.ledger.eventsMissing() +
		r.client.unexpected + r.network.malformed + r.neighbours.unexpected
	return v.tally, nil
}

func (v *verifier) inconsistentIf(wrong bool) { count(&v.tally.inconsistent, wrong) }

// count counts what is so.
func count(number *int, is bool) {
	if is {
		*number++
	}
}

// takeEvents books what the last node had not acknowledged.
func (v *verifier) takeEvents() (err error) {
	events, err := v.store.OpenEvents(life.EventsCursor, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, events.Close()) }()
	for {
		taken, err := events.Take(1000)
		if err != nil || len(taken) == 0 {
			return err
		}
		for _, event := range taken {
			v.run.ledger.book(wire.EventOf(event))
		}
	}
}

func (v *verifier) readStats() error {
	stats, err := v.store.Stats()
	v.tally.commitNumber = stats.CommitNumber
	return err
}

// compareChannel: when everything has ended no HTLC is left in it, every settle was told once, and no
// HTLC of others takes up room.
func (v *verifier) compareChannel() error {
	f, err := read(v.store)
	if err != nil {
		return err
	}
	v.run.inspection.compare(v.run, &f)
	v.run.neighbours.closed(f.Forwards)
	v.tally.commitments = f.Number
	v.tally.unfinished += len(f.HTLCs)
	v.tally.noticesWrong += len(f.Outputs) + v.run.ledger.noticesMissed
	for _, entry := range v.run.ledger.attempts {
		count(&v.tally.noticesWrong, entry.settled() != (entry.notices == 1) || entry.notices > 1)
	}
	return nil
}

// countInvoices adds what the ledger alone tells, and what it has that the store has not.
func (v *verifier) countInvoices() {
	t := v.tally
	for _, entry := range v.run.ledger.invoices {
		requests := entry.order.Key.Request
		count(&t.paidTwice, entry.paidAgain)
		count(&t.oversent, entry.oversent)
		count(&t.lost, entry.lost || entry.acknowledged && !entry.stored)
		count(&t.mistold, entry.mistold)
		count(&t.unfinished, uint64(len(entry.ends)) != requests)
		count(&t.notOnce, entry.initiated != requests || entry.terminal != requests)
	}
}

// countAttempts does the same for what left the node.
func (v *verifier) countAttempts() {
	t := v.tally
	for _, entry := range v.run.ledger.attempts {
		count(&t.dispatchedOnce, entry.dispatched == 1)
		count(&t.dispatchedTwice, entry.dispatched > 1)
		count(&t.heldOverDeath, entry.heldOverDeath)
		count(&t.lost, entry.lost || !entry.stored)
		count(&t.unfinished, !entry.confirmed)
	}
}
