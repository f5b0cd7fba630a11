package lnkeep

// #include <poll.h>
// #include <lnkeep.h>
import "C"

import "unsafe"

func cMonitors(handle uint64) (m C.lnkeep_monitors) { m.bits = C.uint64_t(handle); return m }

func cMonitorsOpen(handle uint64, o *MonitorsOptions) (uint64, MonitorsReport, error) {
	given := monitorsOptions(o)
	var opened C.lnkeep_monitors
	var found C.lnkeep_monitors_report
	found.size = C.sizeof_lnkeep_monitors_report
	detail := newError()
	status := C.lnkeep_monitors_open(cStore(handle), &given, &opened, &found, &detail)
	if err := check("open monitors", status, &detail); err != nil {
		return 0, MonitorsReport{}, err
	}
	return uint64(opened.bits), MonitorsReport{
		CommitSequence: uint64(found.commit_sequence),
		Outputs:        uint64(found.outputs),
		Damaged:        uint64(found.damaged),
		LastClose:      LastClose(found.last_close),
		ManagerMissing: found.flags&C.LNKEEP_MONITORS_MANAGER_MISSING != 0,
		ManagerBehind:  found.flags&C.LNKEEP_MONITORS_MANAGER_IS_BEHIND != 0,
		MayBeStale:     found.flags&C.LNKEEP_MONITORS_MAY_BE_STALE != 0,
	}, nil
}

func monitorsOptions(o *MonitorsOptions) (c C.lnkeep_monitors_options) {
	c.size = C.sizeof_lnkeep_monitors_options
	c.flags = flag(o.ExternalManager, C.LNKEEP_MONITORS_EXTERNAL_MANAGER) |
		flag(o.ManagerOptional, C.LNKEEP_MONITORS_MANAGER_OPTIONAL) |
		flag(o.ReplaysNothing, C.LNKEEP_MONITORS_REPLAYS_NOTHING) |
		flag(o.NoCriticalReserve, C.LNKEEP_MONITORS_NO_CRITICAL_RESERVE) |
		flag(o.NoSnapshotGrowth, C.LNKEEP_MONITORS_NO_SNAPSHOT_GROWTH) |
		flag(o.WithoutCompletions, C.LNKEEP_MONITORS_WITHOUT_COMPLETIONS)
	c.pending_ops_max = C.uint32_t(o.PendingOpsMax)
	c.pending_bytes_max = C.uint64_t(o.PendingBytesMax)
	c.critical_reserve_ops = C.uint32_t(o.CriticalReserveOps)
	c.snapshot_every_updates = C.uint32_t(o.SnapshotEveryUpdates)
	c.updates_max = C.uint32_t(o.UpdatesMax)
	c.snapshot_growth_percent = C.uint32_t(o.SnapshotGrowthPercent)
	age, _ := seconds(o.SnapshotAge)
	c.snapshot_age_secs = C.uint64_t(age)
	return c
}

func cMonitorsClose(handle uint64, discard bool) error {
	m, detail := cMonitors(handle), newError()
	status := C.lnkeep_monitors_close(&m, flag(discard, C.LNKEEP_MONITORS_DISCARD), &detail)
	return check("close monitors", status, &detail)
}

func cMonitorsIsOpen(handle uint64) bool { return C.lnkeep_monitors_is_open(cMonitors(handle)) != 0 }

func cMonitorsDescriptor(handle uint64) (int, error) {
	var descriptor C.int
	detail := newError()
	status := C.lnkeep_monitors_descriptor(cMonitors(handle), &descriptor, &detail)
	return int(descriptor), check("wait", status, &detail)
}

// cReadable reports whether a descriptor is readable now. Go's poller tells only that it became readable.
func cReadable(descriptor uintptr) bool {
	one := C.struct_pollfd{fd: C.int(descriptor), events: C.POLLIN}
	return C.poll(&one, 1, 0) > 0
}

// channelBytes lends a channel id to one call.
func channelBytes(channel *ChannelID) *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(channel)) }

func cBlock(b *Block) (c C.lnkeep_block) {
	copyBytes(&c.hash, b.Hash[:])
	c.height = C.uint32_t(b.Height)
	return c
}

func cMonitorsQueueNew(
	handle uint64, channel ChannelID, updateID uint64, snapshot []byte, block *Block, flags uint32,
) (uint64, error) {
	var ticket C.uint64_t
	seen := cBlock(block)
	detail := newError()
	status := C.lnkeep_monitors_queue_new(cMonitors(handle), channelBytes(&channel), C.uint64_t(updateID),
		view(snapshot), &seen, C.uint32_t(flags), &ticket, &detail)
	return uint64(ticket), check("queue_new", status, &detail)
}

func cMonitorsQueueUpdate(
	handle uint64, channel ChannelID, updateID uint64, update []byte, flags uint32,
) (Queued, error) {
	var ticket C.uint64_t
	detail := newError()
	status := C.lnkeep_monitors_queue_update(cMonitors(handle), channelBytes(&channel), C.uint64_t(updateID),
		view(update), C.uint32_t(flags), &ticket, &detail)
	if err := check("queue_update", status, &detail); err != nil {
		return Queued{}, err
	}
	return Queued{
		Ticket:  uint64(ticket),
		Already: status != C.LNKEEP_DONE,
		Durable: status != C.LNKEEP_DONE && status != C.LNKEEP_ALREADY_QUEUED,
	}, nil
}

func cMonitorsQueueSnapshot(
	handle uint64, channel ChannelID, updateID uint64, snapshot []byte, block *Block, flags uint32,
) (uint64, error) {
	var ticket C.uint64_t
	var seen *C.lnkeep_block
	if block != nil {
		given := cBlock(block)
		seen = &given
	}
	detail := newError()
	status := C.lnkeep_monitors_queue_snapshot(cMonitors(handle), channelBytes(&channel), C.uint64_t(updateID),
		view(snapshot), seen, C.uint32_t(flags), &ticket, &detail)
	return uint64(ticket), check("queue_snapshot", status, &detail)
}

func cMonitorsQueueArchive(handle uint64, channel ChannelID) (uint64, error) {
	var ticket C.uint64_t
	detail := newError()
	status := C.lnkeep_monitors_queue_archive(cMonitors(handle), channelBytes(&channel), &ticket, &detail)
	return uint64(ticket), check("queue_archive", status, &detail)
}

func cMonitorsQueueOutput(handle uint64, class OutputClass, tag uint64, payload []byte) (uint64, error) {
	var ticket C.uint64_t
	detail := newError()
	status := C.lnkeep_monitors_queue_output(cMonitors(handle), C.uint32_t(class), C.uint64_t(tag),
		view(payload), &ticket, &detail)
	return uint64(ticket), check("queue_output", status, &detail)
}

func cMonitorsCanQueue(handle, operations, bytes uint64, flags uint32) error {
	detail := newError()
	status := C.lnkeep_monitors_can_queue(cMonitors(handle), C.uint64_t(operations), C.uint64_t(bytes),
		C.uint32_t(flags), &detail)
	return check("can_queue", status, &detail)
}

func cMonitorsTicketIsDurable(handle, ticket uint64) (bool, error) {
	var durable C.int
	detail := newError()
	status := C.lnkeep_monitors_ticket_is_durable(cMonitors(handle), C.uint64_t(ticket), &durable, &detail)
	return durable != 0, check("is_durable", status, &detail)
}
