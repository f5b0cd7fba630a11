//! The node: one store with all its components, opened and closed together. Everything in here is lost when
//! the power goes.

use std::path::Path;
use std::sync::Arc;

use lnkeep::attempts::{Attempts, AttemptsOptions};
use lnkeep::backup::envelope::SizeClass;
use lnkeep::backup::keys::Secret;
use lnkeep::backup::{Backup, BackupOptions};
use lnkeep::monitors::{Monitors, MonitorsOptions};
use lnkeep::payments::{Payments, PaymentsOptions};
use lnkeep::peer_storage::{PeerStorage, PeerStorageOptions};
use lnkeep::resources::{Resources, ResourcesOptions};
use lnkeep::{Result, Store, StoreOptions};

use crate::dice::Dice;

pub struct Node {
    pub store: Arc<Store>,
    pub attempts: Attempts,
    pub payments: Payments,
    pub monitors: Monitors,
    pub resources: Resources,
    pub keeper: PeerStorage,
    pub backup: Backup,
}

/// What a life chooses once, for all its nodes.
#[derive(Clone)]
pub struct Choices {
    pub seed: [u8; 32],
    pub secret: [u8; 32],
    pub size_class: SizeClass,
    pub snapshot_every_updates: u32,
    pub keeper_cooldown_ms: u64,
}

impl Choices {
    pub fn draw(dice: &mut Dice) -> Choices {
        Choices {
            seed: dice.bytes(),
            secret: dice.bytes(),
            size_class: if dice.one_in(4) { SizeClass::Bytes4096 } else { SizeClass::Bytes1024 },
            snapshot_every_updates: 2 + dice.below(12) as u32,
            keeper_cooldown_ms: if dice.one_in(3) { 0 } else { 60_000 },
        }
    }
}

impl Node {
    pub fn open(path: &Path, choices: &Choices, must_exist: bool, verifies: bool) -> Result<Node> {
        let options = StoreOptions {
            seed: Some(choices.seed),
            map_bytes: 64 << 20,
            must_exist,
            verify_always: verifies,
            ..StoreOptions::default()
        };
        let store = Store::open(path, &options)?;
        let opened = Node::open_components(&store, choices);
        if opened.is_err() {
            drop(store.close());
        }
        opened
    }

    fn open_components(store: &Arc<Store>, choices: &Choices) -> Result<Node> {
        let monitors = MonitorsOptions {
            snapshot_every_updates: choices.snapshot_every_updates,
            without_completions: true,
            ..MonitorsOptions::default()
        };
        let keeper = PeerStorageOptions {
            cooldown_ms: choices.keeper_cooldown_ms,
            retention_blocks: 144,
            ..PeerStorageOptions::default()
        };
        let backup = BackupOptions {
            size_class: choices.size_class,
            resend_interval_ms: 60_000,
            ..BackupOptions::default()
        };
        // The default is megabytes, which each start would have to make.
        let resources =
            ResourcesOptions { journal_entries_max: 256, ..ResourcesOptions::default() };
        Ok(Node {
            attempts: Attempts::open(store, AttemptsOptions::default())?,
            payments: Payments::open(store, PaymentsOptions::default())?,
            monitors: Monitors::open(store, monitors)?,
            resources: Resources::open(store, resources)?,
            keeper: PeerStorage::open(store, keeper)?,
            backup: Backup::open(store, &Secret::new(choices.secret), backup)?,
            store: Arc::clone(store),
        })
    }

    /// Ends as the header says; what was answered from memory is written.
    pub fn close(self) -> Result<()> {
        let ended = self.monitors.close(true);
        let ended = ended.and(self.resources.close());
        let ended = ended.and(self.keeper.close());
        ended.and(self.store.close())
    }

    /// Ends with the power gone.
    pub fn crash(self) {
        self.store.crash();
        drop(self.monitors.close(true));
        drop(self.resources.close());
        drop(self.keeper.close());
        drop(self.store.close());
    }
}
