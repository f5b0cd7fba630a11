//! Many threads on a few peers: what was acknowledged last is what is on disk after an end in order, and
//! nobody waits for ever.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::world::{Dice, Real, node};
use crate::peer_storage::{ClaimChange, Claims, PeerStorage, PeerStorageOptions, Stored};
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Space};
use crate::store::{Grouping, Store, StoreOptions};
use crate::types::NodeId;
use crate::{Result, Status};

const THREADS: u64 = 6;
const PEERS: u64 = 4;

fn options() -> PeerStorageOptions {
    PeerStorageOptions { cooldown_ms: 20, disconnect_interval_ms: 5, ..Default::default() }
}

fn blob(thread: u64, number: u64) -> Vec<u8> {
    let mut blob = vec![thread as u8; 200 + (number % 7) as usize * 300];
    blob[..8].copy_from_slice(&number.to_le_bytes());
    blob[8..16].copy_from_slice(&thread.to_le_bytes());
    blob
}

/// Peers with a channel, and every claim reported.
fn world(options: PeerStorageOptions) -> Real {
    let world = Real::new(options);
    let claims: Vec<_> = (0..PEERS + THREADS).map(|number| claim(number, 1)).collect();
    world.storage().claims_complete(&claims, 100).unwrap();
    world
}

fn claim(number: u64, open_channels: u32) -> Claims {
    Claims { peer: node(number), open_channels, pending_channels: 0, is_allowed: false }
}

fn is_over<T>(answer: &Result<T>) -> bool {
    match answer.as_ref().map_err(crate::Error::status) {
        Ok(_) | Err(Status::Busy | Status::ClaimsIncomplete) => false,
        Err(Status::Closed) => true,
        Err(status) => panic!("no thread can meet {status:?}"),
    }
}

/// A thread with a peer of its own, of which it knows what was acknowledged last, beside the shared ones.
struct Caller<'a> {
    storage: &'a PeerStorage,
    clock: &'a AtomicU64,
    dice: Dice,
    thread: u64,
    number: u64,
    own: Option<Vec<u8>>,
}

impl Caller<'_> {
    fn own_peer(&self) -> NodeId {
        node(PEERS + self.thread)
    }

    /// Does something; answers whether the storage is closed.
    fn step(&mut self) -> bool {
        let now_ms = self.clock.fetch_add(1, Ordering::SeqCst);
        let shared = node(self.dice.below(PEERS));
        match self.dice.below(100) {
            0..=29 => self.store_own(now_ms),
            30..=54 => {
                let blob = blob(self.thread, self.number);
                is_over(&self.storage.store_blob(now_ms, shared, &blob))
            }
            55..=64 => {
                let found = self.storage.connected(now_ms, self.own_peer());
                if let Ok(found) = &found {
                    assert_eq!(*found, self.own, "another blob than the newest");
                }
                is_over(&found)
            }
            65..=69 => {
                let found = self.storage.connected(now_ms, shared);
                if let Ok(Some(found)) = &found {
                    assert_eq!(found.len(), whole(found).len(), "parts of two blobs");
                }
                is_over(&found)
            }
            70..=79 => is_over(&self.storage.tick(now_ms)),
            80..=85 => is_over(&self.storage.disconnected(now_ms, shared)),
            86..=88 => is_over(&self.storage.disconnected(now_ms, self.own_peer())),
            89..=91 => is_over(&self.storage.prune(shared)),
            92 | 93 => {
                let pruned = self.storage.prune(self.own_peer());
                let had = self.own.is_some();
                if let Ok(pruned) = pruned {
                    assert_eq!(pruned, had);
                    self.own = None;
                }
                is_over(&pruned)
            }
            94 | 95 => is_over(&self.storage.flush(now_ms)),
            96 => is_over(&self.storage.block_connected(100 + (now_ms / 50) as u32)),
            97 => is_over(&self.storage.list(None, 10)),
            _ => {
                let changes = [ClaimChange::OpenChannel, ClaimChange::ClosedChannel];
                let told = changes
                    .into_iter()
                    .map(|change| self.storage.report_claim(shared, change, 100));
                told.into_iter().any(|told| is_over(&told))
            }
        }
    }

    fn store_own(&mut self, now_ms: u64) -> bool {
        self.number += 1;
        let blob = blob(self.thread, self.number);
        let stored = self.storage.store_blob(now_ms, self.own_peer(), &blob);
        match &stored {
            Ok(Stored::Committed | Stored::Deferred { failure: None, .. }) => self.own = Some(blob),
            Ok(other) => panic!("{other:?}"),
            Err(_) => {}
        }
        is_over(&stored)
    }
}

/// The blob that these bytes are of.
fn whole(found: &[u8]) -> Vec<u8> {
    let number = u64::from_le_bytes(found[..8].try_into().unwrap());
    let thread = u64::from_le_bytes(found[8..16].try_into().unwrap());
    let blob = blob(thread, number);
    assert!(blob == found, "a blob that nobody sent");
    blob
}

/// Runs threads until each did its steps or met the end; answers what each holds to be its newest blob.
fn together(
    storages: &[&PeerStorage],
    steps: u64,
    meanwhile: impl FnOnce(),
) -> BTreeMap<NodeId, Vec<u8>> {
    let clock = AtomicU64::new(1);
    let clock = &clock;
    std::thread::scope(|scope| {
        let run = |thread: u64| {
            let storage = storages[thread as usize % storages.len()];
            let dice = Dice::new(thread);
            let mut caller = Caller { storage, clock, dice, thread, number: 0, own: None };
            for _ in 0..steps {
                if caller.step() {
                    break;
                }
            }
            caller.own.map(|own| (node(PEERS + thread), own))
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || run(thread))).collect();
        meanwhile();
        threads.into_iter().filter_map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// Whether a new session finds what the threads hold to be theirs, and files that are sound.
fn find(world: &mut Real, own: &BTreeMap<NodeId, Vec<u8>>) {
    world.check();
    world.open();
    for thread in 0..THREADS {
        let peer = node(PEERS + thread);
        assert_eq!(world.storage().export(peer).unwrap().as_ref(), own.get(&peer), "of {thread}");
    }
    for number in 0..PEERS {
        if let Some(found) = world.storage().export(node(number)).unwrap() {
            whole(&found);
        }
    }
    let stats = world.storage().stats().unwrap();
    let entries = world.storage().list(None, 100).unwrap();
    let bytes: u64 = entries.iter().map(|entry| u64::from(entry.blob_bytes)).sum();
    assert_eq!((stats.peers, stats.bytes, stats.pending), (entries.len() as u64, bytes, 0));
}

#[test]
fn what_threads_were_told_is_on_disk_after_an_end_in_order() {
    let mut world = world(options());
    let second = PeerStorage::open(&world.store, options()).unwrap();
    let own = together(&[world.storage(), &second], 1_500, || ());
    assert!(own.len() >= 3, "hardly anybody has a blob");
    // The end of one of two handles leaves the other as it is.
    second.close().unwrap();
    assert_eq!(second.stats().unwrap_err().status(), Status::Closed);
    assert!(world.storage().stats().is_ok());
    drop(second);
    world.end(false);
    find(&mut world, &own);
}

#[test]
fn a_sync_makes_durable_what_waits() {
    let mut world = world(PeerStorageOptions { cooldown_ms: 1 << 30, ..options() });
    let own = together(&[world.storage()], 400, || ());
    world.store.sync().unwrap();
    assert_eq!(world.storage().stats().unwrap().pending, 0);
    world.end(true);
    find(&mut world, &own);
}

#[test]
fn an_end_while_calls_run_keeps_all_that_was_acknowledged() {
    for round in 0..12u64 {
        // Most blobs wait when the end comes.
        let mut world = world(PeerStorageOptions { cooldown_ms: 1_000 * round, ..options() });
        let second = PeerStorage::open(&world.store, world.options).unwrap();
        let (storage, store) = (world.storage(), &world.store);
        let own = together(&[storage, storage], u64::MAX, || {
            std::thread::sleep(Duration::from_millis(3 + 2 * round));
            match round % 2 {
                0 => store.close().unwrap(),
                _ => {
                    second.close().unwrap();
                    storage.close().unwrap();
                }
            }
        });
        let late = storage.store_blob(u64::MAX >> 20, node(1), b"late");
        assert_eq!(late.unwrap_err().status(), Status::Closed);
        drop(second);
        world.end(true);
        find(&mut world, &own);
    }
}

#[test]
fn a_handle_opened_after_the_last_one_closed_begins_anew() {
    let world = world(options());
    let first = world.storage();
    first.store_blob(1, node(1), b"1").unwrap();
    first.store_blob(2, node(1), b"2").unwrap();
    first.close().unwrap();
    let again = PeerStorage::open(&world.store, options()).unwrap();
    assert_eq!(again.export(node(1)).unwrap().unwrap(), b"2");
    assert_eq!(again.list(None, 9).unwrap()[0].claims, claim(1, 0));
    let refused = again.block_connected(9_999).unwrap_err();
    assert_eq!(refused.status(), Status::ClaimsIncomplete);
}

#[test]
fn other_options_are_refused_while_a_handle_is_open() {
    let world = world(options());
    let other = PeerStorageOptions { cooldown_ms: 21, ..options() };
    let refused = PeerStorage::open(&world.store, other).unwrap_err();
    assert_eq!(refused.status(), Status::AlreadyOpen);
}

/// Calls that look at every peer get their turn although somebody always writes.
#[test]
fn writers_that_never_pause_do_not_starve_those_who_wait_for_all() {
    let world = world(PeerStorageOptions { cooldown_ms: 0, ..options() });
    let storage = world.storage();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let is_over = &is_over;
            scope.spawn(move || {
                let mut number = 0;
                while !is_over.load(Ordering::SeqCst) {
                    number += 1;
                    let blob = blob(thread, number);
                    storage.store_blob(number, node(PEERS + thread), &blob).unwrap();
                }
            });
        }
        let began = std::time::Instant::now();
        for height in 0..50 {
            storage.block_connected(height).unwrap();
            storage.prune(node(0)).unwrap();
            storage.flush(0).unwrap();
            world.store.sync().unwrap();
        }
        let took = began.elapsed();
        is_over.store(true, Ordering::SeqCst);
        assert!(took < Duration::from_secs(60), "{took:?} for 200 calls");
    });
}

/// Holds the writer until it is told to go on.
struct Hold(parking_lot::Mutex<std::sync::mpsc::Receiver<()>>);

impl Command for Hold {
    fn apply(&self, _: &mut Batch<'_>) -> Outcome {
        self.0.lock().recv_timeout(Duration::from_secs(30)).unwrap_or_default();
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 0, bytes: 0 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

/// A last handle was closed while others filled the queue: BUSY, and the blobs that waited were gone,
/// although the store could have written them a moment later.
#[test]
fn an_end_in_order_waits_for_a_full_queue_and_loses_nothing() {
    let mut world = world(PeerStorageOptions { cooldown_ms: 3_600_000, ..options() });
    world.end(false);
    let small = StoreOptions { queue_operations_max: 1, ..StoreOptions::default() };
    world.store = Store::open(world.directory.path().join("store"), &small).unwrap();
    world.storage = Some(PeerStorage::open(&world.store, world.options).unwrap());
    let storage = world.storage();
    storage.claims_complete(&[claim(1, 1)], 100).unwrap();
    let (first, newest) = (blob(1, 1), blob(1, 2));
    storage.store_blob(1_000, node(1), &first).unwrap();
    storage.store_blob(1_001, node(1), &newest).unwrap();
    let (leave, held) = std::sync::mpsc::channel();
    let held = Arc::new(Hold(parking_lot::Mutex::new(held)));
    let queued = |command: Arc<dyn Command>| {
        world.store.submit_async(vec![command], Grouping::Independent, Box::new(drop))
    };
    queued(held).unwrap();
    let fills = || queued(Arc::new(Hold(parking_lot::Mutex::new(std::sync::mpsc::channel().1))));
    // Refused until the writer has taken the first; then the queue is full with this one.
    while fills().is_err() {
        std::thread::yield_now();
    }
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| storage.close());
        std::thread::sleep(Duration::from_millis(50));
        leave.send(()).unwrap();
        closing.join().unwrap().unwrap();
    });
    world.storage = None;
    world.storage = Some(PeerStorage::open(&world.store, world.options).unwrap());
    let storage = world.storage();
    storage.claims_complete(&[claim(1, 1)], 100).unwrap();
    assert_eq!(storage.connected(2_000, node(1)).unwrap().as_deref(), Some(&newest[..]));
}

#[test]
fn nothing_opens_while_its_store_ends() {
    let world = world(options());
    world.storage().close().unwrap();
    world.store.end_journals().unwrap();
    let refused = PeerStorage::open(&world.store, world.options).unwrap_err();
    assert_eq!(refused.status(), Status::Closed);
}
