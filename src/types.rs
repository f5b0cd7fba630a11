//! The field's words as types, so that two numbers of one kind cannot be exchanged by mistake.
//!
//! T1 a preimage is zeroed when dropped, compared in constant time by nobody (it is public once known),
//!    and never shown by `Debug`. T2 a raw message is never shown by `Debug`: it may hold a preimage.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::error::Result;
use crate::memory;

/// Owner of an attempt id space: 16 bytes chosen by the host, all zero by default.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Namespace(pub [u8; 16]);

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({self})")
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Identifier of one HTLC attempt, unique in its namespace: the idempotency key of its dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// An attempt id in its namespace: 24 bytes on disk, the id big-endian so that keys grow in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey {
    /// Whose id space.
    pub namespace: Namespace,
    /// The id in it.
    pub id: AttemptId,
}

impl AttemptKey {
    /// Bytes of an encoded key.
    pub const BYTES: usize = 24;

    /// Key of an id in a namespace.
    pub fn new(namespace: Namespace, id: u64) -> AttemptKey {
        AttemptKey { namespace, id: AttemptId(id) }
    }

    /// The key's bytes on disk.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..16].copy_from_slice(&self.namespace.0);
        bytes[16..].copy_from_slice(&self.id.0.to_be_bytes());
        bytes
    }

    /// The key of such bytes.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> AttemptKey {
        let mut namespace = [0; 16];
        let mut id = [0; 8];
        namespace.copy_from_slice(&bytes[..16]);
        id.copy_from_slice(&bytes[16..]);
        AttemptKey::new(Namespace(namespace), u64::from_be_bytes(id))
    }
}

impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace == Namespace::default() {
            return write!(f, "attempt {}", self.id.0);
        }
        write!(f, "attempt {} of namespace {}", self.id.0, self.namespace)
    }
}

/// SHA-256 of a preimage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PaymentHash(pub [u8; 32]);

/// Identifier of a channel (BOLT 2 `channel_id`), or 32 bytes of the host's own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub [u8; 32]);

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelId({self})")
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Public key of a node, compressed (BOLT 1 `point`); opaque here and not checked against the curve.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 33]);

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Place of a channel's funding output in the chain (BOLT 7), or any number that the host knows a channel by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortChannelId(pub u64);

/// Hash of a whole request, made by the host: tells a repeat from another request under the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// The secret that settles an HTLC.
#[derive(Clone, PartialEq, Eq)]
pub struct Preimage([u8; 32]);

impl Preimage {
    /// A preimage from its bytes.
    pub fn new(bytes: [u8; 32]) -> Preimage {
        Preimage(bytes)
    }

    /// The bytes; the caller keeps them out of logs.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its payment hash.
    pub fn payment_hash(&self) -> PaymentHash {
        PaymentHash(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for Preimage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Preimage(..)")
    }
}

impl Drop for Preimage {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Bytes of the host's own message, stored as they are: an encrypted failure, an encoded settle. Clones share
/// them; they are zeroed with the last.
#[derive(Clone, Default)]
pub struct RawMessage(Option<Arc<MessageBytes>>);

struct MessageBytes(Vec<u8>);

impl RawMessage {
    /// A message from its bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> RawMessage {
        let bytes = bytes.into();
        RawMessage((!bytes.is_empty()).then(|| Arc::new(MessageBytes(bytes))))
    }

    /// A message from a copy of bytes from outside.
    ///
    /// # Errors
    /// `Busy`.
    pub(crate) fn copied(bytes: &[u8]) -> Result<RawMessage> {
        memory::copied(bytes).map(RawMessage::new)
    }

    /// The bytes; the caller keeps them out of logs.
    pub fn expose(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |bytes| &bytes.0)
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl PartialEq for RawMessage {
    fn eq(&self, other: &RawMessage) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for RawMessage {}

impl fmt::Debug for RawMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawMessage({} bytes)", self.len())
    }
}

impl Drop for MessageBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What the host last told about time; 0 means it told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
    /// Height of the best block.
    pub block_height: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_never_show_in_debug() {
        let preimage = Preimage::new([0xab; 32]);
        let message = RawMessage::new(vec![0xab; 9]);
        assert_eq!(format!("{preimage:?} {message:?}"), "Preimage(..) RawMessage(9 bytes)");
    }

    #[test]
    fn keys_sort_by_namespace_then_id() {
        let low = AttemptKey::new(Namespace([0; 16]), 255).to_bytes();
        let high = AttemptKey::new(Namespace([0; 16]), 256).to_bytes();
        assert!(low < high);
        assert_eq!(AttemptKey::from_bytes(high).id, AttemptId(256));
    }
}
