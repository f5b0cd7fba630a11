//! Large values are whole or absent, through replacements, refusals and crashes.

use super::super::batch::{Batch, Command, Cost, Outcome, Reply, Space};
use super::super::blob;
use super::super::blob::{BlobReferences, Owner, Staged, key_of};
use super::super::walk::References;
use super::*;
use crate::limits::BLOB_BYTES_MAX;

const MIB: usize = 1 << 20;

fn value(byte: u8, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| byte ^ (i / 1000) as u8).collect()
}

fn chunk_rows(store: &Store) -> usize {
    let mut rows = 0;
    let count = |_: &[u8], _: Result<&[u8]>| {
        rows += 1;
        true
    };
    store.read(|view| view.scan(Table::BlobChunks, &[], count)).unwrap();
    rows
}

fn is_sound(path: &Path) -> bool {
    let references = || Box::new(BlobReferences::default()) as Box<dyn References>;
    check::check(path, &references).unwrap().is_sound()
}

#[test]
fn values_of_every_length_read_back_and_leave_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    let chunk = crate::limits::BLOB_CHUNK_BYTES;
    for bytes in [0, 1, chunk - 1, chunk, chunk + 1, 4 * chunk, 5 * MIB + 7] {
        store.blobs().put(b"graph", &value(3, bytes)).unwrap();
        assert_eq!(store.blobs().get(b"graph").unwrap(), Some(value(3, bytes)), "{bytes}");
    }
    store.sync().unwrap();
    assert_eq!(chunk_rows(&store), (5 * MIB + 7).div_ceil(chunk));
    assert_eq!(store.blobs().get(b"other").unwrap(), None);
    assert!(is_sound(&path));
    store.blobs().delete(b"graph").unwrap();
    store.sync().unwrap();
    assert_eq!((store.blobs().get(b"graph").unwrap(), chunk_rows(&store)), (None, 0));
    assert_eq!(store.blobs().delete(b"graph").unwrap_err().status(), Status::NotFound);
    for name in [&[][..], &[7; 33]] {
        assert_eq!(store.blobs().put(name, b"").unwrap_err().status(), Status::InvalidArgument);
    }
}

#[test]
fn what_a_crash_leaves_of_a_staging_is_swept_at_the_next_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    store.blobs().put(b"a", &value(1, 2 * MIB)).unwrap();
    let staged: Staged = store.blobs().stage(&value(2, 3 * MIB), Space::Grows).unwrap();
    assert_eq!(chunk_rows(&store), 20);
    store.crash();
    drop(staged);
    assert!(is_sound(&path));
    let store = open(&path);
    store.sync().unwrap();
    assert_eq!(chunk_rows(&store), 8);
    assert_eq!(store.blobs().get(b"a").unwrap(), Some(value(1, 2 * MIB)));
}

#[test]
fn a_staging_that_is_given_up_or_refused_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    store.blobs().put(b"a", &value(1, MIB)).unwrap();
    drop(store.blobs().stage(&value(2, 3 * MIB), Space::Grows).unwrap());
    store.sync().unwrap();
    assert_eq!(chunk_rows(&store), 4);
    store.inject(Some(Fault::NoSpace));
    assert_eq!(store.blobs().put(b"a", &value(3, MIB)).unwrap_err().status(), Status::NoSpace);
    store.sync().unwrap();
    assert_eq!(chunk_rows(&store), 4);
    assert_eq!(store.blobs().get(b"a").unwrap(), Some(value(1, MIB)));
}

#[test]
fn after_an_unknown_switch_one_of_the_two_values_is_there_whole() {
    for fault in [Fault::CommitFailsBefore, Fault::CommitFailsAfter] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = open(&path);
        store.blobs().put(b"a", &value(1, MIB)).unwrap();
        let staged = store.blobs().stage(&value(2, MIB), Space::Grows).unwrap();
        store.inject(Some(fault));
        let switch = Switch { staged, key: key_of(Owner::Host, b"a").unwrap() };
        assert_eq!(store.submit_one(switch).unwrap_err().status(), Status::Unknown);
        store.crash();
        let store = open(&path);
        let expected = if fault == Fault::CommitFailsAfter { 2 } else { 1 };
        assert_eq!(store.blobs().get(b"a").unwrap(), Some(value(expected, MIB)), "{fault:?}");
        store.sync().unwrap();
        assert_eq!(chunk_rows(&store), 4, "{fault:?}");
    }
}

struct Switch {
    staged: Staged,
    key: Vec<u8>,
}

impl Command for Switch {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        self.staged.switch(batch, &self.key)?;
        self.staged.keep();
        Ok(Reply::done())
    }
    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 128 }
    }
    fn space(&self) -> Space {
        Space::Settles
    }
}

#[test]
fn a_missing_or_damaged_chunk_is_an_error_and_a_finding() {
    struct Break(bool);
    impl Command for Break {
        fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
            let key = batch.snapshot().last_key(Table::BlobChunks)?.expect("a chunk");
            match self.0 {
                true => drop(batch.delete(Table::BlobChunks, &key)?),
                false => batch.put(Table::BlobChunks, &key, &vec![9; 256 << 10])?,
            }
            Ok(Reply::done())
        }
        fn cost(&self) -> Cost {
            Cost { rows: 1, bytes: 256 << 10 }
        }
        fn space(&self) -> Space {
            Space::Grows
        }
    }
    for missing in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = open(&path);
        store.blobs().put(b"a", &value(1, MIB)).unwrap();
        store.submit_one(Break(missing)).unwrap();
        assert_eq!(store.blobs().get(b"a").unwrap_err().status(), Status::CorruptRecord);
        assert_eq!(is_sound(&path), !missing);
        store.blobs().put(b"a", &value(4, MIB)).unwrap();
        store.sync().unwrap();
        assert_eq!(store.blobs().get(b"a").unwrap(), Some(value(4, MIB)));
        assert!(is_sound(&path));
    }
}

#[test]
fn urgent_work_goes_on_while_a_large_value_is_staged() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let before = store.stats().unwrap().commits;
    std::thread::scope(|scope| {
        let large = scope.spawn(|| store.blobs().put(b"a", &value(1, 16 * MIB)).unwrap());
        let mut sequence = 0;
        while !large.is_finished() {
            sequence += 1;
            store.submit_one(Put::one(sequence)).unwrap();
        }
        assert!(sequence > 0);
    });
    // Sixteen slices and the switch, however many urgent commits came between them.
    assert!(store.stats().unwrap().commits >= before + 17);
}

#[test]
fn an_empty_value_shares_no_generation_with_another() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    store.blobs().put(b"empty", b"").unwrap();
    store.close().unwrap();
    let store = open(&path);
    store.blobs().put(b"other", &value(2, MIB)).unwrap();
    assert_eq!(store.blobs().get(b"empty").unwrap(), Some(Vec::new()));
    assert!(is_sound(&path));
    store.blobs().delete(b"empty").unwrap();
    store.sync().unwrap();
    assert_eq!(store.blobs().get(b"other").unwrap(), Some(value(2, MIB)));
}

/// Puts a row under a valid envelope, as no command of ours would.
struct Tamper(Table, Vec<u8>, Option<Vec<u8>>);

impl Command for Tamper {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        match &self.2 {
            Some(body) => batch.put(self.0, &self.1, body)?,
            None => drop(batch.delete(self.0, &self.1)?),
        }
        Ok(Reply::done())
    }
    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 64 }
    }
    fn space(&self) -> Space {
        Space::Settles
    }
}

#[test]
fn a_pointer_that_is_too_long_or_promises_too_much_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let key = key_of(Owner::Host, b"a").unwrap();
    let pointer = |bytes: u64| {
        let mut body = 9u64.to_le_bytes().to_vec();
        body.extend_from_slice(&bytes.to_le_bytes());
        body.extend_from_slice(&[0; 4]);
        body
    };
    let longer = [pointer(0), vec![0]].concat();
    for body in [pointer(BLOB_BYTES_MAX as u64 + 1), longer, pointer(0)[..19].to_vec()] {
        store.submit_one(Tamper(Table::Blobs, key.clone(), Some(body))).unwrap();
        assert_eq!(store.blobs().get(b"a").unwrap_err().status(), Status::CorruptRecord);
    }
    let longest = Some(pointer(BLOB_BYTES_MAX as u64));
    store.submit_one(Tamper(Table::Blobs, key.clone(), longest)).unwrap();
    let lacking = store.read(|view| blob::verify(view, &key)).unwrap_err();
    assert!(lacking.message().contains("chunks are missing"), "{lacking}");
    store.submit_one(Tamper(Table::Blobs, key, Some(pointer(0)))).unwrap();
    assert_eq!(store.blobs().get(b"a").unwrap().unwrap(), b"");
}

#[test]
fn a_value_that_lacks_a_chunk_is_no_value_and_what_is_left_can_be_saved() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let whole = value(1, MIB);
    store.blobs().put(b"a", &whole).unwrap();
    store.blobs().put(b"b", &value(2, MIB)).unwrap();
    let key = key_of(Owner::Host, b"a").unwrap();
    let is_whole = || store.read(|view| blob::verify(view, &key));
    assert_eq!(is_whole().unwrap(), Some(MIB as u64));
    let mut chunks = Vec::new();
    let collect = |key: &[u8], _: Result<&[u8]>| {
        chunks.push(key.to_vec());
        true
    };
    store.read(|view| view.scan(Table::BlobChunks, &[], collect)).unwrap();
    let last = chunks[chunks.len() / 2 - 1].clone();
    store.submit_one(Tamper(Table::BlobChunks, last, None)).unwrap();
    assert_eq!(is_whole().unwrap_err().status(), Status::CorruptRecord);
    assert_eq!(store.blobs().get(b"a").unwrap_err().status(), Status::CorruptRecord);
    let saved = store.read(|view| blob::read_damaged(view, &key)).unwrap().unwrap();
    assert_eq!(saved, whole[..saved.len()]);
    assert_eq!(saved.len(), MIB - crate::limits::BLOB_CHUNK_BYTES);
    // A pointer that says less than there is: one chunk too many tells so, and what follows is left alone.
    let mut short = chunks[0][..8].iter().rev().copied().collect::<Vec<u8>>();
    short.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    store.submit_one(Tamper(Table::Blobs, key.clone(), Some(short))).unwrap();
    let saved = store.read(|view| blob::read_damaged(view, &key)).unwrap().unwrap();
    assert_eq!(saved.len(), crate::limits::BLOB_CHUNK_BYTES);
}
