//! The writer's queue and the writer: threads submit, one may close the store, one commit may fail.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use shuttle::rand::Rng;

use crate::error::{Class, Error, Status};
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Rows, Space};
use crate::store::failpoints::Fault;
use crate::store::opening::in_memory::{self, Image};
use crate::store::tables::Table;
use crate::store::{Grouping, Store};

const SUBMITTERS: u8 = 3;
const EACH: u8 = 2;

/// One row, or a refusal.
struct Put {
    key: Vec<u8>,
    is_refused: bool,
}

impl Command for Put {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        assert!(batch.row(Table::EventCursors, &self.key)?.is_none(), "applied twice");
        batch.put(Table::EventCursors, &self.key, &[0; 16])?;
        if self.is_refused {
            return Err(Status::Conflict.into());
        }
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 64 }
    }

    fn space(&self) -> Space {
        Space::Grows
    }
}

fn put(key: &[u8], is_refused: bool) -> Arc<dyn Command> {
    Arc::new(Put { key: key.to_vec(), is_refused })
}

fn is_there(image: &Image, key: &[u8]) -> bool {
    image[Table::EventCursors as usize].contains_key(key)
}

/// What a submission was told: its rows are there, are not there, or nobody knows.
struct Told {
    keys: Vec<Vec<u8>>,
    is_there: Option<bool>,
}

/// What is shared by the threads of one schedule.
struct Stage {
    store: Arc<Store>,
    fault: Option<Fault>,
    accepted: AtomicUsize,
    answered: AtomicUsize,
}

impl Stage {
    /// What an error promises, and whether it may be given here.
    fn judge(&self, error: &Error) -> Option<bool> {
        match error.status() {
            Status::Closed | Status::Busy | Status::Conflict | Status::Aborted => Some(false),
            Status::NoSpace => {
                assert_eq!(self.fault, Some(Fault::NoSpace), "no space, without a reason");
                Some(false)
            }
            Status::Poisoned => {
                assert!(self.fault.is_some(), "poisoned without a reason");
                Some(false)
            }
            status => {
                assert_eq!(error.class(), Class::Unknown, "{status:?}");
                assert!(self.fault.is_some(), "lost without a fault");
                None
            }
        }
    }

    fn told(&self, key: &[u8], outcome: &Outcome) -> Told {
        let is_there = match outcome {
            Ok(_) => Some(true),
            Err(error) => self.judge(error),
        };
        let told = Told { keys: vec![key.to_vec()], is_there };
        told.check(&in_memory::image(&self.store));
        told
    }

    fn submit(self: &Arc<Stage>, key: [u8; 2]) -> Vec<Told> {
        let other = [key[0], key[1], 1];
        match shuttle::rand::thread_rng().gen_range(0..5) {
            0 => {
                let outcome = self.store.submit_one(Put { key: key.to_vec(), is_refused: false });
                vec![self.told(&key, &outcome)]
            }
            1 => self.submit_two(&key, &other, false, Grouping::Independent),
            2 => self.submit_two(&key, &other, false, Grouping::Atomic),
            3 => self.submit_two(&key, &other, true, Grouping::Atomic),
            _ => {
                self.submit_async(&key);
                Vec::new()
            }
        }
    }

    fn submit_two(
        &self,
        key: &[u8],
        other: &[u8],
        is_refused: bool,
        grouping: Grouping,
    ) -> Vec<Told> {
        let commands = vec![put(key, false), put(other, is_refused)];
        match self.store.submit(commands, grouping) {
            Ok(outcomes) => {
                assert_eq!(outcomes.len(), 2, "one answer for each");
                vec![self.told(key, &outcomes[0]), self.told(other, &outcomes[1])]
            }
            Err(error) => vec![Told {
                keys: vec![key.to_vec(), other.to_vec()],
                is_there: self.judge(&error),
            }],
        }
    }

    fn submit_async(self: &Arc<Stage>, key: &[u8]) {
        let stage = Arc::clone(self);
        let told_key = key.to_vec();
        let answer = Box::new(move |outcomes: Vec<Outcome>| {
            assert_eq!(outcomes.len(), 1);
            stage.told(&told_key, &outcomes[0]);
            stage.answered.fetch_add(1, Ordering::Relaxed);
        });
        match self.store.submit_async(vec![put(key, false)], Grouping::Independent, answer) {
            Ok(()) => {
                self.accepted.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                self.judge(&error);
            }
        }
    }
}

impl Told {
    fn check(&self, image: &Image) {
        for key in &self.keys {
            if let Some(wanted) = self.is_there {
                assert_eq!(
                    is_there(image, key),
                    wanted,
                    "{key:?} is not what was answered (D1, D2)"
                );
            }
        }
    }
}

fn fault() -> Option<Fault> {
    match shuttle::rand::thread_rng().gen_range(0..8) {
        0 => Some(Fault::CommitFailsBefore),
        1 => Some(Fault::CommitFailsAfter),
        2 => Some(Fault::NoSpace),
        _ => None,
    }
}

/// One schedule.
pub fn run() {
    let fault = fault();
    let room = shuttle::rand::thread_rng().gen_range(1..6);
    let closes_early = shuttle::rand::thread_rng().gen_range(0..2) == 0;
    let store = in_memory::open(in_memory::empty(), room);
    if let Some(fault) = fault {
        store.inject_after(shuttle::rand::thread_rng().gen_range(0..3), fault);
    }
    let (accepted, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let stage = Arc::new(Stage { store, fault, accepted, answered });
    let submitters: Vec<_> = (0..SUBMITTERS)
        .map(|thread| {
            let stage = Arc::clone(&stage);
            std::thread::spawn(move || {
                (0..EACH).flat_map(|number| stage.submit([thread, number])).collect::<Vec<_>>()
            })
        })
        .collect();
    if closes_early {
        let poisoned = stage.store.close().is_err();
        assert!(!poisoned || fault.is_some(), "a close failed without a reason");
    }
    let told: Vec<Told> =
        submitters.into_iter().flat_map(|thread| thread.join().expect("a submitter")).collect();
    drop(stage.store.close());
    let image = in_memory::image(&stage.store);
    told.iter().for_each(|told| told.check(&image));
    let counts = (stage.accepted.load(Ordering::Relaxed), stage.answered.load(Ordering::Relaxed));
    assert_eq!(counts.0, counts.1, "accepted and answered (Q4)");
}
