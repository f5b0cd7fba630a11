//! Whom the recovery asks (RW1 to RW5), against peers that answer, fail, flap and say nothing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::world::{begin, below, dice, node, roster_of, sealed, secret, whole_blob};
use crate::Status;
use crate::backup::envelope::KIND_PAYLOAD;
use crate::recovery::crawl::{
    Candidate, FAILURES_MAX, Next, PeerResult, REST_FIRST_MS, REST_MAX_MS,
};
use crate::recovery::{Recovery, RecoveryOptions};
use crate::types::NodeId;

fn candidate(number: usize, is_announced: bool) -> Candidate {
    Candidate { node: node(number), is_announced, address: vec![number as u8; 3] }
}

/// The next peer that is asked, and when; none when the crawl has ended.
fn ask_next(recovery: &mut Recovery, now_ms: &mut u64) -> Option<NodeId> {
    loop {
        match recovery.next_peer(*now_ms) {
            Next::Ask(ask) => return Some(ask.node),
            Next::None => return None,
            Next::Wait { until_ms } => {
                assert!(until_ms > *now_ms, "a wait that is over is no wait");
                *now_ms = until_ms;
            }
        }
    }
}

#[test]
fn holders_come_first_then_the_roster_then_announced_ones_then_the_rest() {
    let mut recovery = begin();
    recovery
        .add_candidates(&[candidate(1, false), candidate(2, true), candidate(3, true)])
        .unwrap();
    let roster = roster_of(9, &[(5, None), (3, Some(1)), (4, Some(0))]);
    let blob = sealed(node(9), KIND_PAYLOAD, 9, &[], (0, Some(&roster)));
    recovery.feed(node(9), &blob).unwrap();
    let mut now_ms = 1;
    let mut order = Vec::new();
    for _ in 0..5 {
        let asked = ask_next(&mut recovery, &mut now_ms).unwrap();
        recovery.peer_result(now_ms, asked, PeerResult::NoBlob);
        order.push(asked);
    }
    assert_eq!(order, [3, 4, 5, 2, 1].map(node));
    assert_eq!(recovery.next_peer(now_ms), Next::None);
    let peers = recovery.progress(now_ms).peers;
    assert_eq!((peers.known, peers.answered, peers.with_blob), (6, 6, 1));
}

#[test]
fn nobody_is_asked_while_an_answer_is_awaited_and_its_time_ends() {
    let mut recovery = begin();
    recovery.add_candidates(&[candidate(1, true), candidate(2, true)]).unwrap();
    let Next::Ask(first) = recovery.next_peer(1_000) else { panic!("nobody is asked") };
    assert_eq!(first.address, [1; 3]);
    assert_eq!(recovery.next_peer(1_000), Next::Wait { until_ms: 61_000 });
    recovery.peer_result(50_000, node(1), PeerResult::Connected);
    assert_eq!(
        recovery.next_peer(50_000),
        Next::Wait { until_ms: 60_000 },
        "ten seconds for a blob"
    );
    recovery.peer_result(55_000, node(1), PeerResult::Connected);
    assert_eq!(recovery.next_peer(55_000), Next::Wait { until_ms: 60_000 }, "no longer than that");
    assert_eq!(recovery.progress(55_000).peers.pending, 1);
    let Next::Ask(second) = recovery.next_peer(60_000) else { panic!("the time is up") };
    assert_eq!(second.node, node(2));
    assert_eq!(recovery.progress(60_000).peers.answered, 0);
}

#[test]
fn rests_double_up_to_an_hour_and_the_crawl_ends() {
    let mut recovery = begin();
    recovery.add_candidates(&[candidate(1, true)]).unwrap();
    let (mut now_ms, mut rest_ms, mut failed_ms) = (0, 0, 0);
    for failures in 0..FAILURES_MAX {
        assert_eq!(ask_next(&mut recovery, &mut now_ms), Some(node(1)));
        assert_eq!(now_ms - failed_ms, rest_ms, "after {failures} failures");
        let unreachable = recovery.progress(now_ms).peers.unreachable;
        assert_eq!(unreachable, u32::from(failures >= 3));
        recovery.peer_result(now_ms, node(1), PeerResult::Failed);
        recovery.peer_result(now_ms, node(1), PeerResult::Failed);
        failed_ms = now_ms;
        rest_ms = (rest_ms * 2).clamp(REST_FIRST_MS, REST_MAX_MS);
    }
    assert_eq!(recovery.next_peer(now_ms), Next::None);
    assert!((7_000_000..=8_000_000).contains(&now_ms), "about two hours, not {now_ms} ms");
}

#[test]
fn an_answer_stays_and_a_blob_is_the_best_one() {
    let mut recovery = begin();
    recovery.add_candidates(&[candidate(1, true)]).unwrap();
    recovery.feed(node(1), &[0; 500]).unwrap();
    assert_eq!(recovery.progress(0).peers.unreadable, 1);
    for result in [PeerResult::NoBlob, PeerResult::Failed, PeerResult::Connected] {
        recovery.peer_result(1, node(1), result);
        let peers = recovery.progress(1).peers;
        assert_eq!((peers.answered, peers.unreadable, peers.pending), (1, 1, 0), "{result:?}");
    }
    recovery.feed(node(1), &whole_blob(node(1), 3, b"payload")).unwrap();
    let peers = recovery.progress(1).peers;
    assert_eq!((peers.with_blob, peers.unreadable), (1, 0));
    assert_eq!(recovery.next_peer(1), Next::None);
}

#[test]
fn after_a_failure_the_other_address_is_tried() {
    let mut recovery = begin();
    recovery.add_candidates(&[candidate(1, true)]).unwrap();
    let roster = roster_of(9, &[(1, Some(0))]);
    recovery.feed(node(9), &sealed(node(9), KIND_PAYLOAD, 9, &[], (0, Some(&roster)))).unwrap();
    let older = roster_of(8, &[(1, None), (2, None)]);
    recovery.feed(node(8), &sealed(node(8), KIND_PAYLOAD, 8, &[], (0, Some(&older)))).unwrap();
    let mut addresses = Vec::new();
    let mut now_ms = 0;
    while addresses.len() < 3 {
        match recovery.next_peer(now_ms) {
            Next::Ask(ask) => {
                if ask.node == node(1) {
                    addresses.push(ask.address);
                }
                recovery.peer_result(now_ms, ask.node, PeerResult::Failed);
            }
            Next::Wait { until_ms } => now_ms = until_ms,
            Next::None => panic!("given up"),
        }
    }
    let of_roster = vec![1, 10, 0, 0, 1, 0x26, 0x07];
    assert_eq!(addresses, [vec![1; 3], of_roster, vec![1; 3]]);
}

#[test]
fn time_that_goes_back_counts_as_the_greatest_seen() {
    let mut recovery = begin();
    recovery.add_candidates(&[candidate(1, true), candidate(2, true)]).unwrap();
    assert!(matches!(recovery.next_peer(1_000_000), Next::Ask(_)));
    recovery.peer_result(5, node(1), PeerResult::Failed);
    assert!(matches!(recovery.next_peer(0), Next::Ask(_)));
    recovery.peer_result(0, node(2), PeerResult::NoStorage);
    assert_eq!(recovery.next_peer(0), Next::Wait { until_ms: 1_000_000 + REST_FIRST_MS });
}

#[test]
fn candidates_are_bounded_and_refused_as_a_whole() {
    let options = RecoveryOptions { candidates_max: 2, ..RecoveryOptions::default() };
    let mut recovery = Recovery::begin(&secret(), options).unwrap();
    let three = [candidate(1, true), candidate(2, true), candidate(3, true)];
    assert_eq!(recovery.add_candidates(&three).unwrap_err().status(), Status::TooBig);
    assert_eq!(recovery.progress(0).peers.known, 0);
    recovery
        .add_candidates(&[candidate(1, true), candidate(1, false), candidate(2, true)])
        .unwrap();
    recovery.add_candidates(&three[..2]).unwrap();
    let long = Candidate { address: vec![0; 256], ..candidate(1, true) };
    assert_eq!(recovery.add_candidates(&[long]).unwrap_err().status(), Status::InvalidArgument);
    recovery.peer_result(0, node(3), PeerResult::Connected);
    assert_eq!(recovery.progress(0).peers.known, 2, "no room for one that came by itself");
    let roster = roster_of(9, &[(4, None)]);
    let blob = sealed(node(3), KIND_PAYLOAD, 9, &[], (0, Some(&roster)));
    recovery.feed(node(3), &blob).unwrap();
    let progress = recovery.progress(0);
    assert_eq!((progress.peers.known, progress.blobs), (2, 1), "what it returns is taken");
}

/// How a peer takes to being asked.
#[derive(Debug, Clone, Copy)]
enum Temper {
    Answers,
    Fails,
    Silent,
    ConnectsAndIsSilent,
    FailsTwiceThenAnswers,
}

/// As often as each temper allows, with a rest that doubles.
fn check_asks(tempers: &[Temper], asks: &BTreeMap<NodeId, Vec<u64>>) {
    for (number, temper) in tempers.iter().enumerate() {
        let asked = &asks[&node(number)];
        let most = match temper {
            Temper::Answers => 1,
            Temper::FailsTwiceThenAnswers => 3,
            _ => usize::from(FAILURES_MAX),
        };
        assert_eq!(asked.len(), most, "{:?}", temper);
        for (nth, pair) in asked.windows(2).enumerate() {
            let least = (REST_FIRST_MS << nth).min(REST_MAX_MS);
            assert!(pair[1] - pair[0] >= least, "{:?} rests too short", temper);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_crawl_asks_one_at_a_time_rests_longer_each_time_and_ends(
        tempers in prop::collection::vec(prop_oneof![
            Just(Temper::Answers), Just(Temper::Fails), Just(Temper::Silent),
            Just(Temper::ConnectsAndIsSilent), Just(Temper::FailsTwiceThenAnswers),
        ], 0..12),
        seed in any::<u64>(),
    ) {
        let mut dice = dice(seed);
        let mut recovery = begin();
        let given: Vec<Candidate> =
            (0..tempers.len()).map(|number| candidate(number, below(&mut dice, 2) == 0)).collect();
        recovery.add_candidates(&given).unwrap();
        let mut asks: BTreeMap<NodeId, Vec<u64>> = BTreeMap::new();
        let mut awaited: Option<(NodeId, u64)> = None;
        let (mut now_ms, mut calls) = (1_u64, 0);
        loop {
            calls += 1;
            prop_assert!(calls < 5_000, "the crawl does not end");
            match recovery.next_peer(now_ms) {
                Next::None => break,
                Next::Wait { until_ms } => {
                    // Also between, as a host that looks too often does.
                    now_ms = if below(&mut dice, 3) == 0 { (now_ms + until_ms) / 2 } else { until_ms };
                }
                Next::Ask(ask) => {
                    let free = awaited.is_none_or(|(_, until_ms)| until_ms <= now_ms);
                    prop_assert!(free, "two are asked");
                    asks.entry(ask.node).or_default().push(now_ms);
                    let number = (0..tempers.len()).find(|number| node(*number) == ask.node).unwrap();
                    let times = asks[&ask.node].len();
                    awaited = Some((ask.node, now_ms + 60_000));
                    let result = match tempers[number] {
                        Temper::Answers => Some(PeerResult::NoBlob),
                        Temper::FailsTwiceThenAnswers if times > 2 => Some(PeerResult::NoStorage),
                        Temper::Fails | Temper::FailsTwiceThenAnswers => Some(PeerResult::Failed),
                        Temper::ConnectsAndIsSilent => Some(PeerResult::Connected),
                        Temper::Silent => None,
                    };
                    if let Some(result) = result {
                        recovery.peer_result(now_ms, ask.node, result);
                        awaited = match result {
                            PeerResult::Connected => Some((ask.node, now_ms + 10_000)),
                            _ => None,
                        };
                    }
                }
            }
        }
        check_asks(&tempers, &asks);
        let peers = recovery.progress(now_ms).peers;
        prop_assert_eq!(peers.answered + peers.unreachable, peers.known);
        prop_assert_eq!(peers.pending, 0);
    }
}
