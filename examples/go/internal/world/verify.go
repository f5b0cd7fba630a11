package world

import (
	"bytes"
	"crypto/sha256"
	"errors"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/life"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// Tally is what became of all attempts, counted by comparing the store with the ledger.
type Tally struct {
	attempts, dispatchedOnce, dispatchedTwice, neverLeft int
	settled, failedByNetwork, failedValidation           int
	// rolledBack by recovery: registered, never marked. markedNeverLeft: the node died before
	// it sent.
	rolledBack, markedNeverLeft, heldOverDeath int
	// lost: acknowledged, and gone or different. notBooked: a result without an event.
	lost, rolledBackThoughLeft, unresolved, notBooked int
	// inconsistent: the store contradicts itself or the orders.
	inconsistent  int
	commitNumber  uint64
	eventsCounted int
}

// verifier compares the store of the dead node with what the world outside saw.
type verifier struct {
	run      *Run
	store    *lnkeep.Store
	attempts *lnkeep.Attempts
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
	v := &verifier{run: r, store: store, tally: &Tally{}}
	// The last node had no reason not to close the store.
	v.inconsistentIf(!r.closedCleanly || store.Report().Unclean)
	if v.attempts, err = store.OpenAttempts(nil); err != nil {
		return nil, err
	}
	err = errors.Join(v.takeEvents(), v.compareStore(), v.compareCounts(), v.readStats())
	if err != nil {
		return nil, err
	}
	v.countLedger()
	return v.tally, nil
}

func (v *verifier) inconsistentIf(wrong bool) {
	if wrong {
		v.tally.inconsistent++
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
			if life.IsResult(event) {
				v.run.ledger.book(event.Sequence, event.Key.ID, event.State == lnkeep.StateSettled)
			}
		}
	}
}

func (v *verifier) compareStore() error {
	for attempt, err := range v.attempts.All(lnkeep.Query{}) {
		switch {
		case errors.Is(err, lnkeep.ErrCorruptRecord):
			v.tally.inconsistent++
		case err != nil:
			return err
		default:
			if err := v.compareAttempt(&attempt); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *verifier) compareAttempt(attempt *lnkeep.Attempt) error {
	id := attempt.Key.ID
	entry := v.run.ledger.find(id)
	if entry == nil {
		return nil
	}
	entry.stored = true
	hash := v.run.secrets.paymentHash(id)
	if attempt.PaymentHash == nil || *attempt.PaymentHash != hash ||
		attempt.AmountMsat != amountMsat(id) {
		entry.lost = true
	}
	if attempt.Result == nil {
		entry.lost = entry.lost || entry.resultTold
		v.tally.unresolved++
		return nil
	}
	return v.compareResult(attempt, entry)
}

func (v *verifier) compareResult(attempt *lnkeep.Attempt, entry *entry) error {
	result := attempt.Result
	settled := result.Kind == lnkeep.ResultSettle
	if entry.resultTold && (entry.settled != settled || entry.local != result.Unencrypted) {
		entry.lost = true
	}
	if !entry.booked || entry.bookedSettled != settled {
		v.tally.notBooked++
	}
	if result.Unencrypted {
		v.compareLocal(attempt, entry)
		return nil
	}
	same, err := v.isNetworkAnswer(attempt.Key.ID, result)
	if err != nil {
		return err
	}
	if !same {
		entry.lost = entry.lost || entry.resultTold
		v.tally.inconsistent++
	}
	v.inconsistentIf(entry.dispatched == 0)
	if attempt.Conflict {
		// A settle that replaced a failure: the failure was told although the HTLC had left.
		v.tally.rolledBackThoughLeft++
	}
	if settled {
		v.tally.settled++
	} else {
		v.tally.failedByNetwork++
	}
	return nil
}

func (v *verifier) compareLocal(attempt *lnkeep.Attempt, entry *entry) {
	if entry.dispatched > 0 {
		v.tally.rolledBackThoughLeft++
	}
	switch {
	case attempt.Result.FailureCode == uint16(lnwire.CodeTemporaryChannelFailure):
		v.inconsistentIf(!isTooLarge(attempt.Key.ID))
		v.tally.failedValidation++
	case attempt.RolledBack:
		v.tally.rolledBack++
	default:
		v.tally.markedNeverLeft++
	}
}

// isNetworkAnswer: byte by byte, attribution data included, and a settle has the right
// preimage.
func (v *verifier) isNetworkAnswer(id uint64, result *lnkeep.Result) (bool, error) {
	answer, err := v.run.secrets.answer(id)
	if err != nil {
		return false, err
	}
	body, err := wire.Encode(answer)
	if err != nil || !bytes.Equal(body, result.Message) {
		return false, err
	}
	stored, err := wire.Decode(result.Message)
	if err != nil {
		return false, err
	}
	fulfill, settled := stored.(*lnwire.UpdateFulfillHTLC)
	if !settled {
		return result.Kind == lnkeep.ResultFail, nil
	}
	same := result.Preimage == fulfill.PaymentPreimage &&
		sha256.Sum256(result.Preimage[:]) == v.run.secrets.paymentHash(id)
	return same && result.Kind == lnkeep.ResultSettle, nil
}

// compareCounts: the numbers that lnkeep keeps itself must be the ones counted here.
func (v *verifier) compareCounts() error {
	counts, err := v.attempts.Counts(lnkeep.Namespace{})
	if err != nil {
		return err
	}
	t := v.tally
	failed := t.failedByNetwork + t.failedValidation + t.rolledBack + t.markedNeverLeft
	v.inconsistentIf(counts.Settled != uint64(t.settled))
	v.inconsistentIf(counts.Failed != uint64(failed))
	v.inconsistentIf(counts.Deleted != 0)
	return nil
}

func (v *verifier) readStats() error {
	stats, err := v.store.Stats()
	v.tally.commitNumber = stats.CommitNumber
	return err
}

// countLedger adds what the ledger alone tells, and what it has that the store has not.
func (v *verifier) countLedger() {
	t, ledger := v.tally, v.run.ledger
	t.attempts = len(ledger.entries)
	t.eventsCounted = len(ledger.events)
	for i := range ledger.entries {
		entry := &ledger.entries[i]
		if !entry.stored {
			entry.lost = entry.lost || entry.initAcknowledged
			t.unresolved++
		}
		switch {
		case entry.dispatched == 0:
			t.neverLeft++
		case entry.dispatched == 1:
			t.dispatchedOnce++
		default:
			t.dispatchedTwice++
		}
		if entry.heldOverDeath {
			t.heldOverDeath++
		}
		if entry.lost {
			t.lost++
		}
	}
	t.inconsistent += ledger.foreign + ledger.eventsChanged + v.run.client.unexpected +
		v.run.network.malformed
}
