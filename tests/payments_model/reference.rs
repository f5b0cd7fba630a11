//! The specification of the control tower as a plain program: one map, no index, no bytes.
//!
//! Written from the rules in words, not from `rules.rs`, so that an error in the rules shows as a difference.
//! The values are the library's own types, so that whole views can be compared; every decision is made here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lnkeep::attempts::rules::Retain;
use lnkeep::events::{Event, EventKind};
use lnkeep::payments::rules::Strictness;
use lnkeep::payments::{
    AttemptOutcome, AttemptRequest, AttemptState, Failure, FailureReason, Marks, Operation,
    Payment, PaymentAttempt, PaymentInit, PaymentStatus, Settle,
};
use lnkeep::{AttemptKey, Clock, Namespace, PaymentHash, RawMessage, Status};

use crate::records::Records;
use crate::streams::Streams;

/// What the specification says a call answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: Status,
    /// A settle came after a failure.
    pub conflict: bool,
    /// Number of the event, 0 without one.
    pub event: u64,
    pub value: u64,
    /// The payment afterwards; none when it is gone.
    pub view: Option<Payment>,
}

pub type Told = Result<Answer, Status>;

/// Everything that the specification says is known.
#[derive(Clone)]
pub struct Tower {
    pub lnd: bool,
    pub check_totals: bool,
    pub clock: Clock,
    pub payments: BTreeMap<u64, Payment>,
    /// Hashes paid and deleted.
    pub paid: BTreeSet<[u8; 32]>,
    /// Whose an idempotency key is: hash and sequence number.
    pub keys: BTreeMap<Vec<u8>, ([u8; 32], u64)>,
    /// Attempts of payments that are gone and not yet purged, by sequence number.
    pub leftovers: BTreeMap<u64, u64>,
    /// The attempt store; without it attempts are marked as tracked and that is all.
    pub records: Option<Records>,
    pub events: VecDeque<Event>,
    pub last_event: u64,
    pub last_sequence: u64,
    pub streams: Streams,
}

/// The table of statuses.
pub fn status_of(payment: &Payment) -> PaymentStatus {
    let some = |state| payment.attempts.iter().any(|attempt| attempt.state() == state);
    if some(AttemptState::InFlight) {
        PaymentStatus::InFlight
    } else if some(AttemptState::Settled) {
        PaymentStatus::Succeeded
    } else if payment.failure_reason.is_some() {
        PaymentStatus::Failed
    } else if some(AttemptState::Failed) {
        PaymentStatus::InFlight
    } else {
        PaymentStatus::Initiated
    }
}

pub fn is_finished(payment: &Payment) -> bool {
    payment.status == PaymentStatus::Succeeded || payment.status == PaymentStatus::Failed
}

/// Amount and fees of the attempts that did not fail.
pub fn sent(payment: &Payment) -> (u128, u128) {
    let alive = payment.attempts.iter().filter(|attempt| attempt.state() != AttemptState::Failed);
    alive.fold((0, 0), |(amount, fees), attempt| {
        let request = &attempt.request;
        (amount + u128::from(request.amount_msat), fees + u128::from(request.fee_msat))
    })
}

fn already(status: Status, view: &Payment) -> Told {
    Ok(Answer { status, conflict: false, event: 0, value: 0, view: Some(view.clone()) })
}

impl Tower {
    pub fn new(lnd: bool, records: Option<Records>) -> Tower {
        Tower {
            lnd,
            check_totals: false,
            clock: Clock::default(),
            payments: BTreeMap::new(),
            paid: BTreeSet::new(),
            keys: BTreeMap::new(),
            leftovers: BTreeMap::new(),
            records,
            events: VecDeque::new(),
            last_event: 0,
            last_sequence: 0,
            streams: Streams::default(),
        }
    }

    pub fn payment(&self, hash: PaymentHash) -> Option<&Payment> {
        self.payments.values().find(|payment| payment.hash() == hash)
    }

    fn known(&self, hash: PaymentHash) -> Result<Payment, Status> {
        self.payment(hash).cloned().ok_or(Status::PaymentNotInitiated)
    }

    /// What the specification answers, and the state after it.
    pub fn apply(&mut self, operation: &Operation) -> Told {
        match operation {
            Operation::Init(request) => self.init(request),
            Operation::Register(hash, request, tracked) => self.register(*hash, request, *tracked),
            Operation::Settle(hash, key, settle, strictness) => {
                self.settle(*hash, *key, settle, *strictness)
            }
            Operation::FailAttempt(hash, key, failure, strictness) => {
                self.fail_attempt(*hash, *key, failure, *strictness)
            }
            Operation::Fail(hash, reason) => self.fail(*hash, *reason),
            Operation::ForceFail(hash, key, failure, note, _) => {
                self.force_fail(*hash, *key, failure, note)
            }
            Operation::Delete(hash, retain) => self.delete(*hash, *retain),
            Operation::DeleteFailedAttempts(hash) => self.delete_failed_attempts(*hash),
            Operation::Forget(hash) => self.forget(*hash),
            Operation::Quarantine(hash, _) => {
                if self.paid.contains(&hash.0) {
                    return Ok(gone(Status::Already));
                }
                self.known(*hash).and(Err(Status::Conflict))
            }
            other => unreachable!("{other:?} is not generated"),
        }
    }

    fn init(&mut self, request: &PaymentInit) -> Told {
        let hash = request.hash;
        let before = self.payment(hash).cloned();
        if let Some((owner, sequence)) = self.keys.get(&request.idempotency_key) {
            if *owner != hash.0 {
                return Err(Status::FingerprintMismatch);
            }
            if self.paid.contains(&hash.0) {
                return Err(Status::AlreadyPaid);
            }
            let Some(first) = before else { return Err(Status::Deleted) };
            if first.sequence != *sequence {
                return Err(Status::PaymentAlreadyFailed);
            }
            let same = first.init.amount_msat == request.amount_msat
                && first.init.payment_request == request.payment_request;
            let status = if same { Ok(()) } else { Err(Status::FingerprintMismatch) };
            return status.and_then(|()| already(Status::AlreadyExists, &first));
        }
        if self.paid.contains(&hash.0) {
            return Err(Status::AlreadyPaid);
        }
        match before.as_ref().map(|before| before.status) {
            Some(PaymentStatus::Initiated) => {
                let before = before.as_ref().filter(|before| before.init == *request);
                let same = before.ok_or(Status::PaymentExists)?;
                return already(Status::AlreadyExists, same);
            }
            Some(PaymentStatus::InFlight) => return Err(Status::PaymentInFlight),
            Some(PaymentStatus::Succeeded) => return Err(Status::AlreadyPaid),
            Some(PaymentStatus::Failed) | None => {}
        }
        Ok(self.start(request, before))
    }

    fn start(&mut self, request: &PaymentInit, failed: Option<Payment>) -> Answer {
        if let Some(failed) = failed {
            self.remove(&failed);
        }
        self.last_sequence += 1;
        let payment = Payment {
            init: request.clone(),
            sequence: self.last_sequence,
            revision: 1,
            status: PaymentStatus::Initiated,
            marks: Marks::default(),
            failure_reason: None,
            first_failure_reason: None,
            updated_unix_ms: self.clock.unix_ms,
            attempts: Vec::new(),
        };
        if !request.idempotency_key.is_empty() {
            let owner = (request.hash.0, payment.sequence);
            self.keys.insert(request.idempotency_key.clone(), owner);
        }
        self.payments.insert(payment.sequence, payment.clone());
        let event = self.log(EventKind::PaymentInitiated, &payment, None, false);
        self.streams.announce(&payment);
        Answer { event, ..done(payment) }
    }

    fn remove(&mut self, payment: &Payment) {
        self.payments.remove(&payment.sequence);
        if !payment.attempts.is_empty() {
            self.leftovers.insert(payment.sequence, payment.attempts.len() as u64);
        }
    }

    fn register(&mut self, hash: PaymentHash, new: &AttemptRequest, tracked: bool) -> Told {
        let before = self.known(hash)?;
        may_register(&before)?;
        let same_id = before.attempts.iter().find(|known| known.request.key == new.key);
        if !self.lnd {
            if new.hop_count == 0 {
                return Err(Status::InvalidRoute);
            }
            if let Some(same_id) = same_id {
                let repeat =
                    same_id.request == *new && same_id.marks.has(Marks::TRACKED) == tracked;
                return match repeat {
                    true => already(Status::AlreadyExists, &before),
                    false => Err(Status::AttemptIdExists),
                };
            }
            let mut all = self.payments.values().flat_map(|payment| &payment.attempts);
            if all.any(|other| other.request.key == new.key) {
                return Err(Status::AttemptIdExists);
            }
        }
        verify(&before, new, self.check_totals)?;
        if let Some(records) = self.records.as_mut().filter(|_| tracked) {
            records.register(new.key, new.attempt_hash.unwrap_or(hash))?;
        }
        let marks = Marks(if tracked { Marks::TRACKED } else { 0 });
        let mut attempt = PaymentAttempt {
            request: new.clone(),
            marks,
            outcome: AttemptOutcome::InFlight,
            note: RawMessage::default(),
        };
        // Under lnd's rules what became of the attempt that had the id stays attached to it: its end, and the
        // record that ends with it.
        if let Some(same_id) = same_id {
            attempt.marks = Marks(marks.0 | same_id.marks.0);
            attempt.outcome = same_id.outcome.clone();
            attempt.note = same_id.note.clone();
        }
        Ok(self.put(before, attempt, EventKind::PaymentAttemptRegistered))
    }

    fn settle(
        &mut self,
        hash: PaymentHash,
        key: AttemptKey,
        settle: &Settle,
        strictness: Strictness,
    ) -> Told {
        let before = self.known(hash)?;
        let known = before.attempts.iter().find(|attempt| attempt.request.key == key);
        let outcome = known.map(|known| &known.outcome);
        // The time is no part of what is told: who repeats it may have a new clock.
        let repeat = matches!(outcome, Some(AttemptOutcome::Settled(known))
            if known.preimage == settle.preimage);
        if repeat && !strictness.refuse_repeat {
            return already(Status::Already, &before);
        }
        let late = matches!(outcome, Some(AttemptOutcome::Failed(_))) && !strictness.refuse_late;
        if !late {
            must_be_open(&before, known)?;
        }
        let Some(known) = known else { return Err(Status::AttemptNotFound) };
        let wanted = known.request.attempt_hash.unwrap_or(hash);
        if (late || !self.lnd) && settle.preimage.payment_hash() != wanted {
            return Err(Status::BadPreimage);
        }
        if let Some(records) = self.records.as_mut().filter(|_| known.marks.has(Marks::TRACKED)) {
            records.settled_by_payment(key, &settle.preimage)?;
        }
        let mut settled = known.clone();
        settled.outcome = AttemptOutcome::Settled(settle.clone());
        if !late {
            return Ok(self.put(before, settled, EventKind::PaymentAttemptSettled));
        }
        settled.marks = Marks(settled.marks.0 | Marks::LATE_SETTLE);
        let answer = self.put(before, settled, EventKind::PaymentLateSettle);
        Ok(Answer { conflict: true, ..answer })
    }

    fn fail_attempt(
        &mut self,
        hash: PaymentHash,
        key: AttemptKey,
        failure: &Failure,
        strictness: Strictness,
    ) -> Told {
        let before = self.known(hash)?;
        let known = before.attempts.iter().find(|attempt| attempt.request.key == key);
        let repeat = known.is_some_and(|known| failed_so(known, failure));
        if repeat && !strictness.refuse_repeat {
            return already(Status::Already, &before);
        }
        self.end_failed(before, key, failure, None)
    }

    fn force_fail(
        &mut self,
        hash: PaymentHash,
        key: AttemptKey,
        failure: &Failure,
        note: &[u8],
    ) -> Told {
        let before = self.known(hash)?;
        let repeat = before.attempts.iter().any(|known| {
            known.request.key == key
                && known.marks.has(Marks::FORCED)
                && failed_so(known, failure)
                && known.note.expose() == note
        });
        if repeat {
            return already(Status::Already, &before);
        }
        self.end_failed(before, key, failure, Some(note))
    }

    fn end_failed(
        &mut self,
        before: Payment,
        key: AttemptKey,
        failure: &Failure,
        note: Option<&[u8]>,
    ) -> Told {
        let known = before.attempts.iter().find(|attempt| attempt.request.key == key);
        must_be_open(&before, known)?;
        let mut failed = known.ok_or(Status::AttemptNotFound)?.clone();
        let tracked = failed.marks.has(Marks::TRACKED);
        if let Some(records) = self.records.as_mut().filter(|_| tracked) {
            records.failed_by_payment(key, note.is_some())?;
        }
        failed.outcome = AttemptOutcome::Failed(failure.clone());
        let Some(note) = note else {
            return Ok(self.put(before, failed, EventKind::PaymentAttemptFailed));
        };
        failed.marks = Marks(failed.marks.0 | Marks::FORCED);
        failed.note = RawMessage::new(note);
        Ok(self.put(before, failed, EventKind::PaymentForced))
    }

    fn fail(&mut self, hash: PaymentHash, reason: FailureReason) -> Told {
        let before = self.known(hash)?;
        let failed_before = before.status == PaymentStatus::Failed;
        if !self.lnd && before.status == PaymentStatus::Succeeded {
            return Err(Status::PaymentAlreadySucceeded);
        }
        if !self.lnd && failed_before && before.failure_reason == Some(reason) {
            return already(Status::Already, &before);
        }
        let mut after = before.clone();
        after.failure_reason = Some(reason);
        after.first_failure_reason.get_or_insert(reason);
        let announced = self.lnd || !failed_before;
        Ok(self.change(&before, after, None, announced.then_some(EventKind::PaymentFailed)))
    }

    /// Puts an attempt among those of a payment, by id and then namespace.
    fn put(&mut self, before: Payment, attempt: PaymentAttempt, kind: EventKind) -> Answer {
        let mut after = before.clone();
        after.attempts.retain(|known| known.request.key != attempt.request.key);
        after.attempts.push(attempt.clone());
        after.attempts.sort_by_key(|known| (known.request.key.id, known.request.key.namespace));
        if kind == EventKind::PaymentLateSettle {
            after.marks = Marks(after.marks.0 | Marks::LATE_SETTLE);
        }
        if attempt.marks.has(Marks::FORCED) {
            after.marks = Marks(after.marks.0 | Marks::FORCED);
        }
        self.change(&before, after, Some(&attempt), Some(kind))
    }

    fn change(
        &mut self,
        before: &Payment,
        mut after: Payment,
        attempt: Option<&PaymentAttempt>,
        kind: Option<EventKind>,
    ) -> Answer {
        after.revision += 1;
        after.updated_unix_ms = self.clock.unix_ms;
        after.status = status_of(&after);
        self.payments.insert(after.sequence, after.clone());
        let Some(kind) = kind else { return done(after) };
        let ended = is_finished(&after) && !is_finished(before);
        let event = self.log(kind, &after, attempt, ended);
        self.streams.announce(&after);
        Answer { event, ..done(after) }
    }

    fn delete(&mut self, hash: PaymentHash, retain: Retain) -> Told {
        let payment = self.known(hash)?;
        if payment.status == PaymentStatus::InFlight {
            return Err(Status::PaymentInFlight);
        }
        Ok(self.delete_known(&payment, retain))
    }

    pub fn delete_known(&mut self, payment: &Payment, retain: Retain) -> Answer {
        self.remove(payment);
        if payment.status == PaymentStatus::Succeeded && retain == Retain::Tombstone {
            self.paid.insert(payment.hash().0);
        }
        if retain == Retain::Forget {
            self.keys.remove(&payment.init.idempotency_key);
        }
        if !self.lnd {
            self.streams.deleted(payment.hash());
        }
        let event = self.log(EventKind::PaymentDeleted, payment, None, false);
        Answer { event, ..gone(Status::Done) }
    }

    fn delete_failed_attempts(&mut self, hash: PaymentHash) -> Told {
        let mut payment = self.known(hash)?;
        if payment.status == PaymentStatus::InFlight {
            return Err(Status::PaymentInFlight);
        }
        let all = payment.attempts.len();
        // What was failed by force keeps its note (Y6).
        payment.attempts.retain(|attempt| {
            attempt.state() != AttemptState::Failed || attempt.marks.has(Marks::FORCED)
        });
        if payment.attempts.len() == all {
            return Ok(gone(Status::Already));
        }
        // One revision for each step of at most 16 attempts.
        payment.revision += (all - payment.attempts.len()).div_ceil(16) as u64;
        self.payments.insert(payment.sequence, payment);
        Ok(gone(Status::Done))
    }

    fn forget(&mut self, hash: PaymentHash) -> Told {
        if self.payment(hash).is_some() {
            return Err(Status::EntriesExist);
        }
        let paid = self.paid.remove(&hash.0);
        Ok(gone(if paid { Status::Done } else { Status::Already }))
    }

    fn log(
        &mut self,
        kind: EventKind,
        payment: &Payment,
        attempt: Option<&PaymentAttempt>,
        ended: bool,
    ) -> u64 {
        self.last_event += 1;
        let late = payment.marks.has(Marks::LATE_SETTLE);
        let amount_msat = payment.init.amount_msat;
        let (sent, fees) = sent(payment);
        let remaining = u128::from(amount_msat).saturating_sub(sent);
        self.events.push_back(Event {
            sequence: self.last_event,
            kind,
            state: payment.status as u8,
            attempt_state: attempt.map_or(0, |attempt| attempt.state() as u8),
            failure_reason: payment.failure_reason.map_or(0, |reason| reason as u8),
            flags: if ended { Event::TERMINAL } else { 0 }
                | if late { Event::LATE_SETTLE } else { 0 },
            failure_code: 0,
            subject: payment.hash().0,
            namespace: attempt.map_or(Namespace::default(), |one| one.request.key.namespace),
            attempt_id: attempt.map_or(0, |one| one.request.key.id.0),
            amount_msat: attempt.map_or(amount_msat, |one| one.request.amount_msat),
            clock: self.clock,
            remaining_msat: u64::try_from(remaining).unwrap(),
            fees_msat: u64::try_from(fees).unwrap_or(u64::MAX),
        });
        self.last_event
    }
}

fn done(payment: Payment) -> Answer {
    Answer { status: Status::Done, conflict: false, event: 0, value: 0, view: Some(payment) }
}

fn gone(status: Status) -> Answer {
    Answer { status, conflict: false, event: 0, value: 0, view: None }
}

fn may_register(payment: &Payment) -> Result<(), Status> {
    let settled = payment.attempts.iter().any(|one| one.state() == AttemptState::Settled);
    match payment.status {
        PaymentStatus::Succeeded => Err(Status::PaymentAlreadySucceeded),
        PaymentStatus::Failed => Err(Status::PaymentAlreadyFailed),
        PaymentStatus::InFlight if settled => Err(Status::PaymentPendingSettled),
        PaymentStatus::InFlight if payment.failure_reason.is_some() => {
            Err(Status::PaymentPendingFailed)
        }
        PaymentStatus::InFlight | PaymentStatus::Initiated => Ok(()),
    }
}

/// Only an attempt in flight of an unfinished payment ends.
fn must_be_open(payment: &Payment, known: Option<&PaymentAttempt>) -> Result<(), Status> {
    match payment.status {
        PaymentStatus::Succeeded => return Err(Status::PaymentAlreadySucceeded),
        PaymentStatus::Failed => return Err(Status::PaymentAlreadyFailed),
        PaymentStatus::Initiated | PaymentStatus::InFlight => {}
    }
    match known.map(PaymentAttempt::state) {
        None => Err(Status::AttemptNotFound),
        Some(AttemptState::Failed) => Err(Status::AttemptAlreadyFailed),
        Some(AttemptState::Settled) => Err(Status::AttemptAlreadySettled),
        Some(AttemptState::InFlight) => Ok(()),
    }
}

/// Whether an attempt failed for this reason, whenever that was.
fn failed_so(known: &PaymentAttempt, failure: &Failure) -> bool {
    let failed_unix_ns = failure.failed_unix_ns;
    match &known.outcome {
        AttemptOutcome::Failed(known) => Failure { failed_unix_ns, ..known.clone() } == *failure,
        _ => false,
    }
}

/// The checks of a new attempt, in the order of the specification.
fn verify(payment: &Payment, new: &AttemptRequest, totals: bool) -> Result<(), Status> {
    let refuse = |wrong: bool, status| if wrong { Err(status) } else { Ok(()) };
    refuse(new.blinded_total_msat == Some(0), Status::BlindedMissingTotal)?;
    let blinded = new.blinded_total_msat.is_some();
    refuse(blinded && new.mpp.is_some(), Status::MppRecordInBlinded)?;
    for old in payment.attempts.iter().filter(|old| old.state() == AttemptState::InFlight) {
        let old = &old.request;
        refuse(blinded && old.mpp.is_some(), Status::MppRecordInBlinded)?;
        refuse(blinded != old.blinded_total_msat.is_some(), Status::MixedBlinded)?;
        refuse(new.blinded_total_msat != old.blinded_total_msat, Status::BlindedTotalMismatch)?;
        refuse(old.mpp.is_some() && new.mpp.is_none(), Status::MppPayment)?;
        refuse(old.mpp.is_none() && new.mpp.is_some(), Status::NonMppPayment)?;
        if let (Some(old), Some(new)) = (&old.mpp, &new.mpp) {
            refuse(old.payment_address != new.payment_address, Status::MppAddrMismatch)?;
            refuse(old.total_msat != new.total_msat, Status::MppTotalMismatch)?;
        }
        let set = |request: &AttemptRequest| request.amp.as_ref().map(|amp| amp.set_id);
        refuse(totals && set(old) != set(new), Status::MppAddrMismatch)?;
    }
    let amount_msat = payment.init.amount_msat;
    let other_total = |total: Option<u64>| total.is_some_and(|total| total != amount_msat);
    let mpp_total = new.mpp.map(|mpp| mpp.total_msat);
    refuse(totals && other_total(mpp_total), Status::MppTotalMismatch)?;
    refuse(totals && other_total(new.blinded_total_msat), Status::BlindedTotalMismatch)?;
    let alone = !blinded && new.mpp.is_none();
    refuse(alone && new.amount_msat != amount_msat, Status::ValueMismatch)?;
    let out = sent(payment).0 + u128::from(new.amount_msat);
    refuse(out > u128::from(amount_msat), Status::ValueExceeds)
}
