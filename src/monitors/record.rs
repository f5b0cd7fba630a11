//! Bytes of the rows of channels and of the session's durable facts. Numbers are little-endian.
//!
//! Called by `table` and `references`; docs/format.md describes the same bytes.

use super::channel::{Block, Channel, Stage};
use crate::store::bytes::Reader;
use crate::types::ChannelId;

/// Key of the row of durable facts.
pub(super) const STATE_KEY: &[u8] = b"state";
/// Key of the row that says which commit wrote the manager.
pub(super) const MANAGER_KEY: &[u8] = b"manager";
/// Name of the manager's bytes among the large values.
pub(super) const MANAGER_NAME: &[u8] = b"manager";

const PURGED: u8 = 3;

/// Durable facts of the monitors as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    pub(super) commit_sequence: u64,
    pub(super) generation: Option<u64>,
    /// A damage took the generation, and no commit gave another one since.
    pub(super) generation_is_lost: bool,
    /// Number of the last session that began.
    pub(super) session: u64,
    /// A session is open, or ended without a close.
    pub(super) is_open: bool,
}

impl State {
    const IS_OPEN: u8 = 1;
    const HAS_GENERATION: u8 = 2;
    const GENERATION_IS_LOST: u8 = 4;

    pub(super) fn encode(&self) -> [u8; 25] {
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let mut body = [0; 25];
        body[..8].copy_from_slice(&self.commit_sequence.to_le_bytes());
        body[8..16].copy_from_slice(&self.generation.unwrap_or(0).to_le_bytes());
        body[16..24].copy_from_slice(&self.session.to_le_bytes());
        body[24] = flag(self.is_open, Self::IS_OPEN)
            | flag(self.generation.is_some(), Self::HAS_GENERATION)
            | flag(self.generation_is_lost, Self::GENERATION_IS_LOST);
        body
    }

    pub(super) fn decode(body: &[u8]) -> Option<State> {
        let mut reader = Reader::new(body);
        let (commit_sequence, generation) = (reader.u64()?, reader.u64()?);
        let (session, flags) = (reader.u64()?, reader.u8()?);
        let has_generation = flags & Self::HAS_GENERATION != 0;
        let all = Self::IS_OPEN | Self::HAS_GENERATION | Self::GENERATION_IS_LOST;
        let known = flags & !all == 0;
        (reader.is_at_end() && known && (has_generation || generation == 0)).then_some(State {
            commit_sequence,
            generation: has_generation.then_some(generation),
            generation_is_lost: flags & Self::GENERATION_IS_LOST != 0,
            session,
            is_open: flags & Self::IS_OPEN != 0,
        })
    }
}

/// The row of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ChannelRow {
    /// In use or archived; the bytes of its updates are in their rows.
    Known(Channel),
    /// Nothing is left of it but that its id was used, until this commit.
    Purged { commit_sequence: u64 },
}

impl ChannelRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(80);
        match self {
            ChannelRow::Purged { commit_sequence } => {
                body.push(PURGED);
                body.extend_from_slice(&commit_sequence.to_le_bytes());
            }
            ChannelRow::Known(channel) => {
                body.push(channel.stage as u8);
                for number in [
                    channel.base_id,
                    channel.latest_id,
                    channel.advanced_at,
                    channel.base_bytes,
                    channel.base_unix_ms,
                ] {
                    body.extend_from_slice(&number.to_le_bytes());
                }
                body.extend_from_slice(&channel.block.height.to_le_bytes());
                body.extend_from_slice(&channel.block.hash);
            }
        }
        body
    }

    pub(super) fn decode(body: &[u8]) -> Option<ChannelRow> {
        let mut reader = Reader::new(body);
        let stage = match reader.u8()? {
            1 => Stage::Active,
            2 => Stage::Archived,
            PURGED => {
                let commit_sequence = reader.u64()?;
                return reader.is_at_end().then_some(ChannelRow::Purged { commit_sequence });
            }
            _ => return None,
        };
        let (base_id, latest_id) = (reader.u64()?, reader.u64()?);
        let (advanced_at, base_bytes, base_unix_ms) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let block = Block { height: reader.u32()?, hash: reader.array()? };
        let ordered = base_id <= latest_id && latest_id != u64::MAX;
        let mut channel = Channel::new(base_id, base_bytes, block);
        (channel.stage, channel.latest_id) = (stage, latest_id);
        (channel.advanced_at, channel.base_unix_ms) = (advanced_at, base_unix_ms);
        (reader.is_at_end() && ordered).then_some(ChannelRow::Known(channel))
    }
}

pub(super) fn update_key(channel: ChannelId, update_id: u64) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(&channel.0);
    key[32..].copy_from_slice(&update_id.to_be_bytes());
    key
}

pub(super) fn decode_update_key(key: &[u8]) -> Option<(ChannelId, u64)> {
    let (channel, update_id) = key.split_first_chunk::<32>()?;
    Some((ChannelId(*channel), u64::from_be_bytes(update_id.try_into().ok()?)))
}

/// An output: the host's tag, then its bytes.
pub(super) fn encode_output(tag: u64, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(8 + payload.len());
    body.extend_from_slice(&tag.to_le_bytes());
    body.extend_from_slice(payload);
    body
}

pub(super) fn decode_output(body: &[u8]) -> Option<(u64, &[u8])> {
    let (tag, payload) = body.split_first_chunk::<8>()?;
    (!payload.is_empty()).then_some((u64::from_le_bytes(*tag), payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_and_every_truncation_is_refused() {
        let mut state = State { commit_sequence: 7, session: 3, is_open: true, ..State::default() };
        (state.generation, state.generation_is_lost) = (Some(0), true);
        assert_eq!(State::decode(&state.encode()), Some(state));
        let mut channel = Channel::new(3, 60, Block { height: 9, hash: [8; 32] });
        (channel.latest_id, channel.stage) = (5, Stage::Archived);
        (channel.advanced_at, channel.base_unix_ms) = (4, 6);
        for row in [ChannelRow::Known(channel), ChannelRow::Purged { commit_sequence: 2 }] {
            let body = row.encode();
            for length in 0..body.len() {
                assert_eq!(ChannelRow::decode(&body[..length]), None, "length {length}");
            }
            assert_eq!(ChannelRow::decode(&body), Some(row));
        }
        assert_eq!(
            decode_update_key(&update_key(ChannelId([1; 32]), 2)),
            Some((ChannelId([1; 32]), 2))
        );
        assert_eq!(decode_output(&encode_output(5, b"x")), Some((5, &b"x"[..])));
        assert_eq!(decode_output(&encode_output(5, b"")), None);
    }

    #[test]
    fn a_tip_below_its_snapshot_is_damage() {
        let channel = Channel::new(3, 60, Block::default());
        let mut body = ChannelRow::Known(channel).encode();
        body[9] = 2;
        assert_eq!(ChannelRow::decode(&body), None);
    }
}
