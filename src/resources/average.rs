//! Averages that decay with time: a channel's reputation as outgoing, its revenue as incoming.
//!
//! RA1 an average with window W forgets by exp(-t/W): a steady income r accumulates to r * W. RA2 time never
//! runs backwards for it: an earlier time counts as the last one. RA3 in `strict` mode a read changes nothing
//! and what an addition rounds off is kept; in `compat` mode a read stores its rounded result, as the
//! reference does (bolts #1280, rust-lightning #4409). RA4 `exp` and `pow` are pure Rust, so that every
//! platform decides alike. Pure: no clock, no I/O. Called by `channel` and `decide`.

use std::f64::consts::LN_2;

use super::rules::Mode;

/// Above this, a double has no bits for parts of a millisatoshi.
const FRACTION_MAX: f64 = (1u64 << 53) as f64;

/// A sum of millisatoshi that decays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecayingAverage {
    /// Whole millisatoshi at `last_update_secs`.
    pub value_msat: i64,
    /// What rounding left out, between -0.5 and 0.5; always 0 in `compat`.
    pub remainder: f64,
    /// Unix time of the last change.
    pub last_update_secs: u64,
}

impl DecayingAverage {
    /// Nothing, as of a time.
    pub fn new(start_secs: u64) -> DecayingAverage {
        DecayingAverage { value_msat: 0, remainder: 0.0, last_update_secs: start_secs }
    }

    /// The value at a time. In `compat` mode the rounded value is stored (RA3).
    pub fn read(&mut self, mode: Mode, window_secs: u64, unix_secs: u64) -> i64 {
        match mode {
            Mode::Strict => to_msat(self.exact(window_secs, unix_secs)),
            Mode::Compat => {
                *self = self.decayed_and_rounded(window_secs, unix_secs);
                self.value_msat
            }
        }
    }

    /// Adds an amount at a time and answers the new value.
    pub fn add(&mut self, mode: Mode, window_secs: u64, amount_msat: i64, unix_secs: u64) -> i64 {
        let unix_secs = unix_secs.max(self.last_update_secs);
        match mode {
            Mode::Compat => {
                *self = self.decayed_and_rounded(window_secs, unix_secs);
                self.value_msat = self.value_msat.saturating_add(amount_msat);
            }
            Mode::Strict if unix_secs == self.last_update_secs => {
                self.value_msat = self.value_msat.saturating_add(amount_msat);
            }
            Mode::Strict => {
                let exact = self.exact(window_secs, unix_secs) + amount_msat as f64;
                self.set(exact, unix_secs);
            }
        }
        self.value_msat
    }

    /// Adds an amount that was earned at an earlier time, less what it decayed since.
    pub(super) fn add_past(&mut self, window_secs: u64, amount_msat: i64, unix_secs: u64) {
        if unix_secs >= self.last_update_secs {
            self.add(Mode::Strict, window_secs, amount_msat, unix_secs);
            return;
        }
        let age_secs = self.last_update_secs - unix_secs;
        let left = amount_msat as f64 * decay(age_secs, window_secs);
        self.set(self.value_msat as f64 + self.remainder + left, self.last_update_secs);
    }

    /// The average as a reference of rounded reads would store it.
    fn decayed_and_rounded(&self, window_secs: u64, unix_secs: u64) -> DecayingAverage {
        let unix_secs = unix_secs.max(self.last_update_secs);
        let age_secs = (unix_secs - self.last_update_secs) as f64;
        let half_life_secs = window_secs as f64 * LN_2;
        let factor = libm::pow(0.5, age_secs / half_life_secs);
        let value_msat = to_msat(self.value_msat as f64 * factor);
        DecayingAverage { value_msat, remainder: 0.0, last_update_secs: unix_secs }
    }

    fn exact(&self, window_secs: u64, unix_secs: u64) -> f64 {
        let value = self.value_msat as f64 + self.remainder;
        let age_secs = unix_secs.saturating_sub(self.last_update_secs);
        if age_secs == 0 || value == 0.0 { value } else { value * decay(age_secs, window_secs) }
    }

    fn set(&mut self, exact: f64, unix_secs: u64) {
        self.value_msat = to_msat(exact);
        let is_fractional = exact.abs() < FRACTION_MAX;
        self.remainder = if is_fractional { exact - self.value_msat as f64 } else { 0.0 };
        self.last_update_secs = unix_secs;
    }
}

/// What a channel earned us as the incoming one, as the income of an average window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Revenue {
    /// All income, decaying over the tracked window.
    pub total: DecayingAverage,
    /// Unix time from which income was counted.
    pub start_secs: u64,
}

/// Lengths of the windows of a [`Revenue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevenueWindows {
    /// The window whose income is asked for.
    pub average_secs: u64,
    /// The longer window over which income is remembered.
    pub tracked_secs: u64,
}

impl Revenue {
    /// No income since a time.
    pub fn new(start_secs: u64) -> Revenue {
        Revenue { total: DecayingAverage::new(start_secs), start_secs }
    }

    /// Income of one average window as of a time. Until the tracked window has filled, the total is divided
    /// by the windows that it stands for by then, and by no less than one: what a few days brought is not
    /// extrapolated.
    pub fn read(&mut self, mode: Mode, windows: RevenueWindows, unix_secs: u64) -> i64 {
        let unix_secs = unix_secs.max(self.start_secs);
        let tracked_secs = windows.tracked_secs as f64;
        let total = match mode {
            Mode::Compat => self.total.read(mode, windows.tracked_secs, unix_secs) as f64,
            Mode::Strict => self.total.exact(windows.tracked_secs, unix_secs),
        };
        if mode == Mode::Strict && total == 0.0 {
            return 0;
        }
        let count = tracked_secs / windows.average_secs as f64;
        let warm = 1.0 - libm::exp(-((unix_secs - self.start_secs) as f64) / tracked_secs);
        to_msat(total / (count * warm).max(1.0))
    }

    /// Adds income at a time and answers the undivided total.
    pub fn add(
        &mut self,
        mode: Mode,
        windows: RevenueWindows,
        amount_msat: i64,
        unix_secs: u64,
    ) -> i64 {
        self.total.add(mode, windows.tracked_secs, amount_msat, unix_secs)
    }
}

fn decay(age_secs: u64, window_secs: u64) -> f64 {
    libm::exp(-(age_secs as f64) / window_secs as f64)
}

/// Rounds half away from zero and saturates.
fn to_msat(value: f64) -> i64 {
    value.round() as i64
}

/// A fee or risk as a signed amount.
pub(super) fn signed(amount_msat: u64) -> i64 {
    i64::try_from(amount_msat).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_SECS: u64 = 14_515_200;

    #[test]
    fn frequent_reads_freeze_a_compat_average_and_not_a_strict_one() {
        let mut compat = DecayingAverage::new(0);
        let mut strict = DecayingAverage::new(0);
        compat.add(Mode::Compat, WINDOW_SECS, 7_000_000, 0);
        strict.add(Mode::Strict, WINDOW_SECS, 7_000_000, 0);
        for unix_secs in 0..100_000 {
            compat.read(Mode::Compat, WINDOW_SECS, unix_secs);
            strict.read(Mode::Strict, WINDOW_SECS, unix_secs);
        }
        assert_eq!(compat.value_msat, 7_000_000);
        assert_eq!(strict.last_update_secs, 0);
        let expected = 7_000_000.0 * libm::exp(-99_999.0 / WINDOW_SECS as f64);
        assert_eq!(strict.read(Mode::Strict, WINDOW_SECS, 99_999), expected.round() as i64);
    }

    #[test]
    fn frequent_small_additions_round_nothing_away() {
        let mut average = DecayingAverage::new(0);
        average.add(Mode::Strict, WINDOW_SECS, 7_000_000, 0);
        let mut exact = 7_000_000.0;
        for unix_secs in 1..100_000 {
            average.add(Mode::Strict, WINDOW_SECS, 1, unix_secs);
            exact = exact * libm::exp(-1.0 / WINDOW_SECS as f64) + 1.0;
        }
        assert!((average.value_msat as f64 - exact).abs() < 1.0, "{average:?} {exact}");
    }

    #[test]
    fn income_of_the_past_counts_as_if_it_had_been_added_then() {
        let mut live = DecayingAverage::new(100);
        live.add(Mode::Strict, WINDOW_SECS, 1_000_000, 100);
        live.add(Mode::Strict, WINDOW_SECS, 1_000_000, 5_000_000);
        let mut late = DecayingAverage::new(5_000_000);
        late.add_past(WINDOW_SECS, 1_000_000, 5_000_000);
        late.add_past(WINDOW_SECS, 1_000_000, 100);
        assert_eq!(live.value_msat, late.value_msat);
    }

    #[test]
    fn an_earlier_time_counts_as_the_last_one() {
        let mut average = DecayingAverage::new(1_000);
        average.add(Mode::Strict, WINDOW_SECS, 50, 2_000_000);
        assert_eq!(average.add(Mode::Strict, WINDOW_SECS, 50, 0), 100);
        assert_eq!(average.last_update_secs, 2_000_000);
        assert_eq!(average.read(Mode::Strict, WINDOW_SECS, 0), 100);
    }

    #[test]
    fn averages_saturate() {
        for mode in [Mode::Strict, Mode::Compat] {
            let mut average = DecayingAverage::new(0);
            average.add(mode, WINDOW_SECS, i64::MAX, 0);
            assert_eq!(average.add(mode, WINDOW_SECS, i64::MAX, 0), i64::MAX);
            assert_eq!(average.add(mode, WINDOW_SECS, i64::MAX, 1), i64::MAX);
            average.add(mode, WINDOW_SECS, i64::MIN, 1);
            average.add(mode, WINDOW_SECS, i64::MIN, 1);
            assert_eq!(average.add(mode, WINDOW_SECS, i64::MIN, 1), i64::MIN);
        }
    }
}
