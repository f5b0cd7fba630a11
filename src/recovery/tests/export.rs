//! A session that is saved and read back (RX1 to RX3).

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::world::{
    Record, begin, below, dice, journal_blob, node, object_of, roster_of, secret, share_blob,
    whole_blob,
};
use crate::Status;
use crate::backup::htlcs::{HtlcDiff, HtlcSet};
use crate::backup::keys::Secret;
use crate::backup::stripe::Code;
use crate::recovery::crawl::{Candidate, Next, PeerResult};
use crate::recovery::{Recovery, RecoveryOptions};

fn resume(bytes: &[u8]) -> crate::Result<Recovery> {
    Recovery::resume(&secret(), RecoveryOptions::default(), bytes)
}

/// One call of a session.
#[derive(Debug, Clone)]
enum Act {
    Add(usize, bool),
    Next(u64),
    Result(usize, PeerResult),
    Share(usize, u64),
    Whole(usize, u64),
    Journal(usize, u64, u64),
    Garbage(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (0_usize..8, any::<bool>()).prop_map(|(peer, announced)| Act::Add(peer, announced)),
        (0_u64..90_000).prop_map(Act::Next),
        (0_usize..8, 0_usize..4)
            .prop_map(|(peer, result)| Act::Result(peer, PeerResult::ALL[result])),
        (0_usize..8, 1_u64..5).prop_map(|(peer, generation)| Act::Share(peer, generation)),
        (0_usize..8, 1_u64..60).prop_map(|(peer, seq)| Act::Whole(peer, seq)),
        (0_usize..8, 1_u64..60, 0_u64..5)
            .prop_map(|(peer, seq, base)| Act::Journal(peer, seq, base)),
        (0_usize..8).prop_map(Act::Garbage),
    ];
    prop::collection::vec(act, 0..40)
}

/// Does it, and shows the answer.
fn run(recovery: &mut Recovery, now_ms: &mut u64, act: &Act) -> String {
    let mut feed =
        |peer: usize, blob: &[u8]| format!("{:?}", recovery.feed(node(peer), blob).unwrap());
    match act {
        Act::Share(peer, number) => {
            let object = object_of(&[*number as u8; 40], &HtlcSet::default());
            let code = Code::new(2, 8).unwrap();
            let generation = number * 10;
            let record = Record { generation, code, index: *peer, object: &object };
            let members = [(*peer, Some(*peer as u8)), (20 + peer, None)];
            let roster = roster_of(generation, &members);
            let seq = generation + *peer as u64;
            feed(*peer, &share_blob(node(*peer), seq, &[record], Some(&roster)))
        }
        Act::Whole(peer, seq) => feed(*peer, &whole_blob(node(*peer), *seq, &seq.to_be_bytes())),
        Act::Journal(peer, seq, base) => {
            let set = if *base == 0 { [0; 16] } else { super::world::channels_set() };
            let base = (set, base * 10);
            feed(*peer, &journal_blob(node(*peer), *seq, base, &HtlcDiff::default()))
        }
        Act::Garbage(peer) => feed(*peer, &[7; 300]),
        Act::Add(peer, is_announced) => {
            let address = vec![*peer as u8; *peer];
            let given = Candidate { node: node(*peer), is_announced: *is_announced, address };
            format!("{:?}", recovery.add_candidates(&[given]).is_ok())
        }
        Act::Next(ms) => {
            *now_ms += ms;
            format!("{:?}", recovery.next_peer(*now_ms))
        }
        Act::Result(peer, result) => {
            recovery.peer_result(*now_ms, node(*peer), *result);
            String::new()
        }
    }
}

/// Everything that a session answers.
fn answers(recovery: &mut Recovery, now_ms: u64) -> String {
    let payload =
        recovery.payload(true).map(|payload| (payload.payload().to_vec(), payload.status));
    let htlcs = recovery.htlcs().map(|found| (found.htlcs, found.journal_seq, found.is_newest));
    let floor = recovery.finish(true);
    format!("{:?} {payload:?} {htlcs:?} {floor:?}", recovery.progress(now_ms))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_session_goes_on_as_if_it_had_never_been_saved(acts in acts(), cut in any::<prop::sample::Index>()) {
        let cut = if acts.is_empty() { 0 } else { cut.index(acts.len()) };
        let (mut whole, mut now_ms) = (begin(), 0);
        for act in &acts[..cut] {
            run(&mut whole, &mut now_ms, act);
        }
        let bytes = whole.export();
        let mut resumed = resume(&bytes).unwrap();
        prop_assert_eq!(&bytes, &resumed.export(), "the same bytes");
        prop_assert_eq!(answers(&mut whole, now_ms), answers(&mut resumed, now_ms));
        let mut later_ms = now_ms;
        for act in &acts[cut..] {
            let expected = run(&mut whole, &mut now_ms, act);
            prop_assert_eq!(expected, run(&mut resumed, &mut later_ms, act), "{:?}", act);
        }
        prop_assert_eq!(answers(&mut whole, now_ms), answers(&mut resumed, now_ms));
        prop_assert_eq!(whole.export(), resumed.export());
    }

    #[test]
    fn hostile_bytes_are_refused_and_never_panic(
        seed in any::<u64>(), changes in 1_usize..6, is_signed in any::<bool>(),
    ) {
        let mut dice = dice(seed);
        let mut bytes = example().export();
        for _ in 0..changes {
            let at = below(&mut dice, bytes.len());
            match below(&mut dice, 4) {
                0 => bytes[at] ^= 1 << below(&mut dice, 8),
                1 => bytes[at] = 0xff,
                2 => bytes.truncate(at.max(40)),
                _ => bytes.insert(at, 0),
            }
        }
        if is_signed {
            sign(&mut bytes);
        }
        if let Ok(mut resumed) = resume(&bytes) {
            // Only what nothing vouches for can have changed: times, states, addresses.
            prop_assert!(is_signed || bytes == example().export());
            answers(&mut resumed, 0);
            resumed.next_peer(u64::MAX);
        }
    }
}

/// Puts the right digest at the end, as one who knows the format can.
fn sign(bytes: &mut [u8]) {
    let at = bytes.len() - 32;
    let digest = Sha256::digest(&bytes[..at]);
    bytes[at..].copy_from_slice(&digest);
}

fn example() -> Recovery {
    let (mut recovery, mut now_ms) = (begin(), 0);
    let acts = [
        Act::Add(1, true),
        Act::Share(2, 3),
        Act::Next(5),
        Act::Whole(3, 4),
        Act::Journal(4, 9, 0),
        Act::Garbage(5),
    ];
    for act in &acts {
        run(&mut recovery, &mut now_ms, act);
    }
    recovery
}

#[test]
fn each_way_of_being_wrong_is_told() {
    let right = example().export();
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = right.clone();
        change(&mut bytes);
        sign(&mut bytes);
        resume(&bytes).unwrap_err()
    };
    let blobs_at = right.len() - 32 - 1_024;
    type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
    let wrong: [(&str, Change<'_>); 6] = [
        ("does not begin as one", &|bytes| bytes[0] ^= 1),
        ("reserved bytes", &|bytes| bytes[10] = 1),
        ("another secret", &|bytes| bytes[12] ^= 1),
        ("it is cut", &|bytes| bytes[92] += 1),
        ("bytes follow its end", &|bytes| bytes.insert(bytes.len() - 32, 0)),
        ("does not open", &|bytes| bytes[blobs_at + 500] ^= 1),
    ];
    for (fact, change) in wrong {
        let refused = changed(change);
        assert_eq!(refused.status(), Status::InvalidArgument, "{fact}");
        assert!(refused.message().contains(fact), "{fact}: {refused}");
    }
    assert_eq!(changed(&|bytes| bytes[9] = 2).status(), Status::Unsupported);
    assert!(resume(&[]).unwrap_err().message().contains("it is cut"));
    let mut damaged = right.clone();
    damaged[200] ^= 1;
    assert!(resume(&damaged).unwrap_err().message().contains("damaged"));
    let other = Recovery::resume(&Secret::new([1; 32]), RecoveryOptions::default(), &right);
    assert!(other.unwrap_err().message().contains("another secret"));
    let few = RecoveryOptions { candidates_max: 2, ..RecoveryOptions::default() };
    let refused = Recovery::resume(&secret(), few, &right).unwrap_err();
    assert_eq!(refused.status(), Status::TooBig);
}

#[test]
fn a_blob_twice_or_one_too_many_is_refused() {
    let mut recovery = begin();
    recovery.feed(node(1), &whole_blob(node(1), 4, b"payload")).unwrap();
    let mut bytes = recovery.export();
    let blob_at = bytes.len() - 32 - 1_024 - 37;
    let again = bytes[blob_at..bytes.len() - 32].to_vec();
    let end = bytes.len() - 32;
    bytes.splice(end..end, again);
    bytes[92] = 2;
    sign(&mut bytes);
    let refused = resume(&bytes).unwrap_err();
    assert!(refused.message().contains("twice"), "{refused}");
}

#[test]
fn an_export_shows_nothing_of_what_peers_keep() {
    let mut recovery = begin();
    let payload = b"a payload that nobody may read";
    recovery.feed(node(1), &whole_blob(node(1), 4, payload)).unwrap();
    recovery.payload(false).unwrap();
    let bytes = recovery.export();
    assert!(!bytes.windows(8).any(|window| payload.windows(8).any(|part| part == window)));
    assert!(!bytes.windows(8).any(|window| window == [0x5e; 8]), "nor of the secret");
}

#[test]
fn a_restart_in_the_middle_of_an_ask_waits_out_its_time() {
    let mut recovery = begin();
    let given = Candidate { node: node(1), is_announced: true, address: Vec::new() };
    recovery.add_candidates(&[given]).unwrap();
    assert!(matches!(recovery.next_peer(1_000), Next::Ask(_)));
    let mut resumed = resume(&recovery.export()).unwrap();
    assert_eq!(resumed.next_peer(2_000), Next::Wait { until_ms: 61_000 });
    assert_eq!(resumed.progress(2_000).peers.pending, 1);
}
