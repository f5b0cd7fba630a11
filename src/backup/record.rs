//! Bytes of the backup's rows: one of the database as a whole, one per peer.

use super::content::Content;
use super::keys::CHECK_BYTES;
use super::rules::{Peer, PeerState};
use super::uptime::{UPTIME_BYTES, Uptime};
use crate::store::bytes::Reader;

/// Key of the row of the database.
pub(super) const STATE_KEY: &[u8] = b"state";
/// Strikes whose times are kept.
pub(super) const STRIKES_KEPT: usize = 3;

/// What is durable about the database as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) instance: [u8; 16],
    /// Tells another secret.
    pub(super) check: [u8; CHECK_BYTES],
    /// No blob has this number or a greater one.
    pub(super) next_seq: u64,
    /// The greatest number in an authentic blob of a state that was lost.
    pub(super) foreign_seq: u64,
    /// What a former database sent up to this number was recovered: it says nothing about ours any more.
    pub(super) adopted_seq: u64,
    /// The epoch up to which a restore or copy was answered by a jump of the numbers.
    pub(super) jumped_below_epoch: u64,
    pub(super) is_fresh: bool,
    pub(super) is_blocked: bool,
}

const FRESH: u64 = 1;
const BLOCKED: u64 = 2;

impl State {
    pub(super) fn encode(&self) -> [u8; 72] {
        let flag = |is_set: bool, bit: u64| if is_set { bit } else { 0 };
        let flags = flag(self.is_fresh, FRESH) | flag(self.is_blocked, BLOCKED);
        let mut body = [0; 72];
        body[..16].copy_from_slice(&self.instance);
        body[16..32].copy_from_slice(&self.check);
        body[32..40].copy_from_slice(&self.next_seq.to_le_bytes());
        body[40..48].copy_from_slice(&self.foreign_seq.to_le_bytes());
        body[48..56].copy_from_slice(&self.jumped_below_epoch.to_le_bytes());
        body[56..64].copy_from_slice(&flags.to_le_bytes());
        body[64..].copy_from_slice(&self.adopted_seq.to_le_bytes());
        body
    }

    pub(super) fn decode(body: &[u8]) -> Option<State> {
        let mut reader = Reader::new(body);
        let (instance, check) = (reader.array()?, reader.array()?);
        let (next_seq, foreign_seq) = (reader.u64()?, reader.u64()?);
        let jumped_below_epoch = reader.u64()?;
        let (flags, adopted_seq) = (reader.u64()?, reader.u64()?);
        let is_known = flags & !(FRESH | BLOCKED) == 0 && reader.is_at_end() && next_seq != 0;
        is_known.then_some(State {
            instance,
            check,
            next_seq,
            foreign_seq,
            adopted_seq,
            jumped_below_epoch,
            is_fresh: flags & FRESH != 0,
            is_blocked: flags & BLOCKED != 0,
        })
    }
}

/// What is kept of a peer beside what the rules know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct History {
    /// SHA-256 of the payload that it was last sent.
    pub(super) payload_sha256: [u8; 32],
    /// Host's time of it.
    pub(super) sent_ms: u64,
    /// Bytes of the blob.
    pub(super) blob_bytes: u32,
    /// How often in a row it did not keep a long blob.
    pub(super) misses: u8,
    /// It is sent the shortest blobs.
    pub(super) is_small: bool,
    /// Host's times of its last strikes, in seconds, the latest first; 0 for none.
    pub(super) strike_secs: [u64; STRIKES_KEPT],
    /// What the last blob for it carried.
    pub(super) sent: Content,
    /// What the last blob that it returned carried.
    pub(super) held: Content,
    /// How often it returned the last blob it was sent.
    pub(super) commits: u32,
    /// Host's time in seconds since when better peers are unused, 0 if none is.
    pub(super) low_since_secs: u64,
    /// How much of the time it was connected.
    pub(super) uptime: Uptime,
}

const PROTECTED: u8 = 1;
const SMALL: u8 = 2;
/// Bytes of a peer's row.
pub(super) const PEER_BYTES: usize = 184;

pub(super) fn encode_peer(peer: &Peer, history: &History) -> [u8; PEER_BYTES] {
    let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    let mut body = [0; PEER_BYTES];
    body[0] = peer.state.number();
    body[1] = flag(peer.is_protected, PROTECTED) | flag(history.is_small, SMALL);
    body[2] = history.misses;
    body[4..8].copy_from_slice(&peer.strikes.to_le_bytes());
    body[8..16].copy_from_slice(&peer.sent_seq.to_le_bytes());
    body[16..24].copy_from_slice(&peer.committed_seq.to_le_bytes());
    body[24..56].copy_from_slice(&history.payload_sha256);
    body[56..64].copy_from_slice(&history.sent_ms.to_le_bytes());
    body[64..68].copy_from_slice(&history.blob_bytes.to_le_bytes());
    for (place, secs) in history.strike_secs.iter().enumerate() {
        body[72 + 8 * place..][..8].copy_from_slice(&secs.to_le_bytes());
    }
    body[96..120].copy_from_slice(&history.sent.encode());
    body[120..144].copy_from_slice(&history.held.encode());
    body[144..148].copy_from_slice(&history.commits.to_le_bytes());
    body[152..160].copy_from_slice(&history.low_since_secs.to_le_bytes());
    body[160..184].copy_from_slice(&history.uptime.encode());
    body
}

pub(super) fn decode_peer(body: &[u8]) -> Option<(Peer, History)> {
    let mut reader = Reader::new(body);
    let state = PeerState::from_number(reader.u8()?)?;
    let flags = reader.u8()?;
    let misses = reader.u8()?;
    let reserved = reader.u8()?;
    let strikes = reader.u32()?;
    let peer = Peer {
        state,
        sent_seq: reader.u64()?,
        committed_seq: reader.u64()?,
        strikes,
        is_protected: flags & PROTECTED != 0,
        offers_storage: false,
        is_connected: false,
    };
    let (payload_sha256, sent_ms, blob_bytes) = (reader.array()?, reader.u64()?, reader.u32()?);
    let padding = reader.u32()?;
    let mut history = History {
        payload_sha256,
        sent_ms,
        blob_bytes,
        misses,
        is_small: flags & SMALL != 0,
        strike_secs: [reader.u64()?, reader.u64()?, reader.u64()?],
        sent: Content::decode(&reader.array()?)?,
        held: Content::decode(&reader.array()?)?,
        commits: reader.u32()?,
        ..History::default()
    };
    let padding = padding | reader.u32()?;
    history.low_since_secs = reader.u64()?;
    history.uptime = Uptime::decode(&reader.array::<UPTIME_BYTES>()?).ok()?;
    let is_known = flags & !(PROTECTED | SMALL) == 0 && reserved == 0 && padding == 0;
    (is_known && reader.is_at_end() && peer.committed_seq <= peer.sent_seq)
        .then_some((peer, history))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_back_and_damage_does_not() {
        let state = State {
            instance: [1; 16],
            check: [2; 16],
            next_seq: 3,
            foreign_seq: 4,
            adopted_seq: 6,
            jumped_below_epoch: 5,
            is_fresh: true,
            is_blocked: false,
        };
        let mut body = state.encode();
        assert_eq!(State::decode(&body), Some(state));
        assert_eq!(State::decode(&body[..71]), None);
        body[56] = 4;
        assert_eq!(State::decode(&body), None);
        assert_eq!(State::decode(&State { next_seq: 0, ..state }.encode()), None);
    }

    #[test]
    fn a_peer_reads_back_and_damage_does_not() {
        let peer = Peer {
            state: PeerState::Lagging,
            sent_seq: 9,
            committed_seq: 8,
            strikes: 7,
            is_protected: true,
            ..Peer::default()
        };
        let history = History {
            payload_sha256: [6; 32],
            sent_ms: 5,
            blob_bytes: 4,
            misses: 3,
            is_small: true,
            strike_secs: [2, 1, 0],
            sent: Content::Whole { generation: 12 },
            held: Content::Journal,
            commits: 11,
            low_since_secs: 10,
            uptime: Uptime::default(),
        };
        let body = encode_peer(&peer, &history);
        assert_eq!(decode_peer(&body), Some((peer, history)));
        assert_eq!(decode_peer(&body[..PEER_BYTES - 1]), None);
        for (place, value) in
            [(0, 13), (1, 4), (3, 1), (68, 1), (16, 10), (96, 6), (120, 6), (148, 1)]
        {
            let mut damaged = body;
            damaged[place] = value;
            assert_eq!(decode_peer(&damaged), None, "byte {place}");
        }
    }
}
