//! The erasure code: 1 MB over 10 of 16, every share made, and the object restored from as much parity as
//! there is; beside another implementation of the same code, and in bytes of memory.
#![allow(missing_docs)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::Settings;
use common::measure::{Contestant, Series, Spread, compare, interleave};
use lnkeep::backup::stripe::Code;
use reed_solomon_erasure::galois_8::ReedSolomon;

const OBJECT_BYTES: usize = 1_000_000;
const DATA_SHARES: usize = 10;
const SHARES: usize = 16;
/// What object, shares and all that is made meanwhile may take, in objects.
const OBJECTS_IN_MEMORY_MAX: usize = 3;

/// Counts what the process holds, and the most that it held.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system allocator does the work; the counters change nothing of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller keeps GlobalAlloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps GlobalAlloc's contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes held beyond what was held before, at most.
fn peak_bytes<T>(work: impl FnOnce() -> T) -> usize {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    drop(black_box(work()));
    PEAK.load(Ordering::Relaxed) - before
}

/// An object, and its shares as both implementations take them.
struct Case {
    code: Code,
    other: ReedSolomon,
    object: Vec<u8>,
    /// The last ten: all six of parity, and four pieces of the object.
    last: Vec<(usize, Vec<u8>)>,
}

impl Case {
    fn new() -> Case {
        let code = Code::new(DATA_SHARES, SHARES).expect("a code");
        let other = ReedSolomon::new(DATA_SHARES, SHARES - DATA_SHARES).expect("a code");
        let object: Vec<u8> =
            (0..OBJECT_BYTES as u64).map(|at| common::scatter(at) as u8).collect();
        let shares = code.encode(&object);
        let last = (SHARES - DATA_SHARES..SHARES).map(|index| (index, shares[index].to_vec()));
        Case { code, other, last: last.collect(), object }
    }

    fn encode(&self) {
        black_box(self.code.encode(&self.object));
    }

    fn decode(&self) {
        let shares: Vec<(usize, &[u8])> =
            self.last.iter().map(|(index, share)| (*index, &share[..])).collect();
        let object = self.code.decode(OBJECT_BYTES, &shares).expect("decode");
        assert_eq!(object.len(), self.object.len());
        black_box(object);
    }

    /// Takes shares of its own, as it writes parity into some of them.
    fn other_encode(&self) {
        let share_bytes = self.code.share_bytes(OBJECT_BYTES);
        let mut shares: Vec<Vec<u8>> =
            self.object.chunks(share_bytes).map(<[u8]>::to_vec).collect();
        shares.resize(SHARES, vec![0; share_bytes]);
        self.other.encode(&mut shares).expect("encode");
        black_box(shares);
    }

    /// Takes shares of its own, as it writes the missing ones among them.
    fn other_decode(&self) {
        let mut shares = vec![None; SHARES];
        for (index, share) in &self.last {
            shares[*index] = Some(share.clone());
        }
        self.other.reconstruct_data(&mut shares).expect("reconstruct");
        let object: Vec<u8> = shares.into_iter().take(DATA_SHARES).flatten().flatten().collect();
        assert_eq!(object.len(), self.object.len());
        black_box(object);
    }
}

fn once(work: impl Fn() + Sync) -> impl Fn() -> u64 + Sync {
    move || {
        work();
        1
    }
}

fn times(settings: &Settings, case: &Case) {
    let contestants = [
        Contestant::new("encode 16 shares", 1, once(|| case.encode())),
        Contestant::new("the other one", 1, once(|| case.other_encode())),
        Contestant::new("decode, 6 pieces lost", 1, once(|| case.decode())),
        Contestant::new("the other one", 1, once(|| case.other_decode())),
    ];
    let all = interleave(&contestants, settings.rounds, settings.round);
    println!("1 MB over 10 of 16: ms, median [range] of rounds");
    for pair in all.chunks(2) {
        let ratio = compare(&pair[0], &pair[1], |a, b| b.per_second() / a.per_second());
        pair.iter().for_each(print_times);
        println!("  {:<24} {ratio}", "time over the other's");
    }
}

fn print_times(series: &Series) {
    let ms = Spread::of(series.rounds.iter().map(|round| 1e3 / round.per_second()));
    let megabytes = OBJECT_BYTES as f64 / 1e6;
    let rate = series.median_of(|round| round.per_second()) * megabytes;
    println!("  {:<24} {:<22} {rate:>6.0} MB/s", series.name, ms.to_string());
}

fn memory(case: &Case) {
    println!("\nmost memory with the object and the shares that it is restored from, in objects");
    let objects = |bytes: usize| bytes as f64 / OBJECT_BYTES as f64;
    let shares: usize = case.last.iter().map(|(_, share)| share.len()).sum();
    for (name, given, made) in [
        ("encode 16 shares", case.object.len(), peak_bytes(|| case.encode())),
        ("the other one", case.object.len(), peak_bytes(|| case.other_encode())),
        ("decode, 6 pieces lost", shares, peak_bytes(|| case.decode())),
        ("the other one", shares, peak_bytes(|| case.other_decode())),
    ] {
        println!("  {name:<24} {:.2}", objects(given + made));
        let is_ours = name != "the other one";
        assert!(!is_ours || given + made <= OBJECTS_IN_MEMORY_MAX * OBJECT_BYTES, "{name}");
    }
}

fn main() {
    let (settings, case) = (Settings::from_env(), Case::new());
    println!("load {} before\n", common::load());
    times(&settings, &case);
    memory(&case);
    println!("\nload {} after", common::load());
}
