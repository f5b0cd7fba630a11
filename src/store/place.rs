//! Where a store may live, and how its directory and files come to be.
//!
//! P1 a directory others may write to, or with a file of the store that others may write to, or one on a
//! network file system, is refused before anything is written. P2 the files appear under their final name
//! only after their first commit is durable: a crash during creation leaves nothing that looks like a store,
//! and whoever opens what a crash left flushes the names first.
//! P3 a directory that lost its data file, or that a restore began to fill, is refused: an empty store in
//! its place would forget every attempt.
//! P4 one file has one owner, whatever names it has.
//! P5 an older data file put in place of a newer one is noticed by what `owner.lock` remembers, and so is a
//! data file that somebody wrote to since it was closed.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use super::bytes::Reader;
use crate::error::{Error, Result, Status};
use crate::os::{self, FileIdentity, FileLock, FileSystem};

pub(super) const DATA_FILE: &str = "data.mdb";
const LOCK_FILE: &str = "lock.mdb";
const OWNER_FILE: &str = "owner.lock";
const CREATION_DIRECTORY: &str = "creating";

/// A directory claimed by this process.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) file_system: FileSystem,
    owner: FileLock,
    /// Held on the data file itself, so that another name of it is no way around the owner's lock.
    data: Option<FileLock>,
}

impl Place {
    /// Makes the directory if needed, checks it, and takes the owner's lock.
    pub(crate) fn claim(path: &Path, any_file_system: bool) -> Result<Place> {
        make_directory(path)?;
        let directory = fs::canonicalize(path)
            .map_err(|error| Error::io(Status::Io, &error, "resolving the store's directory"))?;
        refuse_unsafe(&directory)?;
        let file_system = FileSystem::of(&directory)
            .map_err(|error| Error::io(Status::Io, &error, "asking for the file system"))?;
        if file_system == FileSystem::Remote && !any_file_system {
            return Err(Error::new(
                Status::UnsafePlace,
                format!(
                    "{} lies on a network or FUSE file system, which may lose flushed data; use a local disk",
                    directory.display()
                ),
            ));
        }
        for name in [OWNER_FILE, DATA_FILE, LOCK_FILE] {
            refuse_unsafe_file(&directory.join(name))?;
        }
        let owner = FileLock::acquire(&directory.join(OWNER_FILE))
            .map_err(|error| Error::io(Status::Io, &error, "locking owner.lock"))?;
        let Some(owner) = owner else {
            return Err(Error::new(
                Status::Locked,
                format!("{} is open in this or another process", directory.display()),
            ));
        };
        Ok(Place { directory, file_system, owner, data: None })
    }

    pub(crate) fn data_file(&self) -> PathBuf {
        self.directory.join(DATA_FILE)
    }

    /// Whether the directory has a data file.
    pub(crate) fn holds_data(&self) -> Result<bool> {
        is_there(&self.data_file())
    }

    /// Whether files have to be created. Refuses a directory that has lost them.
    pub(crate) fn is_new(&self) -> Result<bool> {
        if self.holds_data()? {
            return Ok(false);
        }
        if is_there(&self.directory.join(LOCK_FILE))? || self.remembered()?.is_some() {
            return Err(Error::new(
                Status::CorruptStore,
                format!(
                    "{} held a store whose data.mdb is missing; restore a backup, or use another directory",
                    self.directory.display()
                ),
            ));
        }
        Ok(true)
    }

    /// Locks the data file and answers which file it is.
    pub(crate) fn lock_data(&mut self) -> Result<FileIdentity> {
        let io = |error: std::io::Error| Error::io(Status::Io, &error, "locking data.mdb");
        let Some(data) = FileLock::acquire(&self.data_file()).map_err(io)? else {
            return Err(Error::new(Status::Locked, "data.mdb is open under another name"));
        };
        if !data.is_only_name().map_err(io)? {
            return Err(Error::new(
                Status::UnsafePlace,
                "data.mdb is not a plain file with one name; a second name would be a second owner",
            ));
        }
        self.data = Some(data);
        self.data_identity()
    }

    /// Store id and epoch of the last open in this directory, if it is known.
    pub(crate) fn remembered(&self) -> Result<Option<([u8; 16], u64)>> {
        let bytes = self
            .owner
            .read(OWNER_BYTES)
            .map_err(|error| Error::io(Status::Io, &error, "reading owner.lock"))?;
        Ok(decode_owner(&bytes))
    }

    /// Records durably who was opened here, so that an older data file in its place is noticed.
    pub(crate) fn remember(&self, store_id: [u8; 16], epoch: u64) -> Result<()> {
        self.owner
            .write(&encode_owner(store_id, epoch))
            .map_err(|error| os::space_error(&error, "writing owner.lock"))
    }

    /// Which file the data file is.
    pub(crate) fn data_identity(&self) -> Result<FileIdentity> {
        FileIdentity::of(&self.data_file())
            .map_err(|error| Error::io(Status::Io, &error, "looking at data.mdb"))
    }

    /// Records that the data file was closed as it is now. Not flushed: without it the next open walks.
    pub(crate) fn stamp(&self) -> std::io::Result<()> {
        match &self.data {
            Some(data) => {
                self.owner.file().write_all_at(&encode_stamp(data.change_stamp()?), STAMP_AT)
            }
            None => Ok(()),
        }
    }

    /// Whether nobody wrote to the data file since it was closed here.
    pub(crate) fn is_untouched(&self) -> bool {
        let Some(Ok(now)) = self.data.as_ref().map(FileLock::change_stamp) else { return false };
        let mut stamp = [0; STAMP_BYTES];
        let read = self.owner.file().read_exact_at(&mut stamp, STAMP_AT);
        read.is_ok() && stamp == encode_stamp(now)
    }

    /// Makes the files by running `fill` in a directory aside, then moves them into place (P2).
    pub(crate) fn create(&self, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let aside = self.make_aside()?;
        let filled = fill(&aside);
        if filled.is_err() {
            self.remove_aside()?;
            return filled;
        }
        os::rename_to_new(&aside.join(DATA_FILE), &self.data_file())
            .map_err(|error| Error::io(Status::Io, &error, "renaming data.mdb"))?;
        self.sync()?;
        self.sync_own_name()?;
        // What cannot be removed now is removed by the next open.
        self.remove_aside().unwrap_or_default();
        Ok(())
    }

    /// Ends a creation or compaction that was interrupted. It may have been killed between giving data.mdb
    /// its name and flushing it, so the names are flushed before what tells of it is removed.
    pub(crate) fn finish_interrupted(&self) -> Result<()> {
        if !is_there(&self.aside())? {
            return Ok(());
        }
        self.sync()?;
        self.sync_own_name()?;
        self.remove_aside()
    }

    /// The directory may be that of an earlier open, which was killed before it flushed the name.
    fn sync_own_name(&self) -> Result<()> {
        let Some(parent) = self.directory.parent() else { return Ok(()) };
        match os::sync_directory(parent) {
            // Whoever made it for us flushed it, or nobody can: we may not look, or it is on a file system
            // that is only read.
            Err(error) if is_not_ours_to_flush(error.kind()) => Ok(()),
            flushed => flushed
                .map_err(|error| Error::io(Status::Io, &error, "flushing the parent directory")),
        }
    }

    /// Replaces the data file by the one that `fill` makes in a directory aside, and holds its lock.
    pub(crate) fn replace(&mut self, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let aside = self.make_aside()?;
        let filled = fill(&aside);
        if filled.is_err() {
            self.remove_aside()?;
            return filled;
        }
        let io =
            |doing: &'static str| move |error: std::io::Error| Error::io(Status::Io, &error, doing);
        let new = aside.join(DATA_FILE);
        let lock = FileLock::acquire(&new).map_err(io("locking the new data.mdb"))?;
        fs::rename(&new, self.data_file()).map_err(io("renaming data.mdb"))?;
        self.data = lock;
        self.sync()?;
        self.remove_aside()
    }

    fn make_aside(&self) -> Result<PathBuf> {
        self.remove_aside()?;
        let aside = self.aside();
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&aside)
            .map_err(|error| os::space_error(&error, "making a directory"))?;
        Ok(aside)
    }

    fn aside(&self) -> PathBuf {
        self.directory.join(CREATION_DIRECTORY)
    }

    fn remove_aside(&self) -> Result<()> {
        let aside = self.aside();
        if !is_there(&aside)? {
            return Ok(());
        }
        fs::remove_dir_all(&aside)
            .map_err(|error| Error::io(Status::Io, &error, "removing an unfinished creation"))
    }

    fn sync(&self) -> Result<()> {
        os::sync_name(&self.data_file())
            .map_err(|error| Error::io(Status::Io, &error, "flushing the directory"))
    }
}

/// Store id, epoch, checksum.
const OWNER_BYTES: usize = 28;

fn encode_owner(store_id: [u8; 16], epoch: u64) -> [u8; OWNER_BYTES] {
    let mut bytes = [0; OWNER_BYTES];
    bytes[..16].copy_from_slice(&store_id);
    bytes[16..24].copy_from_slice(&epoch.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..24]);
    bytes[24..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode_owner(bytes: &[u8]) -> Option<([u8; 16], u64)> {
    let mut reader = Reader::new(bytes);
    let (store_id, epoch) = (reader.array()?, reader.u64()?);
    (encode_owner(store_id, epoch) == *bytes).then_some((store_id, epoch))
}

/// Where the stamp lies in `owner.lock`: apart from the record before it, so that a torn write of one leaves
/// the other.
const STAMP_AT: u64 = 32;
/// Length, seconds and nanoseconds of the last change, checksum.
const STAMP_BYTES: usize = 28;

fn encode_stamp(changed: [u64; 3]) -> [u8; STAMP_BYTES] {
    let mut bytes = [0; STAMP_BYTES];
    for (field, value) in bytes.chunks_exact_mut(8).zip(changed) {
        field.copy_from_slice(&value.to_le_bytes());
    }
    let checksum = crc32c::crc32c(&bytes[..24]);
    bytes[24..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Only "no such file" means absent: an unreadable directory must not look like an empty one.
pub(super) fn is_there(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(Error::io(Status::Io, &error, "looking for the store's files")),
    }
}

fn make_directory(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(|error| making_failed("the directory", path, &error))?;
    os::sync_name(path)
        .map_err(|error| Error::io(Status::Io, &error, "flushing the name of the directory"))
}

/// A path that cannot be made is the caller's matter, not the disk's.
pub(super) fn making_failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    let status = match error.raw_os_error() {
        Some(libc::ENOENT) => Status::NotFound,
        Some(
            libc::ENOTDIR | libc::EACCES | libc::EROFS | libc::EPERM | libc::ELOOP | libc::EISDIR,
        ) => Status::UnsafePlace,
        Some(libc::ENOSPC | libc::EDQUOT) => Status::NoSpace,
        _ => Status::Io,
    };
    Error::io(status, error, &format!("making {what} {}", path.display()))
}

fn is_not_ours_to_flush(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem};
    matches!(kind, PermissionDenied | InvalidInput | ReadOnlyFilesystem)
}

fn refuse_unsafe(directory: &Path) -> Result<()> {
    let reason = os::unsafe_directory(directory)
        .map_err(|error| Error::io(Status::Io, &error, "looking at the store's directory"))?;
    match reason {
        Some(reason) => Err(Error::new(
            Status::UnsafePlace,
            format!("{} cannot hold a store: {reason}", directory.display()),
        )),
        None => Ok(()),
    }
}

/// A directory that was made safe afterwards may hold files that others still have in their hands: with a
/// write to the data file they change what we paid, with one to `lock.mdb` which pages LMDB uses again.
fn refuse_unsafe_file(file: &Path) -> Result<()> {
    let reason = os::unsafe_file(file)
        .map_err(|error| Error::io(Status::Io, &error, "looking at the store's files"))?;
    match reason {
        Some(reason) => Err(Error::new(
            Status::UnsafePlace,
            format!("{} cannot be a store's file: {reason}", file.display()),
        )),
        None => Ok(()),
    }
}
