package world

import (
	"math/rand/v2"
	"time"

	"github.com/lnkeep/lnkeep/examples/go/internal/forward"
	"github.com/lnkeep/lnkeep/go-bindings"
)

const (
	// heldMax HTLCs are at the neighbours at most, and queuedMax orders at the node.
	heldMax   = 48
	queuedMax = 32
	// A millisecond here is a second there: else no HTLC would be held for long, and nobody would
	// earn a reputation, within half a minute.
	demoSecond      = time.Millisecond
	unixSecsAtBegin = 1_760_000_000
	// Most HTLCs end within seconds; one of heldEvery is held, and on one channel half of them are.
	endMax      = 12 * time.Millisecond
	heldEvery   = 20
	heldFor     = 150 * time.Millisecond
	slowChannel = 4
	// offerEvery is as long, because the node's main work is to pay.
	offerEvery = 1500 * time.Microsecond
	// Of 10 HTLCs that are out, so many fail; one of so many is replayed meanwhile, and more of them
	// after a death.
	outFailsOfTen         = 2
	replayEvery           = 16
	replayAfterDeathEvery = 4
	accountableEvery      = 8
	amountMaxMsat         = 16_000_000
	blocksMin             = 40
	blocksMax             = 140
)

// neighbours are the channels that bring HTLCs for others to the node and take them on. They outlive
// it, know which HTLCs are out, and replay what a dead node had not answered. What the node tells is
// in neighbours_told.go.
type neighbours struct {
	chance *rand.Rand
	began  time.Time
	held   []*transit
	ids    [forward.Channels]uint64
	// lastOffer is when an HTLC was offered that had not been before.
	lastOffer time.Time
	// queue is what the node that lives now was given and has not answered; it takes that in this
	// order. Before reconciled it answers nothing else.
	queue      []forward.Order
	reconciled bool
	// states since the newest durable one, which is the first.
	states []forward.State
	// known are the channels of which the node said that they are durable.
	known [forward.Channels]bool

	forwarded, refused, accountable, heldOverDeath, repeats int
	buckets                                                 map[lnkeep.Bucket]int
	// forgotten are calls that a kill took along, none of them durable; added and dropped are what
	// Reconcile did.
	forgotten, added, dropped int

	// What must be 0. decidedTwice: an HTLC that is out was decided about again. otherwise: a repeat
	// with another verdict or signal. mismatched: what is pending is not what is out. leaked:
	// something is in use though nothing is out. lost: durable, and gone. neverThere: a restart found
	// a state that there never was.
	decidedTwice, otherwise, mismatched, leaked, lost, neverThere int
	// unexpected answers fit nothing.
	unexpected int
}

// transit is an HTLC on its way through the node.
type transit struct {
	forward.HTLC
	// out: it left through its outgoing channel, with this signal.
	out, outAccountable bool
	// given: the offer, to the node that lives now; told: the answer. replay: the offer of an HTLC
	// that is out comes again in this life.
	given, told, replay bool
	settled             bool
	// due is when the outgoing channel answers.
	due time.Time
}

func newNeighbours(chance *rand.Rand) *neighbours {
	return &neighbours{chance: chance, began: time.Now(), buckets: map[lnkeep.Bucket]int{}}
}

func (n *neighbours) oneOf(number int) bool { return n.chance.IntN(number) == 0 }

func (n *neighbours) unixSecs() uint64 {
	return unixSecsAtBegin + uint64(time.Since(n.began)/demoSecond)
}

// leave: the HTLC left through its outgoing channel.
func (n *neighbours) leave(t *transit, accountable bool) {
	t.out, t.outAccountable = true, accountable
	t.due = time.Now().Add(time.Duration(n.chance.Int64N(int64(endMax))))
	every := heldEvery
	if t.Outgoing == forward.Channel(slowChannel) {
		every = 2
	}
	if n.oneOf(every) {
		t.due = t.due.Add(heldFor)
	}
	t.settled = n.chance.IntN(10) >= outFailsOfTen
	t.replay = n.oneOf(replayEvery)
}

// feeMsat: some pay what our policy asks for, some more, some nothing.
func (n *neighbours) feeMsat(amountMsat uint64) uint64 {
	policyMsat := 1000 + amountMsat/1000
	switch n.chance.IntN(16) {
	case 0:
		return 0
	case 1:
		return 4 * policyMsat
	}
	return policyMsat
}

func (n *neighbours) newOffer() *transit {
	incoming := n.chance.IntN(forward.Channels)
	outgoing := (incoming + 1 + n.chance.IntN(forward.Channels-1)) % forward.Channels
	amountMsat := 1 + n.chance.Uint64N(amountMaxMsat)
	n.ids[incoming]++
	return &transit{HTLC: forward.HTLC{
		Incoming: forward.Channel(incoming), Outgoing: forward.Channel(outgoing),
		ID: n.ids[incoming], IncomingAmountMsat: amountMsat + n.feeMsat(amountMsat),
		OutgoingAmountMsat: amountMsat,
		CLTVExpiry:         forward.BlockHeight + blocksMin + n.chance.Uint32N(blocksMax-blocksMin),
		Accountable:        n.oneOf(accountableEvery),
	}}
}

// give gives the node what is due, and new offers while not closing. It stops when the node has
// enough to do.
func (n *neighbours) give(send func(forward.Order) bool, closing bool) {
	if !closing && len(n.held) < heldMax && time.Since(n.lastOffer) >= offerEvery {
		n.lastOffer = time.Now()
		n.held = append(n.held, n.newOffer())
	}
	for _, t := range n.held {
		if !n.giveDue(send, t) {
			return
		}
	}
}

// giveDue: a replay goes before the answer, never behind it.
func (n *neighbours) giveDue(send func(forward.Order) bool, t *transit) bool {
	switch {
	case !t.out && !t.given:
		t.AddedUnixSecs = n.unixSecs()
		t.given = n.order(send, t, forward.OrderOffer)
		return t.given
	case t.out && t.replay && !t.told:
		t.replay = !n.order(send, t, forward.OrderOffer)
		return !t.replay
	case t.out && !t.told && !t.due.After(time.Now()):
		t.told = n.order(send, t, forward.OrderAnswer)
		return t.told
	}
	return true
}

func (n *neighbours) order(send func(forward.Order) bool, t *transit, kind forward.OrderKind) bool {
	order := forward.Order{Kind: kind, UnixSecs: n.unixSecs(), HTLC: t.HTLC, Settled: t.settled}
	if len(n.queue) == queuedMax || !send(order) {
		return false
	}
	n.queue = append(n.queue, order)
	return true
}

// reconnect is what a restarted node must know; all else comes again.
func (n *neighbours) reconnect() forward.Order {
	n.queue, n.reconciled = nil, false
	order := forward.Order{Kind: forward.OrderHeld, UnixSecs: n.unixSecs()}
	for _, t := range n.held {
		if t.out {
			htlc := t.HTLC
			htlc.Accountable = t.outAccountable
			order.Held = append(order.Held, htlc)
		}
	}
	return order
}

func (n *neighbours) nodeDied() {
	for _, t := range n.held {
		t.given, t.told = false, false
		t.replay = t.out && n.oneOf(replayAfterDeathEvery)
		count(&n.heldOverDeath, t.out)
	}
}
