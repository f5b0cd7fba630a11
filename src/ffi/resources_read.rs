//! Resources: reading what is known.

use super::args::{self, Output, SizedOutput};
use super::guard::guarded_done;
use super::handle;
use super::monitors_read::owned_buf;
use super::resources::c_allocation;
use super::status::lnkeep_status;
use super::types::*;
use crate::resources::{ChannelView, PairView, PendingView};
use crate::types::ShortChannelId;

fn c_channel(view: &ChannelView) -> lnkeep_resources_channel {
    lnkeep_resources_channel {
        channel: view.channel.0,
        limits: lnkeep_channel_limits {
            max_in_flight_msat: view.limits.max_in_flight_msat,
            max_accepted_htlcs: u32::from(view.limits.max_accepted_htlcs),
            reserved: 0,
        },
        allocation: c_allocation(&view.allocation),
        reputation_msat: view.reputation_msat,
        reputation_updated_unix_secs: view.reputation_updated_unix_secs,
        reputation_now_msat: view.reputation_now_msat,
        revenue_total_msat: view.revenue_total_msat,
        revenue_updated_unix_secs: view.revenue_updated_unix_secs,
        revenue_start_unix_secs: view.revenue_start_unix_secs,
        revenue_now_msat: view.revenue_now_msat,
        in_flight_risk_msat: view.in_flight_risk_msat,
        congestion_used_msat: view.congestion.msat,
        protected_used_msat: view.protected.msat,
        congestion_slots_used: view.congestion.slots,
        protected_slots_used: view.protected.slots,
        general_slots_used: view.general_slots_used,
        pending_outgoing: view.pending_outgoing,
        pending_incoming: view.pending_incoming,
        outgoing_in_congestion: view.outgoing_in_congestion,
        flags: if view.is_closing { LNKEEP_RESOURCES_IS_CLOSING } else { 0 },
        reserved: 0,
    }
}

fn c_pair(incoming: ShortChannelId, pair: &PairView) -> lnkeep_resources_pair {
    let mut slots = [0; 25];
    for (to, from) in slots.iter_mut().zip(&pair.assigned) {
        *to = *from;
    }
    let is_used = |(_, slot): &(usize, &u16)| pair.used.contains(slot);
    let used = pair.assigned.iter().enumerate().filter(is_used).map(|(bit, _)| 1 << bit).sum();
    lnkeep_resources_pair {
        incoming: incoming.0,
        outgoing: pair.outgoing.0,
        slots,
        slots_len: pair.assigned.len().min(slots.len()) as u16,
        used,
    }
}

fn c_pending(view: &PendingView) -> lnkeep_pending_htlc {
    let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
    lnkeep_pending_htlc {
        incoming: view.incoming.0,
        outgoing: view.outgoing.0,
        htlc_id: view.htlc_id,
        incoming_amount_msat: view.incoming_amount_msat,
        fee_msat: view.fee_msat,
        added_unix_secs: view.added_unix_secs,
        risk_msat: view.risk_msat,
        bucket: view.bucket as u32,
        general_slots: u32::from(view.general_slots),
        flags: flag(view.outgoing_accountable, LNKEEP_PENDING_ACCOUNTABLE)
            | flag(view.would_fail, LNKEEP_PENDING_WOULD_FAIL),
        reserved: 0,
    }
}

/// One channel, with its averages as of a time.
///
/// Returns: LNKEEP_DONE; LNKEEP_UNKNOWN_CHANNEL; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
///   LNKEEP_POISONED.
/// In: channel; unix_secs, the time that *_now_msat are asked for.
/// Out: found.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_lookup(
    resources: lnkeep_resources,
    channel: u64,
    unix_secs: u64,
    found: *mut lnkeep_resources_channel,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(found, "found")?;
            let view = handle::with_resources(resources.bits, |resources| {
                resources.channel(ShortChannelId(channel), unix_secs)
            })?;
            output.set(c_channel(&view));
            Ok(())
        })
    }
}

/// A snapshot handed to C with the memory its pointers lead to; the structure comes first.
#[repr(C)]
struct OwnedSnapshot {
    face: lnkeep_resources_snapshot,
    channels: Vec<lnkeep_resources_channel>,
    pending: Vec<lnkeep_pending_htlc>,
    pairs: Vec<lnkeep_resources_pair>,
    marks: Vec<lnkeep_resources_mark>,
}

/// Everything that the resources know, with averages as of a time. Each channel is consistent in itself;
/// calls go on meanwhile.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: unix_secs, the time that *_now_msat are asked for.
/// Out: snapshot.
/// Threads: any.
/// Ownership: free it with lnkeep_resources_snapshot_free; its arrays live as long as it does.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_take_snapshot(
    resources: lnkeep_resources,
    unix_secs: u64,
    snapshot: *mut *mut lnkeep_resources_snapshot,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(snapshot, "snapshot")?;
            let (channels, pending) = handle::with_resources(resources.bits, |resources| {
                Ok((resources.channels(unix_secs)?, resources.pending()?))
            })?;
            output.set(owned_snapshot(&channels, &pending));
            Ok(())
        })
    }
}

fn owned_snapshot(
    views: &[ChannelView],
    pending: &[PendingView],
) -> *mut lnkeep_resources_snapshot {
    let channels: Vec<_> = views.iter().map(c_channel).collect();
    let mut pending: Vec<_> = pending.iter().map(c_pending).collect();
    pending.sort_unstable_by_key(|htlc| (htlc.incoming, htlc.outgoing, htlc.htlc_id));
    let pairs_of = |view: &ChannelView| {
        let pairs = view.pairs.iter().map(|pair| c_pair(view.channel, pair));
        pairs.collect::<Vec<_>>()
    };
    let pairs: Vec<_> = views.iter().flat_map(pairs_of).collect();
    let marks_of = |view: &ChannelView| {
        let mark = |(outgoing, at): &(ShortChannelId, u64)| lnkeep_resources_mark {
            incoming: view.channel.0,
            outgoing: outgoing.0,
            misused_unix_secs: *at,
        };
        view.misuse.iter().map(mark).collect::<Vec<_>>()
    };
    let marks: Vec<_> = views.iter().flat_map(marks_of).collect();
    let face = lnkeep_resources_snapshot {
        size: std::mem::size_of::<lnkeep_resources_snapshot>(),
        channel_stride: std::mem::size_of::<lnkeep_resources_channel>(),
        pending_stride: std::mem::size_of::<lnkeep_pending_htlc>(),
        pair_stride: std::mem::size_of::<lnkeep_resources_pair>(),
        mark_stride: std::mem::size_of::<lnkeep_resources_mark>(),
        channels: args::first(&channels),
        channels_len: channels.len(),
        pending: args::first(&pending),
        pending_len: pending.len(),
        pairs: args::first(&pairs),
        pairs_len: pairs.len(),
        marks: args::first(&marks),
        marks_len: marks.len(),
    };
    let owned = OwnedSnapshot { face, channels, pending, pairs, marks };
    debug_assert_eq!(owned.face.channels_len, owned.channels.len());
    debug_assert_eq!(owned.face.pending_len, owned.pending.len());
    debug_assert_eq!(owned.face.pairs_len, owned.pairs.len());
    debug_assert_eq!(owned.face.marks_len, owned.marks.len());
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees what lnkeep_resources_take_snapshot gave. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_snapshot_free(snapshot: *mut lnkeep_resources_snapshot) {
    if !snapshot.is_null() {
        // SAFETY: made by `owned_snapshot` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(snapshot.cast::<OwnedSnapshot>()) });
    }
}

/// The kept decisions after a number with their grounds, one JSON object per line. Members are named as in
/// lnkeep_htlc_request, lnkeep_decision and lnkeep_grounds; numbers are integers, many above 2^53.
///
/// Returns: LNKEEP_DONE; LNKEEP_WRONG_MODE when options.decisions_kept was 0; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: after, the last number of the call before, 0 to begin; decisions_max, of one call.
/// Out: lines, empty when there is none; last, the number to go on after.
/// Threads: any.
/// Ownership: free lines with lnkeep_buf_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_decisions(
    resources: lnkeep_resources,
    after: u64,
    decisions_max: usize,
    lines: *mut *mut lnkeep_buf,
    last: *mut u64,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(lines, "lines")?;
            let number = Output::required(last, "last")?;
            let (text, newest) = handle::with_resources(resources.bits, |resources| {
                resources.decisions(after, decisions_max)
            })?;
            output.set(owned_buf(text.into_bytes()));
            number.set(newest);
            Ok(())
        })
    }
}

/// Figures since the open.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// Out: stats, whose size the caller set; start with LNKEEP_RESOURCES_STATS_INIT.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_read_stats(
    resources: lnkeep_resources,
    stats: *mut lnkeep_resources_stats,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::new(stats, "stats")?;
            let found = handle::with_resources(resources.bits, |resources| resources.stats())?;
            output.set(lnkeep_resources_stats {
                size: std::mem::size_of::<lnkeep_resources_stats>(),
                forwarded: found.forwarded,
                failed: found.failed,
                would_fail: found.would_fail,
                repeated: found.repeated,
                resolved: found.resolved,
                clock_clamped: found.clock_clamped,
                journal_waiting: found.journal_waiting,
                journal_next: found.journal_next,
                journal_durable_below: found.journal_durable_below,
            });
            Ok(())
        })
    }
}
