//! The attempt's side of a payment's command: its record is made and ends in the payment's own transaction.
//!
//! AL1 a failed payment attempt is never one whose HTLC may still settle: what was handed off is refused, an
//! intent is rolled back with it. AL2 a settle is never held up by the record. Called by `payments` only.

use super::commands::gate;
use super::record::{AttemptResult, Flags, NamespaceRow, State};
use super::rules::{self, Decision, InitRequest, Profile, Rollback};
use super::table::{self, ALL_NAMESPACES, Loaded};
use crate::error::{Error, Result, Status};
use crate::events::EVENT_ROWS;
use crate::store::Outcome;
use crate::store::batch::{Batch, Cost};
use crate::types::{AttemptKey, Preimage};

pub(crate) use super::commands::refuse_reserved;
pub(crate) use super::subscriptions::Subscriptions;

/// Result and acknowledgement: twice record, index, namespace, retained queue, event.
pub(crate) const COST: Cost = Cost { rows: 2 * (4 + EVENT_ROWS), bytes: 1024 };

/// Registers the attempt; an id that is known is refused by its record.
pub(crate) fn init(batch: &mut Batch<'_>, profile: Profile, request: &InitRequest) -> Outcome {
    let all = table::namespace_row(batch, ALL_NAMESPACES)?;
    if all.flags & NamespaceRow::EXTERNAL != 0 {
        return Err(Error::new(
            Status::ExternalMarker,
            "an external router owns the attempts; register the payment's attempt without one",
        ));
    }
    let before = table::load(batch, request.key)?;
    let gate = gate(batch, request.key.namespace, &before)?;
    let now = table::now(batch);
    let mut decision = rules::init(profile, before.stored(), request, gate, now)?;
    if let Decision::Put(attempt, _) = &mut decision {
        attempt.flags = Flags(attempt.flags.0 | Flags::OF_PAYMENT);
    }
    table::apply(batch, request.key, &before, decision)
}

/// Records the settle unless one is recorded, and acknowledges it (AL2). Answers what waiters get.
pub(crate) fn settle(
    batch: &mut Batch<'_>,
    profile: Profile,
    key: AttemptKey,
    preimage: &Preimage,
) -> Result<Option<AttemptResult>> {
    let before = table::load(batch, key)?;
    let result = match before.state() {
        None | Some(State::Deleted) => return Ok(None),
        Some(State::Settled) => None,
        Some(_) => {
            let result = AttemptResult::settle(preimage.clone());
            let now = table::now(batch);
            let decision = rules::store_result(profile, key, before.stored(), &result, now)?;
            table::apply(batch, key, &before, decision)?;
            Some(result)
        }
    };
    acknowledge(batch, key)?;
    Ok(result)
}

/// Makes sure that the HTLC is gone, and acknowledges that (AL1). Answers what waiters get.
pub(crate) fn fail(
    batch: &mut Batch<'_>,
    key: AttemptKey,
    forced: bool,
) -> Result<Option<AttemptResult>> {
    let before = table::load(batch, key)?;
    let result = match before.state() {
        _ if is_unknowable(&before) && !forced => {
            return Err(Error::new(
                Status::CorruptRecord,
                format!("{key}: its record is or was unreadable, so nobody knows whether it left"),
            ));
        }
        None | Some(State::Deleted) => return Ok(None),
        Some(State::Settled) => {
            return Err(Error::new(
                Status::Conflict,
                format!("{key}: its record holds a settle; settle the payment's attempt with it"),
            ));
        }
        Some(State::Failed) => None,
        Some(State::Intent | State::HandedOff) => {
            let rollback = Rollback { forced, ..Rollback::default() };
            let now = table::now(batch);
            let decision = rules::fail_pending(key, before.stored(), &rollback, now)?;
            table::apply(batch, key, &before, decision)?;
            Some(rollback.result())
        }
    };
    acknowledge(batch, key)?;
    Ok(result)
}

/// Whether nobody can say what the record said. Quarantine burns the id; it says nothing about the HTLC.
fn is_unknowable(loaded: &Loaded) -> bool {
    match loaded {
        Loaded::Absent => false,
        Loaded::Unreadable => true,
        Loaded::Found(attempt) => attempt.flags.has(Flags::QUARANTINED),
    }
}

fn acknowledge(batch: &mut Batch<'_>, key: AttemptKey) -> Result<()> {
    let before = table::load(batch, key)?;
    let decision = rules::ack(key, before.stored())?;
    table::apply(batch, key, &before, decision)?;
    Ok(())
}

/// What the record says of an attempt, for those who resume or look for what is stuck.
#[derive(Debug)]
pub(crate) enum Known {
    /// No record, or a tombstone.
    Nothing,
    /// Damaged, or quarantined for that.
    Unreadable,
    /// Registered, and certainly never left.
    Intent,
    HandedOff,
    Final(AttemptResult),
}

/// What the attempt store knows of an attempt.
pub(crate) fn known(rows: &impl crate::store::batch::Rows, key: AttemptKey) -> Result<Known> {
    Ok(match table::load(rows, key)? {
        Loaded::Absent => Known::Nothing,
        loaded if is_unknowable(&loaded) => Known::Unreadable,
        Loaded::Unreadable => Known::Unreadable,
        Loaded::Found(attempt) => match (attempt.state, attempt.result) {
            (State::Intent, _) => Known::Intent,
            (State::HandedOff, _) => Known::HandedOff,
            (_, Some(result)) => Known::Final(result),
            _ => Known::Nothing,
        },
    })
}
