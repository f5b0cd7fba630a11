//! What every decoder has to keep, whatever its format.

use crate::entry::measured;

/// How the bytes of a format end, and how exactly they come back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One value has one encoding; a byte more or less is refused.
    Exact,
    /// Some bits are not judged: as many bytes come back, and they read the same; a byte more or less is
    /// refused.
    Loose,
    /// As `Loose`, and an earlier version wrote less.
    Growing,
    /// Its last field reaches to the end.
    Open,
}

/// Bytes that may be allocated for each byte of an input, and beside them: an error has a message.
const BYTES_PER_BYTE: usize = 64;
const BYTES_BESIDE: usize = 16_384;

/// Calls a decoder, which takes memory for what is there and never for what is stated.
pub fn bounded<T>(input_bytes: usize, decode: impl FnOnce() -> T) -> T {
    let (result, taken) = measured(decode);
    let most = BYTES_PER_BYTE * input_bytes + BYTES_BESIDE;
    assert!(taken <= most, "{input_bytes} bytes took {taken} bytes of memory, more than {most}");
    result
}

/// Decodes, encodes, and tries a byte more and a byte less.
pub fn check<T>(
    form: Form,
    body: &[u8],
    decode: impl Fn(&[u8]) -> Option<T>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Option<T> {
    let value = bounded(body.len(), || decode(body))?;
    let again = encode(&value);
    if form == Form::Exact {
        assert_eq!(again, body, "two encodings of one value");
    }
    if form == Form::Loose {
        assert_eq!(again.len(), body.len(), "another length came back");
    }
    let back = decode(&again).expect("what was encoded is read");
    assert_eq!(encode(&back), again, "what was encoded reads as something else");
    if form != Form::Open {
        for more in [0, 1, 0xff] {
            assert!(
                decode(&[body, &[more]].concat()).is_none(),
                "a byte after its end was accepted"
            );
        }
        if let Some((_, less)) = body.split_last() {
            assert!(decode(less).is_none(), "a byte less was accepted");
        }
    }
    Some(value)
}

/// A byte that chooses, and the rest.
pub fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}
