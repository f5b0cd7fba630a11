//! What peers' shares amount to: what is restorable, what may be overwritten, when an older generation is no
//! longer needed.
//!
//! BS1 what is known to be restorable stays so until something newer is: a peer keeps one blob, so a new one
//! destroys what it held. Either the new blob carries the old share too, or enough others hold theirs, or the
//! peer waits; unless waiting could never end. BS2 a share counts when it came back, and was not replaced
//! since by a blob without it. BS3 a generation becomes the base when one share more came back than restores
//! it. Pure: no clock, no I/O. Called by the ledger.

use super::content::Content;
use super::generation::{Generation, Stripe};
use crate::types::NodeId;

/// What one peer holds, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) node: NodeId,
    /// What it returned last.
    pub(super) held: Content,
    /// What it was sent last.
    pub(super) sent: Content,
    /// It returned what it was sent last.
    pub(super) is_confirmed: bool,
}

impl Holding {
    /// BS2.
    fn confirmed(&self, generation: u64) -> Option<u8> {
        let is_there = self.is_confirmed || self.sent.share_of(generation).is_some();
        self.held.share_of(generation).filter(|_| is_there)
    }
}

/// Distinct shares, one bit each.
fn shares_of(indexes: impl Iterator<Item = u8>) -> u32 {
    indexes.fold(0, |shares, index| shares | 1u32.checked_shl(u32::from(index)).unwrap_or(0))
}

/// How many distinct shares of a generation came back and are still there.
pub(super) fn confirmed_shares(holdings: &[Holding], generation: u64) -> u32 {
    shares_of(holdings.iter().filter_map(|holding| holding.confirmed(generation))).count_ones()
}

/// How many distinct shares of a generation were sent and not replaced since, whether they came back or not.
pub(super) fn sent_shares(holdings: &[Holding], generation: u64) -> u32 {
    shares_of(holdings.iter().filter_map(|holding| holding.sent.share_of(generation))).count_ones()
}

/// What is known to be restorable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Restorable {
    generation: u64,
    needed_shares: u32,
}

/// The newest state that is known to be restorable.
fn best(stripe: &Stripe, holdings: &[Holding]) -> Option<Restorable> {
    let striped = [stripe.newest, stripe.base].into_iter().flatten();
    let striped = striped.map(|generation| Restorable {
        generation: generation.number,
        needed_shares: generation.code.data_shares() as u32,
    });
    let whole = holdings.iter().filter_map(|holding| match holding.held {
        Content::Whole { generation } => holding.confirmed(generation).map(|_| generation),
        _ => None,
    });
    let whole = whole.map(|generation| Restorable { generation, needed_shares: 1 });
    let is_there =
        |one: &Restorable| confirmed_shares(holdings, one.generation) >= one.needed_shares;
    let newest_whole = whole.max_by_key(|one| one.generation);
    striped.chain(newest_whole).filter(is_there).max_by_key(|one| one.generation)
}

/// BS1.
pub(super) fn may_overwrite(
    stripe: &Stripe,
    holdings: &[Holding],
    node: NodeId,
    new: &Content,
) -> bool {
    if matches!(new, Content::Whole { .. }) {
        return true;
    }
    let Some(best) = best(stripe, holdings) else { return true };
    let holds_it = |holding: &Holding| holding.confirmed(best.generation);
    let of_peer = holdings.iter().find(|holding| holding.node == node);
    if new.share_of(best.generation).is_some() || of_peer.and_then(holds_it).is_none() {
        return true;
    }
    let others = holdings.iter().filter(|holding| holding.node != node);
    if shares_of(others.filter_map(holds_it)).count_ones() >= best.needed_shares {
        return true;
    }
    match (new, stripe.newest) {
        (Content::Shares { .. }, Some(newest)) => {
            let placed = stripe.placement.iter().count() as u32;
            placed.saturating_sub(best.needed_shares) < newest.code.data_shares() as u32
        }
        _ => false,
    }
}

/// Whether the newest generation needs no older one beside it any more (BS3).
pub(super) fn is_secure(stripe: &Stripe, newest: &Generation, holdings: &[Holding]) -> bool {
    let placed = stripe.placement.iter().count() as u32;
    let restoring = newest.code.data_shares() as u32;
    let needed = (restoring + 1).min(placed.max(restoring));
    confirmed_shares(holdings, newest.number) >= needed
}
