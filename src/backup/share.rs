//! Records of shares: what the payload of an envelope of kind 1 holds (FORMAT 5).
//!
//! BX1 what decodes encodes to the same bytes, and what encodes decodes. BX2 a share of a record is as long
//! as its code and object say: nothing that the code would refuse comes out of here. BX3 nothing is copied
//! and no memory taken but for the two records: a share lies where the payload does.
//! Pure: no clock, no I/O, no randomness. Called by the component, the recovery and hosts in C.

use std::fmt;

use zeroize::Zeroizing;

use super::stripe::Code;
use crate::error::{Error, Result, Status};

/// Kind of an envelope that holds records of shares.
pub const KIND_SHARES: u8 = 1;
/// Bytes of a record before its share.
pub const RECORD_HEADER_BYTES: usize = 52;
/// Most records in a payload: a generation on its way, and the newest that can be restored.
pub const RECORDS_MAX: usize = 2;

/// What a record says of its share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShareHeader {
    /// Of which generation of the object it is.
    pub generation: u64,
    /// How many shares there are, and how many restore.
    pub code: Code,
    /// Which of them this is.
    pub index: u8,
    /// Bytes of the object.
    pub object_bytes: u32,
    /// SHA-256 of the object: shares of one generation agree in it, and so must what they restore to.
    pub object_sha256: [u8; 32],
}

impl ShareHeader {
    /// Bytes that the share has.
    pub fn share_bytes(&self) -> usize {
        self.code.share_bytes(self.object_bytes as usize)
    }
}

/// A share and what is said of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Share<'bytes> {
    /// What the record says.
    pub header: ShareHeader,
    /// The share; the caller keeps it out of logs.
    pub bytes: &'bytes [u8],
}

impl fmt::Debug for Share<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({:?}, {} bytes)", self.header, self.bytes.len())
    }
}

/// Why bytes are no records of shares, in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum ShareFault {
    /// A record or its share runs past the end.
    #[error("a record runs past the end")]
    Truncated = 1,
    /// Neither one record nor two.
    #[error("neither one record nor two")]
    BadCount = 2,
    /// Not 1 <= k <= n <= 32, or an index that is not below n.
    #[error("no code has these numbers, or no share this index")]
    BadParams = 3,
    /// A byte that is zero in this version is not.
    #[error("the reserved byte is not zero")]
    BadReserved = 4,
    /// The share is not as long as k and the object's length imply.
    #[error("the share is not as long as code and object say")]
    BadShareLen = 5,
    /// Bytes after the last record.
    #[error("bytes after the last record")]
    TrailingBytes = 6,
}

impl ShareFault {
    /// Every fault, by number.
    pub const ALL: [ShareFault; 6] = [
        ShareFault::Truncated,
        ShareFault::BadCount,
        ShareFault::BadParams,
        ShareFault::BadReserved,
        ShareFault::BadShareLen,
        ShareFault::TrailingBytes,
    ];

    /// The name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            ShareFault::Truncated => "truncated",
            ShareFault::BadCount => "bad_count",
            ShareFault::BadParams => "bad_params",
            ShareFault::BadReserved => "bad_reserved",
            ShareFault::BadShareLen => "bad_share_len",
            ShareFault::TrailingBytes => "trailing_bytes",
        }
    }

    /// The number in the C ABI.
    pub fn number(self) -> u64 {
        self as u64
    }
}

impl From<ShareFault> for Error {
    fn from(fault: ShareFault) -> Error {
        let message = format!("no records of shares: {fault}");
        Error::new(Status::BadShare, message).of_channel(None, Some(fault.number()))
    }
}

/// The payload of one or two shares, in the order given.
pub fn encode(shares: &[Share<'_>]) -> Result<Zeroizing<Vec<u8>>> {
    let refused = |why: String| Err(Error::new(Status::InvalidArgument, why));
    let Some(count) = u8::try_from(shares.len()).ok().filter(|_| is_count(shares.len())) else {
        return refused(format!("{} records: one or two fit", shares.len()));
    };
    if let Some(share) = shares.iter().find(|share| !is_whole(share)) {
        let (have, header) = (share.bytes.len(), &share.header);
        return refused(format!("{have} bytes are no share of {header:?}"));
    }
    // At its full length from the start: a buffer that grew would leave shares behind in freed memory.
    let bytes = shares.iter().map(|share| RECORD_HEADER_BYTES + share.bytes.len()).sum::<usize>();
    let mut content = Zeroizing::new(Vec::with_capacity(1 + bytes));
    content.push(count);
    for share in shares {
        encode_one(share, &mut content);
    }
    debug_assert!(decode(&content).is_ok_and(|decoded| decoded == shares));
    Ok(content)
}

/// The shares of a payload.
pub fn decode(content: &[u8]) -> Result<Vec<Share<'_>>, ShareFault> {
    let (count, mut rest) = content.split_first().ok_or(ShareFault::Truncated)?;
    if !is_count(usize::from(*count)) {
        return Err(ShareFault::BadCount);
    }
    let mut shares = Vec::with_capacity(RECORDS_MAX);
    for _ in 0..*count {
        let (share, after) = decode_one(rest)?;
        shares.push(share);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(ShareFault::TrailingBytes);
    }
    Ok(shares)
}

fn is_count(records: usize) -> bool {
    (1..=RECORDS_MAX).contains(&records)
}

fn is_whole(share: &Share<'_>) -> bool {
    let header = &share.header;
    usize::from(header.index) < header.code.shares() && share.bytes.len() == header.share_bytes()
}

/// Writes a share whose numbers were checked: k, n and index fit into a byte, its length into four.
fn encode_one(share: &Share<'_>, content: &mut Vec<u8>) {
    let header = &share.header;
    let [data_shares, shares] = [header.code.data_shares(), header.code.shares()];
    content.extend_from_slice(&header.generation.to_be_bytes());
    content.extend_from_slice(&[data_shares as u8, shares as u8, header.index, 0]);
    content.extend_from_slice(&(share.bytes.len() as u32).to_be_bytes());
    content.extend_from_slice(&header.object_bytes.to_be_bytes());
    content.extend_from_slice(&header.object_sha256);
    content.extend_from_slice(share.bytes);
}

fn decode_one(bytes: &[u8]) -> Result<(Share<'_>, &[u8]), ShareFault> {
    let (head, rest) =
        bytes.split_first_chunk::<RECORD_HEADER_BYTES>().ok_or(ShareFault::Truncated)?;
    let [data_shares, shares, index, reserved] = field(head, 8);
    let code = Code::new(data_shares.into(), shares.into());
    let code = code.ok().filter(|_| index < shares).ok_or(ShareFault::BadParams)?;
    if reserved != 0 {
        return Err(ShareFault::BadReserved);
    }
    let header = ShareHeader {
        generation: u64::from_be_bytes(field(head, 0)),
        code,
        index,
        object_bytes: u32::from_be_bytes(field(head, 16)),
        object_sha256: field(head, 20),
    };
    let share_bytes = u32::from_be_bytes(field(head, 12)) as usize;
    if share_bytes != header.share_bytes() {
        return Err(ShareFault::BadShareLen);
    }
    let (bytes, rest) = rest.split_at_checked(share_bytes).ok_or(ShareFault::Truncated)?;
    Ok((Share { header, bytes }, rest))
}

/// Bytes of a record's head from a constant offset on.
fn field<const BYTES: usize>(head: &[u8; RECORD_HEADER_BYTES], at: usize) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes.copy_from_slice(&head[at..at + BYTES]);
    bytes
}
