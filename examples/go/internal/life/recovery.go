package life

import (
	"context"
	"errors"
	"slices"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// submissionMax is how many operations of recovery go into one commit; lnkeep takes up to
// 1,024.
const submissionMax = 256

// settlePast decides about what the last life left behind.
//
// This node marks before it sends, so that it needs no list of circuits: an intent without a
// mark has not left, whatever the peer says later, and Recover fails it. Attempts with a mark
// are never touched; they are listed as unresolved. Only the peer's word makes certain that
// such an HTLC never left, because the node died between mark and send: those end here. The
// others the peer answers again.
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
	return nil
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

// failAll stores a failure of this node as the result of attempts whose HTLC did not leave. The
// client gives their orders again and is then told.
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
	for i, outcome := range outcomes {
		if outcome.Err != nil {
			complain("fail what never left", ids[i], outcome.Err)
		}
	}
	if err != nil && notApplied(err) {
		// The attempts stay pending and are listed again at the next start, or have another
		// result.
		return nil
	}
	return err
}
