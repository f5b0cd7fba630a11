//! How much of the time a peer was connected: an average that forgets, in integers.
//!
//! BA1 what is stored changes at most once in an hour of observed time, however often a peer comes and goes.
//! BA2 only time between two observations counts, and only if they are close: time in which nobody looked,
//! or in which the clock jumped, says nothing about a peer. BA3 the share is a weighted mean of what was
//! observed, so it lies between the worst and the best hour; an hour weighs half as much as one three days
//! later.
//! Source: spec of peer storage, 4.4. Pure: no clock, no I/O. Called by `score` and by who keeps the rows.

use super::score::PPM;
use crate::error::{Error, Status};
use crate::limits::UNIX_SECS_MAX;

/// Bytes of an encoded uptime.
pub const UPTIME_BYTES: usize = 24;
/// History from which on a peer's share of connected time counts in full.
pub const HISTORY_FULL_SECS: u64 = 7 * 24 * HOUR_SECS;
/// Time between two observations beyond which what happened in between is not known.
pub const GAP_SECS_MAX: u64 = HOUR_SECS;
/// The least that an uptime counts: peers of whom little is known keep an order.
pub const UPTIME_PPM_MIN: u64 = PPM / 100;

const HOUR_SECS: u64 = 3_600;
/// One, as the fixed point of the averages: 32 bits after the point.
const ONE: u64 = 1 << 32;
/// 2^(-1/72), rounded: 72 hours halve a weight.
const HOUR_DECAY: u64 = 4_253_817_848;

/// The part of the time that a peer was connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uptime {
    /// Sum of the hours' shares, each times its weight; an hour's weight is 1 - 2^(-1/72) when it is added.
    weighted: u64,
    /// Hours in it.
    hours: u32,
    /// When the last hour was added.
    folded_at_secs: u64,
    /// The hour that is not whole yet: in memory only.
    open: OpenHour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct OpenHour {
    observed_secs: u64,
    connected_secs: u64,
    /// The last observation: when, and whether the peer was connected from then on.
    last: Option<(u64, bool)>,
}

/// Why bytes are no uptime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum UptimeFault {
    /// Not 24 bytes.
    #[error("not 24 bytes")]
    BadLength = 1,
    /// More than the whole time, or something in no time.
    #[error("connected for longer than it was observed")]
    BadShare = 2,
    /// A time that no clock shows, or one without history.
    #[error("a time that no clock shows")]
    BadTime = 3,
    /// A reserved byte is not zero.
    #[error("a reserved byte is not zero")]
    BadReserved = 4,
}

impl From<UptimeFault> for Error {
    fn from(fault: UptimeFault) -> Error {
        Error::new(Status::CorruptRecord, format!("uptime: {fault}"))
    }
}

impl Uptime {
    /// Notes that from `now_secs` on the peer is connected, or is not. To be called at every change, and in
    /// between at least once in [`GAP_SECS_MAX`]: longer pauses count for nothing (BA2).
    ///
    /// Answers whether what [`Uptime::encode`] gives has changed, which it does at most once an hour (BA1).
    pub fn observe(&mut self, now_secs: u64, is_connected: bool) -> bool {
        if now_secs > UNIX_SECS_MAX {
            return false;
        }
        if let Some((last_secs, was_connected)) = self.open.last {
            let passed_secs = now_secs.saturating_sub(last_secs);
            if passed_secs <= GAP_SECS_MAX {
                self.open.observed_secs += passed_secs;
                self.open.connected_secs += if was_connected { passed_secs } else { 0 };
            }
        }
        self.open.last = Some((now_secs, is_connected));
        let is_whole = self.open.observed_secs >= HOUR_SECS;
        if is_whole {
            self.fold(now_secs);
        }
        is_whole
    }

    /// Adds the open hour. It may be longer than one, by less than a gap: its share is what counts, and what
    /// is beyond the hour is not carried over, or the next hour could be whole at once (BA1).
    fn fold(&mut self, now_secs: u64) {
        let share = ratio(self.open.connected_secs, self.open.observed_secs);
        self.weighted = times(self.weighted, HOUR_DECAY) + times(share, ONE - HOUR_DECAY);
        self.hours = self.hours.saturating_add(1);
        self.folded_at_secs = now_secs;
        self.open.observed_secs = 0;
        self.open.connected_secs = 0;
    }

    /// Time over which it was observed.
    pub fn history_secs(&self) -> u64 {
        u64::from(self.hours) * HOUR_SECS
    }

    /// When what is stored changed last, 0 for never.
    pub fn at_secs(&self) -> u64 {
        self.folded_at_secs
    }

    /// The part of the observed time that it was connected, in parts per million; 0 before the first hour.
    /// The weights of the first days do not add up to one yet: the sum is divided by what they add up to.
    pub fn connected_ppm(&self) -> u64 {
        let weights = ONE - power(HOUR_DECAY, self.hours);
        match weights {
            0 => 0,
            _ => (rounded(self.weighted, PPM, weights)).min(PPM),
        }
    }

    /// What it counts in a score: the connected part, less while the history is short, never nothing.
    pub fn score_ppm(&self) -> u64 {
        let history_secs = self.history_secs().min(HISTORY_FULL_SECS);
        (self.connected_ppm() * history_secs / HISTORY_FULL_SECS).max(UPTIME_PPM_MIN)
    }

    /// Its bytes in a row: all but the open hour, which a restart forgets.
    pub fn encode(&self) -> [u8; UPTIME_BYTES] {
        let mut bytes = [0; UPTIME_BYTES];
        bytes[..8].copy_from_slice(&self.weighted.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.hours.to_le_bytes());
        bytes[16..].copy_from_slice(&self.folded_at_secs.to_le_bytes());
        bytes
    }

    /// The uptime of such bytes.
    ///
    /// # Errors
    /// What is wrong with them, in the order of [`UptimeFault`].
    pub fn decode(bytes: &[u8]) -> Result<Uptime, UptimeFault> {
        let bytes: &[u8; UPTIME_BYTES] = bytes.try_into().map_err(|_| UptimeFault::BadLength)?;
        let [a, b, c, d, e, f, g, h, i, j, k, l, reserved @ .., s, t, u, v, w, x, y, z] = *bytes;
        let weighted = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let hours = u32::from_le_bytes([i, j, k, l]);
        let folded_at_secs = u64::from_le_bytes([s, t, u, v, w, x, y, z]);
        if weighted > ONE || hours == 0 && weighted != 0 {
            return Err(UptimeFault::BadShare);
        }
        if folded_at_secs > UNIX_SECS_MAX || hours == 0 && folded_at_secs != 0 {
            return Err(UptimeFault::BadTime);
        }
        if reserved != [0; 4] {
            return Err(UptimeFault::BadReserved);
        }
        Ok(Uptime { weighted, hours, folded_at_secs, open: OpenHour::default() })
    }
}

/// `part / whole` in fixed point; 1 at most.
fn ratio(part: u64, whole: u64) -> u64 {
    rounded(part.min(whole), ONE, whole.max(1))
}

/// `a * b / divisor`, to the nearest. The operands are a share of [`ONE`] or less than a day of seconds, and
/// [`ONE`] or less, so that neither the product nor the quotient is too long.
fn rounded(a: u64, b: u64, divisor: u64) -> u64 {
    let product = u128::from(a) * u128::from(b) + u128::from(divisor / 2);
    u64::try_from(product / u128::from(divisor)).unwrap_or(u64::MAX)
}

/// Product of two shares of one.
fn times(a: u64, b: u64) -> u64 {
    rounded(a, b, ONE)
}

/// A share of one, to a power.
pub(super) fn power(base: u64, exponent: u32) -> u64 {
    let (mut result, mut square, mut left) = (ONE, base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result = times(result, square);
        }
        square = times(square, square);
        left >>= 1;
    }
    result
}
