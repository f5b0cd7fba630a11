//! Bytes of a payment: a head that every change rewrites, and details, attempts and outcomes that are
//! written once.
//!
//! PR1 `decode(encode(x)) == x`. PR2 the head counts the attempts by state, so that a vanished row is seen.
//! PR3 decoding damaged bytes answers `None`; it never panics and never guesses.

use super::payment::{
    Amp, AttemptFailure, AttemptOutcome, AttemptRequest, AttemptState, Failure, FailureReason,
    Intent, Marks, Mpp, Payment, PaymentAttempt, PaymentInit, PaymentStatus, Secret, Settle,
};
use crate::error::Result;
use crate::limits::{
    IDEMPOTENCY_KEY_BYTES_MAX, MESSAGE_BYTES_MAX, NOTE_BYTES_MAX, SESSION_KEY_BYTES_MAX,
};
use crate::memory::with_room;
use crate::store::bytes::Reader;
use crate::types::{AttemptKey, Namespace, PaymentHash, Preimage, RawMessage};

/// What a list needs of a payment without its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: PaymentStatus,
    pub(super) marks: Marks,
    pub(super) failure_reason: Option<FailureReason>,
    pub(super) first_failure_reason: Option<FailureReason>,
    /// In flight, settled, failed.
    pub(super) attempts: [u32; 3],
    pub(super) hash: PaymentHash,
    pub(super) amount_msat: u64,
    pub(super) created_unix_ns: u64,
    pub(super) updated_unix_ms: u64,
    pub(super) revision: u64,
}

impl Head {
    pub(super) const BYTES: usize = 80;

    pub(super) fn of(payment: &Payment) -> Head {
        let count = |state| {
            let of_state = payment.attempts.iter().filter(|attempt| attempt.state() == state);
            u32::try_from(of_state.count()).unwrap_or(u32::MAX)
        };
        Head {
            status: payment.status,
            marks: payment.marks,
            failure_reason: payment.failure_reason,
            first_failure_reason: payment.first_failure_reason,
            attempts: [
                count(AttemptState::InFlight),
                count(AttemptState::Settled),
                count(AttemptState::Failed),
            ],
            hash: payment.hash(),
            amount_msat: payment.init.amount_msat,
            created_unix_ns: payment.init.created_unix_ns,
            updated_unix_ms: payment.updated_unix_ms,
            revision: payment.revision,
        }
    }

    pub(super) fn encode(&self) -> [u8; Head::BYTES] {
        let reason = |reason: Option<FailureReason>| reason.map_or(0, |reason| reason as u8);
        let mut body = [0; Head::BYTES];
        body[0] = self.status as u8;
        body[1] = self.marks.0;
        body[2] = reason(self.failure_reason);
        body[3] = reason(self.first_failure_reason);
        for (place, count) in self.attempts.iter().enumerate() {
            body[4 + 4 * place..8 + 4 * place].copy_from_slice(&count.to_le_bytes());
        }
        body[16..48].copy_from_slice(&self.hash.0);
        let numbers = [self.amount_msat, self.created_unix_ns, self.updated_unix_ms, self.revision];
        for (place, number) in numbers.iter().enumerate() {
            body[48 + 8 * place..56 + 8 * place].copy_from_slice(&number.to_le_bytes());
        }
        body
    }

    pub(super) fn decode(body: &[u8]) -> Option<Head> {
        let mut reader = Reader::new(body);
        let head = Head {
            status: PaymentStatus::from_number(reader.u8()?)?,
            marks: Marks(reader.u8()?),
            failure_reason: decode_reason(reader.u8()?)?,
            first_failure_reason: decode_reason(reader.u8()?)?,
            attempts: [reader.u32()?, reader.u32()?, reader.u32()?],
            hash: PaymentHash(reader.array()?),
            amount_msat: reader.u64()?,
            created_unix_ns: reader.u64()?,
            updated_unix_ms: reader.u64()?,
            revision: reader.u64()?,
        };
        reader.is_at_end().then_some(head)
    }

    /// Number of attempts in every state.
    pub(super) fn attempts_len(&self) -> u64 {
        self.attempts.iter().map(|count| u64::from(*count)).sum()
    }
}

/// `Some(None)` for no reason, `None` for a number that is none.
fn decode_reason(number: u8) -> Option<Option<FailureReason>> {
    match number {
        0 => Some(None),
        number => FailureReason::from_number(number).map(Some),
    }
}

/// The payment of a head, once all its rows are together.
pub(super) fn assemble(
    sequence: u64,
    head: &Head,
    init: PaymentInit,
    attempts: Vec<PaymentAttempt>,
) -> Option<Payment> {
    let payment = Payment {
        init,
        sequence,
        revision: head.revision,
        status: head.status,
        marks: head.marks,
        failure_reason: head.failure_reason,
        first_failure_reason: head.first_failure_reason,
        updated_unix_ms: head.updated_unix_ms,
        attempts,
    };
    (Head::of(&payment) == *head).then_some(payment)
}

/// Bytes of each row beside its messages: rows are written without another allocation.
const DETAILS_BYTES_MAX: usize = 128 + IDEMPOTENCY_KEY_BYTES_MAX;
const ATTEMPT_BYTES_MAX: usize = 256 + SESSION_KEY_BYTES_MAX;
const OUTCOME_BYTES_MAX: usize = 64;

/// Writes what a decoder must bound: lengths before bytes.
struct Writer(Vec<u8>);

impl Writer {
    fn sized(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn u64(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn u32(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// A byte of presence, then the bytes.
    fn optional(&mut self, bytes: Option<&[u8]>) {
        self.0.push(u8::from(bytes.is_some()));
        self.0.extend_from_slice(bytes.unwrap_or_default());
    }

    fn optional_u64(&mut self, number: Option<u64>) {
        self.optional(number.map(u64::to_le_bytes).as_ref().map(|bytes| &bytes[..]));
    }
}

fn sized<'body>(reader: &mut Reader<'body>, max: usize) -> Option<&'body [u8]> {
    let length = usize::try_from(reader.u32()?).ok()?;
    if length > max { None } else { reader.take(length) }
}

fn optional<const N: usize>(reader: &mut Reader<'_>) -> Option<Option<[u8; N]>> {
    match reader.u8()? {
        0 => Some(None),
        1 => reader.array().map(Some),
        _ => None,
    }
}

fn optional_u64(reader: &mut Reader<'_>) -> Option<Option<u64>> {
    Some(optional(reader)?.map(u64::from_le_bytes))
}

/// The details of a payment: all of its request that its head does not hold.
///
/// # Errors
/// `Busy`.
pub(super) fn encode_details(init: &PaymentInit) -> Result<Vec<u8>> {
    let intent_data = init.intent.as_ref().map_or(0, |intent| intent.data.len());
    let texts = init.payment_request.len() + init.first_hop_records.len() + intent_data;
    let mut writer = Writer(with_room(DETAILS_BYTES_MAX + texts)?);
    writer.sized(&init.idempotency_key);
    writer.sized(init.payment_request.expose());
    writer.sized(init.first_hop_records.expose());
    writer.0.push(u8::from(init.intent.is_some()));
    if let Some(intent) = &init.intent {
        writer.u64(intent.deadline_unix_ns);
        writer.u64(intent.fee_limit_msat);
        writer.optional(intent.destination.as_ref().map(|key| &key[..]));
        writer.optional(intent.amp_root_share.as_ref().map(|share| &share.expose()[..]));
        writer.sized(intent.data.expose());
    }
    Ok(writer.0)
}

/// Details whose messages are still where they were read.
struct Details<'body> {
    idempotency_key: &'body [u8],
    payment_request: &'body [u8],
    first_hop_records: &'body [u8],
    intent: Option<(Intent, &'body [u8])>,
}

fn parse_details(body: &[u8]) -> Option<Details<'_>> {
    let mut reader = Reader::new(body);
    let mut details = Details {
        idempotency_key: sized(&mut reader, IDEMPOTENCY_KEY_BYTES_MAX)?,
        payment_request: sized(&mut reader, MESSAGE_BYTES_MAX)?,
        first_hop_records: sized(&mut reader, MESSAGE_BYTES_MAX)?,
        intent: None,
    };
    details.intent = match reader.u8()? {
        0 => None,
        1 => {
            let intent = Intent {
                deadline_unix_ns: reader.u64()?,
                fee_limit_msat: reader.u64()?,
                destination: optional(&mut reader)?,
                amp_root_share: optional(&mut reader)?.map(Secret::new),
                data: RawMessage::default(),
            };
            Some((intent, sized(&mut reader, MESSAGE_BYTES_MAX)?))
        }
        _ => return None,
    };
    reader.is_at_end().then_some(details)
}

/// # Errors
/// `Busy`.
pub(super) fn decode_details(head: &Head, body: &[u8]) -> Result<Option<PaymentInit>> {
    let Some(details) = parse_details(body) else { return Ok(None) };
    let intent = match details.intent {
        Some((intent, data)) => Some(Intent { data: RawMessage::copied(data)?, ..intent }),
        None => None,
    };
    Ok(Some(PaymentInit {
        created_unix_ns: head.created_unix_ns,
        idempotency_key: details.idempotency_key.to_vec(),
        payment_request: RawMessage::copied(details.payment_request)?,
        first_hop_records: RawMessage::copied(details.first_hop_records)?,
        intent,
        ..PaymentInit::new(head.hash, head.amount_msat)
    }))
}

/// Whether bytes are details, whatever head they belong to.
pub(super) fn are_details(body: &[u8]) -> bool {
    parse_details(body).is_some()
}

/// An attempt as it was registered.
///
/// # Errors
/// `Busy`.
pub(super) fn encode_attempt(attempt: &PaymentAttempt) -> Result<Vec<u8>> {
    let request = &attempt.request;
    let texts = request.route.len() + request.first_hop_records.len();
    let mut writer = Writer(with_room(ATTEMPT_BYTES_MAX + texts)?);
    writer.0.push(attempt.marks.0 & Marks::TRACKED);
    writer.u64(request.amount_msat);
    writer.u64(request.fee_msat);
    writer.u64(request.first_hop_scid);
    writer.u64(request.sent_unix_ns);
    writer.u32(request.hop_count);
    writer.u32(request.cltv_expiry);
    writer.optional(request.attempt_hash.as_ref().map(|hash| &hash.0[..]));
    writer.optional(request.mpp.as_ref().map(|mpp| &mpp.payment_address[..]));
    if let Some(mpp) = &request.mpp {
        writer.u64(mpp.total_msat);
    }
    writer.optional(request.amp.as_ref().map(|amp| &amp.set_id[..]));
    if let Some(amp) = &request.amp {
        writer.0.extend_from_slice(amp.root_share.expose());
        writer.u32(amp.child_index);
    }
    writer.optional_u64(request.blinded_total_msat);
    writer.optional_u64(request.first_hop_amount_msat);
    writer.sized(request.route.expose());
    writer.sized(request.session_key.expose());
    writer.sized(request.first_hop_records.expose());
    Ok(writer.0)
}

/// An attempt in flight; [`decode_outcome`] adds how it ended.
///
/// # Errors
/// `Busy`.
pub(super) fn decode_attempt(key: AttemptKey, body: &[u8]) -> Result<Option<PaymentAttempt>> {
    let Some((mut attempt, [route, session_key, records])) = parse_attempt(key, body) else {
        return Ok(None);
    };
    attempt.request.route = RawMessage::copied(route)?;
    attempt.request.session_key = RawMessage::copied(session_key)?;
    attempt.request.first_hop_records = RawMessage::copied(records)?;
    Ok(Some(attempt))
}

/// Whether bytes are an attempt of this key.
pub(super) fn is_attempt(key: AttemptKey, body: &[u8]) -> bool {
    parse_attempt(key, body).is_some()
}

/// An attempt without its messages, and these: route, session key, records of the first hop.
fn parse_attempt(key: AttemptKey, body: &[u8]) -> Option<(PaymentAttempt, [&[u8]; 3])> {
    let mut reader = Reader::new(body);
    let marks = Marks(reader.u8()?);
    let mut request = AttemptRequest::new(key, reader.u64()?, reader.u64()?);
    request.first_hop_scid = reader.u64()?;
    request.sent_unix_ns = reader.u64()?;
    request.hop_count = reader.u32()?;
    request.cltv_expiry = reader.u32()?;
    request.attempt_hash = optional(&mut reader)?.map(PaymentHash);
    if let Some(payment_address) = optional(&mut reader)? {
        request.mpp = Some(Mpp { payment_address, total_msat: reader.u64()? });
    }
    if let Some(set_id) = optional(&mut reader)? {
        let root_share = Secret::new(reader.array()?);
        request.amp = Some(Amp { root_share, set_id, child_index: reader.u32()? });
    }
    request.blinded_total_msat = optional_u64(&mut reader)?;
    request.first_hop_amount_msat = optional_u64(&mut reader)?;
    let messages = [
        sized(&mut reader, MESSAGE_BYTES_MAX)?,
        sized(&mut reader, SESSION_KEY_BYTES_MAX)?,
        sized(&mut reader, MESSAGE_BYTES_MAX)?,
    ];
    let outcome = AttemptOutcome::InFlight;
    let attempt = PaymentAttempt { request, marks, outcome, note: RawMessage::default() };
    (reader.is_at_end() && marks.0 & !Marks::TRACKED == 0).then_some((attempt, messages))
}

const OUTCOME_SETTLED: u8 = 2;
const OUTCOME_FAILED: u8 = 3;

/// How an attempt ended; `None` while it is in flight, when there is no row.
///
/// # Errors
/// `Busy`.
pub(super) fn encode_outcome(attempt: &PaymentAttempt) -> Result<Option<Vec<u8>>> {
    let message = match &attempt.outcome {
        AttemptOutcome::Failed(failure) => failure.message.len(),
        AttemptOutcome::InFlight | AttemptOutcome::Settled(_) => 0,
    };
    let mut writer = Writer(with_room(OUTCOME_BYTES_MAX + message + attempt.note.len())?);
    let marks = attempt.marks.0 & !Marks::TRACKED;
    match &attempt.outcome {
        AttemptOutcome::InFlight => return Ok(None),
        AttemptOutcome::Settled(settle) => {
            writer.0.extend_from_slice(&[OUTCOME_SETTLED, marks]);
            writer.u64(settle.settled_unix_ns);
            writer.0.extend_from_slice(settle.preimage.expose());
        }
        AttemptOutcome::Failed(failure) => {
            writer.0.extend_from_slice(&[OUTCOME_FAILED, marks]);
            writer.u64(failure.failed_unix_ns);
            writer.0.push(failure.reason as u8);
            writer.u32(failure.source_index);
            writer.sized(failure.message.expose());
        }
    }
    writer.sized(attempt.note.expose());
    Ok(Some(writer.0))
}

/// How an attempt ended, with its messages still where they were read.
struct Ended<'body> {
    outcome: AttemptOutcome,
    marks: u8,
    message: &'body [u8],
    note: &'body [u8],
}

fn parse_outcome(body: &[u8]) -> Option<Ended<'_>> {
    let mut reader = Reader::new(body);
    let kind = reader.u8()?;
    let marks = reader.u8()?;
    let unix_ns = reader.u64()?;
    let (outcome, message) = match kind {
        OUTCOME_SETTLED => {
            let preimage = Preimage::new(reader.array()?);
            (AttemptOutcome::Settled(Settle { preimage, settled_unix_ns: unix_ns }), &[][..])
        }
        OUTCOME_FAILED => {
            let failure = Failure {
                reason: AttemptFailure::from_number(reader.u8()?)?,
                source_index: reader.u32()?,
                message: RawMessage::default(),
                failed_unix_ns: unix_ns,
            };
            (AttemptOutcome::Failed(failure), sized(&mut reader, MESSAGE_BYTES_MAX)?)
        }
        _ => return None,
    };
    let note = sized(&mut reader, NOTE_BYTES_MAX)?;
    let ended = Ended { outcome, marks, message, note };
    (reader.is_at_end() && marks & Marks::TRACKED == 0).then_some(ended)
}

/// Adds to an attempt how it ended; answers whether the bytes are an outcome.
///
/// # Errors
/// `Busy`.
pub(super) fn decode_outcome(attempt: &mut PaymentAttempt, body: &[u8]) -> Result<bool> {
    let Some(ended) = parse_outcome(body) else { return Ok(false) };
    attempt.outcome = match ended.outcome {
        AttemptOutcome::Failed(failure) => {
            let message = RawMessage::copied(ended.message)?;
            AttemptOutcome::Failed(Failure { message, ..failure })
        }
        settled => settled,
    };
    attempt.note = RawMessage::copied(ended.note)?;
    attempt.marks = attempt.marks.with(ended.marks);
    Ok(true)
}

/// The state that an outcome leads to, if it decodes.
pub(super) fn decode_state(body: &[u8]) -> Option<AttemptState> {
    match parse_outcome(body)?.outcome {
        AttemptOutcome::InFlight => None,
        AttemptOutcome::Settled(_) => Some(AttemptState::Settled),
        AttemptOutcome::Failed(_) => Some(AttemptState::Failed),
    }
}

/// What a row of `payment_hashes` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HashRow {
    /// The payment of this sequence.
    Live(u64),
    /// Paid and deleted, or damaged and quarantined, at this time: never again.
    Tombstone { quarantined: bool, unix_ms: u64 },
}

impl HashRow {
    pub(super) fn encode(self) -> [u8; 9] {
        let (kind, number) = match self {
            HashRow::Live(sequence) => (1, sequence),
            HashRow::Tombstone { quarantined: false, unix_ms } => (2, unix_ms),
            HashRow::Tombstone { quarantined: true, unix_ms } => (3, unix_ms),
        };
        let mut body = [kind; 9];
        body[1..].copy_from_slice(&number.to_le_bytes());
        body
    }

    pub(super) fn decode(body: &[u8]) -> Option<HashRow> {
        let mut reader = Reader::new(body);
        let kind = reader.u8()?;
        let number = reader.u64()?;
        let row = match kind {
            1 => HashRow::Live(number),
            2 | 3 => HashRow::Tombstone { quarantined: kind == 3, unix_ms: number },
            _ => return None,
        };
        reader.is_at_end().then_some(row)
    }
}

/// What a row of `payment_keys` says: hash, sequence, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyRow {
    pub(super) hash: PaymentHash,
    pub(super) sequence: u64,
    pub(super) unix_ms: u64,
}

impl KeyRow {
    pub(super) fn encode(self) -> [u8; 48] {
        let mut body = [0; 48];
        body[..32].copy_from_slice(&self.hash.0);
        body[32..40].copy_from_slice(&self.sequence.to_le_bytes());
        body[40..].copy_from_slice(&self.unix_ms.to_le_bytes());
        body
    }

    pub(super) fn decode(body: &[u8]) -> Option<KeyRow> {
        let mut reader = Reader::new(body);
        let row = KeyRow {
            hash: PaymentHash(reader.array()?),
            sequence: reader.u64()?,
            unix_ms: reader.u64()?,
        };
        reader.is_at_end().then_some(row)
    }
}

/// Key of an attempt in `payment_attempts` and `payment_outcomes`: sequence, id, namespace.
pub(super) fn attempt_row_key(sequence: u64, key: AttemptKey) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&sequence.to_be_bytes());
    bytes[8..16].copy_from_slice(&key.id.0.to_be_bytes());
    bytes[16..].copy_from_slice(&key.namespace.0);
    bytes
}

pub(super) fn decode_attempt_row_key(bytes: &[u8]) -> Option<(u64, AttemptKey)> {
    let mut reader = Reader::new(bytes);
    let sequence = u64::from_be_bytes(reader.array()?);
    let id = u64::from_be_bytes(reader.array()?);
    let namespace = Namespace(reader.array()?);
    reader.is_at_end().then_some((sequence, AttemptKey::new(namespace, id)))
}

/// Key of an attempt in `payment_attempt_ids`: namespace, id, sequence of its payment.
pub(super) fn id_row_key(sequence: u64, key: AttemptKey) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..24].copy_from_slice(&key.to_bytes());
    bytes[24..].copy_from_slice(&sequence.to_be_bytes());
    bytes
}
