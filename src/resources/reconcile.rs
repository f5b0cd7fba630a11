//! Brings what is known of HTLCs in line with those that the node really has, deciding nothing anew.
//!
//! RW1 an HTLC that the node has no more is released without touching an average: nobody knows how it ended.
//! RW2 an HTLC that only the node knows takes a bucket only if there is room in the one of its signal; it is
//! tracked in any case. RW3 HTLCs that were added in this session are never dropped: the node's list may be
//! older than they are. Called by `mod`.

use std::collections::{HashMap, HashSet};

use super::bucket::Bucket;
use super::channel::{BucketKind, Incoming, Marks, Pending};
use super::decide::{AddRequest, Fee, Upgrade};
use super::engine::{Engine, remove_gone};
use super::entry::{Effects, Entry, Looked, Resolve};
use super::options::{LiveHtlc, Reconciled};
use super::ring::Claim;
use super::rules::{Mode, Settings, check_time};
use crate::error::{Error, Result, Status};
use crate::limits::HTLC_SLOTS_MAX;
use crate::types::ShortChannelId;

type HtlcKey = (ShortChannelId, u64, ShortChannelId);

impl Engine {
    /// Room for entries, waiting for the disk if there is none.
    pub(super) fn claim_patiently(&self, entries: u64) -> Result<Option<Claim<'_>>> {
        loop {
            match (self.claim(entries), &self.journal) {
                (Err(error), Some(journal)) if error.status() == Status::Busy => journal.flush()?,
                (claim, _) => return claim,
            }
        }
    }

    /// See [`super::Resources::reconcile`].
    pub(super) fn reconcile(&self, live: &[LiveHtlc]) -> Result<Reconciled> {
        self.shards.check_open()?;
        let known = check(self.settings.mode, live)?;
        let mut report = Reconciled::default();
        let mut orphans = Vec::new();
        self.shards.each(|shard| {
            for channel in shard.channels.values() {
                let incoming = channel.id;
                let recovered =
                    channel.incoming.pending().filter(|htlc| htlc.marks.has(Marks::RECOVERED));
                let is_orphan = |htlc: &&Pending| !known.holds(incoming, htlc, self.settings.mode);
                let orphaned = recovered.filter(is_orphan);
                orphans.extend(orphaned.map(|htlc| (incoming, htlc.htlc_id, htlc.outgoing)));
            }
        });
        orphans.sort_unstable();
        // First, so that what they held is free for those that have to be tracked.
        for key in orphans {
            self.drop_htlc(key, &mut report)?;
        }
        for htlc in live {
            self.adopt(htlc, &mut report)?;
        }
        Ok(report)
    }

    fn adopt(&self, live: &LiveHtlc, report: &mut Reconciled) -> Result<()> {
        let mut claim = self.claim_patiently(1)?;
        let mut held = self.shards.hold_two(live.incoming, live.outgoing)?;
        let mut ends = held.ends(live.incoming, live.outgoing);
        let sides = ends.sides();
        let (Some((incoming, _)), Some(_)) = (sides.incoming, sides.outgoing) else {
            report.unknown_channel += 1;
            return Ok(());
        };
        let known = incoming.find_conflict(self.settings.mode, live.htlc_id, live.outgoing);
        if let Some(known) = known {
            let is_same = known.outgoing == live.outgoing
                && known.incoming_amount_msat == live.incoming_amount_msat;
            report.kept += u64::from(is_same);
            report.different += u64::from(!is_same);
            return Ok(());
        }
        let htlc = self.tracked(live, incoming);
        let mut looked = Looked::default();
        if htlc.marks.is_in_congestion(None) {
            looked.note(Looked::IN_CONGESTION);
        }
        let entry = Entry::Add { incoming: live.incoming, htlc, looked };
        let number = self.append_and_apply(&mut claim, &mut ends, &entry);
        drop((held, claim));
        self.note(Some(number));
        report.added += 1;
        Ok(())
    }

    /// What is tracked of an HTLC that was forwarded without us.
    fn tracked(&self, live: &LiveHtlc, incoming: &mut Incoming) -> Pending {
        let settings = &self.settings;
        let fee = Fee::of(settings, &request_of(live));
        let (bucket, general_slots) = self.room_for(live, incoming);
        Pending {
            htlc_id: live.htlc_id,
            outgoing: live.outgoing,
            incoming_amount_msat: live.incoming_amount_msat,
            fee_msat: fee.earned_msat,
            added_unix_secs: live.added_unix_secs,
            blocks: live.incoming_cltv_expiry.saturating_sub(live.block_height),
            general_slots,
            marks: Marks::new(bucket, live.outgoing_accountable),
        }
    }

    fn room_for(&self, live: &LiveHtlc, incoming: &mut Incoming) -> (BucketKind, u8) {
        let Settings { mode, .. } = self.settings;
        let allocation = incoming.allocation;
        let amount_msat = live.incoming_amount_msat;
        if live.outgoing_accountable {
            let (slots, msat) = (allocation.protected_slots, allocation.protected_liquidity_msat);
            let fits = incoming.protected.fits(amount_msat, slots, msat);
            return (if fits { BucketKind::Protected } else { BucketKind::None }, 0);
        }
        let needed = allocation.slots_needed(amount_msat);
        let bucket =
            Bucket { mode, salt: &self.salt, incoming: live.incoming, allocation: &allocation };
        let fits = incoming.general.fits(bucket, live.outgoing, needed).unwrap_or(false);
        match u8::try_from(needed) {
            Ok(slots) if fits => (BucketKind::General, slots),
            _ => (BucketKind::None, 0),
        }
    }

    fn drop_htlc(&self, key: HtlcKey, report: &mut Reconciled) -> Result<()> {
        let (incoming_id, htlc_id, outgoing_id) = key;
        let mut claim = self.claim_patiently(1)?;
        let mut held = self.shards.hold_two(incoming_id, outgoing_id)?;
        let mut ends = held.ends(incoming_id, outgoing_id);
        let gone = ends.gone_after();
        let Some(incoming) = ends.incoming() else {
            return Ok(());
        };
        let found = incoming.find(htlc_id, outgoing_id);
        // It may have been resolved, and even added anew, since it was looked for.
        let Some(htlc) = found.filter(|htlc| htlc.marks.has(Marks::RECOVERED)) else {
            return Ok(());
        };
        let parts = incoming.parts.get(&htlc_id).copied();
        let effects = gone
            .with(Effects::DROPPED, true)
            .with(Effects::ACCOUNTABLE, htlc.marks.has(Marks::ACCOUNTABLE))
            .with(Effects::IN_CONGESTION, htlc.marks.is_in_congestion(parts));
        let resolve = Resolve {
            incoming: incoming_id,
            outgoing: outgoing_id,
            htlc_id,
            unix_secs: htlc.added_unix_secs,
            effective_fee_msat: 0,
            charged_msat: htlc.charged_msat(&self.settings),
            blocks: htlc.blocks,
            effects,
        };
        let number = self.append_and_apply(&mut claim, &mut ends, &Entry::Resolve(resolve));
        remove_gone(&mut held, &resolve);
        drop((held, claim));
        self.note(Some(number));
        report.dropped += 1;
        Ok(())
    }
}

fn request_of(live: &LiveHtlc) -> AddRequest {
    AddRequest {
        incoming: live.incoming,
        outgoing: live.outgoing,
        htlc_id: live.htlc_id,
        incoming_amount_msat: live.incoming_amount_msat,
        outgoing_amount_msat: live.outgoing_amount_msat,
        incoming_cltv_expiry: live.incoming_cltv_expiry,
        block_height: live.block_height,
        incoming_accountable: live.outgoing_accountable,
        upgrade: Upgrade::Unknown,
        policy_fee_msat: None,
        unix_secs: live.added_unix_secs,
    }
}

/// The HTLCs of a list.
struct Live {
    keys: HashSet<HtlcKey>,
    ids: HashSet<(ShortChannelId, u64)>,
}

impl Live {
    /// Whether the node has an HTLC, be it with another outgoing channel: where an id is pending once, that
    /// is a difference and no orphan.
    fn holds(&self, incoming: ShortChannelId, htlc: &Pending, mode: Mode) -> bool {
        match mode {
            Mode::Strict => self.ids.contains(&(incoming, htlc.htlc_id)),
            Mode::Compat => self.keys.contains(&(incoming, htlc.htlc_id, htlc.outgoing)),
        }
    }
}

/// The HTLCs of a list in which none is twice and none sends more than it brings.
fn check(mode: Mode, live: &[LiveHtlc]) -> Result<Live> {
    let mut known = Live { keys: HashSet::new(), ids: HashSet::new() };
    let mut counts = HashMap::new();
    for htlc in live {
        check_time(mode, htlc.added_unix_secs)?;
        let (ShortChannelId(incoming), id) = (htlc.incoming, htlc.htlc_id);
        if htlc.outgoing_amount_msat > htlc.incoming_amount_msat {
            let fact = format!("HTLC {id} of channel {incoming}: more goes out than came in");
            return Err(Error::new(Status::OutgoingExceedsIncoming, fact));
        }
        if !known.keys.insert((htlc.incoming, id, htlc.outgoing)) {
            let fact = format!("HTLC {id} of channel {incoming} is twice in the list");
            return Err(Error::new(Status::DuplicateId, fact));
        }
        known.ids.insert((htlc.incoming, id));
        let of_channel = counts.entry(htlc.incoming).or_insert(0);
        *of_channel += 1;
        if *of_channel > HTLC_SLOTS_MAX {
            let fact = format!("channel {incoming}: BOLT 2 allows at most {HTLC_SLOTS_MAX} HTLCs");
            return Err(Error::new(Status::InvalidArgument, fact));
        }
    }
    Ok(known)
}
