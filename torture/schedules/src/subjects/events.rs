//! Events: nobody who waits at the doorbell misses one, and two takers of one cursor split them.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use shuttle::rand::Rng;

use crate::events::{Event, EventKind, Events, Start, append};
use crate::store::Store;
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Space};
use crate::store::opening::in_memory;
use crate::types::{Clock, Namespace};

const PRODUCERS: u64 = 2;
const EACH: u64 = 2;

/// A change that is told.
struct Tell;

impl Command for Tell {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let event = Event {
            sequence: 0,
            kind: EventKind::AttemptResolved,
            state: 0,
            attempt_state: 0,
            failure_reason: 0,
            flags: 0,
            failure_code: 0,
            subject: [0; 32],
            namespace: Namespace::default(),
            attempt_id: 0,
            amount_msat: 0,
            remaining_msat: 0,
            fees_msat: 0,
            clock: Clock::default(),
        };
        let event_sequence = append(batch, event)?;
        Ok(Reply { event_sequence, ..Reply::done() })
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 128 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

fn is_readable(events: &Events) -> bool {
    let mut asked = libc::pollfd { fd: events.descriptor(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd on this stack.
    unsafe { libc::poll(&mut asked, 1, 0) == 1 }
}

/// What the takers of one cursor have together.
#[derive(Default)]
struct Taken {
    sum: AtomicUsize,
    count: AtomicUsize,
}

impl Taken {
    fn take(&self, events: &Events) {
        let max = shuttle::rand::thread_rng().gen_range(1..4);
        let some = events.take(max).expect("nothing is cut");
        assert!(some.windows(2).all(|two| two[0].sequence + 1 == two[1].sequence), "a hole (V1)");
        for event in some {
            self.sum.fetch_add(event.sequence as usize, Ordering::Relaxed);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn produce(store: &Arc<Store>) {
    for _ in 0..EACH {
        store.submit_one(Tell).expect("nothing refuses it");
    }
}

/// One schedule.
pub fn run() {
    let store = in_memory::open(in_memory::empty(), 64);
    let mut threads: Vec<_> = (0..PRODUCERS)
        .map(|_| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || produce(&store))
        })
        .collect();
    let events = Arc::new(Events::open(&store, b"cursor", Start::Oldest).expect("it opens"));
    let taken = Arc::new(Taken::default());
    for _ in 0..2 {
        let (events, taken) = (Arc::clone(&events), Arc::clone(&taken));
        threads.push(std::thread::spawn(move || {
            for _ in 0..4 {
                if is_readable(&events) {
                    taken.take(&events);
                }
                std::thread::yield_now();
            }
        }));
    }
    threads.into_iter().for_each(|thread| thread.join().expect("a thread of the subject"));
    let all = (PRODUCERS * EACH) as usize;
    while taken.count.load(Ordering::Relaxed) < all {
        assert!(is_readable(&events), "an event is there and the bell is silent (V3)");
        taken.take(&events);
    }
    assert_eq!(taken.count.load(Ordering::Relaxed), all, "one was taken twice");
    assert_eq!(taken.sum.load(Ordering::Relaxed), all * (all + 1) / 2, "one was taken twice");
    while is_readable(&events) {
        taken.take(&events);
    }
    store.close().expect("it closes");
    assert!(is_readable(&events), "who waits is not told of the end");
}
