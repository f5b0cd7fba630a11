//! Runs the language-neutral conformance cases: `tests/vectors`, or the directory in LNKEEP_VECTORS.
//!
//! Prints one line `NAME: N passed, N failed, N skipped` per folder, every failed case and every reason for a
//! skip above it. A file may be gzipped.
#![allow(missing_docs)]

#[path = "conformance/attempt_store.rs"]
mod attempt_store;
#[path = "conformance/backup.rs"]
mod backup;
#[path = "conformance/backup_journal.rs"]
mod backup_journal;
#[path = "conformance/control_tower.rs"]
mod control_tower;
#[path = "conformance/deferred.rs"]
mod deferred;
#[path = "conformance/directory.rs"]
mod directory;
#[path = "conformance/payment_values.rs"]
mod payment_values;
#[path = "conformance/peer_storage.rs"]
mod peer_storage;
#[path = "conformance/peer_storage_consumer.rs"]
mod peer_storage_consumer;
#[path = "conformance/peer_storage_envelope.rs"]
mod peer_storage_envelope;
#[path = "conformance/peer_storage_foreign.rs"]
mod peer_storage_foreign;
#[path = "conformance/peer_storage_provider.rs"]
mod peer_storage_provider;
#[path = "conformance/peer_storage_recovery.rs"]
mod peer_storage_recovery;
#[path = "conformance/peer_storage_stripe.rs"]
mod peer_storage_stripe;
#[path = "conformance/peer_storage_wire.rs"]
mod peer_storage_wire;
#[path = "conformance/resource_keeper.rs"]
mod resource_keeper;
#[path = "conformance/resource_manager.rs"]
mod resource_manager;
#[path = "conformance/resource_rules.rs"]
mod resource_rules;
#[path = "conformance/resource_traces.rs"]
mod resource_traces;
#[path = "conformance/resource_units.rs"]
mod resource_units;

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use directory::directory;

/// What became of one case.
pub enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

/// From a file's name and lines to its cases.
type FileRunner = fn(&str, &[Value]) -> Vec<(String, Verdict)>;

/// What runs the cases of a folder.
#[derive(Clone, Copy)]
enum Runner {
    /// Each line of a file is a case.
    Lines(fn(&Value) -> Verdict),
    /// The runner parts a file, whose name it gets, into cases and names them.
    Files(FileRunner),
}

/// Folders this version has a runner for.
const RUNNERS: [(&str, Runner); 7] = [
    ("attempt_store", Runner::Lines(attempt_store::run)),
    ("backup", Runner::Files(backup::run)),
    ("control_tower", Runner::Lines(control_tower::run)),
    ("deferred", Runner::Lines(deferred::run)),
    ("deferred_more", Runner::Lines(deferred::run)),
    ("peer_storage", Runner::Files(peer_storage::run)),
    ("resource_manager", Runner::Files(resource_manager::run)),
];

impl Runner {
    fn run(self, file_name: &str, lines: &[Value]) -> Vec<(String, Verdict)> {
        match self {
            Runner::Files(run) => run(file_name, lines),
            Runner::Lines(run) => {
                let id = |number: usize, case: &Value| {
                    case["id"].as_str().map_or_else(|| number.to_string(), str::to_owned)
                };
                let run = |(number, case)| (id(number, case), run(case));
                lines.iter().enumerate().map(run).collect()
            }
        }
    }
}

#[test]
fn every_conformance_case_passes() {
    let mut failed = 0;
    for folder in folders(&vectors()) {
        failed += run_folder(&folder);
    }
    assert_eq!(failed, 0, "conformance cases failed; they are printed above (use --nocapture)");
}

fn vectors() -> PathBuf {
    match std::env::var_os("LNKEEP_VECTORS") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"),
    }
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).expect("the directory of vectors exists");
    let mut folders: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(!folders.is_empty(), "{} holds no folder of vectors", root.display());
    folders
}

fn run_folder(folder: &Path) -> usize {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let runner = RUNNERS.iter().find(|(known, _)| *known == name).map(|(_, runner)| *runner);
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for file in case_files(folder) {
        let file_name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = read_text(&file);
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let Some(runner) = runner else {
            let cases = lines.count();
            println!("SKIPPED {name}/{file_name}: {cases} cases: this version has no {name}");
            skipped += cases;
            continue;
        };
        let parse = |line| serde_json::from_str(line).expect("a line is a JSON object");
        let lines: Vec<Value> = lines.map(parse).collect();
        for (id, verdict) in runner.run(&file_name, &lines) {
            match verdict {
                Verdict::Passed => passed += 1,
                Verdict::Failed(why) => {
                    println!("FAILED {name}/{file_name} {id}: {why}");
                    failed += 1;
                }
                Verdict::Skipped(why) => {
                    println!("SKIPPED {name}/{file_name} {id}: {why}");
                    skipped += 1;
                }
            }
        }
    }
    println!("{name}: {passed} passed, {failed} failed, {skipped} skipped");
    failed
}

fn case_files(folder: &Path) -> Vec<PathBuf> {
    let is_case = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.ends_with(".jsonl") || name.ends_with(".jsonl.gz")
    };
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(is_case).collect();
    files.sort();
    files
}

fn read_text(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap();
    let mut text = String::new();
    if file.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    text
}

/// Whether every key of the pattern is there and equal; unlisted keys are ignored.
pub fn matches(pattern: &Value, actual: &Value) -> bool {
    match (pattern, actual) {
        (Value::Object(pattern), Value::Object(actual)) => pattern
            .iter()
            .all(|(key, value)| actual.get(key).is_some_and(|actual| matches(value, actual))),
        (Value::Array(pattern), Value::Array(actual)) => {
            pattern.len() == actual.len()
                && pattern.iter().zip(actual).all(|(pattern, actual)| matches(pattern, actual))
        }
        _ => pattern == actual,
    }
}

/// A panic is told with the case that it met.
pub fn guarded(case: impl FnOnce() -> Verdict) -> Verdict {
    let told = || Verdict::Failed("panicked as told above".into());
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(case)).unwrap_or_else(|_| told())
}
