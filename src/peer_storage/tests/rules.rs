//! The rules one by one, at their boundaries.

use std::sync::Arc;

use super::super::record::{Record, sha256_of};
use super::super::rules::{Accepted, Pending, Provider};
use super::world::{node, small_options};
use crate::Status;
use crate::limits::HOST_MS_MAX;
use crate::peer_storage::{ClaimChange, Claims, PeerStorageOptions};

fn provider(options: PeerStorageOptions, change: ClaimChange) -> Provider {
    let mut provider = Provider::new(options);
    claim(&mut provider, 1, change, 0);
    provider
}

fn claim(provider: &mut Provider, number: u64, change: ClaimChange, height: u32) {
    let after = provider.after_claim(node(number), change, height);
    provider.set_marked(node(number), &after);
}

fn pending(blob: &[u8], received_ms: u64) -> Pending {
    Pending { blob: Arc::new(blob.to_vec()), sha256: sha256_of(blob), received_ms }
}

/// Stores, and writes what is due; answers whether it was written, or when it will be.
fn store(provider: &mut Provider, t: u64, number: u64, blob: &[u8]) -> Result<Option<u64>, Status> {
    let now_ms = provider.observe(t).map_err(|error| error.status())?;
    let accepted = provider.store(now_ms, node(number), pending(blob, now_ms));
    match accepted.map_err(|error| error.status())? {
        Accepted::Due => {
            write(provider, now_ms, number);
            Ok(None)
        }
        Accepted::Deferred { due_ms } => Ok(Some(due_ms)),
        Accepted::Unchanged => Ok(None),
    }
}

fn write(provider: &mut Provider, now_ms: u64, number: u64) {
    let peer = provider.peer(node(number));
    let record = peer.record_of(&peer.pending.clone().expect("it waits"), now_ms);
    provider.written(now_ms, node(number), record);
}

fn on_disk(provider: &Provider, number: u64) -> [u8; 32] {
    provider.peer(node(number)).stored.expect("it was written").sha256
}

/// The review of lnd #8490: eight updates in two seconds are written at once, then the newest each second.
#[test]
fn a_burst_is_written_at_once_and_then_the_newest_per_cooldown() {
    let mut provider = provider(PeerStorageOptions::default(), ClaimChange::OpenChannel);
    let mut written = Vec::new();
    for update in 0..8u8 {
        let t = u64::from(update) * 250;
        let outcome = store(&mut provider, t, 1, &[update]).unwrap();
        let due_ms = 1_000 * (t / 1_000 + 1);
        assert_eq!(outcome, (t % 1_000 != 0).then_some(due_ms));
        if outcome.is_none() {
            written.push(update);
        }
    }
    assert_eq!(provider.due(1_999), []);
    assert_eq!(provider.due(2_000), [node(1)]);
    assert_eq!(provider.next_due_ms(), Some(2_000));
    write(&mut provider, 2_000, 1);
    assert_eq!(on_disk(&provider, 1), sha256_of(&[7]));
    assert_eq!((written, provider.stats().commits), (vec![0, 4], 3));
}

#[test]
fn the_cooldown_is_that_of_what_the_peer_has_when_it_is_asked() {
    let options = small_options();
    let mut provider = provider(options, ClaimChange::Allowed);
    store(&mut provider, 0, 1, b"1").unwrap();
    assert_eq!(store(&mut provider, 1_000, 1, b"2"), Ok(Some(5_000)));
    claim(&mut provider, 1, ClaimChange::OpenChannel, 0);
    assert_eq!(provider.next_due_ms(), Some(1_000));
    claim(&mut provider, 1, ClaimChange::ClosedChannel, 0);
    assert_eq!(provider.next_due_ms(), Some(5_000));
}

#[test]
fn a_disconnection_writes_a_moment_after_the_last_write_and_not_before() {
    for (change, longer_ms) in [(ClaimChange::OpenChannel, 0), (ClaimChange::Allowed, 4_000)] {
        let mut provider = provider(small_options(), change);
        store(&mut provider, 0, 1, b"1").unwrap();
        store(&mut provider, 1, 1, b"2").unwrap();
        assert!(!provider.is_due_at_disconnect(longer_ms + 99, node(1)));
        assert!(provider.is_due_at_disconnect(longer_ms + 100, node(1)));
        write(&mut provider, longer_ms + 100, 1);
        assert!(!provider.is_due_at_disconnect(HOST_MS_MAX, node(1)), "nothing waits");
    }
    assert!(!Provider::new(small_options()).is_due_at_disconnect(1, node(9)));
}

#[test]
fn time_never_goes_back_and_no_clock_shows_what_is_refused() {
    let mut provider = provider(small_options(), ClaimChange::OpenChannel);
    assert_eq!(provider.observe(500).unwrap(), 500);
    assert_eq!(provider.observe(400).unwrap(), 500);
    let refused = provider.observe(HOST_MS_MAX + 1).unwrap_err();
    assert_eq!(refused.status(), Status::InvalidArgument);
    assert_eq!(provider.observe(0).unwrap(), 500);
    assert_eq!(provider.observe(HOST_MS_MAX).unwrap(), HOST_MS_MAX);
}

#[test]
fn cooldowns_and_retentions_of_any_length_do_not_overflow() {
    let options = PeerStorageOptions {
        cooldown_ms: u64::MAX,
        cooldown_without_channel_ms: u64::MAX,
        disconnect_interval_ms: u64::MAX,
        retention_blocks: u32::MAX,
        total_bytes_max: u64::MAX,
        without_channel_percent: 100,
        pending_bytes_max: u64::MAX,
        ..PeerStorageOptions::default()
    };
    let mut provider = provider(options, ClaimChange::Allowed);
    store(&mut provider, 9, 1, b"1").unwrap();
    assert_eq!(store(&mut provider, HOST_MS_MAX, 1, b"2"), Ok(Some(u64::MAX)));
    assert!(!provider.is_due_at_disconnect(HOST_MS_MAX, node(1)));
    claim(&mut provider, 1, ClaimChange::Disallowed, u32::MAX);
    assert_eq!(provider.collectable(u32::MAX), []);
    assert_eq!(provider.entries(None, 9)[0].blocks_left, Some(u32::MAX));
    for _ in 0..3 {
        claim(&mut provider, 1, ClaimChange::ClosedChannel, 0);
        claim(&mut provider, 1, ClaimChange::FailedChannel, 0);
    }
    assert_eq!(provider.entries(None, 9)[0].claims.open_channels, 0);
}

#[test]
fn refusals_come_in_the_order_of_the_contract_and_change_nothing() {
    let mut provider = provider(small_options(), ClaimChange::OpenChannel);
    let long = [0; 65];
    provider.is_off = true;
    assert_eq!(store(&mut provider, 0, 9, &long), Err(Status::StorageNotOffered));
    provider.is_off = false;
    assert_eq!(store(&mut provider, 0, 9, &long), Err(Status::NoClaim));
    for number in 2..=5 {
        claim(&mut provider, number, ClaimChange::OpenChannel, 0);
    }
    for number in 1..=4 {
        assert_eq!(store(&mut provider, 0, number, &[0; 45]), Ok(None));
    }
    assert_eq!(store(&mut provider, 0, 5, &long), Err(Status::TooBig));
    assert_eq!(store(&mut provider, 0, 5, &[0; 64]), Err(Status::QuotaPeers));
    let before: Vec<_> = provider.entries(None, 9).iter().map(|entry| entry.sha256).collect();
    assert_eq!(store(&mut provider, 1, 1, &[0; 46]), Err(Status::QuotaTotal));
    assert_eq!(store(&mut provider, 1, 1, &[1; 45]), Ok(Some(1_000)));
    assert_eq!(store(&mut provider, 1, 2, &[1; 45]), Err(Status::Busy));
    // Equal to what is on disk: nothing has to wait for that.
    assert_eq!(store(&mut provider, 1, 2, &[0; 45]), Ok(None));
    assert_eq!(store(&mut provider, 1, 1, &[0; 45]), Ok(None));
    let after: Vec<_> = provider.entries(None, 9).iter().map(|entry| entry.sha256).collect();
    assert_eq!((after, provider.stats().pending), (before, 0));
}

#[test]
fn a_blob_is_collected_at_the_block_of_its_retention_and_not_before() {
    let mut provider = provider(PeerStorageOptions::default(), ClaimChange::OpenChannel);
    store(&mut provider, 0, 1, b"1").unwrap();
    assert_eq!(provider.check_claims_complete().unwrap_err().status(), Status::ClaimsIncomplete);
    assert_eq!(provider.unclaimed().unwrap_err().status(), Status::ClaimsIncomplete);
    provider.complete_claims();
    claim(&mut provider, 1, ClaimChange::ClosedChannel, 800_000);
    assert_eq!(provider.collectable(802_015), []);
    assert_eq!(provider.collectable(802_016), [node(1)]);
    // A second close does not begin anew, a channel in between does.
    claim(&mut provider, 1, ClaimChange::ClosedChannel, 800_500);
    assert_eq!(provider.collectable(802_016), [node(1)]);
    claim(&mut provider, 1, ClaimChange::PendingChannel, 800_600);
    assert_eq!(provider.collectable(u32::MAX), []);
    claim(&mut provider, 1, ClaimChange::FailedChannel, 800_700);
    assert_eq!(provider.collectable(802_715), []);
    assert_eq!(provider.collectable(802_716), [node(1)]);
    assert_eq!(provider.unclaimed().unwrap(), [node(1)]);
}

#[test]
fn reported_claims_set_and_lift_marks() {
    let mut provider = Provider::new(small_options());
    let of = |closed_at| Record { blob_bytes: 1, closed_at, ..Record::default() };
    let known = [None, Some(7), None, Some(7)];
    for (number, closed_at) in known.into_iter().enumerate() {
        provider.load(node(number as u64), of(closed_at));
    }
    for number in [2, 3] {
        let peer = node(number);
        provider.set_claims(&Claims {
            peer,
            open_channels: 1,
            pending_channels: 0,
            is_allowed: false,
        });
    }
    let wrong = provider.wrong_marks(50);
    let wrong: Vec<_> = wrong.iter().map(|(node, peer)| (*node, peer.closed_at)).collect();
    assert_eq!(wrong, [(node(0), Some(50)), (node(3), None)]);
}

#[test]
fn a_damaged_blob_is_neither_equal_to_anything_nor_told_twice() {
    let mut provider = provider(small_options(), ClaimChange::OpenChannel);
    store(&mut provider, 0, 1, b"1").unwrap();
    assert!(provider.found_damaged(node(1)));
    assert!(!provider.found_damaged(node(1)));
    assert_eq!(store(&mut provider, 1, 1, b"1"), Ok(Some(1_000)));
    write(&mut provider, 1_000, 1);
    assert_eq!(provider.stats().damaged, 0);
    assert!(provider.found_damaged(node(1)), "another damage is told anew");
    assert!(!provider.found_damaged(node(7)), "nothing is kept for it");
}

#[test]
fn a_refusal_for_a_quota_is_told_once_to_whom_we_know() {
    let mut provider = provider(small_options(), ClaimChange::OpenChannel);
    assert!(provider.tells_refusal(node(1)));
    assert!(!provider.tells_refusal(node(1)));
    assert!(!provider.tells_refusal(node(2)), "who has no claim is not told about");
}
