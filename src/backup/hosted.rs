//! What a host tells of its peers and its HTLCs, and what it takes over from a recovery. Called by `ffi` and
//! Rust hosts.

use super::htlcs::{BackupHtlc, CommitmentPoint, HtlcKey};
use super::ledger::Ledger;
use super::score::PeerFacts;
use super::{Backup, acknowledged};
use crate::backup::envelope::Header;
use crate::error::{Error, Result, Status};
use crate::types::{ChannelId, NodeId};

/// Half of all numbers.
const SEQ_FLOOR_MAX: u64 = 1 << 63;
/// Between two looks at which peers keep what, where nothing was told.
const REVIEW_MS: u64 = 60_000;

impl Backup {
    /// What the host knows of a peer that it has a channel with; `None` when it has none any more. Shares and
    /// journals go only to peers of which facts are known: tell them after each open, and when they change.
    ///
    /// # Errors
    /// `QuotaPeers` when something is known of too many peers; `Closed`, `Poisoned`, `Forked`.
    pub fn set_facts(&self, now_ms: u64, peer: NodeId, facts: Option<PeerFacts>) -> Result<()> {
        let mut state = self.hold_idle(peer)?;
        if facts.is_some() {
            state.ledger.check_room(peer)?;
        }
        state.ledger.observe(now_ms)?;
        state.ledger.set_facts(peer, facts);
        Ok(())
    }

    /// Tells an HTLC, or what became known of it. It is kept in memory: tell all that are pending again after
    /// each open. Journals begin with the first one.
    ///
    /// # Errors
    /// `Busy` when there are too many; `Closed`, `Poisoned`, `Forked`.
    pub fn set_htlc(&self, now_ms: u64, key: HtlcKey, htlc: BackupHtlc) -> Result<()> {
        let mut state = self.hold()?;
        let now_ms = state.ledger.observe(now_ms)?;
        let was_active = state.ledger.sends.journals.is_active();
        state.ledger.sends.journals.journal.put(key, htlc, now_ms)?;
        if !was_active {
            state.ledger.needs_review();
        }
        Ok(())
    }

    /// Tells the point of the peer's commitment of a channel.
    ///
    /// # Errors
    /// As [`Backup::set_htlc`].
    pub fn set_commitment_point(&self, channel: ChannelId, point: CommitmentPoint) -> Result<()> {
        self.hold()?.ledger.sends.journals.journal.set_point(channel, point)
    }

    /// Tells that an HTLC is in neither commitment any more, irrevocably: not earlier, for either may be the
    /// one that is published. Answers whether it was known.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`, `Forked`.
    pub fn remove_htlc(&self, key: HtlcKey) -> Result<bool> {
        Ok(self.hold()?.ledger.sends.journals.journal.remove(key))
    }

    /// Tells that a commitment of a channel is on chain, or on its way there.
    ///
    /// # Errors
    /// `Busy` when there are too many channels; `Closed`, `Poisoned`, `Forked`.
    pub fn channel_force_closed(&self, channel: ChannelId) -> Result<()> {
        self.hold()?.ledger.sends.journals.journal.force_closed(channel)
    }

    /// Tells that nothing of a channel is left to sweep. Answers whether anything was known of it.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`, `Forked`.
    pub fn channel_resolved(&self, channel: ChannelId) -> Result<bool> {
        Ok(self.hold()?.ledger.sends.journals.journal.remove_channel(channel))
    }

    /// Tells the height of the best block: an HTLC that expires soon does not wait for its journal.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`, `Forked`.
    pub fn block_connected(&self, block_height: u32) -> Result<()> {
        self.hold()?.ledger.sends.journals.journal.set_block_height(block_height);
        Ok(())
    }

    /// What a recovery found was taken over by the host: `seq_floor` is what the recovery session gave at its
    /// end. Sending is allowed, numbers go on above it, and what peers still hold of the former database is
    /// no state loss any more. The first number after it follows the host's clock, see `Ledger::next_seq`.
    /// Answers whether anything changed.
    ///
    /// # Errors
    /// `InvalidArgument` for a floor that no recovery gives and that would leave no numbers; the store's
    /// errors: nothing was changed.
    pub fn adopt(&self, seq_floor: u64) -> Result<bool> {
        if seq_floor > SEQ_FLOOR_MAX {
            let fact = format!("seq_floor is {seq_floor}, at most {SEQ_FLOOR_MAX}");
            return Err(Error::new(Status::InvalidArgument, fact));
        }
        let mut state = self.hold_all_idle()?;
        let (after, peers) = state.ledger.plan_adopt(seq_floor);
        if after == state.ledger.state && peers.is_empty() {
            return Ok(false);
        }
        self.store.submit_one(acknowledged(&peers, after))?;
        state.ledger.settle(after, peers);
        Ok(true)
    }
}

impl Ledger {
    /// Whether a blob is of a former database whose state was recovered.
    pub(super) fn is_adopted(&self, header: &Header) -> bool {
        header.instance != self.state.instance && header.seq <= self.state.adopted_seq
    }

    pub(super) fn begin_round(&mut self, random: u64) {
        let now_ms = self.now_ms;
        if now_ms.saturating_sub(self.reviewed_ms) >= REVIEW_MS {
            self.reviewed_ms = now_ms;
            for (node, known) in &mut self.peers {
                if self.sends.facts.contains_key(node) {
                    known.history.uptime.observe(now_ms / 1_000, known.peer.is_connected);
                }
            }
            self.needs_review();
        }
        self.review();
        self.look_after_base();
        self.sends.journals.begin_round(now_ms, random);
    }

    /// Notes that a peer of which facts are known is there, or not.
    pub(super) fn observe_uptime(&mut self, node: NodeId) {
        let now_secs = self.now_ms / 1_000;
        if let Some(known) = self.peers.get_mut(&node).filter(|known| known.has_facts) {
            known.history.uptime.observe(now_secs, known.peer.is_connected);
        }
    }
}
