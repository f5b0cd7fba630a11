//! The handle table: use, close, close twice, forge, and open again in the same place.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

use super::handle::{self, Object, StoreObject, Tag};
use super::operations::{Canary, Completions};
use crate::error::{Result, Status};
use crate::store::Store;
use crate::store::opening::in_memory;

/// One handle, and what is known of it.
struct Opened {
    bits: u64,
    canary: &'static Canary,
    closes: AtomicUsize,
    wound_up: AtomicUsize,
    is_closed: AtomicBool,
}

impl Opened {
    fn new(store: &Arc<Store>, number: u64) -> Arc<Opened> {
        let canary = Canary::new(number);
        let completions = Arc::new(Completions(canary));
        let object = Object::Store(StoreObject { store: Arc::clone(store), completions });
        let bits = handle::open(object).expect("the table has room");
        Arc::new(Opened {
            bits,
            canary,
            closes: AtomicUsize::new(0),
            wound_up: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
        })
    }

    fn look(&self, object: &StoreObject) {
        assert!(object.completions.0.is_alive(), "a call is inside a freed object (N3)");
        assert_eq!(object.completions.0.number, self.canary.number, "another one's object (N4)");
    }

    fn use_it(&self) {
        let was_closed = self.is_closed.load(Ordering::Relaxed);
        let used = handle::with_store(self.bits, |object| {
            self.look(object);
            std::thread::yield_now();
            self.look(object);
            Ok(())
        });
        match used {
            Ok(()) => assert!(!was_closed, "a closed handle was entered (N2)"),
            Err(error) => assert_eq!(error.status(), Status::BadHandle),
        }
    }

    fn close(&self) {
        let wind_up = |object: &Object| -> Result<()> {
            assert_eq!(self.wound_up.fetch_add(1, Ordering::Relaxed), 0, "closed twice (N2)");
            if let Object::Store(store) = object {
                self.look(store);
            }
            Ok(())
        };
        match handle::close(self.bits, Tag::Store, wind_up) {
            Ok(()) => {
                assert!(!self.canary.is_alive(), "a closed object lives on");
                assert_eq!(self.closes.fetch_add(1, Ordering::Relaxed), 0, "closed twice (N2)");
                self.is_closed.store(true, Ordering::Relaxed);
            }
            Err(error) => assert_eq!(error.status(), Status::BadHandle),
        }
    }
}

fn forge(bits: u64) {
    let other_tag = bits ^ (Tag::Store as u64 ^ Tag::Attempts as u64) << 56;
    for forged in [0, bits + 1_000, bits ^ 1 << 40, other_tag, u64::MAX] {
        let entered = handle::with_store(forged, |_| Ok(()));
        assert_eq!(entered.err().map(|error| error.status()), Some(Status::BadHandle));
    }
    assert!(handle::with_attempts(bits, |_| Ok(())).is_err());
    assert!(!handle::is_open(bits, Tag::Events));
}

/// One schedule.
pub fn run() {
    let store = in_memory::unserved();
    let first = Opened::new(&store, 1);
    let mut threads = Vec::new();
    for number in 0..2 {
        let used = Arc::clone(&first);
        threads.push(std::thread::spawn(move || {
            used.use_it();
            if number == 0 {
                used.use_it();
                forge(used.bits);
            }
        }));
        let closed = Arc::clone(&first);
        threads.push(std::thread::spawn(move || {
            closed.close();
            closed.use_it();
        }));
    }
    let old = Arc::clone(&first);
    let again = Arc::clone(&store);
    threads.push(std::thread::spawn(move || {
        let second = Opened::new(&again, 2);
        assert_ne!(second.bits, old.bits, "a generation was used twice (N4)");
        old.use_it();
        second.use_it();
        second.close();
        assert!(second.is_closed.load(Ordering::Relaxed));
        second.use_it();
    }));
    threads.into_iter().for_each(|thread| thread.join().expect("a thread of the subject"));
    assert_eq!(first.closes.load(Ordering::Relaxed), 1, "nobody closed it");
    first.use_it();
}
