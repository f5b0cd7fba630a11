//! Changes of the backup's rows as commands.
//!
//! BC1 in whatever order commits come, numbers only rise, a database that sent something is never fresh
//! again, and one that is blocked stays so until an operator acknowledges it. Called by `mod` and `load`.

use super::generation::{STRIPE_BYTES_MAX, STRIPE_KEY, Stripe};
use super::record::{PEER_BYTES, STATE_KEY, State};
use crate::error::{Error, Result, Status};
use crate::events::{self, EVENT_ROWS, Event, EventKind};
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Rows, Space};
use crate::store::blob::{self, Owner, RemovalBudget, Staged};
use crate::store::tables::Table;
use crate::types::NodeId;

/// A peer's row, what changes about the database, and what is told of both.
#[derive(Default)]
pub(super) struct Change {
    pub(super) peers: Vec<(NodeId, [u8; PEER_BYTES])>,
    pub(super) state: Option<State>,
    pub(super) stripe: Option<Stripe>,
    /// What the base of the stripe is made of, already in the store.
    pub(super) base: Option<Staged>,
    pub(super) told: Vec<(EventKind, NodeId)>,
    /// Peers whose row goes.
    pub(super) forgotten: Vec<NodeId>,
    /// The operator lets us go on: without that, nothing makes a blocked database an open one.
    pub(super) acknowledges: bool,
    /// It can wait for space.
    pub(super) grows: bool,
}

impl Change {
    /// BC1.
    fn merge(&self, known: State, state: State) -> State {
        State {
            next_seq: state.next_seq.max(known.next_seq),
            foreign_seq: state.foreign_seq.max(known.foreign_seq),
            is_fresh: state.is_fresh && known.is_fresh,
            is_blocked: state.is_blocked || (known.is_blocked && !self.acknowledges),
            adopted_seq: state.adopted_seq.max(known.adopted_seq),
            ..state
        }
    }

    /// BG1.
    fn put_stripe(&self, batch: &mut Batch<'_>, stripe: &Stripe) -> Result<()> {
        let known = match batch.row(Table::BackupState, STRIPE_KEY) {
            Ok(body) => body.as_deref().and_then(Stripe::decode),
            Err(error) if error.status() == Status::CorruptRecord => None,
            Err(error) => return Err(error),
        };
        if known.is_some_and(|known| known.revision >= stripe.revision) {
            return Ok(());
        }
        batch.put(Table::BackupState, STRIPE_KEY, &stripe.encode())?;
        if let Some(base) = &self.base {
            // Four chunks at most: the commit removes those of the base before.
            base.replace(batch, &base_key()?, &mut RemovalBudget::of_one_commit())?;
        }
        Ok(())
    }
}

/// Key of what the base is made of.
pub(super) fn base_key() -> Result<Vec<u8>> {
    blob::key_of(Owner::Backup, b"base")
}

impl Command for Change {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        for (peer, body) in &self.peers {
            batch.put(Table::BackupPeers, &peer.0, body)?;
        }
        for peer in &self.forgotten {
            batch.delete(Table::BackupPeers, &peer.0)?;
        }
        if let Some(state) = self.state {
            let known = match batch.row(Table::BackupState, STATE_KEY) {
                Ok(body) => body.as_deref().and_then(State::decode),
                Err(error) if error.status() == Status::CorruptRecord => None,
                Err(error) => return Err(error),
            };
            let merged = known.map_or(state, |known| self.merge(known, state));
            batch.put(Table::BackupState, STATE_KEY, &merged.encode())?;
        }
        if let Some(stripe) = &self.stripe {
            self.put_stripe(batch, stripe)?;
        }
        let mut reply = Reply::done();
        for (kind, peer) in &self.told {
            reply.event_sequence = events::append(batch, Event::about_peer(*kind, *peer))?;
        }
        Ok(reply)
    }

    fn cost(&self) -> Cost {
        let peers = (self.peers.len() + self.forgotten.len()) as u64;
        let told = self.told.len() as u64;
        let stripe = if self.stripe.is_some() { STRIPE_BYTES_MAX } else { 0 };
        let base = self.base.as_ref().map_or(Cost { rows: 0, bytes: 0 }, Staged::cost);
        Cost {
            rows: peers + 2 + told * EVENT_ROWS + base.rows + RemovalBudget::ROWS,
            bytes: (peers + told + 1) * 256 + stripe + base.bytes,
        }
    }

    fn committed(&self, _reply: &Reply) {
        if let Some(base) = &self.base {
            base.keep();
        }
    }

    fn space(&self) -> Space {
        if self.grows { Space::Grows } else { Space::Settles }
    }
}

/// What a caller gets when no random numbers could be had.
pub(super) fn no_entropy(error: &getrandom::Error) -> Error {
    Error::new(Status::Io, format!("drawing random numbers: {error}"))
}
