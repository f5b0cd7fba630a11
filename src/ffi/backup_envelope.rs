//! The envelope of a backup: pure calls without a handle, for recovery without a store and for tools.

use zeroize::Zeroize;

use super::args::{self, Output, invalid};
use super::backup::class_of;
use super::guard::guarded_done;
use super::monitors_read::owned_buf;
use super::peer_storage::node_of;
use super::status::lnkeep_status;
use super::types::*;
use crate::backup::envelope::{self, Header, Opened};
use crate::backup::keys::{BackupKeys, Secret};
use crate::error::Result;

/// # Safety
/// A pointer that is not NULL points to 32 readable bytes.
pub(super) unsafe fn secret_of(secret: *const u8) -> Result<Secret> {
    // SAFETY: promised by the caller; bytes need no alignment.
    let mut bytes = *unsafe { args::input(secret.cast::<[u8; 32]>(), "secret") }?;
    let made = Secret::new(bytes);
    bytes.zeroize();
    Ok(made)
}

/// An opened blob handed to C with the memory that its pointer leads to; the structure comes first.
#[repr(C)]
struct OwnedOpened {
    face: lnkeep_opened,
    source: Opened,
}

pub(super) fn owned_opened(source: Opened) -> *mut lnkeep_opened {
    let payload = source.payload();
    let header = &source.header;
    let face = lnkeep_opened {
        size: std::mem::size_of::<lnkeep_opened>(),
        payload: lnkeep_bytes { ptr: args::first(payload), len: payload.len() },
        seq: header.seq,
        created_unix_secs: header.created_unix_secs,
        block_height: header.block_height,
        kind: u32::from(header.kind),
        flags: u32::from(header.flags),
        reserved: source.reserved,
        instance: header.instance,
        set_id: header.set_id,
        payload_sha256: source.payload_sha256,
    };
    let owned = OwnedOpened { face, source };
    debug_assert_eq!(owned.source.payload().len(), owned.face.payload.len);
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees an opened blob; its payload is zeroized. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_opened_free(opened: *mut lnkeep_opened) {
    if !opened.is_null() {
        // SAFETY: made by `owned_opened` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(opened.cast::<OwnedOpened>()) });
    }
}

/// Opens a blob that a peer returned, without a store: what recovery begins with. Nothing is concluded from
/// it; with a store, lnkeep_backup_retrieval does both.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_ENVELOPE, err.value one of LNKEEP_ENVELOPE_*, the first that holds;
///   LNKEEP_INVALID_ARGUMENT.
/// In: secret, 32 bytes; node_id, of the peer that kept it, 33 bytes; blob, borrowed.
/// Out: opened. Kind, flags, set id and reserved are given as found.
/// Threads: any.
/// Ownership: free it with lnkeep_opened_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_envelope_open(
    secret: *const u8,
    node_id: *const u8,
    blob: lnkeep_bytes,
    opened: *mut *mut lnkeep_opened,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(opened, "opened")?;
            let keys = BackupKeys::new(&secret_of(secret)?).peer(node_of(node_id, "node_id")?);
            output.set(owned_opened(envelope::open(&keys, args::bytes(blob, "blob")?)?));
            Ok(())
        })
    }
}

/// Seals a payload for a peer, without a store: for tools and tests. Whoever calls it keeps the sequence
/// number, durably, before, and never uses one twice; lnkeep_backup_seal does that.
///
/// Returns: LNKEEP_DONE; LNKEEP_TOO_BIG when the payload does not fit; LNKEEP_INVALID_ARGUMENT,
///   LNKEEP_UNSUPPORTED.
/// In: secret, 32 bytes; node_id, of the peer that will keep it, 33 bytes; header, start with
///   LNKEEP_ENVELOPE_HEADER_INIT; payload, borrowed; size_class, 1024, 4096, 16384 or 65531; entropy, 16
///   random bytes: with equal ones, equal payloads give equal blobs, and nothing worse.
/// Out: blob, of exactly the size class.
/// Threads: any.
/// Ownership: free it with lnkeep_buf_free.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_envelope_seal(
    secret: *const u8,
    node_id: *const u8,
    header: *const lnkeep_envelope_header,
    payload: lnkeep_bytes,
    size_class: u32,
    entropy: *const u8,
    blob: *mut *mut lnkeep_buf,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(blob, "blob")?;
            let keys = BackupKeys::new(&secret_of(secret)?).peer(node_of(node_id, "node_id")?);
            let header = header_of(&args::sized_required(header, "header")?)?;
            let class = class_of(size_class, "size_class")?;
            let entropy = *args::input(entropy.cast::<[u8; 16]>(), "entropy")?;
            let payload = args::bytes(payload, "payload")?;
            output.set(owned_buf(envelope::seal(&keys, &header, payload, class, entropy)?));
            Ok(())
        })
    }
}

fn header_of(given: &lnkeep_envelope_header) -> Result<Header> {
    args::reserved(given.reserved, "header.reserved")?;
    let narrow = |name: &str, given: u32| invalid(format!("header.{name} is {given}"));
    Ok(Header {
        kind: u8::try_from(given.kind).map_err(|_| narrow("kind", given.kind))?,
        flags: u16::try_from(given.flags).map_err(|_| narrow("flags", given.flags))?,
        seq: given.seq,
        created_unix_secs: given.created_unix_secs,
        block_height: given.block_height,
        instance: given.instance,
        set_id: given.set_id,
    })
}
