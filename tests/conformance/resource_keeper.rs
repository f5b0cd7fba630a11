//! The resources of a store as something that traces are walked through, in `compat` mode.
//!
//! A restart ends the store inside the process, after a barrier: nothing is marked as closed, and what the
//! journal holds is all there is. Every third one closes instead, so that both ways back are taken.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lnkeep::resources::{
    self as kept, Ack, AddRequest, BucketKind, ChannelLimits, ChannelView, Decision, Mode,
    PendingView, ResolveRequest, Resources, ResourcesOptions, Settings, Upgrade,
};
use lnkeep::{Error, ShortChannelId, Status, Store, StoreOptions};

use super::resource_traces::{
    AddHtlc, Allocation, Bucket, ChannelState, Config, Diagnosis, Manager, PendingState, Refused,
    Removal, Replayed, Resolution, ResolveHtlc, Verdict,
};

/// Calls that may wait for the disk, by default.
pub const USUAL_ENTRIES: u32 = lnkeep::limits::RESOURCES_JOURNAL_ENTRIES;

/// A store whose resources are open, with a journal of so many entries. One of fewer than usual also writes
/// channels after every few of them, while calls are made.
pub struct Keeper<const ENTRIES: u32> {
    directory: tempfile::TempDir,
    options: ResourcesOptions,
    open: Option<(Arc<Store>, Resources)>,
    restarts: u32,
    /// What the dry run of an HTLC answered: that it is added is to answer the same.
    foreseen: Option<Result<Decision, Status>>,
}

pub fn settings(mode: Mode, config: Config) -> Settings {
    Settings {
        mode,
        general_percent: config.general_percent,
        congestion_percent: config.congestion_percent,
        resolution_period_secs: config.resolution_period_secs,
        revenue_window_secs: config.revenue_window_secs,
        reputation_multiplier: config.reputation_multiplier,
        ..Settings::default()
    }
}

impl<const ENTRIES: u32> Keeper<ENTRIES> {
    pub fn of_mode(mode: Mode, config: Config, node_salt: [u8; 32]) -> Keeper<ENTRIES> {
        let options = ResourcesOptions {
            settings: settings(mode, config),
            entropy: Some(node_salt),
            journal_entries_max: ENTRIES,
            ..ResourcesOptions::default()
        };
        let directory = super::directory();
        let mut made = Keeper { directory, options, open: None, restarts: 0, foreseen: None };
        made.start();
        made
    }

    pub fn resources(&self) -> &Resources {
        &self.open.as_ref().expect("the resources are open").1
    }

    fn start(&mut self) {
        let path = self.directory.path().join("store");
        let store = Store::open(path, &StoreOptions::default()).expect("the store opens");
        Resources::write_channels_often(ENTRIES < USUAL_ENTRIES);
        let opened = Resources::open(&store, self.options.clone()).expect("the resources open");
        assert_eq!(opened.report().damaged, 0, "no row is damaged");
        self.open = Some((store, opened));
    }

    /// Makes a call until the journal has room for it.
    pub fn when_not_busy<T>(
        &self,
        call: impl Fn(&Resources) -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            match call(self.resources()) {
                Err(error) if error.status() == Status::Busy => {
                    self.resources().sync().expect("the journal is written");
                }
                answer => return answer,
            }
        }
    }
}

pub fn request(htlc: &AddHtlc) -> AddRequest {
    AddRequest {
        incoming: ShortChannelId(htlc.incoming),
        outgoing: ShortChannelId(htlc.outgoing),
        htlc_id: htlc.htlc_id,
        incoming_amount_msat: htlc.incoming_amount_msat,
        outgoing_amount_msat: htlc.outgoing_amount_msat,
        incoming_cltv_expiry: htlc.incoming_cltv_expiry,
        block_height: htlc.height_added,
        incoming_accountable: htlc.incoming_accountable,
        upgrade: Upgrade::Unknown,
        policy_fee_msat: None,
        unix_secs: htlc.unix_secs,
    }
}

impl<const ENTRIES: u32> Manager for Keeper<ENTRIES> {
    const REPLAYS: bool = false;

    fn open(config: Config, node_salt: [u8; 32]) -> Keeper<ENTRIES> {
        Keeper::of_mode(Mode::Compat, config, node_salt)
    }

    fn add_channel(
        &mut self,
        channel: u64,
        max_in_flight_msat: u64,
        max_accepted_htlcs: u16,
        unix_secs: u64,
    ) -> Result<Allocation, Refused> {
        let limits = ChannelLimits { max_in_flight_msat, max_accepted_htlcs };
        let add = |open: &Resources| open.add_channel(ShortChannelId(channel), limits, unix_secs);
        match self.when_not_busy(add) {
            Ok((divided, false)) => Ok(allocation(&divided)),
            // Known with these limits: the format has one name for both answers.
            Ok((_, true)) => Err("channel_exists"),
            Err(error) => Err(channel_refusal(&error)),
        }
    }

    fn remove_channel(&mut self, channel: u64) -> Result<Removal, Refused> {
        match self.when_not_busy(|open| open.remove_channel(ShortChannelId(channel))) {
            Ok(kept::Removal::Removed) => Ok(Removal::Removed),
            Ok(kept::Removal::Closing) => Ok(Removal::Closing),
            Err(error) => match error.status() {
                Status::UnknownChannel => Err("unknown_channel"),
                _ => panic!("a channel is not removed for {error}"),
            },
        }
    }

    fn add_htlc(&mut self, htlc: &AddHtlc) -> Result<Verdict, Refused> {
        let asked = request(htlc);
        let answer = self.when_not_busy(|open| open.add(&asked, Ack::Memory));
        if let Some(foreseen) = self.foreseen.take() {
            let decided = answer.as_ref().map(|decision| *decision).map_err(Error::status);
            assert_eq!(decided, foreseen, "a dry run of {asked:?} answers what an addition does");
        }
        match answer {
            Ok(Decision { already: true, .. }) => Err("duplicate_htlc"),
            Ok(decision) => Ok(verdict(&decision)),
            Err(error) => Err(add_refusal(&error, htlc)),
        }
    }

    fn resolve_htlc(&mut self, htlc: &ResolveHtlc) -> Result<Resolution, Refused> {
        let asked = ResolveRequest {
            incoming: ShortChannelId(htlc.incoming),
            outgoing: ShortChannelId(htlc.outgoing),
            htlc_id: htlc.htlc_id,
            settled: htlc.settled,
            unix_secs: htlc.unix_secs,
        };
        match self.when_not_busy(|open| open.resolve(&asked, Ack::Memory)) {
            Ok(kept::Resolution { already: false, .. }) => Ok(Resolution::Resolved),
            Ok(_) => Err("unknown_htlc"),
            Err(error) => match error.status() {
                Status::UnknownChannel if error.value() == Some(htlc.outgoing) => {
                    Err("unknown_outgoing_channel")
                }
                Status::UnknownChannel => Err("unknown_incoming_channel"),
                Status::UnknownHtlc => Err("unknown_htlc"),
                Status::ResolvedBeforeAdded => Err("resolved_before_added"),
                _ => panic!("an HTLC is not resolved for {error}"),
            },
        }
    }

    fn restart(&mut self) {
        let (store, opened) = self.open.take().expect("the resources are open");
        if self.restarts % 3 == 2 {
            opened.close().expect("the resources close");
            store.close().expect("the store closes");
        } else {
            store.sync().expect("the journal is written");
            store.crash();
        }
        drop((opened, store));
        self.restarts += 1;
        self.start();
    }

    fn lossy_restart(&mut self) {
        panic!("no restart is lossy");
    }

    fn replay(&mut self, _: &[AddHtlc]) -> Replayed {
        panic!("nothing is replayed");
    }

    fn diagnose(&mut self, htlc: &AddHtlc) -> Option<Diagnosis> {
        let answer = self.resources().dry_run(&request(htlc));
        self.foreseen =
            Some(answer.as_ref().map(|explained| explained.decision).map_err(Error::status));
        let facts = answer.ok()?.facts;
        Some(Diagnosis {
            fee_msat: facts.fee_msat,
            htlc_risk_msat: facts.htlc_risk_msat,
            outgoing_reputation_msat: facts.outgoing_reputation_msat,
            outgoing_in_flight_risk_msat: facts.outgoing_in_flight_risk_msat,
            incoming_revenue_msat: facts.incoming_revenue_msat,
            sufficient_reputation: facts.has_reputation,
            outgoing_uses_congestion: facts.outgoing_uses_congestion,
        })
    }

    fn channels(&mut self) -> Vec<ChannelState> {
        self.resources().channels(0).expect("channels").iter().map(channel_state).collect()
    }

    fn pending(&mut self) -> Vec<PendingState> {
        self.resources().pending().expect("pending HTLCs").iter().map(pending_state).collect()
    }
}

pub fn allocation(divided: &kept::Allocation) -> Allocation {
    Allocation {
        general_slots: divided.general_slots,
        general_liquidity_msat: divided.general_liquidity_msat,
        pair_slots: u16::from(divided.pair_slots),
        slot_msat: divided.slot_msat,
        congestion_slots: divided.congestion_slots,
        congestion_liquidity_msat: divided.congestion_liquidity_msat,
        protected_slots: divided.protected_slots,
        protected_liquidity_msat: divided.protected_liquidity_msat,
    }
}

/// The value of a refusal of limits is the bound that was missed; the general bucket has none.
fn channel_refusal(error: &Error) -> Refused {
    use lnkeep::limits::{HTLC_SLOTS_MAX, HTLC_SLOTS_MIN, IN_FLIGHT_MSAT_MIN, SUPPLY_MSAT};
    match (error.status(), error.value()) {
        (Status::DuplicateChannel, _) => "channel_exists",
        (Status::ChannelLimits, None) => "general_bucket_too_small",
        (Status::ChannelLimits, Some(SUPPLY_MSAT)) => "in_flight_above_supply",
        (Status::ChannelLimits, Some(IN_FLIGHT_MSAT_MIN)) => "in_flight_too_small",
        (Status::ChannelLimits, Some(slots)) if slots == u64::from(HTLC_SLOTS_MAX) => {
            "htlc_count_above_protocol_limit"
        }
        (Status::ChannelLimits, Some(slots)) if slots == u64::from(HTLC_SLOTS_MIN) => {
            "htlc_count_too_small"
        }
        _ => panic!("a channel is not added for {error}"),
    }
}

fn add_refusal(error: &Error, htlc: &AddHtlc) -> Refused {
    let is_outgoing = error.value() == Some(htlc.outgoing);
    let is_incoming = error.value() == Some(htlc.incoming);
    match error.status() {
        Status::OutgoingExceedsIncoming => "outgoing_amount_exceeds_incoming",
        Status::ExpiryNotAfterHeight => "expiry_not_after_height",
        Status::UnknownChannel if is_outgoing => "unknown_outgoing_channel",
        Status::UnknownChannel if is_incoming => "unknown_incoming_channel",
        Status::ChannelClosing if is_outgoing => "outgoing_channel_closed",
        Status::ChannelClosing if is_incoming => "incoming_channel_closed",
        Status::DuplicateHtlc => "duplicate_htlc",
        Status::SlotAssignment => "slot_assignment_failed",
        _ => panic!("an HTLC is not added for {error}"),
    }
}

fn verdict(decision: &Decision) -> Verdict {
    assert!(!decision.would_fail, "the handle does more than watch");
    match decision.verdict {
        kept::Verdict::Fail => Verdict::Fail,
        kept::Verdict::Forward => {
            let (accountable, bucket) = (decision.outgoing_accountable, bucket(decision.bucket));
            Verdict::Forward { accountable, bucket }
        }
    }
}

fn bucket(kind: BucketKind) -> Bucket {
    match kind {
        BucketKind::General => Bucket::General,
        BucketKind::Congestion => Bucket::Congestion,
        BucketKind::Protected => Bucket::Protected,
        BucketKind::None | BucketKind::Several => panic!("compat mode has no bucket {kind:?}"),
    }
}

fn channel_state(view: &ChannelView) -> ChannelState {
    let usage = |usage: kept::Usage| (u16::try_from(usage.slots).expect("a slot each"), usage.msat);
    let used = view.pairs.iter().filter(|pair| !pair.used.is_empty());
    let used: BTreeMap<_, BTreeSet<_>> =
        used.map(|pair| (pair.outgoing.0, pair.used.iter().copied().collect())).collect();
    let occupied: BTreeSet<_> = view.general_occupied.iter().copied().collect();
    assert_eq!(view.general_slots_used as usize, occupied.len(), "every slot has a number");
    ChannelState {
        channel: view.channel.0,
        closed: view.is_closing,
        reputation: (view.reputation_msat, view.reputation_updated_unix_secs),
        revenue: (
            view.revenue_total_msat,
            view.revenue_updated_unix_secs,
            view.revenue_start_unix_secs,
        ),
        in_flight_risk_msat: view.in_flight_risk_msat,
        pending: u64::from(view.pending_outgoing),
        congestion: usage(view.congestion),
        protected: usage(view.protected),
        general_occupied: occupied,
        general_used: used,
        misuse: view.misuse.iter().map(|(outgoing, at)| (outgoing.0, *at)).collect(),
        general_assigned: view
            .pairs
            .iter()
            .map(|pair| (pair.outgoing.0, pair.assigned.clone()))
            .collect(),
    }
}

fn pending_state(view: &PendingView) -> PendingState {
    PendingState {
        outgoing: view.outgoing.0,
        incoming: view.incoming.0,
        htlc_id: view.htlc_id,
        incoming_amount_msat: view.incoming_amount_msat,
        fee_msat: view.fee_msat,
        accountable: view.outgoing_accountable,
        unix_secs: view.added_unix_secs,
        in_flight_risk_msat: view.risk_msat,
        bucket: bucket(view.bucket),
    }
}
