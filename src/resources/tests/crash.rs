//! RX1: what a crash leaves at any point is what a prefix of the calls left, with every durable one in it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::world::{State, World, open_in_pieces, options, state};
use crate::resources::{Ack, Mode, Resources, ResourcesOptions};
use crate::store::Store;
use crate::store::failpoints::Fault;

const MODES: [Mode; 2] = [Mode::Strict, Mode::Compat];
const LIVES: u64 = 8;

/// What a process saw before it ended.
struct Life {
    states: Vec<State>,
    /// Index of the first state that a crash may leave.
    durable: usize,
}

fn live_on(world: &mut World, store: &Store, resources: &Resources) -> Life {
    let mut life = Life { states: vec![state(resources)], durable: 0 };
    for _ in 0..world.numbers.below(300) {
        if world.numbers.below(30) == 0 {
            store.inject(Some(Fault::NoSpace));
        }
        if world.numbers.below(40) == 0 {
            std::thread::sleep(Duration::from_micros(world.numbers.below(3_000)));
        }
        let ack = if world.numbers.below(30) == 0 { Ack::Durable } else { Ack::Memory };
        if world.step(resources, ack) {
            life.durable = life.states.len();
        }
        life.states.push(state(resources));
        if world.numbers.below(60) == 0 && resources.sync().is_ok() {
            life.durable = life.states.len() - 1;
        }
    }
    life
}

fn end(world: &mut World, store: &Store, resources: &Resources, life: &mut Life) {
    let moment = Duration::from_millis(world.numbers.below(20));
    match world.numbers.below(4) {
        0 => {
            store.inject(None);
            resources.close().unwrap();
            life.durable = life.states.len() - 1;
        }
        1 => {
            // The commit is made, and nobody is told.
            store.inject(Some(Fault::CommitFailsAfter));
            drop(resources.sync());
            std::thread::sleep(moment);
        }
        2 => {}
        _ => std::thread::sleep(moment),
    }
    store.crash();
}

fn lives(mode: Mode, seed: u64) {
    let mut world = World::new(seed, 0);
    let only_watches = seed.is_multiple_of(5);
    let options = ResourcesOptions { only_watches, journal_entries_max: 4_096, ..options(mode) };
    let directory = tempfile::tempdir().unwrap();
    let mut store = open_in_pieces(&directory);
    let mut resources = Resources::open(&store, options.clone()).unwrap();
    for number in 0..LIVES {
        let mut life = live_on(&mut world, &store, &resources);
        end(&mut world, &store, &resources, &mut life);
        drop(resources);
        drop(store.close());
        drop(store);
        store = open_in_pieces(&directory);
        resources = Resources::open(&store, options.clone()).unwrap();
        assert_eq!(resources.report().damaged, 0);
        let found = state(&resources);
        let place = life.states.iter().rposition(|known| *known == found);
        let (durable, last) = (life.durable, life.states.len() - 1);
        assert!(
            place.is_some_and(|place| place >= durable),
            "{mode:?} seed {seed} life {number}: state {place:?}, durable {durable} of {last}"
        );
    }
}

#[test]
fn a_crash_leaves_a_prefix_with_everything_durable() {
    std::thread::scope(|scope| {
        for mode in MODES {
            scope.spawn(move || (1..=5).for_each(|seed| lives(mode, seed)));
        }
    });
}

/// A store with a random life behind it.
fn lived_in(mode: Mode, seed: u64) -> (tempfile::TempDir, State) {
    let mut world = World::new(seed, 0);
    let directory = tempfile::tempdir().unwrap();
    let store = open_in_pieces(&directory);
    let resources = Resources::open(&store, options(mode)).unwrap();
    for _ in 0..300 {
        world.step(&resources, Ack::Memory);
    }
    let last = state(&resources);
    (directory, last)
}

/// Opens with a crash after so many microseconds; answers what was found unless the crash came before.
fn interrupted(
    directory: &tempfile::TempDir,
    options: &ResourcesOptions,
    crash_after: u64,
) -> Option<State> {
    let store = open_in_pieces(directory);
    let is_open = AtomicBool::new(false);
    let found = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_micros(crash_after));
            if !is_open.load(Ordering::SeqCst) {
                store.crash();
            }
        });
        let resources = Resources::open(&store, options.clone());
        is_open.store(true, Ordering::SeqCst);
        resources.ok().map(|resources| state(&resources))
    });
    store.check_usable().ok().and(found)
}

#[test]
fn a_division_that_crashes_interrupt_ends_as_one_that_none_does() {
    for mode in MODES {
        for seed in 1..=4 {
            let (undisturbed, before) = lived_in(mode, seed);
            let (disturbed, same) = lived_in(mode, seed);
            assert!(before == same, "a life is the same twice");
            let mut other = options(mode);
            (other.settings.general_percent, other.settings.congestion_percent) = (60, 5);
            let store = open_in_pieces(&undisturbed);
            let expected = state(&Resources::open(&store, other.clone()).unwrap());
            for crash_after in (0..3_000).step_by(150) {
                if let Some(found) = interrupted(&disturbed, &other, crash_after) {
                    assert!(found == expected, "{mode:?} seed {seed} at {crash_after} us");
                }
            }
        }
    }
}

#[test]
fn what_threads_leave_at_a_close_is_what_they_saw() {
    for mode in MODES {
        let options = ResourcesOptions { journal_entries_max: 256, ..options(mode) };
        let directory = tempfile::tempdir().unwrap();
        let store = open_in_pieces(&directory);
        let resources = Resources::open(&store, options.clone()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let resources = &resources;
                scope.spawn(move || {
                    let mut world = World::new(thread + 1, thread << 40);
                    for step in 0..1_500 {
                        let ack = if step % 50 == 0 { Ack::Durable } else { Ack::Memory };
                        world.step(resources, ack);
                    }
                });
            }
        });
        let before = state(&resources);
        drop(resources);
        let resources = Resources::open(&store, options).unwrap();
        assert!(state(&resources) == before, "{mode:?}");
    }
}
