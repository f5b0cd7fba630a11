//! What a peer returns as our blob: any bytes, bytes that only we could have sealed, our own blobs damaged.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::backup::envelope::{
    EnvelopeFault, HEADER_BYTES, Header, NONCE_BYTES, OVERHEAD_BYTES, Opened, SizeClass, open,
    seal, seal_text,
};
use crate::backup::keys::{BackupKeys, PeerKeys, Secret};
use crate::input::Input;
use crate::types::NodeId;

pub const PEERS: [NodeId; 3] = [NodeId([2; 33]), NodeId([3; 33]), NodeId([0; 33])];

/// Keys of these peers, and of the first one under another secret.
pub static KEYS: LazyLock<[PeerKeys; 4]> = LazyLock::new(|| {
    let (keys, others) =
        (BackupKeys::new(&Secret::new([7; 32])), BackupKeys::new(&Secret::new([8; 32])));
    [keys.peer(PEERS[0]), keys.peer(PEERS[1]), keys.peer(PEERS[2]), others.peer(PEERS[0])]
});

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(4) {
        0 => any_bytes(&mut input),
        1 => any_text(&mut input),
        2 => mended_text(&mut input),
        _ => our_own(&mut input),
    }
}

/// Nobody without the keys makes a blob that opens.
fn any_bytes(input: &mut Input<'_>) {
    let blob = input.bytes(usize::MAX);
    let fault = open(&KEYS[0], blob).err();
    let expected = match blob.len() < OVERHEAD_BYTES {
        true => EnvelopeFault::TooShort,
        false => EnvelopeFault::AuthFailed,
    };
    assert_eq!(fault, Some(expected));
}

fn any_text(input: &mut Input<'_>) {
    let nonce = input.array();
    compare(input.bytes(usize::MAX), nonce);
}

/// Hashes are beyond a fuzzer, so those fields that would end the reading early are mended by choice.
fn mended_text(input: &mut Input<'_>) {
    let (mends, nonce) = (input.byte(), input.array());
    let padding_bytes = usize::from(input.byte());
    let mut text = input.bytes(usize::MAX).to_vec();
    text.resize(text.len().max(HEADER_BYTES) + padding_bytes, 0);
    let mut payload_bytes = text.len() - HEADER_BYTES - padding_bytes;
    if mends & 1 != 0 {
        text[0] = 1;
    }
    if mends & 2 != 0 {
        text[4..8].copy_from_slice(&(payload_bytes as u32).to_be_bytes());
    } else {
        let declared = u32::from_be_bytes([text[4], text[5], text[6], text[7]]);
        payload_bytes = payload_bytes.min(declared as usize);
    }
    if mends & 4 != 0 {
        let sha256 = Sha256::digest(&text[HEADER_BYTES..][..payload_bytes]);
        text[64..96].copy_from_slice(&sha256);
    }
    compare(&text, nonce);
}

fn compare(text: &[u8], nonce: [u8; NONCE_BYTES]) {
    let blob = seal_text(&KEYS[0], text, nonce).expect("no text here exceeds the cipher");
    let opened = open(&KEYS[0], &blob);
    match reference_fault(text) {
        Some(fault) => assert_eq!(opened.err(), Some(fault)),
        None => assert_fields(&opened.expect("the reference reads it"), text),
    }
    for others in &KEYS[1..] {
        assert!(open(others, &blob).is_err(), "opened with other keys");
    }
}

fn reference_fault(text: &[u8]) -> Option<EnvelopeFault> {
    if text.len() < 96 {
        return Some(EnvelopeFault::TooShort);
    }
    let declared = text[4..8].iter().fold(0_u64, |number, byte| number * 256 + u64::from(*byte));
    if text[0] != 1 {
        Some(EnvelopeFault::BadVersion)
    } else if 96 + declared > text.len() as u64 {
        Some(EnvelopeFault::BadLength)
    } else if Sha256::digest(&text[96..96 + declared as usize])[..] != text[64..96] {
        Some(EnvelopeFault::BadChecksum)
    } else if text[96 + declared as usize..].iter().any(|byte| *byte != 0) {
        Some(EnvelopeFault::BadPadding)
    } else {
        None
    }
}

fn assert_fields(opened: &Opened, text: &[u8]) {
    let header = &opened.header;
    let payload_bytes = opened.payload().len();
    let mut again = vec![1, header.kind];
    again.extend(header.flags.to_be_bytes());
    again.extend((payload_bytes as u32).to_be_bytes());
    again.extend(header.seq.to_be_bytes());
    again.extend(header.created_unix_secs.to_be_bytes());
    again.extend(header.block_height.to_be_bytes());
    again.extend(opened.reserved.to_be_bytes());
    again.extend(header.instance);
    again.extend(header.set_id);
    again.extend(opened.payload_sha256);
    again.extend(opened.payload());
    assert_eq!(again, text[..again.len()], "a field was read wrong");
}

/// What we seal opens to the same, for this peer and these keys alone, and not once a bit of it changed.
fn our_own(input: &mut Input<'_>) {
    let class = input.one_of(&[SizeClass::Bytes1024, SizeClass::Bytes1024, SizeClass::Bytes4096]);
    let header = Header {
        kind: input.byte(),
        flags: u16::from(input.byte()) << 7,
        seq: input.number(),
        created_unix_secs: input.u64(),
        block_height: input.u32(),
        instance: input.array(),
        set_id: input.array(),
    };
    let (entropy, damage) = (input.array(), input.u32() as usize);
    let payload = input.bytes(usize::MAX);
    let Ok(mut blob) = seal(&KEYS[1], &header, payload, class, entropy) else {
        return assert!(payload.len() > class.payload_max(), "a payload that fits was refused");
    };
    assert!(payload.len() <= class.payload_max() && blob.len() == class.bytes());
    let opened = open(&KEYS[1], &blob).expect("our own blob");
    assert_eq!((opened.header, opened.payload()), (header, payload));
    assert_eq!(open(&KEYS[0], &blob).err(), Some(EnvelopeFault::AuthFailed));
    let bits = blob.len() * 8;
    blob[damage % bits / 8] ^= 1 << (damage % 8);
    assert_eq!(open(&KEYS[1], &blob).err(), Some(EnvelopeFault::AuthFailed));
}
