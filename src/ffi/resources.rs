//! Resources: open, close, and channels.

use std::ffi::c_int;

use super::args::{self, Output, SizedOutput, invalid};
use super::guard::{guarded, guarded_done};
use super::handle::{self, Object, Tag};
use super::status::{LNKEEP_ALREADY, LNKEEP_DONE, lnkeep_status};
use super::types::*;
use crate::error::Result;
use crate::resources::{
    Allocation, ChannelLimits, Mode, Removal, Resources, ResourcesOptions, ResourcesReport,
    Settings,
};
use crate::types::ShortChannelId;

/// Opens the resources of a store: loads every channel and every pending HTLC as they were. While they are
/// open, opening again with equal options gives another handle on the same.
///
/// Returns: LNKEEP_DONE; LNKEEP_WRONG_MODE when the store has the other mode and LNKEEP_RESOURCES_CONVERT is
///   not set; LNKEEP_CHANNEL_LIMITS when a channel cannot be divided by new settings: nothing was changed;
///   LNKEEP_ALREADY_OPEN with other options; LNKEEP_CORRUPT_RECORD when the settings cannot be read;
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_NO_SPACE,
///   LNKEEP_BUSY, LNKEEP_IO, LNKEEP_POISONED. A damaged channel is no error: report counts it.
/// In: options, NULL for the safe defaults.
/// Out: resources, the handle; report, NULL if not wanted, else start with LNKEEP_RESOURCES_REPORT_INIT.
/// Threads: any.
/// Ownership: close the handle with lnkeep_resources_close.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_open(
    store: lnkeep_store,
    options: *const lnkeep_resources_options,
    resources: *mut lnkeep_resources,
    report: *mut lnkeep_resources_report,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(resources, "resources")?;
            output.set(lnkeep_resources { bits: 0 });
            let report = SizedOutput::optional(report, "report")?;
            let given = args::sized(options, "options")?;
            let options = resources_options(&given)?;
            let opened =
                handle::with_store(store.bits, |object| Resources::open(&object.store, options))?;
            let found = c_report(opened.report());
            output.set(lnkeep_resources { bits: handle::open(Object::Resources(opened))? });
            if let Some(report) = report {
                report.set(found);
            }
            Ok(())
        })
    }
}

fn resources_options(given: &lnkeep_resources_options) -> Result<ResourcesOptions> {
    let known = LNKEEP_RESOURCES_COMPAT
        | LNKEEP_RESOURCES_CONVERT
        | LNKEEP_RESOURCES_ONLY_WATCH
        | LNKEEP_RESOURCES_WITHOUT_JOURNAL
        | LNKEEP_RESOURCES_NO_SPILL_OVER
        | LNKEEP_RESOURCES_ZEROS_COUNT
        | LNKEEP_RESOURCES_HAS_ENTROPY;
    args::flags(given.flags, known, "options.flags")?;
    args::reserved(given.reserved, "options.reserved")?;
    let has = |flag: u32| given.flags & flag != 0;
    let default = ResourcesOptions::default();
    let has_entropy = has(LNKEEP_RESOURCES_HAS_ENTROPY);
    if !has_entropy && given.entropy != [0; 32] {
        return Err(invalid("options.entropy is set without its flag"));
    }
    Ok(ResourcesOptions {
        settings: settings(given)?,
        convert: has(LNKEEP_RESOURCES_CONVERT),
        only_watches: has(LNKEEP_RESOURCES_ONLY_WATCH),
        without_journal: has(LNKEEP_RESOURCES_WITHOUT_JOURNAL),
        journal_entries_max: match given.journal_entries_max {
            0 => default.journal_entries_max,
            entries => entries,
        },
        decisions_kept: given.decisions_kept,
        entropy: has_entropy.then_some(given.entropy),
    })
}

fn settings(given: &lnkeep_resources_options) -> Result<Settings> {
    let has = |flag: u32| given.flags & flag != 0;
    let zeros_count = has(LNKEEP_RESOURCES_ZEROS_COUNT);
    let percent = |given: u32, default: u8, name: &str| match given {
        0 if !zeros_count => Ok(default),
        _ => u8::try_from(given).map_err(|_| invalid(format!("options.{name} is {given}"))),
    };
    let default = Settings::default();
    let or = |given: u64, default: u64| if given == 0 { default } else { given };
    let fee = |given: u64, default: u64| if zeros_count { given } else { or(given, default) };
    let default_ppm = u64::from(default.default_fee_ppm);
    let multiplier = u64::from(given.reputation_multiplier);
    Ok(Settings {
        mode: if has(LNKEEP_RESOURCES_COMPAT) { Mode::Compat } else { Mode::Strict },
        general_percent: percent(
            given.general_percent,
            default.general_percent,
            "general_percent",
        )?,
        congestion_percent: percent(
            given.congestion_percent,
            default.congestion_percent,
            "congestion_percent",
        )?,
        resolution_period_secs: or(given.resolution_period_secs, default.resolution_period_secs),
        revenue_window_secs: or(given.revenue_window_secs, default.revenue_window_secs),
        reputation_multiplier: or(multiplier, u64::from(default.reputation_multiplier)) as u32,
        default_fee_base_msat: fee(given.default_fee_base_msat, default.default_fee_base_msat),
        default_fee_ppm: fee(u64::from(given.default_fee_ppm), default_ppm) as u32,
        spills_over: !has(LNKEEP_RESOURCES_NO_SPILL_OVER),
    })
}

fn c_report(report: &ResourcesReport) -> lnkeep_resources_report {
    lnkeep_resources_report {
        size: std::mem::size_of::<lnkeep_resources_report>(),
        channels: report.channels,
        pending: report.pending,
        replayed: report.replayed,
        damaged: report.damaged,
        flags: if report.divided_anew { LNKEEP_RESOURCES_DIVIDED_ANEW } else { 0 },
        reserved: 0,
    }
}

/// Closes a handle on resources; the last one writes what was acknowledged.
///
/// Returns: LNKEEP_DONE; LNKEEP_NO_SPACE, LNKEEP_POISONED: closed, and the last calls acknowledged from
///   memory are lost, as after a crash; LNKEEP_INVALID_ARGUMENT; LNKEEP_BAD_HANDLE when it is not open.
/// In: resources, a pointer to the handle; it is set to LNKEEP_RESOURCES_NONE.
/// Durable: everything acknowledged before, with LNKEEP_DONE.
/// Threads: any, also while other threads are inside calls on it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_close(
    resources: *mut lnkeep_resources,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let copy = Output::required(resources, "resources")?;
            let bits = args::input(resources, "resources")?.bits;
            let closed = handle::close(bits, Tag::Resources, |object| match object {
                Object::Resources(resources) => resources.close(),
                _ => Ok(()),
            });
            if !handle::is_open(bits, Tag::Resources) {
                copy.set(lnkeep_resources { bits: 0 });
            }
            closed
        })
    }
}

/// Whether a handle on resources is open now.
///
/// Returns: 1 or 0; 0 in a forked child.
/// Threads: any; another thread may close it right after.
#[unsafe(no_mangle)]
pub extern "C" fn lnkeep_resources_is_open(resources: lnkeep_resources) -> c_int {
    c_int::from(!crate::os::is_forked_child() && handle::is_open(resources.bits, Tag::Resources))
}

/// # Safety
/// A pointer that is not NULL and is aligned points to readable limits.
unsafe fn limits_of(limits: *const lnkeep_channel_limits) -> Result<ChannelLimits> {
    // SAFETY: promised by the caller.
    let given = unsafe { args::input(limits, "limits") }?;
    args::reserved(given.reserved, "limits.reserved")?;
    // What is above 65,535 is above the bound that the resources name.
    let max_accepted_htlcs = u16::try_from(given.max_accepted_htlcs).unwrap_or(u16::MAX);
    Ok(ChannelLimits { max_in_flight_msat: given.max_in_flight_msat, max_accepted_htlcs })
}

pub(super) fn c_allocation(allocation: &Allocation) -> lnkeep_allocation {
    lnkeep_allocation {
        general_liquidity_msat: allocation.general_liquidity_msat,
        slot_msat: allocation.slot_msat,
        congestion_liquidity_msat: allocation.congestion_liquidity_msat,
        protected_liquidity_msat: allocation.protected_liquidity_msat,
        general_slots: u32::from(allocation.general_slots),
        pair_slots: u32::from(allocation.pair_slots),
        congestion_slots: u32::from(allocation.congestion_slots),
        protected_slots: u32::from(allocation.protected_slots),
    }
}

/// Lets a channel take part, in both directions.
///
/// Returns: LNKEEP_DONE; LNKEEP_ALREADY when it is known with these limits; LNKEEP_CHANNEL_LIMITS, the
///   bound in err.value; LNKEEP_DUPLICATE_CHANNEL when it is known with other limits
///   (lnkeep_resources_resize_channel) or closing; LNKEEP_BUSY; LNKEEP_NOT_DURABLE: known in memory, repeat
///   it; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: channel, its short channel id or the host's own number; limits; unix_secs, the time of now.
/// Out: allocation, NULL if not wanted.
/// Durable: when it returns LNKEEP_DONE or LNKEEP_ALREADY.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_add_channel(
    resources: lnkeep_resources,
    channel: u64,
    limits: *const lnkeep_channel_limits,
    unix_secs: u64,
    allocation: *mut lnkeep_allocation,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let output = Output::optional(allocation, "allocation")?;
            let (channel, limits) = (ShortChannelId(channel), limits_of(limits)?);
            let (made, was_known) = handle::with_resources(resources.bits, |resources| {
                resources.add_channel(channel, limits, unix_secs)
            })?;
            output.set(c_allocation(&made));
            Ok(if was_known { LNKEEP_ALREADY } else { LNKEEP_DONE })
        })
    }
}

/// Gives a channel other limits, as a splice does. No HTLC is evicted: a bucket that became smaller takes new
/// ones when old ones have left.
///
/// Returns: LNKEEP_DONE, also when it has these limits; LNKEEP_CHANNEL_LIMITS, the bound in err.value;
///   LNKEEP_UNKNOWN_CHANNEL, LNKEEP_CHANNEL_CLOSING; LNKEEP_BUSY; LNKEEP_NOT_DURABLE: it holds in memory,
///   repeat it; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: channel; limits.
/// Out: allocation, NULL if not wanted.
/// Durable: when it returns LNKEEP_DONE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_resize_channel(
    resources: lnkeep_resources,
    channel: u64,
    limits: *const lnkeep_channel_limits,
    allocation: *mut lnkeep_allocation,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(allocation, "allocation")?;
            let (channel, limits) = (ShortChannelId(channel), limits_of(limits)?);
            let made = handle::with_resources(resources.bits, |resources| {
                resources.resize_channel(channel, limits)
            })?;
            output.set(c_allocation(&made));
            Ok(())
        })
    }
}

/// Forgets a channel with its reputation and revenue, at once or when its last HTLC resolves.
///
/// Returns: LNKEEP_DONE; LNKEEP_UNKNOWN_CHANNEL; LNKEEP_BUSY; LNKEEP_NOT_DURABLE: it holds in memory,
///   repeat it; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// Out: removal, LNKEEP_RESOURCES_REMOVED or LNKEEP_RESOURCES_CLOSING; NULL if not wanted.
/// Durable: when it returns LNKEEP_DONE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_remove_channel(
    resources: lnkeep_resources,
    channel: u64,
    removal: *mut u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::optional(removal, "removal")?;
            let removed = handle::with_resources(resources.bits, |resources| {
                resources.remove_channel(ShortChannelId(channel))
            })?;
            output.set(match removed {
                Removal::Removed => LNKEEP_RESOURCES_REMOVED,
                Removal::Closing => LNKEEP_RESOURCES_CLOSING,
            });
            Ok(())
        })
    }
}
