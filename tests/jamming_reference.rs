//! The port of the reference's structure (benches/common/jamming_reference) against every vector of
//! tests/vectors/resource_manager, and the traces that are generated with it.
//!
//! LNKEEP_TRACES and LNKEEP_TRACE_SEED choose how many traces are generated and from which seed on; a failure
//! names the trace, whose name ends with its seed.
#![allow(missing_docs)]

#[path = "jamming_reference/coverage.rs"]
mod coverage;
#[path = "conformance/resource_generator.rs"]
mod resource_generator;
#[path = "conformance/resource_port.rs"]
mod resource_port;
#[path = "conformance/resource_profiles.rs"]
mod resource_profiles;
#[path = "conformance/resource_traces.rs"]
mod resource_traces;
#[path = "conformance/resource_units.rs"]
mod resource_units;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use resource_generator::{generate, generated};
use resource_port::Port;
use resource_profiles::SHAPES;
use resource_traces::{Stopped, walk};
use serde_json::Value;

fn vectors(begin: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/resource_manager");
    let files = std::fs::read_dir(folder).expect("the vectors exist");
    let files = files.map(|file| file.expect("a file of the folder").path());
    let named = |file: &PathBuf| file.file_name().unwrap().to_string_lossy().starts_with(begin);
    let mut files: Vec<_> = files.filter(named).collect();
    files.sort();
    files
}

fn lines(file: &Path) -> Vec<Value> {
    let mut text = String::new();
    let bytes = std::fs::read(file).expect("a file of vectors");
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("gzipped text");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[test]
fn every_trace_is_walked() {
    let files = vectors("trace_");
    assert_eq!(files.len(), 98, "the traces of the folder");
    let mut failed = 0;
    let mut total = (0, 0, 0);
    for file in files {
        match walk::<Port>(&lines(&file)) {
            Ok(walked) => {
                total.0 += walked.calls;
                total.1 += walked.digests;
                total.2 += walked.diagnoses;
            }
            Err(Stopped::Differs(why) | Stopped::Skipped(why)) => {
                println!("FAILED {}: {why}", file.display());
                failed += 1;
            }
        }
    }
    println!("{} calls, {} digests, {} diagnoses", total.0, total.1, total.2);
    assert_eq!(failed, 0, "traces failed; they are printed above");
}

#[test]
fn every_unit_vector_holds() {
    let files = vectors("unit_");
    assert_eq!(files.len(), 9, "the unit vectors of the folder");
    let (mut held, mut failed) = (0, 0);
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let unit = name.trim_start_matches("unit_").trim_end_matches(".jsonl.gz");
        for (number, case) in lines(&file).iter().enumerate() {
            match resource_units::run::<Port>(unit, case) {
                Ok(()) => held += 1,
                Err(why) => {
                    println!("FAILED {name} {number}: {why}");
                    failed += 1;
                }
            }
        }
    }
    println!("{held} cases");
    assert_eq!(failed, 0, "cases failed; they are printed above");
}

#[test]
fn generated_traces_are_walked() {
    let mut walked_calls = 0;
    for trace in generated::<Port>() {
        match walk::<Port>(&trace) {
            Ok(walked) => walked_calls += walked.calls,
            Err(Stopped::Differs(why) | Stopped::Skipped(why)) => {
                panic!("{}: {why}", trace[0]["name"]);
            }
        }
    }
    println!("{walked_calls} calls");
}

#[test]
fn generated_traces_reach_every_answer_and_every_edge() {
    let mut reached = BTreeMap::new();
    for seed in 1..=180 {
        let shape = &SHAPES[seed as usize % SHAPES.len()];
        coverage::count(&generate::<Port>(shape, seed), &mut reached);
    }
    println!("{reached:#?}");
    let missing: Vec<_> =
        coverage::WANTED.iter().filter(|name| !reached.contains_key(**name)).collect();
    assert!(missing.is_empty(), "no trace has {missing:?}");
}

/// The walker is a check only if it sees a difference anywhere.
#[test]
fn a_trace_with_one_wrong_number_is_refused() {
    let shape = SHAPES.iter().find(|shape| shape.name == "Protected").expect("a profile");
    let trace = generate::<Port>(shape, 1);
    let mut refused = BTreeSet::new();
    for (place, line) in trace.iter().enumerate().skip(1) {
        for path in coverage::expected_numbers(line) {
            // Once per kind of number, or this would be the square of all of them.
            if !refused.insert(coverage::kind_of(line, &path)) {
                continue;
            }
            let mut wrong = trace.clone();
            let number = wrong[place].pointer_mut(&path).expect("the path was just found");
            *number = coverage::another(number);
            let walked = walk::<Port>(&wrong);
            assert!(matches!(walked, Err(Stopped::Differs(_))), "{path} of line {place}: {line}");
        }
    }
    println!("{refused:#?}");
    assert!(refused.len() > 40, "only {} kinds of numbers were found", refused.len());
}
