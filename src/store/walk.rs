//! Reads LMDB's pages as bytes: bounds-checked, over pread, never mapping. It can neither crash nor be
//! crashed by a damaged file.
//!
//! W1 a file is opened by LMDB only after both meta pages read well here and the file is as long as the
//!    newer one says: LMDB itself answers a truncated file with SIGBUS.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Error, Result, Status};

const MAGIC: u32 = 0xbeef_c0de;
const DATA_VERSION: u32 = 1;
const PAGE_FLAG_META: u16 = 0x08;
/// Page header and meta record of a 64-bit little-endian LMDB 0.9 file.
const META_BYTES: usize = 152;
const PAGE_BYTES_MIN: u32 = 256;
const PAGE_BYTES_MAX: u32 = 65_536;

/// One meta page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MetaPage {
    pub(crate) page_bytes: u32,
    pub(crate) last_page: u64,
    pub(crate) transaction: u64,
}

/// Checks what LMDB takes on trust, and answers the newer meta page.
pub(crate) fn preflight(data_file: &Path) -> Result<MetaPage> {
    let file =
        File::open(data_file).map_err(|error| Error::io(Status::Io, &error, "opening data.mdb"))?;
    let length = file
        .metadata()
        .map_err(|error| Error::io(Status::Io, &error, "reading the length of data.mdb"))?
        .len();
    let first = read_meta(&file, 0)?;
    let second = read_meta(&file, u64::from(first.page_bytes))?;
    if second.page_bytes != first.page_bytes {
        return Err(damaged(format!(
            "its meta pages disagree about the page size ({} and {})",
            first.page_bytes, second.page_bytes
        )));
    }
    let newer = if second.transaction > first.transaction { second } else { first };
    let needed = newer
        .last_page
        .checked_add(1)
        .and_then(|pages| pages.checked_mul(u64::from(newer.page_bytes)));
    match needed {
        Some(needed) if needed <= length => Ok(newer),
        _ => Err(damaged(format!(
            "it has {length} bytes and its last page is number {}; it was truncated",
            newer.last_page
        ))),
    }
}

fn read_meta(file: &File, offset: u64) -> Result<MetaPage> {
    let mut bytes = [0; META_BYTES];
    file.read_exact_at(&mut bytes, offset)
        .map_err(|_| damaged(format!("the meta page at byte {offset} is missing")))?;
    parse_meta(&bytes)
        .ok_or_else(|| damaged(format!("the meta page at byte {offset} is not an LMDB meta page")))
}

fn parse_meta(bytes: &[u8; META_BYTES]) -> Option<MetaPage> {
    let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
    let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
    let page_bytes = u32_at(40);
    let well_formed = u16_at(10) & PAGE_FLAG_META != 0
        && u32_at(16) == MAGIC
        && u32_at(20) == DATA_VERSION
        && page_bytes.is_power_of_two()
        && (PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&page_bytes);
    well_formed.then(|| MetaPage { page_bytes, last_page: u64_at(136), transaction: u64_at(144) })
}

fn damaged(what: String) -> Error {
    Error::new(
        Status::CorruptStore,
        format!("data.mdb is damaged: {what}; nothing was changed, restore a backup"),
    )
}
