//! The messages of peer storage: pure calls without a handle.

use super::args::{self, Output, SizedOutput, invalid};
use super::guard::guarded_done;
use super::monitors_read::owned_buf;
use super::status::lnkeep_status;
use super::types::*;
use crate::wire::{self, MessageKind, Strictness};

/// Encodes a message of peer storage, type included.
///
/// Returns: LNKEEP_DONE; LNKEEP_TOO_BIG above 65,531 bytes; LNKEEP_INVALID_ARGUMENT.
/// In: kind, LNKEEP_WIRE_PEER_STORAGE or LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL; blob, borrowed for the call.
/// Out: message.
/// Threads: any.
/// Ownership: free it with lnkeep_buf_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_wire_encode(
    kind: u32,
    blob: lnkeep_bytes,
    message: *mut *mut lnkeep_buf,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(message, "message")?;
            let known = u16::try_from(kind).ok().and_then(MessageKind::from_number);
            let known = known.ok_or_else(|| invalid(format!("message type {kind} is unknown")))?;
            output.set(owned_buf(wire::encode(known, args::bytes(blob, "blob")?)?));
            Ok(())
        })
    }
}

/// Decodes a message of peer storage, type included. Copies nothing.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_MESSAGE, err.value one of LNKEEP_WIRE_MESSAGE_TOO_LONG and the ones
///   after it, the first that holds; LNKEEP_INVALID_ARGUMENT. A bad message is no reason to disconnect.
/// In: message, borrowed; flags, LNKEEP_WIRE_STRICT or 0.
/// Out: decoded, whose size the caller set; start with LNKEEP_WIRE_MESSAGE_INIT. It is valid as long as the
///   bytes of the message are.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_wire_decode(
    message: lnkeep_bytes,
    flags: u32,
    decoded: *mut lnkeep_wire_message,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = SizedOutput::new(decoded, "decoded")?;
            args::flags(flags, LNKEEP_WIRE_STRICT, "flags")?;
            let strictness = match flags & LNKEEP_WIRE_STRICT {
                0 => Strictness::Lenient,
                _ => Strictness::Strict,
            };
            let found = wire::decode(args::bytes(message, "message")?, strictness)?;
            let view = |bytes: &[u8]| lnkeep_bytes { ptr: args::first(bytes), len: bytes.len() };
            output.set(lnkeep_wire_message {
                size: 0,
                kind: u32::from(found.kind.number()),
                reserved: 0,
                blob: view(found.blob),
                extension: view(found.extension),
            });
            Ok(())
        })
    }
}

/// Reads option_provide_storage from the feature vector of an init or node_announcement (BOLT 9).
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT.
/// In: features, as they are sent: big-endian, of any length; borrowed.
/// Out: found, bits of LNKEEP_STORAGE_OFFERED and LNKEEP_STORAGE_REQUIRED.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_wire_storage_feature(
    features: lnkeep_bytes,
    found: *mut u32,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(found, "found")?;
            let feature = wire::storage_feature(args::bytes(features, "features")?);
            let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
            output.set(
                flag(feature.is_offered, LNKEEP_STORAGE_OFFERED)
                    | flag(feature.is_required, LNKEEP_STORAGE_REQUIRED),
            );
            Ok(())
        })
    }
}
