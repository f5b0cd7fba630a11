//! Large values: staged in bulk slices under a new generation, then switched to by one small change.
//!
//! LV1 a blob is always whole: its pointer changes in one commit, after every chunk of the new generation is
//! durable. LV2 staging never holds up urgent work by more than one bulk slice. LV3 chunks that no pointer
//! leads to (a crash while staging, a replaced value) are removed in the background and at the next open.
//! LV4 a generation is never given twice, so that a late removal cannot meet a newer value.
//! Called by the components whose values exceed one chunk, and by Rust hosts for values of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::batch::{Batch, Command, Cost, Lane, Outcome, Reply, Rows, Space, readable};
use super::bytes::Reader;
use super::heads::Heads;
use super::queue::{Grouping, Submission};
use super::record;
use super::tables::Table;
use super::walk::References;
use super::{Core, Store};
use crate::error::{Error, Result, Status};
use crate::limits::{
    BATCH_OPS_MAX, BLOB_BYTES_MAX, BLOB_CHUNK_BYTES, BLOB_NAME_BYTES_MAX, BULK_BYTES_MAX,
};
use crate::memory::{copied, push, with_room};

/// Whose name it is: the first byte of a pointer's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Owner {
    /// Values that the host itself names.
    Host = 0,
    /// The manager of the monitors.
    Manager = 1,
    /// Snapshots of channel monitors, by channel id.
    Snapshot = 2,
    /// What the base of the backup's stripe is made of.
    Backup = 3,
}

/// Key of a pointer.
pub(crate) fn key_of(owner: Owner, name: &[u8]) -> Result<Vec<u8>> {
    if name.is_empty() || name.len() > BLOB_NAME_BYTES_MAX {
        return Err(Error::new(
            Status::InvalidArgument,
            format!("a blob's name has {} bytes; 1 to {BLOB_NAME_BYTES_MAX}", name.len()),
        ));
    }
    Ok([&[owner as u8], name].concat())
}

/// Where a value's chunks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pointer {
    generation: u64,
    bytes: u64,
    /// Over the whole value.
    crc32c: u32,
}

impl Pointer {
    /// An empty value has one chunk too: chunks tell which generations were given (LV4).
    fn chunks(&self) -> u64 {
        self.bytes.div_ceil(BLOB_CHUNK_BYTES as u64).max(1)
    }

    fn encode(&self) -> [u8; 20] {
        let mut body = [0; 20];
        body[..8].copy_from_slice(&self.generation.to_le_bytes());
        body[8..16].copy_from_slice(&self.bytes.to_le_bytes());
        body[16..].copy_from_slice(&self.crc32c.to_le_bytes());
        body
    }

    fn decode(body: &[u8]) -> Option<Pointer> {
        let mut reader = Reader::new(body);
        let pointer =
            Pointer { generation: reader.u64()?, bytes: reader.u64()?, crc32c: reader.u32()? };
        (reader.is_at_end() && pointer.bytes <= BLOB_BYTES_MAX as u64).then_some(pointer)
    }
}

fn chunk_key(generation: u64, index: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&generation.to_be_bytes());
    key[8..].copy_from_slice(&index.to_be_bytes());
    key
}

fn generation_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(..8)?.try_into().ok()?))
}

fn damaged(what: &str) -> Error {
    Error::new(Status::CorruptRecord, format!("a blob is damaged: {what}; stage it again"))
}

fn pointer(rows: &impl Rows, key: &[u8]) -> Result<Option<Pointer>> {
    match rows.row(Table::Blobs, key)? {
        Some(body) => {
            Pointer::decode(&body).map(Some).ok_or_else(|| damaged("its pointer does not decode"))
        }
        None => Ok(None),
    }
}

/// A pointer that is there and not damaged.
fn readable_pointer(rows: &impl Rows, key: &[u8]) -> Result<Option<Pointer>> {
    Ok(readable(pointer(rows, key))?.flatten())
}

/// The value of a key, read in one transaction.
pub(crate) fn read(rows: &impl Rows, key: &[u8]) -> Result<Option<Vec<u8>>> {
    let Some(pointer) = pointer(rows, key)? else { return Ok(None) };
    let bytes = usize::try_from(pointer.bytes).map_err(|_| damaged("its length"))?;
    let mut value = with_room(bytes)?;
    let mut next = 0;
    let mut failure = None;
    rows.scan(Table::BlobChunks, &chunk_key(pointer.generation, 0), |key, chunk| {
        if *key != chunk_key(pointer.generation, next) {
            return false;
        }
        next += 1;
        match chunk {
            Ok(chunk) => value.extend_from_slice(chunk),
            Err(error) => failure = Some(error),
        }
        failure.is_none() && u64::from(next) < pointer.chunks()
    })?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    if value.len() != bytes || crc32c::crc32c(&value) != pointer.crc32c {
        return Err(damaged("its chunks are not those that were switched to"));
    }
    Ok(Some(value))
}

/// The bytes of a value as far as they are there, whatever their checksums say: for people who try to save
/// what a damage left. `None` without a readable pointer.
pub(crate) fn read_damaged(rows: &impl Rows, key: &[u8]) -> Result<Option<Vec<u8>>> {
    let Some(pointer) = readable_pointer(rows, key)? else { return Ok(None) };
    let mut value = Vec::new();
    let mut room = Ok(());
    rows.snapshot().scan(Table::BlobChunks, &chunk_key(pointer.generation, 0), |key, row| {
        let ours = generation_of(key) == Some(pointer.generation);
        if ours {
            let chunk = record::body(row).unwrap_or_default();
            room = value.try_reserve(chunk.len());
            if room.is_ok() {
                value.extend_from_slice(chunk);
            }
        }
        room.is_ok() && ours && value.len() as u64 <= pointer.bytes
    })?;
    room?;
    Ok(Some(value))
}

/// Whether a value is there, whole and with its checksums, without keeping it in memory.
pub(crate) fn verify(rows: &impl Rows, key: &[u8]) -> Result<Option<u64>> {
    let Some(pointer) = pointer(rows, key)? else { return Ok(None) };
    let (mut next, mut bytes, mut failure) = (0, 0u64, None);
    rows.scan(Table::BlobChunks, &chunk_key(pointer.generation, 0), |key, chunk| {
        if *key != chunk_key(pointer.generation, next) {
            return false;
        }
        next += 1;
        match chunk {
            Ok(chunk) => bytes += chunk.len() as u64,
            Err(error) => failure = Some(error),
        }
        failure.is_none() && u64::from(next) < pointer.chunks()
    })?;
    match failure {
        Some(failure) => Err(failure),
        None if (u64::from(next), bytes) != (pointer.chunks(), pointer.bytes) => {
            Err(damaged("chunks are missing"))
        }
        None => Ok(Some(bytes)),
    }
}

/// Chunks that no pointer leads to any more and that are too many for the commit that left them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leftover {
    generation: u64,
    chunks: u64,
    bytes: u64,
}

/// What a commit may still remove of earlier values itself: two slices in all (LV2).
#[derive(Debug, Clone, Copy)]
pub(crate) struct RemovalBudget {
    rows: u64,
    bytes: u64,
}

impl RemovalBudget {
    pub(crate) const ROWS: u64 = 256;

    pub(crate) fn of_one_commit() -> RemovalBudget {
        RemovalBudget { rows: Self::ROWS, bytes: 2 * BULK_BYTES_MAX as u64 }
    }

    fn take(&mut self, leftover: Leftover) -> bool {
        let rows = self.rows.checked_sub(leftover.chunks);
        let bytes = self.bytes.checked_sub(leftover.bytes);
        let (Some(rows), Some(bytes)) = (rows, bytes) else { return false };
        *self = RemovalBudget { rows, bytes };
        true
    }
}

/// Removes a key and, as far as the budget goes, its chunks, inside the command of its owner.
pub(crate) fn remove_key(
    batch: &mut Batch<'_>,
    key: &[u8],
    budget: &mut RemovalBudget,
) -> Result<Option<Leftover>> {
    let before = readable_pointer(batch, key)?;
    batch.delete(Table::Blobs, key)?;
    remove_chunks(batch, before, budget)
}

fn remove_chunks(
    batch: &mut Batch<'_>,
    before: Option<Pointer>,
    budget: &mut RemovalBudget,
) -> Result<Option<Leftover>> {
    let Some(before) = before else { return Ok(None) };
    let (generation, chunks) = (before.generation, before.chunks());
    let leftover = Leftover { generation, chunks, bytes: before.bytes };
    if !budget.take(leftover) {
        return Ok(Some(leftover));
    }
    for index in 0..chunks as u32 {
        batch.delete(Table::BlobChunks, &chunk_key(generation, index))?;
    }
    Ok(None)
}

/// A value that no pointer leads to yet: its chunks are durable already, or are written by the command that
/// switches to it. Dropped without having been switched to, it leaves nothing.
pub(crate) struct Staged {
    core: Arc<Core>,
    pointer: Pointer,
    /// Chunks that are not written yet.
    rows: Vec<([u8; 12], Vec<u8>)>,
    switched: AtomicBool,
}

impl Staged {
    /// As [`Staged::switch`], and the chunks of the earlier value go in the same commit as far as the budget
    /// goes.
    pub(crate) fn replace(
        &self,
        batch: &mut Batch<'_>,
        key: &[u8],
        budget: &mut RemovalBudget,
    ) -> Result<Option<Leftover>> {
        let before = readable_pointer(batch, key)?;
        for (key, chunk) in &self.rows {
            batch.put(Table::BlobChunks, key, chunk)?;
        }
        batch.put(Table::Blobs, key, &self.pointer.encode())?;
        remove_chunks(batch, before, budget)
    }

    /// What [`Staged::replace`] costs, but for what its commit removes.
    pub(crate) fn cost(&self) -> Cost {
        let bytes: u64 = self.rows.iter().map(|(_, chunk)| chunk.len() as u64).sum();
        let rows = 2 + self.rows.len() as u64;
        Cost { rows, bytes: bytes + 256 }
    }

    /// Makes it the value of a key, inside the command of its owner; answers the generation that is no
    /// longer needed, to be given to [`remove`] after the commit.
    pub(crate) fn switch(&self, batch: &mut Batch<'_>, key: &[u8]) -> Result<Option<u64>> {
        let before = readable_pointer(batch, key)?;
        batch.put(Table::Blobs, key, &self.pointer.encode())?;
        Ok(before.map(|pointer| pointer.generation))
    }

    /// The commit of [`Staged::switch`] is durable, or its outcome unknown: the chunks stay.
    pub(crate) fn keep(&self) {
        self.switched.store(true, Ordering::Relaxed);
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.rows.is_empty() && !self.switched.load(Ordering::Relaxed) {
            remove(&self.core, self.pointer.generation, self.pointer.chunks());
        }
    }
}

/// Removes the chunks of a generation in the background.
pub(crate) fn remove(core: &Core, generation: u64, chunks: u64) {
    remove_all(core, &[Leftover { generation, chunks, bytes: chunks * BLOB_CHUNK_BYTES as u64 }]);
}

/// Removes what commits left, in the background; small values share slices. What a full queue or a crash
/// leaves is removed at the next open.
pub(crate) fn remove_all(core: &Core, leftovers: &[Leftover]) {
    let (mut keys, mut bytes) = (Vec::new(), 0);
    for leftover in leftovers {
        let per_chunk = leftover.bytes.div_ceil(leftover.chunks.max(1));
        for index in 0..u32::try_from(leftover.chunks).unwrap_or(u32::MAX) {
            if bytes + per_chunk > BULK_BYTES_MAX as u64 || keys.len() == BATCH_OPS_MAX {
                if !push_removal(core, std::mem::take(&mut keys), bytes) {
                    return;
                }
                bytes = 0;
            }
            bytes += per_chunk;
            keys.push(chunk_key(leftover.generation, index));
        }
    }
    push_removal(core, keys, bytes);
}

fn push_removal(core: &Core, keys: Vec<[u8; 12]>, bytes: u64) -> bool {
    if keys.is_empty() {
        return true;
    }
    let removal: Arc<dyn Command> = Arc::new(RemoveChunks { keys, bytes });
    let submission = Submission::new(vec![removal], Grouping::Independent, Box::new(drop));
    submission.and_then(|submission| core.queue.push(submission)).is_ok()
}

struct PutChunks {
    rows: Vec<([u8; 12], Vec<u8>)>,
    space: Space,
}

impl Command for PutChunks {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        for (key, chunk) in &self.rows {
            batch.put(Table::BlobChunks, key, chunk)?;
        }
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        let bytes = self.rows.iter().map(|(_, chunk)| chunk.len() as u64).sum();
        Cost { rows: self.rows.len() as u64, bytes }
    }

    fn lane(&self) -> Lane {
        Lane::Bulk
    }

    fn space(&self) -> Space {
        self.space
    }
}

struct RemoveChunks {
    keys: Vec<[u8; 12]>,
    /// Of the chunks.
    bytes: u64,
}

impl Command for RemoveChunks {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        for key in &self.keys {
            batch.delete(Table::BlobChunks, key)?;
        }
        Ok(Reply::done())
    }

    /// Counted like the chunks themselves, so that removals too come in slices.
    fn cost(&self) -> Cost {
        Cost { rows: self.keys.len() as u64, bytes: self.bytes }
    }

    fn lane(&self) -> Lane {
        Lane::Bulk
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// Sets or removes the host's pointer; the reply's value is the generation it led to, 0 without one.
struct SetPointer {
    key: Vec<u8>,
    staged: Option<Staged>,
}

impl Command for SetPointer {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let before = match &self.staged {
            Some(staged) => staged.switch(batch, &self.key)?,
            None => {
                let before = readable_pointer(batch, &self.key)?;
                if !batch.delete(Table::Blobs, &self.key)? {
                    return Err(Error::new(Status::NotFound, "there is no blob of this name"));
                }
                before.map(|pointer| pointer.generation)
            }
        };
        Ok(Reply { value: before.unwrap_or(0), ..Reply::done() })
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 128 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// Named large values of one store. Every method may be called from any thread.
#[derive(Debug, Clone, Copy)]
pub struct Blobs<'store> {
    store: &'store Store,
}

impl<'store> Blobs<'store> {
    pub(super) fn new(store: &'store Store) -> Blobs<'store> {
        Blobs { store }
    }

    /// Writes the chunks of a value, slice by slice, and returns when all of them are durable.
    ///
    /// # Errors
    /// `TooBig`; `Busy` without memory; those of a submission. Nothing but chunks to be swept is left then.
    pub(crate) fn stage(&self, value: &[u8], space: Space) -> Result<Staged> {
        let staged = self.stage_all(&[value], space)?.pop();
        staged.ok_or_else(|| Status::Internal.into())
    }

    /// As [`Blobs::stage`] for many values: small ones share slices. `space` says whether they may use the
    /// disk's reserve.
    pub(crate) fn stage_all(&self, values: &[&[u8]], space: Space) -> Result<Vec<Staged>> {
        let (mut staged, mut rows, mut bytes) = (with_room(values.len())?, Vec::new(), 0);
        for value in values {
            let one = self.new_generation(value)?;
            for (index, chunk) in chunks_of_value(value).enumerate() {
                if bytes + chunk.len() > BULK_BYTES_MAX || rows.len() == BATCH_OPS_MAX {
                    let rows = std::mem::take(&mut rows);
                    self.store.submit_one(PutChunks { rows, space })?;
                    bytes = 0;
                }
                bytes += chunk.len();
                let row = (chunk_key(one.pointer.generation, index as u32), copied(chunk)?);
                push(&mut rows, row)?;
            }
            staged.push(one);
        }
        if !rows.is_empty() {
            self.store.submit_one(PutChunks { rows, space })?;
        }
        Ok(staged)
    }

    /// A small value whose chunks are written by the commit that switches to it.
    ///
    /// # Errors
    /// `TooBig`; `Busy` without memory.
    pub(crate) fn hold(&self, value: &[u8]) -> Result<Staged> {
        let mut staged = self.new_generation(value)?;
        let generation = staged.pointer.generation;
        staged.rows = with_room(chunks_of_value(value).count())?;
        for (index, chunk) in chunks_of_value(value).enumerate() {
            staged.rows.push((chunk_key(generation, index as u32), copied(chunk)?));
        }
        Ok(staged)
    }

    fn new_generation(&self, value: &[u8]) -> Result<Staged> {
        if value.len() > BLOB_BYTES_MAX {
            return Err(Error::new(
                Status::TooBig,
                format!("a value of {} bytes; at most {BLOB_BYTES_MAX}", value.len()),
            ));
        }
        let core = Arc::clone(self.store.core());
        let generation = core.blob_generation.fetch_add(1, Ordering::Relaxed);
        let bytes = value.len() as u64;
        let pointer = Pointer { generation, bytes, crc32c: crc32c::crc32c(value) };
        Ok(Staged { core, pointer, rows: Vec::new(), switched: AtomicBool::new(false) })
    }

    /// Sets the value of a name. Returns when it is durable; until then the name has its earlier value.
    /// Urgent work of the store goes on meanwhile.
    ///
    /// # Errors
    /// `InvalidArgument` for the name, `TooBig`, `NoSpace`, `Busy`: the earlier value stays. `Unknown`,
    /// `Poisoned`: one of the two values is there after reopening. `Closed`, `Forked`.
    pub fn put(&self, name: &[u8], value: &[u8]) -> Result<()> {
        let key = key_of(Owner::Host, name)?;
        let staged = self.stage(value, Space::Grows)?;
        let command = Arc::new(SetPointer { key, staged: Some(staged) });
        let commands: Vec<Arc<dyn Command>> = vec![Arc::<SetPointer>::clone(&command)];
        let outcome = self.store.submit(commands, Grouping::Independent)?.pop();
        let outcome = outcome.unwrap_or_else(|| Err(Status::Internal.into()));
        let refused = matches!(&outcome, Err(error) if error.status().is_definite());
        if let (false, Some(staged)) = (refused, &command.staged) {
            staged.keep();
        }
        self.remove_earlier(outcome?.value);
        Ok(())
    }

    /// The value of a name, `None` when it has none.
    ///
    /// # Errors
    /// `CorruptRecord` when it is damaged; `Busy`, `InvalidArgument`, `Closed`, `Poisoned`, `Forked`.
    pub fn get(&self, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let key = key_of(Owner::Host, name)?;
        self.store.read(|view| read(view, &key))
    }

    /// Removes a name and its value.
    ///
    /// # Errors
    /// `NotFound`; as for [`Blobs::put`].
    pub fn delete(&self, name: &[u8]) -> Result<()> {
        let key = key_of(Owner::Host, name)?;
        self.remove_earlier(self.store.submit_one(SetPointer { key, staged: None })?.value);
        Ok(())
    }

    fn remove_earlier(&self, generation: u64) {
        if generation != 0 {
            let count = self.store.read(|view| chunks_of(view, generation)).unwrap_or(0);
            remove(self.store.core(), generation, count);
        }
    }
}

/// The chunks of a value: an empty one has one too.
fn chunks_of_value(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let empty: Option<&[u8]> = value.is_empty().then_some(&[]);
    value.chunks(BLOB_CHUNK_BYTES).chain(empty)
}

/// One more than the greatest index of a generation's chunks.
fn chunks_of(rows: &impl Rows, generation: u64) -> Result<u64> {
    let mut chunks = 0;
    rows.snapshot().scan(Table::BlobChunks, &chunk_key(generation, 0), |key, _| {
        let ours = generation_of(key) == Some(generation);
        if ours {
            let index = key.get(8..).and_then(|index| index.try_into().ok());
            chunks = index.map_or(0, |index| u64::from(u32::from_be_bytes(index)) + 1);
        }
        ours
    })?;
    Ok(chunks)
}

/// Removes generations that no pointer leads to (LV3). Runs at open, before anything can be staged.
pub(super) fn sweep_orphans(store: &Store) -> Result<()> {
    let orphans = store.read(|view| {
        let mut needed = BTreeSet::new();
        let mut damaged = false;
        view.scan(Table::Blobs, &[], |_, body| {
            match body.ok().and_then(Pointer::decode) {
                Some(pointer) => drop(needed.insert(pointer.generation)),
                None => damaged = true,
            }
            true
        })?;
        // Which chunks a damaged pointer leads to is not known: none is removed.
        if damaged { Ok(Vec::new()) } else { generations_but(view, &needed) }
    })?;
    for (generation, chunks) in orphans {
        remove(store.core(), generation, chunks);
    }
    Ok(())
}

fn generations_but(rows: &impl Rows, needed: &BTreeSet<u64>) -> Result<Vec<(u64, u64)>> {
    let mut orphans = Vec::new();
    let mut from = 0u64;
    loop {
        let mut found = None;
        rows.snapshot().scan(Table::BlobChunks, &chunk_key(from, 0), |key, _| {
            found = generation_of(key);
            false
        })?;
        let Some(generation) = found else { return Ok(orphans) };
        if !needed.contains(&generation) {
            push(&mut orphans, (generation, chunks_of(rows, generation)?))?;
        }
        let Some(next) = generation.checked_add(1) else { return Ok(orphans) };
        from = next;
    }
}

/// The first generation that was never given.
pub(super) fn next_generation(last_key: &[u8]) -> u64 {
    generation_of(last_key).unwrap_or(0).saturating_add(1)
}

/// What pointers and chunks must say about each other, for a check of the whole file. Chunks without a
/// pointer are no fault: the next open removes them.
#[derive(Debug, Default)]
pub(crate) struct BlobReferences {
    /// Chunks and bytes of each generation.
    staged: BTreeMap<u64, (u64, u64)>,
    /// Generations with a damaged chunk, which is a finding of its own.
    damaged: BTreeSet<u64>,
}

impl References for BlobReferences {
    fn row(&mut self, table: Table, key: &[u8], body: &[u8]) -> Option<String> {
        match table {
            Table::BlobChunks => {
                let (chunks, bytes) = self.staged.entry(generation_of(key)?).or_default();
                *chunks += 1;
                *bytes += body.len() as u64;
                None
            }
            Table::Blobs => {
                let Some(pointer) = Pointer::decode(body) else {
                    return Some("the pointer of a blob does not decode".to_owned());
                };
                let (chunks, bytes) =
                    self.staged.get(&pointer.generation).copied().unwrap_or_default();
                let whole = (chunks, bytes) == (pointer.chunks(), pointer.bytes)
                    || self.damaged.contains(&pointer.generation);
                (!whole).then(|| {
                    format!(
                        "a blob needs {} chunks with {} bytes and has {chunks} with {bytes}",
                        pointer.chunks(),
                        pointer.bytes
                    )
                })
            }
            _ => None,
        }
    }

    fn damaged(&mut self, table: Table, key: &[u8]) {
        if let (Table::BlobChunks, Some(generation)) = (table, generation_of(key)) {
            self.damaged.insert(generation);
        }
    }

    fn disagreements(&mut self, _heads: &Heads) -> Vec<(Table, Vec<u8>, String)> {
        Vec::new()
    }
}
