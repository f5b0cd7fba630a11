//! Changes of the backup's rows as commands.
//!
//! BC1 numbers only rise: the row of the database keeps the greatest of what it has and what is written, in
//! whatever order commits come. Called by `mod`.

use super::record::{PEER_BYTES, STATE_KEY, State};
use crate::error::{Error, Status};
use crate::events::{self, EVENT_ROWS, Event, EventKind};
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Rows, Space};
use crate::store::tables::Table;
use crate::types::NodeId;

/// A peer's row, what changes about the database, and what is told of both.
#[derive(Default)]
pub(super) struct Change {
    pub(super) peers: Vec<(NodeId, [u8; PEER_BYTES])>,
    pub(super) state: Option<State>,
    pub(super) told: Vec<(EventKind, NodeId)>,
    /// Something new is sent: not on a full disk.
    pub(super) grows: bool,
}

impl Change {
    pub(super) fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.state.is_none() && self.told.is_empty()
    }
}

impl Command for Change {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        for (peer, body) in &self.peers {
            batch.put(Table::BackupPeers, &peer.0, body)?;
        }
        if let Some(state) = self.state {
            let known = match batch.row(Table::BackupState, STATE_KEY) {
                Ok(body) => body.as_deref().and_then(State::decode),
                Err(error) if error.status() == Status::CorruptRecord => None,
                Err(error) => return Err(error),
            };
            let state = State {
                next_seq: state.next_seq.max(known.map_or(0, |known| known.next_seq)),
                foreign_seq: state.foreign_seq.max(known.map_or(0, |known| known.foreign_seq)),
                ..state
            };
            batch.put(Table::BackupState, STATE_KEY, &state.encode())?;
        }
        let mut reply = Reply::done();
        for (kind, peer) in &self.told {
            reply.event_sequence = events::append(batch, Event::about_peer(*kind, *peer))?;
        }
        Ok(reply)
    }

    fn cost(&self) -> Cost {
        let (peers, told) = (self.peers.len() as u64, self.told.len() as u64);
        Cost { rows: peers + 1 + told * EVENT_ROWS, bytes: (peers + told + 1) * 256 }
    }

    fn space(&self) -> Space {
        if self.grows { Space::Grows } else { Space::Settles }
    }
}

/// What a caller gets when no random numbers could be had.
pub(super) fn no_entropy(error: &getrandom::Error) -> Error {
    Error::new(Status::Io, format!("drawing random numbers: {error}"))
}
