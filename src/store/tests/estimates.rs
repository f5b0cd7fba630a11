//! Space is made before a transaction for what its commands promise: the promise holds, is not far above
//! what is written, and a disk without that space refuses what grows before what settles.

use std::process::Command as Process;

use super::super::env::{Env, EnvFacts};
use super::super::queue::{Queue, Submission, Taken};
use super::super::space::{Allocation, Room, pages_bound};
use super::super::tables::TABLES;
use super::*;
use crate::limits::{ALLOCATION_STEP_BYTES, BULK_BYTES_MAX, RESERVE_BYTES};

const PAGE: u64 = 4096;

/// Puts rows, and promises what it is told to.
struct Promise {
    rows: Vec<(u64, usize)>,
    cost: Cost,
    lane: Lane,
    space: Space,
}

impl Promise {
    fn of(rows: u64, bytes: u64) -> Promise {
        let cost = Cost { rows, bytes };
        Promise { rows: Vec::new(), cost, lane: Lane::Urgent, space: Space::Grows }
    }

    fn puts(sequence: u64, bytes: usize, space: Space) -> Promise {
        Promise { rows: vec![(sequence, bytes)], space, ..Promise::of(1, bytes as u64) }
    }
}

impl Command for Promise {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        for (sequence, bytes) in &self.rows {
            batch.put(Table::Events, &sequence.to_be_bytes(), &vec![7; *bytes])?;
        }
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        self.cost
    }

    fn submission_bytes(&self) -> u64 {
        0
    }

    fn lane(&self) -> Lane {
        self.lane
    }

    fn space(&self) -> Space {
        self.space
    }
}

/// Removes a row.
struct Remove(u64);

impl Command for Remove {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        batch.delete(Table::Events, &self.0.to_be_bytes())?;
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 0 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// A promise larger than any disk. Of rows, for bytes are bounded by the batch.
fn endless() -> Promise {
    Promise::of(1 << 50, 1)
}

#[test]
fn a_command_that_writes_more_than_it_promised_is_caught() {
    for (rows, bytes) in [(0, 64), (1, 63)] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory.path().join("store"));
        let liar = Promise { rows: vec![(1, 64)], ..Promise::of(rows, bytes) };
        assert_eq!(store.submit_one(liar).unwrap_err().status(), Status::Unknown);
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let honest = Promise { rows: vec![(1, 64), (1, 32)], ..Promise::of(1, 32) };
    store.submit_one(honest).unwrap();
}

#[test]
fn a_transaction_takes_no_more_pages_than_its_bound() {
    let directory = tempfile::tempdir().unwrap();
    let env = Env::create(directory.path(), 1 << 28).unwrap();
    let mut dice = 1u64;
    for (rows, bytes) in [(1, 10), (1, 9_000), (1, 900_000), (40, 300), (1_000, 60), (5_000, 10)] {
        for _ in 0..4 {
            let before = env.facts().unwrap();
            let mut txn = env.write().unwrap();
            let depth_max = txn.depth_max().unwrap();
            for _ in 0..rows {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                txn.put(Table::Events, &dice.to_be_bytes(), &vec![1; bytes]).unwrap();
            }
            txn.commit().unwrap();
            let taken = env.facts().unwrap().pages_used - before.pages_used;
            let cost = Cost { rows, bytes: rows * bytes as u64 };
            let bound = pages_bound(&before, depth_max, cost);
            assert!(taken <= bound, "{rows} rows of {bytes} bytes: {taken} pages, {bound} made");
        }
    }
}

#[test]
fn the_bound_counts_a_path_and_a_split_for_each_row_and_half_pages_for_its_bytes() {
    let facts = EnvFacts { map_bytes: 1 << 40, pages_used: 1 << 30, readers: 0, page_bytes: PAGE };
    let bound = |depth, rows, bytes| pages_bound(&facts, depth, Cost { rows, bytes });
    let base = bound(3, 0, 0);
    let least = 2 * 4 * (TABLES as u64 + 2);
    assert!((least..least + 16).contains(&base), "two paths for each table: {base}");
    let rows = bound(3, 80_000, 0) - base;
    let least = 80_000 * (4 + 1) + 10_000;
    assert!((least..least + least / 200).contains(&rows), "{rows} for 80,000 rows");
    let deeper = bound(4, 80_000, 0) - bound(3, 80_000, 0);
    assert!((80_000..81_000).contains(&deeper), "a level is a page for each row: {deeper}");
    let bytes = bound(3, 0, 80_000 * PAGE) - base;
    assert!((160_000..161_000).contains(&bytes), "{bytes} for 80,000 pages of bytes");
    let small = EnvFacts { pages_used: 50, ..facts };
    let rewritten = pages_bound(&small, 3, Cost { rows: 800, bytes: 0 });
    assert!(rewritten < base + 50 + 900 + 10, "no more are copied than there are: {rewritten}");
}

#[test]
fn space_is_made_ahead_in_steps_and_a_refused_promise_takes_none() {
    let directory = tempfile::tempdir().unwrap();
    let env = Env::create(directory.path(), 1 << 28).unwrap();
    let facts = env.facts().unwrap();
    let mut allocation = Allocation::at_open(&env, &facts).unwrap();
    assert_eq!(allocation.bytes(), facts.pages_used * PAGE);
    let cost = Cost { rows: 1, bytes: 100 };
    assert_eq!(allocation.make_room(&env, &facts, 2, cost), Room::Ample);
    let made = allocation.bytes();
    let needed = (facts.pages_used + pages_bound(&facts, 2, cost)) * PAGE;
    assert_eq!(made, needed + RESERVE_BYTES + ALLOCATION_STEP_BYTES);
    let on_disk = std::fs::metadata(directory.path().join("data.mdb")).unwrap().len();
    assert_eq!(on_disk, made);
    assert_eq!(allocation.make_room(&env, &facts, 2, cost), Room::Ample);
    assert_eq!(allocation.bytes(), made, "there is room already");
    let within_step = Cost { rows: 1, bytes: ALLOCATION_STEP_BYTES / 4 };
    assert_eq!(allocation.make_room(&env, &facts, 2, within_step), Room::Ample);
    assert_eq!(allocation.bytes(), made, "the step has room for it");
    assert_eq!(allocation.make_room(&env, &facts, 2, endless().cost), Room::None);
    assert_eq!(allocation.bytes(), made);
    assert_eq!(allocation.make_room(&env, &facts, 2, cost), Room::Ample);
}

#[test]
fn what_is_too_much_for_the_disk_spoils_nothing_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let (sender, receiver) = mpsc::channel();
    let (open_gate, gate) = mpsc::channel::<()>();
    let ask = |number: usize, command: Arc<dyn Command>, gate: Option<mpsc::Receiver<()>>| {
        let sender = sender.clone();
        let answer = Box::new(move |outcomes: Vec<Outcome>| {
            gate.map(|gate| gate.recv());
            sender.send((number, status_of(&outcomes[0]))).unwrap();
        });
        store.submit_async(vec![command], Grouping::Independent, answer).unwrap();
    };
    // While the first is answered the others come to wait together: they are one batch.
    ask(0, Put::shared(1, false), Some(gate));
    while store.stats().unwrap().queue_depth != 0 {
        std::thread::yield_now();
    }
    ask(1, Put::shared(2, false), None);
    ask(2, Arc::new(endless()), None);
    ask(3, Put::shared(3, false), None);
    assert_eq!(store.stats().unwrap().queue_depth, 3);
    open_gate.send(()).unwrap();
    let mut answers: Vec<_> = receiver.iter().take(4).collect();
    answers.sort_unstable_by_key(|(number, _)| *number);
    let statuses: Vec<_> = answers.into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, [Status::Done, Status::Done, Status::NoSpace, Status::Done]);
    assert_eq!(rows(&store), [1, 2, 3]);
    assert_eq!(store.stats().unwrap().flags & Stats::NO_SPACE, 0, "the last one had room");
}

#[test]
fn a_store_that_was_short_of_space_looks_again_when_it_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    assert!(!store.is_short_of_space());
    assert_eq!(store.submit_one(endless()).unwrap_err().status(), Status::NoSpace);
    assert_ne!(store.stats().unwrap().flags & Stats::NO_SPACE, 0);
    assert!(store.is_short_of_space());
    store.sync().unwrap();
    assert!(!store.is_short_of_space(), "nothing but the question was asked meanwhile");
}

/// Megabytes of the largest file that the child may write.
const SMALL_DISK_MIB: u64 = 24;

#[test]
fn a_disk_that_fills_refuses_what_grows_then_what_settles_and_heals() {
    let program = std::env::current_exe().unwrap();
    // The limit in the shell's blocks of 512 bytes; a soft one, which the child may raise again.
    let script = format!("ulimit -S -f {} && exec \"$@\"", SMALL_DISK_MIB * 2048);
    let name = "store::tests::estimates::on_a_small_disk";
    let child = Process::new("dash")
        .args(["-c", &script, "sh"])
        .arg(program)
        .args(["--exact", name, "--ignored", "--nocapture"])
        .output();
    let Ok(child) = child else { return eprintln!("SKIPPED: dash is not installed") };
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success() && text.contains("1 passed"), "{text}{child:?}");
}

#[test]
#[ignore = "runs in a process of its own, under a limit"]
fn on_a_small_disk() {
    const BYTES: usize = 60_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    let used = || {
        let stats = store.stats().unwrap();
        assert!(stats.pages_used * PAGE <= stats.allocated_bytes);
        assert!(stats.allocated_bytes <= SMALL_DISK_MIB << 20);
        stats.pages_used * PAGE
    };
    let put = |i: u64, space: Space| store.submit_one(Promise::puts(i, BYTES, space));
    let full = (0..).find(|i| put(*i, Space::Grows).is_err()).unwrap();
    assert!((6 << 20..8 << 20).contains(&used()), "the reserve is {RESERVE_BYTES} bytes");
    assert_ne!(store.stats().unwrap().flags & Stats::NO_SPACE, 0);
    store.close().unwrap();
    let compact = StoreOptions { compact: true, ..StoreOptions::default() };
    let again = Store::open(&path, &compact).unwrap();
    assert!(!again.report().compacted, "a copy has no room beside it");
    assert_eq!(count(&again), full);
    again.close().unwrap();
    let store = open(&path);
    let used = || store.stats().unwrap().pages_used * PAGE;
    let put = |i: u64, space: Space| store.submit_one(Promise::puts(i, BYTES, space));
    let end = (full..).find(|i| put(*i, Space::Settles).is_err()).unwrap();
    assert!(used() > 22 << 20, "what settles has the reserve to its end");
    assert_eq!(put(end, Space::Settles).unwrap_err().status(), Status::NoSpace);
    assert_eq!(put(end, Space::Grows).unwrap_err().status(), Status::NoSpace);
    assert_eq!(count(&store), end, "nothing refused was written, nothing else is gone");
    store.submit_one(Remove(0)).expect("what is left is enough to remove");
    let id = std::process::id().to_string();
    let raised = Process::new("prlimit").args(["--fsize=unlimited", "--pid", &id]).status();
    if raised.is_ok_and(|status| status.success()) {
        put(end, Space::Grows).unwrap();
        assert_eq!(store.stats().unwrap().flags & Stats::NO_SPACE, 0);
        assert_eq!(count(&store), end);
    }
}

fn count(store: &Store) -> u64 {
    rows(store).len() as u64
}

fn waiting(lane: Lane, rows: u64, bytes: u64) -> Submission {
    let command: Arc<dyn Command> = Arc::new(Promise { lane, ..Promise::of(rows, bytes) });
    Submission::new(vec![command], Grouping::Independent, Box::new(drop)).unwrap()
}

fn taken(queue: &Queue) -> usize {
    match queue.take(std::time::Duration::ZERO) {
        Taken::Batch(batch) => batch.len(),
        Taken::Idle | Taken::Closed => 0,
    }
}

#[test]
fn a_batch_takes_urgent_work_up_to_its_operations_and_its_bytes() {
    let queue = Queue::new(10_000);
    (0..=BATCH_OPS_MAX).for_each(|_| queue.push(waiting(Lane::Urgent, 1, 1)).unwrap());
    assert_eq!((taken(&queue), taken(&queue)), (BATCH_OPS_MAX, 1));
    let half = BATCH_BYTES_MAX as u64 / 2;
    [half, half, 1].into_iter().for_each(|bytes| {
        queue.push(waiting(Lane::Urgent, 1, bytes)).unwrap();
    });
    assert_eq!((taken(&queue), taken(&queue)), (2, 1));
    queue.push(waiting(Lane::Urgent, 1, u64::MAX)).unwrap();
    queue.push(waiting(Lane::Urgent, 1, u64::MAX)).unwrap();
    assert_eq!((taken(&queue), taken(&queue)), (1, 1), "what is too much alone goes alone");
    let third = BULK_BYTES_MAX as u64 / 4;
    (0..6).for_each(|_| queue.push(waiting(Lane::Bulk, 1, third)).unwrap());
    assert_eq!((taken(&queue), taken(&queue), queue.depth()), (4, 2, 0));
}

#[test]
fn a_queue_takes_what_fits_exactly_and_barriers_beside_it() {
    let queue = Queue::new(3);
    let two = || {
        let one = || Arc::new(Promise::of(1, 1)) as Arc<dyn Command>;
        Submission::new(vec![one(), one()], Grouping::Independent, Box::new(drop)).unwrap()
    };
    queue.push(waiting(Lane::Urgent, 1, 1)).unwrap();
    queue.push(two()).unwrap();
    assert_eq!(queue.push(waiting(Lane::Urgent, 1, 1)).unwrap_err().status(), Status::Busy);
    queue.push(Submission::barrier(Lane::Bulk, Box::new(drop))).unwrap();
    assert_eq!(queue.depth(), 3);
    assert_eq!((taken(&queue), queue.depth()), (3, 0));
    queue.push(waiting(Lane::Urgent, 1, 1)).unwrap();
    queue.push(waiting(Lane::Bulk, 1, 1)).unwrap();
    assert_eq!((queue.drain().count(), queue.depth(), taken(&queue)), (2, 0, 0));
    assert!(!queue.is_closing());
    queue.close();
    assert!(queue.is_closing());
}

#[test]
fn a_submission_costs_what_its_commands_do_together() {
    let one = |rows, bytes| Arc::new(Promise::of(rows, bytes)) as Arc<dyn Command>;
    let sum =
        |commands| Submission::new(commands, Grouping::Atomic, Box::new(drop)).unwrap().cost();
    let cost = sum(vec![one(2, 30), one(5, 700)]);
    assert_eq!((cost.rows, cost.bytes), (7, 730));
    let cost = sum(vec![one(u64::MAX, 1), one(1, u64::MAX)]);
    assert_eq!((cost.rows, cost.bytes), (u64::MAX, u64::MAX));
}
