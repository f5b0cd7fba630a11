//! Recovery from nothing: begin, ask peers, feed what they return, save and go on.

use std::ffi::c_int;

use super::args::{self, Output, SizedOutput, invalid};
use super::backup_envelope::secret_of;
use super::foreign::key_of;
use super::guard::guarded_done;
use super::handle::{self, Object, Tag};
use super::monitors_read::owned_buf;
use super::peer_storage::node_of;
use super::status::lnkeep_status;
use super::types::*;
use crate::error::Result;
use crate::foreign::{ForeignKeys, cln, ldk, lightning_kmp, lnd};
use crate::recovery::crawl::{Candidate, Next, PeerResult};
use crate::recovery::{BlobFault, Fed, Recovery, RecoveryOptions};
use crate::store::volatile::Volatile;
use crate::types::NodeId;

/// Begins a recovery with nothing but the secret that the lost node gave its backup.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED; LNKEEP_BUSY when too many handles are
///   open.
/// In: secret, 32 bytes, as for lnkeep_backup_open; zeroize yours. options, NULL for the defaults.
/// Out: recovery, the handle.
/// Durable: no; lnkeep_recovery_export gives what to keep.
/// Threads: any.
/// Ownership: close the handle with lnkeep_recovery_close.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_begin(
    secret: *const u8,
    options: *const lnkeep_recovery_options,
    recovery: *mut lnkeep_recovery_session,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(recovery, "recovery")?;
            output.set(lnkeep_recovery_session { bits: 0 });
            let secret = secret_of(secret)?;
            let options = options_of(&args::sized(options, "options")?)?;
            output.set(opened(Recovery::begin(&secret, options)?)?);
            Ok(())
        })
    }
}

/// Goes on with a recovery that lnkeep_recovery_export saved: it answers as the one that was saved would.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT for bytes that are no export, damaged, or of another secret;
///   LNKEEP_UNSUPPORTED for an export of a later version; LNKEEP_TOO_BIG for more candidates than the options
///   allow; LNKEEP_BUSY.
/// In: secret, options, as for lnkeep_recovery_begin; bytes, borrowed.
/// Out: recovery, the handle.
/// Threads: any.
/// Ownership: close the handle with lnkeep_recovery_close.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_resume(
    secret: *const u8,
    options: *const lnkeep_recovery_options,
    bytes: lnkeep_bytes,
    recovery: *mut lnkeep_recovery_session,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(recovery, "recovery")?;
            output.set(lnkeep_recovery_session { bits: 0 });
            let secret = secret_of(secret)?;
            let options = options_of(&args::sized(options, "options")?)?;
            let bytes = args::bytes(bytes, "bytes")?;
            output.set(opened(Recovery::resume(&secret, options, bytes)?)?);
            Ok(())
        })
    }
}

fn opened(recovery: Recovery) -> Result<lnkeep_recovery_session> {
    let object = Object::Recovery(Box::new(Volatile::new(recovery)));
    Ok(lnkeep_recovery_session { bits: handle::open(object)? })
}

fn options_of(given: &lnkeep_recovery_options) -> Result<RecoveryOptions> {
    args::reserved(given.reserved, "options.reserved")?;
    let default = RecoveryOptions::default();
    let or = |given: u64, default: u64| if given == 0 { default } else { given };
    Ok(RecoveryOptions {
        deadline_ms: given.deadline_ms,
        answer_ms: or(given.answer_ms, default.answer_ms),
        blob_ms: or(given.blob_ms, default.blob_ms),
        candidates_max: match given.candidates_max {
            0 => default.candidates_max,
            most => most,
        },
    })
}

/// Closes a recovery. Its keys are zeroized; what was not exported is lost.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT; LNKEEP_BAD_HANDLE when it is not open.
/// In: recovery, a pointer to the handle; it is set to LNKEEP_RECOVERY_SESSION_NONE.
/// Threads: any, also while other threads are inside calls on it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_close(
    recovery: *mut lnkeep_recovery_session,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let copy = Output::required(recovery, "recovery")?;
            let bits = args::input(recovery, "recovery")?.bits;
            let closed = handle::close(bits, Tag::Recovery, |_| Ok(()));
            if !handle::is_open(bits, Tag::Recovery) {
                copy.set(lnkeep_recovery_session { bits: 0 });
            }
            closed
        })
    }
}

/// Whether a handle on a recovery is open now.
///
/// Returns: 1 or 0; 0 in a forked child.
/// Threads: any; another thread may close it right after.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_recovery_is_open(recovery: lnkeep_recovery_session) -> c_int {
    let is_open = || handle::is_open(recovery.bits, Tag::Recovery);
    c_int::from(!crate::os::is_forked_child() && is_open())
}

/// Adds peers that may keep something of ours: neighbours in the graph, the operator's list, a file. One that
/// is known already keeps its state.
///
/// Returns: LNKEEP_DONE; LNKEEP_TOO_BIG, and none is added, when they are more than the options allow;
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
/// In: candidates, borrowed and copied.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_add_candidates(
    recovery: lnkeep_recovery_session,
    candidates: *const lnkeep_recovery_candidate,
    candidates_len: usize,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let given = args::inputs(candidates, candidates_len, "candidates")?;
            let candidates: Result<Vec<Candidate>> =
                given.iter().map(|candidate| candidate_of(candidate)).collect();
            let candidates = candidates?;
            handle::with_recovery(recovery.bits, |recovery| recovery.add_candidates(&candidates))
        })
    }
}

/// # Safety
/// The address is a view of readable bytes.
unsafe fn candidate_of(given: &lnkeep_recovery_candidate) -> Result<Candidate> {
    if given.reserved_bytes != [0; 3] {
        return Err(invalid("reserved_bytes of a candidate are not zero"));
    }
    // SAFETY: promised by the caller.
    let address = unsafe { args::bytes(given.address, "candidate.address") }?;
    Ok(Candidate {
        node: NodeId(given.node_id),
        is_announced: args::truth(given.is_announced, "candidate.is_announced")?,
        address: address.to_vec(),
    })
}

/// Whom to ask next: holders that a roster names first, then announced neighbours, then the rest. One peer is
/// asked at a time; one that does not answer in time has failed, rests, and is asked again, eight times at
/// most.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
/// In: now_ms, the host's time; one that goes back counts as the greatest given.
/// Out: next, whose size the caller set; start with LNKEEP_RECOVERY_NEXT_INIT.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_next_peer(
    recovery: lnkeep_recovery_session,
    now_ms: u64,
    next: *mut lnkeep_recovery_next,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::new(next, "next")?;
            let next =
                handle::with_recovery(recovery.bits, |recovery| Ok(recovery.next_peer(now_ms)))?;
            output.set(c_next(&next));
            Ok(())
        })
    }
}

fn c_next(next: &Next) -> lnkeep_recovery_next {
    let mut face = lnkeep_recovery_next {
        size: 0,
        kind: LNKEEP_RECOVERY_NEXT_NONE,
        address_len: 0,
        until_ms: 0,
        node_id: [0; 33],
        reserved_bytes: [0; 7],
        address: [0; 256],
    };
    match next {
        Next::None => {}
        Next::Wait { until_ms } => {
            (face.kind, face.until_ms) = (LNKEEP_RECOVERY_NEXT_WAIT, *until_ms);
        }
        Next::Ask(ask) => {
            (face.kind, face.node_id) = (LNKEEP_RECOVERY_NEXT_ASK, ask.node.0);
            // An address has at most 255 bytes.
            if let Some(room) = face.address.get_mut(..ask.address.len()) {
                room.copy_from_slice(&ask.address);
                face.address_len = ask.address.len() as u32;
            }
        }
    }
    face
}

/// Takes what the host found out about a peer, asked for or not. lnkeep_recovery_feed takes what it returned.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
/// In: now_ms, as for lnkeep_recovery_next_peer; node_id, 33 bytes; result, one of LNKEEP_RECOVERY_PEER_*.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_peer_result(
    recovery: lnkeep_recovery_session,
    now_ms: u64,
    node_id: *const u8,
    result: u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let node = node_of(node_id, "node_id")?;
            let known = PeerResult::ALL.get(result as usize).copied();
            let result =
                known.ok_or_else(|| invalid(format!("result is {result}: no such one")))?;
            handle::with_recovery(recovery.bits, |recovery| {
                recovery.peer_result(now_ms, node, result);
                Ok(())
            })
        })
    }
}

/// Gives keys of software that the node ran before: what does not open as ours is tried with them, and fed
/// says LNKEEP_FED_FOREIGN where one of them opens it.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
/// In: keys, start with LNKEEP_FOREIGN_KEYS_INIT, copied: zeroize yours; they replace those given before.
///   They are not exported: give them again after lnkeep_recovery_resume.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_set_foreign_keys(
    recovery: lnkeep_recovery_session,
    keys: *const lnkeep_foreign_keys,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let given = args::sized_required(keys, "keys")?;
            let keys = ForeignKeys {
                ldk: optional_key(given.ldk, ldk::StorageKey::new)?,
                cln: optional_key(given.cln, cln::ScbKey::new)?,
                lightning_kmp: optional_key(given.lightning_kmp, lightning_kmp::NodeKey::new)?,
                lnd: optional_key(given.lnd, lnd::BackupKey::new)?,
            };
            handle::with_recovery(recovery.bits, |recovery| {
                recovery.set_foreign_keys(keys);
                Ok(())
            })
        })
    }
}

/// # Safety
/// A pointer that is not NULL points to 32 readable bytes.
unsafe fn optional_key<T>(key: *const u8, make: fn([u8; 32]) -> T) -> Result<Option<T>> {
    match key.is_null() {
        true => Ok(None),
        // SAFETY: promised by the caller.
        false => Ok(Some(unsafe { key_of(key, make) }?)),
    }
}

/// Takes what a peer returned, in any order and any number of times, asked for or not.
///
/// Returns: LNKEEP_DONE, whatever the blob is: fed says what it brought; LNKEEP_TOO_BIG for what no message
///   can carry; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
/// In: node_id, of the peer that returned it, 33 bytes; blob, borrowed and, where it opens, copied.
/// Out: fed, NULL if not wanted, else start with LNKEEP_FED_INIT.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_feed(
    recovery: lnkeep_recovery_session,
    node_id: *const u8,
    blob: lnkeep_bytes,
    fed: *mut lnkeep_fed,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::optional(fed, "fed")?;
            let node = node_of(node_id, "node_id")?;
            let blob = args::bytes(blob, "blob")?;
            let fed = handle::with_recovery(recovery.bits, |recovery| recovery.feed(node, blob))?;
            if let Some(output) = output {
                output.set(c_fed(fed));
            }
            Ok(())
        })
    }
}

pub(super) fn c_fed(fed: Fed) -> lnkeep_fed {
    let (outcome, fault) = match fed {
        Fed::Accepted => (LNKEEP_FED_ACCEPTED, 0),
        Fed::Duplicate => (LNKEEP_FED_DUPLICATE, 0),
        Fed::Old => (LNKEEP_FED_OLD, 0),
        Fed::Inconsistent => (LNKEEP_FED_INCONSISTENT, 0),
        Fed::Foreign(software) => (LNKEEP_FED_FOREIGN, software.number().into()),
        Fed::Refused(BlobFault::Envelope(fault)) => (LNKEEP_FED_UNREADABLE, fault.number()),
        Fed::Refused(BlobFault::Share(fault)) => (LNKEEP_FED_BAD_SHARE, fault.number()),
        Fed::Refused(BlobFault::Roster(fault)) => (LNKEEP_FED_BAD_SHARE, fault.number()),
        Fed::Refused(BlobFault::Object(fault)) => (LNKEEP_FED_BAD_SHARE, fault.number()),
        Fed::Refused(BlobFault::Journal(fault)) => (LNKEEP_FED_BAD_JOURNAL, fault.number()),
        Fed::Refused(BlobFault::UnknownKind(kind)) => (LNKEEP_FED_UNKNOWN_KIND, kind.into()),
    };
    // Faults are numbered from 1 to 255.
    lnkeep_fed { size: 0, outcome, fault: fault as u32 }
}

/// The recovery as bytes, for lnkeep_recovery_resume after a restart: sealed blobs as they came, and where
/// each candidate stands. They tell a reader who the peers are, and nothing of what they keep.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
/// Out: bytes, at most some 70 MB.
/// Threads: any.
/// Ownership: free it with lnkeep_buf_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_export(
    recovery: lnkeep_recovery_session,
    bytes: *mut *mut lnkeep_buf,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(bytes, "bytes")?;
            let bytes = handle::with_recovery(recovery.bits, |recovery| Ok(recovery.export()))?;
            output.set(owned_buf(bytes));
            Ok(())
        })
    }
}

/// Says with which sequence number the node goes on: far above all that peers may still hold. Only after this
/// may anything be sent, and then it overwrites what peers keep: give it to lnkeep_backup_adopt.
///
/// Returns: LNKEEP_DONE; LNKEEP_NOT_ENOUGH_SHARES while the newest generation is incomplete, unless that is
///   accepted; LNKEEP_TOO_BIG when no numbers are left; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
///   LNKEEP_POISONED.
/// In: accepts_incomplete, 1 to give up what is incomplete, else 0.
/// Out: seq_floor.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_recovery_finish(
    recovery: lnkeep_recovery_session,
    accepts_incomplete: u32,
    seq_floor: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(seq_floor, "seq_floor")?;
            let accepts = args::truth(accepts_incomplete, "accepts_incomplete")?;
            let adoption =
                handle::with_recovery(recovery.bits, |recovery| recovery.finish(accepts))?;
            output.set(adoption.seq_floor);
            Ok(())
        })
    }
}
