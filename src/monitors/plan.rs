//! Captures and commits: which entries become durable with which manager, decided before anything is written.
//!
//! MP1 a capture is a ticket and a number, never a count: it is committed at most once, and not after a later
//! one. MP2 what advances a channel needs the manager that knows of it. MP3 with a view of the manager, a
//! commit after which the channels were ahead of it, or which lost an update, is refused. MP4 a plan is
//! carried out whole or not at all, and only then the session follows. Pure, as `session`.

use std::collections::{BTreeMap, BTreeSet};

use super::channel::{Body, Channel, Entry, OutputClass, Payload, Stage};
use super::session::{Session, refusal};
use crate::error::{Error, Result, Status};
use crate::types::ChannelId;

/// Which commit the stored manager came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct ManagerMark {
    /// Commit that wrote the manager; `None` when there is none, or an external one.
    pub(crate) commit_sequence: Option<u64>,
    /// Generation of an external manager.
    pub(crate) generation: Option<u64>,
    /// A damage took the generation, and no commit gave another one since.
    pub(crate) generation_is_lost: bool,
}

/// What a commit is to include: everything queued when it was taken. Taken before the manager is
/// serialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Capture {
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    pub(crate) upto_ticket: u64,
    pub(crate) check: u64,
}

impl Capture {
    /// Epoch, number, last ticket and check, for a caller that keeps it as numbers.
    pub(crate) fn to_parts(self) -> (u64, u64, u64, u64) {
        (self.epoch, self.number, self.upto_ticket, self.check)
    }

    /// A capture from its parts; what was invented is found out when it is used.
    pub(crate) fn from_parts(epoch: u64, number: u64, upto_ticket: u64, check: u64) -> Capture {
        Capture { epoch, number, upto_ticket, check }
    }

    /// The last ticket given out before the capture; 0 when there was none.
    pub fn upto_ticket(&self) -> u64 {
        self.upto_ticket
    }
}

/// What came with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manager {
    /// Its bytes are stored in the same commit.
    Bytes { given: bool },
    /// The host stored it before, under this generation.
    External { generation: Option<u64> },
}

/// An entry that became durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Completion {
    /// Of which channel.
    pub channel: ChannelId,
    /// Its update id; `None` for an archive.
    pub update_id: Option<u64>,
    /// What kind of entry it was.
    pub kind: CompletionKind,
}

/// Kinds of entries that complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum CompletionKind {
    /// A new channel.
    New = 1,
    /// An update.
    Update = 2,
    /// A snapshot.
    Snapshot = 3,
    /// An archive.
    Archive = 4,
}

impl Completion {
    fn of(body: &Body) -> Option<Completion> {
        let (channel, update_id, kind) = match body {
            Body::New { channel, update_id, .. } => {
                (channel, Some(*update_id), CompletionKind::New)
            }
            Body::Update { channel, update_id, .. } => {
                (channel, Some(*update_id), CompletionKind::Update)
            }
            Body::Snapshot { channel, update_id, .. } => {
                (channel, Some(*update_id), CompletionKind::Snapshot)
            }
            Body::Archive { channel } => (channel, None, CompletionKind::Archive),
            Body::Output { .. } => return None,
        };
        Some(Completion { channel: *channel, update_id, kind })
    }
}

/// An output that may leave.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Released {
    pub(crate) output_id: Option<u64>,
    pub(crate) tag: u64,
    pub(crate) payload: Payload,
}

impl Released {
    pub(super) fn of(entry: &Entry, output_id: Option<u64>) -> Option<Released> {
        match &entry.body {
            Body::Output { tag, payload, .. } => {
                Some(Released { output_id, tag: *tag, payload: payload.clone() })
            }
            _ => None,
        }
    }
}

/// What a commit makes of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChannelChange {
    /// Its facts after the commit.
    pub(crate) after: Channel,
    /// The snapshot to write.
    pub(crate) snapshot: Option<Payload>,
    /// The updates to write, in the order of their ids.
    pub(crate) updates: Vec<(u64, Payload)>,
    /// Durable updates to remove: ids up to this one, or every row when what was stored is damaged.
    pub(crate) remove: Remove,
}

/// Which durable updates a commit removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remove {
    Nothing,
    /// From the first to the last id.
    Ids(u64, u64),
    /// Every row, so many were found.
    Everything(u64),
}

/// A commit that was found in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) commit_sequence: u64,
    pub(crate) manager: ManagerMark,

    pub(crate) channels: BTreeMap<ChannelId, ChannelChange>,
    /// Durable outputs with their ids.
    pub(crate) outputs: Vec<(u64, u64, Payload)>,
    pub(crate) acknowledged: Vec<u64>,
    pub(crate) entries: Vec<Entry>,
    number: u64,
    upto_ticket: u64,
}

impl Session {
    /// Marks what a commit is to include. `epoch` and `check` tell captures of other sessions.
    pub(crate) fn capture(&mut self, epoch: u64, check: impl FnOnce(u64, u64) -> u64) -> Capture {
        self.captures += 1;
        #[cfg(test)]
        let upto_ticket = match self.mistake {
            Some(super::session::Mistake::CountInsteadOfTicket) => self.queue.len() as u64,
            _ => self.last_ticket,
        };
        #[cfg(not(test))]
        let upto_ticket = self.last_ticket;
        let number = self.captures;
        Capture { epoch, number, upto_ticket, check: check(number, upto_ticket) }
    }

    /// Decides about a commit; `is_ours` says whether the capture was given in this session.
    pub(crate) fn plan(
        &self,
        capture: Capture,
        is_ours: bool,
        manager: Manager,
        view: &[(ChannelId, u64)],
    ) -> Result<Plan> {
        self.check_mode(manager)?;
        if !is_ours || capture.number == 0 || capture.number > self.captures {
            return Err(Error::new(Status::BadTicket, "the capture is not of this session"));
        }
        if capture.number <= self.captures_done && !self.accepts_stale_captures() {
            let fact = "this capture or a later one was committed; drop this manager";
            return Err(Error::new(Status::StaleCapture, fact));
        }
        let upto_ticket = self.last_ticket_of(capture);
        let entries: Vec<Entry> =
            self.queue.iter().take_while(|entry| entry.ticket <= upto_ticket).cloned().collect();
        self.check_manager_given(manager, &entries)?;
        let mut plan = self.changes(entries);
        plan.number = capture.number;
        plan.upto_ticket = upto_ticket;
        self.check_view(&plan, view)?;
        match manager {
            Manager::Bytes { given: true } => {
                plan.manager.commit_sequence = Some(plan.commit_sequence);
            }
            Manager::External { generation: Some(generation) } => {
                plan.manager.generation = Some(generation);
                plan.manager.generation_is_lost = false;
            }
            Manager::Bytes { given: false } | Manager::External { generation: None } => {}
        }
        Ok(plan)
    }

    fn accepts_stale_captures(&self) -> bool {
        #[cfg(test)]
        if self.mistake.is_some() {
            return true;
        }
        false
    }

    fn last_ticket_of(&self, capture: Capture) -> u64 {
        #[cfg(test)]
        if self.mistake == Some(super::session::Mistake::CountInsteadOfTicket) {
            return self.durable_ticket + capture.upto_ticket;
        }
        capture.upto_ticket
    }

    fn check_mode(&self, manager: Manager) -> Result<()> {
        let fact = match (manager, self.options.external_manager) {
            (Manager::Bytes { .. }, true) => {
                "the host stores its manager itself: give its generation"
            }
            (Manager::External { .. }, false) => {
                "the manager is stored with the commit: give its bytes"
            }
            _ => return Ok(()),
        };
        Err(Error::new(Status::WrongMode, fact))
    }

    fn check_manager_given(&self, manager: Manager, entries: &[Entry]) -> Result<()> {
        let given = match manager {
            Manager::Bytes { given } => given,
            Manager::External { generation } => generation.is_some(),
        };
        let advancing = entries.iter().find(|entry| entry.body.advances());
        if let (false, false, Some(entry)) = (given, self.options.manager_optional, advancing) {
            let channel = entry.body.channel();
            let fact = "the commit advances channels, so it needs the manager";
            return Err(Error::new(Status::ManagerRequired, fact).of_channel(channel, None));
        }
        let (stored, given) = match manager {
            Manager::External { generation } => (self.manager.generation, generation),
            Manager::Bytes { .. } => return Ok(()),
        };
        if let (Some(stored), Some(given)) = (stored, given)
            && given < stored
        {
            let fact = format!("generation {given} is older than the stored {stored}");
            return Err(Error::new(Status::StaleManager, fact).of_channel(None, Some(stored)));
        }
        Ok(())
    }

    /// What the entries change, net: an update that a later snapshot includes is not written at all.
    fn changes(&self, entries: Vec<Entry>) -> Plan {
        let commit_sequence = self.commit_sequence + 1;
        let mut channels: BTreeMap<ChannelId, ChannelChange> = BTreeMap::new();
        let (mut outputs, mut output_id) = (Vec::new(), self.last_output_id);
        for entry in &entries {
            if let Body::Output { class: OutputClass::Durable, tag, payload } = &entry.body {
                output_id += 1;
                outputs.push((output_id, *tag, payload.clone()));
            }
            if let Some(channel) = entry.body.channel() {
                let before = channels.remove(&channel);
                let change = self.change(before, channel, &entry.body, commit_sequence);
                channels.extend(change.map(|change| (channel, change)));
            }
        }
        Plan {
            commit_sequence,
            manager: self.manager,

            channels,
            outputs,
            acknowledged: self.acknowledged.iter().copied().collect(),
            entries,
            number: 0,
            upto_ticket: 0,
        }
    }

    fn change(
        &self,
        so_far: Option<ChannelChange>,
        channel: ChannelId,
        body: &Body,
        commit_sequence: u64,
    ) -> Option<ChannelChange> {
        let durable = self.durable.get(&channel);
        let before = so_far.as_ref().map(|change| &change.after).or(durable);
        let was_damaged = before.is_some_and(|before| before.damage.is_some());
        let mut after = body.apply(before)?;
        if body.advances() {
            after.advanced_at = commit_sequence;
        }
        let (mut snapshot, mut updates, mut remove) = match so_far {
            Some(change) => (change.snapshot, change.updates, change.remove),
            None => (None, Vec::new(), Remove::Nothing),
        };
        match body {
            Body::New { snapshot: new, .. } => snapshot = Some(new.clone()),
            Body::Update { update_id, update, .. } => updates.push((*update_id, update.clone())),
            Body::Snapshot { update_id, snapshot: new, .. } => {
                snapshot = Some(new.clone());
                updates.retain(|(id, _)| id > update_id);
                remove = match (remove, durable) {
                    (Remove::Everything(_), _) => remove,
                    (_, Some(durable)) if was_damaged => Remove::Everything(durable.updates()),
                    (_, Some(durable)) if durable.updates() > 0 && *update_id > durable.base_id => {
                        Remove::Ids(durable.base_id + 1, durable.latest_id.min(*update_id))
                    }
                    _ => remove,
                };
            }
            Body::Archive { .. } | Body::Output { .. } => {}
        }
        Some(ChannelChange { after, snapshot, updates, remove })
    }

    fn check_view(&self, plan: &Plan, view: &[(ChannelId, u64)]) -> Result<()> {
        let mut view = view.to_vec();
        view.sort_unstable();
        if let Some(twice) = view.windows(2).find(|two| two[0].0 == two[1].0) {
            return Err(refusal(Status::DuplicateId, twice[0].0, None, "the view names it twice"));
        }
        view.into_iter().try_for_each(|(channel, known)| self.check_view_of(plan, channel, known))
    }

    fn check_view_of(&self, plan: &Plan, channel: ChannelId, known: u64) -> Result<()> {
        let was_active = |before: &Channel| before.stage == Stage::Active;
        let projected = match self.projection(&channel) {
            Some(projected) if was_active(projected) => projected,
            // Archived by a queued entry: what the manager knows of it is its own affair.
            Some(_) if self.durable.get(&channel).is_none_or(was_active) => return Ok(()),
            _ => return Err(refusal(Status::UnknownChannel, channel, None, "the view names it")),
        };
        let after = plan.channels.get(&channel).map(|change| &change.after);
        let would_be = after.or_else(|| self.durable.get(&channel)).map(|after| after.latest_id);
        if let Some(tip) = would_be.filter(|tip| *tip > known) {
            let fact =
                format!("the manager knows update {known}, the commit would make {tip} durable");
            return Err(refusal(Status::ManagerBehind, channel, would_be, &fact));
        }
        if known > projected.latest_id {
            let (queued_to, fact) =
                (projected.latest_id, "the manager knows an update never queued");
            return Err(refusal(Status::LostUpdate, channel, Some(queued_to), fact));
        }
        if self.options.replays_nothing && would_be != Some(known) {
            let fact = format!("the manager knows update {known}, which the commit leaves queued");
            return Err(refusal(Status::ManagerAhead, channel, would_be, &fact));
        }
        Ok(())
    }

    /// Follows a commit that is durable. `unix_ms` is when, by the host's clock.
    pub(crate) fn finish(&mut self, plan: &Plan, unix_ms: u64) {
        let mut output_ids = plan.outputs.iter().map(|(id, _, _)| *id);
        for entry in &plan.entries {
            self.queued_bytes -= entry.body.bytes();
            if !self.options.without_completions {
                self.completions.extend(Completion::of(&entry.body));
            }
            let output_id = match entry.body {
                Body::Output { class: OutputClass::Durable, .. } => output_ids.next(),
                _ => None,
            };
            if !self.released_when_queued() {
                let released = Released::of(entry, output_id);
                self.released_bytes += released.as_ref().map_or(0, |output| output.payload.len());
                self.released.extend(released);
            }
        }
        self.queue.drain(..plan.entries.len());
        for (channel, change) in &plan.channels {
            let mut after = change.after.clone();
            if change.snapshot.is_some() {
                after.base_unix_ms = unix_ms;
            }
            self.durable.insert(*channel, after);
        }
        let waiting: BTreeSet<ChannelId> =
            self.queue.iter().filter_map(|entry| entry.body.channel()).collect();
        self.projected.retain(|channel, _| waiting.contains(channel));
        self.durable_ticket = self.durable_ticket.max(plan.upto_ticket);
        self.captures_done = self.captures_done.max(plan.number);
        self.commit_sequence = plan.commit_sequence;
        self.manager = plan.manager;
        self.last_output_id = plan.outputs.last().map_or(self.last_output_id, |(id, _, _)| *id);
        for output_id in &plan.acknowledged {
            self.acknowledged.remove(output_id);
        }
    }

    fn released_when_queued(&self) -> bool {
        #[cfg(test)]
        if self.mistake == Some(super::session::Mistake::ReleaseWhenQueued) {
            return true;
        }
        false
    }

    /// Active channels that want a snapshot, in the order of their ids: by number of updates, by bytes,
    /// by age.
    pub(crate) fn need_snapshot(&self, unix_ms: u64) -> Vec<ChannelId> {
        let needing = |channel: &Channel| {
            let options = &self.options;
            let grown = u128::from(channel.update_bytes_sum) * 100
                >= u128::from(channel.base_bytes) * u128::from(options.snapshot_growth_percent);
            let old = channel.base_unix_ms != 0
                && unix_ms.saturating_sub(channel.base_unix_ms) / 1_000
                    >= options.snapshot_age_secs;
            channel.stage == Stage::Active
                && channel.updates() > 0
                && (channel.updates() >= u64::from(options.snapshot_every_updates)
                    || (options.snapshot_growth_percent != 0 && grown)
                    || (options.snapshot_age_secs != 0 && old))
        };
        self.durable.iter().filter(|(_, channel)| needing(channel)).map(|(id, _)| *id).collect()
    }

    /// Whether an archived channel may be purged now.
    pub(crate) fn check_purge(&self, channel: ChannelId) -> Result<()> {
        match self.durable.get(&channel) {
            Some(known) if known.stage == Stage::Archived => Ok(()),
            _ => Err(refusal(Status::NotArchived, channel, None, "it is not archived")),
        }
    }

    /// Follows a purge that is durable.
    pub(crate) fn finish_purge(&mut self, channel: ChannelId, commit_sequence: u64) {
        self.durable.remove(&channel);
        self.purged.insert(channel);
        self.commit_sequence = commit_sequence;
    }

    /// The lowest height from which the chain has to be looked at again.
    pub(crate) fn rescan_height(&self) -> Option<u32> {
        let active = self.durable.values().filter(|channel| channel.stage == Stage::Active);
        active.map(|channel| channel.block.height).min()
    }
}
