package life

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
	"golang.org/x/sync/errgroup"
)

// errProtocol: the peer broke a rule of BOLT, and its channel must fail.
var errProtocol = errors.New("the peer broke the protocol")

// answer is an update_fulfill_htlc or update_fail_htlc that was checked.
type answer struct {
	id     uint64
	result lnkeep.Result
}

// takeAnswers ends only with an error, also when the peer ends the connection: HTLCs may be on
// their way. It stores every answer of the peer, each in a goroutine of its own: lnkeep packs
// them into shared commits.
func (n *node) takeAnswers(ctx context.Context, group *errgroup.Group) error {
	for {
		msg, err := n.peer.Receive()
		if errors.Is(err, wire.ErrMalformed) {
			return n.failChannel(fmt.Errorf("%w: %w", errProtocol, err))
		}
		if err != nil {
			return gone("peer", err)
		}
		answer, err := n.check(ctx, msg)
		if err != nil {
			return n.failChannel(err)
		}
		group.Go(func() error { return n.takeAnswer(ctx, answer) })
	}
}

// takeAnswer is step 5, and step 6 together with whoever waits for the result. The peer repeats
// what was not confirmed to every new life of the node, so that the same answer may come again;
// lnkeep answers Already then, and that is as good as Done.
func (n *node) takeAnswer(ctx context.Context, answer answer) error {
	lasting := context.WithoutCancel(ctx)
	outcome, err := again(ctx, func() (lnkeep.Outcome, error) {
		return n.steps.storeResult(lasting, lnkeep.DefaultKey(answer.id), answer.result)
	})
	switch {
	case errors.Is(err, lnkeep.ErrConflict):
		// Another result is final, such as a settle before a late failure. This one is of no
		// use to anybody.
		complain("store result", err)
	case err != nil && notApplied(err):
		// Not stored, so that the peer must keep it. It answers again after a reconnect.
		complain("store result", err)
		return nil
	case err != nil:
		return err
	case outcome.Conflict:
		// The client may have paid again. It hears of the settle; people should, too.
		complain("store result", fmt.Errorf("attempt %d settled after it was called failed", answer.id))
	}
	_, err = n.conclude(lasting, lnkeep.DefaultKey(answer.id), !outcome.Done)
	return err
}

// check reads an answer as BOLT 2 demands: of our channel, for an HTLC that we offered, and if
// it is a settle, with the preimage of that HTLC's hash. Of whoever skips the last check, money
// can be taken.
func (n *node) check(ctx context.Context, msg lnwire.Message) (answer, error) {
	switch msg := msg.(type) {
	case *lnwire.UpdateFulfillHTLC:
		if err := checkHead(msg.ChanID, msg.ExtraData); err != nil {
			return answer{}, err
		}
		if err := n.checkPreimage(ctx, msg.ID, msg.PaymentPreimage); err != nil {
			return answer{}, err
		}
		return answerOf(msg.ID, lnkeep.Settle(msg.PaymentPreimage), msg)
	case *lnwire.UpdateFailHTLC:
		if err := checkHead(msg.ChanID, msg.ExtraData); err != nil {
			return answer{}, err
		}
		if _, err := n.offered(ctx, msg.ID); err != nil {
			return answer{}, err
		}
		return answerOf(msg.ID, lnkeep.Fail(nil), msg)
	}
	return answer{}, fmt.Errorf("%w: a message of type %v", errProtocol, msg.MsgType())
}

// answerOf keeps the whole message with the result, as lnd does: the encrypted reason and the
// TLV records of a failure are for whoever can decrypt them.
func answerOf(id uint64, result lnkeep.Result, msg lnwire.Message) (answer, error) {
	body, err := wire.Encode(msg)
	result.Message = body
	return answer{id: id, result: result}, err
}

// checkHead refuses another channel, and TLV records of an even type: this node knows none of
// them, and BOLT 1 says that it is not ok to be even.
func checkHead(channel lnwire.ChannelID, extra lnwire.ExtraOpaqueData) error {
	if channel != wire.ChannelID() {
		return fmt.Errorf("%w: unknown channel %v", errProtocol, channel)
	}
	records, err := extra.ExtractRecords()
	if err != nil {
		return fmt.Errorf("%w: %w", errProtocol, err)
	}
	for record := range records {
		if record%2 == 0 {
			return fmt.Errorf("%w: unknown record of even type %d", errProtocol, record)
		}
	}
	return nil
}

// offered is the record of an HTLC that the peer answers. It has left, so that it is stored.
func (n *node) offered(ctx context.Context, id uint64) (lnkeep.Attempt, error) {
	attempt, err := again(ctx, func() (lnkeep.Attempt, error) {
		return n.attempts.Get(lnkeep.DefaultKey(id))
	})
	if errors.Is(err, lnkeep.ErrNotFound) {
		return lnkeep.Attempt{}, fmt.Errorf("%w: HTLC %d was never offered", errProtocol, id)
	}
	return attempt, err
}

func (n *node) checkPreimage(ctx context.Context, id uint64, preimage [32]byte) error {
	attempt, err := n.offered(ctx, id)
	if err != nil {
		return err
	}
	if attempt.PaymentHash == nil || sha256.Sum256(preimage[:]) != *attempt.PaymentHash {
		return fmt.Errorf("%w: HTLC %d: the preimage is not that of its hash", errProtocol, id)
	}
	return nil
}

// failChannel tells the peer why before this life ends.
func (n *node) failChannel(reason error) error {
	if !errors.Is(reason, errProtocol) {
		return reason
	}
	err := n.peer.Send(&lnwire.Error{
		ChanID: wire.ChannelID(), Data: lnwire.ErrorData(reason.Error()),
	})
	return errors.Join(reason, err)
}
