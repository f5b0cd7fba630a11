//! The start: every channel's monitor from its snapshot and the updates behind it.
//!
//! S1 a monitor is given out at exactly the update id that lnkeep recorded for the channel, or not at all.
//! S2 a damaged channel stops the load: LDK would take a missing monitor for a lost channel.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;

use bitcoin::BlockHash;
use lightning::chain::chaininterface::{BroadcasterInterface, FeeEstimator};
use lightning::chain::channelmonitor::{ChannelMonitor, ChannelMonitorUpdate};
use lightning::ln::types::ChannelId;
use lightning::sign::{EntropySource, SignerProvider};
use lightning::util::logger::Logger;
use lightning::util::ser::{Readable, ReadableArgs};
use lnkeep::monitors::{Monitors, Stage};

use crate::ldk_id;
use crate::persister::{TAG_MONITOR, TAG_UPDATE};

/// Why a channel's monitor cannot be given to LDK.
#[derive(Debug)]
pub enum LoadError {
    /// Of lnkeep.
    Keep(lnkeep::Error),
    /// lnkeep found the channel damaged; the word says how.
    Damaged(ChannelId, String),
    /// LDK cannot read what is stored: written by another version, or by another node's keys.
    Unreadable(ChannelId),
    /// An update could not be applied.
    Refused(ChannelId, u64),
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Keep(error) => error.fmt(formatter),
            LoadError::Damaged(channel, why) => {
                write!(formatter, "channel {channel} is damaged: {why}")
            }
            LoadError::Unreadable(channel) => {
                write!(formatter, "LDK cannot read the monitor of channel {channel}")
            }
            LoadError::Refused(channel, update_id) => {
                write!(formatter, "LDK refuses update {update_id} of channel {channel}")
            }
        }
    }
}

impl StdError for LoadError {}

impl From<lnkeep::Error> for LoadError {
    fn from(error: lnkeep::Error) -> LoadError {
        LoadError::Keep(error)
    }
}

/// A monitor as it was when it was made durable last.
pub type LoadedMonitor<S> = (BlockHash, ChannelMonitor<S>);

/// Reads all channels that are not archived. Synchronise them with the chain, then give them to the manager's
/// `ChannelManagerReadArgs` and, with `load_existing_monitor`, to the `ChainMonitor`.
pub fn load_monitors<ES, SP, B, F, L>(
    monitors: &Monitors,
    entropy_source: &ES,
    signer_provider: &SP,
    broadcaster: &B,
    fee_estimator: &F,
    logger: &L,
) -> Result<Vec<LoadedMonitor<SP::EcdsaSigner>>, LoadError>
where
    ES: EntropySource,
    SP: SignerProvider,
    B: Deref,
    F: Deref,
    L: Deref,
    B::Target: BroadcasterInterface,
    F::Target: FeeEstimator,
    L::Target: Logger,
{
    let mut loaded = Vec::new();
    for summary in monitors.channels(Stage::Active, None, usize::MAX)? {
        let channel = ldk_id(summary.channel);
        let stored = monitors.load(summary.channel)?;
        if let Some(damage) = stored.summary.damage {
            return Err(LoadError::Damaged(channel, format!("{damage:?}")));
        }
        let snapshot = stored.snapshot.ok_or(LoadError::Unreadable(channel))?;
        let read = |bytes: &[u8]| {
            LoadedMonitor::<SP::EcdsaSigner>::read(&mut &*bytes, (entropy_source, signer_provider))
                .map_err(|_| LoadError::Unreadable(channel))
        };
        let mut monitor = read(&snapshot)?;
        for (update_id, bytes) in &stored.updates {
            match bytes.split_first() {
                Some((&TAG_UPDATE, bytes)) => {
                    let update = ChannelMonitorUpdate::read(&mut &*bytes)
                        .map_err(|_| LoadError::Unreadable(channel))?;
                    monitor
                        .1
                        .update_monitor(&update, broadcaster, fee_estimator, logger)
                        .map_err(|()| LoadError::Refused(channel, *update_id))?;
                }
                Some((&TAG_MONITOR, bytes)) => monitor = read(bytes)?,
                _ => return Err(LoadError::Unreadable(channel)),
            }
        }
        if monitor.1.get_latest_update_id() != stored.summary.latest_id {
            return Err(LoadError::Unreadable(channel));
        }
        loaded.push(monitor);
    }
    Ok(loaded)
}
