//! Bytes of an event.

use crate::store::bytes::Reader;
use crate::types::{Clock, Namespace, NodeId};

/// What happened. The number is on disk and a bit of the mask of recorded kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum EventKind {
    /// An attempt was registered.
    AttemptInit = 0,
    /// An attempt was marked as handed off.
    AttemptHandedOff = 1,
    /// An attempt got its final result.
    AttemptResolved = 2,
    /// A settle replaced a failure that had been reported: money moved after all.
    AttemptConflict = 3,
    /// An attempt was deleted, or its record became a tombstone.
    AttemptDeleted = 4,
    /// An unreadable attempt was quarantined; its id stays burned.
    AttemptCorrupt = 5,
    /// A payment was initiated, for the first time or again after it failed.
    PaymentInitiated = 6,
    /// An attempt of a payment was registered.
    PaymentAttemptRegistered = 7,
    /// An attempt of a payment settled.
    PaymentAttemptSettled = 8,
    /// An attempt of a payment failed.
    PaymentAttemptFailed = 9,
    /// A payment was given up.
    PaymentFailed = 10,
    /// An attempt settled after its failure, or the payment's, had been reported: money moved after all.
    PaymentLateSettle = 11,
    /// The operator ended an attempt of a payment by force.
    PaymentForced = 12,
    /// A payment was deleted.
    PaymentDeleted = 13,
    /// An unreadable payment was quarantined; its hash stays refused.
    PaymentCorrupt = 14,
    /// The blob that is kept for a peer is damaged: it is not returned.
    PeerBlobCorrupt = 15,
    /// A peer's blob was refused for a quota; told once per peer while the component is open.
    PeerBlobRefused = 16,
    /// A peer's blob was removed, long enough after its last claim.
    PeerBlobCollected = 17,
    /// A peer holds a newer state than ours: we lost ours.
    BackupStateLoss = 18,
    /// A peer holds a blob that we cannot read and did not send.
    BackupUnreadable = 19,
    /// A peer lost, rolled back or damaged what it had confirmed.
    BackupStrike = 20,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [EventKind; 21] = [
        EventKind::AttemptInit,
        EventKind::AttemptHandedOff,
        EventKind::AttemptResolved,
        EventKind::AttemptConflict,
        EventKind::AttemptDeleted,
        EventKind::AttemptCorrupt,
        EventKind::PaymentInitiated,
        EventKind::PaymentAttemptRegistered,
        EventKind::PaymentAttemptSettled,
        EventKind::PaymentAttemptFailed,
        EventKind::PaymentFailed,
        EventKind::PaymentLateSettle,
        EventKind::PaymentForced,
        EventKind::PaymentDeleted,
        EventKind::PaymentCorrupt,
        EventKind::PeerBlobCorrupt,
        EventKind::PeerBlobRefused,
        EventKind::PeerBlobCollected,
        EventKind::BackupStateLoss,
        EventKind::BackupUnreadable,
        EventKind::BackupStrike,
    ];

    /// The kind's bit in a mask.
    pub const fn bit(self) -> u64 {
        1 << (self as u16)
    }

    fn from_number(number: u16) -> Option<EventKind> {
        EventKind::ALL.into_iter().find(|kind| *kind as u16 == number)
    }
}

/// One change, as it was when its commit became durable. The full record is fetched by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Number of the event: rises by one, never reused.
    pub sequence: u64,
    /// What happened.
    pub kind: EventKind,
    /// State of the attempt's record, or status of the payment, after the event; the first byte of the node
    /// id where it is about a peer.
    pub state: u8,
    /// State of the payment's attempt after the event, 0 where it is about no attempt.
    pub attempt_state: u8,
    /// Why the payment was given up, 0 while it was not.
    pub failure_reason: u8,
    /// Bits of [`Event::TERMINAL`], [`Event::LATE_SETTLE`].
    pub flags: u8,
    /// BOLT 4 failure code, 0 where there is none or it is not known.
    pub failure_code: u16,
    /// What it happened to: an attempt's namespace, padded with zeros, a payment's hash, or a peer's node id
    /// without its first byte, which is `state` then.
    pub subject: [u8; 32],
    /// Namespace of the attempt.
    pub namespace: Namespace,
    /// Attempt id, 0 where it is about no attempt.
    pub attempt_id: u64,
    /// Amount of the attempt, or of the payment where it is about no attempt; 0 if unknown.
    pub amount_msat: u64,
    /// Amount of the payment that no attempt covers.
    pub remaining_msat: u64,
    /// Fees of the payment's attempts that did not fail.
    pub fees_msat: u64,
    /// What the host last told about time.
    pub clock: Clock,
}

/// Bytes of an encoded event.
pub(crate) const EVENT_BYTES: usize = 104;
/// What one event takes on disk: key, envelope, body and LMDB's own bytes.
pub(crate) const EVENT_ROW_BYTES: u64 = 8 + 6 + EVENT_BYTES as u64 + 10;

impl Event {
    /// The payment ended with this event.
    pub const TERMINAL: u8 = 1;
    /// A settle came after a failure had been reported.
    pub const LATE_SETTLE: u8 = 2;

    /// An event about a peer's blob: which peer is all it says.
    pub(crate) fn about_peer(kind: EventKind, peer: NodeId) -> Event {
        let mut subject = [0; 32];
        subject.copy_from_slice(&peer.0[1..]);
        Event {
            sequence: 0,
            kind,
            state: peer.0[0],
            attempt_state: 0,
            failure_reason: 0,
            flags: 0,
            failure_code: 0,
            subject,
            namespace: Namespace::default(),
            attempt_id: 0,
            amount_msat: 0,
            remaining_msat: 0,
            fees_msat: 0,
            clock: Clock::default(),
        }
    }

    /// The peer that an event of a peer's kind is about.
    pub fn peer(&self) -> Option<NodeId> {
        if self.kind < EventKind::PeerBlobCorrupt {
            return None;
        }
        let mut node = [self.state; 33];
        node[1..].copy_from_slice(&self.subject);
        Some(NodeId(node))
    }

    pub(crate) fn encode(&self) -> [u8; EVENT_BYTES] {
        let mut body = [0; EVENT_BYTES];
        body[0..2].copy_from_slice(&(self.kind as u16).to_le_bytes());
        body[2] = self.state;
        body[3] = self.attempt_state;
        body[6] = self.failure_reason;
        body[7] = self.flags;
        body[4..6].copy_from_slice(&self.failure_code.to_le_bytes());
        body[8..40].copy_from_slice(&self.subject);
        body[40..48].copy_from_slice(&self.attempt_id.to_le_bytes());
        body[48..56].copy_from_slice(&self.amount_msat.to_le_bytes());
        body[56..64].copy_from_slice(&self.clock.unix_ms.to_le_bytes());
        body[64..68].copy_from_slice(&self.clock.block_height.to_le_bytes());
        body[72..80].copy_from_slice(&self.remaining_msat.to_le_bytes());
        body[80..88].copy_from_slice(&self.fees_msat.to_le_bytes());
        body[88..104].copy_from_slice(&self.namespace.0);
        body
    }

    pub(crate) fn decode(sequence: u64, body: &[u8]) -> Option<Event> {
        let mut reader = Reader::new(body);
        let kind = EventKind::from_number(reader.u16()?)?;
        let state = reader.u8()?;
        let attempt_state = reader.u8()?;
        let failure_code = reader.u16()?;
        let failure_reason = reader.u8()?;
        let flags = reader.u8()?;
        let subject = reader.array()?;
        let attempt_id = reader.u64()?;
        let amount_msat = reader.u64()?;
        let clock = Clock { unix_ms: reader.u64()?, block_height: reader.u32()? };
        reader.take(4)?;
        let event = Event {
            sequence,
            kind,
            state,
            attempt_state,
            failure_reason,
            flags,
            failure_code,
            subject,
            attempt_id,
            amount_msat,
            clock,
            remaining_msat: reader.u64()?,
            fees_msat: reader.u64()?,
            namespace: Namespace(reader.array()?),
        };
        reader.is_at_end().then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_and_a_truncated_one_does_not() {
        let event = Event {
            sequence: 3,
            kind: EventKind::AttemptConflict,
            state: 4,
            attempt_state: 1,
            failure_reason: 2,
            flags: 3,
            failure_code: 0x2002,
            subject: [7; 32],
            attempt_id: 5,
            amount_msat: 6,
            clock: Clock { unix_ms: 8, block_height: 9 },
            remaining_msat: 10,
            fees_msat: 11,
            namespace: Namespace([12; 16]),
        };
        let body = event.encode();
        assert_eq!(Event::decode(3, &body), Some(event));
        assert_eq!(Event::decode(3, &body[..103]), None);
    }
}
