//! One store and its model, side by side: each call goes to both, their replies are equal, and after each
//! commit and reopen everything that is durable is, too.

use std::sync::Arc;

use super::super::channel::{Payload, Stage};
use super::super::plan::Capture;
use super::super::record::{MANAGER_KEY, STATE_KEY, decode_output, update_key};
use super::super::table::{manager_key, snapshot_key};
use super::super::{ChannelSummary, Monitors, MonitorsOptions, Output};
use super::core::{End, Op, Reply, Report, Request, State, step};
use super::rows::{Base, Stored, Tamper};
use crate::error::{Class, Error, Status};
use crate::store::batch::{Batch, Command, Cost, Outcome, Rows, Space};
use crate::store::failpoints::Fault;
use crate::store::tables::Table;
use crate::store::{Grouping, Operation, Store, StoreOptions, record};
use crate::types::ChannelId;

/// A store with its monitors, and the model of both.
pub(super) struct World {
    directory: tempfile::TempDir,
    pub(super) options: MonitorsOptions,
    pub(super) model: State,
    store: Option<Arc<Store>>,
    monitors: Option<Monitors>,
    /// Captures of this and of earlier sessions, as the model and as the store gave them.
    pub(super) captures: Vec<(Capture, Capture)>,
    pub(super) commits: u64,
    pub(super) crashes: u64,
    /// Writes of commits after which a crash was tried.
    pub(super) writes: u64,
}

/// How a session ends before the next open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Crash,
    /// The handle is dropped, the store goes on.
    Dropped,
    /// Closed, with what is queued if that has to be; the store is closed too, or not.
    Closed {
        store: bool,
    },
}

impl World {
    pub(super) fn new(options: MonitorsOptions) -> World {
        // In memory where there is such a place: what a disk does is tested elsewhere.
        let memory = tempfile::Builder::new().prefix("lnkeep-monitors").tempdir_in("/dev/shm");
        let directory = memory.unwrap_or_else(|_| tempfile::tempdir().unwrap());
        let mut world = World {
            directory,
            options,
            model: State::default(),
            store: None,
            monitors: None,
            captures: Vec::new(),
            commits: 0,
            crashes: 0,
            writes: 0,
        };
        world.open();
        world
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("store")
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        self.store.as_ref().expect("an open store")
    }

    pub(super) fn monitors(&self) -> &Monitors {
        self.monitors.as_ref().expect("open monitors")
    }

    fn open_store(&mut self) {
        let store = Store::open(self.path(), &StoreOptions::default()).unwrap();
        self.store = Some(store);
    }

    fn open(&mut self) {
        if self.store.is_none() {
            self.open_store();
        }
        let monitors = Monitors::open(self.store(), self.options).unwrap();
        let found = monitors.report();
        assert!(!found.may_be_stale);
        let told = Reply::Opened(Report {
            commit_sequence: found.commit_sequence,
            last_close: found.last_close,
            damaged: found.damaged.clone(),
            manager_missing: found.manager_missing,
            manager_behind: found.manager_behind,
            outputs: found.outputs,
        });
        assert_eq!(told, self.step(&Op::Open(self.options)), "what the open found");
        self.monitors = Some(monitors);
        self.compare();
    }

    /// The model's reply.
    fn step(&mut self, op: &Op) -> Reply {
        let (model, reply) = step(std::mem::take(&mut self.model), op);
        self.model = model;
        reply
    }

    /// Ends the session in some way, damages what is stored, and opens again.
    pub(super) fn reopen(&mut self, ending: Ending, damages: &[Tamper]) {
        match ending {
            Ending::Crash => {
                self.crashes += 1;
                self.store().crash();
                self.forget_store();
            }
            Ending::Dropped => {
                self.monitors = None;
                self.step(&Op::Crash);
            }
            Ending::Closed { store } => {
                self.close();
                if store || !damages.is_empty() {
                    self.store().close().unwrap();
                    self.store = None;
                }
            }
        }
        if !damages.is_empty() {
            self.open_store();
            for damage in damages {
                self.damage(damage);
            }
        }
        self.open();
    }

    fn close(&mut self) {
        for discard in [false, true] {
            let reply = self.step(&Op::Close { discard });
            let told = self.monitors().close(discard);
            match reply {
                Reply::Refused(..) => {
                    assert_eq!(Reply::refused(&told.unwrap_err()), reply, "close");
                }
                _ => {
                    told.unwrap();
                    self.monitors = None;
                    return;
                }
            }
        }
        unreachable!("a close that discards is not refused");
    }

    /// What a crash or a poisoned store leaves: the files.
    fn forget_store(&mut self) {
        self.monitors = None;
        self.store = None;
        self.step(&Op::Crash);
    }

    /// One call on both sides.
    pub(super) fn call(&mut self, op: &Op) -> Reply {
        let told = self.ask(op);
        let reply = self.step(op);
        assert_eq!(told, reply, "{op:?}");
        reply
    }

    fn ask(&self, op: &Op) -> Reply {
        let monitors = self.monitors();
        match op {
            Op::New(channel, update_id, snapshot, block, urgency) => of(
                monitors.queue_new(*channel, *update_id, &snapshot.0, *block, *urgency),
                Reply::Ticket,
            ),
            Op::Update(channel, update_id, update, urgency) => {
                of(monitors.queue_update(*channel, *update_id, &update.0, *urgency), Reply::Queued)
            }
            Op::Snapshot(channel, update_id, snapshot, block, urgency) => of(
                monitors.queue_snapshot(*channel, *update_id, &snapshot.0, *block, *urgency),
                Reply::Ticket,
            ),
            Op::Archive(channel) => of(monitors.queue_archive(*channel), Reply::Ticket),
            Op::Output(class, tag, payload) => {
                of(monitors.queue_output(*class, *tag, &payload.0), Reply::Ticket)
            }
            Op::CanQueue(operations, bytes, urgency) => {
                of(monitors.can_queue(*operations, *bytes, *urgency), |()| Reply::Done)
            }
            Op::IsDurable(ticket) => of(monitors.is_durable(*ticket), Reply::IsDurable),
            Op::Completions(max) => of(monitors.completions(*max), Reply::Completions),
            Op::Take(max) => of(monitors.take_outputs(*max), |taken| {
                Reply::Outputs(taken.into_iter().map(delivered).collect())
            }),
            Op::Acknowledge(output_id) => of(monitors.acknowledge(*output_id), |()| Reply::Done),
            Op::CheckManager(generation) => {
                of(monitors.check_manager(*generation), Reply::Relation)
            }
            other => unreachable!("{other:?} has a call of its own"),
        }
    }

    pub(super) fn capture(&mut self) -> (Capture, Capture) {
        let real = self.monitors().capture().unwrap();
        let Reply::Captured(model) = self.step(&Op::Capture) else {
            unreachable!("a capture is answered with a capture");
        };
        assert_eq!((real.number, real.upto_ticket()), (model.number, model.upto_ticket()));
        self.captures.push((model, real));
        (model, real)
    }

    /// A commit on both sides; an end that is not whole injects the fault that makes it.
    pub(super) fn commit(
        &mut self,
        capture: (Capture, Capture),
        request: &Request,
        view: &[(ChannelId, u64)],
        end: End,
    ) -> Reply {
        if matches!(end, End::Lost | End::Kept) {
            return self.commit_in_doubt(capture, request, view, end);
        }
        self.prepare_fault(end);
        let told = match request {
            Request::Manager(manager) => {
                let manager = manager.as_ref().map(|manager| &manager.0[..]);
                self.monitors().commit(capture.1, manager, view)
            }
            Request::Generation(generation) => {
                self.monitors().commit_external(capture.1, *generation, view)
            }
        };
        self.store().inject(None);
        let told = of(told, |done| Reply::Committed {
            commit_sequence: done.commit_sequence,
            applied: done.applied,
            need_snapshot: done.need_snapshot,
        });
        let op = Op::Commit(capture.0, request.clone(), view.to_vec(), end);
        let reply = self.step(&op);
        self.after_commit(told, &reply, end);
        reply
    }

    /// A commit as an operation: its large values are written when this returns.
    fn operation(
        &self,
        capture: Capture,
        request: &Request,
        view: &[(ChannelId, u64)],
    ) -> Result<Operation, Error> {
        match request {
            Request::Manager(manager) => {
                let manager = manager.as_ref().map(|manager| &manager.0[..]);
                self.monitors().operation(capture, manager, view)
            }
            Request::Generation(generation) => {
                self.monitors().operation_external(capture, *generation, view)
            }
        }
    }

    /// A commit that meets its fault behind the writing of its large values.
    fn commit_in_doubt(
        &mut self,
        capture: (Capture, Capture),
        request: &Request,
        view: &[(ChannelId, u64)],
        end: End,
    ) -> Reply {
        let operation = self.operation(capture.1, request, view);
        let told = match operation {
            Ok(operation) => {
                self.prepare_fault(end);
                let outcomes = self.store().apply(vec![operation], Grouping::Independent);
                self.store().inject(None);
                outcomes.and_then(|mut outcomes| outcomes.remove(0))
            }
            Err(error) => Err(error),
        };
        let reply = self.step(&Op::Commit(capture.0, request.clone(), view.to_vec(), end));
        self.after_commit(of(told, |done| Reply::Number(done.value)), &reply, end);
        reply
    }

    /// Work in the background would meet the fault first.
    fn prepare_fault(&self, end: End) {
        let fault = match end {
            End::Whole => return,
            End::NoSpace => Fault::NoSpace,
            End::Lost => Fault::CommitFailsBefore,
            End::Kept => Fault::CommitFailsAfter,
            End::CrashAfterPuts(_) | End::CrashAfterCommit => unreachable!("made otherwise"),
        };
        self.store().sync().unwrap();
        self.store().inject(Some(fault));
    }

    fn after_commit(&mut self, told: Reply, reply: &Reply, end: End) {
        let is_lost = matches!(end, End::Lost | End::Kept) && self.model.volatile.is_none();
        if is_lost {
            let Reply::Refused(status, ..) = told else { panic!("{end:?} was answered {told:?}") };
            assert_eq!(status.class(), Class::Unknown, "{status:?}");
            self.expect_poison();
            self.reopen_after_fault();
            return;
        }
        assert_eq!(told, *reply, "commit");
        if matches!(reply, Reply::Committed { .. } | Reply::Number(_)) {
            self.commits += 1;
            self.compare();
        }
    }

    /// Nothing but a close that discards is answered any more.
    fn expect_poison(&self) {
        let monitors = self.monitors();
        let refusals = [
            monitors.standing().map(drop),
            monitors.capture().map(drop),
            monitors.queue_output(super::super::OutputClass::Volatile, 1, b"x").map(drop),
            monitors.completions(1).map(drop),
            monitors.take_outputs(1).map(drop),
            monitors.load(ChannelId([1; 32])).map(drop),
            monitors.close(false),
        ];
        for refusal in refusals {
            assert_eq!(refusal.unwrap_err().status(), Status::Poisoned);
        }
        monitors.close(true).unwrap();
    }

    fn reopen_after_fault(&mut self) {
        self.crashes += 1;
        self.store().crash();
        self.forget_store();
        self.open();
    }

    pub(super) fn purge(&mut self, channel: ChannelId, end: End) -> Reply {
        self.prepare_fault(end);
        let told = of(self.monitors().purge(channel), Reply::Number);
        self.store().inject(None);
        let reply = self.step(&Op::Purge(channel, end));
        self.after_commit(told, &reply, end);
        reply
    }

    /// Repeats some calls and their commit with a crash at each write of the commit in turn, until the commit
    /// has no more writes and succeeds.
    pub(super) fn crash_at_every_write(
        &mut self,
        calls: &[Op],
        request: &Request,
        view: &[(ChannelId, u64)],
    ) {
        for write in 0.. {
            for op in calls {
                self.call(op);
            }
            let capture = self.capture();
            let operation = self.operation(capture.1, request, view);
            let commit = |end| Op::Commit(capture.0, request.clone(), view.to_vec(), end);
            let operation = match operation {
                Ok(operation) => operation,
                Err(error) => {
                    let reply = self.step(&commit(End::Whole));
                    assert_eq!(Reply::refused(&error), reply, "a refused commit");
                    return;
                }
            };
            self.store().sync().unwrap();
            self.store().inject(Some(Fault::WriteFails(write)));
            let outcomes = self.store().apply(vec![operation], Grouping::Independent);
            self.store().inject(None);
            match outcomes.and_then(|mut outcomes| outcomes.remove(0)) {
                Ok(reply) => {
                    assert!(write > 0, "a commit writes something");
                    let expected = self.step(&commit(End::Whole));
                    let Reply::Committed { commit_sequence, .. } = expected else {
                        panic!("the store committed, the model answers {expected:?}");
                    };
                    assert_eq!(reply.value, commit_sequence);
                    self.commits += 1;
                    self.compare();
                    return;
                }
                Err(error) => {
                    assert!(!error.status().is_definite(), "{error:?}");
                    self.writes += 1;
                    self.step(&commit(End::CrashAfterPuts(0)));
                    self.reopen_after_fault();
                }
            }
        }
    }

    fn damage(&mut self, damage: &Tamper) {
        let rows = self.rows_of(damage);
        self.store().submit_one(Rewrite(rows)).unwrap();
        self.step(&Op::Tamper(damage.clone()));
    }

    /// Rows as a damage leaves them: `None` for one that goes.
    fn rows_of(&self, damage: &Tamper) -> Vec<(Table, Vec<u8>, Option<Vec<u8>>)> {
        let garbage = || Some(b"garbage".to_vec());
        let sealed = |table, key: &[u8], body: &[u8]| Some(record::seal(table, key, body));
        match damage {
            Tamper::DropUpdate(channel, update_id) => {
                vec![(Table::MonitorUpdates, update_key(*channel, *update_id).to_vec(), None)]
            }
            Tamper::AddUpdate(channel, update_id, update) => {
                let key = update_key(*channel, *update_id).to_vec();
                let row = sealed(Table::MonitorUpdates, &key, &update.0);
                vec![(Table::MonitorUpdates, key, row)]
            }
            Tamper::GarbleUpdate(channel, update_id) => {
                let key = update_key(*channel, *update_id).to_vec();
                vec![(Table::MonitorUpdates, key, garbage())]
            }
            Tamper::GarbleSnapshot(channel) => {
                let pointer = snapshot_key(*channel).unwrap();
                match self.first_chunk(&pointer) {
                    // Half of them by the pointer, half by a chunk.
                    Some(chunk) if channel.0[0] % 2 == 0 => {
                        vec![(Table::BlobChunks, chunk, garbage())]
                    }
                    _ => vec![(Table::Blobs, pointer, garbage())],
                }
            }
            Tamper::DropSnapshot(channel) => {
                vec![(Table::Blobs, snapshot_key(*channel).unwrap(), None)]
            }
            Tamper::GarbleRow(channel) => {
                vec![(Table::Monitors, channel.0.to_vec(), garbage())]
            }
            Tamper::DropManager => vec![
                (Table::Blobs, manager_key().unwrap(), None),
                (Table::MonitorsState, MANAGER_KEY.to_vec(), None),
            ],
            Tamper::GarbleManager => vec![(Table::Blobs, manager_key().unwrap(), garbage())],
            Tamper::GarbleOutput(output_id) => {
                vec![(Table::MonitorOutputs, output_id.to_be_bytes().to_vec(), garbage())]
            }
            Tamper::GarbleState => vec![(Table::MonitorsState, STATE_KEY.to_vec(), garbage())],
            Tamper::OldManager(number, _) => {
                let row = sealed(Table::MonitorsState, MANAGER_KEY, &number.to_le_bytes());
                vec![(Table::MonitorsState, MANAGER_KEY.to_vec(), row)]
            }
        }
    }

    fn first_chunk(&self, pointer: &[u8]) -> Option<Vec<u8>> {
        let body = self.store().read(|view| view.row(Table::Blobs, pointer)).ok().flatten()?;
        let mut key: Vec<u8> = body[..8].iter().rev().copied().collect();
        key.extend([0; 4]);
        Some(key)
    }

    /// Everything durable, read from the store, is what the model has.
    pub(super) fn compare(&self) {
        let (monitors, durable) = (self.monitors(), &self.model.durable);
        let session = &self.model.volatile.as_ref().expect("an open session").session;
        let standing = monitors.standing().unwrap();
        assert_eq!(standing.pending, session.pending());
        assert_eq!(standing.commit_sequence, durable.commit_sequence);
        assert_eq!(standing.manager_generation, durable.generation);
        assert_eq!(standing.rescan_height, rescan_height(durable.channels.values()));
        assert_eq!(monitors.need_snapshot().unwrap(), session.need_snapshot(0));
        let manager = monitors.manager();
        match &durable.manager {
            Some((_, _, true)) => {
                assert_eq!(manager.unwrap_err().status(), Status::CorruptRecord);
            }
            Some((bytes, ..)) => assert!(manager.unwrap().as_deref() == Some(&bytes.0[..])),
            None => assert!(manager.unwrap().is_none()),
        }
        for stage in [Stage::Active, Stage::Archived] {
            let known = durable.channels.iter().filter(|(_, stored)| stored.stage == stage);
            let known = known.map(|(id, stored)| summary(*id, stored, false));
            let told = monitors.channels(stage, None, usize::MAX).unwrap();
            assert_eq!(told, known.collect::<Vec<_>>());
        }
        for (channel, stored) in &durable.channels {
            self.compare_channel(*channel, stored);
        }
        for channel in durable.purged.keys() {
            let status = monitors.load(*channel).unwrap_err().status();
            assert_eq!(status, Status::UnknownChannel);
        }
        self.compare_outputs();
    }

    fn compare_channel(&self, channel: ChannelId, stored: &Stored) {
        let loaded = self.monitors().load(channel).unwrap();
        assert_eq!(loaded.summary, summary(channel, stored, true), "{channel}");
        assert_eq!(loaded.stage, stored.stage);
        match &stored.base {
            Base::Whole(bytes) => assert!(loaded.snapshot.as_deref() == Some(&bytes.0[..])),
            Base::Missing => assert!(loaded.snapshot.is_none()),
            // What is left of a garbled snapshot is anybody's guess.
            Base::Garbled => {}
        }
        let readable = stored.updates.iter().filter(|(_, (_, is_garbled))| !is_garbled);
        let updates = readable.map(|(id, (update, _))| (*id, update.0.to_vec()));
        assert!(loaded.updates == updates.collect::<Vec<_>>(), "updates of {channel}");
    }

    fn compare_outputs(&self) {
        let mut rows = Vec::new();
        let read = self.store().read(|view| {
            view.scan(Table::MonitorOutputs, &[], |key, body| {
                let output_id = u64::from_be_bytes(key.try_into().unwrap());
                let (tag, payload) = body.ok().and_then(decode_output).unwrap_or_default();
                rows.push((output_id, (tag, Payload(payload.to_vec().into()))));
                true
            })
        });
        read.unwrap();
        let known = self.model.durable.outputs.iter().map(|(id, output)| (*id, output.clone()));
        assert_eq!(rows, known.collect::<Vec<_>>());
    }

    /// Ends everything in order; then the files are sound and hold no chunk that nothing leads to.
    pub(super) fn settle(&mut self) {
        self.close();
        self.store().close().unwrap();
        self.store = None;
        self.open_store();
        self.store().sync().unwrap();
        let mut orphans = Vec::new();
        let read = self.store().read(|view| {
            let mut needed = std::collections::BTreeSet::new();
            view.scan(Table::Blobs, &[], |_, body| {
                let mut generation: [u8; 8] = body.unwrap()[..8].try_into().unwrap();
                generation.reverse();
                needed.insert(generation);
                true
            })?;
            view.scan(Table::BlobChunks, &[], |key, _| {
                if !needed.contains(&key[..8]) {
                    orphans.push(key.to_vec());
                }
                true
            })
        });
        read.unwrap();
        assert_eq!(orphans, Vec::<Vec<u8>>::new(), "chunks that nothing leads to");
        self.store().close().unwrap();
        self.store = None;
        let report = crate::maintenance::check(self.path()).unwrap();
        assert!(report.is_sound(), "{report:?}");
        self.open();
    }
}

fn of<T>(result: Result<T, Error>, done: impl FnOnce(T) -> Reply) -> Reply {
    result.map_or_else(|error| Reply::refused(&error), done)
}

fn delivered(output: Output) -> (Option<u64>, u64, Payload) {
    (output.output_id, output.tag, Payload(output.payload))
}

fn rescan_height<'a>(channels: impl Iterator<Item = &'a Stored>) -> Option<u32> {
    let active = channels.filter(|stored| stored.stage == Stage::Active);
    active.map(|stored| stored.block.height).min()
}

/// What is told of a channel; a load looks at damages of archived ones, too.
fn summary(channel: ChannelId, stored: &Stored, loads: bool) -> ChannelSummary {
    let damage = stored.damage().filter(|_| loads || stored.stage == Stage::Active);
    ChannelSummary {
        channel,
        base_id: stored.base_id,
        latest_id: stored.latest_id,
        snapshot_bytes: stored.base_bytes,
        update_bytes: stored.lengths().sum(),
        block: stored.block,
        damage,
    }
}

/// Puts rows as they are, and removes rows.
pub(super) struct Rewrite(pub(super) Vec<(Table, Vec<u8>, Option<Vec<u8>>)>);

impl Command for Rewrite {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        for (table, key, row) in &self.0 {
            match row {
                Some(row) => batch.put_row(*table, key, row)?,
                None => assert!(batch.delete(*table, key)?, "there is no row to remove"),
            }
        }
        Ok(crate::store::batch::Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: self.0.len() as u64, bytes: 4_096 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}
