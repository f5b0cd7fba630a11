//! An attacker around the target that keeps HTLCs in it: all attacks but the sink are this one
//! with other weapons. It owns the channels of its camp and reacts to what is refused.

use super::camp::{Camp, Front};
use super::{Attack, Reply};
use crate::network::Link;
use crate::world::{BLOCK_MS, HOUR_MS, SECOND_MS, Shot, World};

/// Lanes that use the exit with the bought reputation, for the protected bucket; and lanes over
/// fresh exits for the congestion bucket beside it.
#[derive(Clone, Copy, Debug)]
pub struct Focus {
    /// How many of the target's links: spread over more than it can fill, reputation fills none.
    pub links: usize,
    pub lanes: usize,
    pub hold_ms: u64,
}

/// Accountable HTLCs that the target is made to hold, paying the neighbour more than it asks.
#[derive(Clone, Copy, Debug)]
pub struct Ruin {
    pub lanes: usize,
    pub hold_ms: u64,
    pub overpaid_msat: u64,
}

/// Paid traffic over the first link, to raise the threshold there.
#[derive(Clone, Copy, Debug)]
pub struct Pump {
    pub spend_msat: u64,
}

/// What a siege is armed with.
#[derive(Clone, Copy, Debug)]
pub struct Weapons {
    /// How long the unaccountable HTLCs are held, and how long a refused one waits.
    pub hold_ms: u64,
    pub retry_ms: u64,
    /// Fees paid to the target for the reputation of one exit, from `buy_before_ms` on.
    pub bought_msat: u64,
    pub buy_before_ms: u64,
    pub focus: Option<Focus>,
    pub ruin: Option<Ruin>,
    pub pump: Option<Pump>,
    /// HTLCs as large as they go through, instead of as many as go through.
    pub large: bool,
    pub probe: bool,
    /// What the target charges for forwarding over the bought exit, once the siege is laid.
    pub exit_fee_msat: Option<u64>,
    /// Only over the pairs that honest payments use at the neighbours.
    pub upstream_only: bool,
    pub restart_every_ms: Option<u64>,
}

pub struct Siege {
    camp: Camp,
    weapons: Weapons,
    lanes: Vec<Lane>,
    spent_msat: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Unaccountable, over any exit of its front.
    General,
    /// Unaccountable, over the exit with the reputation.
    Focus,
    /// Accountable and overpaid, over the exit with the reputation.
    Ruin,
}

/// One HTLC's place: sent again whenever it comes back.
#[derive(Clone, Debug)]
struct Lane {
    kind: Kind,
    way: Vec<Link>,
    exits: Vec<Link>,
    exit: usize,
    refusals: u32,
    amount_msat: u64,
    overpaid_msat: u64,
    hold_ms: u64,
}

/// A twelfth of the channel each; what does not fit is halved until it does, so that the last lanes
/// fill what the first have left.
const LARGE_LANES_PER_FRONT: usize = 30;
const LARGE_PART: u64 = 12;
/// Honest HTLCs use the same pair as an upstream way: 10 of its slots are all it may use.
const LANES_PER_UPSTREAM: usize = 10;
const SMALL_MSAT: u64 = 1_000;
const CONGESTION_HOLD_MS: u64 = 80 * SECOND_MS;
/// The siege is laid before the attack is measured, so that it is complete then.
const SIEGE_BEFORE_MS: u64 = 6 * HOUR_MS;
/// Payments that buy: this large, this often.
const PAID_AMOUNT_MSAT: u64 = 500_000_000;
const PAID_EVERY_MS: u64 = 300 * SECOND_MS;
/// Whole seconds are the smallest step of a clock that averages see.
const PROBE_EVERY_MS: u64 = SECOND_MS;
/// An expiry so far off that the risk of one HTLC exceeds any reputation: sure to be refused.
const REFUSED_FOR_SURE_BLOCKS: u32 = 100_000;

const BUY: usize = usize::MAX;
const PUMP: usize = usize::MAX - 1;
const PROBE: usize = usize::MAX - 2;

const WAKE_SIEGE: u64 = u64::MAX;
const WAKE_BUY: u64 = u64::MAX - 1;
const WAKE_PUMP: u64 = u64::MAX - 2;
const WAKE_PROBE: u64 = u64::MAX - 3;
const WAKE_RESTART: u64 = u64::MAX - 4;

impl Siege {
    pub fn new(camp: Camp, weapons: Weapons) -> Siege {
        Siege { camp, weapons, lanes: Vec::new(), spent_msat: 0 }
    }

    fn lay(&mut self, world: &mut World) {
        if let Some(base_fee_msat) = self.weapons.exit_fee_msat {
            world.set_fee(self.camp.bought_exit, base_fee_msat, 0);
        }
        let inward = self.camp.inward.clone();
        for (number, front) in inward.iter().enumerate() {
            self.lay_general(front, world);
            let ways = front.direct.iter().cycle();
            if let Some(focus) = self.weapons.focus.filter(|focus| number < focus.links) {
                for way in ways.clone().take(focus.lanes) {
                    self.lane(Kind::Focus, way, &[], SMALL_MSAT, focus.hold_ms);
                }
                // An exit may sit in one congestion bucket at a time, and not after it was slow.
                let spare_exits = self.camp.spare_exits.get(number).cloned().unwrap_or_default();
                for (exit, way) in spare_exits.iter().zip(ways.clone()) {
                    self.lane(Kind::General, way, &[*exit], SMALL_MSAT, CONGESTION_HOLD_MS);
                }
            }
            if let Some(ruin) = self.weapons.ruin {
                for way in ways.take(ruin.lanes) {
                    self.lane(Kind::Ruin, way, &[], SMALL_MSAT, ruin.hold_ms);
                }
            }
        }
        if !self.weapons.upstream_only {
            for front in &self.camp.outward.clone() {
                self.lay_general(front, world);
            }
        }
        for lane in 0..self.lanes.len() {
            // Not all at once: an attacker that is in no hurry is harder to notice.
            world.wake_at(world.now_ms + lane as u64 * 20, lane as u64);
        }
    }

    fn lay_general(&mut self, front: &Front, world: &World) {
        let direction = world.network.direction(front.link);
        let limit_msat = direction.in_flight_max_msat;
        let (lanes, amount_msat) = if self.weapons.large {
            (LARGE_LANES_PER_FRONT, limit_msat / LARGE_PART)
        } else {
            // As many as the link has slots; more would only be refused.
            (usize::from(direction.htlcs_max), SMALL_MSAT)
        };
        let mut ways: Vec<&Vec<Link>> = Vec::new();
        if !self.weapons.large {
            for way in &front.upstream {
                ways.extend([way; LANES_PER_UPSTREAM]);
            }
            ways.truncate(lanes);
        }
        if !self.weapons.upstream_only || ways.is_empty() {
            let more = lanes - ways.len();
            ways.extend(front.direct.iter().cycle().take(more));
        }
        for way in ways {
            self.lane(Kind::General, way, &front.exits, amount_msat, self.weapons.hold_ms);
        }
    }

    /// Without exits it is a lane over the one with the bought reputation.
    fn lane(&mut self, kind: Kind, way: &[Link], exits: &[Link], amount_msat: u64, hold_ms: u64) {
        let (exits, exit) = match exits.len() {
            0 => (vec![self.camp.bought_exit], 0),
            count => (exits.to_vec(), self.lanes.len() % count),
        };
        let overpaid_msat = match (kind, self.weapons.ruin) {
            (Kind::Ruin, Some(ruin)) => ruin.overpaid_msat,
            _ => 0,
        };
        let way = way.to_vec();
        let refusals = 0;
        self.lanes.push(Lane {
            kind,
            way,
            exits,
            exit,
            refusals,
            amount_msat,
            overpaid_msat,
            hold_ms,
        });
    }

    fn fire(&self, world: &mut World, lane: usize) {
        let place = &self.lanes[lane];
        let mut path = place.way.clone();
        path.push(place.exits[place.exit]);
        // The receiver must answer before its HTLC expires.
        let final_blocks = (place.hold_ms / BLOCK_MS + 2) as u32;
        let shot = Shot {
            path,
            amount_msat: place.amount_msat,
            accountable: place.kind == Kind::Ruin,
            final_blocks,
            overpaid_msat: place.overpaid_msat,
        };
        world.shoot(lane, &shot);
    }

    /// Tries the next way to be let through, and says how long to wait before.
    fn adapt(&mut self, lane: usize) -> u64 {
        let large = self.weapons.large;
        let place = &mut self.lanes[lane];
        place.refusals += 1;
        match place.kind {
            Kind::General => {
                place.exit = (place.exit + 1) % place.exits.len();
                let tried_all = place.refusals.is_multiple_of(place.exits.len() as u32);
                if tried_all && large && place.amount_msat > SMALL_MSAT {
                    place.amount_msat = (place.amount_msat / 2).max(SMALL_MSAT);
                    return SECOND_MS;
                }
                // The ways that honest payments use go first.
                let next_ms = if place.way.len() > 2 { 5 * SECOND_MS } else { 60 * SECOND_MS };
                if tried_all { self.weapons.retry_ms } else { next_ms.min(self.weapons.retry_ms) }
            }
            Kind::Focus => self.weapons.retry_ms.min(HOUR_MS / 2),
            Kind::Ruin => {
                place.overpaid_msat = place.overpaid_msat * 3 / 4;
                if place.overpaid_msat > 0 { SECOND_MS } else { HOUR_MS }
            }
        }
    }

    /// One payment to the attacker itself that leaves fees at the target.
    fn pay(&mut self, world: &mut World, lane: usize) {
        let (path, spend_msat, token) = if lane == BUY {
            (vec![self.camp.gate, self.camp.bought_exit], self.weapons.bought_msat, WAKE_BUY)
        } else {
            let front = &self.camp.inward[0];
            let mut path = front.direct[0].clone();
            path.push(front.exits[0]);
            (path, self.weapons.pump.map_or(0, |pump| pump.spend_msat), WAKE_PUMP)
        };
        let fees: u64 = path[1..]
            .iter()
            .map(|link| world.network.direction(*link).fee_msat(PAID_AMOUNT_MSAT))
            .sum();
        if self.spent_msat + fees > spend_msat {
            return;
        }
        let shot = Shot {
            path,
            amount_msat: PAID_AMOUNT_MSAT,
            accountable: false,
            final_blocks: 18,
            overpaid_msat: 0,
        };
        world.shoot(lane, &shot);
        world.wake_at(world.now_ms + PAID_EVERY_MS, token);
    }

    fn probe(&self, world: &mut World) {
        let shot = Shot {
            path: vec![self.camp.gate, self.camp.bought_exit],
            amount_msat: SMALL_MSAT,
            accountable: true,
            final_blocks: REFUSED_FOR_SURE_BLOCKS,
            overpaid_msat: 0,
        };
        world.shoot(PROBE, &shot);
        world.wake_at(world.now_ms + PROBE_EVERY_MS, WAKE_PROBE);
    }
}

impl Attack for Siege {
    fn begin(&mut self, world: &mut World) {
        let attack_ms = world.times.attack_ms;
        world.wake_at(attack_ms - SIEGE_BEFORE_MS, WAKE_SIEGE);
        let begin_ms =
            attack_ms.saturating_sub(self.weapons.buy_before_ms).max(world.times.begin_ms);
        if self.weapons.bought_msat > 0 {
            world.wake_at(begin_ms, WAKE_BUY);
        }
        if self.weapons.pump.is_some() {
            world.wake_at(begin_ms, WAKE_PUMP);
        }
        if self.weapons.probe {
            world.wake_at(begin_ms, WAKE_PROBE);
        }
        if let Some(every_ms) = self.weapons.restart_every_ms {
            world.wake_at(attack_ms + every_ms / 2, WAKE_RESTART);
        }
    }

    fn wake(&mut self, world: &mut World, token: u64) {
        match token {
            WAKE_SIEGE => self.lay(world),
            WAKE_BUY => self.pay(world, BUY),
            WAKE_PUMP => self.pay(world, PUMP),
            WAKE_PROBE => self.probe(world),
            WAKE_RESTART => {
                world.restart_target();
                let every_ms =
                    self.weapons.restart_every_ms.expect("only an attack with restarts wakes");
                world.wake_at(world.now_ms + every_ms, WAKE_RESTART);
            }
            lane => self.fire(world, lane as usize),
        }
    }

    fn received(&mut self, _: &mut World, lane: usize) -> Reply {
        match lane {
            BUY | PUMP => Reply::Settle { after_ms: 500 },
            PROBE => Reply::Fail { after_ms: 0 },
            _ => Reply::Fail { after_ms: self.lanes[lane].hold_ms },
        }
    }

    fn holds_ms(&mut self, _: &mut World) -> u64 {
        0
    }

    fn done(&mut self, world: &mut World, lane: usize, settled: bool, refused: bool) {
        if lane >= PROBE {
            // The ledger counts the same: what was sent less what arrived.
            if settled {
                self.spent_msat = world.ledger.attack_cost_msat;
            }
            return;
        }
        let wait_ms = if refused {
            self.adapt(lane)
        } else {
            self.lanes[lane].refusals = 0;
            100
        };
        world.wake_at(world.now_ms + wait_ms, lane as u64);
    }
}
