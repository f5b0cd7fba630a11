//! THE list of tables. Nothing else opens an LMDB database by name; docs/format.md draws the same list
//! and a test compares the two.
//!
//! B1 a table's number is on disk (it enters every checksum) and is never given to another table.
//! B2 hot tables have keys that grow in order: attempt ids big-endian, sequence numbers.

use std::fmt;

/// One table of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Table {
    Meta = 0,
    Events = 1,
    EventCursors = 2,
    Namespaces = 3,
    Attempts = 4,
    AttemptsPending = 5,
    AttemptsRetained = 6,
    AttemptKeys = 7,
    Blobs = 8,
    BlobChunks = 9,
    Payments = 10,
    PaymentDetails = 11,
    PaymentAttempts = 12,
    PaymentOutcomes = 13,
    PaymentAttemptIds = 14,
    PaymentHashes = 15,
    PaymentKeys = 16,
    PaymentsUnfinished = 17,
    PaymentsDoomed = 18,
    MonitorsState = 19,
    Monitors = 20,
    MonitorUpdates = 21,
    MonitorOutputs = 22,
    ResourcesState = 23,
    ResourcesChannels = 24,
    ResourcesJournal = 25,
    PeerBlobs = 26,
    PeerRecords = 27,
    BackupState = 28,
    BackupPeers = 29,
}

/// How many bytes a table's keys have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyBytes {
    /// All keys have this length.
    Exactly(usize),
    /// Shortest and longest key.
    Between(usize, usize),
}

impl KeyBytes {
    /// Whether a key of this length may be in the table.
    pub fn allows(self, bytes: usize) -> bool {
        match self {
            KeyBytes::Exactly(exact) => bytes == exact,
            KeyBytes::Between(low, high) => (low..=high).contains(&bytes),
        }
    }
}

impl fmt::Display for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyBytes::Exactly(exact) => write!(f, "{exact}"),
            KeyBytes::Between(low, high) => write!(f, "{low}..={high}"),
        }
    }
}

/// What is fixed about a table.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Which table.
    pub table: Table,
    /// Name of the LMDB database.
    pub name: &'static str,
    /// Length of its keys.
    pub key: KeyBytes,
    /// Module that reads and writes it.
    pub owner: &'static str,
    /// Format version that brought it.
    pub since: u32,
}

/// Every table, in the order of its number.
pub const SPECS: [Spec; 30] = [
    Spec {
        table: Table::Meta,
        name: "meta",
        key: KeyBytes::Between(1, 16),
        owner: "store",
        since: 1,
    },
    Spec {
        table: Table::Events,
        name: "events",
        key: KeyBytes::Exactly(8),
        owner: "events",
        since: 1,
    },
    Spec {
        table: Table::EventCursors,
        name: "event_cursors",
        key: KeyBytes::Between(1, 32),
        owner: "events",
        since: 1,
    },
    Spec {
        table: Table::Namespaces,
        name: "namespaces",
        key: KeyBytes::Exactly(16),
        owner: "attempts",
        since: 1,
    },
    Spec {
        table: Table::Attempts,
        name: "attempts",
        key: KeyBytes::Exactly(24),
        owner: "attempts",
        since: 1,
    },
    Spec {
        table: Table::AttemptsPending,
        name: "attempts_pending",
        key: KeyBytes::Exactly(24),
        owner: "attempts",
        since: 1,
    },
    Spec {
        table: Table::AttemptsRetained,
        name: "attempts_retained",
        key: KeyBytes::Exactly(13),
        owner: "attempts",
        since: 1,
    },
    Spec {
        table: Table::AttemptKeys,
        name: "attempt_keys",
        key: KeyBytes::Between(17, 80),
        owner: "attempts",
        since: 1,
    },
    Spec {
        table: Table::Blobs,
        name: "blobs",
        key: KeyBytes::Between(2, 33),
        owner: "store",
        since: 1,
    },
    Spec {
        table: Table::BlobChunks,
        name: "blob_chunks",
        key: KeyBytes::Exactly(12),
        owner: "store",
        since: 1,
    },
    Spec {
        table: Table::Payments,
        name: "payments",
        key: KeyBytes::Exactly(8),
        owner: "payments",
        since: 1,
    },
    Spec {
        table: Table::PaymentDetails,
        name: "payment_details",
        key: KeyBytes::Exactly(8),
        owner: "payments",
        since: 1,
    },
    Spec {
        table: Table::PaymentAttempts,
        name: "payment_attempts",
        key: KeyBytes::Exactly(32),
        owner: "payments",
        since: 1,
    },
    Spec {
        table: Table::PaymentOutcomes,
        name: "payment_outcomes",
        key: KeyBytes::Exactly(32),
        owner: "payments",
        since: 1,
    },
    Spec {
        table: Table::PaymentAttemptIds,
        name: "payment_attempt_ids",
        key: KeyBytes::Exactly(32),
        owner: "payments",
        since: 1,
    },
    Spec {
        table: Table::PaymentHashes,
        name: "payment_hashes",
        key: KeyBytes::Exactly(32),
        owner: "payments",
        since: 1,
    },
    Spec {
        table: Table::PaymentKeys,
        name: "payment_keys",
        key: KeyBytes::Between(1, 64),
        owner: "payments",
        since: 1,
    },
    Spec {
        table: Table::PaymentsUnfinished,
        name: "payments_unfinished",
        key: KeyBytes::Exactly(8),
        owner: "payments",
        since: 1,
    },
    Spec {
        table: Table::PaymentsDoomed,
        name: "payments_doomed",
        key: KeyBytes::Exactly(8),
        owner: "payments",
        since: 1,
    },
    Spec {
        table: Table::MonitorsState,
        name: "monitors_state",
        key: KeyBytes::Between(5, 7),
        owner: "monitors",
        since: 1,
    },
    Spec {
        table: Table::Monitors,
        name: "monitors",
        key: KeyBytes::Exactly(32),
        owner: "monitors",
        since: 1,
    },
    Spec {
        table: Table::MonitorUpdates,
        name: "monitor_updates",
        key: KeyBytes::Exactly(40),
        owner: "monitors",
        since: 1,
    },
    Spec {
        table: Table::MonitorOutputs,
        name: "monitor_outputs",
        key: KeyBytes::Exactly(8),
        owner: "monitors",
        since: 1,
    },
    Spec {
        table: Table::ResourcesState,
        name: "resources_state",
        key: KeyBytes::Exactly(5),
        owner: "resources",
        since: 1,
    },
    Spec {
        table: Table::ResourcesChannels,
        name: "resources_channels",
        key: KeyBytes::Exactly(8),
        owner: "resources",
        since: 1,
    },
    Spec {
        table: Table::ResourcesJournal,
        name: "resources_journal",
        key: KeyBytes::Exactly(8),
        owner: "resources",
        since: 1,
    },
    Spec {
        table: Table::PeerBlobs,
        name: "peer_blobs",
        key: KeyBytes::Exactly(33),
        owner: "peer_storage",
        since: 1,
    },
    Spec {
        table: Table::PeerRecords,
        name: "peer_records",
        key: KeyBytes::Exactly(33),
        owner: "peer_storage",
        since: 1,
    },
    Spec {
        table: Table::BackupState,
        name: "backup_state",
        key: KeyBytes::Between(5, 6),
        owner: "backup",
        since: 1,
    },
    Spec {
        table: Table::BackupPeers,
        name: "backup_peers",
        key: KeyBytes::Exactly(33),
        owner: "backup",
        since: 1,
    },
];

/// Number of tables.
pub const TABLES: usize = SPECS.len();

impl Table {
    /// What is fixed about this table.
    pub fn spec(self) -> &'static Spec {
        &SPECS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_numbers() {
        for (number, spec) in SPECS.iter().enumerate() {
            assert_eq!(spec.table as usize, number);
            assert_eq!(spec.table.spec().name, spec.name);
        }
    }

    #[test]
    fn keys_fit_lmdb() {
        for spec in &SPECS {
            assert!(!spec.key.allows(0));
            assert!(!spec.key.allows(crate::limits::KEY_BYTES_MAX + 1));
        }
    }
}
