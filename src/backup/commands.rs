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
    /// What the newest generation of the stripe is made of, already in the store.
    pub(super) newest: Option<Staged>,
    /// What its base is made of, likewise.
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
        let is_newer = known.as_ref().is_none_or(|known| known.revision < stripe.revision);
        let after = if is_newer { stripe } else { known.as_ref().unwrap_or(stripe) };
        if is_newer {
            batch.put(Table::BackupState, STRIPE_KEY, &stripe.encode())?;
        }
        // Four chunks at most each: the commit removes those of before.
        let mut budget = RemovalBudget::of_one_commit();
        if let Some(newest) = self.newest.as_ref().filter(|_| after.newest == stripe.newest) {
            newest.replace(batch, &object_key(NEWEST_NAME)?, &mut budget)?;
        }
        if let Some(base) = self.base.as_ref().filter(|_| after.base == stripe.base) {
            base.replace(batch, &object_key(BASE_NAME)?, &mut budget)?;
        }
        Ok(())
    }

    fn staged(&self) -> impl Iterator<Item = &Staged> {
        self.newest.iter().chain(&self.base)
    }
}

/// Name of what the newest generation is made of.
pub(super) const NEWEST_NAME: &[u8] = b"newest";
/// Name of what the base is made of.
pub(super) const BASE_NAME: &[u8] = b"base";

/// Key of what a generation is made of.
pub(super) fn object_key(name: &[u8]) -> Result<Vec<u8>> {
    blob::key_of(Owner::Backup, name)
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
        let objects = self.staged().map(Staged::cost);
        let objects = objects.fold(Cost { rows: 0, bytes: 0 }, |sum, one| Cost {
            rows: sum.rows + one.rows + RemovalBudget::ROWS,
            bytes: sum.bytes + one.bytes,
        });
        Cost {
            rows: peers + 2 + told * EVENT_ROWS + objects.rows,
            bytes: (peers + told + 1) * 256 + stripe + objects.bytes,
        }
    }

    fn committed(&self, _reply: &Reply) {
        self.staged().for_each(Staged::keep);
    }

    fn space(&self) -> Space {
        if self.grows { Space::Grows } else { Space::Settles }
    }
}

/// What a caller gets when no random numbers could be had.
pub(super) fn no_entropy(error: &getrandom::Error) -> Error {
    Error::new(Status::Io, format!("drawing random numbers: {error}"))
}
