package lnkeep

// ResourceChannel is one channel of the resources.
type ResourceChannel struct {
	// ID is which channel.
	ID ShortChannelID
	// Limits are its limits.
	Limits ChannelLimits
	// Allocation is how they are divided.
	Allocation Allocation
	// ReputationMsat is its reputation as outgoing, as of ReputationUpdatedUnixSecs.
	ReputationMsat int64
	// ReputationUpdatedUnixSecs is when it changed last.
	ReputationUpdatedUnixSecs uint64
	// ReputationNowMsat is its reputation as of the time asked for.
	ReputationNowMsat int64
	// RevenueTotalMsat is all its revenue as incoming, as of RevenueUpdatedUnixSecs.
	RevenueTotalMsat int64
	// RevenueUpdatedUnixSecs is when it changed last.
	RevenueUpdatedUnixSecs uint64
	// RevenueStartUnixSecs is from when on it was counted.
	RevenueStartUnixSecs uint64
	// RevenueNowMsat is its revenue of one window as of the time asked for: the threshold of HTLCs that come
	// in through it.
	RevenueNowMsat int64
	// InFlightRiskMsat is the risk of what is in flight out through it.
	InFlightRiskMsat uint64
	// CongestionUsedMsat is the liquidity in use of the congestion bucket.
	CongestionUsedMsat uint64
	// ProtectedUsedMsat is the liquidity in use of the protected bucket.
	ProtectedUsedMsat uint64
	// CongestionSlotsUsed counts slots in use of the congestion bucket.
	CongestionSlotsUsed uint32
	// ProtectedSlotsUsed counts slots in use of the protected bucket.
	ProtectedSlotsUsed uint32
	// GeneralSlotsUsed counts general slots in use.
	GeneralSlotsUsed uint32
	// PendingOutgoing counts HTLCs pending out through it.
	PendingOutgoing uint32
	// PendingIncoming counts HTLCs pending that came in through it.
	PendingIncoming uint32
	// OutgoingInCongestion counts HTLCs out through it that sit in a congestion bucket.
	OutgoingInCongestion uint32
	// Closing: it waits for its last HTLC.
	Closing bool
}

// PendingHTLC is an HTLC that was forwarded and is not resolved.
type PendingHTLC struct {
	// Incoming is the channel it arrived on.
	Incoming ShortChannelID
	// Outgoing is the channel it went out through.
	Outgoing ShortChannelID
	// HTLCID is its id on the incoming channel.
	HTLCID uint64
	// IncomingAmountMsat is its amount on the incoming channel.
	IncomingAmountMsat uint64
	// FeeMsat is the fee that it pays.
	FeeMsat uint64
	// AddedUnixSecs is when it was added.
	AddedUnixSecs uint64
	// RiskMsat is what it would cost if it were held to its end.
	RiskMsat uint64
	// Bucket is what it uses.
	Bucket Bucket
	// GeneralSlots is how many general slots it takes.
	GeneralSlots uint32
	// Accountable: it went out accountable.
	Accountable bool
	// WouldFail: it would have been failed without ResourcesOptions.OnlyWatch.
	WouldFail bool
}

// ResourcePair is the general slots that one incoming channel lends to one outgoing channel.
type ResourcePair struct {
	// Incoming is whose slots they are.
	Incoming ShortChannelID
	// Outgoing is who uses them.
	Outgoing ShortChannelID
	// Slots are slot numbers in the order of their generation.
	Slots []uint16
	// Used are those of them that are in use, in the same order.
	Used []uint16
}

// ResourceMark marks an outgoing channel that held an HTLC in a congestion bucket for too long.
type ResourceMark struct {
	// Incoming is whose congestion bucket it was.
	Incoming ShortChannelID
	// Outgoing is who misused it.
	Outgoing ShortChannelID
	// MisusedUnixSecs is when it did last.
	MisusedUnixSecs uint64
}

// ResourcesSnapshot is everything that the resources know, each list in the order of its ids, incoming
// before outgoing.
type ResourcesSnapshot struct {
	// Channels are all channels.
	Channels []ResourceChannel
	// Pending are all pending HTLCs.
	Pending []PendingHTLC
	// Pairs are those that use general slots; with ResourcesOptions.Compat every pair that was ever looked
	// at.
	Pairs []ResourcePair
	// Marks are all marks of misuse.
	Marks []ResourceMark
}

// ResourcesStats are figures of resources since their open.
type ResourcesStats struct {
	// Forwarded counts HTLCs forwarded.
	Forwarded uint64
	// Failed counts HTLCs failed.
	Failed uint64
	// WouldFail counts HTLCs forwarded although they would have been failed.
	WouldFail uint64
	// Repeated counts calls that repeated an earlier one.
	Repeated uint64
	// Resolved counts HTLCs resolved.
	Resolved uint64
	// ClockClamped counts calls whose time was earlier than that of a call before them.
	ClockClamped uint64
	// JournalWaiting counts journal entries that wait to be written.
	JournalWaiting uint64
	// JournalNext is the number of the next journal entry.
	JournalNext uint64
	// JournalDurableBelow: journal entries below this number are durable.
	JournalDurableBelow uint64
}
