//! What payments promise: the decisions as tables, the bytes, and whole stores through crashes and damage.

mod damage;
mod decisions;
mod life;
mod linked;
mod pages;
mod records;
mod relations;
mod resumes;
mod scarcity;
mod streams;
mod upkeep;

use std::path::PathBuf;
use std::sync::Arc;

use super::rules::Strictness;
use super::*;
use crate::attempts::{Attempts, AttemptsOptions};
use crate::store::StoreOptions;
use crate::store::batch::{Batch, Cost, Outcome, Space};
use crate::types::{Namespace, Preimage, RawMessage};

/// A directory, and how the store in it is opened.
struct World {
    directory: tempfile::TempDir,
    store_options: StoreOptions,
    options: PaymentsOptions,
}

/// One opening of a world.
struct Node {
    payments: Payments,
    attempts: Attempts,
}

impl World {
    fn new() -> World {
        World::with(StoreOptions::default(), PaymentsOptions::default())
    }

    fn with(store_options: StoreOptions, options: PaymentsOptions) -> World {
        // In memory where there is such a place: these tests are about rows, not about disks.
        let memory = tempfile::Builder::new().prefix("lnkeep-payments").tempdir_in("/dev/shm");
        let directory = memory.unwrap_or_else(|_| tempfile::tempdir().unwrap());
        World { directory, store_options, options }
    }

    fn lnd() -> World {
        let store_options = StoreOptions { lnd_compat: true, ..StoreOptions::default() };
        World::with(store_options, PaymentsOptions::default())
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    fn open(&self) -> Node {
        let store = Store::open(self.path(), &self.store_options).unwrap();
        let payments = Payments::open(&store, self.options).unwrap();
        let attempts = Attempts::open(&store, AttemptsOptions::default()).unwrap();
        Node { payments, attempts }
    }

    /// Asserts that a check of the files finds nothing.
    fn check_sound(&self) {
        let report = crate::maintenance::check(self.path()).unwrap();
        assert!(report.is_sound(), "{report:?}");
    }
}

impl Node {
    fn store(&self) -> &Arc<Store> {
        self.payments.store()
    }

    /// A payment of 1,000 msat with an attempt over all of it.
    fn pay(&self, byte: u8, id: u64) {
        self.payments.init(PaymentInit::new(hash(byte), 1_000)).unwrap();
        self.payments.register(hash(byte), whole(id, 1_000)).unwrap();
    }

    fn succeed(&self, byte: u8, id: u64) {
        self.pay(byte, id);
        self.settle(byte, id).unwrap();
    }

    fn fail(&self, byte: u8, id: u64) {
        self.pay(byte, id);
        self.payments.fail(hash(byte), FailureReason::NoRoute).unwrap();
        self.fail_attempt(byte, id).unwrap();
    }

    fn settle(&self, byte: u8, id: u64) -> Result<Changed> {
        self.payments.settle(hash(byte), key(id), settled(byte), Strictness::default())
    }

    fn fail_attempt(&self, byte: u8, id: u64) -> Result<Changed> {
        self.payments.fail_attempt(hash(byte), key(id), failure(), Strictness::default())
    }

    fn status(&self, byte: u8) -> PaymentStatus {
        self.payments.fetch(hash(byte)).unwrap().status
    }

    fn tick(&self, unix_ms: u64) {
        self.store().tick(crate::types::Clock { unix_ms, block_height: 0 }).unwrap();
    }
}

fn preimage(byte: u8) -> Preimage {
    Preimage::new([byte; 32])
}

fn hash(byte: u8) -> PaymentHash {
    preimage(byte).payment_hash()
}

fn key(id: u64) -> AttemptKey {
    AttemptKey::new(Namespace::default(), id)
}

/// An attempt over a whole payment.
fn whole(id: u64, amount_msat: u64) -> AttemptRequest {
    AttemptRequest::new(key(id), amount_msat, 1)
}

/// A part of a payment of `total_msat`.
fn part(id: u64, amount_msat: u64, total_msat: u64) -> AttemptRequest {
    let mpp = Some(Mpp { payment_address: [1; 32], total_msat });
    AttemptRequest { mpp, ..whole(id, amount_msat) }
}

fn settled(byte: u8) -> Settle {
    Settle { preimage: preimage(byte), settled_unix_ns: 5 }
}

fn failure() -> Failure {
    Failure { message: RawMessage::new(vec![7]), ..Failure::new(AttemptFailure::Message) }
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T>) -> Status {
    outcome.unwrap_err().status()
}

/// Puts and removes rows as a damaged file or a bug would have them.
struct Rewrite(Vec<(Table, Vec<u8>, Option<Vec<u8>>)>);

impl Rewrite {
    fn put(table: Table, key: &[u8], body: &[u8]) -> Rewrite {
        Rewrite(vec![(table, key.to_vec(), Some(body.to_vec()))])
    }

    fn remove(table: Table, key: &[u8]) -> Rewrite {
        Rewrite(vec![(table, key.to_vec(), None)])
    }
}

impl Command for Rewrite {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        for (table, key, body) in &self.0 {
            match body {
                Some(body) => batch.put(*table, key, body)?,
                None => assert!(batch.delete(*table, key)?, "there is no row to remove"),
            }
        }
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        let bodies = self.0.iter().filter_map(|(_, _, body)| body.as_ref());
        Cost { rows: self.0.len() as u64, bytes: bodies.map(|body| body.len() as u64).sum() }
    }

    fn space(&self) -> Space {
        Space::Settles
    }
}
