//! Where a store may live, and how its directory and files come to be.
//!
//! P1 a directory others may write to, or one on a network file system, is refused before anything is
//! written. P2 the files appear under their final name only after their first commit is durable: a crash
//! during creation leaves nothing that looks like a store. P3 a directory that lost its data file is refused:
//! an empty store in its place would forget every attempt.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, Status};
use crate::os::{self, FileSystem, OwnerLock};

const DATA_FILE: &str = "data.mdb";
const LOCK_FILE: &str = "lock.mdb";
const OWNER_FILE: &str = "owner.lock";
const CREATION_DIRECTORY: &str = "creating";

/// A directory claimed by this process.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) file_system: FileSystem,
    _owner: OwnerLock,
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
        let owner = OwnerLock::acquire(&directory.join(OWNER_FILE))
            .map_err(|error| Error::io(Status::Io, &error, "locking owner.lock"))?;
        let Some(owner) = owner else {
            return Err(Error::new(
                Status::Locked,
                format!("{} is open in this or another process", directory.display()),
            ));
        };
        Ok(Place { directory, file_system, _owner: owner })
    }

    pub(crate) fn data_file(&self) -> PathBuf {
        self.directory.join(DATA_FILE)
    }

    /// Whether files have to be created. Refuses a directory that has lost them.
    pub(crate) fn is_new(&self) -> Result<bool> {
        if self.data_file().exists() {
            return Ok(false);
        }
        if self.directory.join(LOCK_FILE).exists() {
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

    /// Makes the files by running `fill` in a directory aside, then moves them into place.
    pub(crate) fn create(&self, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let aside = self.directory.join(CREATION_DIRECTORY);
        let io =
            |doing: &'static str| move |error: std::io::Error| Error::io(Status::Io, &error, doing);
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(io("removing an unfinished creation"))?;
        }
        fs::DirBuilder::new().mode(0o700).create(&aside).map_err(io("making a directory"))?;
        fill(&aside)?;
        fs::rename(aside.join(DATA_FILE), self.data_file()).map_err(io("renaming data.mdb"))?;
        fs::remove_dir_all(&aside).map_err(io("removing the creation directory"))?;
        os::sync_directory(&self.directory).map_err(io("flushing the directory"))
    }
}

fn make_directory(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    fs::DirBuilder::new().mode(0o700).create(path).map_err(|error| making_failed(path, &error))?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    os::sync_directory(parent)
        .map_err(|error| Error::io(Status::Io, &error, "flushing the parent directory"))
}

/// A path that cannot hold a directory is the caller's matter, not the disk's.
fn making_failed(path: &Path, error: &std::io::Error) -> Error {
    let status = match error.raw_os_error() {
        Some(libc::ENOENT) => Status::NotFound,
        Some(libc::ENOTDIR | libc::EACCES | libc::EROFS | libc::EPERM) => Status::UnsafePlace,
        Some(libc::ENOSPC | libc::EDQUOT) => Status::NoSpace,
        _ => Status::Io,
    };
    Error::io(status, error, &format!("making the directory {}", path.display()))
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
