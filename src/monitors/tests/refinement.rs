//! Random calls on the store and its model at once, with a crash at every write of a commit, full disks,
//! commits in doubt, damages and repairs, in several sets of options.
//!
//! LNKEEP_MODEL_STEPS and LNKEEP_MODEL_SEED choose length and seed; a failure prints the seed.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::super::channel::{Block, Channel, OutputClass, Payload, Stage, Urgency};
use super::super::{Capture, MonitorsOptions, RESERVED_UPDATE_ID};
use super::core::{End, Op, Reply, Request};
use super::id;
use super::rows::{Base, Tamper};
use super::world::{Ending, World};
use crate::types::ChannelId;

/// More than a commit writes itself: such a value is staged.
const STAGED_BYTES: usize = (2 << 20) + 70_000;

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, among: &[T]) -> Option<T> {
        if among.is_empty() {
            return None;
        }
        Some(among[self.below(among.len() as u64) as usize].clone())
    }

    fn payload(&mut self, bytes_max: u64) -> Payload {
        let bytes = 1 + self.below(bytes_max);
        let fill = self.0.next_u64() as u8;
        let bytes = (0..bytes).map(|place| fill.wrapping_add(place as u8)).collect::<Vec<_>>();
        Payload(bytes.into())
    }

    fn large(&mut self, bytes: usize) -> Payload {
        let mut value = vec![self.0.next_u64() as u8; bytes];
        self.0.fill_bytes(&mut value[..64]);
        Payload(value.into())
    }

    fn urgency(&mut self) -> Urgency {
        if self.one_in(8) { Urgency::Critical } else { Urgency::Ordinary }
    }

    fn block(&mut self) -> Block {
        Block { height: self.below(1_000) as u32, hash: [self.below(256) as u8; 32] }
    }
}

/// A world that is driven at random.
struct Run {
    world: World,
    dice: Dice,
    next_channel: u8,
    tag: u64,
    refusals: u64,
    damages: u64,
}

impl Run {
    fn new(seed: u64, options: MonitorsOptions) -> Run {
        Run {
            world: World::new(options),
            dice: Dice(ChaCha8Rng::seed_from_u64(seed)),
            next_channel: 1,
            tag: 0,
            refusals: 0,
            damages: 0,
        }
    }

    /// What the queue makes of every channel.
    fn projected(&self) -> Vec<(ChannelId, Channel)> {
        let session = &self.world.model.volatile.as_ref().expect("an open session").session;
        let mut all = session.durable.clone();
        all.extend(session.projected.clone());
        all.into_iter().collect()
    }

    fn active(&self) -> Vec<(ChannelId, Channel)> {
        let mut all = self.projected();
        all.retain(|(_, known)| known.stage == Stage::Active);
        all
    }

    /// Mostly a channel in use, sometimes any other.
    fn channel(&mut self) -> (ChannelId, Option<Channel>) {
        let known = if self.dice.one_in(12) { self.projected() } else { self.active() };
        match self.dice.pick(&known) {
            Some((channel, known)) if !self.dice.one_in(30) => (channel, Some(known)),
            _ => (id(self.dice.below(u64::from(self.next_channel) + 1) as u8), None),
        }
    }

    fn queue_op(&mut self) -> Op {
        match self.dice.below(100) {
            0..=9 => self.new_channel(),
            10..=59 => self.update(),
            60..=74 => self.snapshot(),
            75..=77 => Op::Archive(self.channel().0),
            _ => {
                self.tag += 1;
                let durable = self.dice.one_in(2);
                let class = if durable { OutputClass::Durable } else { OutputClass::Volatile };
                Op::Output(class, self.tag, self.dice.payload(60))
            }
        }
    }

    fn new_channel(&mut self) -> Op {
        let crowded = self.active().len() >= 6;
        let channel = if crowded || self.dice.one_in(6) {
            self.channel().0
        } else {
            self.next_channel = self.next_channel.saturating_add(1);
            id(self.next_channel)
        };
        let update_id = match self.dice.below(12) {
            0 => RESERVED_UPDATE_ID,
            1 => RESERVED_UPDATE_ID - 2,
            _ => self.dice.below(4),
        };
        let snapshot = self.dice.payload(150);
        Op::New(channel, update_id, snapshot, self.dice.block(), self.dice.urgency())
    }

    fn update(&mut self) -> Op {
        let (channel, known) = self.channel();
        let tip = known.map_or(0, |known| known.latest_id);
        let update_id = match self.dice.below(20) {
            0 => tip.saturating_add(2 + self.dice.below(3)),
            1 | 2 => tip.saturating_sub(self.dice.below(4)),
            3 if self.dice.one_in(4) => RESERVED_UPDATE_ID,
            _ => tip.saturating_add(1),
        };
        // The same bytes for the same id, but for a few: a repeat is a repeat.
        let fill = update_id as u8 ^ channel.0[0] ^ u8::from(self.dice.one_in(20));
        let bytes = 1 + (update_id as usize % 40) * usize::from(!self.dice.one_in(40));
        let update = Payload(vec![fill; bytes].into());
        let update = if self.dice.one_in(60) { Payload(Arc::default()) } else { update };
        Op::Update(channel, update_id, update, self.dice.urgency())
    }

    fn snapshot(&mut self) -> Op {
        let damaged: Vec<_> =
            self.active().into_iter().filter(|(_, known)| known.damage.is_some()).collect();
        let (channel, known) = match self.dice.pick(&damaged) {
            Some((channel, known)) if self.dice.one_in(2) => (channel, Some(known)),
            _ => self.channel(),
        };
        let (base, tip) = known.map_or((0, 0), |known| (known.base_id, known.latest_id));
        let update_id = match self.dice.below(20) {
            0 => tip.saturating_add(1 + self.dice.below(2)),
            1 => base.saturating_sub(1),
            2 if self.dice.one_in(3) => RESERVED_UPDATE_ID,
            3..=9 => base + self.dice.below(tip - base + 1),
            _ => tip,
        };
        let (snapshot, urgency) = match self.dice.below(60) {
            0 => (self.dice.large(STAGED_BYTES), Urgency::Critical),
            1 | 2 => (self.dice.large(300 << 10), Urgency::Critical),
            _ => (self.dice.payload(200), self.dice.urgency()),
        };
        let block = self.dice.one_in(2).then(|| self.dice.block());
        Op::Snapshot(channel, update_id, snapshot, block, urgency)
    }

    fn request(&mut self) -> Request {
        let (given, other_mode) = (!self.dice.one_in(10), self.dice.one_in(40));
        if self.world.options.external_manager == other_mode {
            let manager = match self.dice.below(80) {
                0 => self.dice.large(STAGED_BYTES),
                1 => Payload(Arc::default()),
                _ => self.dice.payload(120),
            };
            return Request::Manager(given.then_some(manager));
        }
        let stored = self.world.model.durable.generation.unwrap_or(0);
        let generation = match self.dice.below(12) {
            0 => stored.saturating_sub(1),
            1 => stored,
            _ => stored + 1 + self.dice.below(2),
        };
        Request::Generation(given.then_some(generation))
    }

    /// What a host would say of its manager: mostly the truth.
    fn view(&mut self) -> Vec<(ChannelId, u64)> {
        if self.dice.one_in(3) {
            return Vec::new();
        }
        let mut view: Vec<_> =
            self.active().into_iter().map(|(channel, known)| (channel, known.latest_id)).collect();
        view.retain(|_| !self.dice.one_in(5));
        if self.dice.one_in(8)
            && let Some((_, tip)) = view.first_mut()
        {
            *tip = if self.dice.one_in(2) { *tip + 1 } else { tip.saturating_sub(1) };
        }
        if self.dice.one_in(30) {
            view.push((id(250), 1));
        }
        if self.dice.one_in(40)
            && let Some(first) = view.first().copied()
        {
            view.push(first);
        }
        view
    }

    fn capture(&mut self) -> (Capture, Capture) {
        if !self.dice.one_in(3) {
            return self.world.capture();
        }
        // Mostly one of the last, which no later one made stale yet.
        let all = &self.world.captures;
        let last = if self.dice.one_in(4) { all.len() } else { all.len().min(3) };
        let captures = all[all.len() - last..].to_vec();
        match self.dice.pick(&captures) {
            Some(capture) => capture,
            None => self.world.capture(),
        }
    }

    fn commit(&mut self) {
        let capture = self.capture();
        while self.dice.one_in(3) {
            // Between capture and serialising: the manager knows more than the commit covers.
            let op = self.queue_op();
            self.world.call(&op);
        }
        let (request, view) = (self.request(), self.view());
        let end = match self.dice.below(60) {
            0 => End::Lost,
            1 => End::Kept,
            2..=4 => End::NoSpace,
            _ => End::Whole,
        };
        let reply = self.world.commit(capture, &request, &view, end);
        if end == End::NoSpace && self.dice.one_in(2) {
            // The same capture, with the same manager, is as good as before.
            let again = self.world.commit(capture, &request, &view, End::Whole);
            let was_space = matches!(reply, Reply::Refused(crate::Status::NoSpace, ..));
            assert!(!was_space || matches!(again, Reply::Committed { .. }), "{again:?}");
        }
        self.refusals += u64::from(matches!(reply, Reply::Refused(..)));
    }

    fn step(&mut self) {
        match self.dice.below(1_000) {
            0..=599 => {
                let op = self.queue_op();
                let reply = self.world.call(&op);
                self.refusals += u64::from(matches!(reply, Reply::Refused(..)));
            }
            600..=639 => drop(self.world.capture()),
            640..=799 => self.commit(),
            800..=839 => {
                let max = self.dice.below(5) as usize;
                drop(self.world.call(&Op::Completions(max)));
            }
            840..=889 => {
                let max =
                    if self.dice.one_in(3) { usize::MAX } else { self.dice.below(4) as usize };
                drop(self.world.call(&Op::Take(max)));
            }
            890..=929 => self.acknowledge(),
            930..=949 => self.purge(),
            950..=964 => self.look(),
            965..=982 => self.reopen(),
            983..=994 => self.damage(),
            _ => self.crash_at_every_write(),
        }
    }

    fn acknowledge(&mut self) {
        let waiting: Vec<u64> = self.world.model.durable.outputs.keys().copied().collect();
        let output_id = match self.dice.pick(&waiting) {
            Some(output_id) if !self.dice.one_in(10) => output_id,
            _ => self.dice.below(30),
        };
        self.world.call(&Op::Acknowledge(output_id));
    }

    fn purge(&mut self) {
        let archived = self.world.model.durable.channels.iter();
        let archived = archived.filter(|(_, stored)| stored.stage == Stage::Archived);
        let archived: Vec<_> = archived.map(|(channel, _)| *channel).collect();
        let channel = match self.dice.pick(&archived) {
            Some(channel) if !self.dice.one_in(5) => channel,
            _ => self.channel().0,
        };
        let end = match self.dice.below(12) {
            0 => End::Lost,
            1 => End::Kept,
            2 => End::NoSpace,
            _ => End::Whole,
        };
        self.world.purge(channel, end);
    }

    fn look(&mut self) {
        let generation = self.dice.below(12);
        self.world.call(&Op::CheckManager(generation));
        let ticket = self.dice.below(20);
        self.world.call(&Op::IsDurable(ticket));
        let (operations, bytes) = (self.dice.below(20), self.dice.below(2_000));
        let urgency = self.dice.urgency();
        self.world.call(&Op::CanQueue(operations, bytes, urgency));
    }

    fn ending(&mut self) -> Ending {
        match self.dice.below(4) {
            0 => Ending::Dropped,
            1 => Ending::Closed { store: false },
            2 => Ending::Closed { store: true },
            _ => Ending::Crash,
        }
    }

    fn reopen(&mut self) {
        let ending = self.ending();
        self.world.reopen(ending, &[]);
    }

    /// Repairs come with the snapshots of later steps.
    fn damage(&mut self) {
        let ending =
            if self.dice.one_in(2) { Ending::Crash } else { Ending::Closed { store: true } };
        let Some(first) = self.tamper() else { return };
        self.damages += 1;
        self.world.reopen(ending, &[first]);
    }

    fn tamper(&mut self) -> Option<Tamper> {
        let durable = &self.world.model.durable;
        // No snapshot mends a channel whose tip is the reserved id.
        let whole = durable.channels.iter().filter(|(_, stored)| {
            stored.stage == Stage::Active
                && stored.latest_id < 1 << 60
                && matches!(stored.base, Base::Whole(_))
        });
        let whole: Vec<_> = whole.map(|(channel, stored)| (*channel, stored.clone())).collect();
        let manager = durable.manager.as_ref();
        let readable = manager.filter(|(_, _, is_garbled)| !is_garbled).cloned();
        if self.dice.one_in(8) {
            let garbled = |(id, (tag, _)): (&u64, &(u64, Payload))| (*tag != 0).then_some(*id);
            let outputs: Vec<u64> = durable.outputs.iter().filter_map(garbled).collect();
            let output_id = self.dice.pick(&outputs).filter(|_| self.dice.one_in(2));
            return Some(output_id.map_or(Tamper::GarbleState, Tamper::GarbleOutput));
        }
        if self.dice.one_in(4) {
            let (bytes, number, _) = readable?;
            return Some(match self.dice.below(3) {
                0 => Tamper::DropManager,
                1 => Tamper::GarbleManager,
                _ => Tamper::OldManager(number.saturating_sub(1 + self.dice.below(3)), bytes),
            });
        }
        let (channel, stored) = self.dice.pick(&whole)?;
        let readable = stored.updates.iter().filter(|(_, (_, is_garbled))| !is_garbled);
        let updates: Vec<u64> = readable.map(|(update_id, _)| *update_id).collect();
        let update_id = self.dice.pick(&updates);
        Some(match (self.dice.below(6), update_id) {
            (0, Some(update_id)) => Tamper::DropUpdate(channel, update_id),
            (1, Some(update_id)) => Tamper::GarbleUpdate(channel, update_id),
            (2, _) => Tamper::GarbleSnapshot(channel),
            (3, _) => Tamper::DropSnapshot(channel),
            (4, _) if !stored.row_is_garbled => Tamper::GarbleRow(channel),
            _ => {
                let beyond = stored.updates.keys().next_back().map_or(0, |last| *last);
                let beyond = beyond.max(stored.latest_id).saturating_add(1 + self.dice.below(2));
                Tamper::AddUpdate(channel, beyond, self.dice.payload(20))
            }
        })
    }

    fn crash_at_every_write(&mut self) {
        self.reopen();
        let calls: Vec<Op> = (0..1 + self.dice.below(8)).map(|_| self.queue_op()).collect();
        let (request, view) = (self.request(), self.view());
        self.world.crash_at_every_write(&calls, &request, &view);
    }

    /// Repairs what is damaged, commits everything, and looks at the files.
    fn settle(&mut self) {
        self.world.reopen(Ending::Crash, &[]);
        for (channel, known) in self.active() {
            if known.damage.is_some() {
                let op = Op::Snapshot(
                    channel,
                    known.latest_id,
                    self.dice.payload(50),
                    None,
                    Urgency::Critical,
                );
                assert!(matches!(self.world.call(&op), Reply::Ticket(_)));
            }
        }
        let outputs = self.world.model.durable.outputs.clone();
        for (output_id, _) in outputs.iter().filter(|(_, (_, payload))| payload.0.is_empty()) {
            assert_eq!(self.world.call(&Op::Acknowledge(*output_id)), Reply::Done);
        }
        let capture = self.world.capture();
        let request = match self.world.options.external_manager {
            true => {
                let stored = self.world.model.durable.generation.unwrap_or(0);
                Request::Generation(Some(stored + 1))
            }
            false => Request::Manager(Some(self.dice.payload(50))),
        };
        let reply = self.world.commit(capture, &request, &[], End::Whole);
        assert!(matches!(reply, Reply::Committed { .. }), "{reply:?}");
        self.world.settle();
    }
}

fn number_from(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Sets of options, small bounds among them so that they are met.
fn option_sets() -> [MonitorsOptions; 5] {
    let tight = MonitorsOptions {
        pending_ops_max: 8,
        pending_bytes_max: 400,
        critical_reserve_ops: 2,
        snapshot_every_updates: 3,
        updates_max: 6,
        ..MonitorsOptions::default()
    };
    [
        MonitorsOptions::default(),
        MonitorsOptions { external_manager: true, snapshot_growth_percent: 0, ..tight },
        MonitorsOptions { manager_optional: true, without_completions: true, ..tight },
        MonitorsOptions { replays_nothing: true, ..MonitorsOptions::default() },
        MonitorsOptions {
            external_manager: true,
            manager_optional: true,
            replays_nothing: true,
            ..tight
        },
    ]
}

#[test]
fn random_calls_of_the_store_agree_with_the_model() {
    let seed = number_from("LNKEEP_MODEL_SEED", std::process::id().into());
    let default = if cfg!(debug_assertions) { 4_000 } else { 80_000 };
    let steps = number_from("LNKEEP_MODEL_STEPS", default);
    println!("LNKEEP_MODEL_SEED={seed} LNKEEP_MODEL_STEPS={steps}");
    for options in option_sets() {
        let begun = std::time::Instant::now();
        let mut run = Run::new(seed, options);
        for step in 0..steps / 5 {
            run.step();
            if step % 1_500 == 1_499 {
                run.settle();
            }
        }
        // Few steps may have met none, or only refused commits.
        while run.world.writes == 0 {
            run.crash_at_every_write();
        }
        run.settle();
        let Run { world, refusals, damages, .. } = run;
        let World { commits, crashes, writes, .. } = world;
        println!(
            "{commits} commits, {crashes} crashes, {writes} of them at a write, {refusals} refusals, \
             {damages} damages in {:?}: {options:?}",
            begun.elapsed()
        );
        assert!(commits > 0 && refusals > 0, "too few steps");
    }
}
