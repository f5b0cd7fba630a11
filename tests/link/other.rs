//! A second Rust library for one C host: allocates, locks, starts a thread, panics and catches it,
//! all with its own idea of what the standard library is.

use std::collections::BTreeSet;
use std::sync::Mutex;

static NUMBERS: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

#[unsafe(no_mangle)]
pub extern "C" fn other_insert(number: u64) -> u64 {
    let mut numbers = NUMBERS.lock().expect("no call panics while it holds the lock");
    numbers.insert(number);
    numbers.len() as u64
}

#[unsafe(no_mangle)]
pub extern "C" fn other_catches_a_panic() -> i32 {
    std::panic::catch_unwind(|| panic!("the other library panics on purpose")).is_err().into()
}

#[unsafe(no_mangle)]
pub extern "C" fn other_sum() -> u64 {
    let sum = || NUMBERS.lock().expect("no call panics while it holds the lock").iter().sum();
    std::thread::spawn(sum).join().expect("adding up small numbers does not panic")
}
