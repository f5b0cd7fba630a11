//! Planted errors: a fuzzer that does not find them sees neither coverage nor memory.

use std::hint::black_box;

/// Behind six comparisons of one byte each and one of four: chance alone would need 2^80 inputs.
pub fn panics(data: &[u8]) {
    if is_guarded(data) {
        panic!("the planted panic");
    }
}

/// The same way leads to a byte beyond an allocation.
pub fn reads_beyond(data: &[u8]) {
    if is_guarded(data) {
        let bytes = vec![1_u8; black_box(40)].into_boxed_slice();
        // SAFETY: none, on purpose: this is what AddressSanitizer has to see.
        let beyond = unsafe { black_box(bytes.as_ptr()).add(black_box(40)).read_volatile() };
        black_box(beyond);
    }
}

fn is_guarded(data: &[u8]) -> bool {
    let Some((word, rest)) = data.split_first_chunk::<6>() else { return false };
    let Some(magic) = rest.first_chunk::<4>() else { return false };
    is(word[0], b'l')
        && is(word[1], b'n')
        && is(word[2], b'k')
        && is(word[3], b'e')
        && is(word[4], b'e')
        && is(word[5], b'p')
        && u32::from_be_bytes(*magic) == 0x8a5d_03f1
}

/// Called, so that each comparison keeps a branch of its own: the optimizer joins them otherwise.
#[inline(never)]
fn is(byte: u8, expected: u8) -> bool {
    black_box(byte) == expected
}
