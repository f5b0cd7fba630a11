//! Sets of candidates made of a seed, and a choice by trying everything: slow, and written without looking at
//! how the true one goes about it.

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::backup::choose::{
    Candidate, OUTCLASSED_SECS, Placed, Placement, STRIKES_MAX, Shape, note_outclassed,
};
use crate::backup::diversity::Relaxed;
use crate::backup::envelope::SizeClass;
use crate::backup::score::{PeerFacts, Record, score};
use crate::backup::stripe::Code;
use crate::backup::uptime::Uptime;
use crate::types::NodeId;

pub(super) const NOW_SECS: u64 = 1_800_000_000;
const DAY_SECS: u64 = 24 * 3_600;

pub(super) fn node(number: u32) -> NodeId {
    let mut id = [2; 33];
    id[29..].copy_from_slice(&number.to_be_bytes());
    NodeId(id)
}

/// An uptime of so many parts per thousand since ever.
pub(super) fn uptime(permille: u64) -> Uptime {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&((permille << 32) / 1_000).to_le_bytes());
    bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    Uptime::decode(&bytes).expect("a share of one")
}

/// A peer with nothing against it; an address, operator and software of its own.
pub(super) fn good(number: u32) -> Candidate {
    let [_, _, high, low] = number.to_be_bytes();
    let facts = PeerFacts {
        capacity_sat: 10_000_000,
        channel_age_secs: 90 * DAY_SECS,
        has_open_channel: true,
        is_closing: false,
        is_announced: true,
        operator: Some(u64::from(number)),
        software: 0,
        address: vec![1, high, low, 1, 1, 0x26, 0x07],
        latency_ms: 0,
    };
    let record = Record { uptime: uptime(900), commits: 10, ..Record::default() };
    Candidate {
        node: node(number),
        facts: Some(facts),
        record,
        offers_storage: Some(true),
        is_unreadable: false,
        is_small: false,
        outclassed_since_secs: None,
    }
}

pub(super) fn tor(number: u32) -> Vec<u8> {
    let mut address = vec![4; 38];
    address[1..5].copy_from_slice(&number.to_be_bytes());
    address
}

pub(super) fn shape_of(data_shares: usize, shares: usize) -> Shape {
    let code = Code::new(data_shares, shares).expect("a code");
    Shape { code, class: SizeClass::Bytes65531 }
}

/// What a choice is made of.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) before: Placement,
    pub(super) candidates: Vec<Candidate>,
    pub(super) shape: Shape,
}

struct Dice(ChaCha20Rng);

impl Dice {
    fn below(&mut self, limit: u32) -> u32 {
        self.0.next_u32() % limit
    }

    fn one_in(&mut self, limit: u32) -> bool {
        self.below(limit) == 0
    }
}

impl World {
    /// At most ten candidates, few enough traits for them to clash, scores that are often far apart.
    pub(super) fn new(seed: u64) -> World {
        let mut dice = Dice(ChaCha20Rng::seed_from_u64(seed));
        let data_shares = 1 + dice.below(3) as usize;
        let shares = data_shares + 1 + dice.below(4) as usize;
        let mut shape = shape_of(data_shares, shares);
        if dice.one_in(6) {
            shape.class = SizeClass::Bytes1024;
        }
        let count = 1 + dice.below(10);
        let mut candidates: Vec<_> =
            (0..count).map(|number| candidate(&mut dice, number)).collect();
        let mut before = Placement::default();
        for index in 0..shares + 1 {
            if dice.one_in(2) {
                before.set(index, Some(node(dice.below(count + 1))));
            }
        }
        for peer in &mut candidates {
            let is_marked = before.index_of(peer.node).is_some() && dice.one_in(2);
            let age_secs = u64::from(dice.below(12)) * DAY_SECS;
            peer.outclassed_since_secs = is_marked.then_some(NOW_SECS - age_secs);
        }
        if dice.one_in(2) {
            note_outclassed(&mut candidates, &before, shape.class, NOW_SECS);
        }
        World { before, candidates, shape }
    }
}

fn candidate(dice: &mut Dice, number: u32) -> Candidate {
    let mut peer = good(number);
    let facts = peer.facts.as_mut().expect("it has facts");
    facts.capacity_sat = [100_000, 3_000_000, 70_000_000][dice.below(3) as usize];
    facts.channel_age_secs = [DAY_SECS, 20 * DAY_SECS, 40 * DAY_SECS][dice.below(3) as usize];
    facts.has_open_channel = !dice.one_in(9);
    facts.is_closing = dice.one_in(12);
    facts.is_announced = !dice.one_in(4);
    facts.operator = (!dice.one_in(3)).then(|| u64::from(dice.below(6)));
    facts.software = dice.below(3) as u8;
    facts.address = match dice.below(4) {
        0 => Vec::new(),
        1 => tor(number),
        _ => vec![1, 10, dice.below(5) as u8, number as u8, 1, 0, 1],
    };
    if dice.one_in(10) {
        peer.facts = None;
    }
    peer.record.commits = dice.below(4);
    peer.record.strikes = dice.below(6);
    peer.record.recent_strikes = peer.record.strikes.min(dice.below(5));
    peer.offers_storage = [None, Some(false)][dice.below(2) as usize];
    if !dice.one_in(5) {
        peer.offers_storage = Some(true);
    }
    peer.is_unreadable = dice.one_in(12);
    peer.is_small = dice.one_in(8);
    peer
}

/// What one needs to stay.
pub(super) fn may_stay(peer: &Candidate, shape: Shape) -> bool {
    let mut may = !peer.is_unreadable;
    may &= peer.offers_storage.unwrap_or(true);
    may &= !(peer.is_small && shape.class != SizeClass::Bytes1024);
    if let Some(facts) = &peer.facts {
        may &= facts.has_open_channel;
        may &= !facts.is_closing;
    }
    may
}

/// What one needs to come.
pub(super) fn may_come(peer: &Candidate, shape: Shape) -> bool {
    let is_there = peer.offers_storage.is_some() && peer.facts.is_some();
    is_there && peer.record.recent_strikes < STRIKES_MAX && may_stay(peer, shape)
}

pub(super) fn score_of(peer: &Candidate) -> u64 {
    peer.facts.as_ref().map_or(0, |facts| score(facts, &peer.record))
}

/// How far a set breaks the rules, counted from the list of its members, with so many places left.
pub(super) fn relaxed_of(set: &[&Candidate], shape: Shape) -> Relaxed {
    let (k, n) = (shape.code.data_shares(), shape.code.shares());
    let facts: Vec<&PeerFacts> = set.iter().filter_map(|peer| peer.facts.as_ref()).collect();
    let unannounced = facts.iter().filter(|facts| !facts.is_announced).count();
    let mut operators = BTreeMap::<u64, usize>::new();
    let mut subnets = BTreeMap::<&[u8], usize>::new();
    let mut software = BTreeMap::<u8, usize>::new();
    let (mut clearnet, mut onion) = (0, 0);
    for facts in &facts {
        if let Some(operator) = facts.operator {
            *operators.entry(operator).or_default() += 1;
        }
        *software.entry(facts.software).or_default() += 1;
        match facts.address.first() {
            Some(1) => {
                *subnets.entry(&facts.address[..3]).or_default() += 1;
                clearnet += 1;
            }
            Some(_) => onion += 1,
            None => {}
        }
    }
    let unknown = set.len() - clearnet - onion + n.saturating_sub(set.len());
    let missing = [clearnet, onion].into_iter().filter(|there| *there == 0).count();
    let twice = |count: &usize| count.saturating_sub(1);
    let many = |(class, count): (&u8, &usize)| match class {
        0 => 0,
        _ => count.saturating_sub(n / 2),
    };
    Relaxed {
        announced: unannounced.saturating_sub(n - (k + 1)) as u32,
        operator: operators.values().map(twice).sum::<usize>() as u32,
        subnet: subnets.values().map(twice).sum::<usize>() as u32,
        software: software.iter().map(many).sum::<usize>() as u32,
        network: missing.saturating_sub(unknown) as u32,
    }
}

/// Whether `count` of these can join a set so that the first rules are broken no further than `base` says.
fn can_join(
    set: &[&Candidate],
    free: &[&Candidate],
    count: usize,
    rules: usize,
    base: Relaxed,
    shape: Shape,
) -> bool {
    if count == 0 {
        let with = relaxed_of(set, shape).numbers();
        return (0..rules).all(|rule| with[rule] <= base.numbers()[rule]);
    }
    (0..free.len()).any(|at| {
        let with: Vec<_> = set.iter().copied().chain([free[at]]).collect();
        can_join(&with, &free[at + 1..], count - 1, rules, base, shape)
    })
}

/// Who joins, in order: each the one who breaks the given up rules least and then has the best score, of
/// those with whom the rest can still follow the others.
fn join<'a>(
    stay: &[&'a Candidate],
    mut free: Vec<&'a Candidate>,
    count: usize,
    shape: Shape,
) -> Vec<&'a Candidate> {
    let base = relaxed_of(stay, shape);
    let rules = (0..=5).rev().find(|rules| can_join(stay, &free, count, *rules, base, shape));
    let rules = rules.expect("without rules, anybody may join");
    let mut set = stay.to_vec();
    let mut joined = Vec::new();
    while joined.len() < count {
        let left = count - joined.len() - 1;
        let fits = |peer: &&&Candidate| {
            let with: Vec<_> = set.iter().copied().chain([**peer]).collect();
            let rest: Vec<_> = free.iter().copied().filter(|other| other != *peer).collect();
            can_join(&with, &rest, left, rules, base, shape)
        };
        let given_up = |peer: &&&Candidate| {
            let with: Vec<_> = set.iter().copied().chain([**peer]).collect();
            relaxed_of(&with, shape).numbers()[rules..].to_vec()
        };
        let best = free.iter().filter(fits).min_by_key(given_up).copied();
        let best = best.expect("somebody fits, or these rules would be too many");
        free.retain(|peer| *peer != best);
        set.push(best);
        joined.push(best);
    }
    joined
}

/// The choice, by trying everything.
pub(super) fn reference(world: &World) -> Placed {
    let World { before, candidates, shape } = world;
    let shape = *shape;
    let mut ranking: Vec<&Candidate> = candidates.iter().collect();
    ranking.sort_by(|a, b| score_of(b).cmp(&score_of(a)).then(a.node.cmp(&b.node)));
    let find = |id: NodeId| ranking.iter().copied().find(|peer| peer.node == id);
    let mut places: Vec<Option<&Candidate>> = (0..shape.code.shares())
        .map(|at| before.node(at).and_then(find).filter(|peer| may_stay(peer, shape)))
        .collect();
    let rank = |peer: &Candidate| ranking.iter().position(|other| other.node == peer.node);
    let free_of = |places: &[Option<&Candidate>]| -> Vec<&Candidate> {
        let free = ranking.iter().copied().filter(|peer| !places.contains(&Some(*peer)));
        free.filter(|peer| may_come(peer, shape)).collect()
    };
    let free = free_of(&places);
    let mut holes = places.iter().filter(|place| place.is_none()).count();
    while holes < free.len() {
        let struck = |place: &&mut Option<&Candidate>| {
            place.is_some_and(|peer| peer.record.recent_strikes >= STRIKES_MAX)
        };
        let worst = places.iter_mut().filter(struck).max_by_key(|place| place.and_then(rank));
        let Some(place) = worst else { break };
        *place = None;
        holes += 1;
    }
    let stay: Vec<&Candidate> = places.iter().flatten().copied().collect();
    let mut joined = join(&stay, free.clone(), holes.min(free.len()), shape).into_iter();
    for place in places.iter_mut().filter(|place| place.is_none()) {
        *place = joined.next();
    }
    while let Some((at, peer)) = takeover(&places, &free_of(&places), before, shape) {
        places[at] = Some(peer);
    }
    let mut placement = Placement::default();
    for (at, peer) in places.iter().enumerate() {
        placement.set(at, peer.map(|peer| peer.node));
    }
    let keepers: Vec<&Candidate> = places.iter().flatten().copied().collect();
    let unfilled = places.len() - keepers.len();
    Placed { placement, relaxed: relaxed_of(&keepers, shape), unfilled }
}

/// The next one who takes over a place, and which.
fn takeover<'a>(
    places: &[Option<&'a Candidate>],
    free: &[&'a Candidate],
    before: &Placement,
    shape: Shape,
) -> Option<(usize, &'a Candidate)> {
    let keepers: Vec<&Candidate> = places.iter().flatten().copied().collect();
    let now = relaxed_of(&keepers, shape);
    let mut found = Vec::new();
    for (at, keeper) in places.iter().enumerate() {
        let Some(keeper) = keeper else { continue };
        let since = keeper.outclassed_since_secs;
        let is_due = since.is_some_and(|since| since + OUTCLASSED_SECS <= NOW_SECS);
        if before.node(at) != Some(keeper.node) || keeper.facts.is_none() || !is_due {
            continue;
        }
        for (rank, peer) in free.iter().enumerate() {
            let others = keepers.iter().copied().filter(|other| other != keeper);
            let with = relaxed_of(&others.chain([*peer]).collect::<Vec<_>>(), shape);
            if score_of(peer) > 2 * score_of(keeper) && with <= now {
                let worst = (score_of(keeper), std::cmp::Reverse(keeper.node));
                found.push(((worst, with, rank), (at, *peer)));
            }
        }
    }
    found.into_iter().min_by_key(|(key, _)| *key).map(|(_, takeover)| takeover)
}
