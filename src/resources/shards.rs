//! All channels, divided over locks so that calls about different channels do not wait for each other.
//!
//! RH1 whoever needs two locks takes the one of the lower shard first. RH2 a channel is changed, and its
//! entry numbered, under its lock. RH3 a panic while a lock is held ends the handle: nothing more is decided
//! from what may be half changed. RH4 once closed, no lock is given for a change any more, and whoever closes
//! passes every lock: no change comes after that. Called by `engine`, `journal`, `view`.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering};

use foldhash::fast::RandomState;
use parking_lot::{Mutex, MutexGuard};

use super::apply::{Rules, apply_incoming, apply_outgoing};
use super::channel::{Channel, Incoming};
use super::decide::Sides;
use super::entry::{Effects, Entry};
use crate::error::{Error, Result, Status};
use crate::memory::slice_of;
use crate::types::ShortChannelId;

const SHARDS: usize = 256;

/// What was counted under a shard's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) forwarded: u64,
    pub(super) failed: u64,
    pub(super) would_fail: u64,
    pub(super) repeated: u64,
    pub(super) resolved: u64,
    pub(super) clock_clamped: u64,
    /// The latest time that a call of this shard named.
    pub(super) latest_unix_secs: u64,
}

impl Counts {
    pub(super) fn note_time(&mut self, unix_secs: u64) {
        if unix_secs < self.latest_unix_secs {
            self.clock_clamped += 1;
        }
        self.latest_unix_secs = self.latest_unix_secs.max(unix_secs);
    }

    fn sum(self, other: Counts) -> Counts {
        Counts {
            forwarded: self.forwarded + other.forwarded,
            failed: self.failed + other.failed,
            would_fail: self.would_fail + other.would_fail,
            repeated: self.repeated + other.repeated,
            resolved: self.resolved + other.resolved,
            clock_clamped: self.clock_clamped + other.clock_clamped,
            latest_unix_secs: self.latest_unix_secs.max(other.latest_unix_secs),
        }
    }
}

#[derive(Default)]
pub(super) struct Shard {
    pub(super) channels: HashMap<ShortChannelId, Box<Channel>, RandomState>,
    pub(super) counts: Counts,
}

#[repr(align(128))]
#[derive(Default)]
struct Apart(Mutex<Shard>);

pub(super) struct Shards {
    shards: Box<[Apart]>,
    hasher: RandomState,
    /// [`BROKEN`], [`CLOSED`].
    state: AtomicU32,
}

const BROKEN: u32 = 1;
const CLOSED: u32 = 2;

/// One locked shard, or two.
pub(super) struct Held<'shards> {
    /// The first field, so that it is dropped before the locks are free.
    _tripwire: Tripwire<'shards>,
    first: MutexGuard<'shards, Shard>,
    /// The outgoing channel's, where it is another one.
    second: Option<MutexGuard<'shards, Shard>>,
}

/// Breaks the shards when a panic passes (RH3).
struct Tripwire<'shards> {
    state: &'shards AtomicU32,
    was_panicking: bool,
}

impl Drop for Tripwire<'_> {
    fn drop(&mut self) {
        if !self.was_panicking && std::thread::panicking() {
            self.state.fetch_or(BROKEN, Ordering::AcqRel);
        }
    }
}

/// The channels of one HTLC. A channel may forward to itself.
pub(super) enum Ends<'held> {
    Same(Option<&'held mut Channel>),
    Two(Option<&'held mut Channel>, Option<&'held mut Channel>),
}

impl Ends<'_> {
    pub(super) fn sides(&mut self) -> Sides<'_> {
        match self {
            Ends::Same(None) => Sides { incoming: None, outgoing: None },
            Ends::Same(Some(channel)) => {
                let Channel { is_closing, incoming, outgoing, .. } = &mut **channel;
                let (incoming, outgoing) = ((incoming, *is_closing), (outgoing, *is_closing));
                Sides { incoming: Some(incoming), outgoing: Some(outgoing) }
            }
            Ends::Two(incoming, outgoing) => {
                let incoming = incoming.as_deref_mut();
                let outgoing = outgoing.as_deref_mut();
                Sides {
                    incoming: incoming.map(|known| (&mut known.incoming, known.is_closing)),
                    outgoing: outgoing.map(|known| (&mut known.outgoing, known.is_closing)),
                }
            }
        }
    }

    pub(super) fn incoming(&self) -> Option<&Incoming> {
        match self {
            Ends::Same(known) | Ends::Two(known, _) => {
                known.as_deref().map(|known| &known.incoming)
            }
        }
    }

    pub(super) fn has_outgoing(&self) -> bool {
        match self {
            Ends::Same(known) | Ends::Two(_, known) => known.is_some(),
        }
    }

    /// Applies an entry to both channels.
    pub(super) fn apply(&mut self, rules: Rules<'_>, entry: &Entry, number: u64) {
        let below = number.saturating_add(1);
        match self {
            Ends::Same(None) => {}
            Ends::Same(Some(channel)) => {
                apply_incoming(rules, channel, entry, number);
                apply_outgoing(rules, &mut channel.outgoing, entry);
                channel.changed_below = below;
            }
            Ends::Two(incoming, outgoing) => {
                if let Some(channel) = incoming {
                    apply_incoming(rules, channel, entry, number);
                    channel.changed_below = below;
                }
                if let Some(channel) = outgoing {
                    apply_outgoing(rules, &mut channel.outgoing, entry);
                    channel.changed_below = below;
                }
            }
        }
    }

    /// Which of the channels would be gone once this HTLC is: closing, and used by nothing else.
    pub(super) fn gone_after(&self) -> Effects {
        let is_last = |channel: &Channel, incoming: usize, outgoing: u32| {
            channel.is_closing
                && channel.incoming.pending_count() == incoming
                && channel.outgoing.pending == outgoing
        };
        let effects = Effects::default();
        match self {
            Ends::Same(None) => effects,
            Ends::Same(Some(channel)) => {
                let gone = is_last(channel, 1, 1);
                effects.with(Effects::INCOMING_GONE, gone).with(Effects::OUTGOING_GONE, gone)
            }
            Ends::Two(incoming, outgoing) => {
                let incoming = incoming.as_deref().is_some_and(|known| is_last(known, 1, 0));
                let outgoing = outgoing.as_deref().is_some_and(|known| is_last(known, 0, 1));
                effects
                    .with(Effects::INCOMING_GONE, incoming)
                    .with(Effects::OUTGOING_GONE, outgoing)
            }
        }
    }
}

impl Held<'_> {
    /// Counters of the incoming channel's shard.
    pub(super) fn counts(&mut self) -> &mut Counts {
        &mut self.first.counts
    }

    pub(super) fn ends(&mut self, incoming: ShortChannelId, outgoing: ShortChannelId) -> Ends<'_> {
        if incoming == outgoing {
            return Ends::Same(self.first.channels.get_mut(&incoming).map(|known| &mut **known));
        }
        match &mut self.second {
            Some(second) => Ends::Two(
                self.first.channels.get_mut(&incoming).map(|known| &mut **known),
                second.channels.get_mut(&outgoing).map(|known| &mut **known),
            ),
            None => {
                let found = self.first.channels.get_disjoint_mut([&incoming, &outgoing]);
                let [incoming, outgoing] = found.map(|known| known.map(|known| &mut **known));
                Ends::Two(incoming, outgoing)
            }
        }
    }

    /// The incoming channel's shard.
    pub(super) fn shard(&mut self) -> &mut Shard {
        &mut self.first
    }

    pub(super) fn remove_outgoing(&mut self, outgoing: ShortChannelId) {
        let shard = self.second.as_mut().unwrap_or(&mut self.first);
        shard.channels.remove(&outgoing);
    }
}

impl Shards {
    /// # Errors
    /// `Busy` without memory for them.
    pub(super) fn new() -> Result<Shards> {
        Ok(Shards {
            shards: slice_of(SHARDS, |_| Apart::default())?,
            hasher: RandomState::default(),
            state: AtomicU32::new(0),
        })
    }

    fn index(&self, channel: ShortChannelId) -> usize {
        self.hasher.hash_one(channel) as usize % SHARDS
    }

    /// Locks a channel's shard.
    pub(super) fn hold(&self, channel: ShortChannelId) -> Result<Held<'_>> {
        self.hold_two(channel, channel)
    }

    /// Locks the shards of two channels (RH1).
    pub(super) fn hold_two(
        &self,
        incoming: ShortChannelId,
        outgoing: ShortChannelId,
    ) -> Result<Held<'_>> {
        let (first, second) = (self.index(incoming), self.index(outgoing));
        let lock = |index: usize| self.shards[index].0.lock();
        let (first, second) = match first.cmp(&second) {
            std::cmp::Ordering::Equal => (lock(first), None),
            std::cmp::Ordering::Less => {
                let first = lock(first);
                (first, Some(lock(second)))
            }
            std::cmp::Ordering::Greater => {
                let second = lock(second);
                (lock(first), Some(second))
            }
        };
        let was_panicking = std::thread::panicking();
        let tripwire = Tripwire { state: &self.state, was_panicking };
        self.check_open()?;
        Ok(Held { _tripwire: tripwire, first, second })
    }

    /// Ends all changes, because what they leave cannot be kept any more.
    pub(super) fn break_off(&self) {
        self.state.fetch_or(BROKEN, Ordering::AcqRel);
    }

    /// Whether no panic left anything half changed.
    pub(super) fn check_whole(&self) -> Result<()> {
        match self.state.load(Ordering::Acquire) & BROKEN {
            0 => Ok(()),
            _ => Err(Status::Poisoned.into()),
        }
    }

    pub(super) fn check_open(&self) -> Result<()> {
        match self.state.load(Ordering::Acquire) {
            0 => Ok(()),
            state if state & CLOSED != 0 => Err(Status::Closed.into()),
            _ => {
                let fact =
                    "the resources met a bug or cannot be written; close the store and reopen it";
                Err(Error::new(Status::Poisoned, fact))
            }
        }
    }

    /// Ends all changes (RH4).
    pub(super) fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
        self.each(|_| {});
    }

    /// Visits every shard in turn, each under its lock alone.
    pub(super) fn each(&self, mut visit: impl FnMut(&mut Shard)) {
        for Apart(shard) in &self.shards {
            visit(&mut shard.lock());
        }
    }

    /// Number of shards, for whoever goes through them one by one.
    pub(super) fn count() -> usize {
        SHARDS
    }

    pub(super) fn with_shard<T>(&self, index: usize, visit: impl FnOnce(&mut Shard) -> T) -> T {
        visit(&mut self.shards[index].0.lock())
    }

    /// Number of the entry that added a channel.
    pub(super) fn added_at(&self, id: ShortChannelId) -> Option<u64> {
        let shard = self.shards[self.index(id)].0.lock();
        shard.channels.get(&id).map(|channel| channel.added_at)
    }

    pub(super) fn contains(&self, channel: ShortChannelId) -> bool {
        self.shards[self.index(channel)].0.lock().channels.contains_key(&channel)
    }

    /// Changes what is noted about a channel, if it is still there; also after a close.
    pub(super) fn change(&self, id: ShortChannelId, change: impl FnOnce(&mut Channel)) {
        if let Some(channel) = self.shards[self.index(id)].0.lock().channels.get_mut(&id) {
            change(channel);
        }
    }

    pub(super) fn insert(&self, channel: Box<Channel>) {
        let index = self.index(channel.id);
        self.shards[index].0.lock().channels.insert(channel.id, channel);
    }

    pub(super) fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.each(|shard| sum = sum.sum(shard.counts));
        sum
    }
}
