//! The structures of payments in the ABI. Fixed layout, no padding holes, offsets asserted from C.

use super::types::{lnkeep_attempt_key, lnkeep_bytes};

/// The payments of a store. Zero is LNKEEP_PAYMENTS_NONE.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_payments {
    /// Opaque; goes into lnkeep_op.component.
    pub bits: u64,
}

/// Refuse attempts whose multi-part or blinded total is not the payment's amount, and AMP attempts of another
/// set than those in flight.
pub const LNKEEP_PAYMENTS_CHECK_TOTALS: u32 = 1;

/// Choices at the open of payments. Start with LNKEEP_PAYMENTS_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_payments_options {
    /// sizeof(lnkeep_payments_options), set by the caller.
    pub size: usize,
    /// Bits of LNKEEP_PAYMENTS_*.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// How long a finished payment is kept by lnkeep_payments_sweep; 0 means until deleted.
    pub finished_retention_secs: u64,
    /// How many finished payments are kept; 0 means all.
    pub finished_max: u64,
    /// How many bytes payments and their attempts may take in the store; 0 means any.
    pub history_bytes_max: u64,
    /// How long the hash of a paid and deleted payment stays refused, and an idempotency key known; 0 means
    /// for good.
    pub tombstone_retention_secs: u64,
    /// How many subscriptions may be open; 0 means 65,536.
    pub subscriptions_max: u64,
}

/// The intent_ fields are set: the host may go on sending after a restart.
pub const LNKEEP_PAYMENT_HAS_INTENT: u32 = 1;
/// The intent_destination field is set.
pub const LNKEEP_PAYMENT_HAS_DESTINATION: u32 = 2;
/// The intent_amp_root_share field is set.
pub const LNKEEP_PAYMENT_HAS_AMP_ROOT_SHARE: u32 = 4;

/// A request to initiate a payment. Start with LNKEEP_PAYMENT_INIT_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_payment_init {
    /// sizeof(lnkeep_payment_init), set by the caller.
    pub size: usize,
    /// Identifier of the payment: its hash, or the set id of an AMP payment.
    pub payment_hash: [u8; 32],
    /// What the receiver is to get.
    pub amount_msat: u64,
    /// Time of creation, nanoseconds since 1970; 0 if unknown.
    pub created_unix_ns: u64,
    /// The caller's own key of this request, empty or up to 64 bytes: a repeat is answered with the state of
    /// the first.
    pub idempotency_key: lnkeep_bytes,
    /// The invoice or offer, at most 65,535 bytes.
    pub payment_request: lnkeep_bytes,
    /// Custom records for the first hop in the host's encoding, at most 65,535 bytes.
    pub first_hop_records: lnkeep_bytes,
    /// Bits of LNKEEP_PAYMENT_HAS_*. Without LNKEEP_PAYMENT_HAS_INTENT the fields below must be zero.
    pub present: u32,
    /// 0.
    pub reserved: u32,
    /// No new attempt from this time on, nanoseconds since 1970; 0 means no deadline.
    pub intent_deadline_unix_ns: u64,
    /// Most fees over all attempts.
    pub intent_fee_limit_msat: u64,
    /// Root share of an AMP payment.
    pub intent_amp_root_share: [u8; 32],
    /// Public key of the receiver.
    pub intent_destination: [u8; 33],
    /// 0.
    pub intent_reserved: [u8; 7],
    /// Whatever else the host's sender needs, at most 65,535 bytes.
    pub intent_data: lnkeep_bytes,
}

/// The attempt_hash field is set.
pub const LNKEEP_PAYMENT_ATTEMPT_HAS_HASH: u32 = 1;
/// The mpp_ fields are set.
pub const LNKEEP_PAYMENT_ATTEMPT_HAS_MPP: u32 = 2;
/// The amp_ fields are set.
pub const LNKEEP_PAYMENT_ATTEMPT_HAS_AMP: u32 = 4;
/// The final hop lies on a blinded path; blinded_total_msat is read.
pub const LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED: u32 = 8;
/// The first_hop_amount_msat field is set.
pub const LNKEEP_PAYMENT_ATTEMPT_HAS_FIRST_HOP_AMOUNT: u32 = 16;

/// A request to register an attempt of a payment. Start with LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT and set at
/// least key, amount_msat and hop_count.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_payment_attempt_request {
    /// sizeof(lnkeep_payment_attempt_request), set by the caller.
    pub size: usize,
    /// Id and namespace, unique in the store.
    pub key: lnkeep_attempt_key,
    /// What the receiver gets by it.
    pub amount_msat: u64,
    /// What the hops on the way get.
    pub fee_msat: u64,
    /// Bits of LNKEEP_PAYMENT_ATTEMPT_HAS_*, LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED.
    pub present: u32,
    /// Number of hops of the route, at least 1.
    pub hop_count: u32,
    /// Hash of this attempt where it is not the payment's, as in AMP: a settle needs its preimage.
    pub attempt_hash: [u8; 32],
    /// The payment secret of the invoice (BOLT 4 payment_data).
    pub mpp_payment_address: [u8; 32],
    /// Total of the whole payment (BOLT 4 payment_data).
    pub mpp_total_msat: u64,
    /// Share of the root seed.
    pub amp_root_share: [u8; 32],
    /// Identifier of the AMP set.
    pub amp_set_id: [u8; 32],
    /// Index of the AMP child.
    pub amp_child_index: u32,
    /// Absolute height at which the HTLC times out, 0 if unknown.
    pub cltv_expiry: u32,
    /// Total amount of the final hop of a blinded path, at least 1.
    pub blinded_total_msat: u64,
    /// Short channel id of the first hop, 0 if unknown.
    pub first_hop_scid: u64,
    /// What is sent to the first hop where it is not the sum of amount and fee.
    pub first_hop_amount_msat: u64,
    /// Time of the attempt, nanoseconds since 1970; 0 if unknown.
    pub sent_unix_ns: u64,
    /// The route in the host's encoding, at most 65,535 bytes.
    pub route: lnkeep_bytes,
    /// The onion's session key in the host's encoding, at most 64 bytes.
    pub session_key: lnkeep_bytes,
    /// Custom records for the first hop in the host's encoding, at most 65,535 bytes.
    pub first_hop_records: lnkeep_bytes,
}

/// Nothing is known.
pub const LNKEEP_ATTEMPT_FAILURE_UNKNOWN: u32 = 1;
/// The encrypted reason could not be read.
pub const LNKEEP_ATTEMPT_FAILURE_UNREADABLE: u32 = 2;
/// An error of this node.
pub const LNKEEP_ATTEMPT_FAILURE_INTERNAL: u32 = 3;
/// The message says why.
pub const LNKEEP_ATTEMPT_FAILURE_MESSAGE: u32 = 4;

/// Why and when an attempt of a payment failed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_payment_failure {
    /// LNKEEP_ATTEMPT_FAILURE_*.
    pub reason: u32,
    /// Place in the route of the node that failed it, 0 for this node.
    pub source_index: u32,
    /// Time of the failure, nanoseconds since 1970; 0 if unknown.
    pub failed_unix_ns: u64,
    /// The failure message in the host's encoding, at most 65,535 bytes.
    pub message: lnkeep_bytes,
}

/// Its time ran out.
pub const LNKEEP_PAYMENT_REASON_TIMEOUT: u32 = 1;
/// No route was found.
pub const LNKEEP_PAYMENT_REASON_NO_ROUTE: u32 = 2;
/// An error of this node.
pub const LNKEEP_PAYMENT_REASON_ERROR: u32 = 3;
/// The receiver does not know the hash, or refuses amount or expiry.
pub const LNKEEP_PAYMENT_REASON_INCORRECT_PAYMENT_DETAILS: u32 = 4;
/// This node has too little outbound balance.
pub const LNKEEP_PAYMENT_REASON_INSUFFICIENT_BALANCE: u32 = 5;
/// The user gave up.
pub const LNKEEP_PAYMENT_REASON_CANCELED: u32 = 6;

/// No attempt was registered yet.
pub const LNKEEP_PAYMENT_STATUS_INITIATED: u32 = 1;
/// An attempt is in flight, or all failed and another may be tried.
pub const LNKEEP_PAYMENT_STATUS_IN_FLIGHT: u32 = 2;
/// The preimage is known and nothing is in flight.
pub const LNKEEP_PAYMENT_STATUS_SUCCEEDED: u32 = 3;
/// Given up and nothing is in flight.
pub const LNKEEP_PAYMENT_STATUS_FAILED: u32 = 4;

/// Registered, and no result is known.
pub const LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT: u32 = 1;
/// The preimage is known.
pub const LNKEEP_PAYMENT_ATTEMPT_SETTLED: u32 = 2;
/// It failed.
pub const LNKEEP_PAYMENT_ATTEMPT_FAILED: u32 = 3;

/// The attempt has a record in the attempt store, which ends in the same transactions.
pub const LNKEEP_PAYMENT_MARK_TRACKED: u32 = 1;
/// A settle came after a failure had been reported: money moved after all.
pub const LNKEEP_PAYMENT_MARK_LATE_SETTLE: u32 = 2;
/// The operator ended it by force; the attempt's note says why.
pub const LNKEEP_PAYMENT_MARK_FORCED: u32 = 4;

/// One attempt of a payment as stored.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_payment_attempt {
    /// As the host gave it.
    pub request: lnkeep_payment_attempt_request,
    /// LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT, _SETTLED or _FAILED.
    pub state: u32,
    /// Bits of LNKEEP_PAYMENT_MARK_*.
    pub marks: u32,
    /// Of a settled attempt; zero otherwise.
    pub preimage: [u8; 32],
    /// Time of the settle, nanoseconds since 1970; 0 if unknown or not settled.
    pub settled_unix_ns: u64,
    /// Of a failed attempt; zero otherwise.
    pub failure: lnkeep_payment_failure,
    /// The operator's note of a force.
    pub note: lnkeep_bytes,
}

/// Neither settled nor given up.
pub const LNKEEP_PAYMENT_TERMINAL_NONE: u32 = 0;
/// An attempt settled; terminal_attempt is the one with the lowest id.
pub const LNKEEP_PAYMENT_TERMINAL_SETTLED: u32 = 1;
/// Given up; failure_reason says why.
pub const LNKEEP_PAYMENT_TERMINAL_FAILED: u32 = 2;

/// One payment as stored: one allocation, freed by lnkeep_payment_free, or part of a page.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_payment {
    /// sizeof(lnkeep_payment) of the library.
    pub size: usize,
    /// As the host gave it.
    pub init: lnkeep_payment_init,
    /// Place in the order of initiation: rises, with gaps, and is never given twice.
    pub sequence: u64,
    /// Rises by one with every change of this payment, beginning with 1.
    pub revision: u64,
    /// LNKEEP_PAYMENT_STATUS_INITIATED, _IN_FLIGHT, _SUCCEEDED or _FAILED.
    pub status: u32,
    /// Bits of LNKEEP_PAYMENT_MARK_LATE_SETTLE, LNKEEP_PAYMENT_MARK_FORCED.
    pub marks: u32,
    /// LNKEEP_PAYMENT_REASON_*, the last one told; 0 without one. Succeeded payments may have one.
    pub failure_reason: u32,
    /// The first reason told, 0 without one.
    pub first_failure_reason: u32,
    /// Time the host last told when it changed, milliseconds since 1970; 0 if unknown.
    pub updated_unix_ms: u64,
    /// Attempts in flight.
    pub in_flight: u64,
    /// Amount that no attempt covers which did not fail.
    pub remaining_msat: u64,
    /// Fees of the attempts that did not fail.
    pub fees_msat: u64,
    /// LNKEEP_PAYMENT_TERMINAL_*: a settle counts before a reason, whatever the status.
    pub terminal: u32,
    /// Index in attempts, with LNKEEP_PAYMENT_TERMINAL_SETTLED.
    pub terminal_attempt: u32,
    /// Bytes from one attempt to the next: step by this, not by sizeof(lnkeep_payment_attempt).
    pub attempt_stride: usize,
    /// The attempts, by id and then namespace.
    pub attempts: *const lnkeep_payment_attempt,
    /// Number of attempts.
    pub attempts_len: usize,
}

/// A payment that cannot be read.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_payment_unreadable {
    /// Its sequence number.
    pub sequence: u64,
    /// 1 when payment_hash is known.
    pub has_hash: u32,
    /// 0.
    pub reserved: u32,
    /// For lnkeep_payments_quarantine.
    pub payment_hash: [u8; 32],
}

/// One page of payments: one allocation, freed by lnkeep_payment_page_free.
#[repr(C)]
pub struct lnkeep_payment_page {
    /// sizeof(lnkeep_payment_page) of the library.
    pub size: usize,
    /// Bytes from one payment to the next: step by this, not by sizeof(lnkeep_payment).
    pub stride: usize,
    /// The payments that matched, ascending by sequence number.
    pub payments: *const lnkeep_payment,
    /// Number of payments.
    pub payments_len: usize,
    /// Payments met on the way that cannot be read.
    pub unreadable: *const lnkeep_payment_unreadable,
    /// Number of them.
    pub unreadable_len: usize,
    /// Pass as lnkeep_payment_query.offset to go on, when has_more is 1.
    pub next: u64,
    /// 1 when the list goes on after next; a page may be empty and still not the last.
    pub has_more: u32,
    /// 0.
    pub reserved: u32,
}

/// Go on after the sequence number in offset, away from the end the query begins at.
pub const LNKEEP_PAYMENT_QUERY_OFFSET: u32 = 1;
/// Begin at the newest. The page is in ascending order all the same.
pub const LNKEEP_PAYMENT_QUERY_REVERSED: u32 = 2;
/// Leave the attempts out: in_flight, remaining_msat, fees_msat and terminal are then 0.
pub const LNKEEP_PAYMENT_QUERY_WITHOUT_ATTEMPTS: u32 = 4;

/// Which payments to list. Start with LNKEEP_PAYMENT_QUERY_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_payment_query {
    /// sizeof(lnkeep_payment_query), set by the caller.
    pub size: usize,
    /// Bits of LNKEEP_PAYMENT_QUERY_*.
    pub flags: u32,
    /// Bits `1 << LNKEEP_PAYMENT_STATUS_INITIATED` and so on; 0 means every status. INITIATED and IN_FLIGHT
    /// alone read unfinished payments alone, whatever the history.
    pub statuses: u32,
    /// Read with LNKEEP_PAYMENT_QUERY_OFFSET.
    pub offset: u64,
    /// Only payments created at or after this time; 0 means any.
    pub created_from_unix_ns: u64,
    /// Only payments created at or before this time; 0 means any.
    pub created_to_unix_ns: u64,
    /// At most this many; 0 means 1,000, the most there is.
    pub limit: u32,
    /// 0.
    pub reserved: u32,
}

/// Numbers of payments, without a scan.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_payment_counts {
    /// sizeof(lnkeep_payment_counts), set by the caller.
    pub size: usize,
    /// All that are stored.
    pub payments: u64,
    /// Those INITIATED or IN_FLIGHT.
    pub unfinished: u64,
    /// Hashes paid or quarantined whose history is gone.
    pub tombstones: u64,
    /// Attempts of all payments.
    pub attempts: u64,
    /// Idempotency keys.
    pub idempotency_keys: u64,
    /// Deleted payments whose attempts wait for lnkeep_payments_sweep.
    pub doomed: u64,
    /// Bytes that payments and their attempts take in the store.
    pub history_bytes: u64,
}

/// Which payments lnkeep_payments_delete_many removes. Start with LNKEEP_PAYMENT_DELETE_FILTER_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_payment_delete_filter {
    /// sizeof(lnkeep_payment_delete_filter), set by the caller.
    pub size: usize,
    /// Bits of LNKEEP_DELETE_FORGET, LNKEEP_DELETE_FAILED_ATTEMPTS.
    pub flags: u32,
    /// Bits `1 << LNKEEP_PAYMENT_STATUS_INITIATED` and so on; 0 means SUCCEEDED and FAILED. Payments in
    /// flight are never deleted.
    pub statuses: u32,
    /// Only payments created at or before this time; 0 means any.
    pub created_to_unix_ns: u64,
}

/// It settled; preimage is read.
pub const LNKEEP_ANSWER_SETTLED: u32 = 1;
/// It failed on the way; failure is read, and another route might do.
pub const LNKEEP_ANSWER_FAILED: u32 = 2;
/// The receiver rejected the payment; failure is read, and no route will do.
pub const LNKEEP_ANSWER_FAILED_FINAL: u32 = 3;
/// The dispatcher answered with something that cannot be classified.
pub const LNKEEP_ANSWER_ERROR: u32 = 4;
/// The dispatcher never heard of the attempt.
pub const LNKEEP_ANSWER_UNKNOWN: u32 = 5;
/// It is still out. So is every attempt in flight for which no answer is given.
pub const LNKEEP_ANSWER_PENDING: u32 = 6;

/// The channel of the attempt's first hop is closed for good: without a result there will be none.
pub const LNKEEP_ANSWER_FIRST_HOP_CLOSED: u32 = 1;

/// What the host's dispatcher knows of one attempt in flight.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_resume_answer {
    /// Which attempt.
    pub key: lnkeep_attempt_key,
    /// LNKEEP_ANSWER_*.
    pub answer: u32,
    /// LNKEEP_ANSWER_FIRST_HOP_CLOSED or 0.
    pub flags: u32,
    /// Of LNKEEP_ANSWER_SETTLED.
    pub preimage: [u8; 32],
    /// Of LNKEEP_ANSWER_FAILED and LNKEEP_ANSWER_FAILED_FINAL.
    pub failure: lnkeep_payment_failure,
}

/// The payment ended.
pub const LNKEEP_RESUME_DONE: u32 = 1;
/// Attempts are out and nothing is known of them yet.
pub const LNKEEP_RESUME_WAITING: u32 = 2;
/// The receiver claimed only a part: SUCCEEDED, and something remains.
pub const LNKEEP_RESUME_INTERNAL: u32 = 3;
/// The host may go on sending.
pub const LNKEEP_RESUME_MAY_SEND: u32 = 4;
/// It cannot be read; quarantine it.
pub const LNKEEP_RESUME_UNREADABLE: u32 = 5;

/// What a resume made of one payment.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_resumed {
    /// Its sequence number.
    pub sequence: u64,
    /// LNKEEP_RESUME_*.
    pub outcome: u32,
    /// 1 when payment_hash is known; only an unreadable payment may lack it.
    pub has_hash: u32,
    /// Which payment.
    pub payment_hash: [u8; 32],
}

/// What a resume did: one allocation, freed by lnkeep_resume_free.
#[repr(C)]
pub struct lnkeep_resume {
    /// sizeof(lnkeep_resume) of the library.
    pub size: usize,
    /// Attempts of the payments that were unfinished, ended ones included, by id: what lnkeep_attempts_clean
    /// must keep.
    pub keep: *const lnkeep_attempt_key,
    /// Number of attempts in keep.
    pub keep_len: usize,
    /// The payments that were unfinished, by sequence number.
    pub payments: *const lnkeep_resumed,
    /// Number of payments.
    pub payments_len: usize,
}

/// In flight, and its HTLC timed out more than the grace ago.
pub const LNKEEP_STUCK_PAST_EXPIRY: u32 = 1;
/// In flight, and the attempt store has no record of it.
pub const LNKEEP_STUCK_NO_RECORD: u32 = 2;
/// In flight, and its record cannot be read.
pub const LNKEEP_STUCK_UNREADABLE_RECORD: u32 = 3;
/// In flight, and the attempt store has its result: nobody collected it.
pub const LNKEEP_STUCK_RESULT_NOT_COLLECTED: u32 = 4;
/// INITIATED or to be retried, and no sender has touched it since the time given.
pub const LNKEEP_STUCK_ABANDONED: u32 = 5;

/// What lnkeep_payments_stuck looks for. Start with LNKEEP_STUCK_QUERY_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_stuck_query {
    /// sizeof(lnkeep_stuck_query), set by the caller.
    pub size: usize,
    /// Go on after this sequence number; 0 begins with the oldest.
    pub after: u64,
    /// Height of the best block; 0 means what the store was last told.
    pub block_height: u32,
    /// Blocks after the expiry in which an answer may still come.
    pub grace_blocks: u32,
    /// Payments without an attempt in flight that did not change since this time are abandoned; 0 asks for
    /// none.
    pub untouched_since_unix_ms: u64,
}

/// An attempt, or a payment without one, that nobody seems to look after.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_stuck {
    /// Which payment.
    pub payment_hash: [u8; 32],
    /// Its sequence number.
    pub sequence: u64,
    /// Which attempt; zero with LNKEEP_STUCK_ABANDONED.
    pub attempt: lnkeep_attempt_key,
    /// LNKEEP_STUCK_*.
    pub reason: u32,
    /// Absolute height at which the attempt's HTLC times out, 0 if unknown.
    pub cltv_expiry: u32,
}

/// What was found stuck: one allocation, freed by lnkeep_stuck_list_free.
#[repr(C)]
pub struct lnkeep_stuck_list {
    /// sizeof(lnkeep_stuck_list) of the library.
    pub size: usize,
    /// What was found.
    pub found: *const lnkeep_stuck,
    /// Number of entries in found.
    pub found_len: usize,
    /// Pass as lnkeep_stuck_query.after to go on, when has_more is 1.
    pub next: u64,
    /// 1 when there are payments after next.
    pub has_more: u32,
    /// 0.
    pub reserved: u32,
}

/// An attempt settled.
pub const LNKEEP_PAYMENT_STATE_HAS_SETTLED: u32 = 1;
/// The payment was given up and nothing settled.
pub const LNKEEP_PAYMENT_STATE_GIVEN_UP: u32 = 2;

/// What the rules allow a payment in one state. Statuses are what the call that asks would answer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_payment_rules {
    /// sizeof(lnkeep_payment_rules), set by the caller.
    pub size: usize,
    /// LNKEEP_DONE when the hash may be initiated again.
    pub init: i32,
    /// LNKEEP_DONE when attempts may be registered or end.
    pub update: i32,
    /// LNKEEP_DONE when the payment may be deleted.
    pub remove: i32,
    /// LNKEEP_DONE when another attempt may be registered.
    pub can_register: i32,
    /// LNKEEP_DONE when allow_more is the answer, else LNKEEP_PAYMENT_INTERNAL.
    pub allow_more_status: i32,
    /// 1 when a sender should make another attempt.
    pub allow_more: u32,
    /// LNKEEP_DONE when need_wait is the answer, else LNKEEP_PAYMENT_INTERNAL.
    pub need_wait_status: i32,
    /// 1 when a sender that makes no more attempts must wait for those in flight.
    pub need_wait: u32,
}

/// What the sums need of one attempt.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct lnkeep_attempt_sum {
    /// LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT, _SETTLED or _FAILED.
    pub state: u32,
    /// 0.
    pub reserved: u32,
    /// What the receiver gets.
    pub amount_msat: u64,
    /// What the hops get.
    pub fee_msat: u64,
}

/// What follows from a payment's attempts.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_payment_state {
    /// sizeof(lnkeep_payment_state), set by the caller.
    pub size: usize,
    /// LNKEEP_PAYMENT_STATUS_INITIATED, _IN_FLIGHT, _SUCCEEDED or _FAILED.
    pub status: u32,
    /// Bits of LNKEEP_PAYMENT_STATE_HAS_SETTLED, LNKEEP_PAYMENT_STATE_GIVEN_UP.
    pub flags: u32,
    /// Attempts in flight.
    pub in_flight: u64,
    /// Amount that no attempt covers which did not fail.
    pub remaining_msat: u64,
    /// Fees of the attempts that did not fail.
    pub fees_msat: u64,
}

/// Body of LNKEEP_OP_PAYMENT_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_op_payment_init {
    /// The request; read during the call only.
    pub init: *const lnkeep_payment_init,
}

/// Body of LNKEEP_OP_PAYMENT_REGISTER.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_op_payment_register {
    /// Which payment.
    pub payment_hash: [u8; 32],
    /// The attempt; read during the call only.
    pub attempt: *const lnkeep_payment_attempt_request,
}

/// Body of LNKEEP_OP_PAYMENT_SETTLE.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_op_payment_settle {
    /// Which payment.
    pub payment_hash: [u8; 32],
    /// Which of its attempts.
    pub key: lnkeep_attempt_key,
    /// It hashes to the attempt's hash, or to the payment's.
    pub preimage: [u8; 32],
    /// Time of the settle, nanoseconds since 1970; 0 if unknown.
    pub settled_unix_ns: u64,
}

/// Body of LNKEEP_OP_PAYMENT_FAIL_ATTEMPT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_op_payment_fail_attempt {
    /// Which payment.
    pub payment_hash: [u8; 32],
    /// Which of its attempts.
    pub key: lnkeep_attempt_key,
    /// Why and when.
    pub failure: lnkeep_payment_failure,
    /// Why it is forced, at most 1,024 bytes; empty without LNKEEP_FAIL_FORCED.
    pub note: lnkeep_bytes,
}

/// Body of LNKEEP_OP_PAYMENT_FAIL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_op_payment_fail {
    /// Which payment.
    pub payment_hash: [u8; 32],
    /// LNKEEP_PAYMENT_REASON_*.
    pub reason: u32,
    /// 0.
    pub reserved: u32,
}

/// Body of LNKEEP_OP_PAYMENT_DELETE.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnkeep_op_payment_delete {
    /// Which payment.
    pub payment_hash: [u8; 32],
}

/// Initiate a payment: body.payment_init.
pub const LNKEEP_OP_PAYMENT_INIT: u32 = 0x201;
/// Register an attempt: body.payment_register; flags may hold LNKEEP_REGISTER_WITH_RECORD.
pub const LNKEEP_OP_PAYMENT_REGISTER: u32 = 0x202;
/// Settle an attempt: body.payment_settle; flags, bits of LNKEEP_RESULT_REFUSE_*.
pub const LNKEEP_OP_PAYMENT_SETTLE: u32 = 0x203;
/// Fail an attempt: body.payment_fail_attempt; flags, LNKEEP_RESULT_REFUSE_REPEAT, LNKEEP_FAIL_FORCED.
pub const LNKEEP_OP_PAYMENT_FAIL_ATTEMPT: u32 = 0x204;
/// Give a payment up: body.payment_fail.
pub const LNKEEP_OP_PAYMENT_FAIL: u32 = 0x205;
/// Delete a payment: body.payment_delete; flags, 0 or one LNKEEP_DELETE_*. With LNKEEP_DELETE_FAILED_ATTEMPTS
/// one step is done and lnkeep_outcome.value tells how many failed attempts are left.
pub const LNKEEP_OP_PAYMENT_DELETE: u32 = 0x206;

/// Make the attempt's record in the attempt store in the same transaction; from then on settling or failing
/// it acknowledges the record in one transaction too, and what was handed off cannot be failed.
pub const LNKEEP_REGISTER_WITH_RECORD: u32 = 1;
/// Refuse the repeat of an identical result instead of answering LNKEEP_ALREADY.
pub const LNKEEP_RESULT_REFUSE_REPEAT: u32 = 2;
/// Refuse a settle after a failure instead of letting it win.
pub const LNKEEP_RESULT_REFUSE_LATE: u32 = 4;
/// Delete the failed attempts of a payment and keep the payment. Those failed by force stay with it.
pub const LNKEEP_DELETE_FAILED_ATTEMPTS: u32 = 2;
/// Forget that a payment deleted earlier was paid: its hash may be paid again.
pub const LNKEEP_DELETE_TOMBSTONE: u32 = 4;
