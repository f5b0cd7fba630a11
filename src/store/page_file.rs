//! A store's data file as pages: the newest meta page, and any page by its number, over pread.
//!
//! T1 both meta pages read well and the file is as long as the newer one says, or the file is refused: LMDB
//! itself answers a truncated file with SIGBUS; and the meta pages are those of two successive commits.
//! T2 a meta page counts only when two readings agree, so that one caught in the middle of a commit is not
//! taken for damage. T3 nothing is mapped, nothing is written.
//! Called by `walk`, `check` and `copy`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::pages::{META_BYTES, MetaPage};
use crate::error::{Error, Result, Status};
use crate::os;

/// How often meta pages are read again while a commit changes them.
const TRIES: usize = 100;

/// Why a file has no pages to look at.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The operating system refused.
    Io(Error),
    /// The bytes are not those of a store.
    Damaged(String),
}

impl From<Unreadable> for Error {
    fn from(unreadable: Unreadable) -> Error {
        match unreadable {
            Unreadable::Io(error) => error,
            Unreadable::Damaged(what) => damaged(&what),
        }
    }
}

/// The error of a file that must not be opened.
pub(crate) fn damaged(what: &str) -> Error {
    Error::new(
        Status::CorruptStore,
        format!("data.mdb is damaged: {what}; nothing was changed, restore a backup"),
    )
}

/// A data file and the newest commit in it.
#[derive(Debug)]
pub(crate) struct PageFile {
    file: File,
    bytes: u64,
    meta: MetaPage,
}

impl PageFile {
    /// Opens a file for reading and checks what LMDB takes on trust (T1).
    pub(crate) fn open(path: &Path) -> Result<PageFile, Unreadable> {
        let io = |error: std::io::Error, doing: &str| {
            let status = match error.kind() {
                std::io::ErrorKind::NotFound => Status::NotFound,
                _ => Status::Io,
            };
            Unreadable::Io(Error::io(status, &error, doing))
        };
        let file = os::open_for_reading(path).map_err(|error| io(error, "opening data.mdb"))?;
        let facts = |file: &File| {
            file.metadata().map_err(|error| io(error, "reading the length of data.mdb"))
        };
        if !facts(&file)?.is_file() {
            return Err(Unreadable::Damaged("it is not a file".to_owned()));
        }
        let meta = newest(&file)?;
        // After the meta pages: the file of a store that is open grows before they say so.
        let bytes = facts(&file)?.len();
        let needed = meta
            .last_page
            .checked_add(1)
            .and_then(|pages| pages.checked_mul(u64::from(meta.page_bytes)));
        match needed {
            Some(needed) if needed <= bytes => Ok(PageFile { file, bytes, meta }),
            _ => Err(Unreadable::Damaged(format!(
                "it has {bytes} bytes and its last page is number {}; it was truncated",
                meta.last_page
            ))),
        }
    }

    pub(crate) fn meta(&self) -> &MetaPage {
        &self.meta
    }

    /// Bytes up to the last page in use or free.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.meta.last_page.saturating_add(1).saturating_mul(u64::from(self.meta.page_bytes))
    }

    /// Length of the file, which may exceed its pages.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Fills `buffer` with the pages from `number` on.
    pub(crate) fn read(&self, number: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let offset = number.checked_mul(u64::from(self.meta.page_bytes));
        match offset {
            Some(offset) => self.file.read_exact_at(buffer, offset),
            None => Err(std::io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Number of the newest commit now, which another process may have raised since the open.
    pub(crate) fn newest_transaction(&self) -> Option<u64> {
        newest(&self.file).ok().map(|meta| meta.transaction)
    }
}

fn newest(file: &File) -> Result<MetaPage, Unreadable> {
    let mut last = both(file)?;
    for _ in 0..TRIES {
        let again = both(file)?;
        if again == last {
            break;
        }
        last = again;
    }
    last.map_err(Unreadable::Damaged).and_then(|[first, second]| {
        if second.page_bytes != first.page_bytes {
            return Err(Unreadable::Damaged(format!(
                "its meta pages disagree about the page size ({} and {})",
                first.page_bytes, second.page_bytes
            )));
        }
        // Commit n writes the meta page n modulo 2. What is not one after the other was damaged, and LMDB
        // would go back to the older one without a word.
        let apart = first.transaction.abs_diff(second.transaction);
        let follow = first.transaction % 2 == 0 && second.transaction % 2 == 1 && apart == 1;
        if !follow && (first.transaction, second.transaction) != (0, 0) {
            return Err(Unreadable::Damaged(format!(
                "its meta pages are of commits {} and {}, which do not follow each other",
                first.transaction, second.transaction
            )));
        }
        Ok(if second.transaction > first.transaction { second } else { first })
    })
}

type Pair = [MetaPage; 2];

fn both(file: &File) -> Result<Result<Pair, String>, Unreadable> {
    let first = match read_meta(file, 0)? {
        Ok(first) => first,
        Err(fault) => return Ok(Err(fault)),
    };
    Ok(read_meta(file, u64::from(first.page_bytes))?.map(|second| [first, second]))
}

fn read_meta(file: &File, offset: u64) -> Result<Result<MetaPage, String>, Unreadable> {
    let mut bytes = [0; META_BYTES];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Ok(Err(format!("the meta page at byte {offset} is missing")));
        }
        Err(error) => {
            return Err(Unreadable::Io(Error::io(Status::Io, &error, "reading a meta page")));
        }
    }
    let parsed = MetaPage::parse(&bytes);
    Ok(parsed.ok_or_else(|| format!("the meta page at byte {offset} is not an LMDB meta page")))
}
