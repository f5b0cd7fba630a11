//! What comes back whoever lies (RM1, RR1, RR2): the newest generation, byte for byte, and never a mixture.

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

use super::world::{
    Record, begin, below, dice, node, object_of, payload_of, roster_of, share_blob,
};
use crate::backup::htlcs::HtlcSet;
use crate::backup::stripe::Code;
use crate::recovery::shares::RecoveryStatus;
use crate::recovery::{Fed, Recovery};
use crate::types::NodeId;

/// How a peer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    Withholds,
    ReturnsOld,
    Garbage,
    AnotherPeersBlob,
    Cut,
    Changed,
}

const LIES: [Manner; 6] = [
    Manner::Withholds,
    Manner::ReturnsOld,
    Manner::Garbage,
    Manner::AnotherPeersBlob,
    Manner::Cut,
    Manner::Changed,
];

/// A payload that was striped over peers, generation after generation.
struct Striped {
    code: Code,
    payloads: Vec<Vec<u8>>,
    objects: Vec<Vec<u8>>,
}

/// Generations are numbers of the counter that sequence numbers come from, so that they lie apart.
const STEP: u64 = 100;

impl Striped {
    fn new(code: Code, generations: usize, payload_bytes: usize) -> Striped {
        let payloads: Vec<Vec<u8>> =
            (1..=generations as u64).map(|number| payload_of(number, payload_bytes)).collect();
        let objects =
            payloads.iter().map(|payload| object_of(payload, &HtlcSet::default())).collect();
        Striped { code, payloads, objects }
    }

    fn newest(&self) -> u64 {
        self.objects.len() as u64 * STEP
    }

    /// What a peer was sent with the n-th generation: its share of it, and of the one before.
    fn blob(&self, peer: usize, nth: usize) -> Vec<u8> {
        self.blob_of(peer, peer, nth)
    }

    /// What was sealed for a peer, with a share that may be another's.
    fn blob_of(&self, index: usize, peer: usize, nth: usize) -> Vec<u8> {
        let record = |nth: usize| Record {
            generation: nth as u64 * STEP,
            code: self.code,
            index,
            object: &self.objects[nth - 1],
        };
        let mut records = vec![record(nth)];
        if nth > 1 {
            records.push(record(nth - 1));
        }
        let roster = roster_of(nth as u64 * STEP, &[(peer, Some(peer as u8))]);
        let seq = nth as u64 * STEP + peer as u64 + 1;
        share_blob(node(peer), seq, &records, Some(&roster))
    }

    /// What a peer returns; nothing if it withholds.
    fn answer(&self, peer: usize, manner: Manner, dice: &mut ChaCha20Rng) -> Option<Vec<u8>> {
        let newest = self.objects.len();
        let mut honest = self.blob(peer, newest);
        match manner {
            Manner::Honest => Some(honest),
            Manner::Withholds => None,
            Manner::ReturnsOld => Some(self.blob(peer, 1 + below(dice, (newest - 1).max(1)))),
            Manner::Garbage => {
                dice.fill_bytes(&mut honest);
                Some(honest)
            }
            Manner::AnotherPeersBlob => Some(self.blob_of(peer, peer + 1, newest)),
            Manner::Cut => Some(honest[..below(dice, honest.len())].to_vec()),
            Manner::Changed => {
                let at = below(dice, honest.len());
                honest[at] ^= 1 << below(dice, 8);
                Some(honest)
            }
        }
    }
}

/// Which code, how many generations, how much, who lies how, in which order it comes.
#[derive(Debug, Clone)]
struct Case {
    data_shares: usize,
    shares: usize,
    generations: usize,
    payload_bytes: usize,
    liars: usize,
    seed: u64,
}

fn cases(most_liars: fn(usize, usize) -> usize) -> impl Strategy<Value = Case> {
    (1_usize..6, 0_usize..8, 1_usize..5, 0_usize..900, any::<(usize, u64)>()).prop_map(
        move |(data_shares, more, generations, payload_bytes, (liars, seed))| {
            let shares = data_shares + more;
            let liars = liars % (most_liars(data_shares, shares) + 1);
            Case { data_shares, shares, generations, payload_bytes, liars, seed }
        },
    )
}

/// Peers and what they return, in any order, some of it more than once.
fn answers(case: &Case, striped: &Striped) -> Vec<(NodeId, Vec<u8>)> {
    let mut dice = dice(case.seed);
    let mut peers: Vec<usize> = (0..case.shares).collect();
    shuffle(&mut peers, &mut dice);
    let mut answers = Vec::new();
    for (place, peer) in peers.iter().enumerate() {
        let lies = place < case.liars;
        let manner = if lies { LIES[below(&mut dice, LIES.len())] } else { Manner::Honest };
        let blob = striped.answer(*peer, manner, &mut dice);
        let times = 1 + below(&mut dice, 2);
        answers.extend(blob.into_iter().flat_map(|blob| vec![(node(*peer), blob); times]));
    }
    shuffle(&mut answers, &mut dice);
    answers
}

fn shuffle<T>(all: &mut [T], dice: &mut ChaCha20Rng) {
    for end in (1..all.len()).rev() {
        all.swap(end, below(dice, end + 1));
    }
}

fn striped_of(case: &Case) -> Striped {
    let code = Code::new(case.data_shares, case.shares).unwrap();
    Striped::new(code, case.generations, case.payload_bytes)
}

fn feed_all(recovery: &mut Recovery, answers: &[(NodeId, Vec<u8>)]) {
    for (peer, blob) in answers {
        recovery.feed(*peer, blob).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// With fewer than n - k + 1 liars of any kind, the newest generation comes back.
    #[test]
    fn any_k_honest_peers_bring_the_newest_generation_back(
        case in cases(|data_shares, shares| shares - data_shares),
    ) {
        let striped = striped_of(&case);
        let mut recovery = begin();
        feed_all(&mut recovery, &answers(&case, &striped));
        let payload = recovery.payload(false);
        prop_assert!(payload.is_ok(), "{:?}: {:?}", case, payload.err());
        let payload = payload.unwrap();
        prop_assert_eq!(payload.payload(), striped.payloads.last().unwrap().as_slice());
        prop_assert_eq!(payload.version.generation, striped.newest());
        prop_assert!(payload.status >= RecoveryStatus::Complete);
        prop_assert!(payload.is_close_and_sweep_only());
        prop_assert!(recovery.finish(false).unwrap().seq_floor > striped.newest() + (1 << 20));
    }

    /// However many lie: what comes out is one generation, whole, and never called newer than it is.
    #[test]
    fn nobody_can_make_a_mixture_or_hide_a_generation_that_one_honest_peer_knows(
        case in cases(|_, shares| shares),
    ) {
        let striped = striped_of(&case);
        let mut recovery = begin();
        for (peer, blob) in answers(&case, &striped) {
            recovery.feed(peer, &blob).unwrap();
            if let Ok(payload) = recovery.payload(true) {
                let nth = payload.version.generation / STEP;
                let sent = &striped.payloads[nth as usize - 1];
                prop_assert_eq!(payload.payload(), sent.as_slice());
            }
            if let Ok(payload) = recovery.payload(false) {
                let newest = recovery.progress(0).newest_seen_generation;
                prop_assert_eq!(Some(payload.version.generation), newest);
            }
        }
        if case.liars < case.shares {
            let newest = recovery.progress(0).newest_seen_generation;
            prop_assert_eq!(newest, Some(striped.newest()), "one honest peer shows it");
        }
    }

    #[test]
    fn order_and_repetition_of_blobs_change_nothing(case in cases(|_, shares| shares)) {
        let striped = striped_of(&case);
        let mut answers = answers(&case, &striped);
        let mut forward = begin();
        feed_all(&mut forward, &answers);
        answers.reverse();
        let mut backward = begin();
        feed_all(&mut backward, &answers);
        feed_all(&mut backward, &answers);
        prop_assert_eq!(forward.progress(0), backward.progress(0));
        prop_assert_eq!(forward.export(), backward.export());
        let [one, other] = [&forward, &backward].map(|recovery| {
            let payload = recovery.payload(true).ok();
            payload.map(|payload| (payload.payload().to_vec(), payload.created_unix_secs))
        });
        prop_assert_eq!(one, other);
    }
}

/// As an `any k of n` in small, without dice.
#[test]
fn every_choice_of_three_of_five_restores_and_no_choice_of_two() {
    let striped = Striped::new(Code::new(3, 5).unwrap(), 2, 300);
    for chosen in 0_u32..32 {
        let mut recovery = begin();
        for peer in (0..5).filter(|peer| chosen & (1 << peer) != 0) {
            assert_eq!(recovery.feed(node(peer), &striped.blob(peer, 2)).unwrap(), Fed::Accepted);
        }
        let payload = recovery.payload(false);
        assert_eq!(payload.is_ok(), chosen.count_ones() >= 3, "{chosen:05b}");
        if let Ok(payload) = payload {
            assert_eq!(payload.payload(), striped.payloads[1]);
        }
    }
}
