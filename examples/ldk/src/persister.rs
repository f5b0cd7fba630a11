//! `Persist` of the published crate on the line.
//!
//! P1 every call is queued or the node stops: there is no answer by which LDK would try again.
//! P2 the stored form of an update is one tag byte and then the update, or the whole monitor where LDK itself
//!    could not apply the update and asks for the monitor to be kept instead.
//! P3 the answer is always InProgress; completion follows the commit.

use std::sync::Arc;

use lightning::chain::ChannelMonitorUpdateStatus;
use lightning::chain::chainmonitor::Persist;
use lightning::chain::channelmonitor::{ChannelMonitor, ChannelMonitorUpdate};
use lightning::sign::ecdsa::EcdsaChannelSigner;
use lightning::util::persist::MonitorName;
use lightning::util::ser::Writeable;
use lnkeep::Result;
use lnkeep::monitors::Block;

use crate::keep_id;
use crate::line::{Entry, Line};

/// The update as LDK writes it follows.
pub(crate) const TAG_UPDATE: u8 = 0;
/// The monitor with the update in it follows.
pub(crate) const TAG_MONITOR: u8 = 1;

/// Queues what `ChainMonitor` asks to be persisted. See the module.
pub struct MonitorPersister {
    line: Arc<Line>,
}

impl MonitorPersister {
    /// A persister that queues onto the line.
    pub fn new(line: Arc<Line>) -> MonitorPersister {
        MonitorPersister { line }
    }

    fn new_channel<S: EcdsaChannelSigner>(&self, monitor: &ChannelMonitor<S>) -> Result<()> {
        self.line.put(Entry::New {
            channel: keep_id(monitor.channel_id()),
            update_id: monitor.get_latest_update_id(),
            snapshot: monitor.encode(),
            block: block_of(monitor),
        })
    }

    fn update<S: EcdsaChannelSigner>(
        &self,
        update: &ChannelMonitorUpdate,
        monitor: &ChannelMonitor<S>,
    ) -> Result<()> {
        let channel = keep_id(monitor.channel_id());
        let wants_snapshot = self.line.wants_snapshot(channel);
        let bytes = tagged(TAG_UPDATE, update);
        self.line.put(Entry::Update { channel, update_id: update.update_id, update: bytes })?;
        // Here the monitor is known to be exactly at this update: LDK holds the channel's lock.
        if wants_snapshot { self.snapshot(monitor) } else { Ok(()) }
    }

    fn snapshot<S: EcdsaChannelSigner>(&self, monitor: &ChannelMonitor<S>) -> Result<()> {
        self.line.put(Entry::Snapshot {
            channel: keep_id(monitor.channel_id()),
            update_id: monitor.get_latest_update_id(),
            snapshot: monitor.encode(),
            block: block_of(monitor),
        })
    }

    /// A monitor without an update: the chain changed it, or it took an update that it cannot apply. LDK
    /// does not say which; the second is one id ahead of what was queued.
    fn monitor<S: EcdsaChannelSigner>(&self, monitor: &ChannelMonitor<S>) -> Result<()> {
        let channel = keep_id(monitor.channel_id());
        let update_id = monitor.get_latest_update_id();
        if self.line.tip(channel).is_none_or(|tip| tip >= update_id) {
            return self.snapshot(monitor);
        }
        self.line.leave_untracked(channel, update_id);
        self.line.put(Entry::Update { channel, update_id, update: tagged(TAG_MONITOR, monitor) })
    }
}

fn tagged(tag: u8, value: &impl Writeable) -> Vec<u8> {
    [&[tag], value.encode().as_slice()].concat()
}

fn block_of<S: EcdsaChannelSigner>(monitor: &ChannelMonitor<S>) -> Block {
    let best = monitor.current_best_block();
    Block { height: best.height, hash: *best.block_hash.as_ref() }
}

/// P1: a refusal here means that two copies of a channel's state disagree or that the store cannot be
/// written; LDK answers this status with a panic, which stops the node. The line's commits tell the error.
fn status_of(answer: Result<()>) -> ChannelMonitorUpdateStatus {
    match answer {
        Ok(()) => ChannelMonitorUpdateStatus::InProgress,
        Err(_) => ChannelMonitorUpdateStatus::UnrecoverableError,
    }
}

impl<S: EcdsaChannelSigner> Persist<S> for MonitorPersister {
    fn persist_new_channel(
        &self,
        _name: MonitorName,
        monitor: &ChannelMonitor<S>,
    ) -> ChannelMonitorUpdateStatus {
        status_of(self.new_channel(monitor))
    }

    fn update_persisted_channel(
        &self,
        _name: MonitorName,
        update: Option<&ChannelMonitorUpdate>,
        monitor: &ChannelMonitor<S>,
    ) -> ChannelMonitorUpdateStatus {
        status_of(match update {
            Some(update) => self.update(update, monitor),
            None => self.monitor(monitor),
        })
    }

    /// LDK takes no answer here.
    fn archive_persisted_channel(&self, name: MonitorName) {
        let channel = match name {
            MonitorName::V1Channel(outpoint) => {
                lightning::ln::types::ChannelId::v1_from_funding_outpoint(outpoint)
            }
            MonitorName::V2Channel(channel) => channel,
        };
        self.line.put_unanswered(Entry::Archive { channel: keep_id(channel) });
    }
}
