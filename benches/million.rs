//! What lnkeep holds in memory with a million attempts, all but 100 finished. How fast it is with
//! them, beside bbolt, is in `compare/million.c`.
#![allow(missing_docs)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::Settings;
use common::faces::{BULK, Face, RustFace, preload};
use lnkeep::{AttemptKey, Namespace};

const UNFINISHED: u64 = 100;
/// Just beyond a doubling of the library's hash tables, where they are emptiest.
const IN_FLIGHT: u64 = 16 * BULK;

/// Counts what Rust code allocates. LMDB allocates with malloc itself; see [`Heap`].
struct Counting;

static RUST_BYTES: AtomicUsize = AtomicUsize::new(0);
static RUST_PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = RUST_BYTES.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        RUST_PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        RUST_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes in use: of Rust code, and of all code including LMDB where the C library tells.
#[derive(Clone, Copy)]
struct Heap {
    rust: usize,
    all: usize,
}

impl Heap {
    fn now() -> Heap {
        let rust = RUST_BYTES.load(Ordering::Relaxed);
        Heap { rust, all: common::malloc_bytes().unwrap_or(rust) }
    }

    fn since(self, before: Heap) -> Heap {
        Heap {
            rust: self.rust.saturating_sub(before.rust),
            all: self.all.saturating_sub(before.all),
        }
    }
}

impl std::fmt::Display for Heap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>7.2} MB with LMDB, {:>7.2} MB of it Rust", mb(self.all), mb(self.rust))
    }
}

fn mb(bytes: usize) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

/// The most that was in use while `work` ran, looked at a thousand times a second.
fn heap_peak(before: Heap, work: impl FnOnce()) -> Heap {
    RUST_PEAK.store(RUST_BYTES.load(Ordering::Relaxed), Ordering::Relaxed);
    let done = AtomicBool::new(false);
    let all = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(Heap::now().all);
                std::thread::sleep(Duration::from_millis(1));
            }
            most
        });
        work();
        done.store(true, Ordering::Relaxed);
        watcher.join().expect("the watcher panicked")
    });
    let rust = RUST_PEAK.load(Ordering::Relaxed);
    Heap { rust, all }.since(before)
}

fn print(what: &str, figure: impl std::fmt::Display, target: &str) {
    println!("  {what:<58} {figure}   {target}");
}

/// Leaves [`UNFINISHED`] attempts pending, evenly among the others.
fn fill(folder: &Path, count: u64) -> u64 {
    let face = RustFace::open(folder);
    let step = count / UNFINISHED;
    let finished = |id: u64| !id.is_multiple_of(step) || id / step > UNFINISHED;
    let filled = preload(&face, count, finished);
    face.store.close().expect("close");
    filled
}

/// Registers attempts, then waits for each of them, and says what that holds.
fn print_in_flight(face: &RustFace, first: u64) {
    let quiet = Heap::now();
    let bulks = || (first..first + IN_FLIGHT).step_by(BULK as usize);
    let peak = heap_peak(quiet, || bulks().for_each(|first| face.init_bulk(first)));
    print_per("most for one operation while 1,024 are submitted, bytes", peak.rust, BULK, "");
    let registered = Heap::now().since(quiet);
    print_per("heap for one pending attempt, bytes", registered.rust, IN_FLIGHT, "target <= 200");
    for id in first..first + IN_FLIGHT {
        let key = AttemptKey::new(Namespace::default(), id);
        face.attempts.subscribe(key, true).expect("subscribe");
    }
    let waited_for = Heap::now().since(quiet);
    let what = "heap for one pending attempt with a subscription, bytes";
    print_per(what, waited_for.rust, IN_FLIGHT, "target <= 200");
}

fn print_per(what: &str, bytes: usize, count: u64, target: &str) {
    print(what, format!("{:.0}", bytes as f64 / count as f64), target);
}

fn threads_init(face: &RustFace, first: u64, threads: u64, each: u64) {
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let ids = first + thread * each..first + (thread + 1) * each;
            scope.spawn(move || ids.for_each(|id| face.init(id)));
        }
    });
}

fn print_heap(folder: &Path, attempts: u64, times: usize) {
    let before = Heap::now();
    let face = RustFace::open(folder);
    print("heap after open", Heap::now().since(before), "target <= 8 MB");
    let work = || {
        (0..times).for_each(|turn| face.get(common::scatter(turn as u64) % attempts + 1));
        threads_init(&face, attempts + (2 << 32), 16, times as u64 / 100);
    };
    let peak = heap_peak(before, work);
    print("most during gets, then 16 threads of init", peak, "target <= 8 MB");
    let idle = Heap::now();
    print("heap when quiet again", idle.since(before), "target <= 8 MB");
    print_in_flight(&face, attempts + (3 << 32));
    face.store.close().expect("close");
}

fn main() {
    let settings = Settings::from_env();
    let calls = if settings.brief { 100 } else { 200_000 };
    let folder = common::folder();
    let store = folder.path().join("store");
    let attempts = fill(&store, settings.attempts);
    println!("{attempts} attempts, all but {UNFINISHED} finished");
    print_heap(&store, attempts, calls);
}
