//! How a node keeps its state: by this crate, or in one of two ways that must lose money here.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bitcoin::Transaction;
use lightning::chain::ChannelMonitorUpdateStatus;
use lightning::chain::chaininterface::BroadcasterInterface;
use lightning::chain::chainmonitor::Persist;
use lightning::chain::channelmonitor::{ChannelMonitor, ChannelMonitorUpdate};
use lightning::events::Event;
use lightning::ln::msgs::MessageSendEvent;
use lightning::sign::{InMemorySigner, KeysManager};
use lightning::util::persist::{
    CHANNEL_MANAGER_PERSISTENCE_KEY, KVStoreSync, MonitorName, read_channel_monitors,
};
use lightning_persister::fs_store::FilesystemStore;
use lnkeep::monitors::{Monitors, MonitorsOptions};
use lnkeep::{Store, StoreOptions};
use lnkeep_ldk::{HeldBroadcaster, Line, LoadedMonitor, MonitorPersister, Released, load_monitors};

use crate::wiring::{Fees, Silent};
use crate::{Failure, Mode};

/// Small limits, so that the line's waiting and its snapshots are at work too.
fn options() -> MonitorsOptions {
    MonitorsOptions {
        pending_ops_max: 12,
        critical_reserve_ops: 3,
        snapshot_every_updates: 10,
        updates_max: 100,
        ..MonitorsOptions::default()
    }
}

/// A monitor as it was kept.
pub type Loaded = LoadedMonitor<InMemorySigner>;

pub type Broadcaster = dyn BroadcasterInterface + Send + Sync;
pub type Persister = dyn Persist<InMemorySigner> + Send + Sync;

/// See the module.
pub enum Keeping {
    /// By this crate. With `early`, messages leave and updates complete before their commit.
    Line { store: Arc<Store>, line: Arc<Line>, early: Option<Arc<Early>> },
    /// In LDK's file store: each monitor as it comes, the manager some time later.
    Files { files: Arc<FilesystemStore>, out: Arc<Out> },
}

/// What leaves at once.
#[derive(Default)]
pub struct Out(Mutex<Vec<Released>>);

impl Out {
    fn add(&self, released: Released) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(released);
    }

    fn take(&self) -> Vec<Released> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl BroadcasterInterface for Out {
    fn broadcast_transactions(&self, transactions: &[&Transaction]) {
        for &transaction in transactions {
            let transaction = transaction.clone();
            self.add(Released::Transaction { output_id: None, transaction });
        }
    }
}

/// A persister that says Completed of what is only queued.
pub struct Early {
    persister: MonitorPersister,
    out: Out,
}

impl Early {
    fn claim(status: ChannelMonitorUpdateStatus) -> ChannelMonitorUpdateStatus {
        match status {
            ChannelMonitorUpdateStatus::InProgress => ChannelMonitorUpdateStatus::Completed,
            status => status,
        }
    }
}

impl Persist<InMemorySigner> for Early {
    fn persist_new_channel(
        &self,
        name: MonitorName,
        monitor: &ChannelMonitor<InMemorySigner>,
    ) -> ChannelMonitorUpdateStatus {
        Early::claim(self.persister.persist_new_channel(name, monitor))
    }

    fn update_persisted_channel(
        &self,
        name: MonitorName,
        update: Option<&ChannelMonitorUpdate>,
        monitor: &ChannelMonitor<InMemorySigner>,
    ) -> ChannelMonitorUpdateStatus {
        Early::claim(self.persister.update_persisted_channel(name, update, monitor))
    }

    fn archive_persisted_channel(&self, name: MonitorName) {
        Persist::<InMemorySigner>::archive_persisted_channel(&self.persister, name);
    }
}

impl Keeping {
    pub fn open(directory: &Path, mode: Mode) -> Result<Keeping, Failure> {
        if mode == Mode::Files {
            let files = Arc::new(FilesystemStore::new(directory.to_path_buf()));
            return Ok(Keeping::Files { files, out: Arc::default() });
        }
        let store = Store::open(directory, &StoreOptions::default())?;
        let monitors = Monitors::open(&store, options())?;
        let report = monitors.report();
        if !report.damaged.is_empty() || report.manager_missing || report.manager_behind {
            return Err(Failure::violation(format!(
                "lnkeep finds its own commits wrong: {report:?}"
            )));
        }
        let line = Arc::new(Line::new(monitors)?);
        let early = (mode == Mode::Early).then(|| {
            let persister = MonitorPersister::new(Arc::clone(&line));
            Arc::new(Early { persister, out: Out::default() })
        });
        Ok(Keeping::Line { store, line, early })
    }

    /// The line, where there is one and it is used as it should be.
    pub fn line(&self) -> Option<&Arc<Line>> {
        match self {
            Keeping::Line { line, early: None, .. } => Some(line),
            _ => None,
        }
    }

    pub fn persister(&self) -> Arc<Persister> {
        match self {
            Keeping::Line { early: Some(early), .. } => Arc::clone(early) as Arc<Persister>,
            Keeping::Line { line, .. } => Arc::new(MonitorPersister::new(Arc::clone(line))),
            Keeping::Files { files, .. } => Arc::clone(files) as Arc<Persister>,
        }
    }

    pub fn broadcaster(&self) -> Arc<Broadcaster> {
        match self {
            Keeping::Line { line, .. } => Arc::new(HeldBroadcaster::new(Arc::clone(line))),
            Keeping::Files { out, .. } => Arc::clone(out) as Arc<Broadcaster>,
        }
    }

    /// The manager and the monitors as they were kept.
    pub fn load(
        &self,
        keys: &KeysManager,
        broadcaster: &Arc<Broadcaster>,
    ) -> Result<(Option<Vec<u8>>, Vec<Loaded>), Failure> {
        match self {
            Keeping::Line { line, .. } => {
                let (fees, silent) = (Arc::new(Fees), Arc::new(Silent));
                let monitors = line.monitors();
                let loaded = load_monitors(monitors, keys, keys, broadcaster, &fees, &silent)
                    .map_err(|error| Failure::violation(format!("load: {error}")))?;
                Ok((monitors.manager()?, loaded))
            }
            Keeping::Files { files, .. } => {
                let monitors = read_channel_monitors(&**files, keys, keys)
                    .map_err(|error| Failure::violation(format!("load: {error}")))?;
                Ok((files.read("", "", CHANNEL_MANAGER_PERSISTENCE_KEY).ok(), monitors))
            }
        }
    }

    /// Whether anything stands on the line or its end is not told.
    pub fn waits(&self) -> Result<bool, Failure> {
        match self {
            Keeping::Line { line, .. } => Ok(line.waits()?),
            Keeping::Files { .. } => Ok(false),
        }
    }

    /// Makes what happened so far durable.
    pub fn checkpoint(&self, serialise: impl FnMut() -> Vec<u8>) -> Result<(), Failure> {
        let mut serialise = serialise;
        match self {
            Keeping::Line { line, .. } => Ok(line.commit(serialise)?),
            Keeping::Files { files, .. } => {
                Ok(files.write("", "", CHANNEL_MANAGER_PERSISTENCE_KEY, serialise())?)
            }
        }
    }

    pub fn hold_messages(&self, messages: Vec<MessageSendEvent>) -> Result<(), Failure> {
        let out = match self {
            Keeping::Line { line, early: None, .. } => return Ok(line.hold_messages(messages)?),
            Keeping::Line { early: Some(early), .. } => &early.out,
            Keeping::Files { out, .. } => out,
        };
        for message in messages {
            out.add(Released::Message(Box::new(message)));
        }
        Ok(())
    }

    pub fn hold_event(&self, event: Event) -> Result<(), Failure> {
        match self {
            Keeping::Line { line, .. } => line.hold_event(event)?,
            Keeping::Files { out, .. } => {
                out.add(Released::Event { output_id: None, event: Box::new(event) });
            }
        }
        Ok(())
    }

    pub fn drop_messages(&self) {
        match self {
            Keeping::Line { line, early, .. } => {
                line.drop_messages(|_| true);
                early.iter().for_each(|early| drop(early.out.take()));
            }
            Keeping::Files { out, .. } => {
                out.0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .retain(|released| !matches!(released, Released::Message(_)));
            }
        }
    }

    pub fn released(&self) -> Result<Vec<Released>, Failure> {
        match self {
            Keeping::Line { line, early, .. } => {
                let mut released = line.released()?;
                released.extend(early.iter().flat_map(|early| early.out.take()));
                Ok(released)
            }
            Keeping::Files { out, .. } => Ok(out.take()),
        }
    }

    pub fn acknowledge(&self, output_id: Option<u64>) -> Result<(), Failure> {
        match (self, output_id) {
            (Keeping::Line { line, .. }, Some(output_id)) => Ok(line.acknowledge(output_id)?),
            _ => Ok(()),
        }
    }

    /// Ends as a crash does: what is not durable is gone.
    pub fn drop_undurable(self) -> Result<(), Failure> {
        if let Keeping::Line { store, line, .. } = self {
            line.close(true)?;
            store.close()?;
        }
        Ok(())
    }
}
