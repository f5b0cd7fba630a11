//! Payments and their attempts: initiating, registering, handing off, and what becomes of them.

use lnkeep::Status;
use lnkeep::attempts::rules::{Retain, Rollback};
use lnkeep::payments::rules::Strictness;
use lnkeep::payments::{
    AttemptFailure, AttemptRequest, Failure, FailureReason, Mpp, PaymentInit, Settle,
};

use crate::life::{Life, Lived};
use crate::model::{Entry, FEE_MSAT, Held, Part, Payment, Record, key, payment_hash, preimage};
use crate::wire::Fate;

/// A life is short; this keeps its full comparisons short too.
const PAYMENTS_MAX: u64 = 60;
const ATTEMPTS_MAX: u64 = 160;

impl Life {
    pub fn pay(&mut self) -> Lived<()> {
        match self.dice.below(12) {
            0..2 => self.init_payment(),
            2..4 => self.register(),
            4..8 => self.hand_off(),
            8..10 => self.take_result(),
            10 => self.fail_before_it_leaves(),
            _ => self.end_payment(),
        }
    }

    fn init_payment(&mut self) -> Lived<()> {
        let known: Vec<u64> = self.model.payments.keys().copied().collect();
        let repeats = self.dice.one_in(4).then(|| self.dice.pick(&known).copied()).flatten();
        if let Some(hash) = repeats {
            return self.init_again(hash);
        }
        if self.next_hash >= self.retired_below + PAYMENTS_MAX {
            return self.register();
        }
        let hash = self.next_hash;
        self.next_hash += 1;
        let amount_msat = 1_000 * self.dice.between(1, 500);
        self.init_anew(hash, amount_msat)
    }

    fn init_anew(&mut self, hash: u64, amount_msat: u64) -> Lived<()> {
        let mut after = self.model.clone();
        after.let_go(hash);
        let payment = Payment { amount_msat, is_given_up: false, is_tombstone: false };
        after.payments.insert(hash, payment);
        let mut request = PaymentInit::new(payment_hash(hash), amount_msat);
        request.created_unix_ns = self.now_ms * 1_000_000;
        self.change("payments.init", after, |node| node.payments.init(request))?;
        Ok(())
    }

    /// A hash is paid once: again only after it failed.
    fn init_again(&mut self, hash: u64) -> Lived<()> {
        let payment = self.model.payments[&hash].clone();
        let amount_msat = payment.amount_msat;
        if self.model.is_failed(hash) && !payment.is_tombstone {
            if hash < self.retired_below {
                return Ok(());
            }
            return self.init_anew(hash, amount_msat);
        }
        let request = PaymentInit::new(payment_hash(hash), amount_msat + 1);
        let status = self.refused("payments.init again", |node| node.payments.init(request))?;
        let is_paid = payment.is_tombstone
            || self.model.has(hash, Held::Settled) && !self.model.has(hash, Held::InFlight);
        if is_paid != (status == Status::AlreadyPaid) {
            let fact = format!("payment {hash}, paid: {is_paid}, is refused with {status:?}");
            return self.broken("paid twice", fact);
        }
        Ok(())
    }

    fn register(&mut self) -> Lived<()> {
        let payable: Vec<(u64, u64)> = self
            .model
            .payments
            .keys()
            .filter(|hash| **hash >= self.retired_below)
            .map(|hash| (*hash, self.model.payable_msat(*hash)))
            .filter(|(_, msat)| *msat != 0)
            .collect();
        let Some((hash, left_msat)) = self.dice.pick(&payable).copied() else {
            return self.take_result();
        };
        if self.next_id >= self.doubtful_below + ATTEMPTS_MAX {
            return self.take_result();
        }
        let is_too_much = self.dice.one_in(8);
        let amount_msat = match self.dice.below(3) {
            _ if is_too_much => left_msat + 1,
            0 => left_msat,
            _ => self.dice.between(1, left_msat),
        };
        let id = self.next_id;
        let total_msat = self.model.payments[&hash].amount_msat;
        let mut request = AttemptRequest::new(key(id), amount_msat, FEE_MSAT);
        request.mpp = Some(Mpp { payment_address: [9; 32], total_msat });
        request.sent_unix_ns = self.now_ms * 1_000_000;
        request.cltv_expiry = self.height + 144;
        request.hop_count = 3;
        if is_too_much {
            let call = |node: &crate::node::Node| {
                node.payments.register_and_init(payment_hash(hash), request)
            };
            let status = self.refused("register beyond the amount", call)?;
            return match status {
                Status::ValueExceeds => Ok(()),
                other => self.broken("wrong", format!("more than the amount: {other:?}")),
            };
        }
        self.next_id += 1;
        let mut after = self.model.clone();
        let held = Some(Held::InFlight);
        after.parts.insert(id, Part { hash, amount_msat, record: Record::Intent, held });
        let again = request.clone();
        self.change("register", after, |node| {
            node.payments.register_and_init(payment_hash(hash), request)
        })?;
        if self.dice.one_in(6) {
            self.register_again(hash, again)?;
        }
        Ok(())
    }

    /// The same attempt again is no second permit.
    fn register_again(&mut self, hash: u64, request: AttemptRequest) -> Lived<()> {
        let again = self.node().payments.register_and_init(payment_hash(hash), request);
        match self.answered("register again", again)? {
            Ok(changed) if changed.reply.changed() => {
                self.broken("granted twice", "an attempt was registered twice".into())
            }
            _ => Ok(()),
        }
    }

    /// Marks an attempt and gives it to a channel, in one commit or in two.
    fn hand_off(&mut self) -> Lived<()> {
        let intents: Vec<u64> = self.intents();
        let Some(id) = self.dice.pick(&intents).copied() else { return self.register() };
        let Some(channel) = self.open_channel()? else { return Ok(()) };
        let is_atomic = self.shape.is_atomic;
        if !is_atomic {
            let mut after = self.model.clone();
            after.parts.get_mut(&id).expect("a known attempt").record = Record::HandedOff;
            self.change("mark", after, |node| node.attempts.mark_handed_off(key(id)))?;
        }
        self.queue_update(channel, id)?;
        let marks = if is_atomic { vec![id] } else { Vec::new() };
        if !is_atomic && self.dice.one_in(3) {
            // Another commit takes it along.
            return Ok(());
        }
        self.commit_channels(marks)
    }

    fn intents(&self) -> Vec<u64> {
        let queued: Vec<u64> = self
            .queued
            .iter()
            .filter_map(|entry| match entry {
                Entry::Update { attempt, .. } => Some(*attempt),
                _ => None,
            })
            .collect();
        let is_free = |id: &u64| *id >= self.doubtful_below && !queued.contains(id);
        let intents = self.model.parts.iter().filter(|(id, part)| {
            part.record == Record::Intent && part.held == Some(Held::InFlight) && is_free(id)
        });
        intents.map(|(id, _)| *id).collect()
    }

    /// What the network says of one that is out: into the record first, or into the payment at once.
    fn take_result(&mut self) -> Lived<()> {
        let known: Vec<(u64, Fate, Part)> = self
            .model
            .parts
            .iter()
            .filter_map(|(id, part)| Some((*id, self.wire.fate(*id)?, part.clone())))
            .filter(|(_, fate, part)| {
                *fate != Fate::Pending
                    && (part.record < Record::Failed || part.held == Some(Held::InFlight))
            })
            .collect();
        let Some((id, fate, part)) = self.dice.pick(&known).cloned() else { return Ok(()) };
        let is_recorded = part.record >= Record::Failed;
        let is_direct = fate == Fate::Settled && part.held.is_some() && self.dice.one_in(2);
        if !is_recorded && !is_direct {
            self.store_result(id, fate, false)?;
            if self.dice.one_in(3) {
                return Ok(());
            }
        }
        match part.held {
            Some(Held::InFlight) => self.end_part(id, fate == Fate::Settled),
            _ => Ok(()),
        }
    }

    fn end_part(&mut self, id: u64, settles: bool) -> Lived<()> {
        let mut after = self.model.clone();
        let part = after.parts.get_mut(&id).expect("a known attempt");
        let hash = part.hash;
        part.held = Some(if settles { Held::Settled } else { Held::Failed });
        part.record = if settles { Record::Settled } else { Record::Failed };
        let now_unix_ns = self.now_ms * 1_000_000;
        let strictness = Strictness::default();
        if settles {
            let settle = Settle { preimage: preimage(hash), settled_unix_ns: now_unix_ns };
            self.change("settle", after, |node| {
                node.payments.settle(payment_hash(hash), key(id), settle, strictness)
            })?;
        } else {
            let failure = Failure::new(AttemptFailure::Message);
            self.change("fail_attempt", after, |node| {
                node.payments.fail_attempt(payment_hash(hash), key(id), failure, strictness)
            })?;
        }
        self.check_payment(hash)
    }

    /// The route does not hold: rolled back before it could leave.
    fn fail_before_it_leaves(&mut self) -> Lived<()> {
        let intents = self.intents();
        let Some(id) = self.dice.pick(&intents).copied() else { return self.init_payment() };
        if self.dice.one_in(2) {
            let mut after = self.model.clone();
            after.parts.get_mut(&id).expect("a known attempt").record = Record::Failed;
            let rollback = Rollback::default();
            self.change("fail_pending", after, |node| {
                node.attempts.fail_pending(key(id), rollback)
            })?;
        }
        self.end_part(id, false)
    }

    fn end_payment(&mut self) -> Lived<()> {
        let hashes: Vec<u64> = self.model.payments.keys().copied().collect();
        let Some(hash) = self.dice.pick(&hashes).copied() else { return Ok(()) };
        let payment = &self.model.payments[&hash];
        if payment.is_tombstone {
            return Ok(());
        }
        let (settled, in_flight) =
            (self.model.has(hash, Held::Settled), self.model.has(hash, Held::InFlight));
        let mut after = self.model.clone();
        if !settled && !payment.is_given_up {
            after.payments.get_mut(&hash).expect("a known payment").is_given_up = true;
            let reason = FailureReason::NoRoute;
            self.change("give up", after, |node| node.payments.fail(payment_hash(hash), reason))?;
            return self.check_payment(hash);
        }
        let is_failed = self.model.is_failed(hash);
        if in_flight || !(settled || is_failed) || self.dice.one_in(2) {
            return Ok(());
        }
        after.let_go(hash);
        if is_failed {
            after.payments.remove(&hash);
        } else {
            after.payments.get_mut(&hash).expect("a known payment").is_tombstone = true;
        }
        self.change("delete", after, |node| {
            node.payments.delete(payment_hash(hash), Retain::Tombstone)
        })?;
        Ok(())
    }

    /// Never is more out and paid than the payment's amount.
    fn check_payment(&mut self, hash: u64) -> Lived<()> {
        let fetched = self.node().payments.fetch(payment_hash(hash));
        let payment = self.done("fetch", fetched)?;
        let sum: u64 = payment
            .attempts
            .iter()
            .filter(|attempt| attempt.state() != lnkeep::payments::AttemptState::Failed)
            .map(|attempt| attempt.request.amount_msat)
            .sum();
        self.digest.add(payment.revision << 8 | payment.status as u64);
        if sum > payment.init.amount_msat {
            let fact = format!("payment {hash} has {sum} msat of {} out", payment.init.amount_msat);
            return self.broken("paid twice", fact);
        }
        Ok(())
    }

    /// An HTLC reaches the peer of its channel.
    pub fn hand_to_peer(&mut self, channel: u64, update: u64, attempt: u64) -> Lived<()> {
        let Some(part) = self.model.parts.get(&attempt) else {
            return self.broken("lost", format!("attempt {attempt} leaves without a record"));
        };
        let (hash, amount_msat) = (part.hash, part.amount_msat);
        let limit_msat = self.model.payments.get(&hash).map(|payment| payment.amount_msat);
        let limit_msat = limit_msat.unwrap_or(u64::MAX);
        let taken = self.wire.take(
            attempt,
            (channel, update),
            (hash, amount_msat, limit_msat),
            self.now_ms,
            &mut self.dice,
        );
        match taken {
            Ok(()) => Ok(()),
            Err(refused) => self.refused_by_peer(refused),
        }
    }
}
