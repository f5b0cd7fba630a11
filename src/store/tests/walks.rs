//! What a walk says of damage that leaves pages, checksums and counts as they should be, and that it says
//! nothing of a file that is whole.

use std::os::unix::fs::FileExt;

use super::super::env::Env;
use super::super::heads::HEADS_KEY;
use super::super::meta::META_KEY;
use super::super::opening::read_meta;
use super::super::record::ENVELOPE_BYTES;
use super::damage::{BRANCH, LEAF, PAGE, Patient};
use super::*;
use crate::limits::VALUE_BYTES_MAX;

/// Bytes of a node before its key.
const NODE: usize = 8;

fn faults(patient: &Patient, edits: &[(usize, &[u8])]) -> Vec<String> {
    patient.findings_with(edits).into_iter().map(|finding| finding.fault).collect()
}

/// The leaf under a node of the events' branch.
fn leaf_under(patient: &Patient, index: usize) -> usize {
    let branch = patient.of_kind(BRANCH)[0];
    patient.number(patient.nodes(branch)[index], 2)
}

fn put_one(sequence: u64, bytes: usize) -> Put {
    Put { rows: vec![(sequence, vec![5; bytes])], refuse: false }
}

#[test]
fn rows_in_another_order_are_found_although_each_is_whole() {
    let patient = Patient::new();
    let offsets = leaf_under(&patient, 0) * PAGE + 16;
    let (first, second) = (patient.bytes(offsets, 2), patient.bytes(offsets + 2, 2));
    let swapped = [(offsets, second), (offsets + 2, first)];
    assert_eq!(faults(&patient, &swapped), ["a key is out of order"]);
}

#[test]
fn one_row_twice_is_out_of_order() {
    let patient = Patient::new();
    let nodes = patient.nodes(leaf_under(&patient, 1));
    let length = NODE + 8 + ENVELOPE_BYTES + 400;
    let found = faults(&patient, &[(nodes[2], patient.bytes(nodes[1], length))]);
    assert!(found.contains(&"a key is out of order".to_owned()), "{found:?}");
}

#[test]
fn a_branch_key_is_above_what_comes_before_it_and_not_above_what_it_leads_to() {
    let patient = Patient::new();
    let left = patient.nodes(leaf_under(&patient, 0));
    let right = patient.nodes(leaf_under(&patient, 1));
    let key = patient.nodes(patient.of_kind(BRANCH)[0])[1] + NODE;
    let last_of_left = patient.bytes(left[left.len() - 1] + NODE, 8);
    let second_of_right = patient.bytes(right[1] + NODE, 8);
    assert_eq!(faults(&patient, &[(key, last_of_left)]), ["a branch's key is out of order"]);
    assert_eq!(faults(&patient, &[(key, second_of_right)]), ["a row lies below its branch's key"]);
}

#[test]
fn lists_of_free_pages_come_in_the_order_of_their_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    // Commits that a read outlives leave their lists, so that those of 255 and 256 stand side by side.
    let held = store.read(|_| {
        (0..300).try_for_each(|sequence| store.submit_one(Put::one(sequence)).map(|_| ()))
    });
    held.unwrap();
    let patient = Patient::of(directory, store);
    assert_eq!(patient.findings(), Some(Vec::new()));
    let is_list = |page: &usize| {
        let nodes = patient.nodes(*page);
        nodes.len() > 2
            && patient.number(nodes[1] + NODE, 8) == patient.number(nodes[0] + NODE, 8) + 1
    };
    let page = patient.of_kind(LEAF).into_iter().find(is_list).expect("a leaf of lists");
    let nodes = patient.nodes(page);
    let first = patient.bytes(nodes[0] + NODE, 8);
    assert_eq!(faults(&patient, &[(nodes[1] + NODE, first)]), ["a key is out of order"]);
}

#[test]
fn a_page_twice_in_a_list_is_out_of_order_and_free_twice() {
    let patient = Patient::new();
    let root = patient.number(patient.meta() + 80, 8);
    let nodes = patient.nodes(root);
    let long = nodes.iter().find(|node| patient.number(**node + NODE + 8, 8) > 1);
    let list = long.expect("a list of two pages") + NODE + 16;
    let found = faults(&patient, &[(list + 8, patient.bytes(list, 8))]);
    assert!(found.contains(&"a list of free pages is out of order".to_owned()), "{found:?}");
    assert!(found.iter().any(|fault| fault.contains("free twice")), "{found:?}");
}

#[test]
fn a_row_is_as_long_as_a_row_may_be_and_no_longer() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    store.submit_one(put_one(1, VALUE_BYTES_MAX)).unwrap();
    store.submit_one(put_one(2, VALUE_BYTES_MAX)).unwrap();
    let patient = Patient::of(directory, store);
    assert_eq!(patient.findings(), Some(Vec::new()));
    let length = (VALUE_BYTES_MAX + ENVELOPE_BYTES) as u32;
    let leaves = patient.of_kind(LEAF);
    let nodes: Vec<usize> = leaves.iter().flat_map(|page| patient.nodes(*page)).collect();
    let longest = |node: &&usize| patient.number(**node, 4) == length as usize;
    let size = **nodes.iter().filter(longest).collect::<Vec<_>>().first().expect("a long row");
    for longer in [length + 1, length + 2] {
        let found = faults(&patient, &[(size, &longer.to_le_bytes())]);
        assert!(found.contains(&format!("a row claims {longer} bytes")), "{found:?}");
    }
}

#[test]
fn a_tree_deeper_than_any_is_refused_by_what_it_claims() {
    let patient = Patient::new();
    let leaves = patient.of_kind(LEAF);
    let nodes = leaves.iter().flat_map(|page| patient.nodes(*page));
    let is_record = |node: &usize| patient.bytes(*node + NODE, 6) == b"events";
    let node = nodes.filter(is_record).collect::<Vec<_>>()[0];
    let depth = node + NODE + 6 + 6;
    let claims = |depth: &str| format!("a tree claims a depth of {depth}");
    for deeper in [33u16, 34] {
        let found = faults(&patient, &[(depth, &deeper.to_le_bytes())]);
        assert!(found.contains(&claims(&deeper.to_string())), "{found:?}");
    }
    let found = faults(&patient, &[(depth, &32u16.to_le_bytes())]);
    assert!(!found.is_empty() && !found.contains(&claims("32")), "{found:?}");
    let found = faults(&patient, &[(node + NODE, b"evenst")]);
    assert!(found.contains(&"an unknown table".to_owned()), "{found:?}");
    assert!(found.contains(&"the table is missing".to_owned()), "{found:?}");
}

/// The story: a bit of an empty table's depth decayed, from 0 to 32. A check found nothing, the store opened,
/// and the first row of that table made 33 of it, with which no open accepted the store any more.
#[test]
fn every_field_of_an_empty_tree_is_looked_at() {
    let patient = Patient::new();
    let name = b"payment_attempt_ids";
    let leaves = patient.of_kind(LEAF);
    let nodes = leaves.iter().flat_map(|page| patient.nodes(*page));
    let is_record = |node: &usize| patient.bytes(*node + NODE, name.len()) == name;
    let record = nodes.filter(is_record).collect::<Vec<_>>()[0] + NODE + name.len();
    assert_eq!(patient.number(record + 6, 2), 0, "its depth");
    for at in record + 4..record + 48 {
        for bit in 0..8 {
            let flipped = [patient.bytes(at, 1)[0] ^ 1 << bit];
            assert!(!faults(&patient, &[(at, &flipped)]).is_empty(), "byte {at} bit {bit}");
        }
    }
}

/// The story: the same bit decayed in a file that was closed cleanly, without another time of change. Such a
/// file is not walked, and the open took the depth as it was.
#[test]
fn a_depth_that_cannot_be_is_refused_without_a_walk() {
    let patient = Patient::new();
    let leaves = patient.of_kind(LEAF);
    let nodes: Vec<usize> = leaves.iter().flat_map(|page| patient.nodes(*page)).collect();
    let depth_of = |name: &[u8]| {
        let is_record = |node: &&usize| patient.bytes(**node + NODE, name.len()) == name;
        let found: Vec<_> = nodes.iter().filter(is_record).collect();
        found[0] + NODE + name.len() + 6
    };
    let read = || {
        let env = Env::open(patient.data().parent().unwrap(), 16 << 20).unwrap();
        let read = read_meta(&env).map(|_| ());
        env.close();
        read.map_err(|error| (error.status(), error.message().to_owned()))
    };
    let file = std::fs::File::options().write(true).open(patient.data()).unwrap();
    for (name, depth) in
        [("payment_attempt_ids", 32u16), ("payment_attempt_ids", 1), ("events", 0), ("events", 33)]
    {
        let at = depth_of(name.as_bytes());
        file.write_all_at(&depth.to_le_bytes(), at as u64).unwrap();
        let (status, message) = read().unwrap_err();
        assert_eq!(status, Status::CorruptStore, "{name} {depth}");
        assert!(message.contains(&format!("claims a depth of {depth}")), "{message}");
        file.write_all_at(patient.bytes(at, 2), at as u64).unwrap();
        assert_eq!(read(), Ok(()), "{name}");
    }
}

#[test]
fn without_a_meta_row_a_file_is_no_store() {
    let patient = Patient::new();
    let leaves = patient.of_kind(LEAF);
    let nodes = leaves.iter().flat_map(|page| patient.nodes(*page));
    let is_row = |node: &usize| patient.bytes(*node + NODE, 5) == b"store";
    let node = nodes.filter(is_row).collect::<Vec<_>>()[0];
    let found = faults(&patient, &[(node + NODE, b"storf")]);
    assert!(found.contains(&"the meta row is missing or damaged".to_owned()), "{found:?}");
}

struct Cursor(&'static [u8]);

impl Command for Cursor {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        batch.put(Table::EventCursors, self.0, &[0; 16])?;
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
fn a_cursor_may_have_the_name_of_a_row_of_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    for name in [META_KEY, HEADS_KEY] {
        store.submit_one(Cursor(name)).unwrap();
    }
    let patient = Patient::of(directory, store);
    assert_eq!(patient.findings(), Some(Vec::new()));
}
