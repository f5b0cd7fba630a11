//! The volatile side: what is queued, what that makes of each channel, and what callers still have to take.
//! Pure: no I/O, no clock, no thread; the store only carries out what is decided here.
//!
//! MQ1 a refused call changes nothing and takes no ticket. MQ2 checks look at the projected state: what is
//! durable with everything queued applied in order. MQ3 an update has the id after the tip; the same id with
//! the same bytes is a repeat, with others a conflict, and neither is queued. MQ4 memory is bounded: entries,
//! their bytes, and what was not taken yet. Called by the monitors and by the model of the tests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::MonitorsOptions;
use super::channel::{
    Block, Body, Channel, Entry, OutputClass, Payload, RESERVED_UPDATE_ID, Stage, Urgency,
};
use super::plan::{Completion, ManagerMark, Released};
use crate::error::{Error, Result, Status};
use crate::limits::{MONITORS_UNTAKEN_BYTES_MAX, MONITORS_UNTAKEN_MAX};
use crate::types::ChannelId;

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    /// It is queued under this ticket.
    Ticket(u64),
    /// An earlier call queued the same; it is not durable yet.
    AlreadyQueued,
    /// An earlier call queued the same, and it is durable.
    AlreadyDurable,
}

/// What waits for a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pending {
    /// Entries, outputs included.
    pub operations: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

/// A mistake on purpose, which the tests must notice.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mistake {
    /// A capture is a number of entries instead of a ticket, and may be older than what was committed.
    CountInsteadOfTicket,
    /// An older capture is accepted after a newer one.
    NoCaptureCheck,
    /// Outputs leave when they are queued.
    ReleaseWhenQueued,
}

/// The session of one open store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    pub(super) options: MonitorsOptions,
    pub(super) durable: BTreeMap<ChannelId, Channel>,
    pub(super) purged: BTreeSet<ChannelId>,
    /// Channels with queued entries, as those make them.
    pub(super) projected: BTreeMap<ChannelId, Channel>,
    pub(super) queue: VecDeque<Entry>,
    pub(super) queued_bytes: u64,
    pub(super) last_ticket: u64,
    pub(super) durable_ticket: u64,
    pub(super) captures: u64,
    pub(super) captures_done: u64,
    pub(super) commit_sequence: u64,
    pub(super) manager: ManagerMark,
    pub(super) last_output_id: u64,
    pub(super) acknowledged: BTreeSet<u64>,
    pub(super) completions: VecDeque<Completion>,
    pub(super) released: VecDeque<Released>,
    pub(super) released_bytes: u64,
    #[cfg(test)]
    pub(crate) mistake: Option<Mistake>,
}

/// What the store has when a session begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Found {
    pub(crate) channels: BTreeMap<ChannelId, Channel>,
    pub(crate) purged: BTreeSet<ChannelId>,
    pub(crate) commit_sequence: u64,
    pub(crate) manager: ManagerMark,
    pub(crate) last_output_id: u64,
}

impl Session {
    pub(crate) fn new(options: MonitorsOptions, found: Found) -> Session {
        Session {
            options,
            durable: found.channels,
            purged: found.purged,
            projected: BTreeMap::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            last_ticket: 0,
            durable_ticket: 0,
            captures: 0,
            captures_done: 0,
            commit_sequence: found.commit_sequence,
            manager: found.manager,
            last_output_id: found.last_output_id,
            acknowledged: BTreeSet::new(),
            completions: VecDeque::new(),
            released: VecDeque::new(),
            released_bytes: 0,
            #[cfg(test)]
            mistake: None,
        }
    }

    /// A channel with everything queued applied.
    pub(super) fn projection(&self, channel: &ChannelId) -> Option<&Channel> {
        self.projected.get(channel).or_else(|| self.durable.get(channel))
    }

    pub(crate) fn queue_new(
        &mut self,
        channel: ChannelId,
        update_id: u64,
        snapshot: Payload,
        block: Block,
        urgency: Urgency,
    ) -> Result<u64> {
        check_update_id(channel, update_id)?;
        if self.projection(&channel).is_some() || self.purged.contains(&channel) {
            return Err(refusal(
                Status::DuplicateChannel,
                channel,
                None,
                "its id is never used again",
            ));
        }
        self.push(Body::New { channel, update_id, snapshot, block }, urgency)
    }

    /// `durable_bytes` answers the bytes of a durable update: only a repeat asks for them.
    pub(crate) fn queue_update(
        &mut self,
        channel: ChannelId,
        update_id: u64,
        update: Payload,
        urgency: Urgency,
        durable_bytes: impl FnOnce() -> Result<Option<Vec<u8>>>,
    ) -> Result<Queued> {
        check_update_id(channel, update_id)?;
        let known = self.active(channel)?;
        if let Some(damage) = known.damage {
            return Err(damaged(channel, damage));
        }
        let latest_id = Some(known.latest_id);
        if update_id <= known.base_id {
            let fact = "a snapshot includes this update already";
            return Err(refusal(Status::UpdateStale, channel, latest_id, fact));
        }
        if update_id <= known.latest_id {
            return self.repeat(channel, update_id, &update, latest_id, durable_bytes);
        }
        let expected = known.latest_id + 1;
        if update_id != expected {
            let fact = format!("update {expected} is expected, not {update_id}");
            return Err(refusal(Status::UpdateGap, channel, Some(expected), &fact));
        }
        let reserve = self.reserve(urgency);
        if known.updates() >= u64::from(self.options.updates_max) + reserve {
            let fact = "it has as many updates as it may have; queue a snapshot";
            return Err(refusal(Status::SnapshotRequired, channel, None, fact));
        }
        self.push(Body::Update { channel, update_id, update }, urgency).map(Queued::Ticket)
    }

    fn repeat(
        &self,
        channel: ChannelId,
        update_id: u64,
        update: &Payload,
        latest_id: Option<u64>,
        durable_bytes: impl FnOnce() -> Result<Option<Vec<u8>>>,
    ) -> Result<Queued> {
        let queued = self.queue.iter().rev().find_map(|entry| match &entry.body {
            Body::Update { channel: of, update_id: id, update }
                if (*of, *id) == (channel, update_id) =>
            {
                Some(update)
            }
            _ => None,
        });
        let (same, answer) = match queued {
            Some(queued) => (queued == update, Queued::AlreadyQueued),
            None => {
                (durable_bytes()?.is_some_and(|known| known == *update.0), Queued::AlreadyDurable)
            }
        };
        if same {
            return Ok(answer);
        }
        let fact = format!("update {update_id} is known with other bytes; halt the node");
        Err(refusal(Status::UpdateConflict, channel, latest_id, &fact))
    }

    pub(crate) fn queue_snapshot(
        &mut self,
        channel: ChannelId,
        update_id: u64,
        snapshot: Payload,
        block: Option<Block>,
        urgency: Urgency,
    ) -> Result<u64> {
        let known = self.active(channel)?;
        let latest_id = Some(known.latest_id);
        let repairs = known.damage.is_some();
        if repairs {
            check_update_id(channel, update_id)?;
        } else if update_id > known.latest_id {
            let fact = format!("it includes update {update_id}, which was never queued");
            return Err(refusal(Status::SnapshotAhead, channel, latest_id, &fact));
        }
        let lowest = if repairs { known.latest_id } else { known.base_id };
        if update_id < lowest {
            let fact = format!("a snapshot at update {lowest} or later is needed, not {update_id}");
            return Err(refusal(Status::SnapshotStale, channel, latest_id, &fact));
        }
        self.push(Body::Snapshot { channel, update_id, snapshot, block, repairs }, urgency)
    }

    pub(crate) fn queue_archive(&mut self, channel: ChannelId) -> Result<u64> {
        if let Some(damage) = self.active(channel)?.damage {
            return Err(damaged(channel, damage));
        }
        self.push(Body::Archive { channel }, Urgency::Ordinary)
    }

    pub(crate) fn queue_output(
        &mut self,
        class: OutputClass,
        tag: u64,
        payload: Payload,
    ) -> Result<u64> {
        self.push(Body::Output { class, tag, payload }, Urgency::Ordinary)
    }

    /// Whether so much more would be accepted now.
    pub(crate) fn can_queue(&self, operations: u64, bytes: u64, urgency: Urgency) -> Result<()> {
        let untaken = self.completions.len() + self.released.len();
        let is_full =
            untaken >= MONITORS_UNTAKEN_MAX || self.released_bytes >= MONITORS_UNTAKEN_BYTES_MAX;
        if is_full && urgency != Urgency::Critical {
            let bytes = self.released_bytes;
            let fact =
                format!("{untaken} completions and outputs, {bytes} bytes, wait to be taken");
            return Err(Error::new(Status::QueueFull, fact));
        }
        let operations_max = u64::from(self.options.pending_ops_max) + self.reserve(urgency);
        let queued = self.queue.len() as u64;
        let bytes_fit = urgency == Urgency::Critical
            || self.queued_bytes.saturating_add(bytes) <= self.options.pending_bytes_max;
        if queued.saturating_add(operations) <= operations_max && bytes_fit {
            return Ok(());
        }
        let fact = format!(
            "{queued} entries of {} bytes are queued; commit, then ask again",
            self.queued_bytes
        );
        Err(Error::new(Status::QueueFull, fact).of_channel(None, Some(queued)))
    }

    pub(crate) fn pending(&self) -> Pending {
        Pending { operations: self.queue.len() as u64, bytes: self.queued_bytes }
    }

    /// Whether the entry of a ticket was committed.
    pub(crate) fn is_durable(&self, ticket: u64) -> Result<bool> {
        if ticket == 0 || ticket > self.last_ticket {
            return Err(Error::new(
                Status::BadTicket,
                format!("ticket {ticket} was not given in this session"),
            ));
        }
        Ok(ticket <= self.durable_ticket)
    }

    /// Takes completions, in the order of the queue.
    pub(crate) fn take_completions(&mut self, max: usize) -> Vec<Completion> {
        self.completions.drain(..self.completions.len().min(max)).collect()
    }

    /// Takes outputs that were committed in this session, in the order of their tickets.
    pub(crate) fn take_released(&mut self, max: usize) -> Vec<Released> {
        let taken: Vec<_> = self.released.drain(..self.released.len().min(max)).collect();
        self.released_bytes -= taken.iter().map(|output| output.payload.len()).sum::<u64>();
        taken
    }

    /// Whether there is something to take.
    pub(crate) fn has_news(&self) -> bool {
        !self.completions.is_empty() || !self.released.is_empty()
    }

    /// Notes an acknowledgement for the next commit; `is_stored` says whether the output waits for one.
    pub(crate) fn acknowledge(&mut self, output_id: u64, is_stored: bool) -> Result<()> {
        if is_stored && self.acknowledged.insert(output_id) {
            return Ok(());
        }
        let fact = format!("output {output_id} waits for no acknowledgement");
        Err(Error::new(Status::UnknownOutput, fact).of_channel(None, Some(output_id)))
    }

    fn reserve(&self, urgency: Urgency) -> u64 {
        match urgency {
            Urgency::Critical => u64::from(self.options.critical_reserve_ops),
            Urgency::Ordinary => 0,
        }
    }

    fn active(&self, channel: ChannelId) -> Result<&Channel> {
        match self.projection(&channel) {
            Some(known) if known.stage == Stage::Active => Ok(known),
            Some(_) => Err(refusal(Status::ChannelArchived, channel, None, "it was archived")),
            None => {
                Err(refusal(Status::UnknownChannel, channel, None, "it was never queued as new"))
            }
        }
    }

    fn push(&mut self, body: Body, urgency: Urgency) -> Result<u64> {
        self.can_queue(1, body.bytes(), urgency)?;
        self.last_ticket += 1;
        self.queued_bytes += body.bytes();
        if let Some(channel) = body.channel() {
            let after = body.apply(self.projection(&channel));
            self.projected.extend(after.map(|after| (channel, after)));
        }
        self.queue.push_back(Entry { ticket: self.last_ticket, body });
        #[cfg(test)]
        self.release_too_early();
        Ok(self.last_ticket)
    }

    #[cfg(test)]
    fn release_too_early(&mut self) {
        if let (Some(Mistake::ReleaseWhenQueued), Some(entry)) = (self.mistake, self.queue.back()) {
            let released = Released::of(entry, None);
            self.released_bytes += released.as_ref().map_or(0, |released| released.payload.len());
            self.released.extend(released);
        }
    }
}

fn check_update_id(channel: ChannelId, update_id: u64) -> Result<()> {
    if update_id == RESERVED_UPDATE_ID {
        return Err(refusal(Status::BadUpdateId, channel, None, "update id 2^64 - 1 is reserved"));
    }
    Ok(())
}

pub(super) fn refusal(status: Status, channel: ChannelId, value: Option<u64>, fact: &str) -> Error {
    Error::new(status, format!("channel {channel}: {fact}")).of_channel(Some(channel), value)
}

fn damaged(channel: ChannelId, damage: super::Damage) -> Error {
    let fact = format!("{}; queue a snapshot at or past its tip", damage.name());
    refusal(Status::ChannelDamaged, channel, Some(damage as u64), &fact)
}
