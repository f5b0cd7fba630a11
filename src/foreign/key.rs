//! Keys of other software's backups, and the ciphers that they are for.
//!
//! FK1 a key lies in one place on the heap, is zeroized when dropped, and is never shown. FK2 a text is
//! decrypted in the buffer that it stays in, and the buffer is zeroized also where the blob does not open.

use std::fmt;

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, XChaCha20Poly1305};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::ForeignFault;

/// Bytes of the tag of every cipher here.
pub(super) const TAG_BYTES: usize = 16;

/// A decrypted text.
pub(super) type Text = Zeroizing<Vec<u8>>;

/// 32 secret bytes. On the heap, because a value that moves leaves copies of itself behind on the stack.
pub(super) struct Key(Box<Zeroizing<[u8; 32]>>);

impl Key {
    /// A key from its bytes; the caller zeroizes its own copy.
    pub(super) fn new(mut bytes: [u8; 32]) -> Key {
        let mut key = Key(Box::default());
        key.0.copy_from_slice(&bytes);
        bytes.zeroize();
        key
    }

    /// HMAC-SHA256 of some parts.
    pub(super) fn of_mac(key: &[u8], parts: &[&[u8]]) -> Key {
        let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(key);
        let keyed = keyed.expect("HMAC takes a key of any length");
        let code = parts.iter().fold(keyed, |mac, part| mac.chain_update(part)).finalize();
        let mut made = Key(Box::default());
        made.0.copy_from_slice(code.as_bytes());
        made
    }

    /// HKDF-SHA256 (RFC 5869) without salt, 32 bytes.
    pub(super) fn of_hkdf(secret: &[u8], info: &[u8]) -> Key {
        let root = Key::of_mac(&[0; 32], &[secret]);
        Key::of_mac(root.bytes(), &[info, &[0x01]])
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Opens what ChaCha20-Poly1305 (RFC 8439) sealed, without associated data.
    pub(super) fn open(
        &self,
        nonce: &[u8; 12],
        sealed: &[u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<Text, ForeignFault> {
        let mut text = Zeroizing::new(sealed.to_vec());
        let cipher = ChaCha20Poly1305::new(self.bytes().into());
        let buffer = text.as_mut_slice().into();
        let opened = cipher.decrypt_inout_detached(nonce.into(), &[], buffer, tag.into());
        opened.map_err(|_| ForeignFault::AuthFailed)?;
        Ok(text)
    }

    /// Opens what XChaCha20-Poly1305 sealed, with the nonce as associated data.
    pub(super) fn open_extended(
        &self,
        nonce: &[u8; 24],
        sealed: &[u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<Text, ForeignFault> {
        let mut text = Zeroizing::new(sealed.to_vec());
        let cipher = XChaCha20Poly1305::new(self.bytes().into());
        let buffer = text.as_mut_slice().into();
        let opened = cipher.decrypt_inout_detached(nonce.into(), nonce, buffer, tag.into());
        opened.map_err(|_| ForeignFault::AuthFailed)?;
        Ok(text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
