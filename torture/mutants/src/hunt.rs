//! Turns one mutant on after the other, and runs the tests that meet it until one fails.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Mutex;

use crate::mutant::Mutant;
use crate::results::{Results, Verdict, Word};
use crate::suite::{Scratch, Suite, Test};
use crate::tree::Failure;

/// A test is given so many times the time it took, and this long besides: the machine may be busy.
const SLOWER_MAX: u64 = 10;
const GRACE_SECS: u64 = 6;
/// What failed is looked at once more; what came to no end gets so much more time then.
const SECOND_LOOK: u64 = 4;

/// A test of the mutant's own folder is tried before others that are so many times quicker.
const NEARER: u64 = 16;

const SIGKILL: i32 = 9;

pub struct Hunt<'a> {
    pub suite: &'a Suite,
    /// Recorded time of the tests that one mutant may be shown to.
    pub budget_millis: u64,
    pub jobs: usize,
    /// How often each test caught a mutant of a function: it will catch the next one too.
    catches: Mutex<HashMap<(String, usize), u64>>,
}

enum Ran {
    Passed,
    Failed(usize),
    Ended(usize),
    Hung(usize),
}

impl<'a> Hunt<'a> {
    pub fn new(suite: &'a Suite, budget_millis: u64, jobs: usize) -> Hunt<'a> {
        Hunt { suite, budget_millis, jobs, catches: Mutex::new(HashMap::new()) }
    }

    pub fn run(&self, mutants: Vec<&Mutant>, results: &Mutex<Results>) -> Result<(), Failure> {
        let queue = Mutex::new(VecDeque::from(mutants));
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.jobs)
                .map(|job| {
                    let queue = &queue;
                    scope.spawn(move || self.work(job, queue, results))
                })
                .collect();
            workers.into_iter().try_for_each(|worker| {
                worker.join().unwrap_or_else(|_| Err("a worker panicked".into()))
            })
        })
    }

    fn work(
        &self,
        job: usize,
        queue: &Mutex<VecDeque<&Mutant>>,
        results: &Mutex<Results>,
    ) -> Result<(), Failure> {
        loop {
            let next = queue.lock().expect("a worker panicked").pop_front();
            let Some(mutant) = next else { return Ok(()) };
            let verdict = self.judge(mutant, job)?;
            results.lock().expect("a worker panicked").add(mutant, verdict)?;
        }
    }

    /// The tests that meet a mutant, those first that are quick for how often they noticed one of its
    /// function, and for whether they are of its folder.
    fn order(&self, mutant: &Mutant) -> Vec<usize> {
        let mut tests = self.suite.reach.get(&mutant.number).cloned().unwrap_or_default();
        let catches = self.catches.lock().expect("a worker panicked");
        let folder = mutant.file.split('/').nth(1).unwrap_or_default();
        tests.sort_by_key(|test| {
            let caught = catches.get(&(mutant.function.clone(), *test)).copied().unwrap_or(0);
            let test = &self.suite.tests[*test];
            let is_near = test.name.strip_prefix(folder).is_some_and(|rest| rest.starts_with("::"));
            test.millis / (1 + caught) / if is_near { NEARER } else { 1 }
        });
        tests
    }

    pub fn judge(&self, mutant: &Mutant, job: usize) -> Result<Verdict, Failure> {
        let tests = self.order(mutant);
        if tests.is_empty() {
            return Ok(Verdict::new(Word::Unmet, "no test comes by"));
        }
        let (mut shown, mut millis, mut size) = (0, 0, 1);
        while shown < tests.len() {
            let chunk: Vec<usize> = tests[shown..]
                .iter()
                .copied()
                .take(size)
                .take_while(|test| {
                    millis += self.suite.tests[*test].millis;
                    millis <= self.budget_millis || shown == 0
                })
                .collect();
            if chunk.is_empty() {
                break;
            }
            let ran = self.show(mutant, &chunk, job)?;
            if let Some(verdict) = self.verdict(mutant, ran) {
                return Ok(verdict);
            }
            shown += chunk.len();
            size *= 2;
        }
        let evidence = format!("passed {shown} of the {} tests that meet it", tests.len());
        Ok(Verdict::new(Word::Survived, &evidence))
    }

    fn verdict(&self, mutant: &Mutant, ran: Ran) -> Option<Verdict> {
        let (word, test) = match ran {
            Ran::Passed => return None,
            Ran::Failed(test) => (Word::Caught, test),
            Ran::Ended(test) => (Word::Crashed, test),
            Ran::Hung(test) => (Word::Hung, test),
        };
        let mut catches = self.catches.lock().expect("a worker panicked");
        *catches.entry((mutant.function.clone(), test)).or_default() += 1;
        Some(Verdict::new(word, &self.suite.tests[test].name))
    }

    /// Runs tests with the mutant on, those of one program in one process.
    fn show(&self, mutant: &Mutant, tests: &[usize], job: usize) -> Result<Ran, Failure> {
        let mut programs: BTreeMap<&PathBuf, Vec<usize>> = BTreeMap::new();
        for test in tests {
            programs.entry(&self.suite.tests[*test].program).or_default().push(*test);
        }
        for tests in programs.into_values() {
            let millis: u64 = tests.iter().map(|test| self.suite.tests[*test].millis).sum();
            let seconds = GRACE_SECS + SLOWER_MAX * millis / 1000;
            let first = self.process(Some(mutant), &tests, seconds, job)?;
            let (again, seconds) = match first {
                Ran::Passed => continue,
                Ran::Failed(test) | Ran::Ended(test) => (vec![test], seconds),
                Ran::Hung(_) => (tests, seconds * SECOND_LOOK),
            };
            // A busy machine, or a test that depends on how its threads meet, is not the mutant's doing.
            let second = self.process(Some(mutant), &again, seconds, job)?;
            if !matches!(second, Ran::Passed) {
                self.expect_passed_without(&again, seconds, job)?;
                return Ok(second);
            }
        }
        Ok(Ran::Passed)
    }

    /// What fails without a mutant too says nothing about one: the disk is full, or memory.
    fn expect_passed_without(
        &self,
        tests: &[usize],
        seconds: u64,
        job: usize,
    ) -> Result<(), Failure> {
        if matches!(self.process(None, tests, seconds, job)?, Ran::Passed) {
            return Ok(());
        }
        let names: Vec<&str> =
            tests.iter().map(|test| self.suite.tests[*test].name.as_str()).collect();
        Err(format!("fails now, and with no mutant on: {}", names.join(", ")).into())
    }

    fn process(
        &self,
        mutant: Option<&Mutant>,
        tests: &[usize],
        seconds: u64,
        job: usize,
    ) -> Result<Ran, Failure> {
        let scratch = Scratch::new(&format!("job-{job}"))?;
        let log = scratch.0.join("log");
        let file = fs::File::create(&log)?;
        let shown: Vec<&Test> = tests.iter().map(|test| &self.suite.tests[*test]).collect();
        let mut command = self.suite.command(&shown, seconds, &scratch);
        if let Some(mutant) = mutant {
            command.env("LNKEEP_MUTANT", mutant.number.to_string());
        }
        let status = command.stdout(file.try_clone()?).stderr(file).status()?;
        let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        Ok(self.read(status, &text, tests))
    }

    /// What a program's words mean. A process that ended early did so in the test it had begun.
    fn read(&self, status: ExitStatus, text: &str, tests: &[usize]) -> Ran {
        if status.success() {
            return Ran::Passed;
        }
        let name = |test: &&usize| &self.suite.tests[**test].name;
        let failed =
            tests.iter().find(|test| text.contains(&format!("test {} ... FAILED", name(test))));
        if let Some(test) = failed {
            return Ran::Failed(*test);
        }
        if text.lines().any(|line| line.starts_with("not ok ")) {
            return Ran::Failed(tests[0]);
        }
        let passed = |test: &&usize| text.contains(&format!("test {} ... ok", name(test)));
        let open = tests.iter().find(|test| !passed(test)).unwrap_or(&tests[0]);
        // What `timeout` answers when it killed the program, or ends with itself.
        let is_killed = status.signal() == Some(SIGKILL) || status.code() == Some(128 + SIGKILL);
        if is_killed { Ran::Hung(*open) } else { Ran::Ended(*open) }
    }
}
