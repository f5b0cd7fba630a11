//! What would be left by writing in a wrong order, made by hand: each must be noticed, or the crashes of
//! `refinement` prove nothing. And calls of many entries that a crash interrupts.

use super::super::entry::{ENTRY_BYTES, Entry};
use super::super::record::{ChannelRow, decode_block, encode_channel, key};
use super::session::{Known, World, fault, id, small_sizes};
use super::traffic::Traffic;
use crate::resources::{
    Ack, AddRequest, BucketKind, ChannelLimits, ForwardRow, LiveHtlc, Mode, ResolveRequest,
    Resources, ResourcesOptions, Upgrade,
};
use crate::store::Store;
use crate::store::batch::{Batch, Command, Cost, Outcome, Reply, Rows, Space, View};
use crate::store::tables::Table;
use crate::{Result, ShortChannelId};

const LIMITS: ChannelLimits =
    ChannelLimits { max_in_flight_msat: 1_000_000_000, max_accepted_htlcs: 50 };
const NOW: u64 = super::session::START_SECS;

/// A change of rows behind the back of the resources.
struct Edit {
    puts: Vec<(Table, [u8; 8], Vec<u8>)>,
    removals: Vec<(Table, [u8; 8])>,
}

impl Command for Edit {
    fn apply(&self, batch: &mut Batch<'_>) -> Outcome {
        for (table, key, body) in &self.puts {
            batch.put(*table, key, body)?;
        }
        for (table, key) in &self.removals {
            assert!(batch.delete(*table, key)?, "there is a row to remove");
        }
        Ok(Reply::done())
    }

    fn cost(&self) -> Cost {
        Cost { rows: 64, bytes: 1 << 20 }
    }

    fn space(&self) -> Space {
        Space::Grows
    }
}

fn edit(store: &Store, puts: Vec<(Table, [u8; 8], Vec<u8>)>, removals: Vec<(Table, [u8; 8])>) {
    store.submit_one(Edit { puts, removals }).unwrap();
}

/// Rows of a table.
fn rows(store: &Store, table: Table) -> Vec<([u8; 8], Vec<u8>)> {
    let mut found = Vec::new();
    let scan = |view: &View<'_>| {
        view.scan(table, &[], |key, body| {
            found.push((key.try_into().expect("8 bytes"), body.expect("whole").to_vec()));
            true
        })
    };
    store.read(scan).unwrap();
    found
}

fn options() -> ResourcesOptions {
    ResourcesOptions { entropy: Some([3; 32]), ..ResourcesOptions::of_mode(Mode::Strict) }
}

fn request(htlc_id: u64) -> AddRequest {
    AddRequest {
        incoming: id(1),
        outgoing: id(2),
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

/// A world with two channels, an HTLC and a settled one, all of it durable and in the journal.
fn journalled() -> World {
    let mut world = World::new(options(), None);
    for number in [1, 2] {
        world.resources().add_channel(id(number), LIMITS, NOW).unwrap();
        world.remember(true);
    }
    for htlc_id in [0, 1] {
        world.resources().add(&request(htlc_id), Ack::Memory).unwrap();
        world.remember(false);
    }
    let (incoming, outgoing) = (id(1), id(2));
    let done = ResolveRequest { incoming, outgoing, htlc_id: 0, settled: true, unix_secs: NOW + 9 };
    world.resources().resolve(&done, Ack::Durable).unwrap();
    world.remember(true);
    world
}

/// A channel's row as it would be written, of what is in memory.
fn row_of(resources: &Resources, channel: ShortChannelId) -> Vec<u8> {
    let mut held = resources.shared.engine.shards.hold(channel).unwrap();
    encode_channel(held.shard().channels.get(&channel).expect("known"), 0)
}

/// What a session finds after an edit of what the one before it left.
fn verdict(mut world: World, damage: impl FnOnce(&Store)) -> Result<(), String> {
    drop(world.end(true));
    world.open_store();
    damage(&world.store);
    world.open_resources().unwrap();
    let found = Known::of(world.resources());
    world.judge(&found, false)
}

#[test]
fn what_was_written_in_order_is_found() {
    verdict(journalled(), |_| ()).unwrap();
}

#[test]
fn a_row_that_is_written_before_its_entries_is_noticed() {
    let world = journalled();
    world.store.sync().unwrap();
    let ahead = {
        // A call of which only the incoming channel's row gets to the disk.
        let copy = journalled();
        copy.resources().add(&request(7), Ack::Memory).unwrap();
        row_of(copy.resources(), id(1))
    };
    let damage =
        |store: &Store| edit(store, vec![(Table::ResourcesChannels, key(1), ahead)], Vec::new());
    verdict(world, damage).unwrap_err();
}

#[test]
fn entries_that_are_removed_before_their_rows_are_written_are_noticed() {
    let damage = |store: &Store| {
        let first = rows(store, Table::ResourcesJournal)[0].0;
        edit(store, Vec::new(), vec![(Table::ResourcesJournal, first)]);
    };
    verdict(journalled(), damage).unwrap_err();
}

#[test]
fn a_row_that_is_removed_before_its_channel_is_gone_is_noticed() {
    let mut world = World::new(options(), Some(small_sizes()));
    world.resources().add_channel(id(1), LIMITS, NOW).unwrap();
    // Until the entry that added the channel is gone, and its row alone says that there is one.
    while rows(&world.store, Table::ResourcesJournal)
        .first()
        .is_none_or(|(first, _)| *first == key(0))
    {
        let limits = ChannelLimits { max_accepted_htlcs: 20, ..LIMITS };
        world.resources().resize_channel(id(1), limits).unwrap();
        world.resources().resize_channel(id(1), LIMITS).unwrap();
    }
    world.remember(true);
    let row = vec![(Table::ResourcesChannels, key(1))];
    verdict(world, |store| edit(store, Vec::new(), row)).unwrap_err();
}

#[test]
fn an_entry_that_is_applied_twice_is_noticed() {
    let world = journalled();
    let row = row_of(world.resources(), id(2));
    let known = ChannelRow::decode(&row).unwrap();
    // As if a replay did not look at what the row includes: the number of its entry is the first one's.
    let below = known.changed_below.to_le_bytes();
    let at = row.windows(8).position(|bytes| bytes == below).expect("the row has the number");
    let mut old = row;
    old[at..at + 8].copy_from_slice(&known.added_at.saturating_add(1).to_le_bytes());
    let damage =
        |store: &Store| edit(store, vec![(Table::ResourcesChannels, key(2), old)], Vec::new());
    verdict(world, damage).unwrap_err();
}

#[test]
fn an_acknowledgement_before_the_disk_is_noticed() {
    let mut world = journalled();
    // Nothing reaches the disk any more, and the call is held to be durable.
    world.store.inject(Some(crate::store::failpoints::Fault::CommitFailsBefore));
    world.resources().add(&request(7), Ack::Memory).unwrap();
    world.remember(true);
    verdict(world, |_| ()).unwrap_err();
}

/// A world in which one HTLC lies in several buckets.
fn divided() -> World {
    let mut world = World::new(options(), None);
    for number in [1, 2] {
        world.resources().add_channel(id(number), LIMITS, NOW).unwrap();
    }
    let past = ForwardRow {
        incoming: id(9),
        outgoing: id(2),
        fee_msat: 1_000_000_000_000,
        added_unix_secs: NOW - 10,
        settled_unix_secs: NOW - 5,
    };
    world.resources().import_history(&[past]).unwrap();
    world.remember(true);
    let large = AddRequest { incoming_amount_msat: 420_000_000, ..request(5) };
    let answer = world.resources().add(&large, Ack::Durable).unwrap();
    assert_eq!(answer.bucket, BucketKind::Several);
    world.remember(true);
    world
}

/// Rewrites the last two entries of the journal.
fn rewrite_last(store: &Store, rewrite: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let (first, body) = rows(store, Table::ResourcesJournal).pop().expect("a journal");
    let entries: Vec<_> = decode_block(&body).expect("entries").1.collect();
    let is_add = matches!(entries.last(), Some(Entry::Add { .. }));
    let is_after_parts = matches!(entries[entries.len() - 2], Entry::Parts { .. });
    assert!(is_add && is_after_parts, "{entries:?}");
    edit(store, vec![(Table::ResourcesJournal, first, rewrite(body))], Vec::new());
}

#[test]
fn parts_after_their_htlc_are_noticed() {
    let swap = |mut body: Vec<u8>| {
        let last = body.len() - ENTRY_BYTES;
        body[last - ENTRY_BYTES..].rotate_left(ENTRY_BYTES);
        body
    };
    verdict(divided(), |store| rewrite_last(store, swap)).unwrap_err();
}

#[test]
fn parts_whose_htlc_is_lost_leave_nothing() {
    let mut world = divided();
    let whole = world.now().clone();
    let incoming = id(1);
    let done =
        ResolveRequest { incoming, outgoing: id(2), htlc_id: 5, settled: false, unix_secs: NOW };
    drop(world.end(true));
    world.open_store();
    rewrite_last(&world.store, |mut body| {
        body.truncate(body.len() - ENTRY_BYTES);
        body
    });
    world.open_resources().unwrap();
    assert!(world.resources().pending().unwrap().is_empty());
    let channel = world.resources().channel(incoming, NOW).unwrap();
    assert_eq!((channel.protected.msat, channel.congestion.msat), (0, 0));
    // The call is repeated, as its caller would, and leaves what it left the first time.
    let large = AddRequest { incoming_amount_msat: 420_000_000, ..request(5) };
    world.resources().add(&large, Ack::Memory).unwrap();
    assert_eq!(Known::of(world.resources()).pending, whole.pending);
    world.resources().resolve(&done, Ack::Memory).unwrap();
    let channel = world.resources().channel(incoming, NOW).unwrap();
    assert_eq!((channel.protected.slots, channel.general_slots_used), (0, 0));
}

/// A world with traffic behind it, ended, and what a call of many entries makes of it if nothing goes wrong.
fn after_traffic(seed: u64) -> (World, Traffic) {
    let mut world = World::new(options(), Some(small_sizes()));
    let mut traffic = Traffic::new(seed, Mode::Strict);
    for number in 1..=super::traffic::CHANNELS {
        let limits = traffic.limits();
        world.resources().add_channel(id(number << 40), limits, NOW).unwrap();
    }
    for _ in 0..80 {
        drop(world.resources().add(&traffic.add(&[], &[]), Ack::Memory));
    }
    world.remember(false);
    drop(world.end(false));
    (world, traffic)
}

/// Does a call with a crash at some write, then again after it, and compares with once and undisturbed.
fn interrupted<T>(
    (mut world, mut traffic): (World, Traffic),
    call: impl Fn(&Resources) -> Result<T>,
) {
    let mut whole = world.copy();
    whole.open_resources().unwrap();
    call(whole.resources()).unwrap();
    let expected = Known::of(whole.resources());
    drop(whole);
    world.open_store();
    world.open_resources().unwrap();
    let (batches, fault) = (traffic.dice.below(4), fault(&mut traffic.dice));
    world.store.inject_after(batches, fault);
    drop(call(world.resources()));
    drop(world.end(true));
    world.open_store();
    world.open_resources().unwrap();
    call(world.resources()).unwrap();
    let found = Known::of(world.resources());
    assert!(found == expected, "expected | found: {}", expected.difference(&found));
}

#[test]
fn a_reconciliation_that_a_crash_interrupts_is_finished_by_a_repeat() {
    for seed in 0..20 {
        let (world, mut traffic) = after_traffic(seed);
        let live: Vec<LiveHtlc> = traffic.live(&world.now().pending, 12);
        interrupted((world, traffic), |resources| resources.reconcile(&live));
    }
}

#[test]
fn an_import_that_a_crash_interrupts_is_finished_by_a_repeat() {
    for seed in 100..120 {
        let (world, mut traffic) = after_traffic(seed);
        let rows = traffic.history();
        interrupted((world, traffic), |resources| resources.import_history(&rows));
    }
}
