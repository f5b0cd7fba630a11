//! What the node was told is durable, as plain values; and reading the same out of a store.
//!
//! A call that changes something has two models: the one before it and the one after it. Until it is
//! answered either may be found after a crash, and no other.

use std::collections::{BTreeMap, BTreeSet};

use lnkeep::attempts::State;
use lnkeep::monitors::{OutputClass, Stage};
use lnkeep::payments::{AttemptState, PaymentStatus};
use lnkeep::{AttemptId, AttemptKey, ChannelId, Namespace, PaymentHash, Preimage, Status};
use sha2::{Digest as _, Sha256};

use crate::node::Node;

/// What every attempt pays on its way.
pub const FEE_MSAT: u64 = 10;

/// The attempt store's record of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Record {
    Intent,
    HandedOff,
    Failed,
    Settled,
}

/// What the payment says of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Held {
    InFlight,
    Failed,
    Settled,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    pub hash: u64,
    pub amount_msat: u64,
    pub record: Record,
    /// `None` once the payment that it belonged to was deleted or started over.
    pub held: Option<Held>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payment {
    pub amount_msat: u64,
    pub is_given_up: bool,
    /// It was paid and its history deleted.
    pub is_tombstone: bool,
}

/// A channel: its tip, and which of its updates added an HTLC of ours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Channel {
    pub latest: u64,
    pub htlcs: Vec<(u64, u64)>,
    pub is_archived: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Model {
    pub parts: BTreeMap<u64, Part>,
    pub payments: BTreeMap<u64, Payment>,
    pub channels: BTreeMap<u64, Channel>,
    pub manager: Option<Vec<u8>>,
    /// Tags of durable outputs that nobody acknowledged.
    pub outputs: BTreeSet<u64>,
    /// Incoming channel and id of what was forwarded, and where to.
    pub forwards: BTreeMap<(u64, u64), u64>,
}

pub fn key(id: u64) -> AttemptKey {
    AttemptKey::new(Namespace::default(), id)
}

pub fn preimage(hash: u64) -> Preimage {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&hash.to_le_bytes());
    Preimage::new(bytes)
}

pub fn payment_hash(hash: u64) -> PaymentHash {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&hash.to_le_bytes());
    PaymentHash(Sha256::digest(bytes).into())
}

pub fn channel_id(number: u64) -> ChannelId {
    let mut bytes = [3; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    ChannelId(bytes)
}

impl Model {
    pub fn parts_of(&self, hash: u64) -> impl Iterator<Item = (u64, &Part)> {
        let its = move |(_, part): &(&u64, &Part)| part.hash == hash && part.held.is_some();
        self.parts.iter().filter(its).map(|(id, part)| (*id, part))
    }

    pub fn sum_msat(&self, hash: u64, held: Held) -> u64 {
        let parts = self.parts_of(hash).filter(|(_, part)| part.held == Some(held));
        parts.map(|(_, part)| part.amount_msat).sum()
    }

    pub fn has(&self, hash: u64, held: Held) -> bool {
        self.parts_of(hash).any(|(_, part)| part.held == Some(held))
    }

    /// Nothing is out, nothing settled, and nothing will be sent.
    pub fn is_failed(&self, hash: u64) -> bool {
        self.payments.get(&hash).is_some_and(|payment| payment.is_given_up)
            && !self.has(hash, Held::InFlight)
            && !self.has(hash, Held::Settled)
    }

    /// What may still be sent, if anything may.
    pub fn payable_msat(&self, hash: u64) -> u64 {
        match self.payments.get(&hash) {
            Some(payment)
                if !payment.is_given_up
                    && !payment.is_tombstone
                    && !self.has(hash, Held::Settled) =>
            {
                payment.amount_msat.saturating_sub(self.sum_msat(hash, Held::InFlight))
            }
            _ => 0,
        }
    }

    /// The parts of a hash belong to no payment any more.
    pub fn let_go(&mut self, hash: u64) {
        for part in self.parts.values_mut().filter(|part| part.hash == hash) {
            part.held = None;
        }
    }

    /// Whether each fact is that of `before` or of `after`: for calls of several commits.
    pub fn is_between(&self, before: &Model, after: &Model) -> bool {
        let with = |first: &Model, second: &Model| {
            let mut mixed = self.clone();
            for (id, part) in &mut mixed.parts {
                let (Some(one), Some(other)) = (first.parts.get(id), second.parts.get(id)) else {
                    return false;
                };
                let is_one_of = (part.record == one.record || part.record == other.record)
                    && (part.held == one.held || part.held == other.held);
                if !is_one_of {
                    return false;
                }
                *part = one.clone();
            }
            for (hash, payment) in &mut mixed.payments {
                let (Some(one), Some(other)) =
                    (first.payments.get(hash), second.payments.get(hash))
                else {
                    return false;
                };
                if *payment != *one && *payment != *other {
                    return false;
                }
                *payment = one.clone();
            }
            let are_known = mixed.forwards.iter().all(|(which, to)| {
                first.forwards.get(which) == Some(to) || second.forwards.get(which) == Some(to)
            });
            let stay = |which: &&(u64, u64)| second.forwards.contains_key(*which);
            let mut both = first.forwards.keys().filter(stay);
            if !are_known || !both.all(|which| mixed.forwards.contains_key(which)) {
                return false;
            }
            mixed.forwards.clone_from(&first.forwards);
            mixed == *first
        };
        with(before, after)
    }

    /// What a store holds, as far as these ids and hashes reach; or what it cannot read.
    pub fn read(node: &Node, ids: u64, hashes: u64) -> Result<Model, lnkeep::Error> {
        let mut model = Model::default();
        read_parts(node, ids, &mut model)?;
        for hash in 1..=hashes {
            read_payment(node, hash, &mut model)?;
        }
        read_channels(node, &mut model)?;
        for pending in node.resources.pending()? {
            model.forwards.insert((pending.incoming.0, pending.htlc_id), pending.outgoing.0);
        }
        Ok(model)
    }
}

fn read_parts(node: &Node, ids: u64, model: &mut Model) -> Result<(), lnkeep::Error> {
    for id in 1..=ids {
        let attempt = match node.attempts.get(key(id)) {
            Ok(attempt) => attempt,
            Err(error) if error.status() == Status::NotFound => continue,
            Err(error) => return Err(error),
        };
        let record = match attempt.state {
            State::Intent => Record::Intent,
            State::HandedOff => Record::HandedOff,
            State::Failed => Record::Failed,
            State::Settled => Record::Settled,
            State::Deleted => continue,
        };
        let hash = attempt.payment_hash.map_or(0, number_of);
        // The record tells what the first hop carries.
        let amount_msat = attempt.amount_msat.saturating_sub(FEE_MSAT);
        model.parts.insert(id, Part { hash, amount_msat, record, held: None });
    }
    Ok(())
}

thread_local! {
    static NUMBERS: std::cell::RefCell<std::collections::HashMap<PaymentHash, u64>> =
        std::cell::RefCell::default();
}

/// Which hash it is: the other way round than `payment_hash`.
fn number_of(hash: PaymentHash) -> u64 {
    NUMBERS.with_borrow_mut(|numbers| {
        if numbers.is_empty() {
            numbers.extend((1..512).map(|number| (payment_hash(number), number)));
        }
        numbers.get(&hash).copied().unwrap_or(0)
    })
}

fn read_payment(node: &Node, hash: u64, model: &mut Model) -> Result<(), lnkeep::Error> {
    let payment = match node.payments.fetch(payment_hash(hash)) {
        Ok(payment) => payment,
        Err(error) if error.status() == Status::PaymentNotInitiated => return Ok(()),
        Err(error) => return Err(error),
    };
    for attempt in &payment.attempts {
        let held = match attempt.state() {
            AttemptState::InFlight => Held::InFlight,
            AttemptState::Failed => Held::Failed,
            AttemptState::Settled => Held::Settled,
        };
        let AttemptId(id) = attempt.request.key.id;
        // Without a record it is no attempt of ours: the comparison shows it.
        let amount_msat = attempt.request.amount_msat;
        let bare = Part { hash, amount_msat, record: Record::Intent, held: None };
        model.parts.entry(id).or_insert(bare).held = Some(held);
    }
    let is_given_up = payment.failure_reason.is_some();
    let amount_msat = payment.init.amount_msat;
    model.payments.insert(hash, Payment { amount_msat, is_given_up, is_tombstone: false });
    let settled = model.has(hash, Held::Settled);
    let in_flight = model.has(hash, Held::InFlight);
    let wanted = match (in_flight, settled, is_given_up) {
        (true, _, _) => PaymentStatus::InFlight,
        (false, true, _) => PaymentStatus::Succeeded,
        (false, false, true) => PaymentStatus::Failed,
        (false, false, false) if payment.attempts.is_empty() => PaymentStatus::Initiated,
        (false, false, false) => PaymentStatus::InFlight,
    };
    if payment.status != wanted {
        let fact = format!("payment {hash} is {:?} and should be {wanted:?}", payment.status);
        return Err(lnkeep::Error::new(Status::Internal, fact));
    }
    Ok(())
}

fn read_channels(node: &Node, model: &mut Model) -> Result<(), lnkeep::Error> {
    let mut ids: Vec<(ChannelId, bool)> = Vec::new();
    for stage in [Stage::Active, Stage::Archived] {
        let found = node.monitors.channels(stage, None, 1_000)?;
        ids.extend(found.into_iter().map(|found| (found.channel, stage == Stage::Archived)));
    }
    for (id, is_archived) in ids {
        let number = u64::from_be_bytes(id.0[..8].try_into().expect("eight bytes"));
        let monitor = node.monitors.load(id)?;
        let mut channel = Channel { is_archived, ..Channel::default() };
        let damaged = || lnkeep::Error::new(Status::CorruptRecord, format!("channel {number}"));
        if monitor.summary.damage.is_some() {
            return Err(damaged());
        }
        channel.restore(monitor.snapshot.as_deref().ok_or_else(damaged)?);
        for (update, bytes) in &monitor.updates {
            channel.apply(*update, bytes);
        }
        model.channels.insert(number, channel);
    }
    model.manager = node.monitors.manager()?;
    Ok(())
}

impl Channel {
    pub fn snapshot(&self) -> Vec<u8> {
        let mut bytes = self.latest.to_le_bytes().to_vec();
        for (update, attempt) in &self.htlcs {
            bytes.extend_from_slice(&update.to_le_bytes());
            bytes.extend_from_slice(&attempt.to_le_bytes());
        }
        bytes
    }

    fn restore(&mut self, bytes: &[u8]) {
        let numbers: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|part| u64::from_le_bytes(part.try_into().expect("eight bytes")))
            .collect();
        self.latest = numbers.first().copied().unwrap_or(0);
        self.htlcs = numbers[1..].chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    }

    /// The bytes of an update that adds an HTLC, or none: 0.
    pub fn update(update: u64, attempt: u64) -> Vec<u8> {
        let mut bytes = update.to_le_bytes().to_vec();
        bytes.extend_from_slice(&attempt.to_le_bytes());
        bytes.resize(48 + (update % 7 * 40) as usize, update as u8);
        bytes
    }

    pub fn apply(&mut self, update: u64, bytes: &[u8]) {
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
        if number(0) == update && bytes == Channel::update(update, number(8)) {
            self.latest = update;
            if number(8) != 0 {
                self.htlcs.push((update, number(8)));
            }
        }
    }
}

/// What is queued for a commit of the monitors, in order.
#[derive(Clone, Debug)]
pub enum Entry {
    New(u64),
    Update { channel: u64, update: u64, attempt: u64 },
    Snapshot,
    Archive(u64),
    Output { class: OutputClass, tag: u64 },
}

impl Model {
    pub fn commit(&mut self, entries: &[Entry], manager: &[u8], acknowledged: &BTreeSet<u64>) {
        for entry in entries {
            match entry {
                Entry::New(channel) => {
                    let first = Channel { latest: 1, ..Channel::default() };
                    self.channels.insert(*channel, first);
                }
                Entry::Update { channel, update, attempt } => {
                    let channel = self.channels.entry(*channel).or_default();
                    channel.apply(*update, &Channel::update(*update, *attempt));
                }
                Entry::Snapshot => {}
                Entry::Archive(channel) => {
                    self.channels.entry(*channel).or_default().is_archived = true;
                }
                Entry::Output { class: OutputClass::Durable, tag } => {
                    self.outputs.insert(*tag);
                }
                Entry::Output { class: OutputClass::Volatile, .. } => {}
            }
        }
        self.manager = Some(manager.to_vec());
        self.outputs.retain(|tag| !acknowledged.contains(tag));
    }
}
