//! Where a store lives: what cannot be made and why, what its directory remembers, copies over many steps.

use std::os::unix::fs::{FileExt, MetadataExt};

use super::super::place::{Place, is_there, making_failed};
use super::super::tables::KeyBytes;
use super::*;
use crate::limits::READERS_MAX;
use crate::os::FLUSHED_DIRECTORIES;

#[test]
fn why_a_place_cannot_be_made_says_what_to_do_about_it() {
    for (code, status) in [
        (libc::ENOENT, Status::NotFound),
        (libc::ENOTDIR, Status::UnsafePlace),
        (libc::EACCES, Status::UnsafePlace),
        (libc::EROFS, Status::UnsafePlace),
        (libc::EPERM, Status::UnsafePlace),
        (libc::ELOOP, Status::UnsafePlace),
        (libc::EISDIR, Status::UnsafePlace),
        (libc::ENOSPC, Status::NoSpace),
        (libc::EDQUOT, Status::NoSpace),
        (libc::EIO, Status::Io),
    ] {
        let error = std::io::Error::from_raw_os_error(code);
        let told = making_failed("the directory", Path::new("/a/b"), &error);
        assert_eq!((told.status(), told.os_errno()), (status, code));
        assert!(told.message().contains("the directory /a/b"), "{told}");
    }
}

/// What cannot be looked at must not pass for an empty place: a new store would be made over it.
#[test]
fn only_what_is_known_to_be_absent_is_absent() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"").unwrap();
    assert!(is_there(&file).unwrap());
    assert!(!is_there(&directory.path().join("other")).unwrap());
    assert!(!is_there(&file.join("below a file")).unwrap());
    let name = "n".repeat(300);
    assert_eq!(is_there(&directory.path().join(name)).unwrap_err().status(), Status::Io);
}

#[test]
fn lengths_of_keys_are_told_as_a_number_or_a_range() {
    let told = [KeyBytes::Exactly(8), KeyBytes::Between(1, 32)].map(|bytes| bytes.to_string());
    assert_eq!(told, ["8", "1..=32"]);
}

#[test]
fn a_directory_remembers_who_was_opened_there_unless_it_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let place = Place::claim(&path, false).unwrap();
    assert_eq!(place.remembered().unwrap(), None);
    assert!(place.is_new().unwrap());
    place.remember([7; 16], 0x0102_0304_0506_0708).unwrap();
    let known = Some(([7; 16], 0x0102_0304_0506_0708));
    assert_eq!(place.remembered().unwrap(), known);
    assert_eq!(place.is_new().unwrap_err().status(), Status::CorruptStore);
    let owner = std::fs::File::options().write(true).open(path.join("owner.lock")).unwrap();
    let good = std::fs::read(path.join("owner.lock")).unwrap();
    for at in 0..28 {
        owner.write_all_at(&[good[at] ^ 1], at as u64).unwrap();
        assert_eq!(place.remembered().unwrap(), None, "byte {at}");
        owner.write_all_at(&good[at..=at], at as u64).unwrap();
    }
    assert_eq!(place.remembered().unwrap(), known);
}

/// A host was killed after the rename of data.mdb and before the flush of its name. The next one found a
/// store, opened it, committed to it, and flushed no name either: a power cut could take the whole store.
#[test]
fn an_open_flushes_the_names_that_a_killed_creation_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    open(&path).close().unwrap();
    let place = std::fs::canonicalize(&path).unwrap();
    let parent = place.parent().unwrap().to_owned();
    let flushed_by_an_open = || {
        FLUSHED_DIRECTORIES.lock().retain(|flushed| !flushed.starts_with(&parent));
        open(&path).close().unwrap();
        let flushed = FLUSHED_DIRECTORIES.lock();
        flushed.iter().filter(|flushed| flushed.starts_with(&parent)).cloned().collect::<Vec<_>>()
    };
    assert!(flushed_by_an_open().is_empty(), "names that are known to be durable are left alone");
    std::fs::create_dir(path.join("creating")).unwrap();
    assert_eq!(flushed_by_an_open(), [place, parent]);
    assert!(!path.join("creating").exists());
}

/// LMDB writes to it through a map, where a page without a block on a full disk is the end of the process.
#[test]
fn the_lock_file_has_its_blocks_before_it_is_mapped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    let facts = std::fs::metadata(path.join("lock.mdb")).unwrap();
    assert!(
        facts.blocks() * 512 >= facts.len(),
        "{} blocks, {} bytes",
        facts.blocks(),
        facts.len()
    );
    assert!(facts.len() >= u64::from(READERS_MAX) * 64);
    store.close().unwrap();
}

#[test]
fn a_data_file_is_untouched_while_it_is_as_it_was_stamped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    open(&path).close().unwrap();
    let mut place = Place::claim(&path, false).unwrap();
    assert!(!place.is_untouched(), "nothing is known of a file that is not locked");
    place.lock_data().unwrap();
    assert!(place.is_untouched());
    let stamp = std::fs::read(path.join("owner.lock")).unwrap();
    let owner = std::fs::File::options().write(true).open(path.join("owner.lock")).unwrap();
    for at in 32..60 {
        owner.write_all_at(&[stamp[at] ^ 1], at as u64).unwrap();
        assert!(!place.is_untouched(), "byte {at}");
        owner.write_all_at(&stamp[at..=at], at as u64).unwrap();
    }
    assert!(place.is_untouched());
    let data = std::fs::File::options().write(true).open(path.join("data.mdb")).unwrap();
    data.set_len(data.metadata().unwrap().len() + 4096).unwrap();
    assert!(!place.is_untouched());
    place.stamp().unwrap();
    assert!(place.is_untouched());
}

#[test]
fn a_creation_that_fails_leaves_an_empty_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let place = Place::claim(&path, false).unwrap();
    let fill = |aside: &Path| -> Result<()> {
        assert!(aside.is_dir());
        std::fs::write(aside.join("data.mdb"), b"half").unwrap();
        Err(Status::NoSpace.into())
    };
    assert_eq!(place.create(fill).unwrap_err().status(), Status::NoSpace);
    assert!(place.is_new().unwrap() && !place.holds_data().unwrap());
    assert!(!path.join("creating").exists());
    place
        .create(|aside| {
            std::fs::write(aside.join("data.mdb"), b"whole").unwrap();
            Ok(())
        })
        .unwrap();
    assert_eq!(std::fs::read(path.join("data.mdb")).unwrap(), b"whole");
    assert!(place.holds_data().unwrap() && !path.join("creating").exists());
}

#[test]
fn a_compaction_copies_every_row_over_many_steps() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    // More than two steps of four megabytes, and rows large enough that a step ends between any two.
    for i in 0..12u64 {
        store.submit_one(Put { rows: vec![(i, vec![i as u8; 1 << 20])], refuse: false }).unwrap();
    }
    for i in 100..400u64 {
        store.submit_one(Put { rows: vec![(i, vec![i as u8; 20_000])], refuse: false }).unwrap();
    }
    store.close().unwrap();
    let compact = StoreOptions { compact: true, ..StoreOptions::default() };
    let store = Store::open(&path, &compact).unwrap();
    assert!(store.report().compacted && !store.report().copied);
    let expected: Vec<u64> = (0..12).chain(100..400).collect();
    assert_eq!(rows(&store), expected);
    let sizes = |i: u64| {
        let body = store.read(|view| view.row(Table::Events, &i.to_be_bytes())).unwrap().unwrap();
        (body.len(), body[0])
    };
    assert_eq!((sizes(3), sizes(399)), ((1 << 20, 3), (20_000, 399u64 as u8)));
    store.close().unwrap();
    let length = std::fs::metadata(path.join("data.mdb")).unwrap().len();
    assert!(length >= 18 << 20);
}
