//! The attempt store as the specification says, as far as payments and their hosts touch it.

use std::collections::BTreeMap;

use lnkeep::attempts::rules::Retain;
use lnkeep::attempts::{Attempt, AttemptResult, Ending, Flags, Operation, State};
use lnkeep::limits::TEMPORARY_NODE_FAILURE;
use lnkeep::{AttemptKey, PaymentHash, Preimage, Status};

/// What is known of one attempt id.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub state: State,
    pub hash: Option<PaymentHash>,
    pub result: Option<AttemptResult>,
    pub acked: bool,
    /// A payment's attempt was registered with it.
    pub of_payment: bool,
}

/// All records of the attempt store.
#[derive(Clone)]
pub struct Records {
    pub lnd: bool,
    pub records: BTreeMap<AttemptKey, Record>,
}

impl Record {
    fn intent(hash: Option<PaymentHash>) -> Record {
        Record { state: State::Intent, hash, result: None, acked: false, of_payment: false }
    }

    pub fn seen(attempt: &Attempt) -> Record {
        Record {
            state: attempt.state,
            hash: attempt.payment_hash,
            result: attempt.result.clone(),
            acked: attempt.flags.has(Flags::ACKED),
            of_payment: attempt.flags.has(Flags::OF_PAYMENT),
        }
    }
}

impl Records {
    pub fn new(lnd: bool) -> Records {
        Records { lnd, records: BTreeMap::new() }
    }

    /// The record of an attempt that a payment registers: its id must be new.
    pub fn register(&mut self, key: AttemptKey, hash: PaymentHash) -> Result<(), Status> {
        if self.records.contains_key(&key) {
            return Err(Status::AttemptIdExists);
        }
        self.records.insert(key, Record { of_payment: true, ..Record::intent(Some(hash)) });
        Ok(())
    }

    /// A payment settles its attempt: the record settles with it and is acknowledged.
    pub fn settled_by_payment(
        &mut self,
        key: AttemptKey,
        preimage: &Preimage,
    ) -> Result<(), Status> {
        let Some(record) = self.records.get(&key) else { return Ok(()) };
        match record.state {
            State::Deleted => return Ok(()),
            State::Settled => {}
            State::Intent | State::HandedOff | State::Failed => {
                self.store_result(key, &AttemptResult::settle(preimage.clone()))?;
            }
        }
        self.acknowledge(key);
        Ok(())
    }

    /// A payment fails its attempt: refused where the HTLC may be out or its settle is known.
    pub fn failed_by_payment(&mut self, key: AttemptKey, forced: bool) -> Result<(), Status> {
        let Some(record) = self.records.get_mut(&key) else { return Ok(()) };
        match record.state {
            State::Deleted => return Ok(()),
            State::Settled => return Err(Status::Conflict),
            State::Failed => {}
            State::HandedOff if !forced => return Err(Status::HandedOff),
            State::Intent | State::HandedOff => {
                record.state = State::Failed;
                record.result = Some(AttemptResult::local_failure(TEMPORARY_NODE_FAILURE));
            }
        }
        self.acknowledge(key);
        Ok(())
    }

    fn acknowledge(&mut self, key: AttemptKey) {
        if let Some(record) = self.records.get_mut(&key) {
            record.acked = true;
        }
    }

    /// A host's own call to the attempt store.
    pub fn apply(&mut self, operation: &Operation) -> Result<Status, Status> {
        match operation {
            Operation::Init(request) => match self.records.get(&request.key) {
                None => {
                    self.records.insert(request.key, Record::intent(request.payment_hash));
                    Ok(Status::Done)
                }
                Some(known) => {
                    let differs = known.hash.zip(request.payment_hash).is_some_and(|(a, b)| a != b);
                    let mismatch = differs && !self.lnd;
                    if mismatch {
                        Err(Status::FingerprintMismatch)
                    } else {
                        Ok(Status::AlreadyExists)
                    }
                }
            },
            Operation::MarkHandedOff(key) => {
                let known = self.records.get_mut(key).ok_or(Status::NotFound)?;
                match known.state {
                    State::Intent => {
                        known.state = State::HandedOff;
                        Ok(Status::Done)
                    }
                    State::HandedOff => Ok(Status::Already),
                    State::Settled | State::Failed => Err(Status::NotPending),
                    State::Deleted => Err(Status::Deleted),
                }
            }
            Operation::StoreResult(key, result) => self.store_result(*key, result),
            Operation::Ack(key) => {
                let known = self.records.get_mut(key).ok_or(Status::NotFound)?;
                match known.state {
                    State::Intent | State::HandedOff => Err(Status::ResultPending),
                    State::Deleted => Ok(Status::Already),
                    _ if std::mem::replace(&mut known.acked, true) => Ok(Status::Already),
                    _ => Ok(Status::Done),
                }
            }
            Operation::Delete(key, retain) => self.delete(*key, *retain),
            other => unreachable!("{other:?} is not generated"),
        }
    }

    fn store_result(&mut self, key: AttemptKey, result: &AttemptResult) -> Result<Status, Status> {
        let lnd = self.lnd;
        let known = self.records.entry(key).or_insert_with(|| Record::intent(None));
        let preimage = match &result.ending {
            Ending::Settle(preimage) => Some(preimage),
            Ending::Fail { .. } => None,
        };
        let wanted = known.hash.filter(|_| preimage.is_some());
        if wanted != preimage.filter(|_| wanted.is_some()).map(Preimage::payment_hash) {
            return Err(Status::BadPreimage);
        }
        match known.state {
            State::Deleted => return Err(Status::Conflict),
            State::Settled | State::Failed if !lnd => {
                if known.result.as_ref() == Some(result) {
                    return Ok(Status::Already);
                }
                if known.state == State::Settled || preimage.is_none() {
                    return Err(Status::Conflict);
                }
                known.acked = false;
            }
            _ => {}
        }
        known.state = result.state();
        known.result = Some(result.clone());
        Ok(Status::Done)
    }

    fn delete(&mut self, key: AttemptKey, retain: Retain) -> Result<Status, Status> {
        let known = self.records.get_mut(&key).ok_or(Status::NotFound)?;
        match known.state {
            State::Intent | State::HandedOff => return Err(Status::Pending),
            State::Deleted => return Err(Status::NotFound),
            // Its payment has to take the result first.
            State::Settled | State::Failed if known.of_payment && !known.acked => {
                return Err(Status::Pending);
            }
            State::Settled | State::Failed => {}
        }
        if retain == Retain::Forget {
            self.records.remove(&key);
        } else {
            *known = Record { state: State::Deleted, hash: None, result: None, ..known.clone() };
        }
        Ok(Status::Done)
    }
}
