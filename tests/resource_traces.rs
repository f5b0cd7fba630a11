//! Generated traces (tests/conformance/resource_generator.rs) through the resources of a store. In `compat`
//! mode every answer and number is that of the port of the reference (benches/common/jamming_reference); in
//! `strict` mode what must hold whatever is called does hold.
//!
//! LNKEEP_TRACES and LNKEEP_TRACE_SEED choose how many traces are generated and from which seed on; a failure
//! names the trace, whose name ends with its seed.
#![allow(missing_docs)]

#[path = "conformance/directory.rs"]
mod directory;
#[path = "conformance/resource_generator.rs"]
mod resource_generator;
#[path = "conformance/resource_keeper.rs"]
mod resource_keeper;
#[path = "conformance/resource_port.rs"]
mod resource_port;
#[path = "conformance/resource_profiles.rs"]
mod resource_profiles;
#[path = "conformance/resource_traces.rs"]
mod resource_traces;
#[path = "conformance/resource_units.rs"]
mod resource_units;
#[path = "resource_traces/strict.rs"]
mod strict;

pub use directory::directory;

use resource_generator::generated;
use resource_keeper::{Keeper, USUAL_ENTRIES};
use resource_port::Port;
use resource_traces::{Stopped, Walked, walk};
use serde_json::Value;
use strict::Lived;

/// A journal that is full again and again.
const FEW_ENTRIES: u32 = 16;

fn name(trace: &[Value]) -> &str {
    trace[0]["name"].as_str().expect("a trace has a name")
}

#[test]
fn generated_traces_are_answered_as_the_reference_does() {
    let (mut traces, mut skipped, mut total) = (0, 0, Walked::default());
    for trace in generated::<Port>() {
        let walked = match traces % 2 {
            0 => walk::<Keeper<USUAL_ENTRIES>>(&trace),
            _ => walk::<Keeper<FEW_ENTRIES>>(&trace),
        };
        traces += 1;
        match walked {
            Ok(walked) => {
                total.calls += walked.calls;
                total.digests += walked.digests;
                total.diagnoses += walked.diagnoses;
            }
            Err(Stopped::Skipped(_)) => {
                assert_eq!(trace[0]["profile"], "Replay", "what is not skipped is walked");
                skipped += 1;
            }
            Err(Stopped::Differs(why)) => panic!("{}: {why}", name(&trace)),
        }
    }
    println!("{traces} traces, {skipped} of them with a replay and skipped: {total:?}");
    assert!(total.calls > 0 && total.digests > 0 && total.diagnoses > 0, "nothing was compared");
}

#[test]
fn strict_resources_keep_within_their_bounds_and_restart_exactly() {
    let mut total = Lived::default();
    for (place, trace) in generated::<Port>().enumerate() {
        println!("{}", name(&trace));
        match place % 2 {
            0 => strict::live::<USUAL_ENTRIES>(&trace, &mut total),
            _ => strict::live::<FEW_ENTRIES>(&trace, &mut total),
        }
    }
    println!("{total:?}");
    assert!(total.is_telling(), "an answer was never given: {total:?}");
}
