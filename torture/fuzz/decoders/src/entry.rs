//! Where libFuzzer enters, and the allocator that counts what a decoder takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("LNKEEP_FUZZ_TARGET").unwrap_or_default();
    if name == "seeds" {
        crate::seeds::write();
        leave(0);
    }
    let known = TARGETS.iter().find(|(known, _)| *known == name);
    known.map(|(_, target)| *target).unwrap_or_else(|| {
        TARGETS.iter().for_each(|(name, _)| println!("{name}"));
        leave(2)
    })
});

/// Ends the process behind libFuzzer's back, which takes any other end for a crash.
fn leave(status: i32) -> ! {
    // SAFETY: takes a number and does not return.
    unsafe { libc::_exit(status) }
}

/// Runs the target on one input.
///
/// # Safety
/// `data` points to `bytes` readable bytes, or `bytes` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, bytes: usize) -> i32 {
    let target = *TARGET;
    match bytes {
        0 => target(&[]),
        // SAFETY: libFuzzer gives so many bytes and does not change them meanwhile.
        _ => target(unsafe { std::slice::from_raw_parts(data, bytes) }),
    }
    0
}

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call is the system's own; only its sizes are noted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(LIVE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What a call gives, and by how many bytes it raised what is allocated while it ran.
pub fn measured<T>(call: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = call();
    (result, PEAK.load(Relaxed).saturating_sub(before))
}
