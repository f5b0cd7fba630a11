//! Drops the mutants that do not compile: all are compiled at once, the compiler's messages say which.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::schema::{Owner, Rendered};
use crate::tree::{Failure, Tree};

/// After an error of one kind the compiler does not look for the next: types, then borrows.
const ROUNDS_MAX: usize = 40;

/// Cargo in the copy, with the flags of the one build: as the tests are released, overflow checks and
/// all, but quick to compile.
pub fn cargo(root: &Path, target: &Path) -> Command {
    let mut command = Command::new("cargo");
    command
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        // A mutant leaves things unused and unreachable.
        .env("RUSTFLAGS", "--cap-lints=allow")
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_DEV_DEBUG_ASSERTIONS", "false")
        .env("CARGO_PROFILE_DEV_OVERFLOW_CHECKS", "true")
        .stdin(Stdio::null());
    command
}

/// Numbers of the mutants that do not compile; the copy is left without them.
pub fn drop_unviable(
    tree: &Tree,
    target: &Path,
    mut dropped: BTreeSet<u32>,
) -> Result<BTreeSet<u32>, Failure> {
    for round in 1..=ROUNDS_MAX {
        let written = tree.write_without(&dropped)?;
        let errors = compile(tree, target)?;
        if errors.is_empty() {
            return Ok(dropped);
        }
        let before = dropped.len();
        for error in &errors {
            dropped.extend(blamed(error, &written));
        }
        println!("round {round}: {} errors, {} mutants dropped", errors.len(), dropped.len());
        if dropped.len() == before {
            let first = &errors[0].text;
            return Err(format!("an error that belongs to no mutant:\n{first}").into());
        }
    }
    Err(format!("the copy does not compile after {ROUNDS_MAX} rounds").into())
}

struct CompileError {
    text: String,
    /// The main places first.
    spans: Vec<(String, Range<usize>)>,
}

fn compile(tree: &Tree, target: &Path) -> Result<Vec<CompileError>, Failure> {
    let output = cargo(&tree.root, target)
        .args(["check", "--locked", "--lib", "--features", "failpoints"])
        .args(["--message-format", "json"])
        .output()?;
    let mut errors = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line)?;
        let inner = &message["message"];
        if inner["level"] == "error" {
            errors.push(read_error(inner));
        }
    }
    // The last message of rustc counts the others and has no place.
    errors.retain(|error| !error.spans.is_empty());
    if errors.is_empty() && !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("cargo check failed:\n{text}").into());
    }
    Ok(errors)
}

fn read_error(message: &Value) -> CompileError {
    let mut spans = Vec::new();
    for wanted in [true, false] {
        for span in message["spans"].as_array().into_iter().flatten() {
            if span["is_primary"] == wanted {
                read_span(span, &mut spans);
            }
        }
    }
    CompileError { text: message["rendered"].as_str().unwrap_or_default().to_owned(), spans }
}

/// A place, and the places of the macros it came from.
fn read_span(span: &Value, spans: &mut Vec<(String, Range<usize>)>) {
    let offset = |name: &str| span[name].as_u64().and_then(|at| usize::try_from(at).ok());
    if let (Some(file), Some(start), Some(end)) =
        (span["file_name"].as_str(), offset("byte_start"), offset("byte_end"))
    {
        spans.push((file.to_owned(), start..end));
    }
    if span["expansion"].is_object() {
        read_span(&span["expansion"]["span"], spans);
    }
}

/// The mutants an error belongs to: the one whose text is named, else all of the place around it.
fn blamed(error: &CompileError, written: &HashMap<String, Rendered>) -> Vec<u32> {
    let mut sites = Vec::new();
    for (file, range) in &error.spans {
        match written.get(file).and_then(|rendered| rendered.owner(range)) {
            Some(Owner::Mutant(number)) => return vec![*number],
            Some(Owner::Site(numbers)) if sites.is_empty() => sites.clone_from(numbers),
            _ => {}
        }
    }
    sites
}
