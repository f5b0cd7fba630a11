//! The tests of a store that `lightning-persister` publishes with its sources, unchanged, on `HostValues`.

mod common;

#[allow(unused_imports)]
mod released {
    include!(concat!(env!("OUT_DIR"), "/released.rs"));
}

use std::panic::{RefUnwindSafe, UnwindSafe};

use lightning::io;
use lightning::util::persist::{KVStoreSync, MigratableKVStore};
use lnkeep_ldk::HostValues;

use common::Kept;

/// What a test may look at after it caught a panic: the values' lock holds only whole lists of names.
struct Values(HostValues);

impl UnwindSafe for Values {}
impl RefUnwindSafe for Values {}

impl KVStoreSync for Values {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> io::Result<Vec<u8>> {
        self.0.read(primary, secondary, key)
    }
    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> io::Result<()> {
        self.0.write(primary, secondary, key, value)
    }
    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> io::Result<()> {
        self.0.remove(primary, secondary, key, lazy)
    }
    fn list(&self, primary: &str, secondary: &str) -> io::Result<Vec<String>> {
        self.0.list(primary, secondary)
    }
}

impl MigratableKVStore for Values {
    fn list_all_keys(&self) -> io::Result<Vec<(String, String, String)>> {
        self.0.list_all_keys()
    }
}

fn values(kept: &Kept) -> Values {
    Values(kept.values())
}

#[test]
fn read_write_remove_list_persist() {
    let kept = Kept::new();
    released::do_read_write_remove_list_persist(&values(&kept));
}

#[test]
fn data_migration() {
    let (source, target) = (Kept::new(), Kept::new());
    released::do_test_data_migration(&mut values(&source), &mut values(&target));
}

#[test]
fn store() {
    let (first, second) = (Kept::new(), Kept::new());
    released::do_test_store(&values(&first), &values(&second));
}

/// LDK's `kvstore_trait_object_usage`.
#[test]
fn trait_object() {
    let kept = Kept::new();
    let values: Box<dyn KVStoreSync> = Box::new(values(&kept));
    values.write("a", "b", "c", vec![1]).unwrap();
    assert_eq!(values.read("a", "b", "c").unwrap(), [1]);
}

#[test]
fn values_and_their_names_survive_a_crash() {
    let kept = Kept::new();
    let values = kept.values();
    values.write("graph", "", "large", vec![7; 3 << 20]).unwrap();
    values.write("graph", "", "small", vec![8]).unwrap();
    values.write("graph", "", "small", vec![9]).unwrap();
    values.write("graph", "", "gone", vec![1]).unwrap();
    values.remove("graph", "", "gone", true).unwrap();
    drop(values);

    let kept = kept.crash();
    let values = kept.values();
    assert_eq!(values.list("graph", "").unwrap(), ["large", "small"]);
    assert_eq!(values.read("graph", "", "large").unwrap(), vec![7; 3 << 20]);
    assert_eq!(values.read("graph", "", "small").unwrap(), [9]);
    let error = values.read("graph", "", "gone").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

/// LDK's `test_readonly_dir_perm_failure` for a store: what cannot be written is an error.
#[test]
fn a_write_to_a_closed_store_is_an_error() {
    let kept = Kept::new();
    let values = kept.values();
    kept.line.close(true).unwrap();
    kept.store.close().unwrap();
    assert!(values.write("a", "", "c", vec![1]).is_err());
    assert!(values.write("", "", "manager", vec![1]).is_err());
}

#[test]
fn the_manager_is_the_commit_and_not_a_value() {
    let kept = Kept::new();
    let values = kept.values();
    let read = |values: &HostValues| values.read("", "", "manager").map_err(|error| error.kind());
    assert_eq!(read(&values), Err(io::ErrorKind::NotFound));
    values.write("", "", "manager", b"first".to_vec()).unwrap();
    assert_eq!(kept.line.monitors().manager().unwrap(), Some(b"first".to_vec()));
    assert_eq!(read(&values), Ok(b"first".to_vec()));
    assert_eq!(values.list("", "").unwrap(), ["manager"]);
    assert!(values.remove("", "", "manager", false).is_err());
    assert_eq!(kept.store.blobs().get(b"manager").unwrap(), None);
}
