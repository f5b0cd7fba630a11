//! Reading many attempts: pages by key, filtered; counts; what is pending.
//!
//! Every call visits a bounded number of rows in one short read transaction and says where to go on.

use super::record::{Attempt, NamespaceRow, State};
use super::table::{self, ALL_NAMESPACES, Loaded};
use crate::error::{Error, Result, Status};
use crate::limits::{PAGE_ROWS_MAX, SCAN_ROWS_MAX};
use crate::memory::push;
use crate::store::batch::Rows;
use crate::store::tables::Table;
use crate::types::{AttemptKey, Namespace};

/// Which attempts to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query {
    /// Only this namespace; `None` means all.
    pub namespace: Option<Namespace>,
    /// Go on after this key.
    pub after: Option<AttemptKey>,
    /// Only these states; empty means every state. Asking for pending states alone reads only pending rows.
    pub states: States,
    /// Only attempts created at or before this time; 0 means any, and attempts of unknown time never match.
    pub created_before_unix_ms: u64,
    /// Only pending attempts whose CLTV expiry lies at or below this height; 0 means any.
    pub expired_at_height: u32,
    /// At most this many attempts; 0 means 1,000, the most there is.
    pub limit: usize,
}

/// A set of states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct States(pub u32);

impl States {
    /// Attempts without a final result.
    pub const PENDING: States = States(1 << State::Intent as u32 | 1 << State::HandedOff as u32);

    /// The set of one state.
    pub const fn one(state: State) -> States {
        States(1 << state as u32)
    }

    fn is_any(self) -> bool {
        self.0 == 0
    }

    fn has(self, state: State) -> bool {
        self.is_any() || self.0 & (1 << state as u32) != 0
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The attempts that matched, in key order.
    pub attempts: Vec<Attempt>,
    /// Keys of unreadable records met on the way.
    pub unreadable: Vec<AttemptKey>,
    /// Pass as [`Query::after`] to go on; `None` at the end. A page may be empty and still not the last.
    pub next: Option<AttemptKey>,
}

/// Numbers of records by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Registered, never left.
    pub intent: u64,
    /// May have left.
    pub handed_off: u64,
    /// Settled.
    pub settled: u64,
    /// Failed.
    pub failed: u64,
    /// Tombstones.
    pub deleted: u64,
}

/// Whether a list can be answered from the index of pending attempts alone.
fn only_pending(query: &Query) -> bool {
    let states = query.states;
    query.expired_at_height != 0 || (!states.is_any() && states.0 & !States::PENDING.0 == 0)
}

pub(super) fn list(rows: &impl Rows, query: &Query) -> Result<Page> {
    let limit = match query.limit {
        0 => PAGE_ROWS_MAX,
        limit => limit.min(PAGE_ROWS_MAX),
    };
    let table = if only_pending(query) { Table::AttemptsPending } else { Table::Attempts };
    let mut page = Page::default();
    let mut last = None;
    let mut visited = 0;
    let mut failure = None;
    rows.scan(table, &first_key(query), |bytes, body| {
        let Some(key) = key_of(bytes) else {
            return true;
        };
        if query.namespace.is_some_and(|namespace| namespace != key.namespace) {
            last = None;
            return false;
        }
        if page.attempts.len() == limit || visited == SCAN_ROWS_MAX {
            page.next = last;
            return false;
        }
        visited += 1;
        last = Some(key);
        let loaded = match (table, body) {
            (Table::Attempts, Ok(body)) => table::decode(key, body),
            (Table::Attempts, Err(_)) => Ok(Loaded::Unreadable),
            _ => table::load(rows, key),
        };
        let listed = loaded.and_then(|loaded| match loaded {
            Loaded::Found(attempt) if matches(query, &attempt) => {
                push(&mut page.attempts, *attempt)
            }
            Loaded::Unreadable => push(&mut page.unreadable, key),
            Loaded::Found(_) | Loaded::Absent => Ok(()),
        });
        failure = listed.err();
        failure.is_none()
    })?;
    failure.map_or(Ok(page), Err)
}

fn matches(query: &Query, attempt: &Attempt) -> bool {
    let created = attempt.created_unix_ms;
    let old_enough = query.created_before_unix_ms == 0
        || (created != 0 && created <= query.created_before_unix_ms);
    let expiry = attempt.cltv_expiry;
    let expired = query.expired_at_height == 0
        || (attempt.state.is_pending() && expiry != 0 && expiry <= query.expired_at_height);
    query.states.has(attempt.state) && old_enough && expired
}

/// The first key after `after`, or of the namespace.
fn first_key(query: &Query) -> Vec<u8> {
    let start = query.namespace.map_or(AttemptKey::new(Namespace::default(), 0), |namespace| {
        AttemptKey::new(namespace, 0)
    });
    match query.after {
        // A longer key sorts right after its prefix.
        Some(after) if after >= start => {
            let mut key = after.to_bytes().to_vec();
            key.push(0);
            key
        }
        _ => start.to_bytes().to_vec(),
    }
}

fn key_of(bytes: &[u8]) -> Option<AttemptKey> {
    bytes.try_into().ok().map(AttemptKey::from_bytes)
}

/// Keys of a namespace's records from one on, at most `max`, and whether there are more.
pub(super) fn keys_from(
    rows: &impl Rows,
    namespace: Namespace,
    from: u64,
    max: usize,
) -> Result<(Vec<AttemptKey>, bool)> {
    let mut keys = Vec::new();
    let mut more = false;
    rows.scan(Table::Attempts, &AttemptKey::new(namespace, from).to_bytes(), |bytes, _| {
        let Some(key) = key_of(bytes).filter(|key| key.namespace == namespace) else {
            return false;
        };
        more = keys.len() == max;
        if !more {
            keys.push(key);
        }
        !more
    })?;
    Ok((keys, more))
}

/// The first of some ascending keys whose record is neither final nor a tombstone.
pub(super) fn first_not_final(rows: &impl Rows, keys: &[AttemptKey]) -> Result<Option<u64>> {
    for key in keys {
        let loaded = table::load(rows, *key)?;
        if !matches!(&loaded, Loaded::Found(attempt) if !attempt.state.is_pending()) {
            return Ok(Some(key.id.0));
        }
    }
    Ok(None)
}

pub(super) fn counts(rows: &impl Rows, namespace: Option<Namespace>) -> Result<Counts> {
    let mut sum = [0u64; 5];
    let mut damaged = None;
    let mut add = |row: NamespaceRow| {
        sum.iter_mut().zip(row.counts).for_each(|(sum, count)| *sum = sum.saturating_add(count));
    };
    match namespace {
        Some(namespace) => add(table::namespace_row(rows, namespace)?),
        None => rows.scan(Table::Namespaces, &[], |key, body| {
            if key != ALL_NAMESPACES.0 {
                match body.ok().and_then(NamespaceRow::decode) {
                    Some(row) => add(row),
                    None => damaged = Some(key.to_vec()),
                }
            }
            damaged.is_none()
        })?,
    }
    if let Some(namespace) = damaged.and_then(|key| <[u8; 16]>::try_from(key).ok()) {
        let namespace = Namespace(namespace);
        return Err(Error::new(
            Status::CorruptRecord,
            format!("the row of namespace {namespace} is damaged; the totals are not known"),
        ));
    }
    let [intent, handed_off, settled, failed, deleted] = sum;
    Ok(Counts { intent, handed_off, settled, failed, deleted })
}
