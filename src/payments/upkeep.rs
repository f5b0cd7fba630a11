//! Work on many payments: bulk deletion, retention, what is stuck. Part of [`Payments`].
//!
//! Each goes in steps of bounded size, so that payments of other threads are never held up for long; a crash
//! between two steps leaves a state that the same call carries on from.

use std::sync::atomic::Ordering;

use super::commands::{DeleteStep, ForgetStep, PurgeStep};
use super::payment::{AttemptState, Marks, Payment};
use super::query::{self, Query, Statuses};
use super::record::{HashRow, Head, KeyRow};
use super::{Payments, table};
use crate::attempts::linked::{self, Known};
use crate::attempts::rules::Retain;
use crate::error::Result;
use crate::limits::SCAN_ROWS_MAX;
use crate::store::batch::Rows;
use crate::store::tables::Table;
use crate::types::{AttemptKey, PaymentHash};

/// Payments that one command of a bulk deletion looks at.
const STEP_PAYMENTS: usize = 128;

/// Which payments a bulk deletion removes; those in flight never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteFilter {
    /// Only these statuses; without any, SUCCEEDED and FAILED. IN_FLIGHT is never deleted.
    pub statuses: Statuses,
    /// Only payments created at or before this time; 0 means any.
    pub created_to_unix_ns: u64,
    /// Keep the payments and delete their failed attempts.
    pub failed_attempts_only: bool,
    /// Whether the hashes of paid ones stay refused.
    pub retain: Retain,
}

/// What one bounded call of a bulk deletion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deleted {
    /// Payments removed, or payments whose failed attempts were.
    pub payments: u64,
    /// Go on after this sequence number; `None` when all were looked at.
    pub next: Option<u64>,
}

/// Why a payment's attempt needs an operator's eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StuckReason {
    /// In flight, and its HTLC timed out more than the grace ago.
    PastExpiry = 1,
    /// In flight, and the attempt store has no record of it.
    NoRecord = 2,
    /// In flight, and its record cannot be read.
    UnreadableRecord = 3,
    /// In flight, and the attempt store has its result: nobody collected it.
    ResultNotCollected = 4,
    /// INITIATED or to be retried, and no sender has touched it since the time given.
    Abandoned = 5,
}

/// An attempt, or a payment without one, that nobody seems to look after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuck {
    /// Which payment.
    pub hash: PaymentHash,
    /// Its sequence number.
    pub sequence: u64,
    /// Which attempt; `None` for [`StuckReason::Abandoned`].
    pub attempt: Option<AttemptKey>,
    /// Why.
    pub reason: StuckReason,
    /// Absolute height at which the attempt's HTLC times out, 0 if unknown.
    pub cltv_expiry: u32,
}

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StuckQuery {
    /// Height of the best block; 0 means what the store was last told.
    pub block_height: u32,
    /// Blocks after the expiry in which an answer may still come.
    pub grace_blocks: u32,
    /// Payments without an attempt in flight that did not change since this time are abandoned; 0 asks for
    /// none.
    pub untouched_since_unix_ms: u64,
}

impl Payments {
    /// Deletes payments that match, at most 128 per call, going on after `after`. Call it again with
    /// [`Deleted::next`] until that is `None`; a crash between two calls loses nothing but the place.
    ///
    /// # Errors
    /// The store's errors; what earlier calls deleted stays deleted.
    pub fn delete_many(&self, filter: &DeleteFilter, after: Option<u64>) -> Result<Deleted> {
        let statuses = match filter.statuses.0 {
            0 => Statuses::FINISHED,
            given => Statuses(given),
        };
        let query = Query {
            offset: after,
            statuses,
            created_to_unix_ns: filter.created_to_unix_ns,
            without_attempts: true,
            limit: STEP_PAYMENTS,
            ..Query::default()
        };
        let page = self.query(&query)?;
        let found: Vec<_> =
            page.payments.iter().map(|payment| (payment.hash(), payment.sequence)).collect();
        let payments = match filter.failed_attempts_only {
            true => self.prune_many(&found)?,
            false => self.delete_step(found, statuses, filter.retain)?,
        };
        self.purge_some(STEP_PAYMENTS);
        Ok(Deleted { payments, next: page.next })
    }

    fn prune_many(&self, payments: &[(PaymentHash, u64)]) -> Result<u64> {
        let mut pruned = 0;
        for (hash, _) in payments {
            match self.delete_failed_attempts(*hash) {
                Ok(reply) => pruned += u64::from(reply.changed()),
                // In flight again, deleted or damaged meanwhile.
                Err(error) if error.class() == crate::Class::Refused => {}
                Err(error) => return Err(error),
            }
        }
        Ok(pruned)
    }

    fn delete_step(
        &self,
        payments: Vec<(PaymentHash, u64)>,
        statuses: Statuses,
        retain: Retain,
    ) -> Result<u64> {
        if payments.is_empty() {
            return Ok(0);
        }
        let common = std::sync::Arc::clone(&self.shared.common);
        let deleted = Default::default();
        let step =
            DeleteStep { payments, statuses, retain, common, profile: self.profile, deleted };
        Ok(self.store.submit_one(step)?.value)
    }

    /// Runs one step of retention: rows of deleted payments go, finished payments beyond the limits of
    /// [`super::PaymentsOptions`] are deleted with their hashes still refused, tombstones past their time are
    /// forgotten. Answers how many rows or payments it dealt with; call again until 0.
    ///
    /// # Errors
    /// The store's errors.
    pub fn sweep(&self) -> Result<u64> {
        let purged = self.store.submit_one(PurgeStep)?;
        if purged.changed() {
            return Ok(purged.value.max(1));
        }
        let deleted = self.retire()?;
        if deleted != 0 { Ok(deleted) } else { self.forget_old() }
    }

    /// Purges what calls left, a bounded number of steps at a time. What was asked for is done by then, so
    /// that an error here is nobody's: the rows wait for the next purge.
    pub(super) fn purge_some(&self, steps: usize) {
        if !self.shared.common.has_doomed.swap(false, Ordering::Relaxed) {
            return;
        }
        for _ in 0..steps {
            match self.store.submit_one(PurgeStep) {
                Ok(reply) if reply.changed() => {}
                Ok(_) => return,
                Err(_) => break,
            }
        }
        self.shared.common.has_doomed.store(true, Ordering::Relaxed);
    }

    /// Deletes finished payments that are too old, too many, or take too much space; oldest first.
    fn retire(&self) -> Result<u64> {
        let options = &self.shared.common.options;
        let surplus = self.surplus()?;
        let now_ms = self.store.clock().unix_ms;
        let age_ms = options.finished_retention_secs.saturating_mul(1000);
        let old_before = if age_ms == 0 { 0 } else { now_ms.saturating_sub(age_ms) };
        if surplus == 0 && old_before == 0 {
            return Ok(0);
        }
        // A pass goes over all heads, a stretch per call: what cannot be deleted bars nothing behind it. For
        // the surplus each pass begins at the oldest again and ends with the last that is too many.
        let pass = usize::from(surplus == 0);
        let mut places = self.shared.retiring.lock();
        if surplus == 0 {
            places[0] = 0;
        }
        let place = &mut places[pass];
        let (mut doomed, mut next) = (Vec::new(), None);
        self.store.read(|view| {
            let mut visited = 0;
            view.scan(Table::Payments, &place.to_be_bytes(), |key, body| {
                let Ok(sequence) = key.try_into().map(u64::from_be_bytes) else { return true };
                if surplus != 0 && doomed.len() as u64 >= surplus {
                    return false;
                }
                if doomed.len() == STEP_PAYMENTS || visited == SCAN_ROWS_MAX {
                    next = Some(sequence);
                    return false;
                }
                visited += 1;
                let Some(head) = body.ok().and_then(Head::decode) else { return true };
                let old = head.updated_unix_ms != 0 && head.updated_unix_ms < old_before;
                if head.status.is_terminal() && (surplus != 0 || old) {
                    doomed.push((head.hash, sequence));
                }
                true
            })
        })?;
        *place = next.unwrap_or(0);
        drop(places);
        let deleted = self.delete_step(doomed, Statuses::FINISHED, Retain::Tombstone)?;
        self.purge_some(STEP_PAYMENTS);
        Ok(deleted.max(u64::from(next.is_some())))
    }

    /// Finished payments above what number and size allow; a step's worth when it is size.
    fn surplus(&self) -> Result<u64> {
        let options = &self.shared.common.options;
        let counts = self.counts()?;
        let finished = counts.payments.saturating_sub(counts.unfinished);
        let by_number = match options.finished_max {
            0 => 0,
            max => finished.saturating_sub(max),
        };
        if options.history_bytes_max == 0 {
            return Ok(by_number);
        }
        let bytes = self.history_bytes()?;
        let by_size = if bytes > options.history_bytes_max { STEP_PAYMENTS as u64 } else { 0 };
        Ok(by_number.max(by_size))
    }

    /// Bytes that payments and their attempts take in the store.
    ///
    /// # Errors
    /// The store's errors.
    pub fn history_bytes(&self) -> Result<u64> {
        let tables = [
            Table::Payments,
            Table::PaymentDetails,
            Table::PaymentAttempts,
            Table::PaymentOutcomes,
            Table::PaymentAttemptIds,
        ];
        let page_bytes = self.store.stats()?.page_bytes;
        self.store.read(|view| {
            let mut pages = 0u64;
            for table in tables {
                pages += view.snapshot().pages_of(table)?;
            }
            Ok(pages.saturating_mul(page_bytes))
        })
    }

    /// Forgets tombstones and idempotency keys of payments that are gone, a stretch of each table per call.
    fn forget_old(&self) -> Result<u64> {
        let secs = self.shared.common.options.tombstone_retention_secs;
        let now_ms = self.store.clock().unix_ms;
        let before_unix_ms = now_ms.saturating_sub(secs.saturating_mul(1000));
        if secs == 0 || now_ms == 0 || before_unix_ms == 0 {
            return Ok(0);
        }
        let mut place = self.shared.forgetting.lock();
        let (hashes, keys, next) =
            self.store.read(|view| due_tombstones(view, &place, before_unix_ms))?;
        let at_end = next.is_empty();
        *place = next;
        let step = ForgetStep { hashes, keys, before_unix_ms };
        if step.hashes.is_empty() && step.keys.is_empty() {
            return Ok(u64::from(!at_end));
        }
        Ok(self.store.submit_one(step)?.value.max(u64::from(!at_end)))
    }

    /// Attempts and payments that nobody seems to look after, one page of unfinished payments at a time:
    /// what was found, and where to go on.
    ///
    /// # Errors
    /// The store's errors.
    pub fn stuck(
        &self,
        what: &StuckQuery,
        after: Option<u64>,
    ) -> Result<(Vec<Stuck>, Option<u64>)> {
        let query =
            Query { offset: after, statuses: Statuses::UNFINISHED, limit: 256, ..Query::default() };
        let height = match what.block_height {
            0 => self.store.clock().block_height,
            height => height,
        };
        self.store.read(|view| {
            let page = query::page(view, &query)?;
            let mut found = Vec::new();
            for payment in &page.payments {
                inspect(view, payment, what, height, &mut found)?;
            }
            Ok((found, page.next))
        })
    }
}

fn inspect(
    rows: &impl Rows,
    payment: &Payment,
    what: &StuckQuery,
    height: u32,
    found: &mut Vec<Stuck>,
) -> Result<()> {
    let stuck = |attempt, reason, cltv_expiry| Stuck {
        hash: payment.hash(),
        sequence: payment.sequence,
        attempt,
        reason,
        cltv_expiry,
    };
    let in_flight = payment.attempts.iter().filter(|one| one.state() == AttemptState::InFlight);
    for attempt in in_flight.clone() {
        let expiry = attempt.request.cltv_expiry;
        let last = expiry.saturating_add(what.grace_blocks);
        let known = match attempt.marks.has(Marks::TRACKED) {
            true => Some(linked::known(rows, attempt.request.key)?),
            false => None,
        };
        let reason = match known {
            Some(Known::Final(_)) => Some(StuckReason::ResultNotCollected),
            Some(Known::Nothing) => Some(StuckReason::NoRecord),
            Some(Known::Unreadable) => Some(StuckReason::UnreadableRecord),
            _ if expiry != 0 && height > last => Some(StuckReason::PastExpiry),
            _ => None,
        };
        found.extend(reason.map(|reason| stuck(Some(attempt.request.key), reason, expiry)));
    }
    let untouched =
        payment.updated_unix_ms != 0 && payment.updated_unix_ms < what.untouched_since_unix_ms;
    if in_flight.count() == 0 && untouched {
        found.push(stuck(None, StuckReason::Abandoned, 0));
    }
    Ok(())
}

/// Where a pass over tombstones and keys stands; empty at the beginning and at the end.
pub(super) type ForgetPlace = Vec<u8>;

const IN_HASHES: u8 = 0;
const IN_KEYS: u8 = 1;

/// Tombstones and keys of a stretch that are old enough, and where the next stretch begins.
fn due_tombstones(
    rows: &impl Rows,
    place: &ForgetPlace,
    before_unix_ms: u64,
) -> Result<(Vec<PaymentHash>, Vec<Vec<u8>>, ForgetPlace)> {
    let (stage, from) = place.split_first().map_or((IN_HASHES, &[][..]), |(s, f)| (*s, f));
    let table = if stage == IN_HASHES { Table::PaymentHashes } else { Table::PaymentKeys };
    let (mut hashes, mut keys, mut visited) = (Vec::new(), Vec::new(), 0);
    let mut next = if stage == IN_HASHES { vec![IN_KEYS] } else { ForgetPlace::new() };
    let mut candidates = Vec::new();
    rows.scan(table, from, |key, body| {
        if visited == SCAN_ROWS_MAX || hashes.len() + candidates.len() == STEP_PAYMENTS {
            next = [&[stage], key].concat();
            return false;
        }
        visited += 1;
        let Ok(body) = body else { return true };
        if stage == IN_KEYS {
            let row = KeyRow::decode(body);
            let row = row.filter(|row| row.unix_ms != 0 && row.unix_ms < before_unix_ms);
            candidates.extend(row.map(|row| (key.to_vec(), row)));
        } else if let Some(HashRow::Tombstone { quarantined: false, unix_ms }) =
            HashRow::decode(body)
        {
            let hash = <[u8; 32]>::try_from(key).ok().map(PaymentHash);
            hashes.extend(hash.filter(|_| unix_ms != 0 && unix_ms < before_unix_ms));
        }
        true
    })?;
    for (key, row) in candidates {
        // A key protects as long as its payment or its tombstone is there.
        let lives = table::hash_row(rows, row.hash)?.is_some_and(|hash| match hash {
            Some(HashRow::Live(sequence)) => sequence == row.sequence,
            Some(HashRow::Tombstone { .. }) | None => true,
        });
        if !lives {
            keys.push(key);
        }
    }
    Ok((hashes, keys, next))
}
