//! What journals cost, by peers, interval and class: the table of the spec of peer storage, 6, from the
//! code's own sizes, and a day of journals as they really go, without a budget and within the default one.
//! Seen with `cargo test --lib journal_cost -- --nocapture`.

use super::htlcs::{htlc, key};
use crate::backup::budget::{Budget, BudgetOptions, Upload, upload_bytes};
use crate::backup::envelope::SizeClass;
use crate::backup::journal::{Journal, JournalOptions, Profile};
use crate::types::NodeId;

const DAY_MS: u64 = 86_400_000;

/// Peers, seconds, class; bytes a second and megabytes a day as the spec states them.
const ROWS: [(u8, u64, SizeClass, u64, u64); 7] = [
    (2, 60, SizeClass::Bytes65531, 2_186, 189),
    (4, 60, SizeClass::Bytes65531, 4_371, 378),
    (4, 60, SizeClass::Bytes16384, 1_095, 95),
    (4, 60, SizeClass::Bytes4096, 276, 24),
    (4, 10, SizeClass::Bytes4096, 1_654, 143),
    (4, 10, SizeClass::Bytes65531, 26_228, 2_266),
    (4, 1, SizeClass::Bytes65531, 262_276, 22_661),
];

fn rounded(number: u64, by: u64) -> u64 {
    (number + by / 2) / by
}

/// Numbers that look random and are the same in every run.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Bytes of a day's journals, each to all peers as soon as it is due and the budget lets it go.
fn day_bytes(peers: u8, interval_ms: u64, class: SizeClass, budget: BudgetOptions) -> u64 {
    let options = JournalOptions {
        profile: Profile::AllHtlcs,
        interval_ms,
        size_class: class,
        ..JournalOptions::default()
    };
    let mut journal = Journal::new(options).unwrap();
    let mut budget = Budget::new(budget).unwrap();
    journal.put(key(1, true, 1), htlc(1, 1), 0).unwrap();
    let (mut state, mut total, mut now_ms) = (7, 0, 0);
    loop {
        now_ms = journal.next_due_ms().unwrap().max(now_ms);
        for number in 0..peers {
            let (peer, bytes) = (NodeId([number; 33]), upload_bytes(class));
            now_ms = budget.ready_ms(peer, now_ms, bytes, Upload::Regular);
            if now_ms >= DAY_MS {
                return total;
            }
            budget.take(peer, now_ms, bytes, Upload::Regular);
            total += bytes;
        }
        journal.sent(now_ms, next_random(&mut state));
    }
}

#[test]
fn the_spec_states_what_journals_cost() {
    let endless = BudgetOptions {
        peer_bytes_per_day: u64::MAX,
        bytes_per_day: u64::MAX,
        peer_uploads_per_minute: u64::MAX,
    };
    println!("peers interval_s class  B/s MB/day | MB of a day sent, within the default budget");
    for (peers, interval_secs, class, bytes_per_sec, mb_per_day) in ROWS {
        let round_bytes = u64::from(peers) * upload_bytes(class);
        assert_eq!(rounded(round_bytes, interval_secs), bytes_per_sec);
        assert_eq!(rounded(round_bytes * 86_400, interval_secs * 1_000_000), mb_per_day);
        let free_bytes = day_bytes(peers, interval_secs * 1_000, class, endless);
        let stated_bytes = round_bytes * 86_400 / interval_secs;
        // Chance moves single journals, not their number: a day has 1,440 or more.
        assert!(free_bytes.abs_diff(stated_bytes) < stated_bytes / 100);
        let default = BudgetOptions::default();
        let bound_bytes = day_bytes(peers, interval_secs * 1_000, class, default);
        // A day's worth, and the eighth that may go at once.
        let of_peers = u64::from(peers) * default.peer_bytes_per_day * 9 / 8;
        let most_bytes = of_peers.min(default.bytes_per_day * 9 / 8);
        assert!(bound_bytes <= most_bytes && bound_bytes <= free_bytes);
        let is_within = mb_per_day < 30 * u64::from(peers) && interval_secs >= 60;
        assert_eq!(bound_bytes.abs_diff(free_bytes) < free_bytes / 100, is_within);
        let (free_mb, bound_mb) = (rounded(free_bytes, 1_000_000), rounded(bound_bytes, 1_000_000));
        let bytes = class.bytes();
        print!("{peers:5} {interval_secs:10} {bytes:5} {bytes_per_sec:6} {mb_per_day:6}");
        println!(" | {free_mb:6} {bound_mb:4}");
    }
}
