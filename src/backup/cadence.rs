//! When a journal goes: at a constant cadence, whatever happens, and at once where a change cannot wait.
//!
//! BZ1 two regular sends lie at least four fifths and, where nothing delays them, at most six fifths of the
//! interval apart, by a random number, never by what is told. BZ2 an urgent send comes no sooner than five
//! seconds after the urgent one before, and moves no regular one. BZ3 a clock that was set back makes nothing
//! wait longer than its longest wait takes.
//! Pure: no clock, no randomness. Called by the journal.

use crate::error::{Error, Result, Status};

/// Shortest time between two urgent sends.
pub const URGENT_DISTANCE_MS: u64 = 5_000;
/// Part of the interval by which a send comes earlier or later.
pub const JITTER_PERCENT: u64 = 20;
/// Longest interval: a day.
pub const INTERVAL_MS_MAX: u64 = 86_400_000;

/// When to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    interval_ms: u64,
    /// None before the first event.
    next_ms: Option<u64>,
    is_urged: bool,
    urgent_sent_ms: Option<u64>,
}

impl Cadence {
    /// A cadence that has not begun.
    pub fn new(interval_ms: u64) -> Result<Cadence> {
        if interval_ms == 0 || interval_ms > INTERVAL_MS_MAX {
            let why = format!("an interval of {interval_ms} ms is not in 1 to {INTERVAL_MS_MAX}");
            return Err(Error::new(Status::InvalidArgument, why));
        }
        Ok(Cadence { interval_ms, next_ms: None, is_urged: false, urgent_sent_ms: None })
    }

    /// Begins: the first send is due at once.
    pub fn activate(&mut self, now_ms: u64) {
        self.next_ms.get_or_insert(now_ms);
    }

    /// Whether it has begun.
    pub fn is_active(&self) -> bool {
        self.next_ms.is_some()
    }

    /// Makes the next send urgent.
    pub fn urge(&mut self) {
        self.is_urged = true;
    }

    /// Whether the next send is urgent, though it may have to keep its distance.
    #[cfg(test)]
    pub fn is_urged(&self) -> bool {
        self.is_urged
    }

    /// Whether something should be sent now.
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.is_regular(now_ms) || self.is_urgent(now_ms)
    }

    /// Whether an urgent send may go now.
    pub fn is_urgent(&self, now_ms: u64) -> bool {
        // Either way: a clock that was set back must not make it wait until the former time comes again.
        let distance = |sent_ms: u64| now_ms.abs_diff(sent_ms) >= URGENT_DISTANCE_MS;
        self.is_active() && self.is_urged && self.urgent_sent_ms.is_none_or(distance)
    }

    /// When the next send is due if nothing more is urged, None before the first event.
    pub fn next_due_ms(&self) -> Option<u64> {
        let regular_ms = self.next_ms?;
        if !self.is_urged {
            return Some(regular_ms);
        }
        let distance = |sent_ms: u64| sent_ms.saturating_add(URGENT_DISTANCE_MS);
        Some(self.urgent_sent_ms.map_or(0, distance).min(regular_ms))
    }

    /// Notes a send; `random` spreads the next regular one.
    pub fn sent(&mut self, now_ms: u64, random: u64) {
        if self.is_regular(now_ms) {
            self.next_ms = Some(now_ms.saturating_add(self.jittered_ms(random)));
        }
        if std::mem::take(&mut self.is_urged) {
            self.urgent_sent_ms = Some(now_ms);
        }
    }

    fn is_regular(&self, now_ms: u64) -> bool {
        let longest_ms = self.shortest_ms() + self.spread_ms();
        self.next_ms.is_some_and(|next_ms| next_ms <= now_ms || next_ms - now_ms > longest_ms)
    }

    fn shortest_ms(&self) -> u64 {
        self.interval_ms - self.interval_ms * JITTER_PERCENT / 100
    }

    fn spread_ms(&self) -> u64 {
        2 * (self.interval_ms * JITTER_PERCENT / 100)
    }

    /// The random number's place among all numbers is the time's place among all times of the spread.
    fn jittered_ms(&self, random: u64) -> u64 {
        let times = u128::from(self.spread_ms()) + 1;
        let place = (u128::from(random) * times) >> 64;
        self.shortest_ms() + u64::try_from(place).unwrap_or(self.spread_ms())
    }
}
