//! Which generations the shares found so far can restore.
//!
//! RS1 a generation of a set is complete with `need` distinct shares of it, and with nothing else: shares of
//! different generations, sets, shapes or objects never count together. RS2 what was accepted once stays
//! accepted: no share makes another one worthless. RS3 the newest generation seen never falls, and nothing
//! is called the newest while a newer one is known of. RS4 order and repetition change nothing.
//! Source: the conformance cases `recovery.jsonl` and their FORMAT, 7 and 9.
//! Pure: no clock, no I/O, no randomness. Called by the session, once per share.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What a share's header says of it. The shares' bytes are no matter of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Of which object it is a share.
    pub set_id: [u8; 16],
    /// Of which version of the object.
    pub generation: u64,
    /// How many distinct shares restore the object.
    pub data_shares: u8,
    /// How many shares there are.
    pub shares: u8,
    /// Which of them it is.
    pub index: u8,
    /// Hash of the object.
    pub root: [u8; 32],
}

/// Why a share does not count, in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The first share of this generation says something else of its object. All are authentic, so that only
    /// a bug of ours can be the cause.
    InconsistentHeader,
    /// No share of this object has this index.
    BadIndex,
    /// The share is there already.
    Duplicate,
}

impl Refusal {
    /// Every refusal, in the order in which they are looked for.
    pub const ALL: [Refusal; 3] =
        [Refusal::InconsistentHeader, Refusal::BadIndex, Refusal::Duplicate];

    /// The name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::InconsistentHeader => "inconsistent_header",
            Refusal::BadIndex => "bad_index",
            Refusal::Duplicate => "duplicate",
        }
    }
}

/// How far a recovery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum RecoveryStatus {
    /// No share was found.
    #[default]
    Empty = 0,
    /// No generation can be restored.
    Collecting = 1,
    /// A generation can be restored, and a newer one is known of.
    CompleteOlder = 2,
    /// The newest generation known of can be restored.
    Complete = 3,
    /// So it can, and everybody known has answered, failed three times, or had the time the caller gives.
    CompleteFinal = 4,
}

impl RecoveryStatus {
    /// Every status, in the order of its number.
    pub const ALL: [RecoveryStatus; 5] = [
        RecoveryStatus::Empty,
        RecoveryStatus::Collecting,
        RecoveryStatus::CompleteOlder,
        RecoveryStatus::Complete,
        RecoveryStatus::CompleteFinal,
    ];

    /// The name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            RecoveryStatus::Empty => "empty",
            RecoveryStatus::Collecting => "collecting",
            RecoveryStatus::CompleteOlder => "complete_older",
            RecoveryStatus::Complete => "complete",
            RecoveryStatus::CompleteFinal => "complete_final",
        }
    }
}

/// One version of one object: ordered by generation, then by set, as the greatest is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Which version.
    pub generation: u64,
    /// Of which object.
    pub set_id: [u8; 16],
}

/// What was gathered of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetProgress {
    /// Which version of which object.
    pub version: Version,
    /// Distinct shares found.
    pub have: u8,
    /// Distinct shares that restore it.
    pub need: u8,
    /// Shares that were made.
    pub shares: u8,
    /// Hash of the object.
    pub root: [u8; 32],
}

impl SetProgress {
    /// Whether it can be restored.
    pub fn is_complete(&self) -> bool {
        self.have > 0 && self.have >= self.need
    }
}

#[derive(Debug)]
struct Gathered {
    data_shares: u8,
    shares: u8,
    root: [u8; 32],
    indexes: BTreeSet<u8>,
}

/// All shares found so far, by what they are shares of.
#[derive(Debug, Default)]
pub struct Collection {
    versions: BTreeMap<Version, Gathered>,
    /// The greatest generation known of without a share of it.
    witnessed: Option<u64>,
}

impl Collection {
    /// Counts a share.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn feed(&mut self, piece: &Piece) -> Result<(), Refusal> {
        let version = Version { generation: piece.generation, set_id: piece.set_id };
        let gathered = self.versions.entry(version).or_insert_with(|| Gathered {
            data_shares: piece.data_shares,
            shares: piece.shares,
            root: piece.root,
            indexes: BTreeSet::new(),
        });
        let fixed = (gathered.data_shares, gathered.shares, gathered.root);
        if fixed != (piece.data_shares, piece.shares, piece.root) {
            return Err(Refusal::InconsistentHeader);
        }
        if piece.index >= piece.shares {
            return Err(Refusal::BadIndex);
        }
        if gathered.indexes.insert(piece.index) { Ok(()) } else { Err(Refusal::Duplicate) }
    }

    /// Takes note that a generation was made, from something authentic that names it and is no share of it:
    /// a list of holders, or a journal relative to it.
    pub fn witness(&mut self, generation: u64) {
        self.witnessed = self.witnessed.max(Some(generation));
    }

    /// How far the shares are, whoever may still bring some: never `CompleteFinal`.
    pub fn status(&self) -> RecoveryStatus {
        match self.best() {
            None if self.versions.is_empty() => RecoveryStatus::Empty,
            None => RecoveryStatus::Collecting,
            Some(best) if Some(best.version.generation) == self.newest_seen() => {
                RecoveryStatus::Complete
            }
            Some(_) => RecoveryStatus::CompleteOlder,
        }
    }

    /// The greatest version that can be restored.
    pub fn best(&self) -> Option<SetProgress> {
        self.versions.iter().rev().map(progress_of).find(SetProgress::is_complete)
    }

    /// The greatest generation known of.
    pub fn newest_seen(&self) -> Option<u64> {
        let of_shares = self.versions.last_key_value().map(|(version, _)| version.generation);
        of_shares.max(self.witnessed)
    }

    /// Every version that a share was found of, the highest generation first, then by the set.
    pub fn sets(&self) -> Vec<SetProgress> {
        let mut all: Vec<SetProgress> = self.versions.iter().map(progress_of).collect();
        all.sort_by_key(|set| (Reverse(set.version.generation), set.version.set_id));
        all
    }
}

fn progress_of((version, gathered): (&Version, &Gathered)) -> SetProgress {
    SetProgress {
        version: *version,
        // An index has eight bits and is below `shares`, which has eight: no more than 255 are distinct.
        have: u8::try_from(gathered.indexes.len()).unwrap_or(u8::MAX),
        need: gathered.data_shares,
        shares: gathered.shares,
        root: gathered.root,
    }
}
