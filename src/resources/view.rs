//! What is known, for people, exports and tests: numbers as they stand, changing nothing.
//!
//! Called by `mod` and `ffi`.

use super::bucket::{Allocation, Bucket, ChannelLimits, Usage};
use super::channel::{BucketKind, Channel, Incoming, Marks, Outgoing, Pending};
use super::decide::{AddRequest, Decision, Fee};
use super::rules::{Settings, has_reputation};
use super::slots::NodeSalt;
use crate::types::ShortChannelId;

/// The numbers that a decision was made from, as they stood before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// The fee that counts: no more than our own policy asks for.
    pub fee_msat: u64,
    /// The fee that its delay is charged with: the default one at least (`strict`).
    pub charged_fee_msat: u64,
    /// What the HTLC would cost if it were held to its end.
    pub htlc_risk_msat: u64,
    /// The outgoing channel's reputation.
    pub outgoing_reputation_msat: i64,
    /// The risk of what is in flight on it.
    pub outgoing_in_flight_risk_msat: u64,
    /// The threshold: what the incoming channel earns us in a revenue window.
    pub incoming_revenue_msat: i64,
    /// Reputation less both risks is at least the threshold.
    pub has_reputation: bool,
    /// An HTLC of the outgoing channel sits in a congestion bucket.
    pub outgoing_uses_congestion: bool,
    /// General slots that the HTLC needs.
    pub general_slots_needed: u64,
    /// General slots of this pair that are free.
    pub pair_slots_free: u32,
    /// General slots in use.
    pub general_slots_used: u32,
    /// General slots of the channel.
    pub general_slots: u32,
    /// In the congestion bucket.
    pub congestion: Usage,
    /// Slots of the congestion bucket.
    pub congestion_slots: u32,
    /// Liquidity of the congestion bucket.
    pub congestion_liquidity_msat: u64,
    /// In the protected bucket.
    pub protected: Usage,
    /// Slots of the protected bucket.
    pub protected_slots: u32,
    /// Liquidity of the protected bucket.
    pub protected_liquidity_msat: u64,
}

/// A decision and what it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// Its grounds.
    pub facts: Facts,
}

/// Looks at both channels without changing them.
pub(super) fn facts(
    settings: &Settings,
    salt: &NodeSalt,
    request: &AddRequest,
    incoming: &mut Incoming,
    outgoing: &Outgoing,
) -> Facts {
    let mode = settings.mode;
    let fee = Fee::of(settings, request);
    let (mut reputation, mut revenue) = (outgoing.reputation, incoming.revenue);
    let window_secs = settings.reputation_window_secs();
    let outgoing_reputation_msat = reputation.read(mode, window_secs, request.unix_secs);
    let incoming_revenue_msat = revenue.read(mode, settings.revenue_windows(), request.unix_secs);
    let htlc_risk_msat = fee.risk_msat(settings, request);
    let in_flight_msat = outgoing.in_flight_risk_msat;
    let allocation = incoming.allocation;
    let bucket = Bucket { mode, salt, incoming: request.incoming, allocation: &allocation };
    Facts {
        fee_msat: fee.earned_msat,
        charged_fee_msat: fee.charged_msat,
        htlc_risk_msat,
        outgoing_reputation_msat,
        outgoing_in_flight_risk_msat: u64::try_from(in_flight_msat).unwrap_or(u64::MAX),
        incoming_revenue_msat,
        has_reputation: has_reputation(
            outgoing_reputation_msat,
            in_flight_msat,
            htlc_risk_msat,
            incoming_revenue_msat,
        ),
        outgoing_uses_congestion: outgoing.in_congestion != 0,
        general_slots_needed: allocation.slots_needed(request.incoming_amount_msat),
        pair_slots_free: incoming.general.free_of(bucket, request.outgoing),
        general_slots_used: incoming.general.slots_used(),
        general_slots: u32::from(allocation.general_slots),
        congestion: incoming.congestion,
        congestion_slots: u32::from(allocation.congestion_slots),
        congestion_liquidity_msat: allocation.congestion_liquidity_msat,
        protected: incoming.protected,
        protected_slots: u32::from(allocation.protected_slots),
        protected_liquidity_msat: allocation.protected_liquidity_msat,
    }
}

/// One channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelView {
    /// Its id.
    pub channel: ShortChannelId,
    /// It waits for its last HTLC.
    pub is_closing: bool,
    /// Its limits.
    pub limits: ChannelLimits,
    /// How they are divided.
    pub allocation: Allocation,
    /// Reputation as outgoing, as stored at `reputation_updated_unix_secs`.
    pub reputation_msat: i64,
    /// When it changed last.
    pub reputation_updated_unix_secs: u64,
    /// Reputation as of the time asked for.
    pub reputation_now_msat: i64,
    /// All revenue as incoming, as stored at `revenue_updated_unix_secs`.
    pub revenue_total_msat: i64,
    /// When it changed last.
    pub revenue_updated_unix_secs: u64,
    /// From when on it was counted.
    pub revenue_start_unix_secs: u64,
    /// Revenue of one window as of the time asked for: the threshold of HTLCs that come in through it.
    pub revenue_now_msat: i64,
    /// Risk of what is in flight out through it.
    pub in_flight_risk_msat: u64,
    /// HTLCs pending out through it.
    pub pending_outgoing: u32,
    /// HTLCs pending that came in through it.
    pub pending_incoming: u32,
    /// HTLCs out through it that sit in a congestion bucket.
    pub outgoing_in_congestion: u32,
    /// General slots in use that have numbers, in rising order.
    pub general_occupied: Vec<u16>,
    /// General slots in use, with those that a smaller bucket left without numbers.
    pub general_slots_used: u32,
    /// Use of the congestion bucket.
    pub congestion: Usage,
    /// Use of the protected bucket.
    pub protected: Usage,
    /// Outgoing channels that share the general bucket, by id.
    pub pairs: Vec<PairView>,
    /// When an outgoing channel last misused the congestion bucket, by id.
    pub misuse: Vec<(ShortChannelId, u64)>,
}

/// The general slots of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairView {
    /// The outgoing channel.
    pub outgoing: ShortChannelId,
    /// Its slots in the order of their generation.
    pub assigned: Vec<u16>,
    /// Those of them that it uses, in the same order.
    pub used: Vec<u16>,
    /// See [`super::bucket::Pair::looked_below`].
    pub(super) looked_below: u64,
}

impl PairView {
    /// Whether it is told: it uses slots, or it was looked at since its outgoing channel was added.
    pub(super) fn is_told(&self, outgoing_added_at: Option<u64>) -> bool {
        let is_of_this_channel = |added_at: u64| self.looked_below > added_at;
        !self.used.is_empty() || outgoing_added_at.is_some_and(is_of_this_channel)
    }
}

/// One pending HTLC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingView {
    /// The channel it arrived on.
    pub incoming: ShortChannelId,
    /// The channel it went out through.
    pub outgoing: ShortChannelId,
    /// Its id on the incoming channel.
    pub htlc_id: u64,
    /// Its amount on the incoming channel.
    pub incoming_amount_msat: u64,
    /// The fee that it pays.
    pub fee_msat: u64,
    /// The signal that it went out with.
    pub outgoing_accountable: bool,
    /// When it was added.
    pub added_unix_secs: u64,
    /// What it would cost if it were held to its end.
    pub risk_msat: u64,
    /// Where its slot and liquidity come from.
    pub bucket: BucketKind,
    /// General slots that it takes.
    pub general_slots: u8,
    /// It would have been failed, had the handle not only been watching.
    pub would_fail: bool,
}

pub(super) fn channel(settings: &Settings, channel: &Channel, unix_secs: u64) -> ChannelView {
    let Channel { incoming, outgoing, .. } = channel;
    let (mut reputation, mut revenue) = (outgoing.reputation, incoming.revenue);
    let window_secs = settings.reputation_window_secs();
    let risk_msat = outgoing.in_flight_risk_msat;
    ChannelView {
        channel: channel.id,
        is_closing: channel.is_closing,
        limits: incoming.limits,
        allocation: incoming.allocation,
        reputation_msat: outgoing.reputation.value_msat,
        reputation_updated_unix_secs: outgoing.reputation.last_update_secs,
        reputation_now_msat: reputation.read(settings.mode, window_secs, unix_secs),
        revenue_total_msat: incoming.revenue.total.value_msat,
        revenue_updated_unix_secs: incoming.revenue.total.last_update_secs,
        revenue_start_unix_secs: incoming.revenue.start_secs,
        revenue_now_msat: revenue.read(settings.mode, settings.revenue_windows(), unix_secs),
        in_flight_risk_msat: u64::try_from(risk_msat).unwrap_or(u64::MAX),
        pending_outgoing: outgoing.pending,
        pending_incoming: u32::try_from(incoming.pending_count()).unwrap_or(u32::MAX),
        outgoing_in_congestion: outgoing.in_congestion,
        general_occupied: incoming.general.occupied().numbers(),
        general_slots_used: incoming.general.slots_used(),
        congestion: incoming.congestion,
        protected: incoming.protected,
        pairs: pairs(incoming),
        misuse: incoming.misuse.iter().map(|(outgoing, at)| (*outgoing, *at)).collect(),
    }
}

fn pairs(incoming: &Incoming) -> Vec<PairView> {
    let is_known = |pair: &super::bucket::Pair| pair.looked_below != 0 || pair.used != 0;
    let known = incoming.general.pairs().filter(|(_, pair)| is_known(pair));
    let mut pairs: Vec<_> = known
        .map(|(outgoing, pair)| {
            let assigned = pair.slots.numbers().to_vec();
            let is_used = |index: &usize| pair.used & (1 << index) != 0;
            let used = (0..assigned.len()).filter(is_used).map(|index| assigned[index]).collect();
            PairView { outgoing, assigned, used, looked_below: pair.looked_below }
        })
        .collect();
    pairs.sort_unstable_by_key(|pair| pair.outgoing);
    pairs
}

pub(super) fn pending(
    settings: &Settings,
    incoming: ShortChannelId,
    htlc: &Pending,
) -> PendingView {
    PendingView {
        incoming,
        outgoing: htlc.outgoing,
        htlc_id: htlc.htlc_id,
        incoming_amount_msat: htlc.incoming_amount_msat,
        fee_msat: htlc.fee_msat,
        outgoing_accountable: htlc.marks.has(Marks::ACCOUNTABLE),
        added_unix_secs: htlc.added_unix_secs,
        risk_msat: settings.risk_msat(htlc.blocks, htlc.charged_msat(settings)),
        bucket: htlc.marks.bucket(),
        general_slots: htlc.general_slots,
        would_fail: htlc.marks.has(Marks::WOULD_FAIL),
    }
}
