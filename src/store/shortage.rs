//! A writer that is short of memory, for tests.

use super::Store;
use super::batch::{Batch, Command, Cost, Outcome, Reply, Space};
use crate::error::Status;
use crate::os::scarcity;

/// The writer runs out of memory, or has enough again.
struct Memory {
    is_short: bool,
}

impl Command for Memory {
    fn apply(&self, _batch: &mut Batch<'_>) -> Outcome {
        if self.is_short {
            scarcity::begin()
        } else {
            scarcity::end()
        }
        Ok(Reply::already(Status::Already))
    }
    fn cost(&self) -> Cost {
        Cost { rows: 0, bytes: 0 }
    }
    fn space(&self) -> Space {
        Space::Settles
    }
}

/// The writer is refused what is large until this is dropped.
pub(crate) struct Shortage<'store>(&'store Store);

impl<'store> Shortage<'store> {
    pub(crate) fn new(store: &'store Store) -> Shortage<'store> {
        store.submit_one(Memory { is_short: true }).unwrap();
        Shortage(store)
    }
}

impl Drop for Shortage<'_> {
    fn drop(&mut self) {
        self.0.submit_one(Memory { is_short: false }).unwrap();
    }
}
