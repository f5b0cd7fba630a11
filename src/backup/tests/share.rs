//! Records of shares: what goes in comes out (BX1), and nothing that is no record does (BX2).

use proptest::prelude::*;

use crate::Status;
use crate::backup::share::{RECORD_HEADER_BYTES, Share, ShareFault, ShareHeader, decode, encode};
use crate::backup::stripe::{Code, SHARES_MAX};
use crate::error::Error;

fn header(object_bytes: u32) -> ShareHeader {
    ShareHeader {
        generation: 0x0102_0304_0506_0708,
        code: Code::new(3, 5).unwrap(),
        index: 4,
        object_bytes,
        object_sha256: [0xab; 32],
    }
}

/// A payload of one record, whose share has three bytes.
fn one() -> Vec<u8> {
    encode(&[Share { header: header(9), bytes: b"abc" }]).unwrap().to_vec()
}

#[test]
fn a_record_has_the_bytes_of_the_format() {
    let mut expected = vec![1];
    expected.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 3, 5, 4, 0]);
    expected.extend_from_slice(&[0, 0, 0, 3, 0, 0, 0, 9]);
    expected.extend_from_slice(&[0xab; 32]);
    expected.extend_from_slice(b"abc");
    assert_eq!(one(), expected);
    assert_eq!(one().len(), 1 + RECORD_HEADER_BYTES + 3);
}

#[test]
fn two_records_come_out_in_their_order() {
    let newer = Share { header: header(9), bytes: b"abc" };
    let older = Share { header: ShareHeader { generation: 1, ..header(2) }, bytes: b"x" };
    let content = encode(&[newer, older]).unwrap();
    assert_eq!(decode(&content).unwrap(), [newer, older]);
}

#[test]
fn what_the_code_would_refuse_is_not_encoded() {
    let good = Share { header: header(9), bytes: b"abc" };
    let bad_index = Share { header: ShareHeader { index: 5, ..header(9) }, bytes: b"abc" };
    let bad_length = Share { header: header(9), bytes: b"ab" };
    let refused: [&[Share<'_>]; 5] =
        [&[], &[good, good, good], &[bad_index], &[good, bad_index], &[bad_length]];
    for shares in refused {
        assert_eq!(encode(shares).unwrap_err().status(), Status::InvalidArgument);
    }
}

#[test]
fn no_record_is_shorter_than_its_share_or_longer() {
    let content = one();
    assert_eq!(decode(&[]), Err(ShareFault::Truncated));
    for bytes in 1..content.len() {
        assert_eq!(decode(&content[..bytes]), Err(ShareFault::Truncated), "{bytes}");
    }
    let longer = [&content[..], &[0]].concat();
    assert_eq!(decode(&longer), Err(ShareFault::TrailingBytes));
}

#[test]
fn faults_are_looked_for_in_their_order() {
    let mut content = one();
    assert!(decode(&content).is_ok());
    // One more fault each time, each looked for before those that are there.
    content.push(0);
    assert_eq!(decode(&content), Err(ShareFault::TrailingBytes));
    content.truncate(content.len() - 2);
    assert_eq!(decode(&content), Err(ShareFault::Truncated));
    content[16] = 4;
    assert_eq!(decode(&content), Err(ShareFault::BadShareLen));
    content[12] = 1;
    assert_eq!(decode(&content), Err(ShareFault::BadReserved));
    content[11] = 5;
    assert_eq!(decode(&content), Err(ShareFault::BadParams));
    content.truncate(RECORD_HEADER_BYTES);
    assert_eq!(decode(&content), Err(ShareFault::Truncated));
    content[0] = 3;
    assert_eq!(decode(&content), Err(ShareFault::BadCount));
    content[0] = 0;
    assert_eq!(decode(&content), Err(ShareFault::BadCount));
}

#[test]
fn every_code_that_is_none_is_refused() {
    for data_shares in 0..=255_u8 {
        for shares in [0, 1, 2, 31, 32, 33, 254, 255_u8] {
            for index in [0, 1, 30, 31, 32, 255_u8] {
                let object_bytes = data_shares.max(1);
                let mut content = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, data_shares, shares, index, 0];
                content.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, object_bytes]);
                content.resize(1 + RECORD_HEADER_BYTES + 1, 0);
                let is_code = data_shares > 0 && data_shares <= shares && shares <= 32;
                let fault = (!is_code || index >= shares).then_some(ShareFault::BadParams);
                assert_eq!(decode(&content).err(), fault, "{data_shares} {shares} {index}");
            }
        }
    }
}

#[test]
fn no_share_shows_in_debug() {
    let share = Share { header: header(9), bytes: b"abc" };
    assert_eq!(format!("{share:?}"), format!("Share({:?}, 3 bytes)", share.header));
}

#[test]
fn faults_have_numbers_and_names_of_their_own() {
    for (at, fault) in ShareFault::ALL.into_iter().enumerate() {
        let error = Error::from(fault);
        assert_eq!((error.status(), error.value()), (Status::BadShare, Some(at as u64 + 1)));
    }
    let names: std::collections::BTreeSet<_> = ShareFault::ALL.map(ShareFault::name).into();
    assert_eq!(names.len(), ShareFault::ALL.len());
}

fn any_header() -> impl Strategy<Value = ShareHeader> {
    (1..=SHARES_MAX).prop_flat_map(|shares| (1..=shares, Just(shares), 0..shares)).prop_flat_map(
        |(data_shares, shares, index)| {
            (any::<u64>(), 0..600_u32, any::<[u8; 32]>()).prop_map(
                move |(generation, object_bytes, object_sha256)| ShareHeader {
                    generation,
                    code: Code::new(data_shares, shares).unwrap(),
                    index: index as u8,
                    object_bytes,
                    object_sha256,
                },
            )
        },
    )
}

/// Bytes that are records but for a few of them.
fn almost_records() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((0..60_usize, any::<u8>()), 0..3);
    (any_header(), any_header(), changes, any::<prop::sample::Index>()).prop_map(
        |(one, other, changes, cut)| {
            let bytes = [vec![7; one.share_bytes()], vec![9; other.share_bytes()]];
            let shares = [
                Share { header: one, bytes: &bytes[0] },
                Share { header: other, bytes: &bytes[1] },
            ];
            let mut content = encode(&shares).unwrap().to_vec();
            for (at, byte) in changes {
                content[at] = byte;
            }
            if cut.index(2) == 0 {
                content.truncate(cut.index(content.len()));
            }
            content
        },
    )
}

proptest! {
    #[test]
    fn what_encodes_decodes(headers in prop::collection::vec(any_header(), 1..=2), fill: u8) {
        let bytes: Vec<Vec<u8>> =
            headers.iter().map(|header| vec![fill; header.share_bytes()]).collect();
        let shares: Vec<Share<'_>> =
            headers.iter().zip(&bytes).map(|(header, bytes)| Share { header: *header, bytes }).collect();
        let content = encode(&shares).unwrap();
        prop_assert_eq!(decode(&content).unwrap(), shares);
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(content in almost_records()) {
        if let Ok(shares) = decode(&content) {
            prop_assert_eq!(&*encode(&shares).unwrap(), &content);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(content in prop::collection::vec(any::<u8>(), 0..200)) {
        let shares = decode(&content);
        prop_assert!(shares.map_or(0, |shares| shares.len()) <= 2);
    }
}
