//! The calls that made the golden store, and what a host does with it afterwards.

use std::path::Path;
use std::sync::Arc;

use lnkeep::attempts::rules::{InitRequest, Retain};
use lnkeep::attempts::{AttemptResult, Attempts, AttemptsOptions, InitAnswer};
use lnkeep::backup::envelope::SizeClass;
use lnkeep::backup::keys::Secret;
use lnkeep::backup::score::PeerFacts;
use lnkeep::backup::{Action, Backup, BackupOptions};
use lnkeep::events::{Events, Start};
use lnkeep::monitors::{Block, Monitors, MonitorsOptions, OutputClass, Urgency};
use lnkeep::payments::rules::Strictness;
use lnkeep::payments::{
    AttemptFailure, AttemptRequest, Failure, FailureReason, Operation, PaymentInit, Payments,
    PaymentsOptions, Settle,
};
use lnkeep::peer_storage::{ClaimChange, Claims, PeerStorage, PeerStorageOptions};
use lnkeep::resources::{
    Ack, AddRequest, ChannelLimits, ResolveRequest, Resources, ResourcesOptions, Settings, Upgrade,
};
use lnkeep::store::Store;
use lnkeep::{
    AttemptKey, ChannelId, Clock, Grouping, Namespace, NodeId, Preimage, RawMessage,
    ShortChannelId, Status, StoreOptions,
};

pub const NAMESPACE: Namespace = Namespace([7; 16]);
pub const SECRET: [u8; 32] = [42; 32];
pub const SECS: u64 = 1_700_000_000;
pub const NOW_MS: u64 = SECS * 1_000 + 500_000;
pub const PURGED: u8 = 5;
const HEIGHT: u32 = 800_000;
const KEEPERS: u8 = 10;

pub fn store_options() -> StoreOptions {
    StoreOptions { event_kinds: Some((1 << 21) - 1), ..StoreOptions::default() }
}

pub fn backup_options() -> BackupOptions {
    BackupOptions {
        size_class: SizeClass::Bytes1024,
        entropy: Some([3; 32]),
        ..BackupOptions::default()
    }
}

/// Other settings than the first ones: channels are divided anew, which writes a row of each.
pub fn settings() -> Settings {
    Settings { reputation_multiplier: 11, ..ResourcesOptions::default().settings }
}

pub fn channel(number: u8) -> ChannelId {
    ChannelId([number; 32])
}

fn node(number: u8) -> NodeId {
    let mut bytes = [number; 33];
    bytes[0] = 2 + number % 2;
    NodeId(bytes)
}

/// Bytes that repeat nowhere, the same in every run.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn key(id: u64) -> AttemptKey {
    AttemptKey::new(NAMESPACE, id)
}

fn preimage(number: u8) -> Preimage {
    Preimage::new([number; 32])
}

pub fn store(directory: &Path) {
    let store = Store::open(directory, &store_options()).unwrap();
    store.tick(Clock { unix_ms: SECS * 1_000, block_height: HEIGHT }).unwrap();
    let attempts = Attempts::open(&store, AttemptsOptions::default()).unwrap();
    let events = Events::open(&store, b"reader", Start::Oldest).unwrap();
    let other = Events::open(&store, b"other", Start::Oldest).unwrap();
    all_attempts(&attempts);
    all_payments(&store, &attempts);
    other.ack(2).unwrap();
    store.blobs().put(b"host", &bytes(1, 9_000)).unwrap();
    all_monitors(&store);
    first_resources(&store);
    all_peers(&store);
    all_backups(&store);
    drop((events, other));
    store.close().unwrap();
    // Other settings divide the channels anew; what follows stays in the journal.
    let store = Store::open(directory, &store_options()).unwrap();
    last_resources(&store);
    store.close().unwrap();
}

fn all_attempts(attempts: &Attempts) {
    for id in 1..=6 {
        let mut request = InitRequest::new(key(id));
        request.amount_msat = 1_000 * id;
        request.cltv_expiry = HEIGHT + id as u32;
        assert_eq!(attempts.init(&request).unwrap(), InitAnswer::Granted);
    }
    attempts.mark_handed_off(key(2)).unwrap();
    attempts.store_result(key(3), AttemptResult::settle(preimage(3))).unwrap();
    let failure = AttemptResult::network_failure(RawMessage::new(bytes(2, 300)));
    attempts.store_result(key(4), failure).unwrap();
    attempts.store_result(key(5), AttemptResult::local_failure(0x1007)).unwrap();
    attempts.ack(key(5)).unwrap();
    attempts.store_result(key(6), AttemptResult::settle(preimage(6))).unwrap();
    attempts.delete(key(6), Retain::Tombstone).unwrap();
    attempts.allocate(Namespace([9; 16]), b"an external key").unwrap();
}

fn part(number: u8, amount_msat: u64) -> AttemptRequest {
    let mut request = AttemptRequest::new(key(100 + u64::from(number)), amount_msat, 7);
    request.route = RawMessage::new(bytes(10 + u64::from(number), 120));
    request.session_key = RawMessage::new(bytes(20 + u64::from(number), 32));
    request.hop_count = 3;
    request
}

fn all_payments(store: &Arc<Store>, attempts: &Attempts) {
    let payments = Payments::open(store, PaymentsOptions::default()).unwrap();
    let settle = |number| Settle { preimage: preimage(number), settled_unix_ns: 5 };
    for number in 1..=6 {
        let hash = preimage(number).payment_hash();
        let mut init = PaymentInit::new(hash, 50_000);
        init.created_unix_ns = SECS * 1_000_000_000 + u64::from(number);
        init.payment_request = RawMessage::new(bytes(30 + u64::from(number), 200));
        init.idempotency_key = format!("order {number}").into_bytes();
        payments.init(init).unwrap();
        if number == 1 {
            continue;
        }
        payments.register_and_init(hash, part(number, 50_000)).unwrap();
        let attempt = part(number, 50_000).key;
        match number {
            2 => drop(attempts.mark_handed_off(attempt).unwrap()),
            3 | 5 | 6 => {
                payments.settle(hash, attempt, settle(number), Strictness::default()).unwrap();
            }
            _ => {
                let mut failure = Failure::new(AttemptFailure::Message);
                failure.message = RawMessage::new(bytes(40, 80));
                payments.fail_attempt(hash, attempt, failure, Strictness::default()).unwrap();
                payments.fail(hash, FailureReason::NoRoute).unwrap();
            }
        }
    }
    // Of these the hashes stay refused.
    for number in [5, 6] {
        let hash = preimage(number).payment_hash();
        payments.delete(hash, Retain::Tombstone).unwrap();
    }
    // What it replaces has rows of attempts left, which wait to be swept.
    let again = PaymentInit::new(preimage(4).payment_hash(), 60_000);
    let again = payments.operation(Operation::Init(again)).unwrap();
    let outcomes = store.apply(vec![again], Grouping::Independent).unwrap();
    assert!(outcomes.iter().all(Result::is_ok));
}

fn all_monitors(store: &Arc<Store>) {
    let monitors = Monitors::open(store, MonitorsOptions::default()).unwrap();
    let commit = |manager: u64| {
        let capture = monitors.capture().unwrap();
        monitors.commit(capture, Some(&bytes(manager, 5_000)), &[]).unwrap();
    };
    for number in 1..=PURGED {
        let snapshot = bytes(50 + u64::from(number), 600);
        let block = Block { height: HEIGHT + u32::from(number), hash: [number; 32] };
        monitors.queue_new(channel(number), 10, &snapshot, block, Urgency::Ordinary).unwrap();
        for id in 11..13 {
            let update = bytes(60 + id, 150);
            monitors.queue_update(channel(number), id, &update, Urgency::Ordinary).unwrap();
        }
        let tag = u64::from(number) * 100;
        monitors.queue_output(OutputClass::Durable, tag, &bytes(tag, 40)).unwrap();
    }
    commit(70);
    let snapshot = bytes(71, 5_000);
    monitors.queue_snapshot(channel(2), 12, &snapshot, None, Urgency::Ordinary).unwrap();
    monitors.queue_archive(channel(4)).unwrap();
    monitors.queue_archive(channel(PURGED)).unwrap();
    for output in monitors.take_outputs(2).unwrap() {
        monitors.acknowledge(output.output_id.unwrap()).unwrap();
    }
    commit(72);
    monitors.purge(channel(PURGED)).unwrap();
    monitors.close(true).unwrap();
}

fn htlc(number: u64) -> AddRequest {
    AddRequest {
        incoming: ShortChannelId(100 + number % 3),
        outgoing: ShortChannelId(103 + number % 2),
        htlc_id: number,
        incoming_amount_msat: 400_000 + number * 1_000,
        outgoing_amount_msat: 395_000 + number * 1_000,
        incoming_cltv_expiry: HEIGHT + 100,
        block_height: HEIGHT,
        incoming_accountable: number.is_multiple_of(4),
        upgrade: Upgrade::Present,
        policy_fee_msat: None,
        unix_secs: SECS + number,
    }
}

fn forward(resources: &Resources, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let request = htlc(number);
        resources.add(&request, Ack::Durable).unwrap();
        if number % 2 == 0 {
            continue;
        }
        let (incoming, outgoing) = (request.incoming, request.outgoing);
        let (htlc_id, unix_secs) = (number, request.unix_secs + 10);
        let resolve = ResolveRequest { incoming, outgoing, htlc_id, settled: true, unix_secs };
        resources.resolve(&resolve, Ack::Durable).unwrap();
    }
}

fn first_resources(store: &Arc<Store>) {
    let options = ResourcesOptions { entropy: Some([5; 32]), ..ResourcesOptions::default() };
    let resources = Resources::open(store, options).unwrap();
    for channel in 100..105 {
        let limits = ChannelLimits { max_in_flight_msat: 100_000_000, max_accepted_htlcs: 50 };
        resources.add_channel(ShortChannelId(channel), limits, SECS).unwrap();
    }
    forward(&resources, 1..40);
    resources.close().unwrap();
}

fn last_resources(store: &Arc<Store>) {
    let options = ResourcesOptions { settings: settings(), ..ResourcesOptions::default() };
    let resources = Resources::open(store, options).unwrap();
    forward(&resources, 40..50);
    resources.close().unwrap();
}

fn all_peers(store: &Arc<Store>) {
    let storage = PeerStorage::open(store, PeerStorageOptions::default()).unwrap();
    let claim = |number| Claims { peer: node(number), open_channels: 1, ..no_claims(number) };
    let claims: Vec<_> = (1..=4).map(claim).collect();
    storage.claims_complete(&claims, HEIGHT).unwrap();
    for (number, len) in [(1, 0), (2, 700), (3, 9_000), (4, 65)] {
        let blob = bytes(80 + u64::from(number), len);
        storage.store_blob(SECS * 1_000, node(number), &blob).unwrap();
    }
    storage.store_blob(SECS * 1_000 + 90_000, node(2), &bytes(90, 800)).unwrap();
    // Two that wait, of which the second is written: more were accepted than written.
    storage.store_blob(SECS * 1_000 + 90_100, node(2), &bytes(94, 810)).unwrap();
    storage.store_blob(SECS * 1_000 + 90_200, node(2), &bytes(95, 820)).unwrap();
    storage.report_claim(node(4), ClaimChange::ClosedChannel, HEIGHT + 9).unwrap();
    storage.close().unwrap();
}

fn no_claims(number: u8) -> Claims {
    Claims { peer: node(number), open_channels: 0, pending_channels: 0, is_allowed: false }
}

/// A payload that is cut, of which each keeper gets a share; then another one that goes to a few.
fn all_backups(store: &Arc<Store>) {
    let backup = Backup::open(store, &Secret::new(SECRET), backup_options()).unwrap();
    let mut now_ms = SECS * 1_000;
    let mut kept = std::collections::BTreeMap::new();
    for number in 1..=KEEPERS {
        let address = vec![1, 10, number, 0, 1, 0x26, 0x07];
        let facts = PeerFacts {
            capacity_sat: 1_000_000,
            channel_age_secs: 30 * 24 * 3_600,
            has_open_channel: true,
            is_announced: true,
            address,
            ..PeerFacts::default()
        };
        backup.set_facts(now_ms, node(number), Some(facts)).unwrap();
        backup.connected(now_ms, node(number), true).unwrap();
        backup.reestablish_begun(now_ms, node(number)).unwrap();
    }
    for (payload, batches) in [(bytes(91, 1_500), 8), (bytes(92, 1_400), 1)] {
        backup.set_payload(&payload).unwrap();
        for _ in 0..batches {
            now_ms += 61_000;
            for (peer, _, action) in backup.tick(now_ms).unwrap().actions {
                if action == Action::Send {
                    let sealed = backup.seal(now_ms, peer, HEIGHT).unwrap();
                    kept.insert(peer, sealed.blob);
                }
            }
        }
        for (peer, blob) in kept.iter().filter(|_| batches > 1) {
            backup.disconnected(*peer).unwrap();
            backup.connected(now_ms, *peer, true).unwrap();
            backup.retrieval(now_ms, *peer, blob).unwrap();
        }
        backup.tick(now_ms).unwrap();
    }
    let stranger = node(200);
    backup.connected(now_ms, stranger, true).unwrap();
    backup.retrieval(now_ms, stranger, &bytes(93, 500)).unwrap();
}

/// What a host does with a copy: it gives floors, and then everything goes on.
pub fn go_on(directory: &Path) {
    let store = Store::open(directory, &store_options()).unwrap();
    assert!(store.report().copied);
    let attempts = Attempts::open(&store, AttemptsOptions::default()).unwrap();
    let refused = attempts.init(&InitRequest::new(key(1_000))).unwrap_err();
    assert_eq!(refused.status(), Status::NotAcknowledged);
    attempts.acknowledge_restore(&[(NAMESPACE, 500)]).unwrap();
    assert_eq!(attempts.init(&InitRequest::new(key(1_000))).unwrap(), InitAnswer::Granted);
    assert_eq!(attempts.init(&InitRequest::new(key(1))).unwrap(), InitAnswer::AlreadyExists);
    let monitors = Monitors::open(&store, MonitorsOptions::default()).unwrap();
    assert!(monitors.report().may_be_stale && !monitors.report().manager_behind);
    monitors.queue_update(channel(1), 13, b"goes on", Urgency::Ordinary).unwrap();
    monitors.commit(monitors.capture().unwrap(), Some(b"manager"), &[(channel(1), 13)]).unwrap();
    monitors.close(false).unwrap();
    let options = ResourcesOptions { settings: settings(), ..ResourcesOptions::default() };
    forward(&Resources::open(&store, options).unwrap(), 50..60);
    let storage = PeerStorage::open(&store, PeerStorageOptions::default()).unwrap();
    let claims = Claims { open_channels: 1, ..no_claims(3) };
    storage.claims_complete(&[claims], HEIGHT).unwrap();
    storage.store_blob(NOW_MS, node(3), b"goes on").unwrap();
    let backup = Backup::open(&store, &Secret::new(SECRET), backup_options()).unwrap();
    assert!(!backup.report().is_blocked && backup.standing().unwrap().next_seq > 1 << 32);
    backup.set_payload(b"goes on").unwrap();
    backup.connected(NOW_MS, node(1), true).unwrap();
    backup.reestablish_begun(NOW_MS, node(1)).unwrap();
    assert!(backup.seal(NOW_MS, node(1), HEIGHT).unwrap().seq > 1 << 32);
    drop((attempts, monitors, storage, backup));
    store.close().unwrap();
}

pub fn check_what_went_on(directory: &Path) {
    let store = Store::open(directory, &store_options()).unwrap();
    let attempts = Attempts::open(&store, AttemptsOptions::default()).unwrap();
    assert_eq!(attempts.init(&InitRequest::new(key(1_000))).unwrap(), InitAnswer::AlreadyExists);
    let monitors = Monitors::open(&store, MonitorsOptions::default()).unwrap();
    let loaded = monitors.load(channel(1)).unwrap();
    assert_eq!(loaded.updates.last().unwrap(), &(13, b"goes on".to_vec()));
    let storage = PeerStorage::open(&store, PeerStorageOptions::default()).unwrap();
    assert_eq!(storage.connected(NOW_MS, node(3)).unwrap().unwrap(), b"goes on");
    drop((attempts, monitors, storage));
    store.close().unwrap();
}
