//! Rows of the monitors: reading what an open finds, writing what a plan says.
//!
//! MT1 one commit writes manager, channels, updates, outputs and the counter. MT2 what cannot be read stops
//! its channel and nobody else, and is reported at open. MT3 the rows of updates that a snapshot includes go
//! in the commit of the snapshot. Called by `commit` and the monitors.

use std::collections::{BTreeMap, BTreeSet};

use super::channel::{Channel, Damage, Stage};
use super::plan::{ChannelChange, ManagerMark, Plan, Remove};
use super::record::{
    ChannelRow, MANAGER_KEY, MANAGER_NAME, STATE_KEY, State, decode_update_key, encode_output,
    update_key,
};
use super::session::Found;
use crate::error::{Result, Status};
use crate::limits::PAGE_ROWS_MAX;
use crate::memory::check_room;
use crate::store::Store;
use crate::store::batch::{Batch, Rows};
use crate::store::blob::{self, Leftover, Owner, RemovalBudget, Staged};
use crate::store::tables::Table;
use crate::types::ChannelId;

/// What an open finds.
pub(super) struct Recovered {
    pub(super) found: Found,
    pub(super) outputs: u64,
    /// There is a manager and it cannot be read.
    pub(super) manager_damaged: bool,
}

pub(super) fn snapshot_key(channel: ChannelId) -> Result<Vec<u8>> {
    blob::key_of(Owner::Snapshot, &channel.0)
}

pub(super) fn manager_key() -> Result<Vec<u8>> {
    blob::key_of(Owner::Manager, MANAGER_NAME)
}

/// A row, `None` when it is missing or cannot be read; then also whether it is there.
fn readable(rows: &impl Rows, table: Table, key: &[u8]) -> Result<(Option<Vec<u8>>, bool)> {
    match rows.row(table, key) {
        Ok(body) => {
            let is_there = body.is_some();
            Ok((body, is_there))
        }
        Err(error) if error.status() == Status::CorruptRecord => Ok((None, true)),
        Err(error) => Err(error),
    }
}

/// Reads everything but the bytes of snapshots and updates, whose checksums are checked.
/// `state` is the row that the session began with.
pub(super) fn recover(store: &Store, state: State) -> Result<Recovered> {
    let (mut found, mut commit_sequence) = (Found::default(), 0);
    for (channel, row) in channel_rows(store)? {
        match row {
            Some(ChannelRow::Purged { commit_sequence: purged }) => {
                found.purged.insert(channel);
                commit_sequence = commit_sequence.max(purged);
            }
            Some(ChannelRow::Known(mut known)) if known.stage == Stage::Archived => {
                count_bytes(&mut known, &update_lengths(store, channel)?);
                found.channels.insert(channel, known);
            }
            row => {
                found.channels.insert(channel, examine(store, channel, row)?);
            }
        }
    }
    let mut without_row = channels_of_updates(store)?;
    without_row.extend(channels_of_snapshots(store)?);
    for channel in without_row {
        if !found.channels.contains_key(&channel) && !found.purged.contains(&channel) {
            found.channels.insert(channel, examine(store, channel, None)?);
        }
    }
    let (outputs, last_output) = output_rows(store)?;
    let (mark, manager_damaged) = manager_mark(store, state)?;
    // A counter that was damaged is recovered as the greatest number that any row names.
    let advanced = found.channels.values().map(|channel| channel.advanced_at).max();
    let named = advanced.max(mark.commit_sequence).unwrap_or(0);
    found.commit_sequence = commit_sequence.max(named).max(state.commit_sequence);
    found.manager = mark;
    found.last_output_id = last_output;
    Ok(Recovered { found, outputs, manager_damaged })
}

/// Channels that have a snapshot.
fn channels_of_snapshots(store: &Store) -> Result<BTreeSet<ChannelId>> {
    let mut all = BTreeSet::new();
    let mut from = Some(snapshot_key(ChannelId([0; 32]))?);
    while let Some(start) = from.take() {
        let mut page = 0;
        store.read(|view| {
            view.scan(Table::Blobs, &start, |key, _| {
                let Some(channel) = channel_of_snapshot(key) else { return false };
                if page == PAGE_ROWS_MAX {
                    from = Some(key.to_vec());
                    return false;
                }
                page += 1;
                all.insert(channel);
                true
            })
        })?;
    }
    Ok(all)
}

pub(super) fn channel_of_snapshot(key: &[u8]) -> Option<ChannelId> {
    let (owner, channel) = key.split_first()?;
    let is_snapshot = *owner == Owner::Snapshot as u8;
    is_snapshot.then(|| channel.try_into().ok().map(ChannelId)).flatten()
}

type ChannelRows = Vec<(ChannelId, Option<ChannelRow>)>;

/// The rows of all channels, `None` for one that cannot be read.
fn channel_rows(store: &Store) -> Result<ChannelRows> {
    let mut all = Vec::new();
    let mut from = Some(Vec::new());
    while let Some(start) = from.take() {
        let mut page = 0;
        store.read(|view| {
            view.scan(Table::Monitors, &start, |key, body| {
                if page == PAGE_ROWS_MAX {
                    from = Some(key.to_vec());
                    return false;
                }
                page += 1;
                if let Ok(channel) = key.try_into() {
                    all.push((ChannelId(channel), body.ok().and_then(ChannelRow::decode)));
                }
                true
            })
        })?;
    }
    Ok(all)
}

/// Channels that have rows of updates, found by skipping from one to the next.
fn channels_of_updates(store: &Store) -> Result<BTreeSet<ChannelId>> {
    let mut all = BTreeSet::new();
    let mut from = Some(update_key(ChannelId([0; 32]), 0));
    while let Some(start) = from.take() {
        let next = store.read(|view| {
            let mut next = None;
            view.scan(Table::MonitorUpdates, &start, |key, _| {
                next = decode_update_key(key);
                false
            })?;
            Ok(next)
        })?;
        if let Some((channel, _)) = next {
            all.insert(channel);
            from = after_channel(channel).map(|next| update_key(next, 0));
        }
    }
    Ok(all)
}

fn after_channel(channel: ChannelId) -> Option<ChannelId> {
    let mut bytes = channel.0;
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(ChannelId(bytes));
        }
    }
    None
}

/// Checks what is stored of a channel against its row, which may be missing or unreadable.
fn examine(store: &Store, channel: ChannelId, row: Option<ChannelRow>) -> Result<Channel> {
    store.read(|view| {
        let snapshot = match blob::verify(view, &snapshot_key(channel)?) {
            Ok(Some(_)) => None,
            Ok(None) => Some(Damage::MissingSnapshot),
            Err(error) if error.status() == Status::CorruptRecord => Some(Damage::Checksum),
            Err(error) => return Err(error),
        };
        let mut updates = BTreeMap::new();
        let mut unreadable = false;
        scan_updates(view, channel, |update_id, update| {
            unreadable |= update.is_none();
            updates.insert(update_id, update.map_or(0, <[u8]>::len));
        })?;
        Ok(assess(row, snapshot, &updates, unreadable))
    })
}

/// A channel from its row, which may be missing or unreadable, what is wrong with its snapshot, and the
/// lengths of its updates.
pub(super) fn assess(
    row: Option<ChannelRow>,
    snapshot: Option<Damage>,
    updates: &BTreeMap<u64, usize>,
    unreadable: bool,
) -> Channel {
    let mut known = match row {
        Some(ChannelRow::Known(known)) => known,
        Some(ChannelRow::Purged { .. }) | None => {
            let tip = updates.keys().next_back().copied().unwrap_or(0);
            let mut lost = Channel::new(tip, 0, super::Block::default());
            lost.damage = snapshot.or(Some(Damage::Checksum));
            lost
        }
    };
    if known.damage.is_none() {
        let expected = known.base_id + 1..=known.latest_id;
        let within = updates.keys().filter(|id| expected.contains(id)).count() as u64;
        known.damage = snapshot
            .or(unreadable.then_some(Damage::Checksum))
            .or((within != known.latest_id - known.base_id).then_some(Damage::UpdateGap))
            .or((within != updates.len() as u64).then_some(Damage::OrphanUpdate));
    }
    count_bytes(&mut known, updates);
    known
}

fn count_bytes(known: &mut Channel, updates: &BTreeMap<u64, usize>) {
    known.update_bytes = updates.values().map(|bytes| *bytes as u32).collect();
    known.update_bytes_sum = updates.values().map(|bytes| *bytes as u64).sum();
}

/// The row of a channel if it can be read, and whether there is one.
pub(super) fn channel_row(
    rows: &impl Rows,
    channel: ChannelId,
) -> Result<(Option<ChannelRow>, bool)> {
    let (body, is_there) = readable(rows, Table::Monitors, &channel.0)?;
    Ok((body.as_deref().and_then(ChannelRow::decode), is_there))
}

/// Visits the updates of a channel in the order of their ids, `None` for one that cannot be read.
pub(super) fn scan_updates(
    rows: &impl Rows,
    channel: ChannelId,
    mut visit: impl FnMut(u64, Option<&[u8]>),
) -> Result<()> {
    rows.scan(Table::MonitorUpdates, &update_key(channel, 0), |key, body| {
        match decode_update_key(key) {
            Some((of, update_id)) if of == channel => {
                visit(update_id, body.ok());
                true
            }
            _ => false,
        }
    })
}

/// How many outputs wait, and the last number given.
fn output_rows(store: &Store) -> Result<(u64, u64)> {
    store.read(|view| {
        let heads = view.heads()?;
        let head = heads.of(Table::MonitorOutputs);
        let last = <[u8; 8]>::try_from(head.last_key.as_slice()).map_or(0, u64::from_be_bytes);
        Ok((head.rows, last))
    })
}

fn manager_mark(store: &Store, state: State) -> Result<(ManagerMark, bool)> {
    store.read(|view| {
        let (row, _) = readable(view, Table::MonitorsState, MANAGER_KEY)?;
        let number = row.and_then(|row| row.try_into().ok()).map(u64::from_le_bytes);
        let stored = match blob::verify(view, &manager_key()?) {
            Ok(stored) => Ok(stored.is_some()),
            Err(error) if error.status() == Status::CorruptRecord => Err(()),
            Err(error) => return Err(error),
        };
        let mark = ManagerMark {
            // Without the row its age is not known, and bytes that cannot be read are no manager.
            commit_sequence: if stored == Ok(true) { number.or(Some(0)) } else { None },
            generation: state.generation,
            generation_is_lost: state.generation_is_lost,
        };
        Ok((mark, stored.is_err()))
    })
}

/// Values of a plan that are ready to be switched to.
#[derive(Default)]
pub(super) struct Values {
    pub(super) manager: Option<Staged>,
    pub(super) snapshots: BTreeMap<ChannelId, Staged>,
}

/// Writes a plan and the state after it; answers what is to be removed after its commit.
pub(super) fn write(
    batch: &mut Batch<'_>,
    plan: &Plan,
    values: &Values,
    state: State,
) -> Result<Vec<Leftover>> {
    let mut leftovers = Vec::new();
    let mut budget = RemovalBudget::of_one_commit();
    if let Some(manager) = &values.manager {
        leftovers.extend(manager.replace(batch, &manager_key()?, &mut budget)?);
        let number = plan.commit_sequence.to_le_bytes();
        batch.put(Table::MonitorsState, MANAGER_KEY, &number)?;
    }
    for (channel, change) in &plan.channels {
        let staged = values.snapshots.get(channel);
        leftovers.extend(write_channel(batch, *channel, change, staged, &mut budget)?);
    }
    for (output_id, tag, payload) in &plan.outputs {
        check_room(payload.0.len())?;
        let body = encode_output(*tag, &payload.0);
        batch.put(Table::MonitorOutputs, &output_id.to_be_bytes(), &body)?;
    }
    for output_id in &plan.acknowledged {
        batch.delete(Table::MonitorOutputs, &output_id.to_be_bytes())?;
    }
    put_state(batch, state)?;
    Ok(leftovers)
}

fn write_channel(
    batch: &mut Batch<'_>,
    channel: ChannelId,
    change: &ChannelChange,
    snapshot: Option<&Staged>,
    budget: &mut RemovalBudget,
) -> Result<Option<Leftover>> {
    let leftover = match snapshot {
        Some(snapshot) => snapshot.replace(batch, &snapshot_key(channel)?, budget)?,
        None => None,
    };
    match change.remove {
        Remove::Nothing => {}
        Remove::Ids(first, last) => {
            for update_id in first..=last {
                batch.delete(Table::MonitorUpdates, &update_key(channel, update_id))?;
            }
        }
        Remove::Everything(_) => remove_updates(batch, channel)?,
    }
    for (update_id, update) in &change.updates {
        batch.put(Table::MonitorUpdates, &update_key(channel, *update_id), &update.0)?;
    }
    let mut after = change.after.clone();
    if snapshot.is_some() {
        after.base_unix_ms = batch.clock().unix_ms;
    }
    batch.put(Table::Monitors, &channel.0, &ChannelRow::Known(after).encode())?;
    Ok(leftover)
}

fn remove_updates(batch: &mut Batch<'_>, channel: ChannelId) -> Result<()> {
    let mut found = Vec::new();
    scan_updates(batch, channel, |update_id, _| found.push(update_id))?;
    for update_id in found {
        batch.delete(Table::MonitorUpdates, &update_key(channel, update_id))?;
    }
    Ok(())
}

pub(super) fn state(rows: &impl Rows) -> Result<Option<State>> {
    let (body, _) = readable(rows, Table::MonitorsState, STATE_KEY)?;
    Ok(body.as_deref().and_then(State::decode))
}

pub(super) fn put_state(batch: &mut Batch<'_>, state: State) -> Result<()> {
    batch.put(Table::MonitorsState, STATE_KEY, &state.encode())
}

/// Lengths of the updates that a channel has rows of.
pub(super) fn update_lengths(store: &Store, channel: ChannelId) -> Result<BTreeMap<u64, usize>> {
    let mut lengths = BTreeMap::new();
    store.read(|view| {
        scan_updates(view, channel, |update_id, update| {
            lengths.insert(update_id, update.map_or(0, <[u8]>::len));
        })
    })?;
    Ok(lengths)
}

/// Removes an archived channel but for the mark that its id was used.
pub(super) fn purge(
    batch: &mut Batch<'_>,
    channel: ChannelId,
    state: State,
) -> Result<Option<Leftover>> {
    let mut budget = RemovalBudget::of_one_commit();
    let leftover = blob::remove_key(batch, &snapshot_key(channel)?, &mut budget)?;
    remove_updates(batch, channel)?;
    let row = ChannelRow::Purged { commit_sequence: state.commit_sequence };
    batch.put(Table::Monitors, &channel.0, &row.encode())?;
    put_state(batch, state)?;
    Ok(leftover)
}
