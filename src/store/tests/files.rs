//! What becomes of whole files: walks, damage, checks, backups, restores, compaction.

use super::super::page_file::PageFile;
use super::super::pages::{Kind, Page};
use super::super::place::Place;
use super::super::walk::{self, NoReferences, References};
use super::*;

fn pages(data: &Path) -> PageFile {
    PageFile::open(data).unwrap()
}

fn findings(data: &Path) -> Vec<Finding> {
    walk::walk(&pages(data), &mut NoReferences).unwrap().findings
}

fn no_references() -> Box<dyn References> {
    Box::new(NoReferences)
}

fn check(path: &Path) -> CheckReport {
    check::check(path, &no_references).unwrap()
}

fn backup(store: &Store, target: &Path) -> Result<CheckReport> {
    copy::backup(store.core(), target, &no_references)
}

fn restore(from: &Path, directory: &Path) -> Result<CheckReport> {
    copy::restore(from, directory, RestoreOptions::default(), &no_references)
}

/// A store with rows of all sizes, freed pages and a few levels, ended uncleanly.
fn crashed_store(path: &Path) -> Vec<u8> {
    let store = open(path);
    for round in 0..6u64 {
        let put = |i: u64| {
            let bytes = if i.is_multiple_of(50) { 9_000 } else { (i as usize * 31) % 400 };
            let rows = vec![(round * 300 + i, vec![round as u8; bytes])];
            Arc::new(Put { rows, refuse: false }) as Arc<dyn Command>
        };
        store.submit((0..300).map(put).collect(), Grouping::Independent).unwrap();
        store.submit((0..200).map(put).collect(), Grouping::Independent).unwrap();
    }
    store.crash();
    std::fs::read(path.join("data.mdb")).unwrap()
}

#[test]
fn a_walk_finds_nothing_wrong_with_a_sound_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    crashed_store(&path);
    assert_eq!(findings(&path.join("data.mdb")), []);
    assert!(!walk::stored_meta(&pages(&path.join("data.mdb"))).unwrap().clean);
    let store = open(&path);
    assert_eq!(rows(&store).len(), 1_800);
    store.close().unwrap();
    assert!(walk::stored_meta(&pages(&path.join("data.mdb"))).unwrap().clean);
    let options = StoreOptions { verify_always: true, ..StoreOptions::default() };
    Store::open(&path, &options).unwrap();
}

/// Whether the last page of a file belongs to a value of several pages.
fn ends_with_a_value(file: &PageFile) -> bool {
    let last = file.meta().last_page;
    (last.saturating_sub(8)..=last).any(|number| {
        let mut bytes = [0; 4096];
        file.read(number, &mut bytes).unwrap();
        let page = Page(&bytes);
        let pages = page.overflow_pages().map_or(0, u64::from);
        page.number() == Some(number)
            && page.kind() == Some(Kind::Overflow)
            && number + pages == last + 1
    })
}

/// Where no run of free pages is long enough, LMDB puts a value at the end of the file.
#[test]
fn a_value_that_ends_with_the_file_is_sound() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let data = directory.path().join("store/data.mdb");
    let mut values_at_the_end = 0;
    for round in 0..60u64 {
        let bytes = if round % 2 == 0 { 9_000 + round as usize * 200 } else { 300 };
        let rows = (0..4).map(|row| (round % 2 * 100 + row, vec![round as u8; bytes])).collect();
        store.submit(vec![Arc::new(Put { rows, refuse: false })], Grouping::Independent).unwrap();
        let file = pages(&data);
        values_at_the_end += u64::from(ends_with_a_value(&file));
        assert_eq!(findings(&data), [], "round {round}");
    }
    assert!(values_at_the_end > 0);
}

#[test]
fn no_damage_ends_the_process_or_hides_a_row_after_an_unclean_end() {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let good = crashed_store(&path);
    let used = pages(&path.join("data.mdb")).used_bytes();
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    let (mut refused, mut opened) = (0, 0);
    for trial in 0..300 {
        let mut bytes = good.clone();
        let at = (dice.next_u64() % used) as usize;
        let page = at / 4096 * 4096;
        match trial % 4 {
            0 => bytes[at] ^= 1 << (dice.next_u64() % 8),
            1 => bytes[page + at % 64] ^= 0xff,
            2 => bytes[page..page + 4096].fill(0),
            _ => {
                let other = (dice.next_u64() % (used / 4096)) as usize * 4096;
                bytes.copy_within(other..other + 4096, page);
            }
        }
        std::fs::write(path.join("data.mdb"), &bytes).unwrap();
        match Store::open(&path, &StoreOptions::default()) {
            Err(error) => {
                assert_eq!(error.status(), Status::CorruptStore, "trial {trial}: {error}");
                refused += 1;
            }
            Ok(store) => {
                let seen = count_rows(&store);
                assert_eq!(seen, 1_800, "trial {trial}: rows are missing");
                store.crash();
                opened += 1;
            }
        }
    }
    assert!(refused > 100 && opened > 20, "{refused} refused, {opened} opened");
}

/// Rows that are there, damaged ones included.
fn count_rows(store: &Store) -> usize {
    let mut seen = 0;
    let count = |_: &[u8], _: Result<&[u8]>| {
        seen += 1;
        true
    };
    store.read(|view| view.scan(Table::Events, &[], count)).unwrap();
    seen
}

#[test]
fn one_damaged_row_bars_nobody_and_its_removal_puts_the_digest_right() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let data = path.join("data.mdb");
    let good = crashed_store(&path);
    // The checksum of one row, which the digest is made of; older copies of the row lie in free pages.
    let is_row = |at: &usize| good[*at..at + 2] == [1, 0] && good[at + 6..at + 46] == [5; 40];
    let damage = |at: usize| {
        let mut bytes = good.clone();
        bytes[at + 3] ^= 1;
        std::fs::write(&data, &bytes).unwrap();
        findings(&data)
    };
    let found = (0..good.len() - 46).filter(is_row).map(damage).find(|found| !found.is_empty());
    let found = found.expect("a row in use");
    assert!(found.iter().all(|finding| finding.row_only), "{found:?}");
    let store = open(&path);
    let key = found.iter().find(|finding| !finding.key.is_empty()).unwrap().key.clone();
    let sequence = u64::from_be_bytes(key.try_into().unwrap());
    store.submit_one(Put::one(sequence)).unwrap();
    store.crash();
    assert_eq!(findings(&data), []);
}

proptest::proptest! {
    #[test]
    fn decoders_of_the_store_answer_any_bytes_without_a_panic(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600),
    ) {
        drop(Heads::decode(&bytes));
        drop(Meta::decode(&bytes));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data.mdb");
        std::fs::write(&path, &bytes).unwrap();
        proptest::prop_assert!(PageFile::open(&path).is_err());
    }

    #[test]
    fn a_changed_byte_of_the_meta_pages_is_refused_or_harmless(
        at in 0usize..8192,
        value in proptest::num::u8::ANY,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        open(&path).close().unwrap();
        let data = path.join("data.mdb");
        let mut bytes = std::fs::read(&data).unwrap();
        bytes[at] = value;
        std::fs::write(&data, &bytes).unwrap();
        drop(PageFile::open(&data));
    }
}

#[test]
fn a_row_below_its_branch_is_found_because_no_lookup_would() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let data = path.join("data.mdb");
    let good = crashed_store(&path);
    let used = pages(&data).used_bytes() as usize;
    // The second key of a branch over eight-byte keys, raised by one: the first row of its page is then
    // to the left of where a lookup goes.
    let is_branch =
        |page: &usize| good[page + 10] == 1 && good[page + 16 + 2..page + 18 + 2] != [0; 2];
    let mut found = 0;
    for page in (0..used).step_by(4096).filter(is_branch) {
        let node = usize::from(u16::from_le_bytes([good[page + 18], good[page + 19]]));
        let key = page + node + 8;
        if good[page + node + 6] != 8 {
            continue;
        }
        let mut bytes = good.clone();
        bytes[key + 7] = bytes[key + 7].wrapping_add(1);
        std::fs::write(&data, &bytes).unwrap();
        let hides = |finding: &Finding| finding.fault.contains("below its branch");
        found += usize::from(findings(&data).iter().any(hides));
    }
    assert!(found > 0);
}

#[test]
fn a_check_looks_at_a_store_that_is_open_here_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    let writer = Arc::clone(&store);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let mut sequence = 0;
        while !stopped.load(Ordering::Relaxed) {
            sequence = sequence % 500 + 1;
            writer.submit_one(Put::one(sequence)).unwrap();
        }
    });
    for _ in 0..50 {
        let report = check(&path);
        assert!(report.is_sound() && report.live && !report.ended_cleanly, "{report:?}");
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    let commits = store.stats().unwrap().commit_number;
    assert_eq!(check(&path).commit_number, commits);
    store.close().unwrap();
    let report = check(&path);
    assert!(report.is_sound() && !report.live && report.ended_cleanly, "{report:?}");
    assert_eq!(
        check::check(&directory.path().join("none"), &no_references).unwrap_err().status(),
        Status::NotFound
    );
}

#[test]
fn a_check_of_any_bytes_is_a_report() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    for bytes in [vec![], vec![0; 100], vec![7; 100_000]] {
        std::fs::write(&file, bytes).unwrap();
        let report = check(&file);
        assert!(!report.is_sound() && !report.can_be_opened() && report.pages == 0, "{report:?}");
    }
}

#[test]
fn a_backup_of_a_running_store_is_whole_and_comes_up_restored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let target = directory.path().join("backup.mdb");
    let store = open(&path);
    for i in 1..=300 {
        store.submit_one(Put::one(i)).unwrap();
    }
    let report = backup(&store, &target).unwrap();
    assert!(report.is_sound() && !report.live);
    assert_eq!(report.store_id, store.report().store_id);
    assert_eq!(backup(&store, &target).unwrap_err().status(), Status::TargetExists);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2, "a file was left over");
    store.submit_one(Put::one(301)).unwrap();

    let restored = directory.path().join("restored");
    assert_eq!(restore(&path, &restored).unwrap_err().status(), Status::Locked);
    assert_eq!(restore(&target, &path).unwrap_err().status(), Status::Locked);
    store.close().unwrap();
    assert_eq!(restore(&target, &path).unwrap_err().status(), Status::TargetExists);
    restore(&target, &restored).unwrap();
    let copy = open(&restored);
    assert!(copy.report().restored && !copy.report().copied && !copy.report().unclean);
    assert_eq!(rows(&copy), (1..=300).collect::<Vec<u64>>());
    assert_eq!(copy.doubt_below_epoch(), copy.report().epoch);
    let newest = copy.read(|view| view.row(Table::Meta, heads::HEADS_KEY)).unwrap().unwrap();
    let newest = Heads::decode(&newest).unwrap().of(Table::Events).last_key.clone();
    assert_eq!(newest, (300u64 + (1 << 32)).to_be_bytes());
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("backup.mdb");
    let store = open(&directory.path().join("store"));
    for i in 1..=300 {
        store.submit_one(Put::one(i)).unwrap();
    }
    backup(&store, &target).unwrap();
    let mut bytes = std::fs::read(&target).unwrap();
    let last = bytes.len() - 4096;
    bytes[last..].fill(0);
    std::fs::write(&target, &bytes).unwrap();
    let restored = directory.path().join("restored");
    assert_eq!(restore(&target, &restored).unwrap_err().status(), Status::CorruptStore);
    assert!(!restored.join("data.mdb").exists());
}

#[test]
fn a_backup_touches_nothing_that_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("backup.mdb");
    let partial = directory.path().join("backup.mdb.partial-00000000");
    let path = directory.path().join("store");
    let store = open(&path);
    std::fs::write(&partial, b"precious").unwrap();
    assert!(backup(&store, &target).unwrap().is_sound());
    assert_eq!(std::fs::read(&partial).unwrap(), b"precious");
    let missing = directory.path().join("none/backup.mdb");
    assert_eq!(backup(&store, &missing).unwrap_err().status(), Status::NotFound);
    let below = partial.join("backup.mdb");
    assert_eq!(backup(&store, &below).unwrap_err().status(), Status::UnsafePlace);
    let own = path.join("creating");
    assert_eq!(backup(&store, &own).unwrap_err().status(), Status::UnsafePlace);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 3, "a file was left over");
}

#[test]
fn backups_to_one_name_leave_one_whole_file() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("backup.mdb");
    let store = open(&directory.path().join("store"));
    store.submit_one(Put::one(1)).unwrap();
    let made = std::thread::scope(|scope| {
        let all: Vec<_> = (0..6).map(|_| scope.spawn(|| backup(&store, &target))).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    let refused = |made: &Result<CheckReport>| {
        made.as_ref().is_ok_and(CheckReport::is_sound)
            || made.as_ref().is_err_and(|error| error.status() == Status::TargetExists)
    };
    assert!(made.iter().all(refused), "{made:?}");
    assert!(check(&target).is_sound());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn a_backup_that_is_copied_over_its_store_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let (path, target) = (directory.path().join("store"), directory.path().join("backup"));
    let store = open(&path);
    store.submit_one(Put::one(1)).unwrap();
    backup(&store, &target).unwrap();
    store.submit_one(Put::one(2)).unwrap();
    store.close().unwrap();
    // As `cp` does: the same inode, with the backup's bytes.
    std::fs::write(path.join("data.mdb"), std::fs::read(&target).unwrap()).unwrap();
    assert!(open(&path).report().copied);
}

#[test]
fn after_a_restore_that_failed_no_open_makes_an_empty_store() {
    let directory = tempfile::tempdir().unwrap();
    let (path, target) = (directory.path().join("store"), directory.path().join("backup"));
    let restored = directory.path().join("restored");
    backup(&open(&path), &target).unwrap();
    restore(&target, &restored).unwrap();
    std::fs::remove_file(restored.join("data.mdb")).unwrap();
    assert_eq!(open_error(&restored), Status::CorruptStore);
    restore(&target, &restored).unwrap();
    assert!(open(&restored).report().restored);
}

#[test]
fn compaction_is_refused_before_it_touches_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    crashed_store(&path);
    let before = FileIdentity::of(&path.join("data.mdb")).unwrap();
    let other = StoreOptions { compact: true, lnd_compat: true, ..StoreOptions::default() };
    assert_eq!(Store::open(&path, &other).unwrap_err().status(), Status::WrongMode);
    assert_eq!(FileIdentity::of(&path.join("data.mdb")).unwrap(), before);
}

#[test]
fn compaction_gives_the_space_back_and_the_store_stays_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let compact = StoreOptions { compact: true, ..StoreOptions::default() };
    crashed_store(&path);
    let store = open(&path);
    let (before, id) = (store.stats().unwrap().pages_used, store.report().store_id);
    store.close().unwrap();
    std::fs::create_dir(path.join("creating")).unwrap();
    let store = Store::open(&path, &compact).unwrap();
    let report = store.report();
    assert!(report.compacted && !report.copied && !report.restored && report.store_id == id);
    assert!(store.stats().unwrap().pages_used < before, "{before}");
    assert_eq!(rows(&store).len(), 1_800);
    store.submit_one(Put::one(7_000)).unwrap();
    assert_eq!(Store::open(&path, &compact).unwrap_err().status(), Status::Locked);
    store.close().unwrap();
    assert!(!path.join("creating").exists());
    let store = open(&path);
    assert!(!store.report().copied && !store.report().compacted);
}

#[test]
fn compaction_does_not_hide_that_a_file_is_a_copy() {
    let directory = tempfile::tempdir().unwrap();
    let (path, other) = (directory.path().join("store"), directory.path().join("other"));
    open(&path).close().unwrap();
    std::fs::create_dir(&other).unwrap();
    std::fs::copy(path.join("data.mdb"), other.join("data.mdb")).unwrap();
    let compact = StoreOptions { compact: true, ..StoreOptions::default() };
    let store = Store::open(&other, &compact).unwrap();
    assert!(store.report().copied && store.report().compacted);
}

#[test]
fn a_store_larger_than_its_first_map_opens_with_room_to_commit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let options = StoreOptions { map_bytes: 1 << 20, ..StoreOptions::default() };
    let store = Store::open(&path, &options).unwrap();
    let large = |i: u64| Put { rows: vec![(i, vec![7; 1 << 20])], refuse: false };
    for i in 0..8 {
        store.submit_one(large(i)).unwrap();
    }
    store.close().unwrap();
    let store = Store::open(&path, &options).unwrap();
    assert!(store.stats().unwrap().map_bytes > 8 << 20);
}

/// Replaces the body of the meta row under a valid envelope.
struct Stamp(Vec<u8>);

impl Command for Stamp {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        batch.put_row(
            Table::Meta,
            meta::META_KEY,
            &record::seal(Table::Meta, meta::META_KEY, &self.0),
        )?;
        Ok(Reply::done())
    }
    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 128 }
    }
    fn space(&self) -> Space {
        Space::Settles
    }
}

/// A store whose meta row has another byte.
fn stamped(path: &Path, at: usize, value: u8) {
    let store = open(path);
    let mut body = store.read(|view| view.row(Table::Meta, meta::META_KEY)).unwrap().unwrap();
    body[at] = value;
    store.submit_one(Stamp(body)).unwrap();
    store.crash();
}

#[test]
fn a_newer_format_is_said_to_be_one_and_never_sound() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    stamped(&path, 8, 2);
    let newer = |result: Result<CheckReport>| result.unwrap_err().status() == Status::FormatTooNew;
    assert!(newer(check::check(&path, &no_references)));
    let restored = directory.path().join("restored");
    assert!(newer(restore(&path, &restored)));
    assert!(!restored.join("creating").exists() && !restored.join("data.mdb").exists());
    let verify = StoreOptions { verify_always: true, ..StoreOptions::default() };
    assert_eq!(Store::open(&path, &verify).unwrap_err().status(), Status::FormatTooNew);
}

#[test]
fn a_meta_row_that_does_not_decode_is_a_finding() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    stamped(&path, 0, b'x');
    assert!(!check(&path).can_be_opened());
}

#[test]
fn many_damaged_rows_do_not_hide_that_the_structure_is_damaged() {
    struct Garbage(u64);
    impl Command for Garbage {
        fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
            batch.put_row(
                Table::Attempts,
                &[&[7; 16], &self.0.to_be_bytes()[..]].concat(),
                b"x",
            )?;
            Ok(Reply::done())
        }
        fn cost(&self) -> Cost {
            Cost { rows: 1, bytes: 64 }
        }
        fn space(&self) -> Space {
            Space::Grows
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    let garbage = |from: u64| (from..from + 500).map(|i| Arc::new(Garbage(i)) as Arc<dyn Command>);
    for from in [0, 500, 1000] {
        store.submit(garbage(from).collect(), Grouping::Independent).unwrap();
    }
    store.submit_one(Put { rows: vec![(1, vec![0x5a; 600])], refuse: false }).unwrap();
    store.crash();
    let report = check(&path);
    assert!(report.truncated && report.can_be_opened() && report.findings.len() == 1_000);
    assert!(
        report.findings[999].key.ends_with(&999u64.to_be_bytes()),
        "the first thousand are kept"
    );
    let data = path.join("data.mdb");
    let mut bytes = std::fs::read(&data).unwrap();
    let row = bytes.windows(600).rposition(|window| window == [0x5a; 600]).unwrap();
    bytes[row / 4096 * 4096..][..4096].fill(0);
    std::fs::write(&data, &bytes).unwrap();
    assert!(!check(&path).can_be_opened());
    assert_eq!(open_error(&path), Status::CorruptStore);
}

#[test]
fn a_backup_is_its_owners_alone_and_a_pipe_is_no_backup() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("b");
    let store = open(&directory.path().join("store"));
    backup(&store, &target).unwrap();
    assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(!check(&pipe).can_be_opened());
}

#[test]
fn a_row_that_became_shorter_within_its_commit_is_no_damage() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    for lengths in [[60_000, 20_000, 100], [100, 60_000, 9_000]] {
        let rows = lengths.map(|bytes| (1, vec![7; bytes])).to_vec();
        store.submit_one(Put { rows, refuse: false }).unwrap();
        store.submit_one(Put { rows: vec![(2, vec![1; 10])], refuse: false }).unwrap();
        assert!(check(&path).is_sound(), "{:?}", check(&path).findings);
    }
}

#[test]
fn a_damaged_key_is_damage_of_the_structure_because_its_row_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let data = path.join("data.mdb");
    let good = crashed_store(&path);
    // A key of one of the rows with five bytes of value five; keys stay in order.
    let is_key = |at: &usize| {
        good[at + 8..at + 10] == [1, 0]
            && good[at + 14..at + 54] == [5; 40]
            && good[*at..at + 6] == [0; 6]
    };
    let mut found = 0;
    for at in (0..good.len() - 60).filter(is_key) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x80;
        std::fs::write(&data, &bytes).unwrap();
        let findings = findings(&data);
        assert!(findings.is_empty() || findings.iter().any(|finding| !finding.row_only));
        found += usize::from(!findings.is_empty());
    }
    assert!(found > 0);
}

#[test]
fn meta_pages_that_do_not_follow_each_other_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let data = path.join("data.mdb");
    let good = crashed_store(&path);
    for (page, at) in [(0, 144), (0, 150), (4096, 144), (4096, 145)] {
        let mut bytes = good.clone();
        bytes[page + at] ^= 4;
        std::fs::write(&data, &bytes).unwrap();
        assert_eq!(open_error(&path), Status::CorruptStore, "{page} {at}");
    }
}

#[test]
fn a_file_that_was_written_to_since_its_close_is_walked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let data = path.join("data.mdb");
    crashed_store(&path);
    open(&path).close().unwrap();
    open(&path).close().unwrap();
    // Longer than a tick of the clock that older kernels take the time of a change from.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let good = std::fs::read(&data).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&data).unwrap();
    let write = |bytes: &[u8]| std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0).unwrap();
    // A page that a clean open does not read.
    let is_refused = |page: &usize| {
        let mut bytes = good.clone();
        bytes[*page..page + 4096].fill(0xff);
        write(&bytes);
        findings(&data).iter().any(|finding| finding.table == "events" && !finding.row_only)
    };
    (2..good.len() / 4096).map(|page| page * 4096).find(is_refused).expect("a page of events");
    assert_eq!(open_error(&path), Status::CorruptStore);
    // A disk that decays changes no time: only who asks for it has the file walked.
    let mut place = Place::claim(&path, false).unwrap();
    place.lock_data().unwrap();
    place.stamp().unwrap();
    drop(place);
    let options = StoreOptions { verify_always: true, ..StoreOptions::default() };
    assert_eq!(Store::open(&path, &options).unwrap_err().status(), Status::CorruptStore);
    open(&path).crash();
    write(&good);
    assert!(!open(&path).report().unclean);
}
