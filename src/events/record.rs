//! Bytes of an event.

use crate::store::bytes::Reader;
use crate::types::Clock;

/// What happened. The number is on disk and a bit of the mask of recorded kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
}

impl EventKind {
    /// Every kind.
    pub const ALL: [EventKind; 6] = [
        EventKind::AttemptInit,
        EventKind::AttemptHandedOff,
        EventKind::AttemptResolved,
        EventKind::AttemptConflict,
        EventKind::AttemptDeleted,
        EventKind::AttemptCorrupt,
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
    /// State of the record after the event, as the component numbers its states.
    pub state: u8,
    /// BOLT 4 failure code, 0 where there is none or it is not known.
    pub failure_code: u16,
    /// What it happened to: an attempt's namespace, padded with zeros.
    pub subject: [u8; 32],
    /// Attempt id.
    pub attempt_id: u64,
    /// Amount of the attempt, 0 when the host gave none.
    pub amount_msat: u64,
    /// What the host last told about time.
    pub clock: Clock,
}

/// Bytes of an encoded event.
pub(crate) const EVENT_BYTES: usize = 80;
/// What one event takes on disk: key, envelope, body and LMDB's own bytes.
pub(crate) const EVENT_ROW_BYTES: u64 = 8 + 6 + EVENT_BYTES as u64 + 10;

impl Event {
    pub(crate) fn encode(&self) -> [u8; EVENT_BYTES] {
        let mut body = [0; EVENT_BYTES];
        body[0..2].copy_from_slice(&(self.kind as u16).to_le_bytes());
        body[2] = self.state;
        body[4..6].copy_from_slice(&self.failure_code.to_le_bytes());
        body[8..40].copy_from_slice(&self.subject);
        body[40..48].copy_from_slice(&self.attempt_id.to_le_bytes());
        body[48..56].copy_from_slice(&self.amount_msat.to_le_bytes());
        body[56..64].copy_from_slice(&self.clock.unix_ms.to_le_bytes());
        body[64..68].copy_from_slice(&self.clock.block_height.to_le_bytes());
        body
    }

    pub(crate) fn decode(sequence: u64, body: &[u8]) -> Option<Event> {
        let mut reader = Reader::new(body);
        let kind = EventKind::from_number(reader.u16()?)?;
        let state = reader.u8()?;
        reader.take(1)?;
        let failure_code = reader.u16()?;
        reader.take(2)?;
        let event = Event {
            sequence,
            kind,
            state,
            failure_code,
            subject: reader.array()?,
            attempt_id: reader.u64()?,
            amount_msat: reader.u64()?,
            clock: Clock { unix_ms: reader.u64()?, block_height: reader.u32()? },
        };
        reader.take(EVENT_BYTES - 68)?;
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
            failure_code: 0x2002,
            subject: [7; 32],
            attempt_id: 5,
            amount_msat: 6,
            clock: Clock { unix_ms: 8, block_height: 9 },
        };
        let body = event.encode();
        assert_eq!(Event::decode(3, &body), Some(event));
        assert_eq!(Event::decode(3, &body[..79]), None);
    }
}
