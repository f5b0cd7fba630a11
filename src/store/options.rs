//! What a host may choose when it opens a store, and what it learns.

use crate::limits::{
    EVENTS_BYTES_MAX_DEFAULT, MAP_BYTES_DEFAULT, MAP_BYTES_MAX_DEFAULT, QUEUE_OPS_MAX,
};
use crate::types::Clock;

/// More than the commit of an open takes, which has no writer to grow the map for it.
const OPEN_BYTES: u64 = 256 << 10;

/// Choices at open. The default of each is the safe one.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// Refuse to create: there must be a store already.
    pub must_exist: bool,
    /// Accept a network or FUSE file system, although it may lose flushed data.
    pub any_file_system: bool,
    /// Repeat lnd's rules where they are questionable: results are overwritten, clean removes pending
    /// attempts. Recorded in the store; see `convert`.
    pub lnd_compat: bool,
    /// Accept a store created in another mode and change its mode.
    pub convert: bool,
    /// Walk the whole file at every open, not only after an unclean end or a write since the close.
    pub verify_always: bool,
    /// Rewrite the file without its free pages before anything else, which takes about as long as copying
    /// it. Without disk space for the copy the store opens as it is; see [`OpenReport::compacted`].
    pub compact: bool,
    /// Refuse a store with another id than this one.
    pub expected_store_id: Option<[u8; 16]>,
    /// Refuse a store whose epoch, as of its last open, is below this number, which the host keeps
    /// elsewhere: an old copy was put in place.
    pub epoch_min: u64,
    /// Seed of every random number, for replays; the operating system's randomness without it.
    pub seed: Option<[u8; 32]>,
    /// Largest size of the memory map, and so of the data; 0 means 1 TiB.
    pub map_bytes_max: u64,
    /// First size of the memory map; 0 means 1 GiB.
    pub map_bytes: u64,
    /// Operations that may wait for the disk; 0 means 16,384.
    pub queue_operations_max: usize,
    /// Kinds of events to record, as bits `1 << kind`; `None` means all but attempts' init and mark.
    pub event_kinds: Option<u64>,
    /// Disk that unread events may pin; 0 means 256 MiB.
    pub events_bytes_max: u64,
    /// Age after which unread events are cut; 0 means never.
    pub events_age_max_secs: u64,
}

impl StoreOptions {
    pub(crate) fn map_bytes_or_default(&self) -> u64 {
        let bytes = if self.map_bytes == 0 { MAP_BYTES_DEFAULT } else { self.map_bytes };
        bytes.min(self.map_bytes_max_or_default()).next_multiple_of(65_536)
    }

    /// The first size of the map for a file of this many bytes, with room for the commit of the open.
    pub(crate) fn map_bytes_for(&self, used_bytes: u64) -> u64 {
        let cap = self.map_bytes_max_or_default();
        let mut bytes = self.map_bytes_or_default();
        while bytes < cap && bytes < used_bytes.saturating_add(OPEN_BYTES) {
            bytes = bytes.saturating_mul(2).min(cap);
        }
        bytes
    }

    pub(crate) fn map_bytes_max_or_default(&self) -> u64 {
        let bytes =
            if self.map_bytes_max == 0 { MAP_BYTES_MAX_DEFAULT } else { self.map_bytes_max };
        bytes.min(1 << 46).next_multiple_of(65_536)
    }

    pub(crate) fn queue_operations_max_or_default(&self) -> usize {
        if self.queue_operations_max == 0 { QUEUE_OPS_MAX } else { self.queue_operations_max }
    }

    pub(crate) fn event_settings(&self) -> EventSettings {
        let bytes_max = match self.events_bytes_max {
            0 => EVENTS_BYTES_MAX_DEFAULT,
            bytes => bytes,
        };
        EventSettings { kinds: self.event_kinds, bytes_max, age_max_secs: self.events_age_max_secs }
    }
}

/// The store's part of the events' settings; what a kind means is the events' business.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EventSettings {
    pub(crate) kinds: Option<u64>,
    pub(crate) bytes_max: u64,
    pub(crate) age_max_secs: u64,
}

/// Choices at a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestoreOptions {
    /// Accept a network or FUSE file system, although it may lose flushed data.
    pub any_file_system: bool,
}

/// What an open found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenReport {
    /// Random identity of the store, the same for its whole life.
    pub store_id: [u8; 16],
    /// Rises by one at each open; worth keeping elsewhere, see [`StoreOptions::epoch_min`].
    pub epoch: u64,
    /// The files were made by this open.
    pub created: bool,
    /// The last holder did not close the store: it crashed or was killed.
    pub unclean: bool,
    /// The file was rewritten without its free pages.
    pub compacted: bool,
    /// The files are a copy: new attempts wait for an acknowledgement.
    pub copied: bool,
    /// The files were restored from a backup: new attempts wait for an acknowledgement.
    pub restored: bool,
    /// The directory lies in memory and dies with the machine.
    pub on_tmpfs: bool,
    /// The directory lies on an overlay; the lower layers decide about durability.
    pub on_overlay: bool,
    /// The last time the host told before.
    pub clock: Clock,
}
