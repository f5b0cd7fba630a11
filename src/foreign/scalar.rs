//! Addition of private keys modulo the order of secp256k1: all of the curve that a child key takes (BIP32).
//!
//! FN1 an input at or above the order is refused, and so is a sum of zero: BIP32 has no key there. FN2 which
//! way is taken does not depend on the digits of a sum. FN3 intermediate values are zeroized.

use zeroize::Zeroizing;

/// Order of the group, its least significant 64 bits first.
const ORDER: [u64; 4] =
    [0xbfd2_5e8c_d036_4141, 0xbaae_dce6_af48_a03b, 0xffff_ffff_ffff_fffe, 0xffff_ffff_ffff_ffff];

type Digits = Zeroizing<[u64; 4]>;

fn digits(bytes: &[u8; 32]) -> Digits {
    let mut digits = Zeroizing::new([0; 4]);
    for (digit, chunk) in digits.iter_mut().zip(bytes.rchunks_exact(8)) {
        *digit = chunk.iter().fold(0, |digit, byte| digit << 8 | u64::from(*byte));
    }
    digits
}

fn add(left: &[u64; 4], right: &[u64; 4]) -> (Digits, bool) {
    let (mut sum, mut carry) = (Zeroizing::new([0; 4]), false);
    for ((digit, left), right) in sum.iter_mut().zip(left).zip(right) {
        let (partial, first) = left.overflowing_add(*right);
        let (whole, second) = partial.overflowing_add(u64::from(carry));
        (*digit, carry) = (whole, first | second);
    }
    (sum, carry)
}

fn subtract_order(left: &[u64; 4]) -> (Digits, bool) {
    let (mut rest, mut borrow) = (Zeroizing::new([0; 4]), false);
    for ((digit, left), right) in rest.iter_mut().zip(left).zip(&ORDER) {
        let (partial, first) = left.overflowing_sub(*right);
        let (whole, second) = partial.overflowing_sub(u64::from(borrow));
        (*digit, borrow) = (whole, first | second);
    }
    (rest, borrow)
}

fn is_zero(digits: &[u64; 4]) -> bool {
    digits.iter().fold(0, |any, digit| any | digit) == 0
}

/// Whether a value is a private key: neither zero nor at or above the order.
pub(super) fn is_key(bytes: &[u8; 32]) -> bool {
    let value = digits(bytes);
    let (_, is_below) = subtract_order(&value);
    is_below & !is_zero(&value)
}

/// The key of a child: a tweak below the order, zero allowed, and the key of its parent.
pub(super) fn child_key(tweak: &[u8; 32], parent: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let (tweak, parent) = (digits(tweak), digits(parent));
    let (_, tweak_is_below) = subtract_order(&tweak);
    let (_, parent_is_below) = subtract_order(&parent);
    let (sum, has_carry) = add(&tweak, &parent);
    let (reduced, has_borrow) = subtract_order(&sum);
    // Both are below the order: with a carry the sum is above it, and one subtraction is enough.
    let keep_sum = u64::from(has_borrow & !has_carry).wrapping_neg();
    let mut key = Zeroizing::new([0; 32]);
    let mut any = 0;
    for ((chunk, sum), reduced) in key.rchunks_exact_mut(8).zip(sum.iter()).zip(reduced.iter()) {
        let digit = Zeroizing::new((sum & keep_sum) | (reduced & !keep_sum));
        any |= *digit;
        chunk.copy_from_slice(&digit.to_be_bytes());
    }
    (tweak_is_below & parent_is_below & (any != 0)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(digits: [u64; 4]) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, digit) in bytes.rchunks_exact_mut(8).zip(digits) {
            chunk.copy_from_slice(&digit.to_be_bytes());
        }
        bytes
    }

    const ONE: [u64; 4] = [1, 0, 0, 0];
    const LAST: [u64; 4] = [ORDER[0] - 1, ORDER[1], ORDER[2], ORDER[3]];

    fn sum(left: [u64; 4], right: [u64; 4]) -> Option<[u8; 32]> {
        child_key(&bytes(left), &bytes(right)).map(|key| *key)
    }

    #[test]
    fn a_key_is_above_zero_and_below_the_order() {
        let above = [ORDER[0] + 1, ORDER[1], ORDER[2], ORDER[3]];
        for (value, expected) in [
            ([0; 4], false),
            (ONE, true),
            (LAST, true),
            (ORDER, false),
            (above, false),
            ([u64::MAX; 4], false),
        ] {
            assert_eq!(is_key(&bytes(value)), expected, "{value:x?}");
        }
        // One less in any digit above the lowest is below, whatever the lower ones are.
        assert!(is_key(&bytes([u64::MAX, ORDER[1] - 1, ORDER[2], ORDER[3]])));
        assert!(is_key(&bytes([u64::MAX, u64::MAX, ORDER[2] - 1, ORDER[3]])));
        assert!(is_key(&bytes([u64::MAX, u64::MAX, u64::MAX, ORDER[3] - 1])));
    }

    #[test]
    fn sums_wrap_at_the_order_and_nowhere_else() {
        assert_eq!(sum(ONE, ONE), Some(bytes([2, 0, 0, 0])));
        assert_eq!(sum([0; 4], ONE), Some(bytes(ONE)));
        assert_eq!(sum(LAST, [0; 4]), Some(bytes(LAST)));
        assert_eq!(sum(LAST, [2, 0, 0, 0]), Some(bytes(ONE)));
        // 2 (n - 1) = n - 2, with a carry out of the highest digit.
        assert_eq!(sum(LAST, LAST), Some(bytes([ORDER[0] - 2, ORDER[1], ORDER[2], ORDER[3]])));
        assert_eq!(sum([ORDER[0] - 2, ORDER[1], ORDER[2], ORDER[3]], ONE), Some(bytes(LAST)));
        assert_eq!(sum([u64::MAX, 0, 0, 0], ONE), Some(bytes([0, 1, 0, 0])));
        assert_eq!(sum([u64::MAX, u64::MAX, u64::MAX, 0], ONE), Some(bytes([0, 0, 0, 1])));
        // A sum between the order and 2^256, without a carry.
        let (most, rest) = ([0, 0, 0, 1 << 63], [ORDER[0], ORDER[1], ORDER[2], ORDER[3] >> 1]);
        assert_eq!(sum(most, rest), None);
        assert_eq!(sum([1, 0, 0, 1 << 63], rest), Some(bytes(ONE)));
        assert_eq!(sum(most, [ORDER[0] - 1, ORDER[1], ORDER[2], ORDER[3] >> 1]), Some(bytes(LAST)));
    }

    #[test]
    fn no_key_comes_of_a_sum_of_zero_or_of_what_is_no_key() {
        assert_eq!(sum(LAST, ONE), None);
        assert_eq!(sum([0; 4], [0; 4]), None);
        assert_eq!(sum(ORDER, ONE), None);
        assert_eq!(sum(ONE, ORDER), None);
        assert_eq!(sum([u64::MAX; 4], ONE), None);
    }
}
