//! The erasure code, records of shares and rosters: pure calls without a handle, for recovery without a store
//! and for tools.

use zeroize::Zeroizing;

use super::args::{self, Output, invalid};
use super::guard::guarded_done;
use super::monitors_read::owned_secret_buf;
use super::status::lnkeep_status;
use super::types::*;
use crate::backup::roster::{self, Roster, RosterPeer};
use crate::backup::share::{self, Share};
use crate::backup::stripe::{Code, OBJECT_BYTES_MAX};
use crate::error::{Error, Result, Status};

fn code_of(data_shares: u32, shares: u32) -> Result<Code> {
    Ok(Code::new(data_shares as usize, shares as usize)?)
}

/// An object of a length that shares in blobs can have: every share of a longer one might exceed the memory.
fn object_len(object_bytes: usize) -> Result<usize> {
    if object_bytes > OBJECT_BYTES_MAX {
        let why = format!("an object of {object_bytes} bytes: shares hold {OBJECT_BYTES_MAX}");
        return Err(Error::new(Status::TooBig, why));
    }
    Ok(object_bytes)
}

fn view(bytes: &[u8]) -> lnkeep_bytes {
    lnkeep_bytes { ptr: args::first(bytes), len: bytes.len() }
}

/// Shares handed to C with the memory that their pointers lead to; the structure comes first.
#[repr(C)]
struct OwnedShares {
    face: lnkeep_shares,
    shares: Vec<lnkeep_stripe_share>,
    bytes: Vec<Zeroizing<Vec<u8>>>,
}

fn owned_shares(bytes: Vec<Zeroizing<Vec<u8>>>) -> *mut lnkeep_shares {
    let shares: Vec<_> = (0..)
        .zip(&bytes)
        .map(|(index, bytes)| lnkeep_stripe_share { bytes: view(bytes), index, reserved: 0 })
        .collect();
    let face = lnkeep_shares {
        size: std::mem::size_of::<lnkeep_shares>(),
        share_stride: std::mem::size_of::<lnkeep_stripe_share>(),
        shares: args::first(&shares),
        shares_len: shares.len(),
    };
    let owned = OwnedShares { face, shares, bytes };
    debug_assert_eq!(owned.shares.len(), owned.bytes.len());
    Box::into_raw(Box::new(owned)).cast()
}

/// Frees shares; they are zeroized, for the first of them are the object. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_shares_free(shares: *mut lnkeep_shares) {
    if !shares.is_null() {
        // SAFETY: made by `owned_shares` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(shares.cast::<OwnedShares>()) });
    }
}

/// Makes every share of an object, without a store: for tools and tests. Any data_shares of them restore it.
/// The code is that of docs/backup-format.md; nothing in a share is encrypted.
///
/// Returns: LNKEEP_DONE; LNKEEP_TOO_BIG for an object of more than 2,096,992 bytes;
///   LNKEEP_INVALID_ARGUMENT, also unless 1 <= data_shares <= shares <= 32.
/// In: object, borrowed.
/// Out: made, as many as `shares`, each of object.len / data_shares bytes, rounded up, one at least.
/// Threads: any.
/// Ownership: free it with lnkeep_shares_free; everything it points to lives as long as it does.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_stripe_encode(
    data_shares: u32,
    shares: u32,
    object: lnkeep_bytes,
    made: *mut *mut lnkeep_shares,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(made, "made")?;
            let code = code_of(data_shares, shares)?;
            let object = args::bytes(object, "object")?;
            object_len(object.len())?;
            output.set(owned_shares(code.encode(object)));
            Ok(())
        })
    }
}

/// Restores an object from some of its shares, without a store. Whether it is the object its hash tells,
/// which the record of each share has: the code cannot tell false shares from true ones.
///
/// Returns: LNKEEP_DONE; LNKEEP_NOT_ENOUGH_SHARES, err.value how many different ones there are;
///   LNKEEP_TOO_BIG for an object of more than 2,096,992 bytes; LNKEEP_INVALID_ARGUMENT, also unless
///   1 <= data_shares <= shares <= 32, for an index that is not below `shares`, and for a share that is not
///   as long as data_shares and object_bytes say.
/// In: have, have_len shares in any order, borrowed; the first of an index counts.
/// Out: object, of object_bytes.
/// Threads: any.
/// Ownership: free it with lnkeep_buf_free, which zeroizes it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_stripe_decode(
    data_shares: u32,
    shares: u32,
    object_bytes: usize,
    have: *const lnkeep_stripe_share,
    have_len: usize,
    object: *mut *mut lnkeep_buf,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(object, "object")?;
            let code = code_of(data_shares, shares)?;
            let object_bytes = object_len(object_bytes)?;
            let have = args::inputs(have, have_len, "have")?;
            let have: Vec<_> = have.iter().map(|one| share_of(one)).collect::<Result<_>>()?;
            output.set(owned_secret_buf(code.decode(object_bytes, &have)?));
            Ok(())
        })
    }
}

/// # Safety
/// The share's view is readable for the whole call.
unsafe fn share_of<'call>(share: &lnkeep_stripe_share) -> Result<(usize, &'call [u8])> {
    if share.reserved != 0 {
        return Err(invalid("have.reserved is not zero"));
    }
    // SAFETY: promised by the caller.
    Ok((share.index as usize, unsafe { args::bytes(share.bytes, "have.bytes") }?))
}

/// Records handed to C with the memory that their pointers lead to; the structure comes first.
#[repr(C)]
struct OwnedRecords {
    face: lnkeep_share_records,
    records: Vec<lnkeep_share_record>,
    payload: Zeroizing<Vec<u8>>,
}

fn owned_records(payload: &[u8]) -> Result<*mut lnkeep_share_records> {
    let payload = Zeroizing::new(payload.to_vec());
    let records: Vec<_> = share::decode(&payload)?.iter().map(c_record).collect();
    let face = lnkeep_share_records {
        size: std::mem::size_of::<lnkeep_share_records>(),
        record_stride: std::mem::size_of::<lnkeep_share_record>(),
        records: args::first(&records),
        records_len: records.len(),
    };
    let owned = OwnedRecords { face, records, payload };
    debug_assert_eq!(owned.records.len(), owned.face.records_len);
    debug_assert!(!owned.payload.is_empty());
    Ok(Box::into_raw(Box::new(owned)).cast())
}

fn c_record(share: &Share<'_>) -> lnkeep_share_record {
    let header = &share.header;
    lnkeep_share_record {
        generation: header.generation,
        share: view(share.bytes),
        object_bytes: header.object_bytes,
        data_shares: header.code.data_shares() as u32,
        shares: header.code.shares() as u32,
        index: u32::from(header.index),
        object_sha256: header.object_sha256,
    }
}

/// Frees what lnkeep_share_records_decode gave; the shares are zeroized. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_share_records_free(records: *mut lnkeep_share_records) {
    if !records.is_null() {
        // SAFETY: made by `owned_records` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(records.cast::<OwnedRecords>()) });
    }
}

/// Reads the records of shares in the content of an envelope of kind 1 (lnkeep_envelope_open, then
/// lnkeep_roster_decode). The envelope says whose they are: its set id.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_SHARE, err.value one of LNKEEP_SHARE_*, the first that is met;
///   LNKEEP_INVALID_ARGUMENT.
/// In: content, borrowed.
/// Out: records, in their order.
/// Threads: any.
/// Ownership: free it with lnkeep_share_records_free; everything it points to lives as long as it does.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_share_records_decode(
    content: lnkeep_bytes,
    records: *mut *mut lnkeep_share_records,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(records, "records")?;
            output.set(owned_records(args::bytes(content, "content")?)?);
            Ok(())
        })
    }
}

/// A roster handed to C with the memory that its pointers lead to; the structure comes first.
#[repr(C)]
struct OwnedRoster {
    face: lnkeep_roster,
    peers: Vec<lnkeep_roster_peer>,
    roster: Roster,
    content: Zeroizing<Vec<u8>>,
}

fn owned_roster(flags: u16, payload: &[u8]) -> Result<*mut lnkeep_roster> {
    let (content, roster) = roster::split(flags, payload)?;
    let (content, roster) = (Zeroizing::new(content.to_vec()), roster.unwrap_or_default());
    let peers: Vec<_> = roster.peers.iter().map(c_peer).collect();
    let face = lnkeep_roster {
        size: std::mem::size_of::<lnkeep_roster>(),
        content: view(&content),
        generation: roster.generation,
        peer_stride: std::mem::size_of::<lnkeep_roster_peer>(),
        peers: args::first(&peers),
        peers_len: peers.len(),
    };
    let owned = OwnedRoster { face, peers, roster, content };
    debug_assert_eq!(owned.peers.len(), owned.roster.peers.len());
    debug_assert_eq!(owned.face.content.len, owned.content.len());
    Ok(Box::into_raw(Box::new(owned)).cast())
}

fn c_peer(peer: &RosterPeer) -> lnkeep_roster_peer {
    lnkeep_roster_peer {
        node_id: peer.node.0,
        reserved_bytes: [0; 3],
        index: peer.index.map_or(LNKEEP_ROSTER_NO_SHARE, u32::from),
        address: view(&peer.address),
    }
}

/// Frees what lnkeep_roster_decode gave; the content is zeroized. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_roster_free(roster: *mut lnkeep_roster) {
    if !roster.is_null() {
        // SAFETY: made by `owned_roster` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(roster.cast::<OwnedRoster>()) });
    }
}

/// Parts a payload that lnkeep_envelope_open gave into its content and the roster: who else may be asked.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_SHARE, err.value one of LNKEEP_ROSTER_*, the first that is met;
///   LNKEEP_INVALID_ARGUMENT.
/// In: flags, as the envelope has them; payload, borrowed.
/// Out: roster; without peers where the envelope has none (LNKEEP_ENVELOPE_HAS_ROSTER).
/// Threads: any.
/// Ownership: free it with lnkeep_roster_free; everything it points to lives as long as it does.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_roster_decode(
    flags: u32,
    payload: lnkeep_bytes,
    roster: *mut *mut lnkeep_roster,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(roster, "roster")?;
            let flags =
                u16::try_from(flags).map_err(|_| invalid(format!("flags is {flags}: 16 bits")))?;
            output.set(owned_roster(flags, args::bytes(payload, "payload")?)?);
            Ok(())
        })
    }
}
