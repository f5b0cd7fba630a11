//! The port of the reference's structure as something that traces are walked through.

use std::collections::{BTreeMap, BTreeSet};

use super::resource_traces::{
    AddHtlc, Allocation, Bucket, ChannelState, Config, Diagnosis, Manager, PendingState, Refused,
    Removal, Replayed, Resolution, ResolveHtlc, Verdict,
};

use super::resource_units::{AtRisk, Average, General, Held, Pair, Rules};

#[path = "../../benches/common/jamming_reference/mod.rs"]
pub mod reference;

use reference::average::{AggregatedAverage, DecayingAverage};
use reference::bucket::Sizes;
use reference::general::{GeneralBucket, draw_slots, pair_salt};
use reference::{Channel, ReferenceManager, Refusal, fees};

pub struct Port {
    config: reference::Config,
    manager: ReferenceManager,
}

impl Manager for Port {
    const REPLAYS: bool = true;

    fn open(config: Config, node_salt: [u8; 32]) -> Port {
        let config = reference_config(config);
        let manager = ReferenceManager::new(config, node_salt).expect("valid parameters");
        Port { config, manager }
    }

    fn add_channel(
        &mut self,
        channel: u64,
        max_in_flight_msat: u64,
        max_accepted_htlcs: u16,
        unix_secs: u64,
    ) -> Result<Allocation, Refused> {
        let (slots, msat) = (max_accepted_htlcs, max_in_flight_msat);
        let added = self.manager.add_channel(channel, msat, slots, unix_secs);
        let (sizes, pair_slots, slot_msat) = added.map_err(kind)?;
        Ok(allocation(sizes, pair_slots, slot_msat))
    }

    fn remove_channel(&mut self, channel: u64) -> Result<Removal, Refused> {
        let removed = self.manager.remove_channel(channel).map_err(kind)?;
        Ok(if removed { Removal::Removed } else { Removal::Closing })
    }

    fn add_htlc(&mut self, htlc: &AddHtlc) -> Result<Verdict, Refused> {
        self.manager.add_htlc(&added(htlc)).map(verdict).map_err(kind)
    }

    fn resolve_htlc(&mut self, htlc: &ResolveHtlc) -> Result<Resolution, Refused> {
        let htlc = reference::ResolveHtlc {
            unix_secs: htlc.unix_secs,
            incoming: htlc.incoming,
            outgoing: htlc.outgoing,
            htlc_id: htlc.htlc_id,
            settled: htlc.settled,
        };
        let resolved = self.manager.resolve_htlc(&htlc).map_err(kind)?;
        Ok(if resolved { Resolution::Resolved } else { Resolution::IgnoredFailedReplay })
    }

    /// There is no durable storage to start from: the port answers as one that never stopped.
    fn restart(&mut self) {}

    fn lossy_restart(&mut self) {
        let bytes = self.manager.encode();
        self.manager = ReferenceManager::decode(self.config, &bytes).expect("it was just written");
    }

    fn replay(&mut self, htlcs: &[AddHtlc]) -> Replayed {
        let htlcs: Vec<_> = htlcs.iter().map(added).collect();
        let replayed = self.manager.replay(&htlcs);
        let outcomes = replayed.verdicts.into_iter().map(verdict).collect();
        Replayed { outcomes, aborted_by: replayed.aborted_by.map(kind) }
    }

    fn diagnose(&mut self, htlc: &AddHtlc) -> Option<Diagnosis> {
        let (standing, incoming_revenue_msat) = self.manager.diagnose(&added(htlc))?;
        Some(Diagnosis {
            fee_msat: standing.fee_msat,
            htlc_risk_msat: standing.risk_msat,
            outgoing_reputation_msat: standing.reputation_msat,
            outgoing_in_flight_risk_msat: standing.in_flight_risk_msat,
            incoming_revenue_msat,
            sufficient_reputation: standing.is_sufficient(incoming_revenue_msat),
            outgoing_uses_congestion: standing.uses_congestion,
        })
    }

    fn channels(&mut self) -> Vec<ChannelState> {
        let state = |(scid, channel): (&u64, &Channel)| channel_state(*scid, channel);
        self.manager.with_channels(|channels| channels.iter().map(state).collect())
    }

    fn pending(&mut self) -> Vec<PendingState> {
        self.manager.with_channels(|channels| {
            let all = channels.iter().flat_map(|(outgoing, channel)| {
                channel.pending.iter().map(|((incoming, htlc_id), htlc)| PendingState {
                    outgoing: *outgoing,
                    incoming: *incoming,
                    htlc_id: *htlc_id,
                    incoming_amount_msat: htlc.amount_msat,
                    fee_msat: htlc.fee_msat,
                    accountable: htlc.accountable,
                    unix_secs: htlc.added_unix_secs,
                    in_flight_risk_msat: htlc.risk_msat,
                    bucket: bucket(htlc.bucket),
                })
            });
            all.collect()
        })
    }
}

fn allocation(sizes: Sizes, pair_slots: u16, slot_msat: u64) -> Allocation {
    Allocation {
        general_slots: sizes.general_slots,
        general_liquidity_msat: sizes.general_msat,
        pair_slots,
        slot_msat,
        congestion_slots: sizes.congestion_slots,
        congestion_liquidity_msat: sizes.congestion_msat,
        protected_slots: sizes.protected_slots,
        protected_liquidity_msat: sizes.protected_msat,
    }
}

fn channel_state(scid: u64, channel: &Channel) -> ChannelState {
    let pairs = || channel.general.pairs();
    let used = pairs().map(|(outgoing, slots)| {
        let used = slots.iter().filter(|(_, in_use)| *in_use).map(|(slot, _)| *slot);
        (outgoing, used.collect())
    });
    let assigned =
        pairs().map(|(outgoing, slots)| (outgoing, slots.iter().map(|(slot, _)| *slot).collect()));
    let mut general_used: BTreeMap<_, BTreeSet<_>> = used.collect();
    general_used.retain(|_, slots| !slots.is_empty());
    ChannelState {
        channel: scid,
        closed: channel.closed,
        reputation: channel.reputation.raw(),
        revenue: channel.revenue.raw(),
        in_flight_risk_msat: channel.in_flight_risk_msat(),
        pending: channel.pending.len() as u64,
        congestion: channel.congestion.used(),
        protected: channel.protected.used(),
        general_occupied: channel.general.occupied().collect(),
        general_used,
        misuse: channel.misuse.clone(),
        general_assigned: assigned.collect(),
    }
}

pub fn reference_config(config: Config) -> reference::Config {
    reference::Config {
        general_percent: config.general_percent,
        congestion_percent: config.congestion_percent,
        resolution_period_secs: config.resolution_period_secs,
        revenue_window_secs: config.revenue_window_secs,
        reputation_multiplier: config.reputation_multiplier,
    }
}

fn added(htlc: &AddHtlc) -> reference::AddHtlc {
    reference::AddHtlc {
        unix_secs: htlc.unix_secs,
        incoming: htlc.incoming,
        outgoing: htlc.outgoing,
        htlc_id: htlc.htlc_id,
        incoming_amount_msat: htlc.incoming_amount_msat,
        outgoing_amount_msat: htlc.outgoing_amount_msat,
        incoming_cltv_expiry: htlc.incoming_cltv_expiry,
        height_added: htlc.height_added,
        incoming_accountable: htlc.incoming_accountable,
    }
}

fn verdict(verdict: reference::Verdict) -> Verdict {
    match verdict {
        reference::Verdict::Fail => Verdict::Fail,
        reference::Verdict::Forward { accountable, bucket: chosen } => {
            Verdict::Forward { accountable, bucket: bucket(chosen) }
        }
    }
}

fn bucket(bucket: reference::Bucket) -> Bucket {
    match bucket {
        reference::Bucket::General => Bucket::General,
        reference::Bucket::Congestion => Bucket::Congestion,
        reference::Bucket::Protected => Bucket::Protected,
    }
}

fn kind(refusal: Refusal) -> Refused {
    match refusal {
        Refusal::HtlcCountAboveProtocolLimit => "htlc_count_above_protocol_limit",
        Refusal::InFlightAboveSupply => "in_flight_above_supply",
        Refusal::HtlcCountTooSmall => "htlc_count_too_small",
        Refusal::InFlightTooSmall => "in_flight_too_small",
        Refusal::ChannelExists => "channel_exists",
        Refusal::GeneralBucketTooSmall => "general_bucket_too_small",
        Refusal::UnknownChannel => "unknown_channel",
        Refusal::OutgoingAmountExceedsIncoming => "outgoing_amount_exceeds_incoming",
        Refusal::ExpiryNotAfterHeight => "expiry_not_after_height",
        Refusal::UnknownOutgoingChannel => "unknown_outgoing_channel",
        Refusal::OutgoingChannelClosed => "outgoing_channel_closed",
        Refusal::DuplicateHtlc => "duplicate_htlc",
        Refusal::UnknownIncomingChannel => "unknown_incoming_channel",
        Refusal::IncomingChannelClosed => "incoming_channel_closed",
        Refusal::SlotAssignmentFailed => "slot_assignment_failed",
        Refusal::UnknownHtlc => "unknown_htlc",
        Refusal::ResolvedBeforeAdded => "resolved_before_added",
        Refusal::BucketReleaseFailed => "bucket_release_failed",
    }
}

impl Average for DecayingAverage {
    fn add(&mut self, value: i64, unix_secs: u64) -> i64 {
        DecayingAverage::add(self, value, unix_secs)
    }

    fn value(&mut self, unix_secs: u64) -> i64 {
        self.value_at(unix_secs)
    }

    fn raw(&self) -> (i64, u64) {
        DecayingAverage::raw(self)
    }
}

impl Average for AggregatedAverage {
    fn add(&mut self, value: i64, unix_secs: u64) -> i64 {
        AggregatedAverage::add(self, value, unix_secs)
    }

    fn value(&mut self, unix_secs: u64) -> i64 {
        self.value_at(unix_secs)
    }

    fn raw(&self) -> (i64, u64) {
        let (value, last_update, _) = AggregatedAverage::raw(self);
        (value, last_update)
    }
}

/// A general bucket and the salt that its pairs are drawn with.
struct SaltedBucket {
    bucket: GeneralBucket,
    node_salt: [u8; 32],
}

impl General for SaltedBucket {
    fn pair_slots(&self) -> u16 {
        self.bucket.pair_slots()
    }

    fn slot_msat(&self) -> u64 {
        self.bucket.slot_msat()
    }

    fn add(&mut self, outgoing: u64, amount_msat: u64) -> Option<Vec<u16>> {
        let fits = self.bucket.fits(outgoing, amount_msat, &self.node_salt);
        fits.ok().filter(|fits| *fits)?;
        let mut taken = Vec::new();
        self.bucket.take(outgoing, amount_msat, |slot| taken.push(slot));
        Some(taken)
    }

    fn remove(&mut self, outgoing: u64, amount_msat: u64) -> bool {
        self.bucket.release(outgoing, amount_msat)
    }

    fn drop_channel(&mut self, outgoing: u64) {
        self.bucket.drop_channel(outgoing);
    }

    fn occupied(&self) -> Vec<u16> {
        self.bucket.occupied().collect()
    }
}

impl Rules for Port {
    fn decaying(window_secs: u64, start_unix_secs: u64) -> Box<dyn Average> {
        Box::new(DecayingAverage::new(window_secs, start_unix_secs))
    }

    fn aggregated(window_secs: u64, multiplier: u64, start_unix_secs: u64) -> Box<dyn Average> {
        Box::new(AggregatedAverage::new(window_secs, multiplier, start_unix_secs))
    }

    fn opportunity_cost(held: &Held) -> u64 {
        fees::opportunity_cost(held.held_secs, held.period_secs, held.fee_msat)
    }

    fn effective_fee(held: &Held) -> i64 {
        let Held { period_secs, held_secs, fee_msat, accountable, settled } = *held;
        fees::effective_fee(held_secs, period_secs, fee_msat, accountable, settled)
    }

    fn htlc_risk(at_risk: &AtRisk) -> u64 {
        let AtRisk { period_secs, fee_msat, incoming_cltv_expiry, height_added } = *at_risk;
        fees::htlc_risk(period_secs, fee_msat, incoming_cltv_expiry, height_added)
    }

    fn allocation(msat: u64, slots: u16, general: u8, congestion: u8) -> Allocation {
        allocation(Sizes::new(slots, msat, general, congestion), 0, 0)
    }

    fn general(scid: u64, slots: u16, msat: u64, node_salt: [u8; 32]) -> Option<Box<dyn General>> {
        let bucket = GeneralBucket::new(scid, slots, msat)?;
        Some(Box::new(SaltedBucket { bucket, node_salt }))
    }

    fn pair_salt(node_salt: &[u8; 32], outgoing: u64) -> [u8; 32] {
        pair_salt(node_salt, outgoing)
    }

    fn slots(pair: &Pair) -> Option<Vec<u16>> {
        let salt = pair_salt(&pair.node_salt, pair.outgoing);
        draw_slots(&salt, pair.incoming, pair.outgoing, pair.pair_slots, pair.total_slots)
    }

    fn misuse_counts(mark_unix_secs: u64, unix_secs: u64) -> bool {
        reference::misuse_counts(mark_unix_secs, unix_secs)
    }

    fn is_valid(config: &Config) -> bool {
        reference_config(*config).is_valid()
    }
}
