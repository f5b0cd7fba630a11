//! Reading: the manager, a channel with its updates, outputs that wait.
//!
//! Each call reads one consistent view and keeps nothing open. What a damage left of a channel can be read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::channel::{Block, Damage, Stage};
use super::record::{ChannelRow, decode_output};
use super::table::{manager_key, scan_updates, snapshot_key};
use super::{Monitors, record, table};
use crate::error::{Error, Result, Status};
use crate::limits::PAGE_BYTES_MAX;
use crate::memory::copied;
use crate::store::Store;
use crate::store::batch::Rows;
use crate::store::blob;
use crate::store::tables::Table;
use crate::types::ChannelId;

/// A durable channel without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelSummary {
    /// Which channel.
    pub channel: ChannelId,
    /// Update id that the snapshot includes.
    pub base_id: u64,
    /// The tip; of a damaged channel the recorded one.
    pub latest_id: u64,
    /// Bytes of the snapshot, and of the updates after it.
    pub snapshot_bytes: u64,
    /// Bytes of the updates after the snapshot.
    pub update_bytes: u64,
    /// The block that came with the snapshot.
    pub block: Block,
    /// What is wrong with it.
    pub damage: Option<Damage>,
}

/// A durable channel.
#[derive(Clone, PartialEq, Eq)]
pub struct Monitor {
    /// Its facts.
    pub summary: ChannelSummary,
    /// Whether it is in use.
    pub stage: Stage,
    /// The snapshot; of a damaged channel whatever is left of it, `None` when there is none.
    pub snapshot: Option<Vec<u8>>,
    /// The updates to apply to it, in order; of a damaged channel every one that can be read.
    pub updates: Vec<(u64, Vec<u8>)>,
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// An output that may leave.
#[derive(Clone, PartialEq, Eq)]
pub struct Output {
    /// Number of a durable one, to acknowledge it by; `None` for a volatile one.
    pub output_id: Option<u64>,
    /// The host's tag.
    pub tag: u64,
    /// Its bytes; none when a damage of the store took them. Acknowledge it all the same.
    pub payload: Arc<Vec<u8>>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("output_id", &self.output_id).finish_non_exhaustive()
    }
}

/// Which outputs of earlier sessions were not delivered in this one yet.
#[derive(Debug)]
pub(super) struct Redelivery {
    next: u64,
    last: u64,
}

impl Redelivery {
    pub(super) fn upto(last_output_id: u64) -> Redelivery {
        Redelivery { next: 1, last: last_output_id }
    }

    fn read(&mut self, store: &Store, max: usize) -> Result<Vec<Output>> {
        if self.next > self.last {
            return Ok(Vec::new());
        }
        let (mut taken, mut bytes, mut next) = (Vec::new(), 0, self.last.saturating_add(1));
        let mut no_memory = None;
        store.read(|view| {
            view.scan(Table::MonitorOutputs, &self.next.to_be_bytes(), |key, body| {
                let output_id = key.try_into().map_or(u64::MAX, u64::from_be_bytes);
                if output_id > self.last {
                    return false;
                }
                if taken.len() == max || bytes >= PAGE_BYTES_MAX {
                    next = output_id;
                    return false;
                }
                // What a damage took is told as an output without bytes: no other has none.
                let (tag, payload) = body.ok().and_then(decode_output).unwrap_or_default();
                bytes += payload.len();
                match copied(payload) {
                    Ok(payload) => {
                        let payload = Arc::new(payload);
                        taken.push(Output { output_id: Some(output_id), tag, payload });
                    }
                    Err(error) => no_memory = Some(error),
                }
                no_memory.is_none()
            })
        })?;
        if let Some(error) = no_memory {
            return Err(error);
        }
        self.next = next;
        Ok(taken)
    }
}

pub(super) fn update_bytes(
    store: &Store,
    channel: ChannelId,
    update_id: u64,
) -> Result<Option<Vec<u8>>> {
    let key = record::update_key(channel, update_id);
    store.read(|view| view.row(Table::MonitorUpdates, &key))
}

pub(super) fn has_output(store: &Store, output_id: u64) -> Result<bool> {
    store.read(|view| {
        match view.row(Table::MonitorOutputs, &output_id.to_be_bytes()) {
            Ok(row) => Ok(row.is_some()),
            // It can be acknowledged, and so removed, although nobody can read it.
            Err(error) if error.status() == Status::CorruptRecord => Ok(true),
            Err(error) => Err(error),
        }
    })
}

impl Monitors {
    /// Outputs that may leave, in the order of their tickets, and each once; first, in the order of their
    /// numbers, the durable ones that earlier sessions left without an acknowledgement. At most `max`, fewer
    /// when they are large; none are left when the answer is empty.
    ///
    /// # Errors
    /// `Poisoned`, `Closed`, `Busy`.
    pub fn take_outputs(&self, max: usize) -> Result<Vec<Output>> {
        self.usable()?;
        let mut redelivery = self.shared.redelivery.lock();
        let mut taken = redelivery.read(&self.store, max)?;
        if redelivery.next <= redelivery.last {
            return Ok(taken);
        }
        self.shared.redelivers.store(false, Ordering::Release);
        let mut held = self.hold()?;
        let released = held.session.take_released(max - taken.len());
        self.quiet(&held);
        taken.extend(released.into_iter().map(|output| Output {
            output_id: output.output_id,
            tag: output.tag,
            payload: output.payload.0,
        }));
        Ok(taken)
    }

    /// The manager of the last commit that had one.
    ///
    /// # Errors
    /// `CorruptRecord` when it cannot be read; `Poisoned`, `Closed`, `Busy`.
    pub fn manager(&self) -> Result<Option<Vec<u8>>> {
        self.usable()?;
        self.store.read(|view| blob::read(view, &manager_key()?))
    }

    /// Durable channels of a stage after `after`, in the order of their ids, at most `max`.
    ///
    /// # Errors
    /// `Poisoned`, `Closed`.
    pub fn channels(
        &self,
        stage: Stage,
        after: Option<ChannelId>,
        max: usize,
    ) -> Result<Vec<ChannelSummary>> {
        let held = self.hold()?;
        let from = match after {
            Some(after) => std::ops::Bound::Excluded(after),
            None => std::ops::Bound::Unbounded,
        };
        let channels = held.session.durable.range((from, std::ops::Bound::Unbounded));
        let of_stage = channels.filter(|(_, known)| known.stage == stage);
        Ok(of_stage.take(max).map(|(channel, known)| summary_of(*channel, known)).collect())
    }

    /// Facts of the channels of these ids that are durable.
    ///
    /// # Errors
    /// `Poisoned`, `Closed`.
    pub fn summaries(&self, channels: &[ChannelId]) -> Result<Vec<ChannelSummary>> {
        let held = self.hold()?;
        let one = |channel: &ChannelId| {
            held.session.durable.get(channel).map(|known| summary_of(*channel, known))
        };
        Ok(channels.iter().filter_map(one).collect())
    }

    /// A durable channel with its snapshot and updates. Of a damaged one whatever can be read: `damage` says
    /// what is wrong, also when it went wrong after the open.
    ///
    /// # Errors
    /// `UnknownChannel`, also when it was purged; `Poisoned`, `Closed`, `Busy`.
    pub fn load(&self, channel: ChannelId) -> Result<Monitor> {
        self.usable()?;
        self.store.read(|view| load(view, channel))
    }
}

fn load(view: &impl Rows, channel: ChannelId) -> Result<Monitor> {
    let (row, is_there) = table::channel_row(view, channel)?;
    let key = snapshot_key(channel)?;
    let (mut snapshot, state) = match blob::read(view, &key) {
        Ok(snapshot) => {
            let state = snapshot.is_none().then_some(Damage::MissingSnapshot);
            (snapshot, state)
        }
        Err(error) if error.status() == Status::CorruptRecord => {
            (blob::read_damaged(view, &key)?, Some(Damage::Checksum))
        }
        Err(error) => return Err(error),
    };
    let (mut updates, mut lengths, mut unreadable) = (Vec::new(), BTreeMap::new(), false);
    let mut no_memory = None;
    scan_updates(view, channel, |update_id, update| {
        unreadable |= update.is_none();
        lengths.insert(update_id, update.map_or(0, <[u8]>::len));
        match update.map(copied).transpose() {
            Ok(update) => updates.extend(update.map(|update| (update_id, update))),
            Err(error) => no_memory = Some(error),
        }
    })?;
    if let Some(error) = no_memory {
        return Err(error);
    }
    let is_known = match &row {
        Some(ChannelRow::Purged { .. }) => false,
        Some(ChannelRow::Known(_)) => true,
        None => {
            let has_snapshot = state != Some(Damage::MissingSnapshot);
            is_there || has_snapshot || !updates.is_empty() || unreadable
        }
    };
    if !is_known {
        let fact = format!("channel {channel}: it is not stored");
        return Err(Error::new(Status::UnknownChannel, fact).of_channel(Some(channel), None));
    }
    let known = table::assess(row, state, &lengths, unreadable);
    if known.damage == Some(Damage::MissingSnapshot) {
        snapshot = None;
    }
    let stage = known.stage;
    Ok(Monitor { summary: summary_of(channel, &known), stage, snapshot, updates })
}

fn summary_of(channel: ChannelId, known: &super::channel::Channel) -> ChannelSummary {
    ChannelSummary {
        channel,
        base_id: known.base_id,
        latest_id: known.latest_id,
        snapshot_bytes: known.base_bytes,
        update_bytes: known.update_bytes_sum,
        block: known.block,
        damage: known.damage,
    }
}
