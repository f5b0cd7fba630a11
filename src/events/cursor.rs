//! Cursors, and the trimming of what no cursor needs.

use super::record::{EVENT_ROW_BYTES, Event, EventKind};
use super::{EVENT_KINDS_DEFAULT, Start};
use crate::error::{Error, Result, Status};
use crate::limits::{CURSORS_MAX, EVENTS_UNPINNED_ROWS_MAX};
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Rows, Space, readable};
use crate::store::bytes::Reader;
use crate::store::tables::Table;

/// Events between two looks at what may be trimmed.
const TRIM_INTERVAL: u64 = 64;
/// Events that one look removes at most: more than come in between, so that trimming keeps up.
const TRIM_ROWS_MAX: usize = 4 * TRIM_INTERVAL as usize;

/// Writes an event with the change it reports. Answers its number, or 0 for a kind that is not recorded.
pub(crate) fn append(batch: &mut Batch<'_>, mut event: Event) -> Result<u64> {
    let kinds = batch.event_settings().kinds.unwrap_or(EVENT_KINDS_DEFAULT);
    if kinds & event.kind.bit() == 0 {
        return Ok(0);
    }
    let last = sequence_of(&batch.heads.of(Table::Events).last_key).unwrap_or(0);
    let sequence = last.checked_add(1).ok_or_else(|| Error::from(Status::TooBig))?;
    event.sequence = sequence;
    event.clock = batch.clock();
    batch.put(Table::Events, &sequence.to_be_bytes(), &event.encode())?;
    if sequence % TRIM_INTERVAL == 0 {
        trim(batch, sequence)?;
    }
    Ok(sequence)
}

/// Rows that one event writes. A trim removes neighbours from the table's front, a few pages that the
/// bound of `store::space` covers by its share for each table.
pub(crate) const EVENT_ROWS: u64 = 1;

fn trim(batch: &mut Batch<'_>, newest: u64) -> Result<()> {
    let settings = batch.event_settings();
    let rows_max = (settings.bytes_max / EVENT_ROW_BYTES).max(1);
    let cut = newest.saturating_sub(rows_max);
    let unneeded = match lowest_acknowledged(batch)? {
        Some(acknowledged) => acknowledged,
        None => newest.saturating_sub(EVENTS_UNPINNED_ROWS_MAX),
    };
    let now_ms = batch.clock().unix_ms;
    let age_max_ms = settings.age_max_secs.saturating_mul(1000);
    let mut doomed = Vec::new();
    batch.scan(Table::Events, &[], |key, body| {
        let Some(sequence) = sequence_of(key) else {
            return false;
        };
        let too_old = || {
            let told = body.ok().and_then(|body| Event::decode(sequence, body));
            let told_ms = told.map_or(0, |event| event.clock.unix_ms);
            age_max_ms != 0 && told_ms != 0 && now_ms.saturating_sub(told_ms) > age_max_ms
        };
        let goes = sequence <= cut.max(unneeded) || too_old();
        if goes {
            doomed.push(key.to_vec());
        }
        goes && doomed.len() < TRIM_ROWS_MAX
    })?;
    for key in doomed {
        batch.delete(Table::Events, &key)?;
    }
    Ok(())
}

fn lowest_acknowledged(rows: &impl Rows) -> Result<Option<u64>> {
    let mut lowest: Option<u64> = None;
    rows.scan(Table::EventCursors, &[], |_, body| {
        // A damaged cursor pins everything until it is registered again.
        let acknowledged = body.ok().and_then(decode_cursor).unwrap_or(0);
        lowest = Some(lowest.map_or(acknowledged, |lowest| lowest.min(acknowledged)));
        true
    })?;
    Ok(lowest)
}

pub(crate) fn sequence_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

pub(super) fn first_sequence(rows: &impl Rows) -> Result<Option<u64>> {
    let mut first = None;
    rows.scan(Table::Events, &[], |key, _| {
        first = sequence_of(key);
        false
    })?;
    Ok(first)
}

/// Number of the newest event kept, 0 without one.
pub(super) fn last_kept(rows: &impl Rows) -> Result<u64> {
    let last = rows.snapshot().last_key(Table::Events)?;
    Ok(last.and_then(|key| sequence_of(&key)).unwrap_or(0))
}

pub(super) fn read_from(rows: &impl Rows, from: u64, max: usize) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut failure = None;
    if max == 0 {
        return Ok(events);
    }
    rows.scan(Table::Events, &from.to_be_bytes(), |key, body| {
        let sequence = sequence_of(key).unwrap_or(0);
        match body.map(|body| Event::decode(sequence, body)) {
            Ok(Some(event)) => events.push(event),
            // A kind of a later version, or a damaged row: it is skipped, its number stays visible.
            Ok(None) => {}
            Err(error) if error.status() == Status::CorruptRecord => {}
            Err(error) => failure = Some(error),
        }
        failure.is_none() && events.len() < max
    })?;
    failure.map_or(Ok(events), Err)
}

pub(super) fn decode_cursor(body: &[u8]) -> Option<u64> {
    Reader::new(body).u64()
}

fn put_cursor(batch: &mut Batch<'_>, name: &[u8], acknowledged: u64) -> Result<()> {
    let mut body = Vec::with_capacity(16);
    body.extend_from_slice(&acknowledged.to_le_bytes());
    body.extend_from_slice(&batch.clock().unix_ms.to_le_bytes());
    batch.put(Table::EventCursors, name, &body)
}

fn newest(batch: &Batch<'_>) -> u64 {
    sequence_of(&batch.heads.of(Table::Events).last_key).unwrap_or(0)
}

const CURSOR_COST: Cost = Cost { rows: 1, bytes: 64 };

/// Makes a cursor; answers the last number it acknowledged.
pub(super) struct Register {
    pub(super) name: Vec<u8>,
    pub(super) start: Start,
}

impl Command for Register {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let known = readable(batch.row(Table::EventCursors, &self.name))?;
        // What a damaged cursor had read is not known: it starts over with the oldest event.
        let start = if known.is_none() { Start::Oldest } else { self.start };
        if let Some(acknowledged) = known.flatten().and_then(|body| decode_cursor(&body)) {
            return Ok(Reply { value: acknowledged, ..Reply::already(Status::Already) });
        }
        if batch.heads.of(Table::EventCursors).rows >= CURSORS_MAX as u64 {
            return Err(Error::new(
                Status::TooBig,
                format!("{CURSORS_MAX} cursors are registered; unregister one"),
            ));
        }
        let start = match start {
            Start::Oldest => {
                first_sequence(batch)?.map_or(newest(batch), |first| first.saturating_sub(1))
            }
            Start::Newest => newest(batch),
        };
        put_cursor(batch, &self.name, start)?;
        Ok(Reply { value: start, ..Reply::done() })
    }

    fn cost(&self) -> Cost {
        CURSOR_COST
    }

    fn space(&self) -> Space {
        Space::Grows
    }
}

pub(super) struct Acknowledge {
    pub(super) name: Vec<u8>,
    pub(super) sequence: u64,
}

impl Command for Acknowledge {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let body = batch.row(Table::EventCursors, &self.name)?;
        let Some(acknowledged) = body.and_then(|body| decode_cursor(&body)) else {
            return Err(Error::new(Status::NotFound, "the cursor is not registered"));
        };
        if self.sequence > newest(batch) {
            return Err(Error::new(
                Status::InvalidArgument,
                format!("event {} was not written yet", self.sequence),
            ));
        }
        if self.sequence <= acknowledged {
            return Ok(Reply::already(Status::Already));
        }
        put_cursor(batch, &self.name, self.sequence)?;
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        CURSOR_COST
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

pub(super) struct Unregister {
    pub(super) name: Vec<u8>,
}

impl Command for Unregister {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        if !batch.delete(Table::EventCursors, &self.name)? {
            return Err(Error::new(Status::NotFound, "the cursor is not registered"));
        }
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        CURSOR_COST
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// Keeps the kinds' numbers inside the mask.
const _: () = assert!((EventKind::BackupStrike as u16) < 63);
