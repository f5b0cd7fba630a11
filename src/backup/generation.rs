//! Generations of what is kept by peers, and where their shares lie: the row of the stripe.
//!
//! BG1 in whatever order commits come, the row with the greater revision stays. Pure: no clock, no I/O.
//! Called by the ledger, by commands and at open.

use super::choose::Placement;
use super::envelope::SizeClass;
use super::stripe::{Code, SHARES_MAX};
use crate::store::bytes::Reader;
use crate::types::NodeId;

/// Key of the row of the stripe.
pub(super) const STRIPE_KEY: &[u8] = b"stripe";

/// One state of what is kept: the payload of the host at one time, and HTLCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Number of the first blob that carried it.
    pub number: u64,
    /// How many shares there are, and how many restore it.
    pub code: Code,
    /// Length of its blobs.
    pub size_class: SizeClass,
    /// Every blob carries all of it.
    pub is_whole: bool,
    /// It has HTLCs beside the payload.
    pub has_snapshot: bool,
    /// Bytes of payload and HTLCs together.
    pub object_bytes: u32,
    /// Their SHA-256.
    pub object_sha256: [u8; 32],
    /// SHA-256 of the payload alone.
    pub payload_sha256: [u8; 32],
    /// The host's time when it was made.
    pub made_ms: u64,
}

const GENERATION_BYTES: usize = 96;
/// Most bytes of the row.
pub(super) const STRIPE_BYTES_MAX: u64 = 2_048;
const WHOLE: u8 = 1;
const SNAPSHOT: u8 = 2;

impl Generation {
    fn encode(&self, body: &mut Vec<u8>) {
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        body.extend_from_slice(&self.number.to_le_bytes());
        body.push(self.code.data_shares() as u8);
        body.push(self.code.shares() as u8);
        body.push(flag(self.is_whole, WHOLE) | flag(self.has_snapshot, SNAPSHOT));
        body.push(0);
        body.extend_from_slice(&(self.size_class.bytes() as u32).to_le_bytes());
        body.extend_from_slice(&self.made_ms.to_le_bytes());
        body.extend_from_slice(&self.object_bytes.to_le_bytes());
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&self.object_sha256);
        body.extend_from_slice(&self.payload_sha256);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Generation> {
        let number = reader.u64()?;
        let (data_shares, shares) = (reader.u8()?, reader.u8()?);
        let code = Code::new(usize::from(data_shares), usize::from(shares)).ok()?;
        let flags = reader.u8()?;
        let reserved = reader.u8()?;
        let size_class = SizeClass::from_bytes(reader.u32()? as usize)?;
        let made_ms = reader.u64()?;
        let object_bytes = reader.u32()?;
        let padding = reader.u32()?;
        let generation = Generation {
            number,
            code,
            size_class,
            is_whole: flags & WHOLE != 0,
            has_snapshot: flags & SNAPSHOT != 0,
            object_bytes,
            object_sha256: reader.array()?,
            payload_sha256: reader.array()?,
            made_ms,
        };
        (flags & !(WHOLE | SNAPSHOT) == 0 && reserved == 0 && padding == 0).then_some(generation)
    }
}

/// Where the newest generation lies, and the older one that is known to be restorable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stripe {
    /// Rises with every change (BG1).
    pub revision: u64,
    /// What peers are sent.
    pub newest: Option<Generation>,
    /// The newest one of which more shares than needed came back.
    pub base: Option<Generation>,
    /// Who keeps which share.
    pub placement: Placement,
}

const HAS_NEWEST: u8 = 1;
const HAS_BASE: u8 = 2;

impl Stripe {
    pub(super) fn encode(&self) -> Vec<u8> {
        let places: Vec<_> = self.placement.iter().collect();
        let mut body = Vec::with_capacity(16 + 2 * GENERATION_BYTES + 34 * places.len());
        let flag = |generation: &Option<Generation>, bit: u8| generation.map_or(0, |_| bit);
        body.extend_from_slice(&self.revision.to_le_bytes());
        body.push(flag(&self.newest, HAS_NEWEST) | flag(&self.base, HAS_BASE));
        body.push(places.len() as u8);
        body.extend_from_slice(&[0; 6]);
        for generation in [self.newest, self.base].into_iter().flatten() {
            generation.encode(&mut body);
        }
        for (index, node) in places {
            body.push(index as u8);
            body.extend_from_slice(&node.0);
        }
        body
    }

    pub(super) fn decode(body: &[u8]) -> Option<Stripe> {
        let mut reader = Reader::new(body);
        let revision = reader.u64()?;
        let (flags, count) = (reader.u8()?, usize::from(reader.u8()?));
        let padding: [u8; 6] = reader.array()?;
        if flags & !(HAS_NEWEST | HAS_BASE) != 0 || padding != [0; 6] || count > SHARES_MAX {
            return None;
        }
        let newest = match flags & HAS_NEWEST {
            0 => None,
            _ => Some(Generation::decode(&mut reader)?),
        };
        let base = match flags & HAS_BASE {
            0 => None,
            _ => Some(Generation::decode(&mut reader)?),
        };
        let mut placement = Placement::default();
        for _ in 0..count {
            let (index, node) = (usize::from(reader.u8()?), NodeId(reader.array()?));
            let is_free = placement.node(index).is_none() && placement.set(index, Some(node));
            is_free.then_some(())?;
        }
        reader.is_at_end().then_some(Stripe { revision, newest, base, placement })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(number: u64) -> Generation {
        Generation {
            number,
            code: Code::new(3, 8).unwrap(),
            size_class: SizeClass::Bytes16384,
            is_whole: false,
            has_snapshot: true,
            object_bytes: 70_000,
            object_sha256: [number as u8; 32],
            payload_sha256: [9; 32],
            made_ms: 5,
        }
    }

    #[test]
    fn a_stripe_reads_back_and_damage_does_not() {
        let mut placement = Placement::default();
        assert!(
            placement.set(0, Some(NodeId([2; 33]))) && placement.set(31, Some(NodeId([3; 33])))
        );
        for (newest, base) in [(None, None), (Some(7), None), (Some(7), Some(4)), (None, Some(4))] {
            let (newest, base) = (newest.map(generation), base.map(generation));
            let stripe = Stripe { revision: 1, newest, base, placement };
            let body = stripe.encode();
            assert_eq!(Stripe::decode(&body), Some(stripe));
            assert_eq!(Stripe::decode(&body[..body.len() - 1]), None);
            assert_eq!(Stripe::decode(&[&body[..], &[0]].concat()), None);
            for (place, value) in [(8, 4), (9, 33), (10, 1)] {
                let mut damaged = body.clone();
                damaged[place] = value;
                assert_eq!(Stripe::decode(&damaged), None, "byte {place}");
            }
            let second = body.len() - 34;
            for index in [0, 32] {
                let mut damaged = body.clone();
                damaged[second] = index;
                assert_eq!(Stripe::decode(&damaged), None, "index {index} is taken, or none");
            }
        }
    }

    #[test]
    fn a_generation_has_its_length_and_no_code_that_is_none() {
        let mut body = Vec::new();
        generation(1).encode(&mut body);
        assert_eq!(body.len(), GENERATION_BYTES);
        for (place, value) in [(8, 0), (9, 33), (10, 4), (11, 1), (12, 1), (28, 1)] {
            let mut damaged = body.clone();
            damaged[place] = value;
            assert_eq!(Generation::decode(&mut Reader::new(&damaged)), None, "byte {place}");
        }
    }
}
