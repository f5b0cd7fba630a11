package lnd

// Reading and deleting many payments.

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/lightningnetwork/lnd/lntypes"
	paymentsdb "github.com/lightningnetwork/lnd/payments/db"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// pagePayments is how many payments are asked for at once: what the library gives at most.
const pagePayments = 1000

// Sets of statuses.
var (
	unfinished = []lnkeep.PaymentStatus{lnkeep.PaymentInitiated, lnkeep.PaymentInFlight}
	succeeded  = []lnkeep.PaymentStatus{lnkeep.PaymentSucceeded}
	failed     = []lnkeep.PaymentStatus{lnkeep.PaymentFailed}
	// removable is what lnd's DeletePayments may delete: all that has no attempt in flight.
	removable = []lnkeep.PaymentStatus{
		lnkeep.PaymentInitiated, lnkeep.PaymentSucceeded, lnkeep.PaymentFailed,
	}
)

// FetchPayment is the payment of a hash.
func (d *DB) FetchPayment(ctx context.Context, hash lntypes.Hash) (*paymentsdb.MPPayment, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	kept, err := d.payments.Fetch(lnkeep.PaymentHash(hash))
	return d.answer(kept, err)
}

// FetchInFlightPayments is every payment that is not finished, those without an attempt included. It reads
// these alone, however many were ever made.
func (d *DB) FetchInFlightPayments(ctx context.Context) ([]*paymentsdb.MPPayment, error) {
	query := lnkeep.PaymentQuery{Statuses: unfinished}
	pages, err := d.pages(ctx, query, math.MaxUint64, true)
	return slices.Concat(pages...), err
}

// QueryPayments is one page of lnd's list of payments. TotalCount is as of a moment later.
func (d *DB) QueryPayments(
	ctx context.Context, query paymentsdb.Query,
) (paymentsdb.Response, error) {
	var response paymentsdb.Response
	asked, possible := keptQuery(query)
	if possible {
		pages, err := d.pages(ctx, asked, query.MaxPayments, !query.OmitHops)
		if err != nil {
			return paymentsdb.Response{}, err
		}
		if query.Reversed {
			slices.Reverse(pages)
		}
		response.Payments = slices.Concat(pages...)
	}
	if query.CountTotal {
		counts, err := d.payments.Counts()
		if err != nil {
			return paymentsdb.Response{}, translate(err)
		}
		response.TotalCount = counts.Payments
	}
	if found := len(response.Payments); found > 0 {
		response.FirstIndexOffset = response.Payments[0].SequenceNum
		response.LastIndexOffset = response.Payments[found-1].SequenceNum
	}
	return response, nil
}

// keptQuery is lnd's query in the library's terms, or false when nothing can match.
func keptQuery(query paymentsdb.Query) (lnkeep.PaymentQuery, bool) {
	asked := lnkeep.PaymentQuery{Reversed: query.Reversed}
	if query.IndexOffset != 0 {
		asked.Offset = &query.IndexOffset
	}
	if !query.IncludeIncomplete {
		asked.Statuses = succeeded
	}
	// No payment is created later than this: checkTime refuses it.
	const secondsMax = int64(math.MaxUint64 / uint64(time.Second))
	if query.CreationDateStart >= secondsMax || query.CreationDateEnd < 0 {
		return asked, false
	}
	if query.CreationDateStart > 0 {
		asked.CreatedFrom = time.Unix(query.CreationDateStart, 0)
	}
	if end := query.CreationDateEnd; end != 0 && end < secondsMax {
		asked.CreatedTo = time.Unix(end, int64(time.Second)-1)
	}
	return asked, query.MaxPayments != 0
}

// pages reads at most a number of payments, in as many pages as it takes, the oldest first in each.
func (d *DB) pages(
	ctx context.Context, query lnkeep.PaymentQuery, most uint64, withHops bool,
) ([][]*paymentsdb.MPPayment, error) {
	var pages [][]*paymentsdb.MPPayment
	for most > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		query.Limit = uint32(min(most, pagePayments))
		page, err := d.payments.List(query)
		if err != nil {
			return nil, translate(err)
		}
		payments := d.readable(&page, withHops)
		pages = append(pages, payments)
		if page.Next == nil {
			break
		}
		most -= uint64(len(payments))
		query.Offset = page.Next
	}
	return pages, nil
}

// readable is the payments of a page; it tells of those that are left out.
func (d *DB) readable(page *lnkeep.PaymentPage, withHops bool) []*paymentsdb.MPPayment {
	payments := make([]*paymentsdb.MPPayment, 0, len(page.Payments))
	for _, kept := range page.Payments {
		payment, err := lndsPayment(d.options.Namespace, kept, withHops)
		if err != nil {
			hash := lntypes.Hash(kept.Hash())
			d.leaveOut(Unreadable{SequenceNum: kept.Sequence, PaymentHash: &hash, Err: err})
			continue
		}
		payments = append(payments, payment)
	}
	for _, damaged := range page.Unreadable {
		d.leaveOut(Unreadable{
			SequenceNum: damaged.Sequence, PaymentHash: (*lntypes.Hash)(damaged.Hash),
			Err: lnkeep.ErrCorruptRecord,
		})
	}
	return payments
}

func (d *DB) leaveOut(unreadable Unreadable) {
	if d.options.OnUnreadable != nil {
		d.options.OnUnreadable(unreadable)
	}
}

// DeletePayment deletes a payment that is not in flight, or its failed attempts alone.
func (d *DB) DeletePayment(ctx context.Context, hash lntypes.Hash, failedAttemptsOnly bool) error {
	var err error
	switch {
	case failedAttemptsOnly:
		_, err = d.payments.DeleteFailedAttempts(ctx, lnkeep.PaymentHash(hash))
	case d.options.ForgetPaid:
		_, err = d.payments.Forget(ctx, lnkeep.PaymentHash(hash))
	default:
		_, err = d.payments.Delete(ctx, lnkeep.PaymentHash(hash))
	}
	return translate(err)
}

// DeleteFailedAttempts deletes the failed attempts of a payment that is not in flight.
func (d *DB) DeleteFailedAttempts(ctx context.Context, hash lntypes.Hash) error {
	return d.DeletePayment(ctx, hash, true)
}

// DeletePayments deletes all payments that are not in flight, or those that failed, or the failed attempts
// of either alone, and answers how many payments it deleted. It goes in bounded steps, so that no sender is
// held up: what was deleted before an error stays deleted.
func (d *DB) DeletePayments(ctx context.Context, failedOnly, failedAttemptsOnly bool) (int, error) {
	filter := lnkeep.PaymentDeleteFilter{
		Statuses: removable, FailedAttemptsOnly: failedAttemptsOnly, Forget: d.options.ForgetPaid,
	}
	if failedOnly {
		filter.Statuses = failed
	}
	deleted := 0
	for {
		step, err := d.payments.DeleteMany(ctx, filter)
		if !failedAttemptsOnly {
			deleted += int(step.Payments)
		}
		if err != nil || step.Next == 0 {
			return deleted, translate(err)
		}
		filter.After = step.Next
	}
}
