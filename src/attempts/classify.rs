//! How a stored result is to be read, and the two encodings around it: lnd's locally made failure and the
//! proposed client byte in an id. Pure.

use super::record::{AttemptResult, Ending};
use crate::error::{Error, Result, Status};
use crate::limits::{LOCAL_FAILURE_BYTES, RAW_ID_BITS};

/// What the host's decrypter makes of an encrypted reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decryptor {
    /// There is none: the blob goes to the client as it is.
    None,
    /// It decrypts.
    Ok,
    /// It does not.
    Fails,
}

/// How a result is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Classified {
    /// The preimage is known.
    Settled = 1,
    /// An encrypted blob for a client that decrypts itself.
    Encrypted = 2,
    /// A failure of a known hop.
    ForwardingFailure = 3,
    /// An encrypted failure nobody can read.
    Unreadable = 4,
    /// A failure of this node.
    LocalFailure = 5,
    /// A failure of this node whose bytes do not decode.
    LocalFailureUndecodable = 6,
    /// The HTLC timed out on chain.
    OnchainTimeout = 7,
}

/// Reads a result the way lnd's switch does. An empty reason learned on chain is a timeout, whatever the
/// decrypter would say (lnd #10456).
pub fn classify(result: &AttemptResult, decryptor: Decryptor) -> Classified {
    let Ending::Fail { failure_code } = result.ending else {
        return Classified::Settled;
    };
    let reason = result.message.expose();
    if result.unencrypted {
        let known = failure_code != 0 || local_failure_code(reason).is_some();
        return if known { Classified::LocalFailure } else { Classified::LocalFailureUndecodable };
    }
    if result.resolution && reason.is_empty() {
        return Classified::OnchainTimeout;
    }
    match decryptor {
        Decryptor::None => Classified::Encrypted,
        Decryptor::Ok => Classified::ForwardingFailure,
        Decryptor::Fails => Classified::Unreadable,
    }
}

/// The failure code in a locally made reason: `u16 length, failure message, u16 length, padding`, where
/// message and padding have at least 256 bytes together (BOLT 4).
pub fn local_failure_code(reason: &[u8]) -> Option<u16> {
    let (length, rest) = split_u16(reason)?;
    let (message, rest) = rest.split_at_checked(usize::from(length))?;
    let (padding, rest) = split_u16(rest)?;
    let long_enough = message.len() + rest.len() >= LOCAL_FAILURE_BYTES;
    if usize::from(padding) != rest.len() || !long_enough {
        return None;
    }
    split_u16(message).map(|(code, _)| code)
}

/// The reason lnd makes for a local failure without data: message and padding are 256 bytes together.
pub fn local_failure_reason(failure_code: u16) -> Vec<u8> {
    let padding = LOCAL_FAILURE_BYTES - 2;
    let mut reason = Vec::with_capacity(LOCAL_FAILURE_BYTES + 4);
    reason.extend_from_slice(&2u16.to_be_bytes());
    reason.extend_from_slice(&failure_code.to_be_bytes());
    reason.extend_from_slice(&(padding as u16).to_be_bytes());
    reason.resize(reason.len() + padding, 0);
    reason
}

fn split_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_at_checked(2)?;
    Some((u16::from_be_bytes([number[0], number[1]]), rest))
}

/// Puts a client's byte above a raw id, so that several clients share one flat id space.
///
/// # Errors
/// `IdOutOfRange` when the raw id needs more than 56 bits.
pub fn encode_client_id(client: u8, raw: u64) -> Result<u64> {
    if raw >> RAW_ID_BITS != 0 {
        return Err(Error::new(
            Status::IdOutOfRange,
            format!("raw id {raw} needs more than {RAW_ID_BITS} bits"),
        ));
    }
    Ok(u64::from(client) << RAW_ID_BITS | raw)
}

/// The client's byte and the raw id.
pub fn decode_client_id(id: u64) -> (u8, u64) {
    ((id >> RAW_ID_BITS) as u8, id & ((1 << RAW_ID_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::RawMessage;

    #[test]
    fn a_local_reason_as_lnd_makes_it_decodes() {
        let reason = local_failure_reason(0x2002);
        assert_eq!(reason.len(), 260);
        assert_eq!(local_failure_code(&reason), Some(0x2002));
        for length in 0..reason.len() {
            assert_eq!(local_failure_code(&reason[..length]), None);
        }
    }

    #[test]
    fn a_local_failure_whose_bytes_do_not_decode_is_named() {
        let mut result = AttemptResult::local_failure(0);
        result.message = RawMessage::new(vec![0xff; 5]);
        assert_eq!(classify(&result, Decryptor::Ok), Classified::LocalFailureUndecodable);
        result.ending = Ending::Fail { failure_code: 0x2002 };
        assert_eq!(classify(&result, Decryptor::Ok), Classified::LocalFailure);
        result = AttemptResult::local_failure(0);
        result.message = RawMessage::new(local_failure_reason(0x2002));
        assert_eq!(classify(&result, Decryptor::Ok), Classified::LocalFailure);
    }
}
