//! Finishing what a restart interrupted. Part of [`Payments`].
//!
//! PS1 nothing new is ever sent by a resume: a payment that could go on is given up with NO_ROUTE, or handed
//! back to the host when it kept its intent. PS2 what the attempt store knows counts before what the
//! dispatcher says. PS3 one payment that cannot be read or decided stops no other. PS4 a resume can be
//! repeated at any time, and after a crash in its middle.

use super::payment::{
    AttemptFailure, AttemptState, Failure, FailureReason, Marks, Payment, PaymentAttempt, Settle,
};
use super::rules::{self, Strictness};
use super::{Changed, Payments, table};
use crate::attempts::linked::{self, Known};
use crate::attempts::{AttemptResult, Ending};
use crate::error::{Error, Result, Status};
use crate::store::batch::View;
use crate::types::{AttemptKey, PaymentHash, Preimage};

/// What the host's dispatcher knows of an attempt in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It settled.
    Settled(Preimage),
    /// It failed on the way; another route might do.
    Failed(Failure),
    /// The receiver rejected the payment: no route will do.
    FailedFinal(Failure),
    /// The dispatcher answered with something that cannot be classified.
    Error,
    /// The dispatcher never heard of the attempt.
    Unknown,
    /// It is still out.
    Pending,
}

/// The host's part of a resume.
pub trait ResumeDispatcher {
    /// What is known of an attempt in flight.
    fn answer(&self, payment: &Payment, attempt: &PaymentAttempt) -> Answer;

    /// Whether the channel of its first hop is closed for good, so that without a result there will be none.
    fn first_hop_is_closed(&self, _payment: &Payment, _attempt: &PaymentAttempt) -> bool {
        false
    }

    /// Whether to leave the attempt alone this time, such as after an error of the dispatcher itself.
    fn skip(&self, _payment: &Payment, _attempt: &PaymentAttempt) -> bool {
        false
    }
}

/// Knows what the attempt store knows and nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub struct AttemptStoreOnly;

impl ResumeDispatcher for AttemptStoreOnly {
    fn answer(&self, _payment: &Payment, attempt: &PaymentAttempt) -> Answer {
        let tracked = attempt.marks.has(Marks::TRACKED);
        if tracked { Answer::Unknown } else { Answer::Pending }
    }
}

/// Choices of a resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResumeOptions {
    /// Keep the failed attempts of payments that are done.
    pub keep_failed_attempts: bool,
    /// Hand payments back that kept an intent, instead of giving them up with NO_ROUTE.
    pub resume_sending: bool,
}

/// What became of one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ResumeOutcome {
    /// It ended.
    Done = 1,
    /// Attempts are out and nothing is known of them yet.
    Waiting = 2,
    /// The receiver claimed only a part: SUCCEEDED, and something remains.
    Internal = 3,
    /// The host may go on sending.
    MaySend = 4,
    /// Its rows cannot be read; quarantine it.
    Unreadable = 5,
}

/// One payment of a resume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// Its sequence number.
    pub sequence: u64,
    /// Its hash, unless that cannot be read.
    pub hash: Option<PaymentHash>,
    /// What became of it.
    pub outcome: ResumeOutcome,
}

/// What a resume did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resume {
    /// Attempts of the unfinished payments, ended ones included, by id: what a clean of the attempt store
    /// must keep.
    pub keep: Vec<AttemptKey>,
    /// One entry for each payment that was unfinished when the resume began, by sequence number.
    pub payments: Vec<Resumed>,
}

impl Payments {
    /// Decides about every unfinished payment, as far as results are known; never sends anything new.
    ///
    /// # Errors
    /// The store's errors; what was decided before an error stays decided, and the same call goes on.
    pub fn resume(
        &self,
        dispatcher: &impl ResumeDispatcher,
        options: ResumeOptions,
    ) -> Result<Resume> {
        let unfinished = self.unfinished()?;
        let mut resume = Resume::default();
        for (sequence, hash) in unfinished.unreadable {
            let outcome = ResumeOutcome::Unreadable;
            resume.payments.push(Resumed { sequence, hash, outcome });
            // The keys of its attempts can still be read, and their results may be all there is.
            let keys = |view: &View<'_>| table::attempt_rows(view, sequence, usize::MAX);
            resume.keep.extend(self.store.read(keys)?);
        }
        let attempts = unfinished.payments.iter().flat_map(|payment| &payment.attempts);
        resume.keep.extend(attempts.map(|attempt| attempt.request.key));
        resume.keep.sort_by_key(|key| (key.id, key.namespace));
        resume.keep.dedup();
        let mut open = Vec::new();
        for payment in unfinished.payments {
            let (sequence, hash) = (payment.sequence, payment.hash());
            let looked_at = self.fail_over_closed_channels(payment, dispatcher);
            open.push((sequence, hash, looked_at));
        }
        for (sequence, hash, looked_at) in open {
            let resumed =
                looked_at.and_then(|payment| self.resume_one(payment, dispatcher, options));
            let outcome = match resumed {
                Ok(outcome) => outcome,
                Err(error) if error.status() == Status::CorruptRecord => ResumeOutcome::Unreadable,
                // Deleted by somebody else meanwhile.
                Err(error) if error.status() == Status::PaymentNotInitiated => ResumeOutcome::Done,
                Err(error) => return Err(error),
            };
            resume.payments.push(Resumed { sequence, hash: Some(hash), outcome });
        }
        resume.payments.sort_by_key(|payment| payment.sequence);
        Ok(resume)
    }

    fn resume_one(
        &self,
        payment: Payment,
        dispatcher: &impl ResumeDispatcher,
        options: ResumeOptions,
    ) -> Result<ResumeOutcome> {
        let mut payment = payment;
        // Attempts whose answer was refused: by their own records, or because it cannot be right.
        let mut refused: Vec<AttemptKey> = Vec::new();
        loop {
            let state = payment.state();
            let (status, remaining) = (payment.status, state.remaining_msat);
            let (settled, failed) = (state.has_settled, state.payment_failed);
            match rules::allow_more(status, remaining, settled, failed) {
                Ok(true) if options.resume_sending && self.may_send(&payment) => {
                    // What is known counts first: a part that settled ends the sending.
                    match self.apply_one_answer(&payment, dispatcher, &mut refused)? {
                        Some(changed) => payment = changed,
                        None => return Ok(ResumeOutcome::MaySend),
                    }
                    continue;
                }
                Ok(true) => {
                    payment = self.give_up(payment.hash(), FailureReason::NoRoute)?;
                    continue;
                }
                Ok(false) => {}
                Err(_) => return Ok(ResumeOutcome::Internal),
            }
            match rules::need_wait(status, remaining, settled, failed) {
                Ok(true) => {}
                Ok(false) => return self.finish(&payment, options),
                Err(_) => return Ok(ResumeOutcome::Internal),
            }
            match self.apply_one_answer(&payment, dispatcher, &mut refused)? {
                Some(changed) => payment = changed,
                None => return Ok(ResumeOutcome::Waiting),
            }
        }
    }

    fn may_send(&self, payment: &Payment) -> bool {
        let now_unix_ns = self.store.clock().unix_ms.saturating_mul(1_000_000);
        rules::may_resume_sending(payment.init.intent.as_ref(), now_unix_ns)
    }

    fn finish(&self, payment: &Payment, options: ResumeOptions) -> Result<ResumeOutcome> {
        if !options.keep_failed_attempts {
            match self.delete_failed_attempts(payment.hash()) {
                Ok(_) => {}
                Err(error) if error.class() == crate::Class::Refused => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ResumeOutcome::Done)
    }

    fn fail_over_closed_channels(
        &self,
        payment: Payment,
        dispatcher: &impl ResumeDispatcher,
    ) -> Result<Payment> {
        let mut lost = Vec::new();
        for attempt in in_flight(&payment) {
            if !dispatcher.first_hop_is_closed(&payment, attempt) {
                continue;
            }
            let answer = self.known_answer(&payment, attempt, dispatcher)?;
            if matches!(answer, Answer::Unknown | Answer::Pending) {
                lost.push(attempt.request.key);
            }
        }
        let mut payment = payment;
        for key in lost {
            let failure = Failure::new(AttemptFailure::Unknown);
            (payment, _) = self.try_to_fail(payment.hash(), key, failure)?;
        }
        Ok(payment)
    }

    /// Applies the first answer there is; `None` without one.
    fn apply_one_answer(
        &self,
        payment: &Payment,
        dispatcher: &impl ResumeDispatcher,
        refused: &mut Vec<AttemptKey>,
    ) -> Result<Option<Payment>> {
        for attempt in in_flight(payment) {
            let key = attempt.request.key;
            if refused.contains(&key) || dispatcher.skip(payment, attempt) {
                continue;
            }
            let answer = self.known_answer(payment, attempt, dispatcher)?;
            if answer == Answer::Pending {
                continue;
            }
            let (changed, taken) = self.apply_answer(payment, key, answer)?;
            if !taken {
                refused.push(key);
            }
            return Ok(Some(changed));
        }
        Ok(None)
    }

    /// The payment after an answer, and whether the answer was taken.
    fn apply_answer(
        &self,
        payment: &Payment,
        key: AttemptKey,
        answer: Answer,
    ) -> Result<(Payment, bool)> {
        let hash = payment.hash();
        let reason = match &answer {
            Answer::FailedFinal(_) => Some(FailureReason::IncorrectPaymentDetails),
            Answer::Error => Some(FailureReason::Error),
            _ => None,
        };
        // The payment first, so that nobody can add an attempt in between.
        if let Some(reason) = reason {
            self.give_up(hash, reason)?;
        }
        match answer {
            Answer::Settled(preimage) => {
                let settle = Settle { preimage, settled_unix_ns: self.now_unix_ns() };
                self.taken(hash, self.settle(hash, key, settle, Strictness::default()))
            }
            Answer::Failed(failure) | Answer::FailedFinal(failure) => {
                self.try_to_fail(hash, key, failure)
            }
            Answer::Error | Answer::Unknown => {
                self.try_to_fail(hash, key, Failure::new(AttemptFailure::Internal))
            }
            Answer::Pending => Ok((self.fetch(hash)?, false)),
        }
    }

    fn now_unix_ns(&self) -> u64 {
        self.store.clock().unix_ms.saturating_mul(1_000_000)
    }

    /// Gives a payment up, unless somebody else ended it meanwhile.
    fn give_up(&self, hash: PaymentHash, reason: FailureReason) -> Result<Payment> {
        Ok(self.taken(hash, self.fail(hash, reason))?.0)
    }

    /// Fails an attempt, unless its record says that it may still settle.
    fn try_to_fail(
        &self,
        hash: PaymentHash,
        key: AttemptKey,
        mut failure: Failure,
    ) -> Result<(Payment, bool)> {
        if failure.failed_unix_ns == 0 {
            failure.failed_unix_ns = self.now_unix_ns();
        }
        self.taken(hash, self.fail_attempt(hash, key, failure, Strictness::default()))
    }

    /// The payment after a change, and whether the change was made. A refusal means that the answer cannot
    /// be right, that the attempt's record does not allow it, or that somebody else changed the payment
    /// meanwhile: the resume goes on with the payment as it is, and does not ask for the attempt again (PS3).
    fn taken(&self, hash: PaymentHash, changed: Result<Changed>) -> Result<(Payment, bool)> {
        match changed {
            Ok(changed) => Ok((changed.into_payment(), true)),
            Err(error) if error.class() == crate::Class::Refused => Ok((self.fetch(hash)?, false)),
            Err(error) => Err(error),
        }
    }

    /// PS2: what the attempt's record says, where it says something.
    fn known_answer(
        &self,
        payment: &Payment,
        attempt: &PaymentAttempt,
        dispatcher: &impl ResumeDispatcher,
    ) -> Result<Answer> {
        let told = dispatcher.answer(payment, attempt);
        if !attempt.marks.has(Marks::TRACKED) {
            return Ok(told);
        }
        let known = self.store.read(|view| linked::known(view, attempt.request.key))?;
        Ok(match known {
            Known::Final(AttemptResult { ending: Ending::Settle(preimage), .. }) => {
                Answer::Settled(preimage)
            }
            // A preimage proves that the receiver took it, and a settle beats a failure (Y6).
            Known::Final(result) => match told {
                Answer::Pending | Answer::Unknown => Answer::Failed(failure_of(result)),
                told => told,
            },
            Known::HandedOff | Known::Unreadable => match told {
                Answer::Settled(preimage) => Answer::Settled(preimage),
                _ => Answer::Pending,
            },
            Known::Intent | Known::Nothing => told,
        })
    }
}

fn in_flight(payment: &Payment) -> impl Iterator<Item = &PaymentAttempt> {
    payment.attempts.iter().filter(|attempt| attempt.state() == AttemptState::InFlight)
}

/// A failure as the attempt store kept it: its message is not read here.
fn failure_of(result: AttemptResult) -> Failure {
    let reason =
        if result.unencrypted { AttemptFailure::Internal } else { AttemptFailure::Message };
    Failure { message: result.message, ..Failure::new(reason) }
}

impl Changed {
    fn into_payment(self) -> Payment {
        std::sync::Arc::unwrap_or_clone(self.payment)
    }
}

impl From<Error> for Answer {
    /// An error of the dispatcher's own says nothing about the HTLC.
    fn from(_error: Error) -> Answer {
        Answer::Pending
    }
}
