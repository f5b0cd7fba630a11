//! Seeded traces in the format of tests/vectors/resource_manager, played by an oracle: what it answers is
//! what the trace expects. The same profile and seed make the same trace.
#![allow(dead_code)]

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::resource_profiles::{Act, CONFIGS, SHAPES, Shape, WEEKS_2_SECS};
use super::resource_traces::{
    Manager, diagnose, digest, final_channels, final_pending, htlc, number, open, perform,
};

#[path = "resource_acts.rs"]
mod acts;

/// The calls between two digests of the state.
const DIGEST_EVERY: usize = 20;

/// A salt, the rest of it zeros, under which the pair of these channels cannot draw 5 slots of 5.
const BARREN_SALT: [u8; 8] = [0xed, 0x36, 0x41, 0x0f, 0x29, 0x1b, 0xf6, 0x65];
const BARREN_PAIR: (u64, u64) = (555, 777);

/// An HTLC that was forwarded and not resolved.
#[derive(Clone)]
struct Live {
    /// The line that added it.
    added: Value,
    in_congestion: bool,
}

/// What the amounts of a channel's HTLCs are chosen around.
#[derive(Clone, Copy)]
struct Bounds {
    pair_slots: u64,
    slot_msat: u64,
    general_msat: u64,
    congestion_slot_msat: u64,
    congestion_msat: u64,
    protected_msat: u64,
}

struct Generator<'a, M: Manager> {
    shape: &'a Shape,
    oracle: M,
    dice: ChaCha8Rng,
    config: Value,
    lines: Vec<Value>,
    calls: usize,
    unix_secs: u64,
    height: u64,
    bounds: BTreeMap<u64, Bounds>,
    open: Vec<u64>,
    /// Closed or gone.
    past: Vec<u64>,
    next_id: BTreeMap<u64, u64>,
    live: Vec<Live>,
    resolved: Vec<Live>,
}

/// The traces that LNKEEP_TRACES and LNKEEP_TRACE_SEED ask for, of all profiles in turn.
pub fn generated<M: Manager>() -> impl Iterator<Item = Vec<Value>> {
    let asked = |name: &str, usual: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => usual,
    };
    let (traces, first_seed) = (asked("LNKEEP_TRACES", 60), asked("LNKEEP_TRACE_SEED", 1));
    (0..traces).map(move |place| {
        let shape = &SHAPES[place as usize % SHAPES.len()];
        generate::<M>(shape, first_seed + place)
    })
}

/// One trace, line by line, its header first.
pub fn generate<M: Manager>(shape: &Shape, seed: u64) -> Vec<Value> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut salt = [0; 32];
    dice.fill_bytes(&mut salt);
    let barren = shape.name == "Small" && seed.is_multiple_of(2);
    if barren {
        salt = [0; 32];
        salt[..BARREN_SALT.len()].copy_from_slice(&BARREN_SALT);
    }
    // In turn, so that a run of traces has them all.
    let turn = seed as usize / SHAPES.len() % CONFIGS.len();
    let config = match shape.name {
        "Config" => CONFIGS[turn],
        _ => (40, 20, 90, WEEKS_2_SECS, 12),
    };
    let config = json!({
        "general_allocation_pct": config.0,
        "congestion_allocation_pct": config.1,
        "resolution_period_secs": config.2,
        "revenue_window_secs": config.3,
        "reputation_multiplier": config.4,
    });
    let header = json!({
        "type": "header",
        "format": 1,
        "name": format!("generated_{}_{seed}", shape.name.to_lowercase()),
        "profile": shape.name,
        "config": config,
        "node_salt": salt.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "digest_every": DIGEST_EVERY,
    });
    let mut generator = Generator {
        shape,
        oracle: open::<M>(&header),
        unix_secs: 1_600_000_000 + dice.next_u64() % 300_000_000,
        height: 700_000 + dice.next_u64() % 200_000,
        dice,
        config,
        lines: vec![header],
        calls: 0,
        bounds: BTreeMap::new(),
        open: Vec::new(),
        past: Vec::new(),
        next_id: BTreeMap::new(),
        live: Vec::new(),
        resolved: Vec::new(),
    };
    if barren {
        generator.add_channel(BARREN_PAIR.0, 20_000_000, 12);
        generator.add_channel(BARREN_PAIR.1, 20_000_000, 12);
    }
    generator.play();
    generator.lines
}

impl<M: Manager> Generator<'_, M> {
    fn play(&mut self) {
        for _ in 0..self.shape.channels {
            self.open_channel();
        }
        let weights: u64 = self.shape.acts.iter().map(|(_, weight)| weight).sum();
        while self.calls < self.shape.calls {
            if self.open.is_empty() {
                // Under some parameters no channel can be opened: the trace is about that.
                self.act(Act::Open);
            }
            let mut left = self.below(weights);
            let chosen = self.shape.acts.iter().find(|(_, weight)| {
                let chosen = left < *weight;
                left = left.saturating_sub(*weight);
                chosen
            });
            let step_secs = self.pick(self.shape.steps_secs);
            self.pass(step_secs);
            self.act(chosen.expect("weights are summed up").0);
        }
        let channels = final_channels(&mut self.oracle);
        let pending = final_pending(&mut self.oracle);
        self.lines.push(json!({
            "type": "final",
            "ops": self.calls,
            "channels": channels,
            "pending": pending,
        }));
    }

    // --- The clock and the dice.

    fn below(&mut self, n: u64) -> u64 {
        self.dice.next_u64() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn pass(&mut self, secs: u64) {
        self.unix_secs += secs;
        self.height += secs / 600;
    }

    /// The time of a call, which lags where the profile is about that.
    fn now(&mut self) -> u64 {
        let lags_secs = self.shape.lags_secs;
        match lags_secs.is_empty() || !self.one_in(3) {
            true => self.unix_secs,
            false => self.unix_secs - self.pick(lags_secs),
        }
    }

    // --- Calls.

    /// Makes a call of the oracle and writes it down; its answer.
    fn call(&mut self, mut line: Value) -> Value {
        line["type"] = json!("op");
        line["i"] = json!(self.calls);
        if line["op"] == "add_htlc"
            && let Some(diagnosis) = diagnose(&mut self.oracle, &line)
        {
            line["diag"] = diagnosis;
        }
        let answer = perform(&mut self.oracle, &line);
        line["expect"] = answer.clone();
        let replayed = line["op"] == "replay";
        self.lines.push(line);
        self.calls += 1;
        if replayed || self.calls.is_multiple_of(DIGEST_EVERY) {
            let channels = digest(&mut self.oracle);
            let after = self.calls - 1;
            self.lines.push(json!({"type": "state", "after": after, "channels": channels}));
        }
        answer
    }

    fn htlc(&mut self, incoming: u64, outgoing: u64, amount_msat: u64, fee_msat: u64) -> Value {
        let blocks = self.pick(&[1, 1, 2, 3, 18, 40, 80, 144, 500, 2_016]);
        let accountable = self.below(100) < self.shape.accountable_percent;
        let unix_secs = self.now();
        json!({
            "op": "add_htlc",
            "t": unix_secs,
            "incoming": incoming,
            "outgoing": outgoing,
            "htlc_id": self.next_id.get(&incoming).copied().unwrap_or(0),
            "incoming_amount_msat": amount_msat,
            "outgoing_amount_msat": amount_msat - fee_msat.min(amount_msat),
            "incoming_cltv_expiry": self.height + blocks,
            "height_added": self.height,
            "incoming_accountable": accountable,
        })
    }

    /// Adds an HTLC; false if it did not come to that or was not forwarded.
    fn add(&mut self, line: Value) -> bool {
        if !self.is_steady(&line) || !self.fits_sums(&line) {
            return false;
        }
        let id = number(&line["htlc_id"]);
        let answer = self.call(line.clone());
        if answer["result"] != "forward" {
            return false;
        }
        let next_id = self.next_id.entry(number(&line["incoming"])).or_insert(0);
        if *next_id == id {
            *next_id += 1;
        }
        self.live.push(Live { added: line, in_congestion: answer["bucket"] == "congestion" });
        true
    }

    /// Resolves what lies in this place of `live`.
    fn resolve(&mut self, place: usize, unix_secs: u64, settled: bool) {
        let added = &self.live[place].added;
        let line = json!({
            "op": "resolve_htlc",
            "t": unix_secs,
            "incoming": added["incoming"],
            "outgoing": added["outgoing"],
            "htlc_id": added["htlc_id"],
            "settled": settled,
        });
        if !self.is_steady(&line) {
            return;
        }
        self.call(line);
        let gone = self.live.remove(place);
        self.resolved.push(gone);
    }

    // --- What the answer may depend on.

    /// Whether the averages that a call reads come out the same if the last bits of a power or an exponential
    /// are others: mathematical libraries differ in them.
    fn is_steady(&mut self, line: &Value) -> bool {
        let states = self.oracle.channels();
        let state = |scid: &Value| states.iter().find(|state| state.channel == number(scid));
        let unix_secs = number(&line["t"]);
        let window_secs = number(&self.config["revenue_window_secs"]) as f64;
        let multiplier = number(&self.config["reputation_multiplier"]) as f64;
        let reputation = state(&line["outgoing"]).is_none_or(|outgoing| {
            let (value, last) = outgoing.reputation;
            let elapsed_secs = unix_secs.saturating_sub(last);
            is_steady_value(value, elapsed_secs, window_secs * multiplier, 1.0)
        });
        let revenue = state(&line["incoming"]).is_none_or(|incoming| {
            let (value, last, start) = incoming.revenue;
            let elapsed_secs = unix_secs.saturating_sub(last);
            let tracked_secs = 6.0 * window_secs;
            let age_secs = unix_secs.saturating_sub(start) as f64;
            let divisor = (6.0 * (1.0 - (-age_secs / tracked_secs).exp())).max(1.0);
            is_steady_value(value, elapsed_secs, tracked_secs, 1.0)
                && is_steady_value(value, elapsed_secs, tracked_secs, divisor)
        });
        reputation && revenue
    }

    /// Whether all the risks of the outgoing channel still fit into a sum of 64 bit.
    fn fits_sums(&mut self, line: &Value) -> bool {
        let diagnosis = self.oracle.diagnose(&htlc(line));
        diagnosis.is_none_or(|diagnosis| {
            let risk_msat = diagnosis.htlc_risk_msat;
            diagnosis.outgoing_in_flight_risk_msat.checked_add(risk_msat).is_some()
        })
    }
}

/// Whether a decayed value, divided, rounds to the same integer for every factor near the true one.
fn is_steady_value(value: i64, elapsed_secs: u64, window_secs: f64, divisor: f64) -> bool {
    let exact = value as f64 * (-(elapsed_secs as f64) / window_secs).exp();
    if divisor == 1.0 && elapsed_secs == 0 {
        return true;
    }
    let decayed = if divisor == 1.0 { exact } else { exact.round() };
    // An exponential of a large argument loses more bits than one of a small one.
    let doubt = (8.0 + elapsed_secs as f64 / window_secs) * f64::EPSILON;
    let quotient = decayed / divisor;
    (quotient * (1.0 - doubt)).round() == (quotient * (1.0 + doubt)).round()
}
