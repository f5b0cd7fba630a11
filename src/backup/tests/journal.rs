//! The journal against a plain account of what it was told, and its cadence against the list of what was sent
//! (BJ1 to BJ4, BZ1 to BZ3). Cadences with a planted fault have to be found out.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::htlcs::{channel, htlc, key, known};
use crate::backup::cadence::{Cadence, INTERVAL_MS_MAX, URGENT_DISTANCE_MS};
use crate::backup::envelope::SizeClass;
use crate::backup::htlcs::{BackupHtlc, CommitmentPoint, HtlcDiff, HtlcKey, HtlcSet, HtlcsFault};
use crate::backup::journal::{
    BASE_AGE_MS, Base, JOURNAL_HEAD_BYTES, Journal, JournalContent, JournalFault, JournalOptions,
    NEAR_EXPIRY_BLOCKS, Profile,
};
use crate::error::Status;

const INTERVAL_MS: u64 = 60_000;
const URGENT_MSAT: u64 = 1_000;

fn journal(profile: Profile) -> Journal {
    let urgent_msat = URGENT_MSAT;
    let options =
        JournalOptions { profile, urgent_msat, dust_msat: 0, ..JournalOptions::default() };
    Journal::new(options).unwrap()
}

#[derive(Debug, Clone)]
enum Told {
    Put(HtlcKey, BackupHtlc),
    Remove(HtlcKey),
    Point(u8, u8),
    ForceClosed(u8),
    RemoveChannel(u8),
    Base,
}

fn any_key() -> impl Strategy<Value = HtlcKey> {
    (0_u8..4, any::<bool>(), 0_u64..4).prop_map(|(number, incoming, id)| key(number, incoming, id))
}

fn any_told() -> impl Strategy<Value = Told> {
    let any_htlc = (0_u8..4, 0_u64..9, any::<bool>()).prop_map(|(number, msat, knows)| {
        if knows { known(number, msat) } else { htlc(number, msat) }
    });
    prop_oneof![
        8 => (any_key(), any_htlc).prop_map(|(key, htlc)| Told::Put(key, htlc)),
        4 => any_key().prop_map(Told::Remove),
        2 => (0_u8..4, 0_u8..9).prop_map(|(number, point)| Told::Point(number, point)),
        1 => (0_u8..4).prop_map(Told::ForceClosed),
        1 => (0_u8..4).prop_map(Told::RemoveChannel),
        1 => Just(Told::Base),
    ]
}

/// What was told, without a journal.
#[derive(Default)]
struct Account {
    live: HtlcSet,
    on_chain: BTreeSet<u8>,
}

impl Account {
    fn tell(&mut self, told: &Told) {
        match told {
            Told::Put(key, htlc) => self.live.put(*key, htlc.clone()).unwrap(),
            Told::Remove(key) => {
                self.live.remove(*key);
            }
            Told::Point(number, at) => {
                self.live.set_point(channel(*number), CommitmentPoint([*at; 33])).unwrap();
            }
            Told::ForceClosed(number) => {
                self.on_chain.insert(*number);
            }
            Told::RemoveChannel(number) => {
                self.on_chain.remove(number);
                self.live.remove_channel(channel(*number));
            }
            Told::Base => {}
        }
    }

    fn backed_up(&self, profile: Profile) -> HtlcSet {
        let mut set = self.live.clone();
        for number in (0..4).filter(|number| !self.on_chain.contains(number)) {
            if profile == Profile::OnchainOnly {
                set.remove_channel(channel(number));
            }
        }
        set
    }
}

fn tell(journal: &mut Journal, told: &Told, now_ms: u64) {
    match told {
        Told::Put(key, htlc) => journal.put(*key, htlc.clone(), now_ms).unwrap(),
        Told::Remove(key) => {
            journal.remove(*key);
        }
        Told::Point(number, at) => {
            journal.set_point(channel(*number), CommitmentPoint([*at; 33])).unwrap();
        }
        Told::ForceClosed(number) => journal.force_closed(channel(*number)).unwrap(),
        Told::RemoveChannel(number) => {
            journal.remove_channel(channel(*number));
        }
        Told::Base => {
            let generation = journal.base_generation() + 1;
            let htlcs = journal.snapshot();
            let set_id = [generation as u8; 16];
            journal.set_base(Base { set_id, generation, made_ms: now_ms, htlcs }).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..Default::default() })]

    #[test]
    fn a_journal_and_its_base_give_the_htlcs_of_its_time(
        told in vec(any_told(), 1..40), onchain_only in any::<bool>(),
    ) {
        let profile = if onchain_only { Profile::OnchainOnly } else { Profile::AllHtlcs };
        let (mut journal, mut account) = (journal(profile), Account::default());
        let mut bases = vec![HtlcSet::default()];
        for told in &told {
            if matches!(told, Told::Base) {
                bases.push(account.backed_up(profile));
            }
            tell(&mut journal, told, 5);
            account.tell(told);
            let (bytes, coverage) = journal.content(16_248).unwrap();
            let content = JournalContent::decode(&bytes).unwrap();
            let generation = bases.len() - 1;
            prop_assert_eq!(content.base_generation, generation as u64);
            prop_assert_eq!(content.base_set_id, [generation as u8; 16]);
            prop_assert!(coverage.is_whole());
            prop_assert!(bases[generation].applied(&content.diff) == account.backed_up(profile));
        }
    }

    #[test]
    fn only_a_head_that_is_one_decodes(bytes in vec(prop_oneof![Just(0_u8), any::<u8>()], 0..120)) {
        if let Ok(content) = JournalContent::decode(&bytes) {
            prop_assert!(content.base_generation > 0 || content.base_set_id == [0; 16]);
            prop_assert_eq!(&bytes[JOURNAL_HEAD_BYTES..], &content.diff.encode().unwrap()[..]);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    ForgetsUrgency,
    StaysUrgent,
    KeepsNoDistance,
    HasNoJitter,
    UrgentMovesTheRegular,
    BeginsByItself,
    SendsWhatChanged,
    OneTooSoon,
}

const FAULTS: [Fault; 8] = [
    Fault::ForgetsUrgency,
    Fault::StaysUrgent,
    Fault::KeepsNoDistance,
    Fault::HasNoJitter,
    Fault::UrgentMovesTheRegular,
    Fault::BeginsByItself,
    Fault::SendsWhatChanged,
    Fault::OneTooSoon,
];

/// The cadence under test, or a broken one.
struct Tested {
    cadence: Cadence,
    fault: Fault,
    was_urged: bool,
}

impl Tested {
    fn new(fault: Fault) -> Tested {
        let mut cadence = Cadence::new(INTERVAL_MS).unwrap();
        if fault == Fault::BeginsByItself {
            cadence.activate(0);
        }
        Tested { cadence, fault, was_urged: false }
    }

    fn urge(&mut self) {
        self.was_urged = true;
        if self.fault != Fault::ForgetsUrgency {
            self.cadence.urge();
        }
    }

    fn is_due(&self, now_ms: u64) -> bool {
        let active = self.cadence.is_active();
        match self.fault {
            Fault::KeepsNoDistance if active && self.cadence.is_urged() => true,
            Fault::SendsWhatChanged => self.was_urged && self.cadence.is_due(now_ms),
            Fault::OneTooSoon => self.cadence.is_due(now_ms) || self.cadence.is_due(now_ms + 1),
            _ => self.cadence.is_due(now_ms),
        }
    }

    fn sent(&mut self, now_ms: u64, random: u64) {
        let is_urged = self.cadence.is_urged();
        match self.fault {
            Fault::HasNoJitter => self.cadence.sent(now_ms, 1 << 63),
            Fault::UrgentMovesTheRegular if is_urged => {
                let next_ms = self.cadence.next_due_ms().unwrap();
                self.cadence.sent(next_ms.max(now_ms), random);
                self.cadence.sent(now_ms + 2 * INTERVAL_MS, random);
            }
            _ => self.cadence.sent(now_ms, random),
        }
        if self.fault == Fault::StaysUrgent && is_urged {
            self.cadence.urge();
        }
        self.was_urged = false;
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    Activate,
    Urge,
    Look(u64),
}

/// All that happened to a cadence; what is due follows from it alone.
#[derive(Default)]
struct History {
    began_ms: Option<u64>,
    is_urged: bool,
    /// Time and random number of the last regular one.
    regular: Option<(u64, u64)>,
    urgent_ms: Vec<u64>,
}

impl History {
    fn is_regular(&self, now_ms: u64) -> bool {
        let next_ms = self.regular.map(|(sent_ms, random)| {
            let spread_ms = (u128::from(random) * 24_001) >> 64;
            sent_ms + 48_000 + u64::try_from(spread_ms).unwrap()
        });
        next_ms.or(self.began_ms).is_some_and(|next_ms| next_ms <= now_ms)
    }

    fn is_urgent(&self, now_ms: u64) -> bool {
        let is_near = |sent_ms: &u64| now_ms - sent_ms < URGENT_DISTANCE_MS;
        self.began_ms.is_some() && self.is_urged && !self.urgent_ms.iter().any(is_near)
    }

    fn sent(&mut self, now_ms: u64, random: u64) {
        if self.is_regular(now_ms) {
            self.regular = Some((now_ms, random));
        }
        if std::mem::take(&mut self.is_urged) {
            self.urgent_ms.push(now_ms);
        }
    }
}

fn follows_history(fault: Fault, events: &[(u64, Event)]) -> Result<(), TestCaseError> {
    let (mut tested, mut history) = (Tested::new(fault), History::default());
    let mut now_ms = 1_000;
    for (wait_ms, event) in events {
        now_ms += wait_ms;
        match event {
            Event::Activate => {
                tested.cadence.activate(now_ms);
                history.began_ms.get_or_insert(now_ms);
            }
            Event::Urge => {
                tested.urge();
                history.is_urged = true;
            }
            Event::Look(random) => {
                let is_due = history.is_regular(now_ms) || history.is_urgent(now_ms);
                prop_assert_eq!(tested.is_due(now_ms), is_due);
                if is_due {
                    tested.sent(now_ms, *random);
                    history.sent(now_ms, *random);
                }
            }
        }
        prop_assert_eq!(tested.cadence.is_active(), history.began_ms.is_some());
        prop_assert_eq!(tested.cadence.is_urgent(now_ms), history.is_urgent(now_ms));
        if let Some(due_ms) = tested.cadence.next_due_ms() {
            let due_ms = due_ms.max(now_ms);
            prop_assert!(history.is_regular(due_ms) || history.is_urgent(due_ms));
            let before_ms = due_ms - 1;
            let was_due = history.is_regular(before_ms) || history.is_urgent(before_ms.max(now_ms));
            prop_assert!(due_ms == now_ms || !was_due);
        }
    }
    Ok(())
}

fn any_events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let event = prop_oneof![
        1 => Just(Event::Activate),
        2 => Just(Event::Urge),
        6 => prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)].prop_map(Event::Look),
    ];
    let wait_ms = prop_oneof![
        0_u64..3,
        4_000_u64..6_000,
        Just(URGENT_DISTANCE_MS - 1),
        Just(71_999),
        0_u64..80_000,
        Just(47_999),
        Just(48_000)
    ];
    vec((wait_ms, event), 1..40)
}

fn runner() -> TestRunner {
    TestRunner::new(ProptestConfig {
        failure_persistence: None,
        cases: 1_000,
        ..Default::default()
    })
}

#[test]
fn what_is_due_follows_from_what_happened() {
    runner().run(&any_events(), |events| follows_history(Fault::None, &events)).unwrap();
}

#[test]
fn cadences_with_a_planted_fault_are_found_out() {
    for fault in FAULTS {
        let found = runner().run(&any_events(), |events| follows_history(fault, &events));
        assert!(found.is_err(), "{fault:?} was not found");
    }
}

#[test]
fn the_wait_is_spread_by_a_fifth_to_both_sides() {
    let wait_ms = |random| {
        let mut cadence = Cadence::new(INTERVAL_MS).unwrap();
        cadence.activate(0);
        cadence.sent(0, random);
        cadence.next_due_ms().unwrap()
    };
    assert_eq!([0, 1 << 63, u64::MAX].map(wait_ms), [48_000, 60_000, 72_000]);
    for interval_ms in [1, 2, 3, 4, 5, INTERVAL_MS_MAX] {
        let mut cadence = Cadence::new(interval_ms).unwrap();
        cadence.activate(7);
        cadence.sent(7, u64::MAX);
        let longest_ms = interval_ms + interval_ms / 5;
        assert_eq!(cadence.next_due_ms(), Some(7 + longest_ms));
        assert!(!cadence.is_due(7) && cadence.is_due(7 + longest_ms));
    }
    for interval_ms in [0, INTERVAL_MS_MAX + 1, u64::MAX] {
        let error = Cadence::new(interval_ms).unwrap_err();
        assert_eq!(error.status(), Status::InvalidArgument);
    }
}

#[test]
fn a_clock_set_back_holds_nothing_up() {
    let mut cadence = Cadence::new(INTERVAL_MS).unwrap();
    let late_ms = 1_000_000_000;
    cadence.activate(late_ms);
    cadence.urge();
    cadence.sent(late_ms, 0);
    assert!(!cadence.is_due(late_ms - 1_000), "a second back is no reason to send");
    assert!(cadence.is_due(5), "years back are no wait of years");
    cadence.urge();
    assert!(!cadence.is_urgent(late_ms - 1_000) && cadence.is_urgent(5));
    cadence.sent(5, 0);
    assert_eq!(cadence.next_due_ms(), Some(5 + 48_000));
    cadence.sent(u64::MAX, u64::MAX);
    assert_eq!(cadence.next_due_ms(), Some(u64::MAX));
}

#[test]
fn traffic_that_is_not_urgent_moves_no_journal() {
    let mut busy = journal(Profile::AllHtlcs);
    let mut idle = journal(Profile::AllHtlcs);
    assert!(!idle.is_due(u64::MAX) && idle.next_due_ms().is_none(), "no htlc, no journal");
    idle.put(key(1, true, 0), htlc(1, URGENT_MSAT), 0).unwrap();
    busy.put(key(1, true, 0), htlc(1, URGENT_MSAT), 0).unwrap();
    idle.remove(key(1, true, 0));
    let mut sends = 0;
    for now_ms in (0..3_600_000).step_by(500) {
        let id = now_ms / 500;
        busy.put(key(2, id % 2 == 0, id), known(2, URGENT_MSAT - 1), now_ms).unwrap();
        busy.put(key(3, false, id), known(3, u64::MAX), now_ms).unwrap();
        busy.remove(key(2, id % 3 == 0, id));
        busy.set_block_height(1 + id as u32);
        assert_eq!(busy.is_due(now_ms), idle.is_due(now_ms));
        assert!(!busy.is_urgent(now_ms));
        if busy.is_due(now_ms) {
            sends += 1;
            busy.sent(now_ms, id << 50);
            idle.sent(now_ms, id << 50);
        }
    }
    assert!((50..=76).contains(&sends), "{sends} in an hour");
}

/// A journal in which nothing waits, at a height, with one HTLC told in a channel on chain.
fn settled(profile: Profile) -> Journal {
    let mut journal = journal(profile);
    journal.put(key(1, true, 1), htlc(1, URGENT_MSAT), 0).unwrap();
    journal.force_closed(channel(1)).unwrap();
    journal.sent(0, u64::MAX);
    assert!(!journal.is_urgent(10_000));
    journal
}

#[test]
fn what_cannot_wait_is_urgent_and_nothing_else() {
    use Profile::{AllHtlcs, OnchainOnly};
    type Tell = fn(&mut Journal);
    let rows: [(&str, Tell, [bool; 2]); 10] = [
        ("a preimage", |j| j.put(key(1, true, 1), known(1, 1_000), 1).unwrap(), [true, true]),
        ("it, off chain", |j| j.put(key(2, true, 1), known(1, 1_000), 1).unwrap(), [false, true]),
        ("it, too small", |j| j.put(key(1, true, 2), known(1, 999), 1).unwrap(), [false; 2]),
        ("it, outgoing", |j| j.put(key(1, false, 1), known(1, 1_000), 1).unwrap(), [false; 2]),
        ("no preimage", |j| j.put(key(1, true, 2), htlc(1, 1_000), 1).unwrap(), [false; 2]),
        ("a force close", |j| j.force_closed(channel(3)).unwrap(), [true, true]),
        ("it, again", |j| j.force_closed(channel(1)).unwrap(), [false; 2]),
        ("a removal", |j| assert!(j.remove(key(1, true, 1))), [false; 2]),
        ("a point", |j| j.set_point(channel(1), CommitmentPoint([2; 33])).unwrap(), [false; 2]),
        ("a channel's end", |j| assert!(j.remove_channel(channel(1))), [false; 2]),
    ];
    for (what, tell, expected) in rows {
        for (profile, is_urgent) in [OnchainOnly, AllHtlcs].into_iter().zip(expected) {
            let mut journal = settled(profile);
            tell(&mut journal);
            assert_eq!(journal.is_urgent(10_000), is_urgent, "{what}, {profile:?}");
            assert_eq!(journal.is_due(10_000), is_urgent, "{what}, {profile:?}");
        }
    }
}

#[test]
fn a_preimage_is_urgent_once() {
    let mut journal = settled(Profile::OnchainOnly);
    for (now_ms, is_urgent) in [(10_000, true), (20_000, false), (30_000, false)] {
        journal.put(key(1, true, 1), known(1, 1_000), now_ms).unwrap();
        assert_eq!(journal.is_urgent(now_ms), is_urgent, "at {now_ms}");
        if is_urgent {
            journal.sent(now_ms, 0);
        }
    }
}

#[test]
fn what_expires_soon_is_urgent_until_a_journal_told_it() {
    let expiry = htlc(1, 0).cltv_expiry;
    for profile in [Profile::OnchainOnly, Profile::AllHtlcs] {
        let mut journal = settled(profile);
        journal.set_block_height(expiry);
        assert!(!journal.is_urgent(10_000), "the first htlc was told");
        journal.set_block_height(expiry - NEAR_EXPIRY_BLOCKS - 1);
        journal.put(key(1, false, 1), htlc(1, 999), 1).unwrap();
        journal.put(key(1, false, 2), htlc(1, 1_000), 1).unwrap();
        journal.put(key(2, false, 2), htlc(1, 1_000), 1).unwrap();
        assert!(!journal.is_urgent(10_000), "not that soon");
        journal.set_block_height(0);
        assert!(!journal.is_urgent(10_000), "no height");
        journal.set_block_height(expiry - NEAR_EXPIRY_BLOCKS);
        assert!(journal.is_urgent(10_000), "a day before");
        journal.sent(10_000, 0);
        journal.set_block_height(expiry - NEAR_EXPIRY_BLOCKS + 1);
        assert!(!journal.is_urgent(20_000), "it was told");
        journal.put(key(1, true, 9), htlc(1, 999), 1).unwrap();
        assert!(!journal.is_urgent(20_000), "too small");
        journal.put(key(1, true, 8), htlc(1, 1_000), 1).unwrap();
        journal.remove(key(1, true, 8));
        assert!(journal.is_urgent(20_000), "it came late");
    }
    let mut off_chain = settled(Profile::OnchainOnly);
    off_chain.set_block_height(expiry);
    off_chain.put(key(2, true, 1), htlc(1, 1_000), 1).unwrap();
    assert!(!off_chain.is_urgent(10_000), "not backed up");
    off_chain.set_block_height(u32::MAX);
    assert!(!off_chain.is_urgent(10_000), "not backed up");
}

#[test]
fn a_new_base_is_wanted_when_the_journal_is_long_or_the_base_is_old() {
    let mut journal = journal(Profile::AllHtlcs);
    assert!(!journal.wants_new_base(u64::MAX), "there is nothing");
    journal.put(key(1, true, 0), htlc(1, 1), 1_000).unwrap();
    assert!(!journal.wants_new_base(1_000 + BASE_AGE_MS - 1));
    assert!(journal.wants_new_base(1_000 + BASE_AGE_MS));
    let half_bytes = SizeClass::Bytes16384.payload_max() / 2;
    let mut id = 1;
    while journal.content(16_248).unwrap().0.len() <= half_bytes {
        assert!(!journal.wants_new_base(1_000), "{id} htlcs");
        journal.put(key(1, true, id), htlc(1, 1), 1_000).unwrap();
        id += 1;
    }
    assert!(journal.wants_new_base(1_000));
    let htlcs = journal.snapshot();
    let base = Base { set_id: [7; 16], generation: 9, made_ms: 50_000, htlcs };
    let none = journal.set_base(Base { generation: 0, ..base.clone() }).unwrap_err();
    assert_eq!(none.status(), Status::InvalidArgument);
    journal.set_base(base).unwrap();
    assert_eq!(journal.base_generation(), 9);
    assert!(!journal.wants_new_base(u64::MAX), "nothing changed since");
    journal.remove(key(1, true, 3));
    assert!(!journal.wants_new_base(50_000 + BASE_AGE_MS - 1));
    assert!(journal.wants_new_base(50_000 + BASE_AGE_MS));
}

#[test]
fn the_content_says_what_did_not_fit() {
    let mut journal = Journal::new(JournalOptions {
        profile: Profile::AllHtlcs,
        dust_msat: 10,
        ..JournalOptions::default()
    })
    .unwrap();
    for (id, msat) in [(1, 9), (2, 100), (3, 200), (4, 300)] {
        journal.put(key(1, true, id), htlc(1, msat), 0).unwrap();
    }
    let one_bytes = JOURNAL_HEAD_BYTES + 4 + 33 + 55;
    let (bytes, coverage) = journal.content(one_bytes).unwrap();
    assert_eq!((coverage.covered_msat, coverage.dust_count), (300, 1));
    let content = JournalContent::decode(&bytes).unwrap();
    assert_eq!((content.uncovered_count, content.uncovered_msat), (2, 300));
    assert_eq!(content.diff.len(), 1);
    let (bytes, coverage) = journal.content(JOURNAL_HEAD_BYTES + 4).unwrap();
    assert_eq!((bytes.len(), coverage.uncovered_count), (JOURNAL_HEAD_BYTES + 4, 3));
    for bytes_max in [0, JOURNAL_HEAD_BYTES, JOURNAL_HEAD_BYTES + 3] {
        assert_eq!(journal.content(bytes_max).unwrap_err().status(), Status::TooBig);
    }
}

#[test]
fn each_fault_of_a_journal_is_named() {
    let head = |set_id: u8, generation: u8| {
        let mut head = [0; JOURNAL_HEAD_BYTES];
        (head[3], head[23]) = (set_id, generation);
        head.to_vec()
    };
    let mut base = HtlcSet::default();
    base.put(key(1, true, 1), htlc(1, 1)).unwrap();
    let removal = HtlcSet::default().diff(&base).encode().unwrap();
    let nothing = HtlcDiff::default().encode().unwrap();
    let rows = [
        (head(0, 0)[1..].to_vec(), JournalFault::Truncated),
        (head(0, 0), JournalFault::Htlcs(HtlcsFault::Truncated)),
        ([&head(1, 0)[..], &nothing].concat(), JournalFault::BadBase),
        ([&head(0, 0)[..], &removal].concat(), JournalFault::BadBase),
        (
            [&head(0, 1)[..], &nothing, &[0]].concat(),
            JournalFault::Htlcs(HtlcsFault::TrailingBytes),
        ),
    ];
    for (bytes, fault) in rows {
        assert_eq!(JournalContent::decode(&bytes).err(), Some(fault));
    }
    for good in [[&head(0, 1)[..], &removal].concat(), [&head(1, 1)[..], &nothing].concat()] {
        JournalContent::decode(&good).unwrap();
    }
    let numbers = [JournalFault::Truncated, JournalFault::BadBase].map(JournalFault::number);
    assert_eq!(numbers, [1, 6]);
    for fault in HtlcsFault::ALL {
        assert_eq!(JournalFault::Htlcs(fault).number(), fault.number());
        assert_ne!(JournalFault::BadBase.name(), fault.name());
    }
}
