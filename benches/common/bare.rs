//! What stands beside lnkeep: the same rows by hand in bare LMDB, and the flush alone.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use lmdb::{Database, Environment, RwTransaction, Transaction, WriteFlags};
use lnkeep::store::tables::Table;

use super::faces::{BULK, Face};
use super::sample::{self, Row, Samples};

/// Bare LMDB with lnkeep's tables; every call is one commit.
pub struct ByHand {
    env: Environment,
    databases: Vec<Database>,
    samples: Samples,
}

impl ByHand {
    pub fn open(folder: &Path) -> ByHand {
        let (env, databases) = sample::open(folder);
        ByHand { env, databases, samples: Samples::take() }
    }

    /// The attempt's own record and nothing else.
    pub fn put_one_row(&self, id: u64) {
        let record = self.record();
        self.commit(|txn| self.write(txn, std::slice::from_ref(record), id));
    }

    fn record(&self) -> &Row {
        let rows = self.samples.init.iter();
        let mut records = rows.filter(|row| row.table == Table::Attempts as usize);
        records.next().expect("an init writes a record")
    }

    pub fn preload(&self, count: u64) {
        for first in (1..=count).step_by(BULK as usize) {
            self.init_bulk(first);
            let ids = first..first + BULK;
            self.commit(|txn| ids.for_each(|id| self.write(txn, &self.samples.settle, id)));
        }
    }

    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    fn commit(&self, write: impl FnOnce(&mut RwTransaction<'_>)) {
        let mut txn = self.env.begin_rw_txn().expect("write");
        write(&mut txn);
        txn.commit().expect("commit");
    }

    fn write(&self, txn: &mut RwTransaction<'_>, rows: &[Row], id: u64) {
        for row in rows {
            let (database, key) = (self.databases[row.table], row.key_for(id));
            match &row.value {
                Some(value) => txn.put(database, &key, value, WriteFlags::empty()).expect("put"),
                None => txn.del(database, &key, None).expect("delete"),
            }
        }
    }
}

impl Face for ByHand {
    fn init(&self, id: u64) {
        self.commit(|txn| self.write(txn, &self.samples.init, id));
    }

    fn init_bulk(&self, first: u64) {
        let ids = first..first + BULK;
        self.commit(|txn| ids.for_each(|id| self.write(txn, &self.samples.init, id)));
    }

    fn settle(&self, id: u64) {
        self.commit(|txn| self.write(txn, &self.samples.settle, id));
    }

    /// The attempt's record, copied out of a read transaction of its own.
    fn get(&self, id: u64) {
        let record = self.record();
        let txn = self.env.begin_ro_txn().expect("read");
        let found = txn.get(self.databases[record.table], &record.key_for(id)).expect("get");
        std::hint::black_box(found.to_vec());
    }
}

/// The flush alone: 4 KiB overwritten in place.
pub struct Flush {
    plain: File,
    at_once: File,
}

impl Flush {
    pub fn create(folder: &Path) -> Flush {
        let path = folder.join("flush");
        let mut plain = OpenOptions::new();
        let plain = plain.write(true).create_new(true).open(&path).expect("file");
        plain.write_all_at(&[1; 4096], 0).expect("write");
        plain.sync_all().expect("flush");
        let mut at_once = OpenOptions::new();
        let at_once = at_once.write(true).custom_flags(libc::O_DSYNC).open(&path);
        Flush { plain, at_once: at_once.expect("file") }
    }

    pub fn fdatasync(&self) {
        self.plain.write_all_at(&[2; 4096], 0).expect("write");
        self.plain.sync_data().expect("flush");
    }

    pub fn dsync_write(&self) {
        self.at_once.write_all_at(&[3; 4096], 0).expect("write");
    }
}
