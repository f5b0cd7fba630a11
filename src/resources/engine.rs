//! The calls that change something: lock, decide, number, apply.
//!
//! RN1 room in the journal is claimed first; a decision, its number and its effect are one step under the
//! locks of its channels. RN2 a repeat answers what was recorded and changes nothing. RN3 nothing here waits
//! for the disk. Called by `mod`.

use std::sync::Arc;

use super::apply::{Rules, apply_incoming, resolution_of};
use super::bucket::{Allocation, ChannelLimits};
use super::channel::Channel;
use super::decide::{AddRequest, Decision, Found, Terms, Verdict, closing, decide, unknown};
use super::entry::{Effects, Entry, Resolve};
use super::journal::Journal;
use super::options::{Removal, Resolution, ResolveRequest};
use super::ring::Claim;
use super::rules::{Mode, Settings, check_time};
use super::shards::{Counts, Ends, Shards};
use super::slots::NodeSalt;
use super::view::{self, Explanation, Facts};
use crate::error::{Error, Result, Status};
use crate::types::ShortChannelId;

/// The state machine with its journal.
pub(super) struct Engine {
    pub(super) settings: Settings,
    pub(super) salt: NodeSalt,
    pub(super) only_watches: bool,
    pub(super) shards: Arc<Shards>,
    pub(super) journal: Option<Arc<Journal>>,
}

/// An answer, and the number of the last entry that it rests on.
pub(super) struct Numbered<T> {
    pub(super) answer: T,
    pub(super) number: Option<u64>,
}

impl Engine {
    pub(super) fn rules(&self) -> Rules<'_> {
        Rules { settings: &self.settings, salt: &self.salt }
    }

    fn terms(&self) -> Terms<'_> {
        Terms { settings: &self.settings, salt: &self.salt, only_watches: self.only_watches }
    }

    pub(super) fn claim(&self, entries: u64) -> Result<Option<Claim<'_>>> {
        let Some(journal) = &self.journal else {
            return Ok(None);
        };
        journal.ring.claim(entries).map(Some).inspect_err(|_| journal.press())
    }

    fn press(&self) {
        if let Some(journal) = &self.journal {
            journal.press();
        }
    }

    pub(super) fn note(&self, number: Option<u64>) {
        if let (Some(journal), Some(number)) = (&self.journal, number) {
            journal.appended(number);
        }
    }

    /// Decides about an HTLC. A refused call can have changed averages in `compat` mode.
    pub(super) fn add(&self, request: &AddRequest) -> Result<Numbered<Result<Decision>>> {
        self.add_looking(request, |_| {})
    }

    fn add_looking(
        &self,
        request: &AddRequest,
        look: impl FnOnce(&mut Ends<'_>),
    ) -> Result<Numbered<Result<Decision>>> {
        let mut claim = self.claim(1)?;
        let mut held = self.shards.hold_two(request.incoming, request.outgoing)?;
        let mut ends = held.ends(request.incoming, request.outgoing);
        look(&mut ends);
        let Found { answer, entry, parts } = decide(self.terms(), request, ends.sides());
        if parts.is_some() {
            // Nothing was changed yet, so this may still be refused.
            claim = claim.map(|claim| claim.grow(1)).transpose().inspect_err(|_| self.press())?;
        }
        let number = match (parts, entry) {
            (Some(parts), Some(entry)) => {
                let number = append(&mut claim, &[parts, entry]);
                self.apply(&mut ends, &parts, number.saturating_sub(1));
                self.apply(&mut ends, &entry, number);
                Some(number)
            }
            (None, Some(entry)) => {
                let number = append(&mut claim, &[entry]);
                self.apply(&mut ends, &entry, number);
                Some(number)
            }
            _ => None,
        };
        count_decision(held.counts(), &answer, request.unix_secs);
        drop((held, claim));
        self.note(number);
        // What was recorded earlier may still be on its way to the disk.
        let is_repeat = matches!(&answer, Ok(decision) if decision.already);
        let number = number.or_else(|| is_repeat.then(|| self.last_number()).flatten());
        Ok(Numbered { answer, number })
    }

    /// As [`Engine::add`], with what was found before anything changed.
    pub(super) fn add_explained(
        &self,
        request: &AddRequest,
    ) -> Result<(Numbered<Result<Decision>>, Facts)> {
        let mut facts = Facts::default();
        let answered = self.add_looking(request, |ends| facts = self.facts(request, ends))?;
        Ok((answered, facts))
    }

    fn facts(&self, request: &AddRequest, ends: &mut Ends<'_>) -> Facts {
        let sides = ends.sides();
        match (sides.incoming, sides.outgoing) {
            (Some((incoming, _)), Some((outgoing, _))) => {
                view::facts(&self.settings, &self.salt, request, incoming, outgoing)
            }
            _ => Facts::default(),
        }
    }

    /// What would be decided, and why.
    pub(super) fn dry_run(&self, request: &AddRequest) -> Result<Explanation> {
        let mut held = self.shards.hold_two(request.incoming, request.outgoing)?;
        let mut ends = held.ends(request.incoming, request.outgoing);
        let facts = self.facts(request, &mut ends);
        let decision = decide(self.terms(), request, ends.sides()).answer?;
        Ok(Explanation { decision, facts })
    }

    fn apply(&self, ends: &mut Ends<'_>, entry: &Entry, number: u64) {
        ends.apply(self.rules(), entry, number);
    }

    fn last_number(&self) -> Option<u64> {
        self.journal.as_ref()?.ring.next().checked_sub(1)
    }

    /// Releases an HTLC and lets it count.
    pub(super) fn resolve(&self, request: &ResolveRequest) -> Result<Numbered<Result<Resolution>>> {
        let mut claim = self.claim(1)?;
        let mut held = self.shards.hold_two(request.incoming, request.outgoing)?;
        let mut ends = held.ends(request.incoming, request.outgoing);
        let resolve = match self.resolution(&ends, request) {
            Ok(resolve) => resolve,
            Err(answer) => {
                held.counts().repeated += u64::from(answer.is_ok());
                drop((held, claim));
                let number = answer.is_ok().then(|| self.last_number()).flatten();
                return Ok(Numbered { answer, number });
            }
        };
        let entry = Entry::Resolve(resolve);
        let number = append(&mut claim, &[entry]);
        self.apply(&mut ends, &entry, number);
        remove_gone(&mut held, &resolve);
        held.counts().resolved += 1;
        held.counts().note_time(request.unix_secs);
        drop((held, claim));
        self.note(Some(number));
        let answer = self.resolved(request, &resolve);
        Ok(Numbered { answer, number: Some(number) })
    }

    fn resolved(&self, request: &ResolveRequest, resolve: &Resolve) -> Result<Resolution> {
        let is_compat = self.settings.mode == Mode::Compat;
        if is_compat && !resolve.effects.has(Effects::REPUTATION) {
            let (id, secs) = (request.htlc_id, request.unix_secs);
            let fact = format!("HTLC {id} was released at {secs}, before the time it was added at");
            return Err(Error::new(Status::ResolvedBeforeAdded, fact));
        }
        let counts = resolve.effects.has(Effects::REPUTATION);
        let effective_fee_msat = if counts { resolve.effective_fee_msat } else { 0 };
        Ok(Resolution { already: false, effective_fee_msat })
    }

    /// What a resolution does, or why it does nothing.
    fn resolution(
        &self,
        ends: &Ends<'_>,
        request: &ResolveRequest,
    ) -> Result<Resolve, Result<Resolution>> {
        let ResolveRequest { htlc_id, settled, unix_secs, .. } = *request;
        check_time(self.settings.mode, unix_secs).map_err(Err)?;
        if !ends.has_outgoing() {
            return Err(Err(unknown(request.outgoing)));
        }
        let unknown_htlc = || {
            let fact = format!(
                "HTLC {htlc_id} of channel {} is not pending; there is nothing to release",
                request.incoming.0
            );
            Err(Error::new(Status::UnknownHtlc, fact))
        };
        let Some(incoming) = ends.incoming() else {
            return Err(unknown_htlc());
        };
        let Some(htlc) = incoming.find(htlc_id, request.outgoing) else {
            let before = incoming.find_resolved(htlc_id, request.outgoing);
            return Err(match before {
                Some(before) if before.settled == settled => {
                    Ok(Resolution { already: true, effective_fee_msat: 0 })
                }
                _ => unknown_htlc(),
            });
        };
        let what = (request.incoming, settled, unix_secs);
        let mut resolve = resolution_of(&self.settings, incoming, htlc, what);
        resolve.effects.0 |= ends.gone_after().0;
        Ok(resolve)
    }

    pub(super) fn add_channel(
        &self,
        id: ShortChannelId,
        limits: ChannelLimits,
        unix_secs: u64,
    ) -> Result<Numbered<(Allocation, bool)>> {
        check_time(self.settings.mode, unix_secs)?;
        let made = Channel::new(&self.settings, id, limits, unix_secs);
        let mut claim = self.claim(1)?;
        let mut held = self.shards.hold(id)?;
        if let Some(known) = held.shard().channels.get(&id) {
            // What is wrong with the limits themselves comes first, and names its bound.
            if let Some(error) = made.err().filter(|error| error.value().is_some()) {
                return Err(error);
            }
            if known.incoming.limits == limits && !known.is_closing {
                let allocation = known.incoming.allocation;
                drop((held, claim));
                return Ok(Numbered { answer: (allocation, true), number: self.last_number() });
            }
            let fact = format!("channel {} is known with other limits, or closing", id.0);
            let error = Error::new(Status::DuplicateChannel, fact);
            return Err(error.of_channel(None, Some(id.0)));
        }
        let mut channel = made?;
        held.shard().channels.try_reserve(1)?;
        let entry = Entry::AddChannel { channel: id, limits, unix_secs };
        let number = append(&mut claim, &[entry]);
        channel.added_at = number;
        channel.changed_below = number.saturating_add(1);
        let allocation = channel.incoming.allocation;
        held.shard().channels.insert(id, Box::new(channel));
        held.counts().note_time(unix_secs);
        drop((held, claim));
        self.note(Some(number));
        Ok(Numbered { answer: (allocation, false), number: Some(number) })
    }

    pub(super) fn resize_channel(
        &self,
        id: ShortChannelId,
        limits: ChannelLimits,
    ) -> Result<Numbered<Allocation>> {
        let allocation = Allocation::new(&self.settings, limits)?;
        let mut claim = self.claim(1)?;
        let mut held = self.shards.hold(id)?;
        let channel = held.shard().channels.get_mut(&id).ok_or_else(|| unknown(id))?;
        if channel.is_closing {
            return Err(closing(id));
        }
        if channel.incoming.limits == limits {
            drop((held, claim));
            return Ok(Numbered { answer: allocation, number: self.last_number() });
        }
        let entry = Entry::ResizeChannel { channel: id, limits };
        let number = append(&mut claim, &[entry]);
        apply_incoming(self.rules(), channel, &entry, number);
        channel.changed_below = number.saturating_add(1);
        drop((held, claim));
        self.note(Some(number));
        Ok(Numbered { answer: allocation, number: Some(number) })
    }

    pub(super) fn remove_channel(&self, id: ShortChannelId) -> Result<Numbered<Removal>> {
        let mut claim = self.claim(1)?;
        let mut held = self.shards.hold(id)?;
        let shard = held.shard();
        let channel = shard.channels.get_mut(&id).ok_or_else(|| unknown(id))?;
        let is_gone = channel.is_unused();
        if channel.is_closing && !is_gone {
            return Ok(Numbered { answer: Removal::Closing, number: self.last_number() });
        }
        let number = append(&mut claim, &[Entry::RemoveChannel { channel: id, is_gone }]);
        channel.is_closing = true;
        channel.changed_below = number.saturating_add(1);
        if is_gone {
            shard.channels.remove(&id);
        }
        drop((held, claim));
        self.note(Some(number));
        let answer = if is_gone { Removal::Removed } else { Removal::Closing };
        Ok(Numbered { answer, number: Some(number) })
    }

    /// Numbers and applies an entry about an HTLC, under the locks of its channels; for what is no call of a
    /// forwarding node.
    pub(super) fn append_and_apply(
        &self,
        claim: &mut Option<Claim<'_>>,
        ends: &mut Ends<'_>,
        entry: &Entry,
    ) -> u64 {
        let number = append(claim, &[*entry]);
        self.apply(ends, entry, number);
        number
    }
}

/// Number of the last entry; without a journal there are no numbers.
pub(super) fn append(claim: &mut Option<Claim<'_>>, entries: &[Entry]) -> u64 {
    match claim {
        Some(claim) => claim.append(entries),
        None => 0,
    }
}

/// Removes the channels that a resolution was the last HTLC of.
pub(super) fn remove_gone(held: &mut super::shards::Held<'_>, resolve: &Resolve) {
    if resolve.effects.has(Effects::INCOMING_GONE) {
        held.shard().channels.remove(&resolve.incoming);
    }
    if resolve.effects.has(Effects::OUTGOING_GONE) {
        held.remove_outgoing(resolve.outgoing);
    }
}

fn count_decision(counts: &mut Counts, answer: &Result<Decision>, unix_secs: u64) {
    let Ok(decision) = answer else {
        return;
    };
    if decision.already {
        counts.repeated += 1;
        return;
    }
    counts.note_time(unix_secs);
    match decision.verdict {
        Verdict::Fail => counts.failed += 1,
        Verdict::Forward if decision.would_fail => counts.would_fail += 1,
        Verdict::Forward => counts.forwarded += 1,
    }
}
