//! What an HTLC costs and earns: opportunity cost, effective fee, risk.

const SECS_PER_BLOCK: u32 = 600;

/// What holding an HTLC of this fee costs others, linear in the periods beyond the first.
pub fn opportunity_cost(held_secs: u64, period_secs: u64, fee_msat: u64) -> u64 {
    let period_secs = period_secs as f64;
    let periods = ((held_secs as f64 - period_secs) / period_secs).max(0.0);
    (periods * fee_msat as f64).round() as u64
}

/// What an HTLC does to the reputation of the outgoing channel, by the signal it was forwarded with.
pub fn effective_fee(
    held_secs: u64,
    period_secs: u64,
    fee_msat: u64,
    accountable: bool,
    settled: bool,
) -> i64 {
    let fee = clamped(fee_msat);
    let cost = || clamped(opportunity_cost(held_secs, period_secs, fee_msat));
    match (accountable, settled) {
        (true, true) => fee.saturating_sub(cost()),
        (true, false) => -cost(),
        (false, true) if held_secs <= period_secs => fee,
        (false, _) => 0,
    }
}

/// The cost of an HTLC that is held to its expiry. Heights this far apart wrap, as the reference's do.
pub fn htlc_risk(period_secs: u64, fee_msat: u64, expiry: u32, height_added: u32) -> u64 {
    let held_secs = expiry.saturating_sub(height_added).wrapping_mul(SECS_PER_BLOCK);
    opportunity_cost(u64::from(held_secs), period_secs, fee_msat)
}

pub fn clamped(msat: u64) -> i64 {
    i64::try_from(msat).unwrap_or(i64::MAX)
}
