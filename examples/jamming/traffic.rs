//! Honest payments: who pays whom when, how much, and what the receiver does; what payers learn.

use crate::chance::Chance;
use crate::network::{Link, Network, NodeId};

const KIND_PAYMENT: u64 = 2;
/// Mean and spread of amounts: a few thousand sats, few above 30 000.
const MEAN_MSAT: f64 = 4_000_000.0;
const SIGMA: f64 = 0.9;
const AMOUNT_MAX_MSAT: u64 = 60_000_000;
const HOUR_MS: u64 = 3_600_000;
/// A payer leaves a channel alone for an hour after a failure there, then twice as long each time.
const AVOIDED_AT_MOST_MS: u64 = 48 * HOUR_MS;

/// What the receiver of a payment does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    pub settles: bool,
    pub after_ms: u64,
}

/// One honest payment; the same for every run with the same seed.
#[derive(Clone, Debug)]
pub struct Payment {
    pub at_ms: u64,
    pub payer: NodeId,
    pub payee: NodeId,
    pub amount_msat: u64,
    pub fate: Fate,
    /// Time that an HTLC or its answer takes from node to node.
    pub latency_ms: u64,
}

/// The stream of payments between the honest nodes other than the target.
#[derive(Clone, Debug)]
pub struct Traffic {
    seed: u64,
    gap_ms: u64,
    wallets: Vec<NodeId>,
}

impl Traffic {
    pub fn new(seed: u64, per_day: u64, network: &Network) -> Traffic {
        let wallets = network.honest_nodes().into_iter().filter(|node| *node != network.target);
        Traffic { seed, gap_ms: 24 * HOUR_MS / per_day, wallets: wallets.collect() }
    }

    /// The number of the first payment at or after a time.
    pub fn first_from(&self, at_ms: u64) -> u64 {
        at_ms.div_ceil(self.gap_ms)
    }

    /// Payment `number` falls somewhere into the number-th gap.
    pub fn payment(&self, number: u64) -> Payment {
        let mut chance = Chance::keyed(self.seed, KIND_PAYMENT, number);
        let at_ms = number * self.gap_ms + chance.below(self.gap_ms);
        let payer = self.wallets[chance.below(self.wallets.len() as u64) as usize];
        let mut payee = payer;
        while payee == payer {
            payee = self.wallets[chance.below(self.wallets.len() as u64) as usize];
        }
        let amount = chance.log_normal(MEAN_MSAT, SIGMA) as u64;
        let amount_msat = amount.clamp(1_000, AMOUNT_MAX_MSAT);
        let fate = fate(&mut chance);
        Payment { at_ms, payer, payee, amount_msat, fate, latency_ms: chance.between(80, 500) }
    }
}

/// Nearly all settle within seconds; some fail at once; one in a hundred takes minutes (a wallet
/// that wakes up), one in a thousand hours.
fn fate(chance: &mut Chance) -> Fate {
    match chance.below(1000) {
        0 => Fate { settles: chance.below(2) == 0, after_ms: chance.between(HOUR_MS, 4 * HOUR_MS) },
        1..=9 => Fate { settles: true, after_ms: chance.between(120_000, 600_000) },
        10..=69 => Fate { settles: false, after_ms: chance.between(200, 2_000) },
        _ => Fate { settles: true, after_ms: chance.between(200, 3_000) },
    }
}

#[derive(Clone, Debug)]
struct Lesson {
    link: Link,
    until_ms: u64,
    strikes: u32,
}

/// What each payer remembers of failures, so that it goes round a channel that fails.
#[derive(Clone, Debug, Default)]
pub struct Payers {
    lessons: Vec<Vec<Lesson>>,
    routes: Vec<Option<Option<Vec<Link>>>>,
    nodes: usize,
}

impl Payers {
    pub fn new(nodes: usize) -> Payers {
        Payers { lessons: vec![Vec::new(); nodes], routes: vec![None; nodes * nodes], nodes }
    }

    pub fn failed(&mut self, payer: NodeId, link: Link, now_ms: u64) {
        let lessons = &mut self.lessons[payer];
        let known = lessons.iter().position(|lesson| lesson.link == link);
        let known = known.unwrap_or_else(|| {
            lessons.push(Lesson { link, until_ms: 0, strikes: 0 });
            lessons.len() - 1
        });
        let lesson = &mut lessons[known];
        // Several HTLCs that were under way together are one lesson.
        if now_ms >= lesson.until_ms {
            lesson.strikes += 1;
            let avoided_ms = HOUR_MS << (lesson.strikes - 1).min(10);
            lesson.until_ms = now_ms + avoided_ms.min(AVOIDED_AT_MOST_MS);
        }
    }

    /// A payment over a channel clears its record.
    pub fn succeeded(&mut self, payer: NodeId, link: Link) {
        self.lessons[payer].retain(|lesson| lesson.link != link);
    }

    /// The cheapest path that avoids what failed this payer lately.
    pub fn path(
        &mut self,
        network: &Network,
        from: NodeId,
        to: NodeId,
        now_ms: u64,
    ) -> Option<Vec<Link>> {
        let lessons = &self.lessons[from];
        if lessons.iter().any(|lesson| lesson.until_ms > now_ms) {
            let avoided = |link: Link| {
                lessons.iter().any(|lesson| lesson.link == link && lesson.until_ms > now_ms)
            };
            return network.cheapest_path(from, to, &avoided);
        }
        let kept = &mut self.routes[from * self.nodes + to];
        kept.get_or_insert_with(|| network.cheapest_path(from, to, &|_| false)).clone()
    }

    /// Forgets the cheapest paths, after channels or fees have changed.
    pub fn network_changed(&mut self) {
        self.routes.iter_mut().for_each(|route| *route = None);
    }
}
