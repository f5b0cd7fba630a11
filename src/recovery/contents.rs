//! What a blob that opens holds for a recovery, without its secrets: numbers and hashes only.
//!
//! RO1 nothing secret stays: whoever needs the bytes opens the blob again. RO2 a blob is taken whole or not
//! at all: one that holds anything malformed brings nothing but its sequence number.
//! Pure: no clock, no I/O, no randomness. Called by the session.

use std::fmt;

use sha2::{Digest, Sha256};

use super::journal::{self, JournalHead};
use super::shares::{Piece, Version};
use crate::backup::envelope::{self, EnvelopeFault, Header, KIND_PAYLOAD, Opened};
use crate::backup::journal::{JournalFault, KIND_JOURNAL};
use crate::backup::keys::PeerKeys;
use crate::backup::object::{ObjectFault, split_object};
use crate::backup::roster::{self, FLAG_ROSTER, FLAG_SNAPSHOT, Roster, RosterFault};
use crate::backup::share::{self, KIND_SHARES, ShareFault};

/// Set id of whole payloads, which are their own only share.
pub(super) const WHOLE_PAYLOADS: [u8; 16] = [0; 16];

/// Why a blob brings nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobFault {
    /// It does not open: not ours, another peer's, cut or changed.
    Envelope(EnvelopeFault),
    /// Its records of shares are malformed. It is ours, so that only a bug of ours can be the cause.
    Share(ShareFault),
    /// So is its roster.
    Roster(RosterFault),
    /// So is its object.
    Object(ObjectFault),
    /// So is its journal.
    Journal(JournalFault),
    /// It is ours, of a kind that this version does not know.
    UnknownKind(u8),
}

impl fmt::Display for BlobFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlobFault::Envelope(fault) => fault.fmt(f),
            BlobFault::Share(fault) => fault.fmt(f),
            BlobFault::Roster(fault) => fault.fmt(f),
            BlobFault::Object(fault) => fault.fmt(f),
            BlobFault::Journal(fault) => fault.fmt(f),
            BlobFault::UnknownKind(kind) => {
                write!(f, "kind {kind}, which this version does not know")
            }
        }
    }
}

/// What is kept in memory of an opened blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) header: Header,
    /// The shares in it; a whole payload is its own only share.
    pub(super) pieces: Vec<Piece>,
    pub(super) journal: Option<JournalHead>,
    /// The greatest generation that it brings; of a journal its sequence number, of a roster alone 0.
    pub(super) generation: u64,
}

/// A blob that opened: its sequence number, and what it holds, if that is well-formed.
pub(super) struct Reading {
    pub(super) seq: u64,
    pub(super) contents: Result<(Contents, Option<Roster>), BlobFault>,
}

/// Opens a blob and reads it.
pub(super) fn read(keys: &PeerKeys, blob: &[u8]) -> Result<Reading, EnvelopeFault> {
    let opened = envelope::open(keys, blob)?;
    Ok(Reading { seq: opened.header.seq, contents: contents_of(&opened) })
}

fn contents_of(opened: &Opened) -> Result<(Contents, Option<Roster>), BlobFault> {
    let header = opened.header;
    if ![KIND_PAYLOAD, KIND_SHARES, KIND_JOURNAL].contains(&header.kind) {
        return Err(BlobFault::UnknownKind(header.kind));
    }
    let (content, roster) =
        roster::split(header.flags, opened.payload()).map_err(BlobFault::Roster)?;
    let mut contents =
        Contents { header, pieces: Vec::new(), journal: None, generation: header.seq };
    match header.kind {
        KIND_SHARES => {
            contents.pieces = pieces_of(&header, content)?;
            let newest = contents.pieces.iter().map(|piece| piece.generation).max();
            contents.generation = newest.unwrap_or(header.seq);
        }
        KIND_JOURNAL => {
            contents.journal = Some(journal::head_of(content).map_err(BlobFault::Journal)?);
        }
        // Its roster is taken when it comes: it is the first to go.
        _ if content.is_empty() && header.flags & FLAG_ROSTER != 0 => contents.generation = 0,
        _ => contents.pieces = vec![whole_payload(&header, content)?],
    }
    Ok((contents, roster))
}

fn pieces_of(header: &Header, content: &[u8]) -> Result<Vec<Piece>, BlobFault> {
    // A code has at most 32 shares, so that nothing is cut here.
    let narrow = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
    let records = share::decode(content).map_err(BlobFault::Share)?;
    let pieces = records.iter().map(|record| Piece {
        set_id: header.set_id,
        generation: record.header.generation,
        data_shares: narrow(record.header.code.data_shares()),
        shares: narrow(record.header.code.shares()),
        index: record.header.index,
        root: record.header.object_sha256,
    });
    Ok(pieces.collect())
}

fn whole_payload(header: &Header, content: &[u8]) -> Result<Piece, BlobFault> {
    if header.flags & FLAG_SNAPSHOT != 0 {
        split_object(content).map_err(BlobFault::Object)?;
    }
    Ok(Piece {
        set_id: WHOLE_PAYLOADS,
        generation: header.seq,
        data_shares: 1,
        shares: 1,
        index: 0,
        root: Sha256::digest(content).into(),
    })
}

impl Contents {
    /// Whether the HTLCs of its generation are in it, or in the object that it is a share of.
    pub(super) fn holds_snapshot(&self) -> bool {
        let is_object = self.header.kind == KIND_SHARES || self.header.flags & FLAG_SNAPSHOT != 0;
        is_object && !self.pieces.is_empty()
    }

    pub(super) fn brings(&self, version: Version) -> bool {
        self.pieces
            .iter()
            .any(|piece| Version { generation: piece.generation, set_id: piece.set_id } == version)
    }
}
