//! The acts of a generated trace: which calls they are made of.

use serde_json::{Map, Value, json};

use super::super::resource_profiles::{Act, WEEKS_2_SECS};
use super::super::resource_traces::{Manager, htlc, number};
use super::{BARREN_PAIR, Bounds, Generator, Live};

/// How many HTLCs fill a pair at most, and how often a second channel is looked for.
const TRIES_MAX: usize = 40;
/// The fee whose risk tells the risks of other fees.
const SAMPLE_MSAT: u64 = 1_000_000_000;

impl<M: Manager> Generator<'_, M> {
    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Forward => self.forward(),
            Act::Fill => self.fill(),
            Act::Jam => self.jam(),
            Act::FailFast => self.pay_fast(false),
            Act::Earn => self.pay_fast(true),
            Act::Threshold => self.threshold(),
            Act::Misuse => self.misuse(),
            Act::Resolve => self.resolve_any(),
            Act::ResolveOldest => self.resolve_oldest(),
            Act::ResolveEarly => self.resolve_early(),
            Act::ResolveBad => self.resolve_bad(),
            Act::AddBad => self.add_bad(),
            Act::Open => self.open_channel(),
            Act::OpenBad => self.open_bad(),
            Act::Close => self.close(),
            Act::Reopen => self.reopen(),
            Act::Restart => {
                self.call(json!({"op": "restart"}));
            }
            Act::LossyRestart => self.lossy_restart(),
        }
    }

    // --- HTLCs.

    /// Two channels, now and then the same one twice, one that is closed, or one that never was.
    fn pair(&mut self) -> (u64, u64) {
        if self.bounds.contains_key(&BARREN_PAIR.0) && self.one_in(10) {
            return BARREN_PAIR;
        }
        let mut channels = [0; 2];
        for channel in &mut channels {
            *channel = match self.below(40) {
                0 if !self.past.is_empty() => self.pick(&self.past.clone()),
                1 if self.one_in(3) => self.scid(),
                _ => self.one_open(),
            };
        }
        for _ in 0..TRIES_MAX {
            if channels[0] != channels[1] || self.one_in(20) {
                break;
            }
            channels[1] = self.one_open();
        }
        channels.into()
    }

    fn one_open(&mut self) -> u64 {
        match self.open.is_empty() {
            true => self.scid(),
            false => self.pick(&self.open.clone()),
        }
    }

    /// An amount at a limit of the incoming channel, or a usual one.
    fn amount(&mut self, incoming: u64) -> u64 {
        let Some(bounds) = self.bounds.get(&incoming).copied() else {
            return 1_000;
        };
        let pair_msat = bounds.pair_slots.saturating_mul(bounds.slot_msat);
        let edge = match self.below(16) {
            0 => bounds.slot_msat,
            1 => bounds.slot_msat.saturating_mul(2),
            2 => pair_msat,
            3 => bounds.congestion_slot_msat,
            4 => bounds.congestion_msat,
            5 => bounds.protected_msat,
            6 => bounds.protected_msat / 2,
            7 => bounds.general_msat,
            8 => return self.pick(&[0, 1, u64::MAX, 1 << 62]),
            9 | 10 => return 1 + self.below(pair_msat.max(1)),
            11 => return 1 + self.below(bounds.congestion_slot_msat.max(1)),
            _ => return 1 + self.below(bounds.slot_msat),
        };
        // Just below, at, or just above.
        (edge.saturating_sub(1)).saturating_add(self.below(3))
    }

    fn forward(&mut self) {
        let (incoming, outgoing) = self.pair();
        let amount_msat = self.amount(incoming);
        let fee_msat = match self.one_in(12) {
            true => amount_msat,
            false => self.pick(self.shape.fees_msat),
        };
        let line = self.htlc(incoming, outgoing, amount_msat, fee_msat);
        self.add(line);
    }

    fn fill(&mut self) {
        let (incoming, outgoing) = self.pair();
        let fee_msat = self.pick(self.shape.fees_msat);
        let accountable = self.below(100) < self.shape.accountable_percent;
        for _ in 0..TRIES_MAX {
            let amount_msat = match self.bounds.get(&incoming).copied() {
                Some(bounds) if self.one_in(2) => bounds.slot_msat.min(bounds.congestion_slot_msat),
                Some(bounds) => self.below(bounds.congestion_slot_msat.max(1)) + 1,
                None => 1_000,
            };
            let mut line = self.htlc(incoming, outgoing, amount_msat.max(1), fee_msat);
            line["incoming_accountable"] = json!(accountable);
            if !self.add(line) {
                break;
            }
        }
    }

    fn jam(&mut self) {
        let Some(attacker) = self.open.first().copied() else {
            return;
        };
        let victim = self.one_open();
        let amount_msat = self.amount(attacker);
        let fee_msat = self.pick(self.shape.fees_msat);
        let mut line = self.htlc(attacker, victim, amount_msat, fee_msat);
        line["incoming_accountable"] = json!(false);
        line["incoming_cltv_expiry"] = json!(self.height + 2_016);
        self.add(line);
    }

    fn pay_fast(&mut self, settled: bool) {
        let (incoming, outgoing) = self.pair();
        let slot_msat = self.bounds.get(&incoming).map_or(1_000, |bounds| bounds.slot_msat);
        let amount_msat = 1 + self.below(slot_msat.min(1_000_000_000));
        let fee_msat = self.pick(self.shape.fees_msat).max(amount_msat / 3);
        let mut line = self.htlc(incoming, outgoing, amount_msat, fee_msat);
        line["incoming_accountable"] = json!(false);
        let added_unix_secs = number(&line["t"]);
        if self.add(line) {
            let period_secs = number(&self.config["resolution_period_secs"]);
            let held_secs = self.pick(&[0, 1, 5, period_secs - 1, period_secs, period_secs + 1]);
            self.resolve(self.live.len() - 1, added_unix_secs + held_secs, settled);
        }
    }

    /// Accountable HTLCs whose risk is too much, then exactly what reputation leaves beyond the threshold.
    fn threshold(&mut self) {
        let (incoming, outgoing) = self.pair();
        let mut line = self.htlc(incoming, outgoing, SAMPLE_MSAT, SAMPLE_MSAT);
        line["incoming_accountable"] = json!(true);
        line["incoming_cltv_expiry"] = json!(self.height + 3);
        let Some((left_msat, risk_msat)) = self.left(&line) else {
            return;
        };
        // Over a usual period the risk is a multiple of the fee: what is left is made one as well.
        let factor = risk_msat / SAMPLE_MSAT;
        let other = self.one_open();
        if factor > 1 && other != incoming && other != outgoing {
            let fee_msat = factor - left_msat % factor;
            let mut earned = self.htlc(other, outgoing, fee_msat, fee_msat);
            earned["t"] = line["t"].clone();
            if self.add(earned) {
                self.resolve(self.live.len() - 1, number(&line["t"]), true);
            }
        }
        let Some((left_msat, _)) = self.left(&line) else {
            return;
        };
        let fee_msat =
            u128::from(left_msat) * u128::from(SAMPLE_MSAT) / u128::from(risk_msat.max(1));
        let fee_msat = u64::try_from(fee_msat).unwrap_or(u64::MAX).min(SAMPLE_MSAT);
        for fee_msat in [fee_msat + 2, fee_msat + 1, fee_msat, fee_msat.saturating_sub(1)] {
            line["htlc_id"] = json!(self.next_id.get(&incoming).copied().unwrap_or(0));
            line["incoming_amount_msat"] = json!(fee_msat + 1);
            line["outgoing_amount_msat"] = json!(1);
            if self.add(line.clone()) {
                break;
            }
        }
    }

    /// What reputation leaves beyond the threshold before an HTLC, and the HTLC's risk. None if the check is
    /// not reached or leaves nothing.
    fn left(&mut self, line: &Value) -> Option<(u64, u64)> {
        let diagnosis = self.oracle.diagnose(&htlc(line))?;
        let in_flight_msat = i64::try_from(diagnosis.outgoing_in_flight_risk_msat).ok()?;
        let left_msat = diagnosis.outgoing_reputation_msat.checked_sub(in_flight_msat)?;
        let left_msat = left_msat.checked_sub(diagnosis.incoming_revenue_msat)?;
        Some((u64::try_from(left_msat).ok()?, diagnosis.htlc_risk_msat))
    }

    fn misuse(&mut self) {
        self.fill();
        let Some(place) = self.live.iter().rposition(|live| live.in_congestion) else {
            return;
        };
        let added = self.live[place].added.clone();
        let (incoming, outgoing) = (number(&added["incoming"]), number(&added["outgoing"]));
        let period_secs = number(&self.config["resolution_period_secs"]);
        let held_secs =
            self.pick(&[period_secs - 1, period_secs, period_secs + 1, 4 * period_secs]);
        let resolved_unix_secs = number(&added["t"]) + held_secs;
        let settled = self.one_in(2);
        self.resolve(place, resolved_unix_secs, settled);
        // The pair is still full in general, so that congestion is asked at each of these.
        let mut times = vec![0, WEEKS_2_SECS - 1, WEEKS_2_SECS, WEEKS_2_SECS + 1];
        times.retain(|_| !self.one_in(3));
        for after_secs in times {
            let amount_msat = number(&added["incoming_amount_msat"]);
            let mut line = self.htlc(incoming, outgoing, amount_msat, 1.min(amount_msat));
            line["incoming_accountable"] = json!(false);
            line["t"] = json!(resolved_unix_secs + after_secs);
            self.add(line);
            let behind_secs = (resolved_unix_secs + after_secs).saturating_sub(self.unix_secs);
            self.pass(behind_secs);
        }
    }

    fn add_bad(&mut self) {
        let (incoming, outgoing) = self.pair();
        let amount_msat = self.amount(incoming).clamp(1, 1 << 62);
        let mut line = self.htlc(incoming, outgoing, amount_msat, 1);
        match self.below(7) {
            0 => line["outgoing_amount_msat"] = json!(amount_msat + 1 + self.below(2)),
            1 => line["incoming_cltv_expiry"] = line["height_added"].clone(),
            2 => line["incoming_cltv_expiry"] = json!(0),
            3 => line["outgoing"] = json!(self.scid()),
            4 => line["incoming"] = json!(self.scid()),
            5 => line["htlc_id"] = json!(u64::MAX),
            _ if self.live.is_empty() => return,
            _ => {
                let live = self.below(self.live.len() as u64) as usize;
                line = self.live[live].added.clone();
                let now = self.now();
                line["t"] = json!(now);
                // The same id on another outgoing channel is another HTLC.
                if self.one_in(3) {
                    line["outgoing"] = json!(self.one_open());
                }
            }
        }
        self.add(line);
    }

    // --- Resolutions.

    fn resolve_any(&mut self) {
        if self.live.is_empty() {
            return;
        }
        let place = self.below(self.live.len() as u64) as usize;
        let (now, settled) = (self.now(), !self.one_in(3));
        self.resolve(place, now, settled);
    }

    fn resolve_oldest(&mut self) {
        if !self.live.is_empty() {
            let (now, settled) = (self.now(), self.one_in(5));
            self.resolve(0, now, settled);
        }
    }

    fn resolve_early(&mut self) {
        if self.live.is_empty() {
            return;
        }
        let place = self.below(self.live.len() as u64) as usize;
        let early_secs = self.pick(&[1, 90, 86_400]);
        let unix_secs = number(&self.live[place].added["t"]).saturating_sub(early_secs);
        let settled = self.one_in(2);
        self.resolve(place, unix_secs, settled);
    }

    /// Twice, or with one of the three keys wrong.
    fn resolve_bad(&mut self) {
        let from = if self.one_in(2) { &self.resolved } else { &self.live };
        let Some(known) = from.last().map(|known| known.added.clone()) else {
            return;
        };
        let mut line = json!({
            "op": "resolve_htlc",
            "t": self.now(),
            "incoming": known["incoming"],
            "outgoing": known["outgoing"],
            "htlc_id": known["htlc_id"],
            "settled": self.one_in(2),
        });
        match self.below(5) {
            0 => line["outgoing"] = json!(self.scid()),
            1 => line["incoming"] = json!(self.scid()),
            2 => line["htlc_id"] = json!(number(&known["htlc_id"]).wrapping_add(1_000)),
            _ => {}
        }
        // It may well be the key of an HTLC that is pending after all.
        let key = |of: &Value| ["incoming", "outgoing", "htlc_id"].map(|name| number(&of[name]));
        match self.live.iter().position(|live| key(&live.added) == key(&line)) {
            Some(place) => {
                let settled = line["settled"] == true;
                self.resolve(place, number(&line["t"]), settled);
            }
            None => {
                self.call(line);
            }
        }
    }

    // --- Channels.

    /// A new id; now and then one that differs from another's in its low half only, or the last one.
    fn scid(&mut self) -> u64 {
        let (block, place) = (100_000 + self.below(860_000), self.below(1 << 24));
        match self.below(10) {
            0 | 1 if !self.bounds.is_empty() => {
                let known: Vec<_> = self.bounds.keys().copied().collect();
                self.pick(&known) ^ (1 + self.below(u64::from(u32::MAX)))
            }
            2 if self.one_in(5) => self.pick(&[1, u64::MAX, u64::MAX - 1, 1 << 63]),
            _ => block << 40 | place << 16 | self.below(4),
        }
    }

    pub(super) fn open_channel(&mut self) {
        let scid = self.scid();
        let (msat, slots) = self.pick(self.shape.limits);
        self.add_channel(scid, msat, slots);
    }

    pub(super) fn add_channel(
        &mut self,
        scid: u64,
        max_in_flight_msat: u64,
        max_accepted_htlcs: u16,
    ) {
        let now = self.now();
        let answer = self.call(json!({
            "op": "add_channel",
            "t": now,
            "channel": scid,
            "max_in_flight_msat": max_in_flight_msat,
            "max_accepted_htlcs": max_accepted_htlcs,
        }));
        let Some(sizes) = answer.get("allocation").and_then(Value::as_object) else {
            return;
        };
        self.bounds.insert(scid, bounds(sizes));
        self.past.retain(|past| *past != scid);
        self.open.push(scid);
        // A channel of the same id numbers its HTLCs anew, unless some of the old ones' ids are in use.
        self.next_id.remove(&scid);
    }

    fn open_bad(&mut self) {
        let supply_msat = 2_100_000_000_000_000_000;
        let limits = [
            (1_000_000, 11),
            (999_999, 12),
            (1_000_000, 484),
            (supply_msat, 12),
            (supply_msat, 484),
            (supply_msat - 1, 12),
            (supply_msat - 1, 483),
            (0, 0),
            (u64::MAX, u16::MAX),
            (999_999, 11),
            (5_000_000, 50),
        ];
        let (msat, slots) = self.pick(&limits);
        let scid = if self.one_in(3) { self.one_open() } else { self.scid() };
        self.add_channel(scid, msat, slots);
    }

    fn close(&mut self) {
        let unknown = self.one_in(12);
        let scid = match self.past.is_empty() || !self.one_in(5) {
            true if unknown => self.scid(),
            true => self.one_open(),
            false => self.pick(&self.past.clone()),
        };
        let answer = self.call(json!({"op": "remove_channel", "channel": scid}));
        if answer["ok"] == true {
            self.open.retain(|open| *open != scid);
            if !self.past.contains(&scid) {
                self.past.push(scid);
            }
        }
        if self.open.len() < 3 {
            self.open_channel();
        }
    }

    fn reopen(&mut self) {
        if self.past.is_empty() {
            return;
        }
        let scid = self.pick(&self.past.clone());
        let (msat, slots) = self.pick(self.shape.limits);
        self.add_channel(scid, msat, slots);
    }

    // --- The weaker recovery.

    /// The node replays what it has, in an order of its own, sometimes not all of it.
    fn lossy_restart(&mut self) {
        self.call(json!({"op": "lossy_restart"}));
        let mut known = std::mem::take(&mut self.live);
        for place in (1..known.len()).rev() {
            known.swap(place, self.below(place as u64 + 1) as usize);
        }
        if self.one_in(4) {
            let lost = known.pop();
            self.resolved.extend(lost);
        }
        let members = |live: &Live| {
            let mut htlc = live.added.clone();
            htlc.as_object_mut().expect("a line is an object").remove("op");
            htlc
        };
        let htlcs: Vec<_> = known.iter().map(members).collect();
        let answer = self.call(json!({"op": "replay", "htlcs": htlcs}));
        let outcomes = answer["outcomes"].as_array().expect("a replay has outcomes");
        // What failed is resolved later too; what came after the error is unknown from here on.
        self.resolved.extend(known.split_off(outcomes.len()));
        for (live, outcome) in known.iter_mut().zip(outcomes) {
            live.in_congestion = outcome["bucket"] == "congestion";
        }
        self.live = known;
    }
}

fn bounds(sizes: &Map<String, Value>) -> Bounds {
    let size = |name: &str| number(&sizes[name]);
    let congestion_slots = size("congestion_slots");
    let congestion_msat = size("congestion_liquidity_msat");
    Bounds {
        pair_slots: size("per_channel_slots"),
        slot_msat: size("per_slot_msat"),
        general_msat: size("general_liquidity_msat"),
        congestion_slot_msat: congestion_msat.checked_div(congestion_slots).unwrap_or(0),
        congestion_msat,
        protected_msat: size("protected_liquidity_msat"),
    }
}
