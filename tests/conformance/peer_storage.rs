//! Runs the cases of `vectors/peer_storage` (FORMAT.md beside them is the contract), file by file.

use serde_json::Value;

use super::peer_storage_consumer::run_consumer;
use super::peer_storage_envelope::run_envelope;
use super::peer_storage_foreign as foreign;
use super::peer_storage_provider::run_provider;
use super::peer_storage_recovery::run_recovery;
use super::peer_storage_stripe::run_stripe;
use super::{Verdict, guarded, peer_storage_wire as wire};

/// From a case to what is wrong with the library's answers.
type CaseRunner = fn(&Value) -> Result<(), String>;

/// What each file of cases is run by.
const RUNNERS: [(&str, CaseRunner); 12] = [
    ("wire_decode", wire::run_decode),
    ("wire_encode", wire::run_encode),
    ("features", wire::run_features),
    ("provider", run_provider),
    ("envelope", run_envelope),
    ("consumer_state", run_consumer),
    ("recovery", run_recovery),
    ("stripe", run_stripe),
    ("foreign_ldk", foreign::run_ldk),
    ("foreign_cln", foreign::run_cln),
    ("foreign_lightning_kmp", foreign::run_lightning_kmp),
    ("foreign_lnd_scb", foreign::run_lnd),
];

pub fn run(file_name: &str, lines: &[Value]) -> Vec<(String, Verdict)> {
    let stem = file_name.trim_end_matches(".gz").trim_end_matches(".jsonl");
    let id = |case: &Value| case["id"].as_str().expect("a case has an id").to_owned();
    lines.iter().map(|case| (id(case), run_case(stem, case))).collect()
}

fn run_case(stem: &str, case: &Value) -> Verdict {
    let Some((_, runner)) = RUNNERS.iter().find(|(name, _)| *name == stem) else {
        return Verdict::Failed("no runner knows this file".into());
    };
    guarded(|| match runner(case) {
        Ok(()) => Verdict::Passed,
        Err(why) => Verdict::Failed(why),
    })
}
