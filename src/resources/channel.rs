//! What is known of one channel: as the one HTLCs come in through, and as the one they go out through.
//!
//! RC1 sums that a decision needs (risk in flight, HTLCs in congestion, pending of both ends) are kept
//! running, so that no decision scans. RC2 a pending HTLC lies with its incoming channel; in `strict` mode
//! under its id alone, so that it cannot be pending twice. Pure. Called by `decide`, `apply` and `shards`.

use std::collections::{BTreeMap, VecDeque};

use super::average::{DecayingAverage, Revenue};
use super::bucket::{Allocation, Bucket, ChannelLimits, General, Usage};
use super::htlcs::Htlcs;
use super::rules::{Mode, Settings};
use super::slots::NodeSalt;
use crate::error::Result;
use crate::limits::RESOLUTIONS_KEPT;
use crate::types::ShortChannelId;

/// Where an HTLC's slot and liquidity are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum BucketKind {
    /// Nothing is taken: it is tracked for what it does to reputations alone.
    None = 0,
    General = 1,
    Congestion = 2,
    Protected = 3,
    /// Several at once.
    Several = 4,
}

impl BucketKind {
    pub(super) fn from_number(number: u8) -> Option<BucketKind> {
        use BucketKind::{Congestion, General, None as Nothing, Protected, Several};
        [Nothing, General, Congestion, Protected, Several]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

/// What is known of a pending HTLC besides its numbers, as one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Marks(pub(super) u8);

impl Marks {
    const BUCKET: u8 = 7;
    /// The signal that it went out with.
    pub(super) const ACCOUNTABLE: u8 = 8;
    /// It would have been failed, had the handle not only been watching.
    pub(super) const WOULD_FAIL: u8 = 16;
    /// It was pending when this session began.
    pub(super) const RECOVERED: u8 = 32;
    const UNKNOWN: u8 = 128 | 64;

    pub(super) fn new(bucket: BucketKind, is_accountable: bool) -> Marks {
        Marks(bucket as u8 | if is_accountable { Marks::ACCOUNTABLE } else { 0 })
    }

    pub(super) fn with(self, mark: u8, is_set: bool) -> Marks {
        Marks(if is_set { self.0 | mark } else { self.0 & !mark })
    }

    pub(super) fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }

    pub(super) fn bucket(self) -> BucketKind {
        BucketKind::from_number(self.0 & Marks::BUCKET).unwrap_or(BucketKind::None)
    }

    pub(super) fn is_known(self) -> bool {
        self.0 & Marks::UNKNOWN == 0 && BucketKind::from_number(self.0 & Marks::BUCKET).is_some()
    }

    pub(super) fn is_in_congestion(self, parts: Option<Parts>) -> bool {
        match self.bucket() {
            BucketKind::Congestion => true,
            BucketKind::Several => parts.is_some_and(|parts| parts.congestion_msat != 0),
            _ => false,
        }
    }
}

/// An HTLC that was forwarded and is not resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) htlc_id: u64,
    pub(super) outgoing: ShortChannelId,
    pub(super) incoming_amount_msat: u64,
    /// The fee that it pays.
    pub(super) fee_msat: u64,
    pub(super) added_unix_secs: u64,
    /// Blocks until it expires, as of its addition: what its risk is reckoned from.
    pub(super) blocks: u32,
    pub(super) general_slots: u8,
    pub(super) marks: Marks,
}

impl Pending {
    /// The fee that its delay is charged with.
    pub(super) fn charged_msat(&self, settings: &Settings) -> u64 {
        settings.charged_fee_msat(self.fee_msat, self.incoming_amount_msat)
    }

    /// What it adds to the risk in flight of its outgoing channel.
    pub(super) fn risk_msat(&self, settings: &Settings) -> u64 {
        if self.marks.has(Marks::ACCOUNTABLE) {
            settings.risk_msat(self.blocks, self.charged_msat(settings))
        } else {
            0
        }
    }
}

/// What an HTLC in several buckets takes from those that count liquidity; the rest is in general slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Parts {
    pub(super) protected_msat: u64,
    pub(super) congestion_msat: u64,
}

/// An HTLC that was resolved lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) htlc_id: u64,
    pub(super) outgoing: ShortChannelId,
    pub(super) settled: bool,
}

/// A channel as the one HTLCs come in through.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub(super) limits: ChannelLimits,
    pub(super) allocation: Allocation,
    pub(super) general: General,
    pub(super) congestion: Usage,
    pub(super) protected: Usage,
    pub(super) revenue: Revenue,
    /// When an outgoing channel last held an HTLC in this congestion bucket for too long.
    pub(super) misuse: BTreeMap<ShortChannelId, u64>,
    /// Parts of the few HTLCs that are in several buckets.
    pub(super) parts: BTreeMap<u64, Parts>,
    /// The last resolutions, the newest last.
    pub(super) resolved: VecDeque<Resolved>,
    pending: Htlcs,
}

impl Incoming {
    fn new(limits: ChannelLimits, allocation: Allocation, unix_secs: u64) -> Incoming {
        Incoming {
            limits,
            allocation,
            general: General::default(),
            congestion: Usage::default(),
            protected: Usage::default(),
            revenue: Revenue::new(unix_secs),
            misuse: BTreeMap::new(),
            parts: BTreeMap::new(),
            resolved: VecDeque::new(),
            pending: Htlcs::default(),
        }
    }

    /// The HTLC of an id that went out through this channel.
    pub(super) fn find(&self, htlc_id: u64, outgoing: ShortChannelId) -> Option<&Pending> {
        self.pending.find(htlc_id, |known| known.outgoing == outgoing)
    }

    /// The HTLC that another one of this id would meet: in `strict` mode whatever way it went out (RC2).
    pub(super) fn find_conflict(
        &self,
        mode: Mode,
        htlc_id: u64,
        outgoing: ShortChannelId,
    ) -> Option<&Pending> {
        let exact = self.find(htlc_id, outgoing);
        match mode {
            Mode::Strict => exact.or_else(|| self.pending.find(htlc_id, |_| true)),
            Mode::Compat => exact,
        }
    }

    pub(super) fn insert(&mut self, htlc: Pending) {
        self.pending.insert(htlc);
    }

    pub(super) fn remove(&mut self, htlc_id: u64, outgoing: ShortChannelId) -> Option<Pending> {
        self.pending.remove(htlc_id, outgoing)
    }

    pub(super) fn reserve(&mut self, htlcs: usize) {
        self.pending.reserve(htlcs);
    }

    pub(super) fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.pending.as_slice().iter()
    }

    pub(super) fn pending_count(&self) -> usize {
        self.pending.as_slice().len()
    }

    pub(super) fn change_each(&mut self, change: impl FnMut(&mut Pending)) {
        self.pending.as_mut_slice().iter_mut().for_each(change);
    }

    pub(super) fn remember_resolved(&mut self, resolved: Resolved) {
        if self.resolved.len() == RESOLUTIONS_KEPT {
            self.resolved.pop_front();
        }
        self.resolved.push_back(resolved);
    }

    /// The newest resolution of an id.
    pub(super) fn find_resolved(&self, htlc_id: u64, outgoing: ShortChannelId) -> Option<Resolved> {
        let newest_first = self.resolved.iter().rev();
        let is_it = |known: &&Resolved| known.htlc_id == htlc_id && known.outgoing == outgoing;
        newest_first.copied().find(|known| is_it(&known))
    }
}

/// A channel as the one HTLCs go out through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outgoing {
    pub(super) reputation: DecayingAverage,
    /// HTLCs pending out through it.
    pub(super) pending: u32,
    /// Those of them that sit in a congestion bucket.
    pub(super) in_congestion: u32,
    /// Risk of those that went out accountable.
    pub(super) in_flight_risk_msat: u128,
}

/// One channel.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) id: ShortChannelId,
    /// It is gone as soon as its last HTLC resolves.
    pub(super) is_closing: bool,
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
    /// Forwarding history was taken into its reputation, and into its revenue.
    pub(super) reputation_imported: bool,
    pub(super) revenue_imported: bool,
    /// Number of the journal entry that added it.
    pub(super) added_at: u64,
    /// One more than the number of the last journal entry that changed it.
    pub(super) changed_below: u64,
    /// What was stored of it includes the entries below this number.
    pub(super) stored_below: u64,
}

impl Channel {
    pub(super) fn new(
        settings: &Settings,
        id: ShortChannelId,
        limits: ChannelLimits,
        unix_secs: u64,
    ) -> Result<Channel> {
        let allocation = Allocation::new(settings, limits)?;
        Ok(Channel {
            id,
            is_closing: false,
            incoming: Incoming::new(limits, allocation, unix_secs),
            outgoing: Outgoing {
                reputation: DecayingAverage::new(unix_secs),
                pending: 0,
                in_congestion: 0,
                in_flight_risk_msat: 0,
            },
            reputation_imported: false,
            revenue_imported: false,
            added_at: 0,
            changed_below: 0,
            stored_below: 0,
        })
    }

    /// Whether no HTLC needs it any more, in either direction.
    pub(super) fn is_unused(&self) -> bool {
        self.outgoing.pending == 0 && self.incoming.pending_count() == 0
    }

    /// Divides the channel anew, without evicting: every HTLC keeps its bucket, and takes as many of the new
    /// general slots as its amount needs now.
    pub(super) fn resize(
        &mut self,
        settings: &Settings,
        salt: &NodeSalt,
        limits: ChannelLimits,
    ) -> Result<()> {
        let allocation = Allocation::new(settings, limits)?;
        let mut general = General::default();
        let bucket =
            Bucket { mode: settings.mode, salt, incoming: self.id, allocation: &allocation };
        let Incoming { pending, parts, general: old, .. } = &mut self.incoming;
        for (outgoing, pair) in old.pairs() {
            if pair.looked_below != 0 {
                general.list(bucket, outgoing, pair.looked_below);
            }
        }
        let mut in_general: Vec<&mut Pending> =
            pending.as_mut_slice().iter_mut().filter(|htlc| htlc.general_slots != 0).collect();
        // The table has no order of its own, and a replay of the journal must take the same slots.
        in_general.sort_unstable_by_key(|htlc| (htlc.htlc_id, htlc.outgoing));
        for htlc in in_general {
            let is_divided = htlc.marks.bucket() == BucketKind::Several;
            let parts =
                parts.get(&htlc.htlc_id).copied().filter(|_| is_divided).unwrap_or_default();
            let elsewhere_msat = parts.protected_msat.saturating_add(parts.congestion_msat);
            let amount_msat = htlc.incoming_amount_msat.saturating_sub(elsewhere_msat);
            let needed = allocation.slots_needed(amount_msat);
            htlc.general_slots = u8::try_from(needed).unwrap_or(u8::MAX);
            general.take(bucket, htlc.outgoing, htlc.general_slots);
        }
        self.incoming.general = general;
        self.incoming.limits = limits;
        self.incoming.allocation = allocation;
        Ok(())
    }
}
