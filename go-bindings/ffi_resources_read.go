package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

func resourceChannelOf(c *C.lnkeep_resources_channel) ResourceChannel {
	return ResourceChannel{
		ID: ShortChannelID(c.channel),
		Limits: ChannelLimits{
			MaxInFlightMsat:  uint64(c.limits.max_in_flight_msat),
			MaxAcceptedHTLCs: uint32(c.limits.max_accepted_htlcs),
		},
		Allocation:                allocationOf(&c.allocation),
		ReputationMsat:            int64(c.reputation_msat),
		ReputationUpdatedUnixSecs: uint64(c.reputation_updated_unix_secs),
		ReputationNowMsat:         int64(c.reputation_now_msat),
		RevenueTotalMsat:          int64(c.revenue_total_msat),
		RevenueUpdatedUnixSecs:    uint64(c.revenue_updated_unix_secs),
		RevenueStartUnixSecs:      uint64(c.revenue_start_unix_secs),
		RevenueNowMsat:            int64(c.revenue_now_msat),
		InFlightRiskMsat:          uint64(c.in_flight_risk_msat),
		CongestionUsedMsat:        uint64(c.congestion_used_msat),
		ProtectedUsedMsat:         uint64(c.protected_used_msat),
		CongestionSlotsUsed:       uint32(c.congestion_slots_used),
		ProtectedSlotsUsed:        uint32(c.protected_slots_used),
		GeneralSlotsUsed:          uint32(c.general_slots_used),
		PendingOutgoing:           uint32(c.pending_outgoing),
		PendingIncoming:           uint32(c.pending_incoming),
		OutgoingInCongestion:      uint32(c.outgoing_in_congestion),
		Closing:                   c.flags&C.LNKEEP_RESOURCES_IS_CLOSING != 0,
	}
}

func pendingHTLCOf(c *C.lnkeep_pending_htlc) PendingHTLC {
	return PendingHTLC{
		Incoming:           ShortChannelID(c.incoming),
		Outgoing:           ShortChannelID(c.outgoing),
		HTLCID:             uint64(c.htlc_id),
		IncomingAmountMsat: uint64(c.incoming_amount_msat),
		FeeMsat:            uint64(c.fee_msat),
		AddedUnixSecs:      uint64(c.added_unix_secs),
		RiskMsat:           uint64(c.risk_msat),
		Bucket:             Bucket(c.bucket),
		GeneralSlots:       uint32(c.general_slots),
		Accountable:        c.flags&C.LNKEEP_PENDING_ACCOUNTABLE != 0,
		WouldFail:          c.flags&C.LNKEEP_PENDING_WOULD_FAIL != 0,
	}
}

func resourcePairOf(c *C.lnkeep_resources_pair) ResourcePair {
	pair := ResourcePair{Incoming: ShortChannelID(c.incoming), Outgoing: ShortChannelID(c.outgoing)}
	for i := range min(int(c.slots_len), len(c.slots)) {
		pair.Slots = append(pair.Slots, uint16(c.slots[i]))
		if c.used>>i&1 != 0 {
			pair.Used = append(pair.Used, uint16(c.slots[i]))
		}
	}
	return pair
}

func resourceMarkOf(c *C.lnkeep_resources_mark) ResourceMark {
	return ResourceMark{
		Incoming:        ShortChannelID(c.incoming),
		Outgoing:        ShortChannelID(c.outgoing),
		MisusedUnixSecs: uint64(c.misused_unix_secs),
	}
}

func cResourcesLookup(handle uint64, channel ShortChannelID, unixSecs uint64) (ResourceChannel, error) {
	var found C.lnkeep_resources_channel
	detail := newError()
	status := C.lnkeep_resources_lookup(cResources(handle), C.uint64_t(channel), C.uint64_t(unixSecs), &found,
		&detail)
	if err := check("channel", status, &detail); err != nil {
		return ResourceChannel{}, err
	}
	return resourceChannelOf(&found), nil
}

// strided copies an array that the library owns. A later library may have longer elements: the stride is its
// own.
func strided[C, G any](first **C, n, stride uintptr, goOf func(*C) G) []G {
	if n == 0 {
		return nil
	}
	copied := make([]G, n)
	for i := range n {
		copied[i] = goOf((*C)(unsafe.Add(unsafe.Pointer(*first), i*stride)))
	}
	return copied
}

func cResourcesSnapshot(handle, unixSecs uint64) (*ResourcesSnapshot, error) {
	var found *C.lnkeep_resources_snapshot
	detail := newError()
	status := C.lnkeep_resources_take_snapshot(cResources(handle), C.uint64_t(unixSecs), &found, &detail)
	if err := check("snapshot", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_resources_snapshot_free(found)
	return &ResourcesSnapshot{
		Channels: strided(&found.channels, uintptr(found.channels_len), uintptr(found.channel_stride),
			resourceChannelOf),
		Pending: strided(&found.pending, uintptr(found.pending_len), uintptr(found.pending_stride),
			pendingHTLCOf),
		Pairs: strided(&found.pairs, uintptr(found.pairs_len), uintptr(found.pair_stride), resourcePairOf),
		Marks: strided(&found.marks, uintptr(found.marks_len), uintptr(found.mark_stride), resourceMarkOf),
	}, nil
}

func cResourcesDecisions(handle, after uint64, n int) ([]byte, uint64, error) {
	var found *C.lnkeep_buf
	var last C.uint64_t
	detail := newError()
	status := C.lnkeep_resources_decisions(cResources(handle), C.uint64_t(after), C.size_t(n), &found, &last,
		&detail)
	if err := check("decisions", status, &detail); err != nil {
		return nil, 0, err
	}
	defer C.lnkeep_buf_free(found)
	return append([]byte(nil), lent(&found.ptr, found.len)...), uint64(last), nil
}

func cResourcesStats(handle uint64) (ResourcesStats, error) {
	var c C.lnkeep_resources_stats
	c.size = C.sizeof_lnkeep_resources_stats
	detail := newError()
	status := C.lnkeep_resources_read_stats(cResources(handle), &c, &detail)
	if err := check("stats", status, &detail); err != nil {
		return ResourcesStats{}, err
	}
	return ResourcesStats{
		Forwarded:           uint64(c.forwarded),
		Failed:              uint64(c.failed),
		WouldFail:           uint64(c.would_fail),
		Repeated:            uint64(c.repeated),
		Resolved:            uint64(c.resolved),
		ClockClamped:        uint64(c.clock_clamped),
		JournalWaiting:      uint64(c.journal_waiting),
		JournalNext:         uint64(c.journal_next),
		JournalDurableBelow: uint64(c.journal_durable_below),
	}, nil
}
