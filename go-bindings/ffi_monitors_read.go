package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

func cMonitorsState(handle uint64) (MonitorsState, error) {
	var c C.lnkeep_monitors_state
	c.size = C.sizeof_lnkeep_monitors_state
	detail := newError()
	if err := check("state", C.lnkeep_monitors_read_state(cMonitors(handle), &c, &detail), &detail); err != nil {
		return MonitorsState{}, err
	}
	state := MonitorsState{
		CommitSequence:    uint64(c.commit_sequence),
		PendingOperations: uint64(c.pending_operations),
		PendingBytes:      uint64(c.pending_bytes),
		ManagerGeneration: numberIf(c.flags&C.LNKEEP_MONITORS_HAS_GENERATION != 0, c.manager_generation),
	}
	if c.flags&C.LNKEEP_MONITORS_HAS_RESCAN_HEIGHT != 0 {
		height := uint32(c.rescan_height)
		state.RescanHeight = &height
	}
	return state, nil
}

func cMonitorsLoadManager(handle uint64) (HostBytes, error) {
	var found *C.lnkeep_buf
	detail := newError()
	status := C.lnkeep_monitors_load_manager(cMonitors(handle), &found, &detail)
	if err := check("manager", status, &detail); err != nil || found == nil {
		return nil, err
	}
	defer C.lnkeep_buf_free(found)
	manager := make(HostBytes, int(found.len))
	copy(manager, lent(&found.ptr, found.len))
	return manager, nil
}

// lent are bytes that the library owns; none when there are none.
func lent(first **C.uint8_t, n C.size_t) []byte {
	bytes := elements(first, n)
	if bytes == nil {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&bytes[0])), len(bytes))
}

func channelOf(c *C.lnkeep_channel) Channel {
	return Channel{
		ID:               *(*ChannelID)(unsafe.Pointer(&c.channel_id)),
		SnapshotUpdateID: uint64(c.snapshot_update_id),
		LatestUpdateID:   uint64(c.latest_update_id),
		SnapshotBytes:    uint64(c.snapshot_bytes),
		UpdateBytes:      uint64(c.update_bytes),
		Block:            Block{Hash: *hash(&c.block_hash), Height: uint32(c.block_height)},
		Damage:           Damage(c.damage),
	}
}

func channelsOf(found []C.lnkeep_channel) (channels []Channel) {
	for i := range found {
		channels = append(channels, channelOf(&found[i]))
	}
	return channels
}

func cMonitorsList(handle uint64, stage ChannelStage, after *ChannelID, capacity int) ([]Channel, error) {
	found := make([]C.lnkeep_channel, capacity)
	var n C.size_t
	detail := newError()
	status := C.lnkeep_monitors_list(cMonitors(handle), C.uint32_t(stage), channelBytes(after), &found[0],
		C.size_t(capacity), &n, &detail)
	if err := check("channels", status, &detail); err != nil {
		return nil, err
	}
	return channelsOf(found[:n]), nil
}

func cMonitorsNeedSnapshot(handle uint64, capacity int) ([]Channel, error) {
	found := make([]C.lnkeep_channel, capacity)
	var n C.size_t
	detail := newError()
	status := C.lnkeep_monitors_need_snapshot(cMonitors(handle), &found[0], C.size_t(capacity), &n, &detail)
	if err := check("need_snapshot", status, &detail); err != nil {
		return nil, err
	}
	return channelsOf(found[:n]), nil
}

func cMonitorsLoad(handle uint64, channel ChannelID) (*Monitor, error) {
	var found *C.lnkeep_monitor
	detail := newError()
	status := C.lnkeep_monitors_load(cMonitors(handle), channelBytes(&channel), &found, &detail)
	if err := check("load", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_monitor_free(found)
	monitor := &Monitor{
		Channel:  channelOf(&found.channel),
		Stage:    ChannelStage(found.stage),
		Snapshot: bytesOf(&found.snapshot),
	}
	if found.updates_len == 0 {
		return monitor, nil
	}
	monitor.Updates = make([]MonitorUpdate, int(found.updates_len))
	for i := range monitor.Updates {
		// A later library may have longer updates: the stride is its own.
		face := (*C.lnkeep_monitor_update)(
			unsafe.Add(unsafe.Pointer(found.updates), uintptr(i)*uintptr(found.update_stride)))
		monitor.Updates[i] = MonitorUpdate{ID: uint64(face.update_id), Update: bytesOf(&face.update)}
	}
	return monitor, nil
}
