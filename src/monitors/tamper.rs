//! Damage on purpose, for tests alone: rows of a store edited behind the back of its monitors.
//!
//! Each edit is one commit and leaves the counts of the tables in order: only the monitors can notice it.
//! Apply it between the open of the store and that of its monitors, which then find it. Compiled in by the
//! cargo feature `failpoints`, never released.

use std::sync::Arc;

use super::Monitors;
use super::record::{MANAGER_KEY, decode_output, update_key};
use super::table::{manager_key, snapshot_key};
use crate::error::{Error, Result, Status};
use crate::limits::BLOB_CHUNK_BYTES;
use crate::store::Store;
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Rows, Space};
use crate::store::blob::{self, RemovalBudget, Staged};
use crate::store::tables::Table;
use crate::types::ChannelId;

/// An edit of stored rows.
#[derive(Clone, PartialEq, Eq)]
pub enum Tampering {
    /// Removes the row of an update.
    DropUpdate(ChannelId, u64),
    /// Adds the row of an update, well-formed, where there was none.
    AddUpdate(ChannelId, u64, Vec<u8>),
    /// Changes one bit of a stored snapshot.
    FlipSnapshot(ChannelId),
    /// Removes a snapshot.
    DropSnapshot(ChannelId),
    /// Removes the manager.
    DropManager,
    /// Puts a manager in place of the stored one, as the commit of this number would have written it.
    OldManager(u64, Vec<u8>),
}

/// Edits rows of an open store.
///
/// # Errors
/// `NotFound` when there is nothing to remove or to change; the store's errors.
pub fn tamper(store: &Arc<Store>, tampering: Tampering) -> Result<Reply> {
    let manager = match &tampering {
        Tampering::OldManager(_, manager) => Some(store.blobs().hold(manager)?),
        _ => None,
    };
    store.submit_one(Edit { tampering, manager })
}

impl Monitors {
    /// The durable outputs that wait for an acknowledgement, whether or not they were taken.
    ///
    /// # Errors
    /// `Poisoned`, `Closed`, `Busy`.
    pub fn stored_outputs(&self) -> Result<Vec<(u64, Vec<u8>)>> {
        self.usable()?;
        let mut outputs = Vec::new();
        self.store.read(|view| {
            view.scan(Table::MonitorOutputs, &[], |key, body| {
                let output_id = key.try_into().map_or(u64::MAX, u64::from_be_bytes);
                let payload =
                    body.ok().and_then(decode_output).map(|(_, payload)| payload.to_vec());
                outputs.push((output_id, payload.unwrap_or_default()));
                true
            })
        })?;
        Ok(outputs)
    }
}

struct Edit {
    tampering: Tampering,
    manager: Option<Staged>,
}

impl Edit {
    fn run(&self, batch: &mut Batch<'_>) -> Result<bool> {
        match &self.tampering {
            Tampering::DropUpdate(channel, update_id) => {
                batch.delete(Table::MonitorUpdates, &update_key(*channel, *update_id))
            }
            Tampering::AddUpdate(channel, update_id, update) => {
                let key = update_key(*channel, *update_id);
                batch.put(Table::MonitorUpdates, &key, update).map(|()| true)
            }
            Tampering::FlipSnapshot(channel) => flip_first_chunk(batch, &snapshot_key(*channel)?),
            Tampering::DropSnapshot(channel) => drop_value(batch, &snapshot_key(*channel)?),
            Tampering::DropManager => {
                batch.delete(Table::MonitorsState, MANAGER_KEY)?;
                drop_value(batch, &manager_key()?)
            }
            Tampering::OldManager(commit_sequence, _) => {
                if let Some(manager) = &self.manager {
                    let mut budget = RemovalBudget::of_one_commit();
                    manager.replace(batch, &manager_key()?, &mut budget)?;
                }
                let number = commit_sequence.to_le_bytes();
                batch.put(Table::MonitorsState, MANAGER_KEY, &number).map(|()| true)
            }
        }
    }
}

/// Removes a value; chunks that are too many for one commit stay, and no pointer leads to them.
fn drop_value(batch: &mut Batch<'_>, key: &[u8]) -> Result<bool> {
    let is_there = batch.row(Table::Blobs, key)?.is_some();
    blob::remove_key(batch, key, &mut RemovalBudget::of_one_commit())?;
    Ok(is_there)
}

/// A pointer begins with the generation of its chunks, whose keys begin with its big-endian bytes.
fn flip_first_chunk(batch: &mut Batch<'_>, key: &[u8]) -> Result<bool> {
    let pointer = batch.row(Table::Blobs, key)?;
    let Some(generation) = pointer.as_ref().and_then(|pointer| pointer.first_chunk::<8>()) else {
        return Ok(false);
    };
    let mut chunk_key = u64::from_le_bytes(*generation).to_be_bytes().to_vec();
    chunk_key.extend_from_slice(&0u32.to_be_bytes());
    let row = batch.snapshot().get(Table::BlobChunks, &chunk_key)?.map(<[u8]>::to_vec);
    let Some(mut row) = row else { return Ok(false) };
    if let Some(last) = row.last_mut() {
        *last ^= 1;
    }
    batch.put_row(Table::BlobChunks, &chunk_key, &row)?;
    Ok(true)
}

impl Command for Edit {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        match self.run(batch)? {
            true => Ok(Reply::done()),
            false => Err(Error::new(Status::NotFound, "there is nothing to tamper with")),
        }
    }

    fn cost(&self) -> Cost {
        Cost { rows: 16, bytes: 4 * BLOB_CHUNK_BYTES as u64 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}
