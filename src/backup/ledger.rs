//! What is known of all peers: the rules' state, what was sent, when a blob is due. Pure: no clock, no disk,
//! no lock.
//!
//! BL1 a conclusion is planned here, made durable by the caller, then taken over. BL2 a blob is due when the
//! peer's copy is not the payload of now or was asked for again, at most once per `resend_interval_ms`.
//! BL3 a peer that twice in a row did not keep a long blob is sent the shortest ones, if the payload fits:
//! LDK keeps 1,024 bytes and has no way to say so. Called by `mod`.

use std::collections::BTreeMap;

use super::envelope::SizeClass;
use super::options::{BackupOptions, Copy, PeerStatus, Standing};
use super::record::{STRIKES_KEPT, Sent, State};
use super::rules::{self, Action, Event, Peer, PeerState, Session};
use crate::error::{Error, Result, Status};
use crate::events::EventKind;
use crate::limits::{BACKUP_SEQUENCE_JUMP, BACKUP_STRIKE_SECS};
use crate::types::NodeId;

/// Conclusions in a row that a long blob was not kept, until shorter ones are sent.
const MISSES_MAX: u8 = 2;

/// What is known of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Known {
    pub(super) peer: Peer,
    pub(super) sent: Sent,
    /// It has a row.
    pub(super) is_durable: bool,
    /// When it may have returned our blob at the latest.
    hold_until_ms: u64,
    /// A blob was asked for since the last one was sent.
    is_wanted: bool,
}

/// What an event leads to.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) session: Session,
    pub(super) known: Known,
    pub(super) action: Action,
    /// The peer's row says something else.
    pub(super) writes_peer: bool,
    /// The row of the database says something else.
    pub(super) writes_state: bool,
    pub(super) told: Option<EventKind>,
}

/// Everything in memory.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) options: BackupOptions,
    pub(super) state: State,
    peers: BTreeMap<NodeId, Known>,
    now_ms: u64,
    /// Length and SHA-256 of the payload of now.
    payload: Option<(usize, [u8; 32])>,
}

impl Ledger {
    pub(super) fn new(options: BackupOptions, state: State) -> Ledger {
        Ledger { options, state, peers: BTreeMap::new(), now_ms: 0, payload: None }
    }

    /// A peer's row, at open: whatever it was doing ended with the process.
    pub(super) fn load(&mut self, node: NodeId, peer: Peer, sent: Sent) {
        let peer = rules::apply(self.session(), peer, Event::Disconnected).peer;
        self.peers.insert(node, Known { peer, sent, is_durable: true, ..Known::default() });
    }

    /// A peer whose row cannot be read: any blob of ours that it returns is one that we sent, and nothing is
    /// overwritten before it returns one.
    pub(super) fn load_damaged(&mut self, node: NodeId) {
        let sent_seq = self.state.next_seq - 1;
        let state = PeerState::Unreadable;
        let peer = Peer { state, sent_seq, is_protected: true, ..Peer::default() };
        self.load(node, peer, Sent::default());
    }

    /// Time never goes back.
    pub(super) fn observe(&mut self, now_ms: u64) -> u64 {
        self.now_ms = self.now_ms.max(now_ms);
        self.now_ms
    }

    pub(super) fn session(&self) -> Session {
        Session {
            instance: self.state.instance,
            is_fresh: self.state.is_fresh,
            is_blocked: self.state.is_blocked,
        }
    }

    pub(super) fn set_session(&mut self, session: Session) {
        self.state.is_fresh = session.is_fresh;
        self.state.is_blocked = session.is_blocked;
    }

    /// Nothing more is sent, from this moment on and not only once it is durable.
    pub(super) fn block(&mut self) {
        self.state.is_blocked = true;
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

    /// Takes over what an event led to. What is not worth remembering is forgotten.
    pub(super) fn set(&mut self, node: NodeId, known: Known) {
        if known.is_durable || known.peer.is_connected || known.peer != forgotten(known.peer) {
            self.peers.insert(node, known);
        } else {
            self.peers.remove(&node);
        }
    }

    /// What follows from an event (BL1).
    pub(super) fn plan(&self, node: NodeId, event: Event) -> Plan {
        let before = self.known(node);
        let step = rules::apply(self.session(), before.peer, event);
        let mut known = Known { peer: step.peer, ..before };
        match event {
            Event::Connected { .. } => {
                known.hold_until_ms = self.now_ms.saturating_add(self.options.hold_ms);
            }
            Event::Disconnected => {}
            Event::Deadline | Event::Retrieved(_) => self.conclude(before.peer, &mut known),
        }
        known.is_wanted |= step.action == Action::Resend;
        let is_new_strike = step.peer.strikes > before.peer.strikes;
        let told = match step.action {
            Action::AlertStateLoss => Some(EventKind::BackupStateLoss),
            Action::AlertUnreadable if !before.peer.is_protected => {
                Some(EventKind::BackupUnreadable)
            }
            _ => is_new_strike.then_some(EventKind::BackupStrike),
        };
        let concludes = matches!(event, Event::Deadline | Event::Retrieved(_));
        let is_known = known.peer != forgotten(known.peer);
        let differs = durable_part(&known) != durable_part(&before);
        let writes_peer = concludes && (is_known || before.is_durable) && differs;
        known.is_durable |= writes_peer;
        Plan {
            session: step.session,
            known,
            action: step.action,
            writes_peer,
            writes_state: step.session != self.session(),
            told,
        }
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
        let known = Known { peer: step.peer, sent, is_durable: true, is_wanted: false, ..before };
        Ok((known, class, seq))
    }

    /// A blob of a state that was lost has this number: ours go on far above it.
    pub(super) fn saw_foreign(&mut self, seq: u64) {
        self.state.foreign_seq = self.state.foreign_seq.max(seq);
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
        let changed = acknowledged.filter(|(node, after)| self.known(*node) != *after);
        (state, changed.collect())
    }

    pub(super) fn want(&mut self, node: NodeId) {
        if let Some(known) = self.peers.get_mut(&node) {
            known.is_wanted = true;
        }
    }

    /// Peers whose time to return our blob is up.
    pub(super) fn silent(&self, now_ms: u64) -> Vec<NodeId> {
        let is_up =
            |known: &Known| known.peer.state == PeerState::Hold && now_ms >= known.hold_until_ms;
        let silent = self.peers.iter().filter(|(_, known)| is_up(known));
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
    pub(super) fn due(&self, now_ms: u64) -> Vec<(NodeId, PeerState)> {
        let is_due = |known: &Known| self.send_due_ms(known).is_some_and(|due_ms| now_ms >= due_ms);
        let due = self.peers.iter().filter(|(_, known)| is_due(known));
        due.map(|(node, known)| (*node, known.peer.state)).collect()
    }

    /// When the next tick has something to do.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let of_peer = |known: &Known| match known.peer.state {
            PeerState::Hold => Some(known.hold_until_ms),
            _ => self.send_due_ms(known),
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

/// What a row says of a peer.
fn durable_part(known: &Known) -> (Peer, Sent) {
    let peer = Peer { offers_storage: false, is_connected: false, ..known.peer };
    (peer, known.sent)
}
