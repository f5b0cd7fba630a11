//! Subscriptions: the present first, then every change once, whatever meets whatever.

use super::super::subscriptions::Streams;
use super::*;
use crate::limits::PAYMENT_VIEWS_MAX;
use crate::store::heads::Heads;

/// What a stream has until it is empty: sequence and revision of each view, and what came last.
fn read(next: impl Fn() -> Next) -> (Vec<(u64, u64)>, Next) {
    let mut views = Vec::new();
    loop {
        match next() {
            Next::View(view) => views.push((view.sequence, view.revision)),
            last => return (views, last),
        }
    }
}

fn read_of(node: &Node, stream: u64) -> (Vec<(u64, u64)>, Next) {
    read(|| node.payments.next(stream))
}

#[test]
fn a_stream_of_one_payment_begins_with_the_present_and_closes_after_the_end() {
    let world = World::new();
    let node = world.open();
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    let stream = node.payments.subscribe(hash(1)).unwrap();
    node.pay(2, 9);
    node.payments.register(hash(1), part(1, 400, 1_000)).unwrap();
    node.payments.register(hash(1), part(2, 600, 1_000)).unwrap();
    let late = node.payments.subscribe(hash(1)).unwrap();
    node.settle(1, 1).unwrap();
    node.settle(1, 1).unwrap();
    node.settle(1, 2).unwrap();
    let revisions = |from: u64| (from..=5).map(|revision| (1, revision)).collect::<Vec<_>>();
    assert_eq!(read_of(&node, stream), (revisions(1), Next::Closed));
    assert_eq!(read_of(&node, late), (revisions(3), Next::Closed));
    let ended = node.payments.subscribe(hash(1)).unwrap();
    assert_eq!(read_of(&node, ended), (vec![(1, 5)], Next::Closed));
    assert_eq!(read_of(&node, 77), (vec![], Next::Closed));
}

#[test]
fn a_stream_of_all_payments_begins_with_the_unfinished_in_their_order() {
    let world = World::new();
    let node = world.open();
    node.pay(1, 1);
    node.succeed(2, 2);
    node.payments.init(PaymentInit::new(hash(3), 1_000)).unwrap();
    node.fail(4, 4);
    let stream = node.payments.subscribe_all().unwrap();
    assert_eq!(read_of(&node, stream), (vec![(1, 2), (3, 1)], Next::Waiting));
    node.settle(1, 1).unwrap();
    node.payments.init(PaymentInit::new(hash(4), 1_000)).unwrap();
    node.payments.delete(hash(4), Retain::Tombstone).unwrap();
    assert_eq!(read_of(&node, stream), (vec![(1, 3), (5, 1)], Next::Waiting));
}

#[test]
fn what_is_announced_once_is_announced_once_by_whose_rules_hold() {
    for (world, again) in [(World::new(), false), (World::lnd(), true)] {
        let node = world.open();
        let stream = node.payments.subscribe_all().unwrap();
        node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
        for reason in [FailureReason::Error, FailureReason::Error, FailureReason::Timeout] {
            node.payments.fail(hash(1), reason).unwrap();
        }
        let views = read_of(&node, stream).0;
        assert_eq!(views.len(), if again { 4 } else { 2 });
        let payment = node.payments.fetch(hash(1)).unwrap();
        assert_eq!(payment.failure_reason, Some(FailureReason::Timeout));
    }
}

#[test]
fn deleting_closes_the_streams_of_the_payment_but_not_under_lnds_rules() {
    for (world, closes) in [(World::new(), true), (World::lnd(), false)] {
        let node = world.open();
        node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
        node.payments.init(PaymentInit::new(hash(2), 1_000)).unwrap();
        let streams = [1, 2].map(|byte| node.payments.subscribe(hash(byte)).unwrap());
        node.payments.delete(hash(1), Retain::Tombstone).unwrap();
        let filter = DeleteFilter {
            statuses: Statuses::UNFINISHED,
            created_to_unix_ns: 0,
            failed_attempts_only: false,
            retain: Retain::Tombstone,
        };
        assert_eq!(node.payments.delete_many(&filter, None).unwrap().payments, 1);
        node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
        node.payments.init(PaymentInit::new(hash(2), 1_000)).unwrap();
        let expected = |sequence: u64| match closes {
            true => (vec![(sequence, 1)], Next::Closed),
            false => (vec![(sequence, 1), (sequence + 2, 1)], Next::Waiting),
        };
        assert_eq!(read_of(&node, streams[0]), expected(1));
        assert_eq!(read_of(&node, streams[1]), expected(2));
    }
}

#[test]
fn quarantine_closes_the_streams_of_the_payment() {
    let world = World::new();
    let node = world.open();
    node.pay(1, 1);
    let stream = node.payments.subscribe(hash(1)).unwrap();
    let row = 1u64.to_be_bytes();
    node.payments.write_raw(Table::PaymentDetails, &row, b"damaged").unwrap();
    node.payments.quarantine(hash(1)).unwrap();
    assert_eq!(read_of(&node, stream), (vec![(1, 2)], Next::Closed));
}

#[test]
fn subscriptions_are_bounded_and_a_refused_one_takes_no_place() {
    let options = PaymentsOptions { subscriptions_max: 2, ..PaymentsOptions::default() };
    let world = World::with(StoreOptions::default(), options);
    let node = world.open();
    node.pay(1, 1);
    for _ in 0..5 {
        let unknown = node.payments.subscribe(hash(9));
        assert_eq!(refusal(unknown), Status::PaymentNotInitiated);
    }
    let first = node.payments.subscribe(hash(1)).unwrap();
    node.payments.subscribe_all().unwrap();
    assert_eq!(refusal(node.payments.subscribe(hash(1))), Status::Busy);
    assert_eq!(refusal(node.payments.subscribe_all()), Status::Busy);
    node.payments.unsubscribe(first).unwrap();
    assert_eq!(refusal(node.payments.unsubscribe(first)), Status::NotFound);
    let next = node.payments.subscribe(hash(1)).unwrap();
    assert!(next > first, "a number is never given twice");
    assert_eq!(node.payments.next(first), Next::Closed);
}

#[test]
fn who_has_news_is_told_once_until_it_is_read() {
    let world = World::new();
    let node = world.open();
    node.pay(1, 1);
    let one = node.payments.subscribe(hash(1)).unwrap();
    let all = node.payments.subscribe_all().unwrap();
    assert_eq!(node.payments.ready(1), [one]);
    assert_eq!(node.payments.ready(9), [all]);
    node.payments.fail(hash(1), FailureReason::Error).unwrap();
    assert_eq!(node.payments.ready(9), [] as [u64; 0], "neither was read since");
    assert_eq!(read_of(&node, one).0.len(), 2);
    assert_eq!(read_of(&node, all).0.len(), 2);
    node.settle(1, 1).unwrap();
    assert_eq!(node.payments.ready(9), [one, all]);
    node.payments.unsubscribe(all).unwrap();
    node.payments.init(PaymentInit::new(hash(2), 1)).unwrap();
    assert_eq!(node.payments.ready(9), [] as [u64; 0]);
}

#[test]
fn who_never_asks_who_is_ready_pays_for_no_list_of_it() {
    let world = World::new();
    let node = world.open();
    node.pay(1, 1);
    let stream = node.payments.subscribe_all().unwrap();
    for _ in 0..50 {
        node.payments.fail(hash(1), FailureReason::Error).unwrap();
        read_of(&node, stream);
    }
    assert_eq!(node.payments.ready(99), [] as [u64; 0], "it was read empty");
    node.payments.fail(hash(1), FailureReason::Error).unwrap();
    assert_eq!(node.payments.ready(99), [stream]);
}

#[test]
fn closing_the_store_closes_every_stream_after_what_it_has() {
    let world = World::new();
    let node = world.open();
    node.pay(1, 1);
    let one = node.payments.subscribe(hash(1)).unwrap();
    let all = node.payments.subscribe_all().unwrap();
    read_of(&node, all);
    node.payments.ready(9);
    node.store().close().unwrap();
    assert_eq!(node.payments.ready(9), [all], "the other was told before");
    assert_eq!(read_of(&node, one), (vec![(1, 2)], Next::Closed));
    assert_eq!(read_of(&node, all), (vec![], Next::Closed));
    assert_eq!(refusal(node.payments.subscribe(hash(1))), Status::Closed);
}

#[test]
fn views_that_nobody_takes_are_dropped_oldest_first_and_counted_once() {
    let world = World::new();
    let node = world.open();
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    node.payments.register(hash(1), part(1, 1, 1_000)).unwrap();
    let stream = node.payments.subscribe_all().unwrap();
    // It keeps so many beside the one it began with.
    let dropped = 7;
    for _ in 0..PAYMENT_VIEWS_MAX + dropped {
        node.payments.fail(hash(1), FailureReason::Error).unwrap();
    }
    assert_eq!(node.payments.next(stream), Next::Missed(dropped as u64));
    let (views, last) = read_of(&node, stream);
    assert_eq!((views.len(), last), (PAYMENT_VIEWS_MAX + 1, Next::Waiting));
    let newest = node.payments.fetch(hash(1)).unwrap().revision;
    let expected: Vec<_> = (2 + dropped as u64..=newest).map(|revision| (1, revision)).collect();
    assert_eq!(views, expected);
}

/// A view of the payment of hash 1 in one of its lives.
fn view(sequence: u64, revision: u64, status: PaymentStatus) -> Arc<Payment> {
    let mut payment = rules::new_payment(&PaymentInit::new(hash(1), 1), sequence, 0);
    (payment.revision, payment.status) = (revision, status);
    Arc::new(payment)
}

use PaymentStatus::{Failed, InFlight, Initiated};

#[test]
fn changes_told_while_a_stream_begins_are_told_once() {
    type Case = (u64, &'static [(u64, PaymentStatus)], Next);
    let cases: [Case; 4] = [
        (1, &[(1, Initiated), (2, InFlight)], Next::Waiting),
        (2, &[(1, Initiated), (2, InFlight)], Next::Waiting),
        (1, &[(2, InFlight), (3, Failed)], Next::Closed),
        (3, &[(2, InFlight), (3, Failed)], Next::Closed),
    ];
    for (present, told, last) in cases {
        let streams = Streams::new(9).unwrap();
        let one = streams.register(Some(hash(1))).unwrap();
        told.iter().for_each(|(revision, status)| streams.tell(&view(1, *revision, *status)));
        let status = if present == 3 { Failed } else { InFlight };
        streams.start(one, vec![view(1, present, status)]);
        let newest = told.last().unwrap().0;
        let expected: Vec<_> = (present..=newest).map(|revision| (1, revision)).collect();
        assert_eq!(read(|| streams.next(one)), (expected, last), "{present}");
    }
}

#[test]
fn the_end_of_an_earlier_life_hides_nothing_of_the_next() {
    let streams = Streams::new(9).unwrap();
    let one = streams.register(Some(hash(1))).unwrap();
    streams.tell(&view(1, 5, Failed));
    streams.tell(&view(2, 1, Initiated));
    // The second life is read here, and told before the stream begins with it.
    streams.tell(&view(2, 2, InFlight));
    streams.start(one, vec![view(2, 1, Initiated)]);
    streams.tell(&view(2, 3, Failed));
    assert_eq!(read(|| streams.next(one)), (vec![(2, 1), (2, 2), (2, 3)], Next::Closed));
}

#[test]
fn a_stream_whose_payment_is_deleted_before_it_begins_ends_with_that_payment() {
    type Case = (u64, PaymentStatus, u64, &'static [(u64, u64)], Next);
    let cases: [Case; 3] = [
        (1, InFlight, 1, &[(1, 2), (1, 3)], Next::Closed),
        (1, Failed, 1, &[(1, 2)], Next::Closed),
        // What was deleted is an earlier payment of the hash.
        (2, InFlight, 1, &[(2, 2), (2, 3)], Next::Waiting),
    ];
    for (sequence, status, deleted, expected, last) in cases {
        let streams = Streams::new(9).unwrap();
        let one = streams.register(Some(hash(1))).unwrap();
        streams.tell(&view(sequence, 3, InFlight));
        streams.deleted(hash(1), deleted);
        if sequence == deleted {
            streams.tell(&view(sequence + 1, 1, Initiated));
        }
        streams.start(one, vec![view(sequence, 2, status)]);
        assert_eq!(read(|| streams.next(one)), (expected.to_vec(), last), "{sequence} {status:?}");
    }
}

#[test]
fn who_cancels_takes_no_news_from_others() {
    let streams = Streams::new(9).unwrap();
    let [first, second, of_all] = [Some(hash(1)), Some(hash(1)), None].map(|of| {
        let stream = streams.register(of).unwrap();
        streams.start(stream, Vec::new());
        stream
    });
    streams.tell(&view(1, 1, Initiated));
    streams.cancel(first).unwrap();
    assert_eq!(streams.take_ready(9), [second, of_all]);
    streams.tell(&view(1, 2, InFlight));
    for stream in [second, of_all] {
        assert_eq!(read(|| streams.next(stream)), (vec![(1, 1), (1, 2)], Next::Waiting));
    }
}

#[test]
fn a_stream_that_began_with_more_than_it_keeps_stays_bounded() {
    let streams = Streams::new(9).unwrap();
    let all = streams.register(None).unwrap();
    let many = PAYMENT_VIEWS_MAX + 500;
    streams.start(
        all,
        (1..=many as u64)
            .map(|sequence| {
                let mut bytes = [0; 32];
                bytes[..8].copy_from_slice(&sequence.to_be_bytes());
                let mut one = (*view(sequence, 1, Initiated)).clone();
                one.init.hash = PaymentHash(bytes);
                Arc::new(one)
            })
            .collect(),
    );
    let told = 2 * many as u64;
    let first = many as u64 + 1;
    (first..first + told).for_each(|sequence| streams.tell(&view(sequence, 1, Initiated)));
    let Next::Missed(missed) = streams.next(all) else { panic!("nothing was dropped") };
    let (views, _) = read(|| streams.next(all));
    assert_eq!(views.len() as u64 + missed, many as u64 + told);
    assert!(views.len() <= PAYMENT_VIEWS_MAX + many, "{} views are kept", views.len());
    assert_eq!(views.last(), Some(&(first + told - 1, 1)));
}

/// Subscribes at the moment when a commit can be read and was not told yet.
struct SubscribesEarly {
    payments: Payments,
    of: Option<PaymentHash>,
    stream: Mutex<Option<u64>>,
    armed: AtomicBool,
}

impl CommitListener for SubscribesEarly {
    fn committed(&self, _heads: &Heads) {
        if !self.armed.swap(false, std::sync::atomic::Ordering::Relaxed) {
            return;
        }
        let stream = match self.of {
            Some(hash) => self.payments.subscribe(hash),
            None => self.payments.subscribe_all(),
        };
        *self.stream.lock() = Some(stream.unwrap());
    }

    fn ended(&self) {}
}

/// What a stream has that began between the commit of some operations and their announcement.
fn read_early(of: Option<PaymentHash>, operations: Vec<Operation>) -> (Vec<(u64, u64)>, Next) {
    let world = World::new();
    let node = world.open();
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    let early = Arc::new(SubscribesEarly {
        payments: Payments::open(node.store(), world.options).unwrap(),
        of,
        stream: Mutex::new(None),
        armed: AtomicBool::new(false),
    });
    let listener: Weak<dyn CommitListener> = Arc::<SubscribesEarly>::downgrade(&early);
    node.store().on_commit(listener);
    early.armed.store(true, std::sync::atomic::Ordering::Relaxed);
    let commands = operations.into_iter().map(|operation| node.payments.command(operation));
    let commands = commands.collect::<Result<_>>().unwrap();
    let outcomes = node.store().submit(commands, Grouping::Independent).unwrap();
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    node.payments.fail(hash(1), FailureReason::Error).unwrap();
    let stream = early.stream.lock().unwrap();
    read_of(&node, stream)
}

#[test]
fn a_change_that_is_read_before_it_is_told_is_had_once() {
    let register = || vec![Operation::Register(hash(1), whole(1, 1_000), false)];
    let expected = (vec![(1, 2), (1, 3)], Next::Waiting);
    assert_eq!(read_early(Some(hash(1)), register()), expected);
    assert_eq!(read_early(None, register()), expected);
}

#[test]
fn the_deletion_of_an_earlier_payment_does_not_close_the_stream_of_the_next() {
    let again = vec![
        Operation::Delete(hash(1), Retain::Tombstone),
        Operation::Init(PaymentInit::new(hash(1), 2_000)),
    ];
    let (views, last) = read_early(Some(hash(1)), again);
    assert_eq!((views, last), (vec![(2, 1), (2, 2)], Next::Closed), "closed by its own end");
}
