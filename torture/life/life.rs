//! One life of a node: what it knows, what the world knows, and what must hold between the two.
//!
//! A life goes from start to start. Between two of them the node works, until it is closed, or the power
//! goes at some call to the disk, perhaps while it opens. Whatever is found after a start must be what the
//! node was told is durable, with or without the one call that was not answered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use lnkeep::{Class, Clock, Status, maintenance};

use crate::dice::{Dice, Digest};
use crate::disk::{self, Lie};
use crate::model::{Entry, Model};
use crate::node::{Choices, Node};
use crate::peers::Peers;
use crate::wire::{Refused, Wire};

/// A promise that is broken on purpose, and has to be missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    None,
    /// The disk answers flushes and does nothing.
    Lies,
    /// The disk forgets the flush of LMDB's meta page.
    Meta,
    /// After a power cut the disk is as it was some commits before.
    Rollback,
    /// The host takes a call for acknowledged before it makes it.
    Early,
    /// The host lets outputs out when it queues them.
    Hasty,
    /// After a start the host dispatches what it finds in flight once more.
    Permitless,
    /// The host does not tell the resources which HTLCs it still has.
    Unreconciled,
    /// Peers forget the backup that they confirmed.
    Dropper,
    /// The host opens a damaged file as if nothing had happened.
    Trusting,
}

impl Control {
    pub const ALL: [(&'static str, Control); 9] = [
        ("lies", Control::Lies),
        ("meta", Control::Meta),
        ("rollback", Control::Rollback),
        ("early", Control::Early),
        ("hasty", Control::Hasty),
        ("permitless", Control::Permitless),
        ("unreconciled", Control::Unreconciled),
        ("dropper", Control::Dropper),
        ("trusting", Control::Trusting),
    ];

    /// What it has to be found by.
    pub fn wanted(self) -> &'static str {
        match self {
            Control::None => "",
            Control::Lies => "reopen",
            Control::Meta | Control::Rollback | Control::Early => "lost",
            Control::Hasty => "output",
            Control::Permitless => "granted twice",
            Control::Unreconciled => "usage",
            Control::Dropper => "restore",
            Control::Trusting => "status",
        }
    }

    fn lie(self) -> Lie {
        match self {
            Control::Lies => Lie::Flush,
            Control::Meta => Lie::MetaFlush,
            _ => Lie::None,
        }
    }
}

/// Why a life stops being lived.
pub enum End {
    /// The power went.
    Died,
    /// A promise was broken; it was noted.
    Broken,
}

pub type Lived<T> = Result<T, End>;

/// What was found.
#[derive(Clone, Debug)]
pub struct Violation {
    pub kind: &'static str,
    pub fact: String,
}

/// What kind of life it is.
#[derive(Clone, Debug)]
pub struct Shape {
    pub steps: u64,
    pub crash_permille: u64,
    pub restart_permille: u64,
    pub rot_percent: u64,
    pub lose_percent: u64,
    pub is_atomic: bool,
    /// How often each component has its turn: payments, channels, forwards, keeper, backup, the rest.
    pub weights: [u64; 6],
}

#[derive(Default, Clone, Copy, Debug)]
pub struct Counts {
    pub steps: u64,
    pub starts: u64,
    pub crashes: u64,
    pub rots: u64,
    pub refusals: u64,
    pub restores: u64,
    pub losses: u64,
    pub recoveries: u64,
    pub dispatched: u64,
    /// Backups that an honest peer returned as they were sent last.
    pub confirmed: u64,
    pub calls: u64,
    pub simulated_secs: u64,
}

impl Counts {
    fn all(&mut self) -> [&mut u64; 12] {
        [
            &mut self.steps,
            &mut self.starts,
            &mut self.crashes,
            &mut self.rots,
            &mut self.refusals,
            &mut self.restores,
            &mut self.losses,
            &mut self.recoveries,
            &mut self.dispatched,
            &mut self.confirmed,
            &mut self.calls,
            &mut self.simulated_secs,
        ]
    }

    pub fn to_line(mut self) -> String {
        self.all().map(|count| count.to_string()).join(" ")
    }

    pub fn add(&mut self, numbers: &[u64]) {
        self.all().into_iter().zip(numbers).for_each(|(count, number)| *count += number);
    }
}

pub struct Life {
    pub dice: Dice,
    pub control: Control,
    pub is_calm: bool,
    pub shape: Shape,
    pub directory: PathBuf,
    pub choices: Choices,
    pub digest: Digest,
    pub counts: Counts,
    pub found: Option<Violation>,

    pub now_ms: u64,
    pub height: u32,
    pub began_ms: u64,

    pub node: Option<Node>,
    /// What is durable; and what would be if the call under way were answered, in one commit or in several.
    pub model: Model,
    pub doubt: Option<(Model, bool)>,
    /// The last copy that the operator made with the library, and what was durable then.
    pub saved: Option<(PathBuf, Model, Peers)>,
    pub copies: u64,

    pub wire: Wire,
    pub peers: Peers,
    /// Forwards that the node has, as its channels say.
    pub live: BTreeMap<(u64, u64), lnkeep::resources::LiveHtlc>,
    /// Queued for a commit of the monitors, in this session.
    pub queued: Vec<Entry>,
    pub acknowledged: BTreeSet<u64>,
    /// Durable outputs of now, by tag.
    pub output_ids: BTreeMap<u64, u64>,
    /// Outputs of earlier sessions whose bytes a damage took.
    pub outputs_taken: usize,

    pub next_id: u64,
    pub next_hash: u64,
    pub next_channel: u64,
    pub next_htlc: u64,
    pub next_tag: u64,
    pub manager_generation: u64,
    /// Ids below were given out before a copy was restored or the disk was lost.
    pub doubtful_below: u64,
    /// Hashes below are not paid any more, for the same reason.
    pub retired_below: u64,
    pub is_rotten: bool,
    pub is_restored: bool,
    /// A restore began and was not answered.
    pub is_restoring: bool,
    pub epoch: u64,
    pub used_bytes: u64,
    pub older: Option<Vec<u8>>,
}

impl Life {
    pub fn new(seed: u64, control: Control, is_calm: bool, directory: PathBuf) -> Life {
        let mut dice = Dice::new(seed);
        disk::insert(&directory, control.lie(), &mut dice);
        let directory = directory.canonicalize().expect("a directory");
        let shape = Shape::draw(&mut dice, control, is_calm);
        let choices = Choices::draw(&mut dice);
        let peers = Peers::new(&mut dice, control);
        Life {
            control,
            is_calm,
            shape,
            directory,
            choices,
            digest: Digest::default(),
            counts: Counts::default(),
            found: None,
            now_ms: 1_800_000_000_000,
            began_ms: 1_800_000_000_000,
            height: 900_000,
            node: None,
            model: Model::default(),
            doubt: None,
            saved: None,
            copies: 0,
            wire: Wire::default(),
            peers,
            live: BTreeMap::new(),
            queued: Vec::new(),
            acknowledged: BTreeSet::new(),
            output_ids: BTreeMap::new(),
            outputs_taken: 0,
            next_id: 1,
            next_hash: 1,
            next_channel: 1,
            next_htlc: 1,
            next_tag: 1,
            manager_generation: 0,
            doubtful_below: 0,
            retired_below: 0,
            is_rotten: false,
            is_restored: false,
            is_restoring: false,
            epoch: 0,
            used_bytes: 0,
            older: None,
            dice,
        }
    }

    /// Lives it, from the first start to the last check.
    pub fn live(mut self) -> (Option<Violation>, Digest, Counts) {
        let mut starts_in_a_row = 0;
        loop {
            starts_in_a_row += 1;
            // Even a node that dies at each start gets one in peace.
            let is_risky = starts_in_a_row < 5 && !self.is_calm;
            let lived = self.start(is_risky).and_then(|()| {
                starts_in_a_row = 0;
                self.work()
            });
            match lived {
                Ok(true) => break,
                Ok(false) => {}
                Err(End::Died) => self.power_back(),
                Err(End::Broken) => break,
            }
        }
        if let Some(node) = self.node.take() {
            node.crash();
        }
        let (digest, calls, _) = disk::remove();
        self.digest.add(digest.0);
        self.counts.calls = calls;
        self.counts.dispatched = self.wire.dispatched;
        self.counts.simulated_secs = (self.now_ms - self.began_ms) / 1_000;
        (self.found, self.digest, self.counts)
    }

    pub fn broken<T>(&mut self, kind: &'static str, fact: String) -> Lived<T> {
        self.found.get_or_insert(Violation { kind, fact });
        Err(End::Broken)
    }

    pub fn refused_by_peer<T>(&mut self, refused: Refused) -> Lived<T> {
        self.broken(refused.0, refused.1)
    }

    pub fn node(&self) -> &Node {
        self.node.as_ref().expect("the node is up")
    }

    /// Takes an answer at its word, unless the power went: then there is none.
    pub fn answered<T>(
        &mut self,
        call: &str,
        answer: lnkeep::Result<T>,
    ) -> Lived<Result<T, Status>> {
        if disk::is_dead() {
            return Err(End::Died);
        }
        match answer {
            Ok(value) => {
                self.digest.add(1);
                Ok(Ok(value))
            }
            Err(error) => {
                self.digest.add(error.status().number() as u64);
                match error.class() {
                    Class::Refused => Ok(Err(error.status())),
                    _ => self.broken("status", format!("{call}: {error} ({:?})", error.status())),
                }
            }
        }
    }

    /// As `answered`, where nothing may be refused.
    pub fn done<T>(&mut self, call: &str, answer: lnkeep::Result<T>) -> Lived<T> {
        match self.answered(call, answer)? {
            Ok(value) => Ok(value),
            Err(status) => self.broken("status", format!("{call} was refused: {status:?}")),
        }
    }

    /// A call after which `after` is durable, and until which either is.
    pub fn change<T>(
        &mut self,
        what: &str,
        after: Model,
        call: impl FnOnce(&Node) -> lnkeep::Result<T>,
    ) -> Lived<T> {
        self.change_in_steps(what, after, false, call)
    }

    pub fn change_in_steps<T>(
        &mut self,
        what: &str,
        after: Model,
        has_steps: bool,
        call: impl FnOnce(&Node) -> lnkeep::Result<T>,
    ) -> Lived<T> {
        self.doubt = match self.control {
            Control::Early => {
                self.model = after;
                None
            }
            _ => Some((after, has_steps)),
        };
        let answer = call(self.node());
        let value = self.done(what, answer)?;
        if let Some((after, _)) = self.doubt.take() {
            self.model = after;
        }
        Ok(value)
    }

    /// A call that changes nothing, whatever it answers.
    pub fn refused<T>(
        &mut self,
        what: &str,
        call: impl FnOnce(&Node) -> lnkeep::Result<T>,
    ) -> Lived<Status> {
        let answer = call(self.node());
        match self.answered(what, answer)? {
            Ok(_) => self.broken("wrong", format!("{what} was done and should be refused")),
            Err(status) => Ok(status),
        }
    }

    pub fn store_path(&self) -> PathBuf {
        self.directory.join("store")
    }

    /// Works until the steps are used up, or until a restart.
    fn work(&mut self) -> Lived<bool> {
        while self.counts.steps < self.shape.steps {
            self.counts.steps += 1;
            if !self.is_calm && self.dice.below(1_000) < self.shape.crash_permille {
                self.remember_older();
                let calls = self.dice.below(14);
                disk::arm(calls);
            }
            self.step()?;
            if disk::is_dead() {
                return Err(End::Died);
            }
            if self.dice.below(1_000) < self.shape.restart_permille {
                self.stop()?;
                return Ok(false);
            }
        }
        disk::disarm();
        self.last_check()?;
        Ok(true)
    }

    fn step(&mut self) -> Lived<()> {
        self.pass_time()?;
        let weights = self.shape.weights;
        let mut drawn = self.dice.below(weights.iter().sum());
        let mut turn = 0;
        while drawn >= weights[turn] {
            drawn -= weights[turn];
            turn += 1;
        }
        match turn {
            0 => self.pay(),
            1 => self.use_channels(),
            2 => self.forward(),
            3 => self.keep_for_a_peer(),
            4 => self.talk_about_backups(),
            _ => self.look_after(),
        }
    }

    fn pass_time(&mut self) -> Lived<()> {
        let jump_ms = match self.dice.below(20) {
            0..13 => self.dice.between(0, 20_000),
            13..18 => self.dice.between(20_000, 3_600_000),
            18 => self.dice.between(3_600_000, 3 * 86_400_000),
            _ => self.dice.between(86_400_000, 12 * 86_400_000),
        };
        self.now_ms += jump_ms;
        self.height = 900_000 + ((self.now_ms - self.began_ms) / 600_000) as u32;
        self.wire.advance(self.now_ms);
        let clock = Clock { unix_ms: self.now_ms, block_height: self.height };
        let told = self.node().store.tick(clock);
        self.done("tick", told)
    }

    pub fn now_secs(&self) -> u64 {
        self.now_ms / 1_000
    }

    /// Copies, syncs, reads everything.
    fn look_after(&mut self) -> Lived<()> {
        match self.dice.below(8) {
            0 => self.copy_store(),
            1 => {
                let synced = self.node().store.sync();
                self.done("sync", synced)?;
                self.peers.everything_waiting_is_written();
                Ok(())
            }
            2 => self.check_everything("while it runs"),
            3 if !self.is_calm => {
                // The power goes between two calls.
                disk::kill();
                Err(End::Died)
            }
            _ => self.pay(),
        }
    }

    fn copy_store(&mut self) -> Lived<()> {
        // One in a few lives has a copy at all, and never many: each walks the file three times.
        if self.copies >= 2 {
            return Ok(());
        }
        self.copies += 1;
        let path = self.directory.join(format!("copy-{}.mdb", self.copies));
        let copied = maintenance::backup(&self.node().store, &path);
        let report = self.done("backup", copied)?;
        if !report.findings.is_empty() {
            return self.broken("wrong", format!("the copy has findings: {:?}", report.findings));
        }
        self.peers.everything_waiting_is_written();
        self.saved = Some((path, self.model.clone(), self.peers.clone()));
        Ok(())
    }

    /// A clean close: everything that was acknowledged in memory is written.
    fn stop(&mut self) -> Lived<()> {
        let node = self.node.take().expect("the node is up");
        let closed = node.close();
        self.done("close", closed)?;
        self.peers.everything_waiting_is_written();
        self.forget_session();
        self.rot_at_rest();
        Ok(())
    }

    fn forget_session(&mut self) {
        self.queued.clear();
        self.acknowledged.clear();
        self.output_ids.clear();
        self.peers.everybody_is_gone();
        disk::disarm();
    }

    /// The power went, and comes back: the disk is what is left of it.
    fn power_back(&mut self) {
        self.counts.crashes += 1;
        if let Some(node) = self.node.take() {
            node.crash();
        }
        let left_open = disk::left_open();
        if left_open != 0 {
            let fact = format!("{left_open} files of the store are open after its close");
            self.found.get_or_insert(Violation { kind: "wrong", fact });
        }
        disk::crash(&mut self.dice);
        self.forget_session();
        if self.control == Control::Rollback
            && let Some(older) = self.older.take()
        {
            disk::put_back(&self.store_path().join("data.mdb"), &older);
        }
        self.rot_at_rest();
    }

    fn remember_older(&mut self) {
        if self.control == Control::Rollback && self.older.is_none() {
            self.older = disk::copy(&self.store_path().join("data.mdb"));
        }
    }

    fn rot_at_rest(&mut self) {
        let chance = self.shape.rot_percent;
        let path = self.store_path().join("data.mdb");
        if self.used_bytes == 0 || !self.dice.percent(chance) || disk::copy_bytes(&path) == 0 {
            return;
        }
        let bits = 1 + self.dice.below(3) * self.dice.below(6);
        disk::rot(&path, bits, self.used_bytes, &mut self.dice);
        self.counts.rots += 1;
        self.is_rotten = true;
    }
}

impl Shape {
    fn draw(dice: &mut Dice, control: Control, is_calm: bool) -> Shape {
        let steps = match dice.below(10) {
            0..7 => dice.between(40, 90),
            7..9 => dice.between(90, 140),
            _ => dice.between(140, 200),
        };
        let focus = dice.below(9) as usize;
        let mut weights = [44, 14, 12, 10, 12, 6];
        if focus < 6 {
            weights[focus] *= 3;
        }
        let rot_percent = match control {
            Control::None if !is_calm && dice.one_in(3) => 12,
            Control::Trusting if !is_calm => 60,
            _ => 0,
        };
        let lose_percent = if control == Control::None && dice.one_in(4) { 12 } else { 0 };
        Shape {
            steps,
            crash_permille: dice.between(5, 90),
            restart_permille: dice.between(2, 40),
            rot_percent,
            lose_percent: if is_calm { 0 } else { lose_percent },
            is_atomic: dice.one_in(2),
            weights,
        }
    }
}
