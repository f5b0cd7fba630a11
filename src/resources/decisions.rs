//! The last decisions with their grounds, to be exported as JSON lines.
//!
//! Kept only when the host asks for it at open, because their grounds cost more than most decisions do.
//! Numbers are JSON integers and many exceed 2^53: read them as 64-bit integers. Called by `mod`.

use std::collections::VecDeque;
use std::fmt::Write;

use parking_lot::Mutex;

use super::channel::BucketKind;
use super::decide::{AddRequest, Decision, Upgrade, Verdict};
use super::view::{Explanation, Facts};

struct Kept {
    number: u64,
    request: AddRequest,
    explanation: Explanation,
}

/// The newest decisions.
pub(super) struct Decisions {
    kept: Mutex<(u64, VecDeque<Kept>)>,
    max: usize,
}

impl Decisions {
    pub(super) fn new(max: u32) -> Option<Decisions> {
        let max = max as usize;
        (max != 0).then(|| Decisions { kept: Mutex::new((0, VecDeque::new())), max })
    }

    pub(super) fn keep(&self, request: &AddRequest, explanation: &Explanation) {
        let mut kept = self.kept.lock();
        let (last, decisions) = &mut *kept;
        *last += 1;
        if decisions.len() == self.max {
            decisions.pop_front();
        }
        let (number, request) = (*last, *request);
        decisions.push_back(Kept { number, request, explanation: *explanation });
    }

    /// Lines of the decisions after a number, at most so many, and the number of the last.
    pub(super) fn lines(&self, after: u64, max: usize) -> (String, u64) {
        let kept = self.kept.lock();
        let newer = kept.1.iter().filter(|decision| decision.number > after).take(max);
        let (mut lines, mut last) = (String::new(), after);
        for decision in newer {
            line(&mut lines, decision);
            last = decision.number;
        }
        (lines, last)
    }
}

/// The name of a bucket in exported records.
pub(super) fn bucket_name(bucket: BucketKind) -> &'static str {
    match bucket {
        BucketKind::None => "none",
        BucketKind::General => "general",
        BucketKind::Congestion => "congestion",
        BucketKind::Protected => "protected",
        BucketKind::Several => "several",
    }
}

fn upgrade_name(upgrade: Upgrade) -> &'static str {
    match upgrade {
        Upgrade::Unknown => "unknown",
        Upgrade::Present => "present",
        Upgrade::Absent => "absent",
    }
}

fn line(lines: &mut String, kept: &Kept) {
    let Kept { number, request, explanation } = kept;
    let Explanation { decision, facts } = explanation;
    let mut fields = Fields { lines, is_first: true };
    fields.number("number", *number);
    fields.number("unix_secs", request.unix_secs);
    fields.number("incoming", request.incoming.0);
    fields.number("outgoing", request.outgoing.0);
    fields.number("htlc_id", request.htlc_id);
    fields.number("incoming_amount_msat", request.incoming_amount_msat);
    fields.number("outgoing_amount_msat", request.outgoing_amount_msat);
    fields.number("incoming_cltv_expiry", request.incoming_cltv_expiry);
    fields.number("block_height", request.block_height);
    fields.number("incoming_accountable", request.incoming_accountable);
    fields.text("upgrade", upgrade_name(request.upgrade));
    if let Some(policy_fee_msat) = request.policy_fee_msat {
        fields.number("policy_fee_msat", policy_fee_msat);
    }
    decided(&mut fields, decision);
    grounds(&mut fields, facts);
    lines.push_str("}\n");
}

fn decided(fields: &mut Fields<'_>, decision: &Decision) {
    let verdict = match decision.verdict {
        Verdict::Forward => "forward",
        Verdict::Fail => "fail",
    };
    fields.text("verdict", verdict);
    fields.text("reason", decision.reason.name());
    fields.text("bucket", bucket_name(decision.bucket));
    fields.number("outgoing_accountable", decision.outgoing_accountable);
    fields.number("would_fail", decision.would_fail);
}

fn grounds(fields: &mut Fields<'_>, facts: &Facts) {
    fields.number("fee_msat", facts.fee_msat);
    fields.number("charged_fee_msat", facts.charged_fee_msat);
    fields.number("htlc_risk_msat", facts.htlc_risk_msat);
    fields.number("outgoing_reputation_msat", facts.outgoing_reputation_msat);
    fields.number("outgoing_in_flight_risk_msat", facts.outgoing_in_flight_risk_msat);
    fields.number("incoming_revenue_msat", facts.incoming_revenue_msat);
    fields.number("has_reputation", facts.has_reputation);
    fields.number("outgoing_uses_congestion", facts.outgoing_uses_congestion);
    fields.number("general_slots_needed", facts.general_slots_needed);
    fields.number("pair_slots_free", facts.pair_slots_free);
    fields.number("general_slots_used", facts.general_slots_used);
    fields.number("general_slots", facts.general_slots);
    fields.number("congestion_slots_used", facts.congestion.slots);
    fields.number("congestion_slots", facts.congestion_slots);
    fields.number("congestion_used_msat", facts.congestion.msat);
    fields.number("congestion_liquidity_msat", facts.congestion_liquidity_msat);
    fields.number("protected_slots_used", facts.protected.slots);
    fields.number("protected_slots", facts.protected_slots);
    fields.number("protected_used_msat", facts.protected.msat);
    fields.number("protected_liquidity_msat", facts.protected_liquidity_msat);
}

/// Members of one object. No name or text in it needs an escape.
struct Fields<'lines> {
    lines: &'lines mut String,
    is_first: bool,
}

impl Fields<'_> {
    fn name(&mut self, name: &str) {
        let before = if std::mem::take(&mut self.is_first) { '{' } else { ',' };
        // Writing to a string does not fail.
        let _ = write!(self.lines, "{before}\"{name}\":");
    }

    fn number(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name);
        let _ = write!(self.lines, "{value}");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        let _ = write!(self.lines, "\"{value}\"");
    }
}
