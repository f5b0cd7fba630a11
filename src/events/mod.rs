//! Events: a durable, numbered log of changes, written in the same commit as the change.
//!
//! V1 numbers rise by one and are never given twice. V2 a cursor sees every event after the last one it
//! acknowledged, also after a restart, unless the host's limits cut it; then it is told once. V3 the doorbell
//! only says "look": everything is read from the table. V4 a kind that is not recorded costs nothing.
//! Called by the components (`append`) and by `ffi`; calls `store` only.

mod cursor;
mod record;
pub(crate) mod references;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::error::{Error, Result, Status};
use crate::limits::{CURSOR_NAME_BYTES_MAX, PAGE_ROWS_MAX};
use crate::os::Doorbell;
use crate::store::heads::Heads;
use crate::store::tables::Table;
use crate::store::{CommitListener, Reply, Store};

use self::cursor::{Acknowledge, Register, Unregister};
pub(crate) use self::cursor::{EVENT_ROWS, append};
pub use self::record::{Event, EventKind};

/// Kinds that are recorded unless the host chooses otherwise: all but attempts' init and mark.
pub const EVENT_KINDS_DEFAULT: u64 =
    !(EventKind::AttemptInit.bit() | EventKind::AttemptHandedOff.bit());

/// Where a cursor starts when its name is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the oldest event kept.
    Oldest,
    /// After the newest event.
    Newest,
}

/// One named cursor. Cheap to share between threads, but two takers of one cursor split its events.
pub struct Events {
    store: Arc<Store>,
    name: Vec<u8>,
    /// Number of the last event taken.
    position: Mutex<u64>,
    bell: Arc<Bell>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("position", &*self.position.lock()).finish_non_exhaustive()
    }
}

impl Events {
    /// Opens the cursor of a name (1 to 32 bytes), registering it when it is new.
    ///
    /// # Errors
    /// `InvalidArgument` for a name of another length; `TooBig` when 256 cursors exist; the store's errors.
    pub fn open(store: &Arc<Store>, name: &[u8], start: Start) -> Result<Events> {
        if name.is_empty() || name.len() > CURSOR_NAME_BYTES_MAX {
            return Err(Error::new(
                Status::InvalidArgument,
                format!(
                    "a cursor's name has 1 to {CURSOR_NAME_BYTES_MAX} bytes, not {}",
                    name.len()
                ),
            ));
        }
        let registered = store.submit_one(Register { name: name.to_vec(), start })?;
        let doorbell =
            Doorbell::new().map_err(|error| Error::io(Status::Io, &error, "making a doorbell"))?;
        let bell = Arc::new(Bell { doorbell, rung_for: AtomicU64::new(registered.value) });
        let listener: Weak<dyn CommitListener> = Arc::<Bell>::downgrade(&bell);
        store.on_commit(listener);
        let events = Events {
            store: Arc::clone(store),
            name: name.to_vec(),
            position: Mutex::new(registered.value),
            bell,
        };
        if events.newest()? > registered.value {
            events.bell.doorbell.ring();
        }
        Ok(events)
    }

    /// The next events, at most `max` (capped at 1,000), oldest first; empty when there are none.
    /// Never waits. The same events come again after a restart unless acknowledged.
    ///
    /// # Errors
    /// `Truncated` once when unread events were cut: the next call goes on at
    /// [`Events::first_available`]. The store's errors.
    pub fn take(&self, max: usize) -> Result<Vec<Event>> {
        self.bell.doorbell.silence();
        let mut position = self.position.lock();
        let max = max.min(PAGE_ROWS_MAX);
        let (first, events) = self.store.read(|view| {
            let first = cursor::first_sequence(view)?;
            let from = position.saturating_add(1).max(first.unwrap_or(0));
            Ok((first, cursor::read_from(view, from, max + 1)?))
        })?;
        if let Some(first) = first.filter(|first| *first > position.saturating_add(1)) {
            let lost = first - 1 - *position;
            *position = first - 1;
            self.bell.doorbell.ring();
            return Err(Error::new(
                Status::Truncated,
                format!("{lost} unread events were cut; reading goes on at event {first}"),
            ));
        }
        let mut events = events;
        if events.len() > max {
            events.truncate(max);
            self.bell.doorbell.ring();
        }
        if let Some(last) = events.last() {
            *position = last.sequence;
        }
        Ok(events)
    }

    /// Records durably that everything up to `sequence` was dealt with; a smaller number than before is
    /// answered ALREADY.
    ///
    /// # Errors
    /// `NotFound` when the cursor was unregistered; `InvalidArgument` for a number not given yet; the
    /// store's errors.
    pub fn ack(&self, sequence: u64) -> Result<Reply> {
        self.store.submit_one(Acknowledge { name: self.name.clone(), sequence })
    }

    /// Removes the cursor, so that it pins no events.
    ///
    /// # Errors
    /// `NotFound` when it is not registered; the store's errors.
    pub fn unregister(&self) -> Result<Reply> {
        self.store.submit_one(Unregister { name: self.name.clone() })
    }

    /// Number of the oldest event kept; one above the newest when none is kept.
    ///
    /// # Errors
    /// The store's errors.
    pub fn first_available(&self) -> Result<u64> {
        let first = self.store.read(|view| cursor::first_sequence(view))?;
        match first {
            Some(first) => Ok(first),
            None => Ok(self.newest()? + 1),
        }
    }

    /// A descriptor that is readable while there may be events to take. Poll it; never read or close it.
    pub fn descriptor(&self) -> std::os::fd::RawFd {
        self.bell.doorbell.descriptor()
    }

    /// Reads first and locks second: `take` locks first, and a read may wait for the map to grow.
    fn newest(&self) -> Result<u64> {
        let kept = self.store.read(|view| cursor::last_kept(view))?;
        Ok(kept.max(*self.position.lock()))
    }
}

struct Bell {
    doorbell: Doorbell,
    rung_for: AtomicU64,
}

impl CommitListener for Bell {
    fn committed(&self, heads: &Heads) {
        let newest = cursor::sequence_of(&heads.of(Table::Events).last_key).unwrap_or(0);
        if self.rung_for.fetch_max(newest, Ordering::Relaxed) < newest {
            self.doorbell.ring();
        }
    }

    fn ended(&self) {
        self.doorbell.ring();
    }
}
