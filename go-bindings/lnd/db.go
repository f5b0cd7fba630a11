package lnd

// The database that lnd is given, and its calls that change one payment.

import (
	"context"
	"errors"
	"fmt"

	"github.com/lightningnetwork/lnd/lntypes"
	paymentsdb "github.com/lightningnetwork/lnd/payments/db"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// Options are choices of the adapter. Zero everywhere is the safe choice.
type Options struct {
	// Store are the options of the store that Open opens; nil are the safe defaults. LNDCompat is always set.
	Store *lnkeep.StoreOptions
	// Payments are the options of the payments that Open opens; nil are the safe defaults.
	Payments *lnkeep.PaymentsOptions
	// Namespace is that of the attempt ids of this lnd. lnd's own sequence makes them.
	Namespace lnkeep.Namespace
	// ForgetPaid makes a deletion as lnd's own stores do it: the hash of a payment that succeeded can be
	// paid again when its history is deleted. Without it, ErrAlreadyPaid stays the answer.
	ForgetPaid bool
	// OnUnreadable is told of each payment that a list leaves out because it cannot be read: a damaged one,
	// or one that lnd did not make. Set it, log it, and quarantine what is damaged: a payment that is in
	// flight and unreadable is missing from FetchInFlightPayments, so that the switch may drop the results
	// of its attempts. Called from the goroutine of the list.
	OnUnreadable func(Unreadable)
}

// Unreadable is a payment that a list left out.
type Unreadable struct {
	// SequenceNum is its place in the order of payments.
	SequenceNum uint64
	// PaymentHash is nil when not even that can be read.
	PaymentHash *lntypes.Hash
	// Err says what is wrong with it.
	Err error
}

// DB is lnd's payment database. Safe for concurrent use; unlike lnd's own it needs no caller to keep calls of
// RegisterAttempt for one payment apart.
type DB struct {
	// store is nil unless Open opened it.
	store    *lnkeep.Store
	payments *lnkeep.Payments
	options  Options
}

var _ paymentsdb.DB = (*DB)(nil)

// Open opens lnd's payment database in a store of its own, creating it when there is none; nil options are
// the safe defaults. Close it.
//
// Errors: those of lnkeep.Open and Store.OpenPayments; lnkeep.ErrWrongMode for a store that was created
// without LNDCompat.
func Open(path string, options *Options) (*DB, error) {
	if options == nil {
		options = &Options{}
	}
	var given lnkeep.StoreOptions
	if options.Store != nil {
		given = *options.Store
	}
	given.LNDCompat = true
	store, err := lnkeep.Open(path, &given)
	if err != nil {
		return nil, err
	}
	payments, err := store.OpenPayments(options.Payments)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	db := New(payments, options)
	db.store = store
	return db, nil
}

// New makes lnd's payment database of payments that the host opened and will close; nil options are the
// safe defaults.
func New(payments *lnkeep.Payments, options *Options) *DB {
	db := &DB{payments: payments}
	if options != nil {
		db.options = *options
	}
	return db
}

// Store is the store that Open opened, for Tick, Backup and Stats; nil with New.
func (d *DB) Store() *lnkeep.Store { return d.store }

// Payments are the payments under the database, for what lnd has no call for: Sweep, Quarantine, Stuck,
// ForceFail, subscriptions that go on after a restart.
func (d *DB) Payments() *lnkeep.Payments { return d.payments }

// Close closes the store that Open opened; with New it does nothing. Calling it again gives the same answer.
func (d *DB) Close() error {
	if d.store == nil {
		return nil
	}
	return d.store.Close()
}

// InitPayment initiates a payment. One that failed starts over: without its attempts, with a new sequence
// number.
func (d *DB) InitPayment(
	ctx context.Context, hash lntypes.Hash, info *paymentsdb.PaymentCreationInfo,
) error {
	request, err := keptInit(hash, info)
	if err != nil {
		return err
	}
	_, outcome, err := d.payments.Init(ctx, request)
	if err != nil {
		return translate(err)
	}
	if outcome.Already {
		// To the library a repeat of the same request is no error; to lnd it is a second sender.
		return fmt.Errorf("%w: by the same request", paymentsdb.ErrPaymentExists)
	}
	return nil
}

// RegisterAttempt registers an attempt, before it is sent.
func (d *DB) RegisterAttempt(
	ctx context.Context, hash lntypes.Hash, attempt *paymentsdb.HTLCAttemptInfo,
) (*paymentsdb.MPPayment, error) {
	request, err := keptAttempt(d.options.Namespace, attempt)
	if err != nil {
		return nil, err
	}
	kept, outcome, err := d.payments.Register(ctx, lnkeep.PaymentHash(hash), request)
	if err == nil && outcome.Already {
		// lnd sends after every success, and whoever registered it first may have sent it.
		err = fmt.Errorf("attempt %d: by the same request: %w", attempt.AttemptID, lnkeep.ErrAttemptIDExists)
	}
	return d.answer(kept, err)
}

// SettleAttempt records the preimage of an attempt.
func (d *DB) SettleAttempt(
	ctx context.Context, hash lntypes.Hash, attemptID uint64, info *paymentsdb.HTLCSettleInfo,
) (*paymentsdb.MPPayment, error) {
	settle := lnkeep.AttemptSettle{
		Preimage: lnkeep.Preimage(info.Preimage), Time: outcomeTime(info.SettleTime),
	}
	// Every result but the first is refused, as lnd does it.
	kept, _, err := d.payments.Settle(
		ctx, lnkeep.PaymentHash(hash), d.key(attemptID), settle, lnkeep.FirstResultOnly)
	return d.answer(kept, err)
}

// FailAttempt records that an attempt failed.
func (d *DB) FailAttempt(
	ctx context.Context, hash lntypes.Hash, attemptID uint64, info *paymentsdb.HTLCFailInfo,
) (*paymentsdb.MPPayment, error) {
	failure, err := keptFailure(info)
	if err != nil {
		return nil, fmt.Errorf("attempt %d: %w", attemptID, err)
	}
	kept, _, err := d.payments.FailAttempt(
		ctx, lnkeep.PaymentHash(hash), d.key(attemptID), failure, lnkeep.RefuseRepeat)
	return d.answer(kept, err)
}

// Fail gives a payment up, for a reason that replaces an earlier one.
func (d *DB) Fail(
	ctx context.Context, hash lntypes.Hash, reason paymentsdb.FailureReason,
) (*paymentsdb.MPPayment, error) {
	kept, err := toKept(failureReasons, reason)
	if err != nil {
		return nil, err
	}
	payment, _, err := d.payments.Fail(ctx, lnkeep.PaymentHash(hash), kept)
	return d.answer(payment, err)
}

func (d *DB) key(attemptID uint64) lnkeep.Key {
	return lnkeep.Key{Namespace: d.options.Namespace, ID: attemptID}
}

// answer is the payment after a change, as lnd wants it.
func (d *DB) answer(kept *lnkeep.Payment, err error) (*paymentsdb.MPPayment, error) {
	if err != nil {
		return nil, translate(err)
	}
	return lndsPayment(d.options.Namespace, kept, true)
}
