package lnkeep

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"time"
)

// EventKind is what happened.
type EventKind uint32

// The kinds of event. A later library may know more.
const (
	// EventAttemptInit: an attempt was registered.
	EventAttemptInit EventKind = 0
	// EventAttemptHandedOff: an attempt was marked as handed off.
	EventAttemptHandedOff EventKind = 1
	// EventAttemptResolved: an attempt got its final result.
	EventAttemptResolved EventKind = 2
	// EventAttemptConflict: a settle replaced a failure that had been reported.
	EventAttemptConflict EventKind = 3
	// EventAttemptDeleted: an attempt was deleted, or its record became a tombstone.
	EventAttemptDeleted EventKind = 4
	// EventAttemptCorrupt: an unreadable attempt was quarantined; its id stays burned.
	EventAttemptCorrupt EventKind = 5
	// EventPaymentInitiated: a payment was initiated, for the first time or again after it failed.
	EventPaymentInitiated EventKind = 6
	// EventPaymentAttemptRegistered: an attempt of a payment was registered.
	EventPaymentAttemptRegistered EventKind = 7
	// EventPaymentAttemptSettled: an attempt of a payment settled.
	EventPaymentAttemptSettled EventKind = 8
	// EventPaymentAttemptFailed: an attempt of a payment failed.
	EventPaymentAttemptFailed EventKind = 9
	// EventPaymentFailed: a payment was given up.
	EventPaymentFailed EventKind = 10
	// EventPaymentLateSettle: an attempt settled after its failure, or the payment's, had been reported; money
	// moved after all.
	EventPaymentLateSettle EventKind = 11
	// EventPaymentForced: the operator ended an attempt of a payment by force.
	EventPaymentForced EventKind = 12
	// EventPaymentDeleted: a payment was deleted.
	EventPaymentDeleted EventKind = 13
	// EventPaymentCorrupt: an unreadable payment was quarantined; its hash stays refused.
	EventPaymentCorrupt EventKind = 14
	// EventPeerBlobCorrupt: the blob that is kept for a peer is damaged, and is not returned.
	EventPeerBlobCorrupt EventKind = 15
	// EventPeerBlobRefused: a peer's blob was refused for a quota; told once per peer while peer storage is
	// open.
	EventPeerBlobRefused EventKind = 16
	// EventPeerBlobCollected: a peer's blob was removed, long enough after its last claim.
	EventPeerBlobCollected EventKind = 17
	// EventBackupStateLoss: a peer holds a newer state than this node, which lost its own.
	EventBackupStateLoss EventKind = 18
	// EventBackupUnreadable: a peer holds a blob that this node cannot read and did not send.
	EventBackupUnreadable EventKind = 19
	// EventBackupStrike: a peer lost, rolled back or damaged what it had confirmed.
	EventBackupStrike EventKind = 20
)

// EventTruncated is of this package alone and comes only through Events.Channel: unread events were cut
// because they exceeded the store's limits, and Sequence is the first one available.
const EventTruncated EventKind = 1<<32 - 1

// String is a name such as "attempt_resolved", or the number of a kind this version does not know.
func (k EventKind) String() string {
	if k == EventTruncated {
		return "truncated"
	}
	return named(uint32(k), "event kind", "attempt_init", "attempt_handed_off", "attempt_resolved",
		"attempt_conflict", "attempt_deleted", "attempt_corrupt", "payment_initiated",
		"payment_attempt_registered", "payment_attempt_settled", "payment_attempt_failed", "payment_failed",
		"payment_late_settle", "payment_forced", "payment_deleted", "payment_corrupt", "peer_blob_corrupt",
		"peer_blob_refused", "peer_blob_collected", "backup_state_loss", "backup_unreadable", "backup_strike")
}

// OfPayment reports whether the event is about a payment and not about an attempt's record.
func (k EventKind) OfPayment() bool { return k >= EventPaymentInitiated && k <= EventPaymentCorrupt }

// OfPeer reports whether the event is about a peer's blob, kept here or there.
func (k EventKind) OfPeer() bool { return k >= EventPeerBlobCorrupt && k <= EventBackupStrike }

// EventMask is a set of kinds of event.
type EventMask uint64

const (
	// DefaultEvents leaves the choice to the library, which leaves out what every attempt does.
	DefaultEvents EventMask = 0
	// NoEvents is the set without any kind.
	NoEvents EventMask = 1 << 63
)

// EventMaskOf is the set of these kinds. Numbers above 62 are left out.
func EventMaskOf(kinds ...EventKind) EventMask {
	mask := NoEvents
	for _, kind := range kinds {
		if kind < 63 {
			mask |= 1 << kind
		}
	}
	return mask
}

// Event is one change, as it was when its commit became durable. Zero numbers are unknown ones.
type Event struct {
	// Sequence is the number of the event: it rises by one and is never reused.
	Sequence uint64
	// Kind is what happened.
	Kind EventKind
	// State is that of the attempt's record after the event; 0 for an event of a payment or of a peer.
	State State
	// PaymentStatus is that of the payment after its event; 0 for any other event.
	PaymentStatus PaymentStatus
	// AttemptState is that of the payment's attempt after the event; 0 where it is about none.
	AttemptState PaymentAttemptState
	// FailureReason is why the payment was given up, 0 while it was not.
	FailureReason FailureReason
	// Terminal: the payment ended with this event. Told once, but that EventPaymentLateSettle may follow.
	Terminal bool
	// HadLateSettle: a settle of the payment came after a failure had been reported.
	HadLateSettle bool
	// FailureCode is the BOLT 4 failure code.
	FailureCode uint16
	// BlockHeight is what Tick last told.
	BlockHeight uint32
	// Time is what Tick last told, to the millisecond.
	Time time.Time
	// Subject is what it happened to, as stored: an attempt's namespace in the first 16 bytes, a payment's
	// hash, or a peer's id without its first byte.
	Subject [32]byte
	// Key is the attempt it happened to; zero for an event of a payment alone.
	Key Key
	// AmountMsat is the amount of the attempt, or of the payment where it is about no attempt, in
	// millisatoshi.
	AmountMsat uint64
	// RemainingMsat is the amount of the payment that no attempt covers, in millisatoshi.
	RemainingMsat uint64
	// FeesMsat are the fees of the payment's attempts that did not fail, in millisatoshi.
	FeesMsat uint64

	// peerPrefix is the first byte of the id of the peer it happened to.
	peerPrefix byte
}

// Peer is whose blob an event is about; zero for an event of an attempt or a payment.
func (e *Event) Peer() (peer NodeID) {
	if e.Kind.OfPeer() {
		peer[0] = e.peerPrefix
		copy(peer[1:], e.Subject[:])
	}
	return peer
}

// PaymentHash is that of the payment an event is about; zero for any other event.
func (e *Event) PaymentHash() PaymentHash {
	if !e.Kind.OfPayment() {
		return PaymentHash{}
	}
	return e.Subject
}

// EventsOptions are choices at the open of a cursor.
type EventsOptions struct {
	// FromNewest starts a new cursor after the newest event, instead of with the oldest one kept. It
	// says nothing about a cursor that is registered already.
	FromNewest bool
}

// Events is a named cursor on the events of a store. A registered cursor keeps its place over restarts
// and pins the events it has not acknowledged, up to the store's limits. What was taken and not
// acknowledged comes again after a reopen: deal with an event, then acknowledge it. All methods are safe
// for concurrent use; after Close they answer ErrClosed.
type Events struct {
	cursor *cursor
	alarm  runtime.Cleanup
}

// cursor is what the goroutine holds that feeds the channel.
type cursor struct {
	core   *core
	handle uint64
	bell   *doorbell
	once   sync.Once
	result error
	stop   chan struct{}

	mu      sync.Mutex
	closed  bool
	channel chan Event
	failure error
	stopped chan struct{}
}

const (
	// eventsTakenMax is how many events the library gives at once.
	eventsTakenMax = 1000
	// eventsPumped is how many the channel's goroutine takes at once.
	eventsPumped = 64
	// busyPause is how long that goroutine rests after ErrBusy.
	busyPause = 10 * time.Millisecond
)

// OpenEvents opens the cursor of a name of 1 to 32 bytes, registering it, durably, when it is new. nil
// options are the defaults. Close it, or the store.
//
// Errors: ErrInvalidArgument, also for a name that holds a NUL byte; ErrTooBig when 256 cursors exist;
// ErrNoSpace, ErrBusy, ErrUnknown, ErrClosed, ErrPoisoned.
func (s *Store) OpenEvents(name string, options *EventsOptions) (*Events, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return nil, invalid("open events", "the cursor's name holds a NUL byte")
	}
	fromNewest := options != nil && options.FromNewest
	var c *cursor
	err := s.core.child("open events", func() (err error) {
		c, err = s.core.openCursor(name, fromNewest)
		return err
	})
	if err != nil {
		return nil, err
	}
	e := &Events{cursor: c}
	e.alarm = setAlarm(e, s.core, 2, "Events", name)
	return e, nil
}

// openCursor is called with mu held.
func (c *core) openCursor(name string, fromNewest bool) (*cursor, error) {
	handle, err := cEventsOpen(c.handle, name, fromNewest)
	if err != nil {
		return nil, err
	}
	descriptor, err := cEventsDescriptor(handle)
	var bell *doorbell
	if err == nil {
		bell, err = newDoorbell("open events", descriptor)
	}
	if err != nil {
		_ = cEventsClose(handle)
		return nil, err
	}
	opened := &cursor{core: c, handle: handle, bell: bell, stop: make(chan struct{})}
	c.cursors[opened] = struct{}{}
	return opened, nil
}

// Close closes the channel and this cursor's handle; the cursor stays registered. Calling it again gives
// the same answer and does nothing else.
func (e *Events) Close() error {
	e.alarm.Stop()
	c := e.cursor.core
	c.mu.Lock()
	delete(c.cursors, e.cursor)
	c.mu.Unlock()
	return e.cursor.close()
}

func (c *cursor) close() error {
	c.once.Do(func() {
		c.mu.Lock()
		c.closed = true
		stopped := c.stopped
		c.mu.Unlock()
		close(c.stop)
		c.bell.close()
		if stopped != nil {
			<-stopped
		}
		c.result = cEventsClose(c.handle)
	})
	return c.result
}

// IsOpen reports whether the cursor is open; another goroutine may close it right after.
func (e *Events) IsOpen() bool {
	return e.cursor.refuse("events") == nil && cEventsIsOpen(e.cursor.handle)
}

func (c *cursor) refuse(op string) *Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.core.closed.Load() {
		return closed(op, "cursor")
	}
	return nil
}

// Channel gives the events, oldest first, as they become durable. The first call starts a goroutine,
// woken by the library's doorbell and holding no thread; later calls give the same channel. It is closed
// by Close, by the store's Close, and on an error, which Err then tells. After a gap it gives an event of
// kind EventTruncated. Do not call Take as well: the two would split the events.
func (e *Events) Channel() <-chan Event {
	c := e.cursor
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.channel == nil {
		c.channel = make(chan Event)
		if c.closed {
			close(c.channel)
			return c.channel
		}
		c.stopped = make(chan struct{})
		go c.pump()
	}
	return c.channel
}

// Err is why the channel was closed: nil while it is open, and after Close.
func (e *Events) Err() error {
	e.cursor.mu.Lock()
	defer e.cursor.mu.Unlock()
	return e.cursor.failure
}

// pump feeds the channel until the cursor is closed.
func (c *cursor) pump() {
	defer close(c.stopped)
	defer close(c.channel)
	for {
		var taken []Event
		var failure error
		err := c.bell.wait(func() bool {
			taken, failure = cEventsTake(c.handle, eventsPumped)
			return len(taken) > 0 || failure != nil
		})
		if err != nil {
			return
		}
		if failure != nil {
			taken, failure = c.survive(failure)
		}
		if failure != nil {
			c.mu.Lock()
			if !c.closed {
				c.failure = failure
			}
			c.mu.Unlock()
			return
		}
		for _, event := range taken {
			select {
			case c.channel <- event:
			case <-c.stop:
				return
			}
		}
	}
}

// survive turns a gap into an event and rests when the library is busy; other errors end the channel.
func (c *cursor) survive(failure error) ([]Event, error) {
	switch {
	case errors.Is(failure, ErrTruncated):
		first, err := cEventsFirstAvailable(c.handle)
		return []Event{{Kind: EventTruncated, Sequence: first}}, err
	case errors.Is(failure, ErrBusy):
		select {
		case <-time.After(busyPause):
		case <-c.stop:
		}
		return nil, nil
	}
	return nil, failure
}

// Take gives the next events, oldest first, at most n and at most 1,000; none when there are none. It
// never waits. Two takers of one cursor split its events.
//
// Errors: ErrTruncated once when unread events were cut, and the next call goes on with the first one
// available; ErrBusy, ErrClosed, ErrPoisoned; ErrInvalidArgument for a negative n.
func (e *Events) Take(n int) ([]Event, error) {
	if err := e.cursor.refuse("take"); err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, invalid("take", "the number of events is negative")
	}
	return cEventsTake(e.cursor.handle, n)
}

// Ack records durably that everything up to a sequence number was dealt with, so that it need not be
// kept for this cursor. Already for a number acknowledged before. The context is that of Attempts.
//
// Errors: ErrNotFound when the cursor was unregistered; ErrInvalidArgument for a number not given yet;
// ErrCanceled, ErrBusy, ErrNoSpace, ErrUnknown, ErrClosed, ErrPoisoned.
func (e *Events) Ack(ctx context.Context, sequence uint64) (Outcome, error) {
	if err := e.cursor.refuse("ack event"); err != nil {
		return failed(err), err
	}
	var outcome Outcome
	err := e.cursor.core.turn(ctx, "ack event", func() (err error) {
		outcome, err = cEventsAck(e.cursor.handle, sequence)
		return err
	})
	if err != nil {
		return failed(err), err
	}
	return outcome, nil
}

// Unregister removes the cursor from the store, durably, so that it pins no events. Close it afterwards.
//
// Errors: ErrNotFound when it is not registered; ErrCanceled, ErrBusy, ErrNoSpace, ErrUnknown,
// ErrClosed, ErrPoisoned.
func (e *Events) Unregister(ctx context.Context) error {
	if err := e.cursor.refuse("unregister"); err != nil {
		return err
	}
	return e.cursor.core.turn(ctx, "unregister", func() error { return cEventsUnregister(e.cursor.handle) })
}

// FirstAvailable is the number of the oldest event kept; one above the newest when none is kept.
// Errors: ErrBusy, ErrClosed, ErrPoisoned.
func (e *Events) FirstAvailable() (uint64, error) {
	if err := e.cursor.refuse("first available"); err != nil {
		return 0, err
	}
	return cEventsFirstAvailable(e.cursor.handle)
}
