//! The batch call: tagged operations of any component, in one commit, waited for or answered later.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::args::{self, Output, invalid};
use super::attempts as c_attempts;
use super::guard::{guarded, guarded_done};
use super::handle;
use super::monitors_commit as c_monitors;
use super::payments as c_payments;
use super::status::{LNKEEP_BATCH, LNKEEP_DONE, lnkeep_status};
use super::types::*;
use crate::error::{Error, Result, Status};
use crate::limits::{BATCH_OPS_MAX, COMPLETIONS_MAX};
use crate::memory::with_room;
use crate::os::Doorbell;
use crate::store::batch::Command;
use crate::store::{Grouping, Outcome, Store};

/// Answers of asynchronous submissions that wait to be taken.
pub(super) struct Completions {
    answered: Mutex<VecDeque<lnkeep_completion>>,
    /// Operations submitted and not yet taken.
    open: AtomicUsize,
    doorbell: Doorbell,
}

impl Completions {
    pub(super) fn new() -> Result<Arc<Completions>> {
        let doorbell =
            Doorbell::new().map_err(|error| Error::io(Status::Io, &error, "making a doorbell"))?;
        Ok(Arc::new(Completions {
            answered: Mutex::default(),
            open: AtomicUsize::new(0),
            doorbell,
        }))
    }

    /// Takes the room of what will be answered: after a commit no memory may be missing for it.
    fn reserve(&self, operations: usize) -> Result<()> {
        let open = self.open.fetch_add(operations, Ordering::Relaxed) + operations;
        let reserved = match open <= COMPLETIONS_MAX {
            true => {
                let mut answered = self.answered.lock();
                let more = open.saturating_sub(answered.len());
                answered.try_reserve(more).map_err(Error::from)
            }
            false => Err(Error::new(
                Status::Busy,
                format!("{COMPLETIONS_MAX} asynchronous operations are open; take completions"),
            )),
        };
        if reserved.is_err() {
            self.open.fetch_sub(operations, Ordering::Relaxed);
        }
        reserved
    }

    fn add(&self, cookie: u64, outcomes: &[Outcome]) {
        let operations = outcomes.len() as u32;
        let completion = |(index, outcome): (usize, &Outcome)| lnkeep_completion {
            cookie,
            index: index as u32,
            operations,
            outcome: args::c_outcome(outcome),
        };
        self.answered.lock().extend(outcomes.iter().enumerate().map(completion));
        self.doorbell.ring();
    }

    /// Hands out the oldest with their places among what is handed out; answers how many these are.
    fn take(
        &self,
        max: usize,
        hand_out: impl Fn(usize, lnkeep_completion) -> Result<()>,
    ) -> Result<usize> {
        self.doorbell.silence();
        let mut answered = self.answered.lock();
        let taken = answered.len().min(max);
        let handed_out = (0..taken).try_for_each(|index| hand_out(index, answered[index]));
        if handed_out.is_ok() {
            answered.drain(..taken);
            self.open.fetch_sub(taken, Ordering::Relaxed);
        }
        if !answered.is_empty() {
            self.doorbell.ring();
        }
        handed_out.map(|()| taken)
    }
}

/// Operations of a submission, those that are malformed answered already.
struct Prepared {
    commands: Vec<Arc<dyn Command>>,
    /// For each operation: whether it is among `commands`, or why it is not.
    places: Vec<Result<()>>,
    /// Room for what each is answered: after a commit no memory may be missing for it.
    outcomes: Vec<Outcome>,
}

impl Prepared {
    /// # Safety
    /// Views inside the operations point to readable memory.
    unsafe fn new(store: &Arc<Store>, ops: &[lnkeep_op]) -> Result<Prepared> {
        let mut prepared = Prepared {
            commands: with_room(ops.len())?,
            places: with_room(ops.len())?,
            outcomes: with_room(ops.len())?,
        };
        for (index, op) in ops.iter().enumerate() {
            let repeats = |earlier: &lnkeep_op| c_monitors::is_operation(earlier.kind);
            let is_second = c_monitors::is_operation(op.kind) && ops[..index].iter().any(repeats);
            let command = match is_second {
                true => Err(invalid("a submission holds at most one commit of monitors")),
                // SAFETY: promised by the caller.
                false => unsafe { command_of(store, op) },
            };
            prepared.places.push(command.map(|command| prepared.commands.push(command)));
        }
        Ok(prepared)
    }

    /// The malformed operation that aborts its atomic group before anything is queued.
    fn refused_at(&self, grouping: Grouping) -> Option<usize> {
        let refused = self.places.iter().position(Result::is_err)?;
        (grouping == Grouping::Atomic).then_some(refused)
    }

    /// What a group is answered that one of its operations aborts.
    fn refuse_group(mut self, refused: usize) -> Vec<Outcome> {
        for (index, place) in self.places.into_iter().enumerate() {
            self.outcomes.push(match place {
                Err(error) if index == refused => Err(error),
                _ => Err(Error::new(
                    Status::Aborted,
                    format!(
                        "operation {refused} of the atomic group was refused; none was applied"
                    ),
                )),
            });
        }
        self.outcomes
    }
}

/// Puts the outcomes of accepted operations back among the malformed ones.
fn merge(
    places: Vec<Result<()>>,
    mut merged: Vec<Outcome>,
    outcomes: Vec<Outcome>,
) -> Vec<Outcome> {
    let mut outcomes = outcomes.into_iter();
    for place in places {
        let outcome =
            place.and_then(|()| outcomes.next().unwrap_or_else(|| Err(Status::Internal.into())));
        merged.push(outcome);
    }
    merged
}

/// # Safety
/// Views inside the operation point to readable memory.
unsafe fn command_of(store: &Arc<Store>, op: &lnkeep_op) -> Result<Arc<dyn Command>> {
    if c_payments::is_operation(op.kind) {
        // SAFETY: promised by the caller.
        let operation = unsafe { c_payments::operation_of(op) }?;
        return handle::with_payments(op.component, |payments| {
            if !Arc::ptr_eq(payments.store(), store) {
                return Err(invalid("op.component belongs to another store"));
            }
            payments.command(operation)
        });
    }
    if c_monitors::is_operation(op.kind) {
        return handle::with_monitors(op.component, |monitors| {
            if !Arc::ptr_eq(monitors.store(), store) {
                return Err(invalid("op.component belongs to another store"));
            }
            // SAFETY: promised by the caller.
            unsafe { c_monitors::command_of(monitors, op) }
        });
    }
    // SAFETY: promised by the caller.
    let operation = unsafe { c_attempts::operation_of(op) }?;
    handle::with_attempts(op.component, |attempts| {
        if !Arc::ptr_eq(attempts.store(), store) {
            return Err(invalid("op.component belongs to another store"));
        }
        attempts.command(operation)
    })
}

fn grouping_of(flags: u32) -> Result<Grouping> {
    args::flags(flags, LNKEEP_SUBMIT_ATOMIC, "flags")?;
    let atomic = flags & LNKEEP_SUBMIT_ATOMIC != 0;
    Ok(if atomic { Grouping::Atomic } else { Grouping::Independent })
}

/// # Safety
/// `ops` points to `ops_len` readable operations, or is NULL with 0 of them.
unsafe fn ops_of<'call>(ops: *const lnkeep_op, ops_len: usize) -> Result<&'call [lnkeep_op]> {
    if ops_len > BATCH_OPS_MAX {
        return Err(Error::new(
            Status::TooBig,
            format!("{ops_len} operations are more than {BATCH_OPS_MAX}; split them"),
        ));
    }
    // SAFETY: promised by the caller.
    unsafe { args::inputs(ops, ops_len, "ops") }
}

/// The status of a batch: 0 if all is well, else BATCH with its worst operation as the detail.
pub(super) fn batch_answer(outcomes: &[Outcome]) -> (lnkeep_status, Option<Error>) {
    let worst = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err())
        .rev()
        // Of equals the first; the refusal says more than what was aborted because of it.
        .max_by_key(|error| (error.class().severity(), error.status() != Status::Aborted));
    match worst {
        None => (LNKEEP_DONE, None),
        Some(error) => (LNKEEP_BATCH, Some(error.clone())),
    }
}

/// Runs the body of a batch call: its detail names the worst operation although the call answers BATCH. An
/// answer that came before the body, or instead of it, is written to every outcome: zero would read as DONE.
///
/// # Safety
/// As for [`guarded`]; `outcomes` points to `len` writable outcomes.
pub(super) unsafe fn guarded_batch(
    outcomes: *mut lnkeep_outcome,
    len: usize,
    err: *mut lnkeep_error,
    body: impl FnOnce() -> Result<Vec<Outcome>>,
) -> lnkeep_status {
    let outputs = if len > BATCH_OPS_MAX {
        Ok(Vec::new())
    } else {
        // SAFETY: promised by the caller.
        unsafe { outputs_of(outcomes, len) }
    };
    let malformed = outputs.as_ref().err().cloned();
    let outputs = outputs.unwrap_or_default();
    let mut detail = None;
    // SAFETY: promised by the caller.
    let status = unsafe {
        guarded(err, || {
            malformed.map_or(Ok(()), Err)?;
            let result = body();
            write_outcomes(&outputs, &result);
            let (status, worst) = batch_answer(&result?);
            detail = worst;
            Ok(status)
        })
    };
    if detail.is_some() {
        // SAFETY: promised by the caller.
        unsafe { args::fill_error(err, detail.as_ref()) };
    } else if status < 0 {
        let nothing = args::c_outcome(&Err(Status::Internal.into()));
        outputs.iter().for_each(|output| output.set(lnkeep_outcome { status, ..nothing }));
    }
    status
}

/// Applies operations of any components in one commit and waits for it.
///
/// Operations apply in order and a later one sees an earlier one. Without flags each stands alone. With
/// LNKEEP_SUBMIT_ATOMIC one refusal means that none is applied: the refused operation has its own status,
/// the others LNKEEP_ABORTED. Calls of many threads share commits; one call with many operations costs one.
///
/// Returns: LNKEEP_DONE when every operation is DONE or ALREADY; LNKEEP_BATCH when one is not, with the worst
///   of them in err; LNKEEP_TOO_BIG for more than 1,024 operations or 4 MiB, LNKEEP_BUSY, LNKEEP_BAD_HANDLE,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_POISONED: then none was applied and every outcome says so.
/// In: ops, ops_len of them; flags, bits of LNKEEP_SUBMIT_*.
/// Out: outcomes, ops_len of them, written always unless ops or outcomes is malformed or ops_len too big.
/// Durable: operations whose status is DONE or ALREADY.
/// Threads: any.
/// Ownership: everything stays the caller's; views inside ops are read during the call only.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_submit(
    store: lnkeep_store,
    ops: *const lnkeep_op,
    ops_len: usize,
    flags: u32,
    outcomes: *mut lnkeep_outcome,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe { guarded_batch(outcomes, ops_len, err, || submit(store, ops_of(ops, ops_len)?, flags)) }
}

/// # Safety
/// `outcomes` points to `len` writable outcomes.
unsafe fn outputs_of(
    outcomes: *mut lnkeep_outcome,
    len: usize,
) -> Result<Vec<Output<lnkeep_outcome>>> {
    if len == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: promised by the caller.
    (0..len)
        .map(|index| unsafe { Output::required(outcomes.wrapping_add(index), "outcomes") })
        .collect()
}

fn write_outcomes(outputs: &[Output<lnkeep_outcome>], result: &Result<Vec<Outcome>>) {
    for (index, output) in outputs.iter().enumerate() {
        output.set(match result {
            Ok(outcomes) => args::c_outcome(&outcomes[index]),
            Err(error) => args::c_outcome(&Err(error.clone())),
        });
    }
}

/// # Safety
/// Views inside the operations point to readable memory.
unsafe fn submit(store: lnkeep_store, ops: &[lnkeep_op], flags: u32) -> Result<Vec<Outcome>> {
    let grouping = grouping_of(flags)?;
    handle::with_store(store.bits, |object| {
        // SAFETY: promised by the caller.
        let prepared = unsafe { Prepared::new(&object.store, ops) }?;
        if let Some(refused) = prepared.refused_at(grouping) {
            return Ok(prepared.refuse_group(refused));
        }
        let Prepared { commands, places, outcomes: merged } = prepared;
        let outcomes = object.store.submit(commands, grouping)?;
        Ok(merge(places, merged, outcomes))
    })
}

/// Accepts operations as lnkeep_submit does and returns at once; their outcomes come later, in the order
/// of the commits, from lnkeep_completions_take.
///
/// Returns: LNKEEP_DONE when accepted; LNKEEP_BUSY when 65,536 operations are open, the queue is full, or
///   there is no memory for what will be answered; LNKEEP_TOO_BIG, LNKEEP_BAD_HANDLE,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_POISONED: then none will be applied.
/// In: ops, ops_len of them, at least one; flags, bits of LNKEEP_SUBMIT_*; cookie, comes back with each
///   outcome.
/// Durable: nothing yet when it returns.
/// Threads: any.
/// Ownership: everything stays the caller's and may be reused when the call returns.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_submit_async(
    store: lnkeep_store,
    ops: *const lnkeep_op,
    ops_len: usize,
    flags: u32,
    cookie: u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let ops = ops_of(ops, ops_len)?;
            if ops.is_empty() {
                return Err(invalid("ops_len is 0; nothing would come back"));
            }
            let grouping = grouping_of(flags)?;
            handle::with_store(store.bits, |object| {
                object.completions.reserve(ops.len())?;
                let accepted = accept(object, ops, grouping, cookie);
                if accepted.is_err() {
                    object.completions.open.fetch_sub(ops.len(), Ordering::Relaxed);
                }
                accepted
            })
        })
    }
}

/// # Safety
/// Views inside the operations point to readable memory.
unsafe fn accept(
    object: &handle::StoreObject,
    ops: &[lnkeep_op],
    grouping: Grouping,
    cookie: u64,
) -> Result<()> {
    // SAFETY: promised by the caller.
    let prepared = unsafe { Prepared::new(&object.store, ops) }?;
    if let Some(refused) = prepared.refused_at(grouping) {
        object.completions.add(cookie, &prepared.refuse_group(refused));
        return Ok(());
    }
    let completions = Arc::clone(&object.completions);
    let Prepared { commands, places, outcomes: merged } = prepared;
    let answer = move |outcomes| completions.add(cookie, &merge(places, merged, outcomes));
    object.store.submit_async(commands, grouping, Box::new(answer))
}

/// Takes outcomes of asynchronous submissions; never waits.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_INVALID_ARGUMENT.
/// In: capacity, of completions.
/// Out: completions, the first taken_len of them; taken_len, 0 when there are none.
/// Durable: what the outcomes say.
/// Threads: any; each completion is taken once.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_completions_take(
    store: lnkeep_store,
    completions: *mut lnkeep_completion,
    capacity: usize,
    taken_len: *mut usize,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let length = Output::required(taken_len, "taken_len")?;
            Output::required(completions, "completions")?;
            let hand_out = |index, completion| {
                Output::required(completions.wrapping_add(index), "completions")?.set(completion);
                Ok(())
            };
            let taken = handle::with_store(store.bits, |object| {
                object.completions.take(capacity, hand_out)
            })?;
            length.set(taken);
            Ok(())
        })
    }
}

/// A descriptor that is readable while there are completions to take, for poll or epoll.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_INVALID_ARGUMENT.
/// Out: descriptor, valid until the store is closed.
/// Threads: any.
/// Ownership: the library's; never read, write or close it. It is close-on-exec.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_completions_descriptor(
    store: lnkeep_store,
    descriptor: *mut c_int,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(descriptor, "descriptor")?;
            let descriptor = handle::with_store(store.bits, |object| {
                Ok(object.completions.doorbell.descriptor())
            })?;
            output.set(descriptor);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::scarcity;
    use crate::store::batch::Reply;

    /// The story: 65,536 operations were answered while memory was short. They were durable, and the thread
    /// that had committed them had no room for what it had to tell: the process ended.
    #[test]
    fn completions_need_no_memory_after_the_commit() {
        let completions = Completions::new().unwrap();
        let refused = scarcity::during(|| completions.reserve(COMPLETIONS_MAX)).unwrap_err();
        assert_eq!(refused.status(), Status::Busy);
        completions.reserve(COMPLETIONS_MAX).unwrap();
        let outcomes: Vec<Outcome> = (0..COMPLETIONS_MAX).map(|_| Ok(Reply::done())).collect();
        let taken = scarcity::during(|| {
            completions.add(7, &outcomes);
            completions.take(usize::MAX, |_, completion| match completion.cookie {
                7 => Ok(()),
                _ => Err(Status::Internal.into()),
            })
        });
        assert_eq!(taken.unwrap(), COMPLETIONS_MAX);
        assert!(completions.reserve(1).is_ok(), "what was taken is open no more");
    }

    #[test]
    fn what_cannot_be_handed_out_stays() {
        let completions = Completions::new().unwrap();
        completions.reserve(2).unwrap();
        completions.add(1, &[Ok(Reply::done()), Ok(Reply::done())]);
        let refuse = |index, _| if index == 1 { Err(invalid("no place")) } else { Ok(()) };
        assert!(completions.take(2, refuse).is_err());
        assert_eq!(completions.take(9, |_, _| Ok(())).unwrap(), 2);
        assert_eq!(completions.take(9, |_, _| Ok(())).unwrap(), 0);
    }

    #[test]
    fn outcomes_come_back_to_the_places_of_their_operations() {
        let malformed = || Err(invalid("malformed"));
        let places = vec![Ok(()), malformed(), Ok(())];
        let outcomes = vec![Ok(Reply::done()), Err(Status::NotFound.into())];
        let merged = merge(places, with_room(3).unwrap(), outcomes);
        let statuses: Vec<_> = merged
            .into_iter()
            .map(|outcome| outcome.map(drop).map_err(|error| error.status()))
            .collect();
        assert_eq!(statuses, [Ok(()), Err(Status::InvalidArgument), Err(Status::NotFound)]);
    }
}
