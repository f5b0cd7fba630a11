//! The HTLCs of a lost node: a snapshot with the journal that follows it.
//!
//! RJ1 a journal is laid over the generation that it names, and over no other; one whose generation cannot be
//! restored is kept until it can, and not used. RJ2 of all states that can be made, the one with the greatest
//! number comes out: the sequence number of its journal, or the generation of a snapshot without one. A
//! snapshot without any HTLC is passed over while there is something older: it was made before any were told,
//! or had no room, and an HTLC that is gone costs a look, one that is missing its amount. A journal may name
//! an older generation than the newest: the base moves only when enough peers hold the next.
//! RJ3 whether anything newer is known of is said, not guessed.
//! Pure: no clock, no I/O, no randomness. Called by the session.

use std::cmp::Reverse;

use super::Recovery;
use super::contents::Contents;
use super::kept::{KeptBlob, Rank};
use super::restore::{self, RecoveredPayload};
use super::shares::{RecoveryStatus, SetProgress, Version};
use crate::backup::envelope::{self, Header};
use crate::backup::htlcs::HtlcSet;
use crate::backup::journal::{JournalContent, JournalFault};
use crate::backup::roster;
use crate::error::{Error, Result, Status};

/// HTLCs as they were when the last thing was sent that is left of them.
#[derive(Debug)]
pub struct RecoveredHtlcs {
    /// The HTLCs.
    pub htlcs: HtlcSet,
    /// The generation whose snapshot they begin with; none if the journal is complete by itself.
    pub base: Option<Version>,
    /// Sequence number of the journal; none if there is only the snapshot.
    pub journal_seq: Option<u64>,
    /// When the journal, or without one the snapshot, was sealed.
    pub created_unix_secs: u64,
    /// Best block then.
    pub block_height: u32,
    /// HTLCs that were worth their sweep and did not fit into the journal.
    pub uncovered_count: u32,
    /// Their amounts.
    pub uncovered_msat: u64,
    /// Whether no newer journal and no newer snapshot is known of.
    pub is_newest: bool,
}

/// What is kept in memory of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JournalHead {
    /// What it is relative to; none if it is complete by itself.
    pub(super) base: Option<Version>,
}

/// Reads a journal to its end, and keeps what it is relative to.
pub(super) fn head_of(content: &[u8]) -> Result<JournalHead, JournalFault> {
    let journal = JournalContent::decode(content)?;
    let base = Version { generation: journal.base_generation, set_id: journal.base_set_id };
    Ok(JournalHead { base: Some(base).filter(|base| base.generation > 0) })
}

/// A state that can be made.
#[derive(Clone, Copy)]
struct Source<'kept> {
    /// What it is ordered by (RJ2).
    number: u64,
    base: Option<SetProgress>,
    journal: Option<(&'kept Rank, &'kept KeptBlob)>,
}

pub(super) fn htlcs(recovery: &Recovery) -> Result<RecoveredHtlcs> {
    let sources = sources(recovery);
    for (at, source) in sources.iter().enumerate() {
        let found = htlcs_of(recovery, source)?;
        let says_nothing = source.journal.is_none() && found.htlcs.is_empty();
        if !says_nothing || at + 1 == sources.len() {
            return Ok(found);
        }
    }
    Err(match recovery.status() {
        RecoveryStatus::Empty | RecoveryStatus::Collecting => {
            restore::missing(&recovery.collection)
        }
        _ => Error::new(Status::NotFound, "no blob holds HTLCs: none were backed up"),
    })
}

fn htlcs_of(recovery: &Recovery, source: &Source<'_>) -> Result<RecoveredHtlcs> {
    let restored = match source.base {
        Some(set) => Some(restore::restore(recovery, set, recovery.status())?),
        None => None,
    };
    let snapshot = match &restored {
        Some(payload) => snapshot_of(payload)?,
        None => HtlcSet::default(),
    };
    let (created_unix_secs, block_height) = match (&restored, source.journal) {
        (_, Some((_, kept))) => times_of(&kept.contents.header),
        (Some(payload), None) => (payload.created_unix_secs, payload.block_height),
        (None, None) => (0, 0),
    };
    let mut found = RecoveredHtlcs {
        htlcs: snapshot,
        base: source.base.map(|set| set.version),
        journal_seq: source.journal.map(|(_, kept)| kept.contents.header.seq),
        created_unix_secs,
        block_height,
        uncovered_count: 0,
        uncovered_msat: 0,
        is_newest: newest_known(recovery) <= source.number,
    };
    if let Some((rank, kept)) = source.journal {
        let journal = open(recovery, rank, kept)?;
        found.htlcs = found.htlcs.applied(&journal.diff);
        (found.uncovered_count, found.uncovered_msat) =
            (journal.uncovered_count, journal.uncovered_msat);
    }
    Ok(found)
}

fn times_of(header: &Header) -> (u64, u32) {
    (header.created_unix_secs, header.block_height)
}

/// The generations of blobs that hold HTLCs, or shares of some.
fn snapshot_generation(contents: &Contents) -> Option<u64> {
    contents.holds_snapshot().then_some(contents.generation)
}

fn newest_known(recovery: &Recovery) -> u64 {
    let numbers = recovery.kept.iter().filter_map(|(_, kept)| {
        let contents = &kept.contents;
        let of_journal = contents.journal.is_some().then_some(contents.header.seq);
        of_journal.max(snapshot_generation(contents))
    });
    numbers.max().unwrap_or(0)
}

/// All states that can be made, the one with the greatest number first.
fn sources(recovery: &Recovery) -> Vec<Source<'_>> {
    let mut bases: Vec<SetProgress> = recovery.collection.sets();
    bases.retain(SetProgress::is_complete);
    let of_version = |version: Version| bases.iter().find(|set| set.version == version).copied();
    let with_journal = recovery.kept.iter().filter_map(|(rank, kept)| {
        let base = match kept.contents.journal?.base {
            Some(version) => Some(of_version(version)?),
            None => None,
        };
        Some(Source { number: kept.contents.header.seq, base, journal: Some((rank, kept)) })
    });
    let holds = |set: &&SetProgress| {
        let mut blobs = recovery.kept.iter().map(|(_, kept)| &kept.contents);
        blobs.any(|contents| contents.brings(set.version) && contents.holds_snapshot())
    };
    let without = bases.iter().filter(holds).map(|set| Source {
        number: set.version.generation,
        base: Some(*set),
        journal: None,
    });
    let mut sources: Vec<Source<'_>> = without.chain(with_journal).collect();
    // Of equal numbers the journal: it is relative to what it names, whatever else has its number.
    sources.sort_by_key(|source| Reverse((source.number, source.journal.is_some())));
    sources
}

/// The HTLCs of a generation; an object without a snapshot had none.
fn snapshot_of(payload: &RecoveredPayload) -> Result<HtlcSet> {
    if payload.snapshot().is_empty() {
        return Ok(HtlcSet::default());
    }
    HtlcSet::decode(payload.snapshot()).map_err(|fault| {
        let generation = payload.version.generation;
        let why = format!("the HTLCs of generation {generation} cannot be read: {fault}");
        Error::new(Status::BadShare, why)
    })
}

fn open(recovery: &Recovery, rank: &Rank, kept: &KeptBlob) -> Result<JournalContent> {
    let opened = envelope::open(&recovery.keys.peer(rank.node), &kept.sealed)?;
    let (content, _) = roster::split(opened.header.flags, opened.payload())?;
    JournalContent::decode(content).map_err(|fault| {
        Error::new(Status::BadShare, format!("the journal cannot be read: {fault}"))
    })
}
