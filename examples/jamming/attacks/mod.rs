//! The adversaries: what each one owns, pays and does. All are aimed at the network's target.

mod camp;
mod siege;
mod sink;

use crate::network::Network;
use crate::world::{DAY_MS, HOUR_MS, SECOND_MS, World};
use camp::Camp;
use siege::{Focus, Pump, Ruin, Siege, Weapons};

/// What the attacker's receiver does with an HTLC.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    Settle { after_ms: u64 },
    Fail { after_ms: u64 },
}

/// An adversary. It knows the network and the rules, and sees what happens to its own HTLCs.
pub trait Attack {
    fn begin(&mut self, world: &mut World);
    fn wake(&mut self, world: &mut World, token: u64);
    /// One of its HTLCs has reached its receiver.
    fn received(&mut self, world: &mut World, lane: usize) -> Reply;
    /// An honest HTLC asks to pass its node: how long it is held before it may.
    fn holds_ms(&mut self, world: &mut World) -> u64;
    /// One of its HTLCs is resolved; `refused` if a node on the way did not forward it.
    fn done(&mut self, world: &mut World, lane: usize, settled: bool, refused: bool);
}

/// The attacks, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    SlowJam,
    FastJam,
    Sink,
    Ladder,
    Surge,
    LiquidityCapture,
    ProbeToFreeze,
    ZeroFee,
    OneMsatFee,
    RestartForgiveness,
}

impl Name {
    pub const ALL: [Name; 10] = [
        Name::SlowJam,
        Name::FastJam,
        Name::Sink,
        Name::Ladder,
        Name::Surge,
        Name::LiquidityCapture,
        Name::ProbeToFreeze,
        Name::ZeroFee,
        Name::OneMsatFee,
        Name::RestartForgiveness,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Name::SlowJam => "slow-jam",
            Name::FastJam => "fast-jam",
            Name::Sink => "sink",
            Name::Ladder => "ladder",
            Name::Surge => "surge",
            Name::LiquidityCapture => "liquidity-capture",
            Name::ProbeToFreeze => "probe-to-freeze",
            Name::ZeroFee => "zero-fee",
            Name::OneMsatFee => "one-msat-fee",
            Name::RestartForgiveness => "restart-forgiveness",
        }
    }

    /// What the adversary does, for the report.
    pub fn story(self) -> &'static str {
        match self {
            Name::SlowJam => {
                "Pays for reputation behind the target, then fills every link of the target with \
                 HTLCs that it holds for days, and one link's protected slots as far as the bought \
                 reputation goes."
            }
            Name::FastJam => {
                "The same with a stream of HTLCs that it fails after 80 seconds, before anything \
                 counts as slow, so that the bought reputation is never used up."
            }
            Name::Sink => {
                "Undercuts the fees behind the target for four weeks and earns reputation with \
                 honest payments; then holds everything that comes for most of a day before it forwards it."
            }
            Name::Ladder => {
                "Pays for reputation behind the target, and uses it to hold accountable HTLCs that \
                 came through the target's neighbours and pay these far more than they ask, so that \
                 the target's own standing falls; then jams the target's pairs at the neighbours."
            }
            Name::Surge => {
                "Sends paid traffic over one link into the target, so that the link's revenue, \
                 which is the threshold for whoever lies behind the target, rises; then jams."
            }
            Name::LiquidityCapture => {
                "Holds a few large HTLCs on every link of the target, as large as the rules let \
                 through, until the channels have no liquidity left (D1)."
            }
            Name::ProbeToFreeze => {
                "Pays for reputation once, then sends an HTLC that must be refused every second: \
                 each refusal reads the average, and rounding on reads stops its decay \
                 (D2); then jams with what it kept."
            }
            Name::ZeroFee => {
                "Pays for a little reputation behind a channel to which the target then forwards \
                 free of charge: HTLCs without a fee carry no risk, so that they may fill the \
                 protected slots of every link for nothing (D5)."
            }
            Name::OneMsatFee => {
                "The same behind a channel to which the target forwards for one millisatoshi: almost \
                 nothing must not be cheaper to hold than nothing."
            }
            Name::RestartForgiveness => {
                "The slow jam, against a target that restarts every day while HTLCs are held: a \
                 node that forgets when they came, or decides about them again, forgives them (D3)."
            }
        }
    }

    /// How long the attack goes on, if long ones go on for so many days.
    pub fn period_ms(self, days: u64) -> u64 {
        match self {
            // A fourteenth of a stream of seconds shows what all of it would: it uses nothing up.
            Name::FastJam => days * DAY_MS / 14,
            Name::ProbeToFreeze => days * DAY_MS / 7,
            _ => days * DAY_MS,
        }
    }
}

/// What the adversary may spend on fees, and how long it goes on.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    pub budget_msat: u64,
    /// What the target earns in a revenue window.
    pub income_msat: u64,
    pub days: u64,
}

/// Adds the adversary's nodes and channels to the network.
pub fn join(name: Name, network: &mut Network, means: Means) -> Box<dyn Attack> {
    if name == Name::Sink {
        return Box::new(sink::Sink::join(network));
    }
    let links = match name {
        // What costs nothing is held on every link.
        Name::ZeroFee | Name::OneMsatFee => network.honest_links_into(network.target).len(),
        _ => affordable_links(network, means),
    };
    let camp = Camp::join(network, links);
    Box::new(Siege::new(camp, weapons(name, means, links)))
}

/// Just below the 90 seconds from which holding an HTLC costs reputation.
const FAST_MS: u64 = 80 * SECOND_MS;

/// Blocks that the cheapest HTLC over the target has left, and what it pays.
const CHEAPEST_BLOCKS: u64 = 42;
const CHEAPEST_FEE_MSAT: u64 = 1_000;

/// How many of the target's links can have their protected slots filled with reputation bought for
/// the budget: each HTLC in flight needs its risk, and all of them together the threshold of the
/// busiest link, about a third of the target's income. A tenth of what is bought decays. One link at
/// least is tried.
fn affordable_links(network: &Network, means: Means) -> usize {
    let links = network.honest_links_into(network.target);
    let widest = links.iter().map(|link| network.direction(*link).htlcs_max).max().unwrap_or(0);
    let protected_slots = u64::from(widest) * 2 / 5;
    let risk_msat = CHEAPEST_FEE_MSAT * (CHEAPEST_BLOCKS * 600 - 90) / 90;
    let left_msat = (means.budget_msat * 9 / 10).saturating_sub(means.income_msat / 3);
    let affordable = left_msat / (protected_slots * risk_msat).max(1);
    usize::try_from(affordable).unwrap_or(usize::MAX).clamp(1, links.len().max(1))
}

fn weapons(name: Name, means: Means, links: usize) -> Weapons {
    let held = |hold_ms: u64| Focus { links, lanes: 30, hold_ms };
    let slow = Weapons {
        hold_ms: 6 * DAY_MS,
        retry_ms: 4 * HOUR_MS,
        bought_msat: means.budget_msat,
        buy_before_ms: 14 * DAY_MS,
        focus: Some(held(HOUR_MS / 2)),
        ruin: None,
        pump: None,
        large: false,
        probe: false,
        exit_fee_msat: None,
        upstream_only: false,
        restart_every_ms: None,
    };
    match name {
        Name::SlowJam | Name::Sink => slow,
        Name::FastJam => {
            Weapons { hold_ms: FAST_MS, retry_ms: 2 * FAST_MS, focus: Some(held(FAST_MS)), ..slow }
        }
        Name::Ladder => Weapons {
            focus: None,
            ruin: Some(Ruin { lanes: 2, hold_ms: 2 * HOUR_MS, overpaid_msat: 16_000 }),
            upstream_only: true,
            ..slow
        },
        Name::Surge => Weapons {
            bought_msat: 0,
            focus: None,
            pump: Some(Pump { spend_msat: means.budget_msat }),
            ..slow
        },
        Name::LiquidityCapture => Weapons { bought_msat: 0, focus: None, large: true, ..slow },
        Name::ProbeToFreeze => {
            Weapons { buy_before_ms: 28 * DAY_MS, probe: true, focus: Some(held(FAST_MS)), ..slow }
        }
        Name::ZeroFee => Weapons { exit_fee_msat: Some(0), focus: Some(held(6 * DAY_MS)), ..slow },
        Name::OneMsatFee => {
            Weapons { exit_fee_msat: Some(1), ..weapons(Name::ZeroFee, means, links) }
        }
        Name::RestartForgiveness => Weapons { restart_every_ms: Some(DAY_MS), ..slow },
    }
}
