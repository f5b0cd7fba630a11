//! Forwards: decisions of the resources, and that everything they took is given back.

use lnkeep::ShortChannelId;
use lnkeep::resources::{
    Ack, AddRequest, ChannelLimits, LiveHtlc, ResolveRequest, Upgrade, Verdict,
};

use crate::disk;
use crate::life::{Control, End, Life, Lived};

const SCIDS: u64 = 4;

impl Life {
    pub fn forward(&mut self) -> Lived<()> {
        match self.dice.below(8) {
            0..4 => self.add_forward(),
            4..7 => self.resolve_forward(),
            _ => self.check_usage(),
        }
    }

    fn add_forward(&mut self) -> Lived<()> {
        let incoming = 1 + self.dice.below(SCIDS);
        let outgoing = 1 + (incoming + self.dice.below(SCIDS - 1)) % SCIDS;
        let id = self.next_htlc;
        self.next_htlc += 1;
        let amount_msat = 1_000 * self.dice.between(1, 20_000);
        let request = AddRequest {
            incoming: ShortChannelId(incoming),
            outgoing: ShortChannelId(outgoing),
            htlc_id: id,
            incoming_amount_msat: amount_msat + 1_000 + amount_msat / 500,
            outgoing_amount_msat: amount_msat,
            incoming_cltv_expiry: self.height + 80,
            block_height: self.height,
            incoming_accountable: self.dice.one_in(3),
            upgrade: Upgrade::Present,
            policy_fee_msat: None,
            unix_secs: self.now_secs(),
        };
        let explained = self.node().resources.dry_run(&request);
        let expected = self.done("dry_run", explained)?.decision;
        let forwards = expected.verdict == Verdict::Forward;
        let mut after = self.model.clone();
        if forwards {
            after.forwards.insert((incoming, id), outgoing);
        }
        let decision = self.decide(after, &request)?;
        if decision.verdict != expected.verdict || decision.reason != expected.reason {
            let fact = format!("{expected:?} in a dry run, then {decision:?}");
            return self.broken("wrong", fact);
        }
        if forwards {
            let live = LiveHtlc {
                incoming: request.incoming,
                outgoing: request.outgoing,
                htlc_id: id,
                incoming_amount_msat: request.incoming_amount_msat,
                outgoing_amount_msat: request.outgoing_amount_msat,
                incoming_cltv_expiry: request.incoming_cltv_expiry,
                block_height: request.block_height,
                outgoing_accountable: decision.outgoing_accountable,
                added_unix_secs: request.unix_secs,
            };
            self.live.insert((incoming, id), live);
        }
        Ok(())
    }

    /// Durably, or in memory and then flushed, or in memory and then the power goes.
    fn decide(
        &mut self,
        after: crate::model::Model,
        request: &AddRequest,
    ) -> Lived<lnkeep::resources::Decision> {
        match self.dice.below(12) {
            0..6 => self.change("add", after, |node| node.resources.add(request, Ack::Durable)),
            6 if !self.is_calm => {
                // From here on nothing reaches the disk, so that it does not matter when it is written.
                disk::kill();
                drop(self.node().resources.add(request, Ack::Memory));
                Err(End::Died)
            }
            _ => self.change("add and flush", after, |node| {
                let decision = node.resources.add(request, Ack::Memory)?;
                node.resources.sync()?;
                Ok(decision)
            }),
        }
    }

    fn resolve_forward(&mut self) -> Lived<()> {
        let live: Vec<(u64, u64)> = self.live.keys().copied().collect();
        let Some(which) = self.dice.pick(&live).copied() else { return Ok(()) };
        self.resolve(which)
    }

    fn resolve(&mut self, which: (u64, u64)) -> Lived<()> {
        let Some(htlc) = self.live.get(&which).copied() else { return Ok(()) };
        let request = ResolveRequest {
            incoming: htlc.incoming,
            outgoing: htlc.outgoing,
            htlc_id: htlc.htlc_id,
            settled: self.dice.one_in(2),
            unix_secs: self.now_secs(),
        };
        // The channels have forgotten it before the resources are told.
        self.live.remove(&which);
        let mut after = self.model.clone();
        after.forwards.remove(&which);
        self.change("resolve", after, |node| node.resources.resolve(&request, Ack::Durable))?;
        Ok(())
    }

    /// After a start: the channels are known, and what is pending is what the node still has.
    pub fn take_up_forwards(&mut self) -> Lived<()> {
        for channel in 1..=SCIDS {
            let limits = ChannelLimits {
                max_in_flight_msat: 2_000_000_000 * channel,
                max_accepted_htlcs: 200 + 50 * channel as u16,
            };
            let now_secs = self.now_secs();
            let known =
                self.node().resources.add_channel(ShortChannelId(channel), limits, now_secs);
            self.done("add_channel", known)?;
        }
        if self.control == Control::Unreconciled {
            return Ok(());
        }
        let live: Vec<LiveHtlc> = self.live.values().copied().collect();
        let mut after = self.model.clone();
        after.forwards = self.live.iter().map(|(which, htlc)| (*which, htlc.outgoing.0)).collect();
        let wanted = after.forwards.clone();
        let done =
            self.change_in_steps("reconcile", after, true, |node| node.resources.reconcile(&live))?;
        if done.unknown_channel != 0 {
            return self.broken("wrong", format!("{done:?}"));
        }
        self.expect_pending(&wanted)
    }

    fn expect_pending(
        &mut self,
        wanted: &std::collections::BTreeMap<(u64, u64), u64>,
    ) -> Lived<()> {
        let pending = self.node().resources.pending();
        let pending = self.done("pending", pending)?;
        let found: std::collections::BTreeMap<(u64, u64), u64> = pending
            .iter()
            .map(|pending| ((pending.incoming.0, pending.htlc_id), pending.outgoing.0))
            .collect();
        if found != *wanted || found.len() != pending.len() {
            let fact = format!("pending are {found:?}, and the node has {wanted:?}");
            return self.broken("usage", fact);
        }
        Ok(())
    }

    fn check_usage(&mut self) -> Lived<()> {
        let wanted = self.live.iter().map(|(which, htlc)| (*which, htlc.outgoing.0)).collect();
        self.expect_pending(&wanted)
    }

    /// Everything resolves: nothing is used then.
    pub fn resolve_everything(&mut self) -> Lived<()> {
        for which in self.live.keys().copied().collect::<Vec<_>>() {
            self.resolve(which)?;
        }
        let now_secs = self.now_secs();
        let views = self.node().resources.channels(now_secs);
        for view in self.done("channels", views)? {
            let in_use = view.pending_outgoing
                + view.pending_incoming
                + view.outgoing_in_congestion
                + view.general_slots_used
                + view.congestion.slots
                + view.protected.slots;
            let msat = view.congestion.msat + view.protected.msat + view.in_flight_risk_msat;
            if in_use != 0 || msat != 0 {
                let fact = format!(
                    "nothing is pending, and channel {:?} is in use: {view:?}",
                    view.channel
                );
                return self.broken("usage", fact);
            }
        }
        Ok(())
    }
}
