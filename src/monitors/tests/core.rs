//! The model: what is durable as plain maps (`rows`), the production's session for decisions, and `step`
//! from one state and call to the next state and reply. No I/O.
//!
//! What a commit makes durable is derived here entry by entry, as the contract says it, and compared with the
//! net changes that a plan writes: a plan that forgets or repeats something never leaves `step`.

use super::super::channel::{Block, Body, Damage, Entry, OutputClass, Payload, Urgency};
use super::super::plan::{Capture, ChannelChange, Completion, Manager, Plan, Remove};
use super::super::session::{Queued, Session};
use super::super::{LastClose, ManagerRelation, MonitorsOptions};
use super::rows::{Base, Durable, Stored, Tamper};
use crate::error::{Error, Status};
use crate::types::ChannelId;

/// One session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Volatile {
    pub(super) session: Session,
    pub(super) report: Report,
    /// Outputs of earlier sessions from here on were not delivered in this one.
    pub(super) redelivery_next: u64,
    redelivery_last: u64,
}

/// What an open tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) commit_sequence: u64,
    pub(super) last_close: LastClose,
    pub(super) damaged: Vec<(ChannelId, Damage)>,
    pub(super) manager_missing: bool,
    pub(super) manager_behind: bool,
    pub(super) outputs: u64,
}

/// A mistake on purpose in what the store does with a plan, which the invariants must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Flaw {
    /// The manager is made durable, then the entries one by one.
    ManagerThenChannels,
    /// The entries are made durable one by one, then the manager.
    ChannelsThenManager,
    /// The session follows a commit that then does not happen.
    FollowsFirst,
    /// A commit writes no row of its first update.
    SkipsAnUpdate,
    /// A commit writes its last update a second time, under the next id.
    RepeatsAnUpdate,
    /// A snapshot removes the updates after it, and the tip goes back to it.
    SnapshotForgetsUpdates,
    /// An acknowledgement removes its row at once.
    AcknowledgesAtOnce,
    /// An output that the session delivers itself gets no row.
    StoresNoOutput,
    /// Outputs of earlier sessions are not delivered again.
    ForgetsRedelivery,
}

/// Durable and volatile side of one store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct State {
    pub(super) durable: Durable,
    pub(super) volatile: Option<Volatile>,
    pub(super) flaw: Option<Flaw>,
}

/// How a commit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// There is no space: the same capture may be used again.
    NoSpace,
    /// The process dies after so many puts and before the commit.
    CrashAfterPuts(usize),
    /// The process dies after the commit: the caller learns nothing.
    CrashAfterCommit,
    /// The commit answers an error and is lost.
    Lost,
    /// The commit answers an error although it is durable.
    Kept,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    Open(MonitorsOptions),
    Crash,
    Close { discard: bool },
    Tamper(Tamper),
    New(ChannelId, u64, Payload, Block, Urgency),
    Update(ChannelId, u64, Payload, Urgency),
    Snapshot(ChannelId, u64, Payload, Option<Block>, Urgency),
    Archive(ChannelId),
    Output(OutputClass, u64, Payload),
    CanQueue(u64, u64, Urgency),
    IsDurable(u64),
    Capture,
    Commit(Capture, Request, Vec<(ChannelId, u64)>, End),
    Completions(usize),
    Take(usize),
    Acknowledge(u64),
    Purge(ChannelId, End),
    CheckManager(u64),
}

/// What comes with a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Manager(Option<Payload>),
    Generation(Option<u64>),
}

/// An output as it is delivered: its number, tag and bytes.
pub(super) type Delivered = (Option<u64>, u64, Payload);

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Done,
    Crashed,
    Opened(Report),
    Refused(Status, Option<ChannelId>, Option<u64>),
    Ticket(u64),
    Queued(Queued),
    IsDurable(bool),
    Captured(Capture),
    Committed { commit_sequence: u64, applied: u64, need_snapshot: Vec<ChannelId> },
    Completions(Vec<Completion>),
    Outputs(Vec<Delivered>),
    Number(u64),
    Relation(ManagerRelation),
}

impl Reply {
    pub(super) fn refused(error: &Error) -> Reply {
        Reply::Refused(error.status(), error.channel(), error.value())
    }

    fn of<T>(result: Result<T, Error>, done: impl FnOnce(T) -> Reply) -> Reply {
        result.map_or_else(|error| Reply::refused(&error), done)
    }
}

/// The state and the reply after one call. Calls but `Open`, `Crash` and `Tamper` need an open session.
pub(super) fn step(mut state: State, op: &Op) -> (State, Reply) {
    let reply = match op {
        Op::Open(options) => open(&mut state, *options),
        Op::Crash => {
            state.volatile = None;
            Reply::Crashed
        }
        Op::Tamper(tamper) => {
            assert!(state.volatile.is_none(), "only a closed store is damaged");
            state.durable.damage(tamper);
            Reply::Done
        }
        Op::Close { discard } => close(&mut state, *discard),
        Op::Commit(capture, request, view, end) => {
            commit(&mut state, *capture, request, view, *end)
        }
        Op::Purge(channel, end) => purge(&mut state, *channel, *end),
        Op::Take(max) => take(&mut state, *max),
        Op::Acknowledge(output_id) => acknowledge(&mut state, *output_id),
        Op::CheckManager(generation) => check_manager(&state, *generation),
        op => ask(&mut state, op),
    };
    (state, reply)
}

/// Calls that concern the session alone.
fn ask(state: &mut State, op: &Op) -> Reply {
    if payload_of(op).is_some_and(|payload| payload.0.is_empty()) {
        return Reply::Refused(Status::InvalidArgument, None, None);
    }
    let (durable, epoch) = (&state.durable, state.durable.epoch);
    let session = &mut state.volatile.as_mut().expect("an open session").session;
    match op.clone() {
        Op::New(channel, update_id, snapshot, block, urgency) => {
            let queued = session.queue_new(channel, update_id, snapshot, block, urgency);
            Reply::of(queued, Reply::Ticket)
        }
        Op::Update(channel, update_id, update, urgency) => {
            let bytes = || Ok(durable.update(channel, update_id));
            let queued = session.queue_update(channel, update_id, update, urgency, bytes);
            Reply::of(queued, Reply::Queued)
        }
        Op::Snapshot(channel, update_id, snapshot, block, urgency) => {
            let queued = session.queue_snapshot(channel, update_id, snapshot, block, urgency);
            Reply::of(queued, Reply::Ticket)
        }
        Op::Archive(channel) => Reply::of(session.queue_archive(channel), Reply::Ticket),
        Op::Output(class, tag, payload) => {
            Reply::of(session.queue_output(class, tag, payload), Reply::Ticket)
        }
        Op::CanQueue(operations, bytes, urgency) => {
            Reply::of(session.can_queue(operations, bytes, urgency), |()| Reply::Done)
        }
        Op::IsDurable(ticket) => Reply::of(session.is_durable(ticket), Reply::IsDurable),
        Op::Capture => Reply::Captured(session.capture(epoch, |_, _| 0)),
        Op::Completions(max) => Reply::Completions(session.take_completions(max)),
        other => unreachable!("{other:?} is handled by step"),
    }
}

fn payload_of(op: &Op) -> Option<&Payload> {
    match op {
        Op::New(_, _, payload, ..)
        | Op::Update(_, _, payload, _)
        | Op::Snapshot(_, _, payload, ..)
        | Op::Output(_, _, payload) => Some(payload),
        _ => None,
    }
}

fn open(state: &mut State, options: MonitorsOptions) -> Reply {
    assert!(state.volatile.is_none(), "one session at a time");
    let durable = &mut state.durable;
    durable.epoch += 1;
    let found = durable.found();
    let report = durable.report(&found, &options);
    let (next, last) = match state.flaw {
        Some(Flaw::ForgetsRedelivery) => (found.last_output_id + 1, found.last_output_id),
        _ => (0, found.last_output_id),
    };
    durable.closed = Some(false);
    let session = Session::new(options, found);
    let volatile =
        Volatile { session, report: report.clone(), redelivery_next: next, redelivery_last: last };
    state.volatile = Some(volatile);
    Reply::Opened(report)
}

fn close(state: &mut State, discard: bool) -> Reply {
    let queued = state.volatile.as_ref().expect("an open session").session.pending().operations;
    if queued != 0 && !discard {
        return Reply::Refused(Status::PendingOps, None, Some(queued));
    }
    state.durable.closed = Some(queued == 0);
    state.volatile = None;
    Reply::Done
}

fn take(state: &mut State, max: usize) -> Reply {
    let volatile = state.volatile.as_mut().expect("an open session");
    let mut taken: Vec<Delivered> = Vec::new();
    while taken.len() < max && volatile.redelivery_next <= volatile.redelivery_last {
        let mut left = state.durable.outputs.range(volatile.redelivery_next..);
        match left.next().filter(|(output_id, _)| **output_id <= volatile.redelivery_last) {
            Some((output_id, (tag, payload))) => {
                taken.push((Some(*output_id), *tag, payload.clone()));
                volatile.redelivery_next = output_id + 1;
            }
            None => volatile.redelivery_next = volatile.redelivery_last + 1,
        }
    }
    let released = volatile.session.take_released(max - taken.len());
    taken.extend(released.into_iter().map(|out| (out.output_id, out.tag, out.payload)));
    Reply::Outputs(taken)
}

fn acknowledge(state: &mut State, output_id: u64) -> Reply {
    let is_stored = state.durable.outputs.contains_key(&output_id);
    let session = &mut state.volatile.as_mut().expect("an open session").session;
    let reply = Reply::of(session.acknowledge(output_id, is_stored), |()| Reply::Done);
    if state.flaw == Some(Flaw::AcknowledgesAtOnce) && reply == Reply::Done {
        state.durable.outputs.remove(&output_id);
    }
    reply
}

fn check_manager(state: &State, generation: u64) -> Reply {
    let session = &state.volatile.as_ref().expect("an open session").session;
    if !session.options.external_manager {
        return Reply::Refused(Status::WrongMode, None, None);
    }
    if state.durable.generation_is_lost {
        return Reply::Refused(Status::CorruptRecord, None, None);
    }
    let stored = state.durable.generation.unwrap_or(0);
    if generation < stored {
        return Reply::Refused(Status::ManagerBehind, None, Some(stored));
    }
    let equal = generation == stored;
    Reply::Relation(if equal { ManagerRelation::Equal } else { ManagerRelation::Ahead })
}

fn purge(state: &mut State, channel: ChannelId, end: End) -> Reply {
    let volatile = state.volatile.as_mut().expect("an open session");
    if let Err(error) = volatile.session.check_purge(channel) {
        return Reply::refused(&error);
    }
    let mut after = state.durable.clone();
    after.channels.remove(&channel);
    after.commit_sequence += 1;
    after.purged.insert(channel, after.commit_sequence);
    let commit_sequence = after.commit_sequence;
    if end != End::Whole {
        return state.end_early(end, after);
    }
    volatile.session.finish_purge(channel, commit_sequence);
    state.durable = after;
    Reply::Number(commit_sequence)
}

/// One step of making a commit durable.
#[derive(Debug, Clone, Copy)]
enum Put<'plan> {
    Manager,
    Entry(&'plan Entry),
    /// Acknowledged outputs go, the commit is counted.
    Counter,
}

fn commit(
    state: &mut State,
    capture: Capture,
    request: &Request,
    view: &[(ChannelId, u64)],
    end: End,
) -> Reply {
    let is_ours = capture.epoch == state.durable.epoch && capture.check == 0;
    let manager = match request {
        Request::Manager(bytes) => Manager::Bytes { given: bytes.is_some() },
        Request::Generation(generation) => Manager::External { generation: *generation },
    };
    let session = &state.volatile.as_ref().expect("an open session").session;
    let plan = match session.plan(capture, is_ours, manager, view) {
        Ok(plan) => plan,
        Err(error) => return Reply::refused(&error),
    };
    let puts = puts(&plan, request, state.flaw);
    let after = state.durable.after(&plan, request, &puts, state.flaw);
    if state.flaw.is_none() {
        assert_eq!(state.durable.after_net(&plan, request), after, "the plan's net changes differ");
    }
    if state.flaw == Some(Flaw::FollowsFirst) || end == End::Whole {
        let volatile = state.volatile.as_mut().expect("an open session");
        volatile.session.finish(&plan, 0);
    }
    if let (End::CrashAfterPuts(done), true) = (end, is_in_steps(state.flaw)) {
        state.durable = state.durable.after(&plan, request, &puts[..done], state.flaw);
        state.volatile = None;
        return Reply::Crashed;
    }
    if end != End::Whole {
        return state.end_early(end, after);
    }
    state.durable = after;
    let session = &state.volatile.as_ref().expect("an open session").session;
    if state.flaw.is_none() {
        assert_eq!(session.durable, state.durable.found().channels, "the session and the rows");
    }
    Reply::Committed {
        commit_sequence: plan.commit_sequence,
        applied: plan.entries.len() as u64,
        need_snapshot: session.need_snapshot(0),
    }
}

fn is_in_steps(flaw: Option<Flaw>) -> bool {
    matches!(flaw, Some(Flaw::ManagerThenChannels | Flaw::ChannelsThenManager))
}

fn puts<'plan>(plan: &'plan Plan, request: &Request, flaw: Option<Flaw>) -> Vec<Put<'plan>> {
    let mut puts: Vec<Put<'plan>> = plan.entries.iter().map(Put::Entry).collect();
    if let Request::Manager(Some(_)) = request {
        let last = flaw == Some(Flaw::ChannelsThenManager);
        puts.insert(if last { puts.len() } else { 0 }, Put::Manager);
    }
    puts.push(Put::Counter);
    puts
}

/// How many puts the commit of a capture has.
pub(super) fn puts_of(state: &State, capture: Capture) -> usize {
    let session = &state.volatile.as_ref().expect("an open session").session;
    let entries = session.queue.iter().filter(|entry| entry.ticket <= capture.upto_ticket);
    entries.count() + 2
}

impl State {
    /// A commit whose caller does not learn that it succeeded.
    fn end_early(&mut self, end: End, after: Durable) -> Reply {
        let (keeps, reply) = match end {
            End::NoSpace => return Reply::Refused(Status::NoSpace, None, None),
            End::CrashAfterPuts(_) => (false, Reply::Crashed),
            End::CrashAfterCommit => (true, Reply::Crashed),
            End::Lost => (false, Reply::Refused(Status::Unknown, None, None)),
            End::Kept => (true, Reply::Refused(Status::Unknown, None, None)),
            End::Whole => unreachable!("a whole commit does not end early"),
        };
        if keeps {
            self.durable = after;
        }
        self.volatile = None;
        reply
    }
}

impl Durable {
    /// What is durable after some puts of a commit.
    fn after(
        &self,
        plan: &Plan,
        request: &Request,
        puts: &[Put<'_>],
        flaw: Option<Flaw>,
    ) -> Durable {
        let mut after = self.clone();
        for put in puts {
            match put {
                Put::Manager => {
                    if let Request::Manager(Some(bytes)) = request {
                        after.manager = Some((bytes.clone(), plan.commit_sequence, false));
                    }
                }
                Put::Entry(entry) => after.apply(&entry.body, plan.commit_sequence, flaw),
                Put::Counter => {
                    for output_id in &plan.acknowledged {
                        after.outputs.remove(output_id);
                    }
                    if let Request::Generation(Some(generation)) = request {
                        after.generation = Some(*generation);
                        after.generation_is_lost = false;
                    }
                    after.commit_sequence += 1;
                }
            }
        }
        if flaw == Some(Flaw::SkipsAnUpdate) || flaw == Some(Flaw::RepeatsAnUpdate) {
            after.mistake_an_update(plan, flaw);
        }
        after
    }

    fn mistake_an_update(&mut self, plan: &Plan, flaw: Option<Flaw>) {
        let mut updates = plan.entries.iter().filter_map(|entry| match &entry.body {
            Body::Update { channel, update_id, update } => Some((channel, update_id, update)),
            _ => None,
        });
        if flaw == Some(Flaw::SkipsAnUpdate) {
            if let Some((channel, update_id, _)) = updates.next() {
                self.channels.get_mut(channel).expect("its row").updates.remove(update_id);
            }
        } else if let Some((channel, update_id, update)) = updates.next_back() {
            let updates = &mut self.channels.get_mut(channel).expect("its row").updates;
            updates.insert(update_id + 1, (update.clone(), false));
        }
    }

    /// What the plan's net changes make of the rows.
    fn after_net(&self, plan: &Plan, request: &Request) -> Durable {
        let mut after = self.clone();
        if let Request::Manager(Some(bytes)) = request {
            after.manager = Some((bytes.clone(), plan.commit_sequence, false));
        }
        for (channel, change) in &plan.channels {
            after.apply_net(*channel, change);
        }
        for (output_id, tag, payload) in &plan.outputs {
            after.outputs.insert(*output_id, (*tag, payload.clone()));
            after.last_output_id = *output_id;
        }
        for output_id in &plan.acknowledged {
            after.outputs.remove(output_id);
        }
        after.generation = plan.manager.generation;
        after.generation_is_lost = plan.manager.generation_is_lost;
        after.commit_sequence = plan.commit_sequence;
        after
    }

    fn apply_net(&mut self, channel: ChannelId, change: &ChannelChange) {
        let known = &change.after;
        let stored = self.channels.entry(channel).or_insert_with(|| {
            let snapshot = change.snapshot.clone().expect("a new channel has a snapshot");
            Stored::new(known.base_id, snapshot, known.block, known.advanced_at)
        });
        match change.remove {
            Remove::Nothing => {}
            Remove::Ids(first, last) => stored.updates.retain(|id, _| *id < first || *id > last),
            Remove::Everything(rows) => {
                assert_eq!(rows, stored.updates.len() as u64, "the cost of a repair is known");
                stored.updates.clear();
            }
        }
        for (update_id, update) in &change.updates {
            stored.updates.insert(*update_id, (update.clone(), false));
        }
        if let Some(snapshot) = &change.snapshot {
            stored.base = Base::Whole(snapshot.clone());
        }
        stored.row_is_garbled = false;
        (stored.stage, stored.block) = (known.stage, known.block);
        (stored.base_id, stored.latest_id) = (known.base_id, known.latest_id);
        (stored.base_bytes, stored.advanced_at) = (known.base_bytes, known.advanced_at);
    }
}
