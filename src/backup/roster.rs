//! The roster: which peers keep what, in every blob, so that one blob tells whom to ask for the others.
//!
//! BN1 a roster never takes room from what it travels with: entries that do not fit are left out, the last
//! first. BN2 what comes out of a blob borrows from it or is no longer than it. BN3 flags that this version
//! does not know are refused: what they would say of the bytes is not guessed.
//! Pure: no clock, no I/O, no randomness. Called by the component, the recovery and hosts in C.

use zeroize::Zeroizing;

use super::stripe::SHARES_MAX;
use crate::error::{Error, Status};
use crate::types::NodeId;

/// Flag of an envelope's header: after the content comes a roster.
pub const FLAG_ROSTER: u16 = 1;
/// Flag of an envelope of kind 0: its content is an object, not the host's payload itself.
pub const FLAG_SNAPSHOT: u16 = 2;
/// Bytes of a roster without entries: generation and count.
pub const ROSTER_HEAD_BYTES: usize = 10;
/// Bytes of the roster's length, which a payload with a roster ends with.
pub const ROSTER_TAIL_BYTES: usize = 2;
/// Bytes of an entry without its address: node id, index, length of the address.
pub const ENTRY_HEAD_BYTES: usize = 35;

/// The index of a peer that keeps no share.
const NO_SHARE: u8 = 255;

/// A peer that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterPeer {
    /// Who it is.
    pub node: NodeId,
    /// The share that it keeps, below 32; none if it keeps none.
    pub index: Option<u8>,
    /// Where it was last reached: an address descriptor of BOLT 7 (type, address, port), or nothing.
    pub address: Vec<u8>,
}

/// Who keeps the shares of a generation, and other peers that may know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    /// Whose shares the indexes speak of.
    pub generation: u64,
    /// Peers, those to be asked first before others.
    pub peers: Vec<RosterPeer>,
}

/// Why the end of a payload is no roster, in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum RosterFault {
    /// A flag that this version does not know.
    #[error("a flag that this version does not know")]
    BadFlags = 16,
    /// The roster is longer than the payload, or its entries than the roster.
    #[error("the roster runs past its end")]
    Truncated = 17,
    /// An index that no share has.
    #[error("an index that no share has")]
    BadIndex = 18,
    /// Bytes after the last entry.
    #[error("bytes after the last entry")]
    TrailingBytes = 19,
}

impl RosterFault {
    /// Every fault, by number.
    pub const ALL: [RosterFault; 4] = [
        RosterFault::BadFlags,
        RosterFault::Truncated,
        RosterFault::BadIndex,
        RosterFault::TrailingBytes,
    ];

    /// The name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            RosterFault::BadFlags => "bad_flags",
            RosterFault::Truncated => "truncated",
            RosterFault::BadIndex => "bad_index",
            RosterFault::TrailingBytes => "trailing_bytes",
        }
    }

    /// The number in the C ABI: faults of shares, rosters and objects share one range.
    pub fn number(self) -> u64 {
        self as u64
    }
}

impl From<RosterFault> for Error {
    fn from(fault: RosterFault) -> Error {
        let message = format!("no roster at the payload's end: {fault}");
        Error::new(Status::BadShare, message).of_channel(None, Some(fault.number()))
    }
}

impl RosterPeer {
    /// The address as an entry carries it. One that its length does not fit, as the longest host names have
    /// (BOLT 7, type 5), is left out: the peer can still be found in the graph.
    fn carried(&self) -> (u8, &[u8]) {
        u8::try_from(self.address.len()).map_or((0, &[]), |bytes| (bytes, &self.address))
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        let is_share = |index: &u8| usize::from(*index) < SHARES_MAX;
        let (address_bytes, address) = self.carried();
        bytes.extend_from_slice(&self.node.0);
        bytes.push(self.index.filter(is_share).unwrap_or(NO_SHARE));
        bytes.push(address_bytes);
        bytes.extend_from_slice(address);
    }
}

impl Roster {
    /// As many entries as fit, in their order; nothing where not even an empty roster fits.
    pub fn encode_within(&self, bytes_max: usize) -> Vec<u8> {
        let bytes_max = bytes_max.min(usize::from(u16::MAX));
        if bytes_max < ROSTER_HEAD_BYTES {
            return Vec::new();
        }
        let mut bytes = self.generation.to_be_bytes().to_vec();
        bytes.extend_from_slice(&[0; 2]);
        let mut count = 0_u16;
        for peer in &self.peers {
            let entry_bytes = ENTRY_HEAD_BYTES + peer.carried().1.len();
            if entry_bytes > bytes_max - bytes.len() {
                break;
            }
            peer.encode(&mut bytes);
            count += 1;
        }
        bytes[8..ROSTER_HEAD_BYTES].copy_from_slice(&count.to_be_bytes());
        bytes
    }

    /// A whole roster, and nothing else.
    fn decode(bytes: &[u8]) -> Result<Roster, RosterFault> {
        let (generation, rest) = take::<8>(bytes)?;
        let (count, mut rest) = take::<2>(rest)?;
        let count = u16::from_be_bytes(count);
        let mut peers = Vec::with_capacity(usize::from(count).min(rest.len() / ENTRY_HEAD_BYTES));
        for _ in 0..count {
            let (peer, after) = decode_peer(rest)?;
            peers.push(peer);
            rest = after;
        }
        if !rest.is_empty() {
            return Err(RosterFault::TrailingBytes);
        }
        Ok(Roster { generation: u64::from_be_bytes(generation), peers })
    }
}

fn decode_peer(bytes: &[u8]) -> Result<(RosterPeer, &[u8]), RosterFault> {
    let (node, rest) = take::<33>(bytes)?;
    let ([index, address_bytes], rest) = take::<2>(rest)?;
    let index = match index {
        NO_SHARE => None,
        index if usize::from(index) < SHARES_MAX => Some(index),
        _ => return Err(RosterFault::BadIndex),
    };
    let address = rest.split_at_checked(usize::from(address_bytes));
    let (address, rest) = address.ok_or(RosterFault::Truncated)?;
    Ok((RosterPeer { node: NodeId(node), index, address: address.to_vec() }, rest))
}

fn take<const BYTES: usize>(bytes: &[u8]) -> Result<([u8; BYTES], &[u8]), RosterFault> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(RosterFault::Truncated)?;
    Ok((*taken, rest))
}

/// The length that a payload with this roster ends with; none where a payload carries no roster.
fn tail_of(roster: &[u8]) -> Option<[u8; ROSTER_TAIL_BYTES]> {
    u16::try_from(roster.len()).ok().filter(|bytes| *bytes > 0).map(u16::to_be_bytes)
}

/// The flag of an envelope whose payload `join` made with this roster.
pub fn flag_of(roster: &[u8]) -> u16 {
    tail_of(roster).map_or(0, |_| FLAG_ROSTER)
}

/// A payload of content and roster. Where `encode_within` gave nothing there is no roster: then the payload
/// is the content alone, and `flag_of` is 0.
pub fn join(content: &[u8], roster: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(match tail_of(roster) {
        Some(tail) => [content, roster, &tail].concat(),
        None => content.to_vec(),
    })
}

/// Content of a payload, and its roster where the flags say that there is one.
pub fn split(flags: u16, payload: &[u8]) -> Result<(&[u8], Option<Roster>), RosterFault> {
    if flags & !(FLAG_ROSTER | FLAG_SNAPSHOT) != 0 {
        return Err(RosterFault::BadFlags);
    }
    if flags & FLAG_ROSTER == 0 {
        return Ok((payload, None));
    }
    let (body, tail) =
        payload.split_last_chunk::<ROSTER_TAIL_BYTES>().ok_or(RosterFault::Truncated)?;
    let roster_bytes = usize::from(u16::from_be_bytes(*tail));
    let content_bytes = body.len().checked_sub(roster_bytes).ok_or(RosterFault::Truncated)?;
    let (content, roster) = body.split_at_checked(content_bytes).ok_or(RosterFault::Truncated)?;
    Ok((content, Some(Roster::decode(roster)?)))
}
