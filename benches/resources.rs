//! HTLC resource decisions beside a port of the reference's structure: one mutex, ordered maps, sums by scan.
//! A pair is an HTLC that is added and resolved. Restores, removals of channels, memory, durable additions.
#![allow(missing_docs)]

mod common;
#[path = "common/forwards.rs"]
mod forwards;
#[path = "common/jamming_reference/mod.rs"]
mod jamming_reference;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::bare::Flush;
use common::measure::{Contestant, Round, Series, Spread, compare, interleave, print_table};
use common::{Settings, malloc_bytes};
use forwards::{Asked, Manager, Ours, Port, Scene, options};
use lnkeep::resources::{Ack, Mode, Resources};
use lnkeep::{Store, StoreOptions};

/// Pairs between two looks at the clock.
const BATCH: u64 = 64;
/// Pairs of a burst: their entries fit the journal's memory several times.
const BURST: u64 = 8_192;
/// A restart meets a journal that is nearly as long as it becomes before channels are written: 16 MiB, two
/// entries of 56 bytes for each pair.
const JOURNALLED_PAIRS: u64 = (16 << 20) / 112 * 9 / 10;

/// What is measured, and how large.
struct Plan {
    settings: Settings,
    /// Channels, rising.
    sizes: Vec<usize>,
    /// HTLCs pending out through each channel.
    each: usize,
    journalled_pairs: u64,
    /// Time is added to each flush, so only what depends on flushes is measured.
    is_slow: bool,
}

impl Plan {
    fn from_env() -> Plan {
        let settings = Settings::from_env();
        let is_slow = common::flush_delay_us() > 0;
        let (sizes, each, journalled_pairs) = match settings.brief {
            true => (vec![10, 20], 10, 100),
            false => (vec![10, 100, 500, 2_000], 100, JOURNALLED_PAIRS),
        };
        Plan { settings, sizes, each, journalled_pairs, is_slow }
    }

    fn largest(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// The second largest.
    fn middle(&self) -> usize {
        self.sizes[self.sizes.len() - 2]
    }

    fn interleave(&self, contestants: &[Contestant<'_>]) -> Vec<Series> {
        interleave(contestants, self.settings.rounds, self.settings.round / 3)
    }
}

fn ns(round: &Round) -> f64 {
    1e9 / round.per_second()
}

/// Nanoseconds of a pair as the caller sees them, then those of a processor, which a busy machine stretches
/// less. The journal's thread counts among the latter.
fn time_taken(series: &Series) -> String {
    let cpu_ns = series.median_of(|round| round.cpu_us_per_operation() * 1e3);
    format!("{}, cpu {cpu_ns:.0}", Spread::of(series.rounds.iter().map(ns)))
}

/// How many times longer one of a takes than one of b.
fn times(a: &Series, b: &Series) -> Spread {
    compare(a, b, |a, b| ns(a) / ns(b))
}

fn judge(what: &str, figure: Spread, bound: &str, is_met: bool) {
    let verdict = match (Settings::from_env().brief, is_met) {
        (true, _) => "not judged",
        (false, true) => "met",
        (false, false) => "MISSED",
    };
    println!("  {what:<66} {figure}   target {bound}: {verdict}");
}

fn at_least(what: &str, figure: Spread, bound: f64) {
    judge(what, figure, &format!(">= {bound}"), figure.median >= bound);
}

fn at_most(what: &str, figure: Spread, bound: f64) {
    judge(what, figure, &format!("<= {bound}"), figure.median <= bound);
}

/// The managers of one size, each with everything pending.
struct Field {
    scene: Scene,
    port: Asked<Port>,
    ours: Vec<(&'static str, Asked<Ours>)>,
}

/// Places in `Field::ours`.
const STRICT: usize = 0;
const STRICT_JOURNALLED: usize = 1;
const COMPAT: usize = 2;
const COMPAT_JOURNALLED: usize = 3;

impl Field {
    fn new(folder: &Path, channels: usize, each: usize) -> Field {
        let scene = Scene::new(channels, each);
        let port = Port::new();
        scene.fill(&port);
        let open = |(name, mode, with_journal): (&'static str, Mode, bool)| {
            let path = folder.join(format!("{channels}-{mode:?}-{with_journal}"));
            let ours = Ours::open(&path, options(mode, with_journal));
            scene.fill(&ours);
            (name, Asked::new(ours))
        };
        let ours = [
            ("strict, no journal", Mode::Strict, false),
            ("strict, journal", Mode::Strict, true),
            ("compat, no journal", Mode::Compat, false),
            ("compat, journal", Mode::Compat, true),
        ];
        let ours = ours.into_iter().map(open).collect();
        let port = Asked::new(port);
        Field { scene, port, ours }
    }

    /// Waits until no journal has anything to write that would disturb what is measured next.
    fn drain(&self) {
        for (_, asked) in &self.ours {
            asked.manager.resources.sync().expect("sync");
        }
    }

    fn close(self) {
        self.ours.into_iter().for_each(|(_, asked)| asked.manager.close());
    }

    /// One pair of channels or all of them, unaccountable HTLCs or accountable ones.
    fn pairs(&self, plan: &Plan, is_rotating: bool, is_accountable: bool) {
        let all = &self.scene.rotating;
        let pairs = if is_rotating { &all[..] } else { &all[..1] };
        let port = || self.port.add_and_resolve(pairs, is_accountable, BATCH);
        let mut contestants = vec![Contestant::new("port of the reference", 1, port)];
        for (name, asked) in &self.ours {
            let work = move || asked.add_and_resolve(pairs, is_accountable, BATCH);
            contestants.push(Contestant::new(name, 1, work));
            asked.manager.busy.store(0, Ordering::Relaxed);
        }
        let contestants: Vec<_> =
            contestants.into_iter().map(|one| one.prepared(|| self.drain())).collect();
        let all = plan.interleave(&contestants);
        let channels = self.scene.channels.len();
        let which = if is_rotating { "rotating pairs" } else { "the same pair" };
        let bucket = if is_accountable { "accountable, protected" } else { "general" };
        println!("\n{channels} channels, {which}, {bucket}: ns per pair, median [range] of rounds");
        self.print_pairs(&all, is_rotating && channels == plan.largest());
    }

    fn print_pairs(&self, all: &[Series], is_judged: bool) {
        let (port, ours) = all.split_first().expect("the port comes first");
        println!("  {:<24} {}", port.name, time_taken(port));
        for (place, series) in ours.iter().enumerate() {
            print!("  {:<24} {:<42} ", series.name, time_taken(series));
            print!("port / it {}", times(port, series));
            if place == STRICT || place == COMPAT {
                println!();
                continue;
            }
            let without = times(series, &ours[place - 1]);
            let busy = self.ours[place].1.manager.busy.load(Ordering::Relaxed);
            println!("   it / no journal {without}   {busy} times BUSY");
        }
        if is_judged {
            for place in [STRICT, COMPAT] {
                let what = format!("port / {}", ours[place].name);
                at_least(&what, times(port, &ours[place]), 4.0);
            }
        }
    }

    /// What a journal costs a caller as long as it is not faster than the disk for long.
    fn bursts(&self, plan: &Plan) {
        let left = AtomicU64::new(0);
        let (left, pairs) = (&left, &self.scene.rotating[..]);
        let places = [STRICT, STRICT_JOURNALLED, COMPAT, COMPAT_JOURNALLED];
        let contestants = places.map(|place| {
            let (name, asked) = &self.ours[place];
            let work = move || {
                let has_more = left.fetch_sub(1, Ordering::Relaxed) > 0;
                if has_more { asked.add_and_resolve(pairs, false, BATCH) } else { 0 }
            };
            let prepare = || {
                self.drain();
                left.store(BURST / BATCH, Ordering::Relaxed);
            };
            Contestant::new(name, 1, work).prepared(prepare)
        });
        let rounds = plan.settings.rounds * 10;
        let all = interleave(&contestants, rounds, Duration::from_secs(60));
        let channels = self.scene.channels.len();
        println!("\n{channels} channels, bursts of {BURST} rotating pairs: ns per pair");
        for place in places {
            println!("  {:<24} {}", all[place].name, Spread::of(all[place].rounds.iter().map(ns)));
        }
        for (on, off) in [(STRICT_JOURNALLED, STRICT), (COMPAT_JOURNALLED, COMPAT)] {
            let what = format!("{} / {}", all[on].name, all[off].name);
            at_most(&what, times(&all[on], &all[off]), 1.5);
        }
    }

    /// The pairs of each half of the channels alone.
    fn halves(&self) -> [Vec<(u64, u64)>; 2] {
        let (mut lower, _) = self.scene.channels.split_at(self.scene.channels.len() / 2);
        let mut sorted = lower.to_vec();
        sorted.sort_unstable();
        lower = &sorted;
        let is_lower = |channel: &u64| lower.binary_search(channel).is_ok();
        [true, false].map(|wanted| {
            let pairs = self.scene.rotating.iter().copied();
            pairs.filter(|(a, b)| is_lower(a) == wanted && is_lower(b) == wanted).collect()
        })
    }

    /// One thread and two, each with its half of the channels.
    fn threads(&self, plan: &Plan) {
        let lanes = AtomicUsize::new(0);
        let (halves, lanes) = (self.halves(), &lanes);
        let halves = &halves;
        let (_, strict) = &self.ours[STRICT];
        let mut contestants = Vec::new();
        for threads in [1, 2] {
            let port = || self.port.add_and_resolve(&halves[lane(lanes)], false, BATCH);
            let strict = || strict.add_and_resolve(&halves[lane(lanes)], false, BATCH);
            contestants.push(Contestant::new("port of the reference", threads, port));
            contestants.push(Contestant::new("strict, no journal", threads, strict));
            contestants.push(Contestant::new("arithmetic alone", threads, arithmetic));
        }
        let prepare = || {
            self.drain();
            lanes.store(0, Ordering::Relaxed);
        };
        let contestants: Vec<_> =
            contestants.into_iter().map(|one| one.prepared(prepare)).collect();
        let all = plan.interleave(&contestants);
        let channels = self.scene.channels.len();
        println!(
            "\n{channels} channels, pairs per second of two threads over those of one, no pair shared"
        );
        let scaling = |index: usize| {
            compare(&all[index + 3], &all[index], |two, one| two.per_second() / one.per_second())
        };
        println!("  {:<66} {}", "what this machine has: arithmetic alone", scaling(2));
        println!("  {:<66} {}", "port of the reference", scaling(0));
        at_least("strict, no journal", scaling(1), 1.8);
    }

    /// Additions that wait for the disk, one alone and many at once.
    fn durable(&self, plan: &Plan, folder: &Path) {
        let flush = Flush::create(folder);
        let (_, asked) = &self.ours[STRICT_JOURNALLED];
        let pairs = &self.scene.rotating[..];
        let work = || {
            for htlc in asked.htlcs(pairs, false, 1) {
                asked.manager.add_waiting(&htlc, Ack::Durable);
                asked.manager.resolve(&htlc);
            }
            1
        };
        let one_flush = || {
            flush.fdatasync();
            1
        };
        let contestants = [
            Contestant::new("flush alone: 4 KiB, fdatasync", 1, one_flush),
            Contestant::new("durable add, resolve from memory", 1, work),
            Contestant::new("durable add, resolve from memory", 16, work),
        ];
        let contestants: Vec<_> =
            contestants.into_iter().map(|one| one.prepared(|| self.drain())).collect();
        let all = interleave(&contestants, plan.settings.rounds, plan.settings.round);
        print_table("durable additions, strict", &all);
        let p50 = compare(&all[1], &all[0], |a, b| a.percentile_us(50) / b.percentile_us(50));
        println!("  p50 of one caller over that of a flush, of which a commit makes two: {p50}");
        let rate = compare(&all[2], &all[1], |a, b| a.per_second() / b.per_second());
        println!("  rate of 16 callers over that of one: {rate}");
    }
}

thread_local! {
    static LANE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Which of a round's threads this is; each round has new ones.
fn lane(lanes: &AtomicUsize) -> usize {
    let mine = LANE.get().unwrap_or_else(|| lanes.fetch_add(1, Ordering::Relaxed));
    LANE.set(Some(mine));
    mine
}

/// What scales with the processors if anything does.
fn arithmetic() -> u64 {
    let sum = (0..20_000u64).fold(0, |sum, number| common::scatter(sum ^ number));
    std::hint::black_box(sum);
    BATCH
}

/// A store whose channels were written with everything pending, and then so many pairs into the journal.
fn stored(scene: &Scene, path: &Path, pairs: u64) {
    let usual = options(Mode::Strict, true);
    let ours = Ours::open(path, usual.clone());
    scene.fill(&ours);
    ours.close();
    // Other settings divide the channels anew and write them; so do the first ones again.
    let mut other = usual.clone();
    other.settings.resolution_period_secs += 1;
    Ours::open(path, other).close();
    let asked = Asked::new(Ours::open(path, usual));
    (0..pairs.div_ceil(BATCH)).for_each(|_| {
        asked.add_and_resolve(&scene.rotating, false, BATCH);
    });
    asked.manager.close();
}

/// How long an open takes, then what a node does at each start besides: to reconcile.
fn reopened(scene: &Scene, path: &Path) -> ([f64; 2], u64) {
    let live = scene.live();
    let start = Instant::now();
    let store = Store::open(path, &StoreOptions::default()).expect("open");
    let resources = Resources::open(&store, options(Mode::Strict, true)).expect("resources");
    let opened = start.elapsed();
    let report = *resources.report();
    assert_eq!((report.pending, report.damaged), (live.len() as u64, 0));
    let reconciled = resources.reconcile(&live).expect("reconcile");
    let all = start.elapsed();
    assert_eq!(reconciled.kept, live.len() as u64);
    resources.close().expect("close");
    store.close().expect("close");
    ([opened, all].map(|took| took.as_secs_f64() * 1e3), report.replayed)
}

/// Milliseconds of the port's decode and replay.
fn replayed(scene: &Scene, bytes: &[u8]) -> f64 {
    let requests: Vec<_> = scene.pending.iter().map(Port::request).collect();
    let start = Instant::now();
    let port = Port::restored(bytes);
    let replayed = port.0.replay(&requests);
    let took = start.elapsed().as_secs_f64() * 1e3;
    assert!(replayed.aborted_by.is_none() && replayed.verdicts.len() == requests.len());
    took
}

fn restore(plan: &Plan, folder: &Path, channels: usize) {
    let scene = Scene::new(channels, plan.each);
    let port = Port::new();
    scene.fill(&port);
    let bytes = port.0.encode();
    drop(port);
    let path = |what: &str| -> PathBuf { folder.join(format!("restore-{channels}-{what}")) };
    let (rows, journal) = (path("rows"), path("journal"));
    stored(&scene, &rows, 0);
    stored(&scene, &journal, plan.journalled_pairs);
    let (mut port, mut from_rows, mut from_journal) = (Vec::new(), Vec::new(), Vec::new());
    let mut entries = [0; 2];
    for _ in 0..plan.settings.rounds {
        port.push(replayed(&scene, &bytes));
        for (index, (path, took)) in
            [(&rows, &mut from_rows), (&journal, &mut from_journal)].into_iter().enumerate()
        {
            let (times, replayed) = reopened(&scene, path);
            took.push(times);
            entries[index] = replayed;
        }
    }
    println!(
        "\nrestore, {channels} channels with {} pending each: ms, median [range] of rounds",
        plan.each
    );
    let first = Spread::of(port.iter().copied());
    println!("  {:<66} {first}", "port: decode, replay of what is pending");
    for (what, took, entries) in
        [("rows", &from_rows, entries[0]), ("rows and journal", &from_journal, entries[1])]
    {
        let column = |index: usize| Spread::of(took.iter().map(|times| times[index]));
        let ratio = |index: usize| {
            Spread::of(port.iter().zip(took).map(|(port, times)| port / times[index]))
        };
        let what = format!("open of {what}, {entries} entries replayed");
        println!("  {what:<66} {}", column(0));
        println!("  {:<66} {}", "  and reconcile", column(1));
        at_least("port / open", ratio(0), 2.0);
        println!("  {:<66} {}", "port / open and reconcile", ratio(1));
    }
}

/// Removal of a channel that nothing needs, while others have HTLCs, and its addition again.
fn removal(plan: &Plan, folder: &Path) {
    let cases: Vec<_> = [plan.middle(), plan.largest()]
        .into_iter()
        .flat_map(|channels| [(channels, plan.each / 10), (channels, plan.each)])
        .map(|(channels, each)| {
            let scene = Scene::new(channels, each);
            let path = folder.join(format!("removal-{channels}-{each}"));
            let (port, ours) = (Port::new(), Ours::open(&path, options(Mode::Strict, false)));
            for manager in [&port as &dyn Manager, &ours] {
                scene.fill(manager);
                manager.add_channel(scene.spare());
            }
            (scene, each, port, ours)
        })
        .collect();
    let mut contestants = Vec::new();
    for (scene, _, port, ours) in &cases {
        let again = |manager: &dyn Manager, count: u64| {
            for _ in 0..count {
                manager.remove_channel(scene.spare());
                manager.add_channel(scene.spare());
            }
            count
        };
        contestants.push(Contestant::new("port", 1, move || again(port, 1)));
        contestants.push(Contestant::new("strict", 1, move || again(ours, BATCH)));
    }
    let all = plan.interleave(&contestants);
    drop(contestants);
    println!("\nremoval of a channel that nothing needs, and its addition: us, no journal");
    for ((scene, each, ..), series) in cases.iter().zip(all.chunks(2)) {
        let took = |index: usize| Spread::of(series[index].rounds.iter().map(|one| ns(one) / 1e3));
        println!(
            "  {:>5} channels with {each:>3} pending each: port {:<32} strict {}",
            scene.channels.len(),
            took(0).to_string(),
            took(1)
        );
    }
    for (few, many) in [(1, 3), (5, 7)] {
        let channels = cases[few / 2].0.channels.len();
        let what = format!("strict, {channels} channels: ten times the HTLCs / few");
        at_most(&what, times(&all[many], &all[few]), 1.5);
    }
    cases.into_iter().for_each(|(_, _, _, ours)| ours.close());
}

/// What the C library has given out for the channels and what is pending on them.
fn memory(plan: &Plan, folder: &Path) {
    let Some(before) = malloc_bytes() else {
        println!("SKIPPED: memory: this C library does not say what it has given out");
        return;
    };
    let path = folder.join("memory-journal");
    let journalled = Ours::open(&path, options(Mode::Strict, true));
    let open = malloc_bytes().unwrap_or(0).saturating_sub(before) as f64 / f64::from(1 << 20);
    println!("\nmemory: store and resources open with a journal and no channel: {open:.1} MiB");
    journalled.close();
    for channels in [plan.middle(), plan.largest()] {
        let scene = Scene::new(channels, plan.each);
        let path = folder.join(format!("memory-{channels}"));
        let held = |before: usize| {
            let bytes = malloc_bytes().unwrap_or(0).saturating_sub(before) as f64;
            let kib = bytes / channels as f64 / 1_024.0;
            Spread { low: kib, median: kib, high: kib }
        };
        let asked = Asked::new(Ours::open(&path, options(Mode::Strict, false)));
        let before = malloc_bytes().unwrap_or(0);
        scene.fill(&asked.manager);
        let what = format!("{channels} channels, {} pending each", plan.each);
        at_most(&format!("{what}: KiB per channel"), held(before), 8.0);
        for resolved in [plan.each, plan.each * 10] {
            let pairs = (channels * resolved) as u64;
            asked.add_and_resolve(&scene.rotating, false, pairs);
            let what = format!("{what}, {resolved} more resolved: KiB per channel");
            at_most(&what, held(before), 8.0);
        }
        asked.manager.close();
        let before = malloc_bytes().unwrap_or(0);
        let port = Port::new();
        scene.fill(&port);
        println!("  {:<66} {}", "  port of the reference", held(before));
    }
}

fn main() {
    let plan = Plan::from_env();
    let folder = common::folder();
    let path = folder.path();
    println!("load {} before, flushes {} us longer", common::load(), common::flush_delay_us());
    if !plan.is_slow {
        memory(&plan, path);
    }
    for channels in plan.sizes.clone() {
        let (is_middle, is_largest) = (channels == plan.middle(), channels == plan.largest());
        if plan.is_slow && !is_largest {
            continue;
        }
        let field = Field::new(path, channels, plan.each);
        field.drain();
        for (is_rotating, is_accountable) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            if !plan.is_slow || is_rotating {
                field.pairs(&plan, is_rotating, is_accountable);
            }
        }
        if is_middle {
            field.threads(&plan);
        }
        if is_largest {
            field.bursts(&plan);
            field.durable(&plan, path);
        }
        field.close();
    }
    if !plan.is_slow {
        restore(&plan, path, plan.middle());
        restore(&plan, path, plan.largest());
        removal(&plan, path);
    }
    println!("\nload {} after", common::load());
}
