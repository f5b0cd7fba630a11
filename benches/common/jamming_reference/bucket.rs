//! Sizes of the three buckets, and the two buckets that only count.

/// More is refused: BOLT 2's cap on max_accepted_htlcs.
pub const HTLCS_MAX: u16 = 483;
/// Fewer is refused: 40 % of 12 are the 5 slots that the general bucket needs.
pub const HTLCS_MIN: u16 = 12;
/// The smallest channel there is, 1000 sat.
pub const IN_FLIGHT_MSAT_MIN: u64 = 1_000_000;
/// All bitcoin there will ever be.
pub const SUPPLY_MSAT: u64 = 2_100_000_000_000_000_000;

/// Slots and liquidity of each bucket of a channel.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub general_slots: u16,
    pub general_msat: u64,
    pub congestion_slots: u16,
    pub congestion_msat: u64,
    pub protected_slots: u16,
    pub protected_msat: u64,
}

impl Sizes {
    /// The shares are rounded, the protected bucket has the rest.
    pub fn new(slots: u16, msat: u64, general_percent: u8, congestion_percent: u8) -> Sizes {
        let share = |total: f64, percent: u8| (total * f64::from(percent) / 100.0).round();
        let general_slots = share(f64::from(slots), general_percent) as u16;
        let congestion_slots = share(f64::from(slots), congestion_percent) as u16;
        let general_msat = share(msat as f64, general_percent) as u64;
        let congestion_msat = share(msat as f64, congestion_percent) as u64;
        Sizes {
            general_slots,
            general_msat,
            congestion_slots,
            congestion_msat,
            protected_slots: slots - general_slots - congestion_slots,
            protected_msat: msat - general_msat - congestion_msat,
        }
    }
}

/// A bucket that knows how much of it is in use, not by whom.
#[derive(Clone, Copy, Debug)]
pub struct CountingBucket {
    pub slots: u16,
    pub msat: u64,
    slots_used: u16,
    msat_used: u64,
}

impl CountingBucket {
    pub fn new(slots: u16, msat: u64) -> CountingBucket {
        CountingBucket { slots, msat, slots_used: 0, msat_used: 0 }
    }

    pub fn used(&self) -> (u16, u64) {
        (self.slots_used, self.msat_used)
    }

    pub fn is_available(&self, amount_msat: u64) -> bool {
        let msat = self.msat_used.checked_add(amount_msat);
        msat.is_some_and(|msat| msat <= self.msat) && self.slots_used < self.slots
    }

    /// Takes a slot that `is_available` has just promised.
    pub fn take(&mut self, amount_msat: u64) {
        assert!(self.is_available(amount_msat), "the bucket was asked before");
        self.slots_used += 1;
        self.msat_used += amount_msat;
    }

    /// Whether there was this much to release.
    #[must_use]
    pub fn release(&mut self, amount_msat: u64) -> bool {
        if self.slots_used == 0 || self.msat_used < amount_msat {
            return false;
        }
        self.slots_used -= 1;
        self.msat_used -= amount_msat;
        true
    }
}
