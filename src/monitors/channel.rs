//! What is known of a channel without its bytes, and how an entry of the queue changes it.
//!
//! MC1 the updates of a readable channel have the ids `base_id + 1 ..= latest_id`, one each. MC2 an id is
//! never given to another channel, whatever became of the first. Called by `session` and `plan`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result, Status};
use crate::memory::copied;
use crate::types::ChannelId;

/// The id that no update may have.
pub const RESERVED_UPDATE_ID: u64 = u64::MAX;

/// A block of the chain, as the host counts; height 0 means unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Block {
    /// Its height.
    pub height: u32,
    /// Its hash, in the host's byte order; all zero when the host keeps none.
    pub hash: [u8; 32],
}

/// What is wrong with a stored channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Damage {
    /// An update up to the recorded tip is missing.
    UpdateGap = 1,
    /// There is an update outside of what the channel's row says.
    OrphanUpdate = 2,
    /// The snapshot, an update or the channel's row is not what was written.
    Checksum = 3,
    /// There is no snapshot.
    MissingSnapshot = 4,
}

impl Damage {
    /// The name that documents and logs use.
    pub fn name(self) -> &'static str {
        match self {
            Damage::UpdateGap => "UPDATE_GAP",
            Damage::OrphanUpdate => "ORPHAN_UPDATE",
            Damage::Checksum => "CHECKSUM",
            Damage::MissingSnapshot => "MISSING_SNAPSHOT",
        }
    }
}

/// Whether a channel is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stage {
    /// In use.
    Active = 1,
    /// Kept as it was when it ended.
    Archived = 2,
}

/// Whether a call may use the reserve that is kept for what must not wait: a preimage, a force-close, the
/// revocation secret of a breach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Urgency {
    /// Refused when the queue is full.
    #[default]
    Ordinary,
    /// May use the reserve.
    Critical,
}

/// Whether an output comes back after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum OutputClass {
    /// A peer message: made again after a reconnect.
    Volatile = 1,
    /// An event of the application: delivered until it is acknowledged.
    Durable = 2,
}

/// Bytes of the host that many may hold and nobody shows.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Payload(pub(crate) Arc<Vec<u8>>);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

impl Payload {
    /// A copy of the host's bytes, whose length is checked first.
    pub(crate) fn of(what: &str, bytes: &[u8], max: usize) -> Result<Payload> {
        if bytes.is_empty() {
            return Err(Error::new(Status::InvalidArgument, format!("{what} has no bytes")));
        }
        if bytes.len() > max {
            let fact = format!("{what} of {} bytes; at most {max}", bytes.len());
            return Err(Error::new(Status::TooBig, fact));
        }
        Ok(Payload(Arc::new(copied(bytes)?)))
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// One channel as far as decisions need it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Channel {
    pub(crate) stage: Stage,
    /// Update id that the snapshot includes.
    pub(crate) base_id: u64,
    /// The tip: the id of the last update, or the snapshot's.
    pub(crate) latest_id: u64,
    /// Bytes of each update after the snapshot, and of all of them; of a damaged channel what is found.
    pub(crate) update_bytes: VecDeque<u32>,
    pub(crate) update_bytes_sum: u64,
    pub(crate) base_bytes: u64,
    /// When the snapshot was committed, by the host's clock; 0 unknown.
    pub(crate) base_unix_ms: u64,
    /// The commit that last gave it a new tip.
    pub(crate) advanced_at: u64,
    pub(crate) block: Block,
    pub(crate) damage: Option<Damage>,
}

impl Channel {
    pub(crate) fn new(update_id: u64, base_bytes: u64, block: Block) -> Channel {
        Channel {
            stage: Stage::Active,
            base_id: update_id,
            latest_id: update_id,
            update_bytes: VecDeque::new(),
            update_bytes_sum: 0,
            base_bytes,
            base_unix_ms: 0,
            advanced_at: 0,
            block,
            damage: None,
        }
    }

    pub(crate) fn updates(&self) -> u64 {
        self.update_bytes.len() as u64
    }

    pub(crate) fn add_update(&mut self, bytes: u64) {
        self.latest_id += 1;
        self.update_bytes.push_back(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.update_bytes_sum += bytes;
    }

    /// A snapshot that includes the updates up to `update_id`; one at or past the tip mends a damage.
    pub(crate) fn take_snapshot(&mut self, update_id: u64, bytes: u64, block: Option<Block>) {
        if self.damage.take().is_some() {
            self.latest_id = update_id;
            self.update_bytes.clear();
        }
        while self.updates() > self.latest_id - update_id {
            self.update_bytes.pop_front();
        }
        self.update_bytes_sum = self.update_bytes.iter().map(|bytes| u64::from(*bytes)).sum();
        self.base_id = update_id;
        self.base_bytes = bytes;
        self.block = block.unwrap_or(self.block);
    }
}

/// One entry of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) ticket: u64,
    pub(crate) body: Body,
}

/// What an entry does once it is committed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Body {
    New {
        channel: ChannelId,
        update_id: u64,
        snapshot: Payload,
        block: Block,
    },
    Update {
        channel: ChannelId,
        update_id: u64,
        update: Payload,
    },
    Snapshot {
        channel: ChannelId,
        update_id: u64,
        snapshot: Payload,
        block: Option<Block>,
        repairs: bool,
    },
    Archive {
        channel: ChannelId,
    },
    Output {
        class: OutputClass,
        tag: u64,
        payload: Payload,
    },
}

impl Body {
    pub(crate) fn channel(&self) -> Option<ChannelId> {
        match self {
            Body::New { channel, .. }
            | Body::Update { channel, .. }
            | Body::Snapshot { channel, .. }
            | Body::Archive { channel } => Some(*channel),
            Body::Output { .. } => None,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Body::New { snapshot, .. } | Body::Snapshot { snapshot, .. } => snapshot.len(),
            Body::Update { update, .. } => update.len(),
            Body::Output { payload, .. } => payload.len(),
            Body::Archive { .. } => 0,
        }
    }

    /// Whether the manager must know of it: it may not become durable without one.
    pub(crate) fn advances(&self) -> bool {
        match self {
            Body::New { .. } | Body::Update { .. } | Body::Archive { .. } => true,
            Body::Snapshot { repairs, .. } => *repairs,
            Body::Output { .. } => false,
        }
    }

    /// The channel after this entry.
    pub(crate) fn apply(&self, before: Option<&Channel>) -> Option<Channel> {
        if let Body::New { update_id, snapshot, block, .. } = self {
            return Some(Channel::new(*update_id, snapshot.len(), *block));
        }
        let mut after = before?.clone();
        match self {
            Body::Update { update, .. } => after.add_update(update.len()),
            Body::Snapshot { update_id, snapshot, block, .. } => {
                after.take_snapshot(*update_id, snapshot.len(), *block);
            }
            Body::Archive { .. } => after.stage = Stage::Archived,
            Body::New { .. } | Body::Output { .. } => {}
        }
        Some(after)
    }
}
