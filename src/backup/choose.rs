//! How many shares a payload is cut into, and which peers keep them.
//!
//! BQ1 no peer is ever the only holder: n >= k + 1. BQ2 a peer keeps its place while it can keep a share: who
//! comes or goes elsewhere moves nobody whom another has not outclassed for days, and one that is only
//! somewhat better takes no place. BQ3 the same input gives the same choice, choosing again changes nothing,
//! and whoever is not chosen does not matter.
//! BQ4 a rule of diversity is broken only when too few peers are left otherwise, the least grave first.
//! BQ5 two records of shares and the roster fit into every blob.
//! Source: spec of peer storage, 4.1, 4.3, 4.4. Pure: no clock, no I/O. Called by the component.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::diversity::{Company, RULES, Relaxed, Traits};
use super::envelope::SizeClass;
use super::score::{PeerFacts, Record, score};
use super::stripe::{Code, SHARES_MAX};
use crate::error::{Error, Status};
use crate::types::NodeId;

/// Strikes in 30 days with which a peer leaves.
pub const STRIKES_MAX: u32 = 3;
/// How long a better peer must have been free before it takes a place.
pub const OUTCLASSED_SECS: u64 = 7 * 24 * 3_600;
/// How much better: more than twice.
const OUTCLASSED_FACTOR: u64 = 2;

/// Records of shares in one blob, and the byte that counts them.
const RECORDS: usize = 2;
const COUNT_BYTES: usize = 1;
/// Head of a record: generation, code, index, lengths, hash.
const RECORD_HEADER_BYTES: usize = 52;
/// One share of n is no data: BQ1.
const DATA_SHARES_MAX: usize = SHARES_MAX - 1;
/// Peers that a search tries before a rule of diversity counts as one that too few peers can follow. The
/// first try takes one step for each place; a search that goes on is stopped before it is felt.
const SEARCH_STEPS_MAX: u32 = 512;

const _: () = assert!(SEARCH_STEPS_MAX as usize >= SHARES_MAX);
const _: () = assert!(slot_bytes(SizeClass::Bytes1024) > 0);

/// Bytes of each blob that are kept free for the roster and its length.
pub const fn roster_bytes_max(class: SizeClass) -> usize {
    match class {
        SizeClass::Bytes1024 => 256,
        SizeClass::Bytes4096 => 1_024,
        SizeClass::Bytes16384 => 2_048,
        SizeClass::Bytes65531 => 4_096,
    }
}

/// Bytes of the longest share of which two fit into a blob of this class (BQ5).
pub const fn slot_bytes(class: SizeClass) -> usize {
    let records = class.payload_max() - COUNT_BYTES - roster_bytes_max(class);
    records / RECORDS - RECORD_HEADER_BYTES
}

/// Bytes of the longest object that can be kept with blobs of this class.
pub const fn object_bytes_max(class: SizeClass) -> usize {
    slot_bytes(class) * DATA_SHARES_MAX
}

/// Into how many shares an object is cut, and the length of the blobs that carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// k of n.
    pub code: Code,
    /// Length of the blobs.
    pub class: SizeClass,
}

/// Why an object cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ShapeFault {
    /// Fewer suitable peers than shares are needed.
    #[error("{have} peers are suitable to keep shares, {need} are needed")]
    TooFewPeers {
        /// Suitable peers.
        have: usize,
        /// One more than restore it.
        need: usize,
    },
    /// Longer than all shares that there may be.
    #[error("an object of {bytes} bytes, at most {bytes_max}")]
    ObjectTooBig {
        /// Its bytes.
        bytes: usize,
        /// The most with blobs of this class.
        bytes_max: usize,
    },
}

impl From<ShapeFault> for Error {
    fn from(fault: ShapeFault) -> Error {
        let status = match fault {
            ShapeFault::TooFewPeers { .. } => Status::TooFewPeers,
            ShapeFault::ObjectTooBig { .. } => Status::TooBig,
        };
        let need = match fault {
            ShapeFault::TooFewPeers { need, .. } => Some(need as u64),
            ShapeFault::ObjectTooBig { .. } => None,
        };
        Error::new(status, fault.to_string()).of_channel(None, need)
    }
}

/// Chooses k and n: as few data shares as two slots allow, n = max(k + 2, 2.5 k), no more than there are
/// peers. Peers that accept short blobs only are left out, unless there are too few without them: then every
/// peer gets short ones.
///
/// # Errors
/// `TooFewPeers` when not one peer beyond k is there; `ObjectTooBig` when it does not fit the class.
pub fn shape(
    object_bytes: usize,
    large_peers: usize,
    small_peers: usize,
    class: SizeClass,
) -> Result<Shape, ShapeFault> {
    let all_peers = large_peers.saturating_add(small_peers);
    let is_small = class == SizeClass::Bytes1024;
    let first = shape_in(object_bytes, if is_small { all_peers } else { large_peers }, class);
    match first {
        Err(ShapeFault::TooFewPeers { .. }) if !is_small && small_peers > 0 => {
            shape_in(object_bytes, all_peers, SizeClass::Bytes1024).or(first)
        }
        _ => first,
    }
}

fn shape_in(object_bytes: usize, peers: usize, class: SizeClass) -> Result<Shape, ShapeFault> {
    let bytes_max = object_bytes_max(class);
    if object_bytes > bytes_max {
        return Err(ShapeFault::ObjectTooBig { bytes: object_bytes, bytes_max });
    }
    let data_shares = object_bytes.div_ceil(slot_bytes(class)).max(1);
    let wanted = (data_shares + 2).max((5 * data_shares).div_ceil(2));
    let shares = wanted.min(SHARES_MAX).min(peers);
    let need = data_shares + 1;
    match Code::new(data_shares, shares) {
        Ok(code) if shares >= need => Ok(Shape { code, class }),
        _ => Err(ShapeFault::TooFewPeers { have: peers, need }),
    }
}

/// A peer that keeps shares or might.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub node: NodeId,
    /// What the host knows of it; None: it was not told since the restart.
    pub facts: Option<PeerFacts>,
    /// What we know of it.
    pub record: Record,
    /// Whether it offers storage; None: it was not connected since the restart.
    pub offers_storage: Option<bool>,
    /// It holds what we cannot read and must not overwrite.
    pub is_unreadable: bool,
    /// It accepts the shortest blobs only.
    pub is_small: bool,
    /// Since when its score is below half of the best free peer's, as [`note_outclassed`] keeps it.
    pub outclassed_since_secs: Option<u64>,
}

impl Candidate {
    /// A share may go to it, as far as is known: what one needs to stay.
    fn can_keep(&self, class: SizeClass) -> bool {
        let has_channel =
            self.facts.as_ref().is_none_or(|facts| facts.has_open_channel && !facts.is_closing);
        let takes_class = !self.is_small || class == SizeClass::Bytes1024;
        has_channel && takes_class && !self.is_unreadable && self.offers_storage != Some(false)
    }

    fn is_struck(&self) -> bool {
        self.record.recent_strikes >= STRIKES_MAX
    }

    /// Known to be there and able: what one needs to come.
    fn is_suitable(&self, class: SizeClass) -> bool {
        let is_known = self.facts.is_some() && self.offers_storage == Some(true);
        is_known && !self.is_struck() && self.can_keep(class)
    }

    pub(super) fn score(&self) -> Option<u64> {
        self.facts.as_ref().map(|facts| score(facts, &self.record))
    }

    fn was_outclassed_for(&self, now_secs: u64, secs: u64) -> bool {
        self.outclassed_since_secs.is_some_and(|since| now_secs.saturating_sub(since) >= secs)
    }
}

/// Who keeps which share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Placement {
    places: [Option<NodeId>; SHARES_MAX],
}

impl Placement {
    /// The keeper of a share.
    pub fn node(&self, index: usize) -> Option<NodeId> {
        self.places.get(index).copied().flatten()
    }

    /// The share that a peer keeps.
    pub fn index_of(&self, node: NodeId) -> Option<usize> {
        self.places.iter().position(|place| *place == Some(node))
    }

    /// Puts a peer into a place, or nobody. Answers whether it could: there is no such place, or the peer has
    /// another one.
    pub fn set(&mut self, index: usize, node: Option<NodeId>) -> bool {
        let is_elsewhere =
            node.is_some_and(|node| self.index_of(node).is_some_and(|other| other != index));
        match self.places.get_mut(index) {
            Some(place) if !is_elsewhere => {
                *place = node;
                true
            }
            _ => false,
        }
    }

    /// Keepers in the order of their shares.
    pub fn iter(&self) -> impl Iterator<Item = (usize, NodeId)> + '_ {
        let places = self.places.iter().enumerate();
        places.filter_map(|(index, place)| place.map(|node| (index, node)))
    }
}

/// A choice of keepers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Who keeps which share.
    pub placement: Placement,
    /// How far the keepers break the rules of diversity.
    pub relaxed: Relaxed,
    /// Places of n that nobody suitable is left for.
    pub unfilled: usize,
}

/// How many peers could keep shares, for [`shape`]: those that take every blob, and those that take short
/// ones. Whoever keeps one already counts while it can stay.
pub fn count_keepers(before: &Placement, candidates: &[Candidate]) -> (usize, usize) {
    let small = SizeClass::Bytes1024;
    let able: BTreeMap<NodeId, bool> = candidates
        .iter()
        .rev()
        .filter(|peer| match before.index_of(peer.node) {
            Some(_) => peer.can_keep(small),
            None => peer.is_suitable(small),
        })
        .map(|peer| (peer.node, peer.is_small))
        .collect();
    let small_peers = able.values().filter(|is_small| **is_small).count();
    (able.len() - small_peers, small_peers)
}

/// Keeps up since when each keeper is outclassed; to be called before [`place`]. A keeper whose facts are not
/// known keeps its time, a peer without a place has none.
pub fn note_outclassed(
    candidates: &mut [Candidate],
    before: &Placement,
    class: SizeClass,
    now_secs: u64,
) {
    let free = candidates.iter().filter(|peer| before.index_of(peer.node).is_none());
    let best = free.filter(|peer| peer.is_suitable(class)).filter_map(Candidate::score).max();
    for peer in candidates {
        peer.outclassed_since_secs = match (before.index_of(peer.node), peer.score()) {
            (None, _) => None,
            (Some(_), None) => peer.outclassed_since_secs,
            (Some(_), Some(score)) => {
                let is_outclassed = best.is_some_and(|best| outclasses(best, score));
                // A clock that went back must not keep a peer longer than the time itself would.
                let since = peer.outclassed_since_secs.map_or(now_secs, |at| at.min(now_secs));
                is_outclassed.then_some(since)
            }
        };
    }
}

fn outclasses(score: u64, other: u64) -> bool {
    score > other.saturating_mul(OUTCLASSED_FACTOR)
}

/// Chooses who keeps the shares of a shape. Every keeper has to be among the candidates: one that is not was
/// forgotten, and its place is given away. Peers that stay:
///
/// | keeper | place |
/// |---|---|
/// | no open channel, closing, offers nothing, unreadable, too small for the class, not of n | vacated |
/// | three recent strikes | vacated if somebody suitable takes it |
/// | outclassed for seven days, and still by somebody whom diversity allows | taken over by the best |
/// | any other, also without facts since the restart | kept |
///
/// Newcomers offer storage, have an open channel, are known to be suitable, and come in the order of their
/// score; the best goes to the first vacant place.
pub fn place(before: &Placement, candidates: &[Candidate], shape: Shape, now_secs: u64) -> Placed {
    let mut choice = Choice::new(before, candidates, shape);
    choice.vacate_struck();
    choice.fill();
    while choice.replace_outclassed(now_secs) {}
    choice.placed()
}

/// One candidate, as a choice looks at it.
struct Ranked<'candidates> {
    peer: &'candidates Candidate,
    score: Option<u64>,
    traits: Traits,
    is_suitable: bool,
}

/// A choice under way. Peers are named by their position in the ranking.
struct Choice<'candidates> {
    ranking: Vec<Ranked<'candidates>>,
    /// The n places.
    places: Vec<Option<usize>>,
    /// Positions of those who had their place before.
    kept: BTreeSet<usize>,
    shape: Shape,
}

impl<'candidates> Choice<'candidates> {
    /// Everybody who can stay is in place.
    fn new(before: &Placement, candidates: &'candidates [Candidate], shape: Shape) -> Self {
        let mut seen = BTreeSet::new();
        let first = candidates.iter().filter(|peer| seen.insert(peer.node));
        let ranked = first.map(|peer| Ranked {
            peer,
            score: peer.score(),
            traits: Traits::of(peer.facts.as_ref()),
            is_suitable: peer.is_suitable(shape.class),
        });
        let mut ranking: Vec<_> = ranked.collect();
        ranking.sort_by_key(|ranked| (Reverse(ranked.score), ranked.peer.node));
        let able =
            ranking.iter().enumerate().filter(|(_, ranked)| ranked.peer.can_keep(shape.class));
        let able: BTreeMap<NodeId, usize> =
            able.map(|(position, ranked)| (ranked.peer.node, position)).collect();
        let places: Vec<_> = (0..shape.code.shares())
            .map(|index| before.node(index).and_then(|node| able.get(&node).copied()))
            .collect();
        let kept = places.iter().flatten().copied().collect();
        Choice { ranking, places, kept, shape }
    }

    fn newcomers(&self) -> Vec<usize> {
        let placed: BTreeSet<usize> = self.places.iter().flatten().copied().collect();
        let all = self.ranking.iter().enumerate();
        let suitable = all.filter(|(_, ranked)| ranked.is_suitable);
        suitable.map(|(position, _)| position).filter(|at| !placed.contains(at)).collect()
    }

    fn company(&self) -> Company {
        let mut company = Company::new(self.shape.code);
        for ranked in self.places.iter().flatten().filter_map(|at| self.ranking.get(*at)) {
            company.add(&ranked.traits);
        }
        company
    }

    fn traits(&self, position: usize) -> Traits {
        self.ranking.get(position).map_or(Traits::of(None), |ranked| ranked.traits)
    }

    /// As many as can be replaced go, the worst first: a poor keeper is better than none.
    fn vacate_struck(&mut self) {
        let holes = self.places.iter().filter(|place| place.is_none()).count();
        let spare = self.newcomers().len().saturating_sub(holes);
        let is_struck = |at: &usize| self.ranking.get(*at).is_some_and(|at| at.peer.is_struck());
        let struck: Vec<usize> =
            self.kept.iter().rev().copied().filter(is_struck).take(spare).collect();
        for place in &mut self.places {
            *place = place.filter(|position| !struck.contains(position));
        }
    }

    /// Fills the vacant places, giving up one rule of diversity after the other until it can (BQ4).
    fn fill(&mut self) {
        let newcomers = self.newcomers();
        let holes: Vec<usize> =
            (0..self.places.len()).filter(|index| self.places.get(*index) == Some(&None)).collect();
        let count = holes.len().min(newcomers.len());
        let chosen = (0..=RULES).rev().find_map(|rules| {
            let mut search = Search::new(self, &newcomers, rules);
            let is_possible = (0..rules).all(|rule| search.is_possible(rule, count));
            (is_possible && search.fill(count)).then_some(search.taken)
        });
        for (index, position) in holes.into_iter().zip(chosen.into_iter().flatten()) {
            if let Some(place) = self.places.get_mut(index) {
                *place = Some(position);
            }
        }
    }

    /// Replaces the worst keeper that can be replaced by a much better peer without making the set less
    /// diverse. Answers whether one was; the scores' sum rises each time, so this ends.
    fn replace_outclassed(&mut self, now_secs: u64) -> bool {
        let newcomers = self.newcomers();
        let mut company = self.company();
        let relaxed = company.relaxed();
        let mut keepers: Vec<(usize, usize)> = self
            .places
            .iter()
            .enumerate()
            .filter_map(|(index, place)| place.map(|position| (position, index)))
            .filter(|(position, _)| self.kept.contains(position))
            .collect();
        keepers.sort_unstable_by_key(|keeper| Reverse(*keeper));
        for (position, index) in keepers {
            let Some(keeper) = self.ranking.get(position) else { continue };
            if !keeper.peer.was_outclassed_for(now_secs, OUTCLASSED_SECS) {
                continue;
            }
            let Some(score) = keeper.score else { continue };
            company.remove(&keeper.traits);
            let best = newcomers
                .iter()
                .filter(|at| {
                    let newcomer = self.ranking.get(**at).and_then(|ranked| ranked.score);
                    newcomer.is_some_and(|newcomer| outclasses(newcomer, score))
                })
                .map(|at| (company.relaxed_with(&self.traits(*at)), *at))
                .filter(|(with, _)| *with <= relaxed)
                .min();
            company.add(&keeper.traits);
            if let (Some((_, newcomer)), Some(place)) = (best, self.places.get_mut(index)) {
                *place = Some(newcomer);
                return true;
            }
        }
        false
    }

    fn placed(&self) -> Placed {
        let mut placement = Placement::default();
        for (place, position) in placement.places.iter_mut().zip(&self.places) {
            *place = position.and_then(|at| self.ranking.get(at)).map(|at| at.peer.node);
        }
        let unfilled = self.places.iter().filter(|place| place.is_none()).count();
        Placed { placement, relaxed: self.company().relaxed(), unfilled }
    }
}

/// A search for newcomers who break none of the gravest rules further, depth first, the best first.
struct Search<'choice> {
    choice: &'choice Choice<'choice>,
    /// Newcomers who may be tried, by position.
    free: BTreeSet<usize>,
    company: Company,
    /// How far the keepers who stay break the rules.
    base: Relaxed,
    /// How many rules hold, from the gravest.
    rules: usize,
    taken: Vec<usize>,
    steps_left: u32,
}

impl<'choice> Search<'choice> {
    fn new(choice: &'choice Choice<'choice>, newcomers: &[usize], rules: usize) -> Self {
        let company = choice.company();
        Search {
            choice,
            free: newcomers.iter().copied().collect(),
            base: company.relaxed(),
            company,
            rules,
            taken: Vec::new(),
            steps_left: SEARCH_STEPS_MAX,
        }
    }

    /// Whether so many could follow one rule, if it were the only one. Each rule alone limits how many of a
    /// sort there may be, so taking whoever fits finds the most.
    fn is_possible(&self, rule: usize, count: usize) -> bool {
        let mut company = self.company.clone();
        let mut fitting = 0;
        for position in &self.free {
            let traits = self.choice.traits(*position);
            let with = company.relaxed_with(&traits);
            if with.numbers().get(rule) <= self.base.numbers().get(rule) {
                company.add(&traits);
                fitting += 1;
            }
            if fitting == count {
                return true;
            }
        }
        fitting >= count
    }

    /// Those who may come next: whoever breaks the rules that do not hold the least, then the best.
    fn order(&mut self) -> Vec<usize> {
        let base = self.base.numbers();
        let mut order = Vec::new();
        for position in &self.free {
            let with = self.company.relaxed_with(&self.choice.traits(*position)).numbers();
            let (held, given_up) = with.split_at(self.rules.min(RULES));
            if held.iter().zip(&base).all(|(with, base)| with <= base) {
                order.push((given_up.to_vec(), *position));
            }
        }
        order.sort();
        order.into_iter().map(|(_, position)| position).collect()
    }

    /// Takes so many more. What a rule says of a set does not depend on the order (BD1), so one who led
    /// nowhere is not tried again further down.
    fn fill(&mut self, count: usize) -> bool {
        if count == 0 {
            return true;
        }
        let order = self.order();
        let mut tried = Vec::new();
        for (place, position) in order.iter().enumerate() {
            if order.len() - place < count || self.steps_left == 0 {
                break;
            }
            self.steps_left -= 1;
            let traits = self.choice.traits(*position);
            self.free.remove(position);
            self.company.add(&traits);
            self.taken.push(*position);
            if self.fill(count - 1) {
                return true;
            }
            self.taken.pop();
            self.company.remove(&traits);
            tried.push(*position);
        }
        self.free.extend(tried);
        false
    }
}

/// Up to `count` peers without a place for journals of HTLCs, the best first. One that has a journal already
/// loses it only to a much better one, or when it cannot keep it; without facts since the restart it stays.
pub fn rank_for_journal(
    placement: &Placement,
    before: &[NodeId],
    candidates: &[Candidate],
    class: SizeClass,
    count: usize,
) -> Vec<NodeId> {
    let mut seen = BTreeSet::new();
    let free = candidates
        .iter()
        .filter(|peer| seen.insert(peer.node) && placement.index_of(peer.node).is_none());
    let rated = free.filter_map(|peer| match before.contains(&peer.node) {
        true if peer.is_struck() || !peer.can_keep(class) => None,
        true => {
            Some(peer.score().map_or(u64::MAX, |score| score.saturating_mul(OUTCLASSED_FACTOR)))
                .map(|rating| (Reverse(rating), peer.node))
        }
        false if !peer.is_suitable(class) => None,
        false => peer.score().map(|rating| (Reverse(rating), peer.node)),
    });
    let mut ranking: Vec<_> = rated.collect();
    ranking.sort_unstable();
    ranking.into_iter().take(count).map(|(_, node)| node).collect()
}
