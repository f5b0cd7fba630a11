// Package world is everything around the node: the client that wants payments made, the peer
// that answers HTLCs, and the supervisor that kills the node and starts it again. It outlives
// every node, sees what each acknowledged and what left it, and in the end compares that with
// the store.
package world

// entry is one attempt as the world outside saw it. No kill touches it.
type entry struct {
	// dispatched is how often its HTLC reached the network.
	dispatched int
	// initAcknowledged: the node said that it is registered.
	initAcknowledged bool
	// resultTold: the node said that its result is durable: settled or not, and whether it
	// failed in the node itself, so that its HTLC did not leave.
	resultTold, settled, local bool
	// booked: an event told the result, settled or not.
	booked, bookedSettled bool
	// givenAgain: the order was repeated to another life of the node.
	givenAgain bool
	// heldOverDeath: the network held its HTLC while no node was alive.
	heldOverDeath bool
	// lost: something acknowledged was gone or had changed.
	lost bool
	// stored: the store has a record; set when both are compared.
	stored bool
}

// ledger holds the attempts. Ids begin with 1 and rise by one.
type ledger struct {
	entries []entry
	// events is which attempt the event of a sequence number was about.
	events map[uint64]uint64
	// foreign counts ids that nobody ordered and that appeared all the same.
	foreign int
	// eventsChanged counts sequence numbers that came again with another event.
	eventsChanged int
}

// add is the id of a new attempt.
func (l *ledger) add() uint64 {
	l.entries = append(l.entries, entry{})
	return uint64(len(l.entries))
}

// find is nil for an id that was never ordered, which is counted.
func (l *ledger) find(id uint64) *entry {
	if id == 0 || id > uint64(len(l.entries)) {
		l.foreign++
		return nil
	}
	return &l.entries[id-1]
}

// book notes an event about a result. It may come twice, but not as another one.
func (l *ledger) book(sequence, id uint64, settled bool) {
	known, again := l.events[sequence]
	if again && known != id {
		l.eventsChanged++
	}
	l.events[sequence] = id
	if entry := l.find(id); entry != nil {
		entry.booked, entry.bookedSettled = true, settled
	}
}
