//! Writes what was decided to the store, behind the calls that decided it.
//!
//! RJ1 what is durable is a prefix of what was acknowledged: entries are written in the order of their
//! numbers. RJ2 a channel's row is written after every entry that it includes is durable, and an entry is
//! removed after the rows of its channels are. One thread per open store; called by `mod`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::channel::Channel;
use super::entry::ENTRY_BYTES;
use super::journal::{Journal, Sizes};
use super::load::Block;
use super::record::{encode_channel, encode_entry, key};
use super::shards::Shards;
use crate::error::{Class, Error, Result, Status};
use crate::limits::RESOURCES_BLOCK_BYTES_MAX;
use crate::memory::{push, with_room};
use crate::store::batch::{Batch, Command, Cost, Lane, Outcome, Reply, Space};
use crate::store::tables::Table;
use crate::store::{Grouping, Store};
use crate::types::ShortChannelId;

/// How long it waits for a place in the store's queue before it asks again.
const A_MOMENT: Duration = Duration::from_millis(2);
/// Rows that one commit removes.
const REMOVALS: usize = 1_024;
/// What a row takes besides its body, roughly: small blocks fill a disk too.
const ROW_BYTES: u64 = 128;

/// Rows to write and remove in one commit.
struct Rows {
    puts: Vec<(Table, [u8; 8], Arc<Vec<u8>>)>,
    removals: Vec<(Table, [u8; 8])>,
}

impl Command for Rows {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        for (table, key, body) in &self.puts {
            batch.put(*table, key, body)?;
        }
        for (table, key) in &self.removals {
            batch.delete(*table, key)?;
        }
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        let rows = (self.puts.len() + self.removals.len()) as u64;
        let bytes: usize = self.puts.iter().map(|(_, _, body)| body.len() + 64).sum();
        Cost { rows, bytes: bytes as u64 }
    }

    fn submission_bytes(&self) -> u64 {
        0
    }

    fn lane(&self) -> Lane {
        let is_small = self.cost().bytes <= RESOURCES_BLOCK_BYTES_MAX as u64 / 4;
        if is_small { Lane::Urgent } else { Lane::Bulk }
    }

    fn space(&self) -> Space {
        if self.puts.is_empty() { Space::Settles } else { Space::Grows }
    }
}

/// What the store holds of the resources.
#[derive(Default)]
pub(super) struct OnDisk {
    /// The journal, in order.
    blocks: VecDeque<Block>,
    block_bytes: u64,
    /// Channels, and the bytes of their rows.
    rows: BTreeMap<ShortChannelId, u64>,
    row_bytes: u64,
}

impl OnDisk {
    pub(super) fn new(
        blocks: impl IntoIterator<Item = Block>,
        rows: impl IntoIterator<Item = (ShortChannelId, u64)>,
    ) -> OnDisk {
        let mut on_disk = OnDisk::default();
        blocks.into_iter().for_each(|block| on_disk.add_block(block));
        rows.into_iter().for_each(|(id, bytes)| on_disk.add_row(id, bytes));
        on_disk
    }

    fn add_block(&mut self, block: Block) {
        self.block_bytes += block.bytes + ROW_BYTES;
        self.blocks.push_back(block);
    }

    fn remove_block(&mut self) {
        if let Some(block) = self.blocks.pop_front() {
            self.block_bytes -= block.bytes + ROW_BYTES;
        }
    }

    fn add_row(&mut self, id: ShortChannelId, bytes: u64) {
        self.row_bytes += bytes;
        self.row_bytes -= self.rows.insert(id, bytes).unwrap_or(0);
    }

    fn remove_row(&mut self, id: ShortChannelId) {
        self.row_bytes -= self.rows.remove(&id).unwrap_or(0);
    }
}

/// The writing side.
pub(super) struct Scribe {
    pub(super) journal: Arc<Journal>,
    pub(super) shards: Arc<Shards>,
    pub(super) store: Arc<Store>,
    pub(super) on_disk: OnDisk,
    pub(super) division: u32,
    /// Taken from the ring, not written yet.
    pub(super) unwritten: Vec<(Block, Arc<Vec<u8>>)>,
}

impl Scribe {
    /// Writes until the journal ends.
    pub(super) fn run(mut self) {
        let bug = Error::new(Status::Internal, "the journal's thread met a bug");
        let (journal, shards) = (Arc::clone(&self.journal), Arc::clone(&self.shards));
        let mut ending = Ending { journal, shards, failed: Some(bug) };
        ending.failed = self.write_until_the_end().err();
    }

    fn write_until_the_end(&mut self) -> Result<()> {
        loop {
            let is_last = self.journal.wait_for_work();
            let written = self.write().and_then(|()| match is_last {
                false => self.write_channels_if_due(),
                true => Ok(()),
            });
            match written {
                Ok(()) if is_last => return Ok(()),
                Ok(()) => {}
                Err(error) if is_last || !is_temporary(&error) => return Err(error),
                Err(error) => self.journal.wait_after_refusal(error),
            }
        }
    }

    /// Makes everything that has arrived durable.
    fn write(&mut self) -> Result<()> {
        while self.take()? {
            let put = |(block, body): &(Block, Arc<Vec<u8>>)| {
                (Table::ResourcesJournal, key(block.first), Arc::clone(body))
            };
            let puts = self.unwritten.iter().map(put).collect();
            self.on_disk.blocks.try_reserve(self.unwritten.len())?;
            self.submit(Rows { puts, removals: Vec::new() })?;
            let mut durable_below = 0;
            for (block, _) in self.unwritten.drain(..) {
                self.on_disk.add_block(block);
                durable_below = block.first + block.entries;
            }
            self.journal.advance(durable_below);
        }
        Ok(())
    }

    /// Fills a slice, unless one was refused; answers whether there is anything to write.
    fn take(&mut self) -> Result<bool> {
        if !self.unwritten.is_empty() {
            // The ring bounds what waits.
            return Ok(true);
        }
        let mut bytes = 0;
        let Sizes { block_entries, slice_bytes, .. } = self.journal.sizes;
        while bytes < slice_bytes {
            let first = self.journal.ring.taken();
            let waiting = self.journal.ring.waiting().min(block_entries as u64) as usize;
            // Entries that were taken and had no room would be lost.
            let mut body = with_room(waiting * ENTRY_BYTES)?;
            let entries = self.journal.ring.take(waiting, |words| encode_entry(&mut body, words));
            if entries == 0 {
                break;
            }
            bytes += body.len();
            let block = Block { first, entries, bytes: body.len() as u64 };
            self.unwritten.push((block, Arc::new(body)));
        }
        Ok(!self.unwritten.is_empty())
    }

    /// Writes until every entry below a number is durable. Its callers hold their locks no longer than it
    /// takes to store some words.
    fn write_below(&mut self, below: u64) -> Result<()> {
        loop {
            self.write()?;
            if self.journal.durable_below() >= below {
                return Ok(());
            }
            std::thread::yield_now();
        }
    }

    /// Commits rows. The store's queue empties by itself, so a full one is waited for.
    fn submit(&self, rows: Rows) -> Result<()> {
        let command: Arc<dyn Command> = Arc::new(rows);
        loop {
            let submitted = self.store.submit(vec![Arc::clone(&command)], Grouping::Independent);
            match submitted {
                Err(error) if error.status() == Status::Busy => std::thread::sleep(A_MOMENT),
                Err(error) => return Err(error),
                Ok(mut outcomes) => {
                    let outcome = outcomes.pop().unwrap_or_else(|| Err(Status::Internal.into()));
                    return outcome.map(drop);
                }
            }
        }
    }

    fn write_channels_if_due(&mut self) -> Result<()> {
        let OnDisk { block_bytes, row_bytes, .. } = self.on_disk;
        let Sizes { journal_bytes, journal_per_channels, .. } = self.journal.sizes;
        let is_due = block_bytes >= journal_bytes.max(journal_per_channels * row_bytes);
        if is_due { self.write_channels() } else { Ok(()) }
    }

    /// Writes every channel that changed since its row, and removes the entries that rows include (RJ2).
    pub(super) fn write_channels(&mut self) -> Result<()> {
        let included_below = self.journal.ring.next();
        let shards = Arc::clone(&self.shards);
        let (mut slice, mut bytes) = (Vec::new(), 0);
        for index in 0..Shards::count() {
            let mut is_whole = true;
            let mut kept = Ok(());
            shards.with_shard(index, |shard| {
                // Of what a panic left half changed, no row is written: its entries tell what it was.
                is_whole = shards.check_whole().is_ok();
                let due = |channel: &Channel| channel.changed_below > channel.stored_below;
                for channel in shard.channels.values().filter(|channel| is_whole && due(channel)) {
                    let body = encode_channel(channel, self.division);
                    bytes += body.len();
                    kept = push(&mut slice, (channel.id, channel.changed_below, body));
                    if kept.is_err() {
                        return;
                    }
                }
            });
            kept?;
            if !is_whole {
                return Ok(());
            }
            if bytes >= self.journal.sizes.slice_bytes || index + 1 == Shards::count() {
                self.write_slice(std::mem::take(&mut slice))?;
                bytes = 0;
            }
        }
        self.remove_gone()?;
        self.remove_blocks(included_below)
    }

    fn write_slice(&mut self, slice: Vec<(ShortChannelId, u64, Vec<u8>)>) -> Result<()> {
        let below = slice.iter().map(|(_, below, _)| *below).max().unwrap_or(0);
        self.write_below(below)?;
        if slice.is_empty() {
            return Ok(());
        }
        let (mut stored, mut puts) = (with_room(slice.len())?, with_room(slice.len())?);
        for (id, below, body) in slice {
            stored.push((id, below, body.len() as u64));
            puts.push((Table::ResourcesChannels, key(id.0), Arc::new(body)));
        }
        self.submit(Rows { puts, removals: Vec::new() })?;
        for (id, below, bytes) in stored {
            self.on_disk.add_row(id, bytes);
            self.shards.change(id, |channel| {
                channel.stored_below = channel.stored_below.max(below.min(channel.changed_below));
            });
        }
        Ok(())
    }

    fn remove_gone(&mut self) -> Result<()> {
        loop {
            let is_gone = |id: &ShortChannelId| !self.shards.contains(*id);
            let rows = self.on_disk.rows.keys().copied();
            let some: Vec<_> = rows.filter(is_gone).take(REMOVALS).collect();
            // Their removal has to be durable before their rows go.
            self.write_below(self.journal.ring.next())?;
            if some.is_empty() {
                return Ok(());
            }
            let removals = some.iter().map(|id| (Table::ResourcesChannels, key(id.0))).collect();
            self.submit(Rows { puts: Vec::new(), removals })?;
            some.iter().for_each(|id| self.on_disk.remove_row(*id));
            self.write()?;
        }
    }

    fn remove_blocks(&mut self, included_below: u64) -> Result<()> {
        let is_included = |block: &&Block| block.first + block.entries <= included_below;
        loop {
            let blocks = self.on_disk.blocks.iter();
            let some: Vec<_> = blocks.take_while(is_included).take(REMOVALS).copied().collect();
            if some.is_empty() {
                return Ok(());
            }
            let removal = |block: &Block| (Table::ResourcesJournal, key(block.first));
            let removals = some.iter().map(removal).collect();
            self.submit(Rows { puts: Vec::new(), removals })?;
            some.iter().for_each(|_| self.on_disk.remove_block());
            // Callers wait for their entries meanwhile.
            self.write()?;
        }
    }
}

/// Tells everybody that the thread is gone, however it goes.
struct Ending {
    journal: Arc<Journal>,
    shards: Arc<Shards>,
    failed: Option<Error>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.failed.is_some() {
            // Nobody is told any more that a call of his is kept.
            self.shards.break_off();
        }
        self.journal.finish(self.failed.take());
    }
}

/// Whether a write may succeed later.
fn is_temporary(error: &Error) -> bool {
    error.class() == Class::Retry
}
