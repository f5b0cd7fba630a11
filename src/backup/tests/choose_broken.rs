//! Choices with one planted fault each, which judging has to find.

use super::choose::Place;
use super::choose_world::uptime;
use crate::backup::choose::{Candidate, Placed, Placement, Shape, place};
use crate::backup::diversity::Relaxed;
use crate::backup::score::PeerFacts;

pub(super) const BROKEN: &[(&str, Place)] = &[
    ("forgets who keeps what", |_, peers, shape, now| {
        place(&Placement::default(), peers, shape, now)
    }),
    ("forgets those without facts", forgets_the_silent),
    ("keeps the struck", |before, peers, shape, now| {
        altered(before, peers, shape, now, |peer| peer.record.recent_strikes = 0)
    }),
    ("keeps those without a channel", |before, peers, shape, now| {
        factual(before, peers, shape, now, |facts| facts.has_open_channel = true)
    }),
    ("keeps those who close", |before, peers, shape, now| {
        factual(before, peers, shape, now, |facts| facts.is_closing = false)
    }),
    ("takes those who keep short blobs", |before, peers, shape, now| {
        altered(before, peers, shape, now, |peer| peer.is_small = false)
    }),
    ("overwrites the unreadable", |before, peers, shape, now| {
        altered(before, peers, shape, now, |peer| peer.is_unreadable = false)
    }),
    ("takes those who offer nothing", |before, peers, shape, now| {
        altered(before, peers, shape, now, |peer| peer.offers_storage = Some(true))
    }),
    ("waits for those who were not connected", |before, peers, shape, now| {
        altered(before, peers, shape, now, |peer| {
            peer.offers_storage = Some(peer.offers_storage.unwrap_or(false));
        })
    }),
    ("ranks unannounced peers like others", |before, peers, shape, now| {
        factual(before, peers, shape, now, |facts| facts.is_announced = true)
    }),
    ("looks at no operator", |before, peers, shape, now| {
        factual(before, peers, shape, now, |facts| facts.operator = None)
    }),
    ("looks at no address", |before, peers, shape, now| {
        factual(before, peers, shape, now, |facts| facts.address.clear())
    }),
    ("looks at no software", |before, peers, shape, now| {
        factual(before, peers, shape, now, |facts| facts.software = 0)
    }),
    ("looks at no capacity", |before, peers, shape, now| {
        factual(before, peers, shape, now, |facts| facts.capacity_sat = 0)
    }),
    ("looks at no record", |before, peers, shape, now| {
        altered(before, peers, shape, now, |peer| {
            let strikes = peer.record.recent_strikes;
            peer.record.strikes = 0;
            peer.record.commits = 0;
            peer.record.recent_strikes = strikes;
        })
    }),
    ("takes over at once", |before, peers, shape, now| {
        altered(before, peers, shape, now, |peer| peer.outclassed_since_secs = Some(0))
    }),
    ("takes over before its time", |before, peers, shape, now| {
        place(before, peers, shape, now + 24 * 3_600)
    }),
    ("takes over after its time", |before, peers, shape, now| {
        place(before, peers, shape, now - 24 * 3_600)
    }),
    ("takes nothing over", |before, peers, shape, now| {
        altered(before, peers, shape, now, |peer| peer.outclassed_since_secs = None)
    }),
    ("takes the worst", |before, peers, shape, now| {
        altered(before, peers, shape, now, |peer| {
            let permille = peer.record.uptime.connected_ppm() / 1_000;
            let has_much = peer.facts.as_ref().is_some_and(|facts| facts.capacity_sat > 1_000_000);
            peer.record.uptime = uptime(if has_much { 1 } else { permille });
        })
    }),
    ("moves keepers together", moves_together),
    ("gives up all rules at once", gives_up_all),
    ("hides what was given up", |before, peers, shape, now| Placed {
        relaxed: Relaxed::default(),
        ..place(before, peers, shape, now)
    }),
    ("hides vacant places", |before, peers, shape, now| Placed {
        unfilled: 0,
        ..place(before, peers, shape, now)
    }),
    ("the list's end is not looked at", |before, peers, shape, now| {
        place(before, peers.split_last().map_or(peers, |(_, others)| others), shape, now)
    }),
];

fn altered(
    before: &Placement,
    peers: &[Candidate],
    shape: Shape,
    now_secs: u64,
    change: fn(&mut Candidate),
) -> Placed {
    let mut peers = peers.to_vec();
    peers.iter_mut().for_each(change);
    place(before, &peers, shape, now_secs)
}

fn factual(
    before: &Placement,
    peers: &[Candidate],
    shape: Shape,
    now_secs: u64,
    change: fn(&mut PeerFacts),
) -> Placed {
    let mut peers = peers.to_vec();
    peers.iter_mut().filter_map(|peer| peer.facts.as_mut()).for_each(change);
    place(before, &peers, shape, now_secs)
}

fn forgets_the_silent(
    before: &Placement,
    peers: &[Candidate],
    shape: Shape,
    now_secs: u64,
) -> Placed {
    let peers: Vec<_> = peers.iter().filter(|peer| peer.facts.is_some()).cloned().collect();
    place(before, &peers, shape, now_secs)
}

fn moves_together(before: &Placement, peers: &[Candidate], shape: Shape, now_secs: u64) -> Placed {
    let placed = place(before, peers, shape, now_secs);
    let mut placement = Placement::default();
    for (index, (_, node)) in placed.placement.iter().enumerate() {
        placement.set(index, Some(node));
    }
    Placed { placement, ..placed }
}

/// When one rule has to be broken, the best peers are taken whatever they have in common.
fn gives_up_all(before: &Placement, peers: &[Candidate], shape: Shape, now_secs: u64) -> Placed {
    let placed = place(before, peers, shape, now_secs);
    if placed.relaxed.is_none() {
        return placed;
    }
    factual(before, peers, shape, now_secs, |facts| {
        (facts.operator, facts.software, facts.is_announced) = (None, 0, true);
        facts.address.clear();
    })
}
