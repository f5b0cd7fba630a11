//! Runs the cases of `consumer_state.jsonl` in `vectors/peer_storage`; FORMAT.md beside them is the contract,
//! in 6 and 9.

use std::collections::BTreeMap;

use lnkeep::backup::rules::{
    Event, Peer, Retrieval, Session, acknowledge_peer, acknowledge_session, apply, send,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::peer_storage_envelope::{agrees, number, text};

/// Runs one case; every member of each `expect` is compared.
pub fn run_consumer(case: &Value) -> Result<(), String> {
    let steps = case["steps"].as_array().filter(|steps| !steps.is_empty()).ok_or("no steps")?;
    let mut node = Node {
        session: Session {
            instance: instance(text(&case["instance"])?),
            is_fresh: flag(&case["fresh"])?,
            is_blocked: false,
        },
        peers: BTreeMap::new(),
    };
    for (at, step) in steps.iter().enumerate() {
        let expected = &step["expect"];
        let says_enough = expected.get("state").is_some() && expected.get("action").is_some();
        if !says_enough {
            return Err(format!("step {at} expects no state or no action"));
        }
        let actual = node.step(step).map_err(|why| format!("step {at} {step}: {why}"))?;
        agrees(expected, &actual).map_err(|why| format!("step {at} {step}: {why}"))?;
    }
    let (expected, blocked) = (flag(&case["final_blocked"])?, node.session.is_blocked);
    if expected == blocked { Ok(()) } else { Err(format!("at the end, blocked is {blocked}")) }
}

struct Node {
    session: Session,
    peers: BTreeMap<String, Peer>,
}

impl Node {
    /// What a step expects: the state after it and the action.
    fn step(&mut self, step: &Value) -> Result<Value, String> {
        let op = text(&step["op"])?;
        if op == "operator_ack" {
            self.session = acknowledge_session(self.session);
            self.peers.values_mut().for_each(|peer| *peer = acknowledge_peer(*peer));
            return Ok(json!({"state": null, "action": "none"}));
        }
        let name = text(&step["peer"])?;
        let peer = self.peers.entry(name.to_owned()).or_default();
        let action = if op == "send" {
            match send(self.session, *peer, number(&step["seq"])?) {
                Ok(after) => {
                    (self.session, *peer) = (after.session, after.peer);
                    after.action.name().to_owned()
                }
                Err(refusal) => format!("refused:{}", refusal.name()),
            }
        } else {
            let after = apply(self.session, *peer, event(op, step)?);
            (self.session, *peer) = (after.session, after.peer);
            after.action.name().to_owned()
        };
        Ok(json!({
            "state": peer.state.name(),
            "action": action,
            "sent": peer.sent_seq,
            "committed": peer.committed_seq,
            "strikes": peer.strikes,
        }))
    }
}

fn event(op: &str, step: &Value) -> Result<Event, String> {
    Ok(match op {
        "connect" => Event::Connected { offers_storage: flag(&step["offers"])? },
        "disconnect" => Event::Disconnected,
        "deadline" => Event::Deadline,
        "retrieval" if flag(&step["auth"])? => Event::Retrieved(Retrieval::Authentic {
            instance: instance(text(&step["instance"])?),
            seq: number(&step["seq"])?,
        }),
        "retrieval" => Event::Retrieved(Retrieval::Unauthentic),
        other => return Err(format!("unknown op {other}")),
    })
}

/// Instances are named; names that differ stand for instances that differ.
fn instance(name: &str) -> [u8; 16] {
    let mut instance = [0; 16];
    instance.copy_from_slice(&Sha256::digest(name)[..16]);
    instance
}

fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("{value} is neither true nor false"))
}
