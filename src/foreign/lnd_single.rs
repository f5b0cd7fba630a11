//! One channel of lnd's `channel.backup`: lnd calls it a Single.
//!
//! FE1 the fields fill the bytes exactly, as lnd reads them. FE2 our own keys are places in a wallet, never
//! secrets: only the wallet's seed makes them. FE3 a closing transaction is split into its parts no further
//! than to find its end.

use std::fmt;

use super::ForeignFault;
use super::address;
use super::read::Fields;
use crate::types::{NodeId, ShortChannelId};

/// Versions that are known: 0 to this one.
const VERSION_MAX: u8 = 7;
/// Version of channels with a lease, whose end is written.
const VERSION_LEASE: u8 = 4;
/// Versions of taproot channels, whose closing transaction needs the number of the commitment.
const VERSIONS_TAPROOT: [u8; 3] = [5, 6, 7];
/// Version of taproot channels with a script root of their own.
const VERSION_TAPSCRIPT_ROOT: u8 = 6;

/// Place of a key in lnd's wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyLocator {
    /// Key family.
    pub family: u32,
    /// Index in it.
    pub index: u32,
}

/// Public keys of the counterparty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteKeys {
    /// In the funding output.
    pub multisig: [u8; 33],
    /// Base of revocation keys.
    pub revocation: [u8; 33],
    /// Base of its payment key.
    pub payment: [u8; 33],
    /// Base of its delayed payment keys.
    pub delayed_payment: [u8; 33],
    /// Base of its HTLC keys.
    pub htlc: [u8; 33],
}

/// What the latest commitment can be published from, with the wallet's key: the counterparty's penalty takes
/// everything if it was not the latest.
#[derive(Clone, Copy)]
pub struct CloseTx<'text> {
    /// The commitment, without our signature.
    pub commit_tx: &'text [u8],
    /// The counterparty's signature.
    pub commit_signature: &'text [u8],
    /// Number of the commitment, for taproot channels.
    pub commit_height: Option<u64>,
    /// Root of the funding output's scripts, for the taproot channels that have one.
    pub tapscript_root: Option<[u8; 32]>,
}

impl fmt::Debug for CloseTx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseTx({} bytes, at {:?})", self.commit_tx.len(), self.commit_height)
    }
}

/// Addresses of a channel's other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses<'text> {
    bytes: &'text [u8],
}

impl<'text> Addresses<'text> {
    /// As the file has them, one after the other.
    pub fn bytes(&self) -> &'text [u8] {
        self.bytes
    }

    /// Each one: type byte, address, port (BOLT 7). One of a type that is not known reaches to the end.
    pub fn iter(&self) -> impl Iterator<Item = &'text [u8]> + use<'text> {
        let mut fields = Fields::new(self.bytes);
        std::iter::from_fn(move || address::next(&mut fields).ok().flatten())
    }
}

/// One channel.
#[derive(Debug, Clone, Copy)]
pub struct Channel<'text> {
    /// Whether we opened it.
    pub is_initiator: bool,
    /// Hash of its chain's first block, in the byte order of the chain.
    pub chain_hash: [u8; 32],
    /// Transaction that funded it, in the byte order of the chain, not as it is shown.
    pub funding_txid: [u8; 32],
    /// Output that funded it.
    pub funding_vout: u16,
    /// Its place in the chain; while it was not confirmed only a block, that at which it was published.
    pub short_channel_id: ShortChannelId,
    /// Its other end.
    pub node_id: NodeId,
    /// Where that was reached.
    pub addresses: Addresses<'text>,
    /// Its capacity.
    pub capacity_sat: u64,
    /// Delay of our own output.
    pub local_csv_delay_blocks: u16,
    /// Our keys: multisig, revocation, payment, delayed payment, HTLC.
    pub local_keys: [KeyLocator; 5],
    /// Delay of the counterparty's own output.
    pub remote_csv_delay_blocks: u16,
    /// The counterparty's keys.
    pub remote_keys: RemoteKeys,
    /// Public key of the root that our revocation secrets come from, for old channels.
    pub shachain_root: Option<[u8; 33]>,
    /// Place of that root.
    pub shachain_root_locator: KeyLocator,
    /// Block at which a lease ends.
    pub lease_expiry_height: Option<u32>,
    /// What the latest commitment can be published from.
    pub close_tx: Option<CloseTx<'text>>,
}

impl<'text> Channel<'text> {
    pub(super) fn read(
        version: u8,
        has_close_tx: bool,
        bytes: &'text [u8],
    ) -> Result<Channel<'text>, ForeignFault> {
        if version > VERSION_MAX {
            return Err(ForeignFault::BadPayload);
        }
        let mut fields = Fields::new(bytes);
        let mut channel = read_common(&mut fields)?;
        if version == VERSION_LEASE {
            channel.lease_expiry_height = Some(fields.u32()?);
        }
        if has_close_tx {
            channel.close_tx = Some(read_close_tx(version, &mut fields)?);
        }
        fields.end()?;
        Ok(channel)
    }
}

fn read_common<'text>(fields: &mut Fields<'text>) -> Result<Channel<'text>, ForeignFault> {
    Ok(Channel {
        is_initiator: match fields.u8()? {
            0 => false,
            1 => true,
            _ => return Err(ForeignFault::BadPayload),
        },
        chain_hash: fields.array()?,
        funding_txid: fields.array()?,
        funding_vout: fields.u16()?,
        short_channel_id: ShortChannelId(fields.u64()?),
        node_id: NodeId(fields.array()?),
        addresses: read_addresses(fields)?,
        capacity_sat: fields.u64()?,
        local_csv_delay_blocks: fields.u16()?,
        local_keys: {
            let mut keys = [KeyLocator::default(); 5];
            for key in &mut keys {
                *key = read_locator(fields)?;
            }
            keys
        },
        remote_csv_delay_blocks: fields.u16()?,
        remote_keys: RemoteKeys {
            multisig: fields.array()?,
            revocation: fields.array()?,
            payment: fields.array()?,
            delayed_payment: fields.array()?,
            htlc: fields.array()?,
        },
        shachain_root: Some(fields.array()?).filter(|key| *key != [0; 33]),
        shachain_root_locator: read_locator(fields)?,
        lease_expiry_height: None,
        close_tx: None,
    })
}

fn read_locator(fields: &mut Fields<'_>) -> Result<KeyLocator, ForeignFault> {
    Ok(KeyLocator { family: fields.u32()?, index: fields.u32()? })
}

fn read_addresses<'text>(fields: &mut Fields<'text>) -> Result<Addresses<'text>, ForeignFault> {
    let bytes = fields.u16()?;
    let bytes = fields.take(usize::from(bytes))?;
    let mut all = Fields::new(bytes);
    while address::next(&mut all)?.is_some() {}
    Ok(Addresses { bytes })
}

fn read_close_tx<'text>(
    version: u8,
    fields: &mut Fields<'text>,
) -> Result<CloseTx<'text>, ForeignFault> {
    let begin = fields.rest();
    skip_transaction(fields)?;
    let commit_tx = &begin[..begin.len() - fields.rest().len()];
    let signature_bytes = fields.u16()?;
    let commit_signature = fields.take(usize::from(signature_bytes))?;
    let is_taproot = VERSIONS_TAPROOT.contains(&version);
    let commit_height = if is_taproot { Some(fields.u64()?) } else { None };
    let has_root = version == VERSION_TAPSCRIPT_ROOT;
    let tapscript_root = if has_root { Some(fields.array()?) } else { None };
    Ok(CloseTx { commit_tx, commit_signature, commit_height, tapscript_root })
}

/// A transaction, with or without witnesses (BIP144), to find where it ends.
fn skip_transaction(fields: &mut Fields<'_>) -> Result<(), ForeignFault> {
    fields.take(4)?;
    let mut inputs = fields.compact_size()?;
    // No transaction is without inputs: zero of them marks one with witnesses.
    let has_witnesses = inputs == 0;
    if has_witnesses {
        if fields.u8()? != 1 {
            return Err(ForeignFault::BadPayload);
        }
        inputs = fields.compact_size()?;
    }
    for _ in 0..inputs {
        fields.take(36)?;
        skip_sized(fields)?;
        fields.take(4)?;
    }
    for _ in 0..fields.compact_size()? {
        fields.take(8)?;
        skip_sized(fields)?;
    }
    if has_witnesses {
        for _ in 0..inputs {
            for _ in 0..fields.compact_size()? {
                skip_sized(fields)?;
            }
        }
    }
    fields.take(4).map(|_| ())
}

fn skip_sized(fields: &mut Fields<'_>) -> Result<(), ForeignFault> {
    let bytes = fields.compact_size()?;
    fields.take_stated(bytes).map(|_| ())
}
