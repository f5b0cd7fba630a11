//! Faults on purpose, and looks at what the writer takes on trust, for tests alone: compiled in by the cargo
//! feature `failpoints`, never released.

use parking_lot::Mutex;

use super::batch::{Batch, Cost};
use super::env::{EngineError, Env};
use super::record::ENVELOPE_BYTES;
use super::space::Allocation;
use super::tables::Table;

/// Where the next commit goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The commit answers an error and nothing was written.
    CommitFailsBefore,
    /// The commit answers an error although everything was written.
    CommitFailsAfter,
    /// The disk is full before anything is written.
    NoSpace,
    /// The disk is reported full although everything was written; nobody is woken.
    NoSpaceAfter,
    /// The write of this number, from 0, answers an error and ends the transaction.
    WriteFails(u64),
    /// LMDB has no memory for the write of this number, from 0.
    NoMemory(u64),
    /// The writer thread panics inside the transaction.
    Panic,
}

/// The fault that a batch meets, and how many batches go well before it.
#[derive(Debug, Default)]
pub(crate) struct Failpoints {
    next: Mutex<Option<(u64, Fault)>>,
}

impl Failpoints {
    pub(crate) fn arm(&self, fault: Option<(u64, Fault)>) {
        *self.next.lock() = fault;
    }

    pub(crate) fn take(&self) -> Option<Fault> {
        let mut next = self.next.lock();
        match &mut *next {
            Some((0, _)) => next.take().map(|(_, fault)| fault),
            Some((batches, _)) => {
                *batches -= 1;
                None
            }
            None => None,
        }
    }

    pub(crate) fn is_armed(&self) -> bool {
        self.next.lock().is_some()
    }
}

/// The number of the write that fails, from 0, and how.
pub(crate) fn failing_write(fault: Option<Fault>) -> Option<(u64, EngineError)> {
    match fault {
        Some(Fault::WriteFails(number)) => Some((number, EngineError::Code(libc::EIO))),
        Some(Fault::NoMemory(number)) => Some((number, EngineError::Code(libc::ENOMEM))),
        _ => None,
    }
}

/// A command wrote since the mark no more than it promised, for which space was made. What a trim of the
/// events removes is covered by their table's share. What an attempt's record holds already is not known to
/// the command that acknowledges it: the pages of its rows cover these, as [`assert_allocated`] sees.
pub(crate) fn assert_within(batch: &Batch<'_>, mark: usize, promised: Cost) {
    let (mut rows, mut bytes) = (0, 0);
    for (table, row) in batch.written_since(mark) {
        rows += u64::from(row.is_some() || table != Table::Events);
        let body = row.map_or(0, |row| row.len().saturating_sub(ENVELOPE_BYTES) as u64);
        bytes += if table == Table::Attempts { 0 } else { body };
    }
    assert!(rows <= promised.rows, "{rows} rows written, {promised:?}");
    assert!(bytes <= promised.bytes, "{bytes} bytes written, {promised:?}");
}

/// No commit goes beyond the space made for it (S1).
pub(crate) fn assert_allocated(env: &Env, allocation: &Allocation) {
    let Ok(facts) = env.facts() else { return };
    let used = facts.pages_used * facts.page_bytes;
    assert!(used <= allocation.bytes(), "{used} bytes used, {} allocated", allocation.bytes());
}
