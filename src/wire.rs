//! BOLT 1's peer storage on the wire: messages 7 and 9, and the feature bits. Both ends share only this.
//!
//! W1 decoding never panics and keeps nothing: a blob and an extension are views of the message.
//! W2 lenient decoding ignores what follows the blob; strict decoding fails if that is no valid TLV stream.
//! W3 what decodes strictly decodes leniently to the same message.
//! W4 a message without an extension encodes to the bytes that it was decoded from.
//!
//! Pure: no store, no clock. Called by hosts, [`crate::ffi`], and nothing below.

use std::fmt;

use crate::error::{Error, Result, Status};
use crate::limits::{
    MESSAGE_BYTES_MAX, PEER_BLOB_BYTES_MAX, PROVIDE_STORAGE_OPTIONAL_BIT,
    PROVIDE_STORAGE_REQUIRED_BIT,
};
pub use crate::limits::{PEER_STORAGE, PEER_STORAGE_RETRIEVAL};

/// Which of the two messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum MessageKind {
    /// A node hands its blob to the peer that keeps it.
    PeerStorage = PEER_STORAGE,
    /// The peer hands the newest blob back, after each `init`.
    PeerStorageRetrieval = PEER_STORAGE_RETRIEVAL,
}

impl MessageKind {
    /// The type on the wire.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The message of this type, if it is one of the two.
    pub fn from_number(number: u16) -> Option<MessageKind> {
        match number {
            PEER_STORAGE => Some(MessageKind::PeerStorage),
            PEER_STORAGE_RETRIEVAL => Some(MessageKind::PeerStorageRetrieval),
            _ => None,
        }
    }

    /// BOLT 1's name of the message.
    pub fn name(self) -> &'static str {
        match self {
            MessageKind::PeerStorage => "peer_storage",
            MessageKind::PeerStorageRetrieval => "peer_storage_retrieval",
        }
    }
}

/// What is asked of the bytes after the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// Nothing: BOLT 1 lets a receiver ignore them.
    #[default]
    Lenient,
    /// A TLV stream, in which any even type is unknown, since no records are defined.
    Strict,
}

/// A decoded message; its parts are views of the bytes given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Which of the two.
    pub kind: MessageKind,
    /// The blob, at most 65,531 bytes; an empty one is a blob like any other.
    pub blob: &'a [u8],
    /// The bytes after the blob.
    pub extension: &'a [u8],
}

/// Lengths only: a blob is its owner's, and no log is the place for it.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, blob, extension) = (self.kind.name(), self.blob.len(), self.extension.len());
        write!(f, "Message({name}, blob of {blob} bytes, extension of {extension} bytes)")
    }
}

/// Why bytes are no message; the first that holds, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More than BOLT 1 allows.
    #[error("a message has at most 65535 bytes (BOLT 1)")]
    MessageTooLong,
    /// Fewer than two bytes.
    #[error("the message ends within its type")]
    TruncatedType,
    /// Neither of the two messages.
    #[error("type {number} is neither peer_storage (7) nor peer_storage_retrieval (9)")]
    UnknownType {
        /// The type read.
        number: u16,
    },
    /// Fewer than two bytes after the type.
    #[error("the message ends within the blob's length")]
    TruncatedLength,
    /// The blob is longer than what follows its length.
    #[error("the blob has {available} bytes of {declared}")]
    TruncatedBlob {
        /// The blob's length as the message says it.
        declared: usize,
        /// Bytes that follow.
        available: usize,
    },
    /// Strict only.
    #[error("the extension is no valid TLV stream: {0}")]
    BadExtension(TlvFault),
}

impl Malformed {
    /// Which of the faults: 1 to 5 in the order of this enumeration, 6 to 9 in the order of [`TlvFault`].
    pub fn number(self) -> u64 {
        match self {
            Malformed::MessageTooLong => 1,
            Malformed::TruncatedType => 2,
            Malformed::UnknownType { .. } => 3,
            Malformed::TruncatedLength => 4,
            Malformed::TruncatedBlob { .. } => 5,
            Malformed::BadExtension(TlvFault::Truncated) => 6,
            Malformed::BadExtension(TlvFault::NonMinimal) => 7,
            Malformed::BadExtension(TlvFault::Order) => 8,
            Malformed::BadExtension(TlvFault::UnknownEven) => 9,
        }
    }
}

/// The error's value is [`Malformed::number`].
impl From<Malformed> for Error {
    fn from(fault: Malformed) -> Error {
        Error::new(Status::BadMessage, fault.to_string()).of_channel(None, Some(fault.number()))
    }
}

/// What is wrong with a TLV stream (BOLT 1); the first that is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlvFault {
    /// A type, a length or a value runs past the end.
    #[error("a record runs past the end")]
    Truncated,
    /// A number is not written in its shortest form.
    #[error("a number is not in its shortest form")]
    NonMinimal,
    /// A type is not greater than the one before it.
    #[error("a type is not greater than the one before it")]
    Order,
    /// A record that must be understood, and is not.
    #[error("a record of even type is unknown")]
    UnknownEven,
}

/// A record of an extension, without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlvRecord {
    /// Its type.
    pub number: u64,
    /// Bytes of its value.
    pub length: u64,
}

/// Reads one message, type included.
pub fn decode(message: &[u8], strictness: Strictness) -> Result<Message<'_>, Malformed> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(Malformed::MessageTooLong);
    }
    let (number, rest) = split_u16(message).ok_or(Malformed::TruncatedType)?;
    let kind = MessageKind::from_number(number).ok_or(Malformed::UnknownType { number })?;
    let (declared, rest) = split_u16(rest).ok_or(Malformed::TruncatedLength)?;
    let declared = usize::from(declared);
    let truncated = Malformed::TruncatedBlob { declared, available: rest.len() };
    let (blob, extension) = rest.split_at_checked(declared).ok_or(truncated)?;
    if strictness == Strictness::Strict {
        let fault = Records::of(extension).find_map(Result::err);
        fault.map_or(Ok(()), |fault| Err(Malformed::BadExtension(fault)))?;
    }
    Ok(Message { kind, blob, extension })
}

/// Reads an extension as strict decoding does; at most one record for two of its bytes.
pub fn extension_records(extension: &[u8]) -> Result<Vec<TlvRecord>, TlvFault> {
    Records::of(extension).collect()
}

/// The message that carries this blob, type included, without an extension.
pub fn encode(kind: MessageKind, blob: &[u8]) -> Result<Vec<u8>> {
    let bytes = blob.len();
    let length = match u16::try_from(bytes) {
        Ok(length) if bytes <= PEER_BLOB_BYTES_MAX => length,
        _ => {
            let name = kind.name();
            let why = format!(
                "a {name} carries at most {PEER_BLOB_BYTES_MAX} bytes (BOLT 1), not {bytes}"
            );
            return Err(Error::new(Status::TooBig, why));
        }
    };
    let parts = [&kind.number().to_be_bytes(), &length.to_be_bytes(), blob];
    Ok(parts.concat())
}

/// What a feature vector says about storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StorageFeature {
    /// The node keeps blobs of its peers: either of the two bits is set.
    pub is_offered: bool,
    /// The even bit is set.
    pub is_required: bool,
}

/// Reads `option_provide_storage` from a feature vector as it is sent: big-endian, of any length.
pub fn storage_feature(features: &[u8]) -> StorageFeature {
    let is_required = has_bit(features, PROVIDE_STORAGE_REQUIRED_BIT);
    let is_offered = is_required || has_bit(features, PROVIDE_STORAGE_OPTIONAL_BIT);
    StorageFeature { is_offered, is_required }
}

/// Bit 0 is the lowest bit of the last byte.
fn has_bit(features: &[u8], bit: usize) -> bool {
    features.iter().nth_back(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
}

fn split_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*head), rest))
}

/// The records of a TLV stream; a fault is the last item.
struct Records<'a> {
    /// None once a fault was met.
    rest: Option<&'a [u8]>,
    previous: Option<u64>,
}

impl<'a> Records<'a> {
    fn of(stream: &'a [u8]) -> Records<'a> {
        Records { rest: Some(stream), previous: None }
    }

    fn read(&mut self, stream: &'a [u8]) -> Result<TlvRecord, TlvFault> {
        let (number, rest) = split_big_size(stream)?;
        // Before the length is read: the vectors report the order first.
        if self.previous.is_some_and(|previous| number <= previous) {
            return Err(TlvFault::Order);
        }
        let (length, rest) = split_big_size(rest)?;
        let value_bytes = usize::try_from(length).map_err(|_| TlvFault::Truncated)?;
        let (_, rest) = rest.split_at_checked(value_bytes).ok_or(TlvFault::Truncated)?;
        if number.is_multiple_of(2) {
            return Err(TlvFault::UnknownEven);
        }
        self.previous = Some(number);
        self.rest = Some(rest);
        Ok(TlvRecord { number, length })
    }
}

impl Iterator for Records<'_> {
    type Item = Result<TlvRecord, TlvFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let stream = self.rest.take().filter(|rest| !rest.is_empty())?;
        Some(self.read(stream))
    }
}

/// BigSize (BOLT 1): one byte below 0xfd, else a mark and two, four or eight bytes, in the shortest form.
fn split_big_size(bytes: &[u8]) -> Result<(u64, &[u8]), TlvFault> {
    let (&mark, rest) = bytes.split_first().ok_or(TlvFault::Truncated)?;
    let (wide_bytes, smallest) = match mark {
        0xfd => (2, 0xfd),
        0xfe => (4, 0x1_0000),
        0xff => (8, 0x1_0000_0000),
        narrow => return Ok((u64::from(narrow), rest)),
    };
    let (wide, rest) = rest.split_at_checked(wide_bytes).ok_or(TlvFault::Truncated)?;
    let value = wide.iter().fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
    if value < smallest { Err(TlvFault::NonMinimal) } else { Ok((value, rest)) }
}

#[cfg(test)]
mod tests {
    use super::Strictness::{Lenient, Strict};
    use super::*;
    use crate::error::Class;
    use proptest::prelude::*;

    const KINDS: [MessageKind; 2] = [MessageKind::PeerStorage, MessageKind::PeerStorageRetrieval];

    fn both(message: &[u8]) -> [Result<Message<'_>, Malformed>; 2] {
        [decode(message, Lenient), decode(message, Strict)]
    }

    #[track_caller]
    fn extension_fault(extension: &[u8], fault: TlvFault) {
        assert_eq!(extension_records(extension), Err(fault));
        let mut message = encode(MessageKind::PeerStorage, b"blob").unwrap();
        message.extend_from_slice(extension);
        let lenient = decode(&message, Lenient).unwrap();
        assert_eq!((lenient.blob, lenient.extension), (&b"blob"[..], extension));
        assert_eq!(decode(&message, Strict), Err(Malformed::BadExtension(fault)));
    }

    #[test]
    fn the_first_fault_in_the_order_of_the_enumeration_is_reported() {
        let far_too_long = [0xff; MESSAGE_BYTES_MAX + 1];
        let rows: [(&[u8], Malformed); 9] = [
            (&far_too_long, Malformed::MessageTooLong),
            (&[], Malformed::TruncatedType),
            (&[9], Malformed::TruncatedType),
            (&[0, 8], Malformed::UnknownType { number: 8 }),
            (&[7, 0, 0, 0], Malformed::UnknownType { number: 0x700 }),
            (&[0, 7], Malformed::TruncatedLength),
            (&[0, 9, 0], Malformed::TruncatedLength),
            (&[0, 9, 0, 1], Malformed::TruncatedBlob { declared: 1, available: 0 }),
            (&[0, 7, 1, 2, 3], Malformed::TruncatedBlob { declared: 0x102, available: 1 }),
        ];
        for (message, fault) in rows {
            assert_eq!(both(message), [Err(fault); 2]);
        }
    }

    #[test]
    fn a_message_cut_anywhere_is_truncated_and_nothing_else() {
        for kind in KINDS {
            let message = encode(kind, &[0x5a; 300]).unwrap();
            for end in 0..message.len() {
                let fault = match end {
                    0..2 => Malformed::TruncatedType,
                    2..4 => Malformed::TruncatedLength,
                    _ => Malformed::TruncatedBlob { declared: 300, available: end - 4 },
                };
                assert_eq!(both(&message[..end]), [Err(fault); 2]);
            }
        }
    }

    #[test]
    fn blobs_of_every_length_come_back_and_the_longest_fills_the_message() {
        let bytes: Vec<u8> = (0..PEER_BLOB_BYTES_MAX).map(|place| (place % 251) as u8).collect();
        for length in [0, 1, 255, 256, 257, 65_530, PEER_BLOB_BYTES_MAX] {
            for kind in KINDS {
                let message = encode(kind, &bytes[..length]).unwrap();
                assert_eq!(message.len(), length + 4);
                let expected = Message { kind, blob: &bytes[..length], extension: &[] };
                assert_eq!(both(&message), [Ok(expected); 2]);
            }
        }
    }

    #[test]
    fn a_longer_blob_is_refused_also_where_its_length_would_fit() {
        for length in [PEER_BLOB_BYTES_MAX + 1, 65_534, 65_535, 65_536, 70_000] {
            let error = encode(MessageKind::PeerStorage, &vec![0; length]).unwrap_err();
            assert_eq!((error.status(), error.class()), (Status::TooBig, Class::Refused));
        }
    }

    #[test]
    fn numbers_of_an_extension_are_read_up_to_their_edges() {
        let narrow = |number| TlvRecord { number, length: 0 };
        let rows: [(&[u8], u64); 5] = [
            (&[1, 0], 1),
            (&[0xfb, 0], 0xfb),
            (&[0xfd, 0, 0xfd, 0], 0xfd),
            (&[0xfe, 0, 1, 0, 1, 0], 0x1_0001),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], u64::MAX),
        ];
        for (extension, number) in rows {
            assert_eq!(extension_records(extension), Ok(vec![narrow(number)]));
        }
        let all = rows.map(|(extension, _)| extension).concat();
        let numbers = rows.map(|(_, number)| narrow(number));
        assert_eq!(extension_records(&all), Ok(numbers.to_vec()));
        assert_eq!(extension_records(&[]), Ok(vec![]));
    }

    #[test]
    fn lengths_of_records_reach_exactly_to_the_end() {
        for (length, head) in [
            (0, vec![3, 0]),
            (252, vec![3, 252]),
            (253, vec![3, 0xfd, 0, 253]),
            (256, vec![3, 0xfd, 1, 0]),
        ] {
            let mut extension = head;
            extension.resize(extension.len() + length, 0xee);
            let record = TlvRecord { number: 3, length: length as u64 };
            assert_eq!(extension_records(&extension), Ok(vec![record]));
            extension.pop();
            extension_fault(&extension, TlvFault::Truncated);
        }
    }

    #[test]
    fn a_number_longer_than_needed_is_a_fault_and_a_cut_one_is_truncated() {
        let numbers: [&[u8]; 3] =
            [&[0xfd, 0, 0xfc], &[0xfe, 0, 0, 0xff, 0xff], &[0xff, 0, 0, 0, 0, 0xff, 0, 0, 0]];
        for number in numbers {
            extension_fault(number, TlvFault::NonMinimal);
            extension_fault(&[&[1], number].concat(), TlvFault::NonMinimal);
            for end in 1..number.len() {
                extension_fault(&number[..end], TlvFault::Truncated);
                extension_fault(&[&[1], &number[..end]].concat(), TlvFault::Truncated);
            }
        }
    }

    #[test]
    fn the_fault_met_first_wins() {
        let huge_length = [&[1, 0xff][..], &[0xff; 8]].concat();
        let rows: [(&[u8], TlvFault); 9] = [
            (&[1], TlvFault::Truncated),
            (&huge_length, TlvFault::Truncated),
            (&[3, 0, 3], TlvFault::Order),
            (&[3, 0, 2, 9], TlvFault::Order),
            (&[3, 0, 0xfd, 0, 1], TlvFault::NonMinimal),
            (&[2, 0xfd, 0, 1], TlvFault::NonMinimal),
            (&[0, 1], TlvFault::Truncated),
            (&[0, 0], TlvFault::UnknownEven),
            (&[2, 0, 1, 0], TlvFault::UnknownEven),
        ];
        for (extension, fault) in rows {
            extension_fault(extension, fault);
        }
    }

    #[test]
    fn a_flood_of_records_takes_no_more_than_the_extension_implies() {
        let mut extension = Vec::new();
        for number in (1_u8..0xfd).step_by(2) {
            extension.extend([number, 0]);
        }
        let records = extension_records(&extension).unwrap();
        assert_eq!(records.len() * 2, extension.len());
    }

    #[test]
    fn only_bits_42_and_43_speak_of_storage() {
        for bytes in 0..12 {
            assert_eq!(storage_feature(&vec![0; bytes]), StorageFeature::default());
            for bit in 0..bytes * 8 {
                let mut features = vec![0; bytes];
                features[bytes - 1 - bit / 8] = 1 << (bit % 8);
                let expected =
                    StorageFeature { is_offered: bit == 42 || bit == 43, is_required: bit == 42 };
                assert_eq!(storage_feature(&features), expected, "bit {bit} of {bytes} bytes");
                let others = features.iter().map(|byte| !byte).collect::<Vec<_>>();
                let is_long = bytes > 5;
                let expected =
                    StorageFeature { is_offered: is_long, is_required: is_long && bit != 42 };
                assert_eq!(storage_feature(&others), expected, "all but {bit} of {bytes} bytes");
            }
        }
    }

    #[test]
    fn every_fault_has_its_number_and_no_error_or_debug_shows_a_blob() {
        let tlv =
            [TlvFault::Truncated, TlvFault::NonMinimal, TlvFault::Order, TlvFault::UnknownEven];
        let mut faults = vec![
            Malformed::MessageTooLong,
            Malformed::TruncatedType,
            Malformed::UnknownType { number: 8 },
            Malformed::TruncatedLength,
            Malformed::TruncatedBlob { declared: 2, available: 1 },
        ];
        faults.extend(tlv.map(Malformed::BadExtension));
        for (place, fault) in faults.into_iter().enumerate() {
            let error = Error::from(fault);
            assert_eq!(
                (error.status(), error.value()),
                (Status::BadMessage, Some(place as u64 + 1))
            );
        }
        let message =
            Message { kind: MessageKind::PeerStorage, blob: &[171; 3], extension: &[171; 2] };
        let shown = "Message(peer_storage, blob of 3 bytes, extension of 2 bytes)";
        assert_eq!(format!("{message:?}"), shown);
    }

    /// Bytes that get beyond the type more often than chance would have it.
    fn message_like() -> impl Strategy<Value = Vec<u8>> {
        let typed = (0_u8..12, 0_u16..40, proptest::collection::vec(any::<u8>(), 0..80));
        typed.prop_map(|(number, length, rest)| {
            [&[0, number], &length.to_be_bytes(), &rest[..]].concat()
        })
    }

    proptest! {
        #[test]
        fn strict_agrees_with_lenient_and_messages_without_extension_come_back(message in message_like()) {
            let [lenient, strict] = both(&message);
            match (lenient, strict) {
                (Ok(lenient), Ok(strict)) => {
                    prop_assert_eq!(lenient, strict);
                    prop_assert!(extension_records(strict.extension).is_ok());
                }
                (Ok(lenient), Err(fault)) => {
                    let told = extension_records(lenient.extension).map_err(Malformed::BadExtension);
                    prop_assert_eq!(told, Err(fault));
                }
                (Err(lenient), strict) => prop_assert_eq!(strict, Err(lenient)),
            }
            if let Ok(lenient) = lenient {
                let again = encode(lenient.kind, lenient.blob).unwrap();
                prop_assert_eq!([&again, lenient.extension].concat(), message);
            }
        }
    }
}
