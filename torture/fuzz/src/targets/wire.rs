//! Messages 7 and 9, extensions and feature vectors: the same bytes are given to each of them.

use crate::error::Status;
use crate::input::Input;
use crate::limits::{MESSAGE_BYTES_MAX, PEER_BLOB_BYTES_MAX};
use crate::wire::{
    Malformed, MessageKind, Strictness, TlvFault, decode, encode, extension_records,
    storage_feature,
};

pub fn run(data: &[u8]) {
    message(data);
    extension(data);
    blob(data);
    features(data);
    if let Some((&STRETCH, rest)) = data.split_first() {
        let long = stretched(rest);
        message(&long);
        blob(&long);
    }
}

/// Begins an input that stands for one as long as messages can be: all of that length would be slow.
const STRETCH: u8 = 0xff;

/// Four bytes as they are, then as many equal ones as fit into a message, or a few less or more.
fn stretched(data: &[u8]) -> Vec<u8> {
    let mut input = Input::new(data);
    let mut long = input.array::<4>().to_vec();
    let missing = usize::from(input.below(12));
    long.resize(MESSAGE_BYTES_MAX + 3 - missing, input.byte());
    long
}

fn message(data: &[u8]) {
    let lenient = decode(data, Strictness::Lenient);
    let strict = decode(data, Strictness::Strict);
    let Ok(message) = lenient else {
        assert_eq!(lenient, strict, "strictness matters only for an extension");
        return assert_eq!(lenient.err(), reference_fault(data));
    };
    assert_eq!(reference_fault(data), None, "lenient decoding took too much");
    let again = encode(message.kind, message.blob).expect("a decoded blob fits into a message");
    assert_eq!(
        [&again[..], message.extension].concat(),
        data,
        "what was read is not what was given"
    );
    match extension_records(message.extension) {
        Ok(_) => assert_eq!(strict, Ok(message)),
        Err(fault) => assert_eq!(strict, Err(Malformed::BadExtension(fault))),
    }
}

/// What lenient decoding has to complain about.
fn reference_fault(data: &[u8]) -> Option<Malformed> {
    let number = |at: usize| usize::from(data[at]) * 256 + usize::from(data[at + 1]);
    if data.len() > 65_535 {
        Some(Malformed::MessageTooLong)
    } else if data.len() < 2 {
        Some(Malformed::TruncatedType)
    } else if number(0) != 7 && number(0) != 9 {
        Some(Malformed::UnknownType { number: number(0) as u16 })
    } else if data.len() < 4 {
        Some(Malformed::TruncatedLength)
    } else if number(2) > data.len() - 4 {
        Some(Malformed::TruncatedBlob { declared: number(2), available: data.len() - 4 })
    } else {
        None
    }
}

/// The bytes as what follows a blob.
fn extension(data: &[u8]) {
    let expected = reference_records(data);
    let records = extension_records(data).map(|records| {
        assert!(records.len() <= data.len() / 2, "a record has two bytes at least");
        records.into_iter().map(|record| (record.number, record.length)).collect::<Vec<_>>()
    });
    assert_eq!(records, expected);
}

fn reference_records(data: &[u8]) -> Result<Vec<(u64, u64)>, TlvFault> {
    let mut records: Vec<(u64, u64)> = Vec::new();
    let mut at = 0;
    while at < data.len() {
        let number = reference_number(data, &mut at)?;
        if records.iter().any(|(known, _)| *known >= number) {
            return Err(TlvFault::Order);
        }
        let length = reference_number(data, &mut at)?;
        if u128::from(length) > (data.len() - at) as u128 {
            return Err(TlvFault::Truncated);
        }
        at += length as usize;
        if number % 2 == 0 {
            return Err(TlvFault::UnknownEven);
        }
        records.push((number, length));
    }
    Ok(records)
}

fn reference_number(data: &[u8], at: &mut usize) -> Result<u64, TlvFault> {
    let mut next = || {
        *at += 1;
        data.get(*at - 1).copied().ok_or(TlvFault::Truncated)
    };
    let first = next()?;
    let more = match first {
        0..=252 => return Ok(u64::from(first)),
        253 => 2,
        254 => 4,
        255 => 8,
    };
    let mut number = 0_u64;
    for _ in 0..more {
        number = number * 256 + u64::from(next()?);
    }
    let shortest = match number {
        0..=252 => 0,
        253..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    };
    if more == shortest { Ok(number) } else { Err(TlvFault::NonMinimal) }
}

/// The bytes as what a message carries.
fn blob(data: &[u8]) {
    for kind in [MessageKind::PeerStorage, MessageKind::PeerStorageRetrieval] {
        match encode(kind, data) {
            Ok(message) => {
                for strictness in [Strictness::Lenient, Strictness::Strict] {
                    let decoded = decode(&message, strictness).expect("our own message");
                    assert_eq!((decoded.kind, decoded.blob), (kind, data));
                    assert!(decoded.extension.is_empty());
                }
            }
            Err(error) => {
                assert!(data.len() > PEER_BLOB_BYTES_MAX);
                assert_eq!(error.status(), Status::TooBig);
            }
        }
    }
}

/// The bytes as a feature vector.
fn features(data: &[u8]) {
    let feature = storage_feature(data);
    let mut bits = data.iter().rev().flat_map(|byte| (0..8).map(move |bit| byte & (1 << bit) != 0));
    let (even, odd) = (bits.nth(42).unwrap_or(false), bits.next().unwrap_or(false));
    assert_eq!((feature.is_required, feature.is_offered), (even, even || odd));
}
