//! Check, backup and restore of whole stores.

use std::ffi::{CString, c_char};

use super::args::{self, Output};
use super::guard::guarded_done;
use super::handle;
use super::status::lnkeep_status;
use super::types::{LNKEEP_STORE_ANY_FILE_SYSTEM, lnkeep_bytes, lnkeep_error, lnkeep_store};
use crate::maintenance;
use crate::store::{CheckReport, Finding, RestoreOptions};

/// Only this row is damaged: the store can be opened, and reading the row answers LNKEEP_CORRUPT_RECORD.
pub const LNKEEP_FINDING_ROW_ONLY: u32 = 1;

/// One thing that a check found wrong.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_finding {
    /// Page of the file it was found on, 0 when it concerns the file or a table as a whole.
    pub page: u64,
    /// Name of the table, as docs/format.md lists them; empty when it concerns none. Never NULL.
    pub table: *const c_char,
    /// Key of the row, empty when it concerns none.
    pub key: lnkeep_bytes,
    /// What is wrong, one line of text. Never NULL.
    pub fault: *const c_char,
    /// Bits of LNKEEP_FINDING_*.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

/// The store was open while it was checked, here or in another process.
pub const LNKEEP_CHECK_LIVE: u32 = 1;
/// The last holder closed the store; never set while it is open.
pub const LNKEEP_CHECK_ENDED_CLEANLY: u32 = 2;
/// More is wrong than the list holds.
pub const LNKEEP_CHECK_TRUNCATED: u32 = 4;
/// An open refuses the file: more than single rows is damaged.
pub const LNKEEP_CHECK_UNUSABLE: u32 = 8;
/// The files were restored, and no floor was acknowledged since.
pub const LNKEEP_CHECK_RESTORED: u32 = 16;
/// The files are a copy, and no floor was acknowledged since.
pub const LNKEEP_CHECK_COPIED: u32 = 32;

/// What a check found: one allocation, freed by lnkeep_check_report_free. Figures that a damaged file does
/// not give are 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_check_report {
    /// sizeof(lnkeep_check_report) of the library.
    pub size: usize,
    /// Bytes from one finding to the next: step by this, not by sizeof(lnkeep_finding).
    pub stride: usize,
    /// What is wrong; nothing is wrong with a sound store.
    pub findings: *const lnkeep_finding,
    /// Number of findings, at most 1,000.
    pub findings_len: usize,
    /// Bits of LNKEEP_CHECK_*.
    pub flags: u32,
    /// Block height the host last told.
    pub block_height: u32,
    /// Time the host last told, milliseconds since 1970.
    pub unix_ms: u64,
    /// Identity of the store.
    pub store_id: [u8; 16],
    /// Epoch of the last open.
    pub epoch: u64,
    /// Number of the last commit.
    pub commit_number: u64,
    /// Rows of all tables.
    pub rows: u64,
    /// Pages in use or free inside the file.
    pub pages: u64,
    /// Bytes of one page.
    pub page_bytes: u64,
    /// Length of the file, space allocated ahead included.
    pub file_bytes: u64,
}

/// A report handed to C with the memory its pointers lead to; the structure comes first.
#[repr(C)]
struct OwnedReport {
    face: lnkeep_check_report,
    findings: Vec<lnkeep_finding>,
    texts: Vec<[CString; 2]>,
    source: Vec<Finding>,
}

fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

fn c_finding(finding: &Finding, texts: &[CString; 2]) -> lnkeep_finding {
    let [table, fault] = texts;
    lnkeep_finding {
        page: finding.page,
        table: table.as_ptr(),
        key: lnkeep_bytes { ptr: args::first(&finding.key), len: finding.key.len() },
        fault: fault.as_ptr(),
        flags: if finding.row_only { LNKEEP_FINDING_ROW_ONLY } else { 0 },
        reserved: 0,
    }
}

fn owned_report(report: CheckReport) -> *mut lnkeep_check_report {
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    let flags = bit(report.live, LNKEEP_CHECK_LIVE)
        | bit(report.ended_cleanly, LNKEEP_CHECK_ENDED_CLEANLY)
        | bit(report.truncated, LNKEEP_CHECK_TRUNCATED)
        | bit(!report.can_be_opened(), LNKEEP_CHECK_UNUSABLE)
        | bit(report.restored, LNKEEP_CHECK_RESTORED)
        | bit(report.copied, LNKEEP_CHECK_COPIED);
    let texts: Vec<[CString; 2]> = report
        .findings
        .iter()
        .map(|finding| [c_text(finding.table), c_text(&finding.fault)])
        .collect();
    let findings: Vec<lnkeep_finding> = report
        .findings
        .iter()
        .zip(&texts)
        .map(|(finding, texts)| c_finding(finding, texts))
        .collect();
    let face = lnkeep_check_report {
        size: std::mem::size_of::<lnkeep_check_report>(),
        stride: std::mem::size_of::<lnkeep_finding>(),
        findings: args::first(&findings),
        findings_len: findings.len(),
        flags,
        block_height: report.clock.block_height,
        unix_ms: report.clock.unix_ms,
        store_id: report.store_id,
        epoch: report.epoch,
        commit_number: report.commit_number,
        rows: report.rows,
        pages: report.pages,
        page_bytes: report.page_bytes,
        file_bytes: report.file_bytes,
    };
    let owned = OwnedReport { face, findings, texts, source: report.findings };
    debug_assert_eq!(owned.findings.len(), owned.source.len());
    debug_assert_eq!(owned.texts.len(), owned.source.len());
    Box::into_raw(Box::new(owned)).cast()
}

/// Checks the store in a directory, or a backup file: every page, tree, free page, checksum, order, count
/// and digest, and what rows say about each other.
///
/// The file may be damaged in any way: it is read, never mapped. Nothing is written and no lock is taken, so
/// a store that is open, here or in another process, can be checked and goes on. A growth of the map of a
/// store that is open here waits for it, and calls for the growth.
///
/// Returns: LNKEEP_DONE when it could be looked at, whatever was found: read the report. LNKEEP_NOT_FOUND,
///   LNKEEP_IO, LNKEEP_FORMAT_TOO_NEW; LNKEEP_BUSY without memory for the walk, or when another process
///   commits too fast for it, then check in that process; LNKEEP_INVALID_ARGUMENT, LNKEEP_FORKED.
/// In: path, of the store's directory or of a backup.
/// Out: report.
/// Ownership: free the report with lnkeep_check_report_free; everything it points to lives as long as it.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_check(
    path: *const c_char,
    report: *mut *mut lnkeep_check_report,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(report, "report")?;
            let found = maintenance::check(args::path(path, "path")?)?;
            output.set(owned_report(found));
            Ok(())
        })
    }
}

/// Frees a report. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_check_report_free(report: *mut lnkeep_check_report) {
    if !report.is_null() {
        // SAFETY: made by `owned_report` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(report.cast::<OwnedReport>()) });
    }
}

/// Writes the newest commit of an open store to a new file: flushed, checked, without free pages, mode 0600.
///
/// Reads and commits go on meanwhile, but that a growth of the map waits for it, and calls for the growth.
/// The file appears under its name only when it is whole; until then it lies in a directory path +
/// ".partial-" + eight digits, which a crash leaves behind for you to remove. It holds failure messages and
/// preimages: keep it as you keep the store. Put in place of a store's file by whatever means, it comes up
/// as a copy.
///
/// Returns: LNKEEP_DONE; LNKEEP_TARGET_EXISTS, nothing is overwritten; LNKEEP_NO_SPACE; LNKEEP_IO;
///   LNKEEP_NOT_FOUND when the directory of path is missing; LNKEEP_UNSAFE_PLACE when it cannot be written to
///   or is the store's own; LNKEEP_CORRUPT_STORE when the copy does not check; LNKEEP_BUSY without memory to
///   check it; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED, LNKEEP_FORKED.
///   Without LNKEEP_DONE there is no new file.
/// In: path, of the file to make.
/// Out: report, of a check of the new file; NULL when it is not wanted. Damaged single rows are copied as
///   they are and are findings.
/// Durable: file and directory, when it returns LNKEEP_DONE.
/// Ownership: free the report with lnkeep_check_report_free.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_store_backup(
    store: lnkeep_store,
    path: *const c_char,
    report: *mut *mut lnkeep_check_report,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(report, "report")?;
            let path = args::path(path, "path")?;
            let found =
                handle::with_store(store.bits, |object| maintenance::backup(&object.store, path))?;
            output.set_with(|| owned_report(found));
            Ok(())
        })
    }
}

/// Makes a store of a backup, in a directory that holds none; the directory is made when it is missing.
///
/// The next open reports LNKEEP_REPORT_RESTORED: new attempts are refused until
/// lnkeep_attempts_acknowledge_restore gave an id floor, because a newer store, now lost, may have used ids
/// that the backup does not know. The backup stays as it is.
///
/// Returns: LNKEEP_DONE; LNKEEP_TARGET_EXISTS when the directory holds a store; LNKEEP_CORRUPT_STORE when
///   the backup's structure is damaged; LNKEEP_LOCKED when backup is a store that is open; LNKEEP_NOT_FOUND,
///   LNKEEP_UNSAFE_PLACE, LNKEEP_FORMAT_TOO_NEW, LNKEEP_NO_SPACE, LNKEEP_IO, LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_FORKED; LNKEEP_BUSY without memory to check it. Without LNKEEP_DONE there is no store in the
///   directory, or, when its last flush failed, one that is marked as restored.
/// In: backup, path of the file, or of the directory of a closed store; directory, of the store to make;
///   flags, 0 or LNKEEP_STORE_ANY_FILE_SYSTEM.
/// Out: report, of a check of the backup; NULL when it is not wanted.
/// Durable: files and directory, when it returns LNKEEP_DONE.
/// Ownership: free the report with lnkeep_check_report_free.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_store_restore(
    backup: *const c_char,
    directory: *const c_char,
    flags: u32,
    report: *mut *mut lnkeep_check_report,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(report, "report")?;
            args::flags(flags, LNKEEP_STORE_ANY_FILE_SYSTEM, "flags")?;
            let backup = args::path(backup, "backup")?;
            let directory = args::path(directory, "directory")?;
            let options =
                RestoreOptions { any_file_system: flags & LNKEEP_STORE_ANY_FILE_SYSTEM != 0 };
            let found = maintenance::restore(backup, directory, options)?;
            output.set_with(|| owned_report(found));
            Ok(())
        })
    }
}
