//! A provider and four peers that send messages, leave and lose their channels, with writes that fail, blobs
//! that decay and restarts: what it answers and knows must be what a reference answers and knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::provider_reference::{Answer, PEERS, Reference, ReferencePeer};
use crate::error::Status;
use crate::input::Input;
use crate::limits::HOST_MS_MAX;
use crate::peer_storage::options::{ClaimChange, Claims, PeerStorageOptions};
use crate::peer_storage::record::{Record, sha256_of};
use crate::peer_storage::rules::{Accepted, Pending, Provider};
use crate::types::NodeId;
use crate::wire::{MessageKind, Strictness, decode, encode};

const EVENTS_MAX: usize = 96;
const BLOB_BYTES_MAX: usize = 24;

pub fn run(data: &[u8]) {
    if let Some(record) = Record::decode(data) {
        assert_eq!(record.encode()[..], *data, "two encodings of one record");
    }
    let mut input = Input::new(data);
    let options = options(&mut input);
    let mut world = World {
        provider: Provider::new(options),
        disk: BTreeMap::new(),
        reference: Reference::new(options),
        height: input.one_of(&[100, u32::MAX - 300]),
    };
    for _ in 0..EVENTS_MAX {
        if input.is_at_end() {
            break;
        }
        world.step(&mut input);
        world.compare();
    }
}

fn options(input: &mut Input<'_>) -> PeerStorageOptions {
    let usual = PeerStorageOptions { cooldown_ms: 10, ..PeerStorageOptions::default() };
    if !input.flag() {
        return usual;
    }
    PeerStorageOptions {
        is_off: input.below(16) == 15,
        cooldown_ms: input.number(),
        cooldown_without_channel_ms: input.number(),
        disconnect_interval_ms: input.number(),
        retention_blocks: input.number() as u32,
        blob_bytes_max: u32::from(input.byte()),
        peers_max: u32::from(input.byte()),
        total_bytes_max: input.number(),
        without_channel_percent: input.below(101),
        pending_bytes_max: input.number(),
        refuses_pending_channels: input.flag(),
        accepts_in_grace: input.flag(),
        ..usual
    }
}

fn node(who: u8) -> NodeId {
    NodeId([who; 33])
}

fn number_of(node: NodeId) -> u8 {
    node.0[0]
}

struct World {
    provider: Provider,
    /// Encoded records, and their blobs.
    disk: BTreeMap<u8, (Vec<u8>, Vec<u8>)>,
    reference: Reference,
    height: u32,
}

impl World {
    fn step(&mut self, input: &mut Input<'_>) {
        let who = input.below(PEERS);
        match input.below(16) {
            0..4 => self.message(who, input),
            4 => self.tick(self.later(input)),
            5 => self.flush(self.later(input)),
            6 => self.disconnect(who, self.later(input)),
            7 | 8 => self.claim(who, input),
            9 => self.block(input),
            10 => self.prune(who),
            11 => self.prune_unclaimed(),
            12 => self.complete_claims(),
            13 => self.restart(),
            14 => self.decay(who),
            _ => {
                self.provider.is_off = !self.provider.is_off;
                self.reference.is_off = !self.reference.is_off;
            }
        }
    }

    /// Mostly a little later than the last time; sometimes any, also before it.
    fn later(&self, input: &mut Input<'_>) -> u64 {
        match input.byte() {
            255 => input.u64() % (HOST_MS_MAX + 1),
            254 => HOST_MS_MAX - u64::from(input.byte()),
            step => HOST_MS_MAX.min(self.reference.now_ms + u64::from(step) / 4),
        }
    }

    /// Bytes as they came from the peer; what does not decode is not told.
    fn message(&mut self, who: u8, input: &mut Input<'_>) {
        let now_ms = self.later(input);
        let is_full = input.below(8) == 7;
        let bytes = usize::from(input.byte());
        let raw = match bytes {
            // Few different ones, so that equal blobs come again.
            0..64 => encode(MessageKind::PeerStorage, &vec![bytes as u8 & 3; bytes % 12]).unwrap(),
            _ => input.bytes(bytes % BLOB_BYTES_MAX).to_vec(),
        };
        if let Ok(message) = decode(&raw, Strictness::Lenient) {
            self.store(who, now_ms, message.blob, is_full);
        }
    }

    fn store(&mut self, who: u8, now_ms: u64, blob: &[u8], is_full: bool) {
        let expected = self.reference.store(now_ms, who, blob, is_full);
        let now_ms = self.provider.observe(now_ms).expect("a time that is allowed");
        let pending =
            Pending { blob: Arc::new(blob.to_vec()), sha256: sha256_of(blob), received_ms: now_ms };
        let answer = match self.provider.store(now_ms, node(who), pending) {
            Err(refusal) => Answer::Refused(refusal.status()),
            Ok(Accepted::Unchanged) => Answer::Unchanged,
            Ok(Accepted::Deferred { due_ms }) => Answer::Deferred { due_ms },
            Ok(Accepted::Due) if is_full => {
                self.provider.not_written(now_ms, node(who));
                Answer::Failed
            }
            Ok(Accepted::Due) => {
                self.write(node(who), now_ms);
                Answer::Committed
            }
        };
        assert_eq!(answer, expected);
    }

    fn write(&mut self, node: NodeId, now_ms: u64) {
        let peer = self.provider.peer(node);
        let pending = peer.pending.clone().expect("only what waits is written");
        let record = peer.record_of(&pending, now_ms);
        self.disk.insert(number_of(node), (record.encode().to_vec(), pending.blob.to_vec()));
        self.provider.written(now_ms, node, record);
    }

    fn write_all(&mut self, nodes: Vec<NodeId>, now_ms: u64, expected: Vec<u8>) {
        assert_eq!(nodes.iter().map(|node| number_of(*node)).collect::<Vec<_>>(), expected);
        nodes.into_iter().for_each(|node| self.write(node, now_ms));
    }

    fn tick(&mut self, now_ms: u64) {
        let expected = self.reference.tick(now_ms);
        let now_ms = self.provider.observe(now_ms).expect("a time that is allowed");
        self.write_all(self.provider.due(now_ms), now_ms, expected);
    }

    fn flush(&mut self, now_ms: u64) {
        let expected = self.reference.flush(now_ms);
        let now_ms = self.provider.observe(now_ms).expect("a time that is allowed");
        self.write_all(self.provider.waiting(), now_ms, expected);
    }

    fn disconnect(&mut self, who: u8, now_ms: u64) {
        let expected = self.reference.disconnect(now_ms, who);
        let now_ms = self.provider.observe(now_ms).expect("a time that is allowed");
        let is_due = self.provider.is_due_at_disconnect(now_ms, node(who));
        assert_eq!(is_due, expected);
        if is_due {
            self.write(node(who), now_ms);
        }
    }

    fn claim(&mut self, who: u8, input: &mut Input<'_>) {
        let change = ClaimChange::from_number(1 + u32::from(input.below(6))).expect("six changes");
        self.reference.claim(who, change, self.height);
        let after = self.provider.after_claim(node(who), change, self.height);
        self.provider.set_marked(node(who), &after);
        self.rewrite_records();
    }

    /// Marks are durable.
    fn rewrite_records(&mut self) {
        for (who, (encoded, _)) in &mut self.disk {
            let record = self.provider.peer(node(*who)).stored.expect("it is on disk");
            *encoded = record.encode().to_vec();
        }
    }

    fn block(&mut self, input: &mut Input<'_>) {
        self.height = match input.byte() {
            255 => input.u32(),
            254 => u32::MAX - u32::from(input.byte()),
            step => self.height.saturating_add(u32::from(step) * 20),
        };
        let expected = self.reference.block(self.height);
        if let Err(refusal) = self.provider.check_claims_complete() {
            assert_eq!((refusal.status(), expected), (Status::ClaimsIncomplete, None));
            return;
        }
        self.provider.set_height(self.height);
        let collected = self.provider.collectable(self.height);
        self.remove(collected, expected.expect("claims are complete"));
    }

    fn prune(&mut self, who: u8) {
        let expected = self.reference.prune(who);
        let its = self.provider.has_blob(node(who)).then_some(node(who));
        self.remove(its.into_iter().collect(), expected);
    }

    fn prune_unclaimed(&mut self) {
        let expected = self.reference.prune_unclaimed();
        match self.provider.unclaimed() {
            Ok(unclaimed) => self.remove(unclaimed, expected.expect("claims are complete")),
            Err(refusal) => {
                assert_eq!((refusal.status(), expected), (Status::ClaimsIncomplete, None));
            }
        }
    }

    fn remove(&mut self, nodes: Vec<NodeId>, expected: Vec<u8>) {
        assert_eq!(nodes.iter().map(|node| number_of(*node)).collect::<Vec<_>>(), expected);
        for node in nodes {
            assert!(self.provider.forget(node), "nothing was there");
            self.disk.remove(&number_of(node));
        }
    }

    fn complete_claims(&mut self) {
        for (who, peer) in &self.reference.peers {
            self.provider.set_claims(&claims_of(*who, peer));
        }
        self.reference.complete_claims(self.height);
        self.provider.set_height(self.height);
        for (node, after) in self.provider.wrong_marks(self.height) {
            self.provider.set_marked(node, &after);
        }
        self.provider.complete_claims();
        self.rewrite_records();
    }

    fn restart(&mut self) {
        self.reference.restart();
        let is_off = self.provider.is_off;
        self.provider = Provider::new(self.provider.options);
        self.provider.is_off = is_off;
        for (who, (encoded, blob)) in &self.disk {
            let record = Record::decode(encoded).expect("our own record");
            assert!(record.is_of(blob), "record and blob are of different writes");
            self.provider.load(node(*who), record);
        }
        // The host tells what it knows; the reference kept it.
        for (who, peer) in &self.reference.peers {
            self.provider.set_claims(&claims_of(*who, peer));
        }
    }

    fn decay(&mut self, who: u8) {
        let is_new = self.reference.decay(who);
        assert_eq!(self.provider.found_damaged(node(who)), is_new);
    }

    fn compare(&self) {
        let known: Vec<_> = self.provider.entries(None, usize::MAX);
        let known: Vec<_> = known
            .into_iter()
            .map(|entry| {
                let newest = (entry.sha256, entry.blob_bytes as usize, entry.is_pending);
                (entry.claims, newest, entry.is_damaged, entry.closed_at)
            })
            .collect();
        let expected: Vec<_> = self.reference.peers.iter().filter_map(entry_of).collect();
        assert_eq!(known, expected);
        assert_eq!(self.provider.next_due_ms(), self.reference.next_due_ms());
        let stats = self.provider.stats();
        let sums = [stats.peers, stats.bytes, stats.bytes_without_channel];
        assert_eq!(sums, self.reference.sums());
        let waiting = [stats.pending, stats.pending_bytes, stats.damaged];
        assert_eq!(waiting, self.reference.waiting_sums());
        let on_disk = self.disk.iter().map(|(who, (_, blob))| (*who, blob.clone()));
        assert_eq!(on_disk.collect::<Vec<_>>(), self.reference.stored());
    }
}

fn claims_of(who: u8, peer: &ReferencePeer) -> Claims {
    Claims {
        peer: node(who),
        open_channels: peer.open,
        pending_channels: peer.funding,
        is_allowed: peer.is_allowed,
    }
}

type Entry = (Claims, ([u8; 32], usize, bool), bool, Option<u32>);

fn entry_of((who, peer): (&u8, &ReferencePeer)) -> Option<Entry> {
    let newest = peer.newest()?;
    let newest = (sha256_of(newest), newest.len(), peer.pending.is_some());
    Some((claims_of(*who, peer), newest, peer.is_damaged, peer.closed_at))
}
