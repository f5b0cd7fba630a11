//! Runs the cases of `journal.jsonl` in `vectors/backup`: HTLCs, their differences, journals; FORMAT.md
//! beside them is the contract.

use lnkeep::backup::htlcs::{BackupHtlc, CommitmentPoint, HtlcDiff, HtlcKey, HtlcSet};
use lnkeep::backup::journal::JournalContent;
use lnkeep::{ChannelId, PaymentHash, Preimage};
use serde_json::{Value, json};

use super::peer_storage_envelope::{agrees, array, bytes, hex, narrow, number, text};

/// Runs one case; every member of its `expect` is compared.
pub fn run_journal(case: &Value) -> Result<(), String> {
    let actual = match text(&case["op"])? {
        "encode" => encoded(case)?,
        "decode" => decoded(case)?,
        "decode_set" => decoded_set(case)?,
        "journal" => journal(case)?,
        other => return Err(format!("unknown op {other}")),
    };
    agrees(&case["expect"], &actual)
}

fn encoded(case: &Value) -> Result<Value, String> {
    let (base, now) = (read_set(&case["base"])?, read_set(&case["now"])?);
    let diff = now.diff(&base);
    let bytes_max = or_default(&case["bytes_max"], u64::MAX)? as usize;
    let dust_msat = or_default(&case["dust_msat"], 0)?;
    let encoded = diff.encode_within(bytes_max, dust_msat);
    let (bytes, coverage) = encoded.map_err(|error| format!("encoding: {error}"))?;
    let again = HtlcDiff::decode(&bytes).map_err(|fault| format!("decoding it: {fault}"))?;
    let is_all = coverage.is_whole() && coverage.dust_count == 0;
    if is_all && base.applied(&again) != now {
        return Err("the base with the difference is not the later set".into());
    }
    Ok(json!({
        "htlcs": hex(&bytes),
        "covered_count": coverage.covered_count,
        "covered_msat": coverage.covered_msat.to_string(),
        "uncovered_count": coverage.uncovered_count,
        "uncovered_msat": coverage.uncovered_msat.to_string(),
        "dust_count": coverage.dust_count,
        "dust_msat": coverage.dust_msat.to_string(),
        "unremoved_count": coverage.unremoved_count,
        "points_left_count": coverage.points_left_count,
    }))
}

fn decoded(case: &Value) -> Result<Value, String> {
    let (base, htlcs) = (read_set(&case["base"])?, bytes(&case["htlcs"])?);
    let diff = match HtlcDiff::decode(&htlcs) {
        Ok(diff) => diff,
        Err(fault) => return Ok(json!({"error": fault.name()})),
    };
    let again = diff.encode().map_err(|error| format!("encoding it again: {error}"))?;
    if *again != htlcs {
        return Err("it encodes to other bytes".into());
    }
    Ok(json!({"now": written(&base.applied(&diff))}))
}

fn decoded_set(case: &Value) -> Result<Value, String> {
    Ok(match HtlcSet::decode(&bytes(&case["htlcs"])?) {
        Ok(set) => json!({"set": written(&set)}),
        Err(fault) => json!({"error": fault.name()}),
    })
}

fn journal(case: &Value) -> Result<Value, String> {
    let content = match JournalContent::decode(&bytes(&case["content"])?) {
        Ok(content) => content,
        Err(fault) => return Ok(json!({"error": fault.name()})),
    };
    Ok(json!({
        "base_set_id": hex(&content.base_set_id),
        "base_generation": content.base_generation.to_string(),
        "uncovered_count": content.uncovered_count,
        "uncovered_msat": content.uncovered_msat.to_string(),
        "now": written(&read_set(&case["base"])?.applied(&content.diff)),
    }))
}

fn or_default(value: &Value, default: u64) -> Result<u64, String> {
    if value.is_null() { Ok(default) } else { number(value) }
}

fn list(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("{value} is no list"))
}

fn read_set(channels: &Value) -> Result<HtlcSet, String> {
    let mut set = HtlcSet::default();
    for channel in list(channels)? {
        let channel_id = ChannelId(array(&channel["channel_id"])?);
        if !channel["point"].is_null() {
            let point = CommitmentPoint(array(&channel["point"])?);
            set.set_point(channel_id, point).map_err(|error| error.to_string())?;
        }
        for htlc in list(&channel["htlcs"])? {
            let is_incoming = htlc["is_incoming"].as_bool().ok_or("no direction")?;
            let key = HtlcKey { channel_id, is_incoming, htlc_id: number(&htlc["htlc_id"])? };
            set.put(key, read_htlc(htlc)?).map_err(|error| error.to_string())?;
        }
    }
    Ok(set)
}

fn read_htlc(htlc: &Value) -> Result<BackupHtlc, String> {
    let (preimage, output_index) = (&htlc["preimage"], &htlc["output_index"]);
    Ok(BackupHtlc {
        payment_hash: PaymentHash(array(&htlc["payment_hash"])?),
        amount_msat: number(&htlc["amount_msat"])?,
        cltv_expiry: narrow(&htlc["cltv_expiry"])?,
        preimage: match preimage.is_null() {
            true => None,
            false => Some(Preimage::new(array(preimage)?)),
        },
        output_index: if output_index.is_null() { None } else { Some(narrow(output_index)?) },
    })
}

fn written(set: &HtlcSet) -> Value {
    let channel = |channel_id: ChannelId| {
        let of_channel = set.iter().filter(|(key, _)| key.channel_id == channel_id);
        let htlcs: Vec<Value> = of_channel.map(|(key, htlc)| written_htlc(key, htlc)).collect();
        let point = set.point(channel_id).map(|point| hex(&point.0));
        json!({"channel_id": hex(&channel_id.0), "point": point, "htlcs": htlcs})
    };
    set.channels().map(channel).collect()
}

fn written_htlc(key: HtlcKey, htlc: &BackupHtlc) -> Value {
    json!({
        "is_incoming": key.is_incoming,
        "htlc_id": key.htlc_id.to_string(),
        "payment_hash": hex(&htlc.payment_hash.0),
        "amount_msat": htlc.amount_msat.to_string(),
        "cltv_expiry": htlc.cltv_expiry,
        "preimage": htlc.preimage.as_ref().map(|preimage| hex(preimage.expose())),
        "output_index": htlc.output_index,
    })
}
