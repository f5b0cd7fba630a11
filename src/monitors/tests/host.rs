//! A node over the model of the store: what it may do, in which order it captures, serialises and commits,
//! what it remembers, and what each step has to keep.
//!
//! I1 no channel is ahead of the durable manager. I2 what the manager has more than a channel is in its list
//! of updates in flight; without such a list they are equal. I3 what was released is covered by manager and
//! channel, after any crash. I4 base, updates and queue are contiguous. I5 a completion is told for durable
//! ids only. I6 after a reopen and replay the host's tip is the store's. I7 neither manager nor channel goes
//! back. I8 a durable output waits from its commit until the commit of its acknowledgement, is delivered in
//! each session until then, and never before its commit.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Completion;
use super::super::MonitorsOptions;
use super::super::channel::{Block, Body, OutputClass, Payload, Urgency};
use super::super::plan::Capture;
use super::super::session::{Mistake, Queued};
use super::core::{Delivered, End, Flaw, Op, Reply, Request, State, puts_of, step};
use super::id;
use super::rows::Stored;
use crate::error::Status;
use crate::types::ChannelId;

/// Channels of the largest run.
pub(super) const CHANNELS_MAX: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Invariant {
    I1,
    I2,
    I3,
    I4,
    I5,
    I6,
    I7,
    I8,
}

/// How much of everything a run has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) channels: usize,
    pub(super) updates: u8,
    pub(super) captures: u8,
    pub(super) crashes: u8,
    pub(super) snapshots: u8,
    /// Outputs are durable events with acknowledgements, else volatile messages.
    pub(super) durable_outputs: bool,
    /// Channels begin as new ones, else they exist before the first action.
    pub(super) begins_empty: bool,
}

pub(super) const SIZE: Size = Size {
    channels: 1,
    updates: 3,
    captures: 3,
    crashes: 2,
    snapshots: 0,
    durable_outputs: false,
    begins_empty: false,
};

/// A host, and what is wrong with it or with the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variant {
    pub(super) name: &'static str,
    /// Its manager holds updates that were not durable and replays them.
    pub(super) replays: bool,
    /// It tells the store so, and names what its manager knows.
    pub(super) gives_view: bool,
    pub(super) order: Order,
    pub(super) mistake: Option<Mistake>,
    pub(super) flaw: Option<Flaw>,
}

/// When a host serialises its manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// After the capture, in the order of the captures, and anything may happen between.
    CaptureFirst,
    /// After the capture, in any order: two threads that do not wait for each other.
    CaptureFirstUnordered,
    /// Before the capture.
    SerialiseFirst,
    /// With the capture, under one lock.
    Together,
}

/// The node's memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Host {
    /// Highest update that it made, and that it knows to be durable, of each channel.
    pub(super) generated: [u8; CHANNELS_MAX],
    pub(super) completed: [u8; CHANNELS_MAX],
    /// In which life each update between them was made: another life makes other bytes.
    pub(super) in_flight: BTreeMap<(u8, u8), u8>,
}

impl Host {
    /// Its manager as bytes.
    fn serialise(&self) -> Payload {
        let mut bytes = Vec::new();
        for channel in 0..CHANNELS_MAX {
            bytes.extend([self.generated[channel], self.completed[channel]]);
        }
        bytes.extend(self.in_flight.values());
        Payload(bytes.into())
    }

    fn load(manager: Option<&Payload>) -> Host {
        let mut host = Host::default();
        let Some(Payload(bytes)) = manager else { return host };
        let mut lives = bytes[2 * CHANNELS_MAX..].iter();
        for channel in 0..CHANNELS_MAX {
            host.generated[channel] = bytes[2 * channel];
            host.completed[channel] = bytes[2 * channel + 1];
            for update_id in host.completed[channel] + 1..=host.generated[channel] {
                let life = lives.next().expect("one life for each update in flight");
                host.in_flight.insert((channel as u8, update_id), *life);
            }
        }
        host
    }

    fn complete(&mut self, channel: u8, update_id: u8) {
        let completed = &mut self.completed[usize::from(channel)];
        *completed = (*completed).max(update_id);
        self.in_flight.retain(|(of, id), _| *of != channel || *id > update_id);
    }
}

/// What a host has to do one commit with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) capture: Option<Capture>,
    pub(super) manager: Option<Payload>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Update(u8),
    Snapshot(u8, u8),
    Capture,
    Serialise(usize),
    SerialiseNew,
    CaptureFor(usize),
    Checkpoint,
    Commit(usize),
    CommitWithoutSpace(usize),
    CrashInCommit(usize, usize),
    CrashAfterCommit(usize),
    Crash,
    Completions,
    Take,
    Acknowledge(u64),
}

/// Everything that a run has at one time.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) core: State,
    pub(super) host: Host,
    pub(super) tokens: Vec<Token>,
    pub(super) captures: u8,
    pub(super) crashes: u8,
    pub(super) snapshots: u8,
    /// Highest update of each channel whose message left.
    pub(super) released: [u8; CHANNELS_MAX],
    /// Durable outputs that were committed and whose acknowledgement was not.
    pub(super) owed: BTreeSet<u64>,
    /// Those delivered, and acknowledged, in this session.
    pub(super) delivered: BTreeSet<u64>,
    pub(super) acknowledged: BTreeSet<u64>,
}

fn update_of(channel: u8, update_id: u8, life: u8) -> Payload {
    Payload(vec![channel, update_id, life].into())
}

fn tag_of(channel: u8, update_id: u8) -> u64 {
    u64::from(channel) << 8 | u64::from(update_id)
}

impl World {
    pub(super) fn new(size: &Size, variant: &Variant) -> World {
        let mut core = State { flaw: variant.flaw, ..State::default() };
        if !size.begins_empty {
            for channel in 0..size.channels as u8 {
                let snapshot = update_of(channel, 0, 0);
                let stored = Stored::new(0, snapshot, Block::default(), 0);
                core.durable.channels.insert(id(channel), stored);
            }
            core.durable.manager = Some((Host::default().serialise(), 0, false));
        }
        let mut world = World {
            core,
            host: Host::default(),
            tokens: Vec::new(),
            captures: 0,
            crashes: 0,
            snapshots: 0,
            released: [0; CHANNELS_MAX],
            owed: BTreeSet::new(),
            delivered: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
        };
        let found = world.reopen(size, variant);
        assert_eq!(found, [], "nothing happened yet");
        world
    }

    fn call(&mut self, op: &Op) -> Reply {
        let (core, reply) = step(std::mem::take(&mut self.core), op);
        self.core = core;
        reply
    }

    /// Queues an update and the output that depends on it; answers whether it is durable already, `None` when
    /// it is refused.
    fn queue(&mut self, size: &Size, channel: u8, update_id: u8, life: u8) -> Option<bool> {
        let bytes = update_of(channel, update_id, life);
        let (to, update_id64) = (id(channel), u64::from(update_id));
        let is_stored = self.core.durable.channels.contains_key(&to);
        let op = match update_id {
            1 if size.begins_empty && is_stored => return Some(true),
            1 if size.begins_empty => Op::New(to, 1, bytes, Block::default(), Urgency::Ordinary),
            _ => Op::Update(to, update_id64, bytes, Urgency::Ordinary),
        };
        match self.call(&op) {
            Reply::Ticket(_) | Reply::Queued(Queued::Ticket(_)) => {}
            Reply::Queued(Queued::AlreadyDurable) => return Some(true),
            Reply::Refused(Status::UpdateStale, ..) => return Some(true),
            Reply::Refused(..) => return None,
            other => unreachable!("{op:?} was answered {other:?}"),
        }
        let class = if size.durable_outputs { OutputClass::Durable } else { OutputClass::Volatile };
        let output = Op::Output(class, tag_of(channel, update_id), Payload(vec![1].into()));
        assert!(matches!(self.call(&output), Reply::Ticket(_)));
        Some(false)
    }

    fn update(&mut self, size: &Size, channel: u8) {
        let tip = &mut self.host.generated[usize::from(channel)];
        *tip += 1;
        let update_id = *tip;
        self.host.in_flight.insert((channel, update_id), self.crashes);
        let is_durable = self.queue(size, channel, update_id, self.crashes);
        assert_eq!(is_durable, Some(false), "update {update_id} is the next one");
    }

    /// Opens the store again: the host loads its manager and replays, as far as it can.
    fn reopen(&mut self, size: &Size, variant: &Variant) -> Vec<Invariant> {
        self.tokens.clear();
        self.delivered.clear();
        self.acknowledged.clear();
        let options =
            MonitorsOptions { replays_nothing: !variant.replays, ..MonitorsOptions::default() };
        assert!(matches!(self.call(&Op::Open(options)), Reply::Opened(_)));
        self.core.volatile.as_mut().expect("it is open").session.mistake = variant.mistake;
        let manager = self.core.durable.manager.as_ref().map(|(bytes, ..)| bytes.clone());
        self.host = Host::load(manager.as_ref());
        let in_flight = match variant.replays {
            true => self.host.in_flight.clone(),
            false => std::mem::take(&mut self.host.in_flight),
        };
        for ((channel, update_id), life) in in_flight {
            match self.queue(size, channel, update_id, life) {
                Some(true) => self.host.complete(channel, update_id),
                Some(false) => {}
                None => return vec![Invariant::I6],
            }
        }
        let session = &self.core.volatile.as_ref().expect("it is open").session;
        let tips = (0..size.channels as u8).all(|channel| {
            let tip = session.projection(&id(channel)).map_or(0, |known| known.latest_id);
            tip == u64::from(self.host.generated[usize::from(channel)])
        });
        if tips { Vec::new() } else { vec![Invariant::I6] }
    }

    fn stored(&self, channel: u8) -> Option<&Stored> {
        self.core.durable.channels.get(&id(channel))
    }

    fn tip(&self, channel: u8) -> u8 {
        self.stored(channel).map_or(0, |stored| stored.latest_id as u8)
    }

    fn manager(&self) -> Host {
        Host::load(self.core.durable.manager.as_ref().map(|(bytes, ..)| bytes))
    }

    /// What holds in every state.
    fn violated(&self, size: &Size, variant: &Variant) -> Vec<Invariant> {
        let (mut found, manager) = (Vec::new(), self.manager());
        let mut expect = |holds: bool, invariant: Invariant| {
            if !holds {
                found.push(invariant);
            }
        };
        for channel in 0..size.channels {
            let (known, tip) = (manager.generated[channel], self.tip(channel as u8));
            expect(tip <= known, Invariant::I1);
            let replayable = variant.replays && manager.completed[channel] <= tip;
            expect(known <= tip || replayable, Invariant::I2);
            expect(self.released[channel] <= known.min(tip), Invariant::I3);
            expect(self.is_contiguous(channel as u8), Invariant::I4);
            expect(self.host.completed[channel] <= tip, Invariant::I5);
        }
        let waiting: BTreeSet<u64> =
            self.core.durable.outputs.values().map(|(tag, _)| *tag).collect();
        expect(!size.durable_outputs || waiting == self.owed, Invariant::I8);
        found
    }

    fn is_contiguous(&self, channel: u8) -> bool {
        let stored = self.stored(channel);
        if stored.is_some_and(|stored| stored.damage().is_some()) {
            return false;
        }
        let session = &self.core.volatile.as_ref().expect("it is open").session;
        let mut next = stored.map(|stored| stored.latest_id + 1);
        for entry in session.queue.iter().filter(|entry| entry.body.channel() == Some(id(channel)))
        {
            let expected = match &entry.body {
                Body::New { update_id, .. } if next.is_none() => *update_id,
                Body::Update { update_id, .. } if next == Some(*update_id) => *update_id,
                Body::Snapshot { .. } => continue,
                _ => return false,
            };
            next = Some(expected + 1);
        }
        true
    }

    /// Does a commit; answers its refusal. A capture that was committed is refused from then on.
    fn commit(&mut self, size: &Size, variant: &Variant, at: usize, end: End) -> Option<Status> {
        let Token { capture: Some(capture), manager: Some(manager) } = self.tokens.remove(at)
        else {
            unreachable!("only a whole token is committed");
        };
        let view = if variant.gives_view { view_of(&manager, size) } else { Vec::new() };
        let session = &self.core.volatile.as_ref().expect("it is open").session;
        let covered = session.queue.iter().filter(|entry| entry.ticket <= capture.upto_ticket);
        let outputs: Vec<u64> = covered
            .filter_map(|entry| match &entry.body {
                Body::Output { class: OutputClass::Durable, tag, .. } => Some(*tag),
                _ => None,
            })
            .collect();
        let op = Op::Commit(capture, Request::Manager(Some(manager.clone())), view, end);
        let kept = matches!(end, End::Whole | End::CrashAfterCommit);
        let status = match self.call(&op) {
            Reply::Committed { .. } | Reply::Crashed => None,
            Reply::Refused(status, ..) => Some(status),
            other => panic!("{op:?} was answered {other:?}"),
        };
        if status.is_none() && kept {
            self.owed.extend(outputs);
            self.owed.retain(|tag| !self.acknowledged.contains(tag));
        }
        if status.is_none() && end == End::Whole && variant.mistake.is_none() {
            let again = step(self.core.clone(), &op).1;
            assert!(matches!(again, Reply::Refused(Status::StaleCapture, ..)), "{again:?}");
        }
        if status == Some(Status::NoSpace) {
            self.tokens.insert(at, Token { capture: Some(capture), manager: Some(manager) });
        }
        status
    }

    fn completions(&mut self) -> Vec<Invariant> {
        let Reply::Completions(told) = self.call(&Op::Completions(usize::MAX)) else {
            unreachable!("completions are answered with completions");
        };
        let mut found = Vec::new();
        for Completion { channel, update_id, .. } in told {
            let (channel, update_id) = (channel.0[0], update_id.expect("no archive") as u8);
            if update_id > self.tip(channel) {
                found.push(Invariant::I5);
            }
            self.host.complete(channel, update_id);
        }
        found
    }

    /// Everything that may leave, leaves.
    fn take(&mut self, size: &Size) -> Vec<Invariant> {
        let Reply::Outputs(taken) = self.call(&Op::Take(usize::MAX)) else {
            unreachable!("a take is answered with outputs");
        };
        let mut found = Vec::new();
        for (output_id, tag, _) in taken as Vec<Delivered> {
            let channel = (tag >> 8) as usize;
            self.released[channel] = self.released[channel].max(tag as u8);
            if size.durable_outputs {
                let again = !self.delivered.insert(tag);
                if again || output_id.is_none() || !self.owed.contains(&tag) {
                    found.push(Invariant::I8);
                }
            }
        }
        if !self.owed.is_subset(&self.delivered) {
            found.push(Invariant::I8);
        }
        found
    }

    fn acknowledge(&mut self, tag: u64) {
        let mut outputs = self.core.durable.outputs.iter();
        let (output_id, _) = outputs.find(|(_, (of, _))| *of == tag).expect("it waits");
        let op = Op::Acknowledge(*output_id);
        assert_eq!(self.call(&op), Reply::Done);
        self.acknowledged.insert(tag);
    }
}

fn view_of(manager: &Payload, size: &Size) -> Vec<(ChannelId, u64)> {
    let host = Host::load(Some(manager));
    let known = (0..size.channels).map(|channel| (channel as u8, host.generated[channel]));
    let known = known.filter(|(_, tip)| !size.begins_empty || *tip != 0);
    known.map(|(channel, tip)| (id(channel), u64::from(tip))).collect()
}

/// What a host may do in a state.
pub(super) fn actions(world: &World, size: &Size, variant: &Variant) -> Vec<Action> {
    let mut actions = Vec::new();
    for channel in 0..size.channels as u8 {
        let tip = world.host.generated[usize::from(channel)];
        if tip < size.updates {
            actions.push(Action::Update(channel));
        }
        let base = world.stored(channel).map_or(u64::MAX, |stored| stored.base_id);
        if world.snapshots < size.snapshots {
            let ids = BTreeSet::from([tip, world.host.completed[usize::from(channel)]]);
            let ids = ids.into_iter().filter(|update_id| u64::from(*update_id) > base);
            actions.extend(ids.map(|update_id| Action::Snapshot(channel, update_id)));
        }
    }
    if world.captures < size.captures {
        actions.push(match variant.order {
            Order::CaptureFirst | Order::CaptureFirstUnordered => Action::Capture,
            Order::SerialiseFirst => Action::SerialiseNew,
            Order::Together => Action::Checkpoint,
        });
    }
    let may_crash = world.crashes < size.crashes;
    for at in 0..world.tokens.len() {
        actions.extend(token_actions(world, variant, at, may_crash));
    }
    let session = &world.core.volatile.as_ref().expect("it is open").session;
    if !session.completions.is_empty() {
        actions.push(Action::Completions);
    }
    let left = world.core.durable.outputs.len() > world.delivered.len();
    if !session.released.is_empty() || (size.durable_outputs && left) {
        actions.push(Action::Take);
    }
    if may_crash {
        actions.push(Action::Crash);
    }
    if size.durable_outputs {
        let waiting = world.delivered.difference(&world.acknowledged);
        let waiting = waiting.filter(|tag| world.owed.contains(tag));
        actions.extend(waiting.map(|tag| Action::Acknowledge(*tag)));
    }
    actions
}

/// What may be done with a capture or a manager that waits for its commit.
fn token_actions(world: &World, variant: &Variant, at: usize, may_crash: bool) -> Vec<Action> {
    let (mut actions, token) = (Vec::new(), &world.tokens[at]);
    match (token.capture, &token.manager) {
        (Some(capture), Some(_)) => {
            actions.push(Action::Commit(at));
            if variant.flaw == Some(Flaw::FollowsFirst) {
                actions.push(Action::CommitWithoutSpace(at));
            }
            if may_crash && matches!(variant.flaw, None | Some(Flaw::FollowsFirst)) {
                // What is inside one transaction ends alike wherever it ends.
                actions.push(Action::CrashInCommit(at, 0));
            } else if may_crash {
                let puts = puts_of(&world.core, capture);
                actions.extend((1..puts).map(|done| Action::CrashInCommit(at, done)));
            }
            if may_crash {
                actions.push(Action::CrashAfterCommit(at));
            }
        }
        (Some(_), None) => {
            let mut later = world.tokens[at + 1..].iter();
            let is_overtaken = later.any(|token| token.manager.is_some());
            if !is_overtaken || variant.order == Order::CaptureFirstUnordered {
                actions.push(Action::Serialise(at));
            }
        }
        (None, _) => actions.push(Action::CaptureFor(at)),
    }
    actions
}

/// Follows an action; answers what it violated on the way, and the refusal of a commit.
pub(super) fn follow(
    world: &mut World,
    action: Action,
    size: &Size,
    variant: &Variant,
) -> (Vec<Invariant>, Option<Status>) {
    let before = (world.manager().generated, [0, 1].map(|channel| world.tip(channel)));
    let mut refused = None;
    let mut found = Vec::new();
    match action {
        Action::Update(channel) => world.update(size, channel),
        Action::Snapshot(channel, update_id) => {
            let snapshot = update_of(channel, update_id, u8::MAX);
            let urgency = Urgency::Ordinary;
            let op = Op::Snapshot(id(channel), update_id.into(), snapshot, None, urgency);
            // An earlier snapshot may be newer.
            let reply = world.call(&op);
            let stale = matches!(reply, Reply::Refused(Status::SnapshotStale, ..));
            assert!(stale || matches!(reply, Reply::Ticket(_)), "{reply:?}");
            world.snapshots += 1;
        }
        Action::Capture | Action::SerialiseNew | Action::Checkpoint => {
            let capture = (action != Action::SerialiseNew).then(|| capture(world));
            let manager = (action != Action::Capture).then(|| world.host.serialise());
            world.tokens.push(Token { capture, manager });
            world.captures += 1;
        }
        Action::Serialise(at) => world.tokens[at].manager = Some(world.host.serialise()),
        Action::CaptureFor(at) => world.tokens[at].capture = Some(capture(world)),
        Action::Commit(at) => refused = world.commit(size, variant, at, End::Whole),
        Action::CommitWithoutSpace(at) => {
            world.commit(size, variant, at, End::NoSpace);
        }
        Action::CrashInCommit(at, puts) => {
            refused = world.commit(size, variant, at, End::CrashAfterPuts(puts));
        }
        Action::CrashAfterCommit(at) => {
            refused = world.commit(size, variant, at, End::CrashAfterCommit);
        }
        Action::Crash => drop(world.call(&Op::Crash)),
        Action::Completions => found = world.completions(),
        Action::Take => found = world.take(size),
        Action::Acknowledge(tag) => world.acknowledge(tag),
    }
    let after = (world.manager().generated, [0, 1].map(|channel| world.tip(channel)));
    let goes_back = |before: [u8; 2], after: [u8; 2]| after[0] < before[0] || after[1] < before[1];
    // Managers serialised out of order may go back, by what no committed ticket covers.
    let is_ordered = variant.order != Order::CaptureFirstUnordered;
    if (is_ordered && goes_back(before.0, after.0)) || goes_back(before.1, after.1) {
        found.push(Invariant::I7);
    }
    if world.core.volatile.is_none() {
        world.crashes += 1;
        found.extend(world.reopen(size, variant));
    }
    found.extend(world.violated(size, variant));
    (found, refused)
}

fn capture(world: &mut World) -> Capture {
    match world.call(&Op::Capture) {
        Reply::Captured(capture) => capture,
        other => unreachable!("{other:?}"),
    }
}
