//! Backup: open, close, and what connections, messages and timers call.

use std::ffi::c_int;

use super::args::{self, Output, SizedOutput, invalid};
use super::backup_envelope::{owned_opened, secret_of};
use super::guard::{guarded, guarded_done};
use super::handle::{self, Object, Tag};
use super::monitors_read::owned_buf;
use super::peer_storage::node_of;
use super::status::{LNKEEP_ALREADY, LNKEEP_DONE, lnkeep_status};
use super::types::*;
use crate::backup::budget::BudgetOptions;
use crate::backup::envelope::SizeClass;
use crate::backup::journal::{JournalOptions, Profile};
use crate::backup::{Backup, BackupOptions, BackupReport, Concluded};
use crate::error::Result;

/// Opens the backup of a store: what is known of each peer is as it was, and all count as disconnected.
/// While it is open, opening again with the same secret and equal options gives another handle on the same.
///
/// Returns: LNKEEP_DONE; LNKEEP_WRONG_MODE with another secret than the store's backup was made with;
///   LNKEEP_ALREADY_OPEN with other options; LNKEEP_IO without random numbers; LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_NO_SPACE, LNKEEP_BUSY,
///   LNKEEP_UNKNOWN, LNKEEP_POISONED. A damaged row is no error: report counts it.
/// In: secret, 32 bytes that can be derived from the node's seed alone, used for nothing else; zeroize
///   yours. options, NULL for the safe defaults.
/// Out: backup, the handle; report, NULL if not wanted, else start with LNKEEP_BACKUP_REPORT_INIT.
/// Threads: any.
/// Ownership: close the handle with lnkeep_backup_close.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_open(
    store: lnkeep_store,
    secret: *const u8,
    options: *const lnkeep_backup_options,
    backup: *mut lnkeep_backup,
    report: *mut lnkeep_backup_report,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(backup, "backup")?;
            output.set(lnkeep_backup { bits: 0 });
            let report = SizedOutput::optional(report, "report")?;
            let secret = secret_of(secret)?;
            let options = options_of(&args::sized(options, "options")?)?;
            let opened = handle::with_store(store.bits, |object| {
                Backup::open(&object.store, &secret, options)
            })?;
            let found = c_report(&opened.report());
            output.set(lnkeep_backup { bits: handle::open(Object::Backup(opened))? });
            if let Some(report) = report {
                report.set(found);
            }
            Ok(())
        })
    }
}

fn options_of(given: &lnkeep_backup_options) -> Result<BackupOptions> {
    args::flags(given.flags, LNKEEP_BACKUP_HAS_ENTROPY, "options.flags")?;
    args::reserved(given.reserved, "options.reserved")?;
    let has_entropy = given.flags & LNKEEP_BACKUP_HAS_ENTROPY != 0;
    if !has_entropy && given.entropy != [0; 32] {
        return Err(invalid("options.entropy is set without its flag"));
    }
    let default = BackupOptions::default();
    let or = |given: u64, default: u64| if given == 0 { default } else { given };
    Ok(BackupOptions {
        size_class: match given.size_class {
            0 => default.size_class,
            bytes => class_of(bytes, "options.size_class")?,
        },
        hold_ms: or(given.hold_ms, default.hold_ms),
        resend_interval_ms: or(given.resend_interval_ms, default.resend_interval_ms),
        peers_max: or(given.peers_max.into(), default.peers_max.into()) as u32,
        journal: journal_options_of(given, &default.journal)?,
        journal_keepers: or(given.journal_keepers.into(), default.journal_keepers.into()) as u32,
        budget: BudgetOptions {
            peer_bytes_per_day: or(given.peer_bytes_per_day, default.budget.peer_bytes_per_day),
            bytes_per_day: or(given.bytes_per_day, default.budget.bytes_per_day),
            peer_uploads_per_minute: or(
                given.peer_uploads_per_minute.into(),
                default.budget.peer_uploads_per_minute,
            ),
        },
        entropy: has_entropy.then_some(given.entropy),
    })
}

fn journal_options_of(
    given: &lnkeep_backup_options,
    default: &JournalOptions,
) -> Result<JournalOptions> {
    let or = |given: u64, default: u64| if given == 0 { default } else { given };
    Ok(JournalOptions {
        profile: match given.htlc_profile {
            LNKEEP_HTLC_PROFILE_ONCHAIN_ONLY => Profile::OnchainOnly,
            LNKEEP_HTLC_PROFILE_ALL_HTLCS => Profile::AllHtlcs,
            other => return Err(invalid(format!("options.htlc_profile is {other}, not 0 or 1"))),
        },
        interval_ms: or(given.journal_interval_ms, default.interval_ms),
        size_class: match given.journal_size_class {
            0 => default.size_class,
            bytes => class_of(bytes, "options.journal_size_class")?,
        },
        urgent_msat: or(given.urgent_msat, default.urgent_msat),
        dust_msat: or(given.dust_msat, default.dust_msat),
    })
}

pub(super) fn class_of(bytes: u32, name: &str) -> Result<SizeClass> {
    let class = SizeClass::from_bytes(bytes as usize);
    class.ok_or_else(|| invalid(format!("{name} is {bytes}, not 1024, 4096, 16384 or 65531")))
}

pub(super) fn standing_flags(is_fresh: bool, is_blocked: bool) -> u32 {
    let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
    flag(is_fresh, LNKEEP_BACKUP_FRESH) | flag(is_blocked, LNKEEP_BACKUP_BLOCKED)
}

fn c_report(report: &BackupReport) -> lnkeep_backup_report {
    lnkeep_backup_report {
        size: 0,
        peers: report.peers,
        damaged: report.damaged,
        flags: standing_flags(report.is_fresh, report.is_blocked),
        reserved: 0,
    }
}

/// Closes a handle on a backup. With the last one the payload and the keys are zeroized.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT; LNKEEP_BAD_HANDLE when it is not open.
/// In: backup, a pointer to the handle; it is set to LNKEEP_BACKUP_NONE.
/// Threads: any, also while other threads are inside calls on it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_close(
    backup: *mut lnkeep_backup,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let copy = Output::required(backup, "backup")?;
            let bits = args::input(backup, "backup")?.bits;
            let closed = handle::close(bits, Tag::Backup, |_| Ok(()));
            if !handle::is_open(bits, Tag::Backup) {
                copy.set(lnkeep_backup { bits: 0 });
            }
            closed
        })
    }
}

/// Whether a handle on a backup is open now.
///
/// Returns: 1 or 0; 0 in a forked child.
/// Threads: any; another thread may close it right after.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_backup_is_open(backup: lnkeep_backup) -> c_int {
    let is_open = || handle::is_open(backup.bits, Tag::Backup);
    c_int::from(!crate::os::is_forked_child() && is_open())
}

/// Sets what is to be kept by peers from now on: the host's own bytes, for which every peer is due. They are
/// kept in memory only: set them again after each open. Equal ones change nothing.
///
/// Returns: LNKEEP_DONE; LNKEEP_TOO_BIG when not even shares hold them (lnkeep_backup_payload_max);
///   LNKEEP_INVALID_ARGUMENT, also
///   without bytes; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: payload, borrowed and copied.
/// Durable: no.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_set_payload(
    backup: lnkeep_backup,
    payload: lnkeep_bytes,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let payload = args::bytes(payload, "payload")?;
            handle::with_backup(backup.bits, |backup| backup.set_payload(payload))
        })
    }
}

/// A peer connected. If it offers storage, nothing is sent to it until it returned a blob, began
/// channel_reestablish, or its time is up: a node that lost its data must not overwrite its own backup.
///
/// Returns: LNKEEP_DONE; LNKEEP_QUOTA_PEERS when something is known of too many peers: nothing is sent to
///   this one; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: now_ms, the host's time, which never goes back; node_id, 33 bytes; offers_storage, 1 or 0: what
///   lnkeep_wire_storage_feature finds in its init.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_connected(
    backup: lnkeep_backup,
    now_ms: u64,
    node_id: *const u8,
    offers_storage: u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let peer = node_of(node_id, "node_id")?;
            let offers_storage = args::truth(offers_storage, "offers_storage")?;
            handle::with_backup(backup.bits, |backup| {
                backup.connected(now_ms, peer, offers_storage).map(drop)
            })
        })
    }
}

/// A peer is gone.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: node_id, 33 bytes.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_disconnected(
    backup: lnkeep_backup,
    node_id: *const u8,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let peer = node_of(node_id, "node_id")?;
            handle::with_backup(backup.bits, |backup| backup.disconnected(peer).map(drop))
        })
    }
}

/// A peer returned a blob (peer_storage_retrieval). Call it before channel_reestablish is answered: with
/// LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS we lost state that this peer still has, and a channel must not go
/// on from what is left. An empty blob counts as none.
///
/// Returns: LNKEEP_DONE, also when the blob does not open: concluded says what follows;
///   LNKEEP_QUOTA_PEERS for a stranger when something is known of too many peers; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: now_ms, the host's time; node_id, 33 bytes; blob, borrowed.
/// Out: concluded, start with LNKEEP_CONCLUDED_INIT; opened, NULL if not wanted, else what the blob held,
///   NULL when it is none of ours. It is for closing and sweeping only: never resume a channel from it.
/// Durable: that state was lost, and that a peer holds what cannot be read, when it returns, unless
///   concluded.failure says otherwise; other conclusions at most once per resend interval and peer, else with
///   a later tick.
/// Threads: any.
/// Ownership: free opened with lnkeep_opened_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_retrieval(
    backup: lnkeep_backup,
    now_ms: u64,
    node_id: *const u8,
    blob: lnkeep_bytes,
    concluded: *mut lnkeep_concluded,
    opened: *mut *mut lnkeep_opened,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::new(concluded, "concluded")?;
            let held = Output::optional(opened, "opened")?;
            let (peer, blob) = (node_of(node_id, "node_id")?, args::bytes(blob, "blob")?);
            let found =
                handle::with_backup(backup.bits, |backup| backup.retrieval(now_ms, peer, blob))?;
            output.set(c_concluded(&found));
            held.set_with(|| found.opened.map_or(std::ptr::null_mut(), owned_opened));
            Ok(())
        })
    }
}

fn c_concluded(found: &Concluded) -> lnkeep_concluded {
    lnkeep_concluded {
        size: 0,
        state: u32::from(found.peer.state.number()),
        action: u32::from(found.action.number()),
        failure: found.failure.as_ref().map_or(0, |error| error.status().number()),
        reserved: 0,
    }
}

/// A peer began channel_reestablish: if it did not return a blob by now, it has none (BOLT 1).
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: now_ms, the host's time; node_id, 33 bytes.
/// Out: concluded, start with LNKEEP_CONCLUDED_INIT.
/// Durable: that state was lost, and that a peer holds what cannot be read, when it returns, unless
///   concluded.failure says otherwise; other conclusions at most once per resend interval and peer, else with
///   a later tick.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_reestablish_begun(
    backup: lnkeep_backup,
    now_ms: u64,
    node_id: *const u8,
    concluded: *mut lnkeep_concluded,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::new(concluded, "concluded")?;
            let peer = node_of(node_id, "node_id")?;
            let found =
                handle::with_backup(backup.bits, |backup| backup.reestablish_begun(now_ms, peer))?;
            output.set(c_concluded(&found));
            Ok(())
        })
    }
}

/// A channel with this peer became usable: its copy is written anew at the next tick.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: node_id, 33 bytes.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_channel_ready(
    backup: lnkeep_backup,
    node_id: *const u8,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let peer = node_of(node_id, "node_id")?;
            handle::with_backup(backup.bits, |backup| backup.channel_ready(peer))
        })
    }
}

/// Seals the payload for a peer. When this returns, the blob's number is durable: hand the blob to the
/// connection at once (lnkeep_wire_encode), for it is not kept.
///
/// Returns: LNKEEP_DONE; nothing was changed by LNKEEP_STATE_LOSS, LNKEEP_PEER_UNAVAILABLE, LNKEEP_HOLD,
///   LNKEEP_UNREADABLE, LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_IO without random numbers; LNKEEP_NO_PAYLOAD,
///   also for a peer that keeps nothing of this payload; LNKEEP_TOO_FEW_PEERS, err.value how many are needed;
///   LNKEEP_CONFLICT while the peer holds what nothing newer replaces yet: ticks say when it may be sent to;
///   LNKEEP_TOO_BIG when the numbers are used up;
///   LNKEEP_UNKNOWN: do not send, reopen; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_POISONED.
/// In: now_ms, the host's time, Unix milliseconds, which the envelope tells; node_id, 33 bytes;
///   block_height, of the best block.
/// Out: blob, of exactly the size class; seq, NULL if not wanted, its sequence number.
/// Durable: the number and what it was used for, when it returns.
/// Threads: any.
/// Ownership: free blob with lnkeep_buf_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_seal(
    backup: lnkeep_backup,
    now_ms: u64,
    node_id: *const u8,
    block_height: u32,
    blob: *mut *mut lnkeep_buf,
    seq: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(blob, "blob")?;
            let number = Output::optional(seq, "seq")?;
            let peer = node_of(node_id, "node_id")?;
            let sealed =
                handle::with_backup(backup.bits, |backup| backup.seal(now_ms, peer, block_height))?;
            number.set(sealed.seq);
            output.set(owned_buf(sealed.blob));
            Ok(())
        })
    }
}

/// The operator has seen that state was lost, or that peers hold what we cannot read, and lets us go on:
/// sending is no longer refused, and those peers' blobs may be overwritten. Numbers go on far above any that
/// was seen.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY when there was nothing to acknowledge; LNKEEP_NO_SPACE,
///   LNKEEP_BUSY: nothing was changed; LNKEEP_UNKNOWN, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
///   LNKEEP_CLOSED, LNKEEP_POISONED.
/// Durable: when it returns.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_acknowledge(
    backup: lnkeep_backup,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let was_needed = handle::with_backup(backup.bits, |backup| backup.acknowledge())?;
            Ok(if was_needed { LNKEEP_DONE } else { LNKEEP_ALREADY })
        })
    }
}

/// Forgets a peer that is not connected and was never sent anything: a stranger. What it holds may be
/// overwritten when it comes back.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY when nothing was known of it; LNKEEP_CONFLICT when it is connected,
///   or was sent a blob, which it may return: nothing was changed; LNKEEP_BUSY, LNKEEP_NO_SPACE,
///   LNKEEP_UNKNOWN, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: node_id, 33 bytes.
/// Durable: when it returns.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_backup_forget(
    backup: lnkeep_backup,
    node_id: *const u8,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let peer = node_of(node_id, "node_id")?;
            let was_known = handle::with_backup(backup.bits, |backup| backup.forget(peer))?;
            Ok(if was_known { LNKEEP_DONE } else { LNKEEP_ALREADY })
        })
    }
}
