//! The rules of a provider, from section 3 of the vectors' FORMAT.md and the documented options: every sum is
//! made anew of all peers whenever it is needed.

use std::collections::BTreeMap;

use crate::error::Status;
use crate::peer_storage::options::{ClaimChange, PeerStorageOptions};

pub const PEERS: u8 = 4;

#[derive(Clone, Default)]
pub struct ReferencePeer {
    pub stored: Option<Vec<u8>>,
    pub pending: Option<Vec<u8>>,
    last_write_ms: Option<u64>,
    pub open: u32,
    pub funding: u32,
    pub is_allowed: bool,
    pub closed_at: Option<u32>,
    pub is_damaged: bool,
}

impl ReferencePeer {
    pub fn newest(&self) -> Option<&Vec<u8>> {
        self.pending.as_ref().or(self.stored.as_ref())
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Refused(Status),
    Unchanged,
    Deferred {
        due_ms: u64,
    },
    Committed,
    /// It was due, and the disk was full.
    Failed,
}

pub struct Reference {
    options: PeerStorageOptions,
    pub is_off: bool,
    pub now_ms: u64,
    are_claims_complete: bool,
    pub peers: BTreeMap<u8, ReferencePeer>,
}

impl Reference {
    pub fn new(options: PeerStorageOptions) -> Reference {
        let peers = (0..PEERS).map(|who| (who, ReferencePeer::default())).collect();
        let is_off = options.is_off;
        Reference { options, is_off, now_ms: 0, are_claims_complete: false, peers }
    }

    fn has_claim(&self, peer: &ReferencePeer) -> bool {
        let funding_counts = peer.funding > 0 && !self.options.refuses_pending_channels;
        peer.open > 0 || funding_counts || peer.is_allowed
    }

    fn due_ms(&self, peer: &ReferencePeer) -> u64 {
        let Some(last_ms) = peer.last_write_ms else { return 0 };
        let cooldown_ms = match peer.open {
            1.. => self.options.cooldown_ms,
            0 => self.options.cooldown_without_channel_ms,
        };
        last_ms.saturating_add(cooldown_ms)
    }

    pub fn sums(&self) -> [u64; 3] {
        let mut sums = [0; 3];
        for peer in self.peers.values() {
            let Some(newest) = peer.newest() else { continue };
            sums[0] += 1;
            sums[1] += newest.len() as u64;
            sums[2] += if peer.open > 0 { 0 } else { newest.len() as u64 };
        }
        sums
    }

    /// Blobs that wait, their bytes, and how many on disk are damaged.
    pub fn waiting_sums(&self) -> [u64; 3] {
        let waiting = self.peers.values().filter_map(|peer| peer.pending.as_ref());
        let lengths: Vec<_> = waiting.map(|blob| blob.len() as u64).collect();
        let damaged = self.peers.values().filter(|peer| peer.is_damaged).count();
        [lengths.len() as u64, lengths.iter().sum(), damaged as u64]
    }

    pub fn stored(&self) -> Vec<(u8, Vec<u8>)> {
        self.peers.iter().filter_map(|(who, peer)| Some((*who, peer.stored.clone()?))).collect()
    }

    pub fn next_due_ms(&self) -> Option<u64> {
        let waiting = self.peers.values().filter(|peer| peer.pending.is_some());
        waiting.map(|peer| self.due_ms(peer)).min()
    }

    pub fn store(&mut self, now_ms: u64, who: u8, blob: &[u8], is_full: bool) -> Answer {
        self.now_ms = self.now_ms.max(now_ms);
        let now_ms = self.now_ms;
        if let Some(status) = self.refusal(who, blob) {
            return Answer::Refused(status);
        }
        let due_ms = self.due_ms(&self.peers[&who]);
        let has_room = self.has_room(who, blob);
        let peer = self.peers.get_mut(&who).expect("peers are made once");
        if peer.stored.as_deref() == Some(blob) && !peer.is_damaged {
            peer.pending = None;
            return Answer::Unchanged;
        }
        let is_deferred = peer.last_write_ms.is_some() && now_ms < due_ms;
        if is_deferred && peer.pending.as_deref() == Some(blob) {
            return Answer::Unchanged;
        }
        if is_deferred && !has_room {
            return Answer::Refused(Status::Busy);
        }
        if is_deferred {
            peer.pending = Some(blob.to_vec());
            return Answer::Deferred { due_ms };
        }
        peer.last_write_ms = Some(now_ms);
        if is_full {
            // What waited before goes on waiting where this one cannot.
            peer.pending = if has_room { Some(blob.to_vec()) } else { peer.pending.take() };
            return Answer::Failed;
        }
        peer.stored = Some(blob.to_vec());
        peer.pending = None;
        peer.is_damaged = false;
        Answer::Committed
    }

    fn refusal(&self, who: u8, blob: &[u8]) -> Option<Status> {
        let (peer, options) = (&self.peers[&who], &self.options);
        if self.is_off {
            return Some(Status::StorageNotOffered);
        }
        let in_grace = options.accepts_in_grace && peer.closed_at.is_some();
        if !self.has_claim(peer) && !in_grace {
            return Some(Status::NoClaim);
        }
        if blob.len() > options.blob_bytes_max as usize {
            return Some(Status::TooBig);
        }
        let mut after = self.copy();
        after.peers.get_mut(&who).expect("a copy").pending = Some(blob.to_vec());
        let [peers, bytes, bytes_without_channel] = after.sums();
        // Who pays for no channel may take a part of everything, and what does not grow takes nothing.
        let part =
            |whole: u64| u128::from(whole) * u128::from(options.without_channel_percent) / 100;
        let is_without = peer.open == 0;
        let others = after.peers.values().filter(|peer| peer.newest().is_some() && peer.open == 0);
        let too_many_without =
            is_without && others.count() as u128 > part(u64::from(options.peers_max));
        let is_new = peer.newest().is_none();
        if is_new && (peers > u64::from(options.peers_max) || too_many_without) {
            return Some(Status::QuotaPeers);
        }
        let grows = peer.newest().is_none_or(|newest| blob.len() > newest.len());
        let exceeds_part = u128::from(bytes_without_channel) > part(options.total_bytes_max);
        if bytes > options.total_bytes_max || (is_without && grows && exceeds_part) {
            return Some(Status::QuotaTotal);
        }
        None
    }

    /// Whether it may wait with the others; an empty blob takes no room.
    fn has_room(&self, who: u8, blob: &[u8]) -> bool {
        let mut after = self.copy();
        after.peers.get_mut(&who).expect("a copy").pending = Some(blob.to_vec());
        blob.is_empty() || after.waiting_sums()[1] <= self.options.pending_bytes_max
    }

    fn copy(&self) -> Reference {
        Reference { peers: self.peers.clone(), ..*self }
    }

    fn write_where(&mut self, is_due: impl Fn(&Reference, u8, &ReferencePeer) -> bool) -> Vec<u8> {
        let before = self.copy();
        let mut written = Vec::new();
        for (who, peer) in &mut self.peers {
            if peer.pending.is_some() && is_due(&before, *who, peer) {
                peer.stored = peer.pending.take();
                peer.is_damaged = false;
                peer.last_write_ms = Some(before.now_ms);
                written.push(*who);
            }
        }
        written
    }

    pub fn tick(&mut self, now_ms: u64) -> Vec<u8> {
        self.now_ms = self.now_ms.max(now_ms);
        self.write_where(|before, _, peer| before.now_ms >= before.due_ms(peer))
    }

    pub fn flush(&mut self, now_ms: u64) -> Vec<u8> {
        self.now_ms = self.now_ms.max(now_ms);
        self.write_where(|_, _, _| true)
    }

    pub fn disconnect(&mut self, now_ms: u64, who: u8) -> bool {
        self.now_ms = self.now_ms.max(now_ms);
        let written = self.write_where(|before, whose, peer| {
            let options = &before.options;
            // Reconnecting is no way around the longer cooldown.
            let longer_ms = match peer.open {
                1.. => 0,
                0 => options.cooldown_without_channel_ms.saturating_sub(options.cooldown_ms),
            };
            let interval_ms = options.disconnect_interval_ms.saturating_add(longer_ms);
            let is_over = |last_ms: u64| before.now_ms >= last_ms.saturating_add(interval_ms);
            whose == who && peer.last_write_ms.is_none_or(is_over)
        });
        !written.is_empty()
    }

    pub fn claim(&mut self, who: u8, change: ClaimChange, height: u32) {
        let peer = self.peers.get_mut(&who).expect("peers are made once");
        let mut ends = false;
        match change {
            ClaimChange::PendingChannel => peer.funding += 1,
            ClaimChange::OpenChannel => {
                peer.funding = peer.funding.saturating_sub(1);
                peer.open += 1;
            }
            ClaimChange::Allowed => peer.is_allowed = true,
            ClaimChange::ClosedChannel => {
                peer.open = peer.open.saturating_sub(1);
                ends = true;
            }
            ClaimChange::FailedChannel => {
                peer.funding = peer.funding.saturating_sub(1);
                ends = true;
            }
            ClaimChange::Disallowed => {
                peer.is_allowed = false;
                ends = true;
            }
        }
        match ends {
            true => self.mark(who, height),
            false => peer.closed_at = None,
        }
        self.forget_stranger(who);
    }

    /// Of a peer without claims and blob, nothing is kept: whoever connects could fill the memory.
    fn forget_stranger(&mut self, who: u8) {
        let peer = self.peers.get_mut(&who).expect("peers are made once");
        if peer.newest().is_none() && peer.open == 0 && peer.funding == 0 && !peer.is_allowed {
            *peer = ReferencePeer::default();
        }
    }

    fn mark(&mut self, who: u8, height: u32) {
        let peer = &self.peers[&who];
        if !self.has_claim(peer) && peer.newest().is_some() && peer.closed_at.is_none() {
            self.peers.get_mut(&who).expect("peers are made once").closed_at = Some(height);
        }
    }

    pub fn complete_claims(&mut self, height: u32) {
        self.are_claims_complete = true;
        for who in 0..PEERS {
            if self.has_claim(&self.peers[&who]) {
                self.peers.get_mut(&who).expect("peers are made once").closed_at = None;
            } else if self.peers[&who].funding == 0 {
                // While a channel is being funded, the end of its claim will be reported.
                self.mark(who, height);
            }
        }
    }

    /// None: claims are not complete.
    pub fn block(&mut self, height: u32) -> Option<Vec<u8>> {
        let retention = u64::from(self.options.retention_blocks);
        self.forget_where(|_, peer| {
            peer.closed_at.is_some_and(|at| u64::from(height) >= u64::from(at) + retention)
        })
    }

    pub fn prune_unclaimed(&mut self) -> Option<Vec<u8>> {
        self.forget_where(|before, peer| peer.newest().is_some() && !before.has_claim(peer))
    }

    fn forget_where(
        &mut self,
        is_over: impl Fn(&Reference, &ReferencePeer) -> bool,
    ) -> Option<Vec<u8>> {
        let before = self.copy();
        let over = before.peers.iter().filter(|(_, peer)| is_over(&before, peer));
        let over: Vec<u8> = over.map(|(who, _)| *who).collect();
        self.are_claims_complete.then(|| over.into_iter().flat_map(|who| self.prune(who)).collect())
    }

    pub fn prune(&mut self, who: u8) -> Vec<u8> {
        let peer = self.peers.get_mut(&who).expect("peers are made once");
        if peer.newest().is_none() {
            return Vec::new();
        }
        let claims = ReferencePeer {
            open: peer.open,
            funding: peer.funding,
            is_allowed: peer.is_allowed,
            ..ReferencePeer::default()
        };
        *peer = claims;
        vec![who]
    }

    /// What was in memory alone is lost; the host still knows the claims.
    pub fn restart(&mut self) {
        self.now_ms = 0;
        self.are_claims_complete = false;
        for peer in self.peers.values_mut() {
            peer.pending = None;
            peer.last_write_ms = None;
            peer.is_damaged = false;
            if peer.stored.is_none() {
                peer.closed_at = None;
            }
        }
    }

    /// Answers whether that is new.
    pub fn decay(&mut self, who: u8) -> bool {
        let peer = self.peers.get_mut(&who).expect("peers are made once");
        let is_new = peer.stored.is_some() && !peer.is_damaged;
        peer.is_damaged = peer.stored.is_some();
        is_new
    }
}
