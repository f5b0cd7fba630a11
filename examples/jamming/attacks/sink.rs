//! The sink: a node that honest payers choose because it is cheap, and that one day holds what they
//! send. It pays nothing: honest payers pay for the reputation it has with the target. In the end
//! it forwards, so that payers, who learn from failures only, keep on choosing it.

use super::{Attack, Reply};
use crate::network::{Direction, Link, Network};
use crate::world::{HOUR_MS, World};

/// It asks for a day, so that it may use most of it.
const CLTV_DELTA_BLOCKS: u32 = 144;
const HOLD_MS: u64 = 22 * HOUR_MS;
const SLOTS: u16 = 483;
/// 10 BTC.
const CAPACITY_MSAT: u64 = 1_000_000_000_000;

pub struct Sink;

impl Sink {
    /// A channel from the target, and one to every honest node that is not the target's neighbour.
    /// All are funded so that payments can only pass from the target through the sink outwards.
    pub fn join(network: &mut Network) -> Sink {
        let target = network.target;
        let near: Vec<_> = network.honest_links_from(target);
        let near: Vec<_> = near.into_iter().map(|link| network.receiver(link)).collect();
        let fee = near_fee(network, target);
        let sink = network.add_node("sink", true);
        connect(network, [target, sink], fee, 40);
        for node in network.honest_nodes() {
            if node != target && !near.contains(&node) {
                connect(network, [sink, node], (0, 0), CLTV_DELTA_BLOCKS);
            }
        }
        Sink
    }
}

/// What the target asks towards the sink: what it asks elsewhere in the middle.
fn near_fee(network: &Network, target: usize) -> (u64, u64) {
    let links: Vec<Link> = network.honest_links_from(target);
    let mut fees: Vec<(u64, u64)> = links
        .into_iter()
        .map(|link| network.direction(link))
        .map(|direction| (direction.base_fee_msat, direction.fee_ppm))
        .collect();
    fees.sort_unstable();
    fees[fees.len() / 2]
}

fn connect(
    network: &mut Network,
    ends: [usize; 2],
    (base_fee_msat, fee_ppm): (u64, u64),
    cltv_delta_blocks: u32,
) {
    let mut out = Direction::new(base_fee_msat, fee_ppm, SLOTS, CAPACITY_MSAT);
    out.cltv_delta_blocks = cltv_delta_blocks;
    let mut back = Direction::new(0, 0, SLOTS, 0);
    back.private = true;
    network.connect(ends, [out, back]);
}

impl Attack for Sink {
    fn begin(&mut self, _: &mut World) {}

    fn wake(&mut self, _: &mut World, _: u64) {}

    fn received(&mut self, _: &mut World, _: usize) -> Reply {
        Reply::Fail { after_ms: 0 }
    }

    fn holds_ms(&mut self, world: &mut World) -> u64 {
        if world.now_ms < world.times.attack_ms { 0 } else { HOLD_MS }
    }

    fn done(&mut self, _: &mut World, _: usize, _: bool, _: bool) {}
}
