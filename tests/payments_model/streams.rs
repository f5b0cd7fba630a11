//! Who follows which payment, as the specification says: the present first, then every change once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use lnkeep::PaymentHash;
use lnkeep::limits::PAYMENT_VIEWS_MAX;
use lnkeep::payments::{Next, Payment};

use crate::reference::is_finished;

#[derive(Clone, Default)]
struct Stream {
    of: Option<PaymentHash>,
    views: VecDeque<Arc<Payment>>,
    /// Views it may keep: so many more than it began with.
    room: usize,
    missed: u64,
    closed: bool,
}

/// Every subscription since the store was opened, by its number.
#[derive(Clone, Default)]
pub struct Streams {
    streams: BTreeMap<u64, Stream>,
}

impl Streams {
    pub fn open(&mut self, id: u64, of: Option<PaymentHash>, present: Vec<Payment>) {
        let closed = of.is_some() && present.iter().any(is_finished);
        let room = PAYMENT_VIEWS_MAX + present.len();
        let views = present.into_iter().map(Arc::new).collect();
        let known = self.streams.insert(id, Stream { of, views, room, missed: 0, closed });
        assert!(known.is_none(), "subscription {id} was given twice");
    }

    pub fn announce(&mut self, payment: &Payment) {
        let view = Arc::new(payment.clone());
        for stream in self.streams.values_mut().filter(|stream| !stream.closed) {
            if stream.of.is_some_and(|of| of != payment.hash()) {
                continue;
            }
            stream.views.push_back(Arc::clone(&view));
            if stream.views.len() > stream.room {
                stream.views.pop_front();
                stream.missed += 1;
            }
            stream.closed = stream.of.is_some() && is_finished(payment);
        }
    }

    pub fn deleted(&mut self, hash: PaymentHash) {
        let of_hash = self.streams.values_mut().filter(|stream| stream.of == Some(hash));
        of_hash.for_each(|stream| stream.closed = true);
    }

    pub fn close_all(&mut self) {
        self.streams.values_mut().for_each(|stream| stream.closed = true);
    }

    pub fn ids(&self) -> Vec<u64> {
        self.streams.keys().copied().collect()
    }

    pub fn has_news(&self, id: u64) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.closed || !stream.views.is_empty())
    }

    pub fn cancel(&mut self, id: u64) -> bool {
        self.streams.remove(&id).is_some()
    }

    pub fn next(&mut self, id: u64) -> Next {
        let Some(stream) = self.streams.get_mut(&id) else { return Next::Closed };
        if stream.missed != 0 {
            return Next::Missed(std::mem::take(&mut stream.missed));
        }
        match stream.views.pop_front() {
            Some(view) => Next::View(view),
            None if stream.closed => Next::Closed,
            None => Next::Waiting,
        }
    }
}
