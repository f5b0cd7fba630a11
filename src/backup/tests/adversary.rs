//! What malicious peers, races and bad clocks do to the backup.

use std::sync::Arc;
use std::time::Duration;

use super::super::envelope::{Header, SizeClass};
use super::super::*;
use crate::events::{Events, Start};
use crate::store::StoreOptions;
use crate::store::failpoints::Fault;

fn node(number: u16) -> NodeId {
    let mut id = [2; 33];
    id[1..3].copy_from_slice(&number.to_be_bytes());
    NodeId(id)
}

fn secret() -> Secret {
    Secret::new([7; 32])
}

struct World {
    directory: tempfile::TempDir,
    store: Arc<Store>,
    backup: Backup,
}

fn world(options: BackupOptions) -> World {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), &StoreOptions::default()).unwrap();
    let backup = Backup::open(&store, &secret(), options).unwrap();
    backup.set_payload(b"our state").unwrap();
    World { directory, store, backup }
}

fn foreign(peer: NodeId, seq: u64) -> Vec<u8> {
    let keys = BackupKeys::new(&secret()).peer(peer);
    let header = Header { seq, instance: [9; 16], ..Header::default() };
    envelope::seal(&keys, &header, b"former state", SizeClass::Bytes1024, [1; 16]).unwrap()
}

impl World {
    fn commits(&self) -> u64 {
        self.store.stats().unwrap().commits
    }
    /// Connects a peer, lets its time pass and sends it a blob.
    fn send(&self, number: u16) -> Sealed {
        self.backup.connected(1, node(number), true).unwrap();
        self.backup.reestablish_begun(1, node(number)).unwrap();
        self.backup.seal(1, node(number), 1).unwrap()
    }
    fn reopen(self) -> (tempfile::TempDir, Arc<Store>, Backup) {
        let World { directory, store, backup } = self;
        store.crash();
        drop(backup);
        drop(store);
        let store = Store::open(directory.path(), &StoreOptions::default()).unwrap();
        let backup = Backup::open(&store, &secret(), BackupOptions::default()).unwrap();
        (directory, store, backup)
    }
}

#[test]
fn an_old_deadline_does_not_end_a_new_hold() {
    let world =
        world(BackupOptions { size_class: SizeClass::Bytes1024, ..BackupOptions::default() });
    for number in 0..200 {
        world.send(number);
        world.backup.disconnected(node(number)).unwrap();
        world.backup.connected(2, node(number), true).unwrap();
    }
    world.backup.tick(9_000).unwrap();
    std::thread::scope(|scope| {
        let tick = scope.spawn(|| world.backup.tick(12_000).unwrap());
        // until the first one is concluded
        let started = std::time::Instant::now();
        while world.backup.peers(None, 1).unwrap()[0].state == PeerState::Hold {
            assert!(started.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
        world.backup.disconnected(node(199)).unwrap();
        world.backup.connected(12_000, node(199), true).unwrap();
        tick.join().unwrap();
    });
    let last = world.backup.peers(Some(node(198)), 1).unwrap()[0].clone();
    assert_eq!(last.state, PeerState::Hold, "connected this very moment");
}

#[test]
fn a_seal_does_not_unblock() {
    for pause_us in [0, 200, 500, 1_000, 2_000, 4_000, 8_000] {
        let world = world(BackupOptions::default());
        world.backup.connected(1, node(1), true).unwrap();
        world.backup.reestablish_begun(1, node(1)).unwrap();
        world.send(3);
        let blob = foreign(node(2), 1 << 40);
        let sealed = std::thread::scope(|scope| {
            let seal = scope.spawn(|| world.backup.seal(1, node(1), 1));
            std::thread::sleep(Duration::from_micros(pause_us));
            let told = world.backup.retrieval(1, node(2), &blob).unwrap();
            assert_eq!(told.action, Action::AlertStateLoss);
            assert!(told.failure.is_none());
            seal.join().unwrap()
        });
        assert!(world.backup.standing().unwrap().is_blocked);
        let (_directory, _store, backup) = world.reopen();
        assert!(
            backup.report().is_blocked,
            "pause {pause_us} us, seal answered {:?}",
            sealed.map(|sealed| sealed.seq)
        );
    }
}

fn flood(world: &World, blobs: &[&[u8]], peer: NodeId) -> (u64, usize) {
    let events = Events::open(&world.store, b"c", Start::Newest).unwrap();
    let before = world.commits();
    for round in 0..200 {
        world.backup.retrieval(2, peer, blobs[round % blobs.len()]).unwrap();
    }
    (world.commits() - before, events.take(1_000).unwrap().len())
}

#[test]
fn a_flood_of_garbage_costs_little() {
    let world = world(BackupOptions::default());
    world.send(1);
    let (commits, events) = flood(&world, &[b"x"], node(1));
    assert!(commits <= 2 && events <= 2, "{commits} commits, {events} events");
}

#[test]
fn a_flood_of_alarms_costs_little() {
    let world = world(BackupOptions::default());
    world.send(1);
    let blob = foreign(node(1), 9);
    let (commits, events) = flood(&world, &[&blob], node(1));
    assert!(commits <= 2 && events <= 2, "{commits} commits, {events} events");
}

#[test]
fn alternating_blobs_cost_little() {
    let world =
        world(BackupOptions { size_class: SizeClass::Bytes1024, ..BackupOptions::default() });
    let one = world.send(1).blob;
    let two = world.backup.seal(100_000, node(1), 1).unwrap().blob;
    let (commits, events) = flood(&world, &[&two, &one], node(1));
    assert!(commits <= 2 && events <= 2, "{commits} commits, {events} events");
}

#[test]
fn an_authentic_blob_needs_no_room() {
    let world = world(BackupOptions { peers_max: 8, ..BackupOptions::default() });
    for number in 0..8 {
        drop(world.backup.connected(1, node(number), true));
        drop(world.backup.retrieval(1, node(number), b"x"));
        drop(world.backup.disconnected(node(number)));
    }
    let told = world.backup.retrieval(1, node(100), &foreign(node(100), 9));
    assert_eq!(told.unwrap().action, Action::AlertStateLoss);
}

#[test]
fn strangers_leave_room_for_a_new_peer() {
    let world = world(BackupOptions { peers_max: 8, ..BackupOptions::default() });
    for number in 0..8 {
        drop(world.backup.connected(1, node(number), true));
        drop(world.backup.retrieval(1, node(number), b"x"));
        drop(world.backup.disconnected(node(number)));
    }
    world.backup.connected(1, node(100), true).unwrap();
}

#[test]
fn the_end_of_time_ends_no_hold() {
    let world = world(BackupOptions::default());
    if world.backup.connected(u64::MAX, node(1), true).is_ok() {
        drop(world.backup.tick(u64::MAX));
        assert_eq!(world.backup.peers(None, 1).unwrap()[0].state, PeerState::Hold);
    }
}

#[test]
fn a_block_that_was_not_durable_becomes_so() {
    let world = world(BackupOptions::default());
    world.send(1);
    world.store.inject(Some(Fault::NoSpace));
    let told = world.backup.retrieval(1, node(2), &foreign(node(2), 9)).unwrap();
    assert!(told.failure.is_some() && told.action == Action::AlertStateLoss);
    let again = world.backup.retrieval(1, node(4), &foreign(node(4), 9)).unwrap();
    assert!(again.failure.is_none() && again.action == Action::AlertStateLoss);
    drop(world.backup.tick(1_000_000).unwrap());
    let (_directory, _store, backup) = world.reopen();
    assert!(backup.report().is_blocked);
}

#[test]
fn a_reconnection_that_says_nothing_new_writes_nothing() {
    let world =
        world(BackupOptions { size_class: SizeClass::Bytes1024, ..BackupOptions::default() });
    let blob = world.send(1).blob;
    world.backup.retrieval(1, node(1), &blob).unwrap();
    let before = world.commits();
    for _ in 0..10 {
        world.backup.disconnected(node(1)).unwrap();
        world.backup.connected(2, node(1), true).unwrap();
        world.backup.retrieval(1, node(1), &blob).unwrap();
    }
    assert_eq!(world.commits() - before, 0);
}

#[test]
fn a_closed_store_answers_nothing() {
    let world = world(BackupOptions::default());
    world.store.close().unwrap();
    assert!(world.backup.connected(1, node(1), true).is_err());
}

#[test]
fn a_loss_while_nothing_is_durable_is_found_again() {
    // A crash right after an unknown outcome of a seal: the number is never used for another text.
    for fault in [Fault::CommitFailsBefore, Fault::CommitFailsAfter] {
        let world =
            world(BackupOptions { size_class: SizeClass::Bytes1024, ..BackupOptions::default() });
        let first = world.send(1);
        world.backup.retrieval(1, node(1), &first.blob).unwrap();
        world.store.inject(Some(fault));
        assert!(world.backup.seal(100_000, node(1), 1).is_err());
        let (_directory, _store, backup) = world.reopen();
        backup.set_payload(b"other").unwrap();
        backup.connected(1, node(1), true).unwrap();
        let told = backup.retrieval(1, node(1), &first.blob).unwrap();
        assert!(matches!(told.peer.state, PeerState::Committed | PeerState::Lagging), "{told:?}");
        let next = backup.seal(200_000, node(1), 1).unwrap();
        assert!(next.seq > first.seq);
    }
}

#[test]
fn a_late_timer_ends_a_hold() {
    let world = world(BackupOptions::default());
    let mut now_ms = 1_000_000;
    world.backup.tick(now_ms).unwrap();
    world.backup.connected(now_ms, node(1), true).unwrap();
    for _ in 0..5 {
        now_ms = world.backup.tick(now_ms).unwrap().next_due_ms.unwrap() + 5;
        world.backup.tick(now_ms).unwrap();
    }
    assert_eq!(world.backup.peers(None, 1).unwrap()[0].state, PeerState::Clear);
}

#[test]
fn an_acknowledgement_lasts() {
    let world =
        world(BackupOptions { size_class: SizeClass::Bytes1024, ..BackupOptions::default() });
    world.send(1);
    world.backup.retrieval(1, node(1), &foreign(node(1), 9)).unwrap();
    world.backup.disconnected(node(1)).unwrap();
    world.backup.connected(2, node(1), true).unwrap();
    assert!(world.backup.acknowledge().unwrap());
    let (_directory, _store, backup) = world.reopen();
    assert!(!backup.report().is_blocked);
}

#[test]
fn a_forgotten_peer_raises_no_alarm() {
    let world =
        world(BackupOptions { size_class: SizeClass::Bytes1024, ..BackupOptions::default() });
    let blob = world.send(1).blob;
    world.backup.disconnected(node(1)).unwrap();
    drop(world.backup.forget(node(1)));
    world.backup.connected(2, node(1), true).unwrap();
    let told = world.backup.retrieval(2, node(1), &blob).unwrap();
    assert!(told.action != Action::AlertStateLoss, "{told:?}");
}

const FLOOR: u64 = 1 << 20;

/// A database that goes on after a recovery to which nobody showed anything, and its first blob.
fn after_a_blind_recovery(now_ms: u64, payload: &[u8]) -> (World, Sealed) {
    let world = world(BackupOptions::default());
    assert!(world.backup.adopt(FLOOR).unwrap());
    world.backup.set_payload(payload).unwrap();
    world.backup.connected(now_ms, node(1), true).unwrap();
    world.backup.reestablish_begun(now_ms, node(1)).unwrap();
    let sealed = world.backup.seal(now_ms, node(1), 1).unwrap();
    (world, sealed)
}

/// A life of the simulator found it: a node lost its disk twice, and each time the one peer that had its
/// newest blob kept it back. Both recoveries gave the same floor, so what the first of the two databases had
/// numbered seven above it later counted as newer than what the second had numbered four above it.
#[test]
fn what_a_peer_hid_from_a_recovery_is_old_in_the_next() {
    let first_ms = 1_800_000_000_000;
    let (first, hidden) = after_a_blind_recovery(first_ms, b"hidden");
    let (second, since) = after_a_blind_recovery(first_ms + 1_000, b"written since");
    assert!(hidden.seq + 1_000_000 < since.seq, "{} and {}", hidden.seq, since.seq);
    // It is a state that was lost all the same: only what the recovery was shown was adopted.
    second.backup.connected(first_ms + 2_000, node(2), true).unwrap();
    let keys = BackupKeys::new(&secret()).peer(node(2));
    let header = Header {
        seq: hidden.seq,
        instance: first.backup.standing().unwrap().instance,
        ..Header::default()
    };
    let blob = envelope::seal(&keys, &header, b"hidden", SizeClass::Bytes1024, [1; 16]).unwrap();
    let told = second.backup.retrieval(first_ms + 2_000, node(2), &blob).unwrap();
    assert_eq!(told.action, Action::AlertStateLoss);
}

#[test]
fn only_the_first_number_after_an_adoption_follows_a_clock_that_can_be() {
    let (world, first) = after_a_blind_recovery(1_000_000, b"x");
    assert_eq!(first.seq, 1_000_000 << 14);
    world.backup.connected(2_000_000, node(2), true).unwrap();
    world.backup.reestablish_begun(2_000_000, node(2)).unwrap();
    assert_eq!(world.backup.seal(2_000_000, node(2), 1).unwrap().seq, first.seq + 1);
    let (_, wrong) = after_a_blind_recovery((1 << 48) + 1, b"x");
    assert_eq!(wrong.seq, FLOOR + 1);
    let (_, late) = after_a_blind_recovery(1 << 48, b"x");
    assert_eq!(late.seq, 1 << 62);
}
