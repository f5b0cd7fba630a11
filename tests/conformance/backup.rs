//! Runs the cases of `vectors/backup` (FORMAT.md beside them is the contract): here those of rosters, objects
//! and names of sets.

use lnkeep::backup::keys::{BackupKeys, Secret};
use lnkeep::backup::object::{join_object, split_object};
use lnkeep::backup::roster::{Roster, RosterPeer, flag_of, join, split};
use lnkeep::{NodeId, limits::PEER_BLOB_BYTES_MAX};
use serde_json::{Value, json};

use super::backup_journal::run_journal;
use super::peer_storage_envelope::{agrees, array, bytes, hex, narrow, number, text};
use super::{Verdict, guarded};

/// From a case to what is wrong with the library's answers.
type CaseRunner = fn(&Value) -> Result<(), String>;

/// What each file of cases is run by.
const RUNNERS: [(&str, CaseRunner); 2] =
    [("roster.jsonl", run_roster), ("journal.jsonl", run_journal)];

pub fn run(file_name: &str, lines: &[Value]) -> Vec<(String, Verdict)> {
    let id = |case: &Value| case["id"].as_str().expect("a case has an id").to_owned();
    lines.iter().map(|case| (id(case), run_case(file_name, case))).collect()
}

fn run_case(file_name: &str, case: &Value) -> Verdict {
    let Some((_, runner)) = RUNNERS.iter().find(|(name, _)| *name == file_name) else {
        return Verdict::Failed("no runner knows this file".into());
    };
    guarded(|| match runner(case) {
        Ok(()) => Verdict::Passed,
        Err(why) => Verdict::Failed(why),
    })
}

/// Every member of a case's `expect` is compared.
fn run_roster(case: &Value) -> Result<(), String> {
    let actual = match text(&case["op"])? {
        "set_id" => set_id(case)?,
        "join" => joined(case)?,
        "split" => split_again(case)?,
        "object_join" => object_joined(case)?,
        "object_split" => object_split_again(case)?,
        other => return Err(format!("unknown op {other}")),
    };
    agrees(&case["expect"], &actual)
}

fn set_id(case: &Value) -> Result<Value, String> {
    let keys = BackupKeys::new(&Secret::new(array(&case["secret"])?));
    let set_id = keys.set_id(narrow(&case["purpose"])?, narrow(&case["counter"])?);
    Ok(json!({"set_id": hex(&set_id)}))
}

fn joined(case: &Value) -> Result<Value, String> {
    let room_bytes = match case["room"].is_null() {
        true => PEER_BLOB_BYTES_MAX,
        false => narrow(&case["room"])?,
    };
    let roster = read_roster(case)?.encode_within(room_bytes);
    let payload = join(&bytes(&case["content"])?, &roster);
    Ok(json!({
        "flags": flag_of(&roster),
        "roster_len": roster.len(),
        "payload": hex(&payload),
    }))
}

fn read_roster(case: &Value) -> Result<Roster, String> {
    let peers = case["peers"].as_array().ok_or("no peers")?;
    let peers = peers.iter().map(read_peer).collect::<Result<Vec<RosterPeer>, String>>()?;
    Ok(Roster { generation: number(&case["generation"])?, peers })
}

fn read_peer(peer: &Value) -> Result<RosterPeer, String> {
    let index = if peer["index"].is_null() { None } else { Some(narrow(&peer["index"])?) };
    let (node, address) = (NodeId(array(&peer["node"])?), bytes(&peer["address"])?);
    Ok(RosterPeer { node, index, address })
}

fn split_again(case: &Value) -> Result<Value, String> {
    let payload = bytes(&case["payload"])?;
    let (content, roster) = match split(narrow(&case["flags"])?, &payload) {
        Ok(parts) => parts,
        Err(fault) => return Ok(json!({"error": fault.name(), "number": fault.number()})),
    };
    let Some(roster) = roster else {
        return Ok(json!({"content": hex(content), "roster": null}));
    };
    let again = join(content, &roster.encode_within(PEER_BLOB_BYTES_MAX));
    if *again != payload {
        return Err(format!("joined again: {}", hex(&again)));
    }
    Ok(json!({"content": hex(content), "roster": shown(&roster)}))
}

fn shown(roster: &Roster) -> Value {
    let peer = |peer: &RosterPeer| {
        let (node, address) = (hex(&peer.node.0), hex(&peer.address));
        json!({"node": node, "index": peer.index, "address": address})
    };
    let peers: Vec<Value> = roster.peers.iter().map(peer).collect();
    json!({"generation": roster.generation.to_string(), "peers": peers})
}

fn object_joined(case: &Value) -> Result<Value, String> {
    let object = join_object(&bytes(&case["payload"])?, &bytes(&case["snapshot"])?);
    Ok(json!({"object": hex(&object.map_err(|error| error.to_string())?)}))
}

fn object_split_again(case: &Value) -> Result<Value, String> {
    Ok(match split_object(&bytes(&case["object"])?) {
        Ok((payload, snapshot)) => json!({"payload": hex(payload), "snapshot": hex(snapshot)}),
        Err(fault) => json!({"error": fault.name(), "number": fault.number()}),
    })
}
