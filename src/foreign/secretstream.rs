//! Opens one message of libsodium's secretstream (XChaCha20-Poly1305), which Core Lightning seals with.
//!
//! FS1 the text is decrypted only after the tag of the whole message was compared, in constant time.
//! The construction, by the names of libsodium's documentation: the subkey is HChaCha20 of key and first 16
//! bytes of the header; the nonce is a counter of 1 and the header's last 8 bytes; block 0 of the key stream
//! keys Poly1305, block 1 hides the message's kind, the text begins with block 2.

use chacha20::cipher::{KeyIvInit, StreamCipher};
use chacha20::{ChaCha20, R20, hchacha};
use poly1305::universal_hash::{KeyInit, UniversalHash};
use poly1305::{Block, Poly1305};
use zeroize::{Zeroize, Zeroizing};

use super::ForeignFault;
use super::key::{Key, TAG_BYTES, Text};

/// Bytes before the message.
pub(super) const HEADER_BYTES: usize = 24;
/// Bytes by which a message is longer than its text.
pub(super) const MESSAGE_OVERHEAD_BYTES: usize = 1 + TAG_BYTES;

const BLOCK_BYTES: usize = 64;

/// Opens header and message. What kind of message it is (the stream's tag, always 0 here) is authenticated
/// and not judged: Core Lightning does not look at it either.
pub(super) fn open(key: &Key, blob: &[u8]) -> Result<Text, ForeignFault> {
    let (header, message) =
        blob.split_first_chunk::<HEADER_BYTES>().ok_or(ForeignFault::TooShort)?;
    let (sealed, tag) = message.split_last_chunk::<TAG_BYTES>().ok_or(ForeignFault::TooShort)?;
    let (kind, sealed) = sealed.split_first().ok_or(ForeignFault::TooShort)?;
    let mut stream = key_stream(key, header);
    let mut authenticator = Zeroizing::new([0; BLOCK_BYTES]);
    stream.apply_keystream(&mut authenticator[..]);
    let mut first = Zeroizing::new([0; BLOCK_BYTES]);
    stream.apply_keystream(&mut first[..]);
    first[0] = *kind;
    if !is_same(&authentic_tag(&authenticator, &first, sealed), tag) {
        return Err(ForeignFault::AuthFailed);
    }
    let mut text = Zeroizing::new(sealed.to_vec());
    // The key stream ends after 256 GiB, which no blob has.
    stream.try_apply_keystream(&mut text).map_err(|_| ForeignFault::AuthFailed)?;
    Ok(text)
}

fn key_stream(key: &Key, header: &[u8; HEADER_BYTES]) -> ChaCha20 {
    let (mut input, mut nonce) = ([0; 16], [0; 12]);
    input.copy_from_slice(&header[..16]);
    nonce[..4].copy_from_slice(&1_u32.to_le_bytes());
    nonce[4..].copy_from_slice(&header[16..]);
    let mut subkey = hchacha::<R20>(key.bytes().into(), (&input).into());
    let stream = ChaCha20::new(&subkey, (&nonce).into());
    subkey.as_mut_slice().zeroize();
    stream
}

/// The tag over the first block, the text as sealed, and their lengths. The zeros between are as many as
/// libsodium writes: they do not fill the last block, a slip that is part of the format.
fn authentic_tag(
    authenticator: &[u8; BLOCK_BYTES],
    first: &[u8; BLOCK_BYTES],
    sealed: &[u8],
) -> [u8; TAG_BYTES] {
    let (key, _) = authenticator.split_at(32);
    let mut mac = Poly1305::new_from_slice(key).expect("a Poly1305 key has 32 bytes");
    let (whole, rest) = Block::slice_as_chunks(sealed);
    mac.update(Block::slice_as_chunks(first).0);
    mac.update(whole);
    let mut tail = rest.to_vec();
    tail.resize(2 * rest.len(), 0);
    tail.extend_from_slice(&0_u64.to_le_bytes());
    let bytes = BLOCK_BYTES.saturating_add(sealed.len()) as u64;
    tail.extend_from_slice(&bytes.to_le_bytes());
    mac.compute_unpadded(&tail).into()
}

fn is_same(left: &[u8; TAG_BYTES], right: &[u8; TAG_BYTES]) -> bool {
    left.iter().zip(right).fold(0, |difference, (left, right)| difference | (left ^ right)) == 0
}

/// Seals a text of any kind, to test what only Core Lightning could have made.
#[cfg(any(test, feature = "failpoints"))]
pub(super) fn seal(key: &Key, header: &[u8; HEADER_BYTES], kind: u8, text: &[u8]) -> Vec<u8> {
    let mut stream = key_stream(key, header);
    let mut authenticator = [0; BLOCK_BYTES];
    stream.apply_keystream(&mut authenticator);
    let mut first = [0; BLOCK_BYTES];
    first[0] = kind;
    stream.apply_keystream(&mut first);
    let mut sealed = text.to_vec();
    stream.apply_keystream(&mut sealed);
    let tag = authentic_tag(&authenticator, &first, &sealed);
    [&header[..], &first[..1], &sealed, &tag].concat()
}
