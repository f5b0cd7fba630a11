package lnkeep

// #include <lnkeep.h>
import "C"

// The numbers of resources, held against the header as those of ffi_constants.go are.
var _ = [...]bool{
	[1]bool{}[StatusChannelLimits-C.LNKEEP_CHANNEL_LIMITS],
	[1]bool{}[StatusChannelClosing-C.LNKEEP_CHANNEL_CLOSING],
	[1]bool{}[StatusOutgoingExceedsIncoming-C.LNKEEP_OUTGOING_EXCEEDS_INCOMING],
	[1]bool{}[StatusExpiryNotAfterHeight-C.LNKEEP_EXPIRY_NOT_AFTER_HEIGHT],
	[1]bool{}[StatusDuplicateHTLC-C.LNKEEP_DUPLICATE_HTLC],
	[1]bool{}[StatusUnknownHTLC-C.LNKEEP_UNKNOWN_HTLC],
	[1]bool{}[StatusSlotAssignment-C.LNKEEP_SLOT_ASSIGNMENT],
	[1]bool{}[StatusResolvedBeforeAdded-C.LNKEEP_RESOLVED_BEFORE_ADDED],
	[1]bool{}[StatusNotDurable-C.LNKEEP_NOT_DURABLE],
	[1]bool{}[addDurable-C.LNKEEP_RESOURCES_DURABLE],
	[1]bool{}[addDryRun-C.LNKEEP_RESOURCES_DRY_RUN],
	[1]bool{}[RemovalRemoved-C.LNKEEP_RESOURCES_REMOVED],
	[1]bool{}[RemovalClosing-C.LNKEEP_RESOURCES_CLOSING],
	[1]bool{}[VerdictForward-C.LNKEEP_VERDICT_FORWARD],
	[1]bool{}[VerdictFail-C.LNKEEP_VERDICT_FAIL],
	[1]bool{}[ReasonGeneral-C.LNKEEP_REASON_GENERAL],
	[1]bool{}[ReasonReputation-C.LNKEEP_REASON_REPUTATION],
	[1]bool{}[ReasonCongestion-C.LNKEEP_REASON_CONGESTION],
	[1]bool{}[ReasonSeveral-C.LNKEEP_REASON_SEVERAL],
	[1]bool{}[ReasonNoReputation-C.LNKEEP_REASON_NO_REPUTATION],
	[1]bool{}[ReasonNoRoom-C.LNKEEP_REASON_NO_ROOM],
	[1]bool{}[ReasonOutgoingInCongestion-C.LNKEEP_REASON_OUTGOING_IN_CONGESTION],
	[1]bool{}[ReasonNoCongestionBucket-C.LNKEEP_REASON_NO_CONGESTION_BUCKET],
	[1]bool{}[ReasonCongestionMisused-C.LNKEEP_REASON_CONGESTION_MISUSED],
	[1]bool{}[ReasonCongestionFull-C.LNKEEP_REASON_CONGESTION_FULL],
	[1]bool{}[ReasonAboveCongestionLimit-C.LNKEEP_REASON_ABOVE_CONGESTION_LIMIT],
	[1]bool{}[ReasonUpgradeNotAllowed-C.LNKEEP_REASON_UPGRADE_NOT_ALLOWED],
	[1]bool{}[ReasonSignalTampered-C.LNKEEP_REASON_SIGNAL_TAMPERED],
	[1]bool{}[ReasonRecorded-C.LNKEEP_REASON_RECORDED],
	[1]bool{}[BucketNone-C.LNKEEP_BUCKET_NONE],
	[1]bool{}[BucketGeneral-C.LNKEEP_BUCKET_GENERAL],
	[1]bool{}[BucketCongestion-C.LNKEEP_BUCKET_CONGESTION],
	[1]bool{}[BucketProtected-C.LNKEEP_BUCKET_PROTECTED],
	[1]bool{}[BucketSeveral-C.LNKEEP_BUCKET_SEVERAL],
}
