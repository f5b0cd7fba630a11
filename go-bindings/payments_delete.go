package lnkeep

import (
	"context"
	"time"
)

// Delete deletes a payment that is not in flight. The hash of a paid one stays refused, and its
// idempotency key known.
//
// Errors: ErrPaymentNotInitiated, ErrPaymentInFlight.
func (p *Payments) Delete(ctx context.Context, hash PaymentHash) (Outcome, error) {
	return p.delete(ctx, "delete", hash, 0)
}

// Forget is Delete for a host that keeps paid hashes elsewhere: the hash may be paid again.
func (p *Payments) Forget(ctx context.Context, hash PaymentHash) (Outcome, error) {
	return p.delete(ctx, "forget", hash, deleteForget)
}

// ForgetPaid forgets that a payment deleted earlier was paid: its hash may be paid again. Already when
// nothing is known of the hash.
//
// Errors: ErrEntriesExist when the payment was not deleted.
func (p *Payments) ForgetPaid(ctx context.Context, hash PaymentHash) (Outcome, error) {
	return p.delete(ctx, "forget_paid", hash, deleteTombstone)
}

// DeleteFailedAttempts deletes the failed attempts of a payment that is not in flight, in bounded steps of
// one commit each. Already when it has none. Steps done before an error stay done.
//
// Errors: ErrPaymentNotInitiated, ErrPaymentInFlight.
func (p *Payments) DeleteFailedAttempts(ctx context.Context, hash PaymentHash) (Outcome, error) {
	return p.delete(ctx, "delete_failed_attempts", hash, deleteFailedAttempts)
}

func (p *Payments) delete(ctx context.Context, op string, hash PaymentHash, flags uint32) (Outcome, error) {
	return p.outcome(ctx, op, func() (Outcome, error) {
		return cPaymentsDelete(p.shared.handle, op, hash, flags)
	})
}

// PaymentDeleteFilter chooses what DeleteMany removes. The zero value chooses every finished payment and
// keeps paid hashes refused.
type PaymentDeleteFilter struct {
	// Statuses are the statuses to delete; none means succeeded and failed. Payments in flight are never
	// deleted.
	Statuses []PaymentStatus
	// CreatedTo deletes only payments created at or before this time, those of unknown time included; zero
	// means any.
	CreatedTo time.Time
	// FailedAttemptsOnly keeps the payments and deletes their failed attempts.
	FailedAttemptsOnly bool
	// Forget lets the hashes of paid payments be paid again.
	Forget bool
	// After goes on after this sequence number, from DeletedPayments.Next; 0 begins with the oldest.
	After uint64
}

// DeletedPayments is what one step of DeleteMany did.
type DeletedPayments struct {
	// Payments counts payments that were removed, or that lost failed attempts.
	Payments uint64
	// Next is what PaymentDeleteFilter.After needs to go on; 0 when every payment was looked at. A step may
	// remove nothing although there is more.
	Next uint64
}

// DeleteMany deletes payments that match, at most 128 per call in one commit, or their failed attempts.
// Call it again until Next is 0; a crash in between loses nothing but the place. A payment initiated
// meanwhile may be looked at or not.
func (p *Payments) DeleteMany(
	ctx context.Context, filter PaymentDeleteFilter,
) (deleted DeletedPayments, err error) {
	statuses, refused := statusBits("delete_many", filter.Statuses)
	if refused == nil {
		refused = checkTime("delete_many", "CreatedTo", filter.CreatedTo)
	}
	if refused != nil {
		return DeletedPayments{}, refused
	}
	err = p.turn(ctx, "delete_many", func() (err error) {
		deleted, err = cPaymentsDeleteMany(p.shared.handle, &filter, statuses)
		return err
	})
	return deleted, err
}

// statusBits is a set of statuses as the library takes it.
func statusBits(op string, statuses []PaymentStatus) (bits uint32, _ *Error) {
	for _, status := range statuses {
		if status > 31 {
			return 0, invalid(op, "a status is above 31")
		}
		bits |= 1 << status
	}
	return bits, nil
}

// Sweep runs one step of retention and tells how many rows or payments it dealt with: rows of deleted
// payments go, finished payments beyond the limits of the options are deleted with their hashes still
// refused, tombstones past their time are forgotten. Ages need Store.Tick. Call it again until it answers 0.
func (p *Payments) Sweep(ctx context.Context) (handled uint64, err error) {
	err = p.turn(ctx, "sweep", func() (err error) {
		handled, err = cPaymentsSweep(p.shared.handle)
		return err
	})
	return handled, err
}

// Quarantine removes an unreadable payment and refuses its hash for good, with an event; Already when that
// was done before. When only the row of the hash is damaged, it is mended instead, and Outcome.ID is the
// payment's sequence number. However many of its other rows are damaged: that hinders it in nothing.
//
// Errors: ErrPaymentNotInitiated; ErrConflict when the payment is readable.
func (p *Payments) Quarantine(ctx context.Context, hash PaymentHash) (Outcome, error) {
	return p.outcome(ctx, "quarantine", func() (Outcome, error) {
		return cPaymentsQuarantine(p.shared.handle, hash)
	})
}
