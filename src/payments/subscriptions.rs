//! Who follows which payment: memory only, bounded, forgotten at a restart; the event log is what lasts.
//!
//! PU1 a stream begins with the present and then has every change once, in order. PU2 the stream of one
//! payment closes after its terminal view, and when it is deleted. PU3 a stream whose owner does not read
//! drops its oldest views and says how many. PU4 ids are never reused while the store is open.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::payment::Payment;
use crate::error::{Error, Result, Status};
use crate::limits::PAYMENT_VIEWS_MAX;
use crate::os::Doorbell;
use crate::store::CommitListener;
use crate::store::heads::Heads;
use crate::types::PaymentHash;

/// What a stream has for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet.
    Waiting,
    /// The payment as it was after a change; first of all, as it was when the stream began.
    View(Arc<Payment>),
    /// So many views were dropped because nobody took them; told once, then the stream goes on.
    Missed(u64),
    /// Nothing more will come.
    Closed,
}

#[derive(Debug, Default)]
struct Stream {
    /// Of one payment; without it of all.
    of: Option<PaymentHash>,
    views: VecDeque<Arc<Payment>>,
    /// Views kept beside those the stream began with.
    room: usize,
    missed: u64,
    started: bool,
    closed: bool,
    /// Versions the stream began with, each until a newer one comes: what a reader sees may be told later.
    shown: HashMap<[u8; 32], (u64, u64)>,
    /// Sequence number of the payment that was deleted before the stream began.
    deleted: Option<u64>,
    /// Among those that wait to be told as ready: once, however often it was read meanwhile.
    queued: bool,
}

impl Stream {
    fn push(&mut self, view: &Arc<Payment>) {
        let hash = view.hash().0;
        if self.shown.get(&hash).is_some_and(|shown| view.version() <= *shown) {
            return;
        }
        self.shown.remove(&hash);
        if self.views.len() >= PAYMENT_VIEWS_MAX + self.room {
            self.views.pop_front();
            self.missed += 1;
        }
        self.views.push_back(Arc::clone(view));
        // Before it began a stream only collects: its payment's next life may be the one it begins with.
        self.closed |= self.started && self.of.is_some() && view.status.is_terminal();
    }

    fn has_news(&self) -> bool {
        self.started && (self.closed || self.missed != 0 || !self.views.is_empty())
    }
}

/// Number of the last stream of this process: of the store alone it would begin anew with the next opening of
/// its payments (PU4).
static LAST_ID: AtomicU64 = AtomicU64::new(0);

#[derive(Default)]
struct Table {
    streams: BTreeMap<u64, Stream>,
    of_payments: HashMap<[u8; 32], Vec<u64>>,
    of_all: Vec<u64>,
    ready: VecDeque<u64>,
}

/// All streams of one store.
pub(crate) struct Streams {
    table: Mutex<Table>,
    doorbell: Doorbell,
    max: usize,
}

impl Streams {
    pub(super) fn new(max: usize) -> Result<Streams> {
        let doorbell =
            Doorbell::new().map_err(|error| Error::io(Status::Io, &error, "making a doorbell"))?;
        Ok(Streams { table: Mutex::default(), doorbell, max })
    }

    pub(super) fn descriptor(&self) -> std::os::fd::RawFd {
        self.doorbell.descriptor()
    }

    /// Registers a stream that collects changes from now on, and begins with [`Streams::start`].
    pub(super) fn register(&self, of: Option<PaymentHash>) -> Result<u64> {
        let mut table = self.table.lock();
        if table.streams.len() >= self.max {
            return Err(Error::new(
                Status::Busy,
                format!("{} subscriptions exist; cancel some", self.max),
            ));
        }
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        table.streams.insert(id, Stream { of, ..Stream::default() });
        match of {
            Some(hash) => table.of_payments.entry(hash.0).or_default().push(id),
            None => table.of_all.push(id),
        }
        Ok(id)
    }

    /// Puts the present before the changes collected meanwhile, and drops those it holds already (PU1).
    pub(super) fn start(&self, id: u64, present: Vec<Arc<Payment>>) {
        let mut guard = self.table.lock();
        let table = &mut *guard;
        let Some(stream) = table.streams.get_mut(&id) else { return };
        let collected = std::mem::take(&mut stream.views);
        let newest = present.iter().map(|view| view.sequence).max().unwrap_or(0);
        // A deletion of an earlier payment of the hash is not this one's.
        let end = stream.deleted.filter(|deleted| stream.of.is_some() && *deleted >= newest);
        stream.started = true;
        stream.shown = present.iter().map(|view| (view.hash().0, view.version())).collect();
        // Read in several steps: a payment may have ended and started over in between. Its earlier life is
        // over, and its end was dropped with what the present holds already.
        let shown = &stream.shown;
        let mut present = present;
        present.retain(|view| shown.get(&view.hash().0) == Some(&view.version()));
        stream.room = present.len();
        stream.closed |=
            stream.of.is_some() && present.iter().any(|view| view.status.is_terminal());
        stream.views.extend(present);
        for view in collected {
            if !stream.closed && end.is_none_or(|end| view.sequence <= end) {
                stream.push(&view);
            }
        }
        stream.closed |= end.is_some();
        if stream.has_news() {
            stream.queued = true;
            table.ready.push_back(id);
        }
        drop(guard);
        self.doorbell.ring();
    }

    /// Gives a change to everybody who follows the payment.
    pub(super) fn tell(&self, view: &Arc<Payment>) {
        let mut guard = self.table.lock();
        let table = &mut *guard;
        let hash = view.hash().0;
        let followers = table.of_payments.get(&hash).into_iter().flatten().chain(&table.of_all);
        let mut told = false;
        for id in followers {
            let Some(stream) = table.streams.get_mut(id).filter(|stream| !stream.closed) else {
                continue;
            };
            let had_news = stream.has_news();
            stream.push(view);
            if stream.has_news() && !had_news {
                if !std::mem::replace(&mut stream.queued, true) {
                    table.ready.push_back(*id);
                }
                told = true;
            }
        }
        let closed = |id: &u64| table.streams.get(id).is_none_or(|stream| stream.closed);
        if let Some(of_payment) = table.of_payments.get_mut(&hash) {
            of_payment.retain(|id| !closed(id));
            if of_payment.is_empty() {
                table.of_payments.remove(&hash);
            }
        }
        drop(guard);
        if told {
            self.doorbell.ring();
        }
    }

    /// Closes the streams of a payment that was deleted (PU2), but not those of a later one of its hash,
    /// which may have begun between the deletion's commit and this.
    pub(super) fn deleted(&self, hash: PaymentHash, sequence: u64) {
        let mut guard = self.table.lock();
        let table = &mut *guard;
        let ids = table.of_payments.remove(&hash.0).unwrap_or_default();
        let (mut ended, mut left) = (Vec::new(), Vec::new());
        for id in ids {
            let Some(stream) = table.streams.get_mut(&id) else { continue };
            if !stream.started {
                stream.deleted = stream.deleted.max(Some(sequence));
                left.push(id);
            } else if stream.shown.get(&hash.0).is_some_and(|shown| shown.0 > sequence) {
                left.push(id);
            } else {
                ended.push(id);
            }
        }
        if !left.is_empty() {
            table.of_payments.insert(hash.0, left);
        }
        close(table, &ended);
        drop(guard);
        self.doorbell.ring();
    }

    /// Closes everything: views that are there can still be taken.
    pub(super) fn close_all(&self) {
        let mut guard = self.table.lock();
        let table = &mut *guard;
        table.of_payments.clear();
        table.of_all.clear();
        let ids: Vec<u64> = table.streams.keys().copied().collect();
        close(table, &ids);
        drop(guard);
        self.doorbell.ring();
    }

    /// Takes what a stream has next.
    pub(super) fn next(&self, id: u64) -> Next {
        let mut table = self.table.lock();
        let Some(stream) = table.streams.get_mut(&id) else { return Next::Closed };
        if stream.missed != 0 {
            return Next::Missed(std::mem::take(&mut stream.missed));
        }
        match stream.views.pop_front() {
            Some(view) => Next::View(view),
            None if stream.closed => Next::Closed,
            None => Next::Waiting,
        }
    }

    /// Ends a stream; views not taken are dropped.
    pub(super) fn cancel(&self, id: u64) -> Result<()> {
        let mut guard = self.table.lock();
        let table = &mut *guard;
        let Some(stream) = table.streams.remove(&id) else {
            return Err(Error::new(Status::NotFound, format!("subscription {id} is not open")));
        };
        table.ready.retain(|ready| *ready != id);
        match stream.of {
            None => table.of_all.retain(|known| *known != id),
            Some(hash) => {
                if let Some(of_payment) = table.of_payments.get_mut(&hash.0) {
                    of_payment.retain(|known| *known != id);
                    if of_payment.is_empty() {
                        table.of_payments.remove(&hash.0);
                    }
                }
            }
        }
        Ok(())
    }

    /// Numbers of streams that have news; each is told again once it was read empty.
    pub(super) fn take_ready(&self, max: usize) -> Vec<u64> {
        self.doorbell.silence();
        let mut guard = self.table.lock();
        let table = &mut *guard;
        let mut ready = Vec::new();
        while ready.len() < max
            && let Some(id) = table.ready.pop_front()
        {
            let Some(stream) = table.streams.get_mut(&id) else { continue };
            stream.queued = false;
            // Read empty since it was queued: there is nothing to tell.
            if stream.has_news() {
                ready.push(id);
            }
        }
        if !table.ready.is_empty() {
            self.doorbell.ring();
        }
        ready
    }
}

fn close(table: &mut Table, ids: &[u64]) {
    for id in ids {
        let Some(stream) = table.streams.get_mut(id) else { continue };
        let had_news = stream.has_news();
        stream.closed = true;
        if stream.has_news() && !had_news && !std::mem::replace(&mut stream.queued, true) {
            table.ready.push_back(*id);
        }
    }
}

impl CommitListener for Streams {
    fn committed(&self, _heads: &Heads) {}

    fn ended(&self) {
        self.close_all();
    }
}
