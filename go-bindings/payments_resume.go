package lnkeep

import (
	"context"
	"errors"
)

// AnswerKind is what a dispatcher knows of an attempt in flight.
type AnswerKind uint32

// The answers of a dispatcher.
const (
	// AnswerSettled: it settled; Preimage is read.
	AnswerSettled AnswerKind = 1
	// AnswerFailed: it failed on the way; Failure is read, and another route might do.
	AnswerFailed AnswerKind = 2
	// AnswerFailedFinal: the receiver rejected the payment; Failure is read, and no route will do.
	AnswerFailedFinal AnswerKind = 3
	// AnswerError: the dispatcher answered with something that cannot be classified.
	AnswerError AnswerKind = 4
	// AnswerUnknown: the dispatcher never heard of the attempt.
	AnswerUnknown AnswerKind = 5
	// AnswerPending: it is still out.
	AnswerPending AnswerKind = 6
)

// String is a name such as "failed_final", or the number of a kind this version does not know.
func (k AnswerKind) String() string {
	return named(uint32(k), "answer", "", "settled", "failed", "failed_final", "error", "unknown", "pending")
}

// ResumeAnswer is what the host's dispatcher knows of one attempt in flight.
type ResumeAnswer struct {
	// Key is the attempt.
	Key Key
	// Kind is what is known.
	Kind AnswerKind
	// FirstHopClosed: the channel of its first hop is closed for good; without a result there will be none.
	FirstHopClosed bool
	// Preimage is that of AnswerSettled.
	Preimage Preimage
	// Failure is that of AnswerFailed and AnswerFailedFinal.
	Failure AttemptFailure
}

// ResumeOptions say what Resume may conclude from.
type ResumeOptions struct {
	// Answers are what the dispatcher knows. An attempt in flight without one is taken as still out.
	Answers []ResumeAnswer
	// Dispatcher is asked about every attempt in flight before the resume begins, beside Answers; the key of
	// what it answers is set for it. nil asks nobody.
	Dispatcher func(payment *Payment, attempt *PaymentAttempt) ResumeAnswer
	// KeepFailedAttempts keeps the failed attempts of payments that are done.
	KeepFailedAttempts bool
	// Sending hands payments back that kept an intent whose deadline lies ahead (ResumeMaySend), instead of
	// giving them up with FailureReasonNoRoute.
	Sending bool
}

// ResumeOutcome is what became of one payment.
type ResumeOutcome uint32

// The outcomes of a resume. A later library may know more.
const (
	// ResumeDone: the payment ended.
	ResumeDone ResumeOutcome = 1
	// ResumeWaiting: attempts are out and nothing is known of them yet.
	ResumeWaiting ResumeOutcome = 2
	// ResumeInternal: the receiver claimed only a part; succeeded, and something remains.
	ResumeInternal ResumeOutcome = 3
	// ResumeMaySend: the host may go on sending.
	ResumeMaySend ResumeOutcome = 4
	// ResumeUnreadable: it cannot be read; quarantine it.
	ResumeUnreadable ResumeOutcome = 5
)

// String is a name such as "waiting", or the number of an outcome this version does not know.
func (o ResumeOutcome) String() string {
	return named(uint32(o), "resume outcome", "", "done", "waiting", "internal", "may_send", "unreadable")
}

// ResumedPayment is what a resume made of one payment.
type ResumedPayment struct {
	// Sequence is its sequence number.
	Sequence uint64
	// Hash is its hash; nil only for an unreadable payment whose hash is unknown.
	Hash *PaymentHash
	// Outcome is what became of it.
	Outcome ResumeOutcome
}

// Resumption is what Resume did.
type Resumption struct {
	// Keep are the attempts of the payments that were unfinished, ended ones included, by id: what
	// Attempts.Clean must keep.
	Keep []Key
	// Payments are the payments that were unfinished, by sequence number.
	Payments []ResumedPayment
}

// Resume decides about every unfinished payment after a restart, as far as results are known; it never
// sends anything new. It may be called at any time while no sender is at work on them, repeatedly: a result
// that comes later is applied by Settle or FailAttempt, or by the next Resume.
//
// What the attempt store knows of an attempt of RegisterAndInit counts before the answer. A payment that
// could go on is given up with FailureReasonNoRoute, or handed back as Sending says. One payment that cannot
// be read stops no other. What was decided before an error stays decided.
//
// Errors: those of Payments; ErrDuplicateID when an attempt is answered twice.
func (p *Payments) Resume(ctx context.Context, options ResumeOptions) (resumption Resumption, err error) {
	if err := p.refuse("resume"); err != nil {
		return Resumption{}, err
	}
	// Before the dispatcher is asked, and again when it has answered.
	if err := p.core.refuse(ctx, "resume"); err != nil {
		return Resumption{}, err
	}
	answers, err := p.answers(&options)
	if err != nil {
		return Resumption{}, err
	}
	for i := range answers {
		if _, err := answers[i].Failure.check("resume", nil); err != nil {
			return Resumption{}, err
		}
	}
	err = p.turn(ctx, "resume", func() (err error) {
		resumption, err = cPaymentsResume(p.shared.handle, answers, &options)
		return err
	})
	return resumption, err
}

// answers are those given and those of the dispatcher.
func (p *Payments) answers(options *ResumeOptions) ([]ResumeAnswer, error) {
	if options.Dispatcher == nil {
		return options.Answers, nil
	}
	answers := append([]ResumeAnswer(nil), options.Answers...)
	for payment, err := range p.Unfinished() {
		if errors.Is(err, ErrCorruptRecord) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range payment.Attempts {
			if attempt := &payment.Attempts[i]; attempt.State == PaymentAttemptInFlight {
				answer := options.Dispatcher(payment, attempt)
				answer.Key = attempt.Request.Key
				answers = append(answers, answer)
			}
		}
	}
	return answers, nil
}
