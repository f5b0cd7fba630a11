//! What callers and the thread that writes tell each other: what waits, who waits, how far it is durable.
//!
//! RJ3 a refused write loses nothing: entries wait, callers that asked for durability are told that they hold
//! in memory, and it is tried again. Called by `engine` and `mod` (append, wait), and by `scribe`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::entry::ENTRY_BYTES;
use super::ring::Ring;
use crate::error::{Class, Error, Result, Status};
use crate::limits::{
    BULK_BYTES_MAX, RESOURCES_BLOCK_BYTES_MAX, RESOURCES_JOURNAL_BYTES, RESOURCES_JOURNAL_DELAY_MS,
};

/// How long the writer waits after a refusal before it asks again by itself.
const PATIENCE: Duration = Duration::from_millis(100);

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

#[cfg(any(test, feature = "failpoints"))]
thread_local! {
    /// Sizes of the journals that this thread opens.
    pub(super) static SIZES: std::cell::Cell<Option<Sizes>> = const { std::cell::Cell::new(None) };
}

fn sizes() -> Sizes {
    #[cfg(any(test, feature = "failpoints"))]
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
    pub(super) sizes: Sizes,
}

impl Journal {
    pub(super) fn new(entries: u32) -> Result<Journal> {
        Ok(Journal {
            ring: Ring::new(entries)?,
            progress: Mutex::default(),
            called: Condvar::new(),
            moved: Condvar::new(),
            is_asleep: AtomicBool::new(false),
            sizes: sizes(),
        })
    }

    /// The next entry gets this number, and all before it are durable.
    pub(super) fn begin_at(&mut self, next: u64) {
        self.ring.begin_at(next);
        self.progress.lock().durable_below = next;
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
            match &progress.failed {
                Some(failed) if failed.class() == Class::Retry => return Err(not_durable(failed)),
                Some(failed) => return Err(failed.clone()),
                None => {}
            }
            match &progress.refusal {
                Some(refusal) if progress.refusals != refusals => return Err(not_durable(refusal)),
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

    /// Whether the thread waits for an append: who was told that all is durable may be ahead of it.
    #[cfg(test)]
    pub(super) fn is_asleep(&self) -> bool {
        self.is_asleep.load(Ordering::SeqCst)
    }

    /// Sleeps until there is something to write; answers whether it is the last time.
    pub(super) fn wait_for_work(&self) -> bool {
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
        let until = Instant::now() + self.sizes.delay;
        // Whoever saw it asleep may notify after it woke by itself, and that is no call.
        while !is_called(&progress) && !self.called.wait_until(&mut progress, until).timed_out() {}
        progress.is_pressed = false;
        progress.must_retry = false;
        progress.is_ending
    }

    pub(super) fn wait_after_refusal(&self, refusal: Error) {
        let mut progress = self.progress.lock();
        progress.refusals += 1;
        progress.refusal = Some(refusal);
        // Who asks again after this is waited for; who asked before was told.
        progress.wanted_below = 0;
        progress.must_retry = true;
        self.moved.notify_all();
        let until = Instant::now() + PATIENCE;
        let is_called = |progress: &Progress| progress.is_ending || progress.wanted_below != 0;
        // A full ring asks for nothing that a full disk could give.
        while !is_called(&progress) && !self.called.wait_until(&mut progress, until).timed_out() {}
    }

    pub(super) fn advance(&self, durable_below: u64) {
        self.progress.lock().durable_below = durable_below;
        self.moved.notify_all();
    }

    /// The thread ends; what failed is what everybody is told from now on.
    pub(super) fn finish(&self, failed: Option<Error>) {
        let mut progress = self.progress.lock();
        progress.failed = failed;
        progress.has_ended = true;
        self.moved.notify_all();
    }
}

/// What a caller is told whose entry is kept and could not be written.
fn not_durable(refusal: &Error) -> Error {
    let fact = format!("it holds in memory and is not durable yet ({refusal}); repeat the call");
    Error::os(Status::NotDurable, refusal.os_errno(), fact)
}
