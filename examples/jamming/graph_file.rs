//! Networks in the JSON form of the jam-ln simulator: one array `sim_network` of channels.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::network::{Direction, Network, NodeId};

/// Reads a network. The target is the node with that alias, or else the one with most channels.
pub fn read(path: &Path, target: Option<&str>) -> Result<Network, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let json: Value =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let rows = json["sim_network"].as_array().ok_or("the graph has no array sim_network")?;
    let mut network = Network::default();
    let mut known: BTreeMap<String, NodeId> = BTreeMap::new();
    for (number, row) in rows.iter().enumerate() {
        read_channel(&mut network, &mut known, row)
            .map_err(|error| format!("sim_network[{number}]: {error}"))?;
    }
    let honest = network.nodes.len();
    if honest < 3 {
        return Err("the graph needs at least three nodes".to_string());
    }
    network.target = match target {
        Some(alias) => network
            .nodes
            .iter()
            .position(|node| node.alias == alias)
            .ok_or_else(|| format!("no node of the graph has the alias {alias}"))?,
        None => (0..honest)
            .max_by_key(|node| (network.nodes[*node].links.len(), honest - node))
            .ok_or("the graph has no node")?,
    };
    Ok(network)
}

fn read_channel(
    network: &mut Network,
    known: &mut BTreeMap<String, NodeId>,
    row: &Value,
) -> Result<(), String> {
    let scid = number(row, "scid")?;
    if network.channels.iter().any(|channel| channel.scid == scid) {
        return Err(format!("channel {scid} stands twice in the graph"));
    }
    let capacity_msat = number(row, "capacity_msat")?;
    let mut ends = [0; 2];
    let mut directions = Vec::new();
    for (side, member) in ["node_1", "node_2"].into_iter().enumerate() {
        let end = &row[member];
        let pubkey = end["pubkey"].as_str().ok_or_else(|| format!("{member} has no pubkey"))?;
        let alias = end["alias"].as_str().unwrap_or(pubkey);
        ends[side] =
            *known.entry(pubkey.to_string()).or_insert_with(|| network.add_node(alias, false));
        directions.push(read_direction(end, capacity_msat)?);
    }
    if ends[0] == ends[1] {
        return Err("a node has a channel with itself".to_string());
    }
    let [first, second] = <[Direction; 2]>::try_from(directions).map_err(|_| "two ends")?;
    let channel = network.connect(ends, [first, second]);
    network.channels[channel].scid = scid;
    Ok(())
}

fn read_direction(end: &Value, capacity_msat: u64) -> Result<Direction, String> {
    let htlcs_max = u16::try_from(number(end, "max_htlc_count")?)
        .map_err(|_| "max_htlc_count is too large")?
        .min(483);
    let in_flight_msat = number(end, "max_in_flight_msat")?.min(capacity_msat);
    let base_fee_msat = number(end, "base_fee")?;
    let mut direction =
        Direction::new(base_fee_msat, number(end, "fee_rate_prop")?, htlcs_max, in_flight_msat);
    direction.cltv_delta_blocks = u32::try_from(number(end, "cltv_expiry_delta")?)
        .map_err(|_| "cltv_expiry_delta is too large")?;
    direction.htlc_min_msat = number(end, "min_htlc_size_msat")?;
    direction.htlc_max_msat = number(end, "max_htlc_size_msat")?.min(in_flight_msat);
    Ok(direction)
}

fn number(row: &Value, member: &str) -> Result<u64, String> {
    row[member].as_u64().ok_or_else(|| format!("{member} is missing or not a whole number"))
}
