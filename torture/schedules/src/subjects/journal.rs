//! The resources' journal: what was answered durable is in a commit, what was not asked for gets there by
//! itself, and whoever waits is woken.

use std::sync::Arc;

use shuttle::rand::Rng;

use crate::error::{Class, Status};
use crate::resources::{Ack, AddRequest, ChannelLimits, Resources, ResourcesOptions, Upgrade};
use crate::store::Store;
use crate::store::failpoints::Fault;
use crate::store::opening::in_memory::{self, Image};
use crate::types::ShortChannelId;

const CALLERS_MAX: u64 = 3;
/// Turns of the others after which what waits has to be durable, when nobody asks for it.
const TURNS: u32 = 500;
const LIMITS: ChannelLimits =
    ChannelLimits { max_in_flight_msat: 1_000_000_000, max_accepted_htlcs: 483 };

fn options() -> ResourcesOptions {
    ResourcesOptions {
        journal_entries_max: 8,
        entropy: Some([1; 32]),
        ..ResourcesOptions::default()
    }
}

fn channel(number: u64) -> ShortChannelId {
    ShortChannelId(number << 40 | 1)
}

fn htlc(caller: u64) -> AddRequest {
    AddRequest {
        incoming: channel(1),
        outgoing: channel(2),
        htlc_id: caller,
        incoming_amount_msat: 1_000,
        outgoing_amount_msat: 990,
        incoming_cltv_expiry: 200,
        block_height: 100,
        incoming_accountable: false,
        upgrade: Upgrade::Unknown,
        policy_fee_msat: None,
        unix_secs: 1_000,
    }
}

/// What the disk held when a call was told that it is durable.
struct Told {
    caller: u64,
    is_htlc: bool,
    image: Image,
}

fn call(store: &Store, resources: &Resources, caller: u64, is_quiet: bool) -> Option<Told> {
    let dice = if is_quiet { 2 } else { shuttle::rand::thread_rng().gen_range(0..3) };
    let answer = match dice {
        0 => resources.add_channel(channel(10 + caller), LIMITS, 1_000).map(drop),
        1 => resources.add(&htlc(caller), Ack::Durable).map(drop),
        _ => resources.add(&htlc(caller), Ack::Memory).map(drop),
    };
    match answer {
        Ok(()) if dice != 2 => {
            Some(Told { caller, is_htlc: dice == 1, image: in_memory::image(store) })
        }
        Ok(()) => None,
        Err(error) => {
            let is_told = matches!(error.status(), Status::Closed | Status::NotDurable);
            assert!(is_told || error.class() == Class::Retry, "{error}");
            None
        }
    }
}

/// Opens what a crash after the answer would have left.
fn check(told: &Told) {
    let store = in_memory::open(Arc::clone(&told.image), 64);
    let resources = Resources::open(&store, options()).expect("it opens again");
    if told.is_htlc {
        let pending = resources.pending().expect("it is open");
        let is_there = pending.iter().any(|one| one.htlc_id == told.caller);
        assert!(is_there, "HTLC {} was answered durable and is lost (RJ1)", told.caller);
    } else {
        let view = resources.channel(channel(10 + told.caller), 1_000);
        assert!(view.is_ok(), "channel {} was answered durable and is lost (RJ1)", told.caller);
    }
    resources.close().expect("it closes");
    store.close().expect("it closes");
}

/// Nobody asks, and all the same it becomes durable.
fn wait_without_asking(resources: &Resources) {
    let mut turns = 0;
    loop {
        let stats = resources.stats().expect("it is open");
        if stats.journal_durable_below >= stats.journal_next {
            return;
        }
        turns += 1;
        assert!(turns < TURNS, "what was appended is never written");
        std::thread::yield_now();
    }
}

/// One schedule.
pub fn run() {
    Resources::write_channels_often(shuttle::rand::thread_rng().gen_range(0..4) == 0);
    // Nobody asks for anything: whoever was not woken is not woken by the next call either.
    let is_quiet = shuttle::rand::thread_rng().gen_range(0..3) == 0;
    let callers = shuttle::rand::thread_rng().gen_range(1..=CALLERS_MAX);
    let closes_early = !is_quiet && shuttle::rand::thread_rng().gen_range(0..3) == 0;
    let store = in_memory::open(in_memory::empty(), 64);
    let resources = Arc::new(Resources::open(&store, options()).expect("it opens"));
    for number in 1..3 {
        resources.add_channel(channel(number), LIMITS, 1_000).expect("nothing refuses it");
    }
    // A refused write loses nothing and is tried again (RJ3), but by a journal that ends.
    let is_full = shuttle::rand::thread_rng().gen_range(0..4) == 0;
    if is_full {
        store.inject_after(shuttle::rand::thread_rng().gen_range(0..3), Fault::NoSpace);
    }
    let callers: Vec<_> = (0..callers)
        .map(|caller| {
            let (store, resources) = (Arc::clone(&store), Arc::clone(&resources));
            std::thread::spawn(move || call(&store, &resources, caller, is_quiet))
        })
        .collect();
    let mut closed = Ok(());
    if closes_early {
        closed = resources.close();
    }
    let told: Vec<Told> =
        callers.into_iter().filter_map(|thread| thread.join().expect("a caller")).collect();
    if !closes_early {
        wait_without_asking(&resources);
        closed = resources.close();
    }
    let closed = closed.and(store.close());
    assert!(closed.is_ok() || is_full, "a close failed without a reason");
    told.iter().for_each(check);
}
