//! What a refused command wrote, replaced and removed is as it was before; a batch counts what it holds.

use super::super::meta::Meta;
use super::super::walk::{NoReferences, References};
use super::*;

/// Does what it is told, and then refuses if told to.
struct Do {
    steps: Vec<Step>,
    refuse: bool,
}

enum Step {
    Put(u64, u8),
    Delete(u64),
    Meta,
}

impl Command for Do {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        for step in &self.steps {
            match step {
                Step::Put(key, byte) => {
                    batch.put(Table::Events, &key.to_be_bytes(), &[*byte; 9])?
                }
                Step::Delete(key) => drop(batch.delete(Table::Events, &key.to_be_bytes())?),
                Step::Meta => batch.change_meta(|meta| meta.copied = true),
            }
        }
        if self.refuse { Err(Status::Conflict.into()) } else { Ok(Reply::done()) }
    }

    fn cost(&self) -> Cost {
        Cost { rows: self.steps.len() as u64, bytes: 9 * self.steps.len() as u64 }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}

fn shared(steps: Vec<Step>, refuse: bool) -> Arc<dyn Command> {
    Arc::new(Do { steps, refuse })
}

fn bodies(store: &Store) -> Vec<(u64, u8)> {
    let body = |key: u64| {
        let row = store.read(|view| view.row(Table::Events, &key.to_be_bytes())).unwrap();
        row.map(|body| (key, body[0]))
    };
    (0..10).filter_map(body).collect()
}

fn is_sound(path: &Path) -> bool {
    let references = || Box::new(NoReferences) as Box<dyn References>;
    check::check(path, &references).unwrap().is_sound()
}

fn stored_meta(store: &Store) -> Meta {
    let body = store.read(|view| view.row(Table::Meta, meta::META_KEY)).unwrap().unwrap();
    Meta::decode(&body).unwrap()
}

#[test]
fn everything_a_refused_command_did_is_taken_back_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    store.submit_one(Do { steps: vec![Step::Put(1, 1), Step::Put(2, 2)], refuse: false }).unwrap();
    let steps =
        || vec![Step::Put(1, 7), Step::Delete(2), Step::Put(3, 3), Step::Delete(3), Step::Meta];
    let before = store.stats().unwrap().commits;
    let refused = store.submit(vec![shared(steps(), true)], Grouping::Independent).unwrap();
    assert_eq!(status_of(&refused[0]), Status::Conflict);
    assert_eq!(store.stats().unwrap().commits, before, "nothing was left to commit");
    let mixed = vec![
        shared(vec![Step::Put(1, 4)], false),
        shared(steps(), true),
        shared(vec![Step::Put(5, 5), Step::Delete(2)], false),
        shared(vec![Step::Put(5, 6), Step::Put(2, 9)], true),
    ];
    store.submit(mixed, Grouping::Independent).unwrap();
    assert_eq!(bodies(&store), [(1, 4), (5, 5)]);
    assert!(!stored_meta(&store).copied);
    assert!(is_sound(&path), "heads follow what was taken back");
    store.submit_one(Do { steps: vec![Step::Meta], refuse: false }).unwrap();
    assert!(stored_meta(&store).copied, "a change of the meta row alone is committed");
}

#[test]
fn a_refused_greatest_key_gives_its_number_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    store.submit_one(Do { steps: vec![Step::Put(4, 1)], refuse: false }).unwrap();
    let group = vec![
        shared(vec![Step::Put(6, 1), Step::Put(8, 1)], true),
        shared(vec![Step::Put(5, 1)], false),
    ];
    store.submit(group, Grouping::Independent).unwrap();
    let last = store.read(|view| Ok(view.heads()?.of(Table::Events).last_key.clone())).unwrap();
    assert_eq!(last, 5u64.to_be_bytes());
    store.submit_one(Do { steps: vec![Step::Delete(5)], refuse: false }).unwrap();
    let head = store.read(|view| Ok(view.heads()?.of(Table::Events).clone())).unwrap();
    assert_eq!(
        (head.last_key, head.rows),
        (5u64.to_be_bytes().to_vec(), 1),
        "a number stays given"
    );
}

#[test]
fn a_row_that_is_removed_was_there() {
    struct Removes;
    impl Command for Removes {
        fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
            let there = batch.delete(Table::Events, &1u64.to_be_bytes())?;
            let again = batch.delete(Table::Events, &1u64.to_be_bytes())?;
            Ok(Reply { value: u64::from(there) << 1 | u64::from(again), ..Reply::done() })
        }
        fn cost(&self) -> Cost {
            Cost { rows: 1, bytes: 0 }
        }
        fn space(&self) -> Space {
            Space::Settles
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    store.submit_one(Put::one(1)).unwrap();
    assert_eq!(store.submit_one(Removes).unwrap().value, 2);
    assert_eq!(store.submit_one(Removes).unwrap().value, 0);
}

#[test]
fn ordinals_rise_within_a_commit_and_over_commits() {
    struct Draw(Arc<Mutex<Vec<(u64, u32)>>>);
    impl Command for Draw {
        fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
            let drawn = [batch.next_ordinal(), batch.next_ordinal()];
            self.0.lock().extend(drawn);
            batch.put(Table::Events, &drawn[0].0.to_be_bytes(), &[1])?;
            Ok(Reply::done())
        }
        fn cost(&self) -> Cost {
            Cost { rows: 1, bytes: 1 }
        }
        fn space(&self) -> Space {
            Space::Settles
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let drawn = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..2 {
        let store = open(&path);
        let draw = || Arc::new(Draw(Arc::clone(&drawn))) as Arc<dyn Command>;
        store.submit(vec![draw(), draw()], Grouping::Independent).unwrap();
        let first = drawn.lock().last().unwrap().0;
        assert_eq!(first, store.stats().unwrap().commit_number, "the commit it became part of");
        store.submit_one(Draw(Arc::clone(&drawn))).unwrap();
        store.close().unwrap();
    }
    let drawn = drawn.lock();
    assert!(drawn.is_sorted_by(|a, b| a < b) && drawn.len() == 12, "{drawn:?}");
    assert_eq!([drawn[0].1, drawn[1].1, drawn[2].1, drawn[3].1, drawn[4].1], [1, 2, 3, 4, 1]);
}

#[test]
fn a_clean_end_is_told_from_every_other_one_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    assert!(!stored_meta(&store).clean, "from the first commit of an open on");
    let (id, epoch) = (store.report().store_id, store.report().epoch);
    let meta = stored_meta(&store);
    assert_eq!((meta.store_id, meta.epoch, meta.restored), (id, epoch, false));
    store.close().unwrap();
    let references = || Box::new(NoReferences) as Box<dyn References>;
    let report = check::check(&path, &references).unwrap();
    assert!(report.ended_cleanly && !report.live && !report.restored && !report.copied);
    assert_eq!((report.store_id, report.epoch), (id, epoch));
    assert_eq!(report.pages * report.page_bytes % 4096, 0);
    assert!(report.file_bytes >= report.pages * report.page_bytes && report.pages > 2);
    assert_eq!((report.rows, report.page_bytes, report.truncated), (2, 4096, false));
}
