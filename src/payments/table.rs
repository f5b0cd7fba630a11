//! How a change of one payment becomes rows, and how rows become a payment.
//!
//! PI1 a payment is in `payments_unfinished` exactly while it is INITIATED or IN_FLIGHT. PI2 `payment_hashes`
//! leads to the newest payment of a hash, or says that there will be none. PI3 `payment_attempt_ids` has one
//! row for each row of `payment_attempts`. PI4 a sequence in `payments_doomed` has no head: its rows mean
//! nothing and are removed step by step.

use std::collections::BTreeSet;

use super::payment::{AttemptState, Marks, Payment, PaymentAttempt, PaymentInit};
use super::record::{self, HashRow, Head, KeyRow};
use super::rules::{self, KeyOwner, Stored};
use crate::error::{Error, Result, Status};
use crate::events::{self, Event, EventKind};
use crate::memory::push;
use crate::store::batch::{Batch, Rows, readable};
use crate::store::tables::Table;
use crate::types::{AttemptKey, Clock, Namespace, PaymentHash};

/// What lies under a hash, before the rules look at it.
#[derive(Debug)]
pub(super) enum Loaded {
    Absent,
    Tombstone,
    /// Its sequence, if the row of the hash is readable.
    Unreadable(Option<u64>),
    Found(Box<Payment>),
}

impl Loaded {
    pub(super) fn stored(&self) -> Stored<'_> {
        match self {
            Loaded::Absent => Stored::Absent,
            Loaded::Tombstone => Stored::Tombstone,
            Loaded::Unreadable(_) => Stored::Unreadable,
            Loaded::Found(payment) => Stored::Found(payment),
        }
    }

    /// The payment, for everything but an init.
    pub(super) fn found(self, hash: PaymentHash) -> Result<Box<Payment>> {
        match self {
            Loaded::Found(payment) => Ok(payment),
            Loaded::Absent | Loaded::Tombstone => Err(Error::new(
                Status::PaymentNotInitiated,
                format!("payment {}: not initiated, or deleted", Hex(&hash.0)),
            )),
            Loaded::Unreadable(_) => Err(unreadable(hash)),
        }
    }
}

pub(super) fn unreadable(hash: PaymentHash) -> Error {
    Error::new(
        Status::CorruptRecord,
        format!("payment {}: unreadable; quarantine it", Hex(&hash.0)),
    )
}

/// A hash in an error text.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What the row of a hash says; the inner `None` means that it is damaged.
pub(super) fn hash_row(rows: &impl Rows, hash: PaymentHash) -> Result<Option<Option<HashRow>>> {
    match readable(rows.row(Table::PaymentHashes, &hash.0))? {
        None => Ok(Some(None)),
        Some(None) => Ok(None),
        Some(Some(body)) => Ok(Some(HashRow::decode(&body))),
    }
}

/// Reads the payment of a hash with all its attempts.
pub(super) fn load(rows: &impl Rows, hash: PaymentHash) -> Result<Loaded> {
    match hash_row(rows, hash)? {
        None => Ok(Loaded::Absent),
        Some(None) => Ok(Loaded::Unreadable(None)),
        Some(Some(HashRow::Tombstone { .. })) => Ok(Loaded::Tombstone),
        Some(Some(HashRow::Live(sequence))) => {
            let payment = load_sequence(rows, sequence)?.filter(|payment| payment.hash() == hash);
            Ok(payment.map_or(Loaded::Unreadable(Some(sequence)), Loaded::Found))
        }
    }
}

/// Reads the head of a sequence; `None` when it is missing or damaged.
pub(super) fn head(rows: &impl Rows, sequence: u64) -> Result<Option<Head>> {
    let body = readable(rows.row(Table::Payments, &sequence.to_be_bytes()))?.flatten();
    Ok(body.and_then(|body| Head::decode(&body)))
}

/// Reads the payment of a sequence; `None` when any of its rows is missing or damaged.
pub(super) fn load_sequence(rows: &impl Rows, sequence: u64) -> Result<Option<Box<Payment>>> {
    match head(rows, sequence)? {
        Some(head) => load_headed(rows, sequence, &head),
        None => Ok(None),
    }
}

/// Reads the rest of a payment.
pub(super) fn load_headed(
    rows: &impl Rows,
    sequence: u64,
    head: &Head,
) -> Result<Option<Box<Payment>>> {
    let details = readable(rows.row(Table::PaymentDetails, &sequence.to_be_bytes()))?.flatten();
    let Some(details) = details else { return Ok(None) };
    let Some(init) = record::decode_details(head, &details)? else { return Ok(None) };
    let Some(attempts) = attempts_of(rows, sequence, head)? else { return Ok(None) };
    let payment = record::assemble(sequence, head, init, attempts);
    let agrees = |payment: &Payment| rules::status_of(payment) == payment.status;
    Ok(payment.filter(agrees).map(Box::new))
}

/// Reads a payment without its attempts; its status and reason are those of the head.
pub(super) fn load_outline(
    rows: &impl Rows,
    sequence: u64,
    head: &Head,
) -> Result<Option<Box<Payment>>> {
    let details = readable(rows.row(Table::PaymentDetails, &sequence.to_be_bytes()))?.flatten();
    let Some(details) = details else { return Ok(None) };
    let init = record::decode_details(head, &details)?;
    let outline = Head { attempts: [0; 3], ..*head };
    let payment = init.and_then(|init| record::assemble(sequence, &outline, init, Vec::new()));
    Ok(payment.map(Box::new))
}

/// The attempts of a payment; `None` when a row is damaged or there are more than the head counts.
fn attempts_of(
    rows: &impl Rows,
    sequence: u64,
    head: &Head,
) -> Result<Option<Vec<PaymentAttempt>>> {
    let expected = head.attempts_len();
    let mut attempts = Vec::new();
    if expected == 0 {
        return Ok(Some(attempts));
    }
    let registered = |key, body: &[u8]| {
        let Some(attempt) = record::decode_attempt(key, body)? else { return Ok(false) };
        push(&mut attempts, attempt)?;
        Ok(attempts.len() as u64 <= expected)
    };
    if !every_row_of(rows, Table::PaymentAttempts, sequence, registered)? {
        return Ok(None);
    }
    if head.attempts[1] + head.attempts[2] == 0 {
        return Ok(Some(attempts));
    }
    let order = |key: AttemptKey| (key.id, key.namespace);
    let ended = |key, body: &[u8]| {
        let place =
            attempts.binary_search_by_key(&order(key), |attempt| order(attempt.request.key));
        place.map_or(Ok(false), |place| record::decode_outcome(&mut attempts[place], body))
    };
    let whole = every_row_of(rows, Table::PaymentOutcomes, sequence, ended)?;
    Ok(whole.then_some(attempts))
}

/// Whether every row of a sequence can be read, and is taken.
fn every_row_of(
    rows: &impl Rows,
    table: Table,
    sequence: u64,
    mut take: impl FnMut(AttemptKey, &[u8]) -> Result<bool>,
) -> Result<bool> {
    let mut whole = Ok(true);
    rows.scan(table, &sequence.to_be_bytes(), |key, body| {
        let Some((_, key)) = row_of(key, sequence) else { return false };
        whole = body.map_or(Ok(false), |body| take(key, body));
        matches!(whole, Ok(true))
    })?;
    whole
}

/// The attempt of a row, `None` when it belongs to another sequence.
fn row_of(key: &[u8], sequence: u64) -> Option<(u64, AttemptKey)> {
    record::decode_attempt_row_key(key).filter(|(of, _)| *of == sequence)
}

/// Whether an attempt of this id is registered for any payment that still exists.
pub(super) fn id_is_taken(rows: &impl Rows, key: AttemptKey) -> Result<bool> {
    let prefix = key.to_bytes();
    let mut owners = Vec::new();
    rows.scan(Table::PaymentAttemptIds, &prefix, |row, _| {
        let sequence = row.strip_prefix(&prefix[..]).and_then(|tail| tail.try_into().ok());
        owners.extend(sequence.map(u64::from_be_bytes));
        sequence.is_some()
    })?;
    for sequence in owners {
        // A sequence without a head is history that waits to be removed (PI4).
        let exists = head_is_there(rows, sequence)?;
        if exists {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a sequence has a head, damaged or not.
pub(super) fn head_is_there(rows: &impl Rows, sequence: u64) -> Result<bool> {
    match rows.row(Table::Payments, &sequence.to_be_bytes()) {
        Ok(head) => Ok(head.is_some()),
        Err(error) if error.status() == Status::CorruptRecord => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whose an idempotency key is. A damaged row answers an error: nobody knows what it protected.
pub(super) fn key_owner(rows: &impl Rows, key: &[u8]) -> Result<KeyOwner> {
    if key.is_empty() {
        return Ok(KeyOwner::Free);
    }
    let Some(body) = rows.row(Table::PaymentKeys, key)? else { return Ok(KeyOwner::Free) };
    match KeyRow::decode(&body) {
        Some(row) => Ok(KeyOwner::Of(row.hash, row.sequence)),
        None => Err(Error::new(
            Status::CorruptRecord,
            "the row of the idempotency key does not decode; use a new key",
        )),
    }
}

/// Writes a payment that is new, in place of a failed one of its hash.
pub(super) fn create(
    batch: &mut Batch<'_>,
    init: &PaymentInit,
    replaced: Option<&Payment>,
) -> Result<(Payment, u64)> {
    let last = &batch.heads.of(Table::Payments).last_key;
    let last = <[u8; 8]>::try_from(&last[..]).map_or(0, u64::from_be_bytes);
    let sequence = last.checked_add(1).ok_or_else(|| Error::from(Status::IdOutOfRange))?;
    if let Some(replaced) = replaced {
        doom(batch, replaced.sequence)?;
    }
    let unix_ms = batch.clock().unix_ms;
    let payment = rules::new_payment(init, sequence, unix_ms);
    let key = sequence.to_be_bytes();
    batch.put(Table::Payments, &key, &Head::of(&payment).encode())?;
    batch.put(Table::PaymentDetails, &key, &record::encode_details(init)?)?;
    batch.put(Table::PaymentHashes, &init.hash.0, &HashRow::Live(sequence).encode())?;
    batch.put(Table::PaymentsUnfinished, &key, &[])?;
    if !init.idempotency_key.is_empty() {
        let row = KeyRow { hash: init.hash, sequence, unix_ms };
        batch.put(Table::PaymentKeys, &init.idempotency_key, &row.encode())?;
    }
    let event = announce(batch, &payment, EventKind::PaymentInitiated, None, false)?;
    Ok((payment, event))
}

/// Removes the head of a payment, so that its other rows mean nothing any more (PI4).
pub(super) fn doom(batch: &mut Batch<'_>, sequence: u64) -> Result<()> {
    let key = sequence.to_be_bytes();
    batch.delete(Table::Payments, &key)?;
    batch.delete(Table::PaymentDetails, &key)?;
    batch.delete(Table::PaymentsUnfinished, &key)?;
    if has_attempt_rows(batch, sequence)? {
        batch.put(Table::PaymentsDoomed, &key, &[])?;
    }
    Ok(())
}

fn has_attempt_rows(batch: &Batch<'_>, sequence: u64) -> Result<bool> {
    let mut found = false;
    for table in [Table::PaymentAttempts, Table::PaymentOutcomes] {
        batch.scan(table, &sequence.to_be_bytes(), |key, _| {
            found |= row_of(key, sequence).is_some();
            false
        })?;
    }
    Ok(found)
}

/// Writes what became of a payment by a decision about one of its attempts or about itself.
pub(super) fn write(
    batch: &mut Batch<'_>,
    was: super::PaymentStatus,
    after: &Payment,
    changed: Option<AttemptKey>,
    kind: Option<EventKind>,
) -> Result<u64> {
    if let Some(attempt) = changed.and_then(|key| after.attempt(key)) {
        let key = record::attempt_row_key(after.sequence, attempt.request.key);
        if kind == Some(EventKind::PaymentAttemptRegistered) {
            batch.put(Table::PaymentAttempts, &key, &record::encode_attempt(attempt)?)?;
            let id = record::id_row_key(after.sequence, attempt.request.key);
            batch.put(Table::PaymentAttemptIds, &id, &[])?;
        } else if let Some(outcome) = record::encode_outcome(attempt)? {
            batch.put(Table::PaymentOutcomes, &key, &outcome)?;
        }
    }
    put_head(batch, was, after)?;
    let Some(kind) = kind else { return Ok(0) };
    let ended = after.status.is_terminal() && !was.is_terminal();
    let attempt = changed.and_then(|key| after.attempt(key));
    announce(batch, after, kind, attempt, ended)
}

/// Writes the head and keeps PI1.
pub(super) fn put_head(
    batch: &mut Batch<'_>,
    was: super::PaymentStatus,
    after: &Payment,
) -> Result<()> {
    let key = after.sequence.to_be_bytes();
    batch.put(Table::Payments, &key, &Head::of(after).encode())?;
    match (was.is_terminal(), after.status.is_terminal()) {
        (false, true) => drop(batch.delete(Table::PaymentsUnfinished, &key)?),
        (true, false) => batch.put(Table::PaymentsUnfinished, &key, &[])?,
        _ => {}
    }
    Ok(())
}

/// Removes some attempts of a payment.
pub(super) fn remove_attempts(
    batch: &mut Batch<'_>,
    sequence: u64,
    keys: &[AttemptKey],
) -> Result<()> {
    for key in keys {
        let row = record::attempt_row_key(sequence, *key);
        batch.delete(Table::PaymentAttempts, &row)?;
        batch.delete(Table::PaymentOutcomes, &row)?;
        batch.delete(Table::PaymentAttemptIds, &record::id_row_key(sequence, *key))?;
    }
    Ok(())
}

/// Attempts whose rows a sequence still has, at most `max`.
pub(super) fn attempt_rows(rows: &impl Rows, sequence: u64, max: usize) -> Result<Vec<AttemptKey>> {
    let mut keys = BTreeSet::new();
    for table in [Table::PaymentAttempts, Table::PaymentOutcomes] {
        rows.scan(table, &sequence.to_be_bytes(), |key, _| {
            let Some((_, key)) = row_of(key, sequence) else { return false };
            if keys.len() < max {
                keys.insert(key);
            }
            keys.len() < max
        })?;
    }
    Ok(keys.into_iter().collect())
}

/// Writes the event of a change.
pub(super) fn announce(
    batch: &mut Batch<'_>,
    payment: &Payment,
    kind: EventKind,
    attempt: Option<&PaymentAttempt>,
    ended: bool,
) -> Result<u64> {
    let state = payment.state();
    let mut flags = 0;
    if ended {
        flags |= Event::TERMINAL;
    }
    if payment.marks.has(Marks::LATE_SETTLE) {
        flags |= Event::LATE_SETTLE;
    }
    let event = Event {
        sequence: 0,
        kind,
        state: payment.status as u8,
        attempt_state: attempt.map_or(0, |attempt| attempt.state() as u8),
        failure_reason: payment.failure_reason.map_or(0, |reason| reason as u8),
        flags,
        failure_code: 0,
        subject: payment.hash().0,
        namespace: attempt.map_or(Namespace::default(), |attempt| attempt.request.key.namespace),
        attempt_id: attempt.map_or(0, |attempt| attempt.request.key.id.0),
        amount_msat: attempt
            .map_or(payment.init.amount_msat, |attempt| attempt.request.amount_msat),
        clock: Clock::default(),
        remaining_msat: state.remaining_msat,
        fees_msat: state.fees_msat,
    };
    events::append(batch, event)
}

/// The event of a payment whose rows say nothing.
pub(super) fn announce_corrupt(batch: &mut Batch<'_>, hash: PaymentHash) -> Result<u64> {
    let event = Event {
        sequence: 0,
        kind: EventKind::PaymentCorrupt,
        state: 0,
        attempt_state: 0,
        failure_reason: 0,
        flags: 0,
        failure_code: 0,
        subject: hash.0,
        namespace: Namespace::default(),
        attempt_id: 0,
        amount_msat: 0,
        clock: Clock::default(),
        remaining_msat: 0,
        fees_msat: 0,
    };
    events::append(batch, event)
}

/// Attempts that failed and may be deleted, at most `max`. What was failed by
/// force stays with its payment: the note is the audit, and its HTLC may settle all the same (Y6).
pub(super) fn failed_attempts(payment: &Payment, max: usize) -> Vec<AttemptKey> {
    let goes = |attempt: &&PaymentAttempt| {
        attempt.state() == AttemptState::Failed && !attempt.marks.has(Marks::FORCED)
    };
    let failed = payment.attempts.iter().filter(goes);
    failed.map(|attempt| attempt.request.key).take(max).collect()
}
