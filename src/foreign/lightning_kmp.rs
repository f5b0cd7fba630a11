//! lightning-kmp's channel states (Phoenix), under ChaCha20-Poly1305 with the node's own key.
//!
//! FP1 the version byte is not authenticated: it is judged after the rest was, and only tells how to read the
//! payload. FP2 the payload is opaque: only lightning-kmp of that version reads it.

use std::fmt;

use super::ForeignFault;
use super::key::{Key, TAG_BYTES, Text};

const NONCE_BYTES: usize = 12;
/// Bytes of the shortest blob.
pub const BLOB_BYTES_MIN: usize = 1 + NONCE_BYTES + TAG_BYTES;
/// Versions of the payload that are known.
pub const VERSIONS: [u8; 2] = [4, 5];

/// The private key of a lightning-kmp node.
#[derive(Debug)]
pub struct NodeKey(Key);

impl NodeKey {
    /// The key from its bytes; the caller zeroizes its own copy.
    pub fn new(key: [u8; 32]) -> NodeKey {
        NodeKey(Key::new(key))
    }
}

/// A blob that was opened.
pub struct Opened {
    version: u8,
    text: Text,
}

impl Opened {
    /// Version of the payload.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// The states of all channels; the caller keeps them out of logs.
    pub fn payload(&self) -> &[u8] {
        &self.text
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened(version {}, payload of {} bytes)", self.version, self.text.len())
    }
}

/// Opens a blob of lightning-kmp's.
///
/// # Errors
/// `TooShort`, `AuthFailed`, `UnknownVersion`.
pub fn open(key: &NodeKey, blob: &[u8]) -> Result<Opened, ForeignFault> {
    let (version, rest) = blob.split_first().ok_or(ForeignFault::TooShort)?;
    let (rest, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(ForeignFault::TooShort)?;
    let (sealed, nonce) = rest.split_last_chunk::<NONCE_BYTES>().ok_or(ForeignFault::TooShort)?;
    let text = key.0.open(nonce, sealed, tag)?;
    if !VERSIONS.contains(version) {
        return Err(ForeignFault::UnknownVersion(*version));
    }
    Ok(Opened { version: *version, text })
}
