//! Opens a directory's files: claims the place, trusts nothing that was not walked, starts a new epoch.
//!
//! N1 nothing is written before the files are known to be ours, sound, of this format and this mode.
//! N2 an open answers only after the commit of its epoch is durable, so that what a crash left undecided is
//! decided. N3 a failed open leaves the files as they were. Called by `store`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::batch::{Batch, Cost, Rows, View, readable};
use super::env::{EngineError, Env};
#[cfg(feature = "failpoints")]
use super::failpoints::Failpoints;
use super::heads::{HEADS_KEY, Heads};
use super::meta::{META_KEY, Meta, Modes};
use super::options::{EventSettings, OpenReport, StoreOptions};
use super::page_file::PageFile;
use super::place::Place;
use super::queue::Queue;
use super::space::{Allocation, Room};
use super::stats::Durations;
use super::tables::{self, Table};
use super::walk;
use super::writer::Writer;
use super::{Core, Store, blob, check, copy};
use crate::error::{Error, Result, Status};
use crate::os::{self, FileIdentity, FileSystem};

/// Depth assumed for the commit of an open, which writes two rows of one table.
const DEPTH_AT_OPEN: u64 = 6;

/// Opens the store of a directory, creating it when there is none.
pub(super) fn open(path: &Path, options: &StoreOptions) -> Result<Arc<Store>> {
    let absent = || path.join("data.mdb").try_exists().is_ok_and(|there| !there);
    if options.must_exist && absent() {
        return Err(Error::new(Status::NotFound, format!("{} holds no store", path.display())));
    }
    let place = Place::claim(path, options.any_file_system)?;
    let created = place.is_new()?;
    if created {
        place.create(|aside| create_files(aside, options))?;
    } else {
        place.finish_interrupted()?;
    }
    Opening::read(place, options, created)?.start()
}

fn create_files(directory: &Path, options: &StoreOptions) -> Result<()> {
    let env = Env::create(directory, options.map_bytes_or_default())?;
    let modes = Modes(if options.lnd_compat { Modes::LND_COMPAT } else { 0 });
    let meta = Meta::new(random_id(options)?, modes);
    commit_meta(&env, Heads::default(), meta)?;
    env.close();
    Ok(())
}

/// Makes heads and meta durable in files that no writer thread serves.
pub(super) fn commit_meta(env: &Env, heads: Heads, meta: Meta) -> Result<()> {
    let clock = heads.clock;
    let mut batch = Batch::new(env.write()?, heads, meta, clock, EventSettings::default());
    batch.change_meta(|_| ());
    batch.finish()?.commit().map_err(EngineError::at_the_end)?;
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
        let mut identity = place.lock_data()?;
        let pages = PageFile::open(&place.data_file())?;
        let stored = walk::stored_meta(&pages)?;
        next_meta(&stored, identity, place.remembered()?, options)?;
        let is_known = stored.clean && place.is_untouched();
        if options.verify_always || options.compact || !is_known {
            walk::walk(&pages, &mut walk::NoReferences)?.refuse()?;
        }
        let map_bytes = options.map_bytes_for(pages.used_bytes());
        drop(pages);
        let compacted = options.compact && copy::compact(&mut place, map_bytes)?;
        if compacted {
            identity = place.data_identity()?;
        }
        let env = Env::open(&place.directory, map_bytes)?;
        let (mut heads, stored) = read_meta(&env)?;
        let meta = next_meta(&stored, identity, place.remembered()?, options)?;
        if meta.doubt_below_epoch > stored.doubt_below_epoch {
            heads.jump(Table::Events);
            heads.jump(Table::MonitorOutputs);
        }
        let allocation = Allocation::at_open(&env, &env.facts()?)?;
        let report = OpenReport {
            store_id: meta.store_id,
            epoch: meta.epoch,
            created,
            unclean: !stored.clean,
            compacted,
            copied: meta.copied,
            restored: meta.restored,
            on_tmpfs: place.file_system == FileSystem::Tmpfs,
            on_overlay: place.file_system == FileSystem::Overlay,
            clock: heads.clock,
        };
        let core = new_core(env, identity, options, &heads);
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
        check::register(&core);
        let writer = Writer::new(Arc::clone(&core), last, allocation);
        let thread = os::spawn_without_signals("lnkeep-writer", move || writer.run())
            .map_err(|error| Error::io(Status::Io, &error, "starting the writer thread"))?;
        let store = Arc::new(Store {
            core,
            writer: Mutex::new(Some(thread)),
            place: Mutex::new(Some(place)),
            report,
            doubt_below_epoch,
            lnd_compat,
            components: Mutex::default(),
            journals: Mutex::default(),
        });
        blob::sweep_orphans(&store)?;
        Ok(store)
    }
}

fn new_core(env: Env, identity: FileIdentity, options: &StoreOptions, heads: &Heads) -> Core {
    Core {
        env,
        identity,
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
        blob_generation: AtomicU64::new(blob::next_generation(
            &heads.of(Table::BlobChunks).last_key,
        )),
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

pub(super) fn read_meta(env: &Env) -> Result<(Heads, Meta)> {
    let view = View(env.read()?);
    let damaged =
        |what: &str| Error::new(Status::CorruptStore, format!("the {what} row is damaged"));
    let body = |key: &[u8], what: &str| {
        readable(view.row(Table::Meta, key))?.flatten().ok_or_else(|| damaged(what))
    };
    let meta = Meta::decode(&body(META_KEY, "meta")?)?;
    let heads = Heads::decode(&body(HEADS_KEY, "heads")?).ok_or_else(|| damaged("heads"))?;
    for spec in tables::SPECS.iter().filter(|spec| spec.table != Table::Meta) {
        let stat = view.snapshot().stat(spec.table)?;
        let (rows, depth) = (stat.ms_entries as u64, stat.ms_depth);
        let counted = heads.of(spec.table).rows;
        if rows != counted {
            return Err(Error::new(
                Status::CorruptStore,
                format!("table {} has {rows} rows and its head says {counted}", spec.name),
            ));
        }
        // LMDB counts on from it, and the next walk would refuse what it then says.
        if depth > u32::from(walk::DEPTH_MAX) || (rows == 0) != (depth == 0) {
            return Err(Error::new(
                Status::CorruptStore,
                format!("table {} has {rows} rows and claims a depth of {depth}", spec.name),
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
