//! Peer storage: 10,000 peers with the longest blobs, beside a plain file with the same flushes; a flood from
//! one peer; what attempts wait beside it; seals and envelopes beside the cipher alone.
#![allow(missing_docs)]

mod common;
#[path = "common/peer_interference.rs"]
mod peer_interference;
#[path = "common/peer_load.rs"]
mod peer_load;
#[path = "common/peer_sealing.rs"]
mod peer_sealing;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha256};

use common::measure::{Contestant, Spread, compare, cpu_time, interleave, print_table};
use common::{Settings, scatter};
use lnkeep::limits::PEER_BLOB_BYTES_MAX;
use lnkeep::peer_storage::{ClaimChange, PeerStorage, PeerStorageOptions, Stored};
use lnkeep::{Status, Store, StoreOptions};
use peer_load::{Blob, HEIGHT, Memory, Plain, START_MS, node, open_with_channels};

const BLOB_BYTES: u64 = PEER_BLOB_BYTES_MAX as u64;
/// Of the cap of all blobs, so that 10,000 peers have 700 MB.
const CAP_BYTES_PER_PEER: u64 = 70_000;
/// Host time between two groups of peers.
const GROUP_MS: u64 = 1_000;
/// Updates of a flood in one second of host time.
const UPDATES_PER_SEC: u64 = 1_000;

/// What is measured, and how large.
struct Plan {
    settings: Settings,
    peers: u64,
    /// Peers that are measured at once; what waits of them in memory is within the default bound.
    group: u64,
    flood_updates: u64,
}

impl Plan {
    fn from_env() -> Plan {
        let settings = Settings::from_env();
        let (peers, group, flood_updates) = match settings.brief {
            true => (60, 20, 2_100),
            false => (10_000, 1_000, 10_000),
        };
        Plan { settings, peers, group, flood_updates }
    }

    fn groups(&self) -> u64 {
        self.peers / self.group
    }

    /// So long that a group's blobs of the next pass come just before they may be written.
    fn options(&self) -> PeerStorageOptions {
        PeerStorageOptions {
            cooldown_ms: self.groups() * GROUP_MS,
            peers_max: u32::try_from(self.peers * 2).unwrap_or(u32::MAX),
            total_bytes_max: self.peers * CAP_BYTES_PER_PEER,
            ..PeerStorageOptions::default()
        }
    }
}

/// How the blobs of a group come to the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// The first one of each peer is written when it comes.
    AtOnce,
    /// Each waits until its cooldown is over; one tick writes all.
    ByTick,
}

/// One group of peers.
struct Turn {
    ours_secs: f64,
    /// Processor time, the writer's thread included.
    ours_cpu_secs: f64,
    plain_secs: f64,
    commits: u64,
    anonymous: Option<u64>,
}

/// A store that fills with blobs, and the plain file beside it.
struct Kept<'plan> {
    plan: &'plan Plan,
    path: PathBuf,
    store: Arc<Store>,
    peers: PeerStorage,
    blob: Blob,
    plain: Plain,
    passes: u64,
    /// When the store was open and nothing was known of any peer.
    before: Memory,
}

impl Kept<'_> {
    fn new<'plan>(plan: &'plan Plan, folder: &Path) -> Kept<'plan> {
        let path = folder.join("kept");
        let store = Store::open(&path, &StoreOptions::default()).expect("open");
        let before = Memory::now();
        let peers = open_with_channels(&store, plan.options(), 0..plan.peers);
        let plain = Plain::create(&folder.join("plain"));
        Kept { plan, path, store, peers, blob: Blob::new(), plain, passes: 0, before }
    }

    fn data_mib(&self) -> f64 {
        let data = std::fs::metadata(self.path.join("data.mdb")).expect("stat");
        data.len() as f64 / f64::from(1 << 20)
    }

    /// When a group is written in the pass that runs now.
    fn due_ms(&self, group: u64) -> u64 {
        START_MS + (self.passes * self.plan.groups() + group) * GROUP_MS
    }

    /// Stores the group's blobs; answers how long that took and how many commits it needed.
    fn ours(&mut self, group: u64, numbers: Range<u64>, pass: Pass) -> (f64, u64) {
        let due_ms = self.due_ms(group);
        let expected = numbers.end - numbers.start;
        let before = commits_of(&self.store);
        let start = Instant::now();
        for number in numbers {
            let blob = self.blob.numbered(self.passes << 32 | number);
            let now_ms = if pass == Pass::ByTick { due_ms - 1 } else { due_ms };
            let stored = self.peers.store_blob(now_ms, node(number), blob).expect("store");
            match pass {
                Pass::AtOnce => assert!(matches!(stored, Stored::Committed), "{stored:?}"),
                Pass::ByTick => assert!(matches!(stored, Stored::Deferred { .. }), "{stored:?}"),
            }
        }
        if pass == Pass::ByTick {
            let ticked = self.peers.tick(due_ms).expect("tick");
            assert_eq!((ticked.committed.len() as u64, ticked.failed.len()), (expected, 0));
        }
        let took = start.elapsed().as_secs_f64();
        (took, commits_of(&self.store) - before)
    }

    /// Every group once, in lnkeep and then in the plain file with as many flushes.
    fn pass(&mut self, pass: Pass) -> Vec<Turn> {
        let mut turns = Vec::new();
        for group in 0..self.plan.groups() {
            let numbers = group * self.plan.group..(group + 1) * self.plan.group;
            let cpu = cpu_time();
            let (ours_secs, commits) = self.ours(group, numbers.clone(), pass);
            let ours_cpu_secs = (cpu_time() - cpu).as_secs_f64();
            let anonymous = Memory::now().anonymous;
            let start = Instant::now();
            self.plain.write(numbers, self.passes, commits);
            let plain_secs = start.elapsed().as_secs_f64();
            turns.push(Turn { ours_secs, ours_cpu_secs, plain_secs, commits, anonymous });
        }
        self.passes += 1;
        turns
    }

    fn print(&self, what: &str, turns: &[Turn]) {
        let megabytes = (self.plan.group * BLOB_BYTES) as f64 / 1e6;
        let over = |figure: &dyn Fn(&Turn) -> f64| Spread::of(turns.iter().map(figure));
        let commits: u64 = turns.iter().map(|turn| turn.commits).sum();
        println!(
            "  {what:<22} commits per blob {:.3}   MB/s: lnkeep {}, plain file {}, ratio {}",
            commits as f64 / self.plan.peers as f64,
            over(&|turn| megabytes / turn.ours_secs),
            over(&|turn| megabytes / turn.plain_secs),
            over(&|turn| turn.plain_secs / turn.ours_secs),
        );
        let per_blob = self.data_mib() * f64::from(1 << 20) / self.plan.peers as f64;
        let anonymous: Vec<_> = turns.iter().filter_map(|turn| turn.anonymous).collect();
        let range = anonymous.iter().min().zip(anonymous.iter().max());
        let range = range.map_or("unknown".to_string(), |(low, high)| {
            format!("{:.1}-{:.1}", *low as f64 / 1048576.0, *high as f64 / 1048576.0)
        });
        println!(
            "  {:<22} cpu us per blob {}; data.mdb {:.0} MiB, {per_blob:.0} bytes per blob; \
             anonymous MiB after each group {range}",
            "",
            over(&|turn| turn.ours_cpu_secs * 1e6 / self.plan.group as f64),
            self.data_mib()
        );
    }

    /// Further peers until the cap is reached.
    fn fill_to_cap(&mut self) {
        let cap = self.plan.options().total_bytes_max;
        let now_ms = self.due_ms(0);
        let mut further = 0;
        let refused = loop {
            let peer = node(self.plan.peers + further);
            self.peers.report_claim(peer, ClaimChange::OpenChannel, HEIGHT).expect("claim");
            match self.peers.store_blob(now_ms, peer, self.blob.numbered(further)) {
                Ok(_) => further += 1,
                Err(error) => break error,
            }
        };
        let stats = self.peers.stats().expect("stats");
        assert_eq!(refused.status(), Status::QuotaTotal);
        assert_eq!(stats.bytes, (self.plan.peers + further) * BLOB_BYTES);
        assert!(stats.bytes <= cap && stats.bytes + BLOB_BYTES > cap);
        println!(
            "  {further} further peers, then {}: {} of {cap} bytes; data.mdb {:.0} MiB, {:.3} of the cap",
            refused.status().name(),
            stats.bytes,
            self.data_mib(),
            self.data_mib() * f64::from(1 << 20) / cap as f64,
        );
    }

    fn close(self) -> Plain {
        self.peers.close().expect("close");
        self.store.close().expect("close");
        self.plain
    }
}

fn per_peer(what: &str, before: Memory, after: Memory, peers: u64) {
    let grown = |after: u64, before: u64| after.saturating_sub(before) as f64 / peers as f64;
    let heap =
        after.heap.zip(before.heap).map(|(after, before)| grown(after as u64, before as u64));
    let anonymous =
        after.anonymous.zip(before.anonymous).map(|(after, before)| grown(after, before));
    let shown = |bytes: Option<f64>| bytes.map_or("unknown".into(), |bytes| format!("{bytes:.0}"));
    println!(
        "  {what:<46} {after}; since no peer was known, bytes per peer: heap {}, anonymous {}",
        shown(heap),
        shown(anonymous)
    );
}

/// Many peers with the longest blobs: the disk, the memory, an open, a retrieval.
fn many(plan: &Plan, folder: &Path) {
    let mut kept = Kept::new(plan, folder);
    let before = kept.before;
    println!("\n{} peers with {BLOB_BYTES} bytes each, groups of {}", plan.peers, plan.group);
    per_peer("memory before the first blob, claims told", before, Memory::now(), plan.peers);
    for (what, pass) in
        [("each when it comes", Pass::AtOnce), ("by ticks", Pass::ByTick), ("again", Pass::ByTick)]
    {
        let turns = kept.pass(pass);
        kept.print(what, &turns);
        per_peer(&format!("memory after {what}"), before, Memory::now(), plan.peers);
    }
    let path = kept.path.clone();
    let (passes, plain) = (kept.passes, kept.close());
    open(plan, &path);
    let store = Store::open(&path, &StoreOptions::default()).expect("open");
    let peers = open_with_channels(&store, plan.options(), 0..plan.peers);
    let mut kept = Kept { plan, path, store, peers, blob: Blob::new(), plain, passes, before };
    retrieve(plan, &kept);
    for number in 0..plan.peers {
        drop(kept.peers.export(node(number)).expect("export"));
    }
    per_peer("memory after a retrieval by each peer", before, Memory::now(), plan.peers);
    kept.fill_to_cap();
    drop(kept.close());
}

fn open(plan: &Plan, path: &Path) {
    let mut took = Vec::new();
    for _ in 0..plan.settings.rounds {
        let start = Instant::now();
        let store = Store::open(path, &StoreOptions::default()).expect("open");
        let opened = start.elapsed();
        let peers = PeerStorage::open(&store, plan.options()).expect("peer storage");
        let all = start.elapsed();
        let report = peers.report();
        let expected = (plan.peers, plan.peers * BLOB_BYTES, 0);
        assert_eq!((report.peers, report.bytes, report.damaged), expected);
        took.push([opened, all - opened].map(|took| took.as_secs_f64() * 1e3));
        peers.close().expect("close");
        store.close().expect("close");
    }
    let column = |index: usize| Spread::of(took.iter().map(|took| took[index]));
    println!("  open after a clean close, ms: store {}, peers' records {}", column(0), column(1));
}

fn retrieve(plan: &Plan, kept: &Kept<'_>) {
    let turn = std::sync::atomic::AtomicU64::new(0);
    let number = || scatter(turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) % plan.peers;
    let now_ms = kept.due_ms(0);
    let retrieval = || {
        let blob = kept.peers.connected(now_ms, node(number())).expect("connected");
        assert_eq!(blob.map(|blob| blob.len()), Some(PEER_BLOB_BYTES_MAX));
        1
    };
    let read = || {
        std::hint::black_box(kept.plain.read(number()));
        1
    };
    let read_and_hash = || {
        std::hint::black_box(Sha256::digest(kept.plain.read(number())));
        1
    };
    let contestants = [
        Contestant::new("retrieval", 1, retrieval),
        Contestant::new("read(2) of as much", 1, read),
        Contestant::new("read(2) and SHA-256", 1, read_and_hash),
    ];
    let all = interleave(&contestants, plan.settings.rounds, plan.settings.round);
    print_table("retrieval, the newest blob on disk", &all);
    for other in &all[1..] {
        let p50 = compare(&all[0], other, |a, b| a.percentile_us(50) / b.percentile_us(50));
        println!("  {:<66} {p50}", format!("p50 of retrieval / {}", other.name));
    }
}

/// One peer that sends as fast as it can, and a host that ticks when it was told to.
struct Flood {
    peers: PeerStorage,
    blob: Blob,
    sent: u64,
    due_ms: Option<u64>,
}

impl Flood {
    fn send(&mut self) {
        let peer = node(0);
        let now_ms = START_MS + self.sent * 1_000 / UPDATES_PER_SEC;
        if self.due_ms.is_some_and(|due_ms| due_ms <= now_ms) {
            assert_eq!(self.peers.tick(now_ms).expect("tick").committed, [peer]);
            self.due_ms = None;
        }
        let stored = self.peers.store_blob(now_ms, peer, self.blob.numbered(self.sent));
        match stored.expect("store") {
            Stored::Committed => self.due_ms = None,
            Stored::Deferred { due_ms, failure } => {
                assert!(failure.is_none(), "{failure:?}");
                self.due_ms = Some(due_ms);
            }
            Stored::Unchanged => panic!("every blob is another one"),
        }
        self.sent += 1;
    }
}

fn commits_of(store: &Store) -> u64 {
    store.stats().expect("stats").commits
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn flood(plan: &Plan, folder: &Path) {
    let store = Store::open(folder.join("flood"), &StoreOptions::default()).expect("open");
    let options = PeerStorageOptions::default();
    let peers = open_with_channels(&store, options, 0..1);
    let mut flood = Flood { peers, blob: Blob::new(), sent: 0, due_ms: None };
    let before = Memory::now();
    let mut highest = before;
    let (commits_before, mut rounds) = (commits_of(&store), Vec::new());
    for _ in 0..plan.settings.rounds {
        let ours = timed(|| (0..plan.flood_updates).for_each(|_| flood.send()));
        let now = Memory::now();
        highest = if now.anonymous > highest.anonymous { now } else { highest };
        let alone = timed(|| {
            for number in 0..plan.flood_updates {
                let bytes: Arc<[u8]> = Arc::from(flood.blob.numbered(number));
                std::hint::black_box((Sha256::digest(&bytes), bytes));
            }
        });
        rounds.push([ours, alone]);
    }
    let sent = flood.sent;
    let written = flood.peers.stats().expect("stats").commits;
    let commits = commits_of(&store) - commits_before;
    let cooldowns = 1 + (sent - 1) * 1_000 / UPDATES_PER_SEC / options.cooldown_ms;
    assert_eq!((written, commits), (cooldowns, cooldowns), "one commit per cooldown");
    let over = |figure: &dyn Fn(&[f64; 2]) -> f64| Spread::of(rounds.iter().map(figure));
    let (updates, each) = (plan.flood_updates as f64, UPDATES_PER_SEC);
    println!("\na flood from one peer: {sent} updates, {each} in a second of the host's time");
    println!("  cooldowns {cooldowns}, blobs written {written}, commits of the store {commits}");
    println!(
        "  updates/s {}, copy and SHA-256 alone {}, ratio of times {}",
        over(&|took| updates / took[0]),
        over(&|took| updates / took[1]),
        over(&|took| took[0] / took[1])
    );
    println!("  memory before           {before}");
    println!("  highest after a round   {highest}");
    flood.peers.close().expect("close");
    store.close().expect("close");
}

/// Whether a part is wanted: `cargo bench --bench peers -- flood` measures nothing else.
fn is_wanted(part: &str) -> bool {
    let mut named =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|name| name == part)
}

fn main() {
    let plan = Plan::from_env();
    let folder = common::folder();
    let path = folder.path();
    println!("load {} before, flushes {} us longer", common::load(), common::flush_delay_us());
    // What does not wait for flushes, or makes ten thousand of them, is measured at the disk's own.
    let is_own_flush = common::flush_delay_us() == 0;
    if is_own_flush && is_wanted("many") {
        many(&plan, path);
    }
    if is_own_flush && is_wanted("flood") {
        flood(&plan, path);
    }
    if is_own_flush && is_wanted("envelopes") {
        peer_sealing::envelopes(&plan.settings);
    }
    if is_wanted("seals") {
        peer_sealing::durable(&plan.settings, path);
    }
    if is_wanted("interference") {
        peer_interference::run(&plan.settings, path);
    }
    println!("\nload {} after", common::load());
}
