//! The arithmetic of forwarding: shares, costs, risks, and what an average is compared with.
//!
//! RR1 amounts saturate and never wrap. RR2 the cost of holding an HTLC grows linearly from the end of the
//! resolution period; bolts #1280. RR3 the delay of an HTLC is charged with the default fee at least
//! (`strict`): one that pays nothing, or next to nothing, has a risk all the same.
//! Pure: no clock, no I/O, no lock. Called by everything here, and by hosts that want only the numbers.

use super::average::{RevenueWindows, signed};
use crate::error::{Error, Result, Status};
use crate::limits::{
    CONGESTION_PENALTY_SECS, DEFAULT_FEE_BASE_MSAT, DEFAULT_FEE_PPM, REVENUE_WINDOWS_TRACKED,
    SECS_PER_BLOCK, UNIX_SECS_MAX,
};

/// Whose rules decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum Mode {
    /// The mended rules; docs/resources.md says what differs and why.
    #[default]
    Strict = 1,
    /// Every decision and every number as the reference has them, its defects included.
    Compat = 2,
}

impl Mode {
    pub(super) fn from_number(number: u32) -> Option<Mode> {
        [Mode::Strict, Mode::Compat].into_iter().find(|mode| *mode as u32 == number)
    }
}

/// The numbers that decisions depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Whose rules.
    pub mode: Mode,
    /// Percent of a channel's slots and liquidity that anybody may use.
    pub general_percent: u8,
    /// Percent kept for those without reputation when the general bucket is full.
    pub congestion_percent: u8,
    /// Time within which an HTLC should resolve.
    pub resolution_period_secs: u64,
    /// Window whose revenue is the threshold.
    pub revenue_window_secs: u64,
    /// Revenue windows over which reputation is earned.
    pub reputation_multiplier: u32,
    /// Base of the fee that an HTLC's delay is charged with at least (`strict`).
    pub default_fee_base_msat: u64,
    /// Millionths of the amount that come on top (`strict`).
    pub default_fee_ppm: u32,
    /// One HTLC with reputation may use several buckets (`strict`).
    pub spills_over: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            mode: Mode::Strict,
            general_percent: 40,
            congestion_percent: 20,
            resolution_period_secs: 90,
            revenue_window_secs: 2_016 * 10 * 60,
            reputation_multiplier: 12,
            default_fee_base_msat: DEFAULT_FEE_BASE_MSAT,
            default_fee_ppm: DEFAULT_FEE_PPM,
            spills_over: true,
        }
    }
}

impl Settings {
    /// Refuses numbers that no decision can be made with.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn check(&self) -> Result<()> {
        let refused = |fact: String| Err(Error::new(Status::InvalidArgument, fact));
        let shared = u32::from(self.general_percent) + u32::from(self.congestion_percent);
        if shared >= 100 {
            return refused(format!(
                "general and congestion share {shared} percent; less than 100 leave a protected bucket"
            ));
        }
        for (name, number) in [
            ("resolution period", self.resolution_period_secs),
            ("revenue window", self.revenue_window_secs),
            ("reputation multiplier", u64::from(self.reputation_multiplier)),
        ] {
            if number == 0 {
                return refused(format!("the {name} is 0; it is at least 1"));
            }
        }
        Ok(())
    }

    /// Window over which reputation decays.
    pub fn reputation_window_secs(&self) -> u64 {
        self.revenue_window_secs.saturating_mul(u64::from(self.reputation_multiplier))
    }

    /// Windows of the revenue.
    pub fn revenue_windows(&self) -> RevenueWindows {
        RevenueWindows {
            average_secs: self.revenue_window_secs,
            tracked_secs: self.revenue_window_secs.saturating_mul(REVENUE_WINDOWS_TRACKED),
        }
    }

    /// What an HTLC of this amount would have paid by default.
    pub fn default_fee_msat(&self, amount_msat: u64) -> u64 {
        let share = u128::from(amount_msat) * u128::from(self.default_fee_ppm) / 1_000_000;
        let share = u64::try_from(share).unwrap_or(u64::MAX);
        self.default_fee_base_msat.saturating_add(share)
    }

    /// The fee that an HTLC's delay is charged with (RR3).
    pub fn charged_fee_msat(&self, earned_msat: u64, incoming_amount_msat: u64) -> u64 {
        match self.mode {
            Mode::Compat => earned_msat,
            Mode::Strict => earned_msat.max(self.default_fee_msat(incoming_amount_msat)),
        }
    }

    /// What a fee stands for in earnings lost when its HTLC is held for a time (RR2).
    pub fn opportunity_cost_msat(&self, held_secs: u64, fee_msat: u64) -> u64 {
        let period = self.resolution_period_secs as f64;
        let periods = ((held_secs as f64 - period) / period).max(0.0);
        (periods * fee_msat as f64).round() as u64
    }

    /// Cost of an HTLC that is held until its last block.
    pub fn risk_msat(&self, blocks: u32, fee_msat: u64) -> u64 {
        self.opportunity_cost_msat(u64::from(blocks) * SECS_PER_BLOCK, fee_msat)
    }

    /// What an HTLC adds to the reputation of the channel it went out through. `earned_msat` is the fee it
    /// pays, `charged_msat` the one that its delay is charged with.
    pub fn effective_fee_msat(
        &self,
        is_accountable: bool,
        settled: bool,
        held_secs: u64,
        earned_msat: u64,
        charged_msat: u64,
    ) -> i64 {
        let earned = if settled { signed(earned_msat) } else { 0 };
        if is_accountable {
            let cost = self.opportunity_cost_msat(held_secs, charged_msat);
            return earned.saturating_sub(signed(cost));
        }
        if held_secs <= self.resolution_period_secs { earned } else { 0 }
    }
}

/// Whether a reputation bears one more HTLC: what remains if everything accountable in flight were held to
/// the end is at least what the incoming channel earns us.
pub fn has_reputation(
    reputation_msat: i64,
    in_flight_risk_msat: u128,
    htlc_risk_msat: u64,
    incoming_revenue_msat: i64,
) -> bool {
    let in_flight = i64::try_from(in_flight_risk_msat).unwrap_or(i64::MAX);
    let left = reputation_msat.saturating_sub(in_flight).saturating_sub(signed(htlc_risk_msat));
    left >= incoming_revenue_msat
}

/// Refuses a time that is none, such as one in milliseconds: an average never goes back behind it.
///
/// # Errors
/// `InvalidArgument`.
pub fn check_time(mode: Mode, unix_secs: u64) -> Result<()> {
    if mode == Mode::Compat || unix_secs <= UNIX_SECS_MAX {
        return Ok(());
    }
    let fact = format!("unix_secs is {unix_secs}: seconds until the year 9999 are {UNIX_SECS_MAX}");
    Err(Error::new(Status::InvalidArgument, fact))
}

/// Whether a mark of misuse of the congestion bucket still counts.
pub fn is_misuse_recent(misused_at_secs: u64, unix_secs: u64) -> bool {
    unix_secs.saturating_sub(misused_at_secs) < CONGESTION_PENALTY_SECS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_holding_is_linear_from_the_end_of_the_period() {
        let settings = Settings::default();
        let cost = |secs| settings.opportunity_cost_msat(secs, 100);
        let costs = [10, 90, 91, 135, 180, 900].map(cost);
        assert_eq!(costs, [0, 0, 1, 50, 100, 900]);
        assert_eq!(settings.opportunity_cost_msat(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(settings.risk_msat(u32::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn only_what_is_fast_or_accountable_changes_a_reputation() {
        let fee = |accountable, settled, secs| {
            Settings::default().effective_fee_msat(accountable, settled, secs, 1_000, 1_000)
        };
        let fast = [fee(true, true, 90), fee(true, false, 90), fee(false, true, 90)];
        assert_eq!(fast, [1_000, 0, 1_000]);
        let slow = [fee(true, true, 270), fee(true, false, 270), fee(false, true, 91)];
        assert_eq!(slow, [-1_000, -2_000, 0]);
        assert_eq!((fee(false, false, 1), fee(false, false, 1_000)), (0, 0));
    }

    #[test]
    fn an_htlc_without_a_fee_earns_nothing_and_its_delay_is_charged_the_default() {
        let settings = Settings::default();
        let charged = settings.default_fee_msat(2_000_000);
        assert_eq!(charged, 1_002);
        assert_eq!(
            [0, 1, 1_003].map(|fee| settings.charged_fee_msat(fee, 2_000_000)),
            [1_002, 1_002, 1_003]
        );
        let compat = Settings { mode: Mode::Compat, ..settings };
        assert_eq!(compat.charged_fee_msat(0, 2_000_000), 0);
        assert_eq!(settings.effective_fee_msat(true, true, 10, 0, charged), 0);
        assert_eq!(settings.effective_fee_msat(true, true, 180, 0, charged), -1_002);
        assert_eq!(settings.default_fee_msat(u64::MAX), u64::MAX / 1_000_000 + 1_000);
    }

    #[test]
    fn the_threshold_is_reached_when_it_is_equal() {
        assert!(has_reputation(100, 30, 20, 50));
        assert!(!has_reputation(100, 30, 21, 50));
        assert!(!has_reputation(i64::MAX, u128::MAX, u64::MAX, 1));
        assert!(has_reputation(0, 0, 0, 0));
    }

    #[test]
    fn a_mark_counts_for_two_weeks_less_a_second() {
        assert!(is_misuse_recent(1_000, 1_000 + CONGESTION_PENALTY_SECS - 1));
        assert!(!is_misuse_recent(1_000, 1_000 + CONGESTION_PENALTY_SECS));
        assert!(is_misuse_recent(1_000, 0));
    }

    #[test]
    fn settings_leave_a_protected_bucket_and_no_zero() {
        let settings = |general_percent, congestion_percent| Settings {
            general_percent,
            congestion_percent,
            ..Settings::default()
        };
        assert!(settings(80, 19).check().is_ok());
        assert!(settings(80, 20).check().is_err());
        assert!(settings(255, 255).check().is_err());
        assert!(Settings { revenue_window_secs: 0, ..Settings::default() }.check().is_err());
        assert!(Settings { reputation_multiplier: 0, ..Settings::default() }.check().is_err());
        assert!(Settings { resolution_period_secs: 0, ..Settings::default() }.check().is_err());
    }
}
