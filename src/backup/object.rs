//! The object that is striped: the host's payload, and the HTLCs as they were at its generation.
//!
//! BO1 payload and snapshot come out as they went in, also where either is empty. BO2 what comes out borrows
//! from the object, and no length beyond it is believed.
//! Pure: no clock, no I/O, no randomness. Called by the component, the recovery and hosts in C.

use zeroize::Zeroizing;

use crate::error::{Error, Result, Status};

/// Bytes of the length that an object ends with.
pub const OBJECT_TAIL_BYTES: usize = 4;

/// Why bytes are no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum ObjectFault {
    /// The snapshot, or its length, is longer than the object.
    #[error("the snapshot is longer than the object")]
    Truncated = 32,
}

impl ObjectFault {
    /// Every fault, by number.
    pub const ALL: [ObjectFault; 1] = [ObjectFault::Truncated];

    /// The name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            ObjectFault::Truncated => "truncated",
        }
    }

    /// The number in the C ABI: faults of shares, rosters and objects share one range.
    pub fn number(self) -> u64 {
        self as u64
    }
}

impl From<ObjectFault> for Error {
    fn from(fault: ObjectFault) -> Error {
        let message = format!("no object of payload and snapshot: {fault}");
        Error::new(Status::BadShare, message).of_channel(None, Some(fault.number()))
    }
}

/// The object of a payload and a snapshot. A record of shares names at most 4 GiB.
pub fn join_object(payload: &[u8], snapshot: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let tail = (snapshot.len() as u32).to_be_bytes();
    let lengths = [payload.len(), snapshot.len(), OBJECT_TAIL_BYTES];
    let object_bytes = lengths.into_iter().try_fold(0_usize, usize::checked_add);
    if object_bytes.is_none_or(|bytes| u32::try_from(bytes).is_err()) {
        return Err(Error::new(Status::TooBig, "payload and snapshot exceed 4 GiB"));
    }
    Ok(Zeroizing::new([payload, snapshot, &tail].concat()))
}

/// Payload and snapshot of an object.
pub fn split_object(object: &[u8]) -> Result<(&[u8], &[u8]), ObjectFault> {
    let (body, tail) =
        object.split_last_chunk::<OBJECT_TAIL_BYTES>().ok_or(ObjectFault::Truncated)?;
    let snapshot_bytes = u32::from_be_bytes(*tail) as usize;
    let payload_bytes = body.len().checked_sub(snapshot_bytes).ok_or(ObjectFault::Truncated)?;
    body.split_at_checked(payload_bytes).ok_or(ObjectFault::Truncated)
}
