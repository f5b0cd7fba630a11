//! The budget of uploads against the sums of all that was sent (BU1 to BU5); budgets with a planted fault
//! have to be found out.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::backup::budget::{Budget, BudgetOptions, Upload, upload_bytes};
use crate::backup::envelope::SizeClass;
use crate::error::Status;
use crate::types::NodeId;

const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;

fn node(number: u8) -> NodeId {
    NodeId([number; 33])
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    NothingIsTaken,
    PeersHaveOneBudget,
    NoneForAll,
    OneByteIsFree,
    UrgentCounts,
    UrgentWaits,
    OneTooSoon,
    OneTooLate,
    TooLargeNeverGoes,
}

const FAULTS: [Fault; 9] = [
    Fault::NothingIsTaken,
    Fault::PeersHaveOneBudget,
    Fault::NoneForAll,
    Fault::OneByteIsFree,
    Fault::UrgentCounts,
    Fault::UrgentWaits,
    Fault::OneTooSoon,
    Fault::OneTooLate,
    Fault::TooLargeNeverGoes,
];

/// The budget under test, or a broken one.
struct Tested {
    budget: Budget,
    options: BudgetOptions,
    fault: Fault,
}

impl Tested {
    fn new(options: BudgetOptions, fault: Fault) -> Tested {
        let bytes_per_day =
            if fault == Fault::NoneForAll { u64::MAX } else { options.bytes_per_day };
        let budget = Budget::new(BudgetOptions { bytes_per_day, ..options }).unwrap();
        Tested { budget, options, fault }
    }

    fn ready_ms(&mut self, sent: Sent) -> u64 {
        let upload = if self.fault == Fault::UrgentWaits { Upload::Regular } else { sent.upload };
        let burst = self.options.peer_bytes_per_day.min(self.options.bytes_per_day) / 8;
        let ready_ms = self.budget.ready_ms(self.peer(sent), sent.at_ms, sent.bytes, upload);
        match self.fault {
            Fault::OneTooSoon if ready_ms > sent.at_ms => ready_ms - 1,
            Fault::OneTooLate if ready_ms > sent.at_ms => ready_ms + 1,
            Fault::TooLargeNeverGoes if sent.bytes > burst => u64::MAX,
            _ => ready_ms,
        }
    }

    fn take(&mut self, sent: Sent) {
        let bytes = match self.fault {
            Fault::NothingIsTaken => return,
            Fault::OneByteIsFree => sent.bytes.saturating_sub(1),
            _ => sent.bytes,
        };
        let upload = if self.fault == Fault::UrgentCounts { Upload::Regular } else { sent.upload };
        self.budget.take(self.peer(sent), sent.at_ms, bytes, upload);
    }

    fn peer(&self, sent: Sent) -> NodeId {
        if self.fault == Fault::PeersHaveOneBudget { node(0) } else { node(sent.peer) }
    }
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    peer: u8,
    at_ms: u64,
    bytes: u64,
    upload: Upload,
}

/// What is owed: the most that any time up to now has seen beyond its rate.
fn owed(sends: &[(u64, u64)], rate: u64, period_ms: u64, at_ms: u64) -> i128 {
    let since = |from: usize| {
        let parts: i128 =
            sends[from..].iter().map(|(_, units)| i128::from(*units) * i128::from(period_ms)).sum();
        parts - i128::from(at_ms - sends[from].0) * i128::from(rate)
    };
    (0..sends.len()).map(since).max().unwrap_or(0).max(0)
}

/// Whether so much may go at a time, told from all that was sent.
fn may_go(options: BudgetOptions, sends: &[Sent], sent: Sent, at_ms: u64) -> bool {
    let bytes = |of_peer: bool| -> Vec<(u64, u64)> {
        let of = sends.iter().filter(|earlier| !of_peer || earlier.peer == sent.peer);
        of.map(|earlier| (earlier.at_ms, earlier.bytes)).collect()
    };
    let uploads: Vec<(u64, u64)> = sends
        .iter()
        .filter(|earlier| earlier.peer == sent.peer && earlier.upload == Upload::Regular)
        .map(|earlier| (earlier.at_ms, 1))
        .collect();
    let fits = |sends: &[(u64, u64)], rate: u64, period_ms: u64, burst: i128, units: u64| {
        let owed = owed(sends, rate, period_ms, at_ms);
        owed == 0 || owed + i128::from(units) * i128::from(period_ms) <= burst
    };
    let day = |sends: &[(u64, u64)], rate: u64| {
        fits(sends, rate, DAY_MS, i128::from(rate) * i128::from(DAY_MS) / 8, sent.bytes)
    };
    let minute = || {
        let burst = 2 * i128::from(MINUTE_MS);
        fits(&uploads, options.peer_uploads_per_minute, MINUTE_MS, burst, 1)
    };
    day(&bytes(true), options.peer_bytes_per_day)
        && day(&bytes(false), options.bytes_per_day)
        && (sent.upload == Upload::Urgent || minute())
}

#[derive(Debug, Clone, Copy)]
struct Step {
    peer: u8,
    wait_ms: u64,
    bytes: u64,
    upload: Upload,
    obeys: bool,
}

fn any_step() -> impl Strategy<Value = Step> {
    let wait_ms = prop_oneof![Just(0_u64), 1_u64..90_000, 1_u64..DAY_MS];
    let upload = prop_oneof![3 => Just(Upload::Regular), 1 => Just(Upload::Urgent)];
    (0_u8..3, wait_ms, 0_u64..30_000, upload, prop::bool::weighted(0.8)).prop_map(
        |(peer, wait_ms, bytes, upload, obeys)| Step { peer, wait_ms, bytes, upload, obeys },
    )
}

fn any_options() -> impl Strategy<Value = BudgetOptions> {
    let ample = || Just(1_u64 << 50);
    let peer_bytes = prop_oneof![1_u64..200_000, ample()];
    let all_bytes = prop_oneof![1_u64..500_000, ample()];
    (peer_bytes, all_bytes, 1_u64..4).prop_map(|(peer, all, uploads)| BudgetOptions {
        peer_bytes_per_day: peer,
        bytes_per_day: all,
        peer_uploads_per_minute: uploads,
    })
}

fn obeys_sums(fault: Fault, options: BudgetOptions, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut tested = Tested::new(options, fault);
    let (mut sends, mut now_ms) = (Vec::new(), 1_000_000_u64);
    for step in steps {
        now_ms += step.wait_ms;
        let Step { peer, bytes, upload, .. } = *step;
        let mut sent = Sent { peer, at_ms: now_ms, bytes, upload };
        let ready_ms = tested.ready_ms(sent);
        prop_assert!((now_ms..u64::MAX).contains(&ready_ms), "it may go at some time");
        prop_assert!(may_go(options, &sends, sent, ready_ms));
        if ready_ms > now_ms {
            prop_assert!(!may_go(options, &sends, sent, ready_ms - 1));
        }
        if step.obeys {
            now_ms = ready_ms;
            sent.at_ms = ready_ms;
        }
        tested.take(sent);
        sends.push(sent);
    }
    Ok(())
}

fn runner() -> TestRunner {
    TestRunner::new(ProptestConfig { failure_persistence: None, cases: 400, ..Default::default() })
}

#[test]
fn what_may_go_follows_from_the_sums_of_all_that_went() {
    let steps = (any_options(), vec(any_step(), 1..30));
    runner().run(&steps, |(options, steps)| obeys_sums(Fault::None, options, &steps)).unwrap();
}

#[test]
fn budgets_with_a_planted_fault_are_found_out() {
    for fault in FAULTS {
        let steps = (any_options(), vec(any_step(), 1..30));
        let found = runner().run(&steps, |(options, steps)| obeys_sums(fault, options, &steps));
        assert!(found.is_err(), "{fault:?} was not found");
    }
}

#[test]
fn a_clock_that_goes_back_gives_nothing_and_holds_nothing_up() {
    let options = BudgetOptions { peer_uploads_per_minute: 1, ..BudgetOptions::default() };
    let mut budget = Budget::new(options).unwrap();
    let (peer, late_ms) = (node(1), 100 * DAY_MS);
    for _ in 0..2 {
        assert_eq!(budget.ready_ms(peer, late_ms, 1_000, Upload::Regular), late_ms);
        budget.take(peer, late_ms, 1_000, Upload::Regular);
    }
    assert_eq!(budget.ready_ms(peer, late_ms, 1_000, Upload::Regular), late_ms + MINUTE_MS);
    // A year back: as much to wait as before, and no year.
    for now_ms in [late_ms - 1, 5, 0] {
        assert_eq!(budget.ready_ms(peer, now_ms, 1_000, Upload::Regular), now_ms + MINUTE_MS);
    }
    // Time goes on from where it was looked at.
    assert_eq!(budget.ready_ms(peer, 10_000, 0, Upload::Regular), MINUTE_MS);
    assert_eq!(budget.ready_ms(peer, MINUTE_MS, 0, Upload::Regular), MINUTE_MS);
    // So it does for peers that only others' sends looked at.
    budget.take(node(2), late_ms, 1, Upload::Urgent);
    budget.take(node(1), 7, 1, Upload::Regular);
    assert_eq!(budget.peers(), 2);
    budget.take(node(1), DAY_MS, 1, Upload::Regular);
    assert_eq!(budget.peers(), 1, "a day later the other owes nothing");
}

#[test]
fn what_exceeds_a_burst_goes_when_nothing_is_owed() {
    let options = BudgetOptions { peer_bytes_per_day: 800, ..BudgetOptions::default() };
    let mut budget = Budget::new(options).unwrap();
    assert_eq!(budget.ready_ms(node(1), 7, 65_569, Upload::Regular), 7);
    budget.take(node(1), 7, 80, Upload::Regular);
    // 80 bytes are a tenth of a day's.
    assert_eq!(budget.ready_ms(node(1), 7, 65_569, Upload::Regular), 7 + DAY_MS / 10);
    assert_eq!(budget.ready_ms(node(1), 7, 20, Upload::Regular), 7, "a hundred are the burst");
    assert_eq!(budget.ready_ms(node(1), 7, 21, Upload::Regular), 7 + DAY_MS / 800);
    assert_eq!(budget.ready_ms(node(2), 7, 65_569, Upload::Regular), 7, "another peer's");
}

#[test]
fn peers_that_owe_nothing_take_no_memory() {
    let mut budget = Budget::new(BudgetOptions::default()).unwrap();
    for number in 0..100 {
        budget.take(node(number), 0, upload_bytes(SizeClass::Bytes16384), Upload::Regular);
    }
    assert_eq!(budget.peers(), 100);
    budget.take(node(200), DAY_MS, 1, Upload::Regular);
    assert_eq!(budget.peers(), 1);
}

#[test]
fn a_budget_of_nothing_is_refused_and_one_without_end_counts_without_overflow() {
    let good = BudgetOptions::default();
    for bad in [
        BudgetOptions { peer_bytes_per_day: 0, ..good },
        BudgetOptions { bytes_per_day: 0, ..good },
        BudgetOptions { peer_uploads_per_minute: 0, ..good },
    ] {
        assert_eq!(Budget::new(bad).unwrap_err().status(), Status::InvalidArgument);
    }
    for number in [1, u64::MAX] {
        let mut budget = Budget::new(BudgetOptions {
            peer_bytes_per_day: number,
            bytes_per_day: number,
            peer_uploads_per_minute: number,
        })
        .unwrap();
        for now_ms in [0, u64::MAX, 1, u64::MAX] {
            budget.take(node(1), now_ms, u64::MAX, Upload::Regular);
            let ready_ms = budget.ready_ms(node(1), now_ms, u64::MAX, Upload::Regular);
            assert!(ready_ms >= now_ms);
        }
    }
}

#[test]
fn a_journal_to_one_peer_stays_within_the_defaults() {
    let mut budget = Budget::new(BudgetOptions::default()).unwrap();
    let bytes = upload_bytes(SizeClass::Bytes16384);
    assert_eq!(bytes, 16_384 + 4 + 34);
    for minute in 0..3 * 24 * 60 {
        // Early by the most that chance makes it, then late: it never waits.
        let now_ms = minute * MINUTE_MS + if minute % 2 == 0 { 12_000 } else { 0 };
        assert_eq!(budget.ready_ms(node(1), now_ms, bytes, Upload::Regular), now_ms);
        budget.take(node(1), now_ms, bytes, Upload::Regular);
    }
}
