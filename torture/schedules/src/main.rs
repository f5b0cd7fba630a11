//! Threads of lnkeep in every order that chance finds: its own source, compiled with shuttle's locks, atomics
//! and threads, under a random scheduler and one that changes priorities at chosen moments (PCT).
//!
//! `--subject NAME --points N --seed S` runs schedules on as many processes as there are processors.
//! `--controls --points N` plants one error after the other, each of which has to be found.

// Shadows the standard library in every module, so that lnkeep's source compiles as it is.
#[macro_use]
extern crate schedules_std as std;

mod plants;
mod subjects {
    pub mod events;
    pub mod journal;
    pub mod queue;
}

include!(concat!(env!("OUT_DIR"), "/root.rs"));

mod runner;

fn main() -> std::process::ExitCode {
    runner::main()
}
