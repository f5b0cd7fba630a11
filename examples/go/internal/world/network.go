package world

import (
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
)

const (
	// hopsMax and answerMax are the longest times to the receiver and back. A real network takes a
	// second; the demo has half a minute.
	hopsMax   = 10 * time.Millisecond
	answerMax = 5 * time.Millisecond
	// One HTLC of slowEvery meets a slow hop, so that its answer comes to another life.
	slowEvery = 16
	slow      = 150 * time.Millisecond
	// failsOfTen: of 10 HTLCs this many fail on their way, and another route might do.
	failsOfTen  = 1
	blockHeight = 900_000
)

// network is the peer at the other end of the channel, with the routes behind it; the receivers
// are in receiver.go. It counts how often each HTLC left the node, holds HTLCs and their answers
// over the node's death, and answers again after a reconnect until the node says that the result
// is stored.
type network struct {
	ledger  *ledger
	secrets secrets
	chance  *rand.Rand
	held    map[uint64]*htlc
	// number is the highest commitment that left the node, in all lives, and reused counts those
	// that came under a number that another one had.
	number uint64
	reused int
	// messages counts what lnwire encoded or decoded; malformed what broke the protocol.
	messages, malformed int
}

// place is where an HTLC is.
type place int

const (
	onTheWay place = iota
	// atReceiver: it waits for the other parts.
	atReceiver
	// answered: the answer is back at the peer.
	answered
)

type htlc struct {
	attempt *attempt
	place   place
	// due is when it moves on from there.
	due time.Time
	// told: its answer, to the node that lives now.
	told bool
}

func newNetwork(ledger *ledger, secrets secrets, chance *rand.Rand) *network {
	return &network{ledger: ledger, secrets: secrets, chance: chance, held: map[uint64]*htlc{}}
}

func (n *network) within(longest time.Duration) time.Time {
	return time.Now().Add(time.Duration(n.chance.Int64N(int64(longest))))
}

// take takes a message of the node.
func (n *network) take(msg lnwire.Message) {
	n.messages++
	if add, ok := msg.(*lnwire.UpdateAddHTLC); ok {
		n.takeAdd(add)
		return
	}
	if signed, ok := msg.(*lnwire.CommitSig); ok {
		n.takeNumber(wire.CommitmentNumber(signed), true)
		return
	}
	if id, number, err := wire.ParseForget(msg); err == nil {
		n.takeNumber(number, false)
		n.takeForget(id)
		return
	}
	n.complain("sent %v: %v", msg.MsgType(), msg)
}

// takeNumber: numbers rise. One that comes again for another commitment would be the end of the
// channel; the newest may be told again when it takes nothing new along.
func (n *network) takeNumber(number uint64, isNew bool) {
	if number < n.number || isNew && number == n.number {
		n.reused++
	}
	n.number = max(n.number, number)
}

func (n *network) complain(format string, arguments ...any) {
	n.malformed++
	fmt.Fprintf(os.Stderr, "network: the node "+format+"\n", arguments...)
}

// takeAdd counts what left the node, wherever it goes.
func (n *network) takeAdd(add *lnwire.UpdateAddHTLC) {
	payload, err := wire.ParsePayload(add.OnionBlob[:])
	if err != nil || uint64(add.Amount) < payload.AmountMsat || add.ChanID != wire.ChannelID() {
		n.complain("sent HTLC %d with a payload of %d msat: %v", add.ID, payload.AmountMsat, err)
		return
	}
	if known := n.ledger.attempts[add.ID]; known != nil {
		known.dispatched++
		return
	}
	invoice := n.ledger.hashed(add.PaymentHash)
	if invoice == nil {
		return
	}
	a := &attempt{id: add.ID, invoice: invoice, payload: payload, dispatched: 1}
	n.ledger.attempts[add.ID] = a
	invoice.outMsat += payload.AmountMsat
	if invoice.outMsat > invoice.order.Invoice.AmountMsat {
		invoice.oversent = true
	}
	due := n.within(hopsMax)
	if n.chance.IntN(slowEvery) == 0 {
		due = due.Add(slow)
	}
	n.held[add.ID] = &htlc{attempt: a, due: due}
}

func (n *network) takeForget(id uint64) {
	htlc := n.held[id]
	switch {
	case htlc == nil: // forgotten before: the confirmation of an answer that came twice
	case htlc.place != answered:
		n.complain("confirmed the answer to HTLC %d, which has none", id)
	default:
		htlc.attempt.confirmed = true
		delete(n.held, id)
	}
}

// decide ends an attempt; 0 settles it.
func (n *network) decide(htlc *htlc, failure lnwire.FailCode) {
	htlc.attempt.answered, htlc.attempt.failure = true, failure
	if failure != 0 {
		htlc.attempt.invoice.outMsat -= htlc.attempt.payload.AmountMsat
	}
	htlc.place, htlc.due = answered, n.within(answerMax)
}

// moveOn moves what is due, and sends answers. It stops when send refuses one.
func (n *network) moveOn(send func(lnwire.Message) bool) error {
	now := time.Now()
	for _, htlc := range n.held {
		if htlc.told || htlc.due.After(now) {
			continue
		}
		switch htlc.place {
		case onTheWay:
			n.arrive(htlc)
		case atReceiver:
			n.decide(htlc, lnwire.CodeMPPTimeout)
		case answered:
			msg, err := n.secrets.answer(htlc.attempt)
			if err != nil || !send(msg) {
				return err
			}
			htlc.told = true
			n.messages++
		}
	}
	return nil
}

func (n *network) arrive(htlc *htlc) {
	if n.chance.IntN(10) < failsOfTen {
		n.decide(htlc, lnwire.CodeTemporaryChannelFailure)
		return
	}
	n.receive(htlc)
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
	for _, htlc := range n.held {
		htlc.attempt.heldOverDeath = true
		if htlc.told {
			htlc.told, htlc.due = false, n.within(answerMax)
		}
	}
}
