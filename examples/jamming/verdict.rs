//! What the runs show: the figures of each, and whether the guarantees hold.

use serde_json::{Value, json};

use crate::attacks::Name;
use crate::guard::Protection;
use crate::run::{Run, Standing};

/// A guard must keep this much of the peacetime revenue, and fail at most so many honest
/// accountable HTLCs; without protection, the attacks named below must take at least so much.
pub const REVENUE_KEPT_PERCENT: f64 = 95.0;
pub const ACCOUNTABLE_FAILED_PERCENT: f64 = 1.0;
pub const UNPROTECTED_PERCENT: f64 = 80.0;
const MUST_HURT: [Name; 3] = [Name::SlowJam, Name::FastJam, Name::LiquidityCapture];

/// The figures of one run.
#[derive(Clone, Debug)]
pub struct Figures {
    pub attack: Option<Name>,
    pub protection: Protection,
    /// Target's revenue from reputable peers, of that in the peace without protection.
    pub revenue_percent: f64,
    /// Honest accountable HTLCs towards reputable peers that reached it, and that it failed.
    pub accountable: usize,
    pub accountable_failed: usize,
    /// The same towards other peers, which an accountable HTLC cannot be forwarded to.
    pub accountable_elsewhere: (usize, usize),
    /// Share of all honest payments that arrived.
    pub delivered_percent: f64,
    pub cost_msat: u64,
    pub attack_htlcs: u64,
    pub attack_channels: usize,
    /// Best reputation of the attacker's channels at the end.
    pub attacker_reputation_msat: i64,
    /// Revenue in each part of the attack, in percent of the peace's.
    pub course: Vec<(f64, f64)>,
}

impl Figures {
    pub fn of(run: &Run, peace: &Run, standing: &Standing) -> Figures {
        let (from_ms, until_ms) = (run.times.attack_ms, run.times.end_ms);
        let percent = |from_ms: u64, until_ms: u64| {
            let earns = |channel| standing.earns(channel);
            let usual = peace.ledger.revenue_msat(from_ms, until_ms, &earns);
            let kept = run.ledger.revenue_msat(from_ms, until_ms, &earns);
            if usual == 0 { 100.0 } else { 100.0 * kept as f64 / usual as f64 }
        };
        let reputable = |channel| standing.is_reputable(channel);
        let elsewhere = |channel| !standing.is_reputable(channel);
        let (accountable, accountable_failed) =
            run.ledger.accountable(from_ms, until_ms, &reputable);
        let period_ms = until_ms - from_ms;
        let parts = 14;
        let course = (0..2 * parts).map(|part| {
            let from_ms = from_ms - period_ms + part * period_ms / parts;
            let middle_ms = from_ms + period_ms / parts / 2;
            let days =
                (middle_ms as f64 - run.times.attack_ms as f64) / crate::world::DAY_MS as f64;
            (days, percent(from_ms, from_ms + period_ms / parts))
        });
        let last = run.ledger.samples.last();
        Figures {
            attack: run.attack,
            protection: run.protection,
            revenue_percent: percent(from_ms, until_ms),
            accountable,
            accountable_failed,
            accountable_elsewhere: run.ledger.accountable(from_ms, until_ms, &elsewhere),
            delivered_percent: 100.0 * run.ledger.delivered(from_ms, until_ms),
            cost_msat: run.ledger.attack_cost_msat,
            attack_htlcs: run.ledger.attack_htlcs,
            attack_channels: run.attack_channels,
            attacker_reputation_msat: last.map_or(0, |sample| sample.reputation_attacker_msat),
            course: course.collect(),
        }
    }

    pub fn accountable_failed_percent(&self) -> f64 {
        100.0 * self.accountable_failed as f64 / self.accountable.max(1) as f64
    }

    /// Of no HTLCs, none can fail.
    pub fn accountable_failed_text(&self) -> String {
        match self.accountable {
            0 => "-".to_string(),
            _ => format!("{:.2} %", self.accountable_failed_percent()),
        }
    }

    pub fn attack_name(&self) -> &'static str {
        self.attack.map_or("peace", Name::name)
    }

    pub fn json(&self) -> Value {
        json!({
            "attack": self.attack_name(),
            "guard": self.protection.name(),
            "revenue_percent": rounded(self.revenue_percent),
            "accountable": self.accountable,
            "accountable_failed": self.accountable_failed,
            "accountable_failed_percent": rounded(self.accountable_failed_percent()),
            "accountable_elsewhere": self.accountable_elsewhere.0,
            "accountable_elsewhere_failed": self.accountable_elsewhere.1,
            "delivered_percent": rounded(self.delivered_percent),
            "attacker_cost_msat": self.cost_msat,
            "attacker_htlcs": self.attack_htlcs,
            "attacker_channels": self.attack_channels,
            "attacker_reputation_msat": self.attacker_reputation_msat,
        })
    }
}

fn rounded(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

/// What does not hold: the promises of the judged guard, and that the attacks are attacks.
pub fn broken(figures: &[Figures], judged: Protection, standing: &Standing) -> Vec<String> {
    let mut broken = Vec::new();
    if standing.reputable.is_empty() {
        let fact = "no honest peer of the target has reputation: there is nothing to keep";
        broken.push(fact.to_string());
    }
    for one in figures {
        let name = one.attack_name();
        if one.protection == judged {
            if one.revenue_percent < REVENUE_KEPT_PERCENT {
                broken.push(format!(
                    "{name}: {} keeps {:.1} % of the revenue from reputable peers, less than {} %",
                    judged.name(),
                    one.revenue_percent,
                    REVENUE_KEPT_PERCENT
                ));
            }
            if one.accountable_failed_percent() > ACCOUNTABLE_FAILED_PERCENT {
                broken.push(format!(
                    "{name}: {} fails {:.1} % of honest accountable HTLCs, more than {} %",
                    judged.name(),
                    one.accountable_failed_percent(),
                    ACCOUNTABLE_FAILED_PERCENT
                ));
            }
        }
        let hurts = one.attack.is_some_and(|attack| MUST_HURT.contains(&attack));
        let unhurt = one.revenue_percent >= UNPROTECTED_PERCENT;
        if one.protection == Protection::None && hurts && unhurt {
            broken.push(format!(
                "{name}: without protection {:.1} % of the revenue are left; an attack that does \
                 not take a fifth of it proves nothing",
                one.revenue_percent
            ));
        }
    }
    broken
}

/// The table, one row for each attack and guard.
pub fn table(figures: &[Figures]) -> String {
    let row = |cells: [&str; 9]| {
        let [attack, guard, revenue, accountable, failed, delivered, cost, htlcs, channels] = cells;
        format!(
            "{attack:<19} {guard:<6} {revenue:>8} {accountable:>11} {failed:>8} {delivered:>9} \
             {cost:>10} {htlcs:>10} {channels:>10}\n"
        )
    };
    let mut text = row([
        "attack",
        "guard",
        "revenue",
        "accountable",
        "of those",
        "payments",
        "attacker",
        "attacker",
        "attacker",
    ]);
    text += &row([
        "",
        "",
        "of peace",
        "HTLCs",
        "failed",
        "delivered",
        "paid msat",
        "HTLCs",
        "channels",
    ]);
    for one in figures {
        text += &row([
            one.attack_name(),
            one.protection.name(),
            &format!("{:.1} %", one.revenue_percent),
            &one.accountable.to_string(),
            &one.accountable_failed_text(),
            &format!("{:.1} %", one.delivered_percent),
            &one.cost_msat.to_string(),
            &one.attack_htlcs.to_string(),
            &one.attack_channels.to_string(),
        ]);
    }
    text
}
