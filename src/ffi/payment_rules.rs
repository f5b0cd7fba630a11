//! The decisions about payments without a store: pure functions of their arguments.

use super::args::{self, SizedOutput, invalid};
use super::guard::guarded_done;
use super::payments::attempt_of;
use super::status::lnkeep_status;
use super::types::*;
use crate::error::{Error, Result, Status};
use crate::payments::rules::{self, AttemptSum, Checks};
use crate::payments::{
    AttemptOutcome, AttemptState, Marks, Payment, PaymentAttempt, PaymentInit, PaymentStatus,
};
use crate::types::{PaymentHash, RawMessage};

/// What the rules allow a payment in one state.
///
/// Returns: LNKEEP_DONE; LNKEEP_UNKNOWN_STATUS; LNKEEP_INVALID_ARGUMENT.
/// In: status, LNKEEP_PAYMENT_STATUS_*; remaining_msat; flags, bits of LNKEEP_PAYMENT_STATE_HAS_SETTLED,
///   LNKEEP_PAYMENT_STATE_GIVEN_UP.
/// Out: allowed, whose size the caller set; start with LNKEEP_PAYMENT_RULES_INIT.
/// Threads: any; looks at no store.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payment_allows(
    status: u32,
    remaining_msat: u64,
    flags: u32,
    allowed: *mut lnkeep_payment_rules,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::new(allowed, "allowed")?;
            args::flags(
                flags,
                LNKEEP_PAYMENT_STATE_HAS_SETTLED | LNKEEP_PAYMENT_STATE_GIVEN_UP,
                "flags",
            )?;
            let settled = flags & LNKEEP_PAYMENT_STATE_HAS_SETTLED != 0;
            let failed = flags & LNKEEP_PAYMENT_STATE_GIVEN_UP != 0;
            let status = u8::try_from(status).ok().and_then(PaymentStatus::from_number);
            let status = status.ok_or_else(|| Error::from(Status::UnknownStatus))?;
            let more = rules::allow_more(status, remaining_msat, settled, failed);
            let wait = rules::need_wait(status, remaining_msat, settled, failed);
            output.set(lnkeep_payment_rules {
                size: std::mem::size_of::<lnkeep_payment_rules>(),
                init: number_of(&rules::may_init(status)),
                update: number_of(&rules::may_update(status)),
                remove: number_of(&rules::may_remove(status)),
                can_register: number_of(&rules::can_register(status, settled, failed)),
                allow_more_status: number_of(&more),
                allow_more: u32::from(more.unwrap_or(false)),
                need_wait_status: number_of(&wait),
                need_wait: u32::from(wait.unwrap_or(false)),
            });
            Ok(())
        })
    }
}

fn number_of<T>(answer: &Result<T>) -> i32 {
    answer.as_ref().err().map_or(0, |error| error.status().number())
}

/// Status and sums of a payment, from its attempts.
///
/// Returns: LNKEEP_DONE; LNKEEP_SENT_EXCEEDS_TOTAL when the attempts that did not fail sum up to more than
///   amount_msat; LNKEEP_INVALID_ARGUMENT.
/// In: amount_msat; attempts, attempts_len of them; failure_reason, LNKEEP_PAYMENT_REASON_* or 0.
/// Out: state, whose size the caller set; start with LNKEEP_PAYMENT_STATE_INIT.
/// Threads: any; looks at no store.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payment_compute_state(
    amount_msat: u64,
    attempts: *const lnkeep_attempt_sum,
    attempts_len: usize,
    failure_reason: u32,
    state: *mut lnkeep_payment_state,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::new(state, "state")?;
            let given = args::inputs(attempts, attempts_len, "attempts")?;
            let sums = given.iter().map(sum_of).collect::<Result<Vec<_>>>()?;
            if failure_reason != 0 {
                super::payments::reason_of(failure_reason)?;
            }
            let has_reason = failure_reason != 0;
            let computed = rules::compute_state(amount_msat, &sums, has_reason)?;
            let any = |state| sums.iter().any(|sum| sum.state == state);
            let status = rules::decide_status(
                any(AttemptState::InFlight),
                any(AttemptState::Settled),
                any(AttemptState::Failed),
                has_reason,
            );
            let mut flags = 0;
            if computed.has_settled {
                flags |= LNKEEP_PAYMENT_STATE_HAS_SETTLED;
            }
            if computed.payment_failed {
                flags |= LNKEEP_PAYMENT_STATE_GIVEN_UP;
            }
            output.set(lnkeep_payment_state {
                size: std::mem::size_of::<lnkeep_payment_state>(),
                status: status as u32,
                flags,
                in_flight: computed.in_flight,
                remaining_msat: computed.remaining_msat,
                fees_msat: computed.fees_msat,
            });
            Ok(())
        })
    }
}

fn sum_of(given: &lnkeep_attempt_sum) -> Result<AttemptSum> {
    args::reserved(given.reserved, "attempts.reserved")?;
    let state = u8::try_from(given.state).ok().and_then(AttemptState::from_number);
    Ok(AttemptSum {
        state: state
            .ok_or_else(|| invalid(format!("attempts.state {} is unknown", given.state)))?,
        amount_msat: given.amount_msat,
        fee_msat: given.fee_msat,
    })
}

/// Whether a new attempt fits a payment and its other attempts.
///
/// Returns: LNKEEP_DONE; LNKEEP_BLINDED_MISSING_TOTAL, LNKEEP_MPP_RECORD_IN_BLINDED, LNKEEP_MIXED_BLINDED,
///   LNKEEP_BLINDED_TOTAL_MISMATCH, LNKEEP_MPP_PAYMENT, LNKEEP_NON_MPP_PAYMENT, LNKEEP_MPP_ADDR_MISMATCH,
///   LNKEEP_MPP_TOTAL_MISMATCH, LNKEEP_VALUE_MISMATCH, LNKEEP_VALUE_EXCEEDS: looked for in this order;
///   LNKEEP_BUSY without memory; LNKEEP_INVALID_ARGUMENT.
/// In: amount_msat, of the payment; alive, alive_len requests of its attempts that did not fail, of which
///   the first in_flight_len are in flight and the others settled; attempt, the new one; flags,
///   LNKEEP_PAYMENTS_CHECK_TOTALS or 0.
/// Threads: any; looks at no store.
/// Ownership: everything stays the caller's.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payment_verify_attempt(
    amount_msat: u64,
    alive: *const lnkeep_payment_attempt_request,
    alive_len: usize,
    in_flight_len: usize,
    attempt: *const lnkeep_payment_attempt_request,
    flags: u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            args::flags(flags, LNKEEP_PAYMENTS_CHECK_TOTALS, "flags")?;
            if in_flight_len > alive_len {
                return Err(invalid("in_flight_len is more than alive_len"));
            }
            let mut payment = bare_payment(amount_msat);
            let alive = args::sized_inputs(alive, alive_len, "alive")?;
            for (index, given) in alive.iter().enumerate() {
                let outcome = match index < in_flight_len {
                    true => AttemptOutcome::InFlight,
                    false => settled(),
                };
                let request = attempt_of(given)?;
                let (marks, note) = (Marks::default(), RawMessage::default());
                payment.attempts.push(PaymentAttempt { request, marks, outcome, note });
            }
            let new = attempt_of(&args::sized_required(attempt, "attempt")?)?;
            let checks = Checks { totals: flags & LNKEEP_PAYMENTS_CHECK_TOTALS != 0 };
            rules::verify_attempt(&payment, &new, checks)
        })
    }
}

fn settled() -> AttemptOutcome {
    let preimage = crate::types::Preimage::new([0; 32]);
    AttemptOutcome::Settled(crate::payments::Settle { preimage, settled_unix_ns: 0 })
}

fn bare_payment(amount_msat: u64) -> Payment {
    Payment {
        init: PaymentInit::new(PaymentHash([0; 32]), amount_msat),
        sequence: 0,
        revision: 0,
        status: PaymentStatus::InFlight,
        marks: Marks::default(),
        failure_reason: None,
        first_failure_reason: None,
        updated_unix_ms: 0,
        attempts: Vec::new(),
    }
}
