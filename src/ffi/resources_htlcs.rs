//! Resources: deciding about HTLCs, ending them, and what happened without us.

use super::args::{self, Output, SizedOutput, invalid};
use super::guard::{guarded, guarded_done};
use super::handle;
use super::status::{
    LNKEEP_ALREADY, LNKEEP_BATCH, LNKEEP_DONE, LNKEEP_RESOLVED_BEFORE_ADDED, lnkeep_status,
};
use super::types::*;
use crate::error::{Class, Error, Result, Status};
use crate::limits::BATCH_OPS_MAX;
use crate::resources::{
    Ack, AddRequest, Decision, Explanation, Facts, ForwardRow, LiveHtlc, Resolution,
    ResolveRequest, Resources, Upgrade,
};
use crate::types::ShortChannelId;

/// Decides about HTLCs, in order, and takes what they use. To fail one is a verdict and no error. A repeat of
/// an HTLC that is pending answers what was decided then.
///
/// Each decision has a status of its own: LNKEEP_DONE; LNKEEP_ALREADY for a repeat;
///   LNKEEP_INVALID_ARGUMENT for a time after the year 9999;
///   LNKEEP_OUTGOING_EXCEEDS_INCOMING; LNKEEP_EXPIRY_NOT_AFTER_HEIGHT; LNKEEP_UNKNOWN_CHANNEL,
///   LNKEEP_CHANNEL_CLOSING, the channel in value; LNKEEP_DUPLICATE_HTLC when the id is pending with other
///   content; LNKEEP_SLOT_ASSIGNMENT in compat mode; LNKEEP_BUSY when the journal waits for the disk;
///   LNKEEP_NOT_DURABLE with LNKEEP_RESOURCES_DURABLE: decided as the rest says, repeat it.
///
/// Returns: with one request its status, LNKEEP_DONE or LNKEEP_ALREADY or the reason in err; with several
///   LNKEEP_DONE if each is DONE or ALREADY, else LNKEEP_BATCH: read them. LNKEEP_TOO_BIG above 1,024;
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE: none was decided. LNKEEP_CLOSED, LNKEEP_POISONED: the
///   decisions whose status says so were not made.
/// In: requests; requests_len; flags, LNKEEP_RESOURCES_DURABLE, LNKEEP_RESOURCES_DRY_RUN or 0.
/// Out: decisions, requests_len of them, written whenever the arguments are valid; grounds, as many, NULL if
///   not wanted: what the decisions were made from, at some cost.
/// Durable: with LNKEEP_RESOURCES_DURABLE; else written soon after, and a crash may lose the last of them:
///   see lnkeep_resources_reconcile.
/// Threads: any; without LNKEEP_RESOURCES_DURABLE it never waits for the disk.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_add(
    resources: lnkeep_resources,
    requests: *const lnkeep_htlc_request,
    requests_len: usize,
    flags: u32,
    decisions: *mut lnkeep_decision,
    grounds: *mut lnkeep_grounds,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let given = args::inputs(requests, requests_len, "requests")?;
            args::flags(flags, LNKEEP_RESOURCES_DURABLE | LNKEEP_RESOURCES_DRY_RUN, "flags")?;
            let outputs = Outputs::new(decisions, given.len(), "decisions")?;
            let grounds = match grounds.is_null() {
                true => None,
                false => Some(Outputs::new(grounds, given.len(), "grounds")?),
            };
            // Checked first and converted again, so that no call allocates.
            given.iter().try_for_each(|one| add_request(one).map(drop))?;
            handle::with_resources(resources.bits, |resources| {
                let mut outcome = Outcomes::default();
                for (index, one) in given.iter().enumerate() {
                    let request = add_request(one)?;
                    let decided = outcome.go_on(|| {
                        let decided = decide(resources, &request, flags, grounds.is_some());
                        let already = decided.as_ref().map(|(decision, _)| decision.already);
                        (already.map_err(Error::clone), decided)
                    });
                    outputs.set(index, c_decision(&decided));
                    if let Some(grounds) = &grounds {
                        grounds.set(index, c_grounds(&decided));
                    }
                }
                if let Some(error) = not_durable(resources, flags, &mut outcome) {
                    for index in 0..given.len() {
                        outputs.change(index, |decision| {
                            decision.status = doubted(decision.status, &error);
                        });
                    }
                }
                outcome.answer(given.len())
            })
        })
    }
}

/// Why what was asked to be durable is not.
fn not_durable(resources: &Resources, flags: u32, outcome: &mut Outcomes) -> Option<Error> {
    if flags != LNKEEP_RESOURCES_DURABLE || outcome.applied == 0 {
        return None;
    }
    let error = resources.sync().err()?;
    outcome.note(Err(error.clone()));
    Some(error)
}

type Decided = Result<(Decision, Option<Facts>)>;

fn decide(resources: &Resources, request: &AddRequest, flags: u32, explains: bool) -> Decided {
    let explained = |found: Explanation| (found.decision, explains.then_some(found.facts));
    if flags & LNKEEP_RESOURCES_DRY_RUN != 0 {
        return resources.dry_run(request).map(explained);
    }
    match explains {
        true => resources.add_explained(request, Ack::Memory).map(explained),
        false => resources.add(request, Ack::Memory).map(|decision| (decision, None)),
    }
}

/// The status of an item that was applied in memory and could not be made durable.
fn doubted(status: i32, error: &Error) -> i32 {
    let is_applied = status >= 0 || status == LNKEEP_RESOLVED_BEFORE_ADDED;
    if is_applied { error.status().number() } else { status }
}

const NO_DECISION: lnkeep_decision = lnkeep_decision {
    status: 0,
    verdict: 0,
    reason: 0,
    bucket: 0,
    flags: 0,
    reserved: 0,
    value: 0,
};

/// An array of the caller's that is written element by element.
struct Outputs<T>(*mut T);

impl<T: Copy> Outputs<T> {
    /// # Safety
    /// A pointer that is not NULL and is aligned points to `len` writable `T` for the whole call.
    unsafe fn new(pointer: *mut T, len: usize, name: &str) -> Result<Outputs<T>> {
        if len > BATCH_OPS_MAX {
            let fact = format!("{len} requests; one call takes at most {BATCH_OPS_MAX}");
            return Err(Error::new(Status::TooBig, fact));
        }
        if len != 0 {
            // SAFETY: promised by the caller.
            unsafe { Output::required(pointer, name) }?;
        }
        Ok(Outputs(pointer))
    }

    /// Only with an index below the length that it was made with.
    fn set(&self, index: usize, value: T) {
        // SAFETY: as far as promised at construction.
        unsafe { self.0.add(index).write(value) }
    }

    /// As [`Outputs::set`], after it.
    fn change(&self, index: usize, change: impl FnOnce(&mut T)) {
        // SAFETY: as far as promised at construction, and written before.
        change(unsafe { &mut *self.0.add(index) });
    }
}

/// What becomes of a call from what became of its items.
#[derive(Default)]
struct Outcomes {
    applied: usize,
    already: usize,
    refused: Option<Error>,
    /// The resources ended in the middle: what follows is not tried.
    ended: Option<Error>,
}

impl Outcomes {
    /// Does the next item, unless the resources have ended.
    fn go_on<T>(&mut self, run: impl FnOnce() -> (Result<bool>, Result<T>)) -> Result<T> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let (noted, answer) = run();
        self.note(noted);
        answer
    }

    fn note(&mut self, item: Result<bool>) {
        match item {
            Ok(already) => {
                self.applied += 1;
                self.already += usize::from(already);
            }
            Err(error) if error.class() == Class::Fatal || error.status() == Status::Closed => {
                self.ended = Some(error);
            }
            Err(error) => {
                self.applied += usize::from(error.status() == Status::ResolvedBeforeAdded);
                let worse = |known: &Error| known.class().severity() < error.class().severity();
                if self.refused.as_ref().is_none_or(worse) {
                    self.refused = Some(error);
                }
            }
        }
    }

    fn answer(self, items: usize) -> Result<lnkeep_status> {
        if let Some(ended) = self.ended {
            return Err(ended);
        }
        match self.refused {
            Some(error) if items == 1 => Err(error),
            Some(error) => {
                debug_assert_eq!(LNKEEP_BATCH, Status::Batch.number());
                let fact = format!("not every request was answered DONE: {error}; read them");
                Err(Error::new(Status::Batch, fact))
            }
            None if items == 1 && self.already == 1 => Ok(LNKEEP_ALREADY),
            None => Ok(LNKEEP_DONE),
        }
    }
}

fn add_request(given: &lnkeep_htlc_request) -> Result<AddRequest> {
    let known = LNKEEP_HTLC_ACCOUNTABLE
        | LNKEEP_HTLC_HAS_POLICY_FEE
        | LNKEEP_HTLC_UPGRADE_PRESENT
        | LNKEEP_HTLC_UPGRADE_ABSENT;
    args::flags(given.flags, known, "request.flags")?;
    args::reserved(given.reserved, "request.reserved")?;
    let has = |flag: u32| given.flags & flag != 0;
    let has_policy_fee = has(LNKEEP_HTLC_HAS_POLICY_FEE);
    if !has_policy_fee && given.policy_fee_msat != 0 {
        return Err(invalid("request.policy_fee_msat is set without its flag"));
    }
    let upgrade = match (has(LNKEEP_HTLC_UPGRADE_PRESENT), has(LNKEEP_HTLC_UPGRADE_ABSENT)) {
        (false, false) => Upgrade::Unknown,
        (true, false) => Upgrade::Present,
        (false, true) => Upgrade::Absent,
        (true, true) => {
            return Err(invalid("request.flags say that the upgrade is present and absent"));
        }
    };
    Ok(AddRequest {
        incoming: ShortChannelId(given.incoming),
        outgoing: ShortChannelId(given.outgoing),
        htlc_id: given.htlc_id,
        incoming_amount_msat: given.incoming_amount_msat,
        outgoing_amount_msat: given.outgoing_amount_msat,
        incoming_cltv_expiry: given.incoming_cltv_expiry,
        block_height: given.block_height,
        incoming_accountable: has(LNKEEP_HTLC_ACCOUNTABLE),
        upgrade,
        policy_fee_msat: has_policy_fee.then_some(given.policy_fee_msat),
        unix_secs: given.unix_secs,
    })
}

fn c_decision(decided: &Decided) -> lnkeep_decision {
    let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
    match decided {
        Ok((decision, _)) => lnkeep_decision {
            status: if decision.already { LNKEEP_ALREADY } else { LNKEEP_DONE },
            verdict: decision.verdict as u32,
            reason: decision.reason as u32,
            bucket: decision.bucket as u32,
            flags: flag(decision.outgoing_accountable, LNKEEP_DECISION_ACCOUNTABLE)
                | flag(decision.would_fail, LNKEEP_DECISION_WOULD_FAIL),
            reserved: 0,
            value: 0,
        },
        Err(error) => lnkeep_decision {
            status: error.status().number(),
            value: error.value().unwrap_or(0),
            ..NO_DECISION
        },
    }
}

fn c_grounds(decided: &Decided) -> lnkeep_grounds {
    let Ok((_, Some(facts))) = decided else {
        return lnkeep_grounds::default();
    };
    let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
    lnkeep_grounds {
        fee_msat: facts.fee_msat,
        charged_fee_msat: facts.charged_fee_msat,
        htlc_risk_msat: facts.htlc_risk_msat,
        outgoing_reputation_msat: facts.outgoing_reputation_msat,
        outgoing_in_flight_risk_msat: facts.outgoing_in_flight_risk_msat,
        incoming_revenue_msat: facts.incoming_revenue_msat,
        general_slots_needed: facts.general_slots_needed,
        congestion_used_msat: facts.congestion.msat,
        congestion_liquidity_msat: facts.congestion_liquidity_msat,
        protected_used_msat: facts.protected.msat,
        protected_liquidity_msat: facts.protected_liquidity_msat,
        pair_slots_free: facts.pair_slots_free,
        general_slots_used: facts.general_slots_used,
        general_slots: facts.general_slots,
        congestion_slots_used: facts.congestion.slots,
        congestion_slots: facts.congestion_slots,
        protected_slots_used: facts.protected.slots,
        protected_slots: facts.protected_slots,
        flags: flag(facts.has_reputation, LNKEEP_GROUNDS_HAS_REPUTATION)
            | flag(facts.outgoing_uses_congestion, LNKEEP_GROUNDS_OUTGOING_IN_CONGESTION),
    }
}

/// Ends HTLCs, in order: releases what they took, and lets them count for the outgoing channel's reputation
/// and the incoming one's revenue.
///
/// Each resolution has a status of its own: LNKEEP_DONE; LNKEEP_ALREADY for a repeat of one of the last 16 of
///   its incoming channel; LNKEEP_UNKNOWN_CHANNEL, LNKEEP_UNKNOWN_HTLC: there is nothing to release;
///   LNKEEP_RESOLVED_BEFORE_ADDED in compat mode: released, and it counts for nothing; LNKEEP_BUSY: nothing
///   was done; LNKEEP_NOT_DURABLE with LNKEEP_RESOURCES_DURABLE: done, repeat it.
///
/// Returns: with one request its status; with several LNKEEP_DONE if each is DONE or ALREADY, else
///   LNKEEP_BATCH: read them. LNKEEP_TOO_BIG above 1,024; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE: none
///   was resolved. LNKEEP_CLOSED, LNKEEP_POISONED: the HTLCs whose status says so were not.
/// In: requests; requests_len; flags, LNKEEP_RESOURCES_DURABLE or 0.
/// Out: resolutions, requests_len of them, written whenever the arguments are valid.
/// Durable: with LNKEEP_RESOURCES_DURABLE; else written soon after.
/// Threads: any; without LNKEEP_RESOURCES_DURABLE it never waits for the disk.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_resolve(
    resources: lnkeep_resources,
    requests: *const lnkeep_resolve_request,
    requests_len: usize,
    flags: u32,
    resolutions: *mut lnkeep_resolution,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded(err, || {
            let given = args::inputs(requests, requests_len, "requests")?;
            args::flags(flags, LNKEEP_RESOURCES_DURABLE, "flags")?;
            let outputs = Outputs::new(resolutions, given.len(), "resolutions")?;
            given.iter().try_for_each(|one| resolve_request(one).map(drop))?;
            handle::with_resources(resources.bits, |resources| {
                let mut outcome = Outcomes::default();
                for (index, one) in given.iter().enumerate() {
                    let request = resolve_request(one)?;
                    let resolved = outcome.go_on(|| {
                        let resolved = resources.resolve(&request, Ack::Memory);
                        let already = resolved.as_ref().map(|resolved| resolved.already);
                        (already.map_err(Error::clone), resolved)
                    });
                    outputs.set(index, c_resolution(&resolved));
                }
                if let Some(error) = not_durable(resources, flags, &mut outcome) {
                    for index in 0..given.len() {
                        outputs.change(index, |resolution| {
                            resolution.status = doubted(resolution.status, &error);
                        });
                    }
                }
                outcome.answer(given.len())
            })
        })
    }
}

fn resolve_request(given: &lnkeep_resolve_request) -> Result<ResolveRequest> {
    args::flags(given.flags, LNKEEP_RESOLVE_SETTLED, "request.flags")?;
    args::reserved(given.reserved, "request.reserved")?;
    Ok(ResolveRequest {
        incoming: ShortChannelId(given.incoming),
        outgoing: ShortChannelId(given.outgoing),
        htlc_id: given.htlc_id,
        settled: given.flags & LNKEEP_RESOLVE_SETTLED != 0,
        unix_secs: given.unix_secs,
    })
}

fn c_resolution(resolved: &Result<Resolution>) -> lnkeep_resolution {
    match resolved {
        Ok(resolution) => lnkeep_resolution {
            status: if resolution.already { LNKEEP_ALREADY } else { LNKEEP_DONE },
            reserved: 0,
            effective_fee_msat: resolution.effective_fee_msat,
            value: 0,
        },
        Err(error) => lnkeep_resolution {
            status: error.status().number(),
            reserved: 0,
            effective_fee_msat: 0,
            value: error.value().unwrap_or(0),
        },
    }
}

/// Compares what was pending before this open with the HTLCs that the node has: releases those that it has no
/// more, with no effect on any reputation, and tracks those that are not known. Decides nothing. To be called
/// after every open, before forwarding, with all HTLCs that were forwarded and are not resolved.
///
/// Returns: LNKEEP_DONE; LNKEEP_DUPLICATE_ID, LNKEEP_OUTGOING_EXCEEDS_INCOMING: nothing was done;
///   LNKEEP_NOT_DURABLE: it holds in memory, repeat it; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: live; live_len, of any length.
/// Out: report, NULL if not wanted, else start with LNKEEP_RECONCILED_INIT.
/// Durable: when it returns LNKEEP_DONE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_reconcile(
    resources: lnkeep_resources,
    live: *const lnkeep_live_htlc,
    live_len: usize,
    report: *mut lnkeep_reconciled,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let given = args::inputs(live, live_len, "live")?;
            let output = SizedOutput::optional(report, "report")?;
            let live = given.iter().map(live_htlc).collect::<Result<Vec<_>>>()?;
            let done =
                handle::with_resources(resources.bits, |resources| resources.reconcile(&live))?;
            if let Some(output) = output {
                output.set(lnkeep_reconciled {
                    size: std::mem::size_of::<lnkeep_reconciled>(),
                    kept: done.kept,
                    dropped: done.dropped,
                    added: done.added,
                    unknown_channel: done.unknown_channel,
                    different: done.different,
                });
            }
            Ok(())
        })
    }
}

fn live_htlc(given: &lnkeep_live_htlc) -> Result<LiveHtlc> {
    args::flags(given.flags, LNKEEP_HTLC_ACCOUNTABLE, "live.flags")?;
    args::reserved(given.reserved, "live.reserved")?;
    Ok(LiveHtlc {
        incoming: ShortChannelId(given.incoming),
        outgoing: ShortChannelId(given.outgoing),
        htlc_id: given.htlc_id,
        incoming_amount_msat: given.incoming_amount_msat,
        outgoing_amount_msat: given.outgoing_amount_msat,
        incoming_cltv_expiry: given.incoming_cltv_expiry,
        block_height: given.block_height,
        outgoing_accountable: given.flags & LNKEEP_HTLC_ACCOUNTABLE != 0,
        added_unix_secs: given.added_unix_secs,
    })
}

/// Takes forwards of the past, in any order, into the averages of the channels that are known, so that a node
/// does not start without any reputation. Each average takes a history once.
///
/// Returns: LNKEEP_DONE; LNKEEP_NOT_DURABLE: it holds in memory, repeat it;
///   LNKEEP_UNKNOWN_CHANNEL: another thread removed one meanwhile, repeat it;
///   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
/// In: rows; rows_len, of any length: all that there are, in one call.
/// Out: report, NULL if not wanted, else start with LNKEEP_IMPORTED_INIT.
/// Durable: when it returns LNKEEP_DONE.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_resources_import_history(
    resources: lnkeep_resources,
    rows: *const lnkeep_forward_row,
    rows_len: usize,
    report: *mut lnkeep_imported,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let given = args::inputs(rows, rows_len, "rows")?;
            let output = SizedOutput::optional(report, "report")?;
            let rows: Vec<_> = given.iter().map(forward_row).collect();
            let done = handle::with_resources(resources.bits, |resources| {
                resources.import_history(&rows)
            })?;
            if let Some(output) = output {
                output.set(lnkeep_imported {
                    size: std::mem::size_of::<lnkeep_imported>(),
                    channels: done.channels,
                    channels_before: done.channels_before,
                    rows: done.rows,
                    rows_passed_over: done.rows_passed_over,
                });
            }
            Ok(())
        })
    }
}

fn forward_row(given: &lnkeep_forward_row) -> ForwardRow {
    ForwardRow {
        incoming: ShortChannelId(given.incoming),
        outgoing: ShortChannelId(given.outgoing),
        fee_msat: given.fee_msat,
        added_unix_secs: given.added_unix_secs,
        settled_unix_secs: given.settled_unix_secs,
    }
}
