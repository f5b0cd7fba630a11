//! The score against the formula in floating point, and its promises (BV1, BV2) by property.

use proptest::prelude::*;

use super::choose_world::{good, uptime};
use crate::backup::score::{PPM, PeerFacts, Record, doublings, score};
use crate::backup::uptime::Uptime;

fn facts(capacity_sat: u64, channel_age_secs: u64) -> PeerFacts {
    PeerFacts { capacity_sat, channel_age_secs, ..PeerFacts::default() }
}

fn record(uptime: Uptime, commits: u32, strikes: u32) -> Record {
    Record { uptime, commits, strikes, recent_strikes: 0 }
}

/// Numbers of every magnitude.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0_u32..64).prop_map(|(number, shift)| number >> shift)
}

fn small_number() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0_u32..32).prop_map(|(number, shift)| number >> shift)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn it_is_the_formula(
        capacity_sat in number(),
        age_secs in 0_u64..4_000_000,
        permille in 0_u64..=1_000,
        commits in 0_u32..10_000,
        strikes in 0_u32..100,
    ) {
        let uptime = uptime(permille);
        let share = (permille as f64 / 1_000.0).max(0.01);
        let kept = (f64::from(commits) + 1.0) / (f64::from(commits) + f64::from(strikes) + 2.0);
        let age = (age_secs as f64 / 2_592_000.0).clamp(0.01, 1.0);
        let capacity = 0.5 + 0.5 * ((1.0 + capacity_sat as f64 / 1e6).log2() / 6.0).min(1.0);
        let expected = 1e6 * share * kept * age * capacity;
        let actual = score(&facts(capacity_sat, age_secs), &record(uptime, commits, strikes));
        prop_assert!((actual as f64 - expected).abs() <= 2.0, "{actual} is not {expected}");
    }

    #[test]
    fn it_rises_with_every_merit_and_falls_with_strikes(
        capacity in (number(), number()),
        age in (number(), number()),
        permille in (0_u64..=1_000, 0_u64..=1_000),
        commits in (small_number(), small_number()),
        strikes in (small_number(), small_number()),
    ) {
        let low = |pair: (u64, u64)| pair.0.min(pair.1);
        let high = |pair: (u64, u64)| pair.0.max(pair.1);
        let base = |capacity_sat, age_secs, permille, commits, strikes| {
            score(&facts(capacity_sat, age_secs), &record(uptime(permille), commits, strikes))
        };
        let (c, s) = (commits.0, strikes.0);
        let worst = base(low(capacity), low(age), low(permille), c, s);
        prop_assert!(base(high(capacity), low(age), low(permille), c, s) >= worst);
        prop_assert!(base(low(capacity), high(age), low(permille), c, s) >= worst);
        prop_assert!(base(low(capacity), low(age), high(permille), c, s) >= worst);
        let (c_low, c_high) = (commits.0.min(commits.1), commits.0.max(commits.1));
        let (s_low, s_high) = (strikes.0.min(strikes.1), strikes.0.max(strikes.1));
        let of = |c, s| base(high(capacity), high(age), high(permille), c, s);
        prop_assert!(of(c_high, s) >= of(c_low, s));
        prop_assert!(of(c, s_low) >= of(c, s_high));
        prop_assert!(of(c_high, s_low) <= PPM);
    }

    #[test]
    fn a_logarithm_never_falls(a in 0_u64..70_000_000, b in 0_u64..70_000_000, step in 0_u64..3) {
        prop_assert!(doublings(a.min(b)) <= doublings(a.max(b)));
        prop_assert!(doublings(a) <= doublings(a + step));
    }
}

#[test]
fn logarithms_of_powers_of_two_are_whole() {
    for doubled in 0..=6_u64 {
        assert_eq!(doublings(((1 << doubled) - 1) * 1_000_000), doubled << 32);
    }
    assert_eq!(doublings(u64::MAX), 6 << 32);
    let log_of_three_halves = 2_512_394_810;
    assert!(doublings(500_000).abs_diff(log_of_three_halves) <= 1);
}

#[test]
fn the_greatest_numbers_fit() {
    let most = facts(u64::MAX, u64::MAX);
    let always = uptime(1_000);
    assert_eq!(score(&most, &record(always, u32::MAX, 0)), PPM - 1);
    assert_eq!(score(&most, &record(always, u32::MAX, u32::MAX)), PPM / 2);
    assert_eq!(score(&most, &record(always, 0, u32::MAX)), 0);
    assert_eq!(score(&PeerFacts::default(), &Record::default()), 25);
    assert_eq!(score(&most, &record(always, 0, 0)), PPM / 2);
}

/// Whom we have channels with and where is nobody's business who reads a log.
#[test]
fn a_log_does_not_tell_the_facts() {
    let facts = good(7).facts.expect("it has facts");
    let shown = format!("{facts:?}");
    assert!(shown.contains("address_len: 7"));
    assert!(!shown.contains("10000000") && !shown.contains("[1, 0, 7"), "{shown}");
}
