//! Sets of HTLCs, their differences and their bytes (BH1 to BH6), against a plain list of HTLCs and an
//! encoder that tries every HTLC in turn. Differences with a planted fault have to be found out.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use crate::backup::htlcs::{
    BackupHtlc, CommitmentPoint, Coverage, EMPTY_BYTES, HTLCS_MAX, HtlcDiff, HtlcKey, HtlcSet,
    HtlcsFault, REMOVAL_BYTES,
};
use crate::error::Status;
use crate::types::{ChannelId, PaymentHash, Preimage};

pub(super) fn channel(number: u8) -> ChannelId {
    ChannelId([number; 32])
}

pub(super) fn key(channel_number: u8, is_incoming: bool, htlc_id: u64) -> HtlcKey {
    HtlcKey { channel_id: channel(channel_number), is_incoming, htlc_id }
}

pub(super) fn preimage(number: u8) -> Preimage {
    Preimage::new([number; 32])
}

pub(super) fn htlc(number: u8, amount_msat: u64) -> BackupHtlc {
    BackupHtlc {
        payment_hash: preimage(number).payment_hash(),
        amount_msat,
        cltv_expiry: 800_000 + u32::from(number),
        preimage: None,
        output_index: None,
    }
}

pub(super) fn known(number: u8, amount_msat: u64) -> BackupHtlc {
    BackupHtlc { preimage: Some(preimage(number)), ..htlc(number, amount_msat) }
}

fn point(number: u8) -> CommitmentPoint {
    CommitmentPoint([number; 33])
}

/// What a host tells.
#[derive(Debug, Clone)]
enum Told {
    Put(HtlcKey, BackupHtlc),
    Point(u8, u8),
    Remove(HtlcKey),
    RemoveChannel(u8),
}

fn any_key() -> impl Strategy<Value = HtlcKey> {
    (0_u8..4, any::<bool>(), 0_u64..4).prop_map(|(number, incoming, id)| key(number, incoming, id))
}

fn any_htlc() -> impl Strategy<Value = BackupHtlc> {
    let amount_msat = prop_oneof![0_u64..5, Just(1_000), Just(u64::MAX), any::<u64>()];
    let output_index = proptest::option::of(0_u32..2);
    (0_u8..4, amount_msat, any::<bool>(), output_index).prop_map(|(number, msat, knows, output)| {
        let base = if knows { known(number, msat) } else { htlc(number, msat) };
        BackupHtlc { output_index: output, ..base }
    })
}

fn any_told() -> impl Strategy<Value = Told> {
    prop_oneof![
        6 => (any_key(), any_htlc()).prop_map(|(key, htlc)| Told::Put(key, htlc)),
        2 => (0_u8..4, 0_u8..3).prop_map(|(number, point)| Told::Point(number, point)),
        3 => any_key().prop_map(Told::Remove),
        1 => (0_u8..4).prop_map(Told::RemoveChannel),
    ]
}

/// The naive set: two flat maps.
#[derive(Debug, Clone, Default, PartialEq)]
struct Flat {
    htlcs: BTreeMap<HtlcKey, BackupHtlc>,
    points: BTreeMap<ChannelId, [u8; 33]>,
}

impl Flat {
    fn tell(&mut self, told: &Told) {
        match told {
            Told::Put(key, htlc) => {
                let mut htlc = htlc.clone();
                let before = self.htlcs.get(key).filter(|b| b.payment_hash == htlc.payment_hash);
                htlc.preimage = htlc.preimage.or(before.and_then(|b| b.preimage.clone()));
                self.htlcs.insert(*key, htlc);
            }
            Told::Point(number, point) => {
                self.points.insert(channel(*number), [*point; 33]);
            }
            Told::Remove(key) => {
                self.htlcs.remove(key);
            }
            Told::RemoveChannel(number) => {
                self.htlcs.retain(|key, _| key.channel_id != channel(*number));
                self.points.remove(&channel(*number));
            }
        }
    }

    fn of(set: &HtlcSet) -> Flat {
        let points = set.channels().filter_map(|id| Some((id, set.point(id)?.0))).collect();
        Flat { htlcs: set.iter().map(|(key, htlc)| (key, htlc.clone())).collect(), points }
    }
}

fn tell(set: &mut HtlcSet, told: &Told) {
    match told {
        Told::Put(key, htlc) => set.put(*key, htlc.clone()).unwrap(),
        Told::Point(number, at) => set.set_point(channel(*number), point(*at)).unwrap(),
        Told::Remove(key) => {
            assert_eq!(set.get(*key).is_some(), set.remove(*key));
        }
        Told::RemoveChannel(number) => {
            let was_known = set.channels().any(|id| id == channel(*number));
            assert_eq!(set.remove_channel(channel(*number)), was_known);
        }
    }
}

fn set_of(told: &[Told]) -> HtlcSet {
    let mut set = HtlcSet::default();
    told.iter().for_each(|told| tell(&mut set, told));
    set
}

fn any_set() -> impl Strategy<Value = HtlcSet> {
    vec(any_told(), 0..25).prop_map(|told| set_of(&told))
}

/// Two sets of which the second is most often a later state of the first.
fn base_and_now() -> impl Strategy<Value = (HtlcSet, HtlcSet)> {
    (any_set(), any_set(), vec(any_told(), 0..12), any::<bool>()).prop_map(
        |(base, other, told, is_later)| {
            let mut now = if is_later { base.clone() } else { other };
            told.iter().for_each(|told| tell(&mut now, told));
            (base, now)
        },
    )
}

/// What applies a difference, or one of its broken kin.
type Restore = fn(&HtlcSet, &HtlcSet) -> HtlcSet;

fn restore(base: &HtlcSet, now: &HtlcSet) -> HtlcSet {
    base.applied(&HtlcDiff::decode(&now.diff(base).encode().unwrap()).unwrap())
}

fn restore_without_removals(base: &HtlcSet, now: &HtlcSet) -> HtlcSet {
    let mut kept = now.clone();
    for (key, htlc) in base.iter().filter(|(key, _)| now.get(*key).is_none()) {
        kept.put(key, htlc.clone()).unwrap();
    }
    restore(base, &kept)
}

fn restore_without_changes(base: &HtlcSet, now: &HtlcSet) -> HtlcSet {
    let mut same = now.clone();
    for (key, htlc) in base.iter().filter(|(key, _)| now.get(*key).is_some()) {
        same.remove(key);
        same.put(key, htlc.clone()).unwrap();
    }
    restore(base, &same)
}

fn restore_without_lost_points(base: &HtlcSet, now: &HtlcSet) -> HtlcSet {
    let mut kept = now.clone();
    for id in base.channels().filter(|id| now.point(*id).is_none()) {
        base.point(id).into_iter().for_each(|point| kept.set_point(id, point).unwrap());
    }
    restore(base, &kept)
}

fn restore_from_nothing(_: &HtlcSet, now: &HtlcSet) -> HtlcSet {
    restore(&HtlcSet::default(), now)
}

fn restores(restore: Restore) -> impl Fn((HtlcSet, HtlcSet)) -> Result<(), TestCaseError> {
    move |(base, now)| {
        let restored = restore(&base, &now);
        prop_assert!(restored == now);
        prop_assert_eq!(restored.len(), now.iter().count());
        let relative = now.diff(&base).bytes() <= now.diff(&HtlcSet::default()).bytes();
        prop_assert!(base != now || relative && now.diff(&base).is_empty());
        Ok(())
    }
}

fn quiet() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 1_000, ..ProptestConfig::default() }
}

#[test]
fn a_base_with_the_difference_of_a_later_set_is_that_set() {
    let mut runner = proptest::test_runner::TestRunner::new(quiet());
    runner.run(&base_and_now(), restores(restore)).unwrap();
}

#[test]
fn differences_with_a_planted_fault_are_found_out() {
    let broken: [(&str, Restore); 3] = [
        ("forgets removals", restore_without_removals),
        ("forgets what changed in place", restore_without_changes),
        ("forgets that a point is gone", restore_without_lost_points),
    ];
    for (fault, restore) in broken {
        let mut runner = proptest::test_runner::TestRunner::new(quiet());
        assert!(runner.run(&base_and_now(), restores(restore)).is_err(), "{fault}: not found");
    }
    // Not a fault: what is relative to nothing is complete by itself.
    let mut runner = proptest::test_runner::TestRunner::new(quiet());
    runner.run(&base_and_now(), restores(restore_from_nothing)).unwrap();
}

proptest! {
    #![proptest_config(quiet())]

    #[test]
    fn a_set_knows_what_two_flat_maps_know(told in vec(any_told(), 0..40)) {
        let (mut set, mut flat) = (HtlcSet::default(), Flat::default());
        for told in &told {
            tell(&mut set, told);
            flat.tell(told);
            prop_assert!(Flat::of(&set) == flat);
            prop_assert_eq!(set.len(), flat.htlcs.len());
            prop_assert_eq!(set.is_empty(), flat == Flat::default());
        }
        let again = HtlcSet::decode(&set.encode().unwrap()).unwrap();
        prop_assert!(again == set);
        let inside = BTreeSet::from([channel(1), channel(3), channel(9)]);
        let part = Flat::of(&set.only(&inside));
        flat.htlcs.retain(|key, _| inside.contains(&key.channel_id));
        flat.points.retain(|id, _| inside.contains(id));
        prop_assert!(part == flat);
    }

    #[test]
    fn what_came_and_went_between_two_differences_is_in_neither(
        base in any_set(), key in any_key(), htlc in any_htlc(),
    ) {
        let mut now = base.clone();
        now.remove(key);
        let without = now.diff(&base);
        now.put(key, htlc).unwrap();
        now.remove(key);
        prop_assert!(now.diff(&base) == without);
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        (base, now) in base_and_now(), at in any::<usize>(), by in 1_u8..,
    ) {
        let diff = now.diff(&base);
        let mut bytes = diff.encode().unwrap().to_vec();
        prop_assert_eq!(bytes.len(), diff.bytes());
        let again = HtlcDiff::decode(&bytes).unwrap();
        prop_assert!(again == diff);
        for end in 0..bytes.len() {
            prop_assert!(HtlcDiff::decode(&bytes[..end]).is_err());
        }
        let at = at % bytes.len();
        bytes[at] ^= by;
        if let Ok(changed) = HtlcDiff::decode(&bytes) {
            prop_assert!(*changed.encode().unwrap() == bytes);
            prop_assert!(changed != diff);
        }
        bytes[at] ^= by;
        bytes.push(0);
        prop_assert_eq!(HtlcDiff::decode(&bytes).err(), Some(HtlcsFault::TrailingBytes));
    }

    #[test]
    fn any_bytes_decode_or_fail_and_never_more(
        bytes in vec(prop_oneof![0_u8..4, any::<u8>()], 0..400),
    ) {
        if let Ok(diff) = HtlcDiff::decode(&bytes) {
            prop_assert!(*diff.encode().unwrap() == bytes);
        }
        if let Ok(set) = HtlcSet::decode(&bytes) {
            prop_assert!(*set.encode().unwrap() == bytes);
        }
    }

    #[test]
    fn a_bounded_encoding_holds_what_trying_each_in_turn_finds(
        (base, now) in base_and_now(), bytes_max in EMPTY_BYTES..1_500, dust_msat in 0_u64..1_001,
    ) {
        let diff = now.diff(&base);
        let (bytes, coverage) = diff.encode_within(bytes_max, dust_msat).unwrap();
        prop_assert!(bytes.len() <= bytes_max);
        let (tried, expected) = try_each(&base, &now, bytes_max, dust_msat);
        prop_assert_eq!(coverage, expected);
        prop_assert!(base.applied(&HtlcDiff::decode(&bytes).unwrap()) == tried);
        let (all, whole) = diff.encode_within(usize::MAX, 0).unwrap();
        prop_assert!(whole.is_whole() && whole.dust_count == 0);
        prop_assert!(*all == *diff.encode().unwrap());
    }
}

/// The naive encoder: moves one HTLC after the other from now to a copy of the base, in the order in which
/// they are asked for, and takes back whatever made the copy's whole encoding too long.
fn try_each(
    base: &HtlcSet,
    now: &HtlcSet,
    bytes_max: usize,
    dust_msat: u64,
) -> (HtlcSet, Coverage) {
    let mut told = base.clone();
    let mut coverage = Coverage::default();
    // A row brings its channel's point with it.
    let with_point = |set: &mut HtlcSet, id: ChannelId| match now.point(id) {
        Some(point) => set.set_point(id, point).unwrap(),
        None => *set = set_without_point(set, id),
    };
    for (key, _) in base.iter().filter(|(key, _)| now.get(*key).is_none()) {
        let mut longer = told.clone();
        longer.remove(key);
        with_point(&mut longer, key.channel_id);
        if longer.diff(base).bytes() <= bytes_max {
            told = longer
        } else {
            coverage.unremoved_count += 1
        }
    }
    let mut changed: Vec<_> =
        now.iter().filter(|(key, htlc)| base.get(*key) != Some(htlc)).collect();
    changed.sort_by(|(key, htlc), (other, than)| {
        than.amount_msat.cmp(&htlc.amount_msat).then(key.cmp(other))
    });
    for (key, htlc) in changed {
        let mut longer = told.clone();
        longer.remove(key);
        longer.put(key, htlc.clone()).unwrap();
        with_point(&mut longer, key.channel_id);
        let (count, msat) = if htlc.amount_msat < dust_msat {
            (&mut coverage.dust_count, &mut coverage.dust_msat)
        } else if longer.diff(base).bytes() <= bytes_max {
            told = longer;
            (&mut coverage.covered_count, &mut coverage.covered_msat)
        } else {
            (&mut coverage.uncovered_count, &mut coverage.uncovered_msat)
        };
        *count += 1;
        *msat = msat.saturating_add(htlc.amount_msat);
    }
    let ids: BTreeSet<_> = base.channels().chain(now.channels()).collect();
    for id in ids.into_iter().filter(|id| now.point(*id) != base.point(*id)) {
        let mut longer = told.clone();
        with_point(&mut longer, id);
        if longer.diff(base).bytes() <= bytes_max {
            told = longer
        } else {
            coverage.points_left_count += 1
        }
    }
    (told, coverage)
}

fn set_without_point(set: &HtlcSet, id: ChannelId) -> HtlcSet {
    let mut without = set.clone();
    without.remove_channel(id);
    for (key, htlc) in set.iter().filter(|(key, _)| key.channel_id == id) {
        without.put(key, htlc.clone()).unwrap();
    }
    without
}

#[test]
fn a_preimage_once_told_stays_with_its_htlc() {
    let mut set = HtlcSet::default();
    set.put(key(1, true, 7), known(1, 5)).unwrap();
    set.put(key(1, true, 7), BackupHtlc { output_index: Some(3), ..htlc(1, 5) }).unwrap();
    let expected = BackupHtlc { output_index: Some(3), ..known(1, 5) };
    assert_eq!(set.get(key(1, true, 7)), Some(&expected));
    set.put(key(1, true, 7), htlc(2, 5)).unwrap();
    assert_eq!(set.get(key(1, true, 7)), Some(&htlc(2, 5)), "not that of another payment");
}

#[test]
fn a_preimage_of_another_payment_is_refused() {
    let mut set = HtlcSet::default();
    let wrong = BackupHtlc { preimage: Some(preimage(2)), ..htlc(1, 5) };
    let error = set.put(key(1, true, 7), wrong).unwrap_err();
    assert_eq!((error.status(), error.channel()), (Status::InvalidArgument, Some(channel(1))));
    assert!(set.is_empty());
}

#[test]
fn a_set_has_a_limit_and_the_largest_one_comes_back() {
    let mut set = HtlcSet::default();
    for id in 0..HTLCS_MAX as u64 {
        set.put(key(1, id % 2 == 0, id / 2), htlc(1, id)).unwrap();
    }
    assert_eq!(set.put(key(1, true, 1 << 40), htlc(1, 1)).unwrap_err().status(), Status::Busy);
    set.put(key(1, true, 0), known(1, 9)).expect("it is known");
    assert_eq!(set.len(), HTLCS_MAX);
    let bytes = set.encode().unwrap();
    assert_eq!(bytes.len(), 4 + 33 + HTLCS_MAX * 55 + 32);
    assert!(HtlcSet::decode(&bytes).unwrap() == set);
    // As many come as go: both together do not have a count.
    let mut other = HtlcSet::default();
    other.put(key(2, true, 0), htlc(1, 1)).unwrap();
    let diff = other.diff(&set);
    assert_eq!(diff.encode().unwrap_err().status(), Status::TooBig);
    let (bytes, coverage) = diff.encode_within(usize::MAX, 0).unwrap();
    let expected = Coverage { uncovered_count: 1, uncovered_msat: 1, ..Coverage::default() };
    assert_eq!(coverage, expected);
    assert!(set.applied(&HtlcDiff::decode(&bytes).unwrap()).is_empty());
}

#[test]
fn removals_come_before_any_value() {
    let mut base = HtlcSet::default();
    base.put(key(1, false, 1), htlc(1, 1)).unwrap();
    let mut now = HtlcSet::default();
    now.put(key(1, false, 2), htlc(2, u64::MAX)).unwrap();
    let diff = now.diff(&base);
    let bytes_max = EMPTY_BYTES + 33 + REMOVAL_BYTES;
    let (bytes, coverage) = diff.encode_within(bytes_max, 0).unwrap();
    let uncovered_msat = u64::MAX;
    assert_eq!(coverage, Coverage { uncovered_count: 1, uncovered_msat, ..Coverage::default() });
    assert!(base.applied(&HtlcDiff::decode(&bytes).unwrap()).is_empty());
    let (_, coverage) = diff.encode_within(bytes_max - 1, 0).unwrap();
    assert_eq!(coverage.unremoved_count, 1);
    assert_eq!(diff.encode_within(EMPTY_BYTES - 1, 0).unwrap_err().status(), Status::TooBig);
}

#[test]
fn sums_of_amounts_saturate() {
    let mut set = HtlcSet::default();
    for id in 0..3 {
        set.put(key(1, false, id), htlc(1, u64::MAX)).unwrap();
    }
    let (_, coverage) = set.diff(&HtlcSet::default()).encode_within(4, 0).unwrap();
    assert_eq!((coverage.uncovered_count, coverage.uncovered_msat), (3, u64::MAX));
}

fn row(number: u8, flags: u8) -> Vec<u8> {
    [&[number; 32][..], &[flags]].concat()
}

fn entry(place: u16, flags: u8, htlc_id: u64, body_bytes: usize) -> Vec<u8> {
    [&place.to_be_bytes()[..], &[flags], &htlc_id.to_be_bytes(), &vec![7; body_bytes]].concat()
}

fn joined(rows: &[Vec<u8>], entries: &[Vec<u8>]) -> Vec<u8> {
    let counts = [rows.len(), entries.len()].map(|count| (count as u16).to_be_bytes());
    [&counts[0][..], &rows.concat(), &counts[1], &entries.concat()].concat()
}

#[test]
fn each_fault_is_named() {
    let good = joined(&[row(1, 0), row(2, 2)], &[entry(0, 1, 5, 44), entry(0, 5, 6, 0)]);
    HtlcDiff::decode(&good).unwrap();
    assert_eq!(HtlcSet::decode(&good).unwrap_err(), HtlcsFault::BadFlags, "a set removes nothing");
    let (one, two) = (|| row(1, 0), || entry(0, 0, 2, 44));
    let rows = [
        (vec![], HtlcsFault::Truncated),
        (vec![0, 0], HtlcsFault::Truncated),
        (vec![0xff; 2], HtlcsFault::Truncated),
        (vec![0, 0, 0xff, 0xff], HtlcsFault::Truncated),
        (joined(&[row(1, 1)], &[]), HtlcsFault::Truncated),
        (joined(&[one()], &[entry(0, 2, 1, 44)]), HtlcsFault::Truncated),
        (joined(&[one()], &[entry(0, 8, 1, 47)]), HtlcsFault::Truncated),
        (joined(&[row(1, 3)], &[two()]), HtlcsFault::BadFlags),
        (joined(&[row(1, 4)], &[two()]), HtlcsFault::BadFlags),
        (joined(&[one()], &[entry(0, 16, 1, 44)]), HtlcsFault::BadFlags),
        (joined(&[one()], &[entry(0, 6, 1, 32)]), HtlcsFault::BadFlags),
        (joined(&[one()], &[entry(0, 12, 1, 4)]), HtlcsFault::BadFlags),
        (joined(&[one()], &[two(), entry(1, 0, 1, 44)]), HtlcsFault::BadChannel),
        (joined(&[], &[two()]), HtlcsFault::BadChannel),
        (joined(&[one()], &[]), HtlcsFault::BadChannel),
        (joined(&[row(2, 2), row(1, 2)], &[]), HtlcsFault::BadOrder),
        (joined(&[row(1, 2), row(1, 2)], &[]), HtlcsFault::BadOrder),
        (joined(&[one()], &[two(), two()]), HtlcsFault::BadOrder),
        (joined(&[one()], &[two(), entry(0, 0, 1, 44)]), HtlcsFault::BadOrder),
        (joined(&[one()], &[entry(0, 1, 1, 44), two()]), HtlcsFault::BadOrder),
        ([&good[..], &[0]].concat(), HtlcsFault::TrailingBytes),
    ];
    for (bytes, fault) in rows {
        assert_eq!(HtlcDiff::decode(&bytes).err(), Some(fault), "{bytes:?}");
    }
    for (place, fault) in HtlcsFault::ALL.into_iter().enumerate() {
        assert_eq!(fault.number(), place as u64 + 1);
    }
    let names: BTreeSet<_> = HtlcsFault::ALL.iter().map(|fault| fault.name()).collect();
    assert_eq!(names.len(), HtlcsFault::ALL.len());
}

#[test]
fn the_bytes_of_an_htlc_are_those_of_the_format() {
    let mut set = HtlcSet::default();
    set.put(
        key(0xc1, true, 0x0102),
        BackupHtlc {
            payment_hash: PaymentHash(preimage(0xee).payment_hash().0),
            amount_msat: 0x0a0b,
            cltv_expiry: 0x0c0d,
            preimage: Some(preimage(0xee)),
            output_index: Some(0x0e0f),
        },
    )
    .unwrap();
    set.set_point(channel(0xc1), point(3)).unwrap();
    let expected = [
        &[0, 1][..],
        &[0xc1; 32],
        &[1],
        &[3; 33],
        &[0, 1, 0, 0, 0b1011],
        &[0, 0, 0, 0, 0, 0, 1, 2],
        &preimage(0xee).payment_hash().0,
        &[0, 0, 0, 0, 0, 0, 0x0a, 0x0b],
        &[0, 0, 0x0c, 0x0d],
        &[0xee; 32],
        &[0, 0, 0x0e, 0x0f],
    ];
    assert_eq!(*set.encode().unwrap(), expected.concat());
}

#[test]
fn no_debug_shows_a_preimage() {
    let mut set = HtlcSet::default();
    set.put(key(1, true, 1), known(0xab, 5)).unwrap();
    let diff = set.diff(&HtlcSet::default());
    let shown = format!("{set:?} {diff:?} {:?}", set.get(key(1, true, 1)));
    assert!(shown.starts_with("HtlcSet(1 htlcs in 1 channels) HtlcDiff(1 entries in 1 channels)"));
    assert!(
        shown.contains("Preimage(..)") && !shown.contains("171, 171") && !shown.contains("abab")
    );
}
