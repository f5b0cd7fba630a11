//! Reading peers' rows: all records at open, one blob when it is asked for.
//!
//! SL1 a blob is given out only if its envelope, its length and its SHA-256 agree. SL2 a damaged record is
//! made anew of its blob, and its clock of the collection starts over.

use super::options::PeerStorageReport;
use super::record::{Record, sha256_of};
use super::rules::Provider;
use crate::error::{Error, Result, Status};
use crate::store::batch::{Rows, View};
use crate::store::tables::Table;
use crate::types::NodeId;

/// Every record, into an empty provider.
pub(super) fn load(view: &View<'_>, provider: &mut Provider) -> Result<PeerStorageReport> {
    let mut damaged = Vec::new();
    let mut with_blob = 0u64;
    let mut failure = None;
    view.scan(Table::PeerRecords, &[], |key, body| {
        match view.snapshot().get(Table::PeerBlobs, key) {
            Ok(blob) => with_blob += u64::from(blob.is_some()),
            Err(error) => failure = Some(error),
        }
        if let Some(node) = node_of(key) {
            match body.ok().and_then(Record::decode) {
                Some(record) => provider.load(node, record),
                None => damaged.push(node),
            }
        }
        failure.is_none()
    })?;
    failure.map_or(Ok(()), Err)?;
    // A blob whose record is gone is found by a look at every blob, which only such a store pays for.
    if view.heads()?.of(Table::PeerBlobs).rows != with_blob {
        view.scan(Table::PeerBlobs, &[], |key, _| {
            let lost = node_of(key).filter(|node| provider.peer(*node).stored.is_none());
            damaged.extend(lost);
            true
        })?;
    }
    damaged.sort_unstable();
    damaged.dedup();
    for node in &damaged {
        let blob = stored_blob(view, *node)?;
        let record = blob.map(|blob| Record {
            sha256: sha256_of(&blob),
            blob_bytes: blob.len() as u32,
            ..Record::default()
        });
        provider.load_remade(*node, record);
    }
    let stats = provider.stats();
    Ok(PeerStorageReport { peers: stats.peers, bytes: stats.bytes, damaged: damaged.len() as u64 })
}

fn node_of(key: &[u8]) -> Option<NodeId> {
    key.try_into().ok().map(NodeId)
}

/// The bytes of a row, `None` when it is damaged or gone.
fn stored_blob(rows: &impl Rows, node: NodeId) -> Result<Option<Vec<u8>>> {
    match rows.row(Table::PeerBlobs, &node.0) {
        Err(error) if error.status() == Status::CorruptRecord => Ok(None),
        other => other,
    }
}

/// SL1: the blob that a record is about, `None` when it does not pass.
pub(super) fn checked_blob(
    rows: &impl Rows,
    node: NodeId,
    record: &Record,
) -> Result<Option<Vec<u8>>> {
    Ok(stored_blob(rows, node)?.filter(|blob| record.is_of(blob)))
}

/// What a caller gets instead of a blob that did not pass.
pub(super) fn damaged(node: NodeId) -> Error {
    let fact = "is damaged on disk and is not returned; a new one replaces it";
    Error::new(Status::CorruptRecord, format!("the blob of peer {node} {fact}"))
}
