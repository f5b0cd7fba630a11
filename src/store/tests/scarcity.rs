//! What cannot be had for want of memory is refused with BUSY: nothing of it is applied, nobody else's work
//! is refused, and the process goes on. An allocation that could not be refused would end these tests.

use super::super::blob::{self, Owner};
use super::super::env::EngineError;
use super::super::opening::read_meta;
use super::super::record;
use super::super::walk::{NoReferences, References};
use super::*;
use crate::limits::BATCH_OPS_MAX;
use crate::os::scarcity;
use crate::store::shortage::Shortage;

fn shared(sequences: impl Iterator<Item = u64>) -> Vec<Arc<dyn Command>> {
    sequences.map(|sequence| Put::shared(sequence, false)).collect()
}

/// The story: 1,024 attempts went into one commit while memory was short. There was no room for their
/// outcomes, and the writer collected as many refusals to say so, for which there was no more room: the
/// process ended.
#[test]
fn outcomes_without_room_are_refused_before_anything_waits() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let many = shared(0..BATCH_OPS_MAX as u64);
    let refused = scarcity::during(|| store.submit(many, Grouping::Atomic)).unwrap_err();
    assert_eq!((refused.status(), store.core.queue.depth()), (Status::Busy, 0));
    assert_eq!(rows(&store), []);
}

#[test]
fn the_writer_answers_and_refuses_a_full_submission_without_memory_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let shortage = Shortage::new(&store);
    let many = || shared(0..BATCH_OPS_MAX as u64);
    store.inject(Some(Fault::NoSpace));
    let refused = store.submit(many(), Grouping::Independent).unwrap();
    assert_eq!(refused.len(), BATCH_OPS_MAX);
    assert!(refused.iter().all(|outcome| status_of(outcome) == Status::NoSpace));
    let applied = store.submit(many(), Grouping::Independent).unwrap();
    assert!(applied.iter().all(|outcome| status_of(outcome) == Status::Done));
    assert_eq!(applied.len(), BATCH_OPS_MAX);
    drop(shortage);
    assert_eq!(rows(&store).len(), BATCH_OPS_MAX);
}

/// The writer is held up in an answer until this is dropped.
fn hold_up(store: &Store) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (reached, reaches) = mpsc::channel();
    let answer = Box::new(move |_| {
        reached.send(()).unwrap();
        released.recv().unwrap_err();
    });
    let commands = vec![Put::shared(u64::MAX, false)];
    store.submit_async(commands, Grouping::Independent, answer).unwrap();
    reaches.recv().unwrap();
    release
}

/// The story: the disk was slow and a thousand single operations waited, while memory was short. The queue
/// grew beyond what could be had, under the caller, and then the batch did, under the writer.
#[test]
fn a_queue_that_cannot_grow_refuses_and_a_batch_that_cannot_ends_early() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let shortage = Shortage::new(&store);
    let held_up = hold_up(&store);
    let (sender, receiver) = mpsc::channel();
    let submit = |sequence| {
        let sender = sender.clone();
        let answer = move |outcomes: Vec<Outcome>| sender.send(status_of(&outcomes[0])).unwrap();
        store.submit_async(
            vec![Put::shared(sequence, false)],
            Grouping::Independent,
            Box::new(answer),
        )
    };
    let accepted =
        scarcity::during(|| (0..1_000).find_map(|at| submit(at).err().map(|error| (at, error))));
    let (accepted, refusal) = accepted.expect("the queue has grown without memory");
    assert_eq!(refusal.status(), Status::Busy);
    (accepted..1_000).for_each(|sequence| submit(sequence).unwrap());
    drop(held_up);
    let answers: Vec<_> = receiver.iter().take(1_000).collect();
    assert_eq!(answers, vec![Status::Done; 1_000]);
    drop(shortage);
    assert_eq!(rows(&store).len(), 1_001);
}

/// The story: a group of 1,024 operations wrote some thousand rows while memory was short, and the list by
/// which they would be taken back could not grow: the process ended.
#[test]
fn a_command_whose_rows_could_not_be_taken_back_is_refused_and_leaves_none() {
    struct Clear(u64);
    impl Command for Clear {
        fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
            (0..self.0).try_for_each(|sequence| {
                batch.delete(Table::Events, &sequence.to_be_bytes()).map(drop)
            })?;
            Ok(Reply::done())
        }
        fn cost(&self) -> Cost {
            Cost { rows: self.0, bytes: 0 }
        }
        fn space(&self) -> Space {
            Space::Settles
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    let put = |rows: std::ops::Range<u64>| Put {
        rows: rows.map(|sequence| (sequence, vec![7; 9])).collect(),
        refuse: false,
    };
    store.submit_one(put(0..1_000)).unwrap();
    let commits = store.stats().unwrap().commits;
    let shortage = Shortage::new(&store);
    assert_eq!(store.submit_one(put(500..1_500)).unwrap_err().status(), Status::Busy);
    assert_eq!(store.submit_one(Clear(1_000)).unwrap_err().status(), Status::Busy);
    assert_eq!(store.stats().unwrap().commits, commits, "nothing was left to commit");
    store.submit_one(put(2_000..2_100)).expect("what fits is applied");
    drop(shortage);
    assert_eq!(rows(&store).len(), 1_100);
    store.submit_one(Clear(1_000)).unwrap();
    store.close().unwrap();
    assert_eq!(rows(&open(&path)).len(), 100, "heads follow what was taken back");
}

/// The story: LMDB had no memory for a page that a row was to go to. Nothing was written, and the store was
/// poisoned all the same: IO, and nothing but a restart helped.
#[test]
fn an_engine_without_memory_before_the_commit_refuses_the_batch_and_the_store_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    store.submit_one(Put::one(1)).unwrap();
    let commands = || vec![Put::shared(2, false), Put::shared(3, true), Put::shared(4, false)];
    for grouping in [Grouping::Independent, Grouping::Atomic] {
        for write in 0..2 {
            store.inject(Some(Fault::NoMemory(write)));
            let outcomes = store.submit(commands(), grouping).unwrap();
            let statuses: Vec<_> = outcomes.iter().map(status_of).collect();
            assert_eq!(statuses, [Status::Busy; 3], "{grouping:?} {write}");
            assert!(Status::Busy.is_definite());
            assert_eq!(rows(&store), [1]);
        }
    }
    store.submit(commands(), Grouping::Independent).unwrap();
    store.close().unwrap();
    assert_eq!(rows(&open(&path)), [1, 2, 4], "heads count nothing of what was refused");
}

#[test]
fn an_engine_without_memory_at_the_commit_has_an_unknown_outcome() {
    let error = EngineError::Code(libc::ENOMEM).at_the_end();
    assert_eq!((error.status(), error.os_errno()), (Status::Io, libc::ENOMEM));
}

/// The story: one bit of a row of 4 MiB decayed, and the walk after an unclean end copied the row to compute
/// its right checksum.
#[test]
fn a_large_damaged_row_is_corrected_without_a_copy() {
    let mut row = record::seal(Table::Events, &[1; 8], &vec![7; 1 << 20]);
    let right = record::digest_share(Table::Events, &[1; 8], &row);
    row[2] ^= 1;
    let wrong = record::digest_share(Table::Events, &[1; 8], &row);
    let correction = scarcity::during(|| record::correction(Table::Events, &[1; 8], &row));
    assert_eq!(correction, Some(right.wrapping_sub(wrong)));
}

#[test]
fn values_that_are_staged_or_saved_without_memory_leave_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let values = vec![&b"small"[..]; 600];
    let staged = scarcity::during(|| {
        store.blobs().stage_all(&values, Space::Grows).map(|staged| staged.len())
    });
    assert_eq!(staged.unwrap_err().status(), Status::Busy);
    let staged = store.blobs().stage_all(&values, Space::Grows).unwrap();
    assert_eq!(staged.len(), 600);
    drop(staged);
    store.blobs().put(b"name", &vec![7; 1 << 18]).unwrap();
    let key = blob::key_of(Owner::Host, b"name").unwrap();
    let read = || store.read(|view| blob::read_damaged(view, &key));
    assert_eq!(scarcity::during(read).unwrap_err().status(), Status::Busy);
    assert_eq!(read().unwrap(), Some(vec![7; 1 << 18]));
    scarcity::during(|| store.blobs().put(b"name", &[8; 9])).expect("what fits is staged");
}

/// The story: a damaged file had more findings than could be listed without 32 KiB, and the check ended the
/// process of the operator who wanted to know what was left.
#[test]
fn findings_without_room_end_a_walk_with_busy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    store.submit_one(Unreadable(0..600)).unwrap();
    store.close().unwrap();
    let references = || Box::new(NoReferences) as Box<dyn References>;
    let check = || check::check(&path, &references).map(|report| report.findings.len());
    assert_eq!(scarcity::during(check).unwrap_err().status(), Status::Busy);
    assert_eq!(check().unwrap(), 600);
}

/// The story: an open that could not have the two kilobytes of its heads said that the store was damaged, and
/// its operator would have gone back to an older copy.
#[test]
fn rows_of_a_sound_store_that_there_is_no_memory_for_are_not_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let refused = scarcity::during_from(512, || read_meta(&store.core.env).map(drop));
    assert_eq!(refused.unwrap_err().status(), Status::Busy);
    assert!(read_meta(&store.core.env).is_ok());
}
