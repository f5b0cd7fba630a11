// Package forward is about HTLCs of others: what the neighbours ask of the node, and what it tells
// them.
//
// They come and go through channels of their own, whose commitments are not acted out here: an HTLC
// that is offered is committed on its incoming channel, and one that the node forwards is committed
// on its outgoing channel when the message has left the node. lnd's switch is the place of the real
// question: interceptable_switch.go, before an HTLC goes to its outgoing link.
package forward

import (
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// Channels is how many channels the node forwards between; BlockHeight stands for the chain.
const (
	Channels    = 6
	BlockHeight = 900_000
)

// Options are the node's: an hour is 3.6 seconds in this demo. A node keeps the default of two
// weeks; here nobody would earn a reputation before the demo ends.
var Options = lnkeep.ResourcesOptions{RevenueWindow: time.Hour}

// Limits are what the two ends of each channel agreed on: some have little room, and the last one
// too little to be divided.
var Limits = [Channels]lnkeep.ChannelLimits{
	{MaxInFlightMsat: 2_000_000_000, MaxAcceptedHTLCs: 483},
	{MaxInFlightMsat: 400_000_000, MaxAcceptedHTLCs: 60},
	{MaxInFlightMsat: 200_000_000, MaxAcceptedHTLCs: 30},
	{MaxInFlightMsat: 200_000_000, MaxAcceptedHTLCs: 25},
	{MaxInFlightMsat: 150_000_000, MaxAcceptedHTLCs: 20},
	{MaxInFlightMsat: 100_000_000, MaxAcceptedHTLCs: 8},
}

// Channel is the short channel id of one of them.
func Channel(i int) lnkeep.ShortChannelID {
	return lnkeep.ShortChannelID((850_000+uint64(i))<<40 | 7<<16 | 1)
}

// HTLC is update_add_htlc of the incoming channel, and where its onion wants it to go.
type HTLC struct {
	Incoming, Outgoing                     lnkeep.ShortChannelID
	ID                                     uint64
	IncomingAmountMsat, OutgoingAmountMsat uint64
	// AddedUnixSecs is when the node was asked to forward it.
	AddedUnixSecs uint64
	CLTVExpiry    uint32
	// Accountable is the signal: as it came in, or, of an HTLC that is out, as it went out.
	Accountable bool
}

// OrderKind is what the neighbours want.
type OrderKind uint8

// The kinds of order.
const (
	// OrderHeld comes first after every reconnect: Held are the HTLCs that are out, as
	// channel_reestablish tells.
	OrderHeld OrderKind = iota + 1
	// OrderOffer: forward HTLC.
	OrderOffer
	// OrderAnswer: HTLC, which the node forwarded, was settled or failed.
	OrderAnswer
)

// Order is what the neighbours tell the node.
type Order struct {
	Kind OrderKind
	// UnixSecs is the time of now.
	UnixSecs uint64
	HTLC     HTLC
	Settled  bool
	Held     []HTLC
}

// ReportKind is what a report says.
type ReportKind uint8

// The kinds of report.
const (
	// ReportOpened: State is what the node found on its disk.
	ReportOpened ReportKind = iota + 1
	// ReportChannel: a channel takes part.
	ReportChannel
	// ReportReconciled: with the HTLCs that are out.
	ReportReconciled
	// ReportDecided: an offer leaves through its outgoing channel, or fails.
	ReportDecided
	// ReportReleased: an answer leaves through the incoming channel. No State.
	ReportReleased
	// ReportResolved: the answer counts.
	ReportResolved
)

// Report is what the node tells, with the state of its resources right after the call.
type Report struct {
	Kind ReportKind
	// Status is what lnkeep answered.
	Status      lnkeep.Status
	Verdict     lnkeep.Verdict
	Bucket      lnkeep.Bucket
	Accountable bool
	// Durable: lnkeep answered when this, and everything before it, was on disk.
	Durable    bool
	Channel    lnkeep.ShortChannelID
	HTLCID     uint64
	Reconciled lnkeep.Reconciled
	State      State
}
