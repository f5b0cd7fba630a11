//! The rules of `lnkeep::resources` in `compat` mode as something that unit vectors are walked through.

use lnkeep::ShortChannelId;
use lnkeep::resources::average::{DecayingAverage, Revenue, RevenueWindows};
use lnkeep::resources::bucket::{self, Bucket, General as GeneralBucket};
use lnkeep::resources::rules::is_misuse_recent;
use lnkeep::resources::slots::{NodeSalt, assign, compat_pair_salt};
use lnkeep::resources::{Allocation as Divided, ChannelLimits, Mode, Settings};

use super::resource_keeper::{allocation, settings};
use super::resource_traces::{Allocation, Config};
use super::resource_units::{AtRisk, Average, General, Held, Pair, Rules};

pub struct Compat;

impl Rules for Compat {
    fn decaying(window_secs: u64, start_unix_secs: u64) -> Box<dyn Average> {
        Box::new(Decaying { average: DecayingAverage::new(start_unix_secs), window_secs })
    }

    fn aggregated(average_secs: u64, multiplier: u64, start_unix_secs: u64) -> Box<dyn Average> {
        let windows = RevenueWindows { average_secs, tracked_secs: average_secs * multiplier };
        Box::new(Aggregated { revenue: Revenue::new(start_unix_secs), windows })
    }

    fn opportunity_cost(held: &Held) -> u64 {
        of_period(held.period_secs).opportunity_cost_msat(held.held_secs, held.fee_msat)
    }

    fn effective_fee(held: &Held) -> i64 {
        let Held { period_secs, held_secs, fee_msat, accountable, settled } = *held;
        of_period(period_secs).effective_fee_msat(
            accountable,
            settled,
            held_secs,
            fee_msat,
            fee_msat,
        )
    }

    fn htlc_risk(at_risk: &AtRisk) -> u64 {
        let blocks = at_risk.incoming_cltv_expiry.saturating_sub(at_risk.height_added);
        of_period(at_risk.period_secs).risk_msat(blocks, at_risk.fee_msat)
    }

    fn allocation(msat: u64, slots: u16, general: u8, congestion: u8) -> Allocation {
        let settings = Settings {
            general_percent: general,
            congestion_percent: congestion,
            ..of_period(Settings::default().resolution_period_secs)
        };
        let limits = ChannelLimits { max_in_flight_msat: msat, max_accepted_htlcs: slots };
        let divided = Divided::divided(&settings, limits);
        let accepted = Divided::new(&settings, limits);
        let is_usable =
            Self::general(0, divided.general_slots, divided.general_liquidity_msat, [0; 32]);
        assert_eq!(
            accepted.ok(),
            is_usable.map(|_| divided),
            "what has a general bucket is accepted"
        );
        allocation(&divided)
    }

    fn general(scid: u64, slots: u16, msat: u64, node_salt: [u8; 32]) -> Option<Box<dyn General>> {
        let pair_slots = bucket::pair_slots(slots);
        let slot_msat = bucket::slot_msat(Mode::Compat, msat, slots, pair_slots);
        let is_usable = slots >= lnkeep::limits::PAIR_SLOTS_MIN && slot_msat != 0;
        let allocation = Divided {
            general_slots: slots,
            general_liquidity_msat: msat,
            pair_slots,
            slot_msat,
            congestion_slots: 0,
            congestion_liquidity_msat: 0,
            protected_slots: 0,
            protected_liquidity_msat: 0,
        };
        let made = Salted {
            general: GeneralBucket::default(),
            salt: NodeSalt::new(node_salt),
            incoming: ShortChannelId(scid),
            allocation,
        };
        is_usable.then(|| Box::new(made) as Box<dyn General>)
    }

    fn pair_salt(node_salt: &[u8; 32], outgoing: u64) -> [u8; 32] {
        compat_pair_salt(&NodeSalt::new(*node_salt), ShortChannelId(outgoing))
    }

    fn slots(pair: &Pair) -> Option<Vec<u16>> {
        let salt = NodeSalt::new(pair.node_salt);
        let (incoming, outgoing) = (ShortChannelId(pair.incoming), ShortChannelId(pair.outgoing));
        let count = u8::try_from(pair.pair_slots).expect("a pair has few slots");
        let drawn = assign(Mode::Compat, &salt, incoming, outgoing, count, pair.total_slots)?;
        Some(drawn.numbers().to_vec())
    }

    fn misuse_counts(mark_unix_secs: u64, unix_secs: u64) -> bool {
        is_misuse_recent(mark_unix_secs, unix_secs)
    }

    fn is_valid(config: &Config) -> bool {
        settings(Mode::Compat, *config).check().is_ok()
    }
}

fn of_period(resolution_period_secs: u64) -> Settings {
    Settings { mode: Mode::Compat, resolution_period_secs, ..Settings::default() }
}

struct Decaying {
    average: DecayingAverage,
    window_secs: u64,
}

impl Average for Decaying {
    fn add(&mut self, value: i64, unix_secs: u64) -> i64 {
        self.average.add(Mode::Compat, self.window_secs, value, unix_secs)
    }

    fn value(&mut self, unix_secs: u64) -> i64 {
        self.average.read(Mode::Compat, self.window_secs, unix_secs)
    }

    fn raw(&self) -> (i64, u64) {
        (self.average.value_msat, self.average.last_update_secs)
    }
}

struct Aggregated {
    revenue: Revenue,
    windows: RevenueWindows,
}

impl Average for Aggregated {
    fn add(&mut self, value: i64, unix_secs: u64) -> i64 {
        self.revenue.add(Mode::Compat, self.windows, value, unix_secs)
    }

    fn value(&mut self, unix_secs: u64) -> i64 {
        self.revenue.read(Mode::Compat, self.windows, unix_secs)
    }

    fn raw(&self) -> (i64, u64) {
        (self.revenue.total.value_msat, self.revenue.total.last_update_secs)
    }
}

/// A general bucket with what its rules are applied to.
struct Salted {
    general: GeneralBucket,
    salt: NodeSalt,
    incoming: ShortChannelId,
    allocation: Divided,
}

impl Salted {
    /// The bucket as it stands, and what it is a bucket of.
    fn parts(&mut self) -> (&mut GeneralBucket, Bucket<'_>) {
        let (salt, allocation) = (&self.salt, &self.allocation);
        let bucket = Bucket { mode: Mode::Compat, salt, incoming: self.incoming, allocation };
        (&mut self.general, bucket)
    }
}

impl General for Salted {
    fn pair_slots(&self) -> u16 {
        u16::from(self.allocation.pair_slots)
    }

    fn slot_msat(&self) -> u64 {
        self.allocation.slot_msat
    }

    fn add(&mut self, outgoing: u64, amount_msat: u64) -> Option<Vec<u16>> {
        let outgoing = ShortChannelId(outgoing);
        let needed = self.allocation.slots_needed(amount_msat);
        let (general, bucket) = self.parts();
        if !general.fits(bucket, outgoing, needed).ok()? {
            return None;
        }
        let before = general.used_by(outgoing);
        general.take(bucket, outgoing, u8::try_from(needed).expect("what fits a pair is few"));
        let after = general.used_by(outgoing);
        Some(after.into_iter().filter(|slot| !before.contains(slot)).collect())
    }

    /// Whether it fits is the caller's to know: an HTLC releases what it took, no more.
    fn remove(&mut self, outgoing: u64, amount_msat: u64) -> bool {
        let outgoing = ShortChannelId(outgoing);
        let needed = self.allocation.slots_needed(amount_msat);
        let used = self.general.used_by(outgoing).len();
        match u8::try_from(needed).ok().filter(|needed| usize::from(*needed) <= used) {
            None => false,
            Some(count) => {
                self.general.release(outgoing, count);
                true
            }
        }
    }

    /// A channel goes after its last HTLC, so that to drop it is to release what it uses.
    fn drop_channel(&mut self, outgoing: u64) {
        let outgoing = ShortChannelId(outgoing);
        let used = self.general.used_by(outgoing).len();
        self.general.release(outgoing, u8::try_from(used).expect("a pair has few slots"));
    }

    fn occupied(&self) -> Vec<u16> {
        self.general.occupied().numbers()
    }
}
