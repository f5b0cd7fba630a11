//! The uptime against a plain weighted mean of every hour, and against clocks that jump.

use proptest::prelude::*;

use crate::backup::score::PPM;
use crate::backup::uptime::{
    HISTORY_FULL_SECS, UPTIME_BYTES, UPTIME_PPM_MIN, Uptime, UptimeFault, power,
};
use crate::error::{Error, Status};
use crate::limits::UNIX_SECS_MAX;

const START_SECS: u64 = 1_800_000_000;
const HOUR_SECS: u64 = 3_600;
const STEP_SECS: u64 = 600;

/// Observed every ten minutes, connected in the given steps of each hour.
fn observed(hours: &[u8]) -> Uptime {
    let mut uptime = Uptime::default();
    let steps = hours.iter().flat_map(|connected| (0..6).map(move |step| step < *connected));
    let mut now_secs = START_SECS;
    for is_connected in steps {
        uptime.observe(now_secs, is_connected);
        now_secs += STEP_SECS;
    }
    uptime.observe(now_secs, false);
    uptime
}

/// Mean of the hours' shares, an hour three days older weighing half.
fn mean_ppm(hours: &[u8]) -> f64 {
    let weight = |age: usize| 0.5_f64.powf(age as f64 / 72.0);
    let aged = || hours.iter().rev().enumerate();
    let sum: f64 = aged().map(|(age, steps)| weight(age) * f64::from(*steps) / 6.0).sum();
    1e6 * sum / aged().map(|(age, _)| weight(age)).sum::<f64>()
}

#[derive(Debug, Clone, Copy)]
enum Clock {
    Step(u64),
    Jump(u64),
}

fn clock() -> impl Strategy<Value = Clock> {
    prop_oneof![
        8 => (0_u64..4_000).prop_map(Clock::Step),
        1 => any::<u64>().prop_map(Clock::Jump),
        1 => (0..=2 * UNIX_SECS_MAX).prop_map(Clock::Jump),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn it_is_the_mean_of_the_hours(hours in prop::collection::vec(0_u8..=6, 1..400)) {
        let uptime = observed(&hours);
        prop_assert_eq!(uptime.history_secs(), hours.len() as u64 * HOUR_SECS);
        prop_assert_eq!(uptime.at_secs(), START_SECS + uptime.history_secs());
        let (actual, expected) = (uptime.connected_ppm() as f64, mean_ppm(&hours));
        prop_assert!((actual - expected).abs() < 3.0, "{actual} is not {expected}");
        let full = (hours.len() as f64 * 3_600.0 / HISTORY_FULL_SECS as f64).min(1.0);
        let score = (expected * full).max(10_000.0);
        prop_assert!((uptime.score_ppm() as f64 - score).abs() < 4.0);
    }

    /// BA1, BA2: whatever the clock does, rows change once in an hour of observed time and stay valid.
    #[test]
    fn no_clock_harms(moves in prop::collection::vec((clock(), any::<bool>()), 1..300)) {
        let mut uptime = Uptime::default();
        let (mut now_secs, mut last_secs) = (START_SECS, None::<u64>);
        let mut observed_secs = 0;
        for (moved, is_connected) in moves {
            now_secs = match moved {
                Clock::Step(secs) => now_secs.saturating_add(secs),
                Clock::Jump(secs) => secs,
            };
            let row = uptime.encode();
            let has_changed = uptime.observe(now_secs, is_connected);
            if now_secs <= UNIX_SECS_MAX {
                let passed = last_secs.map_or(0, |last| now_secs.saturating_sub(last));
                observed_secs += if passed <= HOUR_SECS { passed } else { 0 };
                last_secs = Some(now_secs);
            }
            prop_assert_eq!(has_changed, uptime.encode() != row);
            prop_assert_eq!(has_changed, observed_secs >= HOUR_SECS);
            observed_secs = if has_changed { 0 } else { observed_secs };
            prop_assert!(uptime.connected_ppm() <= PPM);
            prop_assert!((UPTIME_PPM_MIN..=PPM).contains(&uptime.score_ppm()));
            let read = Uptime::decode(&uptime.encode()).expect("it reads back");
            prop_assert_eq!(read.encode(), uptime.encode());
            prop_assert_eq!(read.connected_ppm(), uptime.connected_ppm());
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_harmless(bytes in prop::collection::vec(any::<u8>(), 0..32)) {
        if let Ok(uptime) = Uptime::decode(&bytes) {
            prop_assert_eq!(&uptime.encode()[..], &bytes[..]);
            prop_assert!(uptime.score_ppm() <= PPM);
        }
    }

    #[test]
    fn better_hours_never_lower_it(
        hours in prop::collection::vec(0_u8..6, 1..200),
        at in any::<prop::sample::Index>(),
    ) {
        let mut better = hours.clone();
        better[at.index(hours.len())] += 1;
        prop_assert!(observed(&better).connected_ppm() >= observed(&hours).connected_ppm());
    }
}

#[test]
fn three_days_halve_a_weight() {
    let half = 1_u64 << 31;
    assert!(power(4_253_817_848, 72).abs_diff(half) <= 64, "{}", power(4_253_817_848, 72));
    assert_eq!(power(4_253_817_848, 0), 1 << 32);
    assert_eq!(power(4_253_817_848, u32::MAX), 0);
    let mut hours = vec![0; 2_000];
    assert_eq!(observed(&hours).connected_ppm(), 0);
    hours.extend([6; 72]);
    assert!(observed(&hours).connected_ppm().abs_diff(PPM / 2) <= 30);
    assert_eq!(observed(&[6; 500]).connected_ppm(), PPM);
    assert_eq!(observed(&[6]).connected_ppm(), PPM);
    assert_eq!(observed(&[6; 84]).score_ppm(), PPM / 2);
    assert_eq!(Uptime::default().score_ppm(), UPTIME_PPM_MIN);
}

/// The process was down for a week: nobody knows whether the peer was there.
#[test]
fn time_in_which_nobody_looked_counts_for_nothing() {
    let before = observed(&[6; 48]);
    let mut uptime = Uptime::decode(&before.encode()).expect("a row");
    assert_eq!((uptime.connected_ppm(), uptime.history_secs()), (PPM, 48 * HOUR_SECS));
    let back_secs = before.at_secs() + 7 * 24 * HOUR_SECS;
    assert!(!uptime.observe(back_secs, true));
    assert_eq!(uptime.encode(), before.encode());
    assert!(uptime.observe(back_secs + HOUR_SECS, false), "an hour without a break counts");
    assert!(!uptime.observe(back_secs + 2 * HOUR_SECS + 1, true), "one second more is a break");
    assert_eq!(uptime.connected_ppm(), PPM);
    // A clock that goes back begins anew from there.
    assert!(!uptime.observe(START_SECS, true));
    assert!(uptime.observe(START_SECS + HOUR_SECS, true));
    assert_eq!(uptime.history_secs(), 50 * HOUR_SECS);
}

#[test]
fn each_fault_is_named() {
    let row = observed(&[6; 9]).encode();
    let damaged = |place: usize, value: u8| {
        let mut row = row;
        row[place] = value;
        Uptime::decode(&row).expect_err("damaged")
    };
    assert_eq!(Uptime::decode(&row[..UPTIME_BYTES - 1]), Err(UptimeFault::BadLength));
    assert_eq!(Uptime::decode(&[0; 25]), Err(UptimeFault::BadLength));
    assert_eq!(damaged(4, 2), UptimeFault::BadShare);
    assert_eq!(damaged(8, 0), UptimeFault::BadShare);
    assert_eq!(damaged(23, 1), UptimeFault::BadTime);
    assert_eq!(damaged(12, 1), UptimeFault::BadReserved);
    let mut never = [0; UPTIME_BYTES];
    assert_eq!(Uptime::decode(&never), Ok(Uptime::default()));
    never[16] = 1;
    assert_eq!(Uptime::decode(&never), Err(UptimeFault::BadTime));
    assert_eq!(Error::from(UptimeFault::BadTime).status(), Status::CorruptRecord);
}
