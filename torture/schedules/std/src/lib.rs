//! The standard library, with shuttle's atomics, channels, thread locals and threads in place of its own.
//! A crate that says `extern crate schedules_std as std` compiles source that names `std` unchanged.

pub use ::std::*;

#[doc(hidden)]
pub mod both {
    pub use ::std::thread_local as of_process;
    pub use shuttle::thread_local as of_task;
}

/// What starts with a constant is one for all tasks, as they are one thread; others are one for each.
#[macro_export]
macro_rules! thread_local {
    ($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = const $init:block $(;)?) => {
        $crate::both::of_process! { $(#[$attr])* $vis static $name: $type = const $init; }
    };
    ($($declared:tt)*) => { $crate::both::of_task! { $($declared)* } };
}

/// Locks are those of `parking_lot`; what is set once and shared stays as it is.
pub mod sync {
    pub use ::std::sync::*;
    pub use shuttle::sync::mpsc;

    /// Every access is a place where another thread may go on.
    pub mod atomic {
        pub use ::std::sync::atomic::Ordering;
        pub use shuttle::sync::atomic::{
            AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU8, AtomicU32, AtomicU64,
            AtomicUsize,
        };
    }
}

/// Tasks that shuttle runs one at a time.
pub mod thread {
    pub use ::std::thread::*;
    pub use shuttle::thread::{Builder, JoinHandle, spawn, yield_now};

    /// Time does not pass: whoever sleeps lets the others go first.
    pub fn sleep(_duration: ::std::time::Duration) {
        shuttle::thread::yield_now();
    }
}
