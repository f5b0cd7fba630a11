//! Payments: reading one, reading many.

use std::sync::Arc;

use zeroize::Zeroize;

use super::args::{self, Output, SizedOutput};
use super::guard::guarded_done;
use super::handle;
use super::payments::hash_of;
use super::status::lnkeep_status;
use super::types::*;
use crate::error::Result;
use crate::memory::{collected, with_room};
use crate::payments::rules::{Terminal, terminal};
use crate::payments::{
    AttemptOutcome, AttemptRequest, Failure, Page, Payment, PaymentAttempt, PaymentInit, Query,
    Statuses,
};
use crate::types::{PaymentHash, RawMessage};

/// A payment handed to C with the memory its pointers lead to; the structure comes first.
#[repr(C)]
struct OwnedPayment {
    face: lnkeep_payment,
    attempts: Attempts,
    source: Arc<Payment>,
}

#[repr(C)]
struct OwnedPage {
    face: lnkeep_payment_page,
    payments: Vec<lnkeep_payment>,
    attempts: Vec<Attempts>,
    unreadable: Vec<lnkeep_payment_unreadable>,
    source: Vec<Payment>,
}

/// Faces of attempts, zeroed when they go.
struct Attempts(Vec<lnkeep_payment_attempt>);

impl Drop for Attempts {
    fn drop(&mut self) {
        for attempt in &mut self.0 {
            attempt.preimage.zeroize();
            attempt.request.amp_root_share.zeroize();
        }
    }
}

impl Drop for OwnedPayment {
    fn drop(&mut self) {
        self.face.init.intent_amp_root_share.zeroize();
    }
}

impl Drop for OwnedPage {
    fn drop(&mut self) {
        self.payments.iter_mut().for_each(|face| face.init.intent_amp_root_share.zeroize());
    }
}

fn view(bytes: &[u8]) -> lnkeep_bytes {
    lnkeep_bytes { ptr: args::first(bytes), len: bytes.len() }
}

fn message(message: &RawMessage) -> lnkeep_bytes {
    view(message.expose())
}

/// The C face of a request; its views point into `init`.
fn c_init(init: &PaymentInit) -> lnkeep_payment_init {
    let mut face = lnkeep_payment_init {
        size: std::mem::size_of::<lnkeep_payment_init>(),
        payment_hash: init.hash.0,
        amount_msat: init.amount_msat,
        created_unix_ns: init.created_unix_ns,
        idempotency_key: view(&init.idempotency_key),
        payment_request: message(&init.payment_request),
        first_hop_records: message(&init.first_hop_records),
        present: 0,
        reserved: 0,
        intent_deadline_unix_ns: 0,
        intent_fee_limit_msat: 0,
        intent_amp_root_share: [0; 32],
        intent_destination: [0; 33],
        intent_reserved: [0; 7],
        intent_data: view(&[]),
    };
    if let Some(intent) = &init.intent {
        face.present |= LNKEEP_PAYMENT_HAS_INTENT;
        face.intent_deadline_unix_ns = intent.deadline_unix_ns;
        face.intent_fee_limit_msat = intent.fee_limit_msat;
        face.intent_data = message(&intent.data);
        if let Some(destination) = intent.destination {
            face.present |= LNKEEP_PAYMENT_HAS_DESTINATION;
            face.intent_destination = destination;
        }
        if let Some(share) = &intent.amp_root_share {
            face.present |= LNKEEP_PAYMENT_HAS_AMP_ROOT_SHARE;
            face.intent_amp_root_share = *share.expose();
        }
    }
    face
}

/// The C face of a request; its views point into `request`.
fn c_request(request: &AttemptRequest) -> lnkeep_payment_attempt_request {
    let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
    let (mpp, amp) = (request.mpp.as_ref(), request.amp.as_ref());
    let present = flag(request.attempt_hash.is_some(), LNKEEP_PAYMENT_ATTEMPT_HAS_HASH)
        | flag(mpp.is_some(), LNKEEP_PAYMENT_ATTEMPT_HAS_MPP)
        | flag(amp.is_some(), LNKEEP_PAYMENT_ATTEMPT_HAS_AMP)
        | flag(request.blinded_total_msat.is_some(), LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED)
        | flag(
            request.first_hop_amount_msat.is_some(),
            LNKEEP_PAYMENT_ATTEMPT_HAS_FIRST_HOP_AMOUNT,
        );
    lnkeep_payment_attempt_request {
        size: std::mem::size_of::<lnkeep_payment_attempt_request>(),
        key: args::c_key(request.key),
        amount_msat: request.amount_msat,
        fee_msat: request.fee_msat,
        present,
        hop_count: request.hop_count,
        attempt_hash: request.attempt_hash.map_or([0; 32], |hash| hash.0),
        mpp_payment_address: mpp.map_or([0; 32], |mpp| mpp.payment_address),
        mpp_total_msat: mpp.map_or(0, |mpp| mpp.total_msat),
        amp_root_share: amp.map_or([0; 32], |amp| *amp.root_share.expose()),
        amp_set_id: amp.map_or([0; 32], |amp| amp.set_id),
        amp_child_index: amp.map_or(0, |amp| amp.child_index),
        cltv_expiry: request.cltv_expiry,
        blinded_total_msat: request.blinded_total_msat.unwrap_or(0),
        first_hop_scid: request.first_hop_scid,
        first_hop_amount_msat: request.first_hop_amount_msat.unwrap_or(0),
        sent_unix_ns: request.sent_unix_ns,
        route: message(&request.route),
        session_key: message(&request.session_key),
        first_hop_records: message(&request.first_hop_records),
    }
}

const NO_FAILURE: lnkeep_payment_failure = lnkeep_payment_failure {
    reason: 0,
    source_index: 0,
    failed_unix_ns: 0,
    message: lnkeep_bytes { ptr: std::ptr::null(), len: 0 },
};

fn c_failure(failure: &Failure) -> lnkeep_payment_failure {
    lnkeep_payment_failure {
        reason: failure.reason as u32,
        source_index: failure.source_index,
        failed_unix_ns: failure.failed_unix_ns,
        message: message(&failure.message),
    }
}

/// The C face of an attempt; its views point into `attempt`.
fn c_attempt(attempt: &PaymentAttempt) -> lnkeep_payment_attempt {
    let mut face = lnkeep_payment_attempt {
        request: c_request(&attempt.request),
        state: attempt.state() as u32,
        marks: u32::from(attempt.marks.0),
        preimage: [0; 32],
        settled_unix_ns: 0,
        failure: NO_FAILURE,
        note: message(&attempt.note),
    };
    match &attempt.outcome {
        AttemptOutcome::InFlight => {}
        AttemptOutcome::Settled(settle) => {
            face.preimage = *settle.preimage.expose();
            face.settled_unix_ns = settle.settled_unix_ns;
        }
        AttemptOutcome::Failed(failure) => face.failure = c_failure(failure),
    }
    face
}

fn c_attempts(payment: &Payment) -> Attempts {
    Attempts(payment.attempts.iter().map(c_attempt).collect())
}

/// The C face of a payment; its views point into `payment`, its attempts are `attempts`.
fn c_payment(payment: &Payment, attempts: &Attempts) -> lnkeep_payment {
    let state = payment.state();
    let (terminal, terminal_attempt) = match terminal(payment) {
        Terminal::None => (LNKEEP_PAYMENT_TERMINAL_NONE, 0),
        Terminal::Settled(settled, _) => {
            let index = payment.attempts.iter().position(|attempt| std::ptr::eq(attempt, settled));
            let index = index.and_then(|index| u32::try_from(index).ok());
            (LNKEEP_PAYMENT_TERMINAL_SETTLED, index.unwrap_or(0))
        }
        Terminal::Failed(_) => (LNKEEP_PAYMENT_TERMINAL_FAILED, 0),
    };
    lnkeep_payment {
        size: std::mem::size_of::<lnkeep_payment>(),
        init: c_init(&payment.init),
        sequence: payment.sequence,
        revision: payment.revision,
        status: payment.status as u32,
        marks: u32::from(payment.marks.0),
        failure_reason: payment.failure_reason.map_or(0, |reason| reason as u32),
        first_failure_reason: payment.first_failure_reason.map_or(0, |reason| reason as u32),
        updated_unix_ms: payment.updated_unix_ms,
        in_flight: state.in_flight,
        remaining_msat: state.remaining_msat,
        fees_msat: state.fees_msat,
        terminal,
        terminal_attempt,
        attempt_stride: std::mem::size_of::<lnkeep_payment_attempt>(),
        attempts: args::first(&attempts.0),
        attempts_len: attempts.0.len(),
    }
}

/// Moves a payment into memory of its own for C.
pub(super) fn owned_payment(source: Arc<Payment>) -> *mut lnkeep_payment {
    let attempts = c_attempts(&source);
    let face = c_payment(&source, &attempts);
    let owned = OwnedPayment { face, attempts, source };
    debug_assert_eq!(owned.attempts.0.len(), owned.source.attempts.len());
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees a payment that a call gave. NULL is allowed. Payments of a page are freed with the page. Secrets in
/// it are zeroed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payment_free(payment: *mut lnkeep_payment) {
    if !payment.is_null() {
        // SAFETY: made by `owned_payment` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(payment.cast::<OwnedPayment>()) });
    }
}

/// The payment of a hash.
///
/// Returns: LNKEEP_DONE; LNKEEP_PAYMENT_NOT_INITIATED, also when it was deleted; LNKEEP_CORRUPT_RECORD,
///   LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: payment_hash, 32 bytes.
/// Out: payment.
/// Threads: any.
/// Ownership: free it with lnkeep_payment_free; everything it points to lives as long as it does.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_fetch(
    payments: lnkeep_payments,
    payment_hash: *const u8,
    payment: *mut *mut lnkeep_payment,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(payment, "payment")?;
            let hash = PaymentHash(hash_of(payment_hash)?);
            let found = handle::with_payments(payments.bits, |payments| payments.fetch(hash))?;
            output.set(owned_payment(Arc::new(found)));
            Ok(())
        })
    }
}

/// One page of payments in the order of their initiation: by status, by creation time, in both directions.
/// Visits at most 10,000 rows and takes at most some 16 MiB; pages may be empty.
///
/// Returns: LNKEEP_DONE; LNKEEP_UNSUPPORTED, LNKEEP_INVALID_ARGUMENT, LNKEEP_BUSY, LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: query; start with LNKEEP_PAYMENT_QUERY_INIT.
/// Out: page.
/// Threads: any; each page is one consistent view.
/// Ownership: free it with lnkeep_payment_page_free; everything it points to lives as long as it does.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_list(
    payments: lnkeep_payments,
    query: *const lnkeep_payment_query,
    page: *mut *mut lnkeep_payment_page,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(page, "page")?;
            let query = query_of(&args::sized_required(query, "query")?)?;
            let found = handle::with_payments(payments.bits, |payments| payments.query(&query))?;
            output.set(owned_page(found, query.without_attempts)?);
            Ok(())
        })
    }
}

/// Bits of every status of a payment.
const STATUSES: u32 = 0b1_1110;

pub(super) fn statuses_of(statuses: u32, name: &str) -> Result<Statuses> {
    args::flags(statuses, STATUSES, name)?;
    Ok(Statuses(statuses))
}

fn query_of(given: &lnkeep_payment_query) -> Result<Query> {
    let known = LNKEEP_PAYMENT_QUERY_OFFSET
        | LNKEEP_PAYMENT_QUERY_REVERSED
        | LNKEEP_PAYMENT_QUERY_WITHOUT_ATTEMPTS;
    args::flags(given.flags, known, "query.flags")?;
    args::reserved(given.reserved, "query.reserved")?;
    let has = |flag: u32| given.flags & flag != 0;
    Ok(Query {
        offset: has(LNKEEP_PAYMENT_QUERY_OFFSET).then_some(given.offset),
        reversed: has(LNKEEP_PAYMENT_QUERY_REVERSED),
        statuses: statuses_of(given.statuses, "query.statuses")?,
        created_from_unix_ns: given.created_from_unix_ns,
        created_to_unix_ns: given.created_to_unix_ns,
        without_attempts: has(LNKEEP_PAYMENT_QUERY_WITHOUT_ATTEMPTS),
        limit: given.limit as usize,
    })
}

/// What follows from attempts is not told where they are left out.
fn without_sums(face: lnkeep_payment) -> lnkeep_payment {
    let (in_flight, remaining_msat, fees_msat) = (0, 0, 0);
    lnkeep_payment {
        in_flight,
        remaining_msat,
        fees_msat,
        terminal: 0,
        terminal_attempt: 0,
        ..face
    }
}

fn owned_page(page: Page, without_attempts: bool) -> Result<*mut lnkeep_payment_page> {
    let mut attempts = with_room(page.payments.len())?;
    for payment in &page.payments {
        attempts.push(Attempts(collected(payment.attempts.iter().map(c_attempt))?));
    }
    let faces = page.payments.iter().zip(&attempts);
    let faces = faces.map(|(payment, attempts)| c_payment(payment, attempts));
    let payments =
        collected(faces.map(|face| if without_attempts { without_sums(face) } else { face }))?;
    let unreadable = |(sequence, hash): &(u64, Option<PaymentHash>)| lnkeep_payment_unreadable {
        sequence: *sequence,
        has_hash: u32::from(hash.is_some()),
        reserved: 0,
        payment_hash: hash.map_or([0; 32], |hash| hash.0),
    };
    let unreadable = collected(page.unreadable.iter().map(unreadable))?;
    let face = lnkeep_payment_page {
        size: std::mem::size_of::<lnkeep_payment_page>(),
        stride: std::mem::size_of::<lnkeep_payment>(),
        payments: args::first(&payments),
        payments_len: payments.len(),
        unreadable: args::first(&unreadable),
        unreadable_len: unreadable.len(),
        next: page.next.unwrap_or(0),
        has_more: u32::from(page.next.is_some()),
        reserved: 0,
    };
    let owned = OwnedPage { face, payments, attempts, unreadable, source: page.payments };
    debug_assert_eq!(owned.payments.len(), owned.source.len());
    debug_assert_eq!(owned.attempts.len(), owned.source.len());
    debug_assert_eq!(owned.unreadable.len(), owned.face.unreadable_len);
    Ok(Box::into_raw(Box::new(owned)).cast())
}

/// Frees what lnkeep_payments_list gave. NULL is allowed. Secrets in it are zeroed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payment_page_free(page: *mut lnkeep_payment_page) {
    if !page.is_null() {
        // SAFETY: made by `owned_page` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(page.cast::<OwnedPage>()) });
    }
}

/// Numbers of payments, without a scan.
///
/// Returns: LNKEEP_DONE; LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_POISONED.
/// Out: counts, whose size the caller set; start with LNKEEP_PAYMENT_COUNTS_INIT.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_payments_counts(
    payments: lnkeep_payments,
    counts: *mut lnkeep_payment_counts,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::new(counts, "counts")?;
            let (found, history_bytes) = handle::with_payments(payments.bits, |payments| {
                Ok((payments.counts()?, payments.history_bytes()?))
            })?;
            output.set(lnkeep_payment_counts {
                size: std::mem::size_of::<lnkeep_payment_counts>(),
                payments: found.payments,
                unfinished: found.unfinished,
                tombstones: found.tombstones,
                attempts: found.attempts,
                idempotency_keys: found.idempotency_keys,
                doomed: found.doomed,
                history_bytes,
            });
            Ok(())
        })
    }
}
