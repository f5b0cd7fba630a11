//! What stands beside lnkeep: the same rows by hand in bare LMDB, a bare log file, and the flush alone.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, Thread};

use lmdb::{Database, Environment, RwTransaction, Transaction, WriteFlags};
use lnkeep::store::tables::Table;
use parking_lot::{Condvar, Mutex};

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

    pub fn record_bytes(&self) -> usize {
        self.record().bytes()
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

/// One file, records appended as they are.
pub struct Log {
    file: File,
    record: Vec<u8>,
}

impl Log {
    pub fn create(folder: &Path, name: &str, record_bytes: usize) -> Log {
        let mut options = OpenOptions::new();
        let options = options.append(true).create_new(true);
        Log {
            file: options.open(folder.join(name)).expect("log"),
            record: vec![0x5a; record_bytes],
        }
    }

    pub fn append_and_flush(&self) {
        (&self.file).write_all(&self.record).expect("append");
        self.file.sync_data().expect("flush");
    }
}

/// The ceiling: one thread appends what all others queued and flushes once for all of them.
pub struct GroupedLog {
    shared: Arc<Shared>,
    record: Vec<u8>,
    leader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Queued {
    bytes: Vec<u8>,
    waiters: Vec<(Thread, Arc<AtomicBool>)>,
    closing: bool,
}

#[derive(Default)]
struct Shared {
    queued: Mutex<Queued>,
    changed: Condvar,
}

impl GroupedLog {
    pub fn create(folder: &Path, name: &str, record_bytes: usize) -> GroupedLog {
        let log = Log::create(folder, name, record_bytes);
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        GroupedLog {
            shared,
            record: log.record.clone(),
            leader: Some(std::thread::spawn(move || lead(&theirs, &log.file))),
        }
    }

    /// Returns when the record is durable.
    pub fn append(&self) {
        let durable = Arc::new(AtomicBool::new(false));
        let mut queued = self.shared.queued.lock();
        queued.bytes.extend_from_slice(&self.record);
        queued.waiters.push((std::thread::current(), Arc::clone(&durable)));
        drop(queued);
        self.shared.changed.notify_one();
        while !durable.load(Ordering::Acquire) {
            std::thread::park();
        }
    }
}

impl Drop for GroupedLog {
    fn drop(&mut self) {
        self.shared.queued.lock().closing = true;
        self.shared.changed.notify_one();
        let ended = self.leader.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))), "the log's leader panicked");
    }
}

fn lead(shared: &Shared, mut file: &File) {
    loop {
        let mut queued = shared.queued.lock();
        while queued.waiters.is_empty() {
            if queued.closing {
                return;
            }
            shared.changed.wait(&mut queued);
        }
        let bytes = std::mem::take(&mut queued.bytes);
        let waiters = std::mem::take(&mut queued.waiters);
        drop(queued);
        file.write_all(&bytes).expect("append");
        file.sync_data().expect("flush");
        for (thread, durable) in waiters {
            durable.store(true, Ordering::Release);
            thread.unpark();
        }
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
