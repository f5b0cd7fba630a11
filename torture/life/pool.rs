//! Many lives on all processors: each worker is a process of its own, so that a life that ends it by a
//! signal, or never ends, is a finding and not the end of the run.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;

use crate::dice::seed_of;
use crate::life::{Control, Counts, Life, Violation};

/// Without a word of a worker for so long, its life hangs.
const PATIENCE_MS: i32 = 120_000;
const PRINTED_MAX: usize = 25;
/// Lives after which it is written down how far the run is.
const SAVED_EVERY: u64 = 100;
const REGRESSIONS: &str = include_str!("regressions.txt");

pub struct Plan {
    pub seed: u64,
    pub points: u64,
    pub jobs: u64,
    pub control: Control,
    pub is_calm: bool,
    pub is_twice: bool,
    pub directory: PathBuf,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            seed: 1,
            points: 600,
            jobs: std::thread::available_parallelism().map_or(1, |jobs| jobs.get() as u64),
            control: Control::None,
            is_calm: false,
            is_twice: false,
            directory: PathBuf::new(),
        }
    }
}

impl Plan {
    fn control_name(&self) -> &'static str {
        let named = Control::ALL.iter().find(|(_, control)| *control == self.control);
        named.map_or("", |(name, _)| *name)
    }

    /// Lives that once found something come before the drawn ones.
    fn seed_at(&self, index: u64) -> u64 {
        match regressions().get(index as usize) {
            Some(seed) if self.control == Control::None => *seed,
            _ => seed_of(self.seed, index),
        }
    }

    fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        if self.control != Control::None {
            options.extend(["--control".to_owned(), self.control_name().to_owned()]);
        }
        if self.is_calm {
            options.push("--calm".to_owned());
        }
        if self.is_twice {
            options.push("--twice".to_owned());
        }
        options
    }

    fn name_of_run(&self) -> String {
        format!("{} {} {}", self.seed, self.points, self.options().join(" "))
    }

    fn replay(&self, seed: u64) -> String {
        let program = std::env::args().next().unwrap_or_default();
        let options = self.options().join(" ");
        format!("{program} --life {seed} {options}").trim_end().to_owned()
    }
}

fn regressions() -> Vec<u64> {
    let seeds = REGRESSIONS.lines().filter_map(|line| line.split_whitespace().next());
    seeds.filter_map(|seed| seed.parse().ok()).collect()
}

/// Lives one life, or two that have to be the same.
fn live(plan: &Plan, seed: u64, directory: &Path) -> (Option<Violation>, u64, Counts) {
    let again = || Life::new(seed, plan.control, plan.is_calm, directory.to_owned()).live();
    let (found, digest, counts) = again();
    if plan.is_twice && found.is_none() {
        let (_, second, _) = again();
        if second != digest {
            let fact = format!("{:016x}, and {:016x} the second time", digest.0, second.0);
            return (Some(Violation { kind: "not the same", fact }), digest.0, counts);
        }
    }
    (found, digest.0, counts)
}

pub fn live_one(plan: &Plan, seed: u64) -> ExitCode {
    let (found, digest, counts) = live(plan, seed, &plan.directory);
    println!("life {seed}: digest {digest:016x}; {counts:?}");
    match found {
        Some(Violation { kind, fact }) => {
            println!("VIOLATION {kind}: {fact}\n    replay: {}", plan.replay(seed));
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// Lives every so manieth life of a run, and tells of each.
pub struct Worker {
    pub first: u64,
    pub step: u64,
}

impl Worker {
    pub fn run(&self, plan: &Plan) -> ExitCode {
        // SAFETY: plain numbers; no core of a life that ends by a signal, and no orphan of a killed parent.
        unsafe {
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &none);
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        }
        let mut index = self.first;
        while index < plan.points {
            say(&format!("begins {index}"));
            let (found, digest, counts) = live(plan, plan.seed_at(index), &plan.directory);
            if let Some(Violation { kind, fact }) = found {
                say(&format!("found {index} {kind}\t{}", fact.replace('\n', " ")));
            }
            say(&format!("lived {index} {digest} {}", counts.to_line()));
            index += self.step;
        }
        ExitCode::SUCCESS
    }
}

/// One write, so that whoever reads it has all of it.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

#[derive(Default)]
struct Total {
    /// Where each worker goes on.
    next: Vec<u64>,
    lives: u64,
    counts: Counts,
    digest: u64,
    kinds: BTreeMap<String, u64>,
    printed: usize,
}

impl Total {
    fn found(&mut self, plan: &Plan, index: u64, kind: &str, fact: &str) {
        *self.kinds.entry(kind.to_owned()).or_default() += 1;
        let is_expected = plan.control != Control::None && !plan.is_calm;
        if is_expected || self.printed >= PRINTED_MAX {
            return;
        }
        self.printed += 1;
        let replay = plan.replay(plan.seed_at(index));
        println!("VIOLATION {kind}: {fact}\n    replay: {replay}");
        if let Some(path) = std::env::var_os("LNKEEP_TORTURE_FAILURES") {
            let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
            drop(file.and_then(|mut file| writeln!(file, "{replay}")));
        }
    }

    /// What ends a run that was interrupted, and how far each worker was, for a start of the same run.
    fn save(&mut self, plan: &Plan) {
        let Some(path) = std::env::var_os("LNKEEP_TORTURE_PROGRESS") else { return };
        let path = PathBuf::from(path);
        let next: Vec<_> = self.next.iter().map(u64::to_string).collect();
        let kinds: Vec<_> =
            self.kinds.iter().map(|(kind, count)| format!("{kind}\t{count}")).collect();
        let (counts, total) = (self.counts.to_line(), (self.lives, self.digest));
        let head = plan.name_of_run();
        let text = format!(
            "{head}\n{}\n{} {}\n{counts}\n{}\n",
            next.join(" "),
            total.0,
            total.1,
            kinds.join("\n")
        );
        let part = path.with_extension("part");
        drop(std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, &path)));
    }

    fn load(plan: &Plan, jobs: u64) -> Total {
        let fresh = || Total { next: (0..jobs).collect(), ..Total::default() };
        let path = std::env::var_os("LNKEEP_TORTURE_PROGRESS");
        let text = path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let mut lines = text.lines();
        if lines.next() != Some(plan.name_of_run().as_str()) {
            return fresh();
        }
        let mut numbers = || -> Vec<u64> {
            let words = lines.next().unwrap_or("").split(' ');
            words.filter_map(|word| word.parse().ok()).collect()
        };
        let (next, totals, counts) = (numbers(), numbers(), numbers());
        if next.len() as u64 != jobs || totals.len() != 2 {
            return fresh();
        }
        let mut total = Total { next, lives: totals[0], digest: totals[1], ..Total::default() };
        total.counts.add(&counts);
        for line in lines {
            if let Some((kind, count)) = line.split_once('\t') {
                total.kinds.insert(kind.to_owned(), count.parse().unwrap_or(1));
            }
        }
        total
    }

    fn list_kinds(&self) -> String {
        let kinds: Vec<_> =
            self.kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        kinds.join(", ")
    }
}

pub fn live_all(plan: &Plan) -> ExitCode {
    let began = std::time::Instant::now();
    let jobs = plan.jobs.min(plan.points.max(1));
    let total = Mutex::new(Total::load(plan, jobs));
    let lived_before = total.lock().expect("the total").lives;
    std::thread::scope(|scope| {
        for job in 0..jobs {
            let total = &total;
            scope.spawn(move || follow(plan, job, jobs, total));
        }
    });
    let total = total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match plan.control != Control::None && !plan.is_calm {
        true => report_control(plan, &total),
        false => {
            let a_second = (total.lives - lived_before) as f64 / began.elapsed().as_secs_f64();
            report(plan, &total, a_second)
        }
    }
}

fn report(plan: &Plan, total: &Total, a_second: f64) -> ExitCode {
    let violations: u64 = total.kinds.values().sum();
    let kinds = total.list_kinds();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({kinds})") };
    let counts = &total.counts;
    let years = counts.simulated_secs as f64 / (365.25 * 86_400.0);
    println!(
        "  {} steps, {years:.1} years, {} starts, {} power cuts, {} calls to the disk, {} HTLCs out",
        counts.steps, counts.starts, counts.crashes, counts.calls, counts.dispatched
    );
    println!(
        "  {} times rot: {} stores given up, {} restored from a copy; {} disks lost; {} backups confirmed, \
         {} recoveries",
        counts.rots,
        counts.refusals,
        counts.restores,
        counts.losses,
        counts.confirmed,
        counts.recoveries
    );
    println!("  {a_second:.0} lives a second; digest {:016x}", total.digest);
    println!(
        "node_life{}{}: seed {}, {} points, {violations} violations{kinds}",
        if plan.is_calm { "_calm" } else { "" },
        if plan.is_twice { "_twice" } else { "" },
        plan.seed,
        total.lives
    );
    if total.lives == 0 || violations != 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn report_control(plan: &Plan, total: &Total) -> ExitCode {
    let wanted = plan.control.wanted();
    let is_caught = total.kinds.get(wanted).is_some_and(|count| *count != 0);
    let kinds = total.list_kinds();
    println!(
        "node_life control {}: seed {}, {} points, {} ({})",
        plan.control_name(),
        plan.seed,
        total.lives,
        if is_caught { "caught" } else { "NOT CAUGHT" },
        if kinds.is_empty() { "nothing was found" } else { &kinds }
    );
    if is_caught { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one worker after the other until its share of the lives is lived.
fn follow(plan: &Plan, job: u64, jobs: u64, total: &Mutex<Total>) {
    let mut first = total.lock().expect("the total").next[job as usize];
    while first < plan.points {
        let mut child = start_worker(plan, first, jobs);
        let mut current = None;
        let is_hanging = !listen(plan, jobs, &mut child, &mut current, total);
        if is_hanging {
            drop(child.kill());
        }
        let ended = child.wait().expect("a worker");
        let directory = plan.directory.with_file_name(format!("lnkeep-life-{}", child.id()));
        drop(std::fs::remove_dir_all(directory));
        if ended.success() {
            return;
        }
        let index = current.unwrap_or(first);
        let kind = if is_hanging { "hang" } else { "signal" };
        let mut total = total.lock().expect("the total");
        total.lives += 1;
        total.found(plan, index, kind, &format!("the life ended its process: {ended}"));
        first = index + jobs;
        total.next[job as usize] = first;
    }
}

fn start_worker(plan: &Plan, first: u64, jobs: u64) -> Child {
    let program = std::env::current_exe().expect("this program");
    let numbers = [
        ("--seed", plan.seed.to_string()),
        ("--points", plan.points.to_string()),
        ("--worker", first.to_string()),
    ];
    Command::new(program)
        .args(numbers.iter().flat_map(|(name, value)| [*name, value.as_str()]))
        .arg(jobs.to_string())
        .args(plan.options())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a worker")
}

/// Takes what a worker tells until it ends; false when it says nothing any more.
fn listen(
    plan: &Plan,
    jobs: u64,
    child: &mut Child,
    current: &mut Option<u64>,
    total: &Mutex<Total>,
) -> bool {
    let out = child.stdout.take().expect("its output");
    let descriptor = out.as_raw_fd();
    let mut lines = BufReader::new(out);
    let mut line = String::new();
    loop {
        let mut wanted = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd on this stack.
        if lines.buffer().is_empty() && unsafe { libc::poll(&mut wanted, 1, PATIENCE_MS) } == 0 {
            return false;
        }
        line.clear();
        if lines.read_line(&mut line).unwrap_or(0) == 0 {
            return true;
        }
        take_line(plan, jobs, line.trim_end(), current, total);
    }
}

fn take_line(plan: &Plan, jobs: u64, line: &str, current: &mut Option<u64>, total: &Mutex<Total>) {
    let mut words = line.splitn(3, ' ');
    let (what, index) = (words.next().unwrap_or(""), words.next().unwrap_or("").parse());
    let (Ok(index), rest) = (index, words.next().unwrap_or("")) else { return };
    let mut total = total.lock().expect("the total");
    match what {
        "begins" => *current = Some(index),
        "found" => {
            let (kind, fact) = rest.split_once('\t').unwrap_or((rest, ""));
            total.found(plan, index, kind, fact);
        }
        "lived" => {
            let mut numbers = rest.split(' ').filter_map(|number| number.parse::<u64>().ok());
            let digest = numbers.next().unwrap_or(0);
            total.lives += 1;
            // In whatever order the workers are done.
            total.digest ^= digest.rotate_left((index % 64) as u32);
            total.counts.add(&numbers.collect::<Vec<_>>());
            total.next[(index % jobs) as usize] = index + jobs;
            if total.lives.is_multiple_of(SAVED_EVERY) {
                total.save(plan);
            }
        }
        _ => {}
    }
}
