//! The auditor's notebook: what the applications of both nodes asked for and were told. It belongs to the
//! world outside of the nodes, so a kill does not take it away.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use bitcoin::hashes::{Hash, sha256};
use lightning::types::payment::{PaymentHash, PaymentPreimage};

/// What is known of one payment.
#[derive(Default)]
pub struct Payment {
    /// The payer was told that it failed, and may try again.
    pub is_open: bool,
    /// Numbers of the events that told the payer of its success.
    pub sent: BTreeSet<u64>,
    /// Numbers of the events that told the payee of its money.
    pub claimed: BTreeSet<u64>,
}

/// See the module.
pub struct Ledger {
    file: File,
    /// By the payment's number.
    pub payments: BTreeMap<u64, Payment>,
    by_hash: BTreeMap<PaymentHash, u64>,
    /// Channels that were asked for.
    pub opens: u64,
}

/// The secret of a payment.
pub fn preimage(number: u64) -> PaymentPreimage {
    PaymentPreimage(sha256::Hash::hash(&number.to_be_bytes()).to_byte_array())
}

/// The hash that it is paid by.
pub fn hash(number: u64) -> PaymentHash {
    preimage(number).into()
}

/// Some are too small for an output of their own.
pub fn amount_msat(number: u64) -> u64 {
    if number.is_multiple_of(5) { 90_000 + number } else { 20_000_000 + 1000 * number }
}

/// Whether the first node pays the second one.
pub fn is_forth(number: u64) -> bool {
    preimage(number).0[0] & 1 == 0
}

impl Ledger {
    /// The notes of the file, or none.
    pub fn open(path: &Path) -> io::Result<Ledger> {
        let text = fs::read_to_string(path).unwrap_or_default();
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (payments, by_hash) = (BTreeMap::new(), BTreeMap::new());
        let mut ledger = Ledger { file, payments, by_hash, opens: 0 };
        // A line that a kill cut off is completed by nobody: what it told is told again.
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            ledger.apply(line);
        }
        if !text.is_empty() && !text.ends_with('\n') {
            ledger.file.write_all(b"\n")?;
        }
        Ok(ledger)
    }

    /// Notes a fact. Once this returns, a kill does not take it back.
    pub fn note(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes())?;
        self.apply(line);
        Ok(())
    }

    fn apply(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let word = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
        let payment = word(1).map(|number| {
            self.by_hash.insert(hash(number), number);
            self.payments.entry(number).or_default()
        });
        match (words[0], payment, word(2)) {
            ("pay", Some(payment), _) => payment.is_open = payment.sent.is_empty(),
            ("sent", Some(payment), Some(event)) => {
                payment.is_open = false;
                payment.sent.insert(event);
            }
            ("claimed", Some(payment), Some(event)) => {
                payment.claimed.insert(event);
            }
            ("open", None, _) => self.opens += 1,
            _ => {}
        }
    }

    /// The payment of a hash.
    pub fn number(&self, hash: PaymentHash) -> Option<u64> {
        self.by_hash.get(&hash).copied()
    }

    /// Payments that the payer is not told the end of.
    pub fn open_payments(&self) -> Vec<u64> {
        let open = self.payments.iter().filter(|(_, payment)| payment.is_open);
        open.map(|(number, _)| *number).collect()
    }

    /// What the first node gave the second one on the whole, in msat.
    pub fn balance_msat(&self) -> i64 {
        let claimed = self.payments.iter().filter(|(_, payment)| !payment.claimed.is_empty());
        claimed
            .map(|(number, _)| {
                let amount = amount_msat(*number) as i64;
                if is_forth(*number) { amount } else { -amount }
            })
            .sum()
    }

    /// What a payment must not look like. That its money moved once is for the balances to tell: LDK tells
    /// of a claim and of a success again, as a new event, when a restart finds them still in its monitors.
    pub fn contradictions(&self) -> Vec<String> {
        let ended = self.payments.iter().filter(|(_, payment)| !payment.is_open);
        ended
            .filter(|(_, payment)| payment.sent.is_empty() || payment.claimed.is_empty())
            .map(|(number, payment)| {
                let (sent, claimed) = (payment.sent.len(), payment.claimed.len());
                format!("payment {number} was told as sent {sent} and as claimed {claimed} times")
            })
            .collect()
    }

    /// Events that told something for the second time.
    pub fn repetitions(&self) -> usize {
        let told = self.payments.values().map(|payment| payment.sent.len() + payment.claimed.len());
        let once = self.payments.values().filter(|payment| !payment.is_open).count() * 2;
        told.sum::<usize>().saturating_sub(once)
    }
}
