//! lightning-kmp: the version is judged last (FP1, FP2).

use super::super::lightning_kmp::{BLOB_BYTES_MIN, NodeKey, open};
use super::ForeignFault;

/// Sealed as lightning-kmp does, under a nonce of zeros.
pub(super) fn sealed_with(key: [u8; 32], version: u8, text: &[u8]) -> Vec<u8> {
    use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
    let mut sealed = text.to_vec();
    let cipher = ChaCha20Poly1305::new((&key).into());
    let tag = cipher.encrypt_inout_detached(&[0; 12].into(), &[], sealed.as_mut_slice().into());
    [&[version], &sealed[..], &[0; 12], &tag.unwrap()].concat()
}

#[test]
fn versions_are_judged_after_all_else() {
    let key = NodeKey::new([7; 32]);
    for version in 0..=u8::MAX {
        let opened = open(&key, &sealed_with([7; 32], version, b"states"));
        match version {
            4 | 5 => {
                let opened = opened.unwrap();
                assert_eq!((opened.version(), opened.payload()), (version, &b"states"[..]));
            }
            _ => assert_eq!(opened.err(), Some(ForeignFault::UnknownVersion(version))),
        }
        let damaged = [&sealed_with([7; 32], version, b"states")[..], &[0]].concat();
        assert_eq!(open(&key, &damaged).err(), Some(ForeignFault::AuthFailed));
    }
}

#[test]
fn a_blob_opens_whole_unchanged_and_with_its_key_only() {
    let blob = sealed_with([7; 32], 4, b"states");
    let key = NodeKey::new([7; 32]);
    for bit in 8..blob.len() * 8 {
        let mut changed = blob.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&key, &changed).err(), Some(ForeignFault::AuthFailed), "bit {bit}");
    }
    for length in 0..blob.len() {
        let is_short = length < BLOB_BYTES_MIN;
        let fault = if is_short { ForeignFault::TooShort } else { ForeignFault::AuthFailed };
        assert_eq!(open(&key, &blob[..length]).err(), Some(fault), "first {length}");
    }
    assert_eq!(open(&NodeKey::new([8; 32]), &blob).err(), Some(ForeignFault::AuthFailed));
    let empty = open(&key, &sealed_with([7; 32], 5, b"")).unwrap();
    assert_eq!(empty.payload(), b"");
    assert_eq!(format!("{empty:?}"), "Opened(version 5, payload of 0 bytes)");
}
