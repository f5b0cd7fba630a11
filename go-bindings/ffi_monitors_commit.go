package lnkeep

// #include <lnkeep.h>
import "C"

import (
	"runtime"
	"unsafe"
)

func cMonitorsCapture(handle uint64) (Capture, error) {
	var c C.lnkeep_capture
	detail := newError()
	status := C.lnkeep_monitors_capture(cMonitors(handle), &c, &detail)
	if err := check("capture", status, &detail); err != nil {
		return Capture{}, err
	}
	return Capture{
		epoch: uint64(c.epoch), number: uint64(c.number), uptoTicket: uint64(c.upto_ticket), check: uint64(c.check),
	}, nil
}

// fillCommit fills in everything but the manager and the view, whose memory is the caller's affair.
func fillCommit(c *C.lnkeep_monitors_commit, given *commitment) {
	c.size = C.sizeof_lnkeep_monitors_commit
	c.capture.epoch = C.uint64_t(given.capture.epoch)
	c.capture.number = C.uint64_t(given.capture.number)
	c.capture.upto_ticket = C.uint64_t(given.capture.uptoTicket)
	c.capture.check = C.uint64_t(given.capture.check)
	c.flags = flag(given.hasManager, C.LNKEEP_COMMIT_HAS_MANAGER) |
		flag(given.external, C.LNKEEP_COMMIT_EXTERNAL) |
		flag(given.generation != nil, C.LNKEEP_COMMIT_HAS_GENERATION)
	if given.generation != nil {
		c.manager_generation = C.uint64_t(*given.generation)
	}
	c.view_len = C.size_t(len(given.view))
}

func fillView(tips []C.lnkeep_channel_tip, known View) {
	i := 0
	for channel, updateID := range known {
		copyBytes(&tips[i].channel_id, channel[:])
		tips[i].update_id = C.uint64_t(updateID)
		i++
	}
}

// cMonitorsCommit lends the manager where it lies: it may have many megabytes.
func cMonitorsCommit(handle uint64, given *commitment) (Committed, error) {
	var pinned runtime.Pinner
	defer pinned.Unpin()
	var c C.lnkeep_monitors_commit
	fillCommit(&c, given)
	if len(given.manager) > 0 {
		pinned.Pin(unsafe.SliceData(given.manager))
		c.manager = view(given.manager)
	}
	if len(given.view) > 0 {
		tips := make([]C.lnkeep_channel_tip, len(given.view))
		fillView(tips, given.view)
		pinned.Pin(&tips[0])
		c.view = &tips[0]
	}
	var done C.lnkeep_monitors_committed
	done.size = C.sizeof_lnkeep_monitors_committed
	detail := newError()
	status := C.lnkeep_monitors_commit_captured(cMonitors(handle), &c, &done, &detail)
	if err := check("commit", status, &detail); err != nil {
		return Committed{}, err
	}
	return Committed{
		CommitSequence: uint64(done.commit_sequence),
		Applied:        uint64(done.applied),
		NeedSnapshot:   uint64(done.need_snapshot),
	}, nil
}

// commitBytes is what encodeCommit takes up in an arena.
func commitBytes(given *commitment) uintptr {
	return aligned(C.sizeof_lnkeep_monitors_commit) + aligned(len(given.manager)) +
		aligned(len(given.view)*C.sizeof_lnkeep_channel_tip)
}

// encodeCommit puts a commit into an arena, as an operation of a submission.
func encodeCommit(a *arena, given *commitment) *C.lnkeep_monitors_commit {
	c := (*C.lnkeep_monitors_commit)(a.take(C.sizeof_lnkeep_monitors_commit))
	fillCommit(c, given)
	c.manager = a.lend(given.manager)
	if len(given.view) > 0 {
		c.view = (*C.lnkeep_channel_tip)(a.take(uintptr(len(given.view)) * C.sizeof_lnkeep_channel_tip))
		fillView(unsafe.Slice(c.view, len(given.view)), given.view)
	}
	return c
}

func cMonitorsCheckManager(handle, generation uint64) (ManagerRelation, error) {
	var relation C.uint32_t
	detail := newError()
	status := C.lnkeep_monitors_check_manager(cMonitors(handle), C.uint64_t(generation), &relation, &detail)
	return ManagerRelation(relation), check("check_manager", status, &detail)
}

func cMonitorsPurge(handle uint64, channel ChannelID) (uint64, error) {
	var sequence C.uint64_t
	detail := newError()
	status := C.lnkeep_monitors_purge(cMonitors(handle), channelBytes(&channel), &sequence, &detail)
	return uint64(sequence), check("purge", status, &detail)
}

func cMonitorsCompletions(handle uint64, n int) ([]Completion, error) {
	// Taken by steps: most calls find few, and a thousand take 48 KiB.
	var buffer [64]C.lnkeep_monitor_completion
	var all []Completion
	for len(all) < n {
		want := min(n-len(all), len(buffer))
		var taken C.size_t
		detail := newError()
		status := C.lnkeep_monitors_completions(cMonitors(handle), &buffer[0], C.size_t(want), &taken, &detail)
		if err := check("completions", status, &detail); err != nil {
			return all, err
		}
		for i := range buffer[:taken] {
			all = append(all, completionOf(&buffer[i]))
		}
		if int(taken) < want {
			break
		}
	}
	return all, nil
}

func completionOf(c *C.lnkeep_monitor_completion) Completion {
	return Completion{
		Channel:  *(*ChannelID)(unsafe.Pointer(&c.channel_id)),
		UpdateID: uint64(c.update_id),
		Kind:     CompletionKind(c.kind),
	}
}

func cMonitorsTakeOutputs(handle uint64, n int) ([]Output, error) {
	var found *C.lnkeep_outputs
	detail := newError()
	status := C.lnkeep_monitors_take_outputs(cMonitors(handle), C.size_t(n), &found, &detail)
	if err := check("take_outputs", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_outputs_free(found)
	var taken []Output
	for i := range uintptr(found.outputs_len) {
		// A later library may have longer outputs: the stride is its own.
		face := (*C.lnkeep_output)(unsafe.Add(unsafe.Pointer(found.outputs), i*uintptr(found.stride)))
		taken = append(taken, Output{
			ID: uint64(face.output_id), Tag: uint64(face.tag), Payload: bytesOf(&face.payload),
		})
	}
	return taken, nil
}

func cMonitorsAcknowledge(handle, outputID uint64) error {
	detail := newError()
	status := C.lnkeep_monitors_acknowledge(cMonitors(handle), C.uint64_t(outputID), &detail)
	return check("acknowledge", status, &detail)
}
