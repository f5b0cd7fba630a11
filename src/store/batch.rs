//! What a command sees and changes: one write transaction, its heads, and an undo list.
//!
//! C1 a command validates first and then writes. C2 a command or an ATOMIC group that is refused leaves
//!    nothing behind: its writes are undone here, so C2 holds even for a command that breaks C1.
//! C3 a command sees every earlier command of its batch. C4 commands are pure: a batch may be replayed.
//! C5 an engine failure is latched and ends the whole batch, whatever the command makes of it.
//! Called by `writer`; commands are written by the components.

use super::EventSettings;
use super::env::{EngineError, ReadTxn, Snapshot, WriteTxn};
use super::heads::{HEADS_KEY, Heads};
use super::meta::{META_KEY, Meta};
use super::record;
use super::tables::Table;
use crate::error::{Error, Result, Status};
use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::memory::copied;
use crate::types::Clock;

/// What a command that was not refused says back; the C ABI's outcome has the same fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// `Done`, or a status of class ALREADY.
    pub status: Status,
    /// Bits of [`Reply::CHANGED`], [`Reply::CONFLICT`].
    pub flags: u32,
    /// The attempt id an allocation made or met, or how many records a bounded step handled; else 0.
    pub value: u64,
    /// Number of the event written with the change, 0 if none was.
    pub event_sequence: u64,
}

impl Reply {
    /// The stored state is another one than before.
    pub const CHANGED: u32 = 1;
    /// A settle replaced a failure that had been reported: money moved after all.
    pub const CONFLICT: u32 = 2;
    /// Rows that mean nothing any more are left; a sweep of the payments removes them in small steps.
    pub const LEFTOVERS: u32 = 4;

    pub(crate) fn done() -> Reply {
        Reply { status: Status::Done, flags: Reply::CHANGED, value: 0, event_sequence: 0 }
    }

    pub(crate) fn already(status: Status) -> Reply {
        Reply { status, flags: 0, value: 0, event_sequence: 0 }
    }

    /// A step of bounded work that handled so many records.
    pub(crate) fn of_step(handled: u64) -> Reply {
        let flags = if handled == 0 { 0 } else { Reply::CHANGED };
        Reply { value: handled, flags, ..Reply::done() }
    }

    /// Whether the operation changed the stored state.
    pub fn changed(&self) -> bool {
        self.flags & Reply::CHANGED != 0
    }

    /// Whether a settle replaced a failure.
    pub fn conflict(&self) -> bool {
        self.flags & Reply::CONFLICT != 0
    }
}

/// Answer to one operation.
pub type Outcome = Result<Reply>;

/// Which queue a command waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Intents, results, marks: never waits for more than one slice of bulk.
    Urgent,
    /// Large values.
    Bulk,
}

/// Whether a command may use the disk space kept in reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// Starts something new: refused when the disk is full.
    Grows,
    /// Finishes or removes something: may use the reserve.
    Settles,
}

/// Upper bounds that let the writer allocate disk space before the transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// One atomic change.
pub(crate) trait Command: Send + Sync {
    /// Validates, then writes. Runs on the writer thread, possibly more than once (C4).
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome;
    /// Runs on the writer thread after the commit, before callers are answered.
    fn committed(&self, _reply: &Reply) {}
    fn cost(&self) -> Cost;
    /// Bytes that count against the bound of one submission: 0 when the component has a bound of its own.
    fn submission_bytes(&self) -> u64 {
        self.cost().bytes
    }
    fn lane(&self) -> Lane {
        Lane::Urgent
    }
    fn space(&self) -> Space;
}

/// An operation of some component, for [`super::Store::apply`]; applied at most once.
pub struct Operation(pub(crate) std::sync::Arc<dyn Command>);

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operation(..)")
    }
}

/// Reads rows and checks their envelopes.
pub(crate) trait Rows {
    fn snapshot(&self) -> &Snapshot;

    /// The body of a row.
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.snapshot().get(table, key)? {
            Some(row) => match record::open(table, key, row) {
                Ok(body) => copied(body).map(Some),
                Err(damage) => Err(corrupt(table, key, &damage)),
            },
            None => Ok(None),
        }
    }

    /// As [`Rows::scan`], against the key order from the last key below `before`.
    fn scan_back(
        &self,
        table: Table,
        before: &[u8],
        mut visit: impl FnMut(&[u8], Result<&[u8]>) -> bool,
    ) -> Result<()> {
        self.snapshot().scan_back(table, before, |key, row| {
            let body = record::open(table, key, row).map_err(|damage| corrupt(table, key, &damage));
            visit(key, body)
        })?;
        Ok(())
    }

    /// Visits bodies in key order from the first key at or after `from`, until `visit` answers false.
    /// A damaged row is visited as an error.
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        mut visit: impl FnMut(&[u8], Result<&[u8]>) -> bool,
    ) -> Result<()> {
        self.snapshot().scan(table, from, |key, row| {
            let body = record::open(table, key, row).map_err(|damage| corrupt(table, key, &damage));
            visit(key, body)
        })?;
        Ok(())
    }
}

/// `None` for a row that is damaged. Want of memory, or what else keeps a row from being read, is no damage.
pub(crate) fn readable<T>(row: Result<T>) -> Result<Option<T>> {
    match row {
        Ok(row) => Ok(Some(row)),
        Err(error) if error.status() == Status::CorruptRecord => Ok(None),
        Err(error) => Err(error),
    }
}

fn corrupt(table: Table, key: &[u8], damage: &record::Damage) -> Error {
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    Error::new(Status::CorruptRecord, format!("{} row {key}: {damage}", table.spec().name))
}

/// A consistent view of one commit.
pub(crate) struct View<'env>(pub(crate) ReadTxn<'env>);

impl Rows for View<'_> {
    fn snapshot(&self) -> &Snapshot {
        &self.0
    }
}

impl View<'_> {
    /// The heads of the commit that is looked at.
    pub(crate) fn heads(&self) -> Result<Heads> {
        let body = self.row(Table::Meta, HEADS_KEY)?;
        let heads = body.as_deref().and_then(Heads::decode);
        heads.ok_or_else(|| Error::new(Status::CorruptStore, "the heads row is missing or damaged"))
    }
}

struct Undo {
    table: Table,
    key: Vec<u8>,
    row: Option<Vec<u8>>,
    last_key: Option<Vec<u8>>,
}

/// The write transaction of one batch.
pub(crate) struct Batch<'env> {
    txn: WriteTxn<'env>,
    pub(crate) heads: Heads,
    meta: Meta,
    meta_changed: bool,
    meta_before: Option<(Meta, bool)>,
    clock: Clock,
    events: EventSettings,
    undo: Vec<Undo>,
    writes: u64,
    ordinal: u32,
    failure: Option<EngineError>,
    /// How many more writes succeed, and what the next one meets, for a test.
    #[cfg(feature = "failpoints")]
    failing_write: Option<(u64, EngineError)>,
}

impl Rows for Batch<'_> {
    fn snapshot(&self) -> &Snapshot {
        &self.txn
    }
}

impl<'env> Batch<'env> {
    pub(crate) fn new(
        txn: WriteTxn<'env>,
        heads: Heads,
        meta: Meta,
        clock: Clock,
        events: EventSettings,
    ) -> Batch<'env> {
        Batch {
            txn,
            heads,
            meta,
            meta_changed: false,
            meta_before: None,
            clock,
            events,
            undo: Vec::new(),
            writes: 0,
            ordinal: 0,
            failure: None,
            #[cfg(feature = "failpoints")]
            failing_write: None,
        }
    }

    /// What the host last told about time.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// A number that rises with every call and over all commits: commit number, then order within it.
    pub(crate) fn next_ordinal(&mut self) -> (u64, u32) {
        self.ordinal += 1;
        (self.heads.commit_number + 1, self.ordinal)
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    pub(crate) fn change_meta(&mut self, change: impl FnOnce(&mut Meta)) {
        self.meta_before.get_or_insert_with(|| (self.meta.clone(), self.meta_changed));
        change(&mut self.meta);
        self.meta_changed = true;
    }

    pub(crate) fn event_settings(&self) -> EventSettings {
        self.events
    }

    /// Writes a row's body under its envelope.
    pub(crate) fn put(&mut self, table: Table, key: &[u8], body: &[u8]) -> Result<()> {
        assert!(table.spec().key.allows(key.len()), "key length of {}", table.spec().name);
        assert!(key.len() <= KEY_BYTES_MAX, "key length (L1)");
        assert!(body.len() <= VALUE_BYTES_MAX, "value length of {}", table.spec().name);
        self.put_row(table, key, &record::try_seal(table, key, body)?)
    }

    /// Writes a row as it is, without an envelope: how tests make an unreadable record.
    pub(crate) fn put_row(&mut self, table: Table, key: &[u8], row: &[u8]) -> Result<()> {
        self.make_room_for_undo()?;
        #[cfg(feature = "failpoints")]
        self.meet_failpoint()?;
        let before = self.txn.insert(table, key, row).map(|row| row.map(copied));
        let before = self.latch(before)?.transpose()?;
        if before.is_some() {
            let put = self.txn.put(table, key, row);
            self.latch(put)?;
        }
        self.record(table, key, before, Some(row))
    }

    /// Removes a row; answers whether there was one.
    pub(crate) fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool> {
        let before = self.txn.get(table, key).map(|row| row.map(copied));
        let Some(before) = self.latch(before)?.transpose()? else {
            return Ok(false);
        };
        self.make_room_for_undo()?;
        #[cfg(feature = "failpoints")]
        self.meet_failpoint()?;
        let deleted = self.txn.delete(table, key);
        self.latch(deleted)?;
        self.record(table, key, Some(before), None)?;
        Ok(true)
    }

    /// Before a row is changed: one whose change is not recorded could not be taken back (C2).
    fn make_room_for_undo(&mut self) -> Result<()> {
        Ok(self.undo.try_reserve(1)?)
    }

    fn record(
        &mut self,
        table: Table,
        key: &[u8],
        before: Option<Vec<u8>>,
        after: Option<&[u8]>,
    ) -> Result<()> {
        self.writes += 1;
        let last_key = self.heads.follow(table, key, before.as_deref(), after);
        let damaged = before.as_deref().is_some_and(|row| record::open(table, key, row).is_err());
        self.undo.push(Undo { table, key: key.to_vec(), row: before, last_key });
        if damaged { self.recount(table) } else { Ok(()) }
    }

    /// Counts a table anew once a damaged row has left it: which checksum its digest held is not known.
    fn recount(&mut self, table: Table) -> Result<()> {
        let (mut rows, mut digest) = (0u64, 0u64);
        let counted = self.txn.scan(table, &[], |key, row| {
            rows += 1;
            digest = digest.wrapping_add(record::digest_share(table, key, row));
            true
        });
        self.latch(counted)?;
        self.heads.set_counted(table, rows, digest);
        Ok(())
    }

    #[cfg(feature = "failpoints")]
    pub(crate) fn fail_at(&mut self, write: Option<(u64, EngineError)>) {
        self.failing_write = write;
    }

    #[cfg(feature = "failpoints")]
    fn meet_failpoint(&mut self) -> Result<()> {
        let met = match &mut self.failing_write {
            Some((0, error)) => Err(*error),
            Some((left, _)) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        };
        self.latch(met)
    }

    fn latch<T>(&mut self, result: Result<T, EngineError>) -> Result<T> {
        result.map_err(|error| {
            self.failure = Some(error);
            error.into()
        })
    }

    /// Where [`Batch::written_since`] begins to look.
    #[cfg(feature = "failpoints")]
    pub(crate) fn mark(&self) -> usize {
        self.undo.len()
    }

    /// The rows changed since a mark, each once, as they are now.
    #[cfg(feature = "failpoints")]
    pub(crate) fn written_since(&self, mark: usize) -> Vec<(Table, Option<&[u8]>)> {
        let keys = self.undo[mark..].iter().map(|undo| (undo.table, &undo.key));
        let keys: std::collections::HashSet<_> = keys.collect();
        let row = |table, key| self.txn.get(table, key).ok().flatten();
        keys.into_iter().map(|(table, key)| (table, row(table, key))).collect()
    }

    /// The engine failure that ended this batch, if one did.
    pub(crate) fn failure(&self) -> Option<EngineError> {
        self.failure
    }

    /// Forgets the undo list: what was written so far stays.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
        self.meta_before = None;
    }

    /// Takes back everything written since [`Batch::keep`]. Copies no row: want of memory may be why.
    pub(crate) fn take_back(&mut self) {
        while let Some(undo) = self.undo.pop() {
            let now = self.txn.get(undo.table, &undo.key);
            let followed =
                now.map(|now| self.heads.follow(undo.table, &undo.key, now, undo.row.as_deref()));
            if self.latch(followed).is_err() {
                return;
            }
            let result = match &undo.row {
                Some(row) => self.txn.put(undo.table, &undo.key, row),
                None => self.txn.delete(undo.table, &undo.key),
            };
            if self.latch(result).is_err() {
                return;
            }
            if let Some(last_key) = undo.last_key {
                self.heads.restore_last_key(undo.table, last_key);
            }
            self.writes -= 1;
        }
        if let Some((meta, changed)) = self.meta_before.take() {
            self.meta = meta;
            self.meta_changed = changed;
        }
    }

    /// Whether a commit has anything to make durable.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes == 0 && !self.meta_changed
    }

    /// Writes heads and meta, and answers what [`Committing::commit`] makes durable.
    pub(crate) fn finish(mut self) -> Result<Committing<'env>, EngineError> {
        self.heads.commit_number += 1;
        self.heads.clock = self.clock;
        let heads = record::seal(Table::Meta, HEADS_KEY, &self.heads.encode());
        self.txn.put(Table::Meta, HEADS_KEY, &heads)?;
        if self.meta_changed {
            let meta = record::seal(Table::Meta, META_KEY, &self.meta.encode());
            self.txn.put(Table::Meta, META_KEY, &meta)?;
        }
        let depth_max = self.txn.depth_max()?;
        let committed = Committed { heads: self.heads, meta: self.meta, depth_max };
        Ok(Committing { txn: self.txn, committed })
    }
}

/// What the store knows after a commit.
pub(crate) struct Committed {
    pub(crate) heads: Heads,
    pub(crate) meta: Meta,
    /// Depth of the deepest table.
    pub(crate) depth_max: u64,
}

/// A batch that only lacks its commit.
pub(crate) struct Committing<'env> {
    txn: WriteTxn<'env>,
    committed: Committed,
}

impl Committing<'_> {
    /// After an error the outcome is unknown.
    pub(crate) fn commit(self) -> Result<Committed, EngineError> {
        self.txn.commit()?;
        Ok(self.committed)
    }
}
