//! What one thread of a race asks, by its own dice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lnkeep::attempts::rules::Retain;
use lnkeep::attempts::{AttemptResult, Operation as RecordOperation};
use lnkeep::payments::rules::Strictness;
use lnkeep::payments::{
    AttemptFailure, AttemptRequest, AttemptState, Failure, FailureReason, Mpp, Operation, Payment,
    PaymentInit, Settle,
};
use lnkeep::{AttemptKey, Namespace, PaymentHash, Preimage, RawMessage};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const HASHES: usize = 10;
/// Threads that change payments.
pub const RACERS: u64 = 8;
/// Threads beside them that only subscribe, to meet the moment between a commit and its announcement.
pub const WATCHERS: u64 = 2;
/// Calls of each thread in a round.
pub const CALLS: u64 = 60;
const AMOUNT_MSAT: u64 = 6_000;

/// One round: ten hashes that nobody saw before, and ids that are given once, but for a few.
pub struct Course {
    seed: u64,
    round: u64,
    late_settles: bool,
    preimages: Vec<Preimage>,
    next_id: AtomicU64,
}

/// What a thread asks next.
#[derive(Debug, Clone)]
pub enum Asked {
    Payment(Box<Operation>),
    Record(RecordOperation),
    Fetch(PaymentHash),
    /// Follow one payment, or all.
    Watch(Option<PaymentHash>),
}

impl Course {
    pub fn new(seed: u64, round: u64, late_settles: bool) -> Course {
        let preimage = |place: usize| {
            let mut bytes = [place as u8; 32];
            bytes[..8].copy_from_slice(&round.to_le_bytes());
            Preimage::new(bytes)
        };
        let preimages = (0..HASHES).map(preimage).collect();
        let next_id = AtomicU64::new(1_000 * (round + 1));
        Course { seed, round, late_settles, preimages, next_id }
    }

    pub fn racer(&self, thread: u64) -> Racer<'_> {
        let seed = self.seed.wrapping_mul(1 << 20) ^ self.round << 8 ^ thread;
        Racer { course: self, dice: ChaCha8Rng::seed_from_u64(seed), seen: vec![None; HASHES] }
    }
}

pub struct Racer<'course> {
    course: &'course Course,
    dice: ChaCha8Rng,
    /// The last view of each payment: what this thread believes.
    seen: Vec<Option<Arc<Payment>>>,
}

impl Racer<'_> {
    fn below(&mut self, n: u64) -> u64 {
        self.dice.next_u64() % n
    }

    pub fn ask(&mut self) -> Asked {
        let place = self.below(HASHES as u64) as usize;
        let hash = self.course.preimages[place].payment_hash();
        let Some(seen) = self.seen[place].clone() else {
            return match self.below(4) {
                0 => Asked::Fetch(hash),
                _ => self.init(hash),
            };
        };
        match self.below(100) {
            0..=7 => self.init(hash),
            8..=44 => Asked::Payment(Box::new(self.register(hash))),
            45..=49 => Asked::Payment(Box::new(self.settle(place, &seen))),
            50..=69 => Asked::Payment(Box::new(self.fail_attempt(hash, &seen))),
            70 | 71 => Asked::Payment(Box::new(Operation::Fail(hash, FailureReason::Timeout))),
            72..=74 => Asked::Payment(Box::new(Operation::Delete(hash, Retain::Tombstone))),
            75..=83 => Asked::Record(self.record(place, &seen)),
            84..=88 => Asked::Watch(Some(hash)),
            89 => Asked::Watch(None),
            _ => Asked::Fetch(hash),
        }
    }

    fn init(&self, hash: PaymentHash) -> Asked {
        Asked::Payment(Box::new(Operation::Init(PaymentInit::new(hash, AMOUNT_MSAT))))
    }

    pub fn watch(&mut self) -> Asked {
        let place = self.below(HASHES as u64) as usize;
        match self.below(8) {
            0 => Asked::Watch(None),
            _ => Asked::Watch(Some(self.course.preimages[place].payment_hash())),
        }
    }

    pub fn learn(&mut self, view: &Arc<Payment>) {
        let is = |preimage: &Preimage| preimage.payment_hash() == view.hash();
        if let Some(place) = self.course.preimages.iter().position(is) {
            self.seen[place] = Some(Arc::clone(view));
        }
    }

    fn register(&mut self, hash: PaymentHash) -> Operation {
        let collides = self.below(8) == 0;
        let id = match collides {
            true => self.below(5),
            false => self.course.next_id.fetch_add(1, Ordering::Relaxed),
        };
        let key = AttemptKey::new(Namespace([self.below(2) as u8; 16]), id);
        let amount_msat = [1_000, 1_500, 2_500, AMOUNT_MSAT][self.below(4) as usize];
        let mut request = AttemptRequest::new(key, amount_msat, self.below(3));
        if amount_msat != AMOUNT_MSAT || self.below(2) == 0 {
            request.mpp = Some(Mpp { payment_address: [1; 32], total_msat: AMOUNT_MSAT });
        }
        Operation::Register(hash, request, self.below(2) == 0)
    }

    /// An attempt that this thread believes to be in flight, else any of the payment.
    fn attempt_of(&mut self, seen: &Payment) -> AttemptKey {
        let open = seen.attempts.iter().filter(|one| one.state() == AttemptState::InFlight);
        let mut keys: Vec<_> = open.map(|attempt| attempt.request.key).collect();
        if keys.is_empty() || self.below(8) == 0 {
            keys.extend(seen.attempts.iter().map(|attempt| attempt.request.key));
        }
        match keys.len() {
            0 => AttemptKey::new(Namespace::default(), self.below(5)),
            known => keys[self.below(known as u64) as usize],
        }
    }

    fn strictness(&mut self) -> Strictness {
        let refuse_late = !self.course.late_settles || self.below(3) == 0;
        Strictness { refuse_repeat: self.below(3) == 0, refuse_late }
    }

    fn settle(&mut self, place: usize, seen: &Payment) -> Operation {
        let wrong = self.below(10) == 0;
        let preimage =
            self.course.preimages[if wrong { (place + 1) % HASHES } else { place }].clone();
        let settle = Settle { preimage, settled_unix_ns: 0 };
        Operation::Settle(seen.hash(), self.attempt_of(seen), settle, self.strictness())
    }

    fn fail_attempt(&mut self, hash: PaymentHash, seen: &Payment) -> Operation {
        let key = self.attempt_of(seen);
        let failure = Failure::new(AttemptFailure::Message);
        match self.below(8) {
            0 => Operation::ForceFail(hash, key, failure, b"note".to_vec(), Strictness::default()),
            _ => Operation::FailAttempt(hash, key, failure, self.strictness()),
        }
    }

    fn record(&mut self, place: usize, seen: &Payment) -> RecordOperation {
        let key = self.attempt_of(seen);
        match self.below(6) {
            0 => {
                let preimage = self.course.preimages[place].clone();
                RecordOperation::StoreResult(key, AttemptResult::settle(preimage))
            }
            1 => {
                let message = RawMessage::new(vec![1]);
                RecordOperation::StoreResult(key, AttemptResult::network_failure(message))
            }
            _ => RecordOperation::MarkHandedOff(key),
        }
    }
}
