//! The pure half of the provider: who may store, when a blob is written, what is collected.

#[path = "../../../src/peer_storage/options.rs"]
pub mod options;
#[path = "../../../src/peer_storage/record.rs"]
pub mod record;
#[path = "../../../src/peer_storage/rules.rs"]
pub mod rules;
