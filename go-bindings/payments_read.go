package lnkeep

import (
	"iter"
	"time"
)

// Fetch is the payment of a hash. It does not wait for the disk.
//
// Errors: ErrPaymentNotInitiated, also when it was deleted; ErrCorruptRecord, ErrBusy, ErrClosed,
// ErrPoisoned.
func (p *Payments) Fetch(hash PaymentHash) (*Payment, error) {
	if err := p.refuse("fetch"); err != nil {
		return nil, err
	}
	return cPaymentsFetch(p.shared.handle, hash)
}

// PaymentQuery chooses payments. The zero value chooses all, from the oldest.
type PaymentQuery struct {
	// Offset goes on after this sequence number, away from the end the query begins at; nil begins there.
	Offset *uint64
	// Reversed begins at the newest. A page is in ascending order all the same.
	Reversed bool
	// WithoutAttempts leaves the attempts out, and what follows from them: see Payment.Attempts.
	WithoutAttempts bool
	// Statuses are the statuses to list; none means every one. Unfinished ones alone read unfinished
	// payments alone, whatever the history.
	Statuses []PaymentStatus
	// CreatedFrom lists only payments created at or after this time; zero means any.
	CreatedFrom time.Time
	// CreatedTo lists only payments created at or before this time, those of unknown time included; zero
	// means any.
	CreatedTo time.Time
	// Limit is the greatest number of payments in a page; 0 means 1,000, the most there is.
	Limit uint32
}

// UnreadablePayment is a payment that cannot be read; Quarantine removes it.
type UnreadablePayment struct {
	// Sequence is its sequence number.
	Sequence uint64
	// Hash is its hash; nil when that cannot be read either.
	Hash *PaymentHash
}

// PaymentPage is one part of a list and one consistent view.
type PaymentPage struct {
	// Payments are those that matched, ascending by sequence number. There may be none although the list
	// goes on.
	Payments []*Payment
	// Unreadable are payments met on the way that cannot be read, ascending by sequence number.
	Unreadable []UnreadablePayment
	// Next is what PaymentQuery.Offset needs to go on; nil at the end of the list.
	Next *uint64
}

// List is one page of payments: it visits at most 10,000 rows and takes at most some 16 MiB.
//
// Errors: ErrInvalidArgument, ErrUnsupported, ErrBusy, ErrClosed, ErrPoisoned.
func (p *Payments) List(query PaymentQuery) (PaymentPage, error) {
	if err := p.refuse("list"); err != nil {
		return PaymentPage{}, err
	}
	statuses, err := statusBits("list", query.Statuses)
	if err == nil {
		err = checkTime("list", "CreatedFrom", query.CreatedFrom)
	}
	if err == nil {
		err = checkTime("list", "CreatedTo", query.CreatedTo)
	}
	if err != nil {
		return PaymentPage{}, err
	}
	return cPaymentsList(p.shared.handle, &query, statuses)
}

// All visits every payment of a query, page by page, so that memory stays flat: what changes meanwhile may
// be seen or not. With Reversed it goes from the newest to the oldest. An unreadable payment comes as its
// sequence number, and its hash where that is known, with ErrCorruptRecord, and the visit goes on; any
// other error ends it, with a nil payment. The errors are List's.
func (p *Payments) All(query PaymentQuery) iter.Seq2[*Payment, error] {
	return func(yield func(*Payment, error) bool) {
		for {
			page, err := p.List(query)
			if err != nil {
				yield(nil, err)
				return
			}
			if !page.visit(query.Reversed, yield) || page.Next == nil {
				return
			}
			query.Offset = page.Next
		}
	}
}

// Unfinished visits every payment that is initiated or in flight, from the oldest, as All does. It reads
// these alone, whatever the history.
func (p *Payments) Unfinished() iter.Seq2[*Payment, error] {
	return p.All(PaymentQuery{Statuses: []PaymentStatus{PaymentInitiated, PaymentInFlight}})
}

// visit merges what a page could read with what it could not, in the order of the sequence numbers.
func (page *PaymentPage) visit(reversed bool, yield func(*Payment, error) bool) bool {
	readable, unreadable := page.Payments, page.Unreadable
	for len(readable)+len(unreadable) > 0 {
		i, j := 0, 0
		if reversed {
			i, j = len(readable)-1, len(unreadable)-1
		}
		takesReadable := len(unreadable) == 0 ||
			len(readable) > 0 && readable[i].Sequence < unreadable[j].Sequence != reversed
		switch {
		case takesReadable && !yield(readable[i], nil):
			return false
		case !takesReadable && !yield(unreadable[j].face()):
			return false
		}
		readable = dropEnd(readable, takesReadable, reversed)
		unreadable = dropEnd(unreadable, !takesReadable, reversed)
	}
	return true
}

func dropEnd[T any](list []T, drop, last bool) []T {
	switch {
	case !drop:
		return list
	case last:
		return list[:len(list)-1]
	}
	return list[1:]
}

func (u UnreadablePayment) face() (*Payment, error) {
	payment := &Payment{Sequence: u.Sequence}
	name := "a payment of unknown hash"
	if u.Hash != nil {
		payment.Init.Hash = *u.Hash
		name = "payment " + u.Hash.String()
	}
	return payment, refusal("list", StatusCorruptRecord, name+": the record is damaged; quarantine it")
}

// PaymentCounts are numbers of payments, and what they take.
type PaymentCounts struct {
	// Payments counts all that are stored.
	Payments uint64
	// Unfinished counts those initiated or in flight.
	Unfinished uint64
	// Tombstones counts hashes paid or quarantined whose history is gone.
	Tombstones uint64
	// Attempts counts attempts of all payments.
	Attempts uint64
	// IdempotencyKeys counts idempotency keys.
	IdempotencyKeys uint64
	// Doomed counts deleted payments whose attempts wait for Sweep.
	Doomed uint64
	// HistoryBytes is what payments and their attempts take in the store.
	HistoryBytes uint64
}

// Counts are the numbers of payments, without a scan. Errors: ErrBusy, ErrClosed, ErrPoisoned.
func (p *Payments) Counts() (PaymentCounts, error) {
	if err := p.refuse("counts"); err != nil {
		return PaymentCounts{}, err
	}
	return cPaymentsCounts(p.shared.handle)
}

// StuckReason is why an attempt or a payment needs an operator's eye.
type StuckReason uint32

// The reasons why something is stuck. A later library may know more.
const (
	// StuckPastExpiry: in flight, and its HTLC timed out more than the grace ago.
	StuckPastExpiry StuckReason = 1
	// StuckNoRecord: in flight, and the attempt store has no record of it.
	StuckNoRecord StuckReason = 2
	// StuckUnreadableRecord: in flight, and its record cannot be read.
	StuckUnreadableRecord StuckReason = 3
	// StuckResultNotCollected: in flight, and the attempt store has its result.
	StuckResultNotCollected StuckReason = 4
	// StuckAbandoned: initiated or to be retried, and no sender has touched it since the time given.
	StuckAbandoned StuckReason = 5
)

// String is a name such as "past_expiry", or the number of a reason this version does not know.
func (r StuckReason) String() string {
	return named(uint32(r), "stuck reason", "", "past_expiry", "no_record", "unreadable_record",
		"result_not_collected", "abandoned")
}

// StuckQuery says what Stuck looks for.
type StuckQuery struct {
	// After goes on after this sequence number, from StuckList.Next; 0 begins with the oldest.
	After uint64
	// BlockHeight is the height of the best block; 0 means what Tick last told.
	BlockHeight uint32
	// GraceBlocks are the blocks after the expiry in which an answer may still come.
	GraceBlocks uint32
	// UntouchedSince makes payments abandoned that have no attempt in flight and did not change since this
	// time, to the millisecond; zero asks for none.
	UntouchedSince time.Time
}

// Stuck is an attempt, or a payment without one, that nobody seems to look after.
type Stuck struct {
	// Hash identifies the payment.
	Hash PaymentHash
	// Sequence is its sequence number.
	Sequence uint64
	// Attempt is the attempt; zero with StuckAbandoned.
	Attempt Key
	// Reason is why.
	Reason StuckReason
	// CLTVExpiry is the absolute block height at which the attempt's HTLC times out, 0 if unknown.
	CLTVExpiry uint32
}

// StuckList is what one call of Stuck found.
type StuckList struct {
	// Found is what was found; there may be nothing although there is more to look at.
	Found []Stuck
	// Next is what StuckQuery.After needs to go on; 0 when every payment was looked at.
	Next uint64
}

// Stuck looks for attempts and payments that nobody seems to look after, among at most 256 unfinished
// payments per call: call it again until Next is 0. An operator who is certain ends an attempt by ForceFail.
//
// Errors: ErrInvalidArgument, ErrUnsupported, ErrBusy, ErrClosed, ErrPoisoned.
func (p *Payments) Stuck(query StuckQuery) (StuckList, error) {
	if err := p.refuse("stuck"); err != nil {
		return StuckList{}, err
	}
	if _, ok := unixMilli(query.UntouchedSince); !ok {
		return StuckList{}, invalid("stuck", "UntouchedSince lies before 1970")
	}
	return cPaymentsStuck(p.shared.handle, &query)
}
