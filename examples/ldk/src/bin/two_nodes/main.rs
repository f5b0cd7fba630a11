//! Two nodes of LDK that open a channel and pay each other while they are killed again and again.
//!
//! `two_nodes kill DIRECTORY MODE KILLS SECONDS SEED` runs `two_nodes run ...` as a child, ends it with
//! SIGKILL at random moments, starts it again on what is left, and at last audits everything.
//! Exit status 0: nothing was lost or repeated. 2: something was, and the last line says what. The modes:
//! `kept` uses this crate. `early` is a control that lets messages out before their commit, `files` is one
//! that keeps the manager and the monitors in LDK's file store, each at its own time; both have to end in 2.

mod chain;
mod keeping;
mod ledger;
mod messages;
mod random;
mod wiring;
mod world;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fmt, fs, io, thread};

use random::Random;
use world::World;

/// How the nodes keep their state: see the module.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Kept,
    Early,
    Files,
}

impl Mode {
    fn parse(word: &str) -> Option<Mode> {
        match word {
            "kept" => Some(Mode::Kept),
            "early" => Some(Mode::Early),
            "files" => Some(Mode::Files),
            _ => None,
        }
    }
}

/// Why a run ended.
#[derive(Debug)]
pub enum Failure {
    /// What the auditor must not find.
    Violation(String),
    /// Anything else.
    Other(String),
}

impl Failure {
    pub fn violation(fact: impl Into<String>) -> Failure {
        Failure::Violation(fact.into())
    }

    pub fn bug(fact: impl Into<String>) -> Failure {
        Failure::Other(fact.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Violation(fact) => write!(formatter, "VIOLATION: {fact}"),
            Failure::Other(fact) => write!(formatter, "error: {fact}"),
        }
    }
}

impl From<lnkeep::Error> for Failure {
    fn from(error: lnkeep::Error) -> Failure {
        Failure::violation(format!("lnkeep answers {}: {error}", error.status().name()))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Other(error.to_string())
    }
}

impl From<lightning::io::Error> for Failure {
    fn from(error: lightning::io::Error) -> Failure {
        Failure::Other(format!("{error:?}"))
    }
}

/// The child: half of the runs begin with an audit, then payments go on until the kill.
fn run(directory: &Path, mode: Mode, seed: u64) -> Result<(), Failure> {
    let mut world = World::open(directory, mode, seed)?;
    if seed.is_multiple_of(2) {
        world.settle()?;
    }
    loop {
        world.step()?;
    }
}

/// The last child: no new payments, an audit, and what was done.
fn settle(directory: &Path, mode: Mode, seed: u64) -> Result<(), Failure> {
    let mut world = World::open(directory, mode, seed)?;
    world.settle()?;
    println!("{}", world.summary());
    Ok(())
}

struct Runner {
    directory: PathBuf,
    mode: String,
    random: Random,
}

impl Runner {
    fn child(&mut self, what: &str) -> Result<Command, Failure> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(what).arg(&self.directory).arg(&self.mode);
        command.arg(self.random.below(1 << 32).to_string());
        command.env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped());
        Ok(command)
    }

    /// Whether the child lived until its kill.
    fn kill_one(&mut self) -> Result<(), Failure> {
        let mut child = self.child("run")?.spawn()?;
        let moment = Duration::from_micros(2_000 + self.random.below(400_000));
        let start = Instant::now();
        while start.elapsed() < moment {
            if child.try_wait()?.is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(1).min(moment - start.elapsed().min(moment)));
        }
        child.kill()?;
        let output = child.wait_with_output()?;
        // Killed: no exit status of its own.
        if output.status.code().is_none() { Ok(()) } else { Err(reported(&output.stderr)) }
    }

    fn settle(&mut self) -> Result<String, Failure> {
        let output = self.child("settle")?.output()?;
        if !output.status.success() {
            return Err(reported(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// A panic is one too: LDK panics when a peer proves that its state is old.
fn reported(stderr: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim();
    match text.strip_prefix("error: ") {
        Some(fact) => Failure::Other(fact.to_owned()),
        None => {
            let facts = text.trim_start_matches("VIOLATION: ").lines().take(2);
            Failure::violation(facts.collect::<Vec<_>>().join(" "))
        }
    }
}

fn kill(runner: &mut Runner, kills: u64, seconds: u64) -> Result<(), Failure> {
    fs::create_dir_all(&runner.directory)?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut done = 0;
    while done < kills && Instant::now() < end {
        runner.kill_one().inspect_err(|_| println!("after {done} kills:"))?;
        done += 1;
    }
    let summary = runner.settle()?;
    println!("{}: {done} kills, {summary}, nothing lost or repeated", runner.mode);
    Ok(())
}

fn command(arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |word: &str| {
        word.parse::<u64>().map_err(|_| Failure::bug(format!("{word} is not a number")))
    };
    let mode = |word| Mode::parse(word).ok_or(Failure::bug("a mode is kept, early or files"));
    match words[..] {
        ["run", directory, word, seed] => run(directory.as_ref(), mode(word)?, number(seed)?),
        ["settle", directory, word, seed] => settle(directory.as_ref(), mode(word)?, number(seed)?),
        ["kill", directory, word, kills, seconds, seed] => {
            mode(word)?;
            let random = Random::new(number(seed)?);
            let directory = PathBuf::from(directory);
            let mut runner = Runner { directory, mode: word.to_owned(), random };
            kill(&mut runner, number(kills)?, number(seconds)?)
        }
        _ => Err(Failure::bug("two_nodes kill DIRECTORY MODE KILLS SECONDS SEED")),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match command(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(if matches!(failure, Failure::Violation(_)) { 2 } else { 1 })
        }
    }
}
