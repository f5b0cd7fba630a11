//! Payments read by page, in the order of their initiation. Part of [`Payments`].
//!
//! A page reads heads first and attempts only of what it returns; it visits a bounded number of rows and
//! takes bounded memory, and says where to go on.

use super::payment::{AttemptOutcome, Payment, PaymentStatus};
use super::record::Head;
use super::{Payments, table};
use crate::error::Result;
use crate::limits::{PAGE_BYTES_MAX, PAGE_ROWS_MAX, SCAN_ROWS_MAX};
use crate::memory::push;
use crate::store::batch::Rows;
use crate::store::tables::Table;
use crate::types::PaymentHash;

/// A set of statuses, as bits `1 << status`; none means any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statuses(pub u32);

impl Statuses {
    /// SUCCEEDED alone.
    pub const SUCCEEDED: Statuses = Statuses::of(PaymentStatus::Succeeded);
    /// FAILED alone.
    pub const FAILED: Statuses = Statuses::of(PaymentStatus::Failed);
    /// SUCCEEDED and FAILED.
    pub const FINISHED: Statuses = Statuses(Statuses::SUCCEEDED.0 | Statuses::FAILED.0);
    /// INITIATED and IN_FLIGHT.
    pub const UNFINISHED: Statuses = Statuses(
        Statuses::of(PaymentStatus::Initiated).0 | Statuses::of(PaymentStatus::InFlight).0,
    );

    /// The set of one status.
    pub const fn of(status: PaymentStatus) -> Statuses {
        Statuses(1 << status as u32)
    }

    /// Whether a status is in the set.
    pub fn has(self, status: PaymentStatus) -> bool {
        self.0 == 0 || self.0 & Statuses::of(status).0 != 0
    }

    fn only_unfinished(self) -> bool {
        self.0 != 0 && self.0 & !Statuses::UNFINISHED.0 == 0
    }
}

/// Which payments to read. The default asks for all, from the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query {
    /// Go on after this sequence number, away from the end the query begins at; `None` begins there.
    pub offset: Option<u64>,
    /// Begin at the newest. The page is in ascending order all the same.
    pub reversed: bool,
    /// Only these statuses. Unfinished ones alone read unfinished rows alone.
    pub statuses: Statuses,
    /// Only payments created at or after this time; 0 means any.
    pub created_from_unix_ns: u64,
    /// Only payments created at or before this time; 0 means any.
    pub created_to_unix_ns: u64,
    /// Leave the attempts out: the page tells statuses and amounts alone.
    pub without_attempts: bool,
    /// At most this many; 0 means 1,000, the most there is.
    pub limit: usize,
}

/// One page of payments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The payments that matched, ascending by sequence number.
    pub payments: Vec<Payment>,
    /// Sequence numbers of unreadable payments met on the way, with their hash where it is known.
    pub unreadable: Vec<(u64, Option<PaymentHash>)>,
    /// Pass as [`Query::offset`] to go on; `None` at the end. A page may be empty and still not the last.
    pub next: Option<u64>,
}

/// Numbers of payments, without a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All that are stored.
    pub payments: u64,
    /// Those INITIATED or IN_FLIGHT.
    pub unfinished: u64,
    /// Hashes paid or quarantined whose history is gone.
    pub tombstones: u64,
    /// Attempts of all payments.
    pub attempts: u64,
    /// Idempotency keys.
    pub idempotency_keys: u64,
    /// Deleted payments whose attempts wait for a sweep.
    pub doomed: u64,
}

struct Reading<'query, R> {
    rows: &'query R,
    query: &'query Query,
    limit: usize,
    visited: usize,
    bytes: usize,
    page: Page,
    last: Option<u64>,
    failure: Option<crate::error::Error>,
}

impl<R: Rows> Reading<'_, R> {
    /// One row of the scan; answers whether to go on.
    fn visit(&mut self, key: &[u8], body: Option<Result<&[u8]>>) -> bool {
        let Some(sequence) = key.try_into().ok().map(u64::from_be_bytes) else { return true };
        let full = self.page.payments.len() == self.limit || self.bytes > PAGE_BYTES_MAX;
        if full || self.visited == SCAN_ROWS_MAX {
            self.page.next = self.last;
            return false;
        }
        self.visited += 1;
        self.last = Some(sequence);
        let head = match body {
            Some(body) => Ok(body.ok().and_then(Head::decode)),
            None => table::head(self.rows, sequence),
        };
        match head.and_then(|head| self.take(sequence, head)) {
            Ok(()) => true,
            Err(error) => {
                self.failure = Some(error);
                false
            }
        }
    }

    fn take(&mut self, sequence: u64, head: Option<Head>) -> Result<()> {
        let Some(head) = head else {
            return push(&mut self.page.unreadable, (sequence, None));
        };
        if !matches(self.query, &head) {
            return Ok(());
        }
        let loaded = match self.query.without_attempts {
            true => table::load_outline(self.rows, sequence, &head)?,
            false => table::load_headed(self.rows, sequence, &head)?,
        };
        match loaded {
            Some(payment) => {
                self.bytes += bytes_of(&payment);
                push(&mut self.page.payments, *payment)
            }
            None => push(&mut self.page.unreadable, (sequence, Some(head.hash))),
        }
    }
}

/// Memory of a payment, roughly: everything whose length others choose counts.
fn bytes_of(payment: &Payment) -> usize {
    let init = &payment.init;
    let intent = init.intent.as_ref().map_or(0, |intent| intent.data.len());
    let attempts = payment.attempts.iter().map(|attempt| {
        let request = &attempt.request;
        let message = match &attempt.outcome {
            AttemptOutcome::Failed(failure) => failure.message.len(),
            AttemptOutcome::InFlight | AttemptOutcome::Settled(_) => 0,
        };
        let records = request.first_hop_records.len();
        512 + request.route.len() + records + message + attempt.note.len()
    });
    let texts = init.payment_request.len() + init.first_hop_records.len() + intent;
    512 + texts + attempts.sum::<usize>()
}

fn matches(query: &Query, head: &Head) -> bool {
    let created = head.created_unix_ns;
    let late_enough = created >= query.created_from_unix_ns;
    let early_enough = query.created_to_unix_ns == 0 || created <= query.created_to_unix_ns;
    query.statuses.has(head.status) && late_enough && early_enough
}

pub(super) fn page(rows: &impl Rows, query: &Query) -> Result<Page> {
    let limit = match query.limit {
        0 => PAGE_ROWS_MAX,
        limit => limit.min(PAGE_ROWS_MAX),
    };
    let index = query.statuses.only_unfinished();
    let table = if index { Table::PaymentsUnfinished } else { Table::Payments };
    let mut reading = Reading {
        rows,
        query,
        limit,
        visited: 0,
        bytes: 0,
        page: Page::default(),
        last: None,
        failure: None,
    };
    let visit = |key: &[u8], body: Result<&[u8]>| {
        // A damaged row of the index still names a payment.
        reading.visit(key, (!index).then_some(body))
    };
    match (query.reversed, query.offset) {
        (false, None) => rows.scan(table, &[], visit)?,
        (false, Some(u64::MAX)) => {}
        (false, Some(offset)) => rows.scan(table, &(offset + 1).to_be_bytes(), visit)?,
        (true, offset) => {
            // Nothing sorts after nine bytes of 0xff.
            let before = offset.map_or(vec![0xff; 9], |offset| offset.to_be_bytes().to_vec());
            rows.scan_back(table, &before, visit)?;
        }
    }
    if let Some(failure) = reading.failure {
        return Err(failure);
    }
    let mut page = reading.page;
    if query.reversed {
        page.payments.reverse();
        page.unreadable.reverse();
    }
    Ok(page)
}

impl Payments {
    /// One page of payments.
    ///
    /// # Errors
    /// The store's errors.
    pub fn query(&self, query: &Query) -> Result<Page> {
        self.store.read(|view| page(view, query))
    }

    /// Every payment that is INITIATED or IN_FLIGHT, and the unreadable ones among them. Reads these alone,
    /// whatever the history.
    ///
    /// # Errors
    /// The store's errors.
    pub fn unfinished(&self) -> Result<Page> {
        let mut query = Query { statuses: Statuses::UNFINISHED, ..Query::default() };
        let mut all = Page::default();
        loop {
            let page = self.query(&query)?;
            all.payments.extend(page.payments);
            all.unreadable.extend(page.unreadable);
            match page.next {
                Some(next) => query.offset = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Numbers of payments, without a scan.
    ///
    /// # Errors
    /// The store's errors.
    pub fn counts(&self) -> Result<Counts> {
        self.store.read(|view| {
            let rows =
                |table| Ok::<_, crate::Error>(view.snapshot().stat(table)?.ms_entries as u64);
            let payments = rows(Table::Payments)?;
            Ok(Counts {
                payments,
                unfinished: rows(Table::PaymentsUnfinished)?,
                tombstones: rows(Table::PaymentHashes)?.saturating_sub(payments),
                attempts: rows(Table::PaymentAttempts)?,
                idempotency_keys: rows(Table::PaymentKeys)?,
                doomed: rows(Table::PaymentsDoomed)?,
            })
        })
    }
}
