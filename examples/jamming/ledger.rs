//! What a run counted: the target's forwards, refusals, what the attacker paid, samples of state.

use crate::guard::{ChannelState, Past};

/// A settled honest forward of the target.
#[derive(Clone, Copy, Debug)]
pub struct Earned {
    pub at_ms: u64,
    /// Channel by which it left.
    pub outgoing: u64,
    pub fee_msat: u64,
}

/// An honest HTLC that reached the target with the accountable signal.
#[derive(Clone, Copy, Debug)]
pub struct Accountable {
    pub at_ms: u64,
    /// Channel by which it was to leave.
    pub outgoing: u64,
    pub failed: bool,
}

/// The target at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    pub at_ms: u64,
    /// The lowest of the honest channels.
    pub reputation_low_msat: i64,
    /// The best of the attacker's channels.
    pub reputation_attacker_msat: i64,
    /// What the target itself has at its neighbours, all together.
    pub standing_msat: i64,
    /// Share of slots in use over all honest incoming channels: general, congestion, protected.
    pub buckets: [f64; 3],
    /// The same of the channels' own limits, slots and liquidity; the fuller one counts.
    pub channels: f64,
}

/// What a run counted.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub earned: Vec<Earned>,
    /// Honest HTLCs that reached the target with the accountable signal.
    pub accountable: Vec<Accountable>,
    /// Honest payments by time of sending, and whether they arrived.
    pub payments: Vec<(u64, bool)>,
    pub attack_cost_msat: u64,
    pub attack_htlcs: u64,
    pub samples: Vec<Sample>,
    /// The target's honest channels when the attack began, if its guard keeps state.
    pub standing: Vec<(u64, ChannelState)>,
    /// Settled forwards of every node, if asked for: what a node would read from its own books.
    pub history: Option<Vec<Vec<Past>>>,
}

impl Ledger {
    /// Fees of honest forwards within a time that left by one of these channels.
    pub fn revenue_msat(&self, from_ms: u64, until_ms: u64, counts: &dyn Fn(u64) -> bool) -> u64 {
        let within = self.earned.iter().filter(|e| e.at_ms >= from_ms && e.at_ms < until_ms);
        within.filter(|e| counts(e.outgoing)).map(|e| e.fee_msat).sum()
    }

    /// Honest accountable HTLCs at the target within a time that were to leave by one of these
    /// channels, and how many of them it failed.
    pub fn accountable(
        &self,
        from_ms: u64,
        until_ms: u64,
        counts: &dyn Fn(u64) -> bool,
    ) -> (usize, usize) {
        let within = self.accountable.iter().filter(|a| a.at_ms >= from_ms && a.at_ms < until_ms);
        let within = within.filter(|a| counts(a.outgoing));
        within.fold((0, 0), |(all, failed), one| (all + 1, failed + usize::from(one.failed)))
    }

    /// Share of honest payments within a time that arrived.
    pub fn delivered(&self, from_ms: u64, until_ms: u64) -> f64 {
        let within = self.payments.iter().filter(|(at, _)| *at >= from_ms && *at < until_ms);
        let (all, arrived) =
            within.fold((0, 0), |(all, arrived), (_, one)| (all + 1, arrived + u32::from(*one)));
        f64::from(arrived) / f64::from(all.max(1))
    }
}
