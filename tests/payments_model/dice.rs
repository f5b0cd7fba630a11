//! Random operations over few hashes, few ids and few amounts, so that everything meets everything.

use lnkeep::attempts::rules::{InitRequest, Retain};
use lnkeep::attempts::{AttemptResult, Operation as RecordOperation};
use lnkeep::payments::resume::Answer;
use lnkeep::payments::rules::Strictness;
use lnkeep::payments::{
    Amp, AttemptFailure, AttemptOutcome, AttemptRequest, AttemptState, Failure, FailureReason,
    Intent, Mpp, Operation, Payment, PaymentInit, PaymentStatus, Query, Secret, Settle, Statuses,
};
use lnkeep::{AttemptKey, Namespace, PaymentHash, Preimage, RawMessage};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::reference::{Tower, sent};
use crate::resumption::Script;

/// Payments meet under these hashes, attempts of their own hash under the rest.
pub const PAYMENT_HASHES: usize = 6;
const HASHES: usize = 8;
const NAMESPACES: u64 = 2;
const IDS: u64 = 60;
const AMOUNTS: [u64; 8] = [0, 1, 500, 1_000, 1_500, 2_000, 3_000, u64::MAX];

pub struct Dice {
    stream: ChaCha8Rng,
    preimages: Vec<Preimage>,
    hashes: Vec<PaymentHash>,
}

impl Dice {
    pub fn new(seed: u64) -> Dice {
        let preimages: Vec<_> = (1..=HASHES as u8).map(|byte| Preimage::new([byte; 32])).collect();
        let hashes = preimages.iter().map(Preimage::payment_hash).collect();
        Dice { stream: ChaCha8Rng::seed_from_u64(seed), preimages, hashes }
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.stream.next_u64() % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    pub fn hashes(&self) -> &[PaymentHash] {
        &self.hashes[..PAYMENT_HASHES]
    }

    pub fn hash(&mut self) -> PaymentHash {
        let place = self.below(PAYMENT_HASHES as u64);
        self.hashes[place as usize]
    }

    pub fn key(&mut self) -> AttemptKey {
        let namespace = Namespace([self.below(NAMESPACES) as u8; 16]);
        AttemptKey::new(namespace, self.below(IDS))
    }

    pub fn operation(&mut self, tower: &Tower) -> Operation {
        let hash = self.hash();
        match self.one_in(3) {
            true => self.any_operation(tower, hash),
            false => self.likely_operation(tower, hash),
        }
    }

    /// What a sender would do next, so that payments get somewhere.
    fn likely_operation(&mut self, tower: &Tower, hash: PaymentHash) -> Operation {
        let Some(payment) = tower.payment(hash) else {
            let forget = self.one_in(4);
            let init = self.init(tower, hash);
            return if forget { Operation::Forget(hash) } else { Operation::Init(init) };
        };
        let can_grow = sent(payment).0 < u128::from(payment.init.amount_msat)
            && payment.failure_reason.is_none();
        match (payment.status, self.below(6)) {
            (PaymentStatus::Initiated, 5) => Operation::Fail(hash, self.pick(FailureReason::ALL)),
            (PaymentStatus::Initiated, _) => self.likely_register(tower, payment),
            (PaymentStatus::InFlight, 0..=2) if can_grow => self.likely_register(tower, payment),
            (PaymentStatus::InFlight, 3 | 4) => {
                let (key, failure) = self.failure(Some(payment));
                Operation::FailAttempt(hash, key, failure, Strictness::default())
            }
            (PaymentStatus::Succeeded, 0..=2) => Operation::Delete(hash, self.retain()),
            (PaymentStatus::Failed, 0..=3) => Operation::Init(self.init(tower, hash)),
            (PaymentStatus::Failed, 4) => Operation::DeleteFailedAttempts(hash),
            _ => {
                let (key, settle) = self.settle(Some(payment));
                Operation::Settle(hash, key, settle, Strictness::default())
            }
        }
    }

    /// A part of what remains, of the same kind as the parts that are out.
    fn likely_register(&mut self, tower: &Tower, payment: &Payment) -> Operation {
        let hash = payment.hash();
        let mut request = self.request(Some(payment), hash);
        let whole = payment.init.amount_msat;
        let remaining = whole.saturating_sub(u64::try_from(sent(payment).0).unwrap_or(u64::MAX));
        request.amount_msat =
            [remaining, remaining / 2, remaining.min(500)][self.below(3) as usize];
        request.hop_count = 1;
        for _ in 0..9 {
            if tower.records.as_ref().is_some_and(|known| known.records.contains_key(&request.key))
            {
                request.key = self.key();
            }
        }
        request.blinded_total_msat = None;
        request.amp = None;
        request.mpp = Some(Mpp { payment_address: [0; 32], total_msat: whole });
        if let Some(other) =
            payment.attempts.iter().find(|other| other.state() == AttemptState::InFlight)
        {
            request.blinded_total_msat = other.request.blinded_total_msat;
            request.amp = other.request.amp.clone();
            request.mpp = other.request.mpp;
        }
        Operation::Register(hash, request, self.one_in(2))
    }

    fn any_operation(&mut self, tower: &Tower, hash: PaymentHash) -> Operation {
        let payment = tower.payment(hash);
        match self.below(100) {
            0..=17 => Operation::Init(self.init(tower, hash)),
            18..=49 => {
                let tracked = self.one_in(2);
                let request = self.request(payment, hash);
                Operation::Register(hash, request, tracked)
            }
            50..=65 => {
                let (key, settle) = self.settle(payment);
                Operation::Settle(hash, key, settle, self.strictness())
            }
            66..=80 => {
                let (key, failure) = self.failure(payment);
                Operation::FailAttempt(hash, key, failure, self.strictness())
            }
            81..=86 => Operation::Fail(hash, self.pick(FailureReason::ALL)),
            87..=90 => {
                let (key, failure) = self.failure(payment);
                let note = self.bytes(3);
                Operation::ForceFail(hash, key, failure, note, Strictness::default())
            }
            91..=93 => Operation::Delete(hash, self.retain()),
            94..=96 => Operation::DeleteFailedAttempts(hash),
            97 | 98 => Operation::Forget(hash),
            _ => Operation::Quarantine(hash, None),
        }
    }

    /// A host's own call to the attempt store, mostly about an attempt of a payment.
    pub fn record_operation(&mut self, tower: &Tower) -> RecordOperation {
        let all = tower.payments.values().flat_map(|payment| &payment.attempts);
        let in_flight = all.filter(|one| one.state() == AttemptState::InFlight);
        let in_flight: Vec<_> = in_flight.map(|one| one.request.key).collect();
        let key = match in_flight.is_empty() || self.one_in(3) {
            true => self.key(),
            false => self.pick(&in_flight),
        };
        match self.below(20) {
            0 => {
                let mut request = InitRequest::new(key);
                let hash = self.pick(&self.hashes.clone());
                request.payment_hash = self.one_in(2).then_some(hash);
                RecordOperation::Init(request)
            }
            1..=8 => RecordOperation::MarkHandedOff(key),
            9 | 10 => {
                let preimage = self.preimage_for(tower, key);
                RecordOperation::StoreResult(key, AttemptResult::settle(preimage))
            }
            11 | 12 => {
                let message = RawMessage::new(self.bytes(2));
                RecordOperation::StoreResult(key, AttemptResult::network_failure(message))
            }
            13 => RecordOperation::Ack(key),
            14 => RecordOperation::Delete(key, Retain::Tombstone),
            _ => {
                let key = self.key();
                RecordOperation::Delete(key, Retain::Forget)
            }
        }
    }

    fn preimage_for(&mut self, tower: &Tower, key: AttemptKey) -> Preimage {
        let of_key =
            |payment: &&Payment| payment.attempts.iter().any(|attempt| attempt.request.key == key);
        let payment = tower.payments.values().find(of_key);
        let wanted = payment.and_then(|payment| self.wanted_preimage(payment, key));
        match wanted.filter(|_| !self.one_in(6)) {
            Some(wanted) => wanted,
            None => self.pick(&self.preimages.clone()),
        }
    }

    fn wanted_preimage(&self, payment: &Payment, key: AttemptKey) -> Option<Preimage> {
        let attempt = payment.attempts.iter().find(|attempt| attempt.request.key == key)?;
        let wanted = attempt.request.attempt_hash.unwrap_or(payment.hash());
        let place = self.hashes.iter().position(|hash| *hash == wanted)?;
        Some(self.preimages[place].clone())
    }

    pub fn retain(&mut self) -> Retain {
        if self.one_in(3) { Retain::Forget } else { Retain::Tombstone }
    }

    fn strictness(&mut self) -> Strictness {
        match self.below(4) {
            0 => Strictness::FIRST_RESULT_ONLY,
            1 => Strictness { refuse_repeat: self.one_in(2), refuse_late: self.one_in(2) },
            _ => Strictness::default(),
        }
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| self.below(2) as u8).collect()
    }

    fn init(&mut self, tower: &Tower, hash: PaymentHash) -> PaymentInit {
        if let Some(payment) = tower.payment(hash).filter(|_| self.one_in(3)) {
            return payment.init.clone();
        }
        let amount_msat = match self.below(8) {
            0 => self.pick(&AMOUNTS),
            place => [1_000, 2_000, 3_000][place as usize % 3],
        };
        let mut init = PaymentInit::new(hash, amount_msat);
        init.created_unix_ns = self.below(5);
        if self.one_in(3) {
            let length = [1, 2, 64][self.below(3) as usize];
            init.idempotency_key = vec![self.below(90) as u8; length];
        }
        init.payment_request = RawMessage::new(self.bytes(2));
        init.first_hop_records = RawMessage::new(self.bytes(1));
        if self.one_in(4) {
            init.intent = Some(Intent {
                deadline_unix_ns: self.below(40) * 1_000_000,
                fee_limit_msat: self.below(3),
                destination: self.one_in(2).then_some([2; 33]),
                amp_root_share: self.one_in(2).then(|| Secret::new([3; 32])),
                data: RawMessage::new(self.bytes(2)),
            });
        }
        init
    }

    fn request(&mut self, payment: Option<&Payment>, hash: PaymentHash) -> AttemptRequest {
        let none = Vec::new();
        let attempts = payment.map_or(&none, |payment| &payment.attempts);
        if !attempts.is_empty() && self.one_in(8) {
            return self.pick(attempts).request;
        }
        let whole = payment.map_or(1_000, |payment| payment.init.amount_msat);
        let out = payment.map_or(0, |payment| u64::try_from(sent(payment).0).unwrap_or(u64::MAX));
        let remaining = whole.saturating_sub(out);
        let amount_msat = match self.below(8) {
            0 | 1 => whole,
            2 | 3 => remaining,
            4 => remaining.saturating_add(1),
            5 | 6 => self.pick(&[500, 1_000, 1_500]),
            _ => self.pick(&AMOUNTS),
        };
        let fee_msat = self.pick(&[0, 1, 7, u64::MAX]);
        let mut request = AttemptRequest::new(self.key(), amount_msat, fee_msat);
        self.kind_of_payment(&mut request, whole);
        if self.one_in(6) {
            request.attempt_hash = Some(self.pick(&self.hashes.clone()));
        } else if self.one_in(12) {
            request.attempt_hash = Some(hash);
        }
        if self.one_in(12) {
            request.hop_count = 0;
        }
        request.cltv_expiry = self.below(3) as u32;
        request.first_hop_scid = self.below(3);
        request.first_hop_amount_msat = self.one_in(3).then_some(9);
        request.sent_unix_ns = self.below(2);
        request.route = RawMessage::new(self.bytes(2));
        request.session_key = RawMessage::new(self.bytes(1));
        request.first_hop_records = RawMessage::new(self.bytes(1));
        request
    }

    fn kind_of_payment(&mut self, request: &mut AttemptRequest, whole: u64) {
        let total_msat = if self.one_in(6) { self.pick(&AMOUNTS) } else { whole };
        let kind = self.below(12);
        if kind <= 6 || kind == 11 {
            let payment_address = [u8::from(self.one_in(8)); 32];
            request.mpp = Some(Mpp { payment_address, total_msat });
        }
        if kind == 7 || kind == 11 {
            request.blinded_total_msat = Some(total_msat);
        }
        if kind == 8 {
            request.blinded_total_msat = Some(0);
        }
        if self.one_in(6) {
            request.amp = Some(Amp {
                root_share: Secret::new([self.below(2) as u8; 32]),
                set_id: [self.below(2) as u8; 32],
                child_index: self.below(2) as u32,
            });
        }
    }

    /// An attempt of the payment, now and then any attempt at all.
    fn attempt_of(&mut self, payment: Option<&Payment>) -> AttemptKey {
        let attempts = payment.map(|payment| &payment.attempts[..]).unwrap_or_default();
        match attempts.is_empty() || self.one_in(8) {
            true => self.key(),
            false => self.pick(attempts).request.key,
        }
    }

    fn settle(&mut self, payment: Option<&Payment>) -> (AttemptKey, Settle) {
        let key = self.attempt_of(payment);
        let known = payment.and_then(|payment| payment.attempt(key));
        if let Some(AttemptOutcome::Settled(settle)) = known.map(|known| &known.outcome)
            && self.one_in(2)
        {
            return (key, settle.clone());
        }
        let wanted = payment.and_then(|payment| self.wanted_preimage(payment, key));
        let preimage = match wanted.filter(|_| !self.one_in(5)) {
            Some(wanted) => wanted,
            None => self.pick(&self.preimages.clone()),
        };
        (key, Settle { preimage, settled_unix_ns: self.below(2) })
    }

    fn failure(&mut self, payment: Option<&Payment>) -> (AttemptKey, Failure) {
        let key = self.attempt_of(payment);
        let known = payment.and_then(|payment| payment.attempt(key));
        if let Some(AttemptOutcome::Failed(failure)) = known.map(|known| &known.outcome)
            && self.one_in(2)
        {
            return (key, failure.clone());
        }
        let failure = Failure {
            reason: self.pick(AttemptFailure::ALL),
            source_index: self.below(3) as u32,
            message: RawMessage::new(self.bytes(2)),
            failed_unix_ns: self.below(2),
        };
        (key, failure)
    }

    /// A dispatcher that knows something of most attempts in flight.
    pub fn script(&mut self, tower: &Tower) -> Script {
        let mut script = Script::default();
        let payments = tower.payments.values();
        for (payment, attempt) in
            payments.flat_map(|one| one.attempts.iter().map(move |a| (one, a)))
        {
            let key = attempt.request.key;
            let answer = match self.below(8) {
                0 | 1 => {
                    self.wanted_preimage(payment, key).map_or(Answer::Pending, Answer::Settled)
                }
                2 => Answer::Settled(self.pick(&self.preimages.clone())),
                3 => Answer::Failed(self.failure(None).1),
                4 => Answer::FailedFinal(self.failure(None).1),
                5 => Answer::Error,
                6 => Answer::Unknown,
                _ => Answer::Pending,
            };
            script.answers.insert(key, answer);
            if self.one_in(8) {
                script.closed.insert(key);
            }
            if self.one_in(8) {
                script.skipped.insert(key);
            }
        }
        script
    }

    pub fn statuses(&mut self) -> Statuses {
        // Bits of the four statuses; none means any.
        Statuses((self.below(16) as u32) << 1)
    }

    pub fn query(&mut self, newest: u64) -> Query {
        let offset = match self.below(4) {
            0 | 1 => None,
            2 => Some(self.below(newest + 3)),
            _ => Some(self.pick(&[0, newest, u64::MAX])),
        };
        Query {
            offset,
            reversed: self.one_in(2),
            statuses: self.statuses(),
            created_from_unix_ns: self.below(5),
            created_to_unix_ns: self.below(5),
            without_attempts: self.one_in(3),
            limit: self.below(4) as usize,
        }
    }
}
