//! One commit of monitors: planned under the session's lock, its large values staged, written by the writer
//! thread, and only then followed by the session.
//!
//! MK1 at most one commit or purge of a store's monitors is under way; another waits, or is BUSY inside a
//! submission. MK2 whatever ends a commit without making it durable leaves the session as it was.
//! Called by the monitors and by `ffi` for submissions with operations of other components.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Shared;
use super::channel::{Entry, Payload};
use super::plan::{Capture, Manager, Plan};
use super::record::State;
use super::table::{self, Values};
use crate::error::{Error, Result, Status};
use crate::limits::MONITORS_INLINE_BYTES_MAX;
use crate::os;
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Space};
use crate::store::blob::{Leftover, RemovalBudget};
use crate::store::tables::Table;
use crate::store::{Core, Store, blob};
use crate::types::ChannelId;

/// What comes with a commit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request<'call> {
    /// The manager's bytes, to be stored in the same commit.
    Manager(Option<&'call [u8]>),
    /// The generation of the manager that the host stored before.
    Generation(Option<u64>),
}

impl Request<'_> {
    fn manager(&self) -> Manager {
        match self {
            Request::Manager(bytes) => Manager::Bytes { given: bytes.is_some() },
            Request::Generation(generation) => Manager::External { generation: *generation },
        }
    }
}

/// The right to commit; given back when dropped.
pub(super) struct Claim {
    shared: Arc<Shared>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Another thread may have held the lock at the fork.
        if !os::is_forked_child() {
            self.shared.end_commit();
        }
    }
}

impl Claim {
    pub(super) fn new(shared: Arc<Shared>) -> Claim {
        Claim { shared }
    }
}

/// What an apply leaves for after the commit.
#[derive(Default)]
struct Left {
    leftovers: Vec<Leftover>,
    unix_ms: u64,
}

/// A planned commit.
pub(crate) struct Commit {
    plan: Plan,
    values: Values,
    cost: Cost,
    left: Mutex<Left>,
    core: Arc<Core>,
    claim: Claim,
}

impl Commit {
    /// Plans a commit and stages its large values.
    pub(super) fn prepare(
        store: &Arc<Store>,
        shared: &Arc<Shared>,
        capture: Capture,
        request: Request<'_>,
        view: &[(ChannelId, u64)],
        may_wait: bool,
    ) -> Result<Commit> {
        let (claim, plan) = Shared::begin_commit(shared, may_wait, |session, is_ours| {
            session.plan(capture, is_ours(capture), request.manager(), view)
        })?;
        let manager = match request {
            Request::Manager(manager) => manager,
            Request::Generation(_) => None,
        };
        let values = stage(store, &plan, manager)?;
        let cost = cost_of(&plan, &values);
        let (left, core) = (Mutex::default(), Arc::clone(store.core()));
        Ok(Commit { plan, values, cost, left, core, claim })
    }

    /// The entries, whose payloads live as long as the answer.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.plan.entries.clone()
    }

    pub(super) fn applied(&self) -> u64 {
        self.plan.entries.len() as u64
    }
}

/// Small values are written by the commit itself, the manager first; what does not fit is staged before.
fn stage(store: &Arc<Store>, plan: &Plan, manager: Option<&[u8]>) -> Result<Values> {
    let mut room = MONITORS_INLINE_BYTES_MAX;
    let mut fits = |bytes: usize| {
        let left = room.checked_sub(bytes);
        room = left.unwrap_or(room);
        left.is_some()
    };
    let blobs = store.blobs();
    let manager = match manager {
        Some(manager) if fits(manager.len()) => Some(blobs.hold(manager)?),
        Some(manager) => Some(blobs.stage(manager, Space::Settles)?),
        None => None,
    };
    let mut values = Values { manager, ..Values::default() };
    let mut large: Vec<(ChannelId, &[u8])> = Vec::new();
    for (channel, change) in &plan.channels {
        match &change.snapshot {
            Some(Payload(snapshot)) if fits(snapshot.len()) => {
                values.snapshots.insert(*channel, blobs.hold(snapshot)?);
            }
            Some(Payload(snapshot)) => large.push((*channel, snapshot)),
            None => {}
        }
    }
    let bytes: Vec<&[u8]> = large.iter().map(|(_, snapshot)| *snapshot).collect();
    // Settles of others need the reserve more; the queue refuses snapshots on a short disk.
    let staged = blobs.stage_all(&bytes, Space::Grows)?;
    values.snapshots.extend(large.iter().map(|(channel, _)| *channel).zip(staged));
    Ok(values)
}

fn cost_of(plan: &Plan, values: &Values) -> Cost {
    let mut cost = Cost { rows: 4 + RemovalBudget::ROWS, bytes: 512 };
    let mut add = |rows: u64, bytes: u64| {
        cost.rows = cost.rows.saturating_add(rows);
        cost.bytes = cost.bytes.saturating_add(bytes);
    };
    for change in plan.channels.values() {
        let removed = match change.remove {
            super::plan::Remove::Nothing => 0,
            super::plan::Remove::Ids(first, last) => last - first + 1,
            super::plan::Remove::Everything(rows) => rows,
        };
        let bytes: u64 = change.updates.iter().map(|(_, update)| update.len() + 64).sum();
        add(1 + removed + change.updates.len() as u64, bytes + 128);
    }
    for (_, _, payload) in &plan.outputs {
        add(1, payload.len() + 64);
    }
    add(plan.acknowledged.len() as u64, 0);
    for staged in values.manager.iter().chain(values.snapshots.values()) {
        let Cost { rows, bytes } = staged.cost();
        add(rows, bytes);
    }
    cost
}

fn state_after(plan: &Plan, session: u64, is_open: bool) -> State {
    let (commit_sequence, mark) = (plan.commit_sequence, plan.manager);
    let (generation, generation_is_lost) = (mark.generation, mark.generation_is_lost);
    State { commit_sequence, generation, generation_is_lost, session, is_open }
}

impl Command for Commit {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let session = self.claim.shared.session;
        let is_open = check_turn(batch, session, self.plan.commit_sequence)?;
        let state = state_after(&self.plan, session, is_open);
        let leftovers = table::write(batch, &self.plan, &self.values, state)?;
        *self.left.lock() = Left { leftovers, unix_ms: batch.clock().unix_ms };
        Ok(Reply { value: self.plan.commit_sequence, ..Reply::done() })
    }

    fn committed(&self, _reply: &Reply) {
        let left = std::mem::take(&mut *self.left.lock());
        let values = self.values.manager.iter().chain(self.values.snapshots.values());
        values.for_each(blob::Staged::keep);
        self.claim.shared.committed(&self.plan, left.unix_ms);
        blob::remove_all(&self.core, &left.leftovers);
    }

    fn cost(&self) -> Cost {
        self.cost
    }

    /// Entries are bounded when they are queued.
    fn submission_bytes(&self) -> u64 {
        0
    }

    /// What peers act on has to become durable as long as there is any room.
    fn space(&self) -> Space {
        Space::Settles
    }
}

/// The commit of a purge.
pub(super) struct Purge {
    pub(super) channel: ChannelId,
    pub(super) state: State,
    pub(super) updates: u64,
    pub(super) leftover: Mutex<Option<Leftover>>,
    pub(super) core: Arc<Core>,
    pub(super) claim: Claim,
}

impl Command for Purge {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        check_turn(batch, self.state.session, self.state.commit_sequence)?;
        *self.leftover.lock() = table::purge(batch, self.channel, self.state)?;
        Ok(Reply { value: self.state.commit_sequence, ..Reply::done() })
    }

    fn committed(&self, _reply: &Reply) {
        self.claim.shared.purged(self.channel, self.state.commit_sequence);
        let leftover = self.leftover.lock().take();
        blob::remove_all(&self.core, leftover.as_slice());
    }

    fn cost(&self) -> Cost {
        Cost { rows: 8 + RemovalBudget::ROWS + self.updates, bytes: 512 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// A commit that outlived its session finds that another one began: it was planned from an older state.
/// Answers whether its own is still open.
fn check_turn(batch: &Batch<'_>, session: u64, commit_sequence: u64) -> Result<bool> {
    let state = match table::state(batch)? {
        Some(state) => state,
        // It was damaged since the session began; this commit writes it anew.
        None => return Ok(true),
    };
    if (state.session, state.commit_sequence + 1) == (session, commit_sequence) {
        return Ok(state.is_open);
    }
    Err(Error::new(Status::StaleCapture, "the session that planned this commit has ended"))
}

/// Begins a session: from its commit on, no commit of an earlier session is applied.
pub(super) struct Begin {
    pub(super) epoch: u64,
    /// The row before and after, once applied.
    pub(super) states: Mutex<(Option<State>, State)>,
}

impl Command for Begin {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let before = table::state(batch)?;
        // A counter that cannot be read is recovered from the other rows; a generation cannot be.
        let had_row = !batch.heads.of(Table::MonitorsState).last_key.is_empty();
        let known = before.unwrap_or(State { generation_is_lost: had_row, ..State::default() });
        // Sessions of an epoch follow its number, so that a lost row repeats none.
        let session = (known.session + 1).max(self.epoch << 20);
        let after = State { session, is_open: true, ..known };
        *self.states.lock() = (before.or(had_row.then_some(after)), after);
        table::put_state(batch, after)?;
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 64 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// Writes a counter anew that was damaged.
pub(super) struct Recount(pub(super) State);

impl Command for Recount {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        table::put_state(batch, self.0)?;
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 64 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// Notes that the session ended with nothing left in its queue. What was counted since it was decided stays.
pub(super) struct Close {
    pub(super) session: u64,
}

impl Command for Close {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let state = table::state(batch)?;
        // Another session may have begun since.
        if let Some(state) = state.filter(|state| state.session == self.session) {
            table::put_state(batch, State { is_open: false, ..state })?;
        }
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 64 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// A second commit inside one submission would wait for the first, which waits for the submission.
pub(super) fn busy() -> Error {
    Error::new(Status::Busy, "a commit of these monitors is under way; submit this one after it")
}
