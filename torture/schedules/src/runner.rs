//! Options, processes, and the line that ends a run.

use core::sync::atomic::{AtomicU64, Ordering};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

use crate::plants::{self, PLANTS};
use crate::{ffi, resources, subjects};

/// Schedules of a control, unless told otherwise.
const CONTROL_POINTS: u64 = 20_000;
/// Steps after which a schedule counts as one that never ends.
const STEPS_MAX: usize = 200_000;
/// Moments at which the second scheduler changes priorities.
const DEPTH: usize = 3;
/// The library formats and hashes on its stack.
const STACK_BYTES: usize = 256 * 1_024;
const USAGE: u8 = 64;

const SUBJECTS: [(&str, fn()); 5] = [
    ("handle", ffi::subject::run),
    ("queue", subjects::queue::run),
    ("events", subjects::events::run),
    ("journal", subjects::journal::run),
    ("wake", resources::wake::run),
];

static DONE: AtomicU64 = AtomicU64::new(0);

#[derive(Default)]
struct Options {
    subject: String,
    plant: String,
    seed: u64,
    points: u64,
    is_worker: bool,
    is_pct: bool,
    controls: bool,
}

fn read_options() -> Option<Options> {
    let mut options = Options { seed: 1, points: 1_000, ..Options::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--subject" => options.subject = arguments.next()?,
            "--plant" => options.plant = arguments.next()?,
            "--seed" => options.seed = arguments.next()?.parse().ok()?,
            "--points" => options.points = arguments.next()?.parse().ok()?,
            "--worker" => options.is_worker = true,
            "--pct" => options.is_pct = true,
            "--controls" => options.controls = true,
            _ => return None,
        }
    }
    let is_known = SUBJECTS.iter().any(|(name, _)| *name == options.subject);
    (options.controls || is_known).then_some(options)
}

/// splitmix64.
fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A seed of 0 asks for a fresh one, which is printed.
fn settle_seed(seed: u64) -> u64 {
    if seed != 0 {
        return seed;
    }
    getrandom::u64().map_or(1, |seed| seed.max(1))
}

/// Runs schedules until one of them fails, which ends the process.
fn work(options: &Options) -> ExitCode {
    let Some((_, subject)) = SUBJECTS.iter().find(|(name, _)| *name == options.subject) else {
        return ExitCode::from(USAGE);
    };
    if !options.plant.is_empty() {
        let Some(number) = PLANTS.iter().position(|plant| plant.name == options.plant) else {
            return ExitCode::from(USAGE);
        };
        plants::arm(number);
    }
    let schedules = usize::try_from(options.points).unwrap_or(usize::MAX);
    if options.is_pct {
        run(PctScheduler::new_from_seed(options.seed, DEPTH, schedules), *subject);
    } else {
        run(RandomScheduler::new_from_seed(options.seed, schedules), *subject);
    }
    println!("{}", DONE.load(Ordering::Relaxed));
    ExitCode::SUCCESS
}

fn run(scheduler: impl Scheduler + 'static, subject: fn()) {
    let mut config = Config::default();
    config.stack_size = STACK_BYTES;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.failure_persistence = shuttle::FailurePersistence::None;
    // What fails is said, and how many schedules it took: a control is told by that.
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        println!("{}", DONE.load(Ordering::Relaxed));
        eprintln!("it was schedule {}", DONE.load(Ordering::Relaxed));
        // What unwinds through tasks that wait for each other may never end.
        std::process::exit(1);
    }));
    Runner::new(scheduler, config).run(move || {
        DONE.fetch_add(1, Ordering::Relaxed);
        subject();
    });
}

/// A process with its share of the schedules.
struct Worker {
    child: std::process::Child,
    arguments: Vec<String>,
    log: PathBuf,
}

impl Worker {
    fn start(
        options: &Options,
        subject: &str,
        number: u64,
        points: u64,
    ) -> std::io::Result<Worker> {
        let mut arguments: Vec<String> =
            ["--worker", "--subject", subject, "--seed"].map(str::to_owned).to_vec();
        arguments.push(mix(options.seed, number).to_string());
        arguments.extend(["--points".to_owned(), points.to_string()]);
        if number % 2 == 1 {
            arguments.push("--pct".to_owned());
        }
        if !options.plant.is_empty() {
            arguments.extend(["--plant".to_owned(), options.plant.clone()]);
        }
        let name = format!("lnkeep-schedules-{}-{subject}-{number}", std::process::id());
        let log = std::env::temp_dir().join(name);
        let child = Command::new(std::env::current_exe()?)
            .args(&arguments)
            // It says at length that it knows no weak memory orders; docs/torture.md says so too.
            .env("SHUTTLE_SILENCE_WARNINGS", "1")
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        Ok(Worker { child, arguments, log })
    }

    /// How many schedules it ran, and what it said when one failed.
    fn end(self) -> std::io::Result<(u64, Option<String>)> {
        let ended = self.child.wait_with_output()?;
        let said = String::from_utf8_lossy(&ended.stdout).trim().parse().unwrap_or(0);
        let errors = std::fs::read_to_string(&self.log).unwrap_or_default();
        std::fs::remove_file(&self.log)?;
        if ended.status.success() {
            return Ok((said, None));
        }
        let program = std::env::current_exe()?;
        let replay = format!("{} {}", program.display(), self.arguments.join(" "));
        Ok((said, Some(format!("{}\n    replay: {replay}", reason(&errors)))))
    }
}

const NO_PANIC: &str = "no panic";

/// What the thread that failed said, or that they wait for each other.
fn reason(errors: &str) -> String {
    let mut lines = errors.lines().skip_while(|line| !line.contains("panicked at"));
    let place = lines.next().and_then(|line| line.rsplit('/').next()).unwrap_or(NO_PANIC);
    let said: Vec<_> = lines.take(3).take_while(|line| !line.starts_with("note:")).collect();
    format!("{place} {}", said.join(" "))
}

/// Each pair of workers has one of either scheduler.
fn run_all(options: &Options, subject: &str) -> std::io::Result<(u64, Vec<String>)> {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let workers = processors.max(2);
    let each = options.points.div_ceil(workers);
    let started: Result<Vec<_>, _> =
        (0..workers).map(|number| Worker::start(options, subject, number, each)).collect();
    let (mut ran, mut failures) = (0, Vec::new());
    for worker in started? {
        let (schedules, failure) = worker.end()?;
        ran += schedules;
        failures.extend(failure);
    }
    Ok((ran, failures))
}

/// Kept with the failures of the other harnesses, so that it can be run again.
fn keep(failure: &str) {
    let Some(path) = std::env::var_os("LNKEEP_TORTURE_FAILURES") else { return };
    let Some((_, replay)) = failure.split_once("replay: ") else { return };
    if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
        writeln!(file, "{replay}").unwrap_or_default();
    }
}

fn run_subject(options: &Options) -> std::io::Result<bool> {
    let (ran, failures) = run_all(options, &options.subject)?;
    for failure in &failures {
        println!("VIOLATION wrong: {failure}");
        keep(failure);
    }
    println!(
        "schedules_{}: seed {}, {ran} points, {} violations; half by chance, half by PCT of depth {DEPTH}",
        options.subject,
        options.seed,
        failures.len()
    );
    Ok(failures.is_empty() && ran >= options.points)
}

/// What the checks of a subject say. Another panic is no proof that they work.
fn words_of_checks(subject: &str) -> &'static [&'static str] {
    match subject {
        "handle" => &["(N2)", "(N3)", "(N4)"],
        "queue" => &["deadlock!", "(D1, D2)"],
        "events" => &["(V3)"],
        "wake" => &["is never written", "deadlock!"],
        "journal" => &["(RJ1)"],
        _ => &[],
    }
}

/// Every planted error has to be found by a check of its subject, under one scheduler at least.
fn run_controls(options: &Options) -> std::io::Result<bool> {
    let mut all_caught = true;
    for plant in &PLANTS {
        let wanted = options.subject.is_empty() || options.subject == plant.subject;
        if !wanted {
            continue;
        }
        let planted = Options {
            plant: plant.name.to_owned(),
            seed: options.seed,
            points: options.points.min(CONTROL_POINTS),
            ..Options::default()
        };
        let (ran, failures) = run_all(&planted, plant.subject)?;
        let is_check = |failure: &&String| {
            words_of_checks(plant.subject).iter().any(|word| failure.contains(word))
        };
        let found = failures.iter().find(is_check);
        let is_caught = found.is_some();
        all_caught &= is_caught;
        let caught = if is_caught { "caught" } else { "NOT CAUGHT" };
        let by = found.or(failures.first());
        let by = by.map_or("", |failure| failure.lines().next().unwrap_or(""));
        println!(
            "schedules_{} control {}: seed {}, {ran} points, {caught} ({})",
            plant.subject,
            plant.name,
            options.seed,
            by.chars().take(160).collect::<String>()
        );
    }
    Ok(all_caught)
}

pub fn main() -> ExitCode {
    let Some(mut options) = read_options() else {
        eprintln!("usage: lnkeep-schedules [--controls] [--subject NAME] [--points N] [--seed N]");
        return ExitCode::from(USAGE);
    };
    if options.is_worker {
        return work(&options);
    }
    options.seed = settle_seed(options.seed);
    let ended = if options.controls { run_controls(&options) } else { run_subject(&options) };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("schedules: {error}");
            ExitCode::from(70)
        }
    }
}
