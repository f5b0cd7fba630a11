//! Collections with one fault each: the comparison with the reference has to tell them from a right one.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::shares::{Counting, Reference, Report, acts, compare, version_of};
use crate::recovery::shares::{Collection, Piece, RecoveryStatus, Refusal, Version};

macro_rules! broken {
    ($name:ident, $feed:expr, $report:expr) => {
        #[derive(Default)]
        struct $name(Reference);

        impl Counting for $name {
            fn feed(&mut self, piece: &Piece) -> Result<(), Refusal> {
                let feed: fn(&mut Reference, &Piece) -> Result<(), Refusal> = $feed;
                feed(&mut self.0, piece)
            }
            fn witness(&mut self, generation: u64) {
                self.0.witness(generation);
            }
            fn report(&self) -> Report {
                let report: fn(&Reference, Report) -> Report = $report;
                report(&self.0, self.0.report())
            }
        }
    };
}

fn right_feed(reference: &mut Reference, piece: &Piece) -> Result<(), Refusal> {
    reference.feed(piece)
}

fn right_report(_: &Reference, report: Report) -> Report {
    report
}

broken!(
    CountsRepeatedShares,
    |reference, piece| match reference.feed(piece) {
        Err(Refusal::Duplicate) => {
            reference.counted.push(*piece);
            Ok(())
        }
        other => other,
    },
    right_report
);
broken!(MixesGenerations, |reference, piece| reference.feed(piece), |reference, mut report| {
    let of_set = |version: Version| {
        reference.counted.iter().filter(|piece| piece.set_id == version.set_id).count()
    };
    let mixed = report.sets.iter().find(|(version, _, need)| of_set(*version) >= (*need).into());
    report.best = mixed.map(|(version, ..)| *version);
    report
});
broken!(
    LetsTheLastShareFixTheHeader,
    |reference, piece| {
        reference.first.retain(|first| version_of(first) != version_of(piece));
        reference.feed(piece)
    },
    right_report
);
broken!(
    TakesAnyIndex,
    |reference, piece| match reference.feed(piece) {
        Err(Refusal::BadIndex) => Ok(()),
        other => other,
    },
    right_report
);
broken!(ForgetsASetWithoutShares, right_feed, |_, mut report| {
    report.sets.retain(|(_, have, _)| *have > 0);
    report
});
broken!(TakesTheLesserSetOfTwo, right_feed, |_, mut report| {
    let complete = report.sets.iter().find(|(_, have, need)| have >= need);
    report.best = complete.map(|(version, ..)| *version);
    report
});
broken!(CallsAnOlderOneComplete, right_feed, |_, mut report| {
    if report.status == RecoveryStatus::CompleteOlder {
        report.status = RecoveryStatus::Complete;
    }
    report
});
broken!(ForgetsWhatItOnlyHeardOf, right_feed, |reference, mut report| {
    report.newest_seen = reference.first.iter().map(|first| first.generation).max();
    report
});
broken!(NeedsOneShareLess, right_feed, |_, mut report| {
    let complete = report.sets.iter().filter(|(_, have, need)| have + 1 >= *need);
    report.best = complete.map(|(version, ..)| *version).max();
    report
});

/// How many of a thousand random walks tell a collection from the reference.
fn caught<Other: Counting>() -> usize {
    let mut runner = TestRunner::deterministic();
    let walks = acts();
    let walk = |runner: &mut TestRunner| walks.new_tree(runner).expect("a walk").current();
    (0..1_000).filter(|_| compare::<Other>(&walk(&mut runner)).is_err()).count()
}

#[test]
fn every_planted_fault_is_found_and_no_right_one_is() {
    assert_eq!(caught::<Collection>(), 0);
    let planted = [
        ("repeated shares", caught::<CountsRepeatedShares>()),
        ("mixed generations", caught::<MixesGenerations>()),
        ("last header", caught::<LetsTheLastShareFixTheHeader>()),
        ("any index", caught::<TakesAnyIndex>()),
        ("empty sets", caught::<ForgetsASetWithoutShares>()),
        ("lesser set", caught::<TakesTheLesserSetOfTwo>()),
        ("older complete", caught::<CallsAnOlderOneComplete>()),
        ("heard of", caught::<ForgetsWhatItOnlyHeardOf>()),
        ("one less", caught::<NeedsOneShareLess>()),
    ];
    for (fault, walks) in planted {
        assert!(walks > 0, "{fault}: no walk of a thousand found it");
    }
}
