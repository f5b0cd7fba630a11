//! The locks that lnkeep uses, by shuttle, under the names of `parking_lot`.
//!
//! Time does not pass. A wait of less than [`LONG`] may end at any moment; a longer one ends by being woken
//! alone, so that a lost wake-up is a deadlock, which shuttle finds, and not a pause.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Plain, PoisonError};
use std::time::{Duration, Instant};

use shuttle::rand::Rng;
use shuttle::sync as shuttled;

/// What no caller should ever wait for.
const LONG: Duration = Duration::from_secs(1);
/// How many other tasks' turns a short wait lasts at most.
const TURNS: u32 = 6;

/// A lock that a panic does not poison.
pub struct Mutex<T: ?Sized>(shuttled::Mutex<T>);

/// A lock that is held. It has no guard only while it waits.
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    guard: Option<shuttled::MutexGuard<'a, T>>,
}

const HELD: &str = "a guard has its lock but while it waits";

impl<T> Mutex<T> {
    pub const fn new(value: T) -> Mutex<T> {
        Mutex(shuttled::Mutex::new(value))
    }
}

impl<T: ?Sized> Mutex<T> {
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        MutexGuard { mutex: self, guard: Some(guard) }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutex")
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.guard.as_ref().expect(HELD)
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect(HELD)
    }
}

/// Whether a wait ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

/// Whom a task may wait for.
pub struct Condvar {
    inner: shuttled::Condvar,
    /// Tasks that wait in `inner`.
    patient: AtomicUsize,
    /// Those of short waits, and whether they were woken.
    hasty: Plain<VecDeque<Arc<AtomicBool>>>,
}

impl Condvar {
    pub const fn new() -> Condvar {
        Condvar {
            inner: shuttled::Condvar::new(),
            patient: AtomicUsize::new(0),
            hasty: Plain::new(VecDeque::new()),
        }
    }

    pub fn wait<T>(&self, held: &mut MutexGuard<'_, T>) {
        let guard = held.guard.take().expect(HELD);
        self.patient.fetch_add(1, Ordering::Relaxed);
        let guard = self.inner.wait(guard).unwrap_or_else(PoisonError::into_inner);
        held.guard = Some(guard);
    }

    pub fn wait_for<T>(
        &self,
        held: &mut MutexGuard<'_, T>,
        patience: Duration,
    ) -> WaitTimeoutResult {
        if patience >= LONG {
            self.wait(held);
            return WaitTimeoutResult(false);
        }
        let woken = Arc::new(AtomicBool::new(false));
        self.hasty().push_back(Arc::clone(&woken));
        let turns = shuttle::rand::thread_rng().gen_range(0..=TURNS);
        for _ in 0..=turns {
            drop(held.guard.take());
            shuttle::thread::yield_now();
            let guard = held.mutex.0.lock().unwrap_or_else(PoisonError::into_inner);
            held.guard = Some(guard);
            if woken.load(Ordering::Relaxed) {
                return WaitTimeoutResult(false);
            }
        }
        self.hasty().retain(|other| !Arc::ptr_eq(other, &woken));
        WaitTimeoutResult(true)
    }

    pub fn wait_until<T>(&self, held: &mut MutexGuard<'_, T>, until: Instant) -> WaitTimeoutResult {
        self.wait_for(held, until.saturating_duration_since(Instant::now()))
    }

    pub fn notify_one(&self) -> bool {
        let patient = self.patient.load(Ordering::Relaxed);
        let hasty = self.hasty().len();
        let takes_hasty =
            hasty != 0 && (patient == 0 || shuttle::rand::thread_rng().gen_range(0..2) == 0);
        if takes_hasty {
            // Nobody else runs between this and the look above.
            let woken = self.hasty().pop_front();
            woken.iter().for_each(|woken| woken.store(true, Ordering::Relaxed));
            shuttle::thread::yield_now();
            return true;
        }
        // The inner one's place to let others run comes before it looks who waits.
        self.inner.notify_one();
        if patient != 0 {
            self.patient.fetch_sub(1, Ordering::Relaxed);
        }
        patient != 0
    }

    pub fn notify_all(&self) -> usize {
        let hasty: Vec<_> = self.hasty().drain(..).collect();
        hasty.iter().for_each(|woken| woken.store(true, Ordering::Relaxed));
        self.inner.notify_all();
        hasty.len() + self.patient.swap(0, Ordering::Relaxed)
    }

    fn hasty(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<AtomicBool>>> {
        self.hasty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Condvar {
    fn default() -> Condvar {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condvar")
    }
}

/// Many readers or one writer.
pub struct RwLock<T: ?Sized>(shuttled::RwLock<T>);

pub type RwLockReadGuard<'a, T> = shuttled::RwLockReadGuard<'a, T>;
pub type RwLockWriteGuard<'a, T> = shuttled::RwLockWriteGuard<'a, T>;

impl<T> RwLock<T> {
    pub const fn new(value: T) -> RwLock<T> {
        RwLock(shuttled::RwLock::new(value))
    }
}

impl<T: ?Sized> RwLock<T> {
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> RwLock<T> {
        RwLock::new(T::default())
    }
}
