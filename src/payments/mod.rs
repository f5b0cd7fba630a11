//! Payments: the control tower. A hash is paid once, never more than its amount, and what a crash interrupted
//! is finished.
//!
//! The rules Y1 to Y7 are in [`rules`], the rows PI1 to PI4 in `table`, the streams PU1 to PU4 in
//! `subscriptions`, the resume PS1 to PS4 in `resume`. Origin: lnd #2761 to today's payments/db.
//! Called by `ffi` and Rust hosts; calls `store`, `events`, and `attempts` for the records of attempts that
//! are dispatched here. No clock, no thread, no lmdb here.

mod commands;
mod payment;
mod query;
mod record;
pub(crate) mod references;
pub mod resume;
pub mod rules;
mod subscriptions;
mod table;
#[cfg(test)]
mod tests;
mod upkeep;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use self::commands::Change;
pub use self::commands::Operation;
pub use self::payment::{
    Amp, AttemptFailure, AttemptOutcome, AttemptRequest, AttemptState, Failure, FailureReason,
    Intent, Marks, Mpp, Payment, PaymentAttempt, PaymentInit, PaymentStatus, Secret, Settle,
};
pub use self::query::{Counts, Page, Query, Statuses};
use self::record::Head;
use self::rules::{Checks, Strictness};
pub use self::subscriptions::Next;
use self::subscriptions::Streams;
use self::upkeep::ForgetPlace;
pub use self::upkeep::{DeleteFilter, Deleted, Stuck, StuckQuery, StuckReason};
use crate::attempts::linked::Subscriptions as AttemptSubscriptions;
use crate::attempts::rules::{Profile, Retain};
use crate::error::{Error, Result, Status};
use crate::limits::{PAYMENT_SUBSCRIPTIONS_MAX, SCAN_ROWS_MAX};
use crate::memory::copied;
use crate::store::batch::{Command, Rows};
use crate::store::tables::Table;
use crate::store::{CommitListener, Grouping, Reply, Store};
use crate::types::{AttemptKey, PaymentHash};

/// Choices at open. The default of each is the safe one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PaymentsOptions {
    /// Refuse attempts whose multi-part or blinded total is not the payment's amount, and AMP attempts of
    /// another set than those in flight.
    pub check_totals: bool,
    /// How long a finished payment is kept; 0 means until deleted.
    pub finished_retention_secs: u64,
    /// How many finished payments are kept; 0 means all.
    pub finished_max: u64,
    /// How many bytes payments and their attempts may take in the store; 0 means any.
    pub history_bytes_max: u64,
    /// How long the hash of a paid and deleted payment stays refused, and an idempotency key known; 0 means
    /// for good.
    pub tombstone_retention_secs: u64,
    /// How many subscriptions may be open; 0 means 65,536.
    pub subscriptions_max: usize,
}

impl PaymentsOptions {
    fn checks(&self) -> Checks {
        Checks { totals: self.check_totals }
    }
}

/// What commands need of their payments. A command may outlive the call that made it, and the payments.
pub(crate) struct Common {
    options: PaymentsOptions,
    subscriptions: Arc<Streams>,
    attempt_subscriptions: Arc<AttemptSubscriptions>,
    /// Rows of deleted payments are left for a purge.
    has_doomed: AtomicBool,
}

/// What every opener of a store's payments shares.
struct Shared {
    common: Arc<Common>,
    forgetting: Mutex<ForgetPlace>,
    /// Sequence numbers at which the passes of retention over finished payments go on: over those that are
    /// too many, and over those that are too old.
    retiring: Mutex<[u64; 2]>,
}

/// A payment after a change, from the transaction that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What the change did; ALREADY when an earlier call did it.
    pub reply: Reply,
    /// The payment after it.
    pub payment: Arc<Payment>,
}

/// The payments of a store. Cheap to share: every method takes `&self` and may be called from any thread.
///
/// A method that changes something returns when the change is durable.
pub struct Payments {
    store: Arc<Store>,
    shared: Arc<Shared>,
    profile: Profile,
}

impl std::fmt::Debug for Payments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payments")
            .field("options", &self.shared.common.options)
            .finish_non_exhaustive()
    }
}

impl Payments {
    /// Opens the payments of a store. While they are open, opening again with equal options gives the same
    /// instance, subscriptions included.
    ///
    /// # Errors
    /// `AlreadyOpen` when they are open with other options; the store's errors.
    pub fn open(store: &Arc<Store>, options: PaymentsOptions) -> Result<Payments> {
        let max = match options.subscriptions_max {
            0 => PAYMENT_SUBSCRIPTIONS_MAX,
            max => max,
        };
        let attempt_subscriptions = AttemptSubscriptions::of(store)?;
        let shared = store.component(|| {
            let subscriptions = Arc::new(Streams::new(max)?);
            let listener: Weak<dyn CommitListener> = Arc::<Streams>::downgrade(&subscriptions);
            store.on_commit(listener);
            let has_doomed = AtomicBool::new(true);
            let common = Common { options, subscriptions, attempt_subscriptions, has_doomed };
            let (forgetting, retiring) = (Mutex::default(), Mutex::default());
            Ok(Shared { common: Arc::new(common), forgetting, retiring })
        })?;
        if shared.common.options != options {
            return Err(Error::new(
                Status::AlreadyOpen,
                "the payments of this store are open with other options",
            ));
        }
        store.check_usable()?;
        let profile = if store.lnd_compat() { Profile::Lnd } else { Profile::Strict };
        Ok(Payments { store: Arc::clone(store), shared, profile })
    }

    /// The store these payments live in.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Initiates a payment. A payment of the hash that FAILED starts over with a new sequence number.
    ///
    /// The same request again is ALREADY_EXISTS while nothing was sent; with an idempotency key it is so
    /// whatever became of the first, and the answer shows that.
    ///
    /// # Errors
    /// `PaymentExists`, `PaymentInFlight`, `AlreadyPaid`; `FingerprintMismatch` when the idempotency key
    /// belongs to another request, `PaymentAlreadyFailed` or `Deleted` when its payment is history;
    /// `CorruptRecord`; `NotAcknowledged` after a restore; `TooBig`; `Unknown`: repeat the SAME request after
    /// reopening; the store's errors.
    pub fn init(&self, request: PaymentInit) -> Result<Changed> {
        self.change(Operation::Init(request))
    }

    /// Registers an attempt, before it is sent. The same attempt again is ALREADY_EXISTS.
    ///
    /// # Errors
    /// `PaymentNotInitiated`; as [`rules::register`]; `TooBig`; `NotAcknowledged`; `CorruptRecord`; the
    /// store's errors.
    pub fn register(&self, hash: PaymentHash, attempt: AttemptRequest) -> Result<Changed> {
        self.change(Operation::Register(hash, attempt, false))
    }

    /// Registers an attempt and makes its record in the attempt store, in one transaction: from then on
    /// settling or failing it acknowledges the record in one transaction too, and what was handed off cannot
    /// be failed.
    ///
    /// # Errors
    /// As [`Payments::register`]; `AttemptIdExists` also when the attempt store knows the id; `BelowFloor`;
    /// `ExternalMarker` when an external router owns the attempts.
    pub fn register_and_init(&self, hash: PaymentHash, attempt: AttemptRequest) -> Result<Changed> {
        self.change(Operation::Register(hash, attempt, true))
    }

    /// Settles an attempt. Identical repeats are ALREADY, and a settle beats a failure, whenever it comes,
    /// and says so by [`Reply::conflict`]; `strictness` refuses either.
    ///
    /// # Errors
    /// `PaymentNotInitiated`; as [`rules::settle`]; `CorruptRecord`; the store's errors.
    pub fn settle(
        &self,
        hash: PaymentHash,
        attempt: AttemptKey,
        settle: Settle,
        strictness: Strictness,
    ) -> Result<Changed> {
        self.change(Operation::Settle(hash, attempt, settle, strictness))
    }

    /// Fails an attempt. With a record in the attempt store, one that was handed off and has no result there
    /// is refused; an intent is rolled back in the same transaction.
    ///
    /// # Errors
    /// `PaymentNotInitiated`; as [`rules::fail_attempt`]; `HandedOff`: it may still settle; `Conflict`: its
    /// record holds a settle; `TooBig`; `CorruptRecord`; the store's errors.
    pub fn fail_attempt(
        &self,
        hash: PaymentHash,
        attempt: AttemptKey,
        failure: Failure,
        strictness: Strictness,
    ) -> Result<Changed> {
        self.change(Operation::FailAttempt(hash, attempt, failure, strictness))
    }

    /// Gives a payment up: no attempt is registered from now on. It is FAILED when nothing is in flight any
    /// more and nothing settled.
    ///
    /// # Errors
    /// `PaymentNotInitiated`; `PaymentAlreadySucceeded`; `CorruptRecord`; the store's errors.
    pub fn fail(&self, hash: PaymentHash, reason: FailureReason) -> Result<Changed> {
        self.change(Operation::Fail(hash, reason))
    }

    /// Fails an attempt in flight by the operator's word, its record in the attempt store included, and
    /// keeps a note of why, at most 1,024 bytes. A settle that comes all the same still wins.
    ///
    /// # Errors
    /// As [`Payments::fail_attempt`], but not `HandedOff`.
    pub fn force_fail(
        &self,
        hash: PaymentHash,
        attempt: AttemptKey,
        failure: Failure,
        note: &[u8],
    ) -> Result<Changed> {
        let note = copied(note)?;
        self.change(Operation::ForceFail(hash, attempt, failure, note, Strictness::default()))
    }

    /// The payment of a hash.
    ///
    /// # Errors
    /// `PaymentNotInitiated`; `CorruptRecord`; the store's errors.
    pub fn fetch(&self, hash: PaymentHash) -> Result<Payment> {
        let payment = self.store.read(|view| table::load(view, hash)?.found(hash))?;
        Ok(*payment)
    }

    /// Deletes a payment that is not in flight. The hash of a paid one stays refused, and its idempotency key
    /// known, unless `retain` says forget.
    ///
    /// # Errors
    /// `PaymentNotInitiated`; `PaymentInFlight`; `CorruptRecord`; the store's errors.
    pub fn delete(&self, hash: PaymentHash, retain: Retain) -> Result<Reply> {
        self.change_without_view(Operation::Delete(hash, retain))
    }

    /// Deletes the failed attempts of a payment that is not in flight, in bounded steps.
    ///
    /// # Errors
    /// `PaymentNotInitiated`; `PaymentInFlight`; `CorruptRecord`; the store's errors.
    pub fn delete_failed_attempts(&self, hash: PaymentHash) -> Result<Reply> {
        let mut reply = self.change_without_view(Operation::DeleteFailedAttempts(hash))?;
        while reply.value != 0 {
            reply = self.change_without_view(Operation::DeleteFailedAttempts(hash))?;
        }
        Ok(reply)
    }

    /// Forgets that a deleted payment was paid: its hash may be paid again.
    ///
    /// # Errors
    /// `EntriesExist` when the payment is not deleted; the store's errors.
    pub fn forget(&self, hash: PaymentHash) -> Result<Reply> {
        self.change_without_view(Operation::Forget(hash))
    }

    /// Removes an unreadable payment and refuses its hash for good, with an event. When only the row of the
    /// hash is damaged, it is mended and the reply's value is the payment's sequence number.
    ///
    /// # Errors
    /// `PaymentNotInitiated`; `Conflict` when the payment is readable; the store's errors.
    pub fn quarantine(&self, hash: PaymentHash) -> Result<Reply> {
        let row = self.store.read(|view| table::hash_row(view, hash))?;
        let found = if row == Some(None) { self.find_head(hash)? } else { None };
        self.change_without_view(Operation::Quarantine(hash, found))
    }

    /// The newest head of a hash, found by a scan in bounded reads.
    fn find_head(&self, hash: PaymentHash) -> Result<Option<u64>> {
        let (mut found, mut from) = (None, Some(0u64));
        while let Some(start) = from.take() {
            self.store.read(|view| {
                let mut visited = 0;
                view.scan(Table::Payments, &start.to_be_bytes(), |key, body| {
                    let sequence = key.try_into().map_or(0, u64::from_be_bytes);
                    if visited == SCAN_ROWS_MAX {
                        from = Some(sequence);
                        return false;
                    }
                    visited += 1;
                    let head = body.ok().and_then(Head::decode);
                    if head.is_some_and(|head| head.hash == hash) {
                        found = Some(sequence);
                    }
                    true
                })
            })?;
        }
        Ok(found)
    }

    /// Follows a payment: its present state first, then every change once, closed after the last.
    ///
    /// # Errors
    /// `PaymentNotInitiated`; `CorruptRecord`; `Busy` when too many exist; the store's errors.
    pub fn subscribe(&self, hash: PaymentHash) -> Result<u64> {
        let streams = &self.shared.common.subscriptions;
        let id = streams.register(Some(hash))?;
        match self.fetch(hash) {
            Ok(payment) => {
                streams.start(id, vec![Arc::new(payment)]);
                Ok(id)
            }
            Err(error) => {
                streams.cancel(id)?;
                Err(error)
            }
        }
    }

    /// Follows all payments: the unfinished ones first, by sequence number, then every change once.
    ///
    /// # Errors
    /// `Busy` when too many exist; the store's errors.
    pub fn subscribe_all(&self) -> Result<u64> {
        let streams = &self.shared.common.subscriptions;
        let id = streams.register(None)?;
        match self.unfinished() {
            Ok(page) => {
                streams.start(id, page.payments.into_iter().map(Arc::new).collect());
                Ok(id)
            }
            Err(error) => {
                streams.cancel(id)?;
                Err(error)
            }
        }
    }

    /// What a subscription has next; never waits.
    pub fn next(&self, subscription: u64) -> Next {
        self.shared.common.subscriptions.next(subscription)
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// `NotFound` when it is not open.
    pub fn unsubscribe(&self, subscription: u64) -> Result<()> {
        self.shared.common.subscriptions.cancel(subscription)
    }

    /// Numbers of subscriptions that have news, at most `max`, each told again once it was read empty.
    pub fn ready(&self, max: usize) -> Vec<u64> {
        self.shared.common.subscriptions.take_ready(max)
    }

    /// A descriptor that is readable while subscriptions have news. Poll it; never read or close it.
    pub fn ready_descriptor(&self) -> std::os::fd::RawFd {
        self.shared.common.subscriptions.descriptor()
    }

    /// An operation for [`Store::apply`], together with those of other components.
    ///
    /// # Errors
    /// What can be refused without the store, as the typed method of the operation.
    pub fn operation(&self, operation: Operation) -> Result<crate::store::Operation> {
        self.command(operation).map(crate::store::Operation)
    }

    /// The command of an operation, after what can be checked without the store.
    pub(crate) fn command(&self, operation: Operation) -> Result<Arc<dyn Command>> {
        let command: Arc<dyn Command> = self.command_of(operation)?;
        Ok(command)
    }

    fn command_of(&self, operation: Operation) -> Result<Arc<Change>> {
        operation.validate()?;
        let common = Arc::clone(&self.shared.common);
        let left = Mutex::default();
        Ok(Arc::new(Change { operation, profile: self.profile, common, left }))
    }

    /// Applies one operation and answers the payment after it.
    ///
    /// # Errors
    /// As the typed method of the operation.
    pub fn change(&self, operation: Operation) -> Result<Changed> {
        if !operation.shows_payment() {
            return Err(Error::new(
                Status::InvalidArgument,
                "the operation leaves no payment to show; nothing was done",
            ));
        }
        let (reply, payment) = self.run(operation)?;
        let payment = payment.ok_or_else(|| Error::from(Status::Internal))?;
        Ok(Changed { reply, payment })
    }

    fn change_without_view(&self, operation: Operation) -> Result<Reply> {
        self.run(operation).map(|(reply, _)| reply)
    }

    fn run(&self, operation: Operation) -> Result<(Reply, Option<Arc<Payment>>)> {
        let command = self.command_of(operation)?;
        let shared: Arc<dyn Command> = Arc::<Change>::clone(&command);
        let mut outcomes = self.store.submit(vec![shared], Grouping::Independent)?;
        let reply = outcomes.pop().unwrap_or_else(|| Err(Status::Internal.into()))?;
        let payment = command.left.lock().payment.take();
        if reply.flags & Reply::LEFTOVERS != 0 {
            // Its caller waits: the rest is for the next purge.
            self.purge_some(1);
        }
        Ok((reply, payment))
    }

    /// Puts bytes in place of a row, so that tests have an unreadable payment.
    ///
    /// # Errors
    /// The store's errors.
    #[cfg(feature = "failpoints")]
    pub fn write_raw(&self, table: Table, key: &[u8], bytes: &[u8]) -> Result<Reply> {
        self.store.submit_one(commands::WriteRaw {
            table,
            key: key.to_vec(),
            bytes: bytes.to_vec(),
        })
    }
}
