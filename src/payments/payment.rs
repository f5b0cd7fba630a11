//! What is kept about one payment and its attempts, as values.
//!
//! Fields where rules need them, the host's bytes where they do not. Amounts are what the receiver gets
//! unless a name says otherwise; times are the host's.

use std::fmt;

use zeroize::Zeroize;

use super::rules::{self, AttemptSum};
use crate::types::{AttemptKey, PaymentHash, Preimage, RawMessage};

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $variant:ident = $number:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$item])* $variant = $number,)+ }

        impl $name {
            /// Every value, in the order of the numbers.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The value of a number, as on disk and in the C ABI.
            pub fn from_number(number: u8) -> Option<$name> {
                match number { $($number => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

numbered! {
    /// Where a payment stands: stored with it, and always what [`rules::decide_status`] says.
    PaymentStatus {
        /// No attempt was registered yet.
        Initiated = 1,
        /// An attempt is in flight, or all failed and another may be tried.
        InFlight = 2,
        /// The preimage is known and nothing is in flight.
        Succeeded = 3,
        /// Given up and nothing is in flight.
        Failed = 4,
    }
}

impl PaymentStatus {
    /// Whether the payment ended: SUCCEEDED or FAILED.
    pub fn is_terminal(self) -> bool {
        matches!(self, PaymentStatus::Succeeded | PaymentStatus::Failed)
    }
}

numbered! {
    /// Why a payment was given up.
    FailureReason {
        /// Its time ran out.
        Timeout = 1,
        /// No route was found.
        NoRoute = 2,
        /// An error of this node.
        Error = 3,
        /// The receiver does not know the hash, or refuses amount or expiry.
        IncorrectPaymentDetails = 4,
        /// This node has too little outbound balance.
        InsufficientBalance = 5,
        /// The user gave up.
        Canceled = 6,
    }
}

numbered! {
    /// Why an attempt failed.
    AttemptFailure {
        /// Nothing is known.
        Unknown = 1,
        /// The encrypted reason could not be read.
        Unreadable = 2,
        /// An error of this node.
        Internal = 3,
        /// The message says why.
        Message = 4,
    }
}

numbered! {
    /// Where an attempt of a payment stands.
    AttemptState {
        /// Registered, and no result is known.
        InFlight = 1,
        /// The preimage is known.
        Settled = 2,
        /// It failed.
        Failed = 3,
    }
}

/// 32 secret bytes: zeroed when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A secret from its bytes.
    pub fn new(bytes: [u8; 32]) -> Secret {
        Secret(bytes)
    }

    /// The bytes; the caller keeps them out of logs.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What a host needs to go on sending after a restart, instead of failing with NO_ROUTE.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intent {
    /// No new attempt from this time on, nanoseconds since 1970; 0 means no deadline.
    pub deadline_unix_ns: u64,
    /// Most fees over all attempts.
    pub fee_limit_msat: u64,
    /// Public key of the receiver.
    pub destination: Option<[u8; 33]>,
    /// Root share of an AMP payment.
    pub amp_root_share: Option<Secret>,
    /// Whatever else the host's sender needs, at most 65,535 bytes.
    pub data: RawMessage,
}

/// A request to initiate a payment, as the host gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentInit {
    /// Identifier of the payment: its hash, or the set id of an AMP payment.
    pub hash: PaymentHash,
    /// What the receiver is to get.
    pub amount_msat: u64,
    /// Time of creation, nanoseconds since 1970; 0 if unknown.
    pub created_unix_ns: u64,
    /// The caller's own key of this request, empty or up to 64 bytes: a repeat is answered with the state of
    /// the first.
    pub idempotency_key: Vec<u8>,
    /// The invoice or offer, at most 65,535 bytes.
    pub payment_request: RawMessage,
    /// Custom records for the first hop, in the host's encoding, at most 65,535 bytes.
    pub first_hop_records: RawMessage,
    /// Kept when the host may go on sending after a restart.
    pub intent: Option<Intent>,
}

impl PaymentInit {
    /// A request that says nothing but hash and amount.
    pub fn new(hash: PaymentHash, amount_msat: u64) -> PaymentInit {
        PaymentInit {
            hash,
            amount_msat,
            created_unix_ns: 0,
            idempotency_key: Vec::new(),
            payment_request: RawMessage::default(),
            first_hop_records: RawMessage::default(),
            intent: None,
        }
    }
}

/// BOLT 4 `payment_data`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mpp {
    /// The payment secret of the invoice.
    pub payment_address: [u8; 32],
    /// Total of the whole payment.
    pub total_msat: u64,
}

impl fmt::Debug for Mpp {
    /// The address is the invoice's payment secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mpp").field("total_msat", &self.total_msat).finish_non_exhaustive()
    }
}

/// The AMP record of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amp {
    /// Share of the root seed.
    pub root_share: Secret,
    /// Identifier of the set.
    pub set_id: [u8; 32],
    /// Index of the child.
    pub child_index: u32,
}

/// A request to register an attempt of a payment, as the host gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRequest {
    /// Id and namespace, unique in the store.
    pub key: AttemptKey,
    /// What the receiver gets by it.
    pub amount_msat: u64,
    /// What the hops on the way get.
    pub fee_msat: u64,
    /// Hash of this attempt where it is not the payment's, as in AMP: a settle needs its preimage.
    pub attempt_hash: Option<PaymentHash>,
    /// The multi-part record.
    pub mpp: Option<Mpp>,
    /// The AMP record.
    pub amp: Option<Amp>,
    /// Total amount of the final hop of a blinded path; 0 is refused as missing.
    pub blinded_total_msat: Option<u64>,
    /// Number of hops of the route; 0 is refused.
    pub hop_count: u32,
    /// Short channel id of the first hop, 0 if unknown.
    pub first_hop_scid: u64,
    /// What is sent to the first hop where it is not the sum of amount and fee.
    pub first_hop_amount_msat: Option<u64>,
    /// Absolute height at which the HTLC times out, 0 if unknown.
    pub cltv_expiry: u32,
    /// Time of the attempt, nanoseconds since 1970; 0 if unknown.
    pub sent_unix_ns: u64,
    /// The route in the host's encoding, at most 65,535 bytes.
    pub route: RawMessage,
    /// The onion's session key in the host's encoding, at most 64 bytes.
    pub session_key: RawMessage,
    /// Custom records for the first hop, in the host's encoding, at most 65,535 bytes.
    pub first_hop_records: RawMessage,
}

impl AttemptRequest {
    /// A request for a route of one hop that says nothing but id and amounts.
    pub fn new(key: AttemptKey, amount_msat: u64, fee_msat: u64) -> AttemptRequest {
        AttemptRequest {
            key,
            amount_msat,
            fee_msat,
            attempt_hash: None,
            mpp: None,
            amp: None,
            blinded_total_msat: None,
            hop_count: 1,
            first_hop_scid: 0,
            first_hop_amount_msat: None,
            cltv_expiry: 0,
            sent_unix_ns: 0,
            route: RawMessage::default(),
            session_key: RawMessage::default(),
            first_hop_records: RawMessage::default(),
        }
    }
}

/// How an attempt of a payment ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// It hashes to the attempt's hash, or to the payment's.
    pub preimage: Preimage,
    /// Time of the settle, nanoseconds since 1970; 0 if unknown.
    pub settled_unix_ns: u64,
}

/// Why and when an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: AttemptFailure,
    /// Place in the route of the node that failed it, 0 for this node.
    pub source_index: u32,
    /// The failure message in the host's encoding, at most 65,535 bytes.
    pub message: RawMessage,
    /// Time of the failure, nanoseconds since 1970; 0 if unknown.
    pub failed_unix_ns: u64,
}

impl Failure {
    /// A failure without a message.
    pub fn new(reason: AttemptFailure) -> Failure {
        Failure { reason, source_index: 0, message: RawMessage::default(), failed_unix_ns: 0 }
    }
}

/// What is known of an attempt's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// Nothing yet.
    InFlight,
    /// The receiver took it.
    Settled(Settle),
    /// It failed.
    Failed(Failure),
}

impl AttemptOutcome {
    /// Where this leaves the attempt.
    pub fn state(&self) -> AttemptState {
        match self {
            AttemptOutcome::InFlight => AttemptState::InFlight,
            AttemptOutcome::Settled(_) => AttemptState::Settled,
            AttemptOutcome::Failed(_) => AttemptState::Failed,
        }
    }
}

/// Facts about an attempt of a payment, or about a payment, beside its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(pub u8);

impl Marks {
    /// The attempt has a record in the attempt store, which ends in the same transactions.
    pub const TRACKED: u8 = 1;
    /// A settle came after a failure had been reported: money moved after all.
    pub const LATE_SETTLE: u8 = 2;
    /// The operator ended it by force; the note says why.
    pub const FORCED: u8 = 4;

    /// Whether a bit is set.
    pub fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    pub(crate) fn with(self, bit: u8) -> Marks {
        Marks(self.0 | bit)
    }
}

/// One attempt of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentAttempt {
    /// As the host gave it.
    pub request: AttemptRequest,
    /// Facts beside the state.
    pub marks: Marks,
    /// How it ended, if it did.
    pub outcome: AttemptOutcome,
    /// The operator's note of a force, at most 1,024 bytes.
    pub note: RawMessage,
}

impl PaymentAttempt {
    /// Where it stands.
    pub fn state(&self) -> AttemptState {
        self.outcome.state()
    }

    pub(super) fn sum(&self) -> AttemptSum {
        AttemptSum {
            state: self.state(),
            amount_msat: self.request.amount_msat,
            fee_msat: self.request.fee_msat,
        }
    }
}

/// One payment with its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// As the host gave it.
    pub init: PaymentInit,
    /// Place in the order of initiation: rises, with gaps, and is never given twice.
    pub sequence: u64,
    /// Rises by one with every change of this payment, beginning with 1.
    pub revision: u64,
    /// Where it stands.
    pub status: PaymentStatus,
    /// Facts beside the status.
    pub marks: Marks,
    /// Why it was given up; the last reason told. A payment may have one and succeed all the same.
    pub failure_reason: Option<FailureReason>,
    /// The first reason told.
    pub first_failure_reason: Option<FailureReason>,
    /// What the host last told of the time when it changed, milliseconds since 1970; 0 if unknown.
    pub updated_unix_ms: u64,
    /// Its attempts, by id and then namespace.
    pub attempts: Vec<PaymentAttempt>,
}

impl Payment {
    /// Its identifier.
    pub fn hash(&self) -> PaymentHash {
        self.init.hash
    }

    /// In flight, remaining, fees: what follows from the attempts.
    pub fn state(&self) -> rules::PaymentState {
        rules::state_of(self)
    }

    /// Its place among all states of all payments of its hash.
    pub(super) fn version(&self) -> (u64, u64) {
        (self.sequence, self.revision)
    }

    /// Where an attempt is among its attempts, or belongs.
    pub(super) fn place(&self, key: AttemptKey) -> Result<usize, usize> {
        let order = |key: AttemptKey| (key.id, key.namespace);
        self.attempts.binary_search_by_key(&order(key), |attempt| order(attempt.request.key))
    }

    /// An attempt of this payment.
    pub fn attempt(&self, key: AttemptKey) -> Option<&PaymentAttempt> {
        self.place(key).ok().map(|place| &self.attempts[place])
    }
}
