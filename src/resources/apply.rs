//! Applies journal entries to channels: the only code that changes them, for live calls and for a recovery.
//!
//! RE2 and RE3 of `entry`. RY1 applying never fails: what an entry speaks of and is not there, because a
//! damaged row took it, is passed over. Pure. Called by `shards` and `load`.

use super::bucket::Bucket;
use super::channel::{BucketKind, Channel, Incoming, Marks, Outgoing, Pending, Resolved};
use super::entry::{Effects, Entry, Looked, Resolve};
use super::rules::{Mode, Settings, is_misuse_recent};
use super::slots::NodeSalt;
use crate::limits::MISUSE_MARKS_KEPT;
use crate::types::ShortChannelId;

/// What every application needs besides the channel.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) settings: &'a Settings,
    pub(super) salt: &'a NodeSalt,
}

/// Applies what an entry says about a channel as the incoming one, or about the channel itself. Additions and
/// removals of channels are the caller's.
pub(super) fn apply_incoming(rules: Rules<'_>, channel: &mut Channel, entry: &Entry, number: u64) {
    let below = number.saturating_add(1);
    match entry {
        Entry::ResizeChannel { limits, .. } => {
            // It was checked when it was journalled; with other settings it may be too small now.
            drop(channel.resize(rules.settings, rules.salt, *limits));
        }
        Entry::RemoveChannel { .. } => channel.is_closing = true,
        Entry::ImportReputation { average, .. } => {
            channel.outgoing.reputation = *average;
            channel.reputation_imported = true;
        }
        Entry::ImportRevenue { revenue, .. } => {
            channel.incoming.revenue = *revenue;
            channel.revenue_imported = true;
        }
        Entry::Parts { htlc_id, parts, .. } => {
            channel.incoming.parts.insert(*htlc_id, *parts);
        }
        Entry::Add { incoming, htlc, looked } => {
            let state = &mut channel.incoming;
            let at = (htlc.outgoing, htlc.added_unix_secs, below);
            look(rules, *incoming, state, at, *looked);
            add(rules, *incoming, state, htlc);
        }
        Entry::Look { incoming, outgoing, unix_secs, looked } => {
            let at = (*outgoing, *unix_secs, below);
            look(rules, *incoming, &mut channel.incoming, at, *looked);
        }
        Entry::Resolve(resolve) => release(rules, &mut channel.incoming, resolve),
        Entry::AddChannel { .. } => {}
    }
}

fn bucket_of<'a>(
    rules: Rules<'a>,
    incoming: ShortChannelId,
    allocation: &'a super::bucket::Allocation,
) -> Bucket<'a> {
    Bucket { mode: rules.settings.mode, salt: rules.salt, incoming, allocation }
}

fn look(
    rules: Rules<'_>,
    id: ShortChannelId,
    incoming: &mut Incoming,
    (outgoing, unix_secs, below): (ShortChannelId, u64, u64),
    looked: Looked,
) {
    if looked.has(Looked::PAIR) {
        let bucket = bucket_of(rules, id, &incoming.allocation);
        incoming.general.list(bucket, outgoing, below);
    }
    if looked.has(Looked::REVENUE) {
        let windows = rules.settings.revenue_windows();
        incoming.revenue.read(rules.settings.mode, windows, unix_secs);
    }
    if looked.has(Looked::OLD_MARK) {
        incoming.misuse.remove(&outgoing);
    }
}

fn add(rules: Rules<'_>, id: ShortChannelId, incoming: &mut Incoming, htlc: &Pending) {
    let amount_msat = htlc.incoming_amount_msat;
    match htlc.marks.bucket() {
        BucketKind::None | BucketKind::General => {}
        BucketKind::Congestion => incoming.congestion.take(amount_msat),
        BucketKind::Protected => incoming.protected.take(amount_msat),
        BucketKind::Several => {
            let parts = incoming.parts.get(&htlc.htlc_id).copied().unwrap_or_default();
            if parts.protected_msat != 0 {
                incoming.protected.take(parts.protected_msat);
            }
            if parts.congestion_msat != 0 {
                incoming.congestion.take(parts.congestion_msat);
            }
        }
    }
    if htlc.general_slots != 0 {
        let bucket = bucket_of(rules, id, &incoming.allocation);
        incoming.general.take(bucket, htlc.outgoing, htlc.general_slots);
    }
    incoming.insert(*htlc);
}

fn release(rules: Rules<'_>, incoming: &mut Incoming, resolve: &Resolve) {
    let Some(htlc) = incoming.remove(resolve.htlc_id, resolve.outgoing) else {
        return;
    };
    let amount_msat = htlc.incoming_amount_msat;
    match htlc.marks.bucket() {
        BucketKind::None | BucketKind::General => {}
        BucketKind::Congestion => incoming.congestion.release(amount_msat),
        BucketKind::Protected => incoming.protected.release(amount_msat),
        BucketKind::Several => {
            let parts = incoming.parts.remove(&htlc.htlc_id).unwrap_or_default();
            if parts.protected_msat != 0 {
                incoming.protected.release(parts.protected_msat);
            }
            if parts.congestion_msat != 0 {
                incoming.congestion.release(parts.congestion_msat);
            }
        }
    }
    if htlc.general_slots != 0 {
        incoming.general.release(htlc.outgoing, htlc.general_slots);
    }
    let settings = rules.settings;
    if resolve.effects.has(Effects::MISUSED) {
        mark_misuse(settings.mode, incoming, resolve);
    }
    if resolve.effects.has(Effects::REVENUE) {
        let earned = super::average::signed(htlc.fee_msat);
        let windows = settings.revenue_windows();
        incoming.revenue.add(settings.mode, windows, earned, resolve.unix_secs);
    }
    if !resolve.effects.has(Effects::DROPPED) {
        incoming.remember_resolved(Resolved {
            htlc_id: resolve.htlc_id,
            outgoing: resolve.outgoing,
            settled: resolve.effects.has(Effects::SETTLED),
        });
    }
}

fn mark_misuse(mode: Mode, incoming: &mut Incoming, resolve: &Resolve) {
    if mode == Mode::Strict && incoming.misuse.len() >= MISUSE_MARKS_KEPT {
        incoming.misuse.retain(|_, at| is_misuse_recent(*at, resolve.unix_secs));
    }
    let at = incoming.misuse.entry(resolve.outgoing).or_insert(resolve.unix_secs);
    // The reference's mark may move back with the clock.
    *at = if mode == Mode::Compat { resolve.unix_secs } else { resolve.unix_secs.max(*at) };
}

/// Applies what an entry says about the outgoing channel.
pub(super) fn apply_outgoing(rules: Rules<'_>, outgoing: &mut Outgoing, entry: &Entry) {
    let settings = rules.settings;
    let window_secs = settings.reputation_window_secs();
    match entry {
        Entry::Add { htlc, looked, .. } => {
            if looked.has(Looked::REPUTATION) {
                outgoing.reputation.read(settings.mode, window_secs, htlc.added_unix_secs);
            }
            outgoing.pending = outgoing.pending.saturating_add(1);
            let risk_msat = u128::from(htlc.risk_msat(settings));
            outgoing.in_flight_risk_msat = outgoing.in_flight_risk_msat.saturating_add(risk_msat);
            outgoing.in_congestion += u32::from(looked.has(Looked::IN_CONGESTION));
        }
        Entry::Look { unix_secs, looked, .. } if looked.has(Looked::REPUTATION) => {
            outgoing.reputation.read(settings.mode, window_secs, *unix_secs);
        }
        Entry::Resolve(resolve) => {
            let effects = resolve.effects;
            outgoing.pending = outgoing.pending.saturating_sub(1);
            if effects.has(Effects::ACCOUNTABLE) {
                let risk_msat =
                    u128::from(settings.risk_msat(resolve.blocks, resolve.charged_msat));
                outgoing.in_flight_risk_msat =
                    outgoing.in_flight_risk_msat.saturating_sub(risk_msat);
            }
            if effects.has(Effects::IN_CONGESTION) {
                outgoing.in_congestion = outgoing.in_congestion.saturating_sub(1);
            }
            if effects.has(Effects::REPUTATION) {
                let amount_msat = resolve.effective_fee_msat;
                outgoing.reputation.add(settings.mode, window_secs, amount_msat, resolve.unix_secs);
            }
        }
        _ => {}
    }
}

/// What a resolution does, given the HTLC that it ends.
pub(super) fn resolution_of(
    settings: &Settings,
    incoming: &Incoming,
    htlc: &Pending,
    (id, settled, unix_secs): (ShortChannelId, bool, u64),
) -> Resolve {
    let is_before = unix_secs < htlc.added_unix_secs;
    let held_secs = unix_secs.saturating_sub(htlc.added_unix_secs);
    let is_accountable = htlc.marks.has(Marks::ACCOUNTABLE);
    let parts = incoming.parts.get(&htlc.htlc_id).copied();
    let in_congestion = htlc.marks.is_in_congestion(parts);
    let (earned_msat, charged_msat) = (htlc.fee_msat, htlc.charged_msat(settings));
    let effective_fee_msat =
        settings.effective_fee_msat(is_accountable, settled, held_secs, earned_msat, charged_msat);
    // The reference takes no average into account when the clock contradicts itself, and rounds one for every
    // resolution that changes it by nothing.
    let counts = match settings.mode {
        Mode::Compat => !is_before,
        Mode::Strict => effective_fee_msat != 0,
    };
    let earns =
        settled && if settings.mode == Mode::Compat { !is_before } else { earned_msat != 0 };
    let unix_secs = match settings.mode {
        Mode::Compat => unix_secs,
        Mode::Strict => unix_secs.max(htlc.added_unix_secs),
    };
    let misused = in_congestion && held_secs > settings.resolution_period_secs;
    let effects = Effects::default()
        .with(Effects::SETTLED, settled)
        .with(Effects::ACCOUNTABLE, is_accountable)
        .with(Effects::IN_CONGESTION, in_congestion)
        .with(Effects::REPUTATION, counts)
        .with(Effects::REVENUE, earns)
        .with(Effects::MISUSED, misused);
    Resolve {
        incoming: id,
        outgoing: htlc.outgoing,
        htlc_id: htlc.htlc_id,
        unix_secs,
        effective_fee_msat,
        charged_msat,
        blocks: htlc.blocks,
        effects,
    }
}
