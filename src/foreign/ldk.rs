//! LDK's peer storage: serialised channel monitors under ChaCha20-Poly1305.
//!
//! FL1 the key is that of `KeysManager::get_peer_storage_key`: BIP32 master of the seed, hardened child 6.
//! FL2 each channel has all four of its fields. FL3 monitors are opaque: only the `lightning` crate reads
//! them. Bytes after the last channel are not judged, as LDK does not.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use super::ForeignFault;
use super::key::{Key, TAG_BYTES, Text};
use super::read::{Fields, Records, unknown_record};
use super::scalar;
use crate::error::{Error, Result, Status};
use crate::types::{ChannelId, NodeId};

/// Bytes at the end of a blob that the nonce is made of.
const RANDOM_BYTES: usize = 32;
/// Bytes of the shortest blob.
pub const BLOB_BYTES_MIN: usize = TAG_BYTES + RANDOM_BYTES;
/// Number of the hardened child (BIP32) whose private key is the key of peer storage.
const CHILD: u32 = 6 | 1 << 31;
/// A count that is continued by eight more bytes.
const COUNT_CONTINUES: u16 = 0xffff;

/// LDK's key for peer storage.
#[derive(Debug)]
pub struct StorageKey(Key);

impl StorageKey {
    /// The key itself, as `get_peer_storage_key` of a signer gives it; the caller zeroizes its own copy.
    pub fn new(key: [u8; 32]) -> StorageKey {
        StorageKey(Key::new(key))
    }

    /// The key of a `KeysManager` with this seed.
    ///
    /// # Errors
    /// `InvalidArgument` for a seed that BIP32 has no key for: one in 2^127, and LDK does not start with it.
    pub fn from_seed(seed: &[u8; 32]) -> Result<StorageKey> {
        let master = chained(b"Bitcoin seed", &[seed]);
        let (master_key, chain_code) = halves(&master);
        let child = chained(chain_code, &[&[0], master_key, &CHILD.to_be_bytes()]);
        let (tweak, _) = halves(&child);
        let made = scalar::child_key(tweak, master_key).filter(|_| scalar::is_key(master_key));
        let why = "the seed has no BIP32 key: it is not the seed of an LDK node";
        made.map(|key| StorageKey(Key::new(*key)))
            .ok_or_else(|| Error::new(Status::InvalidArgument, why))
    }

    /// The key's bytes; the caller keeps them out of logs.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.bytes()
    }

    /// The nonce of a blob that ends with these random bytes.
    fn nonce(&self, random: &[u8; RANDOM_BYTES]) -> [u8; 12] {
        let hashed = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(self.0.bytes())));
        let code = Key::of_mac(&hashed[..], &[random]);
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&code.bytes()[..8]);
        nonce
    }
}

/// HMAC-SHA512, on the heap: key and chain code of BIP32.
fn chained(key: &[u8], parts: &[&[u8]]) -> Box<Zeroizing<[u8; 64]>> {
    let keyed = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes a key of any length");
    let code = parts.iter().fold(keyed, |mac, part| mac.chain_update(part)).finalize();
    let mut output = Box::new(Zeroizing::new([0; 64]));
    output.copy_from_slice(code.as_bytes());
    output
}

fn halves(whole: &[u8; 64]) -> (&[u8; 32], &[u8; 32]) {
    let key = whole.first_chunk().expect("32 of 64 bytes");
    (key, whole.last_chunk().expect("32 of 64 bytes"))
}

/// One channel of a blob.
#[derive(Clone, Copy)]
pub struct Monitor<'text> {
    /// Which channel.
    pub channel_id: ChannelId,
    /// Its other end.
    pub counterparty: NodeId,
    /// Index of the last commitment secret that the counterparty revealed: it counts down from 2^48.
    pub min_seen_secret: u64,
    /// A serialised `ChannelMonitor`. It holds keys and preimages: keep it out of logs.
    pub monitor: &'text [u8],
}

impl fmt::Debug for Monitor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (channel, bytes) = (self.channel_id, self.monitor.len());
        write!(f, "Monitor(of channel {channel}, {bytes} bytes)")
    }
}

/// A blob that was opened.
pub struct Opened {
    nonce: [u8; 12],
    text: Text,
    count: u64,
    first: usize,
}

impl Opened {
    /// The nonce that the blob was sealed with.
    pub fn nonce(&self) -> [u8; 12] {
        self.nonce
    }

    /// Its channels, in the order of the blob.
    pub fn monitors(&self) -> impl Iterator<Item = Monitor<'_>> {
        let mut fields = Fields::new(self.text.get(self.first..).unwrap_or_default());
        // All were read before, so that none fails.
        (0..self.count).map_while(move |_| read_monitor(&mut fields).ok())
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} monitors, text of {} bytes)", self.count, self.text.len())
    }
}

/// Opens a blob of LDK's.
///
/// # Errors
/// `TooShort`, `AuthFailed`, `BadPayload`.
pub fn open(key: &StorageKey, blob: &[u8]) -> Result<Opened, ForeignFault> {
    let (rest, random) = blob.split_last_chunk::<RANDOM_BYTES>().ok_or(ForeignFault::TooShort)?;
    let (sealed, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(ForeignFault::TooShort)?;
    let nonce = key.nonce(random);
    let text = key.0.open(&nonce, sealed, tag)?;
    let mut fields = Fields::new(&text);
    let count = read_count(&mut fields)?;
    let first = text.len() - fields.rest().len();
    for _ in 0..count {
        read_monitor(&mut fields)?;
    }
    Ok(Opened { nonce, text, count, first })
}

fn read_count(fields: &mut Fields<'_>) -> Result<u64, ForeignFault> {
    let short = fields.u16()?;
    if short != COUNT_CONTINUES {
        return Ok(u64::from(short));
    }
    fields.u64()?.checked_add(u64::from(COUNT_CONTINUES)).ok_or(ForeignFault::BadPayload)
}

fn read_monitor<'text>(fields: &mut Fields<'text>) -> Result<Monitor<'text>, ForeignFault> {
    let bytes = fields.big_size()?;
    let mut records = Records::new(fields.take_stated(bytes)?);
    let (mut channel_id, mut counterparty, mut min_seen_secret) = (None, None, None);
    let mut monitor = None;
    while let Some((number, mut value)) = records.next()? {
        match number {
            0 => channel_id = Some(value.array()?),
            2 => counterparty = Some(value.array()?),
            4 => min_seen_secret = Some(value.u64()?),
            6 => monitor = Some(value.take(value.rest().len())?),
            _ => {
                unknown_record(number)?;
                continue;
            }
        }
        value.end()?;
    }
    let missing = ForeignFault::BadPayload;
    Ok(Monitor {
        channel_id: ChannelId(channel_id.ok_or(missing)?),
        counterparty: NodeId(counterparty.ok_or(missing)?),
        min_seen_secret: min_seen_secret.ok_or(missing)?,
        monitor: monitor.ok_or(missing)?,
    })
}

/// Seals any text, well-formed or not, to test what only LDK could have made.
#[cfg(any(test, feature = "failpoints"))]
pub fn seal_text(key: &StorageKey, random: [u8; RANDOM_BYTES], text: &[u8]) -> Vec<u8> {
    use chacha20poly1305::{AeadInOut, ChaCha20Poly1305};
    let nonce = key.nonce(&random);
    let mut blob = text.to_vec();
    let cipher = ChaCha20Poly1305::new(key.expose().into());
    let sealed = cipher.encrypt_inout_detached((&nonce).into(), &[], blob.as_mut_slice().into());
    blob.extend_from_slice(&sealed.expect("the text fits the cipher"));
    blob.extend_from_slice(&random);
    blob
}
