//! A real store whose resources are closed, crashed and compared with what was remembered of them.
//!
//! What is allowed after a crash is kept as a list: the last state that somebody was told is durable, then
//! one per call since. Whatever is found must be in that list, whole (RX1).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::super::journal::{SIZES, Sizes};
use super::super::record::{ChannelRow, encode_channel};
use super::super::view;
use crate::resources::{ChannelView, PendingView, Resources, ResourcesOptions};
use crate::store::failpoints::Fault;
use crate::store::{Store, StoreOptions};
use crate::{Error, Result, ShortChannelId, Status};

/// The time of the first call.
pub(super) const START_SECS: u64 = 1_700_000_000;

pub(super) fn id(number: u64) -> ShortChannelId {
    ShortChannelId(number)
}

/// A number that the environment may set.
pub(super) fn chosen(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |number| number.parse().expect(name))
}

pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    pub(super) fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    pub(super) fn pick<T: Clone>(&mut self, among: &[T]) -> Option<T> {
        match among.len() as u64 {
            0 => None,
            count => Some(among[self.below(count) as usize].clone()),
        }
    }
}

/// Everything that can be seen, and everything that is stored: remainders, marks, resolutions.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    pub(super) channels: Vec<ChannelView>,
    pub(super) pending: Vec<PendingView>,
    rows: Vec<ChannelRow>,
}

impl Known {
    /// Looks past a poisoned store: what a failed call left in memory may be on disk.
    pub(super) fn of(resources: &Resources) -> Known {
        let engine = &resources.shared.engine;
        let settings = &engine.settings;
        let mut known = Known { channels: Vec::new(), pending: Vec::new(), rows: Vec::new() };
        let mut all = Vec::new();
        engine
            .shards
            .each(|shard| all.extend(shard.channels.values().map(|each| (**each).clone())));
        all.sort_unstable_by_key(|channel| channel.id);
        let added_at = |id| all.iter().find(|known| known.id == id).map(|known| known.added_at);
        // A pair that uses nothing and was last looked at for a channel that is gone is told no more, and
        // may be forgotten at any time.
        let is_told = |outgoing, used: bool, below: u64| {
            used || added_at(outgoing).is_some_and(|added_at| below > added_at)
        };
        for channel in &all {
            let mut seen = view::channel(settings, channel, START_SECS);
            seen.pairs
                .retain(|pair| is_told(pair.outgoing, !pair.used.is_empty(), pair.looked_below));
            known.channels.push(seen);
            let htlcs = channel.incoming.pending();
            known.pending.extend(htlcs.map(|htlc| view::pending(settings, channel.id, htlc)));
            let mut row =
                ChannelRow::decode(&encode_channel(channel, 0)).expect("a row reads back");
            row.pairs.retain(|(outgoing, (used, below))| is_told(*outgoing, *used != 0, *below));
            known.rows.push(ChannelRow { changed_below: 0, ..row });
        }
        known.pending.sort_unstable_by_key(|htlc| (htlc.outgoing, htlc.incoming, htlc.htlc_id));
        known
    }

    /// What differs, line by line, for a failed test.
    pub(super) fn difference(&self, other: &Known) -> String {
        let (one, two) = (format!("{self:#?}"), format!("{other:#?}"));
        let (one, two): (Vec<_>, Vec<_>) = (one.lines().collect(), two.lines().collect());
        let mut lines = vec![format!("{} lines and {}", one.len(), two.len())];
        let differing = one.iter().zip(&two).enumerate().filter(|(_, (one, two))| one != two);
        lines.extend(differing.map(|(at, (one, two))| format!("{at}: {one} | {two}")));
        lines.join("\n")
    }
}

/// Writes little at once and writes channels often, so that a crash finds every order of things.
pub(super) fn small_sizes() -> Sizes {
    Sizes {
        delay: Duration::from_micros(100),
        block_entries: 3,
        slice_bytes: 400,
        journal_bytes: 56 * 40,
        journal_per_channels: 0,
    }
}

pub(super) struct World {
    pub(super) directory: tempfile::TempDir,
    pub(super) store: Arc<Store>,
    pub(super) resources: Option<Resources>,
    pub(super) options: ResourcesOptions,
    /// What a crash may leave, the newest last.
    allowed: Vec<Known>,
    /// Crashes, and those that lost a call.
    pub(super) crashes: u64,
    pub(super) losses: u64,
}

impl World {
    pub(super) fn new(options: ResourcesOptions, sizes: Option<Sizes>) -> World {
        SIZES.set(sizes);
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let resources = Some(Resources::open(&store, options.clone()).unwrap());
        let mut world = World {
            directory,
            store,
            resources,
            options,
            allowed: Vec::new(),
            crashes: 0,
            losses: 0,
        };
        world.remember(true);
        world
    }

    pub(super) fn resources(&self) -> &Resources {
        self.resources.as_ref().expect("open")
    }

    pub(super) fn now(&self) -> &Known {
        self.allowed.last().expect("there is always a state")
    }

    /// Notes what is there after a call, and whether its caller may rely on it.
    pub(super) fn remember(&mut self, is_durable: bool) {
        let known = Known::of(self.resources());
        if is_durable {
            self.allowed.clear();
        }
        if self.allowed.last() != Some(&known) {
            self.allowed.push(known);
        }
    }

    /// Notes the end of a call; answers whether the store can go on.
    pub(super) fn called<T>(&mut self, answer: &Result<T>, is_durable: bool) -> bool {
        self.remember(is_durable && answer.is_ok());
        answer.as_ref().err().is_none_or(|error| !has_ended(error))
    }

    /// Ends the session as a crash does, or in order.
    pub(super) fn end(&mut self, crash: bool) -> Result<()> {
        if crash {
            self.store.crash();
        } else {
            self.store.inject(None);
        }
        let closed = self.resources.take().map_or(Ok(()), |resources| resources.close());
        let ended = self.store.close();
        if crash { Ok(()) } else { closed.and(ended) }
    }

    pub(super) fn open_store(&mut self) {
        self.store = open(self.directory.path());
    }

    pub(super) fn open_resources(&mut self) -> Result<()> {
        self.resources = Some(Resources::open(&self.store, self.options.clone())?);
        Ok(())
    }

    /// Starts a session and compares what it finds with what is allowed.
    pub(super) fn restart(&mut self, crash: bool) {
        let is_whole = self.end(crash).is_ok() && !crash;
        self.open_store();
        self.open_resources().unwrap();
        let found = Known::of(self.resources());
        if let Err(why) = self.judge(&found, is_whole) {
            panic!("{why}");
        }
        self.crashes += u64::from(crash);
        self.losses += u64::from(self.now() != &found);
        self.allowed = vec![found];
    }

    /// Whether a state may be found, after an end that lost nothing or after another one.
    pub(super) fn judge(&self, found: &Known, is_whole: bool) -> Result<(), String> {
        let allowed =
            if is_whole { &self.allowed[self.allowed.len() - 1..] } else { &self.allowed };
        if allowed.contains(found) {
            return Ok(());
        }
        let all: Vec<_> = allowed.iter().map(|known| known.difference(found)).collect();
        let closest = all.iter().min_by_key(|text| text.len()).expect("something is allowed");
        let shown: String = closest.chars().take(2_000).collect();
        Err(format!("found is none of {} states; remembered | found: {shown}", all.len()))
    }

    /// The store's files, as they are after the session ended, somewhere else.
    pub(super) fn copy(&self) -> World {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (place(self.directory.path()), place(directory.path()));
        std::fs::create_dir(&to).unwrap();
        let mode = std::fs::metadata(&from).unwrap().permissions();
        std::fs::set_permissions(&to, mode).unwrap();
        for file in std::fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
        let store = open(directory.path());
        let options = self.options.clone();
        let (allowed, resources) = (self.allowed.clone(), None);
        World { directory, store, resources, options, allowed, crashes: 0, losses: 0 }
    }
}

fn place(directory: &Path) -> std::path::PathBuf {
    directory.join("store")
}

pub(super) fn open(directory: &Path) -> Arc<Store> {
    Store::open(place(directory), &StoreOptions::default()).unwrap()
}

/// Whether nothing but a new session helps.
pub(super) fn has_ended(error: &Error) -> bool {
    matches!(error.status(), Status::Poisoned | Status::Unknown | Status::Closed | Status::Io)
}

/// A fault that the disk may have at a commit.
pub(super) fn fault(dice: &mut Dice) -> Fault {
    match dice.below(8) {
        0 | 1 => Fault::CommitFailsBefore,
        2 | 3 => Fault::CommitFailsAfter,
        4 => Fault::WriteFails(dice.below(4)),
        5 => Fault::NoSpaceAfter,
        _ => Fault::NoSpace,
    }
}
