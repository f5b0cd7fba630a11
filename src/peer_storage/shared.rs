//! What every opener shares: the provider under its lock, and the way of blobs to the disk.
//!
//! SW1 the lock is never held over a commit; a peer whose rows are being written is busy, and whoever wants
//! to change it waits. SW2 what waits in memory is committed by a tick, by `Store::sync`, `Store::close` and
//! the last handle. SW3 blobs that are due together share as few commits as a slice of bulk allows.
//! Called by `mod`.

use std::collections::BTreeSet;
use std::iter::repeat_n;
use std::sync::{Arc, Weak};

use super::commands::{Remove, WriteBlob, WriteRecord};
use super::load;
use super::options::{PeerStorageOptions, PeerStorageReport, Ticked};
use super::record::Record;
use super::rules::{Peer, Provider};
use crate::error::{Result, Status};
use crate::events::EventKind;
use crate::limits::{BATCH_OPS_MAX, BULK_BYTES_MAX};
use crate::store::batch::Command;
use crate::store::volatile::{Held, Volatile};
use crate::store::{Grouping, Outcome, Store, WriteBehind};
use crate::types::NodeId;

/// How often an end meets a queue that others keep full before it gives up.
const BUSY_MAX: usize = 1_000;

/// Blobs that one commit removes: their pages go to the free list with it.
const REMOVALS_PER_COMMIT: usize = 64;

/// The provider, and what threads are doing with it.
pub(super) struct State {
    pub(super) provider: Provider,
    /// Peers whose rows are being written (SW1).
    busy: BTreeSet<NodeId>,
    /// Threads that wait until nobody writes: nobody begins to write meanwhile.
    waiting_for_all: u32,
    pub(super) handles: u32,
    /// The last handle went, or the store is closing: nothing more is accepted.
    pub(super) is_over: bool,
    /// And nothing is written any more.
    pub(super) has_ended: bool,
}

/// What every opener of a store's peer storage shares.
pub(super) struct Shared {
    store: Weak<Store>,
    pub(super) options: PeerStorageOptions,
    pub(super) report: PeerStorageReport,
    pub(super) state: Volatile<State>,
}

/// Peers that this thread made busy.
struct Busy<'shared> {
    shared: &'shared Shared,
    peers: BTreeSet<NodeId>,
}

impl Busy<'_> {
    /// One of them is done: whoever waits for it goes on while the others are written.
    fn release(&mut self, state: &mut State, peer: NodeId) {
        if self.peers.remove(&peer) {
            state.busy.remove(&peer);
        }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state.hold_broken();
        for peer in &self.peers {
            state.busy.remove(peer);
        }
        drop(state);
        self.shared.state.notify();
    }
}

/// A blob on its way to the disk.
struct Write {
    peer: NodeId,
    record: Record,
    command: Arc<WriteBlob>,
}

impl Shared {
    pub(super) fn open(store: &Arc<Store>, options: PeerStorageOptions) -> Result<Shared> {
        let mut provider = Provider::new(options);
        let report = store.read(|view| load::load(view, &mut provider))?;
        let state = State {
            provider,
            busy: BTreeSet::new(),
            waiting_for_all: 0,
            handles: 0,
            is_over: false,
            has_ended: false,
        };
        let store = Arc::downgrade(store);
        Ok(Shared { store, options, report, state: Volatile::new(state) })
    }

    /// Locks the state once nobody writes a peer's rows.
    pub(super) fn hold_idle(&self, peer: NodeId) -> Result<Held<'_, State>> {
        let mut state = self.state.hold()?;
        while state.waiting_for_all != 0 || state.busy.contains(&peer) {
            self.state.wait(&mut state)?;
        }
        Ok(state)
    }

    /// Locks the state once nobody waits for all.
    pub(super) fn hold_turn(&self) -> Result<Held<'_, State>> {
        let mut state = self.state.hold()?;
        while state.waiting_for_all != 0 {
            self.state.wait(&mut state)?;
        }
        Ok(state)
    }

    /// Locks the state once nobody writes any peer's rows. Whoever comes later waits, so that this ends.
    pub(super) fn hold_all_idle(&self) -> Result<Held<'_, State>> {
        let mut state = self.state.hold()?;
        state.waiting_for_all += 1;
        let mut waited = Ok(());
        while waited.is_ok() && !state.busy.is_empty() {
            waited = self.state.wait(&mut state);
        }
        state.waiting_for_all -= 1;
        self.state.notify();
        waited.map(|()| state)
    }

    /// Makes the idle ones of these peers busy and says what is to be written for them.
    fn begin_writes(
        &self,
        state: &mut State,
        peers: &[NodeId],
        now_ms: u64,
    ) -> (Busy<'_>, Vec<Write>) {
        let mut writes = Vec::new();
        for node in peers.iter().filter(|node| !state.busy.contains(node)) {
            let peer = state.provider.peer(*node);
            if let Some(pending) = &peer.pending {
                let record = peer.record_of(pending, now_ms);
                let blob = Arc::clone(&pending.blob);
                let command = Arc::new(WriteBlob { peer: *node, blob, record });
                writes.push(Write { peer: *node, record, command });
            }
        }
        let busy = self.make_busy(state, writes.iter().map(|write| write.peer).collect());
        (busy, writes)
    }

    /// SW3: one outcome per peer, in the order of their ids.
    fn write(
        &self,
        store: &Store,
        mut busy: Busy<'_>,
        writes: Vec<Write>,
        now_ms: u64,
    ) -> Result<Ticked> {
        let mut ticked = Ticked::default();
        for slice in slices(writes) {
            let commands = slice.iter().map(|write| Arc::clone(&write.command) as Arc<dyn Command>);
            let written = submit(store, commands.collect());
            let mut state = self.state.hold()?;
            for (write, outcome) in slice.iter().zip(written) {
                match outcome {
                    Ok(_) => {
                        state.provider.written(now_ms, write.peer, write.record);
                        ticked.committed.push(write.peer);
                    }
                    Err(error) => {
                        state.provider.not_written(now_ms, write.peer);
                        ticked.failed.push((write.peer, error));
                    }
                }
                busy.release(&mut state, write.peer);
            }
            drop(state);
            self.state.notify();
        }
        Ok(ticked)
    }

    pub(super) fn write_peers(
        &self,
        store: &Store,
        mut state: Held<'_, State>,
        peers: &[NodeId],
        now_ms: u64,
    ) -> Result<Ticked> {
        let (busy, writes) = self.begin_writes(&mut state, peers, now_ms);
        drop(state);
        self.write(store, busy, writes, now_ms)
    }

    /// Everything that waits, also what other threads are writing now.
    pub(super) fn write_all(&self, store: &Store, now_ms: Option<u64>) -> Result<Ticked> {
        let mut state = self.hold_all_idle()?;
        let now_ms = state.provider.observe(now_ms.unwrap_or(0))?;
        let waiting = state.provider.waiting();
        self.write_peers(store, state, &waiting, now_ms)
    }

    /// Makes marks durable, then takes them over.
    pub(super) fn mark_all(
        &self,
        store: &Store,
        mut state: Held<'_, State>,
        marks: Vec<(NodeId, Peer)>,
    ) -> Result<()> {
        let (durable, volatile): (Vec<_>, Vec<_>) =
            marks.into_iter().partition(|(_, after)| after.needs_record());
        for (peer, after) in &volatile {
            state.provider.set_marked(*peer, after);
        }
        let busy = self.make_busy(&mut state, durable.iter().map(|(peer, _)| *peer).collect());
        drop(state);
        let mut failure = None;
        for slice in durable.chunks(BATCH_OPS_MAX) {
            let commands = slice.iter().filter_map(|(peer, after)| {
                let record = Record { closed_at: after.closed_at, ..after.stored? };
                Some(Arc::new(WriteRecord { peer: *peer, record }) as Arc<dyn Command>)
            });
            let outcomes = submit(store, commands.collect());
            let mut state = self.state.hold()?;
            for ((peer, after), outcome) in slice.iter().zip(outcomes) {
                match outcome {
                    Ok(_) => state.provider.set_marked(*peer, after),
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
        }
        drop(busy);
        failure.map_or(Ok(()), Err)
    }

    /// Removes blobs in commits of a few, until `which` names none any more.
    pub(super) fn remove_all(
        &self,
        store: &Store,
        told_as: Option<EventKind>,
        which: impl Fn(&Provider) -> Result<Vec<NodeId>>,
    ) -> Result<Vec<NodeId>> {
        let mut removed = Vec::new();
        loop {
            let mut state = self.hold_all_idle()?;
            if state.is_over {
                return if removed.is_empty() { Err(Status::Closed.into()) } else { Ok(removed) };
            }
            let mut peers = which(&state.provider)?;
            peers.truncate(REMOVALS_PER_COMMIT);
            if peers.is_empty() {
                return Ok(removed);
            }
            let busy = self.make_busy(&mut state, peers.iter().copied().collect());
            drop(state);
            let remove =
                |peer: &NodeId| Arc::new(Remove { peer: *peer, told_as }) as Arc<dyn Command>;
            let outcomes = submit(store, peers.iter().map(remove).collect());
            let mut state = self.state.hold()?;
            let mut failure = None;
            for (peer, outcome) in peers.iter().zip(outcomes) {
                match outcome {
                    Ok(_) => {
                        state.provider.forget(*peer);
                        removed.push(*peer);
                    }
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
            drop(state);
            drop(busy);
            // What was removed is told; the next call meets the error again.
            match failure {
                Some(error) if removed.is_empty() => return Err(error),
                Some(_) => return Ok(removed),
                None => {}
            }
        }
    }

    fn make_busy(&self, state: &mut State, peers: BTreeSet<NodeId>) -> Busy<'_> {
        state.busy.extend(&peers);
        Busy { shared: self, peers }
    }

    /// Takes no more calls, then SW2.
    pub(super) fn end_all(&self) -> Result<()> {
        self.state.hold_broken().is_over = true;
        let flushed = self.flush_before_the_end();
        let mut state = self.state.hold_broken();
        // What could not be written is lost now: later it would replace what came after it.
        state.provider.drop_waiting();
        state.has_ended = true;
        drop(state);
        self.state.notify();
        flushed
    }

    /// As [`Shared::flush_all`], but a full queue is waited for: what is not written now is lost.
    fn flush_before_the_end(&self) -> Result<()> {
        for _ in 1..BUSY_MAX {
            match (self.flush_all(), self.store.upgrade()) {
                (Err(error), Some(store)) if error.status() == Status::Busy => {
                    store.wait_for_accepted()?;
                }
                (flushed, _) => return flushed,
            }
        }
        self.flush_all()
    }

    /// SW2. The first failure, if there was one.
    fn flush_all(&self) -> Result<()> {
        let Some(store) = self.store.upgrade() else { return Ok(()) };
        if self.state.hold_broken().has_ended {
            return Ok(());
        }
        let ticked = self.write_all(&store, None)?;
        ticked.failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }
}

impl WriteBehind for Shared {
    fn flush(&self) -> Result<()> {
        self.flush_all()
    }

    fn end(&self) -> Result<()> {
        self.end_all()
    }
}

/// Groups that a commit takes at once.
fn slices(writes: Vec<Write>) -> Vec<Vec<Write>> {
    let mut slices: Vec<Vec<Write>> = Vec::new();
    let mut room = 0;
    for write in writes {
        let bytes = write.command.cost().bytes;
        match slices.last_mut().filter(|slice| bytes <= room && slice.len() < BATCH_OPS_MAX) {
            Some(slice) => {
                room -= bytes;
                slice.push(write);
            }
            None => {
                room = (BULK_BYTES_MAX as u64).saturating_sub(bytes);
                slices.push(vec![write]);
            }
        }
    }
    slices
}

/// One outcome per operation, also where none was accepted.
fn submit(store: &Store, commands: Vec<Arc<dyn Command>>) -> impl Iterator<Item = Outcome> + use<> {
    let operations = commands.len();
    let (outcomes, refusal) = match store.submit(commands, Grouping::Independent) {
        Ok(outcomes) => (outcomes, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let refused = refusal.into_iter().flat_map(move |error| repeat_n(Err(error), operations));
    outcomes.into_iter().chain(refused)
}
