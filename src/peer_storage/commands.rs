//! Changes of peers' rows as commands: blob and record in one transaction.
//!
//! Called by `mod`.

use std::sync::Arc;

use super::record::{RECORD_BYTES, Record};
use crate::error::Result;
use crate::events::{self, EVENT_ROWS, Event, EventKind};
use crate::store::batch::{Batch, Command, Cost, Lane, Outcome, Reply, Space};
use crate::store::tables::Table;
use crate::types::NodeId;

/// Replaces a peer's blob.
pub(super) struct WriteBlob {
    pub(super) peer: NodeId,
    pub(super) blob: Arc<Vec<u8>>,
    pub(super) record: Record,
}

impl Command for WriteBlob {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        batch.put(Table::PeerBlobs, &self.peer.0, &self.blob)?;
        batch.put(Table::PeerRecords, &self.peer.0, &self.record.encode())?;
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 2, bytes: self.blob.len() as u64 + 2 * RECORD_BYTES as u64 }
    }

    fn lane(&self) -> Lane {
        Lane::Bulk
    }

    fn space(&self) -> Space {
        Space::Grows
    }
}

/// Notes when a peer's last claim ended, or that there is one again.
pub(super) struct WriteRecord {
    pub(super) peer: NodeId,
    pub(super) record: Record,
}

impl Command for WriteRecord {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        batch.put(Table::PeerRecords, &self.peer.0, &self.record.encode())?;
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 2 * RECORD_BYTES as u64 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// Removes a peer's blob, and tells it unless the operator asked for it.
pub(super) struct Remove {
    pub(super) peer: NodeId,
    pub(super) told_as: Option<EventKind>,
}

impl Command for Remove {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        batch.delete(Table::PeerBlobs, &self.peer.0)?;
        batch.delete(Table::PeerRecords, &self.peer.0)?;
        let mut reply = Reply::done();
        if let Some(kind) = self.told_as {
            reply.event_sequence = tell(batch, kind, self.peer)?;
        }
        Ok(reply)
    }

    fn cost(&self) -> Cost {
        Cost { rows: 2 + EVENT_ROWS, bytes: 512 }
    }

    fn lane(&self) -> Lane {
        Lane::Bulk
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// An event by itself.
pub(super) struct Tell {
    pub(super) peer: NodeId,
    pub(super) kind: EventKind,
}

impl Command for Tell {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let event_sequence = tell(batch, self.kind, self.peer)?;
        Ok(Reply { event_sequence, ..Reply::done() })
    }

    fn cost(&self) -> Cost {
        Cost { rows: EVENT_ROWS, bytes: 256 }
    }

    fn space(&self) -> Space {
        Space::Grows
    }
}

fn tell(batch: &mut Batch<'_>, kind: EventKind, peer: NodeId) -> Result<u64> {
    events::append(batch, Event::about_peer(kind, peer))
}
