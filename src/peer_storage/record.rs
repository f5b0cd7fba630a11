//! Bytes of a peer's record; its blob is a row of its own, as it came.

use sha2::{Digest, Sha256};

use crate::store::bytes::Reader;

/// What is durable about a peer beside its blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Record {
    /// SHA-256 of the blob on disk.
    pub(crate) sha256: [u8; 32],
    /// Its bytes.
    pub(crate) blob_bytes: u32,
    /// Height at which the last claim ended.
    pub(crate) closed_at: Option<u32>,
    /// Host's time when it was received.
    pub(crate) received_ms: u64,
    /// Host's time when it was written.
    pub(crate) committed_ms: u64,
    /// Blobs accepted.
    pub(crate) updates: u64,
    /// Blobs written.
    pub(crate) commits: u64,
}

/// Bytes of an encoded record.
pub(crate) const RECORD_BYTES: usize = 80;
/// Bit of the flags: there is a height at which the last claim ended.
const CLOSED: u32 = 1;

impl Record {
    pub(crate) fn encode(&self) -> [u8; RECORD_BYTES] {
        let flags = if self.closed_at.is_some() { CLOSED } else { 0 };
        let mut body = [0; RECORD_BYTES];
        body[..32].copy_from_slice(&self.sha256);
        body[32..36].copy_from_slice(&self.blob_bytes.to_le_bytes());
        body[36..40].copy_from_slice(&flags.to_le_bytes());
        body[40..44].copy_from_slice(&self.closed_at.unwrap_or(0).to_le_bytes());
        body[48..56].copy_from_slice(&self.received_ms.to_le_bytes());
        body[56..64].copy_from_slice(&self.committed_ms.to_le_bytes());
        body[64..72].copy_from_slice(&self.updates.to_le_bytes());
        body[72..].copy_from_slice(&self.commits.to_le_bytes());
        body
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Record> {
        let mut reader = Reader::new(body);
        let sha256 = reader.array()?;
        let blob_bytes = reader.u32()?;
        let flags = reader.u32()?;
        let height = reader.u32()?;
        let is_closed = flags & CLOSED != 0;
        let is_known = flags & !CLOSED == 0 && (is_closed || height == 0);
        if !is_known || reader.u32()? != 0 {
            return None;
        }
        let record = Record {
            sha256,
            blob_bytes,
            closed_at: is_closed.then_some(height),
            received_ms: reader.u64()?,
            committed_ms: reader.u64()?,
            updates: reader.u64()?,
            commits: reader.u64()?,
        };
        reader.is_at_end().then_some(record)
    }

    /// Whether a blob is the one that the record is about.
    pub(crate) fn is_of(&self, blob: &[u8]) -> bool {
        blob.len() == self.blob_bytes as usize && sha256_of(blob) == self.sha256
    }
}

pub(crate) fn sha256_of(blob: &[u8]) -> [u8; 32] {
    Sha256::digest(blob).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_damage_does_not() {
        let mut record = Record {
            sha256: sha256_of(b"blob"),
            blob_bytes: 4,
            closed_at: Some(0),
            received_ms: 1,
            committed_ms: 2,
            updates: 3,
            commits: 4,
        };
        assert_eq!(Record::decode(&record.encode()), Some(record));
        record.closed_at = None;
        let body = record.encode();
        assert_eq!(Record::decode(&body), Some(record));
        assert_eq!(Record::decode(&body[..79]), None);
        for (place, value) in [(36, 2), (40, 1), (44, 1)] {
            let mut damaged = body;
            damaged[place] = value;
            assert_eq!(Record::decode(&damaged), None, "byte {place}");
        }
        assert!(record.is_of(b"blob") && !record.is_of(b"blow") && !record.is_of(b""));
    }
}
