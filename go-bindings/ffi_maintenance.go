package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

func cCheck(path string) (*CheckReport, error) {
	var found *C.lnkeep_check_report
	detail := newError()
	status := C.lnkeep_check(cPath(path), &found, &detail)
	return checked("check", status, found, &detail)
}

func cStoreBackup(handle uint64, path string) (*CheckReport, error) {
	var found *C.lnkeep_check_report
	detail := newError()
	status := C.lnkeep_store_backup(cStore(handle), cPath(path), &found, &detail)
	return checked("backup", status, found, &detail)
}

func cStoreRestore(backup, directory string, o RestoreOptions) (*CheckReport, error) {
	var found *C.lnkeep_check_report
	detail := newError()
	status := C.lnkeep_store_restore(cPath(backup), cPath(directory),
		flag(o.AnyFileSystem, C.LNKEEP_STORE_ANY_FILE_SYSTEM), &found, &detail)
	return checked("restore", status, found, &detail)
}

// cPath is a text that ends in 0.
func cPath(path string) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.SliceData(append([]byte(path), 0))))
}

// checked copies the report of a call and frees it.
func checked(
	op string, status C.lnkeep_status, found *C.lnkeep_check_report, detail *C.lnkeep_error,
) (*CheckReport, error) {
	defer C.lnkeep_check_report_free(found)
	if err := check(op, status, detail); err != nil {
		return nil, err
	}
	return checkReportOf(found), nil
}

func checkReportOf(c *C.lnkeep_check_report) *CheckReport {
	report := &CheckReport{
		Truncated:    c.flags&C.LNKEEP_CHECK_TRUNCATED != 0,
		Unusable:     c.flags&C.LNKEEP_CHECK_UNUSABLE != 0,
		Live:         c.flags&C.LNKEEP_CHECK_LIVE != 0,
		EndedCleanly: c.flags&C.LNKEEP_CHECK_ENDED_CLEANLY != 0,
		Copied:       c.flags&C.LNKEEP_CHECK_COPIED != 0,
		Restored:     c.flags&C.LNKEEP_CHECK_RESTORED != 0,
		Epoch:        uint64(c.epoch),
		StoreID:      *(*StoreID)(unsafe.Pointer(&c.store_id)),
		CommitNumber: uint64(c.commit_number),
		Rows:         uint64(c.rows),
		Pages:        uint64(c.pages),
		PageBytes:    uint64(c.page_bytes),
		FileBytes:    uint64(c.file_bytes),
		BlockHeight:  uint32(c.block_height),
		Time:         timeOf(uint64(c.unix_ms)),
	}
	// A later library may have longer findings: the stride is its own.
	for i := range uintptr(c.findings_len) {
		finding := unsafe.Add(unsafe.Pointer(c.findings), i*uintptr(c.stride))
		report.Findings = append(report.Findings, findingOf((*C.lnkeep_finding)(finding)))
	}
	return report
}

func findingOf(c *C.lnkeep_finding) Finding {
	return Finding{
		Page:    uint64(c.page),
		Table:   C.GoString(c.table),
		Key:     bytesOf(&c.key),
		Fault:   C.GoString(c.fault),
		RowOnly: c.flags&C.LNKEEP_FINDING_ROW_ONLY != 0,
	}
}
