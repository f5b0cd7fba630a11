//! Every change of attempts as a command: load, ask the rules, write.
//!
//! Called by `mod.rs` for typed calls and by `Operation` for mixed submissions; both take the same path.

use std::sync::Arc;

use super::leftovers::{self, Place};
use super::record::{AttemptResult, NamespaceRow, State};
use super::rules::{self, Gate, InitRequest, Profile, Retain, Rollback};
use super::subscriptions::Subscriptions;
use super::table::{self, ALL_NAMESPACES, Loaded, Stage};
use crate::error::{Error, Result, Status};
use crate::events::{EVENT_ROWS, EventKind};
use crate::limits::{EXTERNAL_KEY_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Rows, Space};
use crate::store::tables::Table;
use crate::types::{AttemptKey, Namespace};

/// One change of attempts, as a value: alone, or mixed with others in one submission.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// See [`super::Attempts::init`].
    Init(InitRequest),
    /// See [`super::Attempts::mark_handed_off`].
    MarkHandedOff(AttemptKey),
    /// See [`super::Attempts::store_result`].
    StoreResult(AttemptKey, AttemptResult),
    /// See [`super::Attempts::fail_pending`].
    FailPending(AttemptKey, Rollback),
    /// See [`super::Attempts::ack`].
    Ack(AttemptKey),
    /// See [`super::Attempts::delete`].
    Delete(AttemptKey, Retain),
    /// See [`super::Attempts::quarantine`].
    Quarantine(AttemptKey),
    /// See [`super::Attempts::allocate`].
    Allocate(Namespace, Vec<u8>),
}

impl Operation {
    pub(super) fn key(&self) -> Option<AttemptKey> {
        match self {
            Operation::Init(request) => Some(request.key),
            Operation::MarkHandedOff(key)
            | Operation::StoreResult(key, _)
            | Operation::FailPending(key, _)
            | Operation::Ack(key)
            | Operation::Delete(key, _)
            | Operation::Quarantine(key) => Some(*key),
            Operation::Allocate(..) => None,
        }
    }

    /// What can be refused without looking at the store.
    pub(super) fn validate(&self) -> Result<()> {
        let namespace = match self {
            Operation::Allocate(namespace, _) => *namespace,
            other => other.key().map_or(Namespace::default(), |key| key.namespace),
        };
        refuse_reserved(namespace)?;
        match self {
            Operation::Allocate(_, external) => {
                let length = external.len();
                if length == 0 || length > EXTERNAL_KEY_BYTES_MAX {
                    return Err(Error::new(
                        Status::InvalidArgument,
                        format!(
                            "an external key has 1 to {EXTERNAL_KEY_BYTES_MAX} bytes, not {length}"
                        ),
                    ));
                }
                Ok(())
            }
            Operation::StoreResult(key, result) => refuse_long(*key, result.message.len()),
            Operation::FailPending(key, rollback) => refuse_long(*key, rollback.message.len()),
            _ => Ok(()),
        }
    }
}

fn refuse_long(key: AttemptKey, length: usize) -> Result<()> {
    if length <= MESSAGE_BYTES_MAX {
        return Ok(());
    }
    Err(Error::new(
        Status::TooBig,
        format!("{key}: a message has at most {MESSAGE_BYTES_MAX} bytes (BOLT 1), not {length}"),
    ))
}

pub(crate) fn refuse_reserved(namespace: Namespace) -> Result<()> {
    if namespace == ALL_NAMESPACES {
        return Err(Error::new(
            Status::InvalidArgument,
            "the namespace of all ones means all namespaces and cannot be written",
        ));
    }
    Ok(())
}

/// An operation with what it needs to run.
pub(crate) struct Change {
    pub(super) operation: Operation,
    pub(super) profile: Profile,
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) leftovers: Arc<Place>,
}

impl Command for Change {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let now = table::now(batch);
        if let Operation::Allocate(namespace, external) = &self.operation {
            return allocate(batch, *namespace, external);
        }
        let Some(key) = self.operation.key() else {
            return Err(Status::Internal.into());
        };
        let before = table::load(batch, key)?;
        let stored = before.stored();
        let decision = match &self.operation {
            Operation::Init(request) => {
                let gate = gate(batch, key.namespace, &before)?;
                rules::init(self.profile, stored, request, gate, now)?
            }
            Operation::MarkHandedOff(_) => rules::mark_handed_off(key, stored, now)?,
            Operation::StoreResult(_, result) => {
                rules::store_result(self.profile, key, stored, result, now)?
            }
            Operation::FailPending(_, rollback) => rules::fail_pending(key, stored, rollback, now)?,
            Operation::Ack(_) => rules::ack(key, stored)?,
            Operation::Delete(_, retain) => rules::delete(key, stored, *retain, now)?,
            Operation::Quarantine(_) => rules::quarantine(key, stored, now)?,
            Operation::Allocate(..) => return Err(Status::Internal.into()),
        };
        let reply = table::apply(batch, key, &before, decision)?;
        if matches!(self.operation, Operation::Delete(..)) && leftovers::leaves_one(&before) {
            leftovers::remove_some(batch, &self.leftovers, 1)?;
        }
        Ok(reply)
    }

    fn committed(&self, _reply: &Reply) {
        match &self.operation {
            Operation::StoreResult(key, result) => self.subscriptions.deliver(*key, result),
            Operation::FailPending(key, rollback) => {
                self.subscriptions.deliver(*key, &rollback.result());
            }
            Operation::Quarantine(key) => self.subscriptions.close_all_of(*key),
            _ => {}
        }
    }

    fn cost(&self) -> Cost {
        let message = match &self.operation {
            Operation::StoreResult(_, result) => result.message.len(),
            Operation::FailPending(_, rollback) => rollback.message.len(),
            _ => 0,
        };
        let leftovers = match &self.operation {
            Operation::Delete(..) => leftovers::REMOVED_MAX as u64,
            _ => 0,
        };
        // Record, index of pending ones, namespace, retained queue, event.
        Cost { rows: 4 + EVENT_ROWS + leftovers, bytes: 512 + message as u64 }
    }

    fn space(&self) -> Space {
        match self.operation {
            Operation::Init(_) | Operation::Allocate(..) => Space::Grows,
            _ => Space::Settles,
        }
    }
}

pub(super) fn gate(batch: &Batch<'_>, namespace: Namespace, before: &Loaded) -> Result<Gate> {
    if !matches!(before, Loaded::Absent) {
        return Ok(Gate::default());
    }
    let row = table::namespace_row(batch, namespace)?;
    let floor_lost = row.flags & NamespaceRow::FLOOR_LOST != 0;
    Ok(Gate {
        id_floor: row.id_floor,
        needs_acknowledgement: floor_lost || batch.meta().needs_acknowledgement(),
    })
}

fn allocate(batch: &mut Batch<'_>, namespace: Namespace, external: &[u8]) -> Outcome {
    let mut row_key = namespace.0.to_vec();
    row_key.extend_from_slice(external);
    if let Some(body) = batch.row(Table::AttemptKeys, &row_key)? {
        let id = body.get(..8).and_then(|id| Some(u64::from_le_bytes(id.try_into().ok()?)));
        let id = id.ok_or_else(|| Error::new(Status::CorruptRecord, "the key's row is damaged"))?;
        return Ok(Reply { value: id, ..Reply::already(Status::Already) });
    }
    let mut all = table::namespace_row(batch, ALL_NAMESPACES)?;
    if batch.meta().needs_acknowledgement() || all.flags & NamespaceRow::FLOOR_LOST != 0 {
        return Err(Status::NotAcknowledged.into());
    }
    let floor = table::namespace_row(batch, namespace)?.id_floor;
    let mut id = all.next_id.max(floor).max(1);
    while !matches!(table::load(batch, AttemptKey::new(namespace, id))?, Loaded::Absent) {
        id = id.checked_add(1).ok_or_else(|| Error::from(Status::IdOutOfRange))?;
    }
    all.next_id = id.checked_add(1).ok_or_else(|| Error::from(Status::IdOutOfRange))?;
    table::put_namespace_row(batch, ALL_NAMESPACES, &all)?;
    let mut body = id.to_le_bytes().to_vec();
    body.extend_from_slice(&batch.clock().unix_ms.to_le_bytes());
    batch.put(Table::AttemptKeys, &row_key, &body)?;
    Ok(Reply { value: id, ..Reply::done() })
}

/// Sets or clears the external router's mark.
pub(super) struct SetExternal(pub(super) bool);

impl Command for SetExternal {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let mut all = table::namespace_row(batch, ALL_NAMESPACES)?;
        let marked = all.flags & NamespaceRow::EXTERNAL != 0;
        let records = batch.heads.of(Table::Attempts).rows;
        if !self.0 && records != 0 {
            return Err(Error::new(
                Status::EntriesExist,
                format!("{records} attempt records remain; drain and delete them first"),
            ));
        }
        if marked == self.0 {
            return Ok(Reply::already(Status::Already));
        }
        all.flags ^= NamespaceRow::EXTERNAL;
        table::put_namespace_row(batch, ALL_NAMESPACES, &all)?;
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 128 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// Ends the refusal of new ids after a restore or a copy, by giving each namespace a floor.
pub(super) struct AcknowledgeRestore {
    pub(super) floors: Vec<(Namespace, u64)>,
}

impl AcknowledgeRestore {
    /// A namespace that was given no floor would grant ids again.
    fn refuse_forgotten(&self, batch: &Batch<'_>) -> Result<()> {
        let mut known = Vec::new();
        batch.scan(Table::Namespaces, &[], |key, _| {
            known.extend(key.try_into().map(Namespace));
            true
        })?;
        known.retain(|namespace| *namespace != ALL_NAMESPACES);
        if let Some(forgotten) =
            known.iter().find(|known| !self.floors.iter().any(|(named, _)| named == *known))
        {
            return Err(Error::new(
                Status::InvalidArgument,
                format!("namespace {forgotten} has records and was given no id floor"),
            ));
        }
        Ok(())
    }
}

impl Command for AcknowledgeRestore {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let waits = batch.meta().needs_acknowledgement();
        if waits {
            self.refuse_forgotten(batch)?;
        }
        let mut raised = false;
        for (namespace, floor) in &self.floors {
            raised |= raise_floor(batch, *namespace, *floor)?;
        }
        let highest = self.floors.iter().map(|(_, floor)| *floor).max().unwrap_or(0);
        raised |= raise_next_id(batch, highest)?;
        if !waits {
            return Ok(if raised { Reply::done() } else { Reply::already(Status::Already) });
        }
        batch.change_meta(|meta| {
            meta.restored = false;
            meta.copied = false;
        });
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        let rows = self.floors.len() as u64 + 1;
        Cost { rows, bytes: rows * 128 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

fn raise_floor(batch: &mut Batch<'_>, namespace: Namespace, floor: u64) -> Result<bool> {
    let mut row = table::readable_or_rebuilt(batch, namespace)?;
    let lost = row.flags & NamespaceRow::FLOOR_LOST != 0;
    if row.id_floor >= floor && !lost {
        return Ok(false);
    }
    row.id_floor = row.id_floor.max(floor);
    row.flags &= !NamespaceRow::FLOOR_LOST;
    table::put_namespace_row(batch, namespace, &row)?;
    Ok(true)
}

/// Allocations start above every floor: two namespaces may share one switch.
fn raise_next_id(batch: &mut Batch<'_>, floor: u64) -> Result<bool> {
    let mut all = table::readable_or_rebuilt(batch, ALL_NAMESPACES)?;
    let lost = all.flags & NamespaceRow::FLOOR_LOST != 0;
    if all.next_id >= floor && !lost {
        return Ok(false);
    }
    all.next_id = all.next_id.max(floor);
    all.flags &= !NamespaceRow::FLOOR_LOST;
    table::put_namespace_row(batch, ALL_NAMESPACES, &all)?;
    Ok(true)
}

/// Records that one bounded command visits.
pub(super) const STEP_ROWS: usize = 256;
/// Fewer when each may take rows of others with it: a step has to fit what a full disk has in reserve.
pub(super) const CLEAN_STEP_ROWS: usize = STEP_ROWS / 2;

/// Cleans one step of a namespace. Replies with the number removed.
pub(super) struct CleanStep {
    pub(super) profile: Profile,
    pub(super) keys: Vec<AttemptKey>,
    pub(super) retain: Retain,
    pub(super) leftovers: Arc<Place>,
}

impl Command for CleanStep {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let now = table::now(batch);
        let (mut removed, mut left) = (0, 0);
        for key in &self.keys {
            let before = table::load(batch, *key)?;
            if let Some(decision) = rules::clean(self.profile, before.stored(), self.retain, now) {
                table::apply(batch, *key, &before, decision)?;
                removed += 1;
                left += usize::from(leftovers::leaves_one(&before));
            }
        }
        leftovers::remove_some(batch, &self.leftovers, left)?;
        Ok(Reply::of_step(removed))
    }

    fn cost(&self) -> Cost {
        let cost = step_cost(self.keys.len());
        let leftovers = self.keys.len() * leftovers::REMOVED_MAX;
        Cost { rows: cost.rows + leftovers as u64, ..cost }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// Acknowledges one step of final records below an id. Replies with the number acknowledged.
pub(super) struct AckStep {
    pub(super) keys: Vec<AttemptKey>,
    /// Every final record of the namespace below this id is acknowledged after this step.
    pub(super) acked_below: (Namespace, u64),
}

impl Command for AckStep {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let mut acked = 0;
        for key in &self.keys {
            let before = table::load(batch, *key)?;
            let Loaded::Found(attempt) = &before else {
                continue;
            };
            if attempt.state.is_final() {
                let decision = rules::ack(*key, before.stored())?;
                let reply = table::apply(batch, *key, &before, decision)?;
                acked += u64::from(reply.changed());
            }
        }
        let (namespace, below) = self.acked_below;
        let mut row = table::namespace_row(batch, namespace)?;
        if row.acked_below < below {
            row.acked_below = below;
            table::put_namespace_row(batch, namespace, &row)?;
        }
        Ok(Reply::of_step(acked))
    }

    fn cost(&self) -> Cost {
        step_cost(self.keys.len())
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// How long records are kept after they were acknowledged and deleted; 0 means for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Retention {
    pub(super) acked_secs: u64,
    pub(super) tombstone_secs: u64,
    pub(super) tombstones_max: u64,
}

/// One step of retention: acknowledged records become tombstones, tombstones are forgotten if the host
/// allows it. Replies with the number of rows of the retention queue it dealt with.
pub(super) struct SweepStep {
    pub(super) retention: Retention,
}

/// A row of the retention queue that a step deals with.
struct Due {
    row: Vec<u8>,
    key: AttemptKey,
    /// The host told no time when it was queued, so its time starts with this step.
    undated: bool,
}

impl Command for SweepStep {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let mut handled = 0;
        for stage in [Stage::Acked, Stage::Tombstone] {
            for due in self.due(batch, stage)? {
                batch.delete(Table::AttemptsRetained, &due.row)?;
                if due.undated {
                    table::put_retained(batch, stage, due.key)?;
                } else {
                    finish(batch, stage, due.key)?;
                }
                handled += 1;
            }
        }
        Ok(Reply::of_step(handled))
    }

    fn cost(&self) -> Cost {
        step_cost(STEP_ROWS)
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// Ends what a record waited for, unless it went on since it was queued.
fn finish(batch: &mut Batch<'_>, stage: Stage, key: AttemptKey) -> Result<()> {
    let before = table::load(batch, key)?;
    let Loaded::Found(attempt) = &before else { return Ok(()) };
    let acked = attempt.state.is_final() && attempt.flags.has(super::Flags::ACKED);
    let decision = match stage {
        Stage::Acked if acked => {
            rules::delete(key, before.stored(), Retain::Tombstone, table::now(batch))?
        }
        Stage::Tombstone if attempt.state == State::Deleted => {
            rules::Decision::Remove(EventKind::AttemptDeleted)
        }
        _ => return Ok(()),
    };
    table::apply(batch, key, &before, decision)?;
    Ok(())
}

impl SweepStep {
    fn due(&self, batch: &Batch<'_>, stage: Stage) -> Result<Vec<Due>> {
        let (secs, surplus) = match stage {
            Stage::Acked => (self.retention.acked_secs, 0),
            Stage::Tombstone => (self.retention.tombstone_secs, self.surplus(batch)?),
        };
        let now_ms = batch.clock().unix_ms;
        let mut due = Vec::new();
        if secs == 0 && surplus == 0 {
            return Ok(due);
        }
        batch.scan(Table::AttemptsRetained, &stage.key(0, 0), |row, body| {
            if row.first() != Some(&(stage as u8)) {
                return false;
            }
            let Some((key, since_ms)) = body.ok().and_then(table::decode_retained) else {
                return true;
            };
            let old = secs != 0 && now_ms.saturating_sub(since_ms) >= secs.saturating_mul(1000);
            let over = (due.len() as u64) < surplus;
            let undated = since_ms == 0 && !over;
            if undated && now_ms == 0 || !(old || over || undated) {
                return false;
            }
            due.push(Due { row: row.to_vec(), key, undated });
            due.len() < STEP_ROWS / 2
        })?;
        Ok(due)
    }

    fn surplus(&self, batch: &Batch<'_>) -> Result<u64> {
        if self.retention.tombstones_max == 0 {
            return Ok(0);
        }
        let mut tombstones = 0u64;
        batch.scan(Table::Namespaces, &[], |_, body| {
            let row = body.ok().and_then(NamespaceRow::decode).unwrap_or_default();
            tombstones = tombstones.saturating_add(row.counts[State::Deleted as usize - 1]);
            true
        })?;
        Ok(tombstones.saturating_sub(self.retention.tombstones_max))
    }
}

fn step_cost(records: usize) -> Cost {
    let records = records as u64;
    Cost { rows: records * (4 + EVENT_ROWS), bytes: records * 512 }
}

/// Puts bytes under a key as they are, so that tests have an unreadable record.
#[cfg(feature = "failpoints")]
pub(super) struct WriteRaw {
    pub(super) key: AttemptKey,
    pub(super) bytes: Vec<u8>,
}

#[cfg(feature = "failpoints")]
impl Command for WriteRaw {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        batch.put_row(Table::Attempts, &self.key.to_bytes(), &self.bytes)?;
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: self.bytes.len() as u64 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}
