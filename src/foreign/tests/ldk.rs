//! LDK: keys, counts, and what a channel needs (FL1 to FL3).

use super::super::ldk::{BLOB_BYTES_MIN, StorageKey, open, seal_text};
use super::{ForeignFault, authenticates, record};

fn key() -> StorageKey {
    StorageKey::new([9; 32])
}

/// A channel as the text has it, its length before it.
pub(super) fn holder(monitor: &[u8]) -> Vec<u8> {
    let records = [record(0, &[3; 32]), record(2, &[2; 33]), record(4, &[0, 0, 1, 2, 3, 4, 5, 6])];
    sized(&[&records.concat()[..], &record(6, monitor)].concat())
}

fn sized(stream: &[u8]) -> Vec<u8> {
    [&[u8::try_from(stream.len()).unwrap()], stream].concat()
}

fn opened(text: &[u8]) -> Result<Vec<Vec<u8>>, ForeignFault> {
    let opened = open(&key(), &seal_text(&key(), [1; 32], text))?;
    Ok(opened.monitors().map(|monitor| monitor.monitor.to_vec()).collect())
}

fn bad(text: &[u8]) {
    assert_eq!(opened(text), Err(ForeignFault::BadPayload), "{text:02x?}");
}

#[test]
fn a_key_comes_of_a_seed_as_in_the_published_case() {
    // The first case of foreign_ldk.jsonl, which the `lightning` crate gave.
    let key = StorageKey::from_seed(&[1; 32]).unwrap();
    let hex: String = key.expose().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "5cb960e0e8801045faf1633ae4114b9370be151ac8b4f9087ad78ea2e191a11f");
    let near = StorageKey::from_seed(&[[0].as_slice(), &[1; 31]].concat().try_into().unwrap());
    assert_ne!(near.unwrap().expose(), key.expose());
}

#[test]
fn a_blob_opens_whole_unchanged_and_with_its_key_only() {
    let blob = seal_text(&key(), [5; 32], &[&[0, 1][..], &holder(b"m")].concat());
    authenticates(&blob, BLOB_BYTES_MIN, |blob| open(&key(), blob));
    let other = StorageKey::new([8; 32]);
    assert_eq!(open(&other, &blob).err(), Some(ForeignFault::AuthFailed));
}

#[test]
fn every_field_of_a_channel_comes_out() {
    let text = [&[0, 2][..], &holder(b"first"), &holder(b"")].concat();
    let opened = open(&key(), &seal_text(&key(), [1; 32], &text)).unwrap();
    let monitors: Vec<_> = opened.monitors().collect();
    assert_eq!(monitors.len(), 2);
    assert_eq!(monitors[0].channel_id.0, [3; 32]);
    assert_eq!(monitors[0].counterparty.0, [2; 33]);
    assert_eq!(monitors[0].min_seen_secret, 0x0000_0102_0304_0506);
    assert_eq!((monitors[0].monitor, monitors[1].monitor), (&b"first"[..], &b""[..]));
    assert_eq!(opened.nonce()[..4], [0; 4]);
}

#[test]
fn counts_are_those_that_are_there() {
    assert_eq!(opened(&[0, 0]), Ok(vec![]));
    // Bytes after the last channel are not judged.
    assert_eq!(opened(&[0, 0, 1, 2, 3]), Ok(vec![]));
    bad(&[]);
    bad(&[0]);
    bad(&[0, 1]);
    bad(&[&[0, 2][..], &holder(b"m")].concat());
    bad(&[0xff, 0xff]);
    bad(&[0xff, 0xff, 0, 0, 0, 0, 0, 0, 0]);
    for high in [0, 1, 0xff] {
        bad(&[&[0xff, 0xff][..], &[high; 8], &holder(b"m")].concat());
    }
    let many: Vec<u8> = [&[0xff, 0xff][..], &[0; 8]].concat();
    let all = [many, holder(b"").repeat(0xffff)].concat();
    assert_eq!(opened(&all).map(|all| all.len()), Ok(0xffff));
}

#[test]
fn a_text_cut_anywhere_is_bad() {
    let text = [&[0, 2][..], &holder(b"first"), &holder(b"second")].concat();
    assert!(opened(&text).is_ok());
    for length in 0..text.len() {
        bad(&text[..length]);
    }
}

#[test]
fn a_channel_needs_its_four_records_in_order_and_of_their_length() {
    let good =
        [record(0, &[3; 32]), record(2, &[2; 33]), record(4, &[0; 8]), record(6, b"monitor")];
    let text = |records: &[Vec<u8>]| [&[0, 1][..], &sized(&records.concat())].concat();
    assert_eq!(opened(&text(&good)), Ok(vec![b"monitor".to_vec()]));
    for at in 0..good.len() {
        let mut missing = good.to_vec();
        missing.remove(at);
        bad(&text(&missing));
        let mut twice = good.to_vec();
        twice.insert(at, good[at].clone());
        bad(&text(&twice));
    }
    for at in 0..good.len() - 1 {
        let mut swapped = good.to_vec();
        swapped.swap(at, at + 1);
        bad(&text(&swapped));
        for wrong in [good[at].len() - 3, good[at].len() - 1] {
            let mut changed = good.to_vec();
            changed[at] = record(good[at][0], &vec![0; wrong]);
            bad(&text(&changed));
        }
    }
    for (number, is_bad) in [(1, false), (3, false), (5, false), (7, false), (8, true), (9, false)]
    {
        let mut more = good.to_vec();
        let at = more.iter().position(|record| record[0] > number).unwrap_or(more.len());
        more.insert(at, record(number, &[1, 2]));
        assert_eq!(opened(&text(&more)).is_err(), is_bad, "record {number}");
    }
}

#[test]
fn numbers_have_their_shortest_form() {
    let channel = holder(b"m");
    bad(&[&[0, 1, 0xfd, 0][..], &channel].concat());
    let long = holder(&[7; 0x60]);
    let stream = &long[1..];
    let wide = [&[0, 1, 0xfd, 0][..], &[long[0]], stream].concat();
    bad(&wide);
}
