//! Runs the cases of `stripe.jsonl` in `vectors/peer_storage`; FORMAT.md beside them is the contract, in 5
//! and 9.

use lnkeep::backup::share::{self, Share};
use lnkeep::backup::stripe::{Code, StripeFault};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::peer_storage_envelope::{agrees, bytes, hex, narrow, text};

/// Runs one case; every member of its `expect` is compared.
pub fn run_stripe(case: &Value) -> Result<(), String> {
    let actual = match text(&case["op"])? {
        "matrix" => matrix(code(case)?),
        "encode" => encoded(case)?,
        "decode" => decoded(case)?,
        "record_decode" => records(&bytes(&case["payload"])?)?,
        other => return Err(format!("unknown op {other}")),
    };
    agrees(&case["expect"], &actual)
}

fn code(case: &Value) -> Result<Code, String> {
    Code::new(narrow(&case["k"])?, narrow(&case["n"])?).map_err(|fault| fault.to_string())
}

fn matrix(code: Code) -> Value {
    let rows = (0..code.shares()).filter_map(|index| code.row(index));
    json!({"rows": rows.map(|row| hex(&row)).collect::<Vec<_>>()})
}

fn encoded(case: &Value) -> Result<Value, String> {
    let code = match Code::new(narrow(&case["k"])?, narrow(&case["n"])?) {
        Ok(code) => code,
        Err(StripeFault::BadParams { .. }) => return Ok(json!({"error": "bad_params"})),
        Err(other) => return Err(other.to_string()),
    };
    let object = bytes(&case["object"])?;
    Ok(json!({
        "share_len": code.share_bytes(object.len()),
        "shares": code.encode(&object).iter().map(|share| hex(share)).collect::<Vec<_>>(),
        "object_sha256": hex(&Sha256::digest(&object)),
    }))
}

fn decoded(case: &Value) -> Result<Value, String> {
    let listed = case["shares"].as_array().ok_or("no shares")?;
    let read = |share: &Value| Ok((narrow(&share["index"])?, bytes(&share["data"])?));
    let shares = listed.iter().map(read).collect::<Result<Vec<(usize, Vec<u8>)>, String>>()?;
    let shares: Vec<(usize, &[u8])> =
        shares.iter().map(|(index, bytes)| (*index, &bytes[..])).collect();
    Ok(match code(case)?.decode(narrow(&case["object_len"])?, &shares) {
        Ok(object) => json!({"object": hex(&object)}),
        Err(StripeFault::NotEnoughShares { have, need }) => {
            json!({"error": "not_enough_shares", "have": have, "need": need})
        }
        Err(other) => return Err(other.to_string()),
    })
}

fn records(payload: &[u8]) -> Result<Value, String> {
    let shares = match share::decode(payload) {
        Ok(shares) => shares,
        Err(fault) => return Ok(json!({"error": fault.name()})),
    };
    let again = share::encode(&shares).map_err(|error| error.to_string())?;
    if *again != payload {
        return Err(format!("encoded again: {}", hex(&again)));
    }
    Ok(json!({"records": shares.iter().map(record).collect::<Vec<_>>()}))
}

fn record(share: &Share<'_>) -> Value {
    let header = &share.header;
    json!({
        "generation": header.generation.to_string(),
        "k": header.code.data_shares(),
        "n": header.code.shares(),
        "index": header.index,
        "object_len": header.object_bytes,
        "object_sha256": hex(&header.object_sha256),
        "share": hex(share.bytes),
    })
}
