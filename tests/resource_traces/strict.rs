//! What must hold of resources in `strict` mode, whatever is called: no bucket holds more than it has, every
//! running sum is the sum, an HTLC is pending once, repeats and dry runs change nothing, restarts are exact,
//! and when everything is resolved nothing is in use.

use std::collections::BTreeSet;

use lnkeep::resources::{
    Ack, AddRequest, BucketKind, ChannelLimits, ChannelView, Decision, Explanation, Mode,
    PendingView, ResolveRequest, Upgrade, Verdict,
};
use lnkeep::{Error, ShortChannelId, Status};
use serde_json::Value;

use super::resource_keeper::{Keeper, request};
use super::resource_traces::{Manager, bytes32, config, htlc, number};

/// Calls between two looks at everything.
const LOOK_EVERY: u64 = 8;

/// How often what happened.
#[derive(Debug, Default)]
pub struct Lived {
    calls: u64,
    restarts: u64,
    in_general: u64,
    in_congestion: u64,
    in_protected: u64,
    in_several: u64,
    failed: u64,
    refused: u64,
    repeated: u64,
    resolved: u64,
}

impl Lived {
    /// Whether every kind of answer was met.
    pub fn is_telling(&self) -> bool {
        let counts = [
            self.restarts,
            self.in_general,
            self.in_congestion,
            self.in_protected,
            self.in_several,
            self.failed,
            self.refused,
            self.repeated,
            self.resolved,
        ];
        counts.iter().all(|count| *count != 0)
    }

    fn note(&mut self, decision: &Decision) {
        *match (decision.verdict, decision.bucket) {
            (Verdict::Fail, BucketKind::None) => &mut self.failed,
            (Verdict::Forward, BucketKind::General) => &mut self.in_general,
            (Verdict::Forward, BucketKind::Congestion) => &mut self.in_congestion,
            (Verdict::Forward, BucketKind::Protected) => &mut self.in_protected,
            (Verdict::Forward, BucketKind::Several) => &mut self.in_several,
            _ => panic!("no decision is {decision:?}"),
        } += 1;
    }
}

struct Life<'a, const ENTRIES: u32> {
    keeper: Keeper<ENTRIES>,
    lived: &'a mut Lived,
    period_secs: u64,
    unix_secs: u64,
}

/// Makes the calls of a trace.
pub fn live<const ENTRIES: u32>(lines: &[Value], lived: &mut Lived) {
    let header = &lines[0];
    let (config, salt) = (config(&header["config"]), bytes32(&header["node_salt"]));
    let keeper = Keeper::of_mode(Mode::Strict, config, salt);
    let period_secs = config.resolution_period_secs;
    let mut life = Life::<ENTRIES> { keeper, lived, period_secs, unix_secs: 0 };
    for line in lines.iter().filter(|line| line["type"] == "op") {
        life.unix_secs = life.unix_secs.max(line["t"].as_u64().unwrap_or(0));
        life.call(line);
        life.lived.calls += 1;
        if life.lived.calls.is_multiple_of(LOOK_EVERY) {
            life.check();
        }
    }
    life.restart();
    life.check();
    life.resolve_all();
}

impl<const ENTRIES: u32> Life<'_, ENTRIES> {
    fn state(&self) -> (Vec<ChannelView>, Vec<PendingView>) {
        let open = self.keeper.resources();
        (open.channels(self.unix_secs).expect("channels"), open.pending().expect("pending HTLCs"))
    }

    fn call(&mut self, line: &Value) {
        match line["op"].as_str().expect("a line has a call") {
            "add_channel" => self.add_channel(line),
            "remove_channel" => {
                let channel = ShortChannelId(number(&line["channel"]));
                let removed = self.keeper.when_not_busy(|open| open.remove_channel(channel));
                self.accepted(removed, &[Status::UnknownChannel]);
            }
            "add_htlc" => self.add(line),
            "resolve_htlc" => {
                let asked = ResolveRequest {
                    incoming: ShortChannelId(number(&line["incoming"])),
                    outgoing: ShortChannelId(number(&line["outgoing"])),
                    htlc_id: number(&line["htlc_id"]),
                    settled: line["settled"] == true,
                    unix_secs: number(&line["t"]),
                };
                self.resolve(&asked);
            }
            // A loss is for those who do not recover exactly.
            "restart" | "lossy_restart" | "replay" => self.restart(),
            other => panic!("a trace has no call {other}"),
        }
    }

    /// What was answered, or None if the call was refused for one of the reasons it may be refused for.
    fn accepted<T>(&mut self, answer: Result<T, Error>, allowed: &[Status]) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(error) if allowed.contains(&error.status()) => {
                self.lived.refused += 1;
                None
            }
            Err(error) => panic!("refused for {error}, status {:?}", error.status()),
        }
    }

    fn add_channel(&mut self, line: &Value) {
        let limits = ChannelLimits {
            max_in_flight_msat: number(&line["max_in_flight_msat"]),
            max_accepted_htlcs: u16::try_from(number(&line["max_accepted_htlcs"])).expect("slots"),
        };
        let (channel, unix_secs) = (ShortChannelId(number(&line["channel"])), number(&line["t"]));
        let add = |keeper: &Keeper<ENTRIES>| {
            keeper.when_not_busy(|open| open.add_channel(channel, limits, unix_secs))
        };
        let added = add(&self.keeper);
        let refusals = [Status::ChannelLimits, Status::DuplicateChannel];
        if let Some((allocation, _)) = self.accepted(added, &refusals) {
            let again = add(&self.keeper).expect("a repeat is answered");
            assert_eq!(again, (allocation, true), "a repeat answers what was recorded");
            self.lived.repeated += 1;
        }
    }

    /// What only this mode looks at follows from the id.
    fn request(&self, line: &Value) -> AddRequest {
        let mut asked = request(&htlc(line));
        asked.upgrade = match asked.htlc_id % 9 {
            0 => Upgrade::Absent,
            1..5 => Upgrade::Present,
            _ => Upgrade::Unknown,
        };
        asked.policy_fee_msat = asked.htlc_id.is_multiple_of(4).then_some(1_000);
        asked
    }

    fn add(&mut self, line: &Value) {
        let asked = self.request(line);
        let looks = self.lived.calls.is_multiple_of(3);
        let before = looks.then(|| self.state());
        let foreseen = self.keeper.resources().dry_run(&asked);
        if let Some(before) = before {
            assert_eq!(before, self.state(), "a dry run of {asked:?} changes nothing");
        }
        let added = self.keeper.when_not_busy(|open| open.add_explained(&asked, Ack::Memory));
        match (&foreseen, &added) {
            (Ok(foreseen), Ok(added)) => assert_eq!(foreseen, added, "{asked:?}"),
            (Err(foreseen), Err(added)) => assert_eq!(foreseen.status(), added.status()),
            _ => panic!("{asked:?}: the dry run answers {foreseen:?}, the call {added:?}"),
        }
        let refusals = [
            Status::OutgoingExceedsIncoming,
            Status::ExpiryNotAfterHeight,
            Status::UnknownChannel,
            Status::ChannelClosing,
            Status::DuplicateHtlc,
        ];
        let Some(Explanation { decision, .. }) = self.accepted(added, &refusals) else {
            return;
        };
        if decision.already {
            self.lived.repeated += 1;
            return;
        }
        self.lived.note(&decision);
        let is_tampered = asked.incoming_accountable && asked.upgrade == Upgrade::Absent;
        assert!(!is_tampered || decision.verdict == Verdict::Fail, "{asked:?}: {decision:?}");
        let is_raised = decision.outgoing_accountable && !asked.incoming_accountable;
        assert!(!is_raised || asked.upgrade != Upgrade::Absent, "{asked:?}: {decision:?}");
        if decision.verdict == Verdict::Forward && looks {
            self.add_again(&asked, &decision);
        }
    }

    fn add_again(&mut self, asked: &AddRequest, decision: &Decision) {
        let before = self.state();
        let later = AddRequest { unix_secs: asked.unix_secs + 1, ..*asked };
        let again = self.keeper.when_not_busy(|open| open.add(&later, Ack::Memory));
        let again = again.expect("a repeat is answered");
        let signal = (again.verdict, again.bucket, again.outgoing_accountable, again.already);
        let Decision { verdict, bucket, outgoing_accountable, .. } = *decision;
        assert_eq!(signal, (verdict, bucket, outgoing_accountable, true), "{asked:?}");
        assert_eq!(before, self.state(), "a repeat of {asked:?} changes nothing");
        let other = AddRequest { incoming_amount_msat: asked.incoming_amount_msat + 1, ..*asked };
        let refused = self.keeper.when_not_busy(|open| open.add(&other, Ack::Memory));
        let status = refused.map_err(|error| error.status());
        assert_eq!(status, Err(Status::DuplicateHtlc), "another HTLC under the id of {asked:?}");
        assert_eq!(before, self.state(), "what is refused changes nothing");
        self.lived.repeated += 1;
    }

    fn resolve(&mut self, asked: &ResolveRequest) {
        let pending = self.keeper.resources().pending().expect("pending HTLCs");
        let key = (asked.incoming, asked.outgoing, asked.htlc_id);
        let htlc = pending.iter().find(|htlc| (htlc.incoming, htlc.outgoing, htlc.htlc_id) == key);
        let resolved = self.keeper.when_not_busy(|open| open.resolve(asked, Ack::Memory));
        let unknown = [Status::UnknownChannel, Status::UnknownHtlc];
        let Some(resolution) = self.accepted(resolved, &unknown) else {
            return;
        };
        assert_eq!(resolution.already, htlc.is_none(), "what is pending resolves: {asked:?}");
        if let Some(htlc) = htlc {
            self.lived.resolved += 1;
            check_fee(self.period_secs, asked, htlc, resolution.effective_fee_msat);
        }
        let before = self.state();
        let known = |id: &ShortChannelId| before.0.iter().any(|channel| channel.channel == *id);
        let are_known = known(&asked.incoming) && known(&asked.outgoing);
        match self.keeper.when_not_busy(|open| open.resolve(asked, Ack::Memory)) {
            Ok(again) => assert!(again.already && are_known, "{asked:?} resolves once"),
            Err(error) => {
                assert!(!are_known && unknown.contains(&error.status()), "{asked:?}: {error}");
            }
        }
        assert_eq!(before, self.state(), "a repeat of {asked:?} changes nothing");
    }

    fn restart(&mut self) {
        let before = self.state();
        self.keeper.restart();
        let after = self.state();
        for (before, after) in before.0.iter().zip(&after.0) {
            assert_eq!(before, after, "a channel is after a restart what it was before");
        }
        assert_eq!(before, after, "a restart changes nothing");
        self.lived.restarts += 1;
    }

    fn check(&self) {
        let (channels, pending) = self.state();
        let ids: BTreeSet<_> = pending.iter().map(|htlc| (htlc.incoming, htlc.htlc_id)).collect();
        assert_eq!(ids.len(), pending.len(), "an HTLC is pending once");
        for channel in &channels {
            check_bounds(channel);
            check_sums(channel, &pending);
        }
        let incoming: u32 = channels.iter().map(|channel| channel.pending_incoming).sum();
        let outgoing: u32 = channels.iter().map(|channel| channel.pending_outgoing).sum();
        let sums = (incoming as usize, outgoing as usize);
        assert_eq!(sums, (pending.len(), pending.len()), "both ends of every HTLC are known");
    }

    fn resolve_all(&mut self) {
        for htlc in self.state().1 {
            let PendingView { incoming, outgoing, htlc_id, .. } = htlc;
            let (settled, unix_secs) = (htlc_id % 2 == 0, self.unix_secs);
            let asked = ResolveRequest { incoming, outgoing, htlc_id, settled, unix_secs };
            let resolved = self.keeper.when_not_busy(|open| open.resolve(&asked, Ack::Memory));
            let resolved = resolved.expect("what is pending resolves");
            assert!(!resolved.already, "{asked:?} was pending");
        }
        self.check();
        for channel in self.state().0 {
            assert!(!channel.is_closing, "a closing channel goes with its last HTLC: {channel:?}");
            let uses =
                [channel.general_slots_used, channel.congestion.slots, channel.protected.slots];
            assert_eq!(uses, [0; 3], "nothing is in use: {channel:?}");
            let rest =
                (channel.congestion.msat, channel.protected.msat, channel.in_flight_risk_msat);
            assert_eq!(rest, (0, 0, 0), "nothing is left: {channel:?}");
            assert_eq!(channel.outgoing_in_congestion, 0, "nothing is left: {channel:?}");
        }
        self.restart();
    }
}

/// What reputations change by has the right sign, also where nothing is paid.
fn check_fee(period_secs: u64, asked: &ResolveRequest, htlc: &PendingView, fee_msat: i64) {
    let held_secs = asked.unix_secs.saturating_sub(htlc.added_unix_secs);
    let is_fast = held_secs <= period_secs;
    match (htlc.outgoing_accountable, asked.settled) {
        (false, true) if is_fast => assert!(fee_msat >= 0, "{asked:?} of {htlc:?}: {fee_msat}"),
        (false, _) => assert_eq!(fee_msat, 0, "{asked:?} of {htlc:?}"),
        (true, true) if is_fast => assert!(fee_msat >= 0, "{asked:?} of {htlc:?}: {fee_msat}"),
        (true, false) if is_fast => assert_eq!(fee_msat, 0, "{asked:?} of {htlc:?}"),
        // The cost of a period is the fee that delay is charged with, the default one at least.
        (true, false) if held_secs >= period_secs.saturating_mul(2) => {
            assert!(fee_msat < 0, "{asked:?} of {htlc:?}: {fee_msat}");
        }
        (true, _) => {}
    }
}

/// No bucket holds more than it has, and no pair more than its part.
fn check_bounds(channel: &ChannelView) {
    let allocation = &channel.allocation;
    let within = |used: u32, slots: u16| used <= u32::from(slots);
    assert!(within(channel.general_slots_used, allocation.general_slots), "{channel:?}");
    assert!(within(channel.congestion.slots, allocation.congestion_slots), "{channel:?}");
    assert!(within(channel.protected.slots, allocation.protected_slots), "{channel:?}");
    assert!(channel.congestion.msat <= allocation.congestion_liquidity_msat, "{channel:?}");
    assert!(channel.protected.msat <= allocation.protected_liquidity_msat, "{channel:?}");
    let occupied: BTreeSet<_> = channel.general_occupied.iter().collect();
    assert_eq!(occupied.len(), channel.general_slots_used as usize, "slots have numbers");
    let used: Vec<_> = channel.pairs.iter().flat_map(|pair| &pair.used).collect();
    assert_eq!(used.len(), occupied.len(), "a slot belongs to one pair: {channel:?}");
    assert_eq!(used.into_iter().collect::<BTreeSet<_>>(), occupied, "{channel:?}");
    for pair in &channel.pairs {
        assert!(pair.assigned.len() <= usize::from(allocation.pair_slots), "{channel:?}");
        assert!(pair.assigned.iter().all(|slot| *slot < allocation.general_slots), "{channel:?}");
    }
}

/// Every running sum is the sum over what is pending.
fn check_sums(channel: &ChannelView, pending: &[PendingView]) {
    let id = channel.channel;
    let incoming: Vec<_> = pending.iter().filter(|htlc| htlc.incoming == id).collect();
    let outgoing: Vec<_> = pending.iter().filter(|htlc| htlc.outgoing == id).collect();
    assert_eq!(channel.pending_incoming as usize, incoming.len(), "{channel:?}");
    assert_eq!(channel.pending_outgoing as usize, outgoing.len(), "{channel:?}");
    let accountable = outgoing.iter().filter(|htlc| htlc.outgoing_accountable);
    let risk_msat: u128 = accountable.map(|htlc| u128::from(htlc.risk_msat)).sum();
    let told_msat = u128::from(channel.in_flight_risk_msat);
    assert_eq!(told_msat, risk_msat.min(u128::from(u64::MAX)), "{channel:?}");
    let slots: u32 = incoming.iter().map(|htlc| u32::from(htlc.general_slots)).sum();
    assert_eq!(channel.general_slots_used, slots, "{channel:?}");

    let is_in = |kind: BucketKind| move |htlc: &&&PendingView| htlc.bucket == kind;
    let count = |htlcs: &[&PendingView], kind| htlcs.iter().filter(is_in(kind)).count() as u32;
    let msat = |kind| {
        incoming.iter().filter(is_in(kind)).map(|htlc| htlc.incoming_amount_msat).sum::<u64>()
    };
    // How an HTLC in several buckets is parted is not told, so that it bounds sums and does not fix them.
    let (spread, spread_msat) = (count(&incoming, BucketKind::Several), msat(BucketKind::Several));
    let uses =
        [(BucketKind::Congestion, channel.congestion), (BucketKind::Protected, channel.protected)];
    for (kind, usage) in uses {
        let (least, least_msat) = (count(&incoming, kind), msat(kind));
        assert!((least..=least + spread).contains(&usage.slots), "{kind:?} of {channel:?}");
        let range = least_msat..=least_msat + spread_msat;
        assert!(range.contains(&usage.msat), "{kind:?} of {channel:?}");
    }
    let least = count(&outgoing, BucketKind::Congestion);
    let most = least + count(&outgoing, BucketKind::Several);
    assert!((least..=most).contains(&channel.outgoing_in_congestion), "{channel:?}");
    let general_msat = msat(BucketKind::General);
    let bound_msat = channel.allocation.general_liquidity_msat;
    assert!(general_msat <= bound_msat, "{general_msat} msat of {channel:?}");
}
