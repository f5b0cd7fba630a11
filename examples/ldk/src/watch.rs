//! The `Watch` between the manager and its `ChainMonitor`: notes which update ids the manager generated.
//!
//! W1 an id is noted when the update is on the line, so a commit never sees one without the other.
//! LDK's public API does not tell the ids that a serialised manager holds. What passes here is a lower bound
//! of them, read before the manager is serialised, and also catches an update that LDK lost on its way to
//! `Persist`: its release builds answer InProgress for a channel that they do not watch, and queue nothing.

use std::ops::Deref;
use std::sync::Arc;

use bitcoin::secp256k1::PublicKey;
use lightning::chain::channelmonitor::{ChannelMonitor, ChannelMonitorUpdate, MonitorEvent};
use lightning::chain::transaction::OutPoint;
use lightning::chain::{ChannelMonitorUpdateStatus, Watch};
use lightning::ln::types::ChannelId;
use lightning::sign::ecdsa::EcdsaChannelSigner;

use crate::keep_id;
use crate::line::Line;

/// See the module. Given to the manager in place of its `ChainMonitor`.
pub struct RecordingWatch<W: Deref> {
    line: Arc<Line>,
    inner: W,
}

impl<W: Deref> RecordingWatch<W> {
    /// Passes everything on to `inner`, whose `Persist` queues onto the same line.
    pub fn new(line: Arc<Line>, inner: W) -> RecordingWatch<W> {
        RecordingWatch { line, inner }
    }
}

impl<S: EcdsaChannelSigner, W: Deref> Watch<S> for RecordingWatch<W>
where
    W::Target: Watch<S>,
{
    fn watch_channel(
        &self,
        channel_id: ChannelId,
        monitor: ChannelMonitor<S>,
    ) -> Result<ChannelMonitorUpdateStatus, ()> {
        let update_id = monitor.get_latest_update_id();
        self.line.record(keep_id(channel_id), update_id, || {
            let answer = self.inner.watch_channel(channel_id, monitor);
            let generated = answer.is_ok();
            (answer, generated)
        })
    }

    fn update_channel(
        &self,
        channel_id: ChannelId,
        update: &ChannelMonitorUpdate,
    ) -> ChannelMonitorUpdateStatus {
        self.line.record(keep_id(channel_id), update.update_id, || {
            (self.inner.update_channel(channel_id, update), true)
        })
    }

    fn release_pending_monitor_events(
        &self,
    ) -> Vec<(OutPoint, ChannelId, Vec<MonitorEvent>, PublicKey)> {
        self.inner.release_pending_monitor_events()
    }
}
