//! Writes what was decided to the store, behind the calls that decided it.
//!
//! RJ1 what is durable is a prefix of what was acknowledged: entries are written in the order of their
//! numbers. RJ2 a channel's row is written after every entry that it includes is durable, and an entry is
//! removed after the rows of its channels are. RJ3 a refused write loses nothing: entries wait, callers that
//! asked for durability are told, and it is tried again. Called by `mod`; one thread per open store.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::entry::ENTRY_BYTES;
use super::load::Block;
use super::record::{encode_channel, encode_entry, key};
use super::ring::Ring;
use super::shards::Shards;
use crate::error::{Class, Error, Result, Status};
use crate::limits::{
    BULK_BYTES_MAX, RESOURCES_BLOCK_BYTES_MAX, RESOURCES_JOURNAL_BYTES, RESOURCES_JOURNAL_DELAY_MS,
};
use crate::store::Store;
use crate::store::batch::{Batch, Command, Cost, Lane, Outcome, Reply, Space};
use crate::store::tables::Table;
use crate::types::ShortChannelId;

/// How long the writer waits after a refusal before it asks again by itself.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long it waits for a place in the store's queue when it cannot ask again later.
const A_MOMENT: Duration = Duration::from_millis(2);
/// Rows that one commit removes.
const REMOVALS: usize = 256;

/// How much is written at once, and when. Tests choose smaller ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// How long an entry may wait while nobody asks for it.
    pub(super) delay: Duration,
    /// Entries of one row.
    pub(super) block_entries: usize,
    /// Bytes of entries or channels in one commit.
    pub(super) slice_bytes: usize,
    /// Journal after which channels are written, unless they are larger than half of it.
    pub(super) journal_bytes: u64,
    /// Times that the journal may be larger than the channels.
    pub(super) journal_per_channels: u64,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes {
            delay: Duration::from_millis(RESOURCES_JOURNAL_DELAY_MS),
            block_entries: RESOURCES_BLOCK_BYTES_MAX / ENTRY_BYTES,
            slice_bytes: BULK_BYTES_MAX / 2,
            journal_bytes: RESOURCES_JOURNAL_BYTES,
            journal_per_channels: 2,
        }
    }
}

#[cfg(test)]
thread_local! {
    /// Sizes of the journals that this thread opens.
    pub(super) static SIZES: std::cell::Cell<Option<Sizes>> = const { std::cell::Cell::new(None) };
}

fn sizes() -> Sizes {
    #[cfg(test)]
    if let Some(sizes) = SIZES.get() {
        return sizes;
    }
    Sizes::default()
}

#[derive(Default)]
struct Progress {
    durable_below: u64,
    /// Somebody waits for the entries below.
    wanted_below: u64,
    /// The ring fills faster than the delay empties it.
    is_pressed: bool,
    /// What was refused waits outside the ring.
    must_retry: bool,
    refusals: u64,
    refusal: Option<Error>,
    failed: Option<Error>,
    is_ending: bool,
    has_ended: bool,
}

/// What callers and the writing thread share.
pub(super) struct Journal {
    pub(super) ring: Ring,
    progress: Mutex<Progress>,
    /// For the thread.
    called: Condvar,
    /// For callers.
    moved: Condvar,
    is_asleep: AtomicBool,
    sizes: Sizes,
}

impl Journal {
    pub(super) fn new(entries: u32, next: u64) -> Journal {
        let progress = Progress { durable_below: next, ..Progress::default() };
        Journal {
            ring: Ring::new(entries, next),
            progress: Mutex::new(progress),
            called: Condvar::new(),
            moved: Condvar::new(),
            is_asleep: AtomicBool::new(false),
            sizes: sizes(),
        }
    }

    /// To be called after an append, without a lock held: wakes the thread if it sleeps, or must hurry.
    pub(super) fn appended(&self, number: u64) {
        if self.is_asleep.load(Ordering::SeqCst) {
            let progress = self.progress.lock();
            self.is_asleep.store(false, Ordering::SeqCst);
            drop(progress);
            self.called.notify_one();
            return;
        }
        let quarter = self.ring.capacity() / 4;
        if number & 255 == 0 && self.ring.waiting() > quarter {
            self.press();
        }
    }

    /// Has the thread write at once.
    pub(super) fn press(&self) {
        self.progress.lock().is_pressed = true;
        self.called.notify_one();
    }

    /// Returns when the entry of a number is durable.
    pub(super) fn wait_for(&self, number: u64) -> Result<()> {
        let mut progress = self.progress.lock();
        let refusals = progress.refusals;
        progress.wanted_below = progress.wanted_below.max(number + 1);
        self.called.notify_one();
        loop {
            if progress.durable_below > number {
                return Ok(());
            }
            if let Some(failed) = &progress.failed {
                return Err(failed.clone());
            }
            match &progress.refusal {
                Some(refusal) if progress.refusals != refusals => return Err(not_yet(refusal)),
                _ => {}
            }
            if progress.has_ended {
                return Err(Status::Closed.into());
            }
            self.moved.wait(&mut progress);
        }
    }

    /// Returns when everything numbered before is durable.
    pub(super) fn flush(&self) -> Result<()> {
        match self.ring.next().checked_sub(1) {
            Some(last) if last >= self.progress.lock().durable_below => self.wait_for(last),
            _ => Ok(()),
        }
    }

    /// Entries that are not durable yet.
    pub(super) fn waiting(&self) -> u64 {
        self.ring.next().saturating_sub(self.durable_below())
    }

    pub(super) fn durable_below(&self) -> u64 {
        self.progress.lock().durable_below
    }

    /// Tells the thread to write what waits, and to end.
    pub(super) fn end(&self) {
        self.progress.lock().is_ending = true;
        self.called.notify_one();
    }

    /// Waits for the thread's end.
    pub(super) fn wait_for_end(&self) -> Result<()> {
        let mut progress = self.progress.lock();
        while !progress.has_ended {
            self.moved.wait(&mut progress);
        }
        progress.failed.clone().map_or(Ok(()), Err)
    }

    /// Sleeps until there is something to write; answers whether it is the last time.
    fn wait_for_work(&self) -> bool {
        let mut progress = self.progress.lock();
        let is_called = |progress: &Progress| {
            progress.is_ending
                || progress.is_pressed
                || progress.must_retry
                || progress.wanted_below > progress.durable_below
        };
        while !is_called(&progress) && self.ring.waiting() == 0 {
            self.is_asleep.store(true, Ordering::SeqCst);
            // Whoever appended before this store did not see it.
            if self.ring.waiting() == 0 {
                self.called.wait(&mut progress);
            }
            self.is_asleep.store(false, Ordering::SeqCst);
        }
        if !is_called(&progress) {
            self.called.wait_for(&mut progress, self.sizes.delay);
        }
        progress.is_pressed = false;
        progress.must_retry = false;
        progress.is_ending
    }

    fn wait_after_refusal(&self, refusal: Error) {
        let mut progress = self.progress.lock();
        progress.refusals += 1;
        progress.refusal = Some(refusal);
        // Who asks again after this is waited for; who asked before was told.
        progress.wanted_below = 0;
        progress.must_retry = true;
        self.moved.notify_all();
        if !progress.is_ending {
            self.called.wait_for(&mut progress, PATIENCE);
        }
    }

    fn advance(&self, durable_below: u64) {
        self.progress.lock().durable_below = durable_below;
        self.moved.notify_all();
    }

    fn finish(&self, failed: Option<Error>) {
        let mut progress = self.progress.lock();
        progress.failed = failed;
        progress.has_ended = true;
        self.moved.notify_all();
    }
}

/// Rows to write and remove in one commit.
struct Rows {
    puts: Vec<(Table, [u8; 8], Vec<u8>)>,
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

/// The writing side.
pub(super) struct Scribe {
    pub(super) journal: Arc<Journal>,
    pub(super) shards: Arc<Shards>,
    pub(super) store: Arc<Store>,
    /// Blocks on disk, in order.
    pub(super) blocks: VecDeque<Block>,
    /// Channels on disk, and the bytes of their rows.
    pub(super) rows: BTreeMap<ShortChannelId, u64>,
    pub(super) division: u32,
    /// Taken from the ring, not written yet.
    pub(super) unwritten: VecDeque<(Block, Vec<u8>)>,
}

impl Scribe {
    /// Writes until the journal ends.
    pub(super) fn run(mut self) {
        let failed = loop {
            let is_last = self.journal.wait_for_work();
            let written = self.write().and_then(|()| match is_last {
                false => self.write_channels_if_due(),
                true => Ok(()),
            });
            match written {
                Ok(()) if is_last => break None,
                Ok(()) => {}
                // The writer's queue empties by itself.
                Err(error) if is_last && error.status() == Status::Busy => {
                    std::thread::sleep(A_MOMENT);
                }
                Err(error) if is_last || !is_temporary(&error) => break Some(error),
                Err(error) => self.journal.wait_after_refusal(error),
            }
        };
        self.journal.finish(failed);
    }

    /// Makes everything that has arrived durable.
    fn write(&mut self) -> Result<()> {
        while self.take() {
            let blocks: Vec<Block> = self.unwritten.iter().map(|(block, _)| *block).collect();
            let put = |(block, body): &(Block, Vec<u8>)| {
                (Table::ResourcesJournal, key(block.first), body.clone())
            };
            let puts = self.unwritten.iter().map(put).collect();
            self.submit(Rows { puts, removals: Vec::new() })?;
            self.unwritten.clear();
            self.blocks.extend(&blocks);
            if let Some(last) = blocks.last() {
                self.journal.advance(last.first + last.entries);
            }
        }
        Ok(())
    }

    /// Fills a slice; answers whether there is anything to write.
    fn take(&mut self) -> bool {
        let mut bytes: usize = self.unwritten.iter().map(|(_, body)| body.len()).sum();
        let Sizes { block_entries, slice_bytes, .. } = self.journal.sizes;
        while bytes < slice_bytes {
            let first = self.journal.ring.taken();
            let mut body = Vec::new();
            let entries =
                self.journal.ring.take(block_entries, |words| encode_entry(&mut body, words));
            if entries == 0 {
                break;
            }
            bytes += body.len();
            let block = Block { first, entries, bytes: body.len() as u64 };
            self.unwritten.push_back((block, body));
        }
        !self.unwritten.is_empty()
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

    fn submit(&self, rows: Rows) -> Result<()> {
        self.store.submit_one(rows).map(drop)
    }

    fn write_channels_if_due(&mut self) -> Result<()> {
        let journalled: u64 = self.blocks.iter().map(|block| block.bytes).sum();
        let channels: u64 = self.rows.values().sum();
        let Sizes { journal_bytes, journal_per_channels, .. } = self.journal.sizes;
        if journalled >= journal_bytes.max(journal_per_channels * channels) {
            self.write_channels()?;
        }
        Ok(())
    }

    /// Writes every channel that changed since its row, and removes the entries that rows include (RJ2).
    pub(super) fn write_channels(&mut self) -> Result<()> {
        let included_below = self.journal.ring.next();
        let shards = Arc::clone(&self.shards);
        let (mut slice, mut bytes) = (Vec::new(), 0);
        for index in 0..Shards::count() {
            shards.with_shard(index, |shard| {
                for channel in shard.channels.values() {
                    if channel.changed_below > channel.stored_below {
                        let body = encode_channel(channel, self.division);
                        bytes += body.len();
                        slice.push((channel.id, channel.changed_below, body));
                    }
                }
            });
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
        let stored: Vec<_> =
            slice.iter().map(|(id, below, body)| (*id, *below, body.len() as u64)).collect();
        let put = |(id, _, body): (ShortChannelId, u64, Vec<u8>)| {
            (Table::ResourcesChannels, key(id.0), body)
        };
        let puts = slice.into_iter().map(put).collect();
        self.submit(Rows { puts, removals: Vec::new() })?;
        for (id, below, bytes) in stored {
            self.rows.insert(id, bytes);
            self.shards.change(id, |channel| {
                channel.stored_below = channel.stored_below.max(below.min(channel.changed_below));
            });
        }
        Ok(())
    }

    fn remove_gone(&mut self) -> Result<()> {
        let gone: Vec<_> =
            self.rows.keys().copied().filter(|id| !self.shards.contains(*id)).collect();
        // Their removal has to be durable before their rows go.
        self.write_below(self.journal.ring.next())?;
        for some in gone.chunks(REMOVALS) {
            let removals = some.iter().map(|id| (Table::ResourcesChannels, key(id.0))).collect();
            self.submit(Rows { puts: Vec::new(), removals })?;
            for id in some {
                self.rows.remove(id);
            }
        }
        Ok(())
    }

    fn remove_blocks(&mut self, included_below: u64) -> Result<()> {
        let is_included = |block: &&Block| block.first + block.entries <= included_below;
        loop {
            let some: Vec<_> =
                self.blocks.iter().take_while(is_included).take(REMOVALS).copied().collect();
            if some.is_empty() {
                return Ok(());
            }
            let removal = |block: &Block| (Table::ResourcesJournal, key(block.first));
            let removals = some.iter().map(removal).collect();
            self.submit(Rows { puts: Vec::new(), removals })?;
            self.blocks.drain(..some.len());
        }
    }
}

/// What a caller is told whose entry is kept and could not be written.
fn not_yet(refusal: &Error) -> Error {
    let fact = format!("it holds in memory and is not durable yet ({refusal}); repeat the call");
    Error::os(refusal.status(), refusal.os_errno(), fact)
}

/// Whether a write may succeed later.
fn is_temporary(error: &Error) -> bool {
    error.class() == Class::Retry
}
