//! What a store has done and how long its commits took.

use std::sync::atomic::{AtomicU64, Ordering};

/// Sixteen steps per power of two keep a percentile within 6 % of the truth.
const STEPS_LOG2: u32 = 4;
const BUCKETS: usize = 64 << STEPS_LOG2;

/// A histogram of durations that many threads may read while one writes.
pub(crate) struct Durations {
    buckets: Box<[AtomicU64]>,
    max_ns: AtomicU64,
}

impl Durations {
    pub(crate) fn new() -> Durations {
        Durations {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            max_ns: AtomicU64::new(0),
        }
    }

    pub(crate) fn add(&self, ns: u64) {
        self.buckets[bucket_of(ns)].fetch_add(1, Ordering::Relaxed);
        self.max_ns.fetch_max(ns, Ordering::Relaxed);
    }

    pub(crate) fn max_ns(&self) -> u64 {
        self.max_ns.load(Ordering::Relaxed)
    }

    /// The duration that `percent` of all durations do not exceed, 0 without any.
    pub(crate) fn percentile_ns(&self, percent: u64) -> u64 {
        let counts: Vec<u64> =
            self.buckets.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let rank = (total * percent).div_ceil(100);
        let mut seen = 0;
        for (bucket, count) in counts.iter().enumerate() {
            seen += count;
            if *count != 0 && seen >= rank {
                return top_of(bucket).min(self.max_ns());
            }
        }
        0
    }
}

fn bucket_of(ns: u64) -> usize {
    let ns = ns.max(1 << STEPS_LOG2);
    let exponent = 63 - ns.leading_zeros();
    let step = (ns >> (exponent - STEPS_LOG2)) & ((1 << STEPS_LOG2) - 1);
    ((exponent as usize) << STEPS_LOG2) | step as usize
}

fn top_of(bucket: usize) -> u64 {
    let exponent = (bucket >> STEPS_LOG2) as u32;
    let step = (bucket as u64) & ((1 << STEPS_LOG2) - 1);
    let width = 1u64 << exponent.saturating_sub(STEPS_LOG2);
    (1u64 << exponent) + ((step + 1) * width - 1)
}

/// Figures of one open store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Commits since the open.
    pub commits: u64,
    /// Operations applied since the open.
    pub operations: u64,
    /// Operations refused since the open.
    pub operations_refused: u64,
    /// Median duration of a commit's flush, nanoseconds.
    pub commit_p50_ns: u64,
    /// 99th percentile of the same.
    pub commit_p99_ns: u64,
    /// Longest of the same.
    pub commit_max_ns: u64,
    /// Operations waiting for the writer.
    pub queue_depth: u64,
    /// Pages of the file in use or free inside it.
    pub pages_used: u64,
    /// Bytes of one page.
    pub page_bytes: u64,
    /// Bytes of `data.mdb` backed by disk space.
    pub allocated_bytes: u64,
    /// Bytes of the memory map.
    pub map_bytes: u64,
    /// Largest size the map may grow to.
    pub map_bytes_max: u64,
    /// Reader slots in use or resting.
    pub readers: u64,
    /// How long the oldest running read has lasted, nanoseconds.
    pub oldest_read_ns: u64,
    /// Times the map grew since the open.
    pub map_growths: u64,
    /// Reader slots of dead processes cleared since the open.
    pub stale_readers_cleared: u64,
    /// Number of the last commit, over all opens.
    pub commit_number: u64,
    /// Bits: 1 the reserve is in use, new intents are refused; 2 the map is over 80 % full.
    pub flags: u32,
}

impl Stats {
    /// The disk is full: new intents are refused, results may still be stored.
    pub const NO_SPACE: u32 = 1;
    /// The map is over 80 % of its largest size.
    pub const MAP_NEARLY_FULL: u32 = 2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_at_or_below_the_top_of_its_bucket() {
        for ns in [0, 1, 15, 16, 17, 31, 32, 1000, 123_456, 1 << 40, u64::MAX] {
            let top = top_of(bucket_of(ns));
            assert!(top >= ns, "{ns}");
            assert!(ns < 64 || top - ns <= ns / 8, "{ns} {top}");
        }
    }

    #[test]
    fn percentiles_of_a_known_series() {
        let durations = Durations::new();
        assert_eq!(durations.percentile_ns(50), 0);
        (1..=100).for_each(|i| durations.add(i * 1000));
        let p50 = durations.percentile_ns(50);
        assert!((50_000..=54_000).contains(&p50), "{p50}");
        assert_eq!(durations.percentile_ns(100), 100_000);
    }
}
