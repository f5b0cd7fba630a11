//! Attempt store: one durable record per attempt id; whoever creates the record may dispatch the HTLC.
//!
//! The rules A1 to A7 are in [`rules`], the indexes I1 to I3 in `table`, the waiters U1 to U4 in
//! `subscriptions`, the facade F1 to F3 in [`dispatch`]. Origin: lnd #10049 and its follow-ups.
//! Called by `ffi` and Rust hosts; calls `store` and `events`. No clock, no thread, no lmdb here.

pub mod classify;
mod commands;
pub mod dispatch;
mod leftovers;
pub(crate) mod linked;
mod query;
mod record;
pub(crate) mod references;
pub mod rules;
mod subscriptions;
mod table;
#[cfg(test)]
mod tests;
mod upkeep;

use std::collections::HashSet;
use std::sync::Arc;

pub use self::commands::Operation;
use self::commands::{Change, SetExternal};
use self::leftovers::Place;
pub use self::query::{Counts, Page, Query, States};
use self::record::NamespaceRow;
pub use self::record::{Attempt, AttemptResult, Ending, Flags, State};
use self::rules::{InitRequest, Profile, Retain, Rollback, Stored};
pub use self::subscriptions::Polled;
use self::subscriptions::Subscriptions;
use self::table::{ALL_NAMESPACES, Loaded};
use crate::error::{Error, Result, Status};
use crate::limits::SUBSCRIPTIONS_MAX;
use crate::memory::copied;
use crate::store::batch::Command;
use crate::store::{Grouping, Outcome, Reply, Store};
use crate::types::{AttemptKey, Namespace};

/// Choices at open. The default of each is the safe one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttemptsOptions {
    /// An external router owns the attempts: a later local open is refused.
    pub external: bool,
    /// The host never calls [`Attempts::mark_handed_off`]; recovery then needs its complete circuit list.
    pub unmarked_host: bool,
    /// How long an acknowledged record is kept in full; 0 means until deleted.
    pub acked_retention_secs: u64,
    /// How long a tombstone keeps its id burned; 0 means for good.
    pub tombstone_retention_secs: u64,
    /// How many tombstones are kept; 0 means all.
    pub tombstones_max: u64,
    /// How many subscriptions may be open; 0 means 65,536.
    pub subscriptions_max: usize,
}

/// Answer to [`Attempts::init`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitAnswer {
    /// The intent is durable and yours: validate and dispatch.
    Granted,
    /// Somebody registered it before: do not dispatch, track it.
    AlreadyExists,
}

/// What a recovery did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Rolled back to a local failure, ascending.
    pub failed: Vec<u64>,
    /// Handed off and without a circuit: still pending, ascending.
    pub unresolved: Vec<u64>,
    /// Unreadable, skipped, ascending.
    pub unreadable: Vec<u64>,
}

/// What a clean did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// Number of records removed.
    pub removed: u64,
    /// Unreadable records that were kept, ascending.
    pub unreadable: Vec<u64>,
}

/// What every opener of a store's attempts shares.
struct Shared {
    options: AttemptsOptions,
    subscriptions: Arc<Subscriptions>,
    leftovers: Arc<Place>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.subscriptions.forget_all();
    }
}

/// The attempts of a store. Cheap to share: every method takes `&self` and may be called from any thread.
///
/// A method that changes something returns when the change is durable.
pub struct Attempts {
    store: Arc<Store>,
    shared: Arc<Shared>,
    profile: Profile,
}

impl std::fmt::Debug for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempts").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl Attempts {
    /// Opens the attempts of a store. While they are open, opening again with equal options gives the same
    /// instance, subscriptions included.
    ///
    /// # Errors
    /// `ExternalMarker` when an external router owns the attempts and `external` is not set; `AlreadyOpen`
    /// when they are open with other options; the store's errors.
    pub fn open(store: &Arc<Store>, options: AttemptsOptions) -> Result<Attempts> {
        let max = match options.subscriptions_max {
            0 => SUBSCRIPTIONS_MAX,
            max => max,
        };
        let subscriptions = Subscriptions::of(store)?;
        let shared = store.component(|| {
            subscriptions.limit(max);
            Ok(Shared { options, subscriptions, leftovers: Arc::default() })
        })?;
        if shared.options != options {
            return Err(Error::new(
                Status::AlreadyOpen,
                "the attempts of this store are open with other options",
            ));
        }
        let marked = is_external(store)?;
        if marked && !options.external {
            return Err(Error::new(
                Status::ExternalMarker,
                "an external router owns the attempts; open as external, or disable it first",
            ));
        }
        if options.external && !marked {
            store.submit_one(SetExternal(true))?;
        }
        let profile = if store.lnd_compat() { Profile::Lnd } else { Profile::Strict };
        Ok(Attempts { store: Arc::clone(store), shared, profile })
    }

    /// The store these attempts live in.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Records the intent to dispatch an attempt. Of any number of calls with one id, exactly one is granted.
    ///
    /// # Errors
    /// `FingerprintMismatch` when the id belongs to another request; `CorruptRecord`; `BelowFloor` and
    /// `NotAcknowledged` after a restore; `Unknown`: repeat the SAME id after reopening; the store's errors.
    pub fn init(&self, request: &InitRequest) -> Result<InitAnswer> {
        match self.change(Operation::Init(*request))?.status {
            Status::Done => Ok(InitAnswer::Granted),
            _ => Ok(InitAnswer::AlreadyExists),
        }
    }

    /// Records that the HTLC may leave. Call it before commitment_signed is released, and release only
    /// after it returned `Ok`.
    ///
    /// # Errors
    /// `NotPending` when the attempt ended, `NotFound`, `Deleted`, `CorruptRecord`: do not release; the
    /// store's errors.
    pub fn mark_handed_off(&self, key: AttemptKey) -> Result<Reply> {
        self.change(Operation::MarkHandedOff(key))
    }

    /// Records a final result and wakes its subscribers. The same result again is ALREADY; a settle replaces
    /// a failure and says so by [`Reply::conflict`].
    ///
    /// # Errors
    /// `Conflict` when another result stays; `BadPreimage`; `CorruptRecord`; `TooBig`; the store's errors.
    pub fn store_result(&self, key: AttemptKey, result: AttemptResult) -> Result<Reply> {
        self.change(Operation::StoreResult(key, result))
    }

    /// Rolls a pending attempt back to a failure of this node and wakes its subscribers.
    ///
    /// # Errors
    /// `NotFound`; `NotPending`: a real result exists, read it; `HandedOff`: it may still settle;
    /// `CorruptRecord`; the store's errors.
    pub fn fail_pending(&self, key: AttemptKey, rollback: Rollback) -> Result<Reply> {
        self.change(Operation::FailPending(key, rollback))
    }

    /// Records that the host has the result elsewhere, so that retention may begin.
    ///
    /// # Errors
    /// `ResultPending`, `NotFound`, `CorruptRecord`; the store's errors.
    pub fn ack(&self, key: AttemptKey) -> Result<Reply> {
        self.change(Operation::Ack(key))
    }

    /// Deletes a finished attempt. Its id stays burned unless `retain` says forget.
    ///
    /// # Errors
    /// `Pending`: kept; `NotFound`; `CorruptRecord`: kept; the store's errors.
    pub fn delete(&self, key: AttemptKey, retain: Retain) -> Result<Reply> {
        self.change(Operation::Delete(key, retain))
    }

    /// Deletes many attempts in one commit, with one outcome each.
    ///
    /// # Errors
    /// `DuplicateId` when a key appears twice: nothing was deleted; the store's errors.
    pub fn delete_many(&self, keys: &[AttemptKey], retain: Retain) -> Result<Vec<Outcome>> {
        let mut seen = HashSet::new();
        if let Some(twice) = keys.iter().find(|key| !seen.insert(**key)) {
            return Err(Error::new(Status::DuplicateId, format!("{twice}: named twice")));
        }
        let operations = keys.iter().map(|key| Operation::Delete(*key, retain)).collect();
        self.submit(operations, Grouping::Independent)
    }

    /// Removes an unreadable record and burns its id, with an event.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the record is readable; the store's errors.
    pub fn quarantine(&self, key: AttemptKey) -> Result<Reply> {
        self.change(Operation::Quarantine(key))
    }

    /// An id for an external key (1 to 64 bytes): the same key always gets the same id, and no two keys of
    /// the store get one id. It registers nothing; a host that allocates chooses no ids of its own.
    ///
    /// # Errors
    /// `InvalidArgument`, `IdOutOfRange`, `NotAcknowledged`; the store's errors.
    pub fn allocate(&self, namespace: Namespace, external_key: &[u8]) -> Result<u64> {
        let operation = Operation::Allocate(namespace, copied(external_key)?);
        Ok(self.change(operation)?.value)
    }

    /// The record of an attempt.
    ///
    /// # Errors
    /// `NotFound`, `Deleted`, `CorruptRecord`; the store's errors.
    pub fn get(&self, key: AttemptKey) -> Result<Attempt> {
        match self.store.read(|view| table::load(view, key))? {
            Loaded::Found(attempt) if attempt.state == State::Deleted => {
                Err(rules::result_of(key, Stored::Found(&attempt))
                    .err()
                    .unwrap_or_else(|| Error::from(Status::Deleted)))
            }
            Loaded::Found(attempt) => Ok(*attempt),
            other => Err(rules::found(key, other.stored())
                .err()
                .unwrap_or_else(|| Error::from(Status::Internal))),
        }
    }

    /// The final result of an attempt.
    ///
    /// # Errors
    /// `ResultPending`, `NotFound`, `Deleted`, `CorruptRecord`; the store's errors.
    pub fn result(&self, key: AttemptKey) -> Result<AttemptResult> {
        let loaded = self.store.read(|view| table::load(view, key))?;
        rules::result_of(key, loaded.stored()).cloned()
    }

    /// Whether a final result is stored: false for pending, unknown, deleted and unreadable attempts.
    ///
    /// # Errors
    /// The store's errors.
    pub fn has_result(&self, key: AttemptKey) -> Result<bool> {
        let loaded = self.store.read(|view| table::load(view, key))?;
        Ok(matches!(loaded, Loaded::Found(attempt) if attempt.state.is_final()))
    }

    /// One page of attempts.
    ///
    /// # Errors
    /// The store's errors.
    pub fn list(&self, query: &Query) -> Result<Page> {
        self.store.read(|view| query::list(view, query))
    }

    /// Ids of all pending attempts of a namespace, ascending.
    ///
    /// # Errors
    /// The store's errors.
    pub fn pending(&self, namespace: Namespace) -> Result<Vec<u64>> {
        let mut ids = Vec::new();
        self.each_pending(namespace, |attempt| ids.push(attempt.key.id.0))?;
        Ok(ids)
    }

    /// Visits pending attempts page by page; answers the ids of unreadable ones.
    fn each_pending(
        &self,
        namespace: Namespace,
        mut visit: impl FnMut(&Attempt),
    ) -> Result<Vec<u64>> {
        let mut unreadable = Vec::new();
        let mut query =
            Query { namespace: Some(namespace), states: States::PENDING, ..Query::default() };
        loop {
            let page = self.list(&query)?;
            page.attempts.iter().for_each(&mut visit);
            unreadable.extend(page.unreadable.iter().map(|key| key.id.0));
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(unreadable),
            }
        }
    }

    /// Numbers of records by state, of one namespace or of all, without a scan.
    ///
    /// # Errors
    /// The store's errors.
    pub fn counts(&self, namespace: Option<Namespace>) -> Result<Counts> {
        self.store.read(|view| query::counts(view, namespace))
    }

    /// Waits for an attempt's result, also for one that is not registered yet. Answers the number to poll.
    ///
    /// # Errors
    /// With `require_known`: `NotFound`, `Deleted`, `CorruptRecord`. `Busy` when too many exist; the
    /// store's errors.
    pub fn subscribe(&self, key: AttemptKey, require_known: bool) -> Result<u64> {
        let subscriptions = &self.shared.subscriptions;
        let id = subscriptions.register(key)?;
        let known = self.store.read(|view| table::load(view, key)).and_then(|loaded| {
            match rules::result_of(key, loaded.stored()) {
                Ok(result) => subscriptions.deliver_to(&[id], result),
                Err(error) if error.status() == Status::ResultPending => {}
                Err(error) if require_known => return Err(error),
                // A tombstone never gets a result: the subscription is accepted and closed.
                Err(error) if error.status() == Status::Deleted => subscriptions.close(id),
                Err(_) => {}
            }
            Ok(())
        });
        match known {
            Ok(()) => Ok(id),
            Err(error) => {
                subscriptions.cancel(id)?;
                Err(error)
            }
        }
    }

    /// What a subscription has; a result is given out once.
    pub fn poll(&self, subscription: u64) -> Polled {
        self.shared.subscriptions.poll(subscription)
    }

    /// Cancels a subscription.
    ///
    /// # Errors
    /// `NotFound` when it is not open.
    pub fn unsubscribe(&self, subscription: u64) -> Result<()> {
        self.shared.subscriptions.cancel(subscription)
    }

    /// Closes every subscription that waits; results that are ready can still be polled.
    pub fn unsubscribe_all(&self) {
        self.shared.subscriptions.close_waiting();
    }

    /// How many subscriptions wait for an attempt.
    pub fn waiters(&self, key: AttemptKey) -> usize {
        self.shared.subscriptions.waiting_for(key)
    }

    /// Numbers of subscriptions that became ready, at most `max`, each told once.
    pub fn ready(&self, max: usize) -> Vec<u64> {
        self.shared.subscriptions.take_ready(max)
    }

    /// A descriptor that is readable while subscriptions are ready. Poll it; never read or close it.
    pub fn ready_descriptor(&self) -> std::os::fd::RawFd {
        self.shared.subscriptions.descriptor()
    }

    /// Whether an external router owns the attempts.
    ///
    /// # Errors
    /// The store's errors.
    pub fn is_external(&self) -> Result<bool> {
        is_external(&self.store)
    }

    /// Applies several operations in one commit.
    ///
    /// # Errors
    /// `TooBig`, `Busy`, and the store's errors; then none was applied, unless the class is UNKNOWN.
    pub fn submit(&self, operations: Vec<Operation>, grouping: Grouping) -> Result<Vec<Outcome>> {
        let keys: Vec<_> = operations.iter().map(Operation::key).collect();
        let commands = operations
            .into_iter()
            .map(|operation| self.command(operation))
            .collect::<Result<_>>()?;
        let outcomes = self.store.submit(commands, grouping)?;
        for (key, outcome) in keys.into_iter().zip(&outcomes) {
            self.serve_late_waiters(key, outcome);
        }
        Ok(outcomes)
    }

    /// A refusal that names a final result shows that it is stored: whoever still waits for it is served,
    /// such as after an earlier call that stored it and reported an error.
    fn serve_late_waiters(&self, key: Option<AttemptKey>, outcome: &Outcome) {
        let told = |error: &Error| matches!(error.status(), Status::NotPending | Status::Conflict);
        let Some(key) = key.filter(|_| outcome.as_ref().is_err_and(told)) else { return };
        // Those who wait before the read: a later life of the id has waiters of its own.
        let waiting = self.shared.subscriptions.waiting_ids(key);
        if waiting.is_empty() {
            return;
        }
        if let Ok(result) = self.result(key) {
            self.shared.subscriptions.deliver_to(&waiting, &result);
        }
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
        operation.validate()?;
        Ok(Arc::new(Change {
            operation,
            profile: self.profile,
            subscriptions: Arc::clone(&self.shared.subscriptions),
            leftovers: Arc::clone(&self.shared.leftovers),
        }))
    }

    /// Applies one operation in a commit that it shares with whatever else is waiting.
    ///
    /// # Errors
    /// As the typed method of the operation.
    pub fn change(&self, operation: Operation) -> Result<Reply> {
        let mut outcomes = self.submit(vec![operation], Grouping::Independent)?;
        outcomes.pop().unwrap_or_else(|| Err(Status::Internal.into()))
    }

    /// Puts bytes under a key as they are, so that tests have an unreadable record.
    ///
    /// # Errors
    /// The store's errors.
    #[cfg(feature = "failpoints")]
    pub fn write_raw(&self, key: AttemptKey, bytes: &[u8]) -> Result<Reply> {
        self.store.submit_one(commands::WriteRaw { key, bytes: bytes.to_vec() })
    }
}

/// Whether the external mark is set. A damaged row counts as a mark: a local open could dispatch beside an
/// external router.
fn is_external(store: &Store) -> Result<bool> {
    match store.read(|view| table::namespace_row(view, ALL_NAMESPACES)) {
        Ok(all) => Ok(all.flags & NamespaceRow::EXTERNAL != 0),
        Err(error) if error.status() == Status::CorruptRecord => Ok(true),
        Err(error) => Err(error),
    }
}
