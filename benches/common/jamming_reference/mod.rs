//! The HTLC resource manager in the structure that the reference has: one mutex around ordered maps, pending
//! HTLCs with the outgoing channel, sums and flags by scan, nothing on disk. The baseline of the benches and
//! the oracle of the tests; it shares no code with the library.
#![allow(dead_code)]

pub mod average;
pub mod bucket;
pub mod fees;
pub mod general;
pub mod restart;

use std::collections::{BTreeMap, BTreeSet};

use average::{AggregatedAverage, DecayingAverage};
use bucket::{CountingBucket, HTLCS_MAX, HTLCS_MIN, IN_FLIGHT_MSAT_MIN, SUPPLY_MSAT, Sizes};
use general::{GeneralBucket, NoSlots};
use parking_lot::Mutex;

/// Revenue is tracked over this many windows, whatever the multiplier of reputation.
pub const REVENUE_WINDOWS: u64 = 6;
/// Two weeks, whatever the revenue window.
pub const MISUSE_SECS: u64 = 1_209_600;

#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub general_percent: u8,
    pub congestion_percent: u8,
    pub resolution_period_secs: u64,
    pub revenue_window_secs: u64,
    pub reputation_multiplier: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            general_percent: 40,
            congestion_percent: 20,
            resolution_period_secs: 90,
            revenue_window_secs: 1_209_600,
            reputation_multiplier: 12,
        }
    }
}

impl Config {
    pub fn is_valid(&self) -> bool {
        let shared = u32::from(self.general_percent) + u32::from(self.congestion_percent);
        shared < 100
            && self.resolution_period_secs > 0
            && self.revenue_window_secs > 0
            && self.reputation_multiplier > 0
    }

    fn reputation_window_secs(&self) -> u64 {
        self.revenue_window_secs.saturating_mul(u64::from(self.reputation_multiplier))
    }
}

/// The reference has one error for all of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    HtlcCountAboveProtocolLimit,
    InFlightAboveSupply,
    HtlcCountTooSmall,
    InFlightTooSmall,
    ChannelExists,
    GeneralBucketTooSmall,
    UnknownChannel,
    OutgoingAmountExceedsIncoming,
    ExpiryNotAfterHeight,
    UnknownOutgoingChannel,
    OutgoingChannelClosed,
    DuplicateHtlc,
    UnknownIncomingChannel,
    IncomingChannelClosed,
    SlotAssignmentFailed,
    UnknownHtlc,
    ResolvedBeforeAdded,
    BucketReleaseFailed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    General,
    Congestion,
    Protected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Forward { accountable: bool, bucket: Bucket },
    Fail,
}

#[derive(Clone, Copy, Debug)]
pub struct AddHtlc {
    pub unix_secs: u64,
    pub incoming: u64,
    pub outgoing: u64,
    pub htlc_id: u64,
    pub incoming_amount_msat: u64,
    pub outgoing_amount_msat: u64,
    pub incoming_cltv_expiry: u32,
    pub height_added: u32,
    pub incoming_accountable: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct ResolveHtlc {
    pub unix_secs: u64,
    pub incoming: u64,
    pub outgoing: u64,
    pub htlc_id: u64,
    pub settled: bool,
}

/// An HTLC as its outgoing channel keeps it.
#[derive(Clone, Copy, Debug)]
pub struct PendingHtlc {
    pub amount_msat: u64,
    pub fee_msat: u64,
    pub accountable: bool,
    pub added_unix_secs: u64,
    pub risk_msat: u64,
    pub bucket: Bucket,
}

/// Reputation and pending HTLCs as an outgoing channel, revenue, buckets and marks as an incoming one.
#[derive(Clone, Debug)]
pub struct Channel {
    pub max_in_flight_msat: u64,
    pub max_accepted_htlcs: u16,
    pub closed: bool,
    pub reputation: DecayingAverage,
    pub revenue: AggregatedAverage,
    pub general: GeneralBucket,
    pub congestion: CountingBucket,
    pub protected: CountingBucket,
    /// By outgoing channel, when it last misused the congestion bucket.
    pub misuse: BTreeMap<u64, u64>,
    /// By incoming channel and id.
    pub pending: BTreeMap<(u64, u64), PendingHtlc>,
}

/// The inputs of the reputation check.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub fee_msat: u64,
    pub risk_msat: u64,
    pub reputation_msat: i64,
    pub in_flight_risk_msat: u64,
    pub uses_congestion: bool,
}

impl Standing {
    pub fn is_sufficient(&self, revenue_msat: i64) -> bool {
        let at_risk = self.reputation_msat.saturating_sub(fees::clamped(self.in_flight_risk_msat));
        at_risk.saturating_sub(fees::clamped(self.risk_msat)) >= revenue_msat
    }
}

impl Channel {
    fn new(
        scid: u64,
        config: &Config,
        max_in_flight_msat: u64,
        max_accepted_htlcs: u16,
        unix_secs: u64,
    ) -> Option<(Channel, Sizes)> {
        let (general, congestion) = (config.general_percent, config.congestion_percent);
        let sizes = Sizes::new(max_accepted_htlcs, max_in_flight_msat, general, congestion);
        let channel = Channel {
            max_in_flight_msat,
            max_accepted_htlcs,
            closed: false,
            reputation: DecayingAverage::new(config.reputation_window_secs(), unix_secs),
            revenue: AggregatedAverage::new(config.revenue_window_secs, REVENUE_WINDOWS, unix_secs),
            general: GeneralBucket::new(scid, sizes.general_slots, sizes.general_msat)?,
            congestion: CountingBucket::new(sizes.congestion_slots, sizes.congestion_msat),
            protected: CountingBucket::new(sizes.protected_slots, sizes.protected_msat),
            misuse: BTreeMap::new(),
            pending: BTreeMap::new(),
        };
        Some((channel, sizes))
    }

    /// Summed anew each time. Only fees that no HTLC has would fill the number.
    pub fn in_flight_risk_msat(&self) -> u64 {
        let accountable = self.pending.values().filter(|htlc| htlc.accountable);
        accountable.fold(0, |sum, htlc| u64::saturating_add(sum, htlc.risk_msat))
    }

    fn uses_congestion(&self) -> bool {
        self.pending.values().any(|htlc| htlc.bucket == Bucket::Congestion)
    }

    /// Where this channel stands as the outgoing one; its reputation decays on the way.
    fn standing(&mut self, config: &Config, htlc: &AddHtlc) -> Standing {
        let fee_msat = htlc.incoming_amount_msat - htlc.outgoing_amount_msat;
        let (expiry, height) = (htlc.incoming_cltv_expiry, htlc.height_added);
        Standing {
            fee_msat,
            risk_msat: fees::htlc_risk(config.resolution_period_secs, fee_msat, expiry, height),
            reputation_msat: self.reputation.value_at(htlc.unix_secs),
            in_flight_risk_msat: self.in_flight_risk_msat(),
            uses_congestion: self.uses_congestion(),
        }
    }

    /// The bucket and the signal of an HTLC that came in through this channel; None fails it.
    fn decide(
        &mut self,
        htlc: &AddHtlc,
        standing: &Standing,
        node_salt: &[u8; 32],
    ) -> Result<Option<(Bucket, bool)>, NoSlots> {
        let amount_msat = htlc.incoming_amount_msat;
        if htlc.incoming_accountable {
            if !standing.is_sufficient(self.revenue.value_at(htlc.unix_secs)) {
                return Ok(None);
            }
            if self.protected.is_available(amount_msat) {
                return Ok(Some((Bucket::Protected, true)));
            }
            let fits = self.general.fits(htlc.outgoing, amount_msat, node_salt)?;
            return Ok(fits.then_some((Bucket::General, true)));
        }
        if self.general.fits(htlc.outgoing, amount_msat, node_salt)? {
            return Ok(Some((Bucket::General, false)));
        }
        if standing.is_sufficient(self.revenue.value_at(htlc.unix_secs))
            && self.protected.is_available(amount_msat)
        {
            return Ok(Some((Bucket::Protected, true)));
        }
        let congestion = self.may_use_congestion(htlc, standing);
        Ok(congestion.then_some((Bucket::Congestion, true)))
    }

    /// The mark is looked at, and dropped if it is old, before it is known whether there is room.
    fn may_use_congestion(&mut self, htlc: &AddHtlc, standing: &Standing) -> bool {
        if standing.uses_congestion || self.congestion.slots == 0 {
            return false;
        }
        if let Some(mark) = self.misuse.get(&htlc.outgoing) {
            if misuse_counts(*mark, htlc.unix_secs) {
                return false;
            }
            self.misuse.remove(&htlc.outgoing);
        }
        let amount_msat = htlc.incoming_amount_msat;
        self.congestion.is_available(amount_msat)
            && amount_msat <= self.congestion.msat / u64::from(self.congestion.slots)
    }

    fn take(&mut self, bucket: Bucket, outgoing: u64, amount_msat: u64) {
        match bucket {
            Bucket::General => self.general.take(outgoing, amount_msat, |_| ()),
            Bucket::Congestion => self.congestion.take(amount_msat),
            Bucket::Protected => self.protected.take(amount_msat),
        }
    }

    #[must_use]
    fn release(&mut self, outgoing: u64, htlc: &PendingHtlc) -> bool {
        match htlc.bucket {
            Bucket::General => self.general.release(outgoing, htlc.amount_msat),
            Bucket::Congestion => self.congestion.release(htlc.amount_msat),
            Bucket::Protected => self.protected.release(htlc.amount_msat),
        }
    }
}

/// Whether a mark of misuse still stands; a clock before the mark does not age it.
pub fn misuse_counts(mark_unix_secs: u64, unix_secs: u64) -> bool {
    unix_secs.saturating_sub(mark_unix_secs) < MISUSE_SECS
}

/// All channels under one lock, which every call takes.
pub struct ReferenceManager {
    config: Config,
    node_salt: [u8; 32],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    channels: BTreeMap<u64, Channel>,
    /// HTLCs that a replay failed: their resolution is expected and means nothing.
    failed_replays: BTreeSet<(u64, u64)>,
}

impl State {
    /// Forgets a channel unless it still has HTLCs in some direction. Whether it did.
    fn forget_unused(&mut self, channel: u64) -> bool {
        let incoming_of = |(incoming, _): &(u64, u64)| *incoming == channel;
        let used = self.channels.get(&channel).is_some_and(|known| !known.pending.is_empty())
            || self.channels.values().any(|other| other.pending.keys().any(incoming_of));
        if used {
            return false;
        }
        self.channels.remove(&channel);
        for other in self.channels.values_mut() {
            other.general.drop_channel(channel);
        }
        true
    }
}

impl ReferenceManager {
    /// None if the parameters are refused.
    pub fn new(config: Config, node_salt: [u8; 32]) -> Option<ReferenceManager> {
        let state = Mutex::new(State::default());
        config.is_valid().then_some(ReferenceManager { config, node_salt, state })
    }

    /// The sizes of the channel's buckets, the general slots of a pair and what one is worth.
    pub fn add_channel(
        &self,
        channel: u64,
        max_in_flight_msat: u64,
        max_accepted_htlcs: u16,
        unix_secs: u64,
    ) -> Result<(Sizes, u16, u64), Refusal> {
        if max_accepted_htlcs > HTLCS_MAX {
            return Err(Refusal::HtlcCountAboveProtocolLimit);
        }
        if max_in_flight_msat >= SUPPLY_MSAT {
            return Err(Refusal::InFlightAboveSupply);
        }
        if max_accepted_htlcs < HTLCS_MIN {
            return Err(Refusal::HtlcCountTooSmall);
        }
        if max_in_flight_msat < IN_FLIGHT_MSAT_MIN {
            return Err(Refusal::InFlightTooSmall);
        }
        let mut state = self.state.lock();
        if state.channels.contains_key(&channel) {
            return Err(Refusal::ChannelExists);
        }
        let (slots, msat) = (max_accepted_htlcs, max_in_flight_msat);
        let (made, sizes) = Channel::new(channel, &self.config, msat, slots, unix_secs)
            .ok_or(Refusal::GeneralBucketTooSmall)?;
        let (pair_slots, slot_msat) = (made.general.pair_slots(), made.general.slot_msat());
        state.channels.insert(channel, made);
        Ok((sizes, pair_slots, slot_msat))
    }

    /// Whether the channel is forgotten; if not, it is closed and waits for its HTLCs.
    pub fn remove_channel(&self, channel: u64) -> Result<bool, Refusal> {
        let mut state = self.state.lock();
        if !state.channels.contains_key(&channel) {
            return Err(Refusal::UnknownChannel);
        }
        if state.forget_unused(channel) {
            return Ok(true);
        }
        state.channels.get_mut(&channel).expect("a channel in use stays").closed = true;
        Ok(false)
    }

    pub fn add_htlc(&self, htlc: &AddHtlc) -> Result<Verdict, Refusal> {
        self.add_locked(&mut self.state.lock().channels, htlc)
    }

    fn add_locked(
        &self,
        channels: &mut BTreeMap<u64, Channel>,
        htlc: &AddHtlc,
    ) -> Result<Verdict, Refusal> {
        check_arguments(htlc)?;
        let outgoing = channels.get_mut(&htlc.outgoing).ok_or(Refusal::UnknownOutgoingChannel)?;
        if outgoing.closed {
            return Err(Refusal::OutgoingChannelClosed);
        }
        let key = (htlc.incoming, htlc.htlc_id);
        if outgoing.pending.contains_key(&key) {
            return Err(Refusal::DuplicateHtlc);
        }
        let standing = outgoing.standing(&self.config, htlc);
        let incoming = channels.get_mut(&htlc.incoming).ok_or(Refusal::UnknownIncomingChannel)?;
        if incoming.closed {
            return Err(Refusal::IncomingChannelClosed);
        }
        let decided = incoming.decide(htlc, &standing, &self.node_salt);
        let Some((bucket, accountable)) =
            decided.map_err(|NoSlots| Refusal::SlotAssignmentFailed)?
        else {
            return Ok(Verdict::Fail);
        };
        incoming.take(bucket, htlc.outgoing, htlc.incoming_amount_msat);
        let pending = PendingHtlc {
            amount_msat: htlc.incoming_amount_msat,
            fee_msat: standing.fee_msat,
            accountable,
            added_unix_secs: htlc.unix_secs,
            risk_msat: standing.risk_msat,
            bucket,
        };
        let outgoing = channels.get_mut(&htlc.outgoing).expect("it was there before");
        outgoing.pending.insert(key, pending);
        Ok(Verdict::Forward { accountable, bucket })
    }

    /// Whether anything was resolved; not if a replay had failed the HTLC.
    pub fn resolve_htlc(&self, htlc: &ResolveHtlc) -> Result<bool, Refusal> {
        let mut state = self.state.lock();
        let key = (htlc.incoming, htlc.htlc_id);
        if state.failed_replays.remove(&key) {
            return Ok(false);
        }
        let outgoing =
            state.channels.get_mut(&htlc.outgoing).ok_or(Refusal::UnknownOutgoingChannel)?;
        let pending = outgoing.pending.remove(&key).ok_or(Refusal::UnknownHtlc)?;
        let period_secs = self.config.resolution_period_secs;
        let outgoing_closed = outgoing.closed;
        let held_secs = htlc.unix_secs.checked_sub(pending.added_unix_secs);
        if let Some(held_secs) = held_secs {
            let (fee_msat, accountable) = (pending.fee_msat, pending.accountable);
            let effective_fee =
                fees::effective_fee(held_secs, period_secs, fee_msat, accountable, htlc.settled);
            outgoing.reputation.add(effective_fee, htlc.unix_secs);
        }
        let incoming =
            state.channels.get_mut(&htlc.incoming).ok_or(Refusal::UnknownIncomingChannel)?;
        if !incoming.release(htlc.outgoing, &pending) {
            return Err(Refusal::BucketReleaseFailed);
        }
        if pending.bucket == Bucket::Congestion && held_secs.unwrap_or(0) > period_secs {
            incoming.misuse.insert(htlc.outgoing, htlc.unix_secs);
        }
        if htlc.settled && held_secs.is_some() {
            incoming.revenue.add(fees::clamped(pending.fee_msat), htlc.unix_secs);
        }
        let incoming_closed = incoming.closed;
        if incoming_closed {
            state.forget_unused(htlc.incoming);
        }
        if outgoing_closed {
            state.forget_unused(htlc.outgoing);
        }
        held_secs.map(|_| true).ok_or(Refusal::ResolvedBeforeAdded)
    }

    /// What the reputation check of an HTLC would see, and the threshold. None if the HTLC would not get
    /// that far. Works on copies.
    pub fn diagnose(&self, htlc: &AddHtlc) -> Option<(Standing, i64)> {
        let state = self.state.lock();
        let open = |channel| state.channels.get(channel).filter(|known: &&Channel| !known.closed);
        let (outgoing, incoming) = (open(&htlc.outgoing)?, open(&htlc.incoming)?);
        check_arguments(htlc).ok()?;
        let standing = outgoing.clone().standing(&self.config, htlc);
        let mut revenue = incoming.revenue;
        Some((standing, revenue.value_at(htlc.unix_secs)))
    }

    /// Lets a test or a bench look at the channels.
    pub fn with_channels<T>(&self, look: impl FnOnce(&BTreeMap<u64, Channel>) -> T) -> T {
        look(&self.state.lock().channels)
    }
}

fn check_arguments(htlc: &AddHtlc) -> Result<(), Refusal> {
    if htlc.outgoing_amount_msat > htlc.incoming_amount_msat {
        return Err(Refusal::OutgoingAmountExceedsIncoming);
    }
    if htlc.height_added >= htlc.incoming_cltv_expiry {
        return Err(Refusal::ExpiryNotAfterHeight);
    }
    Ok(())
}
