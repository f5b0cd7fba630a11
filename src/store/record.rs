//! The envelope around every row: version, flags, checksum, body.
//!
//! R1 the checksum covers table, key, version, flags and body, so a row moved to another key is damaged.
//! R2 it is checked on every read. R3 a body never reaches a decoder unless its checksum holds;
//! what is read for people alone says so.

use super::tables::Table;
use crate::memory::with_room;

/// Version of the envelope itself.
pub(crate) const ENVELOPE_VERSION: u8 = 1;
/// Bytes before the body: version, flags, crc32c little-endian.
pub(crate) const ENVELOPE_BYTES: usize = 6;

/// Why a row cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    TooShort,
    UnknownVersion(u8),
    Checksum,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Damage::TooShort => f.write_str("row is shorter than its envelope"),
            Damage::UnknownVersion(version) => write!(f, "envelope version {version} is unknown"),
            Damage::Checksum => f.write_str("checksum does not match"),
        }
    }
}

/// Wraps a body for storage.
pub(crate) fn seal(table: Table, key: &[u8], body: &[u8]) -> Vec<u8> {
    sealed_in(Vec::with_capacity(ENVELOPE_BYTES + body.len()), table, key, body)
}

/// The same of a body that may be large.
///
/// # Errors
/// `Busy` without memory for it.
pub(crate) fn try_seal(table: Table, key: &[u8], body: &[u8]) -> crate::error::Result<Vec<u8>> {
    Ok(sealed_in(with_room(ENVELOPE_BYTES + body.len())?, table, key, body))
}

fn sealed_in(mut row: Vec<u8>, table: Table, key: &[u8], body: &[u8]) -> Vec<u8> {
    row.extend_from_slice(&[ENVELOPE_VERSION, 0]);
    row.extend_from_slice(&checksum(table, key, [ENVELOPE_VERSION, 0], body).to_le_bytes());
    row.extend_from_slice(body);
    debug_assert_eq!(open(table, key, &row), Ok(body));
    row
}

/// The body of a stored row.
pub(crate) fn open<'row>(table: Table, key: &[u8], row: &'row [u8]) -> Result<&'row [u8], Damage> {
    let (envelope, body) = row.split_at_checked(ENVELOPE_BYTES).ok_or(Damage::TooShort)?;
    let head = [envelope[0], envelope[1]];
    if checksum(table, key, head, body) != stored_checksum(row) {
        return Err(Damage::Checksum);
    }
    if envelope[0] != ENVELOPE_VERSION {
        return Err(Damage::UnknownVersion(envelope[0]));
    }
    Ok(body)
}

/// The body of a row whose checksum may be wrong: only for showing people what a damage left.
pub(crate) fn body(row: &[u8]) -> Option<&[u8]> {
    row.get(ENVELOPE_BYTES..)
}

/// The checksum as stored; of a row too short to hold one, a checksum of what is there.
pub(crate) fn stored_checksum(row: &[u8]) -> u32 {
    match row.get(2..ENVELOPE_BYTES) {
        Some(bytes) => u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
        None => crc32c::crc32c(row),
    }
}

fn checksum(table: Table, key: &[u8], head: [u8; 2], body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&[table as u8, head[0], head[1]]);
    crc32c::crc32c_append(crc32c::crc32c_append(crc, key), body)
}

/// One row's share in its table's digest. Bodies enter through their checksum and are not hashed again.
pub(crate) fn digest_share(table: Table, key: &[u8], row: &[u8]) -> u64 {
    share_of(table, key, stored_checksum(row))
}

fn share_of(table: Table, key: &[u8], checksum: u32) -> u64 {
    let mut state = mix(u64::from(checksum) << 8 | u64::from(table as u8));
    for chunk in key.chunks(8) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        state = mix(state ^ u64::from_le_bytes(bytes));
    }
    mix(state ^ key.len() as u64)
}

/// By how much a digest changes when the stored checksum of a row becomes the one of its key and body.
pub(crate) fn correction(table: Table, key: &[u8], row: &[u8]) -> Option<u64> {
    let (envelope, body) = row.split_at_checked(ENVELOPE_BYTES)?;
    let right = checksum(table, key, [envelope[0], envelope[1]], body);
    Some(share_of(table, key, right).wrapping_sub(digest_share(table, key, row)))
}

/// The finalizer of splitmix64: every input bit reaches every output bit.
fn mix(input: u64) -> u64 {
    let mut z = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_moved_to_another_key_or_table_is_damaged() {
        let row = seal(Table::Attempts, b"key", b"body");
        assert_eq!(open(Table::Attempts, b"key", &row), Ok(&b"body"[..]));
        assert_eq!(open(Table::Attempts, b"kez", &row), Err(Damage::Checksum));
        assert_eq!(open(Table::AttemptKeys, b"key", &row), Err(Damage::Checksum));
    }

    #[test]
    fn every_single_bit_flip_is_found() {
        let row = seal(Table::Attempts, b"key", b"some body of a record");
        for bit in 0..row.len() * 8 {
            let mut damaged = row.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open(Table::Attempts, b"key", &damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn short_rows_are_damaged_and_still_have_a_digest() {
        assert_eq!(open(Table::Meta, b"k", b"short"), Err(Damage::TooShort));
        assert_ne!(digest_share(Table::Meta, b"k", b"a"), digest_share(Table::Meta, b"k", b"b"));
    }

    #[test]
    fn keys_with_trailing_zeros_have_their_own_digest() {
        let row = seal(Table::Meta, b"k", b"");
        assert_ne!(digest_share(Table::Meta, b"k", &row), digest_share(Table::Meta, b"k\0", &row));
    }
}
