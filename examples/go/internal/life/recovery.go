package life

import (
	"context"
	"errors"
	"log"
	"slices"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// submissionMax is how many operations of recovery go into one commit; lnkeep takes up to
// 1,024.
const submissionMax = 256

// settlePast ends the attempts that the last life left behind, as far as that is certain.
//
// This node marks before it sends, so that it needs no list of circuits: an intent without a
// mark has not left, whatever the peer says later, and Recover fails it. Attempts with a mark
// are never touched; they are listed as unresolved. Only the peer's word makes certain that
// such an HTLC never left, because the node died between mark and send: those end here, and come
// out of the channel. The others the peer answers again.
func (n *node) settlePast(ctx context.Context) error {
	recovery, err := again(ctx, func() (lnkeep.Recovery, error) {
		return n.attempts.Recover(ctx, n.recover)
	})
	if err != nil {
		return err
	}
	held, err := n.receiveHeld()
	if err != nil {
		return err
	}
	neverLeft := slices.DeleteFunc(recovery.Unresolved, func(id uint64) bool {
		_, held := held[id]
		return held
	})
	for ids := range slices.Chunk(neverLeft, submissionMax) {
		if err := n.failAll(ctx, ids); err != nil {
			return err
		}
	}
	return n.channel.dropUnsent(ctx, held)
}

// receiveHeld: after a reconnect, channel_reestablish tells both sides which HTLCs the channel
// holds.
func (n *node) receiveHeld() (map[uint64]struct{}, error) {
	msg, err := n.peer.Receive()
	if err != nil {
		return nil, gone("peer", err)
	}
	ids, err := wire.ParseHeld(msg)
	if err != nil {
		return nil, errors.Join(errProtocol, err)
	}
	held := make(map[uint64]struct{}, len(ids))
	for _, id := range ids {
		held[id] = struct{}{}
	}
	return held, nil
}

// resumePast decides about the payments that the last life left behind. With every result that is
// stored they end, wait, or may be sent on; nothing is sent here.
func (n *node) resumePast(ctx context.Context) error {
	options := lnkeep.ResumeOptions{
		Dispatcher: n.known, Sending: true,
		// As long as a settle may come late, an attempt that failed must be known.
		KeepFailedAttempts: true,
	}
	resumption, err := again(ctx, func() (lnkeep.Resumption, error) {
		return n.steps.resume(ctx, options)
	})
	if err != nil {
		return err
	}
	for _, resumed := range resumption.Payments {
		err := n.tell(wire.Report{Kind: wire.ReportResumed, Resumed: resumed.Outcome})
		if err != nil {
			return err
		}
		switch resumed.Outcome {
		case lnkeep.ResumeWaiting, lnkeep.ResumeMaySend:
			payment, err := n.fetch(ctx, *resumed.Hash)
			if err != nil {
				return err
			}
			n.unfinished = append(n.unfinished, payment)
		case lnkeep.ResumeUnreadable:
			log.Printf("node: payment number %d cannot be read", resumed.Sequence)
		}
	}
	return nil
}

// known is what this node knows of an attempt in flight. lnkeep looks at the attempt's record by
// itself and would take every stored failure for one on the way: that it is the receiver's, and no
// route will do, only the node can read in its message.
func (n *node) known(_ *lnkeep.Payment, attempt *lnkeep.PaymentAttempt) lnkeep.ResumeAnswer {
	result, err := n.attempts.Result(attempt.Request.Key)
	switch {
	case err != nil: // still out, or nothing is known
		return lnkeep.ResumeAnswer{Kind: lnkeep.AnswerPending}
	case result.Kind == lnkeep.ResultSettle:
		return lnkeep.ResumeAnswer{Kind: lnkeep.AnswerSettled, Preimage: result.Preimage}
	}
	failure, final := failureOf(result)
	if final {
		return lnkeep.ResumeAnswer{Kind: lnkeep.AnswerFailedFinal, Failure: failure}
	}
	return lnkeep.ResumeAnswer{Kind: lnkeep.AnswerFailed, Failure: failure}
}

// failAll stores a failure of this node as the result of attempts whose HTLC did not leave. Their
// payments then learn it as they do of any result.
func (n *node) failAll(ctx context.Context, ids []uint64) error {
	failure := lnkeep.FailLocal(uint16(lnwire.CodeTemporaryNodeFailure), nil)
	ops := make([]lnkeep.Operation, len(ids))
	for i, id := range ids {
		ops[i] = n.attempts.OpStoreResult(lnkeep.DefaultKey(id), failure)
	}
	// The whole batch again, not the part that is left: what was done answers Already.
	outcomes, err := again(ctx, func() ([]lnkeep.Outcome, error) {
		return n.store.Submit(ctx, ops...)
	})
	for _, outcome := range outcomes {
		if outcome.Err != nil {
			complain("fail what never left", outcome.Err)
		}
	}
	if err != nil && notApplied(err) {
		// The attempts stay pending and are listed again at the next start, or have another
		// result.
		return nil
	}
	return err
}
