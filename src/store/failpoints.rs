//! Faults on purpose, for tests alone: compiled in by the cargo feature `failpoints`, never released.

use parking_lot::Mutex;

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
    /// The writer thread panics inside the transaction.
    Panic,
}

/// The fault that the next batch meets.
#[derive(Debug, Default)]
pub(crate) struct Failpoints {
    next: Mutex<Option<Fault>>,
}

impl Failpoints {
    pub(crate) fn arm(&self, fault: Option<Fault>) {
        *self.next.lock() = fault;
    }

    pub(crate) fn take(&self) -> Option<Fault> {
        self.next.lock().take()
    }
}
