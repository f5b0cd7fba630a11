//! Which generations are complete, against a reference that counts anew each time (RS1 to RS4).

use proptest::prelude::*;

use crate::recovery::shares::{Collection, Piece, RecoveryStatus, Refusal, Version};

/// What both sides can be asked.
pub(super) trait Counting: Default {
    fn feed(&mut self, piece: &Piece) -> Result<(), Refusal>;
    fn witness(&mut self, generation: u64);
    fn report(&self) -> Report;
}

/// Everything that can be seen of a collection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) status: RecoveryStatus,
    pub(super) best: Option<Version>,
    pub(super) newest_seen: Option<u64>,
    pub(super) sets: Vec<(Version, u8, u8)>,
}

impl Counting for Collection {
    fn feed(&mut self, piece: &Piece) -> Result<(), Refusal> {
        Collection::feed(self, piece)
    }
    fn witness(&mut self, generation: u64) {
        Collection::witness(self, generation);
    }
    fn report(&self) -> Report {
        let sets = self.sets();
        Report {
            status: self.status(),
            best: self.best().map(|best| best.version),
            newest_seen: self.newest_seen(),
            sets: sets.iter().map(|set| (set.version, set.have, set.need)).collect(),
        }
    }
}

/// Keeps every piece that came first, and nothing else.
#[derive(Default)]
pub(super) struct Reference {
    pub(super) first: Vec<Piece>,
    pub(super) counted: Vec<Piece>,
    pub(super) witnessed: Vec<u64>,
}

pub(super) fn version_of(piece: &Piece) -> Version {
    Version { generation: piece.generation, set_id: piece.set_id }
}

impl Reference {
    pub(super) fn have(&self, version: Version) -> u8 {
        self.counted.iter().filter(|piece| version_of(piece) == version).count() as u8
    }
}

impl Counting for Reference {
    fn feed(&mut self, piece: &Piece) -> Result<(), Refusal> {
        let version = version_of(piece);
        let Some(first) = self.first.iter().find(|first| version_of(first) == version).copied()
        else {
            self.first.push(*piece);
            return self.feed(piece);
        };
        let shape = |piece: &Piece| (piece.data_shares, piece.shares, piece.root);
        let is_known = |known: &Piece| version_of(known) == version && known.index == piece.index;
        if shape(&first) != shape(piece) {
            return Err(Refusal::InconsistentHeader);
        }
        if piece.index >= piece.shares {
            return Err(Refusal::BadIndex);
        }
        if self.counted.iter().any(is_known) {
            return Err(Refusal::Duplicate);
        }
        self.counted.push(*piece);
        Ok(())
    }

    fn witness(&mut self, generation: u64) {
        self.witnessed.push(generation);
    }

    fn report(&self) -> Report {
        let mut sets: Vec<_> = self
            .first
            .iter()
            .map(|first| (version_of(first), self.have(version_of(first)), first.data_shares))
            .collect();
        sets.sort_by(|(a, ..), (b, ..)| {
            b.generation.cmp(&a.generation).then(a.set_id.cmp(&b.set_id))
        });
        let best = sets.iter().filter(|(_, have, need)| have >= need).map(|(version, ..)| *version);
        let best = best.max_by_key(|version| (version.generation, version.set_id));
        let seen = self.first.iter().map(|first| first.generation);
        let newest_seen = seen.chain(self.witnessed.iter().copied()).max();
        let status = match best {
            None if sets.is_empty() => RecoveryStatus::Empty,
            None => RecoveryStatus::Collecting,
            Some(best) if Some(best.generation) == newest_seen => RecoveryStatus::Complete,
            Some(_) => RecoveryStatus::CompleteOlder,
        };
        Report { status, best, newest_seen, sets }
    }
}

/// What is done to both.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Feed(Piece),
    Witness(u64),
}

pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let piece = (0_u8..3, 0_u64..5, 0_u8..12, 0_u8..6, 0_u8..40).prop_map(
        |(set, generation, odd, index, root)| {
            let (data_shares, shares) = if odd == 0 { (2, 4) } else { (3, 5) };
            let root = if root == 0 { 1 } else { 0 };
            Act::Feed(Piece {
                set_id: [set; 16],
                generation,
                data_shares,
                shares,
                index,
                root: [root; 32],
            })
        },
    );
    let act = prop_oneof![12 => piece, 1 => (0_u64..6).prop_map(Act::Witness)];
    prop::collection::vec(act, 0..60)
}

/// Runs both over the same, and says where they differ first.
pub(super) fn compare<Other: Counting>(acts: &[Act]) -> Result<(), String> {
    let (mut actual, mut reference) = (Other::default(), Reference::default());
    for (at, act) in acts.iter().enumerate() {
        match act {
            Act::Feed(piece) => {
                let (given, expected) = (actual.feed(piece), reference.feed(piece));
                if given != expected {
                    return Err(format!("act {at} {act:?}: {given:?}, not {expected:?}"));
                }
            }
            Act::Witness(generation) => {
                actual.witness(*generation);
                reference.witness(*generation);
            }
        }
        let (given, expected) = (actual.report(), reference.report());
        if given != expected {
            return Err(format!("act {at} {act:?}: {given:?}, not {expected:?}"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_collection_is_what_counting_anew_gives(acts in acts()) {
        prop_assert_eq!(compare::<Collection>(&acts), Ok(()));
    }

    #[test]
    fn order_and_repetition_change_nothing(
        indexes in prop::collection::vec((0_u8..2, 0_u64..4, 0_u8..5), 0..40),
        order in any::<prop::sample::Index>(),
    ) {
        let pieces: Vec<Piece> = indexes.iter().map(|(set, generation, index)| Piece {
            set_id: [*set; 16], generation: *generation, data_shares: 3, shares: 5, index: *index,
            root: [*generation as u8; 32],
        }).collect();
        let mut forward = Collection::default();
        let mut turned = Collection::default();
        for piece in &pieces {
            let _ = forward.feed(piece);
        }
        let cut = if pieces.is_empty() { 0 } else { order.index(pieces.len()) };
        let (head, tail) = pieces.split_at(cut);
        for piece in tail.iter().rev().chain(head).chain(&pieces) {
            let _ = turned.feed(piece);
        }
        prop_assert_eq!(forward.report(), turned.report());
    }
}
