//! The three buckets that a channel's slots and liquidity are divided into, and what is taken from them.
//!
//! RB1 general, congestion and protected together are the channel, to the slot and the millisatoshi. RB2 in
//! `strict` mode the slots of the general bucket are worth no more than its liquidity, so that bounding
//! slots bounds liquidity, of each pair and of the bucket; the reference's are worth `pair_slots` times as
//! much. RB3 a smaller bucket (a splice out) evicts nobody: what no longer fits a pair's slots is carried,
//! and counted, until it resolves. Pure. Called by `channel` and `decide`.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::rules::{Mode, Settings};
use super::slots::{self, NodeSalt, PairSlots};
use crate::error::{Error, Result, Status};
use crate::limits::{
    HTLC_SLOTS_MAX, HTLC_SLOTS_MIN, IN_FLIGHT_MSAT_MIN, PAIR_SLOTS_MIN, SUPPLY_MSAT,
};
use crate::types::ShortChannelId;

/// Pairs of which nothing is used are forgotten in `strict` mode once there are as many.
const PAIRS_KEPT: usize = 64;

/// What a channel's two ends agreed on for HTLCs that come in through it (BOLT 2 `open_channel`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelLimits {
    /// `max_htlc_value_in_flight_msat`.
    pub max_in_flight_msat: u64,
    /// `max_accepted_htlcs`.
    pub max_accepted_htlcs: u16,
}

/// How the limits of a channel are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// Slots of the general bucket.
    pub general_slots: u16,
    /// Liquidity of the general bucket.
    pub general_liquidity_msat: u64,
    /// General slots that one outgoing channel may use.
    pub pair_slots: u8,
    /// What one general slot carries.
    pub slot_msat: u64,
    /// Slots of the congestion bucket.
    pub congestion_slots: u16,
    /// Liquidity of the congestion bucket.
    pub congestion_liquidity_msat: u64,
    /// Slots of the protected bucket.
    pub protected_slots: u16,
    /// Liquidity of the protected bucket.
    pub protected_liquidity_msat: u64,
}

impl Allocation {
    /// Divides a channel's limits.
    ///
    /// # Errors
    /// `ChannelLimits`, whose value is the bound that was missed.
    pub fn new(settings: &Settings, limits: ChannelLimits) -> Result<Allocation> {
        check_limits(settings.mode, limits)?;
        if settings.mode == Mode::Strict && is_small(limits) {
            return Ok(Allocation::general_only(limits));
        }
        let divided = Allocation::divided(settings, limits);
        let is_whole = divided.general_slots >= PAIR_SLOTS_MIN && divided.slot_msat != 0;
        if is_whole || settings.mode == Mode::Strict {
            return Ok(divided);
        }
        let fact = "the general share leaves fewer than 5 slots, or slots that carry nothing";
        Err(Error::new(Status::ChannelLimits, fact))
    }

    /// The shares of a channel's limits, whether or not a channel may have them.
    pub fn divided(settings: &Settings, limits: ChannelLimits) -> Allocation {
        let (general, congestion) = (settings.general_percent, settings.congestion_percent);
        let slots = |percent| share(u64::from(limits.max_accepted_htlcs), percent) as u16;
        let msat = |percent| share(limits.max_in_flight_msat, percent);
        // A share that is too small for one pair is rounded up to it, at the others' expense.
        let least = if settings.mode == Mode::Strict { PAIR_SLOTS_MIN } else { 0 };
        let general_slots = slots(general).max(least);
        let congestion_slots =
            slots(congestion).min(limits.max_accepted_htlcs.saturating_sub(general_slots));
        let (general_msat, congestion_msat) = (msat(general), msat(congestion));
        let left_slots = limits.max_accepted_htlcs.saturating_sub(general_slots);
        let left_msat = limits.max_in_flight_msat.saturating_sub(general_msat);
        let pair_slots = pair_slots(general_slots);
        Allocation {
            general_slots,
            general_liquidity_msat: general_msat,
            pair_slots,
            slot_msat: slot_msat(settings.mode, general_msat, general_slots, pair_slots),
            congestion_slots,
            congestion_liquidity_msat: congestion_msat,
            protected_slots: left_slots.saturating_sub(congestion_slots),
            protected_liquidity_msat: left_msat.saturating_sub(congestion_msat),
        }
    }

    /// A channel too small to be divided is one general bucket.
    fn general_only(limits: ChannelLimits) -> Allocation {
        let slots = limits.max_accepted_htlcs;
        let pair_slots = pair_slots(slots).min(u8::try_from(slots).unwrap_or(u8::MAX));
        let liquidity = limits.max_in_flight_msat;
        Allocation {
            general_slots: slots,
            general_liquidity_msat: liquidity,
            pair_slots,
            slot_msat: slot_msat(Mode::Strict, liquidity, slots, pair_slots),
            congestion_slots: 0,
            congestion_liquidity_msat: 0,
            protected_slots: 0,
            protected_liquidity_msat: 0,
        }
    }

    /// General slots that an HTLC of this amount takes; more than there are where slots carry nothing.
    pub fn slots_needed(&self, amount_msat: u64) -> u64 {
        match self.slot_msat {
            0 => u64::MAX,
            slot_msat => amount_msat.div_ceil(slot_msat).max(1),
        }
    }

    /// The largest HTLC that may use the congestion bucket.
    pub fn congestion_htlc_max_msat(&self) -> u64 {
        self.congestion_liquidity_msat.checked_div(u64::from(self.congestion_slots)).unwrap_or(0)
    }
}

fn check_limits(mode: Mode, limits: ChannelLimits) -> Result<()> {
    let ChannelLimits { max_in_flight_msat, max_accepted_htlcs } = limits;
    let refused = |fact: &str, bound: u64| {
        let asked = format!("{max_accepted_htlcs} HTLCs, {max_in_flight_msat} msat in flight");
        let error = Error::new(Status::ChannelLimits, format!("{asked}: {fact} {bound}"));
        Err(error.of_channel(None, Some(bound)))
    };
    if max_accepted_htlcs > HTLC_SLOTS_MAX {
        return refused("BOLT 2 allows at most", u64::from(HTLC_SLOTS_MAX));
    }
    if max_in_flight_msat >= SUPPLY_MSAT {
        return refused("there are fewer msat than", SUPPLY_MSAT);
    }
    match mode {
        Mode::Compat if max_accepted_htlcs < HTLC_SLOTS_MIN => {
            refused("HTLCs are at least", u64::from(HTLC_SLOTS_MIN))
        }
        Mode::Compat if max_in_flight_msat < IN_FLIGHT_MSAT_MIN => {
            refused("msat in flight are at least", IN_FLIGHT_MSAT_MIN)
        }
        Mode::Strict if max_accepted_htlcs == 0 => refused("HTLCs are at least", 1),
        Mode::Strict if max_in_flight_msat < u64::from(max_accepted_htlcs) => {
            refused("msat in flight are at least", u64::from(max_accepted_htlcs))
        }
        _ => Ok(()),
    }
}

fn is_small(limits: ChannelLimits) -> bool {
    limits.max_accepted_htlcs < HTLC_SLOTS_MIN || limits.max_in_flight_msat < IN_FLIGHT_MSAT_MIN
}

fn share(total: u64, percent: u8) -> u64 {
    (total as f64 * f64::from(percent) / 100.0).round() as u64
}

/// General slots of one pair: 5 % of the bucket, rounded up, and at least 5.
pub fn pair_slots(general_slots: u16) -> u8 {
    u32::from(general_slots).saturating_mul(5).div_ceil(100).max(u32::from(PAIR_SLOTS_MIN)) as u8
}

/// What one slot of a general bucket carries (RB2).
pub fn slot_msat(mode: Mode, liquidity_msat: u64, slots: u16, pair_slots: u8) -> u64 {
    let worth = match mode {
        Mode::Strict => u128::from(liquidity_msat),
        // The reference gives every slot what the specification gives a whole pair.
        Mode::Compat => u128::from(liquidity_msat) * u128::from(pair_slots),
    };
    let each = worth.checked_div(u128::from(slots)).unwrap_or(0);
    u64::try_from(each).unwrap_or(u64::MAX)
}

/// Slots and liquidity in use, of the congestion or the protected bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// HTLCs in it.
    pub slots: u32,
    /// Their amounts.
    pub msat: u64,
}

impl Usage {
    /// Whether an HTLC of this amount fits beside what is there.
    pub fn fits(&self, amount_msat: u64, slots: u16, liquidity_msat: u64) -> bool {
        let fits = self.msat.checked_add(amount_msat).is_some_and(|sum| sum <= liquidity_msat);
        fits && self.slots < u32::from(slots)
    }

    pub(super) fn take(&mut self, amount_msat: u64) {
        self.slots += 1;
        self.msat = self.msat.saturating_add(amount_msat);
    }

    pub(super) fn release(&mut self, amount_msat: u64) {
        self.slots = self.slots.saturating_sub(1);
        self.msat = self.msat.saturating_sub(amount_msat);
    }
}

/// The general slots that one outgoing channel may use, and those it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) slots: PairSlots,
    /// One bit per slot, in the order of their generation.
    pub(super) used: u32,
    /// `compat` tells the pairs that were looked at since their outgoing channel was added: one more than the
    /// number of the last entry that did; 0 for never.
    pub(super) looked_below: u64,
}

/// A set of slot numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotSet([u64; (HTLC_SLOTS_MAX as usize).div_ceil(64)]);

impl SlotSet {
    fn contains(&self, number: u16) -> bool {
        self.0[usize::from(number / 64)] & (1 << (number % 64)) != 0
    }

    fn insert(&mut self, number: u16) {
        self.0[usize::from(number / 64)] |= 1 << (number % 64);
    }

    fn remove(&mut self, number: u16) {
        self.0[usize::from(number / 64)] &= !(1 << (number % 64));
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The numbers, in rising order.
    pub fn numbers(&self) -> Vec<u16> {
        (0..HTLC_SLOTS_MAX).filter(|number| self.contains(*number)).collect()
    }
}

/// The general bucket of an incoming channel.
#[derive(Debug, Clone, Default)]
pub struct General {
    occupied: SlotSet,
    pairs: HashMap<ShortChannelId, Pair, RandomState>,
    /// Slots of HTLCs that a smaller bucket left without numbers (RB3).
    carried: u32,
    forget_at: usize,
}

/// Whose general bucket it is, and how large.
#[derive(Debug, Clone, Copy)]
pub struct Bucket<'a> {
    /// Whose rules.
    pub mode: Mode,
    /// What the slots of pairs follow from.
    pub salt: &'a NodeSalt,
    /// The channel whose bucket it is.
    pub incoming: ShortChannelId,
    /// Its size.
    pub allocation: &'a Allocation,
}

impl General {
    /// Whether an HTLC that needs so many slots fits among those of its pair that are free.
    ///
    /// # Errors
    /// `SlotAssignment` in `compat` mode.
    pub fn fits(
        &mut self,
        bucket: Bucket<'_>,
        outgoing: ShortChannelId,
        needed: u64,
    ) -> Result<bool> {
        let allocation = bucket.allocation;
        if bucket.mode == Mode::Strict && needed > u64::from(allocation.pair_slots) {
            return Ok(false);
        }
        let pair = *self.pair(bucket, outgoing)?;
        if needed > u64::from(self.free(&pair)) {
            return Ok(false);
        }
        let taken = u64::from(self.carried) + needed;
        let is_carrying = self.carried != 0;
        let slots = u64::from(allocation.general_slots);
        Ok(!is_carrying || u64::from(self.occupied.count()) + taken <= slots)
    }

    fn free(&self, pair: &Pair) -> u32 {
        pair.slots.numbers().iter().map(|number| u32::from(!self.occupied.contains(*number))).sum()
    }

    /// Slots of a pair that are free now.
    pub(super) fn free_of(&mut self, bucket: Bucket<'_>, outgoing: ShortChannelId) -> u32 {
        match self.pair(bucket, outgoing) {
            Ok(pair) => {
                let pair = *pair;
                self.free(&pair)
            }
            Err(_) => 0,
        }
    }

    /// The pair's slots, assigned when it is first looked at. What is kept here is no more than a memory of
    /// what [`slots::assign`] answers.
    pub(super) fn pair(
        &mut self,
        bucket: Bucket<'_>,
        outgoing: ShortChannelId,
    ) -> Result<&mut Pair> {
        if bucket.mode == Mode::Strict && self.pairs.len() >= self.forget_at.max(PAIRS_KEPT) {
            self.pairs.retain(|_, pair| pair.used != 0);
            self.forget_at = self.pairs.len() * 2;
        }
        match self.pairs.entry(outgoing) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(new) => {
                let Bucket { mode, salt, incoming, allocation } = bucket;
                let Allocation { pair_slots, general_slots, .. } = *allocation;
                let slots =
                    slots::assign(mode, salt, incoming, outgoing, pair_slots, general_slots);
                let slots = slots.ok_or_else(|| Error::from(Status::SlotAssignment))?;
                Ok(new.insert(Pair { slots, used: 0, looked_below: 0 }))
            }
        }
    }

    /// Takes the first free slots of a pair; what finds none is carried.
    pub fn take(&mut self, bucket: Bucket<'_>, outgoing: ShortChannelId, needed: u8) {
        let mut left = needed;
        let mut occupied = self.occupied;
        if let Ok(pair) = self.pair(bucket, outgoing) {
            for (index, number) in pair.slots.numbers().iter().enumerate() {
                if left == 0 {
                    break;
                }
                if !occupied.contains(*number) {
                    occupied.insert(*number);
                    pair.used |= 1 << index;
                    left -= 1;
                }
            }
        }
        self.occupied = occupied;
        self.carried += u32::from(left);
    }

    /// Frees as many slots: the first that the pair uses in the order of their generation, then carried ones.
    pub fn release(&mut self, outgoing: ShortChannelId, count: u8) {
        let mut left = count;
        if let Some(pair) = self.pairs.get_mut(&outgoing) {
            while left != 0 && pair.used != 0 {
                let index = pair.used.trailing_zeros();
                pair.used &= pair.used - 1;
                self.occupied.remove(pair.slots.numbers()[index as usize]);
                left -= 1;
            }
        }
        self.carried = self.carried.saturating_sub(u32::from(left));
    }

    /// Marks a pair as looked at by the entry below a number.
    pub(super) fn list(&mut self, bucket: Bucket<'_>, outgoing: ShortChannelId, below: u64) {
        if let Ok(pair) = self.pair(bucket, outgoing) {
            pair.looked_below = pair.looked_below.max(below);
        }
    }

    /// Slots in use, numbered or carried.
    pub(super) fn slots_used(&self) -> u32 {
        self.occupied.count() + self.carried
    }

    /// The slots that the pair uses, in the order of their generation.
    pub fn used_by(&self, outgoing: ShortChannelId) -> Vec<u16> {
        let Some(pair) = self.pairs.get(&outgoing) else {
            return Vec::new();
        };
        let numbers = pair.slots.numbers().iter().enumerate();
        numbers.filter(|(index, _)| pair.used & (1 << index) != 0).map(|(_, slot)| *slot).collect()
    }

    /// The slots that all pairs together use.
    pub fn occupied(&self) -> SlotSet {
        self.occupied
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (ShortChannelId, &Pair)> {
        self.pairs.iter().map(|(outgoing, pair)| (*outgoing, pair))
    }

    /// Forgets looks at pairs that use nothing and whose outgoing channel is not the one that was looked at.
    pub(super) fn forget_looks(&mut self, added_at: impl Fn(ShortChannelId) -> Option<u64>) {
        self.pairs.retain(|outgoing, pair| {
            pair.used != 0 || added_at(*outgoing).is_some_and(|at| pair.looked_below > at)
        });
    }

    pub(super) fn carried(&self) -> u32 {
        self.carried
    }

    /// Takes up what a row says of a pair, and of HTLCs without numbers.
    pub(super) fn restore(
        &mut self,
        bucket: Bucket<'_>,
        outgoing: ShortChannelId,
        (used, looked_below): (u32, u64),
    ) {
        let mut occupied = self.occupied;
        if let Ok(pair) = self.pair(bucket, outgoing) {
            pair.looked_below = looked_below;
            for (index, number) in pair.slots.numbers().iter().enumerate() {
                if used & (1 << index) != 0 {
                    pair.used |= 1 << index;
                    occupied.insert(*number);
                }
            }
        }
        self.occupied = occupied;
    }

    pub(super) fn restore_carried(&mut self, carried: u32) {
        self.carried = carried;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocation(settings: &Settings, slots: u16, msat: u64) -> Allocation {
        let limits = ChannelLimits { max_in_flight_msat: msat, max_accepted_htlcs: slots };
        Allocation::new(settings, limits).unwrap()
    }

    #[test]
    fn the_buckets_are_the_channel_and_strict_slots_are_worth_no_more_than_the_bucket() {
        let settings = Settings::default();
        for slots in 1..=483u16 {
            for msat in [u64::from(slots), 999_999, 1_000_000, 123_456_789_123, SUPPLY_MSAT - 1] {
                let made = allocation(&settings, slots, msat.max(u64::from(slots)));
                let sum = made.general_slots + made.congestion_slots + made.protected_slots;
                assert_eq!(sum, slots);
                let worth = u128::from(made.slot_msat) * u128::from(made.general_slots);
                assert!(worth <= u128::from(made.general_liquidity_msat), "{slots} {msat}");
                assert!(u16::from(made.pair_slots) <= made.general_slots);
                assert!(made.pair_slots >= 5 || u16::from(made.pair_slots) == made.general_slots);
                assert!(made.slot_msat > 0);
            }
        }
    }

    #[test]
    fn a_small_general_share_leaves_the_other_buckets_what_they_are() {
        let limits = ChannelLimits { max_in_flight_msat: 1_000_000_000, max_accepted_htlcs: 50 };
        for general_percent in [0, 1, 8] {
            let settings = Settings { general_percent, ..Settings::default() };
            let made = Allocation::new(&settings, limits).unwrap();
            assert_eq!(
                (made.general_slots, made.congestion_slots, made.protected_slots),
                (5, 10, 35)
            );
            let liquidity = u64::from(general_percent) * 10_000_000;
            assert_eq!((made.general_liquidity_msat, made.slot_msat), (liquidity, liquidity / 5));
            assert_eq!(made.slots_needed(1) == u64::MAX, general_percent == 0);
        }
        let settings =
            Settings { general_percent: 0, congestion_percent: 99, ..Settings::default() };
        let limits = ChannelLimits { max_accepted_htlcs: 12, ..limits };
        let made = Allocation::new(&settings, limits).unwrap();
        assert_eq!((made.general_slots, made.congestion_slots, made.protected_slots), (5, 7, 0));
    }

    #[test]
    fn no_pair_and_no_crowd_of_pairs_takes_more_than_the_general_bucket() {
        let settings = Settings::default();
        let allocation = allocation(&settings, 114, 5_000_000_000);
        let salt = NodeSalt::new([1; 32]);
        let incoming = ShortChannelId(1);
        let bucket = Bucket { mode: Mode::Strict, salt: &salt, incoming, allocation: &allocation };
        let mut general = General::default();
        let mut held_msat = 0;
        for outgoing in 0..2_000 {
            let outgoing = ShortChannelId(outgoing);
            let mut of_pair_msat = 0;
            while general.fits(bucket, outgoing, 1).unwrap() {
                general.take(bucket, outgoing, 1);
                of_pair_msat += allocation.slot_msat;
            }
            let bound = allocation.general_liquidity_msat * u64::from(allocation.pair_slots)
                / u64::from(allocation.general_slots);
            assert!(of_pair_msat <= bound);
            held_msat += of_pair_msat;
        }
        assert_eq!(general.slots_used(), u32::from(allocation.general_slots));
        assert!(held_msat <= allocation.general_liquidity_msat);
    }

    #[test]
    fn what_a_smaller_bucket_leaves_without_numbers_is_counted_and_released() {
        let settings = Settings::default();
        let allocation = allocation(&settings, 483, 5_000_000_000);
        let salt = NodeSalt::new([1; 32]);
        let incoming = ShortChannelId(1);
        let bucket = Bucket { mode: Mode::Strict, salt: &salt, incoming, allocation: &allocation };
        let (mut general, outgoing) = (General::default(), ShortChannelId(2));
        general.take(bucket, outgoing, 14);
        assert_eq!((general.slots_used(), general.carried), (14, 4));
        assert!(!general.fits(bucket, outgoing, 1).unwrap());
        general.release(outgoing, 14);
        assert_eq!((general.slots_used(), general.carried), (0, 0));
        assert!(general.fits(bucket, outgoing, 10).unwrap());
    }
}
