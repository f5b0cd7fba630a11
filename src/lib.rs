//! **lnkeep** keeps the state of a Lightning node that must never be lost, repeated or reordered.
//!
//! One guarantee: whatever was answered as done is on disk, and an HTLC attempt id is granted at most once,
//! through crashes, power cuts, full disks and retries of its caller.
//!
//! ```
//! use lnkeep::attempts::rules::InitRequest;
//! use lnkeep::attempts::{Attempts, AttemptsOptions, InitAnswer};
//! use lnkeep::{AttemptKey, Namespace, Store, StoreOptions};
//!
//! let directory = tempfile::tempdir()?;
//! let store = Store::open(directory.path().join("lnkeep"), &StoreOptions::default())?;
//! let attempts = Attempts::open(&store, AttemptsOptions::default())?;
//! let request = InitRequest::new(AttemptKey::new(Namespace::default(), 1));
//! assert_eq!(attempts.init(&request)?, InitAnswer::Granted);
//! assert_eq!(attempts.init(&request)?, InitAnswer::AlreadyExists);
//! store.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Layers, each calling only those below: [`ffi`] (the C ABI), [`maintenance`], [`payments`], [`monitors`],
//! [`resources`], [`peer_storage`], [`recovery`] and [`backup`] (with the feature of this name),
//! [`attempts`], [`events`], [`store`]; [`wire`] and [`foreign`] (with the feature `backup`) beside them.
//! Every error says by its [`Class`] what a caller may conclude.

#![deny(unsafe_code)]

#[cfg(not(all(target_endian = "little", target_pointer_width = "64")))]
compile_error!("lnkeep's file format needs a little-endian 64-bit machine");

#[forbid(unsafe_code)]
pub mod attempts;
#[cfg(feature = "backup")]
#[forbid(unsafe_code)]
pub mod backup;
#[forbid(unsafe_code)]
pub mod error;
#[forbid(unsafe_code)]
pub mod events;
#[allow(unsafe_code)]
pub mod ffi;
#[cfg(feature = "backup")]
#[forbid(unsafe_code)]
pub mod foreign;
#[forbid(unsafe_code)]
pub mod limits;
#[forbid(unsafe_code)]
pub mod maintenance;
#[forbid(unsafe_code)]
mod memory;
#[forbid(unsafe_code)]
pub mod monitors;
#[allow(unsafe_code)]
mod os;
#[forbid(unsafe_code)]
pub mod payments;
#[forbid(unsafe_code)]
pub mod peer_storage;
#[cfg(feature = "backup")]
#[forbid(unsafe_code)]
pub mod recovery;
#[forbid(unsafe_code)]
pub mod resources;
pub mod store;
#[forbid(unsafe_code)]
pub mod types;
#[forbid(unsafe_code)]
pub mod wire;

pub use error::{Class, Error, Result, Status};
pub use store::{
    CheckReport, Finding, Grouping, OpenReport, Outcome, Reply, RestoreOptions, Stats, Store,
    StoreOptions,
};
pub use types::{
    AttemptId, AttemptKey, ChannelId, Clock, Fingerprint, Namespace, NodeId, PaymentHash, Preimage,
    RawMessage, ShortChannelId,
};

/// Number of the C ABI; apart from the package's version, raised when a caller has to be recompiled.
pub const ABI_VERSION: u32 = 1;
