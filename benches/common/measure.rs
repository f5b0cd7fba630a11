//! Interleaved rounds, so that whatever else the machine does hits every contestant alike, and medians.

use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Does some operations and answers how many; 0 when it ran out of work.
pub type Work<'a> = Box<dyn Fn() -> u64 + Sync + 'a>;

/// Something that is measured beside others.
pub struct Contestant<'a> {
    pub name: &'static str,
    pub threads: usize,
    /// Runs before each round and is not timed.
    pub prepare: Box<dyn Fn() + 'a>,
    pub work: Work<'a>,
}

impl<'a> Contestant<'a> {
    pub fn new(
        name: &'static str,
        threads: usize,
        work: impl Fn() -> u64 + Sync + 'a,
    ) -> Contestant<'a> {
        Contestant { name, threads, prepare: Box::new(|| ()), work: Box::new(work) }
    }

    pub fn prepared(mut self, prepare: impl Fn() + 'a) -> Contestant<'a> {
        self.prepare = Box::new(prepare);
        self
    }
}

/// One round of one contestant.
pub struct Round {
    pub operations: u64,
    pub elapsed: Duration,
    /// Processor time of the whole process, the writer thread included.
    pub cpu: Duration,
    /// Duration of each call, ascending.
    latencies_ns: Vec<u32>,
}

impl Round {
    pub fn per_second(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }

    pub fn cpu_us_per_operation(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.operations.max(1) as f64
    }

    pub fn percentile_us(&self, percent: usize) -> f64 {
        let last = self.latencies_ns.len().saturating_sub(1);
        let latency = self.latencies_ns.get(last * percent / 100);
        latency.map_or(0.0, |ns| f64::from(*ns) / 1e3)
    }
}

/// All rounds of one contestant.
pub struct Series {
    pub name: &'static str,
    pub threads: usize,
    pub rounds: Vec<Round>,
}

impl Series {
    pub fn median_of(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        Spread::of(self.rounds.iter().map(figure)).median
    }

    pub fn p50_us(&self) -> f64 {
        self.median_of(|round| round.percentile_us(50))
    }
}

/// Median and extremes over rounds.
#[derive(Clone, Copy)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(figures: impl Iterator<Item = f64>) -> Spread {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        Spread {
            low: at(0),
            median: at(sorted.len() / 2),
            high: at(sorted.len().saturating_sub(1)),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Spread { low, median, high } = self;
        write!(f, "{median:.2} [{low:.2}-{high:.2}]")
    }
}

/// A figure of two contestants compared within each round.
pub fn compare(a: &Series, b: &Series, figure: impl Fn(&Round, &Round) -> f64) -> Spread {
    Spread::of(a.rounds.iter().zip(&b.rounds).map(|(a, b)| figure(a, b)))
}

/// Runs every contestant once per round. Each round starts with another one, so that none always comes
/// after the same neighbour's dirty pages.
pub fn interleave(contestants: &[Contestant<'_>], rounds: usize, length: Duration) -> Vec<Series> {
    let mut all: Vec<Series> = contestants
        .iter()
        .map(|contestant| Series {
            name: contestant.name,
            threads: contestant.threads,
            rounds: Vec::new(),
        })
        .collect();
    for round in 0..rounds {
        for turn in 0..contestants.len() {
            let index = (round + turn) % contestants.len();
            let contestant = &contestants[index];
            (contestant.prepare)();
            let measured = run(contestant.threads, length, &*contestant.work);
            all[index].rounds.push(measured);
        }
    }
    all
}

fn run(threads: usize, length: Duration, work: &(dyn Fn() -> u64 + Sync)) -> Round {
    let barrier = Barrier::new(threads + 1);
    let one_thread = || {
        barrier.wait();
        let deadline = Instant::now() + length;
        call_until(deadline, work)
    };
    let (mut operations, mut latencies_ns) = (0, Vec::new());
    let (cpu_before, started) = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one_thread)).collect();
        let cpu_before = cpu_time();
        let started = Instant::now();
        barrier.wait();
        for thread in running {
            let (done, latencies) = thread.join().expect("a bench thread panicked");
            operations += done;
            latencies_ns.extend(latencies);
        }
        (cpu_before, started)
    });
    let (elapsed, cpu) = (started.elapsed(), cpu_time() - cpu_before);
    latencies_ns.sort_unstable();
    Round { operations, elapsed, cpu, latencies_ns }
}

fn call_until(deadline: Instant, work: &(dyn Fn() -> u64 + Sync)) -> (u64, Vec<u32>) {
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut operations = 0;
    let mut before = Instant::now();
    loop {
        let done = work();
        let after = Instant::now();
        if done == 0 {
            return (operations, latencies);
        }
        operations += done;
        latencies.push(u32::try_from((after - before).as_nanos()).unwrap_or(u32::MAX));
        if after >= deadline {
            return (operations, latencies);
        }
        before = after;
    }
}

/// Processor time of this process so far.
pub fn cpu_time() -> Duration {
    // SAFETY: all-zero usage is valid storage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is writable.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let time = |value: libc::timeval| {
        Duration::from_secs(value.tv_sec as u64) + Duration::from_micros(value.tv_usec as u64)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Prints one line for each contestant under a heading.
pub fn print_table(heading: &str, all: &[Series]) {
    println!(
        "\n{heading:<44} {:>7} {:>9} {:>21} {:>9} {:>9} {:>9}",
        "threads", "ops/s", "[range]", "p50 us", "p99 us", "cpu us/op"
    );
    for series in all {
        let rate = Spread::of(series.rounds.iter().map(Round::per_second));
        let range = format!("[{:.0}-{:.0}]", rate.low, rate.high);
        println!(
            "  {:<42} {:>7} {:>9.0} {range:>21} {:>9.2} {:>9.2} {:>9.2}",
            series.name,
            series.threads,
            rate.median,
            series.p50_us(),
            series.median_of(|round| round.percentile_us(99)),
            series.median_of(Round::cpu_us_per_operation),
        );
    }
}
