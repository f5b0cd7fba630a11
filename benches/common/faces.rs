//! lnkeep as a C program and as a Rust program use it, behind one trait.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use lnkeep::attempts::rules::InitRequest;
use lnkeep::attempts::{AttemptResult, Attempts, AttemptsOptions, InitAnswer, Operation};
use lnkeep::ffi::attempts::{
    lnkeep_attempts_close, lnkeep_attempts_init, lnkeep_attempts_open, lnkeep_attempts_store_result,
};
use lnkeep::ffi::attempts_read::{lnkeep_attempt_free, lnkeep_attempts_get};
use lnkeep::ffi::operations::lnkeep_submit;
use lnkeep::ffi::status::LNKEEP_DONE;
use lnkeep::ffi::store::{lnkeep_store_close, lnkeep_store_open};
use lnkeep::ffi::types::*;
use lnkeep::{
    AttemptKey, Fingerprint, Grouping, Namespace, PaymentHash, Preimage, RawMessage, Store,
    StoreOptions,
};

/// Operations of one bulk submission.
pub const BULK: u64 = 1_024;
/// Length of update_fulfill_htlc: type, channel, id, preimage (BOLT 2).
const FULFILL_BYTES: usize = 2 + 32 + 8 + 32;

/// What both faces can do. Each method panics unless it was applied.
pub trait Face: Sync {
    fn init(&self, id: u64);
    /// [`BULK`] inits in one commit.
    fn init_bulk(&self, first: u64);
    fn settle(&self, id: u64);
    fn get(&self, id: u64);
}

/// A request with every optional field, as a node that uses them all would make it.
pub fn request(id: u64) -> InitRequest {
    InitRequest {
        fingerprint: Some(Fingerprint([id as u8; 32])),
        payment_hash: Some(*PAYMENT_HASH),
        amount_msat: 1_000 + id,
        first_hop_scid: 7 << 40,
        cltv_expiry: 900_000,
        ..InitRequest::new(AttemptKey::new(Namespace::default(), id))
    }
}

/// One for all, hashed once: hashing is the host's work and must not be counted as ours.
static PAYMENT_HASH: LazyLock<PaymentHash> = LazyLock::new(|| preimage().payment_hash());

fn preimage() -> Preimage {
    Preimage::new([7; 32])
}

pub fn settle(id: u64) -> AttemptResult {
    AttemptResult {
        message: RawMessage::new(vec![id as u8; FULFILL_BYTES]),
        ..AttemptResult::settle(preimage())
    }
}

/// The Rust crate.
pub struct RustFace {
    pub store: Arc<Store>,
    pub attempts: Attempts,
}

impl RustFace {
    pub fn open(folder: &Path) -> RustFace {
        let store = Store::open(folder, &StoreOptions::default()).expect("open");
        let attempts = Attempts::open(&store, AttemptsOptions::default()).expect("attempts");
        RustFace { store, attempts }
    }

    pub fn submit(&self, operations: Vec<Operation>) {
        let outcomes = self.attempts.submit(operations, Grouping::Independent);
        let outcomes = outcomes.expect("submit");
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(reply) if reply.changed())));
    }
}

impl Face for RustFace {
    fn init(&self, id: u64) {
        let answer = self.attempts.init(&request(id)).expect("init");
        assert_eq!(answer, InitAnswer::Granted);
    }

    fn init_bulk(&self, first: u64) {
        let inits = (first..first + BULK).map(|id| Operation::Init(request(id)));
        self.submit(inits.collect());
    }

    fn settle(&self, id: u64) {
        let key = AttemptKey::new(Namespace::default(), id);
        let reply = self.attempts.store_result(key, settle(id)).expect("settle");
        assert!(reply.changed());
    }

    fn get(&self, id: u64) {
        let key = AttemptKey::new(Namespace::default(), id);
        let attempt = self.attempts.get(key).expect("get");
        assert_eq!(attempt.amount_msat, 1_000 + id);
    }
}

/// The functions of lnkeep.h.
pub struct CFace {
    store: lnkeep_store,
    attempts: lnkeep_attempts,
}

impl CFace {
    pub fn open(folder: &Path) -> CFace {
        let path = CString::new(folder.as_os_str().as_bytes()).expect("path");
        let mut store = lnkeep_store { bits: 0 };
        let mut attempts = lnkeep_attempts { bits: 0 };
        let none = ptr::null_mut();
        // SAFETY: the path ends in NUL, both handles are writable, NULL asks for defaults and no detail.
        unsafe {
            let opened =
                lnkeep_store_open(path.as_ptr(), ptr::null(), &mut store, ptr::null_mut(), none);
            assert_eq!(opened, LNKEEP_DONE);
            let opened = lnkeep_attempts_open(store, ptr::null(), &mut attempts, none);
            assert_eq!(opened, LNKEEP_DONE);
        }
        CFace { store, attempts }
    }
}

impl Drop for CFace {
    fn drop(&mut self) {
        // SAFETY: both handles are open and writable.
        unsafe {
            let closed = lnkeep_attempts_close(&mut self.attempts, ptr::null_mut());
            assert_eq!(closed, LNKEEP_DONE);
            let closed = lnkeep_store_close(&mut self.store, ptr::null_mut());
            assert_eq!(closed, LNKEEP_DONE);
        }
    }
}

fn c_key(id: u64) -> lnkeep_attempt_key {
    lnkeep_attempt_key { namespace_bytes: [0; 16], id }
}

fn c_request(id: u64) -> lnkeep_attempt_request {
    let PaymentHash(payment_hash) = *PAYMENT_HASH;
    lnkeep_attempt_request {
        key: c_key(id),
        present: LNKEEP_HAS_FINGERPRINT | LNKEEP_HAS_PAYMENT_HASH,
        cltv_expiry: 900_000,
        amount_msat: 1_000 + id,
        first_hop_scid: 7 << 40,
        fingerprint: [id as u8; 32],
        payment_hash,
    }
}

const NO_OUTCOME: lnkeep_outcome =
    lnkeep_outcome { status: 0, os_errno: 0, flags: 0, reserved: 0, value: 0, event_sequence: 0 };

impl Face for CFace {
    fn init(&self, id: u64) {
        let request = c_request(id);
        let none = ptr::null_mut();
        // SAFETY: the request is readable; NULL asks for no outcome and no detail.
        let status =
            unsafe { lnkeep_attempts_init(self.attempts, &request, none, ptr::null_mut()) };
        assert_eq!(status, LNKEEP_DONE);
    }

    fn init_bulk(&self, first: u64) {
        let op = |id| lnkeep_op {
            kind: LNKEEP_OP_ATTEMPT_INIT,
            flags: 0,
            component: self.attempts.bits,
            body: lnkeep_op_body { attempt_init: c_request(id) },
        };
        let ops: Vec<lnkeep_op> = (first..first + BULK).map(op).collect();
        let mut outcomes = vec![NO_OUTCOME; ops.len()];
        let (from, to) = (ops.as_ptr(), outcomes.as_mut_ptr());
        // SAFETY: as many operations are readable and outcomes writable as the length says.
        let status = unsafe { lnkeep_submit(self.store, from, ops.len(), 0, to, ptr::null_mut()) };
        assert_eq!(status, LNKEEP_DONE);
    }

    fn settle(&self, id: u64) {
        let message = [id as u8; FULFILL_BYTES];
        let result = lnkeep_attempt_result {
            kind: LNKEEP_RESULT_SETTLE,
            flags: 0,
            failure_code: 0,
            reserved: 0,
            preimage: *preimage().expose(),
            message: lnkeep_bytes { ptr: message.as_ptr(), len: message.len() },
        };
        let (key, none) = (c_key(id), ptr::null_mut());
        // SAFETY: key, result and the message it points to are readable.
        let status = unsafe {
            lnkeep_attempts_store_result(self.attempts, &key, &result, none, ptr::null_mut())
        };
        assert_eq!(status, LNKEEP_DONE);
    }

    fn get(&self, id: u64) {
        let key = c_key(id);
        let mut attempt = ptr::null_mut();
        // SAFETY: the key is readable and the pointer writable; the attempt is read before it is freed.
        unsafe {
            let status = lnkeep_attempts_get(self.attempts, &key, &mut attempt, ptr::null_mut());
            assert_eq!(status, LNKEEP_DONE);
            assert_eq!((*attempt).amount_msat, 1_000 + id);
            lnkeep_attempt_free(attempt);
        }
    }
}

/// Hands out ids in order: fresh ones to register, and registered ones to settle.
pub struct Ids {
    next: AtomicU64,
    settle_next: AtomicU64,
    settle_end: AtomicU64,
}

impl Ids {
    pub fn after(last: u64) -> Ids {
        Ids {
            next: AtomicU64::new(last + 1),
            settle_next: AtomicU64::new(0),
            settle_end: AtomicU64::new(0),
        }
    }

    pub fn fresh(&self, count: u64) -> u64 {
        self.next.fetch_add(count, Ordering::Relaxed)
    }

    /// Makes `count` ids ready to settle, registering them with `bulk`, [`BULK`] at a time.
    pub fn make_ready(&self, count: u64, bulk: impl Fn(u64)) {
        let count = count.next_multiple_of(BULK);
        let first = self.fresh(count);
        (first..first + count).step_by(BULK as usize).for_each(bulk);
        self.settle_next.store(first, Ordering::Relaxed);
        self.settle_end.store(first + count, Ordering::Relaxed);
    }

    pub fn ready(&self) -> Option<u64> {
        let id = self.settle_next.fetch_add(1, Ordering::Relaxed);
        (id < self.settle_end.load(Ordering::Relaxed)).then_some(id)
    }
}

/// Fills a store with attempts 1 to `count`, rounded up to whole bulks; answers how many. Those that are
/// not `finished` stay pending.
pub fn preload(face: &RustFace, count: u64, finished: impl Fn(u64) -> bool) -> u64 {
    let count = count.next_multiple_of(BULK);
    for first in (1..=count).step_by(BULK as usize) {
        face.init_bulk(first);
        let ids = (first..first + BULK).filter(|id| finished(*id));
        let results = ids.map(|id| {
            let key = AttemptKey::new(Namespace::default(), id);
            Operation::StoreResult(key, settle(id))
        });
        face.submit(results.collect());
    }
    count
}
