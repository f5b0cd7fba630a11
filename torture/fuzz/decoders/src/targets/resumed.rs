//! An exported recovery: the bytes as they are, or between a head and a digest that are right.

use sha2::{Digest, Sha256};

use crate::backup::envelope::{Header, SizeClass, seal};
use crate::backup::keys::{BackupKeys, Secret};
use crate::bounds::{bounded, choice};
use crate::recovery::crawl::{Candidate, PeerResult};
use crate::recovery::{Recovery, RecoveryOptions};
use crate::types::NodeId;

fn secret() -> Secret {
    Secret::new([7; 32])
}

fn options() -> RecoveryOptions {
    RecoveryOptions { candidates_max: 16, ..RecoveryOptions::default() }
}

fn mended(text: &[u8]) -> Vec<u8> {
    let mut bytes = b"lnkrecov\0\x01\0\0".to_vec();
    bytes.extend(BackupKeys::new(&secret()).check_value());
    bytes.extend(text);
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

fn resumed(bytes: &[u8]) -> Option<Recovery> {
    Recovery::resume(&secret(), options(), bytes).ok()
}

pub fn exports(data: &[u8]) {
    let (choice, text) = choice(data);
    if choice % 2 == 0 {
        return assert!(resumed(text).is_none(), "nobody made its digest");
    }
    let bytes = mended(text);
    let Some(recovery) = bounded(bytes.len(), || resumed(&bytes)) else { return };
    let again = recovery.export();
    let back = resumed(&again).expect("our own export");
    assert_eq!(back.export(), again, "a session changes by being saved");
    for more in [0, 1, 0xff] {
        assert!(resumed(&mended(&[text, &[more]].concat())).is_none(), "a byte after its end");
    }
    assert!(resumed(&mended(&text[..text.len() - 1])).is_none(), "a byte less was accepted");
}

/// A session with candidates and blobs, as an input.
pub fn seed(payloads: &[&[u8]]) -> Vec<u8> {
    let mut recovery = Recovery::begin(&secret(), options()).expect("good options");
    let keys = BackupKeys::new(&secret());
    for (number, payload) in (2_u8..).zip(payloads) {
        let node = NodeId([number; 33]);
        let candidate = Candidate { node, is_announced: true, address: vec![1, 2, 3] };
        recovery.add_candidates(&[candidate]).expect("room for it");
        recovery.next_peer(u64::from(number) * 1_000);
        recovery.peer_result(u64::from(number) * 1_000, node, PeerResult::Connected);
        let header = Header {
            kind: 0,
            flags: 0,
            seq: u64::from(number),
            created_unix_secs: 6,
            block_height: 7,
            instance: [8; 16],
            set_id: [0; 16],
        };
        let class = SizeClass::Bytes1024;
        let blob = seal(&keys.peer(node), &header, payload, class, [number; 16]).expect("it fits");
        recovery.feed(node, &blob).expect("a blob fits a message");
    }
    let bytes = recovery.export();
    [&[1], &bytes[28..bytes.len() - 32]].concat()
}
