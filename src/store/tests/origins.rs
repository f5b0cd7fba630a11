//! What an open concludes about where its file comes from, and who is told about commits.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::CommitListener;
use super::*;
use crate::store::heads::Heads;

fn data(path: &Path) -> std::path::PathBuf {
    path.join("data.mdb")
}

/// A new store of the same content, as somebody makes one who copies files.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    std::fs::copy(data(from), data(to)).unwrap();
}

fn last_event(store: &Store) -> u64 {
    let heads = store.read(|view| view.heads()).unwrap();
    let last = heads.of(Table::Events).last_key.as_slice().try_into();
    u64::from_be_bytes(last.unwrap())
}

#[test]
fn a_copy_of_a_copy_is_a_copy_and_its_events_go_on_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second, third] = ["a", "b", "c"].map(|name| directory.path().join(name));
    let store = open(&first);
    store.submit(vec![Put::shared(5, false)], Grouping::Independent).unwrap();
    assert_eq!(last_event(&store), 5);
    store.close().unwrap();
    let store = open(&first);
    assert_eq!((last_event(&store), store.report().copied), (5, false), "nothing happened to it");
    store.close().unwrap();
    copy(&first, &second);
    let store = open(&second);
    assert!(store.report().copied);
    assert!(last_event(&store) > 5, "what the original sends is not sent under the same number");
    store.close().unwrap();
    copy(&second, &third);
    assert!(open(&third).report().copied);
}

#[test]
fn a_file_that_is_put_back_twice_is_an_old_one_until_it_is_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    open(&path).close().unwrap();
    for round in 0..3 {
        let old = std::fs::read(data(&path)).unwrap();
        open(&path).close().unwrap();
        std::fs::write(data(&path), old).unwrap();
        let store = open(&path);
        assert!(store.report().restored && !store.report().copied, "round {round}");
        store.close().unwrap();
    }
}

#[test]
fn every_store_has_an_id_of_its_own_and_knows_what_it_lies_on() {
    let directory = tempfile::tempdir().unwrap();
    let ids = ["a", "b"].map(|name| open(&directory.path().join(name)).report().store_id);
    assert_ne!(ids[0], ids[1]);
    let Ok(memory) = tempfile::Builder::new().prefix("lnkeep-origins").tempdir_in("/dev/shm")
    else {
        return eprintln!("SKIPPED: there is no /dev/shm");
    };
    let report = open(&memory.path().join("store")).report();
    assert!(report.on_tmpfs && !report.on_overlay);
}

#[derive(Default)]
struct Listener {
    commits: AtomicUsize,
    ends: AtomicUsize,
}

impl CommitListener for Listener {
    fn committed(&self, _heads: &Heads) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
    fn ended(&self) {
        self.ends.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn everybody_who_listens_is_told_of_commits_and_of_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let listeners = [0, 1].map(|_| Arc::new(Listener::default()));
    for listener in &listeners {
        let weak: std::sync::Weak<dyn CommitListener> = Arc::<Listener>::downgrade(listener);
        store.on_commit(weak);
    }
    store.submit(vec![Put::shared(1, false)], Grouping::Independent).unwrap();
    store.close().unwrap();
    for listener in listeners {
        assert!(listener.commits.load(Ordering::Relaxed) >= 1);
        assert_eq!(listener.ends.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn what_is_wrong_with_a_row_is_told() {
    use super::super::record::Damage;
    let told = [Damage::TooShort, Damage::UnknownVersion(7), Damage::Checksum]
        .map(|damage| damage.to_string());
    assert!(told[0].contains("shorter") && told[1].contains('7') && told[2].contains("checksum"));
}
