//! What the rows of peer storage must say about each other, for a check of the whole file: every record has
//! its blob, every blob its record, and they agree.
//!
//! Blobs come first in the walk; of each, a hash is kept until its record is met.

use std::collections::BTreeMap;

use super::record::{Record, sha256_of};
use crate::limits::PEER_BLOB_BYTES_MAX;
use crate::store::heads::Heads;
use crate::store::tables::Table;

type Disagreement = (Table, Vec<u8>, String);

/// Blobs whose record was not met yet, by peer.
#[derive(Debug, Default)]
pub(crate) struct PeerReferences {
    blobs: BTreeMap<Vec<u8>, Met>,
}

#[derive(Debug)]
enum Met {
    Blob { sha256: [u8; 32], bytes: usize },
    Damaged,
}

impl PeerReferences {
    pub(crate) fn row(&mut self, table: Table, key: &[u8], body: &[u8]) -> Option<String> {
        match table {
            Table::PeerBlobs => self.blob(key, body),
            Table::PeerRecords => self.record(key, body),
            _ => None,
        }
    }

    fn blob(&mut self, key: &[u8], body: &[u8]) -> Option<String> {
        let met = Met::Blob { sha256: sha256_of(body), bytes: body.len() };
        self.blobs.insert(key.to_vec(), met);
        let bytes = body.len();
        (bytes > PEER_BLOB_BYTES_MAX).then(|| format!("a blob of {bytes} bytes fits no message"))
    }

    fn record(&mut self, key: &[u8], body: &[u8]) -> Option<String> {
        let blob = self.blobs.remove(key);
        let Some(record) = Record::decode(body) else {
            return Some("no record of a peer's blob".to_owned());
        };
        match blob {
            None => Some("the blob of this record is missing".to_owned()),
            Some(Met::Blob { sha256, bytes })
                if sha256 != record.sha256 || bytes != record.blob_bytes as usize =>
            {
                Some("another blob than the one that this record is about".to_owned())
            }
            Some(_) => None,
        }
    }

    pub(crate) fn damaged(&mut self, table: Table, key: &[u8]) {
        match table {
            Table::PeerBlobs => drop(self.blobs.insert(key.to_vec(), Met::Damaged)),
            Table::PeerRecords => drop(self.blobs.remove(key)),
            _ => {}
        }
    }

    pub(crate) fn disagreements(&mut self, _heads: &Heads) -> Vec<Disagreement> {
        let lonely = std::mem::take(&mut self.blobs).into_keys();
        let fact = |key| (Table::PeerBlobs, key, "a blob without a record".to_owned());
        lonely.map(fact).collect()
    }
}
