//! The monitors against their model: every state that few entries and crashes can reach, random lists of
//! calls with a crash at every write, and the mistakes that the invariants must notice.

mod check;
mod core;
mod explorer;
mod host;
mod refinement;
mod rows;
mod sessions;
mod world;

use crate::types::ChannelId;

/// The channel of a byte.
fn id(byte: u8) -> ChannelId {
    ChannelId([byte; 32])
}
