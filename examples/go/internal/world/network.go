package world

import (
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
)

// answerMax is the longest time to an answer. A real network takes a second; the demo has half
// a minute.
const answerMax = 20 * time.Millisecond

// network is the peer at the other end of the channel. It counts how often each HTLC left the
// node, holds HTLCs and their answers over the node's death, and answers again after a
// reconnect until the node says that the result is stored.
type network struct {
	ledger  *ledger
	secrets secrets
	chance  *rand.Rand
	held    map[uint64]*htlc
	// messages counts what lnwire encoded or decoded; malformed what broke the protocol.
	messages, malformed int
}

type htlc struct {
	due time.Time
	// answered: to the node that lives now.
	answered bool
}

func newNetwork(ledger *ledger, secrets secrets, chance *rand.Rand) *network {
	return &network{ledger: ledger, secrets: secrets, chance: chance, held: map[uint64]*htlc{}}
}

func (n *network) due() time.Time {
	return time.Now().Add(time.Duration(n.chance.Int64N(int64(answerMax))))
}

// take takes a message of the node.
func (n *network) take(msg lnwire.Message) {
	n.messages++
	if add, ok := msg.(*lnwire.UpdateAddHTLC); ok {
		n.takeAdd(add)
		return
	}
	if id, err := wire.ParseForget(msg); err == nil {
		delete(n.held, id)
		return
	}
	n.malformed++
	fmt.Fprintf(os.Stderr, "network: the node sent %v: %v\n", msg.MsgType(), msg)
}

func (n *network) takeAdd(add *lnwire.UpdateAddHTLC) {
	entry := n.ledger.find(add.ID)
	if entry == nil {
		return
	}
	entry.dispatched++
	right := add.ChanID == wire.ChannelID() && uint64(add.Amount) == amountMsat(add.ID) &&
		add.Expiry == cltvExpiry && add.PaymentHash == n.secrets.paymentHash(add.ID)
	if !right {
		n.malformed++
	}
	if n.held[add.ID] == nil {
		n.held[add.ID] = &htlc{due: n.due()}
	}
}

// answer sends the answers that are due. It stops when send refuses one.
func (n *network) answer(send func(lnwire.Message) bool) error {
	now := time.Now()
	for id, htlc := range n.held {
		if htlc.answered || htlc.due.After(now) {
			continue
		}
		msg, err := n.secrets.answer(id)
		if err != nil {
			return err
		}
		if !send(msg) {
			return nil
		}
		htlc.answered = true
		n.messages++
	}
	return nil
}

// heldIDs is what a restarted node must know; the answers come again.
func (n *network) heldIDs() []uint64 {
	ids := make([]uint64, 0, len(n.held))
	for id := range n.held {
		ids = append(ids, id)
	}
	return ids
}

func (n *network) nodeDied() {
	for id, htlc := range n.held {
		htlc.answered = false
		htlc.due = n.due()
		if entry := n.ledger.find(id); entry != nil {
			entry.heldOverDeath = true
		}
	}
}
