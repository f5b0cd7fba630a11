//! What leaves the process, held until the commit that covers it.
//!
//! O1 outputs stand on the same line as the updates they follow, so that covered means: behind them in it.
//! O2 peer messages are volatile: after a restart LDK makes them again from `channel_reestablish`.
//! O3 events and transactions are durable: an event leaves the manager's own list with the commit that puts
//!    it into lnkeep's, and is given again after every start until it is acknowledged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bitcoin::Transaction;
use bitcoin::consensus::encode::{deserialize, serialize};
use lightning::chain::chaininterface::BroadcasterInterface;
use lightning::events::Event;
use lightning::ln::msgs::MessageSendEvent;
use lightning::util::ser::{MaybeReadable, Writeable};
use lnkeep::monitors::OutputClass;
use lnkeep::{Error, Result, Status};

use crate::line::{Entry, Line, lock};

/// The payload is the number of a message or of an event that LDK does not write, kept in memory.
const TAG_HELD: u64 = 1;
/// The payload is an event as LDK writes it.
const TAG_EVENT: u64 = 2;
/// The payload is a transaction in consensus encoding.
const TAG_TRANSACTION: u64 = 3;

/// Something that may leave now.
pub enum Released {
    /// For the peer it names.
    Message(Box<MessageSendEvent>),
    /// For the application.
    Event {
        /// To acknowledge it with [`Line::acknowledge`]; without, it is lost with the process.
        output_id: Option<u64>,
        /// As LDK made it.
        event: Box<Event>,
    },
    /// For the Bitcoin network.
    Transaction {
        /// To acknowledge it with [`Line::acknowledge`].
        output_id: Option<u64>,
        /// As LDK made it.
        transaction: Transaction,
    },
}

enum HeldOutput {
    Message(Box<MessageSendEvent>),
    Event(Box<Event>),
}

/// Outputs whose content never reaches the disk.
#[derive(Default)]
pub(crate) struct Held {
    outputs: Mutex<(u64, HashMap<u64, HeldOutput>)>,
}

impl Held {
    fn keep(&self, output: HeldOutput) -> Vec<u8> {
        let mut outputs = lock(&self.outputs);
        outputs.0 += 1;
        let number = outputs.0;
        outputs.1.insert(number, output);
        number.to_be_bytes().to_vec()
    }

    fn release(&self, payload: &[u8]) -> Option<HeldOutput> {
        let number = u64::from_be_bytes(payload.try_into().ok()?);
        lock(&self.outputs).1.remove(&number)
    }
}

impl Line {
    /// Holds messages taken from `get_and_clear_pending_msg_events`.
    pub fn hold_messages(&self, messages: Vec<MessageSendEvent>) -> Result<()> {
        for message in messages {
            let payload = self.held.keep(HeldOutput::Message(Box::new(message)));
            self.put(Entry::Output { class: OutputClass::Volatile, tag: TAG_HELD, payload })?;
        }
        Ok(())
    }

    /// Drops the messages held for a peer that went away, as LDK drops its own.
    pub fn drop_messages(&self, mut of_peer: impl FnMut(&MessageSendEvent) -> bool) {
        // Their place on the line stays, and finds nothing when its turn comes.
        lock(&self.held.outputs).1.retain(|_, output| match output {
            HeldOutput::Message(message) => !of_peer(message),
            HeldOutput::Event(_) => true,
        });
    }

    /// Holds an event; the body of the `EventHandler` given to LDK. After `Ok` LDK forgets the event, which
    /// becomes durable together with lnkeep's memory of it.
    pub fn hold_event(&self, event: Event) -> Result<()> {
        let payload = event.encode();
        // LDK writes nothing of events that it makes again or that die with the connection.
        let written = matches!(Event::read(&mut payload.as_slice()), Ok(Some(_)));
        self.put(if written {
            Entry::Output { class: OutputClass::Durable, tag: TAG_EVENT, payload }
        } else {
            let payload = self.held.keep(HeldOutput::Event(Box::new(event)));
            Entry::Output { class: OutputClass::Volatile, tag: TAG_HELD, payload }
        })
    }

    /// What may leave, in the order in which it was held (L3).
    pub fn released(&self) -> Result<Vec<Released>> {
        let mut released = Vec::new();
        loop {
            let outputs = self.monitors().take_outputs(256)?;
            if outputs.is_empty() {
                return Ok(released);
            }
            for output in outputs {
                released.extend(self.read_output(output.output_id, output.tag, &output.payload)?);
            }
        }
    }

    fn read_output(
        &self,
        output_id: Option<u64>,
        tag: u64,
        payload: &[u8],
    ) -> Result<Option<Released>> {
        let damaged = |what| Error::new(Status::CorruptRecord, format!("an output is no {what}"));
        match tag {
            TAG_HELD => Ok(self.held.release(payload).map(|output| match output {
                HeldOutput::Message(message) => Released::Message(message),
                HeldOutput::Event(event) => Released::Event { output_id, event },
            })),
            TAG_EVENT => {
                let event = Event::read(&mut &*payload).map_err(|_| damaged("event"))?;
                Ok(event.map(|event| Released::Event { output_id, event: Box::new(event) }))
            }
            TAG_TRANSACTION => {
                let transaction = deserialize(payload).map_err(|_| damaged("transaction"))?;
                Ok(Some(Released::Transaction { output_id, transaction }))
            }
            tag => Err(Error::new(Status::Unsupported, format!("outputs of tag {tag}"))),
        }
    }

    /// The application dealt with a durable output. Durable with the next commit.
    pub fn acknowledge(&self, output_id: u64) -> Result<()> {
        self.monitors().acknowledge(output_id)
    }
}

/// Holds transactions until the state that needs them is durable. The funding transaction of a channel, for
/// example, never confirms before the channel's first snapshot is on disk.
pub struct HeldBroadcaster {
    line: Arc<Line>,
}

impl HeldBroadcaster {
    /// A broadcaster that holds on the line.
    pub fn new(line: Arc<Line>) -> HeldBroadcaster {
        HeldBroadcaster { line }
    }
}

impl BroadcasterInterface for HeldBroadcaster {
    fn broadcast_transactions(&self, transactions: &[&Transaction]) {
        for transaction in transactions {
            self.line.put_unanswered(Entry::Output {
                class: OutputClass::Durable,
                tag: TAG_TRANSACTION,
                payload: serialize(*transaction),
            });
        }
    }
}
