//! The pending HTLCs of one incoming channel: found by id in one step, and packed.
//!
//! RQ1 HTLCs lie in one vector without gaps, and a table of 16-bit places finds them: a channel has 483 at
//! most, so what a hash table keeps free costs bytes and not whole HTLCs. Pure. Called by `channel`.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::channel::Pending;
use crate::types::ShortChannelId;

/// By how many HTLCs the vector grows.
const GROWTH: usize = 16;

#[derive(Debug, Clone, Default)]
pub(super) struct Htlcs {
    packed: Vec<Pending>,
    places: HashTable<u16>,
    hasher: RandomState,
}

impl Htlcs {
    /// The most that have places.
    pub(super) const MAX: usize = u16::MAX as usize;

    /// The HTLC of an id that is the one looked for.
    pub(super) fn find(&self, htlc_id: u64, is_it: impl Fn(&Pending) -> bool) -> Option<&Pending> {
        let at = |place: &u16| &self.packed[usize::from(*place)];
        let hash = self.hasher.hash_one(htlc_id);
        self.places.find(hash, |place| at(place).htlc_id == htlc_id && is_it(at(place))).map(at)
    }

    /// Adds one; beyond [`Htlcs::MAX`], which no channel reaches, it is passed over.
    pub(super) fn insert(&mut self, htlc: Pending) {
        let Some(place) = u16::try_from(self.packed.len()).ok().filter(|place| *place < u16::MAX)
        else {
            return;
        };
        if self.packed.len() == self.packed.capacity() {
            self.packed.reserve_exact(GROWTH);
        }
        self.packed.push(htlc);
        let Htlcs { packed, places, hasher } = self;
        let hash_of = |place: &u16| hasher.hash_one(packed[usize::from(*place)].htlc_id);
        places.insert_unique(hasher.hash_one(htlc.htlc_id), place, hash_of);
    }

    pub(super) fn remove(&mut self, htlc_id: u64, outgoing: ShortChannelId) -> Option<Pending> {
        let Htlcs { packed, places, hasher } = self;
        let is_it = |place: &u16| {
            let known = &packed[usize::from(*place)];
            known.htlc_id == htlc_id && known.outgoing == outgoing
        };
        let (place, _) = places.find_entry(hasher.hash_one(htlc_id), is_it).ok()?.remove();
        let removed = packed.swap_remove(usize::from(place));
        // The last one took its place.
        if let Some(moved) = packed.get(usize::from(place)) {
            let before = packed.len() as u16;
            let found = places.find_mut(hasher.hash_one(moved.htlc_id), |known| *known == before);
            if let Some(known) = found {
                *known = place;
            }
        }
        Some(removed)
    }

    pub(super) fn reserve(&mut self, htlcs: usize) {
        self.packed.reserve_exact(htlcs);
    }

    pub(super) fn as_slice(&self) -> &[Pending] {
        &self.packed
    }

    /// To change anything but ids.
    pub(super) fn as_mut_slice(&mut self) -> &mut [Pending] {
        &mut self.packed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::resources::channel::{BucketKind, Marks};

    #[test]
    fn what_was_inserted_and_not_removed_is_found() {
        let (mut htlcs, mut known) = (Htlcs::default(), BTreeMap::new());
        let mut random = 7u64;
        for step in 0..200_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (htlc_id, outgoing) = ((random >> 33) % 300, ShortChannelId((random >> 60) % 3));
            let key = (htlc_id, outgoing);
            if let std::collections::btree_map::Entry::Vacant(free) = known.entry(key) {
                let htlc = Pending {
                    htlc_id,
                    outgoing,
                    incoming_amount_msat: step,
                    fee_msat: 0,
                    added_unix_secs: 0,
                    blocks: 0,
                    general_slots: 0,
                    marks: Marks::new(BucketKind::None, false),
                };
                htlcs.insert(htlc);
                free.insert(htlc);
            } else {
                assert_eq!(htlcs.remove(htlc_id, outgoing), known.remove(&key));
                assert_eq!(htlcs.remove(htlc_id, outgoing), None);
            }
            let is_it = |htlc: &Pending| htlc.outgoing == outgoing;
            assert_eq!(htlcs.find(htlc_id, is_it), known.get(&key));
        }
        let mut left = htlcs.as_slice().to_vec();
        left.sort_unstable_by_key(|htlc| (htlc.htlc_id, htlc.outgoing));
        assert_eq!(left, known.into_values().collect::<Vec<_>>());
    }
}
