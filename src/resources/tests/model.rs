//! What the strict rules say, as plainly as possible: lists, no sum that is kept, everything reckoned anew
//! for every question. Written from bolts #1280 and the public documentation, not from the code that it is
//! compared with; only the slots of a pair are asked of it (RS1 leaves them to the library).

use std::collections::{BTreeMap, BTreeSet};

use super::super::slots::{self, NodeSalt};
use crate::resources::{
    AddRequest, Allocation, BucketKind, ChannelLimits, Mode, Reason, Settings, Upgrade,
};
use crate::{ShortChannelId, Status};

const TWO_WEEKS_SECS: u64 = 14 * 24 * 3_600;

/// A sum that forgets by exp(-t / window).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Average {
    pub(super) msat: i64,
    pub(super) rest: f64,
    pub(super) at_secs: u64,
}

impl Average {
    fn at(&self, window_secs: u64, secs: u64) -> f64 {
        let value = self.msat as f64 + self.rest;
        if secs <= self.at_secs || value == 0.0 {
            return value;
        }
        value * libm::exp(-((secs - self.at_secs) as f64) / window_secs as f64)
    }

    fn settle_on(&mut self, exact: f64, secs: u64) {
        self.msat = exact.round() as i64;
        let has_fraction = exact.abs() < (1u64 << 53) as f64;
        self.rest = if has_fraction { exact - self.msat as f64 } else { 0.0 };
        self.at_secs = secs;
    }

    pub(super) fn add(&mut self, window_secs: u64, msat: i64, secs: u64) {
        if secs <= self.at_secs {
            self.msat = self.msat.saturating_add(msat);
        } else {
            self.settle_on(self.at(window_secs, secs) + msat as f64, secs);
        }
    }

    pub(super) fn add_past(&mut self, window_secs: u64, msat: i64, secs: u64) {
        if secs >= self.at_secs {
            return self.add(window_secs, msat, secs);
        }
        let age = (self.at_secs - secs) as f64;
        let left = msat as f64 * libm::exp(-age / window_secs as f64);
        self.settle_on(self.msat as f64 + self.rest + left, self.at_secs);
    }
}

#[derive(Debug, Clone)]
pub(super) struct Htlc {
    pub(super) incoming: ShortChannelId,
    pub(super) outgoing: ShortChannelId,
    pub(super) id: u64,
    pub(super) amount_msat: u64,
    pub(super) charged_msat: u64,
    pub(super) earned_msat: u64,
    pub(super) is_accountable: bool,
    pub(super) added_secs: u64,
    pub(super) blocks: u64,
    pub(super) bucket: BucketKind,
    pub(super) general_slots: u64,
    pub(super) protected_msat: Option<u64>,
    pub(super) congestion_msat: Option<u64>,
    pub(super) would_fail: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) limits: ChannelLimits,
    pub(super) allocation: Allocation,
    pub(super) is_closing: bool,
    pub(super) reputation: Average,
    pub(super) revenue: Average,
    pub(super) revenue_start_secs: u64,
    pub(super) has_reputation_past: bool,
    pub(super) has_revenue_past: bool,
    pub(super) misuse: BTreeMap<ShortChannelId, u64>,
    pub(super) resolved: Vec<(u64, ShortChannelId, bool)>,
}

/// What is answered to an addition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) is_forward: bool,
    pub(super) reason: Reason,
    pub(super) bucket: BucketKind,
    pub(super) is_accountable: bool,
    pub(super) already: bool,
    pub(super) would_fail: bool,
}

/// Slots and msat of a bucket that counts.
pub(super) type Use = (u64, u64);

pub(super) struct Model {
    pub(super) settings: Settings,
    pub(super) only_watches: bool,
    pub(super) salt: NodeSalt,
    pub(super) channels: BTreeMap<ShortChannelId, Channel>,
    pub(super) pending: Vec<Htlc>,
    /// Which of its slots a pair uses, by their place in its list.
    pub(super) used: BTreeMap<(ShortChannelId, ShortChannelId), BTreeSet<usize>>,
    pub(super) assigned: BTreeMap<(ShortChannelId, ShortChannelId, u8, u16), Vec<u16>>,
}

impl Model {
    pub(super) fn new(settings: Settings, salt: [u8; 32], only_watches: bool) -> Model {
        Model {
            settings,
            only_watches,
            salt: NodeSalt::new(salt),
            channels: BTreeMap::new(),
            pending: Vec::new(),
            used: BTreeMap::new(),
            assigned: BTreeMap::new(),
        }
    }

    pub(super) fn reputation_window_secs(&self) -> u64 {
        self.settings.revenue_window_secs * u64::from(self.settings.reputation_multiplier)
    }

    pub(super) fn cost_msat(&self, held_secs: u64, fee_msat: u64) -> u64 {
        let period = self.settings.resolution_period_secs as f64;
        let over = (held_secs as f64 - period) / period;
        if over <= 0.0 { 0 } else { (over * fee_msat as f64).round() as u64 }
    }

    pub(super) fn risk_msat(&self, htlc: &Htlc) -> u64 {
        self.cost_msat(htlc.blocks * 600, htlc.charged_msat)
    }

    pub(super) fn reputation_msat(&self, channel: &Channel, secs: u64) -> i64 {
        channel.reputation.at(self.reputation_window_secs(), secs).round() as i64
    }

    /// Income of one window, out of six that are remembered.
    pub(super) fn revenue_msat(&self, channel: &Channel, secs: u64) -> i64 {
        let secs = secs.max(channel.revenue_start_secs);
        let remembered_secs = self.settings.revenue_window_secs * 6;
        let total = channel.revenue.at(remembered_secs, secs);
        let age = (secs - channel.revenue_start_secs) as f64;
        let windows = 6.0 * (1.0 - libm::exp(-age / remembered_secs as f64));
        if total == 0.0 { 0 } else { (total / windows.max(1.0)).round() as i64 }
    }

    pub(super) fn in_flight_risk_msat(&self, outgoing: ShortChannelId) -> u64 {
        let accountable = self.pending.iter().filter(|htlc| htlc.is_accountable);
        let of_it = accountable.filter(|htlc| htlc.outgoing == outgoing);
        of_it.map(|htlc| self.risk_msat(htlc)).sum()
    }

    pub(super) fn in_congestion(&self, outgoing: ShortChannelId) -> usize {
        let of_it = self.pending.iter().filter(|htlc| htlc.outgoing == outgoing);
        of_it.filter(|htlc| htlc.congestion_msat.is_some()).count()
    }

    fn usage(&self, incoming: ShortChannelId, of: impl Fn(&Htlc) -> Option<u64>) -> Use {
        let its = self.pending.iter().filter(|htlc| htlc.incoming == incoming);
        its.filter_map(of).fold((0, 0), |(slots, msat), more| (slots + 1, msat + more))
    }

    pub(super) fn congestion(&self, incoming: ShortChannelId) -> Use {
        self.usage(incoming, |htlc| htlc.congestion_msat)
    }

    pub(super) fn protected(&self, incoming: ShortChannelId) -> Use {
        self.usage(incoming, |htlc| htlc.protected_msat)
    }

    pub(super) fn general_slots(&self, incoming: ShortChannelId) -> u64 {
        let its = self.pending.iter().filter(|htlc| htlc.incoming == incoming);
        its.map(|htlc| htlc.general_slots).sum()
    }

    /// Pairs of an incoming channel that use slots: all slots, and the places of those in use.
    pub(super) fn pairs(
        &mut self,
        incoming: ShortChannelId,
    ) -> Vec<(ShortChannelId, Vec<u16>, Vec<u16>)> {
        let pairs: Vec<_> = self.used.iter().filter(|((from, _), _)| *from == incoming).collect();
        let pairs: Vec<_> =
            pairs.into_iter().map(|((_, to), places)| (*to, places.clone())).collect();
        let mut found = Vec::new();
        for (outgoing, places) in pairs.into_iter().filter(|(_, places)| !places.is_empty()) {
            let slots = self.slots_of(incoming, outgoing);
            let used = places.iter().map(|place| slots[*place]).collect();
            found.push((outgoing, slots, used));
        }
        found
    }

    fn slots_of(&mut self, incoming: ShortChannelId, outgoing: ShortChannelId) -> Vec<u16> {
        let Allocation { pair_slots, general_slots, .. } = self.channels[&incoming].allocation;
        let salt = &self.salt;
        let known = self.assigned.entry((incoming, outgoing, pair_slots, general_slots));
        let assign = || {
            slots::assign(Mode::Strict, salt, incoming, outgoing, pair_slots, general_slots)
                .expect("strict slots are always found (RS2)")
                .numbers()
                .to_vec()
        };
        known.or_insert_with(assign).clone()
    }

    pub(super) fn occupied(&mut self, incoming: ShortChannelId) -> BTreeSet<u16> {
        self.pairs(incoming).into_iter().flat_map(|(_, _, used)| used).collect()
    }

    /// Places of a pair's slots that nobody uses.
    pub(super) fn free_places(
        &mut self,
        incoming: ShortChannelId,
        outgoing: ShortChannelId,
    ) -> Vec<usize> {
        let occupied = self.occupied(incoming);
        let slots = self.slots_of(incoming, outgoing);
        (0..slots.len()).filter(|place| !occupied.contains(&slots[*place])).collect()
    }

    pub(super) fn fits_general(
        &mut self,
        incoming: ShortChannelId,
        outgoing: ShortChannelId,
        needed: u64,
    ) -> bool {
        if needed > self.free_places(incoming, outgoing).len() as u64 {
            return false;
        }
        let numbered = self.occupied(incoming).len() as u64;
        let has_unnumbered = self.general_slots(incoming) > numbered;
        let slots = u64::from(self.channels[&incoming].allocation.general_slots);
        !has_unnumbered || self.general_slots(incoming) + needed <= slots
    }

    pub(super) fn take_general(
        &mut self,
        incoming: ShortChannelId,
        outgoing: ShortChannelId,
        needed: u64,
    ) {
        let free = self.free_places(incoming, outgoing);
        let places = self.used.entry((incoming, outgoing)).or_default();
        places.extend(free.into_iter().take(needed as usize));
    }

    /// What counts of the fee, and what its delay is charged with: the default fee at least.
    fn fee_msat(&self, request: &AddRequest) -> (u64, u64) {
        let paid = request.incoming_amount_msat - request.outgoing_amount_msat;
        let earned = paid.min(request.policy_fee_msat.unwrap_or(paid));
        let ppm = u128::from(self.settings.default_fee_ppm);
        let share = u128::from(request.incoming_amount_msat) * ppm / 1_000_000;
        (earned, earned.max(self.settings.default_fee_base_msat + share as u64))
    }

    /// The HTLC that a request makes, taking nothing yet.
    pub(super) fn asked(&self, request: &AddRequest) -> Htlc {
        let (earned_msat, charged_msat) = self.fee_msat(request);
        Htlc {
            incoming: request.incoming,
            outgoing: request.outgoing,
            id: request.htlc_id,
            amount_msat: request.incoming_amount_msat,
            charged_msat,
            earned_msat,
            is_accountable: false,
            added_secs: request.unix_secs,
            blocks: u64::from(request.incoming_cltv_expiry.saturating_sub(request.block_height)),
            bucket: BucketKind::None,
            general_slots: 0,
            protected_msat: None,
            congestion_msat: None,
            would_fail: false,
        }
    }

    pub(super) fn has_reputation(&self, request: &AddRequest) -> bool {
        let secs = request.unix_secs;
        let reputation = self.reputation_msat(&self.channels[&request.outgoing], secs);
        let revenue = self.revenue_msat(&self.channels[&request.incoming], secs);
        let in_flight = self.in_flight_risk_msat(request.outgoing);
        let risk = self.risk_msat(&self.asked(request));
        let risks = i128::from(in_flight) + i128::from(risk);
        i128::from(reputation) - risks >= i128::from(revenue)
    }

    pub(super) fn add(&mut self, request: &AddRequest) -> Result<Answer, Status> {
        if let Some(answer) = self.check(request)? {
            return Ok(answer);
        }
        let mut htlc = self.asked(request);
        let reason = self.choose(request, &mut htlc);
        let is_forward = (reason as u32) < Reason::NoReputation as u32;
        if !is_forward && self.only_watches {
            htlc.is_accountable = request.incoming_accountable;
            htlc.would_fail = true;
        }
        let answer = Answer {
            is_forward: is_forward || self.only_watches,
            reason,
            bucket: htlc.bucket,
            is_accountable: htlc.is_accountable,
            already: false,
            would_fail: htlc.would_fail,
        };
        if answer.is_forward {
            self.take_general(htlc.incoming, htlc.outgoing, htlc.general_slots);
            self.pending.push(htlc);
        }
        Ok(answer)
    }

    fn check(&self, request: &AddRequest) -> Result<Option<Answer>, Status> {
        if request.outgoing_amount_msat > request.incoming_amount_msat {
            return Err(Status::OutgoingExceedsIncoming);
        }
        if request.block_height >= request.incoming_cltv_expiry {
            return Err(Status::ExpiryNotAfterHeight);
        }
        self.check_open(request.outgoing)?;
        let is_it = |htlc: &&Htlc| (htlc.incoming, htlc.id) == (request.incoming, request.htlc_id);
        if let Some(known) = self.pending.iter().find(is_it) {
            let is_same = known.outgoing == request.outgoing
                && known.amount_msat == request.incoming_amount_msat;
            let answer = Answer {
                is_forward: true,
                reason: Reason::Recorded,
                bucket: known.bucket,
                is_accountable: known.is_accountable,
                already: true,
                would_fail: known.would_fail,
            };
            return if is_same { Ok(Some(answer)) } else { Err(Status::DuplicateHtlc) };
        }
        self.check_open(request.incoming).map(|()| None)
    }

    pub(super) fn check_open(&self, id: ShortChannelId) -> Result<(), Status> {
        match self.channels.get(&id) {
            None => Err(Status::UnknownChannel),
            Some(channel) if channel.is_closing => Err(Status::ChannelClosing),
            Some(_) => Ok(()),
        }
    }

    fn choose(&mut self, request: &AddRequest, htlc: &mut Htlc) -> Reason {
        let is_raised = !request.incoming_accountable;
        if !is_raised && request.upgrade == Upgrade::Absent {
            return Reason::SignalTampered;
        }
        if is_raised && self.use_general(htlc, false) {
            return Reason::General;
        }
        if is_raised && request.upgrade == Upgrade::Absent {
            return Reason::UpgradeNotAllowed;
        }
        let has_reputation = self.has_reputation(request);
        if !is_raised && !has_reputation {
            return Reason::NoReputation;
        }
        if has_reputation && self.use_protected(htlc) {
            return Reason::Reputation;
        }
        let mut refused = Reason::NoRoom;
        if is_raised {
            match self.refuses_congestion(request, request.incoming_amount_msat) {
                None => {
                    htlc.congestion_msat = Some(request.incoming_amount_msat);
                    (htlc.bucket, htlc.is_accountable) = (BucketKind::Congestion, true);
                    return Reason::Congestion;
                }
                Some(reason) => refused = reason,
            }
        } else if self.use_general(htlc, true) {
            return Reason::Reputation;
        }
        if has_reputation && self.use_several(request, htlc) {
            return Reason::Several;
        }
        if has_reputation { Reason::NoRoom } else { refused }
    }

    fn use_general(&mut self, htlc: &mut Htlc, is_accountable: bool) -> bool {
        let needed = self.slots_needed(htlc.incoming, htlc.amount_msat);
        if !self.fits_general(htlc.incoming, htlc.outgoing, needed) {
            return false;
        }
        (htlc.bucket, htlc.general_slots) = (BucketKind::General, needed);
        htlc.is_accountable = is_accountable;
        true
    }

    pub(super) fn slots_needed(&self, incoming: ShortChannelId, amount_msat: u64) -> u64 {
        let slot_msat = self.channels[&incoming].allocation.slot_msat;
        // A slot that carries nothing carries no HTLC.
        if slot_msat == 0 {
            return u64::MAX;
        }
        amount_msat.div_ceil(slot_msat).max(1)
    }

    pub(super) fn fits_protected(&self, incoming: ShortChannelId, amount_msat: u64) -> bool {
        let allocation = &self.channels[&incoming].allocation;
        let (slots, msat) = self.protected(incoming);
        slots < u64::from(allocation.protected_slots)
            && msat + amount_msat <= allocation.protected_liquidity_msat
    }

    fn use_protected(&self, htlc: &mut Htlc) -> bool {
        if !self.fits_protected(htlc.incoming, htlc.amount_msat) {
            return false;
        }
        htlc.protected_msat = Some(htlc.amount_msat);
        (htlc.bucket, htlc.is_accountable) = (BucketKind::Protected, true);
        true
    }

    fn refuses_congestion(&self, request: &AddRequest, amount_msat: u64) -> Option<Reason> {
        let channel = &self.channels[&request.incoming];
        let allocation = &channel.allocation;
        let (slots, msat) = self.congestion(request.incoming);
        let all_slots = u64::from(allocation.congestion_slots);
        let mark = channel.misuse.get(&request.outgoing);
        let is_recent = |at: &u64| request.unix_secs.saturating_sub(*at) < TWO_WEEKS_SECS;
        if self.in_congestion(request.outgoing) != 0 {
            Some(Reason::OutgoingInCongestion)
        } else if all_slots == 0 {
            Some(Reason::NoCongestionBucket)
        } else if mark.is_some_and(is_recent) {
            Some(Reason::CongestionMisused)
        } else if amount_msat > allocation.congestion_liquidity_msat / all_slots {
            Some(Reason::AboveCongestionLimit)
        } else {
            let all_msat = allocation.congestion_liquidity_msat;
            let is_full = slots >= all_slots || msat + amount_msat > all_msat;
            is_full.then_some(Reason::CongestionFull)
        }
    }

    /// Protected, then general, then congestion, each as far as it has room.
    fn use_several(&mut self, request: &AddRequest, htlc: &mut Htlc) -> bool {
        if !self.settings.spills_over || htlc.amount_msat == 0 {
            return false;
        }
        let allocation = self.channels[&htlc.incoming].allocation;
        let (slots, msat) = self.protected(htlc.incoming);
        let room_msat = match slots < u64::from(allocation.protected_slots) {
            true => allocation.protected_liquidity_msat.saturating_sub(msat),
            false => 0,
        };
        let protected_msat = room_msat.min(htlc.amount_msat);
        let free = self.free_places(htlc.incoming, htlc.outgoing).len() as u64;
        let room_msat = allocation.slot_msat.saturating_mul(free);
        let general_msat = room_msat.min(htlc.amount_msat - protected_msat);
        let mut general_slots = 0;
        if general_msat != 0 {
            general_slots = self.slots_needed(htlc.incoming, general_msat);
            if !self.fits_general(htlc.incoming, htlc.outgoing, general_slots) {
                return false;
            }
        }
        let left_msat = htlc.amount_msat - protected_msat - general_msat;
        if left_msat != 0 && self.refuses_congestion(request, left_msat).is_some() {
            return false;
        }
        htlc.protected_msat = Some(protected_msat).filter(|msat| *msat != 0);
        htlc.congestion_msat = Some(left_msat).filter(|msat| *msat != 0);
        htlc.general_slots = general_slots;
        (htlc.bucket, htlc.is_accountable) = (BucketKind::Several, true);
        true
    }
}
