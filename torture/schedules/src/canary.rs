//! What stands in a store's handle for its queue of answers, and tells whether it lives.

use core::sync::atomic::{AtomicBool, Ordering};

/// Never freed, so that looking after the end is defined, and shows the end.
pub struct Canary {
    pub number: u64,
    is_alive: AtomicBool,
}

impl Canary {
    pub fn new(number: u64) -> &'static Canary {
        Box::leak(Box::new(Canary { number, is_alive: AtomicBool::new(true) }))
    }

    pub fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Relaxed)
    }
}

pub(crate) struct Completions(pub(crate) &'static Canary);

impl Drop for Completions {
    fn drop(&mut self) {
        self.0.is_alive.store(false, Ordering::Relaxed);
    }
}
