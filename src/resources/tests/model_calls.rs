//! The model's other calls: resolutions, channels, what a node says that it has, and history.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Average, Channel, Htlc, Model};
use crate::resources::{
    AddRequest, Allocation, BucketKind, ChannelLimits, ForwardRow, Imported, LiveHtlc, Reconciled,
    Removal, ResolveRequest, Settings, Upgrade,
};
use crate::{ShortChannelId, Status};

/// Resolutions of a channel that a repeat is recognised by, and marks from which old ones are swept.
const KEPT: usize = 16;

/// How strict rules divide a channel, or the reason not to.
fn divided(settings: &Settings, limits: ChannelLimits) -> Result<Allocation, Status> {
    let (slots, msat) = (limits.max_accepted_htlcs, limits.max_in_flight_msat);
    if slots > 483 || slots == 0 || msat >= 2_100_000_000_000_000_000 || msat < u64::from(slots) {
        return Err(Status::ChannelLimits);
    }
    let share = |of: u64, percent: u8| (of as f64 * f64::from(percent) / 100.0).round() as u64;
    // Whatever is divided has a general bucket of 5 slots, at the others' expense.
    let mut general_slots = (share(u64::from(slots), settings.general_percent) as u16).max(5);
    let congestion_slots = share(u64::from(slots), settings.congestion_percent) as u16;
    let mut congestion_slots = congestion_slots.min(slots.saturating_sub(general_slots));
    let mut general_liquidity_msat = share(msat, settings.general_percent);
    let mut congestion_liquidity_msat = share(msat, settings.congestion_percent);
    if slots < 12 || msat < 1_000_000 {
        (general_slots, general_liquidity_msat) = (slots, msat);
        (congestion_slots, congestion_liquidity_msat) = (0, 0);
    }
    let five_percent = (u64::from(general_slots) * 5).div_ceil(100);
    Ok(Allocation {
        general_slots,
        general_liquidity_msat,
        pair_slots: five_percent.max(5).min(u64::from(general_slots)) as u8,
        slot_msat: general_liquidity_msat / u64::from(general_slots),
        congestion_slots,
        congestion_liquidity_msat,
        protected_slots: slots - general_slots - congestion_slots,
        protected_liquidity_msat: msat - general_liquidity_msat - congestion_liquidity_msat,
    })
}

impl Model {
    /// Whether it was resolved before, and what it did to the reputation.
    pub(super) fn resolve(&mut self, request: &ResolveRequest) -> Result<(bool, i64), Status> {
        if !self.channels.contains_key(&request.outgoing) {
            return Err(Status::UnknownChannel);
        }
        let ResolveRequest { incoming, outgoing, htlc_id, settled, unix_secs } = *request;
        let is_it =
            |htlc: &Htlc| (htlc.incoming, htlc.outgoing, htlc.id) == (incoming, outgoing, htlc_id);
        let Some(place) = self.pending.iter().position(is_it) else {
            let known = self.channels.get(&incoming).map_or(&[][..], |channel| &channel.resolved);
            let mut newest_first = known.iter().rev();
            let last = newest_first.find(|(id, to, _)| (*id, *to) == (htlc_id, outgoing));
            let is_repeat = last.is_some_and(|(_, _, as_settled)| *as_settled == settled);
            return if is_repeat { Ok((true, 0)) } else { Err(Status::UnknownHtlc) };
        };
        let htlc = self.pending.remove(place);
        self.release_general(&htlc);
        let effect = self.count(&htlc, settled, unix_secs.max(htlc.added_secs));
        let incoming = self.channels.get_mut(&incoming).expect("it had an HTLC");
        incoming.resolved.push((htlc_id, outgoing, settled));
        let too_many = incoming.resolved.len().saturating_sub(KEPT);
        incoming.resolved.drain(..too_many);
        for id in [request.incoming, request.outgoing] {
            if self.channels.get(&id).is_some_and(|channel| channel.is_closing)
                && self.is_unused(id)
            {
                self.channels.remove(&id);
            }
        }
        Ok((false, effect))
    }

    /// What a resolution does to averages and marks.
    fn count(&mut self, htlc: &Htlc, settled: bool, secs: u64) -> i64 {
        let held_secs = secs - htlc.added_secs;
        let is_slow = held_secs > self.settings.resolution_period_secs;
        let earned = if settled { htlc.earned_msat as i64 } else { 0 };
        let effect = match (htlc.is_accountable, is_slow) {
            (true, _) => earned - self.cost_msat(held_secs, htlc.charged_msat) as i64,
            (false, false) => earned,
            (false, true) => 0,
        };
        let window_secs = self.reputation_window_secs();
        if effect != 0 {
            let outgoing = self.channels.get_mut(&htlc.outgoing).expect("it had an HTLC");
            outgoing.reputation.add(window_secs, effect, secs);
        }
        let remembered_secs = self.settings.revenue_window_secs * 6;
        let incoming = self.channels.get_mut(&htlc.incoming).expect("it had an HTLC");
        if earned != 0 {
            incoming.revenue.add(remembered_secs, earned, secs);
        }
        if htlc.congestion_msat.is_some() && is_slow {
            if incoming.misuse.len() >= KEPT {
                incoming.misuse.retain(|_, at| secs.saturating_sub(*at) < 14 * 24 * 3_600);
            }
            let at = incoming.misuse.entry(htlc.outgoing).or_insert(secs);
            *at = secs.max(*at);
        }
        effect
    }

    /// The first slots in use of the pair are free; what had no number leaves first of nothing.
    fn release_general(&mut self, htlc: &Htlc) {
        if let Some(places) = self.used.get_mut(&(htlc.incoming, htlc.outgoing)) {
            let released: Vec<_> =
                places.iter().copied().take(htlc.general_slots as usize).collect();
            released.iter().for_each(|place| {
                places.remove(place);
            });
        }
    }

    fn is_unused(&self, id: ShortChannelId) -> bool {
        !self.pending.iter().any(|htlc| htlc.incoming == id || htlc.outgoing == id)
    }

    pub(super) fn add_channel(
        &mut self,
        id: ShortChannelId,
        limits: ChannelLimits,
        unix_secs: u64,
    ) -> Result<(Allocation, bool), Status> {
        let allocation = divided(&self.settings, limits)?;
        if let Some(known) = self.channels.get(&id) {
            let is_same = known.limits == limits && !known.is_closing;
            return if is_same { Ok((allocation, true)) } else { Err(Status::DuplicateChannel) };
        }
        let nothing = Average { at_secs: unix_secs, ..Average::default() };
        let channel = Channel {
            limits,
            allocation,
            is_closing: false,
            reputation: nothing,
            revenue: nothing,
            revenue_start_secs: unix_secs,
            has_reputation_past: false,
            has_revenue_past: false,
            misuse: BTreeMap::new(),
            resolved: Vec::new(),
        };
        self.channels.insert(id, channel);
        Ok((allocation, false))
    }

    pub(super) fn remove_channel(&mut self, id: ShortChannelId) -> Result<Removal, Status> {
        let is_unused = self.is_unused(id);
        let channel = self.channels.get_mut(&id).ok_or(Status::UnknownChannel)?;
        if is_unused {
            self.channels.remove(&id);
            return Ok(Removal::Removed);
        }
        channel.is_closing = true;
        Ok(Removal::Closing)
    }

    /// Every HTLC stays, and takes the general slots of its amount anew, by id.
    pub(super) fn resize_channel(
        &mut self,
        id: ShortChannelId,
        limits: ChannelLimits,
    ) -> Result<Allocation, Status> {
        let allocation = divided(&self.settings, limits)?;
        let channel = self.channels.get_mut(&id).ok_or(Status::UnknownChannel)?;
        if channel.is_closing {
            return Err(Status::ChannelClosing);
        }
        if channel.limits == limits {
            return Ok(allocation);
        }
        (channel.limits, channel.allocation) = (limits, allocation);
        self.used.retain(|(incoming, _), _| *incoming != id);
        let in_general = |htlc: &&Htlc| htlc.incoming == id && htlc.general_slots != 0;
        let by_id: BTreeSet<_> =
            self.pending.iter().filter(in_general).map(|htlc| (htlc.id, htlc.outgoing)).collect();
        for (htlc_id, outgoing) in by_id {
            let is_it = |htlc: &Htlc| (htlc.incoming, htlc.id) == (id, htlc_id);
            let place = self.pending.iter().position(is_it).expect("it is pending");
            let htlc = &self.pending[place];
            let elsewhere = match htlc.bucket {
                BucketKind::Several => {
                    htlc.protected_msat.unwrap_or(0) + htlc.congestion_msat.unwrap_or(0)
                }
                _ => 0,
            };
            let needed = self.slots_needed(id, htlc.amount_msat - elsewhere).min(255);
            self.pending[place].general_slots = needed;
            self.take_general(id, outgoing, needed);
        }
        Ok(allocation)
    }

    /// Nothing is dropped: no HTLC of the model is older than its session.
    pub(super) fn reconcile(&mut self, live: &[LiveHtlc]) -> Reconciled {
        let mut report = Reconciled::default();
        for htlc in live {
            let are_known =
                [htlc.incoming, htlc.outgoing].map(|id| self.channels.contains_key(&id));
            let is_it = |known: &&Htlc| (known.incoming, known.id) == (htlc.incoming, htlc.htlc_id);
            let known = self.pending.iter().find(is_it);
            if are_known != [true, true] {
                report.unknown_channel += 1;
            } else if let Some(known) = known {
                let is_same = known.outgoing == htlc.outgoing
                    && known.amount_msat == htlc.incoming_amount_msat;
                report.kept += u64::from(is_same);
                report.different += u64::from(!is_same);
            } else {
                self.track(htlc);
                report.added += 1;
            }
        }
        report
    }

    fn track(&mut self, live: &LiveHtlc) {
        let request = AddRequest {
            incoming: live.incoming,
            outgoing: live.outgoing,
            htlc_id: live.htlc_id,
            incoming_amount_msat: live.incoming_amount_msat,
            outgoing_amount_msat: live.outgoing_amount_msat,
            incoming_cltv_expiry: live.incoming_cltv_expiry,
            block_height: live.block_height,
            incoming_accountable: live.outgoing_accountable,
            upgrade: Upgrade::Unknown,
            policy_fee_msat: None,
            unix_secs: live.added_unix_secs,
        };
        let mut htlc = self.asked(&request);
        htlc.is_accountable = live.outgoing_accountable;
        let needed = self.slots_needed(htlc.incoming, htlc.amount_msat);
        if live.outgoing_accountable {
            if self.fits_protected(htlc.incoming, htlc.amount_msat) {
                htlc.bucket = BucketKind::Protected;
                htlc.protected_msat = Some(htlc.amount_msat);
            }
        } else if self.fits_general(htlc.incoming, htlc.outgoing, needed) {
            (htlc.bucket, htlc.general_slots) = (BucketKind::General, needed);
            self.take_general(htlc.incoming, htlc.outgoing, needed);
        }
        self.pending.push(htlc);
    }

    /// As if every forward had been decided then, in the order of settling.
    pub(super) fn import_history(&mut self, rows: &[ForwardRow]) -> Imported {
        let mut report = Imported::default();
        let ids: Vec<_> = self.channels.keys().copied().collect();
        let counted: Vec<_> =
            rows.iter().filter(|row| row.added_unix_secs <= row.settled_unix_secs).collect();
        for id in ids {
            if self.channels[&id].is_closing {
                continue;
            }
            let as_outgoing: Vec<_> = counted.iter().filter(|row| row.outgoing == id).collect();
            let as_incoming: Vec<_> = counted.iter().filter(|row| row.incoming == id).collect();
            if as_outgoing.is_empty() && as_incoming.is_empty() {
                continue;
            }
            let is_new = self.import_into(id, &as_outgoing, &as_incoming);
            report.channels += u64::from(is_new);
            report.channels_before += u64::from(!is_new);
        }
        let is_open = |id: &ShortChannelId| self.check_open(*id).is_ok();
        let is_used = |row: &&&ForwardRow| is_open(&row.incoming) || is_open(&row.outgoing);
        report.rows = counted.iter().filter(is_used).count() as u64;
        report.rows_passed_over = rows.len() as u64 - report.rows;
        report
    }

    fn import_into(
        &mut self,
        id: ShortChannelId,
        as_outgoing: &[&&ForwardRow],
        as_incoming: &[&&ForwardRow],
    ) -> bool {
        let period_secs = self.settings.resolution_period_secs;
        let reputation_secs = self.reputation_window_secs();
        let revenue_secs = self.settings.revenue_window_secs * 6;
        let channel = self.channels.get_mut(&id).expect("known");
        let mut is_new = false;
        if !as_outgoing.is_empty() && !channel.has_reputation_past {
            let effect = |row: &ForwardRow| {
                let is_fast = row.settled_unix_secs - row.added_unix_secs <= period_secs;
                if is_fast { row.fee_msat as i64 } else { 0 }
            };
            let mut past: Vec<_> =
                as_outgoing.iter().map(|row| (row.settled_unix_secs, effect(row))).collect();
            past.sort_unstable();
            for (secs, msat) in past {
                channel.reputation.add_past(reputation_secs, msat, secs);
            }
            (channel.has_reputation_past, is_new) = (true, true);
        }
        if !as_incoming.is_empty() && !channel.has_revenue_past {
            let mut past: Vec<_> = as_incoming
                .iter()
                .map(|row| (row.settled_unix_secs, row.fee_msat as i64))
                .collect();
            past.sort_unstable();
            for (secs, msat) in past {
                channel.revenue.add_past(revenue_secs, msat, secs);
            }
            let first = as_incoming.iter().map(|row| row.added_unix_secs).min().expect("some");
            channel.revenue_start_secs = channel.revenue_start_secs.min(first);
            (channel.has_revenue_past, is_new) = (true, true);
        }
        is_new
    }
}
