//! HTLCs: snapshots with journals over them (RJ1 to RJ3).

use super::world::{
    Record, begin, channels_set, journal_blob, node, object_of, share_blob, snapshot_blob,
    whole_blob,
};
use crate::Status;
use crate::backup::htlcs::{BackupHtlc, HtlcKey, HtlcSet};
use crate::backup::stripe::Code;
use crate::recovery::{Fed, Recovery};
use crate::types::{ChannelId, PaymentHash};

/// A set with these HTLCs.
fn set_of(ids: &[u64]) -> HtlcSet {
    let mut set = HtlcSet::default();
    for id in ids {
        let key =
            HtlcKey { channel_id: ChannelId([3; 32]), is_incoming: id % 2 == 0, htlc_id: *id };
        let htlc = BackupHtlc {
            payment_hash: PaymentHash([*id as u8; 32]),
            amount_msat: 1_000 + id,
            cltv_expiry: 800_000,
            preimage: None,
            output_index: None,
        };
        set.put(key, htlc).unwrap();
    }
    set
}

fn feed_base(recovery: &mut Recovery, generation: u64, htlcs: &HtlcSet, peers: &[usize]) {
    let object = object_of(b"payload", htlcs);
    let code = Code::new(2, 4).unwrap();
    for peer in peers {
        let record = Record { generation, code, index: *peer, object: &object };
        let seq = generation + 1 + *peer as u64;
        recovery.feed(node(*peer), &share_blob(node(*peer), seq, &[record], None)).unwrap();
    }
}

fn feed_journal(recovery: &mut Recovery, seq: u64, generation: u64, from: &HtlcSet, to: &HtlcSet) {
    let set = if generation == 0 { [0; 16] } else { channels_set() };
    let blob = journal_blob(node(9), seq, (set, generation), &to.diff(from));
    assert_eq!(recovery.feed(node(9), &blob).unwrap(), Fed::Accepted);
}

#[test]
fn the_journal_of_the_greatest_number_is_laid_over_its_base() {
    let (base, middle, last) = (set_of(&[1, 2, 3]), set_of(&[2, 3, 4]), set_of(&[3, 7]));
    let mut recovery = begin();
    feed_base(&mut recovery, 100, &base, &[0, 1]);
    assert_eq!(recovery.htlcs().unwrap().htlcs, base);
    feed_journal(&mut recovery, 120, 100, &base, &last);
    feed_journal(&mut recovery, 110, 100, &base, &middle);
    let found = recovery.htlcs().unwrap();
    assert_eq!(found.htlcs, last);
    assert_eq!((found.journal_seq, found.base.unwrap().generation), (Some(120), 100));
    assert_eq!((found.uncovered_count, found.uncovered_msat), (120, 120_000));
    assert_eq!((found.created_unix_secs, found.block_height), (1_700_000_120, 800_120));
    assert!(found.is_newest);
}

#[test]
fn a_journal_whose_base_is_unknown_is_kept_until_it_comes() {
    let (base, last) = (set_of(&[1, 2, 3]), set_of(&[5]));
    let mut recovery = begin();
    feed_journal(&mut recovery, 120, 100, &base, &last);
    assert_eq!(recovery.htlcs().unwrap_err().status(), Status::NotEnoughShares);
    assert_eq!(recovery.progress(0).newest_seen_generation, Some(100), "it names one");
    feed_base(&mut recovery, 100, &base, &[0]);
    assert_eq!(recovery.htlcs().unwrap_err().status(), Status::NotEnoughShares);
    feed_base(&mut recovery, 100, &base, &[3]);
    assert_eq!(recovery.htlcs().unwrap().htlcs, last);
}

#[test]
fn a_journal_over_another_set_or_generation_is_not_used_and_is_told() {
    let (base, last) = (set_of(&[1, 2, 3]), set_of(&[5]));
    let mut recovery = begin();
    feed_base(&mut recovery, 100, &base, &[0, 1]);
    let stranger = journal_blob(node(9), 130, ([7; 16], 100), &last.diff(&base));
    recovery.feed(node(9), &stranger).unwrap();
    feed_journal(&mut recovery, 120, 99, &base, &last);
    let found = recovery.htlcs().unwrap();
    assert_eq!((found.htlcs, found.journal_seq, found.is_newest), (base, None, false));
}

#[test]
fn a_journal_goes_on_from_the_older_base_until_the_next_is_confirmed() {
    let (older, newer, last) = (set_of(&[1, 2, 3]), set_of(&[3]), set_of(&[3, 8]));
    let mut recovery = begin();
    feed_base(&mut recovery, 100, &older, &[0, 1]);
    feed_base(&mut recovery, 200, &newer, &[0, 1]);
    assert_eq!(recovery.htlcs().unwrap().htlcs, newer);
    feed_journal(&mut recovery, 250, 100, &older, &last);
    let found = recovery.htlcs().unwrap();
    assert_eq!((found.htlcs, found.base.unwrap().generation), (last, 100));
    assert!(found.is_newest);
    assert_eq!(
        recovery.payload(false).unwrap().version.generation,
        200,
        "the payload is the newest"
    );
    feed_journal(&mut recovery, 150, 100, &older, &set_of(&[2]));
    assert_eq!(recovery.htlcs().unwrap().journal_seq, Some(250));
}

#[test]
fn a_journal_that_names_no_base_needs_none() {
    let nothing = HtlcSet::default();
    let mut recovery = begin();
    feed_journal(&mut recovery, 50, 0, &nothing, &set_of(&[4, 5]));
    let found = recovery.htlcs().unwrap();
    assert_eq!((found.htlcs, found.base, found.is_newest), (set_of(&[4, 5]), None, true));
    feed_base(&mut recovery, 40, &set_of(&[1]), &[0, 1]);
    assert_eq!(recovery.htlcs().unwrap().journal_seq, Some(50), "an older snapshot");
    feed_base(&mut recovery, 60, &set_of(&[9]), &[0]);
    let found = recovery.htlcs().unwrap();
    assert_eq!((found.journal_seq, found.is_newest), (Some(50), false), "a newer one is known of");
    feed_base(&mut recovery, 60, &set_of(&[9]), &[1]);
    assert_eq!(recovery.htlcs().unwrap().htlcs, set_of(&[9]));
}

#[test]
fn a_payload_without_htlcs_says_so() {
    let mut recovery = begin();
    recovery.feed(node(0), &whole_blob(node(0), 4, b"payload")).unwrap();
    assert_eq!(recovery.htlcs().unwrap_err().status(), Status::NotFound);
    let object = object_of(b"payload", &set_of(&[1]));
    recovery.feed(node(1), &snapshot_blob(node(1), 3, &object)).unwrap();
    let found = recovery.htlcs().unwrap();
    assert_eq!((found.htlcs, found.base.unwrap().generation), (set_of(&[1]), 3));
    assert!(found.is_newest, "a payload of the host tells nothing of HTLCs");
}

#[test]
fn a_snapshot_without_htlcs_does_not_hide_an_older_journal() {
    let nothing = HtlcSet::default();
    let mut recovery = begin();
    feed_journal(&mut recovery, 50, 0, &nothing, &set_of(&[4, 5]));
    feed_base(&mut recovery, 60, &nothing, &[0, 1]);
    let found = recovery.htlcs().unwrap();
    assert_eq!((found.htlcs, found.journal_seq), (set_of(&[4, 5]), Some(50)));
    assert!(!found.is_newest, "what was passed over is newer");
    let mut alone = begin();
    feed_base(&mut alone, 60, &nothing, &[0, 1]);
    assert_eq!(alone.htlcs().unwrap().htlcs, nothing, "there is nothing older");
}
