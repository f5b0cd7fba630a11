//! Which slots of its general bucket a channel lends to one outgoing channel.
//!
//! RS1 the slots of a pair follow from the node's salt, both channel ids and the size of the bucket alone,
//! so that they are the same after every restart and nobody else can tell them. RS2 in `strict` mode there is
//! always an assignment; in `compat` mode a small bucket can fail, as in the reference.
//! Pure. Called by `bucket`.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use super::rules::Mode;
use crate::limits::HTLC_SLOTS_MAX;
use crate::types::ShortChannelId;

/// Most slots that one pair may have: 5 % of the largest bucket.
pub const PAIR_SLOTS_MAX: usize = HTLC_SLOTS_MAX as usize * 5 / 100 + 1;
/// Draws per slot after which the reference gives up.
const COMPAT_DRAWS_PER_SLOT: usize = 10;
/// Keeps this use of the salt apart from any other.
const STRICT_DOMAIN: &[u8] = b"lnkeep general slots";

/// The node's secret: whoever knows it can aim at the slots of others.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeSalt([u8; 32]);

impl std::fmt::Debug for NodeSalt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeSalt(..)")
    }
}

impl Drop for NodeSalt {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl NodeSalt {
    /// A salt of random bytes.
    pub fn new(bytes: [u8; 32]) -> NodeSalt {
        NodeSalt(bytes)
    }

    /// The bytes; the caller keeps them out of logs.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Slot numbers in the order of their generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairSlots {
    numbers: [u16; PAIR_SLOTS_MAX],
    count: u8,
}

impl PairSlots {
    fn none() -> PairSlots {
        PairSlots { numbers: [0; PAIR_SLOTS_MAX], count: 0 }
    }

    fn push(&mut self, number: u16) {
        self.numbers[usize::from(self.count)] = number;
        self.count += 1;
    }

    /// The numbers.
    pub fn numbers(&self) -> &[u16] {
        &self.numbers[..usize::from(self.count)]
    }
}

/// The slots of a pair, out of `slots`. `None` when the reference's draws do not find enough (RS2).
pub fn assign(
    mode: Mode,
    salt: &NodeSalt,
    incoming: ShortChannelId,
    outgoing: ShortChannelId,
    pair_slots: u8,
    slots: u16,
) -> Option<PairSlots> {
    match mode {
        Mode::Strict => Some(shuffled(salt, incoming, outgoing, pair_slots, slots)),
        Mode::Compat => drawn(salt, incoming, outgoing, pair_slots, slots),
    }
}

/// The first steps of a shuffle, driven by a stream of this pair.
fn shuffled(
    salt: &NodeSalt,
    incoming: ShortChannelId,
    outgoing: ShortChannelId,
    pair_slots: u8,
    slots: u16,
) -> PairSlots {
    let mut hash = Sha256::new_with_prefix(STRICT_DOMAIN);
    hash.update(salt.0);
    hash.update(incoming.0.to_be_bytes());
    hash.update(outgoing.0.to_be_bytes());
    let mut key: [u8; 32] = hash.finalize().into();
    let mut stream = ChaCha20Rng::from_seed(key);
    key.zeroize();
    let mut order = [0u16; HTLC_SLOTS_MAX as usize];
    let slots = slots.min(HTLC_SLOTS_MAX);
    for (index, number) in order.iter_mut().zip(0..slots) {
        *index = number;
    }
    let mut chosen = PairSlots::none();
    for taken in 0..u16::from(pair_slots).min(slots) {
        let other = taken + below(&mut stream, slots - taken);
        order.swap(usize::from(taken), usize::from(other));
        chosen.push(order[usize::from(taken)]);
    }
    chosen
}

/// A number below `bound`, every one equally likely.
fn below(stream: &mut ChaCha20Rng, bound: u16) -> u16 {
    let bound = u32::from(bound);
    let fair = u32::MAX - u32::MAX % bound;
    loop {
        let word = stream.next_u32();
        if word < fair {
            return (word % bound) as u16;
        }
    }
}

/// The salt of all pairs with this outgoing channel, as the reference derives it.
pub fn compat_pair_salt(salt: &NodeSalt, outgoing: ShortChannelId) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(salt.0);
    hash.update(outgoing.0.to_be_bytes());
    hash.finalize().into()
}

/// The reference's draws: keystream words XORed into a register that is never cleared.
fn drawn(
    salt: &NodeSalt,
    incoming: ShortChannelId,
    outgoing: ShortChannelId,
    pair_slots: u8,
    slots: u16,
) -> Option<PairSlots> {
    let mut key = compat_pair_salt(salt, outgoing);
    let mut stream = ChaCha20Rng::from_seed(key);
    key.zeroize();
    // RFC 8439's nonce of 96 bits: its first word is the high half of the generator's block counter.
    let incoming_high = (incoming.0 >> 32) as u32;
    stream.set_stream(outgoing.0.swap_bytes());
    stream.set_word_pos((u128::from(incoming_high.swap_bytes()) << 32) * 16);
    let mut chosen = PairSlots::none();
    let mut register = 0u32;
    for _ in 0..COMPAT_DRAWS_PER_SLOT * usize::from(pair_slots) {
        register ^= stream.next_u32();
        let number = (register % u32::from(slots.max(1))) as u16;
        if !chosen.numbers().contains(&number) {
            chosen.push(number);
        }
        if chosen.count == pair_slots {
            return Some(chosen);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 32] = [7; 32];

    fn strict(incoming: u64, outgoing: u64, pair_slots: u8, slots: u16) -> PairSlots {
        let salt = NodeSalt::new(SALT);
        let (incoming, outgoing) = (ShortChannelId(incoming), ShortChannelId(outgoing));
        assign(Mode::Strict, &salt, incoming, outgoing, pair_slots, slots).unwrap()
    }

    #[test]
    fn every_strict_pair_gets_its_slots_and_no_slot_twice() {
        for outgoing in 0..20_000 {
            let slots = strict(1, outgoing, 5, 5);
            let mut numbers = slots.numbers().to_vec();
            numbers.sort_unstable();
            assert_eq!(numbers, [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn strict_slots_depend_on_the_whole_incoming_id() {
        let (low, high) = (strict(1, 9, 10, 193), strict(2, 9, 10, 193));
        assert_ne!(low, high);
        assert_eq!(low, strict(1, 9, 10, 193));
    }

    #[test]
    fn strict_slots_are_spread_evenly() {
        let mut hits = [0u32; 50];
        for outgoing in 0..10_000 {
            for number in strict(3, outgoing, 5, 50).numbers() {
                hits[usize::from(*number)] += 1;
            }
        }
        // 1,000 expected each; six standard deviations are 180.
        assert!(hits.iter().all(|hits| (820..1_180).contains(hits)), "{hits:?}");
    }

    #[test]
    fn the_salt_is_never_shown() {
        assert_eq!(format!("{:?}", NodeSalt::new(SALT)), "NodeSalt(..)");
    }
}
