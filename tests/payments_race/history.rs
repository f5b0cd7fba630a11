//! What every thread of a race asked and was told, and whether one order of all changes explains it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lnkeep::attempts::Attempts;
use lnkeep::events::{Event, EventKind};
use lnkeep::payments::{Operation, Payment, Payments};
use lnkeep::{PaymentHash, Reply, Status};

use crate::calls;
use crate::racers::{Asked, CALLS, Course, RACERS, WATCHERS};
use crate::reference::Tower;

/// What a call told, without what a caller may not know.
#[derive(Debug, Clone)]
pub enum Told {
    Reply(Reply, Option<Arc<Payment>>),
    View(Arc<Payment>),
    Watching(u64),
    Refused(Status),
}

/// One call with the order of its beginning and its end among all of them.
#[derive(Debug, Clone)]
pub struct Call {
    pub asked: Asked,
    pub told: Told,
    pub began: u64,
    pub ended: u64,
}

impl Call {
    /// Number of the event of the change, if the call changed something.
    fn event(&self) -> Option<u64> {
        match &self.told {
            Told::Reply(reply, _) if reply.changed() => Some(reply.event_sequence),
            _ => None,
        }
    }
}

/// Where a call may stand among the changes: after so many of them at least, and at most.
pub type Range = std::ops::RangeInclusive<usize>;

pub struct History {
    /// Calls that changed something, in the order of their events.
    pub done: Vec<Call>,
    /// Calls that were refused, repeated or read.
    pub others: Vec<Call>,
}

/// Lets the threads race and collects what happened to them.
pub fn race(course: &Course, payments: &Payments, attempts: &Attempts) -> History {
    let order = AtomicU64::new(0);
    let start = std::sync::Barrier::new((RACERS + WATCHERS) as usize);
    let run = |thread| {
        let mut racer = course.racer(thread);
        let mut calls = Vec::new();
        start.wait();
        for _ in 0..CALLS {
            let asked = if thread < RACERS { racer.ask() } else { racer.watch() };
            let began = order.fetch_add(1, Ordering::SeqCst);
            let told = ask(payments, attempts, &asked);
            let ended = order.fetch_add(1, Ordering::SeqCst);
            if let Told::Reply(_, Some(view)) | Told::View(view) = &told {
                racer.learn(view);
            }
            calls.push(Call { asked, told, began, ended });
        }
        calls
    };
    let run = &run;
    let calls: Vec<Call> = std::thread::scope(|scope| {
        let threads = 0..RACERS + WATCHERS;
        let racing: Vec<_> = threads.map(|thread| scope.spawn(move || run(thread))).collect();
        racing.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let (mut done, others): (Vec<_>, Vec<_>) =
        calls.into_iter().partition(|call| call.event().is_some());
    done.sort_by_key(Call::event);
    History { done, others }
}

fn ask(payments: &Payments, attempts: &Attempts, asked: &Asked) -> Told {
    let told = match asked {
        Asked::Payment(operation) => {
            calls::call(payments, operation, false).map(|(reply, view)| Told::Reply(reply, view))
        }
        Asked::Record(operation) => {
            attempts.change(operation.clone()).map(|reply| Told::Reply(reply, None))
        }
        Asked::Fetch(hash) => payments.fetch(*hash).map(|view| Told::View(Arc::new(view))),
        Asked::Watch(Some(hash)) => payments.subscribe(*hash).map(Told::Watching),
        Asked::Watch(None) => payments.subscribe_all().map(Told::Watching),
    };
    told.unwrap_or_else(|error| Told::Refused(error.status()))
}

impl History {
    /// Calls of two threads that were under way at once, counted at the later one.
    pub fn overlaps(&self) -> usize {
        let mut calls: Vec<_> = self.done.iter().chain(&self.others).collect();
        calls.sort_by_key(|call| call.began);
        calls.windows(2).filter(|pair| pair[1].began < pair[0].ended).count()
    }

    /// What ended before a call began is before it, what began after it ended is after it.
    pub fn range(&self, call: &Call) -> Range {
        let before = self.done.iter().rposition(|done| done.ended < call.began);
        let after = self.done.iter().position(|done| done.began > call.ended);
        before.map_or(0, |last| last + 1)..=after.unwrap_or(self.done.len())
    }

    /// Replays all changes in the order of their events. Answers what each payment was after each change.
    pub fn replay(&mut self, tower: &mut Tower) -> Vec<Change> {
        let mut open: Vec<(Range, &Call)> =
            self.others.iter().map(|call| (self.range(call), call)).collect();
        let mut changes = Vec::new();
        let mut last_event = 0;
        for (place, call) in self.done.iter().enumerate() {
            explain(&mut open, place, tower);
            let event = call.event().expect("a change has an event");
            assert!(event > last_event, "{call:?}: event {event} was told twice");
            last_event = event;
            let earlier = self.done[..place].iter().find(|earlier| earlier.began > call.ended);
            assert!(earlier.is_none(), "{call:?} comes after what began later: {earlier:?}");
            changes.extend(replay_one(tower, call, event, place));
        }
        explain(&mut open, self.done.len(), tower);
        assert!(open.is_empty(), "no place explains {:?}", open.first());
        changes
    }

    /// The log of a round is what the replay wrote, and what the attempt store told beside it.
    pub fn compare_events(&self, log: &[Event], tower: &mut Tower) {
        let of_payments = |kind: EventKind| kind as u16 >= EventKind::PaymentInitiated as u16;
        let (ours, of_attempts): (Vec<Event>, Vec<Event>) =
            log.iter().partition(|event| of_payments(event.kind));
        let expected: Vec<Event> = tower.events.drain(..).collect();
        assert_eq!(ours, expected, "the log is not what was answered");
        for event in of_attempts {
            let told = self.done.iter().any(|call| call.event() == Some(event.sequence));
            // A record that begins or ends with its payment's attempt has its event just before that one's.
            let linked = ours.iter().any(|one| {
                one.sequence == event.sequence + 1
                    && (one.attempt_id, one.namespace) == (event.attempt_id, event.namespace)
            });
            assert!(told || linked, "nobody was told of {event:?}");
        }
    }
}

/// A change of a payment at its place in the order: its view, or none when it was deleted.
pub struct Change {
    pub place: usize,
    pub hash: PaymentHash,
    pub view: Option<Arc<Payment>>,
}

fn replay_one(tower: &mut Tower, call: &Call, event: u64, place: usize) -> Option<Change> {
    let Told::Reply(reply, view) = &call.told else { unreachable!("{call:?} changed nothing") };
    match &call.asked {
        Asked::Payment(operation) => {
            tower.last_event = event - 1;
            let answer = tower.apply(operation).unwrap_or_else(|status| {
                panic!("{call:?}: the specification refuses it with {status:?}")
            });
            assert_eq!(reply.status, answer.status, "{call:?}");
            assert_eq!(reply.conflict(), answer.conflict, "{call:?}");
            assert_eq!(reply.event_sequence, answer.event, "{call:?}");
            assert_eq!(view.as_deref(), answer.view.as_ref(), "{call:?}");
            let hash = calls::hash_of(operation);
            Some(Change { place, hash, view: view.clone() })
        }
        Asked::Record(operation) => {
            let records = tower.records.as_mut().expect("the arena has records");
            assert_eq!(records.apply(operation), Ok(reply.status), "{call:?}");
            None
        }
        asked => unreachable!("{asked:?} changes nothing"),
    }
}

/// Drops the calls that the state at this place explains.
fn explain(open: &mut Vec<(Range, &Call)>, place: usize, tower: &Tower) {
    open.retain(|(range, call)| !(range.contains(&place) && is_explained(tower, call)));
    if let Some((_, call)) = open.iter().find(|(range, _)| *range.end() == place) {
        panic!("no place explains {call:?}");
    }
}

fn is_explained(tower: &Tower, call: &Call) -> bool {
    match (&call.asked, &call.told) {
        (Asked::Payment(operation), told) => would(tower, operation, told),
        (Asked::Record(operation), told) => {
            let mut records = tower.records.clone().expect("the arena has records");
            match (records.apply(operation), told) {
                (Ok(status), Told::Reply(reply, _)) => {
                    status != Status::Done && status == reply.status
                }
                (Err(status), Told::Refused(told)) => status == *told,
                _ => false,
            }
        }
        (Asked::Fetch(hash), Told::View(view)) => tower.payment(*hash) == Some(view),
        (Asked::Fetch(hash) | Asked::Watch(Some(hash)), Told::Refused(status)) => {
            *status == Status::PaymentNotInitiated && tower.payment(*hash).is_none()
        }
        // What a stream shows is checked when it was read.
        (Asked::Watch(_), Told::Watching(_)) => true,
        (asked, told) => panic!("{asked:?} was answered {told:?}"),
    }
}

fn would(tower: &Tower, operation: &Operation, told: &Told) -> bool {
    match (tower.clone().apply(operation), told) {
        (Ok(answer), Told::Reply(reply, view)) => {
            answer.status != Status::Done
                && answer.status == reply.status
                && answer.view.as_ref() == view.as_deref()
        }
        (Err(status), Told::Refused(told)) => status == *told,
        _ => false,
    }
}
