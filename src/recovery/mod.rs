//! Recovery from nothing: a node that has only its secret collects what its peers keep of it.
//!
//! Shares RS1 to RS4 are in [`shares`], the crawl RW1 to RW5 in [`crawl`], contents RO1 and RO2 in
//! `contents`, kept blobs RK1 to RK3 in `kept`, restoring RR1 to RR3 in `restore`, HTLCs RJ1 to RJ3 in
//! `journal`, bytes of a saved session RX1 to RX3 in `export`. Here: RM1 blobs may come in any order and any
//! number of times, also from peers that lie: what is restored is the newest generation that enough of them
//! are honest about, byte for byte, and never a mixture. RM2 memory is bounded: 64 MiB of blobs, as many
//! candidates as the options allow with 510 bytes of addresses each, and what is being restored. RM3 no
//! number that a peer holds is ever given again: `finish` says where to go on, with every authentic number
//! seen below.
//! What comes out is for closing and sweeping only: a channel that goes on from an old state is lost.
//! No database, no clock, no I/O, no lock, no randomness. Called by `ffi` and Rust hosts; calls `backup`.

mod contents;
pub mod crawl;
mod export;
mod journal;
mod kept;
mod restore;
pub mod shares;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::contents::BlobFault;
use self::contents::Reading;
use self::crawl::{Answer, Candidate, Crawl, Next, PeerCounts, PeerResult};
pub use self::journal::RecoveredHtlcs;
pub use self::kept::{BLOBS_MAX, BLOBS_PER_PEER_MAX};
use self::kept::{Keeping, Kept, Rank};
pub use self::restore::RecoveredPayload;
use self::shares::{Collection, RecoveryStatus, Refusal, SetProgress};
use crate::backup::envelope::EnvelopeFault;
use crate::backup::keys::{BackupKeys, Secret};
use crate::error::{Error, Result, Status};
use crate::foreign::{self, ForeignKeys, Software};
use crate::limits::{
    BACKUP_HOLD_MS, BACKUP_PEERS_MAX, BACKUP_SEQUENCE_JUMP, PEER_BLOB_BYTES_MAX, RECOVERY_ANSWER_MS,
};
use crate::types::NodeId;

/// Choices for a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryOptions {
    /// From this time on nobody is waited for: a newest generation that is complete is final. 0: never.
    pub deadline_ms: u64,
    /// Time that a peer has to be reached.
    pub answer_ms: u64,
    /// Time that a connected peer has to return a blob.
    pub blob_ms: u64,
    /// Most peers that may be known.
    pub candidates_max: u32,
}

impl Default for RecoveryOptions {
    fn default() -> RecoveryOptions {
        RecoveryOptions {
            deadline_ms: 0,
            answer_ms: RECOVERY_ANSWER_MS,
            blob_ms: BACKUP_HOLD_MS,
            candidates_max: BACKUP_PEERS_MAX,
        }
    }
}

impl RecoveryOptions {
    fn check(&self) -> Result<()> {
        let most = BACKUP_PEERS_MAX;
        let problem = match self {
            options if options.answer_ms == 0 => "answer_ms is 0: no peer could answer".into(),
            options if options.blob_ms == 0 => "blob_ms is 0: no peer could answer".into(),
            options if options.candidates_max == 0 => "candidates_max is 0: nobody to ask".into(),
            options if options.candidates_max > most => {
                format!("candidates_max is {}, more than {most}", options.candidates_max)
            }
            _ => return Ok(()),
        };
        Err(Error::new(Status::InvalidArgument, problem))
    }
}

/// What a blob brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fed {
    /// Something that was missing: a share, a payload, a journal or a roster.
    Accepted,
    /// Nothing that was not there.
    Duplicate,
    /// Only generations below one that can be restored already, or below all that is kept of this peer.
    Old,
    /// It is ours and contradicts what came first of its generation: two writers used one number.
    Inconsistent,
    /// A backup of other software: the host opens it with the key that it gave, and keeps it.
    Foreign(Software),
    /// Nothing; why.
    Refused(BlobFault),
}

impl Fed {
    /// The name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            Fed::Accepted => "accepted",
            Fed::Duplicate => "duplicate",
            Fed::Old => "old",
            Fed::Inconsistent => "inconsistent",
            Fed::Foreign(_) => "foreign",
            Fed::Refused(BlobFault::Envelope(_)) => "unreadable",
            Fed::Refused(_) => "malformed",
        }
    }
}

/// How far a recovery is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// In one word.
    pub status: RecoveryStatus,
    /// The greatest generation that can be restored.
    pub best_generation: Option<u64>,
    /// The greatest generation known of.
    pub newest_seen_generation: Option<u64>,
    /// Every generation that a share was found of, the highest first, then by set.
    pub sets: Vec<SetProgress>,
    /// Peers.
    pub peers: PeerCounts,
    /// Blobs kept.
    pub blobs: u32,
}

/// What a node goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adoption {
    /// No blob may carry a smaller number: far above all that peers may still hold.
    pub seq_floor: u64,
}

/// A recovery that goes on.
pub struct Recovery {
    keys: BackupKeys,
    options: RecoveryOptions,
    foreign: ForeignKeys,
    crawl: Crawl,
    kept: Kept,
    collection: Collection,
    /// The greatest sequence number or generation that anything authentic named.
    greatest_seen: u64,
    /// The greatest generation that something authentic named, kept or not.
    witnessed: u64,
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, blobs) = (self.collection.status(), self.kept.len());
        write!(f, "Recovery({}, {blobs} blobs, ..)", status.name())
    }
}

impl Recovery {
    /// Begins with nothing but the secret that the lost node gave its backup.
    ///
    /// # Errors
    /// `InvalidArgument` for options that cannot be.
    pub fn begin(secret: &Secret, options: RecoveryOptions) -> Result<Recovery> {
        options.check()?;
        let candidates_max = options.candidates_max as usize;
        Ok(Recovery {
            keys: BackupKeys::new(secret),
            options,
            foreign: ForeignKeys::default(),
            crawl: Crawl::new(options.answer_ms, options.blob_ms, candidates_max),
            kept: Kept::default(),
            collection: Collection::default(),
            greatest_seen: 0,
            witnessed: 0,
        })
    }

    /// Goes on with a session that was saved by [`Recovery::export`].
    ///
    /// # Errors
    /// `InvalidArgument` for bytes that are no export, damaged, or of another secret, and as for `begin`;
    /// `Unsupported` for an export of a later version; `TooBig` for more candidates than the options allow.
    pub fn resume(secret: &Secret, options: RecoveryOptions, bytes: &[u8]) -> Result<Recovery> {
        export::read(Recovery::begin(secret, options)?, bytes)
    }

    /// The session as bytes: sealed blobs as they came, and where each candidate stands. They tell a reader
    /// who the peers are, and nothing of what they keep.
    pub fn export(&self) -> Vec<u8> {
        export::write(self)
    }

    /// Keys of software that the node ran before: what does not open as ours is tried with them. They are not
    /// exported: give them again after [`Recovery::resume`].
    pub fn set_foreign_keys(&mut self, keys: ForeignKeys) {
        self.foreign = keys;
    }

    /// Adds peers that may keep something: neighbours in the graph, the operator's list, a file. One that is
    /// known already keeps its state.
    ///
    /// # Errors
    /// `TooBig`, and none is added, when they are more than the options allow; `InvalidArgument` for an
    /// address of more than 255 bytes.
    pub fn add_candidates(&mut self, candidates: &[Candidate]) -> Result<()> {
        self.crawl.add(candidates)
    }

    /// Whom to ask next. Answers `Ask` only when nobody else is being asked; answers `None` when everybody
    /// answered or was given up, or the payload is final.
    pub fn next_peer(&mut self, now_ms: u64) -> Next {
        self.crawl.advance(now_ms);
        if self.status() == RecoveryStatus::CompleteFinal {
            return Next::None;
        }
        self.crawl.next(now_ms)
    }

    /// Takes what the host found out about a peer, asked for or not.
    pub fn peer_result(&mut self, now_ms: u64, node: NodeId, result: PeerResult) {
        self.crawl.report(now_ms, node, result);
    }

    /// Takes what a peer returned, asked for or not, as often as it comes.
    ///
    /// # Errors
    /// `TooBig` for what no message can carry.
    pub fn feed(&mut self, node: NodeId, blob: &[u8]) -> Result<Fed> {
        if blob.len() > PEER_BLOB_BYTES_MAX {
            let bytes = blob.len();
            let why = format!("{bytes} bytes: a message carries {PEER_BLOB_BYTES_MAX}");
            return Err(Error::new(Status::TooBig, why));
        }
        Ok(match contents::read(&self.keys.peer(node), blob) {
            Ok(reading) => self.take(node, blob, reading),
            Err(fault) => self.refuse(node, blob, fault),
        })
    }

    fn refuse(&mut self, node: NodeId, blob: &[u8], fault: EnvelopeFault) -> Fed {
        self.crawl.answered(node, Answer::Unreadable);
        match foreign::detect(&self.foreign, blob) {
            Ok(found) => Fed::Foreign(found.software()),
            Err(_) => Fed::Refused(BlobFault::Envelope(fault)),
        }
    }

    /// Takes a blob that is ours.
    fn take(&mut self, node: NodeId, blob: &[u8], reading: Reading) -> Fed {
        self.crawl.answered(node, Answer::Blob);
        self.greatest_seen = self.greatest_seen.max(reading.seq);
        let (contents, roster) = match reading.contents {
            Ok(read) => read,
            Err(fault) => return Fed::Refused(fault),
        };
        let rank = Rank::of(node, &contents, blob);
        if self.kept.contains(&rank) {
            return Fed::Duplicate;
        }
        if let Some(roster) = &roster {
            self.crawl.add_roster(roster);
            self.witness(roster.generation);
        }
        if let Some(base) = contents.journal.as_ref().and_then(|journal| journal.base) {
            self.witness(base.generation);
        }
        if let Some(newest) = contents.pieces.iter().map(|piece| piece.generation).max() {
            self.witness(newest);
        }
        let is_old = !contents.pieces.is_empty()
            && self
                .collection
                .best()
                .is_some_and(|best| contents.generation < best.version.generation);
        let brought = self.count(&contents, roster.is_some());
        match self.kept.add(rank, contents, blob) {
            Keeping::Added => {}
            Keeping::AddedForAnother => self.recount(),
            Keeping::TooOld => {
                self.recount();
                return Fed::Old;
            }
        }
        if is_old { Fed::Old } else { brought }
    }

    fn witness(&mut self, generation: u64) {
        self.greatest_seen = self.greatest_seen.max(generation);
        self.witnessed = self.witnessed.max(generation);
        // Zero names no generation: a roster of a node that has no payload, a journal without a base.
        if generation > 0 {
            self.collection.witness(generation);
        }
    }

    /// Counts the shares of a blob, and tells what they brought.
    fn count(&mut self, contents: &contents::Contents, has_roster: bool) -> Fed {
        let mut brought = match contents.pieces.is_empty() {
            true if contents.journal.is_some() || has_roster => Fed::Accepted,
            _ => Fed::Duplicate,
        };
        for piece in &contents.pieces {
            match self.collection.feed(piece) {
                Ok(()) => brought = Fed::Accepted,
                Err(Refusal::Duplicate) => {}
                Err(_) if brought == Fed::Duplicate => brought = Fed::Inconsistent,
                Err(_) => {}
            }
        }
        brought
    }

    /// Counts the shares of what is still kept.
    fn recount(&mut self) {
        self.collection = Collection::default();
        for (_, kept) in self.kept.iter() {
            for piece in &kept.contents.pieces {
                // Each was judged when it came.
                let _ = self.collection.feed(piece);
            }
        }
        self.witness(self.witnessed);
    }

    /// How far it is. The time is the greatest that any call gave.
    pub fn status(&self) -> RecoveryStatus {
        let status = self.collection.status();
        let is_late = self.options.deadline_ms > 0 && self.crawl.now_ms >= self.options.deadline_ms;
        match status {
            RecoveryStatus::Complete if is_late || self.crawl.is_exhausted() => {
                RecoveryStatus::CompleteFinal
            }
            other => other,
        }
    }

    /// How far it is, in numbers.
    pub fn progress(&mut self, now_ms: u64) -> Progress {
        self.crawl.advance(now_ms);
        Progress {
            status: self.status(),
            best_generation: self.collection.best().map(|best| best.version.generation),
            newest_seen_generation: self.collection.newest_seen(),
            sets: self.collection.sets(),
            peers: self.crawl.counts(),
            blobs: u32::try_from(self.kept.len()).unwrap_or(u32::MAX),
        }
    }

    /// The greatest generation that can be restored: for closing and sweeping only.
    ///
    /// # Errors
    /// `NotEnoughShares` when none can, or when a newer one is known of and `accepts_older` is not set; the
    /// value is how many shares of the newest are missing, at least. `BadShare` when the shares do not give
    /// what they name, which only a bug of the writer can cause.
    pub fn payload(&self, accepts_older: bool) -> Result<RecoveredPayload> {
        restore::payload(self, accepts_older)
    }

    /// The newest HTLCs that can be made of what peers returned: a snapshot with a journal over it, either
    /// alone, or a journal that is complete by itself. What they are newer than is said in them.
    ///
    /// # Errors
    /// `NotEnoughShares` when nothing can be restored; `NotFound` when no HTLCs were backed up; `BadShare` as
    /// for `payload`.
    pub fn htlcs(&self) -> Result<RecoveredHtlcs> {
        journal::htlcs(self)
    }

    /// What the node goes on with. Only after this may anything be sent, and then it overwrites what peers
    /// keep: so it is refused while the newest generation is incomplete, unless the caller accepts that.
    ///
    /// # Errors
    /// `NotEnoughShares`, as for `payload`; `TooBig` when no numbers are left.
    pub fn finish(&self, accepts_incomplete: bool) -> Result<Adoption> {
        if self.collection.status() < RecoveryStatus::Complete && !accepts_incomplete {
            return Err(restore::missing(&self.collection));
        }
        let seq_floor = self.greatest_seen.checked_add(BACKUP_SEQUENCE_JUMP);
        let seq_floor = seq_floor.ok_or_else(|| {
            let why = format!("number {} was used: none is left", self.greatest_seen);
            Error::new(Status::TooBig, why)
        })?;
        Ok(Adoption { seq_floor })
    }
}
