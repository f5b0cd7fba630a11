//! Runs the cases of `foreign_*.jsonl` in `vectors/peer_storage`; FORMAT.md beside them is the contract, in 8
//! and 9. A case of ours may also tell the channels of lnd's file, which FORMAT leaves as bytes.

use lnkeep::foreign::{ForeignFault, cln, ldk, lightning_kmp, lnd};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::peer_storage_envelope::{agrees, array, bytes, hex, text};

/// Runs one case; every member of its `expect` is compared.
pub fn run_ldk(case: &Value) -> Result<(), String> {
    if text(&case["op"])? == "kdf" {
        let key = ldk::StorageKey::from_seed(&array(&case["seed"])?);
        let key = key.map_err(|error| format!("the seed: {error}"))?;
        return agrees(&case["expect"], &json!({"peer_storage_key": hex(key.expose())}));
    }
    let key = ldk::StorageKey::new(array(&case["key"])?);
    let opened = ldk::open(&key, &bytes(&case["blob"])?);
    let actual = opened.map(|opened| {
        let monitors: Vec<Value> =
            opened.monitors().map(|monitor| told_monitor(&monitor)).collect();
        json!({"nonce": hex(&opened.nonce()), "monitors": monitors})
    });
    judged(case, actual)
}

fn told_monitor(monitor: &ldk::Monitor<'_>) -> Value {
    json!({
        "channel_id": hex(&monitor.channel_id.0),
        "counterparty": hex(&monitor.counterparty.0),
        "min_seen_secret": monitor.min_seen_secret,
        "monitor_len": monitor.monitor.len(),
        "monitor_sha256": hex(&Sha256::digest(monitor.monitor)),
    })
}

/// Runs one case; every member of its `expect` is compared, and the key with the secret it is derived from.
pub fn run_cln(case: &Value) -> Result<(), String> {
    let key = cln::ScbKey::from_hsm_secret(&bytes(&case["hsm_secret"])?);
    let key = key.map_err(|error| format!("the secret: {error}"))?;
    if hex(key.expose()) != text(&case["scb_key"])? {
        return Err(format!("the key is {}", hex(key.expose())));
    }
    let opened = cln::open(&key, &bytes(&case["blob"])?);
    let actual = opened.map(|opened| {
        let channels: Vec<Value> =
            opened.channels().map(|channel| told_channel(&channel)).collect();
        json!({
            "format": opened.format().name(),
            "version": opened.version(),
            "timestamp": opened.timestamp_secs(),
            "channels": channels,
        })
    });
    judged(case, actual)
}

fn told_channel(channel: &cln::Channel<'_>) -> Value {
    let mut told = json!({
        "id": channel.dbid,
        "channel_id": hex(&channel.channel_id.0),
        "node_id": hex(&channel.node_id.0),
        "addr": hex(channel.address),
        "funding_txid_raw": hex(&channel.funding_txid),
        "funding_vout": channel.funding_vout,
        "funding_sats": channel.funding_sats,
        "channel_type": hex(channel.channel_type),
    });
    if let Some(shachain) = channel.shachain {
        told["shachain_min_index"] = json!(shachain.min_index);
        told["shachain_num_valid"] = json!(shachain.len());
    }
    if let Some(points) = channel.basepoints {
        let all = [points.revocation, points.payment, points.htlc, points.delayed_payment];
        told["basepoints"] = json!(hex(&all.concat()));
    }
    if let Some(opener) = channel.opener {
        told["opener"] = json!(opener);
    }
    if let Some(delay_blocks) = channel.to_self_delay_blocks {
        told["remote_to_self_delay"] = json!(delay_blocks);
    }
    told
}

/// Runs one case; every member of its `expect` is compared.
pub fn run_lightning_kmp(case: &Value) -> Result<(), String> {
    let key = lightning_kmp::NodeKey::new(array(&case["node_private_key"])?);
    let opened = lightning_kmp::open(&key, &bytes(&case["blob"])?);
    let actual =
        opened.map(|opened| json!({"version": opened.version(), "payload": hex(opened.payload())}));
    judged(case, actual)
}

/// Runs one case; every member of its `expect` is compared.
pub fn run_lnd(case: &Value) -> Result<(), String> {
    let key = lnd::BackupKey::new(array(&case["key"])?);
    let opened = lnd::open(&key, &bytes(&case["blob"])?);
    let actual = opened.map(|opened| {
        let singles: Vec<Value> = opened.singles().map(|single| told_single(&single)).collect();
        json!({
            "version": opened.version(),
            "count": opened.count(),
            "plaintext": hex(opened.plaintext()),
            "singles": singles,
            "rest": hex(opened.rest()),
        })
    });
    judged(case, actual)
}

fn told_single(single: &lnd::Single<'_>) -> Value {
    json!({
        "version": single.version,
        "close_tx": single.has_close_tx,
        "bytes": hex(single.bytes.0),
        "channel": single.channel.as_ref().map(told_lnd_channel),
    })
}

fn told_lnd_channel(channel: &lnd::Channel<'_>) -> Value {
    let locator = |key: &lnd::KeyLocator| json!([key.family, key.index]);
    let keys = channel.remote_keys;
    let remote = [keys.multisig, keys.revocation, keys.payment, keys.delayed_payment, keys.htlc];
    json!({
        "is_initiator": channel.is_initiator,
        "chain_hash": hex(&channel.chain_hash),
        "funding_txid": hex(&channel.funding_txid),
        "funding_vout": channel.funding_vout,
        "short_channel_id": channel.short_channel_id.0,
        "node_id": hex(&channel.node_id.0),
        "addresses": channel.addresses.iter().map(hex).collect::<Vec<_>>(),
        "capacity": channel.capacity_sat,
        "local_csv": channel.local_csv_delay_blocks,
        "local_keys": channel.local_keys.iter().map(locator).collect::<Vec<_>>(),
        "remote_csv": channel.remote_csv_delay_blocks,
        "remote_keys": remote.map(|key| hex(&key)),
        "shachain_root": channel.shachain_root.map(|key| hex(&key)),
        "shachain_locator": locator(&channel.shachain_root_locator),
        "lease_expiry": channel.lease_expiry_height,
        "close": channel.close_tx.map(|close| json!({
            "tx": hex(close.commit_tx),
            "signature": hex(close.commit_signature),
            "height": close.commit_height,
            "root": close.tapscript_root.map(|root| hex(&root)),
        })),
    })
}

fn judged(case: &Value, actual: Result<Value, ForeignFault>) -> Result<(), String> {
    let actual = actual.unwrap_or_else(|fault| match fault {
        ForeignFault::UnknownVersion(version) => {
            json!({"error": fault.name(), "version": version})
        }
        _ => json!({"error": fault.name()}),
    });
    agrees(&spelled(&case["expect"]), &spelled(&actual))
}

/// The same with every number as a decimal string, because a case may write either at any depth.
fn spelled(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Array(items) => items.iter().map(spelled).collect(),
        Value::Object(members) => {
            members.iter().map(|(key, member)| (key.clone(), spelled(member))).collect()
        }
        other => other.clone(),
    }
}
