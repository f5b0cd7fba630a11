//! How much one submission may hold, what a step of it answers, and whom the store asks for what it did not
//! write yet.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::WriteBehind;
use super::*;
use crate::limits::{BATCH_BYTES_MAX, BATCH_OPS_MAX};

/// Says that it takes so many bytes, and writes nothing.
struct Sized(u64);

impl Command for Sized {
    fn apply(&self, _batch: &mut Batch<'_>) -> Outcome {
        Ok(Reply::already(Status::Already))
    }
    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: self.0 }
    }
    fn space(&self) -> Space {
        Space::Settles
    }
}

#[test]
fn a_submission_is_refused_one_operation_or_one_byte_beyond_its_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let submit = |sizes: Vec<u64>| {
        let shared = |bytes| Arc::new(Sized(bytes)) as Arc<dyn Command>;
        let commands = sizes.into_iter().map(shared).collect();
        let submitted = store.submit(commands, Grouping::Independent);
        submitted.map(|outcomes| outcomes.len()).map_err(|error| error.status())
    };
    let most = BATCH_BYTES_MAX as u64;
    assert_eq!(submit(vec![0; BATCH_OPS_MAX]), Ok(BATCH_OPS_MAX));
    assert_eq!(submit(vec![0; BATCH_OPS_MAX + 1]), Err(Status::TooBig));
    assert_eq!(submit(vec![0; BATCH_OPS_MAX + 9]), Err(Status::TooBig));
    assert_eq!(submit(vec![most - 1, 1]), Ok(2));
    assert_eq!(submit(vec![most, 1]), Err(Status::TooBig));
    assert_eq!(submit(vec![most, 9]), Err(Status::TooBig));
}

/// A component that counts how often it was asked.
#[derive(Default)]
struct Journal {
    flushed: AtomicUsize,
    ended: AtomicUsize,
}

impl WriteBehind for Journal {
    fn flush(&self) -> Result<()> {
        self.flushed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
    fn end(&self) -> Result<()> {
        self.ended.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn every_component_is_asked_once_at_a_sync_and_once_at_the_close() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let journals = [0, 1].map(|_| Arc::new(Journal::default()));
    let gone = Arc::new(Journal::default());
    let add = |journal: &Arc<Journal>| {
        let weak = Arc::downgrade(journal);
        store.add_journal(weak)
    };
    for journal in [&journals[0], &gone, &journals[1], &journals[0]] {
        add(journal).unwrap();
    }
    drop(gone);
    add(&journals[1]).unwrap();
    let asked = || {
        journals.each_ref().map(|journal| {
            (journal.flushed.load(Ordering::Relaxed), journal.ended.load(Ordering::Relaxed))
        })
    };
    store.sync().unwrap();
    assert_eq!(asked(), [(1, 0); 2]);
    store.close().unwrap();
    assert_eq!(asked(), [(1, 1); 2]);
    assert_eq!(add(&journals[0]).unwrap_err().status(), Status::Closed);
}

#[test]
fn a_submission_that_is_lost_without_an_answer_is_answered_unknown() {
    let slot = Arc::new(Slot::default());
    drop(Filler { slot: Arc::clone(&slot) });
    let outcomes = slot.wait(2).unwrap();
    assert_eq!(outcomes.iter().map(status_of).collect::<Vec<_>>(), [Status::Unknown; 2]);
    let slot = Arc::new(Slot::default());
    slot.fill(Filling::Outcomes(vec![Ok(Reply::done())]));
    drop(Filler { slot: Arc::clone(&slot) });
    let outcomes = slot.wait(1).unwrap();
    assert_eq!(status_of(&outcomes[0]), Status::Done, "an answer stays the answer");
}

#[test]
fn a_step_that_handled_nothing_changed_nothing() {
    assert_eq!((Reply::of_step(0).value, Reply::of_step(0).changed()), (0, false));
    assert_eq!((Reply::of_step(7).value, Reply::of_step(7).changed()), (7, true));
}
