//! Who waits for which result: memory only, bounded, forgotten at a restart.
//!
//! U1 a subscription takes the first final result written while it waits, exactly once, and keeps it.
//! U2 one that is cancelled or shut down delivers nothing. U3 subscribe registers first and reads second, so
//! that no commit falls between. U4 ids of subscriptions are never reused while the store is open.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::record::AttemptResult;
use crate::error::{Error, Result, Status};
use crate::limits::SUBSCRIPTIONS_MAX;
use crate::os::Doorbell;
use crate::store::heads::Heads;
use crate::store::{CommitListener, Store};
use crate::types::AttemptKey;

/// What a subscription has for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// No final result yet.
    Waiting,
    /// The result, given out once.
    Result(AttemptResult),
    /// The result was given out before.
    Done,
    /// Cancelled, shut down, or never to be served.
    Closed,
}

#[derive(Debug)]
enum Waiter {
    Waiting,
    /// Boxed: most subscriptions wait, and waiting ones are what memory is bounded for.
    Ready(Box<AttemptResult>),
    Done,
    Closed,
}

#[derive(Default)]
struct Table {
    last_id: u64,
    waiters: BTreeMap<u64, (AttemptKey, Waiter)>,
    waiting: BTreeSet<(AttemptKey, u64)>,
    ready: VecDeque<u64>,
}

/// All subscriptions of one store.
pub(crate) struct Subscriptions {
    table: Mutex<Table>,
    doorbell: Doorbell,
    max: AtomicUsize,
}

impl Subscriptions {
    fn new(max: usize) -> Result<Subscriptions> {
        let doorbell =
            Doorbell::new().map_err(|error| Error::io(Status::Io, &error, "making a doorbell"))?;
        Ok(Subscriptions { table: Mutex::default(), doorbell, max: AtomicUsize::new(max) })
    }

    /// Those of a store, shared by everybody who stores results in it.
    pub(crate) fn of(store: &Store) -> Result<Arc<Subscriptions>> {
        let mut made = None;
        let subscriptions = store.component(|| {
            made = Some(());
            Subscriptions::new(SUBSCRIPTIONS_MAX)
        })?;
        if made.is_some() {
            let listener: Weak<dyn CommitListener> =
                Arc::<Subscriptions>::downgrade(&subscriptions);
            store.on_commit(listener);
        }
        Ok(subscriptions)
    }

    /// How many may exist from now on.
    pub(super) fn limit(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// Drops every subscription: the attempts were closed.
    pub(super) fn forget_all(&self) {
        let mut table = self.table.lock();
        let last_id = table.last_id;
        *table = Table { last_id, ..Table::default() };
        self.doorbell.silence();
    }

    pub(super) fn descriptor(&self) -> std::os::fd::RawFd {
        self.doorbell.descriptor()
    }

    /// Registers a waiter; answers its number.
    pub(super) fn register(&self, key: AttemptKey) -> Result<u64> {
        let mut table = self.table.lock();
        let max = self.max.load(Ordering::Relaxed);
        if table.waiters.len() >= max {
            return Err(Error::new(
                Status::Busy,
                format!("{max} subscriptions exist; take or cancel some"),
            ));
        }
        table.last_id += 1;
        let id = table.last_id;
        table.waiters.insert(id, (key, Waiter::Waiting));
        table.waiting.insert((key, id));
        Ok(id)
    }

    /// Gives a result to everybody who waits for it (U1).
    pub(crate) fn deliver(&self, key: AttemptKey, result: &AttemptResult) {
        let ids = self.waiting_ids(key);
        self.deliver_to(&ids, result);
    }

    /// Gives a result to those of some subscriptions that still wait.
    pub(super) fn deliver_to(&self, ids: &[u64], result: &AttemptResult) {
        self.end(ids, || Waiter::Ready(Box::new(result.clone())));
    }

    /// Numbers of the subscriptions that wait for an attempt now.
    pub(super) fn waiting_ids(&self, key: AttemptKey) -> Vec<u64> {
        self.table.lock().waiting.range(waiters_of(key)).map(|(_, id)| *id).collect()
    }

    /// Ends those of some subscriptions that still wait; their owners are told.
    fn end(&self, ids: &[u64], mut ended: impl FnMut() -> Waiter) {
        let mut guard = self.table.lock();
        let table = &mut *guard;
        let before = table.ready.len();
        for id in ids {
            let Some((key, waiter)) = table.waiters.get_mut(id) else { continue };
            if matches!(waiter, Waiter::Waiting) {
                *waiter = ended();
                table.waiting.remove(&(*key, *id));
                table.ready.push_back(*id);
            }
        }
        let told = table.ready.len() != before;
        drop(guard);
        if told {
            self.doorbell.ring();
        }
    }

    /// Takes a waiter's result, if it has one. A finished one is dropped at its second poll, not before.
    pub(super) fn poll(&self, id: u64) -> Polled {
        let mut table = self.table.lock();
        let Some((_, waiter)) = table.waiters.get_mut(&id) else {
            return Polled::Closed;
        };
        match std::mem::replace(waiter, Waiter::Done) {
            Waiter::Waiting => {
                *waiter = Waiter::Waiting;
                Polled::Waiting
            }
            Waiter::Ready(result) => Polled::Result(*result),
            Waiter::Done => Polled::Done,
            Waiter::Closed => {
                *waiter = Waiter::Closed;
                Polled::Closed
            }
        }
    }

    /// Cancels a subscription; an undelivered result is dropped.
    pub(super) fn cancel(&self, id: u64) -> Result<()> {
        let mut table = self.table.lock();
        let Some((key, _)) = table.waiters.remove(&id) else {
            return Err(Error::new(Status::NotFound, format!("subscription {id} is not open")));
        };
        table.waiting.remove(&(key, id));
        table.ready.retain(|ready| *ready != id);
        Ok(())
    }

    /// Ends a subscription that will never be served; its owner is told like one that is.
    pub(super) fn close(&self, id: u64) {
        self.end(&[id], || Waiter::Closed);
    }

    /// Ends every subscription that waits for an attempt which will never have a result.
    pub(super) fn close_all_of(&self, key: AttemptKey) {
        let ids = self.waiting_ids(key);
        self.end(&ids, || Waiter::Closed);
    }

    /// Ends every subscription that still waits; results that are ready stay to be taken.
    pub(super) fn close_waiting(&self) {
        let ids: Vec<u64> = self.table.lock().waiting.iter().map(|(_, id)| *id).collect();
        self.end(&ids, || Waiter::Closed);
    }

    /// How many wait for an attempt.
    pub(super) fn waiting_for(&self, key: AttemptKey) -> usize {
        self.table.lock().waiting.range(waiters_of(key)).count()
    }

    /// Numbers of subscriptions that became ready, each told once.
    pub(super) fn take_ready(&self, max: usize) -> Vec<u64> {
        self.doorbell.silence();
        let mut table = self.table.lock();
        let taken = table.ready.len().min(max);
        let ready = table.ready.drain(..taken).collect();
        if !table.ready.is_empty() {
            self.doorbell.ring();
        }
        ready
    }
}

impl CommitListener for Subscriptions {
    fn committed(&self, _heads: &Heads) {}

    fn ended(&self) {
        self.close_waiting();
    }
}

/// The places of one attempt's waiters among all of them.
fn waiters_of(key: AttemptKey) -> std::ops::RangeInclusive<(AttemptKey, u64)> {
    (key, 0)..=(key, u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Namespace, Preimage};

    fn key(id: u64) -> AttemptKey {
        AttemptKey::new(Namespace::default(), id)
    }

    fn settle(byte: u8) -> AttemptResult {
        AttemptResult::settle(Preimage::new([byte; 32]))
    }

    #[test]
    fn the_first_result_is_kept_and_given_out_once() {
        let all = Subscriptions::new(10).unwrap();
        let id = all.register(key(1)).unwrap();
        assert_eq!(all.poll(id), Polled::Waiting);
        all.deliver(key(1), &settle(1));
        all.deliver(key(1), &settle(2));
        assert_eq!(all.take_ready(10), [id]);
        assert_eq!(all.poll(id), Polled::Result(settle(1)));
        assert_eq!(all.poll(id), Polled::Done);
        all.cancel(id).unwrap();
        assert_eq!(all.poll(id), Polled::Closed);
    }

    #[test]
    fn a_cancelled_waiter_is_neither_counted_nor_served() {
        let all = Subscriptions::new(10).unwrap();
        let id = all.register(key(1)).unwrap();
        assert_eq!(all.waiting_for(key(1)), 1);
        all.cancel(id).unwrap();
        assert_eq!(all.waiting_for(key(1)), 0);
        all.deliver(key(1), &settle(1));
        assert_eq!((all.poll(id), all.take_ready(9).len()), (Polled::Closed, 0));
        assert_eq!(all.cancel(id).unwrap_err().status(), Status::NotFound);
    }

    #[test]
    fn a_full_table_answers_busy_until_one_is_cancelled() {
        let all = Subscriptions::new(1).unwrap();
        let id = all.register(key(1)).unwrap();
        assert_eq!(all.register(key(2)).unwrap_err().status(), Status::Busy);
        all.cancel(id).unwrap();
        assert!(all.register(key(2)).is_ok());
    }

    #[test]
    fn shutting_down_closes_waiters_and_keeps_what_is_ready() {
        let all = Subscriptions::new(9).unwrap();
        let (waits, ready) = (all.register(key(1)).unwrap(), all.register(key(2)).unwrap());
        all.deliver(key(2), &settle(1));
        all.close_waiting();
        assert_eq!(all.take_ready(9), [ready, waits]);
        assert_eq!(all.poll(waits), Polled::Closed);
        assert_eq!(all.poll(waits), Polled::Closed);
        assert_eq!(all.poll(ready), Polled::Result(settle(1)));
    }
}
