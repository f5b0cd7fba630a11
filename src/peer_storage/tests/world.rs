//! What the model is compared with: the rules on a disk made of a map, which can be broken on purpose, and
//! the real store. And what is random about a host.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::super::record::{Record, sha256_of};
use super::super::rules::{Accepted, Pending, Provider};
use super::super::{
    ClaimChange, Claims, PeerEntry, PeerStorage, PeerStorageOptions, PeerStorageStats, Stored,
    Ticked,
};
use super::model::{Answer, Disk, Op};
use crate::limits::HOST_MS_MAX;
use crate::store::failpoints::Fault;
use crate::store::{Store, StoreOptions};
use crate::types::NodeId;
use crate::{Error, Result, Status};

pub(super) fn node(number: u64) -> NodeId {
    let mut id = [2; 33];
    id[25..].copy_from_slice(&number.to_be_bytes());
    NodeId(id)
}

/// A number that the environment may set.
pub(super) fn chosen(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |number| number.parse().expect(name))
}

/// Options of which every bound is met within a few calls.
pub(super) fn small_options() -> PeerStorageOptions {
    PeerStorageOptions {
        cooldown_ms: 1_000,
        cooldown_without_channel_ms: 5_000,
        retention_blocks: 5,
        blob_bytes_max: 64,
        peers_max: 4,
        total_bytes_max: 180,
        without_channel_percent: 40,
        pending_bytes_max: 70,
        ..PeerStorageOptions::default()
    }
}

/// Sets of options that the random runs take in turn.
pub(super) fn option_sets() -> Vec<PeerStorageOptions> {
    let plain = PeerStorageOptions {
        cooldown_without_channel_ms: 1_000,
        disconnect_interval_ms: 0,
        retention_blocks: 3,
        without_channel_percent: 100,
        returns_unwritten: true,
        ..PeerStorageOptions::default()
    };
    let grace = PeerStorageOptions {
        refuses_pending_channels: true,
        accepts_in_grace: true,
        ..small_options()
    };
    let eager = PeerStorageOptions {
        is_off: true,
        cooldown_ms: 0,
        peers_max: 3,
        pending_bytes_max: 0,
        ..small_options()
    };
    vec![small_options(), plain, grace, eager]
}

/// What a model is compared with.
pub(super) trait Subject {
    fn step(&mut self, op: &Op, disk: Disk) -> Answer;
    fn entries(&self) -> Vec<PeerEntry>;
    fn stats(&self) -> PeerStorageStats;
    fn next_due_ms(&self) -> Option<u64>;
    /// Ends without a word and comes up again, without claims.
    fn crash(&mut self);
}

/// A mistake on purpose in what is around the rules, which the comparison must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    /// A commit writes the record and not the blob.
    RecordWithoutBlob,
    /// A blob is acknowledged as durable and written with the next tick.
    AnswersFirst,
    /// A blob that could not be written is dropped.
    DropsRefused,
    /// The cooldown starts over with every blob that comes.
    CountsFromReceipt,
    /// Blobs are collected before every claim was reported.
    CollectsEarly,
    /// The end of the last claim is not made durable.
    ForgetsMarks,
    /// A refused blob replaces the one before it.
    ReplacesByRefused,
}

pub(super) const FLAWS: [Flaw; 7] = [
    Flaw::RecordWithoutBlob,
    Flaw::AnswersFirst,
    Flaw::DropsRefused,
    Flaw::CountsFromReceipt,
    Flaw::CollectsEarly,
    Flaw::ForgetsMarks,
    Flaw::ReplacesByRefused,
];

/// The rules, and a disk made of a map.
pub(super) struct Rules {
    provider: Provider,
    disk: BTreeMap<NodeId, (Record, Vec<u8>)>,
    late: BTreeMap<NodeId, (Record, Vec<u8>)>,
    flaw: Flaw,
}

impl Rules {
    pub(super) fn new(options: PeerStorageOptions, flaw: Flaw) -> Rules {
        let (disk, late) = (BTreeMap::new(), BTreeMap::new());
        Rules { provider: Provider::new(options), disk, late, flaw }
    }

    fn write(&mut self, now_ms: u64, nodes: &[NodeId], disk: Disk) -> Answer {
        for node in nodes {
            let peer = self.provider.peer(*node);
            let pending = peer.pending.clone().expect("it waits");
            if disk == Disk::Full {
                self.provider.not_written(now_ms, *node);
                if self.flaw == Flaw::DropsRefused {
                    self.provider.forget(*node);
                    peer.stored.into_iter().for_each(|record| self.provider.load(*node, record));
                }
                continue;
            }
            let record = peer.record_of(&pending, now_ms);
            let blob = match (self.flaw, self.disk.get(node)) {
                (Flaw::RecordWithoutBlob, known) => known.map(|(_, blob)| blob.clone()),
                _ => Some(pending.blob.to_vec()),
            };
            let kept = (record, blob.unwrap_or_default());
            match self.flaw {
                Flaw::AnswersFirst => self.late.insert(*node, kept),
                _ => self.disk.insert(*node, kept),
            };
            self.provider.written(now_ms, *node, record);
        }
        match disk {
            Disk::Fine => Answer::Ticked { committed: nodes.to_vec(), failed: Vec::new() },
            Disk::Full => Answer::Ticked { committed: Vec::new(), failed: nodes.to_vec() },
        }
    }

    fn store(&mut self, t: u64, node: NodeId, blob: &[u8], disk: Disk) -> Result<Answer> {
        let now_ms = self.provider.observe(t)?;
        let (sha256, bytes) = (sha256_of(blob), blob.len() as u64);
        let before = self.provider.peer(node);
        let pending = Pending { blob: Arc::new(blob.to_vec()), sha256, received_ms: now_ms };
        if let Err(refusal) = self.provider.check(node, bytes) {
            if self.flaw == Flaw::ReplacesByRefused && before.stored.is_some() {
                let record = before.record_of(&pending, now_ms);
                self.provider.load(node, record);
            }
            return Err(refusal);
        }
        let accepted = self.provider.store(now_ms, node, pending)?;
        Ok(match accepted {
            Accepted::Unchanged => Answer::Unchanged,
            Accepted::Deferred { due_ms } => {
                if self.flaw == Flaw::CountsFromReceipt {
                    self.provider.not_written(now_ms, node);
                }
                Answer::Deferred { due_ms, was_refused: false }
            }
            Accepted::Due => {
                self.write(now_ms, &[node], disk);
                if disk == Disk::Fine {
                    return Ok(Answer::Committed);
                }
                let due_ms = self.provider.due_ms(node).max(now_ms);
                match self.provider.peer(node).pending {
                    Some(waiting) if waiting.sha256 == sha256 => {
                        Answer::Deferred { due_ms, was_refused: true }
                    }
                    _ => Answer::Refused(Status::NoSpace),
                }
            }
        })
    }

    fn export(&self, node: NodeId) -> Answer {
        let peer = self.provider.peer(node);
        if let Some(pending) = peer.pending {
            return Answer::Blob(Some(pending.blob.to_vec()));
        }
        let Some(record) = peer.stored else { return Answer::Blob(None) };
        let blob = self.late.get(&node).or(self.disk.get(&node)).map(|(_, blob)| blob);
        match blob.filter(|blob| record.is_of(blob)) {
            Some(blob) => Answer::Blob(Some(blob.clone())),
            None => Answer::Refused(Status::CorruptRecord),
        }
    }

    fn mark(&mut self, marks: &[(NodeId, super::super::rules::Peer)], disk: Disk) -> Result<()> {
        let mut outcome = Ok(());
        for (node, after) in marks {
            if after.needs_record() && disk == Disk::Full {
                outcome = Err(Status::NoSpace.into());
                continue;
            }
            if let (Some((record, _)), false) =
                (self.disk.get_mut(node), self.flaw == Flaw::ForgetsMarks)
            {
                record.closed_at = after.closed_at;
            }
            self.provider.set_marked(*node, after);
        }
        outcome
    }

    fn forget(&mut self, nodes: Vec<NodeId>, disk: Disk) -> Result<Answer> {
        if disk == Disk::Full && !nodes.is_empty() {
            return Err(Status::NoSpace.into());
        }
        for node in &nodes {
            self.disk.remove(node);
            self.late.remove(node);
            self.provider.forget(*node);
        }
        Ok(Answer::Peers(nodes))
    }

    fn connect(&mut self, t: u64, node: NodeId, disk: Disk) -> Result<Answer> {
        let now_ms = self.provider.observe(t)?;
        if self.provider.is_off {
            return Ok(Answer::Blob(None));
        }
        let is_first = !self.provider.options.returns_unwritten;
        if is_first && self.provider.is_due_at_disconnect(now_ms, node) {
            self.write(now_ms, &[node], disk);
        }
        Ok(self.export(node))
    }

    fn try_step(&mut self, op: &Op, disk: Disk) -> Result<Answer> {
        match op {
            Op::Store(t, node, blob) => self.store(*t, *node, blob, disk),
            Op::Tick(t) => {
                let now_ms = self.provider.observe(*t)?;
                self.disk.append(&mut self.late);
                Ok(self.write(now_ms, &self.provider.due(now_ms), disk))
            }
            Op::Flush(t) => {
                let now_ms = self.provider.observe(*t)?;
                Ok(self.write(now_ms, &self.provider.waiting(), disk))
            }
            Op::Connect(t, node) => self.connect(*t, *node, disk),
            Op::Export(node) => Ok(self.export(*node)),
            Op::Disconnect(t, node) => {
                let now_ms = self.provider.observe(*t)?;
                if !self.provider.is_due_at_disconnect(now_ms, *node) {
                    return Ok(Answer::Is(false));
                }
                self.write(now_ms, &[*node], disk);
                if disk == Disk::Full { Err(Status::NoSpace.into()) } else { Ok(Answer::Is(true)) }
            }
            Op::Claim(node, change, height) => {
                let after = self.provider.after_claim(*node, *change, *height);
                self.mark(&[(*node, after)], disk)?;
                Ok(Answer::Done)
            }
            Op::Claims(claims, height) => self.claims(claims, *height, disk),
            Op::Block(height) => {
                if self.flaw != Flaw::CollectsEarly {
                    self.provider.check_claims_complete()?;
                }
                self.provider.set_height(*height);
                let answer = self.forget(self.provider.collectable(*height), disk)?;
                if let Answer::Peers(collected) = &answer {
                    self.provider.counted.collected += collected.len() as u64;
                }
                Ok(answer)
            }
            Op::Prune(node) => {
                let has_blob = self.provider.has_blob(*node);
                self.forget(has_blob.then_some(*node).into_iter().collect(), disk)?;
                Ok(Answer::Is(has_blob))
            }
            Op::PruneUnclaimed => {
                let unclaimed = self.provider.unclaimed()?;
                self.forget(unclaimed, disk)
            }
            Op::Offer(is_offered) => {
                self.provider.is_off = !is_offered;
                Ok(Answer::Done)
            }
        }
    }

    fn claims(&mut self, claims: &[Claims], height: u32, disk: Disk) -> Result<Answer> {
        let peers: std::collections::BTreeSet<_> = claims.iter().map(|one| one.peer).collect();
        if peers.len() != claims.len() {
            return Err(Status::DuplicateId.into());
        }
        claims.iter().for_each(|claims| self.provider.set_claims(claims));
        self.provider.set_height(height);
        let wrong = self.provider.wrong_marks(height);
        self.mark(&wrong, disk)?;
        self.provider.complete_claims();
        Ok(Answer::Done)
    }
}

impl Subject for Rules {
    fn step(&mut self, op: &Op, disk: Disk) -> Answer {
        self.try_step(op, disk).unwrap_or_else(|error| Answer::Refused(error.status()))
    }

    fn entries(&self) -> Vec<PeerEntry> {
        self.provider.entries(None, usize::MAX)
    }

    fn stats(&self) -> PeerStorageStats {
        self.provider.stats()
    }

    fn next_due_ms(&self) -> Option<u64> {
        self.provider.next_due_ms()
    }

    fn crash(&mut self) {
        self.late.clear();
        self.provider = Provider::new(self.provider.options);
        for (node, (record, _)) in &self.disk {
            self.provider.load(*node, *record);
        }
    }
}

/// The real one.
pub(super) struct Real {
    pub(super) directory: tempfile::TempDir,
    pub(super) store: Arc<Store>,
    pub(super) storage: Option<PeerStorage>,
    pub(super) options: PeerStorageOptions,
}

pub(super) fn open_store(directory: &tempfile::TempDir) -> Arc<Store> {
    Store::open(directory.path().join("store"), &StoreOptions::default()).unwrap()
}

/// In memory if there is such a place, because no test here cuts the power.
pub(super) fn directory() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory).ok() } else { None };
    made.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

impl Real {
    pub(super) fn new(options: PeerStorageOptions) -> Real {
        let directory = directory();
        let store = open_store(&directory);
        let storage = Some(PeerStorage::open(&store, options).unwrap());
        Real { directory, store, storage, options }
    }

    pub(super) fn storage(&self) -> &PeerStorage {
        self.storage.as_ref().expect("open between steps")
    }

    /// Ends in order or not, without looking at the rows.
    pub(super) fn end(&mut self, crash: bool) {
        if crash {
            self.store.crash();
        }
        self.storage = None;
        assert!(self.store.close().is_ok() || crash);
    }

    pub(super) fn open(&mut self) {
        self.store = open_store(&self.directory);
        self.storage = Some(PeerStorage::open(&self.store, self.options).unwrap());
    }

    /// Looks at the files, which nobody has open.
    pub(super) fn check(&self) {
        let report = crate::maintenance::check(self.directory.path().join("store")).unwrap();
        assert!(report.is_sound(), "{:?}", report.findings);
    }

    pub(super) fn call(&self, op: &Op) -> Result<Answer> {
        let storage = self.storage();
        Ok(match op {
            Op::Store(t, node, blob) => match storage.store_blob(*t, *node, blob)? {
                Stored::Committed => Answer::Committed,
                Stored::Unchanged => Answer::Unchanged,
                Stored::Deferred { due_ms, failure } => {
                    Answer::Deferred { due_ms, was_refused: failure.is_some() }
                }
            },
            Op::Tick(t) => ticked(storage.tick(*t)?),
            Op::Flush(t) => ticked(storage.flush(*t)?),
            Op::Connect(t, node) => Answer::Blob(storage.connected(*t, *node)?),
            Op::Export(node) => Answer::Blob(storage.export(*node)?),
            Op::Disconnect(t, node) => Answer::Is(storage.disconnected(*t, *node)?),
            Op::Claim(node, change, height) => {
                storage.report_claim(*node, *change, *height)?;
                Answer::Done
            }
            Op::Claims(claims, height) => {
                storage.claims_complete(claims, *height)?;
                Answer::Done
            }
            Op::Block(height) => Answer::Peers(storage.block_connected(*height)?),
            Op::Prune(node) => Answer::Is(storage.prune(*node)?),
            Op::PruneUnclaimed => Answer::Peers(storage.prune_unclaimed()?),
            Op::Offer(is_offered) => {
                storage.set_offered(*is_offered)?;
                Answer::Done
            }
        })
    }
}

fn ticked(ticked: Ticked) -> Answer {
    let failed = ticked.failed.into_iter().map(|(node, _)| node).collect();
    Answer::Ticked { committed: ticked.committed, failed }
}

impl Subject for Real {
    fn step(&mut self, op: &Op, disk: Disk) -> Answer {
        self.store.inject((disk == Disk::Full).then_some(Fault::NoSpace));
        let answer = self.call(op);
        self.store.inject(None);
        answer.unwrap_or_else(|error: Error| Answer::Refused(error.status()))
    }

    fn entries(&self) -> Vec<PeerEntry> {
        self.storage().list(None, usize::MAX).unwrap()
    }

    fn stats(&self) -> PeerStorageStats {
        self.storage().stats().unwrap()
    }

    fn next_due_ms(&self) -> Option<u64> {
        self.storage().next_due_ms().unwrap()
    }

    fn crash(&mut self) {
        self.end(true);
        self.open();
    }
}

pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    pub(super) fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    pub(super) fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}

/// A host whose peers and blocks do anything.
pub(super) struct Traffic {
    pub(super) dice: Dice,
    now_ms: u64,
    height: u32,
}

impl Traffic {
    pub(super) fn new(seed: u64) -> Traffic {
        Traffic { dice: Dice::new(seed), now_ms: 0, height: 100 }
    }

    pub(super) fn peer(&mut self) -> NodeId {
        node(self.dice.below(6))
    }

    fn time(&mut self) -> u64 {
        self.now_ms +=
            self.dice.of(&[0, 1, 50, 99, 100, 300, 500, 999, 1_000, 1_001, 4_000, 5_000]);
        match self.dice.below(200) {
            0 => HOST_MS_MAX + 1 + self.dice.below(9),
            1..=9 => self.now_ms.saturating_sub(self.dice.below(3_000)),
            _ => self.now_ms,
        }
    }

    fn height(&mut self) -> u32 {
        self.height += self.dice.of(&[0, 0, 1, 1, 2]);
        if self.dice.one_in(20) { self.height - self.dice.below(4) as u32 } else { self.height }
    }

    fn blob(&mut self) -> Vec<u8> {
        let bytes = self.dice.of(&[0, 1, 7, 10, 10, 30, 30, 31, 40, 64, 64, 65]);
        vec![self.dice.below(3) as u8; bytes]
    }

    fn change(&mut self) -> ClaimChange {
        ClaimChange::from_number(self.dice.of(&[1, 2, 2, 2, 3, 3, 4, 5, 6])).expect("a number")
    }

    fn some_claims(&mut self) -> Vec<Claims> {
        let count = self.dice.below(4);
        let claims = (0..count).map(|_| Claims {
            peer: self.peer(),
            open_channels: self.dice.of(&[0, 0, 1, 2]),
            pending_channels: self.dice.of(&[0, 0, 1]),
            is_allowed: self.dice.one_in(3),
        });
        claims.collect()
    }

    pub(super) fn op(&mut self) -> Op {
        let peer = self.peer();
        match self.dice.below(100) {
            0..=44 => Op::Store(self.time(), peer, self.blob()),
            45..=54 => Op::Tick(self.time()),
            55 => Op::Flush(self.time()),
            56..=60 => Op::Connect(self.time(), peer),
            61 | 62 => Op::Export(peer),
            63..=68 => Op::Disconnect(self.time(), peer),
            69..=85 => Op::Claim(peer, self.change(), self.height()),
            86 | 87 => Op::Claims(self.some_claims(), self.height()),
            88..=94 => Op::Block(self.height()),
            95 | 96 => Op::Prune(peer),
            97 => Op::PruneUnclaimed,
            _ => Op::Offer(!self.dice.one_in(4)),
        }
    }
}
