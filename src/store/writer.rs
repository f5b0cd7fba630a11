//! The writer thread: the only one that writes. It takes everything that waits, applies it in order inside
//! one transaction, commits once, then answers everybody.
//!
//! G1 an operation is answered as applied only after its commit. G2 window 0: the next batch is whatever
//! queued during the last commit. G3 the first commit whose outcome is unknown poisons the store: its callers
//! get UNKNOWN, everybody later POISONED. G4 no-space is met before the transaction, so it is definite.
//! Called by `store`; the thread ends when the queue is closed and empty.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Core;
use super::batch::{Batch, Committed, Cost, Outcome, Space};
use super::env::{EngineError, EnvFacts};
#[cfg(feature = "failpoints")]
use super::failpoints::{self, Fault};
use super::heads::Heads;
use super::queue::{Grouping, Submission, Taken};
use super::space::{self, Allocation, Room};
use crate::error::{Error, Status};
use crate::limits::RESERVE_BYTES;

/// How often a quiet store looks after its reader table.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// What the writer knows of the last commit.
pub(crate) struct Writer {
    core: Arc<Core>,
    last: Committed,
    allocation: Allocation,
    /// The map reached its largest size: only finish and remove.
    map_exhausted: bool,
    last_housekeeping: Instant,
}

/// Why a batch was not committed.
enum Failure {
    /// Definitely not applied; the store goes on.
    Refused(Error),
    /// Definitely not applied; the store cannot go on.
    Broken(Error),
    /// Nobody knows; the store cannot go on.
    Unknown(Error),
}

impl Writer {
    pub(crate) fn new(core: Arc<Core>, last: Committed, allocation: Allocation) -> Writer {
        Writer { core, last, allocation, map_exhausted: false, last_housekeeping: Instant::now() }
    }

    /// Runs until the queue is closed and empty, then marks the store as cleanly closed.
    pub(crate) fn run(mut self) {
        let served = catch_unwind(AssertUnwindSafe(|| self.serve_all()));
        if served.is_ok() {
            self.mark_clean();
            return;
        }
        self.core.set_poison(&Error::new(Status::Internal, "the writer thread ended"));
        self.core.queue.close();
        self.refuse_waiting();
    }

    fn serve_all(&mut self) {
        loop {
            match self.core.queue.take(HOUSEKEEPING) {
                Taken::Batch(batch) => self.serve(batch),
                Taken::Idle => {}
                Taken::Closed => return,
            }
            self.housekeeping();
        }
    }

    fn refuse_waiting(&self) {
        let poison = self.core.poison().unwrap_or_else(|| Status::Poisoned.into());
        self.core.queue.drain().for_each(|waiting| waiting.refuse(&poison));
    }

    /// Commits a batch and answers its callers.
    pub(crate) fn serve(&mut self, mut batch: Vec<Submission>) {
        let mut most = batch.len();
        while !batch.is_empty() {
            if let Some(poison) = self.core.poison() {
                return batch.into_iter().for_each(|submission| submission.refuse(&poison));
            }
            most = most.min(batch.len());
            // What is too much for the space left may be applied in smaller commits.
            while most > 1 && matches!(self.room_for(&batch[..most]), Ok(Room::None)) {
                most /= 2;
            }
            match self.commit(&mut batch[..most]) {
                Ok(()) => batch.drain(..most).for_each(|submission| self.answer(submission)),
                Err(Failure::Refused(error)) => {
                    batch.drain(..most).for_each(|submission| submission.refuse(&error));
                }
                Err(Failure::Broken(error) | Failure::Unknown(error)) => {
                    self.core.set_poison(&error);
                    batch.drain(..most).for_each(|submission| submission.refuse(&error));
                    self.refuse_waiting();
                }
            }
        }
    }

    fn answer(&self, submission: Submission) {
        let Submission { commands, outcomes, answer, .. } = submission;
        let applied = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
        let refused = outcomes.len() as u64 - applied;
        self.core.operations.fetch_add(applied, Ordering::Relaxed);
        self.core.operations_refused.fetch_add(refused, Ordering::Relaxed);
        // First, so that whoever is answered and closes a component finds nothing of it held here.
        drop(commands);
        answer(outcomes);
    }

    /// The outcomes of a batch that is refused are not to be used.
    fn commit(&mut self, batch: &mut [Submission]) -> Result<(), Failure> {
        let committed = catch_unwind(AssertUnwindSafe(|| self.commit_or_grow(batch)));
        committed.unwrap_or_else(|_| {
            Err(Failure::Unknown(Error::new(
                Status::Unknown,
                "the writer thread met a bug of lnkeep; reopen and repeat the same identifiers",
            )))
        })
    }

    fn commit_or_grow(&mut self, batch: &mut [Submission]) -> Result<(), Failure> {
        #[cfg(feature = "failpoints")]
        let fault = self.core.failpoints.take();
        #[cfg(feature = "failpoints")]
        if let Some(Fault::NoSpace) = fault {
            return Err(Failure::Refused(no_space()));
        }
        self.map_exhausted = false;
        loop {
            let room = self.room_for(batch)?;
            let mut attempt = Attempt { writer: self, room };
            let result = attempt.run(
                batch,
                #[cfg(feature = "failpoints")]
                fault,
            );
            match result {
                Ok(()) => {
                    #[cfg(feature = "failpoints")]
                    failpoints::assert_allocated(&self.core.env, &self.allocation);
                    self.free_at_the_cap();
                    return Ok(());
                }
                Err(Stop::MapFull) => self.grow()?,
                Err(Stop::Failed(failure)) => return Err(failure),
            }
        }
    }

    fn room_for(&mut self, batch: &[Submission]) -> Result<Room, Failure> {
        let facts = self.core.env.facts().map_err(broken)?;
        let cost =
            batch.iter().map(Submission::cost).fold(Cost { rows: 0, bytes: 0 }, |sum, cost| Cost {
                rows: sum.rows.saturating_add(cost.rows),
                bytes: sum.bytes.saturating_add(cost.bytes),
            });
        let room = self.allocation.make_room(&self.core.env, &facts, self.last.depth_max, cost);
        self.core.allocated_bytes.store(self.allocation.bytes(), Ordering::Relaxed);
        let near_cap = self.map_exhausted || self.is_map_nearly_full(&facts, cost);
        let room = if near_cap && room == Room::Ample { Room::Reserve } else { room };
        self.core.space_is_short.store(room != Room::Ample, Ordering::Relaxed);
        Ok(room)
    }

    /// Whether only the map's reserve is left: results, settles and deletes need it, as on a full disk.
    fn is_map_nearly_full(&self, facts: &EnvFacts, cost: Cost) -> bool {
        let needed = space::pages_bound(facts, self.last.depth_max, cost) * facts.page_bytes;
        let used = facts.pages_used * facts.page_bytes;
        if !self.is_in_reserve(used + needed) {
            return false;
        }
        let free = self.core.env.free_pages() * facts.page_bytes;
        self.is_in_reserve(used.saturating_sub(free) + needed)
    }

    fn is_in_reserve(&self, used: u64) -> bool {
        let cap = self.core.map_bytes_max;
        used + RESERVE_BYTES.min(cap / 8) > cap
    }

    /// Doubles the map up to its cap; at the cap, later batches may only finish and remove.
    fn grow(&mut self) -> Result<(), Failure> {
        let facts = self.core.env.facts().map_err(broken)?;
        let cap = self.core.map_bytes_max;
        if facts.map_bytes >= cap {
            if self.map_exhausted {
                return Err(Failure::Refused(Error::new(
                    Status::NoSpace,
                    format!("the map is full at its cap of {cap} bytes; delete or raise the cap"),
                )));
            }
            self.map_exhausted = true;
            return Ok(());
        }
        let target = facts.map_bytes.saturating_mul(2).min(cap);
        self.core.env.grow(target).map_err(broken)?;
        self.core.map_growths.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// LMDB gives out a freed page two commits later. In a map at its cap nothing else may be left to make
    /// those commits, so that deleted rows would make no room: one small commit is made at once.
    fn free_at_the_cap(&mut self) {
        let Ok(facts) = self.core.env.facts() else { return };
        if !self.is_in_reserve(facts.pages_used * facts.page_bytes) {
            return;
        }
        match self.core.commit_meta(&self.last.heads, &self.last.meta, |_| ()) {
            Ok(committed) => self.last = committed,
            // Not even room for that: nothing was written, and the next commit tries again.
            Err(error) if matches!(error.status(), Status::NoSpace | Status::Busy) => {}
            Err(error) => self.core.set_poison(&error),
        }
    }

    fn housekeeping(&mut self) {
        if self.last_housekeeping.elapsed() < HOUSEKEEPING {
            return;
        }
        self.last_housekeeping = Instant::now();
        if let Ok(cleared) = self.core.env.clear_stale_readers() {
            self.core.stale_readers_cleared.fetch_add(cleared, Ordering::Relaxed);
        }
    }

    /// Writes the clean mark. A failure leaves the store as after a crash, which open handles.
    fn mark_clean(&mut self) {
        if self.core.poison().is_some() {
            return;
        }
        let marked = catch_unwind(AssertUnwindSafe(|| {
            self.core.commit_meta(&self.last.heads, &self.last.meta, |meta| meta.clean = true)
        }));
        drop(marked);
    }
}

/// Why one transaction of a batch ended without a commit.
enum Stop {
    MapFull,
    Failed(Failure),
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Stop {
        match error {
            EngineError::MapFull => Stop::MapFull,
            // Before the commit: the transaction is aborted as a whole, and may be repeated as one.
            EngineError::Code(libc::ENOMEM) => Stop::Failed(Failure::Refused(error.into())),
            error => Stop::Failed(broken(error)),
        }
    }
}

/// One transaction over a batch.
struct Attempt<'writer> {
    writer: &'writer mut Writer,
    room: Room,
}

impl Attempt<'_> {
    fn run(
        &mut self,
        submissions: &mut [Submission],
        #[cfg(feature = "failpoints")] fault: Option<Fault>,
    ) -> Result<(), Stop> {
        let core = Arc::clone(&self.writer.core);
        let txn = core.env.write()?;
        let heads = self.writer.last.heads.clone();
        let meta = self.writer.last.meta.clone();
        let mut batch = Batch::new(txn, heads, meta, core.clock(), core.events);
        #[cfg(feature = "failpoints")]
        batch.fail_at(failpoints::failing_write(fault));
        for submission in &mut *submissions {
            self.apply(submission, &mut batch)?;
        }
        #[cfg(feature = "failpoints")]
        fail_before_commit(fault)?;
        if !batch.is_empty() {
            let started = Instant::now();
            let committed = batch.finish()?.commit().map_err(unknown)?;
            let took = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            core.commit_durations.add(took);
            core.commits.fetch_add(1, Ordering::Relaxed);
            core.commit_number.store(committed.heads.commit_number, Ordering::Relaxed);
            self.writer.last = committed;
        }
        #[cfg(feature = "failpoints")]
        if fail_after_commit(fault, submissions)? {
            return Ok(());
        }
        notify(&core, &self.writer.last.heads, submissions);
        Ok(())
    }

    fn apply(&self, submission: &mut Submission, batch: &mut Batch<'_>) -> Result<(), Stop> {
        batch.keep();
        let Submission { commands, outcomes, grouping, .. } = submission;
        // A transaction that met the end of the map left some.
        outcomes.clear();
        for command in &*commands {
            #[cfg(feature = "failpoints")]
            let mark = batch.mark();
            let outcome = match self.refusal(command.space()) {
                Some(refusal) => Err(refusal),
                None => command.apply(batch),
            };
            if let Some(failure) = batch.failure() {
                return Err(failure.into());
            }
            #[cfg(feature = "failpoints")]
            failpoints::assert_within(batch, mark, command.cost());
            let refused = outcome.is_err();
            outcomes.push(outcome);
            match grouping {
                Grouping::Independent if refused => batch.take_back(),
                Grouping::Independent => batch.keep(),
                Grouping::Atomic if refused => {
                    batch.take_back();
                    abort_others(outcomes, commands.len());
                    break;
                }
                Grouping::Atomic => {}
            }
        }
        match batch.failure() {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    fn refusal(&self, space: Space) -> Option<Error> {
        match (self.room, space) {
            (Room::Ample, _) | (Room::Reserve, Space::Settles) => None,
            (Room::Reserve, Space::Grows) | (Room::None, _) => Some(no_space()),
        }
    }
}

/// The last outcome is the refusal; every other operation of the group was not applied because of it.
fn abort_others(outcomes: &mut Vec<Outcome>, operations: usize) {
    let refused = outcomes.len() - 1;
    for outcome in &mut outcomes[..refused] {
        *outcome = Err(aborted(refused));
    }
    outcomes.resize_with(operations, || Err(aborted(refused)));
}

fn aborted(refused: usize) -> Error {
    Error::new(
        Status::Aborted,
        format!("operation {refused} of the atomic group was refused; none was applied"),
    )
}

fn notify(core: &Core, heads: &Heads, submissions: &[Submission]) {
    core.tell_listeners(heads);
    for submission in submissions {
        for (command, outcome) in submission.commands.iter().zip(&submission.outcomes) {
            if let Ok(reply) = outcome {
                let told: Result<(), _> =
                    catch_unwind(AssertUnwindSafe(|| command.committed(reply)));
                debug_assert!(told.is_ok(), "a notification panicked");
            }
        }
    }
}

fn no_space() -> Error {
    Error::os(
        Status::NoSpace,
        libc::ENOSPC,
        "no disk space for new records; nothing was applied, results and deletes still are",
    )
}

fn broken(error: EngineError) -> Failure {
    Failure::Broken(error.at_the_end())
}

fn unknown(error: EngineError) -> Stop {
    // LMDB looks for room for its free list at the start of a commit, before it writes a byte.
    if error == EngineError::MapFull {
        return Stop::MapFull;
    }
    Stop::Failed(Failure::Unknown(Error::os(
        Status::Unknown,
        error.os_errno(),
        format!("the commit failed ({error}); reopen and repeat the same identifiers"),
    )))
}

#[cfg(feature = "failpoints")]
fn fail_before_commit(fault: Option<Fault>) -> Result<(), Stop> {
    match fault {
        Some(Fault::CommitFailsBefore) => Err(unknown(EngineError::Code(libc::EIO))),
        Some(Fault::Panic) => panic!("armed by a test"),
        _ => Ok(()),
    }
}

/// Answers whether nobody is to be notified.
#[cfg(feature = "failpoints")]
fn fail_after_commit(fault: Option<Fault>, submissions: &mut [Submission]) -> Result<bool, Stop> {
    match fault {
        Some(Fault::CommitFailsAfter) => Err(unknown(EngineError::Code(libc::EIO))),
        Some(Fault::NoSpaceAfter) => {
            submissions.iter_mut().for_each(|submission| submission.refuse_all(&no_space()));
            Ok(true)
        }
        _ => Ok(false),
    }
}
