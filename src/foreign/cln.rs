//! Core Lightning's static channel backup (`emergency.recover`), as its peers keep it.
//!
//! FC1 the key is the 32 bytes that its RPC `makesecret` gives for "scb secret". FC2 both message types that
//! were ever written are read. FC3 a version is readable when its even bits are those of version 1. FC4 the
//! secrets of a shachain are borrowed from the text and never copied. Bytes after the last channel are not
//! judged, as Core Lightning does not.

use std::fmt;

use super::ForeignFault;
use super::address;
use super::key::{Key, Text};
use super::read::{Fields, Records, unknown_record};
use super::secretstream::{self, HEADER_BYTES, MESSAGE_OVERHEAD_BYTES};
use crate::error::{Error, Result, Status};
use crate::types::{ChannelId, NodeId};

/// Bytes of the shortest blob.
pub const BLOB_BYTES_MIN: usize = HEADER_BYTES + MESSAGE_OVERHEAD_BYTES;
/// The version that is written.
const VERSION: u64 = 1;
/// Bits of a version that readers have to understand: the even ones, as with features.
const VERSION_MASK: u64 = 0x5555_5555_5555_5555;
/// Bytes of one entry of a shachain: index and secret.
const SHACHAIN_ENTRY_BYTES: u64 = 8 + 32;

/// Core Lightning's key of static channel backups.
#[derive(Debug)]
pub struct ScbKey(Key);

impl ScbKey {
    /// The key itself, as `makesecret string="scb secret"` gives it; the caller zeroizes its own copy.
    pub fn new(key: [u8; 32]) -> ScbKey {
        ScbKey(Key::new(key))
    }

    /// The key of a node with this secret: the 32 bytes of an unencrypted `hsm_secret`, or the 64-byte BIP39
    /// seed of a node made from a mnemonic.
    ///
    /// # Errors
    /// `InvalidArgument` for any other length.
    pub fn from_hsm_secret(secret: &[u8]) -> Result<ScbKey> {
        if ![32, 64].contains(&secret.len()) {
            let why = format!("an hsm_secret of {} bytes, not 32 or 64", secret.len());
            return Err(Error::new(Status::InvalidArgument, why));
        }
        let derived = Key::of_hkdf(secret, b"derived secrets");
        Ok(ScbKey(Key::of_hkdf(derived.bytes(), b"scb secret")))
    }

    /// The key's bytes; the caller keeps them out of logs.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.bytes()
    }
}

/// Which of its two messages Core Lightning wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Format {
    /// `static_chan_backup`, the older: no TLVs.
    StaticChanBackup = 6135,
    /// `static_chan_backup_with_tlvs`.
    StaticChanBackupWithTlvs = 6137,
}

impl Format {
    /// The message type.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The name that Core Lightning has for it.
    pub fn name(self) -> &'static str {
        match self {
            Format::StaticChanBackup => "static_chan_backup",
            Format::StaticChanBackupWithTlvs => "static_chan_backup_with_tlvs",
        }
    }

    fn from_number(number: u16) -> Option<Format> {
        let all = [Format::StaticChanBackup, Format::StaticChanBackupWithTlvs];
        all.into_iter().find(|format| format.number() == number)
    }
}

/// Secrets of revoked commitments that the counterparty revealed, in compact form (BOLT 3).
#[derive(Clone, Copy)]
pub struct Shachain<'text> {
    /// Index of the last one revealed: it counts down from 2^48.
    pub min_index: u64,
    entries: &'text [u8],
}

impl<'text> Shachain<'text> {
    /// How many entries there are: at most 49 when Core Lightning wrote it, which is not judged.
    pub fn len(&self) -> usize {
        self.entries.len() / SHACHAIN_ENTRY_BYTES as usize
    }

    /// Whether nothing was revealed yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Index and secret of each; the caller keeps the secrets out of logs.
    pub fn entries(&self) -> impl Iterator<Item = (u64, &'text [u8; 32])> + use<'text> {
        let mut fields = Fields::new(self.entries);
        std::iter::from_fn(move || Some((fields.u64().ok()?, fields.borrowed().ok()?)))
    }

    /// The same as the blob has it: an index of eight bytes and a secret of 32, again and again.
    pub fn bytes(&self) -> &'text [u8] {
        self.entries
    }
}

impl fmt::Debug for Shachain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shachain(from {}, {} entries)", self.min_index, self.len())
    }
}

/// Basepoints of the counterparty (BOLT 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basepoints {
    /// Of revocation keys.
    pub revocation: [u8; 33],
    /// Of its payment key.
    pub payment: [u8; 33],
    /// Of its HTLC keys.
    pub htlc: [u8; 33],
    /// Of its delayed payment keys.
    pub delayed_payment: [u8; 33],
}

/// One channel of a backup. What is not there was not written: the older format has no TLVs.
#[derive(Debug, Clone, Copy)]
pub struct Channel<'text> {
    /// Core Lightning's number of the channel, which its keys are derived with.
    pub dbid: u64,
    /// Which channel.
    pub channel_id: ChannelId,
    /// Its other end.
    pub node_id: NodeId,
    /// Where it was reached last: type byte, address, port (BOLT 7).
    pub address: &'text [u8],
    /// Transaction that funded it, in the byte order of the chain, not as it is shown.
    pub funding_txid: [u8; 32],
    /// Output that funded it.
    pub funding_vout: u32,
    /// Its capacity.
    pub funding_sats: u64,
    /// Feature bits of the channel's type.
    pub channel_type: &'text [u8],
    /// What penalties take.
    pub shachain: Option<Shachain<'text>>,
    /// What our output in the counterparty's commitment takes.
    pub basepoints: Option<Basepoints>,
    /// Who opened it: 0 we, 1 the counterparty, as found.
    pub opener: Option<u8>,
    /// Delay of the counterparty's own output.
    pub to_self_delay_blocks: Option<u16>,
}

/// A backup that was opened.
pub struct Opened {
    format: Format,
    version: u64,
    timestamp_secs: u32,
    count: u16,
    text: Text,
    first: usize,
}

impl Opened {
    /// Which message it is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Its version, as found.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When it was written, Unix seconds.
    pub fn timestamp_secs(&self) -> u32 {
        self.timestamp_secs
    }

    /// Its channels, in the order of the backup.
    pub fn channels(&self) -> impl Iterator<Item = Channel<'_>> {
        let mut fields = Fields::new(self.text.get(self.first..).unwrap_or_default());
        // All were read before, so that none fails.
        (0..self.count).map_while(move |_| read_channel(&mut fields, self.format).ok())
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (format, count) = (self.format.name(), self.count);
        write!(f, "Opened({format}, {count} channels, text of {} bytes)", self.text.len())
    }
}

/// Opens a backup of Core Lightning's.
///
/// # Errors
/// `TooShort`, `AuthFailed`, `BadPayload`, `BadVersion`.
pub fn open(key: &ScbKey, blob: &[u8]) -> Result<Opened, ForeignFault> {
    let text = secretstream::open(&key.0, blob)?;
    let mut fields = Fields::new(&text);
    let format = Format::from_number(fields.u16()?).ok_or(ForeignFault::BadPayload)?;
    let version = fields.u64()?;
    // Before anything of the layout is relied on.
    if (version ^ VERSION) & VERSION_MASK != 0 {
        return Err(ForeignFault::BadVersion);
    }
    let timestamp_secs = fields.u32()?;
    let count = fields.u16()?;
    let first = text.len() - fields.rest().len();
    for _ in 0..count {
        read_channel(&mut fields, format)?;
    }
    Ok(Opened { format, version, timestamp_secs, count, text, first })
}

fn read_channel<'text>(
    fields: &mut Fields<'text>,
    format: Format,
) -> Result<Channel<'text>, ForeignFault> {
    let (dbid, channel_id, node_id) = (fields.u64()?, fields.array()?, fields.array()?);
    if format == Format::StaticChanBackup {
        // A byte that the older message has here and nobody reads.
        fields.u8()?;
    }
    let mut channel = Channel {
        dbid,
        channel_id: ChannelId(channel_id),
        node_id: NodeId(node_id),
        address: address::one(fields)?,
        funding_txid: fields.array()?,
        funding_vout: fields.u32()?,
        funding_sats: fields.u64()?,
        channel_type: &[],
        shachain: None,
        basepoints: None,
        opener: None,
        to_self_delay_blocks: None,
    };
    let type_bytes = fields.u16()?;
    channel.channel_type = fields.take(usize::from(type_bytes))?;
    if format == Format::StaticChanBackupWithTlvs {
        let bytes = fields.u32()?;
        read_records(Records::new(fields.take_stated(u64::from(bytes))?), &mut channel)?;
    }
    Ok(channel)
}

fn read_records<'text>(
    mut records: Records<'text>,
    channel: &mut Channel<'text>,
) -> Result<(), ForeignFault> {
    while let Some((number, mut value)) = records.next()? {
        match number {
            1 => channel.shachain = Some(read_shachain(&mut value)?),
            3 => {
                channel.basepoints = Some(Basepoints {
                    revocation: value.array()?,
                    payment: value.array()?,
                    htlc: value.array()?,
                    delayed_payment: value.array()?,
                });
            }
            5 => channel.opener = Some(value.u8()?),
            7 => channel.to_self_delay_blocks = Some(value.u16()?),
            _ => {
                unknown_record(number)?;
                continue;
            }
        }
        value.end()?;
    }
    Ok(())
}

fn read_shachain<'text>(value: &mut Fields<'text>) -> Result<Shachain<'text>, ForeignFault> {
    let (min_index, count) = (value.u64()?, value.u32()?);
    let entries = value.take_stated(u64::from(count) * SHACHAIN_ENTRY_BYTES)?;
    Ok(Shachain { min_index, entries })
}

/// Seals any text, well-formed or not, to test what only Core Lightning could have made.
#[cfg(any(test, feature = "failpoints"))]
pub fn seal_text(key: &ScbKey, header: [u8; HEADER_BYTES], kind: u8, text: &[u8]) -> Vec<u8> {
    secretstream::seal(&key.0, &header, kind, text)
}
