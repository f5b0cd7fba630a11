//! What absurd facts, jumping clocks, many peers, damage and races do to striping.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::envelope::{KIND_PAYLOAD, SizeClass};
use super::super::htlcs::{BackupHtlc, HtlcKey};
use super::super::journal::{JournalOptions, Profile};
use super::super::roster;
use super::super::score::PeerFacts;
use super::super::share::{self, KIND_SHARES};
use super::super::*;
use crate::limits::HOST_MS_MAX;
use crate::store::StoreOptions;
use crate::types::{ChannelId, PaymentHash};

const START_MS: u64 = 1_700_000_000_000;

fn node(number: u16) -> NodeId {
    let mut id = [2; 33];
    id[1..3].copy_from_slice(&number.to_be_bytes());
    NodeId(id)
}

fn secret() -> Secret {
    Secret::new([7; 32])
}

fn facts() -> PeerFacts {
    PeerFacts {
        capacity_sat: 5_000_000,
        channel_age_secs: 10_000_000,
        has_open_channel: true,
        is_announced: true,
        ..PeerFacts::default()
    }
}

fn options(class: SizeClass) -> BackupOptions {
    let journal = JournalOptions {
        profile: Profile::AllHtlcs,
        size_class: SizeClass::Bytes4096,
        ..JournalOptions::default()
    };
    BackupOptions { size_class: class, peers_max: 10_000, journal, ..BackupOptions::default() }
}

struct World {
    directory: tempfile::TempDir,
    store: Arc<Store>,
    backup: Backup,
    class: SizeClass,
    now_ms: u64,
    held: BTreeMap<NodeId, Vec<u8>>,
}

fn open(directory: &tempfile::TempDir, class: SizeClass) -> (Arc<Store>, Backup) {
    let store = Store::open(directory.path(), &StoreOptions::default()).unwrap();
    let backup = Backup::open(&store, &secret(), options(class)).unwrap();
    (store, backup)
}

fn world(class: SizeClass) -> World {
    let directory = tempfile::tempdir().unwrap();
    let (store, backup) = open(&directory, class);
    World { directory, store, backup, class, now_ms: START_MS, held: BTreeMap::new() }
}

/// The HTLC of this number.
fn htlc(number: u64) -> (HtlcKey, BackupHtlc) {
    let key = HtlcKey { channel_id: ChannelId([1; 32]), is_incoming: false, htlc_id: number };
    let htlc = BackupHtlc {
        payment_hash: PaymentHash([number as u8; 32]),
        amount_msat: 5_000_000,
        cltv_expiry: 900_000,
        preimage: None,
        output_index: None,
    };
    (key, htlc)
}

impl World {
    fn join(&mut self, number: u16) {
        self.backup.set_facts(self.now_ms, node(number), Some(facts())).unwrap();
        self.reconnect(number);
    }

    /// Answers with what it holds.
    fn reconnect(&mut self, number: u16) -> Action {
        self.backup.disconnected(node(number)).unwrap();
        self.backup.connected(self.now_ms, node(number), true).unwrap();
        match self.held.get(&node(number)) {
            Some(blob) => self.backup.retrieval(self.now_ms, node(number), blob).unwrap().action,
            None => self.backup.reestablish_begun(self.now_ms, node(number)).unwrap().action,
        }
    }

    /// Ticks until nothing is due at this time, and sends everything that is.
    fn send_all(&mut self) -> usize {
        let mut sent = 0;
        for _ in 0..40 {
            let ticked = self.backup.tick(self.now_ms).unwrap();
            let due: Vec<_> =
                ticked.actions.iter().filter(|(_, _, action)| *action == Action::Send).collect();
            sent += due.len();
            for (peer, _, _) in due {
                match self.backup.seal(self.now_ms, *peer, 1) {
                    Ok(sealed) => drop(self.held.insert(*peer, sealed.blob)),
                    Err(error) => assert_eq!(error.status(), Status::Conflict, "{error:?}"),
                }
            }
            self.now_ms += 5_000;
        }
        sent
    }

    fn round(&mut self, peers: std::ops::Range<u16>) -> usize {
        self.now_ms += 61_000;
        for number in peers {
            self.reconnect(number);
        }
        self.send_all()
    }

    /// The payload of the newest generation that can be restored, as a recovery finds it.
    fn restored(&self) -> Option<(u64, Vec<u8>)> {
        let mut wholes = BTreeMap::new();
        let mut cut: BTreeMap<u64, (share::ShareHeader, BTreeMap<usize, Vec<u8>>)> =
            BTreeMap::new();
        for (peer, blob) in &self.held {
            let opened = envelope::open(&BackupKeys::new(&secret()).peer(*peer), blob).unwrap();
            let (content, _) = roster::split(opened.header.flags, opened.payload()).unwrap();
            match opened.header.kind {
                KIND_PAYLOAD if content.is_empty() => {}
                KIND_PAYLOAD => drop(wholes.insert(opened.header.seq, content.to_vec())),
                KIND_SHARES => {
                    for record in share::decode(content).unwrap() {
                        let header = record.header;
                        let one = cut.entry(header.generation).or_insert((header, BTreeMap::new()));
                        assert_eq!(one.0.code, header.code);
                        assert_eq!(one.0.object_sha256, header.object_sha256);
                        one.1.insert(usize::from(header.index), record.bytes.to_vec());
                    }
                }
                _ => {}
            }
        }
        for (number, (header, shares)) in cut {
            let shares: Vec<_> = shares.iter().map(|(at, bytes)| (*at, &bytes[..])).collect();
            if let Ok(object) = header.code.decode(header.object_bytes as usize, &shares) {
                assert_eq!(sends::digest(&object), header.object_sha256);
                wholes.insert(number, object::split_object(&object).unwrap().0.to_vec());
            }
        }
        wholes.pop_last()
    }

    fn reopen(self) -> World {
        let World { directory, store, backup, class, now_ms, held } = self;
        store.crash();
        drop((backup, store));
        let (store, backup) = open(&directory, class);
        World { directory, store, backup, class, now_ms, held }
    }
}

#[test]
fn absurd_facts_do_no_harm() {
    let mut world = world(SizeClass::Bytes1024);
    world.backup.set_payload(&[1; 1_000]).unwrap();
    let absurd = |number: u16| PeerFacts {
        capacity_sat: u64::MAX,
        channel_age_secs: u64::MAX,
        has_open_channel: true,
        is_closing: false,
        is_announced: number.is_multiple_of(2),
        operator: Some(u64::MAX),
        software: u8::MAX,
        address: vec![u8::MAX; 255],
        latency_ms: u32::MAX,
    };
    for number in 0..12 {
        world.backup.set_facts(world.now_ms, node(number), Some(absurd(number))).unwrap();
        world.reconnect(number);
    }
    let long = PeerFacts { address: vec![1; 300], ..absurd(0) };
    drop(world.backup.set_facts(world.now_ms, node(0), Some(long)));
    world.send_all();
    world.round(0..12);
    assert_eq!(world.restored().unwrap().1, [1; 1_000]);
    assert!(world.backup.standing().unwrap().base.is_some());
}

fn many() -> u16 {
    std::env::var("LNKEEP_MODEL_PEERS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

#[test]
fn many_peers_cost_no_square() {
    let mut world = world(SizeClass::Bytes1024);
    world.backup.set_payload(&[1; 1_000]).unwrap();
    for number in 0..many() {
        world.backup.set_facts(world.now_ms, node(number), Some(facts())).unwrap();
        world.backup.connected(world.now_ms, node(number), true).unwrap();
        world.backup.reestablish_begun(world.now_ms, node(number)).unwrap();
    }
    let mut times = Vec::new();
    for round in 0..3 {
        let started = Instant::now();
        let ticked = world.backup.tick(world.now_ms).unwrap();
        times.push(("tick", started.elapsed()));
        let due: Vec<_> = ticked.actions.iter().map(|(peer, _, _)| *peer).collect();
        assert!(due.len() > 100, "round {round}: {} due", due.len());
        let started = Instant::now();
        for peer in due.iter().take(50) {
            let sealed = world.backup.seal(world.now_ms, *peer, 1).unwrap();
            world.held.insert(*peer, sealed.blob);
        }
        times.push(("50 seals", started.elapsed()));
        // What they hold is known from now on, so that there is something to protect.
        for number in 0..32 {
            world.reconnect(number);
        }
        world.now_ms += 61_000;
    }
    eprintln!("{times:?}");
    for (call, time) in times {
        assert!(time < Duration::from_secs(20), "{call} took {time:?}");
    }
}

#[test]
fn clocks_may_jump() {
    let mut world = world(SizeClass::Bytes1024);
    world.backup.set_payload(&[1; 1_000]).unwrap();
    (0..12).for_each(|number| world.join(number));
    world.send_all();
    world.round(0..12);
    world.now_ms -= 10 * 365 * 86_400_000;
    world.round(0..12);
    world.now_ms += 30 * 365 * 86_400_000;
    world.backup.set_payload(&[2; 1_000]).unwrap();
    world.round(0..12);
    world.round(0..12);
    assert_eq!(world.restored().unwrap().1, [2; 1_000]);
    world.now_ms = HOST_MS_MAX - 1_000_000;
    world.backup.set_payload(&[3; 1_000]).unwrap();
    world.round(0..12);
    assert_eq!(world.restored().unwrap().1, [3; 1_000]);
    assert!(world.backup.tick(u64::MAX).is_err());
    // The clock was wrong, and is right after a restart.
    let mut world = world.reopen();
    world.now_ms = START_MS;
    world.backup.set_payload(&[4; 1_000]).unwrap();
    (0..12).for_each(|number| world.join(number));
    world.send_all();
    world.round(0..12);
    assert_eq!(world.restored().unwrap().1, [4; 1_000]);
    let standing = world.backup.standing().unwrap();
    assert_eq!(standing.base, standing.newest);
}

#[test]
fn a_payload_that_always_changes_is_restorable_all_the_time() {
    let mut world = world(SizeClass::Bytes1024);
    world.backup.set_payload(&[0; 1_000]).unwrap();
    (0..12).for_each(|number| world.join(number));
    world.send_all();
    world.round(0..12);
    let (mut known, _) = world.restored().unwrap();
    for round in 1..60u16 {
        world.backup.set_payload(&vec![round as u8; 1_000]).unwrap();
        world.now_ms += 61_000;
        world.reconnect(round % 12);
        let ticked = world.backup.tick(world.now_ms).unwrap();
        for (peer, _, _) in ticked.actions {
            if let Ok(sealed) = world.backup.seal(world.now_ms, peer, 1) {
                world.held.insert(peer, sealed.blob);
            }
            let (now, _) = world.restored().expect("nothing can be restored");
            assert!(now >= known, "round {round}: {now}, {known} was known");
        }
        if round % 12 == 0 {
            world.send_all();
            let (sent, _) = world.restored().unwrap();
            for number in 0..12 {
                world.reconnect(number);
            }
            assert!(sent > known, "nothing newer than {known}");
            known = sent;
        }
    }
}

#[test]
fn peers_come_one_by_one_and_go() {
    for class in SizeClass::ALL {
        let mut world = world(class);
        let payload = vec![9; class.payload_max() + 1];
        world.backup.set_payload(&payload).unwrap();
        let mut needed = None;
        for number in 0..16 {
            world.join(number);
            world.send_all();
            world.round(0..number + 1);
            let standing = world.backup.standing().unwrap();
            if standing.needed_peers == 0 {
                needed = needed.or(Some(number + 1));
                assert_eq!(world.restored().unwrap().1, payload, "{class:?}, {number}");
            } else {
                assert!(u64::from(standing.needed_peers) > u64::from(number + 1));
            }
        }
        let needed = needed.unwrap();
        // Too few again, and back: nothing is lost meanwhile.
        for number in needed - 1..16 {
            world.backup.set_facts(world.now_ms, node(number), None).unwrap();
            world.backup.disconnected(node(number)).unwrap();
        }
        world.backup.set_payload(&vec![8; class.payload_max() + 1]).unwrap();
        world.round(0..needed - 1);
        assert!(world.restored().is_some(), "{class:?}");
        for number in needed - 1..needed {
            world.join(number);
        }
        world.send_all();
        world.round(0..needed);
        assert!(world.restored().is_some());
    }
}

#[test]
fn small_peers_keep_a_cut_payload() {
    let mut world = world(SizeClass::Bytes4096);
    let payload = vec![5; SizeClass::Bytes4096.payload_max() + 1];
    world.backup.set_payload(&payload).unwrap();
    for number in 0..31 {
        world.join(number);
    }
    // They keep nothing that is long.
    for _ in 0..12 {
        world.now_ms += 61_000;
        world.held.retain(|_, blob| blob.len() <= 1_024);
        for number in 0..31 {
            world.reconnect(number);
        }
        world.send_all();
        world.held.retain(|_, blob| blob.len() <= 1_024);
    }
    assert_eq!(world.restored().map(|(_, payload)| payload), Some(payload));
}

#[test]
fn adoption_of_absurd_numbers() {
    let mut world = world(SizeClass::Bytes1024);
    world.backup.set_payload(&[1; 1_000]).unwrap();
    (0..12).for_each(|number| world.join(number));
    assert!(world.backup.adopt(0).unwrap(), "a database that adopted is not fresh");
    assert!(!world.backup.adopt(0).unwrap());
    world.send_all();
    world.round(0..12);
    assert!(world.restored().is_some());
    assert!(world.backup.adopt(1 << 40).unwrap());
    assert!(!world.backup.adopt(1 << 40).unwrap());
    world.backup.set_payload(&[2; 1_000]).unwrap();
    world.round(0..12);
    world.round(0..12);
    let (generation, payload) = world.restored().unwrap();
    assert!(generation > 1 << 40 && payload == [2; 1_000]);
    // Numbers that leave none to go on with end all backups: refused, or survived.
    drop(world.backup.adopt(u64::MAX));
    world.backup.set_payload(&[3; 1_000]).unwrap();
    world.round(0..12);
    world.round(0..12);
    assert_eq!(world.restored().unwrap().1, [3; 1_000]);
}

#[test]
fn threads_agree_about_generations() {
    let mut world = world(SizeClass::Bytes1024);
    world.backup.set_payload(&[0; 1_000]).unwrap();
    (0..16).for_each(|number| world.join(number));
    let backup = &world.backup;
    let blobs: Mutex<Vec<(NodeId, Sealed)>> = Mutex::new(Vec::new());
    let blobs = &blobs;
    let started = Instant::now();
    let is_on = || started.elapsed() < Duration::from_secs(3);
    std::thread::scope(|scope| {
        for thread in 0..8u16 {
            scope.spawn(move || {
                let mut step = 0;
                while is_on() {
                    step += 1;
                    let peer = node((thread * 2 + step) % 16);
                    if let Ok(sealed) = backup.seal(START_MS + u64::from(step), peer, 1) {
                        blobs.lock().unwrap().push((peer, sealed));
                    }
                }
            });
        }
        scope.spawn(move || {
            let mut step = 0;
            while is_on() {
                step += 1;
                drop(backup.tick(START_MS + step * 100));
                backup.set_payload(&vec![step as u8; 800 + step as usize % 300]).unwrap();
                let (key, htlc) = htlc(step);
                backup.set_htlc(START_MS, key, htlc).unwrap();
                if step > 5 {
                    backup.remove_htlc(self::htlc(step - 5).0).unwrap();
                }
            }
        });
        scope.spawn(move || {
            while is_on() {
                let last = blobs.lock().unwrap().last().cloned();
                if let Some((peer, sealed)) = last {
                    let told = backup.retrieval(START_MS, peer, &sealed.blob).unwrap();
                    assert_ne!(told.action, Action::AlertStateLoss);
                }
                drop(backup.standing());
            }
        });
    });
    let blobs = blobs.lock().unwrap();
    let generations = agreed_generations(&blobs);
    eprintln!("{} blobs, {generations} generations", blobs.len());
    assert!(blobs.len() > 20 && generations > 2);
}

/// No number is given twice, and all records of a generation say the same of it. Answers how many there are.
fn agreed_generations(blobs: &[(NodeId, Sealed)]) -> usize {
    let seqs: BTreeSet<u64> = blobs.iter().map(|(_, sealed)| sealed.seq).collect();
    assert_eq!(seqs.len(), blobs.len(), "a number twice");
    let mut objects = BTreeMap::new();
    for (peer, sealed) in blobs {
        let opened = envelope::open(&BackupKeys::new(&secret()).peer(*peer), &sealed.blob).unwrap();
        let (content, _) = roster::split(opened.header.flags, opened.payload()).unwrap();
        if opened.header.kind == KIND_SHARES {
            for record in share::decode(content).unwrap() {
                let header = record.header;
                let one = (header.code, header.object_bytes, header.object_sha256);
                let first = *objects.entry(header.generation).or_insert(one);
                assert_eq!(first, one, "generation {} is two", header.generation);
                assert!(header.generation <= opened.header.seq);
            }
        }
    }
    objects.len()
}

/// Two blobs that are on their way at once: the second must not count on the first one's copy.
#[test]
fn what_is_on_its_way_counts_as_replaced() {
    let mut world = world(SizeClass::Bytes1024);
    world.backup.set_payload(&[1; 100]).unwrap();
    (0..12).for_each(|number| world.join(number));
    world.round(0..12);
    world.round(0..12);
    world.backup.set_payload(&[2; 900]).unwrap();
    let mut state = world.backup.hold().unwrap();
    let planned: Vec<bool> =
        (0..12).map(|number| state.ledger.plan_send(node(number)).is_ok()).collect();
    assert_eq!(planned.iter().filter(|is_planned| !**is_planned).count(), 1, "{planned:?}");
    let last = node(planned.iter().position(|is_planned| !is_planned).unwrap() as u16);
    state.ledger.failed(node(u16::from(last == node(0))));
    assert!(state.ledger.plan_send(last).is_ok(), "another one keeps its copy");
}

impl World {
    fn journal_keepers(&self) -> Vec<NodeId> {
        let peers = self.backup.peers(None, 100).unwrap();
        peers.iter().filter(|peer| peer.keeps_journal).map(|peer| peer.peer).collect()
    }

    fn base_of_journals(&self) -> u64 {
        self.backup.hold().unwrap().ledger.sends.journals.base_generation()
    }

    fn told_again(self, payload: &[u8], peers: std::ops::Range<u16>) -> World {
        let mut world = self.reopen();
        world.backup.set_payload(payload).unwrap();
        let (key, one) = htlc(1);
        world.backup.set_htlc(world.now_ms, key, one).unwrap();
        peers.for_each(|number| world.join(number));
        world
    }
}

#[test]
fn keepers_of_journals_go_on_after_a_reopen() {
    let mut world = world(SizeClass::Bytes1024);
    (0..6).for_each(|number| world.join(number));
    world = world.told_again(&[1; 100], 0..6);
    world.round(0..6);
    let keepers = world.journal_keepers();
    assert_eq!(keepers.len(), 3);
    world = world.told_again(&[1; 100], 0..6);
    for number in (0..6).filter(|number| !keepers.contains(&node(*number))) {
        let better = PeerFacts { capacity_sat: 9_000_000, ..facts() };
        world.backup.set_facts(world.now_ms, node(number), Some(better)).unwrap();
    }
    world.round(0..6);
    assert_eq!(world.journal_keepers(), keepers, "the only journals would be overwritten");
}

#[test]
fn journals_name_no_base_that_whole_blobs_replaced() {
    let mut world = world(SizeClass::Bytes1024);
    (0..14).for_each(|number| world.join(number));
    world = world.told_again(&[1; 900], 0..14);
    for _ in 0..6 {
        world.round(0..14);
    }
    assert_ne!(world.base_of_journals(), 0, "{:?}", world.backup.standing());
    world.backup.set_payload(&[2; 100]).unwrap();
    world.round(0..14);
    world.round(0..14);
    assert_eq!(world.base_of_journals(), 0);
    world = world.told_again(&[2; 100], 0..14);
    world.round(0..14);
    assert_eq!(world.base_of_journals(), 0, "its shares are gone");
}
