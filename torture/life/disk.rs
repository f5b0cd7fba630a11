//! A disk that forgets: what the program wrote and did not flush may be lost, torn or out of order.
//!
//! The files are real ones in memory, so that LMDB can map them. Beside them it is recorded what a crash
//! may leave: for each sector of 512 bytes that was written since its last flush, every content it had; for
//! each file its last flushed length; and the names that were made, moved or removed and whose directory was
//! not flushed. A crash keeps a prefix of the names, as a journal does, and of each sector any one content.
//! `hooks` calls in here for every system call that changes a file.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use crate::dice::{Dice, Digest};

pub const SECTOR_BYTES: usize = 512;
const COPIED_BYTES: usize = 4 << 20;
pub type Sector = [u8; SECTOR_BYTES];

/// What a system call is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Carry it out.
    Go,
    /// The power went, now or before.
    Dead,
}

/// A disk that breaks its promise on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Lie {
    #[default]
    None,
    /// A flush answers and flushes nothing.
    Flush,
    /// A flush of what was written at once is none: LMDB's meta page.
    MetaFlush,
}

/// A descriptor of its own, since the program may have the file open for writing alone.
struct Reader(i32);

impl Reader {
    /// What the file has from there on; zeros behind its end.
    fn read(&self, at: u64, buffer: &mut [u8]) {
        let mut done = 0;
        while done < buffer.len() {
            let rest = &mut buffer[done..];
            // SAFETY: the buffer is writable for its length.
            let read = unsafe {
                let from = (at + done as u64) as libc::off_t;
                libc::pread(self.0, rest.as_mut_ptr().cast(), rest.len(), from)
            };
            if read <= 0 {
                return;
            }
            done += read as usize;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this one's own. The hooked close would ask the disk, which is at work.
        unsafe { libc::syscall(libc::SYS_close, self.0) };
    }
}

struct File {
    reader: Reader,
    path: PathBuf,
    /// In place of inode, birth and change: the same in every run of a seed.
    number: u64,
    changes: u64,
    bytes: u64,
    flushed_bytes: u64,
    /// Contents since the last flush, the flushed one first.
    dirty: BTreeMap<u64, Vec<Sector>>,
}

enum Name {
    Made(PathBuf),
    MadeDirectory(PathBuf),
    Moved { from: PathBuf, to: PathBuf, replaced: Option<PathBuf> },
    Removed { path: PathBuf, kept: PathBuf },
    RemovedDirectory(PathBuf),
}

impl Name {
    fn is_in(&self, directory: &Path) -> bool {
        let lies = |path: &Path| path.parent() == Some(directory);
        match self {
            Name::Made(path) | Name::MadeDirectory(path) | Name::RemovedDirectory(path) => {
                lies(path)
            }
            Name::Moved { from, to, .. } => lies(from) || lies(to),
            Name::Removed { path, .. } => lies(path),
        }
    }
}

#[derive(Clone)]
enum Open {
    File { inode: u64, is_synchronous: bool },
    Directory(PathBuf),
}

#[derive(Default)]
pub struct Disk {
    root: PathBuf,
    files: HashMap<u64, File>,
    open: HashMap<i32, Open>,
    names: Vec<Name>,
    next_number: u64,
    lie: Lie,
    is_dead: bool,
    /// Calls until the power goes.
    fuse: Option<u64>,
    pub operations: u64,
    pub flushes: u64,
    pub digest: Digest,
    entropy: Option<Dice>,
}

static DISK: Mutex<Option<Disk>> = Mutex::new(None);

thread_local! {
    /// This thread is the harness itself: its calls go straight to the kernel.
    static IS_HARNESS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// The disk, unless there is none, or the harness itself asks.
pub fn with<T>(act: impl FnOnce(&mut Disk) -> T) -> Option<T> {
    if IS_HARNESS.try_with(std::cell::Cell::get).unwrap_or(true) {
        return None;
    }
    lock().as_mut().map(act)
}

fn lock() -> MutexGuard<'static, Option<Disk>> {
    DISK.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Runs with the hooks off, for what the world does to the disk and not the node.
pub fn aside<T>(act: impl FnOnce() -> T) -> T {
    let was = IS_HARNESS.replace(true);
    let answer = act();
    IS_HARNESS.set(was);
    answer
}

fn on_disk<T>(act: impl FnOnce(&mut Disk) -> T) -> T {
    aside(|| act(lock().as_mut().expect("a life has a disk")))
}

/// An empty disk under a directory.
pub fn insert(root: &Path, lie: Lie, dice: &mut Dice) {
    aside(|| {
        drop(fs::remove_dir_all(root));
        fs::DirBuilder::new().mode(0o700).recursive(true).create(root).expect("a directory");
        let root = fs::canonicalize(root).expect("a directory");
        fs::DirBuilder::new().mode(0o700).create(root.join("kept")).expect("a directory");
        *lock() = Some(Disk {
            root,
            lie,
            next_number: 1,
            entropy: Some(dice.split()),
            ..Disk::default()
        });
    });
}

/// Takes the disk out and answers its digest and how many calls it saw.
pub fn remove() -> (Digest, u64, u64) {
    aside(|| {
        let disk = lock().take().expect("a life has a disk");
        drop(fs::remove_dir_all(&disk.root));
        (disk.digest, disk.operations, disk.flushes)
    })
}

/// The power goes at the call after so many.
pub fn arm(calls: u64) {
    on_disk(|disk| disk.fuse = Some(calls));
}

pub fn disarm() {
    on_disk(|disk| disk.fuse = None);
}

/// The power goes now.
pub fn kill() {
    on_disk(|disk| disk.is_dead = true);
}

pub fn is_dead() -> bool {
    on_disk(|disk| disk.is_dead)
}

/// Descriptors of tracked files that nobody closed.
pub fn left_open() -> usize {
    on_disk(|disk| disk.open.len())
}

/// The power comes back: what is on the disk is decided now.
pub fn crash(dice: &mut Dice) {
    on_disk(|disk| disk.crash(dice));
}

/// A directory was removed by an operator, with what was in it.
pub fn forget_under(directory: &Path) {
    on_disk(|disk| {
        disk.files.retain(|_, file| !file.path.starts_with(directory));
        disk.names.retain(|name| !name.is_in(directory));
    });
}

/// Everything is gone, and the disk is replaced by an empty one.
pub fn lose() {
    on_disk(|disk| {
        let entries = fs::read_dir(&disk.root).expect("the root");
        for entry in entries.flatten().filter(|entry| entry.file_name() != "kept") {
            drop(fs::remove_dir_all(entry.path()));
            drop(fs::remove_file(entry.path()));
        }
        for entry in fs::read_dir(disk.root.join("kept")).expect("kept").flatten() {
            drop(fs::remove_file(entry.path()));
        }
        disk.files.clear();
        disk.names.clear();
        disk.open.clear();
        disk.is_dead = false;
        disk.fuse = None;
    });
}

/// Flips bits of a file at rest, inside of what is used of it.
pub fn rot(path: &Path, bits: u64, used_bytes: u64, dice: &mut Dice) {
    on_disk(|disk| {
        let file = fs::OpenOptions::new().read(true).write(true).open(path).expect("a file");
        let bytes = file.metadata().expect("a file").len().min(used_bytes);
        for _ in 0..bits {
            let (at, bit) = (dice.below(bytes), dice.below(8));
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).expect("a byte");
            byte[0] ^= 1 << bit;
            file.write_all_at(&byte, at).expect("a byte");
            disk.digest.add(at << 3 | bit);
        }
    });
}

/// How long a file is, 0 when there is none.
pub fn copy_bytes(path: &Path) -> u64 {
    aside(|| fs::metadata(path).map_or(0, |metadata| metadata.len()))
}

/// The beginning of a file, which is longer than what any life writes.
pub fn copy(from: &Path) -> Option<Vec<u8>> {
    aside(|| {
        let mut content = vec![0; COPIED_BYTES];
        let read = fs::File::open(from).ok()?.read_at(&mut content, 0).ok()?;
        content.truncate(read);
        Some(content)
    })
}

/// Puts bytes back where they were, as if nothing had been written since.
pub fn put_back(path: &Path, content: &[u8]) {
    on_disk(|_| {
        let file = fs::OpenOptions::new().write(true).open(path);
        file.and_then(|file| file.write_all_at(content, 0)).expect("a file");
    });
}

impl Disk {
    pub fn is_mine(&self, path: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        path.starts_with(&self.root) && path.file_name() != Some(OsStr::new("lock.mdb"))
    }

    pub fn entropy(&mut self, buffer: &mut [u8]) {
        let Some(dice) = self.entropy.as_mut() else { return };
        for part in buffer.chunks_mut(8) {
            part.copy_from_slice(&dice.number().to_le_bytes()[..part.len()]);
        }
    }

    /// Counts a call; answers whether there is still power.
    pub fn tick(&mut self, what: u64, about: u64) -> Verdict {
        if self.is_dead {
            return Verdict::Dead;
        }
        self.operations += 1;
        self.digest.add(what << 56 ^ about);
        match &mut self.fuse {
            Some(0) => {
                self.is_dead = true;
                self.fuse = None;
                Verdict::Dead
            }
            Some(left) => {
                *left -= 1;
                Verdict::Go
            }
            None => Verdict::Go,
        }
    }

    pub fn is_off(&self) -> bool {
        self.is_dead
    }

    pub fn inode(&self, descriptor: i32) -> Option<(u64, bool)> {
        match self.open.get(&descriptor)? {
            Open::File { inode, is_synchronous } => Some((*inode, *is_synchronous)),
            Open::Directory(_) => None,
        }
    }

    pub fn directory(&self, descriptor: i32) -> Option<PathBuf> {
        match self.open.get(&descriptor)? {
            Open::Directory(path) => Some(path.clone()),
            Open::File { .. } => None,
        }
    }

    pub fn number(&self, inode: u64) -> u64 {
        self.files.get(&inode).map_or(0, |file| file.number)
    }

    /// Number, and how often it was changed: what stands for inode, birth and change.
    pub fn identity(&self, inode: u64) -> Option<(u64, u64)> {
        self.files.get(&inode).map(|file| (file.number, file.changes))
    }

    pub fn opened_directory(&mut self, descriptor: i32, path: &[u8]) {
        let path = PathBuf::from(OsStr::from_bytes(path));
        self.open.insert(descriptor, Open::Directory(path));
    }

    /// `reader` is called for a file that was not known.
    pub fn opened(
        &mut self,
        descriptor: i32,
        (inode, bytes): (u64, u64),
        path: &[u8],
        (made, sync): (bool, bool),
        reader: impl FnOnce() -> i32,
    ) {
        let path = PathBuf::from(OsStr::from_bytes(path));
        if made {
            self.names.push(Name::Made(path.clone()));
        }
        if !self.files.contains_key(&inode) {
            let number = self.next_number;
            self.next_number += 1;
            let flushed_bytes = if made { 0 } else { bytes };
            let dirty = BTreeMap::new();
            let reader = Reader(reader());
            let file = File { reader, path, number, changes: 0, bytes, flushed_bytes, dirty };
            self.files.insert(inode, file);
        }
        self.open.insert(descriptor, Open::File { inode, is_synchronous: sync });
    }

    pub fn closed(&mut self, descriptor: i32) {
        self.open.remove(&descriptor);
    }

    /// Remembers what a write replaces. To be called before it is carried out.
    pub fn write(&mut self, inode: u64, at: u64, data: &[u8]) {
        self.digest.add_bytes(data);
        let Some(file) = self.files.get_mut(&inode) else { return };
        let sector = SECTOR_BYTES as u64;
        let (first, end) = (at / sector, at + data.len() as u64);
        let count = (end.div_ceil(sector) - first) as usize;
        let mut before = vec![0; count * SECTOR_BYTES];
        if first * sector < file.bytes {
            file.reader.read(first * sector, &mut before);
        }
        for (index, was) in before.chunks_exact(SECTOR_BYTES).enumerate() {
            let number = first + index as u64;
            let mut now: Sector = was.try_into().expect("a sector");
            let versions = file.dirty.entry(number).or_insert_with(|| vec![now]);
            let starts = (number * sector).max(at);
            let ends = ((number + 1) * sector).min(end);
            let part = &data[(starts - at) as usize..(ends - at) as usize];
            let offset = (starts - number * sector) as usize;
            now[offset..offset + part.len()].copy_from_slice(part);
            versions.push(now);
        }
        file.bytes = file.bytes.max(end);
        file.changes += 1;
    }

    /// What was written at once to a descriptor that waits for the disk.
    pub fn written_through(&mut self, inode: u64, at: u64, bytes: u64) {
        if self.lie != Lie::None {
            return;
        }
        let Some(file) = self.files.get_mut(&inode) else { return };
        let sector = SECTOR_BYTES as u64;
        for number in at / sector..(at + bytes).div_ceil(sector) {
            file.dirty.remove(&number);
        }
        file.flushed_bytes = file.flushed_bytes.max((at + bytes).min(file.bytes));
    }

    /// The file gets another length. To be called before it does.
    pub fn resize(&mut self, inode: u64, bytes: u64) {
        let Some(file) = self.files.get_mut(&inode) else { return };
        if bytes < file.bytes {
            let sector = SECTOR_BYTES as u64;
            let first = bytes / sector;
            let mut cut = vec![0; (file.bytes.div_ceil(sector) - first) as usize * SECTOR_BYTES];
            file.reader.read(first * sector, &mut cut);
            for (index, was) in cut.chunks_exact(SECTOR_BYTES).enumerate() {
                if was.iter().any(|byte| *byte != 0) {
                    let number = first + index as u64;
                    let was: Sector = was.try_into().expect("a sector");
                    let mut now = was;
                    let keeps = bytes.saturating_sub(number * sector).min(sector) as usize;
                    now[keeps..].fill(0);
                    file.dirty.entry(number).or_insert_with(|| vec![was]).push(now);
                }
            }
        }
        file.bytes = bytes;
        file.changes += 1;
    }

    pub fn bytes(&self, inode: u64) -> u64 {
        self.files.get(&inode).map_or(0, |file| file.bytes)
    }

    pub fn flush(&mut self, inode: u64) {
        self.flushes += 1;
        if self.lie == Lie::Flush {
            return;
        }
        if let Some(file) = self.files.get_mut(&inode) {
            file.dirty.clear();
            file.flushed_bytes = file.bytes;
        }
    }

    /// Every name up to the last one of this directory is on the disk: journals are written in order.
    pub fn flush_names(&mut self, directory: &Path) {
        self.flushes += 1;
        if self.lie == Lie::Flush {
            return;
        }
        let upto = self.names.iter().rposition(|name| name.is_in(directory));
        let settled = self.names.drain(..upto.map_or(0, |last| last + 1));
        let gone: Vec<_> = settled
            .filter_map(|name| match name {
                Name::Removed { kept, .. } | Name::Moved { replaced: Some(kept), .. } => Some(kept),
                _ => None,
            })
            .collect();
        gone.iter().for_each(|kept| self.forget(kept));
    }

    fn forget(&mut self, kept: &Path) {
        aside(|| {
            if let Ok(metadata) = fs::metadata(kept) {
                self.files.remove(&metadata.ino());
            }
            drop(fs::remove_file(kept));
        });
    }

    /// Where a removed file is kept until its removal is flushed.
    pub fn place_for_removed(&mut self) -> PathBuf {
        let number = self.next_number;
        self.next_number += 1;
        self.root.join("kept").join(number.to_string())
    }

    pub fn made_directory(&mut self, path: &[u8]) {
        self.names.push(Name::MadeDirectory(PathBuf::from(OsStr::from_bytes(path))));
    }

    pub fn removed_directory(&mut self, path: &[u8]) {
        self.names.push(Name::RemovedDirectory(PathBuf::from(OsStr::from_bytes(path))));
    }

    pub fn removed(&mut self, path: &[u8], kept: PathBuf) {
        self.names.push(Name::Removed { path: PathBuf::from(OsStr::from_bytes(path)), kept });
    }

    pub fn moved(&mut self, from: &[u8], to: &[u8], replaced: Option<PathBuf>) {
        let (from, to) = (OsStr::from_bytes(from).into(), PathBuf::from(OsStr::from_bytes(to)));
        for file in self.files.values_mut().filter(|file| file.path == from) {
            file.path.clone_from(&to);
            // As the kernel does, which the change stamp of a store counts on.
            file.changes += 1;
        }
        self.names.push(Name::Moved { from, to, replaced });
    }

    fn crash(&mut self, dice: &mut Dice) {
        let keeps = dice.below(self.names.len() as u64 + 1) as usize;
        let undone: Vec<_> = self.names.drain(keeps..).collect();
        undone.into_iter().rev().for_each(|name| self.undo(name));
        let settled: Vec<_> = self.names.drain(..).collect();
        for name in settled {
            if let Name::Removed { kept, .. } | Name::Moved { replaced: Some(kept), .. } = name {
                self.forget(&kept);
            }
        }
        let mut files: Vec<_> = self.files.values_mut().collect();
        files.sort_by_key(|file| file.number);
        for file in files {
            settle(file, dice, &mut self.digest);
        }
        self.open.clear();
        self.is_dead = false;
        self.fuse = None;
    }

    fn undo(&mut self, name: Name) {
        match name {
            Name::Made(path) => self.forget(&path),
            Name::MadeDirectory(path) => drop(fs::remove_dir_all(path)),
            Name::RemovedDirectory(path) => {
                drop(fs::DirBuilder::new().mode(0o700).create(path));
            }
            Name::Removed { path, kept } => {
                drop(fs::rename(&kept, &path));
                self.renamed(&kept, &path);
            }
            Name::Moved { from, to, replaced } => {
                drop(fs::rename(&to, &from));
                self.renamed(&to, &from);
                if let Some(kept) = replaced {
                    drop(fs::rename(&kept, &to));
                    self.renamed(&kept, &to);
                }
            }
        }
    }

    pub fn renamed(&mut self, from: &Path, to: &Path) {
        for file in self.files.values_mut().filter(|file| file.path == from) {
            to.clone_into(&mut file.path);
        }
    }
}

/// Chooses one content of each sector that was not flushed, and a length.
fn settle(file: &mut File, dice: &mut Dice, digest: &mut Digest) {
    let manner = dice.below(5);
    let dirty = std::mem::take(&mut file.dirty);
    if !dirty.is_empty() || file.bytes != file.flushed_bytes {
        let Ok(real) = fs::OpenOptions::new().write(true).open(&file.path) else { return };
        let reached = dice.below(dirty.len() as u64 + 1);
        for (index, (number, versions)) in dirty.iter().enumerate() {
            let last = versions.len() as u64 - 1;
            let chosen = match manner {
                0 => 0,
                1 => last,
                2 if (index as u64) < reached => last,
                2 => 0,
                3 if dice.one_in(8) => dice.below(last + 1),
                3 => last,
                _ => dice.below(last + 1),
            };
            digest.add(number << 8 | chosen);
            let content = versions[chosen as usize];
            real.write_all_at(&content, number * SECTOR_BYTES as u64).expect("a sector");
        }
        let keeps_length = match manner {
            0 => false,
            1 => true,
            _ => dice.one_in(2),
        };
        file.bytes = if keeps_length { file.bytes } else { file.flushed_bytes };
        real.set_len(file.bytes).expect("a length");
        file.changes += 1;
    }
    file.flushed_bytes = file.bytes;
}
