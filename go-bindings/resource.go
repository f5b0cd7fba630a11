package lnkeep

import (
	"fmt"
	"strconv"
	"time"
)

// ShortChannelID is the short channel id of a channel (BOLT 7), or whatever number the host gives it.
type ShortChannelID uint64

// String is block, transaction and output of the id, such as "850000x12x1".
func (c ShortChannelID) String() string {
	return strconv.FormatUint(uint64(c>>40), 10) + "x" + strconv.FormatUint(uint64(c>>16&0xff_ffff), 10) + "x" +
		strconv.FormatUint(uint64(c&0xffff), 10)
}

// ResourcesOptions are choices at the open of resources. Zero everywhere is the safe choice. They hold until
// the last Resources of the store is closed: opening with others before that is ErrAlreadyOpen. The numbers
// that decisions depend on are recorded; opened with others, every channel is divided anew and keeps its
// HTLCs.
type ResourcesOptions struct {
	// Compat repeats the reference's rules to the last bit, its defects included; recorded in the store.
	Compat bool
	// Convert accepts a store whose resources have the other mode, and changes it.
	Convert bool
	// OnlyWatch forwards what would be failed, and says so (Decision.WouldFail): to see first what would
	// happen.
	OnlyWatch bool
	// WithoutJournal keeps nothing on disk: what happens is lost at close. For simulations and measurements.
	WithoutJournal bool
	// NoSpillOver: one HTLC never uses several buckets.
	NoSpillOver bool
	// ZerosCount: GeneralPercent, CongestionPercent and DefaultFee* are meant as they are, also when they
	// are 0.
	ZerosCount bool
	// GeneralPercent of a channel is what anybody may use; 0 means 40.
	GeneralPercent uint32
	// CongestionPercent is kept for those without reputation when the general bucket is full; 0 means 20.
	CongestionPercent uint32
	// ReputationMultiplier is over how many revenue windows reputation is earned; 0 means 12.
	ReputationMultiplier uint32
	// DefaultFeePPM is how many millionths of the amount come on top of DefaultFeeBaseMsat; 0 means 1.
	DefaultFeePPM uint32
	// DefaultFeeBaseMsat is the base of the fee that an HTLC's delay is charged with at least; 0 means 1,000.
	DefaultFeeBaseMsat uint64
	// ResolutionPeriod is within what time an HTLC should resolve, in whole seconds rounded up; 0 means 90
	// seconds.
	ResolutionPeriod time.Duration
	// RevenueWindow is the window whose revenue is the threshold, in whole seconds rounded up; 0 means two
	// weeks.
	RevenueWindow time.Duration
	// JournalEntriesMax is how many calls may wait for the disk, rounded up to a power of two; 0 means
	// 65,536. Each takes 64 bytes.
	JournalEntriesMax uint32
	// DecisionsKept is how many decisions are kept for Resources.Decisions; 0 keeps none.
	DecisionsKept uint32
	// Entropy is what the salt of a new store is made from, for tests; nil for real randomness.
	Entropy *Secret
}

func (o *ResourcesOptions) check() *Error {
	if o.ResolutionPeriod < 0 || o.RevenueWindow < 0 {
		return invalid("open resources", "a duration is negative")
	}
	return nil
}

// plainResourcesOptions has no methods, so that fmt writes its fields.
type plainResourcesOptions ResourcesOptions

// Format writes the fields, the entropy redacted, whatever the verb.
func (o ResourcesOptions) Format(state fmt.State, verb rune) {
	formatPlain(state, verb, plainResourcesOptions(o))
}

// ResourcesReport is what the open of resources found.
type ResourcesReport struct {
	// Channels counts channels.
	Channels uint64
	// Pending counts HTLCs that were pending: give Reconcile those that the node still has.
	Pending uint64
	// Replayed counts journal entries that were newer than their channels' rows.
	Replayed uint64
	// Damaged counts rows that cannot be read: their channels are not known and have to be added again.
	Damaged uint64
	// DividedAnew: the settings were others before, and channels were divided anew.
	DividedAnew bool
}

// ChannelLimits are what a channel's two ends agreed on for HTLCs that come in through it (BOLT 2
// open_channel).
type ChannelLimits struct {
	// MaxInFlightMsat is max_htlc_value_in_flight_msat.
	MaxInFlightMsat uint64
	// MaxAcceptedHTLCs is max_accepted_htlcs, 1 to 483.
	MaxAcceptedHTLCs uint32
}

// Allocation is how the limits of a channel are divided.
type Allocation struct {
	// GeneralLiquidityMsat is the liquidity of the general bucket.
	GeneralLiquidityMsat uint64
	// SlotMsat is what one general slot carries.
	SlotMsat uint64
	// CongestionLiquidityMsat is the liquidity of the congestion bucket.
	CongestionLiquidityMsat uint64
	// ProtectedLiquidityMsat is the liquidity of the protected bucket.
	ProtectedLiquidityMsat uint64
	// GeneralSlots counts the slots of the general bucket.
	GeneralSlots uint32
	// PairSlots is how many general slots one outgoing channel may use.
	PairSlots uint32
	// CongestionSlots counts the slots of the congestion bucket.
	CongestionSlots uint32
	// ProtectedSlots counts the slots of the protected bucket.
	ProtectedSlots uint32
}

// Removal is what became of a channel that was removed.
type Removal uint32

// The ends of a removal.
const (
	// RemovalRemoved: the channel is forgotten.
	RemovalRemoved Removal = 1
	// RemovalClosing: it is kept until its last HTLC resolves, in either direction, and takes no new one.
	RemovalClosing Removal = 2
)

// String is "removed" or "closing", or the number of one this version does not know.
func (r Removal) String() string { return named(uint32(r), "removal", "", "removed", "closing") }

// Upgrade is what the onion says about upgrade_accountability.
type Upgrade uint32

// What an onion may say.
const (
	// UpgradeUnknown: the host does not look.
	UpgradeUnknown Upgrade = 0
	// UpgradePresent: the onion says upgrade_accountability.
	UpgradePresent Upgrade = 1
	// UpgradeAbsent: the onion does not say it.
	UpgradeAbsent Upgrade = 2
)

// String is "unknown", "present" or "absent", or the number of one this version does not know.
func (u Upgrade) String() string {
	return named(uint32(u), "upgrade", "unknown", "present", "absent")
}

// HTLCRequest is an HTLC that may be forwarded.
type HTLCRequest struct {
	// Incoming is the channel it arrived on.
	Incoming ShortChannelID
	// Outgoing is the channel it would go out through.
	Outgoing ShortChannelID
	// HTLCID is its id on the incoming channel (BOLT 2 update_add_htlc).
	HTLCID uint64
	// IncomingAmountMsat is its amount on the incoming channel.
	IncomingAmountMsat uint64
	// OutgoingAmountMsat is its amount on the outgoing channel.
	OutgoingAmountMsat uint64
	// UnixSecs is the time of now, as time.Now().Unix() tells it.
	UnixSecs uint64
	// IncomingCLTVExpiry is the block height at which it expires on the incoming channel.
	IncomingCLTVExpiry uint32
	// BlockHeight is the height of now.
	BlockHeight uint32
	// PolicyFeeMsat is the fee that our own policy asks for: what is paid beyond it counts for nothing. nil
	// counts all.
	PolicyFeeMsat *uint64
	// Upgrade is what its onion says about upgrade_accountability.
	Upgrade Upgrade
	// Accountable: it arrived accountable (update_add_htlc's TLV).
	Accountable bool
}

// Verdict is what becomes of an HTLC.
type Verdict uint32

// The verdicts.
const (
	// VerdictForward: forward it.
	VerdictForward Verdict = 1
	// VerdictFail: fail it back.
	VerdictFail Verdict = 2
)

// String is "forward" or "fail", or the number of one this version does not know.
func (v Verdict) String() string { return named(uint32(v), "verdict", "", "forward", "fail") }

// DecisionReason is why an HTLC is forwarded or failed.
type DecisionReason uint32

// The reasons to forward. A later library may know more.
const (
	// ReasonGeneral: it fits the general bucket.
	ReasonGeneral DecisionReason = 1
	// ReasonReputation: the outgoing channel's reputation bears it.
	ReasonReputation DecisionReason = 2
	// ReasonCongestion: it has no reputation, and the congestion bucket takes it.
	ReasonCongestion DecisionReason = 3
	// ReasonSeveral: the reputation bears it, and several buckets together have room.
	ReasonSeveral DecisionReason = 4
	// ReasonRecorded: it was forwarded before; what was decided then stands.
	ReasonRecorded DecisionReason = 32
)

// The reasons to fail. A later library may know more.
const (
	// ReasonNoReputation: it came in accountable and the reputation does not bear it.
	ReasonNoReputation DecisionReason = 16
	// ReasonNoRoom: the reputation bears it, and no bucket has room.
	ReasonNoRoom DecisionReason = 17
	// ReasonOutgoingInCongestion: another HTLC of the outgoing channel sits in a congestion bucket.
	ReasonOutgoingInCongestion DecisionReason = 18
	// ReasonNoCongestionBucket: the channel has no congestion bucket.
	ReasonNoCongestionBucket DecisionReason = 19
	// ReasonCongestionMisused: the outgoing channel held an HTLC in this congestion bucket for too long in
	// the last two weeks.
	ReasonCongestionMisused DecisionReason = 20
	// ReasonCongestionFull: the congestion bucket is full.
	ReasonCongestionFull DecisionReason = 21
	// ReasonAboveCongestionLimit: it is larger than what one HTLC may take of the congestion bucket.
	ReasonAboveCongestionLimit DecisionReason = 22
	// ReasonUpgradeNotAllowed: it would have to go out accountable, and its sender does not allow that.
	ReasonUpgradeNotAllowed DecisionReason = 23
	// ReasonSignalTampered: it came in accountable although its sender does not allow that.
	ReasonSignalTampered DecisionReason = 24
)

// reasonNames are by number, as exported decisions name them.
var reasonNames = [...]string{
	ReasonGeneral: "general", ReasonReputation: "reputation", ReasonCongestion: "congestion",
	ReasonSeveral: "several", ReasonNoReputation: "no_reputation", ReasonNoRoom: "no_room",
	ReasonOutgoingInCongestion: "outgoing_in_congestion", ReasonNoCongestionBucket: "no_congestion_bucket",
	ReasonCongestionMisused: "congestion_misused", ReasonCongestionFull: "congestion_full",
	ReasonAboveCongestionLimit: "above_congestion_limit", ReasonUpgradeNotAllowed: "upgrade_not_allowed",
	ReasonSignalTampered: "signal_tampered", ReasonRecorded: "recorded",
}

// String is a name such as "no_room", or the number of a reason this version does not know.
func (r DecisionReason) String() string { return named(uint32(r), "reason", reasonNames[:]...) }

// Bucket is the part of a channel that an HTLC uses.
type Bucket uint32

// The buckets.
const (
	// BucketNone: it takes nothing and is tracked.
	BucketNone Bucket = 0
	// BucketGeneral: what anybody may use.
	BucketGeneral Bucket = 1
	// BucketCongestion: what is kept for those without reputation when the general bucket is full.
	BucketCongestion Bucket = 2
	// BucketProtected: what is kept for those with reputation.
	BucketProtected Bucket = 3
	// BucketSeveral: several at once.
	BucketSeveral Bucket = 4
)

// String is a name such as "general", or the number of a bucket this version does not know.
func (b Bucket) String() string {
	return named(uint32(b), "bucket", "none", "general", "congestion", "protected", "several")
}

// Decision is the answer to an HTLCRequest. The zero value, as that of a request that was refused, has no
// verdict: forward nothing that is not VerdictForward.
type Decision struct {
	// Already: it was decided before, and nothing was changed; a positive acknowledgement, not an error.
	Already bool
	// Accountable: set the accountable signal on the outgoing HTLC.
	Accountable bool
	// WouldFail: without ResourcesOptions.OnlyWatch it would have been failed, for Reason.
	WouldFail bool
	// Verdict is what becomes of the HTLC.
	Verdict Verdict
	// Reason is why.
	Reason DecisionReason
	// Bucket is what it uses.
	Bucket Bucket
	// Err is why nothing was decided, an *Error; nil when there is a verdict. With ErrNotDurable it was
	// decided, as the rest says, and is not on disk yet.
	Err error
}

// Grounds are the numbers that a decision was made from, as they stood before it.
type Grounds struct {
	// FeeMsat is the fee that counts.
	FeeMsat uint64
	// ChargedFeeMsat is the fee that its delay is charged with: the default one at least.
	ChargedFeeMsat uint64
	// HTLCRiskMsat is what the HTLC would cost if it were held to its end.
	HTLCRiskMsat uint64
	// OutgoingReputationMsat is the outgoing channel's reputation.
	OutgoingReputationMsat int64
	// OutgoingInFlightRiskMsat is the risk of what is in flight on it.
	OutgoingInFlightRiskMsat uint64
	// IncomingRevenueMsat is the threshold: what the incoming channel earns us in a revenue window.
	IncomingRevenueMsat int64
	// GeneralSlotsNeeded is how many general slots the HTLC needs.
	GeneralSlotsNeeded uint64
	// CongestionUsedMsat is the liquidity in use of the congestion bucket.
	CongestionUsedMsat uint64
	// CongestionLiquidityMsat is the liquidity of the congestion bucket.
	CongestionLiquidityMsat uint64
	// ProtectedUsedMsat is the liquidity in use of the protected bucket.
	ProtectedUsedMsat uint64
	// ProtectedLiquidityMsat is the liquidity of the protected bucket.
	ProtectedLiquidityMsat uint64
	// PairSlotsFree counts the general slots of this pair that are free.
	PairSlotsFree uint32
	// GeneralSlotsUsed counts general slots in use.
	GeneralSlotsUsed uint32
	// GeneralSlots counts the general slots of the channel.
	GeneralSlots uint32
	// CongestionSlotsUsed counts slots in use of the congestion bucket.
	CongestionSlotsUsed uint32
	// CongestionSlots counts the slots of the congestion bucket.
	CongestionSlots uint32
	// ProtectedSlotsUsed counts slots in use of the protected bucket.
	ProtectedSlotsUsed uint32
	// ProtectedSlots counts the slots of the protected bucket.
	ProtectedSlots uint32
	// HasReputation: the reputation less both risks is at least the threshold.
	HasReputation bool
	// OutgoingInCongestion: an HTLC of the outgoing channel sits in a congestion bucket.
	OutgoingInCongestion bool
}

// Explanation is a decision with its grounds.
type Explanation struct {
	// Decision is what was decided.
	Decision Decision
	// Grounds are what it was made from.
	Grounds Grounds
}

// ResolveRequest is an HTLC that was forwarded and is over.
type ResolveRequest struct {
	// Incoming is the channel it arrived on.
	Incoming ShortChannelID
	// Outgoing is the channel it went out through.
	Outgoing ShortChannelID
	// HTLCID is its id on the incoming channel.
	HTLCID uint64
	// UnixSecs is the time of now, as time.Now().Unix() tells it.
	UnixSecs uint64
	// Settled: with its preimage (update_fulfill_htlc); else it failed.
	Settled bool
}

// Resolution is the answer to a ResolveRequest.
type Resolution struct {
	// Already: it was resolved before, with the same outcome; a positive acknowledgement, not an error.
	Already bool
	// EffectiveFeeMsat is what the outgoing channel's reputation changed by.
	EffectiveFeeMsat int64
	// Err is why nothing was resolved, an *Error; nil when it was. With ErrNotDurable it was, and is not on
	// disk yet; with ErrResolvedBeforeAdded it was, and counts for nothing.
	Err error
}

// LiveHTLC is an HTLC that the node has forwarded and not resolved.
type LiveHTLC struct {
	// Incoming is the channel it arrived on.
	Incoming ShortChannelID
	// Outgoing is the channel it went out through.
	Outgoing ShortChannelID
	// HTLCID is its id on the incoming channel.
	HTLCID uint64
	// IncomingAmountMsat is its amount on the incoming channel.
	IncomingAmountMsat uint64
	// OutgoingAmountMsat is its amount on the outgoing channel.
	OutgoingAmountMsat uint64
	// AddedUnixSecs is when it was forwarded, or now if that is not known.
	AddedUnixSecs uint64
	// IncomingCLTVExpiry is the block height at which it expires on the incoming channel.
	IncomingCLTVExpiry uint32
	// BlockHeight is the height when it was forwarded, or now if that is not known.
	BlockHeight uint32
	// Accountable: it went out accountable.
	Accountable bool
}

// Reconciled is what Resources.Reconcile did.
type Reconciled struct {
	// Kept counts HTLCs that both knew.
	Kept uint64
	// Dropped counts HTLCs that the node has no more: released, with no effect on any reputation.
	Dropped uint64
	// Added counts HTLCs that only the node knew: tracked now.
	Added uint64
	// UnknownChannel counts HTLCs of the node whose channels are not known: add the channels, then reconcile
	// again.
	UnknownChannel uint64
	// Different counts HTLCs that both know with other content: what was known stays.
	Different uint64
}

// ForwardRow is one forward of the past.
type ForwardRow struct {
	// Incoming is the channel it came in through.
	Incoming ShortChannelID
	// Outgoing is the channel it went out through.
	Outgoing ShortChannelID
	// FeeMsat is what it earned.
	FeeMsat uint64
	// AddedUnixSecs is when it was added.
	AddedUnixSecs uint64
	// SettledUnixSecs is when it settled.
	SettledUnixSecs uint64
}

// Imported is what Resources.ImportHistory did.
type Imported struct {
	// Channels counts channels whose averages now hold their history.
	Channels uint64
	// ChannelsBefore counts channels that had taken a history before, and were left as they are.
	ChannelsBefore uint64
	// Rows counts rows of which at least one channel took its part.
	Rows uint64
	// RowsPassedOver counts rows that settled before they were added, or whose channels are not known or
	// closing.
	RowsPassedOver uint64
}
