//! Attempts: reading one, reading many, recovery, and the pure helpers.

use std::collections::HashMap;

use super::args::{self, Output, SizedOutput, invalid};
use super::guard::guarded_done;
use super::handle;
use super::status::lnkeep_status;
use super::types::*;
use crate::attempts::classify::{self, Decryptor};
use crate::attempts::rules::Circuit;
use crate::attempts::{Attempt, AttemptResult, Ending, Page, Query, Recovered, States};
use crate::error::{Error, Result, Status};
use crate::memory::collected;
use crate::types::{Namespace, RawMessage};
use zeroize::Zeroize;

/// A structure handed to C with the memory its pointers lead to; the structure comes first.
#[repr(C)]
struct OwnedResult {
    face: lnkeep_attempt_result,
    message: RawMessage,
}

#[repr(C)]
struct OwnedAttempt {
    face: lnkeep_attempt,
    message: RawMessage,
}

#[repr(C)]
struct OwnedPage {
    face: lnkeep_attempt_page,
    attempts: Vec<lnkeep_attempt>,
    unreadable: Vec<lnkeep_attempt_key>,
    source: Vec<Attempt>,
}

#[repr(C)]
struct OwnedRecovery {
    face: lnkeep_recovery,
    source: Recovered,
}

impl Drop for OwnedResult {
    fn drop(&mut self) {
        self.face.preimage.zeroize();
    }
}

impl Drop for OwnedAttempt {
    fn drop(&mut self) {
        self.face.result.preimage.zeroize();
    }
}

impl Drop for OwnedPage {
    fn drop(&mut self) {
        self.attempts.iter_mut().for_each(|attempt| attempt.result.preimage.zeroize());
    }
}

const NO_RESULT: lnkeep_attempt_result = lnkeep_attempt_result {
    kind: 0,
    flags: 0,
    failure_code: 0,
    reserved: 0,
    preimage: [0; 32],
    message: lnkeep_bytes { ptr: std::ptr::null(), len: 0 },
};

/// The C face of a result; its message points into `result`.
fn c_result(result: &AttemptResult) -> lnkeep_attempt_result {
    let mut flags = 0;
    if result.unencrypted {
        flags |= LNKEEP_RESULT_UNENCRYPTED;
    }
    if result.resolution {
        flags |= LNKEEP_RESULT_RESOLUTION;
    }
    let (kind, preimage) = match &result.ending {
        Ending::Settle(preimage) => (LNKEEP_RESULT_SETTLE, *preimage.expose()),
        Ending::Fail { .. } => (LNKEEP_RESULT_FAIL, [0; 32]),
    };
    let message = result.message.expose();
    lnkeep_attempt_result {
        kind,
        flags,
        failure_code: u32::from(result.failure_code()),
        reserved: 0,
        preimage,
        message: lnkeep_bytes { ptr: args::first(message), len: message.len() },
    }
}

/// The C face of an attempt; its message points into `attempt`.
fn c_attempt(attempt: &Attempt) -> lnkeep_attempt {
    let mut present = 0;
    if attempt.fingerprint.is_some() {
        present |= LNKEEP_HAS_FINGERPRINT;
    }
    if attempt.payment_hash.is_some() {
        present |= LNKEEP_HAS_PAYMENT_HASH;
    }
    if attempt.result.is_some() {
        present |= LNKEEP_HAS_RESULT;
    }
    lnkeep_attempt {
        key: args::c_key(attempt.key),
        state: attempt.state as u32,
        flags: u32::from(attempt.flags.0),
        present,
        cltv_expiry: attempt.cltv_expiry,
        created_epoch: attempt.created_epoch,
        created_unix_ms: attempt.created_unix_ms,
        updated_unix_ms: attempt.updated_unix_ms,
        amount_msat: attempt.amount_msat,
        first_hop_scid: attempt.first_hop_scid,
        fingerprint: attempt.fingerprint.map_or([0; 32], |hash| hash.0),
        payment_hash: attempt.payment_hash.map_or([0; 32], |hash| hash.0),
        result: attempt.result.as_ref().map_or(NO_RESULT, c_result),
    }
}

/// The record of an attempt.
///
/// Returns: LNKEEP_DONE; LNKEEP_NOT_FOUND, LNKEEP_DELETED, LNKEEP_CORRUPT_RECORD, LNKEEP_BUSY,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: key.
/// Out: attempt.
/// Threads: any.
/// Ownership: free it with lnkeep_attempt_free; its message lives as long as it does.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_get(
    attempts: lnkeep_attempts,
    key: *const lnkeep_attempt_key,
    attempt: *mut *mut lnkeep_attempt,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(attempt, "attempt")?;
            let key = args::key(args::input(key, "key")?);
            let found = handle::with_attempts(attempts.bits, |attempts| attempts.get(key))?;
            let face = c_attempt(&found);
            let message = found.result.map(|result| result.message).unwrap_or_default();
            output.set(Box::into_raw(Box::new(OwnedAttempt { face, message })).cast());
            Ok(())
        })
    }
}

/// Frees what lnkeep_attempts_get gave. NULL is allowed. Secrets in it are zeroed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempt_free(attempt: *mut lnkeep_attempt) {
    if !attempt.is_null() {
        // SAFETY: made by `lnkeep_attempts_get` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(attempt.cast::<OwnedAttempt>()) });
    }
}

/// The final result of an attempt.
///
/// Returns: LNKEEP_DONE; LNKEEP_RESULT_PENDING: subscribe; LNKEEP_NOT_FOUND, LNKEEP_DELETED,
///   LNKEEP_CORRUPT_RECORD, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_POISONED.
/// In: key.
/// Out: result.
/// Threads: any.
/// Ownership: free it with lnkeep_attempt_result_free; its message lives as long as it does.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_result(
    attempts: lnkeep_attempts,
    key: *const lnkeep_attempt_key,
    result: *mut *mut lnkeep_attempt_result,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(result, "result")?;
            let key = args::key(args::input(key, "key")?);
            let found = handle::with_attempts(attempts.bits, |attempts| attempts.result(key))?;
            output.set(owned_result(found));
            Ok(())
        })
    }
}

/// Moves a result into memory of its own for C.
pub(super) fn owned_result(result: AttemptResult) -> *mut lnkeep_attempt_result {
    let face = c_result(&result);
    Box::into_raw(Box::new(OwnedResult { face, message: result.message })).cast()
}

/// Frees what lnkeep_attempts_result and lnkeep_attempts_poll gave. NULL is allowed. Secrets are zeroed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempt_result_free(result: *mut lnkeep_attempt_result) {
    if !result.is_null() {
        // SAFETY: made by `owned_result` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(result.cast::<OwnedResult>()) });
    }
}

/// Whether a final result is stored: 0 for pending, unknown, deleted and unreadable attempts.
///
/// Returns: LNKEEP_DONE; LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_POISONED.
/// In: key.
/// Out: has_result, 1 or 0.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_has_result(
    attempts: lnkeep_attempts,
    key: *const lnkeep_attempt_key,
    has_result: *mut u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(has_result, "has_result")?;
            let key = args::key(args::input(key, "key")?);
            let has = handle::with_attempts(attempts.bits, |attempts| attempts.has_result(key))?;
            output.set(u32::from(has));
            Ok(())
        })
    }
}

/// One page of attempts: by namespace, state, age, expiry. Visits at most 10,000 rows; pages may be empty.
///
/// Returns: LNKEEP_DONE; LNKEEP_UNSUPPORTED, LNKEEP_INVALID_ARGUMENT, LNKEEP_BUSY, LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: query; start with LNKEEP_ATTEMPT_QUERY_INIT.
/// Out: page.
/// Threads: any; each page is one consistent view.
/// Ownership: free it with lnkeep_attempt_page_free; everything it points to lives as long as it does.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_list(
    attempts: lnkeep_attempts,
    query: *const lnkeep_attempt_query,
    page: *mut *mut lnkeep_attempt_page,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(page, "page")?;
            let query = query_of(&args::sized_required(query, "query")?)?;
            let found = handle::with_attempts(attempts.bits, |attempts| attempts.list(&query))?;
            output.set(owned_page(found)?);
            Ok(())
        })
    }
}

fn query_of(given: &lnkeep_attempt_query) -> Result<Query> {
    args::flags(given.flags, LNKEEP_QUERY_ALL_NAMESPACES | LNKEEP_QUERY_AFTER, "query.flags")?;
    args::flags(given.states, 0b11_1110, "query.states")?;
    let has = |flag: u32| given.flags & flag != 0;
    let namespace = Namespace(given.namespace_bytes);
    Ok(Query {
        namespace: (!has(LNKEEP_QUERY_ALL_NAMESPACES)).then_some(namespace),
        after: has(LNKEEP_QUERY_AFTER).then(|| args::key(&given.after)),
        states: States(given.states),
        created_before_unix_ms: given.created_before_unix_ms,
        expired_at_height: given.expired_at_height,
        limit: given.limit as usize,
    })
}

fn owned_page(page: Page) -> Result<*mut lnkeep_attempt_page> {
    let attempts = collected(page.attempts.iter().map(c_attempt))?;
    let unreadable = collected(page.unreadable.iter().map(|key| args::c_key(*key)))?;
    let nothing = lnkeep_attempt_key { namespace_bytes: [0; 16], id: 0 };
    let face = lnkeep_attempt_page {
        size: std::mem::size_of::<lnkeep_attempt_page>(),
        stride: std::mem::size_of::<lnkeep_attempt>(),
        attempts: args::first(&attempts),
        attempts_len: attempts.len(),
        unreadable: args::first(&unreadable),
        unreadable_len: unreadable.len(),
        next: page.next.map_or(nothing, args::c_key),
        has_more: u32::from(page.next.is_some()),
        reserved: 0,
    };
    let owned = OwnedPage { face, attempts, unreadable, source: page.attempts };
    debug_assert_eq!(owned.attempts.len(), owned.source.len());
    debug_assert_eq!(owned.unreadable.len(), owned.face.unreadable_len);
    Ok(Box::into_raw(Box::new(owned)).cast())
}

/// Frees what lnkeep_attempts_list gave. NULL is allowed. Secrets in it are zeroed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempt_page_free(page: *mut lnkeep_attempt_page) {
    if !page.is_null() {
        // SAFETY: made by `owned_page` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(page.cast::<OwnedPage>()) });
    }
}

/// Numbers of records by state, without a scan.
///
/// Returns: LNKEEP_DONE; LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_CORRUPT_RECORD, LNKEEP_POISONED.
/// In: namespace_bytes, 16 of them, or NULL for all namespaces together.
/// Out: counts, whose size the caller set; start with LNKEEP_ATTEMPT_COUNTS_INIT.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_counts(
    attempts: lnkeep_attempts,
    namespace_bytes: *const u8,
    counts: *mut lnkeep_attempt_counts,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::new(counts, "counts")?;
            let namespace = (!namespace_bytes.is_null()).then(|| args::namespace(namespace_bytes));
            let found =
                handle::with_attempts(attempts.bits, |attempts| attempts.counts(namespace))?;
            output.set(lnkeep_attempt_counts {
                size: std::mem::size_of::<lnkeep_attempt_counts>(),
                intent: found.intent,
                handed_off: found.handed_off,
                settled: found.settled,
                failed: found.failed,
                deleted: found.deleted,
            });
            Ok(())
        })
    }
}

/// Recovery looks at attempts of this open too: no dispatcher is between init and send.
pub const LNKEEP_RECOVER_CURRENT_EPOCH: u32 = 1;
/// The circuit list is complete, although it may be empty. Without this flag circuits must be empty, and the
/// host marks.
pub const LNKEEP_RECOVER_CIRCUITS_COMPLETE: u32 = 2;

/// Decides about the pending attempts of a namespace after a restart; may be called at any time, repeatedly.
///
/// An attempt never marked as handed off and without an open circuit is rolled back to a local failure. One
/// that was handed off is never rolled back: without an open circuit it is listed as unresolved. So is every
/// attempt older than a restore or a copy: the store that was lost may have known that it left. By default
/// only attempts registered in earlier opens are looked at.
///
/// A host that does not mark must pass its complete circuit list. So must one that once stored a result of
/// the network for an attempt it had not marked: that shows that it does not always mark.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, also when the circuit list has to be complete and is not
///   said to be; LNKEEP_DUPLICATE_ID when a circuit is listed twice; LNKEEP_UNKNOWN: reopen and repeat;
///   LNKEEP_NO_SPACE, LNKEEP_BUSY,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: namespace_bytes, 16 of them or NULL for the default; circuits, circuits_len of them; flags, bits of
///   LNKEEP_RECOVER_*.
/// Out: recovery, what was done, NULL if not wanted.
/// Durable: every rollback listed, and after an error those done before it.
/// Threads: any.
/// Ownership: free it with lnkeep_recovery_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_recover(
    attempts: lnkeep_attempts,
    namespace_bytes: *const u8,
    circuits: *const lnkeep_circuit,
    circuits_len: usize,
    flags: u32,
    recovery: *mut *mut lnkeep_recovery,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(recovery, "recovery")?;
            let known = LNKEEP_RECOVER_CURRENT_EPOCH | LNKEEP_RECOVER_CIRCUITS_COMPLETE;
            args::flags(flags, known, "flags")?;
            let namespace = args::namespace(namespace_bytes);
            let circuits = args::inputs(circuits, circuits_len, "circuits")?;
            let complete = flags & LNKEEP_RECOVER_CIRCUITS_COMPLETE != 0;
            if !complete && !circuits.is_empty() {
                return Err(invalid("circuits are given but not said to be complete"));
            }
            let circuits = circuit_map(circuits)?;
            let current = flags & LNKEEP_RECOVER_CURRENT_EPOCH != 0;
            let recovered = handle::with_attempts(attempts.bits, |attempts| {
                attempts.recover(namespace, complete.then_some(&circuits), current)
            })?;
            if !recovery.is_null() {
                output.set(owned_recovery(recovered));
            }
            Ok(())
        })
    }
}

/// A list that says two things about one id is no circuit map.
fn circuit_map(circuits: &[lnkeep_circuit]) -> Result<HashMap<u64, Circuit>> {
    let mut map = HashMap::with_capacity(circuits.len());
    for given in circuits {
        let (id, circuit) = circuit_of(given)?;
        if map.insert(id, circuit).is_some() {
            return Err(Error::new(Status::DuplicateId, format!("circuit {id} is listed twice")));
        }
    }
    Ok(map)
}

fn circuit_of(given: &lnkeep_circuit) -> Result<(u64, Circuit)> {
    args::reserved(given.reserved, "circuit.reserved")?;
    match given.state {
        LNKEEP_CIRCUIT_OPEN => Ok((given.id, Circuit::Open)),
        LNKEEP_CIRCUIT_HALF_OPEN => Ok((given.id, Circuit::HalfOpen)),
        state => Err(invalid(format!("circuit.state {state} is unknown"))),
    }
}

fn owned_recovery(source: Recovered) -> *mut lnkeep_recovery {
    let face = lnkeep_recovery {
        size: std::mem::size_of::<lnkeep_recovery>(),
        failed: args::first(&source.failed),
        failed_len: source.failed.len(),
        unresolved: args::first(&source.unresolved),
        unresolved_len: source.unresolved.len(),
        unreadable: args::first(&source.unreadable),
        unreadable_len: source.unreadable.len(),
    };
    let owned = OwnedRecovery { face, source };
    debug_assert_eq!(owned.source.failed.len(), owned.face.failed_len);
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees what lnkeep_attempts_recover gave. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_free(recovery: *mut lnkeep_recovery) {
    if !recovery.is_null() {
        // SAFETY: made by `owned_recovery` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(recovery.cast::<OwnedRecovery>()) });
    }
}

/// Whether an external router owns the attempts.
///
/// Returns: LNKEEP_DONE; LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_POISONED.
/// Out: is_external, 1 or 0.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempts_is_external(
    attempts: lnkeep_attempts,
    is_external: *mut u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(is_external, "is_external")?;
            let external = handle::with_attempts(attempts.bits, |attempts| attempts.is_external())?;
            output.set(u32::from(external));
            Ok(())
        })
    }
}

/// No decrypter: an encrypted reason is for the client.
pub const LNKEEP_DECRYPTOR_NONE: u32 = 0;
/// The host's decrypter reads the reason.
pub const LNKEEP_DECRYPTOR_OK: u32 = 1;
/// The host's decrypter cannot read the reason.
pub const LNKEEP_DECRYPTOR_FAILS: u32 = 2;

/// The preimage is known.
pub const LNKEEP_CLASSIFIED_SETTLED: u32 = 1;
/// An encrypted blob for a client that decrypts itself.
pub const LNKEEP_CLASSIFIED_ENCRYPTED: u32 = 2;
/// A failure of a known hop.
pub const LNKEEP_CLASSIFIED_FORWARDING_FAILURE: u32 = 3;
/// An encrypted failure nobody can read.
pub const LNKEEP_CLASSIFIED_UNREADABLE: u32 = 4;
/// A failure of this node.
pub const LNKEEP_CLASSIFIED_LOCAL_FAILURE: u32 = 5;
/// A failure of this node whose bytes do not decode.
pub const LNKEEP_CLASSIFIED_LOCAL_FAILURE_UNDECODABLE: u32 = 6;
/// The HTLC timed out on chain.
pub const LNKEEP_CLASSIFIED_ONCHAIN_TIMEOUT: u32 = 7;

/// How a stored result is to be presented. Pure: looks at no store.
///
/// Returns: LNKEEP_DONE; LNKEEP_BUSY without memory; LNKEEP_INVALID_ARGUMENT, also for an unknown kind of
///   result.
/// In: result; decryptor, LNKEEP_DECRYPTOR_*.
/// Out: classified, LNKEEP_CLASSIFIED_*.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_attempt_result_classify(
    result: *const lnkeep_attempt_result,
    decryptor: u32,
    classified: *mut u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(classified, "classified")?;
            let decryptor = match decryptor {
                LNKEEP_DECRYPTOR_NONE => Decryptor::None,
                LNKEEP_DECRYPTOR_OK => Decryptor::Ok,
                LNKEEP_DECRYPTOR_FAILS => Decryptor::Fails,
                unknown => return Err(invalid(format!("decryptor {unknown} is unknown"))),
            };
            let given = args::input(result, "result")?;
            let result = super::attempts::result_of(given)?;
            output.set(classify::classify(&result, decryptor) as u32);
            Ok(())
        })
    }
}

/// Puts a client's byte above a raw id, so that several clients share one flat id space. Pure.
///
/// Returns: LNKEEP_DONE; LNKEEP_ID_OUT_OF_RANGE when raw_id needs more than 56 bits;
///   LNKEEP_INVALID_ARGUMENT.
/// Out: id.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_client_id_encode(
    client: u8,
    raw_id: u64,
    id: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(id, "id")?;
            output.set(classify::encode_client_id(client, raw_id)?);
            Ok(())
        })
    }
}

/// The client's byte and the raw id of an id. Pure.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT.
/// Out: client; raw_id.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_client_id_decode(
    id: u64,
    client: *mut u8,
    raw_id: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let (client_output, raw_output) =
                (Output::required(client, "client")?, Output::required(raw_id, "raw_id")?);
            let (client, raw) = classify::decode_client_id(id);
            client_output.set(client);
            raw_output.set(raw);
            Ok(())
        })
    }
}
