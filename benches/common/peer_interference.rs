//! What a durable init of an attempt waits while the same store keeps peers' blobs: 1,000 peers, each with a
//! blob of the greatest length once a minute.
//!
//! Evenly: each blob is due when it comes and is written at once, one every 60 ms. By ticks: blobs wait in
//! memory and one tick writes all of a minute; a round has as many of them as come in its length.

use std::path::Path;
use std::time::{Duration, Instant};

use lnkeep::peer_storage::{PeerStorage, PeerStorageOptions, Stored};

use super::common::Settings;
use super::common::faces::{Face, Ids, RustFace, preload};
use super::common::measure::Spread;
use super::peer_load::{Blob, START_MS, at_most, node, open_with_channels};

const THREADS: u32 = 4;
const PEERS: u64 = 1_000;
const MINUTE_MS: u64 = 60_000;
const INTERVAL: Duration = Duration::from_millis(MINUTE_MS / PEERS);
/// Rounds are so many times as long as others: a p99 needs many calls beside many blobs.
const LENGTHS: u32 = 12;
/// Inits of one thread when they are no faster than this.
const PACE: Duration = Duration::from_millis(5);

/// What goes on beside the inits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Evenly,
    NothingAgain,
    Ticks,
}

impl Beside {
    /// In turns: that the machine itself differs from one round to the next shows where nothing else does.
    const ALL: [Beside; 4] = [Beside::Nothing, Beside::Evenly, Beside::NothingAgain, Beside::Ticks];

    fn name(self) -> &'static str {
        match self {
            Beside::Nothing => "alone",
            Beside::NothingAgain => "alone, again",
            Beside::Evenly => "beside blobs, evenly",
            Beside::Ticks => "beside blobs, all in one tick",
        }
    }

    /// Those that ran alone just before.
    fn alone(self) -> Beside {
        if self == Beside::Ticks { Beside::NothingAgain } else { Beside::Nothing }
    }
}

/// One init: when it began and how long it took.
#[derive(Clone, Copy)]
struct Call {
    began: Duration,
    took: Duration,
}

/// The inits of one round, the fastest first.
struct Round {
    calls: Vec<Call>,
    length: Duration,
    /// When the tick began and ended, if there was one.
    tick: Option<(Duration, Duration)>,
}

impl Round {
    fn percentile_us(&self, percent: usize) -> f64 {
        percentile_us(&self.calls, percent)
    }

    fn per_second(&self) -> f64 {
        self.calls.len() as f64 / self.length.as_secs_f64()
    }

    /// The p99 of inits that met the tick.
    fn p99_at_tick_us(&self) -> Option<f64> {
        let (began, ended) = self.tick?;
        let meets = |call: &&Call| call.began < ended && call.began + call.took > began;
        let met: Vec<_> = self.calls.iter().filter(meets).copied().collect();
        (!met.is_empty()).then(|| percentile_us(&met, 99))
    }
}

fn percentile_us(ascending: &[Call], percent: usize) -> f64 {
    let last = ascending.len().saturating_sub(1);
    ascending.get(last * percent / 100).map_or(f64::NAN, |call| call.took.as_secs_f64() * 1e6)
}

/// The provider as its host drives it; the host's clock runs faster than time where a round is a minute.
struct Host {
    peers: PeerStorage,
    /// Peers whose blobs come evenly; those after them wait for a tick.
    even_peers: u64,
    blob: Blob,
    now_ms: u64,
    stored: u64,
}

impl Host {
    fn store(&mut self, number: u64) -> Stored {
        self.stored += 1;
        let blob = self.blob.numbered(self.stored);
        self.peers.store_blob(self.now_ms, node(number), blob).expect("store")
    }

    fn store_now(&mut self, number: u64) {
        assert!(matches!(self.store(number), Stored::Committed), "it was due");
    }

    /// One blob at each interval, each from the peer whose last one is the oldest.
    fn evenly(&mut self, start: Instant, length: Duration) {
        let blobs = (length.as_millis() / INTERVAL.as_millis()) as u32;
        for index in 0..blobs {
            sleep_until(start + INTERVAL * index);
            self.now_ms += MINUTE_MS / self.even_peers;
            self.store_now(self.stored % self.even_peers);
        }
    }

    /// What comes within the round's length, in its first half; then the tick.
    fn by_tick(&mut self, start: Instant, length: Duration) -> (Duration, Duration) {
        let blobs = (length.as_millis() / INTERVAL.as_millis()).max(1) as u32;
        for index in 0..blobs {
            sleep_until(start + INTERVAL * index / 2);
            let deferred = self.store(self.even_peers + u64::from(index));
            assert!(matches!(deferred, Stored::Deferred { failure: None, .. }), "it was not due");
        }
        sleep_until(start + length / 2);
        let began = start.elapsed();
        self.now_ms += MINUTE_MS;
        let ticked = self.peers.tick(self.now_ms).expect("tick");
        assert_eq!((ticked.committed.len(), ticked.failed.len()), (blobs as usize, 0));
        (began, start.elapsed())
    }

    /// Every peer of the second kind just had a write, so its next blob waits.
    fn ready_for_tick(&mut self, length: Duration) {
        self.now_ms += MINUTE_MS;
        let blobs = (length.as_millis() / INTERVAL.as_millis()).max(1) as u64;
        let numbers = self.even_peers..self.even_peers + blobs;
        numbers.for_each(|number| self.store_now(number));
    }
}

fn sleep_until(instant: Instant) {
    std::thread::sleep(instant.saturating_duration_since(Instant::now()));
}

struct Field {
    face: RustFace,
    ids: Ids,
    length: Duration,
}

impl Field {
    fn open(settings: &Settings, folder: &Path) -> (Field, Host) {
        let face = RustFace::open(&folder.join("interference"));
        let ids = Ids::after(preload(&face, settings.preload, |_| true));
        let length = settings.round * LENGTHS;
        let options = PeerStorageOptions { cooldown_ms: MINUTE_MS, ..Default::default() };
        let in_tick = (length.as_millis() / INTERVAL.as_millis()).max(1) as u64;
        let even_peers = if settings.brief { 20 } else { PEERS };
        let peers = open_with_channels(&face.store, options, 0..even_peers + in_tick);
        let blob = Blob::new();
        let mut host = Host { peers, even_peers, blob, now_ms: START_MS, stored: 0 };
        (0..even_peers).for_each(|number| host.store_now(number));
        host.now_ms += MINUTE_MS;
        // A page that is read the first time since the open costs more than it ever does again.
        for number in 0..even_peers {
            host.store_now(number);
            drop(host.peers.export(node(number)).expect("export"));
        }
        host.now_ms += MINUTE_MS;
        (Field { face, ids, length }, host)
    }

    fn inits(&self, start: Instant, thread: u32, pace: Option<Duration>) -> Vec<Call> {
        let mut calls = Vec::with_capacity(1 << 16);
        let mut next = start + pace.unwrap_or_default() * thread / THREADS;
        loop {
            sleep_until(next);
            let began = start.elapsed();
            if began >= self.length {
                return calls;
            }
            self.face.init(self.ids.fresh(1));
            calls.push(Call { began, took: start.elapsed() - began });
            next += pace.unwrap_or_default();
        }
    }

    fn round(&self, host: &mut Host, beside: Beside, pace: Option<Duration>) -> Round {
        if beside == Beside::Ticks {
            host.ready_for_tick(self.length);
        }
        self.face.store.sync().expect("sync");
        let start = Instant::now();
        let (mut calls, tick) = std::thread::scope(|scope| {
            let inits = move |thread| scope.spawn(move || self.inits(start, thread, pace));
            let running: Vec<_> = (0..THREADS).map(inits).collect();
            let tick = match beside {
                Beside::Nothing | Beside::NothingAgain => None,
                Beside::Evenly => {
                    host.evenly(start, self.length);
                    None
                }
                Beside::Ticks => Some(host.by_tick(start, self.length)),
            };
            let joined =
                running.into_iter().map(|thread| thread.join().expect("a thread panicked"));
            (joined.flatten().collect::<Vec<_>>(), tick)
        });
        let length = start.elapsed();
        calls.sort_unstable_by_key(|call| call.took);
        Round { calls, length, tick }
    }

    /// Each kind once per round, each round beginning with another one.
    fn measure(&self, host: &mut Host, rounds: usize, pace: Option<Duration>) -> Measured {
        let mut all = [const { Vec::new() }; 4];
        for round in 0..rounds {
            for turn in 0..Beside::ALL.len() {
                let index = (round + turn) % Beside::ALL.len();
                all[index].push(self.round(host, Beside::ALL[index], pace));
            }
        }
        Measured(all)
    }
}

/// Rounds of each kind, in the order of [`Beside::ALL`].
struct Measured([Vec<Round>; 4]);

impl Measured {
    fn rounds(&self, beside: Beside) -> &[Round] {
        &self.0[beside as usize]
    }

    fn over(&self, beside: Beside, figure: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds(beside).iter().map(figure))
    }

    /// How many times longer than alone, round by round.
    fn times(&self, beside: Beside, percent: usize) -> Spread {
        let pairs = self.rounds(beside).iter().zip(self.rounds(beside.alone()));
        Spread::of(
            pairs.map(|(with, alone)| with.percentile_us(percent) / alone.percentile_us(percent)),
        )
    }

    /// The p99 of all rounds' inits together.
    fn p99_of_all_us(&self, beside: Beside) -> f64 {
        let calls = self.rounds(beside).iter().flat_map(|round| &round.calls);
        let mut calls: Vec<_> = calls.copied().collect();
        calls.sort_unstable_by_key(|call| call.took);
        percentile_us(&calls, 99)
    }

    fn print(&self, heading: &str) {
        println!("\n{heading}: us, median [range] of rounds");
        for beside in Beside::ALL {
            let at = |percent| self.over(beside, |round| round.percentile_us(percent)).to_string();
            println!(
                "  {:<30} inits/s {:<6.0} p50 {:<28} p99 {:<30} of all {:<10.0} longest {}",
                beside.name(),
                self.over(beside, Round::per_second).median,
                at(50),
                at(99),
                self.p99_of_all_us(beside),
                at(100),
            );
        }
        let ticks = self.rounds(Beside::Ticks).iter();
        let took = ticks.clone().filter_map(|round| round.tick).map(|(began, end)| end - began);
        let took = Spread::of(took.map(|took| took.as_secs_f64() * 1e3));
        let met = Spread::of(ticks.filter_map(Round::p99_at_tick_us));
        println!("  a tick took {took} ms; p99 of the inits that met it {met} us");
        for beside in [Beside::NothingAgain, Beside::Evenly, Beside::Ticks] {
            let of_all = self.p99_of_all_us(beside) / self.p99_of_all_us(beside.alone());
            let (p50, p99) = (self.times(beside, 50), self.times(beside, 99));
            let what = format!("{} / {}", beside.name(), beside.alone().name());
            println!("  {:<66} {p50}", format!("p50 {what}"));
            println!("  {:<66} {of_all:.2}", format!("p99 of all rounds, {what}"));
            match beside {
                Beside::NothingAgain => println!("  {:<66} {p99}", format!("p99 {what}")),
                _ => at_most(&format!("p99 {what}"), p99, 1.5),
            }
        }
    }
}

/// Inits as fast as they are answered, then no more of them than a busy node has.
pub fn run(settings: &Settings, folder: &Path) {
    let (field, mut host) = Field::open(settings, folder);
    let blobs = field.length.as_millis() / INTERVAL.as_millis();
    println!("\nrounds of {:?}, {blobs} blobs in each but those alone", field.length);
    let all = field.measure(&mut host, settings.rounds, None);
    all.print(&format!("durable inits, {THREADS} threads without a pause"));
    let all = field.measure(&mut host, settings.rounds, Some(PACE));
    let per_second = u128::from(THREADS) * 1_000 / PACE.as_millis();
    all.print(&format!("durable inits, {THREADS} threads, {per_second} a second"));
    host.peers.close().expect("close");
    field.face.store.close().expect("close");
}
