//! How a change of one attempt becomes rows: the record, the index of pending ones, the counts of its
//! namespace, the queue of retained ones, the event.
//!
//! I1 a key is in `attempts_pending` exactly when its record is pending. I2 a namespace's counts are the
//! numbers of its records by state. I3 every acknowledged record and every tombstone has a row in
//! `attempts_retained`; a row whose record went on since is skipped, and goes as `leftovers` says.

use super::record::{Attempt, Flags, NamespaceRow, State};
use super::rules::{Decision, Now, Stored};
use crate::error::{Error, Result, Status};
use crate::events::{self, Event, EventKind};
use crate::store::Reply;
use crate::store::batch::{Batch, Rows, readable};
use crate::store::tables::Table;
use crate::types::{AttemptKey, Clock, Namespace};

/// Key of the row about all namespaces; no namespace of a host may be this one.
pub(super) const ALL_NAMESPACES: Namespace = Namespace([0xff; 16]);

/// A record as loaded, before the rules look at it.
#[derive(Debug)]
pub(super) enum Loaded {
    Absent,
    Unreadable,
    Found(Box<Attempt>),
}

impl Loaded {
    pub(super) fn stored(&self) -> Stored<'_> {
        match self {
            Loaded::Absent => Stored::Absent,
            Loaded::Unreadable => Stored::Unreadable,
            Loaded::Found(attempt) => Stored::Found(attempt),
        }
    }

    pub(super) fn state(&self) -> Option<State> {
        match self {
            Loaded::Found(attempt) => Some(attempt.state),
            Loaded::Absent | Loaded::Unreadable => None,
        }
    }
}

/// Reads the record of a key.
pub(super) fn load(rows: &impl Rows, key: AttemptKey) -> Result<Loaded> {
    match rows.row(Table::Attempts, &key.to_bytes()) {
        Ok(None) => Ok(Loaded::Absent),
        Ok(Some(body)) => decode(key, &body),
        Err(error) if error.status() == Status::CorruptRecord => Ok(Loaded::Unreadable),
        Err(error) => Err(error),
    }
}

pub(super) fn decode(key: AttemptKey, body: &[u8]) -> Result<Loaded> {
    Ok(match Attempt::decode(key, body)? {
        Some(attempt) => Loaded::Found(Box::new(attempt)),
        None => Loaded::Unreadable,
    })
}

/// Reads what is kept about a namespace.
pub(super) fn namespace_row(rows: &impl Rows, namespace: Namespace) -> Result<NamespaceRow> {
    let Some(body) = rows.row(Table::Namespaces, &namespace.0)? else {
        return Ok(NamespaceRow::default());
    };
    NamespaceRow::decode(&body).ok_or_else(|| {
        Error::new(
            Status::CorruptRecord,
            format!("the row of namespace {namespace} does not decode"),
        )
    })
}

pub(super) fn put_namespace_row(
    batch: &mut Batch<'_>,
    namespace: Namespace,
    row: &NamespaceRow,
) -> Result<()> {
    batch.put(Table::Namespaces, &namespace.0, &row.encode())
}

pub(super) fn now(batch: &Batch<'_>) -> Now {
    Now {
        epoch: batch.meta().epoch,
        clock: batch.clock(),
        doubt_below_epoch: batch.meta().doubt_below_epoch,
    }
}

/// Writes what a rule decided.
pub(super) fn apply(
    batch: &mut Batch<'_>,
    key: AttemptKey,
    before: &Loaded,
    decision: Decision,
) -> Result<Reply> {
    let (after, event) = match decision {
        Decision::Repeat(status) => return Ok(Reply::already(status)),
        Decision::Remove(event) => (None, Some(event)),
        Decision::Put(attempt, event) => (Some(*attempt), event),
    };
    let bytes = key.to_bytes();
    match &after {
        Some(attempt) => batch.put(Table::Attempts, &bytes, &attempt.encode()?)?,
        None => drop(batch.delete(Table::Attempts, &bytes)?),
    }
    let indexed = index_pending(batch, key, before, after.as_ref())?;
    count(batch, key, before.state().or(indexed), after.as_ref(), before)?;
    retain(batch, key, before, after.as_ref())?;
    let mut reply = Reply::done();
    if event == Some(EventKind::AttemptConflict) {
        reply.flags |= Reply::CONFLICT;
    }
    if let Some(kind) = event {
        reply.event_sequence = events::append(batch, event_of(key, kind, after.as_ref()))?;
    }
    Ok(reply)
}

/// Keeps I1. Answers the state that the index knew when the record itself is unreadable.
fn index_pending(
    batch: &mut Batch<'_>,
    key: AttemptKey,
    before: &Loaded,
    after: Option<&Attempt>,
) -> Result<Option<State>> {
    let bytes = key.to_bytes();
    let known = match before {
        Loaded::Unreadable => readable(batch.row(Table::AttemptsPending, &bytes))?.flatten(),
        _ => None,
    };
    let known = known.and_then(|body| State::from_number(*body.first()?));
    let was = before.state().or(known).filter(|state| state.is_pending());
    let is = after.map(|attempt| attempt.state).filter(|state| state.is_pending());
    match (was, is) {
        (was, Some(state)) if was != Some(state) => {
            batch.put(Table::AttemptsPending, &bytes, &[state as u8])?;
        }
        (Some(_), None) => drop(batch.delete(Table::AttemptsPending, &bytes)?),
        _ => {}
    }
    Ok(known)
}

/// Keeps I2.
fn count(
    batch: &mut Batch<'_>,
    key: AttemptKey,
    before: Option<State>,
    after: Option<&Attempt>,
    loaded: &Loaded,
) -> Result<()> {
    let state = after.map(|attempt| attempt.state);
    let unmarked = is_unmarked_result(loaded, after);
    if before == state && !unmarked {
        return Ok(());
    }
    let Some(mut row) = readable_row(batch, key.namespace)? else {
        let lost = NamespaceRow::FLOOR_LOST | NamespaceRow::UNMARKED_RESULT;
        return recount(batch, key.namespace, NamespaceRow { flags: lost, ..Default::default() });
    };
    // Which state an unreadable record had is not known, unless the index of pending ones says so.
    if before.is_none() && matches!(loaded, Loaded::Unreadable) {
        return recount(batch, key.namespace, row);
    }
    row.count(before, state);
    if unmarked {
        row.flags |= NamespaceRow::UNMARKED_RESULT;
    }
    put_namespace_row(batch, key.namespace, &row)
}

/// The row of a namespace, `None` when it is damaged.
fn readable_row(rows: &impl Rows, namespace: Namespace) -> Result<Option<NamespaceRow>> {
    match namespace_row(rows, namespace) {
        Ok(row) => Ok(Some(row)),
        Err(error) if error.status() == Status::CorruptRecord => Ok(None),
        Err(error) => Err(error),
    }
}

/// Counts a namespace's records anew. A damaged row is replaced so, and no settle waits for a repair; what
/// the records do not say is lost on the safe side: new ids are refused until a floor is given again.
fn recount(batch: &mut Batch<'_>, namespace: Namespace, row: NamespaceRow) -> Result<()> {
    let mut row = NamespaceRow { counts: [0; 5], ..row };
    batch.scan(Table::Attempts, &AttemptKey::new(namespace, 0).to_bytes(), |bytes, body| {
        let key = bytes.try_into().ok().map(AttemptKey::from_bytes);
        let Some(key) = key.filter(|key| key.namespace == namespace) else { return false };
        if let Some((attempt, _)) = body.ok().and_then(|body| Attempt::parse(key, body)) {
            row.count(None, Some(attempt.state));
        }
        true
    })?;
    put_namespace_row(batch, namespace, &row)
}

/// Makes sure that the row of a namespace is readable, for the command that repairs it.
pub(super) fn readable_or_rebuilt(
    batch: &mut Batch<'_>,
    namespace: Namespace,
) -> Result<NamespaceRow> {
    if readable_row(batch, namespace)?.is_none() {
        let lost = NamespaceRow::FLOOR_LOST | NamespaceRow::UNMARKED_RESULT;
        recount(batch, namespace, NamespaceRow { flags: lost, ..Default::default() })?;
    }
    namespace_row(batch, namespace)
}

/// A result that came from the network for an attempt never marked: its host does not mark.
fn is_unmarked_result(before: &Loaded, after: Option<&Attempt>) -> bool {
    let was_intent = before.state() == Some(State::Intent);
    let result = after.and_then(|attempt| attempt.result.as_ref());
    was_intent
        && result.is_some_and(|result| result.state() == State::Settled || !result.unencrypted)
}

/// Keeps I3.
fn retain(
    batch: &mut Batch<'_>,
    key: AttemptKey,
    before: &Loaded,
    after: Option<&Attempt>,
) -> Result<()> {
    let Some(after) = after else { return Ok(()) };
    let was_acked = matches!(before, Loaded::Found(attempt) if attempt.flags.has(Flags::ACKED));
    let stage = if after.state == State::Deleted && before.state() != Some(State::Deleted) {
        Stage::Tombstone
    } else if after.flags.has(Flags::ACKED) && !was_acked {
        Stage::Acked
    } else {
        return Ok(());
    };
    put_retained(batch, stage, key)
}

/// Queues a record at the end of what is retained.
pub(super) fn put_retained(batch: &mut Batch<'_>, stage: Stage, key: AttemptKey) -> Result<()> {
    let (commit, order) = batch.next_ordinal();
    let mut row = [0; 32];
    row[..24].copy_from_slice(&key.to_bytes());
    row[24..].copy_from_slice(&batch.clock().unix_ms.to_le_bytes());
    batch.put(Table::AttemptsRetained, &stage.key(commit, order), &row)
}

/// What a retained record waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// Acknowledged: to become a tombstone.
    Acked = 0,
    /// A tombstone: to be forgotten, if the host ever allows that.
    Tombstone = 1,
}

impl Stage {
    pub(super) fn key(self, commit: u64, order: u32) -> [u8; 13] {
        let mut key = [0; 13];
        key[0] = self as u8;
        key[1..9].copy_from_slice(&commit.to_be_bytes());
        key[9..].copy_from_slice(&order.to_be_bytes());
        key
    }
}

/// A row of `attempts_retained`: whose, and since when.
pub(super) fn decode_retained(body: &[u8]) -> Option<(AttemptKey, u64)> {
    let (key, since) = body.split_at_checked(24)?;
    let key = AttemptKey::from_bytes(key.try_into().ok()?);
    Some((key, u64::from_le_bytes(since.try_into().ok()?)))
}

fn event_of(key: AttemptKey, kind: EventKind, after: Option<&Attempt>) -> Event {
    let mut subject = [0; 32];
    subject[..16].copy_from_slice(&key.namespace.0);
    let result = after.and_then(|attempt| attempt.result.as_ref());
    Event {
        sequence: 0,
        kind,
        state: after.map_or(State::Deleted, |attempt| attempt.state) as u8,
        attempt_state: 0,
        failure_reason: 0,
        flags: 0,
        failure_code: result.map_or(0, |result| result.failure_code()),
        subject,
        namespace: key.namespace,
        attempt_id: key.id.0,
        amount_msat: after.map_or(0, |attempt| attempt.amount_msat),
        clock: Clock::default(),
        remaining_msat: 0,
        fees_msat: 0,
    }
}

/// Queues a key that has no record, as deletions once left it behind.
#[cfg(test)]
pub(super) struct LeaveBehind(pub(super) AttemptKey);

#[cfg(test)]
impl crate::store::batch::Command for LeaveBehind {
    fn apply(&self, batch: &mut Batch<'_>) -> crate::store::Outcome {
        put_retained(batch, Stage::Acked, self.0)?;
        Ok(Reply::done())
    }

    fn cost(&self) -> crate::store::batch::Cost {
        crate::store::batch::Cost { rows: 1, bytes: 64 }
    }

    fn space(&self) -> crate::store::batch::Space {
        crate::store::batch::Space::Settles
    }
}
