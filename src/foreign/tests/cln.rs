//! Core Lightning: keys, both messages, every address and record (FC1 to FC4).

use super::super::cln::{BLOB_BYTES_MIN, Format, ScbKey, open, seal_text};
use super::{ForeignFault, authenticates, record};
use crate::error::Status;

fn key() -> ScbKey {
    ScbKey::new([9; 32])
}

pub(super) fn sealed_with(key: [u8; 32], text: &[u8]) -> Vec<u8> {
    seal_text(&ScbKey::new(key), [3; 24], 0, text)
}

/// What stands before the channels.
pub(super) fn head(kind: u16, version: u64, count: u16) -> Vec<u8> {
    let time_secs = 1_700_000_000_u32.to_be_bytes();
    [&kind.to_be_bytes()[..], &version.to_be_bytes(), &time_secs, &count.to_be_bytes()].concat()
}

const IPV4: &[u8] = &[1, 127, 0, 0, 1, 0x26, 0x07];

/// A channel of the newer message with this address and these records.
fn channel_at(address: &[u8], records: &[u8]) -> Vec<u8> {
    let mut text = 7_u64.to_be_bytes().to_vec();
    text.extend_from_slice(&[4; 32]);
    text.extend_from_slice(&[2; 33]);
    text.extend_from_slice(address);
    text.extend_from_slice(&[5; 32]);
    text.extend_from_slice(&6_u32.to_be_bytes());
    text.extend_from_slice(&1_000_000_u64.to_be_bytes());
    text.extend_from_slice(&[0, 2, 0x10, 0]);
    text.extend_from_slice(&u32::try_from(records.len()).unwrap().to_be_bytes());
    text.extend_from_slice(records);
    text
}

fn channel(records: &[u8]) -> Vec<u8> {
    channel_at(IPV4, records)
}

fn one(channel: &[u8]) -> Vec<u8> {
    [&head(6137, 1, 1)[..], channel].concat()
}

fn fault(text: &[u8]) -> Option<ForeignFault> {
    open(&key(), &sealed_with([9; 32], text)).err()
}

#[track_caller]
fn bad(text: &[u8]) {
    assert_eq!(fault(text), Some(ForeignFault::BadPayload));
}

fn shachain(count: u32, entries: &[u8]) -> Vec<u8> {
    record(1, &[&9_u64.to_be_bytes()[..], &count.to_be_bytes(), entries].concat())
}

fn records() -> [Vec<u8>; 4] {
    let entry = [&[0, 0, 0, 0, 0, 0, 0, 8][..], &[0xcc; 32]].concat();
    let points = [[2; 33], [3; 33], [4; 33], [5; 33]].concat();
    [shachain(2, &entry.repeat(2)), record(3, &points), record(5, &[1]), record(7, &[1, 44])]
}

#[test]
fn keys_of_both_lengths_of_a_secret_are_those_of_another_program() {
    // By HKDF of another program's standard library.
    let hex = |key: ScbKey| -> String { key.expose().iter().map(|b| format!("{b:02x}")).collect() };
    let of_32 = "1dc7e45fb742c52c90fe588001441ea63651d469285b34ed508ef909bd3db7bc";
    let of_64 = "3308f6e3688f25d77aa56519de481068c9894846c00b99cbd987c6d87b5e75ee";
    assert_eq!(hex(ScbKey::from_hsm_secret(&[1; 32]).unwrap()), of_32);
    assert_eq!(hex(ScbKey::from_hsm_secret(&[1; 64]).unwrap()), of_64);
    for length in [0, 1, 31, 33, 63, 65, 73] {
        let refused = ScbKey::from_hsm_secret(&vec![1; length]).unwrap_err();
        assert_eq!(refused.status(), Status::InvalidArgument, "{length} bytes");
    }
}

#[test]
fn a_blob_opens_whole_unchanged_and_with_its_key_only() {
    for length in [0, 1, 15, 16, 17, 47, 48, 63, 64, 65] {
        let mut text = one(&channel(&records().concat()));
        text.extend(std::iter::repeat_n(0, length));
        let blob = sealed_with([9; 32], &text);
        assert!(open(&key(), &blob).is_ok(), "{} bytes", text.len());
    }
    let blob = sealed_with([9; 32], &head(6137, 1, 0));
    authenticates(&blob, BLOB_BYTES_MIN, |blob| open(&key(), blob));
    assert_eq!(open(&ScbKey::new([8; 32]), &blob).err(), Some(ForeignFault::AuthFailed));
    let last = seal_text(&key(), [3; 24], 3, &head(6137, 1, 0));
    assert!(open(&key(), &last).is_ok(), "the stream's own tag is not judged");
}

#[test]
fn every_field_of_a_channel_comes_out() {
    let text = one(&channel(&records().concat()));
    let opened = open(&key(), &sealed_with([9; 32], &text)).unwrap();
    assert_eq!(opened.format(), Format::StaticChanBackupWithTlvs);
    assert_eq!((opened.version(), opened.timestamp_secs()), (1, 1_700_000_000));
    let channels: Vec<_> = opened.channels().collect();
    let [found] = &channels[..] else { panic!("one channel") };
    assert_eq!((found.dbid, found.channel_id.0, found.node_id.0), (7, [4; 32], [2; 33]));
    assert_eq!((found.address, found.funding_txid), (IPV4, [5; 32]));
    assert_eq!((found.funding_vout, found.funding_sats), (6, 1_000_000));
    assert_eq!(found.channel_type, [0x10, 0]);
    let chain = found.shachain.unwrap();
    assert_eq!((chain.min_index, chain.len(), chain.is_empty()), (9, 2, false));
    assert_eq!(chain.entries().collect::<Vec<_>>(), [(8, &[0xcc; 32]), (8, &[0xcc; 32])]);
    assert_eq!(chain.bytes().len(), 80);
    let points = found.basepoints.unwrap();
    let all = [points.revocation, points.payment, points.htlc, points.delayed_payment];
    assert_eq!(all, [[2; 33], [3; 33], [4; 33], [5; 33]]);
    assert_eq!((found.opener, found.to_self_delay_blocks), (Some(1), Some(300)));
    let shown = format!("{found:?} {opened:?}");
    assert!(
        shown.contains("Shachain(from 9, 2 entries)") && !shown.contains("204, 204"),
        "{shown}"
    );
}

#[test]
fn the_older_message_has_a_byte_more_and_no_records() {
    let newer = channel(&[]);
    let (before, after) = newer[..newer.len() - 4].split_at(8 + 32 + 33);
    let text = [&head(6135, 1, 2)[..], before, &[0xee], after, before, &[0], after].concat();
    let opened = open(&key(), &sealed_with([9; 32], &text)).unwrap();
    assert_eq!(opened.format().name(), "static_chan_backup");
    assert_eq!(opened.format().number(), 6135);
    let channels: Vec<_> = opened.channels().collect();
    assert_eq!(channels.len(), 2);
    assert_eq!(channels[1].address, IPV4);
    assert!(channels[1].shachain.is_none() && channels[1].opener.is_none());
    for length in 16..text.len() {
        bad(&text[..length]);
    }
}

#[test]
fn other_messages_are_bad_and_versions_agree_on_even_bits() {
    for kind in [0, 6134, 6136, 6138, 0xffff] {
        bad(&head(kind, 1, 0));
    }
    for bit in 0..64 {
        let expected = (bit % 2 == 0).then_some(ForeignFault::BadVersion);
        assert_eq!(fault(&head(6137, 1 ^ (1 << bit), 0)), expected, "bit {bit}");
    }
    // Before anything that follows is looked at.
    assert_eq!(fault(&head(6137, 0, 0)[..10]), Some(ForeignFault::BadVersion));
    for length in 0..10 {
        bad(&head(6137, 0, 0)[..length]);
    }
    for length in 10..16 {
        bad(&head(6137, 1, 0)[..length]);
    }
    assert_eq!(fault(&[&head(6137, 1, 0)[..], &[1, 2, 3]].concat()), None);
    bad(&head(6137, 1, 0xffff));
}

#[test]
fn a_text_cut_anywhere_is_bad() {
    let text = [&head(6137, 1, 2)[..], &channel(&records().concat()).repeat(2)].concat();
    assert_eq!(fault(&text), None);
    for length in 10..text.len() {
        bad(&text[..length]);
    }
}

#[test]
fn every_address_that_is_written_is_read_and_no_other() {
    let of = |kind: u8, bytes: usize| [&[kind][..], &vec![kind; bytes], &[0x26, 7]].concat();
    let name = [&[5, 11][..], b"example.com", &[0x26, 7]].concat();
    let longest = [&[5, 255][..], &[b'a'; 255], &[0x26, 7]].concat();
    for address in [of(1, 4), of(2, 16), of(4, 35), name, longest, vec![5, 0, 0x26, 7]] {
        let text = one(&channel_at(&address, &[]));
        let opened = open(&key(), &sealed_with([9; 32], &text)).unwrap();
        assert_eq!(opened.channels().next().unwrap().address, address);
        bad(&one(&channel_at(&address[..address.len() - 1], &[])));
    }
    for (kind, bytes) in [(0, 0), (3, 10), (6, 4), (255, 4)] {
        bad(&one(&channel_at(&of(kind, bytes), &[])));
    }
}

#[test]
fn records_may_miss_and_odd_ones_are_skipped() {
    let all = records();
    for missing in 0..all.len() {
        let mut fewer = all.to_vec();
        fewer.remove(missing);
        assert_eq!(fault(&one(&channel(&fewer.concat()))), None);
        let mut twice = all.to_vec();
        twice.insert(missing, all[missing].clone());
        bad(&one(&channel(&twice.concat())));
        if missing > 0 {
            let mut swapped = all.to_vec();
            swapped.swap(missing - 1, missing);
            bad(&one(&channel(&swapped.concat())));
        }
    }
    assert_eq!(fault(&one(&channel(&record(9, b"later")))), None);
    bad(&one(&channel(&record(2, b""))));
    bad(&one(&channel(&[&all.concat()[..], &record(8, b"x")].concat())));
}

#[test]
fn records_have_their_length() {
    for (number, length) in [(3, 132), (5, 1), (7, 2)] {
        assert_eq!(fault(&one(&channel(&record(number, &vec![2; length])))), None);
        for wrong in [0, length - 1, length + 1] {
            bad(&one(&channel(&record(number, &vec![2; wrong]))));
        }
    }
    assert_eq!(fault(&one(&channel(&shachain(0, &[])))), None);
    assert_eq!(fault(&one(&channel(&shachain(1, &[0; 40])))), None);
    bad(&one(&channel(&shachain(1, &[0; 39]))));
    bad(&one(&channel(&shachain(1, &[0; 41]))));
    bad(&one(&channel(&shachain(0, &[0; 40]))));
    bad(&one(&channel(&shachain(u32::MAX, &[0; 40]))));
    bad(&one(&channel(&record(1, &[0; 11]))));
}

/// A text with everything in it.
pub(super) fn sample() -> Vec<u8> {
    [&head(6137, 1, 2)[..], &channel(&records().concat()).repeat(2)].concat()
}
