//! From shares back to the payload.
//!
//! RR1 what comes out has the hash that every share of it names: shares of one version of one object, and of
//! nothing else. RR2 an older generation than the newest known comes out only when the caller accepts it.
//! RR3 memory that held a payload is zeroized on every path; at no time is more held than the object, its
//! shares and the blobs that they lie in.
//! Pure: no clock, no I/O, no randomness. Called by the session.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Recovery;
use super::contents::WHOLE_PAYLOADS;
use super::kept::{KeptBlob, Rank};
use super::shares::{Collection, RecoveryStatus, SetProgress, Version};
use crate::backup::envelope::{self, Opened};
use crate::backup::object::split_object;
use crate::backup::roster::{self, FLAG_SNAPSHOT};
use crate::backup::share::{self, Share};
use crate::error::{Error, Result, Status};

/// A payload that was restored.
pub struct RecoveredPayload {
    bytes: Zeroizing<Vec<u8>>,
    payload_bytes: usize,
    snapshot_bytes: usize,
    /// Which version it is.
    pub version: Version,
    /// When the oldest of the blobs that bring it was sealed.
    pub created_unix_secs: u64,
    /// Best block then.
    pub block_height: u32,
    /// How sure it is that there is no newer one.
    pub status: RecoveryStatus,
}

impl RecoveredPayload {
    /// The payload as the host gave it; the caller keeps it out of logs.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(..self.payload_bytes).unwrap_or_default()
    }

    /// The HTLCs of that time, encoded; empty if there were none or none were kept.
    pub(super) fn snapshot(&self) -> &[u8] {
        let rest = self.bytes.get(self.payload_bytes..).unwrap_or_default();
        rest.get(..self.snapshot_bytes).unwrap_or_default()
    }

    /// Always: peers may hold later states than this one, and a channel that goes on from an earlier state
    /// than its peer's is lost to a penalty. Let the peer close, then sweep.
    pub fn is_close_and_sweep_only(&self) -> bool {
        true
    }
}

impl fmt::Debug for RecoveredPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, generation) = (self.payload_bytes, self.version.generation);
        write!(f, "RecoveredPayload({bytes} bytes of generation {generation}, ..)")
    }
}

/// The error that says what the newest generation lacks.
pub(super) fn missing(collection: &Collection) -> Error {
    let newest = collection.newest_seen();
    let sets = collection.sets();
    let known = sets.iter().filter(|set| Some(set.version.generation) == newest);
    let lacks = |set: &SetProgress| set.need.saturating_sub(set.have).max(1);
    let nearest = known.min_by_key(|set| lacks(set));
    let fact = match (newest, nearest) {
        (None, _) => "no share was found".to_owned(),
        (Some(generation), None) => {
            format!("generation {generation} is known of, and no share of it was found")
        }
        (Some(generation), Some(set)) => {
            format!("generation {generation} has {} of {} shares", set.have, set.need)
        }
    };
    let advice = match collection.best() {
        Some(best) => format!("; {} can be restored, if that is accepted", best.version.generation),
        None => "; ask more peers".to_owned(),
    };
    let least = nearest.map_or(1, lacks);
    Error::new(Status::NotEnoughShares, fact + &advice).of_channel(None, Some(u64::from(least)))
}

pub(super) fn payload(recovery: &Recovery, accepts_older: bool) -> Result<RecoveredPayload> {
    let status = recovery.status();
    let best = recovery.collection.best();
    let accepted = best.filter(|_| accepts_older || status >= RecoveryStatus::Complete);
    let Some(best) = accepted else {
        return Err(missing(&recovery.collection));
    };
    restore(recovery, best, status)
}

/// Restores a version that is complete.
pub(super) fn restore(
    recovery: &Recovery,
    set: SetProgress,
    status: RecoveryStatus,
) -> Result<RecoveredPayload> {
    let version = set.version;
    let brings = |(_, kept): &(&Rank, &KeptBlob)| kept.contents.brings(version);
    let times = recovery.kept.iter().filter(brings).map(|(_, kept)| {
        (kept.contents.header.created_unix_secs, kept.contents.header.block_height)
    });
    let (created_unix_secs, block_height) = times.min().unwrap_or_default();
    let is_whole = version.set_id == WHOLE_PAYLOADS;
    let (bytes, has_snapshot) =
        if is_whole { whole(recovery, set)? } else { (striped(recovery, set)?, true) };
    if Sha256::digest(&*bytes) != set.root {
        return Err(wrong(version, "does not have the hash that its shares name"));
    }
    let (payload_bytes, snapshot_bytes) = if has_snapshot {
        let (payload, snapshot) = split_object(&bytes)?;
        (payload.len(), snapshot.len())
    } else {
        (bytes.len(), 0)
    };
    Ok(RecoveredPayload {
        bytes,
        payload_bytes,
        snapshot_bytes,
        version,
        created_unix_secs,
        block_height,
        status,
    })
}

fn wrong(version: Version, fact: &str) -> Error {
    let generation = version.generation;
    Error::new(Status::BadShare, format!("generation {generation} {fact}: it was written wrongly"))
}

/// Opens as many blobs as a version needs, each with the index of the share that is wanted of it.
fn open_all(recovery: &Recovery, set: SetProgress) -> Result<Vec<(u8, Opened)>> {
    let mut chosen: BTreeMap<u8, (&Rank, &KeptBlob)> = BTreeMap::new();
    for (rank, kept) in recovery.kept.iter() {
        let of_set = kept.contents.pieces.iter().filter(|piece| {
            (piece.generation, piece.set_id) == (set.version.generation, set.version.set_id)
                && (piece.data_shares, piece.shares, piece.root) == (set.need, set.shares, set.root)
        });
        for piece in of_set {
            chosen.entry(piece.index).or_insert((rank, kept));
        }
    }
    let needed = chosen.into_iter().take(usize::from(set.need));
    let opened = needed.map(|(index, (rank, kept))| {
        Ok((index, envelope::open(&recovery.keys.peer(rank.node), &kept.sealed)?))
    });
    opened.collect()
}

/// A payload that was sent whole, and whether a snapshot is with it.
fn whole(recovery: &Recovery, set: SetProgress) -> Result<(Zeroizing<Vec<u8>>, bool)> {
    let opened = open_all(recovery, set)?;
    let (_, opened) = opened.first().ok_or_else(|| wrong(set.version, "is not kept"))?;
    let (content, _) = roster::split(opened.header.flags, opened.payload())?;
    Ok((Zeroizing::new(content.to_vec()), opened.header.flags & FLAG_SNAPSHOT != 0))
}

/// An object that was cut into shares.
fn striped(recovery: &Recovery, set: SetProgress) -> Result<Zeroizing<Vec<u8>>> {
    let opened = open_all(recovery, set)?;
    let mut shares: Vec<Share<'_>> = Vec::new();
    for (index, envelope) in &opened {
        let (content, _) = roster::split(envelope.header.flags, envelope.payload())?;
        let of_set = share::decode(content)?.into_iter().find(|share| {
            let header = &share.header;
            (header.generation, header.index) == (set.version.generation, *index)
                && header.object_sha256 == set.root
        });
        shares.extend(of_set);
    }
    let first = shares.first().ok_or_else(|| wrong(set.version, "is not kept"))?.header;
    if shares.iter().any(|share| share.header.object_bytes != first.object_bytes) {
        return Err(wrong(set.version, "has shares of different lengths"));
    }
    let indexed: Vec<(usize, &[u8])> =
        shares.iter().map(|share| (usize::from(share.header.index), share.bytes)).collect();
    Ok(first.code.decode(first.object_bytes as usize, &indexed)?)
}
