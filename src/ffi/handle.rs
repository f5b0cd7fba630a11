//! Handles: 64 bits that are checked on every use.
//!
//! N1 zero is never a handle. N2 a closed, forged or wrong-type handle is BAD_HANDLE, also while another
//! thread closes it. N3 an object lives until the last call inside it has left. N4 a slot's generation is
//! never used twice; an exhausted slot is retired.
//!
//! Layout: type tag 8 bits, slot 24 bits, generation 32 bits. Calls are counted in shards by thread, so that
//! two threads on one handle do not share a cache line.

use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::operations::Completions;
use crate::attempts::Attempts;
#[cfg(feature = "backup")]
use crate::backup::Backup;
use crate::error::{Error, Result, Status};
use crate::events::Events;
use crate::monitors::Monitors;
use crate::payments::Payments;
use crate::peer_storage::PeerStorage;
#[cfg(feature = "backup")]
use crate::recovery::Recovery;
use crate::resources::Resources;
use crate::store::Store;
#[cfg(feature = "backup")]
use crate::store::volatile::Volatile;

/// Handles open at one time in a process.
const SLOTS: usize = 4_096;
const SHARDS: usize = 8;

/// What a handle stands for.
pub(super) enum Object {
    Store(StoreObject),
    Attempts(Attempts),
    Events(Events),
    Payments(Payments),
    Monitors(Monitors),
    Resources(Resources),
    PeerStorage(PeerStorage),
    #[cfg(feature = "backup")]
    Backup(Backup),
    #[cfg(feature = "backup")]
    Recovery(Box<Volatile<Recovery>>),
}

/// A store with the queue of its asynchronous answers.
pub(super) struct StoreObject {
    pub(super) store: Arc<Store>,
    pub(super) completions: Arc<Completions>,
}

/// Type of a handle, its highest eight bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Store = 0x51,
    Attempts = 0x52,
    Events = 0x53,
    Payments = 0x54,
    Monitors = 0x55,
    Resources = 0x56,
    PeerStorage = 0x57,
    #[cfg(feature = "backup")]
    Backup = 0x58,
    #[cfg(feature = "backup")]
    Recovery = 0x59,
}

impl Object {
    fn tag(&self) -> Tag {
        match self {
            Object::Store(_) => Tag::Store,
            Object::Attempts(_) => Tag::Attempts,
            Object::Events(_) => Tag::Events,
            Object::Payments(_) => Tag::Payments,
            Object::Monitors(_) => Tag::Monitors,
            Object::Resources(_) => Tag::Resources,
            Object::PeerStorage(_) => Tag::PeerStorage,
            #[cfg(feature = "backup")]
            Object::Backup(_) => Tag::Backup,
            #[cfg(feature = "backup")]
            Object::Recovery(_) => Tag::Recovery,
        }
    }
}

#[repr(align(64))]
#[derive(Default)]
struct Shard(AtomicUsize);

#[derive(Default)]
struct Slot {
    /// The handle that is open here, 0 without one.
    open: AtomicU64,
    generation: AtomicU32,
    object: AtomicPtr<Object>,
    inside: [Shard; SHARDS],
}

static TABLE: [OnceLock<Box<Slot>>; SLOTS] = [const { OnceLock::new() }; SLOTS];
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());
static USED: AtomicUsize = AtomicUsize::new(0);

fn shard_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    SHARD.try_with(|shard| *shard).unwrap_or(0)
}

fn slot_of(bits: u64) -> Option<&'static Slot> {
    let index = (bits >> 32) & 0xff_ffff;
    TABLE.get(index as usize)?.get().map(|slot| &**slot)
}

/// Opens a handle on an object.
pub(super) fn open(object: Object) -> Result<u64> {
    let index = match FREE.lock().pop() {
        Some(index) => index,
        None => USED.fetch_add(1, Ordering::Relaxed),
    };
    let Some(cell) = TABLE.get(index) else {
        USED.fetch_sub(1, Ordering::Relaxed);
        return Err(Error::new(Status::Busy, format!("{SLOTS} handles are open; close some")));
    };
    let slot = cell.get_or_init(Box::default);
    let generation = slot.generation.fetch_add(1, Ordering::Relaxed) + 1;
    let bits = (object.tag() as u64) << 56 | (index as u64) << 32 | u64::from(generation);
    slot.object.store(Box::into_raw(Box::new(object)), Ordering::SeqCst);
    slot.open.store(bits, Ordering::SeqCst);
    Ok(bits)
}

/// Keeps an object alive during a call.
struct Inside {
    slot: &'static Slot,
    shard: usize,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.slot.inside[self.shard].0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn enter(bits: u64, tag: Tag) -> Result<Inside> {
    let bad = || {
        let message = format!("handle {bits:#x} is not an open {tag:?} handle");
        Error::new(Status::BadHandle, message)
    };
    if bits >> 56 != tag as u64 {
        return Err(bad());
    }
    let slot = slot_of(bits).ok_or_else(bad)?;
    let shard = shard_of_this_thread();
    slot.inside[shard].0.fetch_add(1, Ordering::SeqCst);
    let inside = Inside { slot, shard };
    // Counted first, checked second: a close that this check misses sees the count.
    if slot.open.load(Ordering::SeqCst) == bits { Ok(inside) } else { Err(bad()) }
}

fn with_object<T>(bits: u64, tag: Tag, run: impl FnOnce(&Object) -> Result<T>) -> Result<T> {
    let inside = enter(bits, tag)?;
    let object = inside.slot.object.load(Ordering::SeqCst);
    // SAFETY: the slot was open after this call was counted, so `close` waits for it before freeing.
    run(unsafe { &*object })
}

/// Runs a call on an open store.
pub(super) fn with_store<T>(bits: u64, run: impl FnOnce(&StoreObject) -> Result<T>) -> Result<T> {
    with_object(bits, Tag::Store, |object| match object {
        Object::Store(store) => run(store),
        _ => Err(Status::BadHandle.into()),
    })
}

/// Runs a call on open attempts.
pub(super) fn with_attempts<T>(bits: u64, run: impl FnOnce(&Attempts) -> Result<T>) -> Result<T> {
    with_object(bits, Tag::Attempts, |object| match object {
        Object::Attempts(attempts) => run(attempts),
        _ => Err(Status::BadHandle.into()),
    })
}

/// Runs a call on an open cursor.
pub(super) fn with_events<T>(bits: u64, run: impl FnOnce(&Events) -> Result<T>) -> Result<T> {
    with_object(bits, Tag::Events, |object| match object {
        Object::Events(events) => run(events),
        _ => Err(Status::BadHandle.into()),
    })
}

/// Runs a call on open payments.
pub(super) fn with_payments<T>(bits: u64, run: impl FnOnce(&Payments) -> Result<T>) -> Result<T> {
    with_object(bits, Tag::Payments, |object| match object {
        Object::Payments(payments) => run(payments),
        _ => Err(Status::BadHandle.into()),
    })
}

/// Runs a call on open monitors.
pub(super) fn with_monitors<T>(bits: u64, run: impl FnOnce(&Monitors) -> Result<T>) -> Result<T> {
    with_object(bits, Tag::Monitors, |object| match object {
        Object::Monitors(monitors) => run(monitors),
        _ => Err(Status::BadHandle.into()),
    })
}

/// Runs a call on open resources.
pub(super) fn with_resources<T>(bits: u64, run: impl FnOnce(&Resources) -> Result<T>) -> Result<T> {
    with_object(bits, Tag::Resources, |object| match object {
        Object::Resources(resources) => run(resources),
        _ => Err(Status::BadHandle.into()),
    })
}

/// Runs a call on open peer storage.
pub(super) fn with_peer_storage<T>(
    bits: u64,
    run: impl FnOnce(&PeerStorage) -> Result<T>,
) -> Result<T> {
    with_object(bits, Tag::PeerStorage, |object| match object {
        Object::PeerStorage(peer_storage) => run(peer_storage),
        _ => Err(Status::BadHandle.into()),
    })
}

/// Runs a call on an open backup.
#[cfg(feature = "backup")]
pub(super) fn with_backup<T>(bits: u64, run: impl FnOnce(&Backup) -> Result<T>) -> Result<T> {
    with_object(bits, Tag::Backup, |object| match object {
        Object::Backup(backup) => run(backup),
        _ => Err(Status::BadHandle.into()),
    })
}

/// Runs a call on an open recovery; one at a time.
#[cfg(feature = "backup")]
pub(super) fn with_recovery<T>(
    bits: u64,
    run: impl FnOnce(&mut Recovery) -> Result<T>,
) -> Result<T> {
    with_object(bits, Tag::Recovery, |object| match object {
        Object::Recovery(recovery) => run(&mut *recovery.hold()?),
        _ => Err(Status::BadHandle.into()),
    })
}

/// Whether a handle of this type is open now.
pub(super) fn is_open(bits: u64, tag: Tag) -> bool {
    enter(bits, tag).is_ok()
}

/// Closes a handle: new calls are refused at once, `wind_up` ends the object's work so that calls inside it
/// are answered, and the object is freed when the last of them has left.
pub(super) fn close(
    bits: u64,
    tag: Tag,
    wind_up: impl FnOnce(&Object) -> Result<()>,
) -> Result<()> {
    let slot = {
        let inside = enter(bits, tag)?;
        let closed = inside.slot.open.compare_exchange(bits, 0, Ordering::SeqCst, Ordering::SeqCst);
        if closed.is_err() {
            return Err(Error::new(Status::BadHandle, "another thread closed the handle"));
        }
        inside.slot
    };
    let object = slot.object.load(Ordering::SeqCst);
    // SAFETY: only the one call that took the handle out of the slot gets here, and it frees the object
    // below, after every other call has left.
    let wound_up = wind_up(unsafe { &*object });
    wait_until_left(slot);
    // SAFETY: made by `Box::into_raw` in `open`; nobody is inside and nobody can enter.
    drop(unsafe { Box::from_raw(object) });
    if slot.generation.load(Ordering::Relaxed) != u32::MAX {
        FREE.lock().push(((bits >> 32) & 0xff_ffff) as usize);
    }
    wound_up
}

fn wait_until_left(slot: &Slot) {
    let mut pause = Duration::from_micros(1);
    while slot.inside.iter().any(|shard| shard.0.load(Ordering::SeqCst) != 0) {
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(1));
    }
}
