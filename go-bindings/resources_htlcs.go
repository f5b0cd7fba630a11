package lnkeep

import (
	"context"
	"strconv"
)

// HTLCsMax is how many HTLCs one AddAll or ResolveAll may carry; more is refused with ErrTooBig.
const HTLCsMax = 1024

// Add decides about an HTLC, and takes what it uses. To fail it is a verdict and no error. A repeat of an
// HTLC that is pending answers what was decided then, and is Already. It never waits for the disk and
// allocates nothing.
//
// Errors, after which nothing was decided: ErrOutgoingExceedsIncoming; ErrExpiryNotAfterHeight;
// ErrUnknownChannel, ErrChannelClosing, the channel in Error.Value; ErrDuplicateHTLC when the id is pending
// with other content; ErrSlotAssignment in compat mode; ErrBusy when the journal waits for the disk.
func (r *Resources) Add(request HTLCRequest) (Decision, error) {
	if err := r.handle.refuse("add"); err != nil {
		return Decision{Err: err}, err
	}
	return cResourcesAdd(r.handle.bits, &request, addMemory)
}

// AddDurable is Add that answers when the decision is on disk.
//
// Errors: those of Add; ErrNotDurable: decided as the Decision says, and not on disk yet, repeat it;
// ErrCanceled.
func (r *Resources) AddDurable(ctx context.Context, request HTLCRequest) (decision Decision, err error) {
	err = r.handle.durable(ctx, "add", func() (err error) {
		decision, err = cResourcesAdd(r.handle.bits, &request, addDurable)
		return err
	})
	decision.Err = err
	return decision, err
}

// AddExplained is Add that also tells what the decision was made from, at some cost.
//
// Errors: those of Add.
func (r *Resources) AddExplained(request HTLCRequest) (Explanation, error) {
	return r.explain(&request, addMemory)
}

// DryRun tells what Add would answer, and why. It changes nothing.
//
// Errors: those of Add but ErrBusy.
func (r *Resources) DryRun(request HTLCRequest) (Explanation, error) {
	return r.explain(&request, addDryRun)
}

func (r *Resources) explain(request *HTLCRequest, how addFlags) (Explanation, error) {
	if err := r.handle.refuse("add"); err != nil {
		return Explanation{Decision: Decision{Err: err}}, err
	}
	return cResourcesExplain(r.handle.bits, request, how)
}

// AddAll is Add of several HTLCs, in order; each stands alone. For a node that takes many at once: a call of
// C for all of them.
//
// The decisions are always one per request. The error is nil when there is a verdict on each; ErrBatch when
// there is not, with the class of the worst: read their Err. Anything else says that none was decided:
// ErrTooBig above HTLCsMax.
func (r *Resources) AddAll(requests []HTLCRequest) ([]Decision, error) {
	if err := r.handle.refuse("add"); err != nil {
		return undecided(len(requests), err), err
	}
	return r.addAll(requests, addMemory)
}

// AddAllDurable is AddAll that answers when all decisions are on disk; it waits for it once.
//
// Errors: those of AddAll; of each also ErrNotDurable, as for AddDurable; ErrCanceled.
func (r *Resources) AddAllDurable(
	ctx context.Context, requests []HTLCRequest,
) (decisions []Decision, err error) {
	err = r.handle.durable(ctx, "add", func() (err error) {
		decisions, err = r.addAll(requests, addDurable)
		return err
	})
	if decisions == nil {
		decisions = undecided(len(requests), err)
	}
	return decisions, err
}

func (r *Resources) addAll(requests []HTLCRequest, how addFlags) ([]Decision, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	decisions := make([]Decision, len(requests))
	if err := cResourcesAddAll(r.handle.bits, requests, how, decisions); err != nil {
		return undecided(len(requests), err), err
	}
	return decisions, worstOf("add", len(decisions), func(i int) error { return decisions[i].Err })
}

// undecided are the decisions of a call that decided nothing.
func undecided(n int, err error) []Decision {
	if n == 0 {
		return nil
	}
	decisions := make([]Decision, n)
	for i := range decisions {
		decisions[i].Err = err
	}
	return decisions
}

// Resolve ends an HTLC: releases what it took, and lets it count for the outgoing channel's reputation and
// the incoming one's revenue. A repeat of one of the last 16 of its incoming channel is Already. It never
// waits for the disk and allocates nothing.
//
// Errors: ErrUnknownChannel, the channel in Error.Value, ErrUnknownHTLC: there is nothing to release;
// ErrResolvedBeforeAdded in compat mode: released, and it counts for nothing; ErrBusy: nothing was done.
func (r *Resources) Resolve(request ResolveRequest) (Resolution, error) {
	if err := r.handle.refuse("resolve"); err != nil {
		return Resolution{Err: err}, err
	}
	return cResourcesResolve(r.handle.bits, &request, false)
}

// ResolveDurable is Resolve that answers when it is on disk.
//
// Errors: those of Resolve; ErrNotDurable: done, and not on disk yet, repeat it; ErrCanceled.
func (r *Resources) ResolveDurable(
	ctx context.Context, request ResolveRequest,
) (resolution Resolution, err error) {
	err = r.handle.durable(ctx, "resolve", func() (err error) {
		resolution, err = cResourcesResolve(r.handle.bits, &request, true)
		return err
	})
	resolution.Err = err
	return resolution, err
}

// ResolveAll is Resolve of several HTLCs, in order; each stands alone. A call of C for all of them.
//
// The resolutions are always one per request. The error is nil when each was resolved; ErrBatch when one was
// not, with the class of the worst: read their Err. Anything else says that none was resolved: ErrTooBig
// above HTLCsMax.
func (r *Resources) ResolveAll(requests []ResolveRequest) ([]Resolution, error) {
	if err := r.handle.refuse("resolve"); err != nil {
		return unresolved(len(requests), err), err
	}
	return r.resolveAll(requests, false)
}

// ResolveAllDurable is ResolveAll that answers when all are on disk; it waits for it once.
//
// Errors: those of ResolveAll; of each also ErrNotDurable, as for ResolveDurable; ErrCanceled.
func (r *Resources) ResolveAllDurable(
	ctx context.Context, requests []ResolveRequest,
) (resolutions []Resolution, err error) {
	err = r.handle.durable(ctx, "resolve", func() (err error) {
		resolutions, err = r.resolveAll(requests, true)
		return err
	})
	if resolutions == nil {
		resolutions = unresolved(len(requests), err)
	}
	return resolutions, err
}

func (r *Resources) resolveAll(requests []ResolveRequest, durable bool) ([]Resolution, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	resolutions := make([]Resolution, len(requests))
	if err := cResourcesResolveAll(r.handle.bits, requests, durable, resolutions); err != nil {
		return unresolved(len(requests), err), err
	}
	return resolutions, worstOf("resolve", len(resolutions), func(i int) error { return resolutions[i].Err })
}

// unresolved are the resolutions of a call that resolved nothing.
func unresolved(n int, err error) []Resolution {
	if n == 0 {
		return nil
	}
	resolutions := make([]Resolution, n)
	for i := range resolutions {
		resolutions[i].Err = err
	}
	return resolutions
}

// addFlags are flags of lnkeep_resources_add.
type addFlags uint32

const (
	addMemory  addFlags = 0
	addDurable addFlags = 1
	addDryRun  addFlags = 2
)

// htlcError is the error of one HTLC of a batch, whose status is all that the library tells.
func htlcError(op string, status Status, incoming ShortChannelID, htlcID, value uint64) *Error {
	e := refusal(op, status, htlcName(incoming, htlcID)+": "+status.Message())
	if status == StatusUnknownChannel || status == StatusChannelClosing {
		e.Value = &value
		e.Msg += ": " + ShortChannelID(value).String()
	}
	return e
}

func htlcName(incoming ShortChannelID, htlcID uint64) string {
	return "HTLC " + strconv.FormatUint(htlcID, 10) + " of channel " + incoming.String()
}
