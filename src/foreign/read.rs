//! Reads big-endian fields and TLV records from a text that was authenticated and may still be hostile.
//!
//! FB1 every step either takes bytes that are there or answers that the payload is bad. FB2 nothing is
//! allocated. FB3 TLV streams are those of BOLT 1: types strictly rising, numbers in their shortest form.

use super::ForeignFault;

/// A position in a text.
#[derive(Clone, Copy)]
pub(super) struct Fields<'text> {
    rest: &'text [u8],
}

impl<'text> Fields<'text> {
    pub(super) fn new(text: &'text [u8]) -> Fields<'text> {
        Fields { rest: text }
    }

    /// Bytes that were not read.
    pub(super) fn rest(&self) -> &'text [u8] {
        self.rest
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<&'text [u8], ForeignFault> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(ForeignFault::BadPayload)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Bytes whose number is stated by the text itself.
    pub(super) fn take_stated(&mut self, bytes: u64) -> Result<&'text [u8], ForeignFault> {
        self.take(usize::try_from(bytes).map_err(|_| ForeignFault::BadPayload)?)
    }

    /// Bytes that stay where they are: a secret is not copied.
    pub(super) fn borrowed<const N: usize>(&mut self) -> Result<&'text [u8; N], ForeignFault> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(ForeignFault::BadPayload)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ForeignFault> {
        self.borrowed().copied()
    }

    pub(super) fn u8(&mut self) -> Result<u8, ForeignFault> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, ForeignFault> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ForeignFault> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, ForeignFault> {
        self.array().map(u64::from_be_bytes)
    }

    /// BOLT 1's BigSize.
    pub(super) fn big_size(&mut self) -> Result<u64, ForeignFault> {
        let (number, shortest) = match self.u8()? {
            0xff => (self.u64()?, 0x1_0000_0000),
            0xfe => (u64::from(self.u32()?), 0x1_0000),
            0xfd => (u64::from(self.u16()?), 0xfd),
            byte => (u64::from(byte), 0),
        };
        if number < shortest { Err(ForeignFault::BadPayload) } else { Ok(number) }
    }

    /// Bitcoin's CompactSize: as BigSize, with the numbers little-endian.
    pub(super) fn compact_size(&mut self) -> Result<u64, ForeignFault> {
        let (number, shortest) = match self.u8()? {
            0xff => (u64::from_le_bytes(self.array()?), 0x1_0000_0000),
            0xfe => (u64::from(u32::from_le_bytes(self.array()?)), 0x1_0000),
            0xfd => (u64::from(u16::from_le_bytes(self.array()?)), 0xfd),
            byte => (u64::from(byte), 0),
        };
        if number < shortest { Err(ForeignFault::BadPayload) } else { Ok(number) }
    }

    /// Ends a record or a structure whose length was stated.
    pub(super) fn end(self) -> Result<(), ForeignFault> {
        if self.is_at_end() { Ok(()) } else { Err(ForeignFault::BadPayload) }
    }
}

/// Records of a TLV stream.
pub(super) struct Records<'text> {
    fields: Fields<'text>,
    last: Option<u64>,
}

impl<'text> Records<'text> {
    pub(super) fn new(stream: &'text [u8]) -> Records<'text> {
        Records { fields: Fields::new(stream), last: None }
    }

    /// Type and value of the next record, none after the last.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Fields<'text>)>, ForeignFault> {
        if self.fields.is_at_end() {
            return Ok(None);
        }
        let number = self.fields.big_size()?;
        if self.last.is_some_and(|last| number <= last) {
            return Err(ForeignFault::BadPayload);
        }
        self.last = Some(number);
        let bytes = self.fields.big_size()?;
        let value = self.fields.take_stated(bytes)?;
        Ok(Some((number, Fields::new(value))))
    }
}

/// What a type that is not known means (BOLT 1): an odd one is skipped, an even one has to be understood.
pub(super) fn unknown_record(number: u64) -> Result<(), ForeignFault> {
    if number.is_multiple_of(2) { Err(ForeignFault::BadPayload) } else { Ok(()) }
}
