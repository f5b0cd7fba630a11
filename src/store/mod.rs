//! The store: one LMDB environment, one writer thread, many readers.
//!
//! Invariants are numbered in the files that keep them: `place` P, `env` L, `space` S, `queue` Q, `batch` C,
//! `writer` G, `heads` H, `meta` M, `record` R, `tables` B, `opening` N, `page_file` T, `walk` W, `check` J,
//! `copy` Z. Above all of them:
//! D1 nothing is acknowledged before it is durable. D2 a refused call changes nothing. D3 after a commit of
//! unknown outcome the store answers POISONED until it is opened again.
//! Called by `events` and the components; knows nothing of what their rows mean.

pub(crate) mod batch;
pub(crate) mod blob;
pub(crate) mod bytes;
pub(crate) mod check;
pub(crate) mod copy;
#[allow(unsafe_code)]
mod env;
#[cfg(feature = "failpoints")]
pub mod failpoints;
pub(crate) mod heads;
pub(crate) mod meta;
mod opening;
mod options;
mod page_file;
mod pages;
mod place;
mod queue;
pub(crate) mod record;
#[cfg(test)]
pub(crate) mod shortage;
mod space;
mod stats;
pub mod tables;
#[cfg(test)]
mod tests;
pub(crate) mod volatile;
pub(crate) mod walk;
mod writer;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use parking_lot::{Mutex, RwLock};

use self::batch::{Batch, Command, Committed, Lane, View};
use self::env::{EngineError, Env};
#[cfg(feature = "failpoints")]
use self::failpoints::{Failpoints, Fault};
use self::heads::Heads;
use self::meta::Meta;
use self::place::Place;
use self::queue::{Answer, Queue, Submission};
use self::stats::Durations;
use crate::error::{Error, Result, Status};
use crate::limits::{BATCH_BYTES_MAX, BATCH_OPS_MAX};
use crate::memory::with_room;
use crate::os::{self, FileIdentity};
use crate::types::Clock;

pub use self::batch::{Operation, Outcome, Reply};
pub use self::blob::Blobs;
pub use self::check::CheckReport;
pub(crate) use self::options::EventSettings;
pub use self::options::{OpenReport, RestoreOptions, StoreOptions};
pub use self::queue::Grouping;
pub use self::stats::Stats;
pub use self::walk::Finding;

/// Told after each commit, on the writer thread; must be short.
pub(crate) trait CommitListener: Send + Sync {
    fn committed(&self, heads: &Heads);
    /// The store was closed or poisoned: nothing will be committed any more.
    fn ended(&self);
}

/// A component that acknowledges before it writes.
pub(crate) trait WriteBehind: Send + Sync {
    /// Returns when everything acknowledged before it is durable.
    fn flush(&self) -> Result<()>;
    /// Takes no more calls, and writes what was acknowledged.
    fn end(&self) -> Result<()>;
}

/// What the store and its writer thread share.
pub(crate) struct Core {
    env: Env,
    identity: FileIdentity,
    queue: Queue,
    events: EventSettings,
    map_bytes_max: u64,
    poison: RwLock<Option<Error>>,
    poisoned: AtomicBool,
    clock_unix_ms: AtomicU64,
    clock_block_height: AtomicU32,
    listeners: RwLock<Vec<Weak<dyn CommitListener>>>,
    commit_durations: Durations,
    commits: AtomicU64,
    commit_number: AtomicU64,
    /// Generation of the next large value.
    blob_generation: AtomicU64,
    operations: AtomicU64,
    operations_refused: AtomicU64,
    allocated_bytes: AtomicU64,
    space_is_short: AtomicBool,
    map_growths: AtomicU64,
    stale_readers_cleared: AtomicU64,
    #[cfg(feature = "failpoints")]
    failpoints: Failpoints,
}

impl Core {
    fn clock(&self) -> Clock {
        Clock {
            unix_ms: self.clock_unix_ms.load(Ordering::Relaxed),
            block_height: self.clock_block_height.load(Ordering::Relaxed),
        }
    }

    fn poison(&self) -> Option<Error> {
        if !self.poisoned.load(Ordering::Acquire) {
            return None;
        }
        self.poison.read().clone()
    }

    fn set_poison(&self, cause: &Error) {
        let message =
            format!("store poisoned by an earlier failure ({cause}); close and reopen it");
        let poison = Error::os(Status::Poisoned, cause.os_errno(), message);
        self.poison.write().get_or_insert(poison);
        self.poisoned.store(true, Ordering::Release);
        self.tell_end();
    }

    fn tell_end(&self) {
        self.listeners.read().iter().filter_map(Weak::upgrade).for_each(|each| each.ended());
    }

    fn tell_listeners(&self, heads: &Heads) {
        let listeners = self.listeners.read();
        listeners.iter().filter_map(Weak::upgrade).for_each(|each| each.committed(heads));
    }

    /// Commits a change of the meta row outside the writer's loop: at open and at close.
    fn commit_meta(
        &self,
        heads: &Heads,
        meta: &Meta,
        change: impl FnOnce(&mut Meta),
    ) -> Result<Committed> {
        let txn = self.env.write()?;
        let mut batch = Batch::new(txn, heads.clone(), meta.clone(), self.clock(), self.events);
        batch.change_meta(change);
        batch.finish()?.commit().map_err(EngineError::at_the_end)
    }
}

/// One open store. Cheap to share: every method takes `&self` and may be called from any thread.
///
/// Dropping it closes it.
pub struct Store {
    core: Arc<Core>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Taken by the close that releases the directory.
    place: Mutex<Option<Place>>,
    report: OpenReport,
    doubt_below_epoch: u64,
    lnd_compat: bool,
    components: Mutex<HashMap<TypeId, Weak<dyn Any + Send + Sync>>>,
    journals: Mutex<Journals>,
}

/// Components that keep something in memory.
#[derive(Default)]
struct Journals {
    known: Vec<Weak<dyn WriteBehind>>,
    are_ending: bool,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("report", &self.report).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store of a directory, creating directory and files when there are none.
    ///
    /// Answers only after the open's own commit is durable, so that whatever a crash left undecided is
    /// decided by then.
    ///
    /// # Errors
    /// `Locked` when it is open elsewhere; `UnsafePlace`, `NotFound`, `WrongMode`, `RolledBack`,
    /// `FormatTooNew`, `CorruptStore`, `NoSpace`, `Io`. Nothing was written in any of these cases, but that
    /// an empty directory may have been made.
    pub fn open(path: impl AsRef<Path>, options: &StoreOptions) -> Result<Arc<Store>> {
        refuse_forked_child()?;
        let path = path.as_ref().to_owned();
        let options = options.clone();
        on_a_thread("lnkeep-open", move || opening::open(&path, &options))
    }

    /// What the open found.
    pub fn report(&self) -> OpenReport {
        self.report
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Records of earlier epochs than this one may be older than what a lost, newer store knew.
    pub(crate) fn doubt_below_epoch(&self) -> u64 {
        self.doubt_below_epoch
    }

    /// Whether the store repeats lnd's rules.
    pub fn lnd_compat(&self) -> bool {
        self.lnd_compat
    }

    /// Refuses new work, commits what was accepted, answers everybody who waits, waits for running reads and
    /// releases the files. Later calls answer `Closed`; closing twice is harmless.
    ///
    /// # Errors
    /// `Poisoned` when an earlier commit failed; `NoSpace` or `Busy` when what components kept in memory
    /// could not be written, and is lost as after a crash. The files are released all the same.
    pub fn close(&self) -> Result<()> {
        refuse_forked_child()?;
        let ended = self.end_journals();
        self.stop_writer();
        self.core.env.close();
        if let Some(place) = self.place.lock().take() {
            // Without the stamp the next open walks the file, and nothing else.
            place.stamp().unwrap_or_default();
        }
        self.core.tell_end();
        match self.core.poison() {
            Some(poison) => Err(poison),
            None => ended,
        }
    }

    fn journals(&self) -> Vec<Arc<dyn WriteBehind>> {
        self.journals.lock().known.iter().filter_map(Weak::upgrade).collect()
    }

    /// Writes what components acknowledged and did not write yet.
    pub(crate) fn flush_journals(&self) -> Result<()> {
        let flushed: Vec<_> = self.journals().iter().map(|journal| journal.flush()).collect();
        flushed.into_iter().collect()
    }

    pub(crate) fn end_journals(&self) -> Result<()> {
        self.journals.lock().are_ending = true;
        let ended: Vec<_> = self.journals().iter().map(|journal| journal.end()).collect();
        ended.into_iter().collect()
    }

    /// Has [`Store::sync`] and [`Store::close`] ask a component for what it did not write yet.
    ///
    /// # Errors
    /// `Closed` once the store ends: what is then kept in memory would never be asked for.
    pub(crate) fn add_journal(&self, journal: Weak<dyn WriteBehind>) -> Result<()> {
        let mut journals = self.journals.lock();
        if journals.are_ending {
            return Err(Status::Closed.into());
        }
        journals.known.retain(|known| known.strong_count() != 0);
        if !journals.known.iter().any(|known| known.ptr_eq(&journal)) {
            journals.known.push(journal);
        }
        Ok(())
    }

    fn stop_writer(&self) {
        self.core.queue.close();
        if let Some(writer) = self.writer.lock().take() {
            drop(writer.join());
        }
    }

    /// Tells the store what time it is. Numbers only rise: a smaller one is ignored. They stamp later
    /// records, become durable with the next commit, and start no commit of their own.
    ///
    /// # Errors
    /// `Closed`, `Forked`.
    pub fn tick(&self, clock: Clock) -> Result<()> {
        self.check_usable()?;
        self.core.clock_unix_ms.fetch_max(clock.unix_ms, Ordering::Relaxed);
        self.core.clock_block_height.fetch_max(clock.block_height, Ordering::Relaxed);
        Ok(())
    }

    /// What the host last told about time.
    pub fn clock(&self) -> Clock {
        self.core.clock()
    }

    /// Returns when everything accepted before it is durable, the journal of the resources and blobs of peers
    /// that wait for their cooldown included.
    ///
    /// # Errors
    /// `Unknown` or `Poisoned` when a commit before it failed; `NotDurable` when the journal, `NoSpace` or
    /// `Busy` when waiting blobs cannot be written now and are kept in memory; `Closed`, `Forked`.
    pub fn sync(&self) -> Result<()> {
        self.check_usable()?;
        let flushed = self.flush_journals();
        self.wait_for_accepted()?;
        self.check_usable()?;
        flushed
    }

    /// Returns when everything accepted before it was answered.
    pub(crate) fn wait_for_accepted(&self) -> Result<()> {
        let (sender, receiver) = mpsc::channel();
        for lane in [Lane::Urgent, Lane::Bulk] {
            let sender = sender.clone();
            let answer = Box::new(move |_| sender.send(()).unwrap_or_default());
            self.core.queue.push(Submission::barrier(lane, answer))?;
        }
        drop(sender);
        while receiver.recv().is_ok() {}
        Ok(())
    }

    /// Large values of the host's own, tens of megabytes each, beside what the components keep.
    pub fn blobs(&self) -> Blobs<'_> {
        Blobs::new(self)
    }

    /// Figures since the open.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`, `Forked`, `Busy` when every reader slot is taken.
    pub fn stats(&self) -> Result<Stats> {
        self.check_usable()?;
        let core = &self.core;
        let facts = core.env.facts()?;
        let used = facts.pages_used.saturating_mul(facts.page_bytes);
        let mut flags = 0;
        if core.space_is_short.load(Ordering::Relaxed) {
            flags |= Stats::NO_SPACE;
        }
        if used / 4 > core.map_bytes_max / 5 {
            flags |= Stats::MAP_NEARLY_FULL;
        }
        Ok(Stats {
            commits: core.commits.load(Ordering::Relaxed),
            operations: core.operations.load(Ordering::Relaxed),
            operations_refused: core.operations_refused.load(Ordering::Relaxed),
            commit_p50_ns: core.commit_durations.percentile_ns(50),
            commit_p99_ns: core.commit_durations.percentile_ns(99),
            commit_max_ns: core.commit_durations.max_ns(),
            queue_depth: core.queue.depth() as u64,
            pages_used: facts.pages_used,
            page_bytes: facts.page_bytes,
            allocated_bytes: core.allocated_bytes.load(Ordering::Relaxed),
            map_bytes: facts.map_bytes,
            map_bytes_max: core.map_bytes_max,
            readers: u64::from(facts.readers),
            oldest_read_ns: core.env.oldest_read_ns(),
            map_growths: core.map_growths.load(Ordering::Relaxed),
            stale_readers_cleared: core.stale_readers_cleared.load(Ordering::Relaxed),
            commit_number: core.commit_number.load(Ordering::Relaxed),
            flags,
        })
    }

    /// Applies commands and returns when their commit is durable.
    pub(crate) fn submit(
        &self,
        commands: Vec<Arc<dyn Command>>,
        grouping: Grouping,
    ) -> Result<Vec<Outcome>> {
        let slot = Arc::new(Slot::default());
        let filler = Filler { slot: Arc::clone(&slot) };
        let operations = commands.len();
        let answer = Box::new(move |outcomes| filler.slot.fill(Filling::Outcomes(outcomes)));
        self.submit_async(commands, grouping, answer)?;
        slot.wait(operations)
    }

    /// Applies one command and returns when its commit is durable.
    pub(crate) fn submit_one(&self, command: impl Command + 'static) -> Outcome {
        let mut outcomes = self.submit(vec![Arc::new(command)], Grouping::Independent)?;
        outcomes.pop().unwrap_or_else(|| Err(Status::Internal.into()))
    }

    /// Applies operations of any components in one commit and returns when it is durable. With
    /// [`Grouping::Atomic`] one refusal means that none is applied.
    ///
    /// # Errors
    /// `TooBig`, `Busy`, `Closed`, `Poisoned`, `Forked`: none was applied. `Unknown` when lnkeep met a bug of
    /// its own and had no memory for the outcomes.
    pub fn apply(&self, operations: Vec<Operation>, grouping: Grouping) -> Result<Vec<Outcome>> {
        let commands = operations.into_iter().map(|operation| operation.0).collect();
        self.submit(commands, grouping)
    }

    /// Accepts commands and gives their outcomes to `answer` on the writer thread.
    pub(crate) fn submit_async(
        &self,
        commands: Vec<Arc<dyn Command>>,
        grouping: Grouping,
        answer: Answer,
    ) -> Result<()> {
        self.check_usable()?;
        if commands.is_empty() {
            answer(Vec::new());
            return Ok(());
        }
        let operations = commands.len();
        let bytes = commands.iter().map(|command| command.submission_bytes());
        let bytes = bytes.fold(0, u64::saturating_add);
        if operations > BATCH_OPS_MAX || bytes > BATCH_BYTES_MAX as u64 {
            return Err(Error::new(
                Status::TooBig,
                format!(
                    "{operations} operations, {bytes} bytes; at most {BATCH_OPS_MAX} and {BATCH_BYTES_MAX}"
                ),
            ));
        }
        self.core.queue.push(Submission::new(commands, grouping, answer)?)
    }

    /// Runs a read on one consistent view.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&View<'_>) -> Result<T>) -> Result<T> {
        self.check_usable()?;
        read(&View(self.core.env.read()?))
    }

    /// Whether the writer last found the disk, or the map, full but for its reserve. It looks again then, so
    /// that a store in which nothing happens notices when space was freed.
    pub(crate) fn is_short_of_space(&self) -> bool {
        let is_short = self.core.space_is_short.load(Ordering::Relaxed);
        if is_short {
            let looks_again = Submission::barrier(Lane::Urgent, Box::new(drop));
            drop(self.core.queue.push(looks_again));
        }
        is_short
    }

    /// The store's one instance of a component, made by `make` unless somebody holds it.
    pub(crate) fn component<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        self.component_unless(|_| false, make)
    }

    /// As [`Store::component`], but an instance that is `over` is replaced by a new one.
    pub(crate) fn component_unless<T: Any + Send + Sync>(
        &self,
        over: impl FnOnce(&T) -> bool,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let mut components = self.components.lock();
        if let Some(known) = components.get(&TypeId::of::<T>()).and_then(Weak::upgrade) {
            let known: Arc<T> = known.downcast().map_err(|_| Error::from(Status::Internal))?;
            if !over(&known) {
                return Ok(known);
            }
        }
        let made = Arc::new(make()?);
        let weak: Weak<dyn Any + Send + Sync> = Arc::<T>::downgrade(&made);
        components.insert(TypeId::of::<T>(), weak);
        Ok(made)
    }

    pub(crate) fn on_commit(&self, listener: Weak<dyn CommitListener>) {
        let mut listeners = self.core.listeners.write();
        listeners.retain(|known| known.strong_count() != 0);
        listeners.push(listener);
    }

    /// Refuses calls of a forked child and calls on a store that cannot go on.
    pub(crate) fn check_usable(&self) -> Result<()> {
        refuse_forked_child()?;
        match self.core.poison() {
            Some(poison) => Err(poison),
            None => Ok(()),
        }
    }

    /// As [`Store::check_usable`], and whether calls are still taken: for what is answered from memory.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.check_usable()?;
        if self.core.queue.is_closing() { Err(Status::Closed.into()) } else { Ok(()) }
    }

    /// Makes the next batch meet a fault, or takes back a fault that no batch met.
    #[cfg(feature = "failpoints")]
    pub fn inject(&self, fault: Option<Fault>) {
        self.core.failpoints.arm(fault.map(|fault| (0, fault)));
    }

    /// Makes a later batch meet a fault, after so many that go well.
    #[cfg(feature = "failpoints")]
    pub fn inject_after(&self, batches: u64, fault: Fault) {
        self.core.failpoints.arm(Some((batches, fault)));
    }

    /// Whether an injected fault still waits for its batch.
    #[cfg(feature = "failpoints")]
    pub fn is_injected(&self) -> bool {
        self.core.failpoints.is_armed()
    }

    /// Ends the store as a crash would: what was not committed is lost, nothing is marked as clean.
    #[cfg(feature = "failpoints")]
    pub fn crash(&self) {
        self.core.set_poison(&Error::new(Status::Io, "crashed by a test"));
        self.stop_writer();
        self.core.env.close();
        self.place.lock().take();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if !os::is_forked_child() {
            drop(self.close());
        }
    }
}

/// Runs what extends files on a thread that takes no signal: with a low RLIMIT_FSIZE the kernel would end
/// the host by SIGXFSZ where a refused extension is meant.
pub(crate) fn on_a_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = mpsc::channel();
    let thread = os::spawn_without_signals(name, move || sender.send(work()).unwrap_or_default())
        .map_err(|error| Error::io(Status::Io, &error, "starting a thread"))?;
    let answer = receiver.recv().unwrap_or_else(|_| Err(Status::Internal.into()));
    // The thread is gone when the host gets its answer: it finds no thread in its process that it did not
    // start, but the writer.
    drop(thread.join());
    answer
}

pub(crate) fn refuse_forked_child() -> Result<()> {
    if os::is_forked_child() { Err(Status::Forked.into()) } else { Ok(()) }
}

/// Where a blocked caller waits for its outcomes.
#[derive(Default)]
struct Slot {
    filling: Mutex<Option<Filling>>,
    filled: parking_lot::Condvar,
}

/// What a blocked caller is told.
enum Filling {
    Outcomes(Vec<Outcome>),
    /// Nobody will answer any more.
    Lost,
}

impl Slot {
    /// The first answer stays the answer.
    fn fill(&self, filling: Filling) {
        self.filling.lock().get_or_insert(filling);
        self.filled.notify_one();
    }

    fn wait(&self, operations: usize) -> Result<Vec<Outcome>> {
        let mut filling = self.filling.lock();
        loop {
            match filling.take() {
                Some(Filling::Outcomes(outcomes)) => return Ok(outcomes),
                Some(Filling::Lost) => return lost(operations),
                None => self.filled.wait(&mut filling),
            }
        }
    }
}

/// Outcomes of a submission whose own were lost.
fn lost(operations: usize) -> Result<Vec<Outcome>> {
    let unknown = || Error::new(Status::Unknown, "the writer thread lost the submission");
    let mut outcomes = with_room(operations).map_err(|_| unknown())?;
    outcomes.resize_with(operations, || Err(unknown()));
    Ok(outcomes)
}

/// The writer's end of a slot: a submission that is lost without an answer is answered UNKNOWN, so that no
/// caller waits for ever.
struct Filler {
    slot: Arc<Slot>,
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.slot.fill(Filling::Lost);
    }
}
