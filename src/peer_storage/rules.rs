//! What a provider decides: who may store, when a blob is written, what is collected. Pure: no clock, no
//! disk, no lock.
//!
//! SR1 a refused blob changes nothing: the blob before it stays and is returned. SR2 at most one write per
//! peer and cooldown, counted from the last write; what comes in between replaces what waits. SR3 nothing
//! equal to what is on disk is written. SR4 a blob is collected only `retention_blocks` after its peer's last
//! claim ended, and only once every claim was reported. SR5 sums are kept by taking a peer out before it
//! changes and putting it back after. Source: BOLT 1 `option_provide_storage`, the review of lnd #8490.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::options::{ClaimChange, Claims, PeerEntry, PeerStorageOptions, PeerStorageStats};
use super::record::Record;
use crate::error::{Error, Result, Status};
use crate::limits::HOST_MS_MAX;
use crate::types::NodeId;

/// A blob that waits to be written.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) blob: Arc<Vec<u8>>,
    pub(crate) sha256: [u8; 32],
    pub(crate) received_ms: u64,
}

/// What is known of one peer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer {
    pub(crate) stored: Option<Record>,
    pub(crate) pending: Option<Pending>,
    /// While a blob that was due at once is written: what it replaced, if anything waited before it.
    replaced: Option<Option<Pending>>,
    /// Time of the last write, or of the last one that was refused.
    last_write_ms: Option<u64>,
    open_channels: u32,
    pending_channels: u32,
    is_allowed: bool,
    pub(crate) closed_at: Option<u32>,
    /// The blob on disk did not pass its check.
    pub(crate) is_damaged: bool,
    /// The record on disk is damaged, and this one was made of the blob.
    is_remade: bool,
    /// A refusal for a quota was told.
    refusal_was_told: bool,
    /// The damage was told.
    damage_was_told: bool,
    updates: u64,
}

impl Peer {
    fn newest_bytes(&self) -> Option<u64> {
        match (&self.pending, &self.stored) {
            (Some(pending), _) => Some(pending.blob.len() as u64),
            (None, Some(record)) => Some(u64::from(record.blob_bytes)),
            (None, None) => None,
        }
    }

    /// A channel that costs its peer something: to have one that is never funded is free.
    fn has_channel(&self) -> bool {
        self.open_channels != 0
    }

    fn has_claim(&self, options: &PeerStorageOptions) -> bool {
        let pending_counts = !options.refuses_pending_channels && self.pending_channels != 0;
        self.is_allowed || pending_counts || self.has_channel()
    }

    fn is_known(&self) -> bool {
        let has_counts = self.open_channels != 0 || self.pending_channels != 0 || self.is_allowed;
        self.newest_bytes().is_some() || has_counts
    }

    fn cooldown_ms(&self, options: &PeerStorageOptions) -> u64 {
        match self.has_channel() {
            true => options.cooldown_ms,
            false => options.cooldown_without_channel_ms,
        }
    }

    fn due_ms(&self, options: &PeerStorageOptions) -> u64 {
        let cooldown_ms = self.cooldown_ms(options);
        self.last_write_ms.map_or(0, |last_ms| last_ms.saturating_add(cooldown_ms))
    }

    /// Whether these bytes are on disk, as far as is known.
    pub(crate) fn has_stored(&self, sha256: &[u8; 32], bytes: usize) -> bool {
        let is_equal =
            |record: &Record| record.sha256 == *sha256 && record.blob_bytes as usize == bytes;
        self.stored.as_ref().is_some_and(is_equal) && !self.is_damaged
    }

    /// Whether the record on disk does not say what this one says.
    pub(crate) fn needs_record(&self) -> bool {
        self.stored.is_some_and(|record| self.is_remade || record.closed_at != self.closed_at)
    }

    /// The record that is written with a blob.
    pub(crate) fn record_of(&self, pending: &Pending, now_ms: u64) -> Record {
        let commits = self.stored.map_or(0, |record| record.commits);
        Record {
            sha256: pending.sha256,
            blob_bytes: pending.blob.len() as u32,
            closed_at: self.closed_at,
            received_ms: pending.received_ms,
            committed_ms: now_ms,
            updates: self.updates,
            commits: commits.saturating_add(1),
        }
    }
}

/// What becomes of a blob that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// It is on disk, or waits already.
    Unchanged,
    /// It waits in memory.
    Deferred {
        /// When it may be written.
        due_ms: u64,
    },
    /// It waits in memory and is to be written now.
    Due,
}

/// Sums over all peers (SR5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    peers: u64,
    peers_without_channel: u64,
    bytes: u64,
    bytes_without_channel: u64,
    pending: u64,
    pending_bytes: u64,
    damaged: u64,
}

/// All that a provider knows.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) options: PeerStorageOptions,
    pub(crate) is_off: bool,
    claims_are_complete: bool,
    now_ms: u64,
    height: u32,
    peers: BTreeMap<NodeId, Peer>,
    waiting: BTreeSet<NodeId>,
    sums: Sums,
    /// Figures that are only counted; the sums come from above.
    pub(crate) counted: PeerStorageStats,
}

impl Provider {
    pub(crate) fn new(options: PeerStorageOptions) -> Provider {
        Provider {
            options,
            is_off: options.is_off,
            claims_are_complete: false,
            now_ms: 0,
            height: 0,
            peers: BTreeMap::new(),
            waiting: BTreeSet::new(),
            sums: Sums::default(),
            counted: PeerStorageStats::default(),
        }
    }

    /// A peer that has a blob on disk, at open.
    pub(crate) fn load(&mut self, node: NodeId, record: Record) {
        self.change(node, |peer| {
            peer.stored = Some(record);
            peer.closed_at = record.closed_at;
            peer.updates = record.updates;
        });
    }

    /// A peer whose record was damaged: what its blob says, if that can be read.
    pub(crate) fn load_remade(&mut self, node: NodeId, record: Option<Record>) {
        self.load(node, record.unwrap_or_default());
        self.change(node, |peer| {
            peer.is_remade = record.is_some();
            peer.is_damaged = record.is_none();
        });
    }

    /// Time never goes back, so one that no clock shows is refused: nothing would be due after it.
    pub(crate) fn observe(&mut self, now_ms: u64) -> Result<u64> {
        if now_ms > HOST_MS_MAX {
            let fact = format!("now_ms {now_ms} is no time in milliseconds; nothing was changed");
            return Err(Error::new(Status::InvalidArgument, fact));
        }
        self.now_ms = self.now_ms.max(now_ms);
        Ok(self.now_ms)
    }

    pub(crate) fn peer(&self, node: NodeId) -> Peer {
        self.peers.get(&node).cloned().unwrap_or_default()
    }

    /// The only way to change a peer (SR5).
    fn change<T>(&mut self, node: NodeId, change: impl FnOnce(&mut Peer) -> T) -> T {
        let mut peer = self.peers.remove(&node).unwrap_or_default();
        self.count(&peer, |sum, share| sum.saturating_sub(share));
        let answer = change(&mut peer);
        self.count(&peer, u64::saturating_add);
        match peer.pending {
            Some(_) => self.waiting.insert(node),
            None => self.waiting.remove(&node),
        };
        if peer.is_known() {
            self.peers.insert(node, peer);
        }
        answer
    }

    fn count(&mut self, peer: &Peer, add: impl Fn(u64, u64) -> u64) {
        let newest = peer.newest_bytes();
        let pending = peer.pending.as_ref().map(|pending| pending.blob.len() as u64);
        let bytes = newest.unwrap_or(0);
        let has_channel = peer.has_channel();
        let without_channel = if has_channel { 0 } else { bytes };
        let sums = &mut self.sums;
        sums.peers = add(sums.peers, u64::from(newest.is_some()));
        let is_without = u64::from(newest.is_some() && !has_channel);
        sums.peers_without_channel = add(sums.peers_without_channel, is_without);
        sums.bytes = add(sums.bytes, bytes);
        sums.bytes_without_channel = add(sums.bytes_without_channel, without_channel);
        sums.pending = add(sums.pending, u64::from(pending.is_some()));
        sums.pending_bytes = add(sums.pending_bytes, pending.unwrap_or(0));
        sums.damaged = add(sums.damaged, u64::from(peer.is_damaged));
    }

    /// Takes a blob, or says why not (SR1, SR2, SR3).
    pub(crate) fn store(
        &mut self,
        now_ms: u64,
        node: NodeId,
        pending: Pending,
    ) -> Result<Accepted> {
        let bytes = pending.blob.len();
        self.check(node, bytes as u64)?;
        let peer = self.peer(node);
        if peer.has_stored(&pending.sha256, bytes) {
            self.counted.unchanged += 1;
            self.change(node, |peer| peer.pending = None);
            return Ok(Accepted::Unchanged);
        }
        let due_ms = peer.due_ms(&self.options);
        let is_due = now_ms >= due_ms;
        let waits =
            |waiting: &Pending| waiting.sha256 == pending.sha256 && waiting.blob.len() == bytes;
        if !is_due && peer.pending.as_ref().is_some_and(waits) {
            self.counted.unchanged += 1;
            return Ok(Accepted::Unchanged);
        }
        if !is_due {
            self.check_waiting(node, &peer, bytes as u64)?;
        }
        self.change(node, |peer| {
            peer.updates = peer.updates.saturating_add(1);
            let before = peer.pending.replace(pending);
            peer.replaced = is_due.then_some(before);
        });
        if is_due {
            return Ok(Accepted::Due);
        }
        self.counted.deferred += 1;
        Ok(Accepted::Deferred { due_ms })
    }

    /// Whether a peer may store so many bytes, before anybody looks at them.
    pub(crate) fn check(&mut self, node: NodeId, bytes: u64) -> Result<()> {
        let peer = self.peer(node);
        self.check_claim(node, &peer)?;
        self.check_quotas(node, &peer, bytes)
    }

    fn check_claim(&mut self, node: NodeId, peer: &Peer) -> Result<()> {
        let in_grace = self.options.accepts_in_grace && peer.closed_at.is_some();
        let refusal = if self.is_off {
            Error::new(Status::StorageNotOffered, "we offer no storage; nothing was changed")
        } else if !peer.has_claim(&self.options) && !in_grace {
            let fact = "has no channel with us and is not allowed otherwise; nothing was changed";
            Error::new(Status::NoClaim, format!("peer {node} {fact}"))
        } else {
            return Ok(());
        };
        self.counted.refused_no_claim += 1;
        Err(refusal)
    }

    fn check_quotas(&mut self, node: NodeId, peer: &Peer, bytes: u64) -> Result<()> {
        let options = &self.options;
        if bytes > u64::from(options.blob_bytes_max) {
            let most = options.blob_bytes_max;
            self.counted.refused_too_big += 1;
            let fact = format!("peer {node}: a blob of {bytes} bytes, at most {most}");
            return Err(Error::new(Status::TooBig, fact));
        }
        self.quota_refusal(node, peer, bytes).inspect_err(|_| self.counted.refused_quota += 1)
    }

    fn quota_refusal(&self, node: NodeId, peer: &Peer, bytes: u64) -> Result<()> {
        let options = &self.options;
        let sums = &self.sums;
        let newest = peer.newest_bytes();
        let refuse = |status: Status, fact: String| {
            Err(Error::new(status, format!("peer {node}: {fact}; nothing was changed")))
        };
        let percent = u64::from(options.without_channel_percent);
        let peers_max = u64::from(options.peers_max);
        let peers_share = peers_max * percent / 100;
        if newest.is_none() && sums.peers >= peers_max {
            return refuse(Status::QuotaPeers, format!("{peers_max} peers have a blob already"));
        }
        let is_without = !peer.has_channel();
        if newest.is_none() && is_without && sums.peers_without_channel >= peers_share {
            let fact = format!("{peers_share} peers without a channel have a blob already");
            return refuse(Status::QuotaPeers, fact);
        }
        let with_this = |sum: u64| sum.saturating_sub(newest.unwrap_or(0)).saturating_add(bytes);
        let most = options.total_bytes_max;
        if with_this(sums.bytes) > most {
            return refuse(Status::QuotaTotal, format!("{bytes} bytes exceed the {most} of all"));
        }
        let share = (u128::from(most) * u128::from(percent) / 100) as u64;
        let grows = newest.is_none_or(|newest| bytes > newest);
        if grows && is_without && with_this(sums.bytes_without_channel) > share {
            let fact = format!("{bytes} bytes exceed the {share} of peers without a channel");
            return refuse(Status::QuotaTotal, fact);
        }
        Ok(())
    }

    /// What waits is bounded. What is due does not wait: its callers' threads bound it.
    fn check_waiting(&mut self, node: NodeId, peer: &Peer, bytes: u64) -> Result<()> {
        let own = peer.pending.as_ref().map_or(0, |pending| pending.blob.len() as u64);
        let waiting = self.sums.pending_bytes;
        let after = waiting.saturating_sub(own).saturating_add(bytes);
        if after <= self.options.pending_bytes_max || bytes == 0 {
            return Ok(());
        }
        self.counted.refused_quota += 1;
        let fact = format!("peer {node}: {waiting} bytes wait to be written; nothing was changed");
        Err(Error::new(Status::Busy, fact))
    }

    /// Whether a refusal for a quota is to be told: once per peer, or a peer could fill the log.
    pub(crate) fn tells_refusal(&mut self, node: NodeId) -> bool {
        let knows = self.peers.contains_key(&node);
        knows && self.change(node, |peer| !std::mem::replace(&mut peer.refusal_was_told, true))
    }

    /// Waiting blobs whose cooldown is over.
    pub(crate) fn due(&self, now_ms: u64) -> Vec<NodeId> {
        let is_due = |node: &&NodeId| {
            self.peers.get(node).is_some_and(|peer| now_ms >= peer.due_ms(&self.options))
        };
        self.waiting.iter().filter(is_due).copied().collect()
    }

    /// Every waiting blob.
    pub(crate) fn waiting(&self) -> Vec<NodeId> {
        self.waiting.iter().copied().collect()
    }

    /// Whether a disconnection writes what waits for a peer.
    pub(crate) fn is_due_at_disconnect(&self, now_ms: u64, node: NodeId) -> bool {
        let options = &self.options;
        self.peers.get(&node).is_some_and(|peer| {
            // Who waits longer than peers with a channel does so here too, or reconnecting would be its way.
            let longer_ms = peer.cooldown_ms(options).saturating_sub(options.cooldown_ms);
            let interval_ms = options.disconnect_interval_ms.saturating_add(longer_ms);
            let may_ms =
                peer.last_write_ms.map_or(0, |last_ms| last_ms.saturating_add(interval_ms));
            peer.pending.is_some() && now_ms >= may_ms
        })
    }

    /// Forgets what waits.
    pub(crate) fn drop_waiting(&mut self) {
        for node in self.waiting() {
            self.change(node, |peer| peer.pending = None);
        }
    }

    /// When the first waiting blob may be written.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        let due_ms = |node: &NodeId| Some(self.peers.get(node)?.due_ms(&self.options));
        self.waiting.iter().filter_map(due_ms).min()
    }

    /// A waiting blob became durable.
    pub(crate) fn written(&mut self, now_ms: u64, node: NodeId, record: Record) {
        self.change(node, |peer| {
            peer.stored = Some(record);
            peer.pending = None;
            peer.replaced = None;
            peer.is_damaged = false;
            peer.damage_was_told = false;
            peer.is_remade = false;
            peer.last_write_ms = Some(now_ms);
        });
        self.counted.commits += 1;
    }

    /// A blob could not be written: it waits for another cooldown. One that came just now gives way to what
    /// it replaced if there is no room for it to wait.
    pub(crate) fn not_written(&mut self, now_ms: u64, node: NodeId) {
        let has_room = self.sums.pending_bytes <= self.options.pending_bytes_max;
        self.change(node, |peer| {
            peer.last_write_ms = Some(now_ms);
            if let Some(before) = peer.replaced.take().filter(|_| !has_room) {
                peer.pending = before;
            }
        });
    }

    /// When a peer's waiting blob may be written.
    pub(crate) fn due_ms(&self, node: NodeId) -> u64 {
        self.peers.get(&node).map_or(0, |peer| peer.due_ms(&self.options))
    }

    /// Whether anything is kept for a peer.
    pub(crate) fn has_blob(&self, node: NodeId) -> bool {
        self.peers.get(&node).is_some_and(|peer| peer.newest_bytes().is_some())
    }

    /// The blob on disk did not pass its check; answers whether that is new.
    pub(crate) fn found_damaged(&mut self, node: NodeId) -> bool {
        self.change(node, |peer| {
            peer.is_damaged = peer.stored.is_some();
            peer.is_damaged && !std::mem::replace(&mut peer.damage_was_told, true)
        })
    }

    /// A peer as a change of its claims leaves it, without changing anything.
    pub(crate) fn after_claim(&self, node: NodeId, change: ClaimChange, height: u32) -> Peer {
        let mut peer = self.peer(node);
        match change {
            ClaimChange::PendingChannel => {
                peer.pending_channels = peer.pending_channels.saturating_add(1);
            }
            ClaimChange::OpenChannel => {
                peer.pending_channels = peer.pending_channels.saturating_sub(1);
                peer.open_channels = peer.open_channels.saturating_add(1);
            }
            ClaimChange::ClosedChannel => peer.open_channels = peer.open_channels.saturating_sub(1),
            ClaimChange::FailedChannel => {
                peer.pending_channels = peer.pending_channels.saturating_sub(1);
            }
            ClaimChange::Allowed => peer.is_allowed = true,
            ClaimChange::Disallowed => peer.is_allowed = false,
        }
        match change {
            ClaimChange::PendingChannel | ClaimChange::OpenChannel | ClaimChange::Allowed => {
                peer.closed_at = None;
            }
            _ => self.mark(&mut peer, height),
        }
        peer
    }

    /// A peer with these claims and no others, as before.
    pub(crate) fn set_claims(&mut self, claims: &Claims) {
        self.change(claims.peer, |peer| {
            peer.open_channels = claims.open_channels;
            peer.pending_channels = claims.pending_channels;
            peer.is_allowed = claims.is_allowed;
        });
    }

    /// Peers whose end of claims is not what their claims say, and what it should be.
    pub(crate) fn wrong_marks(&self, height: u32) -> Vec<(NodeId, Peer)> {
        let mut wrong = Vec::new();
        for (node, peer) in &self.peers {
            let mut right = peer.clone();
            match peer.has_claim(&self.options) {
                true => right.closed_at = None,
                // Whether its channel opens is not decided, and what became of it will be reported.
                false if right.pending_channels != 0 => {}
                false => self.mark(&mut right, height),
            }
            if right.closed_at != peer.closed_at || peer.is_remade {
                wrong.push((*node, right));
            }
        }
        wrong
    }

    /// The clock of the collection starts when nothing claims a blob any more.
    fn mark(&self, peer: &mut Peer, height: u32) {
        if !peer.has_claim(&self.options) && peer.newest_bytes().is_some() {
            peer.closed_at.get_or_insert(height);
        }
    }

    /// Takes over a peer's claims and its mark, once the mark is durable.
    pub(crate) fn set_marked(&mut self, node: NodeId, after: &Peer) {
        self.change(node, |peer| {
            peer.open_channels = after.open_channels;
            peer.pending_channels = after.pending_channels;
            peer.is_allowed = after.is_allowed;
            peer.closed_at = after.closed_at;
            if let Some(record) = &mut peer.stored {
                record.closed_at = after.closed_at;
            }
            peer.is_remade = false;
        });
    }

    pub(crate) fn complete_claims(&mut self) {
        self.claims_are_complete = true;
    }

    /// The last height that was told.
    pub(crate) fn set_height(&mut self, height: u32) {
        self.height = height;
    }

    /// SR4: peers whose blob is kept no longer.
    pub(crate) fn collectable(&self, height: u32) -> Vec<NodeId> {
        let retention = self.options.retention_blocks;
        let is_over = |peer: &Peer| {
            let is_old =
                |closed_at: u32| u64::from(height) >= u64::from(closed_at) + u64::from(retention);
            !peer.has_claim(&self.options) && peer.closed_at.is_some_and(is_old)
        };
        let over = self.peers.iter().filter(|(_, peer)| is_over(peer));
        over.map(|(node, _)| *node).collect()
    }

    /// Peers with a blob and without a claim.
    pub(crate) fn unclaimed(&self) -> Result<Vec<NodeId>> {
        self.check_claims_complete()?;
        let is_unclaimed =
            |peer: &Peer| peer.newest_bytes().is_some() && !peer.has_claim(&self.options);
        let unclaimed = self.peers.iter().filter(|(_, peer)| is_unclaimed(peer));
        Ok(unclaimed.map(|(node, _)| *node).collect())
    }

    pub(crate) fn check_claims_complete(&self) -> Result<()> {
        if self.claims_are_complete {
            return Ok(());
        }
        let fact =
            "a peer whose channel was not reported yet would lose its blob; nothing was removed";
        Err(Error::new(Status::ClaimsIncomplete, fact))
    }

    /// Removes what is kept for a peer; its claims stay.
    pub(crate) fn forget(&mut self, node: NodeId) -> bool {
        self.change(node, |peer| {
            let had = peer.newest_bytes().is_some();
            peer.stored = None;
            peer.pending = None;
            peer.last_write_ms = None;
            peer.closed_at = None;
            peer.is_damaged = false;
            peer.damage_was_told = false;
            peer.is_remade = false;
            had
        })
    }

    /// Peers with a blob, in the order of their ids, after one of them.
    pub(crate) fn entries(&self, after: Option<NodeId>, limit: usize) -> Vec<PeerEntry> {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let peers = self.peers.range((from, Bound::Unbounded));
        let entries = peers.filter_map(|(node, peer)| self.entry(*node, peer));
        entries.take(limit).collect()
    }

    fn entry(&self, node: NodeId, peer: &Peer) -> Option<PeerEntry> {
        let record = peer.stored.unwrap_or_default();
        let (sha256, received_ms) = match &peer.pending {
            Some(pending) => (pending.sha256, pending.received_ms),
            None => (record.sha256, record.received_ms),
        };
        let blocks_left = |closed_at: u32| {
            let until = u64::from(closed_at) + u64::from(self.options.retention_blocks);
            u32::try_from(until.saturating_sub(u64::from(self.height))).unwrap_or(u32::MAX)
        };
        Some(PeerEntry {
            claims: Claims {
                peer: node,
                open_channels: peer.open_channels,
                pending_channels: peer.pending_channels,
                is_allowed: peer.is_allowed,
            },
            sha256,
            blob_bytes: u32::try_from(peer.newest_bytes()?).unwrap_or(u32::MAX),
            is_pending: peer.pending.is_some(),
            is_damaged: peer.is_damaged,
            closed_at: peer.closed_at,
            blocks_left: peer.closed_at.map(blocks_left),
            received_ms,
            committed_ms: record.committed_ms,
            updates: peer.updates,
            commits: record.commits,
        })
    }

    pub(crate) fn stats(&self) -> PeerStorageStats {
        PeerStorageStats {
            peers: self.sums.peers,
            bytes: self.sums.bytes,
            bytes_without_channel: self.sums.bytes_without_channel,
            pending: self.sums.pending,
            pending_bytes: self.sums.pending_bytes,
            damaged: self.sums.damaged,
            ..self.counted
        }
    }
}
