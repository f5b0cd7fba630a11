//! Nodes and channels: the limits of each direction, what a node charges, the cheapest path.
//! A channel has two sides; side 0 sends from `ends[0]` to `ends[1]`, side 1 the other way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::chance::Chance;

/// Index into `Network::nodes`.
pub type NodeId = usize;

/// One direction of a channel: the channel's index and the sending side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    pub channel: usize,
    pub side: usize,
}

/// What holds for HTLCs in one direction, and what the sender charges for forwarding there.
#[derive(Clone, Debug)]
pub struct Direction {
    pub base_fee_msat: u64,
    pub fee_ppm: u64,
    pub cltv_delta_blocks: u32,
    pub htlcs_max: u16,
    pub in_flight_max_msat: u64,
    pub htlc_min_msat: u64,
    pub htlc_max_msat: u64,
    /// A direction that is not announced: honest payers do not find it, its owner can use it.
    pub private: bool,
    pub htlcs: u16,
    pub in_flight_msat: u64,
    pub next_htlc_id: u64,
}

impl Direction {
    /// An ordinary direction with this fee and these limits.
    pub fn new(base_fee_msat: u64, fee_ppm: u64, htlcs_max: u16, in_flight_max_msat: u64) -> Self {
        Direction {
            base_fee_msat,
            fee_ppm,
            cltv_delta_blocks: 40,
            htlcs_max,
            in_flight_max_msat,
            htlc_min_msat: 1,
            htlc_max_msat: in_flight_max_msat,
            private: false,
            htlcs: 0,
            in_flight_msat: 0,
            next_htlc_id: 0,
        }
    }

    pub fn fee_msat(&self, amount_msat: u64) -> u64 {
        self.base_fee_msat + amount_msat * self.fee_ppm / 1_000_000
    }

    /// The limits that the channel itself sets, whoever guards the node.
    pub fn has_room(&self, amount_msat: u64) -> bool {
        self.htlcs < self.htlcs_max
            && self.in_flight_msat + amount_msat <= self.in_flight_max_msat
            && amount_msat >= self.htlc_min_msat
            && amount_msat <= self.htlc_max_msat
    }

    pub fn reserve(&mut self, amount_msat: u64) -> u64 {
        assert!(self.has_room(amount_msat), "an HTLC was reserved beyond the channel's limits");
        self.htlcs += 1;
        self.in_flight_msat += amount_msat;
        self.next_htlc_id += 1;
        self.next_htlc_id
    }

    pub fn release(&mut self, amount_msat: u64) {
        self.htlcs -= 1;
        self.in_flight_msat -= amount_msat;
    }
}

#[derive(Clone, Debug)]
pub struct Channel {
    pub scid: u64,
    pub ends: [NodeId; 2],
    pub directions: [Direction; 2],
}

#[derive(Clone, Debug)]
pub struct Node {
    pub alias: String,
    pub attacker: bool,
    /// Directions in which this node sends.
    pub links: Vec<Link>,
}

#[derive(Clone, Debug, Default)]
pub struct Network {
    pub nodes: Vec<Node>,
    pub channels: Vec<Channel>,
    /// The node that the attacks are aimed at.
    pub target: NodeId,
}

/// Amount at which payers compare fees: about the mean payment.
const COMPARED_AMOUNT_MSAT: u64 = 4_000_000;
/// Longest path a payer takes.
const HOPS_MAX: usize = 8;

impl Network {
    pub fn add_node(&mut self, alias: &str, attacker: bool) -> NodeId {
        self.nodes.push(Node { alias: alias.to_string(), attacker, links: Vec::new() });
        self.nodes.len() - 1
    }

    /// `directions[0]` is what `ends[0]` charges and may send.
    pub fn connect(&mut self, ends: [NodeId; 2], directions: [Direction; 2]) -> usize {
        let channel = self.channels.len();
        // Block height, index in the block, output: what a short channel id is made of.
        let scid = ((700_000 + channel as u64 * 31) << 40) | ((channel as u64 % 1000) << 16);
        self.channels.push(Channel { scid, ends, directions });
        for (side, end) in ends.into_iter().enumerate() {
            self.nodes[end].links.push(Link { channel, side });
        }
        channel
    }

    pub fn sender(&self, link: Link) -> NodeId {
        self.channels[link.channel].ends[link.side]
    }

    pub fn receiver(&self, link: Link) -> NodeId {
        self.channels[link.channel].ends[1 - link.side]
    }

    pub fn direction(&self, link: Link) -> &Direction {
        &self.channels[link.channel].directions[link.side]
    }

    pub fn direction_mut(&mut self, link: Link) -> &mut Direction {
        &mut self.channels[link.channel].directions[link.side]
    }

    pub fn scid(&self, link: Link) -> u64 {
        self.channels[link.channel].scid
    }

    /// Directions by which honest neighbours send to a node.
    pub fn honest_links_into(&self, node: NodeId) -> Vec<Link> {
        let out = self.nodes[node].links.iter();
        let into = out.map(|link| Link { channel: link.channel, side: 1 - link.side });
        into.filter(|link| !self.nodes[self.sender(*link)].attacker).collect()
    }

    /// Directions by which a node sends to honest neighbours.
    pub fn honest_links_from(&self, node: NodeId) -> Vec<Link> {
        let out = self.nodes[node].links.iter().copied();
        out.filter(|link| !self.nodes[self.receiver(*link)].attacker).collect()
    }

    pub fn honest_nodes(&self) -> Vec<NodeId> {
        (0..self.nodes.len()).filter(|node| !self.nodes[*node].attacker).collect()
    }

    /// The path with the lowest fees for a mean payment, then the fewest hops, that leaves out what
    /// the payer avoids. The first hop costs nothing: a payer owns its channels.
    pub fn cheapest_path(
        &self,
        from: NodeId,
        to: NodeId,
        avoided: &dyn Fn(Link) -> bool,
    ) -> Option<Vec<Link>> {
        let mut best = vec![(u64::MAX, usize::MAX); self.nodes.len()];
        let mut came: Vec<Option<Link>> = vec![None; self.nodes.len()];
        let mut queue = BinaryHeap::new();
        best[from] = (0, 0);
        queue.push(Reverse((0u64, 0usize, from)));
        while let Some(Reverse((cost, hops, node))) = queue.pop() {
            if node == to {
                break;
            }
            if (cost, hops) != best[node] || hops == HOPS_MAX {
                continue;
            }
            for &link in &self.nodes[node].links {
                let direction = self.direction(link);
                if direction.private || avoided(link) {
                    continue;
                }
                let fee = if node == from { 0 } else { direction.fee_msat(COMPARED_AMOUNT_MSAT) };
                let next = (cost + fee, hops + 1);
                let receiver = self.receiver(link);
                if next < best[receiver] {
                    best[receiver] = next;
                    came[receiver] = Some(link);
                    queue.push(Reverse((next.0, next.1, receiver)));
                }
            }
        }
        let mut path = Vec::new();
        let mut node = to;
        while node != from {
            let link = came[node]?;
            path.push(link);
            node = self.sender(link);
        }
        path.reverse();
        Some(path)
    }
}

/// Routing nodes around the target, and wallets behind each of them, in the seeded network.
const NEIGHBOURS: usize = 6;
const WALLETS: usize = 12;
/// HTLC slots of the target's channels: what LDK offers by default, and so the easiest to fill.
const TARGET_SLOTS: u16 = 50;

/// A hub (the target), routing nodes around it that are also linked to each other at a higher
/// price, and wallets with two channels each.
pub fn seeded(seed: u64) -> Network {
    let mut network = Network::default();
    let mut chance = Chance::keyed(seed, 1, 0);
    network.target = network.add_node("target", false);
    for index in 0..NEIGHBOURS {
        network.add_node(&format!("router-{index}"), false);
    }
    for index in 0..WALLETS {
        network.add_node(&format!("wallet-{index}"), false);
    }
    let mut both = |base: (u64, u64), slots: u16, network: &mut Network, ends: [NodeId; 2]| {
        let capacity_msat = chance.between(4, 10) * 1_000_000_000;
        let directions = [0, 1].map(|_| {
            let base_fee_msat = chance.between(base.0, base.1);
            let mut direction =
                Direction::new(base_fee_msat, chance.between(10, 60), slots, capacity_msat);
            direction.cltv_delta_blocks = [34, 40, 40, 72][chance.below(4) as usize];
            direction
        });
        network.connect(ends, directions);
    };
    for index in 0..NEIGHBOURS {
        let router = 1 + index;
        both((900, 1_100), TARGET_SLOTS, &mut network, [0, router]);
        let next = 1 + (index + 1) % NEIGHBOURS;
        both((1_900, 3_500), 483, &mut network, [router, next]);
    }
    for index in 0..WALLETS {
        let wallet = 1 + NEIGHBOURS + index;
        let near = 1 + index % NEIGHBOURS;
        let far = 1 + (index + 2 + index / NEIGHBOURS) % NEIGHBOURS;
        both((900, 1_200), 483, &mut network, [near, wallet]);
        both((2_500, 4_000), 483, &mut network, [far, wallet]);
    }
    network
}
