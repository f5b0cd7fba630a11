//! The sealed blobs that a recovery keeps: few enough to stay in memory, whatever peers return.
//!
//! RK1 at most `BLOBS_PER_PEER_MAX` of one peer and `BLOBS_MAX` of all, which are 64 MiB; what lies in the
//! lowest generation goes first. RK2 what is kept depends on the blobs alone, not on their order. RK3 only
//! what opens is kept, sealed as it came.
//! Pure: no clock, no I/O, no randomness. Called by the session.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::contents::Contents;
use crate::limits::PEER_BLOB_BYTES_MAX;
use crate::types::NodeId;

/// Blobs kept of one peer. An honest one has a single blob; one that returns another each time keeps the
/// others' out no longer than this.
pub const BLOBS_PER_PEER_MAX: usize = 16;
/// Blobs kept of all peers.
pub const BLOBS_MAX: usize = 1_024;

const _: () = assert!(BLOBS_MAX * PEER_BLOB_BYTES_MAX < 64 << 20);

/// What blobs are ordered by: by generation, and so that no two are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    generation: u64,
    seq: u64,
    pub(super) node: NodeId,
    sha256: [u8; 32],
}

impl Rank {
    pub(super) fn of(node: NodeId, contents: &Contents, blob: &[u8]) -> Rank {
        Rank {
            generation: contents.generation,
            seq: contents.header.seq,
            node,
            sha256: Sha256::digest(blob).into(),
        }
    }
}

/// A blob with what it holds.
pub(super) struct KeptBlob {
    pub(super) contents: Contents,
    pub(super) sealed: Vec<u8>,
}

/// Whether a blob was kept, and whether another one had to go for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    Added,
    AddedForAnother,
    TooOld,
}

/// All blobs that are kept.
#[derive(Default)]
pub(super) struct Kept {
    blobs: BTreeMap<Rank, KeptBlob>,
}

impl Kept {
    pub(super) fn contains(&self, rank: &Rank) -> bool {
        self.blobs.contains_key(rank)
    }

    pub(super) fn len(&self) -> usize {
        self.blobs.len()
    }

    /// From the lowest generation on.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&Rank, &KeptBlob)> {
        self.blobs.iter()
    }

    /// Keeps a blob that is not kept yet, if it is not among those that would go first.
    pub(super) fn add(&mut self, rank: Rank, contents: Contents, blob: &[u8]) -> Keeping {
        self.blobs.insert(rank, KeptBlob { contents, sealed: blob.to_vec() });
        let Some(gone) = self.surplus(rank.node) else {
            return Keeping::Added;
        };
        self.blobs.remove(&gone);
        if gone == rank { Keeping::TooOld } else { Keeping::AddedForAnother }
    }

    /// The one blob too many after one was added: the lowest of that peer, else the lowest of all.
    fn surplus(&self, node: NodeId) -> Option<Rank> {
        let mut of_peer = self.blobs.keys().filter(|rank| rank.node == node);
        let lowest = of_peer.next().copied();
        if of_peer.count() >= BLOBS_PER_PEER_MAX {
            return lowest;
        }
        let is_over = self.blobs.len() > BLOBS_MAX;
        self.blobs.first_key_value().map(|(rank, _)| *rank).filter(|_| is_over)
    }
}
