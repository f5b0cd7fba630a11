//! The cases of `wire_decode`, `wire_encode` and `features` (FORMAT.md sections 1, 2 and 9).

use lnkeep::Status;
use lnkeep::wire::{
    Malformed, Message, MessageKind, Strictness, TlvFault, TlvRecord, decode, encode,
    extension_records, storage_feature,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::matches;

/// Longest blob that a case spells out.
const SHOWN_BYTES_MAX: usize = 512;

pub fn run_decode(case: &Value) -> Result<(), String> {
    let message = message_of(case);
    let lenient = decode(&message, Strictness::Lenient);
    let strict = decode(&message, Strictness::Strict);
    same("lenient", &case["expect_lenient"], &outcome(lenient))?;
    same("strict", &case["expect_strict"], &outcome(strict))?;
    let Ok(decoded) = lenient else {
        return expect_no_reencoding(case);
    };
    let again = encode(decoded.kind, decoded.blob).map_err(|error| error.to_string())?;
    if [&again[..], decoded.extension].concat() != message {
        return Err("what was decoded does not encode to the bytes before the extension".into());
    }
    if case["reencodes_to_same_bytes"] == true && again != message {
        return Err("what was decoded encodes to other bytes".into());
    }
    Ok(())
}

fn expect_no_reencoding(case: &Value) -> Result<(), String> {
    match case["reencodes_to_same_bytes"] == true {
        true => Err("a message that does not decode cannot encode to its bytes".into()),
        false => Ok(()),
    }
}

pub fn run_encode(case: &Value) -> Result<(), String> {
    let kind = kind_of(text(&case["type"]));
    let fill = bytes_of(text(&case["blob_fill"]));
    let blob = vec![fill[0]; count(&case["blob_len"])];
    let actual = match encode(kind, &blob) {
        Ok(message) => json!({
            "msg_len": message.len(),
            "msg_sha256": sha256(&message),
            "msg": hex_of(&message),
        }),
        Err(error) if error.status() == Status::TooBig => json!({"error": "blob_too_long"}),
        Err(error) => json!({"error": error.to_string()}),
    };
    same("the message", &case["expect"], &actual)
}

pub fn run_features(case: &Value) -> Result<(), String> {
    let feature = storage_feature(&bytes_of(text(&case["features"])));
    let actual = json!({"offers_storage": feature.is_offered, "required": feature.is_required});
    same("the feature", &case["expect"], &actual)
}

/// Every member that a case may name; an expectation without any would pass by saying nothing.
fn same(what: &str, expected: &Value, actual: &Value) -> Result<(), String> {
    let says_something = expected.as_object().is_some_and(|members| !members.is_empty());
    assert!(says_something, "{what}: a case expects something");
    match matches(expected, actual) {
        true => Ok(()),
        false => Err(format!("{what}: expected {expected}, got {actual}")),
    }
}

fn outcome(decoded: Result<Message<'_>, Malformed>) -> Value {
    match decoded {
        Ok(message) => success(&message),
        Err(fault) => failure(fault),
    }
}

fn success(message: &Message<'_>) -> Value {
    let mut value = json!({
        "type": message.kind.name(),
        "blob_len": message.blob.len(),
        "blob_sha256": sha256(message.blob),
        "extension_len": message.extension.len(),
    });
    if message.blob.len() <= SHOWN_BYTES_MAX {
        value["blob"] = hex_of(message.blob).into();
    }
    match extension_records(message.extension) {
        _ if message.extension.is_empty() => value["extension"] = "none".into(),
        Err(fault) => value["extension"] = class_of(fault).into(),
        Ok(records) => {
            value["extension"] = "valid".into();
            value["extension_records"] = records.iter().map(record_of).collect();
        }
    }
    value
}

fn record_of(record: &TlvRecord) -> Value {
    json!({"type": record.number.to_string(), "len": record.length})
}

fn failure(fault: Malformed) -> Value {
    match fault {
        Malformed::MessageTooLong => json!({"error": "message_too_long"}),
        Malformed::TruncatedType => json!({"error": "truncated_type"}),
        Malformed::UnknownType { number } => json!({"error": "unknown_type", "type": number}),
        Malformed::TruncatedLength => json!({"error": "truncated_length"}),
        Malformed::TruncatedBlob { declared, available } => {
            json!({"error": "truncated_blob", "declared": declared, "available": available})
        }
        Malformed::BadExtension(fault) => {
            json!({"error": "bad_extension", "class": class_of(fault)})
        }
    }
}

fn class_of(fault: TlvFault) -> &'static str {
    match fault {
        TlvFault::Truncated => "tlv_truncated",
        TlvFault::NonMinimal => "tlv_non_minimal",
        TlvFault::Order => "tlv_order",
        TlvFault::UnknownEven => "tlv_unknown_even",
    }
}

fn kind_of(name: &str) -> MessageKind {
    let kinds = [MessageKind::PeerStorage, MessageKind::PeerStorageRetrieval];
    kinds.into_iter().find(|kind| kind.name() == name).expect("a type is one of the two")
}

fn message_of(case: &Value) -> Vec<u8> {
    let Some(parts) = case["msg_parts"].as_array() else {
        return bytes_of(text(&case["msg"]));
    };
    parts.iter().flat_map(part_of).collect()
}

fn part_of(part: &Value) -> Vec<u8> {
    match part["hex"].as_str() {
        Some(hex) => bytes_of(hex),
        None => vec![bytes_of(text(&part["fill"]))[0]; count(&part["count"])],
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a member is text")
}

fn count(value: &Value) -> usize {
    value.as_u64().and_then(|count| usize::try_from(count).ok()).expect("a count")
}

fn bytes_of(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "bytes have two digits each");
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex_of(&Sha256::digest(bytes))
}
