//! What is told of peers and of the whole. Pure. Called by the owner of the ledger, `mod`.

use super::envelope::SizeClass;
use super::ledger::{Known, Ledger};
use super::options::{Copy, PeerStatus, Standing};
use super::rules::PeerState;
use super::sends::{Cut, recent_strikes};
use super::stripes::{Holding, confirmed_shares, sent_shares};
use crate::error::Status;
use crate::types::NodeId;

impl Ledger {
    pub(super) fn status(&self, node: NodeId) -> PeerStatus {
        self.status_of(node, &self.known(node))
    }

    pub(super) fn status_of(&self, node: NodeId, known: &Known) -> PeerStatus {
        let Known { peer, history, .. } = known;
        let placement = &self.sends.stripe.placement;
        let is_striped = matches!(self.sends.cut, Cut::Striped(_));
        let place = placement.index_of(node).filter(|_| is_striped);
        let score =
            self.sends.facts.contains_key(&node).then(|| self.candidate(node, known).score());
        PeerStatus {
            peer: node,
            state: peer.state,
            sent_seq: peer.sent_seq,
            committed_seq: peer.committed_seq,
            strikes: peer.strikes,
            recent_strikes: recent_strikes(history, self.now_ms / 1_000),
            is_protected: peer.is_protected,
            is_connected: peer.is_connected,
            offers_storage: peer.offers_storage,
            copy: self.copy_of(known),
            size_class: if history.is_small {
                SizeClass::Bytes1024
            } else {
                self.options.size_class
            },
            sent_ms: history.sent_ms,
            sent: history.sent,
            held: history.held,
            share_index: place.and_then(|index| u8::try_from(index).ok()),
            keeps_journal: self.sends.journals.keeps(node),
            score_ppm: score.flatten(),
        }
    }

    fn copy_of(&self, known: &Known) -> Copy {
        let Known { peer, history, .. } = known;
        let payload = self.sends.payload.as_ref();
        let is_this = payload.is_some_and(|payload| payload.sha256 == history.payload_sha256);
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
        let holdings = self.holdings();
        let newest = self.sends.stripe.newest;
        let shares = |count: fn(&[Holding], u64) -> u32| {
            newest.map_or(0, |newest| count(&holdings, newest.number))
        };
        let needed_peers = match &self.sends.cut {
            Cut::Impossible(error) if error.status() == Status::TooFewPeers => error.value(),
            _ => None,
        };
        Standing {
            instance: self.state.instance,
            next_seq: self.next_seq(),
            payload_bytes: self.sends.payload.as_ref().map_or(0, |it| it.bytes.len() as u64),
            peers: self.peers.len() as u64,
            confirmed_copies: count(Copy::Confirmed),
            unconfirmed_copies: count(Copy::Unconfirmed),
            is_fresh: self.state.is_fresh,
            is_blocked: self.state.is_blocked,
            is_striped: matches!(self.sends.cut, Cut::Striped(_)),
            newest,
            base: self.sends.stripe.base,
            placed: self.sends.stripe.placement.iter().count() as u32,
            confirmed_shares: shares(confirmed_shares),
            sent_shares: shares(sent_shares),
            needed_peers: needed_peers.unwrap_or(0) as u32,
            journal_keepers: self.sends.journals.keepers() as u32,
            coverage: self.sends.journals.coverage(),
        }
    }
}
