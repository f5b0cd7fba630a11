//! What handles, captures and the right to commit promise: joining, ending, forging, waiting, breaking.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::super::channel::{Block, OutputClass, Payload, Urgency};
use super::super::session::{Found, Session};
use super::super::{Capture, LastClose, Monitors, MonitorsOptions, Queued, Stage};
use super::id;
use crate::error::{Result, Status};
use crate::limits::{MONITORS_UNTAKEN_BYTES_MAX, MONITORS_UNTAKEN_MAX};
use crate::store::{Grouping, RestoreOptions, Store, StoreOptions};
use crate::types::Clock;

const PATIENCE: Duration = Duration::from_secs(20);

fn directory() -> tempfile::TempDir {
    let memory = tempfile::Builder::new().prefix("lnkeep-sessions").tempdir_in("/dev/shm");
    memory.unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn open_store(directory: &tempfile::TempDir) -> Arc<Store> {
    Store::open(directory.path().join("store"), &StoreOptions::default()).unwrap()
}

fn open(store: &Arc<Store>) -> Monitors {
    Monitors::open(store, MonitorsOptions::default()).unwrap()
}

fn refusal<T: std::fmt::Debug>(result: Result<T>) -> Status {
    result.unwrap_err().status()
}

fn queue_new(monitors: &Monitors, byte: u8) -> u64 {
    monitors.queue_new(id(byte), 0, b"base", Block::default(), Urgency::Ordinary).unwrap()
}

fn queue_update(monitors: &Monitors, byte: u8, update_id: u64) -> Queued {
    monitors.queue_update(id(byte), update_id, b"update", Urgency::Ordinary).unwrap()
}

fn commit(monitors: &Monitors) {
    let capture = monitors.capture().unwrap();
    monitors.commit(capture, Some(b"manager"), &[]).unwrap();
}

#[test]
fn a_second_handle_joins_the_session_and_the_last_one_ends_it() {
    let directory = directory();
    let store = open_store(&directory);
    let first = open(&store);
    let other_options = MonitorsOptions { updates_max: 7, ..MonitorsOptions::default() };
    assert_eq!(refusal(Monitors::open(&store, other_options)), Status::AlreadyOpen);
    let second = open(&store);
    assert_eq!(queue_new(&first, 1), 1);
    assert_eq!(queue_update(&second, 1, 1), Queued::Ticket(2));
    assert_eq!(queue_update(&first, 1, 1), Queued::AlreadyQueued);
    let capture = first.capture().unwrap();
    // Entries are queued, and another handle still has them.
    first.close(false).unwrap();
    assert_eq!(refusal(first.capture()), Status::Closed);
    assert_eq!(refusal(first.load(id(1))), Status::Closed);
    assert_eq!(first.close(false).map_err(|error| error.status()), Ok(()), "closed is closed");
    let error = second.close(false).unwrap_err();
    assert_eq!((error.status(), error.value()), (Status::PendingOps, Some(2)));
    assert_eq!(second.commit(capture, Some(b"m"), &[]).unwrap().applied, 2);
    second.close(false).unwrap();
    let third = Monitors::open(&store, other_options).unwrap();
    assert_eq!(third.report().last_close, LastClose::Clean);
    assert_eq!(third.channels(Stage::Active, None, 9).unwrap().len(), 1);
}

#[test]
fn what_a_close_discarded_never_comes_back_while_the_closed_handle_lives() {
    let directory = directory();
    let store = open_store(&directory);
    let closed = open(&store);
    queue_new(&closed, 1);
    let capture = closed.capture().unwrap();
    closed.close(true).unwrap();
    let next = open(&store);
    assert_eq!(next.report().last_close, LastClose::Unclean);
    assert_eq!(next.standing().unwrap().pending.operations, 0);
    assert_eq!(refusal(next.commit(capture, Some(b"m"), &[])), Status::BadTicket);
    assert_eq!(queue_new(&next, 1), 1, "tickets begin again");
    drop(next);
    let last = open(&store);
    assert_eq!(last.report().last_close, LastClose::Unclean, "a dropped handle closes nothing");
    assert_eq!(last.channels(Stage::Active, None, 9).unwrap(), []);
    last.close(false).unwrap();
    store.close().unwrap();
    assert_eq!(open(&open_store(&directory)).report().last_close, LastClose::Clean);
}

#[test]
fn a_capture_of_elsewhere_is_refused() {
    let (here, there) = (directory(), directory());
    let (store, other_store) = (open_store(&here), open_store(&there));
    let (monitors, other) = (open(&store), open(&other_store));
    queue_new(&monitors, 1);
    queue_new(&other, 1);
    let good = monitors.capture().unwrap();
    let foreign = other.capture().unwrap();
    assert_eq!((foreign.epoch, foreign.number), (good.epoch, good.number), "they look alike");
    let forged = [
        foreign,
        Capture { number: good.number + 1, ..good },
        Capture { upto_ticket: good.upto_ticket + 1, ..good },
        Capture { upto_ticket: 0, ..good },
        Capture { epoch: good.epoch + 1, ..good },
        Capture { number: 0, ..good },
        Capture { check: good.check.wrapping_add(1), ..good },
    ];
    for capture in forged {
        assert_eq!(refusal(monitors.commit(capture, Some(b"m"), &[])), Status::BadTicket);
        assert_eq!(refusal(monitors.operation(capture, Some(b"m"), &[])), Status::BadTicket);
    }
    monitors.commit(good, Some(b"m"), &[]).unwrap();
    assert_eq!(refusal(monitors.commit(good, Some(b"m"), &[])), Status::StaleCapture);
}

#[test]
fn a_view_names_a_channel_once() {
    let directory = directory();
    let monitors = open(&open_store(&directory));
    queue_new(&monitors, 1);
    let capture = monitors.capture().unwrap();
    let twice = [(id(1), 0), (id(2), 0), (id(1), 0)];
    let error = monitors.commit(capture, Some(b"m"), &twice).unwrap_err();
    assert_eq!((error.status(), error.channel()), (Status::DuplicateId, Some(id(1))));
    monitors.commit(capture, Some(b"m"), &[(id(1), 0)]).unwrap();
}

#[test]
fn one_commit_at_a_time() {
    let directory = directory();
    let store = open_store(&directory);
    let monitors = open(&store);
    queue_new(&monitors, 1);
    let first = monitors.capture().unwrap();
    queue_new(&monitors, 2);
    let second = monitors.capture().unwrap();
    let operation = monitors.operation(first, Some(b"first"), &[]).unwrap();
    assert_eq!(refusal(monitors.operation(second, Some(b"second"), &[])), Status::Busy);
    drop(operation);
    assert_eq!(monitors.standing().unwrap().commit_sequence, 0, "dropped, it does nothing");
    let operation = monitors.operation(first, Some(b"first"), &[]).unwrap();
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let waiting = &monitors;
        scope.spawn(move || {
            let committed = waiting.commit(second, Some(b"second"), &[]);
            sender.send(committed.map(|committed| committed.commit_sequence)).unwrap();
        });
        assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err(), "it waits its turn");
        let outcomes = store.apply(vec![operation], Grouping::Atomic).unwrap();
        assert_eq!(outcomes[0].as_ref().unwrap().value, 1);
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap().unwrap(), 2);
    });
    assert_eq!(monitors.manager().unwrap().unwrap(), b"second");
}

#[test]
fn waiting_commits_that_are_refused_wake_the_next_one() {
    let directory = directory();
    let monitors = Arc::new(open(&open_store(&directory)));
    let stale: Vec<Capture> = (0..4).map(|_| monitors.capture().unwrap()).collect();
    let last = monitors.capture().unwrap();
    let operation = monitors.operation(last, Some(b"m"), &[]).unwrap();
    let (sender, receiver) = mpsc::channel();
    for capture in stale {
        let (monitors, sender) = (Arc::clone(&monitors), sender.clone());
        std::thread::spawn(move || {
            let told = monitors.commit(capture, Some(b"old"), &[]);
            sender.send(told.map(drop).map_err(|error| error.status())).unwrap();
        });
    }
    assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err(), "they wait their turn");
    monitors.store().apply(vec![operation], Grouping::Independent).unwrap();
    for _ in 0..4 {
        let told = receiver.recv_timeout(PATIENCE).expect("no waiter sleeps for ever");
        assert_eq!(told, Err(Status::StaleCapture));
    }
}

#[test]
fn a_close_while_a_commit_is_under_way_sets_no_counter_back() {
    let directory = directory();
    let store = open_store(&directory);
    let monitors = open(&store);
    commit(&monitors);
    let capture = monitors.capture().unwrap();
    let operation = monitors.operation(capture, Some(b"last"), &[]).unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| sender.send(monitors.close(false)).unwrap());
        // Whether the close waits for the commit or comes before it, nothing is lost.
        let closed = receiver.recv_timeout(Duration::from_millis(50));
        store.apply(vec![operation], Grouping::Atomic).unwrap()[0].as_ref().unwrap();
        closed.unwrap_or_else(|_| receiver.recv_timeout(PATIENCE).unwrap()).unwrap();
    });
    store.close().unwrap();
    let report = crate::maintenance::check(directory.path().join("store")).unwrap();
    assert!(report.is_sound(), "{report:?}");
    let again = open(&open_store(&directory));
    assert_eq!(again.report().commit_sequence, 2);
    assert_eq!(again.manager().unwrap().unwrap(), b"last");
    commit(&again);
    assert_eq!(again.standing().unwrap().commit_sequence, 3);
}

#[test]
fn a_panic_of_the_host_breaks_nothing() {
    let directory = directory();
    let store = open_store(&directory);
    let kept = open(&store);
    let owned = open(&store);
    let unwound = std::thread::spawn(move || {
        let _owned = owned;
        std::panic::resume_unwind(Box::new("the host's own"));
    });
    assert!(unwound.join().is_err());
    queue_new(&kept, 1);
    commit(&kept);
    kept.close(false).unwrap();
}

#[test]
fn a_panic_inside_the_session_stops_it() {
    let directory = directory();
    let store = open_store(&directory);
    let monitors = open(&store);
    queue_new(&monitors, 1);
    let capture = monitors.capture().unwrap();
    std::thread::scope(|scope| {
        let unwound = scope.spawn(|| {
            let _held = monitors.shared.hold().unwrap();
            std::panic::resume_unwind(Box::new("a bug"));
        });
        assert!(unwound.join().is_err());
    });
    let refusals = [
        monitors.capture().map(drop),
        monitors.commit(capture, Some(b"m"), &[]).map(drop),
        monitors.queue_output(OutputClass::Volatile, 1, b"x").map(drop),
        monitors.take_outputs(1).map(drop),
        monitors.purge(id(1)).map(drop),
        monitors.close(false),
    ];
    for told in refusals {
        assert_eq!(refusal(told), Status::Poisoned);
    }
    monitors.close(true).unwrap();
    let again = open(&store);
    assert_eq!(again.report().last_close, LastClose::Unclean);
    queue_new(&again, 1);
    commit(&again);
}

#[test]
fn a_closed_store_answers_closed() {
    let directory = directory();
    let store = open_store(&directory);
    let monitors = open(&store);
    queue_new(&monitors, 1);
    let capture = monitors.capture().unwrap();
    store.close().unwrap();
    let refusals = [
        monitors.queue_archive(id(1)).map(drop),
        monitors.capture().map(drop),
        monitors.commit(capture, Some(b"m"), &[]).map(drop),
        monitors.completions(1).map(drop),
        monitors.take_outputs(1).map(drop),
        monitors.manager().map(drop),
    ];
    for told in refusals {
        assert_eq!(refusal(told), Status::Closed);
    }
}

#[test]
fn snapshots_are_asked_for_by_growth_and_by_age() {
    let directory = directory();
    let store = open_store(&directory);
    let options = MonitorsOptions {
        snapshot_growth_percent: 200,
        snapshot_age_secs: 60,
        ..MonitorsOptions::default()
    };
    let monitors = Monitors::open(&store, options).unwrap();
    let tick = |unix_ms| store.tick(Clock { unix_ms, block_height: 0 }).unwrap();
    let ask = |monitors: &Monitors| monitors.need_snapshot().unwrap();
    tick(1_000_000);
    let block = Block::default();
    monitors.queue_new(id(1), 0, &[1; 100], block, Urgency::Ordinary).unwrap();
    monitors.queue_new(id(2), 0, &[1; 100], block, Urgency::Ordinary).unwrap();
    monitors.queue_update(id(1), 1, &[2; 199], Urgency::Ordinary).unwrap();
    commit(&monitors);
    assert_eq!(ask(&monitors), [], "199 of 200 bytes");
    monitors.queue_update(id(1), 2, &[2; 1], Urgency::Ordinary).unwrap();
    let capture = monitors.capture().unwrap();
    assert_eq!(monitors.commit(capture, Some(b"m"), &[]).unwrap().need_snapshot, [id(1)]);
    monitors.queue_snapshot(id(1), 1, &[1; 100], None, Urgency::Ordinary).unwrap();
    commit(&monitors);
    assert_eq!(ask(&monitors), [], "one byte is left behind the snapshot");
    tick(1_059_999);
    assert_eq!(ask(&monitors), []);
    tick(1_060_000);
    assert_eq!(ask(&monitors), [id(1)], "the other one has no updates");
    monitors.close(false).unwrap();
    let monitors = Monitors::open(&store, options).unwrap();
    assert_eq!(ask(&monitors), [id(1)], "the age is stored");
    monitors.queue_snapshot(id(1), 1, &[1; 100], None, Urgency::Ordinary).unwrap();
    commit(&monitors);
    assert_eq!(ask(&monitors), [], "a new snapshot is young");
    tick(1_119_999);
    assert_eq!(ask(&monitors), []);
    tick(1_120_000);
    assert_eq!(ask(&monitors), [id(1)]);
}

#[test]
fn a_restored_store_may_be_stale_and_leaves_a_gap_in_the_numbers() {
    let directory = directory();
    let store = open_store(&directory);
    let monitors = open(&store);
    queue_new(&monitors, 1);
    monitors.queue_output(OutputClass::Durable, 7, b"event").unwrap();
    commit(&monitors);
    assert!(!monitors.report().may_be_stale);
    let backup = directory.path().join("backup");
    crate::maintenance::backup(&store, &backup).unwrap();
    let target = directory.path().join("restored");
    crate::maintenance::restore(&backup, &target, RestoreOptions::default()).unwrap();
    let restored = Store::open(&target, &StoreOptions::default()).unwrap();
    let monitors = open(&restored);
    assert!(monitors.report().may_be_stale);
    assert_eq!(monitors.report().outputs, 1);
    monitors.queue_output(OutputClass::Durable, 8, b"another").unwrap();
    commit(&monitors);
    let taken = monitors.take_outputs(9).unwrap();
    let numbers: Vec<_> = taken.iter().map(|output| output.output_id.unwrap()).collect();
    assert_eq!(numbers, [1, (1 << 32) + 2], "a lost store may have given the numbers between");
    assert_eq!(taken.iter().map(|output| output.tag).collect::<Vec<_>>(), [7, 8]);
    for number in numbers {
        monitors.acknowledge(number).unwrap();
    }
    commit(&monitors);
    monitors.close(false).unwrap();
    assert_eq!(open(&restored).report().outputs, 0);
}

#[test]
fn a_copied_store_may_be_stale() {
    let directory = directory();
    let store = open_store(&directory);
    let monitors = open(&store);
    queue_new(&monitors, 1);
    commit(&monitors);
    monitors.close(false).unwrap();
    store.close().unwrap();
    let (from, to) = (directory.path().join("store"), directory.path().join("copy"));
    std::fs::create_dir(&to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    assert!(!open(&open_store(&directory)).report().may_be_stale, "the original is what it was");
    let copied = open(&Store::open(to, &StoreOptions::default()).unwrap());
    assert!(copied.report().may_be_stale);
    assert_eq!(copied.load(id(1)).unwrap().snapshot.unwrap(), b"base");
}

#[test]
fn what_is_not_taken_bounds_the_queue() {
    let directory = directory();
    let options = MonitorsOptions { pending_ops_max: 70_000, ..MonitorsOptions::default() };
    let monitors = Monitors::open(&open_store(&directory), options).unwrap();
    for tag in 0..MONITORS_UNTAKEN_MAX as u64 {
        monitors.queue_output(OutputClass::Volatile, tag, b"x").unwrap();
    }
    monitors.can_queue(1, 1, Urgency::Ordinary).unwrap();
    commit(&monitors);
    assert_eq!(refusal(monitors.can_queue(1, 1, Urgency::Ordinary)), Status::QueueFull);
    let more = monitors.queue_new(id(1), 0, b"base", Block::default(), Urgency::Ordinary);
    assert_eq!(refusal(more), Status::QueueFull);
    // A state that peers act on is not held up by a host that takes nothing.
    monitors.queue_new(id(1), 0, b"base", Block::default(), Urgency::Critical).unwrap();
    let tags = |taken: Vec<super::super::Output>| taken.iter().map(|out| out.tag).max();
    assert_eq!(tags(monitors.take_outputs(1).unwrap()), Some(0));
    queue_new(&monitors, 2);
    assert_eq!(tags(monitors.take_outputs(usize::MAX).unwrap()), Some(65_535));
    let mut session = Session::new(options, Found::default());
    session.released_bytes = MONITORS_UNTAKEN_BYTES_MAX - 1;
    let output = |session: &mut Session| {
        session.queue_output(OutputClass::Volatile, 1, Payload(Arc::new(b"x".to_vec())))
    };
    output(&mut session).unwrap();
    session.released_bytes += 1;
    assert_eq!(refusal(output(&mut session)), Status::QueueFull);
}

#[test]
fn a_host_without_completions_is_told_none() {
    let directory = directory();
    let options = MonitorsOptions { without_completions: true, ..MonitorsOptions::default() };
    let monitors = Monitors::open(&open_store(&directory), options).unwrap();
    let ticket = queue_new(&monitors, 1);
    assert!(!monitors.is_durable(ticket).unwrap());
    commit(&monitors);
    assert!(monitors.is_durable(ticket).unwrap());
    assert_eq!(refusal(monitors.is_durable(ticket + 1)), Status::BadTicket);
    assert_eq!(refusal(monitors.is_durable(0)), Status::BadTicket);
    assert_eq!(monitors.completions(9).unwrap(), []);
}

#[test]
fn nothing_shows_the_bytes_of_the_host() {
    let directory = directory();
    let monitors = open(&open_store(&directory));
    let secret = b"sssssssecret";
    let shown = |text: String| text.contains("115, 115") || text.contains("sss");
    monitors.queue_new(id(1), 0, secret, Block::default(), Urgency::Ordinary).unwrap();
    monitors.queue_update(id(1), 1, secret, Urgency::Ordinary).unwrap();
    monitors.queue_output(OutputClass::Durable, 1, secret).unwrap();
    commit(&monitors);
    let conflict = monitors.queue_update(id(1), 1, b"other", Urgency::Ordinary).unwrap_err();
    assert_eq!(conflict.status(), Status::UpdateConflict);
    assert!(!shown(format!("{conflict:?} {conflict}")));
    assert!(!shown(format!("{:?}", monitors.load(id(1)).unwrap())));
    assert!(!shown(format!("{:?}", monitors.take_outputs(1).unwrap())));
    assert!(!shown(format!("{monitors:?}")));
}
