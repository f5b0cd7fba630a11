//! What is to be kept, into how many shares it is cut, and who keeps them.
//!
//! BP1 a payload that fits into one blob goes whole to everyone; a longer one is cut into shares, one for
//! each place. BP2 a new generation is made only when the payload, its cut or the base of the journals asks
//! for it: it costs a blob for everyone. Pure: no clock, no disk, no lock. Called by `due` and by the owner
//! of the ledger, `mod`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::choose::{self, Candidate, Placed, Shape};
use super::generation::{Generation, Stripe};
use super::htlcs::HtlcSet;
use super::journals::Journals;
use super::ledger::{Known, Ledger};
use super::object::{OBJECT_TAIL_BYTES, join_object, split_object};
use super::record::History;
use super::score::{PeerFacts, Record};
use super::stripe::Code;
use super::stripes;
use crate::error::{Error, Result, Status};
use crate::limits::{BACKUP_SNAPSHOT_BYTES_MAX, BACKUP_STRIKE_SECS};
use crate::types::NodeId;

/// Bytes that are zeroized when the last who needs them is done.
pub(super) type Bytes = Arc<Zeroizing<Vec<u8>>>;

/// What the host wants to be kept.
#[derive(Clone)]
pub(super) struct Payload {
    pub(super) bytes: Bytes,
    pub(super) sha256: [u8; 32],
}

/// A generation and what it is made of.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) generation: Generation,
    pub(super) object: Bytes,
}

impl Made {
    /// The HTLCs in it.
    pub(super) fn htlcs(&self) -> HtlcSet {
        let snapshot = split_object(&self.object).map_or(&[][..], |(_, snapshot)| snapshot);
        let snapshot = if self.generation.has_snapshot { snapshot } else { &[] };
        HtlcSet::decode(snapshot).unwrap_or_default()
    }
}

/// What cut generations are made of, as it was found in the store.
#[derive(Default)]
pub(super) struct Objects {
    pub(super) newest: Option<Bytes>,
    pub(super) base: Option<Bytes>,
}

/// How the payload of now is kept.
#[derive(Debug, Clone)]
pub(super) enum Cut {
    /// Every blob carries all of it.
    Whole,
    /// Every place keeps a share.
    Striped(Shape),
    /// It cannot be kept.
    Impossible(Error),
}

/// What sends are decided from.
pub(super) struct Sends {
    pub(super) payload: Option<Payload>,
    pub(super) cut: Cut,
    pub(super) stripe: Stripe,
    /// The row of the stripe says this.
    pub(super) durable_revision: u64,
    /// What the newest generation is made of, `None` while that is not in memory.
    newest_object: Option<Bytes>,
    /// What the newest generation is made of is in the store.
    pub(super) newest_is_stored: bool,
    /// What the base is made of.
    base_object: Option<Bytes>,
    pub(super) facts: BTreeMap<NodeId, PeerFacts>,
    /// Those with facts, the best first.
    pub(super) ranked: Vec<NodeId>,
    /// When shares left, within the time of one batch.
    pub(super) spread: VecDeque<u64>,
    /// Facts, peers or the payload changed since places were given.
    needs_review: bool,
    pub(super) journals: Journals,
}

impl std::fmt::Debug for Sends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sends").field("stripe", &self.stripe).finish_non_exhaustive()
    }
}

impl Sends {
    pub(super) fn new(stripe: Stripe, objects: Objects, journals: Journals) -> Sends {
        Sends {
            payload: None,
            cut: Cut::Whole,
            durable_revision: stripe.revision,
            stripe,
            newest_is_stored: objects.newest.is_some(),
            newest_object: objects.newest,
            base_object: objects.base,
            facts: BTreeMap::new(),
            ranked: Vec::new(),
            spread: VecDeque::new(),
            needs_review: true,
            journals,
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.stripe.revision != self.durable_revision
    }

    pub(super) fn dirty_stripe(&self) -> Option<Stripe> {
        self.is_dirty().then(|| self.stripe.clone())
    }

    pub(super) fn is_durable(&mut self, revision: Option<u64>) {
        self.durable_revision = self.durable_revision.max(revision.unwrap_or(0));
    }

    pub(super) fn newest(&self) -> Option<Made> {
        let (generation, object) = self.stripe.newest.zip(self.newest_object.clone())?;
        Some(Made { generation, object })
    }

    /// The base, if what it is made of was found.
    pub(super) fn base(&self) -> Option<Made> {
        let (generation, object) = self.stripe.base.zip(self.base_object.clone())?;
        Some(Made { generation, object })
    }

    fn changed(&mut self) {
        self.stripe.revision = self.stripe.revision.saturating_add(1);
    }

    /// A generation became the base, durably.
    pub(super) fn set_base(&mut self, stripe: Stripe, made: &Made) {
        self.durable_revision = stripe.revision;
        self.stripe = stripe;
        self.base_object = Some(Arc::clone(&made.object));
        self.journals.set_base(made);
    }

    /// The newest generation again, if it was made of this payload and is not in the store: it went whole.
    fn find_newest(&mut self, payload: &Payload) {
        if self.newest_object.is_some() {
            return;
        }
        let same = |newest: &Generation| newest.payload_sha256 == payload.sha256;
        let Some(newest) = self.stripe.newest.filter(same) else { return };
        let made_anew = object_of(payload, &[], newest.is_whole).ok();
        self.newest_object = made_anew.filter(|object| digest(object) == newest.object_sha256);
    }
}

pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// What peers keep: the payload itself, or with HTLCs.
fn object_of(payload: &Payload, snapshot: &[u8], is_bare: bool) -> Result<Bytes> {
    match is_bare {
        true => Ok(Arc::clone(&payload.bytes)),
        false => Ok(Arc::new(join_object(&payload.bytes, snapshot)?)),
    }
}

/// How many of the last strikes still count.
pub(super) fn recent_strikes(history: &History, now_secs: u64) -> u32 {
    let is_recent =
        |secs: &&u64| **secs != 0 && now_secs.saturating_sub(**secs) < BACKUP_STRIKE_SECS;
    history.strike_secs.iter().filter(is_recent).count() as u32
}

impl Ledger {
    pub(super) fn set_payload(&mut self, payload: Payload) {
        if self.sends.payload.as_ref().is_some_and(|before| before.sha256 == payload.sha256) {
            return;
        }
        self.sends.find_newest(&payload);
        self.sends.payload = Some(payload);
        self.needs_review();
        self.review();
    }

    /// What the host knows of a peer, `None` when it has no channel with it any more.
    pub(super) fn set_facts(&mut self, node: NodeId, facts: Option<PeerFacts>) {
        if self.sends.facts.get(&node) == facts.as_ref() {
            return;
        }
        let known = Known { has_facts: facts.is_some(), ..self.known(node) };
        match facts {
            Some(facts) => self.sends.facts.insert(node, facts),
            None => self.sends.facts.remove(&node),
        };
        let place = self.sends.stripe.placement.index_of(node);
        if let (Some(index), false) = (place, known.has_facts) {
            self.sends.stripe.placement.set(index, None);
            self.sends.changed();
        }
        self.set(node, known);
        self.needs_review();
    }

    /// Journals are relative to the base while peers hold it: not after an open of which nobody knows that,
    /// and not once it was overwritten or lost.
    pub(super) fn look_after_base(&mut self) {
        let base = self.sends.base().filter(|base| {
            let is_cut = self.sends.stripe.newest.is_some_and(|newest| !newest.is_whole);
            is_cut && stripes::is_restorable(&base.generation, &self.holdings())
        });
        match base {
            Some(base) if self.sends.journals.base_generation() != base.generation.number => {
                self.sends.journals.set_base(&base);
            }
            Some(_) => {}
            None => self.sends.journals.clear_base(),
        }
    }

    pub(super) fn needs_review(&mut self) {
        self.sends.needs_review = true;
    }

    pub(super) fn candidate(&self, node: NodeId, known: &Known) -> Candidate {
        let Known { peer, history, .. } = known;
        let low_since_secs = history.low_since_secs;
        Candidate {
            node,
            facts: self.sends.facts.get(&node).cloned(),
            record: Record {
                uptime: history.uptime,
                commits: history.commits,
                strikes: peer.strikes,
                recent_strikes: recent_strikes(history, self.now_ms / 1_000),
            },
            offers_storage: known.was_connected.then_some(peer.offers_storage),
            is_unreadable: peer.is_protected,
            is_small: history.is_small,
            outclassed_since_secs: (low_since_secs != 0).then_some(low_since_secs),
        }
    }

    /// Peers that the host told facts of, or that have a place.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let placement = &self.sends.stripe.placement;
        let is_one =
            |node: &NodeId, known: &Known| known.has_facts || placement.index_of(*node).is_some();
        let peers = self.peers.iter().filter(|(node, known)| is_one(node, known));
        peers.map(|(node, known)| self.candidate(*node, known)).collect()
    }

    /// Cuts the payload of now and gives places, where something changed since. Places change rarely: each
    /// change leaves an old copy somewhere.
    pub(super) fn review(&mut self) {
        if !std::mem::take(&mut self.sends.needs_review) {
            return;
        }
        let Some(payload) = self.sends.payload.clone() else { return };
        let mut candidates = self.candidates();
        let mut ranking: Vec<_> =
            candidates.iter().filter_map(|one| Some((Reverse(one.score()?), one.node))).collect();
        ranking.sort_unstable();
        self.sends.ranked = ranking.into_iter().map(|(_, node)| node).collect();
        if payload.bytes.len() <= self.options.size_class.payload_max() {
            self.sends.cut = Cut::Whole;
        } else {
            self.sends.cut = match self.shape(&payload, &candidates) {
                Ok(shape) => {
                    self.give_places(shape, &mut candidates);
                    Cut::Striped(shape)
                }
                Err(error) => Cut::Impossible(error),
            };
        }
        let placement = match self.sends.cut {
            Cut::Whole => Default::default(),
            _ => self.sends.stripe.placement,
        };
        self.sends.journals.choose(&placement, &candidates);
    }

    fn give_places(&mut self, shape: Shape, candidates: &mut [Candidate]) {
        let now_secs = self.now_ms / 1_000;
        let before = self.sends.stripe.placement;
        choose::note_outclassed(candidates, &before, shape.class, now_secs);
        for candidate in candidates.iter() {
            if let Some(known) = self.peers.get_mut(&candidate.node) {
                known.history.low_since_secs = candidate.outclassed_since_secs.unwrap_or(0);
            }
        }
        let Placed { placement, .. } = choose::place(&before, candidates, shape, now_secs);
        if placement != before {
            self.sends.stripe.placement = placement;
            self.sends.changed();
        }
    }

    /// The cut of the newest generation while it serves: another one costs a blob for everyone (BP2).
    fn shape(&self, payload: &Payload, candidates: &[Candidate]) -> Result<Shape> {
        let (large, small) = choose::count_keepers(&self.sends.stripe.placement, candidates);
        let object_bytes = payload.bytes.len().saturating_add(OBJECT_TAIL_BYTES);
        let wanted = choose::shape(object_bytes, large, small, self.options.size_class);
        let newest = self.sends.stripe.newest.filter(|newest| !newest.is_whole);
        let Some(newest) = newest.filter(|newest| newest.payload_sha256 == payload.sha256) else {
            return Ok(wanted?);
        };
        let known = Shape { code: newest.code, class: newest.size_class };
        let serves = |wanted: &Shape| {
            let (data, shares) = (newest.code.data_shares(), newest.code.shares());
            let may_stay = shares.saturating_sub(1)..shares + shares.div_ceil(4);
            wanted.class == known.class
                && wanted.code.data_shares() == data
                && may_stay.contains(&wanted.code.shares())
        };
        Ok(if wanted.as_ref().is_ok_and(serves) { known } else { wanted? })
    }

    /// The generation of the payload of now, if blobs of it can be made and nothing asks for another.
    pub(super) fn current(&self) -> Option<Made> {
        let payload = self.sends.payload.as_ref()?;
        let made = self.sends.newest()?;
        let newest = &made.generation;
        let is_cut_so = match &self.sends.cut {
            Cut::Whole => newest.is_whole,
            Cut::Striped(shape) => {
                !newest.is_whole && (newest.code, newest.size_class) == (shape.code, shape.class)
            }
            Cut::Impossible(_) => false,
        };
        let base = self.sends.stripe.base.map(|base| base.number);
        let serves = !self.sends.journals.wants_base(self.now_ms, newest, base);
        (newest.payload_sha256 == payload.sha256 && is_cut_so && serves).then_some(made)
    }

    /// Makes a generation of the payload of now, and of the HTLCs that fit beside it.
    pub(super) fn draw(&mut self, payload: &Payload, seq: u64) -> Result<Made> {
        let (code, size_class, bytes_max) = match &self.sends.cut {
            Cut::Whole => {
                let size_class = self.options.size_class;
                (Code::new(1, 1)?, size_class, size_class.payload_max())
            }
            Cut::Striped(Shape { code, class }) => {
                (*code, *class, choose::slot_bytes(*class) * code.data_shares())
            }
            Cut::Impossible(error) => return Err(error.clone()),
        };
        let is_whole = matches!(self.sends.cut, Cut::Whole);
        let room = bytes_max.saturating_sub(payload.bytes.len() + OBJECT_TAIL_BYTES);
        let snapshot = match is_whole {
            true => Zeroizing::default(),
            false => self.sends.journals.snapshot(room.min(BACKUP_SNAPSHOT_BYTES_MAX))?,
        };
        let object = object_of(payload, &snapshot, is_whole)?;
        let too_big = |_| Error::new(Status::TooBig, "the payload exceeds 4 GiB");
        let generation = Generation {
            number: seq,
            code,
            size_class,
            is_whole,
            has_snapshot: !snapshot.is_empty(),
            object_bytes: u32::try_from(object.len()).map_err(too_big)?,
            object_sha256: digest(&object),
            payload_sha256: payload.sha256,
            made_ms: self.now_ms,
        };
        self.sends.stripe.newest = Some(generation);
        self.sends.newest_object = Some(Arc::clone(&object));
        self.sends.newest_is_stored = false;
        self.sends.changed();
        if is_whole {
            // Whole blobs carry no base along.
            self.sends.journals.clear_base();
        }
        Ok(Made { generation, object })
    }
}
