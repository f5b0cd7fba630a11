//! The tests, as built programs: which there are, how long each takes, which mutants it meets.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::Value;

use crate::c_programs;
use crate::memory::{Memory, Recorded};
use crate::tree::{Failure, Tree};
use crate::viable::cargo;

/// Programs of tests besides the unit tests; the others do not come by what is mutated.
const PROGRAMS: [&str; 7] = [
    "conformance",
    "events",
    "golden",
    "model",
    "monitors_shared",
    "payments_model",
    "payments_race",
];

/// Unit tests of what stands beside or above the mutated folders and does not use them, or walks for long
/// through a machine without a store.
const BESIDE: [&str; 6] = [
    "backup::",
    "foreign::",
    "monitors::tests::explorer",
    "recovery::",
    "resources::tests::model_run",
    "wire::",
];

/// The conformance cases of the mutated components, but for the random ones, which take long.
const VECTORS: [&str; 2] = ["attempt_store", "control_tower"];
const CASES: &str = "scenarios.jsonl";

/// Some tests keep stores in memory wherever TMPDIR points, and one that is killed leaves them there. Root
/// can give each process a memory of its own, which goes with it.
const MEMORY: &str = "/dev/shm";
const OWN_MEMORY: &str = "mount -t tmpfs -o size=4g tmpfs /dev/shm";
const LIMITED: &str = "ulimit -d 4000000 && ulimit -c 0 && exec timeout -s KILL \"$@\"";

/// Random walks that are short, and the same each time; fewer rounds of the programs in C.
const SHORTER: [(&str, &str); 5] = [
    ("LNKEEP_MODEL_SEED", "1"),
    ("LNKEEP_MODEL_STEPS", "20000"),
    ("LNKEEP_RACE_ROUNDS", "4"),
    ("LNKEEP_RACE_SEED", "1"),
    ("LNKEEP_VALGRIND", "1"),
];

/// More of them than this say that something else is wrong.
const UNSTEADY_MAX_PERCENT: usize = 2;
const UNSTEADY_SHOWN: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// One of many tests of a program.
    Rust,
    /// A program of c-tests, whose tests run together.
    C,
}

#[derive(Debug, Clone)]
pub struct Test {
    pub program: PathBuf,
    pub name: String,
    pub language: Language,
    pub millis: u64,
}

pub struct Suite {
    pub root: PathBuf,
    vectors: PathBuf,
    has_own_memory: bool,
    pub tests: Vec<Test>,
    /// Tests that failed with no mutant on: no mutant is shown to them.
    pub unsteady: Vec<String>,
    /// For each mutant's number the tests that meet it.
    pub reach: BTreeMap<u32, Vec<usize>>,
}

/// A folder for the files of one process; removed with what the process left.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Result<Scratch, Failure> {
        let name = format!("lnkeep-mutants-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        Ok(Scratch(folder))
    }
}

fn can_have_own_memory() -> bool {
    let tried = Command::new("unshare").args(["--mount", "sh", "-c", OWN_MEMORY]).output();
    tried.is_ok_and(|output| output.status.success())
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Builds the tests with every mutant inside.
fn build(tree: &Tree, target: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut command = cargo(&tree.root, target);
    command.args(["test", "--locked", "--no-run", "--message-format", "json", "--lib"]);
    for program in PROGRAMS {
        command.args(["--test", program]);
    }
    let output = command.output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("the tests do not build:\n{text}").into());
    }
    let mut programs = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line)?;
        if let (true, Some(path)) =
            (message["profile"]["test"] == true, message["executable"].as_str())
        {
            programs.push(PathBuf::from(path));
        }
    }
    Ok(programs)
}

fn list(program: &Path, arguments: &[&str]) -> Result<HashSet<String>, Failure> {
    let output =
        Command::new(program).args(arguments).args(["--list", "--format", "terse"]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

impl Suite {
    /// Runs every test once, with no mutant on. One that fails then is left out.
    pub fn record(tree: &Tree, target: &Path, jobs: usize) -> Result<Suite, Failure> {
        let mut tests = Vec::new();
        for program in build(tree, target)? {
            let ignored = list(&program, &["--ignored"])?;
            let mut names: Vec<String> =
                list(&program, &[])?.difference(&ignored).cloned().collect();
            names.retain(|name| !BESIDE.iter().any(|beside| name.starts_with(beside)));
            names.sort();
            let program = &program;
            tests.extend(names.into_iter().map(|name| Test {
                program: program.clone(),
                name,
                language: Language::Rust,
                millis: 0,
            }));
        }
        tests.extend(c_programs::build(target)?);
        let vectors = tree.root.with_file_name("vectors");
        for folder in VECTORS {
            fs::create_dir_all(vectors.join(folder))?;
            let cases = tree.root.join("tests/vectors").join(folder).join(CASES);
            fs::copy(cases, vectors.join(folder).join(CASES))?;
        }
        let mut suite = Suite {
            root: tree.root.clone(),
            vectors,
            has_own_memory: can_have_own_memory(),
            tests,
            unsteady: Vec::new(),
            reach: BTreeMap::new(),
        };
        suite.record_all(&tree.digest(), jobs)?;
        Ok(suite)
    }

    /// A command for tests of one program, ended after some seconds. It may not eat the machine: a mutant may
    /// loop for ever.
    pub fn command(&self, tests: &[&Test], seconds: u64, scratch: &Scratch) -> Command {
        let is_c = tests.iter().any(|test| test.language == Language::C);
        let mut command = Command::new(if self.has_own_memory { "unshare" } else { "sh" });
        if self.has_own_memory {
            command.args(["--mount", "sh", "-c", &format!("{OWN_MEMORY} && {LIMITED}")]);
        } else {
            command.args(["-c", LIMITED]);
        }
        // Programs in C look at what the store says of the place it is in.
        let stores = if self.has_own_memory && !is_c { Path::new(MEMORY) } else { &scratch.0 };
        command
            .args(["sh", &seconds.to_string()])
            .stdin(Stdio::null())
            .current_dir(&self.root)
            .env("TMPDIR", stores)
            .env("LNKEEP_VECTORS", &self.vectors)
            .envs(SHORTER);
        command.args(tests.iter().take(1).map(|test| &test.program));
        if !is_c {
            command.args(["--test-threads=1", "--exact"]);
            command.args(tests.iter().map(|test| &test.name));
        }
        command
    }

    fn record_all(&mut self, digest: &str, jobs: usize) -> Result<(), Failure> {
        let path = self.root.with_file_name("met");
        let memory = Memory::read(&path, digest)?;
        let next = AtomicUsize::new(0);
        let recorded = Mutex::new(vec![Err("was not run".to_owned()); self.tests.len()]);
        std::thread::scope(|scope| {
            for job in 0..jobs {
                let (next, recorded, memory, suite) = (&next, &recorded, &memory, &*self);
                scope.spawn(move || {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(test) = suite.tests.get(at) else { break };
                        let known = memory.get(test).cloned();
                        let answer = known.unwrap_or_else(|| {
                            suite.record_one(test, job).map_err(|error| error.to_string())
                        });
                        recorded.lock().expect("a recording thread panicked")[at] = answer;
                    }
                });
            }
        });
        let recorded = recorded.into_inner()?;
        memory.write(&path, &self.tests, &recorded)?;
        self.take(recorded)
    }

    fn take(&mut self, recorded: Vec<Recorded>) -> Result<(), Failure> {
        for (at, recorded) in recorded.into_iter().enumerate() {
            match recorded {
                Ok((millis, hits)) => {
                    self.tests[at].millis = millis;
                    for number in hits {
                        self.reach.entry(number).or_default().push(at);
                    }
                }
                Err(error) => self.unsteady.push(format!("{}: {error}", self.tests[at].name)),
            }
        }
        for test in self.unsteady.iter().take(UNSTEADY_SHOWN) {
            println!("LEFT OUT: fails with no mutant on, so that it proves nothing: {test}");
        }
        if self.unsteady.len() > self.tests.len() * UNSTEADY_MAX_PERCENT / 100 {
            return Err("too many tests fail with no mutant on".into());
        }
        Ok(())
    }

    fn record_one(&self, test: &Test, job: usize) -> Result<(u64, Vec<u32>), Failure> {
        let scratch = Scratch::new(&format!("record-{job}"))?;
        let hits = scratch.0.join("hits");
        let began = Instant::now();
        let output =
            self.command(&[test], 600, &scratch).env("LNKEEP_MUTANT_HITS", &hits).output()?;
        let millis = u64::try_from(began.elapsed().as_millis())?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() || text.contains(" 0 passed") {
            return Err(format!("{}\n{text}", output.status).into());
        }
        let hits = fs::read_to_string(&hits).unwrap_or_default();
        let numbers: Result<HashSet<u32>, _> = hits.lines().map(str::parse).collect();
        Ok((millis, numbers?.into_iter().collect()))
    }
}
