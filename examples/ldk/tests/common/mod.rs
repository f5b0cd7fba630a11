//! A store with a line in a directory of its own, and a persister for LDK's test nodes.
#![allow(dead_code)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use lightning::chain::ChannelMonitorUpdateStatus;
use lightning::chain::chainmonitor::Persist;
use lightning::chain::channelmonitor::{ChannelMonitor, ChannelMonitorUpdate};
use lightning::ln::types::ChannelId;
use lightning::sign::ecdsa::EcdsaChannelSigner;
use lightning::util::persist::MonitorName;
use lnkeep::monitors::{Monitors, MonitorsOptions};
use lnkeep::{Store, StoreOptions};
use lnkeep_ldk::{HostValues, Line, MonitorPersister, ldk_id};
use tempfile::TempDir;

pub struct Kept {
    directory: TempDir,
    options: MonitorsOptions,
    pub store: Arc<Store>,
    pub line: Arc<Line>,
}

impl Kept {
    pub fn new() -> Kept {
        Kept::with(MonitorsOptions::default())
    }

    pub fn with(options: MonitorsOptions) -> Kept {
        Kept::open(tempfile::tempdir().unwrap(), options)
    }

    fn open(directory: TempDir, options: MonitorsOptions) -> Kept {
        let store = Store::open(directory.path().join("kept"), &StoreOptions::default()).unwrap();
        let monitors = Monitors::open(&store, options).unwrap();
        assert!(monitors.report().damaged.is_empty());
        let line = Arc::new(Line::new(monitors).unwrap());
        Kept { directory, options, store, line }
    }

    pub fn values(&self) -> HostValues {
        HostValues::open(Arc::clone(&self.store), Arc::clone(&self.line)).unwrap()
    }

    /// Loses what is not durable, and opens again.
    pub fn crash(self) -> Kept {
        let Kept { directory, options, store, line } = self;
        line.close(true).unwrap();
        store.close().unwrap();
        drop(line);
        Kept::open(directory, options)
    }

    /// A commit with some manager.
    pub fn commit(&self) {
        self.line.commit(|| b"manager".to_vec()).unwrap();
    }
}

/// LDK's test nodes have no loop: this commits whenever their manager asks for completions, unless it is
/// paused, and so answers InProgress to every call as a host does.
pub struct Committing {
    pub kept: Kept,
    persister: MonitorPersister,
    pub is_paused: AtomicBool,
    /// Calls without an update.
    pub chain_syncs: AtomicUsize,
    pub answers: Mutex<Vec<ChannelMonitorUpdateStatus>>,
}

impl Committing {
    pub fn new(options: MonitorsOptions) -> Committing {
        let kept = Kept::with(options);
        let persister = MonitorPersister::new(Arc::clone(&kept.line));
        Committing {
            kept,
            persister,
            is_paused: AtomicBool::new(false),
            chain_syncs: AtomicUsize::new(0),
            answers: Mutex::default(),
        }
    }

    /// Commits and answers what became durable.
    pub fn completed(&self) -> Vec<(ChannelId, u64)> {
        let mut completed = Vec::new();
        self.kept.commit();
        let note = |channel, update_id| completed.push((ldk_id(channel), update_id));
        self.kept.line.complete(note).unwrap();
        completed
    }

    fn answered(&self, answer: ChannelMonitorUpdateStatus) -> ChannelMonitorUpdateStatus {
        self.answers.lock().unwrap().push(answer);
        answer
    }
}

impl<S: EcdsaChannelSigner> Persist<S> for Committing {
    fn persist_new_channel(
        &self,
        name: MonitorName,
        monitor: &ChannelMonitor<S>,
    ) -> ChannelMonitorUpdateStatus {
        self.answered(self.persister.persist_new_channel(name, monitor))
    }

    fn update_persisted_channel(
        &self,
        name: MonitorName,
        update: Option<&ChannelMonitorUpdate>,
        monitor: &ChannelMonitor<S>,
    ) -> ChannelMonitorUpdateStatus {
        if update.is_none() {
            self.chain_syncs.fetch_add(1, Ordering::Relaxed);
        }
        self.answered(self.persister.update_persisted_channel(name, update, monitor))
    }

    fn archive_persisted_channel(&self, name: MonitorName) {
        Persist::<S>::archive_persisted_channel(&self.persister, name);
    }

    fn get_and_clear_completed_updates(&self) -> Vec<(ChannelId, u64)> {
        if self.is_paused.load(Ordering::Relaxed) { Vec::new() } else { self.completed() }
    }
}
