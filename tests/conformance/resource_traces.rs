//! Walks the traces of tests/vectors/resource_manager (FORMAT.md there) through anything that manages HTLC
//! resources: each call, each digest of the state and the end must be what the trace says, to the last msat.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// The parameters in the header of a trace.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub general_percent: u8,
    pub congestion_percent: u8,
    pub resolution_period_secs: u64,
    pub revenue_window_secs: u64,
    pub reputation_multiplier: u32,
}

/// What became of a channel's limits.
#[derive(Clone, Copy, Debug)]
pub struct Allocation {
    pub general_slots: u16,
    pub general_liquidity_msat: u64,
    pub pair_slots: u16,
    pub slot_msat: u64,
    pub congestion_slots: u16,
    pub congestion_liquidity_msat: u64,
    pub protected_slots: u16,
    pub protected_liquidity_msat: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct AddHtlc {
    pub unix_secs: u64,
    pub incoming: u64,
    pub outgoing: u64,
    pub htlc_id: u64,
    pub incoming_amount_msat: u64,
    pub outgoing_amount_msat: u64,
    pub incoming_cltv_expiry: u32,
    pub height_added: u32,
    pub incoming_accountable: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct ResolveHtlc {
    pub unix_secs: u64,
    pub incoming: u64,
    pub outgoing: u64,
    pub htlc_id: u64,
    pub settled: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Bucket {
    General,
    Congestion,
    Protected,
}

#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    Forward { accountable: bool, bucket: Bucket },
    Fail,
}

#[derive(Clone, Copy, Debug)]
pub enum Removal {
    Removed,
    Closing,
}

#[derive(Clone, Copy, Debug)]
pub enum Resolution {
    Resolved,
    IgnoredFailedReplay,
}

/// What a replay of pending HTLCs came to; the first error ended it.
#[derive(Clone, Debug)]
pub struct Replayed {
    pub outcomes: Vec<Verdict>,
    pub aborted_by: Option<Refused>,
}

/// The inputs of the reputation check.
#[derive(Clone, Copy, Debug)]
pub struct Diagnosis {
    pub fee_msat: u64,
    pub htlc_risk_msat: u64,
    pub outgoing_reputation_msat: i64,
    pub outgoing_in_flight_risk_msat: u64,
    pub incoming_revenue_msat: i64,
    pub sufficient_reputation: bool,
    pub outgoing_uses_congestion: bool,
}

/// The stored state of a channel, averages as they lie there and not as of now.
#[derive(Clone, Debug)]
pub struct ChannelState {
    pub channel: u64,
    pub closed: bool,
    /// Value and time of the last update.
    pub reputation: (i64, u64),
    /// Accumulated value, time of the last update, start.
    pub revenue: (i64, u64, u64),
    pub in_flight_risk_msat: u64,
    pub pending: u64,
    /// Slots and msat in use.
    pub congestion: (u16, u64),
    pub protected: (u16, u64),
    pub general_occupied: BTreeSet<u16>,
    /// By outgoing channel, pairs that occupy none left out.
    pub general_used: BTreeMap<u64, BTreeSet<u16>>,
    pub misuse: BTreeMap<u64, u64>,
    /// By outgoing channel, in the order of generation.
    pub general_assigned: BTreeMap<u64, Vec<u16>>,
}

#[derive(Clone, Copy, Debug)]
pub struct PendingState {
    pub outgoing: u64,
    pub incoming: u64,
    pub htlc_id: u64,
    pub incoming_amount_msat: u64,
    pub fee_msat: u64,
    pub accountable: bool,
    pub unix_secs: u64,
    pub in_flight_risk_msat: u64,
    pub bucket: Bucket,
}

/// The kind of an error, as FORMAT.md names it.
pub type Refused = &'static str;

/// What a trace is walked through.
pub trait Manager: Sized {
    /// Whether `lossy_restart` and `replay` exist; without them the traces of profile Replay are skipped.
    const REPLAYS: bool;

    fn open(config: Config, node_salt: [u8; 32]) -> Self;
    fn add_channel(
        &mut self,
        channel: u64,
        max_in_flight_msat: u64,
        max_accepted_htlcs: u16,
        unix_secs: u64,
    ) -> Result<Allocation, Refused>;
    fn remove_channel(&mut self, channel: u64) -> Result<Removal, Refused>;
    fn add_htlc(&mut self, htlc: &AddHtlc) -> Result<Verdict, Refused>;
    fn resolve_htlc(&mut self, htlc: &ResolveHtlc) -> Result<Resolution, Refused>;
    /// Stops and starts again from durable storage.
    fn restart(&mut self);
    /// Keeps channels, averages and marks and loses what is pending.
    fn lossy_restart(&mut self);
    fn replay(&mut self, htlcs: &[AddHtlc]) -> Replayed;
    /// What the reputation check of this HTLC would see, asked before it is added; changes nothing. None if
    /// there is no such question.
    fn diagnose(&mut self, htlc: &AddHtlc) -> Option<Diagnosis>;
    /// Every channel, by id.
    fn channels(&mut self) -> Vec<ChannelState>;
    /// Every pending HTLC, by outgoing channel, incoming channel and id.
    fn pending(&mut self) -> Vec<PendingState>;
}

/// How much of a trace was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    pub calls: usize,
    pub digests: usize,
    pub diagnoses: usize,
}

/// Why a trace did not end well.
#[derive(Debug)]
pub enum Stopped {
    Differs(String),
    Skipped(String),
}

/// Walks one trace, a JSON object per element, from its header to its final line.
pub fn walk<M: Manager>(lines: &[Value]) -> Result<Walked, Stopped> {
    let (header, rest) = lines.split_first().expect("a trace begins with a header");
    assert_eq!(header["type"], "header", "a trace begins with a header");
    assert_eq!(header["format"], 1, "the format of a trace is 1");
    if header["profile"] == "Replay" && !M::REPLAYS {
        return Err(Stopped::Skipped("recovery is exact: nothing is replayed".to_owned()));
    }
    let mut manager = open::<M>(header);
    let mut walked = Walked::default();
    let mut ended = false;
    for line in rest {
        assert!(!ended, "nothing follows the final line");
        match text(&line["type"]) {
            "op" => walk_call(&mut manager, line, &mut walked)?,
            "state" => {
                let actual = digest(&mut manager);
                let place = || format!("the state after {}", line["after"]);
                same(place, &sorted(&line["channels"]), &actual)?;
                walked.digests += 1;
            }
            "final" => {
                walk_end(&mut manager, line)?;
                assert_eq!(line["ops"], walked.calls, "every call of the trace was made");
                ended = true;
            }
            other => panic!("a trace has no line of type {other}"),
        }
    }
    assert!(ended, "a trace ends with a final line");
    Ok(walked)
}

pub fn open<M: Manager>(header: &Value) -> M {
    M::open(config(&header["config"]), bytes32(&header["node_salt"]))
}

fn walk_call<M: Manager>(
    manager: &mut M,
    line: &Value,
    walked: &mut Walked,
) -> Result<(), Stopped> {
    assert_eq!(line["i"], walked.calls, "calls are numbered from 0");
    let place = |what: &str| format!("{what} of call {}, {}", line["i"], arguments(line));
    if let Some(expected) = line.get("diag")
        && let Some(actual) = diagnose(manager, line)
    {
        same(|| place("diagnosis"), expected, &actual)?;
        walked.diagnoses += 1;
    }
    let actual = perform(manager, line);
    same(|| place("answer"), &line["expect"], &actual)?;
    walked.calls += 1;
    Ok(())
}

fn walk_end<M: Manager>(manager: &mut M, line: &Value) -> Result<(), Stopped> {
    let place = |what: &str| format!("{what} at the end");
    same(|| place("channels"), &sorted(&line["channels"]), &final_channels(manager))?;
    same(|| place("pending HTLCs"), &line["pending"], &final_pending(manager))
}

fn same(place: impl Fn() -> String, expected: &Value, actual: &Value) -> Result<(), Stopped> {
    if expected == actual {
        return Ok(());
    }
    let (expected, actual) = first_difference(expected, actual);
    Err(Stopped::Differs(format!("{}: expected {expected}, got {actual}", place())))
}

/// The first elements of two arrays that differ, or both values whole.
fn first_difference<'a>(expected: &'a Value, actual: &'a Value) -> (&'a Value, &'a Value) {
    if let (Value::Array(left), Value::Array(right)) = (expected, actual)
        && left.len() == right.len()
    {
        let both = left.iter().zip(right).find(|(left, right)| left != right);
        return both.unwrap_or((expected, actual));
    }
    (expected, actual)
}

/// Makes the call of a line and answers what stands in its `expect`.
pub fn perform<M: Manager>(manager: &mut M, line: &Value) -> Value {
    match text(&line["op"]) {
        "add_channel" => {
            let slots =
                u16::try_from(number(&line["max_accepted_htlcs"])).expect("slots are 16 bit");
            let in_flight_msat = number(&line["max_in_flight_msat"]);
            let channel = number(&line["channel"]);
            let added = manager.add_channel(channel, in_flight_msat, slots, number(&line["t"]));
            answer(added.map(|allocation| json!({"ok": true, "allocation": allocated(allocation)})))
        }
        "remove_channel" => {
            answer(manager.remove_channel(number(&line["channel"])).map(|removal| {
                let result = match removal {
                    Removal::Removed => "removed",
                    Removal::Closing => "closing",
                };
                json!({"ok": true, "result": result})
            }))
        }
        "add_htlc" => answer(manager.add_htlc(&htlc(line)).map(|verdict| {
            let mut forwarded = outcome(verdict);
            forwarded["ok"] = json!(true);
            forwarded
        })),
        "resolve_htlc" => answer(manager.resolve_htlc(&resolution(line)).map(|resolution| {
            let result = match resolution {
                Resolution::Resolved => "resolved",
                Resolution::IgnoredFailedReplay => "ignored_failed_replay",
            };
            json!({"ok": true, "result": result})
        })),
        "restart" => restart(manager),
        "lossy_restart" => {
            manager.lossy_restart();
            json!({"ok": true})
        }
        "replay" => {
            let htlcs = line["htlcs"].as_array().expect("a replay has HTLCs");
            let replayed = manager.replay(&htlcs.iter().map(htlc).collect::<Vec<_>>());
            let outcomes: Vec<_> = replayed.outcomes.into_iter().map(outcome).collect();
            json!({"outcomes": outcomes, "aborted_by": replayed.aborted_by})
        }
        other => panic!("a trace has no call {other}"),
    }
}

/// A restart leaves all that can be seen as it was, slot tables and pending HTLCs included.
fn restart<M: Manager>(manager: &mut M) -> Value {
    let before = (final_channels(manager), final_pending(manager));
    manager.restart();
    let after = (final_channels(manager), final_pending(manager));
    json!({"state_unchanged": before == after})
}

fn answer(result: Result<Value, Refused>) -> Value {
    result.unwrap_or_else(|kind| json!({"ok": false, "error": kind}))
}

/// What stands in the `diag` of a line.
pub fn diagnose<M: Manager>(manager: &mut M, line: &Value) -> Option<Value> {
    let diagnosis = manager.diagnose(&htlc(line))?;
    Some(json!({
        "fee_msat": diagnosis.fee_msat,
        "htlc_risk": diagnosis.htlc_risk_msat,
        "outgoing_reputation": diagnosis.outgoing_reputation_msat,
        "outgoing_in_flight_risk": diagnosis.outgoing_in_flight_risk_msat,
        "incoming_revenue": diagnosis.incoming_revenue_msat,
        "sufficient_reputation": diagnosis.sufficient_reputation,
        "outgoing_uses_congestion": diagnosis.outgoing_uses_congestion,
    }))
}

/// The channels of a state line.
pub fn digest<M: Manager>(manager: &mut M) -> Value {
    manager.channels().iter().map(channel_digest).collect()
}

/// The channels of the final line.
pub fn final_channels<M: Manager>(manager: &mut M) -> Value {
    let channels = manager.channels();
    let whole = channels.iter().map(|channel| {
        let mut digest = channel_digest(channel);
        digest["general_assigned"] = keyed(&channel.general_assigned, |slots| json!(slots));
        digest
    });
    whole.collect()
}

/// The pending HTLCs of the final line.
pub fn final_pending<M: Manager>(manager: &mut M) -> Value {
    let pending = manager.pending();
    let members = pending.iter().map(|htlc| {
        json!({
            "outgoing": htlc.outgoing,
            "incoming": htlc.incoming,
            "htlc_id": htlc.htlc_id,
            "incoming_amount_msat": htlc.incoming_amount_msat,
            "fee_msat": htlc.fee_msat,
            "accountable": htlc.accountable,
            "t": htlc.unix_secs,
            "in_flight_risk": htlc.in_flight_risk_msat,
            "bucket": bucket_name(htlc.bucket),
        })
    });
    members.collect()
}

fn channel_digest(state: &ChannelState) -> Value {
    json!({
        "id": state.channel,
        "closed": state.closed,
        "reputation": [json!(state.reputation.0), json!(state.reputation.1)],
        "revenue": [json!(state.revenue.0), json!(state.revenue.1), json!(state.revenue.2)],
        "in_flight_risk": state.in_flight_risk_msat,
        "pending": state.pending,
        "congestion": [json!(state.congestion.0), json!(state.congestion.1)],
        "protected": [json!(state.protected.0), json!(state.protected.1)],
        "general_occupied": state.general_occupied,
        "general_used": keyed(&state.general_used, |slots| json!(slots)),
        "misuse": keyed(&state.misuse, |unix_secs| json!(unix_secs)),
    })
}

fn keyed<T>(by_channel: &BTreeMap<u64, T>, value: impl Fn(&T) -> Value) -> Value {
    let members = by_channel.iter().map(|(channel, member)| (channel.to_string(), value(member)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// Expected channels with the members that are sets in the order in which they are compared.
fn sorted(channels: &Value) -> Value {
    let sort = |slots: &mut Value| {
        slots.as_array_mut().expect("slots are an array").sort_by_key(|slot| slot.as_u64());
    };
    let mut channels = channels.clone();
    for channel in channels.as_array_mut().expect("channels are an array") {
        sort(&mut channel["general_occupied"]);
        let used = channel["general_used"].as_object_mut().expect("slots are kept by channel");
        used.values_mut().for_each(sort);
    }
    channels
}

fn allocated(allocation: Allocation) -> Value {
    json!({
        "general_slots": allocation.general_slots,
        "general_liquidity_msat": allocation.general_liquidity_msat,
        "per_channel_slots": allocation.pair_slots,
        "per_slot_msat": allocation.slot_msat,
        "congestion_slots": allocation.congestion_slots,
        "congestion_liquidity_msat": allocation.congestion_liquidity_msat,
        "protected_slots": allocation.protected_slots,
        "protected_liquidity_msat": allocation.protected_liquidity_msat,
    })
}

fn outcome(verdict: Verdict) -> Value {
    match verdict {
        Verdict::Fail => json!({"result": "fail"}),
        Verdict::Forward { accountable, bucket } => {
            json!({"result": "forward", "accountable": accountable, "bucket": bucket_name(bucket)})
        }
    }
}

fn bucket_name(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::General => "general",
        Bucket::Congestion => "congestion",
        Bucket::Protected => "protected",
    }
}

/// What a call was made with, for a message.
fn arguments(line: &Value) -> Value {
    let mut line = line.clone();
    let members = line.as_object_mut().expect("a line is an object");
    for other in ["type", "i", "expect", "diag"] {
        members.remove(other);
    }
    line
}

pub fn htlc(line: &Value) -> AddHtlc {
    let height = |value| u32::try_from(number(value)).expect("heights are 32 bit");
    AddHtlc {
        unix_secs: number(&line["t"]),
        incoming: number(&line["incoming"]),
        outgoing: number(&line["outgoing"]),
        htlc_id: number(&line["htlc_id"]),
        incoming_amount_msat: number(&line["incoming_amount_msat"]),
        outgoing_amount_msat: number(&line["outgoing_amount_msat"]),
        incoming_cltv_expiry: height(&line["incoming_cltv_expiry"]),
        height_added: height(&line["height_added"]),
        incoming_accountable: flag(&line["incoming_accountable"]),
    }
}

fn resolution(line: &Value) -> ResolveHtlc {
    ResolveHtlc {
        unix_secs: number(&line["t"]),
        incoming: number(&line["incoming"]),
        outgoing: number(&line["outgoing"]),
        htlc_id: number(&line["htlc_id"]),
        settled: flag(&line["settled"]),
    }
}

pub fn config(members: &Value) -> Config {
    let percent = |value| u8::try_from(number(value)).expect("percentages are 8 bit");
    let multiplier = number(&members["reputation_multiplier"]);
    Config {
        general_percent: percent(&members["general_allocation_pct"]),
        congestion_percent: percent(&members["congestion_allocation_pct"]),
        resolution_period_secs: number(&members["resolution_period_secs"]),
        revenue_window_secs: number(&members["revenue_window_secs"]),
        reputation_multiplier: u32::try_from(multiplier).expect("the multiplier is 32 bit"),
    }
}

pub fn bytes32(hex: &Value) -> [u8; 32] {
    let hex = text(hex);
    assert_eq!(hex.len(), 64, "32 bytes are 64 hex digits");
    std::array::from_fn(|place| {
        u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).expect("a hex digit")
    })
}

pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number of 64 bit"))
}

fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| panic!("{value} is neither true nor false"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
