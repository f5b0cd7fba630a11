//! Which rows one operation writes, learned from lnkeep's own files: what is put by hand beside it is then
//! the same by construction, also after a change of the format.

use std::collections::BTreeMap;
use std::path::Path;

use lmdb::{Cursor, Database, Environment, EnvironmentFlags, Transaction};
use lnkeep::store::tables::{SPECS, Table};

use super::faces::{Face, RustFace};

/// One row that an operation puts, or deletes when there is no value.
pub struct Row {
    pub table: usize,
    key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

impl Row {
    /// The row's key for another attempt. Attempt ids end the keys of 24 bytes; an event's key is its number.
    pub fn key_for(&self, id: u64) -> Vec<u8> {
        let mut key = self.key.clone();
        if let 8 | 24 = key.len() {
            let at = key.len() - 8;
            key[at..].copy_from_slice(&id.to_be_bytes());
        }
        key
    }

    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// The rows of an init and of a settle.
pub struct Samples {
    pub init: Vec<Row>,
    pub settle: Vec<Row>,
}

impl Samples {
    pub fn take() -> Samples {
        let folder = super::folder();
        let path = folder.path().join("sample");
        // The first attempt of a namespace is special: it makes the namespace's row.
        let before = rows_after(&path, |face| face.init(1));
        let registered = rows_after(&path, |face| face.init(2));
        let settled = rows_after(&path, |face| face.settle(2));
        Samples {
            init: difference(&before, &registered),
            settle: difference(&registered, &settled),
        }
    }
}

type Rows = BTreeMap<(usize, Vec<u8>), Vec<u8>>;

fn rows_after(path: &Path, act: impl FnOnce(&RustFace)) -> Rows {
    let face = RustFace::open(path);
    act(&face);
    face.store.close().expect("close");
    let (env, databases) = open(path);
    let txn = env.begin_ro_txn().expect("read");
    let mut rows = Rows::new();
    for (table, database) in databases.into_iter().enumerate() {
        let mut cursor = txn.open_ro_cursor(database).expect("cursor");
        for row in cursor.iter_start() {
            let (key, value) = row.expect("row");
            rows.insert((table, key.to_vec()), value.to_vec());
        }
    }
    rows
}

fn difference(before: &Rows, after: &Rows) -> Vec<Row> {
    let row = |table: usize, key: &[u8], value: Option<&Vec<u8>>| Row {
        table,
        key: key.to_vec(),
        value: value.cloned(),
    };
    let put = after.iter().filter(|(place, value)| before.get(place) != Some(*value));
    let put = put.map(|((table, key), value)| row(*table, key, Some(value)));
    let gone = before.keys().filter(|place| !after.contains_key(place));
    let gone = gone.map(|(table, key)| row(*table, key, None));
    // The other row of `meta` is written by the open and the close, not by the operation.
    let of_open = |row: &Row| row.table == Table::Meta as usize && row.key == b"store";
    put.chain(gone).filter(|row| !of_open(row)).collect()
}

/// A bare environment with lnkeep's tables and flags.
pub fn open(path: &Path) -> (Environment, Vec<Database>) {
    std::fs::create_dir_all(path).expect("folder");
    let env = Environment::new()
        .set_flags(EnvironmentFlags::NO_TLS | EnvironmentFlags::NO_READAHEAD)
        .set_max_dbs(SPECS.len() as u32)
        .set_max_readers(512)
        .set_map_size(8 << 30)
        .open(path)
        .expect("bare LMDB");
    let create = |name| env.create_db(Some(name), lmdb::DatabaseFlags::empty()).expect("table");
    let databases = SPECS.iter().map(|spec| create(spec.name)).collect();
    (env, databases)
}
