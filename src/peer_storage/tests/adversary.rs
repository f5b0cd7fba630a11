//! What a malicious peer, a busy host and a broken disk may try.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::*;
use crate::store::StoreOptions;
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Rows, Space};
use crate::store::failpoints::Fault;
use crate::store::tables::Table;

fn node(number: u16) -> NodeId {
    let mut id = [2; 33];
    id[1..3].copy_from_slice(&number.to_be_bytes());
    NodeId(id)
}

struct World {
    directory: tempfile::TempDir,
    store: Arc<Store>,
    kept: PeerStorage,
}

fn world(options: PeerStorageOptions) -> World {
    world_of(options, &StoreOptions::default())
}

fn world_of(options: PeerStorageOptions, of_store: &StoreOptions) -> World {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), of_store).unwrap();
    let kept = PeerStorage::open(&store, options).unwrap();
    World { directory, store, kept }
}

impl World {
    fn open_channel(&self, number: u16) {
        self.kept.report_claim(node(number), ClaimChange::OpenChannel, 100).unwrap();
    }
    fn commits(&self) -> u64 {
        self.store.stats().unwrap().commits
    }
}

#[test]
fn more_small_blobs_than_a_submission_takes_are_all_written() {
    let world = world(PeerStorageOptions { cooldown_ms: 1_000, ..Default::default() });
    for number in 0..1_100 {
        world.open_channel(number);
    }
    for number in 0..1_100 {
        assert!(matches!(world.kept.store_blob(1, node(number), b"a").unwrap(), Stored::Committed));
        assert!(matches!(
            world.kept.store_blob(2, node(number), b"b").unwrap(),
            Stored::Deferred { .. }
        ));
    }
    let ticked = world.kept.tick(5_000).unwrap();
    assert_eq!(
        (ticked.committed.len(), ticked.failed.len()),
        (1_100, 0),
        "{:?}",
        ticked.failed.first()
    );
}

#[test]
fn a_block_is_not_kept_waiting_by_peers_that_store_without_pause() {
    let world = world(PeerStorageOptions { cooldown_ms: 0, ..Default::default() });
    for number in 0..8 {
        world.open_channel(number);
    }
    world
        .kept
        .claims_complete(
            &(0..8)
                .map(|n| Claims {
                    peer: node(n),
                    open_channels: 1,
                    pending_channels: 0,
                    is_allowed: false,
                })
                .collect::<Vec<_>>(),
            100,
        )
        .unwrap();
    let stop = AtomicBool::new(false);
    let stored = AtomicU64::new(0);
    let took = std::thread::scope(|scope| {
        for number in 0..8_u16 {
            let (kept, stop, stored) = (&world.kept, &stop, &stored);
            scope.spawn(move || {
                let mut round = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    round += 1;
                    kept.store_blob(round, node(number), &round.to_be_bytes()).unwrap();
                    stored.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(100));
        let waiter = scope.spawn(|| {
            let started = Instant::now();
            world.kept.block_connected(101).unwrap();
            started.elapsed()
        });
        let deadline = Instant::now() + Duration::from_secs(10);
        while !waiter.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Relaxed);
        waiter.join().unwrap()
    });
    let stored = stored.load(Ordering::Relaxed);
    assert!(took < Duration::from_secs(5), "{took:?} beside {stored} stores");
}

#[test]
fn refusals_of_one_peer_cost_one_commit() {
    let options = PeerStorageOptions { total_bytes_max: 100, ..Default::default() };
    let world = world(options);
    world.open_channel(1);
    assert!(matches!(world.kept.store_blob(1, node(1), b"x").unwrap(), Stored::Committed));
    let before = world.commits();
    for _ in 0..1_000 {
        assert!(matches!(world.kept.store_blob(1, node(1), b"x").unwrap(), Stored::Unchanged));
        assert_eq!(
            world.kept.store_blob(1, node(1), &[0; 101]).unwrap_err().status(),
            Status::QuotaTotal
        );
    }
    let spent = world.commits() - before;
    assert!(spent <= 1, "{spent} commits for 1,000 refusals in one millisecond");
}

#[test]
fn a_claim_saves_a_blob_whose_mark_could_not_be_written() {
    let of_store = StoreOptions::default();
    let world = world_of(PeerStorageOptions::default(), &of_store);
    world.open_channel(1);
    world.kept.store_blob(1, node(1), b"x").unwrap();
    world.kept.claims_complete(&[], 100).unwrap();
    world.kept.report_claim(node(1), ClaimChange::ClosedChannel, 100).unwrap();
    let claims = Claims { peer: node(1), open_channels: 1, pending_channels: 0, is_allowed: false };
    world.store.inject(Some(Fault::NoSpace));
    assert_eq!(world.kept.claims_complete(&[claims], 2_000).unwrap_err().status(), Status::NoSpace);
    assert_eq!(
        world.kept.block_connected(100 + 2_016).unwrap(),
        vec![],
        "of a peer with an open channel"
    );
}

#[test]
fn a_closed_store_accepts_nothing() {
    let world = world(PeerStorageOptions::default());
    world.open_channel(1);
    world.kept.store_blob(1, node(1), b"x").unwrap();
    world.store.close().unwrap();
    let late = world.kept.store_blob(2, node(1), b"y");
    assert!(late.is_err(), "{late:?} by a closed store");
}

#[test]
fn other_options_are_taken_after_the_last_handle_went() {
    let world = world(PeerStorageOptions::default());
    world.open_channel(1);
    world.kept.close().unwrap();
    let again =
        PeerStorage::open(&world.store, PeerStorageOptions { is_off: true, ..Default::default() });
    assert!(again.is_ok(), "{:?}", again.err());
}

#[test]
fn claims_end_with_the_last_handle() {
    let world = world(PeerStorageOptions::default());
    world.open_channel(1);
    world.kept.store_blob(1, node(1), b"x").unwrap();
    world.kept.claims_complete(&[], 100).unwrap();
    world.kept.close().unwrap();
    let again = PeerStorage::open(&world.store, PeerStorageOptions::default()).unwrap();
    assert!(again.block_connected(100).is_err(), "claims of the session before are known");
}

#[test]
fn channels_that_are_never_funded_do_not_fill_the_peers() {
    let options = PeerStorageOptions { peers_max: 8, ..Default::default() };
    let world = world(options);
    world.kept.claims_complete(&[], 100).unwrap();
    for number in 0..8 {
        world.kept.report_claim(node(number), ClaimChange::PendingChannel, 100).unwrap();
        drop(world.kept.store_blob(1, node(number), b"x"));
        world.kept.report_claim(node(number), ClaimChange::FailedChannel, 100).unwrap();
    }
    world.open_channel(100);
    let honest = world.kept.store_blob(2, node(100), b"backup");
    assert!(honest.is_ok(), "{honest:?}");
}

#[test]
fn a_full_share_refuses_no_blob_that_does_not_grow() {
    let options = PeerStorageOptions { total_bytes_max: 400, ..Default::default() };
    let world = world(options);
    world.kept.claims_complete(&[], 100).unwrap();
    world.kept.report_claim(node(1), ClaimChange::Allowed, 100).unwrap();
    world.kept.store_blob(1, node(1), &[1; 50]).unwrap();
    world.open_channel(2);
    world.kept.store_blob(1, node(2), &[1; 90]).unwrap();
    world.kept.report_claim(node(2), ClaimChange::ClosedChannel, 100).unwrap();
    let update = world.kept.store_blob(100_000, node(1), &[2; 40]);
    assert!(update.is_ok(), "{update:?}");
}

#[test]
fn the_end_of_time_ends_no_cooldown() {
    let world = world(PeerStorageOptions::default());
    world.open_channel(1);
    drop(world.kept.store_blob(u64::MAX, node(1), b"x"));
    let before = world.commits();
    for round in 0..100_u64 {
        drop(world.kept.store_blob(u64::MAX, node(1), &round.to_be_bytes()));
    }
    let spent = world.commits() - before;
    assert!(spent <= 1, "{spent} commits in no time");
}

#[test]
fn what_is_due_needs_no_room_to_wait() {
    let options = PeerStorageOptions { pending_bytes_max: 100, ..Default::default() };
    let world = world(options);
    for number in 0..3 {
        world.open_channel(number);
        world.kept.store_blob(1, node(number), b"x").unwrap();
    }
    for number in 0..2 {
        world.kept.store_blob(2, node(number), &[1; 50]).unwrap();
    }
    world.open_channel(9);
    let due = world.kept.store_blob(3, node(9), &[1; 50]);
    assert!(due.is_ok(), "{due:?}");
}

struct Mangle(NodeId, NodeId);
impl Command for Mangle {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let row = batch.snapshot().get(Table::PeerRecords, &self.0.0).unwrap().unwrap().to_vec();
        batch.delete(Table::PeerRecords, &self.0.0)?;
        batch.put_row(Table::PeerRecords, &self.1.0, &row)?;
        Ok(Reply::done())
    }
    fn cost(&self) -> Cost {
        Cost { rows: 2, bytes: 512 }
    }
    fn space(&self) -> Space {
        Space::Settles
    }
}

#[test]
fn a_blob_is_found_whose_record_lies_under_a_damaged_key() {
    let World { directory, store, kept } = world(PeerStorageOptions::default());
    kept.report_claim(node(1), ClaimChange::OpenChannel, 1).unwrap();
    kept.store_blob(1, node(1), b"x").unwrap();
    store.submit_one(Mangle(node(1), node(3))).unwrap();
    drop(kept);
    store.close().unwrap();
    drop(store);
    let store = Store::open(directory.path(), &StoreOptions::default()).unwrap();
    let kept = PeerStorage::open(&store, PeerStorageOptions::default()).unwrap();
    assert_eq!(kept.connected(1, node(1)).unwrap(), Some(b"x".to_vec()));
}

#[test]
fn events_about_peers_do_not_take_the_reserve() {
    let told = commands::Tell { peer: node(1), kind: EventKind::PeerBlobRefused };
    assert_eq!(told.space(), Space::Grows);
}

#[test]
fn a_handle_opened_during_the_end_finds_what_the_end_wrote() {
    let world = world(PeerStorageOptions::default());
    let claims: Vec<Claims> = (0..300)
        .map(|n| Claims { peer: node(n), open_channels: 1, pending_channels: 0, is_allowed: false })
        .collect();
    world.kept.claims_complete(&claims, 1).unwrap();
    for number in 0..300 {
        world.kept.store_blob(1, node(number), &[1; 60_000]).unwrap();
        world.kept.store_blob(2, node(number), &[2; 60_000]).unwrap();
    }
    let again = std::thread::scope(|scope| {
        let close = scope.spawn(|| world.kept.close().unwrap());
        while world.kept.stats().is_ok() {
            std::thread::yield_now();
        }
        let again = PeerStorage::open(&world.store, PeerStorageOptions::default()).unwrap();
        close.join().unwrap();
        again
    });
    for number in 0..300 {
        let told = again.connected(3, node(number));
        assert!(
            told.as_ref().is_ok_and(|blob| blob.as_deref() == Some(&[2; 60_000][..])),
            "{number}: {:?}",
            told.map(|b| b.map(|b| b[0]))
        );
    }
}

#[test]
fn a_failed_write_keeps_what_was_acknowledged() {
    let options = PeerStorageOptions { pending_bytes_max: 100, ..Default::default() };
    let world = world(options);
    for number in 0..2 {
        world.open_channel(number);
        world.kept.store_blob(1, node(number), b"x").unwrap();
        assert!(matches!(
            world.kept.store_blob(2, node(number), &[1; 50]).unwrap(),
            Stored::Deferred { .. }
        ));
    }
    world.store.inject(Some(Fault::NoSpace));
    drop(world.kept.store_blob(2_000, node(0), &[2; 60]));
    let blob = world.kept.connected(2_000, node(0)).unwrap().unwrap();
    assert!(blob != b"x", "the blob that was acknowledged is gone");
}

#[test]
fn what_an_end_could_not_write_never_comes_back() {
    let world = world(PeerStorageOptions::default());
    world.open_channel(1);
    world.kept.store_blob(1, node(1), b"first").unwrap();
    world.kept.store_blob(2, node(1), b"lost").unwrap();
    world.store.inject(Some(Fault::NoSpace));
    assert_eq!(world.kept.close().unwrap_err().status(), Status::NoSpace);
    let again = PeerStorage::open(&world.store, PeerStorageOptions::default()).unwrap();
    again.report_claim(node(1), ClaimChange::OpenChannel, 1).unwrap();
    assert!(matches!(again.store_blob(3, node(1), b"newer").unwrap(), Stored::Committed));
    world.store.sync().unwrap();
    assert_eq!(again.connected(4, node(1)).unwrap().as_deref(), Some(&b"newer"[..]));
}
