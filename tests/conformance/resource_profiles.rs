//! What the generated traces are about: for each profile of FORMAT.md the channels, the fees, the clock and
//! how often which act comes.

/// One thing that happens to the node, a call or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// An HTLC of any amount between any two channels.
    Forward,
    /// HTLCs between two channels until one fails.
    Fill,
    /// An HTLC of the attacker, the first channel, which it will hold.
    Jam,
    /// An HTLC that fails within seconds.
    FailFast,
    /// An HTLC that settles within seconds and pays well.
    Earn,
    /// HTLCs whose risk is just above, exactly at and just below what reputation allows.
    Threshold,
    /// A full pair in congestion, held around the resolution period and tried again around two weeks later.
    Misuse,
    Resolve,
    /// The HTLC that waits longest fails.
    ResolveOldest,
    /// An HTLC is resolved before it was added.
    ResolveEarly,
    ResolveBad,
    AddBad,
    Open,
    OpenBad,
    Close,
    /// The id of a channel that is closed or gone is opened again.
    Reopen,
    Restart,
    /// A restart that loses what is pending, and a replay.
    LossyRestart,
}

pub struct Shape {
    pub name: &'static str,
    pub channels: u64,
    pub calls: usize,
    /// Liquidity in msat and slots.
    pub limits: &'static [(u64, u16)],
    pub fees_msat: &'static [u64],
    /// Of 100 HTLCs, how many come in accountable.
    pub accountable_percent: u64,
    /// What the clock moves on by between two acts.
    pub steps_secs: &'static [u64],
    /// How far a single call's clock may lag; empty: never.
    pub lags_secs: &'static [u64],
    /// Acts with their weights.
    pub acts: &'static [(Act, u64)],
}

use Act::{
    AddBad, Close, Earn, FailFast, Fill, Forward, Jam, LossyRestart, Misuse, Open, OpenBad, Reopen,
    Resolve, ResolveBad, ResolveEarly, ResolveOldest, Restart, Threshold,
};

pub const WEEKS_2_SECS: u64 = 1_209_600;

const USUAL_LIMITS: &[(u64, u16)] = &[
    (100_000_000, 12),
    (100_000_000, 114),
    (500_000_000, 30),
    (990_000_007, 50),
    (5_000_000_000, 13),
    (5_000_000_000, 200),
    (50_000_000_000, 483),
];
const SMALL_LIMITS: &[(u64, u16)] =
    &[(1_000_000, 12), (1_000_000, 13), (1_000_001, 16), (20_000_000, 14), (20_000_000, 30)];
/// The largest channel there may be, and what a double cannot hold exactly.
const HUGE_LIMITS: &[(u64, u16)] = &[
    (2_099_999_999_999_999_999, 483),
    (2_099_999_999_999_999_999, 12),
    (1_000_000_000_000_000, 482),
    (9_007_199_254_740_993, 100),
];

const USUAL_FEES: &[u64] = &[0, 1, 10, 100, 1_000, 5_000, 20_000];
const HUGE_FEES: &[u64] =
    &[0, 1, 1_000_000, 1_000_000_000, 1_000_000_000_000, 2_000_000_000_000_000_000];

const BRISK: &[u64] = &[0, 0, 0, 1, 5, 60, 89, 90, 91, 600, 3_600, 86_400];
const LONG: &[u64] = &[0, 0, 60, 3_600, 14_400, 86_400, 604_800, 1_209_599, 1_209_600, 1_209_601];
const VERY_LONG: &[u64] = &[0, 0, 0, 90, 3_600, 604_800, 1_209_600, 7_257_600, 14_515_200];
const LAGS: &[u64] = &[1, 15, 30, 89, 90, 91, 600, 86_400, 604_800, 1_209_600, 14_515_200];

const USUAL: Shape = Shape {
    name: "Normal",
    channels: 6,
    calls: 300,
    limits: USUAL_LIMITS,
    fees_msat: USUAL_FEES,
    accountable_percent: 25,
    steps_secs: BRISK,
    lags_secs: &[],
    acts: &[
        (Forward, 40),
        (Resolve, 38),
        (Fill, 2),
        (Earn, 4),
        (Threshold, 3),
        (Open, 1),
        (Restart, 8),
    ],
};

/// Every profile but Directed, whose traces are written by hand.
pub const SHAPES: [Shape; 15] = [
    USUAL,
    Shape {
        name: "SlowJam",
        steps_secs: LONG,
        accountable_percent: 10,
        acts: &[
            (Jam, 40),
            (Forward, 15),
            (Fill, 5),
            (ResolveOldest, 25),
            (Resolve, 8),
            (Earn, 3),
            (Restart, 6),
        ],
        ..USUAL
    },
    Shape {
        name: "FastJam",
        steps_secs: &[0, 0, 1, 1, 2, 5],
        acts: &[
            (FailFast, 40),
            (Jam, 10),
            (Forward, 15),
            (Fill, 3),
            (Resolve, 20),
            (Earn, 3),
            (Restart, 6),
        ],
        ..USUAL
    },
    Shape {
        name: "ClockBack",
        lags_secs: LAGS,
        acts: &[
            (Forward, 40),
            (Resolve, 34),
            (ResolveEarly, 8),
            (Fill, 2),
            (Earn, 4),
            (Misuse, 1),
            (Restart, 7),
        ],
        ..USUAL
    },
    Shape {
        name: "Closing",
        channels: 8,
        acts: &[
            (Forward, 38),
            (Resolve, 32),
            (Close, 9),
            (Reopen, 5),
            (Open, 3),
            (Fill, 1),
            (ResolveEarly, 2),
            (Earn, 3),
            (Restart, 6),
        ],
        ..USUAL
    },
    Shape {
        name: "Churn",
        channels: 10,
        calls: 420,
        acts: &[
            (Forward, 36),
            (Resolve, 28),
            (Close, 10),
            (Reopen, 10),
            (Open, 8),
            (Fill, 1),
            (Misuse, 1),
            (Restart, 8),
        ],
        ..USUAL
    },
    Shape {
        name: "Errors",
        calls: 220,
        acts: &[
            (Forward, 25),
            (Resolve, 18),
            (AddBad, 25),
            (ResolveBad, 18),
            (OpenBad, 5),
            (Open, 2),
            (Close, 5),
            (Reopen, 3),
            (ResolveEarly, 2),
            (Restart, 6),
        ],
        ..USUAL
    },
    Shape { name: "Small", channels: 8, limits: SMALL_LIMITS, ..USUAL },
    Shape { name: "Config", channels: 5, steps_secs: LONG, ..USUAL },
    Shape {
        name: "Max",
        channels: 4,
        calls: 140,
        limits: HUGE_LIMITS,
        fees_msat: HUGE_FEES,
        steps_secs: &[0, 0, 0, 1, 90, 3_600],
        ..USUAL
    },
    Shape {
        name: "Reputation",
        steps_secs: VERY_LONG,
        accountable_percent: 50,
        acts: &[
            (Earn, 18),
            (Threshold, 12),
            (Forward, 22),
            (Resolve, 30),
            (Fill, 2),
            (ResolveOldest, 5),
            (Restart, 8),
        ],
        ..USUAL
    },
    Shape {
        name: "Protected",
        channels: 4,
        limits: &[(20_000_000, 14), (100_000_000, 12), (500_000_000, 30)],
        accountable_percent: 60,
        steps_secs: &[0, 0, 0, 1, 5, 60],
        acts: &[(Earn, 20), (Fill, 14), (Forward, 25), (Resolve, 30), (Threshold, 3), (Restart, 6)],
        ..USUAL
    },
    Shape {
        name: "Misuse",
        channels: 4,
        accountable_percent: 5,
        acts: &[
            (Misuse, 12),
            (Fill, 5),
            (Forward, 20),
            (Resolve, 35),
            (ResolveOldest, 10),
            (Restart, 7),
        ],
        ..USUAL
    },
    Shape {
        name: "ZeroFee",
        channels: 4,
        calls: 180,
        fees_msat: &[0, 0, 0, 0, 1],
        accountable_percent: 40,
        acts: &[(Forward, 40), (Fill, 8), (Resolve, 40), (Threshold, 3), (Misuse, 2), (Restart, 7)],
        ..USUAL
    },
    Shape {
        name: "Replay",
        calls: 220,
        acts: &[
            (Forward, 45),
            (Resolve, 30),
            (Fill, 5),
            (Earn, 3),
            (Misuse, 1),
            (Close, 3),
            (Reopen, 2),
            (LossyRestart, 6),
        ],
        ..USUAL
    },
];

/// General and congestion share, resolution period, revenue window, multiplier.
pub const CONFIGS: [(u8, u8, u64, u64, u32); 12] = [
    (45, 54, 1, 86_400, 12),
    (70, 20, 60, 3_600, 1),
    (30, 30, 91, WEEKS_2_SECS, 1),
    (42, 17, 3_600, WEEKS_2_SECS, 12),
    (99, 0, 90, WEEKS_2_SECS, 12),
    (30, 30, 60, 86_400, 255),
    (20, 5, 1, 86_400, 255),
    (42, 0, 600, 1, 1),
    // Most channels get no general bucket.
    (2, 97, 90, 604_800, 6),
    // No channel gets one.
    (0, 0, 90, WEEKS_2_SECS, 12),
    (50, 49, 601, 7_200, 2),
    (33, 33, 89, WEEKS_2_SECS, 7),
];
