//! What peers' shares amount to: what is restorable, what may be overwritten, when an older generation is no
//! longer needed.
//!
//! BS1 what is known to be restorable stays so until something newer is: a peer keeps one blob, so a new one
//! destroys what it held. Either the new blob carries the old share too, or enough others hold theirs, or the
//! peer waits; unless waiting could never end. BS2 a share counts when it came back, and was not replaced
//! since by a blob without it. BS3 a generation becomes the base when one share more came back than restores
//! it. Pure: no clock, no I/O. Called by the ledger.

use std::collections::{BTreeMap, BTreeSet};

use super::content::Content;
use super::generation::{Generation, Stripe};
use crate::types::NodeId;

/// What one peer holds, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) node: NodeId,
    /// What came back and was not replaced since (BS2).
    pub(super) held: Content,
    /// What it was sent last.
    pub(super) sent: Content,
}

/// Distinct shares, one bit each.
fn shares_of(indexes: impl Iterator<Item = u8>) -> u32 {
    indexes.fold(0, |shares, index| shares | 1u32.checked_shl(u32::from(index)).unwrap_or(0))
}

/// How many distinct shares of a generation came back and are still there.
pub(super) fn confirmed_shares(holdings: &[Holding], generation: u64) -> u32 {
    let held = holdings.iter().filter_map(|holding| holding.held.share_of(generation));
    shares_of(held).count_ones()
}

/// How many distinct shares of a generation were sent and not replaced since, whether they came back or not.
pub(super) fn sent_shares(holdings: &[Holding], generation: u64) -> u32 {
    let sent = holdings.iter().filter_map(|holding| holding.sent.share_of(generation));
    shares_of(sent).count_ones()
}

/// Whether a generation is known to be restorable.
pub(super) fn is_restorable(generation: &Generation, holdings: &[Holding]) -> bool {
    let needed_shares = generation.code.data_shares() as u32;
    confirmed_shares(holdings, generation.number) >= needed_shares
}

/// What must not be overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Guard {
    best: Option<Best>,
    /// Peers that were sent a whole payload which is newer than that, whether it came back or not.
    wholes: BTreeSet<NodeId>,
}

/// The newest state that is known to be restorable, and who holds which share of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Best {
    generation: u64,
    needed_shares: u32,
    holders: BTreeMap<NodeId, u8>,
}

impl Best {
    fn of(stripe: &Stripe, holdings: &[Holding]) -> Option<Best> {
        let cut = [stripe.newest, stripe.base].into_iter().flatten();
        let cut = cut.filter(|generation| is_restorable(generation, holdings));
        let cut = cut.map(|generation| (generation.number, generation.code.data_shares() as u32));
        let whole = holdings.iter().filter_map(|holding| match holding.held {
            Content::Whole { generation } => Some((generation, 1)),
            _ => None,
        });
        let (generation, needed_shares) = cut.chain(whole).max()?;
        let share = |holding: &Holding| Some((holding.node, holding.held.share_of(generation)?));
        let holders = holdings.iter().filter_map(share).collect();
        Some(Best { generation, needed_shares, holders })
    }

    fn may_overwrite(&self, stripe: &Stripe, node: NodeId, new: &Content) -> bool {
        let Some(index) = self.holders.get(&node) else { return true };
        if new.share_of(self.generation) == Some(*index) {
            return true;
        }
        let others = self.holders.iter().filter(|(holder, _)| **holder != node);
        if shares_of(others.map(|(_, index)| *index)).count_ones() >= self.needed_shares {
            return true;
        }
        match (new, stripe.newest) {
            (Content::Shares { .. }, Some(newest)) => {
                !can_wait(stripe, self.needed_shares, newest.code.data_shares() as u32)
            }
            _ => false,
        }
    }
}

impl Guard {
    pub(super) fn of(stripe: &Stripe, holdings: &[Holding]) -> Guard {
        let best = Best::of(stripe, holdings);
        let beyond = best.as_ref().map_or(0, |best| best.generation);
        let is_newer = |holding: &&Holding| match holding.sent {
            Content::Whole { generation } => generation > beyond,
            _ => false,
        };
        let wholes = holdings.iter().filter(is_newer).map(|holding| holding.node).collect();
        Guard { best, wholes }
    }

    /// A peer is to be sent something: what it holds counts no more.
    pub(super) fn overwritten(&mut self, node: NodeId, new: &Content) {
        if !matches!(new, Content::Whole { .. }) {
            self.wholes.remove(&node);
        }
        if let Some(best) = &mut self.best {
            let kept = best.holders.get(&node).copied();
            if new.share_of(best.generation) != kept {
                best.holders.remove(&node);
            }
        }
    }

    /// BS1. A whole payload may replace anything: a peer holds the one or the other.
    pub(super) fn may_overwrite(&self, stripe: &Stripe, node: NodeId, new: &Content) -> bool {
        if matches!(new, Content::Whole { .. }) {
            return true;
        }
        let is_last_whole = self.wholes.contains(&node) && self.wholes.len() == 1;
        let best_allows =
            || self.best.as_ref().is_none_or(|best| best.may_overwrite(stripe, node, new));
        !is_last_whole && best_allows()
    }
}

/// Whether those who need not keep what they hold can make something newer restorable.
fn can_wait(stripe: &Stripe, kept_shares: u32, needed_shares: u32) -> bool {
    placed(stripe).saturating_sub(kept_shares) >= needed_shares
}

fn placed(stripe: &Stripe) -> u32 {
    stripe.placement.iter().count() as u32
}

/// Whether the newest generation needs no older one beside it any more (BS3).
pub(super) fn is_secure(stripe: &Stripe, newest: &Generation, holdings: &[Holding]) -> bool {
    let needed_shares = newest.code.data_shares() as u32;
    let enough = (needed_shares + 1).min(placed(stripe).max(needed_shares));
    confirmed_shares(holdings, newest.number) >= enough
}
