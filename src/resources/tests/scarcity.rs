//! Want of memory: the answer is BUSY, and what is stored is as it was.

use super::session::{START_SECS, World, id};
use crate::Status;
use crate::os::scarcity;
use crate::resources::{ChannelLimits, Mode, Resources, ResourcesOptions};
use crate::store::{Store, StoreOptions};

fn options(mode: Mode) -> ResourcesOptions {
    ResourcesOptions {
        entropy: Some([6; 32]),
        journal_entries_max: 64,
        ..ResourcesOptions::of_mode(mode)
    }
}

/// The story: resources were opened for the first time, and there was no memory for their ring. The answer
/// was BUSY, which changes nothing; but the settings were written, and the host that chose another mode then
/// was told WRONG_MODE.
#[test]
fn an_open_without_memory_leaves_no_settings() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path().join("store"), &StoreOptions::default()).unwrap();
    let refused = scarcity::during(|| Resources::open(&store, options(Mode::Strict)));
    assert_eq!(refused.err().map(|error| error.status()), Some(Status::Busy));
    let resources = Resources::open(&store, options(Mode::Compat)).unwrap();
    resources.close().unwrap();
    // The same with settings: a conversion that was not to be had has not begun.
    let asked = ResourcesOptions { convert: true, ..options(Mode::Strict) };
    let refused = scarcity::during(|| Resources::open(&store, asked));
    assert_eq!(refused.err().map(|error| error.status()), Some(Status::Busy));
    assert!(Resources::open(&store, options(Mode::Compat)).is_ok());
}

/// The story: a node with some sixty channels opened its resources while memory was short. What a scan of
/// channels collects could not grow, and Rust ended the process.
#[test]
fn channels_that_there_is_no_room_for_are_loaded_another_time() {
    const CHANNELS: u64 = 10_000;
    let limits = ChannelLimits { max_in_flight_msat: 400_000_000, max_accepted_htlcs: 4 };
    let mut world = World::new(options(Mode::Strict), None);
    for number in 1..=CHANNELS {
        let add = || world.resources().add_channel(id(number), limits, START_SECS);
        while add().is_err_and(|error| error.status() == Status::Busy) {}
    }
    for crash in [true, false] {
        world.store.sync().unwrap();
        drop(world.end(crash));
        world.open_store();
        // The shards are smaller than that, and the channels larger.
        let refused = scarcity::during_from(128 << 10, || world.open_resources());
        assert_eq!(refused.err().map(|error| error.status()), Some(Status::Busy));
        world.open_resources().unwrap();
        assert_eq!(world.resources().report().channels, CHANNELS);
    }
}
