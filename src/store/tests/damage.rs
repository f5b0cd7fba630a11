//! A walk takes nothing on trust: each field of a file, changed alone, is found.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::super::page_file::PageFile;
use super::super::walk::{self, NoReferences};
use super::*;

pub(super) const PAGE: usize = 4096;

/// A file with pages of every kind, and few of them, in which single bytes are changed.
pub(super) struct Patient {
    directory: tempfile::TempDir,
    file: File,
    good: Vec<u8>,
}

impl Patient {
    pub(super) fn new() -> Patient {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory.path().join("store"));
        let small = |from: u64| Put {
            rows: (from..from + 20).map(|i| (i, vec![5; 400])).collect(),
            refuse: false,
        };
        store.submit_one(small(100)).unwrap();
        store.submit_one(Put { rows: vec![(1, vec![6; 9_000])], refuse: false }).unwrap();
        store.submit_one(small(100)).unwrap();
        Patient::of(directory, store)
    }

    /// The file of a store in the directory's `store`, without the space that was allocated ahead.
    pub(super) fn of(directory: tempfile::TempDir, store: Arc<Store>) -> Patient {
        store.crash();
        let data = directory.path().join("store/data.mdb");
        let used = PageFile::open(&data).unwrap().used_bytes();
        let file = File::options().read(true).write(true).open(&data).unwrap();
        file.set_len(used).unwrap();
        let good = std::fs::read(&data).unwrap();
        Patient { directory, file, good }
    }

    pub(super) fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("store/data.mdb")
    }

    pub(super) fn findings(&self) -> Option<Vec<Finding>> {
        let pages = PageFile::open(&self.data()).ok()?;
        Some(walk::walk(&pages, &mut NoReferences).ok()?.findings)
    }

    /// What is found in a file with other bytes at some places.
    pub(super) fn findings_with(&self, edits: &[(usize, &[u8])]) -> Vec<Finding> {
        edits.iter().for_each(|(at, bytes)| self.file.write_all_at(bytes, *at as u64).unwrap());
        let findings = self.findings().unwrap();
        for (at, bytes) in edits {
            self.file.write_all_at(&self.good[*at..at + bytes.len()], *at as u64).unwrap();
        }
        findings
    }

    pub(super) fn bytes(&self, at: usize, bytes: usize) -> &[u8] {
        &self.good[at..at + bytes]
    }

    /// Whether a file with these bytes at a place is refused, or something is found in it.
    fn is_noticed(&self, at: usize, bytes: &[u8]) -> bool {
        self.file.write_all_at(bytes, at as u64).unwrap();
        let noticed = self.findings().is_none_or(|findings| !findings.is_empty());
        self.file.write_all_at(&self.good[at..at + bytes.len()], at as u64).unwrap();
        noticed
    }

    fn is_bit_noticed(&self, at: usize, bit: u8) -> bool {
        self.is_noticed(at, &[self.good[at] ^ 1 << bit])
    }

    pub(super) fn number(&self, at: usize, bytes: usize) -> usize {
        let field = &self.good[at..at + bytes];
        field.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
    }

    /// Pages that are in use: whose number a walk looks at. The first two are the meta pages.
    fn used(&self) -> Vec<usize> {
        (2..self.good.len() / PAGE).filter(|page| self.is_bit_noticed(page * PAGE, 0)).collect()
    }

    /// Pages of a kind, by their flags.
    pub(super) fn of_kind(&self, flags: usize) -> Vec<usize> {
        let pages = self.used();
        pages.into_iter().filter(|page| self.number(page * PAGE + 10, 2) == flags).collect()
    }

    /// Where the nodes of a page begin.
    pub(super) fn nodes(&self, page: usize) -> Vec<usize> {
        let base = page * PAGE;
        let count = (self.number(base + 12, 2) - 16) / 2;
        (0..count).map(|i| base + self.number(base + 16 + 2 * i, 2)).collect()
    }

    /// The newest of the two meta pages.
    pub(super) fn meta(&self) -> usize {
        if self.number(144, 8) > self.number(PAGE + 144, 8) { 0 } else { PAGE }
    }
}

pub(super) const BRANCH: usize = 1;
pub(super) const LEAF: usize = 2;
pub(super) const OVERFLOW: usize = 4;

#[test]
fn every_page_in_use_is_walked() {
    let patient = Patient::new();
    assert_eq!(patient.findings(), Some(Vec::new()));
    assert_eq!(patient.of_kind(BRANCH).len(), 1);
    assert_eq!(patient.of_kind(OVERFLOW).len(), 1);
    let leaves = patient.of_kind(LEAF).len();
    let store = open(&patient.directory.path().join("store"));
    let stat = |table: Table| store.read(|view| Ok(view.snapshot().stat(table)?)).unwrap();
    assert_eq!((stat(Table::Events).ms_leaf_pages, stat(Table::Meta).ms_leaf_pages), (3, 1));
    assert_eq!(leaves, 3 + 1 + 1 + 1, "of the events, of meta, of the tables, of the free pages");
}

#[test]
fn every_field_of_a_page_is_looked_at() {
    let patient = Patient::new();
    for page in [BRANCH, LEAF, OVERFLOW].into_iter().flat_map(|kind| patient.of_kind(kind)) {
        let base = page * PAGE;
        let is_overflow = patient.number(base + 10, 2) == OVERFLOW;
        // Number, flags, bounds; bytes 8 and 9 mean nothing.
        for at in (0..8).chain(10..16) {
            for bit in [0, 7] {
                assert!(patient.is_bit_noticed(base + at, bit), "page {page} byte {at} bit {bit}");
            }
        }
        if is_overflow {
            continue;
        }
        for (index, node) in patient.nodes(page).into_iter().enumerate() {
            for at in [base + 16 + 2 * index, base + 17 + 2 * index] {
                assert!(patient.is_bit_noticed(at, 0), "page {page}, offset of node {index}");
            }
            for at in 0..8 {
                assert!(patient.is_bit_noticed(node + at, 0), "page {page} node {index} byte {at}");
            }
        }
    }
}

#[test]
fn every_field_of_the_newest_meta_page_is_looked_at() {
    let patient = Patient::new();
    let meta = patient.meta();
    // Flags, magic, version, both trees, last page, number of the commit. The rest LMDB writes for itself:
    // number, bounds, address and size of the map, a word of the second tree.
    let fields = (10..12).chain(16..24).chain(40..88).chain(92..152);
    for at in fields {
        for bit in [0, 7] {
            assert!(patient.is_bit_noticed(meta + at, bit), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn what_a_tree_claims_of_itself_is_counted() {
    let patient = Patient::new();
    // The record of the table of events among the tables: flags, depth, pages of each kind, rows, root.
    let name = b"events";
    let is_ours = |node: &usize| patient.good[node + 8..].starts_with(name);
    let leaves = patient.of_kind(LEAF);
    let nodes = leaves.iter().flat_map(|page| patient.nodes(*page));
    let record = nodes.filter(is_ours).map(|node| node + 8 + name.len()).next().unwrap();
    assert_eq!(patient.number(record + 6, 2), 2, "its depth");
    assert_eq!(patient.number(record + 32, 8), 21, "its rows");
    for at in 4..48 {
        for bit in [0, 7] {
            assert!(patient.is_bit_noticed(record + at, bit), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn lists_of_free_pages_are_checked_number_by_number() {
    let patient = Patient::new();
    // Rows of the tree of free pages have keys of eight bytes with small numbers, and its root is the meta's.
    let root = patient.number(patient.meta() + 80, 8);
    let mut lists = 0;
    for node in patient.nodes(root) {
        assert_eq!(patient.number(node + 6, 2), 8, "a number of a transaction");
        let row = node + 16;
        let count = patient.number(row, 8);
        lists += usize::from(count > 0);
        for number in 0..=count {
            for bit in [0, 6] {
                let at = row + 8 * number;
                assert!(patient.is_bit_noticed(at, bit), "word {number} of the list bit {bit}");
            }
        }
        let future = (patient.number(patient.meta() + 144, 8) as u64 + 1).to_le_bytes();
        assert!(patient.is_noticed(node + 8, &future), "freed by a commit that was not made");
    }
    assert!(lists > 0, "no list of free pages was met");
}

#[test]
fn a_page_that_is_free_and_used_or_neither_is_found() {
    let patient = Patient::new();
    let used: BTreeSet<usize> = patient.used().into_iter().collect();
    let overflow = patient.of_kind(OVERFLOW)[0];
    let claimed = patient.number(overflow * PAGE + 12, 4);
    assert_eq!(claimed, 3);
    let fewer = (claimed as u32 - 1).to_le_bytes();
    assert!(patient.is_noticed(overflow * PAGE + 12, &fewer), "too few pages for the row");
    let more = (claimed as u32 + 1).to_le_bytes();
    assert!(patient.is_noticed(overflow * PAGE + 12, &more), "a page of somebody else");
    let branch = patient.of_kind(BRANCH)[0];
    let children = patient.nodes(branch);
    for other in used.iter().filter(|page| **page != branch) {
        let child = patient.number(children[0], 2);
        if child != *other {
            let bytes = (*other as u16).to_le_bytes();
            assert!(patient.is_noticed(children[0], &bytes), "page {other} instead of {child}");
        }
    }
}

#[test]
fn a_file_is_as_long_as_its_newest_meta_page_says() {
    let patient = Patient::new();
    let whole = patient.good.len() as u64;
    let pages = PageFile::open(&patient.data()).unwrap();
    assert_eq!((pages.used_bytes(), pages.bytes()), (whole, whole));
    patient.file.set_len(whole - 1).unwrap();
    assert!(PageFile::open(&patient.data()).is_err());
    patient.file.set_len(whole + 1).unwrap();
    let pages = PageFile::open(&patient.data()).unwrap();
    assert_eq!((pages.used_bytes(), pages.bytes()), (whole, whole + 1));
}

#[test]
fn the_newer_of_two_successive_commits_is_read() {
    let patient = Patient::new();
    let newest = PageFile::open(&patient.data()).unwrap().meta().transaction;
    let numbers = [patient.number(144, 8) as u64, patient.number(PAGE + 144, 8) as u64];
    assert_eq!(numbers.iter().max(), Some(&newest));
    assert_eq!(numbers.map(|number| number % 2), [0, 1], "commit n is written to page n modulo 2");
    // Both pages claim a size of pages; another one in the older is damage too.
    let older = PAGE - patient.meta();
    let other = 8192u32.to_le_bytes();
    assert!(patient.is_noticed(older + 40, &other));
    for size in [0u32, 128, 4095, 131_072] {
        assert!(patient.is_noticed(40, &size.to_le_bytes()), "pages of {size} bytes");
    }
}

#[test]
fn any_mix_of_damaged_rows_is_told_from_a_missing_one() {
    let patient = Patient::new();
    let leaves = patient.of_kind(LEAF);
    let nodes = leaves.iter().flat_map(|page| patient.nodes(*page));
    let is_row = |node: &usize| patient.good[node + 22..].starts_with(&[5; 300]);
    let rows: Vec<usize> = nodes.filter(is_row).collect();
    assert_eq!(rows.len(), 20);
    let flip = |at: usize| patient.file.write_all_at(&[patient.good[at] ^ 1], at as u64).unwrap();
    // The stored checksums of three rows, which the digest is made of, and the bodies of two more.
    [0, 7, 19].into_iter().for_each(|row| flip(rows[row] + 8 + 8 + 3));
    [3, 4].into_iter().for_each(|row| flip(rows[row] + 8 + 8 + 50));
    let findings = patient.findings().unwrap();
    assert_eq!(findings.len(), 5, "{findings:?}");
    assert!(findings.iter().all(|finding| finding.row_only && finding.table == "events"));
    assert!(walk::refuse(&findings).is_ok());
    // A key among them: now a row is missing under the right one.
    flip(rows[10] + 8 + 7);
    let findings = patient.findings().unwrap();
    assert!(findings.iter().any(|finding| finding.fault.contains("digest")), "{findings:?}");
    let refused = walk::refuse(&findings).unwrap_err();
    assert_eq!(refused.status(), Status::CorruptStore);
}

#[test]
fn a_refusal_names_page_table_and_fault() {
    let finding = |table: &'static str, row_only: bool| Finding {
        page: 7,
        table,
        key: Vec::new(),
        fault: "is wrong".to_owned(),
        row_only,
    };
    assert!(walk::refuse(&[finding("events", true)]).is_ok());
    let refused = |findings: &[Finding]| walk::refuse(findings).unwrap_err().message().to_owned();
    let message = refused(&[finding("payments", true), finding("events", false)]);
    assert!(message.contains("page 7 of table events is wrong"), "{message}");
    let message = refused(&[finding("", false)]);
    assert!(message.contains("page 7 is wrong"), "{message}");
}
