package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

func cResources(handle uint64) (r C.lnkeep_resources) { r.bits = C.uint64_t(handle); return r }

func cResourcesOpen(handle uint64, o *ResourcesOptions) (uint64, ResourcesReport, error) {
	given := resourcesOptions(o)
	defer clear(given.entropy[:])
	var opened C.lnkeep_resources
	var found C.lnkeep_resources_report
	found.size = C.sizeof_lnkeep_resources_report
	detail := newError()
	status := C.lnkeep_resources_open(cStore(handle), &given, &opened, &found, &detail)
	if err := check("open resources", status, &detail); err != nil {
		return 0, ResourcesReport{}, err
	}
	return uint64(opened.bits), ResourcesReport{
		Channels:    uint64(found.channels),
		Pending:     uint64(found.pending),
		Replayed:    uint64(found.replayed),
		Damaged:     uint64(found.damaged),
		DividedAnew: found.flags&C.LNKEEP_RESOURCES_DIVIDED_ANEW != 0,
	}, nil
}

func resourcesOptions(o *ResourcesOptions) (c C.lnkeep_resources_options) {
	c.size = C.sizeof_lnkeep_resources_options
	c.flags = flag(o.Compat, C.LNKEEP_RESOURCES_COMPAT) |
		flag(o.Convert, C.LNKEEP_RESOURCES_CONVERT) |
		flag(o.OnlyWatch, C.LNKEEP_RESOURCES_ONLY_WATCH) |
		flag(o.WithoutJournal, C.LNKEEP_RESOURCES_WITHOUT_JOURNAL) |
		flag(o.NoSpillOver, C.LNKEEP_RESOURCES_NO_SPILL_OVER) |
		flag(o.ZerosCount, C.LNKEEP_RESOURCES_ZEROS_COUNT) |
		flag(o.Entropy != nil, C.LNKEEP_RESOURCES_HAS_ENTROPY)
	c.general_percent = C.uint32_t(o.GeneralPercent)
	c.congestion_percent = C.uint32_t(o.CongestionPercent)
	c.reputation_multiplier = C.uint32_t(o.ReputationMultiplier)
	period, _ := seconds(o.ResolutionPeriod)
	c.resolution_period_secs = C.uint64_t(period)
	window, _ := seconds(o.RevenueWindow)
	c.revenue_window_secs = C.uint64_t(window)
	c.default_fee_base_msat = C.uint64_t(o.DefaultFeeBaseMsat)
	c.default_fee_ppm = C.uint32_t(o.DefaultFeePPM)
	c.journal_entries_max = C.uint32_t(o.JournalEntriesMax)
	c.decisions_kept = C.uint32_t(o.DecisionsKept)
	if o.Entropy != nil {
		copyBytes(&c.entropy, o.Entropy[:])
	}
	return c
}

func cResourcesClose(handle uint64) error {
	r, detail := cResources(handle), newError()
	return check("close resources", C.lnkeep_resources_close(&r, &detail), &detail)
}

func cResourcesIsOpen(handle uint64) bool {
	return C.lnkeep_resources_is_open(cResources(handle)) != 0
}

func cLimits(limits ChannelLimits) (c C.lnkeep_channel_limits) {
	c.max_in_flight_msat = C.uint64_t(limits.MaxInFlightMsat)
	c.max_accepted_htlcs = C.uint32_t(limits.MaxAcceptedHTLCs)
	return c
}

func allocationOf(c *C.lnkeep_allocation) Allocation {
	return Allocation{
		GeneralLiquidityMsat:    uint64(c.general_liquidity_msat),
		SlotMsat:                uint64(c.slot_msat),
		CongestionLiquidityMsat: uint64(c.congestion_liquidity_msat),
		ProtectedLiquidityMsat:  uint64(c.protected_liquidity_msat),
		GeneralSlots:            uint32(c.general_slots),
		PairSlots:               uint32(c.pair_slots),
		CongestionSlots:         uint32(c.congestion_slots),
		ProtectedSlots:          uint32(c.protected_slots),
	}
}

func cResourcesAddChannel(
	handle uint64, channel ShortChannelID, limits ChannelLimits, unixSecs uint64,
) (Allocation, Outcome, error) {
	given := cLimits(limits)
	var divided C.lnkeep_allocation
	detail := newError()
	status := C.lnkeep_resources_add_channel(cResources(handle), C.uint64_t(channel), &given,
		C.uint64_t(unixSecs), &divided, &detail)
	outcome, err := change("add_channel", status, &detail)
	if err != nil {
		return Allocation{}, outcome, err
	}
	return allocationOf(&divided), outcome, nil
}

func cResourcesResizeChannel(
	handle uint64, channel ShortChannelID, limits ChannelLimits,
) (Allocation, error) {
	given := cLimits(limits)
	var divided C.lnkeep_allocation
	detail := newError()
	status := C.lnkeep_resources_resize_channel(cResources(handle), C.uint64_t(channel), &given, &divided,
		&detail)
	if err := check("resize_channel", status, &detail); err != nil {
		return Allocation{}, err
	}
	return allocationOf(&divided), nil
}

func cResourcesRemoveChannel(handle uint64, channel ShortChannelID) (Removal, error) {
	var removal C.uint32_t
	detail := newError()
	status := C.lnkeep_resources_remove_channel(cResources(handle), C.uint64_t(channel), &removal, &detail)
	if err := check("remove_channel", status, &detail); err != nil {
		return 0, err
	}
	return Removal(removal), nil
}

func cResourcesReconcile(handle uint64, live []LiveHTLC) (Reconciled, error) {
	given := make([]C.lnkeep_live_htlc, len(live))
	for i := range live {
		c, one := &given[i], &live[i]
		c.incoming, c.outgoing = C.uint64_t(one.Incoming), C.uint64_t(one.Outgoing)
		c.htlc_id = C.uint64_t(one.HTLCID)
		c.incoming_amount_msat = C.uint64_t(one.IncomingAmountMsat)
		c.outgoing_amount_msat = C.uint64_t(one.OutgoingAmountMsat)
		c.added_unix_secs = C.uint64_t(one.AddedUnixSecs)
		c.incoming_cltv_expiry = C.uint32_t(one.IncomingCLTVExpiry)
		c.block_height = C.uint32_t(one.BlockHeight)
		c.flags = flag(one.Accountable, C.LNKEEP_HTLC_ACCOUNTABLE)
	}
	var done C.lnkeep_reconciled
	done.size = C.sizeof_lnkeep_reconciled
	detail := newError()
	status := C.lnkeep_resources_reconcile(cResources(handle), unsafe.SliceData(given), C.size_t(len(given)),
		&done, &detail)
	if err := check("reconcile", status, &detail); err != nil {
		return Reconciled{}, err
	}
	return Reconciled{
		Kept:           uint64(done.kept),
		Dropped:        uint64(done.dropped),
		Added:          uint64(done.added),
		UnknownChannel: uint64(done.unknown_channel),
		Different:      uint64(done.different),
	}, nil
}

// A ForwardRow is laid out as its twin in C, so that a history of millions is lent and not copied: these do
// not compile otherwise.
var _ = [...]bool{
	[1]bool{}[unsafe.Sizeof(ForwardRow{})-C.sizeof_lnkeep_forward_row],
	[1]bool{}[unsafe.Offsetof(ForwardRow{}.Incoming)-unsafe.Offsetof(C.lnkeep_forward_row{}.incoming)],
	[1]bool{}[unsafe.Offsetof(ForwardRow{}.Outgoing)-unsafe.Offsetof(C.lnkeep_forward_row{}.outgoing)],
	[1]bool{}[unsafe.Offsetof(ForwardRow{}.FeeMsat)-unsafe.Offsetof(C.lnkeep_forward_row{}.fee_msat)],
	[1]bool{}[unsafe.Offsetof(ForwardRow{}.AddedUnixSecs)-
		unsafe.Offsetof(C.lnkeep_forward_row{}.added_unix_secs)],
	[1]bool{}[unsafe.Offsetof(ForwardRow{}.SettledUnixSecs)-
		unsafe.Offsetof(C.lnkeep_forward_row{}.settled_unix_secs)],
}

func cResourcesImportHistory(handle uint64, rows []ForwardRow) (Imported, error) {
	first := (*C.lnkeep_forward_row)(unsafe.Pointer(unsafe.SliceData(rows)))
	var done C.lnkeep_imported
	done.size = C.sizeof_lnkeep_imported
	detail := newError()
	status := C.lnkeep_resources_import_history(cResources(handle), first, C.size_t(len(rows)), &done, &detail)
	if err := check("import_history", status, &detail); err != nil {
		return Imported{}, err
	}
	return Imported{
		Channels:       uint64(done.channels),
		ChannelsBefore: uint64(done.channels_before),
		Rows:           uint64(done.rows),
		RowsPassedOver: uint64(done.rows_passed_over),
	}, nil
}
