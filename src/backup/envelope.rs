//! The blob that a peer keeps for us: header, payload and padding under XChaCha20-Poly1305.
//!
//! BE1 nothing in a blob is readable without the secret, and none differs from random bytes: no version, no
//! sequence, no length but its size class. BE2 whatever was changed, cut, or sealed for another peer does not
//! open. BE3 a nonce repeats only where entropy, sequence and text do, so that a machine whose random numbers
//! repeat gives nothing away. BE4 opening costs at most the blob's own bytes of memory and cannot panic.
//! BE5 memory that held a payload is zeroized on every path.
//! Pure: no clock, no I/O, no randomness. Called by the component and by importers; docs/backup-format.md
//! has the bytes.

use std::fmt;

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::keys::PeerKeys;
use crate::error::{Error, Result, Status};
use crate::limits::PEER_BLOB_BYTES_MAX;

/// Version of the layout, in the text and in what is authenticated with it.
pub const VERSION: u8 = 1;
/// Kind of an envelope that holds a whole payload.
pub const KIND_PAYLOAD: u8 = 0;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 96;
/// Bytes of a blob that are no payload and no padding: nonce, header and tag.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + HEADER_BYTES + TAG_BYTES;
/// Bytes of the nonce, which a blob begins with.
pub const NONCE_BYTES: usize = 24;
/// Bytes of the tag, which a blob ends with.
pub const TAG_BYTES: usize = 16;

/// Length of a blob: few, so that a blob's length tells little of what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u32)]
pub enum SizeClass {
    /// What an LDK node accepts.
    Bytes1024 = 1_024,
    /// Between these.
    Bytes4096 = 4_096,
    /// Journals of HTLCs.
    Bytes16384 = 16_384,
    /// What BOLT 1 recommends: no longer blob fits into a message.
    #[default]
    Bytes65531 = 65_531,
}

impl SizeClass {
    /// Every class, the smallest first.
    pub const ALL: [SizeClass; 4] =
        [SizeClass::Bytes1024, SizeClass::Bytes4096, SizeClass::Bytes16384, SizeClass::Bytes65531];

    /// Bytes of a blob of this class.
    pub const fn bytes(self) -> usize {
        self as usize
    }

    /// Bytes of the longest payload.
    pub const fn payload_max(self) -> usize {
        self.bytes() - OVERHEAD_BYTES
    }

    /// The class of blobs of so many bytes.
    pub fn from_bytes(bytes: usize) -> Option<SizeClass> {
        SizeClass::ALL.into_iter().find(|class| class.bytes() == bytes)
    }

    /// The smallest class that holds so long a payload.
    pub fn smallest_for(payload_bytes: usize) -> Option<SizeClass> {
        SizeClass::ALL.into_iter().find(|class| payload_bytes <= class.payload_max())
    }
}

const _: () = assert!(SizeClass::Bytes65531.bytes() == PEER_BLOB_BYTES_MAX);
const _: () = assert!(OVERHEAD_BYTES == 136);

/// What an envelope says of its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// 0: a whole payload; 1: records of shares.
    pub kind: u8,
    /// None is defined.
    pub flags: u16,
    /// Strictly increasing for one node, over all its peers.
    pub seq: u64,
    /// When it was sealed.
    pub created_unix_secs: u64,
    /// Best block then.
    pub block_height: u32,
    /// Random, made once per database: tells our blobs from those of a former one.
    pub instance: [u8; 16],
    /// Whose shares these are; zero for a whole payload.
    pub set_id: [u8; 16],
}

/// An envelope that was opened.
pub struct Opened {
    /// What the envelope says of its payload, as found: kind, flags and set id are not judged.
    pub header: Header,
    /// SHA-256 of the payload.
    pub payload_sha256: [u8; 32],
    /// Four bytes that are zero in version 1, as found.
    pub reserved: u32,
    text: Zeroizing<Vec<u8>>,
    payload_bytes: usize,
}

impl Opened {
    /// The payload; the caller keeps it out of logs.
    pub fn payload(&self) -> &[u8] {
        &self.text[HEADER_BYTES..][..self.payload_bytes]
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (header, bytes) = (&self.header, self.payload_bytes);
        write!(f, "Opened({header:?}, payload of {bytes} bytes)")
    }
}

/// Why a blob is no envelope of ours, in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum EnvelopeFault {
    /// Shorter than an envelope without payload.
    #[error("shorter than an empty envelope")]
    TooShort = 1,
    /// Changed, sealed with another secret, for another peer, or by other software.
    #[error("not sealed for this peer with this secret, or changed since")]
    AuthFailed = 2,
    /// Sealed by us in a layout of the future.
    #[error("sealed in a layout that this version does not know")]
    BadVersion = 3,
    /// The payload's length exceeds the text.
    #[error("the payload is longer than the blob")]
    BadLength = 4,
    /// The payload does not have the hash that the header states.
    #[error("the payload does not have the stated hash")]
    BadChecksum = 5,
    /// A byte after the payload is not zero.
    #[error("the padding is not zero")]
    BadPadding = 6,
}

impl EnvelopeFault {
    /// Every fault, in the order in which they are looked for.
    pub const ALL: [EnvelopeFault; 6] = [
        EnvelopeFault::TooShort,
        EnvelopeFault::AuthFailed,
        EnvelopeFault::BadVersion,
        EnvelopeFault::BadLength,
        EnvelopeFault::BadChecksum,
        EnvelopeFault::BadPadding,
    ];

    /// The name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            EnvelopeFault::TooShort => "too_short",
            EnvelopeFault::AuthFailed => "auth_failed",
            EnvelopeFault::BadVersion => "bad_version",
            EnvelopeFault::BadLength => "bad_length",
            EnvelopeFault::BadChecksum => "bad_checksum",
            EnvelopeFault::BadPadding => "bad_padding",
        }
    }

    /// The number in the C ABI.
    pub fn number(self) -> u64 {
        self as u64
    }
}

impl From<EnvelopeFault> for Error {
    fn from(fault: EnvelopeFault) -> Error {
        let message = format!("the blob does not open: {fault}");
        Error::new(Status::BadEnvelope, message).of_channel(None, Some(fault.number()))
    }
}

/// Seals a payload for a peer, in a blob of exactly the class' length. The same seq is never sealed twice
/// with another payload: whoever calls keeps it, durably, before.
pub fn seal(
    keys: &PeerKeys,
    header: &Header,
    payload: &[u8],
    class: SizeClass,
    entropy: [u8; 16],
) -> Result<Vec<u8>> {
    let payload_bytes = u32::try_from(payload.len()).ok();
    let fitting = payload_bytes.filter(|_| payload.len() <= class.payload_max());
    let Some(payload_bytes) = fitting else {
        let (bytes, most) = (payload.len(), class.payload_max());
        let why = format!("a payload of {bytes} bytes: a blob of {} holds {most}", class.bytes());
        return Err(Error::new(Status::TooBig, why));
    };
    // At its full length from the start: a buffer that grew would leave the payload behind in freed memory.
    let mut blob = Zeroizing::new(vec![0; class.bytes()]);
    let text = &mut blob[NONCE_BYTES..class.bytes() - TAG_BYTES];
    let payload_sha256 = Sha256::digest(payload).into();
    text[..HEADER_BYTES].copy_from_slice(&header_bytes(header, payload_bytes, &payload_sha256));
    text[HEADER_BYTES..][..payload.len()].copy_from_slice(payload);
    let text_sha256 = Sha256::digest(&*text);
    let nonce = keys.nonce(&[&entropy, &header.seq.to_be_bytes(), &text_sha256]);
    encrypt(keys, &mut blob, nonce)?;
    Ok(std::mem::take(&mut *blob))
}

/// Seals any text, well-formed or not, under any nonce: how the tests reach what only we could have made.
#[cfg(any(test, feature = "failpoints"))]
pub fn seal_text(keys: &PeerKeys, text: &[u8], nonce: [u8; NONCE_BYTES]) -> Result<Vec<u8>> {
    let mut blob = Zeroizing::new(vec![0; NONCE_BYTES + text.len() + TAG_BYTES]);
    blob[NONCE_BYTES..][..text.len()].copy_from_slice(text);
    encrypt(keys, &mut blob, nonce)?;
    Ok(std::mem::take(&mut *blob))
}

/// Opens what a peer returned.
pub fn open(keys: &PeerKeys, blob: &[u8]) -> Result<Opened, EnvelopeFault> {
    if blob.len() < OVERHEAD_BYTES {
        return Err(EnvelopeFault::TooShort);
    }
    let text = decrypt(keys, blob)?;
    let header = text.first_chunk::<HEADER_BYTES>().ok_or(EnvelopeFault::TooShort)?;
    if header[0] != VERSION {
        return Err(EnvelopeFault::BadVersion);
    }
    let payload_bytes = u32::from_be_bytes(field(header, 4)) as usize;
    let body = &text[HEADER_BYTES..];
    let Some((payload, padding)) = body.split_at_checked(payload_bytes) else {
        return Err(EnvelopeFault::BadLength);
    };
    let payload_sha256: [u8; 32] = field(header, 64);
    if Sha256::digest(payload) != payload_sha256 {
        return Err(EnvelopeFault::BadChecksum);
    }
    if padding.iter().any(|byte| *byte != 0) {
        return Err(EnvelopeFault::BadPadding);
    }
    let reserved = u32::from_be_bytes(field(header, 28));
    let header = read_header(header);
    Ok(Opened { header, payload_sha256, reserved, text, payload_bytes })
}

fn header_bytes(
    header: &Header,
    payload_bytes: u32,
    payload_sha256: &[u8; 32],
) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[0] = VERSION;
    bytes[1] = header.kind;
    bytes[2..4].copy_from_slice(&header.flags.to_be_bytes());
    bytes[4..8].copy_from_slice(&payload_bytes.to_be_bytes());
    bytes[8..16].copy_from_slice(&header.seq.to_be_bytes());
    bytes[16..24].copy_from_slice(&header.created_unix_secs.to_be_bytes());
    bytes[24..28].copy_from_slice(&header.block_height.to_be_bytes());
    bytes[32..48].copy_from_slice(&header.instance);
    bytes[48..64].copy_from_slice(&header.set_id);
    bytes[64..96].copy_from_slice(payload_sha256);
    bytes
}

fn read_header(bytes: &[u8; HEADER_BYTES]) -> Header {
    Header {
        kind: bytes[1],
        flags: u16::from_be_bytes(field(bytes, 2)),
        seq: u64::from_be_bytes(field(bytes, 8)),
        created_unix_secs: u64::from_be_bytes(field(bytes, 16)),
        block_height: u32::from_be_bytes(field(bytes, 24)),
        instance: field(bytes, 32),
        set_id: field(bytes, 48),
    }
}

/// Bytes of the header from a constant offset on.
fn field<const BYTES: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes.copy_from_slice(&header[at..at + BYTES]);
    bytes
}

fn cipher(keys: &PeerKeys) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(keys.seal_key().into())
}

/// What is authenticated with the text: version and the peer that keeps it.
fn associated(keys: &PeerKeys) -> [u8; 34] {
    let mut data = [VERSION; 34];
    data[1..].copy_from_slice(&keys.peer().0);
    data
}

/// Encrypts what lies between the room for the nonce and the room for the tag, and fills both.
fn encrypt(keys: &PeerKeys, blob: &mut [u8], nonce: [u8; NONCE_BYTES]) -> Result<()> {
    let (head, rest) = blob.split_at_mut(NONCE_BYTES);
    let (text, tail) = rest.split_at_mut(rest.len() - TAG_BYTES);
    let sealed = cipher(keys).encrypt_inout_detached(&nonce.into(), &associated(keys), text.into());
    // The cipher ends after 256 GiB, which no blob has.
    let tag = sealed.map_err(|_| Error::new(Status::TooBig, "the text exceeds the cipher"))?;
    head.copy_from_slice(&nonce);
    tail.copy_from_slice(&tag);
    Ok(())
}

fn decrypt(keys: &PeerKeys, blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeFault> {
    let (nonce, rest) = blob.split_first_chunk::<NONCE_BYTES>().ok_or(EnvelopeFault::TooShort)?;
    let (sealed, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(EnvelopeFault::TooShort)?;
    let mut text = Zeroizing::new(sealed.to_vec());
    let opened = cipher(keys).decrypt_inout_detached(
        nonce.into(),
        &associated(keys),
        text.as_mut_slice().into(),
        tag.into(),
    );
    opened.map_err(|_| EnvelopeFault::AuthFailed)?;
    Ok(text)
}
