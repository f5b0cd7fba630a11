//! A node whose channels have HTLCs pending on each other, and the two resource managers that it can ask:
//! lnkeep's, and the reference's structure as a port.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lnkeep::resources::{
    Ack, AddRequest, ChannelLimits, LiveHtlc, Mode, Removal, ResolveRequest, Resources,
    ResourcesOptions, Settings, Upgrade, Verdict,
};
use lnkeep::{ShortChannelId, Status, Store, StoreOptions};

use super::common::scatter;
use super::jamming_reference::{
    AddHtlc, Config, ReferenceManager, ResolveHtlc, Verdict as ReferenceVerdict,
};

/// Limits of every channel: as many HTLCs as BOLT 2 allows, 1 BTC in flight.
const HTLCS: u16 = 483;
const IN_FLIGHT_MSAT: u64 = 100_000_000_000;
const PENDING_FEE_MSAT: u64 = 1_000;
/// So little that millions of them on one pair leave every channel's revenue far below every reputation.
const MEASURED_FEE_MSAT: u64 = 10;
const HEIGHT: u32 = 800_000;
const BLOCKS_TO_EXPIRY: u32 = 144;
const START_UNIX_SECS: u64 = 1_700_000_000;
/// What is measured begins after everything that is pending was added.
const LATER_UNIX_SECS: u64 = START_UNIX_SECS + 1_000;
/// Ids of the HTLCs that are measured begin here.
const MEASURED_IDS: u64 = 1 << 32;
/// One HTLC that earns an outgoing channel the reputation for all that is pending and measured.
const ENDOWMENT_MSAT: u64 = 1_900_000_000;
/// Lets every manager draw the same slots in every run.
const SALT: [u8; 32] = [7; 32];

/// One HTLC to be forwarded.
#[derive(Clone, Copy)]
pub struct Forward {
    pub incoming: u64,
    pub outgoing: u64,
    pub htlc_id: u64,
    pub fee_msat: u64,
    pub is_accountable: bool,
    pub unix_secs: u64,
}

impl Forward {
    const OUTGOING_MSAT: u64 = 1_000_000;

    fn incoming_msat(&self) -> u64 {
        Forward::OUTGOING_MSAT + self.fee_msat
    }
}

/// Who is asked. Every call has to succeed.
pub trait Manager: Sync {
    fn add_channel(&self, channel: u64);

    /// Removes a channel that no HTLC needs.
    fn remove_channel(&self, channel: u64);

    fn add(&self, htlc: &Forward);

    /// Settles an HTLC a second after it was added.
    fn resolve(&self, htlc: &Forward);
}

/// The port.
pub struct Port(pub ReferenceManager);

impl Port {
    pub fn new() -> Port {
        Port(ReferenceManager::new(Config::default(), SALT).expect("parameters"))
    }

    pub fn restored(bytes: &[u8]) -> Port {
        Port(ReferenceManager::decode(Config::default(), bytes).expect("what it encoded"))
    }

    pub fn request(htlc: &Forward) -> AddHtlc {
        AddHtlc {
            unix_secs: htlc.unix_secs,
            incoming: htlc.incoming,
            outgoing: htlc.outgoing,
            htlc_id: htlc.htlc_id,
            incoming_amount_msat: htlc.incoming_msat(),
            outgoing_amount_msat: Forward::OUTGOING_MSAT,
            incoming_cltv_expiry: HEIGHT + BLOCKS_TO_EXPIRY,
            height_added: HEIGHT,
            incoming_accountable: htlc.is_accountable,
        }
    }
}

impl Manager for Port {
    fn add_channel(&self, channel: u64) {
        let added = self.0.add_channel(channel, IN_FLIGHT_MSAT, HTLCS, START_UNIX_SECS);
        added.expect("add a channel");
    }

    fn remove_channel(&self, channel: u64) {
        assert_eq!(self.0.remove_channel(channel), Ok(true));
    }

    fn add(&self, htlc: &Forward) {
        let verdict = self.0.add_htlc(&Port::request(htlc)).expect("add");
        assert!(matches!(verdict, ReferenceVerdict::Forward { .. }));
    }

    fn resolve(&self, htlc: &Forward) {
        let resolved = self.0.resolve_htlc(&ResolveHtlc {
            unix_secs: htlc.unix_secs + 1,
            incoming: htlc.incoming,
            outgoing: htlc.outgoing,
            htlc_id: htlc.htlc_id,
            settled: true,
        });
        assert_eq!(resolved, Ok(true));
    }
}

/// lnkeep's.
pub struct Ours {
    pub store: Arc<Store>,
    pub resources: Resources,
    /// Refusals because the journal waited for the disk; each was asked again.
    pub busy: AtomicU64,
}

/// The mode and whether there is a journal, and whatever else the defaults are.
pub fn options(mode: Mode, with_journal: bool) -> ResourcesOptions {
    ResourcesOptions {
        settings: Settings { mode, ..Settings::default() },
        without_journal: !with_journal,
        entropy: Some(SALT),
        ..ResourcesOptions::default()
    }
}

impl Ours {
    pub fn open(folder: &Path, options: ResourcesOptions) -> Ours {
        let store = Store::open(folder, &StoreOptions::default()).expect("open");
        let resources = Resources::open(&store, options).expect("resources");
        Ours { store, resources, busy: AtomicU64::new(0) }
    }

    pub fn close(self) {
        self.resources.close().expect("close");
        self.store.close().expect("close");
    }

    pub fn add_waiting(&self, htlc: &Forward, ack: Ack) {
        let request = AddRequest {
            incoming: ShortChannelId(htlc.incoming),
            outgoing: ShortChannelId(htlc.outgoing),
            htlc_id: htlc.htlc_id,
            incoming_amount_msat: htlc.incoming_msat(),
            outgoing_amount_msat: Forward::OUTGOING_MSAT,
            incoming_cltv_expiry: HEIGHT + BLOCKS_TO_EXPIRY,
            block_height: HEIGHT,
            incoming_accountable: htlc.is_accountable,
            upgrade: Upgrade::Unknown,
            policy_fee_msat: None,
            unix_secs: htlc.unix_secs,
        };
        let decision = self.until_not_busy(|| self.resources.add(&request, ack));
        assert!(decision.verdict == Verdict::Forward && !decision.already);
    }

    fn until_not_busy<T>(&self, call: impl Fn() -> lnkeep::Result<T>) -> T {
        loop {
            match call() {
                Err(error) if error.status() == Status::Busy => {
                    self.busy.fetch_add(1, Ordering::Relaxed);
                    std::thread::yield_now();
                }
                answer => return answer.expect("a call of the bench"),
            }
        }
    }
}

impl Manager for Ours {
    fn add_channel(&self, channel: u64) {
        let limits =
            ChannelLimits { max_in_flight_msat: IN_FLIGHT_MSAT, max_accepted_htlcs: HTLCS };
        let id = ShortChannelId(channel);
        self.until_not_busy(|| self.resources.add_channel(id, limits, START_UNIX_SECS));
    }

    fn remove_channel(&self, channel: u64) {
        let id = ShortChannelId(channel);
        let removal = self.until_not_busy(|| self.resources.remove_channel(id));
        assert_eq!(removal, Removal::Removed);
    }

    fn add(&self, htlc: &Forward) {
        self.add_waiting(htlc, Ack::Memory);
    }

    fn resolve(&self, htlc: &Forward) {
        let request = ResolveRequest {
            incoming: ShortChannelId(htlc.incoming),
            outgoing: ShortChannelId(htlc.outgoing),
            htlc_id: htlc.htlc_id,
            settled: true,
            unix_secs: htlc.unix_secs + 1,
        };
        let resolved = self.until_not_busy(|| self.resources.resolve(&request, Ack::Memory));
        assert!(!resolved.already);
    }
}

/// Channels, what is pending on them, and the pairs that are asked about.
pub struct Scene {
    pub channels: Vec<u64>,
    /// Forwarded in this order. Every second one is accountable and sits in a protected bucket, the others in
    /// general ones.
    pub pending: Vec<Forward>,
    /// Pairs that have something pending in the general bucket, so that their slots are known, in an order
    /// that has no relation to that of the ids.
    pub rotating: Vec<(u64, u64)>,
    /// The channel through which the others earned their reputation.
    feeder: u64,
}

impl Scene {
    /// So many channels with so many HTLCs pending out through each, which came in through as many others,
    /// as far as there are so many.
    pub fn new(channels: usize, each: usize) -> Scene {
        let ids: Vec<u64> = (0..channels as u64).map(scid).collect();
        let mut pending = Vec::with_capacity(channels * each);
        let mut rotating = Vec::new();
        for turn in 0..each {
            for (index, outgoing) in ids.iter().enumerate() {
                let incoming = ids[(index + 1 + turn % (channels - 1)) % channels];
                let is_accountable = turn % 2 == 1;
                pending.push(Forward {
                    incoming,
                    outgoing: *outgoing,
                    htlc_id: pending.len() as u64,
                    fee_msat: PENDING_FEE_MSAT,
                    is_accountable,
                    unix_secs: START_UNIX_SECS + 10,
                });
                if !is_accountable {
                    rotating.push((incoming, *outgoing));
                }
            }
        }
        rotating.sort_unstable();
        rotating.dedup();
        rotating.sort_by_key(|(incoming, outgoing)| scatter(incoming ^ outgoing));
        Scene { channels: ids, pending, rotating, feeder: scid(channels as u64) }
    }

    /// A channel that has nothing pending and is in no pair.
    pub fn spare(&self) -> u64 {
        scid(self.channels.len() as u64 + 1)
    }

    /// Brings a manager to the state in which everything is pending.
    pub fn fill(&self, manager: &dyn Manager) {
        self.fill_channels(manager);
        self.pending.iter().for_each(|htlc| manager.add(htlc));
    }

    /// The channels with their reputation, and nothing pending. The feeder alone has the revenue of it, so
    /// that the reputation of every other channel is above every threshold.
    fn fill_channels(&self, manager: &dyn Manager) {
        manager.add_channel(self.feeder);
        for (number, channel) in self.channels.iter().enumerate() {
            manager.add_channel(*channel);
            let endowment = Forward {
                incoming: self.feeder,
                outgoing: *channel,
                htlc_id: number as u64,
                fee_msat: ENDOWMENT_MSAT,
                is_accountable: false,
                unix_secs: START_UNIX_SECS + 1,
            };
            manager.add(&endowment);
            manager.resolve(&endowment);
        }
    }

    /// What a node that restarts knows to be pending, as lnkeep is told.
    pub fn live(&self) -> Vec<LiveHtlc> {
        let live = |htlc: &Forward| LiveHtlc {
            incoming: ShortChannelId(htlc.incoming),
            outgoing: ShortChannelId(htlc.outgoing),
            htlc_id: htlc.htlc_id,
            incoming_amount_msat: htlc.incoming_msat(),
            outgoing_amount_msat: Forward::OUTGOING_MSAT,
            incoming_cltv_expiry: HEIGHT + BLOCKS_TO_EXPIRY,
            block_height: HEIGHT,
            outgoing_accountable: htlc.is_accountable,
            added_unix_secs: htlc.unix_secs,
        };
        self.pending.iter().map(live).collect()
    }
}

/// Ids whose order has no relation to the order in which channels are used.
fn scid(number: u64) -> u64 {
    let block = 500_000 + scatter(number) % 300_000;
    // The number makes it unique.
    (block << 40) | (number << 16) | (number % 2)
}

/// A manager and how far it is: every HTLC gets a new id and comes a second after the one before it.
pub struct Asked<M> {
    pub manager: M,
    next: AtomicU64,
}

impl<M: Manager> Asked<M> {
    pub fn new(manager: M) -> Asked<M> {
        Asked { manager, next: AtomicU64::new(0) }
    }

    /// The next HTLCs of these pairs, in turn.
    pub fn htlcs<'b>(
        &self,
        pairs: &'b [(u64, u64)],
        is_accountable: bool,
        count: u64,
    ) -> impl Iterator<Item = Forward> + 'b {
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let turns = pairs.iter().cycle().skip(first as usize % pairs.len());
        turns.zip(first..first + count).map(move |((incoming, outgoing), number)| Forward {
            incoming: *incoming,
            outgoing: *outgoing,
            htlc_id: MEASURED_IDS + number,
            fee_msat: MEASURED_FEE_MSAT,
            is_accountable,
            unix_secs: LATER_UNIX_SECS + number,
        })
    }

    /// Adds and resolves so many HTLCs, and answers how many.
    pub fn add_and_resolve(&self, pairs: &[(u64, u64)], is_accountable: bool, count: u64) -> u64 {
        for htlc in self.htlcs(pairs, is_accountable, count) {
            self.manager.add(&htlc);
            self.manager.resolve(&htlc);
        }
        count
    }
}
