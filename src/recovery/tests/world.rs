//! A node that is lost, and the blobs that its peers keep of it.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use crate::backup::envelope::{Header, KIND_PAYLOAD, SizeClass, seal};
use crate::backup::htlcs::{HtlcDiff, HtlcSet};
use crate::backup::journal::KIND_JOURNAL;
use crate::backup::keys::{BackupKeys, SET_CHANNELS, Secret};
use crate::backup::object::join_object;
use crate::backup::roster::{FLAG_SNAPSHOT, Roster, RosterPeer, flag_of, join};
use crate::backup::share::{KIND_SHARES, Share, ShareHeader, encode};
use crate::backup::stripe::Code;
use crate::recovery::{Recovery, RecoveryOptions};
use crate::types::NodeId;

pub(super) fn secret() -> Secret {
    Secret::new([0x5e; 32])
}

pub(super) fn keys() -> BackupKeys {
    BackupKeys::new(&secret())
}

pub(super) fn channels_set() -> [u8; 16] {
    keys().set_id(SET_CHANNELS, 0)
}

pub(super) fn begin() -> Recovery {
    Recovery::begin(&secret(), RecoveryOptions::default()).unwrap()
}

pub(super) fn node(number: usize) -> NodeId {
    let mut id = [2; 33];
    id[1..9].copy_from_slice(&(number as u64).to_be_bytes());
    NodeId(id)
}

pub(super) fn dice(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A number below `end`.
pub(super) fn below(dice: &mut ChaCha20Rng, end: usize) -> usize {
    (dice.next_u64() % end as u64) as usize
}

/// The payload of a generation: no two are alike, nor of one length.
pub(super) fn payload_of(generation: u64, payload_bytes: usize) -> Vec<u8> {
    let mut payload = vec![0; payload_bytes + (generation % 7) as usize];
    dice(generation).fill_bytes(&mut payload);
    payload
}

pub(super) fn object_of(payload: &[u8], snapshot: &HtlcSet) -> Vec<u8> {
    let snapshot =
        if snapshot.is_empty() { Vec::new() } else { snapshot.encode().unwrap().to_vec() };
    join_object(payload, &snapshot).unwrap().to_vec()
}

/// One record of a blob.
#[derive(Clone, Copy)]
pub(super) struct Record<'object> {
    pub(super) generation: u64,
    pub(super) code: Code,
    pub(super) index: usize,
    pub(super) object: &'object [u8],
}

pub(super) fn roster_of(generation: u64, members: &[(usize, Option<u8>)]) -> Roster {
    let peer = |(number, index): &(usize, Option<u8>)| RosterPeer {
        node: node(*number),
        index: *index,
        address: vec![1, 10, 0, 0, *number as u8, 0x26, 0x07],
    };
    Roster { generation, peers: members.iter().map(peer).collect() }
}

fn header(kind: u8, flags: u16, seq: u64) -> Header {
    Header {
        kind,
        flags,
        seq,
        created_unix_secs: 1_700_000_000 + seq,
        block_height: 800_000 + (seq % 100_000) as u32,
        instance: [0x1f; 16],
        set_id: if kind == KIND_SHARES { channels_set() } else { [0; 16] },
    }
}

/// Seals a blob of any kind for a peer, with a roster if there is one.
pub(super) fn sealed(
    peer: NodeId,
    kind: u8,
    seq: u64,
    content: &[u8],
    extra: (u16, Option<&Roster>),
) -> Vec<u8> {
    let (flags, roster) = extra;
    let roster = roster.map(|roster| roster.encode_within(600)).unwrap_or_default();
    let payload = join(content, &roster);
    let class = SizeClass::smallest_for(payload.len()).unwrap();
    let header = header(kind, flags | flag_of(&roster), seq);
    seal(&keys().peer(peer), &header, &payload, class, [seq as u8; 16]).unwrap()
}

pub(super) fn share_blob(
    peer: NodeId,
    seq: u64,
    records: &[Record<'_>],
    roster: Option<&Roster>,
) -> Vec<u8> {
    let shares: Vec<_> = records
        .iter()
        .map(|record| record.code.share(record.object, record.index).unwrap())
        .collect();
    let shares: Vec<Share<'_>> = records
        .iter()
        .zip(&shares)
        .map(|(record, share)| Share {
            header: ShareHeader {
                generation: record.generation,
                code: record.code,
                index: record.index as u8,
                object_bytes: record.object.len() as u32,
                object_sha256: Sha256::digest(record.object).into(),
            },
            bytes: share,
        })
        .collect();
    sealed(peer, KIND_SHARES, seq, &encode(&shares).unwrap(), (0, roster))
}

pub(super) fn whole_blob(peer: NodeId, seq: u64, payload: &[u8]) -> Vec<u8> {
    sealed(peer, KIND_PAYLOAD, seq, payload, (0, None))
}

pub(super) fn snapshot_blob(peer: NodeId, seq: u64, object: &[u8]) -> Vec<u8> {
    sealed(peer, KIND_PAYLOAD, seq, object, (FLAG_SNAPSHOT, None))
}

pub(super) fn journal_blob(
    peer: NodeId,
    seq: u64,
    base: ([u8; 16], u64),
    diff: &HtlcDiff,
) -> Vec<u8> {
    let mut content = base.0.to_vec();
    content.extend_from_slice(&base.1.to_be_bytes());
    content.extend_from_slice(&(seq as u32).to_be_bytes());
    content.extend_from_slice(&(seq * 1_000).to_be_bytes());
    content.extend_from_slice(&diff.encode().unwrap());
    sealed(peer, KIND_JOURNAL, seq, &content, (0, None))
}
