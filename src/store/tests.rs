//! The store's promises, with commands made for the purpose.

mod blobs;
mod damage;
mod estimates;
mod figures;
mod files;
mod origins;
mod pages;
mod places;
mod scarcity;
mod staging;
mod submissions;
mod undo;
mod walks;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::batch::{Batch, Command, Cost, Rows, Space};
use super::failpoints::Fault;
use super::tables::Table;
use super::*;
use crate::types::Clock;

/// Puts rows into a table, then refuses if told to: the worst a command may do.
struct Put {
    rows: Vec<(u64, Vec<u8>)>,
    refuse: bool,
}

impl Put {
    fn one(sequence: u64) -> Put {
        Put { rows: vec![(sequence, sequence.to_le_bytes().to_vec())], refuse: false }
    }

    fn shared(sequence: u64, refuse: bool) -> Arc<dyn Command> {
        Arc::new(Put { refuse, ..Put::one(sequence) })
    }
}

impl Command for Put {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        for (sequence, body) in &self.rows {
            batch.put(Table::Events, &sequence.to_be_bytes(), body)?;
        }
        if self.refuse {
            return Err(Status::Conflict.into());
        }
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        let bytes = self.rows.iter().map(|(_, body)| body.len() as u64).sum();
        Cost { rows: self.rows.len() as u64, bytes }
    }

    fn space(&self) -> Space {
        Space::Grows
    }
}

fn open(path: &Path) -> Arc<Store> {
    Store::open(path, &StoreOptions::default()).unwrap()
}

fn open_error(path: &Path) -> Status {
    Store::open(path, &StoreOptions::default()).unwrap_err().status()
}

fn rows(store: &Store) -> Vec<u64> {
    let mut rows = Vec::new();
    store
        .read(|view| {
            view.scan(Table::Events, &[], |key, body| {
                body.unwrap();
                rows.push(u64::from_be_bytes(key.try_into().unwrap()));
                true
            })
        })
        .unwrap();
    rows
}

fn status_of(outcome: &Outcome) -> Status {
    outcome.as_ref().map_or_else(Error::status, |reply| reply.status)
}

#[test]
fn a_store_is_open_once_whatever_the_path_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let link = directory.path().join("link");
    let store = open(&path);
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(open_error(&path), Status::Locked);
    assert_eq!(open_error(&link), Status::Locked);
    store.close().unwrap();
    open(&link);
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    std::fs::create_dir(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o770)).unwrap();
    assert_eq!(open_error(&path), Status::UnsafePlace);
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0, "nothing was written");
}

/// A node's directory was once open to its group, and was made 0700 when the library asked for that. The
/// data file stayed as it was, and so did the open descriptor that somebody in the group had of it: a write
/// through it puts an attempt that was sent back to one that may be sent. Only the directory was looked at.
#[test]
fn a_file_that_others_may_write_to_is_refused_and_one_that_they_may_read_is_not() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    open(&path).close().unwrap();
    for name in ["data.mdb", "owner.lock", "lock.mdb"] {
        let file = path.join(name);
        let set = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode));
        let before = std::fs::read(&file).unwrap();
        for mode in [0o620, 0o602, 0o666, 0o660] {
            set(mode).unwrap();
            let error = Store::open(&path, &StoreOptions::default()).unwrap_err();
            assert_eq!(error.status(), Status::UnsafePlace, "{name} {mode:o}");
            assert!(error.message().contains(name), "{}", error.message());
        }
        assert_eq!(std::fs::read(&file).unwrap(), before, "nothing was written");
        for mode in [0o644, 0o640, 0o600] {
            set(mode).unwrap();
            open(&path).close().unwrap();
        }
    }
}

#[test]
fn a_crash_during_creation_leaves_nothing_that_looks_like_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    std::fs::create_dir_all(path.join("creating")).unwrap();
    std::fs::write(path.join("creating/data.mdb"), b"half").unwrap();
    let store = open(&path);
    assert!(store.report().created);
    assert!(!path.join("creating").exists());
}

#[test]
fn a_store_that_lost_its_data_file_is_not_replaced_by_an_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    open(&path).close().unwrap();
    std::fs::remove_file(path.join("data.mdb")).unwrap();
    assert_eq!(open_error(&path), Status::CorruptStore);
}

#[test]
fn damage_that_would_end_the_process_is_refused_before_the_map() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    store.submit_one(Put::one(1)).unwrap();
    store.close().unwrap();
    let data = path.join("data.mdb");
    let good = std::fs::read(&data).unwrap();
    for damage in ["truncated", "empty", "garbage", "one meta page zeroed"] {
        let mut bytes = good.clone();
        match damage {
            "truncated" => bytes.truncate(3 * 4096),
            "empty" => bytes.clear(),
            "garbage" => bytes.fill(0x5a),
            _ => bytes[4096..8192].fill(0),
        }
        std::fs::write(&data, &bytes).unwrap();
        assert_eq!(open_error(&path), Status::CorruptStore, "{damage}");
    }
    std::fs::write(&data, &good).unwrap();
    assert_eq!(rows(&open(&path)), [1]);
}

#[test]
fn the_epoch_rises_and_an_unclean_end_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let first = open(&path);
    let id = first.report().store_id;
    assert_eq!((first.report().epoch, first.report().unclean), (1, false));
    first.close().unwrap();
    let second = open(&path);
    assert_eq!((second.report().epoch, second.report().unclean), (2, false));
    second.crash();
    let third = open(&path);
    assert_eq!((third.report().epoch, third.report().unclean), (3, true));
    assert_eq!(third.report().store_id, id);
}

#[test]
fn an_older_or_other_store_than_the_host_remembers_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    let id = store.report().store_id;
    store.close().unwrap();
    let status =
        |options: StoreOptions| Store::open(&path, &options).map(|_| ()).unwrap_err().status();
    assert_eq!(status(StoreOptions { epoch_min: 2, ..Default::default() }), Status::RolledBack);
    let other = Some([0xee; 16]);
    assert_eq!(
        status(StoreOptions { expected_store_id: other, ..Default::default() }),
        Status::RolledBack
    );
    let options =
        StoreOptions { epoch_min: 1, expected_store_id: Some(id), ..StoreOptions::default() };
    Store::open(&path, &options).unwrap();
}

#[test]
fn another_mode_is_refused_unless_converted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    open(&path).close().unwrap();
    let lnd = StoreOptions { lnd_compat: true, ..StoreOptions::default() };
    assert_eq!(Store::open(&path, &lnd).unwrap_err().status(), Status::WrongMode);
    let convert = StoreOptions { convert: true, ..lnd.clone() };
    Store::open(&path, &convert).unwrap().close().unwrap();
    assert!(Store::open(&path, &lnd).unwrap().lnd_compat());
}

#[test]
fn a_path_that_cannot_be_a_directory_is_not_called_an_io_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"").unwrap();
    assert_eq!(open_error(&file), Status::UnsafePlace);
    assert_eq!(open_error(&file.join("below")), Status::UnsafePlace);
    assert_eq!(open_error(&directory.path().join("missing/store")), Status::NotFound);
}

#[test]
fn must_exist_creates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let options = StoreOptions { must_exist: true, ..StoreOptions::default() };
    assert_eq!(Store::open(&path, &options).unwrap_err().status(), Status::NotFound);
    assert!(!path.exists());
}

#[test]
fn a_copied_file_is_noticed_until_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("store"), directory.path().join("copy"));
    let store = open(&path);
    store.submit_one(Put::one(1)).unwrap();
    store.close().unwrap();
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(path.join("data.mdb"), copy.join("data.mdb")).unwrap();
    for _ in 0..2 {
        let store = open(&copy);
        assert!(store.report().copied);
        store.close().unwrap();
    }
    assert!(!open(&path).report().copied);
}

#[test]
fn an_older_file_put_in_place_of_a_newer_one_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let data = path.join("data.mdb");
    open(&path).close().unwrap();
    let backup = std::fs::read(&data).unwrap();
    open(&path).close().unwrap();
    std::fs::write(&data, backup).unwrap();
    let store = open(&path);
    assert!(store.report().restored && !store.report().copied);
    assert_eq!(store.doubt_below_epoch(), store.report().epoch);
    store.close().unwrap();
    assert!(open(&path).report().restored, "until it is acknowledged");
}

#[test]
fn another_name_of_the_data_file_is_no_way_around_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let (path, other) = (directory.path().join("store"), directory.path().join("other"));
    let store = open(&path);
    std::fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(path.join("data.mdb"), other.join("data.mdb")).unwrap();
    assert_eq!(open_error(&other), Status::Io);
    std::fs::remove_file(other.join("data.mdb")).unwrap();
    std::fs::hard_link(path.join("data.mdb"), other.join("data.mdb")).unwrap();
    assert_eq!(open_error(&other), Status::Locked);
    store.close().unwrap();
    assert_eq!(open_error(&other), Status::UnsafePlace);
    assert_eq!(open_error(&path), Status::UnsafePlace);
}

#[test]
fn a_map_at_its_cap_still_takes_what_settles() {
    struct Settle(u64);
    impl Command for Settle {
        fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
            batch.put(Table::Events, &self.0.to_be_bytes(), &[9; 300])?;
            Ok(Reply::done())
        }
        fn cost(&self) -> Cost {
            Cost { rows: 1, bytes: 300 }
        }
        fn space(&self) -> Space {
            Space::Settles
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let options =
        StoreOptions { map_bytes: 1 << 20, map_bytes_max: 4 << 20, ..StoreOptions::default() };
    let store = Store::open(directory.path().join("store"), &options).unwrap();
    let grow = |i: u64| store.submit_one(Put { rows: vec![(i, vec![7; 300])], refuse: false });
    let full = (0..100_000).find(|i| grow(*i).is_err()).expect("the cap was not met");
    let used = store.stats().unwrap().pages_used * 4096;
    assert!((2 << 20..(4 << 20) * 7 / 8).contains(&used), "an eighth is kept: {used}");
    for i in 0..500 {
        store.submit_one(Settle(full + 1 + i)).unwrap();
    }
    assert_eq!(grow(1 << 40).unwrap_err().status(), Status::NoSpace);
}

#[test]
fn one_submission_always_has_room_in_an_empty_queue() {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions { queue_operations_max: 1, ..StoreOptions::default() };
    let store = Store::open(directory.path().join("store"), &options).unwrap();
    let many = (0..50).map(|i| Put::shared(i, false)).collect();
    assert_eq!(store.submit(many, Grouping::Independent).unwrap().len(), 50);
}

#[test]
fn a_refused_command_leaves_nothing_although_it_wrote_first() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let commands = vec![Put::shared(1, false), Put::shared(2, true), Put::shared(3, false)];
    let outcomes = store.submit(commands, Grouping::Independent).unwrap();
    let statuses: Vec<_> = outcomes.iter().map(status_of).collect();
    assert_eq!(statuses, [Status::Done, Status::Conflict, Status::Done]);
    assert_eq!(rows(&store), [1, 3]);
}

#[test]
fn an_atomic_group_is_applied_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    let commands = vec![Put::shared(1, false), Put::shared(2, true), Put::shared(3, false)];
    let outcomes = store.submit(commands, Grouping::Atomic).unwrap();
    let statuses: Vec<_> = outcomes.iter().map(status_of).collect();
    assert_eq!(statuses, [Status::Aborted, Status::Conflict, Status::Aborted]);
    assert_eq!(rows(&store), []);
    store.submit(vec![Put::shared(1, false), Put::shared(2, false)], Grouping::Atomic).unwrap();
    store.close().unwrap();
    // The open compares each table's rows with its head, so a head left behind by an undo would show.
    assert_eq!(rows(&open(&path)), [1, 2]);
}

#[test]
fn after_a_failed_commit_everybody_is_told_and_reopening_settles_it() {
    for (fault, survives) in
        [(Fault::CommitFailsBefore, false), (Fault::CommitFailsAfter, true), (Fault::Panic, false)]
    {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = open(&path);
        store.submit_one(Put::one(1)).unwrap();
        store.inject(Some(fault));
        let outcomes = store
            .submit(vec![Put::shared(2, false), Put::shared(3, true)], Grouping::Independent)
            .unwrap();
        assert!(outcomes.iter().all(|outcome| status_of(outcome) == Status::Unknown), "{fault:?}");
        assert_eq!(store.submit_one(Put::one(4)).unwrap_err().status(), Status::Poisoned);
        assert_eq!(store.read(|_| Ok(())).unwrap_err().status(), Status::Poisoned);
        assert_eq!(store.sync().unwrap_err().status(), Status::Poisoned);
        assert_eq!(store.stats().unwrap_err().status(), Status::Poisoned);
        assert_eq!(store.close().unwrap_err().status(), Status::Poisoned);
        let expected: &[u64] = if survives { &[1, 2] } else { &[1] };
        assert_eq!(rows(&open(&path)), expected, "{fault:?}");
    }
}

#[test]
fn a_full_disk_is_definite_and_heals() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    store.inject(Some(Fault::NoSpace));
    assert_eq!(store.submit_one(Put::one(1)).unwrap_err().status(), Status::NoSpace);
    assert_eq!(rows(&store), []);
    store.submit_one(Put::one(1)).unwrap();
    assert_eq!(rows(&store), [1]);
}

#[test]
fn a_full_map_grows_under_readers_and_stops_at_its_cap() {
    let directory = tempfile::tempdir().unwrap();
    let options =
        StoreOptions { map_bytes: 1 << 18, map_bytes_max: 8 << 20, ..StoreOptions::default() };
    let store = Store::open(directory.path().join("store"), &options).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = rows(&store).len().max(most);
            }
            most
        });
        let mut sequence = 0;
        let refusal = loop {
            sequence += 1;
            let put = Put { rows: vec![(sequence, vec![7; 100_000])], refuse: false };
            if let Err(error) = store.submit_one(put) {
                break error;
            }
            assert!(sequence < 100, "the cap was not met");
        };
        assert_eq!(refusal.status(), Status::NoSpace);
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
        assert_eq!(rows(&store).len() as u64, sequence - 1);
    });
    let stats = store.stats().unwrap();
    assert!(stats.map_growths >= 4, "{stats:?}");
    assert_eq!(stats.map_bytes, 8 << 20);
    assert_ne!(stats.flags & Stats::MAP_NEARLY_FULL, 0);
}

#[test]
fn no_commit_writes_beyond_the_allocated_length() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    for round in 0..60u64 {
        let commands = (0..200)
            .map(|i| {
                let sequence = (round * 200 + i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let rows = vec![(sequence, vec![1; (i as usize * 37) % 5000])];
                Arc::new(Put { rows, refuse: false }) as Arc<dyn Command>
            })
            .collect();
        store.submit(commands, Grouping::Independent).unwrap();
        let stats = store.stats().unwrap();
        let used = stats.pages_used * stats.page_bytes;
        assert!(used <= stats.allocated_bytes, "round {round}: {stats:?}");
    }
}

#[test]
fn the_clock_only_rises_and_survives_with_the_next_commit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    store.tick(Clock { unix_ms: 50, block_height: 7 }).unwrap();
    store.tick(Clock { unix_ms: 40, block_height: 9 }).unwrap();
    assert_eq!(store.clock(), Clock { unix_ms: 50, block_height: 9 });
    store.submit_one(Put::one(1)).unwrap();
    store.crash();
    assert_eq!(open(&path).report().clock, Clock { unix_ms: 50, block_height: 9 });
}

#[test]
fn close_answers_everything_that_was_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    let (sender, receiver) = mpsc::channel();
    for sequence in 0..500 {
        let sender = sender.clone();
        let answer = Box::new(move |outcomes: Vec<Outcome>| {
            sender.send(status_of(&outcomes[0])).unwrap_or_default();
        });
        let commands = vec![Put::shared(sequence, false)];
        store.submit_async(commands, Grouping::Independent, answer).unwrap();
    }
    drop(sender);
    store.close().unwrap();
    let answers: Vec<_> = receiver.iter().collect();
    assert_eq!(answers, vec![Status::Done; 500]);
    assert_eq!(store.submit_one(Put::one(1)).unwrap_err().status(), Status::Closed);
    assert_eq!(store.read(|_| Ok(())).unwrap_err().status(), Status::Closed);
    store.close().unwrap();
    assert_eq!(rows(&open(&path)).len(), 500);
}

#[test]
fn sync_returns_after_what_was_accepted_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let answered = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&answered);
    let answer = Box::new(move |_| told.store(true, Ordering::SeqCst));
    store.submit_async(vec![Put::shared(1, false)], Grouping::Independent, answer).unwrap();
    store.sync().unwrap();
    assert!(answered.load(Ordering::SeqCst));
}

#[test]
fn more_than_a_commit_may_hold_is_refused_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let many = (0..BATCH_OPS_MAX as u64 + 1).map(|i| Put::shared(i, false)).collect();
    let refused = store.submit(many, Grouping::Independent).unwrap_err();
    assert_eq!(refused.status(), Status::TooBig);
    assert_eq!(rows(&store), []);
}

#[test]
fn many_threads_share_commits() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    std::thread::scope(|scope| {
        for thread in 0..16u64 {
            let store = &store;
            scope.spawn(move || {
                for i in 0..50 {
                    store.submit_one(Put::one(thread * 1_000 + i)).unwrap();
                }
            });
        }
    });
    let stats = store.stats().unwrap();
    assert_eq!(stats.operations, 800);
    assert!(stats.commits < 800, "{stats:?}");
    assert_eq!(rows(&store).len(), 800);
}

/// Writes events that have no envelope.
struct Unreadable(std::ops::Range<u64>);

impl Command for Unreadable {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        self.0.clone().try_for_each(|sequence| {
            batch.put_row(Table::Events, &sequence.to_be_bytes(), b"not an envelope")
        })?;
        Ok(Reply::done())
    }
    fn cost(&self) -> Cost {
        let rows = self.0.end - self.0.start;
        Cost { rows, bytes: 64 * rows }
    }
    fn space(&self) -> Space {
        Space::Settles
    }
}

#[test]
fn a_damaged_row_is_an_error_and_never_a_wrong_answer() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    store.submit_one(Unreadable(9..10)).unwrap();
    let error = store.read(|view| view.row(Table::Events, &9u64.to_be_bytes())).unwrap_err();
    assert_eq!(error.status(), Status::CorruptRecord);
    assert!(error.message().contains("events"), "{error}");
}

const FULL_MAP_BYTES: u64 = 8 << 20;

fn open_full_map(directory: &Path) -> Arc<Store> {
    let options = StoreOptions {
        map_bytes: FULL_MAP_BYTES,
        map_bytes_max: FULL_MAP_BYTES,
        ..StoreOptions::default()
    };
    Store::open(directory, &options).unwrap()
}

/// Writes or removes a row of 60,000 bytes, also where only the reserve is left.
struct Settle {
    sequence: u64,
    is_removal: bool,
}

impl Settle {
    fn each(sequences: std::ops::Range<u64>, is_removal: bool) -> Vec<Arc<dyn Command>> {
        let one = |sequence| Arc::new(Settle { sequence, is_removal }) as Arc<dyn Command>;
        sequences.map(one).collect()
    }
}

impl Command for Settle {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let key = self.sequence.to_be_bytes();
        match self.is_removal {
            true => drop(batch.delete(Table::Events, &key)?),
            false => batch.put(Table::Events, &key, &[7; 60_000])?,
        }
        Ok(Reply::done())
    }
    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: if self.is_removal { 64 } else { 60_000 } }
    }
    fn space(&self) -> Space {
        Space::Settles
    }
}

#[test]
fn room_made_in_a_full_map_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_full_map(&directory.path().join("store"));
    let grow = |i: u64| store.submit_one(Put { rows: vec![(i, vec![7; 60_000])], refuse: false });
    let full = (0..1_000).find(|i| grow(*i).is_err()).expect("the cap was not met");
    store.submit(Settle::each(0..60, true), Grouping::Independent).unwrap();
    grow(full).unwrap();
}

/// LMDB gives out a freed page two commits later. Where nothing else is left, what a removal freed has to
/// serve the very next commit: nobody else makes one in between.
#[test]
fn what_a_removal_frees_in_a_full_map_serves_the_next_commit() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_full_map(&directory.path().join("store"));
    let left = || FULL_MAP_BYTES - store.stats().unwrap().pages_used * 4096;
    let mut next = 0;
    while left() > 300_000 {
        store.submit(Settle::each(next..next + 1, false), Grouping::Atomic).unwrap();
        next += 1;
    }
    let is_done = |outcomes: Vec<Outcome>| outcomes.iter().all(Result::is_ok);
    assert!(is_done(store.submit(Settle::each(0..10, true), Grouping::Atomic).unwrap()));
    let more = Settle::each(next..next + 6, false);
    assert!(left() < 360_000, "what is written has no other room");
    assert!(is_done(store.submit(more, Grouping::Atomic).unwrap()));
}
