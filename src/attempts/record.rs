//! What is kept about one attempt, and its bytes.
//!
//! K1 `decode(encode(x)) == x`. K2 a tombstone keeps no request, no result and no message.
//! K3 decoding damaged bytes answers `None`; it never panics and never guesses.

use crate::error::Result;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::memory::with_room;
use crate::store::bytes::Reader;
use crate::types::{AttemptKey, Fingerprint, PaymentHash, Preimage, RawMessage};

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// Registered; the HTLC has certainly never left.
    Intent = 1,
    /// The HTLC may have left.
    HandedOff = 2,
    /// The preimage is known.
    Settled = 3,
    /// Failed, by the network, on chain, or here before it left.
    Failed = 4,
    /// Deleted; the id stays burned.
    Deleted = 5,
}

impl State {
    /// Every state, in the order of the numbers.
    pub const ALL: [State; 5] =
        [State::Intent, State::HandedOff, State::Settled, State::Failed, State::Deleted];

    pub(crate) fn from_number(number: u8) -> Option<State> {
        State::ALL.into_iter().find(|state| *state as u8 == number)
    }

    /// Whether no final result is known yet.
    pub fn is_pending(self) -> bool {
        matches!(self, State::Intent | State::HandedOff)
    }

    /// Whether a final result is known.
    pub fn is_final(self) -> bool {
        matches!(self, State::Settled | State::Failed)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The recipient took it.
    Settle(Preimage),
    /// It failed. The code is BOLT 4's when it is known here: a failure made by this node; else 0.
    Fail {
        /// BOLT 4 failure code, 0 when only the encrypted reason is known.
        failure_code: u16,
    },
}

/// Final result of an attempt. All fields come back exactly as they were stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptResult {
    /// How it ended.
    pub ending: Ending,
    /// The reason is in the clear because this node made it.
    pub unencrypted: bool,
    /// The outcome was learned on chain.
    pub resolution: bool,
    /// The host's own message or reason, as bytes.
    pub message: RawMessage,
}

impl AttemptResult {
    /// A settle learned from the network.
    pub fn settle(preimage: Preimage) -> AttemptResult {
        AttemptResult {
            ending: Ending::Settle(preimage),
            unencrypted: false,
            resolution: false,
            message: RawMessage::default(),
        }
    }

    /// An encrypted failure from the network.
    pub fn network_failure(reason: RawMessage) -> AttemptResult {
        AttemptResult {
            ending: Ending::Fail { failure_code: 0 },
            unencrypted: false,
            resolution: false,
            message: reason,
        }
    }

    /// A failure made by this node before the HTLC left.
    pub fn local_failure(failure_code: u16) -> AttemptResult {
        AttemptResult {
            ending: Ending::Fail { failure_code },
            unencrypted: true,
            resolution: false,
            message: RawMessage::default(),
        }
    }

    /// The state that this result leads to.
    pub fn state(&self) -> State {
        match self.ending {
            Ending::Settle(_) => State::Settled,
            Ending::Fail { .. } => State::Failed,
        }
    }

    /// The failure code, 0 for a settle and for an encrypted failure.
    pub fn failure_code(&self) -> u16 {
        match self.ending {
            Ending::Settle(_) => 0,
            Ending::Fail { failure_code } => failure_code,
        }
    }
}

/// Facts about an attempt beside its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// The host has recorded the outcome elsewhere.
    pub const ACKED: u8 = 1;
    /// A settle replaced a failure that had been reported.
    pub const CONFLICT: u8 = 2;
    /// Failed here, by a rollback or by recovery.
    pub const ROLLED_BACK: u8 = 4;
    /// Rolled back by the operator although it had been handed off.
    pub const FORCED: u8 = 8;
    /// The record was unreadable and was removed.
    pub const QUARANTINED: u8 = 16;
    /// Registered with a payment's attempt, which has to take the result before the record may go.
    pub const OF_PAYMENT: u8 = 32;

    /// Whether a bit is set.
    pub fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    pub(crate) fn with(self, bit: u8) -> Flags {
        Flags(self.0 | bit)
    }
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its id and whose it is.
    pub key: AttemptKey,
    /// Where it stands.
    pub state: State,
    /// Facts beside the state.
    pub flags: Flags,
    /// Epoch of the store in which it was registered.
    pub created_epoch: u64,
    /// Time of registration as the host told it, 0 if unknown.
    pub created_unix_ms: u64,
    /// Time of the last change of state, 0 if unknown.
    pub updated_unix_ms: u64,
    /// Amount of the HTLC, 0 if the host gave none.
    pub amount_msat: u64,
    /// Short channel id of the first hop, 0 if the host gave none.
    pub first_hop_scid: u64,
    /// Absolute height at which the HTLC times out, 0 if the host gave none.
    pub cltv_expiry: u32,
    /// Hash of the request, made by the host.
    pub fingerprint: Option<Fingerprint>,
    /// Payment hash; with it a wrong preimage is refused.
    pub payment_hash: Option<PaymentHash>,
    /// The final result, there exactly in the final states.
    pub result: Option<AttemptResult>,
}

const HAS_FINGERPRINT: u8 = 1;
const HAS_PAYMENT_HASH: u8 = 2;
const RESULT_SETTLE: u8 = 1;
const RESULT_UNENCRYPTED: u8 = 2;
const RESULT_RESOLUTION: u8 = 4;
const BYTES_WITHOUT_MESSAGE_MAX: usize = 160;

impl Attempt {
    /// # Errors
    /// `Busy`.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let message = self.result.as_ref().map_or(0, |result| result.message.len());
        let mut body = with_room(BYTES_WITHOUT_MESSAGE_MAX + message)?;
        let mut present = 0;
        if self.fingerprint.is_some() {
            present |= HAS_FINGERPRINT;
        }
        if self.payment_hash.is_some() {
            present |= HAS_PAYMENT_HASH;
        }
        body.extend_from_slice(&[self.state as u8, self.flags.0, present, 0]);
        body.extend_from_slice(&self.cltv_expiry.to_le_bytes());
        body.extend_from_slice(&self.created_epoch.to_le_bytes());
        body.extend_from_slice(&self.created_unix_ms.to_le_bytes());
        body.extend_from_slice(&self.updated_unix_ms.to_le_bytes());
        body.extend_from_slice(&self.amount_msat.to_le_bytes());
        body.extend_from_slice(&self.first_hop_scid.to_le_bytes());
        body.extend_from_slice(self.fingerprint.as_ref().map_or(&[][..], |hash| &hash.0));
        body.extend_from_slice(self.payment_hash.as_ref().map_or(&[][..], |hash| &hash.0));
        if let Some(result) = &self.result {
            encode_result(result, &mut body);
        }
        debug_assert!(
            Attempt::decode(self.key, &body).map_or(true, |read| read.as_ref() == Some(self)),
            "K1"
        );
        Ok(body)
    }

    /// `None` for damaged bytes.
    ///
    /// # Errors
    /// `Busy`.
    pub(crate) fn decode(key: AttemptKey, body: &[u8]) -> Result<Option<Attempt>> {
        let Some((mut attempt, message)) = Attempt::parse(key, body) else { return Ok(None) };
        if let Some(result) = &mut attempt.result {
            result.message = RawMessage::copied(message)?;
        }
        Ok(Some(attempt))
    }

    /// An attempt whose result has no message yet, and the message.
    pub(crate) fn parse(key: AttemptKey, body: &[u8]) -> Option<(Attempt, &[u8])> {
        let mut message = &[][..];
        let mut reader = Reader::new(body);
        let state = State::from_number(reader.u8()?)?;
        let flags = Flags(reader.u8()?);
        let present = reader.u8()?;
        reader.take(1)?;
        let mut attempt = Attempt {
            key,
            state,
            flags,
            cltv_expiry: reader.u32()?,
            created_epoch: reader.u64()?,
            created_unix_ms: reader.u64()?,
            updated_unix_ms: reader.u64()?,
            amount_msat: reader.u64()?,
            first_hop_scid: reader.u64()?,
            fingerprint: None,
            payment_hash: None,
            result: None,
        };
        if present & HAS_FINGERPRINT != 0 {
            attempt.fingerprint = Some(Fingerprint(reader.array()?));
        }
        if present & HAS_PAYMENT_HASH != 0 {
            attempt.payment_hash = Some(PaymentHash(reader.array()?));
        }
        if state.is_final() {
            let result;
            (result, message) = parse_result(&mut reader)?;
            if result.state() != state {
                return None;
            }
            attempt.result = Some(result);
        }
        reader.is_at_end().then_some((attempt, message))
    }

    /// What is left of an attempt once it is deleted (K2).
    pub(crate) fn tombstone(&self, unix_ms: u64) -> Attempt {
        Attempt {
            state: State::Deleted,
            updated_unix_ms: unix_ms,
            amount_msat: 0,
            first_hop_scid: 0,
            cltv_expiry: 0,
            fingerprint: None,
            payment_hash: None,
            result: None,
            ..self.clone()
        }
    }
}

fn encode_result(result: &AttemptResult, body: &mut Vec<u8>) {
    let mut flags = 0;
    if matches!(result.ending, Ending::Settle(_)) {
        flags |= RESULT_SETTLE;
    }
    if result.unencrypted {
        flags |= RESULT_UNENCRYPTED;
    }
    if result.resolution {
        flags |= RESULT_RESOLUTION;
    }
    body.extend_from_slice(&[flags, 0]);
    body.extend_from_slice(&result.failure_code().to_le_bytes());
    if let Ending::Settle(preimage) = &result.ending {
        body.extend_from_slice(preimage.expose());
    }
    let length = u32::try_from(result.message.len()).unwrap_or(u32::MAX);
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(result.message.expose());
}

fn parse_result<'body>(reader: &mut Reader<'body>) -> Option<(AttemptResult, &'body [u8])> {
    let flags = reader.u8()?;
    reader.take(1)?;
    let failure_code = reader.u16()?;
    let ending = if flags & RESULT_SETTLE != 0 {
        Ending::Settle(Preimage::new(reader.array()?))
    } else {
        Ending::Fail { failure_code }
    };
    let length = usize::try_from(reader.u32()?).ok()?;
    if length > MESSAGE_BYTES_MAX {
        return None;
    }
    let result = AttemptResult {
        ending,
        unencrypted: flags & RESULT_UNENCRYPTED != 0,
        resolution: flags & RESULT_RESOLUTION != 0,
        message: RawMessage::default(),
    };
    Some((result, reader.take(length)?))
}

/// What is kept about one namespace, and under [`crate::types::Namespace`] of all ones about all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NamespaceRow {
    /// Records by state, in the order of [`State::ALL`].
    pub(crate) counts: [u64; 5],
    /// Every final record below this id is acknowledged.
    pub(crate) acked_below: u64,
    /// Ids below this one without a record are refused for good.
    pub(crate) id_floor: u64,
    /// Next id that an allocation tries; only in the row of all namespaces.
    pub(crate) next_id: u64,
    pub(crate) flags: u32,
}

impl NamespaceRow {
    /// A network result arrived for an attempt never marked as handed off: the host does not mark.
    pub(crate) const UNMARKED_RESULT: u32 = 1;
    /// An external router owns the attempts; only in the row of all namespaces.
    pub(crate) const EXTERNAL: u32 = 2;
    /// The row was damaged and counted anew: its floor is not known, so new ids are refused.
    pub(crate) const FLOOR_LOST: u32 = 4;

    pub(crate) fn count(&mut self, before: Option<State>, after: Option<State>) {
        if let Some(state) = before {
            let count = &mut self.counts[state as usize - 1];
            *count = count.saturating_sub(1);
        }
        if let Some(state) = after {
            self.counts[state as usize - 1] += 1;
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(68);
        for count in self.counts {
            body.extend_from_slice(&count.to_le_bytes());
        }
        body.extend_from_slice(&self.acked_below.to_le_bytes());
        body.extend_from_slice(&self.id_floor.to_le_bytes());
        body.extend_from_slice(&self.next_id.to_le_bytes());
        body.extend_from_slice(&self.flags.to_le_bytes());
        body
    }

    pub(crate) fn decode(body: &[u8]) -> Option<NamespaceRow> {
        let mut reader = Reader::new(body);
        let mut row = NamespaceRow::default();
        for count in &mut row.counts {
            *count = reader.u64()?;
        }
        row.acked_below = reader.u64()?;
        row.id_floor = reader.u64()?;
        row.next_id = reader.u64()?;
        row.flags = reader.u32()?;
        reader.is_at_end().then_some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Namespace;

    fn full() -> Attempt {
        Attempt {
            key: AttemptKey::new(Namespace([1; 16]), 2),
            state: State::Settled,
            flags: Flags(Flags::CONFLICT),
            created_epoch: 3,
            created_unix_ms: 4,
            updated_unix_ms: 5,
            amount_msat: 6,
            first_hop_scid: 7,
            cltv_expiry: 8,
            fingerprint: Some(Fingerprint([9; 32])),
            payment_hash: Some(PaymentHash([10; 32])),
            result: Some(AttemptResult {
                resolution: true,
                message: RawMessage::new(vec![1, 2, 3]),
                ..AttemptResult::settle(Preimage::new([11; 32]))
            }),
        }
    }

    #[test]
    fn every_shape_of_record_reads_back_and_no_prefix_of_it_does() {
        let mut failed = full();
        failed.state = State::Failed;
        failed.result = Some(AttemptResult::local_failure(0x2002));
        let mut pending = full();
        pending.state = State::HandedOff;
        pending.result = None;
        pending.fingerprint = None;
        for attempt in [full(), failed, pending, full().tombstone(12)] {
            let body = attempt.encode().unwrap();
            assert_eq!(Attempt::decode(attempt.key, &body).unwrap().as_ref(), Some(&attempt));
            for length in 0..body.len() {
                assert_eq!(Attempt::decode(attempt.key, &body[..length]).unwrap(), None);
            }
        }
    }

    #[test]
    fn a_result_of_another_state_is_damage() {
        let mut body = full().encode().unwrap();
        body[0] = State::Failed as u8;
        assert_eq!(Attempt::decode(full().key, &body).unwrap(), None);
    }

    #[test]
    fn a_tombstone_is_small_and_keeps_no_secret() {
        let body = full().tombstone(1).encode().unwrap();
        assert!(body.len() <= 48, "{}", body.len());
        assert!(!body.windows(8).any(|window| window == [11; 8]));
    }

    #[test]
    fn namespace_rows_read_back() {
        let row = NamespaceRow { counts: [1, 2, 3, 4, 5], flags: 3, ..NamespaceRow::default() };
        assert_eq!(NamespaceRow::decode(&row.encode()), Some(row));
        assert_eq!(NamespaceRow::decode(&[0; 10]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_decode_to_a_record_that_encodes_to_them_or_to_nothing(
            state in 0u8..8,
            flags in proptest::num::u8::ANY,
            present in 0u8..4,
            tail in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        ) {
            let mut body = vec![state, flags, present, 0];
            body.extend_from_slice(&tail);
            if let Some(attempt) = Attempt::decode(full().key, &body).unwrap() {
                let again = attempt.encode().unwrap();
                proptest::prop_assert_eq!(Attempt::decode(full().key, &again).unwrap(), Some(attempt));
            }
            NamespaceRow::decode(&body).map(|row| row.encode());
        }
    }
}
