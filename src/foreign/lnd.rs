//! lnd's `channel.backup`: static channel backups under XChaCha20-Poly1305.
//!
//! FD1 the key is SHA-256 of the public key at lnd's key family 7, index 0: whoever learns that public key
//! reads the file. FD2 one channel that cannot be decoded does not hide the others: it is given as bytes.
//! FD3 bytes that not even the frame of a channel fits into are given as they are, at the end.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::ForeignFault;
use super::key::{Key, TAG_BYTES, Text};
pub use super::lnd_single::{Addresses, Channel, CloseTx, KeyLocator, RemoteKeys};
use super::read::Fields;

const NONCE_BYTES: usize = 24;
/// Bytes of the shortest blob.
pub const BLOB_BYTES_MIN: usize = NONCE_BYTES + TAG_BYTES;
/// The only version of the file.
const VERSION: u8 = 0;
/// Bytes before the first channel: version and count.
const HEAD_BYTES: usize = 5;
/// Bit of a channel's version: the inputs of a closing transaction follow.
const CLOSE_TX_BIT: u8 = 0x80;

/// The key of lnd's `channel.backup`.
#[derive(Debug)]
pub struct BackupKey(Key);

impl BackupKey {
    /// The key itself; the caller zeroizes its own copy.
    pub fn new(key: [u8; 32]) -> BackupKey {
        BackupKey(Key::new(key))
    }

    /// The key of a node whose public key at key family 7, index 0 is this one, compressed. Keep it as
    /// secret as the backup.
    pub fn from_public_key(public_key: &[u8; 33]) -> BackupKey {
        let hashed = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(public_key)));
        BackupKey(Key::new(*hashed))
    }

    /// The key's bytes; the caller keeps them out of logs.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.bytes()
    }
}

/// One channel's part of the file.
#[derive(Debug, Clone, Copy)]
pub struct Single<'text> {
    /// Version of the layout, 0 to 7 being known: it tells the type of the channel.
    pub version: u8,
    /// Whether the inputs of a closing transaction follow the channel.
    pub has_close_tx: bool,
    /// What follows version and length. Keep it out of logs.
    pub bytes: SingleBytes<'text>,
    /// The channel, if this version is known and its fields fill the bytes.
    pub channel: Option<Channel<'text>>,
}

/// Bytes that `Debug` does not show.
#[derive(Clone, Copy)]
pub struct SingleBytes<'text>(pub &'text [u8]);

impl fmt::Debug for SingleBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A file that was opened.
pub struct Opened {
    version: u8,
    count: u32,
    text: Text,
}

impl Opened {
    /// Version of the file. Only of version 0 channels are given.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// How many channels the file says that it has.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The whole text; the caller keeps it out of logs.
    pub fn plaintext(&self) -> &[u8] {
        &self.text
    }

    /// Its channels, in the order of the file: fewer than [`Opened::count`] if the file ends before.
    pub fn singles(&self) -> impl Iterator<Item = Single<'_>> {
        let mut fields = self.body();
        (0..self.framed()).map_while(move |_| read_single(&mut fields).ok())
    }

    /// What follows the last of [`Opened::singles`]: nothing in a file of lnd's.
    pub fn rest(&self) -> &[u8] {
        let mut fields = self.body();
        for _ in 0..self.framed() {
            if read_frame(&mut fields).is_err() {
                break;
            }
        }
        fields.rest()
    }

    fn body(&self) -> Fields<'_> {
        Fields::new(self.text.get(HEAD_BYTES..).unwrap_or_default())
    }

    /// How many channels are looked for.
    fn framed(&self) -> u32 {
        if self.version == VERSION { self.count } else { 0 }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (version, count) = (self.version, self.count);
        write!(f, "Opened(version {version}, {count} channels, text of {} bytes)", self.text.len())
    }
}

/// Opens lnd's `channel.backup`.
///
/// # Errors
/// `TooShort`, `AuthFailed`; `BadPayload` when not even version and count are there.
pub fn open(key: &BackupKey, blob: &[u8]) -> Result<Opened, ForeignFault> {
    let (nonce, rest) = blob.split_first_chunk::<NONCE_BYTES>().ok_or(ForeignFault::TooShort)?;
    let (sealed, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(ForeignFault::TooShort)?;
    let text = key.0.open_extended(nonce, sealed, tag)?;
    let mut fields = Fields::new(&text);
    let (version, count) = (fields.u8()?, fields.u32()?);
    Ok(Opened { version, count, text })
}

/// Version byte and bytes of a channel. On a failure nothing is taken.
fn read_frame<'text>(fields: &mut Fields<'text>) -> Result<(u8, &'text [u8]), ForeignFault> {
    let mut ahead = *fields;
    let (version, bytes) = (ahead.u8()?, ahead.u16()?);
    let bytes = ahead.take(usize::from(bytes))?;
    *fields = ahead;
    Ok((version, bytes))
}

fn read_single<'text>(fields: &mut Fields<'text>) -> Result<Single<'text>, ForeignFault> {
    let (byte, bytes) = read_frame(fields)?;
    let (version, has_close_tx) = (byte & !CLOSE_TX_BIT, byte & CLOSE_TX_BIT != 0);
    let channel = Channel::read(version, has_close_tx, bytes).ok();
    Ok(Single { version, has_close_tx, bytes: SingleBytes(bytes), channel })
}

/// Seals any text, well-formed or not, to test what only lnd could have made.
#[cfg(any(test, feature = "failpoints"))]
pub fn seal_text(key: &BackupKey, nonce: [u8; NONCE_BYTES], text: &[u8]) -> Vec<u8> {
    use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
    let mut blob = [&nonce[..], text].concat();
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    let buffer = blob[NONCE_BYTES..].as_mut().into();
    let sealed = cipher.encrypt_inout_detached((&nonce).into(), &nonce, buffer);
    blob.extend_from_slice(&sealed.expect("the text fits the cipher"));
    blob
}
