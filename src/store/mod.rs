//! The store: one LMDB environment, one writer thread, many readers.
//!
//! Invariants are numbered in the files that keep them: `place` P, `env` L, `space` S, `queue` Q, `batch` C,
//! `writer` G, `heads` H, `meta` M, `record` R, `tables` B. Above all of them:
//! D1 nothing is acknowledged before it is durable. D2 a refused call changes nothing. D3 after a commit of
//! unknown outcome the store answers POISONED until it is opened again.
//! Called by `events` and the components; knows nothing of what their rows mean.

pub(crate) mod batch;
pub(crate) mod bytes;
#[allow(unsafe_code)]
mod env;
#[cfg(feature = "failpoints")]
pub mod failpoints;
pub(crate) mod heads;
pub(crate) mod meta;
mod options;
mod pages;
mod place;
mod queue;
pub(crate) mod record;
mod space;
mod stats;
pub mod tables;
#[cfg(test)]
mod tests;
mod walk;
mod writer;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use parking_lot::{Mutex, RwLock};

use self::batch::{Batch, Command, Committed, Cost, Lane, Rows, View};
use self::env::Env;
#[cfg(feature = "failpoints")]
use self::failpoints::{Failpoints, Fault};
use self::heads::{HEADS_KEY, Heads};
use self::meta::{META_KEY, Meta, Modes};
use self::place::Place;
use self::queue::{Answer, Queue, Submission};
use self::space::{Allocation, Room};
use self::stats::Durations;
use self::tables::Table;
use self::writer::Writer;
use crate::error::{Error, Result, Status};
use crate::limits::{BATCH_BYTES_MAX, BATCH_OPS_MAX};
use crate::os::{self, FileIdentity, FileSystem};
use crate::types::Clock;

pub use self::batch::{Outcome, Reply};
pub(crate) use self::options::EventSettings;
pub use self::options::{OpenReport, StoreOptions};
pub use self::queue::Grouping;
pub use self::stats::Stats;

/// Depth assumed for the commit of an open, which writes two rows of one table.
const DEPTH_AT_OPEN: u64 = 6;

/// Told after each commit, on the writer thread; must be short.
pub(crate) trait CommitListener: Send + Sync {
    fn committed(&self, heads: &Heads);
    /// The store was closed or poisoned: nothing will be committed any more.
    fn ended(&self);
}

/// What the store and its writer thread share.
pub(crate) struct Core {
    env: Env,
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
        Ok(batch.finish()?.commit()?)
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
        // A thread of its own takes no signal: with a low RLIMIT_FSIZE the kernel would end the host by
        // SIGXFSZ where a refused extension is meant.
        let (sender, receiver) = mpsc::channel();
        let open = move || sender.send(open_files(&path, &options)).unwrap_or_default();
        os::spawn_without_signals("lnkeep-open", open)
            .map_err(|error| Error::io(Status::Io, &error, "starting a thread"))?;
        receiver.recv().unwrap_or_else(|_| Err(Status::Internal.into()))
    }

    /// What the open found.
    pub fn report(&self) -> OpenReport {
        self.report
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
    /// `Poisoned` when an earlier commit failed; the files are released all the same.
    pub fn close(&self) -> Result<()> {
        refuse_forked_child()?;
        self.stop_writer();
        self.core.env.close();
        self.place.lock().take();
        self.core.tell_end();
        match self.core.poison() {
            Some(poison) => Err(poison),
            None => Ok(()),
        }
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

    /// Returns when everything accepted before it is durable.
    ///
    /// # Errors
    /// `Unknown` or `Poisoned` when a commit before it failed; `Closed`, `Forked`.
    pub fn sync(&self) -> Result<()> {
        self.check_usable()?;
        let (sender, receiver) = mpsc::channel();
        for lane in [Lane::Urgent, Lane::Bulk] {
            let sender = sender.clone();
            let answer = Box::new(move |_| sender.send(()).unwrap_or_default());
            self.core.queue.push(Submission::barrier(lane, answer))?;
        }
        drop(sender);
        while receiver.recv().is_ok() {}
        self.check_usable()
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
        let filler = Filler { slot: Arc::clone(&slot), operations: commands.len() };
        let answer = Box::new(move |outcomes| filler.slot.fill(outcomes));
        self.submit_async(commands, grouping, answer)?;
        Ok(slot.wait())
    }

    /// Applies one command and returns when its commit is durable.
    pub(crate) fn submit_one(&self, command: impl Command + 'static) -> Outcome {
        let mut outcomes = self.submit(vec![Arc::new(command)], Grouping::Independent)?;
        outcomes.pop().unwrap_or_else(|| Err(Status::Internal.into()))
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
        let submission = Submission::new(commands, grouping, answer);
        let (operations, bytes) = (submission.commands.len(), submission.cost().bytes);
        if operations > BATCH_OPS_MAX || bytes > BATCH_BYTES_MAX as u64 {
            return Err(Error::new(
                Status::TooBig,
                format!(
                    "{operations} operations, {bytes} bytes; at most {BATCH_OPS_MAX} and {BATCH_BYTES_MAX}"
                ),
            ));
        }
        self.core.queue.push(submission)
    }

    /// Runs a read on one consistent view.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&View<'_>) -> Result<T>) -> Result<T> {
        self.check_usable()?;
        read(&View(self.core.env.read()?))
    }

    /// The store's one instance of a component, made by `make` unless somebody holds it.
    pub(crate) fn component<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let mut components = self.components.lock();
        if let Some(known) = components.get(&TypeId::of::<T>()).and_then(Weak::upgrade) {
            return known.downcast().map_err(|_| Status::Internal.into());
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

    /// Makes the next batch meet a fault, or takes back a fault that no batch met.
    #[cfg(feature = "failpoints")]
    pub fn inject(&self, fault: Option<Fault>) {
        self.core.failpoints.arm(fault);
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

fn refuse_forked_child() -> Result<()> {
    if os::is_forked_child() { Err(Status::Forked.into()) } else { Ok(()) }
}

/// Where a blocked caller waits for its outcomes.
#[derive(Default)]
struct Slot {
    outcomes: Mutex<Option<Vec<Outcome>>>,
    filled: parking_lot::Condvar,
}

impl Slot {
    fn fill(&self, outcomes: Vec<Outcome>) {
        self.outcomes.lock().get_or_insert(outcomes);
        self.filled.notify_one();
    }

    fn wait(&self) -> Vec<Outcome> {
        let mut outcomes = self.outcomes.lock();
        loop {
            match outcomes.take() {
                Some(outcomes) => return outcomes,
                None => self.filled.wait(&mut outcomes),
            }
        }
    }
}

/// The writer's end of a slot: a submission that is lost without an answer is answered UNKNOWN, so that no
/// caller waits for ever.
struct Filler {
    slot: Arc<Slot>,
    operations: usize,
}

impl Drop for Filler {
    fn drop(&mut self) {
        let lost = || Err(Error::new(Status::Unknown, "the writer thread lost the submission"));
        self.slot.fill((0..self.operations).map(|_| lost()).collect());
    }
}

fn open_files(path: &Path, options: &StoreOptions) -> Result<Arc<Store>> {
    let absent = || path.join("data.mdb").try_exists().is_ok_and(|there| !there);
    if options.must_exist && absent() {
        return Err(Error::new(Status::NotFound, format!("{} holds no store", path.display())));
    }
    let place = Place::claim(path, options.any_file_system)?;
    let created = place.is_new()?;
    if created {
        place.create(|aside| create_files(aside, options))?;
    }
    Opening::read(place, options, created)?.start()
}

fn create_files(directory: &Path, options: &StoreOptions) -> Result<()> {
    let env = Env::create(directory, options.map_bytes_or_default())?;
    let modes = Modes(if options.lnd_compat { Modes::LND_COMPAT } else { 0 });
    let meta = Meta::new(random_id(options)?, modes);
    let txn = env.write()?;
    let events = EventSettings::default();
    let mut batch = Batch::new(txn, Heads::default(), meta, Clock::default(), events);
    batch.change_meta(|_| ());
    batch.finish()?.commit()?;
    env.close();
    Ok(())
}

fn random_id(options: &StoreOptions) -> Result<[u8; 16]> {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};
    let seed = match options.seed {
        Some(seed) => seed,
        None => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed)
                .map_err(|error| Error::new(Status::Io, format!("no randomness: {error}")))?;
            seed
        }
    };
    let mut id = [0; 16];
    ChaCha20Rng::from_seed(seed).fill_bytes(&mut id);
    Ok(id)
}

/// A store whose files were read and whose writer has not started.
struct Opening {
    place: Place,
    core: Core,
    heads: Heads,
    meta: Meta,
    allocation: Allocation,
    report: OpenReport,
}

impl Opening {
    fn read(mut place: Place, options: &StoreOptions, created: bool) -> Result<Opening> {
        let data_file = place.data_file();
        let identity = place.lock_data()?;
        walk::preflight(&data_file)?;
        if options.verify_always || !walk::ended_cleanly(&data_file)? {
            walk::refuse(&walk::walk(&data_file)?)?;
        }
        let env = Env::open(&place.directory, options.map_bytes_or_default())?;
        let (mut heads, stored) = read_meta(&env)?;
        let meta = next_meta(&stored, identity, place.remembered()?, options)?;
        if meta.doubt_below_epoch > stored.doubt_below_epoch {
            heads.jump(Table::Events);
        }
        let allocation = Allocation::at_open(&env, &env.facts()?)?;
        let report = OpenReport {
            store_id: meta.store_id,
            epoch: meta.epoch,
            created,
            unclean: !stored.clean,
            copied: meta.copied,
            restored: meta.restored,
            on_tmpfs: place.file_system == FileSystem::Tmpfs,
            on_overlay: place.file_system == FileSystem::Overlay,
            clock: heads.clock,
        };
        let core = new_core(env, options, &heads);
        Ok(Opening { place, core, heads, meta, allocation, report })
    }

    /// Makes the epoch durable, then starts the writer thread.
    fn start(self) -> Result<Arc<Store>> {
        let Opening { place, core, heads, meta, mut allocation, report } = self;
        let cost = Cost { rows: 2, bytes: 4096 };
        let room = allocation.make_room(&core.env, &core.env.facts()?, DEPTH_AT_OPEN, cost);
        if room == Room::None {
            return Err(Error::os(
                Status::NoSpace,
                libc::ENOSPC,
                "no disk space for the commit of an open; free some and open again",
            ));
        }
        let last = core.commit_meta(&heads, &meta, |_| ())?;
        place.remember(last.meta.store_id, last.meta.epoch)?;
        core.commit_number.store(last.heads.commit_number, Ordering::Relaxed);
        core.allocated_bytes.store(allocation.bytes(), Ordering::Relaxed);
        let lnd_compat = meta.modes.lnd_compat();
        let doubt_below_epoch = meta.doubt_below_epoch;
        let core = Arc::new(core);
        let writer = Writer::new(Arc::clone(&core), last, allocation);
        let thread = os::spawn_without_signals("lnkeep-writer", move || writer.run())
            .map_err(|error| Error::io(Status::Io, &error, "starting the writer thread"))?;
        Ok(Arc::new(Store {
            core,
            writer: Mutex::new(Some(thread)),
            place: Mutex::new(Some(place)),
            report,
            doubt_below_epoch,
            lnd_compat,
            components: Mutex::default(),
        }))
    }
}

fn new_core(env: Env, options: &StoreOptions, heads: &Heads) -> Core {
    Core {
        env,
        queue: Queue::new(options.queue_operations_max_or_default()),
        events: options.event_settings(),
        map_bytes_max: options.map_bytes_max_or_default(),
        poison: RwLock::new(None),
        poisoned: AtomicBool::new(false),
        clock_unix_ms: AtomicU64::new(heads.clock.unix_ms),
        clock_block_height: AtomicU32::new(heads.clock.block_height),
        listeners: RwLock::default(),
        commit_durations: Durations::new(),
        commits: AtomicU64::new(0),
        commit_number: AtomicU64::new(heads.commit_number),
        operations: AtomicU64::new(0),
        operations_refused: AtomicU64::new(0),
        allocated_bytes: AtomicU64::new(0),
        space_is_short: AtomicBool::new(false),
        map_growths: AtomicU64::new(0),
        stale_readers_cleared: AtomicU64::new(0),
        #[cfg(feature = "failpoints")]
        failpoints: Failpoints::default(),
    }
}

fn read_meta(env: &Env) -> Result<(Heads, Meta)> {
    let view = View(env.read()?);
    let damaged =
        |what: &str| Error::new(Status::CorruptStore, format!("the {what} row is damaged"));
    let body = |key: &[u8], what: &str| match view.row(Table::Meta, key) {
        Ok(Some(body)) => Ok(body),
        Ok(None) | Err(_) => Err(damaged(what)),
    };
    let meta = Meta::decode(&body(META_KEY, "meta")?)?;
    let heads = Heads::decode(&body(HEADS_KEY, "heads")?).ok_or_else(|| damaged("heads"))?;
    for spec in tables::SPECS.iter().filter(|spec| spec.table != Table::Meta) {
        let rows = view.snapshot().stat(spec.table)?.ms_entries as u64;
        let counted = heads.of(spec.table).rows;
        if rows != counted {
            return Err(Error::new(
                Status::CorruptStore,
                format!("table {} has {rows} rows and its head says {counted}", spec.name),
            ));
        }
    }
    Ok((heads, meta))
}

/// The meta row of the new epoch, or why the store must not be opened.
fn next_meta(
    stored: &Meta,
    identity: FileIdentity,
    remembered: Option<([u8; 16], u64)>,
    options: &StoreOptions,
) -> Result<Meta> {
    if options.expected_store_id.is_some_and(|expected| expected != stored.store_id) {
        return Err(Error::new(Status::RolledBack, "this is another store than the expected one"));
    }
    if stored.epoch < options.epoch_min {
        return Err(Error::new(
            Status::RolledBack,
            format!(
                "the store was last opened in epoch {} and the host remembers {}; an old copy is in place",
                stored.epoch, options.epoch_min
            ),
        ));
    }
    if stored.modes.lnd_compat() != options.lnd_compat && !options.convert {
        return Err(Error::new(
            Status::WrongMode,
            "the store was created with another lnd_compat; set convert to change it",
        ));
    }
    let mut meta = stored.clone();
    meta.epoch = meta
        .epoch
        .checked_add(1)
        .ok_or_else(|| Error::new(Status::CorruptStore, "the epoch is exhausted"))?;
    let other = remembered.is_some_and(|(store_id, _)| store_id != stored.store_id);
    let copied = other || !meta.is_same_file(identity);
    let restored = !other && remembered.is_some_and(|(_, epoch)| epoch > stored.epoch);
    if copied || restored {
        meta.doubt_below_epoch = meta.epoch;
    }
    meta.copied |= copied;
    meta.restored |= restored;
    meta.modes = Modes(if options.lnd_compat { Modes::LND_COMPAT } else { 0 });
    meta.identity = identity;
    meta.clean = false;
    Ok(meta)
}
