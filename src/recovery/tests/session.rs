//! What each blob brings, when a payload may be taken, and what may be sent afterwards (RM1 to RM3).

use super::world::{
    Record, begin, journal_blob, keys, node, object_of, roster_of, sealed, secret, share_blob,
    snapshot_blob, whole_blob,
};
use crate::Status;
use crate::backup::envelope::{EnvelopeFault, KIND_PAYLOAD};
use crate::backup::htlcs::{HtlcDiff, HtlcSet};
use crate::backup::object::ObjectFault;
use crate::backup::roster::{FLAG_SNAPSHOT, RosterFault};
use crate::backup::share::{KIND_SHARES, ShareFault};
use crate::backup::stripe::Code;
use crate::limits::{BACKUP_SEQUENCE_JUMP, PEER_BLOB_BYTES_MAX};
use crate::recovery::crawl::{Candidate, Next, PeerResult};
use crate::recovery::shares::RecoveryStatus;
use crate::recovery::{BLOBS_MAX, BLOBS_PER_PEER_MAX, BlobFault, Fed, Recovery, RecoveryOptions};

fn share_of(peer: usize, seq: u64, generation: u64, object: &[u8]) -> Vec<u8> {
    let code = Code::new(2, 4).unwrap();
    share_blob(node(peer), seq, &[Record { generation, code, index: peer, object }], None)
}

#[test]
fn each_blob_is_named_by_what_it_brings() {
    let old = object_of(b"old", &HtlcSet::default());
    let new = object_of(b"new", &HtlcSet::default());
    let mut recovery = begin();
    let mut feed = |peer: usize, blob: &[u8]| recovery.feed(node(peer), blob).unwrap();
    assert_eq!(feed(0, &share_of(0, 21, 20, &new)), Fed::Accepted);
    assert_eq!(feed(0, &share_of(0, 21, 20, &new)), Fed::Duplicate, "the same blob");
    assert_eq!(feed(0, &share_of(0, 31, 20, &new)), Fed::Duplicate, "the same share, sent again");
    assert_eq!(feed(1, &share_of(1, 22, 20, &old)), Fed::Inconsistent, "another object");
    assert_eq!(feed(1, &share_of(1, 23, 20, &new)), Fed::Accepted);
    assert_eq!(feed(2, &share_of(2, 13, 10, &old)), Fed::Old);
    assert_eq!(feed(2, &share_of(2, 24, 20, &new)), Fed::Accepted);
    let unreadable = |fault| Fed::Refused(BlobFault::Envelope(fault));
    assert_eq!(feed(3, &share_of(2, 24, 20, &new)), unreadable(EnvelopeFault::AuthFailed));
    assert_eq!(feed(3, b"short"), unreadable(EnvelopeFault::TooShort));
    assert_eq!(recovery.payload(false).unwrap().payload(), b"new");
}

#[test]
fn what_is_ours_and_malformed_brings_its_number_and_nothing_else() {
    let mut recovery = begin();
    let malformed = [
        (sealed(node(0), KIND_SHARES, 5, &[], (0, None)), BlobFault::Share(ShareFault::Truncated)),
        (
            sealed(node(0), KIND_PAYLOAD, 6, b"x", (8, None)),
            BlobFault::Roster(RosterFault::BadFlags),
        ),
        (
            sealed(node(0), KIND_PAYLOAD, 7, b"x", (FLAG_SNAPSHOT, None)),
            BlobFault::Object(ObjectFault::Truncated),
        ),
        (sealed(node(0), 3, 9, b"x", (0, None)), BlobFault::UnknownKind(3)),
    ];
    for (blob, fault) in malformed {
        assert_eq!(recovery.feed(node(0), &blob).unwrap(), Fed::Refused(fault));
    }
    let journal = recovery.feed(node(0), &sealed(node(0), 2, 8, b"x", (0, None))).unwrap();
    assert!(matches!(journal, Fed::Refused(BlobFault::Journal(_))), "{journal:?}");
    assert_eq!(recovery.progress(0).blobs, 0);
    assert_eq!(recovery.status(), RecoveryStatus::Empty);
    assert_eq!(recovery.finish(true).unwrap().seq_floor, 9 + BACKUP_SEQUENCE_JUMP);
}

#[test]
fn a_blob_that_no_message_carries_is_refused() {
    let mut recovery = begin();
    let refused = recovery.feed(node(0), &vec![0; PEER_BLOB_BYTES_MAX + 1]).unwrap_err();
    assert_eq!(refused.status(), Status::TooBig);
    assert!(recovery.feed(node(0), &vec![0; PEER_BLOB_BYTES_MAX]).is_ok());
}

#[test]
fn an_older_generation_comes_out_only_when_that_is_accepted() {
    let (old, new) =
        (object_of(b"old", &HtlcSet::default()), object_of(b"new", &HtlcSet::default()));
    let mut recovery = begin();
    assert_eq!(recovery.payload(true).unwrap_err().status(), Status::NotEnoughShares);
    recovery.feed(node(0), &share_of(0, 11, 10, &old)).unwrap();
    let collecting = recovery.payload(true).unwrap_err();
    assert_eq!((collecting.status(), collecting.value()), (Status::NotEnoughShares, Some(1)));
    recovery.feed(node(1), &share_of(1, 12, 10, &old)).unwrap();
    recovery.feed(node(2), &share_of(2, 23, 20, &new)).unwrap();
    assert_eq!(recovery.status(), RecoveryStatus::CompleteOlder);
    for refused in [recovery.payload(false).err(), recovery.finish(false).err()] {
        let refused = refused.expect("a newer generation is known of");
        assert_eq!((refused.status(), refused.value()), (Status::NotEnoughShares, Some(1)));
        assert!(refused.message().contains("generation 20 has 1 of 2 shares"), "{refused}");
    }
    let older = recovery.payload(true).unwrap();
    assert_eq!((older.payload(), older.status), (&b"old"[..], RecoveryStatus::CompleteOlder));
    assert_eq!(recovery.finish(true).unwrap().seq_floor, 23 + BACKUP_SEQUENCE_JUMP);
}

#[test]
fn a_list_of_holders_shows_a_generation_that_no_share_was_found_of() {
    let object = object_of(b"old", &HtlcSet::default());
    let mut recovery = begin();
    for peer in 0..2 {
        recovery.feed(node(peer), &share_of(peer, 11, 10, &object)).unwrap();
    }
    assert!(recovery.payload(false).is_ok());
    let roster = roster_of(20, &[(7, Some(3)), (8, None)]);
    let roster_only = sealed(node(3), KIND_PAYLOAD, 12, &[], (0, Some(&roster)));
    assert_eq!(recovery.feed(node(3), &roster_only).unwrap(), Fed::Accepted);
    assert_eq!(recovery.status(), RecoveryStatus::CompleteOlder);
    assert_eq!(recovery.progress(0).newest_seen_generation, Some(20));
    let Next::Ask(ask) = recovery.next_peer(0) else { panic!("the roster names two") };
    assert_eq!((ask.node, ask.address.len()), (node(7), 7), "the holder, where it was last");
}

#[test]
fn a_whole_payload_is_its_own_only_share() {
    let mut recovery = begin();
    assert_eq!(recovery.feed(node(0), &whole_blob(node(0), 4, b"four")).unwrap(), Fed::Accepted);
    assert_eq!(recovery.feed(node(1), &whole_blob(node(1), 7, b"seven")).unwrap(), Fed::Accepted);
    assert_eq!(recovery.feed(node(2), &whole_blob(node(2), 5, b"five")).unwrap(), Fed::Old);
    let newest = recovery.payload(false).unwrap();
    assert_eq!((newest.payload(), newest.version.generation), (&b"seven"[..], 7));
    assert_eq!(newest.created_unix_secs, 1_700_000_007);
    assert_eq!(newest.block_height, 800_007);
    let object = object_of(b"with htlcs", &HtlcSet::default());
    recovery.feed(node(0), &snapshot_blob(node(0), 9, &object)).unwrap();
    assert_eq!(recovery.payload(false).unwrap().payload(), b"with htlcs");
    recovery.feed(node(4), &whole_blob(node(4), 10, b"")).unwrap();
    assert_eq!(recovery.payload(false).unwrap().payload(), b"", "an empty payload is one");
}

#[test]
fn the_time_of_a_payload_is_that_of_the_oldest_blob_that_brings_it() {
    let object = object_of(b"payload", &HtlcSet::default());
    let mut recovery = begin();
    for (peer, seq) in [(2, 40), (0, 25), (1, 31)] {
        recovery.feed(node(peer), &share_of(peer, seq, 20, &object)).unwrap();
    }
    let payload = recovery.payload(false).unwrap();
    assert_eq!((payload.created_unix_secs, payload.block_height), (1_700_000_025, 800_025));
}

#[test]
fn complete_becomes_final_when_nobody_is_left_or_the_time_is_up() {
    let options = RecoveryOptions { deadline_ms: 900_000_000, ..RecoveryOptions::default() };
    let mut recovery = Recovery::begin(&secret(), options).unwrap();
    let other = Candidate { node: node(1), is_announced: true, address: Vec::new() };
    recovery.add_candidates(&[other]).unwrap();
    recovery.feed(node(0), &whole_blob(node(0), 4, b"payload")).unwrap();
    assert_eq!(recovery.status(), RecoveryStatus::Complete, "one more may know better");
    let mut now_ms = 0;
    for _ in 0..3 {
        assert_eq!(recovery.status(), RecoveryStatus::Complete);
        while !matches!(recovery.next_peer(now_ms), Next::Ask(_)) {
            now_ms += 1_000;
        }
        recovery.peer_result(now_ms, node(1), PeerResult::Failed);
    }
    assert_eq!(recovery.status(), RecoveryStatus::CompleteFinal);
    assert_eq!(recovery.next_peer(u64::MAX / 2), Next::None);
    assert_eq!(recovery.payload(false).unwrap().status, RecoveryStatus::CompleteFinal);

    let mut waiting = Recovery::begin(&secret(), options).unwrap();
    waiting
        .add_candidates(&[Candidate { node: node(1), is_announced: false, address: vec![] }])
        .unwrap();
    assert_eq!(waiting.progress(900_000_000).status, RecoveryStatus::Empty, "nothing is final");
    waiting.feed(node(0), &whole_blob(node(0), 4, b"payload")).unwrap();
    assert_eq!(waiting.status(), RecoveryStatus::CompleteFinal);
    let roster = roster_of(20, &[]);
    let newer = sealed(node(3), KIND_PAYLOAD, 12, &[], (0, Some(&roster)));
    waiting.feed(node(3), &newer).unwrap();
    assert_eq!(waiting.status(), RecoveryStatus::CompleteOlder, "a time makes nothing newer");
}

#[test]
fn what_is_kept_is_bounded_and_the_lowest_goes_first() {
    let mut recovery = begin();
    let most = BLOBS_PER_PEER_MAX as u64;
    for seq in 1..=most {
        assert_eq!(recovery.feed(node(0), &journal(0, seq)).unwrap(), Fed::Accepted);
    }
    assert_eq!(recovery.feed(node(0), &journal(0, most + 1)).unwrap(), Fed::Accepted);
    assert_eq!(recovery.progress(0).blobs, BLOBS_PER_PEER_MAX as u32);
    assert_eq!(recovery.feed(node(0), &journal(0, 1)).unwrap(), Fed::Old, "it went for the last");
    for peer in 1..=BLOBS_MAX {
        recovery.feed(node(peer), &journal(peer, 100 + peer as u64)).unwrap();
    }
    assert_eq!(recovery.progress(0).blobs, BLOBS_MAX as u32);
    assert_eq!(recovery.feed(node(0), &journal(0, 2)).unwrap(), Fed::Old);
    assert_eq!(recovery.htlcs().unwrap().journal_seq, Some(100 + BLOBS_MAX as u64));
}

fn journal(peer: usize, seq: u64) -> Vec<u8> {
    journal_blob(node(peer), seq, ([0; 16], 0), &HtlcDiff::default())
}

#[test]
fn a_share_that_gave_way_no_longer_counts_and_what_it_showed_stays_known() {
    let object = object_of(b"object", &HtlcSet::default());
    let mut recovery = begin();
    recovery.feed(node(0), &share_of(0, 11, 10, &object)).unwrap();
    recovery.feed(node(1), &share_of(1, 12, 10, &object)).unwrap();
    assert_eq!(recovery.status(), RecoveryStatus::CompleteFinal, "both known peers have answered");
    for seq in 100..100 + BLOBS_PER_PEER_MAX as u64 {
        recovery.feed(node(0), &journal(0, seq)).unwrap();
    }
    assert_eq!(recovery.status(), RecoveryStatus::Collecting);
    let progress = recovery.progress(0);
    assert_eq!(progress.newest_seen_generation, Some(10));
    assert_eq!(progress.sets.iter().map(|set| set.have).collect::<Vec<_>>(), [1]);
}

#[test]
fn no_number_above_the_greatest_is_left_to_give() {
    let mut recovery = begin();
    recovery.feed(node(0), &whole_blob(node(0), u64::from(u32::MAX), b"x")).unwrap();
    let floor = recovery.finish(false).unwrap().seq_floor;
    assert_eq!(floor, u64::from(u32::MAX) + BACKUP_SEQUENCE_JUMP);
    let roster = roster_of(u64::MAX - 5, &[]);
    recovery.feed(node(1), &sealed(node(1), KIND_PAYLOAD, 8, &[], (0, Some(&roster)))).unwrap();
    assert_eq!(recovery.finish(true).unwrap_err().status(), Status::TooBig);
}

#[test]
fn nothing_secret_shows_in_debug() {
    let mut recovery = begin();
    recovery.feed(node(0), &whole_blob(node(0), 4, b"a secret payload")).unwrap();
    let shown = format!("{recovery:?} {:?}", recovery.payload(false).unwrap());
    let expected = "Recovery(complete, 1 blobs, ..) RecoveredPayload(16 bytes of generation 4, ..)";
    assert_eq!(shown, expected);
    assert!(keys().matches(&keys().check_value()));
}

#[test]
fn options_that_cannot_be_are_refused() {
    let right = RecoveryOptions::default();
    let wrong = [
        RecoveryOptions { answer_ms: 0, ..right },
        RecoveryOptions { blob_ms: 0, ..right },
        RecoveryOptions { candidates_max: 0, ..right },
        RecoveryOptions { candidates_max: 10_001, ..right },
    ];
    for options in wrong {
        let refused = Recovery::begin(&secret(), options).unwrap_err();
        assert_eq!(refused.status(), Status::InvalidArgument, "{options:?}");
    }
}

/// A node of many peers: all that keep nothing else were sent a roster, later than any share.
#[test]
fn rosters_alone_push_no_share_out() {
    let object = object_of(b"payload", &HtlcSet::default());
    let code = Code::new(2, 4).unwrap();
    let mut recovery = begin();
    for peer in 0..2 {
        let record = Record { generation: 100, code, index: peer, object: &object };
        let blob = share_blob(node(peer), 100 + peer as u64, &[record], None);
        assert_eq!(recovery.feed(node(peer), &blob).unwrap(), Fed::Accepted);
    }
    let roster = roster_of(100, &[(0, Some(0)), (1, Some(1))]);
    for number in 2..BLOBS_MAX + 50 {
        let seq = 200 + number as u64;
        let blob = sealed(node(number), KIND_PAYLOAD, seq, b"", (0, Some(&roster)));
        recovery.feed(node(number), &blob).unwrap();
    }
    assert_eq!(recovery.payload(false).unwrap().payload(), b"payload");
}
