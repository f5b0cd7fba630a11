//! What is known of all peers: the rules' state, what was sent, when a blob is due. Pure: no clock, no disk,
//! no lock.
//!
//! BL1 that we lost state and that a peer holds what we cannot read are made durable at once; other
//! conclusions at most once per `resend_interval_ms` and peer, or what a peer sends would be our writing.
//! What is not durable yet is written by a tick. BL3 a peer that twice in a row did not keep a long blob is
//! one that takes the shortest ones: LDK keeps 1,024 bytes and has no way to say so.
//! What is sent and when is in `sends`, what is told of it in `views`. Called by `mod`.

use std::collections::BTreeMap;

use super::content::Content;
use super::envelope::SizeClass;
use super::options::BackupOptions;
use super::record::{History, PEER_BYTES, State, encode_peer};
use super::rules::{self, Action, Event, Peer, PeerState, Retrieval, Session};
use super::sends::Sends;
use crate::error::{Error, Result, Status};
use crate::events::EventKind;
use crate::limits::{
    BACKUP_SEQUENCE_CLOCK_MS_MAX, BACKUP_SEQUENCE_JUMP, BACKUP_SEQUENCE_PER_MS, HOST_MS_MAX,
};
use crate::types::NodeId;

/// Conclusions in a row that a long blob was not kept, until shorter ones are sent.
const MISSES_MAX: u8 = 2;

/// What is known of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Known {
    pub(super) peer: Peer,
    pub(super) history: History,
    /// What its row says.
    pub(super) row: Option<[u8; PEER_BYTES]>,
    /// When the row was last written, or tried to.
    pub(super) written_ms: Option<u64>,
    /// When it may have returned our blob at the latest.
    pub(super) hold_until_ms: u64,
    /// That was put off once.
    pub(super) was_put_off: bool,
    /// A blob was asked for since the last one was sent.
    pub(super) is_wanted: bool,
    /// The host told facts about it: its row is worth keeping.
    pub(super) has_facts: bool,
    /// What it is being sent: until that is durable or failed, it counts as there and as what was before.
    pub(super) on_its_way: Option<Content>,
    /// It was connected since the open.
    pub(super) was_connected: bool,
}

impl Known {
    /// What its row has to say: a peer that may still return a blob is as if it were gone.
    pub(super) fn encode(&self) -> [u8; PEER_BYTES] {
        encode_peer(&rules::disconnected(self.peer), &self.history)
    }

    fn is_worth_a_row(&self) -> bool {
        self.row.is_some() || self.has_facts || self.peer != forgotten(self.peer)
    }

    /// Its row does not say what is concluded.
    pub(super) fn is_dirty(&self) -> bool {
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
    pub(super) peers: BTreeMap<NodeId, Known>,
    pub(super) now_ms: u64,
    pub(super) sends: Sends,
    /// When places were last looked at.
    pub(super) reviewed_ms: u64,
    /// The first time that the host told.
    pub(super) began_ms: u64,
}

impl Ledger {
    pub(super) fn new(options: BackupOptions, state: State, sends: Sends) -> Ledger {
        let peers = BTreeMap::new();
        Ledger {
            options,
            state,
            durable_state: state,
            peers,
            now_ms: 0,
            sends,
            reviewed_ms: 0,
            began_ms: 0,
        }
    }

    /// A peer's row, at open: whatever it was doing ended with the process.
    pub(super) fn load(&mut self, node: NodeId, peer: Peer, history: History) {
        let peer = rules::apply(self.session(), peer, Event::Disconnected).peer;
        if history.sent == Content::Journal {
            self.sends.journals.remember_keeper(node);
        }
        self.peers.insert(node, Known { peer, history, ..Known::default() }.durable());
    }

    /// A peer whose row cannot be read: any blob of ours that it returns is one that we sent, and nothing is
    /// overwritten before it returns one.
    pub(super) fn load_damaged(&mut self, node: NodeId) {
        let sent_seq = self.state.next_seq - 1;
        let state = PeerState::Unreadable;
        let peer = Peer { state, sent_seq, is_protected: true, ..Peer::default() };
        self.load(node, peer, History::default());
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
        if self.now_ms == 0 {
            self.began_ms = now_ms;
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

    /// What only time changes went on while a row was written.
    pub(super) fn with_times_of_now(&self, node: NodeId, written: Known) -> Known {
        let History { uptime, low_since_secs, .. } = self.known(node).history;
        Known { history: History { uptime, low_since_secs, ..written.history }, ..written }
    }

    pub(super) fn forget(&mut self, node: NodeId) {
        self.set_facts(node, None);
        self.peers.remove(&node);
    }

    /// What follows from an event. That we lost state blocks at once, whatever becomes of the plan.
    pub(super) fn plan(&mut self, node: NodeId, event: Event, shown: Content) -> Plan {
        let before = self.known(node);
        let step = rules::apply(self.session(), before.peer, event);
        let mut known = Known { peer: step.peer, ..before };
        match event {
            Event::Connected { .. } => {
                known.hold_until_ms = self.now_ms.saturating_add(self.options.hold_ms);
                known.was_put_off = false;
                known.was_connected = true;
                self.needs_review();
            }
            Event::Disconnected => {}
            // Time that is up says nothing of a peer that was heard before (BT1).
            Event::Deadline if before.peer.state != PeerState::Hold => {}
            Event::Deadline | Event::Retrieved(_) => self.conclude(before.peer, &mut known, shown),
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

    /// What a conclusion says about the peer beside its state (BL3, BT1).
    fn conclude(&self, before: Peer, known: &mut Known, shown: Content) {
        let history = &mut known.history;
        if known.peer.strikes > before.strikes {
            history.strike_secs.rotate_right(1);
            history.strike_secs[0] = (self.now_ms / 1_000).max(1);
        }
        history.held = match known.peer.state {
            PeerState::Committed => history.sent,
            // A later blob may still replace what it showed: BOLT 1 lets it delay.
            _ => shown.kept_in(&history.sent),
        };
        if known.peer.state == PeerState::Committed && before.committed_seq < before.sent_seq {
            history.commits = history.commits.saturating_add(1);
        }
        // Only the first conclusion after a blob was sent says something about that blob.
        let is_first = known.peer != before && !known.is_wanted;
        if history.blob_bytes as usize <= SizeClass::Bytes1024.bytes() || !is_first {
            return;
        }
        match known.peer.state {
            PeerState::Committed => (history.misses, history.is_small) = (0, false),
            PeerState::Lagging | PeerState::Stale | PeerState::Lost | PeerState::Unconfirmed => {
                history.misses = history.misses.saturating_add(1);
                history.is_small |= history.misses >= MISSES_MAX;
            }
            _ => {}
        }
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

    /// The number of the next blob. The first after an adoption follows the clock: what a peer hid from the
    /// recovery lies below it then, and is not newer than all that follows when the next one is told of it.
    pub(super) fn next_seq(&self) -> u64 {
        let State { next_seq, adopted_seq, .. } = self.state;
        // A floor below the jump is no recovery's.
        let is_first = adopted_seq >= BACKUP_SEQUENCE_JUMP && next_seq - 1 == adopted_seq;
        if is_first && self.now_ms <= BACKUP_SEQUENCE_CLOCK_MS_MAX {
            next_seq.max(self.now_ms * BACKUP_SEQUENCE_PER_MS)
        } else {
            next_seq
        }
    }

    /// As [`Ledger::plan_acknowledge`], for a former database whose state was recovered.
    pub(super) fn plan_adopt(&self, seq_floor: u64) -> (State, Vec<(NodeId, Known)>) {
        let (mut state, peers) = self.plan_acknowledge();
        state.next_seq = state.next_seq.max(seq_floor.saturating_add(1));
        state.adopted_seq = state.adopted_seq.max(seq_floor);
        state.is_fresh = false;
        (state, peers)
    }

    /// Takes over what an operator let us do, once it is durable.
    pub(super) fn settle(&mut self, after: State, peers: Vec<(NodeId, Known)>) {
        self.state = after;
        self.is_durable(after);
        for (peer, known) in peers {
            let known = if known.row.is_some() { known.durable() } else { known };
            self.set(peer, known);
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
