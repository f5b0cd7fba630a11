//! Whether to forward an HTLC, from which bucket, and with which signal.
//!
//! RD1 a decision changes nothing: it answers the entry that does (in `compat` mode, of a refusal too).
//! RD2 what is not needed is not computed: an HTLC that fits the general bucket meets no average. RD3 in
//! `strict` mode the signal rises only if the sender allowed it, and an HTLC with reputation may use several
//! buckets. Source: bolts #1280, rust-lightning #4409. Pure. Called by `engine`.

use super::bucket::Bucket;
use super::channel::{BucketKind, Incoming, Marks, Outgoing, Parts, Pending};
use super::entry::{Entry, Looked};
use super::rules::{Mode, Settings, check_time, has_reputation, is_misuse_recent};
use super::slots::NodeSalt;
use crate::error::{Error, Result, Status};
use crate::limits::HTLC_SLOTS_MAX;
use crate::types::ShortChannelId;

/// What the onion says about raising the signal (TLV `upgrade_accountability`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum Upgrade {
    /// The host does not look: as if it were present.
    #[default]
    Unknown = 0,
    /// The sender allows the signal to be raised.
    Present = 1,
    /// It does not: an HTLC that would go out accountable is failed.
    Absent = 2,
}

/// An HTLC that may be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddRequest {
    /// The channel it arrived on.
    pub incoming: ShortChannelId,
    /// The channel it would go out through.
    pub outgoing: ShortChannelId,
    /// Its id on the incoming channel (BOLT 2 `update_add_htlc`).
    pub htlc_id: u64,
    /// Its amount on the incoming channel.
    pub incoming_amount_msat: u64,
    /// Its amount on the outgoing channel.
    pub outgoing_amount_msat: u64,
    /// Block height at which it expires on the incoming channel.
    pub incoming_cltv_expiry: u32,
    /// The height of now.
    pub block_height: u32,
    /// The signal it arrived with.
    pub incoming_accountable: bool,
    /// What its onion says about raising the signal; `strict` mode alone looks.
    pub upgrade: Upgrade,
    /// The fee that our own policy asks for: what is paid beyond it counts for nothing. `strict` mode alone
    /// looks.
    pub policy_fee_msat: Option<u64>,
    /// The time of now.
    pub unix_secs: u64,
}

/// What becomes of the HTLC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)]
pub enum Verdict {
    Forward = 1,
    Fail = 2,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Reason {
    /// It fits the general bucket.
    General = 1,
    /// The outgoing channel's reputation bears it.
    Reputation = 2,
    /// It has no reputation, and the congestion bucket takes it.
    Congestion = 3,
    /// The reputation bears it, and several buckets together have room.
    Several = 4,
    /// It came in accountable and the reputation does not bear it.
    NoReputation = 16,
    /// The reputation bears it, and no bucket has room.
    NoRoom = 17,
    /// Another HTLC of the outgoing channel sits in a congestion bucket.
    OutgoingInCongestion = 18,
    /// The channel has no congestion bucket.
    NoCongestionBucket = 19,
    /// The outgoing channel held an HTLC in this congestion bucket for too long lately.
    CongestionMisused = 20,
    /// The congestion bucket is full.
    CongestionFull = 21,
    /// It is larger than what one HTLC may take of the congestion bucket.
    AboveCongestionLimit = 22,
    /// It would have to go out accountable, and its sender does not allow that.
    UpgradeNotAllowed = 23,
    /// It came in accountable although its sender does not allow that: somebody on the way raised the signal.
    SignalTampered = 24,
    /// It was forwarded already; what was decided then stands.
    Recorded = 32,
}

impl Reason {
    /// The name in exported records.
    pub fn name(self) -> &'static str {
        match self {
            Reason::General => "general",
            Reason::Reputation => "reputation",
            Reason::Congestion => "congestion",
            Reason::Several => "several",
            Reason::NoReputation => "no_reputation",
            Reason::NoRoom => "no_room",
            Reason::OutgoingInCongestion => "outgoing_in_congestion",
            Reason::NoCongestionBucket => "no_congestion_bucket",
            Reason::CongestionMisused => "congestion_misused",
            Reason::CongestionFull => "congestion_full",
            Reason::AboveCongestionLimit => "above_congestion_limit",
            Reason::UpgradeNotAllowed => "upgrade_not_allowed",
            Reason::SignalTampered => "signal_tampered",
            Reason::Recorded => "recorded",
        }
    }
}

/// The answer to an [`AddRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decision {
    /// What becomes of the HTLC.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Where its slot and liquidity were taken from.
    pub bucket: BucketKind,
    /// The signal to set on the outgoing HTLC.
    pub outgoing_accountable: bool,
    /// It was forwarded before: this is the recorded answer, and nothing was changed.
    pub already: bool,
    /// The handle only watches: without that, it would have been failed for the reason given.
    pub would_fail: bool,
}

/// The two channels of a request, as far as they are known.
pub(super) struct Sides<'a> {
    /// And whether it is closing.
    pub(super) incoming: Option<(&'a mut Incoming, bool)>,
    pub(super) outgoing: Option<(&'a mut Outgoing, bool)>,
}

/// What was found.
pub(super) struct Found {
    pub(super) answer: Result<Decision>,
    pub(super) entry: Option<Entry>,
    /// Precedes the entry.
    pub(super) parts: Option<Entry>,
}

impl Found {
    fn answer(answer: Result<Decision>) -> Found {
        Found { answer, entry: None, parts: None }
    }
}

/// What decisions depend on besides the channels.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) settings: &'a Settings,
    pub(super) salt: &'a NodeSalt,
    /// What would be failed is forwarded and tracked.
    pub(super) only_watches: bool,
}

/// Decides about an HTLC.
pub(super) fn decide(terms: Terms<'_>, request: &AddRequest, sides: Sides<'_>) -> Found {
    let outgoing = match check(terms.settings, request, &sides) {
        Ok(()) => sides.outgoing.map(|(outgoing, _)| outgoing),
        Err(answer) => return Found::answer(answer),
    };
    let Some(outgoing) = outgoing else {
        return Found::answer(Err(unknown(request.outgoing)));
    };
    let mut looked = Looked::default();
    if terms.settings.mode == Mode::Compat {
        looked.note(Looked::REPUTATION);
    }
    let answer = match sides.incoming {
        None => Err(unknown(request.incoming)),
        Some((_, true)) => Err(closing(request.incoming)),
        Some((incoming, false)) => {
            let mut scene = Scene::new(terms, request, incoming, outgoing, looked);
            let choice = scene.choose();
            if let Some(found) = choice.as_ref().ok().and_then(|choice| scene.accept(*choice)) {
                return found;
            }
            looked = scene.looked;
            choice.map(|choice| choice.failed())
        }
    };
    let AddRequest { incoming, outgoing, unix_secs, .. } = *request;
    let looks = Entry::Look { incoming, outgoing, unix_secs, looked };
    Found { answer, entry: (looked != Looked::default()).then_some(looks), parts: None }
}

/// What is wrong with a request before anything is decided, or its recorded answer.
fn check(
    settings: &Settings,
    request: &AddRequest,
    sides: &Sides<'_>,
) -> Result<(), Result<Decision>> {
    let refuse = |status, fact: String| Err(Err(Error::new(status, fact)));
    check_time(settings.mode, request.unix_secs).map_err(Err)?;
    if request.outgoing_amount_msat > request.incoming_amount_msat {
        let (out, inc) = (request.outgoing_amount_msat, request.incoming_amount_msat);
        let fact = format!("{out} msat would go out of {inc} msat that came in");
        return refuse(Status::OutgoingExceedsIncoming, fact);
    }
    if request.block_height >= request.incoming_cltv_expiry {
        let (height, expiry) = (request.block_height, request.incoming_cltv_expiry);
        let fact = format!("the HTLC expires at block {expiry} and the height is {height}");
        return refuse(Status::ExpiryNotAfterHeight, fact);
    }
    match &sides.outgoing {
        None => return Err(Err(unknown(request.outgoing))),
        Some((_, true)) => return Err(Err(closing(request.outgoing))),
        Some((_, false)) => {}
    }
    let Some((incoming, _)) = &sides.incoming else {
        return Ok(());
    };
    match incoming.find_conflict(settings.mode, request.htlc_id, request.outgoing) {
        None => Ok(()),
        Some(known) if is_same(known, request) => Err(Ok(recorded(known))),
        Some(known) => {
            let ShortChannelId(outgoing) = known.outgoing;
            let (id, msat) = (request.htlc_id, known.incoming_amount_msat);
            let fact = format!("HTLC {id} is pending with {msat} msat, out through {outgoing}");
            refuse(Status::DuplicateHtlc, fact)
        }
    }
}

/// An id is given once by a peer, so its amount and way tell a repeat from another HTLC; time and height move
/// on between a call and its repeat.
fn is_same(known: &Pending, request: &AddRequest) -> bool {
    known.outgoing == request.outgoing && known.incoming_amount_msat == request.incoming_amount_msat
}

fn recorded(known: &Pending) -> Decision {
    Decision {
        verdict: Verdict::Forward,
        reason: Reason::Recorded,
        bucket: known.marks.bucket(),
        outgoing_accountable: known.marks.has(Marks::ACCOUNTABLE),
        already: true,
        would_fail: known.marks.has(Marks::WOULD_FAIL),
    }
}

pub(super) fn unknown(channel: ShortChannelId) -> Error {
    let fact = format!("channel {} is not known to the resources", channel.0);
    Error::new(Status::UnknownChannel, fact).of_channel(None, Some(channel.0))
}

pub(super) fn closing(channel: ShortChannelId) -> Error {
    let fact = format!("channel {} is closing and takes no new HTLC", channel.0);
    Error::new(Status::ChannelClosing, fact).of_channel(None, Some(channel.0))
}

#[derive(Clone, Copy)]
struct Choice {
    reason: Reason,
    bucket: BucketKind,
    is_accountable: bool,
    general_slots: u8,
    parts: Option<Parts>,
}

impl Choice {
    fn of(reason: Reason, bucket: BucketKind, is_accountable: bool) -> Choice {
        Choice { reason, bucket, is_accountable, general_slots: 0, parts: None }
    }

    fn fail(reason: Reason) -> Choice {
        Choice::of(reason, BucketKind::None, false)
    }

    fn is_forward(&self) -> bool {
        (self.reason as u32) < Reason::NoReputation as u32
    }

    fn failed(self) -> Decision {
        Decision {
            verdict: Verdict::Fail,
            reason: self.reason,
            bucket: BucketKind::None,
            outgoing_accountable: false,
            already: false,
            would_fail: false,
        }
    }
}

/// One decision under way.
struct Scene<'a> {
    terms: Terms<'a>,
    request: &'a AddRequest,
    incoming: &'a mut Incoming,
    outgoing: &'a Outgoing,
    looked: Looked,
    fee: Fee,
    has_reputation: Option<bool>,
}

/// What an HTLC pays, and what its delay is charged with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fee {
    /// No more than our own policy asks for.
    pub(super) earned_msat: u64,
    pub(super) charged_msat: u64,
}

impl Fee {
    pub(super) fn of(settings: &Settings, request: &AddRequest) -> Fee {
        let incoming_msat = request.incoming_amount_msat;
        let paid_msat = incoming_msat.saturating_sub(request.outgoing_amount_msat);
        let earned_msat = match (settings.mode, request.policy_fee_msat) {
            (Mode::Strict, Some(own_msat)) => own_msat.min(paid_msat),
            _ => paid_msat,
        };
        let charged_msat = settings.charged_fee_msat(earned_msat, incoming_msat);
        Fee { earned_msat, charged_msat }
    }

    pub(super) fn risk_msat(&self, settings: &Settings, request: &AddRequest) -> u64 {
        let blocks = request.incoming_cltv_expiry.saturating_sub(request.block_height);
        settings.risk_msat(blocks, self.charged_msat)
    }
}

impl<'a> Scene<'a> {
    fn new(
        terms: Terms<'a>,
        request: &'a AddRequest,
        incoming: &'a mut Incoming,
        outgoing: &'a Outgoing,
        looked: Looked,
    ) -> Scene<'a> {
        let fee = Fee::of(terms.settings, request);
        Scene { terms, request, incoming, outgoing, looked, fee, has_reputation: None }
    }

    fn is_strict(&self) -> bool {
        self.terms.settings.mode == Mode::Strict
    }

    fn choose(&mut self) -> Result<Choice> {
        let upgrade = if self.is_strict() { self.request.upgrade } else { Upgrade::Unknown };
        match (self.request.incoming_accountable, upgrade) {
            (true, Upgrade::Absent) => Ok(Choice::fail(Reason::SignalTampered)),
            (true, _) => self.choose_accountable(),
            (false, upgrade) => self.choose_unaccountable(upgrade),
        }
    }

    fn choose_unaccountable(&mut self, upgrade: Upgrade) -> Result<Choice> {
        if let Some(choice) = self.general(Reason::General, false)? {
            return Ok(choice);
        }
        if upgrade == Upgrade::Absent {
            return Ok(Choice::fail(Reason::UpgradeNotAllowed));
        }
        let has_reputation = self.has_reputation();
        if has_reputation && self.fits_protected() {
            return Ok(Choice::of(Reason::Reputation, BucketKind::Protected, true));
        }
        let refused = match self.congestion(self.request.incoming_amount_msat) {
            None => return Ok(Choice::of(Reason::Congestion, BucketKind::Congestion, true)),
            Some(refused) => refused,
        };
        Ok(match self.several(has_reputation)? {
            Some(choice) => choice,
            None if has_reputation => Choice::fail(Reason::NoRoom),
            None => Choice::fail(refused),
        })
    }

    fn choose_accountable(&mut self) -> Result<Choice> {
        if !self.has_reputation() {
            return Ok(Choice::fail(Reason::NoReputation));
        }
        if self.fits_protected() {
            return Ok(Choice::of(Reason::Reputation, BucketKind::Protected, true));
        }
        if let Some(choice) = self.general(Reason::Reputation, true)? {
            return Ok(choice);
        }
        Ok(self.several(true)?.unwrap_or(Choice::fail(Reason::NoRoom)))
    }

    fn general(&mut self, reason: Reason, is_accountable: bool) -> Result<Option<Choice>> {
        let amount_msat = self.request.incoming_amount_msat;
        let Some(general_slots) = self.general_slots(amount_msat)? else {
            return Ok(None);
        };
        let choice = Choice::of(reason, BucketKind::General, is_accountable);
        Ok(Some(Choice { general_slots, ..choice }))
    }

    /// The general slots that so much would take, if they are free.
    fn general_slots(&mut self, amount_msat: u64) -> Result<Option<u8>> {
        let needed = self.incoming.allocation.slots_needed(amount_msat);
        let bucket = Bucket {
            mode: self.terms.settings.mode,
            salt: self.terms.salt,
            incoming: self.request.incoming,
            allocation: &self.incoming.allocation,
        };
        let fits = self.incoming.general.fits(bucket, self.request.outgoing, needed)?;
        if self.terms.settings.mode == Mode::Compat {
            self.looked.note(Looked::PAIR);
        }
        Ok(if fits { u8::try_from(needed).ok() } else { None })
    }

    fn has_reputation(&mut self) -> bool {
        if let Some(known) = self.has_reputation {
            return known;
        }
        let Terms { settings, .. } = self.terms;
        let unix_secs = self.request.unix_secs;
        let (mut reputation, mut revenue) = (self.outgoing.reputation, self.incoming.revenue);
        let window_secs = settings.reputation_window_secs();
        let reputation_msat = reputation.read(settings.mode, window_secs, unix_secs);
        let revenue_msat = revenue.read(settings.mode, settings.revenue_windows(), unix_secs);
        if settings.mode == Mode::Compat {
            self.looked.note(Looked::REVENUE);
        }
        let risk_msat = self.fee.risk_msat(settings, self.request);
        let in_flight_msat = self.outgoing.in_flight_risk_msat;
        let has = has_reputation(reputation_msat, in_flight_msat, risk_msat, revenue_msat);
        self.has_reputation = Some(has);
        has
    }

    fn fits_protected(&self) -> bool {
        let allocation = &self.incoming.allocation;
        let (slots, msat) = (allocation.protected_slots, allocation.protected_liquidity_msat);
        self.incoming.protected.fits(self.request.incoming_amount_msat, slots, msat)
    }

    /// Why so much may not use the congestion bucket.
    fn congestion(&mut self, amount_msat: u64) -> Option<Reason> {
        let allocation = self.incoming.allocation;
        let (slots, msat) = (allocation.congestion_slots, allocation.congestion_liquidity_msat);
        if self.outgoing.in_congestion != 0 {
            return Some(Reason::OutgoingInCongestion);
        }
        if slots == 0 {
            return Some(Reason::NoCongestionBucket);
        }
        if let Some(misused_at_secs) = self.incoming.misuse.get(&self.request.outgoing) {
            if is_misuse_recent(*misused_at_secs, self.request.unix_secs) {
                return Some(Reason::CongestionMisused);
            }
            if !self.is_strict() {
                self.looked.note(Looked::OLD_MARK);
            }
        }
        if amount_msat > allocation.congestion_htlc_max_msat() {
            return Some(Reason::AboveCongestionLimit);
        }
        let fits = self.incoming.congestion.fits(amount_msat, slots, msat);
        (!fits).then_some(Reason::CongestionFull)
    }

    /// Whatever the protected bucket has left, then the pair's general slots, then the congestion bucket.
    fn several(&mut self, has_reputation: bool) -> Result<Option<Choice>> {
        let may_spill = self.is_strict() && self.terms.settings.spills_over && has_reputation;
        let amount_msat = self.request.incoming_amount_msat;
        // Nothing can be divided over several buckets, and would use no slot of any.
        if !may_spill || amount_msat == 0 {
            return Ok(None);
        }
        let allocation = self.incoming.allocation;
        let protected = self.incoming.protected;
        let has_slot = protected.slots < u32::from(allocation.protected_slots);
        let free_msat = allocation.protected_liquidity_msat.saturating_sub(protected.msat);
        let protected_msat = if has_slot { amount_msat.min(free_msat) } else { 0 };
        let mut left_msat = amount_msat - protected_msat;

        let bucket = Bucket {
            mode: self.terms.settings.mode,
            salt: self.terms.salt,
            incoming: self.request.incoming,
            allocation: &allocation,
        };
        let free_slots = self.incoming.general.free_of(bucket, self.request.outgoing);
        let general_msat =
            left_msat.min(allocation.slot_msat.saturating_mul(u64::from(free_slots)));
        let mut general_slots = 0;
        if general_msat != 0 {
            match self.general_slots(general_msat)? {
                Some(slots) => general_slots = slots,
                None => return Ok(None),
            }
        }
        left_msat -= general_msat;
        if left_msat != 0 && self.congestion(left_msat).is_some() {
            return Ok(None);
        }
        let parts = Some(Parts { protected_msat, congestion_msat: left_msat });
        let choice = Choice::of(Reason::Several, BucketKind::Several, true);
        Ok(Some(Choice { general_slots, parts, ..choice }))
    }

    /// The entry that forwards, unless the choice is to fail.
    fn accept(&self, choice: Choice) -> Option<Found> {
        // No channel has more HTLCs than that, so whoever names more is not followed without end.
        let may_track = self.incoming.pending_count() < usize::from(HTLC_SLOTS_MAX);
        let only_watches = !choice.is_forward() && self.terms.only_watches && may_track;
        if !choice.is_forward() && !only_watches {
            return None;
        }
        let request = self.request;
        let is_accountable = match only_watches {
            true => request.incoming_accountable,
            false => choice.is_accountable,
        };
        let marks = Marks::new(choice.bucket, is_accountable).with(Marks::WOULD_FAIL, only_watches);
        let htlc = Pending {
            htlc_id: request.htlc_id,
            outgoing: request.outgoing,
            incoming_amount_msat: request.incoming_amount_msat,
            fee_msat: self.fee.earned_msat,
            added_unix_secs: request.unix_secs,
            blocks: request.incoming_cltv_expiry.saturating_sub(request.block_height),
            general_slots: choice.general_slots,
            marks,
        };
        let mut looked = self.looked;
        if marks.is_in_congestion(choice.parts) {
            looked.note(Looked::IN_CONGESTION);
        }
        let AddRequest { incoming, htlc_id, .. } = *request;
        let decision = Decision {
            verdict: Verdict::Forward,
            reason: choice.reason,
            bucket: choice.bucket,
            outgoing_accountable: is_accountable,
            already: false,
            would_fail: only_watches,
        };
        Some(Found {
            answer: Ok(decision),
            entry: Some(Entry::Add { incoming, htlc, looked }),
            parts: choice.parts.map(|parts| Entry::Parts { incoming, htlc_id, parts }),
        })
    }
}
