package lnkeep

// #include <lnkeep.h>
import "C"

import (
	"time"
	"unsafe"
)

func cStoreOpen(path string, options *StoreOptions) (uint64, Report, error) {
	given := storeOptions(options)
	var opened C.lnkeep_store
	var found C.lnkeep_store_report
	found.size = C.sizeof_lnkeep_store_report
	detail := newError()
	status := C.lnkeep_store_open(cPath(path), &given, &opened, &found, &detail)
	if err := check("open", status, &detail); err != nil {
		return 0, Report{}, err
	}
	return uint64(opened.bits), reportOf(&found), nil
}

func storeOptions(o *StoreOptions) (c C.lnkeep_store_options) {
	c.size = C.sizeof_lnkeep_store_options
	c.abi_version = C.LNKEEP_ABI_VERSION
	c.flags = flag(o.MustExist, C.LNKEEP_STORE_MUST_EXIST) |
		flag(o.AnyFileSystem, C.LNKEEP_STORE_ANY_FILE_SYSTEM) |
		flag(o.LNDCompat, C.LNKEEP_STORE_LND_COMPAT) |
		flag(o.Convert, C.LNKEEP_STORE_CONVERT) |
		flag(o.Verify, C.LNKEEP_STORE_VERIFY) |
		flag(o.Compact, C.LNKEEP_STORE_COMPACT) |
		flag(o.ExpectedStoreID != nil, C.LNKEEP_STORE_EXPECT_ID) |
		flag(o.Seed != nil, C.LNKEEP_STORE_SEEDED) |
		flag(o.Events != DefaultEvents, C.LNKEEP_STORE_EVENT_KINDS)
	c.epoch_min = C.uint64_t(o.EpochMin)
	c.map_bytes_max = C.uint64_t(o.MapBytesMax)
	c.map_bytes = C.uint64_t(o.MapBytes)
	c.queue_operations_max = C.uint64_t(o.QueueOperationsMax)
	c.event_kinds = C.uint64_t(o.Events &^ NoEvents)
	c.events_bytes_max = C.uint64_t(o.EventsBytesMax)
	age, _ := seconds(o.EventsAgeMax)
	c.events_age_max_secs = C.uint64_t(age)
	if o.ExpectedStoreID != nil {
		copyBytes(&c.expected_store_id, o.ExpectedStoreID[:])
	}
	if o.Seed != nil {
		copyBytes(&c.seed, o.Seed[:])
	}
	return c
}

func reportOf(c *C.lnkeep_store_report) Report {
	return Report{
		Epoch:       uint64(c.epoch),
		StoreID:     *(*StoreID)(unsafe.Pointer(&c.store_id)),
		Created:     c.flags&C.LNKEEP_REPORT_CREATED != 0,
		Unclean:     c.flags&C.LNKEEP_REPORT_UNCLEAN != 0,
		Copied:      c.flags&C.LNKEEP_REPORT_COPIED != 0,
		Restored:    c.flags&C.LNKEEP_REPORT_RESTORED != 0,
		Tmpfs:       c.flags&C.LNKEEP_REPORT_TMPFS != 0,
		Overlay:     c.flags&C.LNKEEP_REPORT_OVERLAY != 0,
		Compacted:   c.flags&C.LNKEEP_REPORT_COMPACTED != 0,
		BlockHeight: uint32(c.block_height),
		Time:        timeOf(uint64(c.unix_ms)),
	}
}

func cStoreClose(handle uint64) error {
	s, detail := cStore(handle), newError()
	return check("close", C.lnkeep_store_close(&s, &detail), &detail)
}

func cStoreIsOpen(handle uint64) bool { return C.lnkeep_store_is_open(cStore(handle)) != 0 }

func cStoreTick(handle, unixMilli uint64, blockHeight uint32) error {
	detail := newError()
	status := C.lnkeep_store_tick(cStore(handle), C.uint64_t(unixMilli), C.uint32_t(blockHeight), &detail)
	return check("tick", status, &detail)
}

func cStoreSync(handle uint64) error {
	detail := newError()
	return check("sync", C.lnkeep_store_sync(cStore(handle), &detail), &detail)
}

func cStoreStats(handle uint64) (Stats, error) {
	var c C.lnkeep_stats
	c.size = C.sizeof_lnkeep_stats
	detail := newError()
	if err := check("stats", C.lnkeep_store_stats(cStore(handle), &c, &detail), &detail); err != nil {
		return Stats{}, err
	}
	return Stats{
		Commits:             uint64(c.commits),
		Operations:          uint64(c.operations),
		OperationsRefused:   uint64(c.operations_refused),
		CommitP50:           time.Duration(c.commit_p50_ns),
		CommitP99:           time.Duration(c.commit_p99_ns),
		CommitMax:           time.Duration(c.commit_max_ns),
		QueueDepth:          uint64(c.queue_depth),
		PagesUsed:           uint64(c.pages_used),
		PageBytes:           uint64(c.page_bytes),
		AllocatedBytes:      uint64(c.allocated_bytes),
		MapBytes:            uint64(c.map_bytes),
		MapBytesMax:         uint64(c.map_bytes_max),
		Readers:             uint64(c.readers),
		OldestRead:          time.Duration(c.oldest_read_ns),
		MapGrowths:          uint64(c.map_growths),
		StaleReadersCleared: uint64(c.stale_readers_cleared),
		CommitNumber:        uint64(c.commit_number),
		NoSpace:             c.flags&C.LNKEEP_STATS_NO_SPACE != 0,
		MapNearlyFull:       c.flags&C.LNKEEP_STATS_MAP_NEARLY_FULL != 0,
	}, nil
}
