//! Whole-file work: online backup, restore, compaction.
//!
//! Z1 a file that appears under its final name was flushed and walked before, and its directory is flushed
//! after. Z2 nothing that exists is overwritten, but by a compaction, which puts a walked copy of the same
//! rows in its place. Z3 a restored store says so until it is acknowledged: what it knows may be older
//! than what left the node. Z4 a compaction keeps the evidence that a file is a copy.
//! Called by `opening` and `maintenance`.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
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
use crate::limits::RESERVE_BYTES;
use crate::os::{self, FileIdentity};

/// Rows that one transaction of a compaction copies.
const COPY_STEP_BYTES: u64 = 4 << 20;
/// More than the commit that stamps a backup takes.
const STAMP_BYTES: u64 = 1 << 20;
/// Follows a backup's name, with eight digits, while it is written.
const UNFINISHED: &str = ".partial-";

fn io(doing: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |error| os::space_error(&error, doing)
}

fn copy_error(error: EngineError) -> Error {
    match error {
        EngineError::Code(code) if code > 0 && code != libc::ENOMEM => {
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
    refuse_own_directory(core, target)?;
    let aside = make_aside(target)?;
    let written = write_backup(core, &aside.join(DATA_FILE), references).and_then(|report| {
        let named = os::rename_to_new(&aside.join(DATA_FILE), target);
        named.map_err(|error| naming_failed(&error, target))?;
        Ok(report)
    });
    // What cannot be removed is left as a crash would leave it, and is no failure of the backup.
    std::fs::remove_dir_all(&aside).unwrap_or_default();
    let report = written?;
    if let Err(error) = os::sync_name(target) {
        // A name that may not be on the disk is none.
        std::fs::remove_file(target).unwrap_or_default();
        return Err(os::space_error(&error, "flushing the backup's directory"));
    }
    Ok(report)
}

/// A new directory beside the target: nothing that is there is ever taken over, whoever made it.
fn make_aside(target: &Path) -> Result<PathBuf> {
    let Some(name) = target.file_name() else {
        return Err(Error::new(Status::InvalidArgument, "a backup needs a file's name"));
    };
    loop {
        let mut random = [0; 4];
        getrandom::fill(&mut random)
            .map_err(|error| Error::new(Status::Io, format!("no randomness: {error}")))?;
        let mut name = name.to_owned();
        name.push(format!("{UNFINISHED}{:08x}", u32::from_le_bytes(random)));
        let aside = target.with_file_name(name);
        match std::fs::DirBuilder::new().mode(0o700).create(&aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(place::making_failed("the backup", target, &error)),
        }
    }
}

fn write_backup(
    core: &Core,
    data_file: &Path,
    references: &dyn Fn() -> Box<dyn References>,
) -> Result<CheckReport> {
    copy_and_stamp(core, data_file)?;
    let report = check::check(data_file, references)?;
    report.refuse()?;
    Ok(report)
}

/// A backup belongs nowhere: whatever file it is put in place of, the open notices (Z3).
fn copy_and_stamp(core: &Core, data_file: &Path) -> Result<()> {
    let file = new_file(data_file)?;
    core.env.copy_compacted(&file).map_err(copy_error)?;
    let pages = PageFile::open(data_file)?;
    walk(&pages, &mut NoReferences)?.refuse()?;
    // So that the stamp's commit does not meet the end of the disk inside LMDB.
    os::allocate(file.as_raw_fd(), 0, pages.used_bytes() + STAMP_BYTES)
        .map_err(io("stamping the backup"))?;
    let map_bytes = StoreOptions::default().map_bytes_for(pages.used_bytes());
    let env = Env::open(os::directory_of(data_file), map_bytes)?;
    let (heads, mut meta) = read_meta(&env)?;
    meta.identity = FileIdentity::NOWHERE;
    commit_meta(&env, heads, meta)?;
    env.close();
    let used_bytes = PageFile::open(data_file)?.used_bytes();
    file.set_len(used_bytes).map_err(io("cutting the backup"))?;
    file.sync_all().map_err(io("flushing the backup"))
}

/// The store's own directory holds what the store knows, and nothing else.
fn refuse_own_directory(core: &Core, target: &Path) -> Result<()> {
    let neighbour = os::directory_of(target).join(DATA_FILE);
    if FileIdentity::of(&neighbour).is_ok_and(|identity| identity == core.identity) {
        return Err(Error::new(
            Status::UnsafePlace,
            format!("{} would lie in the store's own directory", target.display()),
        ));
    }
    Ok(())
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
    // From here on an open makes no empty store in this directory, whatever becomes of the restore.
    if place.remembered()?.is_none() {
        place.remember(report.store_id, report.epoch)?;
    }
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
    walk(&pages, &mut NoReferences)?.refuse()?;
    let env = Env::open(aside, StoreOptions::default().map_bytes_for(pages.used_bytes()))?;
    let (mut heads, mut meta) = read_meta(&env)?;
    heads.jump(Table::Events);
    heads.jump(Table::MonitorOutputs);
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
    let replaced = place.replace(|aside| {
        let made = rewrite(&directory, aside, map_bytes, current);
        // Until the rename nothing has happened to the store: no failure of the copy is one of the open.
        made.map_err(|error| match error.status() {
            Status::Io | Status::Busy => Error::new(Status::NoSpace, error.message().to_owned()),
            _ => error,
        })
    });
    match replaced {
        Ok(()) => Ok(true),
        Err(error) if error.status() == Status::NoSpace => Ok(false),
        Err(error) => Err(error),
    }
}

fn rewrite(directory: &Path, aside: &Path, map_bytes: u64, current: FileIdentity) -> Result<()> {
    let data_file = aside.join(DATA_FILE);
    let from = Env::open(directory, map_bytes)?;
    refuse_without_space(&from, aside)?;
    let to = Env::create(aside, map_bytes)?;
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
    walk(&pages, &mut NoReferences)?.refuse()
}

/// Takes the space once and gives it back, before LMDB writes: it turns a full disk into an I/O error. Full
/// pages take no more space than the pages in use now; beside them come those of a step, and the store's
/// reserve.
fn refuse_without_space(from: &Env, aside: &Path) -> Result<()> {
    let facts = from.facts()?;
    let in_use = facts.pages_used.saturating_sub(from.free_pages());
    let bytes = in_use * facts.page_bytes + 2 * COPY_STEP_BYTES + RESERVE_BYTES;
    let scratch = aside.join("space");
    let file = new_file(&scratch)?;
    os::allocate(file.as_raw_fd(), 0, bytes)
        .map_err(|error| os::space_error(&error, "allocating the new file"))?;
    std::fs::remove_file(&scratch).map_err(io("giving space back"))
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
