//! The C ABI: check arguments, call, map the answer. No logic of its own.
//!
//! X1 every export goes through `guard::guarded`, but those that cannot fail: what frees, what says whether a
//! handle is open, and constants. X2 an output is written only on success, but that outcomes of a batch are
//! always written. X3 a bad handle, pointer, length, flag or number is a status, never undefined behaviour,
//! as far as a library can know. X4 nothing is printed.
//! The header is made from this module; its prose is documentation for C programmers.

#![allow(non_camel_case_types, clippy::missing_safety_doc, clippy::too_many_arguments)]

pub mod status;

pub mod types;

pub mod store;

pub mod operations;

pub mod attempts;
pub mod attempts_read;
pub mod attempts_subscriptions;
pub mod attempts_upkeep;

pub mod monitor_types;
pub mod monitors;
pub mod monitors_commit;
pub mod monitors_read;

pub mod payment_rules;
pub mod payment_types;
pub mod payments;
pub mod payments_read;
pub mod payments_subscriptions;
pub mod payments_upkeep;

pub mod peer_storage;
pub mod peer_storage_read;
pub mod peer_types;
pub mod wire;

#[cfg(feature = "backup")]
pub mod backup;
#[cfg(feature = "backup")]
pub mod backup_envelope;
#[cfg(feature = "backup")]
pub mod backup_hosted;
#[cfg(feature = "backup")]
pub mod backup_read;
pub mod backup_types;
pub mod hosted_types;

#[cfg(feature = "backup")]
pub mod foreign;
pub mod foreign_types;
#[cfg(feature = "backup")]
pub mod stripe;
pub mod stripe_types;

#[cfg(feature = "backup")]
pub mod recovery;
#[cfg(feature = "backup")]
pub mod recovery_read;
pub mod recovery_types;

pub mod resource_types;
pub mod resources;
pub mod resources_htlcs;
pub mod resources_read;

pub mod events;

pub mod maintenance;

mod args;
mod guard;
mod handle;

#[cfg(test)]
mod tests;
