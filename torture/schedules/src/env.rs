//! Rows in memory in place of LMDB, behind the same functions. A transaction sees one commit; a commit is one
//! step, with a place before it and after it where other threads go on.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::tables::{TABLES, Table};
use crate::error::{Error, Result, Status};

/// What the engine answers, as far as callers tell cases apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)] // memory meets fewer errors than files
pub(crate) enum EngineError {
    MapFull,
    ReadersFull,
    Corrupted(i32),
    Code(i32),
    Closed,
}

impl EngineError {
    pub(crate) fn os_errno(self) -> i32 {
        match self {
            EngineError::Code(code) => code,
            _ => 0,
        }
    }

    pub(crate) fn at_the_end(self) -> Error {
        self.into()
    }
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Error {
        let status = match error {
            EngineError::MapFull => Status::NoSpace,
            EngineError::ReadersFull => Status::Busy,
            EngineError::Corrupted(_) => Status::CorruptStore,
            EngineError::Code(_) => Status::Io,
            EngineError::Closed => Status::Closed,
        };
        Error::os(status, error.os_errno(), error.to_string())
    }
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Everything of one commit.
pub(crate) type Image = Arc<Vec<Arc<Rows>>>;

/// One open environment.
pub(crate) struct Env {
    open: RwLock<bool>,
    committed: Mutex<Image>,
}

/// Figures of a file that never grows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EnvFacts {
    pub(crate) map_bytes: u64,
    pub(crate) pages_used: u64,
    pub(crate) readers: u32,
    pub(crate) page_bytes: u64,
}

/// How many rows a table has, and how deep it is.
#[allow(non_camel_case_types)]
pub(crate) struct Stat {
    pub(crate) ms_entries: usize,
    pub(crate) ms_depth: u32,
}

impl Env {
    pub(crate) fn of_image(image: Image) -> Env {
        Env { open: RwLock::new(true), committed: Mutex::new(image) }
    }

    pub(crate) fn empty() -> Image {
        Arc::new((0..TABLES).map(|_| Arc::default()).collect())
    }

    /// What the last commit left: what a crash at this moment would leave.
    pub(crate) fn image(&self) -> Image {
        Arc::clone(&self.committed.lock())
    }

    pub(crate) fn create(_directory: &Path, _map_bytes: u64) -> Result<Env> {
        Ok(Env::of_image(Env::empty()))
    }

    pub(crate) fn open(_directory: &Path, _map_bytes: u64) -> Result<Env> {
        Ok(Env::of_image(Env::empty()))
    }

    fn guard(&self) -> Result<RwLockReadGuard<'_, bool>, EngineError> {
        let guard = self.open.read();
        if *guard { Ok(guard) } else { Err(EngineError::Closed) }
    }

    pub(crate) fn read(&self) -> Result<ReadTxn<'_>, EngineError> {
        let _guard = self.guard()?;
        Ok(ReadTxn { snapshot: Snapshot { tables: self.image() }, _guard })
    }

    pub(crate) fn write(&self) -> Result<WriteTxn<'_>, EngineError> {
        let _guard = self.guard()?;
        Ok(WriteTxn { env: self, snapshot: Snapshot { tables: self.image() }, _guard })
    }

    pub(crate) fn grow(&self, _map_bytes: u64) -> Result<(), EngineError> {
        Ok(())
    }

    pub(crate) fn copy_compacted(&self, _to: &File) -> Result<(), EngineError> {
        Err(EngineError::Code(libc::ENOSYS))
    }

    pub(crate) fn free_pages(&self) -> u64 {
        0
    }

    pub(crate) fn clear_stale_readers(&self) -> Result<u64, EngineError> {
        Ok(0)
    }

    pub(crate) fn allocate(&self, _from: u64, _to: u64) -> std::io::Result<()> {
        Ok(())
    }

    pub(crate) fn facts(&self) -> Result<EnvFacts, EngineError> {
        let _guard = self.guard()?;
        Ok(EnvFacts { map_bytes: 1 << 30, pages_used: 16, readers: 0, page_bytes: 4_096 })
    }

    pub(crate) fn oldest_read_ns(&self) -> u64 {
        0
    }

    /// Waits for running transactions. Later calls answer `Closed`.
    pub(crate) fn close(&self) {
        *self.open.write() = false;
    }
}

/// What both kinds of transaction can read.
pub(crate) struct Snapshot {
    tables: Image,
}

impl Snapshot {
    fn table(&self, table: Table) -> &Rows {
        &self.tables[table as usize]
    }

    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, EngineError> {
        Ok(self.table(table).get(key).map(Vec::as_slice))
    }

    pub(crate) fn scan(
        &self,
        table: Table,
        from: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), EngineError> {
        let bounds = (Bound::Included(from), Bound::Unbounded);
        for (key, row) in self.table(table).range::<[u8], _>(bounds) {
            if !visit(key, row) {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn scan_back(
        &self,
        table: Table,
        before: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), EngineError> {
        let bounds = (Bound::Unbounded, Bound::Excluded(before));
        for (key, row) in self.table(table).range::<[u8], _>(bounds).rev() {
            if !visit(key, row) {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn pages_of(&self, table: Table) -> Result<u64, EngineError> {
        Ok(self.table(table).len() as u64)
    }

    pub(crate) fn last_key(&self, table: Table) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.table(table).keys().next_back().cloned())
    }

    pub(crate) fn stat(&self, table: Table) -> Result<Stat, EngineError> {
        let rows = self.table(table).len();
        Ok(Stat { ms_entries: rows, ms_depth: u32::from(rows != 0) })
    }
}

/// A read of one commit.
pub(crate) struct ReadTxn<'env> {
    snapshot: Snapshot,
    _guard: RwLockReadGuard<'env, bool>,
}

impl std::ops::Deref for ReadTxn<'_> {
    type Target = Snapshot;
    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

/// The write transaction.
pub(crate) struct WriteTxn<'env> {
    env: &'env Env,
    snapshot: Snapshot,
    _guard: RwLockReadGuard<'env, bool>,
}

impl std::ops::Deref for WriteTxn<'_> {
    type Target = Snapshot;
    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl WriteTxn<'_> {
    fn change(&mut self, table: Table) -> &mut Rows {
        Arc::make_mut(&mut Arc::make_mut(&mut self.snapshot.tables)[table as usize])
    }

    pub(crate) fn depth_max(&self) -> Result<u64, EngineError> {
        Ok(1)
    }

    pub(crate) fn insert(
        &mut self,
        table: Table,
        key: &[u8],
        row: &[u8],
    ) -> Result<Option<&[u8]>, EngineError> {
        if self.table(table).contains_key(key) {
            return self.get(table, key);
        }
        self.put(table, key, row)?;
        Ok(None)
    }

    pub(crate) fn put(&mut self, table: Table, key: &[u8], row: &[u8]) -> Result<(), EngineError> {
        self.change(table).insert(key.to_vec(), row.to_vec());
        Ok(())
    }

    pub(crate) fn append(
        &mut self,
        table: Table,
        key: &[u8],
        row: &[u8],
    ) -> Result<(), EngineError> {
        self.put(table, key, row)
    }

    pub(crate) fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), EngineError> {
        self.change(table).remove(key);
        Ok(())
    }

    pub(crate) fn commit(self) -> Result<(), EngineError> {
        std::thread::yield_now();
        *self.env.committed.lock() = self.snapshot.tables;
        Ok(())
    }
}
