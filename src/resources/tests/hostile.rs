//! Callers and rows that say anything: nothing panics, nothing hangs, and a restart finds the same.

use super::faults::Put;
use super::world::{
    NOW, Numbers, World, id, live, open, open_in_pieces, options, request, resolve,
};
use crate::limits::UNIX_SECS_MAX;
use crate::resources::{
    Ack, AddRequest, BucketKind, ChannelLimits, ForwardRow, LiveHtlc, Mode, ResolveRequest,
    Resources, ResourcesOptions, Upgrade, Verdict,
};
use crate::store::Store;
use crate::store::batch::Rows;
use crate::store::tables::Table;

/// The fifth is the last second that strict rules take as a time.
const WILD: [u64; 8] = [0, 1, 1_000, NOW, UNIX_SECS_MAX, i64::MAX as u64, u64::MAX - 1, u64::MAX];
const CHANNELS: [u64; 4] = [0, 1, 2, u64::MAX];
const HEIGHTS: [u32; 4] = [0, 1, 800_000, u32::MAX];

fn wild_htlc(numbers: &mut Numbers, resources: &Resources) {
    let (incoming, outgoing) = (numbers.of(&CHANNELS), numbers.of(&CHANNELS));
    let htlc_id = numbers.of(&WILD).wrapping_sub(numbers.below(50));
    let asked = AddRequest {
        incoming_amount_msat: numbers.of(&WILD),
        outgoing_amount_msat: numbers.of(&WILD),
        incoming_cltv_expiry: numbers.of(&HEIGHTS),
        block_height: numbers.of(&HEIGHTS),
        incoming_accountable: numbers.below(2) == 0,
        upgrade: numbers.of(&[Upgrade::Unknown, Upgrade::Absent, Upgrade::Present]),
        policy_fee_msat: numbers.of(&[None, Some(0), Some(1), Some(u64::MAX)]),
        unix_secs: numbers.of(&WILD),
        ..request(incoming, outgoing, htlc_id)
    };
    drop(resources.add(&asked, Ack::Memory));
    drop(resources.dry_run(&asked));
    let (incoming, outgoing) = (id(incoming), id(outgoing));
    let (settled, unix_secs) = (numbers.below(2) == 0, numbers.of(&WILD));
    let done = ResolveRequest { incoming, outgoing, htlc_id, settled, unix_secs };
    if numbers.below(2) == 0 {
        drop(resources.resolve(&done, Ack::Memory));
    }
}

fn wild_channel(numbers: &mut Numbers, resources: &Resources) {
    let (incoming, outgoing) = (numbers.of(&CHANNELS), numbers.of(&CHANNELS));
    let limits = ChannelLimits {
        max_in_flight_msat: numbers.of(&WILD),
        max_accepted_htlcs: numbers.below(500) as u16,
    };
    drop(resources.resize_channel(id(incoming), limits));
    let found = LiveHtlc {
        incoming_amount_msat: numbers.of(&WILD),
        outgoing_amount_msat: 0,
        incoming_cltv_expiry: u32::MAX,
        block_height: 0,
        outgoing_accountable: numbers.below(2) == 0,
        added_unix_secs: numbers.of(&WILD),
        ..live(incoming, outgoing, numbers.below(9))
    };
    drop(resources.reconcile(&[found]));
    let row = ForwardRow {
        incoming: id(incoming),
        outgoing: id(outgoing),
        fee_msat: numbers.of(&WILD),
        added_unix_secs: 0,
        settled_unix_secs: numbers.of(&WILD),
    };
    drop(resources.import_history(&[row]));
    resources.channels(numbers.of(&WILD)).unwrap();
}

#[test]
fn the_ends_of_all_ranges_panic_nowhere_and_survive_a_restart() {
    for mode in [Mode::Strict, Mode::Compat] {
        for only_watches in [false, true] {
            let options = ResourcesOptions { only_watches, decisions_kept: 100, ..options(mode) };
            let directory = tempfile::tempdir().unwrap();
            let store = open(&directory);
            let resources = Resources::open(&store, options.clone()).unwrap();
            let limits = ChannelLimits {
                max_in_flight_msat: 2_099_999_999_999_999_999,
                max_accepted_htlcs: 483,
            };
            for (channel, unix_secs) in CHANNELS.into_iter().zip([0, u64::MAX, NOW, 1]) {
                drop(resources.add_channel(id(channel), limits, unix_secs));
            }
            let mut numbers = Numbers::new(7);
            for step in 0..6_000 {
                wild_htlc(&mut numbers, &resources);
                if step % 200 == 0 {
                    wild_channel(&mut numbers, &resources);
                }
            }
            let view = |resources: &Resources| {
                (resources.channels(NOW).unwrap(), resources.pending().unwrap())
            };
            let before = view(&resources);
            drop(resources);
            let resources = Resources::open(&store, options).unwrap();
            assert!(view(&resources) == before, "{mode:?}, only watching: {only_watches}");
        }
    }
}

/// Changes some bytes of some rows and seals them anew, as damage before sealing or an enemy would.
fn forge(numbers: &mut Numbers, store: &Store) {
    for table in [Table::ResourcesChannels, Table::ResourcesJournal] {
        let mut rows = Vec::new();
        let collect = |key: &[u8], body: crate::Result<&[u8]>| {
            rows.push((u64::from_be_bytes(key.try_into().unwrap()), body.unwrap().to_vec()));
            true
        };
        store.read(|view| view.scan(table, &[], collect)).unwrap();
        for (key, mut body) in rows {
            for _ in 0..numbers.below(4) {
                let at = numbers.below(body.len() as u64) as usize;
                let end = (at + 8).min(body.len());
                match numbers.below(4) {
                    0 => body[at] = numbers.of(&[0, 127, 128, 255]),
                    1 => body[at..end].fill(255),
                    2 => body[at..end].fill(0),
                    _ => body[at] ^= 1 << numbers.below(8),
                }
            }
            store.submit_one(Put(Some((table, key, body, true)))).unwrap();
        }
    }
}

#[test]
fn rows_that_lie_stop_nothing() {
    for seed in 1..=6 {
        let mode = if seed % 3 == 0 { Mode::Compat } else { Mode::Strict };
        let mut world = World::new(seed, 0);
        let directory = tempfile::tempdir().unwrap();
        let store = open_in_pieces(&directory);
        for round in 0..10 {
            let mut options = options(mode);
            options.settings.general_percent = 40 + round % 2;
            let resources = Resources::open(&store, options).unwrap();
            resources.channels(NOW).unwrap();
            for _ in 0..60 {
                world.step(&resources, Ack::Memory);
            }
            drop(resources.close());
            forge(&mut world.numbers, &store);
        }
    }
}

/// What all HTLCs together hold of a channel is no more than it has, in slots and in liquidity, of each
/// pair and of the whole; and the sums of both ends are those of the HTLCs.
fn check_bounds(resources: &Resources) {
    let pending = resources.pending().unwrap();
    for channel in resources.channels(NOW).unwrap() {
        let came_in = || pending.iter().filter(|htlc| htlc.incoming == channel.channel);
        let (limits, allocation) = (channel.limits, channel.allocation);
        assert!(came_in().count() <= usize::from(limits.max_accepted_htlcs), "{channel:?}");
        let sum_msat: u64 = came_in().map(|htlc| htlc.incoming_amount_msat).sum();
        assert!(sum_msat <= limits.max_in_flight_msat, "{sum_msat} msat: {channel:?}");
        assert!(channel.protected.msat <= allocation.protected_liquidity_msat);
        assert!(channel.congestion.msat <= allocation.congestion_liquidity_msat);
        let slots: u64 = came_in().map(|htlc| u64::from(htlc.general_slots)).sum();
        assert_eq!(slots, u64::from(channel.general_slots_used));
        assert!(slots * allocation.slot_msat <= allocation.general_liquidity_msat);
        for pair in &channel.pairs {
            let of_pair = came_in().filter(|htlc| htlc.outgoing == pair.outgoing);
            let slots: u32 = of_pair.map(|htlc| u32::from(htlc.general_slots)).sum();
            assert!(slots <= u32::from(allocation.pair_slots), "{channel:?}");
        }
        let went_out = || pending.iter().filter(|htlc| htlc.outgoing == channel.channel);
        let accountable = went_out().filter(|htlc| htlc.outgoing_accountable);
        assert_eq!(
            channel.in_flight_risk_msat,
            accountable.map(|htlc| htlc.risk_msat).sum::<u64>()
        );
        assert_eq!(channel.pending_outgoing as usize, went_out().count());
    }
}

#[test]
fn no_htlcs_hold_more_than_the_channel_has() {
    let sizes = [(1_000_000_000, 50), (40_000_000, 12), (9_000, 483), (5_000_000, 256), (77, 3)];
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    let resources = Resources::open(&store, options(Mode::Strict)).unwrap();
    for (channel, (max_in_flight_msat, max_accepted_htlcs)) in (1u64..).zip(sizes) {
        let limits = ChannelLimits { max_in_flight_msat, max_accepted_htlcs };
        resources.add_channel(id(channel), limits, NOW).unwrap();
        let rich = ForwardRow {
            incoming: id(99),
            outgoing: id(channel),
            fee_msat: (channel % 3) << 40,
            added_unix_secs: NOW - 1,
            settled_unix_secs: NOW,
        };
        resources.import_history(&[rich]).unwrap();
    }
    let mut numbers = Numbers::new(3);
    let (mut pending, mut kinds) = (Vec::new(), std::collections::BTreeSet::new());
    for htlc_id in 0..3_000 {
        let (incoming, outgoing) = (numbers.below(5) + 1, numbers.below(5) + 1);
        let amount_msat = 1 << numbers.below(29);
        let asked = AddRequest {
            incoming_amount_msat: amount_msat + numbers.below(amount_msat),
            outgoing_amount_msat: amount_msat,
            incoming_accountable: numbers.below(3) == 0,
            ..request(incoming, outgoing, htlc_id)
        };
        let decision = resources.add(&asked, Ack::Memory).unwrap();
        kinds.insert(decision.bucket as u8);
        if decision.verdict == Verdict::Forward {
            pending.push((incoming, outgoing, htlc_id));
        }
        if numbers.below(3) == 0 && !pending.is_empty() {
            let at = numbers.below(pending.len() as u64) as usize;
            let (incoming, outgoing, htlc_id) = pending.swap_remove(at);
            resources.resolve(&resolve(incoming, outgoing, htlc_id), Ack::Memory).unwrap();
        }
        if htlc_id % 20 == 0 {
            check_bounds(&resources);
        }
    }
    check_bounds(&resources);
    let all = [BucketKind::None, BucketKind::General, BucketKind::Congestion];
    let all = all.into_iter().chain([BucketKind::Protected, BucketKind::Several]);
    assert_eq!(kinds, all.map(|kind| kind as u8).collect(), "every kind was met");
}
