//! Keys of the envelope, all derived from the one secret that a host gives.
//!
//! BK1 every peer has keys of its own: two peers cannot tell that they hold the same thing, and a blob that
//! the wrong peer returns does not open. BK2 secrets lie in one place on the heap, are zeroized when dropped,
//! compared in constant time, and never shown by `Debug`. BK3 nothing of the secret is stored but a check
//! value, from which neither the secret nor a key can be found.
//! Pure: no clock, no I/O, no randomness. Called by the envelope and by the component.

use std::fmt;

use chacha20poly1305::XChaCha20Poly1305;
use hmac::digest::CtOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::types::NodeId;

/// Separates our use of the host's secret from any use of its own.
const SALT: &[u8] = b"peer-storage-envelope v1";
/// Number of the first and only block of an HKDF expansion to 32 bytes (RFC 5869, 2.3).
const FIRST_BLOCK: &[u8] = &[0x01];
const CHECK_LABEL: &[u8] = b"check";

/// What the set of the channels' backup is named by.
pub const SET_CHANNELS: u8 = 0;

/// Bytes of a check value.
pub const CHECK_BYTES: usize = 16;

/// 32 secret bytes. On the heap, because a value that moves leaves copies of itself behind on the stack.
struct Key(Box<Zeroizing<[u8; 32]>>);

impl Key {
    fn new(bytes: &[u8; 32]) -> Key {
        let mut key = Key(Box::default());
        key.0.copy_from_slice(bytes);
        key
    }
}

/// What the host gives: 32 bytes that can be derived from its seed alone.
pub struct Secret(Key);

impl Secret {
    /// A secret from its bytes; the caller zeroizes its own copy.
    pub fn new(mut bytes: [u8; 32]) -> Secret {
        let secret = Secret(Key::new(&bytes));
        bytes.zeroize();
        secret
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The root that every peer's keys are derived from: HKDF-Extract of the secret.
pub struct BackupKeys(Key);

impl BackupKeys {
    /// Keys of a host's secret.
    pub fn new(secret: &Secret) -> BackupKeys {
        BackupKeys(mac(SALT, &[&secret.0.0[..]]))
    }

    /// Keys for what one peer stores.
    pub fn peer(&self, peer: NodeId) -> PeerKeys {
        let seal = mac(&self.0.0[..], &[b"seal", &peer.0, FIRST_BLOCK]);
        let nonce = mac(&self.0.0[..], &[b"nonce", &peer.0, FIRST_BLOCK]);
        PeerKeys { peer, seal, nonce }
    }

    /// Name of a set of shares, the same over all its generations: an object's shares are found by it, and
    /// a peer that keeps one learns nothing from it.
    pub fn set_id(&self, purpose: u8, counter: u32) -> [u8; 16] {
        let whole = mac(&self.0.0[..], &[b"set", &[purpose], &counter.to_be_bytes()]);
        let mut set_id = [0; 16];
        set_id.copy_from_slice(&whole.0[..16]);
        set_id
    }

    /// What a store keeps to notice that it is opened with another secret.
    pub fn check_value(&self) -> [u8; CHECK_BYTES] {
        let whole = mac(&self.0.0[..], &[CHECK_LABEL]);
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&whole.0[..CHECK_BYTES]);
        check
    }

    /// Whether a stored check value is this secret's.
    pub fn matches(&self, check: &[u8; CHECK_BYTES]) -> bool {
        absorb(&self.0.0[..], &[CHECK_LABEL]).verify_truncated_left(check).is_ok()
    }

    /// The root itself, to compare it with a published case.
    #[cfg(feature = "failpoints")]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0.0
    }
}

impl fmt::Debug for BackupKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupKeys(..)")
    }
}

/// Keys for what one peer stores.
pub struct PeerKeys {
    peer: NodeId,
    seal: Key,
    nonce: Key,
}

impl PeerKeys {
    /// The peer whose keys they are.
    pub fn peer(&self) -> NodeId {
        self.peer
    }

    /// Key of the cipher.
    pub(super) fn seal_key(&self) -> &[u8; 32] {
        &self.seal.0
    }

    /// The first bytes of HMAC(nonce key, parts): unlike a random nonce, it repeats only where all that it
    /// is made from does, also on a machine whose random numbers repeat.
    pub(super) fn nonce<const BYTES: usize>(&self, parts: &[&[u8]]) -> [u8; BYTES] {
        const { assert!(BYTES <= 32) };
        let whole = mac(&self.nonce.0[..], parts);
        let mut nonce = [0; BYTES];
        nonce.copy_from_slice(&whole.0[..BYTES]);
        nonce
    }

    /// Key of the cipher and key of the nonce, to compare them with a published case.
    #[cfg(feature = "failpoints")]
    pub fn expose(&self) -> (&[u8; 32], &[u8; 32]) {
        (&self.seal.0, &self.nonce.0)
    }
}

impl fmt::Debug for PeerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKeys(of {}, ..)", self.peer)
    }
}

/// Fails to compile where a dependency is built without zeroizing.
const _: fn() = || {
    fn is_zeroized<T: ZeroizeOnDrop>() {}
    is_zeroized::<Sha256>();
    is_zeroized::<CtOutput<Hmac<Sha256>>>();
    is_zeroized::<XChaCha20Poly1305>();
};

fn absorb(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let keyed = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().fold(keyed, |mac, part| mac.chain_update(part))
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Key {
    let code = absorb(key, parts).finalize();
    let mut output = Key(Box::default());
    output.0.copy_from_slice(code.as_bytes());
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(byte: u8) -> BackupKeys {
        BackupKeys::new(&Secret::new([byte; 32]))
    }

    #[test]
    fn nothing_secret_shows_in_debug() {
        let (secret, keys) = (Secret::new([0xab; 32]), keys(0xab));
        let shown = format!("{secret:?} {keys:?} {:?}", keys.peer(NodeId([2; 33])));
        let peer = "02".repeat(33);
        assert_eq!(shown, format!("Secret(..) BackupKeys(..) PeerKeys(of {peer}, ..)"));
    }

    #[test]
    fn keys_are_those_of_rfc_5869() {
        // The one case of RFC 5869 (A.1) whose first block this construction can make: HMAC with another
        // key and text than ours.
        let prk = mac(&(0..=0x0c).collect::<Vec<u8>>(), &[&[0x0b; 22]]);
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let first = mac(&prk.0[..], &[&info, FIRST_BLOCK]);
        assert_eq!(prk.0[..4], [0x07, 0x77, 0x09, 0x36]);
        assert_eq!(first.0[..8], [0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a]);
    }

    #[test]
    fn peers_and_secrets_share_no_key() {
        let (one, other) = (keys(1), keys(2));
        let mut seen = std::collections::BTreeSet::new();
        let (mut near, mut far) = ([2; 33], [2; 33]);
        (near[32], far[0]) = (3, 3);
        for root in [&one, &other] {
            assert!(seen.insert(root.0.0.to_vec()));
            for peer in [NodeId([2; 33]), NodeId(near), NodeId(far)] {
                let keys = root.peer(peer);
                assert!(seen.insert(keys.seal.0.to_vec()), "a key twice");
                assert!(seen.insert(keys.nonce.0.to_vec()), "a key twice");
            }
        }
        assert_eq!(seen.len(), 14);
    }

    #[test]
    fn a_check_value_tells_secrets_apart_and_is_no_part_of_a_key() {
        let (one, other) = (keys(1), keys(2));
        let check = one.check_value();
        assert!(one.matches(&check));
        assert!(!other.matches(&check));
        for bit in 0..CHECK_BYTES * 8 {
            let mut near = check;
            near[bit / 8] ^= 1 << (bit % 8);
            assert!(!one.matches(&near), "bit {bit}");
        }
        assert_ne!(one.0.0[..CHECK_BYTES], check);
    }
}
