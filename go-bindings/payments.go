package lnkeep

import (
	"context"
	"runtime"
	"sync/atomic"
)

// Payments are the payments of a store, the control tower: a hash is paid once, never more than its amount,
// and what a crash interrupted is finished. All methods are safe for concurrent use. After Close, also of
// the store, they answer ErrClosed.
//
// Methods with a context wait for the disk. The context is looked at before the call and while the call
// waits its turn: ErrCanceled, nothing was applied. A call under way is waited for, whatever becomes of the
// context, so that its answer is the truth. Other errors that all of them answer: ErrNoSpace and ErrBusy
// (not applied), ErrUnknown (open the store again and repeat the same call), ErrInvalidArgument, ErrClosed,
// ErrPoisoned. ErrCorruptRecord: the payment's record is damaged; Quarantine removes it.
//
// A call that changes a payment answers the payment as it is after the call, in the same transaction, also
// with Outcome.Already; nil with an error.
type Payments struct {
	core   *core
	shared *sharedPayments
	closed atomic.Bool
	alarm  runtime.Cleanup
}

// OpenPayments opens the payments of the store. Opening them again with equal options gives another value
// on the same payments. Close it, or the store.
//
// Errors: ErrAlreadyOpen when they were opened with other options; ErrInvalidArgument, ErrUnsupported,
// ErrBusy, ErrClosed, ErrPoisoned.
func (s *Store) OpenPayments(options *PaymentsOptions) (*Payments, error) {
	if options == nil {
		options = &PaymentsOptions{}
	}
	if err := options.check(); err != nil {
		return nil, err
	}
	var shared *sharedPayments
	err := s.core.child("open payments", func() (err error) {
		shared, err = s.core.openPayments(*options)
		return err
	})
	if err != nil {
		return nil, err
	}
	p := &Payments{core: s.core, shared: shared}
	p.alarm = setAlarm(p, s.core, 2, "Payments", "payments")
	return p, nil
}

// openPayments shares one handle, since its subscriptions have one list of ready ones. It is called with
// mu held.
func (c *core) openPayments(options PaymentsOptions) (*sharedPayments, error) {
	if known := c.payments; known != nil && known.options == options {
		known.users++
		return known, nil
	}
	handle, err := cPaymentsOpen(c.handle, options)
	if err != nil {
		return nil, err
	}
	if c.payments != nil {
		// Options that differ here and are equal for the library, such as 1 s and 900 ms.
		_ = cPaymentsClose(handle)
		c.payments.users++
		return c.payments, nil
	}
	c.payments = &sharedPayments{handle: handle, options: options, users: 1}
	return c.payments, nil
}

// Close ends the use of this value; its subscriptions end with ErrClosed when it is the last one open.
// Calling it again does nothing.
func (p *Payments) Close() error {
	p.alarm.Stop()
	if p.closed.Swap(true) {
		return nil
	}
	c := p.core
	c.mu.Lock()
	defer c.mu.Unlock()
	p.shared.users--
	// The store's own Close may have taken it over.
	if p.shared.users > 0 || c.payments != p.shared {
		return nil
	}
	c.payments = nil
	// Under mu: the goroutine of a value that is opened meanwhile would share the list of ready
	// subscriptions with this one's.
	return p.shared.close()
}

// IsOpen reports whether this value and its store are open; another goroutine may close them right after.
func (p *Payments) IsOpen() bool {
	return !p.closed.Load() && !p.core.closed.Load() && cPaymentsIsOpen(p.shared.handle)
}

// bits is the handle for operations; 0, which is never valid, once this value is closed.
func (p *Payments) bits() uint64 {
	if p.closed.Load() {
		return 0
	}
	return p.shared.handle
}

// refuse answers for payments that are closed.
func (p *Payments) refuse(op string) *Error {
	if p.core.closed.Load() {
		return closed(op, "store")
	}
	if p.closed.Load() {
		return closed(op, "value of Payments")
	}
	return nil
}

// turn runs a call of C that waits for the disk.
func (p *Payments) turn(ctx context.Context, op string, call func() error) error {
	if err := p.refuse(op); err != nil {
		return err
	}
	return p.core.turn(ctx, op, call)
}

// change is turn for a call that answers a payment and an outcome.
func (p *Payments) change(
	ctx context.Context, op string, call func() (*Payment, Outcome, error),
) (*Payment, Outcome, error) {
	var payment *Payment
	var outcome Outcome
	err := p.turn(ctx, op, func() (err error) {
		payment, outcome, err = call()
		return err
	})
	if err != nil {
		return nil, failed(err), err
	}
	return payment, outcome, nil
}

// outcome is turn for a call that answers an outcome alone.
func (p *Payments) outcome(ctx context.Context, op string, call func() (Outcome, error)) (Outcome, error) {
	var outcome Outcome
	err := p.turn(ctx, op, func() (err error) {
		outcome, err = call()
		return err
	})
	if err != nil {
		return failed(err), err
	}
	return outcome, nil
}

// Init initiates a payment, before anything is sent. Done: send it. Already, for the same request again
// while nothing was sent, or for a repeat of its idempotency key whatever became of the first: do not send,
// look at the payment. A payment of the hash that failed starts over with a new sequence number.
//
// Errors: ErrPaymentExists, ErrPaymentInFlight, ErrAlreadyPaid: the hash is not to be paid by this request;
// ErrFingerprintMismatch when the idempotency key belongs to another request, ErrPaymentAlreadyFailed or
// ErrDeleted when its payment is history; ErrNotAcknowledged after a restore; ErrTooBig; ErrUnknown: open
// the store again and repeat the SAME request.
func (p *Payments) Init(ctx context.Context, init PaymentInit) (*Payment, Outcome, error) {
	if err := init.check("init"); err != nil {
		return nil, failed(err), err
	}
	return p.change(ctx, "init", func() (*Payment, Outcome, error) {
		return cPaymentsInit(p.shared.handle, &init)
	})
}

// Register registers an attempt of a payment, before it is sent by another dispatcher than this store's
// Attempts. Done: send it. Already, for the same attempt again: do not send, track it. Attempts registered
// at once by many goroutines never exceed the payment's amount.
//
// Errors, looked for in this order: ErrPaymentNotInitiated, ErrPaymentAlreadySucceeded,
// ErrPaymentAlreadyFailed, ErrPaymentPendingSettled, ErrPaymentPendingFailed, ErrInvalidRoute,
// ErrAttemptIDExists, ErrBlindedMissingTotal, ErrMPPRecordInBlinded, ErrMixedBlinded,
// ErrBlindedTotalMismatch, ErrMPPPayment, ErrNonMPPPayment, ErrMPPAddrMismatch, ErrMPPTotalMismatch,
// ErrValueMismatch, ErrValueExceeds; ErrNotAcknowledged after a restore; ErrTooBig; ErrUnknown: open the
// store again and repeat the SAME attempt.
func (p *Payments) Register(
	ctx context.Context, hash PaymentHash, attempt PaymentAttemptRequest,
) (*Payment, Outcome, error) {
	return p.register(ctx, "register", hash, &attempt, false)
}

// RegisterAndInit is Register and Attempts.Init in one transaction: go on with Attempts.MarkHandedOff
// before the HTLC leaves. From then on Settle and FailAttempt acknowledge the attempt's record in one
// transaction too, and what was handed off cannot be failed.
//
// Errors: those of Register; ErrAttemptIDExists also when the attempt store knows the id; ErrBelowFloor
// after a restore; ErrExternalMarker when an external router owns the attempts.
func (p *Payments) RegisterAndInit(
	ctx context.Context, hash PaymentHash, attempt PaymentAttemptRequest,
) (*Payment, Outcome, error) {
	return p.register(ctx, "register_and_init", hash, &attempt, true)
}

func (p *Payments) register(
	ctx context.Context, op string, hash PaymentHash, attempt *PaymentAttemptRequest, withRecord bool,
) (*Payment, Outcome, error) {
	if err := attempt.check(op); err != nil {
		return nil, failed(err), err
	}
	return p.change(ctx, op, func() (*Payment, Outcome, error) {
		return cPaymentsRegister(p.shared.handle, op, hash, attempt, withRecord)
	})
}

// Strictness is what a caller wants to be told instead of what the rules allow.
type Strictness uint32

const (
	// RefuseRepeat refuses the repeat of an identical result instead of answering Already.
	RefuseRepeat Strictness = 2
	// RefuseLate refuses a settle after a failure instead of letting it win.
	RefuseLate Strictness = 4
	// FirstResultOnly refuses all but the first result of an attempt in flight, as lnd does.
	FirstResultOnly = RefuseRepeat | RefuseLate
)

// strictnessOf refuses what has no name here, since other flags of a call mean other things.
func strictnessOf(op string, given []Strictness) (flags uint32, _ *Error) {
	for _, one := range given {
		if one&^FirstResultOnly != 0 {
			return 0, invalid(op, "the Strictness has unknown bits")
		}
		flags |= uint32(one)
	}
	return flags, nil
}

// Settle settles an attempt of a payment. Already for the same settle again. A settle beats a failure,
// whenever it comes, and sets Outcome.Conflict.
//
// Errors, looked for in this order: ErrPaymentNotInitiated, ErrPaymentAlreadySucceeded,
// ErrPaymentAlreadyFailed, ErrAttemptNotFound, ErrAttemptAlreadyFailed (with RefuseLate),
// ErrAttemptAlreadySettled, ErrBadPreimage; ErrUnknown: open the store again and repeat.
func (p *Payments) Settle(
	ctx context.Context, hash PaymentHash, key Key, settle AttemptSettle, strictness ...Strictness,
) (*Payment, Outcome, error) {
	flags, err := settle.check("settle", strictness)
	if err != nil {
		return nil, failed(err), err
	}
	return p.change(ctx, "settle", func() (*Payment, Outcome, error) {
		return cPaymentsSettle(p.shared.handle, hash, key, &settle, flags)
	})
}

// FailAttempt fails an attempt of a payment; of RegisterAndInit's records an intent is rolled back. Already
// for the same failure again. RefuseLate says nothing here and is refused.
//
// Errors, looked for in this order: ErrPaymentNotInitiated, ErrPaymentAlreadySucceeded,
// ErrPaymentAlreadyFailed, ErrAttemptNotFound, ErrAttemptAlreadyFailed, ErrAttemptAlreadySettled;
// ErrHandedOff: it may still settle; ErrConflict: its record holds a settle, settle it; ErrTooBig;
// ErrUnknown: open the store again and repeat.
func (p *Payments) FailAttempt(
	ctx context.Context, hash PaymentHash, key Key, failure AttemptFailure, strictness ...Strictness,
) (*Payment, Outcome, error) {
	flags, err := failure.check("fail_attempt", strictness)
	if err != nil {
		return nil, failed(err), err
	}
	return p.change(ctx, "fail_attempt", func() (*Payment, Outcome, error) {
		return cPaymentsFailAttempt(p.shared.handle, "fail_attempt", hash, key, &failure, "", flags)
	})
}

// ForceFail fails an attempt in flight by the operator's word that its HTLC is gone, its record in the
// attempt store included, and keeps the note, at most 1,024 bytes, of why. A settle that comes all the same
// still wins.
//
// Errors: those of FailAttempt, but never ErrHandedOff.
func (p *Payments) ForceFail(
	ctx context.Context, hash PaymentHash, key Key, failure AttemptFailure, note string,
) (*Payment, Outcome, error) {
	if _, err := failure.check("force_fail", nil); err != nil {
		return nil, failed(err), err
	}
	return p.change(ctx, "force_fail", func() (*Payment, Outcome, error) {
		return cPaymentsFailAttempt(p.shared.handle, "force_fail", hash, key, &failure, note, failForced)
	})
}

// Fail gives a payment up: no attempt is registered from now on. It is failed when nothing is in flight any
// more and nothing settled. Already when it failed for that reason.
//
// Errors: ErrPaymentNotInitiated, ErrPaymentAlreadySucceeded; ErrUnknown: open the store again and repeat.
func (p *Payments) Fail(
	ctx context.Context, hash PaymentHash, reason FailureReason,
) (*Payment, Outcome, error) {
	return p.change(ctx, "fail", func() (*Payment, Outcome, error) {
		return cPaymentsFail(p.shared.handle, hash, reason)
	})
}
