//! Monitors among others: threads that queue, commit and take at once, commits in one group with attempts and
//! payments, and the descriptor that tells of news.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use lnkeep::attempts::{Attempts, AttemptsOptions, Operation as AttemptOperation, State};
use lnkeep::monitors::{
    Block, CompletionKind, Monitors, MonitorsOptions, OutputClass, Queued, Stage, Urgency,
};
use lnkeep::payments::rules::Strictness;
use lnkeep::payments::{
    AttemptRequest, Operation as PaymentOperation, PaymentInit, PaymentStatus, Payments,
    PaymentsOptions, Settle,
};
use lnkeep::{
    AttemptKey, ChannelId, Grouping, Namespace, PaymentHash, Preimage, Status, Store, StoreOptions,
    maintenance,
};

fn directory() -> tempfile::TempDir {
    let memory = tempfile::Builder::new().prefix("lnkeep-shared").tempdir_in("/dev/shm");
    memory.unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn open_store(directory: &tempfile::TempDir) -> Arc<Store> {
    Store::open(directory.path().join("store"), &StoreOptions::default()).unwrap()
}

fn open(store: &Arc<Store>) -> Monitors {
    Monitors::open(store, MonitorsOptions::default()).unwrap()
}

fn id(byte: u8) -> ChannelId {
    ChannelId([byte; 32])
}

fn check_sound(directory: &tempfile::TempDir) {
    let report = maintenance::check(directory.path().join("store")).unwrap();
    assert!(report.is_sound(), "{report:?}");
}

fn preimage() -> Preimage {
    Preimage::new([5; 32])
}

fn hash() -> PaymentHash {
    preimage().payment_hash()
}

fn key(attempt_id: u64) -> AttemptKey {
    AttemptKey::new(Namespace::default(), attempt_id)
}

/// A node whose payment has one attempt, with an update of its channel and an event queued.
struct Node {
    store: Arc<Store>,
    monitors: Monitors,
    attempts: Attempts,
    payments: Payments,
}

impl Node {
    fn new(directory: &tempfile::TempDir) -> Node {
        let store = open_store(directory);
        let attempts = Attempts::open(&store, AttemptsOptions::default()).unwrap();
        let payments = Payments::open(&store, PaymentsOptions::default()).unwrap();
        payments.init(PaymentInit::new(hash(), 1_000)).unwrap();
        payments.register_and_init(hash(), AttemptRequest::new(key(1), 1_000, 1)).unwrap();
        let monitors = open(&store);
        monitors.queue_new(id(1), 0, b"base", Block::default(), Urgency::Ordinary).unwrap();
        monitors.queue_update(id(1), 1, b"htlc", Urgency::Ordinary).unwrap();
        monitors.queue_output(OutputClass::Volatile, 9, b"update_add_htlc").unwrap();
        Node { store, monitors, attempts, payments }
    }

    fn mark(&self, attempt_id: u64) -> lnkeep::store::Operation {
        self.attempts.operation(AttemptOperation::MarkHandedOff(key(attempt_id))).unwrap()
    }

    fn settle(&self) -> lnkeep::store::Operation {
        let settle = Settle { preimage: preimage(), settled_unix_ns: 5 };
        let operation = PaymentOperation::Settle(hash(), key(1), settle, Strictness::default());
        self.payments.operation(operation).unwrap()
    }

    fn apply(&self, operations: Vec<lnkeep::store::Operation>) -> Vec<Result<Status, Status>> {
        let outcomes = self.store.apply(operations, Grouping::Atomic).unwrap();
        let status = |outcome: lnkeep::Outcome| {
            outcome.map(|reply| reply.status).map_err(|error| error.status())
        };
        outcomes.into_iter().map(status).collect()
    }
}

#[test]
fn one_group_commits_channels_a_mark_and_a_settle() {
    let directory = directory();
    let node = Node::new(&directory);
    let capture = node.monitors.capture().unwrap();
    let commit = node.monitors.operation(capture, Some(b"manager 1"), &[(id(1), 1)]).unwrap();
    assert_eq!(node.apply(vec![node.mark(1), commit]), [Ok(Status::Done); 2]);
    assert_eq!(node.attempts.get(key(1)).unwrap().state, State::HandedOff);
    assert_eq!(node.monitors.take_outputs(9).unwrap().len(), 1);
    node.monitors.queue_update(id(1), 2, b"claimed", Urgency::Critical).unwrap();
    let capture = node.monitors.capture().unwrap();
    let commit = node.monitors.operation(capture, Some(b"manager 2"), &[(id(1), 2)]).unwrap();
    assert_eq!(node.apply(vec![commit, node.settle()]), [Ok(Status::Done); 2]);
    assert_eq!(node.payments.fetch(hash()).unwrap().status, PaymentStatus::Succeeded);
    let loaded = node.monitors.load(id(1)).unwrap();
    assert_eq!(loaded.updates, [(1, b"htlc".to_vec()), (2, b"claimed".to_vec())]);
    assert_eq!(node.monitors.manager().unwrap().unwrap(), b"manager 2");
    let kinds: Vec<_> =
        node.monitors.completions(9).unwrap().iter().map(|told| told.kind).collect();
    assert_eq!(kinds, [CompletionKind::New, CompletionKind::Update, CompletionKind::Update]);
    node.store.close().unwrap();
    check_sound(&directory);
}

#[test]
fn a_refused_group_leaves_the_queue_and_the_capture_as_they_were() {
    let directory = directory();
    let node = Node::new(&directory);
    let capture = node.monitors.capture().unwrap();
    let before = node.monitors.standing().unwrap();
    // Too large for the commit itself: its chunks are written before, and are nobody's when it is refused.
    let manager = vec![7; 3 << 20];
    for unknown_last in [false, true] {
        let commit = node.monitors.operation(capture, Some(&manager), &[]).unwrap();
        let mut group = vec![commit, node.settle()];
        group.insert(if unknown_last { 2 } else { 0 }, node.mark(77));
        let outcomes = node.apply(group);
        let refused = if unknown_last { 2 } else { 0 };
        for (place, outcome) in outcomes.into_iter().enumerate() {
            let expected = if place == refused { Status::NotFound } else { Status::Aborted };
            assert_eq!(outcome, Err(expected), "operation {place}");
        }
        assert_eq!(node.monitors.standing().unwrap(), before);
        assert_eq!(node.monitors.take_outputs(9).unwrap(), []);
        assert_eq!(node.monitors.completions(9).unwrap(), []);
        assert_eq!(node.monitors.channels(Stage::Active, None, 9).unwrap(), []);
        assert_eq!(node.monitors.manager().unwrap(), None);
        assert_eq!(node.payments.fetch(hash()).unwrap().status, PaymentStatus::InFlight);
    }
    let commit = node.monitors.operation(capture, Some(&manager), &[]).unwrap();
    assert_eq!(
        node.apply(vec![commit, node.settle(), node.mark(1)])[..2],
        [Err(Status::Aborted); 2]
    );
    let commit = node.monitors.operation(capture, Some(&manager), &[]).unwrap();
    assert_eq!(node.apply(vec![node.mark(1), commit, node.settle()]), [Ok(Status::Done); 3]);
    assert_eq!(node.monitors.manager().unwrap(), Some(manager));
    assert_eq!(node.monitors.completions(9).unwrap().len(), 2);
    node.store.close().unwrap();
    check_sound(&directory);
}

fn is_readable(monitors: &Monitors) -> bool {
    let mut poll = libc::pollfd { fd: monitors.descriptor(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd on this stack.
    unsafe { libc::poll(&mut poll, 1, 0) == 1 }
}

fn commit(monitors: &Monitors) {
    let capture = monitors.capture().unwrap();
    monitors.commit(capture, Some(b"m"), &[]).unwrap();
}

#[test]
fn the_descriptor_is_readable_while_there_is_something_to_take() {
    let directory = directory();
    let store = open_store(&directory);
    let monitors = open(&store);
    assert!(!is_readable(&monitors));
    commit(&monitors);
    assert!(!is_readable(&monitors), "a commit of nothing is no news");
    monitors.queue_new(id(1), 0, b"base", Block::default(), Urgency::Ordinary).unwrap();
    for tag in 0..3 {
        monitors.queue_output(OutputClass::Durable, tag, b"event").unwrap();
    }
    assert!(!is_readable(&monitors), "queued is not durable");
    commit(&monitors);
    assert!(is_readable(&monitors));
    assert_eq!(monitors.completions(9).unwrap().len(), 1);
    assert!(is_readable(&monitors), "outputs are left");
    assert_eq!(monitors.take_outputs(2).unwrap().len(), 2);
    assert!(is_readable(&monitors), "one is left");
    assert_eq!(monitors.take_outputs(9).unwrap().len(), 1);
    assert!(!is_readable(&monitors));
    monitors.close(false).unwrap();
    let monitors = open(&store);
    assert!(is_readable(&monitors), "outputs of the session before");
    assert_eq!(monitors.completions(9).unwrap(), []);
    assert!(is_readable(&monitors), "no completion does not mean no output");
    assert_eq!(monitors.take_outputs(1).unwrap().len(), 1);
    assert!(is_readable(&monitors));
    assert_eq!(monitors.take_outputs(9).unwrap().len(), 2);
    assert!(!is_readable(&monitors));
    store.close().unwrap();
    assert!(is_readable(&monitors), "the end of the store is news");
}

const CHANNELS: u8 = 8;
const UPDATES: u64 = 400;

/// One channel as its thread has it; locked while an update is made and queued.
#[derive(Default)]
struct Channel {
    tip: Mutex<u64>,
}

fn update_of(channel: u8, update_id: u64) -> Vec<u8> {
    format!("update {update_id} of {channel}").into_bytes()
}

fn tag_of(channel: u8, update_id: u64) -> u64 {
    u64::from(channel) << 32 | update_id
}

/// Repeats a queue call until there is room: commits go on meanwhile.
fn until_queued<T>(mut call: impl FnMut() -> lnkeep::Result<T>) -> T {
    loop {
        match call() {
            Ok(queued) => return queued,
            Err(error) if error.status() == Status::QueueFull => std::thread::yield_now(),
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn produce(monitors: &Monitors, place: u8, channel: &Channel) {
    let block = Block::default();
    until_queued(|| monitors.queue_new(id(place), 0, b"base", block, Urgency::Ordinary));
    let mut last_ticket = 0;
    for update_id in 1..=UPDATES {
        let update = update_of(place, update_id);
        let queued = until_queued(|| {
            // Given back while there is no room: a commit looks at every tip.
            let mut tip = channel.tip.lock().unwrap();
            let urgency = Urgency::Ordinary;
            let queued = monitors.queue_update(id(place), update_id, &update, urgency)?;
            *tip = update_id;
            Ok(queued)
        });
        let Queued::Ticket(ticket) = queued else { panic!("{queued:?}") };
        assert!(ticket > last_ticket);
        last_ticket = ticket;
        let (class, tag) = match update_id % 2 {
            0 => (OutputClass::Durable, tag_of(place, update_id)),
            _ => (OutputClass::Volatile, tag_of(place, update_id)),
        };
        until_queued(|| monitors.queue_output(class, tag, b"depends on the update"));
        if update_id % 90 == 0 {
            until_queued(|| {
                monitors.queue_snapshot(id(place), update_id, b"base", None, Urgency::Ordinary)
            });
        }
    }
}

/// Captures, serialises, commits; answers the newest manager of this thread with the number of its commit.
fn checkpoints(monitors: &Monitors, channels: &[Channel], is_over: &AtomicBool) -> (u64, Vec<u8>) {
    let mut newest = (0, Vec::new());
    loop {
        let over = is_over.load(Ordering::Acquire);
        let capture = monitors.capture().unwrap();
        let tips: Vec<u64> = channels.iter().map(|channel| *channel.tip.lock().unwrap()).collect();
        let manager: Vec<u8> = tips.iter().flat_map(|tip| tip.to_le_bytes()).collect();
        // A channel is in the view once an update of it is queued.
        let view: Vec<_> = (0..CHANNELS).zip(&tips).filter(|(_, tip)| **tip > 0).collect();
        let view: Vec<_> = view.into_iter().map(|(place, tip)| (id(place), *tip)).collect();
        match monitors.commit(capture, Some(&manager), &view) {
            Ok(committed) => newest = (committed.commit_sequence, manager),
            Err(error) => assert_eq!(error.status(), Status::StaleCapture, "{error:?}"),
        }
        if over {
            return newest;
        }
    }
}

/// What one reader was told of each channel.
#[derive(Default)]
struct Told {
    completed: BTreeMap<ChannelId, Vec<u64>>,
    released: Vec<u64>,
    last_output_id: u64,
}

impl Told {
    /// Takes some; answers how many.
    fn read(&mut self, monitors: &Monitors) -> usize {
        let completions = monitors.completions(50).unwrap();
        let outputs = monitors.take_outputs(50).unwrap();
        let taken = completions.len() + outputs.len();
        for completion in completions {
            let of_channel = self.completed.entry(completion.channel).or_default();
            if completion.kind != CompletionKind::Snapshot {
                of_channel.push(completion.update_id.unwrap());
            }
        }
        for output in outputs {
            let (channel, update_id) = (id((output.tag >> 32) as u8), output.tag as u32);
            let durable = monitors.summaries(&[channel]).unwrap()[0];
            assert!(durable.latest_id >= update_id.into(), "an output left before its update");
            if let Some(output_id) = output.output_id {
                assert!(output_id > self.last_output_id);
                self.last_output_id = output_id;
                monitors.acknowledge(output_id).unwrap();
            }
            self.released.push(output.tag);
        }
        taken
    }
}

#[test]
fn eight_threads_queue_while_two_commit_and_nothing_is_lost_or_reordered() {
    let directory = directory();
    let store = open_store(&directory);
    let options = MonitorsOptions { pending_ops_max: 64, ..MonitorsOptions::default() };
    let monitors = Monitors::open(&store, options).unwrap();
    let channels: Vec<Channel> = (0..CHANNELS).map(|_| Channel::default()).collect();
    let (is_over, producing) = (AtomicBool::new(false), AtomicU64::new(CHANNELS.into()));
    let mut told = Told::default();
    let newest = std::thread::scope(|scope| {
        let (monitors, channels) = (&monitors, &channels);
        let (is_over, producing) = (&is_over, &producing);
        for (place, channel) in (0..CHANNELS).zip(channels) {
            scope.spawn(move || {
                produce(monitors, place, channel);
                if producing.fetch_sub(1, Ordering::AcqRel) == 1 {
                    is_over.store(true, Ordering::Release);
                }
            });
        }
        let committers: Vec<_> =
            (0..2).map(|_| scope.spawn(move || checkpoints(monitors, channels, is_over))).collect();
        while committers.iter().any(|committer| !committer.is_finished()) {
            told.read(monitors);
        }
        committers.into_iter().map(|committer| committer.join().unwrap()).max().unwrap()
    });
    while told.read(&monitors) > 0 {}
    assert_eq!(monitors.standing().unwrap().commit_sequence, newest.0);
    assert_eq!(monitors.manager().unwrap(), Some(newest.1));
    for place in 0..CHANNELS {
        assert_eq!(told.completed[&id(place)], (0..=UPDATES).collect::<Vec<_>>(), "each once");
        let of_channel = told.released.iter().filter(|tag| *tag >> 32 == place.into());
        let expected = (1..=UPDATES).map(|update_id| tag_of(place, update_id));
        assert!(of_channel.copied().eq(expected), "outputs of channel {place}");
    }
    commit(&monitors);
    monitors.close(false).unwrap();
    store.close().unwrap();
    check_sound(&directory);
    let store = open_store(&directory);
    let monitors = open(&store);
    assert_eq!(monitors.report().outputs, 0, "all were acknowledged");
    for place in 0..CHANNELS {
        let loaded = monitors.load(id(place)).unwrap();
        assert_eq!((loaded.summary.base_id, loaded.summary.latest_id), (360, UPDATES));
        let expected = (361..=UPDATES).map(|update_id| (update_id, update_of(place, update_id)));
        assert!(loaded.updates.into_iter().eq(expected), "updates of channel {place}");
    }
}
