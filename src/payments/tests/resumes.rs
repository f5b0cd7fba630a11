//! What a restart makes of unfinished payments: every row of the table, and a dispatcher that answers badly.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::resume::*;
use super::*;
use crate::attempts::rules::InitRequest;
use crate::attempts::{AttemptResult, State};
use crate::store::failpoints::Fault;

/// Answers by attempt id, and counts the questions: nobody asks for ever.
#[derive(Default)]
struct Script {
    answers: HashMap<u64, Answer>,
    closed: Vec<u64>,
    skipped: Vec<u64>,
    asked: AtomicU64,
}

impl Script {
    fn of(answers: impl IntoIterator<Item = (u64, Answer)>) -> Script {
        Script { answers: answers.into_iter().collect(), ..Script::default() }
    }
}

impl ResumeDispatcher for Script {
    fn answer(&self, _payment: &Payment, attempt: &PaymentAttempt) -> Answer {
        assert!(self.asked.fetch_add(1, Ordering::Relaxed) < 200, "the resume asks for ever");
        self.answers.get(&attempt.request.key.id.0).cloned().unwrap_or(Answer::Unknown)
    }

    fn first_hop_is_closed(&self, _payment: &Payment, attempt: &PaymentAttempt) -> bool {
        self.closed.contains(&attempt.request.key.id.0)
    }

    fn skip(&self, _payment: &Payment, attempt: &PaymentAttempt) -> bool {
        self.skipped.contains(&attempt.request.key.id.0)
    }
}

const KEEP: ResumeOptions = ResumeOptions { keep_failed_attempts: true, resume_sending: false };

/// Payment 1 of 1,000 msat with parts of 500 msat, one for each id.
fn parts(node: &Node, ids: &[u64]) {
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    for id in ids {
        node.payments.register(hash(1), part(*id, 500, 1_000)).unwrap();
    }
}

fn resume(node: &Node, script: &Script) -> ResumeOutcome {
    let resume = node.payments.resume(script, KEEP).unwrap();
    assert_eq!(resume.payments.len(), 1);
    assert_eq!(resume.payments[0].hash, Some(hash(1)));
    resume.payments[0].outcome
}

/// Status, reason, and the failure reasons of the attempts.
type Ended = (PaymentStatus, Option<FailureReason>, Vec<Option<AttemptFailure>>);

fn ended(node: &Node) -> Ended {
    let payment = node.payments.fetch(hash(1)).unwrap();
    let failures = payment.attempts.iter().map(|attempt| match &attempt.outcome {
        AttemptOutcome::Failed(failure) => Some(failure.reason),
        _ => None,
    });
    (payment.status, payment.failure_reason, failures.collect())
}

fn settles(byte: u8) -> Answer {
    Answer::Settled(preimage(byte))
}

/// One attempt of 500 msat for each letter, answered: p pending, s settled, f failed, r rejected by the
/// receiver, e with an error, u never heard of; a capital letter stands behind a closed channel. Then what
/// becomes of the payment of 1,000 msat, and of each attempt: M failed with its message, I internal,
/// U unknown, . did not fail.
const RESTARTS: &str = "
    -   Done      Failed     NoRoute                  -
    pp  Waiting   InFlight   -                        ..
    p   Waiting   InFlight   NoRoute                  .
    s   Internal  Succeeded  NoRoute                  .
    ss  Done      Succeeded  -                        ..
    sp  Waiting   InFlight   -                        ..
    sf  Internal  Succeeded  -                        .M
    f   Done      Failed     NoRoute                  M
    ff  Done      Failed     NoRoute                  MM
    fp  Waiting   InFlight   NoRoute                  M.
    rp  Waiting   InFlight   IncorrectPaymentDetails  M.
    r   Done      Failed     IncorrectPaymentDetails  M
    rs  Internal  Succeeded  IncorrectPaymentDetails  M.
    e   Done      Failed     Error                    I
    ep  Waiting   InFlight   Error                    I.
    u   Done      Failed     NoRoute                  I
    us  Internal  Succeeded  NoRoute                  I.
    P   Done      Failed     NoRoute                  U
    U   Done      Failed     NoRoute                  U
    F   Done      Failed     NoRoute                  M
    SS  Done      Succeeded  -                        ..
    Pp  Waiting   InFlight   NoRoute                  U.";

fn script_of(letters: &str) -> (Vec<u64>, Script) {
    let mut script = Script::default();
    for (letter, id) in letters.trim_matches('-').chars().zip(1..) {
        let answer = match letter.to_ascii_lowercase() {
            'p' => Answer::Pending,
            's' => settles(1),
            'f' => Answer::Failed(failure()),
            'r' => Answer::FailedFinal(failure()),
            'e' => Answer::Error,
            'u' => Answer::Unknown,
            other => panic!("{other} is no answer"),
        };
        script.answers.insert(id, answer);
        if letter.is_ascii_uppercase() {
            script.closed.push(id);
        }
    }
    let mut ids: Vec<_> = script.answers.keys().copied().collect();
    ids.sort_unstable();
    (ids, script)
}

fn shown(outcome: ResumeOutcome, (status, reason, failures): Ended) -> Vec<String> {
    let letters = failures.iter().map(|failure| match failure {
        None => '.',
        Some(AttemptFailure::Message) => 'M',
        Some(AttemptFailure::Internal) => 'I',
        Some(AttemptFailure::Unknown) => 'U',
        Some(other) => panic!("{other:?} is no failure of a resume"),
    });
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let reason = reason.map_or(String::new(), |reason| format!("{reason:?}"));
    let letters: String = letters.collect();
    vec![format!("{outcome:?}"), format!("{status:?}"), or_dash(reason), or_dash(letters)]
}

#[test]
fn every_row_of_the_table_of_restarts() {
    for row in RESTARTS.lines().skip(1) {
        let cells: Vec<_> = row.split_whitespace().collect();
        let (ids, script) = script_of(cells[0]);
        let world = World::new();
        let node = world.open();
        parts(&node, &ids);
        node.store().crash();
        let node = world.open();
        let outcome = resume(&node, &script);
        assert_eq!(shown(outcome, ended(&node)), cells[1..], "{row}");
        let before = node.payments.fetch(hash(1)).unwrap();
        let again = node.payments.resume(&script, KEEP).unwrap();
        let waits = outcome == ResumeOutcome::Waiting;
        assert_eq!(again.payments.len(), usize::from(waits), "{row}");
        assert_eq!(node.payments.fetch(hash(1)).unwrap(), before, "{row}: again");
        world.check_sound();
    }
}

#[test]
fn a_reason_that_was_given_before_stays() {
    let world = World::new();
    let node = world.open();
    parts(&node, &[1]);
    node.payments.fail(hash(1), FailureReason::Canceled).unwrap();
    let script = Script::of([(1, Answer::Failed(failure()))]);
    assert_eq!(resume(&node, &script), ResumeOutcome::Done);
    assert_eq!(ended(&node).1, Some(FailureReason::Canceled));
}

#[test]
fn what_cannot_be_is_told_and_left_alone() {
    let world = World::new();
    let node = world.open();
    node.payments.init(PaymentInit::new(hash(1), 0)).unwrap();
    assert_eq!(resume(&node, &Script::default()), ResumeOutcome::Internal);
    assert_eq!(node.status(1), PaymentStatus::Initiated);
}

#[test]
fn the_keep_set_has_every_attempt_of_unfinished_payments_and_no_other() {
    let world = World::new();
    let node = world.open();
    node.succeed(3, 9);
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    for id in [7, 300, 2] {
        node.payments.register(hash(1), part(id, 100, 1_000)).unwrap();
    }
    node.fail_attempt(1, 300).unwrap();
    let mut elsewhere = whole(2, 1_000);
    elsewhere.key.namespace = Namespace([1; 16]);
    node.payments.init(PaymentInit::new(hash(2), 1_000)).unwrap();
    node.payments.register(hash(2), elsewhere.clone()).unwrap();
    let resume = node.payments.resume(&AttemptStoreOnly, KEEP).unwrap();
    assert_eq!(resume.keep, [key(2), elsewhere.key, key(7), key(300)]);
}

#[test]
fn failed_attempts_of_what_is_done_are_pruned_unless_kept() {
    for keep_failed_attempts in [false, true] {
        let world = World::new();
        let node = world.open();
        parts(&node, &[1, 2]);
        let options = ResumeOptions { keep_failed_attempts, ..ResumeOptions::default() };
        let pending = Script::of([(1, Answer::Failed(failure())), (2, Answer::Pending)]);
        node.payments.resume(&pending, options).unwrap();
        let attempts = || node.payments.fetch(hash(1)).unwrap().attempts.len();
        assert_eq!(attempts(), 2, "it waits");
        let fails = Script::of([(2, Answer::Failed(failure()))]);
        node.payments.resume(&fails, options).unwrap();
        assert_eq!(attempts(), if keep_failed_attempts { 2 } else { 0 });
    }
}

/// Payment 1 with attempt 1 and its record.
fn tracked(node: &Node) {
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    node.payments.register_and_init(hash(1), whole(1, 1_000)).unwrap();
}

#[test]
fn the_attempt_store_alone_finishes_what_it_knows() {
    use AttemptFailure::{Internal, Message};
    type Act = fn(&Node);
    let network: Act = |node| {
        let failure = AttemptResult::network_failure(RawMessage::new(vec![9]));
        node.attempts.store_result(key(1), failure).unwrap();
    };
    let rows: [(Act, ResumeOutcome, PaymentStatus, Vec<Option<AttemptFailure>>); 5] = [
        (|_| {}, ResumeOutcome::Done, PaymentStatus::Failed, vec![Some(Internal)]),
        (
            |node| {
                node.attempts.mark_handed_off(key(1)).unwrap();
            },
            ResumeOutcome::Waiting,
            PaymentStatus::InFlight,
            vec![None],
        ),
        (
            |node| {
                let settle = AttemptResult::settle(preimage(1));
                node.attempts.store_result(key(1), settle).unwrap();
            },
            ResumeOutcome::Done,
            PaymentStatus::Succeeded,
            vec![None],
        ),
        (network, ResumeOutcome::Done, PaymentStatus::Failed, vec![Some(Message)]),
        (
            |node| {
                node.attempts.fail_pending(key(1), Default::default()).unwrap();
            },
            ResumeOutcome::Done,
            PaymentStatus::Failed,
            vec![Some(Internal)],
        ),
    ];
    for (place, (act, outcome, status, failures)) in rows.into_iter().enumerate() {
        let world = World::new();
        let node = world.open();
        tracked(&node);
        act(&node);
        node.store().crash();
        let node = world.open();
        let resume = node.payments.resume(&AttemptStoreOnly, KEEP).unwrap();
        assert_eq!(resume.payments[0].outcome, outcome, "row {place}");
        let (found, _, found_failures) = ended(&node);
        assert_eq!((found, found_failures), (status, failures), "row {place}");
        let record = node.attempts.get(key(1)).unwrap();
        let acked = record.flags.has(crate::attempts::Flags::ACKED);
        assert_eq!(acked, outcome == ResumeOutcome::Done, "row {place}");
    }
}

#[test]
fn the_failure_message_of_the_attempt_store_comes_with_the_failure() {
    let world = World::new();
    let node = world.open();
    tracked(&node);
    let failure = AttemptResult::network_failure(RawMessage::new(vec![9]));
    node.attempts.store_result(key(1), failure).unwrap();
    node.tick(7);
    node.payments.resume(&AttemptStoreOnly, KEEP).unwrap();
    let payment = node.payments.fetch(hash(1)).unwrap();
    let AttemptOutcome::Failed(failure) = &payment.attempts[0].outcome else {
        panic!("{payment:?}")
    };
    assert_eq!(failure.message.expose(), [9]);
    assert_eq!(failure.failed_unix_ns, 7_000_000);
}

#[test]
fn an_attempt_without_a_record_waits_for_its_dispatcher() {
    let world = World::new();
    let node = world.open();
    parts(&node, &[1, 2]);
    let resume = node.payments.resume(&AttemptStoreOnly, KEEP).unwrap();
    assert_eq!(resume.payments[0].outcome, ResumeOutcome::Waiting);
    assert_eq!(node.payments.fetch(hash(1)).unwrap().state().in_flight, 2);
}

#[test]
fn no_answer_fails_what_was_handed_off_and_none_undoes_a_known_settle() {
    let answers =
        [Answer::Failed(failure()), Answer::FailedFinal(failure()), Answer::Error, Answer::Unknown];
    for answer in answers {
        let world = World::new();
        let node = world.open();
        tracked(&node);
        node.attempts.mark_handed_off(key(1)).unwrap();
        let script = Script { closed: vec![1], ..Script::of([(1, answer.clone())]) };
        assert_eq!(resume(&node, &script), ResumeOutcome::Waiting, "{answer:?}");
        assert_eq!(ended(&node).0, PaymentStatus::InFlight, "{answer:?}");
        node.attempts.store_result(key(1), AttemptResult::settle(preimage(1))).unwrap();
        assert_eq!(resume(&node, &script), ResumeOutcome::Done, "{answer:?}");
        assert_eq!(ended(&node).0, PaymentStatus::Succeeded, "{answer:?}");
    }
    let world = World::new();
    let node = world.open();
    tracked(&node);
    node.attempts.mark_handed_off(key(1)).unwrap();
    assert_eq!(resume(&node, &Script::of([(1, settles(1))])), ResumeOutcome::Done);
    assert_eq!(node.attempts.get(key(1)).unwrap().state, State::Settled);
}

#[test]
fn a_preimage_counts_before_a_failure_that_the_record_holds() {
    let world = World::new();
    let node = world.open();
    tracked(&node);
    node.attempts.fail_pending(key(1), Default::default()).unwrap();
    // The preimage proves that the receiver took it; failed, the hash would be paid again.
    resume(&node, &Script::of([(1, settles(1))]));
    assert_eq!(node.status(1), PaymentStatus::Succeeded);
}

#[test]
fn a_damaged_record_waits_for_a_settle_or_the_operator() {
    let world = World::new();
    let node = world.open();
    tracked(&node);
    node.attempts.write_raw(key(1), b"damaged").unwrap();
    let failed = Script::of([(1, Answer::Failed(failure()))]);
    assert_eq!(resume(&node, &failed), ResumeOutcome::Waiting);
    assert_eq!(resume(&node, &Script::of([(1, settles(1))])), ResumeOutcome::Done);
    assert_eq!(node.status(1), PaymentStatus::Succeeded);
}

#[test]
fn a_wrong_preimage_settles_nothing_and_is_not_asked_for_again_and_again() {
    let world = World::new();
    let node = world.open();
    parts(&node, &[1, 2]);
    let script = Script::of([(1, settles(2)), (2, settles(1))]);
    assert_eq!(resume(&node, &script), ResumeOutcome::Waiting);
    let payment = node.payments.fetch(hash(1)).unwrap();
    let states: Vec<_> = payment.attempts.iter().map(PaymentAttempt::state).collect();
    assert_eq!(states, [AttemptState::InFlight, AttemptState::Settled]);
}

#[test]
fn a_message_that_is_too_long_leaves_the_attempt_out_and_stops_nobody() {
    let world = World::new();
    let node = world.open();
    parts(&node, &[1, 2]);
    let long = RawMessage::new(vec![0; crate::limits::MESSAGE_BYTES_MAX + 1]);
    let failure = Failure { message: long, ..failure() };
    let script = Script::of([(1, Answer::Failed(failure)), (2, Answer::Unknown)]);
    assert_eq!(resume(&node, &script), ResumeOutcome::Waiting);
    let (_, _, failures) = ended(&node);
    assert_eq!(failures, [None, Some(AttemptFailure::Internal)]);
}

#[test]
fn attempts_to_be_skipped_are_left_alone() {
    let world = World::new();
    let node = world.open();
    parts(&node, &[1, 2]);
    let script = Script { skipped: vec![1], ..Script::default() };
    assert_eq!(resume(&node, &script), ResumeOutcome::Waiting);
    let (status, reason, failures) = ended(&node);
    assert_eq!((status, reason), (PaymentStatus::InFlight, Some(FailureReason::NoRoute)));
    assert_eq!(failures, [None, Some(AttemptFailure::Internal)]);
}

/// Changes payments behind the back of the resume that asks it.
struct Meddler<'node>(&'node Node, fn(&Node));

impl ResumeDispatcher for Meddler<'_> {
    fn answer(&self, _payment: &Payment, _attempt: &PaymentAttempt) -> Answer {
        self.1(self.0);
        Answer::Error
    }
}

#[test]
fn a_payment_that_somebody_else_ends_meanwhile_stops_no_resume() {
    type Case = (fn(&Node), Option<PaymentStatus>);
    let meddling: [Case; 4] = [
        (|node| drop(node.settle(1, 1)), Some(PaymentStatus::Succeeded)),
        (|node| drop(node.fail_attempt(1, 1)), Some(PaymentStatus::Failed)),
        (
            |node| {
                drop(node.settle(1, 1));
                drop(node.payments.delete(hash(1), Retain::Tombstone));
            },
            None,
        ),
        (
            |node| {
                drop(node.payments.fail(hash(1), FailureReason::Canceled));
                drop(node.fail_attempt(1, 1));
                drop(node.payments.delete(hash(1), Retain::Tombstone));
            },
            None,
        ),
    ];
    for (place, (meddle, status)) in meddling.into_iter().enumerate() {
        let world = World::new();
        let node = world.open();
        node.pay(1, 1);
        node.payments.init(PaymentInit::new(hash(2), 1_000)).unwrap();
        let resume = node.payments.resume(&Meddler(&node, meddle), KEEP).unwrap();
        let outcomes: Vec<_> = resume.payments.iter().map(|payment| payment.outcome).collect();
        assert_eq!(outcomes, [ResumeOutcome::Done; 2], "case {place}");
        let found = node.payments.fetch(hash(1)).ok().map(|payment| payment.status);
        assert_eq!(found, status, "case {place}");
        assert_eq!(node.status(2), PaymentStatus::Failed, "case {place}: the next one");
    }
}

#[test]
fn sending_is_handed_back_to_a_host_that_kept_its_intent_until_the_deadline() {
    let world = World::new();
    let node = world.open();
    let until = |byte: u8, deadline_unix_ns| {
        let intent = Some(Intent { deadline_unix_ns, fee_limit_msat: 5, ..Intent::default() });
        let init = PaymentInit { intent, ..PaymentInit::new(hash(byte), 1_000) };
        node.payments.init(init).unwrap();
    };
    until(1, 0);
    until(2, 3_000_000);
    until(3, 2_000_000);
    node.payments.init(PaymentInit::new(hash(4), 1_000)).unwrap();
    until(5, 0);
    node.payments.fail(hash(5), FailureReason::Canceled).unwrap();
    until(6, 0);
    node.payments.register(hash(6), part(6, 400, 1_000)).unwrap();
    until(7, 0);
    node.payments.register(hash(7), whole(7, 1_000)).unwrap();
    node.tick(2);
    let options = ResumeOptions { resume_sending: true, ..KEEP };
    let script = Script::of([(6, Answer::Pending), (7, Answer::Pending)]);
    let before = node.payments.fetch(hash(6)).unwrap();
    let resume = node.payments.resume(&script, options).unwrap();
    use ResumeOutcome::{Done, MaySend, Waiting};
    let outcomes: Vec<_> = resume.payments.iter().map(|payment| payment.outcome).collect();
    // The canceled one was FAILED before, and is not looked at.
    assert_eq!(outcomes, [MaySend, MaySend, Done, Done, MaySend, Waiting]);
    assert_eq!(node.status(1), PaymentStatus::Initiated);
    assert_eq!(node.status(3), PaymentStatus::Failed, "its deadline is now");
    assert_eq!(node.payments.fetch(hash(6)).unwrap(), before);
    let intent = node.payments.fetch(hash(2)).unwrap().init.intent.unwrap();
    assert_eq!((intent.deadline_unix_ns, intent.fee_limit_msat), (3_000_000, 5));
    let given_up = node.payments.resume(&script, KEEP).unwrap();
    assert_eq!(given_up.payments.len(), 4);
    assert_eq!(node.status(1), PaymentStatus::Failed, "without the option it is given up");
}

#[test]
fn what_is_known_counts_before_a_payment_is_handed_back_for_sending() {
    use FailureReason::IncorrectPaymentDetails;
    use ResumeOutcome::{Done, Internal, MaySend};
    let rows = [
        (Answer::Pending, MaySend, PaymentStatus::InFlight, None),
        (Answer::Unknown, MaySend, PaymentStatus::InFlight, None),
        (Answer::Failed(failure()), MaySend, PaymentStatus::InFlight, None),
        (settles(2), MaySend, PaymentStatus::InFlight, None),
        // Sending more after either would pay what nobody asked for.
        (settles(1), Internal, PaymentStatus::Succeeded, None),
        (
            Answer::FailedFinal(failure()),
            Done,
            PaymentStatus::Failed,
            Some(IncorrectPaymentDetails),
        ),
    ];
    for (answer, outcome, status, reason) in rows {
        let world = World::new();
        let node = world.open();
        let intent = Some(Intent::default());
        node.payments.init(PaymentInit { intent, ..PaymentInit::new(hash(1), 1_000) }).unwrap();
        node.payments.register(hash(1), part(1, 400, 1_000)).unwrap();
        let options = ResumeOptions { resume_sending: true, ..KEEP };
        let script = Script::of([(1, answer.clone())]);
        let resume = node.payments.resume(&script, options).unwrap();
        assert_eq!(resume.payments[0].outcome, outcome, "{answer:?}");
        let (found, found_reason, _) = ended(&node);
        assert_eq!((found, found_reason), (status, reason), "{answer:?}");
    }
}

#[test]
fn a_resume_goes_on_where_a_failed_commit_stopped_it() {
    for fault in [Fault::CommitFailsBefore, Fault::CommitFailsAfter, Fault::NoSpace] {
        let world = World::new();
        let node = world.open();
        tracked(&node);
        node.payments.init(PaymentInit::new(hash(2), 1_000)).unwrap();
        node.attempts.init(&InitRequest::new(key(9))).unwrap();
        node.store().inject(Some(fault));
        let error = node.payments.resume(&AttemptStoreOnly, KEEP).unwrap_err();
        let expected = if fault == Fault::NoSpace { Status::NoSpace } else { Status::Unknown };
        assert_eq!(error.status(), expected);
        node.store().crash();
        drop(node);
        let node = world.open();
        node.payments.resume(&AttemptStoreOnly, KEEP).unwrap();
        assert_eq!(ended(&node).2, [Some(AttemptFailure::Internal)]);
        assert_eq!(
            (node.status(1), node.status(2)),
            (PaymentStatus::Failed, PaymentStatus::Failed)
        );
        assert_eq!(node.payments.counts().unwrap().unfinished, 0);
        world.check_sound();
    }
}

/// Failing the attempt and removing it are commits of their own; an error of either is told.
#[test]
fn a_resume_that_cannot_prune_what_is_done_says_so() {
    for batches in [0, 1] {
        let world = World::new();
        let node = world.open();
        node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
        node.payments.register(hash(1), whole(1, 1_000)).unwrap();
        node.payments.fail(hash(1), FailureReason::NoRoute).unwrap();
        node.store().inject_after(batches, Fault::NoSpace);
        let fails = Script::of([(1, Answer::Failed(failure()))]);
        let resumed = node.payments.resume(&fails, ResumeOptions::default());
        assert_eq!(refusal(resumed), Status::NoSpace, "after {batches} batches");
    }
}
