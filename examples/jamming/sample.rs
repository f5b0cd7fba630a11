//! One look at the target's state, for the charts.

use crate::guard::ChannelState;
use crate::ledger::Sample;
use crate::world::World;

/// The target at this moment. Reading changes nothing, neither here nor in the guard.
pub fn target(world: &World) -> Sample {
    let network = &world.network;
    let mut reputations = Vec::new();
    let mut slots = [(0u32, 0u32); 3];
    let (mut htlcs, mut htlcs_max) = (0u64, 0u64);
    let (mut in_flight, mut in_flight_max) = (0u64, 0u64);
    for link in network.honest_links_into(network.target) {
        let direction = network.direction(link);
        htlcs += u64::from(direction.htlcs);
        htlcs_max += u64::from(direction.htlcs_max);
        in_flight += direction.in_flight_msat;
        in_flight_max += direction.in_flight_max_msat;
        if let Some(state) = world.state(network.target, network.scid(link)) {
            reputations.push(state.reputation_msat);
            for (sum, bucket) in slots.iter_mut().zip(state.slots) {
                *sum = (sum.0 + bucket.0, sum.1 + bucket.1);
            }
        }
    }
    let attackers = network.nodes[network.target].links.iter();
    let attackers = attackers.filter(|link| network.nodes[network.receiver(**link)].attacker);
    let best = attackers.filter_map(|link| world.state(network.target, network.scid(*link)));
    let standings = network.honest_links_into(network.target).into_iter().filter_map(|link| {
        let state = world.state(network.sender(link), network.scid(link));
        state.map(|state| state.reputation_msat)
    });
    let share = |used: u64, all: u64| used as f64 / all.max(1) as f64;
    Sample {
        at_ms: world.now_ms,
        reputation_low_msat: reputations.into_iter().min().unwrap_or(0),
        reputation_attacker_msat: best.map(|state| state.reputation_msat).max().unwrap_or(0),
        standing_msat: standings.sum(),
        buckets: slots.map(|(used, all)| share(u64::from(used), u64::from(all))),
        channels: share(htlcs, htlcs_max).max(share(in_flight, in_flight_max)),
    }
}

/// What the target's guard knows of the honest channels.
pub fn standing(world: &World) -> Vec<(u64, ChannelState)> {
    let network = &world.network;
    let channels = network.honest_links_from(network.target).into_iter();
    let channels = channels.map(|link| network.scid(link));
    channels.filter_map(|scid| Some((scid, world.state(network.target, scid)?))).collect()
}
