//! Runs the cases of `vectors/resource_manager` (FORMAT.md beside them is the contract) in `compat` mode. A
//! trace is one case, with all its lines; of the unit vectors, every line is one.

use serde_json::Value;

use super::resource_keeper::{Keeper, USUAL_ENTRIES};
use super::resource_rules::Compat;
use super::resource_traces::{Stopped, walk};
use super::resource_units;
use super::{Verdict, guarded};

pub fn run(file_name: &str, lines: &[Value]) -> Vec<(String, Verdict)> {
    let stem = file_name.trim_end_matches(".gz").trim_end_matches(".jsonl");
    if let Some(unit) = stem.strip_prefix("unit_") {
        let case = |(number, case)| (usize::to_string(&number), run_unit(unit, case));
        return lines.iter().enumerate().map(case).collect();
    }
    vec![("trace".to_owned(), run_trace(lines))]
}

fn run_unit(unit: &str, case: &Value) -> Verdict {
    guarded(|| match resource_units::run::<Compat>(unit, case) {
        Ok(()) => Verdict::Passed,
        Err(why) => Verdict::Failed(why),
    })
}

fn run_trace(lines: &[Value]) -> Verdict {
    guarded(|| match walk::<Keeper<USUAL_ENTRIES>>(lines) {
        Ok(_) => Verdict::Passed,
        Err(Stopped::Differs(why)) => Verdict::Failed(why),
        Err(Stopped::Skipped(why)) => Verdict::Skipped(why),
    })
}
