//! The C library's calls that change files, in place of those of the C library: the linker takes these for
//! LMDB and for Rust's own library, which are linked in. Each asks the disk first, and then the kernel.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libc::{c_char, c_int, c_long, c_uint, c_void, iovec, mode_t, off_t, size_t, ssize_t};

use crate::disk::{Verdict, with};

const WRITE: u64 = 1;
const FLUSH: u64 = 2;
const RESIZE: u64 = 3;
const MAKE: u64 = 4;
const MOVE: u64 = 5;
const REMOVE: u64 = 6;
const FLUSH_NAMES: u64 = 7;

fn set_errno(errno: c_int) {
    // SAFETY: the C library answers a pointer to this thread's own number.
    unsafe { *libc::__errno_location() = errno };
}

fn dead() -> c_int {
    set_errno(libc::EIO);
    -1
}

/// Bytes of a path that the caller of a system call gave.
unsafe fn path_of<'path>(path: *const c_char) -> &'path [u8] {
    // SAFETY: the contract of every call that takes a path: it ends in zero.
    unsafe { CStr::from_ptr(path) }.to_bytes()
}

/// Writes to a tracked file: one call, which may be the last.
fn write_at(descriptor: c_int, at: u64, data: &[u8]) -> Option<ssize_t> {
    with(|disk| {
        let (inode, is_synchronous) = disk.inode(descriptor)?;
        let was_dead = disk.is_off();
        let verdict = disk.tick(WRITE, disk.number(inode) << 40 ^ at);
        if was_dead {
            return Some(dead() as ssize_t);
        }
        disk.write(inode, at, data);
        if verdict == Verdict::Dead {
            return Some(dead() as ssize_t);
        }
        // SAFETY: the bytes are readable; the descriptor is the caller's.
        let written =
            unsafe { libc::syscall(libc::SYS_pwrite64, descriptor, data.as_ptr(), data.len(), at) };
        if is_synchronous && written > 0 {
            disk.written_through(inode, at, written as u64);
        }
        Some(written as ssize_t)
    })?
}

fn position(descriptor: c_int) -> u64 {
    // SAFETY: takes no pointer.
    unsafe { libc::syscall(libc::SYS_lseek, descriptor, 0, libc::SEEK_CUR) as u64 }
}

/// Moves the position behind what was written there.
fn write_here(descriptor: c_int, data: &[u8]) -> Option<ssize_t> {
    let at = position(descriptor);
    let written = write_at(descriptor, at, data)?;
    if written > 0 {
        // SAFETY: takes no pointer.
        unsafe { libc::syscall(libc::SYS_lseek, descriptor, at + written as u64, libc::SEEK_SET) };
    }
    Some(written)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(fd: c_int, data: *const c_void, bytes: size_t, at: off_t) -> ssize_t {
    // SAFETY: the contract of pwrite.
    let slice = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), bytes) };
    write_at(fd, at as u64, slice).unwrap_or_else(|| {
        // SAFETY: as the caller gave it.
        unsafe { libc::syscall(libc::SYS_pwrite64, fd, data, bytes, at) as ssize_t }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(fd: c_int, data: *const c_void, bytes: size_t, at: off_t) -> ssize_t {
    // SAFETY: the same contract.
    unsafe { pwrite(fd, data, bytes, at) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, data: *const c_void, bytes: size_t) -> ssize_t {
    let is_tracked = with(|disk| disk.inode(fd).is_some()).unwrap_or(false);
    if is_tracked {
        // SAFETY: the contract of write.
        let slice = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), bytes) };
        if let Some(written) = write_here(fd, slice) {
            return written;
        }
    }
    // SAFETY: as the caller gave it.
    unsafe { libc::syscall(libc::SYS_write, fd, data, bytes) as ssize_t }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    let is_tracked = with(|disk| disk.inode(fd).is_some()).unwrap_or(false);
    if is_tracked {
        // SAFETY: the contract of writev.
        let data = unsafe { gather(parts, count) };
        if let Some(written) = write_here(fd, &data) {
            return written;
        }
    }
    // SAFETY: as the caller gave it.
    unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) as ssize_t }
}

unsafe fn gather(parts: *const iovec, count: c_int) -> Vec<u8> {
    // SAFETY: the contract of writev.
    let parts = unsafe { std::slice::from_raw_parts(parts, count as usize) };
    let mut data = Vec::new();
    for part in parts {
        // SAFETY: as above.
        data.extend_from_slice(unsafe {
            std::slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len)
        });
    }
    data
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwritev(fd: c_int, parts: *const iovec, count: c_int, at: off_t) -> ssize_t {
    // SAFETY: the contract of pwritev.
    let data = unsafe { gather(parts, count) };
    // SAFETY: the bytes live through the call.
    unsafe { pwrite(fd, data.as_ptr().cast(), data.len(), at) }
}

fn flush(fd: c_int, call: c_long) -> c_int {
    let answered = with(|disk| {
        if let Some(path) = disk.directory(fd) {
            return Some(match disk.tick(FLUSH_NAMES, 0) {
                Verdict::Dead => dead(),
                Verdict::Go => {
                    disk.flush_names(&path);
                    0
                }
            });
        }
        let (inode, _) = disk.inode(fd)?;
        Some(match disk.tick(FLUSH, disk.number(inode)) {
            Verdict::Dead => dead(),
            Verdict::Go => {
                disk.flush(inode);
                0
            }
        })
    });
    // SAFETY: takes no pointer.
    answered.flatten().unwrap_or_else(|| unsafe { libc::syscall(call, fd) as c_int })
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    flush(fd, libc::SYS_fsync)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    flush(fd, libc::SYS_fdatasync)
}

/// A new length of a tracked file; `None` when it is none of the disk's.
fn resize(fd: c_int, bytes: u64) -> Option<c_int> {
    with(|disk| {
        let (inode, _) = disk.inode(fd)?;
        if disk.tick(RESIZE, disk.number(inode) << 40 ^ bytes) == Verdict::Dead {
            return Some(dead());
        }
        disk.resize(inode, bytes);
        // SAFETY: takes no pointer.
        Some(unsafe { libc::syscall(libc::SYS_ftruncate, fd, bytes) as c_int })
    })?
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate(fd: c_int, bytes: off_t) -> c_int {
    // SAFETY: takes no pointer.
    resize(fd, bytes as u64)
        .unwrap_or_else(|| unsafe { libc::syscall(libc::SYS_ftruncate, fd, bytes) as c_int })
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(fd: c_int, bytes: off_t) -> c_int {
    ftruncate(fd, bytes)
}

/// Space is not taken from memory, which would cost more than all the rest of a life.
#[unsafe(no_mangle)]
extern "C" fn posix_fallocate(fd: c_int, at: off_t, bytes: off_t) -> c_int {
    let now = with(|disk| disk.inode(fd).map(|(inode, _)| disk.bytes(inode))).flatten();
    let wanted = (at + bytes) as u64;
    let answered = match now {
        Some(now) => resize(fd, now.max(wanted)).unwrap_or(0),
        // SAFETY: takes no pointer.
        None => unsafe { libc::syscall(libc::SYS_fallocate, fd, 0, at, bytes) as c_int },
    };
    if answered == 0 {
        return 0;
    }
    // SAFETY: the C library answers a pointer to this thread's own number.
    unsafe { *libc::__errno_location() }
}

#[unsafe(no_mangle)]
extern "C" fn posix_fallocate64(fd: c_int, at: off_t, bytes: off_t) -> c_int {
    posix_fallocate(fd, at, bytes)
}

fn raw_open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's path ends in zero.
    unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags, mode) as c_int }
}

fn facts_of(fd: c_int) -> Option<libc::stat> {
    // SAFETY: an all-zero stat is a valid value, which the call overwrites.
    let mut facts: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `facts` is writable.
    let answer = unsafe { libc::syscall(libc::SYS_fstat, fd, &mut facts) };
    (answer == 0).then_some(facts)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the contract of open.
    let bytes = unsafe { path_of(path) };
    let answered = with(|disk| {
        if !disk.is_mine(bytes) {
            return None;
        }
        // SAFETY: as above.
        let is_there =
            unsafe { libc::syscall(libc::SYS_faccessat, libc::AT_FDCWD, path, libc::F_OK) } == 0;
        let makes = flags & libc::O_CREAT != 0 && !is_there;
        if makes && disk.tick(MAKE, 0) == Verdict::Dead {
            return Some(dead());
        }
        let fd = raw_open(path, flags, mode);
        let facts = if fd < 0 { None } else { facts_of(fd) };
        if let Some(facts) = facts {
            match facts.st_mode & libc::S_IFMT {
                libc::S_IFDIR => disk.opened_directory(fd, bytes),
                libc::S_IFREG => {
                    let is_synchronous = flags & libc::O_DSYNC != 0;
                    let file = (facts.st_ino, facts.st_size as u64);
                    let reader = || raw_open(path, libc::O_RDONLY | libc::O_CLOEXEC, 0);
                    disk.opened(fd, file, bytes, (makes, is_synchronous), reader);
                }
                _ => {}
            }
        }
        Some(fd)
    });
    answered.flatten().unwrap_or_else(|| raw_open(path, flags, mode))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the same contract.
    unsafe { open(path, flags, mode) }
}

#[unsafe(no_mangle)]
extern "C" fn close(fd: c_int) -> c_int {
    with(|disk| disk.closed(fd));
    // SAFETY: takes no pointer.
    unsafe { libc::syscall(libc::SYS_close, fd) as c_int }
}

fn raw_rename(from: *const c_char, to: *const c_char, flags: c_uint) -> c_int {
    // SAFETY: both paths of the caller end in zero.
    unsafe {
        libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, from, libc::AT_FDCWD, to, flags) as c_int
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path")
}

unsafe fn rename_with(from: *const c_char, to: *const c_char, flags: c_uint) -> c_int {
    // SAFETY: the contract of rename.
    let (from_bytes, to_bytes) = unsafe { (path_of(from), path_of(to)) };
    let answered = with(|disk| {
        if !disk.is_mine(from_bytes) && !disk.is_mine(to_bytes) {
            return None;
        }
        if disk.tick(MOVE, 0) == Verdict::Dead {
            return Some(dead());
        }
        let mut replaced: Option<PathBuf> = None;
        if flags & libc::RENAME_NOREPLACE == 0 {
            let kept = disk.place_for_removed();
            if raw_rename(to, c_path(&kept).as_ptr(), 0) == 0 {
                let to_path = Path::new(OsStr::from_bytes(to_bytes));
                disk.renamed(to_path, &kept);
                replaced = Some(kept);
            }
        }
        let answer = raw_rename(from, to, flags);
        if answer == 0 {
            disk.moved(from_bytes, to_bytes, replaced);
        }
        Some(answer)
    });
    answered.flatten().unwrap_or_else(|| raw_rename(from, to, flags))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: the same contract.
    unsafe { rename_with(from, to, 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn renameat2(
    _from_fd: c_int,
    from: *const c_char,
    _to_fd: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    // SAFETY: whoever calls it here gives AT_FDCWD twice.
    unsafe { rename_with(from, to, flags) }
}

/// Removes a name of the disk; `None` when it is none.
fn remove(path: &[u8], is_directory: bool) -> Option<c_int> {
    with(|disk| {
        if !disk.is_mine(path) {
            return None;
        }
        if disk.tick(REMOVE, u64::from(is_directory)) == Verdict::Dead {
            return Some(dead());
        }
        let name = c_path(Path::new(OsStr::from_bytes(path)));
        if is_directory {
            // SAFETY: the path ends in zero.
            let answer = unsafe {
                libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, name.as_ptr(), libc::AT_REMOVEDIR)
            };
            if answer == 0 {
                disk.removed_directory(path);
            }
            return Some(answer as c_int);
        }
        let kept = disk.place_for_removed();
        let answer = raw_rename(name.as_ptr(), c_path(&kept).as_ptr(), 0);
        if answer == 0 {
            disk.renamed(Path::new(OsStr::from_bytes(path)), &kept);
            disk.removed(path, kept);
        }
        Some(answer)
    })?
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the contract of unlink, and the caller's path again.
    remove(unsafe { path_of(path) }, false).unwrap_or_else(|| unsafe {
        libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path, 0) as c_int
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    // SAFETY: the contract of rmdir, and the caller's path again.
    remove(unsafe { path_of(path) }, true).unwrap_or_else(|| unsafe {
        libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path, libc::AT_REMOVEDIR) as c_int
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlinkat(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: the contract of unlinkat.
    let name = unsafe { path_of(path) };
    let whole = match directory {
        libc::AT_FDCWD => Some(name.to_vec()),
        _ => name_of(directory).map(|parent| [parent.as_slice(), b"/", name].concat()),
    };
    let removed = whole.and_then(|whole| remove(&whole, flags & libc::AT_REMOVEDIR != 0));
    // SAFETY: as the caller gave it.
    removed.unwrap_or_else(|| unsafe {
        libc::syscall(libc::SYS_unlinkat, directory, path, flags) as c_int
    })
}

/// Which directory a descriptor is of.
fn name_of(descriptor: c_int) -> Option<Vec<u8>> {
    let link = c_path(Path::new(&format!("/proc/self/fd/{descriptor}")));
    let mut name = vec![0; 4_096];
    // SAFETY: the path ends in zero and the buffer is writable.
    let length = unsafe {
        libc::syscall(
            libc::SYS_readlinkat,
            libc::AT_FDCWD,
            link.as_ptr(),
            name.as_mut_ptr(),
            name.len(),
        )
    };
    name.truncate(usize::try_from(length).ok()?);
    Some(name)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the contract of mkdir.
    let bytes = unsafe { path_of(path) };
    // SAFETY: as above.
    let raw = || unsafe { libc::syscall(libc::SYS_mkdirat, libc::AT_FDCWD, path, mode) as c_int };
    let answered = with(|disk| {
        if !disk.is_mine(bytes) {
            return None;
        }
        if disk.tick(MAKE, 1) == Verdict::Dead {
            return Some(dead());
        }
        let answer = raw();
        if answer == 0 {
            disk.made_directory(bytes);
        }
        Some(answer)
    });
    answered.flatten().unwrap_or_else(raw)
}

/// Inode, birth and change of the disk's files are those of the disk: the same in every run of a seed.
#[unsafe(no_mangle)]
unsafe extern "C" fn statx(
    directory: c_int,
    path: *const c_char,
    flags: c_int,
    mask: c_uint,
    facts: *mut libc::statx,
) -> c_int {
    // SAFETY: as the caller gave it.
    let answer =
        unsafe { libc::syscall(libc::SYS_statx, directory, path, flags, mask, facts) as c_int };
    if answer == 0 {
        // SAFETY: the call filled it in.
        let facts = unsafe { &mut *facts };
        if let Some((number, changes)) = with(|disk| disk.identity(facts.stx_ino)).flatten() {
            facts.stx_ino = number;
            (facts.stx_dev_major, facts.stx_dev_minor) = (8, 1);
            facts.stx_mask |= libc::STATX_BTIME;
            (facts.stx_btime.tv_sec, facts.stx_btime.tv_nsec) = (1_700_000_000 + number as i64, 0);
            (facts.stx_ctime.tv_sec, facts.stx_ctime.tv_nsec) = (1_700_000_000 + changes as i64, 0);
        }
    }
    answer
}

/// Random numbers of the seed.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, bytes: size_t, flags: c_uint) -> ssize_t {
    let filled = with(|disk| {
        // SAFETY: the contract of getrandom.
        disk.entropy(unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), bytes) });
        bytes as ssize_t
    });
    // SAFETY: as the caller gave it.
    filled.unwrap_or_else(|| unsafe {
        libc::syscall(libc::SYS_getrandom, buffer, bytes, flags) as ssize_t
    })
}
