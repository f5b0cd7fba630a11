//! The two averages, on the doubles of the platform. A read decays, rounds and stores.

use std::f64::consts::LN_2;

/// A value that decays with a mean lifetime.
#[derive(Clone, Copy, Debug)]
pub struct DecayingAverage {
    value: i64,
    last_update_unix_secs: u64,
    half_life_secs: f64,
}

impl DecayingAverage {
    pub fn new(window_secs: u64, start_unix_secs: u64) -> DecayingAverage {
        DecayingAverage::stored(window_secs, 0, start_unix_secs)
    }

    /// An average as it was stored; what follows from the window is computed again.
    pub fn stored(window_secs: u64, value: i64, last_update_unix_secs: u64) -> DecayingAverage {
        let half_life_secs = window_secs as f64 * LN_2;
        DecayingAverage { value, last_update_unix_secs, half_life_secs }
    }

    /// Stored value and time of the last update.
    pub fn raw(&self) -> (i64, u64) {
        (self.value, self.last_update_unix_secs)
    }

    /// A clock that went back counts as standing still.
    pub fn value_at(&mut self, unix_secs: u64) -> i64 {
        let unix_secs = unix_secs.max(self.last_update_unix_secs);
        let elapsed_secs = (unix_secs - self.last_update_unix_secs) as f64;
        let factor = 0.5_f64.powf(elapsed_secs / self.half_life_secs);
        self.value = (self.value as f64 * factor).round() as i64;
        self.last_update_unix_secs = unix_secs;
        self.value
    }

    pub fn add(&mut self, value: i64, unix_secs: u64) -> i64 {
        self.value = self.value_at(unix_secs).saturating_add(value);
        self.value
    }
}

/// The income of one window, estimated from what decays over several of them.
#[derive(Clone, Copy, Debug)]
pub struct AggregatedAverage {
    start_unix_secs: u64,
    windows: f64,
    tracked_secs: f64,
    inner: DecayingAverage,
}

impl AggregatedAverage {
    pub fn new(window_secs: u64, multiplier: u64, start_unix_secs: u64) -> AggregatedAverage {
        AggregatedAverage::stored(window_secs, multiplier, start_unix_secs, (0, start_unix_secs))
    }

    pub fn stored(
        window_secs: u64,
        multiplier: u64,
        start_unix_secs: u64,
        (value, last_update_unix_secs): (i64, u64),
    ) -> AggregatedAverage {
        let tracked_secs = window_secs.saturating_mul(multiplier);
        let inner = DecayingAverage::stored(tracked_secs, value, last_update_unix_secs);
        let tracked_secs = tracked_secs as f64;
        let windows = tracked_secs / window_secs as f64;
        AggregatedAverage { start_unix_secs, windows, tracked_secs, inner }
    }

    /// Accumulated value, time of the last update, start.
    pub fn raw(&self) -> (i64, u64, u64) {
        let (value, last_update_unix_secs) = self.inner.raw();
        (value, last_update_unix_secs, self.start_unix_secs)
    }

    /// The accumulated value grows less the older it is, so the divisor warms up in the same way; below one
    /// window there is nothing to extrapolate from.
    pub fn value_at(&mut self, unix_secs: u64) -> i64 {
        let unix_secs = unix_secs.max(self.start_unix_secs);
        let age_secs = (unix_secs - self.start_unix_secs) as f64;
        let warm = 1.0 - (-age_secs / self.tracked_secs).exp();
        let divisor = (self.windows * warm).max(1.0);
        (self.inner.value_at(unix_secs) as f64 / divisor).round() as i64
    }

    pub fn add(&mut self, value: i64, unix_secs: u64) -> i64 {
        self.inner.add(value, unix_secs)
    }
}
