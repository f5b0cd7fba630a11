//! Mutation testing: changes the library in every small way, one at a time, and sees whether a test
//! notices. All changes are compiled into one build, each behind a switch.
//!
//!   lnkeep-mutants [--diff COMMIT | --points N | --mutant NUMBER | --again] [--only PATH] [--seed N]
//!                  [--jobs N] [--budget SECS] [--table FILE]
//!
//! Runs in the repository; keeps everything in build/mutants, and goes on there where it stopped.

mod c_programs;
mod changed;
mod hunt;
mod memory;
mod mutant;
mod options;
mod results;
mod schema;
mod suite;
mod table;
mod tree;
mod values;
mod viable;
mod walk;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;

use changed::Changed;
use hunt::Hunt;
use mutant::{Mutant, Role};
use options::{Options, Wanted};
use results::{Results, Word};
use suite::{Language, Suite};
use table::Reasons;
use tree::{Failure, Tree};

const WORK: &str = "build/mutants";
const REASONS: &str = "torture/mutants/reasons.tsv";
/// Controls beside a run of a few mutants.
const CONTROLS_FEW: usize = 6;
const SKIPPED: u8 = 77;
const SCORE_MIN_PERCENT: usize = 90;

fn main() -> ExitCode {
    let outcome = Options::read(std::env::args().skip(1)).and_then(|options| run(&options));
    outcome.unwrap_or_else(|error| {
        eprintln!("mutants: {error}");
        ExitCode::FAILURE
    })
}

fn run(options: &Options) -> Result<ExitCode, Failure> {
    fs::create_dir_all(WORK)?;
    let work = fs::canonicalize(WORK)?;
    let tree = Tree::copy(work.join("tree"))?;
    if let Wanted::Changed(commit) = &options.wanted {
        let changed = Changed::since(commit)?;
        if !tree.mutants.iter().any(|mutant| changed.is_met_by(mutant)) {
            println!("SKIPPED: mutants: nothing that is mutated differs from {commit}");
            return Ok(ExitCode::from(SKIPPED));
        }
    }
    let target = target_folder(&work)?;
    let viable = viable(&tree, &target, &work)?;
    println!("{} mutants compile, of {}", viable.len(), tree.mutants.len());
    let suite = Suite::record(&tree, &target, options.jobs)?;
    let millis: u64 = suite.tests.iter().map(|test| test.millis).sum();
    let passed = suite.tests.len() - suite.unsteady.len();
    println!(
        "{passed} tests pass with no mutant on, {} do not, in {} s",
        suite.unsteady.len(),
        millis / 1000
    );
    if let Wanted::One(number) = options.wanted {
        return one(&suite, &viable, number, options);
    }
    let results = Results::open(&work.join("results.tsv"), &tree.digest())?;
    hunt(options, &suite, &viable, results)
}

fn target_folder(work: &Path) -> Result<PathBuf, Failure> {
    let folder =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| work.to_owned(), PathBuf::from);
    Ok(std::path::absolute(folder)?.join("mutants"))
}

/// Drops what does not compile; what an earlier run of the same source dropped is not tried again.
fn viable(tree: &Tree, target: &Path, work: &Path) -> Result<Vec<Mutant>, Failure> {
    let path = work.join("unviable");
    let digest = tree.digest();
    let known = fs::read_to_string(&path).unwrap_or_default();
    let mut dropped = BTreeSet::new();
    if let Some(numbers) = known.strip_prefix(&digest) {
        dropped = numbers.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    }
    let dropped = viable::drop_unviable(tree, target, dropped)?;
    let numbers: Vec<String> = dropped.iter().map(u32::to_string).collect();
    fs::write(&path, format!("{digest} {}\n", numbers.join(" ")))?;
    let kept = tree.mutants.iter().filter(|mutant| !dropped.contains(&mutant.number));
    Ok(kept.cloned().collect())
}

/// Shows what one mutant does.
fn one(
    suite: &Suite,
    viable: &[Mutant],
    number: u32,
    options: &Options,
) -> Result<ExitCode, Failure> {
    let Some(mutant) = viable.iter().find(|mutant| mutant.number == number) else {
        return Err(format!("there is no mutant {number}, or it does not compile").into());
    };
    println!("{mutant}\n    {}", mutant.code);
    for test in suite.reach.get(&number).into_iter().flatten() {
        let test = &suite.tests[*test];
        let program = test.program.display();
        match test.language {
            Language::Rust => println!("LNKEEP_MUTANT={number} {program} --exact {}", test.name),
            Language::C => println!("LNKEEP_MUTANT={number} {program}"),
        }
    }
    let verdict = Hunt::new(suite, options.budget_millis, 1).judge(mutant, 0)?;
    println!("{}: {}", verdict.word, verdict.evidence);
    Ok(ExitCode::SUCCESS)
}

/// The mutants to judge, controls among them.
fn chosen<'a>(
    options: &Options,
    suite: &Suite,
    viable: &'a [Mutant],
    results: &Results,
) -> Result<Vec<&'a Mutant>, Failure> {
    let below = options.only.as_deref().unwrap_or_default();
    let viable = || viable.iter().filter(|mutant| mutant.file.starts_with(below));
    let is_real = |mutant: &&Mutant| mutant.role == Role::Real;
    let mut mutants: Vec<&Mutant> = viable().filter(is_real).collect();
    let mut controls: Vec<&Mutant> = viable()
        .filter(|mutant| mutant.role != Role::Real && suite.reach.contains_key(&mutant.number))
        .collect();
    match &options.wanted {
        Wanted::Changed(commit) => {
            let changed = Changed::since(commit)?;
            mutants.retain(|mutant| changed.is_met_by(mutant));
        }
        Wanted::Sample(points) => {
            options.shuffle(&mut mutants);
            mutants.truncate(*points);
        }
        Wanted::Again => {
            mutants.retain(|mutant| results.get(mutant).is_none_or(|old| !old.word.is_caught()));
            return Ok(mutants);
        }
        Wanted::All | Wanted::One(_) => {
            mutants.append(&mut controls);
            mutants.retain(|mutant| results.get(mutant).is_none());
            return Ok(mutants);
        }
    }
    options.shuffle(&mut controls);
    for role in [Role::Identity, Role::Abort] {
        let few = controls.iter().filter(|control| control.role == role).take(CONTROLS_FEW);
        mutants.extend(few);
    }
    Ok(mutants)
}

fn hunt(
    options: &Options,
    suite: &Suite,
    viable: &[Mutant],
    mut results: Results,
) -> Result<ExitCode, Failure> {
    let mutants = chosen(options, suite, viable, &results)?;
    results.expected = mutants.len();
    let results = Mutex::new(results);
    Hunt::new(suite, options.budget_millis, options.jobs).run(mutants.clone(), &results)?;
    let results = results.into_inner()?;
    let reasons = Reasons::read(Path::new(REASONS))?;
    let is_whole = options.only.is_none() && matches!(options.wanted, Wanted::All | Wanted::Again);
    let considered: Vec<Mutant> =
        if is_whole { viable.to_vec() } else { mutants.into_iter().cloned().collect() };
    let judged = table::judged(&considered, &results);
    let mut violations = table::print_sums(&judged, &reasons);
    violations += controls(&considered, &results);
    if is_whole {
        for key in reasons.idle(&judged) {
            println!("a reason for what is caught, or is no mutant: {}", key.replace('\t', " "));
            violations += 1;
        }
        let caught = judged.iter().filter(|(_, verdict)| verdict.word.is_caught()).count();
        violations += usize::from(caught * 100 < judged.len() * SCORE_MIN_PERCENT);
        if let Some(path) = &options.table {
            table::write(path, &judged, &reasons, &commit()?)?;
        }
    }
    println!("mutants: seed {}, {} points, {violations} violations", options.seed, judged.len());
    Ok(if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Judges the controls; answers how many are not as they have to be.
fn controls(mutants: &[Mutant], results: &Results) -> usize {
    let mut violations = 0;
    for (role, what) in [(Role::Identity, "change nothing"), (Role::Abort, "end the process")] {
        let of_role = mutants.iter().filter(|mutant| mutant.role == role);
        let judged: Vec<_> = of_role.filter_map(|one| Some((one, results.get(one)?))).collect();
        let mut right = 0;
        for (mutant, verdict) in &judged {
            let is_right = match role {
                Role::Identity => verdict.word == Word::Survived,
                _ => verdict.word.is_caught(),
            };
            right += usize::from(is_right);
            if !is_right {
                println!("control {mutant}: {}: {}", verdict.word, verdict.evidence);
            }
        }
        let word = if role == Role::Identity { "survived" } else { "were caught" };
        println!("controls that {what}: {right} of {} {word}", judged.len());
        violations += judged.len() - right + usize::from(judged.is_empty());
    }
    violations
}

/// The commit of the repository, and whether it holds all of what was mutated.
fn commit() -> Result<String, Failure> {
    let git = |arguments: &[&str]| -> Result<String, Failure> {
        let output = Command::new("git").args(arguments).output()?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let mut arguments = vec!["status", "--porcelain", "--"];
    arguments.extend(tree::mutated_folders());
    let changed = if git(&arguments)?.is_empty() { "" } else { ", with changes after it" };
    Ok(format!("commit {commit}{changed}"))
}
