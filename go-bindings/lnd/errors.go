package lnd

// lnkeep's refusals as lnd's errors.

import (
	"errors"
	"fmt"

	paymentsdb "github.com/lightningnetwork/lnd/payments/db"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// ErrUndecodable is returned when a payment is whole and its bytes are not what this package writes: another
// program, or a later version, wrote them.
var ErrUndecodable = errors.New("lnd adapter: undecodable")

// ErrNotLNDs is returned when a value has no place in lnd's types or in the library's.
var ErrNotLNDs = errors.New("lnd adapter: cannot be converted")

// sentinels pairs every refusal of the library that lnd has an error for with that error, one to one.
var sentinels = []struct{ kept, lnds error }{
	{lnkeep.ErrPaymentExists, paymentsdb.ErrPaymentExists},
	{lnkeep.ErrPaymentInFlight, paymentsdb.ErrPaymentInFlight},
	{lnkeep.ErrAlreadyPaid, paymentsdb.ErrAlreadyPaid},
	{lnkeep.ErrPaymentNotInitiated, paymentsdb.ErrPaymentNotInitiated},
	{lnkeep.ErrPaymentAlreadySucceeded, paymentsdb.ErrPaymentAlreadySucceeded},
	{lnkeep.ErrPaymentAlreadyFailed, paymentsdb.ErrPaymentAlreadyFailed},
	{lnkeep.ErrPaymentPendingSettled, paymentsdb.ErrPaymentPendingSettled},
	{lnkeep.ErrPaymentPendingFailed, paymentsdb.ErrPaymentPendingFailed},
	{lnkeep.ErrAttemptAlreadySettled, paymentsdb.ErrAttemptAlreadySettled},
	{lnkeep.ErrAttemptAlreadyFailed, paymentsdb.ErrAttemptAlreadyFailed},
	{lnkeep.ErrBlindedMissingTotal, paymentsdb.ErrBlindedPaymentMissingTotalAmount},
	{lnkeep.ErrMPPRecordInBlinded, paymentsdb.ErrMPPRecordInBlindedPayment},
	{lnkeep.ErrMixedBlinded, paymentsdb.ErrMixedBlindedAndNonBlindedPayments},
	{lnkeep.ErrBlindedTotalMismatch, paymentsdb.ErrBlindedPaymentTotalAmountMismatch},
	{lnkeep.ErrMPPPayment, paymentsdb.ErrMPPayment},
	{lnkeep.ErrNonMPPPayment, paymentsdb.ErrNonMPPayment},
	{lnkeep.ErrMPPAddrMismatch, paymentsdb.ErrMPPPaymentAddrMismatch},
	{lnkeep.ErrMPPTotalMismatch, paymentsdb.ErrMPPTotalAmountMismatch},
	{lnkeep.ErrValueMismatch, paymentsdb.ErrValueMismatch},
	{lnkeep.ErrValueExceeds, paymentsdb.ErrValueExceedsAmt},
	{lnkeep.ErrSentExceedsTotal, paymentsdb.ErrSentExceedsTotal},
	{lnkeep.ErrUnknownStatus, paymentsdb.ErrUnknownPaymentStatus},
	{lnkeep.ErrPaymentInternal, paymentsdb.ErrPaymentInternal},
}

// translate makes errors.Is find lnd's error as well as the library's.
func translate(err error) error {
	for _, pair := range sentinels {
		if errors.Is(err, pair.kept) {
			return fmt.Errorf("%w: %w", pair.lnds, err)
		}
	}
	return err
}

func unconvertible(format string, details ...any) error {
	return fmt.Errorf("%w: %w", ErrNotLNDs, fmt.Errorf(format, details...))
}
