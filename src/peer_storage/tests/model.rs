//! The model: a provider as the contract says it, in plain maps; every sum is made anew by looking at all
//! peers. Nothing of the library's rules is used.

use std::collections::BTreeMap;

use super::super::{
    ClaimChange, Claims, PeerEntry, PeerStorageOptions, PeerStorageStats, record::sha256_of,
};
use crate::Status;
use crate::limits::HOST_MS_MAX;
use crate::types::NodeId;

/// A call.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Store(u64, NodeId, Vec<u8>),
    Tick(u64),
    Flush(u64),
    Connect(u64, NodeId),
    Export(NodeId),
    Disconnect(u64, NodeId),
    Claim(NodeId, ClaimChange, u32),
    Claims(Vec<Claims>, u32),
    Block(u32),
    Prune(NodeId),
    PruneUnclaimed,
    Offer(bool),
}

/// What a call answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Committed,
    Deferred { due_ms: u64, was_refused: bool },
    Unchanged,
    Refused(Status),
    Ticked { committed: Vec<NodeId>, failed: Vec<NodeId> },
    Blob(Option<Vec<u8>>),
    Peers(Vec<NodeId>),
    Is(bool),
    Done,
}

/// What the disk says to the next write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    Fine,
    Full,
}

/// What is on disk for a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    blob: Vec<u8>,
    received_ms: u64,
    committed_ms: u64,
    updates: u64,
    commits: u64,
    closed_at: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Peer {
    disk: Option<Kept>,
    waiting: Option<(Vec<u8>, u64)>,
    last_write_ms: Option<u64>,
    open: u32,
    pending: u32,
    allowed: bool,
    closed_at: Option<u32>,
    updates: u64,
}

impl Peer {
    fn newest(&self) -> Option<&Vec<u8>> {
        let disk = self.disk.as_ref().map(|kept| &kept.blob);
        self.waiting.as_ref().map(|(blob, _)| blob).or(disk)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) options: PeerStorageOptions,
    is_off: bool,
    claims_complete: bool,
    now_ms: u64,
    pub(super) height: u32,
    peers: BTreeMap<NodeId, Peer>,
    counts: PeerStorageStats,
}

impl Model {
    pub(super) fn new(options: PeerStorageOptions) -> Model {
        Model {
            options,
            is_off: options.is_off,
            claims_complete: false,
            now_ms: 0,
            height: 0,
            peers: BTreeMap::new(),
            counts: PeerStorageStats::default(),
        }
    }

    /// What a process that ends without a word leaves.
    pub(super) fn crash(&mut self) {
        let kept = std::mem::take(&mut self.peers).into_iter().filter_map(|(node, peer)| {
            let disk = peer.disk?;
            let (closed_at, updates) = (disk.closed_at, disk.updates);
            Some((node, Peer { disk: Some(disk), closed_at, updates, ..Peer::default() }))
        });
        let peers = kept.collect();
        *self = Model { peers, ..Model::new(self.options) };
    }

    /// What a host that goes on would report.
    pub(super) fn claims(&self) -> Vec<Claims> {
        let claims = self.peers.iter().map(|(node, peer)| Claims {
            peer: *node,
            open_channels: peer.open,
            pending_channels: peer.pending,
            is_allowed: peer.allowed,
        });
        claims.collect()
    }

    pub(super) fn step(&mut self, op: &Op, disk: Disk) -> Answer {
        let answer = match op {
            Op::Store(t, node, blob) => {
                self.at(*t, |model, now| model.store(now, *node, blob, disk))
            }
            Op::Tick(t) => self.at(*t, |model, now| {
                let due = model.waiting(|model, node| now >= model.due_ms(node));
                model.write(now, due, disk)
            }),
            Op::Flush(t) => self.at(*t, |model, now| {
                let all = model.waiting(|_, _| true);
                model.write(now, all, disk)
            }),
            Op::Connect(t, node) => self.at(*t, |model, now| {
                if model.is_off {
                    return Answer::Blob(None);
                }
                if !model.options.returns_unwritten {
                    model.disconnect(now, *node, disk);
                }
                model.export(*node)
            }),
            Op::Export(node) => self.export(*node),
            Op::Disconnect(t, node) => self.at(*t, |model, now| model.disconnect(now, *node, disk)),
            Op::Claim(node, change, height) => self.claim(*node, *change, *height, disk),
            Op::Claims(claims, height) => self.complete(claims, *height, disk),
            Op::Block(height) => self.block(*height, disk),
            Op::Prune(node) => {
                let its = self.peers.get(node).and_then(Peer::newest).map(|_| *node);
                match self.forget(its.into_iter().collect(), disk) {
                    Answer::Peers(pruned) => Answer::Is(!pruned.is_empty()),
                    refused => refused,
                }
            }
            Op::PruneUnclaimed => self.prune_unclaimed(disk),
            Op::Offer(is_offered) => {
                self.is_off = !is_offered;
                Answer::Done
            }
        };
        // Nothing is known of a peer without a blob and without a claim.
        self.peers.retain(|_, peer| {
            peer.newest().is_some() || peer.open != 0 || peer.pending != 0 || peer.allowed
        });
        answer
    }

    fn at(&mut self, t: u64, then: impl FnOnce(&mut Model, u64) -> Answer) -> Answer {
        if t > HOST_MS_MAX {
            return Answer::Refused(Status::InvalidArgument);
        }
        self.now_ms = self.now_ms.max(t);
        then(self, self.now_ms)
    }

    fn peer(&self, node: NodeId) -> Peer {
        self.peers.get(&node).cloned().unwrap_or_default()
    }

    fn has_claim(&self, peer: &Peer) -> bool {
        let pending_counts = peer.pending > 0 && !self.options.refuses_pending_channels;
        peer.allowed || peer.open > 0 || pending_counts
    }

    fn cooldown_ms(&self, peer: &Peer) -> u64 {
        match peer.open {
            0 => self.options.cooldown_without_channel_ms,
            _ => self.options.cooldown_ms,
        }
    }

    fn due_ms(&self, node: NodeId) -> u64 {
        let peer = self.peer(node);
        peer.last_write_ms.map_or(0, |last_ms| last_ms + self.cooldown_ms(&peer))
    }

    fn waiting(&self, which: impl Fn(&Model, NodeId) -> bool) -> Vec<NodeId> {
        let waits = self.peers.iter().filter(|(_, peer)| peer.waiting.is_some());
        waits.map(|(node, _)| *node).filter(|node| which(self, *node)).collect()
    }

    /// Bytes of what is there, over all peers but one.
    fn bytes_of_others(&self, node: NodeId, of: impl Fn(&Peer) -> Option<usize>) -> u64 {
        let others = self.peers.iter().filter(|(known, _)| **known != node);
        others.map(|(_, peer)| of(peer).unwrap_or(0) as u64).sum()
    }

    fn pending_of_others(&self, node: NodeId) -> u64 {
        self.bytes_of_others(node, |peer| peer.waiting.as_ref().map(|(blob, _)| blob.len()))
    }

    fn refusal(&self, node: NodeId, peer: &Peer, bytes: u64) -> Option<Status> {
        let options = &self.options;
        let in_grace = options.accepts_in_grace && peer.closed_at.is_some();
        if self.is_off {
            return Some(Status::StorageNotOffered);
        }
        if !self.has_claim(peer) && !in_grace {
            return Some(Status::NoClaim);
        }
        if bytes > u64::from(options.blob_bytes_max) {
            return Some(Status::TooBig);
        }
        let with_blob = self.peers.values().filter(|peer| peer.newest().is_some()).count();
        if peer.newest().is_none() && with_blob as u64 >= u64::from(options.peers_max) {
            return Some(Status::QuotaPeers);
        }
        let percent = u64::from(options.without_channel_percent);
        let without = self.peers.values().filter(|peer| peer.newest().is_some() && peer.open == 0);
        let share = u64::from(options.peers_max) * percent / 100;
        if peer.newest().is_none() && peer.open == 0 && without.count() as u64 >= share {
            return Some(Status::QuotaPeers);
        }
        let newest = |peer: &Peer| peer.newest().map(Vec::len);
        if self.bytes_of_others(node, newest) + bytes > options.total_bytes_max {
            return Some(Status::QuotaTotal);
        }
        let share = options.total_bytes_max * percent / 100;
        let without = |peer: &Peer| newest(peer).filter(|_| peer.open == 0);
        let grows = peer.newest().is_none_or(|newest| bytes > newest.len() as u64);
        let is_over = self.bytes_of_others(node, without) + bytes > share;
        (peer.open == 0 && grows && is_over).then_some(Status::QuotaTotal)
    }

    fn store(&mut self, now: u64, node: NodeId, blob: &[u8], disk: Disk) -> Answer {
        let peer = self.peer(node);
        if let Some(status) = self.refusal(node, &peer, blob.len() as u64) {
            match status {
                Status::StorageNotOffered | Status::NoClaim => self.counts.refused_no_claim += 1,
                Status::TooBig => self.counts.refused_too_big += 1,
                _ => self.counts.refused_quota += 1,
            }
            return Answer::Refused(status);
        }
        let known = self.peers.entry(node).or_default();
        if peer.disk.as_ref().is_some_and(|kept| kept.blob == blob) {
            known.waiting = None;
            self.counts.unchanged += 1;
            return Answer::Unchanged;
        }
        let due_ms = self.due_ms(node);
        if now >= due_ms {
            return self.store_due(now, node, blob, disk);
        }
        if peer.waiting.as_ref().is_some_and(|(waiting, _)| waiting == blob) {
            self.counts.unchanged += 1;
            return Answer::Unchanged;
        }
        let waiting = self.pending_of_others(node) + blob.len() as u64;
        if waiting > self.options.pending_bytes_max && !blob.is_empty() {
            self.counts.refused_quota += 1;
            return Answer::Refused(Status::Busy);
        }
        self.accept(node, blob, now);
        self.counts.deferred += 1;
        Answer::Deferred { due_ms, was_refused: false }
    }

    fn accept(&mut self, node: NodeId, blob: &[u8], now: u64) {
        let peer = self.peers.entry(node).or_default();
        peer.waiting = Some((blob.to_vec(), now));
        peer.updates += 1;
    }

    fn store_due(&mut self, now: u64, node: NodeId, blob: &[u8], disk: Disk) -> Answer {
        let before = self.peer(node);
        self.accept(node, blob, now);
        if disk == Disk::Fine {
            self.write(now, vec![node], disk);
            return Answer::Committed;
        }
        // It waits for its next chance, if there is room for that.
        let waiting = self.pending_of_others(node) + blob.len() as u64;
        let peer = self.peers.entry(node).or_default();
        peer.last_write_ms = Some(now);
        if waiting > self.options.pending_bytes_max {
            peer.waiting = before.waiting;
            return Answer::Refused(Status::NoSpace);
        }
        Answer::Deferred { due_ms: self.due_ms(node), was_refused: true }
    }

    fn write(&mut self, now: u64, nodes: Vec<NodeId>, disk: Disk) -> Answer {
        for node in &nodes {
            let peer = self.peers.get_mut(node).expect("it waits");
            peer.last_write_ms = Some(now);
            if disk == Disk::Full {
                continue;
            }
            let (blob, received_ms) = peer.waiting.take().expect("it waits");
            let commits = peer.disk.as_ref().map_or(0, |kept| kept.commits) + 1;
            let (updates, closed_at) = (peer.updates, peer.closed_at);
            let kept = Kept { blob, received_ms, committed_ms: now, updates, commits, closed_at };
            peer.disk = Some(kept);
            self.counts.commits += 1;
        }
        match disk {
            Disk::Fine => Answer::Ticked { committed: nodes, failed: Vec::new() },
            Disk::Full => Answer::Ticked { committed: Vec::new(), failed: nodes },
        }
    }

    fn export(&self, node: NodeId) -> Answer {
        Answer::Blob(self.peer(node).newest().cloned())
    }

    fn disconnect(&mut self, now: u64, node: NodeId, disk: Disk) -> Answer {
        let peer = self.peer(node);
        let options = &self.options;
        let longer_ms = self.cooldown_ms(&peer).saturating_sub(options.cooldown_ms);
        let wait_ms = options.disconnect_interval_ms + longer_ms;
        let may_ms = peer.last_write_ms.map_or(0, |last_ms| last_ms + wait_ms);
        if peer.waiting.is_none() || now < may_ms {
            return Answer::Is(false);
        }
        match (self.write(now, vec![node], disk), disk) {
            (_, Disk::Full) => Answer::Refused(Status::NoSpace),
            _ => Answer::Is(true),
        }
    }

    fn claim(&mut self, node: NodeId, change: ClaimChange, height: u32, disk: Disk) -> Answer {
        let mut peer = self.peer(node);
        match change {
            ClaimChange::PendingChannel => peer.pending += 1,
            ClaimChange::OpenChannel => {
                peer.pending = peer.pending.saturating_sub(1);
                peer.open += 1;
            }
            ClaimChange::ClosedChannel => peer.open = peer.open.saturating_sub(1),
            ClaimChange::FailedChannel => peer.pending = peer.pending.saturating_sub(1),
            ClaimChange::Allowed => peer.allowed = true,
            ClaimChange::Disallowed => peer.allowed = false,
        }
        use ClaimChange::{Allowed, OpenChannel, PendingChannel};
        if matches!(change, Allowed | OpenChannel | PendingChannel) {
            peer.closed_at = None;
        } else if !self.has_claim(&peer) && peer.newest().is_some() && peer.closed_at.is_none() {
            peer.closed_at = Some(height);
        }
        if let Some(kept) = &mut peer.disk
            && kept.closed_at != peer.closed_at
        {
            if disk == Disk::Full {
                return Answer::Refused(Status::NoSpace);
            }
            kept.closed_at = peer.closed_at;
        }
        self.peers.insert(node, peer);
        Answer::Done
    }

    fn complete(&mut self, claims: &[Claims], height: u32, disk: Disk) -> Answer {
        for (at, one) in claims.iter().enumerate() {
            if claims[..at].iter().any(|other| other.peer == one.peer) {
                return Answer::Refused(Status::DuplicateId);
            }
        }
        for claims in claims {
            let peer = self.peers.entry(claims.peer).or_default();
            peer.open = claims.open_channels;
            peer.pending = claims.pending_channels;
            peer.allowed = claims.is_allowed;
        }
        self.height = height;
        let mut refused = false;
        for node in self.peers.keys().copied().collect::<Vec<_>>() {
            let mut peer = self.peer(node);
            let has_claim = self.has_claim(&peer);
            peer.closed_at = match peer.closed_at {
                _ if has_claim => None,
                // What becomes of a channel that is pending will be told.
                None if peer.newest().is_some() && peer.pending == 0 => Some(height),
                known => known,
            };
            let on_disk = peer.disk.as_mut().filter(|kept| kept.closed_at != peer.closed_at);
            match (on_disk, disk) {
                (Some(_), Disk::Full) => refused = true,
                (Some(kept), Disk::Fine) => {
                    kept.closed_at = peer.closed_at;
                    self.peers.insert(node, peer);
                }
                (None, _) => drop(self.peers.insert(node, peer)),
            }
        }
        if refused {
            return Answer::Refused(Status::NoSpace);
        }
        self.claims_complete = true;
        Answer::Done
    }

    fn block(&mut self, height: u32, disk: Disk) -> Answer {
        if !self.claims_complete {
            return Answer::Refused(Status::ClaimsIncomplete);
        }
        self.height = height;
        let retention = u64::from(self.options.retention_blocks);
        let is_over = |closed_at: u32| u64::from(height) >= u64::from(closed_at) + retention;
        let over = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.closed_at.is_some_and(is_over) && !self.has_claim(peer));
        let over: Vec<_> = over.map(|(node, _)| *node).collect();
        let answer = self.forget(over, disk);
        if let Answer::Peers(collected) = &answer {
            self.counts.collected += collected.len() as u64;
        }
        answer
    }

    fn prune_unclaimed(&mut self, disk: Disk) -> Answer {
        if !self.claims_complete {
            return Answer::Refused(Status::ClaimsIncomplete);
        }
        let unclaimed =
            self.peers.iter().filter(|(_, peer)| peer.newest().is_some() && !self.has_claim(peer));
        let unclaimed = unclaimed.map(|(node, _)| *node).collect();
        self.forget(unclaimed, disk)
    }

    fn forget(&mut self, nodes: Vec<NodeId>, disk: Disk) -> Answer {
        // Whoever has nothing on disk needs no room to lose it, but is removed by the same commit.
        if disk == Disk::Full && !nodes.is_empty() {
            return Answer::Refused(Status::NoSpace);
        }
        for node in &nodes {
            let peer = self.peers.get_mut(node).expect("it has a blob");
            peer.disk = None;
            peer.waiting = None;
            peer.last_write_ms = None;
            peer.closed_at = None;
        }
        Answer::Peers(nodes)
    }

    pub(super) fn entries(&self) -> Vec<PeerEntry> {
        let entry = |(node, peer): (&NodeId, &Peer)| {
            let newest = peer.newest()?;
            let disk = peer.disk.as_ref();
            let left = |closed_at: u32| {
                let until = u64::from(closed_at) + u64::from(self.options.retention_blocks);
                u32::try_from(until.saturating_sub(u64::from(self.height))).unwrap()
            };
            let received_ms = match &peer.waiting {
                Some((_, received_ms)) => *received_ms,
                None => disk?.received_ms,
            };
            Some(PeerEntry {
                claims: Claims {
                    peer: *node,
                    open_channels: peer.open,
                    pending_channels: peer.pending,
                    is_allowed: peer.allowed,
                },
                sha256: sha256_of(newest),
                blob_bytes: newest.len() as u32,
                is_pending: peer.waiting.is_some(),
                is_damaged: false,
                closed_at: peer.closed_at,
                blocks_left: peer.closed_at.map(left),
                received_ms,
                committed_ms: disk.map_or(0, |kept| kept.committed_ms),
                updates: peer.updates,
                commits: disk.map_or(0, |kept| kept.commits),
            })
        };
        self.peers.iter().filter_map(entry).collect()
    }

    pub(super) fn stats(&self) -> PeerStorageStats {
        let newest = || self.peers.values().filter_map(Peer::newest).map(|blob| blob.len() as u64);
        let without = self.peers.values().filter(|peer| peer.open == 0);
        let waiting = || self.peers.values().filter_map(|peer| peer.waiting.as_ref());
        PeerStorageStats {
            peers: newest().count() as u64,
            bytes: newest().sum(),
            bytes_without_channel: without.filter_map(Peer::newest).map(|b| b.len() as u64).sum(),
            pending: waiting().count() as u64,
            pending_bytes: waiting().map(|(blob, _)| blob.len() as u64).sum(),
            damaged: 0,
            ..self.counts
        }
    }

    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.waiting(|_, _| true).into_iter().map(|node| self.due_ms(node)).min()
    }

    /// The blob of each peer that is on disk, and when its last claim ended.
    pub(super) fn durable(&self) -> BTreeMap<NodeId, (Vec<u8>, Option<u32>)> {
        let kept = self.peers.iter().filter_map(|(node, peer)| {
            let kept = peer.disk.as_ref()?;
            Some((*node, (kept.blob.clone(), kept.closed_at)))
        });
        kept.collect()
    }
}
