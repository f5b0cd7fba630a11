//! What generated traces reach: answers, and the edges that answers change at.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::resource_profiles::WEEKS_2_SECS;
use super::resource_traces::number;

/// What some trace must have. Of the errors, only the one that never occurs is missing.
pub const WANTED: &[&str] = &[
    "add_channel ok",
    "add_channel htlc_count_above_protocol_limit",
    "add_channel in_flight_above_supply",
    "add_channel htlc_count_too_small",
    "add_channel in_flight_too_small",
    "add_channel channel_exists",
    "add_channel general_bucket_too_small",
    "remove_channel removed",
    "remove_channel closing",
    "remove_channel unknown_channel",
    "add_htlc outgoing_amount_exceeds_incoming",
    "add_htlc expiry_not_after_height",
    "add_htlc unknown_outgoing_channel",
    "add_htlc outgoing_channel_closed",
    "add_htlc duplicate_htlc",
    "add_htlc unknown_incoming_channel",
    "add_htlc incoming_channel_closed",
    "add_htlc slot_assignment_failed",
    "add_htlc fail",
    "general unaccountable",
    "general accountable",
    "protected accountable",
    "congestion accountable",
    "resolve_htlc resolved",
    "resolve_htlc ignored_failed_replay",
    "resolve_htlc unknown_outgoing_channel",
    "resolve_htlc unknown_htlc",
    "resolve_htlc resolved_before_added",
    "restart ok",
    "lossy_restart ok",
    "replay ok",
    "replay aborted",
    "replay fail",
    "a risk that leaves exactly the threshold",
    "a risk that leaves one less than the threshold",
    "an HTLC of exactly the slots of a pair",
    "an HTLC of one msat more than the slots of a pair",
    "a channel through itself",
    "a clock that went back",
    "an id that was opened again",
    "ids with the same high half",
    "one id pending on two outgoing channels",
    "a mark one second short of two weeks",
    "a mark of exactly two weeks",
    "a hold of exactly the resolution period",
    "a hold one second over the resolution period",
    "an amount near all bitcoin",
];

pub type Reached = BTreeMap<String, usize>;

/// What is known of a trace while its lines are read.
#[derive(Default)]
struct Reader {
    period_secs: u64,
    unix_secs: u64,
    /// Slots of a pair times what one is worth, by channel.
    pair_msat: BTreeMap<u64, u64>,
    opened: BTreeSet<u64>,
    /// By incoming channel, id and outgoing channel: when it was added, and whether to congestion.
    pending: BTreeMap<(u64, u64, u64), (u64, bool)>,
    /// By incoming and outgoing channel.
    marks: BTreeMap<(u64, u64), u64>,
}

/// Counts what a trace reaches.
pub fn count(trace: &[Value], reached: &mut Reached) {
    let period_secs = number(&trace[0]["config"]["resolution_period_secs"]);
    let mut reader = Reader { period_secs, ..Reader::default() };
    for line in trace.iter().filter(|line| line["type"] == "op") {
        for name in answers(line).into_iter().chain(reader.edges(line)) {
            *reached.entry(name).or_default() += 1;
        }
    }
}

fn answers(line: &Value) -> Vec<String> {
    let op = line["op"].as_str().expect("a call has a name");
    let expect = &line["expect"];
    let kind = expect["error"].as_str().or(expect["result"].as_str()).unwrap_or("ok");
    let mut names = vec![format!("{op} {kind}")];
    if let Some(bucket) = expect["bucket"].as_str() {
        let signal = if expect["accountable"] == true { "accountable" } else { "unaccountable" };
        names.push(format!("{bucket} {signal}"));
    }
    if !expect["aborted_by"].is_null() {
        names.push("replay aborted".to_owned());
    }
    let outcomes = expect["outcomes"].as_array();
    if outcomes.is_some_and(|outcomes| outcomes.iter().any(|one| one["result"] == "fail")) {
        names.push("replay fail".to_owned());
    }
    names
}

impl Reader {
    fn edges(&mut self, line: &Value) -> Vec<String> {
        let mut edges = Vec::new();
        if let Some(unix_secs) = line["t"].as_u64() {
            if unix_secs < self.unix_secs {
                edges.push("a clock that went back");
            }
            self.unix_secs = unix_secs;
        }
        match line["op"].as_str() {
            Some("add_channel") => self.channel_edges(line, &mut edges),
            Some("add_htlc") => self.htlc_edges(line, &mut edges),
            Some("resolve_htlc") => self.resolution_edges(line, &mut edges),
            _ => {}
        }
        edges.into_iter().map(str::to_owned).collect()
    }

    fn channel_edges(&mut self, line: &Value, edges: &mut Vec<&str>) {
        let Some(sizes) = line["expect"].get("allocation") else {
            return;
        };
        let channel = number(&line["channel"]);
        if self.opened.iter().any(|known| *known != channel && known >> 32 == channel >> 32) {
            edges.push("ids with the same high half");
        }
        if !self.opened.insert(channel) {
            edges.push("an id that was opened again");
        }
        let pair_slots = number(&sizes["per_channel_slots"]);
        let pair_msat = pair_slots.saturating_mul(number(&sizes["per_slot_msat"]));
        self.pair_msat.insert(channel, pair_msat);
    }

    fn htlc_edges(&mut self, line: &Value, edges: &mut Vec<&str>) {
        if let Some(diagnosis) = line.get("diag") {
            let signed = |name: &str| i128::from(diagnosis[name].as_i64().unwrap_or(i64::MAX));
            let taken = signed("outgoing_in_flight_risk") + signed("htlc_risk");
            let left = signed("outgoing_reputation") - taken - signed("incoming_revenue");
            match (signed("htlc_risk"), left) {
                (1.., 0) => edges.push("a risk that leaves exactly the threshold"),
                (1.., -1) => edges.push("a risk that leaves one less than the threshold"),
                _ => {}
            }
        }
        let (incoming, outgoing) = (number(&line["incoming"]), number(&line["outgoing"]));
        let amount_msat = number(&line["incoming_amount_msat"]);
        if let Some(pair_msat) = self.pair_msat.get(&incoming).copied() {
            if amount_msat == pair_msat && line["expect"]["bucket"] == "general" {
                edges.push("an HTLC of exactly the slots of a pair");
            }
            if pair_msat.checked_add(1) == Some(amount_msat) {
                edges.push("an HTLC of one msat more than the slots of a pair");
            }
        }
        let congestion = line["expect"]["bucket"] == "congestion";
        let mark = self.marks.get(&(incoming, outgoing)).copied();
        let age_secs = mark.and_then(|mark| number(&line["t"]).checked_sub(mark));
        if age_secs == Some(WEEKS_2_SECS - 1) && line["expect"]["result"] == "fail" {
            edges.push("a mark one second short of two weeks");
        }
        if age_secs == Some(WEEKS_2_SECS) && congestion {
            edges.push("a mark of exactly two weeks");
        }
        if line["expect"]["result"] != "forward" {
            return;
        }
        if incoming == outgoing {
            edges.push("a channel through itself");
        }
        if amount_msat > 100_000_000_000_000_000 {
            edges.push("an amount near all bitcoin");
        }
        let htlc_id = number(&line["htlc_id"]);
        let ids = (incoming, htlc_id, 0)..=(incoming, htlc_id, u64::MAX);
        if self.pending.range(ids).next().is_some() {
            edges.push("one id pending on two outgoing channels");
        }
        self.pending.insert((incoming, htlc_id, outgoing), (number(&line["t"]), congestion));
    }

    fn resolution_edges(&mut self, line: &Value, edges: &mut Vec<&str>) {
        let name = |name: &str| number(&line[name]);
        let key = (name("incoming"), name("htlc_id"), name("outgoing"));
        let Some((added_unix_secs, congestion)) = self.pending.remove(&key) else {
            return;
        };
        let held_secs = name("t").saturating_sub(added_unix_secs);
        if held_secs == self.period_secs {
            edges.push("a hold of exactly the resolution period");
        }
        if held_secs == self.period_secs + 1 {
            edges.push("a hold one second over the resolution period");
        }
        if congestion && held_secs > self.period_secs {
            self.marks.insert((name("incoming"), name("outgoing")), name("t"));
        }
    }
}

/// Paths of all values that a line expects.
pub fn expected_numbers(line: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    for member in ["expect", "diag", "channels", "pending"] {
        if let Some(value) = line.get(member) {
            collect(value, &format!("/{member}"), &mut paths);
        }
    }
    paths
}

fn collect(value: &Value, path: &str, paths: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(name, value)| collect(value, &format!("{path}/{name}"), paths));
        }
        Value::Array(elements) => {
            let each = elements.iter().enumerate();
            each.for_each(|(place, value)| collect(value, &format!("{path}/{place}"), paths));
        }
        _ => paths.push(path.to_owned()),
    }
}

/// The path without what differs from one channel, HTLC or slot to the next.
pub fn kind_of(line: &Value, path: &str) -> String {
    let parts: Vec<_> = path.split('/').collect();
    let averages = ["reputation", "revenue", "congestion", "protected"];
    let mut kind = format!("{} {}", line["type"], line["op"]);
    for (place, part) in parts.iter().enumerate() {
        let indexed = part.parse::<u64>().is_ok() && !averages.contains(&parts[place - 1]);
        kind.push_str(if indexed { "/*" } else { "/" });
        kind.push_str(if indexed { "" } else { part });
    }
    kind
}

/// A value of the same type that is wrong.
pub fn another(value: &Value) -> Value {
    match value {
        Value::Bool(flag) => json!(!flag),
        Value::String(text) => json!(format!("{text}?")),
        Value::Number(number) => match number.as_u64() {
            Some(number) => json!(number ^ 1),
            None => json!(number.as_i64().expect("an integer") ^ 1),
        },
        other => panic!("nothing expects {other}"),
    }
}
