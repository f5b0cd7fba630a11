//! Rows changed behind the back of peer storage: a blob that is not what its record says is never returned
//! and told once, an equal one from the peer heals it, a record is made anew of its blob, and the check of
//! the files names each.

use super::super::record::{Record, sha256_of};
use super::world::{Real, node};
use crate::Status;
use crate::events::{EventKind, Events, Start};
use crate::peer_storage::{ClaimChange, Claims, PeerStorageOptions, Stored};
use crate::store::Store;
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Rows, Space};
use crate::store::tables::Table;
use crate::types::NodeId;

const BLOB: &[u8] = b"what a peer wants back, every byte of it";

/// A change of one row.
#[derive(Debug, Clone)]
enum Damage {
    /// Flips a bit of the row as it is stored, its checksum included.
    Flip(Table, usize),
    /// Puts another body under a checksum that is right.
    Replace(Table, Vec<u8>),
    Remove(Table),
}

struct Edit {
    peer: NodeId,
    damage: Damage,
}

impl Command for Edit {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let key = &self.peer.0;
        match &self.damage {
            Damage::Flip(table, at) => {
                let mut row = batch.snapshot().get(*table, key)?.expect("there is a row").to_vec();
                let at = at % row.len();
                row[at] ^= 0x10;
                batch.put_row(*table, key, &row)?;
            }
            Damage::Replace(table, body) => batch.put(*table, key, body)?,
            Damage::Remove(table) => assert!(batch.delete(*table, key)?, "there is a row"),
        }
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 1 << 17 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

fn edit(store: &Store, peer: NodeId, damage: &Damage) {
    store.submit_one(Edit { peer, damage: damage.clone() }).unwrap();
}

/// Two peers with a blob and a channel.
fn world() -> Real {
    let options = PeerStorageOptions { cooldown_ms: 1_000, ..Default::default() };
    let world = Real::new(options);
    complete(&world);
    for number in [1, 2] {
        let stored = world.storage().store_blob(1, node(number), BLOB).unwrap();
        assert!(matches!(stored, Stored::Committed));
    }
    world
}

fn complete(world: &Real) {
    let claim = |number| Claims {
        peer: node(number),
        open_channels: 1,
        pending_channels: 0,
        is_allowed: false,
    };
    world.storage().claims_complete(&[claim(1), claim(2)], 100).unwrap();
}

/// Events of a kind about a peer.
fn told(world: &Real, kind: EventKind, peer: NodeId) -> usize {
    let events = Events::open(&world.store, b"damage", Start::Oldest).unwrap();
    let about = |event: &crate::events::Event| {
        event.kind == kind && event.state == peer.0[0] && event.subject == peer.0[1..]
    };
    let found = events.take(1_000).unwrap().iter().filter(|event| about(event)).count();
    events.unregister().unwrap();
    found
}

fn findings(world: &Real) -> String {
    let report = crate::maintenance::check(world.directory.path().join("store")).unwrap();
    format!("{:?}", report.findings)
}

/// Ways to spoil a blob under a record that is whole.
fn blob_damages() -> Vec<Damage> {
    let row_bytes = BLOB.len() + 6;
    let mut all: Vec<_> = (0..row_bytes).map(|at| Damage::Flip(Table::PeerBlobs, at)).collect();
    let mut other = BLOB.to_vec();
    other[3] ^= 1;
    all.push(Damage::Replace(Table::PeerBlobs, other));
    all.push(Damage::Replace(Table::PeerBlobs, BLOB[..BLOB.len() - 1].to_vec()));
    all.push(Damage::Replace(Table::PeerBlobs, Vec::new()));
    all.push(Damage::Remove(Table::PeerBlobs));
    all
}

/// A spoiled blob is not returned, told once, and healed by an equal one.
fn expect_not_returned_and_healed(world: &Real, damage: &Damage) {
    let peer = node(1);
    for _ in 0..3 {
        for found in [world.storage().connected(10, peer), world.storage().export(peer)] {
            let refused = found.expect_err("a damaged blob was returned");
            assert_eq!(refused.status(), Status::CorruptRecord, "{damage:?}");
        }
    }
    assert_eq!(told(world, EventKind::PeerBlobCorrupt, peer), 1, "{damage:?}");
    assert_eq!(world.storage().stats().unwrap().damaged, 1);
    let entries = world.storage().list(None, 9).unwrap();
    assert_eq!([entries[0].is_damaged, entries[1].is_damaged], [true, false]);
    assert_eq!(world.storage().connected(11, node(2)).unwrap().unwrap(), BLOB);

    let stored = world.storage().store_blob(2_000, peer, BLOB).unwrap();
    assert!(matches!(stored, Stored::Committed), "{damage:?}: {stored:?}");
    assert_eq!(world.storage().connected(2_001, peer).unwrap().unwrap(), BLOB);
    assert_eq!(world.storage().stats().unwrap().damaged, 0);
    assert_eq!(findings(world), "[]", "{damage:?}");
    let stored = world.storage().store_blob(4_000, peer, BLOB).unwrap();
    assert!(matches!(stored, Stored::Unchanged), "{damage:?}: {stored:?}");
}

#[test]
fn a_damaged_blob_is_never_returned_and_an_equal_one_heals_it() {
    for damage in blob_damages() {
        let world = world();
        edit(&world.store, node(1), &damage);
        let found = findings(&world);
        assert!(found.contains("peer_"), "{damage:?}: {found}");
        expect_not_returned_and_healed(&world, &damage);
    }
}

#[test]
fn damage_done_while_nobody_had_the_store_open_is_met_the_same_way() {
    for damage in blob_damages().into_iter().rev().take(6) {
        let mut world = world();
        edit(&world.store, node(1), &damage);
        world.end(false);
        world.open();
        complete(&world);
        expect_not_returned_and_healed(&world, &damage);
    }
}

/// The peer sends its blob again before anybody has looked: equal to what the record says, and still written.
#[test]
fn an_equal_blob_heals_damage_that_nobody_has_met_yet() {
    for damage in blob_damages().into_iter().step_by(5) {
        let world = world();
        edit(&world.store, node(1), &damage);
        let stored = world.storage().store_blob(500, node(1), BLOB).unwrap();
        assert!(matches!(stored, Stored::Deferred { due_ms: 1_001, failure: None }), "{stored:?}");
        assert_eq!(world.storage().export(node(1)).unwrap().unwrap(), BLOB);
        assert_eq!(world.storage().tick(1_001).unwrap().committed, [node(1)]);
        assert_eq!(told(&world, EventKind::PeerBlobCorrupt, node(1)), 1, "{damage:?}");
        assert_eq!(findings(&world), "[]");
    }
}

/// Ways to spoil a record whose blob is whole.
fn record_damages() -> Vec<Damage> {
    let mut all: Vec<_> =
        (0..86).step_by(5).map(|at| Damage::Flip(Table::PeerRecords, at)).collect();
    let record =
        Record { sha256: sha256_of(BLOB), blob_bytes: BLOB.len() as u32, ..Record::default() };
    let mut unknown_flag = record.encode().to_vec();
    unknown_flag[36] = 2;
    all.push(Damage::Replace(Table::PeerRecords, unknown_flag));
    all.push(Damage::Replace(Table::PeerRecords, Vec::new()));
    all.push(Damage::Replace(Table::PeerRecords, vec![0; 81]));
    all.push(Damage::Remove(Table::PeerRecords));
    all
}

#[test]
fn a_damaged_record_is_made_anew_of_its_blob() {
    for damage in record_damages() {
        let mut world = world();
        edit(&world.store, node(1), &damage);
        let found = findings(&world);
        assert!(found.contains("peer_"), "{damage:?}: {found}");
        world.end(false);
        world.open();
        let report = world.storage().report();
        assert_eq!((report.peers, report.damaged), (2, 1), "{damage:?}");
        assert_eq!(report.bytes, 2 * BLOB.len() as u64);
        assert_eq!(world.storage().connected(1, node(1)).unwrap().unwrap(), BLOB, "{damage:?}");
        complete(&world);
        assert_eq!(findings(&world), "[]", "{damage:?}");
        world.end(true);
        world.open();
        assert_eq!(world.storage().report().damaged, 0);
        assert_eq!(world.storage().export(node(1)).unwrap().unwrap(), BLOB);
    }
}

#[test]
fn a_record_made_anew_is_collected_a_whole_retention_later() {
    for damage in record_damages().into_iter().rev().take(3) {
        let mut world = world();
        world.storage().report_claim(node(1), ClaimChange::ClosedChannel, 50).unwrap();
        edit(&world.store, node(1), &damage);
        world.end(true);
        world.open();
        world.storage().claims_complete(&[], 100).unwrap();
        let retention = world.options.retention_blocks;
        assert_eq!(world.storage().block_connected(100 + retention - 1).unwrap(), []);
        let collected = world.storage().block_connected(100 + retention).unwrap();
        assert_eq!(collected, [node(1), node(2)]);
        assert_eq!(findings(&world), "[]");
    }
}

/// A record that is whole and about another blob: nobody can tell which of the two is right.
#[test]
fn a_record_of_another_blob_is_damage_of_the_blob() {
    let mut world = world();
    let record = Record { sha256: [9; 32], blob_bytes: BLOB.len() as u32, ..Record::default() };
    let damage = Damage::Replace(Table::PeerRecords, record.encode().to_vec());
    edit(&world.store, node(1), &damage);
    assert!(findings(&world).contains("another blob"));
    world.end(true);
    world.open();
    complete(&world);
    expect_not_returned_and_healed(&world, &damage);
}

#[test]
fn a_peer_whose_record_and_blob_are_both_damaged_is_told_once_and_healed() {
    for record_damage in record_damages().into_iter().rev().take(5) {
        for blob_damage in [Damage::Flip(Table::PeerBlobs, 3), Damage::Remove(Table::PeerBlobs)] {
            let is_gone = matches!(record_damage, Damage::Remove(_));
            if is_gone && matches!(blob_damage, Damage::Remove(_)) {
                continue;
            }
            let mut world = world();
            edit(&world.store, node(1), &record_damage);
            edit(&world.store, node(1), &blob_damage);
            world.end(true);
            world.open();
            assert_eq!(world.storage().report().damaged, 1);
            complete(&world);
            expect_not_returned_and_healed(&world, &blob_damage);
        }
    }
}

/// One blob without a record and one record without a blob: as many of the one as of the other.
#[test]
fn a_lone_blob_is_found_beside_a_lone_record() {
    let mut world = world();
    edit(&world.store, node(1), &Damage::Remove(Table::PeerRecords));
    edit(&world.store, node(2), &Damage::Remove(Table::PeerBlobs));
    let found = findings(&world);
    assert!(found.contains("a blob without a record"), "{found}");
    assert!(found.contains("the blob of this record is missing"), "{found}");
    world.end(true);
    world.open();
    assert_eq!(world.storage().export(node(1)).unwrap().unwrap(), BLOB);
    let refused = world.storage().export(node(2)).unwrap_err();
    assert_eq!(refused.status(), Status::CorruptRecord);
    complete(&world);
    assert!(world.storage().prune(node(2)).unwrap());
    assert_eq!(findings(&world), "[]");
}

#[test]
fn damaged_rows_can_be_pruned_and_collected() {
    let damages = blob_damages().into_iter().step_by(7).chain(record_damages());
    for (number, damage) in damages.enumerate() {
        let mut world = world();
        edit(&world.store, node(1), &damage);
        if number % 2 == 0 {
            world.end(true);
            world.open();
            world.storage().claims_complete(&[], 100).unwrap();
            assert_eq!(world.storage().block_connected(5_000).unwrap(), [node(1), node(2)]);
        } else {
            assert!(world.storage().prune(node(1)).unwrap());
        }
        assert_eq!(findings(&world), "[]", "{damage:?}");
    }
}
