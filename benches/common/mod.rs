//! What the benches share. Each bench is a crate of its own and uses a part, so unused code is no mistake.
#![allow(dead_code)]

pub mod bare;
pub mod faces;
pub mod measure;
pub mod sample;

use std::path::PathBuf;
use std::time::Duration;

/// How long to measure. `cargo test --all-targets` runs benches too, without `--bench`: then once, briefly.
pub struct Settings {
    pub rounds: usize,
    pub round: Duration,
    /// Attempts in a store before anything is timed.
    pub preload: u64,
    /// Attempts where many of them are the point.
    pub attempts: u64,
    pub brief: bool,
}

impl Settings {
    pub fn from_env() -> Settings {
        let brief = !std::env::args().any(|argument| argument == "--bench");
        if brief {
            let round = Duration::from_millis(10);
            return Settings { rounds: 1, round, preload: 2_048, attempts: 4_096, brief };
        }
        let number = |name: &str, default: u64| {
            let text = std::env::var(name).ok();
            text.and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        Settings {
            rounds: usize::try_from(number("LNKEEP_BENCH_ROUNDS", 7)).unwrap_or(7).max(1),
            round: Duration::from_millis(number("LNKEEP_BENCH_ROUND_MS", 300)),
            preload: 100 * 1_024,
            attempts: number("LNKEEP_BENCH_ATTEMPTS", 1_000_000),
            brief,
        }
    }
}

/// A fresh folder on the disk to measure: beside the build, because /tmp often lies in memory.
pub fn folder() -> tempfile::TempDir {
    let place = std::env::var_os("LNKEEP_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    tempfile::tempdir_in(place).expect("no folder for the bench")
}

/// What the preloaded shim adds to each flush, in microseconds.
pub fn flush_delay_us() -> u64 {
    let text = std::env::var("LNKEEP_FLUSH_DELAY_US").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A number that looks random and is the same in every run.
pub fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Bytes that all code of this process holds of the C library, where it tells.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn malloc_bytes() -> Option<usize> {
    // SAFETY: no arguments; the C library locks its arenas one after the other.
    let info = unsafe { libc::mallinfo2() };
    Some(info.uordblks + info.hblkhd)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn malloc_bytes() -> Option<usize> {
    None
}

/// The machine's load of the last minute, where it can be known.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_string()
}
