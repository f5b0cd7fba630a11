package paymentsdb

// The database that lnd's own tests run against. A test of this package cannot import the adapter, which
// imports this package; one of package paymentsdb_test can, and sets Open.

import (
	"context"
	"testing"

	"github.com/lightningnetwork/lnd/lntypes"
	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/record"
	"github.com/lightningnetwork/lnd/routing/route"
	"github.com/stretchr/testify/require"
)

// Open opens an empty database for a test.
var Open func(t *testing.T) DB

// NewTestDB takes the place of lnd's function of this name.
func NewTestDB(t *testing.T, _ ...OptionModifier) (DB, TestHarness) {
	db := Open(t)
	return db, index{db: db}
}

// index asks by a query what lnd's harness looks up in its index of sequence numbers.
type index struct {
	db DB
}

func (i index) at(t *testing.T, sequence uint64) []*MPPayment {
	t.Helper()
	query := Query{IndexOffset: sequence - 1, MaxPayments: 1, IncludeIncomplete: true}
	response, err := i.db.QueryPayments(context.Background(), query)
	require.NoError(t, err)
	if len(response.Payments) == 1 && response.Payments[0].SequenceNum != sequence {
		return nil
	}
	return response.Payments
}

func (i index) AssertPaymentIndex(t *testing.T, hash lntypes.Hash) {
	t.Helper()
	payment, err := i.db.FetchPayment(context.Background(), hash)
	require.NoError(t, err)
	found := i.at(t, payment.SequenceNum)
	require.Len(t, found, 1)
	require.Equal(t, hash, found[0].Info.PaymentIdentifier)
}

func (i index) AssertNoIndex(t *testing.T, sequence uint64) {
	t.Helper()
	require.Empty(t, i.at(t, sequence))
}

// verifyByDB takes the place of verifyAttempt: it registers the attempts that the payment has, which must
// be possible, and then the new one.
func verifyByDB(t *testing.T, payment *MPPayment, attempt *HTLCAttemptInfo) error {
	t.Helper()
	db, hash := Open(t), lntypes.Hash{1}
	require.NoError(t, db.InitPayment(t.Context(), hash, &PaymentCreationInfo{
		PaymentIdentifier: hash, Value: payment.Info.Value,
	}))
	for i := range payment.HTLCs {
		_, err := db.RegisterAttempt(t.Context(), hash, &payment.HTLCs[i].HTLCAttemptInfo)
		require.NoError(t, err)
	}
	_, err := db.RegisterAttempt(t.Context(), hash, attempt)
	return err
}

// decideByDB takes the place of decidePaymentStatus: it makes a payment whose attempts are as given.
func decideByDB(t *testing.T, attempts []HTLCAttempt, reason *FailureReason) (PaymentStatus, error) {
	t.Helper()
	db, hash := Open(t), lntypes.Hash{1}
	total := lnwire.MilliSatoshi(len(attempts) + 1)
	require.NoError(t, db.InitPayment(t.Context(), hash, &PaymentCreationInfo{
		PaymentIdentifier: hash, Value: total,
	}))
	for i := range attempts {
		hop := &route.Hop{AmtToForward: 1, MPP: record.NewMPP(total, [32]byte{1})}
		info := HTLCAttemptInfo{
			AttemptID: uint64(i), Route: route.Route{TotalAmount: 1, Hops: []*route.Hop{hop}},
		}
		_, err := db.RegisterAttempt(t.Context(), hash, &info)
		require.NoError(t, err)
	}
	if reason != nil {
		_, err := db.Fail(t.Context(), hash, *reason)
		require.NoError(t, err)
	}
	for i := range attempts {
		var err error
		switch {
		case attempts[i].Settle != nil:
			_, err = db.SettleAttempt(t.Context(), hash, uint64(i), attempts[i].Settle)
		case attempts[i].Failure != nil:
			_, err = db.FailAttempt(t.Context(), hash, uint64(i), attempts[i].Failure)
		}
		require.NoError(t, err)
	}
	payment, err := db.FetchPayment(t.Context(), hash)
	require.NoError(t, err)
	return payment.Status, nil
}
