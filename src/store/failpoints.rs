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
