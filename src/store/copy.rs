//! Whole-file work: online backup, restore, compaction.
//!
//! Z1 a file that appears under its final name was flushed and walked before, and its directory is flushed
//! after. Z2 nothing that exists is overwritten, but by a compaction, which puts a walked copy of the same
//! rows in its place. Z3 a restored store says so until it is acknowledged: what it knows may be older
//! than what left the node. Z4 a compaction keeps the evidence that a file is a copy.
//! Called by `opening` and `maintenance`.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Core;
use super::check::{self, CheckReport};
use super::env::{EngineError, Env, Snapshot, WriteTxn};
use super::opening::{commit_meta, read_meta};
use super::options::{RestoreOptions, StoreOptions};
use super::page_file::PageFile;
use super::place::{self, DATA_FILE, Place};
use super::tables::{SPECS, Table};
use super::walk::{NoReferences, References, walk};
use crate::error::{Error, Result, Status};
use crate::os::{self, FileIdentity, FileLock};

/// Rows that one transaction of a compaction copies.
const COPY_STEP_BYTES: u64 = 4 << 20;
/// What a backup is called until it is whole.
const UNFINISHED: &str = ".partial";

fn io(doing: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |error| os::space_error(&error, doing)
}

fn copy_error(error: EngineError) -> Error {
    match error {
        EngineError::Code(code) if code > 0 => {
            let error = std::io::Error::from_raw_os_error(code);
            os::space_error(&error, "writing the copy")
        }
        error => error.into(),
    }
}

/// Writes the newest commit to a new file, without free pages, while the store goes on.
pub(crate) fn backup(
    core: &Core,
    target: &Path,
    references: &dyn Fn() -> Box<dyn References>,
) -> Result<CheckReport> {
    refuse_existing(target)?;
    let partial = unfinished(target)?;
    let lock = claim(&partial)?;
    let written = write_backup(core, lock.file(), &partial, references);
    let finished = written.and_then(|report| {
        let named = os::rename_to_new(&partial, target);
        named.map_err(|error| naming_failed(&error, target))?;
        Ok(report)
    });
    if finished.is_err() {
        // What is left of it is taken over by the next backup to the same file.
        std::fs::remove_file(&partial).unwrap_or_default();
        return finished;
    }
    os::sync_directory(&parent(target)).map_err(io("flushing the backup's directory"))?;
    finished
}

/// Makes or takes over the file of an unfinished backup, and holds its lock.
fn claim(partial: &Path) -> Result<FileLock> {
    let looking = io("looking at the backup's file");
    let lock = FileLock::acquire(partial)
        .map_err(|error| place::making_failed("the backup", partial, &error))?;
    let busy = || Error::new(Status::Busy, "another backup to this file is running");
    let lock = lock.ok_or_else(busy)?;
    if !lock.is_only_name().map_err(&looking)? {
        return Err(Error::new(
            Status::UnsafePlace,
            format!("{} is not a plain file with one name", partial.display()),
        ));
    }
    // Another backup may have finished between our open and our lock: the file is then its, under its name.
    let named = place::is_there(partial)?
        && FileIdentity::of(partial).map_err(&looking)? == lock.identity().map_err(&looking)?;
    if !named {
        return Err(busy());
    }
    lock.file().set_permissions(Permissions::from_mode(0o600)).map_err(&looking)?;
    Ok(lock)
}

fn write_backup(
    core: &Core,
    file: &File,
    path: &Path,
    references: &dyn Fn() -> Box<dyn References>,
) -> Result<CheckReport> {
    file.set_len(0).map_err(io("emptying the backup's file"))?;
    core.env.copy_compacted(file).map_err(copy_error)?;
    file.sync_all().map_err(io("flushing the backup"))?;
    let mut report = check::check(path, references)?;
    report.live = false; // The lock on it is our own.
    report.refuse()?;
    Ok(report)
}

fn refuse_existing(target: &Path) -> Result<()> {
    if place::is_there(target)? {
        return Err(Error::new(
            Status::TargetExists,
            format!("{} exists; nothing was written", target.display()),
        ));
    }
    Ok(())
}

fn naming_failed(error: &std::io::Error, target: &Path) -> Error {
    if error.kind() == std::io::ErrorKind::AlreadyExists {
        return Error::new(Status::TargetExists, format!("{} exists", target.display()));
    }
    os::space_error(error, "naming the backup")
}

fn unfinished(target: &Path) -> Result<PathBuf> {
    let Some(name) = target.file_name() else {
        return Err(Error::new(Status::InvalidArgument, "a backup needs a file's name"));
    };
    let mut name = name.to_owned();
    name.push(UNFINISHED);
    Ok(target.with_file_name(name))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Makes a store of a backup, in a directory that has none.
pub(crate) fn restore(
    backup: &Path,
    directory: &Path,
    options: RestoreOptions,
    references: &dyn Fn() -> Box<dyn References>,
) -> Result<CheckReport> {
    let report = check::check(backup, references)?;
    report.refuse()?;
    if report.live {
        return Err(Error::new(
            Status::Locked,
            format!("{} is open; make a backup of it and restore that", backup.display()),
        ));
    }
    let place = Place::claim(directory, options.any_file_system)?;
    if place.holds_data()? {
        return Err(Error::new(
            Status::TargetExists,
            format!("{} holds a store; restore into another directory", directory.display()),
        ));
    }
    let source = check::data_file(backup)?;
    place.create(|aside| restore_into(&source, aside))?;
    Ok(report)
}

fn restore_into(source: &Path, aside: &Path) -> Result<()> {
    let data_file = aside.join(DATA_FILE);
    let mut from = File::open(source).map_err(io("opening the backup"))?;
    let mut to = new_file(&data_file)?;
    std::io::copy(&mut from, &mut to).map_err(io("copying the backup"))?;
    to.sync_all().map_err(io("flushing the restored file"))?;
    // What was checked may have changed since; what is opened by LMDB is what was copied.
    let pages = PageFile::open(&data_file)?;
    walk(&pages, &mut NoReferences).refuse()?;
    let env = Env::open(aside, StoreOptions::default().map_bytes_for(pages.used_bytes()))?;
    let (mut heads, mut meta) = read_meta(&env)?;
    heads.jump(Table::Events);
    meta.restored = true;
    meta.clean = true;
    meta.doubt_below_epoch = meta.epoch.saturating_add(1);
    meta.identity = FileIdentity::of(&data_file).map_err(io("looking at the restored file"))?;
    commit_meta(&env, heads, meta)?;
    env.close();
    Ok(())
}

fn new_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(io("making a data file"))
}

/// Rewrites a claimed, walked store row by row into full pages. Answers false, with the store as it was,
/// when the disk has no space for that.
pub(crate) fn compact(place: &mut Place, map_bytes: u64) -> Result<bool> {
    let current = place.data_identity()?;
    let directory = place.directory.clone();
    let compacted = place.replace(|aside| {
        let data_file = aside.join(DATA_FILE);
        let from = Env::open(&directory, map_bytes)?;
        let to = Env::create(aside, map_bytes)?;
        allocate_copy(&from, &to)?;
        copy_rows(&from, &to)?;
        from.close();
        let (heads, mut meta) = read_meta(&to)?;
        if meta.is_same_file(current) {
            meta.identity = FileIdentity::of(&data_file).map_err(io("looking at the new file"))?;
        }
        commit_meta(&to, heads, meta)?;
        to.close();
        let pages = PageFile::open(&data_file)?;
        let file = os::open_for_writing(&data_file).map_err(io("opening the new file"))?;
        file.set_len(pages.used_bytes()).map_err(io("cutting the new file"))?;
        file.sync_all().map_err(io("flushing the new file"))?;
        walk(&pages, &mut NoReferences).refuse()
    });
    match compacted {
        Ok(()) => Ok(true),
        Err(error) if error.status() == Status::NoSpace => Ok(false),
        Err(error) => Err(error),
    }
}

/// Full pages take no more space than the pages in use now; beside them come those of one step.
fn allocate_copy(from: &Env, to: &Env) -> Result<()> {
    let facts = from.facts()?;
    let in_use = facts.pages_used.saturating_sub(from.free_pages());
    let bytes = in_use * facts.page_bytes + 2 * COPY_STEP_BYTES;
    to.allocate(0, bytes).map_err(|error| os::space_error(&error, "allocating the new file"))
}

fn copy_rows(from: &Env, to: &Env) -> Result<()> {
    for spec in &SPECS {
        let mut after = Vec::new();
        loop {
            let mut txn = to.write()?;
            let step = copy_step(&*from.read()?, &mut txn, spec.table, &after)?;
            let Some(last) = step else { break };
            txn.commit()?;
            after = last;
        }
    }
    Ok(())
}

/// Copies rows after a key, about [`COPY_STEP_BYTES`] of them; answers the key of the last one.
fn copy_step(
    from: &Snapshot,
    to: &mut WriteTxn<'_>,
    table: Table,
    after: &[u8],
) -> Result<Option<Vec<u8>>> {
    let mut last = None;
    let mut bytes = 0;
    let mut failure = None;
    from.scan(table, after, |key, row| {
        if !after.is_empty() && key == after {
            return true;
        }
        bytes += (key.len() + row.len()) as u64;
        last = Some(key.to_vec());
        failure = to.append(table, key, row).err();
        failure.is_none() && bytes < COPY_STEP_BYTES
    })?;
    match failure {
        Some(failure) => Err(failure.into()),
        None => Ok(last),
    }
}
