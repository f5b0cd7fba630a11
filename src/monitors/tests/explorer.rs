//! Every state that few updates, captures and crashes can reach, breadth first, and the mistakes on purpose
//! that the invariants must notice. The invariants I1 to I8 are in `host`.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::super::Completion;
use super::super::channel::{Body, Payload};
use super::super::plan::Capture;
use super::super::session::Mistake;
use super::core::Flaw;
use super::host::{Action, Invariant, Order, SIZE, Size, Token, Variant, World, actions, follow};

const DESIGN: Variant = Variant {
    name: "design",
    replays: true,
    gives_view: true,
    order: Order::CaptureFirst,
    mistake: None,
    flaw: None,
};

/// A state's bytes without what no decision depends on: tickets count from what is durable, captures by their
/// order, commits not at all.
fn canonical(world: &World, variant: &Variant) -> Box<[u8]> {
    let mut key = Vec::with_capacity(128);
    let (durable, host) = (&world.core.durable, &world.host);
    let volatile = world.core.volatile.as_ref().expect("it is open");
    let session = &volatile.session;
    key.extend([world.captures, world.crashes, world.snapshots]);
    key.extend(world.released);
    key.extend(host.generated.iter().chain(&host.completed).chain(host.in_flight.values()));
    for stored in durable.channels.values() {
        key.extend([stored.stage as u8, stored.base_id as u8, stored.latest_id as u8]);
        key.extend(stored.updates.iter().flat_map(|(id, (bytes, _))| [*id as u8, bytes.0[2]]));
        key.push(u8::MAX);
    }
    if let Some((manager, ..)) = &durable.manager {
        key.extend(manager.0.iter());
    }
    key.push(u8::MAX);
    let tags = durable.outputs.values().map(|(tag, _)| *tag);
    let sets = [&world.owed, &world.delivered, &world.acknowledged];
    for tag in tags.chain(sets.into_iter().flat_map(|set| set.iter().copied().chain([0xffff]))) {
        key.extend([(tag >> 8) as u8, tag as u8]);
    }
    key.push(u8::from(volatile.redelivery_next > durable.last_output_id));
    key.extend(session.durable.values().map(|known| known.latest_id as u8));
    key.push((session.last_ticket as i64 - session.durable_ticket as i64) as u8);
    for entry in &session.queue {
        key.extend(entry_bytes(&entry.body));
    }
    key.push(u8::MAX);
    for Completion { channel, update_id, kind } in &session.completions {
        key.extend([channel.0[0], update_id.unwrap_or(0) as u8, *kind as u8]);
    }
    key.push(u8::MAX);
    key.extend(session.released.iter().flat_map(|out| [(out.tag >> 8) as u8, out.tag as u8]));
    key.push(u8::MAX);
    for Token { capture, manager } in &world.tokens {
        let is_stale = |capture: &Capture| {
            variant.mistake.is_none() && capture.number <= session.captures_done
        };
        match capture {
            Some(capture) if is_stale(capture) => key.extend([u8::MAX, 1]),
            Some(capture) => {
                let counts = variant.mistake == Some(Mistake::CountInsteadOfTicket);
                let from = if counts { 0 } else { session.durable_ticket as i64 };
                let is_old = capture.number <= session.captures_done;
                key.extend([(capture.upto_ticket as i64 - from) as u8, u8::from(is_old)]);
            }
            None => key.push(u8::MAX),
        }
        if let Some(Payload(bytes)) = manager {
            key.extend(bytes.iter());
        }
        key.push(u8::MAX);
    }
    key.into()
}

fn entry_bytes(body: &Body) -> [u8; 4] {
    match body {
        Body::New { update_id, snapshot, .. } => {
            [1, snapshot.0[0], *update_id as u8, snapshot.0[2]]
        }
        Body::Update { update_id, update, .. } => [2, update.0[0], *update_id as u8, update.0[2]],
        Body::Snapshot { update_id, snapshot, .. } => [3, snapshot.0[0], *update_id as u8, 0],
        Body::Archive { channel } => [4, channel.0[0], 0, 0],
        Body::Output { tag, .. } => [5, (tag >> 8) as u8, *tag as u8, 0],
    }
}

/// What a search found.
struct Found {
    states: usize,
    transitions: u64,
    refusals: BTreeMap<&'static str, u64>,
    counterexample: Option<(Vec<Invariant>, Vec<Action>)>,
}

/// Breadth first, until a state violates an invariant or none is left. With one named, only that one ends the
/// search, and what violates another is not followed.
fn explore(size: &Size, variant: &Variant, named: Option<Invariant>) -> Found {
    let begun = std::time::Instant::now();
    let first = World::new(size, variant);
    let mut known = HashSet::from([canonical(&first, variant)]);
    let mut ways: Vec<(usize, Option<Action>)> = vec![(0, None)];
    let mut waiting = VecDeque::from([(0, first)]);
    let (mut transitions, mut refusals) = (0, BTreeMap::new());
    let mut counterexample = None;
    'search: while let Some((from, world)) = waiting.pop_front() {
        for action in actions(&world, size, variant) {
            transitions += 1;
            let mut next = world.clone();
            let (violated, refused) = follow(&mut next, action, size, variant);
            if let Some(status) = refused {
                *refusals.entry(status.name()).or_insert(0) += 1;
            }
            if !violated.is_empty() {
                if named.is_some_and(|named| !violated.contains(&named)) {
                    continue;
                }
                ways.push((from, Some(action)));
                counterexample = Some((violated, way_to(&ways, ways.len() - 1)));
                break 'search;
            }
            if known.insert(canonical(&next, variant)) {
                ways.push((from, Some(action)));
                waiting.push_back((ways.len() - 1, next));
            }
        }
    }
    let states = known.len();
    let (name, took) = (variant.name, begun.elapsed());
    eprintln!("{name}: {states} states, {transitions} transitions in {took:?}; {refusals:?}");
    if let Some((violated, actions)) = &counterexample {
        eprintln!("    violates {violated:?}: {actions:?}");
    }
    Found { states, transitions, refusals, counterexample }
}

fn way_to(ways: &[(usize, Option<Action>)], mut at: usize) -> Vec<Action> {
    let mut actions = Vec::new();
    while let (from, Some(action)) = ways[at] {
        actions.push(action);
        at = from;
    }
    actions.reverse();
    actions
}

/// A build without optimisation explores less, so that a plain `cargo test` stays quick.
fn sized(size: Size) -> Size {
    if cfg!(debug_assertions) {
        return Size { updates: size.updates.min(2), captures: 2, crashes: 1, ..size };
    }
    size
}

/// Explores everything of a sound variant: no invariant breaks, and nothing but these refusals is met.
fn expect_to_hold(size: Size, variant: &Variant, refusals: &[&str]) -> Found {
    let found = explore(&sized(size), variant, None);
    assert_eq!(found.counterexample, None, "{}", variant.name);
    let met: Vec<_> = found.refusals.keys().copied().collect();
    assert_eq!(met, refusals, "{}", variant.name);
    assert!(found.transitions > found.states as u64);
    found
}

#[test]
fn one_channel_keeps_every_invariant_in_every_state() {
    let found = expect_to_hold(SIZE, &DESIGN, &["STALE_CAPTURE"]);
    assert!(cfg!(debug_assertions) || found.states > 20_000, "only {} states", found.states);
}

#[test]
fn two_channels_keep_every_invariant_in_every_state() {
    let size = Size { channels: 2, updates: 2, captures: 2, ..SIZE };
    let found = expect_to_hold(size, &DESIGN, &["STALE_CAPTURE"]);
    assert!(cfg!(debug_assertions) || found.states > 20_000, "only {} states", found.states);
}

#[test]
fn new_channels_keep_every_invariant_in_every_state() {
    let size = Size { begins_empty: true, ..SIZE };
    expect_to_hold(size, &DESIGN, &["STALE_CAPTURE"]);
    let size = Size { channels: 2, updates: 2, captures: 2, crashes: 1, ..size };
    expect_to_hold(size, &DESIGN, &["STALE_CAPTURE"]);
}

#[test]
fn snapshots_keep_every_invariant_in_every_state() {
    let size = Size { snapshots: 2, captures: 2, ..SIZE };
    expect_to_hold(size, &DESIGN, &["STALE_CAPTURE"]);
}

#[test]
fn durable_outputs_keep_every_invariant_in_every_state() {
    let size = Size { updates: 2, durable_outputs: true, ..SIZE };
    expect_to_hold(size, &DESIGN, &["STALE_CAPTURE"]);
}

/// Hosts that differ from the design and that lose nothing all the same, with the refusals that save them.
#[test]
fn other_orders_are_sound_or_refused() {
    let sound: [(Variant, &[&str]); 6] = [
        (Variant { name: "without a view", gives_view: false, ..DESIGN }, &["STALE_CAPTURE"]),
        (
            Variant {
                name: "managers serialised out of order",
                order: Order::CaptureFirstUnordered,
                ..DESIGN
            },
            &["STALE_CAPTURE"],
        ),
        (
            Variant {
                name: "two steps, the manager first, with replay",
                flaw: Some(Flaw::ManagerThenChannels),
                ..DESIGN
            },
            &["STALE_CAPTURE"],
        ),
        (
            Variant {
                name: "capture after serialising, with a view",
                order: Order::SerialiseFirst,
                ..DESIGN
            },
            &["MANAGER_BEHIND", "STALE_CAPTURE"],
        ),
        (
            Variant {
                name: "no replay, an update between capture and serialising, with a view",
                replays: false,
                ..DESIGN
            },
            &["MANAGER_AHEAD", "STALE_CAPTURE"],
        ),
        (
            Variant {
                name: "no replay, capture and serialising together, without a view",
                replays: false,
                gives_view: false,
                order: Order::Together,
                ..DESIGN
            },
            &["STALE_CAPTURE"],
        ),
    ];
    for (variant, refusals) in sound {
        expect_to_hold(Size { captures: 2, ..SIZE }, &variant, refusals);
    }
}

const TRUSTING: Variant = Variant { gives_view: false, ..DESIGN };
const WITHOUT_REPLAY: Variant = Variant { replays: false, ..TRUSTING };

const fn flawed(name: &'static str, flaw: Flaw) -> Variant {
    Variant { name, flaw: Some(flaw), ..TRUSTING }
}

const fn mistaken(name: &'static str, mistake: Mistake) -> Variant {
    Variant { name, mistake: Some(mistake), ..TRUSTING }
}

/// Each mistake, and the invariant that has to notice it.
const BROKEN: [(Variant, Invariant); 15] = [
    (
        Variant {
            order: Order::Together,
            flaw: Some(Flaw::ManagerThenChannels),
            name: "two steps, the manager first, without replay",
            ..WITHOUT_REPLAY
        },
        Invariant::I2,
    ),
    (flawed("channels first", Flaw::ChannelsThenManager), Invariant::I1),
    (mistaken("no check of captures", Mistake::NoCaptureCheck), Invariant::I1),
    (mistaken("a count instead of a ticket", Mistake::CountInsteadOfTicket), Invariant::I1),
    (
        Variant { name: "capture after serialising", order: Order::SerialiseFirst, ..TRUSTING },
        Invariant::I1,
    ),
    (
        Variant { name: "no replay, an update between capture and serialising", ..WITHOUT_REPLAY },
        Invariant::I2,
    ),
    (mistaken("release when queued", Mistake::ReleaseWhenQueued), Invariant::I3),
    (flawed("the session follows first", Flaw::FollowsFirst), Invariant::I5),
    (flawed("a skipped update", Flaw::SkipsAnUpdate), Invariant::I4),
    (flawed("a repeated update", Flaw::RepeatsAnUpdate), Invariant::I4),
    (flawed("a snapshot forgets updates", Flaw::SnapshotForgetsUpdates), Invariant::I7),
    (flawed("an acknowledgement before its commit", Flaw::AcknowledgesAtOnce), Invariant::I8),
    (flawed("no row for an output", Flaw::StoresNoOutput), Invariant::I8),
    (flawed("no redelivery", Flaw::ForgetsRedelivery), Invariant::I8),
    (mistaken("release of an event when queued", Mistake::ReleaseWhenQueued), Invariant::I8),
];

#[test]
fn every_mistake_is_noticed() {
    for (variant, invariant) in BROKEN {
        let size = match invariant {
            Invariant::I8 => Size { updates: 2, captures: 2, durable_outputs: true, ..SIZE },
            Invariant::I7 => Size { snapshots: 1, updates: 2, ..SIZE },
            _ => SIZE,
        };
        let found = explore(&size, &variant, Some(invariant));
        assert!(found.counterexample.is_some(), "{invariant:?} misses: {}", variant.name);
    }
}
