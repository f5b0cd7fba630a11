package lnkeep

// PaymentRules is what the rules allow a payment in one state. An error is what the call that asks would
// answer, nil when it is allowed.
type PaymentRules struct {
	// Init: the hash may be initiated again. ErrPaymentExists, ErrPaymentInFlight, ErrAlreadyPaid.
	Init error
	// Update: attempts may be registered or end. ErrPaymentAlreadySucceeded, ErrPaymentAlreadyFailed.
	Update error
	// Remove: the payment may be deleted. ErrPaymentInFlight.
	Remove error
	// Register: another attempt may be registered. Those of Update, ErrPaymentPendingSettled,
	// ErrPaymentPendingFailed.
	Register error
	// AllowMore: a sender should make another attempt; false with AllowMoreErr.
	AllowMore bool
	// AllowMoreErr is ErrPaymentInternal where status and sums cannot be together.
	AllowMoreErr error
	// NeedWait: a sender that makes no more attempts must wait for those in flight; false with NeedWaitErr.
	NeedWait bool
	// NeedWaitErr is ErrPaymentInternal where status and sums cannot be together.
	NeedWaitErr error
}

// PaymentState is what follows from a payment's attempts.
type PaymentState struct {
	// Status is where the payment stands.
	Status PaymentStatus
	// HasSettled: an attempt settled.
	HasSettled bool
	// GivenUp: the payment was given up and nothing settled.
	GivenUp bool
	// InFlight counts attempts in flight.
	InFlight uint64
	// RemainingMsat is the amount that no attempt covers which did not fail, in millisatoshi.
	RemainingMsat uint64
	// FeesMsat are the fees of the attempts that did not fail, in millisatoshi.
	FeesMsat uint64
}

// AttemptSum is what the sums need of one attempt.
type AttemptSum struct {
	// State is where the attempt stands.
	State PaymentAttemptState
	// AmountMsat is what the receiver gets, in millisatoshi.
	AmountMsat uint64
	// FeeMsat is what the hops get, in millisatoshi.
	FeeMsat uint64
}

// Allows tells what the rules allow; of the state, Status, RemainingMsat, HasSettled and GivenUp are read.
// It looks at no store. ErrUnknownStatus for a status that is none. Safe for concurrent use.
func (s PaymentState) Allows() (PaymentRules, error) { return cPaymentAllows(&s) }

// ComputeState is what follows from a payment's amount, its attempts and the reason for which it was given
// up, 0 when it was not. It looks at no store. Safe for concurrent use.
//
// Errors: ErrSentExceedsTotal when the attempts that did not fail sum up to more than the amount;
// ErrInvalidArgument for a state or reason that is none.
func ComputeState(amountMsat uint64, attempts []AttemptSum, reason FailureReason) (PaymentState, error) {
	return cPaymentComputeState(amountMsat, attempts, reason)
}

// State is what follows from the attempts and the reason of the payment as it stands here.
//
// Errors: those of ComputeState; ErrSentExceedsTotal also of a stored payment, when late settles covered
// too much.
func (p *Payment) State() (PaymentState, error) {
	sums := make([]AttemptSum, len(p.Attempts))
	for i := range p.Attempts {
		attempt := &p.Attempts[i]
		sums[i] = AttemptSum{attempt.State, attempt.Request.AmountMsat, attempt.Request.FeeMsat}
	}
	return ComputeState(p.Init.AmountMsat, sums, p.FailureReason)
}

// Verification is a payment as far as VerifyAttempt looks at it.
type Verification struct {
	// AmountMsat is the amount of the payment, in millisatoshi.
	AmountMsat uint64
	// InFlight are its attempts in flight.
	InFlight []PaymentAttemptRequest
	// Settled are its attempts that settled.
	Settled []PaymentAttemptRequest
	// CheckTotals checks what PaymentsOptions.CheckTotals does.
	CheckTotals bool
}

// VerifyAttempt tells whether a new attempt fits a payment and its other attempts. It looks at no store.
// Safe for concurrent use.
//
// Errors, looked for in this order: ErrBlindedMissingTotal, ErrMPPRecordInBlinded, ErrMixedBlinded,
// ErrBlindedTotalMismatch, ErrMPPPayment, ErrNonMPPPayment, ErrMPPAddrMismatch, ErrMPPTotalMismatch,
// ErrValueMismatch, ErrValueExceeds; ErrBusy without memory; ErrInvalidArgument.
func VerifyAttempt(payment Verification, attempt PaymentAttemptRequest) error {
	alive := append(append([]PaymentAttemptRequest(nil), payment.InFlight...), payment.Settled...)
	for i := range alive {
		if err := alive[i].check("verify_attempt"); err != nil {
			return err
		}
	}
	if err := attempt.check("verify_attempt"); err != nil {
		return err
	}
	return cPaymentVerifyAttempt(&payment, alive, &attempt)
}
