//! The event queue: HTLCs travel hop by hop, nodes ask their guards, answers travel back.
//! Time is in milliseconds since the beginning of the history; guards see whole Unix seconds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::attacks::{Attack, Reply};
use crate::guard::{Answer, Ask, Guard, Past};
use crate::ledger::{Accountable, Earned, Ledger};
use crate::network::{Link, Network, NodeId};
use crate::traffic::{Fate, Payers, Traffic};

pub const SECOND_MS: u64 = 1_000;
pub const HOUR_MS: u64 = 3_600 * SECOND_MS;
pub const DAY_MS: u64 = 24 * HOUR_MS;
pub const BLOCK_MS: u64 = 600 * SECOND_MS;
const START_UNIX_SECS: u64 = 1_750_000_000;
const START_HEIGHT: u32 = 900_000;
/// Blocks that an honest receiver asks for.
const FINAL_BLOCKS: u32 = 18;
/// Routes that an honest payer tries for one payment.
const ATTEMPTS_MAX: u32 = 3;
/// An HTLC that took longer than this made its payer wait.
const PATIENCE_MS: u64 = 60 * SECOND_MS;
const ATTACK_LATENCY_MS: u64 = 100;
/// Looks at the target while an attack lasts.
pub const SAMPLES_OF_ATTACK: u64 = 28;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The HTLC of this hop has reached its receiver.
    Arrive {
        htlc: usize,
        hop: usize,
    },
    /// The HTLC of this hop is resolved; its sender hears it.
    Back {
        htlc: usize,
        hop: usize,
        settled: bool,
    },
    /// The attacker's node lets go of an honest HTLC that it held.
    Pass {
        htlc: usize,
        hop: usize,
    },
    NextPayment {
        number: u64,
    },
    Wake {
        token: u64,
    },
    Sample,
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    Honest { number: u64, attempt: u32, payer: NodeId, fate: Fate },
    Attack { lane: usize },
}

#[derive(Clone, Copy, Debug)]
struct Hop {
    link: Link,
    amount_msat: u64,
    expiry: u32,
    htlc_id: u64,
}

/// A payment under way: one HTLC per hop.
#[derive(Clone, Debug)]
struct Flight {
    origin: Origin,
    hops: Vec<Hop>,
    accountable: bool,
    sent_ms: u64,
    latency_ms: u64,
    /// Where it stopped, for the payer to learn from.
    blamed: Option<usize>,
}

/// What an attacker sends.
#[derive(Clone, Debug)]
pub struct Shot {
    pub path: Vec<Link>,
    pub amount_msat: u64,
    pub accountable: bool,
    /// Blocks left at the last hop.
    pub final_blocks: u32,
    /// Paid to the first forwarding node beyond what it asks.
    pub overpaid_msat: u64,
}

/// When a run begins, and when its attack begins and ends.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub begin_ms: u64,
    pub attack_ms: u64,
    pub end_ms: u64,
}

pub struct World {
    pub now_ms: u64,
    pub times: Times,
    pub network: Network,
    pub ledger: Ledger,
    guards: Vec<Option<Box<dyn Guard>>>,
    traffic: Traffic,
    payers: Payers,
    attack: Option<Box<dyn Attack>>,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    events: u64,
    flights: Vec<Option<Flight>>,
    free: Vec<usize>,
    /// What the target has forwarded and not yet heard of, for its restarts.
    target_pending: BTreeMap<(u64, u64), Ask>,
}

pub fn unix_secs(at_ms: u64) -> u64 {
    START_UNIX_SECS + at_ms / SECOND_MS
}

pub fn height(at_ms: u64) -> u32 {
    START_HEIGHT + (at_ms / BLOCK_MS) as u32
}

impl World {
    /// `guards[node]` is None for a node that asks nobody, as the attacker's.
    pub fn new(
        network: Network,
        guards: Vec<Option<Box<dyn Guard>>>,
        traffic: Traffic,
        times: Times,
        attack: Option<Box<dyn Attack>>,
    ) -> World {
        let payers = Payers::new(network.nodes.len());
        World {
            now_ms: times.begin_ms,
            times,
            network,
            ledger: Ledger::default(),
            guards,
            traffic,
            payers,
            attack,
            queue: BinaryHeap::new(),
            events: 0,
            flights: Vec::new(),
            free: Vec::new(),
            target_pending: BTreeMap::new(),
        }
    }

    /// Keeps the forwards of every node.
    pub fn keep_history(&mut self) {
        self.ledger.history = Some(vec![Vec::new(); self.network.nodes.len()]);
    }

    /// Runs to the end, and looks at the target's state now and then.
    pub fn run(&mut self) {
        self.push(self.times.begin_ms, Event::Sample);
        let first = self.traffic.first_from(self.times.begin_ms);
        self.push(self.traffic.payment(first).at_ms, Event::NextPayment { number: first });
        self.with_attack(|attack, world| attack.begin(world));
        while let Some(Reverse((at_ms, _, event))) = self.queue.pop() {
            if at_ms >= self.times.end_ms {
                return;
            }
            debug_assert!(at_ms >= self.now_ms);
            self.now_ms = at_ms;
            match event {
                Event::Arrive { htlc, hop } => self.arrive(htlc, hop),
                Event::Back { htlc, hop, settled } => self.back(htlc, hop, settled),
                Event::Pass { htlc, hop } => self.pass(htlc, hop),
                Event::NextPayment { number } => self.next_payment(number),
                Event::Wake { token } => {
                    self.with_attack(|attack, world| attack.wake(world, token))
                }
                Event::Sample => self.sample(),
            }
        }
    }

    fn push(&mut self, at_ms: u64, event: Event) {
        self.events += 1;
        self.queue.push(Reverse((at_ms, self.events, event)));
    }

    /// The attack acts on the world it lives in; without one, nothing happens.
    fn with_attack(&mut self, act: impl FnOnce(&mut dyn Attack, &mut World)) {
        if let Some(mut attack) = self.attack.take() {
            act(attack.as_mut(), self);
            self.attack = Some(attack);
        }
    }

    fn sample(&mut self) {
        let sample = crate::sample::target(self);
        self.ledger.samples.push(sample);
        if self.now_ms == self.times.attack_ms {
            self.ledger.standing = crate::sample::standing(self);
        }
        let Times { attack_ms, end_ms, .. } = self.times;
        let next_ms = if self.now_ms < attack_ms {
            (self.now_ms + 12 * HOUR_MS).min(attack_ms)
        } else {
            self.now_ms + (end_ms - attack_ms) / SAMPLES_OF_ATTACK
        };
        self.push(next_ms, Event::Sample);
    }

    /// What a node's guard knows of a channel.
    pub fn state(&self, node: NodeId, channel: u64) -> Option<crate::guard::ChannelState> {
        let guard = self.guards[node].as_ref()?;
        guard.state(channel, unix_secs(self.now_ms))
    }

    fn flight(&self, htlc: usize) -> &Flight {
        self.flights[htlc].as_ref().expect("an event names a payment that is under way")
    }

    fn flight_mut(&mut self, htlc: usize) -> &mut Flight {
        self.flights[htlc].as_mut().expect("an event names a payment that is under way")
    }

    // Honest payers.

    fn next_payment(&mut self, number: u64) {
        let next = self.traffic.payment(number + 1);
        self.push(next.at_ms, Event::NextPayment { number: number + 1 });
        self.try_payment(number, 0);
    }

    fn try_payment(&mut self, number: u64, attempt: u32) {
        let payment = self.traffic.payment(number);
        let (payer, payee) = (payment.payer, payment.payee);
        let path = self.payers.path(&self.network, payer, payee, self.now_ms);
        let Some(path) = path.filter(|_| attempt < ATTEMPTS_MAX) else {
            self.ledger.payments.push((payment.at_ms, false));
            return;
        };
        let origin = Origin::Honest { number, attempt, payer, fate: payment.fate };
        let hops = self.hops(&path, payment.amount_msat, FINAL_BLOCKS, 0);
        self.launch(origin, hops, false, payment.latency_ms);
    }

    /// Amounts and expiries from the receiver back to the sender.
    fn hops(&self, path: &[Link], amount_msat: u64, final_blocks: u32, over_msat: u64) -> Vec<Hop> {
        let mut hops = Vec::with_capacity(path.len());
        let (mut amount_msat, mut expiry) = (amount_msat, height(self.now_ms) + final_blocks);
        for (index, &link) in path.iter().enumerate().rev() {
            hops.push(Hop { link, amount_msat, expiry, htlc_id: 0 });
            let direction = self.network.direction(link);
            amount_msat += direction.fee_msat(amount_msat);
            if index == 1 {
                amount_msat += over_msat;
            }
            expiry += direction.cltv_delta_blocks;
        }
        hops.reverse();
        hops
    }

    fn launch(&mut self, origin: Origin, hops: Vec<Hop>, accountable: bool, latency_ms: u64) {
        let sent_ms = self.now_ms;
        let flight = Flight { origin, hops, accountable, sent_ms, latency_ms, blamed: None };
        let htlc = self.free.pop().unwrap_or_else(|| {
            self.flights.push(None);
            self.flights.len() - 1
        });
        self.flights[htlc] = Some(flight);
        if !self.offer(htlc, 0) {
            self.flight_mut(htlc).blamed = Some(0);
            self.finish(htlc, false);
        }
    }

    /// Puts the HTLC of a hop onto its channel, if the channel has room.
    fn offer(&mut self, htlc: usize, hop: usize) -> bool {
        let Hop { link, amount_msat, .. } = self.flight(htlc).hops[hop];
        let direction = self.network.direction_mut(link);
        if !direction.has_room(amount_msat) {
            return false;
        }
        let htlc_id = direction.reserve(amount_msat);
        let flight = self.flight_mut(htlc);
        flight.hops[hop].htlc_id = htlc_id;
        let at_ms = self.now_ms + self.flight(htlc).latency_ms;
        self.push(at_ms, Event::Arrive { htlc, hop });
        true
    }

    fn arrive(&mut self, htlc: usize, hop: usize) {
        let flight = self.flight(htlc);
        let last = hop + 1 == flight.hops.len();
        let node = self.network.receiver(flight.hops[hop].link);
        match flight.origin {
            Origin::Honest { fate, .. } if last => {
                self.answer(htlc, hop, fate.settles, fate.after_ms);
            }
            Origin::Attack { lane } if last => {
                let mut reply = Reply::Fail { after_ms: 0 };
                self.with_attack(|attack, world| reply = attack.received(world, lane));
                match reply {
                    Reply::Settle { after_ms } => self.answer(htlc, hop, true, after_ms),
                    Reply::Fail { after_ms } => self.answer(htlc, hop, false, after_ms),
                }
            }
            _ if self.network.nodes[node].attacker => self.relay(htlc, hop),
            _ => self.forward(htlc, hop, node),
        }
    }

    /// The HTLC of a hop is answered by its receiver after a time.
    fn answer(&mut self, htlc: usize, hop: usize, settled: bool, after_ms: u64) {
        let at_ms = self.now_ms + after_ms + self.flight(htlc).latency_ms;
        self.push(at_ms, Event::Back { htlc, hop, settled });
    }

    /// An attacker's node between honest ones.
    fn relay(&mut self, htlc: usize, hop: usize) {
        let mut held_ms = 0;
        self.with_attack(|attack, world| held_ms = attack.holds_ms(world));
        if held_ms == 0 {
            self.pass(htlc, hop);
        } else {
            self.push(self.now_ms + held_ms, Event::Pass { htlc, hop });
        }
    }

    fn pass(&mut self, htlc: usize, hop: usize) {
        if !self.offer(htlc, hop + 1) {
            self.refuse(htlc, hop);
        }
    }

    fn refuse(&mut self, htlc: usize, hop: usize) {
        self.flight_mut(htlc).blamed = Some(hop + 1);
        self.answer(htlc, hop, false, 0);
    }

    fn ask(&self, htlc: usize, hop: usize) -> Ask {
        let flight = self.flight(htlc);
        let (into, out) = (flight.hops[hop], flight.hops[hop + 1]);
        Ask {
            incoming: self.network.scid(into.link),
            outgoing: self.network.scid(out.link),
            htlc_id: into.htlc_id,
            incoming_amount_msat: into.amount_msat,
            outgoing_amount_msat: out.amount_msat,
            incoming_cltv_expiry: into.expiry,
            block_height: height(self.now_ms),
            incoming_accountable: flight.accountable,
            policy_fee_msat: self.network.direction(out.link).fee_msat(out.amount_msat),
            unix_secs: unix_secs(self.now_ms),
        }
    }

    /// A routing node: its channel must have room, and its guard must agree.
    fn forward(&mut self, htlc: usize, hop: usize, node: NodeId) {
        let ask = self.ask(htlc, hop);
        let out = self.flight(htlc).hops[hop + 1];
        let room = self.network.direction(out.link).has_room(out.amount_msat);
        let answer = match self.guards[node].as_mut() {
            Some(guard) if room => guard.add(&ask),
            None if room => Answer::Forward { accountable: ask.incoming_accountable },
            _ => Answer::Fail,
        };
        let honest = matches!(self.flight(htlc).origin, Origin::Honest { .. });
        if node == self.network.target && honest && ask.incoming_accountable {
            let (at_ms, outgoing) = (self.now_ms, ask.outgoing);
            let failed = answer == Answer::Fail;
            self.ledger.accountable.push(Accountable { at_ms, outgoing, failed });
        }
        let Answer::Forward { accountable } = answer else {
            return self.refuse(htlc, hop);
        };
        if node == self.network.target {
            let left = Ask { incoming_accountable: accountable, ..ask };
            self.target_pending.insert((ask.incoming, ask.htlc_id), left);
        }
        self.flight_mut(htlc).accountable = accountable;
        let offered = self.offer(htlc, hop + 1);
        assert!(offered, "the room was looked at above");
    }

    /// The sender of a hop hears that its HTLC is resolved, and tells the one before.
    fn back(&mut self, htlc: usize, hop: usize, settled: bool) {
        let Hop { link, amount_msat, .. } = self.flight(htlc).hops[hop];
        self.network.direction_mut(link).release(amount_msat);
        if hop == 0 {
            return self.finish(htlc, settled);
        }
        self.resolved(htlc, hop - 1, settled);
        self.answer(htlc, hop - 1, settled, 0);
    }

    /// A node has forwarded the HTLC of `hop`, and hears what became of it.
    fn resolved(&mut self, htlc: usize, hop: usize, settled: bool) {
        let flight = self.flight(htlc);
        let (into, out) = (flight.hops[hop], flight.hops[hop + 1]);
        let node = self.network.receiver(into.link);
        let (incoming, outgoing) = (self.network.scid(into.link), self.network.scid(out.link));
        let honest = matches!(flight.origin, Origin::Honest { .. });
        let fee_msat = into.amount_msat - out.amount_msat;
        let now = unix_secs(self.now_ms);
        let added_unix_secs = unix_secs(flight.sent_ms);
        if let (Some(history), true) = (self.ledger.history.as_mut(), settled) {
            let past =
                Past { incoming, outgoing, fee_msat, added_unix_secs, settled_unix_secs: now };
            history[node].push(past);
        }
        if node == self.network.target {
            self.target_pending.remove(&(incoming, into.htlc_id));
            if settled && honest {
                let at_ms = self.now_ms;
                self.ledger.earned.push(Earned { at_ms, outgoing, fee_msat });
            }
        }
        if let Some(guard) = self.guards[node].as_mut() {
            guard.resolve(incoming, outgoing, into.htlc_id, settled, now);
        }
    }

    /// The sender knows the result.
    fn finish(&mut self, htlc: usize, settled: bool) {
        let flight = self.flights[htlc].take().expect("a payment ends once");
        self.free.push(htlc);
        match flight.origin {
            Origin::Attack { lane } => {
                if settled {
                    let paid = flight.hops[0].amount_msat;
                    let received = flight.hops[flight.hops.len() - 1].amount_msat;
                    self.ledger.attack_cost_msat += paid - received;
                }
                let refused = flight.blamed.is_some();
                self.with_attack(|attack, world| attack.done(world, lane, settled, refused));
            }
            Origin::Honest { number, attempt, payer, .. } => {
                self.learn(payer, &flight, settled);
                if settled || flight.blamed.is_none() {
                    self.ledger.payments.push((flight.sent_ms, settled));
                } else {
                    self.try_payment(number, attempt + 1);
                }
            }
        }
    }

    /// The error names the channel that failed. A payer who had to wait as well blames the node
    /// that kept it waiting, and so the channel to it.
    fn learn(&mut self, payer: NodeId, flight: &Flight, settled: bool) {
        if settled {
            for hop in &flight.hops {
                self.payers.succeeded(payer, hop.link);
            }
        }
        let Some(blamed) = flight.blamed else {
            return;
        };
        self.payers.failed(payer, flight.hops[blamed].link, self.now_ms);
        if blamed > 0 && self.now_ms - flight.sent_ms > PATIENCE_MS {
            self.payers.failed(payer, flight.hops[blamed - 1].link, self.now_ms);
        }
    }

    // What an attack may do.

    /// Sends an HTLC along a path; `Attack::done` hears the end of it.
    pub fn shoot(&mut self, lane: usize, shot: &Shot) {
        let hops = self.hops(&shot.path, shot.amount_msat, shot.final_blocks, shot.overpaid_msat);
        self.ledger.attack_htlcs += 1;
        let origin = Origin::Attack { lane };
        self.launch(origin, hops, shot.accountable, ATTACK_LATENCY_MS);
    }

    pub fn wake_at(&mut self, at_ms: u64, token: u64) {
        self.push(at_ms.max(self.now_ms), Event::Wake { token });
    }

    /// The target's process ends and starts again.
    pub fn restart_target(&mut self) {
        let live: Vec<Ask> = self.target_pending.values().copied().collect();
        if let Some(guard) = self.guards[self.network.target].as_mut() {
            guard.restart(&live, unix_secs(self.now_ms));
        }
    }

    /// An announced fee changes; payers see it.
    pub fn set_fee(&mut self, link: Link, base_fee_msat: u64, fee_ppm: u64) {
        let direction = self.network.direction_mut(link);
        direction.base_fee_msat = base_fee_msat;
        direction.fee_ppm = fee_ppm;
        self.payers.network_changed();
    }
}
