//! Keeps `data.mdb` allocated ahead of the last page, so that a full disk is met before a transaction.
//!
//! S1 no commit writes beyond the allocated length. S2 [`RESERVE_BYTES`] beyond it stay for results,
//!    settles, marks and deletes. S3 a refused extension loses no data and is tried again next time.
//! Called by `writer`. Why not wait for LMDB's error: a short write of its becomes EIO (docs/durability.md).

use super::batch::Cost;
use super::env::{Env, EnvFacts};
use super::tables::TABLES;
use crate::error::Result;
use crate::limits::{ALLOCATION_STEP_BYTES, RESERVE_BYTES};
use crate::os;

/// What a batch may do with the space there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Everything.
    Ample,
    /// Only finish and remove.
    Reserve,
    /// Nothing, not even that.
    None,
}

/// How far the file is backed by disk space.
pub(crate) struct Allocation {
    bytes: u64,
}

impl Allocation {
    /// Fills holes that a copy or restore may have left, up to what is in use.
    pub(crate) fn at_open(env: &Env, facts: &EnvFacts) -> Result<Allocation> {
        let bytes = facts.pages_used * facts.page_bytes;
        env.allocate(0, bytes).map_err(|error| os::space_error(&error, "allocating data.mdb"))?;
        Ok(Allocation { bytes })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Extends the file for a batch of this cost and says what the batch may do.
    pub(crate) fn make_room(
        &mut self,
        env: &Env,
        facts: &EnvFacts,
        depth_max: u64,
        cost: Cost,
    ) -> Room {
        let needed = (facts.pages_used + pages_bound(facts, depth_max, cost)) * facts.page_bytes;
        let wanted = needed + RESERVE_BYTES;
        if self.bytes >= wanted {
            return Room::Ample;
        }
        for target in [wanted + ALLOCATION_STEP_BYTES, wanted] {
            if env.allocate(self.bytes, target).is_ok() {
                self.bytes = target;
                return Room::Ample;
            }
        }
        if self.bytes < needed && env.allocate(self.bytes, needed).is_ok() {
            self.bytes = needed;
        }
        if self.bytes >= needed { Room::Reserve } else { Room::None }
    }
}

/// Upper bound of the pages that a transaction of this cost takes beyond the last one.
///
/// A row copies at most one path from its table's root, but never more pages than the file has; it splits a
/// leaf at most once, and a level above once in many rows; large rows take pages of their own. Two paths
/// per table cover a split of the root and the rows written once per batch; freed page numbers are written
/// eight bytes each into the free list, which copies a path of its own.
pub(crate) fn pages_bound(facts: &EnvFacts, depth_max: u64, cost: Cost) -> u64 {
    let path = depth_max + 1;
    let copied = (cost.rows * path).min(facts.pages_used);
    let split = cost.rows + cost.rows / 8;
    let large = cost.bytes.div_ceil(facts.page_bytes / 2);
    let roots = 2 * path * (TABLES as u64 + 2);
    let freed = (copied + split + large + roots).div_ceil(facts.page_bytes / 16) + path;
    copied + split + large + roots + freed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_follows_rows_and_bytes() {
        let facts =
            EnvFacts { map_bytes: 1 << 30, pages_used: 1_000_000, readers: 0, page_bytes: 4096 };
        let one = pages_bound(&facts, 4, Cost { rows: 1, bytes: 200 });
        let many = pages_bound(&facts, 4, Cost { rows: 1000, bytes: 200_000 });
        assert!((50..400).contains(&one), "{one}");
        assert!((6_000..9_000).contains(&many), "{many}");
    }
}
