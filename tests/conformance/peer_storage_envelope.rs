//! Runs the cases of `envelope.jsonl` in `vectors/peer_storage`; FORMAT.md beside them is the contract, in 4
//! and 9.

use lnkeep::backup::envelope::{Header, NONCE_BYTES, Opened, SizeClass, TAG_BYTES, open, seal};
use lnkeep::backup::keys::{BackupKeys, PeerKeys, Secret};
use lnkeep::{NodeId, Status};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Longest payload that a case tells in full.
const SHOWN_BYTES_MAX: usize = 256;

/// Runs one case; every member of its `expect` is compared.
pub fn run_envelope(case: &Value) -> Result<(), String> {
    let root = BackupKeys::new(&Secret::new(array(&case["secret"])?));
    let keys = root.peer(NodeId(array(&case["peer"])?));
    let actual = match text(&case["op"])? {
        "kdf" => derived(&root, &keys),
        "seal" => sealed(&keys, case)?,
        "open" => opened(&keys, case)?,
        other => return Err(format!("unknown op {other}")),
    };
    agrees(&case["expect"], &actual)
}

fn derived(root: &BackupKeys, keys: &PeerKeys) -> Value {
    let (seal_key, nonce_key) = keys.expose();
    json!({
        "prk": hex(root.expose()),
        "seal_key": hex(seal_key),
        "nonce_key": hex(nonce_key),
    })
}

fn sealed(keys: &PeerKeys, case: &Value) -> Result<Value, String> {
    let header = Header {
        kind: narrow(&case["kind"])?,
        flags: if case["flags"].is_null() { 0 } else { narrow(&case["flags"])? },
        seq: number(&case["seq"])?,
        created_unix_secs: number(&case["created"])?,
        block_height: narrow(&case["height"])?,
        instance: array(&case["instance"])?,
        set_id: array(&case["set_id"])?,
    };
    let bytes = narrow(&case["size_class"])?;
    let class = SizeClass::from_bytes(bytes).ok_or_else(|| format!("no class of {bytes}"))?;
    let blob = match seal(keys, &header, &payload(case)?, class, array(&case["entropy"])?) {
        Ok(blob) => blob,
        Err(error) if error.status() == Status::TooBig => {
            return Ok(json!({"error": "payload_too_large"}));
        }
        Err(error) => return Err(format!("sealing: {error}")),
    };
    open(keys, &blob).map_err(|fault| format!("what was sealed does not open: {fault}"))?;
    Ok(json!({
        "blob_len": blob.len(),
        "blob_sha256": hex(&Sha256::digest(&blob)),
        "nonce": hex(&blob[..NONCE_BYTES]),
        "tag": hex(&blob[blob.len() - TAG_BYTES..]),
        "blob": hex(&blob),
    }))
}

fn payload(case: &Value) -> Result<Vec<u8>, String> {
    if case["payload_fill"].is_null() {
        return bytes(&case["payload"]);
    }
    let [fill] = array(&case["payload_fill"])?;
    Ok(vec![fill; narrow(&case["payload_len"])?])
}

fn opened(keys: &PeerKeys, case: &Value) -> Result<Value, String> {
    let blob = bytes(&case["blob"])?;
    Ok(match open(keys, &blob) {
        Ok(opened) => content(&opened),
        Err(fault) => json!({"error": fault.name()}),
    })
}

fn content(opened: &Opened) -> Value {
    let (header, payload) = (opened.header, opened.payload());
    json!({
        "kind": header.kind,
        "flags": header.flags,
        "seq": header.seq.to_string(),
        "created": header.created_unix_secs,
        "height": header.block_height,
        "instance": hex(&header.instance),
        "set_id": hex(&header.set_id),
        "payload_len": payload.len(),
        "payload_sha256": hex(&opened.payload_sha256),
        "payload": (payload.len() <= SHOWN_BYTES_MAX).then(|| hex(payload)),
    })
}

/// Whether all that is expected, and something is, came about. A number may be written as a string.
pub(super) fn agrees(expected: &Value, actual: &Value) -> Result<(), String> {
    let members = expected.as_object().filter(|members| !members.is_empty());
    for (key, expected) in members.ok_or("nothing is expected")? {
        let got = actual.get(key).ok_or_else(|| format!("{key} expected, got {actual}"))?;
        let is_same_number = || number(expected).is_ok_and(|value| number(got) == Ok(value));
        if got != expected && !is_same_number() {
            return Err(format!("{key}: expected {expected}, got {got}"));
        }
    }
    Ok(())
}

/// A whole number, written as one or as a decimal string.
pub(super) fn number(value: &Value) -> Result<u64, String> {
    let from_text = || value.as_str().and_then(|text| text.parse().ok());
    value.as_u64().or_else(from_text).ok_or_else(|| format!("{value} is no number"))
}

pub(super) fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("{value} is no string"))
}

pub(super) fn narrow<T: TryFrom<u64>>(value: &Value) -> Result<T, String> {
    number(value)?.try_into().map_err(|_| format!("{value} is out of range"))
}

pub(super) fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    let text = text(value)?;
    let pair = |at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(pair).collect();
    bytes.ok_or_else(|| format!("{text:?} is not in hex"))
}

pub(super) fn array<const BYTES: usize>(value: &Value) -> Result<[u8; BYTES], String> {
    bytes(value)?.try_into().map_err(|_| format!("{value} does not have {BYTES} bytes"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
