//! What the payments' rows must say about each other (PI1 to PI4 of `table`), for a check of the whole file.
//!
//! Some 40 bytes of each payment are kept until its head is met, which comes after all its other rows: in
//! trees, which ask for memory in small pieces.

use std::collections::{BTreeMap, BTreeSet};

use super::payment::AttemptState;
use super::record::{self, HashRow, Head, KeyRow};
use super::rules::decide_status;
use crate::store::heads::Heads;
use crate::store::tables::Table;
use crate::store::walk::References;
use crate::types::AttemptKey;

type Disagreement = (Table, Vec<u8>, String);

/// What the rows of one sequence say, before its head.
#[derive(Debug, Default)]
struct Parts {
    attempts: u32,
    settled: u32,
    failed: u32,
    has_details: bool,
    /// The first bytes of the hash whose row leads here, and how many rows do.
    hash: Option<[u8; 8]>,
    hashes: u32,
}

/// Rows of payments, as a walk meets them: ids, attempts, details, hashes, keys, outcomes, heads, doomed and
/// unfinished sequences.
#[derive(Debug, Default)]
pub(crate) struct PaymentReferences {
    parts: BTreeMap<u64, Parts>,
    /// For each sequence, the attempts that only one of `payment_attempt_ids` and `payment_attempts` has.
    unpaired: BTreeSet<(u64, AttemptKey)>,
    unfinished: BTreeSet<u64>,
    /// Sequences that have a head, as runs from first to last: they are met in order and nearly dense.
    heads: BTreeMap<u64, u64>,
    /// Sequences of which a row could not be read: nothing else is blamed for it.
    excused: BTreeSet<u64>,
    hash_row_damaged: bool,
    found: Vec<Disagreement>,
}

impl References for PaymentReferences {
    fn row(&mut self, table: Table, key: &[u8], body: &[u8]) -> Option<String> {
        let undecoded = |read: Option<()>| match read {
            Some(()) => None,
            None => Some("the row does not decode".to_owned()),
        };
        match table {
            Table::PaymentAttemptIds => self.pair(attempt_of_id_row(key)),
            Table::PaymentAttempts => return undecoded(self.attempt(key, body)),
            Table::PaymentDetails => return undecoded(self.details(key, body)),
            Table::PaymentHashes => return undecoded(self.hash(key, body)),
            Table::PaymentKeys => return undecoded(KeyRow::decode(body).map(|_| ())),
            Table::PaymentOutcomes => return undecoded(self.outcome(key, body)),
            Table::Payments => return self.head(key, body),
            Table::PaymentsDoomed => return self.doomed(sequence_of(key)),
            Table::PaymentsUnfinished => return self.unfinished(key),
            _ => {}
        }
        None
    }

    fn damaged(&mut self, table: Table, key: &[u8]) {
        let attempt = record::decode_attempt_row_key(key);
        match table {
            Table::PaymentAttemptIds => self.pair(attempt_of_id_row(key)),
            Table::PaymentAttempts => {
                self.pair(attempt);
                self.excused.extend(attempt.map(|(sequence, _)| sequence));
            }
            Table::PaymentOutcomes => {
                self.excused.extend(attempt.map(|(sequence, _)| sequence));
            }
            Table::Payments => {
                self.has_head(sequence_of(key));
                self.excused.insert(sequence_of(key));
            }
            Table::PaymentDetails | Table::PaymentsDoomed => {
                self.excused.insert(sequence_of(key));
            }
            Table::PaymentsUnfinished => drop(self.unfinished.remove(&sequence_of(key))),
            Table::PaymentHashes => self.hash_row_damaged = true,
            _ => {}
        }
    }

    fn disagreements(&mut self, _heads: &Heads) -> Vec<Disagreement> {
        for sequence in std::mem::take(&mut self.unfinished) {
            let fault = "the payment is unfinished and the index lacks it".to_owned();
            self.found.push((Table::Payments, sequence.to_be_bytes().to_vec(), fault));
        }
        for (sequence, key) in std::mem::take(&mut self.unpaired) {
            let fault = "only one of the attempt and its row by id is there".to_owned();
            let row = record::id_row_key(sequence, key).to_vec();
            self.found.push((Table::PaymentAttemptIds, row, fault));
        }
        for (sequence, parts) in std::mem::take(&mut self.parts) {
            if self.excused.contains(&sequence) {
                continue;
            }
            let (table, fault) = match parts.hash {
                Some(_) => (Table::PaymentHashes, "the hash leads to no payment"),
                None => (Table::PaymentAttempts, "rows of no payment, and not queued for removal"),
            };
            self.found.push((table, sequence.to_be_bytes().to_vec(), fault.to_owned()));
        }
        std::mem::take(&mut self.found)
    }
}

impl PaymentReferences {
    fn of(&mut self, key: &[u8]) -> &mut Parts {
        self.parts.entry(sequence_of(key)).or_default()
    }

    /// An attempt met in one of the two tables: the second time it is paired.
    fn pair(&mut self, attempt: Option<(u64, AttemptKey)>) {
        let Some(attempt) = attempt else { return };
        if !self.unpaired.remove(&attempt) {
            self.unpaired.insert(attempt);
        }
    }

    fn attempt(&mut self, key: &[u8], body: &[u8]) -> Option<()> {
        let attempt = record::decode_attempt_row_key(key)?;
        self.pair(Some(attempt));
        self.of(key).attempts += 1;
        if !record::is_attempt(attempt.1, body) {
            self.excused.insert(attempt.0);
            return None;
        }
        Some(())
    }

    fn outcome(&mut self, key: &[u8], body: &[u8]) -> Option<()> {
        let (sequence, _) = record::decode_attempt_row_key(key)?;
        match record::decode_state(body) {
            Some(AttemptState::Settled) => self.of(key).settled += 1,
            Some(_) => self.of(key).failed += 1,
            None => {
                self.excused.insert(sequence);
                return None;
            }
        }
        Some(())
    }

    fn hash(&mut self, key: &[u8], body: &[u8]) -> Option<()> {
        let Some(row) = HashRow::decode(body) else {
            self.hash_row_damaged = true;
            return None;
        };
        if let HashRow::Live(sequence) = row {
            let parts = self.parts.entry(sequence).or_default();
            parts.hash = Some(first_bytes(key));
            parts.hashes = parts.hashes.saturating_add(1);
        }
        Some(())
    }

    fn details(&mut self, key: &[u8], body: &[u8]) -> Option<()> {
        self.of(key).has_details = true;
        if record::are_details(body) {
            return Some(());
        }
        self.excused.insert(sequence_of(key));
        None
    }

    /// PI4: a purge would take the attempts of a payment that is there.
    fn doomed(&mut self, sequence: u64) -> Option<String> {
        let parts = self.parts.remove(&sequence).unwrap_or_default();
        let run = self.heads.range(..=sequence).next_back();
        if run.is_some_and(|(_, last)| *last >= sequence) {
            return Some("the payment is there and queued for removal".to_owned());
        }
        let excused = self.excused.contains(&sequence);
        if parts.hash.is_some() && !excused {
            let fault = "the hash leads to no payment".to_owned();
            self.found.push((Table::PaymentHashes, sequence.to_be_bytes().to_vec(), fault));
        }
        (parts.has_details && !excused)
            .then(|| "the payment is queued for removal and its details are there".to_owned())
    }

    /// Remembers that a sequence has a head, damaged or not.
    fn has_head(&mut self, sequence: u64) {
        match self.heads.last_entry() {
            Some(mut run) if run.get().checked_add(1) == Some(sequence) => {
                *run.get_mut() = sequence;
            }
            _ => drop(self.heads.insert(sequence, sequence)),
        }
    }

    fn head(&mut self, key: &[u8], body: &[u8]) -> Option<String> {
        let sequence = sequence_of(key);
        self.has_head(sequence);
        let parts = self.parts.remove(&sequence).unwrap_or_default();
        let Some(head) = Head::decode(body) else {
            self.excused.insert(sequence);
            return Some("the payment does not decode".to_owned());
        };
        if !head.status.is_terminal() {
            self.unfinished.insert(sequence);
        }
        if self.excused.contains(&sequence) {
            return None;
        }
        self.compare(&head, &parts)
    }

    fn compare(&self, head: &Head, parts: &Parts) -> Option<String> {
        let [in_flight, settled, failed] = head.attempts;
        let counted = (u64::from(parts.attempts), parts.settled, parts.failed);
        let reason = head.failure_reason.is_some();
        let status = decide_status(in_flight != 0, settled != 0, failed != 0, reason);
        if counted != (head.attempts_len(), settled, failed) {
            return Some(format!(
                "the payment counts {:?} attempts by state, and its rows are {counted:?}",
                head.attempts
            ));
        }
        if status != head.status {
            return Some(format!("the payment is {:?} and should be {status:?}", head.status));
        }
        if !parts.has_details {
            return Some("the payment has no details".to_owned());
        }
        if parts.hashes > 1 {
            return Some("more than one hash leads to the payment".to_owned());
        }
        let led_here = parts.hash == Some(first_bytes(&head.hash.0));
        (!led_here && !self.hash_row_damaged)
            .then(|| "the row of its hash does not lead to the payment".to_owned())
    }

    fn unfinished(&mut self, key: &[u8]) -> Option<String> {
        let sequence = sequence_of(key);
        let listed = self.unfinished.remove(&sequence) || self.excused.contains(&sequence);
        (!listed).then(|| "the index lists a payment that is not unfinished".to_owned())
    }
}

fn sequence_of(key: &[u8]) -> u64 {
    key.get(..8).and_then(|key| key.try_into().ok()).map_or(0, u64::from_be_bytes)
}

fn first_bytes(hash: &[u8]) -> [u8; 8] {
    hash.get(..8).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
}

fn attempt_of_id_row(key: &[u8]) -> Option<(u64, AttemptKey)> {
    let (attempt, sequence) = key.split_at_checked(AttemptKey::BYTES)?;
    let attempt = AttemptKey::from_bytes(attempt.try_into().ok()?);
    Some((u64::from_be_bytes(sequence.try_into().ok()?), attempt))
}
