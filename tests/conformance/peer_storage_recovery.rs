//! Runs the cases of `recovery.jsonl` in `vectors/peer_storage`; FORMAT.md beside them is the contract, in 7
//! and 9.

use lnkeep::recovery::shares::{Collection, Piece};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::peer_storage_envelope::{agrees, number, text};

/// Runs one case; every member of each `expect` is compared.
pub fn run_recovery(case: &Value) -> Result<(), String> {
    let steps = case["steps"].as_array().filter(|steps| !steps.is_empty()).ok_or("no steps")?;
    let mut collection = Collection::default();
    for (at, step) in steps.iter().enumerate() {
        let expected = &step["expect"];
        let members = ["status", "best_gen", "newest_seen_gen", "sets", "accepted"];
        if let Some(missing) = members.into_iter().find(|name| expected.get(name).is_none()) {
            return Err(format!("step {at} does not expect {missing:?}"));
        }
        let actual = feed(&mut collection, &step["feed"]);
        let actual = actual.map_err(|why| format!("step {at} {step}: {why}"))?;
        agrees(expected, &actual).map_err(|why| format!("step {at} {step}: {why}"))?;
        if expected.get("reason").is_none() != actual.get("reason").is_none() {
            return Err(format!("step {at} {step}: the reason is {:?}", actual.get("reason")));
        }
    }
    Ok(())
}

fn feed(collection: &mut Collection, given: &Value) -> Result<Value, String> {
    let reason = match given.get("bad") {
        Some(bad) => Some(text(bad)?.to_owned()),
        None => collection.feed(&piece(given)?).err().map(|refusal| refusal.name().to_owned()),
    };
    let sets: Result<Vec<Value>, String> = collection
        .sets()
        .iter()
        .map(|set| {
            Ok(json!({
                "set": set_name(&set.version.set_id)?,
                "gen": set.version.generation,
                "have": set.have,
                "need": set.need,
            }))
        })
        .collect();
    let mut answer = json!({
        "status": collection.status().name(),
        "best_gen": collection.best().map(|best| best.version.generation),
        "newest_seen_gen": collection.newest_seen(),
        "sets": sets?,
        "accepted": reason.is_none(),
    });
    if let Some(reason) = reason {
        answer["reason"] = json!(reason);
    }
    Ok(answer)
}

fn piece(given: &Value) -> Result<Piece, String> {
    let byte = |name: &str| -> Result<u8, String> {
        u8::try_from(number(&given[name])?).map_err(|_| format!("{name} has more than a byte"))
    };
    Ok(Piece {
        set_id: set_id(text(&given["set"])?)?,
        generation: number(&given["gen"])?,
        data_shares: byte("k")?,
        shares: byte("n")?,
        index: byte("idx")?,
        root: Sha256::digest(text(&given["root"])?).into(),
    })
}

/// A name at the start of a set id, the rest zero: sorts as the names do.
fn set_id(name: &str) -> Result<[u8; 16], String> {
    let mut id = [0; 16];
    let fits = !name.contains('\0') && name.len() <= id.len();
    let room = id.get_mut(..name.len()).filter(|_| fits).ok_or("no name of a set")?;
    room.copy_from_slice(name.as_bytes());
    Ok(id)
}

fn set_name(id: &[u8; 16]) -> Result<&str, String> {
    let name = std::str::from_utf8(id).map_err(|error| error.to_string())?;
    Ok(name.trim_end_matches('\0'))
}
