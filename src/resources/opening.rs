//! Opening: the settings asked for, what the store holds under them, and the thread that writes.
//!
//! A division that a crash interrupted is ended before another one begins. Called by `mod`.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use parking_lot::Mutex;

use super::bucket::Allocation;
use super::decisions::Decisions;
use super::engine::Engine;
use super::journal::Journal;
use super::options::{ResourcesOptions, ResourcesReport};
use super::record::{STATE_KEY, State};
use super::scribe::{OnDisk, Scribe};
use super::shards::Shards;
use super::slots::NodeSalt;
use super::{End, Shared, load};
use crate::error::{Error, Result, Status};
use crate::os;
use crate::store::Store;
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Space};
use crate::store::tables::Table;

/// Loads what the store holds, under the settings asked for.
pub(super) fn begin(store: &Arc<Store>, options: &ResourcesOptions) -> Result<Shared> {
    // Asked for before anything is written: without memory the store is as it was.
    let room = Room::new(journal_entries(options))?;
    let (state, divided_anew) = settle_state(store, options)?;
    let loaded = store.read(|view| load::load(view, &state))?;
    let report = ResourcesReport {
        channels: loaded.channels.len() as u64,
        pending: loaded.channels.values().map(|known| known.incoming.pending_count() as u64).sum(),
        replayed: loaded.replayed,
        damaged: loaded.damaged,
        divided_anew,
    };
    let mut scribe = scribe(store, room, &state, loaded);
    if state.before.is_some() {
        scribe.write_channels()?;
        write_state(store, State { before: None, ..state.clone() })?;
    }
    let engine = Engine {
        settings: state.settings,
        salt: state.salt,
        only_watches: options.only_watches,
        shards: Arc::clone(&scribe.shards),
        journal: (!options.without_journal).then(|| Arc::clone(&scribe.journal)),
    };
    let thread = match options.without_journal {
        true => None,
        false => {
            let thread = os::spawn_without_signals("lnkeep-journal", move || scribe.run());
            Some(thread.map_err(|error| Error::io(Status::Io, &error, "starting a thread"))?)
        }
    };
    Ok(Shared {
        // The salt is in the engine, and nowhere else.
        options: ResourcesOptions { entropy: None, ..options.clone() },
        report,
        engine,
        decisions: Decisions::new(options.decisions_kept),
        handles: AtomicU32::new(0),
        end: Mutex::new(End { thread, ..End::default() }),
    })
}

/// Entries of a journal that nobody reads, or that comes to hold none.
const UNREAD_JOURNAL_ENTRIES: u32 = 4;

/// Calls that may wait for the disk.
fn journal_entries(options: &ResourcesOptions) -> u32 {
    match options.without_journal {
        true => UNREAD_JOURNAL_ENTRIES,
        false => options.journal_entries_max.max(4),
    }
}

/// What is large whatever the store holds.
struct Room {
    journal: Journal,
    shards: Shards,
}

impl Room {
    /// # Errors
    /// `Busy` without memory for it.
    fn new(journal_entries: u32) -> Result<Room> {
        Ok(Room { journal: Journal::new(journal_entries)?, shards: Shards::new()? })
    }
}

fn scribe(store: &Arc<Store>, room: Room, state: &State, loaded: load::Loaded) -> Scribe {
    let channels = loaded.channels.len().max(1) as u64;
    let each = loaded.row_bytes / channels;
    let rows = loaded.rows.into_iter().map(|id| (id, each));
    let on_disk = OnDisk::new(loaded.blocks, rows);
    let Room { mut journal, shards } = room;
    journal.begin_at(loaded.next);
    for mut channel in loaded.channels.into_values() {
        if state.before.is_some() {
            channel.stored_below = 0;
        }
        shards.insert(channel);
    }
    Scribe {
        journal: Arc::new(journal),
        shards: Arc::new(shards),
        store: Arc::clone(store),
        on_disk,
        division: state.division,
        unwritten: Vec::new(),
    }
}

/// The row of settings after it is what `options` ask for, and whether channels have to be divided anew.
fn settle_state(store: &Arc<Store>, options: &ResourcesOptions) -> Result<(State, bool)> {
    let Some(state) = store.read(load::state)? else {
        let salt = new_salt(options)?;
        let settings = options.settings;
        let state = State { salt, settings, division: 0, before: None };
        write_state(store, state.clone())?;
        return Ok((state, false));
    };
    if state.settings == options.settings {
        let is_dividing = state.before.is_some();
        return Ok((state, is_dividing));
    }
    if state.settings.mode != options.settings.mode && !options.convert {
        let fact = "the resources of this store have another mode; set convert to change it";
        return Err(Error::new(Status::WrongMode, fact));
    }
    let before = finish_division(store, state)?;
    let loaded = store.read(|view| load::load(view, &before))?;
    for channel in loaded.channels.values() {
        Allocation::new(&options.settings, channel.incoming.limits)?;
    }
    let state = State {
        salt: before.salt.clone(),
        settings: options.settings,
        division: before.division.wrapping_add(1),
        before: Some(before.settings),
    };
    write_state(store, state.clone())?;
    Ok((state, true))
}

/// Ends a division that a crash interrupted, before another one begins.
fn finish_division(store: &Arc<Store>, state: State) -> Result<State> {
    if state.before.is_none() {
        return Ok(state);
    }
    let room = Room::new(UNREAD_JOURNAL_ENTRIES)?;
    let loaded = store.read(|view| load::load(view, &state))?;
    scribe(store, room, &state, loaded).write_channels()?;
    let state = State { before: None, ..state };
    write_state(store, state.clone())?;
    Ok(state)
}

fn new_salt(options: &ResourcesOptions) -> Result<NodeSalt> {
    let mut salt = [0; 32];
    match options.entropy {
        Some(entropy) => salt = entropy,
        None => getrandom::fill(&mut salt)
            .map_err(|error| Error::new(Status::Io, format!("drawing a salt: {error}")))?,
    }
    let made = NodeSalt::new(salt);
    zeroize::Zeroize::zeroize(&mut salt);
    Ok(made)
}

struct WriteState(State);

impl Command for WriteState {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let mut body = self.0.encode();
        let written = batch.put(Table::ResourcesState, STATE_KEY, &body);
        zeroize::Zeroize::zeroize(&mut body);
        written?;
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 256 }
    }

    fn space(&self) -> Space {
        Space::Grows
    }
}

fn write_state(store: &Arc<Store>, state: State) -> Result<()> {
    store.submit_one(WriteState(state)).map(drop)
}
