//! A store that was written by format 1 as it was first released, read by the code of today.
//!
//! `tests/golden/format-1` holds its file and a text of all that it holds. A change of the format that
//! cannot read this file any more, or reads something else, fails here: such a change needs a new major
//! format and a reader for this one.

#![cfg(feature = "backup")]

#[path = "golden/read.rs"]
mod read;
#[path = "golden/write.rs"]
mod write;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use lnkeep::store::tables::SPECS;

const FILE: &str = "data.mdb.gz";
const EXPECTED: &str = "expected.txt";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1").join(name)
}

/// The store in a directory of its own, which a file that was copied there makes a copy.
fn unpacked() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    fs::DirBuilder::new().create(&store).unwrap();
    set_mode(&store, 0o700);
    let mut bytes = Vec::new();
    let packed = fs::read(golden(FILE)).unwrap();
    GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
    fs::write(store.join("data.mdb"), bytes).unwrap();
    set_mode(&store.join("data.mdb"), 0o600);
    (directory, store)
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn findings(store: &Path) -> Vec<String> {
    let report = lnkeep::maintenance::check(store).unwrap();
    report.findings.iter().map(|finding| format!("{finding:?}")).collect()
}

/// The first line that differs says more than two texts.
fn expect_text(actual: &str, expected: &str) {
    for (number, (actual, expected)) in actual.lines().zip(expected.lines()).enumerate() {
        assert_eq!(actual, expected, "line {} of {EXPECTED}", number + 1);
    }
    assert_eq!(actual.lines().count(), expected.lines().count(), "lines of {EXPECTED}");
}

#[test]
fn the_first_format_is_read_as_it_was_written() {
    let (_directory, store) = unpacked();
    assert_eq!(findings(&store), Vec::<String>::new());
    let expected = fs::read_to_string(golden(EXPECTED)).unwrap();
    expect_text(&read::everything(&store), &expected);
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn the_first_format_is_written_on() {
    let (_directory, store) = unpacked();
    write::go_on(&store);
    assert_eq!(findings(&store), Vec::<String>::new());
    write::check_what_went_on(&store);
}

/// Every table has rows in it, or the file would show nothing about that table.
#[test]
fn the_golden_file_has_rows_of_every_table() {
    let expected = fs::read_to_string(golden(EXPECTED)).unwrap();
    let counted = |name: &str| {
        let line = expected.lines().find_map(|line| line.strip_prefix(&format!("rows {name} ")));
        line.and_then(|count| count.parse::<u64>().ok())
    };
    for spec in SPECS {
        let rows = counted(spec.name);
        assert!(rows.is_some_and(|rows| rows > 0), "{}: {rows:?} rows in {EXPECTED}", spec.name);
    }
}

/// What today's code writes from the same calls is what the golden file holds: an unchanged format is read
/// alike from both.
#[test]
fn what_is_written_today_reads_as_the_golden_file_does() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    write::store(&store);
    let copy = directory.path().join("copy");
    fs::DirBuilder::new().create(&copy).unwrap();
    set_mode(&copy, 0o700);
    fs::copy(store.join("data.mdb"), copy.join("data.mdb")).unwrap();
    expect_text(&read::everything(&copy), &fs::read_to_string(golden(EXPECTED)).unwrap());
}

/// Numbers of tables enter every checksum.
#[test]
fn the_numbers_of_the_tables_are_those_of_the_format() {
    let format = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/format.md");
    let text = fs::read_to_string(format).unwrap();
    for spec in SPECS {
        let row = text.lines().find(|line| line.starts_with(&format!("| `{}` | ", spec.name)));
        let cells: Vec<_> = row.unwrap().trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells[4], (spec.table as u8).to_string(), "docs/format.md, {}", spec.name);
    }
}

/// Makes the golden files anew, in a directory of its own: for a new major format, never for this one.
#[test]
#[ignore = "writes files that are committed once for each format"]
fn golden_files_are_made() {
    let directory = std::env::var_os("LNKEEP_GOLDEN").expect("LNKEEP_GOLDEN: a directory");
    let directory = PathBuf::from(directory);
    let store = directory.join("store");
    write::store(&store);
    let mut bytes = fs::read(store.join("data.mdb")).unwrap();
    // Space that was allocated ahead and holds no page.
    let pages = lnkeep::maintenance::check(&store).unwrap();
    bytes.truncate((pages.pages * pages.page_bytes) as usize);
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&bytes).unwrap();
    fs::write(directory.join(FILE), packed.finish().unwrap()).unwrap();
    let copy = directory.join("copy");
    fs::DirBuilder::new().create(&copy).unwrap();
    set_mode(&copy, 0o700);
    fs::write(copy.join("data.mdb"), &bytes).unwrap();
    set_mode(&copy.join("data.mdb"), 0o600);
    fs::write(directory.join(EXPECTED), read::everything(&copy)).unwrap();
}
