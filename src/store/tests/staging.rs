//! Large values in slices: how many commits they take, what a commit may remove, what is left of damage.

use super::super::batch::Space;
use super::super::blob::{self, BlobReferences, Owner, RemovalBudget, Staged, key_of};
use super::super::walk::References;
use super::*;
use crate::limits::{BLOB_CHUNK_BYTES, BLOB_NAME_BYTES_MAX};

const MIB: usize = 1 << 20;

/// Switches to a value that is held in memory, or removes a key; what the budget does not cover is counted.
struct Replace {
    held: Option<Staged>,
    key: Vec<u8>,
    budget: Mutex<RemovalBudget>,
}

impl Command for Replace {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        let mut budget = self.budget.lock();
        let left = match &self.held {
            Some(held) => held.replace(batch, &self.key, &mut budget)?,
            None => blob::remove_key(batch, &self.key, &mut budget)?,
        };
        Ok(Reply { value: u64::from(left.is_some()), ..Reply::done() })
    }

    fn cost(&self) -> Cost {
        let held = self.held.as_ref().map_or(Cost { rows: 1, bytes: 0 }, Staged::cost);
        Cost { rows: held.rows + RemovalBudget::ROWS, bytes: held.bytes }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

fn replace(store: &Store, name: &[u8], value: Option<&[u8]>, budget: RemovalBudget) -> u64 {
    let held = value.map(|value| store.blobs().hold(value).unwrap());
    let key = key_of(Owner::Host, name).unwrap();
    store.submit_one(Replace { held, key, budget: Mutex::new(budget) }).unwrap().value
}

fn chunk_rows(store: &Store) -> u64 {
    store.sync().unwrap();
    store.read(|view| Ok(view.heads()?.of(Table::BlobChunks).rows)).unwrap()
}

fn commits(store: &Store, work: impl FnOnce()) -> u64 {
    store.sync().unwrap();
    let before = store.stats().unwrap().commits;
    work();
    store.sync().unwrap();
    store.stats().unwrap().commits - before
}

#[test]
fn a_value_takes_a_commit_for_each_slice_and_one_to_switch() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    for (bytes, slices) in [(0, 1), (1, 1), (MIB, 1), (MIB + 1, 2), (4 * MIB, 4)] {
        let name = format!("{bytes}");
        let put = || store.blobs().put(name.as_bytes(), &vec![3; bytes]).unwrap();
        assert_eq!(commits(&store, put), slices + 1, "{bytes} bytes");
    }
    let rows = [1, 1, 4, 5, 16].iter().sum::<u64>();
    assert_eq!(chunk_rows(&store), rows);
    let delete = || store.blobs().delete(format!("{}", 4 * MIB).as_bytes()).unwrap();
    assert_eq!(commits(&store, delete), 1 + 4, "its chunks go in slices too");
    assert_eq!(chunk_rows(&store), rows - 16);
    let replace = || store.blobs().put(b"0", b"another").unwrap();
    assert_eq!(commits(&store, replace), 2 + 1);
    assert_eq!(chunk_rows(&store), rows - 16);
}

#[test]
fn small_values_share_slices() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let half = vec![1; MIB / 2];
    let small: &[u8] = &[1; 100];
    let many: Vec<&[u8]> = vec![small; BATCH_OPS_MAX + 1];
    let cases: [(&[&[u8]], u64); 4] =
        [(&[&half, &half], 1), (&[&half, &half, small], 2), (&[], 0), (&many[1..], 1)];
    for (values, slices) in cases {
        let mut staged = Vec::new();
        let stage = || staged = store.blobs().stage_all(values, Space::Grows).unwrap();
        assert_eq!(commits(&store, stage), slices, "{} values", values.len());
        assert_eq!(staged.len(), values.len());
    }
    let staged = store.blobs().stage_all(&many, Space::Grows).unwrap();
    assert_eq!(chunk_rows(&store), BATCH_OPS_MAX as u64 + 1);
    drop(staged);
    assert_eq!(chunk_rows(&store), 0);
}

#[test]
fn a_commit_removes_of_earlier_values_what_its_budget_covers() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let budget = RemovalBudget::of_one_commit;
    let value = |bytes: usize| vec![bytes as u8; bytes];
    assert_eq!(replace(&store, b"a", Some(&value(2 * MIB)), budget()), 0);
    assert_eq!(chunk_rows(&store), 8);
    assert_eq!(replace(&store, b"a", Some(&value(2 * MIB + 1)), budget()), 0, "exactly two slices");
    assert_eq!(chunk_rows(&store), 9);
    assert_eq!(replace(&store, b"a", Some(&value(5)), budget()), 1, "a byte more is left");
    assert_eq!(store.blobs().get(b"a").unwrap(), Some(value(5)));
    assert_eq!(chunk_rows(&store), 9 + 1);
    assert_eq!(replace(&store, b"a", None, budget()), 0);
    assert_eq!((store.blobs().get(b"a").unwrap(), chunk_rows(&store)), (None, 9));
    assert_eq!(replace(&store, b"a", None, budget()), 0, "there is nothing to remove");
}

#[test]
fn one_budget_covers_several_values_and_no_more() {
    struct Several(Vec<Vec<u8>>);
    impl Command for Several {
        fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
            let mut budget = RemovalBudget::of_one_commit();
            let mut left = 0;
            for key in &self.0 {
                left += u64::from(blob::remove_key(batch, key, &mut budget)?.is_some());
            }
            Ok(Reply { value: left, ..Reply::done() })
        }
        fn cost(&self) -> Cost {
            Cost { rows: self.0.len() as u64 + RemovalBudget::ROWS, bytes: 0 }
        }
        fn space(&self) -> Space {
            Space::Settles
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let keys = |names: std::ops::Range<u32>| {
        let key = |name: u32| key_of(Owner::Host, &name.to_be_bytes()).unwrap();
        names.map(key).collect::<Vec<_>>()
    };
    for name in 0..3u32 {
        store.blobs().put(&name.to_be_bytes(), &vec![1; MIB]).unwrap();
    }
    assert_eq!(store.submit_one(Several(keys(0..3))).unwrap().value, 1, "two slices of three");
    assert_eq!(chunk_rows(&store), 4);
    for name in 10..10 + RemovalBudget::ROWS as u32 + 1 {
        replace(&store, &name.to_be_bytes(), Some(b"small"), RemovalBudget::of_one_commit());
    }
    let all = keys(10..10 + RemovalBudget::ROWS as u32 + 1);
    assert_eq!(store.submit_one(Several(all)).unwrap().value, 1, "256 rows of 257");
    assert_eq!(chunk_rows(&store), 4 + 1);
}

#[test]
fn names_have_one_byte_to_their_limit_and_belong_to_their_owner() {
    for owner in [Owner::Host, Owner::Manager, Owner::Snapshot, Owner::Backup] {
        let key = key_of(owner, b"name").unwrap();
        assert_eq!((key[0], &key[1..]), (owner as u8, &b"name"[..]));
        assert!(key_of(owner, &[1; BLOB_NAME_BYTES_MAX]).is_ok());
        for name in [&[][..], &[1; BLOB_NAME_BYTES_MAX + 1]] {
            assert_eq!(key_of(owner, name).unwrap_err().status(), Status::InvalidArgument);
        }
    }
}

#[test]
fn what_damage_left_of_a_value_can_be_saved_and_is_never_taken_for_it() {
    struct Edit(Table, Vec<u8>, Option<Vec<u8>>);
    impl Command for Edit {
        fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
            match &self.2 {
                Some(row) => batch.put_row(self.0, &self.1, row)?,
                None => assert!(batch.delete(self.0, &self.1)?),
            }
            Ok(Reply::done())
        }
        fn cost(&self) -> Cost {
            Cost { rows: 1, bytes: self.2.as_ref().map_or(0, |row| row.len() as u64) }
        }
        fn space(&self) -> Space {
            Space::Settles
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let value: Vec<u8> =
        (0..3 * BLOB_CHUNK_BYTES).map(|i| (i / BLOB_CHUNK_BYTES) as u8 + 1).collect();
    store.blobs().put(b"a", &value).unwrap();
    store.blobs().put(b"b", &vec![9; 2 * BLOB_CHUNK_BYTES]).unwrap();
    let key = key_of(Owner::Host, b"a").unwrap();
    let verify = || store.read(|view| blob::verify(view, &key));
    let saved = || store.read(|view| blob::read_damaged(view, &key)).unwrap();
    assert_eq!(verify().unwrap(), Some(value.len() as u64));
    assert_eq!(saved().unwrap(), value);
    let other = key_of(Owner::Host, b"none").unwrap();
    assert_eq!(store.read(|view| blob::verify(view, &other)).unwrap(), None);
    assert_eq!(store.read(|view| blob::read_damaged(view, &other)).unwrap(), None);
    let chunk = |index: u32| [&1u64.to_be_bytes()[..], &index.to_be_bytes()].concat();
    let good = store
        .read(|view| Ok(view.snapshot().get(Table::BlobChunks, &chunk(1))?.map(<[u8]>::to_vec)));
    let good = good.unwrap().expect("the first generation's second chunk");
    let mut bad = good.clone();
    bad[100] ^= 1;
    store.submit_one(Edit(Table::BlobChunks, chunk(1), Some(bad))).unwrap();
    assert_eq!(verify().unwrap_err().status(), Status::CorruptRecord);
    let references = || Box::new(BlobReferences::default()) as Box<dyn References>;
    let report = check::check(&directory.path().join("store"), &references).unwrap();
    assert_eq!(report.findings.len(), 1, "the pointer is not blamed: {:?}", report.findings);
    assert_eq!(report.findings[0].table, "blob_chunks");
    let rescued = saved().unwrap();
    let differing = rescued.iter().zip(&value).filter(|(a, b)| a != b).count();
    assert_eq!((rescued.len(), differing), (value.len(), 1));
    for (index, left) in [(1, 2), (2, 1)] {
        store.submit_one(Edit(Table::BlobChunks, chunk(index), None)).unwrap();
        assert_eq!(verify().unwrap_err().status(), Status::CorruptRecord);
        assert_eq!(store.blobs().get(b"a").unwrap_err().status(), Status::CorruptRecord);
        assert_eq!(saved().unwrap().len(), left * BLOB_CHUNK_BYTES);
    }
    store.submit_one(Edit(Table::Blobs, key.clone(), Some(b"no pointer".to_vec()))).unwrap();
    assert_eq!(saved(), None);
    assert_eq!(verify().unwrap_err().status(), Status::CorruptRecord);
    assert_eq!(store.blobs().get(b"b").unwrap().unwrap(), vec![9; 2 * BLOB_CHUNK_BYTES]);
}

#[test]
fn while_a_pointer_is_damaged_no_chunk_is_swept() {
    struct Break(Vec<u8>);
    impl Command for Break {
        fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
            batch.put_row(Table::Blobs, &self.0, b"damage")?;
            Ok(Reply::done())
        }
        fn cost(&self) -> Cost {
            Cost { rows: 1, bytes: 6 }
        }
        fn space(&self) -> Space {
            Space::Settles
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    store.blobs().put(b"a", &vec![1; MIB]).unwrap();
    store.blobs().put(b"b", &vec![2; MIB]).unwrap();
    let orphan = store.blobs().stage(&vec![3; MIB + 1], Space::Grows).unwrap();
    store.submit_one(Break(key_of(Owner::Host, b"a").unwrap())).unwrap();
    store.crash();
    drop(orphan);
    let store = open(&path);
    assert_eq!(chunk_rows(&store), 4 + 4 + 5);
    store.blobs().put(b"a", b"new").unwrap();
    store.close().unwrap();
    let store = open(&path);
    assert_eq!(chunk_rows(&store), 1 + 4, "both orphans are gone");
    assert_eq!(store.blobs().get(b"b").unwrap().unwrap(), vec![2; MIB]);
    assert_eq!(store.blobs().get(b"a").unwrap().unwrap(), b"new");
}
