//! The erasure code beside another implementation of it: whoever has that one can restore without ours.
//!
//! Every code of up to 32 shares that the other one knows, at lengths around those where a piece grows:
//! parity is equal byte for byte, and what one encodes the other restores from the last shares.
#![cfg(feature = "backup")]
#![allow(missing_docs)]

use lnkeep::backup::stripe::{Code, SHARES_MAX};
use reed_solomon_erasure::galois_8::ReedSolomon;

/// Bytes without a period that a piece could hide.
fn object(bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// Every code but those without parity, which the other implementation does not have.
fn codes() -> impl Iterator<Item = Code> {
    (1..=SHARES_MAX)
        .flat_map(|shares| (1..shares).map(move |data_shares| Code::new(data_shares, shares)))
        .map(|code| code.expect("1 <= k < n <= 32"))
}

fn other(code: Code) -> ReedSolomon {
    ReedSolomon::new(code.data_shares(), code.shares() - code.data_shares()).expect("a code")
}

fn lengths(code: Code) -> [usize; 7] {
    let pieces = code.data_shares();
    [1, pieces, pieces + 1, 2 * pieces - 1, 2 * pieces, 17 * pieces + 3, 1_000]
}

/// The other one's shares of an object that is padded by hand.
fn other_shares(code: Code, object: &[u8]) -> Vec<Vec<u8>> {
    let share_bytes = code.share_bytes(object.len());
    let mut padded = object.to_vec();
    padded.resize(share_bytes * code.data_shares(), 0);
    let mut shares: Vec<Vec<u8>> = padded.chunks(share_bytes).map(<[u8]>::to_vec).collect();
    shares.resize(code.shares(), vec![0; share_bytes]);
    other(code).encode(&mut shares).expect("encode");
    shares
}

#[test]
fn every_share_of_every_code_is_equal() {
    let mut compared = 0;
    for code in codes() {
        for bytes in lengths(code) {
            let object = object(bytes);
            for (index, share) in other_shares(code, &object).iter().enumerate() {
                let ours = code.share(&object, index).expect("a share");
                assert_eq!(*ours, *share, "{code:?}, {bytes} bytes, share {index}");
                compared += 1;
            }
        }
    }
    // The sum of n (n - 1) over n, times the lengths.
    assert_eq!(compared, 10_912 * 7);
}

#[test]
fn each_restores_what_the_other_encoded() {
    for code in codes() {
        for bytes in lengths(code) {
            let object = object(bytes);
            let theirs = other_shares(code, &object);
            // The last ones: as much parity as there is.
            let kept = code.shares() - code.data_shares()..code.shares();
            let chosen: Vec<(usize, &[u8])> =
                kept.clone().map(|index| (index, &theirs[index][..])).collect();
            let restored = code.decode(bytes, &chosen).expect("decode");
            assert_eq!(*restored, object, "{code:?}, {bytes} bytes");

            let mut missing: Vec<Option<Vec<u8>>> =
                code.encode(&object).iter().map(|share| Some(share.to_vec())).collect();
            missing[..kept.start].fill(None);
            other(code).reconstruct_data(&mut missing).expect("reconstruct");
            let pieces = missing.into_iter().take(code.data_shares()).flatten();
            let restored: Vec<u8> = pieces.flatten().take(bytes).collect();
            assert_eq!(restored, object, "{code:?}, {bytes} bytes");
        }
    }
}
