//! The pure rules against the specification, without a store: decisions are put into effect here.

use lnkeep::attempts::rules::Profile;
use lnkeep::payments::rules::{self, Checks, Decision, KeyOwner, Stored};
use lnkeep::payments::{Marks, Operation, Payment, PaymentStatus};
use lnkeep::{PaymentHash, Status};

use crate::dice::Dice;
use crate::reference::{Tower, status_of};

/// What a rule answered, as the model tells it.
#[derive(Debug, PartialEq)]
enum Effect {
    Repeat(Status),
    /// The payment afterwards, and whether the change is announced.
    Becomes(Box<Payment>, bool),
    Removed,
}

pub struct PureWorld {
    tower: Tower,
    dice: Dice,
}

impl PureWorld {
    pub fn new(seed: u64, lnd: bool) -> PureWorld {
        let mut tower = Tower::new(lnd, None);
        tower.check_totals = seed % 2 == 1;
        PureWorld { tower, dice: Dice::new(seed) }
    }

    /// One random operation: the rule's answer, put into effect, is the specification's.
    pub fn step(&mut self) {
        let operation = self.dice.operation(&self.tower);
        if !has_a_rule(&operation) {
            return drop(self.tower.apply(&operation));
        }
        let hash = hash_of(&operation);
        let actual = decide(&self.tower, &operation);
        let events = self.tower.last_event;
        let expected = self.tower.apply(&operation).map(|answer| match answer.view {
            _ if answer.status != Status::Done => Effect::Repeat(answer.status),
            Some(view) => Effect::Becomes(Box::new(view), self.tower.last_event != events),
            None => Effect::Removed,
        });
        assert_eq!(actual, expected, "{operation:?}");
        if let Some(payment) = self.tower.payment(hash) {
            check_derived(payment);
        }
        self.tower.events.clear();
        self.tower.leftovers.clear();
    }
}

fn has_a_rule(operation: &Operation) -> bool {
    !matches!(
        operation,
        Operation::DeleteFailedAttempts(_) | Operation::Forget(_) | Operation::Quarantine(..)
    )
}

fn hash_of(operation: &Operation) -> PaymentHash {
    match operation {
        Operation::Init(request) => request.hash,
        Operation::Register(hash, ..)
        | Operation::Settle(hash, ..)
        | Operation::FailAttempt(hash, ..)
        | Operation::Fail(hash, _)
        | Operation::ForceFail(hash, ..)
        | Operation::Delete(hash, _) => *hash,
        other => unreachable!("{other:?} has no rule"),
    }
}

fn decide(tower: &Tower, operation: &Operation) -> Result<Effect, Status> {
    let profile = if tower.lnd { Profile::Lnd } else { Profile::Strict };
    if let Operation::Init(request) = operation {
        return decide_init(tower, request);
    }
    let payment = tower.payment(hash_of(operation)).ok_or(Status::PaymentNotInitiated)?;
    let decision = match operation {
        Operation::Register(_, request, tracked) => {
            let all = tower.payments.values().flat_map(|payment| &payment.attempts);
            let taken = all.into_iter().any(|known| known.request.key == request.key);
            let checks = Checks { totals: tower.check_totals };
            rules::register(profile, payment, request, *tracked, taken, checks)
        }
        Operation::Settle(_, key, settle, strictness) => {
            rules::settle(profile, payment, *key, settle, *strictness)
        }
        Operation::FailAttempt(_, key, failure, strictness) => {
            rules::fail_attempt(payment, *key, failure, *strictness)
        }
        Operation::Fail(_, reason) => rules::give_up(profile, payment, *reason),
        Operation::ForceFail(_, key, failure, note, strictness) => {
            rules::force_fail(payment, *key, failure, note, *strictness)
        }
        Operation::Delete(..) => {
            let removed = rules::may_remove(payment.status).map(|()| Effect::Removed);
            return removed.map_err(|error| error.status());
        }
        other => unreachable!("{other:?} has no rule"),
    };
    decision.map(|decision| put_into_effect(payment, decision)).map_err(|error| error.status())
}

fn decide_init(tower: &Tower, request: &lnkeep::payments::PaymentInit) -> Result<Effect, Status> {
    let stored = match tower.payment(request.hash) {
        _ if tower.paid.contains(&request.hash.0) => Stored::Tombstone,
        Some(payment) => Stored::Found(payment),
        None => Stored::Absent,
    };
    let owner = match tower.keys.get(&request.idempotency_key) {
        Some((hash, sequence)) => KeyOwner::Of(PaymentHash(*hash), *sequence),
        None => KeyOwner::Free,
    };
    let unreadable = rules::init(Stored::Unreadable, owner, request).unwrap_err();
    assert_eq!(unreadable.status(), Status::CorruptRecord);
    match rules::init(stored, owner, request) {
        Ok(Some(status)) => Ok(Effect::Repeat(status)),
        Ok(None) => {
            let made = Payment {
                init: request.clone(),
                sequence: tower.last_sequence + 1,
                revision: 1,
                status: PaymentStatus::Initiated,
                marks: Marks::default(),
                failure_reason: None,
                first_failure_reason: None,
                updated_unix_ms: 0,
                attempts: Vec::new(),
            };
            Ok(Effect::Becomes(Box::new(made), true))
        }
        Err(error) => Err(error.status()),
    }
}

fn put_into_effect(before: &Payment, decision: Decision) -> Effect {
    let mut after = before.clone();
    let announced = match decision {
        Decision::Repeat(status) => return Effect::Repeat(status),
        Decision::GiveUp(reason, kind) => {
            after.failure_reason = Some(reason);
            after.first_failure_reason = before.first_failure_reason.or(Some(reason));
            kind.is_some()
        }
        Decision::Attempt(attempt, _) => {
            let of_payment = attempt.marks.0 & (Marks::LATE_SETTLE | Marks::FORCED);
            after.marks = Marks(after.marks.0 | of_payment);
            let key = attempt.request.key;
            after.attempts.retain(|known| known.request.key != key);
            after.attempts.push(*attempt);
            after.attempts.sort_by_key(|one| (one.request.key.id, one.request.key.namespace));
            true
        }
    };
    after.revision += 1;
    let any = |state| after.attempts.iter().any(|attempt| attempt.state() == state);
    use lnkeep::payments::AttemptState::{Failed, InFlight, Settled};
    let reason = after.failure_reason.is_some();
    after.status = rules::decide_status(any(InFlight), any(Settled), any(Failed), reason);
    Effect::Becomes(Box::new(after), announced)
}

/// What follows from a payment by the library's arithmetic, against the sums made here.
fn check_derived(payment: &Payment) {
    use lnkeep::payments::AttemptState::{InFlight, Settled};
    let count = |wanted| payment.attempts.iter().filter(|one| one.state() == wanted).count();
    let (sent, fees) = crate::reference::sent(payment);
    let remaining = u128::from(payment.init.amount_msat).saturating_sub(sent);
    let state = payment.state();
    assert_eq!(state.in_flight, count(InFlight) as u64);
    assert_eq!(state.has_settled, count(Settled) != 0);
    assert_eq!(state.payment_failed, payment.failure_reason.is_some() && count(Settled) == 0);
    assert_eq!(u128::from(state.remaining_msat), remaining);
    assert_eq!(state.fees_msat, u64::try_from(fees).unwrap_or(u64::MAX));
    assert_eq!(payment.status, status_of(payment));
    check_loop(payment, state.remaining_msat, state.has_settled, state.payment_failed);
}

/// The tables of a sender's loop, as the specification draws them.
fn check_loop(payment: &Payment, remaining: u64, settled: bool, failed: bool) {
    use PaymentStatus::{Failed, InFlight, Initiated, Succeeded};
    let register = match (payment.status, settled, failed) {
        (Succeeded, ..) => Err(Status::PaymentAlreadySucceeded),
        (Failed, ..) => Err(Status::PaymentAlreadyFailed),
        (InFlight, true, _) => Err(Status::PaymentPendingSettled),
        (InFlight, false, true) => Err(Status::PaymentPendingFailed),
        (Initiated, ..) | (InFlight, false, false) => Ok(()),
    };
    let more = match (remaining, payment.status) {
        (0, Initiated) => Err(Status::PaymentInternal),
        (0, _) => Ok(false),
        (_, Succeeded) => Err(Status::PaymentInternal),
        (..) => Ok(register.is_ok()),
    };
    let wait = match (remaining, payment.status) {
        (0, InFlight) => Ok(true),
        (0, Succeeded) => Ok(false),
        (0, Initiated | Failed) => Err(Status::PaymentInternal),
        (_, Initiated | Failed) => Ok(false),
        (_, InFlight) => Ok(settled || failed),
        (_, Succeeded) => Err(Status::PaymentInternal),
    };
    let status = payment.status;
    let told = |error: lnkeep::Error| error.status();
    assert_eq!(rules::can_register(status, settled, failed).map_err(told), register);
    assert_eq!(rules::allow_more(status, remaining, settled, failed).map_err(told), more);
    assert_eq!(rules::need_wait(status, remaining, settled, failed).map_err(told), wait);
}
