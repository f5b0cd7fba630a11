//! Walks the unit vectors of tests/vectors/resource_manager (FORMAT.md there) through the rules of anything
//! that manages HTLC resources.
#![allow(dead_code)]

use serde_json::{Value, json};

use super::resource_traces::{Allocation, Config, bytes32, config, number};

/// Either average; what is added to the aggregated one answers the accumulated value.
pub trait Average {
    fn add(&mut self, value: i64, unix_secs: u64) -> i64;
    fn value(&mut self, unix_secs: u64) -> i64;
    /// Stored value and time of the last update.
    fn raw(&self) -> (i64, u64);
}

/// One general bucket.
pub trait General {
    fn pair_slots(&self) -> u16;
    fn slot_msat(&self) -> u64;
    /// The slots taken, in order; None if the HTLC does not fit.
    fn add(&mut self, outgoing: u64, amount_msat: u64) -> Option<Vec<u16>>;
    fn remove(&mut self, outgoing: u64, amount_msat: u64) -> bool;
    fn drop_channel(&mut self, outgoing: u64);
    /// In ascending order.
    fn occupied(&self) -> Vec<u16>;
}

/// The arguments of an effective fee, or of a cost.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub period_secs: u64,
    pub held_secs: u64,
    pub fee_msat: u64,
    pub accountable: bool,
    pub settled: bool,
}

/// What a risk is computed from.
#[derive(Clone, Copy, Debug)]
pub struct AtRisk {
    pub period_secs: u64,
    pub fee_msat: u64,
    pub incoming_cltv_expiry: u32,
    pub height_added: u32,
}

/// Whose slots, and how many of how many.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub node_salt: [u8; 32],
    pub incoming: u64,
    pub outgoing: u64,
    pub pair_slots: u16,
    pub total_slots: u16,
}

/// The rules, without channels around them.
pub trait Rules {
    fn decaying(window_secs: u64, start_unix_secs: u64) -> Box<dyn Average>;
    fn aggregated(window_secs: u64, multiplier: u64, start_unix_secs: u64) -> Box<dyn Average>;
    fn opportunity_cost(held: &Held) -> u64;
    fn effective_fee(held: &Held) -> i64;
    fn htlc_risk(at_risk: &AtRisk) -> u64;
    /// Sizes by limits and percentages; the pair's slots and a slot's value do not matter.
    fn allocation(msat: u64, slots: u16, general: u8, congestion: u8) -> Allocation;
    /// None if the bucket is refused.
    fn general(scid: u64, slots: u16, msat: u64, node_salt: [u8; 32]) -> Option<Box<dyn General>>;
    fn pair_salt(node_salt: &[u8; 32], outgoing: u64) -> [u8; 32];
    fn slots(pair: &Pair) -> Option<Vec<u16>>;
    fn misuse_counts(mark_unix_secs: u64, unix_secs: u64) -> bool;
    fn is_valid(config: &Config) -> bool;
}

/// From here on, doubles of two mathematical libraries may round to different integers.
const EXACT_BELOW: u64 = 1 << 50;
/// By how little they may differ, as a power of two.
const DIFFERENCE_SHIFT: u32 = 48;

/// Runs one line of a file `unit_<name>`.
pub fn run<R: Rules>(name: &str, case: &Value) -> Result<(), String> {
    match name {
        "decaying_average" => {
            let start = number(&case["start"]);
            average(R::decaying(number(&case["window_secs"]), start), case)
        }
        "aggregated_average" => {
            let (window, start) = (number(&case["average_secs"]), number(&case["start"]));
            average(R::aggregated(window, number(&case["window_multiplier"]), start), case)
        }
        "fees" => fees::<R>(case),
        "in_flight_risk" => same("the risk", &case["expect"], &json!(R::htlc_risk(&at_risk(case)))),
        "allocation" => allocation::<R>(case),
        "slot_assignment" => slot_assignment::<R>(case),
        "general_bucket" => general_bucket::<R>(case),
        "congestion_misuse" => {
            let counts = R::misuse_counts(number(&case["last_misuse"]), number(&case["t"]));
            same("the mark", &case["expect"], &json!(counts))
        }
        "config" => {
            let valid = R::is_valid(&config(&case["config"]));
            same("the parameters", &case["expect_ok"], &json!(valid))
        }
        other => panic!("there is no unit {other}"),
    }
}

fn same(what: &str, expected: &Value, actual: &Value) -> Result<(), String> {
    match expected == actual {
        true => Ok(()),
        false => Err(format!("{what}: expected {expected}, got {actual}")),
    }
}

fn near(what: &str, expected: &Value, actual: i64) -> Result<(), String> {
    let wanted = expected.as_i64().expect("averages are 64 bit with a sign");
    let size = wanted.unsigned_abs();
    let allowed = if size >= EXACT_BELOW { size >> DIFFERENCE_SHIFT } else { 0 };
    match wanted.abs_diff(actual) <= allowed {
        true => Ok(()),
        false => Err(format!("{what}: expected {expected}, got {actual}")),
    }
}

fn average(mut average: Box<dyn Average>, case: &Value) -> Result<(), String> {
    for (place, op) in calls(case).iter().enumerate() {
        let unix_secs = number(&op["t"]);
        let answer = match op["op"].as_str() {
            Some("add") => average.add(op["value"].as_i64().expect("a value"), unix_secs),
            Some("value") => average.value(unix_secs),
            _ => panic!("an average has no call {op}"),
        };
        near(&format!("call {place}, {op}"), &op["expect"], answer)?;
        let (value, last_update) = average.raw();
        near(&format!("value after call {place}"), &op["raw"][0], value)?;
        same(&format!("time after call {place}"), &op["raw"][1], &json!(last_update))?;
    }
    Ok(())
}

fn fees<R: Rules>(case: &Value) -> Result<(), String> {
    let held = Held {
        period_secs: number(&case["resolution_period_secs"]),
        held_secs: number(&case["resolution_secs"]),
        fee_msat: number(&case["fee_msat"]),
        accountable: case["accountable"] == true,
        settled: case["settled"] == true,
    };
    same("the cost", &case["opportunity_cost"], &json!(R::opportunity_cost(&held)))?;
    same("the fee", &case["effective_fee"], &json!(R::effective_fee(&held)))
}

fn at_risk(case: &Value) -> AtRisk {
    let height = |value| u32::try_from(number(value)).expect("heights are 32 bit");
    AtRisk {
        period_secs: number(&case["resolution_period_secs"]),
        fee_msat: number(&case["fee_msat"]),
        incoming_cltv_expiry: height(&case["incoming_cltv_expiry"]),
        height_added: height(&case["height_added"]),
    }
}

fn allocation<R: Rules>(case: &Value) -> Result<(), String> {
    let percent = |value| u8::try_from(number(value)).expect("percentages are 8 bit");
    let (msat, slots) = (number(&case["max_in_flight_msat"]), slots16(&case["max_accepted_htlcs"]));
    let (general, congestion) = (percent(&case["general_pct"]), percent(&case["congestion_pct"]));
    let sizes = R::allocation(msat, slots, general, congestion);
    let members = [
        ("general_slots", json!(sizes.general_slots)),
        ("general_liquidity_msat", json!(sizes.general_liquidity_msat)),
        ("congestion_slots", json!(sizes.congestion_slots)),
        ("congestion_liquidity_msat", json!(sizes.congestion_liquidity_msat)),
        ("protected_slots", json!(sizes.protected_slots)),
        ("protected_liquidity_msat", json!(sizes.protected_liquidity_msat)),
    ];
    for (name, actual) in members {
        same(name, &case[name], &actual)?;
    }
    let (slots, msat) = (sizes.general_slots, sizes.general_liquidity_msat);
    let bucket = R::general(0, slots, msat, [0; 32]).map(|bucket| {
        json!({"per_channel_slots": bucket.pair_slots(), "per_slot_msat": bucket.slot_msat()})
    });
    same("the general bucket", &case["general_bucket"], &json!(bucket))
}

fn slot_assignment<R: Rules>(case: &Value) -> Result<(), String> {
    let pair = Pair {
        node_salt: bytes32(&case["node_salt"]),
        incoming: number(&case["incoming"]),
        outgoing: number(&case["outgoing"]),
        pair_slots: slots16(&case["per_channel_slots"]),
        total_slots: slots16(&case["total_slots"]),
    };
    if R::pair_salt(&pair.node_salt, pair.outgoing) != bytes32(&case["pair_salt"]) {
        return Err("the salt of the pair is another".to_owned());
    }
    same("the slots", &case["expect"], &json!(R::slots(&pair)))
}

fn general_bucket<R: Rules>(case: &Value) -> Result<(), String> {
    let (slots, msat) = (slots16(&case["total_slots"]), number(&case["total_liquidity_msat"]));
    let node_salt = bytes32(&case["node_salt"]);
    let bucket = R::general(number(&case["scid"]), slots, msat, node_salt);
    let mut bucket = bucket.ok_or("the bucket was refused")?;
    same("the value of a slot", &case["per_slot_msat"], &json!(bucket.slot_msat()))?;
    for (place, op) in calls(case).iter().enumerate() {
        let what = format!("call {place}, {op}");
        let outgoing = number(&op["outgoing"]);
        match op["op"].as_str() {
            Some("add") => {
                let taken = bucket.add(outgoing, number(&op["amount_msat"]));
                same(&what, &op["expect"], &json!(taken))?;
            }
            Some("remove") => {
                let removed = bucket.remove(outgoing, number(&op["amount_msat"]));
                same(&what, &op["expect"], &json!(removed))?;
                same(&what, &op["occupied"], &json!(bucket.occupied()))?;
            }
            Some("drop_channel") => {
                bucket.drop_channel(outgoing);
                same(&what, &op["occupied"], &json!(bucket.occupied()))?;
            }
            _ => panic!("a general bucket has no {what}"),
        }
    }
    Ok(())
}

fn calls(case: &Value) -> &[Value] {
    case["ops"].as_array().expect("a case has calls")
}

fn slots16(value: &Value) -> u16 {
    u16::try_from(number(value)).expect("slots are 16 bit")
}
