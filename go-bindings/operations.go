package lnkeep

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
)

// OperationsMax is how many operations one Submit may carry; more is refused with ErrTooBig.
const OperationsMax = 1024

// opKind is the number of an operation in the C ABI.
type opKind uint32

const (
	opInit          opKind = 257
	opMarkHandedOff opKind = 258
	opStoreResult   opKind = 259
	opFailPending   opKind = 260
	opAck           opKind = 261
	opDelete        opKind = 262
	opQuarantine    opKind = 263
	opAllocate      opKind = 264
)

func (k opKind) String() string {
	if k.isMonitors() {
		return named(uint32(k-opMonitorsCommit), "monitors operation", "commit")
	}
	if k.isPayment() {
		return named(uint32(k-opPaymentInit), "payment operation", "init", "register", "settle", "fail_attempt",
			"fail", "delete")
	}
	return named(uint32(k-opInit), "operation", "init", "mark_handed_off", "store_result", "fail_pending", "ack",
		"delete", "quarantine", "allocate")
}

// Flags of operations in the C ABI.
const (
	failForced   uint32 = 1
	deleteForget uint32 = 1
)

// Operation is one change for Submit, made by the Op methods of a component, such as Attempts.OpInit,
// Payments.OpInit or Monitors.OpCommit.
// It holds copies of everything it was made from. The zero value is refused with ErrInvalidArgument.
type Operation struct {
	kind      opKind
	flags     uint32
	component uint64
	key       Key
	request   Request
	// fingerprint and paymentHash are copies of what request points to.
	fingerprint, paymentHash [32]byte
	result                   Result
	failureCode              uint16
	// message is also the external key of an allocation.
	message []byte
	// payment is set for operations of payments.
	payment *paymentOperation
	// commit is set for a commit of monitors.
	commit *commitment
}

// subject names in errors what an operation is about.
func (op *Operation) subject() string {
	switch {
	case op.kind == opAllocate:
		return "external key of " + strconv.Itoa(len(op.message)) + " bytes"
	case op.commit != nil:
		return "monitors, up to ticket " + strconv.FormatUint(op.commit.capture.uptoTicket, 10)
	case op.payment == nil:
		return "attempt " + op.key.String()
	case op.kind == opPaymentRegister || op.kind == opPaymentSettle || op.kind == opPaymentFailAttempt:
		return "payment " + op.payment.hash.String() + ", attempt " + op.key.String()
	}
	return "payment " + op.payment.hash.String()
}

// OpInit is Init as an operation for Submit.
func (a *Attempts) OpInit(request Request) Operation {
	op := Operation{kind: opInit, component: a.bits(), key: request.Key, request: request}
	if request.Fingerprint != nil {
		op.fingerprint = *request.Fingerprint
	}
	if request.PaymentHash != nil {
		op.paymentHash = *request.PaymentHash
	}
	return op
}

// OpMarkHandedOff is MarkHandedOff as an operation for Submit.
func (a *Attempts) OpMarkHandedOff(key Key) Operation {
	return Operation{kind: opMarkHandedOff, component: a.bits(), key: key}
}

// OpStoreResult is StoreResult as an operation for Submit.
func (a *Attempts) OpStoreResult(key Key, result Result) Operation {
	return Operation{
		kind: opStoreResult, component: a.bits(), key: key, result: result, message: bytes.Clone(result.Message),
	}
}

// OpFailPending is FailPending as an operation for Submit.
func (a *Attempts) OpFailPending(key Key, failure Failure) Operation {
	op := Operation{
		kind: opFailPending, component: a.bits(), key: key, failureCode: failure.Code,
		message: bytes.Clone(failure.Message),
	}
	if failure.Forced {
		op.flags = failForced
	}
	return op
}

// OpAck is Ack as an operation for Submit.
func (a *Attempts) OpAck(key Key) Operation {
	return Operation{kind: opAck, component: a.bits(), key: key}
}

// OpDelete is Delete of one attempt as an operation for Submit; its id stays burned.
func (a *Attempts) OpDelete(key Key) Operation {
	return Operation{kind: opDelete, component: a.bits(), key: key}
}

// OpForget is Forget of one attempt as an operation for Submit; its id is free again.
func (a *Attempts) OpForget(key Key) Operation {
	return Operation{kind: opDelete, component: a.bits(), key: key, flags: deleteForget}
}

// OpQuarantine is Quarantine as an operation for Submit.
func (a *Attempts) OpQuarantine(key Key) Operation {
	return Operation{kind: opQuarantine, component: a.bits(), key: key}
}

// OpAllocate is Allocate as an operation for Submit; the id comes as Outcome.ID.
func (a *Attempts) OpAllocate(namespace Namespace, externalKey []byte) Operation {
	return Operation{
		kind: opAllocate, component: a.bits(), key: Key{Namespace: namespace}, message: bytes.Clone(externalKey),
	}
}

// Submit applies operations of any components of this store, mixed, in one durable commit, and waits for
// it. They apply in order, a later one sees an earlier one, and each stands alone. Concurrent calls share
// commits and do not hold a thread each. With Monitors.OpCommit among them the call is one of C of its own:
// it waits its turn as Monitors.Commit does, and is then waited for whatever becomes of the context.
//
// The outcomes are always one per operation. The error is nil when every operation is Done or Already;
// ErrBatch when one is not, with the class of the worst; anything else says that none was applied, or
// that the context ended: before the submission that is ErrCanceled, during the commit ErrUnknown.
func (s *Store) Submit(ctx context.Context, ops ...Operation) ([]Outcome, error) {
	if err := s.core.refuse(ctx, "submit"); err != nil {
		return failAll(len(ops), err), err
	}
	if len(ops) > OperationsMax {
		err := tooMany(len(ops))
		return failAll(len(ops), err), err
	}
	if len(ops) == 0 {
		return nil, nil
	}
	if hasCommit(ops) {
		return s.core.submitCommit(ctx, ops, false)
	}
	j := newJob(ops...)
	if err := s.core.submitter.run(ctx, "submit", j); err != nil {
		return failAll(len(ops), err), err
	}
	return j.outcomes, worst(j.outcomes)
}

// SubmitAtomic applies all of the operations or none, in one durable commit, and waits for it. When one
// is refused it has its own error and the others ErrAborted. The error is as for Submit.
func (s *Store) SubmitAtomic(ctx context.Context, ops ...Operation) ([]Outcome, error) {
	if err := s.core.refuse(ctx, "submit"); err != nil {
		return failAll(len(ops), err), err
	}
	if len(ops) == 0 {
		return nil, nil
	}
	if hasCommit(ops) {
		return s.core.submitCommit(ctx, ops, true)
	}
	submission, err := s.submitAsync(ops, true)
	if err != nil {
		return failAll(len(ops), err), err
	}
	return submission.Wait(ctx)
}

func tooMany(operations int) *Error {
	return refusal("submit", StatusTooBig,
		fmt.Sprintf("%d operations are more than %d; nothing was applied, split them", operations, OperationsMax))
}

func failAll(n int, err error) []Outcome {
	outcomes := make([]Outcome, n)
	for i := range outcomes {
		outcomes[i] = failed(err)
	}
	return outcomes
}
