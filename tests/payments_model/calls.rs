//! The typed call of every operation, so that random ones can be made and recorded.

use std::sync::Arc;

use lnkeep::payments::{Changed, Operation, Payment, Payments};
use lnkeep::{AttemptKey, PaymentHash, Reply};

/// What a call answered: for a deletion without a view.
pub type Outcome = lnkeep::Result<(Reply, Option<Arc<Payment>>)>;

pub fn hash_of(operation: &Operation) -> PaymentHash {
    match operation {
        Operation::Init(request) => request.hash,
        Operation::Register(hash, ..)
        | Operation::Settle(hash, ..)
        | Operation::FailAttempt(hash, ..)
        | Operation::Fail(hash, _)
        | Operation::ForceFail(hash, ..)
        | Operation::Delete(hash, _)
        | Operation::DeleteFailedAttempts(hash)
        | Operation::Forget(hash)
        | Operation::Quarantine(hash, _) => *hash,
        other => unreachable!("{other:?} is not generated"),
    }
}

pub fn attempt_of(operation: &Operation) -> Option<AttemptKey> {
    match operation {
        Operation::Register(_, request, _) => Some(request.key),
        Operation::Settle(_, key, ..)
        | Operation::FailAttempt(_, key, ..)
        | Operation::ForceFail(_, key, ..) => Some(*key),
        _ => None,
    }
}

/// The typed call of an operation, or for those that show a payment the plain one.
pub fn call(payments: &Payments, operation: &Operation, plain: bool) -> Outcome {
    let changed = |changed: Changed| (changed.reply, Some(changed.payment));
    let bare = |reply| (reply, None);
    match operation.clone() {
        Operation::Delete(hash, retain) => payments.delete(hash, retain).map(bare),
        Operation::DeleteFailedAttempts(hash) => payments.delete_failed_attempts(hash).map(bare),
        Operation::Forget(hash) => payments.forget(hash).map(bare),
        Operation::Quarantine(hash, _) => payments.quarantine(hash).map(bare),
        operation if plain => payments.change(operation).map(changed),
        Operation::Init(request) => payments.init(request).map(changed),
        Operation::Register(hash, request, true) => {
            payments.register_and_init(hash, request).map(changed)
        }
        Operation::Register(hash, request, false) => payments.register(hash, request).map(changed),
        Operation::Settle(hash, key, settle, strictness) => {
            payments.settle(hash, key, settle, strictness).map(changed)
        }
        Operation::FailAttempt(hash, key, failure, strictness) => {
            payments.fail_attempt(hash, key, failure, strictness).map(changed)
        }
        Operation::Fail(hash, reason) => payments.fail(hash, reason).map(changed),
        Operation::ForceFail(hash, key, failure, note, _) => {
            payments.force_fail(hash, key, failure, &note).map(changed)
        }
        other => unreachable!("{other:?} is not generated"),
    }
}
