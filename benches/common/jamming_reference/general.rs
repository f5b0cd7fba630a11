//! The general bucket: every pair of channels draws its own few slots of it.

use std::collections::btree_map::{BTreeMap, Entry};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Fewer make no bucket; also what a pair gets at least, and the share in percent that it gets.
const SLOTS_MIN: u16 = 5;
const DRAWS_PER_SLOT: usize = 10;

/// A slot of a pair and whether the pair occupies it.
type PairSlot = (u16, bool);

#[derive(Clone, Debug)]
pub struct GeneralBucket {
    scid: u64,
    slots: u16,
    pair_slots: u16,
    slot_msat: u64,
    occupied: Vec<bool>,
    /// By outgoing channel, in the order of generation.
    pairs: BTreeMap<u64, Vec<PairSlot>>,
}

/// The slots of a pair could not be drawn: too few slots to draw from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSlots;

impl GeneralBucket {
    /// None if the bucket would have too few slots or slots of no value.
    pub fn new(scid: u64, slots: u16, msat: u64) -> Option<GeneralBucket> {
        if slots < SLOTS_MIN {
            return None;
        }
        let pair_slots = SLOTS_MIN.max((slots * SLOTS_MIN).div_ceil(100));
        // A quotient of at most the liquidity: it fits.
        let slot_msat = (u128::from(msat) * u128::from(pair_slots) / u128::from(slots)) as u64;
        if slot_msat == 0 {
            return None;
        }
        let occupied = vec![false; usize::from(slots)];
        Some(GeneralBucket { scid, slots, pair_slots, slot_msat, occupied, pairs: BTreeMap::new() })
    }

    pub fn pair_slots(&self) -> u16 {
        self.pair_slots
    }

    pub fn slot_msat(&self) -> u64 {
        self.slot_msat
    }

    pub fn occupied(&self) -> impl Iterator<Item = u16> {
        (0..self.slots).filter(|slot| self.occupied[usize::from(*slot)])
    }

    pub fn pairs(&self) -> impl Iterator<Item = (u64, &[PairSlot])> {
        self.pairs.iter().map(|(outgoing, slots)| (*outgoing, &slots[..]))
    }

    fn needed(&self, amount_msat: u64) -> usize {
        usize::try_from(amount_msat.div_ceil(self.slot_msat).max(1)).unwrap_or(usize::MAX)
    }

    /// Whether an HTLC fits into the free slots of its pair. The pair has its slots from then on.
    pub fn fits(
        &mut self,
        outgoing: u64,
        amount_msat: u64,
        node_salt: &[u8; 32],
    ) -> Result<bool, NoSlots> {
        let needed = self.needed(amount_msat);
        let (scid, slots, pair_slots) = (self.scid, self.slots, self.pair_slots);
        let pair = match self.pairs.entry(outgoing) {
            Entry::Occupied(pair) => pair.into_mut(),
            Entry::Vacant(place) => {
                let salt = pair_salt(node_salt, outgoing);
                let drawn = draw_slots(&salt, scid, outgoing, pair_slots, slots).ok_or(NoSlots)?;
                place.insert(drawn.into_iter().map(|slot| (slot, false)).collect())
            }
        };
        let free = pair.iter().filter(|(slot, _)| !self.occupied[usize::from(*slot)]);
        Ok(free.count() >= needed)
    }

    /// Takes the first free slots of a pair, which `fits` has just promised, and names each.
    pub fn take(&mut self, outgoing: u64, amount_msat: u64, mut taken: impl FnMut(u16)) {
        let mut missing = self.needed(amount_msat);
        for (slot, in_use) in self.pairs.get_mut(&outgoing).expect("the pair was asked before") {
            if missing > 0 && !self.occupied[usize::from(*slot)] {
                self.occupied[usize::from(*slot)] = true;
                *in_use = true;
                taken(*slot);
                missing -= 1;
            }
        }
        assert_eq!(missing, 0, "the pair was asked before");
    }

    /// Frees the first slots that the pair occupies, not always those that the HTLC took; whether it
    /// occupied as many.
    #[must_use]
    pub fn release(&mut self, outgoing: u64, amount_msat: u64) -> bool {
        let needed = self.needed(amount_msat);
        let Some(pair) = self.pairs.get_mut(&outgoing) else {
            return false;
        };
        if pair.iter().filter(|(_, in_use)| *in_use).count() < needed {
            return false;
        }
        for (slot, in_use) in pair.iter_mut().filter(|(_, in_use)| *in_use).take(needed) {
            self.occupied[usize::from(*slot)] = false;
            *in_use = false;
        }
        true
    }

    /// Forgets an outgoing channel and frees what it occupied.
    pub fn drop_channel(&mut self, outgoing: u64) {
        for (slot, in_use) in self.pairs.remove(&outgoing).into_iter().flatten() {
            if in_use {
                self.occupied[usize::from(slot)] = false;
            }
        }
    }
}

pub fn pair_salt(node_salt: &[u8; 32], outgoing: u64) -> [u8; 32] {
    Sha256::new().chain_update(node_salt).chain_update(outgoing.to_be_bytes()).finalize().into()
}

/// The slots of a pair in the order in which they are drawn. The words of the stream pile up in a register
/// that is never cleared: the reference encrypts in place.
pub fn draw_slots(
    pair_salt: &[u8; 32],
    incoming: u64,
    outgoing: u64,
    pair_slots: u16,
    slots: u16,
) -> Option<Vec<u16>> {
    // RFC 8439's nonce of 12 bytes is the high half of the incoming id and the outgoing id, both big-endian.
    // This generator has a block counter of 64 bit and a stream number of 64 bit in the same place.
    let mut stream = ChaCha20Rng::from_seed(*pair_salt);
    let high_half = ((incoming >> 32) as u32).swap_bytes();
    stream.set_stream(outgoing.swap_bytes());
    stream.set_word_pos((u128::from(high_half) << 32) * 16);
    let mut register = 0;
    let mut drawn = Vec::with_capacity(usize::from(pair_slots));
    for _ in 0..usize::from(pair_slots) * DRAWS_PER_SLOT {
        register ^= stream.next_u32();
        let slot = (register % u32::from(slots)) as u16;
        if !drawn.contains(&slot) {
            drawn.push(slot);
            if drawn.len() == usize::from(pair_slots) {
                return Some(drawn);
            }
        }
    }
    None
}
