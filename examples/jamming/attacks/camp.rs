//! The attacker's channels around the target: exits behind it, entries at each of its neighbours,
//! and the other way round, so that every link of the target can be filled in both directions.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::network::{Direction, Link, Network, NodeId};

/// General slots of a pair of channels: a twentieth of them, but five at least.
fn pair_slots(general_slots: u64) -> u64 {
    general_slots.div_ceil(20).max(5)
}

/// How many channels behind the target reach all general slots of a link. Which slots a pair may
/// use is secret and as good as random, so this is the collector's problem: 13 of 20 slots, 110 of
/// 193.
fn exits_for(htlcs_max: u16) -> usize {
    let general_slots = (u64::from(htlcs_max) * 2 / 5).max(5);
    let rounds = general_slots as f64 * ((general_slots as f64).ln() + 0.6);
    (rounds / pair_slots(general_slots) as f64).ceil() as usize
}

/// Neighbours' neighbours through which it comes as well: those that most payments come from.
const UPSTREAM_PER_LINK: usize = 3;
const SLOTS: u16 = 483;
/// 100 BTC: never the narrowest channel on a path.
const LARGE_MSAT: u64 = 10_000_000_000_000;

/// One honest link into or out of the target, and the attacker's ways over it.
#[derive(Clone, Debug)]
pub struct Front {
    pub link: Link,
    /// Paths from the attacker up to and with `link`.
    pub direct: Vec<Vec<Link>>,
    /// The same through a neighbour of the neighbour, on the pair that honest payments use.
    pub upstream: Vec<Vec<Link>>,
    /// From the node behind the link to the attacker.
    pub exits: Vec<Link>,
}

#[derive(Clone, Debug)]
pub struct Camp {
    /// Links into the target, those with most traffic first; their exits are the target's.
    pub inward: Vec<Front>,
    /// Links from the target to its neighbours.
    pub outward: Vec<Front>,
    /// From the target to the attacker, for what is bought.
    pub bought_exit: Link,
    /// From the target as well, one for each congestion slot of the busiest links.
    pub spare_exits: Vec<Vec<Link>>,
    /// From the attacker to the target.
    pub gate: Link,
}

/// Pairs of links that follow each other on cheapest paths between honest nodes, and how often:
/// what the attacker knows of where honest payments come from.
fn travelled(network: &Network) -> BTreeMap<(Link, Link), usize> {
    let mut pairs = BTreeMap::new();
    let nodes = network.honest_nodes();
    for &from in &nodes {
        for &to in &nodes {
            let path = network.cheapest_path(from, to, &|_| false).unwrap_or_default();
            for pair in path.windows(2) {
                *pairs.entry((pair[0], pair[1])).or_insert(0) += 1;
            }
        }
    }
    pairs
}

/// The attacker charges and pays what others do.
fn connect(network: &mut Network, from: NodeId, to: NodeId) -> Link {
    let directions = [1_000, 1_000].map(|base_fee_msat| {
        let mut direction = Direction::new(base_fee_msat, 30, SLOTS, LARGE_MSAT);
        direction.private = true;
        direction
    });
    Link { channel: network.connect([from, to], directions), side: 0 }
}

/// The attacker's two nodes while they open channels.
struct Builder<'a> {
    network: &'a mut Network,
    travelled: BTreeMap<(Link, Link), usize>,
    sender: NodeId,
    receiver: NodeId,
}

impl Builder<'_> {
    fn exits(&mut self, node: NodeId, htlcs_max: u16) -> Vec<Link> {
        let exits = exits_for(htlcs_max);
        (0..exits).map(|_| connect(self.network, node, self.receiver)).collect()
    }

    /// Enough entries for every slot of a link: a pair of channels has only a few.
    fn entries(&mut self, node: NodeId, htlcs_max: u16) -> Vec<Link> {
        let own_slots = pair_slots(u64::from(SLOTS) * 2 / 5);
        let entries = u64::from(htlcs_max).div_ceil(own_slots);
        (0..entries).map(|_| connect(self.network, self.sender, node)).collect()
    }

    fn inward(&mut self, link: Link, exits: &[Link]) -> Front {
        let neighbour = self.network.sender(link);
        let entries = self.entries(neighbour, self.network.direction(link).htlcs_max);
        let before = self.travelled.iter().filter(|((_, next), _)| *next == link);
        let mut before: Vec<(usize, Link)> =
            before.map(|((before, _), paths)| (*paths, *before)).collect();
        before.sort_unstable_by_key(|(paths, before)| (Reverse(*paths), *before));
        let mut upstream = Vec::new();
        for (_, before) in before.into_iter().take(UPSTREAM_PER_LINK) {
            let far = self.network.sender(before);
            upstream.push(vec![connect(self.network, self.sender, far), before, link]);
        }
        let direct = entries.into_iter().map(|entry| vec![entry, link]).collect();
        Front { link, direct, upstream, exits: exits.to_vec() }
    }

    fn outward(&mut self, link: Link, gates: &[Link]) -> Front {
        let htlcs_max = self.network.direction(link).htlcs_max;
        let exits = self.exits(self.network.receiver(link), htlcs_max);
        let direct = gates.iter().map(|gate| vec![*gate, link]).collect();
        Front { link, direct, upstream: Vec::new(), exits }
    }
}

impl Camp {
    pub fn join(network: &mut Network, spare_links: usize) -> Camp {
        let target = network.target;
        let travelled = travelled(network);
        let traffic = |link: &Link| {
            let paths = travelled.iter().filter(|((_, next), _)| next == link);
            Reverse(paths.map(|(_, paths)| *paths).sum::<usize>())
        };
        let mut into = network.honest_links_into(target);
        into.sort_by_key(traffic);
        let out = network.honest_links_from(target);
        let widest = |links: &[Link]| {
            links.iter().map(|link| network.direction(*link).htlcs_max).max().unwrap_or(0)
        };
        let (widest_into, widest_out) = (widest(&into), widest(&out));
        let sender = network.add_node("attacker-in", true);
        let receiver = network.add_node("attacker-out", true);
        let mut builder = Builder { network, travelled, sender, receiver };
        let bought_exit = connect(builder.network, target, receiver);
        let spare_exits = (0..spare_links).map(|_| {
            let slots = 0..widest_into / 5;
            slots.map(|_| connect(builder.network, target, receiver)).collect()
        });
        let spare_exits = spare_exits.collect();
        let exits = builder.exits(target, widest_into);
        let inward = into.into_iter().map(|link| builder.inward(link, &exits)).collect();
        let gates = builder.entries(target, widest_out);
        let outward = out.into_iter().map(|link| builder.outward(link, &gates)).collect();
        Camp { inward, outward, bought_exit, spare_exits, gate: gates[0] }
    }
}
