//! Whole-file work on a store of a million attempts: check and a walking open beside reading the file once,
//! backup, compaction; and what an init waits while 50 MiB are staged, a snapshot of 50 MiB is committed or a
//! backup is written.
#![allow(missing_docs)]

mod common;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::Settings;
use common::faces::{BULK, Face, Ids, RustFace, preload};
use common::measure::Spread;
use lnkeep::monitors::{Block, Monitors, MonitorsOptions, Urgency};
use lnkeep::{ChannelId, Store, StoreOptions, maintenance};

const STAGED_BYTES: usize = 50 << 20;
/// What one commit takes of bulk work: an init that comes during it waits for all of it.
const SLICE_BYTES: usize = 1 << 20;
/// Commits of a large snapshot in one round, so that its percentiles are those of enough inits.
const SNAPSHOTS_PER_ROUND: usize = 4;
/// Commits of one slice in one round.
const SLICES_PER_ROUND: usize = 100;
const CHANNEL: ChannelId = ChannelId([9; 32]);

fn ms(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1e3
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let done = work();
    (ms(start.elapsed()), done)
}

fn read_once(data: &Path, bytes: u64) -> f64 {
    let mut file = std::fs::File::open(data).expect("open").take(bytes);
    let mut buffer = vec![0; 1 << 20];
    timed(|| while file.read(&mut buffer).expect("read") > 0 {}).0
}

/// Whether the kernel forgot the file; that takes root.
fn forget_caches() -> bool {
    let flushed = std::process::Command::new("sync").status().is_ok_and(|status| status.success());
    flushed && std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// Times of reading the file once, of a check, and of an open that walks; each from the disk or from memory.
fn walks(folder: &Path, settings: &Settings, from_disk: bool) {
    let data = folder.join("data.mdb");
    let report = maintenance::check(folder).expect("check");
    assert!(report.is_sound(), "{:?}", report.findings);
    let bytes = report.pages * report.page_bytes;
    let verify = StoreOptions { verify_always: true, ..StoreOptions::default() };
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds {
        let prepare = || !from_disk || forget_caches();
        if !prepare() {
            return println!(
                "SKIPPED: walks from the disk: the caches can be dropped by root alone"
            );
        }
        let read = read_once(&data, bytes);
        prepare();
        let check = timed(|| maintenance::check(folder).expect("check")).0;
        prepare();
        let (open, store) = timed(|| Store::open(folder, &verify).expect("open"));
        store.close().expect("close");
        rounds.push([read, check, open]);
    }
    let from = if from_disk { "disk" } else { "memory" };
    println!("\n{} MiB in {} pages, {} rows, from {from}:", bytes >> 20, report.pages, report.rows);
    for (index, what) in ["read once", "check", "open with a walk"].into_iter().enumerate() {
        let took = Spread::of(rounds.iter().map(|round| round[index]));
        let ratio = Spread::of(rounds.iter().map(|round| round[index] / round[0]));
        println!("  {what:<18} {took} ms, x {ratio} of reading once");
    }
}

/// Latencies of one caller's inits, ascending, in microseconds.
fn inits_until(face: &RustFace, ids: &Ids, ended: impl Fn() -> bool) -> Vec<f64> {
    let mut latencies = Vec::new();
    while !ended() || latencies.is_empty() {
        latencies.push(timed(|| face.init(ids.fresh(1))).0 * 1e3);
    }
    latencies.sort_by(f64::total_cmp);
    latencies
}

fn print_latencies(what: &str, rounds: &[Vec<f64>]) {
    let at = |share: f64| Spread::of(rounds.iter().map(|all| percentile(all, share)));
    println!("  {what:<42} p50 {} p99 {} max {} us", at(0.5), at(0.99), at(1.0));
}

fn percentile(ascending: &[f64], share: f64) -> f64 {
    ascending[((ascending.len() - 1) as f64 * share) as usize]
}

fn beside(face: &RustFace, ids: &Ids, work: impl FnOnce() + Send) -> Vec<f64> {
    let done = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let flag = Arc::clone(&done);
        scope.spawn(move || {
            work();
            flag.store(true, Ordering::Relaxed);
        });
        inits_until(face, ids, || done.load(Ordering::Relaxed))
    })
}

/// The monitors of one channel, whose snapshot is large.
struct Channel {
    monitors: Monitors,
    snapshot: Vec<u8>,
}

impl Channel {
    fn open(store: &Arc<Store>, snapshot: Vec<u8>) -> Channel {
        let monitors = Monitors::open(store, MonitorsOptions::default()).expect("monitors");
        let (block, urgency) = (Block::default(), Urgency::default());
        monitors.queue_new(CHANNEL, 0, &snapshot[..1], block, urgency).expect("queue");
        let channel = Channel { monitors, snapshot };
        channel.commit(Some(&[7]));
        channel
    }

    fn commit(&self, manager: Option<&[u8]>) {
        let capture = self.monitors.capture().expect("capture");
        self.monitors.commit(capture, manager, &[]).expect("commit");
        self.monitors.completions(usize::MAX).expect("completions");
    }

    /// Latencies of inits while the snapshot is committed, several times; queueing copies it and is left out.
    fn inits_beside(&self, face: &RustFace, ids: &Ids) -> Vec<f64> {
        let mut all = Vec::new();
        for _ in 0..SNAPSHOTS_PER_ROUND {
            let queued =
                self.monitors.queue_snapshot(CHANNEL, 0, &self.snapshot, None, Urgency::Ordinary);
            queued.expect("queue");
            all.extend(beside(face, ids, || self.commit(None)));
            // The chunks of the snapshot before are removed in the background.
            face.store.sync().expect("sync");
        }
        all.sort_by(f64::total_cmp);
        all
    }

    /// How long a commit of one bulk slice takes alone, ascending, in microseconds.
    fn slices(&self) -> Vec<f64> {
        let slice = &self.snapshot[..SLICE_BYTES.min(self.snapshot.len())];
        let took = (0..SLICES_PER_ROUND).map(|_| timed(|| self.commit(Some(slice))).0 * 1e3);
        let mut all: Vec<f64> = took.collect();
        all.sort_by(f64::total_cmp);
        all
    }
}

/// Whether an init beside a large commit waits for two bulk slices at most: the one that is being written
/// when it comes, and the one that shares its commit.
fn print_slices(inits: &[Vec<f64>], slices: &[Vec<f64>]) {
    println!("\na bulk slice, {} KiB in one commit, median [range] of rounds:", SLICE_BYTES >> 10);
    print_latencies("alone", slices);
    for (init_name, init_share, slice_name, slice_share) in
        [("p50", 0.5, "p50", 0.5), ("p99", 0.99, "p99", 0.99), ("p99", 0.99, "p50", 0.5)]
    {
        let ratio =
            Spread::of(inits.iter().zip(slices).map(|(init, slice)| {
                percentile(init, init_share) / percentile(slice, slice_share)
            }));
        let verdict = if ratio.median <= 2.0 { "within two" } else { "NOT within two" };
        println!(
            "  {init_name} of init beside the snapshot: {ratio} times the {slice_name} of a slice, {verdict}"
        );
    }
}

fn latencies(face: &RustFace, ids: &Ids, folder: &Path, settings: &Settings) {
    let value = vec![7; if settings.brief { 1 << 20 } else { STAGED_BYTES }];
    let channel = Channel::open(&face.store, value.clone());
    let (mut alone, mut staging, mut committing) = (Vec::new(), Vec::new(), Vec::new());
    let (mut copying, mut slices) = (Vec::new(), Vec::new());
    for round in 0..settings.rounds {
        let end = Instant::now() + settings.round;
        alone.push(inits_until(face, ids, || Instant::now() >= end));
        staging.push(beside(face, ids, || face.store.blobs().put(b"large", &value).expect("put")));
        face.store.sync().expect("sync");
        committing.push(channel.inits_beside(face, ids));
        slices.push(channel.slices());
        let target = folder.join(format!("backup-{round}"));
        copying.push(beside(face, ids, || {
            assert!(maintenance::backup(&face.store, &target).expect("backup").is_sound());
        }));
        std::fs::remove_file(&target).expect("remove");
    }
    channel.monitors.close(false).expect("close");
    println!("\ninit of one caller, median [range] of rounds:");
    print_latencies("alone", &alone);
    print_latencies(&format!("while {} MiB are staged", value.len() >> 20), &staging);
    let what = format!("while a snapshot of {} MiB is committed", value.len() >> 20);
    print_latencies(&what, &committing);
    print_latencies("while a backup is written", &copying);
    print_slices(&committing, &slices);
}

fn compaction(folder: &Path) {
    let size = || std::fs::metadata(folder.join("data.mdb")).expect("stat").len() >> 20;
    let before = size();
    let compact = StoreOptions { compact: true, ..StoreOptions::default() };
    let (took, store) = timed(|| Store::open(folder, &compact).expect("open"));
    assert!(store.report().compacted);
    store.close().expect("close");
    println!("\ncompaction at open: {before} MiB to {} MiB in {took:.0} ms", size());
}

fn main() {
    let settings = Settings::from_env();
    let folder = common::folder();
    let path = folder.path().join("store");
    let face = RustFace::open(&path);
    let preloaded = preload(&face, settings.attempts / BULK * BULK, |_| true);
    let ids = Ids::after(preloaded);
    latencies(&face, &ids, folder.path(), &settings);
    face.store.blobs().delete(b"large").expect("delete");
    face.store.close().expect("close");
    drop(face);
    walks(&path, &settings, false);
    if !settings.brief {
        walks(&path, &settings, true);
    }
    compaction(&path);
}
