//! What the attempts' rows must say about each other (I1 to I3 of `table`), for a check of the whole file.
//!
//! Unfinished attempts are kept as a set, namespaces as a map; of acknowledged records and tombstones only
//! the keys. All in trees, which ask for memory in small pieces.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{Attempt, Flags, NamespaceRow, State};
use super::table::{ALL_NAMESPACES, decode_retained};
use crate::store::heads::Heads;
use crate::store::tables::Table;
use crate::store::walk::References;
use crate::types::{AttemptKey, Namespace};

type Key = [u8; 24];
type Disagreement = (Table, Vec<u8>, String);

/// Records and their indexes, as a walk meets them: `attempt_keys`, `attempts`, `attempts_pending`,
/// `attempts_retained`, `namespaces`.
#[derive(Debug, Default)]
pub(crate) struct AttemptReferences {
    /// Pending records that no row of the index was met for yet.
    pending: BTreeMap<Key, State>,
    /// Keys of acknowledged records and tombstones, and whether a queue row was met.
    retained: BTreeMap<Key, bool>,
    counts: BTreeMap<[u8; 16], [u64; 5]>,
    rows: BTreeMap<[u8; 16], NamespaceRow>,
    /// Greatest allocated id with its row, and namespaces in which a record could not be read.
    greatest_allocated: Option<(u64, Vec<u8>)>,
    unreadable: BTreeSet<[u8; 16]>,
    /// Records that could not be read: what the index says of them may be right.
    unreadable_records: BTreeSet<Key>,
    /// Which record a damaged row of the queue leads to is not known.
    queue_damaged: bool,
    found: Vec<Disagreement>,
}

impl References for AttemptReferences {
    fn row(&mut self, table: Table, key: &[u8], body: &[u8]) -> Option<String> {
        match table {
            Table::AttemptKeys => self.allocated(key, body),
            Table::Attempts => self.record(key, body),
            Table::AttemptsPending => self.index(key, body),
            Table::AttemptsRetained => self.queue(body),
            Table::Namespaces => self.namespace(key, body),
            _ => None,
        }
    }

    fn damaged(&mut self, table: Table, key: &[u8]) {
        let record = Key::try_from(key).ok();
        match (table, record) {
            (Table::Attempts, Some(key)) => self.unread(key),
            (Table::AttemptsPending, Some(key)) => drop(self.pending.remove_entry(&key)),
            (Table::AttemptsRetained, _) => self.queue_damaged = true,
            (Table::Namespaces, _) => self.unreadable.extend(<[u8; 16]>::try_from(key)),
            _ => {}
        }
    }

    fn disagreements(&mut self, _heads: &Heads) -> Vec<Disagreement> {
        for (key, state) in std::mem::take(&mut self.pending) {
            let fault = format!("the record is {state:?} and the index of pending ones lacks it");
            self.found.push((Table::Attempts, key.to_vec(), fault));
        }
        let queue_damaged = self.queue_damaged;
        let retained = std::mem::take(&mut self.retained);
        for (key, _) in retained.into_iter().filter(|(_, queued)| !queued && !queue_damaged) {
            let fault = "the record is acknowledged or deleted and not queued".to_owned();
            self.found.push((Table::Attempts, key.to_vec(), fault));
        }
        self.compare_counts();
        self.compare_allocation();
        std::mem::take(&mut self.found)
    }
}

impl AttemptReferences {
    fn allocated(&mut self, key: &[u8], body: &[u8]) -> Option<String> {
        let id = body.get(..8).and_then(|id| Some(u64::from_le_bytes(id.try_into().ok()?)));
        let Some(id) = id else { return Some("the allocation does not decode".to_owned()) };
        if self.greatest_allocated.as_ref().is_none_or(|(greatest, _)| id > *greatest) {
            self.greatest_allocated = Some((id, key.to_vec()));
        }
        None
    }

    fn record(&mut self, key: &[u8], body: &[u8]) -> Option<String> {
        let bytes: Key = key.try_into().ok()?;
        let key = AttemptKey::from_bytes(bytes);
        let Some((attempt, _)) = Attempt::parse(key, body) else {
            self.unread(bytes);
            return Some("the record does not decode".to_owned());
        };
        self.counts.entry(key.namespace.0).or_default()[attempt.state as usize - 1] += 1;
        if attempt.state.is_pending() {
            self.pending.insert(bytes, attempt.state);
        }
        if attempt.flags.has(Flags::ACKED) || attempt.state == State::Deleted {
            self.retained.insert(bytes, false);
        }
        None
    }

    fn unread(&mut self, key: Key) {
        self.unreadable.insert(AttemptKey::from_bytes(key).namespace.0);
        self.unreadable_records.insert(key);
    }

    fn index(&mut self, key: &[u8], body: &[u8]) -> Option<String> {
        let bytes: Key = key.try_into().ok()?;
        let listed = body.first().and_then(|number| State::from_number(*number));
        match (self.pending.remove(&bytes), listed) {
            (Some(state), Some(listed)) if state == listed => None,
            (Some(state), listed) => {
                Some(format!("the index says {listed:?} and the record is {state:?}"))
            }
            (None, _) if self.unreadable_records.contains(&bytes) => None,
            (None, _) => Some("the index lists an attempt that is not pending".to_owned()),
        }
    }

    fn queue(&mut self, body: &[u8]) -> Option<String> {
        let Some((key, _)) = decode_retained(body) else {
            return Some("the row does not decode".to_owned());
        };
        if let Some(is_queued) = self.retained.get_mut(&key.to_bytes()) {
            *is_queued = true;
        }
        None
    }

    fn namespace(&mut self, key: &[u8], body: &[u8]) -> Option<String> {
        let namespace: [u8; 16] = key.try_into().ok()?;
        match NamespaceRow::decode(body) {
            Some(row) => self.rows.insert(namespace, row).and(None),
            None => {
                self.unreadable.insert(namespace);
                Some("the row of a namespace does not decode".to_owned())
            }
        }
    }

    fn compare_counts(&mut self) {
        for namespace in self.counts.keys() {
            self.rows.entry(*namespace).or_default();
        }
        for (namespace, row) in &self.rows {
            let counted = self.counts.get(namespace).copied().unwrap_or_default();
            let known = *namespace != ALL_NAMESPACES.0 && !self.unreadable.contains(namespace);
            if known && counted != row.counts {
                let fault = format!(
                    "namespace {} has {counted:?} records by state and its row says {:?}",
                    Namespace(*namespace),
                    row.counts
                );
                self.found.push((Table::Namespaces, namespace.to_vec(), fault));
            }
        }
    }

    fn compare_allocation(&mut self) {
        let next = self.rows.get(&ALL_NAMESPACES.0).map_or(0, |row| row.next_id);
        let Some((id, key)) = self.greatest_allocated.take() else { return };
        if id >= next && !self.unreadable.contains(&ALL_NAMESPACES.0) {
            let fault = format!("id {id} was allocated and the next one is {next}");
            self.found.push((Table::AttemptKeys, key, fault));
        }
    }
}
