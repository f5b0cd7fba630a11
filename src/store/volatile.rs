//! What a component keeps in memory beside its rows, under one lock.
//!
//! A panic of a caller that holds it breaks it: nothing more is decided from what may be half changed, and
//! the component answers `Poisoned` until its store is reopened. Called by the components.

use std::ops::{Deref, DerefMut};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::error::{Error, Result, Status};

#[derive(Debug)]
struct Inner<T> {
    value: T,
    is_broken: bool,
}

/// A value that a panic breaks.
#[derive(Debug)]
pub(crate) struct Volatile<T> {
    inner: Mutex<Inner<T>>,
    changed: Condvar,
}

/// The value, locked.
pub(crate) struct Held<'a, T> {
    inner: MutexGuard<'a, Inner<T>>,
    was_panicking: bool,
}

impl<T> Volatile<T> {
    pub(crate) fn new(value: T) -> Volatile<T> {
        let inner = Mutex::new(Inner { value, is_broken: false });
        Volatile { inner, changed: Condvar::new() }
    }

    /// Locks it.
    pub(crate) fn hold(&self) -> Result<Held<'_, T>> {
        let held = self.hold_broken();
        held.check_whole()?;
        Ok(held)
    }

    /// Locks it whatever its state, for those who only end something.
    pub(crate) fn hold_broken(&self) -> Held<'_, T> {
        let was_panicking = std::thread::panicking();
        Held { inner: self.inner.lock(), was_panicking }
    }

    /// Lets go until somebody calls [`Volatile::notify`].
    pub(crate) fn wait(&self, held: &mut Held<'_, T>) -> Result<()> {
        self.changed.wait(&mut held.inner);
        held.check_whole()
    }

    pub(crate) fn notify(&self) {
        self.changed.notify_all();
    }
}

impl<T> Held<'_, T> {
    /// Whether what is locked can still be trusted.
    pub(crate) fn check_whole(&self) -> Result<()> {
        if !self.inner.is_broken {
            return Ok(());
        }
        let fact = "a bug was caught while the state was changed; close the store and reopen it";
        Err(Error::new(Status::Poisoned, fact))
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.inner.value
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner.value
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.was_panicking {
            self.inner.is_broken = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_panic_of_the_holder_breaks_the_value() {
        let volatile = Volatile::new(1);
        *volatile.hold().unwrap() = 2;
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _held = volatile.hold().unwrap();
            panic!("of a test");
        }));
        assert!(caught.is_err());
        assert_eq!(volatile.hold().err().unwrap().status(), Status::Poisoned);
        assert_eq!(*volatile.hold_broken(), 2);
    }
}
