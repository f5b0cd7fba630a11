//! Looks at a store's file as it is: closed, open in this process, open in another one, or damaged.
//!
//! J1 a check writes nothing and takes no lock, so that no store fails to open because of it.
//! J2 the pages of a store that is open here are kept from reuse by a read transaction; the commits of
//! another process are watched instead: a page freed by commit n is written again by commit n + 2 at the
//! earliest, so what was walked counts while no second commit came in between.
//! Called by `maintenance` with what the components know of their rows.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::Core;
use super::page_file::{PageFile, Unreadable};
use super::walk::{self, Finding, References, Walked};
use crate::error::{Error, Result, Status};
use crate::os::{self, FileIdentity};
use crate::types::Clock;

/// How often a store that another process changes is walked again.
const TRIES: usize = 8;

static OPEN_STORES: Mutex<Vec<Weak<Core>>> = Mutex::new(Vec::new());

/// Makes an open store known to the checks of this process.
pub(super) fn register(core: &Arc<Core>) {
    let mut stores = OPEN_STORES.lock();
    stores.retain(|store| store.strong_count() != 0);
    stores.push(Arc::downgrade(core));
}

fn open_here(file: &Path) -> Option<Arc<Core>> {
    let identity = FileIdentity::of(file).ok()?;
    let stores = OPEN_STORES.lock();
    stores.iter().filter_map(Weak::upgrade).find(|core| core.identity == identity)
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// What is wrong; empty for a sound store.
    pub findings: Vec<Finding>,
    /// There was more wrong than the list holds.
    pub truncated: bool,
    /// The store was open while it was checked.
    pub live: bool,
    /// The last holder closed the store. False while it is open.
    pub ended_cleanly: bool,
    /// The files were restored and that was not acknowledged yet.
    pub restored: bool,
    /// The files are a copy and that was not acknowledged yet.
    pub copied: bool,
    /// Identity of the store, zeros when the meta row is unreadable.
    pub store_id: [u8; 16],
    /// Epoch of the last open.
    pub epoch: u64,
    /// Number of the last commit.
    pub commit_number: u64,
    /// The last time that the host told.
    pub clock: Clock,
    /// Rows of all tables.
    pub rows: u64,
    /// Pages in use or free inside the file.
    pub pages: u64,
    /// Bytes of one page.
    pub page_bytes: u64,
    /// Length of the file, space allocated ahead included.
    pub file_bytes: u64,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether an open accepts the file: at most single rows are damaged.
    pub fn can_be_opened(&self) -> bool {
        self.findings.iter().all(|finding| finding.row_only)
    }

    pub(crate) fn refuse(&self) -> Result<()> {
        walk::refuse(&self.findings)
    }

    fn of_walk(pages: &PageFile, walked: Walked, live: bool) -> CheckReport {
        let meta = walked.meta;
        let heads = walked.heads.unwrap_or_default();
        let is = |fact: fn(&super::meta::Meta) -> bool| meta.as_ref().is_some_and(fact);
        CheckReport {
            live,
            truncated: walked.more,
            ended_cleanly: is(|meta| meta.clean),
            restored: is(|meta| meta.restored),
            copied: is(|meta| meta.copied),
            store_id: meta.as_ref().map_or([0; 16], |meta| meta.store_id),
            epoch: meta.as_ref().map_or(0, |meta| meta.epoch),
            commit_number: heads.commit_number,
            clock: heads.clock,
            rows: walked.rows,
            pages: pages.meta().last_page.saturating_add(1),
            page_bytes: u64::from(pages.meta().page_bytes),
            file_bytes: pages.bytes(),
            findings: walked.findings,
        }
    }

    fn of_unreadable(fault: String) -> CheckReport {
        let table = "";
        CheckReport {
            findings: vec![Finding { page: 0, table, key: Vec::new(), fault, row_only: false }],
            truncated: false,
            live: false,
            ended_cleanly: false,
            restored: false,
            copied: false,
            store_id: [0; 16],
            epoch: 0,
            commit_number: 0,
            clock: Clock::default(),
            rows: 0,
            pages: 0,
            page_bytes: 0,
            file_bytes: 0,
        }
    }
}

/// The data file of a store's directory, or the path itself: a backup is one file.
pub(super) fn data_file(path: &Path) -> Result<PathBuf> {
    let resolved = std::fs::canonicalize(path).map_err(|error| {
        let status = match error.kind() {
            std::io::ErrorKind::NotFound => Status::NotFound,
            _ => Status::Io,
        };
        Error::io(status, &error, &format!("looking for {}", path.display()))
    })?;
    Ok(if resolved.is_dir() { resolved.join(super::place::DATA_FILE) } else { resolved })
}

/// Checks the store in a directory, or a backup of one.
///
/// # Errors
/// `NotFound`; `Io`; `FormatTooNew`; `Busy` when another process changes the store faster than it can be
/// walked.
pub(crate) fn check(
    path: &Path,
    references: &dyn Fn() -> Box<dyn References>,
) -> Result<CheckReport> {
    let file = data_file(path)?;
    let here = open_here(&file);
    // A store that was closed or poisoned meanwhile gives no pin and makes no commits.
    let pin = here.as_ref().and_then(|core| core.env.read().ok());
    for _ in 0..TRIES {
        let pages = match PageFile::open(&file) {
            Ok(pages) => pages,
            Err(Unreadable::Io(error)) => return Err(error),
            Err(Unreadable::Damaged(fault)) => return Ok(CheckReport::of_unreadable(fault)),
        };
        if let Err(error) = walk::stored_meta(&pages)
            && error.status() == Status::FormatTooNew
        {
            return Err(error);
        }
        let live = pin.is_some() || os::is_locked(pages.file()).unwrap_or(false);
        let walked = walk::walk(&pages, references().as_mut())?;
        if pin.is_some() || is_unchanged(&pages) {
            return Ok(CheckReport::of_walk(&pages, walked, live));
        }
    }
    Err(Error::new(
        Status::Busy,
        format!(
            "{} changes faster than it can be walked; check it in the process that has it open",
            file.display()
        ),
    ))
}

/// Keeps J2 for a store that this process does not have open.
fn is_unchanged(pages: &PageFile) -> bool {
    let walked = pages.meta().transaction;
    match pages.newest_transaction() {
        Some(newest) => newest <= walked.saturating_add(1),
        // Damaged meanwhile, by whomever: what was walked is no longer what is there.
        None => false,
    }
}
