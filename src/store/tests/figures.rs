//! What a host is shown and may choose: durations, counts, flags, sizes of the map.

use std::time::Duration;

use super::super::env::EngineError;
use super::super::stats::Durations;
use super::*;
use crate::limits::{EVENTS_BYTES_MAX_DEFAULT, QUEUE_OPS_MAX, READERS_MAX};

#[test]
fn a_percentile_is_the_truth_or_at_most_a_sixteenth_above_it() {
    for exponent in 4..63 {
        for ns in [1u64 << exponent, (1 << exponent) + (1 << exponent) / 3, (2 << exponent) - 1] {
            let durations = Durations::new();
            durations.add(ns);
            durations.add(u64::MAX);
            let half = durations.percentile_ns(50);
            assert!(half >= ns && half - ns <= ns / 16, "{ns} is shown as {half}");
            assert_eq!(durations.max_ns(), u64::MAX);
        }
    }
}

#[test]
fn a_percentile_covers_that_share_of_the_durations_and_no_more() {
    let durations = Durations::new();
    assert_eq!(durations.percentile_ns(99), 0);
    (10..20).for_each(|exponent| durations.add(1 << exponent));
    for (percent, exponent) in [(1, 10), (10, 10), (11, 11), (50, 14), (51, 15), (99, 19)] {
        let shown = durations.percentile_ns(percent);
        assert_eq!(shown.ilog2(), exponent, "{percent} %: {shown}");
    }
    assert_eq!(durations.percentile_ns(100), 1 << 19, "never above the longest");
}

#[test]
fn the_figures_count_what_happened_since_the_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    open(&path).close().unwrap();
    let store = open(&path);
    let before = store.stats().unwrap();
    assert_eq!((before.commits, before.operations, before.operations_refused), (0, 0, 0));
    assert_eq!((before.commit_p50_ns, before.commit_p99_ns, before.commit_max_ns), (0, 0, 0));
    let some = (1..=5).map(|i| Put::shared(i, i > 3)).collect();
    store.submit(some, Grouping::Independent).unwrap();
    store.submit(vec![Put::shared(9, true)], Grouping::Independent).unwrap();
    let after = store.stats().unwrap();
    assert_eq!((after.commits, after.operations, after.operations_refused), (1, 3, 3));
    assert_eq!(after.commit_number, before.commit_number + 1);
    assert!(0 < after.commit_p50_ns && after.commit_p50_ns <= after.commit_p99_ns, "{after:?}");
    assert!(after.commit_p99_ns <= after.commit_max_ns, "{after:?}");
    assert_eq!((after.map_bytes, after.map_bytes_max), (1 << 30, 1 << 40));
    assert_eq!((after.queue_depth, after.flags, after.map_growths), (0, 0, 0));
    assert_eq!((after.page_bytes, after.stale_readers_cleared), (4096, 0));
    assert!(after.allocated_bytes >= after.pages_used * 4096 + crate::limits::RESERVE_BYTES);
}

#[test]
fn debug_of_a_store_shows_what_its_open_found() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("{:?}", open(&directory.path().join("store")));
    assert!(text.starts_with("Store { report: OpenReport {"), "{text}");
}

#[test]
fn the_oldest_read_is_the_one_that_began_first() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let oldest = || store.stats().unwrap().oldest_read_ns;
    let pause = Duration::from_millis(30);
    assert_eq!(oldest(), 0);
    let outer = store.core().env.read().unwrap();
    std::thread::sleep(pause);
    let inner = store.core().env.read().unwrap();
    assert!(oldest() >= pause.as_nanos() as u64);
    assert!(oldest() < Duration::from_secs(60).as_nanos() as u64);
    drop(outer);
    let rest = oldest();
    drop(inner);
    assert!(0 < rest && oldest() == 0);
    assert_eq!(store.stats().unwrap().readers, 2, "two slots rest");
}

#[test]
fn a_read_too_many_is_busy_and_takes_no_slot_from_later_ones() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let env = &store.core().env;
    for _ in 0..2 {
        let held: Vec<_> = (0..READERS_MAX).map(|_| env.read().unwrap()).collect();
        assert_eq!(store.stats().unwrap().readers, u64::from(READERS_MAX));
        for _ in 0..2 {
            assert_eq!(env.read().err(), Some(EngineError::ReadersFull));
        }
        drop(held);
    }
    drop(env.read().unwrap());
}

#[test]
fn the_map_is_called_nearly_full_above_four_fifths_of_its_cap() {
    let directory = tempfile::tempdir().unwrap();
    let options =
        StoreOptions { map_bytes: 32 << 20, map_bytes_max: 32 << 20, ..StoreOptions::default() };
    let store = Store::open(directory.path().join("store"), &options).unwrap();
    let (mut told, mut untold) = (0, 0);
    for i in 0.. {
        let put = Put { rows: vec![(i, vec![7; 90_000])], refuse: false };
        let refused = store.submit_one(put).is_err();
        let stats = store.stats().unwrap();
        let is_nearly_full = stats.pages_used * stats.page_bytes * 5 > (32 << 20) * 4;
        assert_eq!(stats.flags & Stats::MAP_NEARLY_FULL != 0, is_nearly_full, "{stats:?}");
        told += u32::from(is_nearly_full);
        untold += u32::from(!is_nearly_full);
        if refused {
            assert_ne!(stats.flags & Stats::NO_SPACE, 0, "{stats:?}");
            break;
        }
    }
    assert!(told > 3 && untold > 100, "{told} {untold}");
}

#[test]
fn a_map_begins_as_large_as_its_file_needs_and_never_above_its_cap() {
    let options =
        StoreOptions { map_bytes: 1 << 20, map_bytes_max: 8 << 20, ..StoreOptions::default() };
    let fits = (1 << 20) - (256 << 10);
    for (used, map) in
        [(0, 1 << 20), (fits, 1 << 20), (fits + 1, 2 << 20), (2 << 20, 4 << 20), (1 << 40, 8 << 20)]
    {
        assert_eq!(options.map_bytes_for(used), map, "{used} bytes in use");
    }
    let default = StoreOptions::default();
    assert_eq!((default.map_bytes_for(0), default.map_bytes_max_or_default()), (1 << 30, 1 << 40));
    let odd = StoreOptions { map_bytes: 1, map_bytes_max: 65_537, ..StoreOptions::default() };
    assert_eq!((odd.map_bytes_for(0), odd.map_bytes_max_or_default()), (1 << 17, 1 << 17));
    let large = StoreOptions { map_bytes: 9 << 20, map_bytes_max: 8 << 20, ..default.clone() };
    assert_eq!(large.map_bytes_for(0), 8 << 20);
    let endless = StoreOptions { map_bytes_max: u64::MAX, ..default };
    assert_eq!(endless.map_bytes_max_or_default(), 1 << 46, "what an address space holds");
}

#[test]
fn what_a_host_does_not_choose_has_its_default() {
    let default = StoreOptions::default();
    assert_eq!(default.queue_operations_max_or_default(), QUEUE_OPS_MAX);
    let settings = default.event_settings();
    assert_eq!((settings.kinds, settings.bytes_max), (None, EVENTS_BYTES_MAX_DEFAULT));
    let chosen = StoreOptions {
        queue_operations_max: 5,
        event_kinds: Some(6),
        events_bytes_max: 7,
        events_age_max_secs: 8,
        ..default
    };
    assert_eq!(chosen.queue_operations_max_or_default(), 5);
    let settings = chosen.event_settings();
    assert_eq!((settings.kinds, settings.bytes_max, settings.age_max_secs), (Some(6), 7, 8));
}

#[test]
fn what_the_engine_answers_has_the_status_a_host_can_act_on() {
    for (error, status, errno, words) in [
        (EngineError::MapFull, Status::NoSpace, 0, "map is full"),
        (EngineError::ReadersFull, Status::Busy, 0, "reader slot"),
        (EngineError::Corrupted(-30_796), Status::CorruptStore, 0, "damaged pages, error -30796"),
        (EngineError::Code(libc::EIO), Status::Io, libc::EIO, "Input/output error"),
        (EngineError::Code(libc::ENOMEM), Status::Busy, libc::ENOMEM, "allocate memory"),
        (EngineError::Code(-30_780), Status::Io, 0, "LMDB error -30780"),
        (EngineError::Closed, Status::Closed, 0, "closed"),
    ] {
        let told = Error::from(error);
        assert_eq!((told.status(), told.os_errno()), (status, errno), "{error:?}");
        assert!(told.message().contains(words), "{told}");
    }
}

#[test]
fn rows_are_scanned_against_their_order_from_the_last_one_below_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let put = |i: u64| Put { rows: vec![(i, vec![1; 10])], refuse: false };
    for i in [10, 20, 30] {
        store.submit_one(put(i)).unwrap();
    }
    let scanned = |before: u64, most: usize| {
        let mut seen = Vec::new();
        let visit = |key: &[u8], body: Result<&[u8]>| {
            assert_eq!(body.unwrap(), [1; 10]);
            seen.push(u64::from_be_bytes(key.try_into().unwrap()));
            seen.len() < most
        };
        store.read(|view| view.scan_back(Table::Events, &before.to_be_bytes(), visit)).unwrap();
        seen
    };
    assert_eq!(scanned(25, 9), [20, 10]);
    assert_eq!(scanned(20, 9), [10]);
    assert_eq!(scanned(99, 9), [30, 20, 10]);
    assert_eq!(scanned(99, 2), [30, 20]);
    assert_eq!(scanned(10, 9), []);
}

#[test]
fn the_pages_of_a_table_are_its_leaves_branches_and_overflow_pages() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    let pages = || store.read(|view| Ok(view.snapshot().pages_of(Table::Events)?)).unwrap();
    assert_eq!(pages(), 0);
    store.submit_one(Put { rows: vec![(1, vec![1; 10_000])], refuse: false }).unwrap();
    assert_eq!(pages(), 1 + 3);
    let rows = (2..42).map(|i| (i, vec![1; 900])).collect();
    store.submit_one(Put { rows, refuse: false }).unwrap();
    let stat = store.read(|view| Ok(view.snapshot().stat(Table::Events)?)).unwrap();
    assert_eq!((stat.ms_branch_pages, stat.ms_overflow_pages, stat.ms_entries), (1, 3, 41));
    assert_eq!(pages(), 1 + 3 + stat.ms_leaf_pages as u64);
}
