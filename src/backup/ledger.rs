//! What is known of all peers: the rules' state, what was sent, when a blob is due. Pure: no clock, no disk,
//! no lock.
//!
//! BL1 that we lost state and that a peer holds what we cannot read are made durable at once; other
//! conclusions at most once per `resend_interval_ms` and peer, or what a peer sends would be our writing.
//! What is not durable yet is written by a tick. BL2 a blob is due when the
//! peer's copy is not the payload of now or was asked for again, at most once per `resend_interval_ms`.
//! BL3 a peer that twice in a row did not keep a long blob is sent the shortest ones, if the payload fits:
//! LDK keeps 1,024 bytes and has no way to say so. Called by `mod`.

use std::collections::BTreeMap;

use super::envelope::SizeClass;
use super::options::{BackupOptions, Copy, PeerStatus, Standing};
use super::record::{PEER_BYTES, STRIKES_KEPT, Sent, State, encode_peer};
use super::rules::{self, Action, Event, Peer, PeerState, Retrieval, Session};
use crate::error::{Error, Result, Status};
use crate::events::EventKind;
use crate::limits::{BACKUP_SEQUENCE_JUMP, BACKUP_STRIKE_SECS, HOST_MS_MAX};
use crate::types::NodeId;

/// Conclusions in a row that a long blob was not kept, until shorter ones are sent.
const MISSES_MAX: u8 = 2;

/// What is known of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Known {
    pub(super) peer: Peer,
    pub(super) sent: Sent,
    /// What its row says.
    pub(super) row: Option<[u8; PEER_BYTES]>,
    /// When the row was last written, or tried to.
    written_ms: Option<u64>,
    /// When it may have returned our blob at the latest.
    hold_until_ms: u64,
    /// That was put off once.
    was_put_off: bool,
    /// A blob was asked for since the last one was sent.
    is_wanted: bool,
}

impl Known {
    /// What its row has to say: a peer that may still return a blob is as if it were gone.
    pub(super) fn encode(&self) -> [u8; PEER_BYTES] {
        encode_peer(&rules::disconnected(self.peer), &self.sent)
    }

    fn is_worth_a_row(&self) -> bool {
        self.row.is_some() || self.peer != forgotten(self.peer)
    }

    /// Its row does not say what is concluded.
    fn is_dirty(&self) -> bool {
        let is_held = self.peer.state == PeerState::Hold;
        self.is_worth_a_row() && !is_held && self.row != Some(self.encode())
    }

    fn may_write(&self, now_ms: u64, interval_ms: u64) -> bool {
        self.written_ms.is_none_or(|written_ms| now_ms.saturating_sub(written_ms) >= interval_ms)
    }

    /// As it is while its row is being written.
    pub(super) fn tried(self, now_ms: u64) -> Known {
        Known { written_ms: Some(now_ms), ..self }
    }

    /// As it is once its row says what is known.
    pub(super) fn durable(self) -> Known {
        Known { row: Some(self.encode()), ..self }
    }
}

/// What an event leads to.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) known: Known,
    pub(super) action: Action,
    /// The conclusion is to be made durable now (BL1).
    pub(super) is_written: bool,
    pub(super) told: Option<EventKind>,
}

/// Everything in memory.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) options: BackupOptions,
    pub(super) state: State,
    /// What the row of the database says.
    pub(super) durable_state: State,
    peers: BTreeMap<NodeId, Known>,
    now_ms: u64,
    /// Length and SHA-256 of the payload of now.
    payload: Option<(usize, [u8; 32])>,
}

impl Ledger {
    pub(super) fn new(options: BackupOptions, state: State) -> Ledger {
        let peers = BTreeMap::new();
        Ledger { options, state, durable_state: state, peers, now_ms: 0, payload: None }
    }

    /// A peer's row, at open: whatever it was doing ended with the process.
    pub(super) fn load(&mut self, node: NodeId, peer: Peer, sent: Sent) {
        let peer = rules::apply(self.session(), peer, Event::Disconnected).peer;
        self.peers.insert(node, Known { peer, sent, ..Known::default() }.durable());
    }

    /// A peer whose row cannot be read: any blob of ours that it returns is one that we sent, and nothing is
    /// overwritten before it returns one.
    pub(super) fn load_damaged(&mut self, node: NodeId) {
        let sent_seq = self.state.next_seq - 1;
        let state = PeerState::Unreadable;
        let peer = Peer { state, sent_seq, is_protected: true, ..Peer::default() };
        self.load(node, peer, Sent::default());
    }

    /// Time never goes back, so one that no clock shows is refused. After a pause in which nothing was told,
    /// what peers returned may still wait to be handled: they get their time anew, once.
    pub(super) fn observe(&mut self, now_ms: u64) -> Result<u64> {
        if now_ms > HOST_MS_MAX {
            let fact = format!("now_ms {now_ms} is no time in milliseconds; nothing was changed");
            return Err(Error::new(Status::InvalidArgument, fact));
        }
        let hold_ms = self.options.hold_ms;
        if now_ms.saturating_sub(self.now_ms) > hold_ms {
            let is_held =
                |known: &&mut Known| known.peer.state == PeerState::Hold && !known.was_put_off;
            for known in self.peers.values_mut().filter(is_held) {
                known.was_put_off = true;
                known.hold_until_ms = now_ms.saturating_add(hold_ms);
            }
        }
        self.now_ms = self.now_ms.max(now_ms);
        Ok(self.now_ms)
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The row of the database says this, and whatever it said before that cannot be taken back.
    pub(super) fn is_durable(&mut self, state: State) {
        let row = &mut self.durable_state;
        row.is_blocked = state.is_blocked;
        row.foreign_seq = row.foreign_seq.max(state.foreign_seq);
    }

    pub(super) fn session(&self) -> Session {
        Session {
            instance: self.state.instance,
            is_fresh: self.state.is_fresh,
            is_blocked: self.state.is_blocked,
        }
    }

    pub(super) fn set_payload(&mut self, payload: Option<(usize, [u8; 32])>) {
        self.payload = payload;
    }

    pub(super) fn known(&self, node: NodeId) -> Known {
        self.peers.get(&node).copied().unwrap_or_default()
    }

    /// Room for a peer that nothing is known of.
    pub(super) fn check_room(&self, node: NodeId) -> Result<()> {
        let known = self.peers.len();
        if self.peers.contains_key(&node) || known < self.options.peers_max as usize {
            return Ok(());
        }
        let fact = format!("peer {node}: something is known of {known} peers already");
        Err(Error::new(Status::QuotaPeers, fact))
    }

    /// Room for a stranger that holds what we cannot read: half of all, or strangers could fill it.
    pub(super) fn check_room_for_stranger(&self, node: NodeId) -> Result<()> {
        self.check_room(node)?;
        let is_stranger = |known: &&Known| known.peer.is_protected && known.peer.sent_seq == 0;
        let strangers = self.peers.values().filter(is_stranger).count();
        if self.known(node).peer.is_protected || strangers < self.options.peers_max as usize / 2 {
            return Ok(());
        }
        let fact = format!("peer {node}: {strangers} peers hold what cannot be read; forget some");
        Err(Error::new(Status::QuotaPeers, fact))
    }

    /// Takes over what an event led to. What is not worth remembering is forgotten.
    pub(super) fn set(&mut self, node: NodeId, known: Known) {
        let may_store = known.peer.is_connected && known.peer.offers_storage;
        if known.is_worth_a_row() || may_store {
            self.peers.insert(node, known);
        } else {
            self.peers.remove(&node);
        }
    }

    pub(super) fn forget(&mut self, node: NodeId) {
        self.peers.remove(&node);
    }

    /// What follows from an event. That we lost state blocks at once, whatever becomes of the plan.
    pub(super) fn plan(&mut self, node: NodeId, event: Event) -> Plan {
        let before = self.known(node);
        let step = rules::apply(self.session(), before.peer, event);
        let mut known = Known { peer: step.peer, ..before };
        match event {
            Event::Connected { .. } => {
                known.hold_until_ms = self.now_ms.saturating_add(self.options.hold_ms);
                known.was_put_off = false;
            }
            Event::Disconnected => {}
            Event::Deadline | Event::Retrieved(_) => self.conclude(before.peer, &mut known),
        }
        known.is_wanted |= step.action == Action::Resend;
        if step.action == Action::AlertStateLoss {
            self.state.is_blocked = true;
            if let Event::Retrieved(Retrieval::Authentic { seq, .. }) = event {
                self.state.foreign_seq = self.state.foreign_seq.max(seq);
            }
        }
        let may_write = known.may_write(self.now_ms, self.options.resend_interval_ms);
        let is_news = match step.action {
            Action::AlertStateLoss => {
                let is_first = before.peer.state != PeerState::Ahead && may_write;
                is_first || !self.durable_state.is_blocked
            }
            Action::AlertUnreadable => !before.peer.is_protected,
            _ => false,
        };
        let is_written = (is_news || may_write) && (known.is_dirty() || self.is_dirty());
        let is_struck = step.peer.strikes > before.peer.strikes;
        let told = match step.action {
            Action::AlertStateLoss => is_news.then_some(EventKind::BackupStateLoss),
            Action::AlertUnreadable => is_news.then_some(EventKind::BackupUnreadable),
            _ => (is_struck && is_written).then_some(EventKind::BackupStrike),
        };
        Plan { known, action: step.action, is_written, told }
    }

    /// The row of the database does not say what is known.
    pub(super) fn is_dirty(&self) -> bool {
        let (now, row) = (&self.state, &self.durable_state);
        now.is_blocked != row.is_blocked || now.foreign_seq != row.foreign_seq
    }

    /// Peers whose row a tick has to write, a few at a time.
    pub(super) fn dirty_peers(&self, limit: usize) -> Vec<(NodeId, Known)> {
        let interval_ms = self.options.resend_interval_ms;
        let is_due = |known: &Known| known.is_dirty() && known.may_write(self.now_ms, interval_ms);
        let dirty = self.peers.iter().filter(|(_, known)| is_due(known));
        dirty.take(limit).map(|(node, known)| (*node, *known)).collect()
    }

    /// What a conclusion says about the peer beside its state (BL3).
    fn conclude(&self, before: Peer, known: &mut Known) {
        let sent = &mut known.sent;
        if known.peer.strikes > before.strikes {
            sent.strike_secs.rotate_right(1);
            sent.strike_secs[0] = (self.now_ms / 1_000).max(1);
        }
        // Only the first conclusion after a blob was sent says something about that blob.
        let is_first = known.peer != before && !known.is_wanted;
        if sent.blob_bytes as usize <= SizeClass::Bytes1024.bytes() || !is_first {
            return;
        }
        match known.peer.state {
            PeerState::Committed => (sent.misses, sent.is_small) = (0, false),
            PeerState::Lagging | PeerState::Stale | PeerState::Lost | PeerState::Unconfirmed => {
                sent.misses = sent.misses.saturating_add(1);
                sent.is_small |= sent.misses >= MISSES_MAX;
            }
            _ => {}
        }
    }

    /// The class of the next blob for a peer: the shortest for those who keep no other, if that is enough.
    pub(super) fn class_for(&self, known: &Known) -> SizeClass {
        let payload_bytes = self.payload.map_or(0, |(bytes, _)| bytes);
        let fits = payload_bytes <= SizeClass::Bytes1024.payload_max();
        match known.sent.is_small && fits {
            true => SizeClass::Bytes1024,
            false => self.options.size_class,
        }
    }

    /// What sending the payload of now leads to. The number is taken: no other blob gets it.
    pub(super) fn plan_send(&mut self, node: NodeId) -> Result<(Known, SizeClass, u64)> {
        let before = self.known(node);
        let seq = self.state.next_seq;
        let step = rules::send(self.session(), before.peer, seq)
            .map_err(|refusal| Error::new(refusal.status(), format!("peer {node}: {refusal}")))?;
        let Some((_, payload_sha256)) = self.payload else {
            return Err(Error::new(Status::NoPayload, "set a payload before it is sealed"));
        };
        let Some(next_seq) = seq.checked_add(1) else {
            return Err(Error::new(Status::TooBig, "the sequence numbers are used up"));
        };
        let class = self.class_for(&before);
        self.state.next_seq = next_seq;
        let sent = Sent {
            payload_sha256,
            sent_ms: self.now_ms,
            blob_bytes: class.bytes() as u32,
            ..before.sent
        };
        let known = Known { peer: step.peer, sent, is_wanted: false, ..before };
        Ok((known, class, seq))
    }

    /// Everything after an operator's acknowledgement: the row of the database, and those peers that change.
    pub(super) fn plan_acknowledge(&self) -> (State, Vec<(NodeId, Known)>) {
        let session = rules::acknowledge_session(self.session());
        let mut state = self.state;
        if state.is_blocked {
            let beyond = state.foreign_seq.saturating_add(BACKUP_SEQUENCE_JUMP);
            state.next_seq = state.next_seq.max(beyond);
        }
        state.is_fresh = session.is_fresh;
        state.is_blocked = session.is_blocked;
        let acknowledged = self.peers.iter().map(|(node, known)| {
            (*node, Known { peer: rules::acknowledge_peer(known.peer), ..*known })
        });
        // The row of one that is connected again may still say what it was.
        let differs = |after: &Known| after.row.is_some_and(|row| row != after.encode());
        let changed =
            acknowledged.filter(|(node, after)| self.known(*node) != *after || differs(after));
        (state, changed.collect())
    }

    pub(super) fn want(&mut self, node: NodeId) {
        if let Some(known) = self.peers.get_mut(&node) {
            known.is_wanted = true;
        }
    }

    /// Whether a peer's time to return our blob is up.
    pub(super) fn is_silent(&self, node: NodeId) -> bool {
        self.peers.get(&node).is_some_and(|known| self.is_up(known))
    }

    fn is_up(&self, known: &Known) -> bool {
        known.peer.state == PeerState::Hold && self.now_ms >= known.hold_until_ms
    }

    /// Peers whose time to return our blob is up.
    pub(super) fn silent(&self) -> Vec<NodeId> {
        let silent = self.peers.iter().filter(|(_, known)| self.is_up(known));
        silent.map(|(node, _)| *node).collect()
    }

    /// When a peer is to be sent a blob (BL2), `None` if it needs none or takes none.
    fn send_due_ms(&self, known: &Known) -> Option<u64> {
        let (_, payload_sha256) = self.payload?;
        let probe = known.peer.sent_seq.checked_add(1)?;
        rules::send(self.session(), known.peer, probe).ok()?;
        if known.peer.state == PeerState::Ahead {
            return None;
        }
        let has_it = known.peer.sent_seq != 0 && known.sent.payload_sha256 == payload_sha256;
        if has_it && !known.is_wanted {
            return None;
        }
        // A time that has not come is of a clock that was put back since: nothing is known then.
        let sent_ms = Some(known.sent.sent_ms).filter(|sent_ms| *sent_ms <= self.now_ms);
        let interval_ms =
            if known.peer.sent_seq == 0 { 0 } else { self.options.resend_interval_ms };
        Some(sent_ms.map_or(0, |sent_ms| sent_ms.saturating_add(interval_ms)))
    }

    /// Peers that are due for a blob.
    pub(super) fn due(&self) -> Vec<(NodeId, PeerState)> {
        let is_due =
            |known: &Known| self.send_due_ms(known).is_some_and(|due_ms| self.now_ms >= due_ms);
        let due = self.peers.iter().filter(|(_, known)| is_due(known));
        due.map(|(node, known)| (*node, known.peer.state)).collect()
    }

    /// When the next tick has something to do.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let interval_ms = self.options.resend_interval_ms;
        let write_ms = |known: &Known| {
            let due_ms = known.written_ms.map_or(0, |ms| ms.saturating_add(interval_ms));
            known.is_dirty().then_some(due_ms)
        };
        let of_peer = |known: &Known| match known.peer.state {
            PeerState::Hold => Some(known.hold_until_ms),
            _ => [self.send_due_ms(known), write_ms(known)].into_iter().flatten().min(),
        };
        self.peers.values().filter_map(of_peer).min()
    }

    pub(super) fn status(&self, node: NodeId) -> PeerStatus {
        self.status_of(node, &self.known(node))
    }

    pub(super) fn status_of(&self, node: NodeId, known: &Known) -> PeerStatus {
        let Known { peer, sent, .. } = known;
        let now_secs = self.now_ms / 1_000;
        let is_recent =
            |secs: &&u64| **secs != 0 && now_secs.saturating_sub(**secs) < BACKUP_STRIKE_SECS;
        debug_assert!(sent.strike_secs.len() == STRIKES_KEPT);
        PeerStatus {
            peer: node,
            state: peer.state,
            sent_seq: peer.sent_seq,
            committed_seq: peer.committed_seq,
            strikes: peer.strikes,
            recent_strikes: sent.strike_secs.iter().filter(is_recent).count() as u32,
            is_protected: peer.is_protected,
            is_connected: peer.is_connected,
            offers_storage: peer.offers_storage,
            copy: self.copy_of(known),
            size_class: if sent.is_small { SizeClass::Bytes1024 } else { self.options.size_class },
            sent_ms: sent.sent_ms,
        }
    }

    fn copy_of(&self, known: &Known) -> Copy {
        let Known { peer, sent, .. } = known;
        let is_this = self.payload.is_some_and(|(_, sha256)| sha256 == sent.payload_sha256);
        let is_gone = matches!(
            peer.state,
            PeerState::Lost | PeerState::Corrupt | PeerState::Stale | PeerState::Ahead
        );
        match is_this && peer.sent_seq != 0 && !is_gone {
            true if peer.committed_seq == peer.sent_seq => Copy::Confirmed,
            true => Copy::Unconfirmed,
            false => Copy::None,
        }
    }

    /// Peers in the order of their ids, after one of them.
    pub(super) fn statuses(&self, after: Option<NodeId>, limit: usize) -> Vec<PeerStatus> {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let peers = self.peers.range((from, Bound::Unbounded)).take(limit);
        peers.map(|(node, known)| self.status_of(*node, known)).collect()
    }

    pub(super) fn standing(&self) -> Standing {
        let count = |copy: Copy| {
            self.peers.values().filter(|known| self.copy_of(known) == copy).count() as u64
        };
        Standing {
            instance: self.state.instance,
            next_seq: self.state.next_seq,
            payload_bytes: self.payload.map_or(0, |(bytes, _)| bytes as u64),
            peers: self.peers.len() as u64,
            confirmed_copies: count(Copy::Confirmed),
            unconfirmed_copies: count(Copy::Unconfirmed),
            is_fresh: self.state.is_fresh,
            is_blocked: self.state.is_blocked,
        }
    }
}

/// A peer of which nothing but its connection would be known.
fn forgotten(peer: Peer) -> Peer {
    Peer {
        state: peer.state,
        is_connected: peer.is_connected,
        offers_storage: peer.offers_storage,
        ..Peer::default()
    }
}
