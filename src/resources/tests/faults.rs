//! Full disks, full queues, closes in the middle of calls, rows that are damaged or lie.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::world::{LIMITS, NOW, id, live, open, options, request, resolve};
use crate::resources::entry::Entry;
use crate::resources::record::encode_entry;
use crate::resources::{
    Ack, AddRequest, BucketKind, ChannelLimits, ForwardRow, Mode, Removal, Resources,
    ResourcesOptions, Verdict,
};
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Space};
use crate::store::failpoints::Fault;
use crate::store::tables::Table;
use crate::store::{Store, StoreOptions};
use crate::{ShortChannelId, Status};

/// Writes a row, sealed or not; without a row it only takes a place in the queue.
pub(super) struct Put(pub(super) Option<(Table, u64, Vec<u8>, bool)>);

impl Command for Put {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        match &self.0 {
            Some((table, key, body, true)) => batch.put(*table, &key.to_be_bytes(), body)?,
            Some((table, key, row, false)) => batch.put_row(*table, &key.to_be_bytes(), row)?,
            None => {}
        }
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 1, bytes: 4_096 }
    }

    fn space(&self) -> Space {
        Space::Grows
    }
}

fn with_channels(store: &std::sync::Arc<Store>, count: u64) -> Resources {
    let resources = Resources::open(store, options(Mode::Strict)).unwrap();
    for number in 1..=count {
        resources.add_channel(id(number), LIMITS, NOW).unwrap();
    }
    resources
}

#[test]
fn a_repeated_removal_is_durable_when_it_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    let resources = with_channels(&store, 3);
    resources.add(&request(1, 2, 1), Ack::Durable).unwrap();
    for (channel, repeated) in [(1, Ok(Removal::Closing)), (3, Err(Status::UnknownChannel))] {
        store.inject(Some(Fault::NoSpace));
        let refused = resources.remove_channel(id(channel)).unwrap_err();
        assert_eq!(refused.status(), Status::NotDurable);
        let answer = resources.remove_channel(id(channel));
        assert_eq!(answer.map_err(|error| error.status()), repeated);
    }
    store.crash();
    drop(resources);
    drop(store);
    let store = open(&directory);
    let resources = Resources::open(&store, options(Mode::Strict)).unwrap();
    assert!(resources.channel(id(1), NOW).unwrap().is_closing);
    assert_eq!(resources.channel(id(3), NOW).unwrap_err().status(), Status::UnknownChannel);
}

#[test]
fn whatever_is_forwarded_takes_a_slot() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    let resources = Resources::open(&store, options(Mode::Strict)).unwrap();
    let limits = ChannelLimits { max_accepted_htlcs: 12, ..LIMITS };
    for number in 1..=2 {
        resources.add_channel(id(number), limits, NOW).unwrap();
    }
    let rich = ForwardRow {
        incoming: id(9),
        outgoing: id(2),
        fee_msat: 1 << 50,
        added_unix_secs: NOW - 1,
        settled_unix_secs: NOW,
    };
    resources.import_history(&[rich]).unwrap();
    for amount_msat in [0, 1] {
        let small = |htlc_id| AddRequest {
            incoming_amount_msat: amount_msat,
            outgoing_amount_msat: amount_msat,
            ..request(1, 2, htlc_id)
        };
        let add = |htlc_id: &u64| resources.add(&small(*htlc_id), Ack::Memory).unwrap();
        let forwarded = (0..100).filter(|number| add(number).verdict == Verdict::Forward);
        let forwarded: Vec<_> = forwarded.collect();
        assert!(forwarded.len() <= 12, "{forwarded:?} of {amount_msat} msat");
        for htlc_id in forwarded {
            resources.resolve(&resolve(1, 2, htlc_id), Ack::Memory).unwrap();
        }
    }
}

#[test]
fn what_the_node_has_no_more_makes_room_for_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    let resources = with_channels(&store, 3);
    for htlc_id in 0..5 {
        resources.add(&request(1, 2, htlc_id), Ack::Memory).unwrap();
    }
    drop(resources);
    let resources = Resources::open(&store, options(Mode::Strict)).unwrap();
    let list: Vec<_> = (10..15).map(|htlc_id| live(1, 2, htlc_id)).collect();
    let report = resources.reconcile(&list).unwrap();
    assert_eq!((report.dropped, report.added), (5, 5));
    let pending = resources.pending().unwrap();
    assert!(pending.iter().all(|htlc| htlc.bucket == BucketKind::General), "{pending:?}");
    drop(resources);

    let resources = Resources::open(&store, options(Mode::Strict)).unwrap();
    let elsewhere = [vec![live(1, 3, 10)], list[1..].to_vec()].concat();
    let report = resources.reconcile(&elsewhere).unwrap();
    assert_eq!((report.kept, report.different, report.dropped), (4, 1, 0));
    assert_eq!(resources.pending().unwrap(), pending);
}

#[test]
fn a_full_queue_loses_nothing_and_undoes_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let settings = StoreOptions { queue_operations_max: 4, ..StoreOptions::default() };
    let store = Store::open(directory.path().join("store"), &settings).unwrap();
    drop(with_channels(&store, 2));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    drop(store.submit_one(Put(None)));
                }
            });
        }
        // A failure has to stop the threads too.
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..20 {
                let resources = Resources::open(&store, options(Mode::Strict)).unwrap();
                let before = resources.pending().unwrap().len();
                let durable = resources.add(&request(1, 2, round), Ack::Durable);
                let is_pending = resources.pending().unwrap().len() > before;
                assert_eq!(durable.is_ok(), is_pending, "round {round}: {durable:?}");
                resources.resolve(&resolve(1, 2, round), Ack::Memory).unwrap();
                resources.add(&request(2, 1, round), Ack::Memory).unwrap();
                let known = resources.pending().unwrap();
                resources.close().unwrap();
                let resources = Resources::open(&store, options(Mode::Strict)).unwrap();
                assert_eq!(resources.pending().unwrap(), known, "round {round}");
            }
        }));
        stop.store(true, Ordering::Relaxed);
        assert!(failed.is_ok());
    });
}

/// Forwards and resolves until the handle ends; answers what it was told is pending.
fn forward_until_the_end(resources: &Resources, thread: u64) -> Option<(ShortChannelId, u64)> {
    let mut pending = None;
    for htlc_id in 0.. {
        let (incoming, outgoing) = (thread * 4 + 1 + htlc_id % 2, thread * 4 + 3 + htlc_id % 2);
        let ack = if htlc_id % 3 == 0 { Ack::Durable } else { Ack::Memory };
        match resources.add(&request(incoming, outgoing, htlc_id), ack) {
            Ok(told) if told.verdict == Verdict::Forward => pending = Some((id(incoming), htlc_id)),
            // Those that met a full journal at their end fill the buckets; there is nothing to resolve.
            Ok(_) => continue,
            Err(error) if error.status() == Status::Busy => continue,
            Err(_) => break,
        }
        match resources.resolve(&resolve(incoming, outgoing, htlc_id), Ack::Memory) {
            Ok(_) => pending = None,
            Err(error) if error.status() == Status::Busy => {}
            Err(_) => break,
        }
    }
    pending
}

#[test]
fn a_close_in_the_middle_of_calls_keeps_what_they_were_told() {
    for round in 0..12 {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory);
        drop(with_channels(&store, 16));
        let small = ResourcesOptions { journal_entries_max: 16, ..options(Mode::Strict) };
        let resources = Resources::open(&store, small).unwrap();
        let told: Vec<_> = std::thread::scope(|scope| {
            let resources = &resources;
            let forward = |thread| scope.spawn(move || forward_until_the_end(resources, thread));
            let threads: Vec<_> = (0..4).map(forward).collect();
            std::thread::sleep(Duration::from_millis(round));
            match round % 2 {
                0 => resources.close().unwrap(),
                _ => store.close().unwrap(),
            }
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        drop((resources, store.close()));
        let store = open(&directory);
        let resources = Resources::open(&store, options(Mode::Strict)).unwrap();
        let pending = resources.pending().unwrap();
        for (incoming, htlc_id) in told {
            let mut known = pending.iter();
            let is_kept = known.any(|htlc| (htlc.incoming, htlc.htlc_id) == (incoming, htlc_id));
            assert!(is_kept, "round {round}: {incoming:?} {htlc_id}");
        }
    }
}

#[test]
fn a_full_disk_is_told_and_heals() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    let resources = with_channels(&store, 3);
    for htlc_id in 0..5 {
        store.inject(Some(Fault::NoSpace));
        let told = resources.add(&request(1, 2, htlc_id), Ack::Durable).unwrap_err();
        assert_eq!(told.status(), Status::NotDurable);
    }
    resources.sync().unwrap();
    let before = resources.pending().unwrap();
    assert_eq!(before.len(), 5);
    store.crash();
    drop((resources, store));
    let store = open(&directory);
    let resources = Resources::open(&store, options(Mode::Strict)).unwrap();
    assert_eq!(resources.pending().unwrap(), before);
}

#[test]
fn a_damaged_row_costs_what_it_held_and_is_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    drop(with_channels(&store, 3));
    // Other settings write every channel and remove what the journal held.
    let mut other = options(Mode::Strict);
    other.settings.general_percent = 41;
    let resources = Resources::open(&store, other.clone()).unwrap();
    resources.add(&request(1, 2, 1), Ack::Durable).unwrap();
    let first = resources.stats().unwrap().journal_next - 1;
    resources.add(&request(2, 3, 2), Ack::Durable).unwrap();
    drop(resources);
    for (table, key) in [(Table::ResourcesChannels, 1), (Table::ResourcesJournal, first)] {
        let row = b"no record at all".to_vec();
        store.submit_one(Put(Some((table, key, row, false)))).unwrap();
    }
    let resources = Resources::open(&store, other.clone()).unwrap();
    assert_eq!(resources.report().damaged, 2);
    let pending = resources.pending().unwrap();
    assert_eq!(pending.iter().map(|htlc| htlc.htlc_id).collect::<Vec<_>>(), [2]);
    resources.add_channel(id(1), LIMITS, NOW).unwrap();
    drop(resources);
    other.settings.general_percent = 42;
    drop(Resources::open(&store, other.clone()).unwrap());
    let resources = Resources::open(&store, other).unwrap();
    assert_eq!((resources.report().damaged, resources.report().channels), (0, 3));
    assert_eq!(resources.pending().unwrap(), pending);
}

#[test]
fn numbers_at_the_end_of_their_range_are_damage() {
    let removal = Entry::RemoveChannel { channel: id(1), is_gone: false };
    let mut block = Vec::new();
    encode_entry(&mut block, removal.to_words());
    for number in [u64::MAX, u64::MAX - 1] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory);
        drop(Resources::open(&store, options(Mode::Strict)).unwrap());
        let put = Put(Some((Table::ResourcesJournal, number, block.clone(), true)));
        store.submit_one(put).unwrap();
        let resources = with_channels(&store, 3);
        assert_eq!(resources.report().damaged, 1, "{number}");
        resources.close().unwrap();
    }
}
