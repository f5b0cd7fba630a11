//! An LDK host on lnkeep's monitors: what `ChannelManager`, `ChainMonitor` and the application must not lose
//! or reorder goes onto one ticket line, and one commit makes a prefix of it durable with the manager.
//!
//! L1 every monitor write of LDK is queued in the order in which LDK made it, and none is dropped.
//! L2 a commit holds a manager serialised after the commit's capture, so the manager knows all its updates.
//! L3 a message, an event or a transaction is released only after a commit that covers everything queued
//!    before it. What LDK hands to a peer without passing through [`Line`] is not covered.
//! L4 LDK is told that an update is complete only after the commit that holds it.
//!
//! [`MonitorPersister`] is the `Persist`, [`RecordingWatch`] stands between the manager and its
//! `ChainMonitor`, [`HeldBroadcaster`] is the `BroadcasterInterface`, [`HeldHandler`] the `PeerManager`'s
//! channel handler, [`HostValues`] the `KVStoreSync`; all of them share one [`Line`], whose [`Line::commit`]
//! is the checkpoint. [`CapturingManager`] is for loops that only know how to write a manager to a
//! `KVStoreSync`. [`load_monitors`] is the start.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod handler;
mod line;
mod load;
mod outputs;
mod persister;
mod values;
mod watch;

pub use handler::HeldHandler;
pub use line::{Entry, Line, Prepared};
pub use load::{LoadError, LoadedMonitor, load_monitors};
pub use outputs::{HeldBroadcaster, Released};
pub use persister::MonitorPersister;
pub use values::{CapturingManager, HostValues};
pub use watch::RecordingWatch;

/// lnkeep's name of a channel of LDK.
pub fn keep_id(channel: lightning::ln::types::ChannelId) -> lnkeep::ChannelId {
    lnkeep::ChannelId(channel.0)
}

/// LDK's name of a channel of lnkeep.
pub fn ldk_id(channel: lnkeep::ChannelId) -> lightning::ln::types::ChannelId {
    lightning::ln::types::ChannelId(channel.0)
}
