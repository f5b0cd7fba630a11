//! An operator's work on whole stores: check, backup, restore.
//!
//! Here, above the components, because a check also compares what their rows say about each other.
//! Compaction is an option of the open: [`crate::StoreOptions::compact`]. Called by `ffi` and Rust hosts.

use std::path::Path;
use std::sync::Arc;

use crate::attempts::references::AttemptReferences;
#[cfg(feature = "backup")]
use crate::backup::references::BackupReferences;
use crate::error::Result;
use crate::events::references::EventReferences;
use crate::monitors::references::MonitorReferences;
use crate::payments::references::PaymentReferences;
use crate::peer_storage::references::PeerReferences;
use crate::resources::references::ResourceReferences;
use crate::store::blob::BlobReferences;
use crate::store::heads::Heads;
use crate::store::tables::Table;
use crate::store::walk::References;
use crate::store::{
    CheckReport, RestoreOptions, Store, check, copy, on_a_thread, refuse_forked_child,
};

/// What all components know of their rows.
struct AllReferences {
    attempts: AttemptReferences,
    events: EventReferences,
    payments: PaymentReferences,
    monitors: MonitorReferences,
    resources: ResourceReferences,
    peers: PeerReferences,
    #[cfg(feature = "backup")]
    backup: BackupReferences,
    blobs: BlobReferences,
}

impl AllReferences {
    fn boxed() -> Box<dyn References> {
        Box::new(AllReferences {
            attempts: AttemptReferences::default(),
            events: EventReferences::default(),
            payments: PaymentReferences::default(),
            monitors: MonitorReferences::default(),
            resources: ResourceReferences::default(),
            peers: PeerReferences::default(),
            #[cfg(feature = "backup")]
            backup: BackupReferences::default(),
            blobs: BlobReferences::default(),
        })
    }
}

impl References for AllReferences {
    fn row(&mut self, table: Table, key: &[u8], body: &[u8]) -> Option<String> {
        match table.spec().owner {
            "attempts" => self.attempts.row(table, key, body),
            "events" => self.events.row(table, key, body),
            "payments" => self.payments.row(table, key, body),
            "monitors" => self.monitors.row(table, key, body),
            "resources" => self.resources.row(table, key, body),
            "peer_storage" => self.peers.row(table, key, body),
            #[cfg(feature = "backup")]
            "backup" => self.backup.row(table, key, body),
            _ => {
                if table == Table::Blobs {
                    self.monitors.pointer(key);
                }
                self.blobs.row(table, key, body)
            }
        }
    }

    fn damaged(&mut self, table: Table, key: &[u8]) {
        match table.spec().owner {
            "attempts" => self.attempts.damaged(table, key),
            "events" => self.events.damaged(table, key),
            "payments" => self.payments.damaged(table, key),
            "monitors" => self.monitors.damaged(table, key),
            "resources" => self.resources.damaged(table, key),
            "peer_storage" => self.peers.damaged(table, key),
            #[cfg(feature = "backup")]
            "backup" => self.backup.damaged(table, key),
            _ => {
                if table == Table::Blobs {
                    self.monitors.pointer(key);
                }
                self.blobs.damaged(table, key);
            }
        }
    }

    fn disagreements(&mut self, heads: &Heads) -> Vec<(Table, Vec<u8>, String)> {
        let mut all = self.attempts.disagreements(heads);
        all.extend(self.events.disagreements(heads));
        all.extend(self.payments.disagreements(heads));
        all.extend(self.monitors.disagreements(heads));
        all.extend(self.resources.disagreements(heads));
        all.extend(self.peers.disagreements(heads));
        #[cfg(feature = "backup")]
        all.extend(self.backup.disagreements(heads));
        all.extend(self.blobs.disagreements(heads));
        all
    }
}

/// Checks the store in a directory, or a backup file: pages, trees, free list, checksums, order, counts,
/// digests, and what rows say about each other.
///
/// Reads the file by pread and never maps it: it can be damaged in any way. Writes nothing and takes no lock,
/// so it also works on a store that is open, here or in another process. What is wrong is in the report; an
/// error means that nothing could be looked at.
///
/// # Errors
/// `NotFound`; `Io`; `FormatTooNew`; `Busy` when another process commits too fast for the walk; `Forked`.
pub fn check(path: impl AsRef<Path>) -> Result<CheckReport> {
    refuse_forked_child()?;
    check::check(path.as_ref(), &AllReferences::boxed)
}

/// Writes the newest commit of an open store to a new file, flushed, checked, without free pages. What the
/// resources acknowledged from memory before, and blobs of peers that waited, are in it.
///
/// Reads and commits go on meanwhile, but that a growth of the map waits for it, and calls for the growth.
/// The file appears under its name only when it is whole; until then it lies in a directory `NAME.partial-`
/// and eight digits. The report is that of a check of the new file; damaged single rows are copied as they
/// are and are in it.
///
/// # Errors
/// `TargetExists`: nothing is overwritten. `NotFound` or `UnsafePlace` when the path cannot be made or lies
/// in the store's own directory; `NoSpace`; `Io`; `CorruptStore` when the copy does not check; `Closed`,
/// `Poisoned`, `Forked`. There is no new file then.
pub fn backup(store: &Store, target: impl AsRef<Path>) -> Result<CheckReport> {
    store.check_usable()?;
    // On a full disk the backup holds what could be written.
    drop(store.flush_journals());
    let core = Arc::clone(store.core());
    let target = target.as_ref().to_owned();
    on_a_thread("lnkeep-backup", move || copy::backup(&core, &target, &AllReferences::boxed))
}

/// Makes a store of a backup, in a directory that holds none; it is made when it is missing.
///
/// The store comes up as restored: new attempts are refused until an id floor was acknowledged, because a
/// newer store, now lost, may have used ids that the backup does not know. The report is that of a check of
/// the backup.
///
/// # Errors
/// `TargetExists` when the directory holds a store; `CorruptStore` when the backup's structure is damaged;
/// `Locked` when the backup is a store that is open, or the directory is being opened; `NotFound`,
/// `UnsafePlace`, `FormatTooNew`, `NoSpace`, `Io`, `Forked`. There is no store in
/// the directory then, or, when its last flush failed, one that is marked as restored.
pub fn restore(
    backup: impl AsRef<Path>,
    directory: impl AsRef<Path>,
    options: RestoreOptions,
) -> Result<CheckReport> {
    refuse_forked_child()?;
    let (backup, directory) = (backup.as_ref().to_owned(), directory.as_ref().to_owned());
    on_a_thread("lnkeep-restore", move || {
        copy::restore(&backup, &directory, options, &AllReferences::boxed)
    })
}
