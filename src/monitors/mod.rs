//! Monitors: the manager, the channel monitors, their updates and what depends on them, made durable as one
//! unit and in order.
//!
//! The queue MQ1 to MQ4 is in `session`, captures and commits MP1 to MP4 in `plan`, the rows MT1 to MT3 in
//! `table`, the commit MK1 to MK2 in `commit`, channels MC1 to MC2 in `channel`. Above all of them:
//! MO1 nothing that another party can act on is given out before a durable commit that covers every change
//! it depends on: entries and outputs share one line of tickets. Origin: rust-lightning #4351, #4310, #4457.
//! Called by `ffi` and Rust hosts; calls `store`. No clock, no thread, no lmdb here.

mod channel;
pub(crate) mod commit;
mod load;
mod options;
mod plan;
mod record;
pub(crate) mod references;
mod session;
mod table;
#[cfg(feature = "failpoints")]
pub mod tamper;
#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::ffi::c_int;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use self::channel::Payload;
pub use self::channel::{Block, Damage, OutputClass, RESERVED_UPDATE_ID, Stage, Urgency};
use self::commit::{Begin, Claim, Close, Commit, Purge, Recount, Request};
pub use self::load::{ChannelSummary, Monitor, Output};
pub use self::options::{
    Committed, LastClose, ManagerRelation, MonitorsOptions, MonitorsReport, Standing,
};
use self::plan::Plan;
pub use self::plan::{Capture, Completion, CompletionKind};
use self::record::State;
use self::session::Session;
pub use self::session::{Pending, Queued};
use crate::error::{Error, Result, Status};
use crate::limits::{BLOB_BYTES_MAX, MONITOR_UPDATE_BYTES_MAX};
use crate::os::{self, Doorbell};
use crate::store::batch::Command;
use crate::store::heads::Heads;
use crate::store::volatile::{Held, Volatile};
use crate::store::{CommitListener, Grouping, Operation, Store, refuse_forked_child};
use crate::types::ChannelId;

struct Live {
    session: Session,
    commit_is_under_way: bool,
    handles: u32,
    /// The last handle went: what is still queued is lost, and the next open begins another session.
    has_ended: bool,
}

/// What every opener of a store's monitors shares.
pub(crate) struct Shared {
    options: MonitorsOptions,
    report: MonitorsReport,
    epoch: u64,
    /// Number of this session, over the life of the store.
    session: u64,
    /// Tells captures of this session from invented ones.
    seal: RandomState,
    live: Volatile<Live>,
    doorbell: Doorbell,
    redelivery: Mutex<load::Redelivery>,
    /// Outputs of earlier sessions are left to deliver.
    redelivers: AtomicBool,
    /// The store was closed, or is poisoned.
    store_has_ended: AtomicBool,
}

impl Live {
    fn end_handle(&mut self) {
        self.handles -= 1;
        self.has_ended = self.handles == 0;
    }
}

impl Shared {
    fn hold(&self) -> Result<Held<'_, Live>> {
        self.live.hold()
    }

    /// Whatever the session's state: for those who only end something.
    fn hold_broken(&self) -> Held<'_, Live> {
        self.live.hold_broken()
    }

    fn check_of(&self, number: u64, upto_ticket: u64) -> u64 {
        self.seal.hash_one((number, upto_ticket))
    }

    fn is_ours(&self, capture: Capture) -> bool {
        capture.epoch == self.epoch
            && capture.check == self.check_of(capture.number, capture.upto_ticket)
    }

    /// Plans under the lock and takes the right to commit (MK1).
    fn begin_commit<T>(
        shared: &Arc<Shared>,
        may_wait: bool,
        plan: impl FnOnce(&Session, &dyn Fn(Capture) -> bool) -> Result<T>,
    ) -> Result<(Claim, T)> {
        let mut held = shared.hold()?;
        while held.commit_is_under_way {
            if !may_wait {
                return Err(commit::busy());
            }
            shared.live.wait(&mut held)?;
        }
        // Whoever waited may find that another thread closed the last handle, and discarded what is queued.
        if held.has_ended {
            return Err(Status::Closed.into());
        }
        let planned = plan(&held.session, &|capture| shared.is_ours(capture))?;
        held.commit_is_under_way = true;
        drop(held);
        Ok((Claim::new(Arc::clone(shared)), planned))
    }

    fn end_commit(&self) {
        self.hold_broken().commit_is_under_way = false;
        self.live.notify();
    }

    fn committed(&self, plan: &Plan, unix_ms: u64) {
        let mut held = self.hold_broken();
        held.session.finish(plan, unix_ms);
        if held.session.has_news() {
            self.doorbell.ring();
        }
    }

    fn purged(&self, channel: ChannelId, commit_sequence: u64) {
        self.hold_broken().session.finish_purge(channel, commit_sequence);
    }
}

impl CommitListener for Shared {
    fn committed(&self, _heads: &Heads) {}

    /// Whoever sleeps on the descriptor learns that nothing comes any more.
    fn ended(&self) {
        self.store_has_ended.store(true, Ordering::Release);
        self.doorbell.ring();
    }
}

/// The monitors of a store. Cheap to share: every method takes `&self` and may be called from any thread.
///
/// Queue calls never wait for the disk. A commit returns when it is durable.
pub struct Monitors {
    store: Arc<Store>,
    shared: Arc<Shared>,
    is_closed: AtomicBool,
}

impl std::fmt::Debug for Monitors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitors").field("report", &self.shared.report).finish_non_exhaustive()
    }
}

impl Monitors {
    /// Opens the monitors of a store: checks every channel, and begins a session. While they are open,
    /// opening again with equal options joins the same session.
    ///
    /// # Errors
    /// `AlreadyOpen` when they are open with other options; the store's errors. Damage is no error: see
    /// [`Monitors::report`].
    pub fn open(store: &Arc<Store>, options: MonitorsOptions) -> Result<Monitors> {
        store.check_usable()?;
        loop {
            let over = |shared: &Shared| shared.hold_broken().has_ended;
            let shared = store.component_unless(over, || begin(store, options))?;
            if shared.options != options {
                let fact = "the monitors of this store are open with other options";
                return Err(Error::new(Status::AlreadyOpen, fact));
            }
            let listener: Weak<dyn CommitListener> = Arc::<Shared>::downgrade(&shared);
            let mut held = shared.hold()?;
            // Its last handle may have gone since.
            if held.has_ended {
                continue;
            }
            if held.handles == 0 {
                store.on_commit(listener);
            }
            held.handles += 1;
            drop(held);
            let is_closed = AtomicBool::new(false);
            return Ok(Monitors { store: Arc::clone(store), shared, is_closed });
        }
    }

    /// What the open found.
    pub fn report(&self) -> &MonitorsReport {
        &self.shared.report
    }

    /// The store these monitors live in.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The options of the session.
    pub fn options(&self) -> &MonitorsOptions {
        &self.shared.options
    }

    /// Ends the session. While others hold it too, only this handle is closed.
    ///
    /// # Errors
    /// `PendingOps` when entries are queued and `discard` is not set: nothing was done. `Poisoned` when the
    /// store is and `discard` is not set.
    pub fn close(&self, discard: bool) -> Result<()> {
        refuse_forked_child()?;
        if self.is_closed.load(Ordering::Acquire) {
            return Ok(());
        }
        let usable = self.store.check_usable();
        let mut held = self.shared.hold_broken();
        let usable = usable.and_then(|()| held.check_whole());
        if !discard {
            usable.as_ref().map_err(Error::clone)?;
        }
        let (is_last, queued) = (held.handles == 1, held.session.pending().operations);
        if is_last && queued != 0 && !discard {
            let fact = format!("{queued} entries are queued; commit or discard them");
            return Err(Error::new(Status::PendingOps, fact).of_channel(None, Some(queued)));
        }
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        held.end_handle();
        drop(held);
        if is_last && queued == 0 && usable.is_ok() {
            // The session is over either way; without the note the next open says that it was not closed.
            drop(self.store.submit_one(Close { session: self.shared.session }));
        }
        Ok(())
    }

    fn usable(&self) -> Result<()> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Status::Closed.into());
        }
        self.store.check_usable()?;
        match self.shared.store_has_ended.load(Ordering::Acquire) {
            true => Err(Status::Closed.into()),
            false => Ok(()),
        }
    }

    /// New channels and snapshots can wait for space; what is queued behind them cannot.
    fn has_space(&self, urgency: Urgency) -> Result<()> {
        self.usable()?;
        if urgency == Urgency::Ordinary && self.store.is_short_of_space() {
            let fact = "the disk is full; nothing was queued, updates still are";
            return Err(Error::new(Status::NoSpace, fact));
        }
        Ok(())
    }

    fn hold(&self) -> Result<Held<'_, Live>> {
        self.usable()?;
        self.shared.hold()
    }

    /// Queues a new channel: its first snapshot, which includes the updates up to `update_id`.
    ///
    /// # Errors
    /// `InvalidArgument` without bytes, `TooBig`, `BadUpdateId`, `DuplicateChannel`, `QueueFull`;
    /// `Poisoned`, `Closed`.
    pub fn queue_new(
        &self,
        channel: ChannelId,
        update_id: u64,
        snapshot: &[u8],
        block: Block,
        urgency: Urgency,
    ) -> Result<u64> {
        let snapshot = Payload::of("a snapshot", snapshot, BLOB_BYTES_MAX)?;
        self.has_space(urgency)?;
        self.hold()?.session.queue_new(channel, update_id, snapshot, block, urgency)
    }

    /// Queues an update: the one after the channel's tip. The same update again is no error.
    ///
    /// # Errors
    /// `InvalidArgument` without bytes, `TooBig`, `BadUpdateId`, `ChannelArchived`, `UnknownChannel`,
    /// `ChannelDamaged`, `UpdateStale`, `UpdateConflict`: halt the node; `UpdateGap`, whose value is the id
    /// expected; `SnapshotRequired`, `QueueFull`; `Poisoned`, `Closed`.
    pub fn queue_update(
        &self,
        channel: ChannelId,
        update_id: u64,
        update: &[u8],
        urgency: Urgency,
    ) -> Result<Queued> {
        let update = Payload::of("an update", update, MONITOR_UPDATE_BYTES_MAX)?;
        let durable = || load::update_bytes(&self.store, channel, update_id);
        self.hold()?.session.queue_update(channel, update_id, update, urgency, durable)
    }

    /// Queues a snapshot that includes the updates up to `update_id`; later ones stay. Without a block the
    /// channel keeps the one it has.
    ///
    /// # Errors
    /// `InvalidArgument` without bytes, `TooBig`, `ChannelArchived`, `UnknownChannel`, `SnapshotAhead`,
    /// `SnapshotStale`, `BadUpdateId` of a damaged channel, `QueueFull`; `NoSpace` on a full disk, unless it
    /// is critical; `Poisoned`, `Closed`.
    pub fn queue_snapshot(
        &self,
        channel: ChannelId,
        update_id: u64,
        snapshot: &[u8],
        block: Option<Block>,
        urgency: Urgency,
    ) -> Result<u64> {
        let snapshot = Payload::of("a snapshot", snapshot, BLOB_BYTES_MAX)?;
        self.has_space(urgency)?;
        self.hold()?.session.queue_snapshot(channel, update_id, snapshot, block, urgency)
    }

    /// Queues the archiving of a channel, behind its updates.
    ///
    /// # Errors
    /// `ChannelArchived`, `UnknownChannel`, `ChannelDamaged`, `QueueFull`; `Poisoned`, `Closed`.
    pub fn queue_archive(&self, channel: ChannelId) -> Result<u64> {
        self.hold()?.session.queue_archive(channel)
    }

    /// Queues what may leave only when everything queued before it is durable. The tag comes back with it.
    ///
    /// # Errors
    /// `InvalidArgument` without bytes, `TooBig`, `QueueFull`; `Poisoned`, `Closed`.
    pub fn queue_output(&self, class: OutputClass, tag: u64, payload: &[u8]) -> Result<u64> {
        let payload = Payload::of("an output", payload, MONITOR_UPDATE_BYTES_MAX)?;
        self.hold()?.session.queue_output(class, tag, payload)
    }

    /// Whether so many entries of so many bytes would be accepted now. Ask before the state changes: what
    /// was not read from a peer needs no room.
    ///
    /// # Errors
    /// `QueueFull`; `Poisoned`, `Closed`.
    pub fn can_queue(&self, operations: u64, bytes: u64, urgency: Urgency) -> Result<()> {
        self.hold()?.session.can_queue(operations, bytes, urgency)
    }

    /// Whether the entry of a ticket is durable.
    ///
    /// # Errors
    /// `BadTicket` when it was not given in this session; `Poisoned`, `Closed`.
    pub fn is_durable(&self, ticket: u64) -> Result<bool> {
        self.hold()?.session.is_durable(ticket)
    }

    /// Marks what the next commit is to include. Take it BEFORE the manager is serialised: what is queued
    /// later may be missing in the manager and stays queued. Whoever has several drivers serialises managers
    /// in the order of their captures.
    ///
    /// # Errors
    /// `Poisoned`, `Closed`.
    pub fn capture(&self) -> Result<Capture> {
        let seal = |number, upto_ticket| self.shared.check_of(number, upto_ticket);
        Ok(self.hold()?.session.capture(self.shared.epoch, seal))
    }

    /// Makes everything up to a capture durable, with the manager that was serialised after it. `view`
    /// names the highest update id that this manager generated, for as many channels as the host can
    /// tell; what contradicts it is refused before anything is written.
    ///
    /// # Errors
    /// `WrongMode`, `BadTicket`, `StaleCapture`, `ManagerRequired`, `UnknownChannel`, `ManagerBehind`,
    /// `LostUpdate`, `ManagerAhead`, `DuplicateId`, `TooBig`; `NoSpace`: the same capture may be used
    /// again; `Unknown`: send nothing more, reopen, and trust what is found; `Poisoned`, `Closed`.
    pub fn commit(
        &self,
        capture: Capture,
        manager: Option<&[u8]>,
        view: &[(ChannelId, u64)],
    ) -> Result<Committed> {
        self.run_commit(capture, Request::Manager(manager), view)
    }

    /// As [`Monitors::commit`], for a host that stored its manager itself, durably, before this call.
    ///
    /// # Errors
    /// As [`Monitors::commit`]; `StaleManager` when a newer generation is stored.
    pub fn commit_external(
        &self,
        capture: Capture,
        generation: Option<u64>,
        view: &[(ChannelId, u64)],
    ) -> Result<Committed> {
        self.run_commit(capture, Request::Generation(generation), view)
    }

    fn run_commit(
        &self,
        capture: Capture,
        request: Request<'_>,
        view: &[(ChannelId, u64)],
    ) -> Result<Committed> {
        self.usable()?;
        let commit = Commit::prepare(&self.store, &self.shared, capture, request, view, true)?;
        let applied = commit.applied();
        // Tens of megabytes take milliseconds to give back to the system: not on the writer thread.
        let _held = commit.entries();
        let reply = self.store.submit_one(commit)?;
        // It is durable: nothing that happens to the handle or the store since may say otherwise.
        let unix_ms = self.store.clock().unix_ms;
        let need_snapshot = self.shared.hold_broken().session.need_snapshot(unix_ms);
        Ok(Committed { commit_sequence: reply.value, applied, need_snapshot })
    }

    /// A commit as an operation of a submission, so that operations of other components enter the same
    /// transaction. Its large values are written before this returns.
    pub(crate) fn command(
        &self,
        capture: Capture,
        request: Request<'_>,
        view: &[(ChannelId, u64)],
        may_wait: bool,
    ) -> Result<Arc<dyn Command>> {
        self.usable()?;
        let shared = &self.shared;
        let commit = Commit::prepare(&self.store, shared, capture, request, view, may_wait)?;
        Ok(Arc::new(commit))
    }

    /// A commit for [`Store::apply`], together with operations of other components: a settled payment, the
    /// mark of an attempt. Its large values are written before this returns. Dropped, it does nothing;
    /// until it is applied or dropped, every other commit of these monitors waits, also on the same
    /// thread.
    ///
    /// # Errors
    /// As [`Monitors::commit`]; `Busy` while another commit of these monitors is under way.
    pub fn operation(
        &self,
        capture: Capture,
        manager: Option<&[u8]>,
        view: &[(ChannelId, u64)],
    ) -> Result<Operation> {
        self.command(capture, Request::Manager(manager), view, false).map(Operation)
    }

    /// As [`Monitors::operation`], for a host that stored its manager itself before.
    ///
    /// # Errors
    /// As [`Monitors::commit_external`]; `Busy` while another commit of these monitors is under way.
    pub fn operation_external(
        &self,
        capture: Capture,
        generation: Option<u64>,
        view: &[(ChannelId, u64)],
    ) -> Result<Operation> {
        self.command(capture, Request::Generation(generation), view, false).map(Operation)
    }

    /// Compares the manager that the host loaded with the last commit.
    ///
    /// # Errors
    /// `ManagerBehind`, whose value is the stored generation: an older copy, do not go on. `CorruptRecord`
    /// when a damage took the stored generation, until a commit gives one. `WrongMode` when
    /// the manager is stored with the commits; `Poisoned`, `Closed`.
    pub fn check_manager(&self, generation: u64) -> Result<ManagerRelation> {
        let held = self.hold()?;
        if !self.shared.options.external_manager {
            return Err(Error::new(Status::WrongMode, "the manager is stored with the commits"));
        }
        if held.session.manager.generation_is_lost {
            let fact = "the stored generation was lost by a damage; commit with one to go on";
            return Err(Error::new(Status::CorruptRecord, fact));
        }
        let stored = held.session.manager.generation.unwrap_or(0);
        match generation.cmp(&stored) {
            std::cmp::Ordering::Equal => Ok(ManagerRelation::Equal),
            std::cmp::Ordering::Greater => Ok(ManagerRelation::Ahead),
            std::cmp::Ordering::Less => {
                let fact = format!("generation {generation} is older than the stored {stored}");
                Err(Error::new(Status::ManagerBehind, fact).of_channel(None, Some(stored)))
            }
        }
    }

    /// Entries that became durable in this session and were not told yet, in the order of the queue.
    /// Whoever does not want them says so at open: when too many wait, nothing but critical entries is
    /// queued.
    ///
    /// # Errors
    /// `Poisoned`, `Closed`.
    pub fn completions(&self, max: usize) -> Result<Vec<Completion>> {
        let mut held = self.hold()?;
        let taken = held.session.take_completions(max);
        self.quiet(&held);
        Ok(taken)
    }

    /// Silences the descriptor once nothing is left to take.
    fn quiet(&self, held: &Held<'_, Live>) {
        if !held.session.has_news() && !self.shared.redelivers.load(Ordering::Acquire) {
            self.shared.doorbell.silence();
        }
    }

    /// Confirms a durable output: it is removed by the next commit, and delivered again until then if the
    /// process ends.
    ///
    /// # Errors
    /// `UnknownOutput` when none of this id waits; `Poisoned`, `Closed`.
    pub fn acknowledge(&self, output_id: u64) -> Result<()> {
        let mut held = self.hold()?;
        let is_stored = load::has_output(&self.store, output_id)?;
        held.session.acknowledge(output_id, is_stored)
    }

    /// Channels that want a snapshot now, in the order of their ids.
    ///
    /// # Errors
    /// `Poisoned`, `Closed`.
    pub fn need_snapshot(&self) -> Result<Vec<ChannelId>> {
        let unix_ms = self.store.clock().unix_ms;
        Ok(self.hold()?.session.need_snapshot(unix_ms))
    }

    /// Removes an archived channel. Its id stays refused. Answers the number of the commit.
    ///
    /// # Errors
    /// `NotArchived`; `Unknown`, `NoSpace`; `Poisoned`, `Closed`.
    pub fn purge(&self, channel: ChannelId) -> Result<u64> {
        self.usable()?;
        let (claim, state) = Shared::begin_commit(&self.shared, true, |session, _| {
            session.check_purge(channel)?;
            let state = self.shared.state(session, true);
            Ok(State { commit_sequence: state.commit_sequence + 1, ..state })
        })?;
        let updates = table::update_lengths(&self.store, channel)?.len() as u64;
        let (leftover, core) = (Mutex::default(), Arc::clone(self.store.core()));
        let purge = Purge { channel, state, updates, leftover, core, claim };
        Ok(self.store.submit_one(purge)?.value)
    }

    /// Where the session stands, in one consistent look.
    ///
    /// # Errors
    /// `Poisoned`, `Closed`.
    pub fn standing(&self) -> Result<Standing> {
        let held = self.hold()?;
        let session = &held.session;
        Ok(Standing {
            commit_sequence: session.commit_sequence,
            pending: session.pending(),
            manager_generation: session.manager.generation,
            rescan_height: session.rescan_height(),
        })
    }

    /// A descriptor that is readable while there are completions or outputs to take, and once the store
    /// ended. Poll it; never read or close it.
    pub fn descriptor(&self) -> c_int {
        self.shared.doorbell.descriptor()
    }
}

impl Shared {
    fn state(&self, session: &Session, is_open: bool) -> State {
        let mark = session.manager;
        State {
            commit_sequence: session.commit_sequence,
            generation: mark.generation,
            generation_is_lost: mark.generation_is_lost,
            session: self.session,
            is_open,
        }
    }
}

impl Drop for Monitors {
    fn drop(&mut self) {
        if !os::is_forked_child() && !self.is_closed.swap(true, Ordering::AcqRel) {
            self.shared.hold_broken().end_handle();
        }
    }
}

/// Begins a session and reads what is durable, in this order: a commit of the session before that the writer
/// meets later is refused, so that nothing changes behind the new one.
fn begin(store: &Arc<Store>, options: MonitorsOptions) -> Result<Shared> {
    let epoch = store.report().epoch;
    let (before, state) = begin_session(store, epoch)?;
    let recovered = table::recover(store, state)?;
    if recovered.found.commit_sequence != state.commit_sequence {
        let commit_sequence = recovered.found.commit_sequence;
        store.submit_one(Recount(State { commit_sequence, ..state }))?;
    }
    let report = report_of(store, &options, &recovered, before);
    let redelivery = Mutex::new(load::Redelivery::upto(recovered.found.last_output_id));
    let redelivers = AtomicBool::new(report.outputs != 0);
    let doorbell =
        Doorbell::new().map_err(|error| Error::io(Status::Io, &error, "making a doorbell"))?;
    if report.outputs != 0 {
        doorbell.ring();
    }
    let session = Session::new(options, recovered.found);
    let live = Live { session, commit_is_under_way: false, handles: 0, has_ended: false };
    Ok(Shared {
        options,
        report,
        epoch,
        session: state.session,
        seal: RandomState::new(),
        live: Volatile::new(live),
        doorbell,
        redelivery,
        redelivers,
        store_has_ended: AtomicBool::new(false),
    })
}

fn begin_session(store: &Arc<Store>, epoch: u64) -> Result<(Option<State>, State)> {
    let command = Arc::new(Begin { epoch, states: Mutex::default() });
    let commands: Vec<Arc<dyn Command>> = vec![Arc::<Begin>::clone(&command)];
    let outcome = store.submit(commands, Grouping::Independent)?.pop();
    outcome.unwrap_or_else(|| Err(Status::Internal.into()))?;
    let states = *command.states.lock();
    Ok(states)
}

fn report_of(
    store: &Store,
    options: &MonitorsOptions,
    recovered: &table::Recovered,
    before: Option<State>,
) -> MonitorsReport {
    let found = &recovered.found;
    let active = || found.channels.iter().filter(|(_, known)| known.stage == Stage::Active);
    let has_manager = !options.external_manager && !options.manager_optional;
    let is_missing = active().next().is_some() && found.manager.commit_sequence.is_none();
    let manager_at = found.manager.commit_sequence.unwrap_or(u64::MAX);
    let is_lost = options.external_manager && found.manager.generation_is_lost;
    let is_behind = has_manager && active().any(|(_, known)| known.advanced_at > manager_at);
    MonitorsReport {
        commit_sequence: found.commit_sequence,
        last_close: match before {
            None => LastClose::New,
            Some(state) if state.is_open => LastClose::Unclean,
            Some(_) => LastClose::Clean,
        },
        damaged: active().filter_map(|(id, known)| Some((*id, known.damage?))).collect(),
        manager_missing: has_manager && (is_missing || recovered.manager_damaged),
        manager_behind: is_lost || is_behind,
        may_be_stale: store.report().copied || store.report().restored,
        outputs: recovered.outputs,
    }
}
