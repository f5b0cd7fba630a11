//! The only place, beside `ffi` and `store::env`, that calls libc: locks, allocation, descriptors, forks.
//!
//! O1 every descriptor made here is close-on-exec. O2 nothing here retries a failed flush.
//! O3 a forked child is recognised without a system call: its copy of one page is wiped by the kernel.
//! Called by `store`, `events` and `ffi`.

use std::ffi::CString;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::error::{Error, Status};

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Opens a file of a store for reading and writing, making it when it is missing; follows no link.
pub(crate) fn open_for_writing(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
}

/// Opens whatever lies at a path for reading, without waiting for the other end of a pipe.
pub(crate) fn open_for_reading(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path)
}

/// Exclusive claim on a file, held while it is open.
///
/// An open file description lock, not a POSIX record lock: a close of the same file elsewhere in the
/// process does not drop it, and a second open in the same process is refused like any other.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock, making the file when it is missing; answers `None` when somebody holds it.
    pub(crate) fn acquire(path: &Path) -> io::Result<Option<FileLock>> {
        let file = open_for_writing(path)?;
        if lock_exclusively(&file)? { Ok(Some(FileLock { file })) } else { Ok(None) }
    }

    /// The first bytes of the file, fewer when it is shorter.
    pub(crate) fn read(&self, bytes: usize) -> io::Result<Vec<u8>> {
        let mut content = vec![0; bytes];
        let read = self.file.read_at(&mut content, 0)?;
        content.truncate(read);
        Ok(content)
    }

    /// The locked file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Replaces the first bytes of the file, durably.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, 0)?;
        self.file.sync_all()
    }

    /// When and at which length the file was last changed. No caller of the kernel can set that time.
    pub(crate) fn change_stamp(&self) -> io::Result<[u64; 3]> {
        let metadata = self.file.metadata()?;
        let nanoseconds = u64::try_from(metadata.ctime_nsec()).unwrap_or(0);
        Ok([metadata.len(), metadata.ctime().cast_unsigned(), nanoseconds])
    }

    /// Whether the file has no other name that a second owner could open it by.
    pub(crate) fn is_only_name(&self) -> io::Result<bool> {
        let metadata = self.file.metadata()?;
        Ok(metadata.is_file() && metadata.nlink() == 1)
    }
}

/// Gives a file its name, unless the name is taken.
#[cfg(target_os = "linux")]
pub(crate) fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (c_path(from)?, c_path(to)?);
    // SAFETY: both paths are NUL-terminated.
    let result = unsafe {
        libc::renameat2(
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    check(result).map(drop)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::hard_link(from, to)?;
    std::fs::remove_file(from)
}

/// An error of an allocation: a full disk is a refusal, everything else is not.
pub(crate) fn space_error(error: &io::Error, doing: &str) -> Error {
    let full = matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG));
    Error::io(if full { Status::NoSpace } else { Status::Io }, error, doing)
}

impl Drop for FileLock {
    /// A forked child shares the open file and with it the lock: closing it here would leave the child as its
    /// holder, so the lock is given back by name.
    fn drop(&mut self) {
        if !is_forked_child() {
            // A lock that cannot be given back goes with the last descriptor of the file.
            set_lock(&self.file, Lock::Release).unwrap_or_default();
        }
    }
}

#[derive(Clone, Copy)]
enum Lock {
    Take,
    Release,
}

fn lock_exclusively(file: &File) -> io::Result<bool> {
    match set_lock(file, Lock::Take) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Whether somebody holds a [`FileLock`] on the file.
#[cfg(target_os = "linux")]
pub(crate) fn is_locked(file: &File) -> io::Result<bool> {
    // SAFETY: an all-zero `flock` is a valid value; every field that matters is set below.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_whence = libc::SEEK_SET as libc::c_short;
    range.l_type = libc::F_RDLCK as libc::c_short;
    // SAFETY: the descriptor is open and `range` lives through the call.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut range) })?;
    Ok(range.l_type != libc::F_UNLCK as libc::c_short)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn is_locked(file: &File) -> io::Result<bool> {
    // SAFETY: the descriptor is open; flock reads no memory of ours.
    match check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_SH | libc::LOCK_NB) }) {
        Ok(_) => set_lock(file, Lock::Release).map(|()| false),
        Err(error) if error.raw_os_error() == Some(libc::EWOULDBLOCK) => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(target_os = "linux")]
fn set_lock(file: &File, lock: Lock) -> io::Result<()> {
    // SAFETY: an all-zero `flock` is a valid value; every field that matters is set below.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_whence = libc::SEEK_SET as libc::c_short;
    range.l_type = match lock {
        Lock::Take => libc::F_WRLCK as libc::c_short,
        Lock::Release => libc::F_UNLCK as libc::c_short,
    };
    // SAFETY: the descriptor is open and `range` lives through the call.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &range) }).map(drop)
}

#[cfg(not(target_os = "linux"))]
fn set_lock(file: &File, lock: Lock) -> io::Result<()> {
    let operation = match lock {
        Lock::Take => libc::LOCK_EX | libc::LOCK_NB,
        Lock::Release => libc::LOCK_UN,
    };
    // SAFETY: the descriptor is open; flock reads no memory of ours.
    check(unsafe { libc::flock(file.as_raw_fd(), operation) }).map(drop)
}

/// What kind of file system a directory lies on, as far as the promise depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSystem {
    /// Local, or unknown to us.
    Local,
    /// Network or FUSE: a flush promises nothing we can rely on.
    Remote,
    /// Lives in memory.
    Tmpfs,
    /// Layered; the lower layers decide.
    Overlay,
}

#[cfg(target_os = "linux")]
impl FileSystem {
    const NFS: i64 = 0x6969;
    const SMB: i64 = 0x517b;
    const SMB2: i64 = 0xfe53_4d42;
    const CIFS: i64 = 0xff53_4d42;
    const FUSE: i64 = 0x6573_5546;
    const TMPFS: i64 = 0x0102_1994;
    const OVERLAY: i64 = 0x794c_7630;

    /// The file system that holds `path`.
    pub(crate) fn of(path: &Path) -> io::Result<FileSystem> {
        let path = c_path(path)?;
        // SAFETY: an all-zero `statfs` is a valid value that the call overwrites.
        let mut facts: libc::statfs = unsafe { std::mem::zeroed() };
        // SAFETY: the path is NUL-terminated and `facts` is writable.
        check(unsafe { libc::statfs(path.as_ptr(), &mut facts) })?;
        Ok(FileSystem::of_magic(facts.f_type as i64))
    }

    fn of_magic(magic: i64) -> FileSystem {
        match magic & 0xffff_ffff {
            Self::NFS | Self::SMB | Self::SMB2 | Self::CIFS | Self::FUSE => FileSystem::Remote,
            Self::TMPFS => FileSystem::Tmpfs,
            Self::OVERLAY => FileSystem::Overlay,
            _ => FileSystem::Local,
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl FileSystem {
    pub(crate) fn of(_path: &Path) -> io::Result<FileSystem> {
        Ok(FileSystem::Local)
    }
}

/// What tells a file from a copy of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FileIdentity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// Nanoseconds since 1970, 0 where the file system does not record it.
    pub(crate) birth_ns: u64,
}

impl FileIdentity {
    /// Of no file.
    pub(crate) const NOWHERE: FileIdentity =
        FileIdentity { device: u64::MAX, inode: u64::MAX, birth_ns: u64::MAX };

    pub(crate) fn of(path: &Path) -> io::Result<FileIdentity> {
        Ok(FileIdentity::from(&std::fs::symlink_metadata(path)?))
    }
}

impl From<&Metadata> for FileIdentity {
    fn from(metadata: &Metadata) -> FileIdentity {
        let birth_ns = metadata
            .created()
            .ok()
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .map_or(0, |age| u64::try_from(age.as_nanos()).unwrap_or(0));
        FileIdentity { device: metadata.dev(), inode: metadata.ino(), birth_ns }
    }
}

/// Why a directory must not hold a store, if it must not.
pub(crate) fn unsafe_directory(path: &Path) -> io::Result<Option<&'static str>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_dir() {
        return Ok(Some("it is not a directory"));
    }
    Ok(others_may_write(&metadata))
}

/// Why a file must not be used as one of a store's, if it must not. One that is missing is nobody else's.
/// Behind a link it is the file that counts: LMDB follows one to its `lock.mdb`.
pub(crate) fn unsafe_file(path: &Path) -> io::Result<Option<&'static str>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(others_may_write(&metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Root is no exception: what it writes into another user's file, that user can change afterwards.
fn others_may_write(metadata: &Metadata) -> Option<&'static str> {
    // SAFETY: geteuid has no preconditions.
    let user = unsafe { libc::geteuid() };
    if metadata.uid() != user {
        return Some("it belongs to another user");
    }
    (metadata.mode() & 0o022 != 0).then_some("its group or others may write to it")
}

/// Makes sure that bytes `from..to` of the file are backed by disk space, extending it when needed.
#[cfg(target_os = "linux")]
pub(crate) fn allocate(descriptor: RawFd, from: u64, to: u64) -> io::Result<()> {
    let (Ok(start), Ok(length)) = (i64::try_from(from), i64::try_from(to.saturating_sub(from)))
    else {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    };
    if length == 0 {
        return Ok(());
    }
    loop {
        // SAFETY: posix_fallocate takes no pointers; a bad descriptor is answered EBADF.
        match unsafe { libc::posix_fallocate(descriptor, start, length) } {
            0 => return Ok(()),
            libc::EINTR => {}
            errno => return Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// Without posix_fallocate space is not reserved; docs/durability.md says so.
#[cfg(not(target_os = "linux"))]
pub(crate) fn allocate(_descriptor: RawFd, _from: u64, _to: u64) -> io::Result<()> {
    Ok(())
}

/// Tells the kernel that the whole file will be read soon.
#[cfg(target_os = "linux")]
pub(crate) fn read_ahead(file: &File) {
    // SAFETY: posix_fadvise takes no pointers; it is advice, so its answer does not matter.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_WILLNEED) };
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn read_ahead(_file: &File) {}

/// Keeps a descriptor out of programs the host starts.
pub(crate) fn set_close_on_exec(descriptor: RawFd) -> io::Result<()> {
    // SAFETY: fcntl with these commands takes no pointers.
    let flags = check(unsafe { libc::fcntl(descriptor, libc::F_GETFD) })?;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(descriptor, libc::F_SETFD, flags | libc::FD_CLOEXEC) })?;
    Ok(())
}

/// Makes created, renamed and removed names of a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    FLUSHED_DIRECTORIES.lock().push(path.to_owned());
    File::open(path)?.sync_all()
}

/// What all tests of this process flushed: else it shows only when the power fails.
#[cfg(test)]
pub(crate) static FLUSHED_DIRECTORIES: parking_lot::Mutex<Vec<std::path::PathBuf>> =
    parking_lot::Mutex::new(Vec::new());

/// Makes the name of a file durable that was just given to it.
///
/// XFS answers 0 when a directory is flushed after the file system has shut itself down, but an error when a
/// file is: so the file is flushed as well. It is clean, which makes that cheap.
pub(crate) fn sync_name(path: &Path) -> io::Result<()> {
    sync_directory(directory_of(path))?;
    File::open(path)?.sync_all()
}

/// The directory that holds a name; of a name alone the one that the process is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Starts a thread that takes no signal of the host.
pub(crate) fn spawn_without_signals<F>(
    name: &str,
    body: F,
) -> io::Result<std::thread::JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    // SAFETY: an all-zero set is valid storage; sigfillset initialises it.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: as above, overwritten by pthread_sigmask.
    let mut before: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: both sets live on this stack; the mask is this thread's own and is put back below.
    unsafe {
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
    }
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    // SAFETY: `before` was filled in above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut()) };
    thread
}

/// A descriptor that becomes readable when rung, and stays readable until silenced.
#[derive(Debug)]
pub(crate) struct Doorbell {
    read_end: OwnedFd,
    write_end: Option<OwnedFd>,
}

impl Doorbell {
    #[cfg(target_os = "linux")]
    pub(crate) fn new() -> io::Result<Doorbell> {
        // SAFETY: eventfd takes no pointers.
        let descriptor =
            check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the descriptor was just made and is owned by nobody else.
        let read_end = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Doorbell { read_end, write_end: None })
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new() -> io::Result<Doorbell> {
        let mut ends = [0; 2];
        // SAFETY: `ends` holds two descriptors.
        check(unsafe { libc::pipe(ends.as_mut_ptr()) })?;
        // SAFETY: both descriptors were just made and are owned by nobody else.
        let (read_end, write_end) =
            unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
        for end in [&read_end, &write_end] {
            set_close_on_exec(end.as_raw_fd())?;
            // SAFETY: fcntl with this command takes no pointers.
            check(unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) })?;
        }
        Ok(Doorbell { read_end, write_end: Some(write_end) })
    }

    /// The descriptor to poll for reading; it stays owned by the doorbell.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.read_end.as_raw_fd()
    }

    /// A full counter or pipe is already readable, so a failed write loses nothing.
    pub(crate) fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        let end = self.write_end.as_ref().unwrap_or(&self.read_end);
        // SAFETY: eight readable bytes; the descriptor is ours and non-blocking.
        unsafe { libc::write(end.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes the descriptor quiet again.
    pub(crate) fn silence(&self) {
        let mut bytes = [0u8; 64];
        // SAFETY: 64 writable bytes; the descriptor is ours and non-blocking.
        while unsafe {
            libc::read(self.read_end.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len())
        } == 64
        {}
    }
}

#[repr(C, align(4096))]
struct WipedPage {
    alive: AtomicU8,
    padding: [u8; 4095],
}

static WIPED_PAGE: OnceLock<Option<&'static WipedPage>> = OnceLock::new();
static FIRST_PROCESS: AtomicU32 = AtomicU32::new(0);

/// Whether this process is a forked copy of the one that first used the library.
///
/// The page costs about a nanosecond to look at; asking for the process id would cost a system call.
pub(crate) fn is_forked_child() -> bool {
    match WIPED_PAGE.get_or_init(make_wiped_page) {
        Some(page) => page.alive.load(Ordering::Relaxed) == 0,
        None => {
            let process = std::process::id();
            let first =
                FIRST_PROCESS.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed);
            first.is_err_and(|first| first != process)
        }
    }
}

#[cfg(target_os = "linux")]
fn make_wiped_page() -> Option<&'static WipedPage> {
    const BYTES: usize = std::mem::size_of::<WipedPage>();
    // SAFETY: an anonymous private mapping at an address of the kernel's choice.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the mapping was just made and covers BYTES.
    if unsafe { libc::madvise(address, BYTES, libc::MADV_WIPEONFORK) } != 0 {
        return None;
    }
    // SAFETY: mapped, page-aligned, zeroed memory that is never unmapped is a valid static WipedPage.
    let page: &'static WipedPage = unsafe { &*address.cast::<WipedPage>() };
    debug_assert_eq!(page.padding[0], 0);
    page.alive.store(1, Ordering::Relaxed);
    Some(page)
}

#[cfg(not(target_os = "linux"))]
fn make_wiped_page() -> Option<&'static WipedPage> {
    None
}

/// Want of memory, for tests: the allocator refuses a thread what is as large as the thread says.
#[cfg(test)]
pub(crate) mod scarcity {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;

    thread_local! {
        static REFUSED_FROM_BYTES: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    /// What a host, a peer or a file makes large is at least this.
    const LARGE_BYTES: usize = 32 << 10;

    /// The calling thread is refused what is large. What cannot be refused ends the process.
    pub(crate) fn during<T>(call: impl FnOnce() -> T) -> T {
        during_from(LARGE_BYTES, call)
    }

    /// The same from so many bytes on.
    pub(crate) fn during_from<T>(bytes: usize, call: impl FnOnce() -> T) -> T {
        REFUSED_FROM_BYTES.set(bytes);
        let answer = call();
        end();
        answer
    }

    /// As `during`, until [`end`].
    pub(crate) fn begin() {
        REFUSED_FROM_BYTES.set(LARGE_BYTES);
    }

    pub(crate) fn end() {
        REFUSED_FROM_BYTES.set(usize::MAX);
    }

    struct Scarce;

    fn is_refused(bytes: usize) -> bool {
        REFUSED_FROM_BYTES.try_with(|from| bytes >= from.get()).unwrap_or(false)
    }

    // SAFETY: every call is passed on to the system's allocator unchanged, or answered with null.
    unsafe impl GlobalAlloc for Scarce {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if is_refused(layout.size()) {
                return std::ptr::null_mut();
            }
            // SAFETY: promised by the caller.
            unsafe { System.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            if is_refused(layout.size()) {
                return std::ptr::null_mut();
            }
            // SAFETY: promised by the caller.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
            if is_refused(bytes) && bytes > layout.size() {
                return std::ptr::null_mut();
            }
            // SAFETY: promised by the caller.
            unsafe { System.realloc(pointer, layout, bytes) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            // SAFETY: promised by the caller.
            unsafe { System.dealloc(pointer, layout) }
        }
    }

    #[global_allocator]
    static ALLOCATOR: Scarce = Scarce;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_is_in_the_directory_of_the_process() {
        for (path, directory) in
            [("store", "."), ("./store", "."), ("a/store", "a"), ("/store", "/")]
        {
            assert_eq!(directory_of(Path::new(path)), Path::new(directory), "{path}");
        }
    }

    #[test]
    fn a_second_lock_in_the_same_process_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("owner.lock");
        let first = FileLock::acquire(&path).unwrap();
        assert!(first.is_some());
        assert!(FileLock::acquire(&path).unwrap().is_none());
        drop(first);
        assert!(FileLock::acquire(&path).unwrap().is_some());
    }

    #[test]
    fn a_doorbell_is_quiet_until_rung_and_after_silence() {
        let bell = Doorbell::new().unwrap();
        assert!(!readable(&bell));
        bell.ring();
        bell.ring();
        assert!(readable(&bell));
        bell.silence();
        assert!(!readable(&bell));
    }

    fn readable(bell: &Doorbell) -> bool {
        let mut poll = libc::pollfd { fd: bell.descriptor(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd on this stack.
        unsafe { libc::poll(&mut poll, 1, 0) == 1 }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn network_file_systems_are_recognised() {
        assert_eq!(FileSystem::of_magic(FileSystem::NFS), FileSystem::Remote);
        assert_eq!(FileSystem::of_magic(FileSystem::FUSE), FileSystem::Remote);
        assert_eq!(FileSystem::of_magic(0xef53), FileSystem::Local);
    }

    #[test]
    fn the_first_process_is_not_a_forked_child() {
        assert!(!is_forked_child());
    }
}
