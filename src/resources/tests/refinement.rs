//! Random calls on a store that crashes at any write: what is found is what a prefix of them left, with
//! everything in it that somebody was told is durable.
//!
//! LNKEEP_MODEL_STEPS and LNKEEP_MODEL_SEED choose length and seed; a failure prints the seed.

use super::super::journal::Sizes;
use super::session::{Known, World, chosen, fault, id, small_sizes};
use super::traffic::{Traffic, open_channels};
use crate::Status;
use crate::resources::{
    Ack, AddRequest, BucketKind, Decision, Mode, ResourcesOptions, Settings, Upgrade, Verdict,
};

struct Run {
    world: World,
    traffic: Traffic,
    /// Divisions may change the mode, too.
    converts: bool,
    several: u64,
    divisions: u64,
    conversions: u64,
}

fn options(mode: Mode, journal_entries_max: u32) -> ResourcesOptions {
    let entropy = Some([7; 32]);
    ResourcesOptions { entropy, journal_entries_max, ..ResourcesOptions::of_mode(mode) }
}

impl Run {
    fn new(seed: u64, options: ResourcesOptions, sizes: Option<Sizes>) -> Run {
        let traffic = Traffic::new(seed, options.settings.mode);
        let world = World::new(options, sizes);
        let mut run =
            Run { world, traffic, converts: false, several: 0, divisions: 0, conversions: 0 };
        for number in 1..=super::traffic::CHANNELS {
            let limits = run.traffic.limits();
            let now_secs = run.traffic.now_secs;
            drop(run.world.resources().add_channel(id(number << 40), limits, now_secs));
        }
        // Without a reputation no HTLC is ever divided over several buckets.
        let past = run.traffic.history();
        run.world.resources().import_history(&past).unwrap();
        run.world.remember(true);
        run
    }

    fn ack(&mut self) -> Ack {
        if self.traffic.dice.one_in(8) { Ack::Durable } else { Ack::Memory }
    }

    /// Notes the end of a call, makes room where there was none, and starts anew where nothing else helps.
    fn called<T>(&mut self, answer: &crate::Result<T>, is_durable: bool) {
        let goes_on = self.world.called(answer, is_durable);
        if answer.as_ref().is_err_and(|error| error.status() == Status::Busy) {
            self.sync();
        } else if !goes_on {
            self.restart(true);
        }
    }

    /// Too much for one bucket and not for all: divided over several where there is a reputation.
    fn add_much(&mut self) {
        let Some(known) = self.traffic.dice.pick(&self.world.now().channels) else { return };
        let much_msat = known.limits.max_in_flight_msat / 100 * 43;
        let request = self.traffic.add(&[], &[]);
        self.send(AddRequest {
            incoming: known.channel,
            incoming_amount_msat: much_msat,
            outgoing_amount_msat: much_msat.saturating_sub(500),
            incoming_accountable: true,
            upgrade: Upgrade::Unknown,
            ..request
        });
    }

    fn add(&mut self) {
        let request = self.traffic.add(&self.world.now().channels, &self.world.now().pending);
        if self.traffic.dice.one_in(30) {
            drop(self.world.resources().dry_run(&request));
            return;
        }
        self.send(request);
    }

    fn send(&mut self, request: AddRequest) {
        let ack = self.ack();
        let answer = self.world.resources().add(&request, ack);
        let is_several = |decision: &Decision| decision.bucket == BucketKind::Several;
        self.several += u64::from(answer.as_ref().is_ok_and(is_several));
        // To fail an HTLC changes nothing that could be durable.
        let is_forward = |decision: &Decision| decision.verdict == Verdict::Forward;
        let is_forward = answer.as_ref().is_ok_and(is_forward);
        self.called(&answer, ack == Ack::Durable && is_forward);
    }

    fn resolve(&mut self) {
        let request = self.traffic.resolve(&self.world.now().pending);
        let ack = self.ack();
        let answer = self.world.resources().resolve(&request, ack);
        self.called(&answer, ack == Ack::Durable);
    }

    fn change_channels(&mut self) {
        let (channel, limits) = (self.traffic.channel(), self.traffic.limits());
        let unix_secs = self.traffic.unix_secs();
        let few = open_channels(&self.world.now().channels) < 4;
        match self.traffic.dice.below(if few { 6 } else { 12 }) {
            0..=4 => {
                let answer = self.world.resources().add_channel(channel, limits, unix_secs);
                self.called(&answer, true);
            }
            5..=7 => {
                let answer = self.world.resources().resize_channel(channel, limits);
                self.called(&answer, true);
            }
            _ => {
                let answer = self.world.resources().remove_channel(channel);
                self.called(&answer, true);
            }
        }
    }

    /// Calls of many entries: they are durable when they return, so that no fault may meet them here.
    fn reconcile_or_import(&mut self) {
        self.world.store.inject(None);
        if self.traffic.dice.one_in(2) {
            let rows = self.traffic.history();
            let answer = self.world.resources().import_history(&rows);
            self.called(&answer, true);
        } else {
            let live = self.traffic.live(&self.world.now().pending, 2);
            let answer = self.world.resources().reconcile(&live);
            self.called(&answer, true);
        }
    }

    fn sync(&mut self) {
        let answer = match self.traffic.dice.one_in(2) {
            true => self.world.resources().sync(),
            false => self.world.store.sync(),
        };
        self.called_once(&answer);
    }

    /// As [`Run::called`], but for a call that never answers `Busy`.
    fn called_once(&mut self, answer: &crate::Result<()>) {
        if !self.world.called(answer, true) {
            self.restart(true);
        }
    }

    fn restart(&mut self, crash: bool) {
        if self.traffic.dice.one_in(10) {
            self.world.options.only_watches ^= true;
        }
        self.world.restart(crash);
    }

    fn step(&mut self) {
        match self.traffic.dice.below(1_000) {
            0..=519 => self.add(),
            520..=879 => self.resolve(),
            880..=914 => self.change_channels(),
            915..=935 => self.reconcile_or_import(),
            936..=949 => self.sync(),
            950..=979 => {
                let (batches, fault) = (self.traffic.dice.below(9), fault(&mut self.traffic.dice));
                self.world.store.inject_after(batches, fault);
            }
            980..=993 => self.restart(true),
            994..=996 => self.restart(false),
            _ => self.divide_anew(),
        }
    }

    /// Other settings, with a crash at any write of the division; what comes out is what a division that
    /// nothing interrupts makes of the same files.
    fn divide_anew(&mut self) {
        let crash = self.traffic.dice.one_in(2);
        drop(self.world.end(crash));
        let mut whole = self.world.copy();
        let before = self.world.options.clone();
        self.choose_settings();
        whole.options = self.world.options.clone();
        let expected = match whole.open_resources() {
            Ok(()) => Known::of(whole.resources()),
            Err(error) => {
                assert_eq!(error.status(), Status::ChannelLimits, "{error}");
                self.world.options = before;
                self.world.open_store();
                self.world.open_resources().unwrap();
                self.world.remember(true);
                return;
            }
        };
        drop(whole);
        self.interrupt_division();
        self.world.open_store();
        self.world.open_resources().unwrap();
        let found = Known::of(self.world.resources());
        assert!(found == expected, "division: {}", expected.difference(&found));
        self.world.remember(true);
        self.divisions += 1;
    }

    fn choose_settings(&mut self) {
        let dice = &mut self.traffic.dice;
        let general_percent = 35 + dice.below(30) as u8;
        let congestion_percent = dice.below(30) as u8;
        let spills_over = !dice.one_in(4);
        let known = self.world.options.settings;
        let settings = Settings { general_percent, congestion_percent, spills_over, ..known };
        self.world.options.settings = settings;
        if self.converts && dice.one_in(2) {
            self.world.options.convert = true;
            self.world.options.settings.mode = match known.mode {
                Mode::Strict => Mode::Compat,
                Mode::Compat => Mode::Strict,
            };
            self.conversions += 1;
        }
    }

    fn interrupt_division(&mut self) {
        for _ in 0..self.traffic.dice.below(4) {
            self.world.open_store();
            let (batches, fault) = (self.traffic.dice.below(12), fault(&mut self.traffic.dice));
            self.world.store.inject_after(batches, fault);
            // Whether it gets to its end is not known; if it does, it is a crash after that.
            drop(self.world.open_resources());
            drop(self.world.end(true));
        }
    }
}

#[test]
fn a_store_that_changes_its_mode_and_crashes_anywhere_loses_no_call() {
    let (seed, steps) = seed_and_steps(500, 1_000);
    println!("LNKEEP_MODEL_SEED={seed} LNKEEP_MODEL_STEPS={steps}");
    // Channels that both modes accept, and ids that only one of them takes twice.
    let mut run = Run::new(seed, options(Mode::Compat, 65_536), Some(small_sizes()));
    run.converts = true;
    for number in 0..steps {
        run.step();
        if number % 50 == 0 {
            run.divide_anew();
        }
    }
    run.restart(true);
    assert!(run.conversions > steps / 200, "{} conversions", run.conversions);
}

fn run(seed: u64, steps: u64, options: ResourcesOptions, sizes: Option<Sizes>) -> Run {
    println!("LNKEEP_MODEL_SEED={seed} LNKEEP_MODEL_STEPS={steps} {:?}", options.settings.mode);
    let mut run = Run::new(seed, options, sizes);
    for number in 0..steps {
        run.step();
        if number % 16 == 0 {
            run.add_much();
        }
        if number % 400 == 200 {
            run.divide_anew();
        }
    }
    run.restart(true);
    run.restart(false);
    let Run { world, several, divisions, .. } = &run;
    let World { crashes, losses, .. } = world;
    println!("{crashes} crashes, {losses} lost calls, {several} several, {divisions} divisions");
    run
}

fn seed_and_steps(salt: u64, steps: u64) -> (u64, u64) {
    (chosen("LNKEEP_MODEL_SEED", 1) + salt, chosen("LNKEEP_MODEL_STEPS", steps))
}

#[test]
fn a_strict_store_that_crashes_anywhere_holds_a_prefix_of_its_calls() {
    let (seed, steps) = seed_and_steps(0, 2_500);
    let run = run(seed, steps, options(Mode::Strict, 65_536), Some(small_sizes()));
    // The crashes were worth something: calls were lost, HTLCs in several buckets and divisions met.
    assert!(run.world.crashes > steps / 200 && run.world.losses > steps / 1_000);
    assert!(run.several > 0 && run.divisions > 0, "{} {}", run.several, run.divisions);
}

#[test]
fn a_compat_store_that_crashes_anywhere_holds_a_prefix_of_its_calls() {
    let (seed, steps) = seed_and_steps(100, 2_500);
    let run = run(seed, steps, options(Mode::Compat, 65_536), Some(small_sizes()));
    assert!(run.world.crashes > steps / 200 && run.world.losses > steps / 1_000);
}

#[test]
fn a_tiny_journal_refuses_calls_and_loses_none_that_it_took() {
    for (salt, entries) in [(200, 4), (300, 16)] {
        let (seed, steps) = seed_and_steps(salt, 500);
        for mode in [Mode::Strict, Mode::Compat] {
            run(seed, steps, options(mode, entries), Some(small_sizes()));
        }
    }
}

#[test]
fn the_sizes_of_a_node_lose_no_call_either() {
    let (seed, steps) = seed_and_steps(400, 500);
    run(seed, steps, options(Mode::Strict, 65_536), None);
}
