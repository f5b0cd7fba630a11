//! The envelope: what goes in comes out, and nothing else does (BE1 to BE4).

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::Status;
use crate::backup::envelope::{
    EnvelopeFault, HEADER_BYTES, Header, NONCE_BYTES, OVERHEAD_BYTES, SizeClass, open, seal,
    seal_text,
};
use crate::backup::keys::{BackupKeys, PeerKeys, Secret};
use crate::types::NodeId;

const ENTROPY: [u8; 16] = [0x55; 16];

fn keys_of(secret: u8, peer: u8) -> PeerKeys {
    BackupKeys::new(&Secret::new([secret; 32])).peer(NodeId([peer; 33]))
}

fn keys() -> PeerKeys {
    keys_of(7, 2)
}

fn header() -> Header {
    Header {
        kind: 1,
        flags: 0x0203,
        seq: 0x0405_0607_0809_0a0b,
        created_unix_secs: 0x0c0d_0e0f_1011_1213,
        block_height: 0x1415_1617,
        instance: [0x18; 16],
        set_id: [0x19; 16],
    }
}

fn sealed(payload: &[u8], class: SizeClass) -> Vec<u8> {
    seal(&keys(), &header(), payload, class, ENTROPY).unwrap()
}

/// The text of a good envelope, to be spoiled.
fn text(payload: &[u8], padding: usize) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut text = vec![0; HEADER_BYTES];
    text[0] = 1;
    text[4..8].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
    text[64..96].copy_from_slice(&Sha256::digest(payload));
    text.extend_from_slice(payload);
    text.resize(text.len() + padding, 0);
    text
}

fn opened_text(text: &[u8]) -> Result<Vec<u8>, EnvelopeFault> {
    let blob = seal_text(&keys(), text, [3; NONCE_BYTES]).unwrap();
    open(&keys(), &blob).map(|opened| opened.payload().to_vec())
}

#[test]
fn what_was_sealed_opens_at_every_edge_of_every_class() {
    for class in SizeClass::ALL {
        let most = class.payload_max();
        for bytes in [0, 1, 15, 16, 17, 63, 64, 65, most / 2, most - 1, most] {
            let payload: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8 + 1).collect();
            let blob = sealed(&payload, class);
            assert_eq!(blob.len(), class.bytes());
            let opened = open(&keys(), &blob).unwrap();
            assert_eq!(opened.header, header());
            assert_eq!(opened.reserved, 0);
            assert!(opened.payload() == payload, "{bytes} bytes in {class:?}");
        }
        let refused = seal(&keys(), &header(), &vec![0; most + 1], class, ENTROPY);
        assert_eq!(refused.unwrap_err().status(), Status::TooBig);
    }
}

#[test]
fn a_class_is_the_smallest_that_holds_a_payload() {
    for class in SizeClass::ALL {
        assert_eq!(SizeClass::smallest_for(class.payload_max()), Some(class));
        assert_eq!(SizeClass::from_bytes(class.bytes()), Some(class));
        assert_eq!(SizeClass::from_bytes(class.bytes() - 1), None);
    }
    assert_eq!(SizeClass::smallest_for(0), Some(SizeClass::Bytes1024));
    assert_eq!(SizeClass::smallest_for(889), Some(SizeClass::Bytes4096));
    assert_eq!(SizeClass::smallest_for(65_396), None);
}

#[test]
fn no_changed_bit_authenticates() {
    let blob = sealed(b"payload", SizeClass::Bytes1024);
    assert!(open(&keys(), &blob).is_ok());
    for bit in 0..blob.len() * 8 {
        let mut changed = blob.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&keys(), &changed).err(), Some(EnvelopeFault::AuthFailed), "bit {bit}");
    }
}

#[test]
fn no_changed_length_authenticates() {
    let blob = sealed(b"payload", SizeClass::Bytes1024);
    for length in 0..blob.len() {
        let fault = if length < OVERHEAD_BYTES {
            EnvelopeFault::TooShort
        } else {
            EnvelopeFault::AuthFailed
        };
        assert_eq!(open(&keys(), &blob[..length]).err(), Some(fault), "first {length}");
        assert_eq!(open(&keys(), &blob[blob.len() - length..]).err(), Some(fault), "last {length}");
    }
    let longer = [&blob[..], &[0]].concat();
    assert_eq!(open(&keys(), &longer).err(), Some(EnvelopeFault::AuthFailed));
}

#[test]
fn a_blob_opens_for_its_peer_and_its_secret_only() {
    let blob = sealed(b"payload", SizeClass::Bytes1024);
    for other in [keys_of(7, 3), keys_of(8, 2)] {
        assert_eq!(open(&other, &blob).err(), Some(EnvelopeFault::AuthFailed));
    }
}

#[test]
fn faults_are_looked_for_in_their_order() {
    let good = text(b"payload", 3);
    assert_eq!(opened_text(&good).as_deref(), Ok(&b"payload"[..]));
    let mut spoiled = good;
    *spoiled.last_mut().unwrap() = 1;
    assert_eq!(opened_text(&spoiled), Err(EnvelopeFault::BadPadding));
    spoiled[64] ^= 1;
    assert_eq!(opened_text(&spoiled), Err(EnvelopeFault::BadChecksum));
    spoiled[7] = 11;
    assert_eq!(opened_text(&spoiled), Err(EnvelopeFault::BadLength));
    spoiled[0] = 2;
    assert_eq!(opened_text(&spoiled), Err(EnvelopeFault::BadVersion));
    let mut blob = seal_text(&keys(), &spoiled, [3; NONCE_BYTES]).unwrap();
    blob[0] ^= 1;
    assert_eq!(open(&keys(), &blob).err(), Some(EnvelopeFault::AuthFailed));
    blob.truncate(OVERHEAD_BYTES - 1);
    assert_eq!(open(&keys(), &blob).err(), Some(EnvelopeFault::TooShort));
}

#[test]
fn a_length_beyond_the_text_is_told_and_never_read() {
    for length in [11_u32, 0x0100, 0x7fff_ffff, u32::MAX - 95, u32::MAX] {
        let mut spoiled = text(b"payload", 3);
        spoiled[4..8].copy_from_slice(&length.to_be_bytes());
        assert_eq!(opened_text(&spoiled), Err(EnvelopeFault::BadLength), "{length}");
    }
}

#[test]
fn every_byte_of_padding_is_looked_at() {
    let good = text(b"payload", 40);
    for at in good.len() - 40..good.len() {
        for byte in [1, 0x80, 0xff] {
            let mut spoiled = good.clone();
            spoiled[at] = byte;
            assert_eq!(opened_text(&spoiled), Err(EnvelopeFault::BadPadding), "byte {at}");
        }
    }
}

#[test]
fn every_bit_of_the_hash_is_compared() {
    for bit in 64 * 8..96 * 8 {
        let mut spoiled = text(b"payload", 3);
        spoiled[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(opened_text(&spoiled), Err(EnvelopeFault::BadChecksum), "bit {bit}");
    }
}

#[test]
fn what_is_not_judged_is_returned_as_found() {
    let mut odd = text(b"", 0);
    (odd[1], odd[2], odd[3]) = (0xfe, 0xfd, 0xfc);
    odd[28..32].copy_from_slice(&[0xf1, 0xf2, 0xf3, 0xf4]);
    odd[48..64].fill(0xe0);
    let blob = seal_text(&keys(), &odd, [3; NONCE_BYTES]).unwrap();
    let opened = open(&keys(), &blob).unwrap();
    assert_eq!((opened.header.kind, opened.header.flags), (0xfe, 0xfdfc));
    assert_eq!((opened.reserved, opened.header.set_id), (0xf1f2_f3f4, [0xe0; 16]));
    assert_eq!(blob.len(), OVERHEAD_BYTES);
}

/// Everything a nonce is made from, changed one by one.
fn variations() -> Vec<(&'static str, Vec<u8>)> {
    let class = SizeClass::Bytes1024;
    let with = |header: Header, payload: &[u8], entropy| {
        seal(&keys(), &header, payload, class, entropy).unwrap()
    };
    let plain = header();
    vec![
        ("nothing", with(plain, b"payload", ENTROPY)),
        ("entropy", with(plain, b"payload", [0x56; 16])),
        ("seq", with(Header { seq: 1, ..plain }, b"payload", ENTROPY)),
        ("payload", with(plain, b"payloae", ENTROPY)),
        ("kind", with(Header { kind: 0, ..plain }, b"payload", ENTROPY)),
        ("flags", with(Header { flags: 0, ..plain }, b"payload", ENTROPY)),
        ("created", with(Header { created_unix_secs: 1, ..plain }, b"payload", ENTROPY)),
        ("height", with(Header { block_height: 1, ..plain }, b"payload", ENTROPY)),
        ("instance", with(Header { instance: [0; 16], ..plain }, b"payload", ENTROPY)),
        ("set id", with(Header { set_id: [0; 16], ..plain }, b"payload", ENTROPY)),
        ("class", seal(&keys(), &plain, b"payload", SizeClass::Bytes4096, ENTROPY).unwrap()),
        ("peer", seal(&keys_of(7, 3), &plain, b"payload", class, ENTROPY).unwrap()),
        ("secret", seal(&keys_of(8, 2), &plain, b"payload", class, ENTROPY).unwrap()),
    ]
}

#[test]
fn a_nonce_changes_with_everything_that_is_sealed_and_only_then() {
    let mut nonces = BTreeSet::new();
    for (changed, blob) in variations() {
        assert!(nonces.insert(blob[..NONCE_BYTES].to_vec()), "{changed} did not change the nonce");
    }
    assert_eq!(variations(), variations());
}

#[test]
fn a_blob_looks_random_where_the_payload_is_not() {
    let blob = sealed(&[0; 60_000], SizeClass::Bytes65531);
    let mut counts = [0_u32; 256];
    blob.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    // 65,531 / 256 is 256, with a standard deviation of 16: eight of them.
    assert!(counts.iter().all(|count| (128..=384).contains(count)), "{counts:?}");
}

#[test]
fn nothing_of_a_payload_shows_in_debug() {
    let blob = sealed(&[0xab; 9], SizeClass::Bytes1024);
    let shown = format!("{:?}", open(&keys(), &blob).unwrap());
    assert!(shown.ends_with(", payload of 9 bytes)"), "{shown}");
    assert!(!shown.contains("171") && !shown.contains("ab, ab"), "{shown}");
}

#[test]
fn a_fault_has_a_number_and_a_name_of_its_own() {
    for (at, fault) in EnvelopeFault::ALL.into_iter().enumerate() {
        let error = crate::Error::from(fault);
        assert_eq!((error.status(), error.value()), (Status::BadEnvelope, Some(at as u64 + 1)));
    }
    let names: BTreeSet<_> = EnvelopeFault::ALL.iter().map(|fault| fault.name()).collect();
    assert_eq!(names.len(), EnvelopeFault::ALL.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_open(blob in prop::collection::vec(any::<u8>(), 0..600)) {
        let fault = open(&keys(), &blob).err();
        let short = blob.len() < OVERHEAD_BYTES;
        let expected =
            if short { EnvelopeFault::TooShort } else { EnvelopeFault::AuthFailed };
        prop_assert_eq!(fault, Some(expected));
    }

    /// As if the secret were known to whoever made the blob: every text is answered, and what opens has the
    /// stated length and hash.
    #[test]
    fn arbitrary_texts_are_judged(
        mut bytes in prop::collection::vec(any::<u8>(), 96..400),
        length in 0_u32..320,
        is_honest: bool,
    ) {
        bytes[0] = 1;
        bytes[4..8].copy_from_slice(&length.to_be_bytes());
        let fits = bytes.len() >= HEADER_BYTES + length as usize;
        if is_honest && fits {
            let payload = bytes[HEADER_BYTES..][..length as usize].to_vec();
            let padding = bytes.len() - HEADER_BYTES - payload.len();
            bytes = text(&payload, padding);
        }
        let answer = opened_text(&bytes);
        match answer {
            Ok(payload) => {
                prop_assert!(is_honest && fits);
                prop_assert_eq!(payload.len(), length as usize);
            }
            Err(fault) => {
                let expected =
                    if fits { EnvelopeFault::BadChecksum } else { EnvelopeFault::BadLength };
                prop_assert!(!(is_honest && fits));
                prop_assert_eq!(fault, expected);
            }
        }
    }

    #[test]
    fn what_is_sealed_opens(
        payload in prop::collection::vec(any::<u8>(), 0..889),
        seq: u64,
        entropy: [u8; 16],
    ) {
        let header = Header { seq, ..header() };
        let blob = seal(&keys(), &header, &payload, SizeClass::Bytes1024, entropy).unwrap();
        let opened = open(&keys(), &blob).unwrap();
        prop_assert_eq!(opened.header, header);
        prop_assert_eq!(opened.payload(), &payload[..]);
    }
}
