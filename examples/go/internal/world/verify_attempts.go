package world

import (
	"bytes"
	"errors"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/life"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// compareAttempts: each record holds the answer of the network, or a failure of the node if its
// HTLC never left.
func (v *verifier) compareAttempts() error {
	for attempt, err := range v.attempts.All(lnkeep.Query{}) {
		if err == nil {
			err = v.compareAttempt(&attempt)
		}
		switch {
		case errors.Is(err, lnkeep.ErrCorruptRecord):
			v.tally.inconsistent++
		case err != nil:
			return err
		}
	}
	return v.compareCounts()
}

func (v *verifier) compareAttempt(attempt *lnkeep.Attempt) error {
	id, t := attempt.Key.ID, v.tally
	t.attempts++
	if attempt.PaymentHash == nil || v.run.ledger.hashed(*attempt.PaymentHash) == nil {
		t.inconsistent++
	}
	truth := v.run.ledger.attempts[id]
	if truth != nil {
		truth.stored = true
	}
	if attempt.Result == nil {
		t.unfinished++
		return nil
	}
	count(&t.notOnce, v.run.ledger.resolved[id] != 1)
	// Its payment took the result in the transaction that acknowledged it.
	v.inconsistentIf(!attempt.Acked)
	if attempt.Result.Unencrypted {
		v.compareLocal(attempt, truth)
		return nil
	}
	if truth == nil {
		t.inconsistent++
		return nil
	}
	return v.compareAnswer(attempt, truth)
}

// compareLocal: a failure of the node itself is for HTLCs that did not leave.
func (v *verifier) compareLocal(attempt *lnkeep.Attempt, truth *attempt) {
	t := v.tally
	if truth != nil {
		t.rolledBackThoughLeft++
		truth.lost = truth.lost || truth.confirmed
	}
	switch {
	case attempt.AmountMsat > life.HTLCMaximumMsat:
		t.tooLarge++
	case attempt.RolledBack:
		t.rolledBack++
	default:
		t.markedNeverLeft++
	}
}

// compareAnswer: byte by byte, attribution data included.
func (v *verifier) compareAnswer(attempt *lnkeep.Attempt, truth *attempt) error {
	answer, err := v.run.secrets.answer(truth)
	if err != nil {
		return err
	}
	body, err := wire.Encode(answer)
	if err != nil {
		return err
	}
	result, t := attempt.Result, v.tally
	fulfill, settles := answer.(*lnwire.UpdateFulfillHTLC)
	settled := result.Kind == lnkeep.ResultSettle
	if !truth.answered || settled != settles || !bytes.Equal(body, result.Message) ||
		settles && result.Preimage != fulfill.PaymentPreimage {
		truth.lost = truth.lost || truth.confirmed
		t.inconsistent++
	}
	if attempt.Conflict {
		// A settle that replaced a failure: the failure was told although the HTLC had left.
		t.rolledBackThoughLeft++
	}
	count(&t.settled, settled)
	count(&t.failedByNetwork, !settled)
	return nil
}

// compareCounts: the numbers that lnkeep keeps itself must be the ones counted here.
func (v *verifier) compareCounts() error {
	counts, err := v.attempts.Counts(lnkeep.Namespace{})
	if err != nil {
		return err
	}
	t := v.tally
	failed := t.failedByNetwork + t.tooLarge + t.rolledBack + t.markedNeverLeft
	v.inconsistentIf(counts.Settled != uint64(t.settled))
	v.inconsistentIf(counts.Failed != uint64(failed))
	v.inconsistentIf(counts.Deleted != 0)
	return nil
}
