//! Monitors: captures, commits, and what they let out.

use std::ffi::c_int;
use std::sync::Arc;

use super::args::{self, Output, SizedOutput, invalid};
use super::guard::guarded_done;
use super::handle;
use super::monitors::channel_of;
use super::status::lnkeep_status;
use super::types::*;
use crate::error::Result;
use crate::limits::BATCH_OPS_MAX;
use crate::monitors::commit::Request;
use crate::monitors::{self as core, Capture, CompletionKind, ManagerRelation, Monitors};
use crate::store::batch::Command;
use crate::types::ChannelId;

/// Marks what the next commit is to include: everything queued so far.
///
/// Take it BEFORE the manager is serialised. What is queued later may be missing in the manager, and stays
/// queued for the commit after. A host with several drivers serialises managers in the order of their
/// captures.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// Out: capture.
/// Threads: any; never waits for the disk.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_capture(
    monitors: lnkeep_monitors,
    capture: *mut lnkeep_capture,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(capture, "capture")?;
            let taken = handle::with_monitors(monitors.bits, Monitors::capture)?;
            let (epoch, number, upto_ticket, check) = taken.to_parts();
            output.set(lnkeep_capture { epoch, number, upto_ticket, check });
            Ok(())
        })
    }
}

/// A commit as the caller described it.
struct Given<'call> {
    capture: Capture,
    request: Request<'call>,
    view: Vec<(ChannelId, u64)>,
}

/// # Safety
/// The pointer is NULL or points to a commit that begins with its size; its views to readable memory.
unsafe fn given_of<'call>(commit: *const lnkeep_monitors_commit) -> Result<Given<'call>> {
    // SAFETY: promised by the caller.
    unsafe {
        let given = args::sized_required(commit, "commit")?;
        args::reserved(given.reserved, "commit.reserved")?;
        let known =
            LNKEEP_COMMIT_HAS_MANAGER | LNKEEP_COMMIT_EXTERNAL | LNKEEP_COMMIT_HAS_GENERATION;
        args::flags(given.flags, known, "commit.flags")?;
        let has = |flag: u32| given.flags & flag != 0;
        if has(LNKEEP_COMMIT_EXTERNAL) && has(LNKEEP_COMMIT_HAS_MANAGER) {
            return Err(invalid("commit.flags: an external manager comes as a generation"));
        }
        if has(LNKEEP_COMMIT_HAS_GENERATION) && !has(LNKEEP_COMMIT_EXTERNAL) {
            return Err(invalid("commit.flags: a generation belongs to an external manager"));
        }
        let manager = args::bytes(given.manager, "commit.manager")?;
        if !has(LNKEEP_COMMIT_HAS_MANAGER) && !manager.is_empty() {
            return Err(invalid("commit.manager is set and LNKEEP_COMMIT_HAS_MANAGER is not"));
        }
        if !has(LNKEEP_COMMIT_HAS_GENERATION) && given.manager_generation != 0 {
            return Err(invalid("commit.manager_generation is set and its flag is not"));
        }
        let request = match has(LNKEEP_COMMIT_EXTERNAL) {
            true => Request::Generation(
                has(LNKEEP_COMMIT_HAS_GENERATION).then_some(given.manager_generation),
            ),
            false => Request::Manager(has(LNKEEP_COMMIT_HAS_MANAGER).then_some(manager)),
        };
        let tips = args::inputs(given.view, given.view_len, "commit.view")?;
        let view = tips.iter().map(|tip| (ChannelId(tip.channel_id), tip.update_id)).collect();
        let lnkeep_capture { epoch, number, upto_ticket, check } = given.capture;
        let capture = Capture::from_parts(epoch, number, upto_ticket, check);
        Ok(Given { capture, request, view })
    }
}

/// Makes everything up to a capture durable in one transaction: the manager, new channels, updates,
/// snapshots, archives and durable outputs. Afterwards completions and outputs can be taken.
///
/// Returns: LNKEEP_DONE: all of it is on disk. Refused before anything was written, with the channel in
///   err.channel_id: LNKEEP_MANAGER_BEHIND: the commit would make a channel newer than the manager knows,
///   capture and serialise again; LNKEEP_LOST_UPDATE: the manager knows an update that was never queued;
///   LNKEEP_MANAGER_AHEAD, with LNKEEP_MONITORS_REPLAYS_NOTHING; LNKEEP_UNKNOWN_CHANNEL,
///   LNKEEP_DUPLICATE_ID of the view. LNKEEP_MANAGER_REQUIRED; LNKEEP_STALE_CAPTURE: this capture or a
///   later one was committed, drop this manager; LNKEEP_BAD_TICKET; LNKEEP_STALE_MANAGER;
///   LNKEEP_WRONG_MODE; LNKEEP_TOO_BIG; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED.
///   LNKEEP_NO_SPACE, LNKEEP_BUSY: nothing was applied, keep outputs back, use the same capture again.
///   LNKEEP_UNKNOWN: send nothing more, close, reopen, and trust what is found. LNKEEP_POISONED.
/// In: commit.
/// Out: committed, NULL if not wanted, else start with LNKEEP_MONITORS_COMMITTED_INIT.
/// Durable: with LNKEEP_DONE.
/// Threads: any; commits of one store's monitors wait for each other, queueing does not wait for them.
/// Ownership: everything stays the caller's.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_commit_captured(
    monitors: lnkeep_monitors,
    commit: *const lnkeep_monitors_commit,
    committed: *mut lnkeep_monitors_committed,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::optional(committed, "committed")?;
            let Given { capture, request, view } = given_of(commit)?;
            let done = handle::with_monitors(monitors.bits, |monitors| match request {
                Request::Manager(manager) => monitors.commit(capture, manager, &view),
                Request::Generation(generation) => {
                    monitors.commit_external(capture, generation, &view)
                }
            })?;
            if let Some(output) = output {
                output.set(lnkeep_monitors_committed {
                    size: std::mem::size_of::<lnkeep_monitors_committed>(),
                    commit_sequence: done.commit_sequence,
                    applied: done.applied,
                    need_snapshot: done.need_snapshot.len() as u64,
                });
            }
            Ok(())
        })
    }
}

/// Whether a kind of operation is one of monitors.
pub(super) fn is_operation(kind: u32) -> bool {
    kind == LNKEEP_OP_MONITORS_COMMIT
}

/// The command of a tagged structure.
///
/// # Safety
/// Pointers and views inside it point to readable memory.
pub(super) unsafe fn command_of(monitors: &Monitors, op: &lnkeep_op) -> Result<Arc<dyn Command>> {
    args::reserved(op.flags, "op.flags")?;
    // SAFETY: every member is plain bytes, so any of them may be read; pointers are promised by the caller.
    let Given { capture, request, view } = unsafe { given_of(op.body.monitors_commit.commit) }?;
    monitors.command(capture, request, &view, true)
}

/// Compares the manager that the host loaded with the one of the last commit, by its generation.
///
/// Returns: LNKEEP_DONE; LNKEEP_MANAGER_BEHIND, the stored generation in err.value: an older copy, do not
///   start; LNKEEP_CORRUPT_RECORD when a damage took the stored one, until a commit gives one;
///   LNKEEP_WRONG_MODE without LNKEEP_MONITORS_EXTERNAL_MANAGER; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: generation.
/// Out: relation, LNKEEP_MANAGER_IS_EQUAL or LNKEEP_MANAGER_IS_AHEAD: then the commit after it did not
///   happen.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_check_manager(
    monitors: lnkeep_monitors,
    generation: u64,
    relation: *mut u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(relation, "relation")?;
            let found = handle::with_monitors(monitors.bits, |monitors| {
                monitors.check_manager(generation)
            })?;
            output.set(match found {
                ManagerRelation::Equal => LNKEEP_MANAGER_IS_EQUAL,
                ManagerRelation::Ahead => LNKEEP_MANAGER_IS_AHEAD,
            });
            Ok(())
        })
    }
}

/// Takes entries that became durable in this session, in the order of the queue, each once; never waits. A
/// host that wants none opens with LNKEEP_MONITORS_WITHOUT_COMPLETIONS: when 65,536 wait, nothing but
/// critical entries is queued.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: capacity, of completions.
/// Out: completions, the first taken_len of them; taken_len, 0 when there are none.
/// Threads: any; of several takers each gets others.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_completions(
    monitors: lnkeep_monitors,
    completions: *mut lnkeep_monitor_completion,
    capacity: usize,
    taken_len: *mut usize,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let length = Output::required(taken_len, "taken_len")?;
            Output::required(completions, "completions")?;
            let taken =
                handle::with_monitors(monitors.bits, |monitors| monitors.completions(capacity))?;
            for (index, completion) in taken.iter().enumerate() {
                Output::required(completions.add(index), "completions")?
                    .set(c_completion(completion));
            }
            length.set(taken.len());
            Ok(())
        })
    }
}

fn c_completion(completion: &core::Completion) -> lnkeep_monitor_completion {
    lnkeep_monitor_completion {
        channel_id: completion.channel.0,
        update_id: completion.update_id.unwrap_or(0),
        kind: match completion.kind {
            CompletionKind::New => LNKEEP_COMPLETION_NEW,
            CompletionKind::Update => LNKEEP_COMPLETION_UPDATE,
            CompletionKind::Snapshot => LNKEEP_COMPLETION_SNAPSHOT,
            CompletionKind::Archive => LNKEEP_COMPLETION_ARCHIVE,
        },
        reserved: 0,
    }
}

/// Outputs handed to C with the memory their pointers lead to; the structure comes first.
#[repr(C)]
struct OwnedOutputs {
    face: lnkeep_outputs,
    outputs: Vec<lnkeep_output>,
    source: Vec<core::Output>,
}

/// Takes outputs that may leave: those whose covering commit succeeded, in the order of their tickets, each
/// once. First come, in the order of their numbers, the durable ones of earlier sessions that were never
/// acknowledged. Never waits.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BUSY, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_POISONED.
/// In: max, how many at most, 1 to 1,024; fewer come when they are large.
/// Out: outputs; one with outputs_len 0 when there are none.
/// Threads: any; of several takers each gets others.
/// Ownership: free it with lnkeep_outputs_free; everything it points to lives as long as it does.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_take_outputs(
    monitors: lnkeep_monitors,
    max: usize,
    outputs: *mut *mut lnkeep_outputs,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(outputs, "outputs")?;
            if !(1..=BATCH_OPS_MAX).contains(&max) {
                return Err(invalid(format!("max is {max}; 1 to {BATCH_OPS_MAX}")));
            }
            let taken =
                handle::with_monitors(monitors.bits, |monitors| monitors.take_outputs(max))?;
            output.set(owned_outputs(taken));
            Ok(())
        })
    }
}

fn owned_outputs(source: Vec<core::Output>) -> *mut lnkeep_outputs {
    let face = |output: &core::Output| lnkeep_output {
        output_id: output.output_id.unwrap_or(0),
        tag: output.tag,
        payload: lnkeep_bytes { ptr: args::first(&output.payload), len: output.payload.len() },
    };
    let outputs: Vec<_> = source.iter().map(face).collect();
    let face = lnkeep_outputs {
        size: std::mem::size_of::<lnkeep_outputs>(),
        stride: std::mem::size_of::<lnkeep_output>(),
        outputs: args::first(&outputs),
        outputs_len: outputs.len(),
    };
    let owned = OwnedOutputs { face, outputs, source };
    debug_assert_eq!(owned.outputs.len(), owned.source.len());
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees what lnkeep_monitors_take_outputs gave. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_outputs_free(outputs: *mut lnkeep_outputs) {
    if !outputs.is_null() {
        // SAFETY: made by `owned_outputs` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(outputs.cast::<OwnedOutputs>()) });
    }
}

/// Confirms a durable output: the host has made what follows from it durable itself. The next commit
/// removes it; until then it comes back after a crash.
///
/// Returns: LNKEEP_DONE; LNKEEP_UNKNOWN_OUTPUT when none of this number waits; LNKEEP_BUSY,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: output_id.
/// Durable: with the next commit.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_acknowledge(
    monitors: lnkeep_monitors,
    output_id: u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: `err` is the caller's, as the header says.
    unsafe {
        guarded_done(err, || {
            handle::with_monitors(monitors.bits, |monitors| monitors.acknowledge(output_id))
        })
    }
}

/// Removes an archived channel for good. Its id stays refused.
///
/// Returns: LNKEEP_DONE; LNKEEP_NOT_ARCHIVED; LNKEEP_UNKNOWN, LNKEEP_NO_SPACE, LNKEEP_BUSY,
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: channel_id, 32 bytes.
/// Out: commit_sequence, number of this commit; NULL if not wanted.
/// Durable: with LNKEEP_DONE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_purge(
    monitors: lnkeep_monitors,
    channel_id: *const u8,
    commit_sequence: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(commit_sequence, "commit_sequence")?;
            let channel = channel_of(channel_id)?;
            output.set(handle::with_monitors(monitors.bits, |monitors| monitors.purge(channel))?);
            Ok(())
        })
    }
}

/// A descriptor that is readable while there are completions or outputs to take, for poll or epoll.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
/// Out: descriptor, valid until the last handle on these monitors is closed.
/// Threads: any.
/// Ownership: the library's; never read, write or close it. It is close-on-exec.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_monitors_descriptor(
    monitors: lnkeep_monitors,
    descriptor: *mut c_int,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(descriptor, "descriptor")?;
            let found = handle::with_monitors(monitors.bits, |monitors| Ok(monitors.descriptor()))?;
            output.set(found);
            Ok(())
        })
    }
}
