//! Random operations of payments against a plain program of the specification, without a store and with one,
//! with restarts, crashes and injected faults, under both sets of rules.
//!
//! LNKEEP_MODEL_STEPS and LNKEEP_MODEL_SEED choose length and seed; a failure prints the seed. The store lies
//! in memory where there is a place for that: what a disk does to it is tested elsewhere.
#![allow(missing_docs)]

#[path = "payments_model/calls.rs"]
mod calls;
#[path = "payments_model/dice.rs"]
mod dice;
#[path = "payments_model/pure.rs"]
mod pure;
#[path = "payments_model/records.rs"]
mod records;
#[path = "payments_model/reference.rs"]
mod reference;
#[path = "payments_model/resumption.rs"]
mod resumption;
#[path = "payments_model/streams.rs"]
mod streams;
#[path = "payments_model/world.rs"]
mod world;

use std::sync::Mutex;

use pure::PureWorld;
use world::World;

fn number_from(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn seed() -> u64 {
    number_from("LNKEEP_MODEL_SEED", std::process::id().into())
}

/// Half of the steps for each set of rules.
fn steps(default: u64) -> u64 {
    number_from("LNKEEP_MODEL_STEPS", default) / 2
}

/// One panic hook for both tests: an injected panic is no news, any other is told with the seed.
fn quiet_hook() {
    static HOOKED: Mutex<bool> = Mutex::new(false);
    let mut hooked = HOOKED.lock().unwrap();
    if std::mem::replace(&mut *hooked, true) {
        return;
    }
    let seed = seed();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some("armed by a test") {
            eprintln!("LNKEEP_MODEL_SEED={seed}: {panic}");
        }
    }));
}

#[test]
fn a_million_random_steps_of_the_rules_agree_with_the_specification() {
    quiet_hook();
    let seed = seed();
    let steps = steps(1_000_000);
    let started = std::time::Instant::now();
    for lnd in [false, true] {
        let mut world = PureWorld::new(seed, lnd);
        for _ in 0..steps {
            world.step();
        }
    }
    println!("rules: {} steps in {:?}, seed {seed}", 2 * steps, started.elapsed());
}

#[test]
fn random_steps_of_the_store_agree_with_the_specification() {
    quiet_hook();
    let seed = seed();
    let steps = steps(60_000);
    for lnd in [false, true] {
        let started = std::time::Instant::now();
        let mut world = World::new(seed, lnd);
        while world.steps < steps {
            world.step();
        }
        world.check_all();
        println!(
            "store: {} steps in {:?}, seed {seed}, lnd_compat {lnd}: {}",
            world.steps,
            started.elapsed(),
            world.summary()
        );
        assert!(world.faults > 0, "no fault was injected; use more steps");
    }
}
