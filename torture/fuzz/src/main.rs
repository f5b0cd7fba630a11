//! libFuzzer's targets. Each is given bytes as a peer could have sent them, and panics at a broken promise.
//!
//! The pure files of lnkeep are compiled into this program as they are, so that they are instrumented, and so
//! that neither the store nor LMDB has to be built for it. The environment says which target runs:
//! `LNKEEP_FUZZ_TARGET=wire PROGRAM -max_total_time=60 CORPUS SEEDS`. See tests/fuzz_test.sh.

#![no_main]
#![deny(unsafe_code)]
// What lnkeep's other files use of these.
#![allow(dead_code)]

#[path = "../../../src/error.rs"]
pub mod error;
#[path = "../../../src/limits.rs"]
pub mod limits;
#[path = "../../../src/memory.rs"]
pub mod memory;
#[path = "../../../src/types.rs"]
pub mod types;
#[path = "../../../src/wire.rs"]
pub mod wire;

pub mod backup;
pub mod peer_storage;
pub mod store;

#[allow(unsafe_code)]
mod control;
#[allow(unsafe_code)]
mod entry;
mod input;
mod targets;

/// What a target does with one input.
pub type Target = fn(&[u8]);

/// Every target; the last two have errors planted in them, which a run must find.
pub const TARGETS: [(&str, Target); 6] = [
    ("wire", targets::wire::run),
    ("envelope", targets::envelope::run),
    ("consumer", targets::consumer::run),
    ("provider", targets::provider::run),
    ("control-panic", control::panics),
    ("control-memory", control::reads_beyond),
];
