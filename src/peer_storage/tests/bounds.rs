//! What peer storage costs: commits per tick, commits per cooldown, memory under a flood.

use super::world::{Real, node};
use crate::Status;
use crate::limits::{BULK_BYTES_MAX, PEER_BLOB_BYTES_MAX};
use crate::peer_storage::{ClaimChange, Claims, PeerStorageOptions, Stored};
use crate::store::failpoints::Fault;

/// A store with so many peers that have a channel.
fn world(peers: u64, options: PeerStorageOptions) -> Real {
    let world = Real::new(options);
    let claims: Vec<_> = (0..peers).map(claim).collect();
    world.storage().claims_complete(&claims, 100).unwrap();
    world
}

fn claim(number: u64) -> Claims {
    Claims { peer: node(number), open_channels: 1, pending_channels: 0, is_allowed: false }
}

fn commits(world: &Real) -> u64 {
    world.store.stats().unwrap().commits
}

/// Gives every peer a blob on disk and another one that waits.
fn let_wait(world: &Real, peers: u64, bytes: usize) {
    for number in 0..peers {
        let stored = world.storage().store_blob(0, node(number), b"first").unwrap();
        assert!(matches!(stored, Stored::Committed));
    }
    for number in 0..peers {
        let stored = world.storage().store_blob(1, node(number), &vec![number as u8; bytes]);
        assert!(matches!(stored.unwrap(), Stored::Deferred { due_ms: 1_000, failure: None }));
    }
}

#[test]
fn blobs_due_at_one_tick_share_commits_as_far_as_a_slice_of_bulk_goes() {
    let peers = 100;
    let mut world = world(peers, PeerStorageOptions::default());
    let_wait(&world, peers, PEER_BLOB_BYTES_MAX);
    let before = commits(&world);
    let ticked = world.storage().tick(1_000).unwrap();
    assert_eq!((ticked.committed.len(), ticked.failed.len()), (peers as usize, 0));
    assert_eq!(ticked.next_due_ms, None);
    let most = (peers * 65_700).div_ceil(BULK_BYTES_MAX as u64);
    let made = commits(&world) - before;
    assert!(made <= most, "{made} commits, at most {most}");
    world.end(true);
    world.check();
    world.open();
    for number in 0..peers {
        let found = world.storage().export(node(number)).unwrap().unwrap();
        assert!(found == vec![number as u8; PEER_BLOB_BYTES_MAX]);
    }
}

/// More small blobs than one submission may have operations.
#[test]
fn thousands_of_small_blobs_are_written_by_one_tick() {
    let peers = 3_000;
    let mut world = world(peers, PeerStorageOptions::default());
    let_wait(&world, peers, 1);
    let before = commits(&world);
    let ticked = world.storage().tick(1_000).unwrap();
    assert_eq!((ticked.committed.len(), ticked.failed.len()), (peers as usize, 0));
    assert_eq!(commits(&world) - before, 3);
    world.end(true);
    world.open();
    assert_eq!(world.storage().report().bytes, peers);
    let collected = {
        world.storage().claims_complete(&[], 1).unwrap();
        world.storage().block_connected(1 + world.options.retention_blocks).unwrap()
    };
    assert_eq!(collected.len(), peers as usize);
    world.end(false);
    world.check();
}

#[test]
fn a_flood_of_one_peer_costs_one_commit_per_cooldown() {
    let world = world(1, PeerStorageOptions::default());
    let before = commits(&world);
    let mut blob = vec![0; 2_000];
    for update in 0..10_000u64 {
        blob[..8].copy_from_slice(&update.to_le_bytes());
        let t = update / 10;
        world.storage().tick(t).unwrap();
        world.storage().store_blob(t, node(0), &blob).unwrap();
    }
    assert_eq!(commits(&world) - before, 1);
    world.storage().tick(1_000).unwrap();
    assert_eq!(commits(&world) - before, 2);
    assert_eq!(world.storage().export(node(0)).unwrap().unwrap(), blob);
    let stats = world.storage().stats().unwrap();
    assert_eq!((stats.commits, stats.deferred, stats.pending), (2, 9_999, 0));
}

#[test]
fn what_waits_in_memory_is_bounded_under_a_flood_of_peers() {
    let peers = 2_000;
    let pending_bytes_max = 8 << 20;
    let world = world(peers, PeerStorageOptions { pending_bytes_max, ..Default::default() });
    let mut busy = 0;
    for number in 0..peers {
        world.storage().store_blob(0, node(number), &[1]).unwrap();
    }
    for round in 1..=3u8 {
        for number in 0..peers {
            let blob = vec![round; 40_000];
            match world.storage().store_blob(1, node(number), &blob) {
                Ok(stored) => assert!(matches!(stored, Stored::Deferred { .. }), "{stored:?}"),
                Err(refused) => {
                    assert_eq!(refused.status(), Status::Busy);
                    busy += 1;
                }
            }
            assert!(world.storage().stats().unwrap().pending_bytes <= pending_bytes_max);
        }
    }
    let waiting = pending_bytes_max / 40_000;
    assert_eq!(world.storage().stats().unwrap().pending, waiting);
    assert_eq!(busy, 3 * (peers - waiting));
    // Who was refused has what it had; who was not has its newest.
    let last = world.storage().export(node(peers - 1)).unwrap().unwrap();
    assert_eq!(last, [1]);
    let first = world.storage().export(node(0)).unwrap().unwrap();
    assert!(first == vec![3; 40_000]);
}

/// On a full disk every blob that is due stays in memory: the bound holds for those, too.
#[test]
fn a_full_disk_does_not_fill_the_memory() {
    let peers = 100;
    let pending_bytes_max = 400_000;
    let world = world(peers, PeerStorageOptions { pending_bytes_max, ..Default::default() });
    let mut refused = 0;
    for number in 0..peers {
        world.store.inject(Some(Fault::NoSpace));
        match world.storage().store_blob(0, node(number), &vec![1; 40_000]) {
            Ok(stored) => {
                assert!(matches!(stored, Stored::Deferred { failure: Some(_), .. }), "{stored:?}");
            }
            Err(error) => {
                assert_eq!(error.status(), Status::NoSpace);
                assert_eq!(world.storage().export(node(number)).unwrap(), None);
                refused += 1;
            }
        }
        assert!(world.storage().stats().unwrap().pending_bytes <= pending_bytes_max);
    }
    assert_eq!(refused, 90);
    world.store.inject(None);
    assert_eq!(world.storage().flush(1).unwrap().committed.len(), 10);
}

/// What a peer was told is kept is not given up for a blob of its own that finds no room.
#[test]
fn a_blob_without_room_leaves_the_one_that_waits() {
    let world = world(3, PeerStorageOptions { pending_bytes_max: 100, ..Default::default() });
    let storage = world.storage();
    for number in 0..3 {
        storage.store_blob(0, node(number), &[number as u8]).unwrap();
    }
    storage.store_blob(1, node(0), &[7; 40]).unwrap();
    storage.store_blob(1, node(1), &[8; 40]).unwrap();
    world.store.inject(Some(Fault::NoSpace));
    let refused = storage.store_blob(1_000, node(0), &[9; 90]).unwrap_err();
    assert_eq!(refused.status(), Status::NoSpace);
    assert_eq!(storage.export(node(0)).unwrap().unwrap(), [7; 40]);
    assert_eq!(storage.export(node(1)).unwrap().unwrap(), [8; 40]);
    assert_eq!(storage.flush(1_002).unwrap().committed, [node(0), node(1)]);
    assert_eq!(storage.connected(1_003, node(0)).unwrap().unwrap(), [7; 40]);
}

/// Claims that come and go do not grow what is known of peers without a blob.
#[test]
fn peers_without_a_blob_and_without_a_claim_leave_nothing_in_memory() {
    let world = world(0, PeerStorageOptions::default());
    for number in 0..5_000 {
        let peer = node(number);
        world.storage().report_claim(peer, ClaimChange::OpenChannel, 1).unwrap();
        world.storage().report_claim(peer, ClaimChange::ClosedChannel, 1).unwrap();
        drop(world.storage().store_blob(1, peer, b"x"));
    }
    let state = format!("{:?}", world.storage().shared.state.hold().unwrap().provider);
    assert!(state.len() < 2_000, "{} bytes of memory are told", state.len());
    assert_eq!(world.storage().stats().unwrap().refused_no_claim, 5_000);
}

/// Whether each peer has its second blob on disk.
fn on_disk(world: &mut Real, peers: u64) -> Vec<bool> {
    world.end(true);
    world.check();
    world.open();
    let is_second = |number| {
        let found = world.storage().export(node(number)).unwrap().unwrap();
        let second = vec![number as u8; PEER_BLOB_BYTES_MAX];
        assert!(found == second || found == b"first", "parts of two blobs");
        found == second
    };
    (0..peers).map(is_second).collect()
}

/// Fifteen of the longest blobs fit a slice of bulk.
const PER_SLICE: usize = 15;

#[test]
fn a_tick_of_several_commits_that_fails_amid_leaves_whole_blobs() {
    let peers = 40;
    for fault in [Fault::CommitFailsBefore, Fault::CommitFailsAfter, Fault::WriteFails(7)] {
        let mut world = world(peers, PeerStorageOptions::default());
        let_wait(&world, peers, PEER_BLOB_BYTES_MAX);
        world.store.inject_after(1, fault);
        let ticked = world.storage().tick(1_001).unwrap();
        let told: Vec<_> = (0..PER_SLICE as u64).map(node).collect();
        assert_eq!(ticked.committed, told, "{fault:?}");
        let failed: Vec<_> = ticked.failed.iter().map(|(_, error)| error.status()).collect();
        let met = if fault == Fault::WriteFails(7) { Status::Io } else { Status::Unknown };
        assert_eq!(failed[..PER_SLICE], [met; PER_SLICE], "{fault:?}");
        assert_eq!(failed[PER_SLICE..], [Status::Poisoned; 10]);
        let slices = if fault == Fault::CommitFailsAfter { 2 } else { 1 };
        let second = on_disk(&mut world, peers);
        let expected: Vec<_> = (0..peers as usize).map(|at| at < slices * PER_SLICE).collect();
        assert_eq!(second, expected, "{fault:?}");
    }
}

#[test]
fn a_slice_that_finds_no_room_waits_and_the_others_are_written() {
    let peers = 40;
    let mut world = world(peers, PeerStorageOptions::default());
    let_wait(&world, peers, PEER_BLOB_BYTES_MAX);
    world.store.inject_after(1, Fault::NoSpace);
    let ticked = world.storage().tick(1_001).unwrap();
    let failed: Vec<_> = ticked.failed.iter().map(|(peer, _)| *peer).collect();
    let waits = PER_SLICE as u64..2 * PER_SLICE as u64;
    let second: Vec<_> = waits.map(node).collect();
    assert_eq!((ticked.committed.len(), failed), (peers as usize - PER_SLICE, second.clone()));
    assert_eq!(ticked.next_due_ms, Some(2_001));
    let stats = world.storage().stats().unwrap();
    assert_eq!(stats.pending, PER_SLICE as u64);
    let returned = world.storage().connected(1_002, second[0]).unwrap().unwrap();
    assert!(returned == [15; PEER_BLOB_BYTES_MAX]);
    assert_eq!(world.storage().tick(2_001).unwrap().committed, second);
    assert_eq!(on_disk(&mut world, peers), vec![true; peers as usize]);
}

#[test]
fn a_collection_that_fails_amid_tells_what_it_removed_and_goes_on_at_the_next_block() {
    let peers = 150;
    for fault in [Fault::NoSpace, Fault::CommitFailsBefore] {
        let mut world = world(peers, PeerStorageOptions::default());
        for number in 0..peers {
            world.storage().store_blob(0, node(number), b"first").unwrap();
        }
        let none: Vec<_> =
            (0..peers).map(|number| Claims { open_channels: 0, ..claim(number) }).collect();
        world.storage().claims_complete(&none, 100).unwrap();
        let over = 100 + world.options.retention_blocks;
        world.store.inject_after(1, fault);
        let mut collected = world.storage().block_connected(over).unwrap();
        assert!(!collected.is_empty() && collected.len() < peers as usize, "{fault:?}");
        if fault != Fault::NoSpace {
            world.end(true);
            world.check();
            world.open();
            assert_eq!(world.storage().report().peers, peers - collected.len() as u64);
            world.storage().claims_complete(&[], over).unwrap();
        }
        collected.extend(world.storage().block_connected(over).unwrap());
        assert_eq!(collected, (0..peers).map(node).collect::<Vec<_>>(), "{fault:?}");
        assert_eq!(world.storage().stats().unwrap().peers, 0);
        world.end(true);
        world.check();
    }
}

/// A peer takes what it is returned for confirmed, so it is written first; what cannot be is returned too.
#[test]
fn what_a_peer_is_shown_outlives_a_crash() {
    let mut world = world(1, PeerStorageOptions::default());
    let storage = world.storage();
    storage.store_blob(0, node(0), b"first").unwrap();
    storage.store_blob(1, node(0), b"second").unwrap();
    world.store.inject(Some(Fault::NoSpace));
    assert_eq!(storage.connected(101, node(0)).unwrap().unwrap(), b"second");
    assert!(storage.list(None, 1).unwrap()[0].is_pending);
    assert_eq!(storage.connected(202, node(0)).unwrap().unwrap(), b"second");
    assert!(!storage.list(None, 1).unwrap()[0].is_pending);
    world.end(true);
    world.open();
    assert_eq!(world.storage().export(node(0)).unwrap().unwrap(), b"second");
}
