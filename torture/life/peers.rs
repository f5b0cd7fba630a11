//! The node's peers: their blobs that it keeps, and its own backup at them, which some of them lose,
//! mix up or hold back.

use std::collections::BTreeMap;

use lnkeep::peer_storage::{ClaimChange, Claims, Stored};
use lnkeep::{NodeId, Status};

use crate::dice::Dice;
use crate::life::{Control, Life, Lived};

const RETENTION_BLOCKS: u32 = 144;

/// What a peer does with what it keeps for the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    Honest,
    /// Loses it now and then.
    Forgetful,
    /// Returns an older one, or nothing that opens.
    Liar,
}

/// Our backup at a peer.
#[derive(Clone, Debug)]
pub struct Kept {
    pub blob: Vec<u8>,
    pub version: u64,
}

#[derive(Clone, Debug)]
pub struct Peer {
    pub id: NodeId,
    pub manner: Manner,
    pub is_connected: bool,
    pub kept: Vec<Kept>,
    /// Newest blob of its own that it gave us; and the newest that it may take for durable.
    pub issued: u64,
    pub durable: u64,
    /// When its last channel closed.
    pub closed_at: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Peers {
    pub all: Vec<Peer>,
    /// Our payload's number; and the greatest that an honest peer confirmed.
    pub version: u64,
    pub confirmed: u64,
    /// What went out under each number of each instance.
    pub sealed: BTreeMap<([u8; 16], u64), u32>,
    /// The node's database was lost or rolled back: it may be told so.
    pub is_behind: bool,
}

impl Peers {
    pub fn new(dice: &mut Dice, control: Control) -> Peers {
        let count = dice.between(3, 6);
        let are_all_honest = dice.one_in(2) || control == Control::Dropper;
        let all = (0..count)
            .map(|number| {
                let mut id = [2; 33];
                id[32] = number as u8;
                let manner = match dice.below(4) {
                    0 if !are_all_honest => Manner::Forgetful,
                    1 if !are_all_honest => Manner::Liar,
                    _ => Manner::Honest,
                };
                Peer {
                    id: NodeId(id),
                    manner,
                    is_connected: false,
                    kept: Vec::new(),
                    issued: 0,
                    durable: 0,
                    closed_at: None,
                }
            })
            .collect();
        Peers { all, version: 0, confirmed: 0, sealed: BTreeMap::new(), is_behind: false }
    }

    pub fn everybody_is_gone(&mut self) {
        self.all.iter_mut().for_each(|peer| peer.is_connected = false);
    }

    /// A flush or a close wrote what was waiting.
    pub fn everything_waiting_is_written(&mut self) {
        self.all.iter_mut().for_each(|peer| peer.durable = peer.issued);
    }

    /// Blobs of peers are as they were when the copy was made; what peers keep of ours is not rolled back.
    pub fn roll_back(&mut self, copy: &Peers) {
        for (peer, then) in self.all.iter_mut().zip(&copy.all) {
            (peer.issued, peer.durable) = (then.issued, then.durable);
            peer.is_connected = false;
        }
        self.is_behind = true;
    }

    pub fn node_lost_everything(&mut self) {
        for peer in &mut self.all {
            (peer.issued, peer.durable) = (0, 0);
            peer.is_connected = false;
        }
        self.is_behind = true;
    }
}

/// A blob of a peer: who, which, and bytes that follow from these.
fn blob_of(peer: NodeId, version: u64) -> Vec<u8> {
    let mut dice = Dice::new(u64::from(peer.0[32]) << 32 | version);
    let bytes = match dice.below(12) {
        0 => 5_000 + dice.below(60_000),
        1..4 => 1_000 + dice.below(3_000),
        _ => 60 + dice.below(500),
    };
    let mut blob = version.to_le_bytes().to_vec();
    blob.resize(bytes as usize, peer.0[32] ^ version as u8);
    blob
}

fn version_of(peer: NodeId, blob: Option<&[u8]>) -> Option<u64> {
    let Some(blob) = blob else { return Some(0) };
    let version = u64::from_le_bytes(blob.get(..8)?.try_into().ok()?);
    (blob == blob_of(peer, version)).then_some(version)
}

impl Life {
    /// After a start: who has channels; and each peer's blob is one that it may expect.
    pub fn begin_keeping(&mut self) -> Lived<()> {
        let claims: Vec<Claims> = self
            .peers
            .all
            .iter()
            .map(|peer| Claims {
                peer: peer.id,
                open_channels: u32::from(peer.closed_at.is_none()),
                pending_channels: 0,
                is_allowed: false,
            })
            .collect();
        let done = self.node().keeper.claims_complete(&claims, self.height);
        self.done("claims_complete", done)?;
        for index in 0..self.peers.all.len() {
            let id = self.peers.all[index].id;
            let exported = self.node().keeper.export(id);
            let exported = self.done("export", exported)?;
            let version = version_of(id, exported.as_deref());
            let peer = &mut self.peers.all[index];
            match version {
                Some(version) if version >= peer.durable && version <= peer.issued => {
                    peer.durable = version;
                    peer.issued = version;
                }
                other => {
                    let fact = format!(
                        "the blob of peer {index} is {other:?}, between {} and {} was expected",
                        peer.durable, peer.issued
                    );
                    return self.broken("lost", fact);
                }
            }
        }
        Ok(())
    }

    pub fn is_told_of_a_write(&mut self, ids: &[NodeId]) {
        for peer in self.peers.all.iter_mut().filter(|peer| ids.contains(&peer.id)) {
            peer.durable = peer.issued;
        }
    }

    pub fn keep_for_a_peer(&mut self) -> Lived<()> {
        let index = self.dice.below(self.peers.all.len() as u64) as usize;
        let (id, now_ms) = (self.peers.all[index].id, self.now_ms);
        match self.dice.below(10) {
            0..5 => self.take_blob(index),
            5..7 => {
                let ticked = self.node().keeper.tick(now_ms);
                let ticked = self.done("tick of the keeper", ticked)?;
                if let Some((peer, error)) = ticked.failed.first() {
                    return self.broken("status", format!("the blob of {peer}: {error}"));
                }
                self.is_told_of_a_write(&ticked.committed);
                Ok(())
            }
            7..9 => {
                let returned = self.node().keeper.connected(now_ms, id);
                let returned = self.done("connected", returned)?;
                let version = version_of(id, returned.as_deref());
                let peer = &mut self.peers.all[index];
                if version != Some(peer.issued) {
                    let fact =
                        format!("peer {index} gave {} and is returned {version:?}", peer.issued);
                    return self.broken("wrong", fact);
                }
                // It takes it for confirmed.
                peer.durable = peer.issued;
                Ok(())
            }
            _ => self.end_a_claim(index),
        }
    }

    fn take_blob(&mut self, index: usize) -> Lived<()> {
        let (id, now_ms) = (self.peers.all[index].id, self.now_ms);
        let has_claim = self.peers.all[index].closed_at.is_none();
        let version = self.peers.all[index].issued + 1;
        let blob = blob_of(id, version);
        if has_claim {
            self.peers.all[index].issued = version;
        }
        let stored = self.node().keeper.store_blob(now_ms, id, &blob);
        match self.answered("store_blob", stored)? {
            Ok(_) if !has_claim => {
                self.broken("wrong", format!("peer {index} without a channel stored a blob"))
            }
            Ok(Stored::Committed) => {
                self.peers.all[index].durable = version;
                Ok(())
            }
            Ok(Stored::Deferred { failure: None, .. }) => Ok(()),
            Ok(other) => self.broken("status", format!("{other:?}")),
            Err(Status::NoClaim) if !has_claim => Ok(()),
            Err(status) => self.broken("status", format!("store_blob: {status:?}")),
        }
    }

    /// A peer's last channel closes; and blobs whose time is over go, no others.
    fn end_a_claim(&mut self, index: usize) -> Lived<()> {
        let (id, height) = (self.peers.all[index].id, self.height);
        if self.peers.all[index].closed_at.is_none() && self.dice.one_in(4) {
            self.peers.all[index].closed_at = Some(height);
            let told = self.node().keeper.report_claim(id, ClaimChange::ClosedChannel, height);
            self.done("report_claim", told)?;
        }
        // What goes may be gone when the power does.
        let mut before = Vec::new();
        for (index, peer) in self.peers.all.iter_mut().enumerate() {
            let is_over = |closed: u32| height >= closed + RETENTION_BLOCKS;
            if peer.closed_at.is_some_and(is_over) {
                before.push((index, peer.durable));
                peer.durable = 0;
            }
        }
        let collected = self.node().keeper.block_connected(height);
        let collected = self.done("block_connected", collected)?;
        for (index, durable) in before {
            match collected.contains(&self.peers.all[index].id) {
                true => self.peers.all[index].issued = 0,
                false => self.peers.all[index].durable = durable,
            }
        }
        for id in collected {
            let closed =
                self.peers.all.iter().find(|peer| peer.id == id).map(|peer| peer.closed_at);
            let is_over =
                closed.flatten().is_some_and(|closed| height >= closed + RETENTION_BLOCKS);
            if !is_over {
                return self.broken("lost", format!("the blob of {id} was collected at {height}"));
            }
        }
        Ok(())
    }
}
