package lnkeep

import "bytes"

const (
	opPaymentInit        opKind = 513
	opPaymentRegister    opKind = 514
	opPaymentSettle      opKind = 515
	opPaymentFailAttempt opKind = 516
	opPaymentFail        opKind = 517
	opPaymentDelete      opKind = 518
)

// Flags of operations on payments in the C ABI.
const (
	registerWithRecord   uint32 = 1
	deleteFailedAttempts uint32 = 2
	deleteTombstone      uint32 = 4
)

// isPayment reports whether an operation is one of payments.
func (k opKind) isPayment() bool { return k >= opPaymentInit && k < opMonitorsCommit }

// paymentOperation is what an operation of payments holds beside its key.
type paymentOperation struct {
	hash    PaymentHash
	init    *PaymentInit
	attempt *PaymentAttemptRequest
	settle  AttemptSettle
	failure AttemptFailure
	note    string
	reason  FailureReason
	// refused is why the operation is none; it is then refused when it is submitted.
	refused *Error
}

// payloadBytes is what the operation adds to a submission.
func (p *paymentOperation) payloadBytes() int {
	total := 2048 + len(p.failure.Message) + len(p.note)
	if p.init != nil {
		total += len(p.init.PaymentRequest) + len(p.init.FirstHopRecords)
		if p.init.Intent != nil {
			total += len(p.init.Intent.Data)
		}
	}
	if p.attempt != nil {
		total += len(p.attempt.Route) + len(p.attempt.FirstHopRecords)
	}
	return total
}

// operation is an operation of these payments; a malformed one has the kind 0, which the library refuses.
func (p *Payments) operation(kind opKind, flags uint32, key Key, content paymentOperation) Operation {
	if content.refused != nil {
		kind = 0
	}
	return Operation{kind: kind, flags: flags, component: p.bits(), key: key, payment: &content}
}

// OpInit is Init as an operation for Submit.
func (p *Payments) OpInit(init PaymentInit) Operation {
	return p.operation(opPaymentInit, 0, Key{}, paymentOperation{
		hash: init.Hash, init: init.clone(), refused: init.check("init"),
	})
}

// OpRegister is Register as an operation for Submit.
func (p *Payments) OpRegister(hash PaymentHash, attempt PaymentAttemptRequest) Operation {
	return p.opRegister(hash, &attempt, 0)
}

// OpRegisterAndInit is RegisterAndInit as an operation for Submit.
func (p *Payments) OpRegisterAndInit(hash PaymentHash, attempt PaymentAttemptRequest) Operation {
	return p.opRegister(hash, &attempt, registerWithRecord)
}

func (p *Payments) opRegister(hash PaymentHash, attempt *PaymentAttemptRequest, flags uint32) Operation {
	return p.operation(opPaymentRegister, flags, attempt.Key, paymentOperation{
		hash: hash, attempt: attempt.clone(), refused: attempt.check("register"),
	})
}

// OpSettle is Settle as an operation for Submit.
func (p *Payments) OpSettle(
	hash PaymentHash, key Key, settle AttemptSettle, strictness ...Strictness,
) Operation {
	flags, err := settle.check("settle", strictness)
	return p.operation(opPaymentSettle, flags, key, paymentOperation{hash: hash, settle: settle, refused: err})
}

// OpFailAttempt is FailAttempt as an operation for Submit.
func (p *Payments) OpFailAttempt(
	hash PaymentHash, key Key, failure AttemptFailure, strictness ...Strictness,
) Operation {
	flags, err := failure.check("fail_attempt", strictness)
	return p.opFailAttempt(flags, key, paymentOperation{hash: hash, failure: failure, refused: err})
}

// OpForceFail is ForceFail as an operation for Submit.
func (p *Payments) OpForceFail(hash PaymentHash, key Key, failure AttemptFailure, note string) Operation {
	_, err := failure.check("force_fail", nil)
	return p.opFailAttempt(failForced, key, paymentOperation{
		hash: hash, failure: failure, note: note, refused: err,
	})
}

func (p *Payments) opFailAttempt(flags uint32, key Key, content paymentOperation) Operation {
	content.failure.Message = bytes.Clone(content.failure.Message)
	return p.operation(opPaymentFailAttempt, flags, key, content)
}

// OpFail is Fail as an operation for Submit.
func (p *Payments) OpFail(hash PaymentHash, reason FailureReason) Operation {
	return p.operation(opPaymentFail, 0, Key{}, paymentOperation{hash: hash, reason: reason})
}

// OpDelete is Delete as an operation for Submit.
func (p *Payments) OpDelete(hash PaymentHash) Operation { return p.opDelete(hash, 0) }

// OpForget is Forget as an operation for Submit.
func (p *Payments) OpForget(hash PaymentHash) Operation { return p.opDelete(hash, deleteForget) }

// OpForgetPaid is ForgetPaid as an operation for Submit.
func (p *Payments) OpForgetPaid(hash PaymentHash) Operation { return p.opDelete(hash, deleteTombstone) }

// OpDeleteFailedAttempts is one bounded step of DeleteFailedAttempts as an operation for Submit:
// Outcome.Left tells how many failed attempts are left.
func (p *Payments) OpDeleteFailedAttempts(hash PaymentHash) Operation {
	return p.opDelete(hash, deleteFailedAttempts)
}

func (p *Payments) opDelete(hash PaymentHash, flags uint32) Operation {
	return p.operation(opPaymentDelete, flags, Key{}, paymentOperation{hash: hash})
}

// clone is a copy that shares nothing that a caller may change.
func (i *PaymentInit) clone() *PaymentInit {
	copied := *i
	copied.IdempotencyKey = bytes.Clone(i.IdempotencyKey)
	copied.PaymentRequest = bytes.Clone(i.PaymentRequest)
	copied.FirstHopRecords = bytes.Clone(i.FirstHopRecords)
	if i.Intent != nil {
		intent := *i.Intent
		intent.Destination = cloned(intent.Destination)
		intent.AMPRootShare = cloned(intent.AMPRootShare)
		intent.Data = bytes.Clone(intent.Data)
		copied.Intent = &intent
	}
	return &copied
}

// clone is a copy that shares nothing that a caller may change.
func (r *PaymentAttemptRequest) clone() *PaymentAttemptRequest {
	copied := *r
	copied.AttemptHash = cloned(r.AttemptHash)
	copied.MPP = cloned(r.MPP)
	copied.AMP = cloned(r.AMP)
	copied.BlindedTotalMsat = cloned(r.BlindedTotalMsat)
	copied.FirstHopAmountMsat = cloned(r.FirstHopAmountMsat)
	copied.Route = bytes.Clone(r.Route)
	copied.SessionKey = bytes.Clone(r.SessionKey)
	copied.FirstHopRecords = bytes.Clone(r.FirstHopRecords)
	return &copied
}

func cloned[T any](value *T) *T {
	if value == nil {
		return nil
	}
	copied := *value
	return &copied
}
