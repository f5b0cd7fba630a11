//! Every change of payments as a command: load, ask the rules, write; the attempt's record too where it has
//! one, in the same transaction.
//!
//! Called by `mod.rs` for typed calls and by `Operation` for mixed submissions; both take the same path.

use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::Common;
use super::FailureReason;
use super::payment::{
    AttemptRequest, Failure, Marks, Payment, PaymentAttempt, PaymentInit, PaymentStatus, Settle,
};
use super::record::{self, HashRow, KeyRow};
use super::rules::{self, Decision, Strictness};
use super::table::{self, Loaded};
use crate::attempts::AttemptResult;
use crate::attempts::linked;
use crate::attempts::rules::{InitRequest, Profile, Retain};
use crate::error::{Error, Result, Status};
use crate::events::{EVENT_ROWS, EventKind};
use crate::limits::{
    IDEMPOTENCY_KEY_BYTES_MAX, MESSAGE_BYTES_MAX, NOTE_BYTES_MAX, PAYMENT_ATTEMPTS_MAX,
    SESSION_KEY_BYTES_MAX,
};
use crate::store::batch::{Batch, Command, Cost, Lane, Outcome, Reply, Rows, Space};
use crate::store::tables::Table;
use crate::types::{AttemptKey, Fingerprint, PaymentHash};

/// One change of payments, as a value: alone, or mixed with others in one submission.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// See [`super::Payments::init`].
    Init(PaymentInit),
    /// See [`super::Payments::register`]; with `true` [`super::Payments::register_and_init`].
    Register(PaymentHash, AttemptRequest, bool),
    /// See [`super::Payments::settle`].
    Settle(PaymentHash, AttemptKey, Settle, Strictness),
    /// See [`super::Payments::fail_attempt`].
    FailAttempt(PaymentHash, AttemptKey, Failure, Strictness),
    /// See [`super::Payments::fail`].
    Fail(PaymentHash, FailureReason),
    /// See [`super::Payments::force_fail`].
    ForceFail(PaymentHash, AttemptKey, Failure, Vec<u8>, Strictness),
    /// See [`super::Payments::delete`].
    Delete(PaymentHash, Retain),
    /// One step of [`super::Payments::delete_failed_attempts`]: the reply's value tells how many are left.
    DeleteFailedAttempts(PaymentHash),
    /// See [`super::Payments::forget`].
    Forget(PaymentHash),
    /// See [`super::Payments::quarantine`]; with the sequence of a head of the hash, if there is one.
    Quarantine(PaymentHash, Option<u64>),
}

/// Attempts that one command removes.
pub(super) const PRUNE_ATTEMPTS: usize = 16;

impl Operation {
    pub(super) fn hash(&self) -> PaymentHash {
        match self {
            Operation::Init(init) => init.hash,
            Operation::Register(hash, ..)
            | Operation::Settle(hash, ..)
            | Operation::FailAttempt(hash, ..)
            | Operation::Fail(hash, _)
            | Operation::ForceFail(hash, ..)
            | Operation::Delete(hash, _)
            | Operation::DeleteFailedAttempts(hash)
            | Operation::Forget(hash)
            | Operation::Quarantine(hash, _) => *hash,
        }
    }

    /// Whether every answer but an error comes with the payment.
    pub(super) fn shows_payment(&self) -> bool {
        !matches!(
            self,
            Operation::Delete(..)
                | Operation::DeleteFailedAttempts(_)
                | Operation::Forget(_)
                | Operation::Quarantine(..)
        )
    }

    fn attempt(&self) -> Option<AttemptKey> {
        match self {
            Operation::Register(_, request, _) => Some(request.key),
            Operation::Settle(_, key, ..)
            | Operation::FailAttempt(_, key, ..)
            | Operation::ForceFail(_, key, ..) => Some(*key),
            _ => None,
        }
    }

    /// What can be refused without looking at the store.
    pub(super) fn validate(&self) -> Result<()> {
        if let Some(key) = self.attempt() {
            linked::refuse_reserved(key.namespace)?;
        }
        let lengths: &[(&str, usize, usize)] = match self {
            Operation::Init(init) => &[
                ("idempotency key", init.idempotency_key.len(), IDEMPOTENCY_KEY_BYTES_MAX),
                ("payment request", init.payment_request.len(), MESSAGE_BYTES_MAX),
                ("first hop's records", init.first_hop_records.len(), MESSAGE_BYTES_MAX),
                (
                    "intent's data",
                    init.intent.as_ref().map_or(0, |intent| intent.data.len()),
                    MESSAGE_BYTES_MAX,
                ),
            ],
            Operation::Register(_, request, _) => &[
                ("route", request.route.len(), MESSAGE_BYTES_MAX),
                ("session key", request.session_key.len(), SESSION_KEY_BYTES_MAX),
                ("first hop's records", request.first_hop_records.len(), MESSAGE_BYTES_MAX),
            ],
            Operation::FailAttempt(_, _, failure, _) => {
                &[("failure message", failure.message.len(), MESSAGE_BYTES_MAX)]
            }
            Operation::ForceFail(_, _, failure, note, _) => &[
                ("failure message", failure.message.len(), MESSAGE_BYTES_MAX),
                ("note", note.len(), NOTE_BYTES_MAX),
            ],
            _ => &[],
        };
        match lengths.iter().find(|(_, length, max)| length > max) {
            None => Ok(()),
            Some((what, length, max)) => Err(Error::new(
                Status::TooBig,
                format!("a {what} has at most {max} bytes, not {length}"),
            )),
        }
    }

    fn payload_bytes(&self) -> usize {
        match self {
            Operation::Init(init) => {
                let intent = init.intent.as_ref().map_or(0, |intent| intent.data.len());
                init.payment_request.len() + init.first_hop_records.len() + intent
            }
            Operation::Register(_, request, _) => {
                request.route.len() + request.first_hop_records.len()
            }
            Operation::FailAttempt(_, _, failure, _) => failure.message.len(),
            Operation::ForceFail(_, _, failure, note, _) => failure.message.len() + note.len(),
            _ => 0,
        }
    }
}

/// What a command leaves for those who wait for it.
#[derive(Default)]
pub(super) struct Left {
    /// The payment after the command, changed or not.
    pub(super) payment: Option<Arc<Payment>>,
    announced: bool,
    /// Sequence number of the payment whose streams end with it.
    deleted: Option<u64>,
    attempt_result: Option<AttemptResult>,
}

/// An operation with what it needs to run.
pub(crate) struct Change {
    pub(super) operation: Operation,
    pub(super) profile: Profile,
    pub(super) common: Arc<Common>,
    pub(super) left: Mutex<Left>,
}

impl Command for Change {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        *self.left.lock() = Left::default();
        let hash = self.operation.hash();
        match &self.operation {
            Operation::Init(init) => self.init(batch, init),
            Operation::Delete(_, retain) => self.delete(batch, hash, *retain),
            Operation::DeleteFailedAttempts(_) => self.prune(batch, hash),
            Operation::Forget(_) => forget(batch, hash),
            Operation::Quarantine(_, found) => self.quarantine(batch, hash, *found),
            _ => self.change(batch, hash),
        }
    }

    fn committed(&self, reply: &Reply) {
        let left = self.left.lock();
        if let Some((key, result)) = self.operation.attempt().zip(left.attempt_result.as_ref()) {
            self.common.attempt_subscriptions.deliver(key, result);
        }
        if let Some(sequence) = left.deleted {
            self.common.subscriptions.deleted(self.operation.hash(), sequence);
        } else if let Some(payment) = left.payment.as_ref().filter(|_| left.announced) {
            self.common.subscriptions.tell(payment);
        }
        if reply.flags & Reply::LEFTOVERS != 0 {
            self.common.has_doomed.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn cost(&self) -> Cost {
        let linked = linked::COST;
        let rows = match self.operation {
            Operation::Init(_) | Operation::Delete(..) | Operation::Quarantine(..) => 10,
            Operation::DeleteFailedAttempts(_) => 3 * PRUNE_ATTEMPTS as u64 + 2,
            Operation::Fail(..) | Operation::Forget(_) => 2,
            _ => 4 + linked.rows,
        };
        let bytes = 1024 + linked.bytes + self.operation.payload_bytes() as u64;
        Cost { rows: rows + EVENT_ROWS, bytes }
    }

    fn lane(&self) -> Lane {
        match self.operation {
            Operation::DeleteFailedAttempts(_) => Lane::Bulk,
            _ => Lane::Urgent,
        }
    }

    fn space(&self) -> Space {
        match self.operation {
            Operation::Init(_) | Operation::Register(..) => Space::Grows,
            _ => Space::Settles,
        }
    }
}

impl Change {
    fn init(&self, batch: &mut Batch<'_>, init: &PaymentInit) -> Outcome {
        let owner = table::key_owner(batch, &init.idempotency_key)?;
        let before = table::load(batch, init.hash)?;
        let repeat = rules::init(before.stored(), owner, init)?;
        let known = match before {
            Loaded::Found(payment) => Some(payment),
            _ => None,
        };
        if let Some(status) = repeat {
            self.left.lock().payment = known.map(Arc::from);
            return Ok(Reply::already(status));
        }
        refuse_unacknowledged(batch)?;
        let replaced = known;
        let (payment, event_sequence) = table::create(batch, init, replaced.as_deref())?;
        let leftovers = replaced.is_some_and(|replaced| !replaced.attempts.is_empty());
        self.leave(payment, true);
        let mut reply = Reply { event_sequence, ..Reply::done() };
        if leftovers {
            reply.flags |= Reply::LEFTOVERS;
        }
        Ok(reply)
    }

    fn leave(&self, payment: Payment, announced: bool) {
        let mut left = self.left.lock();
        left.payment = Some(Arc::new(payment));
        left.announced = announced;
    }

    /// Everything that changes a payment or one of its attempts without removing anything.
    fn change(&self, batch: &mut Batch<'_>, hash: PaymentHash) -> Outcome {
        let payment = *table::load(batch, hash)?.found(hash)?;
        let decision = self.decide(batch, &payment)?;
        if let Decision::Repeat(status) = decision {
            self.leave(payment, false);
            return Ok(Reply::already(status));
        }
        let changed = self.operation.attempt();
        self.change_record(batch, &payment)?;
        let kind = match &decision {
            Decision::Attempt(_, kind) => Some(*kind),
            Decision::GiveUp(_, kind) => *kind,
            Decision::Repeat(_) => None,
        };
        let was = payment.status;
        let after = rules::decided(payment, decision, batch.clock().unix_ms);
        let event_sequence = table::write(batch, was, &after, changed, kind)?;
        let mut reply = Reply { event_sequence, ..Reply::done() };
        if kind == Some(EventKind::PaymentLateSettle) {
            reply.flags |= Reply::CONFLICT;
        }
        self.leave(after, kind.is_some());
        Ok(reply)
    }

    fn decide(&self, batch: &Batch<'_>, payment: &Payment) -> Result<Decision> {
        match &self.operation {
            Operation::Register(_, request, tracked) => {
                let taken = self.profile == Profile::Strict
                    && payment.attempt(request.key).is_none()
                    && table::id_is_taken(batch, request.key)?;
                let checks = self.common.options.checks();
                let decision =
                    rules::register(self.profile, payment, request, *tracked, taken, checks)?;
                if !matches!(decision, Decision::Repeat(_)) {
                    refuse_unacknowledged(batch)?;
                    refuse_too_many(payment)?;
                }
                Ok(decision)
            }
            Operation::Settle(_, key, settle, strictness) => {
                rules::settle(self.profile, payment, *key, settle, *strictness)
            }
            Operation::FailAttempt(_, key, failure, strictness) => {
                rules::fail_attempt(payment, *key, failure, *strictness)
            }
            Operation::ForceFail(_, key, failure, note, strictness) => {
                rules::force_fail(payment, *key, failure, note, *strictness)
            }
            Operation::Fail(_, reason) => rules::give_up(self.profile, payment, *reason),
            _ => Err(Status::Internal.into()),
        }
    }

    /// The attempt's record in the attempt store, for an attempt that has one.
    fn change_record(&self, batch: &mut Batch<'_>, payment: &Payment) -> Result<()> {
        if let Operation::Register(_, request, tracked) = &self.operation {
            return if *tracked { self.init_record(batch, payment, request) } else { Ok(()) };
        }
        let Some(key) = self.operation.attempt() else { return Ok(()) };
        let tracked = |attempt: &&PaymentAttempt| attempt.marks.has(Marks::TRACKED);
        if payment.attempt(key).filter(tracked).is_none() {
            return Ok(());
        }
        let result = match &self.operation {
            Operation::Settle(_, _, settle, _) => {
                linked::settle(batch, self.profile, key, &settle.preimage)?
            }
            Operation::FailAttempt(..) => linked::fail(batch, key, false)?,
            Operation::ForceFail(..) => linked::fail(batch, key, true)?,
            _ => None,
        };
        self.left.lock().attempt_result = result;
        Ok(())
    }

    fn init_record(
        &self,
        batch: &mut Batch<'_>,
        payment: &Payment,
        request: &AttemptRequest,
    ) -> Result<()> {
        let request = record_request(payment, request)?;
        match linked::init(batch, self.profile, &request) {
            Ok(reply) if reply.changed() => return Ok(()),
            Err(error) if error.status() != Status::FingerprintMismatch => return Err(error),
            // A record of this id, whatever it was made for, is another attempt's.
            Ok(_) | Err(_) => {}
        }
        Err(Error::new(
            Status::AttemptIdExists,
            format!("{}: the attempt store has a record of this id; use a new one", request.key),
        ))
    }

    fn delete(&self, batch: &mut Batch<'_>, hash: PaymentHash, retain: Retain) -> Outcome {
        let payment = table::load(batch, hash)?.found(hash)?;
        rules::may_remove(payment.status)?;
        let reply = delete_payment(batch, &payment, retain)?;
        self.left.lock().deleted = (self.profile == Profile::Strict).then_some(payment.sequence);
        Ok(reply)
    }

    fn prune(&self, batch: &mut Batch<'_>, hash: PaymentHash) -> Outcome {
        let mut payment = *table::load(batch, hash)?.found(hash)?;
        rules::may_remove(payment.status)?;
        let doomed = table::failed_attempts(&payment, PRUNE_ATTEMPTS);
        if doomed.is_empty() {
            self.leave(payment, false);
            return Ok(Reply::already(Status::Already));
        }
        table::remove_attempts(batch, payment.sequence, &doomed)?;
        payment.attempts.retain(|attempt| !doomed.contains(&attempt.request.key));
        payment.revision += 1;
        table::put_head(batch, payment.status, &payment)?;
        let left = table::failed_attempts(&payment, usize::MAX);
        self.leave(payment, false);
        Ok(Reply { value: left.len() as u64, ..Reply::done() })
    }

    /// Removes what cannot be read and burns the hash; mends the row of a hash whose payment can be read.
    fn quarantine(&self, batch: &mut Batch<'_>, hash: PaymentHash, found: Option<u64>) -> Outcome {
        let sequence = match table::load(batch, hash)? {
            Loaded::Unreadable(sequence) => sequence.or(found),
            Loaded::Absent => return Err(Status::PaymentNotInitiated.into()),
            Loaded::Tombstone => return Ok(Reply::already(Status::Already)),
            Loaded::Found(_) => {
                return Err(Error::new(
                    Status::Conflict,
                    format!("payment {}: readable; delete it", table::Hex(&hash.0)),
                ));
            }
        };
        if let Some(sequence) = sequence {
            let readable = table::load_sequence(batch, sequence)?;
            if let Some(payment) = readable.filter(|payment| payment.hash() == hash) {
                let row = HashRow::Live(sequence).encode();
                batch.put(Table::PaymentHashes, &hash.0, &row)?;
                self.leave(*payment, false);
                return Ok(Reply { value: sequence, ..Reply::done() });
            }
            if table::head(batch, sequence)?.is_none_or(|head| head.hash == hash) {
                table::doom(batch, sequence)?;
            }
        }
        let unix_ms = batch.clock().unix_ms;
        let tombstone = HashRow::Tombstone { quarantined: true, unix_ms };
        batch.put(Table::PaymentHashes, &hash.0, &tombstone.encode())?;
        let event_sequence = table::announce_corrupt(batch, hash)?;
        // Nothing of this hash comes after it.
        self.left.lock().deleted = Some(u64::MAX);
        Ok(Reply { event_sequence, flags: Reply::CHANGED | Reply::LEFTOVERS, ..Reply::done() })
    }
}

/// The attempt store's request of a payment's attempt.
///
/// # Errors
/// `Busy`.
fn record_request(payment: &Payment, request: &AttemptRequest) -> Result<InitRequest> {
    let content = PaymentAttempt {
        request: request.clone(),
        marks: Marks::default(),
        outcome: super::AttemptOutcome::InFlight,
        note: Default::default(),
    };
    let fingerprint = Sha256::digest(record::encode_attempt(&content)?).into();
    Ok(InitRequest {
        key: request.key,
        fingerprint: Some(Fingerprint(fingerprint)),
        payment_hash: Some(request.attempt_hash.unwrap_or(payment.hash())),
        amount_msat: request.amount_msat.saturating_add(request.fee_msat),
        first_hop_scid: request.first_hop_scid,
        cltv_expiry: request.cltv_expiry,
    })
}

fn refuse_unacknowledged(batch: &Batch<'_>) -> Result<()> {
    if batch.meta().needs_acknowledgement() {
        return Err(Error::new(
            Status::NotAcknowledged,
            "the store was restored or copied; acknowledge it before anything new is paid",
        ));
    }
    Ok(())
}

fn refuse_too_many(payment: &Payment) -> Result<()> {
    if payment.attempts.len() as u64 >= PAYMENT_ATTEMPTS_MAX {
        return Err(Error::new(
            Status::TooBig,
            format!("a payment has at most {PAYMENT_ATTEMPTS_MAX} attempts; give it up"),
        ));
    }
    Ok(())
}

/// Removes a payment that is not in flight (Y1, Y5).
pub(super) fn delete_payment(
    batch: &mut Batch<'_>,
    payment: &Payment,
    retain: Retain,
) -> Result<Reply> {
    table::doom(batch, payment.sequence)?;
    let hash = payment.hash();
    let paid = payment.status == PaymentStatus::Succeeded;
    if paid && retain == Retain::Tombstone {
        let tombstone = HashRow::Tombstone { quarantined: false, unix_ms: batch.clock().unix_ms };
        batch.put(Table::PaymentHashes, &hash.0, &tombstone.encode())?;
    } else {
        batch.delete(Table::PaymentHashes, &hash.0)?;
    }
    let key = &payment.init.idempotency_key;
    if !key.is_empty() && retain == Retain::Forget {
        batch.delete(Table::PaymentKeys, key)?;
    } else if !key.is_empty() {
        // Its retention counts from here, as the tombstone's: until now the payment kept it.
        let (sequence, unix_ms) = (payment.sequence, batch.clock().unix_ms);
        batch.put(Table::PaymentKeys, key, &KeyRow { hash, sequence, unix_ms }.encode())?;
    }
    let event_sequence = table::announce(batch, payment, EventKind::PaymentDeleted, None, false)?;
    let mut reply = Reply { event_sequence, ..Reply::done() };
    if !payment.attempts.is_empty() {
        reply.flags |= Reply::LEFTOVERS;
    }
    Ok(reply)
}

fn forget(batch: &mut Batch<'_>, hash: PaymentHash) -> Outcome {
    match table::load(batch, hash)? {
        Loaded::Tombstone => {
            batch.delete(Table::PaymentHashes, &hash.0)?;
            Ok(Reply::done())
        }
        Loaded::Absent => Ok(Reply::already(Status::Already)),
        Loaded::Found(_) | Loaded::Unreadable(_) => Err(Error::new(
            Status::EntriesExist,
            format!("payment {}: its record exists; delete it first", table::Hex(&hash.0)),
        )),
    }
}

/// Deletes some payments as one step of many. Replies with the number deleted.
pub(super) struct DeleteStep {
    /// Each with the sequence number it was chosen by: a later payment of the hash is not meant.
    pub(super) payments: Vec<(PaymentHash, u64)>,
    pub(super) statuses: super::Statuses,
    pub(super) retain: Retain,
    pub(super) common: Arc<Common>,
    pub(super) profile: Profile,
    pub(super) deleted: Mutex<Vec<(PaymentHash, u64)>>,
}

impl Command for DeleteStep {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let mut deleted = Vec::new();
        for (hash, sequence) in &self.payments {
            let Loaded::Found(payment) = table::load(batch, *hash)? else { continue };
            let wanted = payment.sequence == *sequence && self.statuses.has(payment.status);
            if wanted && rules::may_remove(payment.status).is_ok() {
                delete_payment(batch, &payment, self.retain)?;
                deleted.push((*hash, payment.sequence));
            }
        }
        let value = deleted.len() as u64;
        *self.deleted.lock() = deleted;
        Ok(Reply::of_step(value))
    }

    fn committed(&self, _reply: &Reply) {
        self.common.has_doomed.store(true, std::sync::atomic::Ordering::Relaxed);
        if self.profile == Profile::Strict {
            for (hash, sequence) in self.deleted.lock().iter() {
                self.common.subscriptions.deleted(*hash, *sequence);
            }
        }
    }

    fn cost(&self) -> Cost {
        let rows = self.payments.len() as u64 * (6 + EVENT_ROWS);
        Cost { rows, bytes: rows * 64 }
    }

    fn lane(&self) -> Lane {
        Lane::Bulk
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// Removes one step of the rows that mean nothing any more. Replies with the number of attempts removed.
pub(super) struct PurgeStep;

/// Attempts that one step of a purge removes.
const PURGE_ATTEMPTS: usize = 128;
/// Deleted payments that it ends with at most.
const PURGE_PAYMENTS: usize = 128;

impl Command for PurgeStep {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let mut doomed = Vec::new();
        batch.scan(Table::PaymentsDoomed, &[], |key, _| {
            doomed.extend(<[u8; 8]>::try_from(key).ok().map(u64::from_be_bytes));
            doomed.len() < PURGE_PAYMENTS
        })?;
        if doomed.is_empty() {
            return Ok(Reply::already(Status::Already));
        }
        let mut removed = 0;
        for sequence in doomed {
            // Against PI4, and never at the cost of a payment.
            let keys = match table::head_is_there(batch, sequence)? {
                true => Vec::new(),
                false => table::attempt_rows(batch, sequence, PURGE_ATTEMPTS - removed)?,
            };
            table::remove_attempts(batch, sequence, &keys)?;
            removed += keys.len();
            if removed == PURGE_ATTEMPTS {
                break;
            }
            batch.delete(Table::PaymentsDoomed, &sequence.to_be_bytes())?;
        }
        Ok(Reply { value: removed as u64, ..Reply::done() })
    }

    fn cost(&self) -> Cost {
        let rows = (3 * PURGE_ATTEMPTS + PURGE_PAYMENTS) as u64;
        Cost { rows, bytes: rows * 64 }
    }

    fn lane(&self) -> Lane {
        Lane::Bulk
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// Forgets some tombstones and idempotency keys that are old enough. Replies with the number removed.
pub(super) struct ForgetStep {
    pub(super) hashes: Vec<PaymentHash>,
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) before_unix_ms: u64,
}

impl Command for ForgetStep {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let mut removed = 0;
        for hash in &self.hashes {
            let row = table::hash_row(batch, *hash)?.flatten();
            let old = matches!(row, Some(HashRow::Tombstone { quarantined: false, unix_ms })
                if unix_ms != 0 && unix_ms < self.before_unix_ms);
            if old {
                batch.delete(Table::PaymentHashes, &hash.0)?;
                removed += 1;
            }
        }
        for key in &self.keys {
            batch.delete(Table::PaymentKeys, key)?;
            removed += 1;
        }
        Ok(Reply::of_step(removed))
    }

    fn cost(&self) -> Cost {
        let rows = (self.hashes.len() + self.keys.len()) as u64;
        Cost { rows, bytes: rows * 64 }
    }

    fn lane(&self) -> Lane {
        Lane::Bulk
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// Puts bytes in place of a row, so that tests have an unreadable payment.
#[cfg(feature = "failpoints")]
pub(super) struct WriteRaw {
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

#[cfg(feature = "failpoints")]
impl Command for WriteRaw {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        batch.put_row(self.table, &self.key, &self.bytes)?;
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: self.bytes.len() as u64 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}
