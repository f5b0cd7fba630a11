//! What the tests that break things share: plain requests, a random life of a node, its whole state.

use std::sync::Arc;
use std::time::Duration;

use crate::resources::journal::{SIZES, Sizes};
use crate::resources::record::encode_channel;
use crate::resources::{
    Ack, AddRequest, ChannelLimits, ForwardRow, LiveHtlc, Mode, PendingView, ResolveRequest,
    Resources, ResourcesOptions, Upgrade, Verdict,
};
use crate::store::{Store, StoreOptions};
use crate::{Result, ShortChannelId};

pub(super) const NOW: u64 = 1_700_000_000;
pub(super) const LIMITS: ChannelLimits =
    ChannelLimits { max_in_flight_msat: 1_000_000_000, max_accepted_htlcs: 50 };

pub(super) fn id(number: u64) -> ShortChannelId {
    ShortChannelId(number)
}

pub(super) fn options(mode: Mode) -> ResourcesOptions {
    ResourcesOptions { entropy: Some([5; 32]), ..ResourcesOptions::of_mode(mode) }
}

pub(super) fn open(directory: &tempfile::TempDir) -> Arc<Store> {
    Store::open(directory.path().join("store"), &StoreOptions::default()).unwrap()
}

/// Opens a store whose journal is cut into so small pieces that a short life meets every step of the writer.
pub(super) fn open_in_pieces(directory: &tempfile::TempDir) -> Arc<Store> {
    SIZES.set(Some(Sizes {
        delay: Duration::from_millis(2),
        block_entries: 7,
        slice_bytes: 3_000,
        journal_bytes: 3_000,
        journal_per_channels: 0,
    }));
    open(directory)
}

pub(super) fn request(incoming: u64, outgoing: u64, htlc_id: u64) -> AddRequest {
    AddRequest {
        incoming: id(incoming),
        outgoing: id(outgoing),
        htlc_id,
        incoming_amount_msat: 1_001_000,
        outgoing_amount_msat: 1_000_000,
        incoming_cltv_expiry: 800_080,
        block_height: 800_000,
        incoming_accountable: false,
        upgrade: Upgrade::Unknown,
        policy_fee_msat: None,
        unix_secs: NOW,
    }
}

pub(super) fn resolve(incoming: u64, outgoing: u64, htlc_id: u64) -> ResolveRequest {
    ResolveRequest {
        incoming: id(incoming),
        outgoing: id(outgoing),
        htlc_id,
        settled: true,
        unix_secs: NOW + 10,
    }
}

pub(super) fn live(incoming: u64, outgoing: u64, htlc_id: u64) -> LiveHtlc {
    LiveHtlc {
        incoming: id(incoming),
        outgoing: id(outgoing),
        htlc_id,
        incoming_amount_msat: 1_001_000,
        outgoing_amount_msat: 1_000_000,
        incoming_cltv_expiry: 800_080,
        block_height: 800_000,
        outgoing_accountable: false,
        added_unix_secs: NOW,
    }
}

/// Numbers that look random and are the same in every run.
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    pub(super) fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}

/// Everything that a restart has to find: what the rows hold, what the views tell, and the sums of both ends.
#[derive(PartialEq)]
pub(super) struct State {
    rows: Vec<(u64, Vec<u8>)>,
    views: String,
}

pub(super) fn state(resources: &Resources) -> State {
    let mut rows = Vec::new();
    resources.shared.engine.shards.each(|shard| {
        for channel in shard.channels.values() {
            let mut channel = (**channel).clone();
            // The views tell its slots; what is no more than a memory of assignments may differ.
            channel.incoming.general = Default::default();
            // An entry of a pair that was cut off leaves a number and nothing else.
            channel.changed_below = 0;
            rows.push((channel.id.0, encode_channel(&channel, 0)));
        }
    });
    rows.sort();
    // A handle that ended has no views.
    let views = resources.channels(NOW).and_then(|channels| Ok((channels, resources.pending()?)));
    State { rows, views: views.map(|views| format!("{views:?}")).unwrap_or_default() }
}

/// A node that does anything that a host can do.
pub(super) struct World {
    pub(super) numbers: Numbers,
    unix_secs: u64,
    next_htlc_id: u64,
    pending: Vec<(u64, u64, u64)>,
}

impl World {
    pub(super) fn new(seed: u64, first_htlc_id: u64) -> World {
        let numbers = Numbers::new(seed);
        World { numbers, unix_secs: NOW, next_htlc_id: first_htlc_id, pending: Vec::new() }
    }

    /// Does something; answers whether its effect is durable.
    pub(super) fn step(&mut self, resources: &Resources, ack: Ack) -> bool {
        let numbers = &mut self.numbers;
        let (incoming, outgoing) = (id(numbers.below(6) + 1), id(numbers.below(6) + 1));
        self.unix_secs += numbers.below(40) + numbers.of(&[0, 0, 0, 0, 0, 0, 0, 5_000]);
        let limits = ChannelLimits {
            max_in_flight_msat: numbers.of(&[1_000_000_000, 20_000_000, 3_000_000, 1_500]),
            max_accepted_htlcs: numbers.of(&[50, 12, 13, 483, 3]),
        };
        match numbers.below(100) {
            0..=5 => resources.add_channel(incoming, limits, self.unix_secs).is_ok(),
            6..=8 => resources.resize_channel(incoming, limits).is_ok(),
            9..=10 => resources.remove_channel(incoming).is_ok(),
            11 => self.import(resources, incoming, outgoing).is_ok(),
            12 => self.reconcile(resources, incoming, outgoing),
            13..=60 => self.add(resources, incoming, outgoing, ack),
            _ => self.resolve(resources, ack),
        }
    }

    fn import(
        &mut self,
        resources: &Resources,
        incoming: ShortChannelId,
        outgoing: ShortChannelId,
    ) -> Result<()> {
        let added_unix_secs = self.unix_secs - 100_000;
        let settled_unix_secs = added_unix_secs + self.numbers.below(200);
        let fee_msat = self.numbers.below(1 << 40);
        let row = ForwardRow { incoming, outgoing, fee_msat, added_unix_secs, settled_unix_secs };
        resources.import_history(&[row]).map(drop)
    }

    fn reconcile(
        &mut self,
        resources: &Resources,
        incoming: ShortChannelId,
        outgoing: ShortChannelId,
    ) -> bool {
        let (numbers, htlc_id) = (&mut self.numbers, self.next_htlc_id);
        self.next_htlc_id += 1;
        let new = LiveHtlc {
            incoming_amount_msat: 1_000_000 + numbers.below(10_000_000),
            outgoing_accountable: numbers.below(2) == 0,
            added_unix_secs: self.unix_secs,
            ..live(incoming.0, outgoing.0, htlc_id)
        };
        let as_live = |known: &PendingView| LiveHtlc {
            incoming_amount_msat: known.incoming_amount_msat,
            outgoing_amount_msat: 0,
            ..live(known.incoming.0, known.outgoing.0, known.htlc_id)
        };
        let pending = resources.pending().unwrap_or_default();
        let kept = pending.iter().filter(|_| numbers.below(10) != 0).map(as_live);
        let list: Vec<_> = kept.chain([new]).collect();
        self.pending.push((incoming.0, outgoing.0, htlc_id));
        self.numbers.below(4) == 0 && resources.reconcile(&list).is_ok()
    }

    fn add(
        &mut self,
        resources: &Resources,
        incoming: ShortChannelId,
        outgoing: ShortChannelId,
        ack: Ack,
    ) -> bool {
        let (numbers, htlc_id) = (&mut self.numbers, self.next_htlc_id);
        self.next_htlc_id += 1;
        let outgoing_amount_msat = numbers.of(&[1_000_000, 100_000, 1, 30_000_000, 5_000_000]);
        let request = AddRequest {
            incoming_amount_msat: outgoing_amount_msat + numbers.of(&[0, 1, 1_000, 50_000]),
            outgoing_amount_msat,
            incoming_cltv_expiry: 800_001 + numbers.below(100) as u32,
            incoming_accountable: numbers.below(3) == 0,
            upgrade: numbers.of(&[Upgrade::Unknown, Upgrade::Absent, Upgrade::Present]),
            policy_fee_msat: numbers.of(&[None, Some(100)]),
            unix_secs: self.unix_secs,
            ..request(incoming.0, outgoing.0, htlc_id)
        };
        let answer = resources.add(&request, ack);
        let is_forward = matches!(&answer, Ok(decision) if decision.verdict == Verdict::Forward);
        // What was refused with durability may be pending all the same.
        if is_forward || answer.is_err() {
            self.pending.push((incoming.0, outgoing.0, htlc_id));
        }
        is_forward && ack == Ack::Durable
    }

    fn resolve(&mut self, resources: &Resources, ack: Ack) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        let at = self.numbers.below(self.pending.len() as u64) as usize;
        let (incoming, outgoing, htlc_id) = self.pending.swap_remove(at);
        let settled = self.numbers.below(3) != 0;
        let request = ResolveRequest {
            settled,
            unix_secs: self.unix_secs,
            ..resolve(incoming, outgoing, htlc_id)
        };
        resources.resolve(&request, ack).is_ok() && ack == Ack::Durable
    }
}
