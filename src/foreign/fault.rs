//! Why a blob is no backup of the software whose key was given.
//!
//! FF1 numbers are the C ABI's and append-only. FF2 faults are looked for in the order of their numbers.

use crate::error::{Error, Status};

/// Why a blob of other software does not open, in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ForeignFault {
    /// Shorter than the shortest blob of this software.
    #[error("shorter than any blob of this software")]
    TooShort,
    /// Changed, made with another key, or by other software.
    #[error("not made with this key, or changed since")]
    AuthFailed,
    /// Authentic, and its text is not what this software writes.
    #[error("authentic, but its text is not what this software writes")]
    BadPayload,
    /// Authentic, in a version of Core Lightning's format that cannot be read.
    #[error("authentic, but of a version that cannot be read")]
    BadVersion,
    /// Authentic, in a version of lightning-kmp's format that is not known.
    #[error("authentic, but of the unknown version {0}")]
    UnknownVersion(u8),
}

impl ForeignFault {
    /// The name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            ForeignFault::TooShort => "too_short",
            ForeignFault::AuthFailed => "auth_failed",
            ForeignFault::BadPayload => "bad_payload",
            ForeignFault::BadVersion => "bad_version",
            ForeignFault::UnknownVersion(_) => "unknown_version",
        }
    }

    /// The number in the C ABI.
    pub fn number(self) -> u64 {
        match self {
            ForeignFault::TooShort => 1,
            ForeignFault::AuthFailed => 2,
            ForeignFault::BadPayload => 3,
            ForeignFault::BadVersion => 4,
            ForeignFault::UnknownVersion(_) => 5,
        }
    }
}

impl From<ForeignFault> for Error {
    fn from(fault: ForeignFault) -> Error {
        let message = format!("the foreign backup does not open: {fault}");
        Error::new(Status::BadForeign, message).of_channel(None, Some(fault.number()))
    }
}
