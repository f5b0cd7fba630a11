//! Rows of `attempts_retained` whose record is gone: removed a few at a time, whenever a record goes.
//!
//! The record does not say where its row of the queue is, so the row cannot go together with it. Each
//! record that goes pays for a look at the next [`LOOKED_AT`] rows of [`Stage::Acked`] instead, round and
//! round. G1: a row goes only if its record is absent, deleted, not acknowledged, or was made after the row.
//! G2: in the long run about one row in four is a leftover, however long the host neither sweeps nor sets
//! a retention. Called by `commands` only. Rows of [`Stage::Tombstone`] last as long as their tombstones.

use parking_lot::Mutex;

use super::record::{Attempt, Flags, State};
use super::table::{self, Loaded, Stage};
use crate::error::Result;
use crate::store::batch::{Batch, Rows};
use crate::store::tables::Table;
use crate::types::AttemptKey;

/// Rows looked at for each record that goes, and how many of them may go: more than the one that came.
const LOOKED_AT: usize = 4;
pub(super) const REMOVED_MAX: usize = 2;
const _: () = assert!(REMOVED_MAX > 1 && REMOVED_MAX <= LOOKED_AT);

/// The row that the next look begins at; `None` before the first one. In memory only: format 1 has no place
/// for it.
#[derive(Debug, Default)]
pub(super) struct Place(Mutex<Option<[u8; 13]>>);

/// Whether a record that goes leaves a row of the queue behind.
pub(super) fn leaves_one(before: &Loaded) -> bool {
    matches!(before, Loaded::Found(attempt) if is_queued_as_acked(attempt))
}

fn is_queued_as_acked(attempt: &Attempt) -> bool {
    attempt.state != State::Deleted && attempt.flags.has(Flags::ACKED)
}

/// Looks at the next rows of the queue, after `gone` records left theirs behind.
pub(super) fn remove_some(batch: &mut Batch<'_>, place: &Place, gone: usize) -> Result<()> {
    let mut place = place.0.lock();
    let from = place.unwrap_or_else(|| first_place(batch));
    let (met, next) = rows_from(batch, from, gone.saturating_mul(LOOKED_AT))?;
    *place = Some(next);
    let mut removed = 0;
    for (row, key, since_ms) in met {
        if removed == gone.saturating_mul(REMOVED_MAX) {
            *place = Some(row);
            break;
        }
        if is_left_over(&table::load(batch, key)?, since_ms) {
            batch.delete(Table::AttemptsRetained, &row)?;
            removed += 1;
        }
    }
    Ok(())
}

/// Each open begins elsewhere: began all at the front, a host that opens often would never come by what is
/// behind many records that stay.
fn first_place(batch: &Batch<'_>) -> [u8; 13] {
    let spread = batch.meta().epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Stage::Acked.key(spread % batch.heads.commit_number.max(1), 0)
}

type Met = ([u8; 13], AttemptKey, u64);

/// At most `max` rows, and where to go on. A row that is damaged is passed over: a check reports it.
fn rows_from(batch: &Batch<'_>, from: [u8; 13], max: usize) -> Result<(Vec<Met>, [u8; 13])> {
    let (mut met, mut looked_at) = (Vec::new(), 0);
    let mut next = Stage::Acked.key(0, 0);
    batch.scan(Table::AttemptsRetained, &from, |row, body| {
        let Some(row) = row.try_into().ok().filter(|row: &[u8; 13]| row[0] == Stage::Acked as u8)
        else {
            return false;
        };
        if looked_at == max {
            next = row;
            return false;
        }
        looked_at += 1;
        met.extend(
            body.ok().and_then(table::decode_retained).map(|(key, since)| (row, key, since)),
        );
        true
    })?;
    Ok((met, next))
}

/// Keeps G1. What is unreadable may be acknowledged.
fn is_left_over(record: &Loaded, since_ms: u64) -> bool {
    match record {
        Loaded::Absent => true,
        Loaded::Unreadable => false,
        Loaded::Found(attempt) => {
            let is_earlier_life = since_ms != 0 && since_ms < attempt.created_unix_ms;
            is_earlier_life || !is_queued_as_acked(attempt)
        }
    }
}

#[cfg(test)]
mod tests {
    //! A host with the default options acknowledged and deleted 100,000 attempts a day, and never swept: with
    //! `acked_retention_secs` 0 there is nothing to sweep. Each acknowledgement queued a row of stage 0 in
    //! `attempts_retained`, each deletion left it there, and the sweep never looked at it: the store grew by
    //! 100 bytes with each attempt for as long as it lived, although no attempt was in it. The soak found
    //! that by counting rows.

    use std::collections::HashSet;

    use crate::attempts::rules::{InitRequest, Retain};
    use crate::attempts::{AttemptResult, Attempts, AttemptsOptions, Operation};
    use crate::store::tables::Table;
    use crate::store::{Grouping, Store, StoreOptions};
    use crate::types::{AttemptKey, Clock, Namespace, Preimage};

    fn open(directory: &tempfile::TempDir) -> Attempts {
        let path = directory.path().join("store");
        let store = Store::open(path, &StoreOptions::default()).unwrap();
        Attempts::open(&store, AttemptsOptions::default()).unwrap()
    }

    fn key(id: u64) -> AttemptKey {
        AttemptKey::new(Namespace::default(), id)
    }

    /// Of all stages.
    fn rows(attempts: &Attempts) -> u64 {
        let heads = attempts.store().read(|view| view.heads()).unwrap();
        heads.of(Table::AttemptsRetained).rows
    }

    fn finish(attempts: &Attempts, ids: std::ops::Range<u64>) {
        let settle = || AttemptResult::settle(Preimage::new([1; 32]));
        let settled = ids.clone().map(|id| Operation::StoreResult(key(id), settle())).collect();
        attempts.submit(settled, Grouping::Independent).unwrap();
        let acked = ids.map(|id| Operation::Ack(key(id))).collect();
        attempts.submit(acked, Grouping::Independent).unwrap();
    }

    fn delete(attempts: &Attempts, ids: std::ops::Range<u64>, retain: Retain) {
        let deleted = ids.map(|id| Operation::Delete(key(id), retain)).collect();
        attempts.submit(deleted, Grouping::Independent).unwrap();
    }

    fn nothing_is_found(directory: &tempfile::TempDir) {
        let report = crate::maintenance::check(directory.path().join("store")).unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }

    #[test]
    fn acknowledged_attempts_that_are_deleted_leave_no_rows_in_the_queue() {
        let directory = tempfile::tempdir().unwrap();
        let attempts = open(&directory);
        finish(&attempts, 0..20);
        for round in 1..100 {
            let ids = round * 20..(round + 1) * 20;
            finish(&attempts, ids.clone());
            delete(&attempts, ids, Retain::Forget);
            assert!(rows(&attempts) <= 80, "{} rows after {round} rounds", rows(&attempts));
        }
        for id in 0..20 {
            assert!(attempts.get(key(id)).is_ok());
        }
        attempts.store().close().unwrap();
        nothing_is_found(&directory);
    }

    #[test]
    fn a_clean_keeps_rows_of_tombstones_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        let attempts = open(&directory);
        for round in 0..6 {
            finish(&attempts, round * 300..(round + 1) * 300);
            attempts.clean(Namespace::default(), &HashSet::new(), Retain::Tombstone).unwrap();
        }
        let tombstones = attempts.counts(None).unwrap().deleted;
        assert_eq!(tombstones, 1800);
        assert!(rows(&attempts) < tombstones + 600, "{} rows", rows(&attempts));
        attempts.store().close().unwrap();
        nothing_is_found(&directory);
    }

    /// As a version without this file left it: rows of records that are gone, and of an earlier life of ids.
    #[test]
    fn rows_that_an_older_version_left_behind_go_with_the_deletions_to_come() {
        let directory = tempfile::tempdir().unwrap();
        let attempts = open(&directory);
        attempts.store().tick(Clock { unix_ms: 1_000, block_height: 0 }).unwrap();
        let leave = |id| super::super::table::LeaveBehind(key(id));
        for id in 0..500 {
            attempts.store().submit_one(leave(id)).unwrap();
        }
        attempts.store().tick(Clock { unix_ms: 2_000, block_height: 0 }).unwrap();
        for id in 490..500 {
            attempts.init(&InitRequest::new(key(id))).unwrap();
        }
        finish(&attempts, 490..500);
        assert_eq!(rows(&attempts), 510);
        for round in 30..80 {
            finish(&attempts, round * 20..(round + 1) * 20);
            delete(&attempts, round * 20..(round + 1) * 20, Retain::Forget);
        }
        assert!(rows(&attempts) <= 40, "{} rows", rows(&attempts));
        attempts.store().close().unwrap();
        nothing_is_found(&directory);
    }

    #[test]
    fn a_host_that_opens_often_comes_by_every_row() {
        let directory = tempfile::tempdir().unwrap();
        finish(&open(&directory), 0..400);
        for round in 0..150 {
            let attempts = open(&directory);
            let ids = 1000 + round * 4..1004 + round * 4;
            finish(&attempts, ids.clone());
            delete(&attempts, ids, Retain::Forget);
            attempts.store().crash();
        }
        let attempts = open(&directory);
        assert!(rows(&attempts) < 700, "{} rows", rows(&attempts));
        for id in 0..400 {
            assert!(attempts.get(key(id)).is_ok());
        }
    }
}
