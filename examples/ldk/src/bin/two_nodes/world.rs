//! Both nodes, the wire between them, their applications, and what the auditor asks of them.
//!
//! A1 nothing but this process's random steps decides when a node commits, so every order of messages and
//!    commits occurs. A2 what an application is told is in the ledger before it acknowledges.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};

use bitcoin::{Amount, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};
use lightning::events::Event;
use lightning::ln::channelmanager::{PaymentId, RecentPaymentDetails, RecipientOnionFields};
use lightning::ln::msgs::MessageSendEvent;
use lightning::routing::router::{
    Path as Hops, PaymentParameters, Route, RouteHop, RouteParameters,
};
use lightning::types::features::{ChannelFeatures, NodeFeatures};
use lnkeep_ldk::Released;

use crate::chain::{Chain, coin};
use crate::ledger::{self, Ledger};
use crate::messages::deliver;
use crate::random::Random;
use crate::wiring::Node;
use crate::{Failure, Mode};

const CHANNEL_SATS: u64 = 10_000_000;
const PUSHED_MSAT: u64 = CHANNEL_SATS * 1000 / 2;
/// Payments under way at a time.
const OPEN_PAYMENTS_MAX: usize = 6;
/// Blocks between an HTLC and its end.
const FINAL_CLTV_DELTA: u32 = 144;

/// See the module.
pub struct World {
    directory: PathBuf,
    mode: Mode,
    chain: Chain,
    ledger: Ledger,
    random: Random,
    /// Two of them.
    nodes: Vec<Node>,
    /// To the node of the index.
    wires: [VecDeque<MessageSendEvent>; 2],
    /// Then the wire breaks, or one node alone crashes.
    commits_until_break: u64,
}

impl World {
    /// Opens the world of a directory as a kill left it.
    pub fn open(directory: &Path, mode: Mode, seed: u64) -> Result<World, Failure> {
        let chain = Chain::open(&directory.join("chain"))?;
        let ledger = Ledger::open(&directory.join("ledger"))?;
        let nodes = vec![
            Node::open(1, &directory.join("node-1"), mode, &chain)?,
            Node::open(2, &directory.join("node-2"), mode, &chain)?,
        ];
        let mut world = World {
            directory: directory.to_owned(),
            mode,
            chain,
            ledger,
            random: Random::new(seed),
            nodes,
            wires: Default::default(),
            commits_until_break: 100,
        };
        world.connect()?;
        Ok(world)
    }

    fn connect(&mut self) -> Result<(), Failure> {
        let (first, second) = (&self.nodes[0], &self.nodes[1]);
        first.connect(second, false)?;
        second.connect(first, true)?;
        // What the applications were not told before the crash comes before they decide anything.
        for index in 0..2 {
            self.release(index)?;
        }
        self.pay_again()
    }

    fn disconnect(&mut self) {
        let (first, second) = (&self.nodes[0], &self.nodes[1]);
        first.disconnect(second.id);
        second.disconnect(first.id);
        self.wires = Default::default();
    }

    /// One step of one of the parts, whichever it is.
    pub fn step(&mut self) -> Result<(), Failure> {
        let index = self.random.below(2) as usize;
        match self.random.below(100) {
            0..35 => self.receive(index),
            35..65 => self.nodes[index].pump(),
            65..85 => self.checkpoint(index),
            85..99 => self.pay_or_open(),
            _ if self.commits_until_break == 0 => {
                self.commits_until_break = 10 + self.random.below(200);
                if self.random.below(2) == 0 {
                    return self.crash_one(index);
                }
                self.disconnect();
                self.connect()
            }
            _ => Ok(()),
        }
    }

    /// Everything that can happen without new payments. Answers whether anything did.
    fn sweep(&mut self) -> Result<bool, Failure> {
        let mut happened = false;
        for index in 0..2 {
            while !self.wires[index].is_empty() {
                self.receive(index)?;
                happened = true;
            }
            self.nodes[index].pump()?;
            happened |= self.checkpoint_and_see(index)?;
        }
        Ok(happened)
    }

    /// Runs until nothing is under way, then compares both sides with the ledger.
    pub fn settle(&mut self) -> Result<(), Failure> {
        let mut quiet = 0;
        for _ in 0..500 {
            let happened = self.sweep()?;
            if self.nodes.iter().all(|node| node.channel().is_none()) {
                self.open_channel()?;
            }
            quiet = if happened { 0 } else { quiet + 1 };
            let is_settled = quiet > 3 && self.ledger.open_payments().is_empty();
            if is_settled && self.nodes.iter().all(|node| node.channel().is_some()) {
                return self.audit();
            }
            if quiet > 3 {
                self.pay_again()?;
            }
        }
        Err(Failure::violation(format!(
            "nothing moves any more: open payments {:?}, channels {:?}",
            self.ledger.open_payments(),
            self.nodes.iter().map(|node| node.manager.list_channels().len()).collect::<Vec<_>>(),
        )))
    }

    /// Both balances, and each payment once.
    fn audit(&self) -> Result<(), Failure> {
        let given = self.ledger.balance_msat();
        let expected =
            [CHANNEL_SATS as i64 * 1000 - PUSHED_MSAT as i64 - given, PUSHED_MSAT as i64 + given];
        for (node, expected) in self.nodes.iter().zip(expected) {
            let channel = node.channel().ok_or(Failure::bug("no channel"))?;
            let reserve = channel.unspendable_punishment_reserve.unwrap_or_default() as i64 * 1000;
            let balance = channel.outbound_capacity_msat as i64 + reserve;
            if balance != expected {
                let off = balance - expected;
                return Err(Failure::violation(format!("a balance is {off} msat off")));
            }
            if node.updates_in_progress() != 0 {
                return Err(Failure::violation("LDK waits for updates that are all durable"));
            }
        }
        match self.ledger.contradictions().pop() {
            Some(contradiction) => Err(Failure::violation(contradiction)),
            None => Ok(()),
        }
    }

    /// What is done so far, for people.
    pub fn summary(&self) -> String {
        let done = self.ledger.payments.values().filter(|payment| !payment.sent.is_empty()).count();
        let (asked, again) = (self.ledger.payments.len(), self.ledger.repetitions());
        format!("{done} of {asked} payments done, {again} events of LDK repeated")
    }

    fn receive(&mut self, index: usize) -> Result<(), Failure> {
        if !self.nodes[index].has_room()? {
            self.checkpoint(index)?;
        }
        if let Some(message) = self.wires[index].pop_front() {
            deliver(&self.nodes[index].manager, self.nodes[1 - index].id, message);
        }
        Ok(())
    }

    fn checkpoint(&mut self, index: usize) -> Result<(), Failure> {
        // The controls commit late, as a background task does.
        if self.mode != Mode::Kept && self.random.below(8) != 0 {
            return self.release(index).map(|_| ());
        }
        self.checkpoint_and_see(index).map(|_| ())
    }

    fn checkpoint_and_see(&mut self, index: usize) -> Result<bool, Failure> {
        if self.nodes[index].checkpoint()? {
            self.commits_until_break = self.commits_until_break.saturating_sub(1);
        }
        self.release(index)
    }

    /// Lets out what may leave. Answers whether there was anything.
    fn release(&mut self, index: usize) -> Result<bool, Failure> {
        let released = self.nodes[index].keeping.released()?;
        let happened = !released.is_empty();
        for output in released {
            match output {
                Released::Message(message) => self.wires[1 - index].push_back(*message),
                Released::Transaction { output_id, transaction } => {
                    if let Some(spent) = self.chain.broadcast(&transaction)? {
                        let fact = format!("node {} closes {spent} by force", index + 1);
                        return Err(Failure::violation(fact));
                    }
                    self.nodes[index].keeping.acknowledge(output_id)?;
                }
                Released::Event { output_id, event } => {
                    self.handle(index, output_id.unwrap_or_default(), *event)?;
                    self.nodes[index].keeping.acknowledge(output_id)?;
                }
            }
        }
        for node in &self.nodes {
            node.follow(&self.chain);
        }
        Ok(happened)
    }

    fn handle(&mut self, index: usize, output_id: u64, event: Event) -> Result<(), Failure> {
        let node = &self.nodes[index];
        match event {
            Event::FundingGenerationReady {
                temporary_channel_id,
                counterparty_node_id,
                channel_value_satoshis,
                output_script,
                ..
            } => {
                let funding = funding(self.ledger.opens, channel_value_satoshis, output_script);
                // The peer may be gone again; the channel is asked for anew then.
                let _ = node.manager.funding_transaction_generated(
                    temporary_channel_id,
                    counterparty_node_id,
                    funding,
                );
            }
            Event::PaymentClaimable { payment_hash, .. } => {
                let number = self.ledger.number(payment_hash);
                let number = number.ok_or(Failure::violation("a payment that nobody made"))?;
                node.manager.claim_funds(ledger::preimage(number));
            }
            Event::PaymentClaimed { payment_hash, .. } => {
                self.note_payment("claimed", payment_hash, output_id)?;
            }
            Event::PaymentSent { payment_hash, .. } => {
                self.note_payment("sent", payment_hash, output_id)?;
            }
            Event::ChannelClosed { reason, channel_funding_txo, .. } => {
                let funding = channel_funding_txo.filter(|funding| self.chain.has(funding.txid));
                if funding.is_some() {
                    let fact = format!("node {} lost its channel: {reason}", index + 1);
                    return Err(Failure::violation(fact));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn note_payment(
        &mut self,
        what: &str,
        hash: lightning::types::payment::PaymentHash,
        output_id: u64,
    ) -> Result<(), Failure> {
        let number = self.ledger.number(hash);
        let number = number.ok_or(Failure::violation("a payment that nobody made"))?;
        Ok(self.ledger.note(&format!("{what} {number} {output_id}"))?)
    }

    fn pay_or_open(&mut self) -> Result<(), Failure> {
        if self.nodes.iter().all(|node| node.manager.list_channels().is_empty()) {
            return self.open_channel();
        }
        if self.ledger.open_payments().len() >= OPEN_PAYMENTS_MAX {
            return self.pay_again();
        }
        if self.nodes.iter().any(|node| node.channel().is_none()) {
            return Ok(());
        }
        let number = self.ledger.payments.len() as u64;
        self.ledger.note(&format!("pay {number}"))?;
        self.send(number)
    }

    fn open_channel(&mut self) -> Result<(), Failure> {
        let (first, second) = (&self.nodes[0], &self.nodes[1]);
        if !first.manager.list_channels().is_empty() {
            return Ok(());
        }
        self.ledger.note("open")?;
        let answer =
            first.manager.create_channel(second.id, CHANNEL_SATS, PUSHED_MSAT, 0, None, None);
        answer.map(|_| ()).map_err(|error| Failure::bug(format!("create_channel: {error:?}")))
    }

    /// Sends again what the payer's node does not know: the application asked, and was never answered.
    fn pay_again(&mut self) -> Result<(), Failure> {
        let known: HashSet<PaymentId> = (self.nodes.iter())
            .flat_map(|node| node.manager.list_recent_payments())
            .map(|payment| match payment {
                RecentPaymentDetails::AwaitingInvoice { payment_id }
                | RecentPaymentDetails::Pending { payment_id, .. }
                | RecentPaymentDetails::Fulfilled { payment_id, .. }
                | RecentPaymentDetails::Abandoned { payment_id, .. } => payment_id,
            })
            .collect();
        for number in self.ledger.open_payments() {
            let is_usable = self.nodes.iter().all(|node| node.channel().is_some());
            if is_usable && !known.contains(&payment_id(number)) {
                self.send(number)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, number: u64) -> Result<(), Failure> {
        let (payer, payee) = if ledger::is_forth(number) { (0, 1) } else { (1, 0) };
        let (payer, payee) = (&self.nodes[payer], &self.nodes[payee]);
        let (hash, amount_msat) = (ledger::hash(number), ledger::amount_msat(number));
        let Some(short_channel_id) =
            payer.channel().and_then(|channel| channel.get_outbound_payment_scid())
        else {
            return Ok(());
        };
        let secret = payee
            .manager
            .create_inbound_payment_for_hash(hash, Some(amount_msat), 86_400, None)
            .map_err(|()| Failure::bug("no payment secret"))?;
        let hop = RouteHop {
            pubkey: payee.id,
            node_features: NodeFeatures::empty(),
            short_channel_id,
            channel_features: ChannelFeatures::empty(),
            fee_msat: amount_msat,
            cltv_expiry_delta: FINAL_CLTV_DELTA,
            maybe_announced_channel: false,
        };
        let parameters = PaymentParameters::from_node_id(payee.id, FINAL_CLTV_DELTA);
        let route = Route {
            paths: vec![Hops { hops: vec![hop], blinded_tail: None }],
            route_params: Some(RouteParameters::from_payment_params_and_value(
                parameters,
                amount_msat,
            )),
        };
        let onion = RecipientOnionFields::secret_only(secret);
        // Whatever it answers: an end is an event, and a payment without one is sent again.
        let _ = payer.manager.send_payment_with_route(route, hash, onion, payment_id(number));
        Ok(())
    }

    /// One of the nodes alone loses what is not durable.
    fn crash_one(&mut self, index: usize) -> Result<(), Failure> {
        self.disconnect();
        self.nodes.remove(index).crash()?;
        let number = index as u8 + 1;
        let directory = self.directory.join(format!("node-{number}"));
        let node = Node::open(number, &directory, self.mode, &self.chain)?;
        self.nodes.insert(index, node);
        self.connect()
    }
}

fn payment_id(number: u64) -> PaymentId {
    PaymentId(ledger::hash(number).0)
}

fn funding(number: u64, value_sats: u64, script_pubkey: ScriptBuf) -> Transaction {
    Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: coin(number),
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            // LDK wants to see something signed.
            witness: Witness::from_slice(&[[1]]),
        }],
        output: vec![TxOut { value: Amount::from_sat(value_sats), script_pubkey }],
    }
}
