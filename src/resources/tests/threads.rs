//! Several threads on the same channels, with syncs, channels written, a disk that refuses, ends and crashes
//! while calls run.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::journal::Sizes;
use super::session::{Dice, Known, START_SECS, World, chosen, id, small_sizes};
use crate::resources::{
    Ack, AddRequest, BucketKind, ChannelLimits, Mode, ResolveRequest, Resources, ResourcesOptions,
    Upgrade, Verdict,
};
use crate::store::failpoints::Fault;
use crate::{Result, Status};

const THREADS: u64 = 3;
const CHANNELS: u64 = 5;
const LIMITS: ChannelLimits =
    ChannelLimits { max_in_flight_msat: 400_000_000, max_accepted_htlcs: 400 };

fn world(mode: Mode, journal_entries_max: u32, sizes: Option<Sizes>) -> World {
    let entropy = Some([4; 32]);
    let options =
        ResourcesOptions { entropy, journal_entries_max, ..ResourcesOptions::of_mode(mode) };
    let world = World::new(options, sizes);
    for number in 1..=CHANNELS {
        world.resources().add_channel(id(number), LIMITS, START_SECS).unwrap();
    }
    world
}

/// An HTLC of a thread that was forwarded.
#[derive(Clone, Copy)]
struct Sent {
    request: AddRequest,
    is_durable: bool,
    /// Moments before the call and after it.
    began: u64,
    ended: u64,
}

/// One thread's calls.
struct Caller<'a> {
    resources: &'a Resources,
    dice: Dice,
    thread: u64,
    next: u64,
    /// Forwarded and not resolved, in order.
    sent: Vec<Sent>,
    moments: &'a AtomicU64,
    busy: u64,
    refused: u64,
}

impl<'a> Caller<'a> {
    fn new(resources: &'a Resources, thread: u64, moments: &'a AtomicU64) -> Caller<'a> {
        let dice = Dice::new(chosen("LNKEEP_MODEL_SEED", 1) * 100 + thread);
        let sent = Vec::new();
        Caller { resources, dice, thread, next: 0, sent, moments, busy: 0, refused: 0 }
    }

    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }

    fn request(&mut self) -> AddRequest {
        self.next += 1;
        let amount_msat = 1 + self.dice.below(3_000_000);
        AddRequest {
            incoming: id(1 + self.dice.below(CHANNELS)),
            outgoing: id(1 + self.dice.below(CHANNELS)),
            htlc_id: self.thread << 32 | self.next,
            incoming_amount_msat: amount_msat,
            outgoing_amount_msat: amount_msat - amount_msat / 1_000,
            incoming_cltv_expiry: 800_040,
            block_height: 800_000,
            incoming_accountable: self.dice.one_in(4),
            upgrade: Upgrade::Unknown,
            policy_fee_msat: None,
            unix_secs: START_SECS + self.next / 16,
        }
    }

    /// Answers whether the caller may go on.
    fn add(&mut self, durable_one_in: u64) -> bool {
        let request = self.request();
        let ack = if self.dice.one_in(durable_one_in) { Ack::Durable } else { Ack::Memory };
        let began = self.moment();
        let answer = self.resources.add(&request, ack);
        let is_durable = ack == Ack::Durable && answer.is_ok();
        let goes_on = self.goes_on(&answer);
        let holds = match &answer {
            Ok(decision) => decision.verdict == Verdict::Forward,
            // Decided, and not durable yet.
            Err(error) => error.status() == Status::NotDurable && self.is_pending(&request),
        };
        if holds {
            self.sent.push(Sent { request, is_durable, began, ended: self.moment() });
        }
        goes_on
    }

    /// A repeat of a forwarded HTLC is answered as such.
    fn is_pending(&self, request: &AddRequest) -> bool {
        self.resources.dry_run(request).is_ok_and(|explained| explained.decision.already)
    }

    fn resolve(&mut self) -> bool {
        if self.sent.is_empty() {
            return true;
        }
        let place = self.dice.below(self.sent.len() as u64) as usize;
        let AddRequest { incoming, outgoing, htlc_id, unix_secs, .. } = self.sent[place].request;
        let settled = !self.dice.one_in(3);
        let unix_secs = unix_secs + self.dice.below(200);
        let request = ResolveRequest { incoming, outgoing, htlc_id, settled, unix_secs };
        let ack = if self.dice.one_in(40) { Ack::Durable } else { Ack::Memory };
        let answer = self.resources.resolve(&request, ack);
        let goes_on = self.goes_on(&answer);
        if !answer.is_err_and(|error| error.status() == Status::Busy || !goes_on) {
            self.sent.swap_remove(place);
        }
        goes_on
    }

    fn goes_on<T>(&mut self, answer: &Result<T>) -> bool {
        match answer.as_ref().map_err(|error| error.status()) {
            Ok(_) | Err(Status::UnknownChannel | Status::ChannelClosing) => true,
            Err(Status::Busy) => {
                self.busy += 1;
                std::thread::yield_now();
                true
            }
            Err(Status::NotDurable) => {
                self.refused += 1;
                true
            }
            Err(Status::Closed | Status::Poisoned | Status::Unknown) => false,
            Err(status) => panic!("no thread can meet {status:?}"),
        }
    }

    fn step(&mut self) -> bool {
        match self.dice.below(100) {
            0..=54 => self.add(40),
            55..=96 => self.resolve(),
            97 => {
                let max_in_flight_msat = 300_000_000 + self.dice.below(100_000_000);
                let limits = ChannelLimits { max_in_flight_msat, ..LIMITS };
                let answer =
                    self.resources.resize_channel(id(1 + self.dice.below(CHANNELS)), limits);
                self.goes_on(&answer)
            }
            98 => self.goes_on(&self.resources.sync()),
            _ => {
                let (channels, pending) =
                    (self.resources.channels(START_SECS), self.resources.pending());
                self.goes_on(&channels) && self.goes_on(&pending)
            }
        }
    }
}

/// Runs threads until each is told to stop or did its steps; answers what they hold to be pending.
fn together<'a>(
    resources: &'a Resources,
    moments: &'a AtomicU64,
    step: impl Fn(&mut Caller<'a>, u64) -> bool + Sync,
    meanwhile: impl FnOnce(),
) -> Vec<Caller<'a>> {
    std::thread::scope(|scope| {
        let step = &step;
        let run = |thread| {
            let mut caller = Caller::new(resources, thread, moments);
            let mut number = 0;
            while step(&mut caller, number) {
                number += 1;
            }
            caller
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || run(thread))).collect();
        meanwhile();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn ids_of(callers: &[Caller<'_>]) -> BTreeSet<u64> {
    callers.iter().flat_map(|caller| &caller.sent).map(|sent| sent.request.htlc_id).collect()
}

fn pending_ids(known: &Known) -> BTreeSet<u64> {
    known.pending.iter().map(|htlc| htlc.htlc_id).collect()
}

/// Whether every sum that is kept running is the sum of the HTLCs that are there.
fn check_sums(known: &Known) {
    for channel in &known.channels {
        let from: Vec<_> =
            known.pending.iter().filter(|htlc| htlc.incoming == channel.channel).collect();
        let to: Vec<_> =
            known.pending.iter().filter(|htlc| htlc.outgoing == channel.channel).collect();
        assert_eq!(channel.pending_incoming as usize, from.len());
        assert_eq!(channel.pending_outgoing as usize, to.len());
        let accountable = to.iter().filter(|htlc| htlc.outgoing_accountable);
        let risk_msat: u64 = accountable.map(|htlc| htlc.risk_msat).sum();
        assert_eq!(channel.in_flight_risk_msat, risk_msat);
        let slots: u32 = from.iter().map(|htlc| u32::from(htlc.general_slots)).sum();
        assert_eq!(channel.general_slots_used, slots);
        let used: usize = channel.pairs.iter().map(|pair| pair.used.len()).sum();
        assert_eq!(channel.general_occupied.len(), used);
        if from.iter().any(|htlc| htlc.bucket == BucketKind::Several) {
            continue;
        }
        for (bucket, usage) in [
            (BucketKind::Congestion, channel.congestion),
            (BucketKind::Protected, channel.protected),
        ] {
            let in_it: Vec<_> = from.iter().filter(|htlc| htlc.bucket == bucket).collect();
            let msat: u64 = in_it.iter().map(|htlc| htlc.incoming_amount_msat).sum();
            assert_eq!((usage.slots as usize, usage.msat), (in_it.len(), msat), "{bucket:?}");
        }
    }
}

/// Syncs, crashes, and finds everything.
fn crash_exactly(world: &mut World) {
    world.store.inject(None);
    world.resources().sync().unwrap();
    world.remember(true);
    world.restart(true);
}

#[test]
fn threads_on_the_same_channels_leave_sums_that_are_right_and_a_store_that_is() {
    let steps = chosen("LNKEEP_MODEL_STEPS", 3_000);
    for (mode, entries) in [(Mode::Strict, 65_536), (Mode::Compat, 1_024), (Mode::Strict, 4)] {
        let mut world = world(mode, entries, Some(small_sizes()));
        let moments = AtomicU64::new(0);
        let callers = together(
            world.resources(),
            &moments,
            |caller, number| number < steps && caller.step(),
            || (),
        );
        let sent = ids_of(&callers);
        drop(callers);
        let known = Known::of(world.resources());
        assert_eq!(pending_ids(&known), sent, "{mode:?} {entries}");
        check_sums(&known);
        crash_exactly(&mut world);
        check_sums(world.now());
    }
}

#[test]
fn an_end_while_calls_run_writes_all_that_was_acknowledged() {
    for round in 0..8 {
        let mut world = world(Mode::Strict, 1_024, Some(small_sizes()));
        let moments = AtomicU64::new(0);
        let end = || {
            std::thread::sleep(Duration::from_millis(5 + 3 * round));
            let ended = match round % 2 {
                0 => world.resources().close(),
                _ => world.store.close(),
            };
            ended.unwrap();
        };
        let callers = together(world.resources(), &moments, |caller, _| caller.step(), end);
        let sent = ids_of(&callers);
        drop(callers);
        world.remember(true);
        let is_open = world
            .resources()
            .add(&Caller::new(world.resources(), 9, &moments).request(), Ack::Memory);
        assert!(is_open.is_err_and(|error| error.status() == Status::Closed));
        world.restart(false);
        assert_eq!(pending_ids(world.now()), sent);
        check_sums(world.now());
    }
}

/// What is found of calls that ran while the store crashed: all that were durable, and none that began after
/// one that was lost had ended.
fn check_prefix(callers: &[Caller<'_>], found: &BTreeSet<u64>) -> (usize, usize) {
    let all: Vec<_> = callers.iter().flat_map(|caller| &caller.sent).copied().collect();
    let (kept, lost): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|sent| found.contains(&sent.request.htlc_id));
    assert!(!lost.iter().any(|sent| sent.is_durable), "a durable call was lost");
    let first_lost = lost.iter().map(|sent| sent.ended).min().unwrap_or(u64::MAX);
    let last_kept = kept.iter().map(|sent| sent.began).max().unwrap_or(0);
    assert!(last_kept <= first_lost, "a call was lost and a later one was not");
    (kept.len(), lost.len())
}

#[test]
fn a_crash_while_calls_run_keeps_what_was_durable_and_a_prefix_of_the_rest() {
    let (mut kept, mut lost) = (0, 0);
    // On a busy machine the buckets may be full before any of a dozen crashes.
    for round in (0..12).cycle().take(240) {
        let sizes = Sizes { delay: Duration::from_millis(round), ..small_sizes() };
        let mut world = world(Mode::Strict, 65_536, Some(sizes));
        let moments = AtomicU64::new(0);
        let crash = || {
            std::thread::sleep(Duration::from_millis(4 + round));
            match round % 3 {
                0 => world.store.crash(),
                1 => world.store.inject_after(round, Fault::CommitFailsBefore),
                _ => world.store.inject_after(round, Fault::CommitFailsAfter),
            }
            // Where every bucket is full nothing is written any more, and no batch meets the fault.
            std::thread::sleep(Duration::from_millis(50));
            if world.store.is_injected() {
                world.store.crash();
            }
        };
        let add = |caller: &mut Caller<'_>, _| caller.add(50);
        let callers = together(world.resources(), &moments, add, crash);
        let callers: Vec<_> =
            callers.into_iter().map(|caller| (caller.thread, caller.sent)).collect();
        drop(world.end(true));
        world.open_store();
        world.open_resources().unwrap();
        let known = Known::of(world.resources());
        check_sums(&known);
        let callers: Vec<_> = callers
            .into_iter()
            .map(|(thread, sent)| Caller {
                sent,
                ..Caller::new(world.resources(), thread, &moments)
            })
            .collect();
        let counts = check_prefix(&callers, &pending_ids(&known));
        (kept, lost) = (kept + counts.0, lost + counts.1);
        if round == 11 && kept > 0 && lost > 0 {
            break;
        }
    }
    assert!(kept > 0 && lost > 0, "{kept} kept, {lost} lost: no crash met the calls");
}

#[test]
fn a_disk_that_refuses_for_a_while_loses_nothing_and_tells_who_waits() {
    for entries in [65_536, 16] {
        let mut world = world(Mode::Strict, entries, Some(small_sizes()));
        let moments = AtomicU64::new(0);
        let heals_at = Instant::now() + Duration::from_millis(250);
        let has_healed = AtomicBool::new(false);
        let refuse = || {
            while Instant::now() < heals_at {
                world.store.inject(Some(Fault::NoSpace));
                std::thread::sleep(Duration::from_micros(200));
            }
            world.store.inject(None);
            has_healed.store(true, Ordering::SeqCst);
        };
        let step = |caller: &mut Caller<'_>, _| {
            let was_healed = has_healed.load(Ordering::SeqCst);
            caller.step() && !was_healed
        };
        let callers = together(world.resources(), &moments, step, refuse);
        let sent = ids_of(&callers);
        let refused: u64 = callers.iter().map(|caller| caller.refused).sum();
        let busy: u64 = callers.iter().map(|caller| caller.busy).sum();
        drop(callers);
        assert!(refused > 0, "nobody who asked for durability was told");
        assert!((busy > 0) == (entries == 16), "{busy} calls met a full journal of {entries}");
        let known = Known::of(world.resources());
        assert_eq!(pending_ids(&known), sent);
        check_sums(&known);
        crash_exactly(&mut world);
        assert_eq!(pending_ids(world.now()), sent);
    }
}

/// A request that fits the general bucket.
fn small(request: AddRequest) -> AddRequest {
    AddRequest {
        incoming_amount_msat: 1_000,
        outgoing_amount_msat: 1_000,
        incoming_accountable: false,
        ..request
    }
}

#[test]
fn what_a_disk_refused_is_written_when_it_takes_it_though_nobody_calls() {
    let mut world = world(Mode::Strict, 1_024, None);
    let moments = AtomicU64::new(0);
    for round in 0..3 {
        world.store.inject(Some(Fault::NoSpace));
        let mut caller = Caller::new(world.resources(), round, &moments);
        let request = small(caller.request());
        let refused = world.resources().add(&request, Ack::Durable).unwrap_err();
        assert_eq!(refused.status(), Status::NotDurable);
        let began = Instant::now();
        loop {
            let stats = world.resources().stats().unwrap();
            if stats.journal_durable_below == stats.journal_next {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "nobody tries again: {stats:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(world.resources().add(&request, Ack::Durable).unwrap().already);
    }
    world.remember(true);
    world.restart(true);
}

#[test]
fn a_full_journal_refuses_before_it_decides_and_a_journal_with_room_never() {
    let sizes = Sizes { delay: Duration::from_secs(3_600), ..Sizes::default() };
    let mut world = world(Mode::Strict, 16, Some(sizes));
    let moments = AtomicU64::new(0);
    for _ in 0..3 {
        world.resources().sync().unwrap();
        // It may answer while the thread still looks for more, which would make room by itself.
        let journal = world.resources().shared.engine.journal.as_ref().unwrap();
        while !journal.is_asleep() {
            std::thread::yield_now();
        }
        let mut caller = Caller::new(world.resources(), 1 + world.crashes, &moments);
        for _ in 0..16 {
            let request = small(caller.request());
            assert_eq!(
                world.resources().add(&request, Ack::Memory).unwrap().verdict,
                Verdict::Forward
            );
        }
        // The disk refuses, so that the one who meets a full journal makes no room by that.
        world.store.inject(Some(Fault::NoSpace));
        let before = Known::of(world.resources());
        let request = small(caller.request());
        let refused = world.resources().add(&request, Ack::Memory).unwrap_err();
        assert_eq!(refused.status(), Status::Busy);
        assert!(Known::of(world.resources()) == before);
        world.store.inject(None);
        drop(world.resources().sync());
        crash_exactly(&mut world);
    }
}

#[test]
fn a_repeat_of_a_call_that_was_not_durable_is_not_durable_at_once() {
    let mut world = world(Mode::Strict, 1_024, None);
    let moments = AtomicU64::new(0);
    let mut caller = Caller::new(world.resources(), 1, &moments);
    let request = AddRequest {
        incoming: id(1),
        outgoing: id(2),
        incoming_accountable: false,
        ..caller.request()
    };
    world.resources().add(&request, Ack::Durable).unwrap();
    let done = ResolveRequest {
        incoming: id(3),
        outgoing: id(4),
        htlc_id: 77,
        settled: true,
        unix_secs: START_SECS,
    };
    let other = AddRequest { incoming: id(3), outgoing: id(4), htlc_id: 77, ..request };
    type Call<'a> = dyn Fn(&Resources) -> Result<()> + 'a;
    let calls: [(&str, &Call<'_>); 5] = [
        ("remove", &|resources| resources.remove_channel(id(1)).map(drop)),
        ("add", &|resources| resources.add(&other, Ack::Durable).map(drop)),
        ("resolve", &|resources| resources.resolve(&done, Ack::Durable).map(drop)),
        ("resize", &|resources| {
            let limits = ChannelLimits { max_accepted_htlcs: 300, ..LIMITS };
            resources.resize_channel(id(5), limits).map(drop)
        }),
        ("add channel", &|resources| resources.add_channel(id(9), LIMITS, START_SECS).map(drop)),
    ];
    for (name, call) in calls {
        world.store.inject(Some(Fault::NoSpace));
        let first = call(world.resources()).unwrap_err();
        assert_eq!(first.status(), Status::NotDurable, "{name}");
        call(world.resources()).unwrap();
        world.remember(true);
        world.restart(true);
    }
}

/// Another thread opened resources between the end of what is kept in memory and that of the store's queue:
/// its calls were acknowledged and never written, and their close answered CLOSED.
#[test]
fn nothing_opens_while_its_store_ends() {
    let world = world(Mode::Strict, 1_024, None);
    world.store.end_journals().unwrap();
    let options = world.resources().shared.options.clone();
    let refused = Resources::open(&world.store, options).unwrap_err();
    assert_eq!(refused.status(), Status::Closed);
}
