//! What each peer is to be sent, and when.
//!
//! BL2 a blob is due when the peer's copy is not what it should have now, or was asked for again, at most
//! once per `resend_interval_ms`; what must not be overwritten yet is not due (BS1). BP3 shares of one
//! generation leave in batches of at most as many as may be missing, `BACKUP_SPREAD_MS` apart.
//! Pure: no clock, no disk, no lock. Called by the owner of the ledger, `mod`.

use zeroize::Zeroizing;

use super::choose::slot_bytes;
use super::content::{Content, ShareId};
use super::envelope::SizeClass;
use super::generation::Generation;
use super::ledger::{Known, Ledger};
use super::record::History;
use super::roster::{ENTRY_HEAD_BYTES, ROSTER_TAIL_BYTES, Roster, RosterPeer};
use super::rules::{self, PeerState};
use super::sends::{Cut, Made, Payload};
use super::share::RECORD_HEADER_BYTES;
use super::stripes::{self, Guard, Holding};
use crate::error::{Error, Result, Status};
use crate::limits::BACKUP_SPREAD_MS;
use crate::types::NodeId;

/// More entries fit into no blob.
const ROSTER_PEERS_MAX: usize = SizeClass::Bytes65531.bytes() / ENTRY_HEAD_BYTES;

/// Time after an open in which journals of the time before are kept.
const JOURNAL_GRACE_MS: u64 = 600_000;

/// What a peer's blob is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Whole,
    Share(u8),
    Journal,
    Roster,
}

/// A blob that is to be sealed.
pub(super) struct SendPlan {
    pub(super) known: Known,
    pub(super) class: SizeClass,
    pub(super) seq: u64,
    pub(super) content: Content,
    pub(super) roster: Vec<u8>,
    /// What the newest share, or the whole payload, is of.
    pub(super) newest: Option<Made>,
    /// What it is made of is to be stored with this blob.
    pub(super) stores_newest: bool,
    /// What the older share is of.
    pub(super) base: Option<Made>,
    pub(super) journal: Zeroizing<Vec<u8>>,
}

impl SendPlan {
    /// What of its payload is no roster.
    fn content_bytes(&self) -> usize {
        let record_bytes = |made: &Made| record_bytes(&made.generation);
        match self.content {
            Content::Whole { .. } => self.newest.as_ref().map_or(0, |made| made.object.len()),
            Content::Shares { .. } => {
                let shares = [&self.newest, &self.base].into_iter().flatten();
                1 + shares.map(record_bytes).sum::<usize>()
            }
            Content::Journal => self.journal.len(),
            Content::Nothing | Content::Roster => 0,
        }
    }

    fn room_for_roster(&self) -> usize {
        self.class.payload_max().saturating_sub(self.content_bytes() + ROSTER_TAIL_BYTES)
    }
}

fn record_bytes(generation: &Generation) -> usize {
    RECORD_HEADER_BYTES + generation.code.share_bytes(generation.object_bytes as usize)
}

fn share_of_base(base: Made, index: u8, held: &Content) -> (ShareId, Made) {
    let Generation { number: generation, code, .. } = base.generation;
    let index = held.share_of(generation).unwrap_or(index % code.shares() as u8);
    (ShareId { generation, index }, base)
}

fn earlier(one: Option<u64>, other: u64) -> Option<u64> {
    Some(one.map_or(other, |one| one.min(other)))
}

impl Ledger {
    fn role(&self, node: NodeId) -> Option<Role> {
        self.sends.payload.as_ref()?;
        if self.sends.journals.keeps(node) {
            return Some(Role::Journal);
        }
        if self.is_journal_kept(node) {
            return None;
        }
        let index = self.sends.stripe.placement.index_of(node);
        match (&self.sends.cut, index.and_then(|index| u8::try_from(index).ok())) {
            (Cut::Whole, _) => Some(Role::Whole),
            // Copies of what could be kept stay where they are.
            (Cut::Impossible(_), _) => None,
            (_, Some(index)) => Some(Role::Share(index)),
            (_, None) => self.sends.facts.contains_key(&node).then_some(Role::Roster),
        }
    }

    /// After an open, HTLCs may not have been told yet: what peers hold of them is not overwritten at once.
    fn is_journal_kept(&self, node: NodeId) -> bool {
        let holds_one = self.known(node).history.sent == Content::Journal;
        let is_new = self.now_ms < self.began_ms.saturating_add(JOURNAL_GRACE_MS);
        holds_one && is_new && !self.sends.journals.is_active()
    }

    pub(super) fn holdings(&self) -> Vec<Holding> {
        let holding = |(node, known): (&NodeId, &Known)| {
            let History { held, sent, .. } = known.history;
            let (held, sent) = match &known.on_its_way {
                Some(new) => (held.kept_in(new), *new),
                None => (held, sent),
            };
            let is_of_use = held != Content::Nothing || sent != Content::Nothing;
            is_of_use.then_some(Holding { node: *node, held, sent })
        };
        self.peers.iter().filter_map(holding).collect()
    }

    /// The older share that goes with the newest one, while it is needed and fits.
    /// A peer keeps the share of it that it holds.
    fn base_beside(
        &self,
        newest: &Generation,
        index: u8,
        held: &Content,
        is_secure: bool,
    ) -> Option<(ShareId, Made)> {
        let base = self.sends.base().filter(|base| base.generation.number != newest.number)?;
        let bytes = 1 + record_bytes(newest) + record_bytes(&base.generation);
        let fits = bytes <= newest.size_class.payload_max();
        if !fits || is_secure {
            return None;
        }
        Some(share_of_base(base, index, held))
    }

    /// As it will go with a generation that is not made yet: any of them has room for it in its class.
    fn base_beside_next(&self, index: u8, held: &Content) -> Option<(ShareId, Made)> {
        let Cut::Striped(shape) = &self.sends.cut else { return None };
        let base = self.sends.base()?;
        let bytes =
            1 + RECORD_HEADER_BYTES + slot_bytes(shape.class) + record_bytes(&base.generation);
        (bytes <= shape.class.payload_max()).then(|| share_of_base(base, index, held))
    }

    /// The class of a whole payload for a peer: the shortest for those who keep no other, if that is enough.
    fn class_of_whole(&self, history: &History, bytes: usize) -> SizeClass {
        match history.is_small && bytes <= SizeClass::Bytes1024.payload_max() {
            true => SizeClass::Bytes1024,
            false => self.options.size_class,
        }
    }

    /// What sending a peer what it should have now leads to. The number is taken: no other blob gets it.
    pub(super) fn plan_send(&mut self, node: NodeId) -> Result<SendPlan> {
        self.review();
        let before = self.known(node);
        let seq = self.next_seq();
        let step = rules::send(self.session(), before.peer, seq)
            .map_err(|refusal| Error::new(refusal.status(), format!("peer {node}: {refusal}")))?;
        let Some(payload) = self.sends.payload.clone() else {
            return Err(Error::new(Status::NoPayload, "set a payload before it is sealed"));
        };
        let role = match (self.role(node), &self.sends.cut) {
            (None, Cut::Impossible(error)) => return Err(error.clone()),
            (role, _) => role,
        };
        let Some(role) = role else {
            let fact = "keeps no share of this payload, and the host told no facts of it";
            return Err(Error::new(Status::NoPayload, format!("peer {node} {fact}")));
        };
        let Some(next_seq) = seq.checked_add(1) else {
            return Err(Error::new(Status::TooBig, "the sequence numbers are used up"));
        };
        let mut plan = self.fill(before, seq, role, &payload)?;
        let guard = Guard::of(&self.sends.stripe, &self.holdings());
        if !guard.may_overwrite(&self.sends.stripe, node, &plan.content) {
            let fact = "holds what nothing newer replaces yet; wait for the others";
            return Err(Error::new(Status::Conflict, format!("peer {node} {fact}")));
        }
        if !self.sends.facts.is_empty() {
            plan.roster = self.roster(&plan.content).encode_within(plan.room_for_roster());
        }
        self.state.next_seq = next_seq;
        let is_payload = matches!(role, Role::Whole | Role::Share(_));
        let history = History {
            payload_sha256: if is_payload { payload.sha256 } else { [0; 32] },
            sent_ms: self.now_ms,
            blob_bytes: plan.class.bytes() as u32,
            sent: plan.content,
            held: before.history.held.kept_in(&plan.content),
            ..before.history
        };
        plan.known = Known { peer: step.peer, history, is_wanted: false, ..before };
        self.peers.entry(node).or_default().on_its_way = Some(plan.content);
        Ok(plan)
    }

    /// The blob of a plan does not leave.
    pub(super) fn failed(&mut self, node: NodeId) {
        if let Some(known) = self.peers.get_mut(&node) {
            known.on_its_way = None;
        }
    }

    /// The blob of a plan is durable, and leaves.
    pub(super) fn left(&mut self, node: NodeId, plan: &SendPlan) {
        if plan.stores_newest {
            let number = plan.newest.as_ref().map(|made| made.generation.number);
            self.sends.newest_is_stored |= self.sends.stripe.newest.map(|it| it.number) == number;
        }
        match plan.content {
            Content::Shares { .. } => self.sends.spread.push_back(self.now_ms),
            Content::Journal => self.sends.journals.sent(node, self.now_ms),
            Content::Whole { .. } | Content::Roster | Content::Nothing => {}
        }
    }

    fn fill(&mut self, known: Known, seq: u64, role: Role, payload: &Payload) -> Result<SendPlan> {
        let mut plan = SendPlan {
            known,
            class: SizeClass::Bytes1024,
            seq,
            content: Content::Roster,
            roster: Vec::new(),
            newest: None,
            stores_newest: false,
            base: None,
            journal: Zeroizing::default(),
        };
        match role {
            Role::Roster => {}
            Role::Journal => {
                plan.class = self.options.journal.size_class;
                plan.journal = self.sends.journals.content()?;
                plan.content = Content::Journal;
            }
            Role::Whole => {
                let made = self.current_or_drawn(payload, seq)?;
                plan.class = self.class_of_whole(&known.history, made.object.len());
                plan.content = Content::Whole { generation: made.generation.number };
                plan.newest = Some(made);
            }
            Role::Share(index) => {
                let made = self.current_or_drawn(payload, seq)?;
                let newest = made.generation;
                let is_secure = stripes::is_secure(&self.sends.stripe, &newest, &self.holdings());
                let base = self.base_beside(&newest, index, &known.history.held, is_secure);
                plan.class = newest.size_class;
                plan.content = Content::Shares {
                    newest: ShareId { generation: newest.number, index },
                    base: base.as_ref().map(|(share, _)| *share),
                };
                plan.newest = Some(made);
                plan.stores_newest = !self.sends.newest_is_stored;
                plan.base = base.map(|(_, made)| made);
            }
        }
        Ok(plan)
    }

    fn current_or_drawn(&mut self, payload: &Payload, seq: u64) -> Result<Made> {
        match self.current() {
            Some(made) => Ok(made),
            None => self.draw(payload, seq),
        }
    }

    /// Whom to ask beside a peer: who keeps shares first, then the rest of those we have channels with, the
    /// best first.
    fn roster(&self, content: &Content) -> Roster {
        let is_striped = matches!(self.sends.cut, Cut::Striped(_));
        let placement = &self.sends.stripe.placement;
        let entry = |node: NodeId, index: Option<u8>| {
            let address = self.sends.facts.get(&node).map_or(Vec::new(), |it| it.address.clone());
            RosterPeer { node, index, address }
        };
        let placed = placement.iter().filter(|_| is_striped);
        let mut peers: Vec<RosterPeer> =
            placed.map(|(index, node)| entry(node, u8::try_from(index).ok())).collect();
        let others = self.sends.ranked.iter().filter(|node| {
            let has_facts = self.sends.facts.contains_key(node);
            has_facts && (!is_striped || placement.index_of(**node).is_none())
        });
        peers.extend(others.take(ROSTER_PEERS_MAX).map(|node| entry(*node, None)));
        Roster { generation: self.told_generation(content), peers }
    }

    /// The newest generation of which something left: whoever recovers waits for it.
    fn told_generation(&self, content: &Content) -> u64 {
        let holdings = self.holdings();
        let has_left = |generation: &&Generation| {
            content.share_of(generation.number).is_some()
                || stripes::sent_shares(&holdings, generation.number) > 0
        };
        let stripe = &self.sends.stripe;
        let told = [stripe.newest.as_ref(), stripe.base.as_ref()].into_iter().flatten();
        told.filter(has_left).map(|generation| generation.number).max().unwrap_or(0)
    }

    /// A blob is asked for, whatever the peer has.
    pub(super) fn want(&mut self, node: NodeId) {
        if let Some(known) = self.peers.get_mut(&node) {
            known.is_wanted = true;
        }
    }

    /// Whether what a peer was sent last is what it should have.
    fn has_it(&self, known: &Known, role: Role, current: Option<&Generation>) -> bool {
        let sent = &known.history.sent;
        match role {
            Role::Roster => *sent == Content::Roster,
            Role::Journal => true,
            Role::Share(index) => {
                current.is_some_and(|newest| sent.share_of(newest.number) == Some(index))
            }
            Role::Whole => current.is_some_and(|newest| {
                let is_whole = !matches!(sent, Content::Shares { .. });
                is_whole && known.history.payload_sha256 == newest.payload_sha256
            }),
        }
    }

    /// When a peer is to be sent a blob (BL2), `None` if it needs none or takes none.
    fn send_due_ms(
        &self,
        node: NodeId,
        known: &Known,
        current: Option<&Generation>,
    ) -> Option<u64> {
        let role = self.role(node)?;
        let probe = known.peer.sent_seq.checked_add(1)?;
        rules::send(self.session(), known.peer, probe).ok()?;
        let is_possible = !matches!((role, &self.sends.cut), (Role::Share(_), Cut::Impossible(_)));
        if known.peer.state == PeerState::Ahead || !is_possible {
            return None;
        }
        let journal_ms = match role {
            Role::Journal => self.sends.journals.due_ms(node),
            _ => None,
        };
        let needs_none = self.has_it(known, role, current) && !known.is_wanted;
        if needs_none {
            return journal_ms;
        }
        // A time that has not come is of a clock that was put back since: nothing is known then.
        let sent_ms = Some(known.history.sent_ms).filter(|sent_ms| *sent_ms <= self.now_ms);
        let interval_ms =
            if known.peer.sent_seq == 0 { 0 } else { self.options.resend_interval_ms };
        let due_ms = sent_ms.map_or(0, |sent_ms| sent_ms.saturating_add(interval_ms));
        earlier(journal_ms, due_ms)
    }

    /// How many shares may leave now, and when the next ones may (BP3).
    fn spread(&mut self) -> (usize, Option<u64>) {
        let Cut::Striped(shape) = &self.sends.cut else { return (usize::MAX, None) };
        let most = shape.code.shares().saturating_sub(shape.code.data_shares()).max(1);
        let now_ms = self.now_ms;
        let is_over = |left_ms: &u64| left_ms.saturating_add(BACKUP_SPREAD_MS) <= now_ms;
        while self.sends.spread.front().is_some_and(is_over) {
            self.sends.spread.pop_front();
        }
        let next_ms = self.sends.spread.front().map(|ms| ms.saturating_add(BACKUP_SPREAD_MS));
        (most.saturating_sub(self.sends.spread.len()), next_ms)
    }

    /// Peers that are due for a blob, and when the next one is.
    pub(super) fn due(&mut self) -> (Vec<(NodeId, PeerState)>, Option<u64>) {
        self.review();
        self.sends.journals.ask_budget(self.now_ms);
        let (mut room, spread_ms) = self.spread();
        let current = self.current().map(|made| made.generation);
        let mut look = self.look(current.as_ref());
        let (mut due, mut next_ms) = (Vec::new(), self.sends.journals.next_round_ms());
        for (node, known) in &self.peers {
            let Some(due_ms) = self.send_due_ms(*node, known, current.as_ref()) else { continue };
            let Some(role) = self.role(*node) else { continue };
            if due_ms > self.now_ms {
                next_ms = earlier(next_ms, due_ms);
                continue;
            }
            let content = self.content_for(known, role, current.as_ref(), look.is_secure);
            if !look.guard.may_overwrite(&self.sends.stripe, *node, &content) {
                continue;
            }
            if matches!(role, Role::Share(_)) {
                let Some(left) = room.checked_sub(1) else {
                    let batch_ms = self.now_ms.saturating_add(BACKUP_SPREAD_MS);
                    next_ms = earlier(next_ms, spread_ms.unwrap_or(batch_ms));
                    continue;
                };
                room = left;
            }
            next_ms = earlier(next_ms, due_ms);
            look.guard.overwritten(*node, &content);
            due.push((*node, known.peer.state));
        }
        (due, next_ms)
    }

    fn look(&self, current: Option<&Generation>) -> Look {
        let (holdings, stripe) = (self.holdings(), &self.sends.stripe);
        Look {
            guard: Guard::of(stripe, &holdings),
            is_secure: current.is_some_and(|it| stripes::is_secure(stripe, it, &holdings)),
        }
    }

    /// What a peer would be sent now. A generation that is not made yet has no number.
    fn content_for(
        &self,
        known: &Known,
        role: Role,
        current: Option<&Generation>,
        is_secure: bool,
    ) -> Content {
        let number = current.map_or_else(|| self.next_seq(), |newest| newest.number);
        match role {
            Role::Whole => Content::Whole { generation: number },
            Role::Roster => Content::Roster,
            Role::Journal => Content::Journal,
            Role::Share(index) => {
                let held = &known.history.held;
                let base = match current {
                    Some(newest) => self.base_beside(newest, index, held, is_secure),
                    None => self.base_beside_next(index, held),
                };
                let base = base.map(|(share, _)| share);
                Content::Shares { newest: ShareId { generation: number, index }, base }
            }
        }
    }

    /// When a tick has something to do beside sends.
    pub(super) fn next_look_ms(&self) -> Option<u64> {
        let interval_ms = self.options.resend_interval_ms;
        let write_ms = |known: &Known| {
            let due_ms = known.written_ms.map_or(0, |ms| ms.saturating_add(interval_ms));
            known.is_dirty().then_some(due_ms)
        };
        let of_peer = |known: &Known| match known.peer.state {
            PeerState::Hold => Some(known.hold_until_ms),
            _ => write_ms(known),
        };
        self.peers.values().filter_map(of_peer).min()
    }

    /// The newest generation, where it is to become the base: enough of it came back, or another one is about
    /// to take its place.
    pub(super) fn secured(&self) -> Option<Made> {
        let made = self.sends.newest()?;
        let newest = &made.generation;
        let is_base = self.sends.stripe.base.is_some_and(|base| base.number == newest.number);
        if is_base || newest.is_whole {
            return None;
        }
        let holdings = self.holdings();
        let is_ending = || self.current().is_none() && stripes::is_restorable(newest, &holdings);
        let is_secure = stripes::is_secure(&self.sends.stripe, newest, &holdings);
        (is_secure || is_ending()).then_some(made)
    }
}

/// What all peers together hold, looked at once for all of them.
struct Look {
    guard: Guard,
    is_secure: bool,
}
