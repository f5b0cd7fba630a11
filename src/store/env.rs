//! The only file that names lmdb. It fences off what lmdb-rkv leaves open and nothing else: no rules, no
//! records.
//!
//! L1 no iterator, no DUPSORT, no nested transaction, no cursor kept across a write, no `MDB_RESERVE`.
//! L2 nothing mapped leaves a transaction: callers copy inside [`Snapshot::get`]'s borrow.
//! L3 the map is only replaced while no transaction of this process is running.
//! L4 flags are exactly NO_TLS | NO_READAHEAD. NO_TLS lets a read transaction change threads and leaves no
//!    thread destructor behind after dlclose.
//! L5 a read transaction ends inside one call of the library.
//! Called by `store` alone.

use std::ffi::c_uint;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use lmdb::{Environment, EnvironmentFlags};
use lmdb_sys as ffi;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::tables::{SPECS, TABLES, Table};
use crate::error::{Error, Result, Status};
use crate::limits::READERS_MAX;
use crate::os;

/// What LMDB answered, as far as callers tell cases apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineError {
    MapFull,
    ReadersFull,
    /// LMDB found its own pages inconsistent.
    Corrupted(i32),
    /// Positive numbers are the operating system's, negative ones LMDB's.
    Code(i32),
    Closed,
}

impl EngineError {
    fn of(code: i32) -> EngineError {
        match code {
            ffi::MDB_MAP_FULL => EngineError::MapFull,
            ffi::MDB_READERS_FULL => EngineError::ReadersFull,
            ffi::MDB_CORRUPTED | ffi::MDB_PAGE_NOTFOUND | ffi::MDB_INVALID => {
                EngineError::Corrupted(code)
            }
            code => EngineError::Code(code),
        }
    }

    pub(crate) fn os_errno(self) -> i32 {
        match self {
            EngineError::Code(code) if code > 0 => code,
            _ => 0,
        }
    }

    /// As it is after a commit, or where the store cannot go on: nothing says that a repetition is safe.
    pub(crate) fn at_the_end(self) -> Error {
        self.with_status(match self {
            EngineError::MapFull => Status::NoSpace,
            EngineError::ReadersFull => Status::Busy,
            EngineError::Corrupted(_) => Status::CorruptStore,
            EngineError::Code(_) => Status::Io,
            EngineError::Closed => Status::Closed,
        })
    }

    fn with_status(self, status: Status) -> Error {
        Error::os(status, self.os_errno(), self.to_string())
    }
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EngineError::MapFull => f.write_str("the map is full"),
            EngineError::ReadersFull => f.write_str("every reader slot is taken"),
            EngineError::Corrupted(code) => write!(f, "LMDB found damaged pages, error {code}"),
            EngineError::Code(code @ 1..) => {
                write!(f, "{}", std::io::Error::from_raw_os_error(*code))
            }
            EngineError::Code(code) => write!(f, "LMDB error {code}"),
            EngineError::Closed => f.write_str("the store is closed"),
        }
    }
}

impl From<EngineError> for Error {
    /// As those see it who can repeat what they did: reads, and writes without a commit. LMDB without memory
    /// for a page has ended the transaction, and nothing else.
    fn from(error: EngineError) -> Error {
        match error {
            EngineError::Code(libc::ENOMEM) => error.with_status(Status::Busy),
            error => error.at_the_end(),
        }
    }
}

fn check(code: i32) -> Result<(), EngineError> {
    if code == 0 { Ok(()) } else { Err(EngineError::of(code)) }
}

/// The engine's version that the bundled lmdb-rkv-sys carries; another one means another LMDB was linked in.
const ENGINE_VERSION: (i32, i32, i32) = (0, 9, 24);

fn check_engine_version() -> Result<()> {
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: three writable integers; the returned string is static and not used.
    unsafe { ffi::mdb_version(&mut major, &mut minor, &mut patch) };
    if (major, minor, patch) == ENGINE_VERSION {
        return Ok(());
    }
    Err(Error::new(
        Status::WrongEngine,
        format!(
            "LMDB {major}.{minor}.{patch} is linked instead of the bundled 0.9.24; link liblnkeep.so"
        ),
    ))
}

struct Open {
    environment: ManuallyDrop<Environment>,
    databases: [ffi::MDB_dbi; TABLES],
    descriptor: RawFd,
}

impl Drop for Open {
    fn drop(&mut self) {
        // A forked child must not touch the locks it shares with its parent.
        if !os::is_forked_child() {
            // SAFETY: dropped once, here; every transaction ended before `Open` was taken out of its lock.
            unsafe { ManuallyDrop::drop(&mut self.environment) };
        }
    }
}

/// A reset read transaction waiting for its next use, with its place in the table of ages.
struct Idle {
    txn: *mut ffi::MDB_txn,
    place: usize,
}

// SAFETY: with NO_TLS a reset read transaction belongs to no thread; LMDB allows renewing it on any.
unsafe impl Send for Idle {}

/// One open environment.
pub(crate) struct Env {
    open: RwLock<Option<Open>>,
    idle: Mutex<Vec<Idle>>,
    /// When each running read began, in nanoseconds after `born`; 0 for a place that rests.
    read_started_ns: Box<[AtomicU64]>,
    places_used: AtomicU64,
    born: Instant,
}

/// Figures LMDB keeps about a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EnvFacts {
    pub(crate) map_bytes: u64,
    pub(crate) pages_used: u64,
    pub(crate) readers: u32,
    pub(crate) page_bytes: u64,
}

impl Env {
    /// Makes the files and every table in an empty directory.
    pub(crate) fn create(directory: &Path, map_bytes: u64) -> Result<Env> {
        Env::open_with(directory, map_bytes, ffi::MDB_CREATE)
    }

    /// Opens files that are there; writes nothing.
    pub(crate) fn open(directory: &Path, map_bytes: u64) -> Result<Env> {
        Env::open_with(directory, map_bytes, 0)
    }

    fn open_with(directory: &Path, map_bytes: u64, table_flags: c_uint) -> Result<Env> {
        check_engine_version()?;
        allocate_lock_file(directory)?;
        let map_bytes = usize::try_from(map_bytes).map_err(|_| {
            Error::new(Status::InvalidArgument, "map size exceeds the address space")
        })?;
        let environment = Environment::new()
            .set_flags(EnvironmentFlags::NO_TLS | EnvironmentFlags::NO_READAHEAD)
            .set_max_readers(READERS_MAX)
            .set_max_dbs(TABLES as c_uint)
            .set_map_size(map_bytes)
            .open_with_permissions(directory, 0o600)
            .map_err(|error| open_error(&error))?;
        let mut descriptor: RawFd = -1;
        // SAFETY: the environment is open; LMDB writes one descriptor.
        check(unsafe { ffi::mdb_env_get_fd(environment.env(), &mut descriptor) })?;
        os::set_close_on_exec(descriptor)
            .map_err(|error| Error::io(Status::Io, &error, "setting close-on-exec"))?;
        let databases = open_tables(&environment, table_flags)?;
        let environment = ManuallyDrop::new(environment);
        let env = Env {
            open: RwLock::new(Some(Open { environment, databases, descriptor })),
            idle: Mutex::new(Vec::new()),
            read_started_ns: (0..READERS_MAX).map(|_| AtomicU64::new(0)).collect(),
            places_used: AtomicU64::new(0),
            born: Instant::now(),
        };
        env.clear_stale_readers()?;
        Ok(env)
    }

    /// Starts a read of the newest commit.
    pub(crate) fn read(&self) -> Result<ReadTxn<'_>, EngineError> {
        let guard = self.open.read();
        let open = guard.as_ref().ok_or(EngineError::Closed)?;
        let idle = match self.idle.lock().pop() {
            Some(idle) => renew(idle)?,
            None => self.begin_read(open)?,
        };
        let snapshot = Snapshot { txn: idle.txn, databases: open.databases };
        self.read_started_ns[idle.place].store(self.age_ns().max(1), Ordering::Relaxed);
        Ok(ReadTxn { env: self, place: idle.place, snapshot, _guard: guard })
    }

    fn begin_read(&self, open: &Open) -> Result<Idle, EngineError> {
        let place = self.places_used.fetch_add(1, Ordering::Relaxed) as usize;
        if place >= self.read_started_ns.len() {
            self.places_used.fetch_sub(1, Ordering::Relaxed);
            return Err(EngineError::ReadersFull);
        }
        let mut txn = ptr::null_mut();
        // SAFETY: the environment is open and stays so while the guard lives.
        let code = unsafe {
            ffi::mdb_txn_begin(open.environment.env(), ptr::null_mut(), ffi::MDB_RDONLY, &mut txn)
        };
        match check(code) {
            Ok(()) => Ok(Idle { txn, place }),
            Err(error) => {
                self.places_used.fetch_sub(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// Starts the write transaction. Only the store's writer thread and `open` call this.
    pub(crate) fn write(&self) -> Result<WriteTxn<'_>, EngineError> {
        let guard = self.open.read();
        let open = guard.as_ref().ok_or(EngineError::Closed)?;
        let mut txn = ptr::null_mut();
        // SAFETY: the environment is open and stays so while the guard lives.
        check(unsafe { ffi::mdb_txn_begin(open.environment.env(), ptr::null_mut(), 0, &mut txn) })?;
        let snapshot = Snapshot { txn, databases: open.databases };
        Ok(WriteTxn { snapshot, ended: false, _guard: guard })
    }

    /// Replaces the map by a larger one. Waits for every running read, which are all short (L5). When it
    /// fails the environment has no map any more and is closed.
    pub(crate) fn grow(&self, map_bytes: u64) -> Result<(), EngineError> {
        let mut guard = self.open.write();
        let open = guard.as_ref().ok_or(EngineError::Closed)?;
        let bytes = usize::try_from(map_bytes).map_err(|_| EngineError::MapFull)?;
        // SAFETY: the exclusive guard proves that no transaction of this process is running; resting read
        // transactions hold no mapped pointer.
        let grown = check(unsafe { ffi::mdb_env_set_mapsize(open.environment.env(), bytes) });
        if grown.is_err() {
            self.abort_idle();
            drop(guard.take());
        }
        grown
    }

    /// Writes the newest commit to an empty file, without free pages. Readers and the writer go on; only a
    /// growth of the map waits (L3). Nothing is flushed.
    pub(crate) fn copy_compacted(&self, to: &File) -> Result<(), EngineError> {
        let guard = self.open.read();
        let open = guard.as_ref().ok_or(EngineError::Closed)?;
        // SAFETY: the environment is open and stays so while the guard lives; the descriptor is open.
        check(unsafe {
            ffi::mdb_env_copyfd2(open.environment.env(), to.as_raw_fd(), ffi::MDB_CP_COMPACT)
        })
    }

    /// Pages inside the file that no table uses.
    pub(crate) fn free_pages(&self) -> u64 {
        let guard = self.open.read();
        let free = guard.as_ref().and_then(|open| open.environment.freelist().ok());
        free.map_or(0, |pages| pages as u64)
    }

    fn abort_idle(&self) {
        for idle in self.idle.lock().drain(..) {
            if !os::is_forked_child() {
                // SAFETY: a resting read transaction of this environment, aborted once.
                unsafe { ffi::mdb_txn_abort(idle.txn) };
            }
        }
    }

    /// Frees the reader slots of processes that died.
    pub(crate) fn clear_stale_readers(&self) -> Result<u64, EngineError> {
        let guard = self.open.read();
        let open = guard.as_ref().ok_or(EngineError::Closed)?;
        let mut dead = 0;
        // SAFETY: the environment is open; LMDB writes one integer.
        check(unsafe { ffi::mdb_reader_check(open.environment.env(), &mut dead) })?;
        Ok(u64::try_from(dead).unwrap_or(0))
    }

    /// Makes sure that the file's first `to` bytes are backed by disk space.
    pub(crate) fn allocate(&self, from: u64, to: u64) -> std::io::Result<()> {
        let guard = self.open.read();
        match guard.as_ref() {
            Some(open) => os::allocate(open.descriptor, from, to),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        }
    }

    /// Current figures. Takes no reader slot, so that the writer never depends on one.
    pub(crate) fn facts(&self) -> Result<EnvFacts, EngineError> {
        let guard = self.open.read();
        let open = guard.as_ref().ok_or(EngineError::Closed)?;
        let info = open.environment.info().map_err(|_| EngineError::Closed)?;
        let stat = open.environment.stat().map_err(|_| EngineError::Closed)?;
        Ok(EnvFacts {
            map_bytes: info.map_size() as u64,
            pages_used: info.last_pgno() as u64 + 1,
            readers: info.num_readers(),
            page_bytes: u64::from(stat.page_size()),
        })
    }

    /// How long the oldest running read has lasted, 0 without one.
    pub(crate) fn oldest_read_ns(&self) -> u64 {
        let now = self.age_ns();
        let starts = self.read_started_ns.iter().map(|start| start.load(Ordering::Relaxed));
        starts.filter(|start| *start != 0).map(|start| now.saturating_sub(start)).max().unwrap_or(0)
    }

    /// Waits for running transactions, then closes the files. Later calls answer `Closed`.
    pub(crate) fn close(&self) {
        let mut guard = self.open.write();
        let Some(open) = guard.take() else { return };
        self.abort_idle();
        drop(open);
    }

    fn age_ns(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Drop for Env {
    fn drop(&mut self) {
        self.close();
    }
}

/// LMDB writes its lock file through a shared map, where a full disk would end the process by SIGBUS: the
/// file gets its blocks before. Bytes for every reader slot and the head before them.
fn allocate_lock_file(directory: &Path) -> Result<()> {
    const LOCK_BYTES: u64 = READERS_MAX as u64 * 64 + 4096;
    let file = os::open_for_writing(&directory.join("lock.mdb"))
        .map_err(|error| Error::io(Status::Io, &error, "opening lock.mdb"))?;
    os::allocate(file.as_raw_fd(), 0, LOCK_BYTES)
        .map_err(|error| os::space_error(&error, "allocating lock.mdb"))
}

fn open_error(error: &lmdb::Error) -> Error {
    match error {
        lmdb::Error::Invalid | lmdb::Error::VersionMismatch | lmdb::Error::Corrupted => {
            Error::new(Status::CorruptStore, format!("LMDB cannot read the file: {error}"))
        }
        lmdb::Error::Other(code) => {
            Error::os(Status::Io, *code, format!("LMDB cannot open the files: {error}"))
        }
        error => Error::new(Status::Io, format!("LMDB cannot open the files: {error}")),
    }
}

fn open_tables(environment: &Environment, flags: c_uint) -> Result<[ffi::MDB_dbi; TABLES]> {
    let mut txn = ptr::null_mut();
    // SAFETY: the environment is open and no other thread knows it yet.
    check(unsafe { ffi::mdb_txn_begin(environment.env(), ptr::null_mut(), 0, &mut txn) })?;
    let mut databases = [0; TABLES];
    for (spec, database) in SPECS.iter().zip(&mut databases) {
        let name = std::ffi::CString::new(spec.name).unwrap_or_default();
        // SAFETY: the transaction is running, the name NUL-terminated, the handle writable.
        let code = unsafe { ffi::mdb_dbi_open(txn, name.as_ptr(), flags, database) };
        if let Err(error) = check(code) {
            // SAFETY: the transaction is running and ends here.
            unsafe { ffi::mdb_txn_abort(txn) };
            if code == ffi::MDB_NOTFOUND {
                let message = format!("table {} is missing; restore a backup", spec.name);
                return Err(Error::new(Status::CorruptStore, message));
            }
            return Err(error.into());
        }
    }
    // SAFETY: the transaction is running and ends here, whatever the answer.
    check(unsafe { ffi::mdb_txn_commit(txn) })?;
    Ok(databases)
}

fn renew(idle: Idle) -> Result<Idle, EngineError> {
    // SAFETY: a resting read transaction of an open environment.
    let code = unsafe { ffi::mdb_txn_renew(idle.txn) };
    if let Err(error) = check(code) {
        // SAFETY: renewing failed, so the transaction is still ours to abort. Its place in the table of
        // ages is given up with it; such failures end the store.
        unsafe { ffi::mdb_txn_abort(idle.txn) };
        return Err(error);
    }
    Ok(idle)
}

/// What both kinds of transaction can read.
pub(crate) struct Snapshot {
    txn: *mut ffi::MDB_txn,
    databases: [ffi::MDB_dbi; TABLES],
}

impl Snapshot {
    fn database(&self, table: Table) -> ffi::MDB_dbi {
        self.databases[table as usize]
    }

    /// The row of a key; it stays valid until the next write of this transaction or its end.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, EngineError> {
        let mut key = borrowed(key);
        let mut row = nothing();
        // SAFETY: the transaction is running; LMDB only reads the key and points `row` into the map or at a
        // dirty page, both of which live as long as the returned borrow.
        let code = unsafe { ffi::mdb_get(self.txn, self.database(table), &mut key, &mut row) };
        if code == ffi::MDB_NOTFOUND {
            return Ok(None);
        }
        check(code)?;
        // SAFETY: as above.
        Ok(Some(unsafe { bytes_of(&row) }))
    }

    /// Visits rows in key order from the first key at or after `from`, until `visit` answers false.
    pub(crate) fn scan(
        &self,
        table: Table,
        from: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), EngineError> {
        let cursor = self.cursor(table)?;
        let mut key = borrowed(from);
        let mut row = nothing();
        let first = if from.is_empty() { ffi::MDB_FIRST } else { ffi::MDB_SET_RANGE };
        let mut code = cursor.get(&mut key, &mut row, first);
        while code == 0 {
            // SAFETY: LMDB pointed both at the row under the cursor; `visit` copies what it keeps.
            let more = unsafe { visit(bytes_of(&key), bytes_of(&row)) };
            if !more {
                return Ok(());
            }
            code = cursor.get(&mut key, &mut row, ffi::MDB_NEXT);
        }
        if code == ffi::MDB_NOTFOUND { Ok(()) } else { check(code) }
    }

    /// Visits rows against the key order from the last key below `before`, until `visit` answers false.
    pub(crate) fn scan_back(
        &self,
        table: Table,
        before: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), EngineError> {
        let cursor = self.cursor(table)?;
        let mut key = borrowed(before);
        let mut row = nothing();
        let beyond = cursor.get(&mut key, &mut row, ffi::MDB_SET_RANGE) == ffi::MDB_NOTFOUND;
        let first = if beyond { ffi::MDB_LAST } else { ffi::MDB_PREV };
        let mut code = cursor.get(&mut key, &mut row, first);
        while code == 0 {
            // SAFETY: LMDB pointed both at the row under the cursor; `visit` copies what it keeps.
            let more = unsafe { visit(bytes_of(&key), bytes_of(&row)) };
            if !more {
                return Ok(());
            }
            code = cursor.get(&mut key, &mut row, ffi::MDB_PREV);
        }
        if code == ffi::MDB_NOTFOUND { Ok(()) } else { check(code) }
    }

    /// Pages that a table takes.
    pub(crate) fn pages_of(&self, table: Table) -> Result<u64, EngineError> {
        let stat = self.stat(table)?;
        Ok((stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) as u64)
    }

    /// The greatest key of a table.
    pub(crate) fn last_key(&self, table: Table) -> Result<Option<Vec<u8>>, EngineError> {
        let cursor = self.cursor(table)?;
        let (mut key, mut row) = (nothing(), nothing());
        match cursor.get(&mut key, &mut row, ffi::MDB_LAST) {
            ffi::MDB_NOTFOUND => Ok(None),
            code => {
                check(code)?;
                // SAFETY: LMDB pointed at the key under the cursor, which is copied at once.
                Ok(Some(unsafe { bytes_of(&key) }.to_vec()))
            }
        }
    }

    pub(crate) fn stat(&self, table: Table) -> Result<ffi::MDB_stat, EngineError> {
        // SAFETY: an all-zero stat is valid storage that LMDB overwrites.
        let mut stat: ffi::MDB_stat = unsafe { std::mem::zeroed() };
        // SAFETY: the transaction is running.
        check(unsafe { ffi::mdb_stat(self.txn, self.database(table), &mut stat) })?;
        Ok(stat)
    }

    fn cursor(&self, table: Table) -> Result<Cursor<'_>, EngineError> {
        let mut cursor = ptr::null_mut();
        // SAFETY: the transaction is running and outlives the cursor by its lifetime.
        check(unsafe { ffi::mdb_cursor_open(self.txn, self.database(table), &mut cursor) })?;
        Ok(Cursor { cursor, _snapshot: self })
    }
}

struct Cursor<'txn> {
    cursor: *mut ffi::MDB_cursor,
    _snapshot: &'txn Snapshot,
}

impl Cursor<'_> {
    fn get(&self, key: &mut ffi::MDB_val, row: &mut ffi::MDB_val, op: u32) -> i32 {
        // SAFETY: the cursor is open and its transaction running.
        unsafe { ffi::mdb_cursor_get(self.cursor, key, row, op) }
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        // SAFETY: opened by `Snapshot::cursor`, closed once, before its transaction ends.
        unsafe { ffi::mdb_cursor_close(self.cursor) };
    }
}

/// A read of one commit.
pub(crate) struct ReadTxn<'env> {
    env: &'env Env,
    place: usize,
    snapshot: Snapshot,
    _guard: RwLockReadGuard<'env, Option<Open>>,
}

impl std::ops::Deref for ReadTxn<'_> {
    type Target = Snapshot;
    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl Drop for ReadTxn<'_> {
    fn drop(&mut self) {
        // SAFETY: a running read transaction; reset keeps its slot and lets go of its pages.
        unsafe { ffi::mdb_txn_reset(self.snapshot.txn) };
        self.env.read_started_ns[self.place].store(0, Ordering::Relaxed);
        self.env.idle.lock().push(Idle { txn: self.snapshot.txn, place: self.place });
    }
}

/// The write transaction: begun, used and ended inside one function of the writer thread.
pub(crate) struct WriteTxn<'env> {
    snapshot: Snapshot,
    ended: bool,
    _guard: RwLockReadGuard<'env, Option<Open>>,
}

impl std::ops::Deref for WriteTxn<'_> {
    type Target = Snapshot;
    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl WriteTxn<'_> {
    /// Depth of the deepest table.
    pub(crate) fn depth_max(&self) -> Result<u64, EngineError> {
        let mut depth_max = 1;
        for spec in &SPECS {
            depth_max = depth_max.max(u64::from(self.stat(spec.table)?.ms_depth));
        }
        Ok(depth_max)
    }

    /// Writes a row that is not there yet, or answers the row that is. One descent of the tree serves both.
    pub(crate) fn insert(
        &mut self,
        table: Table,
        key: &[u8],
        row: &[u8],
    ) -> Result<Option<&[u8]>, EngineError> {
        let mut key = borrowed(key);
        let mut value = borrowed(row);
        // SAFETY: the transaction is running; LMDB reads key and row, and on MDB_KEYEXIST points `value` at
        // the row that is there, which lives until the next write.
        let code = unsafe {
            ffi::mdb_put(
                self.snapshot.txn,
                self.database(table),
                &mut key,
                &mut value,
                ffi::MDB_NOOVERWRITE,
            )
        };
        if code == ffi::MDB_KEYEXIST {
            // SAFETY: as above.
            return Ok(Some(unsafe { bytes_of(&value) }));
        }
        check(code).map(|()| None)
    }

    pub(crate) fn put(&mut self, table: Table, key: &[u8], row: &[u8]) -> Result<(), EngineError> {
        self.put_with(table, key, row, 0)
    }

    /// Writes a row whose key is greater than every other; fills pages to the end.
    pub(crate) fn append(
        &mut self,
        table: Table,
        key: &[u8],
        row: &[u8],
    ) -> Result<(), EngineError> {
        self.put_with(table, key, row, ffi::MDB_APPEND)
    }

    fn put_with(
        &mut self,
        table: Table,
        key: &[u8],
        row: &[u8],
        flags: c_uint,
    ) -> Result<(), EngineError> {
        let mut key = borrowed(key);
        let mut row = borrowed(row);
        // SAFETY: the transaction is running; without MDB_RESERVE LMDB only reads key and row.
        check(unsafe {
            ffi::mdb_put(self.snapshot.txn, self.database(table), &mut key, &mut row, flags)
        })
    }

    /// Removes a row that is there.
    pub(crate) fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), EngineError> {
        let mut key = borrowed(key);
        // SAFETY: the transaction is running; LMDB only reads the key.
        check(unsafe {
            ffi::mdb_del(self.snapshot.txn, self.database(table), &mut key, ptr::null_mut())
        })
    }

    /// Makes everything durable. After an error the outcome is unknown.
    pub(crate) fn commit(mut self) -> Result<(), EngineError> {
        self.ended = true;
        // SAFETY: the transaction is running and ends here, whatever the answer.
        check(unsafe { ffi::mdb_txn_commit(self.snapshot.txn) })
    }
}

impl Drop for WriteTxn<'_> {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: the transaction is running and ends here.
            unsafe { ffi::mdb_txn_abort(self.snapshot.txn) };
        }
    }
}

fn borrowed(bytes: &[u8]) -> ffi::MDB_val {
    ffi::MDB_val { mv_size: bytes.len(), mv_data: bytes.as_ptr().cast_mut().cast() }
}

fn nothing() -> ffi::MDB_val {
    ffi::MDB_val { mv_size: 0, mv_data: ptr::null_mut() }
}

/// # Safety
/// LMDB filled `value`, and its transaction outlives `'a` without a write.
unsafe fn bytes_of<'a>(value: &ffi::MDB_val) -> &'a [u8] {
    if value.mv_size == 0 {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { std::slice::from_raw_parts(value.mv_data.cast(), value.mv_size) }
}
