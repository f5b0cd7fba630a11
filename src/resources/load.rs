//! Reads the channels of a store: their rows, then the journal's entries that are newer.
//!
//! RL1 an entry is applied to a channel whose row does not include it yet, and to no other; each of its two
//! channels for itself. RL2 nothing is decided: entries are applied by the code that applied them first.
//! RL3 a damaged row costs what it held and nothing else, and is reported. Called by `mod`.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::apply::{Rules, apply_incoming, apply_outgoing};
use super::bucket::{Bucket, General};
use super::channel::{BucketKind, Channel, Marks, Pending};
use super::entry::{Effects, Entry};
use super::record::{ChannelRow, STATE_KEY, State, decode_block, decode_block_key, decode_key};
use super::rules::Settings;
use super::slots::NodeSalt;
use crate::error::Result;
use crate::store::batch::{Rows, View};
use crate::store::tables::Table;
use crate::types::ShortChannelId;

/// One row of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) first: u64,
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

pub(super) type Channels = HashMap<ShortChannelId, Box<Channel>, RandomState>;

/// What a store holds.
pub(super) struct Loaded {
    pub(super) channels: Channels,
    /// Channels that have a row.
    pub(super) rows: Vec<ShortChannelId>,
    pub(super) blocks: Vec<Block>,
    /// Number of the next entry.
    pub(super) next: u64,
    pub(super) replayed: u64,
    /// Rows that could not be read.
    pub(super) damaged: u64,
    /// Bytes of the rows of channels.
    pub(super) row_bytes: u64,
}

/// The row of settings, if the resources were ever opened.
pub(super) fn state(view: &View<'_>) -> Result<Option<State>> {
    use crate::error::{Error, Status};
    let Some(body) = view.row(Table::ResourcesState, STATE_KEY)? else {
        return Ok(None);
    };
    let unreadable =
        || Error::new(Status::CorruptRecord, "the settings of the resources are damaged");
    State::decode(&body).map(Some).ok_or_else(unreadable)
}

/// Loads channels under the settings of `state`, and re-divides those that still have the settings before.
pub(super) fn load(view: &View<'_>, state: &State) -> Result<Loaded> {
    let mut loaded = Loaded {
        channels: Channels::default(),
        rows: Vec::new(),
        blocks: Vec::new(),
        next: 0,
        replayed: 0,
        damaged: 0,
        row_bytes: 0,
    };
    let mut loader = Loader { state, loaded: &mut loaded, divisions: HashMap::default() };
    loader.rows(view)?;
    loader.blocks(view)?;
    loader.forget_looks();
    loader.divide_anew();
    reckon_outgoing(&state.settings, &mut loaded.channels);
    Ok(loaded)
}

struct Loader<'a> {
    state: &'a State,
    loaded: &'a mut Loaded,
    /// Under which settings each channel stands.
    divisions: HashMap<ShortChannelId, u32, RandomState>,
}

impl<'a> Loader<'a> {
    fn settings_of(&self, division: u32) -> &'a Settings {
        match &self.state.before {
            Some(before) if division < self.state.division => before,
            _ => &self.state.settings,
        }
    }

    /// Room for channels that are met, and for the row that tells of them.
    fn reserve(&mut self, channels: usize) -> Result<()> {
        let Loaded { channels: known, rows, blocks, .. } = &mut *self.loaded;
        known.try_reserve(channels)?;
        self.divisions.try_reserve(channels)?;
        rows.try_reserve(1)?;
        Ok(blocks.try_reserve(1)?)
    }

    fn rows(&mut self, view: &View<'_>) -> Result<()> {
        let mut room = Ok(());
        view.scan(Table::ResourcesChannels, &[], |key, body| {
            room = self.reserve(1);
            if room.is_err() {
                return false;
            }
            let id = decode_key(key).map(ShortChannelId);
            let row = body.ok().and_then(|body| {
                self.loaded.row_bytes += body.len() as u64;
                ChannelRow::decode(body)
            });
            self.loaded.rows.extend(id);
            let channel = id.zip(row).and_then(|(id, row)| {
                let settings = self.settings_of(row.division);
                self.divisions.insert(id, row.division);
                restored(settings, &self.state.salt, id, row)
            });
            match channel {
                Some(channel) => {
                    self.loaded.next = self.loaded.next.max(channel.changed_below);
                    self.loaded.channels.insert(channel.id, Box::new(channel));
                }
                None => self.loaded.damaged += 1,
            }
            true
        })?;
        room
    }

    fn blocks(&mut self, view: &View<'_>) -> Result<()> {
        let mut room = Ok(());
        view.scan(Table::ResourcesJournal, &[], |key, body| {
            let first = decode_block_key(key);
            let block = body.ok().and_then(|body| Some((decode_block(body)?, body.len() as u64)));
            room = self.reserve(block.as_ref().map_or(0, |((entries, _), _)| *entries as usize));
            if room.is_err() {
                return false;
            }
            let Some((first, ((entries, decoded), bytes))) = first.zip(block) else {
                self.loaded.damaged += 1;
                // Removed with the others once channels are written anew.
                let first = decode_key(key).unwrap_or(0);
                self.loaded.blocks.push(Block { first, entries: 0, bytes: 0 });
                return true;
            };
            for (number, entry) in (first..).zip(decoded) {
                self.apply(number, &entry);
            }
            self.loaded.blocks.push(Block { first, entries, bytes });
            self.loaded.next = self.loaded.next.max(first + entries);
            self.loaded.replayed += entries;
            true
        })?;
        room
    }

    /// The channel of an id, if its row is older than an entry (RL1).
    fn older(&mut self, id: ShortChannelId, number: u64) -> Option<(&mut Channel, Rules<'a>)> {
        let division = self.divisions.get(&id).copied().unwrap_or(self.state.division);
        let rules = Rules { settings: self.settings_of(division), salt: &self.state.salt };
        let channel = self.loaded.channels.get_mut(&id)?;
        (channel.changed_below <= number).then_some((channel, rules))
    }

    fn apply(&mut self, number: u64, entry: &Entry) {
        let (incoming, outgoing) = entry.channels();
        if let Entry::AddChannel { channel, limits, unix_secs } = entry {
            self.add_channel(number, *channel, *limits, *unix_secs);
            return;
        }
        let same = outgoing == Some(incoming);
        if let Some((channel, rules)) = self.older(incoming, number) {
            apply_incoming(rules, channel, entry, number);
            if same {
                apply_outgoing(rules, &mut channel.outgoing, entry);
            }
            channel.changed_below = number + 1;
        }
        let other = outgoing.filter(|_| !same).and_then(|outgoing| self.older(outgoing, number));
        if let Some((channel, rules)) = other {
            apply_outgoing(rules, &mut channel.outgoing, entry);
            channel.changed_below = number + 1;
        }
        self.remove_gone(number, entry);
    }

    fn add_channel(
        &mut self,
        number: u64,
        id: ShortChannelId,
        limits: super::bucket::ChannelLimits,
        unix_secs: u64,
    ) {
        if self.loaded.channels.get(&id).is_some_and(|known| known.changed_below > number) {
            return;
        }
        // Before a division that is under way ended, every entry is of the settings before.
        let division = match self.state.before {
            Some(_) => self.state.division.saturating_sub(1),
            None => self.state.division,
        };
        let made = Channel::new(self.settings_of(division), id, limits, unix_secs);
        if let Ok(mut channel) = made {
            (channel.added_at, channel.changed_below) = (number, number + 1);
            self.divisions.insert(id, division);
            self.loaded.channels.insert(id, Box::new(channel));
        }
    }

    fn remove_gone(&mut self, number: u64, entry: &Entry) {
        let (incoming, outgoing) = entry.channels();
        let (first, second) = match entry {
            Entry::RemoveChannel { is_gone, .. } => (*is_gone, false),
            Entry::Resolve(resolve) => (
                resolve.effects.has(Effects::INCOMING_GONE),
                resolve.effects.has(Effects::OUTGOING_GONE),
            ),
            _ => return,
        };
        let gone = [first.then_some(incoming), outgoing.filter(|_| second)];
        for id in gone.into_iter().flatten() {
            // One more than this entry, because it was applied above.
            let channel = self.loaded.channels.get(&id);
            if channel.is_some_and(|channel| channel.changed_below <= number + 1) {
                self.loaded.channels.remove(&id);
            }
        }
    }

    fn forget_looks(&mut self) {
        let channels = self.loaded.channels.iter();
        let added: HashMap<_, _, RandomState> =
            channels.map(|(id, channel)| (*id, channel.added_at)).collect();
        for channel in self.loaded.channels.values_mut() {
            channel.incoming.general.forget_looks(|outgoing| added.get(&outgoing).copied());
        }
    }

    fn divide_anew(&mut self) {
        let State { settings, salt, division, .. } = self.state;
        for (id, channel) in &mut self.loaded.channels {
            if self.divisions.get(id).is_some_and(|known| known < division) {
                // The settings were checked against every channel before they were taken.
                drop(channel.resize(settings, salt, channel.incoming.limits));
            }
        }
    }
}

/// The channel of a row.
fn restored(
    settings: &Settings,
    salt: &NodeSalt,
    id: ShortChannelId,
    row: ChannelRow,
) -> Option<Channel> {
    let mut channel = Channel::new(settings, id, row.limits, 0).ok()?;
    channel.is_closing = row.is_closing;
    channel.reputation_imported = row.reputation_imported;
    channel.revenue_imported = row.revenue_imported;
    channel.outgoing.reputation = row.reputation;
    channel.added_at = row.added_at;
    (channel.changed_below, channel.stored_below) = (row.changed_below, row.changed_below);
    let incoming = &mut channel.incoming;
    incoming.revenue = row.revenue;
    incoming.misuse = row.misuse.into_iter().collect();
    incoming.parts = row.parts.into_iter().collect();
    incoming.resolved = row.resolved.into();
    let mut general = General::default();
    let allocation = incoming.allocation;
    let bucket = Bucket { mode: settings.mode, salt, incoming: id, allocation: &allocation };
    for (outgoing, state) in row.pairs {
        general.restore(bucket, outgoing, state);
    }
    general.restore_carried(row.carried);
    incoming.general = general;
    incoming.reserve(row.pending.len());
    for htlc in row.pending {
        take_counted(incoming, &htlc);
        incoming.insert(htlc);
    }
    Some(channel)
}

/// What an HTLC uses of the buckets that count.
fn take_counted(incoming: &mut super::channel::Incoming, htlc: &Pending) {
    let parts = incoming.parts.get(&htlc.htlc_id).copied().unwrap_or_default();
    let (protected, congestion) = match htlc.marks.bucket() {
        BucketKind::None | BucketKind::General => return,
        BucketKind::Congestion => (None, Some(htlc.incoming_amount_msat)),
        BucketKind::Protected => (Some(htlc.incoming_amount_msat), None),
        BucketKind::Several => (
            Some(parts.protected_msat).filter(|msat| *msat != 0),
            Some(parts.congestion_msat).filter(|msat| *msat != 0),
        ),
    };
    protected.into_iter().for_each(|msat| incoming.protected.take(msat));
    congestion.into_iter().for_each(|msat| incoming.congestion.take(msat));
}

/// Reckons what the outgoing sides hold from the HTLCs themselves, and marks these as recovered.
fn reckon_outgoing(settings: &Settings, channels: &mut Channels) {
    let mut sums: HashMap<ShortChannelId, (u32, u32, u128), RandomState> = HashMap::default();
    for channel in channels.values_mut() {
        let incoming = &mut channel.incoming;
        let parts = std::mem::take(&mut incoming.parts);
        incoming.change_each(|htlc| {
            let parts = parts.get(&htlc.htlc_id).copied();
            let (pending, in_congestion, risk_msat) = sums.entry(htlc.outgoing).or_default();
            *pending += 1;
            *in_congestion += u32::from(htlc.marks.is_in_congestion(parts));
            *risk_msat = risk_msat.saturating_add(u128::from(htlc.risk_msat(settings)));
            htlc.marks = htlc.marks.with(Marks::RECOVERED, true);
        });
        // A crash between the parts and their HTLC leaves parts of nothing.
        let is_known = |htlc_id: &u64| incoming.pending().any(|htlc| htlc.htlc_id == *htlc_id);
        let known = parts.into_iter().filter(|(htlc_id, _)| is_known(htlc_id)).collect();
        incoming.parts = known;
    }
    for (id, channel) in channels {
        let (pending, in_congestion, risk_msat) = sums.get(id).copied().unwrap_or_default();
        channel.outgoing.pending = pending;
        channel.outgoing.in_congestion = in_congestion;
        channel.outgoing.in_flight_risk_msat = risk_msat;
    }
}
