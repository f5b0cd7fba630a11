//! What a blob carries, as it is remembered of each peer: which generations, and which of their shares.
//!
//! BT1 what a peer holds is what its last authentic blob showed, or nothing; never what it was merely sent.
//! Pure: no clock, no I/O. Called by the ledger and by the rows.

use super::envelope::{KIND_PAYLOAD, Opened};
use super::journal::KIND_JOURNAL;
use super::roster;
use super::share::{self, KIND_SHARES};

/// One share: of which generation, and which of its shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShareId {
    /// Number of the first blob that carried the generation.
    pub generation: u64,
    /// Which share of it.
    pub index: u8,
}

/// What a blob carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Content {
    /// Nothing is known.
    #[default]
    Nothing,
    /// The whole payload.
    Whole {
        /// Number of the first blob that carried it.
        generation: u64,
    },
    /// A share, and one of an older generation that is known to be restorable.
    Shares {
        /// Of the newest generation.
        newest: ShareId,
        /// Of the older one.
        base: Option<ShareId>,
    },
    /// HTLCs since a generation.
    Journal,
    /// Only whom else to ask.
    Roster,
}

/// Bytes of it in a row.
pub(super) const CONTENT_BYTES: usize = 24;

impl Content {
    /// The share of a generation that it has. A whole payload is the only share of its generation.
    pub fn share_of(&self, generation: u64) -> Option<u8> {
        let is_of = |share: &&ShareId| share.generation == generation;
        match self {
            Content::Whole { generation: whole } => (*whole == generation).then_some(0),
            Content::Shares { newest, base } => {
                [Some(newest), base.as_ref()].into_iter().flatten().find(is_of).map(|at| at.index)
            }
            Content::Nothing | Content::Journal | Content::Roster => None,
        }
    }

    /// What of this a blob with that content still carries.
    pub(super) fn kept_in(&self, new: &Content) -> Content {
        let is_kept = |share: &ShareId| new.share_of(share.generation) == Some(share.index);
        match *self {
            Content::Whole { generation } if new.share_of(generation).is_some() => *self,
            Content::Shares { newest, base } => {
                let base = base.filter(is_kept);
                match (is_kept(&newest), base) {
                    (true, base) => Content::Shares { newest, base },
                    (false, Some(base)) => Content::Shares { newest: base, base: None },
                    (false, None) => Content::Nothing,
                }
            }
            _ => Content::Nothing,
        }
    }

    /// What an authentic blob shows. One whose payload makes no sense shows nothing.
    pub(super) fn of(opened: &Opened) -> Content {
        let header = &opened.header;
        let Ok((content, _)) = roster::split(header.flags, opened.payload()) else {
            return Content::Nothing;
        };
        match header.kind {
            KIND_PAYLOAD if content.is_empty() => Content::Roster,
            KIND_PAYLOAD => Content::Whole { generation: header.seq },
            KIND_JOURNAL => Content::Journal,
            KIND_SHARES => of_shares(content),
            _ => Content::Nothing,
        }
    }

    pub(super) fn encode(&self) -> [u8; CONTENT_BYTES] {
        let mut body = [0; CONTENT_BYTES];
        let (kind, newest, base) = match self {
            Content::Nothing => (0, None, None),
            Content::Whole { generation } => {
                (1, Some(ShareId { generation: *generation, index: 0 }), None)
            }
            Content::Shares { newest, base: None } => (2, Some(*newest), None),
            Content::Shares { newest, base } => (3, Some(*newest), *base),
            Content::Journal => (4, None, None),
            Content::Roster => (5, None, None),
        };
        body[0] = kind;
        for (place, share) in [newest, base].into_iter().enumerate() {
            let Some(ShareId { generation, index }) = share else { continue };
            body[1 + place] = index;
            body[8 + 8 * place..][..8].copy_from_slice(&generation.to_le_bytes());
        }
        body
    }

    /// `None` for bytes that [`Content::encode`] does not make.
    pub(super) fn decode(body: &[u8; CONTENT_BYTES]) -> Option<Content> {
        let share = |place: usize| {
            let generation = body.get(8 + 8 * place..)?.first_chunk()?;
            let index = *body.get(1 + place)?;
            Some(ShareId { generation: u64::from_le_bytes(*generation), index })
        };
        let (newest, base) = (share(0)?, share(1)?);
        let content = match body[0] {
            0 => Content::Nothing,
            1 => Content::Whole { generation: newest.generation },
            2 => Content::Shares { newest, base: None },
            3 => Content::Shares { newest, base: Some(base) },
            4 => Content::Journal,
            5 => Content::Roster,
            _ => return None,
        };
        (content.encode() == *body).then_some(content)
    }
}

fn of_shares(content: &[u8]) -> Content {
    let Ok(shares) = share::decode(content) else { return Content::Nothing };
    let mut ids = shares
        .iter()
        .map(|share| ShareId { generation: share.header.generation, index: share.header.index });
    let Some(newest) = ids.next() else { return Content::Nothing };
    Content::Shares { newest, base: ids.next() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_content_reads_back_and_damage_does_not() {
        let (newest, base) =
            (ShareId { generation: 9, index: 3 }, ShareId { generation: 7, index: 31 });
        let all = [
            Content::Nothing,
            Content::Whole { generation: 5 },
            Content::Shares { newest, base: None },
            Content::Shares { newest, base: Some(base) },
            Content::Journal,
            Content::Roster,
        ];
        for content in all {
            let body = content.encode();
            assert_eq!(Content::decode(&body), Some(content));
            let mut damaged = body;
            damaged[3] = 1;
            assert_eq!(Content::decode(&damaged), None);
        }
        let mut damaged = Content::Nothing.encode();
        damaged[0] = 6;
        assert_eq!(Content::decode(&damaged), None);
        let mut damaged = Content::Whole { generation: 5 }.encode();
        damaged[16] = 1;
        assert_eq!(Content::decode(&damaged), None, "a whole payload has one generation");
    }

    #[test]
    fn a_content_names_the_shares_that_it_carries() {
        let (newest, base) =
            (ShareId { generation: 9, index: 3 }, ShareId { generation: 7, index: 31 });
        let both = Content::Shares { newest, base: Some(base) };
        assert_eq!(
            (both.share_of(9), both.share_of(7), both.share_of(8)),
            (Some(3), Some(31), None)
        );
        assert_eq!(Content::Whole { generation: 5 }.share_of(5), Some(0));
        assert_eq!(Content::Journal.share_of(0), None);
    }
}
