//! A resume as the specification tells it, step by step, with a dispatcher that answers from a list.

use std::collections::{BTreeMap, BTreeSet};

use lnkeep::attempts::{AttemptResult, Ending, State};
use lnkeep::payments::resume::{Answer, ResumeDispatcher, ResumeOptions, ResumeOutcome};
use lnkeep::payments::rules::Strictness;
use lnkeep::payments::{
    AttemptFailure, AttemptState, Failure, FailureReason, Marks, Operation, Payment,
    PaymentAttempt, PaymentStatus, Settle,
};
use lnkeep::{AttemptKey, Status};

use crate::reference::{Tower, is_finished, sent};

/// What the dispatcher says of each attempt; of others it never heard.
#[derive(Default)]
pub struct Script {
    pub answers: BTreeMap<AttemptKey, Answer>,
    pub closed: BTreeSet<AttemptKey>,
    pub skipped: BTreeSet<AttemptKey>,
}

impl Script {
    fn told(&self, key: AttemptKey) -> Answer {
        self.answers.get(&key).cloned().unwrap_or(Answer::Unknown)
    }
}

impl ResumeDispatcher for Script {
    fn answer(&self, _payment: &Payment, attempt: &PaymentAttempt) -> Answer {
        self.told(attempt.request.key)
    }

    fn first_hop_is_closed(&self, _payment: &Payment, attempt: &PaymentAttempt) -> bool {
        self.closed.contains(&attempt.request.key)
    }

    fn skip(&self, _payment: &Payment, attempt: &PaymentAttempt) -> bool {
        self.skipped.contains(&attempt.request.key)
    }
}

impl Tower {
    /// What the resume answers: keep set and outcomes, by sequence number.
    pub fn resume(
        &mut self,
        script: &Script,
        options: ResumeOptions,
    ) -> (Vec<AttemptKey>, Vec<(u64, ResumeOutcome)>) {
        let unfinished = self.payments.values().filter(|payment| !is_finished(payment));
        let unfinished: Vec<_> = unfinished.map(|payment| payment.sequence).collect();
        let attempts = unfinished.iter().flat_map(|sequence| &self.payments[sequence].attempts);
        let mut keep: Vec<_> = attempts.map(|attempt| attempt.request.key).collect();
        keep.sort_by_key(|key| (key.id, key.namespace));
        keep.dedup();
        for sequence in &unfinished {
            self.fail_over_closed(*sequence, script);
        }
        let outcomes = unfinished
            .into_iter()
            .map(|sequence| (sequence, self.resume_one(sequence, script, options)));
        (keep, outcomes.collect())
    }

    fn in_flight(&self, sequence: u64) -> Vec<PaymentAttempt> {
        let attempts = self.payments[&sequence].attempts.iter();
        attempts.filter(|one| one.state() == AttemptState::InFlight).cloned().collect()
    }

    fn fail_over_closed(&mut self, sequence: u64, script: &Script) {
        for attempt in self.in_flight(sequence) {
            let key = attempt.request.key;
            let lost = matches!(self.answer(&attempt, script), Answer::Unknown | Answer::Pending);
            if script.closed.contains(&key) && lost {
                self.fail_with(sequence, key, Failure::new(AttemptFailure::Unknown));
            }
        }
    }

    fn now_unix_ns(&self) -> u64 {
        self.clock.unix_ms * 1_000_000
    }

    fn fail_with(&mut self, sequence: u64, key: AttemptKey, mut failure: Failure) -> bool {
        if failure.failed_unix_ns == 0 {
            failure.failed_unix_ns = self.now_unix_ns();
        }
        let hash = self.payments[&sequence].hash();
        let operation = Operation::FailAttempt(hash, key, failure, Strictness::default());
        self.apply(&operation).is_ok()
    }

    /// The record's word before the dispatcher's.
    fn answer(&self, attempt: &PaymentAttempt, script: &Script) -> Answer {
        let told = script.told(attempt.request.key);
        let records = &self.records.as_ref().expect("the store has records").records;
        let tracked = attempt.marks.has(Marks::TRACKED);
        let record = records.get(&attempt.request.key).filter(|_| tracked);
        let Some(record) = record else { return told };
        match (record.state, &record.result) {
            (State::Settled, Some(AttemptResult { ending: Ending::Settle(preimage), .. })) => {
                Answer::Settled(preimage.clone())
            }
            (State::Failed, Some(result)) => match told {
                Answer::Pending | Answer::Unknown => {
                    let local = result.unencrypted;
                    let reason =
                        if local { AttemptFailure::Internal } else { AttemptFailure::Message };
                    let message = result.message.clone();
                    Answer::Failed(Failure { message, ..Failure::new(reason) })
                }
                told => told,
            },
            (State::HandedOff, _) => match told {
                Answer::Settled(preimage) => Answer::Settled(preimage),
                _ => Answer::Pending,
            },
            _ => told,
        }
    }

    fn resume_one(
        &mut self,
        sequence: u64,
        script: &Script,
        options: ResumeOptions,
    ) -> ResumeOutcome {
        let mut refused = BTreeSet::new();
        loop {
            let payment = self.payments[&sequence].clone();
            let hash = payment.hash();
            match next_of(&payment) {
                Next::Send if options.resume_sending && self.may_send(&payment) => {
                    // What is known counts first: it may end the sending.
                    if !self.take_one(sequence, script, &mut refused) {
                        return ResumeOutcome::MaySend;
                    }
                }
                Next::Send => {
                    let given_up = self.apply(&Operation::Fail(hash, FailureReason::NoRoute));
                    given_up.expect("an unfinished payment is given up");
                }
                Next::Exit => {
                    if !options.keep_failed_attempts {
                        let pruned = self.apply(&Operation::DeleteFailedAttempts(hash));
                        assert!(pruned.is_ok());
                    }
                    return ResumeOutcome::Done;
                }
                Next::Impossible => return ResumeOutcome::Internal,
                Next::Wait => {
                    if !self.take_one(sequence, script, &mut refused) {
                        return ResumeOutcome::Waiting;
                    }
                }
            }
        }
    }

    /// Takes the first answer there is; false without one.
    fn take_one(
        &mut self,
        sequence: u64,
        script: &Script,
        refused: &mut BTreeSet<AttemptKey>,
    ) -> bool {
        let open = self.in_flight(sequence).into_iter().find_map(|attempt| {
            let key = attempt.request.key;
            let answer = self.answer(&attempt, script);
            let left = refused.contains(&key) || script.skipped.contains(&key);
            (!left && answer != Answer::Pending).then_some((key, answer))
        });
        let Some((key, answer)) = open else { return false };
        if !self.take(sequence, key, answer) {
            refused.insert(key);
        }
        true
    }

    fn may_send(&self, payment: &Payment) -> bool {
        let deadline = payment.init.intent.as_ref().map(|intent| intent.deadline_unix_ns);
        deadline.is_some_and(|deadline| deadline == 0 || self.now_unix_ns() < deadline)
    }

    fn take(&mut self, sequence: u64, key: AttemptKey, answer: Answer) -> bool {
        let hash = self.payments[&sequence].hash();
        let reason = match answer {
            Answer::FailedFinal(_) => Some(FailureReason::IncorrectPaymentDetails),
            Answer::Error => Some(FailureReason::Error),
            _ => None,
        };
        if let Some(reason) = reason {
            self.apply(&Operation::Fail(hash, reason)).expect("it is in flight");
        }
        match answer {
            Answer::Settled(preimage) => {
                let settle = Settle { preimage, settled_unix_ns: self.now_unix_ns() };
                let operation = Operation::Settle(hash, key, settle, Strictness::default());
                let told = self.apply(&operation);
                assert!(told.is_ok() || told == Err(Status::BadPreimage));
                told.is_ok()
            }
            Answer::Failed(failure) | Answer::FailedFinal(failure) => {
                self.fail_with(sequence, key, failure)
            }
            Answer::Error | Answer::Unknown => {
                self.fail_with(sequence, key, Failure::new(AttemptFailure::Internal))
            }
            Answer::Pending => unreachable!("there is nothing to take"),
        }
    }
}

/// What a sender's loop does next.
enum Next {
    Send,
    Wait,
    Exit,
    Impossible,
}

fn next_of(payment: &Payment) -> Next {
    let remains = sent(payment).0 < u128::from(payment.init.amount_msat);
    let settled = payment.attempts.iter().any(|one| one.state() == AttemptState::Settled);
    let given_up = payment.failure_reason.is_some();
    match (payment.status, remains) {
        (PaymentStatus::Initiated, true) => Next::Send,
        (PaymentStatus::InFlight, true) if !settled && !given_up => Next::Send,
        (PaymentStatus::InFlight, _) => Next::Wait,
        (PaymentStatus::Failed, true) | (PaymentStatus::Succeeded, false) => Next::Exit,
        (PaymentStatus::Succeeded, true) => Next::Impossible,
        (PaymentStatus::Initiated | PaymentStatus::Failed, false) => Next::Impossible,
    }
}
