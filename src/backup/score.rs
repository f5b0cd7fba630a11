//! How good a peer is as a keeper of our data, as one number: parts per million of the best there can be.
//!
//! BV1 more uptime, more confirmed blobs, an older channel or a larger one never lower a score, and a strike
//! never raises it. BV2 no fact, however absurd, overflows or passes a million. BV3 integers only: two
//! machines rank the same facts alike.
//! Source: spec of peer storage, 4.4. Pure: no clock, no I/O. Called by `choose`.

use super::uptime::Uptime;

/// A whole, in parts per million.
pub const PPM: u64 = 1_000_000;
/// Age of a channel from which on it counts in full.
pub const CHANNEL_AGE_FULL_SECS: u64 = 30 * 24 * 3_600;
/// The least that an age counts as: without it all peers of a young node would be alike, at nothing.
pub const CHANNEL_AGE_MIN_SECS: u64 = CHANNEL_AGE_FULL_SECS / 100;

/// Capacity that is worth one doubling.
const CAPACITY_UNIT_SAT: u64 = 1_000_000;
/// Doublings that count: 63,000,000 sat and more are worth the same.
const DOUBLINGS_FULL: u64 = 6;
/// Bits after the point of a logarithm.
const LOG_BITS: u32 = 32;
const LOG_ONE: u64 = 1 << LOG_BITS;
/// Bits after the point of what a logarithm is taken of, once it is between 1 and 2.
const MANTISSA_BITS: u32 = 62;

/// What a host knows of a peer.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PeerFacts {
    /// Capacity of all open channels with it.
    pub capacity_sat: u64,
    /// Age of the oldest of them.
    pub channel_age_secs: u64,
    /// There is an open channel with it.
    pub has_open_channel: bool,
    /// Its last channel is being closed, by force or not.
    pub is_closing: bool,
    /// A channel with it is announced: a node without its data finds it in the graph.
    pub is_announced: bool,
    /// Who runs it, if known: any number, equal for peers of one operator.
    pub operator: Option<u64>,
    /// Class of its software, as guessed from its features; 0: unknown.
    pub software: u8,
    /// Its BOLT 7 address descriptor, as in the roster; empty if unknown.
    pub address: Vec<u8>,
    /// Round trip of a ping; 0: unknown. Told to the operator, no part of the score: a blob is not urgent.
    pub latency_ms: u32,
}

/// Lengths and flags only: whom we have channels with, and how large, belongs into no log.
impl std::fmt::Debug for PeerFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerFacts")
            .field("has_open_channel", &self.has_open_channel)
            .field("is_closing", &self.is_closing)
            .field("is_announced", &self.is_announced)
            .field("address_len", &self.address.len())
            .finish_non_exhaustive()
    }
}

/// What we know of a peer as a keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record {
    /// When it was there.
    pub uptime: Uptime,
    /// How often it returned the newest blob.
    pub commits: u32,
    /// How often it lost, rolled back or damaged one.
    pub strikes: u32,
    /// How many of the last three strikes are less than 30 days old.
    pub recent_strikes: u32,
}

/// The score: uptime x (commits + 1) / (commits + strikes + 2) x age up to 30 days x (0.5 + 0.5 x capacity,
/// as a logarithm). Rounded down once, at the end.
pub fn score(facts: &PeerFacts, record: &Record) -> u64 {
    let uptime = u128::from(record.uptime.score_ppm());
    let kept = u128::from(record.commits) + 1;
    let asked = kept + u128::from(record.strikes) + 1;
    let age = facts.channel_age_secs.clamp(CHANNEL_AGE_MIN_SECS, CHANNEL_AGE_FULL_SECS);
    let capacity_full = u128::from(2 * DOUBLINGS_FULL * LOG_ONE);
    let capacity = u128::from(DOUBLINGS_FULL * LOG_ONE + doublings(facts.capacity_sat));
    // 20 bits, 33 bits, 22 bits and 36 bits: 111 in all.
    let product = uptime * kept * u128::from(age) * capacity;
    let whole = asked * u128::from(CHANNEL_AGE_FULL_SECS) * capacity_full;
    u64::try_from(product / whole).unwrap_or(PPM).min(PPM)
}

/// log2(1 + capacity / 1,000,000 sat), at most six, in fixed point.
pub(super) fn doublings(capacity_sat: u64) -> u64 {
    let full_sat = ((1 << DOUBLINGS_FULL) - 1) * CAPACITY_UNIT_SAT;
    if capacity_sat >= full_sat {
        return DOUBLINGS_FULL * LOG_ONE;
    }
    let above_one = u128::from(CAPACITY_UNIT_SAT + capacity_sat) << MANTISSA_BITS;
    let value = above_one / u128::from(CAPACITY_UNIT_SAT);
    let whole = value.ilog2() - MANTISSA_BITS;
    let mut log = u64::from(whole);
    let mut mantissa = value >> whole;
    for _ in 0..LOG_BITS {
        // Squaring doubles the logarithm: its next bit is whether the square passes two.
        mantissa = (mantissa * mantissa) >> MANTISSA_BITS;
        let bit = mantissa >> (MANTISSA_BITS + 1);
        mantissa >>= bit;
        log = (log << 1) | u64::from(bit == 1);
    }
    log
}
