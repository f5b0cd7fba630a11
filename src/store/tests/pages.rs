//! LMDB's pages as bytes, and what the two meta pages of a file say together.

use super::super::meta::{Meta, Modes};
use super::super::page_file::PageFile;
use super::super::pages::{Kind, META_BYTES, MetaPage, Page, Value};
use crate::os::FileIdentity;

const PAGE_BYTES: usize = 4096;
const HEADER_BYTES: usize = 16;

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

/// A meta page of commit `transaction`, of a file with `last_page`.
fn meta_page(page_bytes: u32, last_page: u64, transaction: u64) -> [u8; META_BYTES] {
    let mut bytes = [0; META_BYTES];
    put(&mut bytes, 10, &8u16.to_le_bytes());
    put(&mut bytes, 16, &0xbeef_c0de_u32.to_le_bytes());
    put(&mut bytes, 20, &1u32.to_le_bytes());
    put(&mut bytes, 40, &page_bytes.to_le_bytes());
    put(&mut bytes, 136, &last_page.to_le_bytes());
    put(&mut bytes, 144, &transaction.to_le_bytes());
    bytes
}

#[test]
fn a_meta_page_is_one_in_every_field_or_none() {
    let parsed = MetaPage::parse(&meta_page(4096, 7, 9)).unwrap();
    assert_eq!((parsed.page_bytes, parsed.last_page, parsed.transaction), (4096, 7, 9));
    for page_bytes in [256, 65_536] {
        assert!(MetaPage::parse(&meta_page(page_bytes, 7, 9)).is_some());
    }
    for page_bytes in [0, 128, 4097, 131_072] {
        assert!(MetaPage::parse(&meta_page(page_bytes, 7, 9)).is_none(), "{page_bytes}");
    }
    for field in [10, 16, 20] {
        let mut bytes = meta_page(4096, 7, 9);
        bytes[field] ^= 2;
        assert!(MetaPage::parse(&bytes).is_none(), "the field at {field}");
    }
}

/// A leaf with `nodes`, each of a key and a row, packed against the page's end.
fn leaf(nodes: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut page = vec![0; PAGE_BYTES];
    put(&mut page, 10, &2u16.to_le_bytes());
    let mut end = PAGE_BYTES;
    for (index, (key, row)) in nodes.iter().enumerate() {
        let length = (8 + key.len() + row.len()).next_multiple_of(2);
        end -= length;
        put(&mut page, end, &(row.len() as u16).to_le_bytes());
        put(&mut page, end + 6, &(key.len() as u16).to_le_bytes());
        put(&mut page, end + 8, key);
        put(&mut page, end + 8 + key.len(), row);
        put(&mut page, HEADER_BYTES + 2 * index, &(end as u16).to_le_bytes());
    }
    bounds(&mut page, HEADER_BYTES + 2 * nodes.len(), end);
    page
}

fn bounds(page: &mut [u8], lower: usize, upper: usize) {
    put(page, 12, &(lower as u16).to_le_bytes());
    put(page, 14, &(upper as u16).to_le_bytes());
}

#[test]
fn a_page_has_as_many_nodes_as_fit_between_its_bounds() {
    let nodes = |lower, upper| {
        let mut page = leaf(&[]);
        bounds(&mut page, lower, upper);
        Page(&page).nodes()
    };
    assert_eq!(nodes(HEADER_BYTES, PAGE_BYTES), Some(0));
    assert_eq!(nodes(HEADER_BYTES + 6, PAGE_BYTES), Some(3));
    assert_eq!(nodes(30, 30), Some(7), "no space between them");
    assert_eq!(nodes(HEADER_BYTES - 2, PAGE_BYTES), None, "in the header");
    assert_eq!(nodes(32, 30), None, "they cross");
    assert_eq!(nodes(HEADER_BYTES, PAGE_BYTES + 2), None, "beyond the page");
    assert_eq!(nodes(HEADER_BYTES + 1, PAGE_BYTES), None, "half an offset");
}

#[test]
fn a_page_is_packed_when_its_nodes_leave_neither_holes_nor_overlaps() {
    let page = leaf(&[(b"a", b"first"), (b"bc", b"second"), (b"d", b"")]);
    assert_eq!(Page(&page).kind(), Some(Kind::Leaf));
    assert!(Page(&page).is_packed(3));
    assert!(!Page(&page).is_packed(2), "the last node is a hole");
    let mut hole = page.clone();
    let upper = u16::from_le_bytes([page[14], page[15]]);
    bounds(&mut hole, HEADER_BYTES + 6, usize::from(upper) - 2);
    assert!(!Page(&hole).is_packed(3));
    let mut twice = page.clone();
    twice.copy_within(HEADER_BYTES..HEADER_BYTES + 2, HEADER_BYTES + 2);
    assert!(!Page(&twice).is_packed(3), "two offsets lead to one node");
}

#[test]
fn a_node_lies_behind_the_offsets_and_reads_back() {
    let mut page = leaf(&[(b"key", b"row")]);
    let node = Page(&page).node(0).unwrap();
    assert_eq!(node.key, b"key");
    assert!(matches!(node.value(), Some(Value::Inline(b"row"))));
    let offset = usize::from(u16::from_le_bytes([page[16], page[17]]));
    bounds(&mut page, offset, offset);
    assert!(Page(&page).node(0).is_some(), "right behind them");
    bounds(&mut page, offset + 2, offset + 2);
    assert!(Page(&page).node(0).is_none(), "among them");
}

#[test]
fn a_branch_leads_to_a_page_whose_number_is_in_three_parts() {
    let mut page = leaf(&[(b"key", b"")]);
    let offset = usize::from(u16::from_le_bytes([page[16], page[17]]));
    put(&mut page, offset, &[0x01, 0x02, 0x03, 0x04, 0x05, 0x06]);
    assert_eq!(Page(&page).node(0).unwrap().child(), 0x0605_0403_0201);
}

/// A file of two meta pages of these commits, and what it is opened as.
fn opened(metas: [[u8; META_BYTES]; 2], bytes: u64) -> Option<u64> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.mdb");
    let mut content = vec![0; 2 * PAGE_BYTES];
    put(&mut content, 0, &metas[0]);
    put(&mut content, PAGE_BYTES, &metas[1]);
    std::fs::write(&path, content).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(bytes).unwrap();
    let file = PageFile::open(&path).ok()?;
    assert_eq!(file.newest_transaction(), Some(file.meta().transaction));
    Some(file.meta().transaction)
}

#[test]
fn the_newest_meta_page_counts_if_the_other_is_the_one_before() {
    let of = |first, second| {
        opened([meta_page(4096, 1, first), meta_page(4096, 1, second)], 2 * PAGE_BYTES as u64)
    };
    for (first, second, newest) in [(0, 0, 0), (0, 1, 1), (2, 1, 2), (2, 3, 3), (4, 3, 4)] {
        assert_eq!(of(first, second), Some(newest), "{first} {second}");
    }
    for (first, second) in [(1, 2), (3, 2), (2, 2), (1, 1), (2, 5), (4, 1), (1, 0), (3, 4)] {
        assert_eq!(of(first, second), None, "{first} {second}");
    }
}

#[test]
fn meta_pages_that_disagree_or_say_more_than_the_file_has_are_damage() {
    let whole = 3 * PAGE_BYTES as u64;
    let two = |page_bytes| [meta_page(4096, 2, 2), meta_page(page_bytes, 2, 1)];
    assert_eq!(opened(two(4096), whole), Some(2));
    assert_eq!(opened(two(4096), whole - 1), None, "cut off");
    assert_eq!(opened(two(8192), whole), None);
    let endless = [meta_page(4096, u64::MAX, 2), meta_page(4096, 2, 1)];
    assert_eq!(opened(endless, whole), None);
}

#[test]
fn a_file_is_the_same_by_inode_and_birth_or_by_inode_and_device() {
    let mut meta = Meta::new([7; 16], Modes::default());
    let identity = |device, inode, birth_ns| FileIdentity { device, inode, birth_ns };
    assert!(meta.is_same_file(identity(1, 2, 3)), "none is known");
    meta.identity = identity(1, 2, 3);
    assert!(!meta.is_same_file(identity(1, 9, 3)), "another file of the same moment");
    assert!(meta.is_same_file(identity(1, 2, 0)));
    meta.identity = identity(1, 2, 0);
    assert!(meta.is_same_file(identity(1, 2, 3)));
    assert!(!meta.is_same_file(identity(1, 9, 3)));
    assert!(!meta.is_same_file(identity(9, 2, 3)));
}

#[test]
fn each_mark_of_a_store_is_read_back_alone() {
    for mark in 0..3 {
        let mut meta = Meta::new([7; 16], Modes::default());
        (meta.clean, meta.restored, meta.copied) = (mark == 0, mark == 1, mark == 2);
        assert_eq!(Meta::decode(&meta.encode()).unwrap(), meta);
    }
}
