//! How often shares move from peer to peer, and how often they could be restored: 40 peers over 180 days.
//!
//! Some peers are flaky, some lose what they keep, some get better or worse, and some close their channel.
//! Every day the payload changes and keepers are chosen: by the library; by the best score of the day, with
//! no regard to who keeps what; and at random, as CLN chooses its two. Every ten minutes peers come and go;
//! every hour it is asked whether enough of those who are there, or were there within a day, hold shares of
//! the newest generation or of the one before: a node that recovers asks its peers again and again.
//!
//! `cargo run --release --example churn [seeds]` prints a table and fails if the library's choice moves more
//! than half as many shares as the best of the day does, or could not be restored from within a day at more
//! than one hour in ten thousand.

use lnkeep::NodeId;
use lnkeep::backup::choose::{Candidate, Placement, Shape, note_outclassed, place};
use lnkeep::backup::envelope::SizeClass;
use lnkeep::backup::score::{PeerFacts, Record};
use lnkeep::backup::stripe::Code;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const PEERS: usize = 40;
const DAYS: u64 = 180;
/// Days in which uptimes are learned before anything is counted.
const LEARNING_DAYS: u64 = 14;
const DAY_SECS: u64 = 24 * 3_600;
const STEP_SECS: u64 = 600;
const START_SECS: u64 = 1_800_000_000;
const PERMILLE: u64 = 1_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    Library,
    BestOfTheDay,
    Random,
}

struct Dice(ChaCha20Rng);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit.max(1)
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low)
    }
}

/// A share that a peer holds: generation and index.
type Held = (u64, usize);

struct Peer {
    candidate: Candidate,
    /// How much of the time it is there.
    availability_permille: u64,
    outage_steps: u64,
    /// Days between two losses of what it keeps.
    days_to_loss: u64,
    is_connected: bool,
    connected_at_secs: u64,
    /// The newest share, and the one before it if that is of the generation before.
    held: Vec<Held>,
    /// Times of its losses.
    losses_secs: Vec<u64>,
}

impl Peer {
    fn new(number: u8, dice: &mut Dice) -> Peer {
        let mut id = [2; 33];
        id[32] = number;
        let facts = PeerFacts {
            capacity_sat: 1_000_000 << dice.below(7),
            channel_age_secs: dice.below(400) * DAY_SECS,
            has_open_channel: true,
            is_announced: dice.below(5) != 0,
            operator: None,
            software: 1 + (dice.below(4) as u8),
            address: match dice.below(3) {
                0 => vec![4; 38],
                _ => vec![1, number, number, 1, 1, 0x26, 0x07],
            },
            ..PeerFacts::default()
        };
        let candidate = Candidate {
            node: NodeId(id),
            facts: Some(facts),
            record: Record::default(),
            offers_storage: Some(true),
            is_unreadable: false,
            is_small: false,
            outclassed_since_secs: None,
        };
        let mut peer = Peer {
            candidate,
            availability_permille: 0,
            outage_steps: 0,
            days_to_loss: if dice.below(6) == 0 { 20 } else { 2_000 },
            is_connected: true,
            connected_at_secs: START_SECS,
            held: Vec::new(),
            losses_secs: Vec::new(),
        };
        peer.become_another(dice);
        peer
    }

    fn become_another(&mut self, dice: &mut Dice) {
        self.availability_permille = match dice.below(4) {
            0 => dice.between(500, 800),
            1 => dice.between(980, 1_000),
            _ => dice.between(850, 980),
        };
        self.outage_steps = dice.between(3, 60);
    }

    /// Ten minutes: outages last `outage_steps` on average, and come as often as availability says.
    fn step(&mut self, now_secs: u64, dice: &mut Dice) {
        let down_permille = PERMILLE - self.availability_permille;
        let odds = match self.is_connected {
            true => (self.outage_steps * self.availability_permille, down_permille),
            false => (self.outage_steps, 1),
        };
        if dice.below(odds.0) < odds.1 {
            self.is_connected = !self.is_connected;
        }
        if self.is_connected {
            self.connected_at_secs = now_secs;
        }
        self.candidate.record.uptime.observe(now_secs, self.is_connected);
    }

    fn end_day(&mut self, now_secs: u64, dice: &mut Dice) {
        if dice.below(120) == 0 {
            self.become_another(dice);
        }
        let record = &mut self.candidate.record;
        if let Some(facts) = &mut self.candidate.facts {
            facts.channel_age_secs += DAY_SECS;
            if facts.has_open_channel && dice.below(700) == 0 {
                facts.has_open_channel = false;
            } else if !facts.has_open_channel && dice.below(30) == 0 {
                (facts.has_open_channel, facts.channel_age_secs) = (true, 0);
            }
        }
        if !self.held.is_empty() && dice.below(self.days_to_loss) == 0 {
            self.held.clear();
            self.losses_secs.push(now_secs);
            record.strikes += 1;
        } else if !self.held.is_empty() {
            record.commits += 1;
        }
        let recent = self.losses_secs.iter().filter(|at| now_secs - **at < 30 * DAY_SECS).count();
        record.recent_strikes = recent.min(3) as u32;
    }

    fn receive(&mut self, generation: u64, index: usize) {
        if self.held.first().is_some_and(|held| *held == (generation, index)) {
            return;
        }
        self.held.retain(|held| held.0 + 1 == generation);
        self.held.truncate(1);
        self.held.insert(0, (generation, index));
    }
}

#[derive(Default)]
struct Outcome {
    moves: u64,
    keepers: u64,
    hours: u64,
    at_once: u64,
    within_a_day: u64,
}

struct Simulation {
    peers: Vec<Peer>,
    dice: Dice,
    shape: Shape,
    placement: Placement,
    generation: u64,
    outcome: Outcome,
}

impl Simulation {
    fn new(seed: u64, shape: Shape) -> Simulation {
        let mut dice = Dice(ChaCha20Rng::seed_from_u64(seed));
        let peers = (0..PEERS).map(|number| Peer::new(number as u8, &mut dice)).collect();
        let placement = Placement::default();
        Simulation { peers, dice, shape, placement, generation: 0, outcome: Outcome::default() }
    }

    fn choose(&mut self, choice: Choice, now_secs: u64) -> Placement {
        let mut candidates: Vec<_> = self.peers.iter().map(|peer| peer.candidate.clone()).collect();
        match choice {
            Choice::Library => {
                note_outclassed(&mut candidates, &self.placement, self.shape.class, now_secs);
                for (peer, candidate) in self.peers.iter_mut().zip(&candidates) {
                    peer.candidate.outclassed_since_secs = candidate.outclassed_since_secs;
                }
                place(&self.placement, &candidates, self.shape, now_secs).placement
            }
            Choice::BestOfTheDay => {
                place(&Placement::default(), &candidates, self.shape, now_secs).placement
            }
            Choice::Random => {
                let mut able: Vec<_> = candidates
                    .iter()
                    .filter(|peer| peer.facts.as_ref().is_some_and(|facts| facts.has_open_channel))
                    .collect();
                let mut placement = Placement::default();
                for index in 0..self.shape.code.shares().min(able.len()) {
                    let drawn = able.swap_remove(self.dice.below(able.len() as u64) as usize);
                    placement.set(index, Some(drawn.node));
                }
                placement
            }
        }
    }

    fn run(mut self, choice: Choice) -> Outcome {
        for day in 0..LEARNING_DAYS + DAYS {
            let counts = day >= LEARNING_DAYS;
            for step in 0..DAY_SECS / STEP_SECS {
                let now_secs = START_SECS + day * DAY_SECS + step * STEP_SECS;
                for peer in &mut self.peers {
                    peer.step(now_secs, &mut self.dice);
                }
                self.send();
                if counts && step % 6 == 0 {
                    self.ask(now_secs);
                }
            }
            let now_secs = START_SECS + (day + 1) * DAY_SECS;
            for peer in &mut self.peers {
                peer.end_day(now_secs, &mut self.dice);
            }
            let chosen = self.choose(choice, now_secs);
            let stays = |(_, node): &(usize, NodeId)| self.placement.index_of(*node).is_some();
            let newcomers = chosen.iter().filter(|keeper| !stays(keeper)).count() as u64;
            if counts {
                self.outcome.moves += newcomers;
                self.outcome.keepers += chosen.iter().count() as u64;
            }
            self.placement = chosen;
            self.generation += 1;
        }
        self.outcome
    }

    fn send(&mut self) {
        for peer in self.peers.iter_mut().filter(|peer| peer.is_connected) {
            if let Some(index) = self.placement.index_of(peer.candidate.node) {
                peer.receive(self.generation, index);
            }
        }
    }

    fn ask(&mut self, now_secs: u64) {
        let since = |secs: u64| {
            let is_there = move |peer: &&Peer| now_secs - peer.connected_at_secs <= secs;
            let generations = [Some(self.generation), self.generation.checked_sub(1)];
            generations.into_iter().flatten().any(|generation| {
                let shares = self.peers.iter().filter(is_there).flat_map(|peer| &peer.held);
                let mut indexes: Vec<_> =
                    shares.filter(|held| held.0 == generation).map(|held| held.1).collect();
                indexes.sort_unstable();
                indexes.dedup();
                indexes.len() >= self.shape.code.data_shares()
            })
        };
        let (at_once, within_a_day) = (since(0), since(DAY_SECS));
        self.outcome.hours += 1;
        self.outcome.at_once += u64::from(at_once);
        self.outcome.within_a_day += u64::from(within_a_day);
    }
}

/// `part / whole` with so many digits after the point.
fn decimal(part: u64, whole: u64, digits: u32) -> String {
    let scaled = part.saturating_mul(10_u64.pow(digits)) / whole.max(1);
    let unit = 10_u64.pow(digits);
    format!("{}.{:0width$}", scaled / unit, scaled % unit, width = digits as usize)
}

fn run(choice: Choice, shape: Shape, seeds: u64) -> Outcome {
    let mut sum = Outcome::default();
    for seed in 1..=seeds {
        let outcome = Simulation::new(seed, shape).run(choice);
        sum.moves += outcome.moves;
        sum.keepers += outcome.keepers;
        sum.hours += outcome.hours;
        sum.at_once += outcome.at_once;
        sum.within_a_day += outcome.within_a_day;
    }
    sum
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seeds = std::env::args().nth(1).map_or(Ok(5), |seeds| seeds.parse::<u64>())?;
    println!("{PEERS} peers, {DAYS} days, seeds 1 to {seeds}");
    println!(
        "  k of n  choice             moves per place and year  restore: at once     within a day"
    );
    let mut is_worse = false;
    for (data_shares, shares) in [(1, 3), (2, 5), (3, 8), (4, 10)] {
        let shape = Shape { code: Code::new(data_shares, shares)?, class: SizeClass::Bytes65531 };
        let choices = [
            (Choice::Library, "this library"),
            (Choice::BestOfTheDay, "best of the day"),
            (Choice::Random, "random"),
        ];
        let outcomes = choices.map(|(choice, name)| (run(choice, shape, seeds), name));
        for (outcome, name) in &outcomes {
            println!(
                "  {data_shares} of {shares:<3} {name:<18} {:>24}  {:>15}  {:>17}",
                decimal(outcome.moves * 365, outcome.keepers, 2),
                decimal(outcome.at_once, outcome.hours, 5),
                decimal(outcome.within_a_day, outcome.hours, 5),
            );
        }
        let [(library, _), (best, _), _] = &outcomes;
        let ratio = decimal(best.moves, library.moves, 1);
        println!("           without hysteresis {ratio} times as many shares move");
        is_worse |= 2 * library.moves > best.moves;
        is_worse |= 10_000 * (library.hours - library.within_a_day) > library.hours;
    }
    match is_worse {
        true => Err("the library's choice is worse than it has to be".into()),
        false => Ok(()),
    }
}
